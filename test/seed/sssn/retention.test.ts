// Retention, by age and by count, on every kind of channel; and cursors, which mean the same for ever.
import Database from "better-sqlite3"
import { Cause, Effect, Exit, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect } from "vitest"
import { decodeConfig } from "../../../kernel/config.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { ageSlackOf } from "../../../kernel/channel/ageing.ts"
import { make, type ChannelsService } from "../../../kernel/channel/channels.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { channelOf, type ChannelSpec } from "../../../protocol/channel.ts"
import { millisOf } from "../../../protocol/duration.ts"
import type { ConfigInvalid } from "../../../protocol/errors.ts"
import type { Event } from "../../../protocol/event.ts"
import { deadLettersOf } from "../../../protocol/well-known.ts"
import { makeHouse, owner, spec, type Backend, type House } from "../../contract/delivery.ts"
import { effect } from "../../kit/it.ts"
import { makeManualTime } from "../../kit/time.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-retention-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const backends: ReadonlyArray<Backend> = [
  { name: "memory", open: ({ clock }) => Effect.map(Memory.make({ clock }), (store) => Effect.succeed(store)) },
  {
    name: "hostile memory",
    open: ({ clock }) => Effect.map(Memory.make({ clock, hostile: { seed: 5, failedKept: 0.05, failedLost: 0.05, failedLate: 0.05 } }), (store) => Effect.succeed(store))
  },
  { name: "sqlite", open: ({ clock }) => Effect.sync(() => Effect.orDie(Sqlite.make({ path: join(mkdtempSync(join(directory, "s-")), "kernel.db"), clock }))) }
]

/** Lets everything run that does not wait for time. */
const settled = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 4)))
const until = (condition: () => boolean) =>
  Effect.gen(function*() {
    while (!condition()) yield* settled
  })

const everything = (channels: ChannelsService, name: string): Effect.Effect<ReadonlyArray<Event>, unknown> =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    for (let after = 0; ;) {
      const page = yield* channels.read("aaax", name, { after, limit: 1_000 })
      events.push(...page.events)
      if (page.next >= page.head) return events
      after = page.next
    }
  })
const payloads = (channels: ChannelsService, name: string) => Effect.map(everything(channels, name), (events) => events.map(({ payload }) => payload))
/** Writes, and lets the turn end before time goes on. */
const write = (channels: ChannelsService, name: string, from: number, to: number) =>
  Effect.andThen(
    channels.append(owner, name, Array.from({ length: to - from }, (_, at) => ({ payload: from + at, subject: `s${from + at}`, recipient: "reader" })), { key: `${from}` }),
    Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve))))

const minute = 60_000
const slack = ageSlackOf(10 * minute)
const kinds: Readonly<Record<string, Omit<ChannelSpec, "name">>> = {
  "a log": {}, "a topic": { form: "topic" }, "a feed of relaxed class": { form: "feed", durability: "relaxed" }, "a log in memory": { durability: "memory" },
  "a mailbox": { delivery: "addressed" }, "the latest state": { form: "latest-state" }, "a tree": { form: "tree" }, "a blackboard": { form: "blackboard" }
}

