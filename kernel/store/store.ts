// The store port: channels, events, subscriptions, snapshots and artifacts. What every backend promises is tested by
// test/contract/store.ts. The only atomic unit is one batch appended to one channel; no backend offers more.
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Artifact, ArtifactBytes, ByteRange } from "../../protocol/artifact.ts"
import type { Channel, Durability, IndexField } from "../../protocol/channel.ts"
import type {
  AppendUnknown, ArtifactNotFound, ChannelNotFound, EventExists, EventNotFound, Gap, HeadConflict, IdempotencyConflict, InvalidPayload,
  Overloaded, SnapshotConflict, StoreCorrupt, StoreUnavailable, TooLarge
} from "../../protocol/errors.ts"
import type { Appended, Event, Filter, Page, TextForm, TextPage } from "../../protocol/event.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import type { PutOptions, Snapshot, SnapshotDraft, SnapshotHead } from "../../protocol/snapshot.ts"
import type { Subscription } from "../../protocol/subscription.ts"

/** A draft that was checked and serialised once, at the port (`codec.ts`). The bytes are passed on as they are. */
export interface Prepared {
  /** A given id; absent: the store mints a UUIDv7. */
  readonly id: string | undefined
  /** Members of the event's JSON object without braces: everything but id, channel, cursor and recordedAt. */
  readonly text: string
  readonly parentIds: ReadonlyArray<string>
  /** Values of the channel's indexed fields; absent when the channel has no index. */
  readonly index: ReadonlyArray<readonly [IndexField, string]> | undefined
  /** What readers that wait are handed, so that nobody has to parse the text; nothing: it is parsed when it is read. */
  readonly live?: LiveDraft | undefined
  /** Its labels; absent: none. */
  readonly labels?: ReadonlyArray<string> | undefined
  /** What its text ends with behind the labels. */
  readonly tail?: string | undefined
  /** The text as its writer gave it, when labels were added that it inherits: what a repeated append is compared by. */
  readonly plain?: string | undefined
}

/** An event that has an id, a sender and these, and nothing else: what parsing the text would give, deeply frozen. */
export interface LiveDraft {
  readonly kind: string
  readonly payload: Event["payload"]
  readonly metadata?: Event["metadata"]
  readonly correlationId?: string | null
  readonly recipient?: string | null
  readonly subject?: string | null
}

export interface StoreAppendOptions {
  readonly sender: SystemId
  /** Scoped to (channel, sender), kept at least 24 hours. Checked before the head. */
  readonly key?: string | undefined
  /** Compared with the head including earlier members of the same flush. */
  readonly expectedHead?: Cursor | undefined
  /** Less than the channel's class, for records whose loss in a power cut is harmless. */
  readonly durability?: Durability | undefined
  /** Only where the store takes them. */
  readonly followers?: ReadonlyArray<Follower> | undefined
}

/**
 * An append to another channel that goes into the same record as one, behind it, and is kept only when that one is. A
 * saving of commits where a record can hold both; nothing may rest on it that a second append would not give.
 */
export interface Follower {
  readonly channel: ChannelId
  readonly batch: ReadonlyArray<Prepared>
  readonly sender: SystemId
  readonly expectedHead: Cursor
  /** Called before the first one is answered, and only when it was kept: where the events lie, or nothing when these were refused. */
  readonly kept: (appended: ReadonlyArray<Appended> | undefined) => void
}

export type StoreAppendError =
  | ChannelNotFound | EventExists | EventNotFound | HeadConflict | IdempotencyConflict | AppendUnknown | StoreUnavailable | TooLarge
  | InvalidPayload

export interface StoreReadOptions {
  readonly after: Cursor
  readonly limit: number
  readonly filter?: Filter | undefined
  /** Only the newest event of each subject (the channel must index `subject`). */
  readonly newestBySubject?: boolean | undefined
}

/** An event that is parsed when somebody looks at it, and kept in that form by nobody else. */
export interface StoredItem {
  readonly cursor: Cursor
  readonly event: () => Event
}

/** As a page, of events that may never be looked at. */
export interface ItemPage {
  readonly items: ReadonlyArray<StoredItem>
  readonly next: Cursor
  readonly head: Cursor
}

export interface StoreTextOptions {
  readonly after: Cursor
  readonly limit: number
  readonly form: TextForm
}

export interface ChannelStatistics {
  readonly head: Cursor
  /** Cursors up to this one were evicted; 0: none. */
  readonly floor: Cursor
  /** Events that are kept. */
  readonly events: number
}

export interface StoreStatistics {
  readonly backend: string
  readonly path: string | null
  readonly format: number
  readonly events: number
  readonly channels: number
  /** Bytes on disk: database, write-ahead log, artifacts; 0 in memory. */
  readonly bytes: number
  /** In words, for the banner: what survives. */
  readonly durability: string
}

export interface ArtifactStreamOptions {
  readonly mediaType: string
  /** Who is going to claim the bytes. */
  readonly claim: string
  /** Beyond it the stream is refused with `TooLarge`. */
  readonly sizeBytesMax: number
  /** What all artifacts of the store may take together; beyond it `StoreUnavailable`. */
  readonly totalBytesMax: number
}

export type ArtifactStreamError = InvalidPayload | Overloaded | StoreUnavailable | TooLarge

export interface UnclaimedArtifact {
  readonly digest: string
  readonly claims: ReadonlyArray<string>
  /** When the newest of them was announced, by the wall clock, in Unix milliseconds. */
  readonly at: number
}

