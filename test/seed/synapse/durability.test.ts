import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { ledgerEntry, talkEntry } from "../../../modules/coordinator/entries.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { chatsMax } from "../../../modules/coordinator/limits.ts"
import { pagesOf, stateOfPages } from "../../../modules/coordinator/pages.ts"
import { dockSeat, makeTable, type Asking } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

/** One life of a kernel over a store that goes on. */
const alive = <A>(store: StoreService, time: ReturnType<typeof testTime>, body: (seat: (id: string) => Effect.Effect<Asking, unknown>, kernel: Effect.Success<ReturnType<typeof makeKernel>>) => Effect.Effect<A, unknown>): Effect.Effect<A, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const kernel = yield* makeKernel({ store, time })
    yield* kernel.dock(coordinator(), { configured: true })
    return yield* body((id) => dockSeat(kernel, id), kernel)
  }))

const working = Effect.fnUntraced(function*(ann: Asking, bob: Asking) {
  yield* ann.get({ verb: "claim", task: "t", paths: ["src"], worktree: "w", note: "n" })
  yield* ann.get({ verb: "update", task: "t", status: "working", dataRef: "d" })
  yield* ann.get({ verb: "checkpoint", task: "t", checkpoint: "c" })
  yield* ann.get({ verb: "claim", task: "gone", paths: ["gone"] })
  yield* ann.get({ verb: "release", task: "gone" })
  yield* ann.get({ verb: "claim", task: "short", paths: ["short"], ttlSeconds: 30 })
  yield* ann.get({ verb: "checkpoint", task: "short", checkpoint: "half" })
  yield* ann.get({ verb: "declare", task: "p", title: "P", dependsOn: ["q"] })
  yield* ann.get({ verb: "progress", task: "p", text: "going" })
  yield* ann.get({ verb: "offer", kind: "gpu", name: "a", capacity: 2 })
  yield* ann.get({ verb: "send", target: "all", payload: "hello" })
  yield* ann.get({ verb: "send", target: "bob,zoe", payload: "both", receipt: true })
  yield* bob.get({ verb: "inbox" })
})

/** What anybody can see of it. */
const seen = Effect.fnUntraced(function*(bob: Asking) {
  const { items, offers } = yield* bob.get({ verb: "state" })
  const board = yield* bob.get({ verb: "board" })
  return {
    items, offers, tasks: board.items, progress: board.progress,
    chats: (yield* bob.get({ verb: "history" })).messages,
    receipts: (yield* bob.get({ verb: "receipts" })).receipts
  }
})

