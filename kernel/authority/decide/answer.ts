// The answer of a human to an action that waits: yes, no, or one yes of several.
import type { StandingTerms } from "../../../protocol/approval.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { sameTrace, type Entry } from "../entry.ts"
import { accountsOf } from "../state/budgets.ts"
import { lookup, type AuthorityState } from "../state/state.ts"
import { allows } from "../verify.ts"
import { deniedNow, isOfAnother } from "./again.ts"
import { approverRefusal } from "./approver.ts"
import { reservation } from "./budget.ts"
import type { Decision, Rules } from "./decision.ts"
import { standingOf, standingRefusal } from "./standing.ts"

export type Answered = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly denied: boolean }

export const no = (reason: string, denied = false): { readonly entries: []; readonly answer: Answered } => ({
  entries: [], answer: { ok: false, reason, denied }
})

/** The action that waits for an answer, or why there is none. */
export const waitingFor = (
  state: AuthorityState, id: string, by: SystemId, digest: string | undefined, now: number
): Warrant | ReturnType<Decision<Answered>> => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined) return no("it does not wait for an answer: it was decided, has expired, or never was")
  if (warrant.state !== "escalated") return no(`it does not wait for an answer: it is ${warrant.state}`)
  const refusal = approverRefusal(state, warrant, by)
  if (refusal !== undefined) return no(refusal, true)
  if (digest !== undefined && digest !== warrant.digest) return no("the digest is not that of the action that waits")
  if (warrant.expiresAt !== null && now >= warrant.expiresAt) {
    return { entries: [{ kind: "warrant.expired", at: now, warrant: id, system: warrant.system, ...sameTrace(warrant) }], answer: { ok: false, reason: "it has expired", denied: false } }
  }
  return warrant
}

/**
 * `digest`: what was shown; an answer to anything else is none. `terms`: allow more of the same for a while. `toAsk`:
 * what policy is asked about again, when another one is in force than the one that asked a human.
 */
export const decideAnswer = (
  rules: Rules, id: string, by: SystemId, outcome: "approved" | "refused", reason: string, digest?: string, terms?: StandingTerms, toAsk?: { readonly payload: unknown }
): Decision<Answered> => (state, now) => {
  const warrant = waitingFor(state, id, by, digest, now)
  if ("entries" in warrant) return warrant
  const entry: Entry = {
    kind: "warrant.answered", at: now, warrant: id, system: warrant.system, executor: warrant.executor, outcome, by, reason, digest: warrant.digest,
    ...sameTrace(warrant)
  }
  // One no is enough, however many would say yes.
  if (outcome === "refused") return { entries: [entry], answer: { ok: true } }
  if (state.frozen !== null) return no(`nothing starts while the kernel is frozen by ${state.frozen.by}`)
  // Authority is looked at again when the effect is about to start, not only when it was asked for.
  const { action, executor, grant, risk, system, target } = warrant
  const asked = { token: grant ?? "", holder: system, resource: executor, access: "execute", action, target, risk, isBound: true } as const
  if (!allows(state, asked, now)) {
    return {
      entries: [{ ...entry, outcome: "refused", reason: "Invalid or expired capability token" }],
      answer: { ok: false, reason: "the requester's capability has ended meanwhile", denied: true }
    }
  }
  const served = rules.executor(executor)
  if (served === undefined) return no(`nobody serves ${executor} now`)
  if (isOfAnother(rules, state, warrant)) {
    if (toAsk === undefined) return no("the policy has changed meanwhile; answer again")
    const denied = deniedNow(rules, state, warrant, served, toAsk.payload, now)
    if (denied !== undefined) {
      return {
        entries: [{ ...entry, outcome: "refused", reason: `The policy in force now denies it: ${denied}` }],
        answer: { ok: false, reason: `the policy in force now denies it: ${denied}`, denied: true }
      }
    }
  }
  const held = reservation(accountsOf(state, warrant.system, warrant.grant), warrant.cost, served, now)
  if ("refusal" in held) return no(held.refusal)
  const before = warrant.approvals ?? []
  if (before.some((approval) => approval.by === by)) return no(`${by} has approved it already; it needs ${warrant.quorum ?? 1} different approvers`)
  if (terms !== undefined) {
    const refusal = standingRefusal(rules, state, warrant, now)
    if (refusal !== undefined) return no(refusal, true)
  }
  // The config may ask for more than it did when the action was parked.
  const quorum = Math.max(warrant.quorum ?? 1, rules.quorum?.[warrant.risk] ?? 1)
  if (before.length + 1 < quorum) {
    return {
      entries: [{
        kind: "warrant.endorsed", at: now, warrant: id, system: warrant.system, executor: warrant.executor, by, reason, digest: warrant.digest, quorum,
        ...sameTrace(warrant)
      }],
      answer: { ok: true }
    }
  }
  const entries: Array<Entry> = [entry, { kind: "warrant.started", at: now, warrant: id, attempt: 1, kernelEpoch: state.boot, ...held }]
  if (terms !== undefined) {
    const standing = standingOf(warrant, terms, by, now)
    if (typeof standing === "string") return no(standing)
    entries.push({ kind: "standing.granted", at: now, warrant: id, standing })
  }
  return { entries, answer: { ok: true } }
}
