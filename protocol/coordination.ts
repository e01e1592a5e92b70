// Coordination: what seats ask of the coordinator, what it answers, and what it writes down. The coordinator is a module;
// whoever replaces it speaks this. Times are kernel time in Unix milliseconds.
import * as Schema from "effect/Schema"
import { operatorSystem, type ChannelId, type SystemId } from "./names.ts"

/** Requests of every seat: taken by the coordinator alone. In memory: what had no answer is asked again with its key. */
export const requests: ChannelId = "coordination.requests"
/** Answers, correlated to their request, and notices without one; each seat sees its own. In memory. */
export const replies: ChannelId = "coordination.replies"
/** Claims, handoffs and the plan: strict. */
export const ledger: ChannelId = "coordination.ledger"
/** Chat, its receipts, progress and resource offers: relaxed. */
export const talk: ChannelId = "coordination.talk"
/** Who came, left, advertised or fell silent: in memory, as what it tells of. */
export const presence: ChannelId = "coordination.presence"
/** The live scope of each claimed task, by task: what executors hold writes against. */
export const epochs: ChannelId = "coordination.epochs"

/**
 * What the kernel is changing files for right now: a coordinator that provides this channel (delivery latest, in memory) is told
 * here, and says of no scope that it is granted while somebody else's call under way touches it.
 */
export const underWay: ChannelId = "coordination.under-way"

/** Requests that stay, by their event, for the coordinator itself: one that begins again goes on with them. In memory. */
export const waiting: ChannelId = "coordination.waiting"

/** Whoever gives up what cannot be read: the kernel alone appends requests as this system. */
export const operator: SystemId = operatorSystem

/** What a seat that takes part is wired to. */
export const seatWrites: ReadonlyArray<ChannelId> = [requests]
export const seatReads: ReadonlyArray<ChannelId> = [replies, ledger, talk, presence]

/**
 * Systems that a coordination door docks, one per connection and named for the seat that it bound; nobody else may dock below
 * this prefix. A system that is docked otherwise is the seat of its own id.
 */
export const doorPrefix = "synapse/"

const plain = /[^\s/:\\%~\u0000-\u001f\u007f]/u

/**
 * The system id of a seat that came in over a door: `synapse/` and the name, with what no segment may hold as `~` and the hex
 * code point between dots.
 */
export const systemOfSeat = (seat: string): SystemId => {
  let id = ""
  for (const character of seat) id += plain.test(character) ? character : `~${character.codePointAt(0)!.toString(16)}.`
  return `${doorPrefix}${id === "." || id === ".." ? id.replaceAll(".", "~2e.") : id}`
}

