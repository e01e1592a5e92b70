// The backend that speaks the chat API of OpenAI, which local servers and most providers speak too: streamed, with tools.
// Source: the public API reference of chat completions.
import { llmAnswerMax } from "../../limits.ts"
import { dataParser } from "../../power/sse.ts"
import { NotDone } from "../executor.ts"
import type { Backend } from "./backend.ts"
import { chatToolsMax, type ChatAnswer, type ChatMessage, type ChatRequest, type ToolCall, type Usage } from "../../../protocol/chat.ts"

export interface OpenAIOptions {
  /** Up to and without `/chat/completions`: `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string
  /** The key, read anew for each call; absent: none is sent. */
  readonly apiKey?: () => string
}

const messageOf = (message: ChatMessage): unknown => {
  switch (message.role) {
    case "tool":
      return { role: "tool", tool_call_id: message.toolCallId, content: message.content }
    case "assistant":
      return {
        role: "assistant",
        content: message.content,
        ...(message.toolCalls === undefined || message.toolCalls.length === 0
          ? {}
          : { tool_calls: message.toolCalls.map(({ arguments: text, id, name }) => ({ id, type: "function", function: { name, arguments: text } })) })
      }
    default:
      return message
  }
}

const bodyOf = (request: ChatRequest, model: string, maxTokens: number): string =>
  JSON.stringify({
    model,
    messages: request.messages.map(messageOf),
    max_tokens: maxTokens,
    stream: true,
    stream_options: { include_usage: true },
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
    ...(request.stop === undefined ? {} : { stop: request.stop }),
    ...(request.tools === undefined || request.tools.length === 0
      ? {}
      : {
          tools: request.tools.map(({ description, name, parameters }) => ({
            type: "function", function: { name, ...(description === undefined ? {} : { description }), parameters: parameters ?? { type: "object", properties: {} } }
          })),
          ...(request.toolChoice === undefined ? {} : { tool_choice: request.toolChoice })
        })
  })

const finishes: Readonly<Record<string, ChatAnswer["finish"]>> = { stop: "stop", length: "length", tool_calls: "tool_calls", function_call: "tool_calls", content_filter: "content_filter" }

type Fields = Readonly<Record<string, unknown>>
const fields = (value: unknown): Fields => (typeof value === "object" && value !== null ? (value as Fields) : {}) // an object is a record of unknowns
const text = (value: unknown): string => (typeof value === "string" ? value : "")
const count = (value: unknown): number | undefined => (Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined)

/** Puts the chunks of a stream together. */
const collector = (asked: string, onText: (text: string) => void) => {
  const calls: Array<{ id: string; name: string; arguments: string }> = []
  let content = ""
  let size = 0
  let finish: ChatAnswer["finish"] | undefined
  let model = asked
  let usage: Usage | null = null
  const grown = (more: number): void => {
    size += more
    if (size > llmAnswerMax) throw new Error(`the answer has more than ${llmAnswerMax} characters`)
  }
  const collected = {
    /** One JSON chunk. */
    chunk: (data: string): void => {
      let parsed: Fields
      try {
        parsed = fields(JSON.parse(data))
      } catch {
        throw new Error("the backend sent a chunk that is not JSON")
      }
      if (parsed["error"] !== undefined && parsed["error"] !== null) throw new Error(`the backend broke off: ${text(fields(parsed["error"])["message"]).slice(0, 500) || "it gave no reason"}`)
      if (text(parsed["model"]) !== "") model = text(parsed["model"]).slice(0, 200)
      const used = fields(parsed["usage"])
      const [input, output] = [count(used["prompt_tokens"]), count(used["completion_tokens"])]
      if (input !== undefined && output !== undefined) usage = { inputTokens: input, outputTokens: output }
      const choices: unknown = parsed["choices"]
      const choice = fields(Array.isArray(choices) ? choices[0] : undefined)
      // A backend that does not stream answers with a whole message.
      const delta = fields(choice["delta"] ?? choice["message"])
      const part = text(delta["content"])
      if (part !== "") {
        grown(part.length)
        content += part
        onText(part)
      }
      const parts: unknown = delta["tool_calls"]
      for (const [at, one] of (Array.isArray(parts) ? parts : []).entries()) {
        const call = fields(one)
        const index = count(call["index"]) ?? at
        if (index >= chatToolsMax) throw new Error(`the answer calls more than ${chatToolsMax} tools`)
        const made = (calls[index] ??= { id: "", name: "", arguments: "" })
        const named = fields(call["function"])
        if (made.id === "") made.id = text(call["id"])
        made.name += text(named["name"])
        made.arguments += text(named["arguments"])
        grown(text(named["name"]).length + text(named["arguments"]).length)
      }
      finish = finishes[text(choice["finish_reason"])] ?? finish
    },
    isFinished: (): boolean => finish !== undefined,
    /** A whole message is an answer, also of a backend that does not say why it ended. */
    whole: (data: string): void => {
      collected.chunk(data)
      if (size > 0 || calls.length > 0) finish ??= "stop"
    },
    answer: (key: string): ChatAnswer => {
      const toolCalls: ReadonlyArray<ToolCall> = calls.flatMap((call, at) => (call === undefined || call.name === "" ? [] : [{ ...call, id: call.id || `call-${at}-${key}`.slice(0, 64) }]))
      return { content, toolCalls, finish: finish ?? "stop", model, usage }
    }
  }
  return collected
}

