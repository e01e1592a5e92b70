// The channels of one kernel: checks and serialises drafts, appends them to the store, wakes readers, and gives each
// reader what the channel's delivery lets it see. Nothing here knows of ports, grants or systems.
import type * as Effect from "effect/Effect"
import type { Channel, Durability } from "../../protocol/channel.ts"
import type {
  AppendError, AppendUnknown, ChannelExists, ChannelNotFound, Gap, LeaseLost, StoreCorrupt, StoreUnavailable, WrongDelivery
} from "../../protocol/errors.ts"
import type { Appended, Draft, Page } from "../../protocol/event.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import type { AppendOptions, ReadOptions, TakeOptions } from "../../protocol/port.ts"
import type { StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import type { Settlement, Taken } from "../../protocol/subscription.ts"
import type { KernelClock } from "../clock.ts"
import type { StoreService } from "../store/store.ts"

export interface ChannelsService {
  readonly store: StoreService
  readonly clock: KernelClock
  /** Creates a channel (and, for an exclusive one, its companion and dead letters), or reopens the owner's own. */
  readonly open: (channel: Channel, schema?: StandardSchemaV1) => Effect.Effect<void, ChannelExists | StoreUnavailable>
  readonly get: (name: ChannelId) => Channel | undefined
  readonly all: () => ReadonlyArray<Channel>
  readonly append: (
    sender: SystemId, channel: ChannelId, drafts: ReadonlyArray<Draft>,
    options?: AppendOptions & { readonly durability?: Durability }
  ) => Effect.Effect<ReadonlyArray<Appended>, AppendError>
  /**
   * As `append`, and repeats an unknown outcome with the same key and head until the answer is definite; waits for a
   * stopped store to be reopened. For what the kernel itself must have kept. `key` is required.
   */
  readonly appendSurely: (
    sender: SystemId, channel: ChannelId, drafts: ReadonlyArray<Draft>,
    options: AppendOptions & { readonly key: string; readonly durability?: Durability }
  ) => Effect.Effect<ReadonlyArray<Appended>, Exclude<AppendError, AppendUnknown | StoreUnavailable>>
  readonly read: (
    reader: SystemId, channel: ChannelId, options?: ReadOptions
  ) => Effect.Effect<Page, ChannelNotFound | Gap | StoreCorrupt>
  readonly awaitBeyond: (channel: ChannelId, after: Cursor) => Effect.Effect<Cursor, ChannelNotFound>
  /** `unrecorded`: the kernel's own takes are not written down as attempts. */
  readonly take: (
    holder: SystemId, channel: ChannelId, options?: TakeOptions & { readonly unrecorded?: boolean }
  ) => Effect.Effect<ReadonlyArray<Taken>, ChannelNotFound | WrongDelivery | Gap | StoreCorrupt | StoreUnavailable | AppendUnknown>
  readonly settle: (
    holder: SystemId, channel: ChannelId, settlements: ReadonlyArray<Settlement>
  ) => Effect.Effect<void, ChannelNotFound | WrongDelivery | LeaseLost | StoreUnavailable | AppendUnknown>
  readonly renew: (
    holder: SystemId, channel: ChannelId, cursor: Cursor, epoch: number
  ) => Effect.Effect<number, ChannelNotFound | WrongDelivery | LeaseLost>
  /** Gives back everything that a holder has taken, at once: it was undocked or failed. */
  readonly release: (holder: SystemId) => Effect.Effect<void>
  readonly backlog: (channel: ChannelId) => Effect.Effect<number, ChannelNotFound | WrongDelivery>
  /** Every item up to this cursor of an exclusive channel is settled. */
  readonly settledFloor: (channel: ChannelId) => Cursor
}
