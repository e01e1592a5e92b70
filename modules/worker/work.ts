// A worker's work: one message at a time, at its own pace. The same over a wire and inside a constellation.
import { errorReply, isAsked, isHeard, makeMemory, promptOf, replyOf, type Prompt, type Said } from "./rules.ts"

export interface Working {
  /** The seat it answers as. */
  readonly name: string
  /** Asks its model; what it throws is told to the channel. */
  readonly ask: (prompt: Prompt, said: Said) => Promise<string>
  readonly say: (target: string, text: string) => Promise<unknown>
  readonly contextMax: number
  /** To everybody, or to whoever asked. */
  readonly replyTo: "all" | "sender"
  /** Shortest time between two answers. */
  readonly intervalMillis: number
  readonly now: () => number
  readonly pause: (millis: number) => Promise<void>
  readonly signal: AbortSignal
}

/** Messages that wait for an answer at most; the oldest are given up, and only remembered. */
const waitingMax = 64

/** Takes messages as they come, and answers those that ask it one after the other. `idle` resolves when none waits. */
export const makeWorker = ({ ask, contextMax, intervalMillis, name, now, pause, replyTo, say, signal }: Working): { readonly hear: (said: Said) => void; readonly idle: () => Promise<void> } => {
  const memory = makeMemory(contextMax)
  const waiting: Array<{ readonly said: Said; readonly prompt: Prompt }> = []
  let answeredAt = -Infinity
  let working: Promise<void> | undefined

  const answer = async (said: Said, prompt: Prompt): Promise<void> => {
    const rest = answeredAt + intervalMillis - now()
    if (rest > 0) await pause(rest)
    if (signal.aborted) return
    let text: string
    try {
      text = replyOf(await ask(prompt, said))
    } catch (error) {
      text = errorReply(name, error instanceof Error ? error.message : String(error))
    }
    answeredAt = now()
    if (text !== "" && !signal.aborted) await say(replyTo === "sender" ? said.from : "all", text)
  }

  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) await answer(next.said, next.prompt)
  }

  return {
    hear: (said) => {
      if (!isHeard(said, name)) return
      memory.keep(said)
      if (!isAsked(said, name)) return
      waiting.push({ said, prompt: promptOf(name, said, memory.last()) })
      if (waiting.length > waitingMax) waiting.shift()
      working ??= work().finally(() => {
        working = undefined
      })
    },
    idle: async () => {
      while (working !== undefined) await working
    }
  }
}
