// A guardian: a small process that starts programs for us and kills them when we die, however we die.
//
// The kernel and the guardian talk in lines of JSON over the guardian's standard input and output:
//
//   kernel -> guardian   {id, run: Job}                 start it
//                        {id, stop: true}               ask its process group to end, then kill it
//   guardian -> kernel   {id, pid}                      it runs, as the leader of a process group of its own
//                        {id, failed: code}             it did not start
//                        {id, done: Outcome}            it ended; nothing of its group is left
//
// The pipe is the life line: when its end is seen, for whatever reason, every group is killed and the guardian ends.
// A program that leaves its process group (a daemon that makes a session of its own) is out of its reach.
import { spawn, type ChildProcessByStdio } from "node:child_process"
import type { Readable, Writable } from "node:stream"
import { guardianIdleMillis } from "../limits.ts"
import { NotDone } from "./executor.ts"

export interface Job {
  /** Absolute path of the program. */
  readonly file: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly stdin: string
  readonly timeoutMillis: number
  /** Between being asked to end and being killed. */
  readonly graceMillis: number
  /** Kept of each output: the first and the last half. */
  readonly outputBytesMax: number
}

export interface Outcome {
  readonly exitCode: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  /** Some output was left out. */
  readonly truncated: boolean
  /** It was ended because its time was up. */
  readonly timedOut: boolean
  readonly millis: number
}

export interface Guardian {
  /**
   * Runs a program to its end. Throws `NotDone` when it did not start, anything else when nobody knows what became of
   * it. An aborted signal stops it; the promise ends when it is gone.
   */
  readonly run: (job: Job, signal: AbortSignal) => Promise<Outcome>
}

/** Text, because it has to run wherever this file was bundled to. It gets nothing but its two pipes. */
const source = `
"use strict"
const { spawn } = require("node:child_process")
const calls = new Map()
const say = (message) => { process.stdout.write(JSON.stringify(message) + "\\n") }
const kill = (pid, signal) => { try { process.kill(-pid, signal) } catch {} }
const end = () => {
  for (const { child } of calls.values()) if (child.pid !== undefined) kill(child.pid, "SIGKILL")
  process.exit(0)
}
const collect = (stream, bytesMax) => {
  const half = bytesMax >> 1
  const head = [], tail = []
  let room = bytesMax - half, kept = 0, left = 0
  stream.on("error", () => {})
  stream.on("data", (chunk) => {
    const first = chunk.subarray(0, room)
    room -= first.length
    if (first.length > 0) head.push(first)
    const rest = chunk.subarray(first.length)
    if (rest.length === 0) return
    tail.push(rest)
    kept += rest.length
    while (kept - tail[0].length >= half && tail.length > 1) { kept -= tail[0].length; left += tail[0].length; tail.shift() }
  })
  return () => {
    let last = Buffer.concat(tail)
    if (last.length > half) { left += last.length - half; last = last.subarray(last.length - half) }
    const between = left === 0 ? [] : [Buffer.from("\\n[" + left + " bytes left out]\\n")]
    return { text: Buffer.concat([...head, ...between, last]).toString("utf8"), truncated: left > 0 }
  }
}
const stop = (call) => {
  if (call.stopped || call.child.pid === undefined) return
  call.stopped = true
  kill(call.child.pid, "SIGTERM")
  call.timers.push(setTimeout(() => kill(call.child.pid, "SIGKILL"), call.graceMillis))
}
const run = (id, job) => {
  const began = performance.now()
  let child
  try {
    child = spawn(job.file, job.args, { cwd: job.cwd, env: job.env, detached: true, stdio: "pipe" })
  } catch (error) {
    return say({ id, failed: String(error.code || error.message) })
  }
  const call = { child, timers: [], stopped: false, graceMillis: job.graceMillis }
  calls.set(id, call)
  const forget = () => { calls.delete(id); call.timers.forEach(clearTimeout) }
  child.on("error", (error) => {
    if (child.pid !== undefined) return
    forget()
    say({ id, failed: String(error.code || error.message) })
  })
  if (child.pid === undefined) return
  say({ id, pid: child.pid })
  let timedOut = false
  call.timers.push(setTimeout(() => { timedOut = true; stop(call) }, job.timeoutMillis))
  const stdout = collect(child.stdout, job.outputBytesMax), stderr = collect(child.stderr, job.outputBytesMax)
  child.stdin.on("error", () => {})
  child.stdin.end(job.stdin)
  child.on("exit", () => {
    kill(child.pid, "SIGKILL")
    call.timers.push(setTimeout(() => { child.stdout.destroy(); child.stderr.destroy() }, job.graceMillis))
  })
  child.on("close", (exitCode, signal) => {
    forget()
    const [out, err] = [stdout(), stderr()]
    say({ id, done: { exitCode, signal, stdout: out.text, stderr: err.text, truncated: out.truncated || err.truncated, timedOut,
      millis: Math.round(performance.now() - began) } })
  })
}
let text = []
process.stdin.setEncoding("utf8")
process.stdin.on("data", (chunk) => {
  let from = 0
  for (let at = chunk.indexOf("\\n"); at !== -1; at = chunk.indexOf("\\n", from)) {
    text.push(chunk.slice(from, at))
    from = at + 1
    const message = JSON.parse(text.join(""))
    text = []
    if (message.run) run(message.id, message.run)
    else if (calls.has(message.id)) stop(calls.get(message.id))
  }
  text.push(chunk.slice(from))
})
for (const event of ["end", "close", "error"]) process.stdin.on(event, end)
process.stdout.on("error", end)
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {})
`

