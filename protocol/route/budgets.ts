// Routes of budgets: what may be spent, and what was.
import * as Schema from "effect/Schema"
import { BudgetSpec, BudgetView } from "../budget.ts"
import { Done, None, row } from "./row.ts"

export const budgetRoutes = {
  budgets: row({ method: "GET", path: "/v1/budgets", group: "budgets", says: "Accounts of systems and grants, with what is spent and left.", query: None, payload: None, success: Schema.Array(BudgetView) }),
  budget: row({ method: "GET", path: "/v1/budgets/:id", group: "budgets", says: "One account: system:GLOB, grant:ID, or a glob alone.", query: None, payload: None, success: BudgetView }),
  setBudget: row({
    method: "PUT", path: "/v1/budgets/:id", group: "budgets", query: None, payload: BudgetSpec, success: BudgetView,
    says: "Sets limits of the systems that a glob names. Units that are not given stay as they are, and so does the period."
  }),
  endBudget: row({ method: "DELETE", path: "/v1/budgets/:id", group: "budgets", says: "Ends the account of a glob: nothing limits these systems any more.", query: None, payload: None, success: Done })
} as const
