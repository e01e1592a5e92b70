// What must cost the same however much there is: queues with a long backlog, many channels, many systems, an event that
// lies behind many others. Each row prints its curve and is judged by its slowest point.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Hosted } from "../kernel/kernel.ts"
import type { Port } from "../protocol/port.ts"
import type { Settlement } from "../protocol/subscription.ts"
import { inTurns, medianOf, timed, timedEach, type Figure, type Side } from "./measure.ts"
import { batchOf, drafts } from "./payload.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

/** What is called flat: the dearest point costs at most twice as much processor time as the cheapest. */
const flat = 0.5
const callers = 64
/** Names in one manifest. */
const providedMax = 300

const fill = Effect.fnUntraced(function*(port: Port, channel: string, events: number) {
  for (let left = events; left > 0; left -= 1_000) yield* port.append(channel, batchOf(Math.min(left, 1_000)))
})

/** One row of several points, which took turns in the same rounds. */
const curve = (id: string, what: string, points: Readonly<Record<string, ReadonlyArray<Figure>>>): Row => {
  const costs = Object.entries(points).map(([name, figures]) => [name, medianOf(figures, "cpuMicros")] as const)
  const all = costs.map(([, micros]) => micros)
  return row({
    id, what, unit: "of the work at the dearest point", figure: Math.min(...all) / Math.max(...all), floor: { of: null, bar: flat },
    others: Object.fromEntries(costs.flatMap(([name, micros]) => [
      [`${name}CpuMicros`, micros], [`${name}PerSecond`, medianOf(points[name] ?? [], "rate")]
    ]))
  })
}

/** Takes and acknowledges so many items, with many workers that take one each. */
const consume = (workers: ReadonlyArray<Port>, channel: string, items: number): Side =>
  Effect.suspend(() => {
    let left = items
    return timed(items, Effect.forEach(workers, Effect.fnUntraced(function*(port) {
      let settle: ReadonlyArray<Settlement> = []
      while (left > 0) {
        left--
        settle = (yield* port.take(channel, { settle })).map(({ cursor, epoch }) => ({ cursor, epoch, outcome: "ack" }))
      }
      if (settle.length > 0) yield* port.settle(channel, settle)
    }), { concurrency: "unbounded", discard: true }))
  })

const backlogs = Effect.fnUntraced(function*(kernel: Hosted, { count, rounds }: Sized) {
  const sizes = [1_000, 10_000, 100_000, 1_000_000].map((size) => count(size, 20))
  const measured = count(10_000, 20)
  const channels = sizes.map((_, at) => `tasks-${at}`)
  const writer = yield* dock(kernel, "flat-writer", { provides: channels.map((name) => ({ name, form: "queue", durability: "relaxed" })) })
  const workers = yield* Effect.forEach(Array.from({ length: callers }, (_, at) => `flat-worker-${at}`), (id) => dock(kernel, id, { takes: channels }))
  for (const [at, size] of sizes.entries()) yield* fill(writer, channels[at]!, size)
  // What one round takes away is put back at the end: the backlog stays, and moves on through the log.
  const points = yield* inTurns(rounds, Object.fromEntries(sizes.map((size, at): [string, Side] => [
    `backlog${size}`,
    Effect.tap(consume(workers, channels[at]!, Math.min(measured, size)), () => fill(writer, channels[at]!, Math.min(measured, size)))
  ])))
  return curve("flat/backlog", "take and durable ack with a backlog of 1,000 to 1,000,000", points)
})

/** Appends one event to each place in turn and reads it back, as one who follows does; many callers at once. */
const visit = (places: ReadonlyArray<readonly [Port, string]>, operations: number): Side =>
  Effect.suspend(() => {
    let at = 0
    return timed(operations, Effect.forEach(Array.from({ length: callers }), Effect.fnUntraced(function*() {
      while (at < operations) {
        const [port, channel] = places[at % places.length]!
        const [appended] = yield* port.append(channel, [drafts[at++ % drafts.length]!])
        yield* port.read(channel, { after: appended!.cursor - 1, limit: 1 })
      }
    }), { concurrency: "unbounded", discard: true }))
  })

/** As many channels as there are, and a system for some hundreds of them. */
const channelsOf = Effect.fnUntraced(function*(kernel: Hosted, channels: number) {
  const places: Array<readonly [Port, string]> = []
  for (let from = 0; from < channels; from += providedMax) {
    const names = Array.from({ length: Math.min(providedMax, channels - from) }, (_, at) => `flat-${from + at}`)
    const port = yield* dock(kernel, `flat-provider-${from}`, { provides: names.map((name) => ({ name, durability: "relaxed" })) })
    for (const name of names) places.push([port, name])
  }
  return places
})

