// What a queue does when the store does not do as it is told, and how little it asks of it.
import { Effect, Exit, Fiber, Scope } from "effect"
import { describe, expect, test } from "vitest"
import { make, type ChannelsService } from "../../../kernel/channel/channels.ts"
import { makeLine } from "../../../kernel/channel/line.ts"
import { openItemsMax, queuePageEvents } from "../../../kernel/limits.ts"
import { make as makeMemory } from "../../../kernel/store/memory.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { AppendUnknown, StoreCorrupt, StoreUnavailable } from "../../../protocol/errors.ts"
import type { Taken } from "../../../protocol/subscription.ts"
import { settlementOf } from "../../../protocol/well-known.ts"
import { queue, spec } from "../../contract/delivery.ts"
import { effect } from "../../kit/it.ts"
import { makeRandom } from "../../kit/random.ts"
import { makeManualTime, type ManualTime } from "../../kit/time.ts"

interface Written {
  readonly channel: string
  readonly durability: string | undefined
  readonly text: string
  readonly key: string | undefined
}

interface Fixture {
  readonly time: ManualTime
  readonly store: StoreService
  readonly channels: ChannelsService
  readonly written: Array<Written>
  /** What an append to a channel fails with instead of being kept. */
  readonly failing: Map<string, StoreUnavailable | AppendUnknown>
  /** What an append to a channel waits for. */
  readonly gates: Map<string, Promise<void>>
  /** Cursors that cannot be read. */
  readonly damaged: Set<number>
}

const fixture = (keysAreFree = false): Effect.Effect<Fixture, never, Scope.Scope> =>
  Effect.gen(function*() {
    const time = makeManualTime()
    const memory = yield* makeMemory({ clock: time.clock })
    const written: Array<Written> = []
    const failing = new Map<string, StoreUnavailable | AppendUnknown>()
    const gates = new Map<string, Promise<void>>()
    const damaged = new Set<number>()
    const store: StoreService = {
      ...memory,
      keysAreFree,
      append: (channel, batch, options) =>
        Effect.suspend(() => {
          written.push({ channel, durability: options.durability, text: batch.map((one) => one.text).join(), key: options.key })
          const failure = failing.get(channel)
          const gate = gates.get(channel)
          const append = failure === undefined ? memory.append(channel, batch, options) : Effect.fail(failure)
          return gate === undefined ? append : Effect.andThen(Effect.promise(() => gate), append)
        }),
      read: (channel, options) =>
        damaged.has(options.after + 1) && channel === "jobs"
          ? Effect.fail(new StoreCorrupt({ where: channel, reason: "a page" }))
          : memory.read(channel, options),
      items: (channel, options) =>
        damaged.has(options.after + 1) && channel === "jobs"
          ? Effect.fail(new StoreCorrupt({ where: channel, reason: "a page" }))
          : memory.items(channel, options)
    }
    const channels = yield* make({ store, clock: time.clock, timer: time.timer, boot: () => 1 })
    return { time, store, channels, written, failing, gates, damaged }
  })

const it = (name: string, body: (fixture: Fixture) => Effect.Effect<unknown, unknown, Scope.Scope>): void =>
  effect(name, () => Effect.flatMap(fixture(), body))

const jobs = (count: number) => Array.from({ length: count }, (_, at) => ({ payload: at }))
const ack = (item: Taken) => ({ cursor: item.event.cursor, epoch: item.epoch, outcome: "ack" as const })
const nack = (item: Taken) => ({ cursor: item.event.cursor, epoch: item.epoch, outcome: "nack" as const })
const dead = (item: Taken) => ({ cursor: item.event.cursor, epoch: item.epoch, outcome: "dead" as const })
const companion = settlementOf("jobs")
const stopped = new StoreUnavailable({ reason: "disk full" })
const turnEnds = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 5)))

