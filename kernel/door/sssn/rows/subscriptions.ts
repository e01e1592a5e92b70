// Rows of subscriptions: the ancestor's pull, which counts as read what it hands out, and beside it acknowledgements.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Cursor } from "../../../../protocol/names.ts"
import * as Portable from "../../../../protocol/portable.ts"
import { Lag, type SharedSubscription } from "../../../../protocol/subscription.ts"
import { pageEventsMax, resourceMetadataTextMax } from "../../../limits.ts"
import { TooLarge } from "../../../../protocol/errors.ts"
import type { Resources } from "../../../resource/resources.ts"
import { bodyOf, checked } from "../input.ts"
import { answer, options, text, type Row } from "../row.ts"
import * as Wire from "../wire.ts"

const Draft = Schema.Struct({
  channel: Portable.Subscription.fields.channel,
  id: Schema.optionalKey(Schema.NullOr(Portable.Subscription.fields.id)),
  consumer: Schema.optionalKey(Portable.Subscription.fields.consumer),
  batch_size: Schema.optionalKey(Portable.Subscription.fields.batch_size),
  filters: Schema.optionalKey(Portable.Filters),
  metadata: Schema.optionalKey(Portable.Subscription.fields.metadata)
})

const Acknowledgement = Schema.Struct({ cursor: Cursor })

const filtersOf = ({ kind }: Portable.Filters): SharedSubscription["filters"] => (typeof kind === "string" ? { kind } : {})

const ackOf = (body: unknown): number => {
  const members = typeof body === "object" && body !== null && !Array.isArray(body) ? Object.entries(body) : []
  const [name, value] = members[0] ?? []
  if (members.length !== 1 || name !== "cursor") throw new Portable.InvalidPayloadError("cursor: the body is an object with `cursor` and nothing else.")
  return Portable.checkCursor("cursor", typeof value === "string" && /^\s*\d{1,16}\s*$/u.test(value) ? Number(value) : value)
}

export const subscriptionRows = ({ subscriptions }: Resources): ReadonlyArray<Row> => [
  {
    name: "create_subscription", method: "POST", path: "/subscriptions", body: Draft, success: Portable.Subscription,
    run: Effect.fnUntraced(function*({ asked }) {
      const body = yield* bodyOf(asked)
      const draft = yield* checked(() => {
        const given = Portable.checkSubscription(body, options)
        // What would be dropped without a word is refused.
        if ("cursor" in (body as object)) throw new Portable.InvalidPayloadError("cursor: a subscription starts at the beginning; acknowledge to move it.") // an object, as was just checked
        return given
      })
      const size = JSON.stringify(draft.metadata).length
      if (size > resourceMetadataTextMax) return yield* new TooLarge({ what: "The metadata", size, sizeMax: resourceMetadataTextMax, unit: "characters" })
      const { differing, subscription } = yield* subscriptions.create(asked.guest, {
        id: draft.id === "" ? undefined : draft.id, channel: draft.channel, consumer: draft.consumer, batchSize: draft.batch_size,
        filters: filtersOf(draft.filters), metadata: draft.metadata
      })
      // What was there stays as it is; what it does not share with the request is named.
      return answer(Wire.subscriptionOnWire(subscription), differing.length === 0 ? {} : { "sssn-kept": differing.join(", ") })
    })
  },
  {
    name: "list_subscriptions", method: "GET", path: "/subscriptions", success: Schema.Array(Portable.Subscription),
    query: [
      { name: "channel", type: "string", description: "Only those of this channel." },
      { name: "after", type: "integer", description: "What the header `sssn-next` of the page before says." },
      { name: "limit", type: "integer", description: `At most so many; default and most ${pageEventsMax}.` }
    ],
    run: Effect.fnUntraced(function*({ asked, query }) {
      const given = yield* checked(() => {
        const channel = query.text("channel")
        return {
          after: query.integer("after", 0), limit: query.integer("limit", 1), channel: channel === undefined ? undefined : Portable.checkSegment("channel", channel)
        }
      })
      const { isEnd, next, records } = yield* subscriptions.list(asked.guest, given)
      return answer(records.map(Wire.subscriptionOnWire), isEnd ? {} : { "sssn-next": String(next) })
    })
  },
  {
    name: "get_subscription", method: "GET", path: "/subscriptions/{subscription_id}", success: Portable.Subscription,
    run: ({ asked, id }) => Effect.map(subscriptions.get(asked.guest, id), (found) => answer(Wire.subscriptionOnWire(found)))
  },
  {
    name: "pull_subscription", method: "POST", path: "/subscriptions/{subscription_id}/pull", success: Schema.Array(Portable.Event),
    query: [
      { name: "limit", type: "integer", description: `At most so many, and at most ${pageEventsMax}; default: the batch size.` },
      { name: "ack", type: "string", description: "`manual`: the events come again until they are acknowledged. Default `auto`: what is handed out counts as read." }
    ],
    run: Effect.fnUntraced(function*({ asked, id, query }) {
      const { ack, limit } = yield* checked(() => {
        const mode = query.text("ack") ?? "auto"
        if (mode !== "auto" && mode !== "manual") throw new Portable.InvalidPayloadError("query.ack: ack must be auto or manual.")
        return { ack: mode, limit: query.integer("limit", 1) } as const
      })
      const { cursor, events } = yield* subscriptions.pull(asked.guest, id, { ack, limit })
      return text(`[${Wire.eventsText(events)}]`, { "sssn-cursor": String(cursor) })
    })
  },
  {
    name: "acknowledge_subscription", method: "POST", path: "/subscriptions/{subscription_id}/ack", body: Acknowledgement, success: Portable.Subscription,
    run: Effect.fnUntraced(function*({ asked, id }) {
      const body = yield* bodyOf(asked)
      const cursor = yield* checked(() => ackOf(body))
      return answer(Wire.subscriptionOnWire(yield* subscriptions.ack(asked.guest, id, cursor)))
    })
  },
  {
    name: "get_subscription_lag", method: "GET", path: "/subscriptions/{subscription_id}/lag", success: Lag,
    run: ({ asked, id }) =>
      Effect.map(subscriptions.lag(asked.guest, id), ({ behind, cursor, head, isExact }) => answer({ head, cursor, behind, is_exact: isExact }))
  }
]
