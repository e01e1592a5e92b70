// Runs git so that nothing which a repository names gets to run: no hooks, filters, helpers, pagers, editors or signatures, no
// configuration but the repository's own, and of that nothing that starts a program or leads elsewhere.
//
// What can be switched off is switched off, in the environment, which also git's own children get. What cannot be is looked
// for, and refused by name.
import { lstat, readFile, realpath } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { gitMillisMax, gitOutputBytesMax } from "../../limits.ts"
import { codeOf } from "../confined.ts"
import { NotDone } from "../executor.ts"
import type { Guardian, Outcome } from "../guardian.ts"

/** Where a run works: the folder of the files, and git's own folder for it. */
export interface Checkout {
  /** The repository's own folder `.git`, for all its checkouts. */
  readonly common: string
  readonly gitDir: string
  readonly workTree: string
}

const settings: Readonly<Record<string, string>> = {
  "core.hooksPath": "/dev/null", "core.fsmonitor": "false", "core.pager": "cat", "core.attributesFile": "/dev/null", "core.excludesFile": "/dev/null",
  "core.quotePath": "false", "core.askPass": "", "core.editor": ":", "credential.helper": "", "commit.gpgSign": "false", "tag.gpgSign": "false",
  "push.gpgSign": "false", "push.followTags": "false", "push.recurseSubmodules": "no", "submodule.recurse": "false", "log.showSignature": "false",
  "status.submoduleSummary": "false", "gc.auto": "0", "maintenance.auto": "false", "i18n.commitEncoding": "UTF-8", "worktree.guessRemote": "false",
  "http.followRedirects": "false", "protocol.allow": "never"
}

const environment = (checkout: Checkout | undefined, more: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
  const entries = Object.entries({ ...settings, ...more })
  return {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: "/nonexistent", LC_ALL: "C", GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_ATTR_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0", GIT_ASKPASS: "/bin/false", GIT_EDITOR: ":", GIT_PAGER: "cat", GIT_OPTIONAL_LOCKS: "0", GIT_LITERAL_PATHSPECS: "1",
    GIT_NO_LAZY_FETCH: "1", GIT_NO_REPLACE_OBJECTS: "1",
    ...(checkout === undefined ? {} : { GIT_DIR: checkout.gitDir, GIT_WORK_TREE: checkout.workTree }),
    GIT_CONFIG_COUNT: String(entries.length),
    ...Object.fromEntries(entries.flatMap(([key, value], at) => [[`GIT_CONFIG_KEY_${at}`, key], [`GIT_CONFIG_VALUE_${at}`, value]]))
  }
}

export interface RunOptions {
  readonly stdin?: string
  readonly settings?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Hooks, filters and settings of the repository count. */
  readonly isTrusted?: boolean
}

export interface Git {
  /** Runs git. Throws `NotDone` when it did not start, anything else when nobody knows how it ended. */
  readonly run: (checkout: Checkout, args: ReadonlyArray<string>, signal: AbortSignal, options?: RunOptions) => Promise<Outcome & { readonly exitCode: number }>
}

/** Before this version git does not take settings from its environment, and would run what a repository names. */
const versionMin = [2, 31] as const

/** Why the git at a path is not used, or nothing. */
const versions = new Map<string | undefined, Promise<string | undefined>>()

export const makeGit = (file: string | undefined, guardian: Guardian): Git => {
  const start = async (checkout: Checkout | undefined, args: ReadonlyArray<string>, signal: AbortSignal, options: RunOptions): Promise<Outcome> => {
    if (file === undefined) throw new NotDone("git was not found on PATH when the kernel started")
    const { "core.hooksPath": _hooks, ...trusting } = settings
    const env = environment(checkout, options.settings ?? {})
    return guardian.run({
      file, args: ["--no-pager", ...args], cwd: checkout?.workTree ?? "/",
      env: { ...(options.isTrusted === true ? withSettings(env, { ...trusting, ...options.settings }) : env), ...options.env },
      stdin: options.stdin ?? "", timeoutMillis: gitMillisMax, graceMillis: 2_000, outputBytesMax: gitOutputBytesMax
    }, signal)
  }

  const oldRefusal = async (signal: AbortSignal): Promise<string | undefined> => {
    const { stdout } = await start(undefined, ["version"], signal, {})
    const [, major = "0", minor = "0"] = /(\d+)\.(\d+)/u.exec(stdout) ?? []
    const isNew = Number(major) > versionMin[0] || (Number(major) === versionMin[0] && Number(minor) >= versionMin[1])
    return isNew ? undefined : `this git is ${stdout.trim()}; at least ${versionMin.join(".")} is needed`
  }

  return {
    run: async (checkout, args, signal, options = {}) => {
      const version = versions.get(file) ?? oldRefusal(signal)
      versions.set(file, version)
      const refusal = await version.catch((error: unknown) => {
        versions.delete(file)
        throw error
      })
      if (refusal !== undefined) throw new NotDone(refusal)
      const outcome = await start(checkout, args, signal, options)
      if (outcome.exitCode === null) throw new Error(outcome.timedOut ? "git took too long" : `git was ended by ${outcome.signal ?? "something"}`)
      return { ...outcome, exitCode: outcome.exitCode }
    }
  }
}

