// Entries of `aaax.journal`: every decision of the kernel, as data. The kind is the event's kind, the rest its payload.
// `at` is kernel time in Unix milliseconds; the fold uses it and no other time. The correlation is the request or
// warrant that the entry is about, so that closed ones are found by the index.
//
// History of the layout: 1 (0.1.0) first.
import type { Standing } from "../../protocol/approval.ts"
import type { Asks } from "../../protocol/asks.ts"
import type { Access, Decision, Grant, Risk } from "../../protocol/authority.ts"
import type { Cost, Limits } from "../../protocol/budget.ts"
import type { ScopeRefusal } from "../../protocol/coordination.ts"
import type { Event } from "../../protocol/event.ts"
import type { SystemStatus } from "../../protocol/lifecycle.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import type { EnrolmentView } from "../../protocol/act.ts"
import type { Isolation } from "../../protocol/tier.ts"
import type { TokenView } from "../../protocol/token.ts"
import { subjectLengthMax } from "../limits.ts"
import type { Recovery, Warrant } from "../../protocol/warrant.ts"

/** What is carried from a request to everything that it leads to: the trace that it belongs to, and where it comes from. */
export interface Traced {
  readonly traceparent?: string
  /** Labels, sorted; absent: none. */
  readonly labels?: ReadonlyArray<string>
}

const untraced: Traced = {}

/** The same again, as members of another record. */
export const sameTrace = ({ labels, traceparent }: Traced): Traced =>
  traceparent === undefined && labels === undefined
    ? untraced
    : { ...(traceparent === undefined ? {} : { traceparent }), ...(labels === undefined ? {} : { labels }) }

/** Which request an entry answers. Its channel's settled floor tells when the fold may forget it. */
export interface RequestReference extends Traced {
  readonly request: string
  readonly requestCursor: Cursor
  readonly channel: ChannelId
  readonly system: SystemId
  /** Every request of the channel up to here is settled. */
  readonly floor: Cursor
}

