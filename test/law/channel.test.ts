// Laws of the channels over random histories: cursors grow, no acknowledged event is lost, one holder for an item and
// epoch, an old epoch settles nothing, and every item ends exactly once. The histories restart in between.
import { Effect, Exit, Fiber } from "effect"
import { describe, expect, it as test } from "vitest"
import { join, nothingSettled, recordText, type SettlementRecord } from "../../kernel/channel/settlement.ts"
import { make as makeMemory } from "../../kernel/store/memory.ts"
import type { Event } from "../../protocol/event.ts"
import type { Outcome, Taken } from "../../protocol/subscription.ts"
import { makeHouse, owner, queue, type Backend, type House } from "../contract/delivery.ts"
import { effect } from "../kit/it.ts"
import { makeRandom, type Random } from "../kit/random.ts"

const memory: Backend = { name: "memory", open: ({ clock }) => Effect.map(makeMemory({ clock }), Effect.succeed) }
const hostile = (seed: number): Backend => ({
  name: "hostile memory",
  open: ({ clock }) =>
    Effect.map(makeMemory({ clock, hostile: { seed, failedKept: 0.06, failedLost: 0.06, failedLate: 0.06, latencyMillisMax: 1 } }), Effect.succeed)
})

const leaseMillis = 1_000
const attemptsMax = 4
const jobs = queue("jobs", { leaseMillis, attemptsMax })

interface Hold {
  readonly holder: string
  readonly taken: Taken
}

/** What an outside observer knows, and checks, of one queue. */
const makeObserver = (house: House) => {
  const appended: Array<{ readonly payload: number; readonly cursor: number }> = []
  const held = new Map<number, Hold>()
  const past: Array<Hold> = []
  const epochs = new Set<number>()
  /** Confirmed ends by cursor. */
  const ends = new Map<number, Outcome>()
  const attempts = new Map<number, number>()
  const isLive = (hold: Hold): boolean => hold.taken.expiresAt > house.time.clock.now()
  return {
    appended, held, past, ends,
    append: (payload: number, cursor: number): void => {
      expect(cursor).toBeGreaterThan(appended[appended.length - 1]?.cursor ?? 0)
      appended.push({ payload, cursor })
    },
    took: (holder: string, items: ReadonlyArray<Taken>): void => {
      for (const taken of items) {
        const { cursor } = taken.event
        const before = held.get(cursor)
        expect(ends.get(cursor), `item ${cursor} was handed out after its end`).toBeUndefined()
        expect(before !== undefined && isLive(before), `item ${cursor} has two holders`).toBe(false)
        expect(epochs.has(taken.epoch), "an epoch was used twice").toBe(false)
        expect(taken.epoch).toBeGreaterThan(before?.taken.epoch ?? 0)
        expect(taken.attempt).toBeLessThanOrEqual(attemptsMax)
        expect(taken.attempt).toBeGreaterThan(attempts.get(cursor) ?? 0)
        epochs.add(taken.epoch)
        attempts.set(cursor, taken.attempt)
        if (before !== undefined) past.push(before)
        held.set(cursor, { holder, taken })
      }
    },
    left: (holds: ReadonlyArray<Hold>): void => {
      for (const hold of holds) {
        held.delete(hold.taken.event.cursor)
        past.push(hold)
      }
    },
    isLive
  }
}

const settlement = (hold: Hold, outcome: Outcome, delayMillis?: number) => ({
  cursor: hold.taken.event.cursor, epoch: hold.taken.epoch, outcome, ...(delayMillis === undefined ? {} : { delayMillis })
})

const letUnfold = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 25)))

