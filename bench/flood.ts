// What a neighbour that floods costs: one system appends one event at a time, with and without another that appends as
// fast as it is let.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Port } from "../protocol/port.ts"
import { inTurns, medianOf, timedEach, type Side } from "./measure.ts"
import { drafts } from "./payload.ts"
import { rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

/** More than a port may have under way, so that some are always refused. */
const floodFibers = 5_000

/** Appends without end; a refusal only makes it yield. */
const flood = (port: Port, kept: { events: number; refused: number }): Effect.Effect<never> => {
  const one = Effect.matchEffect(port.append("theirs", [drafts[0]!]), {
    onSuccess: () => Effect.sync(() => void kept.events++),
    onFailure: () => Effect.suspend(() => {
      kept.refused++
      return Effect.yieldNow
    })
  })
  return Effect.forever(one)
}

export const neighbour = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  const quiet = yield* dock(kernel, "bench-writer", { provides: [{ name: "events", durability: "relaxed" }] })
  const loud = yield* dock(kernel, "bench-flood", { provides: [{ name: "theirs", durability: "relaxed", retention: { count: 10_000 } }] })
  const events = count(1_000, 5)
  const own: Side = timedEach(events, (at) => quiet.append("events", [drafts[at % drafts.length]!]))
  const sides = yield* inTurns(Math.min(rounds, 3), {
    ours: Effect.gen(function*() {
      const kept = { events: 0, refused: 0 }
      const fibers = yield* Effect.forEach(Array.from({ length: floodFibers }, () => flood(loud, kept)), (each) => Effect.forkChild(each))
      yield* Effect.yieldNow
      const sample = yield* own
      yield* Fiber.interruptAll(fibers)
      return { ...sample, others: { floodEventsPerSecond: kept.events / sample.seconds, floodRefusedPerSecond: kept.refused / sample.seconds } }
    }),
    alone: own
  })
  return [rowOf(sides, "p50Micros", {
    id: "neighbour/flooded", what: "append of one beside a neighbour that floods, p50", others: { aloneP99Micros: medianOf(sides.alone, "p99Micros") }
  })]
})
