// The transport of single channels, as SSSN v1 speaks it: read, write, acknowledge and give back at /channels/{id}. PUBLIC
// channels only, whatever their delivery; each guest has its own cursor and its own leases.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { canTake, type Channel } from "../../protocol/channel.ts"
import { ChannelNotFound, Denied, Overloaded, TooLarge, WrongDelivery } from "../../protocol/errors.ts"
import type { Draft } from "../../protocol/event.ts"
import { draftOf, draftOfWire, genericContent, infoOf, messageOf, WireMessage, wireOf } from "../../protocol/message.ts"
import { isSegment, type ChannelId } from "../../protocol/names.ts"
import { statusOf } from "../../protocol/problem.ts"
import { reaches, suffices, type Role } from "../../protocol/security.ts"
import { issuePath } from "../../protocol/standard-schema.ts"
import type { Outcome } from "../../protocol/subscription.ts"
import type { Kernel } from "../kernel.ts"
import { pageEventsMax, takeItemsMax, transportLeasesMax, transportReadersMax } from "../limits.ts"
import type { Guest } from "./guest.ts"
import type { Answer, Asked, Surface } from "./surface.ts"
import { description } from "./transport/description.ts"
import { makeLeases } from "./transport/leases.ts"
import { makeReaders } from "./transport/reader.ts"

const limitDefault = 10

/** A refusal of this surface: what the ancestor's clients read. */
class Refusal {
  readonly answer: Answer
  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    this.answer = { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify({ detail }) }
  }
}

const json = (body: unknown, route: string): Answer =>
  ({ status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(body), route })

const words: Readonly<Record<string, boolean>> = {
  true: true, "1": true, yes: true, on: true, t: true, y: true, false: false, "0": false, no: false, off: false, f: false, n: false
}

/** A flag of the query; the last one counts. */
const flagOf = (query: URLSearchParams, name: string): boolean | Refusal => {
  const given = query.getAll(name).at(-1)?.toLowerCase()
  if (given === undefined) return false
  return Object.hasOwn(words, given) ? words[given]! : new Refusal(422, `query.${name}: must be true or false.`)
}

const limitOf = (query: URLSearchParams): number | Refusal => {
  const given = query.getAll("limit").at(-1)
  if (given === undefined) return limitDefault
  return /^\d{1,9}$/u.test(given) && Number(given) > 0
    ? Math.min(Number(given), pageEventsMax, takeItemsMax)
    : new Refusal(422, `query.limit: must be a whole number above 0; more than ${pageEventsMax} are not given at once.`)
}

const decodeMessage = Schema.decodeUnknownResult(WireMessage, { errors: "first" })
const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** The failure as the ancestor's clients read it. A fault says nothing of the inside. */
const refusalOf = (error: { readonly _tag: string; readonly message: string }): Refusal => {
  const status = statusOf(error._tag) ?? 500
  if (status === 500) return new Refusal(500, "Internal error.")
  const retry = error instanceof Overloaded ? Math.max(1, Math.ceil(error.retryAfterMillis / 1_000)) : status === 503 ? 1 : undefined
  return new Refusal(status, error.message, retry === undefined ? {} : { "retry-after": String(retry) })
}

export interface TransportOptions {
  readonly kernel: Pick<Kernel, "channels" | "converterOf">
}

