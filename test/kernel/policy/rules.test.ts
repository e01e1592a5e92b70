import { describe, expect, it } from "vitest"
import * as Granted from "../../../kernel/policy/granted.ts"
import * as Hours from "../../../kernel/policy/hours.ts"
import * as Open from "../../../kernel/policy/open.ts"
import * as Quota from "../../../kernel/policy/quota.ts"
import * as RiskTable from "../../../kernel/policy/risk.ts"
import * as Scope from "../../../kernel/policy/scope.ts"
import type { Question } from "../../../protocol/authority.ts"
import { ruleContract } from "../../contract/rule.ts"

ruleContract("open", () => Open.rule)
ruleContract("granted", () => Granted.rule)
ruleContract("risk", () => RiskTable.rule())
ruleContract("quota", () => Quota.rule({ actionsPerMinute: 10 }))
ruleContract("scope", () => Scope.rule({ "fs.write": ["docs/**", "*.md"], "__proto__": ["x"] }))
ruleContract("hours", () => Hours.rule({ from: 22, to: 6, offsetMinutes: 330, days: [1, 2], outside: "escalate", aboveRisk: "medium" }))

type Action = Extract<Question, { readonly kind: "action" }>
const action = (given: Partial<Action> = {}): Action => ({
  kind: "action", system: "s", action: "write", executor: "fs.write", target: "docs/a.md", payload: {}, risk: "low", recentActions: 0,
  now: 0, ...given
})
const capability = (declared: boolean): Question => ({ kind: "capability", system: "s", resource: "executor:x", access: "execute", context: {}, declared })
const module = (configured: boolean): Question => ({
  kind: "module", module: "m", framework: "esm", executors: [], channels: [], privileged: false, configured
})

describe("the ancestor's table", () => {
  const { decide } = RiskTable.rule()

  it("allows capabilities and modules, low and medium risk, denies high, and escalates irreversible to human", () => {
    expect(decide(capability(false))).toEqual({ outcome: "allow" })
    expect(decide(module(false))).toEqual({ outcome: "allow" })
    expect(decide(action({ risk: "low" }))).toEqual({ outcome: "allow" })
    expect(decide(action({ risk: "medium" }))).toEqual({ outcome: "allow" })
    expect(decide(action({ risk: "high" }))).toEqual({ outcome: "deny", reason: "Denied for risk 'high'" })
    expect(decide(action({ risk: "irreversible" })))
      .toEqual({ outcome: "escalate", reason: "Risk 'irreversible' requires escalation", to: "human" })
  })

  it.each(["catastrophic", "constructor", "__proto__", "LOW", ""])("denies the unknown risk %j in its words", (risk) => {
    expect(decide(action({ risk }))).toEqual({ outcome: "deny", reason: `Denied for risk '${risk}'` })
  })

  it("denies capabilities and modules in its words when told to", () => {
    const strict = RiskTable.rule({ defaultCapability: "deny", defaultModule: "deny" })
    expect(strict.decide(capability(true))).toEqual({ outcome: "deny", reason: "Capability requests denied by default policy" })
    expect(strict.decide(module(true))).toEqual({ outcome: "deny", reason: "Module loading denied by default policy" })
  })

  it("denies a risk that a given table does not name", () => {
    const { decide: given } = RiskTable.rule({ defaultAction: { low: "escalate" } })
    expect(given(action({ risk: "low" }))?.outcome).toBe("escalate")
    expect(given(action({ risk: "medium" }))).toEqual({ outcome: "deny", reason: "Denied for risk 'medium'" })
  })

  it("is not changed by who changes the table that it was made from", () => {
    const table: { low: "deny" | "allow" } = { low: "deny" }
    const { decide: given } = RiskTable.rule({ defaultAction: table })
    table.low = "allow"
    expect(given(action({ risk: "low" }))?.outcome).toBe("deny")
  })
})

describe("our policy without a config", () => {
  const { decide } = Granted.rule

  it("grants what the operator's config docked and declared, and leaves the rest to other rules", () => {
    expect(decide(capability(true))?.outcome).toBe("allow")
    expect(decide(capability(false))).toBeUndefined()
    expect(decide(module(true))?.outcome).toBe("allow")
    expect(decide(module(false))).toBeUndefined()
  })

  it("allows up to medium risk and asks a human above", () => {
    expect(["low", "medium", "high", "irreversible"].map((risk) => decide(action({ risk }))?.outcome)).toEqual(["allow", "allow", "escalate", "escalate"])
    expect(decide(action({ risk: "high" }))).toMatchObject({ to: "human", reason: "Risk 'high' requires escalation" })
  })

  it("denies an unknown risk in the ancestor's words", () => {
    expect(decide(action({ risk: "huge" }))).toEqual({ outcome: "deny", reason: "Denied for risk 'huge'" })
  })
})

