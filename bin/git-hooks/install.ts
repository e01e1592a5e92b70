// Putting our hooks into a repository and taking them out again. Nothing that is there is overwritten: it is put aside, run first, and put back.
import * as Effect from "effect/Effect"
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, realpathSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { show, type Called } from "../called.ts"
import { attempt, type ClaimsFailure } from "../claims/place.ts"
import { GitFailed } from "../failure.ts"
import { plain } from "../terminal.ts"
import { git, gitConfig } from "../worktree/git.ts"
import { worktreeOf, type Worktree } from "../worktree/worktree.ts"
import { beforeOf, hooksPlaceOf, isOurHook, textOf, type HooksPlace } from "./place.ts"
import { ours, passedOn, passedOnIfThere, scriptOf, type Program } from "./script.ts"
import { isOn, ownScope, turnOffUnneeded } from "./worktree-config.ts"

export interface InstallFlags {
  readonly seat?: string
  readonly uri?: string
}

/** Ourselves, wherever a link on PATH led to. */
const program = (): Program => ({ node: process.execPath, file: realpathSync(process.argv[1] ?? "") })

/** Whole or not at all: a commit may be under way. */
const put = (path: string, text: string): boolean => {
  if (textOf(path) === text && (lstatSync(path).mode & 0o111) !== 0) return false
  const partial = `${path}.${process.pid}.part`
  writeFileSync(partial, text, { mode: 0o755 })
  chmodSync(partial, 0o755)
  renameSync(partial, path)
  return true
}

const inPlace = async ({ own }: HooksPlace, { top }: Worktree): Promise<ReadonlyArray<string>> => {
  if (!existsSync(own)) {
    mkdirSync(own, { recursive: true })
    await git(top, "config", "--local", "aaax.hooksFolder", "made")
  }
  return ours.filter((hook) => {
    const path = join(own, hook)
    const before = join(own, beforeOf(hook))
    // What is there and not ours is run first. One that was put aside already stays: it was there before us.
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined && !isOurHook(path)) {
      if (existsSync(before)) throw new GitFailed({ reason: `${path} and ${before} are both there, and neither is ours: remove one` })
      renameSync(path, before)
    }
    return put(path, scriptOf(hook, program(), before))
  })
}

const beside = async ({ beside: folder, configured, local, own, scope }: HooksPlace, { top }: Worktree): Promise<ReadonlyArray<string>> => {
  mkdirSync(folder, { recursive: true })
  const target = configured === undefined ? own : expanded(configured)
  const isThere = (hook: string): boolean => existsSync(resolve(top, target, hook))
  const written = [...ours, ...passedOn, ...passedOnIfThere.filter(isThere)].filter((hook) => put(join(folder, hook), scriptOf(hook, program(), join(target, hook).replace(/^(?!\/)/u, "./"))))
  if (local !== folder) {
    if (local !== undefined) await git(top, "config", scope, "aaax.hooksPath", local)
    await git(top, "config", scope, "core.hooksPath", folder)
    return ["core.hooksPath", ...written]
  }
  return written
}

/** As git has it: `~` is the user's home. */
const expanded = (path: string): string => path.replace(/^~(?=\/|$)/u, process.env["HOME"] ?? "~")

const set = async (worktree: Worktree, name: string, value: string | undefined): Promise<ReadonlyArray<string>> => {
  if (value === undefined || (await gitConfig(worktree.top, "--get", name)) === value) return []
  await git(worktree.top, "config", await ownScope(worktree), name, value)
  return [name]
}

interface Installed {
  readonly worktree: string
  readonly hooks: string
  readonly changed: ReadonlyArray<string>
  readonly passesOn: string | null
  readonly chained: ReadonlyArray<string>
}

/** Files of git's own folder that may not be changed are no fault of ours. */
const written = async <A>(body: () => Promise<A>): Promise<A> => {
  try {
    return await body()
  } catch (error) {
    if (error instanceof Error && "path" in error && "code" in error && typeof error.path === "string") {
      throw new GitFailed({ reason: `${error.path} cannot be written (${String(error.code)}): the hooks are not installed, or not all of them` })
    }
    throw error
  }
}

