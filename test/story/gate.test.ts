// The gate as a whole: from a request to its receipt, in every world.
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import * as wellKnown from "../../protocol/well-known.ts"
import { counted, held } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, replies, requestAction, requestCapability, tokenFor } from "../kit/probe.ts"
import { worlds } from "../kit/worlds.ts"

describe.each(worlds)("the gate %s", (_, makeKernel) => {
  effect("grants what the manifest declares, the token opens the executor for its holder only, and the call says for whom", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("executor:web-research")
      const kernel = yield* makeKernel({ executors: [executor] })
      const analyst = yield* probe(kernel, "analyst", { executors: [executor.name] })
      const other = yield* probe(kernel, "other")
      const granted = yield* requestCapability(analyst, { resource: executor.name, access: "execute" })
      expect(granted.kind).toBe("capability_grant")
      const { token } = granted.payload as { token: string }
      const request = { action: "search", executor: executor.name, target: "effect", payload: { q: 1 }, capability: token, risk_level: "low" }
      const receipt = yield* awaitReply(analyst, yield* requestAction(analyst, request))
      expect(receipt).toMatchObject({ kind: "action_completed", payload: { executor: executor.name, result: { count: 1, echoed: { q: 1 } } } })
      const refused = yield* awaitReply(other, yield* requestAction(other, request))
      expect(refused).toMatchObject({ kind: "action_denied", payload: { reason: "Invalid or expired capability token" } })
      expect(calls).toMatchObject([{ principal: "analyst", grant: token, digest: expect.stringMatching(/^[0-9a-f]{64}$/u) }])
      expect(calls).toHaveLength(1)
    }))

  effect("answers a verdict, then a receipt, both correlated with the request", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const id = yield* requestAction(port, { action: "x", executor: "count", target: "t", payload: [1], capability: yield* tokenFor(port, "count"), risk_level: "low" })
      yield* awaitReply(port, id)
      const kinds = (yield* replies(port, id)).map((event) => [event.kind, event.sender, event.recipient])
      expect(kinds).toEqual([["action_approved", "aaax", "a"], ["action_completed", "aaax", "a"]])
      expect((yield* replies(port, id))[0]!.payload).toEqual({ request_id: id, executor: "count", modified_payload: [1] })
    }))

  effect("refuses without a token, with an unknown risk, and for an executor that nobody serves", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count", "ghost"] })
      const base = { action: "x", executor: "count", target: "t", payload: {}, capability: yield* tokenFor(port, "count"), risk_level: "low" }
      const reason = (request: Readonly<Record<string, unknown>>) =>
        Effect.flatMap(requestAction(port, request), (id) => Effect.map(awaitReply(port, id), (reply) => (reply.payload as { reason: string }).reason))
      expect(yield* reason({ ...base, capability: null })).toBe("Missing execute capability token")
      expect(yield* reason({ ...base, risk_level: "spicy" })).toBe("Denied for risk 'spicy'")
      expect(yield* reason({ ...base, executor: "ghost", capability: yield* tokenFor(port, "ghost") })).toBe("Unknown executor: ghost")
      expect(calls).toHaveLength(0)
    }))

  effect("parks what is irreversible until a human other than the requester approves, and runs it once", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("launch", { risk: "irreversible" })
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["launch"] })
      const id = yield* requestAction(port, { action: "go", executor: "launch", target: "moon", payload: { n: 1 }, capability: yield* tokenFor(port, "launch"), risk_level: "low" })
      const escalated = yield* awaitReply(port, id, "action_escalated")
      expect(escalated.payload).toMatchObject({ request_id: id, escalated_to: "human" })
      expect(yield* kernel.gate.list()).toMatchObject([{ id, state: "escalated", risk: "irreversible", payload: { n: 1 }, target: "moon" }])
      const own = yield* Effect.flip(kernel.gate.approve(id, "a"))
      expect(own._tag).toBe("Denied")
      yield* kernel.gate.approve(id, "operator", { reason: "ok" })
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      const again = yield* Effect.flip(kernel.gate.approve(id, "operator"))
      expect(again._tag).toBe("WarrantConflict")
      expect(calls).toHaveLength(1)
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "succeeded", approvedBy: "operator" })
    }))

  effect("denies with the human's reason, and never runs it", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("launch", { risk: "irreversible" })
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["launch"] })
      const id = yield* requestAction(port, { action: "go", executor: "launch", target: "moon", payload: {}, capability: yield* tokenFor(port, "launch") })
      yield* awaitReply(port, id, "action_escalated")
      yield* kernel.gate.deny(id, "operator", "not today")
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_denied", payload: { reason: "not today" } })
      expect(calls).toHaveLength(0)
    }))

  effect("lets an escalation expire to a refusal by kernel time", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("launch", { risk: "irreversible" })
      const kernel = yield* makeKernel({ executors: [executor], approvalMillis: 60_000 })
      const port = yield* probe(kernel, "a", { executors: ["launch"] })
      const id = yield* requestAction(port, { action: "go", executor: "launch", target: "moon", payload: {}, capability: yield* tokenFor(port, "launch") })
      yield* awaitReply(port, id, "action_escalated")
      kernel.time.advance(60_001)
      yield* kernel.step
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_expired" })
      expect((yield* Effect.flip(kernel.gate.approve(id, "operator")))._tag).toBe("WarrantConflict")
      expect(calls).toHaveLength(0)
    }))

  effect("refuses a request that claims another identity, takes an equal claim, and does not delay the next", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const lie = yield* requestCapability(port, { resource: "count", access: "execute", from: "root" })
      expect(lie).toMatchObject({ kind: "capability_deny" })
      expect((lie.payload as { reason: string }).reason).toContain("the sender is a")
      const [bad] = yield* port.append(wellKnown.capabilityRequest, [{ payload: "nonsense" }])
      const equal = yield* requestCapability(port, { resource: "count", access: "execute", system_id: "a" })
      expect(equal.kind).toBe("capability_grant")
      expect(yield* awaitReply(port, bad!.id)).toMatchObject({ kind: "capability_deny" })
    }))

  effect("gives the same answer to the same request once more, and runs nothing twice", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const request = { action: "x", executor: "count", target: "t", payload: {}, capability: yield* tokenFor(port, "count"), risk_level: "low" }
      const first = yield* requestAction(port, request, "once")
      yield* awaitReply(port, first)
      const second = yield* requestAction(port, request, "once")
      yield* awaitReply(port, second)
      yield* kernel.step
      expect(second).toBe(first)
      expect(calls).toHaveLength(1)
      expect(yield* replies(port, first)).toHaveLength(2)
    }))

  effect("interrupts what is under way when its capability is revoked, and leaves the outcome unknown until somebody says it", () =>
    Effect.gen(function*() {
      const slow = held("slow")
      const kernel = yield* makeKernel({ executors: [slow.executor] })
      const port = yield* probe(kernel, "a", { executors: ["slow"] })
      const id = yield* requestAction(port, { action: "x", executor: "slow", target: "t", payload: {}, capability: yield* tokenFor(port, "slow"), risk_level: "low" })
      yield* slow.begun
      yield* kernel.revoke("a")
      yield* kernel.step
      expect(yield* kernel.gate.list({ state: "unknown" })).toMatchObject([{ id, state: "unknown" }])
      expect(yield* kernel.gate.reconcile(id, "operator", "failed", "looked at it")).toMatchObject({ state: "failed", reason: "looked at it" })
      expect(yield* kernel.gate.list()).toEqual([])
    }))

  effect("keeps a journal whose chain verifies", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const token = yield* tokenFor(port, "count")
      yield* Effect.forEach(Array.from({ length: 20 }, (_, n) => n), (n) =>
        Effect.flatMap(requestAction(port, { action: "x", executor: "count", target: String(n), payload: { n }, capability: token, risk_level: "low" }), (id) => awaitReply(port, id)),
      { concurrency: "unbounded" })
      const report = yield* kernel.verifyAudit
      expect(report.problems).toEqual([])
      expect(report.ok).toBe(true)
      expect(report.entries).toBeGreaterThan(40)
    }))
})

