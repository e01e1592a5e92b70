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
const known = (state: Draft, { channel, floor, request, requestCursor }: RequestReference, verdict: Cursor): void => {
  if (floor > (lookup(state.floors, channel) ?? 0)) {
    state.floors = HashMap.set(state.floors, channel, floor)
    for (const before of HashMap.values(state.requests)) {
      if (before.channel === channel && before.cursor <= floor) state.requests = HashMap.remove(state.requests, before.request)
    }
  }
  state.requests = HashMap.set(state.requests, request, { request, cursor: requestCursor, channel, verdict })
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

const withoutLinks = (state: Draft): void => {
  state.edge = forgetLinks(state.edge, state.grants)
}

/** Artifacts that a result is, or names. */
const artifactsOf = ({ executor, labels, result, resultArtifact }: WarrantFinished): ReadonlyArray<string> =>
  // What took labels away says from what.
  labels === undefined || executor === declassify ? [] : [...(resultArtifact === null ? [] : [resultArtifact]), ...digestsIn(JSON.stringify(result ?? null))]

/** What is held for a call, as members of its warrant. */
const heldFor = ({ charged, reserved }: Pick<Warrant, "charged" | "reserved">): Pick<Warrant, "charged" | "reserved"> =>
  charged === undefined || reserved === undefined ? {} : { charged, reserved }

const hold = (state: Draft, { charged, reserved }: Pick<Warrant, "charged" | "reserved">, at: number): void => {
  if (charged !== undefined && reserved !== undefined) reserve(state, charged, reserved, at)
}

const apply = (state: Draft, entry: Entry, cursor: Cursor): void => {
  switch (entry.kind) {
    case "kernel.booted":
      dropFacets(state)
      withoutLinks(state)
      state.boot = entry.boot
      return
    case "policy.activated":
      state.policy = entry.version
      state.activated = activatedBy(entry)
      return
    case "kernel.frozen":
      state.frozen = { at: entry.at, by: entry.by, reason: entry.reason }
      return
    case "kernel.thawed":
      state.frozen = null
      return
    case "system.docked": {
      // What an operator or supervision decided of a system outlives its docking.
      const before = lookup(state.systems, entry.system)
      const keeps = before !== undefined && ["paused", "quarantined", "revoked"].includes(before.status)
      state.systems = HashMap.set(state.systems, entry.system, {
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
      return
    }
    case "system.undocked":
      state.systems = HashMap.remove(state.systems, entry.system)
      state.recent = HashMap.remove(state.recent, entry.system)
      return dropStandingOf(state, entry.system)
    case "system.changed":
      changeSystem(state, entry.system, { status: entry.status, reason: entry.reason })
      if (entry.status === "revoked" || entry.status === "quarantined") dropStandingOf(state, entry.system)
      return
    case "module.loaded":
      state.modules = HashMap.set(state.modules, entry.module, {
        id: entry.module, framework: entry.framework, file: entry.file, digest: entry.digest, origin: entry.origin,
        ...(entry.asks === undefined ? {} : { asks: entry.asks })
      })
      return
    case "module.unloaded":
      state.modules = HashMap.remove(state.modules, entry.module)
      return
    case "grant.issued":
      addGrant(state, entry.grant)
      state.edge = metLink(state.edge, entry.grant)
      return
    case "grants.ended":
      if (entry.by !== undefined) withhold(state, entry.grants)
      dropSubtrees(state, entry.grants)
      return withoutLinks(state)
    case "capability.decided":
      known(state, entry, cursor)
      if (entry.grant !== null && !HashMap.has(state.grants, entry.grant.id)) addGrant(state, entry.grant)
      return
    case "capability.revoked":
    case "request.refused":
    case "module.decided":
    case "lifecycle.decided":
      return known(state, entry, cursor)
    case "action.decided": {
      const { at, warrant } = entry
      known(state, entry, cursor)
      if (!isOpen(warrant)) return
      if (warrant.standing !== undefined) useStanding(state, warrant.standing)
      openWarrant(state, warrant)
      if (warrant.state !== "started") return
      started(state, warrant, at)
      return hold(state, warrant, at)
    }
    case "warrant.answered": {
      const warrant = lookup(state.warrants, entry.warrant)
      if (entry.outcome === "approved") changeWarrant(state, entry.warrant, { approvedBy: entry.by, ...endorsed(state, entry) })
      else if (warrant !== undefined) closeWarrant(state, warrant)
      return
    }
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
    case "warrant.expired": {
      const warrant = lookup(state.warrants, entry.warrant)
      if (warrant !== undefined) closeWarrant(state, warrant)
      return
    }
    case "warrant.started": {
      const warrant = lookup(state.warrants, entry.warrant)
      if (warrant === undefined) return
      changeWarrant(state, entry.warrant, { state: "started", attempt: entry.attempt, kernelEpoch: entry.kernelEpoch, ...heldFor(entry) })
      if (entry.attempt !== 1) return
      started(state, warrant, entry.at)
      return hold(state, entry, entry.at)
    }
    case "warrant.finished": {
      const warrant = lookup(state.warrants, entry.warrant)
      if (warrant === undefined) return
      const reserved = settle(state, warrant, entry.outcome === "unknown" ? undefined : (entry.spent ?? {}), entry.at)
      if (entry.outcome === "unknown") {
        return changeWarrant(state, entry.warrant, { state: "unknown", reason: entry.reason, ...(reserved === undefined ? {} : { reserved }) })
      }
      if (entry.labels !== undefined) labelArtifacts(state, artifactsOf(entry), entry.labels)
      return closeWarrant(state, warrant)
    }
    case "budget.set":
      return setBudget(state, entry)
    case "token.minted":
      state.tokens = HashMap.set(liveTokens(state.tokens, entry.at), entry.token.jti, entry.token)
      return
    case "token.revoked":
      state.tokens = HashMap.remove(state.tokens, entry.jti)
      return
    case "edge.keyed":
      state.edge = keyed(state.edge, entry)
      return
    case "key.enrolled":
      state.edge = enrolled(state.edge, entry, cursor)
      return
    case "key.revoked":
      state.edge = unenrolled(state.edge, entry.system)
      return
    case "checkpoints.started":
    case "rollback.accepted":
      state.auditKey = entry.key
      return
    case "artifacts.labelled":
      return labelArtifacts(state, entry.artifacts, entry.labels)
    case "labels.removed":
      return removeLabels(state, entry.target, entry.labels)
    case "module.approved":
    case "warrant.compensating":
    case "warrant.compensated":
    case "power.granted":
    case "clock.jumped":
    case "clock.confirmed":
    case "snapshot.taken":
      return
    default:
      entry satisfies never
  }
}

export const step = (state: AuthorityState, { cursor, hash, entry }: Placed): AuthorityState => {
  // One copy for everything that the entry changes: nobody else has it yet.
  const next = draftOf(state)
  apply(next, entry, cursor)
  next.cursor = cursor
  next.chain = hash
  if (entry.at > next.time) next.time = entry.at
  return next
}

export const fold: Fold<AuthorityState, Placed> = { version: foldVersion, initial, step }