const unreached: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"])

/** What a provider says went wrong, without what it was sent. */
const refusalOf = async (response: Response): Promise<string> => {
  const body = (await response.text().catch(() => "")).slice(0, 10_000)
  let said = ""
  try {
    // Servers of this API say it in one of these ways.
    const given = fields(JSON.parse(body))
    said = text(fields(given["error"])["message"]) || text(given["error"]) || text(given["message"]) || text(given["detail"])
  } catch {
    // No JSON: a page says less than its status.
    if ((response.headers.get("content-type") ?? "text/plain").startsWith("text/plain")) said = body.trim()
  }
  return `the backend answered ${response.status}${said === "" ? "" : `: ${said.slice(0, 500)}`}`
}

export const openaiBackend = ({ apiKey, baseUrl }: OpenAIOptions): Backend => {
  const url = `${baseUrl.replace(/\/+$/u, "")}/chat/completions`
  return {
    kind: "openai",
    host: new URL(baseUrl).host,
    ask: async ({ key, maxTokens, model, onText, request, signal, traceparent }) => {
      const secret = apiKey?.()
      let response: Response
      try {
        response = await fetch(url, {
          method: "POST",
          redirect: "error",
          signal,
          headers: {
            "content-type": "application/json", accept: "text/event-stream", "idempotency-key": key,
            ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }), ...(traceparent === undefined ? {} : { traceparent })
          },
          body: bodyOf(request, model, maxTokens)
        })
      } catch (error) {
        // Only of a connection that was never made it is known that nothing came of it.
        const cause = error instanceof Error ? fields(error.cause) : {}
        if (unreached.has(text(cause["code"]))) throw new NotDone(`${new URL(baseUrl).host} cannot be reached: ${text(cause["code"])}`)
        throw error
      }
      if (!response.ok) throw new NotDone(await refusalOf(response))
      const made = collector(model, onText)
      const isStream = (response.headers.get("content-type") ?? "").includes("text/event-stream")
      const decoder = new TextDecoder()
      let done = false
      let whole = ""
      const feed = dataParser((data) => {
        if (done) return
        if (data === "[DONE]") done = true
        else made.chunk(data)
      })
      if (response.body === null) throw new Error("the backend gave no answer")
      const reader = response.body[Symbol.asyncIterator]()
      try {
        for (;;) {
          const { done: ended, value: bytes } = await reader.next().catch((error: unknown) => {
            if (signal.aborted) throw error
            throw new Error("the backend closed the connection in the middle of its answer", { cause: error })
          })
          if (ended === true) break
          const part = decoder.decode(bytes, { stream: true })
          if (isStream) feed(part)
          else whole += part
          if (whole.length > 4 * llmAnswerMax) throw new Error(`the answer has more than ${4 * llmAnswerMax} characters`)
          if (done) break
        }
      } finally {
        // What is not read any more holds no connection.
        await reader.return?.().catch(() => undefined)
      }
      if (!isStream) made.whole(whole)
      // Cut off: what came is not the answer, and it was paid for.
      if (!done && !made.isFinished()) throw new Error("the answer broke off")
      return made.answer(key)
    }
  }
}
