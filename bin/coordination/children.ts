// Child processes that live and end together: the first that ends ends the others. Their output is shown line by line, marked.
import { spawn, type ChildProcess } from "node:child_process"
import { constants } from "node:os"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"

export interface ChildSpec {
  readonly label: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv
}

export interface Children {
  /** Starts one. Its output is always read, so that it is never held up by it. */
  readonly start: (spec: ChildSpec) => ChildProcess
  /** Resolves when the first of them has ended: with its exit code, 1 for 0, and 128 and the number of a signal. */
  readonly firstEnd: Promise<{ readonly label: string; readonly code: number }>
  /** Asks all to end, the last that was started first, and ends those that have not after a while. */
  readonly end: () => Promise<void>
}

const graceMillisDefault = 2_000

const codeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  signal === null ? (code === null || code === 0 ? 1 : code) : 128 + constants.signals[signal]

/** `show` gets each line; `graceMillis` is how long one may take to end when it is asked to. */
export const makeChildren = (show: (label: string, line: string, isError: boolean) => void, graceMillis: number = graceMillisDefault): Children => {
  const running: Array<{ readonly child: ChildProcess; readonly ended: Promise<void> }> = []
  let tell: (end: { readonly label: string; readonly code: number }) => void
  const firstEnd = new Promise<{ readonly label: string; readonly code: number }>((resolve) => (tell = resolve))
  const read = (stream: Readable | null, label: string, isError: boolean): void => {
    if (stream !== null) createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => show(label, line, isError))
  }
  return {
    firstEnd,
    start: ({ args, command, env, label }) => {
      // A session of its own: Ctrl-C reaches us alone, and we end them in order. A channel of their own: they end when we are gone.
      const child = spawn(command, args, { detached: true, stdio: ["ignore", "pipe", "pipe", "ipc"], env: { ...process.env, ...env } })
      read(child.stdout, label, false)
      read(child.stderr, label, true)
      const ended = new Promise<void>((resolve) => {
        child.once("error", (error) => {
          show(label, error.message, true)
          tell({ label, code: 1 })
          resolve()
        })
        child.once("exit", (code, signal) => {
          tell({ label, code: codeOf(code, signal) })
          resolve()
        })
      })
      running.push({ child, ended })
      return child
    },
    end: async () => {
      for (const { child, ended } of running.toReversed()) {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue
        child.kill("SIGTERM")
        const kill = setTimeout(() => child.kill("SIGKILL"), graceMillis)
        await ended
        clearTimeout(kill)
      }
    }
  }
}
