// Views: what a kernel says of itself to operators. Doors serve them, the command line prints them.
import * as Schema from "effect/Schema"
import { Grant, Risk } from "./authority.ts"
import { FreezeView } from "./policy.ts"
import { Channel } from "./channel.ts"
import { SystemStatus } from "./lifecycle.ts"
import { tiers, trusts } from "./tier.ts"
import { Recovery, Warrant } from "./warrant.ts"

export const SystemView = Schema.Struct({
  id: Schema.String,
  status: SystemStatus,
  module: Schema.NullOr(Schema.String),
  framework: Schema.String,
  /** Where its code runs. */
  tier: Schema.optionalKey(Schema.Literals(tiers)),
  description: Schema.String,
  privileged: Schema.Boolean,
  reads: Schema.Array(Schema.String),
  writes: Schema.Array(Schema.String),
  takes: Schema.Array(Schema.String),
  provides: Schema.Array(Schema.String),
  executors: Schema.Array(Schema.String),
  powers: Schema.Array(Schema.String),
  grants: Schema.Int,
  /** Starts after a failure since it was docked. */
  restarts: Schema.Int,
  lastError: Schema.NullOr(Schema.String),
  dockedAt: Schema.Int
})
export interface SystemView extends Schema.Schema.Type<typeof SystemView> {}

export const ChannelView = Schema.Struct({
  ...Channel.fields,
  head: Schema.Int,
  floor: Schema.Int,
  events: Schema.Int,
  /** Unsettled items, for exclusive channels. */
  backlog: Schema.NullOr(Schema.Int)
})
export interface ChannelView extends Schema.Schema.Type<typeof ChannelView> {}

export const ModuleView = Schema.Struct({
  id: Schema.String,
  framework: Schema.String,
  /** File it was loaded from; null for one handed over as an object. */
  file: Schema.NullOr(Schema.String),
  digest: Schema.NullOr(Schema.String),
  origin: Schema.Literals(["config", "runtime"]),
  status: SystemStatus,
  tier: Schema.optionalKey(Schema.Literals(tiers)),
  /** Whose code it is. */
  trust: Schema.optionalKey(Schema.Literals(trusts)),
  /** It runs below the floor of its trust, because the config allows it. */
  weak: Schema.optionalKey(Schema.Boolean),
  /** What it asks for beyond what was approved: it is not docked before somebody approves it. */
  needs: Schema.optionalKey(Schema.Array(Schema.String))
})
export interface ModuleView extends Schema.Schema.Type<typeof ModuleView> {}

export const StoreView = Schema.Struct({
  backend: Schema.String,
  path: Schema.NullOr(Schema.String),
  format: Schema.Int,
  events: Schema.Int,
  channels: Schema.Int,
  bytes: Schema.Int,
  durability: Schema.String,
  /** Why writes are stopped, or null. */
  stopped: Schema.NullOr(Schema.String)
})
export interface StoreView extends Schema.Schema.Type<typeof StoreView> {}

export const KernelStatus = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  version: Schema.String,
  pid: Schema.Int,
  /** Boots of this store, this one included. */
  boot: Schema.Int,
  startedAt: Schema.Int,
  now: Schema.Int,
  directory: Schema.String,
  policy: Schema.String,
  /** What an operator must know of it: frozen, put in force at run time, or not here. */
  policyNotes: Schema.Array(Schema.String),
  /** Since when nothing new starts; null: it is not frozen. */
  frozen: Schema.NullOr(FreezeView),
  store: StoreView,
  systems: Schema.Int,
  grants: Schema.Int,
  /** Warrants that wait for a human. */
  waiting: Schema.Int,
  /** Warrants whose outcome nobody knows. */
  unknown: Schema.Int,
  /** What an approval from outside the kernel's process needs from which risk up, and what there is for it. */
  proof: Schema.optionalKey(Schema.Struct({ from: Schema.String, terminal: Schema.Boolean, passphrase: Schema.Boolean })),
  journalHead: Schema.Int,
  /** Milliseconds of a clock jump that is not confirmed, or null. */
  clockJump: Schema.NullOr(Schema.Finite)
})
export interface KernelStatus extends Schema.Schema.Type<typeof KernelStatus> {}

/** A grant that is in force. Its id is what its holder presents; it is worth nothing in another's hands. */
export const GrantView = Schema.Struct({
  ...Grant.fields,
  /** Actions that were started under it, its descendants' included. */
  uses: Schema.Int
})
export interface GrantView extends Schema.Schema.Type<typeof GrantView> {}

/** A grant with everything that it is checked together with. */
export const GrantStory = Schema.Struct({
  ...GrantView.fields,
  /** Those above it, its parent first. */
  chain: Schema.Array(GrantView),
  /** Actions that may still be started under it, as far as it and those above it count them; null: they do not. */
  usesLeft: Schema.NullOr(Schema.Int),
  /** When it or the first above it ends, in kernel time; null: none does by itself. */
  endsAt: Schema.NullOr(Schema.Int),
  /** How many hang below it. */
  below: Schema.Int
})
export interface GrantStory extends Schema.Schema.Type<typeof GrantStory> {}

