// A subscription: the durable named cursor of one consumer. And what a queue hands out and takes back.
import * as Schema from "effect/Schema"
import { ChannelId, Cursor, SystemId } from "./names.ts"
import type { Event } from "./event.ts"

export const Subscription = Schema.Struct({
  /** Scoped by the system: two systems may use one name. */
  name: Schema.String,
  system: SystemId,
  channel: ChannelId,
  cursor: Cursor
})
export interface Subscription extends Schema.Schema.Type<typeof Subscription> {}

/** An item of an exclusive channel, held by one taker until it settles or the lease ends. */
export interface Taken {
  readonly event: Event
  /** Grows with every new holder; a settle that carries an older one is refused. */
  readonly epoch: number
  /** 1 for the first delivery. */
  readonly attempt: number
  /** Kernel time in Unix milliseconds. */
  readonly expiresAt: number
}

/** How a taker ends a lease: `ack` it is done, `nack` give it to another, `dead` to the dead letters. */
export const Outcome = Schema.Literals(["ack", "nack", "dead"])
export type Outcome = typeof Outcome.Type

export interface Settlement {
  readonly cursor: Cursor
  readonly epoch: number
  readonly outcome: Outcome
  readonly reason?: string
  /** For `nack`: not before so many milliseconds. */
  readonly delayMillis?: number
}
