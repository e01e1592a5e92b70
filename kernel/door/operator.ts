// What the operator may do with a kernel, one function for each route. Everything that is appended is stamped `operator`.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import { ChannelNotFound, Denied, SnapshotNotFound, SystemNotFound } from "../../protocol/errors.ts"
import { channelOf } from "../../protocol/channel.ts"
import type { Event } from "../../protocol/event.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import { nearest, type SystemId } from "../../protocol/names.ts"
import type { Failure } from "../../protocol/problem.ts"
import type { PayloadOf, QueryOf, RouteName, SuccessOf } from "../../protocol/routes.ts"
import { isReserved } from "../../protocol/well-known.ts"
import { createHash, timingSafeEqual } from "node:crypto"
import { Unauthenticated } from "../../protocol/errors.ts"
import type { DockError, Docked, Kernel } from "../kernel.ts"
import { pageEventsDefault, pageEventsMax } from "../limits.ts"
import type { Guest, Reception } from "./guest.ts"
import { tail } from "./tail.ts"
import { dockTerminal } from "./terminal.ts"

export const operator: SystemId = "operator"

export interface Input<Name extends RouteName> {
  /** The name in the path, or empty. */
  readonly id: string
  readonly query: QueryOf<Name>
  readonly payload: PayloadOf<Name>
}

/** One function for each route of the table. What it can fail with, a client can decode. */
export type Handlers = {
  readonly [Name in RouteName]: Name extends "tail"
    ? (input: Input<Name>) => Stream.Stream<Event, Failure>
    : (input: Input<Name>) => Effect.Effect<SuccessOf<Name>, Failure>
}

const done = {}

/** Docks `operator`: who holds the token that the kernel made at its start. */
export const dockOperator = (kernel: Kernel): Effect.Effect<Docked, DockError> =>
  kernel.dock(
    { manifest: { ...emptyManifest(operator, "door"), description: "The person at the command line." }, run: () => Effect.never },
    { configured: true }
  )

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** A reception that knows the operator's token and no other. */
export const operatorReception = (kernel: Kernel, { port }: Docked, token: string): Reception => {
  const guest: Guest = {
    system: operator,
    isOperator: true,
    principal: { id: operator, role: "admin" },
    ended: () => undefined,
    port,
    refusal: () => undefined,
    allows: () => undefined,
    docking: () => undefined,
    channels: () => kernel.channels.all(),
    create: (spec) => Effect.map(kernel.channels.open(channelOf({ ...spec, visibility: "public" }, operator)), () => channelOf({ ...spec, visibility: "public" }, operator))
  }
  const expected = digest(token)
  const known = Effect.succeed(guest)
  const unknown = Effect.fail(new Unauthenticated({ reason: "A valid bearer token is needed; the run file names the file that holds it." }))
  // Digests have one length, so that comparing takes the same time whatever was sent.
  const byToken: Reception["byToken"] = (given) => (timingSafeEqual(digest(given), expected) ? known : unknown)
  return {
    byToken,
    authenticate: (authorization = "") => byToken(/^bearer (.+)$/iu.exec(authorization)?.[1] ?? "")
  }
}