/** What a human said of an action that waited. */
export const GateAnswer = Schema.Struct({
  by: Schema.String,
  outcome: Schema.Literals(["approved", "refused"]),
  reason: Schema.String,
  at: Schema.Int
})
export interface GateAnswer extends Schema.Schema.Type<typeof GateAnswer> {}

/** What somebody found had become of an action whose outcome nobody knew. */
export const Reconciliation = Schema.Struct({
  by: Schema.String,
  outcome: Schema.Literals(["succeeded", "failed"]),
  reason: Schema.String,
  at: Schema.Int
})
export interface Reconciliation extends Schema.Schema.Type<typeof Reconciliation> {}

/** A warrant as a human decides on it: with the final arguments, not the requester's summary. `reason` is that of its newest state. */
export const GateView = Schema.Struct({
  ...Warrant.fields,
  /** The final payload that is digested, approved and executed. Null when its body was evicted. */
  payload: Schema.Json,
  /** Why it failed, or what it gave. */
  result: Schema.Json,
  /** Why the rule decided as it did when it was asked for. */
  verdict: Schema.String,
  /** Null when nobody was asked, or nobody answered yet. */
  answer: Schema.NullOr(GateAnswer),
  reconciled: Schema.NullOr(Reconciliation)
})
export interface GateView extends Schema.Schema.Type<typeof GateView> {}

/** Checkpoints of the journal that lie outside the store. */
export const EvidenceView = Schema.Struct({
  where: Schema.String,
  /** Public key that signs them, base64url. */
  key: Schema.String,
  /** Entries of the journal, and how many the newest checkpoint covers. */
  size: Schema.Int,
  covered: Schema.Int,
  /** When the newest one was written, in Unix milliseconds; null: not since the start. */
  at: Schema.NullOr(Schema.Finite),
  /** Why none can be written, or null. */
  problem: Schema.NullOr(Schema.String)
})
export interface EvidenceView extends Schema.Schema.Type<typeof EvidenceView> {}

/** Everything that is kept outside the store; null and none where the store dies with the kernel. */
export const CheckpointsView = Schema.Struct({
  /** Public key that signs them, base64url. */
  key: Schema.NullOr(Schema.String),
  where: Schema.NullOr(Schema.String),
  /** Signed notes, oldest first. */
  checkpoints: Schema.Array(Schema.String)
})
export interface CheckpointsView extends Schema.Schema.Type<typeof CheckpointsView> {}

/** What the journal says of one action, each a compact JWS of the audit key. */
export const Receipts = Schema.Struct({
  decision: Schema.String,
  /** Null as long as it has no outcome. */
  execution: Schema.NullOr(Schema.String)
})
export interface Receipts extends Schema.Schema.Type<typeof Receipts> {}

export const AuditReport = Schema.Struct({
  ok: Schema.Boolean,
  entries: Schema.Int,
  /** Hash of the newest entry, lower-case hexadecimal. */
  chainHead: Schema.String,
  firstCursor: Schema.Int,
  head: Schema.Int,
  /** What is wrong, first mistake first. */
  problems: Schema.Array(Schema.String),
  /** Position of the first entry that is wrong or missing. */
  firstBad: Schema.optionalKey(Schema.Int),
  /** RFC 6962 Merkle root over all entries, base64. */
  root: Schema.optionalKey(Schema.String),
  /** Checkpoints outside the store that the journal was held against; absent: none are kept. */
  checkpoints: Schema.optionalKey(Schema.Int),
  evidence: Schema.optionalKey(EvidenceView),
  /** Bodies of actions that are kept, and those that were erased; the journal holds only their digests. */
  bodies: Schema.optionalKey(Schema.Struct({ kept: Schema.Int, erased: Schema.Int }))
})
export interface AuditReport extends Schema.Schema.Type<typeof AuditReport> {}

/** An executor that is served now. */
export const ExecutorView = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  /** Who serves it: the kernel for those of its config, or a docked system. */
  owner: Schema.String,
  /** The highest of all its calls. */
  risk: Risk,
  recovery: Recovery,
  /** Risk, or what may be done after a crash, depends on the call. */
  varies: Schema.Boolean,
  external: Schema.Boolean,
  labels: Schema.Array(Schema.String),
  /** What it could not reach several times in a row, and is not asked of it now. */
  leftAlone: Schema.Array(Schema.String)
})
export interface ExecutorView extends Schema.Schema.Type<typeof ExecutorView> {}

/** A secret of the config: all but its value. */
export const SecretView = Schema.Struct({
  name: Schema.String,
  from: Schema.String,
  hosts: Schema.Array(Schema.String),
  programs: Schema.Array(Schema.String),
  executors: Schema.Array(Schema.String),
  /** Why it cannot be read now; null: it can. */
  problem: Schema.NullOr(Schema.String)
})
export interface SecretView extends Schema.Schema.Type<typeof SecretView> {}
