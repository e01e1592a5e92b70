// What the kernel asks of the code at the other end of a session: to perform, to check, to drain. An ask whose answer is
// missing when the connection breaks is sent again on the next one; the other end knows its number and does nothing twice.
import * as Effect from "effect/Effect"
import type { Ask } from "../../../protocol/frame.ts"
import type { Outbox } from "./outbox.ts"

/** How an ask ended: with a value, with the word that nothing was done, or with nobody knowing. */
export type Answer =
  | { readonly is: "value"; readonly value: unknown }
  | { readonly is: "refused"; readonly reason: string }
  | { readonly is: "fault"; readonly reason: string }

export interface Asks {
  /** Interrupted, it tells the other end, and waits at most `graceMillis` for it to stop. */
  readonly ask: (port: number, ask: Ask, graceMillis: number) => Effect.Effect<Answer>
  readonly answer: (id: number, answer: Answer) => void
  /** A connection is there again. */
  readonly attached: () => void
  /** There will be none. */
  readonly end: (reason: string) => void
}

interface Open {
  readonly text: string
  settle: (answer: Answer) => void
}

export const makeAsks = (outbox: () => Outbox | undefined): Asks => {
  const open = new Map<number, Open>()
  let newest = 0
  let ended: string | undefined
  return {
    ask: (port, ask, graceMillis) =>
      Effect.callback<Answer>((resume) => {
        if (ended !== undefined) return resume(Effect.succeed({ is: "refused", reason: ended }))
        // What was never sent was not done.
        const connection = outbox()
        if (connection === undefined) return resume(Effect.succeed({ is: "refused", reason: "its system is not connected now" }))
        const id = ++newest
        const one: Open = {
          text: JSON.stringify({ frame: "ask", id, port, ...ask }),
          settle: (answer) => resume(Effect.succeed(answer))
        }
        open.set(id, one)
        connection.send(one.text)
        return Effect.callback<void>((stopped) => {
          const over = (): void => {
            clearTimeout(timer)
            open.delete(id)
            stopped(Effect.void)
          }
          const timer = setTimeout(over, graceMillis)
          one.settle = over
          outbox()?.send(JSON.stringify({ frame: "cancel", id }))
        })
      }),
    answer: (id, answer) => {
      const one = open.get(id)
      open.delete(id)
      one?.settle(answer)
    },
    attached: () => {
      for (const { text } of open.values()) outbox()?.send(text)
    },
    end: (reason) => {
      ended = reason
      for (const one of open.values()) one.settle({ is: "fault", reason })
      open.clear()
    }
  }
}