describe("what a queue writes", () => {
  it("is one record for all takes of a turn, and one for all acknowledgements", ({ channels, written }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(50))
    written.length = 0
    const taken = yield* Effect.forEach(jobs(50), (_, at) => channels.take(`h${at}`, "jobs"), { concurrency: "unbounded" })
    expect(written.map(({ channel }) => channel)).toEqual([companion])
    yield* Effect.forEach(taken, ([item], at) => channels.settle(`h${at}`, "jobs", [ack(item!)]), { concurrency: "unbounded" })
    expect(written.map(({ channel }) => channel)).toEqual([companion, companion])
    expect(written[1]!.text).toContain(`"payload":{"settled":[[0,50]]}`)
  }))

  it("is relaxed for attempts and of the channel's class for ends", ({ channels, written }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(1))
    written.length = 0
    const [item] = yield* channels.take("a", "jobs")
    yield* channels.settle("a", "jobs", [ack(item!)])
    expect(written.map(({ durability }) => durability)).toEqual(["relaxed", "strict"])
  }))

  it("is nothing for a take that is not to be recorded", ({ channels, written }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(1))
    written.length = 0
    expect(yield* channels.take("aaax", "jobs", { unrecorded: true })).toHaveLength(1)
    expect(written).toEqual([])
  }))
})

describe("a queue on a store that takes no writes", () => {
  it("hands nothing out, and counts no attempt", ({ channels, failing }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(2))
    failing.set(companion, stopped)
    expect(yield* Effect.flip(channels.take("a", "jobs", { limit: 2 }))).toBe(stopped)
    failing.clear()
    const items = yield* channels.take("b", "jobs", { limit: 2 })
    expect(items.map((item) => [item.event.payload, item.attempt])).toEqual([[0, 1], [1, 1]])
  }))

  it("leaves a lease as it was when its end cannot be written", ({ channels, failing, time }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs", { leaseMillis: 1_000 }))
    yield* channels.append("w", "jobs", jobs(1))
    const [item] = yield* channels.take("a", "jobs")
    failing.set(companion, stopped)
    expect(yield* Effect.flip(channels.settle("a", "jobs", [ack(item!)]))).toBe(stopped)
    expect(yield* channels.backlog("jobs")).toBe(1)
    failing.clear()
    expect(yield* channels.take("b", "jobs")).toEqual([])
    yield* channels.settle("a", "jobs", [ack(item!)])
    time.advance(1_000)
    expect(yield* channels.take("b", "jobs")).toEqual([])
  }))

  it("fails a take that ends leases as well, and leaves both as they were", ({ channels, failing }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(2))
    const [first] = yield* channels.take("a", "jobs")
    failing.set(companion, stopped)
    expect(yield* Effect.flip(channels.take("a", "jobs", { settle: [ack(first!)] }))).toBe(stopped)
    expect(yield* Effect.flip(channels.take("a", "jobs", { settle: [ack(first!)], wait: true, limit: 5 }))).toBe(stopped)
    failing.clear()
    expect(yield* channels.backlog("jobs")).toBe(2)
    expect((yield* channels.take("a", "jobs", { settle: [ack(first!)] })).map((item) => [item.event.payload, item.attempt])).toEqual([[1, 1]])
    expect(yield* channels.backlog("jobs")).toBe(1)
  }))

  it("tells of no removal that is not kept, and leaves what was held to its holder", ({ channels, failing }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    const appended = yield* channels.append("w", "jobs", jobs(3))
    const [first] = yield* channels.take("a", "jobs")
    yield* channels.settle("a", "jobs", (yield* channels.take("a", "jobs")).map(nack))
    failing.set(companion, stopped)
    expect(yield* Effect.flip(channels.remove("jobs", appended.map(({ id }) => id)))).toBe(stopped)
    failing.clear()
    yield* channels.settle("a", "jobs", [ack(first!)])
    expect((yield* channels.take("b", "jobs", { limit: 9 })).map((item) => item.event.payload)).toEqual([1, 2])
    expect((yield* channels.read("r", "jobs")).events.length).toBe(3)
  }))

  it("hands an item out again when its lease has ended meanwhile", ({ channels, failing, time }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs", { leaseMillis: 1_000 }))
    yield* channels.append("w", "jobs", jobs(1))
    const [item] = yield* channels.take("a", "jobs")
    failing.set(companion, stopped)
    yield* Effect.flip(channels.settle("a", "jobs", [dead(item!)]))
    failing.clear()
    time.advance(1_000)
    expect(yield* channels.take("b", "jobs")).toMatchObject([{ attempt: 2 }])
  }))

  it("buries an item later, once, when its letter or its end cannot be written now", ({ channels, failing, time, written }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs", { attemptsMax: 1 }))
    yield* channels.append("w", "jobs", jobs(1))
    const [item] = yield* channels.take("a", "jobs")
    failing.set("jobs.dead", stopped)
    written.length = 0
    yield* channels.settle("a", "jobs", [nack(item!)])
    yield* turnEnds
    expect(written).toHaveLength(1)
    failing.clear()
    failing.set(companion, stopped)
    time.advance(1_000)
    yield* turnEnds
    expect(yield* channels.backlog("jobs")).toBe(1)
    failing.clear()
    time.advance(1_000)
    yield* turnEnds
    expect(yield* channels.backlog("jobs")).toBe(0)
    expect((yield* channels.read("o", "jobs.dead")).events).toHaveLength(1)
  }))

  it("goes on when a letter was kept before a crash with another reason", ({ channels, store }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    const [appended] = yield* channels.append("w", "jobs", jobs(1))
    yield* channels.append("aaax", "jobs.dead", [{ payload: "the letter of an earlier boot" }], { key: `dead/${appended!.cursor}` })
    const [item] = yield* channels.take("a", "jobs")
    yield* channels.settle("a", "jobs", [dead(item!)])
    expect(store.statisticsOf("jobs.dead")!.events).toBe(1)
    expect(yield* channels.backlog("jobs")).toBe(0)
  }))
})

