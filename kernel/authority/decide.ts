// Decisions: pure functions of state, command and time. They say which entries to append and what to answer; the
// journal keeps the entries in one batch and only then is anything published, answered or started.
import * as HashMap from "effect/HashMap"
import {
  grantSecondsDefault, grantSecondsMax, isRisk, type Access, type ActionRequest, type CapabilityRequest, type Grant, type Policy
} from "../../protocol/authority.ts"
import type { Executor } from "../../protocol/executor.ts"
import type { SystemStatus } from "../../protocol/lifecycle.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { Warrant } from "../../protocol/warrant.ts"
import { callRefusal, defaults, effectiveRisk } from "../executor/executor.ts"
import { approvalMillisDefault, expiriesAtOnceMax, grantsMax, warrantsOpenMax } from "../limits.ts"
import { sameTrace, type Entry, type RequestReference, type WarrantFinished } from "./entry.ts"
import { grantsOf, heldBy, lookup, subtree, type AuthorityState, type KnownRequest } from "./state.ts"
import { allows } from "./verify.ts"

/** A decision over the folded head. `now` is kernel time. */
export type Decision<A> = (state: AuthorityState, now: number) => { readonly entries: ReadonlyArray<Entry>; readonly answer: A }

/** Everything outside the state that decisions depend on; fixed while a kernel runs. */
export interface Rules {
  readonly policy: Policy
  /** sha-256 of the canonical JSON of a value, in hexadecimal. */
  readonly digestOf: (value: unknown) => string
  readonly executor: (name: string) => Executor | undefined
  readonly approvalMillis?: number
}

const nothing = { entries: [], answer: undefined } as const

/** The position of a request's verdict in the journal is what its service waits for. */
const answered = (state: AuthorityState, reference: RequestReference): KnownRequest | undefined =>
  lookup(state.requests, reference.request)

// --- requests -------------------------------------------------------------------------------------------------------

/** A request that claims another identity than the stamped one is refused; an equal claim is accepted. */
export const falseClaim = (claims: object, sender: SystemId): string | undefined => {
  for (const field of ["from", "system_id", "sender"] as const) {
    const claimed = (claims as Readonly<Record<string, unknown>>)[field]
    if (claimed !== undefined && claimed !== sender) {
      return `the payload says ${field} = ${JSON.stringify(claimed)?.slice(0, 200)}, but the sender is ${sender}; leave the field out, the kernel stamps it`
    }
  }
  return undefined
}

export const refuseRequest = (reference: RequestReference, reply: string, reason: string): Decision<void> => (state, now) =>
  answered(state, reference) === undefined
    ? { entries: [{ kind: "request.refused", at: now, ...reference, reply, reason }], answer: undefined }
    : nothing

/** First grants are keyed by system, manifest and resource, so that a restart hands out the same one. */
export const firstGrantId = (system: SystemId, manifest: string, access: Access, resource: string): string =>
  `first:${manifest.slice(0, 16)}:${system}:${access}:${resource}`

const firstGrantOrigin = "manifest:"

/** A first grant lives for the longest time and is renewed at docking when a day or less of it is left. */
const firstGrantRenewMillis = 24 * 3600 * 1000

export const decideCapability = (
  rules: Rules, reference: RequestReference, request: CapabilityRequest
): Decision<void> => (state, now) => {
  if (answered(state, reference) !== undefined) return nothing
  const { system } = reference
  const decided = (outcome: "granted" | "denied", reason: string, rule: string, grant: Grant | null) => ({
    entries: [{
      // In the order of their names, as they are written: sorting them would cost as much as the decision.
      kind: "capability.decided" as const, access: request.access, at: now, channel: reference.channel, floor: reference.floor, grant, outcome, reason,
      request: reference.request, requestCursor: reference.requestCursor, resource: request.resource, rule, system, ...sameTrace(reference)
    }],
    answer: undefined
  })
  const record = lookup(state.systems, system)
  if (record?.status === "revoked" || record?.status === "quarantined") {
    return decided("denied", `${system} is ${record.status}`, "kernel", null)
  }
  const scope = request.scope ?? {}
  const seconds = scope["ttl"] ?? grantSecondsDefault
  if (typeof seconds !== "number" || !(seconds > 0) || seconds > grantSecondsMax) {
    return decided("denied", `scope.ttl must be a number of seconds above 0 and at most ${grantSecondsMax}`, "kernel", null)
  }
  const declared = record !== undefined && record.configured && record.declares.includes(request.resource)
  const verdict = rules.policy.ask({
    kind: "capability", system, resource: request.resource, access: request.access, context: request.context ?? {}, declared
  })
  if (verdict.outcome !== "allow") return decided("denied", verdict.reason, verdict.rule, null)
  // What docking handed out already is handed out again, unless the request wants something narrower.
  if (record !== undefined && Object.keys(scope).length === 0) {
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
    caveats: { expiresAt: now + Math.floor(seconds * 1000) },
    holder: system,
    id: `grant:${reference.request}`,
    issuedAt: now,
    origin: reference.request,
    parent: null,
    resource: request.resource,
    scope: labels
  })
}

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

