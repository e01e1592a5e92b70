import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { pagesOf, stateOfPages } from "../../../modules/coordinator/pages.ts"
import { talkOf } from "../../../modules/coordinator/whole.ts"
import { relay } from "../../../modules/relay/index.ts"
import { dockSeat, makeTable, type Asking } from "../../kit/coordination.ts"
import { damaged, failing } from "../../kit/damaged-store.ts"
import { effect } from "../../kit/it.ts"

const position = "coordination.position"
type Kernel = Effect.Success<ReturnType<typeof makeKernel>>

/** One life of a kernel over a store that goes on; ends as a kill does, without a drain. */
const alive = <A>(store: StoreService, time: ReturnType<typeof testTime>, keep: number, body: (seat: (id: string) => Effect.Effect<Asking, unknown>, kernel: Kernel) => Effect.Effect<A, unknown>): Effect.Effect<A, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const kernel = yield* makeKernel({ store, time })
    yield* kernel.dock(coordinator({ keep, historyMax: 1 }), { configured: true })
    return yield* body((id) => dockSeat(kernel, id), kernel)
  }))

const drained = (kernel: Kernel, keep: number) => Effect.gen(function*() {
  yield* kernel.drain("coordinator")
  yield* kernel.undock("coordinator")
  yield* kernel.dock(coordinator({ keep, historyMax: 1 }), { configured: true })
})

/** Some of everything, other things in each round. */
const work = (ann: Asking, bob: Asking, round: number) => Effect.gen(function*() {
  yield* ann.get({ verb: "claim", task: `t${round}`, paths: [`src/${round}`], key: `k${round}` })
  yield* ann.get({ verb: "checkpoint", task: `t${round}`, checkpoint: `c${round}` })
  yield* ann.get({ verb: "claim", task: "gone", paths: ["gone"] })
  yield* ann.get({ verb: "release", task: "gone" })
  yield* ann.get({ verb: "declare", task: `p${round}`, title: "P" })
  yield* ann.get({ verb: "progress", task: `p${round}`, text: "going" })
  yield* ann.get({ verb: "send", target: "bob", payload: `m${round}` })
  if (round % 2 === 0) yield* bob.get({ verb: "inbox" })
})

const seen = (bob: Asking) => Effect.gen(function*() {
  const board = yield* bob.get({ verb: "board" })
  return {
    items: (yield* bob.get({ verb: "state" })).items, tasks: board.items, progress: board.progress,
    chats: (yield* bob.get({ verb: "history" })).messages, receipts: (yield* bob.get({ verb: "receipts" })).receipts
  }
})

/** Three whole states, and something behind the last. */
const written = (store: StoreService, time: ReturnType<typeof testTime>, keep: number) =>
  alive(store, time, keep, (seat, kernel) => Effect.gen(function*() {
    const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
    const positions: Array<{ readonly cursor: number; readonly to: number; readonly talk: number }> = []
    for (let round = 0; round < 3; round++) {
      yield* work(ann, bob, round)
      yield* drained(kernel, keep)
      positions.push((yield* Effect.orDie(store.getSnapshot(position)))!.value as never)
    }
    yield* work(ann, bob, 3)
    return { positions, before: yield* seen(bob) }
  }))

const open = Effect.fnUntraced(function*() {
  const time = testTime()
  return { time, store: yield* Memory.make({ clock: makeClock(time) }) }
})

const positionIn = (store: StoreService) => Effect.map(Effect.orDie(store.getSnapshot(position)), (snapshot) => snapshot!.value as Readonly<Record<string, unknown>>)

