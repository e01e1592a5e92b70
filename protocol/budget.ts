// Budgets: what may be spent of what, and what has been. Amounts are whole; money is in microdollars.
import * as Schema from "effect/Schema"
import { Span } from "./duration.ts"

/**
 * `tokens` and `microdollars` are what an executor says. `millis` is the time that its calls take. `actions` counts calls
 * that were started, `concurrency` those that are under way.
 */
export const BudgetUnit = Schema.Literals(["tokens", "microdollars", "millis", "actions", "concurrency"])
export type BudgetUnit = typeof BudgetUnit.Type
export const budgetUnits: ReadonlyArray<BudgetUnit> = BudgetUnit.literals

const Amount = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))

/** Amounts by unit; a unit that is not named: none of it. */
export const Cost = Schema.Struct({
  tokens: Schema.optionalKey(Amount),
  microdollars: Schema.optionalKey(Amount),
  millis: Schema.optionalKey(Amount),
  actions: Schema.optionalKey(Amount),
  concurrency: Schema.optionalKey(Amount)
})
export interface Cost extends Schema.Schema.Type<typeof Cost> {}

/** The most of each unit; a unit that is not named is not limited. */
export const Limits = Cost
export interface Limits extends Cost {}

const isAmount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

/** Plain amounts of known units and nothing else, or nothing: what code of others declared or reported. */
export const costOf = (value: unknown): Cost | undefined => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
  const cost: { -readonly [Unit in BudgetUnit]?: number } = {}
  for (const key of Object.keys(value)) {
    const amount = (value as Readonly<Record<string, unknown>>)[key]
    if (amount === undefined) continue
    if (!(budgetUnits as ReadonlyArray<string>).includes(key) || !isAmount(amount)) return undefined
    cost[key as BudgetUnit] = amount as number // one of the units, and a number, as was just seen
  }
  return cost
}

/** Limits of an account as a config says them. */
export const BudgetSpec = Schema.Struct({
  ...Cost.fields,
  /** After so long what was spent counts no more, only debt does: 1h, 1d. Absent: it counts for good. */
  per: Schema.optionalKey(Span)
})
export interface BudgetSpec extends Schema.Schema.Type<typeof BudgetSpec> {}

/** An account: `system:GLOB`, set by the operator or the config, or `grant:ID`, from a grant's caveat. */
export const BudgetView = Schema.Struct({
  account: Schema.String,
  limits: Cost,
  /** Length of its period in milliseconds; null: it has none. */
  perMillis: Schema.NullOr(Schema.Int),
  /** When its period began, in kernel time. */
  since: Schema.Int,
  spent: Cost,
  /** Held for calls that are under way, and for those whose outcome nobody knows. */
  reserved: Cost,
  /** What is left of each limited unit. */
  remaining: Cost,
  /** Spent beyond a limit: until it is settled by a higher limit or a new period, nothing is drawn from this account. */
  debt: Cost,
  origin: Schema.Literals(["config", "operator", "grant"]),
  /** Open warrants that have reserved something here: the newest ones. */
  warrants: Schema.Array(Schema.String)
})
export interface BudgetView extends Schema.Schema.Type<typeof BudgetView> {}
