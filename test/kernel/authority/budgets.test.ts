// Budgets: what an action may cost is held with its verdict and settled with its receipt, at every account that it draws from.
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import type { Cost } from "../../../protocol/budget.ts"
import { reported, type Executor } from "../../../protocol/executor.ts"
import { makeClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, testTime, type TestKernel } from "../../../kernel/testing.ts"
import { counted, held } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../../kit/probe.ts"

const ask = (executor: string, capability: string, payload: unknown = null) => ({ action: "do", executor, target: "t", payload, capability, risk_level: "low" })

/** One whose payload says what it costs at most, and what it reports; nothing: it reports nothing. */
const model = (more: Partial<Executor> = {}) =>
  counted("model", {
    cost: ({ payload }) => (payload as { readonly max: Cost }).max,
    perform: (call) => {
      const { fails, spent } = call.payload as { readonly spent?: Cost; readonly fails?: Cost | true }
      if (fails !== undefined) return Effect.fail({ reason: "no", ...(fails === true ? {} : { spent: fails }) })
      return Effect.succeed(reported({ result: { said: "hi" }, ...(spent === undefined ? {} : { spent }) }))
    },
    ...more
  })

const spentOf = (kernel: TestKernel, account: string) => Effect.map(kernel.budgets.show(account), ({ debt, remaining, reserved, spent }) => ({ spent, reserved, remaining, debt }))

const setting = (limits: Cost, system = "*") => Effect.fnUntraced(function*(kernel: TestKernel) {
  yield* kernel.budgets.set(system, { limits }, "operator")
})

