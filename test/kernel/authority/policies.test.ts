// Which policy is in force: put there, taken back, there again after a restart; what it says in retrospect; and the kill switch.
import { Effect, Exit, Scope } from "effect"
import { describe, expect } from "vitest"
import type { Engine, Judgement, Question, Rule } from "../../../protocol/authority.ts"
import type { Event } from "../../../protocol/event.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { makePolicy } from "../../../kernel/guard/policy.ts"
import * as Kernel from "../../../kernel/kernel.ts"
import { sha256Bytes, sha256Hex } from "../../../kernel/power/digest.ts"
import { readingPower } from "../../../kernel/power/reading.ts"
import * as Open from "../../../kernel/policy/open.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../../kernel/testing.ts"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, requestAction, requestCapability, tokenFor } from "../../kit/probe.ts"

const strict = { defaultAction: { low: "deny" }, defaultCapability: "allow", defaultModule: "allow" } as const

/** One store, and kernels over it one after another. */
const lives = Effect.gen(function*() {
  const time = testTime()
  const store = yield* Memory.make({ clock: makeClock(time) })
  let scope: Scope.Closeable | undefined
  return {
    store, time,
    boot: Effect.fnUntraced(function*(options: TestOptions = {}) {
      if (scope !== undefined) yield* Scope.close(scope, Exit.void)
      scope = yield* Scope.make()
      return yield* Scope.provide(makeKernel({ store, time, ...options }), scope)
    }),
    end: Effect.suspend(() => (scope === undefined ? Effect.void : Scope.close(scope, Exit.void)))
  }
})

/** Asks for one action as `a`, and answers its final reply. */
const acting = Effect.fnUntraced(function*(kernel: TestKernel, more: Readonly<Record<string, unknown>> = {}) {
  const port = yield* probe(kernel, "a", { executors: ["count"] }).pipe(Effect.catchTag("SystemExists", () => Effect.die("docked")))
  const capability = yield* tokenFor(port, "count")
  return {
    port, capability,
    act: (again: Readonly<Record<string, unknown>> = {}, kind?: string) =>
      Effect.flatMap(requestAction(port, { action: "x", executor: "count", target: "t", payload: { n: 1 }, capability, risk_level: "low", ...more, ...again }), (id) =>
        awaitReply(port, id, kind))
  }
})

const reasonOf = (reply: Event): string => String((reply.payload as { reason?: string }).reason)
const decidedOf = (kernel: TestKernel, id: string) =>
  Effect.map(kernel.audit(0, 1_000), (entries) => entries.find(({ correlationId, kind }) => correlationId === id && kind.endsWith(".decided"))!.payload as
    { warrant: { policy: string }; asked: Readonly<Record<string, unknown>>; policy: string })

