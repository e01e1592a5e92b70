// What everybody is told: entries that the coordinator wrote, as frames of the wire. Payloads are sentences, in the ancestor's words.
import type { LedgerEntries, PresenceEntries, TalkEntries } from "../coordination.ts"
import type { HubFields, HubType } from "../synapse.ts"
import { cardOf, chatOf, noteOf, oursOf, taskOf } from "./records.ts"
import type { Roster } from "./roster.ts"

/** Sender of everything that the hub says itself. */
export const hubSender = "SynapseHub"

/** A frame before it has its envelope. */
export type Told<T extends HubType = HubType> = { readonly [K in T]: { readonly type: K; readonly payload: string; readonly fields: HubFields[K] } }[T]

/** What is around it: whose hub says it when, in Unix seconds, and to whom. */
export interface Around {
  readonly hub: string
  readonly at: number
  readonly target: string
}

/** A whole frame. Its fields come first: what stands for a list stands before anything that somebody else has said. */
export const frameOf = ({ at, hub, target }: Around, { fields, payload, type }: Told): object =>
  ({ sender: hubSender, target, type, payload, timestamp: at, hub_id: hub, ...fields })

const told = <T extends HubType>(type: T, payload: string, fields: HubFields[T]): Told<T> => ({ type, payload, fields }) as Told<T> // they belong together

export const claimed = ({ claim }: Pick<LedgerEntries["claimed"], "claim">): Told =>
  told("claim_granted", `Task '${claim.task}' claimed by ${claim.owner}.`, {
    task_id: claim.task, owner: claim.owner, note: claim.note, lease_expires_at: claim.expiresAt / 1_000, status: claim.status, worktree: claim.worktree,
    paths: claim.paths, epoch: claim.epoch, version: claim.version, checkpoint: claim.checkpoint, ...oursOf(claim)
  })
export const released = ({ owner, receipt, task }: Pick<LedgerEntries["released"], "task" | "owner" | "receipt">): Told =>
  told("release_granted", `Task '${task}' released by ${owner}.`, { task_id: task, owner, ...(receipt === undefined ? {} : { receipt }) })
export const updated = ({ claim }: Pick<LedgerEntries["updated"], "claim">): Told =>
  told("task_updated", `Task '${claim.task}' updated by ${claim.owner}.`, {
    task_id: claim.task, owner: claim.owner, status: claim.status, data_ref: claim.dataRef, version: claim.version
  })
export const handed = ({ claim, previousOwner }: Pick<LedgerEntries["handed"], "claim" | "previousOwner">): Told =>
  told("handoff_granted", `Task '${claim.task}' handed from ${previousOwner} to ${claim.owner}.`, {
    task_id: claim.task, owner: claim.owner, previous_owner: previousOwner, note: claim.note, status: claim.status, worktree: claim.worktree,
    paths: claim.paths, epoch: claim.epoch, version: claim.version, lease_expires_at: claim.expiresAt / 1_000, checkpoint: claim.checkpoint, ...oursOf(claim)
  })
export const declared = ({ again, task }: Pick<LedgerEntries["declared"], "task" | "again">, by: string): Told =>
  told("ledger_task_posted", `Task '${task.task}' ${again ? "re-declared" : "declared"} by ${by}.`, { task: taskOf(task) })
export const planned = ({ task }: Pick<LedgerEntries["planned"], "task">): Told =>
  told("ledger_task_updated", `Task '${task.task}' plan updated.`, { task: taskOf(task) })
export const noted = ({ note }: Pick<TalkEntries["progress"], "note">): Told =>
  told("ledger_progress_posted", `Progress from ${note.author}`, { note: noteOf(note) })
export const offered = ({ offer: { kind, name, seat } }: Pick<TalkEntries["offered"], "offer">): Told =>
  told("resource_offered", `Resource offered by ${seat}`, { agent: seat, kind, name, key: `${seat}:${kind}:${name}` })
export const advertised = ({ card }: PresenceEntries["advertised"]): Told =>
  told("capability_advertised", `Capability advertised by ${card.seat}`, { agent: card.seat, card: cardOf(card) })
export const presenceOf = (event: "joined" | "left", agent: string, online: ReadonlyArray<string>): Told =>
  told("presence_update", "Presence update", { online_agents: online, event, agent })

/** By kind of entry; a chat has an envelope of its own, and who came or left goes with a roster. */
const frames: Readonly<Record<string, (payload: never) => ReadonlyArray<Told>>> = {
  claimed: (entry: LedgerEntries["claimed"]) => [claimed(entry)],
  released: (entry: LedgerEntries["released"]) => [released(entry)],
  updated: (entry: LedgerEntries["updated"]) => [updated(entry)],
  handed: (entry: LedgerEntries["handed"]) => [noted(entry), handed(entry)],
  declared: (entry: LedgerEntries["declared"]) => [declared(entry, entry.by)],
  planned: (entry: LedgerEntries["planned"]) => [planned(entry)],
  progress: (entry: TalkEntries["progress"]) => [noted(entry)],
  offered: (entry: TalkEntries["offered"]) => [offered(entry)],
  advertised: (entry: PresenceEntries["advertised"]) => [advertised(entry)]
}

/** An entry of ledger, talk or presence. */
export interface Written {
  readonly kind: string
  readonly payload: unknown
  readonly recordedAt: number
}

const none: ReadonlyArray<object> = []

/* hot */
/** The frames of an entry, none for what is told to nobody. `online`: who is, with what the entry says. */
export const framesOf = ({ kind, payload, recordedAt }: Written, hub: string, online: Roster["online"]): ReadonlyArray<object> => {
  if (kind === "chat") return [chatOf(hub, (payload as TalkEntries["chat"]).chat)] // the coordinator's own, by its contract
  if (kind === "joined" || kind === "left") {
    return [frameOf({ hub, at: recordedAt / 1_000, target: "all" }, presenceOf(kind, (payload as PresenceEntries["joined"]).seat, online()))] // as above
  }
  const told = Object.hasOwn(frames, kind) ? frames[kind]!(payload as never) : undefined // of that kind
  if (told === undefined) return none
  const around = { hub, at: recordedAt / 1_000, target: "all" }
  return told.map((one) => frameOf(around, one))
}