describe("a budget", () => {
  effect("holds the declared maximum while a call is under way, and settles what it reports", () =>
    Effect.gen(function*() {
      const { begun, executor, release } = held("model", { cost: () => ({ tokens: 60 }) })
      const reporting = { ...executor, perform: (call: Parameters<Executor["perform"]>[0]) => Effect.as(executor.perform(call), reported({ result: 1, spent: { tokens: 12 } })) }
      const kernel = yield* makeKernel({ executors: [reporting] })
      yield* setting({ tokens: 100 })(kernel)
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const token = yield* tokenFor(port, "model")
      const first = yield* requestAction(port, ask("model", token))
      yield* begun
      expect((yield* spentOf(kernel, "*"))).toMatchObject({ spent: {}, reserved: { tokens: 60 }, remaining: { tokens: 40 } })
      const refused = yield* awaitReply(port, yield* requestAction(port, ask("model", token)))
      expect(refused).toMatchObject({ kind: "action_denied" })
      expect((refused.payload as { readonly reason: string }).reason).toBe(
        "the budget of system * does not cover it: tokens: limit 100, spent 0, reserved 60, asked 60; ask the operator for more: aaax budget set '*' --tokens N"
      )
      release()
      expect((yield* awaitReply(port, first)).kind).toBe("action_completed")
      expect(yield* spentOf(kernel, "*")).toMatchObject({ spent: { tokens: 12 }, reserved: {}, remaining: { tokens: 88 }, debt: {} })
      expect(yield* kernel.gate.show(first)).toMatchObject({ cost: { tokens: 60 }, reserved: { tokens: 60, actions: 1, concurrency: 1 }, charged: ["system:*"], spent: { tokens: 12 } })
    }))

  effect("charges what was declared when nothing, or nonsense, is reported, also by a failure", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [model().executor] })
      yield* setting({ tokens: 1_000, microdollars: 1_000 })(kernel)
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const token = yield* tokenFor(port, "model")
      const max = { tokens: 10, microdollars: 5 }
      const after = Effect.fnUntraced(function*(payload: object) {
        yield* awaitReply(port, yield* requestAction(port, ask("model", token, payload)))
        return (yield* kernel.budgets.show("*")).spent
      })
      expect(yield* after({ max })).toMatchObject({ tokens: 10, microdollars: 5 })
      expect(yield* after({ max, spent: { tokens: 1 } })).toMatchObject({ tokens: 11, microdollars: 10 })
      expect(yield* after({ max, spent: { tokens: -4 } })).toMatchObject({ tokens: 21, microdollars: 15 })
      expect(yield* after({ max, fails: true })).toMatchObject({ tokens: 31, microdollars: 20 })
      expect(yield* after({ max, fails: { tokens: 0, microdollars: 0 } })).toMatchObject({ tokens: 31, microdollars: 20 })
    }))

  effect("denies a call whose executor cannot say what it costs", () =>
    Effect.gen(function*() {
      const { calls, executor } = model({ cost: ({ payload }) => {
        if (payload === "throws") throw new Error("no idea")
        return payload as Cost
      } })
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const token = yield* tokenFor(port, "model")
      for (const payload of ["throws", { tokens: 1.5 }, { tokens: -1 }, { coffees: 1 }, null, 7]) {
        const reply = yield* awaitReply(port, yield* requestAction(port, ask("model", token, payload)))
        expect(reply).toMatchObject({ kind: "action_denied" })
      }
      expect(calls).toEqual([])
    }))

  effect("records an overrun as debt, and refuses everything until a higher limit pays it", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [model().executor, counted("free").executor] })
      yield* setting({ tokens: 100 })(kernel)
      const port = yield* probe(kernel, "a", { executors: ["model", "free"] })
      const [token, free] = [yield* tokenFor(port, "model"), yield* tokenFor(port, "free")]
      const over = yield* requestAction(port, ask("model", token, { max: { tokens: 10 }, spent: { tokens: 130 } }))
      expect((yield* awaitReply(port, over)).kind).toBe("action_completed")
      expect(yield* spentOf(kernel, "*")).toMatchObject({ spent: { tokens: 130 }, debt: { tokens: 30 }, remaining: { tokens: 0 } })
      const finished = (yield* kernel.audit(0, 1_000)).find(({ kind }) => kind === "warrant.finished")
      expect(finished?.payload).toMatchObject({ overrun: { tokens: 120 } })
      // Also what needs no tokens: who owes draws nothing.
      expect((yield* awaitReply(port, yield* requestAction(port, ask("free", free)))).kind).toBe("action_denied")
      yield* setting({ tokens: 200 })(kernel)
      expect((yield* awaitReply(port, yield* requestAction(port, ask("free", free)))).kind).toBe("action_completed")
    }))

  effect("is drawn from by a system, by what is below it, and by everybody under *", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [model().executor] })
      yield* setting({ tokens: 1_000 }, "*")(kernel)
      yield* setting({ tokens: 50 }, "project")(kernel)
      yield* setting({ tokens: 500 }, "other/*")(kernel)
      for (const [id, kind] of [["project", "action_completed"], ["project/agent", "action_completed"], ["project/agent/deep", "action_denied"], ["projects", "action_completed"], ["other", "action_completed"]] as const) {
        const port = yield* probe(kernel, id, { executors: ["model"] })
        const reply = yield* awaitReply(port, yield* requestAction(port, ask("model", yield* tokenFor(port, "model"), { max: { tokens: 25 } })))
        expect([id, reply.kind]).toEqual([id, kind])
      }
      expect((yield* kernel.budgets.show("project")).spent).toMatchObject({ tokens: 50 })
      expect((yield* kernel.budgets.show("*")).spent).toMatchObject({ tokens: 100 })
      expect((yield* kernel.budgets.show("other/*")).spent).toEqual({})
    }))

  effect("of a grant is drawn from by every grant below it", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [model().executor] })
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const asked = yield* port.append("aaax.capability-request", [{ kind: "capability_request", payload: { resource: "model", access: "execute", caveats: { budget: { tokens: 40, actions: 3 } } } }])
      const parent = String(((yield* awaitReply(port, asked[0]!.id)).payload as { readonly token: string }).token)
      const given = yield* port.append("aaax.capability-request", [{ kind: "capability_delegate", payload: { delegate: { token: parent, to: "a", caveats: { budget: { tokens: 30 } } } } }])
      const child = String(((yield* awaitReply(port, given[0]!.id)).payload as { readonly token: string }).token)
      const act = (token: string, tokens: number) =>
        Effect.flatMap(requestAction(port, ask("model", token, { max: { tokens } })), (id) => Effect.map(awaitReply(port, id), (reply) => [reply.kind, String((reply.payload as { readonly reason?: string }).reason ?? "")]))
      expect((yield* act(child, 20))[0]).toBe("action_completed")
      const [kind, reason] = yield* act(child, 15)
      expect([kind, reason]).toEqual(["action_denied", expect.stringContaining(`the budget of grant ${child} does not cover it: tokens: limit 30, spent 20, reserved 0, asked 15`)])
      expect((yield* act(parent, 20))[0]).toBe("action_completed")
      // The parent's account is empty now: its child has something left, and may not spend it.
      expect((yield* act(child, 5))[1]).toContain(`the budget of grant ${parent}`)
      expect((yield* act(parent, 0))[0]).toBe("action_completed")
      expect((yield* act(parent, 0))[1]).toContain("actions: limit 3, spent 3")
      yield* kernel.grants.revoke(parent)
      expect(kernel.budgets.list()).toEqual([])
    }))

  effect("frees its place when a call ends, and keeps the rest of an unknown one until somebody says what became of it", () =>
    Effect.gen(function*() {
      const { executor } = model({ perform: () => Effect.die(new Error("lost")) })
      const kernel = yield* makeKernel({ executors: [executor] })
      yield* setting({ tokens: 100, concurrency: 1 })(kernel)
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const token = yield* tokenFor(port, "model")
      const ids = [yield* requestAction(port, ask("model", token, { max: { tokens: 30 } }))]
      expect((yield* awaitReply(port, ids[0]!)).kind).toBe("action_unknown")
      expect(yield* kernel.budgets.show("*")).toMatchObject({ spent: {}, reserved: { tokens: 30, actions: 1 }, remaining: { tokens: 70, concurrency: 1 }, warrants: ids })
      ids.push(yield* requestAction(port, ask("model", token, { max: { tokens: 30 } })))
      expect((yield* awaitReply(port, ids[1]!)).kind).toBe("action_unknown")
      yield* kernel.gate.reconcile(ids[0]!, "operator", "succeeded", "looked")
      yield* kernel.gate.reconcile(ids[1]!, "operator", "failed", "looked")
      expect(yield* kernel.budgets.show("*")).toMatchObject({ spent: { tokens: 30, actions: 2 }, reserved: {}, warrants: [] })
    }))

  effect("reserves the time limit of a call, and settles the time that it took", () =>
    Effect.gen(function*() {
      const { executor } = counted("quick", { timeoutMillis: 60_000 })
      const kernel = yield* makeKernel({ executors: [executor] })
      yield* setting({ millis: 100_000 })(kernel)
      const port = yield* probe(kernel, "a", { executors: ["quick"] })
      const token = yield* tokenFor(port, "quick")
      for (let n = 0; n < 3; n++) expect((yield* awaitReply(port, yield* requestAction(port, ask("quick", token)))).kind).toBe("action_completed")
      const { remaining, spent } = yield* kernel.budgets.show("*")
      expect(spent.millis).toBeGreaterThan(0)
      expect(remaining.millis).toBeGreaterThan(40_000)
    }))

  effect("begins anew with each period, but for what is owed", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [model().executor] })
      yield* kernel.budgets.set("*", { limits: { tokens: 100 }, perMillis: 60_000 }, "operator")
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const token = yield* tokenFor(port, "model")
      const act = (max: number, spent: number) =>
        Effect.flatMap(requestAction(port, ask("model", token, { max: { tokens: max }, spent: { tokens: spent } })), (id) => Effect.map(awaitReply(port, id), ({ kind }) => kind))
      expect(yield* act(100, 130)).toBe("action_completed")
      expect(yield* act(1, 1)).toBe("action_denied")
      kernel.time.advance(60_000)
      expect((yield* kernel.budgets.show("*")).spent).toEqual({ tokens: 30 })
      expect(yield* act(71, 1)).toBe("action_denied")
      expect(yield* act(70, 20)).toBe("action_completed")
      kernel.time.advance(60_000)
      expect((yield* kernel.budgets.show("*")).remaining).toEqual({ tokens: 100 })
    }))

  effect("is asked again when a human approves, and an approval that it does not cover leaves the action waiting", () =>
    Effect.gen(function*() {
      const { calls, executor } = model({ risk: "high" })
      const kernel = yield* makeKernel({ executors: [{ ...executor, perform: (call) => Effect.sync(() => void calls.push(call)) }] })
      yield* setting({ tokens: 10 })(kernel)
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const token = yield* tokenFor(port, "model")
      const ids = [yield* requestAction(port, ask("model", token, { max: { tokens: 10 } })), yield* requestAction(port, ask("model", token, { max: { tokens: 10 } }))]
      for (const id of ids) yield* awaitReply(port, id, "action_escalated")
      yield* kernel.gate.approve(ids[0]!, "operator")
      yield* awaitReply(port, ids[0]!)
      const failure = yield* Effect.flip(kernel.gate.approve(ids[1]!, "operator"))
      expect(failure).toMatchObject({ _tag: "WarrantConflict", reason: expect.stringContaining("tokens: limit 10, spent 10, reserved 0, asked 10") })
      expect(yield* kernel.gate.show(ids[1]!)).toMatchObject({ state: "escalated" })
      yield* setting({ tokens: 20 })(kernel)
      yield* kernel.gate.approve(ids[1]!, "operator")
      yield* awaitReply(port, ids[1]!)
      expect(calls).toHaveLength(2)
    }))

  effect("is told to rules, with what is left and what was spent", () =>
    Effect.gen(function*() {
      const questions: Array<unknown> = []
      const kernel = yield* makeKernel({
        executors: [model().executor],
        policy: { name: "look", description: "", decide: (question: { readonly kind: string }) => {
          if (question.kind === "action") questions.push(question)
          return { outcome: "allow" }
        } }
      })
      yield* setting({ tokens: 100 })(kernel)
      yield* setting({ tokens: 50 }, "a")(kernel)
      const port = yield* probe(kernel, "a", { executors: ["model"] })
      const token = yield* tokenFor(port, "model")
      for (let n = 0; n < 2; n++) yield* awaitReply(port, yield* requestAction(port, ask("model", token, { max: { tokens: 20 } })))
      expect(questions).toMatchObject([
        { cost: { tokens: 20 }, remaining: { tokens: 50 }, spent: { tokens: 0 } },
        { cost: { tokens: 20 }, remaining: { tokens: 30 }, spent: { tokens: 20 } }
      ])
    }))

  effect("survives a restart, with what a call that was cut off still holds", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      const { begun, executor } = held("model", { cost: () => ({ tokens: 7 }) })
      yield* Effect.scoped(Effect.gen(function*() {
        const kernel = yield* makeKernel({ store, time, executors: [executor, model({ name: "other" }).executor] })
        yield* setting({ tokens: 100 })(kernel)
        const port = yield* probe(kernel, "a", { executors: ["model", "other"] })
        yield* awaitReply(port, yield* requestAction(port, ask("other", yield* tokenFor(port, "other"), { max: { tokens: 9 } })))
        yield* requestAction(port, ask("model", yield* tokenFor(port, "model")))
        yield* begun
      }))
      const kernel = yield* makeKernel({ store, time, executors: [executor] })
      // Its executor says nothing of recovery, so nobody knows: what it may have cost is kept, its place is not.
      expect(yield* kernel.budgets.show("*")).toMatchObject({ spent: { tokens: 9 }, reserved: { tokens: 7, actions: 1 }, remaining: { tokens: 84 } })
    }))

  effect("is set, shown and ended by name, and says what is wrong with a wrong one", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      expect(yield* kernel.budgets.set("project", { limits: { tokens: 5 }, perMillis: 1_000 }, "operator")).toMatchObject({ account: "system:project", perMillis: 1_000 })
      expect(yield* kernel.budgets.set("system:project", { limits: { actions: 2 } }, "operator")).toMatchObject({ limits: { tokens: 5, actions: 2 }, perMillis: 1_000, origin: "operator" })
      expect(yield* Effect.flip(kernel.budgets.show("projekt"))).toMatchObject({ _tag: "BudgetNotFound", nearest: "system:project" })
      expect(yield* Effect.flip(kernel.budgets.set("x", { limits: {} }, "operator"))).toMatchObject({ _tag: "InvalidPayload" })
      expect(yield* Effect.flip(kernel.budgets.set("grant:x", { limits: { tokens: 1 } }, "operator"))).toMatchObject({ _tag: "InvalidPayload" })
      yield* kernel.budgets.end("project", "operator")
      expect(yield* Effect.flip(kernel.budgets.end("project", "operator"))).toMatchObject({ _tag: "BudgetNotFound" })
      expect((yield* kernel.audit(0, 1_000)).filter(({ kind }) => kind === "budget.set")).toHaveLength(3)
    }))
})
