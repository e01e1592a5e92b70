// Runs git for a command: its words as data, and what went wrong as a sentence.
import { execFile } from "node:child_process"
import { GitFailed } from "../failure.ts"

export interface GitRan {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A commit of many files names them all. */
const outputBytesMax = 64 * 1024 * 1024

/**
 * Runs git in a folder, in the user's environment: within a hook that says which index is meant. Throws `GitFailed` where
 * there is no git.
 */
export const gitRun = (directory: string, args: ReadonlyArray<string>): Promise<GitRan> =>
  new Promise((resolve, reject) => {
    execFile("git", ["-C", directory, ...args], { env: { ...process.env, LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0" }, maxBuffer: outputBytesMax, encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr })
      // A number is git's own code; a text is why it could not be run or read.
      if (typeof error.code === "number") return resolve({ code: error.code, stdout, stderr })
      reject(new GitFailed({ reason: error.code === "ENOENT" ? "git was not found on PATH" : `git ${args[0] ?? ""}: ${error.message}` }))
    })
  })

/** What it says when it succeeds. Throws `GitFailed` with its own words when it does not. */
export const git = async (directory: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const { code, stderr, stdout } = await gitRun(directory, args)
  if (code === 0) return stdout
  const [first = "it failed"] = stderr.split("\n").map((line) => line.replace(/^(fatal|error): /u, "").trim()).filter((line) => line !== "")
  throw new GitFailed({ reason: `git ${args[0] ?? ""}: ${first}` })
}

/** One value of git's own configuration; nothing when it is not set. */
export const gitConfig = async (directory: string, ...args: ReadonlyArray<string>): Promise<string | undefined> => {
  const { code, stderr, stdout } = await gitRun(directory, ["config", ...args])
  if (code === 0) return stdout.replace(/\n$/u, "")
  if (code === 1) return undefined
  throw new GitFailed({ reason: `git config: ${stderr.trim()}` })
}
