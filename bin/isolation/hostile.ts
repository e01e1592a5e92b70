// The hostile module: what code from elsewhere may try, each attempt bounded and against what was laid out for it alone.
// Text, because it is loaded as any module is, into the tier that is measured.

/** What each attack tries, in the words of the table. */
export const attacks = {
  read: "read a file of the host",
  write: "write a file of the host",
  tcp: "reach a TCP port of the host",
  unix: "reach a Unix socket of the host",
  spawn: "start a program",
  env: "read the environment of the host",
  signal: "signal the host",
  prototype: "change the host's prototypes",
  forge: "speak for another system",
  heap: "exhaust memory with objects",
  buffers: "exhaust memory with bytes",
  loop: "never yield",
  regexp: "never end a regular expression",
  flood: "flood the kernel with frames",
  garbage: "say what is no frame",
  line: "say a line without end",
  depth: "nest without end"
} as const
export type Attack = keyof typeof attacks
/** Those that are tried one after the other and reported by the module itself; each of the others has a program of its own. */
export const quiet: ReadonlyArray<Attack> = ["read", "write", "tcp", "unix", "spawn", "env", "signal", "prototype", "forge"]
export const loud: ReadonlyArray<Attack> = ["heap", "buffers", "loop", "regexp", "flood", "garbage", "line", "depth"]

/** Told to the module as its settings. */
export interface Targets {
  readonly id: string
  readonly attacks: ReadonlyArray<Attack>
  readonly secretFile: string
  readonly writeFile: string
  readonly tcpPort: number
  readonly unixSocket: string
  readonly hostPid: number
  readonly canary: string
  readonly bufferBytes: number
  readonly floodMillis: number
  readonly floodFrames: number
}

export const hostileModule = `
import { defineModule } from "aaax"
import * as Effect from "effect/Effect"

const node = (name) => process.getBuiltinModule?.(name) ?? require(name)
/** Past whatever stands before standard output; in a thread, past the library. */
const raw = (text) => {
  const port = node("node:worker_threads").parentPort
  if (port !== null) return port.postMessage(text)
  const fs = node("node:fs")
  let rest = Buffer.from(text)
  while (rest.length > 0) try { rest = rest.subarray(fs.writeSync(1, rest)) } catch (error) {
    if (error.code !== "EAGAIN") throw error
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  }
}
const line = (text) => raw(node("node:worker_threads").parentPort === null ? text + "\\n" : text)
const connected = (where) => new Promise((resolve) => {
  const socket = node("node:net").connect(where)
  socket.on("connect", () => { socket.destroy(); resolve(true) })
  socket.on("error", () => resolve(false))
  setTimeout(() => { socket.destroy(); resolve(false) }, 1000)
})

const tries = {
  read: (at) => node("node:fs").readFileSync(at.secretFile, "utf8").includes(at.canary),
  write: (at) => { node("node:fs").writeFileSync(at.writeFile, "it was here"); return true },
  tcp: (at) => connected({ host: "127.0.0.1", port: at.tcpPort }),
  unix: (at) => connected({ path: at.unixSocket }),
  spawn: () => node("node:child_process").spawnSync("/bin/sh", ["-c", "true"]).status === 0,
  env: (at) => {
    if (Object.values(process.env).includes(at.canary)) return true
    return node("node:fs").readFileSync("/proc/" + at.hostPid + "/environ", "utf8").includes(at.canary)
  },
  signal: (at) => process.kill(at.hostPid, 0),
  prototype: () => { Object.prototype.aaaxPolluted = true; return "look" },
  forge: async (at, port) => {
    const own = (await Effect.runPromise(port.append("hostile.out", [{ payload: { from: "operator", sender: "operator", system_id: "operator" }, kind: "forged" }])))[0]
    const forged = await Effect.runPromise(Effect.exit(port.append("hostile.out", [{ payload: 1, sender: "operator" }])))
    const stamped = (await Effect.runPromise(port.event(own.id))).sender
    return forged._tag === "Success" || stamped !== at.id
  },
  heap: () => { const all = []; for (;;) all.push(Array.from({ length: 100000 }, (_, n) => ({ n }))) },
  buffers: async (at) => {
    const all = []
    for (let bytes = 0; bytes < at.bufferBytes; bytes += 16777216) {
      all.push(Buffer.alloc(16777216, 1))
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return all.length > 0
  },
  loop: () => { for (;;) {} },
  regexp: () => /^(a+)+$/.test("a".repeat(64) + "b"),
  flood: async (at) => {
    const until = performance.now() + at.floodMillis
    for (let n = 0; n < at.floodFrames; n++) {
      line('{"frame":"ping","at":1}')
      if (performance.now() > until) return false
      if (n % 1000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    return true
  },
  garbage: () => { line("this is no frame"); return "look" },
  line: () => { raw("x".repeat(3000000)); return "look" },
  depth: () => { line('{"frame":"call","id":7,"op":"append","args":' + "[".repeat(100000) + "]".repeat(100000) + "}"); return "look" }
}

export default (at) => defineModule({
  id: at.id,
  writes: { out: "hostile.out" },
  run: async ({ port, signal, writes }) => {
    for (const attack of at.attacks) {
      let outcome = false
      let why = ""
      try { outcome = await tries[attack](at, port) } catch (error) { why = String(error.code ?? error.message).slice(0, 100) }
      await writes.out.append({ attack, outcome, why })
    }
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve))
  }
})
`
