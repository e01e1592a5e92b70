// `/v1`: the kernel's own API, made from the table of routes. What a row answers is beside this file, by group.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Denied } from "../../../protocol/errors.ts"
import type { Row } from "../../../protocol/route/row.ts"
import { type RouteName, routes } from "../../../protocol/routes.ts"
import type { DockError, Kernel } from "../../kernel.ts"
import type { Guest } from "../guest.ts"
import { decoder, queryOf } from "../input.ts"
import { problemAnswer, problemOf, refusal } from "../problems.ts"
import type { Answer, Asked, Surface } from "../surface.ts"
import { auditRows } from "./audit.ts"
import { budgetRows } from "./budgets.ts"
import { executorRows } from "./executors.ts"
import { capabilityRows } from "./capabilities.ts"
import { channelRows } from "./channels.ts"
import { isCloudEvent } from "./cloud-events.ts"
import { headerOf } from "../header.ts"
import { type Handlers, Reply } from "./handlers.ts"
import { gateRows } from "./gate.ts"
import { makeFollow } from "./follow.ts"
import { handsOf } from "./hands.ts"
import { kernelRows } from "./kernel.ts"
import { keyRows } from "./keys.ts"
import { policyRows } from "./policy.ts"
import { resourceRows } from "./resources.ts"
import { snapshotRows } from "./snapshots.ts"
import { tokenRows } from "./tokens.ts"

interface Bound {
  readonly name: RouteName
  readonly row: Row
  /** Behind `/v1`; the one that starts with a colon is the id. */
  readonly path: ReadonlyArray<string>
  /** Where the id is; -1: nowhere. */
  readonly place: number
  readonly run: (id: string, asked: Asked) => Effect.Effect<Answer, unknown>
}

const none = {}
const noEvents = { events: [] }
const json = { "content-type": "application/json" }

const bind = (name: RouteName, handlers: Handlers): Bound => {
  const row: Row = routes[name]
  const decodeQuery = decoder(row.query, "query")
  const decodePayload = decoder(row.payload, "body")
  const status = row.status ?? 200
  const takesBody = (row.method === "POST" || row.method === "PUT") && row.bytes !== "in"
  const takesCloudEvents = name === "append"
  // The two decoders give what the handler of this very row takes; the table ties them, the compiler cannot follow.
  const handle = handlers[name] as (input: unknown) => Effect.Effect<unknown, unknown>
  const path = row.path.split("/").slice(2)
  /** What no query at all means, decoded once. */
  let nothingAsked: unknown
  return {
    name,
    row,
    path,
    place: path.findIndex((segment) => segment.startsWith(":")),
    run: Effect.fnUntraced(function*(id, asked) {
      const { guest, headers } = asked
      let query = asked.hasQuery ? undefined : nothingAsked
      if (query === undefined) {
        const given = asked.hasQuery ? queryOf(asked.query) : none
        if (given instanceof Error) return yield* Effect.fail(given)
        query = yield* decodeQuery(given)
        if (!asked.hasQuery) nothingAsked = query
      }
      const payload = takesCloudEvents && isCloudEvent(headers)
        ? noEvents
        : yield* decodePayload(takesBody ? (yield* asked.json) ?? none : none)
      const result = yield* handle({ id, query, payload, guest, headers, asked })
      if (result instanceof Reply) return { ...result.answer, route: name }
      return { status, headers: json, body: JSON.stringify(result), route: name }
    })
  }
}

const matches = ({ path, place }: Bound, segments: ReadonlyArray<string>): boolean => {
  if (path.length !== segments.length) return false
  for (let at = 0; at < path.length; at++) if (at !== place && path[at] !== segments[at]) return false
  return true
}

interface Found {
  readonly bound: Bound
  readonly id: string
}