/** Docks `terminal`, and answers what the operator can do. */
export const operatorHandlers = Effect.fnUntraced(function*(
  kernel: Kernel, executors: () => ReadonlyArray<string>
): Effect.fn.Return<Handlers, DockError> {
  const { store } = kernel.channels
  const terminal = yield* dockTerminal(kernel, executors())

  const known = (channel: string): Effect.Effect<void, ChannelNotFound> => {
    if (store.statisticsOf(channel) !== undefined) return Effect.void
    const near = nearest(channel, store.channels().map(({ name }) => name))
    return Effect.fail(new ChannelNotFound({ channel, ...(near === undefined ? {} : { nearest: near }) }))
  }
  const here = (id: SystemId): Effect.Effect<void, SystemNotFound> => {
    const ids = kernel.systems().map((system) => system.id)
    if (ids.includes(id)) return Effect.void
    const near = nearest(id, ids)
    return Effect.fail(new SystemNotFound({ system: id, ...(near === undefined ? {} : { nearest: near }) }))
  }

  /** What was decided of a system may leave nothing to do: then the verb did not do what its name says. */
  const open = (verb: "pause" | "resume" | "drain", id: SystemId): Effect.Effect<void, SystemNotFound | Denied> =>
    Effect.andThen(here(id), Effect.suspend(() => {
      const status = kernel.systems().find((system) => system.id === id)?.status
      const reason = status === "revoked"
        ? "it was revoked, which is for good"
        : status === "quarantined" && verb !== "resume" ? "it is quarantined and does not run" : undefined
      if (reason === undefined) return Effect.void
      const how = status === "revoked" ? `Only aaax undock ${id} and docking it anew ends that.` : `To let it go on: aaax resume ${id}`
      return Effect.fail(new Denied({ system: operator, operation: verb, target: id, reason, how }))
    }))

  const read: Handlers["read"] = Effect.fnUntraced(function*({ id, query }) {
    yield* known(id)
    const { after = 0, limit = pageEventsDefault, wait = 0, ...filter } = query
    const page = store.read(id, { after, limit: Math.min(Math.max(limit, 1), pageEventsMax), filter })
    const first = yield* page
    if (first.events.length > 0 || wait === 0) return first
    const waited = Effect.gen(function*() {
      let next = first
      while (next.events.length === 0) {
        yield* kernel.channels.awaitBeyond(id, next.head)
        next = yield* page
      }
      return next
    })
    return Option.getOrElse(yield* Effect.timeoutOption(waited, wait), () => first)
  })

  const append: Handlers["append"] = Effect.fnUntraced(function*({ id, payload }) {
    yield* known(id)
    // Authority is asked for through `act` and the gate, never by writing into the kernel's own channels.
    if (isReserved(id)) {
      return yield* new Denied({
        system: operator, operation: "append to", target: id, reason: "only the kernel and the systems wired to it write there",
        how: "Use aaax act, aaax gate, aaax pause and the like."
      })
    }
    return yield* kernel.channels.append(operator, id, payload.events, {
      ...(payload.key === undefined ? {} : { key: payload.key }),
      ...(payload.expectedHead === undefined ? {} : { expectedHead: payload.expectedHead })
    })
  })

  const act: Handlers["act"] = Effect.fnUntraced(function*({ payload, query }) {
    const served = executors()
    if (!served.includes(payload.executor)) {
      const near = nearest(payload.executor, served)
      return yield* new Denied({
        system: "terminal", operation: "use", target: payload.executor,
        reason: `Unknown executor: ${payload.executor}${near === undefined ? "" : `; did you mean ${near}?`}`,
        ...(served.length === 0 ? {} : { allowed: served.join(", ") }),
        how: "Config names executors under `executors`; a module may serve its own."
      })
    }
    return yield* terminal.act(payload, query.wait ?? 0)
  })

  const handlers: Handlers = {
    status: () => Effect.sync(() => kernel.status()),
    doctor: () =>
      Effect.gen(function*() {
        const status = kernel.status()
        const storeProblems = yield* store.verify
        const audit = yield* kernel.verifyAudit
        return { status, store: status.store, storeProblems, audit, systems: kernel.systems() }
      }),
    // The answer must be out before the listener closes, so nobody waits for it.
    down: () => Effect.as(Effect.forkDetach(kernel.down), done),
    systems: () => Effect.sync(() => kernel.systems()),
    pause: ({ id }) => Effect.as(Effect.andThen(open("pause", id), kernel.pause(id)), done),
    resume: ({ id }) => Effect.as(Effect.andThen(open("resume", id), kernel.resume(id)), done),
    drain: ({ id, payload }) => Effect.as(Effect.andThen(open("drain", id), kernel.drain(id, payload.timeoutMillis)), done),
    revoke: ({ id }) => Effect.as(Effect.andThen(here(id), kernel.revoke(id)), done),
    undock: ({ id }) => Effect.as(Effect.andThen(here(id), kernel.undock(id)), done),
    channels: () => kernel.views,
    read,
    append,
    tail: ({ query }) => tail(store, query),
    snapshot: ({ id }) =>
      Effect.flatMap(store.getSnapshot(id), (found) =>
        found === undefined ? Effect.fail(new SnapshotNotFound({ name: id })) : Effect.succeed(found)),
    act,
    action: ({ id, query }) => terminal.progress(id, query.after ?? 0, query.wait ?? 0),
    gate: ({ query }) => kernel.gate.list(query),
    warrant: ({ id }) => kernel.gate.show(id),
    approve: ({ id, payload }) => kernel.gate.approve(id, operator, payload),
    deny: ({ id, payload }) => kernel.gate.deny(id, operator, payload.reason),
    reconcile: ({ id, payload }) => kernel.gate.reconcile(id, operator, payload.outcome, payload.reason),
    modules: () => Effect.sync(() => kernel.modules()),
    loadModule: ({ payload }) => kernel.loadModule(payload),
    audit: ({ query }) => kernel.audit(query.after ?? 0, Math.min(query.limit ?? pageEventsDefault, pageEventsMax)),
    verify: () => kernel.verifyAudit,
    confirmClock: () => Effect.map(kernel.confirmClock, (millis) => ({ millis: millis ?? null }))
  }
  return handlers
})