const step = (house: House, random: Random, observer: ReturnType<typeof makeObserver>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const channels = house.channels()
    const holder = random.pick(["a", "b", "c"])
    const mine = [...observer.held.values()].filter((hold) => hold.holder === holder && observer.isLive(hold))
    switch (random.int(10)) {
      case 0:
      case 1: {
        const first = observer.appended.length
        const drafts = Array.from({ length: 1 + random.int(4) }, (_, at) => ({ payload: first + at }))
        const cursors = yield* channels.append("w", "jobs", drafts)
        cursors.forEach(({ cursor }, at) => observer.append(first + at, cursor))
        return
      }
      case 2:
      case 3:
      case 4:
        return observer.took(holder, yield* channels.take(holder, "jobs", { limit: 1 + random.int(4) }))
      case 5:
      case 6: {
        if (mine.length === 0) return
        const hold = random.pick(mine)
        const outcome = random.pick<Outcome>(["ack", "ack", "nack", "nack", "dead"])
        yield* channels.settle(holder, "jobs", [settlement(hold, outcome, random.chance(0.3) ? 500 : undefined)])
        observer.left([hold])
        if (outcome !== "nack") observer.ends.set(hold.taken.event.cursor, outcome)
        return
      }
      case 7: {
        if (observer.past.length === 0) return
        const old = random.pick(observer.past)
        const result = yield* Effect.exit(channels.settle(old.holder, "jobs", [settlement(old, random.pick<Outcome>(["ack", "nack", "dead"]))]))
        return expect(Exit.isFailure(result), "an old epoch settled an item").toBe(true)
      }
      case 8:
        house.time.advance(random.pick([1, 100, leaseMillis]))
        return observer.left([...observer.held.values()].filter((hold) => !observer.isLive(hold)))
      default: {
        if (random.chance(0.5)) {
          yield* channels.release(holder)
          return observer.left(mine)
        }
        if (random.chance(0.7)) return
        yield* house.restart
        yield* house.channels().open(jobs)
        return observer.left([...observer.held.values()])
      }
    }
  }).pipe(Effect.orDie)

const readAll = (house: House, name: string) =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    for (let after = 0; ; ) {
      const page = yield* house.channels().read(owner, name, { after, limit: 1_000 })
      events.push(...page.events)
      if (page.next >= page.head) return events
      after = page.next
    }
  })

/** Takes and acknowledges until nothing is left; what had its attempts goes to the dead letters meanwhile. */
const drain = (house: House, observer: ReturnType<typeof makeObserver>) =>
  Effect.gen(function*() {
    house.time.advance(10 * leaseMillis)
    observer.left([...observer.held.values()])
    for (let idle = 0; idle < 3; ) {
      const items = yield* house.channels().take("last", "jobs", { limit: 100 })
      observer.took("last", items)
      const holds = items.map((taken) => ({ holder: "last", taken }))
      yield* house.channels().settle("last", "jobs", holds.map((hold) => settlement(hold, "ack")))
      observer.left(holds)
      for (const hold of holds) observer.ends.set(hold.taken.event.cursor, "ack")
      idle = items.length === 0 ? idle + 1 : 0
      if (items.length === 0) {
        yield* letUnfold
        house.time.advance(2_000)
      }
    }
  })

const checkEnd = (house: House, observer: ReturnType<typeof makeObserver>) =>
  Effect.gen(function*() {
    const log = yield* readAll(house, "jobs")
    expect(log.map((event) => ({ payload: event.payload, cursor: event.cursor })), "the log is not what was acknowledged")
      .toEqual(observer.appended)
    const letters = (yield* readAll(house, "jobs.dead")).map((letter) => (letter.payload as { readonly cursor: number }).cursor)
    expect(new Set(letters).size, "an item was buried twice").toBe(letters.length)
    const acked = [...observer.ends].filter(([, outcome]) => outcome === "ack").map(([cursor]) => cursor)
    for (const cursor of letters) expect(acked, `item ${cursor} is acknowledged and dead`).not.toContain(cursor)
    expect([...acked, ...letters].sort((a, b) => a - b), "an item has no end").toEqual(observer.appended.map(({ cursor }) => cursor))
    expect(yield* house.channels().backlog("jobs")).toBe(0)
    expect(house.channels().settledFloor("jobs")).toBe(observer.appended[observer.appended.length - 1]?.cursor ?? 0)
  })