describe("a queue", () => {
  it("changes nothing for a settlement that cannot be read", ({ channels, time }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs", { leaseMillis: 1_000 }))
    yield* channels.append("w", "jobs", jobs(2))
    const [a, b] = yield* channels.take("a", "jobs", { limit: 2 })
    const throwing = { ...ack(b!), get outcome(): "ack" { throw new Error("no") } }
    yield* Effect.exit(channels.settle("a", "jobs", [ack(a!), throwing]))
    expect(yield* channels.backlog("jobs")).toBe(2)
    yield* channels.settle("a", "jobs", [ack(a!)])
    time.advance(1_000)
    expect(yield* channels.take("b", "jobs", { limit: 2 })).toMatchObject([{ event: { payload: 1 }, attempt: 2 }])
  }))

  it("that becomes a topic tells those who wait for items", ({ channels }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    const waiting = yield* Effect.forkChild(Effect.flip(channels.take("a", "jobs", { wait: true })), { startImmediately: true })
    yield* channels.open(spec("jobs", { form: "topic" }))
    expect(yield* Fiber.join(waiting)).toMatchObject({ _tag: "WrongDelivery", delivery: "shared" })
  }))

  effect("refuses settlements when it was closed", () => Effect.gen(function*() {
    const scope = yield* Scope.make()
    const { channels } = yield* Scope.provide(scope)(fixture())
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(1))
    const [item] = yield* channels.take("a", "jobs")
    yield* Scope.close(scope, Exit.void)
    expect(yield* Effect.flip(channels.settle("a", "jobs", [ack(item!)]))).toMatchObject({ _tag: "StoreUnavailable" })
  }))

  it("does not hand to a holder what it was about to get when it was released", ({ channels, failing }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(1))
    failing.set(companion, new AppendUnknown({ channel: companion, reason: "no answer" }))
    const taking = yield* Effect.forkChild(channels.take("a", "jobs"), { startImmediately: true })
    yield* Effect.promise(() => Promise.resolve())
    yield* channels.release("a")
    failing.clear()
    expect(yield* Fiber.join(taking)).toEqual([])
    expect(yield* channels.take("b", "jobs")).toMatchObject([{ attempt: 2 }])
      }))
})

