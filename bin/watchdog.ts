// The watchdog: a thread that names the system whose code does not yield, and ends the process. In-process code that
// spins cannot be stopped from inside; the next start quarantines the one that was named.
//
// Shared memory, Int32: [0] ticks of the main thread, [1] number of the system whose code runs, 0 for none yet.
// The file `.aaax/run/spin.json` holds {system, at, pid} from the end of one run to the next start.
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { Worker } from "node:worker_threads"
import { spinMillisMax } from "../kernel/limits.ts"
import { codes } from "./exit-code.ts"
import { errNow } from "./terminal.ts"

const tickMillis = 250
/** Systems that can be named. */
const namesMax = 10_000

export interface Watchdog {
  /** The code of this system runs from now on, as far as is known. Costs a store into an array. */
  readonly enter: (system: string) => void
  /** Code of this file is code of this system. */
  readonly belongs: (file: string, system: string) => void
  readonly stop: () => Promise<void>
}

const spinFileOf = (directory: string): string => join(directory, ".aaax", "run", "spin.json")

/**
 * The thread. It counts its own turns in which the main thread did not tick, so that a machine that slept has not
 * spun. Then it halts the main thread through the inspector, which interrupts running code, and looks at the files on
 * its stack: the system that was entered last need not be the one that spins. Through the inspector, too, it lets the
 * process end itself with an exit code; a thread's own exit would end only the thread. Native code cannot be
 * interrupted: then the one that was entered last is named, and the process killed.
 */
const thread = `
const { workerData, parentPort } = require("node:worker_threads")
const { writeFileSync, writeSync } = require("node:fs")
const { dirname, sep } = require("node:path")
const { fileURLToPath } = require("node:url")
const { shared, tickMillis, spinMillisMax, spinFile, pid, code } = workerData
const cells = new Int32Array(shared)
const names = [""]
const files = new Map()
let ticks = -1
let silent = 0
parentPort.on("message", ({ name, file, system }) => {
  if (name !== undefined) names.push(name)
  else if (!files.has(file)) files.set(file, system)
})
const pathOf = (url) => { try { return url.startsWith("file:") ? fileURLToPath(url) : url } catch { return url } }
const onStack = (urls) => {
  const paths = urls.map(pathOf)
  for (const path of paths) if (files.has(path)) return files.get(path)
  // A file beside a module belongs to it, when there is only one module in that folder.
  for (const path of paths) {
    const beside = new Set([...files].filter(([file]) => path.startsWith(dirname(file) + sep)).map(([, system]) => system))
    if (beside.size === 1) return [...beside][0]
  }
  return undefined
}
const end = (session) => (urls) => {
  const system = onStack(urls) || names[Atomics.load(cells, 1)] || ""
  try { writeFileSync(spinFile, JSON.stringify({ system, at: Date.now(), pid }) + "\\n", { mode: 0o600 }) } catch {}
  const who = system === "" ? "The kernel" : system
  try { writeSync(2, "aaax: " + who + " did not yield for " + Math.round(spinMillisMax / 1000) + " s; ending the process. It is quarantined at the next start.\\n") } catch {}
  // Node would say at the end that it waits for its debugger; nobody is to read that.
  const mute = "try { process.getBuiltinModule('fs').closeSync(2) } catch {}"
  session.post("Runtime.evaluate", { expression: mute + "; process.reallyExit(" + code + ")" })
}
const watch = setInterval(() => {
  const now = Atomics.load(cells, 0)
  if (now !== ticks) { ticks = now; silent = 0; return }
  silent += 1
  if (silent * tickMillis < spinMillisMax) return
  clearInterval(watch)
  const { Session } = require("node:inspector")
  const session = new Session()
  let done = false
  const once = (urls) => { if (!done) { done = true; end(session)(urls) } }
  // A frame names its script by number; the files are told when the debugger is enabled.
  const scripts = new Map()
  session.on("Debugger.scriptParsed", ({ params }) => scripts.set(params.scriptId, params.url))
  session.on("Debugger.paused", ({ params }) => once(params.callFrames.map((frame) => scripts.get(frame.location.scriptId) || "")))
  session.connectToMainThread()
  session.post("Debugger.enable")
  session.post("Debugger.pause")
  setTimeout(() => once([]), 1000)
  setTimeout(() => process.kill(pid, "SIGKILL"), 2000)
}, tickMillis)
`

export const startWatchdog = (options: { readonly directory: string; readonly spinMillis?: number }): Watchdog => {
  const shared = new SharedArrayBuffer(8)
  const cells = new Int32Array(shared)
  const worker = new Worker(thread, {
    eval: true,
    // Options of the process may turn the script into another kind of module.
    execArgv: [],
    workerData: {
      shared, tickMillis, spinMillisMax: options.spinMillis ?? spinMillisMax, spinFile: spinFileOf(options.directory), pid: process.pid, code: codes.internal
    }
  })
  // It must neither hold the process nor bring it down.
  worker.unref()
  worker.on("error", (error) => errNow(`aaax: the watchdog ended: ${error instanceof Error ? error.message : String(error)}`))
  const tick = setInterval(() => void Atomics.add(cells, 0, 1), tickMillis)
  tick.unref()

  const numbers = new Map<string, number>()
  return {
    enter: (system) => {
      let number = numbers.get(system)
      if (number === undefined) {
        // Beyond the bound nobody is named rather than somebody else.
        if (numbers.size >= namesMax) return void (cells[1] = 0)
        number = numbers.size + 1
        numbers.set(system, number)
        worker.postMessage({ name: system })
      }
      cells[1] = number
    },
    belongs: (file, system) => worker.postMessage({ file, system }),
    stop: async () => {
      clearInterval(tick)
      await worker.terminate()
    }
  }
}

/** Who was named when the last run of this folder ended, once: the file is gone afterwards. */
export const readSpin = (directory: string): { readonly system: string } | undefined => {
  const file = spinFileOf(directory)
  try {
    const found: unknown = JSON.parse(readFileSync(file, "utf8"))
    rmSync(file, { force: true })
    return typeof found === "object" && found !== null && "system" in found && typeof found.system === "string" && found.system !== ""
      ? { system: found.system }
      : undefined
  } catch {
    return undefined
  }
}
