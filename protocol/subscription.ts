// A subscription: the durable named cursor of one consumer. And what a queue hands out and takes back.
import * as Schema from "effect/Schema"
import { ChannelId, Cursor, EventId, SystemId } from "./names.ts"
import type { Event } from "./event.ts"

export const Subscription = Schema.Struct({
  /** Scoped by the system: two systems may use one name. */
  name: Schema.String,
  system: SystemId,
  channel: ChannelId,
  cursor: Cursor
})
export interface Subscription extends Schema.Schema.Type<typeof Subscription> {}

/** A subscription that is known by its id to everyone who may read its channel; a port's own are known to it alone. */
export const SharedSubscription = Schema.Struct({
  id: EventId,
  channel: ChannelId,
  /** Events up to this one were handed out, or acknowledged. */
  cursor: Cursor,
  /** A label of who reads it; never an identity. */
  consumer: Schema.NullOr(Schema.String),
  /** Events in one pull that says no other number. */
  batchSize: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Which events it is about. */
  filters: Schema.Struct({ kind: Schema.optionalKey(Schema.String) }),
  metadata: Schema.Record(Schema.String, Schema.Json),
  creator: SystemId,
  /** Kernel time in Unix milliseconds. */
  createdAt: Schema.Int
})
export interface SharedSubscription extends Schema.Schema.Type<typeof SharedSubscription> {}

/** How far a subscription is behind. */
export const Lag = Schema.Struct({
  head: Cursor,
  cursor: Cursor,
  /** Events between both, those included that its filter passes over. */
  behind: Schema.Int,
  /** False: there are at least so many. */
  isExact: Schema.Boolean
})
export interface Lag extends Schema.Schema.Type<typeof Lag> {}

/** An item of an exclusive channel, held by one taker until it settles or the lease ends. */
export interface Taken {
  readonly event: Event
  /** The event's, to settle it by. */
  readonly cursor: Cursor
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
