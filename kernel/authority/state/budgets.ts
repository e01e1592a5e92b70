// What the state says of budgets: accounts, what is held for calls under way, and what was spent. An account belongs to a
// grant with the caveat `budget`, or to the systems that a glob names. Pure; the time is that of the entry.
import * as HashMap from "effect/HashMap"
import type { Grant } from "../../../protocol/authority.ts"
import { budgetUnits, type BudgetUnit, type Cost, type Limits } from "../../../protocol/budget.ts"
import { matchesGlob } from "../../../protocol/glob.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import type { BudgetSet } from "../entry.ts"
import { lookup, type AuthorityState, type Draft } from "./state.ts"

export interface Account {
  /** `grant:ID` or `system:GLOB`. */
  readonly id: string
  readonly limits: Limits
  /** Length of a period; null: what was spent counts for good. */
  readonly perMillis: number | null
  /** When the period began. */
  readonly since: number
  readonly spent: Cost
  readonly reserved: Cost
  readonly origin: "config" | "operator" | "grant"
}

type Accounts = HashMap.HashMap<string, Account>

export const grantAccount = (grant: string): string => `grant:${grant}`
export const systemAccount = (glob: string): string => `system:${glob}`

const none: Cost = {}

/** Amounts of both, without the units that come to nothing. Never below nothing. */
export const sum = (a: Cost, b: Cost, sign: 1 | -1 = 1): Cost => {
  const total: { -readonly [Unit in BudgetUnit]?: number } = {}
  for (const unit of budgetUnits) {
    const amount = Math.min(Number.MAX_SAFE_INTEGER, (a[unit] ?? 0) + sign * (b[unit] ?? 0))
    if (amount > 0) total[unit] = amount
  }
  return total
}

const isNothing = (cost: Cost): boolean => budgetUnits.every((unit) => (cost[unit] ?? 0) === 0)

/** The account as it is at a time: a new period begins with the debt of those before it, and with nothing else. */
export const at = (account: Account, now: number): Account => {
  const { limits, perMillis, since, spent } = account
  if (perMillis === null || now < since + perMillis) return account
  const periods = Math.floor((now - since) / perMillis)
  const left: { -readonly [Unit in BudgetUnit]?: number } = {}
  for (const unit of budgetUnits) {
    const limit = limits[unit]
    const debt = limit === undefined ? 0 : (spent[unit] ?? 0) - limit * periods
    if (debt > 0) left[unit] = debt
  }
  return { ...account, since: since + periods * perMillis, spent: left }
}

/** What is left of each limited unit, and what is owed. */
export const standing = ({ limits, reserved, spent }: Account): { readonly remaining: Cost; readonly debt: Cost } => {
  const remaining: { -readonly [Unit in BudgetUnit]?: number } = {}
  const debt: { -readonly [Unit in BudgetUnit]?: number } = {}
  for (const unit of budgetUnits) {
    const limit = limits[unit]
    if (limit === undefined) continue
    const left = limit - (spent[unit] ?? 0) - (reserved[unit] ?? 0)
    remaining[unit] = Math.max(0, left)
    if (left < 0) debt[unit] = -left
  }
  return { remaining, debt }
}

/** A glob names a system when it matches it, or one above it: `project` and `*` both name `project/agent`. */
const names = (glob: string, system: SystemId): boolean => {
  // Most globs are everybody, or one system: both are told without matching.
  if (glob === "*" || glob === "**") return true
  if (!glob.includes("*") && !glob.includes("?")) return system.startsWith(glob) && (system.length === glob.length || system[glob.length] === "/")
  for (let end = system.indexOf("/"); end !== -1; end = system.indexOf("/", end + 1)) {
    if (matchesGlob(glob, system.slice(0, end))) return true
  }
  return matchesGlob(glob, system)
}

/** Longest chain of grants that is walked, as in the check of a grant. */
const linksMax = 16

