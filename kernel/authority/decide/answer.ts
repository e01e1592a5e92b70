// The answer of a human to an action that waits.
import type { SystemId } from "../../../protocol/names.ts"
import { sameTrace, type Entry } from "../entry.ts"
import { lookup } from "../state/state.ts"
import { allows } from "../verify.ts"
import type { Decision, Rules } from "./decision.ts"

export type Answered = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly denied: boolean }

export const no = (reason: string, denied = false): { readonly entries: []; readonly answer: Answered } => ({
  entries: [], answer: { ok: false, reason, denied }
})

export const decideAnswer = (
  rules: Rules, id: string, by: SystemId, outcome: "approved" | "refused", reason: string, digest?: string
): Decision<Answered> => (state, now) => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined) return no("it does not wait for an answer: it was decided, has expired, or never was")
  if (warrant.state !== "escalated") return no(`it does not wait for an answer: it is ${warrant.state}`)
  if (warrant.system === by) return no("the approver must not be the requester", true)
  if (digest !== undefined && digest !== warrant.digest) return no("the digest is not that of the action that waits")
  if (warrant.expiresAt !== null && now >= warrant.expiresAt) {
    return { entries: [{ kind: "warrant.expired", at: now, warrant: id, system: warrant.system, ...sameTrace(warrant) }], answer: { ok: false, reason: "it has expired", denied: false } }
  }
  const entry: Entry = {
    kind: "warrant.answered", at: now, warrant: id, system: warrant.system, executor: warrant.executor, outcome, by, reason, digest: warrant.digest,
    ...sameTrace(warrant)
  }
  if (outcome === "refused") return { entries: [entry], answer: { ok: true } }
  // Authority is looked at again when the effect is about to start, not only when it was asked for.
  const asked = { token: warrant.grant ?? "", holder: warrant.system, resource: warrant.executor, access: "execute", target: warrant.target, risk: warrant.risk } as const
  if (!allows(state, asked, now)) {
    return {
      entries: [{ ...entry, outcome: "refused", reason: "Invalid or expired capability token" }],
      answer: { ok: false, reason: "the requester's capability has ended meanwhile", denied: true }
    }
  }
  if (rules.executor(warrant.executor) === undefined) return no(`nobody serves ${warrant.executor} now`)
  return {
    entries: [entry, { kind: "warrant.started", at: now, warrant: id, attempt: 1, kernelEpoch: state.boot }],
    answer: { ok: true }
  }
}
