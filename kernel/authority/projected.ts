// What one entry of the journal becomes elsewhere: replies, lines of the registries, and what waits for a human. Pure; at
// most one draft for each channel.
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import { replyKinds, type Warrant } from "../../protocol/warrant.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { correlationOf, sameTrace, type Entry, type Traced } from "./entry.ts"

/** What is told, and where. */
export interface Projected {
  readonly channel: ChannelId
  readonly kind: string
  /** JSON of the kernel's own making. */
  readonly payload: Readonly<Record<string, unknown>>
  readonly recipient?: SystemId
  readonly correlationId?: string | null
  readonly subject?: string
  readonly traceparent?: string
  readonly labels?: ReadonlyArray<string>
}

const nothing: ReadonlyArray<Projected> = []

const reply = (entry: Entry & Traced & { readonly system: SystemId }, kind: string, payload: Projected["payload"]): Projected => ({
  channel: wellKnown.kernelReplies, kind, payload, recipient: entry.system, correlationId: correlationOf(entry), ...sameTrace(entry)
})

/** Of a capability that does not cover an action: more than a sentence, for code. Of one that is not there, there is no more to say. */
const toldRefusal = ({ refusal }: Warrant): Projected["payload"] => {
  if (refusal === undefined || refusal.code === "unknown") return {}
  const { reason: _, ...told } = refusal
  return { refusal: told }
}

const register = (channel: ChannelId, kind: string, payload: object): Projected => ({ channel, kind, payload: payload as Projected["payload"] })

const approval = (kind: string, subject: string, payload: Projected["payload"]): Projected => ({ channel: wellKnown.approvals, kind, subject, payload })

