import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import { DefaultRulePolicy, PolicyEngine } from "../../../kernel/guard/policy-engine.ts"
import { makePolicy, policyFromConfig, policyFromTable } from "../../../kernel/guard/policy.ts"
import * as Granted from "../../../kernel/policy/granted.ts"
import type { Decision, Policy, Question, Rule } from "../../../protocol/authority.ts"
import type { ConfigInvalid } from "../../../protocol/errors.ts"

const question: Question = {
  kind: "action", system: "s", action: "a", executor: "fs.write", target: "t", payload: { content: "secret" }, risk: "low", recentActions: 0, now: 0
}
const says = (name: string, decision: Decision | undefined): Rule => ({ name, description: `always ${name}`, decide: () => decision })
const allow = says("allow", { outcome: "allow" })
const deny = says("deny", { outcome: "deny", reason: "no" })
const escalate = says("escalate", { outcome: "escalate", reason: "ask", to: "human" })
const abstain = says("abstain", undefined)
const replace = (name: string, payload: unknown): Rule => says(name, { outcome: "allow", payload })

const permutations = <A>(items: ReadonlyArray<A>): Array<Array<A>> =>
  items.length < 2 ? [[...items]] : items.flatMap((item, at) => permutations([...items.slice(0, at), ...items.slice(at + 1)]).map((rest) => [item, ...rest]))

const right = (result: Result.Result<Policy, ConfigInvalid>): Policy => Result.getOrThrow(result)
const issues = (result: Result.Result<Policy, ConfigInvalid>) => Result.getOrThrow(Result.flip(result)).issues

