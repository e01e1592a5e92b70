// The port: the system calls of a docked system, and nothing else. In-process, over a pipe and over a socket it is
// the same interface. Every call is stamped with the system that the port was made for.
import type * as Effect from "effect/Effect"
import type { Artifact } from "./artifact.ts"
import type { Channel } from "./channel.ts"
import type {
  AppendError, ArtifactNotFound, ChannelNotFound, Denied, EventNotFound, Gap, InvalidPayload, LeaseLost, Overloaded, ReadError, SnapshotConflict,
  SnapshotNotFound, StoreCorrupt, StoreUnavailable, TooLarge, Undocked, WrongDelivery, AppendUnknown
} from "./errors.ts"
import type { Appended, Draft, Event, Filter, Page, TextForm, TextPage } from "./event.ts"
import type { ChannelId, Cursor, EventId, SystemId } from "./names.ts"
import type { ReadingPower } from "./power.ts"
import type { PutOptions, Snapshot, SnapshotDraft } from "./snapshot.ts"
import type { Settlement, Subscription, Taken } from "./subscription.ts"

export interface AppendOptions {
  /** Makes the append repeatable: same key and content give the first result, for at least 24 hours. */
  readonly key?: string
  /** Append only when this is the newest cursor. */
  readonly expectedHead?: Cursor
}

export interface ReadOptions {
  /** Events behind this cursor; default 0, from the oldest. */
  readonly after?: Cursor
  /** At most so many events; default 100, at most 1,000. */
  readonly limit?: number
  readonly filter?: Filter
  /** Everything that is kept, also what others have taken or settled. Queues always show it. Default false. */
  readonly fullLog?: boolean
}

export interface TextOptions extends Omit<ReadOptions, "filter"> {
  /** Default: the event as it is. */
  readonly form?: TextForm
}

export interface TakeOptions {
  /** At most so many items; default 1, at most 1,000. */
  readonly limit?: number
  /** Wait for the first item; default false: answer at once, perhaps with nothing. */
  readonly wait?: boolean
  /**
   * Ends these leases first, as `settle` does; the answer says that they are ended, durably. A lost lease fails the
   * call, and then nothing is taken.
   */
  readonly settle?: ReadonlyArray<Settlement>
}

/** What `evict` lets go of: first what is older, then what is more. */
export interface EvictOptions {
  /** Events that were recorded before this moment: kernel time in Unix milliseconds. */
  readonly before?: number
  /** Newest events that stay. */
  readonly maxCount?: number
}

export type HostError =
  | Denied | ChannelNotFound | InvalidPayload | TooLarge | Gap | StoreCorrupt | StoreUnavailable | AppendUnknown | Undocked