export const transport = ({ kernel }: TransportOptions): Surface => {
  const { clock } = kernel.channels
  const leases = makeLeases({ max: transportLeasesMax, now: clock.now })
  const readers = makeReaders({ max: transportReadersMax })

  /** The channel, when this guest may do that on it. A name that its token is not for is refused, whether or not it is there. */
  const channelFor = ({ ended, principal, refusal }: Guest, id: ChannelId, operation: Role): Channel | Refusal => {
    const why = ended()
    if (why !== undefined) return new Refusal(401, `Not authenticated: ${why}.`, { "www-authenticate": "Bearer" })
    if (!reaches(principal, id) || (principal.role !== undefined && !suffices(principal.role, operation))) {
      return new Refusal(403, `Token does not permit '${operation}' on channel '${id}'.`)
    }
    const refused = refusal(id, operation) ?? kernel.channels.get(id) ?? new ChannelNotFound({ channel: id })
    return refused instanceof Denied || refused instanceof ChannelNotFound ? refusalOf(refused) : refused
  }

  const bodyOf = (asked: Asked): Effect.Effect<Schema.Json, Refusal> =>
    asked.json.pipe(
      Effect.mapError((error) => (error instanceof TooLarge ? refusalOf(error) : new Refusal(400, "Invalid JSON body."))),
      Effect.flatMap((body) => (body === undefined ? Effect.fail(new Refusal(400, "Invalid JSON body.")) : Effect.succeed(body as Schema.Json))) // JSON gives JSON
    )

  const wrongMode = ({ delivery, name }: Channel, operation: string, instead: string): Refusal =>
    refusalOf(new WrongDelivery({ channel: name, delivery, operation, instead }))

  const read = Effect.fnUntraced(function*({ guest, query }: Asked, id: ChannelId) {
    const isExclusive = flagOf(query, "exclusive")
    if (isExclusive instanceof Refusal) return yield* Effect.fail(isExclusive)
    const channel = channelFor(guest, id, isExclusive ? "write" : "read")
    if (channel instanceof Refusal) return yield* Effect.fail(channel)
    const limit = limitOf(query)
    if (limit instanceof Refusal) return yield* Effect.fail(limit)
    if (!isExclusive) {
      if (channel.delivery === "exclusive") return yield* Effect.fail(wrongMode(channel, "a shared read", "exclusive=true"))
      const after = query.get("after")
      const behind = after === null ? undefined : yield* cursorOf(guest, id, after)
      const events = yield* Effect.mapError(readers.read(guest.port, id, limit, behind), refusalOf)
      return json({ messages: events.map((event) => wireOf(messageOf(event))) }, "read")
    }
    if (!canTake(channel)) return yield* Effect.fail(wrongMode(channel, "an exclusive read", "exclusive=false"))
    const room = leases.room(guest.system)
    if (room <= 0) {
      return yield* Effect.fail(refusalOf(new Overloaded({
        what: "Messages that one guest holds", limit: transportLeasesMax, unit: "messages", retryAfterMillis: channel.leaseMillis
      })))
    }
    const taken = yield* Effect.mapError(guest.port.take(id, { limit: Math.min(limit, room) }), refusalOf)
    leases.hold(guest.system, id, taken)
    return json({ messages: taken.map(({ event }) => wireOf(messageOf(event))) }, "claim")
  })

  /** Where a message lies that a client has seen. */
  const cursorOf = (guest: Guest, id: ChannelId, message: string): Effect.Effect<number, Refusal> => {
    const unknown = new Refusal(400, `query.after: there is no message '${message.slice(0, 200)}' in '${id}', or it was evicted. Leave 'after' out to go on from your own cursor.`)
    if (!isSegment(message)) return Effect.fail(unknown)
    return guest.port.event(message).pipe(
      Effect.mapError((error) => (error._tag === "EventNotFound" ? unknown : refusalOf(error))),
      Effect.flatMap((event) => (event.channel === id ? Effect.succeed(event.cursor) : Effect.fail(unknown)))
    )
  }

  /** A message as its writer made it. Who wrote it is known from the credential. */
  const directDraft = (guest: Guest, body: unknown): Draft | Refusal => {
    const decoded = decodeMessage(body)
    if (Result.isFailure(decoded)) {
      const [issue] = format(decoded.failure.issue).issues
      return new Refusal(400, `Invalid message at ${issue === undefined ? "" : issuePath(issue)}: ${issue?.message ?? "not as expected"}`)
    }
    const { sender_id: sender } = decoded.success
    if (sender !== undefined && sender !== guest.system) {
      return new Refusal(403, `System '${guest.system}' may not write as '${sender.slice(0, 200)}'; leave sender_id out, it is stamped.`)
    }
    return draftOfWire(decoded.success)
  }

  /** What the provider's own code makes of a raw write; without such code it is wrapped. */
  const rawDraft = (guest: Guest, id: ChannelId, body: Schema.Json): Effect.Effect<Draft | null | undefined, Refusal> => {
    const converter = kernel.converterOf(id)
    if (converter === undefined) return Effect.succeed(draftOf({ content: genericContent(body) }))
    return Effect.tryPromise({ try: async () => converter(guest.system, body), catch: (error) => error }).pipe(
      Effect.timeout(convertMillis),
      Effect.mapError((error) => new Refusal(400, `'${id}' does not take this: ${error instanceof Error ? error.message.slice(0, 500) : "it could not be converted"}`))
    )
  }

  const write = Effect.fnUntraced(function*(asked: Asked, id: ChannelId) {
    const { guest, query } = asked
    const channel = channelFor(guest, id, "write")
    if (channel instanceof Refusal) return yield* Effect.fail(channel)
    const isDirect = flagOf(query, "direct")
    if (isDirect instanceof Refusal) return yield* Effect.fail(isDirect)
    const body = yield* bodyOf(asked)
    const draft = isDirect ? directDraft(guest, body) : yield* rawDraft(guest, id, body)
    if (draft instanceof Refusal) return yield* Effect.fail(draft)
    // The provider discarded it.
    if (draft === null || draft === undefined) return json({ status: "accepted", item_id: "" }, "write")
    // The same message again is the same write; another one under its id is refused.
    const options = draft.id === undefined ? undefined : { key: `message/${draft.id}` }
    const [appended] = yield* Effect.mapError(guest.port.append(id, [draft], options), refusalOf)
    return json({ status: "accepted", item_id: appended?.id ?? "" }, "write")
  })

  const idsOf = (body: Schema.Json): ReadonlyArray<string> | Refusal => {
    if (typeof body !== "object" || body === null || Array.isArray(body)) return new Refusal(400, "The body must be an object.")
    const ids = "message_ids" in body ? body["message_ids"] : []
    if (!Array.isArray(ids)) return new Refusal(400, "'message_ids' must be a list.")
    if (!ids.every((one) => typeof one === "string")) return new Refusal(400, "'message_ids' must be a list of strings.")
    return ids.length > takeItemsMax ? new Refusal(400, `'message_ids' may name ${takeItemsMax} messages at once.`) : [...new Set(ids)]
  }

  /** Ends leases that the caller holds. What it does not hold, or holds no longer, is left alone and not counted. */
  const settle = Effect.fnUntraced(function*(asked: Asked, id: ChannelId, outcome: Outcome) {
    const { guest } = asked
    const channel = channelFor(guest, id, "write")
    if (channel instanceof Refusal) return yield* Effect.fail(channel)
    const ids = idsOf(yield* bodyOf(asked))
    if (ids instanceof Refusal) return yield* Effect.fail(ids)
    const held = ids.flatMap((message) => {
      const lease = leases.of(guest.system, id, message)
      return lease === undefined ? [] : [{ message, lease }]
    })
    // In one turn, so that they are kept together; each for itself, so that a lost one costs no other.
    const results = yield* Effect.forEach(held, ({ lease, message }) =>
      guest.port.settle(id, [{ cursor: lease.cursor, epoch: lease.epoch, outcome }]).pipe(
        Effect.as(1),
        Effect.catchTag("LeaseLost", () => Effect.succeed(0)),
        Effect.tap(() => Effect.sync(() => leases.drop(guest.system, id, message))),
        Effect.result
      ), { concurrency: "unbounded" })
    const failed = results.find(Result.isFailure)
    return failed === undefined
      ? results.reduce((sum, result) => sum + Result.getOrElse(result, () => 0), 0)
      : yield* Effect.fail(refusalOf(failed.failure))
  })

  const info = ({ guest }: Asked, id: ChannelId): Effect.Effect<Answer, Refusal> => {
    const channel = channelFor(guest, id, "read")
    return channel instanceof Refusal ? Effect.fail(channel) : Effect.succeed(json(infoOf(channel), "info"))
  }

  const route = (asked: Asked): Effect.Effect<Answer, Refusal> => {
    const { method, segments } = asked
    const [id, verb, ...more] = segments
    if (id === undefined || more.length > 0) return Effect.fail(new Refusal(404, "Not Found"))
    const place = `${method} ${verb ?? ""}`
    switch (verb) {
      case undefined:
        // A read moves the caller's cursor: it must not be one whose answer is thrown away.
        if (place === "GET " && asked.isHead !== true) return read(asked, id)
        if (place === "PUT ") return write(asked, id)
        return Effect.fail(new Refusal(405, "Method Not Allowed", { allow: "GET, PUT" }))
      case "info":
        return method === "GET" ? info(asked, id) : Effect.fail(new Refusal(405, "Method Not Allowed", { allow: "GET" }))
      case "acknowledge":
        return method === "POST"
          ? Effect.map(settle(asked, id, "ack"), (acknowledged) => json({ status: "ok", acknowledged }, "acknowledge"))
          : Effect.fail(new Refusal(405, "Method Not Allowed", { allow: "POST" }))
      case "nack":
        return method === "POST"
          ? Effect.map(settle(asked, id, "nack"), (nacked) => json({ status: "ok", nacked }, "nack"))
          : Effect.fail(new Refusal(405, "Method Not Allowed", { allow: "POST" }))
      default:
        return Effect.fail(new Refusal(404, "Not Found"))
    }
  }

  return {
    prefix: "channels",
    published: true,
    answer: (asked) => Effect.catch(route(asked), ({ answer }) => Effect.succeed(answer)),
    refusal: (status, _code, detail) => new Refusal(status, detail.startsWith(missing) ? missing : detail).answer,
    openapi: () => description
  }
}

/** Told when no credential came, in the ancestor's words. */
const missing = "Missing Bearer token."

/** Time that the provider's code may take to convert one raw write. */
const convertMillis = 10_000
