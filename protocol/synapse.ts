// The synapse wire, generation 0.28: frames as they are sent, one JSON object each, times in Unix seconds. What is ours besides
// lies in further fields that the ancestor's clients pass over, and in three frame types that are sent to no one who did not ask.
import type { Answer, Ask, Notice, RefusalCode } from "./coordination.ts"

export { foldRoster, makeRoster, type Roster } from "./synapse/roster.ts"
export { framesOf, hubSender, type Written } from "./synapse/told.ts"

export const synapsePath = "/synapse"
export const synapsePort = 8876
/** Close codes: those of the ancestor and its newer line, each with one meaning; for a reader that fell behind, and a hub that ends, those of the protocol. */
export const synapseCloses = { name: 4009, auth: 4010, unbound: 4012, full: 4013, strangers: 4014, host: 4015, slow: 1013, ended: 1001, tooLarge: 1009 } as const

/**
 * What `welcome.extensions` lists: the hub echoes `request_id` in what answers a frame, takes `ask` frames, and lets who says
 * `beside` act under a name that is online.
 */
export const synapseExtensions: ReadonlyArray<string> = ["request_id", "ask", "beside"]

/** What every frame has. A client's `sender` binds its name with the first frame. */
export interface Envelope {
  readonly type: string
  readonly sender: string
  readonly target: string
  readonly payload: string
  readonly timestamp: number
  /** Looked at in the first frame of a connection alone. */
  readonly token?: string
  /** Ours, and of the first frame alone: acts beside the connection that has this name, if there is one. */
  readonly beside?: boolean
  readonly idem_key?: string
  /** Ours: echoed by the frame that answers this one, whether it is broadcast or private. */
  readonly request_id?: string
}

/** Fields of what a client sends, by type, beside the envelope. */
export interface AgentFields {
  readonly chat: {
    readonly priority?: boolean
    /** Ours: echoed, at most 256 bytes; and whether its sender is to be told how far it came. */
    readonly client_msg_id?: string
    readonly receipt_requested?: boolean
  }
  /** Ours: `mailbox_for` says that this connection only waits for messages of that other seat; `notices` that `notice` frames are welcome. */
  readonly heartbeat: { readonly mailbox_for?: string; readonly notices?: boolean }
  readonly claim: {
    readonly task_id: string; readonly note?: string; readonly ttl_seconds?: number; readonly worktree?: string; readonly paths?: ReadonlyArray<string>
    /** Ours: a lock without files; of git what the claim goes with; staying in line until it is free; the lease that is renewed, 0 for none. */
    readonly mutex?: boolean; readonly git?: WireGit; readonly wait?: boolean; readonly expected_epoch?: number
  }
  readonly release: { readonly task_id: string; readonly epoch?: number; readonly receipt?: Readonly<Record<string, unknown>> }
  readonly task_update: {
    readonly task_id: string; readonly status?: string; readonly note?: string; readonly data_ref?: string; readonly epoch?: number
    readonly expected_version?: number
  }
  readonly handoff: { readonly task_id: string; readonly to_agent: string; readonly note?: string; readonly epoch?: number }
  readonly checkpoint: { readonly task_id: string; readonly checkpoint: string; readonly epoch?: number }
  readonly wait_request: { readonly task_id: string }
  readonly resource_offer: { readonly kind: string; readonly name: string; readonly capacity?: number; readonly meta?: Readonly<Record<string, unknown>> }
  readonly ledger_task: {
    readonly task_id: string; readonly title: string; readonly description?: string; readonly depends_on?: ReadonlyArray<string>
    readonly suggested_owner?: string; readonly expected_version?: number
  }
  readonly ledger_task_update: { readonly task_id: string; readonly status?: string; readonly suggested_owner?: string; readonly expected_version?: number }
  readonly ledger_progress: { readonly task_id: string; readonly text: string; readonly kind?: string }
  readonly advertise: {
    readonly description?: string; readonly skills?: ReadonlyArray<string>; readonly task_classes?: ReadonlyArray<string>; readonly model?: string
    readonly meta?: Readonly<Record<string, unknown>>
  }
  readonly board_request: {}
  readonly manifest_request: {}
  readonly state_request: {}
  readonly who_request: {}
  readonly history_request: { readonly limit?: number }
  readonly resume_request: { readonly since: number }
  /** Ours: any request of protocol/coordination.ts as it is, times in milliseconds; answered by one `answer` frame. */
  readonly ask: { readonly ask: Ask }
}
export type AgentType = keyof AgentFields

