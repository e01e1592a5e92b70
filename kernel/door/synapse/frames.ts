// What the coordinator answered, as frames. What grants something is told to everybody (protocol/synapse/told.ts) and to the asker in
// the same words; a refusal, a checkpoint and what was only asked are told to the asker alone.
import type { Answer, Ask, Refusal, Results, Verb } from "../../../protocol/coordination.ts"
import type { HubFields, HubType } from "../../../protocol/synapse.ts"
import { cardOf, chatOf, claimOf, noteOf, offerOf, taskOf } from "../../../protocol/synapse/records.ts"
import {
  advertised, claimed, declared, frameOf, handed, noted, offered, planned, released, updated, type Around, type Told as Plain
} from "../../../protocol/synapse/told.ts"
import { synapseEchoMax } from "../../limits.ts"
import { makeLists, type Lists } from "./lists.ts"

export { presenceOf } from "../../../protocol/synapse/told.ts"

/** A frame before it has its envelope, with what stands in it for lists. */
export type Told = Plain & { readonly lists?: Lists }

export const textOf = (around: Around, told: Told): string => {
  const text = JSON.stringify(frameOf(around, told))
  return told.lists === undefined ? text : told.lists.into(text)
}

const told = <T extends HubType>(type: T, payload: string, fields: HubFields[T], lists?: Lists): Told =>
  ({ type, payload, fields, ...(lists === undefined ? {} : { lists }) }) as Told // they belong together

export const welcomeOf = (connected: number, online: ReadonlyArray<string>, extensions: ReadonlyArray<string>): Told =>
  told("welcome", "Welcome to Synapse", { connected_clients: connected, online_agents: online, extensions })

export interface Asker {
  readonly hub: string
  readonly seat: string
  readonly connected: number
}

/** By verb: what an asker is told that everybody was told before, or never is. Nothing: there is nothing to tell. */
const results: { readonly [V in Verb]: (result: Results[V], asker: Asker, ask: Extract<Ask, { readonly verb: V }>) => ReadonlyArray<Told> } = {
  claim: (result) => [claimed(result)],
  release: (result) => [released(result)],
  update: (result) => [updated(result)],
  handoff: (result) => [handed(result)],
  checkpoint: ({ task, version }, { seat }) => [told("checkpoint_saved", `Checkpoint saved for '${task}' by ${seat}.`, { task_id: task, version })],
  wait: ({ holder, position, task }) => [told("wait_granted", `Waiting for '${task}' held by ${holder}.`, { task_id: task, holder, position })],
  offer: (result) => [offered(result)],
  declare: (result, { seat }) => [declared(result, seat)],
  plan: (result) => [planned(result)],
  progress: (result) => [noted(result)],
  advertise: (result) => [advertised(result)],
  state: ({ at, items, next, offers, seats, truncated }) => {
    const lists = makeLists()
    const agents = lists.add(seats.map(({ lastSeen, seat }) => ({ agent: seat, last_seen: lastSeen / 1_000 })), "last")
    const resources = lists.add(offers.map(offerOf), "first")
    const claims = lists.add(items.map(claimOf), "first")
    return [told("state_snapshot", "State snapshot", {
      snapshot: { agents, resources, active_claims: claims, generated_at: at / 1_000 }, ...(truncated === true || lists.truncated() || next !== undefined ? { truncated: true } : {})
    }, lists)]
  },
  who: ({ seats }, { connected }) => [told("who_snapshot", "Who snapshot", {
    online_agents: seats.filter(({ online }) => online).map(({ seat }) => seat).sort(), connected_clients: connected
  })],
  board: ({ items, next, progress, ready, truncated }) => {
    const lists = makeLists()
    const tasks = lists.add(items.map(taskOf), "first")
    const open = lists.add(ready, "first")
    const notes = lists.add(progress.map(noteOf), "last")
    return [told("board_snapshot", "Board snapshot", {
      board: { tasks, ready: open, progress: notes }, ...(truncated === true || lists.truncated() || next !== undefined ? { truncated: true } : {})
    }, lists)]
  },
  manifest: ({ cards }) => {
    const lists = makeLists()
    const manifest = lists.add(cards.map(cardOf), "first")
    return [told("manifest_snapshot", "Manifest snapshot", { manifest, ...(lists.truncated() ? { truncated: true } : {}) }, lists)]
  },
  history: ({ messages, requested, truncated }, { hub }) => {
    const lists = makeLists()
    const history = lists.add(messages.map((chat) => chatOf(hub, chat)), "last")
    return [told("history_snapshot", "History snapshot", { history, requested_limit: requested, ...(truncated || lists.truncated() ? { truncated: true } : {}) }, lists)]
  },
  resume: ({ gap, messages, more }, { hub }, { since }) => {
    const lists = makeLists()
    const page = lists.add(messages.map((chat) => chatOf(hub, chat)), "first")
    return [told("resume_snapshot", "Resume snapshot", {
      since, messages: page, ...(more || lists.truncated() ? { truncated: true } : {}), ...(gap ? { gap: true } : {})
    }, lists)]
  },
  // Ours are asked for with `ask`; a chat is told to everybody.
  send: () => [],
  withdraw: () => [],
  acknowledge: () => [],
  inbox: () => [],
  attach: () => [],
  leave: () => [],
  beat: () => [],
  receipts: () => [],
  check: () => [],
  why: () => [],
  losses: () => [],
  "accept-loss": () => []
}

export const resultFrames = (ask: Ask, result: Answer & { readonly ok: true }, asker: Asker): ReadonlyArray<Told> =>
  results[ask.verb](result as never, asker, ask as never) // the answer to a verb has that verb's result

/** How a refusal is told, by the type that was sent; `error` for the others. */
const denials: Readonly<Record<string, HubType>> = {
  claim: "claim_denied", release: "release_denied", handoff: "handoff_denied", checkpoint: "checkpoint_denied", wait_request: "wait_denied"
}

/** `isOurs`: a client that gives request ids knows the types that the ancestor's does not. */
export const refusalFrame = (type: string, ask: Ask | undefined, { code, conflict, current, holder, message }: Refusal, isOurs: boolean): Told => {
  const rest = { ...(holder === undefined ? {} : { holder }), ...(conflict === undefined ? {} : { conflict }), ...(current === undefined ? {} : { current }) }
  const denial = Object.hasOwn(denials, type) ? denials[type] : type === "task_update" && isOurs ? "task_update_denied" : undefined
  // The name of a task that is too long for one would come twice, and no more fit into a frame.
  const task = ask !== undefined && "task" in ask && ask.task !== undefined ? { task_id: ask.task.slice(0, synapseEchoMax) } : {}
  if (denial === undefined) return told("error", message, { ...task, reason_code: code, ...rest } as HubFields["error"]) // with what is known of it
  return told(denial, message, { task_id: "", ...task, reason_code: code, ...rest } as never) // a denial's fields
}

export const errorFrame = (message: string, code: NonNullable<HubFields["error"]["reason_code"]>, retryAfter?: number): Told =>
  told("error", message, { reason_code: code, ...(retryAfter === undefined ? {} : { retry_after: retryAfter }) })
export const nameConflictFrame = (message: string, code: string): Told => told("name_conflict", message, { reason_code: code })
export const authDeniedFrame = (message: string, code: string): Told => told("auth_denied", message, { reason_code: code })
export const answerFrame = (answer: Answer): Told => told("answer", answer.ok ? "Answer" : answer.message, { answer })
export const noticeFrame = (notice: HubFields["notice"]["notice"]): Told => told("notice", `Notice: ${notice.notice}`, { notice })
