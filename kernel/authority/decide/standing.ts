// Standing approvals: "allow this for ten minutes". Given with the approval of one action, for more of the same shape; they
// answer what a rule would ask a human, and lift no denial.
import * as HashMap from "effect/HashMap"
import type { Standing, StandingTerms } from "../../../protocol/approval.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { matchesGlob } from "../../../protocol/glob.ts"
import { standingMax, standingMillisMax } from "../../limits.ts"
import { isLive, standingFor, type Shape } from "../state/standing.ts"
import { lookup, type AuthorityState } from "../state/state.ts"
import type { Decision, Rules } from "./decision.ts"

/** What a human confirms, made of the action that is approved. A sentence when these terms cannot be. */
export const standingOf = (warrant: Warrant, terms: StandingTerms, by: SystemId, now: number): Standing | string => {
  const { millis, target, uses } = terms
  if (millis > standingMillisMax) return `a standing approval lasts at most ${standingMillisMax / 3_600_000} hours`
  const isExact = target === undefined || target === warrant.target
  if (!isExact && !matchesGlob(target, warrant.target)) return `${target} does not match the target of the action that is approved`
  const labels = warrant.labels ?? []
  return {
    id: `standing:${warrant.id}`, system: warrant.system, executor: warrant.executor, action: warrant.action, target: target ?? warrant.target, isExact,
    // Who names no target allows this action and no other: a program's target says little of what it does.
    ...(target === undefined ? { digest: warrant.digest } : {}),
    riskMax: warrant.risk, ...(labels.length === 0 ? {} : { labels }), usesMax: uses ?? null, uses: 0, at: now, expiresAt: now + millis, by
  }
}

export const shapeOf = (warrant: Warrant): Shape => {
  const { action, digest, executor, risk, system, target } = warrant
  return { action, executor, risk, system, target, labels: warrant.labels ?? [], digest: () => digest }
}

/** Why no more standing approvals may be given, or nothing. */
export const standingRefusal = (rules: Rules, state: AuthorityState, warrant: Warrant, now: number): string | undefined => {
  if ((rules.quorum?.[warrant.risk] ?? 1) > 1) return `${warrant.risk} actions need ${rules.quorum?.[warrant.risk]} approvers each time`
  if (rules.executor(warrant.executor)?.gated === true || warrant.compensates !== undefined) return `${warrant.executor} waits for a human each time`
  let live = 0
  for (const standing of HashMap.values(state.standing)) if (isLive(standing, now)) live++
  return live >= standingMax ? `${standingMax} standing approvals are in force, the most there can be` : undefined
}

/** The standing approval that answers an action now, in words. A risk that takes several approvers has none. */
export const standingAnswer = (
  rules: Rules, state: AuthorityState, shape: Shape, now: number
): { readonly id: string; readonly reason: string } | undefined => {
  if (HashMap.size(state.standing) === 0 || (rules.quorum?.[shape.risk] ?? 1) > 1) return undefined
  const standing = standingFor(state, shape, now)
  return standing === undefined
    ? undefined
    : { id: standing.id, reason: `${standing.by} allowed ${standing.digest === undefined ? "" : "exactly this "}${standing.executor} on ${standing.target} until ${new Date(standing.expiresAt).toISOString()}` }
}

/** Answers what was taken back; nothing when there was none. */
export const decideStandingRevoke = (id: string, by: SystemId): Decision<Standing | undefined> => (state, now) => {
  const standing = lookup(state.standing, id)
  return standing === undefined
    ? { entries: [], answer: undefined }
    : { entries: [{ kind: "standing.revoked", at: now, standing: id, by }], answer: standing }
}