export interface WireGit {
  readonly branch: string
  readonly base?: string
  readonly auto_release_on?: "manual" | "commit" | "merge"
}

export interface WireClaim {
  readonly task_id: string
  readonly owner: string
  readonly note: string
  readonly claimed_at: number
  readonly lease_expires_at: number
  readonly status: string
  readonly data_ref: string
  readonly worktree: string
  readonly paths: ReadonlyArray<string>
  readonly epoch: number
  readonly version: number
  readonly checkpoint: string
  readonly git?: WireGit
  readonly mutex?: boolean
}
export interface WireTask {
  readonly task_id: string
  readonly title: string
  readonly description: string
  readonly depends_on: ReadonlyArray<string>
  readonly status: string
  readonly suggested_owner: string
  readonly created_by: string
  readonly created_at: number
  readonly updated_at: number
  /** Ours. */
  readonly version?: number
}
export interface WireNote {
  readonly task_id: string
  readonly author: string
  readonly kind: string
  readonly text: string
  readonly posted_at: number
}
export interface WireCard {
  readonly agent: string
  readonly description: string
  readonly skills: ReadonlyArray<string>
  readonly task_classes: ReadonlyArray<string>
  readonly model: string
  readonly meta: Readonly<Record<string, unknown>>
  readonly advertised_at: number
}
export interface WireOffer {
  readonly agent: string
  readonly kind: string
  readonly name: string
  readonly capacity: number
  readonly meta: Readonly<Record<string, unknown>>
}
/** A chat as everybody gets it. */
export interface WireChat extends Envelope {
  readonly msg_id: number
  readonly hub_id: string
  readonly priority?: boolean
  readonly client_timestamp?: number
  readonly client_msg_id?: string
  readonly receipt_requested?: boolean
  /** It came while its reader was away. */
  readonly replayed?: boolean
}

interface Granted extends Pick<WireClaim, "task_id" | "owner" | "note" | "lease_expires_at" | "status" | "worktree" | "paths" | "epoch" | "version" | "checkpoint" | "git" | "mutex"> {}
interface Denied { readonly task_id: string; readonly reason_code?: RefusalCode; readonly holder?: string; readonly conflict?: string; readonly current?: number }

