// Rows of channels and events.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidPayload, TooLarge } from "../../../../protocol/errors.ts"
import type { Channel } from "../../../../protocol/channel.ts"
import type { Event, Filter, Page } from "../../../../protocol/event.ts"
import * as Portable from "../../../../protocol/portable.ts"
import { batchEventsMax, pageEventsDefault, pageEventsMax, resourceMetadataTextMax } from "../../../limits.ts"
import type { Resources } from "../../../resource/resources.ts"
import type { Visitor } from "../../../resource/visitor.ts"
import type { Answer } from "../../surface.ts"
import { bodyOf, checked, type Query } from "../input.ts"
import { piecesBetween } from "../../event-text.ts"
import { answer, options, text, type Row } from "../row.ts"
import * as Wire from "../wire.ts"

/** Of channels that are made here: what queries and pulls filter by. */
const indexes = ["kind", "correlationId", "parentId"] as const

/** A list that is written piece by piece, at the client's pace. */
async function* listed<A>(first: string, rest: AsyncIterable<A>, write: (item: A) => string): AsyncGenerator<string, void, undefined> {
  yield `[${first}`
  let isFirst = first === ""
  for await (const item of rest) {
    const piece = write(item)
    if (piece === "") continue
    yield isFirst ? piece : `,${piece}`
    isFirst = false
  }
  yield "]"
}

async function* slices<A>(items: ReadonlyArray<A>, size: number): AsyncGenerator<ReadonlyArray<A>, void, undefined> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size)
}

const filterOf = (query: Query): Filter | undefined => {
  const kind = query.text("kind")
  const correlationId = query.text("correlation_id")
  const parentId = query.text("parent_id")
  if (kind === undefined && correlationId === undefined && parentId === undefined) return undefined
  return {
    ...(kind === undefined ? {} : { kind: Portable.checkToken("kind", kind) }),
    ...(correlationId === undefined ? {} : { correlationId: Portable.checkToken("correlation_id", correlationId) }),
    ...(parentId === undefined ? {} : { parentId: Portable.checkSegment("parent_id", parentId) })
  }
}

/** Whether there may be more than a page holds: its text is bounded, too. */
const isWhole = (page: Page, limit: number): boolean => page.events.length >= limit || page.next >= page.head

const isGiven = (body: unknown, field: string): boolean => (body as Readonly<Record<string, unknown>>)[field] !== undefined // only asked of objects