describe("a policy", () => {
  it("denies when any rule denies, and says which", () => {
    expect(makePolicy([allow, escalate, deny]).ask(question)).toEqual({ outcome: "deny", reason: "no", rule: "deny" })
  })

  it("escalates when any rule does and none denies", () => {
    expect(makePolicy([allow, escalate, abstain]).ask(question)).toEqual({ outcome: "escalate", reason: "ask", to: "human", rule: "escalate" })
  })

  it("allows when a rule does and none objects", () => {
    expect(makePolicy([abstain, allow]).ask(question)).toEqual({ outcome: "allow", rule: "allow" })
  })

  it("denies when every rule is silent, and when there is none", () => {
    expect(makePolicy([abstain]).ask(question)).toEqual({ outcome: "deny", rule: "policy", reason: "No rule allows it" })
    expect(makePolicy([]).ask(question)).toMatchObject({ outcome: "deny", reason: "No rule allows it" })
  })

  it("says what would be allowed when nobody speaks for a capability or a module", () => {
    const policy = makePolicy([Granted.rule])
    expect(policy.ask({ kind: "capability", system: "analyst", resource: "fs.write", access: "execute", context: {}, declared: false }).reason)
      .toBe("No rule allows it: the config does not dock a manifest of analyst that declares fs.write")
    expect(policy.ask({ kind: "module", module: "m", framework: "esm", executors: [], channels: [], privileged: false, configured: false }).reason)
      .toBe("No rule allows it: the config does not name m")
  })

  it("denies when a rule throws, whatever the others say", () => {
    const broken: Rule = { name: "broken", description: "throws", decide: () => { throw new Error("oops") } }
    expect(makePolicy([allow, broken]).ask(question)).toEqual({ outcome: "deny", rule: "broken", reason: "it failed: oops" })
  })

  it.each([
    ["a promise", Promise.resolve({ outcome: "allow" })], ["a word", "allow"], ["true", true], ["an unknown outcome", { outcome: "yes" }],
    ["a denial without reason", { outcome: "deny" }], ["an escalation to nobody", { outcome: "escalate", reason: "x" }],
    ["a payload that is not JSON", { outcome: "allow", payload: { run: () => 1 } }]
  ])("denies when a rule answers with %s", (_, answer) => {
    // What an untyped config may hold.
    const odd = { name: "odd", description: "odd", decide: () => answer } as unknown as Rule
    expect(makePolicy([allow, odd]).ask(question)).toMatchObject({ outcome: "deny", rule: "odd" })
  })

  it("gives the same verdict whatever the order of its rules", () => {
    const rules = [allow, escalate, abstain, says("deny2", { outcome: "deny", reason: "a" }), deny, says("deny", { outcome: "deny", reason: "b" }),
      says("escalate2", { outcome: "escalate", reason: "ask", to: "boss" }), replace("r1", { a: 1, b: 2 }), replace("r2", { b: 2, a: 1 }), replace("r3", 3)]
    const wrong: Array<string> = []
    for (let mask = 1; mask < 1 << rules.length; mask++) {
      const chosen = rules.filter((_, at) => (mask >> at) & 1)
      if (chosen.length > 4) continue
      const verdicts = new Set(permutations(chosen).map((order) => JSON.stringify(makePolicy(order).ask(question))))
      if (verdicts.size !== 1) wrong.push([...verdicts].join(" / "))
    }
    expect(wrong).toEqual([])
  })

  it("never becomes more lenient by one more rule that denies, escalates or is silent", () => {
    const strictness = { allow: 0, escalate: 1, deny: 2 }
    for (const chosen of permutations([allow, escalate, deny, abstain]).map((order) => order.slice(0, 2))) {
      const before = strictness[makePolicy(chosen).ask(question).outcome]
      for (const more of [deny, escalate, abstain]) {
        const after = strictness[makePolicy([...chosen, more]).ask(question).outcome]
        // Silence alone denies: a rule that escalates may then speak, but nothing else may loosen a verdict.
        if (!(chosen.every((rule) => rule === abstain) && more === escalate)) expect(after).toBeGreaterThanOrEqual(before)
      }
    }
  })

  it("hands on the payload that a rule put in place, also with the word of another rule", () => {
    expect(makePolicy([allow, replace("redact", { content: "***" })]).ask(question)).toMatchObject({ outcome: "allow", payload: { content: "***" } })
    expect(makePolicy([escalate, replace("redact", { content: "***" })]).ask(question))
      .toEqual({ outcome: "escalate", reason: "ask", to: "human", rule: "escalate", payload: { content: "***" } })
  })

  it("takes two equal replacements for one, and denies two different ones", () => {
    expect(makePolicy([replace("a", { x: 1, y: [2] }), replace("b", { y: [2], x: 1 })]).ask(question)).toMatchObject({ outcome: "allow", payload: { x: 1, y: [2] } })
    expect(makePolicy([replace("b", { x: 1 }), replace("a", { x: 2 })]).ask(question))
      .toEqual({ outcome: "deny", rule: "a, b", reason: "Rules replace the payload differently: a, b" })
  })

  it("copies the replacement: who changes it later changes nothing", () => {
    const payload = { content: "safe" }
    const verdict = makePolicy([replace("r", payload)]).ask(question)
    payload.content = "changed"
    expect(verdict).toMatchObject({ payload: { content: "safe" } })
  })

  it("has a version that changes with any rule's name, description or config, and not with their order", () => {
    const one = { ...allow, config: { limit: 1 } }
    const version = makePolicy([one, deny]).version
    expect(makePolicy([deny, one]).version).toBe(version)
    for (const other of [{ ...one, name: "x" }, { ...one, description: "x" }, { ...one, config: { limit: 2 } }, allow]) {
      expect(makePolicy([other, deny]).version).not.toBe(version)
    }
    expect(makePolicy([one]).version).not.toBe(version)
  })
})

