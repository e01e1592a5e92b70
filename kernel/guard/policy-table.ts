// A rule table as data: the ancestor's keys, and a section for each bundled rule. In snake_case or camelCase.
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Risk, type Rule } from "../../protocol/authority.ts"
import { ConfigInvalid, type ConfigIssue } from "../../protocol/errors.ts"
import { nearest } from "../../protocol/names.ts"
import { issuePath, validateNow, type StandardIssue } from "../../protocol/standard-schema.ts"
import * as Flow from "../policy/flow.ts"
import * as Granted from "../policy/granted.ts"
import * as Hours from "../policy/hours.ts"
import * as Quota from "../policy/quota.ts"
import * as RiskTable from "../policy/risk.ts"
import * as Scope from "../policy/scope.ts"

const Answer = Schema.Literals(["allow", "deny"])
const Between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const Globs = Schema.Array(Schema.NonEmptyString)
const actionFields = Object.fromEntries(
  Risk.literals.map((risk) => [risk, Schema.optionalKey(Schema.Literals(["allow", "deny", "escalate"]))])
)

const Table = Schema.Struct({
  defaultCapability: Schema.optionalKey(Answer),
  defaultAction: Schema.optionalKey(Schema.Struct(actionFields)),
  defaultModule: Schema.optionalKey(Answer),
  /** The journal counts no further than this. */
  quota: Schema.optionalKey(Schema.Struct({ actionsPerMinute: Between(0, 1_000) })),
  /** Executor -> globs that its targets must match. */
  scope: Schema.optionalKey(Schema.Record(Schema.String, Globs)),
  /** By labels of where an action comes from. */
  flow: Schema.optionalKey(Schema.Array(Schema.Struct({
    when: Globs,
    external: Schema.optionalKey(Schema.Boolean),
    executors: Schema.optionalKey(Globs),
    answer: Schema.Literals(["deny", "escalate"]),
    to: Schema.optionalKey(Schema.NonEmptyString)
  })).check(Schema.isMinLength(1), Schema.isMaxLength(100))),
  hours: Schema.optionalKey(Schema.Struct({
    from: Between(0, 23),
    to: Between(0, 24),
    offsetMinutes: Between(-14 * 60, 14 * 60),
    days: Schema.optionalKey(Schema.Array(Between(0, 6))),
    outside: Schema.optionalKey(Schema.Literals(["deny", "escalate"])),
    aboveRisk: Schema.optionalKey(Risk)
  }))
})

/** Keys known at each place, for "did you mean". */
const known: Readonly<Record<string, ReadonlyArray<string>>> = {
  "": Object.keys(Table.fields),
  defaultAction: Risk.literals,
  quota: ["actionsPerMinute"],
  hours: ["from", "to", "offsetMinutes", "days", "outside", "aboveRisk"]
}

const camel = (key: string): string => key.replace(/_([a-z])/gu, (_, letter: string) => letter.toUpperCase())
const snake = (key: string): string => key.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`)

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Keys of the table and of its sections in one spelling; what a user names freely is left alone. */
const oneSpelling = (table: Readonly<Record<string, unknown>>, depth = 0): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => {
    const name = Object.hasOwn(table, camel(key)) ? key : camel(key)
    return [name, depth === 0 && isTable(value) && (name === "hours" || name === "quota") ? oneSpelling(value, 1) : value]
  }))

const standard = Schema.toStandardSchemaV1(Table, { parseOptions: { errors: "all", onExcessProperty: "error" } })

/** The path as the table spells it. */
const spelled = (table: unknown, parts: ReadonlyArray<string>): string => {
  let inside = table
  return parts.map((part) => {
    const key = isTable(inside) ? (Object.keys(inside).find((name) => camel(name) === part) ?? part) : part
    inside = isTable(inside) ? inside[key] : undefined
    return key
  }).join(".")
}

const issueOf = (issue: StandardIssue, table: unknown, file: string, at: string): ConfigIssue => {
  const inner = issuePath(issue)
  const parts = inner.split(".")
  const key = parts.at(-1) ?? ""
  const siblings = known[parts.slice(0, -1).join(".")] ?? []
  const meant = siblings.includes(key) ? undefined : nearest(key, siblings)
  const path = [at, spelled(table, parts)].filter((part) => part !== "").join(".")
  return { file, path, reason: `${issue.message}.`, ...(meant === undefined ? {} : { nearest: snake(meant) }) }
}

/**
 * The rules of a table. The ancestor's keys, or an empty table, mean the ancestor's table; sections of ours narrow it.
 * A table of such sections alone narrows our own policy, which denies by default.
 */
export const rulesFromTable = (table: unknown, file: string, at: string): Result.Result<ReadonlyArray<Rule>, ConfigInvalid> => {
  const decoded = validateNow(standard, isTable(table) ? oneSpelling(table) : table)
  if (decoded.issues !== undefined) {
    return Result.fail(new ConfigInvalid({ issues: decoded.issues.map((issue) => issueOf(issue, table, file, at)) }))
  }
  const { defaultAction, defaultCapability, defaultModule, flow, hours, quota, scope } = decoded.value
  const own = [
    ...(quota === undefined ? [] : [Quota.rule(quota)]),
    ...(scope === undefined ? [] : [Scope.rule(scope)]),
    ...(hours === undefined ? [] : [Hours.rule(hours)]),
    ...(flow === undefined ? [] : [Flow.rule(flow)])
  ]
  const ancestral = defaultAction !== undefined || defaultCapability !== undefined || defaultModule !== undefined
  if (!ancestral && own.length > 0) return Result.succeed([Granted.rule, ...own])
  return Result.succeed([
    RiskTable.rule({
      ...(defaultAction === undefined ? {} : { defaultAction }),
      ...(defaultCapability === undefined ? {} : { defaultCapability }),
      ...(defaultModule === undefined ? {} : { defaultModule })
    }),
    ...own
  ])
}
