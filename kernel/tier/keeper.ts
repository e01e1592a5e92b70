// The keeper: a small process that kills the programs of a kernel when the kernel dies, however it dies. A program that spins
// does not see that its pipe has ended.
import { spawn, type ChildProcess } from "node:child_process"

/** Text, because it has to run wherever this file was bundled to. It is told a process group per line: `+pid` or `-pid`. */
const source = `
"use strict"
const groups = new Set()
let text = ""
process.stdin.setEncoding("utf8")
process.stdin.on("data", (chunk) => {
  const lines = (text + chunk).split("\\n")
  text = lines.pop()
  for (const line of lines) line[0] === "+" ? groups.add(Number(line.slice(1))) : groups.delete(Number(line.slice(1)))
})
const end = () => {
  for (const pid of groups) try { process.kill(-pid, "SIGKILL") } catch {}
  process.exit(0)
}
for (const event of ["end", "close", "error"]) process.stdin.on(event, end)
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {})
`

export interface Keeper {
  readonly watch: (pid: number) => void
  readonly forget: (pid: number) => void
  readonly close: () => void
}

/** Its process is started with the first program. */
export const makeKeeper = (): Keeper => {
  let current: ChildProcess | undefined
  const groups = new Set<number>()
  const say = (line: string): void => void current?.stdin?.write(`${line}\n`)
  const start = (): void => {
    const made = spawn(process.execPath, ["-e", source], { stdio: ["pipe", "ignore", "ignore"], env: {}, cwd: "/", detached: true })
    const lost = (): void => {
      if (current !== made) return
      current = undefined
      if (groups.size > 0) start()
    }
    made.on("error", lost)
    made.on("exit", lost)
    made.stdin.on("error", () => {})
    made.unref()
    ;(made.stdin as unknown as { unref?: () => void }).unref?.() // a pipe, which can let go of the event loop
    current = made
    for (const pid of groups) say(`+${pid}`)
  }
  return {
    watch: (pid) => {
      groups.add(pid)
      if (current === undefined) start()
      else say(`+${pid}`)
    },
    forget: (pid) => {
      groups.delete(pid)
      say(`-${pid}`)
    },
    close: () => {
      const last = current
      current = undefined
      groups.clear()
      last?.stdin?.end()
    }
  }
}
