// The kernel's nouns as the portable API writes them: snake_case, every field there, null where there is nothing.
import type { ArtifactRecord } from "../../../protocol/artifact.ts"
import type { Channel } from "../../../protocol/channel.ts"
import type { Draft, Event } from "../../../protocol/event.ts"
import type * as Portable from "../../../protocol/portable.ts"
import type { Snapshot, SnapshotHead } from "../../../protocol/snapshot.ts"
import type { SharedSubscription } from "../../../protocol/subscription.ts"

export const channelOnWire = ({ description, form, metadata, name, schema }: Channel): Portable.Channel => ({ name, schema, form, description, metadata })

/** Members in the order of the model; text is written by hand because this is what queries and pulls spend their time on. */
const write = (event: Event): string => {
  const { channel, correlationId, cursor, id, kind, metadata, parentIds, payload, schema, source, timestamp } = event
  return `{"id":${JSON.stringify(id)},"cursor":${cursor},"channel":${JSON.stringify(channel)},"timestamp":${timestamp},"source":${JSON.stringify(source)}` +
    `,"kind":${JSON.stringify(kind)},"payload":${JSON.stringify(payload)},"schema":${schema === null ? "null" : JSON.stringify(schema)}` +
    `,"metadata":${JSON.stringify(metadata)},"correlation_id":${correlationId === null ? "null" : JSON.stringify(correlationId)}` +
    `,"parent_ids":${parentIds.length === 0 ? "[]" : JSON.stringify(parentIds)}}`
}

const texts = new WeakMap<Event, string>()

/** An event that comes from the store is frozen and shared by all readers, so it is written once for all of them. */
export const eventText = (event: Event): string => {
  let text = texts.get(event)
  if (text === undefined) {
    text = write(event)
    if (Object.isFrozen(event)) texts.set(event, text)
  }
  return text
}

/** Without brackets. */
export const eventsText = (events: ReadonlyArray<Event>): string => {
  let text = ""
  for (let at = 0; at < events.length; at++) text += at === 0 ? eventText(events[at]!) : `,${eventText(events[at]!)}`
  return text
}

/** What is nothing or the default is left out: the store fills it in. `hasTime`: the writer said when. */
export const draftOf = (event: Portable.Event, hasTime: boolean): Draft => ({
  kind: event.kind,
  ...(event.payload === null ? {} : { payload: event.payload }),
  ...(event.id === "" ? {} : { id: event.id }),
  ...(hasTime ? { timestamp: event.timestamp } : {}),
  ...(event.source === null ? {} : { source: event.source }),
  ...(event.schema === null ? {} : { schema: event.schema }),
  ...(Object.keys(event.metadata).length === 0 ? {} : { metadata: event.metadata }),
  ...(event.correlation_id === null ? {} : { correlationId: event.correlation_id }),
  ...(event.parent_ids.length === 0 ? {} : { parentIds: event.parent_ids })
})

export const subscriptionOnWire = ({ batchSize, channel, consumer, cursor, filters, id, metadata }: SharedSubscription): Portable.Subscription => ({
  id, channel, cursor, consumer, batch_size: batchSize, filters, metadata
})

export const artifactOnWire = ({ channel, eventIds, id, mediaType, metadata, path, sha256, sizeBytes }: ArtifactRecord): Portable.Artifact => ({
  id, channel, path, media_type: mediaType, size: sizeBytes, sha256, metadata, event_ids: eventIds
})

export const snapshotOnWire = ({ channel, metadata, name, schema, sourceEventId, timestamp, value }: Snapshot): Portable.Snapshot => ({
  name, channel, timestamp, value, schema, source_event_id: sourceEventId, metadata
})

/** As in a list: without the value, with the revision that a conditional put needs. */
export const snapshotHeadOnWire = (
  { channel, metadata, name, revision, schema, sourceEventId, timestamp }: SnapshotHead
): Omit<Portable.Snapshot, "value"> & { readonly revision: number } => ({
  name, channel, timestamp, schema, source_event_id: sourceEventId, metadata, revision
})