// --- answers to escalations -------------------------------------------------------------------------------------------

export type Answered = { readonly ok: true } | { readonly ok: false; readonly reason: string; readonly denied: boolean }

const no = (reason: string, denied = false): { readonly entries: []; readonly answer: Answered } => ({
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

// --- the life of a warrant ----------------------------------------------------------------------------------------------

export interface Finish {
  readonly outcome: "succeeded" | "failed" | "unknown"
  readonly reason: string
  readonly result: unknown
  readonly resultArtifact: string | null
}

/** The outcome of an attempt; one that is not the newest attempt of this boot says nothing. */
export const decideFinish = (id: string, attempt: number, finish: Finish): Decision<boolean> => (state, now) => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined || warrant.state !== "started" || warrant.attempt !== attempt) return { entries: [], answer: false }
  const entry: WarrantFinished = {
    kind: "warrant.finished", at: now, warrant: id, system: warrant.system, executor: warrant.executor, attempt, ...finish, reconciledBy: null,
    ...sameTrace(warrant)
  }
  return { entries: [entry], answer: true }
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
  const { attempt, executor, grant, risk, system, target } = warrant
  const asked = { token: grant ?? "", holder: system, resource: executor, access: "execute", target, risk, isCharged: true } as const
  if (!allows(state, asked, now)) {
    const reason = "the kernel ended while it was under way, and its capability has ended since"
    return happened === "no"
      ? decideFinish(id, attempt, { outcome: "failed", reason: `${reason}; it did not happen`, result: null, resultArtifact: null })(state, now)
      : decideFinish(id, attempt, { outcome: "unknown", reason, result: null, resultArtifact: null })(state, now)
  }
  return {
    entries: [{ kind: "warrant.started", at: now, warrant: id, attempt: attempt + 1, kernelEpoch: state.boot }],
    answer: true
  }
}

export const decideReconcile = (id: string, by: SystemId, outcome: "succeeded" | "failed", reason: string): Decision<Answered> => (state, now) => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined || warrant.state !== "unknown") return no("its outcome is not unknown")
  if (warrant.system === by) return no("the requester must not say what became of its own action", true)
  return {
    entries: [{
      kind: "warrant.finished", at: now, warrant: id, system: warrant.system, executor: warrant.executor, attempt: warrant.attempt, outcome, reason,
      result: null, resultArtifact: null, reconciledBy: by, ...sameTrace(warrant)
    }],
    answer: { ok: true }
  }
}

// --- time -------------------------------------------------------------------------------------------------------------

/** Escalations that expire to a refusal, and grants that are over: so many at once that one batch can hold them. */
export const decideExpiry: Decision<void> = (state, now) => {
  const entries: Array<Entry> = []
  for (const warrant of HashMap.values(state.warrants)) {
    if (entries.length >= expiriesAtOnceMax) break
    if (warrant.state === "escalated" && warrant.expiresAt !== null && now >= warrant.expiresAt) {
      entries.push({ kind: "warrant.expired", at: now, warrant: warrant.id, system: warrant.system, ...sameTrace(warrant) })
    }
  }
  const over = [...HashMap.values(state.grants)]
    .filter(({ grant }) => grant.caveats.expiresAt !== undefined && now >= grant.caveats.expiresAt)
    .slice(0, expiriesAtOnceMax)
    .map(({ grant }) => grant.id)
  if (over.length > 0) entries.push({ kind: "grants.ended", at: now, holder: null, grants: subtree(state, over), reason: "expired" })
  return { entries, answer: undefined }
}

/** When the next expiry is due, in kernel time. */
export const nextExpiry = (state: AuthorityState): number | undefined => {
  let next: number | undefined
  const consider = (at: number | null | undefined): void => {
    if (at !== null && at !== undefined && (next === undefined || at < next)) next = at
  }
  for (const warrant of HashMap.values(state.warrants)) if (warrant.state === "escalated") consider(warrant.expiresAt)
  for (const { grant } of HashMap.values(state.grants)) consider(grant.caveats.expiresAt)
  return next
}

// --- systems ------------------------------------------------------------------------------------------------------------

export interface Docking {
  readonly system: SystemId
  readonly manifest: string
  readonly framework: string
  readonly privileged: boolean
  readonly configured: boolean
  readonly reads: ReadonlyArray<string>
  readonly writes: ReadonlyArray<string>
  readonly takes: ReadonlyArray<string>
  readonly provides: ReadonlyArray<string>
  readonly executors: ReadonlyArray<string>
  readonly remoteChannels: ReadonlyArray<string>
  readonly powers: ReadonlyArray<string>
  readonly module: { readonly id: string; readonly file: string | null; readonly digest: string | null; readonly origin: "config" | "runtime" } | undefined
}

