// Floods: who makes one is slowed, and neighbours are served at once. Bounds are counted in commits and pages, which no
// slow machine changes; the milliseconds are printed and not judged.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import type { Port } from "../../protocol/port.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { makeClock } from "../../kernel/clock.ts"
import { appendsInFlightMax, requestsPendingMax } from "../../kernel/limits.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import { counted } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, replies, requestAction, tokenFor } from "../kit/probe.ts"

const onSqlite = Effect.fnUntraced(function*(options: TestOptions = {}) {
  const time = testTime()
  const path = join(mkdtempSync(join(tmpdir(), "aaax-flood-")), "kernel.db")
  const commits = { count: 0 }
  const store = yield* Sqlite.make({ path, clock: makeClock(time), faults: (moment) => void (moment === "committed" && commits.count++) })
  return { commits, kernel: yield* makeKernel({ ...options, store, time }) }
})

const waves: ReadonlyArray<readonly [string, (port: Port) => Effect.Effect<unknown>]> = [
  ["one after the other", (port) => Effect.forever(Effect.exit(port.append("flood", [{ payload: "x" }])))],
  ["with unbounded concurrency", (port) =>
    Effect.forever(Effect.andThen(
      Effect.sync(() => { for (let at = 0; at < 2_000; at++) Effect.runFork(Effect.exit(port.append("flood", [{ payload: at }]))) }),
      Effect.sleep(0)))],
  ["with a megabyte at a time", (port) => {
    const payload = "x".repeat(1_000_000)
    return Effect.all(Array.from({ length: 64 }, () => Effect.forever(Effect.andThen(Effect.exit(port.append("flood", [{ payload }])), Effect.yieldNow))), { concurrency: "unbounded" })
  }],
  ["with requests", (port) =>
    Effect.all(Array.from({ length: 64 }, () => Effect.forever(Effect.andThen(
      Effect.exit(port.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }])), Effect.yieldNow))), { concurrency: "unbounded" })],
  ["with appends that it interrupts at once", (port) =>
    Effect.forever(Effect.andThen(
      Effect.sync(() => { for (let at = 0; at < 500; at++) Effect.runFork(port.append("flood", [{ payload: at }])).interruptUnsafe() }),
      Effect.sleep(0)))]
]

describe.each(waves)("a system that floods a channel %s", (name, wave) => {
  effect("leaves each append of its neighbour to one of the next commits, and each of its requests an answer", () =>
    Effect.gen(function*() {
      const { commits, kernel } = yield* onSqlite({ policy: "default" })
      const good = yield* probe(kernel, "good", { provides: [{ name: "good.out", durability: "relaxed" }] })
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "flood", durability: "relaxed", retention: { count: 1_000 } }] })
      const flood = yield* Effect.forkChild(wave(evil), { startImmediately: true })
      const waited: Array<number> = []
      const millis: Array<number> = []
      for (let at = 0; at < 40; at++) {
        const before = commits.count
        const begun = performance.now()
        yield* good.append("good.out", [{ payload: at }])
        millis.push(performance.now() - begun)
        waited.push(commits.count - before)
        yield* Effect.sleep(0)
      }
      const [asked] = yield* good.append(wellKnown.capabilityRequest, [{ payload: { resource: "y", access: "read" } }])
      expect((yield* awaitReply(good, asked!.id)).kind).toBe("capability_grant")
      yield* Fiber.interrupt(flood)
      millis.sort((a, b) => a - b)
      console.info(`a neighbour's append beside a flood ${name}: at most ${Math.max(...waited)} commits, p50 ${millis[20]!.toFixed(1)} ms, max ${millis[39]!.toFixed(1)} ms`)
      expect(Math.max(...waited)).toBeLessThanOrEqual(2)
      expect((yield* good.read("good.out")).events).toHaveLength(40)
      expect(kernel.channels.store.statisticsOf("flood")!.head + kernel.channels.store.statisticsOf(wellKnown.capabilityRequest)!.head).toBeGreaterThan(10)
    }), 60_000)
})

const loose = (value: unknown): any => value

/** Pages that services take, counted. */
const countTakes = (kernel: TestKernel, channel: string): { count: number } => {
  const takes = { count: 0 }
  const { take } = kernel.channels
  loose(kernel.channels).take = (holder: string, name: string, ...rest: ReadonlyArray<unknown>) => {
    if (name === channel) takes.count++
    return loose(take)(holder, name, ...rest)
  }
  return takes
}