describe("a queue on a log that lost something", () => {
  it("tells who takes of the gap, once, and goes on behind it", ({ channels, store }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(10))
    const [first] = yield* channels.take("a", "jobs")
    yield* channels.settle("a", "jobs", [ack(first!)])
    // Items that were read ahead are handed out; those behind the page are gone.
    const more = queuePageEvents + 100
    for (let i = 0; i < more; i += 100) yield* channels.append("w", "jobs", jobs(100))
    yield* store.evict("jobs", queuePageEvents + 50)
    const ahead = yield* channels.take("a", "jobs", { limit: 1_000 })
    expect(ahead).toHaveLength(9)
    expect(yield* Effect.flip(channels.take("a", "jobs"))).toMatchObject({ _tag: "Gap", floor: queuePageEvents + 50 })
    const [next] = yield* channels.take("a", "jobs")
    expect(next!.event.cursor).toBe(queuePageEvents + 51)
  }))

  it("sends an item that can no longer be read to the dead letters, by its cursor", ({ channels, damaged }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(2))
    const [item] = yield* channels.take("a", "jobs")
    yield* channels.settle("a", "jobs", [nack(item!)])
    damaged.add(item!.event.cursor)
    expect((yield* channels.take("a", "jobs", { limit: 5 })).map(({ event }) => event.payload)).toEqual([1])
    yield* channels.awaitBeyond("jobs.dead", 0)
    expect((yield* channels.read("o", "jobs.dead")).events[0]!.payload).toMatchObject({ cursor: item!.event.cursor, payload: null })
  }))

  it("tells who takes of a damaged page", ({ channels, damaged }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(2))
    damaged.add(1)
    expect((yield* Effect.flip(channels.take("a", "jobs")))._tag).toBe("StoreCorrupt")
    damaged.clear()
    expect(yield* channels.take("a", "jobs")).toHaveLength(1)
  }))
})

describe("the bounds of a queue", () => {
  it("hold how many items are handed out at once", ({ channels }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    for (let i = 0; i < 20; i++) yield* channels.append("w", "jobs", jobs(1_000))
    const held: Array<Taken> = []
    for (let items = yield* channels.take("a", "jobs", { limit: 1_000 }); items.length > 0;) {
      held.push(...items)
      items = yield* channels.take("a", "jobs", { limit: 1_000 })
    }
    expect(held.length).toBeGreaterThanOrEqual(openItemsMax)
    expect(held.length).toBeLessThan(openItemsMax + queuePageEvents)
    expect(yield* channels.backlog("jobs")).toBe(20_000)
    yield* channels.settle("a", "jobs", held.slice(0, 1_000).map(ack))
    expect((yield* channels.take("a", "jobs", { limit: 100 }))[0]!.event.cursor).toBe(held.length + 1)
  }))

  it("leave the event loop its turn while workers drain a backlog", ({ channels }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    for (let i = 0; i < 5; i++) yield* channels.append("w", "jobs", jobs(1_000))
    let loops = 0
    let left = true
    const count = (): void => {
      loops++
      if (left) setImmediate(count)
    }
    setImmediate(count)
    for (;;) {
      const [item] = yield* channels.take("a", "jobs")
      if (item === undefined) break
      yield* channels.settle("a", "jobs", [ack(item)])
    }
    left = false
    expect(loops).toBeGreaterThan(100)
  }))

  it("set one timer, and none when nothing is held", ({ channels, time }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs", { leaseMillis: 1_000 }))
    yield* channels.append("w", "jobs", jobs(100))
    expect(time.timers()).toBe(0)
    const items = yield* channels.take("a", "jobs", { limit: 50 })
    yield* channels.take("b", "jobs", { limit: 50 })
    expect(time.timers()).toBe(1)
    yield* channels.settle("a", "jobs", items.map(ack))
    yield* channels.release("b")
    time.advance(1_000)
    yield* turnEnds
    expect(time.timers()).toBe(0)
  }))
})

