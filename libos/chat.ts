// Talking to a language model through the gate: one question, or a conversation in which the model calls tools.
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { ChatAnswer, type ChatMessage, type ChatRequest, type ChatTool } from "../protocol/chat.ts"
import { EffectFailed, InvalidPayload, Refused } from "../protocol/errors.ts"
import type { ActOptions } from "./authority.ts"

/** Whoever can act: a handler's second argument, a module's context, a system. */
export interface Acting {
  readonly act: (executor: "llm.chat", options: ActOptions) => Promise<unknown>
}

export interface ChatOptions {
  /** A backend of `llm.chat`, or a model that one has; default: its default. */
  readonly model?: string
  readonly key?: string
  readonly timeoutMillis?: number
  /** Called with each part of the answer's text as it comes. */
  readonly onText?: (text: string) => void
}

const textIn = (value: unknown): string | undefined =>
  typeof value === "object" && value !== null && "text" in value && typeof value.text === "string" ? value.text : undefined

const decode = Schema.decodeUnknownExit(ChatAnswer)

/** Asks once. Throws what acting throws. */
export const chat = async (on: Acting, request: ChatRequest, { model = "", onText, ...options }: ChatOptions = {}): Promise<ChatAnswer> => {
  const onProgress = onText === undefined ? {} : { onProgress: (value: unknown) => onText(textIn(value) ?? "") }
  const answer = decode(await on.act("llm.chat", { target: model, action: "chat", payload: request, ...onProgress, ...options }))
  if (Exit.isFailure(answer)) throw new InvalidPayload({ what: "answer of llm.chat", path: "", reason: "it is no chat answer" })
  return answer.value
}

/** A tool of a conversation. */
export interface Tooling extends ChatTool {
  /** Gets what the model wrote as arguments, parsed. What it gives is told to the model; a refusal or a failure too. */
  readonly run: (args: unknown) => Promise<unknown>
}

export interface ConversationOptions extends ChatOptions {
  readonly system?: string
  readonly messages: ReadonlyArray<ChatMessage>
  readonly tools?: ReadonlyArray<Tooling>
  readonly temperature?: number
  readonly maxTokens?: number
  /** Questions to the model at most; the last one is asked without tools. Default 8. */
  readonly roundsMax?: number
  /** Aborted between two questions: what was answered by then is the conversation. */
  readonly signal?: AbortSignal
}

export interface Conversation {
  /** The last thing that the model said. */
  readonly content: string
  /** Everything that was said, the system's words aside. */
  readonly messages: ReadonlyArray<ChatMessage>
  readonly rounds: number
  /** Null when a backend did not say. */
  readonly usage: ChatAnswer["usage"]
}

const roundsDefault = 8
/** What one tool tells the model at most, in UTF-16 code units. */
const toldMax = 50_000

const textOf = (value: unknown): string => {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null)
  return text.length <= toldMax ? text : `${text.slice(0, toldMax)}\n[${text.length - toldMax} characters left out]`
}

/** What a tool gave, or why it did not: the model may try something else. Anything that is nobody's answer is thrown. */
const told = async (tool: Tooling | undefined, name: string, text: string): Promise<string> => {
  if (tool === undefined) return `there is no tool ${name}`
  let args: unknown
  try {
    args = text.trim() === "" ? {} : JSON.parse(text)
  } catch {
    return "the arguments are not JSON"
  }
  try {
    return textOf(await tool.run(args))
  } catch (thrown) {
    if (thrown instanceof Refused) return `refused: ${thrown.reason}`
    if (thrown instanceof EffectFailed) return `${thrown.outcome}: ${thrown.reason}`
    if (thrown instanceof InvalidPayload) return `refused: ${thrown.message}`
    throw thrown
  }
}

/** Asks, runs the tools that the model calls, one after the other, and asks again, until it calls none. */
export const converse = async (
  on: Acting, { maxTokens, messages, roundsMax = roundsDefault, signal, system, temperature, tools = [], ...options }: ConversationOptions
): Promise<Conversation> => {
  const said: Array<ChatMessage> = [...messages]
  const offered = tools.map(({ description, name, parameters }): ChatTool => ({
    name, ...(description === undefined ? {} : { description }), ...(parameters === undefined ? {} : { parameters })
  }))
  let usage: Conversation["usage"] = { inputTokens: 0, outputTokens: 0 }
  for (let round = 1; ; round++) {
    const isLast = round >= roundsMax
    const all: ReadonlyArray<ChatMessage> = system === undefined || system === "" ? said : [{ role: "system", content: system }, ...said]
    const [first, ...rest] = all
    if (first === undefined) throw new InvalidPayload({ what: "conversation", path: "messages", reason: "there is nothing to answer" })
    const answer = await chat(on, {
      messages: [first, ...rest],
      ...(offered.length === 0 || isLast ? {} : { tools: offered }),
      ...(temperature === undefined ? {} : { temperature }),
      ...(maxTokens === undefined ? {} : { maxTokens })
    }, options.key === undefined ? options : { ...options, key: `${options.key}/${round}` })
    usage = usage === null || answer.usage === null
      ? null
      : { inputTokens: usage.inputTokens + answer.usage.inputTokens, outputTokens: usage.outputTokens + answer.usage.outputTokens }
    const { content, toolCalls } = answer
    said.push({ role: "assistant", content, ...(toolCalls.length === 0 ? {} : { toolCalls }) })
    if (toolCalls.length === 0 || isLast || signal?.aborted === true) return { content, messages: said, rounds: round, usage }
    for (const { arguments: text, id, name } of toolCalls) {
      said.push({ role: "tool", toolCallId: id, content: await told(tools.find((tool) => tool.name === name), name, text) })
    }
  }
}
