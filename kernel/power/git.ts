// Runs git to look and not to touch: nothing of the repository's configuration gets to run a program.
import { spawn } from "node:child_process"
import { gitMillisMax } from "../limits.ts"

/** How a run ended. `missing`: there is no git on this machine. */
export interface GitEnd {
  readonly code: number | null
  readonly missing: boolean
  readonly message: string
}

/*
 * fsmonitor, hooks, a pager and signature checks would be programs that the repository names; a partial clone would go
 * and fetch what it lacks.
 */
const safely = [
  "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.pager=cat", "-c", "log.showSignature=false",
  "-c", "core.quotePath=false", "-c", "protocol.allow=never"
]

/** HOME, for the user's own ignore file and safe.directory; nothing that could point git somewhere else. */
const environment = (): Record<string, string> => {
  const given = ["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"].flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  return {
    ...Object.fromEntries(given), LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", GIT_NO_LAZY_FETCH: "1", GIT_NO_REPLACE_OBJECTS: "1"
  }
}

const messageBytesMax = 4_096

/** Gives what git writes, chunk by chunk. Killed when the signal is aborted or its time is up. */
export const git = (root: string, args: ReadonlyArray<string>, signal: AbortSignal, take: (chunk: Buffer) => void): Promise<GitEnd> =>
  new Promise((resolve) => {
    const child = spawn("git", ["--no-pager", ...safely, "-C", root, ...args], {
      stdio: ["ignore", "pipe", "pipe"], env: environment(), signal, timeout: gitMillisMax, killSignal: "SIGKILL"
    })
    let message = ""
    let missing = false
    child.stdout.on("data", take)
    child.stderr.on("data", (chunk: Buffer) => {
      if (message.length < messageBytesMax) message += chunk.toString("utf8")
    })
    child.on("error", (error: NodeJS.ErrnoException) => {
      missing ||= error.code === "ENOENT" || error.code === "EACCES"
    })
    child.on("close", (code, killed) => {
      const said = killed === null ? message.trim().slice(0, messageBytesMax) : `git was ended by ${killed}`
      resolve({ code: killed === null && !missing ? code : null, missing, message: said })
    })
  })

export const isNoRepository = (end: GitEnd): boolean => end.code === 128 && /not a git repository/u.test(end.message)

/** Cuts a stream of chunks at every NUL; a field beyond its bound is cut short. */
export const fields = (fieldBytesMax: number, take: (field: string) => void): ((chunk: Buffer) => void) => {
  let kept: Array<Buffer> = []
  let size = 0
  const keep = (part: Buffer): void => {
    if (part.length === 0 || size >= fieldBytesMax) return
    kept.push(part.length + size > fieldBytesMax ? part.subarray(0, fieldBytesMax - size) : part)
    size += part.length
  }
  return (chunk) => {
    let from = 0
    for (let at = chunk.indexOf(0); at !== -1; at = chunk.indexOf(0, from)) {
      if (size === 0) {
        take(chunk.toString("utf8", from, Math.min(at, from + fieldBytesMax)))
      } else {
        keep(chunk.subarray(from, at))
        take(Buffer.concat(kept).toString("utf8"))
        kept = []
        size = 0
      }
      from = at + 1
    }
    // A copy: what is left of a chunk would hold all of it.
    keep(Buffer.from(chunk.subarray(from)))
  }
}
