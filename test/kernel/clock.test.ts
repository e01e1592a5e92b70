// Kernel time: it never goes back, follows drift, and holds a jump of the wall clock back until somebody confirms it.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect, it } from "vitest"
import { makeClock } from "../../kernel/clock.ts"
import { clockJumpMillis } from "../../kernel/limits.ts"
import { makeKernel, testTime } from "../../kernel/testing.ts"
import * as Memory from "../../kernel/store/memory.ts"
import { counted } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../kit/probe.ts"
import { makeRandom } from "../kit/random.ts"

const hour = 3_600_000
const start = 1_750_000_000_000

describe("kernel time", () => {
  it("is the wall clock's while both clocks agree", () => {
    const time = testTime(start)
    const clock = makeClock(time)
    expect(clock.now()).toBe(start)
    time.advance(1234)
    expect(clock.now()).toBe(start + 1234)
    expect(clock.jump()).toBeUndefined()
  })

  it("goes on when the wall clock is set back", () => {
    const time = testTime(start)
    const clock = makeClock(time)
    time.jump(-hour)
    expect(clock.now()).toBe(start)
    time.advance(1_000)
    expect(clock.now()).toBe(start + 1_000)
  })

  it("goes on from the high-water mark when it starts behind it", () => {
    const time = testTime(start - hour)
    const clock = makeClock(time)
    clock.raise(start)
    expect(clock.now()).toBe(start)
    time.advance(10)
    expect(clock.now()).toBe(start + 10)
    clock.raise(start - 1)
    expect(clock.now()).toBe(start + 10)
  })

  it("follows a wall clock that runs a little faster, however long", () => {
    const time = testTime(start)
    const clock = makeClock(time)
    for (let beat = 0; beat < 10_000; beat++) {
      time.advance(1_000)
      time.jump(1)
      clock.now()
    }
    expect(clock.jump()).toBeUndefined()
    expect(clock.now()).toBe(time.wall())
    expect(clock.now() - start).toBeGreaterThan(10_000_000)
  })

  it("takes a jump of the limit and holds back one beyond it, going on by the monotonic clock", () => {
    const time = testTime(start)
    const clock = makeClock(time)
    time.jump(clockJumpMillis)
    expect(clock.now()).toBe(start + clockJumpMillis)
    time.jump(clockJumpMillis + 1)
    expect(clock.now()).toBe(start + clockJumpMillis)
    expect(clock.jump()).toBe(clockJumpMillis + 1)
    time.advance(500)
    expect(clock.now()).toBe(start + clockJumpMillis + 500)
    expect(clock.jump()).toBe(clockJumpMillis + 1)
  })

  it("takes the wall clock's word once the jump is confirmed", () => {
    const time = testTime(start)
    const clock = makeClock(time)
    time.jump(hour)
    clock.now()
    clock.confirm()
    expect(clock.now()).toBe(start + hour)
    expect(clock.jump()).toBeUndefined()
  })

  it("forgets a jump that was taken back", () => {
    const time = testTime(start)
    const clock = makeClock(time)
    time.jump(hour)
    expect(clock.jump()).toBe(hour)
    time.jump(-hour)
    expect(clock.jump()).toBeUndefined()
    expect(clock.now()).toBe(start)
  })

  it.each([1, 2, 3, 4])("never goes back, whatever the wall clock does (seed %i)", (seed) => {
    const random = makeRandom(seed)
    const time = testTime(start)
    const clock = makeClock(time)
    let before = clock.now()
    for (let turn = 0; turn < 2_000; turn++) {
      if (random.chance(0.5)) time.advance(random.int(5_000))
      if (random.chance(0.2)) time.jump(random.int(4 * hour) - 2 * hour)
      if (random.chance(0.05)) clock.confirm()
      if (random.chance(0.05)) clock.raise(before + random.int(10_000) - 5_000)
      const now = clock.now()
      expect(now).toBeGreaterThanOrEqual(before)
      before = now
    }
  })
})

const kinds = (events: ReadonlyArray<{ readonly kind: string }>) => events.map(({ kind }) => kind).filter((kind) => kind.startsWith("clock."))

describe("a kernel whose wall clock jumps ahead", () => {
  effect("writes it down once, expires nothing, and expires what is due when an operator confirms it", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("launch", { risk: "irreversible" })
      const kernel = yield* makeKernel({ executors: [executor], launch: false })
      const port = yield* probe(kernel, "a", { executors: ["launch"] })
      const token = yield* Effect.flatMap(port.append("aaax.capability-request", [{ payload: { resource: "launch", access: "execute" } }]), ([asked]) =>
        Effect.andThen(kernel.step, Effect.map(awaitReply(port, asked!.id), (reply) => (reply.payload as { token: string }).token)))
      const id = yield* requestAction(port, { action: "go", executor: "launch", target: "", capability: token })
      yield* kernel.step
      kernel.time.jump(hour)
      yield* kernel.step
      yield* kernel.step
      expect(kernel.status().clockJump).toBe(hour)
      expect(kinds(yield* kernel.audit(0, 1000))).toEqual(["clock.jumped"])
      expect(yield* kernel.gate.list()).toMatchObject([{ id, state: "escalated" }])

      expect(yield* kernel.confirmClock).toBe(hour)
      expect(kernel.status().clockJump).toBeNull()
      yield* kernel.step
      expect(kinds(yield* kernel.audit(0, 1000))).toEqual(["clock.jumped", "clock.confirmed"])
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_expired" })
      expect(yield* kernel.gate.list()).toEqual([])
      expect(calls).toEqual([])
    }))

  effect("writes both entries when it is confirmed before anybody noticed it", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ launch: false })
      kernel.time.jump(hour)
      expect(yield* kernel.confirmClock).toBe(hour)
      expect(kinds(yield* kernel.audit(0, 1000))).toEqual(["clock.jumped", "clock.confirmed"])
      expect(yield* kernel.confirmClock).toBeUndefined()
      expect(kinds(yield* kernel.audit(0, 1000))).toHaveLength(2)
    }))
})

describe("a kernel that starts with a wall clock set back an hour", () => {
  effect("goes on from the newest time of its journal", () =>
    Effect.gen(function*() {
      const time = testTime(start)
      const store = yield* Memory.make({ clock: makeClock(time) })
      const first = yield* Scope.make()
      const before = yield* Scope.provide(makeKernel({ store, time, executors: [counted("x").executor] }), first)
      const port = yield* probe(before, "a", { executors: ["x"] })
      time.advance(60_000)
      yield* tokenFor(port, "x")
      const last = (yield* before.audit(0, 1000)).at(-1)!.payload as { at: number }
      expect(last.at).toBe(start + 60_000)
      yield* Scope.close(first, Exit.void)

      time.jump(-hour)
      const after = yield* makeKernel({ store, time })
      expect(after.status().now).toBeGreaterThanOrEqual(last.at)
      const ats = (yield* after.audit(0, 1000)).map(({ payload }) => (payload as { at: number }).at)
      expect([...ats].sort((a, b) => a - b)).toEqual(ats)
      expect((yield* after.verifyAudit).problems).toEqual([])
    }))
})