const manyChannels = Effect.fnUntraced(function*(kernel: Hosted, { count, rounds }: Sized) {
  const places = yield* channelsOf(kernel, count(10_000, 40))
  const sizes = [10, 100, 1_000, 10_000].map((size) => Math.min(size, places.length))
  const points = yield* inTurns(rounds, Object.fromEntries([...new Set(sizes)].map((size) => [
    `channels${size}`, visit(places.slice(0, size), count(20_000, 50))
  ])))
  return curve("flat/channels", "append an event and read it, over 10 to 10,000 channels", points)
})

const manySystems = Effect.fnUntraced(function*(kernel: Hosted, { count, rounds }: Sized) {
  const channel = "flat-shared"
  yield* dock(kernel, "flat-owner", { provides: [{ name: channel, durability: "relaxed" }] })
  const sizes = [1, 10, 100, 1_000].map((size) => Math.min(size, count(1_000, 10)))
  const places: Array<readonly [Port, string]> = []
  const points: Record<string, ReadonlyArray<Figure>> = {}
  // Measured while there are so many: those that come later must not be there yet.
  for (const size of new Set(sizes)) {
    while (places.length < size) places.push([yield* dock(kernel, `flat-system-${places.length}`, { reads: [channel], writes: [channel] }), channel])
    points[`systems${size}`] = (yield* inTurns(rounds, { one: visit(places, count(20_000, 50)) })).one
  }
  return curve("flat/systems", "append an event and read it, with 1 to 1,000 docked systems", points)
})

const find = (port: Port, channel: string, times: number): Side =>
  timedEach(times, () => Effect.map(port.read(channel, { filter: { correlationId: "wanted" } }), ({ events }) => {
    if (events[0]?.kind !== "hit") throw new Error(`no hit in ${channel}`)
  }))

const foreign = Effect.fnUntraced(function*(kernel: Hosted, { count, rounds }: Sized) {
  const channels = ["flat-alone", "flat-behind", "flat-foreign", "flat-few", "flat-many"]
  const port = yield* dock(kernel, "flat-seeker", {
    provides: channels.map((name) => ({ name, durability: "relaxed", indexes: ["correlationId"] }))
  })
  const others = batchOf(1_000).map((draft) => ({ ...draft, correlationId: "other" }))
  const hit = { kind: "hit", correlationId: "wanted" }
  const add = Effect.fnUntraced(function*(channel: string, events: number) {
    for (let at = 0; at < events; at += 1_000) yield* port.append(channel, others)
  })
  yield* port.append("flat-alone", [{ kind: "first" }, hit])
  yield* port.append("flat-behind", [{ kind: "first" }])
  yield* add("flat-foreign", count(1_000_000, 2_000))
  yield* port.append("flat-behind", [hit])
  for (const [channel, events] of [["flat-few", 1_000], ["flat-many", count(1_000_000, 2_000)]] as const) {
    yield* add(channel, events)
    yield* port.append(channel, [hit])
  }
  const times = count(2_000, 10)
  return [
    curve("flat/foreign", "find one event: behind a million of another channel, and behind none", yield* inTurns(rounds, {
      behindNone: find(port, "flat-alone", times), behindMany: find(port, "flat-behind", times)
    })),
    curve("flat/index", "find one event by an index: behind a million others of its channel, and behind a thousand", yield* inTurns(rounds, {
      amongFew: find(port, "flat-few", times), amongMany: find(port, "flat-many", times)
    }))
  ]
})

const pages = Effect.fnUntraced(function*(kernel: Hosted, { count, rounds }: Sized) {
  const channel = "flat-pages"
  const port = yield* dock(kernel, "flat-reader", { provides: [{ name: channel, durability: "relaxed" }] })
  const events = count(200_000, 1_000)
  yield* fill(port, channel, events)
  const text = JSON.stringify((yield* port.read(channel, { limit: 1_000 })).events)
  const sum = (page: ReadonlyArray<{ readonly payload: unknown }>): number =>
    page.reduce((total, { payload }) => total + ((payload as { readonly at: number }).at % 7), 0) // of payload.ts
  const found = yield* inTurns(rounds, {
    ours: timed(events, Effect.gen(function*() {
      for (let after = 0; after < events;) {
        const page = yield* port.read(channel, { after, limit: 1_000 })
        sum(page.events)
        after = page.next
      }
    })),
    parse: timed(events, Effect.sync(() => {
      for (let at = 0; at < events; at += 1_000) sum(JSON.parse(text) as ReadonlyArray<{ readonly payload: unknown }>) // that page
    }))
  })
  return rowOf(found, "rate", { id: "flat/pages", what: "events read in pages of 1,000, none of them read before", floor: { of: "parse", bar: 0.25 } })
})

export const flatCosts = Effect.fnUntraced(function*(sized: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory: sized.directory })
  const rows: Array<Row> = []
  // Systems before channels: a thousand of them must not be measured with ten thousand channels.
  rows.push(yield* pages(kernel, sized), yield* manySystems(kernel, sized), ...(yield* foreign(kernel, sized)))
  rows.push(yield* backlogs(kernel, sized), yield* manyChannels(kernel, sized))
  return rows
})
