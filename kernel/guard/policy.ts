// Asks every rule: any deny wins, else any escalation, else any allow; silence is deny. The order of rules never matters.
import * as Result from "effect/Result"
import type { Decision, Policy, Question, Rule, Verdict } from "../../protocol/authority.ts"
import { ConfigInvalid } from "../../protocol/errors.ts"
import * as Granted from "../policy/granted.ts"
import * as Risk from "../policy/risk.ts"
import { digestOf } from "../power/digest.ts"
import { canonical } from "./canonical.ts"
import { rulesFromTable } from "./policy-table.ts"

interface Said {
  readonly rule: string
  readonly decision: Decision
}

const text = (value: unknown): value is string => typeof value === "string"

/** What a rule answered, checked: a rule may come from a user's config. */
const checked = (answer: unknown): Decision | undefined => {
  if (answer === undefined || answer === null) return undefined
  if (typeof answer === "object") {
    // Read once and by name; what is not of the shape of a decision is refused below.
    const { outcome, reason, to, payload, unavailable } = answer as Readonly<Record<string, unknown>>
    // The commonest answer first: an object that is made of others costs much more.
    if (outcome === "allow" && reason === undefined && payload === undefined) return { outcome }
    const replaced = payload === undefined ? {} : { payload: JSON.parse(canonical(payload)) as unknown }
    if (outcome === "allow" && (reason === undefined || text(reason))) {
      return { outcome, ...(reason === undefined ? {} : { reason }), ...replaced }
    }
    if (outcome === "deny" && text(reason)) return { outcome, reason, ...(unavailable === true ? { unavailable } : {}) }
    if (outcome === "escalate" && text(reason) && text(to)) return { outcome, reason, to, ...replaced }
  }
  return { outcome: "deny", reason: "its answer is not a decision" }
}

const ask = (rule: Rule, question: Question): Decision | undefined => {
  try {
    return checked(rule.decide(question))
  } catch (thrown) {
    return { outcome: "deny", reason: `it failed: ${thrown instanceof Error ? thrown.message : "it threw something"}` }
  }
}

/** The same one of several, in whatever order they come. */
const first = (said: ReadonlyArray<Said>): Said | undefined =>
  said.length < 2 ? said[0] : said.reduce((a, b) => (orderOf(b) < orderOf(a) ? b : a))

const orderOf = ({ decision, rule }: Said): string => canonical([rule, decision])

const silence = (question: Question): Verdict => ({ outcome: "deny", rule: "policy", reason: `No rule allows it${hint(question)}` })

/** What would be allowed, and how to get there. */
const hint = (question: Question): string => {
  switch (question.kind) {
    case "capability":
      return question.declared ? "" : `: the config does not dock a manifest of ${question.system} that declares ${question.resource}`
    case "module":
      return question.configured ? "" : `: the config does not name ${question.module}`
    case "action":
      return ""
  }
}

const payloadOf = (decision: Decision): unknown => (decision.outcome === "deny" ? undefined : decision.payload)

const verdictOf = (question: Question, said: ReadonlyArray<Said>): Verdict => {
  const only = said[0]
  if (said.length === 1 && only !== undefined) {
    const { decision, rule } = only
    return decision.outcome === "allow" && decision.reason === undefined && decision.payload === undefined ? { outcome: "allow", rule } : { ...decision, rule }
  }
  const of = (outcome: Decision["outcome"]): Said | undefined => first(said.filter(({ decision }) => decision.outcome === outcome))
  const denied = of("deny")
  if (denied !== undefined) return { ...denied.decision, rule: denied.rule }
  const strictest = of("escalate") ?? of("allow")
  if (strictest === undefined) return silence(question)
  const replacing = said.filter(({ decision }) => payloadOf(decision) !== undefined)
  const replacements = new Set(replacing.map(({ decision }) => canonical(payloadOf(decision))))
  if (replacements.size > 1) {
    const rule = [...new Set(replacing.map(({ rule }) => rule))].sort().join(", ")
    return { outcome: "deny", rule, reason: `Rules replace the payload differently: ${rule}` }
  }
  const replacement = first(replacing)
  return {
    ...strictest.decision,
    // Whoever speaks the verdict: what was put in place of the payload by one rule is what is executed.
    ...(replacement === undefined ? {} : { payload: payloadOf(replacement.decision) }),
    rule: strictest.rule
  }
}

/** The rules as one policy. Its version is a digest of what they are called, say of themselves and were made with. */
export const makePolicy = (rules: ReadonlyArray<Rule>): Policy => {
  const kept = [...rules]
  const engines = kept.flatMap(({ engine }) => (engine === undefined ? [] : [engine]))
  const faces = kept.map(({ name, description, config }) => canonical({ name, description, config })).sort()
  return {
    version: digestOf(faces).slice(0, 16),
    description: kept.map(({ name, description }) => `${name}: ${description}`).join("; ") || "no rules: everything is denied",
    /* hot */
    ask: (question) => {
      const said: Array<Said> = []
      for (const rule of kept) {
        const decision = ask(rule, question)
        if (decision !== undefined) said.push({ rule: rule.name, decision })
      }
      return verdictOf(question, said)
    },
    rules: kept.map(({ name, description }) => ({ name, description })),
    explain: (question) =>
      kept
        .map((rule) => ({ rule: rule.name, description: rule.description, decision: ask(rule, question) ?? null }))
        .sort((a, b) => (canonical([a.rule, a]) < canonical([b.rule, b]) ? -1 : 1)),
    ...(engines.length === 0 ? {} : { engines })
  }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null

const isRule = (value: unknown): value is Rule =>
  isObject(value) && text(value["name"]) && text(value["description"]) && typeof value["decide"] === "function"

const invalid = (file: string, path: string, reason: string): Result.Result<never, ConfigInvalid> =>
  Result.fail(new ConfigInvalid({ issues: [{ file, path, reason }] }))

/** The policy of a rule table, as a TOML or JSON file or a config holds it. `file` and `path` say where it was read. */
export const policyFromTable = (table: unknown, file = "policy", path = ""): Result.Result<Policy, ConfigInvalid> =>
  Result.map(rulesFromTable(table, file, path), makePolicy)

/**
 * The policy that a config asks for. Nothing or "granted": ours, deny by default. "default": the ancestor's table. A table: what it
 * says. One rule or several: those. The path of a rule file is for the caller to read: its table goes to `policyFromTable`.
 */
export const policyFromConfig = (value: unknown, file = "config"): Result.Result<Policy, ConfigInvalid> => {
  if (value === undefined || value === null || value === "granted") return Result.succeed(makePolicy([Granted.rule]))
  if (value === "default") return Result.succeed(makePolicy([Risk.rule()]))
  if (isRule(value)) return Result.succeed(makePolicy([value]))
  if (Array.isArray(value)) {
    const wrong = value.findIndex((item) => !isRule(item))
    // Every item was just seen to be a rule.
    if (wrong === -1) return Result.succeed(makePolicy(value as ReadonlyArray<Rule>))
    return invalid(file, `policy[${wrong}]`, "is not a rule: expected an object with name, description and decide.")
  }
  if (isObject(value)) return policyFromTable(value, file, "policy")
  return invalid(file, "policy", `expected "granted", "default", a rule table or rules, got ${JSON.stringify(value)}.`)
}
