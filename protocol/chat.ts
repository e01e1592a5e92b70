// What a chat is: messages in, one answer out. The same words for every backend; those of the OpenAI API where it has some.
import * as Schema from "effect/Schema"

/** One message of a chat, its messages, its tools, and a name in it; in UTF-16 code units and counts. */
export const chatContentMax = 400_000
export const chatMessagesMax = 1_000
export const chatToolsMax = 128
const nameMax = 200
/** Tokens of one answer. */
export const chatTokensMax = 1_000_000

const Content = Schema.String.check(Schema.isMaxLength(chatContentMax))
const Name = Schema.NonEmptyString.check(Schema.isMaxLength(nameMax))

/** A tool that the model wants to be called. `arguments` is the JSON text that it wrote, whatever it is. */
export const ToolCall = Schema.Struct({ id: Name, name: Name, arguments: Content })
export interface ToolCall extends Schema.Schema.Type<typeof ToolCall> {}

export const ChatMessage = Schema.Union([
  Schema.Struct({ role: Schema.Literals(["system", "user"]), content: Content }),
  Schema.Struct({ role: Schema.Literal("assistant"), content: Content, toolCalls: Schema.optionalKey(Schema.Array(ToolCall).check(Schema.isMaxLength(chatToolsMax))) }),
  Schema.Struct({ role: Schema.Literal("tool"), toolCallId: Name, content: Content })
])
export type ChatMessage = typeof ChatMessage.Type

/** `parameters` is a JSON Schema. */
export const ChatTool = Schema.Struct({
  name: Name,
  description: Schema.optionalKey(Content),
  parameters: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
})
export interface ChatTool extends Schema.Schema.Type<typeof ChatTool> {}

export const ChatRequest = Schema.Struct({
  messages: Schema.NonEmptyArray(ChatMessage).check(Schema.isMaxLength(chatMessagesMax)),
  tools: Schema.optionalKey(Schema.Array(ChatTool).check(Schema.isMaxLength(chatToolsMax))),
  toolChoice: Schema.optionalKey(Schema.Literals(["auto", "none", "required"])),
  /** Another model of the same backend; config says which may be named. */
  model: Schema.optionalKey(Name),
  temperature: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  /** Tokens of the answer at most; default and bound: the backend's. */
  maxTokens: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: chatTokensMax }))),
  stop: Schema.optionalKey(Schema.Array(Schema.NonEmptyString).check(Schema.isMaxLength(16)))
})
export interface ChatRequest extends Schema.Schema.Type<typeof ChatRequest> {}

export const Usage = Schema.Struct({ inputTokens: Schema.Int, outputTokens: Schema.Int })
export interface Usage extends Schema.Schema.Type<typeof Usage> {}

/** What `llm.chat` gives. */
export const ChatAnswer = Schema.Struct({
  content: Schema.String,
  toolCalls: Schema.Array(ToolCall),
  finish: Schema.Literals(["stop", "length", "tool_calls", "content_filter"]),
  model: Schema.String,
  /** Null when the backend did not say: what was reserved is charged then. */
  usage: Schema.NullOr(Usage)
})
export interface ChatAnswer extends Schema.Schema.Type<typeof ChatAnswer> {}

/**
 * Tokens that a request has at most, so far as it can be told without the model's own tokenizer: half its bytes, for no
 * common tokenizer makes more than one token of two bytes on the average, and eight for the frame of each message.
 */
export const inputTokensMax = ({ messages, tools = [] }: Pick<ChatRequest, "messages" | "tools">): number =>
  Math.ceil(new TextEncoder().encode(JSON.stringify([messages, tools])).length / 2) + 8 * messages.length