export interface Booted { readonly kind: "kernel.booted"; readonly at: number; readonly boot: number; readonly kernel: string; readonly version: string }
export interface SystemDocked {
  readonly kind: "system.docked"
  readonly at: number
  readonly system: SystemId
  readonly manifest: string
  readonly framework: string
  readonly privileged: boolean
  readonly bearer?: true
  readonly configured: boolean
  readonly reads: ReadonlyArray<ChannelId>
  readonly writes: ReadonlyArray<ChannelId>
  readonly takes: ReadonlyArray<ChannelId>
  readonly provides: ReadonlyArray<ChannelId>
  readonly executors: ReadonlyArray<string>
  readonly remoteChannels: ReadonlyArray<string>
}
export interface SystemUndocked { readonly kind: "system.undocked"; readonly at: number; readonly system: SystemId; readonly reason: string }
export interface SystemChanged {
  readonly kind: "system.changed"
  readonly at: number
  readonly system: SystemId
  readonly status: SystemStatus
  readonly reason: string
}
export interface PowerGranted {
  readonly kind: "power.granted"
  readonly at: number
  readonly system: SystemId
  readonly power: "read"
  readonly root: string
}
export interface ModuleLoaded {
  readonly kind: "module.loaded"
  readonly at: number
  readonly module: string
  readonly framework: string
  readonly file: string | null
  readonly digest: string | null
  readonly origin: "config" | "runtime"
  /** Where its code runs and whose it is; absent: in this process, as it was before there were tiers. */
  readonly isolation?: Isolation
  /** What it was approved to ask for. */
  readonly asks?: Asks
}
/** Somebody approved that it asks for more than before, or is another file. */
export interface ModuleApproved {
  readonly kind: "module.approved"
  readonly at: number
  readonly module: string
  readonly digest: string | null
  readonly needs: ReadonlyArray<string>
  readonly by: SystemId
}
export interface ModuleUnloaded { readonly kind: "module.unloaded"; readonly at: number; readonly module: string }
export interface PolicyActivated {
  readonly kind: "policy.activated"
  readonly at: number
  readonly version: string
  readonly description: string
  /** Who put it in force: the config at a start, or somebody at run time. Absent in the first journals: the config. */
  readonly origin?: "config" | "operator"
  readonly by?: SystemId
  readonly reason?: string
  /** Digest of the artifact that holds it, as far as it is data; null for rules that are code. */
  readonly artifact?: string | null
  /** It was in force before, and was put in force again. */
  readonly reverted?: boolean
}
/** Nothing new starts until it is thawed. */
export interface Frozen { readonly kind: "kernel.frozen"; readonly at: number; readonly by: SystemId; readonly reason: string }
export interface Thawed { readonly kind: "kernel.thawed"; readonly at: number; readonly by: SystemId; readonly reason: string }
export interface GrantIssued { readonly kind: "grant.issued"; readonly at: number; readonly grant: Grant }
export interface GrantsEnded {
  readonly kind: "grants.ended"
  readonly at: number
  readonly holder: SystemId | null
  /** With each of them falls everything below it. */
  readonly grants: ReadonlyArray<string>
  readonly reason: "revoked" | "expired" | "undocked"
  /** How many ended, those below included. Absent in the first journals, which name them all. */
  readonly ended?: number
  /** Actions that were started under them before: what had happened already, or had begun. */
  readonly uses?: number
  /** Those that were under way and are interrupted: the newest ones, `underWayNamedMax` at most; each says itself what became of it. */
  readonly underWay?: ReadonlyArray<string>
  /** An operator took them back: their holders do not get others by asking. */
  readonly by?: "operator"
}
export interface CapabilityDecided extends RequestReference {
  readonly kind: "capability.decided"
  readonly at: number
  readonly resource: string
  readonly access: Access
  readonly outcome: "granted" | "denied"
  readonly reason: string
  readonly rule: string
  /** What policy was asked beside the request itself, and the version that answered; absent when it was not asked. */
  readonly asked?: Readonly<Record<string, unknown>>
  /** What it answered, when that is not what came of it. */
  readonly said?: Decision["outcome"]
  readonly policy?: string
  /** The grant that answers: a new one, or the one that was handed out first. */
  readonly grant: Grant | null
}
/** A grant was given up, or taken back by who delegated it: the request, and what fell with it. */
export interface CapabilityRevoked extends RequestReference {
  readonly kind: "capability.revoked"
  readonly at: number
  readonly grant: string
  readonly ended: number
  readonly underWay: number
}
/** A request that could not be understood, or that claimed another identity. */
export interface RequestRefused extends RequestReference {
  readonly kind: "request.refused"
  readonly at: number
  readonly reply: string
  readonly reason: string
}
export interface ActionDecided extends RequestReference {
  readonly kind: "action.decided"
  readonly at: number
  readonly warrant: Warrant
  readonly escalatedTo: string | null
  /** What policy was asked beside what the warrant and the request say; absent when it was not asked. */
  readonly asked?: Readonly<Record<string, unknown>>
  /** What it answered, when that is not what came of it. */
  readonly said?: Decision["outcome"]
}
export interface WarrantAnswered extends Traced {
  readonly kind: "warrant.answered"
  readonly at: number
  readonly warrant: string
  readonly system: SystemId
  readonly executor: string
  readonly outcome: "approved" | "refused"
  readonly by: SystemId
  readonly reason: string
  readonly digest: string
}
/** One approval of several that a warrant needs. */
export interface WarrantEndorsed extends Traced {
  readonly kind: "warrant.endorsed"
  readonly at: number
  readonly warrant: string
  readonly system: SystemId
  readonly executor: string
  readonly by: SystemId
  readonly reason: string
  readonly digest: string
  readonly quorum: number
}
/** A human put other arguments in place of those that wait; what was approved before counts no longer. */
export interface WarrantEdited extends Traced {
  readonly kind: "warrant.edited"
  readonly at: number
  readonly warrant: string
  readonly system: SystemId
  readonly executor: string
  readonly by: SystemId
  readonly reason: string
  /** Digest before, and now. */
  readonly from: string
  readonly digest: string
  readonly payloadArtifact: string
  /** Never less than before. */
  readonly risk: Risk
  readonly recovery: Recovery
  readonly quorum: number
  readonly rule: string
  readonly verdict: string
  /** What the executor declares that these arguments cost at most; absent: it declares nothing. */
  readonly cost?: Cost
}
export interface StandingGranted { readonly kind: "standing.granted"; readonly at: number; readonly warrant: string; readonly standing: Standing }
export interface StandingRevoked { readonly kind: "standing.revoked"; readonly at: number; readonly standing: string; readonly by: SystemId }
export interface WarrantExpired extends Traced { readonly kind: "warrant.expired"; readonly at: number; readonly warrant: string; readonly system: SystemId }
/** Licenses exactly one call. */
export interface WarrantStarted {
  readonly kind: "warrant.started"
  readonly at: number
  readonly warrant: string
  readonly attempt: number
  readonly kernelEpoch: number
  /** Of the first attempt: what is held for it, and at which accounts. */
  readonly reserved?: Cost
  readonly charged?: ReadonlyArray<string>
}
export interface WarrantFinished extends Traced {
  readonly kind: "warrant.finished"
  readonly at: number
  readonly warrant: string
  readonly system: SystemId
  readonly executor: string
  readonly attempt: number
  readonly outcome: "succeeded" | "failed" | "unknown"
  readonly reason: string
  readonly result: unknown
  /** Set when the result was too large for an entry. */
  readonly resultArtifact: string | null
  /** Set when somebody said what became of an unknown one. */
  readonly reconciledBy: SystemId | null
  /** What it cost; absent: nobody counts it, or nobody knows. */
  readonly spent?: Cost
  /** By how much that is more than what was held for it: debt, where it is beyond a limit. */
  readonly overrun?: Cost
  /** Labels of what it gave: those of its warrant and of its executor; absent: none. */
  readonly labels?: ReadonlyArray<string>
  /** What its executor needs to take it back; the requester is not told. */
  readonly undo?: unknown
  /** Set when files were left as they were because of a claim. */
  readonly scope?: ScopeRefusal
}
/** An account of the systems that a glob names. */
export interface BudgetSet {
  readonly kind: "budget.set"
  readonly at: number
  readonly by: SystemId
  readonly system: string
  /** Null: it is ended. */
  readonly limits: Limits | null
  readonly perMillis: number | null
  readonly origin: "config" | "operator"
}
/** Another warrant is to take back the effect of this one. */
export interface WarrantCompensating {
  readonly kind: "warrant.compensating"
  readonly at: number
  readonly warrant: string
  readonly compensation: string
  readonly by: SystemId
}
/** What became of that. */
export interface WarrantCompensated extends Traced {
  readonly kind: "warrant.compensated"
  readonly at: number
  readonly warrant: string
  readonly system: SystemId
  readonly executor: string
  readonly compensation: string
  readonly outcome: "succeeded" | "failed" | "unknown"
  readonly reason: string
}
/** A labelled event names these artifacts. */
export interface ArtifactsLabelled {
  readonly kind: "artifacts.labelled"
  readonly at: number
  readonly artifacts: ReadonlyArray<string>
  readonly labels: ReadonlyArray<string>
}
/** A human took labels from an artifact (`artifact:DIGEST`), or from what follows from an event (`event:ID`). */
export interface LabelsRemoved {
  readonly kind: "labels.removed"
  readonly at: number
  readonly warrant: string
  readonly target: string
  readonly labels: ReadonlyArray<string>
  readonly by: SystemId | null
}
export interface ModuleDecided extends RequestReference {
  readonly kind: "module.decided"
  readonly at: number
  readonly module: string
  readonly outcome: "accepted" | "rejected"
  readonly reason: string
  readonly wiring: ReadonlyArray<ChannelId>
  readonly capabilities: ReadonlyArray<string>
}
export interface LifecycleDecided extends RequestReference {
  readonly kind: "lifecycle.decided"
  readonly at: number
  readonly command: string
  readonly target: SystemId
  readonly outcome: "ok" | "error"
  readonly reason: string
}
export interface TokenMinted { readonly kind: "token.minted"; readonly at: number; readonly token: TokenView }
export interface TokenRevoked { readonly kind: "token.revoked"; readonly at: number; readonly jti: string; readonly name: SystemId }
/** The kernel's name at the edge, and the key that signs there from now on. */
export interface EdgeKeyed {
  readonly kind: "edge.keyed"
  readonly at: number
  readonly audience: string
  readonly generation: number
  readonly kid: string
  readonly x: string
}
/** The key of a system outside; its position is its epoch. */
export interface KeyEnrolled { readonly kind: "key.enrolled"; readonly at: number; readonly enrolment: Omit<EnrolmentView, "epoch" | "enrolledAt"> }
export interface KeyRevoked { readonly kind: "key.revoked"; readonly at: number; readonly system: SystemId; readonly kid: string }
export interface ClockChanged { readonly kind: "clock.jumped" | "clock.confirmed"; readonly at: number; readonly millis: number }
/** From here on checkpoints of the journal are kept outside the store, signed with this key. */
export interface CheckpointsStarted { readonly kind: "checkpoints.started"; readonly at: number; readonly key: string }
/** The operator took the journal as it is, although it did not agree with its checkpoints. */
export interface RollbackAccepted {
  readonly kind: "rollback.accepted"
  readonly at: number
  readonly reason: string
  /** What was found. */
  readonly found: string
  /** The newest checkpoint that was given up, as it was signed; null when there was none. */
  readonly checkpoint: string | null
  readonly key: string
}
export interface SnapshotTaken {
  readonly kind: "snapshot.taken"
  readonly at: number
  readonly name: string
  readonly cursor: Cursor
  readonly foldVersion: number
  readonly sha256: string
}

