// Laws of a log that is read, taken from and trimmed at once, over random histories: a reader who comes back for what
// was held gets every event once that is left to it, and none that was removed; nothing is done twice.
import { Effect, Exit, Fiber } from "effect"
import { describe, expect } from "vitest"
import { make as makeMemory } from "../../kernel/store/memory.ts"
import type { Cursor } from "../../protocol/names.ts"
import type { Settlement, Taken } from "../../protocol/subscription.ts"
import { makeHouse, owner, queue, spec, type Backend, type House } from "../contract/delivery.ts"
import { effect } from "../kit/it.ts"
import { makeRandom, type Random } from "../kit/random.ts"

const memory: Backend = { name: "memory", open: ({ clock }) => Effect.map(makeMemory({ clock }), Effect.succeed) }
const hostile = (seed: number): Backend => ({
  name: "hostile memory",
  open: ({ clock }) =>
    Effect.map(makeMemory({ clock, hostile: { seed, failedKept: 0.06, failedLost: 0.06, failedLate: 0.06, latencyMillisMax: 1 } }), Effect.succeed)
})
const leaseMillis = 1_000
const log = spec("log", { leaseMillis, attemptsMax: 1_000 })
const letUnfold = Effect.promise(() => new Promise<void>((resolve) => setTimeout(resolve, 2)))

/** What an outside observer knows of one log. */
interface Known {
  readonly written: Map<Cursor, string>
  /** Its end may be kept, or its removal: nobody needs to see it any more. */
  readonly done: Set<Cursor>
  /** Its end or removal is kept for certain. */
  readonly gone: Set<Cursor>
  readonly holds: Array<{ readonly holder: string; readonly taken: Taken }>
  readonly seen: Set<Cursor>
  held: ReadonlyArray<Cursor>
  after: Cursor
}

const look = (house: House, known: Known) =>
  Effect.gen(function*() {
    const channels = house.channels()
    const see = (cursor: Cursor): void => {
      expect(known.seen.has(cursor), `event ${cursor} was seen twice`).toBe(false)
      expect(known.gone.has(cursor), `event ${cursor} was seen after its end`).toBe(false)
      known.seen.add(cursor)
    }
    const still: Array<Cursor> = []
    for (const cursor of known.held) {
      const page = yield* Effect.catchTag(channels.read("reader", "log", { after: cursor - 1, limit: 1 }), "Gap", () => Effect.succeed(undefined))
      if (page?.events[0]?.cursor === cursor) see(cursor)
      else if (page?.held?.includes(cursor) === true) still.push(cursor)
    }
    const page = yield* Effect.catchTag(channels.read("reader", "log", { after: known.after, limit: 7 }), "Gap", (gap) =>
      channels.read("reader", "log", { after: gap.floor, limit: 7 }))
    for (const { cursor } of page.events) see(cursor)
    known.held = [...still, ...(page.held ?? [])]
    known.after = page.next
    return known.held.length === 0 && page.next >= page.head
  })

const step = (house: House, random: Random, known: Known): Effect.Effect<void> =>
  Effect.gen(function*() {
    const channels = house.channels()
    const holder = `h${random.int(3)}`
    switch (random.int(12)) {
      case 0:
      case 1:
      case 2: {
        const drafts = Array.from({ length: 1 + random.int(6) }, () => ({ payload: 0 }))
        const exit = yield* Effect.exit(channels.appendSurely("w", "log", drafts, { key: `k${known.written.size}/${random.int(1e9)}` }))
        if (Exit.isSuccess(exit)) for (const { cursor, id } of exit.value) known.written.set(cursor, id)
        return
      }
      case 3:
      case 4: {
        const exit = yield* Effect.exit(channels.take(holder, "log", { limit: 1 + random.int(4) }))
        if (Exit.isSuccess(exit)) for (const taken of exit.value) known.holds.push({ holder, taken })
        return
      }
      case 5:
      case 6: {
        const mine = known.holds.filter((hold) => hold.holder === holder)
        if (mine.length === 0) return
        const { taken } = random.pick(mine)
        known.holds.splice(known.holds.findIndex((hold) => hold.taken === taken), 1)
        const outcome = random.pick(["ack", "ack", "nack"] as const)
        if (outcome === "ack") known.done.add(taken.cursor)
        const exit = yield* Effect.exit(channels.settle(holder, "log", [{ cursor: taken.cursor, epoch: taken.epoch, outcome }]))
        if (Exit.isSuccess(exit) && outcome === "ack") known.gone.add(taken.cursor)
        return
      }
      case 7: {
        const victims = random.shuffle([...known.written]).slice(0, 2)
        for (const [cursor] of victims) known.done.add(cursor)
        const exit = yield* Effect.exit(channels.remove("log", victims.map(([, id]) => id)))
        if (Exit.isSuccess(exit)) for (const [cursor] of victims) known.gone.add(cursor)
        return
      }
      case 8: {
        if (random.chance(0.8)) return
        const kept = [...known.written.keys()].slice(-(5 + random.int(20)))
        for (const cursor of known.written.keys()) if (cursor < (kept[0] ?? 0)) known.done.add(cursor)
        yield* Effect.exit(channels.evict("log", { maxCount: kept.length }))
        return
      }
      case 9:
        return house.time.advance(random.pick([1, leaseMillis]))
      case 10:
        if (random.chance(0.8)) return
        yield* house.restart
        yield* house.channels().open(log)
        known.holds.length = 0
        return
      default:
        return void (yield* look(house, known))
    }
  }).pipe(Effect.orDie)

