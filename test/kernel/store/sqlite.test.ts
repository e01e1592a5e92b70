// The SQLite store: the family's contract, and what only a disk can do: locks, formats, damage, full disks, kill -9.
import Database from "better-sqlite3"
import { Effect, Exit, Scope } from "effect"
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect } from "vitest"
import type { Channel } from "../../../protocol/channel.ts"
import type { Draft } from "../../../protocol/event.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { indexEventsMax, indexRowsAtOnce, keyRetentionMillis, pageTextMax, pruneKeysDelayMillis, segmentRows, tailTextMax, textsBytesMax } from "../../../kernel/limits.ts"
import { prepare } from "../../../kernel/store/codec.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import { makeTexts } from "../../../kernel/store/sqlite/kept-texts.ts"
import { format, migrate, migrations, openDatabase } from "../../../kernel/store/sqlite/schema.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { everything, outcome, storeContract, surely } from "../../contract/store.ts"
import { channel, effect, numbered, prepared } from "../../kit/store-it.ts"
import { bundleWriter, startWriter } from "../../kit/store-process.ts"

storeContract("sqlite", { durable: true, open: (directory, clock) => Sqlite.make({ path: join(directory, "kernel.db"), clock }) })

const root = mkdtempSync(join(tmpdir(), "aaax-sqlite-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let path = ""
let wall = 0
beforeEach(() => {
  path = join(mkdtempSync(join(root, "s-")), "deep", "kernel.db")
  wall = 1_800_000_000_000
})

const log = channel("log")
const open = (options: Partial<Sqlite.SqliteOptions> = {}) =>
  Effect.tap(
    Sqlite.make({ path, clock: makeClock({ wall: () => wall, monotonic: () => wall }), ...options }),
    (store) => (store.channels().length === 0 ? store.putChannel(log) : Effect.void))
const session = <A>(body: (store: StoreService) => Effect.Effect<A, unknown, Scope.Scope>, options: Partial<Sqlite.SqliteOptions> = {}) =>
  Effect.scoped(Effect.flatMap(open(options), body))
/** Looks into the closed database, or changes it. */
const peek = <A>(look: (db: Database.Database) => A): A => {
  const db = new Database(path)
  try {
    return look(db)
  } finally {
    db.close()
  }
}
const payloads = (store: StoreService, from: Channel = log) =>
  Effect.map(everything(store, from), (events) => events.map((event) => event.payload))
const upTo = (count: number) => Array.from({ length: count }, (_, at) => at)

describe("an item that nobody has looked at yet", () => {
  effect("is there when somebody does, though its row has long left the memory, and its channel", () => session((store) => Effect.gen(function*() {
    yield* surely(store, log, numbered(log, 0, 3))
    const { items } = yield* store.items("log", { after: 0, limit: 3 })
    const bulk = prepared(log, ...upTo(100).map(() => ({ payload: "x".repeat(9_000) })))
    for (let text = 0; text < tailTextMax + 1_000_000; text += 900_000) yield* surely(store, log, bulk)
    yield* store.evict("log", 3)
    expect(items.map((item) => item.event().payload)).toEqual([0, 1, 2])
  })))
})

describe("texts of events", () => {
  const form = "event"
  const bytesOf = (pieces: ReadonlyArray<string | Uint8Array>): number => pieces.reduce((sum, piece) => sum + piece.length, 0)

  effect("that many ask for are put together once", () => session((store) => Effect.gen(function*() {
    yield* surely(store, log, numbered(log, 0, 200))
    const { pieces } = yield* store.texts("log", { after: 0, limit: 128, form })
    const again = yield* store.texts("log", { after: 64, limit: 1, form })
    expect((again.pieces[0] as Uint8Array).buffer).toBe((pieces[1] as Uint8Array).buffer)
    expect((yield* store.texts("log", { after: 128, limit: 8, form })).pieces.every((piece) => typeof piece === "string")).toBe(true)
  })))

  effect("that are long are made for each reader, and end a page early", () => session((store) => Effect.gen(function*() {
    const long = (count: number, length: number) => prepared(log, ...upTo(count).map(() => ({ payload: "x".repeat(length) })))
    for (let n = 0; n < 8; n++) yield* surely(store, log, long(8, 100_000))
    for (let n = 0; n < 9; n++) yield* surely(store, log, long(1, 900_000))
    for (let n = 0; n < 6; n++) yield* surely(store, log, long(10, 1))
    const { count, pieces } = yield* store.texts("log", { after: 0, limit: 1_000, form })
    expect(pieces.every((piece) => typeof piece === "string")).toBe(true)
    expect(bytesOf(pieces)).toBeGreaterThan(pageTextMax)
    expect(bytesOf(pieces)).toBeLessThan(pageTextMax + 1_000_000)
    expect(yield* store.texts("log", { after: count, limit: 1_000, form })).toMatchObject({ count: 133 - count, next: 133 })
  })))

  effect("in memory alone are there as well", () => session((store) => Effect.gen(function*() {
    const volatile = channel("volatile", { durability: "memory" })
    yield* store.putChannel(volatile)
    yield* surely(store, volatile, numbered(volatile, 0, 100))
    const { events } = yield* store.read("volatile", { after: 0, limit: 100 })
    const { pieces, ...rest } = yield* store.texts("volatile", { after: 0, limit: 100, form })
    expect([`[${pieces.join(",")}]`, rest]).toEqual([JSON.stringify(events), { count: 100, next: events.at(-1)!.cursor, head: events.at(-1)!.cursor }])
  })))

  effect("are held up to a bound, those least asked for given up first", () => Effect.sync(() => {
    const texts = makeTexts()
    const piece = { bytes: new Uint8Array(textsBytesMax / 4), starts: new Uint32Array(2) }
    for (let number = 0; number < 4; number++) texts.keep(1, form, number, piece)
    expect(texts.get(1, form, 0)).toBe(piece)
    texts.keep(1, form, 4, piece)
    expect(upTo(5).map((number) => texts.get(1, form, number) !== undefined)).toEqual([true, false, true, true, true])
    expect([texts.get(2, form, 0), texts.get(1, "portable", 0)]).toEqual([undefined, undefined])
  }))
})

describe("a store on disk", () => {
  effect("is readable for its user alone", () => Effect.gen(function*() {
    yield* session((store) => Effect.gen(function*() {
      yield* surely(store, log, numbered(log, 0, 1))
      const { digest } = yield* store.putArtifact(Buffer.from("x"), "text/plain")
      const directory = dirname(path)
      for (const name of readdirSync(directory)) {
        const { mode } = statSync(join(directory, name))
        expect([name, (mode & 0o777).toString(8)]).toEqual([name, name === "artifacts" ? "700" : "600"])
      }
      expect(statSync(directory).mode & 0o777).toBe(0o700)
      expect(statSync(join(directory, "artifacts", digest.slice(0, 2), digest)).mode & 0o777).toBe(0o600)
    }))
  }))

  effect("says where it is, how large, and what survives", () => session((store) => Effect.gen(function*() {
    yield* surely(store, log, numbered(log, 0, 3))
    expect(store.statistics()).toMatchObject({ backend: "sqlite", path, format, events: 3, channels: 1 })
    expect(store.statistics().bytes).toBeGreaterThan(8_192)
    expect(store.statistics().durability).toMatch(/power loss/)
  })))

  effect("puts what many callers append within one turn into one row", () => Effect.gen(function*() {
    const other = channel("other")
    yield* session((store) => Effect.gen(function*() {
      yield* store.putChannel(other)
      yield* Effect.forEach(upTo(100), (at) => surely(store, at % 2 === 0 ? log : other, numbered(log, at, at + 1)), { concurrency: "unbounded" })
      expect(yield* payloads(store, other)).toEqual(upTo(100).filter((at) => at % 2 === 1))
    }))
    expect(peek((db) => db.prepare("SELECT count(*) AS rows, sum(n) AS events FROM log").get())).toEqual({ rows: 1, events: 100 })
  }))

  effect("splits what is too much for one row, and keeps it in one transaction", () => Effect.gen(function*() {
    const payload = "x".repeat(200_000)
    yield* session((store) => Effect.forEach(upTo(8), () => surely(store, log, prepared(log, { payload })), { concurrency: "unbounded" }))
    expect(peek((db) => db.prepare("SELECT count(*) FROM log").pluck().get())).toBeGreaterThan(1)
    yield* session((store) => Effect.map(everything(store, log), (events) => expect(events).toHaveLength(8)))
  }))

  effect("commits FULL when a strict draft is in the flush, else NORMAL", () => Effect.gen(function*() {
    const relaxed = channel("relaxed", { durability: "relaxed" })
    const seen: Array<string> = []
    const pragma = spyOnPragma(seen)
    yield* session((store) => Effect.gen(function*() {
      yield* store.putChannel(relaxed)
      seen.length = 0
      yield* surely(store, relaxed, numbered(relaxed, 0, 1))
      yield* surely(store, log, numbered(log, 0, 1))
      yield* surely(store, log, numbered(log, 1, 2))
      yield* surely(store, log, numbered(log, 2, 3), { durability: "relaxed" })
      yield* Effect.all([surely(store, relaxed, numbered(relaxed, 1, 2)), surely(store, log, numbered(log, 3, 4))], { concurrency: "unbounded" })
    }))
    pragma()
    expect(seen.slice(0, 6)).toEqual([
      "synchronous = NORMAL", "synchronous = FULL", "synchronous", "synchronous = NORMAL", "synchronous = FULL", "synchronous"
    ])
  }))

  effect("gives those who waited what everybody reads afterwards", () => Effect.gen(function*() {
    const drafts = upTo(7).map((at): Draft => ({ payload: { at, list: [at] }, ...(at % 3 === 0 ? { subject: `s${at}` } : {}), ...(at % 2 === 0 ? { kind: "even" } : {}) }))
    const live = yield* session((store) => Effect.gen(function*() {
      yield* surely(store, log, drafts.map((draft, at) => prepare(draft, "tester", log, undefined, at !== 5)))
      return yield* everything(store, log)
    }))
    expect(live.map(({ payload }) => payload)).toEqual(drafts.map(({ payload }) => payload))
    expect(yield* session((store) => everything(store, log))).toStrictEqual(live)
  }))

  effect("gives every reader the same events, whether they come from memory or from disk", () => session((store) => Effect.gen(function*() {
    // Three times the text that is held in memory, so that its memory is used again while readers are everywhere.
    const relaxed = channel("relaxed", { durability: "relaxed" })
    yield* store.putChannel(relaxed)
    const filler = "ü".repeat(1_000)
    const batch = (from: number) => prepared(relaxed, ...upTo(100).map((at) => ({ payload: { at: from + at, filler } })))
    const total = 3 * tailTextMax / 2_000
    let slow = 0
    const read = (after: number) => Effect.map(store.read("relaxed", { after, limit: 50 }), (page) => {
      for (const [at, event] of page.events.entries()) expect(event.payload).toEqual({ at: after + at, filler })
      return page.next
    })
    for (let from = 0; from < total; from += 100) {
      yield* surely(store, relaxed, batch(from))
      const head = store.statisticsOf("relaxed")!.head
      if (from % 700 === 0) yield* read(Math.max(0, head - 60))
      yield* read(Math.max(0, head - 4_000))
      yield* read((from * 7919) % head)
      slow = yield* read(slow)
    }
    for (let after = slow; after < total; after += 5_000) yield* read(after)
    expect(yield* store.verify).toEqual([])
  })))

  effect("finds events again through packed indexes", () => Effect.gen(function*() {
    const other = channel("other", { durability: "relaxed" })
    const rows = segmentRows + 50
    yield* session((store) => Effect.gen(function*() {
      yield* store.putChannel(other)
      for (let i = 0; i < rows; i++) yield* surely(store, other, numbered(other, i, i + 1))
      yield* surely(store, log, numbered(log, 0, 1))
    }))
    expect(peek((db) => db.prepare("SELECT count(*) FROM segments").pluck().get())).toBe(1)
    const check = session((store) => Effect.gen(function*() {
      expect(yield* payloads(store, other)).toEqual(upTo(rows))
      expect(yield* payloads(store)).toEqual([0])
      expect(yield* store.verify).toEqual([])
    }))
    yield* check
    // A damaged index is made again from the heads.
    peek((db) => db.exec("UPDATE segments SET packed = zeroblob(length(packed))"))
    yield* session((store) => Effect.gen(function*() {
      expect(yield* payloads(store, other)).toEqual(upTo(rows))
      expect(yield* store.verify).toEqual([expect.stringMatching(/index of the log/)])
    }))
  }))

  effect("finds old events by id when many share a millisecond", () => Effect.gen(function*() {
    const ids: Array<string> = []
    yield* session((store) => Effect.gen(function*() {
      for (let i = 0; i < 60; i++) {
        if (i % 20 === 0) wall += 1
        for (const appended of yield* surely(store, log, [...numbered(log, i * 2, i * 2 + 1), ...prepared(log, { id: `g${i}`, payload: i * 2 + 1 })])) ids.push(appended.id)
      }
    }))
    yield* session((store) => Effect.gen(function*() {
      for (const [at, id] of ids.entries()) expect((yield* store.event(id))?.payload).toBe(at)
      yield* surely(store, log, prepared(log, { parentIds: ids.slice(0, 50) }))
    }))
  }))

  effect("gives a reader of a memory channel from before a restart a gap, and uses no cursor twice", () => Effect.gen(function*() {
    const quick = channel("quick", { durability: "memory" })
    const before = yield* session((store) => Effect.gen(function*() {
      yield* store.putChannel(quick)
      const appended = yield* surely(store, quick, numbered(quick, 0, 3))
      // Already now, for a process that will not get to close the store.
      expect(peek((db) => db.prepare("SELECT reserved FROM channels WHERE name = 'quick'").pluck().get())).toBeGreaterThan(appended[2]!.cursor)
      return appended
    }))
    yield* session((store) => Effect.gen(function*() {
      const [appended] = yield* surely(store, quick, numbered(quick, 3, 4))
      expect(appended!.cursor).toBeGreaterThan(before[2]!.cursor)
      expect(yield* outcome(store.read("quick", { after: before[0]!.cursor, limit: 1 }))).toBe("Gap")
    }))
  }))

  effect("refuses to move a channel between memory and disk", () => session((store) => Effect.gen(function*() {
    expect(yield* outcome(store.putChannel(channel("log", { durability: "memory" })))).toBe("StoreUnavailable")
    yield* store.putChannel(channel("log", { durability: "relaxed" }))
    expect(store.channels()[0]!.durability).toBe("relaxed")
  })))

  effect("keeps the kernel's time at its high-water mark, also when every row is gone", () => Effect.gen(function*() {
    wall = 1_900_000_000_000
    yield* session((store) => Effect.gen(function*() {
      const [appended] = yield* surely(store, log, numbered(log, 0, 1))
      yield* store.evict("log", appended!.cursor)
      // Already now, for a process that will not get to close the store.
      expect(peek((db) => db.prepare("SELECT value, (SELECT count(*) FROM log) AS rows FROM meta WHERE name = 'time'").get())).toEqual({ value: wall, rows: 0 })
    }))
    wall = 1_800_000_000_000
    const clock = makeClock({ wall: () => wall, monotonic: () => wall })
    yield* session((store) => Effect.gen(function*() {
      expect(clock.now()).toBeGreaterThanOrEqual(1_900_000_000_000)
      const [appended] = yield* surely(store, log, numbered(log, 0, 1))
      expect(appended!.recordedAt).toBeGreaterThanOrEqual(1_900_000_000_000)
      expect(appended!.cursor).toBe(2)
    }), { clock })
  }))
})

/** Notes every pragma that is run, until the answer is called. */
const spyOnPragma = (seen: Array<string>): (() => void) => {
  const original = Database.prototype.pragma
  Database.prototype.pragma = function(this: Database.Database, source: string, options?: Database.PragmaOptions): unknown {
    if (source.startsWith("synchronous")) seen.push(source)
    return original.call(this, source, options)
  }
  return () => { Database.prototype.pragma = original }
}

describe("a second kernel", () => {
  effect("is refused, with the pid of the first", () => session(() => Effect.gen(function*() {
    const failure = yield* Effect.flip(Effect.scoped(open()))
    expect(failure).toMatchObject({ _tag: "StoreLocked", path, pid: process.pid })
  })))

  effect("is refused again after it was refused", () => session(() => Effect.gen(function*() {
    expect(yield* outcome(Effect.scoped(open()))).toBe("StoreLocked")
    expect(yield* outcome(Effect.scoped(open()))).toBe("StoreLocked")
  })))

  effect("is refused when the pid is not known", () => session(() => Effect.gen(function*() {
    writeFileSync(`${path}.pid`, "nonsense")
    expect(yield* Effect.flip(Effect.scoped(open()))).toMatchObject({ _tag: "StoreLocked", pid: null })
  })))

  effect("gets the store when the first is closed", () => Effect.gen(function*() {
    yield* session(() => Effect.void)
    expect(existsSync(`${path}.pid`)).toBe(false)
    yield* session(() => Effect.sync(() => expect(readFileSync(`${path}.pid`, "utf8")).toBe(`${process.pid}\n`)))
  }))
})

describe("the format of a store", () => {
  effect("that is newer is refused, and nothing is changed", () => Effect.gen(function*() {
    yield* session((store) => surely(store, log, numbered(log, 0, 1)))
    peek((db) => db.pragma(`user_version = ${format + 1}`))
    expect(yield* Effect.flip(Effect.scoped(open()))).toMatchObject({ _tag: "StoreFormat", found: format + 1, supported: format })
    peek((db) => db.pragma(`user_version = ${format}`))
    yield* session((store) => Effect.map(payloads(store), (all) => expect(all).toEqual([0])))
  }))

  effect("that is older is migrated, step by step, with its events", () => Effect.gen(function*() {
    yield* session((store) => surely(store, log, numbered(log, 0, 1)))
    const db = openDatabase(path)
    migrate(db, path, [...migrations, (next) => void next.exec("CREATE TABLE later (x)")])
    expect(db.pragma("user_version", { simple: true })).toBe(format + 1)
    expect(db.prepare("SELECT count(*) FROM later").pluck().get()).toBe(0)
    expect(db.prepare("SELECT count(*) FROM log").pluck().get()).toBe(1)
    db.close()
  }))

  effect("of a migration that fails stays what it was", () => Effect.gen(function*() {
    yield* session(() => Effect.void)
    const db = openDatabase(path)
    const broken = () => migrate(db, path, [...migrations, (next) => void next.exec("CREATE TABLE later (x)"), () => { throw new Error("no") }])
    expect(broken).toThrow("no")
    expect(db.pragma("user_version", { simple: true })).toBe(format)
    expect(() => db.prepare("SELECT * FROM later")).toThrow(/no such table/)
    db.close()
  }))

  effect("of another program's database, or of no database, is refused", () => Effect.gen(function*() {
    yield* session(() => Effect.void)
    rmSync(path)
    peek((db) => db.exec("CREATE TABLE theirs (x)"))
    expect(yield* outcome(Effect.scoped(open()))).toBe("StoreCorrupt")
    writeFileSync(path, "this is no database, and it is longer than a header of one hundred bytes, so that SQLite looks at it closely")
    expect(yield* outcome(Effect.scoped(open()))).toBe("StoreCorrupt")
  }))

  effect("in a place that cannot be written is unavailable", () => Effect.gen(function*() {
    const file = join(root, "a-file")
    writeFileSync(file, "")
    chmodSync(file, 0o600)
    expect(yield* outcome(Effect.scoped(Sqlite.make({ path: join(file, "kernel.db"), clock: makeClock() })))).toBe("StoreUnavailable")
  }))
})

describe("damage", () => {
  const five = () => session((store) => Effect.gen(function*() {
    for (let i = 0; i < 5; i++) yield* surely(store, log, numbered(log, i * 10, i * 10 + 10))
  }))
  const rest = (store: StoreService) => Effect.gen(function*() {
    // The page before the damage ends there; the damage itself is named; behind it everything is readable.
    const before = yield* store.read("log", { after: 0, limit: 1_000 })
    expect(before.events.map((event) => event.payload)).toEqual(upTo(20))
    const failure = yield* Effect.flip(store.read("log", { after: before.next, limit: 1_000 }))
    expect(failure).toMatchObject({ _tag: "StoreCorrupt" })
    const behind = yield* store.read("log", { after: 30, limit: 1_000 })
    expect(behind.events.map((event) => event.payload)).toEqual(upTo(50).slice(30))
    expect((yield* store.verify).length).toBeGreaterThan(0)
    yield* surely(store, log, numbered(log, 50, 51))
    return failure
  })

  effect("of a body is found by its checksum", () => Effect.gen(function*() {
    yield* five()
    peek((db) => db.exec(`UPDATE log SET body = replace(body, '"payload":25', '"payload":52') WHERE off = 3`))
    yield* session((store) => Effect.map(rest(store), (failure) => expect(failure.message).toMatch(/log row 3.*checksum of its body/)))
  }))

  effect("of a head is found by its checksum", () => Effect.gen(function*() {
    yield* five()
    peek((db) => {
      const head = db.prepare("SELECT head FROM log WHERE off = 3").pluck().get() as Buffer
      head[8] = head[8]! ^ 1
      db.prepare("UPDATE log SET head = ? WHERE off = 3").run(head)
    })
    yield* session(rest)
  }))

  effect("of a time is found", () => Effect.gen(function*() {
    yield* five()
    peek((db) => db.exec("UPDATE log SET ts = ts - 1 WHERE off = 3"))
    yield* session(rest)
  }))

  effect("by which a row is gone is found", () => Effect.gen(function*() {
    yield* five()
    peek((db) => db.exec("DELETE FROM log WHERE off = 3"))
    yield* session(rest)
  }))

  effect("ends a page of texts where it ends one of events", () => Effect.gen(function*() {
    yield* session((store) => Effect.gen(function*() {
      for (const [from, to] of [[0, 64], [64, 74], [74, 180], [180, 190], [190, 300]] as const) yield* surely(store, log, numbered(log, from, to))
    }))
    peek((db) => db.exec("UPDATE log SET ts = ts - 1 WHERE off IN (2, 4)"))
    yield* session((store) => Effect.gen(function*() {
      const texts = (after: number) => store.texts("log", { after, limit: 1_000, form: "event" })
      expect(yield* texts(0)).toMatchObject({ count: 64, next: 64, head: 300 })
      expect(yield* texts(40)).toMatchObject({ count: 24, next: 64 })
      expect(yield* Effect.flip(texts(64))).toMatchObject({ _tag: "StoreCorrupt" })
      expect(yield* texts(74)).toMatchObject({ count: 106, next: 180 })
      expect(yield* Effect.flip(texts(180))).toMatchObject({ _tag: "StoreCorrupt" })
      expect(yield* texts(190)).toMatchObject({ count: 110, next: 300 })
    }))
  }))

  effect("of a snapshot or an artifact is found", () => Effect.gen(function*() {
    const digest = yield* session((store) => Effect.gen(function*() {
      yield* store.putSnapshot({ name: "n", value: { x: 1 } }, "tester")
      return (yield* store.putArtifact(Buffer.from("hello"), "text/plain")).digest
    }))
    peek((db) => db.exec(`UPDATE snapshots SET value = '{"x":2}'`))
    const file = join(dirname(path), "artifacts", digest.slice(0, 2), digest)
    writeFileSync(file, "hellO")
    yield* session((store) => Effect.gen(function*() {
      expect(yield* outcome(store.getSnapshot("n"))).toBe("StoreCorrupt")
      expect(yield* outcome(store.getArtifact(digest))).toBe("StoreCorrupt")
      expect(yield* store.verify).toHaveLength(2)
      yield* store.putArtifact(Buffer.from("hello"), "text/plain")
      expect(Buffer.from(yield* store.getArtifact(digest)).toString()).toBe("hello")
    }))
  }))

  effect("an artifact whose writing a crash cut off leaves nothing behind", () => Effect.gen(function*() {
    yield* session((store) => store.putArtifact(Buffer.from("hello"), "text/plain"))
    const part = join(dirname(path), "artifacts", ".part-1")
    writeFileSync(part, "hel")
    yield* session(() => Effect.sync(() => expect(existsSync(part)).toBe(false)))
  }))
})

describe("a disk that fails", () => {
  const sqliteError = (code: string) => new Database.SqliteError(code === "SQLITE_FULL" ? "database or disk is full" : "disk I/O error", code)
  const failing = () => {
    let fault: { moment: string; code: string } | undefined
    return {
      arm: (moment: "write" | "commit" | "committed", code: string) => { fault = { moment, code } },
      heal: () => { fault = undefined },
      faults: (moment: string) => { if (fault?.moment === moment) throw sqliteError(fault.code) }
    }
  }

  for (const [code, moment, kept] of [
    ["SQLITE_FULL", "write", false], ["SQLITE_FULL", "commit", false], ["SQLITE_IOERR_FSYNC", "commit", false], ["SQLITE_IOERR_FSYNC", "committed", true]
  ] as const) {
    effect(`with ${code} at ${moment}: unknown, then no writes, reads go on, and reopening resolves`, () => {
      const disk = failing()
      return session((store) => Effect.gen(function*() {
        yield* surely(store, log, numbered(log, 0, 1))
        const relaxed = channel("relaxed", { durability: "relaxed", indexes: ["kind"] })
        yield* store.putChannel(relaxed)
        disk.arm(moment, code)
        const unknown = yield* Effect.all([
          outcome(store.append("log", numbered(log, 1, 2), { sender: "t", key: "a", expectedHead: 1 })),
          outcome(store.append("log", numbered(log, 2, 3), { sender: "t", expectedHead: 1 })),
          outcome(store.append("relaxed", numbered(relaxed, 7, 8), { sender: "t", key: "b" })),
          outcome(store.putSnapshot({ name: "n", value: 1 }, "t")),
          outcome(store.advance("s", "n", "log", 1))
        ], { concurrency: "unbounded" })
        // A conflict with a neighbour that may not be kept is not definite either.
        expect(unknown).toEqual(["AppendUnknown", "AppendUnknown", "AppendUnknown", "StoreUnavailable", "StoreUnavailable"])
        expect(store.subscription("s", "n", "log")).toBeUndefined()
        expect(store.stopped()).toMatch(code)
        expect(yield* outcome(store.append("log", numbered(log, 1, 2), { sender: "t", key: "a", expectedHead: 1 }))).toBe("StoreUnavailable")
        expect(yield* outcome(store.putSnapshot({ name: "n", value: 1 }, "t"))).toBe("StoreUnavailable")
        expect(yield* outcome(store.advance("s", "n", "log", 1))).toBe("StoreUnavailable")
        expect(yield* outcome(store.evict("log", 1))).toBe("StoreUnavailable")
        expect(yield* payloads(store)).toEqual([0])
        disk.heal()
        yield* store.reopen
        expect(store.stopped()).toBeUndefined()
        expect(yield* payloads(store)).toEqual(kept ? [0, 1] : [0])
        const [resolved] = yield* store.append("log", numbered(log, 1, 2), { sender: "t", key: "a", expectedHead: 1 })
        expect(resolved!.cursor).toBe(2)
        yield* store.append("relaxed", numbered(relaxed, 7, 8), { sender: "t", key: "b" })
        expect(yield* payloads(store)).toEqual([0, 1])
        expect(yield* payloads(store, relaxed)).toEqual([7])
        expect(yield* store.verify).toEqual([])
      }), { faults: disk.faults })
    })
  }

  effect("wakes readers for what reopening found to be kept", () => {
    const disk = failing()
    return session((store) => Effect.gen(function*() {
      yield* surely(store, log, numbered(log, 0, 1))
      const heads: Array<number> = []
      store.onCommit((_, head) => void heads.push(head))
      disk.arm("committed", "SQLITE_IOERR_WRITE")
      expect(yield* outcome(store.append("log", numbered(log, 1, 2), { sender: "t" }))).toBe("AppendUnknown")
      expect(heads).toEqual([])
      disk.heal()
      yield* Effect.all([store.reopen, store.reopen], { concurrency: "unbounded" })
      expect(heads).toEqual([2])
    }), { faults: disk.faults })
  })

  effect("does not take back what a key had answered before", () => {
    const disk = failing()
    return session((store) => Effect.gen(function*() {
      const first = yield* store.append("log", numbered(log, 0, 1), { sender: "t", key: "k" })
      disk.arm("commit", "SQLITE_FULL")
      const [again, other] = yield* Effect.all([
        store.append("log", numbered(log, 0, 1), { sender: "t", key: "k" }), outcome(store.append("log", numbered(log, 1, 2), { sender: "t" }))
      ], { concurrency: "unbounded" })
      expect(again).toEqual(first)
      expect(other).toBe("AppendUnknown")
    }), { faults: disk.faults })
  })

  effect("refuses artifacts and keeps no part of them", () => {
    const disk = failing()
    return session((store) => Effect.gen(function*() {
      disk.arm("write", "SQLITE_FULL")
      expect(yield* outcome(store.putArtifact(Buffer.from("x"), "text/plain"))).toBe("StoreUnavailable")
      disk.heal()
      yield* store.putArtifact(Buffer.from("x"), "text/plain")
      expect(readdirSync(join(dirname(path), "artifacts")).filter((name) => name.startsWith("."))).toEqual([])
    }), { faults: disk.faults })
  })

  effect("fails no append to a memory channel", () => {
    const disk = failing()
    const quick = channel("quick", { durability: "memory" })
    return session((store) => Effect.gen(function*() {
      yield* store.putChannel(quick)
      yield* surely(store, quick, numbered(quick, 0, 1))
      disk.arm("commit", "SQLITE_FULL")
      expect(yield* outcome(store.append("log", numbered(log, 0, 1), { sender: "t" }))).toBe("AppendUnknown")
      yield* surely(store, quick, numbered(quick, 1, 2))
      expect(yield* payloads(store, quick)).toEqual([0, 1])
    }), { faults: disk.faults })
  })
})

describe("retention", () => {
  effect("deletes rows when all their events are evicted, and only then", () => Effect.gen(function*() {
    const other = channel("other")
    yield* session((store) => Effect.gen(function*() {
      yield* store.putChannel(other)
      yield* Effect.all([surely(store, log, numbered(log, 0, 1)), surely(store, other, numbered(other, 0, 1))], { concurrency: "unbounded" })
      for (let i = 1; i < 10; i++) yield* surely(store, log, numbered(log, i, i + 1))
      yield* store.evict("log", 5)
    }))
    expect(peek((db) => db.prepare("SELECT off FROM log ORDER BY off").pluck().all())).toEqual([1, 6, 7, 8, 9, 10])
    yield* session((store) => Effect.gen(function*() {
      expect(yield* payloads(store)).toEqual([5, 6, 7, 8, 9])
      expect(yield* payloads(store, other)).toEqual([0])
      yield* store.evict("other", 1)
      expect(yield* store.verify).toEqual([])
    }))
    expect(peek((db) => db.prepare("SELECT off FROM log ORDER BY off").pluck().all())).toEqual([6, 7, 8, 9, 10])
  }))

  effect("deletes index rows, given ids and packed indexes with the events", () => Effect.gen(function*() {
    const indexed = channel("indexed", { indexes: ["kind", "subject", "recipient"], durability: "relaxed" })
    /** With each of them a part of the rows goes into the tables. */
    const writes = Math.ceil(((indexEventsMax + 20) * 3) / indexRowsAtOnce)
    yield* session((store) => Effect.gen(function*() {
      yield* store.putChannel(indexed)
      for (let i = 0; i < 20; i++) yield* surely(store, indexed, prepared(indexed, { id: `e${i}`, kind: "k", subject: `s${i}` }))
      // More than is kept in memory alone, so that these twenty are in the tables.
      for (let i = 0; i < indexEventsMax; i += 256) {
        yield* surely(store, indexed, Array.from({ length: 256 }, (_, at) => prepared(indexed, { kind: "more", subject: `t${i + at}` })[0]!))
      }
      for (let i = 0; i < writes; i++) yield* surely(store, log, numbered(log, i, i + 1))
      yield* Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
      expect(peek((db) => db.prepare("SELECT count(*) FROM newest WHERE cursor <= 20").pluck().get())).toBe(20)
      yield* store.evict("indexed", 15)
    }))
    const count = (table: string) => peek((db) => db.prepare(`SELECT count(*) FROM ${table} WHERE cursor <= 20`).pluck().get())
    expect([count("fields"), count("given"), count("newest")]).toEqual([15, 5, 5])
    expect(peek((db) => db.prepare("SELECT count(*) FROM log").pluck().get())).toBe(5 + indexEventsMax / 256 + writes)
  }))

  effect("goes on after a restart where it was cut off", () => Effect.gen(function*() {
    yield* session((store) => Effect.gen(function*() {
      for (let i = 0; i < 10; i++) yield* surely(store, log, numbered(log, i, i + 1))
    }))
    peek((db) => db.exec("UPDATE channels SET floor = 6"))
    yield* session((store) => Effect.gen(function*() {
      expect(yield* payloads(store)).toEqual([6, 7, 8, 9])
      yield* Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
    }))
    expect(peek((db) => db.prepare("SELECT count(*) FROM log").pluck().get())).toBe(4)
  }))

  effect("prunes keys after 24 hours, but not in the first hour after opening", () => Effect.gen(function*() {
    const keys = () => peek((db) => db.prepare("SELECT count(*) FROM keys").pluck().get())
    const clock = makeClock({ wall: () => wall, monotonic: () => wall })
    yield* session((store) => surely(store, log, numbered(log, 0, 1), { key: "old" }), { clock })
    wall += keyRetentionMillis + 1
    clock.confirm()
    yield* session((store) => surely(store, log, numbered(log, 1, 2), { key: "new" }), { clock })
    expect(keys()).toBe(2)
    yield* session((store) => Effect.gen(function*() {
      wall += pruneKeysDelayMillis + 1
      clock.confirm()
      yield* surely(store, log, numbered(log, 2, 3))
    }), { clock })
    expect(keys()).toBe(1)
  }))
})

describe("kill -9", () => {
  let writer: Awaited<ReturnType<typeof bundleWriter>>
  beforeAll(async () => { writer = await bundleWriter() })
  afterAll(() => writer.remove())

  for (const callers of [1, 16]) {
    effect(`of a process with ${callers} ${callers === 1 ? "writer" : "writers"} loses no acknowledged event and doubles none`, () => Effect.gen(function*() {
      const child = startWriter(writer.file, path, callers)
      yield* Effect.promise(() => child.said(200))
      yield* Effect.promise(child.kill)
      const acknowledged = child.lines.slice(1)
      yield* session((store) => Effect.gen(function*() {
        const kept = [...(yield* payloads(store, channel("strict"))), ...(yield* payloads(store, channel("relaxed")))] as Array<string>
        expect(acknowledged.filter((payload) => !kept.includes(payload))).toEqual([])
        expect(new Set(kept).size).toBe(kept.length)
        expect(yield* store.verify).toEqual([])
        // What was under way is resolved by its key: the same answer again, and nothing twice.
        const target = channel("strict")
        const places = kept.map((payload) => ({ payload, caller: Number(payload.split("/")[0]), at: Number(payload.split("/")[1]) }))
        const keyed = places.filter(({ caller, at }) => caller % 2 === 0 && at % 3 === 0)
        expect(keyed.length).toBeGreaterThan(0)
        for (const { payload } of keyed) {
          const [appended] = yield* store.append("strict", [prepare({ payload }, "kit", target)], { sender: "kit", key: payload })
          expect((yield* store.event(appended!.id))?.payload).toBe(payload)
        }
        expect(yield* payloads(store, target)).toEqual(places.filter(({ caller }) => caller % 2 === 0).map(({ payload }) => payload))
      }))
    }))
  }

  effect("frees the lock; before it, another process is refused with the pid", () => Effect.gen(function*() {
    const child = startWriter(writer.file, path, 1)
    yield* Effect.promise(() => child.said(1))
    expect(yield* Effect.flip(Effect.scoped(open()))).toMatchObject({ _tag: "StoreLocked", pid: child.process.pid })
    yield* Effect.promise(child.kill)
    const scope = yield* Scope.make()
    yield* Scope.provide(open(), scope)
    yield* Scope.close(scope, Exit.void)
  }))
})