describe("a quota", () => {
  it("denies the action that would be one too many, and no earlier", () => {
    const { decide } = Quota.rule({ actionsPerMinute: 3 })
    expect([0, 2, 3, 4].map((recentActions) => decide(action({ recentActions }))?.outcome)).toEqual([undefined, undefined, "deny", "deny"])
    expect(decide(action({ recentActions: 3 }))).toMatchObject({ reason: "s has started 3 actions in the last minute, 3 are allowed" })
  })

  it("says nothing about capabilities and modules", () => {
    const { decide } = Quota.rule({ actionsPerMinute: 0 })
    expect(decide(capability(true))).toBeUndefined()
    expect(decide(module(true))).toBeUndefined()
  })

  it("denies when it is no number", () => {
    expect(Quota.rule({ actionsPerMinute: Number.NaN }).decide(action())?.outcome).toBe("deny")
  })
})

describe("a scope", () => {
  const { decide } = Scope.rule({ "fs.write": ["docs/**", "README.md"], "process.run": [] })

  it("denies targets outside its globs", () => {
    expect(decide(action({ target: "docs/deep/a.md" }))).toBeUndefined()
    expect(decide(action({ target: "README.md" }))).toBeUndefined()
    expect(decide(action({ target: "src/a.ts" }))).toEqual({ outcome: "deny", reason: "fs.write is limited to docs/**, README.md" })
  })

  it.each(["docs/../src/a.ts", "docs/./a.md", "/docs/a.md", "docs"])("denies %s, which only looks as if it were inside", (target) => {
    expect(decide(action({ target }))?.outcome).toBe("deny")
  })

  it("denies everything for an executor with no globs, and nothing for one that it does not name", () => {
    expect(decide(action({ executor: "process.run", target: "ls" }))).toEqual({ outcome: "deny", reason: "process.run is limited to nothing" })
    expect(decide(action({ executor: "http.fetch", target: "https://x" }))).toBeUndefined()
    expect(decide(action({ executor: "constructor", target: "x" }))).toBeUndefined()
  })
})

describe("hours", () => {
  const at = (text: string): Action => action({ now: Date.parse(text), risk: "high" })

  it("denies outside of its hours at its own offset from UTC", () => {
    const { decide } = Hours.rule({ from: 9, to: 17, offsetMinutes: 120 })
    expect(decide(at("2026-03-02T06:59:59.999Z"))).toEqual({ outcome: "deny", reason: "outside 09:00-17:00 UTC+02:00" })
    expect(decide(at("2026-03-02T07:00:00Z"))).toBeUndefined()
    expect(decide(at("2026-03-02T14:59:59.999Z"))).toBeUndefined()
    expect(decide(at("2026-03-02T15:00:00Z"))?.outcome).toBe("deny")
  })

  it("spans midnight, and the night belongs to the day on which it began", () => {
    // Monday night only; 2026-03-02 is a Monday.
    const { decide } = Hours.rule({ from: 22, to: 6, offsetMinutes: -300, days: [1] })
    expect(decide(at("2026-03-03T02:59:00Z"))?.outcome).toBe("deny")
    expect(decide(at("2026-03-03T03:00:00Z"))).toBeUndefined()
    expect(decide(at("2026-03-03T10:59:00Z"))).toBeUndefined()
    expect(decide(at("2026-03-03T11:00:00Z"))?.outcome).toBe("deny")
    expect(decide(at("2026-03-04T03:00:00Z"))?.outcome).toBe("deny")
  })

  it("asks a human instead when told to, for actions above a risk only", () => {
    const { decide } = Hours.rule({ from: 9, to: 17, offsetMinutes: 0, outside: "escalate", aboveRisk: "medium" })
    const night = Date.parse("2026-03-02T03:00:00Z")
    expect(decide(action({ now: night, risk: "medium" }))).toBeUndefined()
    expect(decide(action({ now: night, risk: "high" }))).toEqual({ outcome: "escalate", reason: "outside 09:00-17:00 UTC+00:00", to: "human" })
    expect(decide(action({ now: night, risk: "unheard of" }))?.outcome).toBe("escalate")
  })

  it("is right before 1970 too", () => {
    // 1969-12-31 was a Wednesday.
    expect(Hours.rule({ from: 9, to: 17, offsetMinutes: 0, days: [3] }).decide(at("1969-12-31T10:00:00Z"))).toBeUndefined()
    expect(Hours.rule({ from: 9, to: 17, offsetMinutes: 0, days: [4] }).decide(at("1969-12-31T10:00:00Z"))?.outcome).toBe("deny")
  })
})
