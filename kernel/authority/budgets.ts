// Budgets as an operator sees and sets them.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import type { BudgetView, Limits } from "../../protocol/budget.ts"
import { BudgetNotFound, InvalidPayload, Overloaded } from "../../protocol/errors.ts"
import { globLengthMax } from "../../protocol/glob.ts"
import { nearest, type SystemId } from "../../protocol/names.ts"
import { budgetsMax, budgetWarrantsMax } from "../limits.ts"
import { decideBudget } from "./decide/budget.ts"
import type { Journal } from "./journal.ts"
import { at, standing, systemAccount, type Account } from "./state/budgets.ts"
import { lookup, type AuthorityState } from "./state/state.ts"

export interface BudgetChange {
  /** Of the units that are named; the others stay as they are. */
  readonly limits: Limits
  /** Length of a period; null: what is spent counts for good. Absent: as it is. */
  readonly perMillis?: number | null
}

export interface Budgets {
  /** Accounts that limit something, by name. */
  readonly list: () => ReadonlyArray<BudgetView>
  /** By the name of an account, or by the glob of the systems that it is for. */
  readonly show: (account: string) => Effect.Effect<BudgetView, BudgetNotFound>
  readonly set: (system: string, change: BudgetChange, by: SystemId) => Effect.Effect<BudgetView, InvalidPayload | Overloaded>
  readonly end: (system: string, by: SystemId) => Effect.Effect<void, BudgetNotFound>
}

const isLive = ({ limits }: Account): boolean => Object.keys(limits).length > 0

const viewOf = (state: AuthorityState, account: Account): BudgetView => {
  const { id, limits, origin, perMillis, reserved, since, spent } = account
  const warrants = [...HashMap.values(state.warrants)].filter(({ charged }) => charged?.includes(id) === true)
    .sort((a, b) => b.requestedAt - a.requestedAt).slice(0, budgetWarrantsMax)
  return { account: id, limits, perMillis, since, spent, reserved, ...standing(account), origin, warrants: warrants.map(({ id: warrant }) => warrant) }
}

/** `system:GLOB` or a glob alone. */
const globOf = (name: string): string => (name.startsWith("system:") ? name.slice("system:".length) : name)

export const make = (journal: Journal, now: () => number): Budgets => {
  const all = (state: AuthorityState): ReadonlyArray<Account> =>
    [...HashMap.values(state.budgets), ...HashMap.values(state.accounts)].filter(isLive).map((account) => at(account, now()))
  const find = (state: AuthorityState, name: string): Account | undefined => {
    const account = name.startsWith("grant:") ? lookup(state.accounts, name.slice("grant:".length)) : lookup(state.budgets, globOf(name))
    return account === undefined || !isLive(account) ? undefined : at(account, now())
  }
  const missing = (name: string): BudgetNotFound => {
    const near = nearest(name.includes(":") ? name : systemAccount(name), all(journal.state()).map(({ id }) => id))
    return new BudgetNotFound({ budget: name, ...(near === undefined ? {} : { nearest: near }) })
  }
  const shown = (name: string): BudgetView | undefined => {
    const state = journal.state()
    const account = find(state, name)
    return account === undefined ? undefined : viewOf(state, account)
  }
  return {
    list: () => {
      const state = journal.state()
      return all(state).map((account) => viewOf(state, account)).sort((a, b) => (a.account < b.account ? -1 : 1))
    },
    show: (name) => Effect.suspend(() => {
      const view = shown(name)
      return view === undefined ? Effect.fail(missing(name)) : Effect.succeed(view)
    }),
    set: Effect.fnUntraced(function*(name, { limits, perMillis }, by) {
      if (name.startsWith("grant:")) {
        return yield* new InvalidPayload({ what: "budget", path: "account", reason: "the budget of a grant is a caveat of it: delegate a narrower one, or issue another" })
      }
      const system = globOf(name)
      if (system === "" || system.length > globLengthMax) {
        return yield* new InvalidPayload({ what: "budget", path: "system", reason: `must be a glob over systems of 1 to ${globLengthMax} characters, such as * or project` })
      }
      const { answer } = yield* journal.submit(decideBudget(system, { limits, ...(perMillis === undefined ? {} : { perMillis }) }, by))
      if (answer === "full") return yield* new Overloaded({ what: "Budgets of systems", limit: budgetsMax, unit: "budgets", retryAfterMillis: 60_000 })
      const view = shown(system)
      if (view === undefined || answer === "nothing") {
        return yield* new InvalidPayload({ what: "budget", path: "limits", reason: "it limits nothing: name a unit (tokens, microdollars, millis, actions, concurrency) and its limit" })
      }
      return view
    }),
    end: (name, by) =>
      Effect.flatMap(journal.submit(decideBudget(globOf(name), null, by)), ({ answer }) =>
        answer === "none" ? Effect.fail(missing(name)) : Effect.void)
  }
}
