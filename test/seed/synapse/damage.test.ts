import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { dockSeat, type Asking } from "../../kit/coordination.ts"
import { damaged } from "../../kit/damaged-store.ts"
import { effect } from "../../kit/it.ts"

type Kernel = Effect.Success<ReturnType<typeof makeKernel>>

const alive = <A>(store: StoreService, time: ReturnType<typeof testTime>, body: (seat: (id: string) => Effect.Effect<Asking, unknown>, kernel: Kernel) => Effect.Effect<A, unknown>): Effect.Effect<A, unknown> =>
  Effect.scoped(Effect.gen(function*() {
    const kernel = yield* makeKernel({ store, time })
    yield* kernel.dock(coordinator(), { configured: true })
    return yield* body((id) => dockSeat(kernel, id), kernel)
  }))

const open = Effect.fnUntraced(function*() {
  const time = testTime()
  return { time, store: yield* Memory.make({ clock: makeClock(time) }) }
})

/** As the operator's commands ask: by its id, which no system is docked under. */
const operatorAsks = (kernel: Kernel, payload: coordination.Ask) => Effect.gen(function*() {
  const [asked] = yield* kernel.channels.append("operator", coordination.requests, [{ kind: "request", payload }])
  for (let after = 0;;) {
    const page = yield* kernel.channels.read("aaax", coordination.replies, { after, limit: 1_000, fullLog: true })
    const answer = page.events.find(({ correlationId }) => correlationId === asked!.id)
    if (answer !== undefined) return answer.payload as unknown as coordination.Answer
    yield* kernel.channels.awaitBeyond(coordination.replies, after = page.next)
  }
})

const scopes = (kernel: Kernel) => Effect.map(kernel.channels.read("aaax", coordination.epochs, { limit: 1_000 }), ({ events }) => events.map(({ kind, subject }) => [subject, kind]))

const position = (store: StoreService) => Effect.map(Effect.orDie(store.getSnapshot("coordination.position")), (snapshot) => snapshot!.value)

/** Entry 2 of the ledger is bob's claim on src. */
const twoClaims = (store: StoreService, time: ReturnType<typeof testTime>) =>
  alive(store, time, (seat) => Effect.gen(function*() {
    const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
    yield* ann.get({ verb: "claim", task: "docs", paths: ["docs"], ttlSeconds: 60, key: "k" })
    yield* bob.get({ verb: "claim", task: "src", paths: ["src"] })
    yield* ann.get({ verb: "declare", task: "p", title: "P" })
  }))

