// The memory store: the family's contract, plain and in hostile mode, and what hostile mode does to writers.
import { Effect, Fiber } from "effect"
import { describe, expect, it } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import { makeHostile } from "../../../kernel/store/hostile.ts"
import { prepare } from "../../../kernel/store/codec.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { everything, outcome, storeContract, surely } from "../../contract/store.ts"
import { channel, effect, numbered, prepared } from "../../kit/store-it.ts"

storeContract("memory", { durable: false, open: (_, clock) => Memory.make({ clock }) })
storeContract("memory in hostile mode", {
  durable: false,
  open: (_, clock) => Memory.make({ clock, hostile: { seed: 7, failedKept: 0.1, failedLost: 0.1, failedLate: 0.1, latencyMillisMax: 1 } })
})

const log = channel("log")
const open = (hostile: Partial<Memory.HostileOptions>) =>
  Effect.tap(
    Memory.make({ clock: makeClock(), hostile: { seed: 1, failedKept: 0, failedLost: 0, failedLate: 0, latencyMillisMax: 0, ...hostile } }),
    (store) => store.putChannel(log))
const once = (store: Effect.Success<ReturnType<typeof open>>, at: number, key?: string, expectedHead?: number) =>
  store.append("log", numbered(log, at, at + 1), { sender: "tester", key, expectedHead })
const payloads = (store: Effect.Success<ReturnType<typeof open>>) =>
  Effect.map(everything(store, log), (events) => events.map((event) => event.payload))

describe("hostile mode", () => {
  effect("gives sparse cursors: sequence x 1024 + index in the batch", () => Effect.gen(function*() {
    const store = yield* open({})
    const first = yield* store.append("log", numbered(log, 0, 3), { sender: "tester" })
    const second = yield* store.append("log", numbered(log, 3, 5), { sender: "tester" })
    expect([...first, ...second].map((appended) => appended.cursor)).toEqual([1024, 1025, 1026, 2048, 2049])
  }))

  effect("keeps an append and says that it does not know", () => Effect.gen(function*() {
    const store = yield* open({ failedKept: 1 })
    expect(yield* outcome(once(store, 0, "k"))).toBe("AppendUnknown")
    expect(yield* payloads(store)).toEqual([0])
  }))

  effect("loses an append and says that it does not know", () => Effect.gen(function*() {
    const store = yield* open({ failedLost: 1 })
    expect(yield* outcome(once(store, 0, "k"))).toBe("AppendUnknown")
    yield* Effect.sleep(30)
    expect(yield* payloads(store)).toEqual([])
  }))

  effect("keeps an append later, also when nothing else is appended", () => Effect.gen(function*() {
    const store = yield* open({ failedLate: 1 })
    const landed = Effect.callback<void>((resume) => void store.onCommit(() => resume(Effect.void)))
    const waiting = yield* Effect.forkChild(landed, { startImmediately: true })
    expect(yield* outcome(once(store, 0))).toBe("AppendUnknown")
    expect(yield* payloads(store)).toEqual([])
    yield* Fiber.join(waiting)
    expect(yield* payloads(store)).toEqual([0])
  }))

  effect("lands a late append behind others, and drops it when its head is stale by then", () => Effect.gen(function*() {
    const store = yield* open({ seed: 5, failedLate: 0.5 })
    const outcomes: Array<string> = []
    for (let i = 0; i < 40; i++) outcomes.push(yield* outcome(once(store, i, undefined, store.statisticsOf("log")!.head)))
    yield* Effect.sleep(50)
    const kept = yield* payloads(store)
    expect(outcomes).toContain("AppendUnknown")
    const acknowledged = outcomes.flatMap((one, at) => (one === "success" ? [at] : []))
    // Whatever was acknowledged is kept; a late one lands only when nothing came between.
    expect(acknowledged.filter((at) => !kept.includes(at))).toEqual([])
    expect(kept.length).toBeLessThan(40)
  }))

  effect("lands a late append out of order when it has no expected head", () => Effect.gen(function*() {
    const store = yield* open({ seed: 5, failedLate: 0.5 })
    for (let i = 0; i < 40; i++) yield* outcome(once(store, i))
    yield* Effect.sleep(50)
    const kept = (yield* payloads(store)) as Array<number>
    expect([...kept].sort((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, at) => at))
    expect(kept).not.toEqual([...kept].sort((a, b) => a - b))
  }))

  it("lands what is late behind at most three others, without waiting for a timer", () => {
    const hostile = makeHostile({ seed: 5, failedKept: 0, failedLost: 0, failedLate: 0.5 })
    const landed: Array<number> = []
    for (let i = 0; i < 100; i++) hostile.append("log", undefined, () => (landed.push(i), []), () => undefined)
    const displaced = landed.filter((one, at) => landed.slice(0, at).some((before) => before > one))
    expect(displaced.length).toBeGreaterThan(10)
    expect(landed.length + hostile.late()).toBe(100)
    hostile.close()
    expect([...landed].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, at) => at))
  })

  effect("is resolved by repeating: every append is kept once", () => Effect.gen(function*() {
    const store = yield* open({ seed: 3, failedKept: 0.2, failedLost: 0.2, failedLate: 0.2 })
    for (let i = 0; i < 60; i++) yield* surely(store, log, numbered(log, i, i + 1), { key: `k${i}` })
    yield* Effect.sleep(50)
    expect(yield* payloads(store)).toEqual(Array.from({ length: 60 }, (_, at) => at))
  }))

  effect("does the same again with the same seed", () => Effect.gen(function*() {
    const run = Effect.gen(function*() {
      const store = yield* open({ seed: 11, failedKept: 0.2, failedLost: 0.2 })
      return yield* Effect.forEach(Array.from({ length: 30 }, (_, at) => at), (at) => outcome(once(store, at, `k${at}`)))
    })
    expect(yield* run).toEqual(yield* run)
  }))
})

