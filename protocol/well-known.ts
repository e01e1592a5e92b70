// The kernel's own channels. The nine ids are the ancestor's; `journal` and the dead letters are ours.
import type { ChannelId } from "./names.ts"

export const capabilityRegistry: ChannelId = "aaax.internal.capability-registry"
export const moduleRegistry: ChannelId = "aaax.internal.module-registry"
export const policyStore: ChannelId = "aaax.internal.policy-store"
export const capabilityRequest: ChannelId = "aaax.capability-request"
export const actionGate: ChannelId = "aaax.action-gate"
export const kernelReplies: ChannelId = "aaax.kernel-replies"
export const moduleLoader: ChannelId = "aaax.module-loader"
export const lifecycle: ChannelId = "aaax.lifecycle"
export const heartbeat: ChannelId = "aaax.heartbeat"
/** How far calls have come that are under way, each told to its requester; in memory. */
export const progress: ChannelId = "aaax.progress"
/** Every decision of the kernel, hash-chained; only the kernel writes and reads it. */
export const journal: ChannelId = "aaax.journal"

/** What waits for a human, what was answered and what expired; privileged systems read it. */
export const approvals: ChannelId = "aaax.internal.approvals"

/** Subscriptions and artifacts that are known by an id: one event for each. */
export const subscriptions: ChannelId = "aaax.internal.subscriptions"
export const artifacts: ChannelId = "aaax.internal.artifacts"

/** The nine of the ancestor, in the order in which its snapshot prints them. */
export const ancestral: ReadonlyArray<ChannelId> = [
  capabilityRegistry,
  moduleRegistry,
  policyStore,
  capabilityRequest,
  actionGate,
  kernelReplies,
  moduleLoader,
  lifecycle,
  heartbeat
]

/** Wired to every docked system. */
export const common: ReadonlyArray<ChannelId> = [capabilityRequest, actionGate, kernelReplies, progress, heartbeat]

/** Wired to systems that were docked as privileged. */
export const privileged: ReadonlyArray<ChannelId> = [
  moduleLoader,
  lifecycle,
  capabilityRegistry,
  moduleRegistry,
  policyStore,
  approvals
]

/** Names that only the kernel may create. */
export const isReserved = (name: string): boolean => name === "aaax" || name.startsWith("aaax.")

/** The companion channel that holds what was settled of an exclusive channel. */
export const settlementOf = (channel: ChannelId): ChannelId => `aaax.settlement.${channel}`

/** The channel that receives what could not be handled. */
export const deadLettersOf = (channel: ChannelId): ChannelId => `${channel}.dead`