describe("durability", () => {
  effect("[120] [121] [40] a restart comes back to claims with their versions, plan, notes, offers, chats and receipts", () => Effect.gen(function*() {
    const time = testTime()
    const store = yield* Memory.make({ clock: makeClock(time) })
    const before = yield* alive(store, time, (seat) => Effect.gen(function*() {
      const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
      yield* working(ann, bob)
      return yield* seen(bob)
    }))
    expect(before.items).toMatchObject([{ task: "t", version: 2, status: "working", dataRef: "d", checkpoint: "c", epoch: 1 }, { task: "short" }])
    expect(before.receipts).toEqual([{ message: 2, from: "ann", target: "bob,zoe", states: { bob: "delivered", zoe: "accepted" } }])
    yield* alive(store, time, (seat) => Effect.gen(function*() {
      const bob = yield* seat("bob")
      expect(yield* seen(bob)).toEqual(before)
      expect((yield* bob.get({ verb: "send", payload: "next" })).message).toBe(3)
      expect((yield* (yield* seat("zoe")).get({ verb: "inbox" })).messages.map(({ message }) => message)).toEqual([2])
    }))
  }))

  effect("[122] what was released is gone, and what lapsed meanwhile too, but for its checkpoint", () => Effect.gen(function*() {
    const time = testTime()
    const store = yield* Memory.make({ clock: makeClock(time) })
    yield* alive(store, time, (seat) => Effect.gen(function*() {
      yield* working(yield* seat("ann"), yield* seat("bob"))
    }))
    time.advance(30_000)
    yield* alive(store, time, (seat) => Effect.gen(function*() {
      const bob = yield* seat("bob")
      expect((yield* bob.get({ verb: "state" })).items.map(({ task }) => task)).toEqual(["t"])
      expect((yield* bob.get({ verb: "claim", task: "short", paths: ["x"] })).claim).toMatchObject({ owner: "bob", checkpoint: "half", epoch: 4 })
      expect((yield* bob.get({ verb: "claim", task: "gone", paths: ["gone"] })).claim.checkpoint).toBe("")
    }))
  }))

  it("[123] kinds of entries that are not known change nothing", () => {
    expect([ledgerEntry("from-later", { x: 1 }), talkEntry("from-later", null)]).toEqual([null, null])
  })

  effect("[124] without a log there is nothing, and questions write nothing", () => Effect.gen(function*() {
    const time = testTime()
    const store = yield* Memory.make({ clock: makeClock(time) })
    yield* alive(store, time, (seat) => Effect.gen(function*() {
      const bob = yield* seat("bob")
      expect(yield* seen(bob)).toEqual({ items: [], offers: [], tasks: [], progress: [], chats: [], receipts: [] })
    }))
    expect([coordination.ledger, coordination.talk].map((name) => store.statisticsOf(name)?.events)).toEqual([0, 0])
  }))

  it("[125] claims and the plan are strict, chat, progress and offers relaxed", () => {
    const classes = (durability?: "memory"): Readonly<Record<string, string | undefined>> =>
      Object.fromEntries(coordinator(durability === undefined ? {} : { durability }).manifest.provides.map(({ durability: kept, name }) => [name, kept]))
    expect(classes()).toMatchObject({
      [coordination.ledger]: "strict", [coordination.epochs]: "strict", [coordination.talk]: "relaxed", [coordination.presence]: "memory", [coordination.requests]: "memory",
      [coordination.replies]: "memory"
    })
    expect(new Set(Object.values(classes("memory")))).toEqual(new Set(["memory"]))
  })

  it("[126] a claim that was told is there after the process was killed at that moment", async () => {
    const directory = mkdtempSync(join(tmpdir(), "aaax-claims-"))
    try {
      const path = join(directory, "aaax.db")
      const life = async <A>(body: (ann: Asking) => Effect.Effect<A, unknown>, end: (scope: Scope.Closeable) => Promise<unknown>): Promise<A> => {
        const scope = Scope.makeUnsafe()
        const made = await Effect.runPromise(Scope.provide(Effect.gen(function*() {
          const time = testTime()
          const store = yield* Sqlite.make({ path, clock: makeClock(time) })
          const kernel = yield* makeKernel({ store, time })
          yield* kernel.dock(coordinator(), { configured: true })
          return yield* body(yield* dockSeat(kernel, "ann"))
        }), scope) as Effect.Effect<A, unknown>)
        await end(scope)
        return made
      }
      // What the disk has at the moment of the answer is all that there is: nothing is written by the closing, which drains nothing here.
      const first = await life((ann) => ann.get({ verb: "claim", task: "t", paths: ["src"] }), (scope) => Effect.runPromise(Scope.close(scope, Exit.void)))
      const items = await life((ann) => ann.get({ verb: "state" }), (scope) => Effect.runPromise(Scope.close(scope, Exit.void)))
      expect(items.items).toEqual([first.claim])
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })

  effect("[127] [D11] nothing is granted that could not be written down, and what was asked meanwhile is decided by what the log says", () => Effect.gen(function*() {
    const time = testTime()
    const store = yield* Memory.make({ clock: makeClock(time) })
    yield* alive(store, time, (seat, kernel) => Effect.gen(function*() {
      const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
      yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
      // Somebody else wrote there: the head is not what the coordinator takes it to be.
      yield* kernel.channels.append("coordinator", coordination.ledger, [{ kind: "released", payload: { task: "t", owner: "ann", epoch: 1 } }])
      expect(yield* ann.ask({ verb: "claim", task: "u", paths: ["lib"] })).toMatchObject({ ok: false, code: "UNAVAILABLE" })
      expect((yield* bob.get({ verb: "state" })).items).toEqual([])
      expect((yield* bob.get({ verb: "claim", task: "t", paths: ["src"] })).claim.epoch).toBe(2)
    }))
  }))

  effect("[127] appends whose outcome is not known are repeated until it is, and nothing is done twice", () => Effect.gen(function*() {
    const time = testTime()
    for (const seed of [1, 2, 3]) {
      const store = yield* Memory.make({ clock: makeClock(time), hostile: { seed, failedKept: 0.1, failedLost: 0.1, failedLate: 0.1, latencyMillisMax: 1 } })
      const after = yield* alive(store, time, (seat) => Effect.gen(function*() {
        const ann = yield* seat("ann")
        for (let at = 0; at < 12; at++) {
          // What was not sent for sure is sent again with its key.
          const claimed = yield* Effect.retry(ann.ask({ verb: "claim", task: `t${at}`, paths: [`p${at}`], key: `k${at}` }), { times: 20 })
          expect(claimed.ok).toBe(true)
        }
        return (yield* Effect.retry(ann.get({ verb: "state" }), { times: 20 })).items
      }))
      expect(after.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 12 }, (_, at) => at + 1))
    }
  }))

  it("[129] a replay keeps no more notes and chats than there is room for", () => {
    const table = makeTable()
    for (let at = 0; at < 200; at++) table.get("ann", { verb: "send", target: "bob", payload: String(at) })
    const again = table.again()
    again.desk.state.chatsMax = 150
    again.get("ann", { verb: "send", payload: "last" })
    expect(again.get("ann", { verb: "history" }).messages.map(({ payload }) => payload)).toEqual([...Array.from({ length: 149 }, (_, at) => String(at + 51)), "last"])
    // Nobody took the oldest: they are told of as dead.
    expect(again.get("ann", { verb: "receipts", dead: true }).receipts.map(({ message }) => message)).toEqual(Array.from({ length: 51 }, (_, at) => at + 1))
    expect(chatsMax).toBe(10_000)
  })

  it("[130] [D12] the whole state in pages is the state", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    for (let at = 0; at < 400; at++) {
      table.get(`s${at % 5}`, { verb: "claim", task: `t${at}`, paths: [`p${at}`], note: "\u0000\"\\".repeat(500), key: `k${at}` })
      table.get("ann", { verb: "send", target: at % 2 === 0 ? "bob" : "all", payload: `m${at}` })
    }
    table.get("s0", { verb: "checkpoint", task: "t0", checkpoint: "c" })
    table.get("bob", { verb: "inbox", limit: 3 })
    table.get("ann", { verb: "declare", task: "p", title: "P" })
    table.get("ann", { verb: "offer", kind: "k", name: "n" })
    const { state } = table.desk
    const pages = pagesOf(state, { from: 0, to: 400 }, table.at)
    expect(pages.length).toBeGreaterThan(1)
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThan(1_000_000)
    const read = stateOfPages(pages.map(({ text }) => text).join(""))
    for (const part of ["claims", "checkpoints", "plan", "keys", "deliveries", "mailboxes", "offers", "deadLetters", "held"] as const) {
      expect([...read!.state[part]], part).toEqual([...state[part]])
    }
    expect([read!.state.epoch, read!.state.message, read!.state.notes]).toEqual([state.epoch, state.message, state.notes])
    expect(read!.state.scopes.firstConflict("", ["p7/x"], "nobody")).toBe("t7")
    expect(stateOfPages("{")).toBeUndefined()
    expect(stateOfPages("{\"version\":99}")).toBeUndefined()
  })

  effect("[130] a start reads the newest whole state and what is behind it, and nothing that is older", () => Effect.gen(function*() {
    const time = testTime()
    const store = yield* Memory.make({ clock: makeClock(time) })
    const before = yield* alive(store, time, (seat, kernel) => Effect.gen(function*() {
      const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
      yield* working(ann, bob)
      yield* kernel.drain("coordinator")
      yield* kernel.undock("coordinator")
      yield* kernel.dock(coordinator(), { configured: true })
      yield* ann.get({ verb: "claim", task: "late", paths: ["late"] })
      yield* ann.get({ verb: "send", target: "zoe", payload: "late" })
      return yield* seen(bob)
    }))
    const reads: Array<string> = []
    const watched: StoreService = {
      ...store,
      read: (channel, options) => {
        if (channel === coordination.ledger) reads.push(String(options.after))
        return store.read(channel, options)
      }
    }
    const position = Number((yield* Effect.orDie(store.getSnapshot("coordination.position")))?.cursor)
    expect(position).toBeGreaterThan(5)
    yield* alive(watched, time, (seat) => Effect.gen(function*() {
      expect(yield* seen(yield* seat("bob"))).toEqual(before)
    }))
    expect(reads[0]).toBe(String(position))
  }))
})