/** The row that a request means, and the id in its path; or the methods that are offered at its path. */
const find = (rows: ReadonlyArray<Bound>, { headers, method, segments }: Asked): Found | ReadonlyArray<string> => {
  let plain: Found | undefined
  let others: Set<string> | undefined
  for (const bound of rows) {
    if (!matches(bound, segments)) continue
    const { accept, method: wanted, verb } = bound.row
    const given = bound.place < 0 ? "" : segments[bound.place]!
    const isVerb = verb !== undefined && given.endsWith(`:${verb}`)
    // Where there are verbs, names hold no colon: one asks for a verb that is not there.
    if (verb === undefined ? given.includes(":") && rows.some((other) => other.row.verb !== undefined && matches(other, segments)) : !isVerb) continue
    if (wanted !== method) {
      (others ??= new Set()).add(wanted)
      continue
    }
    const id = isVerb ? given.slice(0, -verb.length - 1) : given
    if (accept === undefined) plain ??= { bound, id }
    else if (headerOf(headers, "accept")?.includes(accept) === true) return { bound, id }
  }
  return plain ?? [...(others ?? [])]
}

/** Whose token was minted for it, and is good still. */
const mayApprove = ({ ended, principal }: Guest): boolean => principal.approves === true && principal.authority === undefined && ended() === undefined

const notForGuests = (system: string, path: string): Denied =>
  new Denied({ system, operation: "use", target: path, reason: "it is for the holder of the operator's token" })

/** Made of the table when somebody asks for it: a launch needs none of it. */
let described: Promise<Readonly<Record<string, unknown>>> | undefined
const openapi = (): Promise<Readonly<Record<string, unknown>>> => (described ??= import("./openapi.ts").then(({ describe }) => describe()))

const isDescription = ({ method, segments }: { readonly method: string; readonly segments: ReadonlyArray<string> }): boolean =>
  method === "GET" && segments.length === 1 && segments[0] === "openapi.json"

/** Docks what it needs, and serves the table. */
export const v1 = Effect.fnUntraced(function*(
  kernel: Kernel, executors: () => ReadonlyArray<string>
): Effect.fn.Return<Surface, DockError, Scope.Scope> {
  const hands = handsOf(kernel)
  const handlers: Handlers = {
    ...channelRows(kernel, hands, yield* makeFollow(kernel.channels.store)), ...resourceRows(kernel, hands), ...snapshotRows(kernel, hands), ...tokenRows(kernel), ...keyRows(kernel), ...budgetRows(kernel), ...executorRows(kernel), ...auditRows(kernel),
    ...gateRows(kernel), ...policyRows(kernel), ...capabilityRows(kernel), ...(yield* kernelRows(kernel, executors))
  }
  const byPlace = new Map<string, Array<Bound>>()
  // The keys of the table are its names.
  for (const name of Object.keys(routes) as ReadonlyArray<RouteName>) {
    const bound = bind(name, handlers)
    const place = bound.path[0]!
    const rows = byPlace.get(place)
    if (rows === undefined) byPlace.set(place, [bound])
    else rows.push(bound)
  }
  return {
    prefix: "v1",
    published: false,
    refusal,
    openapi,
    open: isDescription,
    answer: (asked) => {
      if (isDescription(asked)) return Effect.map(Effect.promise(openapi), (spec): Answer => ({ status: 200, headers: json, body: JSON.stringify(spec), route: "openapi" }))
      const found = find(byPlace.get(asked.segments[0] ?? "") ?? [], asked)
      if (!("bound" in found)) {
        if (found.length === 0) return Effect.succeed(refusal(404, "NotFound", "There is nothing at this path."))
        const other = refusal(405, "MethodNotAllowed", `${asked.method} is not offered here.`)
        return Effect.succeed({ ...other, headers: { ...other.headers, allow: found.join(", ") } })
      }
      const { bound, id } = found
      const { system, isOperator } = asked.guest
      if (!isOperator && bound.row.guests !== true && !(bound.row.enrolled === true && asked.guest.principal.epoch !== undefined) && !(bound.row.approvers === true && mayApprove(asked.guest))) {
        return Effect.succeed({ ...problemAnswer(problemOf(Cause.fail(notForGuests(system, `/v1/${asked.segments.join("/")}`)))), route: bound.name })
      }
      return Effect.catchCause(bound.run(id, asked), (cause) => {
        const told = { ...problemAnswer(problemOf(cause)), route: bound.name }
        return told.status === 500 && !Cause.hasInterruptsOnly(cause) ? Effect.as(Effect.logError("A request failed", cause), told) : Effect.succeed(told)
      })
    }
  }
})
