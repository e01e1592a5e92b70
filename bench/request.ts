// A question to a kernel service and its answer: a capability request at the port, until its grant can be read there.
import { join } from "node:path"
import { mkdirSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Durability } from "../protocol/channel.ts"
import type { Port } from "../protocol/port.ts"
import * as wellKnown from "../protocol/well-known.ts"
import { inTurns, timed, timedEach, timedEachSync } from "./measure.ts"
import { rawStore } from "./raw.ts"
import { rowOf, type Row, type RowOptions } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

const executor = { name: "bench.nothing", description: "does nothing", risk: "low", recovery: "none", perform: () => Effect.succeed({}) } as const

/** Asks once; reads only behind the newest reply that it has seen. */
const ask = (port: Port) => {
  let seen = 0
  return Effect.fnUntraced(function*() {
    const [asked] = yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: executor.name, access: "execute" } }])
    for (;;) {
      const page = yield* port.read(wellKnown.kernelReplies, { after: seen, filter: { correlationId: asked!.id } })
      seen = page.next
      const reply = page.events[0]
      if (reply === undefined) yield* port.awaitBeyond(wellKnown.kernelReplies, seen)
      else if (reply.kind === "capability_grant") return
      else throw new Error(`expected a grant, got ${reply.kind}`)
    }
  })
}

export const request = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const measure = Effect.fnUntraced(function*(durability: Durability, options: Pick<RowOptions, "floor" | "aim">) {
    const own = join(directory, durability)
    mkdirSync(own)
    const kernel = yield* makeWorld({ directory: own, durability, executors: [executor] })
    const askers = yield* Effect.forEach(Array.from({ length: 64 }, (_, at) => `bench-asker-${at}`), (id) =>
      Effect.map(dock(kernel, id, { executors: [executor.name] }), ask))
    const raw = yield* rawStore(own, { full: durability === "strict" })
    const events = count(durability === "strict" ? 1_000 : 5_000)
    const each = Math.max(1, Math.round(events / 64))
    const loop = Effect.fnUntraced(function*(askOnce: (typeof askers)[number]) {
      for (let at = 0; at < each; at++) yield* askOnce()
    })
    const one = yield* inTurns(rounds, {
      ours: timedEach(events, askers[0]!),
      twoCommits: timedEachSync(events, () => {
        raw.append(1)
        raw.append(1)
      })
    })
    const many = yield* inTurns(rounds, { ours: timed(each * 64, Effect.forEach(askers, loop, { concurrency: "unbounded", discard: true })) })
    return [
      rowOf(one, "p50Micros", { id: `request/${durability}`, what: `capability request to grant, ${durability}, p50`, ...options }),
      rowOf(many, "rate", { id: `request/${durability}, 64 askers`, what: `capability request to grant, ${durability}, 64 askers` })
    ]
  })
  return [
    ...yield* Effect.scoped(measure("relaxed", { floor: { of: "twoCommits", bar: 4 }, aim: { of: "twoCommits", bar: 1.7 } })),
    ...yield* Effect.scoped(measure("strict", {}))
  ]
})
