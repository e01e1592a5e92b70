// The backend without a model: the first rule whose words are in the newest message answers. The same question has the
// same answer, so examples, tests and machines without a network have something to talk to.
import { NotDone } from "../executor.ts"
import type { Backend } from "./backend.ts"
import { inputTokensMax, type ChatAnswer, type ChatMessage } from "../../../protocol/chat.ts"

export interface Rule {
  /** Words that all have to be in the newest message of the user or of a tool, in any case; absent or empty: always. */
  readonly when?: ReadonlyArray<string>
  /** Who said the newest message; default: anybody. */
  readonly role?: "user" | "tool"
  /** `{input}` is the newest message, `{system}` the first system message. */
  readonly say?: string
  /** Calls this tool; `{input}` in its texts is the newest message. */
  readonly call?: { readonly name: string; readonly arguments: unknown }
}

const textOf = (message: ChatMessage | undefined): string => message?.content ?? ""

/** `{input}` and `{system}` in every text of a JSON value; what they stand for is not looked through again. */
const filled = (value: unknown, words: Readonly<Record<string, string>>): unknown => {
  if (typeof value === "string") return value.replace(/\{(input|system)\}/gu, (_, word: string) => words[word] ?? "")
  if (Array.isArray(value)) return value.map((item) => filled(item, words))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner, words)]))
}

/** Answers are cut at the most tokens, counted as words. */
const cut = (text: string, tokens: number): { readonly text: string; readonly isCut: boolean; readonly count: number } => {
  const words = text.split(/(?<=\s)/u)
  return { text: words.slice(0, tokens).join(""), isCut: words.length > tokens, count: Math.min(words.length, tokens) }
}

export const ruleBackend = (rules: ReadonlyArray<Rule>): Backend => ({
  kind: "rule",
  host: null,
  ask: ({ key, maxTokens, model, onText, request }): Promise<ChatAnswer> => {
    const newest = request.messages.findLast(({ role }) => role === "user" || role === "tool")
    const input = textOf(newest)
    const lower = input.toLowerCase()
    const offered = new Set(request.toolChoice === "none" ? [] : (request.tools ?? []).map(({ name }) => name))
    const rule = rules.find(({ call, role, when = [] }) =>
      (role === undefined || role === newest?.role) && when.every((word) => lower.includes(word.toLowerCase())) && (call === undefined || offered.has(call.name)))
    if (rule === undefined) return Promise.reject(new NotDone("no rule answers this; the last rule of the backend should have no `when`"))
    const words = { input, system: textOf(request.messages.find(({ role }) => role === "system")) }
    const { count, isCut, text } = cut(String(filled(rule.say ?? "", words)), maxTokens)
    if (text !== "") onText(text)
    const usage = { inputTokens: Math.min(inputTokensMax(request), Math.ceil(JSON.stringify(request.messages).length / 4)), outputTokens: count }
    return Promise.resolve(rule.call === undefined
      ? { content: text, toolCalls: [], finish: isCut ? "length" : "stop", model, usage }
      : { content: text, toolCalls: [{ id: `call-${key}`.slice(0, 64), name: rule.call.name, arguments: JSON.stringify(filled(rule.call.arguments, words)) }], finish: "tool_calls", model, usage })
  }
})
