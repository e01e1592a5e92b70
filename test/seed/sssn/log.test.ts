// Logs, claims and mailboxes of the first generation, through the ports of docked systems: shared and exclusive reads of
// one log, leases with epochs, and what a host may do to its events.
import { Effect, Fiber } from "effect"
import type * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { makeKernel, testTime, type TestKernel } from "../../../kernel/testing.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { heldCursorsMax } from "../../../kernel/limits.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import type { ChannelSpec } from "../../../protocol/channel.ts"
import type { Event } from "../../../protocol/event.ts"
import type { Cursor } from "../../../protocol/names.ts"
import type { Port } from "../../../protocol/port.ts"
import type { Taken } from "../../../protocol/subscription.ts"
import { deadLettersOf, settlementOf } from "../../../protocol/well-known.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

const leaseMillis = 1_000

interface Given {
  readonly kernel: TestKernel
  /** Provides `log`, `queue` and `mail`. */
  readonly owner: Port
  readonly one: Port
  readonly two: Port
}

const specs: ReadonlyArray<ChannelSpec> = [
  { name: "log", leaseMillis }, { name: "queue", form: "queue", leaseMillis, attemptsMax: 2 }, { name: "mail", delivery: "addressed" },
  { name: "topic", form: "topic" }
]
const names = specs.map(({ name }) => name)

const it = (name: string, body: (given: Given) => Effect.Effect<unknown, unknown, Scope.Scope>): void =>
  effect(name, () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const owner = yield* probe(kernel, "owner", { provides: specs })
      const guest = (id: string) => probe(kernel, id, { reads: names, writes: names, takes: names })
      yield* body({ kernel, owner, one: yield* guest("one"), two: yield* guest("two") })
    }))

const write = (port: Port, channel: string, count: number, from = 0) =>
  port.append(channel, Array.from({ length: count }, (_, at) => ({ payload: from + at })))
const payloads = (events: ReadonlyArray<Event>): ReadonlyArray<unknown> => events.map(({ payload }) => payload)
const contents = (items: ReadonlyArray<Taken>): ReadonlyArray<unknown> => payloads(items.map(({ event }) => event))
const holdersOf = (items: ReadonlyArray<Taken>): ReadonlyArray<Cursor> => items.map(({ cursor }) => cursor)
const ending = (outcome: "ack" | "nack" | "dead") => ({ cursor, epoch }: Taken) => ({ cursor, epoch, outcome })
const ack = ending("ack")
const nack = ending("nack")

/** A reader as the first generation has it: its cursor moves with each read, and survivors behind a gap are read on. */
const readerOf = (port: Port, channel: string) => {
  let after = 0
  return (limit = 100) =>
    Effect.gen(function*() {
      const page = yield* Effect.catchTag(port.read(channel, { after, limit }), "Gap", (gap) => port.read(channel, { after: gap.floor, limit }))
      after = page.next
      return payloads(page.events)
    })
}

