// Records of the coordinator as the wire has them: snake case, seconds.
import type { Card, Chat, Claim, GitScope, Note, Offer, PlanTask } from "../coordination.ts"
import type { WireCard, WireChat, WireClaim, WireGit, WireNote, WireOffer, WireTask } from "../synapse.ts"

const gitOf = ({ base, branch, releaseOn }: GitScope): WireGit => ({ branch, ...(base === undefined ? {} : { base }), auto_release_on: releaseOn })

/** What a claim has beside the ancestor's fields. */
export const oursOf = ({ git, mutex }: Pick<Claim, "git" | "mutex">): { readonly git?: WireGit; readonly mutex?: boolean } =>
  git === undefined && mutex === undefined ? none : { ...(git === undefined ? {} : { git: gitOf(git) }), ...(mutex === undefined ? {} : { mutex }) }
const none = {}

export const claimOf = (claim: Claim): WireClaim => ({
  task_id: claim.task, owner: claim.owner, note: claim.note, claimed_at: claim.claimedAt / 1_000, lease_expires_at: claim.expiresAt / 1_000,
  status: claim.status, data_ref: claim.dataRef, worktree: claim.worktree, paths: claim.paths, epoch: claim.epoch, version: claim.version,
  checkpoint: claim.checkpoint, ...oursOf(claim)
})

export const taskOf = (task: PlanTask): WireTask => ({
  task_id: task.task, title: task.title, description: task.description, depends_on: task.dependsOn, status: task.status,
  suggested_owner: task.suggestedOwner, created_by: task.createdBy, created_at: task.createdAt / 1_000, updated_at: task.updatedAt / 1_000,
  version: task.version
})

export const noteOf = ({ at, author, kind, task, text }: Note): WireNote => ({ task_id: task, author, kind, text, posted_at: at / 1_000 })

export const cardOf = (card: Card): WireCard => ({
  agent: card.seat, description: card.description, skills: card.skills, task_classes: card.taskClasses, model: card.model, meta: card.meta,
  advertised_at: card.at / 1_000
})

export const offerOf = ({ capacity, kind, meta, name, seat }: Offer): WireOffer => ({ agent: seat, kind, name, capacity, meta })

export const chatOf = (hub: string, chat: Chat): WireChat => ({
  sender: chat.from, target: chat.target, type: "chat", payload: chat.payload, timestamp: chat.at / 1_000, hub_id: hub, msg_id: chat.message,
  ...(chat.priority === undefined ? none : { priority: chat.priority }),
  ...(chat.clientTimestamp === undefined ? none : { client_timestamp: chat.clientTimestamp }),
  ...(chat.clientMessage === undefined ? none : { client_msg_id: chat.clientMessage }),
  ...(chat.receipt === undefined ? none : { receipt_requested: chat.receipt })
})