export interface StoreService {
  readonly backend: string
  /** Classes that this backend can promise. A channel of another class is refused at `putChannel`. */
  readonly durabilities: ReadonlySet<Durability>
  /** A key costs nothing here (a replicated log deduplicates anyway), so ports add one to every append. */
  readonly keysAreFree: boolean
  /** One record holds events of several channels, so appends may have followers; absent: it does not. */
  readonly takesFollowers?: boolean

  /** Creates or redefines a channel; its events stay. Fails when the class cannot be promised. */
  readonly putChannel: (channel: Channel) => Effect.Effect<void, StoreUnavailable>
  readonly channels: () => ReadonlyArray<Channel>
  readonly statisticsOf: (channel: ChannelId) => ChannelStatistics | undefined

  /** One backend record: all of the batch or nothing. Succeeds when it is kept to its durability class. */
  readonly append: (
    channel: ChannelId, batch: ReadonlyArray<Prepared>, options: StoreAppendOptions
  ) => Effect.Effect<ReadonlyArray<Appended>, StoreAppendError>
  /** Pages in order. `Gap` when `after` is below the floor (0 is not: it means "from the oldest that is left"). */
  readonly read: (
    channel: ChannelId, options: StoreReadOptions
  ) => Effect.Effect<Page, ChannelNotFound | Gap | StoreCorrupt>
  /** As `read` of everything: for items that are handed on one by one. */
  readonly items: (
    channel: ChannelId, options: { readonly after: Cursor; readonly limit: number }
  ) => Effect.Effect<ItemPage, ChannelNotFound | Gap | StoreCorrupt>
  /** As `read` of everything, as JSON text that nobody parses. */
  readonly texts: (channel: ChannelId, options: StoreTextOptions) => Effect.Effect<TextPage, ChannelNotFound | Gap | StoreCorrupt>
  /** The event with this id, in any channel. */
  readonly event: (id: string) => Effect.Effect<Event | undefined, StoreCorrupt>
  /** Forgets events up to and including `floor`. */
  readonly evict: (channel: ChannelId, floor: Cursor) => Effect.Effect<void, ChannelNotFound | StoreUnavailable>
  /** Calls back after each commit with the channel and its new head; synchronously, so it must be quick. */
  readonly onCommit: (listener: (channel: ChannelId, head: Cursor) => void) => () => void

  readonly subscription: (system: SystemId, name: string, channel: ChannelId) => Subscription | undefined
  readonly subscriptions: (system?: SystemId) => ReadonlyArray<Subscription>
  /** Creates it, or moves it; a cursor below the stored one changes nothing. */
  readonly advance: (
    system: SystemId, name: string, channel: ChannelId, cursor: Cursor
  ) => Effect.Effect<void, StoreUnavailable>

  readonly getSnapshot: (name: string) => Effect.Effect<Snapshot | undefined, StoreCorrupt>
  /** All of them by name, without their values. */
  readonly snapshots: () => Effect.Effect<ReadonlyArray<SnapshotHead>, StoreCorrupt>
  readonly putSnapshot: (
    draft: SnapshotDraft, sender: SystemId, options?: PutOptions
  ) => Effect.Effect<Snapshot, InvalidPayload | SnapshotConflict | StoreUnavailable | TooLarge>

  readonly putArtifact: (bytes: Uint8Array, mediaType: string) => Effect.Effect<Artifact, StoreUnavailable>
  /** Verified against its digest. */
  readonly getArtifact: (digest: string) => Effect.Effect<Uint8Array, ArtifactNotFound | StoreCorrupt>
  /**
   * Keeps bytes as they come; what the source throws as one of the protocol's errors is the failure, anything else is an
   * `InvalidPayload`. Until they are claimed they may be removed again; what `putArtifact` kept counts as claimed.
   */
  readonly putArtifactStream: (
    bytes: AsyncIterable<Uint8Array>, options: ArtifactStreamOptions
  ) => Effect.Effect<Artifact, ArtifactStreamError>
  /** From now on these bytes stay. */
  readonly claimArtifact: (digest: string) => Effect.Effect<void, StoreUnavailable>
  /** Bytes that were streamed in and not claimed, with the claims that were going to be made on them. */
  readonly unclaimedArtifacts: () => Effect.Effect<ReadonlyArray<UnclaimedArtifact>, StoreUnavailable>
  /** Removes bytes that nobody has claimed and nobody is putting; else nothing happens. */
  readonly dropArtifact: (digest: string) => Effect.Effect<void, StoreUnavailable>
  /** The bytes of a range (default: all), in order, each verified before it is handed out. */
  readonly openArtifact: (digest: string, range?: ByteRange) => Effect.Effect<ArtifactBytes, ArtifactNotFound | StoreCorrupt>
  /** What all artifacts take, in bytes. */
  readonly artifactBytes: () => number

  /** Why writes are stopped, or nothing. */
  readonly stopped: () => string | undefined
  /** After an I/O error: opens the backend anew; afterwards an unknown append can be resolved by its key. */
  readonly reopen: Effect.Effect<void, StoreUnavailable>
  /** Reads everything and checks what can be checked; answers what is wrong. */
  readonly verify: Effect.Effect<ReadonlyArray<string>>
  readonly statistics: () => StoreStatistics
}

/** What keeps events. Backends: `memory.ts`, `sqlite.ts`. */
export class Store extends Context.Service<Store, StoreService>()("aaax/kernel/store/Store") {}
