// The portable store as a handler of the host sees it: promises over the port of whoever asks, so that a handler can do
// what its caller may do, and nothing else.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Portable from "../../../protocol/portable.ts"
import { TooLarge } from "../../../protocol/errors.ts"
import { artifactBytesMax, pageEventsDefault, pageEventsMax } from "../../limits.ts"
import type { Resources } from "../../resource/resources.ts"
import type { Guest } from "../guest.ts"
import { options } from "./row.ts"
import * as Wire from "./wire.ts"

export interface StoreQuery {
  readonly afterCursor?: number
  readonly limit?: number
  readonly kind?: string
}

export interface StoreSubscription {
  readonly id?: string | null
  readonly consumer?: string | null
  readonly batchSize?: number
  readonly filters?: Portable.Filters
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** The verbs of the store without a kernel, as promises. They reject with the failure itself. */
export interface PortableStore {
  readonly createChannel: (draft: Portable.ChannelDraft) => Promise<Portable.Channel>
  readonly listChannels: () => Promise<ReadonlyArray<Portable.Channel>>
  readonly getChannel: (name: string) => Promise<Portable.Channel>
  readonly appendEvent: (draft: Portable.EventDraft) => Promise<Portable.Event>
  readonly queryEvents: (channel: string, query?: StoreQuery) => Promise<ReadonlyArray<Portable.Event>>
  readonly getEvent: (id: string) => Promise<Portable.Event>
  readonly createSubscription: (channel: string, subscription?: StoreSubscription) => Promise<Portable.Subscription>
  readonly pullSubscription: (id: string, limit?: number) => Promise<ReadonlyArray<Portable.Event>>
  readonly ackSubscription: (id: string, cursor: number) => Promise<Portable.Subscription>
  readonly getSubscription: (id: string) => Promise<Portable.Subscription>
  readonly writeArtifact: (data: Uint8Array | string, draft?: Portable.ArtifactDraft) => Promise<Portable.Artifact>
  readonly readArtifact: (id: string) => Promise<Uint8Array>
  readonly getArtifact: (id: string) => Promise<Portable.Artifact>
  readonly putSnapshot: (draft: Portable.SnapshotDraft, put?: { readonly expectedRevision?: number }) => Promise<Portable.Snapshot>
  readonly getSnapshot: (name: string) => Promise<Portable.Snapshot>
}

const promised = async <A>(run: () => Effect.Effect<A, unknown>): Promise<A> => {
  const exit = await Effect.runPromiseExit(Effect.suspend(run))
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

const eventOnWire = (event: Parameters<typeof Wire.eventText>[0]): Portable.Event => JSON.parse(Wire.eventText(event)) as Portable.Event // it is the text of one

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

export const storeOf = ({ artifacts, channel, events, snapshots, subscriptions }: Resources, guest: Guest): PortableStore => ({
  createChannel: (draft) => promised(() => Effect.map(guest.create(Portable.checkChannel(draft, options)), Wire.channelOnWire)),
  listChannels: async () => guest.channels().map(Wire.channelOnWire),
  getChannel: (name) =>
    promised(() => Effect.map(channel(guest, Portable.checkSegment("name", name)), Wire.channelOnWire)),
  appendEvent: (draft) =>
    promised(() => {
      const event = Portable.checkEvent(draft, options)
      return Effect.map(events.append(guest, event.channel, [Wire.draftOf(event, draft.timestamp !== undefined)]), ([kept]) => eventOnWire(kept!)) // one for each draft
    }),
  queryEvents: (channel, { afterCursor = 0, kind, limit = pageEventsDefault } = {}) =>
    promised(() =>
      Effect.map(
        events.query(guest, Portable.checkSegment("channel", channel), {
          after: Portable.checkCursor("after_cursor", afterCursor), limit: Portable.checkCount("limit", limit, pageEventsMax),
          ...(kind === undefined ? {} : { filter: { kind: Portable.checkToken("kind", kind) } })
        }),
        (page) => page.events.map(eventOnWire)
      )),
  getEvent: (id) => promised(() => Effect.map(events.get(guest, Portable.checkSegment("event_id", id)), eventOnWire)),
  createSubscription: (channel, { batchSize, consumer, filters, id, metadata } = {}) =>
    promised(() => {
      const draft = Portable.checkSubscription({ channel, id, consumer, batch_size: batchSize, filters, metadata }, options)
      const { kind } = draft.filters
      return Effect.map(
        subscriptions.create(guest, {
          id: draft.id === "" ? undefined : draft.id, channel: draft.channel, consumer: draft.consumer, batchSize: draft.batch_size,
          filters: typeof kind === "string" ? { kind } : {}, metadata: draft.metadata
        }),
        ({ subscription }) => Wire.subscriptionOnWire(subscription)
      )
    }),
  pullSubscription: (id, limit) =>
    promised(() =>
      Effect.map(
        subscriptions.pull(guest, Portable.checkSegment("subscription_id", id), limit === undefined ? {} : { limit: Portable.checkCount("limit", limit) }),
        (pulled) => pulled.events.map(eventOnWire)
      )),
  ackSubscription: (id, cursor) =>
    promised(() =>
      Effect.map(subscriptions.ack(guest, Portable.checkSegment("subscription_id", id), Portable.checkCursor("cursor", cursor)), Wire.subscriptionOnWire)),
  getSubscription: (id) => promised(() => Effect.map(subscriptions.get(guest, Portable.checkSegment("subscription_id", id)), Wire.subscriptionOnWire)),
  writeArtifact: (data, given = {}) =>
    promised(() => {
      const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data
      if (!(bytes instanceof Uint8Array)) throw new Portable.InvalidPayloadError("artifact data must be bytes.")
      const draft = Portable.checkArtifact(given, options)
      return Effect.map(
        artifacts.put(guest, once(bytes), { channel: draft.channel, mediaType: draft.media_type, metadata: draft.metadata, eventIds: draft.event_ids }),
        Wire.artifactOnWire
      )
    }),
  readArtifact: (id) =>
    promised(Effect.fnUntraced(function*() {
      const record = yield* artifacts.get(guest, Portable.checkSegment("artifact_id", id))
      const { sizeBytes: size } = record
      if (size > artifactBytesMax) return yield* new TooLarge({ what: "An artifact that is read as a whole", size, sizeMax: artifactBytesMax, unit: "bytes" })
      const { bytes } = yield* artifacts.open(guest, record)
      return yield* Effect.tryPromise({
        try: async () => {
          const parts: Array<Uint8Array> = []
          for await (const part of bytes.chunks) parts.push(part)
          return new Uint8Array(Buffer.concat(parts))
        },
        catch: (failure) => failure
      })
    })),
  getArtifact: (id) => promised(() => Effect.map(artifacts.get(guest, Portable.checkSegment("artifact_id", id)), Wire.artifactOnWire)),
  putSnapshot: (given, put) =>
    promised(() => {
      const { channel, metadata, name, schema, source_event_id: sourceEventId, timestamp, value } = Portable.checkSnapshot(given, options)
      return Effect.map(
        snapshots.put(guest, { name, value, channel, sourceEventId, schema, metadata, ...(given.timestamp === undefined ? {} : { timestamp }) }, put),
        Wire.snapshotOnWire
      )
    }),
  getSnapshot: (name) => promised(() => Effect.map(snapshots.get(guest, Portable.checkSegment("name", name)), Wire.snapshotOnWire))
})
