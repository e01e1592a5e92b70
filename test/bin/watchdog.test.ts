// The watchdog for real: in a process of its own that spins.
import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { readSpin, startWatchdog } from "../../bin/watchdog.ts"

let directory = ""
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "aaax-watchdog-"))
  mkdirSync(join(directory, ".aaax", "run"), { recursive: true })
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly stderr: string
}

/** Runs a script that has `watchdog` and `spinner`, in Node as users have it, through jiti for the types. */
const run = (script: string): Promise<Ended> =>
  new Promise((resolve) => {
    const text = `
      const { createJiti } = await import("jiti")
      const { startWatchdog } = await createJiti(${JSON.stringify(import.meta.url)}).import("../../bin/watchdog.ts")
      const watchdog = startWatchdog({ directory: ${JSON.stringify(directory)}, spinMillis: 750 })
      ${script}
    `
    const child = spawn(process.execPath, ["--input-type=module", "-e", text], { cwd: process.cwd() })
    let stderr = ""
    child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part))
    child.on("close", (code) => resolve({ code, stderr }))
  })

describe("the watchdog", () => {
  it("names the system that spins, and ends the process with 70", async () => {
    const ended = await run(`watchdog.enter("calm"); watchdog.enter("spinner"); setTimeout(() => { while (true) {} }, 300)`)
    expect(ended.code).toBe(70)
    // Its last words are its own: nothing of the debugger that it uses.
    expect(ended.stderr).toMatch(/^aaax: spinner did not yield for 1 s; ending the process\. It is quarantined at the next start\.\n$/u)
    expect(JSON.parse(readFileSync(join(directory, ".aaax", "run", "spin.json"), "utf8"))).toMatchObject({ system: "spinner" })
    expect(readSpin(directory)).toEqual({ system: "spinner" })
    expect(readSpin(directory)).toBeUndefined()
  })

  it("names the one whose file runs, not the one that called last", async () => {
    const file = join(directory, "spin.mjs")
    writeFileSync(file, "export const spin = () => { while (true) {} }\n")
    const ended = await run(`
      const { spin } = await import(${JSON.stringify(file)})
      watchdog.belongs(${JSON.stringify(file)}, "guilty"); watchdog.enter("innocent"); setTimeout(() => spin(), 300)`)
    expect(ended.code).toBe(70)
    expect(readSpin(directory)).toEqual({ system: "guilty" })
  })

  it("ends a chain of promises that never lets the timers run", async () => {
    const ended = await run(`watchdog.enter("chain"); setTimeout(async () => { while (true) await null }, 300)`)
    expect(ended.code).toBe(70)
    expect(readSpin(directory)).toEqual({ system: "chain" })
  })

  it("leaves a process alone that yields, however busy it is", async () => {
    const ended = await run(`
      const end = Date.now() + 2500
      const busy = () => { const until = Date.now() + 100; while (Date.now() < until) {} ; if (Date.now() < end) setImmediate(busy); else process.exit(0) }
      watchdog.enter("busy"); busy()`)
    expect(ended.code).toBe(0)
    expect(readSpin(directory)).toBeUndefined()
  })

  it("does not hold a process that is done", async () => {
    const ended = await run("")
    expect(ended.code).toBe(0)
  })

  it("can be stopped", async () => {
    const watchdog = startWatchdog({ directory })
    await watchdog.stop()
    watchdog.enter("after")
  })
})