export const channelRows = ({ channel, events }: Resources): ReadonlyArray<Row> => {
  /** The pages behind the first one. */
  async function* further(visitor: Visitor, channel: string, filter: Filter | undefined, first: Page, limit: number): AsyncGenerator<ReadonlyArray<Event>, void, undefined> {
    let page = first
    let left = limit - first.events.length
    while (left > 0 && page.next < page.head) {
      const next = await Effect.runPromise(events.query(visitor, channel, { after: page.next, limit: Math.min(left, pageEventsMax), filter }))
      if (next.next <= page.next) return
      page = next
      left -= page.events.length
      yield page.events
    }
  }

  const append = Effect.fnUntraced(function*(visitor: Visitor, bodies: ReadonlyArray<unknown>, key: string | undefined) {
    const drafts = yield* checked(() => bodies.map((body) => {
      const event = Portable.checkEvent(body, options)
      return { channel: event.channel, draft: Wire.draftOf(event, isGiven(body, "timestamp")) }
    }))
    const channel = drafts[0]?.channel ?? ""
    const other = drafts.find((draft) => draft.channel !== channel)
    if (other !== undefined) {
      return yield* new InvalidPayload({ what: "batch", path: "channel", reason: `all events of a batch go into one channel, and it names ${channel} and ${other.channel}` })
    }
    return yield* events.append(visitor, channel, drafts.map(({ draft }) => draft), key === undefined ? undefined : { key })
  })

  return [
    {
      name: "create_channel", method: "POST", path: "/channels", body: Portable.Channel, success: Portable.Channel,
      run: Effect.fnUntraced(function*({ asked }) {
        const body = yield* bodyOf(asked)
        const channel = yield* checked(() => Portable.checkChannel(body, options))
        const size = JSON.stringify(channel).length
        if (size > resourceMetadataTextMax) {
          return yield* new TooLarge({ what: "What is said of a channel", size, sizeMax: resourceMetadataTextMax, unit: "characters" })
        }
        return answer(Wire.channelOnWire(yield* asked.guest.create({ ...channel, indexes })))
      })
    },
    {
      name: "list_channels", method: "GET", path: "/channels", success: Schema.Array(Portable.Channel),
      query: [
        { name: "after", type: "string", description: "Channels behind this name." },
        { name: "limit", type: "integer", description: "At most so many; default: all." }
      ],
      run: ({ asked, query }) =>
        checked((): Answer => {
          const after = query.text("after")
          const limit = query.integer("limit", 1)
          const seen = asked.guest.channels().filter(({ name }) => after === undefined || name > after).slice(0, limit)
          const write = (some: ReadonlyArray<Channel>): string => some.map((channel) => JSON.stringify(Wire.channelOnWire(channel))).join(",")
          return seen.length <= pageEventsMax ? text(`[${write(seen)}]`) : text(listed("", slices(seen, pageEventsMax), write))
        })
    },
    {
      name: "get_channel", method: "GET", path: "/channels/{name}", success: Portable.Channel,
      run: ({ asked, id }) => Effect.map(channel(asked.guest, id), (found) => answer(Wire.channelOnWire(found)))
    },
    {
      name: "append_event", method: "POST", path: "/events", success: Portable.Event,
      body: Schema.Union([Portable.Event, Schema.Array(Portable.Event)]),
      run: Effect.fnUntraced(function*({ asked }) {
        const body = yield* bodyOf(asked)
        const header = asked.headers["idempotency-key"]
        const key = typeof header === "string" && header !== "" ? header : undefined
        if (!Array.isArray(body)) return text(Wire.eventsText(yield* append(asked.guest, [body], key)))
        if (body.length === 0 || body.length > batchEventsMax) {
          return yield* new InvalidPayload({ what: "batch", path: "body", reason: `a batch holds 1 to ${batchEventsMax} events` })
        }
        return text(`[${Wire.eventsText(yield* append(asked.guest, body, key))}]`)
      })
    },
    {
      name: "query_events", method: "GET", path: "/events", success: Schema.Array(Portable.Event),
      query: [
        { name: "channel", type: "string", required: true, description: "The channel that is read." },
        { name: "after_cursor", type: "integer", description: "Events behind this cursor; default 0, from the oldest." },
        { name: "limit", type: "integer", description: `At most so many; default ${pageEventsDefault}.` },
        { name: "kind", type: "string", description: "Only events of this kind." },
        { name: "correlation_id", type: "string", description: "Only events of this correlation." },
        { name: "parent_id", type: "string", description: "Only events that name this parent." }
      ],
      run: Effect.fnUntraced(function*({ asked, query }) {
        const { after, channel, filter, limit } = yield* checked(() => ({
          channel: Portable.checkSegment("channel", query.required("channel")),
          after: query.integer("after_cursor", 0) ?? 0,
          limit: query.integer("limit", 1) ?? pageEventsDefault,
          filter: filterOf(query)
        }))
        const texts = filter === undefined && limit <= pageEventsMax ? yield* events.texts(asked.guest, channel, "portable", { after, limit }) : undefined
        // A page that ends early because of its text goes on below.
        if (texts !== undefined && (texts.count === limit || texts.next >= texts.head)) return text(piecesBetween("[", texts.pieces, "]"))
        const page = yield* events.query(asked.guest, channel, { after, limit: Math.min(limit, pageEventsMax), filter })
        const first = Wire.eventsText(page.events)
        return isWhole(page, limit) ? text(`[${first}]`) : text(listed(first, further(asked.guest, channel, filter, page, limit), Wire.eventsText))
      })
    },
    {
      name: "get_event", method: "GET", path: "/events/{event_id}", success: Portable.Event,
      run: ({ asked, id }) => Effect.map(events.get(asked.guest, id), (event) => text(Wire.eventText(event)))
    }
  ]
}