describe("a policy that is put in force while the kernel runs", () => {
  effect("decides from then on, is named by what it decides, and can be taken back", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], policy: "default" })
      const { act } = yield* acting(kernel)
      const before = yield* kernel.policies.view
      expect(before).toMatchObject({ origin: "config", document: "default", missing: null, config: { version: before.version } })
      const first = yield* act()
      expect(first.kind).toBe("action_completed")
      const put = yield* kernel.policies.activate(strict, "operator", "incident")
      expect(put).toMatchObject({ origin: "operator", by: "operator", reason: "incident", document: strict, config: { version: before.version } })
      expect(put.version).not.toBe(before.version)
      const second = yield* act()
      expect(second).toMatchObject({ kind: "action_denied", payload: { reason: "Denied for risk 'low'" } })
      expect((yield* decidedOf(kernel, first.correlationId!)).warrant.policy).toBe(before.version)
      expect((yield* decidedOf(kernel, second.correlationId!)).warrant.policy).toBe(put.version)
      expect(yield* kernel.policies.revert(undefined, "operator", "over")).toMatchObject({ version: before.version, origin: "config" })
      expect((yield* act()).kind).toBe("action_completed")
      expect((yield* kernel.policies.revert(put.version.slice(0, 8), "operator", "")).version).toBe(put.version)
      expect(yield* kernel.policies.log).toMatchObject([
        { version: put.version, reverted: true, origin: "operator" }, { version: before.version, reverted: true, origin: "config", reason: "over" },
        { version: put.version, reverted: false, reason: "incident" }, { version: before.version, reverted: false }
      ])
      expect(kernel.status()).toMatchObject({ policy: expect.stringContaining("low deny"), policyNotes: [expect.stringContaining("stands over the config's")] })
      expect((yield* kernel.verifyAudit).ok).toBe(true)
    }))

  effect("stays over the config after a restart, whatever the config says then, until it is taken back", () =>
    Effect.gen(function*() {
      const { boot, end } = yield* lives
      const { executor } = counted("count")
      const first = yield* boot({ executors: [executor], policy: "default" })
      const { version } = yield* first.policies.activate(strict, "operator", "")
      const second = yield* boot({ executors: [executor], policy: Open.rule })
      expect(yield* second.policies.view).toMatchObject({ version, origin: "operator" })
      const { act } = yield* acting(second)
      expect((yield* act()).kind).toBe("action_denied")
      expect(second.policies.notes()).toHaveLength(1)
      expect(yield* second.policies.revert("config", "operator", "")).toMatchObject({ origin: "config", description: expect.stringContaining("open") })
      expect((yield* act()).kind).toBe("action_completed")
      const third = yield* boot({ executors: [executor], policy: Open.rule })
      expect(yield* third.policies.view).toMatchObject({ origin: "config", description: expect.stringContaining("open") })
      // What an earlier config said is data, and can be put in force again; what was code cannot.
      const config = (yield* third.policies.log).find(({ description, origin }) => origin === "config" && description.startsWith("risk"))!
      expect(yield* third.policies.revert(config.version, "operator", "")).toMatchObject({ document: "default", origin: "operator" })
      const fourth = yield* boot({ executors: [executor] })
      const open = (yield* fourth.policies.log).find(({ description }) => description.includes("open"))!
      expect((yield* Effect.flip(fourth.policies.revert(open.version, "operator", ""))).message).toContain("is code of an earlier config")
      yield* end
    }))

  effect("is none in a kernel that makes no policies, which denies everything rather than fall back to the config's", () =>
    Effect.gen(function*() {
      const { boot, end, store, time } = yield* lives
      const { executor } = counted("count")
      const first = yield* boot({ executors: [executor], policy: "default" })
      yield* first.policies.activate(strict, "operator", "")
      yield* end
      const second = yield* Kernel.make({
        id: "test", name: "", version: "0", directory: ".", store, clock: makeClock(time), policy: makePolicy([Open.rule]), executors: [executor], pid: 0,
        source: () => Effect.die("no modules"), powers: { sha256: sha256Hex, sha256Bytes, readingPower }
      })
      expect(second.policies.notes()).toEqual([expect.stringContaining("this kernel makes no policies at run time"), expect.stringContaining("stands over the config's")])
      expect((yield* Effect.flip(second.policies.check("default"))).message).toContain("this kernel makes no policies at run time")
      expect((yield* Effect.flip(second.policies.activate("default", "operator", ""))).message).toContain("this kernel makes no policies at run time")
    }))

  effect("denies everything when its text is gone at a start, until the operator decides", () =>
    Effect.gen(function*() {
      const { boot, end, store } = yield* lives
      const { calls, executor } = counted("count")
      const first = yield* boot({ executors: [executor], policy: "default" })
      yield* first.policies.activate(strict, "operator", "")
      const forgetful = { ...store, getArtifact: () => Effect.die("unreachable") as never }
      const kernel = yield* boot({ executors: [executor], policy: "default", store: { ...forgetful, getArtifact: (digest) => store.getArtifact(digest.replace(/^./u, "0")) } })
      expect((yield* kernel.policies.view).missing).toContain("not kept any more")
      expect(kernel.status().policyNotes.join()).toContain("THE POLICY IN FORCE IS NOT HERE")
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      expect(yield* requestCapability(port, { resource: "count", access: "execute" })).toMatchObject({ kind: "capability_deny", payload: { reason: expect.stringContaining("not here") } })
      yield* kernel.policies.revert("config", "operator", "")
      expect(yield* requestCapability(port, { resource: "count", access: "execute" })).toMatchObject({ kind: "capability_grant" })
      expect(calls).toHaveLength(0)
      yield* end
    }))

  effect("is asked again about what waits for a human: what it denies is not done, whoever approves it", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], policy: "default" })
      const { act } = yield* acting(kernel)
      const [first, second] = [yield* act({ risk_level: "irreversible" }, "action_escalated"), yield* act({ risk_level: "irreversible" }, "action_escalated")]
      yield* kernel.policies.activate({ defaultAction: { irreversible: "deny" } }, "operator", "")
      const refusal = yield* Effect.flip(kernel.gate.approve(first.correlationId!, "human"))
      expect(refusal.message).toContain("the policy in force now denies it: risk: Denied for risk 'irreversible'")
      expect((yield* kernel.gate.show(first.correlationId!)).state).toBe("refused")
      yield* kernel.policies.activate({ defaultAction: { irreversible: "allow" } }, "operator", "")
      yield* kernel.gate.approve(second.correlationId!, "human")
      yield* kernel.step
      expect(calls).toHaveLength(1)
    }))

  effect("is refused with every mistake, and leaves the one in force as it is", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ policy: "default" })
      const { version } = yield* kernel.policies.view
      for (const wrong of [{ quota: { actionsPerMinut: 1 } }, [], 5, null, { cedar: {} }, "nothing"]) {
        expect((yield* Effect.flip(kernel.policies.activate(wrong, "operator", "")))._tag).toBe("ConfigInvalid")
      }
      expect((yield* Effect.flip(kernel.policies.revert("ffffff", "operator", ""))).message).toContain("no policy ffffff was in force")
      expect((yield* Effect.flip(kernel.policies.revert(undefined, "operator", ""))).message).toContain("no other policy")
      expect((yield* kernel.policies.view).version).toBe(version)
      expect(yield* kernel.policies.log).toHaveLength(1)
    }))
})

