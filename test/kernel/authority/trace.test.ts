// The trace of a request goes with everything that it leads to: its verdict, the call of its executor, its receipt, also
// when a kernel ended in between.
import { Effect, Exit, Scope } from "effect"
import { describe, expect } from "vitest"
import type { Call, Executor } from "../../../protocol/executor.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, replies, tokenFor } from "../../kit/probe.ts"

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
const executor = (calls: Array<Call>, rest: Partial<Executor> = {}): Executor => ({
  name: "probe", description: "", risk: "low", recovery: "idempotent", perform: (call) => Effect.sync(() => void calls.push(call)), ...rest
})
const act = (token: string) => ({ action: "x", executor: "probe", target: "t", payload: {}, capability: token, risk_level: "low" })

describe("the trace of a request", () => {
  effect("is on its replies, on the verdict and on the call of its executor", () => Effect.gen(function*() {
    const calls: Array<Call> = []
    const kernel = yield* makeKernel({ executors: [executor(calls)], policy: "default" })
    const port = yield* probe(kernel, "a", { executors: ["probe"] })
    const [asked] = yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: "probe", access: "execute" }, traceparent }])
    expect(yield* awaitReply(port, asked!.id)).toMatchObject({ kind: "capability_grant", traceparent })
    const [acted] = yield* port.append(wellKnown.actionGate, [{ payload: act(yield* tokenFor(port, "probe")), traceparent }])
    yield* awaitReply(port, acted!.id)
    expect((yield* replies(port, acted!.id)).map((reply) => [reply.kind, reply.traceparent])).toEqual([["action_approved", traceparent], ["action_completed", traceparent]])
    expect(calls).toMatchObject([{ traceparent }])
    const decided = (yield* kernel.audit(0, 100)).filter(({ correlationId }) => correlationId === acted!.id)
    expect(decided.map(({ payload }) => payload)).toMatchObject([{ traceparent, warrant: { traceparent } }, { traceparent }])
    const [bad] = yield* port.append(wellKnown.capabilityRequest, [{ payload: "malformed", traceparent }])
    expect(yield* awaitReply(port, bad!.id)).toMatchObject({ kind: "capability_deny", traceparent })
    expect((yield* kernel.verifyAudit).problems).toEqual([])
  }))

  effect("is nowhere when the request has none, or one that is none", () => Effect.gen(function*() {
    const calls: Array<Call> = []
    const kernel = yield* makeKernel({ executors: [executor(calls)], policy: "default" })
    const port = yield* probe(kernel, "a", { executors: ["probe"] })
    const token = yield* tokenFor(port, "probe")
    for (const given of [{}, { traceparent: "00-not-a-trace-01" }, { traceparent: null }]) {
      const [acted] = yield* port.append(wellKnown.actionGate, [{ payload: act(token), ...given }])
      expect(yield* awaitReply(port, acted!.id)).toMatchObject({ kind: "action_completed", traceparent: null })
      expect((yield* kernel.channels.store.event(acted!.id))?.traceparent).toBeNull()
    }
    expect(calls.map((call) => "traceparent" in call)).toEqual([false, false, false])
  }))

  effect("is on the call that is repeated and on the receipt when the kernel ended in the middle of the first one", () => Effect.gen(function*() {
    const time = testTime()
    const store = yield* Memory.make({ clock: makeClock(time) })
    const first = yield* Scope.make()
    const started: Array<Call> = []
    const hanging = executor(started, { perform: (call) => Effect.suspend(() => (started.push(call), Effect.never)) })
    const kernel = yield* Scope.provide(makeKernel({ store, time, executors: [hanging], policy: "default" }), first)
    const port = yield* probe(kernel, "a", { executors: ["probe"] })
    const [acted] = yield* port.append(wellKnown.actionGate, [{ payload: act(yield* tokenFor(port, "probe")), traceparent }])
    yield* awaitReply(port, acted!.id, "action_approved")
    yield* Effect.promise(async () => {
      while (started.length === 0) await new Promise(setImmediate)
    })
    yield* Scope.close(first, Exit.void)
    const again: Array<Call> = []
    const next = yield* makeKernel({ store, time, executors: [executor(again)], policy: "default" })
    const back = yield* probe(next, "a", { executors: ["probe"] })
    expect(yield* awaitReply(back, acted!.id)).toMatchObject({ kind: "action_completed", traceparent })
    expect([started[0], ...again].map((call) => [call?.attempt, call?.traceparent])).toEqual([[1, traceparent], [2, traceparent]])
  }))
})
