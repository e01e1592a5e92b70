// Cedar files as one rule: what is refused at load, what is denied at decision, and that its process is not the kernel's.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect } from "vitest"
import type { Policy, Question, Verdict } from "../../../protocol/authority.ts"
import { judge } from "../../../kernel/authority/decide/ask.ts"
import * as Cedar from "../../../kernel/policy/cedar.ts"
import { makeCedarEngine } from "../../../kernel/power/cedar-engine.ts"
import { loadPolicy } from "../../../kernel/power/policy-file.ts"
import { ruleContract } from "../../contract/rule.ts"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../../kit/probe.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-cedar-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let files = 0
const cedar = (text: string, more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => {
  const name = `p${++files}.cedar`
  writeFileSync(join(directory, name), text)
  return { cedar: { policies: name, schema: "aaax/policy/default.cedarschema", ...more } }
}

const act = (more: Partial<Extract<Question, { kind: "action" }>> = {}): Question => ({
  kind: "action", system: "writer", action: "write", executor: "fs.write", target: "reports/a.md", payload: { content: "x" }, risk: "low", recentActions: 0,
  now: 1_750_000_000_123, ...more
})

/** One for all: starting it is what takes time. */
const scope = Scope.makeUnsafe()
const engine = Effect.runSync(Scope.provide(makeCedarEngine, scope))
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const load = (policy: unknown, by = engine) => loadPolicy(policy, { directory, file: "aaax.config.ts", makeCedar: by.make })

const ask = (policy: Policy, question: Question): Effect.Effect<Verdict> => Effect.map(judge(policy, question), policy.ask)

const issues = (policy: unknown) => Effect.map(Effect.flip(load(policy)), (error) => error.message)

describe("a policy of Cedar files", () => {
  effect("permits, denies what nothing permits, and says which policy spoke", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`
        @id("reports") permit (principal, action == AAAX::Action::"act", resource == AAAX::Executor::"fs.write") when { context.target like "reports/*" };
        @id("night") @reason("not this target") forbid (principal, action == AAAX::Action::"act", resource) when { context.target like "*secret*" };`))
      expect(yield* ask(policy, act())).toEqual({ outcome: "allow", rule: "cedar" })
      expect(yield* ask(policy, act({ target: "src/a.ts" }))).toEqual({ outcome: "deny", rule: "cedar", reason: "no policy permits it" })
      expect(yield* ask(policy, act({ target: "reports/secret" }))).toEqual({ outcome: "deny", rule: "cedar", reason: "forbidden: not this target" })
    }))

  effect("escalates what is denied now and would be allowed with a valid approval, and never what is forbidden", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`
        permit (principal, action == AAAX::Action::"act", resource) when
          { context has approval && context.approval.digest == context.digest && context.approval.expiresAt > context.now && context.approval.by in AAAX::Team::"approvers" };
        forbid (principal, action == AAAX::Action::"act", resource) when { context.risk == 3 };`,
      { entities: [{ uid: { type: "AAAX::Human", id: "human" }, attrs: {}, parents: [{ type: "AAAX::Team", id: "approvers" }] }] }))
      expect(yield* ask(policy, act())).toMatchObject({ outcome: "escalate", to: "human" })
      expect(yield* ask(policy, act({ risk: "irreversible" }))).toMatchObject({ outcome: "deny" })
    }))

  effect("denies a forbid that fails, which Cedar alone would pass over", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`
        permit (principal, action == AAAX::Action::"act", resource);
        forbid (principal, action == AAAX::Action::"act", resource) when { context.recentActions * 9223372036854775807 > 5 };`))
      expect(yield* ask(policy, act())).toMatchObject({ outcome: "allow" })
      expect(yield* ask(policy, act({ recentActions: 2 }))).toMatchObject({ outcome: "deny", reason: expect.stringContaining("could not decide") })
    }))

  effect("denies what cannot be told to it, and never throws", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`permit (principal, action, resource);`))
      let deep: unknown = "x"
      for (let depth = 0; depth < 20_000; depth++) deep = [deep]
      for (const strange of [
        act({ risk: "spicy" }), act({ recentActions: 1.5 }), act({ recentActions: 2 ** 60 }), act({ recentActions: Number.NaN }), act({ target: "\ud800" }),
        act({ system: "\udfff" }), act({ payload: deep }), act({ payload: "\ud800" })
      ]) expect(yield* ask(policy, strange)).toMatchObject({ outcome: "deny", rule: "cedar" })
      expect(yield* ask(policy, act({ target: "😀 \u0000 ' \" \\ *" }))).toMatchObject({ outcome: "allow" })
    }))

  effect("is asked what its schema declares, and fields that questions gain are told by their own names", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`permit (principal, action == AAAX::Action::"act", resource) when { context.spent.tokens < 100 && context.fenced };`, {
        schema: { name: "own", text: `namespace AAAX { entity System, Executor; action act appliesTo { principal: System, resource: Executor, context: { spent: { tokens: Long }, fenced: Bool } }; }` }
      }))
      const question = { ...act(), spent: { tokens: 5 }, fenced: true }
      expect(yield* ask(policy, question)).toMatchObject({ outcome: "allow" })
      expect(yield* ask(policy, { ...question, spent: { tokens: 100 } } as Question)).toMatchObject({ outcome: "deny" })
      expect(yield* ask(policy, act())).toMatchObject({ outcome: "deny", reason: expect.stringContaining("is declared as needed, and the kernel does not tell it") })
      expect(yield* ask(policy, { kind: "capability", system: "a", resource: "b", access: "read", context: {}, declared: true })).toMatchObject({
        outcome: "deny", reason: expect.stringContaining("declares no action \"read\"")
      })
    }))

  effect("is told no value of another type than its schema declares", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`permit (principal, action, resource);`, {
        schema: { name: "own", text: `namespace AAAX { entity System, Executor; action act appliesTo { principal: System, resource: Executor, context: { flag: Bool, sizes: Set<Long>, spent: { tokens: Long }, who: System } }; }` }
      }))
      const good = { flag: true, sizes: [1, 2], spent: { tokens: 5 }, who: "ada" }
      expect(yield* ask(policy, { ...act(), ...good })).toMatchObject({ outcome: "allow" })
      for (const [more, says] of [
        [{ flag: "true" }, "flag is neither true nor false"], [{ flag: 1 }, "flag is neither"], [{ sizes: 1 }, "sizes is no list"], [{ sizes: { length: 0 } }, "sizes is no list"], [{ sizes: [1, "2"] }, "sizes[1] is no whole number"],
        [{ spent: 5 }, "spent is no record"], [{ spent: [5] }, "spent is no record"], [{ spent: null }, "spent is no record"], [{ spent: { tokens: "5" } }, "spent.tokens is no whole number"], [{ who: 1 }, "who is no text"], [{ who: "\ud800" }, "who is not well-formed"]
      ] as const) {
        expect([more, yield* ask(policy, { ...act(), ...good, ...more } as Question)]).toMatchObject([more, { outcome: "deny", reason: expect.stringContaining(says) }])
      }
    }))
})

