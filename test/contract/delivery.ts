// What the family of deliveries promises on every store: one call runs all of it on one backend. Each test makes its
// own store; a restart closes the channels (and, where the backend can, the store) and opens them again.
import { Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect } from "vitest"
import { make, type ChannelsService } from "../../kernel/channel/channels.ts"
import { removedEventsMax } from "../../kernel/limits.ts"
import type { StoreService } from "../../kernel/store/store.ts"
import { channelOf, type Channel, type ChannelSpec } from "../../protocol/channel.ts"
import type { Draft, Event } from "../../protocol/event.ts"
import { kernelSystem } from "../../protocol/names.ts"
import type { StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import type { Taken } from "../../protocol/subscription.ts"
import { deadLettersOf, settlementOf } from "../../protocol/well-known.ts"
import { effect } from "../kit/it.ts"
import { makeManualTime, type ManualTime } from "../kit/time.ts"

export interface Backend {
  readonly name: string
  /** Opens the store of one test; called again after a restart, with what it keeps between the two. */
  readonly open: (time: ManualTime) => Effect.Effect<Effect.Effect<StoreService, never, Scope.Scope>, never, Scope.Scope>
}

export interface House {
  readonly time: ManualTime
  /** The channels as they are now; another object after a restart. */
  readonly channels: () => ChannelsService
  readonly restart: Effect.Effect<void>
}

export const owner = "owner"
export const spec = (name: string, rest: Omit<ChannelSpec, "name"> = {}): Channel => channelOf({ name, ...rest }, owner)
export const queue = (name: string, rest: Omit<ChannelSpec, "name"> = {}): Channel => spec(name, { delivery: "exclusive", ...rest })

export const makeHouse = (backend: Backend): Effect.Effect<House, never, Scope.Scope> =>
  Effect.gen(function*() {
    const time = makeManualTime()
    const store = yield* backend.open(time)
    let boot = 0
    let scope: Scope.Closeable | undefined
    let channels: ChannelsService | undefined
    const start = Effect.gen(function*() {
      if (scope !== undefined) yield* Scope.close(scope, Exit.void)
      scope = yield* Scope.make()
      boot++
      const opened = yield* Scope.provide(scope)(store)
      channels = yield* Scope.provide(scope)(make({ store: opened, clock: time.clock, timer: time.timer, boot: () => boot }))
    })
    yield* start
    yield* Effect.addFinalizer(() => (scope === undefined ? Effect.void : Scope.close(scope, Exit.void)))
    return { time, channels: () => channels!, restart: start }
  })

const numbers = (from: number, to: number): ReadonlyArray<Draft> =>
  Array.from({ length: to - from }, (_, at) => ({ kind: "job", payload: from + at }))

const payloads = (events: ReadonlyArray<Event>): ReadonlyArray<unknown> => events.map((event) => event.payload)
const taken = (items: ReadonlyArray<Taken>): ReadonlyArray<unknown> => items.map((item) => item.event.payload)
const ack = (item: Taken) => ({ cursor: item.event.cursor, epoch: item.epoch, outcome: "ack" as const })
const nack = (item: Taken, rest: { readonly delayMillis?: number; readonly reason?: string } = {}) =>
  ({ cursor: item.event.cursor, epoch: item.epoch, outcome: "nack" as const, ...rest })
const dead = (item: Taken, reason: string) => ({ cursor: item.event.cursor, epoch: item.epoch, outcome: "dead" as const, reason })

/** Reads to the end, in pages of so many. */
const readAll = (channels: ChannelsService, reader: string, name: string, limit: number) =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    for (let after = 0; ; ) {
      const page = yield* channels.read(reader, name, { after, limit })
      events.push(...page.events)
      if (page.next >= page.head) return events
      after = page.next
    }
  })

/** Waits for what happens by itself, some time after a commit. */
const until = (condition: () => boolean) =>
  Effect.gen(function*() {
    while (!condition()) yield* settled
  })

/** Lets everything run that does not wait for time. */
const settled = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 15)))

const onlyNumbers: StandardSchemaV1 = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof value === "object" && value !== null && "n" in value && typeof value.n === "number"
        ? { value }
        : { issues: [{ message: "expected a number", path: ["n"] }] }
  }
}

const laterNumbers: StandardSchemaV1 = {
  "~standard": { ...onlyNumbers["~standard"], validate: (value) => Promise.resolve(onlyNumbers["~standard"].validate(value)) }
}

