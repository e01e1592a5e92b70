// The portable API over the kernel that runs here, through the operator's routes: its nouns, in the portable words.
import { randomUUID } from "node:crypto"
import type { ArtifactRecord } from "../../protocol/artifact.ts"
import type { Channel as KernelChannel } from "../../protocol/channel.ts"
import type { Event } from "../../protocol/event.ts"
import {
  type Artifact, type Channel, checkArtifact, checkChannel, checkCount, checkCursor, checkEvent, type CheckOptions, checkSegment,
  checkSnapshot, checkSubscription, checkToken, InvalidPayloadError, type JsonObject, type KeptEvent, type Snapshot, type Subscription
} from "../../protocol/portable.ts"
import { channelRoutes } from "../../protocol/route/channels.ts"
import { resourceRoutes } from "../../protocol/route/resources.ts"
import { stateRoutes } from "../../protocol/route/state.ts"
import type { Snapshot as KernelSnapshot } from "../../protocol/snapshot.ts"
import type { SharedSubscription } from "../../protocol/subscription.ts"
import type { PortableApi } from "./api.ts"
import type { Desk } from "./desk.ts"

const options: CheckOptions = { newId: randomUUID, now: () => Date.now() / 1000 }

export const channelOf = ({ name, schema, form, description, metadata }: KernelChannel): Channel => ({ name, schema, form, description, metadata })

export const eventOf = (event: Event): KeptEvent => ({
  id: event.id, cursor: event.cursor, channel: event.channel, timestamp: event.timestamp, source: event.source, kind: event.kind,
  payload: event.payload, schema: event.schema, metadata: event.metadata, correlation_id: event.correlationId, parent_ids: event.parentIds
})

export const subscriptionOf = (kept: SharedSubscription): Subscription => ({
  id: kept.id, channel: kept.channel, cursor: kept.cursor, consumer: kept.consumer, batch_size: kept.batchSize, filters: kept.filters,
  metadata: kept.metadata
})

export const artifactOf = (record: ArtifactRecord): Artifact => ({
  id: record.id, channel: record.channel, path: record.path, media_type: record.mediaType, size: record.sizeBytes, sha256: record.sha256,
  metadata: record.metadata, event_ids: record.eventIds
})

export const snapshotOf = (kept: KernelSnapshot): Snapshot => ({
  name: kept.name, channel: kept.channel, timestamp: kept.timestamp, value: kept.value, schema: kept.schema,
  source_event_id: kept.sourceEventId, metadata: kept.metadata
})

/** Without members that are nothing. */
export const present = (table: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(table).filter(([, value]) => value !== undefined && value !== null)) as JsonObject // what was JSON stays JSON