/** A rule whose answers come from elsewhere. */
const engineRule = (answer: (question: Question) => Judgement["outcome"]) => {
  const asked: Array<Question> = []
  const said = new Map<string, Judgement>()
  const keyOf = (question: Question): string => JSON.stringify({ ...question, now: 0 })
  const engine: Engine = {
    known: (question) => said.get(keyOf(question)),
    judge: (question) => Effect.sync(() => {
      asked.push(question)
      const judgement: Judgement = { engine: "oracle", asked: keyOf(question), outcome: answer(question), reason: "so it is" }
      said.set(judgement.asked, judgement)
      return judgement
    })
  }
  const rule: Rule = {
    name: "oracle", description: "asks elsewhere", engine,
    decide: ({ judged }) => {
      const [one] = judged ?? []
      if (one === undefined) return { outcome: "deny", reason: "nobody was asked" }
      if (one.outcome === "unavailable") return { outcome: "deny", reason: one.reason, unavailable: true }
      return one.outcome === "allow" ? { outcome: "allow" } : { outcome: "deny", reason: one.reason }
    }
  }
  return { asked, rule }
}

describe("a rule that speaks for an engine", () => {
  effect("is asked outside of the decision, for every kind of question, and what it said is kept", () =>
    Effect.gen(function*() {
      const { asked, rule } = engineRule(() => "allow")
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], policy: rule })
      const { act } = yield* acting(kernel)
      const reply = yield* act()
      expect(reply.kind).toBe("action_completed")
      expect(calls).toHaveLength(1)
      expect(new Set(asked.map(({ kind }) => kind))).toEqual(new Set(["capability", "action"]))
      expect(yield* decidedOf(kernel, reply.correlationId!)).toMatchObject({ asked: { judged: [{ engine: "oracle", outcome: "allow" }] } })
    }))

  effect("denies as unavailable when it cannot be asked, and nothing starts", () =>
    Effect.gen(function*() {
      const { rule } = engineRule(({ kind }) => (kind === "action" ? "unavailable" : "allow"))
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], policy: rule })
      const { act } = yield* acting(kernel)
      expect(yield* act()).toMatchObject({ kind: "action_unavailable", payload: { reason: "so it is" } })
      expect(calls).toHaveLength(0)
    }))

  effect("is not asked for ever when what it is asked never stays the same", () =>
    Effect.gen(function*() {
      let times = 0
      const restless: Rule = {
        name: "restless", description: "never knows", decide: () => ({ outcome: "allow" }),
        engine: { known: ({ kind }) => (kind === "action" ? undefined : { engine: "x", asked: "", outcome: "allow", reason: "" }), judge: () => Effect.sync(() => (times++, { engine: "x", asked: "", outcome: "allow", reason: "" })) }
      }
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], policy: restless })
      const { act } = yield* acting(kernel)
      expect((yield* act()).kind).toBe("action_unavailable")
      expect([times, calls.length]).toEqual([8, 0])
    }))
})

