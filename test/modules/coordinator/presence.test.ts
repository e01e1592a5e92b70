import { coordination, wellKnown, type Draft } from "aaax"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect, it } from "vitest"
import { makeCoordination, makeTable, type Table } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"
import { until } from "../../kit/channels.ts"
import { makeWorld } from "../../kit/port-fake.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { beat } from "../../../modules/coordinator/presence.ts"
import { settle } from "../../../modules/coordinator/state.ts"

describe("presence", () => {
  it("any request says that a seat is here, and it is said once", () => {
    const table = makeTable()
    table.get("ann", { verb: "who" })
    table.get("ann", { verb: "beat" })
    table.get("synapse/a~2f.b", { verb: "beat" })
    table.get("ann", { verb: "leave" })
    table.get("ann", { verb: "leave" })
    expect(table.presence).toEqual([
      { kind: "joined", payload: { seat: "ann" } }, { kind: "joined", payload: { seat: "a/b" } }, { kind: "left", payload: { seat: "ann" } }
    ])
    expect(table.get("a".repeat(3), { verb: "who" }).seats.map(({ seat }) => seat)).toEqual(["a/b", "aaa"])
  })

  it("a system that is docked no more leaves at the second beat of the kernel without it", () => {
    const table = makeTable()
    for (const seat of ["ann", "bob"]) table.get(seat, { verb: "beat" })
    const { desk } = table
    const seats = (): ReadonlyArray<string> => [...desk.state.seats.values()].filter(({ online }) => online).map(({ seat }) => seat)
    beat(desk, new Set(["ann"]))
    expect(seats()).toEqual(["ann", "bob"])
    // A request in between is a sign of life: it was docked after the beat was made.
    table.get("bob", { verb: "beat" })
    beat(desk, new Set(["ann"]))
    expect(seats()).toEqual(["ann", "bob"])
    beat(desk, new Set(["ann"]))
    expect(seats()).toEqual(["ann"])
  })

  effect("over a kernel: who is undocked has left, with its card and its waits", () => Effect.gen(function*() {
    const { events, kernel, seat } = yield* makeCoordination()
    const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
    yield* ann.get({ verb: "claim", task: "t" })
    yield* bob.get({ verb: "advertise", description: "d" })
    yield* bob.get({ verb: "wait", task: "t" })
    yield* kernel.undock("bob")
    // The kernel's own beat tells of it.
    yield* Effect.promise(() => until(() => Effect.runSync(Effect.map(events(coordination.presence), (all) => all.some(({ kind }) => kind === "left")) as Effect.Effect<boolean>)))
    expect((yield* events(coordination.presence)).slice(-2).map(({ kind, payload }) => [kind, payload])).toEqual([["withdrawn", { seat: "bob" }], ["left", { seat: "bob" }]])
    expect(yield* ann.get({ verb: "who" })).toMatchObject({ seats: [{ seat: "ann" }] })
    expect(yield* ann.ask({ verb: "handoff", task: "t", to: "bob" })).toMatchObject({ code: "TARGET_OFFLINE" })
  }))

  effect("what fell due is done with the kernel's beat, also when nobody asks anything", () => Effect.gen(function*() {
    const { events, kernel, seat } = yield* makeCoordination()
    yield* (yield* seat("ann")).get({ verb: "claim", task: "t", ttlSeconds: 30 })
    kernel.time.advance(30_000)
    yield* Effect.promise(() => until(() => Effect.runSync(Effect.map(events(coordination.ledger), (all) => all.some(({ kind }) => kind === "expired")) as Effect.Effect<boolean>)))
    // Whoever changes files reads there that it is nobody's any more.
    expect((yield* events(coordination.epochs)).map(({ kind, payload, subject }) => [kind, subject, payload])).toMatchObject([
      ["scope", "t", { task: "t", epoch: 1, owner: "ann" }], ["ended", "t", { task: "t", epoch: 1, ended: true }]
    ])
  }))

  it("comes by name, and says of who is here and reads nothing since when", () => {
    const table = makeTable()
    const seats = (): ReadonlyArray<unknown> => table.get("b", { verb: "state" }).seats.map(({ online, seat, silentSince }) => [seat, online, silentSince])
    for (const seat of ["c", "a", "b", "d"]) table.get(seat, { verb: "beat" })
    const since = table.at
    table.get("d", { verb: "leave" })
    expect(table.get("b", { verb: "who" }).seats.map(({ seat }) => seat)).toEqual(["a", "b", "c"])
    table.pass(89_999)
    expect(seats()).toEqual([["a", true, undefined], ["b", true, undefined], ["c", true, undefined], ["d", false, undefined]])
    table.pass(1)
    expect(seats()).toEqual([["a", true, since], ["b", true, undefined], ["c", true, since], ["d", false, undefined]])
  })

  it("tells who holds claims and reads nothing once in each silence, and nobody else", () => {
    const silent = (table: Table): number => table.notices("ann").filter(({ notice }) => notice === "silent").length
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    // Away and back again: it is looked after as one.
    table.get("ann", { verb: "leave" })
    table.get("ann", { verb: "beat" })
    table.pass(90_000)
    expect(silent(table)).toBe(1)
    table.get("ann", { verb: "who" })
    table.pass(90_000)
    expect(silent(table)).toBe(2)
    // Who holds nothing any more, and who is away, is told nothing.
    for (const verb of ["release", "leave"] as const) {
      const other = makeTable()
      other.get("ann", { verb: "claim", task: "t" })
      other.ask("ann", { verb, task: "t" })
      other.pass(180_000)
      expect(silent(other), verb).toBe(0)
    }
    // Whatever asks for it is its attention.
    const received = makeTable()
    received.get("ann", { verb: "claim", task: "t" })
    received.get("ann-rx", { verb: "attach", receiver: "ann" })
    for (let at = 0; at < 3; at++) {
      received.pass(60_000)
      received.get("ann-rx", { verb: "who" })
    }
    expect(silent(received)).toBe(0)
  })
})

