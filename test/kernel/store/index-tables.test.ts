// Indexed fields of the newest events are in memory and reach their tables later: whoever asks by index sees no difference,
// whatever was written, evicted or redefined in between, and however the process ended.
import Database from "better-sqlite3"
import { Effect, type Scope } from "effect"
import { copyFileSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeEach, describe, expect } from "vitest"
import type { Filter } from "../../../protocol/event.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { indexEventsMax, indexRowsAtOnce } from "../../../kernel/limits.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { everything, surely } from "../../contract/store.ts"
import { makeRandom } from "../../kit/random.ts"
import { channel, effect, prepared } from "../../kit/store-it.ts"

const root = mkdtempSync(join(tmpdir(), "aaax-index-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let path = ""
beforeEach(() => {
  path = join(mkdtempSync(join(root, "s-")), "kernel.db")
})

const session = <A>(body: (store: StoreService) => Effect.Effect<A, unknown, Scope.Scope>, at = path) =>
  Effect.scoped(Effect.flatMap(Sqlite.make({ path: at, clock: makeClock() }), body))

/** What a kernel finds that was killed now: the files as they are, without what closing would write. */
const killed = (): string => {
  const copy = join(mkdtempSync(join(root, "k-")), "kernel.db")
  for (const end of ["", "-wal"]) copyFileSync(`${path}${end}`, `${copy}${end}`)
  return copy
}

const box = channel("box", { indexes: ["recipient", "subject", "kind"], durability: "relaxed" })
const plain = channel("plain", { durability: "relaxed" })
const count = (at: string, table: string): unknown => {
  const db = new Database(at, { readonly: true })
  try {
    return db.prepare(`SELECT count(*) FROM ${table}`).pluck().get()
  } finally {
    db.close()
  }
}

/** What is done behind an append is done. */
const turn = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))

/** By index, against what a look at each event says. */
const agrees = (store: StoreService) =>
  Effect.gen(function*() {
    const all = yield* everything(store, box)
    const filters: Array<Filter> = [{ kind: "k1" }, { recipient: "r2" }, { subject: "s3" }, { recipient: "r1", kind: "k2" }, { subject: "nobody" }]
    for (const filter of filters) {
      const wanted = all.filter((event) => Object.entries(filter).every(([field, value]) => event[field as keyof Filter & keyof typeof event] === value))
      expect((yield* everything(store, box, { filter, limit: 37 })).map(({ cursor }) => cursor)).toEqual(wanted.map(({ cursor }) => cursor))
    }
    const newest = new Map(all.map(({ cursor, subject }) => [subject, cursor]))
    expect((yield* everything(store, box, { newestBySubject: true, limit: 4 })).map(({ cursor }) => cursor)).toEqual([...newest.values()].sort((a, b) => a - b))
    for (const subject of ["s0", "s4"]) {
      expect((yield* everything(store, box, { newestBySubject: true, filter: { subject } })).map(({ cursor }) => cursor)).toEqual(newest.has(subject) ? [newest.get(subject)] : [])
    }
  })

describe("indexed fields that are not in their tables yet", () => {
  effect("cost an append nothing: the tables are written many events at once", () => session((store) => Effect.gen(function*() {
    yield* store.putChannel(box)
    const more = (text: string) => surely(store, box, prepared(box, { kind: "k", subject: text }))
    for (let i = 0; i < indexEventsMax; i += 512) {
      yield* surely(store, box, Array.from({ length: 512 }, (_, at) => prepared(box, { kind: "k", subject: `s${i + at}` })[0]!))
    }
    expect(count(path, "fields")).toBe(0)
    yield* more("one more")
    yield* turn
    expect(count(path, "fields")).toBe(indexRowsAtOnce)
    expect(count(path, "newest")).toBe(0)
    for (let i = 0; i <= (indexEventsMax * 3) / indexRowsAtOnce; i++) yield* more(`later ${i}`)
    yield* turn
    expect(count(path, "fields")).toBe((indexEventsMax + 1) * 3)
    expect(count(path, "newest")).toBe(indexEventsMax + 1)
  })))

  for (const seed of [1, 2, 3]) {
    effect(`are found as if they were, after a kill, an eviction, other channels' rows and another index (seed ${seed})`, () => Effect.gen(function*() {
      const random = makeRandom(seed)
      const write = (store: StoreService) => Effect.gen(function*() {
        for (let round = 0; round < 60; round++) {
          const size = random.chance(0.2) ? 300 : 1 + random.int(3)
          const drafts = Array.from({ length: size }, () => prepared(box, {
            kind: `k${random.int(3)}`, subject: `s${random.int(6)}`, ...(random.chance(0.7) ? { recipient: `r${random.int(4)}` } : {})
          })[0]!)
          yield* Effect.all([surely(store, box, drafts), surely(store, plain, prepared(plain, { payload: round }))], { concurrency: "unbounded" })
          // Also while a part of them is in the tables.
          if (random.chance(0.05)) yield* agrees(store)
          if (random.chance(0.03)) yield* session(agrees, killed())
        }
      })
      yield* session((store) => Effect.gen(function*() {
        yield* store.putChannel(box)
        yield* store.putChannel(plain)
        yield* write(store)
        yield* agrees(store)
        yield* session(agrees, killed())
        yield* store.evict("box", store.statisticsOf("box")!.head - 40)
        yield* agrees(store)
        yield* session(agrees, killed())
        yield* write(store)
        yield* store.putChannel({ ...box, indexes: ["subject"] })
        yield* agrees(store)
        yield* write(store)
        yield* store.putChannel(box)
        yield* agrees(store)
        const copy = killed()
        yield* session(agrees, copy)
        yield* session((again) => Effect.andThen(write(again), agrees(again)), copy)
        yield* session(agrees, copy)
      }))
    }))
  }

  effect("are found after every row was deleted and rows are counted from 1 again", () => Effect.gen(function*() {
    yield* session((store) => Effect.gen(function*() {
      yield* store.putChannel(box)
      for (let i = 0; i <= indexEventsMax; i++) yield* surely(store, box, prepared(box, { kind: "k", subject: `s${i}` }))
      yield* store.evict("box", store.statisticsOf("box")!.head)
    }))
    yield* session((store) => Effect.gen(function*() {
      yield* surely(store, box, prepared(box, { kind: "k1", subject: "s3", recipient: "r2" }))
      yield* session((again) => Effect.gen(function*() {
        expect(yield* everything(again, box, { newestBySubject: true })).toHaveLength(1)
        yield* agrees(again)
      }), killed())
    }))
  }))
})
