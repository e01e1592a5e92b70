// Runs a command under a lock: stops it when the lock is lost, and ends as it ended.
import * as Effect from "effect/Effect"
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { existsSync, statSync } from "node:fs"
import { resolve } from "node:path"
import { Writable } from "node:stream"
import { KernelUnreachable } from "../../libos/http.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import { TimedOut } from "../../protocol/errors.ts"
import type { Called } from "../called.ts"
import { attempt } from "../claims/place.ts"
import { hubOf, seatOf, unreachableText, type Hub, type SeatFlags } from "../coordination/connect.ts"
import { codes } from "../exit-code.ts"
import { Ended, UsageError, type GitFailed } from "../failure.ts"
import { plain } from "../terminal.ts"
import { canonicalPaths } from "../worktree/paths.ts"
import { worktreeOf } from "../worktree/worktree.ts"
import { startGuard } from "./guard.ts"
import { acquire, type Lease, type LeaseScope } from "./lease.ts"

export interface LockFlags extends SeatFlags {
  readonly paths: ReadonlyArray<string>
  readonly "wait-timeout": number
}

/** A command that is told to end has five seconds for it. */
const lookMillis = 100
const looksMax = 50
const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const

interface Where {
  readonly scope: LeaseScope
  readonly hub: Hub
}

/** Paths are those of the working tree, where there is one. */
const whereOf = Effect.fnUntraced(function*(called: Called, { paths, ...flags }: LockFlags): Effect.fn.Return<Where, GitFailed | UsageError | Ended> {
  const seat = seatOf(called.directory, flags.name)
  const hub = yield* hubOf(called.directory, flags).pipe(Effect.catchTag("KernelUnreachable", (error) => Effect.fail(notAcquired("", seat, error))))
  const worktree = yield* Effect.option(attempt(() => worktreeOf(called.directory)))
  if (worktree._tag === "None") return { scope: { paths }, hub }
  const tree = worktree.value
  const canonical = yield* attempt(async () => (await Promise.all(paths.map((path) => canonicalPaths(tree, called.directory, path)))).flat())
  return { scope: { worktree: tree.top, paths: canonical }, hub }
})

/** A group of its own, so that everything that it starts is told, too. */
const tell = (child: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // All of it has ended.
  }
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15 }

const isGone = (child: ChildProcess): boolean => {
  try {
    process.kill(-(child.pid ?? 0), 0)
    return false
  } catch {
    return true
  }
}

/** All of it is told to end; what does not listen is killed. */
const stopped = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    tell(child, "SIGTERM")
    // Who was made to pause hears nothing before it goes on.
    tell(child, "SIGCONT")
    let looks = 0
    const timer = setInterval(() => {
      looks++
      if (looks === looksMax) tell(child, "SIGKILL")
      // What was killed and is there still waits for somebody else to take note of its end.
      if (!isGone(child) && looks <= looksMax + 10) return
      clearInterval(timer)
      resolve()
    }, lookMillis)
  })

/** What we are told, from the first moment on: as long as nothing runs it ends the wait, then it is the command's. */
interface Heard {
  readonly signal: AbortSignal
  readonly first: () => NodeJS.Signals | undefined
  readonly handOn: (child: ChildProcess) => void
  readonly stop: () => void
}

const hear = (): Heard => {
  const told = new AbortController()
  let first: NodeJS.Signals | undefined
  let child: ChildProcess | undefined
  const listeners = signals.map((signal) => [signal, () => {
    // Told again before anything runs: at once, then.
    if (first !== undefined && child === undefined) process.exit(128 + (signalNumbers[signal] ?? 0))
    first ??= signal
    told.abort()
    if (child !== undefined) tell(child, signal)
  }] as const)
  for (const [signal, listener] of listeners) process.on(signal, listener)
  return {
    signal: told.signal, first: () => first, handOn: (to) => void (child = to),
    stop: () => listeners.forEach(([signal, listener]) => process.off(signal, listener))
  }
}