describe("a log that is read and taken from, over random histories with restarts", () => {
  const histories: ReadonlyArray<readonly [string, (seed: number) => Backend, number, number]> = [
    ["memory", () => memory, 60, 300],
    ["hostile memory", hostile, 10, 150]
  ]
  for (const [name, backend, seeds, steps] of histories) {
    effect(`shows its reader once what nobody did, and nothing that is gone (${name})`, () =>
      Effect.forEach(Array.from({ length: seeds }, (_, seed) => seed), (seed) =>
        Effect.scoped(Effect.gen(function*() {
          const house = yield* makeHouse(backend(seed))
          const random = makeRandom(seed)
          const known: Known = { written: new Map(), done: new Set(), gone: new Set(), holds: [], seen: new Set(), held: [], after: 0 }
          yield* house.channels().open(log)
          for (let at = 0; at < steps; at++) yield* step(house, random, known)
          house.time.advance(10 * leaseMillis)
          while (!(yield* look(house, known))) yield* letUnfold
          const missed = [...known.written.keys()].filter((cursor) => !known.seen.has(cursor) && !known.done.has(cursor))
          expect(missed, "events that nobody ended and that the reader never got").toEqual([])
        })).pipe(Effect.catchDefect((defect) => Effect.die(new Error(`seed ${seed}: ${String(defect)}`)))), { discard: true }))
  }
})

describe("a queue whose workers settle with their next take", () => {
  for (const [name, backend] of [["memory", memory], ["hostile memory", hostile(7)]] as const) {
    effect(`ends every item once while they come and go in the middle of their calls (${name})`, () =>
      Effect.gen(function*() {
        const house = yield* makeHouse(backend)
        const random = makeRandom(3)
        const channels = house.channels()
        yield* channels.open(queue("jobs", { leaseMillis, attemptsMax: 1_000 }))
        const acked: Array<Cursor> = []
        const worker = (holder: string) =>
          Effect.gen(function*() {
            let ends: ReadonlyArray<Settlement> = []
            for (;;) {
              const exit = yield* Effect.exit(channels.take(holder, "jobs", { limit: 1 + random.int(3), settle: ends, wait: ends.length === 0 }))
              if (Exit.isSuccess(exit)) for (const { cursor, outcome } of ends) if (outcome === "ack") acked.push(cursor)
              ends = Exit.isSuccess(exit)
                ? exit.value.map(({ cursor, epoch }) => ({ cursor, epoch, outcome: random.chance(0.2) ? "nack" : "ack" }))
                : []
            }
          })
        const names = Array.from({ length: 6 }, (_, at) => `w${at}`)
        const fibers = new Map<string, Fiber.Fiber<unknown, unknown>>()
        for (const holder of names) fibers.set(holder, yield* Effect.forkChild(worker(holder), { startImmediately: true }))
        let last = 0
        for (let payload = 0; payload < 400; payload++) {
          last = (yield* channels.append(owner, "jobs", [{ payload }]))[0]!.cursor
          if (!random.chance(0.1)) continue
          const victim = random.pick(names)
          yield* Fiber.interrupt(fibers.get(victim)!)
          yield* channels.release(victim)
          fibers.set(victim, yield* Effect.forkChild(worker(victim), { startImmediately: true }))
        }
        while ((yield* channels.backlog("jobs")) > 0) {
          yield* letUnfold
          house.time.advance(leaseMillis)
        }
        expect(new Set(acked).size, "an item was acknowledged twice").toBe(acked.length)
        expect(channels.settledFloor("jobs")).toBe(last)
        for (const fiber of fibers.values()) yield* Fiber.interrupt(fiber)
      }))
  }
})