describe.each(worlds)("the story of an action %s", (_, makeKernel) => {
  const parked = Effect.fnUntraced(function*(options: { readonly approvalMillis?: number } = {}) {
    const slow = held("launch", { risk: "irreversible" })
    const kernel = yield* makeKernel({ executors: [slow.executor], ...options })
    const port = yield* probe(kernel, "a", { executors: ["launch"] })
    const token = yield* tokenFor(port, "launch")
    const id = yield* requestAction(port, { action: "go", executor: "launch", target: "moon", payload: {}, capability: token })
    yield* awaitReply(port, id, "action_escalated")
    return { kernel, id, slow, why: "Risk 'irreversible' requires escalation" }
  })

  effect("that waits says why it was asked, and that nobody answered", () =>
    Effect.gen(function*() {
      const { id, kernel, why } = yield* parked()
      const waiting = { id, verdict: why, reason: why, answer: null, reconciled: null }
      expect(yield* kernel.gate.show(id)).toMatchObject(waiting)
      expect(yield* kernel.gate.list()).toMatchObject([waiting])
    }))

  effect("that was denied says both why it was asked and what the human said", () =>
    Effect.gen(function*() {
      const { id, kernel, why } = yield* parked()
      kernel.time.advance(1_000)
      const answer = { by: "operator", outcome: "refused", reason: "not today", at: kernel.channels.clock.now() }
      expect(yield* kernel.gate.deny(id, "operator", "not today")).toMatchObject({ state: "refused", reason: "not today", verdict: why, answer })
      expect(yield* kernel.gate.list({ state: "refused" })).toMatchObject([{ id, verdict: why, answer }])
    }))

  effect("that expired still says why it was asked", () =>
    Effect.gen(function*() {
      const { id, kernel, why } = yield* parked({ approvalMillis: 60_000 })
      kernel.time.advance(60_001)
      yield* kernel.step
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "expired", verdict: why, answer: null })
    }))

  effect("that was approved, and whose outcome somebody had to say, says who said what", () =>
    Effect.gen(function*() {
      const { id, kernel, slow, why } = yield* parked()
      yield* kernel.gate.approve(id, "operator", { reason: "go on" })
      yield* slow.begun
      yield* kernel.revoke("a")
      yield* kernel.step
      const approval = { by: "operator", outcome: "approved", reason: "go on" }
      expect(yield* kernel.gate.list({ state: "unknown" })).toMatchObject([{ id, verdict: why, answer: approval, reconciled: null }])
      yield* kernel.gate.reconcile(id, "auditor", "failed", "looked at it")
      expect(yield* kernel.gate.show(id)).toMatchObject({
        state: "failed", verdict: why, answer: approval, reconciled: { by: "auditor", outcome: "failed", reason: "looked at it" }
      })
    }))
})

