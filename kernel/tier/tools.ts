// What this machine offers for isolation, found by looking, and for the jail by running a real one.
import { spawn } from "node:child_process"
import { accessSync, constants, existsSync, readFileSync } from "node:fs"
import { delimiter, dirname, isAbsolute, join } from "node:path"
import { fileURLToPath } from "node:url"
import { tierHeapBytes, tierMemoryBytes } from "../limits.ts"
import { jailCommand, type Tools } from "./command.ts"

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const systemFolders = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]

/** A program by its name: in the folders of the system first, then where this process would look. */
export const findProgram = (name: string): string | undefined => {
  if (isAbsolute(name)) return isProgram(name) ? name : undefined
  if (name.includes("/")) return undefined
  const path = (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute)
  return [...systemFolders, ...path].map((folder) => join(folder, name)).find(isProgram)
}

export const findTools = (): Tools => ({
  node: process.execPath,
  permission: ["--permission", "--experimental-permission"].find((flag) => process.allowedNodeEnvironmentFlags.has(flag)),
  prlimit: process.platform === "linux" ? findProgram("prlimit") : undefined,
  bwrap: process.platform === "linux" ? findProgram("bwrap") : undefined
})

/** The built file of the child that runs modules: of the package that this code belongs to. */
export const findChild = (): string | undefined => {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const manifest = join(folder, "package.json")
    if (existsSync(manifest)) {
      try {
        if ((JSON.parse(readFileSync(manifest, "utf8")) as { readonly name?: unknown }).name === "aaax") {
          const child = join(folder, "dist/tier/child.cjs")
          return existsSync(child) ? child : undefined
        }
      } catch {
        // Somebody else's.
      }
    }
    const above = dirname(folder)
    if (above === folder) return undefined
    folder = above
  }
}

const probeMillis = 10_000

/** Runs a jail as modules would be run, with Node in it and its pipe open. Why that does not work here, or nothing. */
export const probeJail = (tools: Tools): Promise<string | undefined> =>
  new Promise((resolve) => {
    if (process.platform !== "linux") return resolve("jails are made of what Linux has")
    if (tools.bwrap === undefined) return resolve("bubblewrap (bwrap) is not installed")
    if (tools.prlimit === undefined) return resolve("prlimit (util-linux) is not installed")
    const limits = { memoryBytes: tierMemoryBytes, heapBytes: tierHeapBytes, processorSeconds: 10 }
    const line = jailCommand({ is: "program", file: tools.node, args: ["-e", "process.stdin.pipe(process.stdout)"], files: [] }, limits, tools)
    const child = spawn(line.file, line.args, { stdio: ["pipe", "pipe", "pipe"], env: {}, cwd: "/", detached: true })
    let said = ""
    let heard = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => (heard = (heard + text).slice(0, 100)))
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(0, 300)))
    child.stdin.on("error", () => {})
    const timer = setTimeout(() => child.kill("SIGKILL"), probeMillis)
    child.on("error", (error) => {
      clearTimeout(timer)
      resolve(`bubblewrap does not start: ${error.message}`)
    })
    child.on("close", (code) => {
      clearTimeout(timer)
      resolve(code === 0 && heard === "probe" ? undefined : `a jail that was tried here did not work: ${said.replace(/\s+/gu, " ").trim() || `it ended with ${code}`}`)
    })
    child.stdin.end("probe")
  })
