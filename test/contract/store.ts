// The promises of the store port, as one suite that every backend runs.
import { Effect, Exit, Fiber, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeEach, describe, expect } from "vitest"
import type { Channel } from "../../protocol/channel.ts"
import { forEveryone, type Appended } from "../../protocol/event.ts"
import { makeClock, type KernelClock } from "../../kernel/clock.ts"
import { batchEventsMax, batchTextMax, keyRetentionMillis, scanNewestMax } from "../../kernel/limits.ts"
import { mintedAt } from "../../kernel/store/ids.ts"
import type { Prepared, StoreAppendError, StoreAppendOptions, StoreReadOptions, StoreService } from "../../kernel/store/store.ts"
import { channel, effect, numbered, prepared } from "../kit/store-it.ts"

export interface StoreMaker {
  /** Opens the store that lives in `directory`; the same directory again gives the same store, if it is durable. */
  readonly open: (directory: string, clock: KernelClock) => Effect.Effect<StoreService, unknown, Scope.Scope>
  /** What was kept is there after closing and opening again. */
  readonly durable: boolean
}

const root = mkdtempSync(join(tmpdir(), "aaax-store-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let attempts = 0
/** Appends as the port of a careful writer does: under a key, repeated until the answer is definite. */
export const surely = (
  store: StoreService, to: Channel, batch: ReadonlyArray<Prepared>, options: Partial<StoreAppendOptions> = {}
): Effect.Effect<ReadonlyArray<Appended>, StoreAppendError> => {
  const key = options.key ?? (store.keysAreFree ? `surely-${++attempts}` : undefined)
  const once = store.append(to.name, batch, { sender: "tester", ...options, key })
  return Effect.catchTag(once, "AppendUnknown", () => surely(store, to, batch, { ...options, key }))
}

const tagOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "success"
  const reason = exit.cause.reasons[0]
  return reason?._tag === "Fail" ? (reason.error as { _tag: string })._tag : `defect: ${JSON.stringify(reason)}`
}

/** The tag of the failure, or "success". */
export const outcome = (run: Effect.Effect<unknown, unknown>): Effect.Effect<string> => Effect.map(Effect.exit(run), tagOf)

/** Every event of a channel, read in pages. */
export const everything = (store: StoreService, from: Channel, options: Partial<StoreReadOptions> = {}) =>
  Effect.gen(function*() {
    const events = []
    let after = options.after ?? 0
    for (;;) {
      const page = yield* store.read(from.name, { limit: 1_000, ...options, after })
      events.push(...page.events)
      if (page.next === after || page.next >= page.head) return events
      after = page.next
    }
  })

export const storeContract = (name: string, maker: StoreMaker): void => {
  let directory = ""
  let wall = 0
  let clock: KernelClock
  const log = channel("log")
  beforeEach(() => {
    directory = mkdtempSync(join(root, "s-"))
    wall = 1_800_000_000_000
    clock = makeClock({ wall: () => wall, monotonic: () => wall })
  })
  const open = (...channels: ReadonlyArray<Channel>) =>
    Effect.gen(function*() {
      const store = yield* maker.open(directory, clock)
      for (const one of channels) yield* store.putChannel(one)
      return store
    })
  /** Opens, runs, closes. */
  const session = <A>(body: (store: StoreService) => Effect.Effect<A, unknown, Scope.Scope>, ...channels: ReadonlyArray<Channel>) =>
    Effect.scoped(Effect.flatMap(open(...channels), body))

  describe(`${name}: an append`, () => {
    effect("gives growing cursors from 1 on, one for each draft", () => session((store) => Effect.gen(function*() {
      const first = yield* surely(store, log, numbered(log, 0, 3))
      const second = yield* surely(store, log, numbered(log, 3, 5))
      const cursors = [...first, ...second].map((appended) => appended.cursor)
      expect(cursors).toHaveLength(5)
      expect(cursors[0]).toBeGreaterThanOrEqual(1)
      expect(cursors).toEqual([...new Set(cursors)].sort((a, b) => a - b))
    }), log))

    effect("mints time-ordered ids that carry the time of the record", () => session((store) => Effect.gen(function*() {
      const first = yield* surely(store, log, numbered(log, 0, 3))
      wall += 5
      const second = yield* surely(store, log, numbered(log, 0, 3))
      const all = [...first, ...second]
      expect(all.map((appended) => mintedAt(appended.id))).toEqual(all.map((appended) => appended.recordedAt))
      expect(all.map((appended) => appended.id)).toEqual(all.map((appended) => appended.id).sort())
      expect(new Set(all.map((appended) => appended.id)).size).toBe(6)
    }), log))

    effect("is found as it was given, with defaults filled in", () => session((store) => Effect.gen(function*() {
      const [parent] = yield* surely(store, log, numbered(log, 0, 1))
      const draft = {
        id: "mine", kind: "note", payload: { text: "grüße 🌍\u2028 \ud800", list: [1, null, true] }, source: "elsewhere", timestamp: 12.5,
        schema: "a/b", metadata: { k: 1 }, correlationId: "c-1", parentIds: [parent!.id], recipient: "a/b", subject: "s", labels: ["x"],
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
      }
      const [kept] = yield* surely(store, log, prepared(log, draft))
      const [given] = yield* surely(store, log, prepared(log, {}))
      const page = yield* store.read("log", { after: parent!.cursor, limit: 10 })
      expect(page.events).toEqual([
        { ...draft, channel: "log", sender: "tester", cursor: kept!.cursor, recordedAt: wall },
        {
          id: given!.id, channel: "log", cursor: given!.cursor, recordedAt: wall, sender: "tester", kind: "event", payload: null,
          source: "tester", timestamp: wall / 1000, schema: null, metadata: {}, correlationId: null, parentIds: [], recipient: null,
          subject: null, labels: [], traceparent: null
        }
      ])
    }), log))

    effect("is one record: a batch with a wrong draft keeps nothing of it", () => session((store) => Effect.gen(function*() {
      const batch = [...numbered(log, 0, 2), ...prepared(log, { parentIds: ["nobody"] })]
      expect(yield* outcome(surely(store, log, batch))).toBe("EventNotFound")
      expect(yield* everything(store, log)).toEqual([])
    }), log))

    effect("to a channel that is not there is refused, with the nearest name", () => session((store) => Effect.gen(function*() {
      const failure = yield* Effect.flip(surely(store, channel("lag"), numbered(log, 0, 1)))
      expect(failure).toMatchObject({ _tag: "ChannelNotFound", nearest: "log" })
    }), log))

    effect("is bounded in events and in text, and never empty", () => session((store) => Effect.gen(function*() {
      const [one] = numbered(log, 0, 1)
      const largest = yield* surely(store, log, Array.from({ length: batchEventsMax }, () => one!))
      expect(largest).toHaveLength(batchEventsMax)
      expect(yield* outcome(surely(store, log, Array.from({ length: batchEventsMax + 1 }, () => one!)))).toBe("TooLarge")
      const half = prepared(log, { payload: "x".repeat(batchTextMax / 2) })
      expect(yield* outcome(surely(store, log, [...half, ...half]))).toBe("TooLarge")
      expect(yield* outcome(surely(store, log, []))).toBe("InvalidPayload")
    }), log))

    effect("keeps a batch of nearly the largest text whole", () => session((store) => Effect.gen(function*() {
      const payload = "ü".repeat(batchTextMax / 2 - 200)
      yield* surely(store, log, prepared(log, { payload }, { payload }))
      const events = yield* everything(store, log)
      expect(events.map((event) => event.payload === payload)).toEqual([true, true])
    }), log))

    effect("of many callers at once gives each its own place, in their order", () => session((store) => Effect.gen(function*() {
      const all = yield* Effect.forEach(
        Array.from({ length: 300 }, (_, at) => at), (at) => surely(store, log, numbered(log, at, at + 1)), { concurrency: "unbounded" })
      const byCursor = new Map(all.map(([appended], at) => [appended!.cursor, at]))
      expect(byCursor.size).toBe(300)
      const events = yield* everything(store, log)
      expect(events.map((event) => event.payload)).toEqual(events.map((event) => byCursor.get(event.cursor)))
      expect(events).toHaveLength(300)
    }), log))

    effect("takes its time from the kernel's clock", () => session((store) => Effect.gen(function*() {
      wall = 1_800_000_001_234
      const [appended] = yield* surely(store, log, numbered(log, 0, 1))
      expect(appended!.recordedAt).toBe(1_800_000_001_234)
    }), log))
  })

  describe(`${name}: an expected head`, () => {
    effect("is compared with the newest cursor, 0 before the first event", () => session((store) => Effect.gen(function*() {
      const [first] = yield* surely(store, log, numbered(log, 0, 1), { expectedHead: 0 })
      const failure = yield* Effect.flip(surely(store, log, numbered(log, 1, 2), { expectedHead: 0 }))
      expect(failure).toMatchObject({ _tag: "HeadConflict", expectedHead: 0, head: first!.cursor })
      yield* surely(store, log, numbered(log, 2, 3), { expectedHead: first!.cursor })
      expect((yield* everything(store, log)).map((event) => event.payload)).toEqual([0, 2])
    }), log))

    effect("lets exactly one of many rivals through, and fails no neighbour", () => session((store) => Effect.gen(function*() {
      const other = channel("other")
      const rivals = yield* Effect.forEach(Array.from({ length: 10 }, (_, at) => at), (at) =>
        Effect.all([
          outcome(surely(store, log, numbered(log, at, at + 1), { expectedHead: 0 })),
          outcome(surely(store, other, numbered(other, at, at + 1)))
        ], { concurrency: "unbounded" }), { concurrency: "unbounded" })
      expect(rivals.filter(([rival]) => rival === "success")).toHaveLength(1)
      expect(rivals.filter(([rival]) => rival === "HeadConflict")).toHaveLength(9)
      expect(rivals.every(([, neighbour]) => neighbour === "success")).toBe(true)
      expect(yield* everything(store, log)).toHaveLength(1)
      expect(yield* everything(store, other)).toHaveLength(10)
    }), log, channel("other")))
  })

  describe(`${name}: a key`, () => {
    effect("gives the first result again, and keeps nothing twice", () => session((store) => Effect.gen(function*() {
      const batch = [...numbered(log, 0, 2), ...prepared(log, { id: "given" }), ...numbered(log, 3, 4)]
      const first = yield* surely(store, log, batch, { key: "k" })
      wall += 1_000
      expect(yield* surely(store, log, batch, { key: "k" })).toEqual(first)
      expect(yield* everything(store, log)).toHaveLength(4)
    }), log))

    effect("is resolved within one turn as well", () => session((store) => Effect.gen(function*() {
      const results = yield* Effect.all(
        [1, 2, 3].map(() => surely(store, log, numbered(log, 0, 2), { key: "k" })), { concurrency: "unbounded" })
      expect(results[1]).toEqual(results[0])
      expect(results[2]).toEqual(results[0])
      expect(yield* everything(store, log)).toHaveLength(2)
    }), log))

    effect("with other content is a conflict, also within one turn", () => session((store) => Effect.gen(function*() {
      const outcomes = yield* Effect.all([
        outcome(surely(store, log, numbered(log, 0, 1), { key: "k" })), outcome(surely(store, log, numbered(log, 1, 2), { key: "k" }))
      ], { concurrency: "unbounded" })
      expect(outcomes.sort()).toEqual(["IdempotencyConflict", "success"])
      expect(yield* outcome(surely(store, log, numbered(log, 7, 8), { key: "k" }))).toBe("IdempotencyConflict")
      expect(yield* everything(store, log)).toHaveLength(1)
    }), log))

    effect("is checked before the head", () => session((store) => Effect.gen(function*() {
      const first = yield* surely(store, log, numbered(log, 0, 1), { key: "k", expectedHead: 0 })
      yield* surely(store, log, numbered(log, 1, 2))
      expect(yield* surely(store, log, numbered(log, 0, 1), { key: "k", expectedHead: 0 })).toEqual(first)
      expect(yield* outcome(surely(store, log, numbered(log, 9, 10), { key: "k", expectedHead: 0 }))).toBe("IdempotencyConflict")
    }), log))

    effect("is scoped to channel and sender", () => session((store) => Effect.gen(function*() {
      const other = channel("other")
      yield* surely(store, log, numbered(log, 0, 1), { key: "k" })
      yield* surely(store, other, numbered(other, 1, 2), { key: "k" })
      yield* surely(store, log, numbered(log, 2, 3), { key: "k", sender: "somebody" })
      expect((yield* everything(store, log)).map((event) => event.payload)).toEqual([0, 2])
      expect((yield* everything(store, other)).map((event) => event.payload)).toEqual([1])
    }), log, channel("other")))

    effect("may be any text, and separates what looks alike", () => session((store) => Effect.gen(function*() {
      const keys = ["", "a", "a\nb", "a\u0000b", "\ud800", "\ud801", "ü", "u\u0308"]
      for (const key of keys) yield* surely(store, log, prepared(log, { payload: key.length }), { key })
      expect(yield* everything(store, log)).toHaveLength(keys.length)
    }), log))

    effect("of a refused append stays free", () => session((store) => Effect.gen(function*() {
      expect(yield* outcome(surely(store, log, numbered(log, 0, 1), { key: "k", expectedHead: 99 }))).toBe("HeadConflict")
      expect(yield* outcome(surely(store, log, numbered(log, 1, 2), { key: "k" }))).toBe("success")
    }), log))

    effect("outlives the eviction of its events and is kept for 24 hours", () => session((store) => Effect.gen(function*() {
      const first = yield* surely(store, log, numbered(log, 0, 3), { key: "k" })
      yield* store.evict("log", first[2]!.cursor)
      for (let i = 0; i < 20; i++) {
        wall += Math.floor((keyRetentionMillis - 1_000) / 20)
        clock.confirm()
        yield* surely(store, log, numbered(log, 10 + i, 11 + i), { key: `later ${i}` })
      }
      expect(yield* surely(store, log, numbered(log, 0, 3), { key: "k" })).toEqual(first)
    }), log))
  })

  describe(`${name}: ids and parents`, () => {
    effect("an event is found by its id in any channel, minted or given", () => session((store) => Effect.gen(function*() {
      const other = channel("other")
      const minted = yield* surely(store, log, numbered(log, 0, 3))
      wall += 3
      yield* surely(store, other, prepared(other, { id: "given", payload: "x" }, { payload: "y" }))
      expect((yield* store.event(minted[1]!.id))?.payload).toBe(1)
      expect(yield* store.event("given")).toMatchObject({ channel: "other", payload: "x" })
      expect(yield* store.event("nobody")).toBeUndefined()
      expect(yield* store.event("01890000-0000-7000-8000-000000000000")).toBeUndefined()
    }), log, channel("other")))

    effect("a given id must be new in the whole store", () => session((store) => Effect.gen(function*() {
      const other = channel("other")
      const [minted] = yield* surely(store, log, [...numbered(log, 0, 1), ...prepared(log, { id: "given" })])
      expect(yield* outcome(surely(store, other, prepared(other, { id: "given" })))).toBe("EventExists")
      expect(yield* outcome(surely(store, other, prepared(other, { id: minted!.id })))).toBe("EventExists")
      expect(yield* outcome(surely(store, other, prepared(other, { id: "twice" }, { id: "twice" })))).toBe("EventExists")
      const rivals = yield* Effect.forEach([1, 2, 3], (payload) =>
        outcome(surely(store, other, prepared(other, { id: "rival", payload }))), { concurrency: "unbounded" })
      expect(rivals.sort()).toEqual(["EventExists", "EventExists", "success"])
      expect(yield* everything(store, other)).toHaveLength(1)
    }), log, channel("other")))

    effect("a given id may look like a minted one", () => session((store) => Effect.gen(function*() {
      const id = "01890000-0000-7abc-8000-0123456789ab"
      yield* surely(store, log, prepared(log, { id, payload: 1 }))
      expect((yield* store.event(id))?.payload).toBe(1)
      expect(yield* outcome(surely(store, log, prepared(log, { id })))).toBe("EventExists")
    }), log))

    effect("parents must exist: in any channel, or earlier in the same batch or turn", () => session((store) => Effect.gen(function*() {
      const other = channel("other")
      const [minted] = yield* surely(store, log, numbered(log, 0, 1))
      yield* surely(store, other, prepared(other, { id: "a", parentIds: [minted!.id] }, { id: "b", parentIds: ["a"] }))
      expect(yield* outcome(surely(store, log, prepared(log, { parentIds: ["c"] }, { id: "c" })))).toBe("EventNotFound")
      const turn = yield* Effect.all([
        outcome(surely(store, log, prepared(log, { id: "first" }))), outcome(surely(store, other, prepared(other, { parentIds: ["first"] })))
      ], { concurrency: "unbounded" })
      expect(turn).toEqual(["success", "success"])
    }), log, channel("other")))
  })

  describe(`${name}: a read`, () => {
    effect("gives pages in order that meet without gap or overlap", () => session((store) => Effect.gen(function*() {
      for (let i = 0; i < 20; i++) yield* surely(store, log, numbered(log, i * 7, i * 7 + 7))
      const seen: Array<unknown> = []
      let after = 0
      for (;;) {
        const page = yield* store.read("log", { after, limit: 9 })
        expect(page.events.length).toBeLessThanOrEqual(9)
        if (page.events.length === 0) break
        expect(page.next).toBe(page.events.at(-1)!.cursor)
        seen.push(...page.events.map((event) => event.payload))
        after = page.next
      }
      expect(seen).toEqual(Array.from({ length: 140 }, (_, at) => at))
    }), log))

    effect("gives the head, and nothing behind it", () => session((store) => Effect.gen(function*() {
      expect(yield* store.read("log", { after: 0, limit: 10 })).toEqual({ events: [], next: 0, head: 0 })
      const appended = yield* surely(store, log, numbered(log, 0, 2))
      const head = appended[1]!.cursor
      expect(yield* store.read("log", { after: head, limit: 10 })).toEqual({ events: [], next: head, head })
      expect(store.statisticsOf("log")).toEqual({ head, floor: 0, events: 2 })
    }), log))

    effect("of items gives the same, parsed when it is looked at", () => session((store) => Effect.gen(function*() {
      const [third] = (yield* surely(store, log, numbered(log, 0, 30))).slice(2)
      const page = yield* store.read("log", { after: third!.cursor, limit: 9 })
      const found = yield* store.items("log", { after: third!.cursor, limit: 9 })
      expect({ ...found, items: found.items.map((item) => item.cursor) }).toEqual({ next: page.next, head: page.head, items: page.events.map(({ cursor }) => cursor) })
      expect(found.items.map((item) => item.event())).toEqual(page.events)
      expect(Object.isFrozen(found.items[0]!.event())).toBe(true)
      yield* store.evict("log", page.next)
      expect(yield* outcome(store.items("log", { after: third!.cursor, limit: 1 }))).toBe("Gap")
      expect((yield* store.items("log", { after: 0, limit: 1 })).items[0]?.cursor).toBeGreaterThan(page.next)
      expect(yield* outcome(store.items("nowhere", { after: 0, limit: 1 }))).toBe("ChannelNotFound")
    }), log))

    effect("of texts gives the same as JSON, from wherever it is read and however often", () => session((store) => Effect.gen(function*() {
      const drafts = Array.from({ length: 300 }, (_, at) => ({ kind: at % 7 === 0 ? "ключ" : "plain", payload: { at, text: at > 200 ? "é𝄞" : "a" }, ...(at % 5 === 0 ? { labels: ["l"] } : {}) }))
      for (let from = 0; from < 300; from += 30) yield* surely(store, log, prepared(log, ...drafts.slice(from, from + 30)))
      const events = yield* everything(store, log)
      const read = (after: number, limit: number) => Effect.gen(function*() {
        const page = yield* store.read("log", { after, limit })
        const { pieces, ...rest } = yield* store.texts("log", { after, limit, form: "event" })
        expect(rest).toEqual({ count: page.events.length, next: page.next, head: page.head })
        expect(`[${pieces.map((piece) => (typeof piece === "string" ? piece : Buffer.from(piece).toString())).join(",")}]`).toBe(JSON.stringify(page.events))
      })
      const cursors = [0, ...[0, 20, 62, 63, 64, 100, 190, 250, 280, 299].map((at) => events[at]!.cursor)]
      for (const limit of [1, 15, 64, 100, 1_000]) for (const after of cursors) yield* read(after, limit)
      yield* surely(store, log, numbered(log, 0, 40))
      for (const after of cursors) yield* read(after, 100)
      yield* store.evict("log", events[99]!.cursor)
      yield* read(0, 100)
      yield* read(events[99]!.cursor, 40)
      const texts = (channel: string, after: number, form: "event" | "portable") => store.texts(channel, { after, limit: 100, form })
      expect(yield* outcome(texts("log", events[98]!.cursor, "event"))).toBe("Gap")
      expect(yield* outcome(texts("nowhere", 0, "event"))).toBe("ChannelNotFound")
      const portable = yield* texts("log", 0, "portable")
      const [first] = JSON.parse(`[${portable.pieces.map((piece) => (typeof piece === "string" ? piece : Buffer.from(piece).toString())).join(",")}]`)
      expect(Object.keys(first).slice(0, 4)).toEqual(["id", "cursor", "channel", "timestamp"])
    }), log))

    effect("of a channel that is not there is refused", () => session((store) => Effect.gen(function*() {
      expect(yield* outcome(store.read("nowhere", { after: 0, limit: 1 }))).toBe("ChannelNotFound")
      expect(store.statisticsOf("nowhere")).toBeUndefined()
    })))

    effect("gives events that nobody can change", () => session((store) => Effect.gen(function*() {
      yield* surely(store, log, prepared(log, { payload: { deep: [{ x: 1 }] }, metadata: { m: {} }, labels: ["l"] }))
      const [event] = yield* everything(store, log)
      const payload = event!.payload as { deep: Array<{ x: number }> }
      expect(() => { payload.deep[0]!.x = 2 }).toThrow(TypeError)
      expect(() => { (event as { kind: string }).kind = "other" }).toThrow(TypeError)
      expect(Object.isFrozen(event!.labels) && Object.isFrozen((event!.metadata as { m: object }).m)).toBe(true)
    }), log))

    effect("keeps hostile payloads as plain data", () => session((store) => Effect.gen(function*() {
      const payload = JSON.parse(`{"constructor":{"prototype":{"polluted":1}},"toString":"x","hasOwnProperty":1,"then":2,"":3}`) as object
      yield* surely(store, log, prepared(log, { payload }))
      const [event] = yield* everything(store, log)
      expect(event!.payload).toEqual(payload)
      expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    }), log))
  })

  describe(`${name}: a filter`, () => {
    const indexed = channel("indexed", { indexes: ["kind", "sender", "recipient", "correlationId", "parentId", "subject"] })
    /** So many events behind those that are looked for, that only an index finds them. */
    const newer = (target: Channel) =>
      prepared(target, ...Array.from({ length: scanNewestMax + 1 }, () => ({ kind: "newer", subject: "newer", recipient: "newer", payload: "newer" })))
    for (const target of [log, indexed]) {
      effect(`on ${target.name === "log" ? "an unindexed" : "an indexed"} channel gives exactly what matches, in order`, () => session((store) => Effect.gen(function*() {
        const [parent] = yield* surely(store, target, prepared(target, { id: "p" }))
        for (let i = 0; i < 100; i++) {
          yield* surely(store, target, prepared(target, {
            kind: `k${i % 2}`, payload: i, recipient: `r${i % 4}`, correlationId: `c${i % 5}`, subject: `s${i % 8}`, ...(i % 10 === 0 ? { parentIds: ["p"] } : {})
          }))
        }
        const payloads = (filter: StoreReadOptions["filter"]) =>
          Effect.map(everything(store, target, { filter, limit: 3 }), (events) => events.map((event) => event.payload))
        const where = (test: (at: number) => boolean) => Array.from({ length: 100 }, (_, at) => at).filter(test)
        expect(yield* payloads({ kind: "k1" })).toEqual(where((at) => at % 2 === 1))
        expect(yield* payloads({ recipient: "r3" })).toEqual(where((at) => at % 4 === 3))
        expect(yield* payloads({ recipient: forEveryone })).toEqual([null])
        expect(yield* payloads({ correlationId: "c2", kind: "k0" })).toEqual(where((at) => at % 5 === 2 && at % 2 === 0))
        expect(yield* payloads({ subject: "s7" })).toEqual(where((at) => at % 8 === 7))
        expect(yield* payloads({ parentId: parent!.id })).toEqual(where((at) => at % 10 === 0))
        expect(yield* payloads({ sender: "tester" })).toEqual([null, ...where(() => true)])
        expect(yield* payloads({ sender: "nobody" })).toEqual([])
        expect(yield* payloads({ subject: "constructor" })).toEqual([])
      }), target))

      effect(`on ${target.name === "log" ? "an unindexed" : "an indexed"} channel lets a reader go on behind what was passed over`, () => session((store) => Effect.gen(function*() {
        yield* surely(store, target, prepared(target, { kind: "a" }, { kind: "b" }, { kind: "b" }))
        const page = yield* store.read(target.name, { after: 0, limit: 10, filter: { kind: "a" } })
        expect(page.events).toHaveLength(1)
        expect(page.next).toBe(page.head)
      }), target))
    }

    effect("works on events from before the channel was indexed", () => session((store) => Effect.gen(function*() {
      yield* surely(store, log, prepared(log, { subject: "a", payload: 1 }, { subject: "b", payload: 2, recipient: "r" }, { subject: "a", payload: 3 }))
      const redefined = channel("log", { indexes: ["subject", "recipient"] })
      yield* store.putChannel(redefined)
      yield* surely(store, redefined, prepared(redefined, { subject: "a", payload: 4 }))
      yield* surely(store, redefined, newer(redefined))
      expect((yield* everything(store, log, { filter: { subject: "a" } })).map((event) => event.payload)).toEqual([1, 3, 4])
      expect((yield* everything(store, log, { newestBySubject: true })).map((event) => event.payload)).toEqual([2, 4, "newer"])
      expect((yield* everything(store, log, { filter: { recipient: forEveryone } })).map((event) => event.payload)).toEqual([1, 3, 4])
    }), log))

    effect("drops what was evicted", () => session((store) => Effect.gen(function*() {
      const appended = yield* surely(store, indexed, prepared(indexed, { kind: "a", subject: "x" }, { kind: "a", subject: "y" }, { kind: "a", subject: "z" }))
      yield* store.evict("indexed", appended[1]!.cursor)
      for (let more = 0; more < 2; more++) {
        expect((yield* everything(store, indexed, { filter: { kind: "a" } })).map((event) => event.subject)).toEqual(["z"])
        expect((yield* everything(store, indexed, { newestBySubject: true })).map((event) => event.subject)).toEqual(more === 0 ? ["z"] : ["z", "newer"])
        if (more === 0) yield* surely(store, indexed, newer(indexed))
      }
    }), indexed))
  })

  describe(`${name}: the newest of each subject`, () => {
    const latest = channel("latest", { delivery: "latest" })
    effect("is given in order of the cursors, in pages", () => session((store) => Effect.gen(function*() {
      yield* surely(store, latest, prepared(latest, ...[1, 2, 3, 4, 5, 6].map((payload) => ({ subject: `s${payload}`, payload }))))
      yield* surely(store, latest, prepared(latest, { subject: "s2", payload: 22 }, { payload: "no subject" }, { subject: "s1", payload: 11 }))
      yield* surely(store, latest, prepared(latest, { subject: "s2", payload: 222 }))
      const all = yield* everything(store, latest, { newestBySubject: true, limit: 2 })
      expect(all.map((event) => event.payload)).toEqual([3, 4, 5, 6, 11, 222])
      const one = yield* everything(store, latest, { newestBySubject: true, filter: { subject: "s2" } })
      expect(one.map((event) => event.payload)).toEqual([222])
    }), latest))
  })

  describe(`${name}: eviction`, () => {
    effect("gives a reader behind the floor a typed gap, never a silent skip", () => session((store) => Effect.gen(function*() {
      const appended = yield* surely(store, log, numbered(log, 0, 10))
      const floor = appended[5]!.cursor
      yield* store.evict("log", floor)
      const failure = yield* Effect.flip(store.read("log", { after: appended[1]!.cursor, limit: 10 }))
      expect(failure).toMatchObject({ _tag: "Gap", after: appended[1]!.cursor, floor })
      expect((yield* store.read("log", { after: floor, limit: 10 })).events.map((event) => event.payload)).toEqual([6, 7, 8, 9])
      expect((yield* everything(store, log)).map((event) => event.payload)).toEqual([6, 7, 8, 9])
      expect(store.statisticsOf("log")).toEqual({ head: appended[9]!.cursor, floor, events: 4 })
    }), log))

    effect("forgets the events by id, and never goes back", () => session((store) => Effect.gen(function*() {
      const appended = yield* surely(store, log, [...numbered(log, 0, 2), ...prepared(log, { id: "given" }), ...numbered(log, 3, 4)])
      yield* store.evict("log", appended[2]!.cursor)
      yield* store.evict("log", appended[0]!.cursor)
      expect(yield* store.event(appended[0]!.id)).toBeUndefined()
      expect(yield* store.event("given")).toBeUndefined()
      expect((yield* store.event(appended[3]!.id))?.payload).toBe(3)
      expect(yield* outcome(surely(store, log, prepared(log, { parentIds: [appended[0]!.id] })))).toBe("EventNotFound")
    }), log))

    effect("of everything leaves the head where it is", () => session((store) => Effect.gen(function*() {
      const [appended] = yield* surely(store, log, numbered(log, 0, 1))
      yield* store.evict("log", appended!.cursor + 100_000)
      expect(store.statisticsOf("log")).toEqual({ head: appended!.cursor, floor: appended!.cursor, events: 0 })
      const [next] = yield* surely(store, log, numbered(log, 1, 2), { expectedHead: appended!.cursor })
      expect(next!.cursor).toBeGreaterThan(appended!.cursor)
    }), log))
  })

  describe(`${name}: commits`, () => {
    effect("call back with the channel and its new head, once it can be read", () => session((store) => Effect.gen(function*() {
      const seen: Array<readonly [string, number, number]> = []
      const stop = store.onCommit((name, head) =>
        void seen.push([name, head, Effect.runSync(store.read(name, { after: 0, limit: 100 })).events.at(-1)!.cursor]))
      const [first] = yield* surely(store, log, numbered(log, 0, 1))
      stop()
      yield* surely(store, log, numbered(log, 1, 2))
      expect(seen).toEqual([["log", first!.cursor, first!.cursor]])
    }), log))

    effect("do not call back for a repeated append", () => session((store) => Effect.gen(function*() {
      yield* surely(store, log, numbered(log, 0, 1), { key: "k" })
      let calls = 0
      store.onCommit(() => void calls++)
      yield* surely(store, log, numbered(log, 0, 1), { key: "k" })
      expect(calls).toBe(0)
    }), log))
  })

  describe(`${name}: a subscription`, () => {
    effect("is scoped by system, and its cursor never goes back", () => session((store) => Effect.gen(function*() {
      expect(store.subscription("a", "s", "log")).toBeUndefined()
      yield* store.advance("a", "s", "log", 0)
      expect(store.subscription("a", "s", "log")?.cursor).toBe(0)
      yield* store.advance("a", "s", "log", 5)
      yield* store.advance("a", "s", "log", 3)
      yield* store.advance("b", "s", "log", 1)
      expect(store.subscription("a", "s", "log")).toEqual({ system: "a", name: "s", channel: "log", cursor: 5 })
      expect(store.subscription("b", "s", "log")?.cursor).toBe(1)
      expect(store.subscriptions("a").map((subscription) => subscription.cursor)).toEqual([5])
      expect(store.subscriptions()).toHaveLength(2)
    }), log))
  })

  describe(`${name}: a snapshot`, () => {
    effect("is the latest value of its name, with a growing revision", () => session((store) => Effect.gen(function*() {
      expect(yield* store.getSnapshot("n")).toBeUndefined()
      yield* store.putSnapshot({ name: "n", value: { v: 1 } }, "tester")
      const second = yield* store.putSnapshot({ name: "n", value: { v: [2] }, channel: "log", sourceEventId: "e", cursor: 7 }, "tester")
      expect(second).toEqual({
        name: "n", revision: 2, value: { v: [2] }, channel: "log", sourceEventId: "e", cursor: 7, timestamp: wall / 1000, schema: null,
        metadata: {}, visibility: "private", sender: "tester", recordedAt: wall
      })
      expect(yield* store.getSnapshot("n")).toEqual(second)
      const { value: _, ...head } = second
      expect(yield* store.snapshots()).toEqual([head])
      const third = yield* store.putSnapshot({
        name: "n", value: null, timestamp: -1.5, schema: "a:B", metadata: { deep: [null] }, visibility: "public"
      }, "tester")
      expect(third).toMatchObject({ revision: 3, channel: null, timestamp: -1.5, schema: "a:B", metadata: { deep: [null] }, visibility: "public" })
      expect(yield* store.getSnapshot("n")).toEqual(third)
    })))

    effect("is put only at the expected revision", () => session((store) => Effect.gen(function*() {
      expect(yield* outcome(store.putSnapshot({ name: "n", value: 1 }, "t", { expectedRevision: 1 }))).toBe("SnapshotConflict")
      yield* store.putSnapshot({ name: "n", value: 1 }, "t", { expectedRevision: 0 })
      const failure = yield* Effect.flip(store.putSnapshot({ name: "n", value: 2 }, "t", { expectedRevision: 0 }))
      expect(failure).toMatchObject({ _tag: "SnapshotConflict", revision: 1, expectedRevision: 0 })
      const rivals = yield* Effect.forEach([1, 2, 3], (value) =>
        outcome(store.putSnapshot({ name: "n", value }, "t", { expectedRevision: 1 })), { concurrency: "unbounded" })
      expect(rivals.sort()).toEqual(["SnapshotConflict", "SnapshotConflict", "success"])
    })))

    effect("keeps only what is JSON", () => session((store) => Effect.gen(function*() {
      expect(yield* outcome(store.putSnapshot({ name: "n", value: new Map() }, "t"))).toBe("InvalidPayload")
      expect(yield* outcome(store.putSnapshot({ name: "n", value: { x: Number.NaN } }, "t"))).toBe("InvalidPayload")
      expect(yield* store.getSnapshot("n")).toBeUndefined()
    })))
  })

  describe(`${name}: an artifact`, () => {
    effect("is its bytes by their digest", () => session((store) => Effect.gen(function*() {
      const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251)
      const artifact = yield* store.putArtifact(bytes, "application/x-test")
      expect(artifact).toMatchObject({ sizeBytes: 100_000, mediaType: "application/x-test" })
      expect(yield* store.putArtifact(bytes, "text/plain")).toMatchObject({ digest: artifact.digest, mediaType: "text/plain" })
      const original = bytes.slice()
      bytes.fill(0)
      expect(Buffer.compare(yield* store.getArtifact(artifact.digest), original)).toBe(0)
      const empty = yield* store.putArtifact(new Uint8Array(), "text/plain")
      expect(empty.digest).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
      expect((yield* store.getArtifact(empty.digest)).length).toBe(0)
    })))

    effect("that is not there, or whose digest is none, is not found", () => session((store) => Effect.gen(function*() {
      for (const digest of ["0".repeat(64), "../../../etc/passwd", "", "A".repeat(64), "constructor"]) {
        expect(yield* outcome(store.getArtifact(digest))).toBe("ArtifactNotFound")
      }
    })))
  })

  describe(`${name}: channels`, () => {
    effect("are listed as they were put last, and keep their events when redefined", () => session((store) => Effect.gen(function*() {
      yield* surely(store, log, numbered(log, 0, 2))
      yield* store.putChannel(channel("log", { description: "again" }))
      expect(store.channels().map((one) => [one.name, one.description])).toEqual([["log", "again"]])
      expect(yield* everything(store, log)).toHaveLength(2)
    }), log))

    effect("of every class that the store takes can be written", () => session((store) => Effect.gen(function*() {
      for (const durability of store.durabilities) {
        const one = channel(`c-${durability}`, { durability })
        yield* store.putChannel(one)
        yield* surely(store, one, numbered(one, 0, 3))
        expect((yield* everything(store, one)).map((event) => event.payload)).toEqual([0, 1, 2])
      }
    })))

    effect("share ids and parents across classes", () => session((store) => Effect.gen(function*() {
      const quick = channel("quick", { durability: "memory" })
      yield* store.putChannel(quick)
      const [a] = yield* surely(store, quick, prepared(quick, { id: "in-memory" }))
      const [b] = yield* surely(store, log, prepared(log, { parentIds: [a!.id] }))
      yield* surely(store, quick, prepared(quick, { parentIds: [b!.id] }))
      expect(yield* outcome(surely(store, log, prepared(log, { id: "in-memory" })))).toBe("EventExists")
      expect(yield* outcome(surely(store, quick, prepared(quick, { id: b!.id })))).toBe("EventExists")
      expect((yield* store.event("in-memory"))?.channel).toBe("quick")
    }), log))

    effect("are counted", () => session((store) => Effect.gen(function*() {
      yield* surely(store, log, numbered(log, 0, 5))
      const statistics = store.statistics()
      expect(statistics).toMatchObject({ events: 5, channels: 1 })
      expect(statistics.durability).not.toBe("")
      expect(store.stopped()).toBeUndefined()
      expect(yield* store.verify).toEqual([])
    }), log))
  })

  describe(`${name}: an interrupted caller`, () => {
    effect("disturbs nobody", () => session((store) => Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(surely(store, log, numbered(log, 0, 1)), { startImmediately: true })
      yield* Fiber.interrupt(fiber)
      yield* surely(store, log, numbered(log, 1, 2))
      expect((yield* everything(store, log)).at(-1)!.payload).toBe(1)
    }), log))
  })

  if (!maker.durable) return

  describe(`${name}: after closing and opening again`, () => {
    const indexed = channel("indexed", { indexes: ["kind", "subject"], metadata: { a: [1] } })
    const relaxed = channel("relaxed", { durability: "relaxed" })
    const quick = channel("quick", { durability: "memory" })

    effect("everything is read as before", () => Effect.gen(function*() {
      const before = yield* session((store) => Effect.gen(function*() {
        for (let i = 0; i < 30; i++) {
          yield* surely(store, log, numbered(log, i * 10, i * 10 + 10))
          yield* surely(store, indexed, prepared(indexed, { kind: `k${i % 3}`, subject: `s${i % 7}`, payload: { i }, id: `given-${i}` }))
          yield* surely(store, relaxed, numbered(relaxed, i, i + 1))
          wall += 3
        }
        yield* store.evict("log", store.statisticsOf("log")!.head - 155)
        yield* store.advance("reader", "s", "log", 17)
        yield* store.putSnapshot({ name: "n", value: { deep: [1, 2] } }, "tester")
        return yield* picture(store)
      }), log, indexed, relaxed)
      const after = yield* session(picture)
      expect(after).toEqual(before)
      expect(after.log).toHaveLength(155)
    }))

    const picture = (store: StoreService) =>
      Effect.gen(function*() {
        return {
          channels: store.channels(),
          statistics: store.channels().map((one) => store.statisticsOf(one.name)),
          log: yield* everything(store, log),
          relaxed: yield* everything(store, relaxed),
          indexed: yield* everything(store, indexed),
          byKind: yield* everything(store, indexed, { filter: { kind: "k1" } }),
          newest: yield* everything(store, indexed, { newestBySubject: true }),
          given: yield* store.event("given-7"),
          minted: yield* store.event((yield* everything(store, log))[33]!.id),
          subscriptions: store.subscriptions(),
          snapshot: yield* store.getSnapshot("n"),
          problems: yield* store.verify
        }
      })

    effect("keys and heads still hold", () => Effect.gen(function*() {
      const first = yield* session((store) => surely(store, log, [...numbered(log, 0, 2), ...prepared(log, { id: "g" })], { key: "k" }), log)
      yield* session((store) => Effect.gen(function*() {
        expect(yield* surely(store, log, [...numbered(log, 0, 2), ...prepared(log, { id: "g" })], { key: "k", expectedHead: 0 })).toEqual(first)
        expect(yield* outcome(surely(store, log, numbered(log, 5, 6), { key: "k" }))).toBe("IdempotencyConflict")
        expect(yield* outcome(surely(store, log, numbered(log, 5, 6), { expectedHead: 0 }))).toBe("HeadConflict")
        expect(yield* outcome(surely(store, log, prepared(log, { id: "g" })))).toBe("EventExists")
        const [next] = yield* surely(store, log, numbered(log, 5, 6))
        expect(next!.cursor).toBeGreaterThan(first[2]!.cursor)
      }))
    }))

    effect("recorded time does not go back, whatever the wall clock says", () => Effect.gen(function*() {
      const [first] = yield* session((store) => surely(store, log, numbered(log, 0, 1)), log)
      wall -= 3_600_000
      clock = makeClock({ wall: () => wall, monotonic: () => wall })
      const [second] = yield* session((store) => surely(store, log, numbered(log, 1, 2)))
      expect(second!.recordedAt).toBeGreaterThanOrEqual(first!.recordedAt)
    }))

    effect("a memory channel is there and empty, and no cursor of it is used for another event without notice", () => Effect.gen(function*() {
      yield* session((store) => surely(store, quick, numbered(quick, 0, 3)), quick)
      yield* session((store) => Effect.gen(function*() {
        expect(store.channels().map((one) => one.name)).toContain("quick")
        expect(yield* everything(store, quick)).toEqual([])
      }))
    }))

    effect("artifacts are there", () => Effect.gen(function*() {
      const { digest } = yield* session((store) => store.putArtifact(Buffer.from("hello"), "text/plain"))
      yield* session((store) => Effect.map(store.getArtifact(digest), (bytes) => expect(Buffer.from(bytes).toString()).toBe("hello")))
    }))
  })
}