describe("what policy says in retrospect", () => {
  effect("tells each rule's answer to a request, then and now", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], policy: { ...strict, defaultAction: { low: "allow" }, quota: { actionsPerMinute: 1 } } })
      const { act, port } = yield* acting(kernel)
      yield* act()
      const refused = yield* act()
      expect(reasonOf(refused)).toContain("1 are allowed")
      const { version } = yield* kernel.policies.view
      expect(yield* kernel.policies.explainRequest(refused.correlationId!)).toMatchObject({
        question: { kind: "action", recentActions: 1, payload: { n: 1 }, risk: "low" },
        verdict: { outcome: "deny", rule: "quota" }, recorded: { outcome: "deny", rule: "quota", version },
        rules: [{ rule: "quota", outcome: "deny" }, { rule: "risk", outcome: "allow" }]
      })
      yield* kernel.policies.activate("default", "operator", "")
      expect(yield* kernel.policies.explainRequest(refused.correlationId!)).toMatchObject({ verdict: { outcome: "allow" }, recorded: { outcome: "deny", version } })
      const granted = yield* requestCapability(port, { resource: "count", access: "execute", context: { why: "tests" } })
      expect(yield* kernel.policies.explainRequest(granted.correlationId!)).toMatchObject({ question: { kind: "capability", context: { why: "tests" } }, recorded: { outcome: "allow" } })
    }))

  effect("says when it cannot tell: erased bodies, requests that it was not asked about, and ids of nothing", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], policy: "default" })
      const { act } = yield* acting(kernel)
      const old = yield* act()
      const tokenless = yield* act({ capability: null })
      expect((yield* Effect.flip(kernel.policies.explainRequest(tokenless.correlationId!))).message).toContain("policy was not asked")
      yield* act()
      yield* kernel.step
      yield* kernel.channels.evict(wellKnown.actionGate, { maxCount: 1 })
      expect(yield* kernel.channels.store.event(old.correlationId!)).toBeUndefined()
      expect((yield* Effect.flip(kernel.policies.explainRequest(old.correlationId!))).message).toContain("its body was erased")
      expect((yield* Effect.flip(kernel.policies.explainRequest("nothing")))._tag).toBe("WarrantNotFound")
    }))

  effect("decides nothing again on a body that is not the one that was decided on", () =>
    Effect.gen(function*() {
      const { boot, end, store, time } = yield* lives
      const { executor } = counted("count")
      let altered = ""
      const lying = { ...store, event: (id: string) => Effect.map(store.event(id), (event) =>
        event === undefined || id !== altered ? event : { ...event, payload: { ...(event.payload as object), payload: { n: 2 } } }) }
      const kernel = yield* boot({ executors: [executor], policy: "default", store: lying, time })
      const { act } = yield* acting(kernel)
      const { correlationId } = yield* act()
      expect(yield* kernel.policies.explainRequest(correlationId!)).toMatchObject({ question: { payload: { n: 1 } } })
      altered = correlationId!
      expect((yield* Effect.flip(kernel.policies.explainRequest(correlationId!))).message).toContain("its body is not the one that was decided on")
      yield* end
    }))

  effect("answers a question that nobody asked", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ policy: "default" })
      expect(yield* kernel.policies.explain({ kind: "action", system: "a", executor: "e", target: "t", risk: "irreversible" })).toMatchObject({
        verdict: { outcome: "escalate", rule: "risk" }, recorded: null, rules: [{ rule: "risk", outcome: "escalate" }]
      })
    }))
})

