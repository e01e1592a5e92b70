// Restarts: a kernel ends without warning and another opens the same store. Nothing decided is lost, nothing runs twice.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { makeClock } from "../../kernel/clock.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import * as Memory from "../../kernel/store/memory.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import type { StoreService } from "../../kernel/store/store.ts"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { counted, held } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, replies, requestAction, requestCapability, tokenFor } from "../kit/probe.ts"

type Open = () => Effect.Effect<{ readonly boot: (options?: TestOptions) => Effect.Effect<Run, unknown, Scope.Scope>; readonly store: () => StoreService }, unknown, Scope.Scope>
interface Run {
  readonly kernel: TestKernel
  /** Ends it as a crash does: nothing is drained, nothing is written. */
  readonly crash: Effect.Effect<void>
}

const inMemory = (hostile?: Memory.HostileOptions): Open => Effect.fnUntraced(function*() {
  const time = testTime()
  const store = yield* Memory.make({ clock: makeClock(time), ...(hostile === undefined ? {} : { hostile }) })
  return {
    store: () => store,
    boot: Effect.fnUntraced(function*(options?: TestOptions) {
      const scope = yield* Scope.make()
      const kernel = yield* Scope.provide(makeKernel({ ...options, store, time }), scope)
      return { kernel, crash: Scope.close(scope, Exit.void) }
    })
  }
})

const onSqlite: Open = Effect.fnUntraced(function*() {
  const path = join(mkdtempSync(join(tmpdir(), "aaax-restart-")), "kernel.db")
  const time = testTime()
  let current: StoreService | undefined
  return {
    store: () => current!,
    boot: Effect.fnUntraced(function*(options?: TestOptions) {
      const scope = yield* Scope.make()
      current = yield* Scope.provide(Sqlite.make({ path, clock: makeClock(time) }), scope)
      const kernel = yield* Scope.provide(makeKernel({ ...options, store: current, time }), scope)
      return { kernel, crash: Scope.close(scope, Exit.void) }
    })
  }
})

const worlds: ReadonlyArray<readonly [string, Open]> = [
  ["in memory", inMemory()],
  ["on a hostile store", inMemory({ seed: 11, latencyMillisMax: 2, failedKept: 0.08, failedLost: 0.08, failedLate: 0.08 })],
  ["on sqlite", onSqlite]
]

const request = (executor: string, token: string, payload: unknown = {}) =>
  ({ action: "x", executor, target: "t", payload, capability: token, risk_level: "low" })