describe("what was said to one request", () => {
  effect("says nothing to another one, nor for other policies", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`permit (principal, action, resource);`))
      const { policy: other } = yield* load(cedar(`permit (principal, action, resource); permit (principal, action == AAAX::Action::"dock", resource);`))
      const { judged } = yield* judge(policy, act())
      expect(policy.ask({ ...act(), judged: judged! })).toMatchObject({ outcome: "allow" })
      for (const verdict of [policy.ask({ ...act({ target: "other" }), judged: judged! }), other.ask({ ...act(), judged: judged! }), policy.ask(act())]) {
        expect(verdict).toMatchObject({ outcome: "deny", unavailable: true, reason: expect.stringContaining("it was not asked") })
      }
    }))
})

ruleContract("cedar", () =>
  Cedar.rule({
    description: "Cedar: none", config: { policies: "x" }, policies: "x", sha256: (text) => text, canonical: (value) => JSON.stringify(value) ?? "null",
    shape: { contexts: { act: { type: "Record", attributes: { risk: { type: "Long" }, target: { type: "String" }, payload: { type: "String" }, recentActions: { type: "Long" } } } }, types: {} },
    known: () => undefined, judge: () => Effect.die("never asked")
  }))

describe("Cedar files that are refused, with their place", () => {
  effect("a mistake of syntax", () =>
    Effect.gen(function*() {
      expect(yield* issues(cedar(`// Ä\npermit (principal action, resource);`))).toMatch(/p\d+\.cedar:2:19: .*unexpected token/u)
    }))
  effect("a name that the schema does not know", () =>
    Effect.gen(function*() {
      expect(yield* issues(cedar(`permit (principal, action == AAAX::Action::"act", resource)\nwhen { context.riks < 2 };`))).toMatch(/p\d+\.cedar:2:8: .*riks.*risk/u)
    }))
  effect("a warning of the validator: a policy that can never apply", () =>
    Effect.gen(function*() {
      expect(yield* issues(cedar(`permit (principal, action == AAAX::Action::"act", resource) when { false };`))).toMatch(/p\d+\.cedar:1:1: .*impossible/u)
    }))
  effect("a schema that is missing, or is none", () =>
    Effect.gen(function*() {
      expect(yield* issues({ cedar: { policies: "p1.cedar" } })).toContain("policy.cedar.schema: is missing")
      expect(yield* issues(cedar("permit (principal, action, resource);", { schema: { name: "s", text: "entity" } }))).toMatch(/s:1:7: .*schema/u)
    }))
  effect("files that are not there, keys that are not known, entities that the schema does not have, templates, two of one name", () =>
    Effect.gen(function*() {
      expect(yield* issues({ cedar: { policies: "no/*.cedar", schema: "aaax/policy/default.cedarschema" } })).toContain("no file matches")
      expect(yield* issues({ cedar: { policies: "none.cedar", schema: "aaax/policy/default.cedarschema" } })).toContain("cannot be read")
      expect(yield* issues(cedar("permit (principal, action, resource);", { shema: 1 }))).toContain("schema")
      expect(yield* issues(cedar("permit (principal, action, resource);", { entities: [{ uid: { type: "AAAX::Ghost", id: "x" }, attrs: {}, parents: [] }] }))).toContain("Ghost")
      expect(yield* issues(cedar("permit (principal == ?principal, action, resource);"))).toContain("templates")
      expect(yield* issues(cedar("@id(\"a\") permit (principal, action, resource); @id(\"a\") forbid (principal, action, resource);"))).toContain("two policies are called a")
    }))
})

