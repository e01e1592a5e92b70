// Runs a command under a lock: stops it when the lock is lost, and ends as it ended.
import * as Effect from "effect/Effect"
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { KernelUnreachable } from "../../libos/http.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import { TimedOut } from "../../protocol/errors.ts"
import type { Called } from "../called.ts"
import { attempt } from "../claims/place.ts"
import { hubOf, seatOf, type Hub, type SeatFlags } from "../coordination/connect.ts"
import { codes } from "../exit-code.ts"
import { Ended, UsageError, type GitFailed } from "../failure.ts"
import { plain } from "../terminal.ts"
import { canonicalPaths } from "../worktree/paths.ts"
import { worktreeOf } from "../worktree/worktree.ts"
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
  const hub = yield* hubOf(called.directory, flags)
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

/** The exit code of the command, and why it was stopped when it was. */
const running = async (lease: Lease, [program = "", ...args]: ReadonlyArray<string>, directory: string): Promise<{ readonly code: number; readonly lost?: string; readonly failed?: string }> => {
  const child = spawn(program, args, { cwd: directory, stdio: "inherit", detached: true })
  const forward = signals.map((signal) => [signal, () => tell(child, signal)] as const)
  for (const [signal, listener] of forward) process.on(signal, listener)
  try {
    const ended = once(child, "close") as Promise<[number | null, NodeJS.Signals | null]> // what `close` is called with
    const first = await Promise.race([ended, lease.lost])
    if (typeof first === "string") {
      await Promise.all([stopped(child), ended])
      return { code: codes.conflict, lost: first }
    }
    const [code, signal] = first
    return { code: code ?? 128 + (signalNumbers[signal ?? ""] ?? 0) }
  } catch (error) {
    // It could not be started.
    return { code: error instanceof Error && "code" in error && error.code === "ENOENT" ? 127 : 126, failed: error instanceof Error ? error.message : String(error) }
  } finally {
    for (const [signal, listener] of forward) process.off(signal, listener)
  }
}

const notAcquired = (id: string, seat: string, uri: string, error: unknown): Ended => {
  if (error instanceof KernelUnreachable) return new Ended({ code: codes.failed, reason: `[${plain(seat)}] Could not reach hub at ${plain(uri)}.` })
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
  const lease = yield* Effect.tryPromise({
    try: () => acquire(id, scope, hub, seat, flags["wait-timeout"] * 1_000), catch: (error) => notAcquired(id, seat, hub.uri, error)
  })
  const { code, failed, lost } = yield* Effect.promise(() => running(lease, command, called.directory).finally(() => lease.release()))
  if (lost !== undefined) return yield* new Ended({ code, reason: `Lost lock '${plain(id)}': ${plain(lost)}; ${plain(command[0] ?? "the command")} was stopped.` })
  if (failed !== undefined) return yield* new Ended({ code, reason: plain(failed) })
  process.exitCode = code
})
