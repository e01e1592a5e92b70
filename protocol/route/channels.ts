// Routes of channels and events: what a guest does most.
import * as Schema from "effect/Schema"
import { Channel, ChannelSpec } from "../channel.ts"
import { Appended, Draft, Event, Filter, Page } from "../event.ts"
import { Cursor, EventId } from "../names.ts"
import { Outcome } from "../subscription.ts"
import { ChannelView } from "../view.ts"
import { Done, filterText, MaybeCursor, MaybeNumber, None, row, Text, Wait, WaitNumber } from "./row.ts"

/** CloudEvents 1.0: one event, and several. */
export const cloudEventMedia = "application/cloudevents+json"
export const cloudEventsMedia = "application/cloudevents-batch+json"

const ReadQuery = Schema.Struct({
  after: MaybeNumber,
  limit: MaybeNumber,
  ...filterText,
  /** Milliseconds to wait for an event when there is none behind `after`. */
  wait: Wait
})

const FollowQuery = Schema.Struct({
  /** Events behind this cursor; `last-event-id` wins over it. Default: from the oldest that is kept. */
  after: MaybeNumber,
  /** In place of `after`: at most so many of the newest. */
  last: MaybeNumber,
  ...filterText,
  /** The data of each event as a CloudEvent in place of our own form. */
  format: Schema.optionalKey(Schema.Literal("cloudevents"))
})

const TailQuery = Schema.Struct({
  /** A channel, or a pattern with `*` for any characters. */
  pattern: Schema.NonEmptyString,
  /** Events behind this cursor, in each channel. */
  after: MaybeNumber,
  /** At most so many of the newest events of each channel, when `after` and `since` are absent. */
  last: MaybeNumber,
  /** Events not older than this, in Unix milliseconds. */
  since: MaybeNumber,
  kind: Text,
  /** Go on with what happens from now on. */
  follow: Schema.optionalKey(Schema.Literal("true"))
})

const AppendPayload = Schema.Struct({
  /** One or several, appended together or not at all. */
  events: Schema.Array(Draft),
  /** Makes it repeatable; the header `idempotency-key` says the same. */
  key: Text,
  /** Append only when this is the newest cursor. */
  expectedHead: MaybeCursor
})

/** An item of a queue that its taker holds. */
export const TakenView = Schema.Struct({
  event: Event,
  /** Goes with every settlement and renewal: an older one is refused. */
  epoch: Schema.Int,
  attempt: Schema.Int,
  /** Kernel time in Unix milliseconds. */
  expiresAt: Schema.Finite
})
export interface TakenView extends Schema.Schema.Type<typeof TakenView> {}

const SettlementPayload = Schema.Struct({
  cursor: Cursor,
  epoch: Schema.Int,
  outcome: Outcome,
  reason: Text,
  /** For `nack`: not before so many milliseconds. */
  delayMillis: Schema.optionalKey(Schema.Int)
})

const cloudEvents = [cloudEventMedia, cloudEventsMedia]
const key = "Makes the append repeatable: the same key and content append once."
const trace = "W3C trace context; it is kept with the events that name no other."

export const channelRoutes = {
  channels: row({
    method: "GET", path: "/v1/channels", group: "channels", says: "Channels that the caller may see, by name.", guests: true, payload: None,
    query: Schema.Struct({
      /** Those whose name comes behind this one. */
      after: Text,
      /** At most so many; default: all. */
      limit: MaybeNumber
    }),
    success: Schema.Array(ChannelView)
  }),
  createChannel: row({
    method: "POST", path: "/v1/channels", group: "channels", says: "Creates a channel. One that a guest creates is public.", guests: true, query: None,
    payload: ChannelSpec, success: Channel, status: 201
  }),
  channel: row({
    method: "GET", path: "/v1/channels/:id", group: "channels", says: "A channel and its statistics.", guests: true, query: None, payload: None,
    success: ChannelView
  }),
  read: row({
    method: "GET", path: "/v1/channels/:id/events", group: "channels", says: "A page of events, oldest first.", guests: true, query: ReadQuery,
    payload: None, success: Page, media: [cloudEventsMedia]
  }),
  follow: row({
    method: "GET", path: "/v1/channels/:id/events", group: "channels", guests: true, accept: "text/event-stream", stream: true,
    says: "Events as they come, as server-sent events whose id is the cursor.", query: FollowQuery, payload: None, success: Event,
    headers: { "last-event-id": "Go on behind this event, as a reconnecting client says by itself." }
  }),
  append: row({
    method: "POST", path: "/v1/channels/:id/events", group: "channels", guests: true, query: None, payload: AppendPayload,
    says: "Appends one event or a batch, all or nothing.", success: Schema.Array(Appended), media: cloudEvents,
    headers: { "idempotency-key": key, traceparent: trace }
  }),
  take: row({
    method: "POST", path: "/v1/channels/:id", verb: "take", group: "channels", guests: true, query: None,
    says: "Leases the next items of a queue, or of a log that takes exclusive reads.",
    payload: Schema.Struct({ limit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))), wait: WaitNumber }),
    success: Schema.Array(TakenView)
  }),
  settle: row({
    method: "POST", path: "/v1/channels/:id", verb: "settle", group: "channels", guests: true, query: None,
    says: "Ends leases: acknowledged, given back, or dead. One lost lease fails the call; the others are settled.",
    payload: Schema.Struct({ settlements: Schema.Array(SettlementPayload) }), success: Done
  }),
  renew: row({
    method: "POST", path: "/v1/channels/:id", verb: "renew", group: "channels", guests: true, query: None, says: "Extends a lease.",
    payload: Schema.Struct({ cursor: Cursor, epoch: Schema.Int }), success: Schema.Struct({ expiresAt: Schema.Finite })
  }),
  backlog: row({
    method: "GET", path: "/v1/channels/:id/backlog", group: "channels", guests: true, query: None, payload: None,
    says: "Items of a queue that are neither settled nor dead.", success: Schema.Struct({ backlog: Schema.Int })
  }),
  evict: row({
    method: "POST", path: "/v1/channels/:id", verb: "evict", group: "channels", guests: true, query: None,
    says: "Forgets the oldest events; needs the role admin.",
    payload: Schema.Struct({
      /** Events that were recorded before this moment, in Unix milliseconds. */
      before: Schema.optionalKey(Schema.Finite),
      /** Newest events that stay. */
      maxCount: Schema.optionalKey(Schema.Int)
    }),
    success: Schema.Struct({ floor: Cursor })
  }),
  clear: row({
    method: "POST", path: "/v1/channels/:id", verb: "clear", group: "channels", guests: true, query: None,
    says: "Forgets every event, or removes those that match; needs the role admin.", payload: Filter, success: Done
  }),
  remove: row({
    method: "POST", path: "/v1/channels/:id", verb: "remove", group: "channels", guests: true, query: None,
    says: "Removes events by their ids; needs the role admin.",
    payload: Schema.Struct({ ids: Schema.Array(EventId) }), success: Schema.Struct({ removed: Schema.Int })
  }),
  tail: row({
    method: "GET", path: "/v1/events", group: "events", says: "Events of all channels that match, as server-sent events in the order of time.",
    query: TailQuery, payload: None, success: Event, stream: true
  }),
  event: row({
    method: "GET", path: "/v1/events/:id", group: "events", guests: true, payload: None, success: Event, media: [cloudEventMedia],
    says: "The event with this id, in any channel that the caller may read.",
    query: Schema.Struct({
      /** As a CloudEvent in binary mode: attributes as headers, data as body. */
      format: Schema.optionalKey(Schema.Literal("cloudevents-binary"))
    })
  })
} as const