/* hot */
/** Every account that an action of this system under this grant draws from. */
export const accountsOf = (state: AuthorityState, system: SystemId, grant: string | null): ReadonlyArray<Account> => {
  if (HashMap.isEmpty(state.budgets) && HashMap.isEmpty(state.accounts)) return nobody
  const drawn: Array<Account> = []
  for (let link = grant, links = 0; link !== null && links < linksMax; links++) {
    const held = lookup(state.grants, link)
    if (held === undefined) break
    const account = held.grant.caveats.budget === undefined ? undefined : lookup(state.accounts, link)
    if (account !== undefined) drawn.push(account)
    link = held.grant.parent
  }
  for (const [glob, account] of state.budgets) if (names(glob, system)) drawn.push(account)
  return drawn
}

const nobody: ReadonlyArray<Account> = []

const change = (state: Draft, id: string, now: number, how: (account: Account) => Account): void => {
  const isGrant = id.startsWith("grant:")
  const key = id.slice(id.indexOf(":") + 1)
  const accounts: Accounts = isGrant ? state.accounts : state.budgets
  const before = lookup(accounts, key)
  if (before === undefined) return
  const after = how(at(before, now))
  // One that was closed is kept until what it holds is settled.
  const changed = isOver(after) ? HashMap.remove(accounts, key) : HashMap.set(accounts, key, after)
  if (isGrant) state.accounts = changed
  else state.budgets = changed
}

/** Member by member: this is done for every account at every start and end. */
const withAmounts = ({ id, limits, origin, perMillis, since }: Account, reserved: Cost, spent: Cost): Account =>
  ({ id, limits, perMillis, since, spent, reserved, origin })

const isClosed = ({ limits }: Account): boolean => {
  for (const unit in limits) if (Object.hasOwn(limits, unit)) return false
  return true
}
const isOver = (account: Account): boolean => isClosed(account) && isNothing(account.reserved)

/** Holds what a call may cost, at each of these accounts. */
export const reserve = (state: Draft, charged: ReadonlyArray<string>, cost: Cost, now: number): void => {
  for (const id of charged) change(state, id, now, (account) => withAmounts(account, sum(account.reserved, cost), account.spent))
}

/** Everything but its place among the calls under way. */
const withoutPlace = (cost: Cost): Cost => {
  const { concurrency: _, ...rest } = cost
  return rest
}

/** Settles a warrant: what was held is free, what it cost is spent. `spent` absent: its outcome is not known. Answers what is still held. */
export const settle = (state: Draft, warrant: Pick<Warrant, "charged" | "reserved">, spent: Cost | undefined, now: number): Cost | undefined => {
  const { charged, reserved } = warrant
  if (charged === undefined || reserved === undefined) return reserved
  const left = spent === undefined ? withoutPlace(reserved) : none
  const freed = sum(reserved, left, -1)
  // Its place is free now, and was never spent.
  const added = spent === undefined ? none : withoutPlace(spent)
  for (const id of charged) {
    change(state, id, now, (account) => withAmounts(account, sum(account.reserved, freed, -1), isClosed(account) ? none : sum(account.spent, added)))
  }
  return left
}

/** A grant with a budget has an account; one of the same name that ended before may still hold something. */
export const openAccount = (state: Draft, { caveats, id, issuedAt }: Grant): void => {
  if (caveats.budget === undefined) return
  const reserved = lookup(state.accounts, id)?.reserved ?? none
  const account: Account = {
    id: grantAccount(id), limits: caveats.budget, perMillis: null, since: issuedAt, spent: none, reserved, origin: "grant"
  }
  state.accounts = HashMap.set(state.accounts, id, account)
}

/** What it spent is forgotten with it; what it holds is not. */
const closed = (account: Account): Account => ({ ...account, limits: none, perMillis: null, spent: none })

export const closeAccount = (state: Draft, grant: string): void => {
  if (HashMap.has(state.accounts, grant)) change(state, grantAccount(grant), 0, closed)
}

export const setBudget = (state: Draft, entry: BudgetSet): void => {
  const { at: now, limits, origin, perMillis, system } = entry
  if (limits === null) return change(state, systemAccount(system), now, closed)
  const before = lookup(state.budgets, system)
  const account = before === undefined ? undefined : at(before, now)
  const kept = account !== undefined && account.perMillis === perMillis
  state.budgets = HashMap.set(state.budgets, system, {
    id: systemAccount(system), limits, perMillis, origin,
    since: kept ? account.since : now,
    spent: account?.spent ?? none,
    reserved: account?.reserved ?? none
  })
}