/** Ctrl-Z: the command pauses with us, and goes on only with a lock that is still ours. */
const pausing = (child: ChildProcess, lease: Lease): (() => void) => {
  const pause = (): void => {
    tell(child, "SIGSTOP")
    process.kill(process.pid, "SIGSTOP")
  }
  const goOn = (): void => {
    if (lease.isHeld()) tell(child, "SIGCONT")
  }
  process.on("SIGTSTP", pause).on("SIGCONT", goOn)
  return () => process.off("SIGTSTP", pause).off("SIGCONT", goOn)
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true

/** As a shell looks for it. */
const isThere = (program: string, directory: string): boolean =>
  program.includes("/") ? existsSync(resolve(directory, program)) : (process.env["PATH"] ?? "").split(":").some((folder) => isFile(resolve(directory, folder, program)))

/** The exit code of the command, and why it was stopped when it was. */
const running = async (lease: Lease, [program = "", ...args]: ReadonlyArray<string>, directory: string, heard: Heard): Promise<{ readonly code: number; readonly lost?: string; readonly failed?: string }> => {
  if (!isThere(program, directory)) return { code: 127, failed: `${program}: there is no such program` }
  const guard = startGuard()
  // It begins when the guard knows of it: whoever kills us before that finds nothing that runs.
  const child = spawn("/bin/sh", ["-c", 'read -r go <&3 || exit 1; exec 3<&-; exec "$@"', "aaax lock", program, ...args], { cwd: directory, stdio: ["inherit", "inherit", "inherit", "pipe"], detached: true })
  const gate = child.stdio[3]
  gate?.on("error", () => undefined)
  guard.watch(child, () => {
    if (gate instanceof Writable) gate.end("go\n")
  })
  heard.handOn(child)
  const stopPausing = pausing(child, lease)
  try {
    const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]> // what `close` is called with
    const first = await Promise.race([ended, lease.lost])
    if (typeof first === "string") {
      await Promise.all([stopped(child), ended])
      return { code: codes.conflict, lost: first }
    }
    // Who told us to end meant all of it: what goes on behind the command would do so without the lock.
    if (heard.first() !== undefined && !isGone(child)) await stopped(child)
    const [code, signal] = first
    return { code: code ?? 128 + (signalNumbers[signal ?? ""] ?? 0) }
  } catch (error) {
    return { code: 126, failed: `${program}: ${error instanceof Error ? error.message : String(error)}` }
  } finally {
    stopPausing()
    guard.end()
  }
}

const notAcquired = (id: string, seat: string, error: unknown): Ended => {
  if (error instanceof KernelUnreachable) return new Ended({ code: codes.failed, reason: unreachableText(seat, error) })
  if (error instanceof SynapseRefused || error instanceof TimedOut) {
    const how = error instanceof SynapseRefused && error.code === "NAME_CONFLICT" ? `\ntry: --name ${plain(seat)}/lock, a seat of its own` : ""
    return new Ended({ code: codes.failed, reason: `Could not acquire lock '${plain(id)}': ${plain(error.message)}${how}` })
  }
  throw error
}

/** Answers with the exit code of the command. */
export const lock = Effect.fnUntraced(function*(called: Called, id: string, command: ReadonlyArray<string>, flags: LockFlags): Effect.fn.Return<void, GitFailed | UsageError | Ended> {
  if (command.length === 0) return yield* new UsageError({ reason: "what is to be run under the lock? aaax lock ID -- COMMAND" })
  const { hub, scope } = yield* whereOf(called, flags)
  const seat = seatOf(called.directory, flags.name)
  const heard = hear()
  const { code, failed, lost } = yield* Effect.tryPromise({
    try: async () => {
      const lease = await acquire(id, scope, hub, seat, flags["wait-timeout"] * 1_000, heard.signal)
      try {
        const first = heard.first()
        return first === undefined ? await running(lease, command, called.directory, heard) : { code: 128 + (signalNumbers[first] ?? 0) }
      } finally {
        await lease.release()
      }
    },
    catch: (error) => {
      const first = heard.first()
      return first === undefined ? notAcquired(id, seat, error) : new Ended({ code: 128 + (signalNumbers[first] ?? 0), reason: `told to end before lock '${plain(id)}' was had; nothing was run.` })
    }
  }).pipe(Effect.ensuring(Effect.sync(heard.stop)))
  if (lost !== undefined) return yield* new Ended({ code, reason: `Lost lock '${plain(id)}': ${plain(lost)}; ${plain(command[0] ?? "the command")} was stopped.` })
  if (failed !== undefined) return yield* new Ended({ code, reason: plain(failed) })
  process.exitCode = code
})
