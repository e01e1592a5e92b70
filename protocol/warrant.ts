// A warrant: one action from request to receipt. This file says its states and what goes out about it.
import * as Schema from "effect/Schema"
import { Risk } from "./authority.ts"
import { SystemId } from "./names.ts"

/**
 * What may be done with a started call after a crash: run it again with the same key, ask the target whether it
 * happened, or neither. With `none` the warrant stays unknown until somebody reconciles it.
 */
export const Recovery = Schema.Literals(["idempotent", "queryable", "none"])
export type Recovery = typeof Recovery.Type

/** requested -> denied | escalated -> (refused | expired) | authorized -> started -> succeeded | failed | unknown. */
export const WarrantState = Schema.Literals([
  "denied",
  "escalated",
  "refused",
  "expired",
  "started",
  "succeeded",
  "failed",
  "unknown"
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
  /** The trace that its request belongs to; absent: none. */
  traceparent: Schema.optionalKey(Schema.String)
})
export interface Warrant extends Schema.Schema.Type<typeof Warrant> {}

/** Kinds of the answers on `aaax.kernel-replies`, all with the request's id as correlation. */
export const replyKinds = {
  granted: "capability_grant",
  refusedCapability: "capability_deny",
  approved: "action_approved",
  denied: "action_denied",
  escalated: "action_escalated",
  expired: "action_expired",
  completed: "action_completed",
  failed: "action_failed",
  unknown: "action_unknown",
  moduleAccepted: "module_accepted",
  moduleRejected: "module_rejected",
  lifecycleOk: "lifecycle_ok",
  lifecycleError: "lifecycle_error"
} as const

/** Replies after which nothing more comes for the same request. */
export const finalReplies: ReadonlySet<string> = new Set([
  "capability_grant",
  "capability_deny",
  "action_denied",
  "action_expired",
  "action_completed",
  "action_failed",
  "action_unknown",
  "module_accepted",
  "module_rejected",
  "lifecycle_ok",
  "lifecycle_error"
])