const withSettings = (env: Readonly<Record<string, string>>, given: Readonly<Record<string, string>>): Readonly<Record<string, string>> => {
  const entries = Object.entries(given)
  const without = Object.fromEntries(Object.entries(env).filter(([key]) => !/^GIT_CONFIG_(KEY|VALUE)_|^GIT_CONFIG_COUNT$|^GIT_ATTR/u.test(key)))
  return {
    ...without, GIT_CONFIG_COUNT: String(entries.length),
    ...Object.fromEntries(entries.flatMap(([key, value], at) => [[`GIT_CONFIG_KEY_${at}`, key], [`GIT_CONFIG_VALUE_${at}`, value]]))
  }
}

const owned = async (path: string): Promise<void> => {
  const stats = await lstat(path).catch((error: unknown) => {
    throw new NotDone(codeOf(error) === "ENOENT" ? `${path} is not there` : `${path} cannot be read: ${codeOf(error)}`)
  })
  if (!stats.isDirectory()) throw new NotDone(`${path} is not a folder`)
  if (process.getuid !== undefined && stats.uid !== process.getuid()) throw new NotDone(`${path} belongs to somebody else`)
}

/** The checkout of a declared repository: its own, or one of its worktrees in the folder that config names for them. */
export const checkoutOf = async (path: string, worktree: string | undefined, worktrees: string | undefined): Promise<Checkout> => {
  const root = await realpath(path).catch(() => {
    throw new NotDone(`${path} is not there`)
  })
  const common = join(root, ".git")
  // A file or a link in its place would lead to a repository that nobody declared.
  await owned(common)
  if (worktree === undefined) return { common, gitDir: common, workTree: root }
  if (worktrees === undefined) throw new NotDone("config names no folder for worktrees of this repository")
  const workTree = join(await realpath(worktrees).catch(() => {
    throw new NotDone(`${worktrees} is not there`)
  }), worktree)
  await owned(workTree)
  const told = await readFile(join(workTree, ".git"), "utf8").catch(() => "")
  const gitDir = /^gitdir: (.+)\n?$/u.exec(told)?.[1] ?? ""
  if (dirname(gitDir) !== join(common, "worktrees") || basename(gitDir).startsWith(".")) throw new NotDone(`${worktree} is not a worktree of this repository`)
  return { common, gitDir, workTree }
}

/** Settings that run a program or fetch whatever is done. */
const always = /^(hook\.|core\.alternaterefscommand$|extensions\.partialclone$|remote\..*\.(promisor|partialclonefilter)$)/u
/** Settings that lead a push elsewhere, through somebody, or show it to a program. */
const onPush = /^(url\.|http\.|https\.|credential\.|core\.(sshcommand|gitproxy)$|remote\..*\.(vcs|receivepack|uploadpack|proxy.*)$|ssh\.)/u
const filter = /^filter\.(.*)\.(clean|smudge|process|required)$/u

/** Looks through the repository's own settings. Gives what switches its filters off, for what only reads; throws for what must not be. */
export const looked = async (git: Git, checkout: Checkout, purpose: "read" | "write" | "push", signal: AbortSignal): Promise<Readonly<Record<string, string>>> => {
  const listed = await git.run(checkout, ["config", "--list", "--includes", "--name-only", "-z"], signal, { settings: {} })
  if (listed.exitCode !== 0 || listed.truncated) throw new NotDone(`the repository's settings cannot be read: ${listed.stderr.trim().slice(0, 200)}`)
  const keys = new Set(listed.stdout.split("\0").filter((key) => key !== ""))
  // Ours are in the list, too.
  for (const key of Object.keys(settings)) keys.delete(key.toLowerCase())
  const off: Record<string, string> = {}
  for (const key of keys) {
    const name = filter.exec(key)?.[1]
    if (always.test(key) || (purpose === "push" && onPush.test(key)) || (purpose === "write" && name !== undefined)) {
      throw new NotDone(`the repository's settings have ${key}, which runs a program or leads elsewhere; remove it, or declare the repository as trusted in the config`)
    }
    if (name !== undefined) off[key] = key.endsWith(".required") ? "false" : ""
  }
  return off
}
