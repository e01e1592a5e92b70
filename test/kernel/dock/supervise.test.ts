// Supervision as a pure decision over the times of failures, and over code that is not even an effect.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { afterFailure, noFailures, reasonOf, supervise, type Failures } from "../../../kernel/dock/supervise.ts"
import { restartBackoffMaxMillis, restartBackoffMillis, restartsMax, restartWindowMillis } from "../../../kernel/limits.ts"
import * as Cause from "effect/Cause"
import { effect } from "../../kit/it.ts"

const fail = (failures: Failures, now: number): Failures => {
  const after = afterFailure(failures, now)
  if (after.next === "quarantine") throw new Error("quarantined")
  return after.failures
}

describe("after a failure", () => {
  it("a system starts again, after a pause that doubles up to its bound", () => {
    let failures = noFailures
    const delays: Array<number> = []
    for (let at = 0; at < restartsMax; at++) {
      const after = afterFailure(failures, at)
      if (after.next === "quarantine") throw new Error("too early")
      delays.push(after.delayMillis)
      failures = after.failures
    }
    expect(delays).toEqual(delays.map((_, at) => Math.min(restartBackoffMaxMillis, restartBackoffMillis * 2 ** at)))
  })

  it("a system that failed too often within the window is quarantined", () => {
    let failures = noFailures
    for (let at = 0; at < restartsMax; at++) failures = fail(failures, at)
    expect(afterFailure(failures, restartWindowMillis - 1).next).toBe("quarantine")
  })

  it("failures outside the window are forgotten, and the pause with them", () => {
    let failures = noFailures
    for (let at = 0; at < 50; at++) failures = fail(failures, at * restartWindowMillis)
    expect(failures.times).toHaveLength(1)
    expect(afterFailure(failures, 50 * restartWindowMillis)).toMatchObject({ next: "restart", delayMillis: restartBackoffMillis })
  })
})

describe("a reason", () => {
  it("is a sentence for whatever was thrown", () => {
    const trap = new Proxy({}, { get: () => { throw new Error("no") }, getPrototypeOf: () => { throw new Error("no") } })
    for (const thrown of [new Error("plain"), new TypeError("typed"), "text", null, undefined, Object.create(null), trap, { toString: () => { throw new Error("no") } }, Symbol("s"), 1n]) {
      expect(reasonOf(Cause.die(thrown))).toMatch(/./u)
    }
    expect(reasonOf(Cause.fail(new Error("plain")))).toBe("plain")
    expect(reasonOf(Cause.fail(new TypeError("typed")))).toBe("TypeError: typed")
    expect(reasonOf(Cause.fail(new Error("x".repeat(5_000))))).toHaveLength(1_000)
    expect(reasonOf(Cause.interrupt())).toBe("it interrupted itself")
  })
})

describe("supervision", () => {
  effect("survives a life that is no effect, outside and inside", () =>
    Effect.gen(function*() {
      for (const run of [() => 7, () => undefined, () => Effect.flatMap(Effect.void, () => 7 as never)]) {
        const reasons: Array<string> = []
        let ended = ""
        yield* supervise({
          run: run as () => Effect.Effect<void>,
          // Every failure at another time: no pause between them is long, and none is forgotten.
          monotonic: () => reasons.length,
          onStart: () => Effect.void,
          onFailure: (reason) => Effect.sync(() => void reasons.push(reason)),
          onQuarantine: (reason) => Effect.sync(() => void (ended = reason)),
          onEnd: () => Effect.sync(() => void (ended = "it ended well"))
        }).pipe(Effect.timeoutOption(250))
        expect(reasons.length).toBeGreaterThan(0)
        expect(ended).toBe("")
      }
    }))

  effect("ends with a life that ends, and is interrupted with one that is interrupted from outside", () =>
    Effect.gen(function*() {
      let ended = 0
      let interrupted = 0
      const told = {
        monotonic: () => 0, onStart: () => Effect.void, onFailure: () => Effect.die("no failure"), onQuarantine: () => Effect.die("no quarantine"),
        onEnd: () => Effect.sync(() => void ended++)
      }
      yield* supervise({ run: () => Effect.void, ...told })
      expect(ended).toBe(1)
      yield* Effect.timeoutOption(supervise({ run: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++)), ...told }), 5)
      expect([ended, interrupted]).toEqual([1, 1])
    }))
})