for (const backend of backends) {
  const it = (name: string, body: (house: House) => Effect.Effect<unknown, unknown, Scope.Scope>): void =>
    effect(name, () => Effect.flatMap(makeHouse(backend), body))

  describe(`${backend.name}: what a channel lets go of`, () => {
    it("[26] is, asked by its host, what is older than a moment, what is more than a number, or both: age first", ({ channels, time }) => Effect.gen(function*() {
      for (const name of ["age", "count", "both", "neither"]) yield* channels().open(spec(name))
      for (let n = 0; n < 10; n++) {
        for (const name of ["age", "count", "both", "neither"]) yield* write(channels(), name, n, n + 1)
        time.advance(minute)
      }
      const before = time.clock.now() - 4 * minute
      yield* channels().evict("age", { before })
      yield* channels().evict("count", { maxCount: 3 })
      yield* channels().evict("both", { before, maxCount: 2 })
      yield* channels().evict("neither", { before: 0, maxCount: 100 })
      expect(yield* payloads(channels(), "age")).toEqual([6, 7, 8, 9])
      expect(yield* payloads(channels(), "count")).toEqual([7, 8, 9])
      expect(yield* payloads(channels(), "both")).toEqual([8, 9])
      expect(yield* payloads(channels(), "neither")).toHaveLength(10)
    }))

    // A store that fails now and then does so for every kind alike.
    for (const [kind, rest] of Object.entries(kinds).slice(0, backend.name === "hostile memory" ? 1 : undefined)) {
      it(`[48] [51] [W12] of ${kind} goes by the kernel's clock, while nobody reads or writes, and also across a restart`, ({ channels, restart, time }) => Effect.gen(function*() {
        const channel = spec("c", { ...rest, retention: { age: "10m" } })
        yield* channels().open(channel)
        yield* write(channels(), "c", 0, 5)
        time.advance(6 * minute)
        yield* write(channels(), "c", 5, 9)
        time.advance(4 * minute + slack - 1)
        yield* settled
        expect(yield* payloads(channels(), "c")).toHaveLength(9)
        time.advance(1)
        yield* until(() => channels().store.statisticsOf("c")!.events === 4)
        expect(yield* payloads(channels(), "c")).toEqual([5, 6, 7, 8])
        if (rest.durability !== "memory") yield* restart
        time.advance(6 * minute + slack)
        yield* until(() => channels().store.statisticsOf("c")!.events === 0)
        // An empty channel waits for nothing, and its next event ages as any other.
        yield* write(channels(), "c", 9, 10)
        expect(yield* payloads(channels(), "c")).toEqual([9])
        time.advance(10 * minute + slack)
        yield* until(() => channels().store.statisticsOf("c")!.events === 0)
      }))

      it(`[51] [W12] of ${kind} is what its count does not allow, with an age beside it`, ({ channels, time }) => Effect.gen(function*() {
        yield* channels().open(spec("c", { ...rest, retention: { count: 5, ageMillis: 10 * minute } }))
        yield* write(channels(), "c", 0, 40)
        yield* until(() => channels().store.statisticsOf("c")!.events <= 6)
        expect((yield* payloads(channels(), "c")).slice(-5)).toEqual([35, 36, 37, 38, 39])
        time.advance(10 * minute + slack)
        yield* until(() => channels().store.statisticsOf("c")!.events === 0)
        yield* write(channels(), "c", 40, 80)
        yield* until(() => channels().store.statisticsOf("c")!.events <= 6)
        expect((yield* payloads(channels(), "c")).slice(-5)).toEqual([75, 76, 77, 78, 79])
      }))
    }

    it("[51] [W12] of a work queue goes to its dead letters when nobody settled it in time; what is held stays until it is settled", ({ channels, time }) => Effect.gen(function*() {
      yield* channels().open(spec("jobs", { form: "queue", leaseMillis: 3_600_000, retention: { ageMillis: 10 * minute } }))
      yield* write(channels(), "jobs", 0, 4)
      const [held, done] = yield* channels().take("w", "jobs", { limit: 2 })
      yield* channels().settle("w", "jobs", [{ cursor: done!.event.cursor, epoch: done!.epoch, outcome: "ack" }])
      time.advance(6 * minute)
      yield* write(channels(), "jobs", 4, 6)
      time.advance(4 * minute + slack)
      const letters = deadLettersOf("jobs")
      yield* until(() => channels().store.statisticsOf(letters)?.events === 2)
      const buried = yield* everything(channels(), letters)
      expect(buried.map(({ payload }) => payload)).toMatchObject([{ payload: 2, attempts: 0 }, { payload: 3, attempts: 0 }])
      expect(buried[0]!.payload).toMatchObject({ reason: `nobody settled it within ${10 * minute} ms` })
      // The oldest is held: it and what lies behind it stay in the log, and its holder may still end it.
      expect(yield* payloads(channels(), "jobs")).toHaveLength(6)
      expect((yield* channels().take("w", "jobs", { limit: 10 })).map(({ event }) => event.payload)).toEqual([4, 5])
      yield* channels().settle("w", "jobs", [{ cursor: held!.event.cursor, epoch: held!.epoch, outcome: "ack" }])
      time.advance(slack + 1)
      yield* until(() => channels().store.statisticsOf("jobs")!.events === 2)
      expect(yield* payloads(channels(), "jobs")).toEqual([4, 5])
    }))

    it("[W12] tells a reader who was behind it that it is gone", ({ channels, time }) => Effect.gen(function*() {
      yield* channels().open(spec("c", { retention: { age: "10m" } }))
      yield* write(channels(), "c", 0, 5)
      const [first] = yield* everything(channels(), "c")
      time.advance(10 * minute + slack)
      yield* until(() => channels().store.statisticsOf("c")!.events === 0)
      expect(yield* Effect.flip(channels().read("reader", "c", { after: first!.cursor }))).toMatchObject({ _tag: "Gap" })
    }))
  })
}