describe("the policy of a config", () => {
  const high = { ...question, risk: "high" }

  it("is ours when the config names none: deny by default", () => {
    expect(right(policyFromConfig(undefined)).ask(high)).toMatchObject({ outcome: "escalate", rule: "granted" })
    expect(right(policyFromConfig(undefined)).ask({ kind: "capability", system: "s", resource: "r", access: "read", context: {}, declared: false }).outcome).toBe("deny")
  })

  it("is the ancestor's table for \"default\", and for an empty table", () => {
    for (const config of ["default", {}]) {
      expect(right(policyFromConfig(config)).ask(high)).toEqual({ outcome: "deny", rule: "risk", reason: "Denied for risk 'high'" })
      expect(right(policyFromConfig(config)).ask({ kind: "capability", system: "s", resource: "r", access: "read", context: {}, declared: false }).outcome).toBe("allow")
    }
  })

  it("reads the ancestor's keys, in either spelling", () => {
    const table = right(policyFromConfig({ default_capability: "deny", default_action: { high: "escalate" }, default_module: "deny" }))
    expect(table.ask(high)).toMatchObject({ outcome: "escalate", to: "human" })
    expect(table.ask(question)).toMatchObject({ outcome: "deny", reason: "Denied for risk 'low'" })
    expect(right(policyFromTable({ defaultCapability: "deny", defaultAction: { high: "escalate" }, defaultModule: "deny" })).version).toBe(table.version)
  })

  it("narrows ours by sections alone, and the ancestor's table by sections beside its keys", () => {
    const sections = { quota: { actions_per_minute: 5 }, scope: { "fs.write": ["docs/**"] }, hours: { from: 0, to: 24, offset_minutes: 0 } }
    const ours = right(policyFromTable(sections))
    expect(ours.ask(question)).toMatchObject({ outcome: "deny", rule: "scope" })
    expect(ours.ask({ ...question, target: "docs/a" })).toMatchObject({ outcome: "allow", rule: "granted" })
    expect(ours.ask({ ...question, target: "docs/a", recentActions: 5 })).toMatchObject({ outcome: "deny", rule: "quota" })
    expect(right(policyFromTable({ ...sections, default_module: "allow" })).ask({ ...question, target: "docs/a" })).toMatchObject({ rule: "risk" })
  })

  it("takes a rule, or rules, as they are", () => {
    expect(right(policyFromConfig(deny)).ask(question)).toMatchObject({ rule: "deny" })
    expect(right(policyFromConfig([allow, deny])).ask(question)).toMatchObject({ rule: "deny" })
    expect(right(policyFromConfig([])).ask(question)).toMatchObject({ outcome: "deny" })
  })

  it("says file, key path and the nearest valid name of every mistake", () => {
    const found = issues(policyFromConfig({ defualt_action: {}, default_action: { lwo: "allow", high: "maybe" } }, "aaax.toml"))
    expect(found).toHaveLength(3)
    expect(found).toEqual(expect.arrayContaining([
      { file: "aaax.toml", path: "policy.defualt_action", reason: expect.any(String), nearest: "default_action" },
      { file: "aaax.toml", path: "policy.default_action.high", reason: expect.stringContaining('"escalate"') },
      { file: "aaax.toml", path: "policy.default_action.lwo", reason: expect.any(String), nearest: "low" }
    ]))
  })

  it.each([["rules.toml"], [42], [true], [[allow, "deny"]], [{ quota: 5 }], [{ quota: { actions_per_minute: -1 } }], [JSON.parse('{"__proto__":{}}')]])(
    "refuses %j, and starts nothing", (config) => {
      expect(issues(policyFromConfig(config)).length).toBeGreaterThan(0)
    })
})

describe("the ancestor's names", () => {
  it("answer with its five fields", () => {
    const engine = PolicyEngine.fromConfig("default")
    expect(engine.evaluateAction({ system: "s", action: "a", executor: "e", target: "t", payload: {}, risk: "irreversible", now: 0 })).toEqual({
      allowed: false, reason: "Risk 'irreversible' requires escalation", escalate: true, escalateTo: "human", modifiedPayload: null
    })
    expect(engine.evaluateCapability("s", "r", "read")).toMatchObject({ allowed: true })
    expect(new DefaultRulePolicy({ default_module: "deny" }).evaluateModule({ id: "m", framework: "esm", executors: [], reads: [], writes: [], privileged: false }))
      .toMatchObject({ allowed: false, reason: "Module loading denied by default policy" })
  })

  it("refuse a table that is wrong", () => {
    expect(() => PolicyEngine.fromConfig({ default_action: 1 })).toThrow(/policy\.default_action/u)
  })
})
