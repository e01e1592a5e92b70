// From started to receipt: what is called is what was decided on, under the fence it named, and its result is kept.
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { Event } from "../../../protocol/event.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { resultTextMax } from "../../../kernel/limits.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { counted, held } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, replies, requestAction, tokenFor } from "../../kit/probe.ts"

const request = (executor: string, capability: string, more: object = {}) => ({ action: "do", executor, target: "t", payload: { n: 1 }, capability, risk_level: "low", ...more })

describe("a call", () => {
  for (const [what, change] of [
    ["were changed in the store", (event: Event): Event => ({ ...event, payload: { ...(event.payload as object), payload: { n: 2 } } })],
    ["are gone", (): Event | undefined => undefined]
  ] as const) {
    effect(`is not made when its arguments ${what} after they were approved`, () =>
      Effect.gen(function*() {
        const time = testTime()
        const store = yield* Memory.make({ clock: makeClock(time) })
        let isTampered = false
        const tampered = { ...store, event: (id: string) => Effect.map(store.event(id), (event) => (isTampered && event !== undefined ? change(event) : event)) }
        const { calls, executor } = counted("launch", { risk: "irreversible" })
        const kernel = yield* makeKernel({ store: tampered, time, executors: [executor] })
        const port = yield* probe(kernel, "a", { executors: ["launch"] })
        const id = yield* requestAction(port, request("launch", yield* tokenFor(port, "launch")))
        yield* awaitReply(port, id, "action_escalated")
        isTampered = true
        yield* kernel.gate.approve(id, "operator")
        const receipt = yield* awaitReply(port, id)
        expect(receipt).toMatchObject({ kind: "action_failed", payload: { reason: "the arguments are not those that were decided on" } })
        expect(calls).toEqual([])
      }))
  }

  effect("is made with what a rule put in place of its payload, and that is what was approved", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("launch", { risk: "irreversible" })
      const kernel = yield* makeKernel({
        executors: [executor],
        policy: { name: "tame", description: "", decide: (question: { kind: string }) =>
          question.kind === "action" ? { outcome: "escalate", reason: "look", to: "human", payload: { tame: true } } : { outcome: "allow" } }
      })
      const port = yield* probe(kernel, "a", { executors: ["launch"] })
      const id = yield* requestAction(port, request("launch", yield* tokenFor(port, "launch")))
      yield* awaitReply(port, id, "action_escalated")
      expect(yield* kernel.gate.show(id)).toMatchObject({ payload: { tame: true } })
      yield* kernel.gate.approve(id, "operator")
      yield* awaitReply(port, id)
      expect(calls).toMatchObject([{ payload: { tame: true } }])
      expect((yield* replies(port, id)).find(({ kind }) => kind === "action_approved")?.payload).toMatchObject({ modified_payload: { tame: true } })
    }))

  effect("is not made when the fence it named has moved on", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("write")
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["write"], provides: [{ name: "claims", delivery: "latest" }] })
      const token = yield* tokenFor(port, "write")
      const claim = (epoch: number) => port.append("claims", [{ subject: "src", payload: { epoch } }])
      const act = (epoch: number) => Effect.flatMap(requestAction(port, request("write", token, { fence: { channel: "claims", key: "src", epoch } })), (id) => awaitReply(port, id))
      yield* claim(1)
      expect((yield* act(1)).kind).toBe("action_completed")
      yield* claim(2)
      expect(yield* act(1)).toMatchObject({ kind: "action_failed", payload: { reason: "the fence claims/src has moved on from epoch 1" } })
      expect((yield* act(2)).kind).toBe("action_completed")
      // Nor when what was last said of it is of no epoch at all.
      for (const payload of [null, "2", [2], { epoch: "2" }]) {
        yield* port.append("claims", [{ subject: "src", payload }])
        expect([payload, yield* act(2)]).toMatchObject([payload, { kind: "action_failed", payload: { reason: "the fence claims/src has moved on from epoch 2" } }])
      }
      expect(calls).toHaveLength(2)
    }))

  effect("that takes too long is stopped, and its outcome is unknown unless its executor can tell", () =>
    Effect.gen(function*() {
      const silent = held("silent", { timeoutMillis: 5 })
      const telling = held("telling", { timeoutMillis: 5, recovery: "queryable", status: () => Effect.succeed({ there: true }) })
      const denying = held("denying", { timeoutMillis: 5, recovery: "queryable", status: () => Effect.succeed(undefined) })
      const kernel = yield* makeKernel({ executors: [silent.executor, telling.executor, denying.executor] })
      const port = yield* probe(kernel, "a", { executors: ["silent", "telling", "denying"] })
      const act = (name: string) => Effect.flatMap(tokenFor(port, name), (token) =>
        Effect.flatMap(requestAction(port, request(name, token)), (id) => awaitReply(port, id)))
      expect(yield* act("silent")).toMatchObject({ kind: "action_unknown", payload: { reason: "it took longer than 5 ms" } })
      expect(yield* act("telling")).toMatchObject({ kind: "action_completed", payload: { result: { there: true } } })
      expect(yield* act("denying")).toMatchObject({ kind: "action_failed", payload: { reason: "it took longer than 5 ms; it did not happen" } })
    }))

  effect("with a result that is too large for an entry leaves it as an artifact, which its requester can read", () =>
    Effect.gen(function*() {
      const result = { text: "x".repeat(resultTextMax) }
      const { executor } = counted("large", { perform: () => Effect.succeed(result) })
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["large"] })
      const id = yield* requestAction(port, request("large", yield* tokenFor(port, "large")))
      const receipt = yield* awaitReply(port, id)
      const { result: inline, result_artifact: digest } = receipt.payload as { result: unknown; result_artifact: string }
      expect(inline).toBeNull()
      expect(JSON.parse(new TextDecoder().decode(yield* port.getArtifact(digest, receipt)))).toEqual(result)
      expect((yield* kernel.gate.show(id)).result).toEqual(result)
    }))
})
