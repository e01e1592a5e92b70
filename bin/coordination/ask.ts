// A seat that is driven by a file or a pipe: requests come as lines of JSON, and each line that goes out answers one.
import type * as Effect from "effect/Effect"
import { createReadStream } from "node:fs"
import { makeLines } from "../../kernel/tier/lines.ts"
import type { SynapseAgent } from "../../libos/synapse/agent.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import { commandOf } from "../../protocol/command.ts"
import type { Ask } from "../../protocol/coordination.ts"
import type { Called } from "../called.ts"
import { codes } from "../exit-code.ts"
import { Ended, UsageError } from "../failure.ts"
import { json, out } from "../terminal.ts"
import { withSeat, type SeatFailure, type SeatFlags } from "./connect.ts"

/** A request may wait for its turn; whoever ends the command ends that. */
const endless = { timeoutMillis: Infinity }

/** As a frame may be. */
const lineBytesMax = 1_048_576

const refused = (code: string, message: string): object => ({ ok: false, code, message })

/** As it stands when it has a verb, else one of the ancestor's short commands. A sentence says what is wrong. */
const askIn = (line: string): Ask | string => {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return "Malformed JSON."
  }
  const hasVerb = typeof value === "object" && value !== null && "verb" in value && typeof value.verb === "string"
  return hasVerb ? (value as Ask) : commandOf(value) // the coordinator looks at the rest of it
}

const answerOf = async (agent: SynapseAgent, line: string): Promise<object> => {
  const ask = askIn(line)
  if (typeof ask === "string") return refused("INVALID", ask)
  try {
    return await agent.ask(ask, endless)
  } catch (error) {
    if (!(error instanceof SynapseRefused)) throw error
    const { code, conflict, current, holder, reason } = error
    return { ...refused(code, reason), ...(holder === undefined ? {} : { holder }), ...(conflict === undefined ? {} : { conflict }), ...(current === undefined ? {} : { current }) }
  }
}

/** Lines of a file or of standard input; blank ones are left out. */
async function* linesOf(file: string | undefined): AsyncGenerator<string, void, undefined> {
  let came: Array<string> = []
  let isTooLong = false
  const lines = makeLines(lineBytesMax, (line) => came.push(line), () => (isTooLong = true))
  const stream: AsyncIterable<Buffer> = file === undefined || file === "-" ? process.stdin : createReadStream(file)
  const all = async function*(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* stream
    // The last one may have no end.
    yield Buffer.from("\n")
  }
  for await (const piece of all()) {
    lines.take(piece)
    const now = came
    came = []
    for (const line of now) if (line.trim() !== "") yield line
    if (isTooLong) throw new UsageError({ reason: `A line has more than ${lineBytesMax} bytes; it and what is behind it was not read.` })
  }
}

export const ask = (called: Called, file: string | undefined, flags: SeatFlags): Effect.Effect<void, SeatFailure> =>
  withSeat(called, flags, async ({ agent }) => {
    let refusals = 0
    try {
      for await (const line of linesOf(file)) {
        const answer = await answerOf(agent, line)
        if ("ok" in answer && answer.ok === false) refusals++
        await out(json(answer))
      }
    } catch (error) {
      if (error instanceof Error && "syscall" in error) throw new UsageError({ reason: `${file ?? "-"} cannot be read: ${error.message}` })
      throw error
    }
    if (refusals > 0) throw new Ended({ code: codes.failed, reason: `${refusals} of the requests ${refusals === 1 ? "was" : "were"} refused.` })
  })
