// Rows of artifacts and subscriptions.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { ReadError } from "../../../protocol/errors.ts"
import type { Cursor } from "../../../protocol/names.ts"
import type { Kernel } from "../../kernel.ts"
import { pageEventsDefault, pageEventsMax } from "../../limits.ts"
import type { Listed } from "../../resource/records.ts"
import type { Pulled, SubscriptionError } from "../../resource/subscriptions.ts"
import type { Visitor } from "../../resource/visitor.ts"
import { rangeOf } from "../byte-range.ts"
import { decoder } from "../input.ts"
import type { Hands } from "./hands.ts"
import { headerOf } from "../header.ts"
import { type Handlers, type Input, Reply } from "./handlers.ts"

type Rows = Pick<
  Handlers,
  "artifacts" | "putArtifact" | "artifact" | "artifactBytes" | "subscriptions" | "subscribe" | "subscription" | "pull" | "ack" | "lag"
>

const decodeMetadata = decoder(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)), "query")

const listed = <A>({ isEnd, next, records }: Listed<A>): { readonly items: ReadonlyArray<A>; readonly next: Cursor; readonly isEnd: boolean } =>
  ({ items: records, next, isEnd })

const limitOf = (limit: number | undefined): number => Math.min(Math.max(1, limit ?? pageEventsDefault), pageEventsMax)

const put = Effect.fnUntraced(function*({ artifacts }: Kernel["resources"], visitor: Visitor, { asked, headers, query }: Input<"putArtifact">) {
  const { channel, eventIds, id, metadata } = query
  const given = metadata === undefined ? undefined : yield* decodeMetadata(metadata)
  const mediaType = headerOf(headers, "content-type")
  return yield* artifacts.put(visitor, asked.bytes, {
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(id === undefined ? {} : { id }),
    ...(channel === undefined ? {} : { channel }),
    ...(eventIds === undefined || eventIds === "" ? {} : { eventIds: eventIds.split(",") }),
    // It was decoded as that.
    ...(given === undefined ? {} : { metadata: given as Readonly<Record<string, Schema.Json>> })
  })
})

/** What a page of ours must never make of somebody's bytes: a page of ours. */
const harmless = { "content-disposition": "attachment", "content-security-policy": "sandbox; default-src 'none'", "accept-ranges": "bytes" }

const bytes = Effect.fnUntraced(function*({ artifacts }: Kernel["resources"], visitor: Visitor, { headers, id }: Input<"artifactBytes">) {
  const record = yield* artifacts.get(visitor, id)
  const etag = `"${record.sha256}"`
  const known = headerOf(headers, "if-none-match")
  if (known !== undefined && known.split(",").some((tag) => tag.trim() === etag || tag.trim() === "*")) return new Reply({ status: 304, headers: { etag } })
  const range = rangeOf(headerOf(headers, "range"), record.sizeBytes)
  if (range === "unsatisfiable") {
    return new Reply({ status: 416, headers: { ...harmless, "content-range": `bytes */${record.sizeBytes}` } })
  }
  const opened = yield* artifacts.open(visitor, record, range)
  const { from, to } = opened.bytes.range
  return new Reply({
    status: range === undefined ? 200 : 206,
    headers: {
      ...harmless, etag, "content-type": record.mediaType, "content-length": String(Math.max(0, to - from + 1)),
      ...(range === undefined ? {} : { "content-range": `bytes ${from}-${to}/${record.sizeBytes}` })
    },
    body: opened.bytes.chunks
  })
})

export const resourceRows = ({ resources }: Kernel, { portOf, visitorOf }: Hands): Rows => {
  const { artifacts, subscriptions } = resources

  const pull = ({ guest, id, payload }: Input<"pull">): Effect.Effect<Pulled, SubscriptionError | ReadError> => {
    const { ack = "manual", limit, wait = 0 } = payload
    const visitor = visitorOf(guest)
    const next = subscriptions.pull(visitor, id, { ack, ...(limit === undefined ? {} : { limit: limitOf(limit) }) })
    if (wait === 0) return next
    return Effect.flatMap(next, (first) => {
      if (first.events.length > 0) return Effect.succeed(first)
      const waited = Effect.gen(function*() {
        const { channel } = yield* subscriptions.get(visitor, id)
        let pulled: Pulled = first
        while (pulled.events.length === 0) {
          yield* portOf(guest).awaitBeyond(channel, pulled.cursor)
          pulled = yield* next
        }
        return pulled
      })
      return Effect.map(Effect.timeoutOption(waited, wait), Option.getOrElse(() => first))
    })
  }

  return {
    artifacts: ({ guest, query: { after, channel, eventId, limit } }) =>
      Effect.map(artifacts.list(visitorOf(guest), { after, channel, eventId, limit: limitOf(limit) }), listed),
    putArtifact: (input) => put(resources, visitorOf(input.guest), input),
    artifact: ({ guest, id }) => artifacts.get(visitorOf(guest), id),
    artifactBytes: (input) => bytes(resources, visitorOf(input.guest), input),
    subscriptions: ({ guest, query: { after, channel, limit } }) =>
      Effect.map(subscriptions.list(visitorOf(guest), { after, channel, limit: limitOf(limit) }), listed),
    subscribe: ({ guest, payload }) => subscriptions.create(visitorOf(guest), payload),
    subscription: ({ guest, id }) => subscriptions.get(visitorOf(guest), id),
    pull,
    ack: ({ guest, id, payload }) => subscriptions.ack(visitorOf(guest), id, payload.cursor),
    lag: ({ guest, id }) => subscriptions.lag(visitorOf(guest), id)
  }
}