/** Fields of what a hub sends, by type, beside the envelope and `hub_id`. `truncated`: the oldest were left out. */
export interface HubFields {
  readonly system: {}
  readonly welcome: { readonly connected_clients: number; readonly online_agents: ReadonlyArray<string>; readonly extensions?: ReadonlyArray<string> }
  readonly presence_update: { readonly online_agents: ReadonlyArray<string>; readonly event: "joined" | "left"; readonly agent: string }
  readonly chat: Pick<WireChat, "msg_id" | "priority" | "client_timestamp" | "client_msg_id" | "receipt_requested" | "replayed">
  readonly claim_granted: Granted
  readonly claim_denied: Denied
  readonly release_granted: { readonly task_id: string; readonly owner: string; readonly receipt?: Readonly<Record<string, unknown>> }
  readonly release_denied: Denied
  readonly task_updated: { readonly task_id: string; readonly owner: string; readonly status: string; readonly data_ref: string; readonly version: number }
  /** Ours: an `error` to the ancestor's clients, whose type this is not. */
  readonly task_update_denied: Denied
  readonly handoff_granted: Granted & { readonly previous_owner: string }
  readonly handoff_denied: Denied
  readonly checkpoint_saved: { readonly task_id: string; readonly version: number }
  readonly checkpoint_denied: Denied
  readonly resource_offered: { readonly agent: string; readonly kind: string; readonly name: string; readonly key: string }
  readonly state_snapshot: {
    readonly snapshot: {
      readonly active_claims: ReadonlyArray<WireClaim>
      readonly agents: ReadonlyArray<{ readonly agent: string; readonly last_seen: number }>
      readonly resources: ReadonlyArray<WireOffer>
      readonly generated_at: number
    }
    readonly truncated?: boolean
  }
  readonly who_snapshot: { readonly online_agents: ReadonlyArray<string>; readonly connected_clients: number }
  readonly history_snapshot: { readonly history: ReadonlyArray<WireChat>; readonly requested_limit: number | "all"; readonly truncated?: boolean }
  readonly resume_snapshot: { readonly since: number; readonly messages: ReadonlyArray<WireChat>; readonly truncated?: boolean; readonly gap?: boolean }
  readonly wait_granted: { readonly task_id: string; readonly holder: string; readonly position?: number }
  readonly wait_denied: Denied
  readonly ledger_task_posted: { readonly task: WireTask }
  readonly ledger_task_updated: { readonly task: WireTask }
  readonly ledger_progress_posted: { readonly note: WireNote }
  readonly board_snapshot: {
    readonly board: { readonly tasks: ReadonlyArray<WireTask>; readonly ready: ReadonlyArray<string>; readonly progress: ReadonlyArray<WireNote> }
    readonly truncated?: boolean
  }
  readonly capability_advertised: { readonly agent: string; readonly card: WireCard }
  readonly manifest_snapshot: { readonly manifest: ReadonlyArray<WireCard>; readonly truncated?: boolean }
  readonly error: { readonly reason_code?: RefusalCode | "RATE_LIMITED" | "MALFORMED" | "UNKNOWN_TYPE"; readonly retry_after?: number }
  readonly name_conflict: { readonly reason_code?: string }
  readonly auth_denied: { readonly reason_code?: string }
  readonly answer: { readonly answer: Answer }
  readonly notice: { readonly notice: Notice }
}
export type HubType = keyof HubFields
/** A frame of the hub, as one of its type. */
export type HubFrame<T extends HubType = HubType> = { readonly [K in T]: Envelope & { readonly type: K; readonly hub_id: string } & HubFields[K] }[T]

/** What answers a frame: by the ancestor's rules, which know no request ids. A refusal may also come as `error`. */
export const answersOf: { readonly [T in Exclude<AgentType, "heartbeat">]: { readonly granted: HubType; readonly denied: HubType } } = {
  chat: { granted: "chat", denied: "error" },
  claim: { granted: "claim_granted", denied: "claim_denied" },
  release: { granted: "release_granted", denied: "release_denied" },
  task_update: { granted: "task_updated", denied: "task_update_denied" },
  handoff: { granted: "handoff_granted", denied: "handoff_denied" },
  checkpoint: { granted: "checkpoint_saved", denied: "checkpoint_denied" },
  wait_request: { granted: "wait_granted", denied: "wait_denied" },
  resource_offer: { granted: "resource_offered", denied: "error" },
  ledger_task: { granted: "ledger_task_posted", denied: "error" },
  ledger_task_update: { granted: "ledger_task_updated", denied: "error" },
  ledger_progress: { granted: "ledger_progress_posted", denied: "error" },
  advertise: { granted: "capability_advertised", denied: "error" },
  board_request: { granted: "board_snapshot", denied: "error" },
  manifest_request: { granted: "manifest_snapshot", denied: "error" },
  state_request: { granted: "state_snapshot", denied: "error" },
  who_request: { granted: "who_snapshot", denied: "error" },
  history_request: { granted: "history_snapshot", denied: "error" },
  resume_request: { granted: "resume_snapshot", denied: "error" },
  ask: { granted: "answer", denied: "error" }
}
