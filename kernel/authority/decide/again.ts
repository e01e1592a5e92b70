// Policy asked once more about an action that waits: another one may be in force when a human says yes.
import type { Executor } from "../../../protocol/executor.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { isExternal } from "../../executor/executor.ts"
import { accountsOf } from "../state/budgets.ts"
import { startsSince } from "../state/starts.ts"
import type { AuthorityState } from "../state/state.ts"
import { askPolicy, policyIn } from "./ask.ts"
import { budgetFacts, declaredCost } from "./budget.ts"
import type { Rules } from "./decision.ts"

/** The policy that asked a human is not the one in force now. */
export const isOfAnother = (rules: Rules, state: AuthorityState, { policy }: Warrant): boolean =>
  policy !== undefined && policy !== policyIn(rules, state).version

/** Why the policy in force denies it; undefined when it does not. That it would ask a human is answered by the human. */
export const deniedNow = (
  rules: Rules, state: AuthorityState, warrant: Warrant, executor: Executor, payload: unknown, now: number
): string | undefined => {
  const { action, chain, compensates, fence, grant, labels, risk, system, target } = warrant
  const costing = compensates === undefined ? declaredCost(executor, { target, payload }) : {}
  const { verdict } = askPolicy(rules, state, {
    kind: "action", system, action, executor: warrant.executor, target, payload, risk,
    recentActions: startsSince(state, system, now - 60_000), now,
    ...(labels === undefined ? {} : { labels }),
    ...(compensates === undefined ? {} : { compensates }),
    ...(isExternal(executor, { target, payload }) ? { external: true } : {}),
    ...(fence === undefined ? {} : { fenced: true }),
    ...(chain === undefined ? {} : { delegations: chain.length }),
    ...("refusal" in costing ? {} : costing),
    ...budgetFacts(accountsOf(state, system, grant), now)
  })
  return verdict.outcome === "deny" ? `${verdict.rule}: ${verdict.reason}` : undefined
}
