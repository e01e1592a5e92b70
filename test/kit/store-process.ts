// Runs store-writer.ts as a process of its own: Node 20 cannot run TypeScript, so it is bundled once for each test file.
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, rmSync } from "node:fs"
import { createInterface } from "node:readline"
import { rolldown } from "rolldown"

// Within the project, because the bundle finds better-sqlite3 from where it lies.
const cache = new URL(`../../node_modules/.cache/aaax-test-${process.pid}/`, import.meta.url)

/** Bundles the writer; answers its file and how to remove it. */
export const bundleWriter = async (): Promise<{ readonly file: string; readonly remove: () => void }> => {
  mkdirSync(cache, { recursive: true })
  const file = new URL("store-writer.mjs", cache).pathname
  const bundle = await rolldown({
    input: new URL("store-writer.ts", import.meta.url).pathname, platform: "node", external: ["better-sqlite3"]
  })
  await bundle.write({ file, format: "esm" })
  await bundle.close()
  return { file, remove: () => rmSync(cache, { recursive: true, force: true }) }
}

export interface RunningWriter {
  readonly process: ChildProcess
  /** What it said, line by line. */
  readonly lines: ReadonlyArray<string>
  /** Resolves when it has said so many lines. */
  readonly said: (count: number) => Promise<void>
  /** kill -9; resolves when it is gone and everything that it said was read. */
  readonly kill: () => Promise<void>
}

export const startWriter = (file: string, path: string, callers: number): RunningWriter => {
  const child = spawn(process.execPath, [file, path, String(callers)], { stdio: ["ignore", "pipe", "inherit"] })
  const lines: Array<string> = []
  const waiting: Array<{ readonly count: number; readonly resolve: () => void; readonly reject: (failure: Error) => void }> = []
  const reader = createInterface({ input: child.stdout })
  reader.on("line", (line) => {
    lines.push(line)
    for (const one of waiting) if (lines.length >= one.count) one.resolve()
  })
  const closed = once(reader, "close")
  const ended = once(child, "exit")
  void closed.then(() => {
    for (const one of waiting) one.reject(new Error("the writer ended early"))
  })
  return {
    process: child,
    lines,
    said: (count) =>
      new Promise<void>((resolve, reject) => (lines.length >= count ? resolve() : void waiting.push({ count, resolve, reject }))),
    kill: async () => {
      child.kill("SIGKILL")
      await Promise.all([ended, closed])
    }
  }
}