export interface DockAnswer {
  readonly status: SystemStatus
  readonly grants: ReadonlyArray<Grant>
}

/** Docks: the record, its powers, and its first grants as far as policy allows them. */
export const decideDock = (rules: Rules, docking: Docking): Decision<DockAnswer> => (state, now) => {
  const { powers, module, ...record } = docking
  const entries: Array<Entry> = [{ kind: "system.docked", at: now, ...record }]
  if (module !== undefined) {
    entries.push({ kind: "module.loaded", at: now, module: module.id, framework: docking.framework, file: module.file, digest: module.digest, origin: module.origin })
  }
  for (const root of powers) entries.push({ kind: "power.granted", at: now, system: docking.system, power: "read", root })
  const before = lookup(state.systems, docking.system)
  const status = before !== undefined && ["paused", "quarantined", "revoked"].includes(before.status) ? before.status : "docked"
  const grants: Array<Grant> = []
  const issued: Array<Entry> = []
  const wanted: ReadonlyArray<readonly [string, Access]> = [
    ...docking.executors.map((name) => [name, "execute"] as const),
    ...docking.remoteChannels.map((name) => [name, "read"] as const)
  ]
  for (const [resource, access] of status === "revoked" ? [] : wanted) {
    const id = firstGrantId(docking.system, docking.manifest, access, resource)
    const verdict = rules.policy.ask({
      kind: "capability", system: docking.system, resource, access, context: {}, declared: docking.configured
    })
    if (verdict.outcome !== "allow") continue
    const held = lookup(state.grants, id)?.grant
    if (held !== undefined && (held.caveats.expiresAt ?? Infinity) - now > firstGrantRenewMillis) {
      grants.push(held)
      continue
    }
    const grant: Grant = {
      access, caveats: { expiresAt: now + grantSecondsMax * 1000 }, holder: docking.system, id, issuedAt: now,
      origin: `${firstGrantOrigin}${docking.manifest}`, parent: null, resource, scope: { issued_by: "module_loader" }
    }
    issued.push({ kind: "grant.issued", at: now, grant })
    grants.push(grant)
  }
  // What an earlier manifest declared and this one does not, or policy allows no longer, is not kept for old times' sake.
  const kept = new Set(grants.map(({ id }) => id))
  const stale = grantsOf(state, docking.system).filter(({ id, origin }) => origin.startsWith(firstGrantOrigin) && !kept.has(id))
  if (stale.length > 0) {
    entries.push({ kind: "grants.ended", at: now, holder: docking.system, grants: subtree(state, stale.map(({ id }) => id)), reason: "revoked" })
  }
  entries.push(...issued)
  return { entries, answer: { status, grants } }
}

const ending = (state: AuthorityState, now: number, holder: SystemId, reason: "revoked" | "undocked"): ReadonlyArray<Entry> => {
  const own = [...HashMap.values(state.grants)].filter(({ grant }) => grant.holder === holder).map(({ grant }) => grant.id)
  return own.length === 0 ? [] : [{ kind: "grants.ended", at: now, holder, grants: subtree(state, own), reason }]
}

/** Undocks for good: its record and its grants are gone. */
export const decideUndock = (system: SystemId, module: string | undefined, reason: string): Decision<void> => (state, now) => {
  if (lookup(state.systems, system) === undefined) return nothing
  const entries: Array<Entry> = [...ending(state, now, system, "undocked"), { kind: "system.undocked", at: now, system, reason }]
  if (module !== undefined && lookup(state.modules, module) !== undefined) entries.push({ kind: "module.unloaded", at: now, module })
  return { entries, answer: undefined }
}

/**
 * Changes a system's status; revoking also ends its grants, and is final: only undocking and docking anew ends it.
 * Answers whether there is such a system.
 */
export const decideStatus = (system: SystemId, status: SystemStatus, reason: string): Decision<boolean> => (state, now) => {
  const record = lookup(state.systems, system)
  if (record === undefined) return { entries: [], answer: false }
  if (record.status === status || record.status === "revoked") return { entries: [], answer: true }
  const change: Entry = { kind: "system.changed", at: now, system, status, reason }
  return { entries: status === "revoked" ? [...ending(state, now, system, "revoked"), change] : [change], answer: true }
}

/** The answer to a request that was carried out by other entries or by docking. */
export const decideReply = (
  reference: RequestReference, make: (at: number) => Extract<Entry, { readonly kind: "module.decided" | "lifecycle.decided" }>
): Decision<void> => (state, now) => (answered(state, reference) === undefined ? { entries: [make(now)], answer: undefined } : nothing)