describe("a shared read of a log", () => {
  it("[7] [8] gives everything in the order of the appends, at most so many at once", ({ one, owner }) => Effect.gen(function*() {
    yield* write(owner, "log", 5)
    expect(payloads((yield* one.read("log")).events)).toEqual([0, 1, 2, 3, 4])
    expect(payloads((yield* one.read("log", { limit: 2 })).events)).toEqual([0, 1])
  }))

  it("[9] [12] goes on where the last one ended, for each reader by itself", ({ one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "log", 5)
    const [a, b] = [readerOf(one, "log"), readerOf(two, "log")]
    expect([yield* a(2), yield* b(4), yield* a(2), yield* a(2), yield* b(4)]).toEqual([[0, 1], [0, 1, 2, 3], [2, 3], [4], [4]])
  }))

  it("[10] [11] starts behind a message that is named, and says so when there is none of that id", ({ one, owner }) => Effect.gen(function*() {
    const appended = yield* write(owner, "log", 5)
    const after = (yield* one.event(appended[1]!.id)).cursor
    expect(payloads((yield* one.read("log", { after, limit: 2 })).events)).toEqual([2, 3])
    expect(yield* Effect.flip(one.event("never-was"))).toMatchObject({ _tag: "EventNotFound", event: "never-was" })
    yield* owner.evict("log", { maxCount: 3 })
    expect(yield* Effect.flip(one.event(appended[1]!.id))).toMatchObject({ _tag: "EventNotFound" })
  }))

  it("[13] [14] passes over what somebody has taken, and what was acknowledged", ({ one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "log", 5)
    const taken = yield* two.take("log", { limit: 2 })
    expect(yield* one.read("log")).toMatchObject({ events: [{ payload: 2 }, { payload: 3 }, { payload: 4 }], held: holdersOf(taken) })
    yield* two.settle("log", taken.map(ack))
    const page = yield* one.read("log")
    expect(payloads(page.events)).toEqual([2, 3, 4])
    expect(page.held).toBeUndefined()
    // The full log is there for whoever asks for it.
    expect(payloads((yield* one.read("log", { fullLog: true })).events)).toEqual([0, 1, 2, 3, 4])
  }))

  it("[15] [W3] comes back for what it had passed over when that is given back", ({ kernel, one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "log", 3)
    const taken = yield* two.take("log", { limit: 2 })
    const { held, next } = yield* one.read("log")
    expect(held).toEqual(holdersOf(taken))
    const waiting = yield* Effect.forkChild(one.awaitBeyond("log", next, held), { startImmediately: true })
    yield* two.settle("log", [nack(taken[1]!)])
    yield* Fiber.join(waiting)
    const again = yield* one.read("log", { after: held![1]! - 1, limit: 1 })
    expect(again).toMatchObject({ events: [{ payload: 1 }] })
    // The other one is held still; its lease ends without a word of its holder.
    const still = yield* one.read("log", { after: held![0]! - 1, limit: 1 })
    expect(still).toMatchObject({ events: [{ payload: 1 }], held: [held![0]] })
    kernel.time.advance(leaseMillis)
    yield* one.awaitBeyond("log", next, [held![0]!])
    expect(payloads((yield* one.read("log", { after: held![0]! - 1, limit: 1 })).events)).toEqual([0])
  }))
})

describe("a page of a log of which very much is held", () => {
  it("ends, and the next one goes on with what is held behind it", ({ one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "log", 1_000)
    yield* write(owner, "log", 300, 1_000)
    const taken = [...yield* two.take("log", { limit: 1_000 }), ...yield* two.take("log", { limit: 200 })]
    const first = yield* one.read("log", { limit: 500 })
    expect([first.events.length, first.held?.length]).toEqual([0, heldCursorsMax])
    const second = yield* one.read("log", { after: first.next, limit: 500 })
    expect(payloads(second.events)).toEqual(Array.from({ length: 100 }, (_, at) => 1_200 + at))
    expect([...first.held!, ...second.held!]).toEqual(holdersOf(taken))
  }))
})