describe.each(worlds)("after a restart %s", (_, open) => {
  effect("a call that cannot be asked about is unknown, is listed, and is not made again", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const slow = held("slow", { recovery: "none" })
      const first = yield* world.boot({ executors: [slow.executor] })
      const port = yield* probe(first.kernel, "a", { executors: ["slow"] })
      const id = yield* requestAction(port, request("slow", yield* tokenFor(port, "slow")))
      yield* slow.begun
      yield* first.crash
      const again = counted("slow", { recovery: "none" })
      const second = yield* world.boot({ executors: [again.executor] })
      expect(yield* second.kernel.gate.list()).toMatchObject([{ id, state: "unknown", attempt: 1 }])
      const returned = yield* probe(second.kernel, "a", { executors: ["slow"] })
      expect(yield* awaitReply(returned, id)).toMatchObject({ kind: "action_unknown" })
      yield* second.kernel.gate.reconcile(id, "operator", "succeeded", "it is there")
      yield* second.kernel.step
      expect((yield* replies(returned, id)).map(({ kind }) => kind)).toEqual(["action_approved", "action_unknown", "action_completed"])
      expect(again.calls).toEqual([])
      yield* second.crash
    }))

  effect("a call that was declared idempotent is made again under the same key", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const slow = held("slow", { recovery: "idempotent" })
      const first = yield* world.boot({ executors: [slow.executor] })
      const port = yield* probe(first.kernel, "a", { executors: ["slow"] })
      const id = yield* requestAction(port, request("slow", yield* tokenFor(port, "slow"), { n: 1 }))
      yield* slow.begun
      yield* first.crash
      const again = counted("slow", { recovery: "idempotent" })
      const second = yield* world.boot({ executors: [again.executor] })
      const returned = yield* probe(second.kernel, "a")
      expect(yield* awaitReply(returned, id)).toMatchObject({ kind: "action_completed" })
      expect(again.calls).toMatchObject([{ key: slow.calls[0]!.key, attempt: 2, payload: { n: 1 }, principal: "a" }])
      yield* second.crash
    }))

  effect("a call that can be asked about is asked, and made again only when it did not happen", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const happened = held("slow", { recovery: "queryable" })
      const lost = held("lost", { recovery: "queryable" })
      const first = yield* world.boot({ executors: [happened.executor, lost.executor] })
      const port = yield* probe(first.kernel, "a", { executors: ["slow", "lost"] })
      const one = yield* requestAction(port, request("slow", yield* tokenFor(port, "slow")))
      const two = yield* requestAction(port, request("lost", yield* tokenFor(port, "lost")))
      yield* happened.begun
      yield* lost.begun
      yield* first.crash
      const asked = counted("slow", { recovery: "queryable", status: () => Effect.succeed({ found: true }) })
      const repeated = counted("lost", { recovery: "queryable", status: () => Effect.succeed(undefined) })
      const second = yield* world.boot({ executors: [asked.executor, repeated.executor] })
      const returned = yield* probe(second.kernel, "a")
      expect((yield* awaitReply(returned, one)).payload).toMatchObject({ result: { found: true } })
      expect(yield* awaitReply(returned, two)).toMatchObject({ kind: "action_completed" })
      expect(asked.calls).toEqual([])
      expect(repeated.calls).toMatchObject([{ attempt: 2 }])
      yield* second.crash
    }))

  effect("an escalation waits on, and runs once when it is approved", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const launch = counted("launch", { risk: "irreversible" })
      const first = yield* world.boot({ executors: [launch.executor] })
      const port = yield* probe(first.kernel, "a", { executors: ["launch"] })
      const id = yield* requestAction(port, request("launch", yield* tokenFor(port, "launch"), { to: "moon" }))
      yield* awaitReply(port, id, "action_escalated")
      yield* first.crash
      const second = yield* world.boot({ executors: [launch.executor] })
      const returned = yield* probe(second.kernel, "a", { executors: ["launch"] })
      expect(yield* second.kernel.gate.list()).toMatchObject([{ id, state: "escalated", payload: { to: "moon" } }])
      yield* second.kernel.gate.approve(id, "operator")
      expect(yield* awaitReply(returned, id)).toMatchObject({ kind: "action_completed" })
      expect(launch.calls).toHaveLength(1)
      yield* second.crash
    }))

  effect("a request that was kept but not decided gets its verdict", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const count = counted("count")
      const first = yield* world.boot({ executors: [count.executor], launch: false })
      const port = yield* probe(first.kernel, "a", { executors: ["count"] })
      const [ask] = yield* port.append("aaax.capability-request", [{ payload: { resource: "count", access: "execute" } }])
      yield* first.crash
      const second = yield* world.boot({ executors: [count.executor] })
      const returned = yield* probe(second.kernel, "a", { executors: ["count"] })
      expect(yield* awaitReply(returned, ask!.id)).toMatchObject({ kind: "capability_grant" })
      yield* second.crash
    }))

  effect("grants hold, first grants are handed out again, and what an operator decided stays decided", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const count = counted("count")
      const first = yield* world.boot({ executors: [count.executor] })
      const port = yield* probe(first.kernel, "a", { executors: ["count"] })
      yield* probe(first.kernel, "sleeper")
      yield* probe(first.kernel, "traitor", { executors: ["count"] })
      const token = yield* tokenFor(port, "count")
      yield* first.kernel.pause("sleeper")
      yield* first.kernel.revoke("traitor")
      yield* first.crash
      const second = yield* world.boot({ executors: [count.executor] })
      const returned = yield* probe(second.kernel, "a", { executors: ["count"] })
      expect(yield* awaitReply(returned, yield* requestAction(returned, request("count", token)))).toMatchObject({ kind: "action_completed" })
      expect(yield* tokenFor(returned, "count")).toBe(token)
      yield* probe(second.kernel, "sleeper")
      const traitor = yield* probe(second.kernel, "traitor", { executors: ["count"] })
      const states = Object.fromEntries(second.kernel.systems().map(({ id, status }) => [id, status]))
      expect(states).toMatchObject({ a: "running", sleeper: "paused", traitor: "revoked" })
      expect((yield* Effect.flip(requestCapability(traitor, { resource: "count", access: "execute" })))).toMatchObject({ _tag: "Undocked" })
      yield* second.crash
    }))

  effect("the fold of snapshot and tail equals the fold of everything, and a forged snapshot is ignored", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const count = counted("count")
      const first = yield* world.boot({ executors: [count.executor] })
      const port = yield* probe(first.kernel, "a", { executors: ["count"] })
      const token = yield* tokenFor(port, "count")
      yield* first.kernel.drainAll(1_000)
      yield* first.crash

      const second = yield* world.boot({ executors: [count.executor] })
      const kept = yield* world.store().getSnapshot("aaax.authority")
      expect(kept).toBeDefined()
      const again = yield* probe(second.kernel, "a", { executors: ["count"] })
      expect(yield* awaitReply(again, yield* requestAction(again, request("count", token)))).toMatchObject({ kind: "action_completed" })
      expect(second.kernel.status().boot).toBe(2)
      const forged = JSON.parse(JSON.stringify(kept!.value))
      forged.state.grants.push({ uses: 0, grant: { ...forged.state.grants[0].grant, id: "forged", holder: "thief", resource: "count", origin: "a request" } })
      yield* world.store().putSnapshot({ name: "aaax.authority", value: forged, cursor: kept!.cursor }, "aaax")
      yield* second.crash

      const third = yield* world.boot({ executors: [count.executor] })
      const thief = yield* probe(third.kernel, "thief")
      const reply = yield* awaitReply(thief, yield* requestAction(thief, request("count", "forged")))
      expect(reply.payload).toMatchObject({ reason: "Invalid or expired capability token" })
      const honest = yield* probe(third.kernel, "a", { executors: ["count"] })
      expect(yield* awaitReply(honest, yield* requestAction(honest, request("count", token)))).toMatchObject({ kind: "action_completed" })
      expect((yield* third.kernel.verifyAudit).problems).toEqual([])
      yield* third.crash
    }))

  effect("a lease of an earlier boot is refused, and its item is delivered again", () =>
    Effect.gen(function*() {
      const world = yield* open()
      const first = yield* world.boot()
      const port = yield* probe(first.kernel, "a", { provides: [{ name: "work", form: "queue" }] })
      yield* port.append("work", [{ payload: 1 }])
      const [old] = yield* port.take("work")
      yield* first.crash
      const second = yield* world.boot()
      const returned = yield* probe(second.kernel, "a", { provides: [{ name: "work", form: "queue" }] })
      const [taken] = yield* returned.take("work")
      expect(taken).toMatchObject({ attempt: 2, event: { payload: 1 } })
      expect(taken!.epoch).toBeGreaterThan(old!.epoch)
      expect(yield* Effect.flip(returned.settle("work", [{ cursor: old!.event.cursor, epoch: old!.epoch, outcome: "ack" }]))).toMatchObject({ _tag: "LeaseLost" })
      yield* returned.settle("work", [{ cursor: taken!.event.cursor, epoch: taken!.epoch, outcome: "ack" }])
      yield* second.crash
    }))
})