describe("the whole state", () => {
  effect("what lies before the state before the newest goes, of the ledger and of the talk, and a start comes to the same", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    const { before, positions } = yield* written(store, time, 0)
    const floors = [coordination.ledger, coordination.talk].map((name) => store.statisticsOf(name)!.floor)
    expect(floors[0]).toBe(positions[1]!.cursor)
    expect(floors[0]).toBeGreaterThan(positions[0]!.to)
    // From the oldest message on that was kept then.
    expect(floors[1]).toBe(positions[1]!.talk)
    expect(floors[1]).toBeGreaterThan(0)
    yield* alive(store, time, 0, (seat) => Effect.gen(function*() {
      expect(yield* seen(yield* seat("bob"))).toEqual(before)
    }))
  }))

  effect("so much of the past stays as the config says", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* written(store, time, 8)
    // Eight before what came behind the third state.
    expect(store.statisticsOf(coordination.ledger)).toEqual({ floor: 10, head: 23, events: 13 })
    const other = yield* open()
    yield* written(other.store, other.time, 1_000)
    expect(other.store.statisticsOf(coordination.ledger)?.floor).toBe(0)
    expect(() => coordinator({ keep: -1 })).toThrow("keep is -1")
  }))

  effect("killed between any two steps of writing it down, the next start comes to the same", () => Effect.gen(function*() {
    let all: ReadonlyArray<string> = []
    for (let killed = 0; killed <= 5; killed++) {
      // Of this round alone: one that was killed may try once more while the next one goes on.
      const steps: Array<string> = []
      const { store, time } = yield* open()
      const { before } = yield* written(store, time, 0)
      let counting = false
      let reached = (): void => undefined
      let step = 0
      const isOf = (channel: string): boolean => channel === coordination.ledger || channel === coordination.talk
      const dying = failing(store, isOf, (what) => {
        if (!counting) return false
        steps.push(what)
        if (step > killed) reached()
        return step++ >= killed
      })
      yield* alive(dying, time, 0, (_seat, kernel) => Effect.gen(function*() {
        counting = true
        const died = new Promise<void>((resolve) => (reached = resolve))
        yield* Effect.forkDetach(Effect.ensuring(kernel.drain("coordinator"), Effect.sync(() => reached())))
        yield* Effect.promise(() => died)
      }))
      yield* alive(store, time, 0, (seat, kernel) => Effect.gen(function*() {
        const bob = yield* seat("bob")
        expect(yield* seen(bob), `after step ${killed}`).toEqual(before)
        yield* drained(kernel, 0)
        expect(yield* seen(bob), `after step ${killed} and a whole state`).toEqual(before)
        yield* bob.get({ verb: "claim", task: "next", paths: ["next"] })
      }))
      all = steps
    }
    expect(all).toEqual([`append ${coordination.ledger}`, `snapshot ${position}`, `evict ${coordination.ledger}`, `evict ${coordination.talk}`])
  }))

  effect("without its position a start finds a whole state in what is left of the ledger", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    const { before, positions } = yield* written(store, time, 0)
    const lost: StoreService = { ...store, getSnapshot: (name) => (name === position ? Effect.succeed(undefined) : store.getSnapshot(name)) }
    yield* alive(lost, time, 0, (seat) => Effect.gen(function*() {
      expect(yield* seen(yield* seat("bob"))).toEqual(before)
    }))
    // A position that points at what is there no more.
    const old: StoreService = {
      ...store,
      getSnapshot: (name) => Effect.map(store.getSnapshot(name), (snapshot) => (snapshot === undefined || name !== position ? snapshot : { ...snapshot, value: positions[0]! as never }))
    }
    yield* alive(old, time, 0, (seat) => Effect.gen(function*() {
      const bob = yield* seat("bob")
      expect(yield* seen(bob)).toEqual(before)
      yield* bob.get({ verb: "claim", task: "next", paths: ["next"] })
    }))
  }))

  effect("with a damaged page in the newest, a start goes on from the one before, and nothing is lost", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    const { before, positions } = yield* written(store, time, 0)
    const { cursor, to } = positions[2]!
    expect(to).toBe(cursor + 1)
    yield* alive(damaged(store, coordination.ledger, [to]), time, 0, (seat) => Effect.gen(function*() {
      const bob = yield* seat("bob")
      expect(yield* seen(bob)).toEqual(before)
      yield* bob.get({ verb: "claim", task: "next", paths: ["next"] })
    }))
    // It says so, and has written another one.
    expect(yield* positionIn(store)).toMatchObject({ unreadable: 1, lost: 0, examples: [`${coordination.ledger}#${to}: its checksum is wrong`] })
    yield* alive(damaged(store, coordination.ledger, [to]), time, 0, (seat) => Effect.gen(function*() {
      expect((yield* seen(yield* seat("bob"))).items.map(({ task }) => task)).toEqual([...before.items.map(({ task }) => task), "next"])
    }))
  }))

  effect("a damaged page that no position tells of is known by those behind it", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* alive(store, time, 0, (seat, kernel) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
      for (let at = 0; at < 60; at++) yield* ann.get({ verb: "declare", task: `p${at}`, title: "P", description: "d".repeat(8_000) })
      yield* drained(kernel, 0)
    }))
    const { cursor, to } = (yield* positionIn(store)) as { cursor: number; to: number }
    expect(to).toBeGreaterThan(cursor + 1)
    const lost: StoreService = { ...damaged(store, coordination.ledger, [cursor + 1]), getSnapshot: (name) => (name === position ? Effect.succeed(undefined) : store.getSnapshot(name)) }
    yield* alive(lost, time, 0, (seat) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      expect((yield* ann.get({ verb: "losses" })).entries).toBe(0)
      yield* ann.get({ verb: "release", task: "t" })
    }))
  }))

  effect("with both damaged, what they told is lost, and that is known", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    const { positions } = yield* written(store, time, 0)
    yield* alive(damaged(store, coordination.ledger, [positions[1]!.to, positions[2]!.to]), time, 0, (seat) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      const { entries, places } = yield* ann.get({ verb: "losses" })
      expect(places[0]).toMatchObject({ from: 1, reason: expect.stringContaining("no whole state tells of it") })
      expect(entries).toBe(1)
      expect(yield* ann.ask({ verb: "claim", task: "x", paths: ["x"] })).toMatchObject({ ok: false, code: "LEDGER_DAMAGED" })
    }))
  }))

  effect("what cannot be read before a whole state is lost to nobody", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    const { before } = yield* written(store, time, 1_000)
    const lost: StoreService = { ...damaged(store, coordination.ledger, [1, 2]), getSnapshot: (name) => (name === position ? Effect.succeed(undefined) : store.getSnapshot(name)) }
    yield* alive(lost, time, 1_000, (seat) => Effect.gen(function*() {
      const bob = yield* seat("bob")
      expect(yield* seen(bob)).toEqual(before)
      expect((yield* bob.get({ verb: "losses" })).entries).toBe(0)
    }))
  }))

  effect("scopes that ended are forgotten, however often the coordinator begins again", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* alive(store, time, 0, (seat, kernel) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      yield* ann.get({ verb: "claim", task: "stays", paths: ["src"] })
      // As thousands of claims and releases would leave it.
      for (let at = 0; at < 10; at++) {
        yield* kernel.channels.append("coordinator", coordination.epochs, Array.from({ length: 1_000 }, (_, one) => ({ kind: "ended", subject: `t${at}-${one}`, payload: { task: `t${at}-${one}`, epoch: 1, ended: true } })))
      }
      yield* drained(kernel, 0)
      yield* ann.get({ verb: "claim", task: "later", paths: ["lib"] })
      yield* drained(kernel, 0)
    }))
    expect(store.statisticsOf(coordination.epochs)!.events).toBeLessThan(10)
    // How many were said goes on being counted.
    expect((yield* positionIn(store))["scopes"]).toBe(2)
    yield* alive(store, time, 0, (seat, kernel) => Effect.gen(function*() {
      yield* (yield* seat("ann")).get({ verb: "beat" })
      const { events } = yield* kernel.channels.read("aaax", coordination.epochs, { limit: 100 })
      expect(events.map(({ kind, subject }) => [kind, subject])).toEqual([["scope", "stays"], ["scope", "later"]])
    }))
  }))

  effect("a relay that was away longer than the past is kept goes on with the oldest that is left", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    const lines: Array<string> = []
    let wake = (): void => undefined
    const append = async (added: ReadonlyArray<string>): Promise<void> => {
      lines.push(...added)
      wake()
    }
    const one = relay({ form: "lite", sink: { append, close: async () => undefined } })
    yield* alive(store, time, 0, (seat, kernel) => Effect.gen(function*() {
      const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
      const mirrored = (text: string) => Effect.gen(function*() {
        while (!lines.some((line) => line.includes(text))) yield* Effect.promise(() => new Promise<void>((resolve) => (wake = resolve)))
      })
      yield* kernel.dock(one, { configured: true })
      yield* ann.get({ verb: "send", payload: "first" })
      yield* work(ann, bob, 0)
      yield* mirrored("first")
      yield* mirrored("p0")
      yield* kernel.undock("relay")
      for (let round = 1; round < 5; round++) {
        yield* work(ann, bob, round)
        yield* drained(kernel, 0)
      }
      yield* work(ann, bob, 5)
      const { floor } = store.statisticsOf(coordination.ledger)!
      const before = lines.length
      yield* kernel.dock(one, { configured: true })
      yield* mirrored("p5")
      yield* mirrored("m5")
      const since = lines.slice(before).join("\n")
      // What is gone is left out, and what is there comes.
      expect(since).not.toMatch(/\bp1\b/u)
      expect(since).toMatch(/\bp5\b/u)
      const left = (yield* store.read(coordination.ledger, { after: floor, limit: 1_000 })).events.filter(({ kind }) => kind === "declared")
      expect(left.length).toBeGreaterThan(1)
      for (const { payload } of left) expect(since).toContain((payload as unknown as coordination.LedgerEntries["declared"]).task.task)
    }))
  }))

  it("messages that lie far behind are in it, so that a start need not look for them", () => {
    const table = makeTable()
    for (let at = 1; at <= 4; at++) table.get("ann", { verb: "send", target: "all", payload: `m${at}` })
    const { state } = table.desk
    const marks = [{ message: 1, cursor: 0 }, { message: 3, cursor: 100 }, { message: 4, cursor: 200 }]
    const life = { marks: [...marks], state, talk: 250 }
    expect(talkOf(life, 1_000)).toEqual({ from: 0, to: 250, message: 1 })
    expect(talkOf(life, 160)).toEqual({ from: 100, to: 250, message: 3 })
    const read = stateOfPages(pagesOf(state, talkOf(life, 160), table.at).map(({ text }) => text).join(""))
    expect([...read!.state.chats.values()].map(({ payload }) => payload)).toEqual(["m1", "m2"])
    expect(talkOf(life, 10)).toEqual({ from: 250, to: 250, message: 5 })
    expect(life.marks).toEqual([{ message: 5, cursor: 250 }])
    // The oldest that is kept lies behind the second mark.
    state.chats.delete(1)
    state.chats.delete(2)
    expect(talkOf({ ...life, marks: [...marks] }, 1_000)).toEqual({ from: 100, to: 250, message: 3 })
  })
})