describe("damage", () => {
  effect("[128] with an entry of the ledger that cannot be read, claims and plan stand still, and all else goes on", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* twoClaims(store, time)
    yield* alive(damaged(store, coordination.ledger, [2]), time, (seat) => Effect.gen(function*() {
      const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
      const changes: ReadonlyArray<coordination.Ask> = [
        { verb: "claim", task: "mine", paths: ["src/a"] }, { verb: "claim", task: "docs", paths: ["docs"] }, { verb: "claim", task: "later", paths: ["docs"], wait: true },
        { verb: "release", task: "docs" }, { verb: "update", task: "docs", status: "working" }, { verb: "handoff", task: "docs", to: "bob" },
        { verb: "checkpoint", task: "docs", checkpoint: "c" }, { verb: "declare", task: "q", title: "Q" }, { verb: "plan", task: "p", status: "done" }
      ]
      yield* bob.get({ verb: "beat" })
      const before = store.statisticsOf(coordination.ledger)
      for (const ask of changes) {
        expect(yield* ann.ask(ask as never), JSON.stringify(ask)).toEqual({
          ok: false, code: "LEDGER_DAMAGED", current: 1,
          message: "1 entry of claims and plan cannot be read (coordination.ledger#2), so neither is changed: somebody else might own it. They may be of 'src'. The operator ends this: aaax claims accept-loss"
        })
      }
      // What was answered before its key was used again is answered as it was.
      expect(yield* ann.get({ verb: "claim", task: "docs", paths: ["docs"], ttlSeconds: 60, key: "k" })).toMatchObject({ claim: { epoch: 1 } })
      expect(yield* ann.get({ verb: "state" })).toMatchObject({ items: [{ task: "docs" }], lost: 1 })
      expect((yield* ann.get({ verb: "why", worktree: "", path: "docs/a" })).claims).toHaveLength(1)
      expect((yield* ann.get({ verb: "check", worktree: "", paths: ["docs/a"] })).allowed).toBe(true)
      expect((yield* ann.get({ verb: "board" })).items).toHaveLength(1)
      yield* ann.get({ verb: "send", target: "bob", payload: "hello" })
      expect((yield* bob.get({ verb: "inbox" })).messages.map(({ payload }) => payload)).toEqual(["hello"])
      yield* ann.get({ verb: "progress", task: "p", text: "stuck" })
      yield* ann.get({ verb: "offer", kind: "gpu", name: "a" })
      yield* ann.get({ verb: "advertise", description: "here" })
      expect((yield* ann.get({ verb: "who" })).seats.map(({ seat }) => seat)).toEqual(["ann", "bob"])
      expect(store.statisticsOf(coordination.ledger)).toEqual(before)
    }))
    expect(yield* position(store)).toMatchObject({ unreadable: 1, lost: 1, examples: ["coordination.ledger#2: its checksum is wrong"] })
  }))

  effect("[128] whose it may have been is told by the live scopes, which stand as long as it is not given up", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* twoClaims(store, time)
    yield* alive(damaged(store, coordination.ledger, [2]), time, (seat, kernel) => Effect.gen(function*() {
      const found = yield* (yield* seat("ann")).get({ verb: "losses" })
      expect(found).toMatchObject({
        entries: 1, places: [{ from: 2, to: 2, reason: "its checksum is wrong" }], scopes: [{ task: "src", owner: "bob", holder: "bob", epoch: 2, paths: ["src"] }]
      })
      expect(yield* scopes(kernel)).toEqual([["docs", "scope"], ["src", "scope"]])
    }))
  }))

  effect("[128] no lease ends as long as its renewal may be what is lost", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* twoClaims(store, time)
    yield* alive(damaged(store, coordination.ledger, [2]), time, (seat, kernel) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      time.advance(61_000)
      expect((yield* ann.get({ verb: "state" })).items.map(({ task }) => task)).toEqual(["docs"])
      yield* operatorAsks(kernel, { verb: "accept-loss" })
      expect((yield* ann.get({ verb: "state" })).items).toEqual([])
    }))
  }))

  effect("[128] the operator gives it up, and nobody else; the next start knows", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* twoClaims(store, time)
    const broken = damaged(store, coordination.ledger, [2])
    yield* alive(broken, time, (seat, kernel) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      expect(yield* ann.ask({ verb: "accept-loss", by: "operator" })).toMatchObject({ ok: false, code: "OPERATOR_ONLY" })
      expect(yield* operatorAsks(kernel, { verb: "accept-loss", entries: 2 })).toMatchObject({ ok: false, code: "LEDGER_DAMAGED" })
      expect(yield* ann.ask({ verb: "release", task: "docs" })).toMatchObject({ ok: false, code: "LEDGER_DAMAGED" })
      expect(yield* operatorAsks(kernel, { verb: "accept-loss", by: "kim", entries: 1 })).toEqual({ ok: true, entries: 1 })
      expect((yield* ann.get({ verb: "state" })).lost).toBeUndefined()
      // Epochs grow beyond what was granted in what is lost.
      expect((yield* ann.get({ verb: "claim", task: "mine", paths: ["src/a"] })).claim.epoch).toBe(3)
      expect((yield* scopes(kernel)).filter(([, kind]) => kind === "scope")).toEqual([["docs", "scope"], ["mine", "scope"]])
      expect(yield* operatorAsks(kernel, { verb: "accept-loss" })).toEqual({ ok: true, entries: 0 })
    }))
    const [accepted] = (yield* store.read(coordination.ledger, { after: 3, limit: 1 })).events
    expect(accepted).toMatchObject({ kind: "accepted", payload: { by: "kim", at: expect.any(Number), entries: 1, places: [{ from: 2, to: 2 }], tasks: ["src"] } })
    expect(yield* position(store)).toMatchObject({ unreadable: 0, lost: 0 })
    // Also when only the entry tells of it.
    for (const next of [broken, { ...broken, getSnapshot: () => Effect.succeed(undefined) }]) {
      yield* alive(next, time, (seat) => Effect.gen(function*() {
        const ann = yield* seat("ann")
        expect((yield* ann.get({ verb: "losses" })).entries).toBe(0)
        expect((yield* ann.get({ verb: "state" })).items.map(({ task }) => task)).toEqual(["docs", "mine"])
        yield* ann.get({ verb: "update", task: "docs", note: "goes on" })
      }))
    }
  }))

  effect("[128] killed right after it was given up, before the state is written down, the next start knows", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* twoClaims(store, time)
    const accepted: coordination.LedgerEntries["accepted"] = { by: "kim", at: 1, entries: 1, places: [{ from: 2, to: 2, reason: "its checksum is wrong" }], tasks: ["src"] }
    yield* alive(store, time, (_seat, kernel) => kernel.channels.append("coordinator", coordination.ledger, [{ kind: "accepted", payload: { ...accepted } }]))
    yield* alive(damaged(store, coordination.ledger, [2]), time, (seat) => Effect.gen(function*() {
      yield* (yield* seat("ann")).get({ verb: "release", task: "docs" })
    }))
  }))

  effect("[128] no system is docked as the operator", () => Effect.gen(function*() {
    const kernel = yield* makeKernel({ time: testTime() })
    yield* kernel.dock(coordinator(), { configured: true })
    expect(yield* Effect.flip(dockSeat(kernel, "operator"))).toMatchObject({ _tag: "DockRefused", reason: expect.stringContaining("System id 'operator' is the operator's own") })
  }))

  effect("[128] what is damaged after it was given up is a loss again", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* twoClaims(store, time)
    yield* alive(damaged(store, coordination.ledger, [2]), time, (seat, kernel) => Effect.gen(function*() {
      yield* operatorAsks(kernel, { verb: "accept-loss" })
      yield* (yield* seat("ann")).get({ verb: "claim", task: "mine", paths: ["src/a"] })
    }))
    const { head } = store.statisticsOf(coordination.ledger)!
    yield* alive(damaged(store, coordination.ledger, [2, head]), time, (seat) => Effect.gen(function*() {
      expect(yield* (yield* seat("ann")).get({ verb: "losses" })).toMatchObject({ entries: 1, places: [{ from: head, to: head }], scopes: [{ task: "mine" }] })
    }))
  }))

  effect("[128] a drain keeps nothing that may be wrong, and nothing that is older goes", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* twoClaims(store, time)
    yield* alive(damaged(store, coordination.ledger, [2]), time, (_seat, kernel) => Effect.gen(function*() {
      yield* kernel.drain("coordinator")
      yield* kernel.undock("coordinator")
    }))
    expect(store.statisticsOf(coordination.ledger)).toEqual({ head: 3, floor: 0, events: 3 })
    // What could not be read can be read again: nothing was lost.
    yield* alive(store, time, (seat) => Effect.gen(function*() {
      const bob = yield* seat("bob")
      expect((yield* bob.get({ verb: "state" })).items.map(({ task }) => task)).toEqual(["docs", "src"])
      yield* bob.get({ verb: "release", task: "src" })
    }))
  }))

  effect("[128] an entry of the talk that cannot be read changes nothing for anybody, and its number is not given again", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* alive(store, time, (seat) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      for (const payload of ["one", "two"]) yield* ann.get({ verb: "send", target: "all", payload })
      // What was answered before this is not asked again.
      yield* ann.get({ verb: "beat" })
    }))
    yield* alive(damaged(store, coordination.talk, [2]), time, (seat) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      expect((yield* ann.get({ verb: "history" })).messages.map(({ payload }) => payload)).toEqual(["one"])
      expect((yield* ann.get({ verb: "send", target: "all", payload: "three" })).message).toBe(3)
      yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
    }))
    expect(yield* position(store)).toMatchObject({ unreadable: 1, lost: 0, examples: ["coordination.talk#2: its checksum is wrong"] })
  }))

  effect("[128] found while it runs: nothing is granted behind an entry that cannot be read", () => Effect.gen(function*() {
    const { store, time } = yield* open()
    yield* alive(store, time, (seat, kernel) => Effect.gen(function*() {
      const ann = yield* seat("ann")
      yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
      // Somebody else wrote there, so that the coordinator reads it again.
      yield* kernel.channels.append("coordinator", coordination.ledger, [{ kind: "claimed", payload: { claim: "nonsense" } }])
      expect(yield* ann.ask({ verb: "claim", task: "u", paths: ["lib"] })).toMatchObject({ ok: false, code: "UNAVAILABLE" })
      expect(yield* ann.ask({ verb: "claim", task: "u", paths: ["lib"] })).toMatchObject({ ok: false, code: "LEDGER_DAMAGED" })
    }))
  }))
})
