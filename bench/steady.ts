// How long a commit takes while events come at a steady rate: the tail of the latency, and what stalls the event loop.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Port } from "../protocol/port.ts"
import { inTurns, median, percentile, type Side } from "./measure.ts"
import { batchOf } from "./payload.ts"
import { rawStore } from "./raw.ts"
import { row, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

const blockEvents = 100
const everyMillis = 1
/** A port refuses what is too much at once, as it would after a long stall of the machine; then blocks wait here. */
const underWayMax = 64

/** A block each millisecond. `commit` calls back when its block is kept. */
const steadily = (blocks: number, commit: (kept: () => void) => void): Side =>
  Effect.callback((resume) => {
    const micros = new Float64Array(blocks)
    /** From the time when a block was due: what a stall does to those that come during it. */
    const dueMicros = new Float64Array(blocks)
    const cpu = process.cpuUsage()
    const start = performance.now()
    let begun = 0
    let kept = 0
    let turnAt = start
    let gapMillis = 0
    const end = (): void => {
      const { system, user } = process.cpuUsage(cpu)
      const late = dueMicros.sort()
      resume(Effect.succeed({
        operations: blocks * blockEvents, seconds: (performance.now() - start) / 1e3, cpuSeconds: (user + system) / 1e6, micros,
        others: { loopDelayMaxMillis: gapMillis, fromDueP999Micros: percentile(late, 0.999) }
      }))
    }
    // The loop turns without rest, so that the time between two turns is what a caller would have waited.
    const turn = (): void => {
      const now = performance.now()
      gapMillis = Math.max(gapMillis, now - turnAt)
      turnAt = now
      while (begun < blocks && begun - kept < underWayMax && start + begun * everyMillis <= now) {
        const block = begun++
        const began = performance.now()
        commit(() => {
          const end = performance.now()
          micros[block] = (end - began) * 1e3
          dueMicros[block] = (end - start - block * everyMillis) * 1e3
          kept++
        })
      }
      if (kept < blocks) setImmediate(turn)
      else end()
    }
    turn()
  })

const appendTo = (port: Port) => {
  const batch = batchOf(blockEvents)
  return (kept: () => void): void => void Effect.runCallback(port.append("events", batch), {
    onExit: (exit) => {
      if (exit._tag === "Failure") throw new Error(`an append failed: ${String(exit.cause)}`)
      kept()
    }
  })
}

export const steady = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  const port = yield* dock(kernel, "bench-writer", { provides: [{ name: "events", durability: "relaxed" }] })
  const raw = yield* rawStore(directory)
  const blocks = count(5_000, 20)
  const { ours, sqlite } = yield* inTurns(Math.min(rounds, 3), {
    ours: steadily(blocks, appendTo(port)),
    sqlite: steadily(blocks, (kept) => {
      raw.append(blockEvents)
      kept()
    })
  })
  const of = (figures: typeof ours, name: string): number => median(figures.map(({ others }) => others[name]!))
  const p = (figures: typeof ours, name: "p50Micros" | "p99Micros" | "p999Micros" | "maxMicros" | "cpuMicros"): number => median(figures.map((figure) => figure[name]!))
  return [row({
    id: "steady/p99.9", what: "relaxed append at 100,000/s, p99.9", unit: "us", lowerIsBetter: true,
    figure: p(ours, "p999Micros"), p50Micros: p(ours, "p50Micros"), p99Micros: p(ours, "p99Micros"),
    baselines: { sqlite: p(sqlite, "p999Micros") },
    ratios: { sqlite: median(ours.map(({ p999Micros }, at) => p999Micros! / sqlite[at]!.p999Micros!)) },
    floor: { of: null, bar: 2_000 }, aim: { of: null, bar: 500 },
    cpuMicros: p(ours, "cpuMicros"),
    others: {
      maxMicros: p(ours, "maxMicros"), loopDelayMaxMillis: of(ours, "loopDelayMaxMillis"), fromDueP999Micros: of(ours, "fromDueP999Micros"),
      eventsPerSecond: median(ours.map(({ rate }) => rate)), sqliteMaxMicros: p(sqlite, "maxMicros")
    }
  })]
})