interface Waiting {
  pid: number | undefined
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: Error) => void
}

type Message = { readonly id: number } & (
  | { readonly pid: number; readonly failed?: never; readonly done?: never }
  | { readonly failed: string; readonly pid?: never; readonly done?: never }
  | { readonly done: Outcome; readonly pid?: never; readonly failed?: never }
)

type Process = ChildProcessByStdio<Writable, Readable, null>

/** Pipes of a child process can let go of the event loop; their type does not say so. */
const hold = (process: Process, isHeld: boolean): void => {
  for (const part of [process, process.stdin, process.stdout] as ReadonlyArray<{ ref?: () => void; unref?: () => void }>) {
    if (isHeld) part.ref?.()
    else part.unref?.()
  }
}

/** The guardian's process is started by the first run, serves many, and is let go when it has been idle. */
export const makeGuardian = (): Guardian => {
  let current: { readonly process: Process; readonly waiting: Map<number, Waiting> } | undefined
  let idle: NodeJS.Timeout | undefined
  let lastId = 0

  const start = (): NonNullable<typeof current> => {
    // A session of its own: the terminal's Ctrl-C is for the kernel, which ends its work in its own order.
    const process = spawn(globalThis.process.execPath, ["-e", source], { stdio: ["pipe", "pipe", "ignore"], env: {}, cwd: "/", detached: true })
    const waiting = new Map<number, Waiting>()
    const started = { process, waiting }
    const lost = (): void => {
      if (current === started) current = undefined
      for (const [id, { pid, reject }] of waiting) {
        waiting.delete(id)
        if (pid !== undefined) killGroup(pid)
        reject(process.pid === undefined ? new NotDone("no process could be started") : new Error("the guardian of the process was lost"))
      }
    }
    process.on("error", lost)
    process.on("close", lost)
    process.stdin.on("error", () => {})
    onLines(process.stdout, (line) => receive(waiting, JSON.parse(line) as Message))
    hold(process, false)
    current = started
    return started
  }

  const settle = (guardian: NonNullable<typeof current>): void => {
    if (guardian.waiting.size > 0) return
    hold(guardian.process, false)
    clearTimeout(idle)
    idle = setTimeout(() => {
      if (guardian.waiting.size > 0) return
      if (current === guardian) current = undefined
      guardian.process.stdin.end()
    }, guardianIdleMillis).unref()
  }

  const run = async (job: Job, signal: AbortSignal): Promise<Outcome> => {
    if (signal.aborted) throw new NotDone("it was stopped")
    const guardian = current ?? start()
    const id = ++lastId
    const send = (message: object): void => {
      guardian.process.stdin.write(JSON.stringify({ id, ...message }) + "\n")
    }
    const stop = (): void => send({ stop: true })
    signal.addEventListener("abort", stop)
    try {
      return await new Promise<Outcome>((resolve, reject) => {
        guardian.waiting.set(id, { pid: undefined, resolve, reject })
        hold(guardian.process, true)
        send({ run: job })
      })
    } finally {
      signal.removeEventListener("abort", stop)
      settle(guardian)
    }
  }
  return { run }
}

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // Already gone.
  }
}

const receive = (waiting: Map<number, Waiting>, message: Message): void => {
  const call = waiting.get(message.id)
  if (call === undefined) return
  if (message.pid !== undefined) {
    call.pid = message.pid
    return
  }
  waiting.delete(message.id)
  if (message.done !== undefined) call.resolve(message.done)
  else call.reject(new NotDone(message.failed === "ENOENT" ? "the program or its folder is not there" : `it could not be started: ${message.failed}`))
}

const onLines = (stream: Readable, take: (line: string) => void): void => {
  let parts: Array<string> = []
  stream.setEncoding("utf8")
  stream.on("data", (chunk: string) => {
    const lines = chunk.split("\n")
    for (let i = 0; i < lines.length - 1; i++) {
      take(parts.join("") + lines[i]!)
      parts = []
    }
    parts.push(lines.at(-1)!)
  })
}