describe("a frozen kernel", () => {
  effect("denies every new action as unavailable, and starts nothing that was approved, until it is thawed; also after a restart", () =>
    Effect.gen(function*() {
      const { boot, end } = yield* lives
      const { calls, executor } = counted("count")
      const kernel = yield* boot({ executors: [executor], policy: "default" })
      const { act } = yield* acting(kernel)
      const parked = yield* act({ risk_level: "irreversible" }, "action_escalated")
      expect(yield* kernel.policies.freeze("operator", "incident")).toBe(true)
      expect(yield* kernel.policies.freeze("other", "")).toBe(false)
      expect(yield* act()).toMatchObject({ kind: "action_unavailable", payload: { reason: "frozen by operator: incident" } })
      yield* Effect.exit(kernel.gate.approve(parked.correlationId!, "human"))
      expect(calls).toHaveLength(0)
      const again = yield* boot({ executors: [executor], policy: "default" })
      expect(again.status()).toMatchObject({ frozen: { by: "operator", reason: "incident" }, policyNotes: [expect.stringContaining("FROZEN")] })
      const next = yield* acting(again)
      expect((yield* next.act()).kind).toBe("action_unavailable")
      expect(calls).toHaveLength(0)
      expect((yield* again.verifyAudit).ok).toBe(true)
      expect(yield* again.policies.thaw("operator", "")).toBe(true)
      expect(yield* again.policies.thaw("operator", "")).toBe(false)
      expect((yield* next.act()).kind).toBe("action_completed")
      expect((yield* again.audit(0, 1_000)).filter(({ kind }) => kind === "kernel.frozen" || kind === "kernel.thawed")).toHaveLength(2)
      yield* end
    }))

  effect("does not repeat at a start what was under way, and does so when it is thawed", () =>
    Effect.gen(function*() {
      const { boot, end } = yield* lives
      let begun = 0
      const hanging = { ...counted("count", { recovery: "idempotent" }).executor, perform: () => Effect.suspend(() => (begun++, Effect.never)) }
      const first = yield* boot({ executors: [hanging], policy: "default" })
      const { act } = yield* acting(first)
      const started = yield* act({}, "action_approved")
      yield* Effect.promise(async () => {
        while (begun === 0) await new Promise(setImmediate)
      })
      yield* first.policies.freeze("operator", "")
      const { calls, executor } = counted("count", { recovery: "idempotent" })
      const second = yield* boot({ executors: [executor], policy: "default" })
      expect(calls).toHaveLength(0)
      const port = yield* probe(second, "a", { executors: ["count"] })
      yield* second.policies.thaw("operator", "")
      expect(yield* awaitReply(port, started.correlationId!)).toMatchObject({ kind: "action_completed" })
      expect(calls).toMatchObject([{ attempt: 2 }])
      yield* end
    }))
})