/** The seat that speaks as this system: the inverse of `systemOfSeat`, and the id itself for everybody else. */
export const seatOfSystem = (system: SystemId): string =>
  system.startsWith(doorPrefix)
    ? system.slice(doorPrefix.length).replace(/~([0-9a-f]{1,6})\./gu, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
    : system

export const ClaimStatus = Schema.Literals(["claimed", "working", "input_required", "done", "failed"])
export type ClaimStatus = typeof ClaimStatus.Type

export const TaskStatus = Schema.Literals(["open", "in_progress", "blocked", "done", "cancelled"])
export type TaskStatus = typeof TaskStatus.Type

export const NoteKind = Schema.Literals(["note", "blocked", "assessment"])
export type NoteKind = typeof NoteKind.Type

/** What of git a claim goes with: it covers nothing on another branch, and a commit or merge may release it. What it conflicts with is the same on all. */
export const GitScope = Schema.Struct({
  branch: Schema.String,
  base: Schema.optionalKey(Schema.String),
  releaseOn: Schema.Literals(["manual", "commit", "merge"])
})
export interface GitScope extends Schema.Schema.Type<typeof GitScope> {}

/** A lease on a task, with the files that go with it. */
export const Claim = Schema.Struct({
  task: Schema.String,
  /** The seat that holds it. */
  owner: Schema.String,
  /** The system that speaks for that seat: whose writes the claim allows. */
  holder: Schema.String,
  note: Schema.String,
  status: ClaimStatus,
  dataRef: Schema.String,
  /** As it was given: a label, the absolute path of a working tree, or none. Claims of two worktrees never conflict. */
  worktree: Schema.String,
  /** Normalised paths and globs below the worktree; none: all of it, unless it is a `mutex`. */
  paths: Schema.Array(Schema.String),
  /** A named lock without files: conflicts with no scope. */
  mutex: Schema.optionalKey(Schema.Boolean),
  git: Schema.optionalKey(GitScope),
  claimedAt: Schema.Int,
  expiresAt: Schema.Int,
  /** Grows with every grant of the constellation; what is asked under an older one is refused. */
  epoch: Schema.Int,
  /** Grows with every update of this claim. */
  version: Schema.Int,
  /** Opaque point to resume from; survives an expiry. */
  checkpoint: Schema.String
})
export interface Claim extends Schema.Schema.Type<typeof Claim> {}

/** Declared work. */
export const PlanTask = Schema.Struct({
  task: Schema.String,
  title: Schema.String,
  description: Schema.String,
  dependsOn: Schema.Array(Schema.String),
  status: TaskStatus,
  suggestedOwner: Schema.String,
  createdBy: Schema.String,
  createdAt: Schema.Int,
  updatedAt: Schema.Int,
  version: Schema.Int
})
export interface PlanTask extends Schema.Schema.Type<typeof PlanTask> {}

export const Note = Schema.Struct({ task: Schema.String, author: Schema.String, kind: NoteKind, text: Schema.String, at: Schema.Int })
export interface Note extends Schema.Schema.Type<typeof Note> {}

export const Offer = Schema.Struct({
  seat: Schema.String,
  kind: Schema.String,
  name: Schema.String,
  capacity: Schema.Int,
  meta: Schema.Record(Schema.String, Schema.Json),
  at: Schema.Int
})
export interface Offer extends Schema.Schema.Type<typeof Offer> {}

/** What a seat can do. */
export const Card = Schema.Struct({
  seat: Schema.String,
  description: Schema.String,
  skills: Schema.Array(Schema.String),
  taskClasses: Schema.Array(Schema.String),
  model: Schema.String,
  meta: Schema.Record(Schema.String, Schema.Json),
  at: Schema.Int
})
export interface Card extends Schema.Schema.Type<typeof Card> {}

/** One message of the chat. */
export const Chat = Schema.Struct({
  /** 1, 2, ...: grows by one for every message of the constellation, also across restarts. */
  message: Schema.Int,
  from: Schema.String,
  /** A seat, several with commas, globs; empty or `all`: everybody. */
  target: Schema.String,
  payload: Schema.String,
  at: Schema.Int,
  priority: Schema.optionalKey(Schema.Boolean),
  /** The sender's own time, Unix seconds, when it gave a finite one. */
  clientTimestamp: Schema.optionalKey(Schema.Finite),
  /** The sender's own id, echoed. */
  clientMessage: Schema.optionalKey(Schema.String),
  receipt: Schema.optionalKey(Schema.Boolean)
})
export interface Chat extends Schema.Schema.Type<typeof Chat> {}

/** How far a message has come with one of those it was for. `dead`: nobody took it in time. */
export const Delivery = Schema.Literals(["accepted", "delivered", "read", "handled", "dead"])
export type Delivery = typeof Delivery.Type

const Text = Schema.String
const optional = Schema.optionalKey
const Epoch = optional(Schema.Int)
/** Makes a request repeatable: the same seat, verb, key and content give the first answer, also after a restart. */
const Key = optional(Schema.NonEmptyString)

/** Entries of the ledger, from one cursor to another, that cannot be read. */
export const LostEntries = Schema.Struct({ from: Schema.Int, to: Schema.Int, reason: Schema.String })
export interface LostEntries extends Schema.Schema.Type<typeof LostEntries> {}
/** Of what comes with a first page, not all fit. */
interface Beside {
  readonly truncated?: true
}

/** What a seat asks for, by verb. */
export const Ask = Schema.Union([
  Schema.Struct({
    verb: Schema.Literal("claim"), task: Text, note: optional(Text), ttlSeconds: optional(Schema.Finite), worktree: optional(Text),
    paths: optional(Schema.Array(Text)), mutex: optional(Schema.Boolean), git: optional(GitScope), key: Key,
    /** Stay in line until it is free; the answer comes then. */
    wait: optional(Schema.Boolean),
    /** The lease that is to be renewed, and no other; 0: only when nobody has it, the seat itself included. */
    expectedEpoch: optional(Schema.Int)
  }),
  Schema.Struct({
    verb: Schema.Literal("release"), task: Text, epoch: Epoch, key: Key,
    /** What the holder says of what it did: goes into the log with the release. */
    receipt: optional(Schema.Record(Schema.String, Schema.Json))
  }),
  Schema.Struct({
    verb: Schema.Literal("update"), task: Text, status: optional(Text), note: optional(Text), dataRef: optional(Text), epoch: Epoch,
    expectedVersion: optional(Schema.Int), key: Key
  }),
  Schema.Struct({ verb: Schema.Literal("handoff"), task: Text, to: Text, note: optional(Text), epoch: Epoch, key: Key }),
  Schema.Struct({ verb: Schema.Literal("checkpoint"), task: Text, checkpoint: Text, epoch: Epoch, key: Key }),
  /** To be told when a task that another seat holds is free. */
  Schema.Struct({ verb: Schema.Literal("wait"), task: Text }),
  /**
   * Waits no longer for what it asked with this key, or in the event of this id: a claim leaves the line, an inbox is handed
   * nothing. A claim that was granted by this key meanwhile is given back, unless it had been the seat's before.
   */
  Schema.Struct({ verb: Schema.Literal("withdraw"), request: Text }),
  Schema.Struct({
    verb: Schema.Literal("offer"), kind: Text, name: Text, capacity: optional(Schema.Int), meta: optional(Schema.Record(Text, Schema.Json)), key: Key
  }),
  Schema.Struct({
    verb: Schema.Literal("declare"), task: Text, title: Text, description: optional(Text), dependsOn: optional(Schema.Array(Text)),
    suggestedOwner: optional(Text), expectedVersion: optional(Schema.Int), key: Key
  }),
  Schema.Struct({
    verb: Schema.Literal("plan"), task: Text, status: optional(Text), suggestedOwner: optional(Text), expectedVersion: optional(Schema.Int), key: Key
  }),
  Schema.Struct({ verb: Schema.Literal("progress"), task: Text, text: Text, kind: optional(Text), key: Key }),
  Schema.Struct({
    verb: Schema.Literal("advertise"), description: optional(Text), skills: optional(Schema.Array(Text)), taskClasses: optional(Schema.Array(Text)),
    model: optional(Text), meta: optional(Schema.Record(Text, Schema.Json))
  }),
  Schema.Struct({
    verb: Schema.Literal("send"), target: optional(Text), payload: Text, priority: optional(Schema.Boolean), clientTimestamp: optional(Schema.Finite),
    clientMessage: optional(Text.check(Schema.isMaxLength(256))), receipt: optional(Schema.Boolean)
  }),
  /** The seat has read or handled a message that was for it. */
  Schema.Struct({ verb: Schema.Literal("acknowledge"), message: Schema.Int, state: Schema.Literals(["delivered", "read", "handled"]) }),
  /** Messages for the seat behind its mark, oldest first; `waitMillis`: stay until there is one. Handing them over is their delivery. */
  Schema.Struct({ verb: Schema.Literal("inbox"), limit: optional(Schema.Int), waitMillis: optional(Schema.Int), peek: optional(Schema.Boolean) }),
  /** It is here. `receiver`: it only waits for messages of this other seat. Any other request says the same of the seat itself. */
  Schema.Struct({ verb: Schema.Literal("attach"), receiver: optional(Text) }),
  Schema.Struct({ verb: Schema.Literal("leave") }),
  Schema.Struct({ verb: Schema.Literal("beat") }),
  // Questions. Lists come in pages: at most `limit` (and a MiB), behind `after`.
  Schema.Struct({ verb: Schema.Literal("state"), owner: optional(Text), task: optional(Text), after: optional(Text), limit: optional(Schema.Int) }),
  Schema.Struct({ verb: Schema.Literal("who") }),
  Schema.Struct({ verb: Schema.Literal("board"), after: optional(Text), limit: optional(Schema.Int) }),
  Schema.Struct({ verb: Schema.Literal("manifest"), taskClass: optional(Text) }),
  /** The last `limit` messages; without it all that are kept. */
  Schema.Struct({ verb: Schema.Literal("history"), limit: optional(Schema.Int), before: optional(Schema.Int) }),
  Schema.Struct({ verb: Schema.Literal("resume"), since: Schema.Int, limit: optional(Schema.Int) }),
  /** Messages that somebody sent and how far they came; `dead`: those that nobody took. */
  Schema.Struct({ verb: Schema.Literal("receipts"), message: optional(Schema.Int), dead: optional(Schema.Boolean), limit: optional(Schema.Int) }),
  /** Whether `owner` (default: the seat) may change these paths: each is covered by its live claims and by nobody else's. */
  Schema.Struct({
    verb: Schema.Literal("check"), worktree: Text, paths: Schema.Array(Text), branch: optional(Text), owner: optional(Text)
  }),
  /** Who holds a path. */
  Schema.Struct({ verb: Schema.Literal("why"), worktree: Text, path: Text }),
  /** Entries of claims and plan that cannot be read: as long as there are some, neither is changed. */
  Schema.Struct({ verb: Schema.Literal("losses") }),
  /** What cannot be read is given up, and claims and plan are changed again. For the operator alone; `entries`: as many as it was shown. */
  Schema.Struct({ verb: Schema.Literal("accept-loss"), by: optional(Text), entries: optional(Schema.Int) })
])
export type Ask = typeof Ask.Type
export type Verb = Ask["verb"]

/** Why something was refused: stable, for programs. The message beside it is for people, in the ancestor's words where it has them. */
export const RefusalCode = Schema.Literals([
  "TASK_ID_REQUIRED", "PATH_IDENTITY_INVALID", "LEASE_LIVE", "SCOPE_CONFLICT", "QUOTA_EXCEEDED", "CLAIM_DENIED", "NOT_CLAIMED", "NOT_OWNER",
  "EPOCH_STALE", "VERSION_CONFLICT", "TRANSITION_ILLEGAL", "TASK_NOT_FOUND", "TARGET_OFFLINE", "TARGET_REQUIRED", "ALREADY_OWNED", "ALREADY_HELD",
  "WOULD_DEADLOCK", "OFFER_INCOMPLETE", "TITLE_REQUIRED", "DEPENDENCY_CYCLE", "STATUS_UNKNOWN", "KIND_UNKNOWN", "IDEMPOTENCY_CONFLICT",
  "MESSAGE_NOT_FOUND", "NAME_CONFLICT", "INVALID", "UNAVAILABLE", "LEDGER_DAMAGED", "OPERATOR_ONLY"
])
export type RefusalCode = typeof RefusalCode.Type

/** What a request came to: the payload of its answer in `replies`. */
export interface Refusal {
  readonly ok: false
  readonly code: RefusalCode
  readonly message: string
  /** The seat that is in the way, and its task; what the number would have to be. */
  readonly holder?: string
  readonly conflict?: string
  readonly current?: number
}

export interface Page<T> {
  readonly items: ReadonlyArray<T>
  /** Where to go on; absent: that was all. */
  readonly next?: string
}

export interface Presence {
  readonly seat: string
  readonly online: boolean
  readonly lastSeen: number
  /** Since when nobody reads what it is sent although it is online; absent: somebody does. */
  readonly silentSince?: number
  /** Messages that wait for it. */
  readonly unread: number
}

/** Results by verb; a result is the answer's payload, beside `ok: true`. */
export interface Results {
  readonly claim: { readonly claim: Claim; readonly renewed: boolean }
  readonly release: { readonly task: string; readonly owner: string }
  readonly update: { readonly claim: Claim }
  readonly handoff: { readonly claim: Claim; readonly previousOwner: string; readonly note: Note }
  readonly checkpoint: { readonly task: string; readonly version: number }
  readonly wait: { readonly task: string; readonly holder: string; /** 1: next in line. */ readonly position: number }
  /** `withdrawn`: it was still waited for. `released`: it had just been granted. */
  readonly withdraw: { readonly withdrawn: boolean; readonly released: boolean }
  readonly offer: { readonly offer: Offer }
  readonly declare: { readonly task: PlanTask; readonly again: boolean }
  readonly plan: { readonly task: PlanTask }
  readonly progress: { readonly note: Note }
  readonly advertise: { readonly card: Card }
  readonly send: { readonly message: number; readonly at: number; readonly recipients: ReadonlyArray<string>; readonly waiting: ReadonlyArray<string> }
  readonly acknowledge: { readonly message: number; readonly state: Delivery }
  readonly inbox: { readonly messages: ReadonlyArray<Chat>; readonly unread: number }
  readonly attach: { readonly seat: string; readonly unread: number }
  readonly leave: {}
  readonly beat: {}
  readonly state: Page<Claim> & Beside & { readonly seats: ReadonlyArray<Presence>; readonly offers: ReadonlyArray<Offer>; readonly at: number; /** Entries that cannot be read: neither claims nor the plan are changed. */ readonly lost?: number }
  readonly who: { readonly seats: ReadonlyArray<Presence> }
  readonly board: Page<PlanTask> & Beside & { readonly ready: ReadonlyArray<string>; readonly progress: ReadonlyArray<Note> }
  readonly manifest: { readonly cards: ReadonlyArray<Card> }
  readonly history: { readonly messages: ReadonlyArray<Chat>; readonly requested: number | "all"; /** Older ones are kept no more or did not fit. */ readonly truncated: boolean }
  readonly resume: { readonly messages: ReadonlyArray<Chat>; readonly more: boolean; /** Messages behind the cursor are kept no more. */ readonly gap: boolean }
  readonly receipts: { readonly receipts: ReadonlyArray<Receipt> }
  readonly check: { readonly allowed: boolean; readonly paths: ReadonlyArray<Coverage> }
  readonly why: { readonly claims: ReadonlyArray<Claim> }
  readonly losses: {
    readonly entries: number; readonly places: ReadonlyArray<LostEntries>; /** What was said of claims that the ledger has nothing of: whose the lost ones may have been. */
    readonly scopes: ReadonlyArray<LiveScope>
  }
  readonly "accept-loss": { readonly entries: number }
}
export type Answer<V extends Verb = Verb> = ({ readonly ok: true } & Results[V]) | Refusal

/** How far a message came with each of those it was for. */
export interface Receipt {
  readonly message: number
  readonly from: string
  readonly target: string
  readonly states: Readonly<Record<string, Delivery>>
}

/** Whether one path may be changed: `free`, nobody claims it; `mine`; `not-editable`, mine but done or waiting. */
export interface Coverage {
  readonly path: string
  readonly verdict: "mine" | "free" | "theirs" | "not-editable"
  readonly task?: string
  readonly owner?: string
}

/** The ledger's entries by event kind. Each is one whole change; the event's correlation is its request. */
export interface LedgerEntries {
  readonly claimed: { readonly claim: Claim; readonly renewed: boolean; readonly applied?: Applied }
  readonly released: { readonly task: string; readonly owner: string; readonly epoch: number; readonly receipt?: Readonly<Record<string, unknown>>; readonly applied?: Applied }
  readonly expired: { readonly task: string; readonly owner: string; readonly epoch: number; readonly checkpoint: string }
  readonly updated: { readonly claim: Claim; readonly applied?: Applied }
  readonly checkpointed: { readonly claim: Claim; readonly applied?: Applied }
  /** Told to the ancestor's clients as a note and a grant, in this order. */
  readonly handed: { readonly claim: Claim; readonly previousOwner: string; readonly note: Note; readonly applied?: Applied }
  readonly declared: { readonly task: PlanTask; readonly again: boolean; readonly by: string; readonly applied?: Applied }
  readonly planned: { readonly task: PlanTask; readonly by: string; readonly applied?: Applied }
  /** The operator gave up what could not be read, of these tasks among others. */
  readonly accepted: { readonly by: string; readonly at: number; readonly entries: number; readonly places: ReadonlyArray<LostEntries>; readonly tasks: ReadonlyArray<string> }
  /** A page of the whole state, so that a start need not read what is older; `part` of `parts`, from 1. */
  readonly state: { readonly part: number; readonly parts: number; readonly text: string }
}

/** That a keyed request was applied: written with what it did, so that both are kept or neither. */
export interface Applied {
  readonly seat: string
  readonly verb: Verb
  readonly key: string
  /** sha-256 of the request without its key. */
  readonly digest: string
}

export interface TalkEntries {
  /** `to`: the seats that it was directed at, as they were known then. */
  readonly chat: { readonly chat: Chat; readonly to?: ReadonlyArray<string> }
  readonly progress: { readonly note: Note; readonly applied?: Applied }
  readonly offered: { readonly offer: Offer; readonly applied?: Applied }
  /** One seat's state of one message, or of all up to it (`mark`: its inbox was handed out so far). */
  readonly acknowledged: { readonly seat: string; readonly message: number; readonly state: Delivery; readonly mark?: boolean }
}

export interface PresenceEntries {
  readonly joined: { readonly seat: string }
  readonly left: { readonly seat: string }
  readonly advertised: { readonly card: Card }
  readonly withdrawn: { readonly seat: string }
}

/** Of one task in `epochs`: its live scope, or that it has none. */
export type LiveScope =
  | {
    readonly task: string; readonly epoch: number; readonly owner: string; readonly holder: string; readonly worktree: string
    readonly paths: ReadonlyArray<string>; readonly mutex: boolean; readonly branch?: string; readonly expiresAt: number
  }
  | { readonly task: string; readonly epoch: number; readonly ended: true }

/** What a seat is told without having asked: events of kind `notice` in `replies`, addressed to it. */
export type Notice =
  | { readonly notice: "expiring"; readonly task: string; readonly epoch: number; readonly expiresAt: number }
  | { readonly notice: "expired"; readonly task: string; readonly epoch: number }
  /** A task it waited for is free; it was next in line. */
  | { readonly notice: "free"; readonly task: string }
  | { readonly notice: "message"; readonly chat: Chat; readonly replayed: boolean }
  | { readonly notice: "receipt"; readonly receipt: Receipt }
  /** It owns live claims or tasks, and nobody has read for it since. */
  | { readonly notice: "silent"; readonly since: number; readonly claims: ReadonlyArray<string> }

/**
 * The newest event of `underWay`: every call that changes files, from before its last look at the claims until it has ended.
 * Sent by the kernel, with one subject, so that the newest event is the whole list.
 */
export interface UnderWay {
  readonly calls: ReadonlyArray<{
    readonly warrant: string
    readonly system: string
    /** Real and absolute; one that ends with `/` stands for everything below it. */
    readonly paths: ReadonlyArray<string>
    /** The claim that its request named as a fence. */
    readonly task?: string
    readonly epoch?: number
  }>
}

/** Also in `underWay`, of its own subject: where the kernel works, which claims are about that name no worktree. Told before a coordinator begins. */
export interface Folder {
  /** Absolute, its real path. */
  readonly directory: string
}

/** Why an executor left files as they were: beside the reason of a failed action, for programs. */
export const ScopeRefusal = Schema.Struct({
  /** `UNAVAILABLE`: who claims what cannot be told. */
  code: Schema.Literals(["SCOPE_CONFLICT", "EPOCH_STALE", "UNAVAILABLE"]),
  path: optional(Text),
  task: optional(Text),
  owner: optional(Text),
  epoch: optional(Schema.Int),
  expiresAt: optional(Schema.Int),
  /** What to do to be let through. */
  how: Text
})
export interface ScopeRefusal extends Schema.Schema.Type<typeof ScopeRefusal> {}
