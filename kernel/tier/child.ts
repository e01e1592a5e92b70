// One program of a tier while it runs: a process with its group, or a thread. Lines go in and come out; its end is told once.
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { lineBytesMax } from "../../protocol/stdio.ts"
import {
  tierEndMillis, tierLogLineLength, tierLogLinesPerSecond, tierLookMillis
} from "../limits.ts"
import type { CommandLine, ProgramLimits } from "./command.ts"
import type { Keeper } from "./keeper.ts"
import { makeLines } from "./lines.ts"
import { memoryOf } from "./memory.ts"

export interface ChildOptions {
  readonly onLine: (line: string) => void
  /** What was sent has been taken; more may be. */
  readonly onDrained: () => void
  /** It is gone, and nothing of it is left. */
  readonly onEnd: (reason: string) => void
  /** A line that it wrote for humans. */
  readonly onLog: (line: string) => void
  readonly limits: ProgramLimits
}

export interface Child {
  readonly send: (line: string) => void
  /** Bytes that were sent and not taken. */
  readonly waitingBytes: () => number
  /** Slows it: what it says waits at its end. Only a process can be slowed. */
  readonly pause: (isPaused: boolean) => void
  /** Ends it, with the reason that is told. */
  readonly end: (reason: string) => void
  readonly pid: number | undefined
}

/** What the child of modules says before it refuses one. */
const refusalMark = "aaax-module-refused: "

/** Its last words, if they say why, and lines for the log, of which there are not too many. */
const makeLog = (onLog: (line: string) => void): { readonly take: (line: string) => void; readonly refusal: () => string | undefined } => {
  let refusal: string | undefined
  let countedAt = 0
  let count = 0
  return {
    refusal: () => refusal,
    take: (line) => {
      if (line.startsWith(refusalMark)) return void (refusal = line.slice(refusalMark.length, refusalMark.length + 1_000))
      const now = performance.now()
      if (now - countedAt > 1_000) [countedAt, count] = [now, 0]
      if (line !== "" && count++ < tierLogLinesPerSecond) onLog(line.slice(0, tierLogLineLength))
    }
  }
}

export const startProcess = (command: CommandLine, keeper: Keeper, options: ChildOptions): Child => {
  const { limits, onDrained, onEnd, onLine } = options
  // An empty folder of its own, which it may not even write to when it is run with Node's permissions.
  const folder = mkdtempSync(join(tmpdir(), "aaax-tier-"))
  const child = spawn(command.file, command.args, { stdio: ["pipe", "pipe", "pipe"], env: {}, cwd: folder, detached: true })
  const { pid } = child
  if (pid !== undefined) keeper.watch(pid)
  const log = makeLog(options.onLog)
  let why: string | undefined
  let over = false

  const kill = (): void => {
    try {
      if (pid !== undefined) process.kill(-pid, "SIGKILL")
    } catch {
      // Already gone.
    }
  }
  const gone = (reason: string): void => {
    if (over) return
    over = true
    clearInterval(look)
    kill()
    if (pid !== undefined) keeper.forget(pid)
    rmSync(folder, { recursive: true, force: true })
    onEnd(why ?? log.refusal() ?? reason)
  }
  const end = (reason: string): void => {
    why ??= reason
    child.stdin.end()
    setTimeout(kill, tierEndMillis).unref()
  }
  /** Whoever breaks a rule is not asked. */
  const endNow = (reason: string): void => {
    why ??= reason
    kill()
  }
  const lines = makeLines(lineBytesMax, onLine, () => endNow(`it said a line of more than ${lineBytesMax} bytes`))
  const words = makeLines(tierLogLineLength * 16, log.take, () => {})
  child.stdout.on("data", lines.take)
  child.stderr.on("data", words.take)
  child.stdin.on("error", () => {})
  child.stdin.on("drain", onDrained)
  child.on("error", (error) => gone(`it could not be started: ${error.message}`))
  // What it started may hold its pipes, and is ended with it.
  child.on("exit", (code, signal) => {
    kill()
    setTimeout(() => gone(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`), tierEndMillis).unref()
  })
  child.on("close", (code, signal) => gone(signal === null ? `it ended with ${code}` : `it was ended by ${signal}`))
  const look = setInterval(() => {
    if (pid !== undefined && memoryOf(pid) > limits.memoryBytes) endNow(`it used more than ${Math.round(limits.memoryBytes / 1_048_576)} MiB of memory`)
  }, tierLookMillis)
  look.unref()

  return {
    pid,
    send: (line) => void (child.stdin.writable && child.stdin.write(`${line}\n`)),
    waitingBytes: () => child.stdin.writableLength,
    pause: (isPaused) => {
      if (isPaused) child.stdout.pause()
      else child.stdout.resume()
    },
    end: (reason) => (reason === idle ? end(reason) : endNow(reason))
  }
}

/** Nobody runs it any more: its pipe ends, and then it. */
export const idle = "it was stopped"

export const startWorker = (file: string, options: ChildOptions): Child => {
  const { limits, onEnd, onLine } = options
  const worker = new Worker(file, {
    env: {},
    execArgv: [],
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: Math.max(16, Math.round(limits.heapBytes / 1_048_576)), maxYoungGenerationSizeMb: 16 }
  })
  const log = makeLog(options.onLog)
  let why: string | undefined
  let over = false
  const gone = (reason: string): void => {
    if (over) return
    over = true
    onEnd(why ?? log.refusal() ?? reason)
  }
  const end = (reason: string): void => {
    why ??= reason
    void worker.terminate()
  }
  worker.on("message", (line: unknown) => {
    if (over || why !== undefined) return
    if (typeof line !== "string") return end("it said what is no frame")
    if (line.length > lineBytesMax) return end(`it said a line of more than ${lineBytesMax} bytes`)
    onLine(line)
  })
  worker.stderr.on("data", makeLines(tierLogLineLength * 16, log.take, () => {}).take)
  worker.stdout.on("data", makeLines(tierLogLineLength * 16, log.take, () => {}).take)
  worker.on("error", (error) => gone(`it failed: ${error instanceof Error ? error.message : String(error)}`))
  worker.on("exit", (code) => gone(`it ended with ${code}`))
  return { pid: undefined, send: (line) => worker.postMessage(line), waitingBytes: () => 0, pause: () => {}, end }
}