/** The API on a desk. What the desk answers was checked by the kernel, which is of this very version or a neighbour of it. */
export const kernelApi = (desk: Desk): PortableApi => {
  const getEvent = async (id: string): Promise<KeptEvent> =>
    eventOf(await desk.ask<Event>(channelRoutes.event, { id: checkSegment("event.id", id) }))
  return {
    close: () => undefined,
    listChannels: async () => (await desk.ask<ReadonlyArray<KernelChannel>>(channelRoutes.channels)).map(channelOf),
    createChannel: async (draft) => {
      const { name, schema, form, description, metadata } = checkChannel(draft, options)
      return channelOf(await desk.ask<KernelChannel>(channelRoutes.createChannel, { body: { name, schema, form, description, metadata, visibility: "public" } }))
    },
    getChannel: async (name) => channelOf(await desk.ask<KernelChannel>(channelRoutes.channel, { id: checkSegment("channel.name", name) })),
    appendEvent: async (draft) => {
      const event = checkEvent(draft, options)
      const body = present({
        id: draft.id, kind: event.kind, timestamp: draft.timestamp === undefined ? undefined : event.timestamp, source: event.source,
        schema: event.schema, metadata: event.metadata, correlationId: event.correlation_id, parentIds: event.parent_ids
      })
      const [appended] = await desk.ask<ReadonlyArray<{ readonly id: string }>>(channelRoutes.append, {
        id: event.channel, body: { events: [{ ...body, payload: event.payload }] }
      })
      return getEvent(appended!.id) // one for each draft
    },
    queryEvents: async (channel, { afterCursor = 0, limit = 100, kind = null } = {}) => {
      checkCursor("after_cursor", afterCursor)
      checkCount("limit", limit)
      checkSegment("event.channel", channel)
      if (kind !== null) checkToken("event.kind", kind)
      const found: Array<KeptEvent> = []
      for (let after = afterCursor; found.length < limit;) {
        const page = await desk.ask<{ readonly events: ReadonlyArray<Event>; readonly next: number; readonly head: number }>(channelRoutes.read, {
          id: channel, query: { after, limit: Math.min(limit - found.length, 1000), ...(kind === null ? {} : { kind }) }
        })
        found.push(...page.events.map(eventOf))
        if (page.next >= page.head || page.next === after) break
        after = page.next
      }
      return found
    },
    getEvent,
    createSubscription: async (channel, given = {}) => {
      const asked = checkSubscription({
        channel, id: given.id ?? undefined, consumer: given.consumer, batch_size: given.batchSize, filters: given.filters, metadata: given.metadata
      }, options)
      const { differing, subscription } = await desk.ask<{ readonly subscription: SharedSubscription; readonly differing: ReadonlyArray<string> }>(
        resourceRoutes.subscribe, {
          body: present({
            id: given.id, channel, consumer: given.consumer, batchSize: given.batchSize,
            filters: given.filters === undefined ? undefined : present({ ...asked.filters }), metadata: given.metadata
          })
        })
      if (differing.length > 0) throw new InvalidPayloadError(`Subscription already exists: ${subscription.id}, with other ${differing.join(", ")}`)
      return subscriptionOf(subscription)
    },
    getSubscription: async (id) =>
      subscriptionOf(await desk.ask<SharedSubscription>(resourceRoutes.subscription, { id: checkSegment("subscription.id", id) })),
    pullSubscription: async (id, limit) => {
      if ((limit ?? null) !== null) checkCount("limit", limit)
      const pulled = await desk.ask<{ readonly events: ReadonlyArray<Event> }>(resourceRoutes.pull, {
        id: checkSegment("subscription.id", id), body: present({ limit, ack: "auto" })
      })
      return pulled.events.map(eventOf)
    },
    writeArtifact: async (data, draft = {}) => {
      const { channel, event_ids, media_type, metadata } = checkArtifact(draft, options)
      return artifactOf(await desk.ask<ArtifactRecord>(resourceRoutes.putArtifact, {
        query: present({ channel, eventIds: event_ids.length === 0 ? null : event_ids.join(","), metadata: JSON.stringify(metadata) }),
        bytes: data instanceof ArrayBuffer ? new Uint8Array(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength), mediaType: media_type
      }))
    },
    getArtifact: async (id) => artifactOf(await desk.ask<ArtifactRecord>(resourceRoutes.artifact, { id: checkSegment("artifact.id", id) })),
    readArtifact: async (id) => desk.bytes(resourceRoutes.artifactBytes, { id: checkSegment("artifact.id", id) }),
    putSnapshot: async (draft) => {
      const { channel, metadata, name, schema, source_event_id, timestamp, value } = checkSnapshot(draft, options)
      return snapshotOf(await desk.ask<KernelSnapshot>(stateRoutes.putSnapshot, {
        id: name,
        body: { ...present({ channel, metadata, schema, sourceEventId: source_event_id, timestamp: draft.timestamp === undefined ? null : timestamp }), value, visibility: "public" }
      }))
    },
    getSnapshot: async (name) => snapshotOf(await desk.ask<KernelSnapshot>(stateRoutes.snapshot, { id: checkSegment("snapshot.name", name) }))
  }
}