export type Entry =
  | Booted | SystemDocked | SystemUndocked | SystemChanged | PowerGranted | ModuleLoaded | ModuleApproved | ModuleUnloaded | PolicyActivated | Frozen | Thawed
  | GrantIssued | GrantsEnded | CapabilityDecided | CapabilityRevoked | RequestRefused | ActionDecided | WarrantAnswered | WarrantExpired
  | WarrantEndorsed | WarrantEdited | StandingGranted | StandingRevoked
  | WarrantCompensating | WarrantCompensated | BudgetSet | ArtifactsLabelled | LabelsRemoved
  | WarrantStarted | WarrantFinished | ModuleDecided | LifecycleDecided | TokenMinted | TokenRevoked | EdgeKeyed | KeyEnrolled | KeyRevoked | ClockChanged | CheckpointsStarted | RollbackAccepted | SnapshotTaken

/** What every policy that was put in force is about, so that they are found by the index. */
export const policySubject = "aaax.policy"

/** What an entry is about, for the index; null for what concerns no request. */
export const correlationOf = (entry: Entry): string | null => {
  switch (entry.kind) {
    case "capability.decided":
    case "capability.revoked":
    case "request.refused":
    case "action.decided":
    case "module.decided":
    case "lifecycle.decided":
      return entry.request
    case "warrant.answered":
    case "warrant.endorsed":
    case "warrant.edited":
    case "standing.granted":
    case "warrant.expired":
    case "warrant.started":
    case "warrant.finished":
    case "warrant.compensating":
    case "warrant.compensated":
    case "labels.removed":
      return entry.warrant
    case "policy.activated":
      return policySubject
    case "budget.set":
    case "artifacts.labelled":
    case "kernel.frozen":
    case "kernel.thawed":
    case "kernel.booted":
    case "system.docked":
    case "system.undocked":
    case "system.changed":
    case "power.granted":
    case "module.loaded":
    case "module.approved":
    case "module.unloaded":
    case "grant.issued":
    case "grants.ended":
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
      return null
  }
}

/** What an action was asked on, for the index: so that it is found who touched it. */
export const subjectOf = (entry: Entry): string | undefined =>
  entry.kind === "action.decided" && entry.warrant.target !== "" && entry.warrant.target.length <= subjectLengthMax ? entry.warrant.target : undefined

/** The payload of an entry: everything but its kind. */
export const payloadOf = (entry: Entry): Readonly<Record<string, unknown>> => {
  const { kind: _, ...payload } = entry
  return payload
}

/** The entry of a journal event. Sound because the kernel is the only writer of the journal, and its hashes are checked. */
export const entryOf = (event: Event): Entry => ({ kind: event.kind, ...(event.payload as object) }) as Entry
