// Rows of channels and events.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { channelOf, type Channel } from "../../../protocol/channel.ts"
import { ChannelNotFound, InvalidPayload, type AppendError, type ReadError } from "../../../protocol/errors.ts"
import type { Appended, Draft, Filter, Page } from "../../../protocol/event.ts"
import { isReserved } from "../../../protocol/well-known.ts"
import type { Port } from "../../../protocol/port.ts"
import type { ChannelView } from "../../../protocol/view.ts"
import type { Kernel } from "../../kernel.ts"
import { ChannelExists } from "../../../protocol/errors.ts"
import { channelsPageMax } from "../../limits.ts"
import { eventText, pageText, textPage } from "../event-text.ts"
import { eventStream } from "../event-stream.ts"
import { operator } from "../operator.ts"
import { tail } from "../tail.ts"
import * as CloudEvents from "./cloud-events.ts"
import type { Follow } from "./follow.ts"
import { channelNotFound, type Hands } from "./hands.ts"
import { headerOf } from "../header.ts"
import { type Handlers, json, type Input, Reply } from "./handlers.ts"

type Rows = Pick<
  Handlers,
  | "channels" | "createChannel" | "channel" | "read" | "follow" | "append" | "take" | "settle" | "renew" | "backlog" | "evict" | "clear" | "remove"
  | "tail" | "event"
>

const done = {}

const filterOf = ({ correlationId, kind, parentId, recipient, sender, subject }: Filter): Filter | undefined =>
  kind === undefined && sender === undefined && recipient === undefined && correlationId === undefined && parentId === undefined && subject === undefined
    ? undefined
    : {
        ...(kind === undefined ? {} : { kind }), ...(sender === undefined ? {} : { sender }), ...(recipient === undefined ? {} : { recipient }),
        ...(correlationId === undefined ? {} : { correlationId }), ...(parentId === undefined ? {} : { parentId }), ...(subject === undefined ? {} : { subject })
      }

/** The header may come in quotes, as a structured field does. */
const keyOf = ({ headers, payload }: Input<"append">): string | undefined | InvalidPayload => {
  const header = headerOf(headers, "idempotency-key")
  const given = header === undefined || header === "" ? undefined : /^"(.*)"$/u.exec(header)?.[1] ?? header
  if (given !== undefined && payload.key !== undefined && given !== payload.key) {
    return new InvalidPayload({ what: "append", path: "key", reason: "the header idempotency-key says another one" })
  }
  return given ?? payload.key
}

/** Drafts with the trace that they were sent in, unless they name one. What is none is not kept. */
const traced = (drafts: ReadonlyArray<Draft>, header: string | undefined): ReadonlyArray<Draft> =>
  header === undefined
    ? drafts
    : drafts.map((draft) => (draft.traceparent === undefined ? { ...draft, traceparent: header } : draft))

const appendedText = (appended: ReadonlyArray<Appended>): string => {
  const [first] = appended
  if (first === undefined || appended.length > 1) return JSON.stringify(appended)
  return `[{"id":${JSON.stringify(first.id)},"cursor":${first.cursor},"recordedAt":${first.recordedAt}}]`
}