/** What one entry becomes elsewhere. `payload` is the final payload of the action that it is about. */
export const projected = (entry: Entry, payload: unknown): ReadonlyArray<Projected> => {
  switch (entry.kind) {
    case "capability.decided": {
      if (entry.grant === null) {
        return [reply(entry, replyKinds.refusedCapability, { resource: entry.resource, reason: entry.reason })]
      }
      const { caveats, id } = entry.grant
      const expires = caveats.expiresAt === undefined ? null : caveats.expiresAt / 1000
      const { access, facet, giver, holder } = entry.grant
      // Who gave it learns what became of it; who asked for its own has it.
      const more = giver === undefined ? {} : { holder, access, ...(facet === true ? { facet } : {}) }
      const granted = reply(entry, replyKinds.granted, { resource: entry.resource, token: id, expires, ...more })
      // One that was handed out before is in the registry already, as is one that was delegated.
      return entry.grant.origin === entry.request && entry.grant.parent === null ? [granted, register(wellKnown.capabilityRegistry, "grant", entry.grant)] : [granted]
    }
    case "request.refused":
      return [reply(entry, entry.reply, { request_id: entry.request, reason: entry.reason })]
    case "action.decided": {
      const { executor, id, reason, state, unavailable } = entry.warrant
      if (state === "denied") return [reply(entry, unavailable === true ? replyKinds.unavailable : replyKinds.denied, { request_id: id, reason, ...toldRefusal(entry.warrant) })]
      if (state === "started") return [reply(entry, replyKinds.approved, { request_id: id, executor, modified_payload: payload ?? null })]
      return [
        reply(entry, replyKinds.escalated, { request_id: id, reason, escalated_to: entry.escalatedTo }),
        approval("approval.waiting", id, { ...entry.warrant, payload: payload ?? null })
      ]
    }
    case "warrant.answered": {
      const answer = approval("approval.answered", entry.warrant, { id: entry.warrant, outcome: entry.outcome, by: entry.by, reason: entry.reason })
      return entry.outcome === "approved"
        ? [reply(entry, replyKinds.approved, { request_id: entry.warrant, executor: entry.executor, modified_payload: payload ?? null }), answer]
        : [reply(entry, replyKinds.denied, { request_id: entry.warrant, reason: entry.reason === "" ? `Denied by ${entry.by}` : entry.reason }), answer]
    }
    case "warrant.endorsed":
      return [approval("approval.endorsed", entry.warrant, { id: entry.warrant, by: entry.by, reason: entry.reason, digest: entry.digest, quorum: entry.quorum })]
    case "warrant.edited":
      return [approval("approval.edited", entry.warrant, {
        id: entry.warrant, by: entry.by, reason: entry.reason, from: entry.from, digest: entry.digest, payload: payload ?? null
      })]
    case "warrant.expired":
      return [
        reply(entry, replyKinds.expired, { request_id: entry.warrant, reason: "Nobody answered before it expired" }),
        approval("approval.expired", entry.warrant, { id: entry.warrant })
      ]
    case "warrant.finished": {
      const { executor, outcome, reason, result, resultArtifact, scope, warrant } = entry
      if (outcome === "succeeded") {
        const artifact = resultArtifact === null ? {} : { result_artifact: resultArtifact }
        return [reply(entry, replyKinds.completed, { request_id: warrant, executor, result: result ?? null, ...artifact })]
      }
      return [reply(entry, outcome === "failed" ? replyKinds.failed : replyKinds.unknown, {
        request_id: warrant, executor, reason, ...(scope === undefined ? {} : { scope })
      })]
    }
    case "warrant.compensated":
      return entry.outcome === "succeeded"
        ? [reply(entry, replyKinds.compensated, { request_id: entry.warrant, executor: entry.executor, compensation: entry.compensation })]
        : nothing
    case "module.decided":
      return [entry.outcome === "accepted"
        ? reply(entry, replyKinds.moduleAccepted, {
            module_id: entry.module, system_id: entry.module, granted_wiring: entry.wiring, granted_capabilities: entry.capabilities
          })
        : reply(entry, replyKinds.moduleRejected, { module_id: entry.module, reason: entry.reason })]
    case "lifecycle.decided":
      return [entry.outcome === "ok"
        ? reply(entry, replyKinds.lifecycleOk, { command: entry.command, system_id: entry.target })
        : reply(entry, replyKinds.lifecycleError, { command: entry.command, system_id: entry.target, reason: entry.reason })]
    case "capability.revoked":
      return [reply(entry, replyKinds.revokedCapability, { token: entry.grant, ended: entry.ended, interrupted: entry.underWay })]
    case "grant.issued": {
      const registered = register(wellKnown.capabilityRegistry, "grant", entry.grant)
      const { access, caveats, facet = false, giver, holder, id, offline, resource } = entry.grant
      // Who was given something is told of it; who came with a token knows.
      return giver === undefined || offline !== undefined ? [registered] : [registered, {
        channel: wellKnown.kernelReplies, kind: replyKinds.delegated, recipient: holder, correlationId: null,
        payload: { resource, access, token: id, from: giver, facet, expires: caveats.expiresAt === undefined ? null : caveats.expiresAt / 1000 }
      }]
    }
    case "grants.ended":
      return [register(wellKnown.capabilityRegistry, entry.reason === "expired" ? "expire" : "revoke", { grants: entry.grants, holder: entry.holder })]
    case "system.docked": {
      const { at: _, kind: __, ...record } = entry
      return [register(wellKnown.moduleRegistry, "dock", record)]
    }
    case "system.undocked":
      return [register(wellKnown.moduleRegistry, "undock", { system: entry.system, reason: entry.reason })]
    case "system.changed":
      return [register(wellKnown.moduleRegistry, "status", { system: entry.system, status: entry.status, reason: entry.reason })]
    case "policy.activated":
      return [register(wellKnown.policyStore, "policy", {
        version: entry.version, description: entry.description, origin: entry.origin ?? "config", by: entry.by ?? null, artifact: entry.artifact ?? null
      })]
    case "budget.set":
    case "warrant.compensating":
    case "artifacts.labelled":
    case "labels.removed":
    case "kernel.frozen":
    case "kernel.thawed":
    case "kernel.booted":
    case "power.granted":
    case "module.loaded":
    case "module.approved":
    case "module.unloaded":
    case "warrant.started":
    case "standing.granted":
    case "standing.revoked":
    case "token.minted":
    case "token.revoked":
    case "edge.keyed":
    case "key.enrolled":
    case "key.revoked":
    case "clock.jumped":
    case "clock.confirmed":
    case "checkpoints.started":
    case "rollback.accepted":
    case "snapshot.taken":
      return nothing
  }
}
