// A lock whose holder is told to end, pauses, or is killed: what runs under it never goes on without it.
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { SynapseHub } from "../../../kernel/synapse-hub.ts"
import { SynapseAgent } from "../../../libos/synapse/agent.ts"
import { build, entry } from "../../kit/command-line.ts"

let hub: SynapseHub
let folder = ""
let id = ""
let count = 0
beforeAll(async () => {
  await build()
  hub = await new SynapseHub({ port: 0 }).start()
}, 60_000)
afterAll(() => hub.stop())
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-lock-")))
  id = `lock-${++count}`
})
afterEach(() => {
  for (const pid of pids()) if (isRunning(pid)) process.kill(pid, "SIGKILL")
  rmSync(folder, { recursive: true, force: true })
})

const lock = (...command: ReadonlyArray<string>): { readonly child: ChildProcess; readonly ended: Promise<number | string | null> } => {
  const child = spawn(process.execPath, [entry, "lock", id, "--uri", hub.uri, "--name", `seat-${count}`, "--", ...command], { cwd: folder, stdio: "ignore" })
  return { child, ended: new Promise((resolve) => child.once("exit", (code, signal) => resolve(signal ?? code))) }
}
const pids = (): ReadonlyArray<number> => existsSync(join(folder, "pids")) ? readFileSync(join(folder, "pids"), "utf8").split("\n").filter(Boolean).map(Number) : []
/** `T`: it pauses. */
const stateOf = (pid: number): string | undefined => {
  try {
    return /^State:\s+(\w)/mu.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  } catch {
    return undefined
  }
}
const isRunning = (pid: number): boolean => !["Z", "X", undefined].includes(stateOf(pid))
const until = (body: () => void): Promise<void> => vi.waitFor(body, { timeout: 10_000, interval: 20 })
/** A command, and one that it leaves behind, which hears nothing of Ctrl-C. */
const both = "(trap '' INT; exec sleep 60) & echo $! > pids; echo $$ >> pids; sleep 0.05; wait"
const owners = async (): Promise<ReadonlyArray<string>> => {
  const agent = await SynapseAgent.connect({ uri: hub.uri, name: `look-${crypto.randomUUID()}`, reconnect: false })
  const { items } = await agent.ask({ verb: "state", task: id })
  agent.close()
  return items.map(({ owner }) => owner)
}

describe.runIf(process.platform === "linux")("aaax lock", () => {
  it("[146] told to end, ends all that it runs before it gives the lock back", async () => {
    const { child, ended } = lock("sh", "-c", both)
    await until(() => expect(pids()).toHaveLength(2))
    child.kill("SIGINT")
    expect(await ended).toBe(130)
    expect(pids().filter(isRunning)).toEqual([])
    expect(await owners()).toEqual([])
  })

  it("[146] killed, takes with it what it runs, long before somebody else can have the lock", async () => {
    const { child, ended } = lock("sh", "-c", both)
    await until(() => expect(pids()).toHaveLength(2))
    child.kill("SIGKILL")
    await ended
    await until(() => expect(pids().filter(isRunning)).toEqual([]))
    expect(await owners()).toHaveLength(1)
  })

  it("[146] pauses with what it runs, and both go on", async () => {
    const { child, ended } = lock("sh", "-c", "echo $$ > pids; exec sleep 60")
    await until(() => expect(pids()).toHaveLength(1))
    child.kill("SIGTSTP")
    await until(() => expect(stateOf(pids()[0] ?? 0)).toBe("T"))
    await until(() => expect(stateOf(child.pid ?? 0)).toBe("T"))
    child.kill("SIGCONT")
    await until(() => expect(stateOf(pids()[0] ?? 0)).not.toBe("T"))
    child.kill("SIGTERM")
    expect(await ended).toBe(143)
    expect(await owners()).toEqual([])
  })

  it("[147] told to end while it waits, runs nothing and leaves nobody in line", async () => {
    const other = await SynapseAgent.connect({ uri: hub.uri, name: "other", reconnect: false })
    await other.claim(id, { mutex: true })
    const { child, ended } = lock("touch", "ran")
    await vi.waitFor(async () => expect(JSON.stringify(await other.ask({ verb: "state", task: id }))).toContain("other"))
    const isWaiting = async (): Promise<void> => expect((await other.ask({ verb: "who" })).seats.some(({ online, seat }) => online && seat === `seat-${count}`)).toBe(true)
    await vi.waitFor(isWaiting, { timeout: 10_000, interval: 20 })
    child.kill("SIGTERM")
    expect(await ended).toBe(143)
    await other.release(id)
    expect(await owners()).toEqual([])
    expect(existsSync(join(folder, "ran"))).toBe(false)
    other.close()
  })
})