export interface Port {
  readonly system: SystemId
  /** The channels that it is wired to. */
  readonly channels: Effect.Effect<ReadonlyArray<Channel>, Undocked>
  /**
   * Appends one batch, atomically: at most 1,000 drafts and 1 MiB. Succeeds when the events are kept to the channel's
   * durability. Answers in the order of the drafts.
   */
  readonly append: (
    channel: ChannelId, drafts: ReadonlyArray<Draft>, options?: AppendOptions
  ) => Effect.Effect<ReadonlyArray<Appended>, AppendError>
  /** A page in order. What delivery allows is seen: all, mine (`addressed`), or the newest of each subject (`latest`). */
  readonly read: (channel: ChannelId, options?: ReadOptions) => Effect.Effect<Page, ReadError>
  /**
   * As `read` without a filter, as JSON text that nobody parsed; nothing where `read` alone can say what is seen. Only near the
   * kernel: elsewhere a port has none.
   */
  readonly texts?: (channel: ChannelId, options?: TextOptions) => Effect.Effect<TextPage | undefined, ReadError>
  /** The event with this id, in any channel that it may read and sees it in. */
  readonly event: (id: EventId) => Effect.Effect<Event, EventNotFound | StoreCorrupt | Undocked>
  /**
   * The newest cursor, once it is beyond `after`, or as soon as one of the cursors in `held` (from a page) is held no
   * longer. Waits without polling.
   */
  readonly awaitBeyond: (
    channel: ChannelId, after: Cursor, held?: ReadonlyArray<Cursor>
  ) => Effect.Effect<Cursor, Denied | ChannelNotFound | Undocked>
  /** Leases the next items of a queue, or of a log that takes exclusive reads. */
  readonly take: (
    channel: ChannelId, options?: TakeOptions
  ) => Effect.Effect<ReadonlyArray<Taken>, ReadError | WrongDelivery | LeaseLost | AppendUnknown>
  /** Ends leases, durably. One lost lease fails the call with `LeaseLost`; the others are settled. */
  readonly settle: (
    channel: ChannelId, settlements: ReadonlyArray<Settlement>
  ) => Effect.Effect<
    void, Denied | ChannelNotFound | WrongDelivery | LeaseLost | InvalidPayload | StoreUnavailable | AppendUnknown | Undocked
  >
  /** Extends a lease by the channel's lease time; answers when it now ends. */
  readonly renew: (
    channel: ChannelId, cursor: Cursor, epoch: number
  ) => Effect.Effect<number, Denied | ChannelNotFound | WrongDelivery | LeaseLost | InvalidPayload | Undocked>
  /**
   * For the channel's owner, and for guests with `admin`: forgets the oldest events, with their leases; answers the
   * cursor up to which everything is gone. Readers behind it get a typed gap and go on from there.
   */
  readonly evict: (channel: ChannelId, options: EvictOptions) => Effect.Effect<Cursor, HostError>
  /** For the same: forgets every event, or removes those that match. */
  readonly clear: (channel: ChannelId, filter?: Filter) => Effect.Effect<void, HostError>
  /**
   * For the same: removes these events, wherever they lie; no reader and no taker gets them any more. Answers how many
   * there were. At most 1,000 at once; their bytes go with retention.
   */
  readonly remove: (channel: ChannelId, ids: ReadonlyArray<EventId>) => Effect.Effect<number, HostError>
  /** Items that can be taken and are neither settled nor dead, held ones included. */
  readonly backlog: (channel: ChannelId) => Effect.Effect<number, Denied | ChannelNotFound | WrongDelivery | Undocked>
  /** The stored cursor of this system's subscription; starts at `from` (default 0) when it is new. */
  readonly subscription: (
    name: string, channel: ChannelId, from?: Cursor
  ) => Effect.Effect<Subscription, Denied | ChannelNotFound | InvalidPayload | Overloaded | StoreUnavailable | Undocked>
  /** Moves a subscription forward, never back. */
  readonly advance: (
    name: string, channel: ChannelId, cursor: Cursor
  ) => Effect.Effect<void, Denied | ChannelNotFound | InvalidPayload | Overloaded | StoreUnavailable | Undocked>
  readonly getSnapshot: (name: string) => Effect.Effect<Snapshot, Denied | SnapshotNotFound | StoreCorrupt | Undocked>
  readonly putSnapshot: (
    draft: SnapshotDraft, options?: PutOptions
  ) => Effect.Effect<Snapshot, Denied | InvalidPayload | TooLarge | SnapshotConflict | StoreUnavailable | Undocked>
  readonly putArtifact: (
    bytes: Uint8Array, mediaType?: string
  ) => Effect.Effect<Artifact, Denied | TooLarge | Overloaded | StoreUnavailable | Undocked>
  /** Bytes of an artifact that an event names which this port may read. */
  readonly getArtifact: (
    digest: string, event: Pick<Event, "channel" | "cursor">
  ) => Effect.Effect<Uint8Array, Denied | ArtifactNotFound | ChannelNotFound | StoreCorrupt | Undocked>
  /** The reading powers that were handed over at docking, in the order of the manifest. */
  readonly powers: ReadonlyArray<ReadingPower>
}
