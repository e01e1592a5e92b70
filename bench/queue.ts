// Takes and durable acknowledgements by 64 systems that compete for the items of one exclusive channel.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Port } from "../protocol/port.ts"
import type { Settlement, Taken } from "../protocol/subscription.ts"
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

const ack = ({ cursor, epoch }: Taken): Settlement => ({ cursor, epoch, outcome: "ack" })

interface Manner {
  /** Items in one take. */
  readonly limit?: number
  /** What is done with each item before it is acknowledged. */
  readonly look?: (taken: Taken) => number
  /** Settles in a call of its own in place of the next take. */
  readonly apart?: boolean
}

/** Takes and settles until `left` is used up: with the end of the last items it asks for the next, as workers do. */
const consume = Effect.fnUntraced(function*(port: Port, left: { items: number }, { apart = false, limit = 1, look }: Manner) {
  let ends: ReadonlyArray<Settlement> = []
  let sum = 0
  while (left.items > 0) {
    left.items -= limit
    const taken = yield* port.take(channel, { limit, settle: ends })
    if (look !== undefined) for (const item of taken) sum += look(item)
    ends = taken.map(ack)
    if (!apart) continue
    yield* port.settle(channel, ends)
    ends = []
  }
  if (ends.length > 0) yield* port.settle(channel, ends)
  return sum
})

const consumed = (consumers: ReadonlyArray<Port>, items: number, manner: Manner = {}): Side =>
  Effect.suspend(() => {
    const left = { items }
    return timed(items, Effect.forEach(consumers, (port) => consume(port, left, manner), { concurrency: "unbounded", discard: true }))
  })

const drain = (port: Port): Effect.Effect<void, unknown> =>
  Effect.gen(function*() {
    for (;;) {
      const taken = yield* port.take(channel, { limit: 1_000 })
      if (taken.length === 0) return
      yield* port.settle(channel, taken.map(ack))
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

/** A member of a payload of payload.ts. */
const look = ({ event }: Taken): number => (event.payload as { readonly at: number }).at % 7

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
  const drained = (manner: Manner): Side =>
    Effect.gen(function*() {
      yield* fill(writer, measured)
      const sample = yield* consumed(consumers, measured, manner)
      yield* drain(writer)
      return sample
    })
  const pages = yield* inTurns(rounds, { ours: drained({ limit: 32 }), journalled: journalled(raw, measured) })
  const looked = yield* inTurns(rounds, { ours: drained({ look }), journalled: journalled(raw, measured) })
  const apart = yield* inTurns(rounds, { ours: drained({ apart: true }), journalled: journalled(raw, measured) })
  const alone = yield* inTurns(rounds, {
    ours: Effect.gen(function*() {
      const items = Math.min(measured, 5_000)
      yield* fill(writer, items)
      return yield* timedEach(items, () => consume(consumers[0]!, { items: 1 }, { apart: true }))
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
    rowOf(looked, "rate", { id: "queue/looked at", what: "take, look into each payload and durable ack, 64 consumers" }),
    rowOf(apart, "rate", { id: "queue/two calls", what: "take and durable ack in a call of its own, 64 consumers" }),
    rowOf(alone, "p50Micros", { id: "queue/1 consumer", what: "take and durable ack, 1 consumer, p50" })
  ]
})