export const channelRows = (kernel: Kernel, { portOf }: Hands, follow: Follow): Rows => {
  const { channels } = kernel
  const { store } = channels

  const viewOf = (channel: Channel): Effect.Effect<ChannelView> => {
    // A channel that is open is in the store.
    const statistics = store.statisticsOf(channel.name) ?? { head: 0, floor: 0, events: 0 }
    return Effect.map(Effect.option(channels.backlog(channel.name)), (backlog) => ({ ...channel, ...statistics, backlog: Option.getOrNull(backlog) }))
  }

  const append = (input: Input<"append">): Effect.Effect<Reply, AppendError> => {
    const { guest, headers, id, payload } = input
    if (CloudEvents.isCloudEvent(headers) && payload.events.length === 0) {
      return Effect.flatMap(CloudEvents.read(input.asked), (events) =>
        CloudEvents.append(events, (read) =>
          read.events.length === 0 ? Effect.fail(new InvalidPayload({ what: "body", path: "", reason: "a batch holds at least one event" })) : append({ ...input, payload: read })))
    }
    const key = keyOf(input)
    if (typeof key === "object") return Effect.fail(key)
    const { expectedHead } = payload
    const drafts = traced(payload.events, headerOf(headers, "traceparent"))
    return Effect.map(
      key === undefined && expectedHead === undefined
        ? portOf(guest).append(id, drafts)
        : portOf(guest).append(id, drafts, { ...(key === undefined ? {} : { key }), ...(expectedHead === undefined ? {} : { expectedHead }) }),
      (appended) => json(appendedText(appended))
    )
  }

  /** A page, when there is nothing yet after waiting for it. */
  const pageOf = Effect.fnUntraced(function*(port: Port, { id, query }: Input<"read">): Effect.fn.Return<Page, ReadError> {
    const { after = 0, limit, wait = 0 } = query
    const filter = filterOf(query)
    const options = { after, ...(limit === undefined ? {} : { limit }), ...(filter === undefined ? {} : { filter }) }
    const first = yield* port.read(id, options)
    if (first.events.length > 0 || wait === 0) return first
    const waited = Effect.gen(function*() {
      let page = first
      while (page.events.length === 0) {
        yield* port.awaitBeyond(id, page.next, page.held)
        page = yield* port.read(id, { ...options, after: page.held?.length ? after : page.next })
      }
      return page
    })
    return Option.getOrElse(yield* Effect.timeoutOption(waited, wait), () => first)
  })

  return {
    channels: ({ guest, query }) =>
      Effect.suspend(() => {
        const { after, limit } = query
        // The operator's whole list is the one that the command line shows, in the order in which channels were opened.
        if (guest.isOperator && after === undefined && limit === undefined) return kernel.views
        const seen = (guest.isOperator ? [...channels.all()].sort((a, b) => (a.name < b.name ? -1 : 1)) : guest.channels())
          .filter(({ name }) => after === undefined || name > after)
        return Effect.forEach(seen.slice(0, Math.min(limit ?? channelsPageMax, channelsPageMax)), viewOf)
      }),
    createChannel: ({ guest, payload }) => {
      if (!guest.isOperator) return guest.create(payload)
      return Effect.suspend(() => {
        const there = channels.get(payload.name)
        if (isReserved(payload.name) || there !== undefined) return Effect.fail(new ChannelExists({ channel: payload.name, owner: there?.owner ?? "" }))
        const channel = channelOf(payload, operator)
        return Effect.as(channels.open(channel), channel)
      })
    },
    channel: ({ guest, id }) =>
      Effect.suspend((): Effect.Effect<ChannelView, Effect.Error<ReturnType<Handlers["channel"]>>> => {
        const refused = guest.isOperator ? undefined : guest.refusal(id, "read")
        if (refused !== undefined) return Effect.fail(refused)
        const channel = channels.get(id)
        return channel === undefined ? Effect.fail(guest.isOperator ? channelNotFound(channels, id) : new ChannelNotFound({ channel: id })) : viewOf(channel)
      }),
    read: (input) => {
      const { guest, headers, id, query } = input
      const port = portOf(guest)
      const isBatch = CloudEvents.wantsBatch(headers)
      const parsed = Effect.map(Effect.suspend(() => pageOf(port, input)), (page) => (isBatch ? CloudEvents.pageReply(page) : json(pageText(page))))
      if (isBatch || port.texts === undefined || filterOf(query) !== undefined) return parsed
      const { after = 0, limit, wait = 0 } = query
      return Effect.flatMap(port.texts(id, { after, ...(limit === undefined ? {} : { limit }) }), (page) =>
        page === undefined || (page.count === 0 && wait > 0) ? parsed : Effect.succeed(json(textPage(page))))
    },
    follow: ({ guest, headers, id, query }) => {
      const { after, format, last } = query
      const filter = filterOf(query)
      return follow(guest, portOf(guest), id, {
        lastEventId: headerOf(headers, "last-event-id"),
        ...(after === undefined ? {} : { after }), ...(last === undefined ? {} : { last }), ...(filter === undefined ? {} : { filter }),
        ...(format === "cloudevents" ? { textOf: CloudEvents.textOf } : {})
      })
    },
    append,
    take: ({ guest, id, payload }) => {
      const { limit, wait = 0 } = payload
      const options = limit === undefined ? {} : { limit }
      const port = portOf(guest)
      if (wait === 0) return port.take(id, options)
      return Effect.map(Effect.timeoutOption(port.take(id, { ...options, wait: true }), wait), Option.getOrElse(() => []))
    },
    settle: ({ guest, id, payload }) => Effect.as(portOf(guest).settle(id, payload.settlements), done),
    renew: ({ guest, id, payload }) => Effect.map(portOf(guest).renew(id, payload.cursor, payload.epoch), (expiresAt) => ({ expiresAt })),
    backlog: ({ guest, id }) => Effect.map(portOf(guest).backlog(id), (backlog) => ({ backlog })),
    evict: ({ guest, id, payload }) => Effect.map(portOf(guest).evict(id, payload), (floor) => ({ floor })),
    clear: ({ guest, id, payload }) => Effect.as(portOf(guest).clear(id, filterOf(payload)), done),
    remove: ({ guest, id, payload }) => Effect.map(portOf(guest).remove(id, payload.ids), (removed) => ({ removed })),
    tail: ({ query }) => Effect.map(Effect.context(), (context) => new Reply(eventStream(tail(store, query), context))),
    event: ({ guest, headers, id, query }) =>
      Effect.map(portOf(guest).event(id), (event) =>
        query.format === "cloudevents-binary"
          ? CloudEvents.binaryReply(event)
          : CloudEvents.wantsOne(headers) ? CloudEvents.oneReply(event) : json(eventText(event)))
  }
}
