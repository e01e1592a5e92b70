// Policy as its operator sees it: what is in force and since when, what each rule says, and the log of what was in force.
import * as Schema from "effect/Schema"
import { Access } from "./authority.ts"

const Origin = Schema.Literals(["config", "operator"])

/** A policy that was put in force. */
export const PolicyEntry = Schema.Struct({
  version: Schema.String,
  /** In one line: its rules. */
  description: Schema.String,
  /** The config at a start, or an operator at run time. */
  origin: Origin,
  by: Schema.NullOr(Schema.String),
  reason: Schema.String,
  /** Kernel time in Unix milliseconds. */
  at: Schema.Int,
  /** Digest of the artifact that holds it as data; null for rules that are code, which cannot be put in force again from here. */
  artifact: Schema.NullOr(Schema.String),
  /** It had been in force before. */
  reverted: Schema.Boolean
})
export interface PolicyEntry extends Schema.Schema.Type<typeof PolicyEntry> {}

export const RuleView = Schema.Struct({ name: Schema.String, description: Schema.String })

export const PolicyView = Schema.Struct({
  version: Schema.String,
  description: Schema.String,
  origin: Origin,
  by: Schema.NullOr(Schema.String),
  reason: Schema.String,
  /** Null before anything was put in force. */
  since: Schema.NullOr(Schema.Int),
  rules: Schema.Array(RuleView),
  /** What the config says: in force, unless somebody put another one in force at run time. */
  config: Schema.Struct({ version: Schema.String, description: Schema.String }),
  /** Why the policy in force is not here, so that everything is denied; null when it is here. */
  missing: Schema.NullOr(Schema.String),
  /** As data, with the texts of every file; null for rules that are code. */
  document: Schema.Json
})
export interface PolicyView extends Schema.Schema.Type<typeof PolicyView> {}

/** Since when nothing starts, and why. */
export const FreezeView = Schema.Struct({ at: Schema.Int, by: Schema.String, reason: Schema.String })
export interface FreezeView extends Schema.Schema.Type<typeof FreezeView> {}

const Text = Schema.String
/** A question as a person puts it; what is left out is the most harmless. */
export const QuestionDraft = Schema.Union([
  Schema.StructWithRest(Schema.Struct({
    kind: Schema.Literal("action"), system: Text, executor: Text, target: Text, action: Schema.optionalKey(Text),
    payload: Schema.optionalKey(Schema.Json), risk: Schema.optionalKey(Text), recentActions: Schema.optionalKey(Schema.Int), now: Schema.optionalKey(Schema.Int)
  }), [Schema.Record(Schema.String, Schema.Json)]),
  Schema.Struct({
    kind: Schema.Literal("capability"), system: Text, resource: Text, access: Schema.optionalKey(Access),
    context: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)), declared: Schema.optionalKey(Schema.Boolean)
  }),
  Schema.Struct({
    kind: Schema.Literal("module"), module: Text, framework: Schema.optionalKey(Text), executors: Schema.optionalKey(Schema.Array(Text)),
    channels: Schema.optionalKey(Schema.Array(Text)), privileged: Schema.optionalKey(Schema.Boolean), configured: Schema.optionalKey(Schema.Boolean)
  })
])
export type QuestionDraft = Schema.Schema.Type<typeof QuestionDraft>

const Said = Schema.Struct({ outcome: Schema.Literals(["allow", "deny", "escalate"]), rule: Schema.String, reason: Schema.String })

export const Explanation = Schema.Struct({
  /** What was asked, with what engines said to it. */
  question: Schema.Json,
  version: Schema.String,
  verdict: Said,
  rules: Schema.Array(Schema.Struct({
    rule: Schema.String, description: Schema.String,
    /** Null: it abstained. */
    outcome: Schema.NullOr(Said.fields.outcome),
    reason: Schema.String
  })),
  /** What was said when it was asked for, and by which version; null for a question that nobody asked. */
  recorded: Schema.NullOr(Schema.Struct({ ...Said.fields, version: Schema.String, at: Schema.Int }))
})
export interface Explanation extends Schema.Schema.Type<typeof Explanation> {}