export const deliveryContract = (backend: Backend): void => {
  /** A test with a house of its own. */
  const it = (name: string, body: (house: House) => Effect.Effect<unknown, unknown, Scope.Scope>): void =>
    effect(name, () => Effect.flatMap(makeHouse(backend), body))

  describe(`${backend.name}: a shared channel`, () => {
    it("gives every reader every event, in order", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      for (let i = 0; i < 10; i++) yield* channels().append("writer", "log", numbers(i * 3, i * 3 + 3))
      const a = yield* readAll(channels(), "a", "log", 7)
      const b = yield* readAll(channels(), "b", "log", 100)
      expect(payloads(a)).toEqual(Array.from({ length: 30 }, (_, at) => at))
      expect(b).toEqual(a)
      expect(a.every((event) => event.sender === "writer")).toBe(true)
    }))

    it("keeps an append with the same key once", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      const first = yield* channels().append("writer", "log", [{ payload: 1 }], { key: "k" })
      const again = yield* channels().append("writer", "log", [{ payload: 1 }], { key: "k" })
      const other = yield* Effect.flip(channels().append("writer", "log", [{ payload: 2 }], { key: "k" }))
      expect(again).toEqual(first)
      expect(other._tag).toBe("IdempotencyConflict")
      expect(payloads(yield* readAll(channels(), "a", "log", 10))).toEqual([1])
    }))

    it("refuses an append on a head that has moved, and keeps nothing of it", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      yield* channels().append("writer", "log", [{ payload: 1 }], { expectedHead: 0 })
      const failure = yield* Effect.flip(channels().append("writer", "log", [{ payload: 2 }], { expectedHead: 0 }))
      expect(failure._tag).toBe("HeadConflict")
      expect(payloads(yield* readAll(channels(), "a", "log", 10))).toEqual([1])
    }))

    it("loses nothing that it acknowledged to a restart", ({ channels, restart }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      yield* channels().append("writer", "log", numbers(0, 5))
      yield* restart
      expect(payloads(yield* readAll(channels(), "a", "log", 10))).toEqual([0, 1, 2, 3, 4])
    }))

    it("says what was probably meant when a name is wrong", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("repo.files"))
      const failure = yield* Effect.flip(channels().read("a", "repo.filse"))
      expect(failure).toMatchObject({ _tag: "ChannelNotFound", nearest: "repo.files" })
    }))

    it("has no items to take when it takes no exclusive reads", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log", { exclusiveReads: false }))
      const failure = yield* Effect.flip(channels().take("a", "log"))
      expect(failure).toMatchObject({ _tag: "WrongDelivery", delivery: "shared", operation: "take", instead: "read" })
    }))
  })

  describe(`${backend.name}: what a writer gives`, () => {
    for (const [kind, schema] of [["a schema", onlyNumbers], ["a schema that answers later", laterNumbers]] as const) {
      it(`is refused by ${kind} with path and reason, and nothing of the batch is kept`, ({ channels }) => Effect.gen(function*() {
        yield* channels().open(spec("log"), schema)
        const failure = yield* Effect.flip(channels().append("w", "log", [{ payload: { n: 1 } }, { payload: { n: "1" } }]))
        expect(failure).toMatchObject({ _tag: "InvalidPayload", path: "[1].payload.n", reason: "expected a number" })
        yield* channels().append("w", "log", [{ payload: { n: 2, more: true } }])
        expect(payloads(yield* readAll(channels(), "a", "log", 10))).toEqual([{ n: 2, more: true }])
      }))
    }

    it("is what the schema has seen, also when a getter answers differently each time", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"), onlyNumbers)
      let reads = 0
      const answers: ReadonlyArray<unknown> = [1, 1, 1, 1, "not a number", 1, 1, 1, 1]
      const lying = (skip: number) => {
        reads = skip
        return { payload: { get n() { return answers[Math.min(reads++, answers.length - 1)] } } }
      }
      for (let skip = 0; skip < answers.length; skip++) yield* Effect.exit(channels().append("w", "log", [lying(skip)]))
      const kept = payloads(yield* readAll(channels(), "a", "log", 10))
      expect(kept.length).toBeGreaterThan(0)
      expect(kept.every((payload) => onlyNumbers["~standard"].validate(payload)).valueOf()).toBe(true)
      for (const payload of kept) expect(payload).toEqual({ n: 1 })
    }))

    const cycle: Record<string, unknown> = {}
    cycle["self"] = cycle
    const nested = JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`) as unknown
    const strange: ReadonlyArray<readonly [string, unknown]> = [
      ["no list", "text"],
      ["nothing", [null]],
      ["an empty list", []],
      ["a sender of its own", [{ payload: 1, sender: "other" }]],
      ["an unknown member", [{ payload: 1, cursor: 5 }]],
      ["a function", [{ payload: () => 1 }]],
      ["a cycle", [{ payload: cycle }]],
      ["a payload that is too deep", [{ payload: nested }]],
      ["a payload with a __proto__ key", [{ payload: JSON.parse(`{"__proto__":{"polluted":true}}`) as unknown }]],
      ["not a number", [{ payload: Number.NaN }]],
      ["a getter that throws", [{ get payload() { throw new Error("no") } }]],
      ["a getter that throws strangely", [{ get payload() { throw Object.create(null) } }]],
      ["a proxy that throws", [new Proxy({}, { ownKeys: () => { throw new Error("no") } })]],
      ["a proxy that is no JSON when it is written", [{
        payload: new Proxy({}, { get: (_, key) => (key === "toJSON" ? () => undefined : undefined) })
      }]],
      ["a recipient that is no system", [{ recipient: "a b" }]]
    ]
    for (const [what, drafts] of strange) {
      it(`is refused when it is ${what}, and the channel stays readable`, ({ channels }) => Effect.gen(function*() {
        yield* channels().open(spec("log"))
        const failure = yield* Effect.flip(channels().append("w", "log", drafts as ReadonlyArray<Draft>))
        expect(failure._tag).toBe("InvalidPayload")
        yield* channels().append("w", "log", [{ payload: "after" }])
        expect(payloads(yield* readAll(channels(), "a", "log", 10))).toEqual(["after"])
      }))
    }

    it("is refused when there is too much of it", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      const many = yield* Effect.flip(channels().append("w", "log", numbers(0, 1_001)))
      const large = yield* Effect.flip(channels().append("w", "log", [{ payload: "x".repeat(1_100_000) }]))
      expect([many._tag, large._tag]).toEqual(["TooLarge", "TooLarge"])
    }))

    it("is refused when its key or its head is not one", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      const key = yield* Effect.flip(channels().append("w", "log", [{ payload: 1 }], { key: "" }))
      const head = yield* Effect.flip(channels().append("w", "log", [{ payload: 1 }], { expectedHead: 1.5 }))
      expect([key._tag, head._tag]).toEqual(["InvalidPayload", "InvalidPayload"])
    }))
  })

  describe(`${backend.name}: an addressed channel`, () => {
    const mail = spec("mail", { delivery: "addressed" })
    const letters: ReadonlyArray<Draft> = Array.from({ length: 40 }, (_, at) => ({
      payload: at, ...(at % 4 === 3 ? {} : { recipient: at % 4 === 0 ? "a" : "b" })
    }))

    it("gives a reader its own mail and what is for everyone, in order, however small the pages are", ({ channels }) =>
      Effect.gen(function*() {
        yield* channels().open(mail)
        for (const letter of letters) yield* channels().append("w", "mail", [letter])
        const forA = letters.flatMap((letter) => (letter.recipient === "b" ? [] : [letter.payload]))
        for (const limit of [1, 2, 3, 100]) expect(payloads(yield* readAll(channels(), "a", "mail", limit))).toEqual(forA)
      }))

    it("shows nobody the mail of another, also by a filter", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(mail)
      yield* channels().append("w", "mail", letters)
      const page = yield* channels().read("a", "mail", { filter: { recipient: "b" } })
      expect(page.events).toEqual([])
      expect(page.next).toBe(page.head)
      expect(payloads(yield* readAll(channels(), "c", "mail", 100))).toEqual([3, 7, 11, 15, 19, 23, 27, 31, 35, 39])
    }))

    it("shows the kernel all of it", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(mail)
      yield* channels().append("w", "mail", letters)
      expect(yield* readAll(channels(), kernelSystem, "mail", 100)).toHaveLength(40)
    }))

    it("finds the answer to one request by its correlation", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(mail)
      yield* channels().append("w", "mail", [
        { payload: 1, recipient: "a", correlationId: "r1" }, { payload: 2, recipient: "b", correlationId: "r2" },
        { payload: 3, recipient: "a", correlationId: "r2" }
      ])
      const page = yield* channels().read("a", "mail", { filter: { correlationId: "r2" } })
      expect(payloads(page.events)).toEqual([3])
    }))

    it("does not wake a reader for mail from before it waited", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(mail)
      const old = yield* channels().append("w", "mail", [{ payload: 1 }, { payload: 2, recipient: "a" }])
      const a = yield* Effect.forkChild(channels().awaitBeyond("mail", old[1]!.cursor, "a"), { startImmediately: true })
      yield* channels().append("w", "mail", [{ payload: 3, recipient: "b" }])
      yield* settled
      expect(a.pollUnsafe()).toBeUndefined()
    }))

    it("wakes the addressee and nobody else", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(mail)
      const a = yield* Effect.forkChild(channels().awaitBeyond("mail", 0, "a"), { startImmediately: true })
      const kernel = yield* Effect.forkChild(channels().awaitBeyond("mail", 0, kernelSystem), { startImmediately: true })
      const b = yield* Effect.forkChild(channels().awaitBeyond("mail", 0, "b"), { startImmediately: true })
      const [appended] = yield* channels().append("w", "mail", [{ payload: 1, recipient: "a" }])
      expect(yield* Fiber.join(a)).toBe(appended!.cursor)
      expect(yield* Fiber.join(kernel)).toBe(appended!.cursor)
      yield* settled
      expect(b.pollUnsafe()).toBeUndefined()
      const [everyones] = yield* channels().append("w", "mail", [{ payload: 2 }])
      expect(yield* Fiber.join(b)).toBe(everyones!.cursor)
    }))
  })

  describe(`${backend.name}: a latest channel`, () => {
    it("gives the newest event of each subject", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("state", { delivery: "latest" }))
      for (const [subject, payload] of [["x", 1], ["y", 2], ["x", 3], ["z", 4], ["y", 5]] as const) {
        yield* channels().append("w", "state", [{ subject, payload }])
      }
      expect(payloads(yield* readAll(channels(), "a", "state", 100))).toEqual([3, 4, 5])
      expect(payloads(yield* readAll(channels(), "a", "state", 1))).toEqual([3, 4, 5])
      const one = yield* channels().read("a", "state", { filter: { subject: "y" } })
      expect(payloads(one.events)).toEqual([5])
    }))
  })

  describe(`${backend.name}: a log that is also taken from`, () => {
    const log = spec("log", { leaseMillis: 1_000, attemptsMax: 2 })
    const seen = (house: House, fullLog = false) =>
      Effect.gen(function*() {
        const events: Array<unknown> = []
        for (let after = 0; ; ) {
          const page = yield* house.channels().read("reader", "log", { after, limit: 3, fullLog })
          events.push(...payloads(page.events))
          if (page.next >= page.head) return events
          after = page.next
        }
      })

    it("shows its readers what nobody took, also after a restart, and everything to those who ask for the full log", (house) => Effect.gen(function*() {
      yield* house.channels().open(log)
      yield* house.channels().append("w", "log", numbers(0, 12))
      const items = yield* house.channels().take("a", "log", { limit: 6 })
      yield* house.channels().settle("a", "log", [items[0]!, items[2]!, items[3]!].map(ack))
      expect(yield* seen(house)).toEqual([6, 7, 8, 9, 10, 11])
      yield* house.restart
      // Leases are memory: what was held is to be had again.
      expect(yield* seen(house)).toEqual([1, 4, 5, 6, 7, 8, 9, 10, 11])
      expect(yield* seen(house, true)).toEqual(Array.from({ length: 12 }, (_, at) => at))
      yield* house.channels().open(log)
      expect(taken(yield* house.channels().take("b", "log", { limit: 3 }))).toEqual([1, 4, 5])
    }))

    it("says which events it passed over because they are held", (house) => Effect.gen(function*() {
      yield* house.channels().open(log)
      yield* house.channels().append("w", "log", numbers(0, 4))
      const items = yield* house.channels().take("a", "log", { limit: 2 })
      yield* house.channels().settle("a", "log", [ack(items[0]!)])
      expect((yield* house.channels().read("reader", "log")).held).toEqual([items[1]!.event.cursor])
    }))

    it("wakes a reader when something that it passed over is given back, and not before", (house) => Effect.gen(function*() {
      yield* house.channels().open(log)
      yield* house.channels().append("w", "log", numbers(0, 2))
      const items = yield* house.channels().take("a", "log", { limit: 2 })
      const { held, next } = yield* house.channels().read("reader", "log")
      let woken = false
      yield* Effect.forkChild(Effect.map(house.channels().awaitBeyond("log", next, "reader", held), () => void (woken = true)), { startImmediately: true })
      yield* settled
      expect(woken).toBe(false)
      yield* house.channels().settle("a", "log", [nack(items[1]!)])
      yield* until(() => woken)
    }))

    it("wakes a reader when a lease ends by itself", (house) => Effect.gen(function*() {
      yield* house.channels().open(log)
      yield* house.channels().append("w", "log", numbers(0, 1))
      yield* house.channels().take("a", "log")
      const { held, next } = yield* house.channels().read("reader", "log")
      const waiting = yield* Effect.forkChild(house.channels().awaitBeyond("log", next, "reader", held), { startImmediately: true })
      yield* settled
      house.time.advance(1_000)
      yield* Fiber.join(waiting)
      expect(yield* seen(house)).toEqual([0])
    }))

    it("buries what is given back too often, where its owner finds it", (house) => Effect.gen(function*() {
      yield* house.channels().open(log)
      yield* house.channels().append("w", "log", numbers(0, 2))
      for (let attempt = 0; attempt < 2; attempt++) {
        const [item] = yield* house.channels().take("a", "log")
        yield* house.channels().settle("a", "log", [nack(item!, { reason: "no" })])
      }
      yield* house.channels().awaitBeyond(deadLettersOf("log"), 0)
      expect(house.channels().get(deadLettersOf("log"))?.owner).toBe(owner)
      yield* until(() => house.channels().settledFloor("log") > 0)
      expect(yield* seen(house)).toEqual([1])
    }))

    it("goes by its retention, whatever is left to be taken", (house) => Effect.gen(function*() {
      yield* house.channels().open(spec("log", { retention: { count: 10 } }))
      yield* house.channels().append("w", "log", numbers(0, 5))
      yield* house.channels().take("a", "log")
      for (let at = 5; at < 100; at += 5) yield* house.channels().append("w", "log", numbers(at, at + 5))
      yield* until(() => house.channels().store.statisticsOf("log")!.events < 20)
      expect((yield* seen(house)).slice(-10)).toEqual(Array.from({ length: 10 }, (_, at) => 90 + at))
    }))

    it("no longer takes exclusive reads when it is redefined so, and shows everything again", (house) => Effect.gen(function*() {
      yield* house.channels().open(log)
      yield* house.channels().append("w", "log", numbers(0, 2))
      yield* house.channels().settle("a", "log", (yield* house.channels().take("a", "log")).map(ack))
      yield* house.channels().open({ ...log, exclusiveReads: false })
      expect(yield* Effect.flip(house.channels().take("a", "log"))).toMatchObject({ _tag: "WrongDelivery" })
      expect(yield* seen(house)).toEqual([0, 1])
      yield* house.channels().open(log)
      expect(yield* seen(house)).toEqual([1])
    }))
  })

  describe(`${backend.name}: what a host removes`, () => {
    for (const [what, channel] of [["log", spec("log")], ["queue", queue("log")], ["latest state", spec("log", { delivery: "latest" })]] as const) {
      it(`of a ${what} is seen by nobody any more, also after a restart`, (house) => Effect.gen(function*() {
        yield* house.channels().open(channel)
        const appended = yield* house.channels().append("w", "log", numbers(0, 4).map((draft, at) => ({ ...draft, subject: `s${at}` })))
        expect(yield* house.channels().remove("log", [appended[1]!.id, appended[3]!.id, appended[3]!.id])).toBe(2)
        for (const again of [false, true]) {
          if (again) yield* house.restart
          expect(payloads(yield* readAll(house.channels(), "r", "log", 3))).toEqual([0, 2])
          expect(payloads((yield* house.channels().read("r", "log", { fullLog: true })).events)).toEqual([0, 2])
          expect(yield* Effect.flip(house.channels().event("r", appended[1]!.id))).toMatchObject({ _tag: "EventNotFound" })
          expect((yield* house.channels().event("r", appended[2]!.id)).payload).toBe(2)
        }
        yield* house.channels().open(channel)
        if (what !== "latest state") expect(taken(yield* house.channels().take("a", "log", { limit: 9 }))).toEqual([0, 2])
      }))
    }

    it("is taken from whoever holds it, and from those who wait for it to come back", (house) => Effect.gen(function*() {
      yield* house.channels().open(queue("jobs"))
      yield* house.channels().append("w", "jobs", numbers(0, 4))
      const items = yield* house.channels().take("a", "jobs", { limit: 3 })
      yield* house.channels().settle("a", "jobs", [nack(items[1]!), nack(items[2]!, { delayMillis: 1_000 })])
      expect(yield* house.channels().remove("jobs", items.map(({ event }) => event.id))).toBe(3)
      expect(yield* Effect.flip(house.channels().settle("a", "jobs", [ack(items[0]!)]))).toMatchObject({ _tag: "LeaseLost" })
      house.time.advance(2_000)
      expect(taken(yield* house.channels().take("b", "jobs", { limit: 9 }))).toEqual([3])
      expect(yield* house.channels().backlog("jobs")).toBe(1)
    }))

    it("of a queue may be everything up to a moment: the rest is handed out as before", (house) => Effect.gen(function*() {
      yield* house.channels().open(queue("jobs"))
      yield* house.channels().append("w", "jobs", numbers(0, 4))
      const items = yield* house.channels().take("a", "jobs", { limit: 2 })
      house.time.advance(1_000)
      const before = house.time.clock.now()
      yield* house.channels().append("w", "jobs", numbers(4, 8))
      yield* house.channels().evict("jobs", { before })
      expect(yield* Effect.flip(house.channels().settle("a", "jobs", [ack(items[0]!)]))).toMatchObject({ _tag: "LeaseLost" })
      expect(yield* house.channels().backlog("jobs")).toBe(4)
      expect(taken(yield* house.channels().take("b", "jobs", { limit: 2 }))).toEqual([4, 5])
      yield* house.channels().evict("jobs", { maxCount: 1 })
      yield* house.restart
      yield* house.channels().open(queue("jobs"))
      expect(taken(yield* house.channels().take("b", "jobs", { limit: 9 }))).toEqual([7])
    }))

    it("is bounded: what is removed one by one has to be evicted some day", (house) => Effect.gen(function*() {
      yield* house.channels().open(spec("log"))
      for (let at = 0; at < 17_000; at += 1_000) yield* house.channels().append("w", "log", numbers(at, at + 1_000))
      expect(yield* Effect.flip(house.channels().clear("log", { kind: "job" }))).toMatchObject({ _tag: "TooLarge", sizeMax: removedEventsMax })
      yield* house.channels().evict("log", { maxCount: 100 })
      yield* house.channels().clear("log", { kind: "job" })
      expect(payloads(yield* readAll(house.channels(), "r", "log", 100))).toEqual([])
    }))
  })

  describe(`${backend.name}: who waits for a channel to move`, () => {
    it("is answered at once when it has moved already", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      const appended = yield* channels().append("w", "log", numbers(0, 3))
      expect(yield* channels().awaitBeyond("log", 0)).toBe(appended[2]!.cursor)
    }))

    it("is woken by the next commit, together with thousands of others", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      const waiting = yield* Effect.forEach(
        Array.from({ length: 3_000 }), () => Effect.forkChild(channels().awaitBeyond("log", 0), { startImmediately: true }))
      const [appended] = yield* channels().append("w", "log", [{ payload: 1 }])
      const heads = yield* Effect.forEach(waiting, Fiber.join)
      expect(new Set(heads)).toEqual(new Set([appended!.cursor]))
    }))

    it("goes on waiting while the head is not beyond its cursor", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      const [first] = yield* channels().append("w", "log", [{ payload: 1 }])
      const far = yield* Effect.forkChild(channels().awaitBeyond("log", first!.cursor + 100_000), { startImmediately: true })
      yield* channels().append("w", "log", [{ payload: 2 }])
      yield* settled
      expect(far.pollUnsafe()).toBeUndefined()
    }))
  })

  describe(`${backend.name}: opening a channel`, () => {
    it("that another system has is refused", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      const failure = yield* Effect.flip(channels().open(channelOf({ name: "log" }, "other")))
      expect(failure).toMatchObject({ _tag: "ChannelExists", owner })
    }))

    it("again redefines it, and its events stay", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      yield* channels().append("w", "log", [{ payload: 1 }])
      yield* channels().open(spec("log", { description: "new" }))
      expect(channels().get("log")?.description).toBe("new")
      expect(payloads(yield* readAll(channels(), "a", "log", 10))).toEqual([1])
    }))

    it("takes it over with its events and dead letters when its owner is gone, but never one of the kernel's", ({ channels }) =>
      Effect.gen(function*() {
        yield* channels().open(queue("jobs"))
        yield* channels().append("w", "jobs", [{ payload: 1 }])
        const heirs = channelOf({ name: "jobs", delivery: "exclusive" }, "heir")
        yield* Effect.flip(channels().open(heirs))
        yield* channels().open(heirs, undefined, { adopt: true })
        expect([channels().get("jobs")?.owner, channels().get("jobs.dead")?.owner]).toEqual(["heir", "heir"])
        expect(taken(yield* channels().take("heir", "jobs"))).toEqual([1])
        yield* channels().open(channelOf({ name: "heirloom" }, kernelSystem))
        const failure = yield* Effect.flip(channels().open(channelOf({ name: "heirloom" }, "heir"), undefined, { adopt: true }))
        expect(failure._tag).toBe("ChannelExists")
      }))

    it("with a name of the kernel's is for the kernel alone", ({ channels }) => Effect.gen(function*() {
      const failure = yield* Effect.flip(channels().open(spec("aaax.mine")))
      expect(failure._tag).toBe("ChannelExists")
      yield* channels().open(channelOf({ name: "aaax.mine" }, kernelSystem))
      expect(channels().get("aaax.mine")?.owner).toBe(kernelSystem)
    }))

    it("as a queue is refused when another system has the name of its dead letters", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(channelOf({ name: deadLettersOf("jobs") }, "other"))
      const failure = yield* Effect.flip(channels().open(queue("jobs")))
      expect(failure).toMatchObject({ _tag: "ChannelExists", channel: "jobs.dead" })
      expect(channels().get("jobs")).toBeUndefined()
    }))

    it("as a queue gives it dead letters for its owner and a private companion", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs", { visibility: "public", durability: "relaxed" }))
      expect(channels().get("jobs.dead")).toMatchObject({ owner, delivery: "shared", visibility: "public", durability: "relaxed" })
      expect(channels().get(settlementOf("jobs"))).toMatchObject({
        owner: kernelSystem, delivery: "shared", visibility: "private", durability: "relaxed"
      })
    }))
  })

  describe(`${backend.name}: retention by count`, () => {
    it("keeps the newest, and gives a reader behind them a gap", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(spec("log", { retention: { count: 100 } }))
      const first = yield* channels().append("w", "log", numbers(0, 50))
      for (let i = 1; i < 12; i++) {
        yield* channels().append("w", "log", numbers(i * 50, i * 50 + 50))
        yield* settled
      }
      yield* until(() => channels().store.statisticsOf("log")!.events <= 200)
      const statistics = channels().store.statisticsOf("log")!
      expect(statistics.events).toBeGreaterThanOrEqual(100)
      const kept = payloads(yield* readAll(channels(), "a", "log", 1_000))
      expect(kept.slice(-100)).toEqual(Array.from({ length: 100 }, (_, at) => 500 + at))
      expect(yield* Effect.flip(channels().read("a", "log", { after: first[3]!.cursor }))).toMatchObject({
        _tag: "Gap", floor: statistics.floor
      })
    }))

    it("is kept also for events from before a restart", ({ channels, restart }) => Effect.gen(function*() {
      yield* channels().open(spec("log"))
      for (let i = 0; i < 5; i++) yield* channels().append("w", "log", numbers(0, 500))
      yield* restart
      yield* channels().open(spec("log", { retention: { count: 100 } }))
      yield* until(() => channels().store.statisticsOf("log")!.events <= 110)
      const kept = yield* readAll(channels(), "a", "log", 1_000)
      expect(payloads(kept).slice(-100)).toEqual(Array.from({ length: 100 }, (_, at) => 400 + at))
    }))

    it("never evicts an item of a queue that is not settled", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs", { retention: { count: 10 } }))
      for (let i = 0; i < 10; i++) yield* channels().append("w", "jobs", numbers(i * 10, i * 10 + 10))
      yield* settled
      expect(yield* channels().backlog("jobs")).toBe(100)
      const items = yield* channels().take("a", "jobs", { limit: 1_000 })
      expect(taken(items)).toEqual(Array.from({ length: 100 }, (_, at) => at))
      yield* channels().settle("a", "jobs", items.map(ack))
      yield* until(() => channels().store.statisticsOf("jobs")!.events <= 20)
    }))
  })

  exclusiveContract(backend, it)
}

type It = (name: string, body: (house: House) => Effect.Effect<unknown, unknown, Scope.Scope>) => void

const exclusiveContract = (backend: Backend, it: It): void => {
  describe(`${backend.name}: an exclusive channel`, () => {
    it("hands out its items in order, each to one holder", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 10))
      const a = yield* channels().take("a", "jobs", { limit: 3 })
      const b = yield* channels().take("b", "jobs", { limit: 3 })
      const one = yield* channels().take("a", "jobs")
      expect([taken(a), taken(b), taken(one)]).toEqual([[0, 1, 2], [3, 4, 5], [6]])
      expect(a.map((item) => item.attempt)).toEqual([1, 1, 1])
      const epochs = [...a, ...b, ...one].map((item) => item.epoch)
      expect(epochs).toEqual([...epochs].sort((x, y) => x - y))
      expect(new Set(epochs).size).toBe(7)
    }))

    it("answers with nothing when nothing is left", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      expect(yield* channels().take("a", "jobs")).toEqual([])
      yield* channels().append("w", "jobs", numbers(0, 1))
      expect(taken(yield* channels().take("a", "jobs", { limit: 5 }))).toEqual([0])
      expect(yield* channels().take("b", "jobs", { limit: 5 })).toEqual([])
    }))

    it("answers one that does not wait while others do", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      const waiting = yield* Effect.forkChild(channels().take("a", "jobs", { wait: true }), { startImmediately: true })
      expect(yield* channels().take("b", "jobs")).toEqual([])
      expect(waiting.pollUnsafe()).toBeUndefined()
    }))

    it("serves those who wait, first come first served", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      const waiting = yield* Effect.forEach(["a", "b", "c"], (holder) =>
        Effect.forkChild(channels().take(holder, "jobs", { wait: true }), { startImmediately: true }))
      yield* channels().append("w", "jobs", numbers(0, 3))
      expect((yield* Effect.forEach(waiting, Fiber.join)).map(taken)).toEqual([[0], [1], [2]])
    }))

    it("gives the item of a taker that was interrupted to the next one", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      const gone = yield* Effect.forkChild(channels().take("a", "jobs", { wait: true }), { startImmediately: true })
      const next = yield* Effect.forkChild(channels().take("b", "jobs", { wait: true }), { startImmediately: true })
      yield* Fiber.interrupt(gone)
      yield* channels().append("w", "jobs", numbers(0, 1))
      expect(taken(yield* Fiber.join(next))).toEqual([0])
    }))

    it("never hands out again what was acknowledged, also not after a restart", ({ channels, restart, time }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 6))
      const items = yield* channels().take("a", "jobs", { limit: 4 })
      yield* channels().settle("a", "jobs", [ack(items[0]!), ack(items[2]!)])
      time.advance(300_000)
      expect(taken(yield* channels().take("b", "jobs", { limit: 10 }))).toEqual([1, 3, 4, 5])
      yield* restart
      yield* channels().open(queue("jobs"))
      expect(yield* channels().backlog("jobs")).toBe(4)
      expect(taken(yield* channels().take("b", "jobs", { limit: 10 }))).toEqual([1, 3, 4, 5])
    }))

    it("hands out again what was not settled when its lease has ended, and wakes one who waits for it", ({ channels, time }) =>
      Effect.gen(function*() {
        yield* channels().open(queue("jobs", { leaseMillis: 1_000 }))
        yield* channels().append("w", "jobs", numbers(0, 1))
        const [first] = yield* channels().take("a", "jobs")
        const waiting = yield* Effect.forkChild(channels().take("b", "jobs", { wait: true }), { startImmediately: true })
        yield* settled
        time.advance(999)
        yield* settled
        expect(waiting.pollUnsafe()).toBeUndefined()
        time.advance(1)
        const [second] = yield* Fiber.join(waiting)
        expect(second!.event).toEqual(first!.event)
        expect(second!.attempt).toBe(2)
        expect(second!.epoch).toBeGreaterThan(first!.epoch)
      }))

    it("refuses a settlement by an old epoch, a stranger, after the lease, or for what was never taken", ({ channels, time }) =>
      Effect.gen(function*() {
        yield* channels().open(queue("jobs", { leaseMillis: 1_000 }))
        yield* channels().append("w", "jobs", numbers(0, 2))
        const [old] = yield* channels().take("a", "jobs")
        time.advance(1_000)
        expect(yield* Effect.flip(channels().settle("a", "jobs", [ack(old!)]))).toMatchObject({ _tag: "LeaseLost", newestEpoch: null })
        const [item] = yield* channels().take("b", "jobs")
        expect(yield* Effect.flip(channels().settle("a", "jobs", [ack(old!)]))).toMatchObject({
          _tag: "LeaseLost", newestEpoch: item!.epoch
        })
        expect((yield* Effect.flip(channels().settle("a", "jobs", [ack(item!)])))._tag).toBe("LeaseLost")
        const never = { cursor: item!.event.cursor + 1, epoch: item!.epoch, outcome: "ack" as const }
        expect((yield* Effect.flip(channels().settle("b", "jobs", [never])))._tag).toBe("LeaseLost")
        yield* channels().settle("b", "jobs", [ack(item!)])
        expect(yield* channels().backlog("jobs")).toBe(1)
      }))

    it("settles the others of a call in which one lease is lost", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 3))
      const items = yield* channels().take("a", "jobs", { limit: 3 })
      const wrong = { ...ack(items[1]!), epoch: 1 }
      const failure = yield* Effect.flip(channels().settle("a", "jobs", [ack(items[0]!), wrong, ack(items[2]!)]))
      expect(failure).toMatchObject({ _tag: "LeaseLost", cursor: items[1]!.event.cursor })
      expect(yield* channels().backlog("jobs")).toBe(1)
      yield* channels().settle("a", "jobs", [ack(items[1]!)])
      expect(yield* channels().backlog("jobs")).toBe(0)
    }))

    it("refuses a settlement of a lease from before a restart", ({ channels, restart }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 1))
      const [old] = yield* channels().take("a", "jobs")
      yield* restart
      yield* channels().open(queue("jobs"))
      const [item] = yield* channels().take("a", "jobs")
      expect(item!.epoch).toBeGreaterThan(old!.epoch)
      expect(item!.attempt).toBe(2)
      expect((yield* Effect.flip(channels().settle("a", "jobs", [ack(old!)])))._tag).toBe("LeaseLost")
      yield* channels().settle("a", "jobs", [ack(item!)])
    }))

    it("extends a lease that is renewed", ({ channels, time }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs", { leaseMillis: 1_000 }))
      yield* channels().append("w", "jobs", numbers(0, 1))
      const [item] = yield* channels().take("a", "jobs")
      time.advance(900)
      expect(yield* channels().renew("a", "jobs", item!.event.cursor, item!.epoch)).toBe(item!.expiresAt + 900)
      time.advance(900)
      expect(yield* channels().take("b", "jobs")).toEqual([])
      yield* channels().settle("a", "jobs", [ack(item!)])
      expect((yield* Effect.flip(channels().renew("a", "jobs", item!.event.cursor, item!.epoch)))._tag).toBe("LeaseLost")
    }))

    it("hands out again what was given back, before newer items", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 4))
      const [a, b] = yield* channels().take("a", "jobs", { limit: 2 })
      yield* channels().settle("a", "jobs", [nack(b!), nack(a!)])
      const again = yield* channels().take("b", "jobs", { limit: 10 })
      expect(taken(again)).toEqual([0, 1, 2, 3])
      expect(again.map((item) => item.attempt)).toEqual([2, 2, 1, 1])
    }))

    it("holds back what was given back with a delay", ({ channels, time }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 1))
      const [item] = yield* channels().take("a", "jobs")
      yield* channels().settle("a", "jobs", [nack(item!, { delayMillis: 5_000 })])
      const waiting = yield* Effect.forkChild(channels().take("b", "jobs", { wait: true }), { startImmediately: true })
      time.advance(4_999)
      yield* settled
      expect(waiting.pollUnsafe()).toBeUndefined()
      time.advance(1)
      expect(taken(yield* Fiber.join(waiting))).toEqual([0])
    }))

    it("gets back everything of a holder that is released, at once", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 5))
      const items = yield* channels().take("a", "jobs", { limit: 3 })
      yield* channels().take("b", "jobs", { limit: 1 })
      yield* channels().release("a")
      expect((yield* Effect.flip(channels().settle("a", "jobs", [ack(items[0]!)])))._tag).toBe("LeaseLost")
      expect(taken(yield* channels().take("c", "jobs", { limit: 10 }))).toEqual([0, 1, 2, 4])
    }))

    it("counts its backlog, held items included", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      expect(yield* channels().backlog("jobs")).toBe(0)
      for (let i = 0; i < 30; i++) yield* channels().append("w", "jobs", numbers(i * 50, i * 50 + 50))
      expect(yield* channels().backlog("jobs")).toBe(1_500)
      const items = yield* channels().take("a", "jobs", { limit: 700 })
      expect(yield* channels().backlog("jobs")).toBe(1_500)
      yield* channels().settle("a", "jobs", items.slice(100).map(ack))
      expect(yield* channels().backlog("jobs")).toBe(900)
      yield* channels().append("w", "jobs", numbers(0, 1))
      expect(yield* channels().backlog("jobs")).toBe(901)
    }))

    it("says up to where everything is settled", ({ channels, restart }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 5))
      const items = yield* channels().take("a", "jobs", { limit: 5 })
      const cursor = (at: number) => items[at]!.event.cursor
      expect(channels().settledFloor("jobs")).toBe(0)
      yield* channels().settle("a", "jobs", [1, 2].map((at) => ack(items[at]!)))
      expect(channels().settledFloor("jobs")).toBe(0)
      yield* channels().settle("a", "jobs", [ack(items[0]!)])
      expect(channels().settledFloor("jobs")).toBe(cursor(2))
      yield* channels().settle("a", "jobs", [ack(items[4]!)])
      yield* restart
      yield* channels().open(queue("jobs"))
      expect(channels().settledFloor("jobs")).toBe(cursor(2))
    }))

    it("keeps its whole log readable", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 3))
      const items = yield* channels().take("a", "jobs", { limit: 2 })
      yield* channels().settle("a", "jobs", items.map(ack))
      expect(payloads(yield* readAll(channels(), "r", "jobs", 10))).toEqual([0, 1, 2])
    }))

    it("is drained by 64 competing workers, each item once", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      for (let i = 0; i < 5; i++) yield* channels().append("w", "jobs", numbers(i * 200, i * 200 + 200))
      const done: Array<unknown> = []
      yield* Effect.forEach(Array.from({ length: 64 }, (_, at) => `worker-${at}`), (holder) =>
        Effect.gen(function*() {
          for (;;) {
            const items = yield* channels().take(holder, "jobs", { limit: 3 })
            if (items.length === 0) return
            yield* channels().settle(holder, "jobs", items.map(ack))
            done.push(...taken(items))
          }
        }), { concurrency: "unbounded", discard: true })
      expect(done.sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 1_000 }, (_, at) => at))
      expect(yield* channels().backlog("jobs")).toBe(0)
    }))

    it("replays a record of the whole state instead of every settlement", ({ channels, restart }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      for (let i = 0; i < 5; i++) yield* channels().append("w", "jobs", numbers(i * 1_000, i * 1_000 + 1_000))
      const [held] = yield* channels().take("slow", "jobs")
      const delayed: Array<unknown> = [0]
      for (let i = 1; i < 1_300; i++) {
        const [item] = yield* channels().take("a", "jobs")
        yield* channels().settle("a", "jobs", [i % 400 === 0 ? nack(item!, { delayMillis: 1 }) : ack(item!)])
        if (i % 400 === 0) delayed.push(i)
      }
      const companion = channels().store.statisticsOf(settlementOf("jobs"))!
      expect(companion.events).toBeLessThan(2_100)
      expect(held!.event.payload).toBe(0)
      yield* restart
      yield* channels().open(queue("jobs"))
      const rest = yield* channels().take("a", "jobs", { limit: 1_000 })
      expect(taken(rest).slice(0, 6)).toEqual([...delayed, 1_300, 1_301])
      expect(rest.slice(0, 5).map((item) => item.attempt)).toEqual([2, 2, 2, 2, 1])
      expect(yield* channels().backlog("jobs")).toBe(5_000 - 1_299 + 3)
    }))

    it("keeps the leases of its holders when it is redefined", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", numbers(0, 1))
      const [item] = yield* channels().take("a", "jobs")
      yield* channels().open(queue("jobs", { leaseMillis: 10 }))
      expect(yield* channels().take("b", "jobs")).toEqual([])
      yield* channels().settle("a", "jobs", [ack(item!)])
    }))
  })

  describe(`${backend.name}: dead letters`, () => {
    it("get an item that was handed out so often in vain, with its reason", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs", { attemptsMax: 3 }))
      yield* channels().append("w", "jobs", [{ kind: "poison", payload: { a: 1 } }, { payload: "good" }])
      for (let attempt = 1; attempt <= 3; attempt++) {
        const [item] = yield* channels().take("a", "jobs")
        expect(item!.attempt).toBe(attempt)
        yield* channels().settle("a", "jobs", [nack(item!, { reason: `no ${attempt}` })])
      }
      yield* channels().awaitBeyond("jobs.dead", 0)
      const [letter] = (yield* channels().read(owner, "jobs.dead")).events
      const [poison] = (yield* channels().read(owner, "jobs")).events
      expect(letter!.payload).toEqual({
        event: poison!.id, cursor: poison!.cursor, kind: "poison", sender: "w", reason: "no 3", attempts: 3, payload: { a: 1 }
      })
      expect(letter!.parentIds).toEqual([poison!.id])
      expect(letter!.sender).toBe(kernelSystem)
      expect(taken(yield* channels().take("a", "jobs", { limit: 5 }))).toEqual(["good"])
      while ((yield* channels().backlog("jobs")) > 1) yield* settled
    }))

    it("get an item whose holder declares it dead, before the call succeeds, once and for all", ({ channels, restart }) =>
      Effect.gen(function*() {
        yield* channels().open(queue("jobs"))
        yield* channels().append("w", "jobs", numbers(0, 2))
        const [item] = yield* channels().take("a", "jobs")
        yield* channels().settle("a", "jobs", [dead(item!, "cannot be parsed")])
        const letters = yield* readAll(channels(), owner, "jobs.dead", 10)
        expect(letters.map((letter) => letter.payload)).toMatchObject([{ payload: 0, reason: "cannot be parsed", attempts: 1 }])
        yield* restart
        yield* channels().open(queue("jobs"))
        expect(taken(yield* channels().take("a", "jobs", { limit: 5 }))).toEqual([1])
        expect(yield* readAll(channels(), owner, "jobs.dead", 10)).toHaveLength(1)
      }))

    it("get an item that each time ended the process, though nobody ever settled it", ({ channels, restart }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs", { attemptsMax: 2 }))
      yield* channels().append("w", "jobs", [{ payload: "kills" }])
      for (let attempt = 1; attempt <= 2; attempt++) {
        const [item] = yield* channels().take("a", "jobs")
        expect(item!.attempt).toBe(attempt)
        yield* restart
        yield* channels().open(queue("jobs", { attemptsMax: 2 }))
      }
      expect(yield* channels().take("a", "jobs")).toEqual([])
      yield* channels().awaitBeyond("jobs.dead", 0)
      expect(payloads(yield* readAll(channels(), owner, "jobs.dead", 10))).toMatchObject([{ payload: "kills", attempts: 2 }])
      while ((yield* channels().backlog("jobs")) > 0) yield* settled
    }))

    it("say which item it was when its payload leaves no room for the rest", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs"))
      yield* channels().append("w", "jobs", [{ payload: "x".repeat(1_048_000) }])
      const [item] = yield* channels().take("a", "jobs")
      yield* channels().settle("a", "jobs", [dead(item!, "too much")])
      expect(payloads(yield* readAll(channels(), owner, "jobs.dead", 10))).toMatchObject([{ event: item!.event.id, payload: null }])
    }))

    it("are not kept for the kernel's own requests", ({ channels }) => Effect.gen(function*() {
      yield* channels().open(channelOf({ name: "aaax.requests", delivery: "exclusive" }, kernelSystem))
      yield* channels().append("w", "aaax.requests", numbers(0, 1))
      const [item] = yield* channels().take(kernelSystem, "aaax.requests")
      yield* channels().settle(kernelSystem, "aaax.requests", [dead(item!, "malformed")])
      expect(channels().get("aaax.requests.dead")).toBeUndefined()
      expect(yield* channels().backlog("aaax.requests")).toBe(0)
    }))

    it("are spared an item whose takes were not recorded and did not end in a failure", ({ channels, restart }) => Effect.gen(function*() {
      yield* channels().open(queue("jobs", { attemptsMax: 1 }))
      yield* channels().append("w", "jobs", numbers(0, 1))
      expect(taken(yield* channels().take("a", "jobs", { unrecorded: true }))).toEqual([0])
      yield* restart
      yield* channels().open(queue("jobs", { attemptsMax: 1 }))
      expect(taken(yield* channels().take("a", "jobs", { unrecorded: true }))).toEqual([0])
    }))
  })
}