describe("an exclusive read", () => {
  for (const channel of ["log", "queue"]) {
    it(`[16] [17] [19] [58] takes the oldest up to the limit from a ${channel}, and hides them from other workers`, ({ one, owner, two }) => Effect.gen(function*() {
      yield* write(owner, channel, 5)
      expect(contents(yield* one.take(channel, { limit: 2 }))).toEqual([0, 1])
      expect(contents(yield* two.take(channel, { limit: 2 }))).toEqual([2, 3])
      expect(contents(yield* one.take(channel, { limit: 9 }))).toEqual([4])
      expect(yield* two.take(channel)).toEqual([])
    }))

    it(`[18] [20] [60] never gets again what was acknowledged in a ${channel}, also when every lease has ended`, ({ kernel, one, owner, two }) => Effect.gen(function*() {
      yield* write(owner, channel, 3)
      const [first] = yield* one.take(channel)
      yield* one.settle(channel, [ack(first!)])
      kernel.time.advance(10 * leaseMillis)
      expect(contents(yield* two.take(channel, { limit: 9 }))).toEqual([1, 2])
    }))

    it(`[22] [61] gets at once what another worker of a ${channel} gave back, under the same id`, ({ one, owner, two }) => Effect.gen(function*() {
      yield* write(owner, channel, 2)
      const [first] = yield* one.take(channel)
      yield* one.settle(channel, [nack(first!)])
      const [again] = yield* two.take(channel)
      expect([again?.event.id, again?.attempt]).toEqual([first?.event.id, 2])
    }))

    it(`[21] [23] [62] [66] [W4] of a ${channel} is ended by its holder alone, and by it only while the lease lasts`, ({ kernel, one, owner, two }) => Effect.gen(function*() {
      yield* write(owner, channel, 1)
      const [first] = yield* one.take(channel)
      for (const wrong of [ack(first!), nack(first!), { cursor: 99, epoch: 1, outcome: "ack" as const }]) {
        expect(yield* Effect.flip(two.settle(channel, [wrong]))).toMatchObject({ _tag: "LeaseLost" })
      }
      expect(yield* two.take(channel)).toEqual([])
      kernel.time.advance(leaseMillis)
      const [second] = yield* two.take(channel)
      expect(second?.epoch).toBeGreaterThan(first!.epoch)
      // The zombie is told who is newer, and the new holder keeps what it has.
      expect(yield* Effect.flip(one.settle(channel, [ack(first!)]))).toMatchObject({ _tag: "LeaseLost", newestEpoch: second!.epoch })
      yield* two.settle(channel, [ack(second!)])
      expect(yield* owner.backlog(channel)).toBe(0)
    }))

    it(`[24] [63] [64] gets from a ${channel} what is held too long, and nothing that is held freshly`, ({ kernel, one, owner, two }) => Effect.gen(function*() {
      yield* write(owner, channel, 2)
      yield* one.take(channel)
      kernel.time.advance(leaseMillis - 1)
      yield* one.take(channel)
      kernel.time.advance(1)
      expect(contents(yield* two.take(channel, { limit: 9 }))).toEqual([0])
    }))

    it(`[65] drains a ${channel} together with others, each item once`, ({ kernel, owner }) => Effect.gen(function*() {
      yield* write(owner, channel, 400)
      const workers = yield* Effect.forEach(Array.from({ length: 8 }, (_, n) => `worker-${n}`), (id) => probe(kernel, id, { takes: [channel] }))
      const seen: Array<unknown> = []
      yield* Effect.forEach(workers, (port) => Effect.gen(function*() {
        let ends: ReadonlyArray<ReturnType<typeof ack>> = []
        for (;;) {
          const taken = yield* port.take(channel, { limit: 3, settle: ends })
          if (taken.length === 0) return
          seen.push(...contents(taken))
          ends = taken.map(ack)
        }
      }), { concurrency: "unbounded", discard: true })
      expect(seen.length).toBe(400)
      expect(new Set(seen).size).toBe(400)
      expect(yield* owner.backlog(channel)).toBe(0)
    }))
  }

  it("[59] [53] is what a queue is for: a read of it shows its full log and takes nothing; a topic is for readers alone", ({ one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "queue", 2)
    yield* two.take("queue")
    expect(payloads((yield* one.read("queue")).events)).toEqual([0, 1])
    expect(contents(yield* two.take("queue"))).toEqual([1])
    expect(yield* Effect.flip(one.take("topic"))).toMatchObject({ _tag: "WrongDelivery", operation: "take", instead: "read" })
  }))

  it("[67] counts attempts, buries what fails too often, is extended, and is retried after a delay", ({ kernel, one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "queue", 1)
    const [first] = yield* one.take("queue")
    expect(first?.attempt).toBe(1)
    kernel.time.advance(leaseMillis - 1)
    yield* one.renew("queue", first!.cursor, first!.epoch)
    kernel.time.advance(leaseMillis - 1)
    expect(yield* two.take("queue")).toEqual([])
    yield* one.settle("queue", [{ ...nack(first!), delayMillis: 500, reason: "not now" }])
    expect(yield* two.take("queue")).toEqual([])
    kernel.time.advance(500)
    const [second] = yield* two.take("queue")
    expect(second?.attempt).toBe(2)
    yield* two.settle("queue", [{ ...nack(second!), reason: "broken" }])
    const letters = deadLettersOf("queue")
    yield* kernel.channels.awaitBeyond(letters, 0)
    expect((yield* kernel.channels.read("owner", letters)).events).toMatchObject([{ payload: { cursor: first!.cursor, reason: "broken", attempts: 2 } }])
    expect(yield* one.take("queue")).toEqual([])
  }))

  effect("[68] [W13] looks at as many events with a long history behind it as without one", () =>
    Effect.gen(function*() {
      const time = testTime()
      const memory = yield* Memory.make({ clock: makeClock(time) })
      let looked = 0
      const store: StoreService = {
        ...memory,
        items: (channel, options) => Effect.tap(memory.items(channel, options), ({ items }) => Effect.sync(() => {
          if (channel === "log") looked += items.length
        }))
      }
      const kernel = yield* makeKernel({ store, time })
      const port = yield* probe(kernel, "owner", { provides: [{ name: "log" }] })
      const cost = Effect.gen(function*() {
        yield* write(port, "log", 10)
        const before = looked
        for (let n = 0; n < 10; n++) yield* port.settle("log", (yield* port.take("log")).map(ack))
        return looked - before
      })
      const first = yield* cost
      for (let n = 0; n < 10; n++) {
        yield* write(port, "log", 1_000)
        yield* port.settle("log", (yield* port.take("log", { limit: 1_000 })).map(ack))
      }
      expect(yield* cost).toBe(first)
      expect(first).toBe(10)
    }))

  it("costs a log nothing that nobody takes from", ({ kernel, one, owner }) => Effect.gen(function*() {
    yield* write(owner, "log", 3)
    yield* one.read("log")
    expect([yield* owner.backlog("log"), yield* Effect.flip(one.renew("log", 1, 1))]).toMatchObject([3, { _tag: "LeaseLost" }])
    expect(kernel.channels.all().map(({ name }) => name)).not.toContain(settlementOf("log"))
    yield* one.take("log")
    expect(kernel.channels.all().map(({ name }) => name)).toEqual(expect.arrayContaining([settlementOf("log"), deadLettersOf("log")]))
  }))
})

