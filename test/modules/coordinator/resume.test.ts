import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { Waits } from "../../../modules/coordinator/waiting.ts"
import { decide } from "../../../modules/coordinator/decide.ts"
import { makeCoordination, makeTable, type World } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

/** As a crash does: without a drain, while everybody else stays. */
const crash = ({ kernel }: World) => Effect.gen(function*() {
  yield* kernel.undock("coordinator")
  yield* kernel.dock(coordinator(), { configured: true })
})

/** Until the coordinator has kept that so many requests stay. */
const stay = ({ kernel }: World, requests: number) => Effect.gen(function*() {
  for (let after = 0;;) {
    const { events } = yield* kernel.channels.read("aaax", coordination.waiting, { limit: 1_000 })
    if (events.filter(({ kind }) => kind === "waits").length === requests) return
    after = yield* kernel.channels.awaitBeyond(coordination.waiting, Math.max(after, kernel.channels.store.statisticsOf(coordination.waiting)!.head))
  }
})

describe("what waits while the coordinator begins again", () => {
  effect("stays in line, in its order, and is granted in its turn", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const [ann, bob, eve] = [yield* world.seat("ann"), yield* world.seat("bob"), yield* world.seat("eve")]
    yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
    const bobs = yield* Effect.forkChild(bob.get({ verb: "claim", task: "bobs", paths: ["src/a"], wait: true, key: "k" }))
    yield* stay(world, 1)
    const eves = yield* Effect.forkChild(eve.get({ verb: "claim", task: "eves", paths: ["src"], wait: true }))
    yield* stay(world, 2)
    yield* crash(world)
    yield* ann.get({ verb: "release", task: "t" })
    const { claim } = yield* Fiber.join(bobs)
    expect(claim).toMatchObject({ task: "bobs", owner: "bob" })
    expect((yield* ann.get({ verb: "state" })).items.map(({ task }) => task)).toEqual(["bobs"])
    // A key is one of them still.
    expect((yield* bob.get({ verb: "claim", task: "bobs", paths: ["src/a"], wait: true, key: "k" })).claim).toEqual(claim)
    yield* bob.get({ verb: "release", task: "bobs" })
    expect((yield* Fiber.join(eves)).claim).toMatchObject({ task: "eves" })
    yield* stay(world, 0)
  }))

  effect("comes before what is asked later, also where nobody coordinated when it became free", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const [ann, bob, eve] = [yield* world.seat("ann"), yield* world.seat("bob"), yield* world.seat("eve")]
    yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
    const bobs = yield* Effect.forkChild(bob.get({ verb: "claim", task: "bobs", paths: ["src"], wait: true }))
    yield* stay(world, 1)
    yield* world.kernel.undock("coordinator")
    // Asked of nobody: its lease has ended when somebody is there again, and eve asks first.
    world.kernel.time.advance(3_600_001)
    const eves = yield* Effect.forkChild(eve.ask({ verb: "claim", task: "eves", paths: ["src"] }))
    yield* Effect.yieldNow
    yield* world.kernel.dock(coordinator(), { configured: true })
    expect((yield* Fiber.join(bobs)).claim.task).toBe("bobs")
    expect(yield* Fiber.join(eves)).toMatchObject({ ok: false, code: "SCOPE_CONFLICT", conflict: "bobs" })
  }))

  effect("is told what it waits for, once, and answered once", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const [ann, bob, eve] = [yield* world.seat("ann"), yield* world.seat("bob"), yield* world.seat("eve")]
    yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
    yield* ann.get({ verb: "claim", task: "u", paths: ["lib"] })
    for (const task of ["t", "u"]) yield* bob.get({ verb: "wait", task })
    yield* stay(world, 2)
    // Free, and told, before.
    yield* ann.get({ verb: "release", task: "u" })
    yield* stay(world, 1)
    yield* crash(world)
    yield* eve.get({ verb: "beat" })
    yield* ann.get({ verb: "release", task: "t" })
    expect(yield* bob.notices).toEqual([{ notice: "free", task: "u" }, { notice: "free", task: "t" }])
    const { events } = yield* bob.port.read(coordination.replies, { filter: { kind: "answer" } })
    expect(events).toHaveLength(2)
  }))

  effect("is told when that became free while nobody coordinated", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const [ann, bob] = [yield* world.seat("ann"), yield* world.seat("bob")]
    yield* ann.get({ verb: "claim", task: "t", paths: ["src"], ttlSeconds: 30 })
    yield* bob.get({ verb: "wait", task: "t" })
    yield* world.kernel.undock("coordinator")
    world.kernel.time.advance(31_000)
    yield* world.kernel.dock(coordinator(), { configured: true })
    yield* ann.get({ verb: "beat" })
    expect(yield* bob.notices).toEqual([{ notice: "free", task: "t" }])
    yield* stay(world, 0)
  }))

  effect("gets the messages that it waits for, or none when its time is over", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const [ann, bob, eve] = [yield* world.seat("ann"), yield* world.seat("bob"), yield* world.seat("eve")]
    const bobs = yield* Effect.forkChild(bob.get({ verb: "inbox", waitMillis: 600_000 }))
    const eves = yield* Effect.forkChild(eve.get({ verb: "inbox", waitMillis: 60_000 }))
    yield* stay(world, 2)
    yield* world.kernel.undock("coordinator")
    world.kernel.time.advance(60_000)
    yield* world.kernel.dock(coordinator(), { configured: true })
    yield* ann.get({ verb: "send", target: "bob", payload: "hello" })
    expect((yield* Fiber.join(bobs)).messages.map(({ payload }) => payload)).toEqual(["hello"])
    expect((yield* Fiber.join(eves)).messages).toEqual([])
    yield* stay(world, 0)
  }))

  effect("goes on when the log is read again, because somebody else wrote there", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const [ann, bob, eve] = [yield* world.seat("ann"), yield* world.seat("bob"), yield* world.seat("eve")]
    yield* ann.get({ verb: "claim", task: "t", paths: ["src"] })
    const bobs = yield* Effect.forkChild(bob.get({ verb: "claim", task: "bobs", paths: ["src"], wait: true }))
    const eves = yield* Effect.forkChild(eve.get({ verb: "inbox", waitMillis: 600_000 }))
    yield* stay(world, 2)
    yield* world.kernel.channels.append("coordinator", coordination.ledger, [{ kind: "released", payload: { task: "x", owner: "ann", epoch: 1 } }])
    // What would have granted bob his claim is not kept, so that he waits on.
    expect(yield* ann.ask({ verb: "release", task: "t" })).toMatchObject({ ok: false, code: "UNAVAILABLE" })
    expect((yield* ann.get({ verb: "state" })).items.map(({ task }) => task)).toEqual(["t"])
    yield* ann.get({ verb: "release", task: "t" })
    expect((yield* Fiber.join(bobs)).claim.task).toBe("bobs")
    yield* ann.get({ verb: "send", target: "eve", payload: "hello" })
    expect((yield* Fiber.join(eves)).messages).toHaveLength(1)
  }))

  effect("leaves no trace of those that ended, however many", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const [ann, bob] = [yield* world.seat("ann"), yield* world.seat("bob")]
    yield* ann.get({ verb: "claim", task: "kept", paths: ["kept"] })
    const bobs = yield* Effect.forkChild(bob.get({ verb: "claim", task: "bobs", paths: ["kept"], wait: true }))
    yield* stay(world, 1)
    // Together, as many as may wait at once.
    for (let at = 0; at < 36; at++) yield* Effect.forEach(Array.from({ length: 15 }), () => bob.get({ verb: "inbox", waitMillis: 1 }), { concurrency: "unbounded" })
    expect(world.kernel.channels.store.statisticsOf(coordination.waiting)!.events).toBeLessThan(1_040)
    yield* crash(world)
    yield* ann.get({ verb: "release", task: "kept" })
    expect((yield* Fiber.join(bobs)).claim.task).toBe("bobs")
  }))

  it("stands in line once, although its request comes once more", () => {
    const { desk, get } = makeTable()
    get("ann", { verb: "claim", task: "t", paths: ["src"] })
    const request = { id: "again", sender: "bob", at: 1_750_000_000_000, payload: { verb: "claim", task: "bobs", paths: ["src"], wait: true } }
    decide(desk, request)
    decide(desk, { ...request, isAgain: true })
    expect(desk.state.lines.get("t")).toHaveLength(1)
    expect(desk.replies).toEqual([])
  })

  it("takes back what was not kept", () => {
    const waits = new Waits()
    const ask = { verb: "inbox" } as const
    waits.know({ request: "a", system: "s", order: 7, ask })
    waits.hold({ request: "b", system: "s", ask })
    waits.changes = []
    waits.end("a")
    waits.undo()
    expect(waits.inOrder().map(({ order, request }) => [request, order])).toEqual([["a", 7], ["b", 8]])
    expect(waits.changes).toEqual([])
  })
})
