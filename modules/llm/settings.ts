// What an agent system is made of: agents with prompts, a tactic over them, tools, and where its tasks come from.
import { Schema } from "aaax"

const Text = Schema.NonEmptyString

export const Agent = Schema.Struct({
  name: Text,
  /** What it is told before anything else. `{name}` stands for a variable of the task. */
  system: Schema.optionalKey(Schema.String),
  /** A backend of `llm.chat`, or a model; absent: that of all. */
  model: Schema.optionalKey(Schema.String),
  temperature: Schema.optionalKey(Schema.Finite),
  maxTokens: Schema.optionalKey(Schema.Int)
})
export interface Agent extends Schema.Schema.Type<typeof Agent> {}

/** An executor that the model may ask for. Without `parameters` it gives `target` and `payload` itself. */
export const Tool = Schema.Struct({
  executor: Text,
  /** As the model sees it; default: the executor's name, with `_` for what a name may not hold. */
  name: Schema.optionalKey(Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{1,64}$/u))),
  description: Schema.optionalKey(Schema.String),
  /** JSON Schema of the arguments. They are the payload then, but for a member `target`, which is the target. */
  parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
})
export interface Tool extends Schema.Schema.Type<typeof Tool> {}

export const LlmSettings = Schema.Struct({
  id: Text,
  description: Schema.optionalKey(Schema.String),
  /** `chat`: the first agent answers, with tools. `pipeline`: all in order, each given what the one before said. Or one of `tactics`. */
  tactic: Schema.optionalKey(Text),
  agents: Schema.optionalKey(Schema.Array(Agent)),
  /** Of all agents that name none. */
  model: Schema.optionalKey(Schema.String),
  tools: Schema.optionalKey(Schema.Array(Tool)),
  /** Questions to a model for one task at most. */
  roundsMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))),
  /** Values for `{name}` in prompts; a task's own win. */
  variables: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** Texts by name, for tactics of one's own. */
  prompts: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** Executors beside those of the tools. */
  executors: Schema.optionalKey(Schema.Array(Text)),
  /** Channels of others that the model may read, append to, and whose events are tasks. */
  reads: Schema.optionalKey(Schema.Array(Text)),
  writes: Schema.optionalKey(Schema.Array(Text)),
  follows: Schema.optionalKey(Schema.Array(Text))
})
export interface LlmSettings extends Schema.Schema.Type<typeof LlmSettings> {}
