// A request for an action: a warrant, whatever becomes of it.
import { isRisk, type ActionRequest } from "../../../protocol/authority.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { callRefusal, defaults, effectiveRisk } from "../../executor/executor.ts"
import { approvalMillisDefault, warrantsOpenMax } from "../../limits.ts"
import { sameTrace, type RequestReference } from "../entry.ts"
import { heldBy, lookup } from "../state/state.ts"
import { allows } from "../verify.ts"
import type { Decision, Rules } from "./decision.ts"
import { answered } from "./request.ts"

/** The final payload of an allowed action is stored before its verdict: its digest names the artifact. */
export interface ActionAnswer {
  /** A payload that a rule put in place of the requester's, and that must be kept as an artifact first. */
  readonly replacement?: { readonly digest: string; readonly payload: unknown }
}

export const decideAction = (
  rules: Rules, reference: RequestReference, request: ActionRequest, kept: ReadonlySet<string> = new Set()
): Decision<ActionAnswer> => (state, now) => {
  if (answered(state, reference) !== undefined) return { entries: [], answer: {} }
  const { system } = reference
  const executor = rules.executor(request.executor)
  const requested = request.risk_level ?? "medium"
  const risk = effectiveRisk(executor, requested)
  const original = request.payload ?? null
  const decided = (
    outcome: Warrant["state"], rule: string, reason: string, payload: unknown, artifact: string | null, escalatedTo: string | null
  ): ReturnType<Decision<ActionAnswer>> => ({
    entries: [{
      kind: "action.decided",
      at: now,
      // One by one: spread, they would cost as much as the rest of the decision.
      request: reference.request,
      requestCursor: reference.requestCursor,
      channel: reference.channel,
      system,
      floor: reference.floor,
      escalatedTo,
      ...sameTrace(reference),
      warrant: {
        id: reference.request,
        requestCursor: reference.requestCursor,
        state: outcome,
        system,
        action: request.action,
        executor: request.executor,
        target: request.target,
        risk,
        recovery: executor?.recovery ?? defaults.recovery,
        grant: request.capability ?? null,
        digest: rules.digestOf({ action: request.action, executor: request.executor, target: request.target, payload }),
        payloadArtifact: artifact,
        rule,
        reason,
        attempt: outcome === "started" ? 1 : 0,
        kernelEpoch: outcome === "started" ? state.boot : 0,
        requestedAt: now,
        expiresAt: outcome === "escalated" ? now + (rules.approvalMillis ?? approvalMillisDefault) : null,
        approvedBy: null,
        ...sameTrace(reference)
      }
    }],
    answer: {}
  })
  const deny = (rule: string, reason: string): ReturnType<Decision<ActionAnswer>> =>
    decided("denied", rule, reason, original, null, null)

  const record = lookup(state.systems, system)
  if (record?.status === "revoked" || record?.status === "quarantined") return deny("kernel", `${system} is ${record.status}`)
  if (request.capability === undefined || request.capability === null || request.capability === "") {
    return deny("capability", "Missing execute capability token")
  }
  const asked = { token: request.capability, holder: system, resource: request.executor, access: "execute", target: request.target, risk } as const
  if (!allows(state, asked, now)) return deny("capability", "Invalid or expired capability token")
  if (executor === undefined) return deny("kernel", `Unknown executor: ${request.executor}`)
  if (heldBy(state, system).warrants >= warrantsOpenMax) {
    return deny("kernel", `${system} has ${warrantsOpenMax} open actions, the most that one system may have; let some end`)
  }

  const recent = lookup(state.recent, system) ?? []
  const verdict = rules.policy.ask({
    kind: "action",
    system,
    action: request.action,
    executor: request.executor,
    target: request.target,
    payload: original,
    risk: isRisk(requested) ? risk : requested,
    recentActions: recent.filter((time) => time > now - 60_000).length,
    now
  })
  if (verdict.outcome === "deny") return deny(verdict.rule, verdict.reason)
  // Also of an escalated one: what a rule put in place is what a human approves.
  const replaced = verdict.payload !== undefined
  const payload = replaced ? verdict.payload : original
  const refusal = callRefusal(executor, { target: request.target, payload })
  if (refusal !== undefined) return deny("executor", refusal)
  const artifact = replaced ? rules.digestOf(payload) : null
  if (artifact !== null && !kept.has(artifact)) return { entries: [], answer: { replacement: { digest: artifact, payload } } }
  if (verdict.outcome === "escalate") return decided("escalated", verdict.rule, verdict.reason, payload, artifact, verdict.to)
  return decided("started", verdict.rule, verdict.reason ?? "", payload, artifact, null)
}