describe("retention by age", () => {
  const time = makeManualTime()
  const open = (store: StoreService, neededBeyond?: () => number | undefined) =>
    make({ store, clock: time.clock, timer: time.timer, boot: () => 1, ...(neededBeyond === undefined ? {} : { neededBeyond }) })

  effect("never lets go of what is still needed", () => Effect.gen(function*() {
    let needed = 3
    const channels = yield* open(yield* Memory.make({ clock: time.clock }), () => needed)
    yield* channels.open(channelOf({ name: "c", retention: { ageMillis: 10 * minute } }, owner))
    yield* write(channels, "c", 1, 7)
    time.advance(10 * minute + slack)
    yield* until(() => channels.store.statisticsOf("c")!.floor === 3)
    yield* settled
    expect(yield* payloads(channels, "c")).toEqual([4, 5, 6])
    needed = Infinity
    time.advance(slack)
    yield* until(() => channels.store.statisticsOf("c")!.events === 0)
  }))

  effect("costs an append nothing: it looks at the log when something is due, with one timer for a channel and none for an empty one", () => Effect.gen(function*() {
    const store = yield* Memory.make({ clock: time.clock })
    let reads = 0
    const channels = yield* open({ ...store, read: (...asked) => Effect.suspend(() => (reads++, store.read(...asked))) })
    yield* channels.open(channelOf({ name: "c", retention: { ageMillis: 10 * minute } }, owner))
    yield* channels.open(channelOf({ name: "ever" }, owner))
    expect(time.timers()).toBe(0)
    yield* write(channels, "c", 0, 500)
    yield* write(channels, "ever", 0, 500)
    yield* settled
    expect([reads, time.timers()]).toEqual([0, 1])
    time.advance(10 * minute + slack)
    yield* until(() => store.statisticsOf("c")!.events === 0)
    yield* settled
    // The oldest, the halvings, and a last look.
    expect(reads).toBeLessThan(16)
    time.advance(slack)
    yield* settled
    expect(time.timers()).toBe(0)
  }))

  effect("waits for a jump of the wall clock to be confirmed", () => Effect.gen(function*() {
    let wall = 1_800_000_000_000
    const clock = makeClock({ wall: () => wall, monotonic: () => 0 })
    const store = yield* Memory.make({ clock })
    const rings = new Set<() => void>()
    const channels = yield* make({
      store, clock, boot: () => 1,
      timer: (_, ring) => {
        rings.add(ring)
        return () => void rings.delete(ring)
      }
    })
    const ring = Effect.suspend(() => {
      const due = [...rings]
      rings.clear()
      for (const one of due) one()
      return settled
    })
    yield* channels.open(channelOf({ name: "c", retention: { ageMillis: minute } }, owner))
    yield* write(channels, "c", 0, 3)
    yield* settled
    wall += 10 * minute
    yield* ring
    expect(store.statisticsOf("c")!.events).toBe(3)
    clock.confirm()
    yield* ring
    expect(store.statisticsOf("c")!.events).toBe(0)
  }))

  effect("is written in a config as people write spans of time, and told when it is none", () => Effect.gen(function*() {
    const config = yield* decodeConfig({ channels: [{ name: "a", retention: { age: "7d", count: 5 } }, { name: "b", retention: { age_millis: 1_500 } }] }, "aaax.config.json")
    expect(config.channels.map((one) => channelOf(one, owner).retention)).toEqual([{ count: 5, ageMillis: 7 * 24 * 3_600_000 }, { ageMillis: 1_500 }])
    const exit = yield* Effect.exit(decodeConfig({ channels: [{ name: "a", retention: { age: "a week" } }] }, "aaax.config.json"))
    const issue = Exit.isFailure(exit) ? (Cause.squash(exit.cause) as ConfigInvalid).issues[0] : undefined
    expect(issue).toMatchObject({ path: "channels[0].retention.age" })
    expect(JSON.stringify(issue)).toContain("30m")
    expect(["250ms", "1.5 h", "4w", "0s", "5y", "-1d", ""].map(millisOf)).toEqual([250, 5_400_000, 4 * 604_800_000, undefined, undefined, undefined, undefined])
  }))
})

