// One step of the fold: what an entry makes of the state.
import * as HashMap from "effect/HashMap"
import { digestsIn } from "../../channel/labels.ts"
import type { Fold } from "../../../protocol/fold.ts"
import type { Cursor } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import type { Entry, PolicyActivated, RequestReference, WarrantAnswered, WarrantEndorsed, WarrantFinished } from "../entry.ts"
import { enrolled, forgetLinks, keyed, metLink, unenrolled } from "./edge.ts"
import { reserve, setBudget, settle } from "./budgets.ts"
import { declassify, labelArtifacts, removeLabels } from "./labels.ts"
import { addGrant, dropFacets, dropSubtrees } from "./grants.ts"
import { draftOf, initial, lookup, type AuthorityState, type Draft, type Placed } from "./state.ts"
import { dropStanding, dropStandingOf, giveStanding, useStanding } from "./standing.ts"
import { changeSystem, withhold } from "./systems.ts"
import { changeWarrant, closeWarrant, isOpen, openWarrant, started } from "./warrants.ts"

export const foldVersion = 1

/** Remembers that a request has its verdict, and forgets those that its channel has settled meanwhile. */
const known = (state: AuthorityState, reference: RequestReference, verdict: Cursor): AuthorityState => {
  let { floors, requests } = state
  if (reference.floor > (lookup(floors, reference.channel) ?? 0)) {
    floors = HashMap.set(floors, reference.channel, reference.floor)
    for (const request of HashMap.values(state.requests)) {
      if (request.channel === reference.channel && request.cursor <= reference.floor) {
        requests = HashMap.remove(requests, request.request)
      }
    }
  }
  requests = HashMap.set(requests, reference.request, {
    request: reference.request,
    cursor: reference.requestCursor,
    channel: reference.channel,
    verdict
  })
  const next = draftOf(state)
  next.floors = floors
  next.requests = requests
  return next
}

/** What outlives a restart: the config says the rest itself. */
const activatedBy = ({ artifact, at, by, origin, reason, version }: PolicyActivated): AuthorityState["activated"] =>
  origin === "operator" && typeof artifact === "string" ? { version, artifact, at, by: by ?? "", reason: reason ?? "" } : null

/** The approvals of a warrant with one more. */
const endorsed = (state: AuthorityState, { at, by, warrant }: WarrantAnswered | WarrantEndorsed): { readonly approvals: Warrant["approvals"] & {} } => ({
  approvals: [...(lookup(state.warrants, warrant)?.approvals ?? []), { by, at }]
})

/** Expired ones go when the next is minted. */
const liveTokens = (tokens: AuthorityState["tokens"], now: number): AuthorityState["tokens"] =>
  HashMap.filter(tokens, ({ expiresAt }) => expiresAt > now)

const withoutLinks = (state: AuthorityState): AuthorityState => {
  const edge = forgetLinks(state.edge, state.grants)
  return edge === state.edge ? state : { ...state, edge }
}

/** Artifacts that a result is, or names. */
const artifactsOf = ({ executor, labels, result, resultArtifact }: WarrantFinished): ReadonlyArray<string> =>
  // What took labels away says from what.
  labels === undefined || executor === declassify ? [] : [...(resultArtifact === null ? [] : [resultArtifact]), ...digestsIn(JSON.stringify(result ?? null))]

/** What is held for a call, as members of its warrant. */
const heldFor = ({ charged, reserved }: Pick<Warrant, "charged" | "reserved">): Pick<Warrant, "charged" | "reserved"> =>
  charged === undefined || reserved === undefined ? {} : { charged, reserved }

const held = (state: AuthorityState, { charged, reserved }: Pick<Warrant, "charged" | "reserved">, at: number): AuthorityState =>
  charged === undefined || reserved === undefined ? state : reserve(state, charged, reserved, at)