describe("Cedar's process", () => {
  effect("is not there before a policy names it", () =>
    Effect.gen(function*() {
      const idle = yield* makeCedarEngine
      yield* load("default", idle)
      expect(idle.pid()).toBeUndefined()
    }))

  const untilAllowed = (policy: Policy, question: Question): Effect.Effect<Verdict> =>
    Effect.flatMap(ask(policy, question), (verdict) =>
      verdict.outcome === "allow" ? Effect.succeed(verdict) : Effect.andThen(Effect.sleep(20), untilAllowed(policy, question)))

  effect("may be killed: what is asked meanwhile is denied as unavailable, and it comes back with its policies", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`permit (principal, action, resource);`))
      expect(yield* ask(policy, act())).toMatchObject({ outcome: "allow" })
      const first = engine.pid()!
      process.kill(first, "SIGSTOP")
      const waiting = yield* Effect.forkChild(ask(policy, act({ target: "b" })), { startImmediately: true })
      process.kill(first, "SIGKILL")
      const gone = { outcome: "deny", unavailable: true, reason: expect.stringContaining("Cedar's process ended") }
      expect(yield* Fiber.join(waiting)).toMatchObject(gone)
      expect(yield* ask(policy, act({ target: "c" }))).toMatchObject(gone)
      yield* untilAllowed(policy, act({ target: "c" }))
      expect(engine.pid()).not.toBe(first)
    }))

  effect("may hang: it is denied after a while, and the process is another one then", () =>
    Effect.gen(function*() {
      const { policy } = yield* load(cedar(`permit (principal, action, resource);`))
      const first = engine.pid()!
      process.kill(first, "SIGSTOP")
      expect(yield* ask(policy, act({ target: "d" }))).toMatchObject({ outcome: "deny", unavailable: true, reason: expect.stringContaining("did not answer within") })
      yield* untilAllowed(policy, act({ target: "d" }))
      expect(engine.pid()).not.toBe(first)
    }))
})

describe("a kernel with a Cedar policy", () => {
  effect("keeps with the warrant what Cedar said, and decides nothing while it cannot be asked", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], directory, policy: cedar(`permit (principal, action, resource);`) })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const id = yield* requestAction(port, { action: "x", executor: "count", target: "t", payload: {}, capability: yield* tokenFor(port, "count"), risk_level: "low" })
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      expect(calls).toHaveLength(1)
      const journal = yield* kernel.audit(0, 1_000)
      expect(journal.find(({ kind, correlationId }) => kind === "action.decided" && correlationId === id)!.payload).toMatchObject({
        asked: { judged: [{ engine: "cedar", outcome: "allow" }], recentActions: 0, risk: "low" }, warrant: { policy: (yield* kernel.policies.view).version, rule: "cedar" }
      })
    }))
})
