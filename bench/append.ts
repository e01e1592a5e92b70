// Appends to a relaxed and to a strict channel, by one caller, by many, and in batches.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Durability } from "../protocol/channel.ts"
import type { Port } from "../protocol/port.ts"
import { inTurns, timed, timedEach, timedEachSync, type Side } from "./measure.ts"
import { batchOf, drafts } from "./payload.ts"
import { rawLog, rawStore } from "./raw.ts"
import { rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock, makeWorld } from "./world.ts"

const Payload = Schema.Struct({
  id: Schema.String,
  at: Schema.Int,
  agent: Schema.String,
  tags: Schema.Array(Schema.String),
  scores: Schema.Struct({ lines: Schema.Int, marks: Schema.Int }),
  done: Schema.Boolean,
  text: Schema.String
})

/** A writer with one channel of this durability and one whose payloads a schema checks. */
const writer = Effect.fnUntraced(function*(directory: string, durability: Durability): Effect.fn.Return<Port, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  return yield* dock(
    kernel, "bench-writer",
    { provides: [{ name: "events", durability }, { name: "checked", durability }] },
    { schemas: { checked: Schema.toStandardSchemaV1(Payload) } }
  )
})

const alone = (port: Port, channel: string, events: number): Side =>
  timedEach(events, (at) => port.append(channel, [drafts[at % drafts.length]!]))

const together = (port: Port, channel: string, callers: number, events: number): Side => {
  const each = Math.ceil(events / callers)
  const caller = Effect.fnUntraced(function*(first: number) {
    for (let at = 0; at < each; at++) yield* port.append(channel, [drafts[(first + at) % drafts.length]!])
  })
  return timed(each * callers, Effect.forEach(Array.from({ length: callers }, (_, at) => at), caller, { concurrency: "unbounded", discard: true }))
}

const batches = (port: Port, channel: string, size: number, events: number): Side => {
  const batch = batchOf(size)
  const loop = Effect.fnUntraced(function*() {
    for (let at = 0; at < events; at += size) yield* port.append(channel, batch)
  })
  return timed(Math.ceil(events / size) * size, loop())
}

/** So many commits of a baseline, `size` events each; timed one by one where an event is a commit. */
const commits = (commit: (events: number) => void, size: number, events: number): Side =>
  size === 1
    ? timedEachSync(events, () => commit(1))
    : timed(Math.ceil(events / size) * size, Effect.sync(() => {
        for (let at = 0; at < events; at += size) commit(size)
      }))

export const relaxed = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const port = yield* writer(directory, "relaxed")
  const raw = yield* rawStore(directory)
  const log = yield* rawLog(directory)
  const measure = Effect.fnUntraced(function*(id: string, what: string, ours: (channel: string) => Side, size: number, events: number, aim: number) {
    const sides = yield* inTurns(rounds, {
      ours: ours("events"),
      sqlite: commits(raw.append, size, events),
      log: commits(log, size, events),
      checked: ours("checked"),
      sqliteTextsReady: commits(raw.appendReady, size, events)
    })
    return rowOf(sides, "rate", { id: `relaxed/${id}`, what, floor: { of: "sqlite", bar: 0.5 }, aim: { of: "log", bar: aim } })
  })
  return [
    yield* measure("1 caller", "relaxed append, 1 caller", (channel) => alone(port, channel, count(50_000)), 1, count(50_000), 0.22),
    yield* measure("256 callers", "relaxed append, 256 callers", (channel) => together(port, channel, 256, count(200_000, 256)), 256, count(200_000, 256), 0.55),
    yield* measure("batches of 1000", "relaxed append, batches of 1,000", (channel) => batches(port, channel, 1_000, count(300_000, 1_000)), 1_000, count(300_000, 1_000), 0.65)
  ]
})

export const strict = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const port = yield* writer(directory, "strict")
  const raw = yield* rawStore(directory, { full: true })
  const one = yield* inTurns(rounds, { ours: alone(port, "events", count(3_000)), sqliteFull: commits(raw.append, 1, count(3_000)) })
  const many = yield* inTurns(rounds, {
    ours: together(port, "events", 64, count(100_000, 64)),
    sqliteFull: commits(raw.append, 64, count(100_000, 64))
  })
  return [
    rowOf(one, "p50Micros", {
      id: "strict/1 caller", what: "strict append, 1 caller, p50", floor: { of: "sqliteFull", bar: 1.8 }, aim: { of: "sqliteFull", bar: 1.25 }
    }),
    rowOf(many, "rate", { id: "strict/64 callers", what: "strict append, 64 callers", floor: { of: "sqliteFull", bar: 0.5 } })
  ]
})
