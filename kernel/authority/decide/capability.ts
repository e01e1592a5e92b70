// A request for a capability: a grant, or why not.
import { covers, grantSecondsDefault, grantSecondsMax, type Access, type CapabilityRequest, type Grant } from "../../../protocol/authority.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { grantsMax } from "../../limits.ts"
import { caveatsOf } from "../caveats.ts"
import { sameTrace, type RequestReference } from "../entry.ts"
import { heldBy, lookup, type AuthorityState } from "../state/state.ts"
import { grantsOf } from "../state/grants.ts"
import { isIssued } from "../state/systems.ts"
import { allows } from "../verify.ts"
import { askPolicy, besideRequest, saidBeside, type Asked } from "./ask.ts"
import { nothing, type Decision, type Rules } from "./decision.ts"
import { answered } from "./request.ts"

/** First grants are keyed by system, manifest and resource, so that a restart hands out the same one. */
export const firstGrantId = (system: SystemId, manifest: string, access: Access, resource: string): string =>
  `first:${manifest.slice(0, 16)}:${system}:${access}:${resource}`

/** The newest of what operators issued that covers the access and can be used now: who holds it may use it without asking. */
const issuedTo = (state: AuthorityState, system: SystemId, { access, resource }: CapabilityRequest, now: number): Grant | undefined =>
  heldBy(state, system).grants === 0 ? undefined : grantsOf(state, system)
    .filter((grant) => {
      const { expiresAt = Infinity, notBefore = 0, usesMax = Infinity } = grant.caveats
      return isIssued(grant.id) && grant.resource === resource && covers(grant.access, access) &&
        notBefore <= now && now < expiresAt && (lookup(state.grants, grant.id)?.uses ?? 0) < usesMax
    })
    // Of those of one moment, the one of the later entry: ids end with its cursor.
    .sort((a, b) => b.issuedAt - a.issuedAt || b.id.length - a.id.length || (a.id < b.id ? 1 : -1))[0]

export const decideCapability = (
  rules: Rules, reference: RequestReference, request: CapabilityRequest
): Decision<void> => (state, now) => {
  if (answered(state, reference) !== undefined) return nothing
  const { system } = reference
  let asked: Asked | undefined
  const decided = (outcome: "granted" | "denied", reason: string, rule: string, grant: Grant | null) => ({
    entries: [{
      // In the order of their names, as they are written: sorting them would cost as much as the decision.
      kind: "capability.decided" as const, access: request.access, at: now, channel: reference.channel, floor: reference.floor, grant, outcome, reason,
      request: reference.request, requestCursor: reference.requestCursor, resource: request.resource, rule, system,
      ...(asked === undefined ? {} : { asked: besideRequest(asked.question), ...saidBeside(asked, outcome), policy: asked.policy }), ...sameTrace(reference)
    }],
    answer: undefined
  })
  const record = lookup(state.systems, system)
  if (record?.status === "revoked" || record?.status === "quarantined") {
    return decided("denied", `${system} is ${record.status}`, "kernel", null)
  }
  const scope = request.scope ?? {}
  if (record?.withheld?.includes(request.resource) === true) {
    const issued = issuedTo(state, system, request, now)
    if (issued !== undefined) return decided("granted", "issued by an operator", "kernel", issued)
    return decided("denied", `an operator took ${request.resource} back, and can give it again`, "kernel", null)
  }
  const seconds = scope["ttl"] ?? grantSecondsDefault
  if (typeof seconds !== "number" || !(seconds > 0) || seconds > grantSecondsMax) {
    return decided("denied", `scope.ttl must be a number of seconds above 0 and at most ${grantSecondsMax}`, "kernel", null)
  }
  const caveats = request.caveats === undefined ? {} : caveatsOf(request.caveats)
  if (typeof caveats === "string") return decided("denied", caveats, "kernel", null)
  const declared = record !== undefined && record.configured && record.declares.includes(request.resource)
  asked = askPolicy(rules, state, {
    kind: "capability", system, resource: request.resource, access: request.access, context: request.context ?? {}, declared
  })
  const { verdict } = asked
  if (verdict.outcome !== "allow") {
    // Policy says what may be had for asking. What an operator issued is had already, and each action under it is asked of policy.
    const issued = request.caveats === undefined ? issuedTo(state, system, request, now) : undefined
    if (issued === undefined) return decided("denied", verdict.reason, verdict.rule, null)
    asked = undefined
    return decided("granted", "issued by an operator", "kernel", issued)
  }
  // What docking handed out already is handed out again, unless the request wants something narrower.
  if (record !== undefined && request.caveats === undefined && Object.keys(scope).length === 0) {
    const first = lookup(state.grants, firstGrantId(system, record.manifest, request.access, request.resource))
    if (first !== undefined && allows(state, { token: first.grant.id, holder: system, resource: request.resource, access: request.access, risk: "low", target: "" }, now)) {
      return decided("granted", verdict.reason ?? "", verdict.rule, first.grant)
    }
  }
  if (heldBy(state, system).grants >= grantsMax) {
    return decided("denied", `${system} holds ${grantsMax} grants, the most that one system may hold; let some expire`, "kernel", null)
  }
  const { ttl: _, ...labels } = scope
  return decided("granted", verdict.reason ?? "", verdict.rule, {
    access: request.access,
    caveats: request.caveats === undefined
      ? { expiresAt: now + Math.floor(seconds * 1000) }
      : { ...caveats, expiresAt: Math.min(caveats.expiresAt ?? Infinity, now + Math.floor(seconds * 1000)) },
    holder: system,
    id: `grant:${reference.request}`,
    issuedAt: now,
    origin: reference.request,
    parent: null,
    resource: request.resource,
    scope: labels
  })
}
