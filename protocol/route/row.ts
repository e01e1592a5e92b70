// One row of a table of routes, and the small schemas that rows share.
import * as Schema from "effect/Schema"
import { Cursor } from "../names.ts"

/** No keys at all. A struct without fields would accept every object. */
export const None = Schema.Record(Schema.String, Schema.Never)
export const Done = Schema.Struct({})
export const Text = Schema.optionalKey(Schema.String)
/** A number in a query; it must be exact. */
export const NumberText = Schema.FiniteFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
)
export const MaybeNumber = Schema.optionalKey(NumberText)
export const MaybeCursor = Schema.optionalKey(Cursor)

/** Longest time that a request may wait for something to happen, in milliseconds. */
export const waitMillisMax = 25_000
export const Wait = Schema.optionalKey(NumberText.pipe(Schema.check(Schema.isLessThanOrEqualTo(waitMillisMax))))
/** The same in a body. */
export const WaitNumber = Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: waitMillisMax })))

/** What narrows a read, in a query. */
export const filterText = { kind: Text, sender: Text, recipient: Text, correlationId: Text, parentId: Text, subject: Text }

/** Groups of the description, in its order. */
export const groups = {
  channels: "Named sequences of events: create, append, read, follow, take and settle.",
  events: "Events of every channel.",
  artifacts: "Bytes, kept by their digest.",
  snapshots: "The latest value of a name, with a revision.",
  subscriptions: "Durable cursors.",
  systems: "Who is docked, and what it may go on doing.",
  capabilities: "Who holds which grant.",
  budgets: "What systems and grants may spend, and have spent.",
  tokens: "Credentials of guests.",
  keys: "Keys of systems outside, and of the kernel's own tokens.",
  actions: "Effects that the operator asks for.",
  executors: "Where effects happen, and the secrets that they are handed.",
  gate: "Actions that wait for a human, are under way, or ended unknown.",
  policy: "The policy in force, why it says what it says, and the kill switch.",
  modules: "What was loaded.",
  audit: "The journal: every decision of the kernel.",
  kernel: "The kernel itself."
} as const
export type Group = keyof typeof groups

/** `verb` is a suffix of the last segment: `POST /v1/systems/echo:pause`. Names never hold a colon. */
export interface Row {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  /** With at most one `:id`. */
  readonly path: `/v1/${string}`
  readonly verb?: string
  readonly group: Group
  /** One sentence: what it gives. */
  readonly says: string
  /** For every guest, as far as its credential allows. Absent: for the operator alone. */
  readonly guests?: true
  /** For whoever came with an enrolled key, too, each for itself alone. */
  readonly enrolled?: true
  /** For guests whose token was minted for approving, too. */
  readonly approvers?: true
  readonly query: Schema.Top
  readonly payload: Schema.Top
  readonly success: Schema.Top
  /** Status of its success; default 200. */
  readonly status?: 201
  /** Answers server-sent events, each of which is a `success`, as long as the client stays. */
  readonly stream?: true
  /** Chosen only when the client accepts this media type; the row of the same path without it is for all others. */
  readonly accept?: "text/event-stream"
  /** Bytes of any media type in place of a JSON body, or of a JSON answer. */
  readonly bytes?: "in" | "out"
  /** Headers that it heeds, with what they mean. */
  readonly headers?: Readonly<Record<string, string>>
  /** Other media types that it takes or gives, beside JSON. */
  readonly media?: ReadonlyArray<string>
}

/** The code on the kernel's terminal, or the passphrase: what an approval from outside needs from a risk up. */
export const proof = {
  code: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(64))),
  passphrase: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1024)))
}

export const row = <const R extends Row>(value: R): R => value
