// What an action may cost and what it did: what is asked of every account that it draws from, and how it is settled.
import { budgetUnits, costOf, type BudgetUnit, type Cost, type Limits } from "../../../protocol/budget.ts"
import type { Executor } from "../../../protocol/executor.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { inWords } from "../../executor/executor.ts"
import { budgetsMax, executorMillisDefault } from "../../limits.ts"
import { at, standing, sum, type Account } from "../state/budgets.ts"
import { lookup } from "../state/state.ts"
import * as HashMap from "effect/HashMap"
import type { Decision } from "./decision.ts"

const undeclared: { readonly cost?: Cost } = {}

/** What the executor says that this call costs at most, or why that cannot be known. */
export const declaredCost = (
  executor: Executor, call: { readonly target: string; readonly payload: unknown }
): { readonly cost?: Cost } | { readonly refusal: string } => {
  if (executor.cost === undefined) return undeclared
  try {
    const given = costOf(executor.cost(call))
    if (given === undefined) return { refusal: `${executor.name} does not say what this call costs: what it gives is not amounts of known units` }
    // Of the others the kernel keeps count itself.
    const { actions: _, concurrency: __, millis: ___, ...cost } = given
    return { cost }
  } catch (thrown) {
    return { refusal: `${executor.name} cannot say what this call costs: ${inWords(thrown)}` }
  }
}

/** What is held for a call from its start to its end. */
const wholeCost = (executor: Executor, cost: Cost | undefined): Cost => ({
  ...cost, millis: executor.timeoutMillis ?? executorMillisDefault, actions: 1, concurrency: 1
})

const words: Readonly<Record<BudgetUnit, string>> = {
  tokens: "tokens", microdollars: "microdollars", millis: "milliseconds of calls", actions: "actions", concurrency: "calls at once"
}

const whose = (id: string): string => (id.startsWith("grant:") ? `grant ${id.slice("grant:".length)}` : `system ${id.slice("system:".length)}`)

const how = (id: string, unit: BudgetUnit): string => {
  if (unit === "concurrency") return "try again when one of them has ended"
  return id.startsWith("grant:")
    ? "ask who gave the grant for one with a larger budget"
    : `ask the operator for more: aaax budget set '${id.slice("system:".length)}' --${unit} N`
}

/** Why an account does not give what is asked, or nothing. Debt in one of its units refuses everything. */
const shortOf = (account: Account, asked: Cost): string | undefined => {
  for (const unit of budgetUnits) {
    const limit = account.limits[unit]
    if (limit === undefined) continue
    const spent = account.spent[unit] ?? 0
    const reserved = account.reserved[unit] ?? 0
    const wanted = asked[unit] ?? 0
    if (spent + reserved + wanted <= limit) continue
    return `the budget of ${whose(account.id)} does not cover it: ${words[unit]}: limit ${limit}, spent ${spent}, reserved ${reserved}, asked ${wanted}; ${how(account.id, unit)}`
  }
  return undefined
}

/** What a call holds at which accounts; nothing when none limits it. */
export interface Reserved {
  readonly reserved?: Cost
  readonly charged?: ReadonlyArray<string>
}

const nothingReserved: Reserved = {}

/** What is held at these accounts when this is started now, or the sentence that refuses it. */
export const reservation = (
  accounts: ReadonlyArray<Account>, cost: Cost | undefined, executor: Executor, now: number
): Reserved | { readonly refusal: string } => {
  if (accounts.length === 0) return nothingReserved
  const reserved = wholeCost(executor, cost)
  for (const account of accounts) {
    const refusal = shortOf(at(account, now), reserved)
    if (refusal !== undefined) return { refusal }
  }
  return { reserved, charged: accounts.map(({ id }) => id) }
}

/** What rules are told of budgets: of each limited unit what is left, and what was spent, where the least is left. */
export const budgetFacts = (accounts: ReadonlyArray<Account>, now: number): { readonly remaining?: Cost; readonly spent?: Cost } => {
  if (accounts.length === 0) return {}
  const least: { -readonly [Unit in BudgetUnit]?: number } = {}
  const spent: { -readonly [Unit in BudgetUnit]?: number } = {}
  for (const drawn of accounts) {
    const account = at(drawn, now)
    const { remaining } = standing(account)
    for (const unit of budgetUnits) {
      const left = remaining[unit]
      if (left === undefined || left >= (least[unit] ?? Infinity)) continue
      least[unit] = left
      spent[unit] = account.spent[unit] ?? 0
    }
  }
  return { remaining: least, spent }
}

