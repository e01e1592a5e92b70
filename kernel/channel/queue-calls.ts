// What can be asked of a queue, and what a queue is made with.
import type * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import type { LeaseLost, WrongDelivery } from "../../protocol/errors.ts"
import type { Cursor, SystemId } from "../../protocol/names.ts"
import type { TakeOptions } from "../../protocol/port.ts"
import type { Settlement, Taken } from "../../protocol/subscription.ts"
import type { KernelClock } from "../clock.ts"
import type { StoreService } from "../store/store.ts"
import type { ReadFailure } from "./pending.ts"
import type { WriteFailure } from "./recorder.ts"

/** Calls back once after so many milliseconds; answers how to call it off. */
export type Timer = (millis: number, ring: () => void) => () => void

export interface QueueOptions {
  readonly store: StoreService
  readonly clock: KernelClock
  readonly timer: Timer
  readonly nextEpoch: () => number
  readonly channel: () => Channel
  /** Where its dead letters go; nothing: nowhere. */
  readonly letters: () => Channel | undefined
  /** Something was settled, so that the floor may have moved, or it was given back. */
  readonly onSettled: () => void
}

/** Of an event: to be had, in somebody's hands now, or done; what was removed is done. */
export type ItemStatus = "open" | "held" | "settled"

/** Each call looks at the queue when it is made, and answers what is to be waited for: call it inside an effect. */
export interface Queue {
  readonly take: (
    holder: SystemId, options: TakeOptions & { readonly unrecorded?: boolean }
  ) => Effect.Effect<ReadonlyArray<Taken>, TakeFailure>
  /** The same in plain calls: answers how to call it off, or nothing when the answer was given already. Once restored. */
  readonly beginTake: (
    holder: SystemId, options: TakeOptions & { readonly unrecorded?: boolean },
    resume: (effect: Effect.Effect<ReadonlyArray<Taken>, TakeFailure>) => void
  ) => (() => void) | undefined
  readonly settle: (holder: SystemId, settlements: ReadonlyArray<Settlement>) => Effect.Effect<void, LeaseLost | WriteFailure>
  /** The same in plain calls, of settlements that nobody changes any more. */
  readonly beginSettle: (
    holder: SystemId, settlements: ReadonlyArray<Settlement>, resume: (effect: Effect.Effect<void, LeaseLost | WriteFailure>) => void
  ) => void
  readonly renew: (holder: SystemId, cursor: Cursor, epoch: number) => Effect.Effect<number, LeaseLost>
  readonly release: (holder: SystemId) => void
  /** Fails what waits for a holder. */
  readonly dismiss: (holder: SystemId, failure: Effect.Effect<never>) => void
  readonly backlog: Effect.Effect<number>
  readonly settledFloor: () => Cursor
  /** What was settled before this boot is known. */
  readonly isRestored: () => boolean
  /** Once restored: of any event as it is now. */
  readonly statuses: () => (cursor: Cursor) => ItemStatus
  /** Once restored: events that were removed one by one and are still kept. */
  readonly removed: () => ReadonlySet<Cursor>
  /** Settles some items, and all up to a floor, whoever holds them; readers do not get the former either. */
  readonly remove: (cursors: ReadonlyArray<Cursor>, floor: Cursor) => Effect.Effect<number, ReadFailure | WriteFailure>
  /** Reads what was settled before this boot; done once, and by the first call that needs it. */
  readonly restore: Effect.Effect<void, ReadFailure>
  /**
   * Items up to this cursor that nobody holds are handed out no more: they go to the dead letters, so many at once.
   * Answers how many there were.
   */
  readonly bury: (upTo: Cursor, reason: string) => number
  /** The channel's head moved. */
  readonly onHead: () => void
  /** Somebody waits for the next item. */
  readonly isAwaited: () => boolean
  /** Ends timers. When the channel is no queue any more, those who wait for it are told so. */
  readonly close: (reason?: WrongDelivery) => void
}

export type TakeFailure = ReadFailure | WriteFailure | WrongDelivery | LeaseLost
