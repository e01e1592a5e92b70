// Budgets: what systems and grants may spend, what they have spent, and how to change that.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { budgetUnits, type BudgetUnit, type BudgetView, type Cost } from "../protocol/budget.ts"
import { type Called, show, spanOf } from "./called.ts"
import { UsageError } from "./failure.ts"
import { connect } from "./run-file.ts"
import { ago, plain, table } from "./terminal.ts"

export interface BudgetFlags extends Cost {
  readonly per?: string
}

const amount = (cost: Cost, unit: BudgetUnit): string => String(cost[unit] ?? 0)

const limited = ({ limits }: BudgetView): ReadonlyArray<BudgetUnit> => budgetUnits.filter((unit) => limits[unit] !== undefined)

const rows = (view: BudgetView): ReadonlyArray<ReadonlyArray<string>> =>
  limited(view).map((unit, at) => [
    at === 0 ? plain(view.account) : "", unit, amount(view.limits, unit), amount(view.spent, unit), amount(view.reserved, unit), amount(view.remaining, unit),
    amount(view.debt, unit), at > 0 ? "" : view.perMillis === null ? "for good" : `each ${ago(view.perMillis)}`
  ])

const header = ["ACCOUNT", "UNIT", "LIMIT", "SPENT", "RESERVED", "LEFT", "DEBT", "COUNTS"]

const told = (view: BudgetView): ReadonlyArray<string> => [
  ...table(header, rows(view)),
  ...(view.warrants.length === 0 ? [] : ["", "held for:", ...view.warrants.map((id) => `  ${plain(id)}`)])
]

export const list = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const budgets = yield* client.call("budgets")
  yield* show(called, budgets, () => (budgets.length === 0 ? ["nothing is limited; for example: aaax budget set '*' --tokens 100000 --per 1d"] : table(header, budgets.flatMap(rows))))
})

export const showOne = Effect.fnUntraced(function*(called: Called, account: string): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const view = yield* client.call("budget", { id: account })
  yield* show(called, view, () => told(view))
})

export const set = Effect.fnUntraced(function*(called: Called, system: string, { per, ...limits }: BudgetFlags): Effect.fn.Return<void, ClientError | UsageError> {
  const wrong = budgetUnits.find((unit) => (limits[unit] ?? 0) < 0)
  if (wrong !== undefined) return yield* new UsageError({ reason: `--${wrong} ${limits[wrong]}: a limit is 0 or more.` })
  if (per !== undefined) yield* spanOf("--per", per)
  if (per === undefined && Object.keys(limits).length === 0) {
    return yield* new UsageError({ reason: `Say what is limited: ${budgetUnits.map((unit) => `--${unit}`).join(", ")}. To end a budget: aaax budget clear GLOB.` })
  }
  const client = yield* connect(called.directory)
  const view = yield* client.call("setBudget", { id: system, payload: { ...limits, ...(per === undefined ? {} : { per }) } })
  yield* show(called, view, () => told(view))
})

export const clear = Effect.fnUntraced(function*(called: Called, system: string): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const done = yield* client.call("endBudget", { id: system })
  yield* show(called, done, () => [`the budget of ${plain(system)} is ended`])
})