describe("a mailbox", () => {
  const letters = (owner: Port) => owner.append("mail", [
    { payload: "for two", recipient: "two" }, { payload: "for all" }, { payload: "for one", recipient: "one" }
  ])

  it("[70] [72] shows nobody the mail of others, whichever way they ask", ({ one, owner }) => Effect.gen(function*() {
    const [foreign] = yield* letters(owner)
    expect(payloads((yield* one.read("mail")).events)).toEqual(["for all", "for one"])
    expect(payloads((yield* one.read("mail", { fullLog: true })).events)).toEqual(["for all", "for one"])
    expect((yield* one.read("mail", { filter: { recipient: "two" } })).events).toEqual([])
    expect(yield* Effect.flip(one.event(foreign!.id))).toMatchObject({ _tag: "EventNotFound" })
    // Nor can anybody take it: a mailbox has no exclusive reads.
    expect(yield* Effect.flip(one.take("mail"))).toMatchObject({ _tag: "WrongDelivery", delivery: "addressed", operation: "take" })
  }))

  it("[27] forgets letters that its host removes, and no others", ({ one, owner, two }) => Effect.gen(function*() {
    const sent = yield* letters(owner)
    expect(yield* owner.remove("mail", [sent[0]!.id, sent[1]!.id, "never-was"])).toBe(2)
    expect([payloads((yield* one.read("mail")).events), payloads((yield* two.read("mail")).events)]).toEqual([["for one"], []])
  }))
})