describe("an append whose outcome is unknown", () => {
  const unknown = new AppendUnknown({ channel: "log", reason: "no answer" })

  it("is told as it is when there is no key to repeat it with", ({ channels, failing, written }) => Effect.gen(function*() {
    yield* channels.open(spec("log"))
    failing.set("log", unknown)
    expect(yield* Effect.flip(channels.append("w", "log", [{ payload: 1 }]))).toBe(unknown)
    expect(written).toHaveLength(1)
  }))

  it("is repeated with its key until the answer is definite", ({ channels, failing, written }) => Effect.gen(function*() {
    yield* channels.open(spec("log"))
    failing.set("log", unknown)
    const appending = yield* Effect.forkChild(channels.append("w", "log", [{ payload: 1 }], { key: "k" }), { startImmediately: true })
    while (written.length < 3) yield* turnEnds
    failing.clear()
    expect(yield* Fiber.join(appending)).toHaveLength(1)
    expect(new Set(written.map(({ key }) => key))).toEqual(new Set(["k"]))
  }))

  it("stays unknown when the store is stopped before it can be repeated", ({ channels, failing, written }) => Effect.gen(function*() {
    yield* channels.open(spec("log"))
    failing.set("log", unknown)
    const appending = yield* Effect.forkChild(
      Effect.flip(channels.append("w", "log", [{ payload: 1 }], { key: "k" })), { startImmediately: true })
    while (written.length < 2) yield* turnEnds
    failing.set("log", stopped)
    expect(yield* Fiber.join(appending)).toBe(unknown)
  }))

  effect("is given a key where keys are free", () => Effect.gen(function*() {
    const { channels, failing, written } = yield* fixture(true)
    yield* channels.open(spec("log"))
    failing.set("log", unknown)
    const appending = yield* Effect.forkChild(channels.append("w", "log", [{ payload: 1 }]), { startImmediately: true })
    while (written.length < 2) yield* turnEnds
    failing.clear()
    yield* Fiber.join(appending)
    yield* channels.append("w", "log", [{ payload: 1 }])
    const keys = written.map(({ key }) => key)
    expect(keys[0]).toBe(keys[1])
    expect(keys[keys.length - 1]).not.toBe(keys[0])
  }))

  it("is repeated also on a stopped store when it must be kept", ({ channels, failing, written }) => Effect.gen(function*() {
    yield* channels.open(spec("log"))
    failing.set("log", stopped)
    const appending = yield* Effect.forkChild(channels.appendSurely("w", "log", [{ payload: 1 }], { key: "k" }), { startImmediately: true })
    while (written.length < 3) yield* turnEnds
    failing.set("log", unknown)
    while (written.length < 5) yield* turnEnds
    failing.clear()
    expect(yield* Fiber.join(appending)).toHaveLength(1)
  }))
})