describe("the memory store", () => {
  effect("refuses the classes that its host does not want it to take", () => Effect.gen(function*() {
    const store = yield* Memory.make({ clock: makeClock(), accepts: ["memory"] })
    expect(yield* outcome(store.putChannel(log))).toBe("StoreUnavailable")
    yield* store.putChannel(channel("quick", { durability: "memory" }))
    expect(store.channels().map((one) => one.name)).toEqual(["quick"])
  }))

  effect("says that nothing survives", () => Effect.gen(function*() {
    const store = yield* Memory.make({ clock: makeClock() })
    expect(store.statistics()).toMatchObject({ backend: "memory", path: null, bytes: 0, durability: "in memory: nothing survives the process" })
  }))
})

describe("what is kept in memory", () => {
  const plain = Effect.tap(Memory.make({ clock: makeClock({ wall: () => 1_000, monotonic: () => 0 }) }), (store) =>
    Effect.andThen(store.putChannel(log), store.putChannel(channel("other"))))

  effect("is found by its id in whichever channel it lies, however many came in one moment, until it is let go", () => Effect.gen(function*() {
    const store = yield* plain
    const ids: Array<readonly [string, string]> = []
    for (let at = 0; at < 60; at++) {
      const name = at % 3 === 0 ? "other" : "log"
      for (const { id } of yield* store.append(name, numbered(log, at, at + 2), { sender: "tester" })) ids.push([id, name])
    }
    for (const [id, name] of ids) expect(yield* store.event(id)).toMatchObject({ id, channel: name })
    // Few at first: they are still among what is looked through.
    yield* store.evict("log", 10)
    expect(yield* Effect.forEach(ids.filter(([, name]) => name === "log").slice(8, 12), ([id]) => store.event(id))).toEqual([undefined, undefined, expect.anything(), expect.anything()])
    yield* store.evict("log", store.statisticsOf("log")!.head - 2)
    const left = ids.filter(([, name]) => name === "other").length + 2
    let found = 0
    for (const [id] of ids) if ((yield* store.event(id)) !== undefined) found++
    expect(found).toBe(left)
    expect(yield* outcome(store.append("log", prepared(log, { parentIds: [ids[0]![0]] }), { sender: "tester" }))).not.toBe("EventNotFound")
    expect(yield* outcome(store.append("log", prepared(log, { parentIds: [ids[2]![0]] }), { sender: "tester" }))).toBe("EventNotFound")
  }))

  effect("is the same event whether a reader got what was written or it was parsed long after", () => Effect.gen(function*() {
    const store = yield* plain
    const draft = { kind: "k", payload: { a: [1, { b: "\u00fc" }] }, correlationId: "c", recipient: "r", subject: "s" }
    yield* store.append("log", [prepare(draft, "tester", log, undefined, true)], { sender: "tester" })
    const [fresh] = yield* everything(store, log)
    for (let at = 0; at < 1_100; at++) yield* store.append("log", [prepare({ payload: { at } }, "tester", log, undefined, true)], { sender: "tester" })
    const { events: [old] } = yield* store.read("log", { after: 0, limit: 1 })
    expect(old).not.toBe(fresh)
    expect(old).toStrictEqual(fresh)
  }))
})
