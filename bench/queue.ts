// Takes and durable acknowledgements by 64 systems that compete for the items of one exclusive channel.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Port } from "../protocol/port.ts"
import { inTurns, median, timed, timedEach, type Side } from "./measure.ts"
import { batchOf, payloads } from "./payload.ts"
import { rawStore, type RawStore } from "./raw.ts"
import { rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

const consumersCount = 64
const channel = "tasks"

const fill = Effect.fnUntraced(function*(writer: Port, items: number) {
  for (let left = items; left > 0; left -= 1_000) yield* writer.append(channel, batchOf(Math.min(left, 1_000)))
})

/** Takes and settles until `left` is used up, so many at a time. */
const consume = Effect.fnUntraced(function*(port: Port, left: { items: number }, limit: number) {
  while (left.items > 0) {
    left.items -= limit
    const taken = yield* port.take(channel, { limit })
    yield* port.settle(channel, taken.map(({ epoch, event }) => ({ cursor: event.cursor, epoch, outcome: "ack" })))
  }
})

const consumed = (consumers: ReadonlyArray<Port>, items: number, limit = 1): Side =>
  Effect.suspend(() => {
    const left = { items }
    return timed(items, Effect.forEach(consumers, (port) => consume(port, left, limit), { concurrency: "unbounded", discard: true }))
  })

const drain = (port: Port): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    for (;;) {
      const taken = yield* port.take(channel, { limit: 1_000 })
      if (taken.length === 0) return
      yield* port.settle(channel, taken.map(({ epoch, event }) => ({ cursor: event.cursor, epoch, outcome: "ack" })))
    }
  })

/** Claims in memory, and what is acknowledged as one row for each hundred. */
const journalled = (raw: RawStore, items: number): Side => {
  const batch = 100
  return timed(items, Effect.sync(() => {
    const waiting = Array.from({ length: items }, (_, at) => ({ cursor: at + 1, payload: payloads[at % payloads.length]! }))
    const leases = new Map<number, { readonly holder: string; readonly epoch: number; readonly expiresAt: number }>()
    let acknowledged: Array<number> = []
    for (let at = 0; at < items; at++) {
      const { cursor } = waiting[at]!
      leases.set(cursor, { holder: `bench-worker-${at % consumersCount}`, epoch: at, expiresAt: Date.now() + 60_000 })
      if (leases.get(cursor)?.epoch !== at) throw new Error("another holds it")
      leases.delete(cursor)
      if (acknowledged.push(cursor) === batch) {
        raw.write(JSON.stringify({ settled: acknowledged }))
        acknowledged = []
      }
    }
    if (acknowledged.length > 0) raw.write(JSON.stringify({ settled: acknowledged }))
  }))
}

/** Several rounds of a short queue count as one. */
const repeated = (times: number, before: Effect.Effect<void, unknown>, side: Side): Side =>
  Effect.gen(function*() {
    let operations = 0
    let seconds = 0
    let cpuSeconds = 0
    for (let at = 0; at < times; at++) {
      yield* before
      const sample = yield* side
      operations += sample.operations
      seconds += sample.seconds
      cpuSeconds += sample.cpuSeconds
    }
    return { operations, seconds, cpuSeconds }
  })

export const queue = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  const writer = yield* dock(kernel, "bench-writer", { provides: [{ name: channel, form: "queue", durability: "relaxed" }] })
  const consumers = yield* Effect.forEach(Array.from({ length: consumersCount }, (_, at) => `bench-worker-${at}`), (id) => dock(kernel, id, { takes: [channel] }))
  const raw = yield* rawStore(directory)
  const short = count(1_000, 100)
  const long = count(100_000, 200)
  const measured = count(20_000, 100)
  const times = Math.max(1, Math.round(measured / short))
  const backlogs = yield* inTurns(rounds, {
    ours: repeated(times, fill(writer, short), consumed(consumers, short)),
    long: Effect.gen(function*() {
      yield* fill(writer, long)
      const sample = yield* consumed(consumers, measured)
      yield* drain(writer)
      return sample
    }),
    journalled: journalled(raw, measured)
  })
  const { journalled: journal, long: at100000, ours: at1000 } = backlogs
  const pages = yield* inTurns(rounds, {
    ours: Effect.gen(function*() {
      yield* fill(writer, measured)
      const sample = yield* consumed(consumers, measured, 32)
      yield* drain(writer)
      return sample
    }),
    journalled: journalled(raw, measured)
  })
  const alone = yield* inTurns(rounds, {
    ours: Effect.gen(function*() {
      const items = Math.min(measured, 5_000)
      yield* fill(writer, items)
      return yield* timedEach(items, () => consume(consumers[0]!, { items: 1 }, 1))
    })
  })
  const bars = { floor: { of: "journalled", bar: 0.15 }, aim: { of: "journalled", bar: 0.45 } } as const
  return [
    rowOf({ ours: at1000, journalled: journal }, "rate", { id: "queue/backlog 1000", what: "take and durable ack, 64 consumers, backlog 1,000", ...bars }),
    rowOf({ ours: at100000, journalled: journal }, "rate", {
      id: "queue/backlog 100000", what: "take and durable ack, 64 consumers, backlog 100,000", ...bars,
      others: { flatness: median(at100000.map(({ rate }, round) => rate / at1000[round]!.rate)) }
    }),
    rowOf(pages, "rate", { id: "queue/pages of 32", what: "take and durable ack of 32 at a time, 64 consumers" }),
    rowOf(alone, "p50Micros", { id: "queue/1 consumer", what: "take and durable ack, 1 consumer, p50" })
  ]
})
