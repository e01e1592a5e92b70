// A backend of `llm.chat`: what makes the answer. The executor around it keeps the bounds and the accounts.
import type { ChatAnswer, ChatRequest } from "../../../protocol/chat.ts"

export interface Asking {
  readonly request: ChatRequest
  /** The model that was chosen, and the most tokens that its answer may have. */
  readonly model: string
  readonly maxTokens: number
  /** For the backend's own idempotency, where it has one. */
  readonly key: string
  readonly traceparent: string | undefined
  /** Interruption: the call must stop, and no more come. */
  readonly signal: AbortSignal
  /** A part of the answer's text, as it comes. */
  readonly onText: (text: string) => void
}

export interface Backend {
  readonly kind: "openai" | "rule" | "replay"
  /** Where it sends what it is asked; null: nowhere. */
  readonly host: string | null
  /** Throws `NotDone` when nothing was answered, and it knows; anything else when nobody knows. */
  readonly ask: (asking: Asking) => Promise<ChatAnswer>
}