/** Throws `GitFailed`. */
export const installIn = async (directory: string, flags: InstallFlags): Promise<Installed> => {
  const worktree = await worktreeOf(directory)
  const place = await hooksPlaceOf(worktree)
  const hooks = await written(() => (place.way === "in-place" ? inPlace : beside)(place, worktree))
  const settings = [...(await set(worktree, "aaax.seat", flags.seat)), ...(await set(worktree, "aaax.uri", flags.uri))]
  const chained = ours.filter((hook) => existsSync(place.way === "in-place" ? join(place.own, beforeOf(hook)) : resolve(worktree.top, place.configured === undefined ? place.own : expanded(place.configured), hook)))
  return { worktree: worktree.top, hooks: place.way === "in-place" ? place.own : place.beside, changed: [...hooks, ...settings], passesOn: place.way === "in-place" ? null : place.configured ?? place.own, chained }
}

export const install = Effect.fnUntraced(function*(called: Called, flags: InstallFlags): Effect.fn.Return<void, ClaimsFailure> {
  const done = yield* attempt(() => installIn(called.directory, flags))
  yield* show(called, done, () => [
    `${done.changed.length === 0 ? "nothing to do" : "installed"}  ${plain(done.hooks)}`,
    "  pre-commit   refuses what this seat has not claimed",
    "  post-commit  releases what was claimed --release-on commit",
    "  post-merge   releases what was claimed --release-on merge",
    ...(done.passesOn === null ? done.chained.map((hook) => `  ${hook} that was there runs first`) : [`  every hook of ${plain(done.passesOn)} runs first`])
  ])
})

const takeOut = ({ own }: HooksPlace): ReadonlyArray<string> =>
  ours.filter((hook) => {
    const path = join(own, hook)
    const before = join(own, beforeOf(hook))
    const isThere = isOurHook(path)
    if (isThere) rmSync(path)
    // What somebody put in our place stays, and what was put aside beside it, too.
    if (existsSync(before) && lstatSync(path, { throwIfNoEntry: false }) === undefined) renameSync(before, path)
    return isThere
  })

const removeEmpty = (...folders: ReadonlyArray<string>): void => {
  for (const folder of folders) {
    try {
      rmdirSync(folder)
    } catch {
      // Something of somebody else's is in it.
    }
  }
}

const removeFolder = (folder: string): boolean => {
  if (!existsSync(folder)) return false
  for (const hook of readdirSync(folder)) if (isOurHook(join(folder, hook))) rmSync(join(folder, hook))
  removeEmpty(folder, dirname(folder))
  return true
}

const unset = async ({ top }: Worktree, where: string, name: string): Promise<ReadonlyArray<string>> => {
  if ((await gitConfig(top, where, "--get", name)) === undefined) return []
  await git(top, "config", where, "--unset-all", name)
  return [name]
}

export const uninstall = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClaimsFailure> {
  const removed = yield* attempt(async () => {
    const worktree = await worktreeOf(called.directory)
    const { top } = worktree
    const gone: Array<string> = []
    // That of this tree alone, and behind it what all of them have.
    for (;;) {
      const place = await hooksPlaceOf(worktree)
      const { scope } = place
      gone.push(...await written(async () => takeOut(place)))
      const isInForce = place.local === place.beside
      if (isInForce) {
        const before = await gitConfig(top, scope, "--get", "aaax.hooksPath")
        await (before === undefined ? git(top, "config", scope, "--unset-all", "core.hooksPath") : git(top, "config", scope, "core.hooksPath", before))
        gone.push("core.hooksPath")
      }
      gone.push(...await unset(worktree, scope, "aaax.hooksPath"))
      if (await written(async () => removeFolder(place.beside))) gone.push(place.beside)
      if ((await unset(worktree, "--local", "aaax.hooksFolder")).length > 0) removeEmpty(place.own)
      if (!isInForce || scope === "--local") break
    }
    const isOwn = await isOn(top)
    for (const name of ["aaax.seat", "aaax.uri"]) {
      gone.push(...(await unset(worktree, "--local", name)), ...(isOwn ? await unset(worktree, "--worktree", name) : []))
    }
    await turnOffUnneeded(worktree)
    return gone
  })
  yield* show(called, { removed }, () => [removed.length === 0 ? "nothing of ours is there" : "removed: commits are no longer held against claims here"])
})
