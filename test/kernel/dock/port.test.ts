// The port while its system is paused: a call that comes then waits and does nothing, one that is under way keeps its
// answer until the system goes on.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

/** Lets everything run that can. */
const settle = Effect.promise(async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
})

describe("the port of a paused system", () => {
  effect("does nothing of what it is asked before the system is resumed, and then all of it", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const port = yield* probe(kernel, "a", { provides: [{ name: "out" }, { name: "quick", durability: "memory" }, { name: "work", form: "queue" }], snapshots: ["mine"] })
      yield* port.append("work", [{ payload: 1 }])
      yield* kernel.pause("a")
      const waiting: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        port.append("out", [{ payload: 1 }]), port.append("quick", [{ payload: 1 }]), port.take("work"), port.putSnapshot({ name: "mine", value: 1 }), port.advance("s", "out", 1),
        port.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }])
      ]
      const fibers = yield* Effect.forEach(waiting, (call) => Effect.forkChild(call, { startImmediately: true }))
      yield* settle
      const { store } = kernel.channels
      expect(fibers.map((fiber) => fiber.pollUnsafe())).toEqual(waiting.map(() => undefined))
      expect(store.statisticsOf("quick")!.head).toBe(0)
      expect([store.statisticsOf("out")!.head, store.statisticsOf(wellKnown.capabilityRequest)!.head, store.subscription("a", "s", "out")]).toEqual([0, 0, undefined])
      expect(yield* store.getSnapshot("mine")).toBeUndefined()
      yield* kernel.resume("a")
      yield* Effect.forEach(fibers, Fiber.join)
      expect(store.statisticsOf("quick")!.events).toBe(1)
      expect([store.statisticsOf("out")!.events, store.subscription("a", "s", "out")?.cursor]).toEqual([1, 1])
    }))

  effect("keeps the answer to a call that was under way", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const port = yield* probe(kernel, "a", { provides: [{ name: "out" }] })
      const other = yield* probe(kernel, "b", { writes: ["out"] })
      const fiber = yield* Effect.forkChild(port.awaitBeyond("out", 0), { startImmediately: true })
      yield* kernel.pause("a")
      yield* other.append("out", [{ payload: 1 }])
      yield* settle
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* kernel.resume("a")
      expect(yield* Fiber.join(fiber)).toBeGreaterThan(0)
    }))

  effect("tells those who wait when it is taken back", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const port = yield* probe(kernel, "a", { provides: [{ name: "out" }, { name: "quick", durability: "memory" }] })
      yield* kernel.pause("a")
      const fiber = yield* Effect.forkChild(Effect.flip(port.append("out", [{ payload: 1 }])), { startImmediately: true })
      yield* kernel.revoke("a")
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "Undocked", reason: "it was revoked" })
      expect(yield* Effect.flip(port.append("quick", [{ payload: 1 }]))).toMatchObject({ _tag: "Undocked", reason: "it was revoked" })
      expect(kernel.channels.store.statisticsOf("out")!.head).toBe(0)
    }))

  effect("keeps what a waiting take got until it is resumed", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const port = yield* probe(kernel, "a", { provides: [{ name: "work", form: "queue" }] })
      const other = yield* probe(kernel, "b", { writes: ["work"] })
      const fiber = yield* Effect.forkChild(port.take("work", { wait: true }), { startImmediately: true })
      yield* kernel.pause("a")
      yield* other.append("work", [{ payload: 1 }])
      yield* settle
      expect(fiber.pollUnsafe()).toBeUndefined()
      yield* kernel.resume("a")
      expect(yield* Fiber.join(fiber)).toMatchObject([{ event: { payload: 1 } }])
    }))

  effect("fails whatever it waits for when it is taken back, and gets nothing of it", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const port = yield* probe(kernel, "a", { provides: [{ name: "out" }, { name: "work", form: "queue" }, { name: "mail", delivery: "addressed" }] })
      const other = yield* probe(kernel, "b", { writes: ["work"], takes: ["work"] })
      const waiting: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        port.take("work", { wait: true }), port.take("out", { wait: true }), port.awaitBeyond("out", 0), port.awaitBeyond("mail", 0)
      ]
      const fibers = yield* Effect.forEach(waiting, (call) => Effect.forkChild(Effect.flip(call), { startImmediately: true }))
      yield* settle
      yield* kernel.revoke("a")
      for (const fiber of fibers) expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "Undocked", reason: "it was revoked" })
      yield* other.append("work", [{ payload: 1 }])
      expect(yield* other.take("work")).toMatchObject([{ event: { payload: 1 }, attempt: 1 }])
    }))
})

describe("a snapshot", () => {
  for (const [what, given] of [["nothing", null], ["a text", "mine"], ["a number", 1]] as const) {
    effect(`that is ${what} is refused, and it is said what it would have to be`, () =>
      Effect.gen(function*() {
        const kernel = yield* makeKernel()
        const port = yield* probe(kernel, "a", { snapshots: ["mine"] })
        // Code without types may hand over anything.
        const refused = yield* Effect.flip(port.putSnapshot(given as never))
        expect(refused).toMatchObject({ _tag: "InvalidPayload", what: "snapshot", reason: "must be an object with name and value" })
      }))
  }
})
