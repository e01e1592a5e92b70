// The backends of `llm.chat`, as a config says them.
import * as Schema from "effect/Schema"
import { chatTokensMax } from "../../../protocol/chat.ts"

const Text = Schema.NonEmptyString
const Tokens = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: chatTokensMax }))
const Common = {
  /** Tokens of one answer at most, and what a request gets that does not say. */
  maxTokens: Schema.optionalKey(Tokens),
  /** Microdollars for a million tokens. */
  price: Schema.optionalKey(Schema.Struct({ input: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)), output: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)) })),
  timeoutMillis: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_600_000 })))
}

export const BackendSpec = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("openai"),
    baseUrl: Text,
    model: Text,
    /** Others that a request may name. */
    models: Schema.optionalKey(Schema.Array(Text)),
    /** `secret:NAME`. */
    apiKey: Schema.optionalKey(Text),
    ...Common
  }),
  Schema.Struct({
    kind: Schema.Literal("rule"),
    rules: Schema.Array(Schema.Struct({
      when: Schema.optionalKey(Schema.Array(Text)),
      role: Schema.optionalKey(Schema.Literals(["user", "tool"])),
      say: Schema.optionalKey(Schema.String),
      call: Schema.optionalKey(Schema.Struct({ name: Text, arguments: Schema.Json }))
    })),
    ...Common
  }),
  Schema.Struct({ kind: Schema.Literal("replay"), file: Text, /** The backend that is asked for what is not recorded. */ record: Schema.optionalKey(Text), ...Common })
])
export type BackendSpec = typeof BackendSpec.Type

export const LlmConfig = Schema.Struct({
  /** The backend of a target that names none; absent: the first one. */
  default: Schema.optionalKey(Text),
  /** Other names of targets: a model that a package names, and what is asked for it here. */
  aliases: Schema.optionalKey(Schema.Record(Text, Text)),
  backends: Schema.Record(Schema.String, BackendSpec)
})
export interface LlmConfig extends Schema.Schema.Type<typeof LlmConfig> {}
