// Questions to the person: yes or no, and a secret that is not shown while it is typed.
import * as Effect from "effect/Effect"
import { createInterface } from "node:readline/promises"
import { Writable } from "node:stream"
import { UsageError } from "../failure.ts"

/** Whether there is somebody to ask. */
export const isAnswering = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true

const line = async (question: string, hidden: boolean): Promise<string> => {
  let shows = true
  // What is typed is echoed by the interface, not by the terminal.
  const output = new Writable({
    write: (chunk: Buffer | string, _, done) => {
      if (shows) process.stderr.write(chunk)
      done()
    }
  })
  const asking = createInterface({ input: process.stdin, output, terminal: true })
  try {
    const answer = asking.question(question)
    shows = !hidden
    return await answer
  } finally {
    if (hidden) process.stderr.write("\n")
    asking.close()
  }
}

/** What is typed, without the white space around it. */
export const ask = (question: string): Effect.Effect<string> => Effect.map(Effect.promise(() => line(question, false)), (text) => text.trim())

/** What is typed, unseen. */
export const askSecretly = (question: string): Effect.Effect<string> => Effect.promise(() => line(question, true))

/** Goes on when the person says yes, or has said so with `--yes`. */
export const confirmed = (question: string, yes: boolean): Effect.Effect<boolean, UsageError> =>
  yes
    ? Effect.succeed(true)
    : isAnswering()
      ? Effect.map(ask(`${question} [y/N] `), (answer) => /^y(?:es)?$/iu.test(answer))
      : Effect.fail(new UsageError({ reason: `${question} Nobody is here to say so: repeat it with --yes.` }))