describe("a take that ends leases first", () => {
  it("is one record with what it takes", ({ channels, written }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(2))
    const [first] = yield* channels.take("a", "jobs")
    written.length = 0
    const [second] = yield* channels.take("a", "jobs", { settle: [ack(first!)] })
    expect(second?.event.payload).toBe(1)
    expect(written.map(({ text }) => JSON.parse(`{${text}}`) as unknown)).toMatchObject([{ payload: { settled: [[0, 1]], taken: [2] } }])
  }))

  it("answers when the ends are kept, also when there is nothing to take", ({ channels, written }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(1))
    const [first] = yield* channels.take("a", "jobs")
    written.length = 0
    expect(yield* channels.take("a", "jobs", { settle: [ack(first!)] })).toEqual([])
    expect(written.map(({ channel }) => channel)).toEqual([companion])
    expect(yield* channels.backlog("jobs")).toBe(0)
  }))

  it("answers no sooner than the ends are kept, and fails when they are not, though there was nothing to take", ({ channels, failing, gates }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(1))
    const [first] = yield* channels.take("a", "jobs")
    for (const wait of [false, true]) {
      failing.set(companion, stopped)
      let open = (): void => undefined
      gates.set(companion, new Promise((resolve) => (open = resolve)))
      const taking = yield* Effect.forkChild(Effect.flip(channels.take("a", "jobs", { settle: [ack(first!)], wait })), { startImmediately: true })
      yield* turnEnds
      expect(taking.pollUnsafe()).toBeUndefined()
      open()
      expect(yield* Fiber.join(taking)).toBe(stopped)
    }
    failing.clear()
    gates.clear()
    expect(yield* channels.take("a", "jobs", { settle: [ack(first!)] })).toEqual([])
    expect(yield* channels.backlog("jobs")).toBe(0)
  }))

  it("takes nothing when a lease is lost, and settles the others", ({ channels }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(3))
    const [first, second] = yield* channels.take("a", "jobs", { limit: 2 })
    const failure = yield* Effect.flip(channels.take("a", "jobs", { settle: [{ ...ack(first!), epoch: 1 }, ack(second!)] }))
    expect(failure).toMatchObject({ _tag: "LeaseLost", cursor: first!.cursor })
    expect(yield* channels.backlog("jobs")).toBe(2)
    // The refusal of one call is not held against the next.
    expect((yield* channels.take("b", "jobs", { settle: [] })).map((item) => item.event.payload)).toEqual([2])
  }))

  it("gives items that can be copied and printed with their events", ({ channels }) => Effect.gen(function*() {
    yield* channels.open(queue("jobs"))
    yield* channels.append("w", "jobs", jobs(1))
    const [item] = yield* channels.take("a", "jobs")
    expect(JSON.parse(JSON.stringify(item))).toMatchObject({ event: { payload: 0 }, cursor: item!.event.cursor, epoch: item!.epoch, attempt: 1, expiresAt: item!.expiresAt })
    expect(item!.event).toBe(item!.event)
  }))
})

describe("the line of those who take", () => {
  interface Place {
    isInLine: boolean
    readonly number: number
  }
  const places = (count: number): ReadonlyArray<Place> => Array.from({ length: count }, (_, number) => ({ isInLine: false, number }))
  const numbersOf = (line: ReturnType<typeof makeLine<Place>>): ReadonlyArray<number> => {
    const numbers: Array<number> = []
    line.along(({ number }) => numbers.push(number) > 0)
    return numbers
  }

  test("keeps its order whoever leaves from wherever, and takes no more room than those who wait need", () => {
    const line = makeLine<Place>()
    const random = makeRandom(5)
    const waiting: Array<Place> = []
    for (const place of places(20_000)) {
      line.add(place)
      waiting.push(place)
      for (let times = random.int(3); times > 0 && waiting.length > 0; times--) {
        const [gone] = waiting.splice(random.chance(0.5) ? 0 : random.int(waiting.length), 1)
        expect(line.leave(gone!)).toBe(true)
        expect(line.leave(gone!)).toBe(false)
      }
      if (random.chance(0.02)) expect(numbersOf(line)).toEqual(waiting.map(({ number }) => number))
    }
    expect([line.size(), numbersOf(line)]).toEqual([waiting.length, waiting.map(({ number }) => number)])
    line.along((place) => line.leave(place))
    expect([line.size(), numbersOf(line)]).toEqual([0, []])
  })

  test("is gone along as far as its visitor likes", () => {
    const line = makeLine<Place>()
    for (const place of places(5)) line.add(place)
    const seen: Array<number> = []
    line.along((place) => {
      seen.push(place.number)
      line.leave(place)
      return place.number < 2
    })
    expect([seen, numbersOf(line)]).toEqual([[0, 1, 2], [3, 4]])
  })
})
