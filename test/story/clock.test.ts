// A clock that is set back or forward, while the kernel runs and while it does not: nothing that has ended lives again,
// nothing lives longer than it was given, and nothing ends before its time by the rule that a jump is not believed.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { makeClock } from "../../kernel/clock.ts"
import * as Memory from "../../kernel/store/memory.ts"
import { makeKernel, testTime, type TestKernel } from "../../kernel/testing.ts"
import { tokenKeyInMemory } from "../../kernel/guard/tokens.ts"
import type { Port } from "../../protocol/port.ts"
import { counted } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, requestAction } from "../kit/probe.ts"

const minute = 60_000
const hour = 60 * minute

/** What lives for ten minutes, each in its own way. */
const world = Effect.fnUntraced(function*() {
  const time = testTime()
  const store = yield* Memory.make({ clock: makeClock(time) })
  const tokenKey = tokenKeyInMemory()
  const { calls, executor } = counted("launch", { risk: "irreversible" })
  let scope: Scope.Closeable | undefined
  let kernel!: TestKernel
  let port!: Port
  const boot = Effect.gen(function*() {
    if (scope !== undefined) yield* Scope.close(scope, Exit.void)
    scope = yield* Scope.make()
    kernel = yield* Scope.provide(makeKernel({ store, time, tokenKey, executors: [executor], launch: false, approvalMillis: 10 * minute, policy: "default" }), scope)
    port = yield* Scope.provide(probe(kernel, "a", {
      executors: ["launch"], provides: [{ name: "a.jobs", form: "queue", leaseMillis: 10 * minute }]
    }), scope)
  })
  yield* boot
  const grant = yield* kernel.grants.issue("operator", { to: "a", resource: "launch", access: "execute", ttl: 600 })
  const minted = yield* kernel.tokens.mint({ name: "ada", role: "read", ttlSeconds: 600 })
  const lasting = yield* kernel.grants.issue("operator", { to: "a", resource: "launch", access: "execute", ttl: 86_400 })
  const approval = yield* requestAction(port, { action: "go", executor: "launch", target: "", capability: lasting.id })
  yield* kernel.step
  yield* port.append("a.jobs", [{ payload: 1 }])
  const [leased] = yield* port.take("a.jobs")

  /** Whether each of the four is alive, as somebody finds out who tries to use it. */
  const alive = Effect.gen(function*() {
    yield* kernel.step
    const tried = yield* requestAction(port, { action: "go", executor: "launch", target: "", capability: grant.id })
    yield* kernel.step
    const reply = yield* awaitReply(port, tried, undefined).pipe(Effect.timeoutOption(10))
    const waits = (yield* kernel.gate.list({ state: "escalated" })).map(({ id }) => id)
    const again = yield* port.take("a.jobs")
    for (const item of again) yield* port.settle("a.jobs", [{ cursor: item.event.cursor, epoch: item.epoch, outcome: "nack" }])
    return {
      grant: waits.includes(tried) && reply._tag === "None",
      token: (yield* kernel.tokens.verify(minted.token)) !== undefined,
      approval: waits.includes(approval),
      lease: again.length === 0
    }
  })
  return { time, boot, alive, calls, leased, approve: Effect.suspend(() => Effect.exit(kernel.gate.approve(approval, "operator"))) }
})

const all = { grant: true, token: true, approval: true, lease: true }
const none = { grant: false, token: false, approval: false, lease: false }

describe("a clock that is set while the kernel runs", () => {
  for (const jump of [-3 * hour, -minute, 3 * hour]) {
    effect(`by ${jump / minute} minutes: nothing ends early, and nothing lives longer`, () =>
      Effect.gen(function*() {
        const { alive, approve, calls, time } = yield* world()
        time.advance(4 * minute)
        time.jump(jump)
        expect(yield* alive).toEqual(all)
        time.advance(5 * minute)
        expect(yield* alive, "after nine of ten minutes").toEqual(all)
        time.advance(2 * minute)
        expect(yield* alive, "after eleven").toEqual(none)
        // What has ended does not live again, wherever the clock goes now.
        for (const back of [-hour, -12 * hour, 6 * hour]) {
          time.jump(back)
          expect(yield* alive, `after a jump of ${back / minute} minutes`).toEqual(none)
        }
        expect((yield* approve)._tag).toBe("Failure")
        expect(calls).toEqual([])
      }))
  }
})

describe("a clock that is set while no kernel runs", () => {
  effect("back: what has ended does not live again, and what lives lives no longer than it would have from the newest entry on", () =>
    Effect.gen(function*() {
      const { alive, approve, boot, calls, time } = yield* world()
      time.advance(11 * minute)
      expect(yield* alive).toEqual(none)
      time.jump(-6 * hour)
      yield* boot
      expect(yield* alive).toMatchObject({ grant: false, token: false, approval: false })
      time.advance(minute)
      expect(yield* alive).toMatchObject({ grant: false, token: false, approval: false })
      expect((yield* approve)._tag).toBe("Failure")
      expect(calls).toEqual([])
    }))

  effect("back, with everything alive: it ends after the rest of its time", () =>
    Effect.gen(function*() {
      const { alive, boot, time } = yield* world()
      time.advance(4 * minute)
      expect(yield* alive).toEqual(all)
      time.jump(-6 * hour)
      yield* boot
      expect(yield* alive).toMatchObject({ grant: true, token: true, approval: true })
      time.advance(7 * minute)
      expect(yield* alive).toMatchObject({ grant: false, token: false, approval: false })
    }))
})