describe("admission", () => {
  effect("refuses appends beyond what one system may have under way, and takes the others'", () =>
    Effect.gen(function*() {
      const { kernel } = yield* onSqlite()
      const good = yield* probe(kernel, "good", { provides: [{ name: "good.out" }] })
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "flood" }] })
      const tried = 2 * appendsInFlightMax
      const flood = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: tried }, (_, at) => at), (at) => Effect.result(evil.append("flood", [{ payload: at }])), { concurrency: "unbounded" }),
        { startImmediately: true })
      yield* good.append("good.out", [{ payload: "in between" }])
      const results = yield* Fiber.join(flood)
      const refused = results.flatMap((result) => (result._tag === "Failure" ? [result.failure] : []))
      expect(refused).toHaveLength(tried - appendsInFlightMax)
      expect(new Set(refused.map((error) => error.message))).toEqual(new Set([
        `Appends that wait for a commit: limit of ${appendsInFlightMax} appends reached; try again in 10 ms.`
      ]))
      expect(kernel.channels.store.statisticsOf("flood")!.events).toBe(appendsInFlightMax)
    }))

  effect("counts appends whose caller was interrupted until they are kept", () =>
    Effect.gen(function*() {
      const { kernel } = yield* onSqlite()
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "flood" }] })
      // All in one turn, so that nothing is kept meanwhile.
      yield* Effect.sync(() => {
        for (let at = 0; at < appendsInFlightMax; at++) Effect.runFork(evil.append("flood", [{ payload: at }])).interruptUnsafe()
      })
      expect(yield* Effect.flip(evil.append("flood", [{ payload: "one more" }]))).toMatchObject({ _tag: "Overloaded", limit: appendsInFlightMax })
    }))

  effect("refuses text beyond what one system may have under way", () =>
    Effect.gen(function*() {
      const { kernel } = yield* onSqlite()
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "flood" }] })
      const payload = "x".repeat(1_000_000)
      const results = yield* Effect.forEach(Array.from({ length: 16 }), () => Effect.result(evil.append("flood", [{ payload }])), { concurrency: "unbounded" })
      expect(results.filter(({ _tag }) => _tag === "Success")).toHaveLength(4)
      expect(results.find((result) => result._tag === "Failure")).toMatchObject({ failure: { _tag: "Overloaded", unit: "characters" } })
      yield* evil.append("flood", [{ payload }])
    }))

  effect("refuses requests beyond what one system may have unanswered, and answers the others'", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ policy: "default", launch: false })
      const good = yield* probe(kernel, "good")
      const evil = yield* probe(kernel, "evil")
      const request = { payload: { resource: "x", access: "read" } }
      yield* evil.append(wellKnown.capabilityRequest, Array.from({ length: requestsPendingMax - 1 }, () => request))
      const two = yield* Effect.flip(evil.append(wellKnown.capabilityRequest, [request, request]))
      expect(two.message).toBe(`Requests without an answer: limit of ${requestsPendingMax} requests reached; try again in 100 ms.`)
      yield* evil.append(wellKnown.actionGate, [{ payload: {} }])
      expect((yield* Effect.flip(evil.append(wellKnown.actionGate, [{ payload: {} }])))._tag).toBe("Overloaded")
      const [asked] = yield* good.append(wellKnown.capabilityRequest, [request])
      yield* kernel.step
      expect(yield* awaitReply(good, asked!.id)).toMatchObject({ kind: "capability_grant" })
      expect((yield* evil.read(wellKnown.kernelReplies, { limit: 1_000 })).events).toHaveLength(requestsPendingMax)
      // What was answered makes room.
      yield* evil.append(wellKnown.capabilityRequest, Array.from({ length: requestsPendingMax }, () => request))
      // What was refused for its content never counted.
      yield* kernel.step
      for (let at = 0; at < 3; at++) yield* Effect.flip(evil.append(wellKnown.capabilityRequest, [{ payload: loose(() => 1) }]))
      yield* evil.append(wellKnown.capabilityRequest, Array.from({ length: requestsPendingMax }, () => request))
    }))

  effect("counts a repeated request once", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ launch: false })
      const evil = yield* probe(kernel, "evil")
      const ask = (key: string) => evil.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }], { key })
      for (let at = 0; at < 2 * requestsPendingMax; at++) yield* ask("one and the same")
      for (let at = 1; at < requestsPendingMax; at++) yield* ask(`k${at}`)
      expect((yield* Effect.flip(ask("one more")))._tag).toBe("Overloaded")
    }))
})

describe("a thousand malformed requests", () => {
  effect("do not delay the good one behind them beyond their own pages, and each has its refusal", () =>
    Effect.gen(function*() {
      const { executor } = counted("x")
      const kernel = yield* makeKernel({ executors: [executor], launch: false })
      const good = yield* probe(kernel, "good", { executors: ["x"] })
      const evil = yield* probe(kernel, "evil")
      const [asked] = yield* good.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "execute" } }])
      yield* kernel.step
      const { token } = (yield* awaitReply(good, asked!.id)).payload as { token: string }
      const bad: ReadonlyArray<unknown> = [null, 1, "text", [], {}, { action: 1 }, { executor: "x" }, { from: "root" }, { action: "x", executor: "", target: "" }, { target: "x".repeat(5_000) }]
      const malformed = yield* evil.append(wellKnown.actionGate, Array.from({ length: 1_000 }, (_, at) => ({ payload: bad[at % bad.length] })))
      const takes = countTakes(kernel, wellKnown.actionGate)
      const id = yield* requestAction(good, { action: "do", executor: "x", target: "", capability: token, risk_level: "low" })
      yield* kernel.step
      // Pages of 128, and one that finds nothing left.
      expect(takes.count).toBeLessThanOrEqual(Math.ceil(1_001 / 128) + 1)
      expect((yield* replies(good, id)).map(({ kind }) => kind)).toEqual(["action_approved", "action_completed"])
      for (const { id } of malformed) expect((yield* replies(evil, id)).map(({ kind }) => kind)).toEqual(["action_denied"])
    }), 30_000)

  effect("do not hold up a running kernel, whose other services go on beside them", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const { kernel } = yield* onSqlite({ executors: [executor] })
      const good = yield* probe(kernel, "good", { executors: ["x"] })
      const evil = yield* probe(kernel, "evil")
      const malformed = yield* evil.append(wellKnown.capabilityRequest, Array.from({ length: 1_000 }, () => ({ payload: "nonsense" })))
      const token = yield* tokenFor(good, "x")
      yield* awaitReply(good, yield* requestAction(good, { action: "do", executor: "x", target: "", capability: token, risk_level: "low" }))
      expect(calls).toHaveLength(1)
      yield* awaitReply(evil, malformed.at(-1)!.id)
    }), 30_000)
})