describe("the host of a channel", () => {
  it("[25] empties it: events and leases are gone, and cursors go on from there", ({ one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "log", 3)
    const [held] = yield* two.take("log")
    const reader = readerOf(one, "log")
    yield* reader(1)
    yield* owner.clear("log")
    expect((yield* one.read("log", { fullLog: true })).events).toEqual([])
    expect(yield* Effect.flip(two.settle("log", [ack(held!)]))).toMatchObject({ _tag: "LeaseLost" })
    expect(yield* owner.backlog("log")).toBe(0)
    yield* write(owner, "log", 2, 10)
    expect(yield* reader()).toEqual([10, 11])
    expect(contents(yield* two.take("log", { limit: 9 }))).toEqual([10, 11])
  }))

  it("[25] removes what matches, and nothing else", ({ one, owner, two }) => Effect.gen(function*() {
    yield* owner.append("log", ["keep", "drop", "keep", "drop"].map((kind, payload) => ({ kind, payload })))
    const [held] = yield* two.take("log", { limit: 2 })
    yield* owner.clear("log", { kind: "drop" })
    yield* two.settle("log", [nack(held!)])
    expect(payloads((yield* one.read("log", { fullLog: true })).events)).toEqual([0, 2])
    expect(contents(yield* two.take("log", { limit: 9 }))).toEqual([0, 2])
  }))

  it("[26] evicts by age, then by count", ({ kernel, one, owner }) => Effect.gen(function*() {
    yield* write(owner, "log", 3)
    kernel.time.advance(1_000)
    const before = kernel.channels.clock.now()
    yield* write(owner, "log", 5, 3)
    yield* owner.evict("log", { before })
    expect(payloads((yield* one.read("log")).events)).toEqual([3, 4, 5, 6, 7])
    yield* owner.evict("log", { before, maxCount: 2 })
    expect(payloads((yield* one.read("log")).events)).toEqual([6, 7])
    // Nothing that is younger, and less than is kept: then nothing happens.
    yield* owner.evict("log", { before: 0, maxCount: 9 })
    expect(payloads((yield* one.read("log")).events)).toEqual([6, 7])
  }))

  it("[26] counts what is left when it keeps the newest, not what was removed between them", ({ one, owner }) => Effect.gen(function*() {
    const appended = yield* write(owner, "log", 6)
    yield* owner.remove("log", [appended[4]!.id, appended[2]!.id])
    yield* owner.evict("log", { maxCount: 2 })
    expect(payloads((yield* one.read("log")).events)).toEqual([3, 5])
  }))

  it("[27] removes single events, also those that somebody holds", ({ one, owner, two }) => Effect.gen(function*() {
    const appended = yield* write(owner, "log", 4)
    const taken = yield* two.take("log", { limit: 2 })
    expect(yield* owner.remove("log", [appended[1]!.id, appended[2]!.id])).toBe(2)
    expect(yield* owner.remove("log", [appended[1]!.id])).toBe(0)
    // The other end of the same call is kept.
    expect(yield* Effect.flip(two.settle("log", taken.map(nack)))).toMatchObject({ _tag: "LeaseLost", cursor: appended[1]!.cursor })
    expect(yield* Effect.flip(one.event(appended[2]!.id))).toMatchObject({ _tag: "EventNotFound" })
    expect(payloads((yield* one.read("log")).events)).toEqual([0, 3])
    expect(contents(yield* one.take("log", { limit: 9 }))).toEqual([0, 3])
  }))

  it("[28] [W1] loses no survivor for any reader, however it evicts, removes and clears", ({ one, owner, two }) => Effect.gen(function*() {
    const appended = yield* write(owner, "log", 10)
    const [quick, slow, late] = [readerOf(one, "log"), readerOf(two, "log"), readerOf(one, "log")]
    yield* quick(5)
    yield* slow(1)
    yield* owner.evict("log", { maxCount: 5 })
    yield* owner.remove("log", [appended[6]!.id])
    yield* owner.append("log", [{ kind: "drop", payload: "x" }, { payload: 11 }])
    yield* owner.clear("log", { kind: "drop" })
    expect([yield* quick(), yield* slow(), yield* late()]).toEqual([[5, 7, 8, 9, 11], [5, 7, 8, 9, 11], [5, 7, 8, 9, 11]])
  }))

  it("lets no reader pass what was evicted without a word, also where all of it was taken", ({ one, owner, two }) => Effect.gen(function*() {
    yield* write(owner, "log", 6)
    yield* two.settle("log", (yield* two.take("log", { limit: 5 })).map(ack))
    yield* owner.evict("log", { maxCount: 2 })
    expect(yield* Effect.flip(one.read("log", { after: 1 }))).toMatchObject({ _tag: "Gap", floor: 4 })
    expect(payloads((yield* one.read("log", { after: 4 })).events)).toEqual([5])
    expect(payloads((yield* one.read("log")).events)).toEqual([5])
  }))

  it("is whoever provides the channel; to others it is refused", ({ kernel, one, owner }) => Effect.gen(function*() {
    const [appended] = yield* write(owner, "log", 1)
    for (const attempt of [one.clear("log"), one.evict("log", { maxCount: 0 }), one.remove("log", [appended!.id])]) {
      expect(yield* Effect.flip(attempt as Effect.Effect<unknown, unknown>)).toMatchObject({ _tag: "Denied", target: "log" })
    }
    expect(yield* Effect.flip(owner.clear("aaax.heartbeat"))).toMatchObject({ _tag: "Denied" })
    expect(kernel.channels.store.statisticsOf("log")).toMatchObject({ events: 1 })
    expect(yield* Effect.flip(owner.evict("log", {}))).toMatchObject({ _tag: "InvalidPayload", what: "evict" })
  }))
})
