// A warrant: one action from request to receipt. This file says its states and what goes out about it.
import * as Schema from "effect/Schema"
import { Fence, GrantRefusal, Risk } from "./authority.ts"
import { Cost } from "./budget.ts"
import { SystemId } from "./names.ts"

/**
 * What may be done with a started call after a crash: run it again with the same key, ask the target whether it
 * happened, or neither. With `none` the warrant stays unknown until somebody reconciles it.
 */
export const Recovery = Schema.Literals(["idempotent", "queryable", "none"])
export type Recovery = typeof Recovery.Type

/**
 * requested -> denied | escalated -> (refused | expired) | authorized -> started -> succeeded | failed | unknown;
 * succeeded -> compensated.
 */
export const WarrantState = Schema.Literals([
  "denied",
  "escalated",
  "refused",
  "expired",
  "started",
  "succeeded",
  "failed",
  "unknown",
  "compensated"
])
export type WarrantState = typeof WarrantState.Type

/** What the fold keeps of an open warrant, and what `aaax gate show` prints. */
export const Warrant = Schema.Struct({
  /** The id of the request event: one request, one warrant. */
  id: Schema.String,
  /** Its cursor in `aaax.action-gate`. */
  requestCursor: Schema.Int,
  state: WarrantState,
  system: SystemId,
  action: Schema.String,
  executor: Schema.String,
  target: Schema.String,
  /** Effective risk. */
  risk: Risk,
  recovery: Recovery,
  grant: Schema.NullOr(Schema.String),
  /** The grants above `grant`, nearest first: it ends with each of them. Absent: there is none. */
  chain: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Of a denied one: why its grant does not cover it. */
  refusal: Schema.optionalKey(GrantRefusal),
  /** sha-256 over the canonical JSON (RFC 8785) of executor, action, target and final payload. */
  digest: Schema.String,
  /** Set when a rule replaced the payload: the artifact that holds it. */
  payloadArtifact: Schema.NullOr(Schema.String),
  rule: Schema.String,
  reason: Schema.String,
  /** 0 before the first call. */
  attempt: Schema.Int,
  /** The boot that started the newest attempt. */
  kernelEpoch: Schema.Int,
  requestedAt: Schema.Int,
  /** For an escalated one: when it expires to a refusal. */
  expiresAt: Schema.NullOr(Schema.Int),
  approvedBy: Schema.NullOr(Schema.String),
  /** Approvers that it needs; absent: one. */
  quorum: Schema.optionalKey(Schema.Int),
  /** Who has approved these very arguments so far; absent: nobody but `approvedBy`. */
  approvals: Schema.optionalKey(Schema.Array(Schema.Struct({ by: Schema.String, at: Schema.Int }))),
  /** Who put other arguments in place of those that were asked for, last; absent: nobody. */
  editedBy: Schema.optionalKey(Schema.String),
  /** The standing approval that let it pass; absent: none. */
  standing: Schema.optionalKey(Schema.String),
  /** It was not refused for what it is: nobody serves it or can be asked about it now. Absent: it was, or it was not denied. */
  unavailable: Schema.optionalKey(Schema.Literal(true)),
  /** Version of the policy that gave its verdict; absent when policy was not asked. */
  policy: Schema.optionalKey(Schema.String),
  /** The trace that its request belongs to; absent: none. */
  traceparent: Schema.optionalKey(Schema.String),
  /** The idempotency key that the executor is given, the same for every attempt; absent: the warrant's id. */
  key: Schema.optionalKey(Schema.String),
  /** Where it comes from, sorted; absent: no labels. */
  labels: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Checked when it is started. */
  fence: Schema.optionalKey(Fence),
  /** What the executor declared that it costs at most. */
  cost: Schema.optionalKey(Cost),
  /** What is held for it from its start to its end, at each of the accounts in `charged`. */
  reserved: Schema.optionalKey(Cost),
  charged: Schema.optionalKey(Schema.Array(Schema.String)),
  /** What it cost in the end. */
  spent: Schema.optionalKey(Cost),
  /** The warrant whose effect it takes back; and whose that was, when it was somebody else's. */
  compensates: Schema.optionalKey(Schema.String),
  requester: Schema.optionalKey(SystemId),
  /** The newest warrant that takes its effect back, and what became of that. */
  compensation: Schema.optionalKey(Schema.Struct({
    warrant: Schema.String,
    outcome: Schema.NullOr(Schema.Literals(["succeeded", "failed", "unknown"]))
  }))
})
export interface Warrant extends Schema.Schema.Type<typeof Warrant> {}

/** Kinds of the answers on `aaax.kernel-replies`, all with the request's id as correlation. */
export const replyKinds = {
  granted: "capability_grant",
  refusedCapability: "capability_deny",
  /** To the one who was given a child of another's grant. */
  delegated: "capability_delegated",
  revokedCapability: "capability_revoked",
  approved: "action_approved",
  denied: "action_denied",
  escalated: "action_escalated",
  expired: "action_expired",
  unavailable: "action_unavailable",
  completed: "action_completed",
  failed: "action_failed",
  unknown: "action_unknown",
  compensated: "action_compensated",
  moduleAccepted: "module_accepted",
  moduleRejected: "module_rejected",
  lifecycleOk: "lifecycle_ok",
  lifecycleError: "lifecycle_error"
} as const

/** Replies after which nothing more comes for the same request. */
export const finalReplies: ReadonlySet<string> = new Set([
  "capability_grant",
  "capability_deny",
  "capability_revoked",
  "action_denied",
  "action_expired",
  "action_unavailable",
  "action_completed",
  "action_failed",
  "action_unknown",
  "module_accepted",
  "module_rejected",
  "lifecycle_ok",
  "lifecycle_error"
])
