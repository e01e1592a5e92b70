// What the coordinator writes down, as the frames that everybody on the wire is told: what a relay mirrors.
import type { coordination } from "aaax"
import type { Frame } from "./codec.ts"

type Ledger = coordination.LedgerEntries
type Talk = coordination.TalkEntries
type Presence = coordination.PresenceEntries

export interface Written {
  readonly kind: string
  readonly payload: unknown
  readonly recordedAt: number
}

const seconds = (millis: number): number => millis / 1_000

const ours = ({ git, mutex }: coordination.Claim): Frame => ({
  ...(git === undefined ? {} : { git: { branch: git.branch, ...(git.base === undefined ? {} : { base: git.base }), auto_release_on: git.releaseOn } }),
  ...(mutex === undefined ? {} : { mutex })
})

const granted = (claim: coordination.Claim): Frame => ({
  task_id: claim.task, owner: claim.owner, note: claim.note, lease_expires_at: seconds(claim.expiresAt), status: claim.status, worktree: claim.worktree,
  paths: claim.paths, epoch: claim.epoch, version: claim.version, checkpoint: claim.checkpoint, ...ours(claim)
})

const taskOf = (task: coordination.PlanTask): Frame => ({
  task_id: task.task, title: task.title, description: task.description, depends_on: task.dependsOn, status: task.status,
  suggested_owner: task.suggestedOwner, created_by: task.createdBy, created_at: seconds(task.createdAt), updated_at: seconds(task.updatedAt), version: task.version
})

const noted = (note: coordination.Note): Frame => ({
  type: "ledger_progress_posted", payload: `Progress from ${note.author}`,
  note: { task_id: note.task, author: note.author, kind: note.kind, text: note.text, posted_at: seconds(note.at) }
})

const chatOf = (chat: coordination.Chat): Frame => ({
  sender: chat.from, target: chat.target, type: "chat", payload: chat.payload, timestamp: seconds(chat.at), msg_id: chat.message,
  ...(chat.priority === undefined ? {} : { priority: chat.priority }),
  ...(chat.clientTimestamp === undefined ? {} : { client_timestamp: chat.clientTimestamp }),
  ...(chat.clientMessage === undefined ? {} : { client_msg_id: chat.clientMessage }),
  ...(chat.receipt === undefined ? {} : { receipt_requested: chat.receipt })
})

/** By kind; other kinds are told to nobody. The payloads are the coordinator's own. */
const frames: Readonly<Record<string, (payload: never) => ReadonlyArray<Frame>>> = {
  claimed: ({ claim }: Ledger["claimed"]) => [{ type: "claim_granted", payload: `Task '${claim.task}' claimed by ${claim.owner}.`, ...granted(claim) }],
  released: ({ owner, receipt, task }: Ledger["released"]) => [{
    type: "release_granted", payload: `Task '${task}' released by ${owner}.`, task_id: task, owner, ...(receipt === undefined ? {} : { receipt })
  }],
  updated: ({ claim }: Ledger["updated"]) => [{
    type: "task_updated", payload: `Task '${claim.task}' updated by ${claim.owner}.`, task_id: claim.task, owner: claim.owner, status: claim.status,
    data_ref: claim.dataRef, version: claim.version
  }],
  handed: ({ claim, note, previousOwner }: Ledger["handed"]) => [
    noted(note),
    { type: "handoff_granted", payload: `Task '${claim.task}' handed from ${previousOwner} to ${claim.owner}.`, previous_owner: previousOwner, ...granted(claim) }
  ],
  declared: ({ again, by, task }: Ledger["declared"]) => [{ type: "ledger_task_posted", payload: `Task '${task.task}' ${again ? "re-declared" : "declared"} by ${by}.`, task: taskOf(task) }],
  planned: ({ task }: Ledger["planned"]) => [{ type: "ledger_task_updated", payload: `Task '${task.task}' plan updated.`, task: taskOf(task) }],
  chat: ({ chat }: Talk["chat"]) => [chatOf(chat)],
  progress: ({ note }: Talk["progress"]) => [noted(note)],
  offered: ({ offer: { kind, name, seat } }: Talk["offered"]) => [{
    type: "resource_offered", payload: `Resource offered by ${seat}`, agent: seat, kind, name, key: `${seat}:${kind}:${name}`
  }],
  advertised: ({ card }: Presence["advertised"]) => [{
    type: "capability_advertised", payload: `Capability advertised by ${card.seat}`, agent: card.seat,
    card: {
      agent: card.seat, description: card.description, skills: card.skills, task_classes: card.taskClasses, model: card.model, meta: card.meta, advertised_at: seconds(card.at)
    }
  }]
}

/** Who is there, from `joined` and `left`. */
export const makeRoster = (): { readonly take: (written: Written) => Frame | undefined } => {
  const online = new Set<string>()
  return {
    take: ({ kind, payload }) => {
      if (kind !== "joined" && kind !== "left") return undefined
      const { seat: agent } = payload as Presence["joined"] // as the coordinator writes it, alone in its channel
      if (kind === "joined") online.add(agent)
      else online.delete(agent)
      return { type: "presence_update", payload: "Presence update", online_agents: [...online].sort(), event: kind, agent }
    }
  }
}

const enveloped = (frame: Frame, hub: string, at: number): Frame => ({ sender: "SynapseHub", target: "all", timestamp: seconds(at), hub_id: hub, ...frame })

/** The frames of an entry, none for what is told to nobody. */
export const framesOf = (written: Written, hub: string, roster: ReturnType<typeof makeRoster>): ReadonlyArray<Frame> => {
  const update = roster.take(written)
  if (update !== undefined) return [enveloped(update, hub, written.recordedAt)]
  const make = Object.hasOwn(frames, written.kind) ? frames[written.kind] : undefined
  return make === undefined ? [] : make(written.payload as never).map((frame) => enveloped(frame, hub, written.recordedAt)) // of that kind
}
