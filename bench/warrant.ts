// A whole warrant: an action asked for at the port, decided, its start kept, a no-op executor called, its receipt kept and
// read at the port. And what an append costs that has parents, whose labels it inherits.
import { join } from "node:path"
import { mkdirSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Durability } from "../protocol/channel.ts"
import type { Port } from "../protocol/port.ts"
import { replyKinds } from "../protocol/warrant.ts"
import * as wellKnown from "../protocol/well-known.ts"
import { inTurns, timed, timedEach, timedEachSync } from "./measure.ts"
import { rawStore } from "./raw.ts"
import { rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

const executor = { name: "bench.nothing", description: "does nothing", risk: "low", recovery: "idempotent", perform: () => Effect.succeed({}) } as const

/** Replies of one system, read in order; what came to others of its questions waits here. */
const asking = (port: Port) => {
  let seen = 0
  const came = new Map<string, string>()
  const replyTo = Effect.fnUntraced(function*(request: string, isLast: (kind: string) => boolean) {
    for (;;) {
      const kind = came.get(request)
      if (kind !== undefined && isLast(kind)) {
        came.delete(request)
        return kind
      }
      const page = yield* port.read(wellKnown.kernelReplies, { after: seen })
      seen = Math.max(seen, page.next)
      for (const event of page.events) if (typeof event.correlationId === "string") came.set(event.correlationId, event.kind)
      if (page.events.length === 0) yield* port.awaitBeyond(wellKnown.kernelReplies, seen)
    }
  })
  return replyTo
}

const token = Effect.fnUntraced(function*(port: Port) {
  const [asked] = yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: executor.name, access: "execute" } }])
  for (let after = 0; ;) {
    const page = yield* port.read(wellKnown.kernelReplies, { after, filter: { correlationId: asked!.id } })
    const payload = page.events[0]?.payload
    if (typeof payload === "object" && payload !== null && "token" in payload) return String(payload.token)
    after = page.next
    yield* port.awaitBeyond(wellKnown.kernelReplies, after)
  }
})

/** Asks for an action, and waits for its receipt. */
const acting = Effect.fnUntraced(function*(port: Port) {
  const capability = yield* token(port)
  const replyTo = asking(port)
  let n = 0
  return Effect.fnUntraced(function*() {
    const [asked] = yield* port.append(wellKnown.actionGate, [{
      payload: { action: "write", executor: executor.name, target: "reports/a.md", payload: { n: n++, text: "a line of text" }, capability, risk_level: "low" }
    }])
    const kind = yield* replyTo(asked!.id, (came) => came !== replyKinds.approved)
    if (kind !== replyKinds.completed) throw new Error(`expected a receipt, got ${kind}`)
  })
})

const whole = Effect.fnUntraced(function*({ count, directory, rounds }: Sized, durability: Durability): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const own = join(directory, durability)
  mkdirSync(own)
  const kernel = yield* makeWorld({ directory: own, durability, executors: [executor] })
  const systems = yield* Effect.forEach(Array.from({ length: 64 }, (_, at) => `bench-actor-${at}`), (id) =>
    Effect.flatMap(dock(kernel, id, { executors: [executor.name] }), acting))
  const raw = yield* rawStore(own, { full: durability === "strict" })
  const warrants = count(durability === "strict" ? 1_000 : 3_000)
  const each = Math.max(1, Math.round(count(20_000) / 64))
  const loop = Effect.fnUntraced(function*(act: (typeof systems)[number]) {
    for (let at = 0; at < each; at++) yield* act()
  })
  const one = yield* inTurns(rounds, {
    ours: timedEach(warrants, systems[0]!),
    twoCommits: timedEachSync(warrants, () => {
      raw.append(1)
      raw.append(1)
    })
  })
  const many = yield* inTurns(rounds, { ours: timed(each * 64, Effect.forEach(systems, loop, { concurrency: "unbounded", discard: true })) })
  const isStrict = durability === "strict"
  return [
    rowOf(one, "p50Micros", { id: `warrant/${durability}`, what: `action to receipt through the port, ${durability}, p50`, ...(isStrict ? { floor: { of: "twoCommits", bar: 2.5 } } : {}) }),
    rowOf(many, "rate", { id: `warrant/${durability}, 64 in flight`, what: `actions to receipts through the port, ${durability}, 64 in flight`, ...(isStrict ? { floor: { of: null, bar: 10_000 } } : {}) })
  ]
})

/** What an append costs that follows from others: the labels of each are looked up. */
const following = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const own = join(directory, "parents")
  mkdirSync(own)
  const kernel = yield* makeWorld({ directory: own, launch: false })
  const name = "bench-line"
  const port = yield* dock(kernel, "bench-writer", { provides: [{ name, durability: "relaxed" }] })
  const parents = yield* Effect.map(port.append(name, Array.from({ length: 10 }, (_, n) => ({ payload: { n } }))), (all) => all.map(({ id }) => id))
  const appends = count(5_000)
  const append = (parentIds: ReadonlyArray<string>) => timedEach(appends, (n) => port.append(name, [{ payload: { n, text: "a line of text" }, ...(parentIds.length === 0 ? {} : { parentIds }) }]))
  const { none, one, ten } = yield* inTurns(rounds, { none: append([]), one: append(parents.slice(0, 1)), ten: append(parents) })
  return [
    rowOf({ ours: one, none }, "p50Micros", { id: "warrant/1 parent", what: "a relaxed append that follows from one event, p50" }),
    rowOf({ ours: ten, none }, "p50Micros", { id: "warrant/10 parents", what: "a relaxed append that follows from ten, p50" })
  ]
})

export const warrant = Effect.fnUntraced(function*(sized: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  return [...yield* Effect.scoped(whole(sized, "relaxed")), ...yield* Effect.scoped(whole(sized, "strict")), ...yield* Effect.scoped(following(sized))]
})