describe("[X4] a cursor", () => {
  const withStore = <A>(path: string, body: (store: StoreService) => Effect.Effect<A, unknown, Scope.Scope>) =>
    Effect.scoped(Effect.flatMap(Sqlite.make({ path, clock: makeClock() }), body))
  const c = channelOf({ name: "c", indexes: ["subject"] }, owner)
  const append = (store: StoreService, from: number, to: number) =>
    Effect.gen(function*() {
      const channels = yield* make({ store, clock: makeClock(), boot: () => 1 })
      yield* channels.open(c)
      yield* write(channels, "c", from, to)
      return yield* everything(channels, "c")
    })

  effect("is never used again: not after everything was evicted, and not after a restart", () => Effect.gen(function*() {
    const path = join(mkdtempSync(join(directory, "x-")), "kernel.db")
    yield* withStore(path, (store) => Effect.gen(function*() {
      yield* append(store, 0, 5)
      yield* store.evict("c", 5)
    }))
    yield* withStore(path, (store) => Effect.gen(function*() {
      expect((yield* append(store, 5, 7)).map(({ cursor }) => cursor)).toEqual([6, 7])
      yield* store.evict("c", 7)
      expect((yield* append(store, 7, 8)).map(({ cursor }) => cursor)).toEqual([8])
    }))
  }))

  effect("survives VACUUM, a backup and a dump, and so do subscriptions and what is found by index", () => Effect.gen(function*() {
    const home = mkdtempSync(join(directory, "v-"))
    const path = join(home, "kernel.db")
    const before = yield* withStore(path, (store) => Effect.gen(function*() {
      const events = yield* append(store, 0, 9)
      yield* store.evict("c", 4)
      yield* store.advance("reader", "s", "c", 6)
      return events.slice(4)
    }))
    const copies = [path, ...["vacuumed", "copied"].map((name) => join(mkdtempSync(join(directory, "v-")), `${name}.db`))]
    const db = new Database(path)
    db.exec("VACUUM")
    db.exec(`VACUUM INTO '${copies[1]!}'`)
    yield* Effect.promise(() => db.backup(copies[2]!))
    db.close()
    for (const copy of copies) {
      yield* withStore(copy, (store) => Effect.gen(function*() {
        expect(yield* store.verify).toEqual([])
        expect(store.subscription("reader", "s", "c")?.cursor).toBe(6)
        const page = yield* store.read("c", { after: 0, limit: 100 })
        expect(page.events).toEqual(before)
        expect((yield* store.read("c", { after: 6, limit: 100, filter: { subject: "s7" } })).events.map(({ cursor }) => cursor)).toEqual([8])
        expect((yield* append(store, 9, 10)).map(({ cursor }) => cursor)).toEqual([5, 6, 7, 8, 9, 10])
      }))
    }
  }))
})
