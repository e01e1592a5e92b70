// Taking back what was done: a warrant of its own, for the same executor and target, that names the one it takes back.
import * as HashMap from "effect/HashMap"
import type { Executor } from "../../../protocol/executor.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { actionGate } from "../../../protocol/well-known.ts"
import { defaults } from "../../executor/executor.ts"
import { sameTrace, type Entry } from "../entry.ts"
import type { AuthorityState, Placed } from "../state/state.ts"
import { no, type Answered } from "./answer.ts"
import type { Decision, Rules } from "./decision.ts"
import { frozenReason } from "./freeze.ts"

/** A warrant with what became of it: what the fold keeps no longer, and the journal does. */
export interface Done {
  readonly warrant: Warrant
  readonly result: unknown
  readonly resultArtifact: string | null
  /** Undefined: its executor said nothing. */
  readonly undo: unknown
  /** Warrants that were to take it back, and what became of them; null: nothing was said of that. */
  readonly compensations: ReadonlyArray<{ readonly warrant: string; readonly outcome: "succeeded" | "failed" | "unknown" | null }>
}

/** What one more entry makes of it. */
const told = (done: Done | undefined, entry: Entry): Done | undefined => {
  if (entry.kind === "action.decided") return { warrant: entry.warrant, result: null, resultArtifact: null, undo: undefined, compensations: [] }
  if (done === undefined) return undefined
  switch (entry.kind) {
    case "warrant.edited":
      return { ...done, warrant: { ...done.warrant, digest: entry.digest, payloadArtifact: entry.payloadArtifact } }
    case "warrant.started":
      return { ...done, warrant: { ...done.warrant, state: "started", attempt: entry.attempt } }
    case "warrant.answered":
      return entry.outcome === "approved" ? done : { ...done, warrant: { ...done.warrant, state: "refused" } }
    case "warrant.expired":
      return { ...done, warrant: { ...done.warrant, state: "expired" } }
    case "warrant.finished":
      return { ...done, warrant: { ...done.warrant, state: entry.outcome }, result: entry.result, resultArtifact: entry.resultArtifact, undo: entry.undo }
    case "warrant.compensating":
      return { ...done, compensations: [...done.compensations, { warrant: entry.compensation, outcome: null }] }
    case "warrant.compensated":
      return {
        ...done,
        compensations: done.compensations.map((one) => (one.warrant === entry.compensation ? { ...one, outcome: entry.outcome } : one))
      }
    default:
      return done
  }
}

export const doneOf = (entries: ReadonlyArray<Placed>): Done | undefined =>
  entries.reduce<Done | undefined>((done, { entry }) => told(done, entry), undefined)

/** Why this cannot be taken back, or nothing. */
export const compensationRefusal = (state: AuthorityState, executor: Executor, { compensations, warrant }: Done): string | undefined => {
  if (warrant.compensates !== undefined) return "it took back another one itself; what it took back would have to be done again"
  if (compensations.some(({ outcome }) => outcome === "succeeded")) return "it was taken back before"
  if (warrant.state !== "succeeded") return `only what succeeded can be taken back; it is ${warrant.state}`
  if (executor.compensate === undefined) return `${executor.name} cannot take back what it did`
  for (const open of HashMap.values(state.warrants)) {
    if (open.compensates !== warrant.id) continue
    if (open.state !== "unknown") return `${open.id} is taking it back`
    if (executor.compensateRecovery !== "idempotent") return `nobody knows whether ${open.id} took it back; say so first: aaax gate reconcile ${open.id}`
  }
  return undefined
}

/** The final payload of a warrant that takes another one back. */
export const compensationPayload = (compensates: string): { readonly compensates: string } => ({ compensates })

/** What a warrant that took another one back says of that one. */
export const compensated = (
  { compensates, executor, id, ...warrant }: Warrant, outcome: "succeeded" | "failed" | "unknown", reason: string, at: number
): ReadonlyArray<Entry> =>
  compensates === undefined
    ? []
    : [{ kind: "warrant.compensated", at, warrant: compensates, system: warrant.requester ?? warrant.system, executor, compensation: id, outcome, reason, ...sameTrace(warrant) }]

/** The operator takes something back: no grant is needed, and no budget is drawn from. */
export const decideCompensate = (rules: Rules, done: Done | undefined, id: string, by: SystemId, reason: string): Decision<Answered> => (state, now) => {
  if (done === undefined) return no("there is no such warrant")
  if (state.frozen !== null) return no(frozenReason(state.frozen))
  const { warrant } = done
  const executor = rules.executor(warrant.executor)
  if (executor === undefined) return no(`nobody serves ${warrant.executor} now`)
  const refusal = compensationRefusal(state, executor, done)
  if (refusal !== undefined) return no(refusal)
  const { executor: name, requestCursor, risk, target } = warrant
  const action = `take back ${warrant.action}`.slice(0, 200)
  return {
    entries: [
      {
        kind: "action.decided", at: now, request: id, requestCursor, channel: actionGate, system: by, floor: 0, escalatedTo: null, ...sameTrace(warrant),
        warrant: {
          id, requestCursor, state: "started", system: by, action, executor: name, target, risk, recovery: executor.compensateRecovery ?? defaults.recovery,
          grant: null, digest: rules.digestOf({ action, executor: name, target, payload: compensationPayload(warrant.id) }), payloadArtifact: null,
          rule: "operator", reason, attempt: 1, kernelEpoch: state.boot, requestedAt: now, expiresAt: null, approvedBy: by, key: id, compensates: warrant.id,
          requester: warrant.system,
          ...sameTrace(warrant)
        }
      },
      { kind: "warrant.compensating", at: now, warrant: warrant.id, compensation: id, by }
    ],
    answer: { ok: true }
  }
}
