// HTTP as a table: method, path, what goes in and what comes out. A door serves it, a client calls it; neither knows a
// path that is not here.
import * as Schema from "effect/Schema"
import { ActionRequest } from "./authority.ts"
import { Appended, Draft, Event, Page } from "./event.ts"
import { Cursor } from "./names.ts"
import { Snapshot } from "./snapshot.ts"
import { AuditReport, ChannelView, GateView, KernelStatus, ModuleView, StoreView, SystemView } from "./view.ts"
import { WarrantState } from "./warrant.ts"

/** No keys at all. A struct without fields would accept every object. */
const None = Schema.Record(Schema.String, Schema.Never)
const Done = Schema.Struct({})
const Text = Schema.optionalKey(Schema.String)
const NumberText = Schema.FiniteFromString.pipe(Schema.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(0)))

/** Longest time that a request may wait for something to happen, in milliseconds. */
export const waitMillisMax = 25_000
const Wait = Schema.optionalKey(NumberText.pipe(Schema.check(Schema.isLessThanOrEqualTo(waitMillisMax))))

const ReadQuery = Schema.Struct({
  after: Schema.optionalKey(NumberText),
  limit: Schema.optionalKey(NumberText),
  kind: Text,
  sender: Text,
  recipient: Text,
  correlationId: Text,
  parentId: Text,
  subject: Text,
  /** Milliseconds to wait for an event when there is none behind `after`. */
  wait: Wait
})

const TailQuery = Schema.Struct({
  /** A channel, or a pattern with `*` for any characters. */
  pattern: Schema.NonEmptyString,
  /** Events behind this cursor, in each channel. */
  after: Schema.optionalKey(NumberText),
  /** At most so many of the newest events of each channel, when `after` and `since` are absent. */
  last: Schema.optionalKey(NumberText),
  /** Events not older than this, in Unix milliseconds. */
  since: Schema.optionalKey(NumberText),
  kind: Text,
  /** Go on with what happens from now on. */
  follow: Schema.optionalKey(Schema.Literal("true"))
})

const AppendPayload = Schema.Struct({
  events: Schema.Array(Draft),
  key: Text,
  expectedHead: Schema.optionalKey(Cursor)
})

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

/** One route. `verb` is a suffix of the last segment: `POST /v1/systems/echo:pause`. Names never hold a colon. */
interface Row {
  readonly method: "GET" | "POST" | "DELETE"
  readonly path: `/v1/${string}`
  readonly verb?: string
  readonly query: Schema.Top
  readonly payload: Schema.Top
  readonly success: Schema.Top
  /** Answers server-sent events, each of which is a `success`, as long as the client stays. */
  readonly stream?: true
}

const row = <const R extends Row>(value: R): R => value

export const routes = {
  status: row({ method: "GET", path: "/v1/status", query: None, payload: None, success: KernelStatus }),
  doctor: row({ method: "GET", path: "/v1/doctor", query: None, payload: None, success: DoctorView }),
  down: row({ method: "POST", path: "/v1/down", query: None, payload: None, success: Done }),
  systems: row({ method: "GET", path: "/v1/systems", query: None, payload: None, success: Schema.Array(SystemView) }),
  pause: row({ method: "POST", path: "/v1/systems/:id", verb: "pause", query: None, payload: None, success: Done }),
  resume: row({ method: "POST", path: "/v1/systems/:id", verb: "resume", query: None, payload: None, success: Done }),
  drain: row({
    method: "POST", path: "/v1/systems/:id", verb: "drain", query: None, success: Done,
    payload: Schema.Struct({ timeoutMillis: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_600_000 }))) })
  }),
  revoke: row({ method: "POST", path: "/v1/systems/:id", verb: "revoke", query: None, payload: None, success: Done }),
  undock: row({ method: "DELETE", path: "/v1/systems/:id", query: None, payload: None, success: Done }),
  channels: row({ method: "GET", path: "/v1/channels", query: None, payload: None, success: Schema.Array(ChannelView) }),
  read: row({ method: "GET", path: "/v1/channels/:id/events", query: ReadQuery, payload: None, success: Page }),
  append: row({
    method: "POST", path: "/v1/channels/:id/events", query: None, payload: AppendPayload, success: Schema.Array(Appended)
  }),
  tail: row({ method: "GET", path: "/v1/events", query: TailQuery, payload: None, success: Event, stream: true }),
  snapshot: row({ method: "GET", path: "/v1/snapshots/:id", query: None, payload: None, success: Snapshot }),
  act: row({ method: "POST", path: "/v1/actions", query: Schema.Struct({ wait: Wait }), payload: ActPayload, success: ActionProgress }),
  action: row({
    method: "GET", path: "/v1/actions/:id", payload: None, success: ActionProgress,
    /** `after`: the cursor of the newest reply that the client knows. */
    query: Schema.Struct({ after: Schema.optionalKey(NumberText), wait: Wait })
  }),
  gate: row({
    method: "GET", path: "/v1/gate/requests", payload: None, success: Schema.Array(GateView),
    query: Schema.Struct({ state: Schema.optionalKey(WarrantState), limit: Schema.optionalKey(NumberText) })
  }),
  warrant: row({ method: "GET", path: "/v1/gate/requests/:id", query: None, payload: None, success: GateView }),
  approve: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "approve", query: None, success: GateView,
    payload: Schema.Struct({ digest: Text, reason: Text })
  }),
  deny: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "deny", query: None, success: GateView,
    payload: Schema.Struct({ reason: Schema.String })
  }),
  reconcile: row({
    method: "POST", path: "/v1/gate/requests/:id", verb: "reconcile", query: None, success: GateView,
    payload: Schema.Struct({ outcome: Schema.Literals(["succeeded", "failed"]), reason: Schema.String })
  }),
  modules: row({ method: "GET", path: "/v1/modules", query: None, payload: None, success: Schema.Array(ModuleView) }),
  loadModule: row({ method: "POST", path: "/v1/modules", query: None, payload: LoadPayload, success: ModuleView }),
  audit: row({
    method: "GET", path: "/v1/audit", payload: None, success: Schema.Array(Event),
    query: Schema.Struct({ after: Schema.optionalKey(NumberText), limit: Schema.optionalKey(NumberText) })
  }),
  verify: row({ method: "GET", path: "/v1/audit/verify", query: None, payload: None, success: AuditReport }),
  confirmClock: row({
    method: "POST", path: "/v1/clock/confirm", query: None, payload: None,
    /** Milliseconds of the jump that was confirmed; null when there was none. */
    success: Schema.Struct({ millis: Schema.NullOr(Schema.Finite) })
  })
} as const

export type Routes = typeof routes
export type RouteName = keyof Routes

export type QueryOf<Name extends RouteName> = Schema.Schema.Type<Routes[Name]["query"]>
export type PayloadOf<Name extends RouteName> = Schema.Schema.Type<Routes[Name]["payload"]>
export type SuccessOf<Name extends RouteName> = Schema.Schema.Type<Routes[Name]["success"]>

/** A name with `*` for any characters, as an expression; everything else stands for itself. */
export const patternOf = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/gu, "\\$&").replace(/\*+/gu, ".*")}$`, "u")