describe("calls under way", () => {
  const call = (paths: ReadonlyArray<string>, system = "bob"): coordination.UnderWay => ({ calls: [{ warrant: "w", system, paths }] })

  it("keep what they touch from being granted to others, wherever it lies", () => {
    for (const [worktree, paths, path, isTouched, folder = ""] of [
      ["/r", ["src"], "/r/src/a", true], ["/r", ["src"], "/r/lib", false], ["/r", ["src"], "/r", true], ["/r", ["src"], "/", true], ["/r", [], "/r/x", true], ["/r", ["src"], "/rx/src", false],
      ["", ["src"], "/home/me/repo/src/a", true], ["", ["src"], "/home/me/repo/lib", false], ["label", ["src"], "/r/src", false],
      ["/R/x/..", ["src"], "/r/src/", true], ["/", ["r/src"], "/r/", true], ["/", ["r/src"], "/x", false],
      // Where it is known which folder that is, nothing else is meant.
      ["", ["src"], "/home/me/other/src/a", false, "/home/me"], ["", ["src"], "/home/me/src/a", true, "/home/me"], ["", ["src"], "/r/src/a", false, "/home/me"]
    ] as const) {
      const table = makeTable()
      settle(table.desk.state, folder)
      table.desk.state.underWay = call([path])
      const answer = table.ask("ann", { verb: "claim", task: "t", worktree, paths })
      expect(answer?.ok, `${worktree} ${JSON.stringify(paths)} ${path}`).toBe(!isTouched)
      if (isTouched) expect(answer).toMatchObject({ code: "SCOPE_CONFLICT", message: "Task 't' file scope conflicts with a call of bob that is under way.", holder: "bob" })
      // Who calls is in nobody's way but others'.
      if (isTouched) expect(table.ask("bob", { verb: "claim", task: "t", worktree, paths })).toMatchObject({ ok: true })
    }
  })

  effect("a claim that crossed a call is told when that has ended, and one that waits is granted then", () => Effect.gen(function*() {
    const { events, kernel, seat } = yield* makeCoordination()
    const ann = yield* seat("ann")
    const say = (payload: coordination.UnderWay): Effect.Effect<unknown, unknown> => kernel.channels.append("aaax", coordination.underWay, [{ kind: "under-way", subject: "calls", payload }])
    const answers = Effect.map(events(coordination.replies), (all) => all.filter(({ kind }) => kind === "answer").length)
    yield* say(call(["/r/src/a"]))
    yield* Effect.promise(() => until(async () => {
      const answer = await Effect.runPromise(ann.ask({ verb: "claim", task: "probe", worktree: "/r", paths: ["src"] }) as Effect.Effect<coordination.Answer>)
      if (answer.ok) await Effect.runPromise(ann.ask({ verb: "release", task: "probe" }) as Effect.Effect<unknown>)
      return !answer.ok
    }))
    const crossed = (yield* ann.port.append(coordination.requests, [{ payload: { verb: "claim", task: "apart", worktree: "/r", paths: ["lib"] } }]))[0]!.id
    yield* ann.get({ verb: "who" })
    expect((yield* events(coordination.replies)).some(({ correlationId }) => correlationId === crossed)).toBe(true)
    yield* ann.port.append(coordination.requests, [{ payload: { verb: "claim", task: "t", worktree: "/r", paths: ["src"], wait: true } }])
    yield* ann.get({ verb: "who" })
    const before = yield* answers
    yield* say({ calls: [] })
    yield* Effect.promise(() => until(async () => (await Effect.runPromise(answers as Effect.Effect<number>)) === before + 1))
    const all = yield* events(coordination.replies)
    expect(all.at(-1)?.payload).toMatchObject({ ok: true, claim: { task: "t", owner: "ann" } })
  }))

  it("that begins while a claim is written down keeps that from being told until it has ended, and nothing else", async () => {
    const world = makeWorld()
    world.open(wellKnown.heartbeat)
    const system = coordinator()
    const fiber = Effect.runFork(system.run!(world.dock(system)) as Effect.Effect<void>)
    const append = (sender: string, channel: string, draft: Draft): string => Effect.runSync(world.port(sender).append(channel, [draft]))[0]!.id
    const calls = (payload: coordination.UnderWay): void => void append("aaax", coordination.underWay, { kind: "under-way", subject: "calls", payload })
    const answerOf = (request: string): unknown => world.events(coordination.replies).find(({ correlationId, kind }) => correlationId === request && kind === "answer")?.payload
    const answered = async (sender: string, payload: coordination.Ask): Promise<unknown> => {
      const request = append(sender, coordination.requests, { payload })
      await until(async () => answerOf(request) !== undefined)
      return answerOf(request)
    }
    calls(call(["/r/seen"]))
    await until(async () => {
      const answer = await answered("eve", { verb: "claim", task: "seen", worktree: "/r", paths: ["seen"] })
      await answered("eve", { verb: "release", task: "seen" })
      return (answer as coordination.Answer).ok === false
    })
    calls({ calls: [] })
    // Between its decision and its entry.
    world.failAppend = (channel) => {
      if (channel !== coordination.ledger) return undefined
      world.failAppend = undefined
      calls(call(["/r/src/a"]))
      return undefined
    }
    const [crossed, beside] = Effect.runSync(world.port("ann").append(coordination.requests, [
      { payload: { verb: "claim", task: "t", worktree: "/r", paths: ["src"] } }, { payload: { verb: "beat" } }
    ])).map(({ id }) => id) as [string, string] // one for each
    // What was decided with it is told at once.
    await until(async () => answerOf(beside) !== undefined)
    expect(answerOf(crossed)).toBeUndefined()
    expect(await answered("eve", { verb: "claim", task: "apart", worktree: "/r", paths: ["lib"] })).toMatchObject({ ok: true })
    calls(call(["/r/src/a", "/r/other"]))
    for (let turn = 0; turn < 5; turn++) expect(await answered("ann", { verb: "state" })).toMatchObject({ items: [{ task: "t" }, { task: "apart" }] })
    expect(answerOf(crossed)).toBeUndefined()
    calls({ calls: [] })
    await until(async () => answerOf(crossed) !== undefined)
    expect(answerOf(crossed)).toMatchObject({ ok: true, claim: { task: "t", owner: "ann" } })
    await Effect.runPromise(Fiber.interrupt(fiber))
  })
})
