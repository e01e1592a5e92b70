// Whether a program gets on: its loop answers, it takes what it is sent, and what it took from a queue does not lie for ever.
// A pure count over what was heard; the clock is handed in.
import type { Call } from "../../protocol/frame.ts"

export interface ProgressOptions {
  readonly silenceMillis: number
  readonly stallMillis: number
  readonly outboxMillis: number
  /** How often it is looked at. */
  readonly pingMillis: number
}

export interface Progress {
  /** It answered a ping. */
  readonly answered: () => void
  readonly called: (frame: Call) => void
  readonly done: (frame: Call, value: unknown) => void
  /** Called at every ping: why it is ended, or nothing. */
  readonly look: (now: number, isFull: boolean) => string | undefined
}

/** Calls that a program makes while its work stands still: it waits, or a timer of its library goes on. */
const idleOps: ReadonlySet<string> = new Set(["take", "renew", "awaitBeyond", "channels"])

export const makeProgress = ({ outboxMillis, pingMillis, silenceMillis, stallMillis }: ProgressOptions): Progress => {
  let looks = 0
  /** Looks since it answered: those in which this process itself stood still are not counted. */
  let silent = 0
  let full = 0
  let lookedAt: number | undefined
  let held = 0
  let idleMillis = 0

  return {
    answered: () => {
      silent = 0
    },
    called: ({ op }) => {
      if (!idleOps.has(op)) idleMillis = 0
    },
    done: ({ args, op }, value) => {
      const [, argument] = args
      const settled = op === "settle" ? argument : op === "take" ? (argument as { readonly settle?: unknown } | undefined)?.settle : undefined // the port took it
      if (Array.isArray(settled)) {
        held = Math.max(0, held - settled.length)
        idleMillis = 0
      }
      if (op === "take" && Array.isArray(value)) {
        if (held === 0) idleMillis = 0
        held += value.length
      }
    },
    look: (now, isFull) => {
      // A kernel that did not get to look is not its program's fault.
      const since = Math.min(lookedAt === undefined ? 0 : now - lookedAt, pingMillis * 1.5)
      lookedAt = now
      if (looks++ > 0) silent += since
      full = isFull ? full + since : 0
      idleMillis = held > 0 ? idleMillis + since : 0
      if (silent > silenceMillis) return `it did not answer for ${Math.round(silenceMillis / 100) / 10} s`
      if (full > outboxMillis) return `it did not take what it was sent for ${Math.round(outboxMillis / 1000)} s`
      if (idleMillis > stallMillis) return `it holds ${held} item${held === 1 ? "" : "s"} and did nothing for ${Math.round(stallMillis / 1000)} s`
      return undefined
    }
  }
}
