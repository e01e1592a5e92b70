// The built command line, run as users run it: as a process, in a folder of its own.
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))
export const entry = join(root, "dist/bin/aaax.js")

/** Builds it from the sources as they are. */
export const build = (): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [join(root, "scripts/build.mjs"), "--bundle-only", "--force"], (error, _, stderr) =>
      error === null ? resolve() : reject(new Error(stderr)))
  })

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Folder {
  readonly path: string
  readonly write: (name: string, text: string) => void
  /** Runs a command to its end. */
  readonly aaax: (...args: ReadonlyArray<string>) => Promise<Ran>
  /** Launches a kernel and resolves when it is live. */
  readonly launch: (...args: ReadonlyArray<string>) => Promise<Running>
  readonly remove: () => void
}

export interface Running {
  readonly child: ChildProcess
  readonly stderr: () => string
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>
}

const environment = (): NodeJS.ProcessEnv => {
  const { FORCE_COLOR: _, ...rest } = process.env
  return { ...rest, NO_COLOR: "1" }
}

export const makeFolder = (): Folder => {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "aaax-cli-")))
  const running = new Set<ChildProcess>()
  const start = (args: ReadonlyArray<string>): ChildProcess => {
    const child = spawn(process.execPath, [entry, ...args], { cwd: path, env: environment(), stdio: ["ignore", "pipe", "pipe"] })
    running.add(child)
    child.on("exit", () => running.delete(child))
    return child
  }
  return {
    path,
    write: (name, text) => writeFileSync(join(path, name), text),
    aaax: (...args) =>
      new Promise((resolve) => {
        const child = start(args)
        let stdout = ""
        let stderr = ""
        child.stdout?.setEncoding("utf8").on("data", (part: string) => (stdout += part))
        child.stderr?.setEncoding("utf8").on("data", (part: string) => (stderr += part))
        child.on("close", (code) => resolve({ code, stdout, stderr }))
      }),
    launch: (...args) =>
      new Promise((resolve, reject) => {
        const child = start(["launch", ...args])
        let stderr = ""
        const ended = new Promise<number | string | null>((done) => child.on("exit", (code, signal) => done(code ?? signal)))
        child.stdout?.resume()
        child.stderr?.setEncoding("utf8").on("data", (part: string) => {
          stderr += part
          if (stderr.includes("aaax down")) resolve({ child, stderr: () => stderr, ended })
        })
        void ended.then((code) => reject(new Error(`it ended with ${code}: ${stderr}`)))
      }),
    remove: () => {
      for (const child of running) child.kill("SIGKILL")
      rmSync(path, { recursive: true, force: true })
    }
  }
}

export const runFileOf = (folder: Folder): { readonly pid: number; readonly url: string; readonly tokenFile: string } | undefined => {
  const file = join(folder.path, ".aaax/run/kernel.json")
  // The test wrote none itself: the kernel did, with these keys.
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { pid: number; url: string; tokenFile: string }) : undefined
}
