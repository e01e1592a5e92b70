// One writer and sixteen systems that read everything it writes, in pages, each at its own pace.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Port } from "../protocol/port.ts"
import { inTurns, timed, type Side } from "./measure.ts"
import { batchOf } from "./payload.ts"
import { rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

const readersCount = 16
const channel = "events"

const write = Effect.fnUntraced(function*(port: Port, size: number, events: number) {
  const batch = batchOf(size)
  let last = 0
  for (let at = 0; at < events; at += size) last = (yield* port.append(channel, batch))[size - 1]!.cursor
  return last
})

/** Reads pages behind `after` until it has seen so many events; answers a sum over them, so that they are looked at. */
const readAll = Effect.fnUntraced(function*(port: Port, after: number, events: number) {
  let seen = 0
  let sum = 0
  for (let at = after; seen < events;) {
    const page = yield* port.read(channel, { after: at, limit: 1_000 })
    for (const event of page.events) sum += (event.payload as { readonly at: number }).at % 7 // of payload.ts
    seen += page.events.length
    at = page.next
    if (page.events.length === 0) yield* port.awaitBeyond(channel, at)
  }
  return sum
})

export const fanOut = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  const writer = yield* dock(kernel, "bench-writer", { provides: [{ name: channel, durability: "relaxed" }] })
  const readers = yield* Effect.forEach(Array.from({ length: readersCount }, (_, at) => `bench-reader-${at}`), (id) => dock(kernel, id, { reads: [channel] }))
  const head = Effect.sync(() => kernel.channels.store.statisticsOf(channel)!.head)
  const measure = Effect.fnUntraced(function*(size: number, wanted: number) {
    const events = Math.ceil(wanted / size) * size
    const read = (ports: ReadonlyArray<Port>): Side =>
      Effect.flatMap(head, (after) => timed(events, Effect.gen(function*() {
        const fibers = yield* Effect.forEach(ports, (port) => Effect.forkChild(readAll(port, after, events)))
        yield* write(writer, size, events)
        yield* Fiber.awaitAll(fibers)
      })))
    return yield* inTurns(rounds, { ours: read(readers), append: timed(events, Effect.suspend(() => write(writer, size, events))), oneReader: read(readers.slice(0, 1)) })
  })
  return [
    rowOf(yield* measure(1_000, count(200_000, 1_000)), "rate", {
      id: "fan-out/16 readers", what: "events that all 16 readers have seen, batches of 1,000",
      floor: { of: "append", bar: 0.6 }, aim: { of: "append", bar: 1 }
    }),
    rowOf(yield* measure(100, count(100_000, 100)), "rate", {
      id: "fan-out/16 readers, batches of 100", what: "events that all 16 readers have seen, batches of 100", floor: { of: "append", bar: 0.6 }, aim: { of: "append", bar: 1 }
    })
  ]
})
