// Routes of the kernel: what its operator sees and decides.
import * as Schema from "effect/Schema"
import { ActionRequest } from "../authority.ts"
import { Event } from "../event.ts"
import { AuditReport, KernelStatus, ModuleView, StoreView, SystemView } from "../view.ts"
import { Done, MaybeNumber, None, row, Text, Wait } from "./row.ts"

/** Where an action stands: its request's id, and the newest answer that the kernel gave. */
export const ActionProgress = Schema.Struct({
  request: Schema.String,
  reply: Schema.NullOr(Event),
  /** Nothing more will come. */
  final: Schema.Boolean
})
export interface ActionProgress extends Schema.Schema.Type<typeof ActionProgress> {}

const ActPayload = Schema.Struct({
  executor: ActionRequest.fields.executor,
  target: ActionRequest.fields.target,
  action: Text,
  payload: Schema.optionalKey(Schema.Json),
  risk: Text,
  /** The grant or the token under which it is asked for; default: the caller's own grant for the executor. */
  capability: Text,
  key: Text
})

const LoadPayload = Schema.Struct({
  /** Absolute path of a module file. */
  file: Schema.optionalKey(Schema.NonEmptyString),
  id: Text,
  framework: Text
})

export const DoctorView = Schema.Struct({
  status: KernelStatus,
  store: StoreView,
  /** What a check of everything that is kept found wrong. */
  storeProblems: Schema.Array(Schema.String),
  audit: AuditReport,
  systems: Schema.Array(SystemView)
})
export interface DoctorView extends Schema.Schema.Type<typeof DoctorView> {}

export const kernelRoutes = {
  status: row({ method: "GET", path: "/v1/status", group: "kernel", says: "What runs, where it keeps things, and what waits.", query: None, payload: None, success: KernelStatus }),
  doctor: row({ method: "GET", path: "/v1/doctor", group: "kernel", says: "Checks the store, the journal and every system.", query: None, payload: None, success: DoctorView }),
  down: row({ method: "POST", path: "/v1/down", group: "kernel", says: "Drains and stops the kernel.", query: None, payload: None, success: Done }),
  confirmClock: row({
    method: "POST", path: "/v1/clock/confirm", group: "kernel", says: "Believes the wall clock after a jump that was held back.", query: None, payload: None,
    /** Milliseconds of the jump that was confirmed; null when there was none. */
    success: Schema.Struct({ millis: Schema.NullOr(Schema.Finite) })
  }),
  systems: row({ method: "GET", path: "/v1/systems", group: "systems", says: "Docked systems and their state.", query: None, payload: None, success: Schema.Array(SystemView) }),
  system: row({ method: "GET", path: "/v1/systems/:id", group: "systems", says: "One docked system.", query: None, payload: None, success: SystemView }),
  pause: row({ method: "POST", path: "/v1/systems/:id", verb: "pause", group: "systems", says: "Suspends it at its next kernel call.", query: None, payload: None, success: Done }),
  resume: row({ method: "POST", path: "/v1/systems/:id", verb: "resume", group: "systems", says: "Lets a paused or quarantined one go on.", query: None, payload: None, success: Done }),
  drain: row({
    method: "POST", path: "/v1/systems/:id", verb: "drain", group: "systems", says: "Gives it no new work, lets it finish, then stops it.", query: None, success: Done,
    payload: Schema.Struct({ timeoutMillis: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_600_000 }))) })
  }),
  revoke: row({ method: "POST", path: "/v1/systems/:id", verb: "revoke", group: "systems", says: "Ends its grants and stops it for good.", query: None, payload: None, success: Done }),
  undock: row({ method: "DELETE", path: "/v1/systems/:id", group: "systems", says: "Takes its port and grants back and stops it.", query: None, payload: None, success: Done }),
  act: row({
    method: "POST", path: "/v1/actions", group: "actions", enrolled: true, says: "Asks the gate for an effect.", query: Schema.Struct({ wait: Wait }), payload: ActPayload, success: ActionProgress
  }),
  action: row({
    method: "GET", path: "/v1/actions/:id", group: "actions", enrolled: true, says: "Where an action stands.", payload: None, success: ActionProgress,
    /** `after`: the cursor of the newest reply that the client knows. */
    query: Schema.Struct({ after: MaybeNumber, wait: Wait })
  }),
  modules: row({ method: "GET", path: "/v1/modules", group: "modules", says: "Modules of the running kernel.", query: None, payload: None, success: Schema.Array(ModuleView) }),
  loadModule: row({ method: "POST", path: "/v1/modules", group: "modules", says: "Loads a module file.", query: None, payload: LoadPayload, success: ModuleView }),
  approveModule: row({
    method: "POST", path: "/v1/modules/:id", verb: "approve", group: "modules",
    says: "Loads a module that waits because it asks for more than was approved, or is another file.", query: None, payload: None, success: ModuleView
  }),
  audit: row({
    method: "GET", path: "/v1/audit", group: "audit", says: "Entries of the journal.", payload: None, success: Schema.Array(Event),
    query: Schema.Struct({ after: MaybeNumber, limit: MaybeNumber })
  }),
  verify: row({ method: "GET", path: "/v1/audit/verify", group: "audit", says: "Checks the chain of the journal from its first entry.", query: None, payload: None, success: AuditReport })
} as const
