// What a hub of any kind tells, in the words of the house: times in milliseconds.
import type { Card, Claim, Note, PlanTask } from "../../protocol/coordination.ts"
import type { WireCard, WireClaim, WireNote, WireTask } from "../../protocol/synapse.ts"

const millis = (seconds: number): number => Math.round(seconds * 1_000)

/** Without its holder: over the wire a claim names the seat alone. */
export const claimFrom = (wire: WireClaim): Omit<Claim, "holder" | "git"> => ({
  task: wire.task_id, owner: wire.owner, note: wire.note, status: wire.status as Claim["status"], dataRef: wire.data_ref, worktree: wire.worktree, paths: wire.paths, // one of the five, as the wire says
  ...(wire.mutex === true ? { mutex: true } : {}),
  claimedAt: millis(wire.claimed_at), expiresAt: millis(wire.lease_expires_at), epoch: wire.epoch, version: wire.version, checkpoint: wire.checkpoint
})

/** What the ancestor's hub does not say of a task is left out. */
export const taskFrom = (wire: WireTask): Omit<PlanTask, "version"> & { readonly version?: number } => ({
  task: wire.task_id, title: wire.title, description: wire.description, dependsOn: wire.depends_on, status: wire.status as PlanTask["status"], suggestedOwner: wire.suggested_owner, // one of the five, as the wire says
  createdBy: wire.created_by, createdAt: millis(wire.created_at), updatedAt: millis(wire.updated_at), ...(wire.version === undefined ? {} : { version: wire.version })
})

export const noteFrom = (wire: WireNote): Note => ({
  task: wire.task_id, author: wire.author, kind: wire.kind as Note["kind"], text: wire.text, at: millis(wire.posted_at) // one of the three, as the wire says
})

export const cardFrom = (wire: WireCard): Omit<Card, "meta"> & { readonly meta: Readonly<Record<string, unknown>> } => ({
  seat: wire.agent, description: wire.description, skills: wire.skills, taskClasses: wire.task_classes, model: wire.model, meta: wire.meta, at: millis(wire.advertised_at)
})