const apply = (state: AuthorityState, entry: Entry, cursor: Cursor): AuthorityState => {
  switch (entry.kind) {
    case "kernel.booted":
      return { ...withoutLinks(dropFacets(state)), boot: entry.boot }
    case "policy.activated":
      return { ...state, policy: entry.version, activated: activatedBy(entry) }
    case "kernel.frozen":
      return { ...state, frozen: { at: entry.at, by: entry.by, reason: entry.reason } }
    case "kernel.thawed":
      return { ...state, frozen: null }
    case "system.docked": {
      // What an operator or supervision decided of a system outlives its docking.
      const before = lookup(state.systems, entry.system)
      const keeps = before !== undefined && ["paused", "quarantined", "revoked"].includes(before.status)
      return {
        ...state,
        systems: HashMap.set(state.systems, entry.system, {
          id: entry.system,
          manifest: entry.manifest,
          framework: entry.framework,
          privileged: entry.privileged,
          ...(entry.bearer === undefined ? {} : { bearer: entry.bearer }),
          configured: entry.configured,
          status: keeps ? before.status : "docked",
          reason: keeps ? before.reason : "",
          declares: [...entry.executors, ...entry.remoteChannels],
          ...(before?.withheld === undefined ? {} : { withheld: before.withheld })
        })
      }
    }
    case "system.undocked":
      return dropStandingOf({ ...state, systems: HashMap.remove(state.systems, entry.system), recent: HashMap.remove(state.recent, entry.system) }, entry.system)
    case "system.changed": {
      const changed = changeSystem(state, entry.system, { status: entry.status, reason: entry.reason })
      return entry.status === "revoked" || entry.status === "quarantined" ? dropStandingOf(changed, entry.system) : changed
    }
    case "module.loaded":
      return { ...state, modules: HashMap.set(state.modules, entry.module, {
        id: entry.module, framework: entry.framework, file: entry.file, digest: entry.digest, origin: entry.origin,
        ...(entry.asks === undefined ? {} : { asks: entry.asks })
      }) }
    case "module.approved":
      return state
    case "module.unloaded":
      return { ...state, modules: HashMap.remove(state.modules, entry.module) }
    case "grant.issued":
      return { ...addGrant(state, entry.grant), edge: metLink(state.edge, entry.grant) }
    case "grants.ended":
      return withoutLinks(dropSubtrees(entry.by === undefined ? state : withhold(state, entry.grants), entry.grants))
    case "capability.decided": {
      const next = known(state, entry, cursor)
      return entry.grant !== null && !HashMap.has(state.grants, entry.grant.id) ? addGrant(next, entry.grant) : next
    }
    case "capability.revoked":
    case "request.refused":
    case "module.decided":
    case "lifecycle.decided":
      return known(state, entry, cursor)
    case "action.decided": {
      const next = known(state, entry, cursor)
      if (!isOpen(entry.warrant)) return next
      const opened = openWarrant(entry.warrant.standing === undefined ? next : useStanding(next, entry.warrant.standing), entry.warrant)
      return entry.warrant.state === "started" ? held(started(opened, entry.warrant, entry.at), entry.warrant, entry.at) : opened
    }
    case "warrant.answered":
      return entry.outcome === "approved"
        ? changeWarrant(state, entry.warrant, { approvedBy: entry.by, ...endorsed(state, entry) })
        : closeWarrant(state, entry.warrant)
    case "warrant.endorsed":
      return changeWarrant(state, entry.warrant, endorsed(state, entry))
    case "warrant.edited":
      // Whoever approved before approved something else.
      return changeWarrant(state, entry.warrant, {
        digest: entry.digest, payloadArtifact: entry.payloadArtifact, rule: entry.rule, reason: entry.verdict, editedBy: entry.by, approvals: [],
        risk: entry.risk, recovery: entry.recovery, ...(entry.cost === undefined ? {} : { cost: entry.cost }), ...(entry.quorum > 1 ? { quorum: entry.quorum } : {})
      })
    case "standing.granted":
      return giveStanding(state, entry.standing)
    case "standing.revoked":
      return dropStanding(state, entry.standing)
    case "warrant.expired":
      return closeWarrant(state, entry.warrant)
    case "warrant.started": {
      const warrant = lookup(state.warrants, entry.warrant)
      if (warrant === undefined) return state
      const next = changeWarrant(state, entry.warrant, { state: "started", attempt: entry.attempt, kernelEpoch: entry.kernelEpoch, ...heldFor(entry) })
      return entry.attempt === 1 ? held(started(next, warrant, entry.at), entry, entry.at) : next
    }
    case "warrant.finished": {
      const warrant = lookup(state.warrants, entry.warrant)
      if (warrant === undefined) return state
      const settled = settle(state, warrant, entry.outcome === "unknown" ? undefined : (entry.spent ?? {}), entry.at)
      return entry.outcome === "unknown"
        ? changeWarrant(settled.state, entry.warrant, {
            state: "unknown", reason: entry.reason, ...(settled.reserved === undefined ? {} : { reserved: settled.reserved })
          })
        : closeWarrant(labelArtifacts(settled.state, artifactsOf(entry), entry.labels ?? []), entry.warrant)
    }
    case "budget.set":
      return setBudget(state, entry)
    case "token.minted":
      return { ...state, tokens: HashMap.set(liveTokens(state.tokens, entry.at), entry.token.jti, entry.token) }
    case "token.revoked":
      return { ...state, tokens: HashMap.remove(state.tokens, entry.jti) }
    case "edge.keyed":
      return { ...state, edge: keyed(state.edge, entry) }
    case "key.enrolled":
      return { ...state, edge: enrolled(state.edge, entry, cursor) }
    case "key.revoked":
      return { ...state, edge: unenrolled(state.edge, entry.system) }
    case "checkpoints.started":
    case "rollback.accepted":
      return { ...state, auditKey: entry.key }
    case "artifacts.labelled":
      return labelArtifacts(state, entry.artifacts, entry.labels)
    case "labels.removed":
      return removeLabels(state, entry.target, entry.labels)
    case "warrant.compensating":
    case "warrant.compensated":
    case "power.granted":
    case "clock.jumped":
    case "clock.confirmed":
    case "snapshot.taken":
      return state
  }
}

export const step = (state: AuthorityState, { cursor, hash, entry }: Placed): AuthorityState => {
  const applied: Draft = apply(state, entry, cursor)
  const time = Math.max(state.time, entry.at)
  // Unless nothing changed, it was made just now, and nobody else has it.
  const next = applied === state ? draftOf(state) : applied
  next.cursor = cursor
  next.chain = hash
  next.time = time
  return next
}

export const fold: Fold<AuthorityState, Placed> = { version: foldVersion, initial, step }
