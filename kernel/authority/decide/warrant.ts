// The life of a warrant that was started: its outcome, a second attempt after a crash, and what somebody found out.
import type { ScopeRefusal } from "../../../protocol/coordination.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { sameTrace, type WarrantFinished } from "../entry.ts"
import { lookup, type AuthorityState } from "../state/state.ts"
import { allows } from "../verify.ts"
import { no, type Answered } from "./answer.ts"
import { approverRefusal } from "./approver.ts"
import { settlementOf } from "./budget.ts"
import { compensated } from "./compensate.ts"
import type { Decision } from "./decision.ts"

export interface Finish {
  readonly outcome: "succeeded" | "failed" | "unknown"
  readonly reason: string
  readonly result: unknown
  readonly resultArtifact: string | null
  /** What the executor says that it cost, unchecked; and how long the call took. */
  readonly spent?: unknown
  readonly millis?: number
  /** It never came to a call, or it is known that nothing happened: what was declared is not spent. */
  readonly isFree?: boolean
  readonly labels?: ReadonlyArray<string>
  readonly undo?: unknown
  /** Of a failed one: the claim, or the lack of one, for which files were left as they were. */
  readonly scope?: ScopeRefusal
}

/** The outcome of an attempt; one that is not the newest attempt of this boot says nothing. */
export const decideFinish = (id: string, attempt: number, finish: Finish): Decision<boolean> => (state, now) => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined || warrant.state !== "started" || warrant.attempt !== attempt) return { entries: [], answer: false }
  const { isFree: _, labels, millis: __, outcome, reason, result, resultArtifact, scope, spent: ___, undo } = finish
  const isLabelled = outcome === "succeeded" && (warrant.labels !== undefined || (labels !== undefined && labels.length > 0))
  const carried = isLabelled ? [...new Set([...(warrant.labels ?? []), ...(labels ?? [])])].sort() : []
  const entry: WarrantFinished = {
    // In the order of the canonical text, which is written faster so.
    kind: "warrant.finished", at: now, attempt, executor: warrant.executor, outcome, reason, reconciledBy: null, result, resultArtifact,
    system: warrant.system, warrant: id,
    ...settlementOf(warrant, finish),
    ...(undo === undefined ? {} : { undo }),
    ...(scope === undefined ? {} : { scope }),
    ...sameTrace(warrant),
    // What it gave comes from where it was asked for, and from where the executor got it.
    ...(carried.length === 0 ? {} : { labels: carried })
  }
  return { entries: warrant.compensates === undefined ? [entry] : [entry, ...compensated(warrant, outcome, reason, now)], answer: true }
}

/**
 * Starts once more what its executor declared harmless to repeat (`happened: "perhaps"`), or was found not to have
 * happened (`"no"`). When its authority has ended meanwhile it is not started again.
 */
export const decideRestart = (id: string, happened: "no" | "perhaps"): Decision<boolean> => (state, now) => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined || warrant.state !== "started" || warrant.kernelEpoch === state.boot || warrant.recovery === "none") {
    return { entries: [], answer: false }
  }
  // It stays as it is until the kernel is thawed, and is looked at again then.
  if (state.frozen !== null) return { entries: [], answer: false }
  const { action, attempt, executor, grant, risk, system, target } = warrant
  // What the operator takes back needs no grant.
  const isOperators = warrant.compensates !== undefined && grant === null
  const asked = { token: grant ?? "", holder: system, resource: executor, access: "execute", action, target, risk, isBound: true, isCharged: true } as const
  if (!isOperators && !allows(state, asked, now)) {
    const reason = "the kernel ended while it was under way, and its capability has ended since"
    return happened === "no"
      ? decideFinish(id, attempt, { outcome: "failed", reason: `${reason}; it did not happen`, result: null, resultArtifact: null, isFree: true })(state, now)
      : decideFinish(id, attempt, { outcome: "unknown", reason, result: null, resultArtifact: null })(state, now)
  }
  return {
    entries: [{ kind: "warrant.started", at: now, warrant: id, attempt: attempt + 1, kernelEpoch: state.boot }],
    answer: true
  }
}

/** It was started by an earlier boot, and waits for its executor to come back: nobody knows more of it than of an unknown one. */
export const isLost = (state: AuthorityState, warrant: Warrant, isServed: (executor: string) => boolean): boolean =>
  warrant.state === "started" && warrant.kernelEpoch !== state.boot && !isServed(warrant.executor)

/** `isServed`: whether there is an executor of this name; absent: there is. */
export const decideReconcile = (
  id: string, by: SystemId, outcome: "succeeded" | "failed", reason: string, isServed: (executor: string) => boolean = () => true
): Decision<Answered> => (state, now) => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined || (warrant.state !== "unknown" && !isLost(state, warrant, isServed))) return no("its outcome is not unknown")
  // The operator took it back, and says what became of that.
  const isOperators = warrant.compensates !== undefined && warrant.grant === null
  if (!isOperators && approverRefusal(state, warrant, by) !== undefined) {
    return no("neither the requester nor whoever it got its authority from may say what became of its action", true)
  }
  return {
    entries: [{
      kind: "warrant.finished", at: now, warrant: id, system: warrant.system, executor: warrant.executor, attempt: warrant.attempt, outcome, reason,
      result: null, resultArtifact: null, reconciledBy: by, ...settlementOf(warrant, { outcome, isFree: outcome === "failed" }),
      ...sameTrace(warrant)
    }, ...compensated(warrant, outcome, reason, now)],
    answer: { ok: true }
  }
}
