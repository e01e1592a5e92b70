// Those who take, and what they get. One object each and no copies: this is made for every item of every queue.
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Event } from "../../protocol/event.ts"
import type { Cursor, SystemId } from "../../protocol/names.ts"
import type { Taken } from "../../protocol/subscription.ts"
import type { StoredItem } from "../store/store.ts"
import type { Item } from "./items.ts"
import type { WriteFailure } from "./recorder.ts"

const none: ReadonlyArray<never> = []
/** Not a member by name: whoever copies or prints what was taken does not meet it. */
const stored = Symbol("stored")

/** An item in somebody's hands. Its event is parsed when it is looked at first. */
export class TakenItem implements Taken {
  readonly cursor: Cursor
  readonly epoch: number
  readonly attempt: number
  readonly expiresAt: number
  private [stored]: StoredItem | Event

  constructor(item: StoredItem, epoch: number, attempt: number, expiresAt: number) {
    this.cursor = item.cursor
    this.epoch = epoch
    this.attempt = attempt
    this.expiresAt = expiresAt
    this[stored] = item
  }

  get event(): Event {
    const held = this[stored]
    return "sender" in held ? held : (this[stored] = held.event())
  }

  toJSON(): Taken {
    const { attempt, cursor, epoch, event, expiresAt } = this
    return { event, cursor, epoch, attempt, expiresAt }
  }
}

/** One call that takes. */
export class Taker<E> {
  readonly holder: SystemId
  readonly limit: number
  readonly wait: boolean
  readonly unrecorded: boolean
  readonly resume: (effect: Effect.Effect<ReadonlyArray<Taken>, E>) => void
  /** Set aside for it. */
  items: ReadonlyArray<Item> = none
  isInLine = false
  /** Nobody is there any more to take what was set aside. */
  isGone = false
  /** What it ends first; empty once that is written down. It is answered then, and not before. */
  ends: ReadonlyArray<Item>
  answer: Effect.Effect<ReadonlyArray<Taken>, E> | undefined = undefined

  constructor(
    holder: SystemId, limit: number, wait: boolean, unrecorded: boolean, ends: ReadonlyArray<Item>, resume: Taker<E>["resume"]
  ) {
    this.holder = holder
    this.limit = limit
    this.wait = wait
    this.unrecorded = unrecorded
    this.ends = ends
    this.resume = resume
  }
}

/** One call that settles, and takes nothing. */
export class Settler {
  readonly ends: ReadonlyArray<Item>
  /** They are written down, or could not be. */
  readonly onExit: (failed: Exit.Exit<never, WriteFailure> | undefined) => void

  constructor(ends: ReadonlyArray<Item>, onExit: Settler["onExit"]) {
    this.ends = ends
    this.onExit = onExit
  }
}