describe.each(worlds)("the body of an action %s", (_, makeKernel) => {
  effect("outlives the retention of its channel for as long as its warrant is open", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("launch", { risk: "irreversible" })
      const kernel = yield* makeKernel({ executors: [executor], requestRetention: 10 })
      const port = yield* probe(kernel, "a", { executors: ["launch"] })
      const id = yield* requestAction(port, { action: "go", executor: "launch", target: "moon", payload: { n: 1 }, capability: yield* tokenFor(port, "launch") })
      yield* awaitReply(port, id, "action_escalated")
      for (let n = 0; n < 40; n++) yield* awaitReply(port, yield* requestAction(port, { action: "x", executor: "none", target: String(n) }))
      yield* kernel.step
      expect(kernel.channels.store.statisticsOf(wellKnown.actionGate)!.floor).toBe(0)
      yield* kernel.gate.approve(id, "operator")
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      expect(calls).toMatchObject([{ payload: { n: 1 } }])
      // Once it is closed, retention goes on with what comes.
      const floor = (): number => kernel.channels.store.statisticsOf(wellKnown.actionGate)!.floor
      for (let n = 0; n < 50 && floor() === 0; n++) {
        yield* awaitReply(port, yield* requestAction(port, { action: "x", executor: "none", target: String(n) }))
        yield* kernel.step
      }
      expect(floor()).toBeGreaterThan(0)
    }))
})
