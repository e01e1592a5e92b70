// What every executor promises: it refuses what is outside, does one effect per call, stops when told, and tells the truth about it.
import { Effect, Exit, Fiber } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Call, Executor } from "../../protocol/executor.ts"

/** Targets that no executor may take for the name of something that it may touch. */
export const hostileTargets: ReadonlyArray<string> = [
  "", ".", "..", "/", "~", "../x", "a/../../x", "a/..", "/etc/x", "//etc/x", "a//b", "a/./b", "./a", "a/", "a/b/", "x\0y", "\0", "a\\..\\b", "\\\\host\\share",
  "C:\\x", "C:x", "file:///etc/x", "nul:", "a.txt::$DATA", "a.", "a ", "a./b", "a /b", " a", "a\nb", "a\rb", "a\u001b[2Jb", "a\u202eb", "a\u200bb", "\ufeffa",
  "\ud800", "e\u0301", "x".repeat(256), "é".repeat(128), `${"d/".repeat(64)}x`, "x/".repeat(2_000) + "x"
]

export const hostilePayloads: ReadonlyArray<unknown> = [
  undefined, null, 0, "", "text", [], [1], true, { unknown: 1 }, JSON.parse('{"__proto__":{"content":"x"}}'), { constructor: "x" },
  Object.create({ content: "inherited" }), { content: 1 }, { content: null }, { args: "not a list" }, { args: [1] }, { args: ["a\0b"] }
]

export interface ExecutorCase {
  readonly executor: Executor
  /** A call that succeeds; another number, another call with another effect. */
  readonly call: (number: number) => Call
  /** How often the outside has seen the effect of this call. */
  readonly effects: (call: Call) => Promise<number>
  /** Payloads of the hostile ones that this executor does take. */
  readonly takes?: (payload: unknown) => boolean
  /** Calls that only the outside can refuse (a link, a file in the way): `check` cannot see it, `perform` must. */
  readonly refusedOutside?: ReadonlyArray<readonly [what: string, call: Call]>
  /** A call that would go on; `underWay` is when it has begun, `gone` when nothing of it is left. */
  readonly endless?: { readonly call: Call; readonly underWay: () => Promise<void>; readonly gone: () => Promise<void> }
  /** Everything outside that a refused call could have touched, as comparable data. */
  readonly outside: () => Promise<unknown>
  readonly dispose: () => Promise<void>
}

export const executorContract = (name: string, make: () => Promise<ExecutorCase>): void => {
  describe(`the executor ${name}`, () => {
    let given: ExecutorCase
    beforeEach(async () => {
      given = await make()
    })
    afterEach(() => given.dispose())
    const perform = (call: Call) => Effect.runPromiseExit(given.executor.perform(call))
    const isTypedFailure = (exit: Exit.Exit<unknown, unknown>): boolean =>
      Exit.isFailure(exit) && exit.cause.reasons.length > 0 && exit.cause.reasons.every((reason) => reason._tag === "Fail")

    it("says what it is, how risky, and how a crash is recovered", () => {
      const { executor } = given
      expect(executor.name).toBe(name)
      expect(executor.description.length).toBeGreaterThan(10)
      expect(["low", "medium", "high", "irreversible"]).toContain(executor.risk)
      expect(["idempotent", "queryable", "none"]).toContain(executor.recovery)
      expect(executor.recovery === "queryable").toBe(executor.status !== undefined)
    })

    it("refuses every hostile target, before the verdict and again when it is called, and touches nothing", async () => {
      const before = await given.outside()
      for (const target of hostileTargets) {
        const call = { ...given.call(1), target }
        expect(given.executor.check?.(call), JSON.stringify(target.slice(0, 40))).toEqual(expect.any(String))
        expect(isTypedFailure(await perform(call)), JSON.stringify(target.slice(0, 40))).toBe(true)
      }
      expect(await given.outside()).toEqual(before)
    })

    it("refuses every hostile payload with a sentence, and touches nothing", async () => {
      const before = await given.outside()
      for (const payload of hostilePayloads) {
        if (given.takes?.(payload) === true) continue
        const call = { ...given.call(1), payload }
        expect(given.executor.check?.(call), JSON.stringify(payload)).toEqual(expect.any(String))
        expect(isTypedFailure(await perform(call)), JSON.stringify(payload)).toBe(true)
      }
      expect(await given.outside()).toEqual(before)
    })

    it("does one effect per call", async () => {
      const [one, two] = [given.call(1), given.call(2)]
      expect(await given.effects(one)).toBe(0)
      expect(Exit.isSuccess(await perform(one))).toBe(true)
      expect(await given.effects(one)).toBe(1)
      expect(await given.effects(two)).toBe(0)
      expect(Exit.isSuccess(await perform(two))).toBe(true)
      expect([await given.effects(one), await given.effects(two)]).toEqual([1, 1])
    })

    it("does each of many calls at once", async () => {
      const calls = Array.from({ length: 12 }, (_, number) => given.call(number))
      const exits = await Promise.all(calls.map(perform))
      expect(exits.filter(Exit.isSuccess)).toHaveLength(calls.length)
      expect(await Promise.all(calls.map(given.effects))).toEqual(calls.map(() => 1))
    })

    it("gives a result that is JSON", async () => {
      const exit = await perform(given.call(1))
      const value = Exit.isSuccess(exit) ? exit.value : undefined
      expect(value).toBeDefined()
      expect(JSON.parse(JSON.stringify(value))).toEqual(value)
    })

    it("fails with a reason, and touches nothing, where only the outside can refuse", async () => {
      for (const [what, call] of given.refusedOutside ?? []) {
        const before = await given.outside()
        expect(given.executor.check?.(call), what).toBeUndefined()
        expect(isTypedFailure(await perform(call)), what).toBe(true)
        expect(await given.outside(), what).toEqual(before)
      }
    })

    it("does nothing for a call that was stopped before it began", async () => {
      const before = await given.outside()
      const fiber = Effect.runFork(given.executor.perform(given.call(1)))
      await Effect.runPromise(Fiber.interrupt(fiber))
      const after = await given.outside()
      // Stopped is stopped: whatever was done was done by then, and nothing comes later.
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(await given.outside()).toEqual(after)
      if ((await given.effects(given.call(1))) === 0) expect(after).toEqual(before)
    })

    it("stops an effect that is under way", async () => {
      if (given.endless === undefined) return
      const { call, gone, underWay } = given.endless
      const fiber = Effect.runFork(given.executor.perform(call))
      await underWay()
      await Effect.runPromise(Fiber.interrupt(fiber))
      await gone()
    })

    it("tells afterwards whether the effect is there", async () => {
      const { status } = given.executor
      if (status === undefined) return
      const call = given.call(1)
      expect(await Effect.runPromise(status(call))).toBeUndefined()
      const result = await Effect.runPromise(given.executor.perform(call))
      expect(await Effect.runPromise(status(call))).toEqual(result)
      expect(await Effect.runPromise(status(given.call(2)))).toBeUndefined()
    })

    it("tells that the effect of a refused call is not there", async () => {
      const { status } = given.executor
      if (status === undefined) return
      for (const [what, call] of given.refusedOutside ?? []) expect(await Effect.runPromise(status(call)), what).toBeUndefined()
    })
  })
}