describe("a queue, over random histories with restarts", () => {
  const histories: ReadonlyArray<readonly [string, (seed: number) => Backend, number, number]> = [
    ["memory", () => memory, 60, 250],
    ["hostile memory", hostile, 12, 150]
  ]
  for (const [name, backend, seeds, steps] of histories) {
    effect(`loses nothing, ends every item once and has one holder for each (${name})`, () =>
      Effect.forEach(Array.from({ length: seeds }, (_, seed) => seed), (seed) =>
        Effect.scoped(Effect.gen(function*() {
          const house = yield* makeHouse(backend(seed))
          const random = makeRandom(seed)
          const observer = makeObserver(house)
          yield* house.channels().open(jobs)
          for (let i = 0; i < steps; i++) yield* step(house, random, observer)
          yield* drain(house, observer)
          yield* checkEnd(house, observer)
          yield* house.restart
          yield* house.channels().open(jobs)
          expect(yield* house.channels().take("z", "jobs")).toEqual([])
          yield* checkEnd(house, observer)
        })).pipe(Effect.catchDefect((defect) => Effect.die(new Error(`seed ${seed}: ${String(defect)}`)))), { discard: true }))
  }

  for (const [name, backend] of [["memory", memory], ["hostile memory", hostile(99)]] as const) {
    effect(`ends every item once while workers come and go in the middle of their calls (${name})`, () =>
      Effect.gen(function*() {
        const house = yield* makeHouse(backend)
        const random = makeRandom(1)
        const channels = house.channels()
        yield* channels.open(queue("jobs", { leaseMillis, attemptsMax: 1_000 }))
        const acked: Array<number> = []
        const total = 400
        const worker = (holder: string) =>
          Effect.gen(function*() {
            for (;;) {
              const items = yield* channels.take(holder, "jobs", { limit: 1 + random.int(3), wait: true })
              for (const taken of items) {
                const hold = { holder, taken }
                if (random.chance(0.2)) yield* Effect.ignore(channels.settle(holder, "jobs", [settlement(hold, "nack")]))
                else {
                  const settled = yield* Effect.exit(channels.settle(holder, "jobs", [settlement(hold, "ack")]))
                  if (Exit.isSuccess(settled)) acked.push(taken.event.cursor)
                }
              }
            }
          })
        const fibers = new Map<string, Fiber.Fiber<unknown, unknown>>()
        for (let i = 0; i < 8; i++) fibers.set(`w${i}`, yield* Effect.forkChild(worker(`w${i}`), { startImmediately: true }))
        const cursors: Array<number> = []
        for (let payload = 0; payload < total; payload++) {
          const [appended] = yield* channels.append("w", "jobs", [{ payload }])
          cursors.push(appended!.cursor)
          if (!random.chance(0.1)) continue
          // Between two calls, or in the middle of one: an acknowledgement may be kept and nobody be told.
          const victim = random.pick([...fibers.keys()])
          yield* Fiber.interrupt(fibers.get(victim)!)
          yield* channels.release(victim)
          fibers.set(victim, yield* Effect.forkChild(worker(victim), { startImmediately: true }))
        }
        while ((yield* channels.backlog("jobs")) > 0) {
          yield* letUnfold
          house.time.advance(leaseMillis)
        }
        expect(new Set(acked).size, "an item was acknowledged twice").toBe(acked.length)
        expect(channels.settledFloor("jobs")).toBe(cursors[total - 1])
        for (const fiber of fibers.values()) yield* Fiber.interrupt(fiber)
      }))
  }
})

describe("the fold of settlements", () => {
  const randomRecord = (random: Random): SettlementRecord => ({
    settled: Array.from({ length: random.int(4) }, () => {
      const from = 1 + random.int(60)
      return random.chance(0.5) ? from : [from, from + random.int(6)] as const
    }),
    taken: Array.from({ length: random.int(4) }, () => (random.chance(0.5) ? 1 + random.int(60) : [1 + random.int(60), 1 + random.int(5)] as const))
  })

  test("of a prefix and of what follows is the fold of the whole, in any order, with any repetition", () => {
    const random = makeRandom(11)
    for (let round = 0; round < 500; round++) {
      const records = Array.from({ length: random.int(30) }, () => randomRecord(random))
      const whole = join(nothingSettled, records)
      const cut = random.int(records.length + 1)
      const prefix = join(nothingSettled, records.slice(0, cut))
      expect(join(prefix, records.slice(cut))).toEqual(whole)
      const other = join(nothingSettled, random.shuffle([...records, ...records.filter(() => random.chance(0.3))]))
      expect({ runs: other.runs, attempts: [...other.attempts].sort() }).toEqual({ runs: whole.runs, attempts: [...whole.attempts].sort() })
      // A record of the whole state stands for all records before it, also when one of them comes late.
      const state = JSON.parse(recordText(prefix.runs, prefix.attempts, [])) as SettlementRecord
      const late = records.slice(0, cut).filter(() => random.chance(0.2))
      const resumed = join(nothingSettled, [state, ...records.slice(cut), ...late])
      expect({ runs: resumed.runs, attempts: [...resumed.attempts].sort() }).toEqual({ runs: whole.runs, attempts: [...whole.attempts].sort() })
    }
  })
})
