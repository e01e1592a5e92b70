// What a chat is: messages in, one answer out. The same words for every backend; those of the OpenAI API where it has some.
import * as Schema from "effect/Schema"
import { llmContentMax, llmMessagesMax, llmNameMax, llmToolsMax, llmTokensMax } from "../../limits.ts"

const Content = Schema.String.check(Schema.isMaxLength(llmContentMax))
const Name = Schema.NonEmptyString.check(Schema.isMaxLength(llmNameMax))

/** A tool that the model wants to be called. `arguments` is the JSON text that it wrote, whatever it is. */
export const ToolCall = Schema.Struct({ id: Name, name: Name, arguments: Content })
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

export const Message = Schema.Union([
  Schema.Struct({ role: Schema.Literals(["system", "user"]), content: Content }),
  Schema.Struct({ role: Schema.Literal("assistant"), content: Content, toolCalls: Schema.optionalKey(Schema.Array(ToolCall).check(Schema.isMaxLength(llmToolsMax))) }),
  Schema.Struct({ role: Schema.Literal("tool"), toolCallId: Name, content: Content })
])
export type Message = typeof Message.Type

/** `parameters` is a JSON Schema. */
export const Tool = Schema.Struct({
  name: Name,
  description: Schema.optionalKey(Content),
  parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
})
export interface Tool extends Schema.Schema.Type<typeof Tool> {}

export const ChatRequest = Schema.Struct({
  messages: Schema.NonEmptyArray(Message).check(Schema.isMaxLength(llmMessagesMax)),
  tools: Schema.optionalKey(Schema.Array(Tool).check(Schema.isMaxLength(llmToolsMax))),
  toolChoice: Schema.optionalKey(Schema.Literals(["auto", "none", "required"])),
  /** Another model of the same backend; config says which may be named. */
  model: Schema.optionalKey(Name),
  temperature: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  /** Tokens of the answer at most; default and bound: the backend's. */
  maxTokens: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: llmTokensMax }))),
  stop: Schema.optionalKey(Schema.Array(Schema.NonEmptyString).check(Schema.isMaxLength(16)))
})
export interface ChatRequest extends Schema.Schema.Type<typeof ChatRequest> {}

export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** What `llm.chat` gives. */
export interface ChatAnswer {
  readonly content: string
  readonly toolCalls: ReadonlyArray<ToolCall>
  readonly finish: "stop" | "length" | "tool_calls" | "content_filter"
  readonly model: string
  /** Null when the backend did not say: what was reserved is charged then. */
  readonly usage: Usage | null
}

/**
 * Tokens that a request has at most, so far as it can be told without the model's own tokenizer: half its bytes, for no
 * common tokenizer makes more than one token of two bytes on the average, and eight for the frame of each message.
 */
export const inputTokensMax = ({ messages, tools = [] }: Pick<ChatRequest, "messages" | "tools">): number =>
  Math.ceil(new TextEncoder().encode(JSON.stringify([messages, tools])).length / 2) + 8 * messages.length
