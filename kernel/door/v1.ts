// `/v1`: the kernel's own API, made from the table of routes. What a row answers is in `operator.ts`.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import { Denied } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import { type RouteName, routes } from "../../protocol/routes.ts"
import { eventStream } from "./event-stream.ts"
import { decoder, queryOf } from "./input.ts"
import type { Handlers } from "./operator.ts"
import { problemAnswer, problemOf, refusal } from "./problems.ts"
import type { Answer, Asked, Surface } from "./surface.ts"

interface Row {
  readonly name: RouteName
  readonly method: string
  /** Behind `/v1`; the one that starts with a colon is the id. */
  readonly path: ReadonlyArray<string>
  readonly verb: string | undefined
  readonly run: (id: string, asked: Asked) => Effect.Effect<Answer, unknown>
}

const none = {}

const bind = (name: RouteName, handlers: Handlers): Row => {
  const route = routes[name]
  const decodeQuery = decoder(route.query, "query")
  const decodePayload = decoder(route.payload, "body")
  // The two decoders give what the handler of this very row takes; the table ties them, the compiler cannot follow.
  const handle = handlers[name] as (input: { id: string; query: unknown; payload: unknown }) => unknown
  return {
    name,
    method: route.method,
    path: route.path.split("/").slice(2),
    verb: "verb" in route ? route.verb : undefined,
    run: Effect.fnUntraced(function*(id, asked) {
      const given = queryOf(asked.query)
      if ("_tag" in given && given instanceof Error) return yield* Effect.fail(given)
      const query = yield* decodeQuery(given)
      const payload = yield* decodePayload(route.method === "POST" ? (yield* asked.json) ?? none : none)
      const result = handle({ id, query, payload })
      // A row with `stream` has a handler that gives a stream, every other one an effect.
      if ("stream" in route) return eventStream(result as Stream.Stream<Event, unknown>, yield* Effect.context())
      const body = yield* (result as Effect.Effect<unknown, unknown>)
      return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(body), route: name }
    })
  }
}

const matches = ({ path }: Row, segments: ReadonlyArray<string>): boolean => {
  if (path.length !== segments.length) return false
  for (let at = 0; at < path.length; at++) if (!path[at]!.startsWith(":") && path[at] !== segments[at]) return false
  return true
}

/** The row that a request means, and the id in its path. */
const find = (rows: ReadonlyArray<Row>, method: string, segments: ReadonlyArray<string>): { readonly row: Row; readonly id: string } | undefined => {
  let plain: { readonly row: Row; readonly id: string } | undefined
  for (const row of rows) {
    if (row.method !== method || !matches(row, segments)) continue
    const place = row.path.findIndex((segment) => segment.startsWith(":"))
    const id = place < 0 ? "" : segments[place]!
    if (row.verb === undefined) plain ??= { row, id }
    else if (id.endsWith(`:${row.verb}`)) return { row, id: id.slice(0, -row.verb.length - 1) }
  }
  // Names hold no colon: it asks for a verb that is not there.
  return plain !== undefined && plain.id.includes(":") ? undefined : plain
}

const notOperator = (system: string, path: string): Denied =>
  new Denied({ system, operation: "use", target: path, reason: "it is for the holder of the operator's token" })

export const v1 = (handlers: Handlers): Surface => {
  // The keys of the table are its names.
  const rows = (Object.keys(routes) as ReadonlyArray<RouteName>).map((name) => bind(name, handlers))
  return {
    prefix: "v1",
    published: false,
    refusal,
    answer: (asked) => {
      if (!asked.guest.isOperator) return Effect.succeed(problemAnswer(problemOf(Cause.fail(notOperator(asked.guest.system, `/v1/${asked.segments.join("/")}`)))))
      const found = find(rows, asked.method, asked.segments)
      if (found === undefined) return Effect.succeed(refusal(404, "NotFound", "There is nothing at this path."))
      return Effect.catchCause(found.row.run(found.id, asked), (cause) => {
        const told = { ...problemAnswer(problemOf(cause)), route: found.row.name }
        return told.status === 500 && !Cause.hasInterruptsOnly(cause) ? Effect.as(Effect.logError("A request failed", cause), told) : Effect.succeed(told)
      })
    }
  }
}
