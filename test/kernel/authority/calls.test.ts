// Calls under way: so many at once, each stopped when it takes too long or is told to, all ended with their kernel.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { ended, makeCalls, makeStop, stop, type Calls } from "../../../kernel/authority/calls.ts"
import { effect } from "../../kit/it.ts"

/** Says that it began, and goes on until it is let go. */
const held = (calls: Calls, began: Array<number>, n: number, gate: Deferred.Deferred<void>): void =>
  calls.run(Effect.suspend(() => {
    began.push(n)
    return Deferred.await(gate)
  }).pipe(Effect.onExit(() => Effect.sync(calls.left))))

describe("calls", () => {
  effect("have so many places, and whoever waits for one gets it in its turn", () =>
    Effect.gen(function*() {
      const calls = yield* makeCalls(2)
      const began: Array<number> = []
      const gates = Array.from({ length: 4 }, () => Deferred.makeUnsafe<void>())
      for (const [n, gate] of gates.entries()) held(calls, began, n, gate)
      expect(began).toEqual([0, 1])
      yield* Deferred.succeed(gates[1]!, undefined)
      expect(began).toEqual([0, 1, 2])
      const settled = yield* Effect.forkChild(calls.settled, { startImmediately: true })
      expect(settled.pollUnsafe()).toBeUndefined()
      for (const gate of gates) yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(settled)
      expect(began).toEqual([0, 1, 2, 3])
    }))

  effect("that end at once give their place on one after another, however many wait", () =>
    Effect.gen(function*() {
      const calls = yield* makeCalls(1)
      const gate = Deferred.makeUnsafe<void>()
      let done = 0
      held(calls, [], 0, gate)
      for (let n = 0; n < 20_000; n++) {
        calls.run(Effect.sync(() => {
          done++
          calls.left()
        }))
      }
      expect(done).toBe(0)
      yield* Deferred.succeed(gate, undefined)
      yield* calls.settled
      expect(done).toBe(20_000)
    }))

  effect("end with their kernel, which waits for them, and none begins behind that", () =>
    Effect.gen(function*() {
      const began: Array<number> = []
      let wasEnded = false
      const calls = yield* Effect.scoped(Effect.gen(function*() {
        const own = yield* makeCalls(1)
        own.run(Effect.onInterrupt(Effect.never, () => Effect.sync(() => {
          wasEnded = true
          own.left()
        })))
        held(own, began, 1, Deferred.makeUnsafe<void>())
        return own
      }))
      expect(wasEnded).toBe(true)
      held(calls, began, 2, Deferred.makeUnsafe<void>())
      expect(began).toEqual([])
    }))

  effect("are broken off when they are stopped, and what they say then is not believed", () =>
    Effect.gen(function*() {
      const one = makeStop()
      const stubborn = Effect.uninterruptible(Effect.as(Effect.suspend(() => Effect.sync(() => stop(one, "revoked")).pipe(Effect.delay(1))), "done"))
      expect(yield* ended(() => stubborn, 60_000, one)).toEqual({ broken: { reason: "revoked", isReached: undefined } })
      expect(one.breakOff).toBeUndefined()
      expect(yield* ended(() => Effect.never, 1, makeStop())).toEqual({ broken: { reason: "it took longer than 1 ms", isReached: false } })
    }))
})