/** How a call ended, as far as it concerns what it cost. */
export interface Ended {
  readonly outcome: "succeeded" | "failed" | "unknown"
  /** What the executor reported, unchecked. */
  readonly spent?: unknown
  /** How long the call took; absent: that was not measured. */
  readonly millis?: number
  /** It never came to a call, or is known not to have happened: what was declared is not spent. */
  readonly isFree?: boolean
}

/** What a call cost, and by how much that is more than what was held for it; nothing when nobody counts it or knows. */
export const settlementOf = (
  warrant: Pick<Warrant, "cost" | "reserved">, { isFree = false, millis, outcome, spent }: Ended
): { readonly spent?: Cost; readonly overrun?: Cost } => {
  if (outcome === "unknown") return {}
  const { cost, reserved } = warrant
  const reported = spent === undefined ? undefined : costOf(spent)
  if (cost === undefined && reserved === undefined && reported === undefined) return {}
  const total: { -readonly [Unit in BudgetUnit]?: number } = {}
  for (const unit of ["tokens", "microdollars"] as const) {
    const amount = reported?.[unit] ?? (isFree ? 0 : cost?.[unit])
    if (amount !== undefined && amount > 0) total[unit] = amount
  }
  if (reserved !== undefined) {
    total.actions = 1
    const measured = millis ?? (isFree ? 0 : reserved.millis ?? 0)
    if (measured > 0) total.millis = measured
  }
  const overrun = reserved === undefined ? {} : sum(total, reserved, -1)
  return { spent: total, ...(Object.keys(overrun).length === 0 ? {} : { overrun }) }
}

/** `none`: there is none to end; `full`: there may be no more; `nothing`: it would limit nothing. */
export type BudgetSetting = "set" | "none" | "full" | "nothing"

/** Changes the account of the systems that a glob names; null ends it. */
export const decideBudget = (
  system: string, change: { readonly limits: Limits; readonly perMillis?: number | null } | null, by: SystemId
): Decision<BudgetSetting> => (state, now) => {
  const found = lookup(state.budgets, system)
  // One that has ended is kept only as long as it holds something.
  const before = found === undefined || Object.keys(found.limits).length === 0 ? undefined : found
  if (change === null) {
    return before === undefined
      ? { entries: [], answer: "none" }
      : { entries: [{ kind: "budget.set", at: now, by, system, limits: null, perMillis: null, origin: "operator" }], answer: "set" }
  }
  const limits = { ...before?.limits, ...change.limits }
  if (Object.keys(limits).length === 0) return { entries: [], answer: "nothing" }
  if (found === undefined && HashMap.size(state.budgets) >= budgetsMax) return { entries: [], answer: "full" }
  const perMillis = change.perMillis === undefined ? (before?.perMillis ?? null) : change.perMillis
  return { entries: [{ kind: "budget.set", at: now, by, system, limits, perMillis, origin: "operator" }], answer: "set" }
}

/** What a config says of budgets, at a start: what the operator has set since stands, what the config no longer says ends. */
export const decideConfigured = (
  configured: ReadonlyMap<string, { readonly limits: Limits; readonly perMillis: number | null }>, by: SystemId
): Decision<void> => (state, now) => {
  const entries = []
  for (const [system, { limits, perMillis }] of configured) {
    const before = lookup(state.budgets, system)
    const stands = before !== undefined && Object.keys(before.limits).length > 0 && (before.origin === "operator" || isSame(before, limits, perMillis))
    if (!stands) entries.push({ kind: "budget.set", at: now, by, system, limits, perMillis, origin: "config" } as const)
  }
  for (const [system, account] of state.budgets) {
    if (account.origin !== "config" || configured.has(system) || Object.keys(account.limits).length === 0) continue
    entries.push({ kind: "budget.set", at: now, by, system, limits: null, perMillis: null, origin: "config" } as const)
  }
  return { entries, answer: undefined }
}

const isSame = (account: Account, limits: Limits, perMillis: number | null): boolean =>
  account.perMillis === perMillis && budgetUnits.every((unit) => account.limits[unit] === limits[unit])
