// Edit, then approve: a human puts other arguments in place of those that wait. They pass what the first ones passed (the
// executor's schema and check, the grant's caveats, policy), get a digest of their own, and wait for an approval of it.
import { riskMax } from "../../../protocol/authority.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { callRefusal, effectiveRisk, isExternal, recoveryFor } from "../../executor/executor.ts"
import { sameTrace } from "../entry.ts"
import { accountsOf } from "../state/budgets.ts"
import { startsSince } from "../state/starts.ts"
import { allows } from "../verify.ts"
import { no, waitingFor, type Answered } from "./answer.ts"
import { quorumOf } from "./approver.ts"
import { askPolicy } from "./ask.ts"
import { budgetFacts, declaredCost } from "./budget.ts"
import type { Decision, Rules } from "./decision.ts"

export type Edited = Answered & {
  /** What has to be kept as an artifact before the decision is made again. */
  readonly replacement?: { readonly digest: string; readonly payload: unknown }
}

export const decideEdit = (
  rules: Rules, id: string, by: SystemId, given: unknown, reason: string, digest?: string, kept: ReadonlySet<string> = new Set()
): Decision<Edited> => (state, now) => {
  const warrant = waitingFor(state, id, by, digest, now)
  if ("entries" in warrant) return warrant
  const { action, grant, system, target } = warrant
  const executor = rules.executor(warrant.executor)
  if (executor === undefined) return no(`nobody serves ${warrant.executor} now`)
  if (warrant.compensates !== undefined) return no("what takes another action back has no arguments of its own")
  // A human makes an action no less risky than it was when policy asked for one.
  const risk = riskMax(warrant.risk, effectiveRisk(executor, warrant.risk, { target, payload: given }))
  const asked = { token: grant ?? "", holder: system, resource: warrant.executor, access: "execute", action, target, risk, payload: given } as const
  if (!allows(state, asked, now)) return no("the requester's capability does not cover these arguments, or has ended", true)
  const costing = declaredCost(executor, { target, payload: given })
  if ("refusal" in costing) return no(costing.refusal, true)
  const { verdict } = askPolicy(rules, state, {
    kind: "action", system, action, executor: warrant.executor, target, payload: given, risk,
    recentActions: startsSince(state, system, now - 60_000), now,
    ...(warrant.labels === undefined ? {} : { labels: warrant.labels }),
    ...(isExternal(executor, { target, payload: given }) ? { external: true } : {}),
    ...(warrant.fence === undefined ? {} : { fenced: true }),
    ...(warrant.chain === undefined ? {} : { delegations: warrant.chain.length }),
    ...costing, ...budgetFacts(accountsOf(state, system, grant), now)
  })
  if (verdict.outcome === "deny") return no(`${verdict.rule}: ${verdict.reason}`, true)
  const payload = verdict.payload !== undefined ? verdict.payload : given
  // A rule may change what is done, and not what its grant is for.
  if (payload !== given && !allows(state, { ...asked, payload }, now)) return no("what a rule puts in its place is not covered by the requester's capability", true)
  const final = payload === given ? costing : declaredCost(executor, { target, payload })
  if ("refusal" in final) return no(final.refusal, true)
  const refusal = callRefusal(executor, { target, payload })
  if (refusal !== undefined) return no(`the executor does not take it: ${refusal}`, true)
  const next = rules.digestOf({ action, executor: warrant.executor, target, payload })
  if (next === warrant.digest) return no("these are the arguments that wait already")
  const artifact = rules.digestOf(payload)
  if (!kept.has(artifact)) return { entries: [], answer: { ok: true, replacement: { digest: artifact, payload } } }
  return {
    entries: [{
      kind: "warrant.edited", at: now, warrant: id, system, executor: warrant.executor, by, reason, from: warrant.digest, digest: next, payloadArtifact: artifact,
      risk: riskMax(risk, effectiveRisk(executor, warrant.risk, { target, payload })), recovery: recoveryFor(executor, { target, payload }),
      quorum: Math.max(warrant.quorum ?? 1, quorumOf(rules, risk).quorum ?? 1), rule: verdict.rule, verdict: verdict.reason ?? "", ...final,
      ...sameTrace(warrant)
    }],
    answer: { ok: true }
  }
}
