// Views: what a kernel says of itself to operators. Doors serve them, the command line prints them.
import * as Schema from "effect/Schema"
import { Grant } from "./authority.ts"
import { Channel } from "./channel.ts"
import { SystemStatus } from "./lifecycle.ts"
import { Warrant } from "./warrant.ts"

export const SystemView = Schema.Struct({
  id: Schema.String,
  status: SystemStatus,
  module: Schema.NullOr(Schema.String),
  framework: Schema.String,
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
  status: SystemStatus
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
  store: StoreView,
  systems: Schema.Int,
  grants: Schema.Int,
  /** Warrants that wait for a human. */
  waiting: Schema.Int,
  /** Warrants whose outcome nobody knows. */
  unknown: Schema.Int,
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

export const AuditReport = Schema.Struct({
  ok: Schema.Boolean,
  entries: Schema.Int,
  /** Hash of the newest entry, lower-case hexadecimal. */
  chainHead: Schema.String,
  firstCursor: Schema.Int,
  head: Schema.Int,
  /** What is wrong, first mistake first. */
  problems: Schema.Array(Schema.String)
})
export interface AuditReport extends Schema.Schema.Type<typeof AuditReport> {}
