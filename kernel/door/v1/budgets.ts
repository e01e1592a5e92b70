// Budgets over HTTP, for the operator.
import * as Effect from "effect/Effect"
import { millisOf } from "../../../protocol/duration.ts"
import type { Kernel } from "../../kernel.ts"
import { operator } from "../operator.ts"
import type { Handlers } from "./handlers.ts"

export const budgetRows = ({ budgets }: Pick<Kernel, "budgets">): Pick<Handlers, "budgets" | "budget" | "setBudget" | "endBudget"> => ({
  budgets: () => Effect.sync(budgets.list),
  budget: ({ id }) => budgets.show(id),
  setBudget: ({ id, payload: { per, ...limits } }) => {
    const perMillis = per === undefined ? undefined : millisOf(per)
    return budgets.set(id, { limits, ...(perMillis === undefined ? {} : { perMillis }) }, operator)
  },
  endBudget: ({ id }) => Effect.as(budgets.end(id, operator), {})
})
