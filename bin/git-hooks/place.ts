// Where the hooks of a repository lie, and what is in them. Two ways in: beside the files of the repository's own folder of hooks, or,
// when config names another folder (a tool's, the user's, a tracked one) or that folder is not its alone, in a folder of ours that passes
// everything on to it.
import { accessSync, constants, lstatSync, readFileSync, statSync } from "node:fs"
import { isAbsolute, join, resolve } from "node:path"
import { git, gitConfig } from "../worktree/git.ts"
import type { Worktree } from "../worktree/worktree.ts"
import { isOurs } from "./script.ts"
import { isOn } from "./worktree-config.ts"

export interface HooksPlace {
  /** The folder that git uses now, absolute. */
  readonly used: string
  /** The repository's own. */
  readonly own: string
  /** Ours, and what config named before it was. */
  readonly beside: string
  /** Which config of this repository's names a folder, or would: that of this working tree alone comes before what all of them have. */
  readonly scope: "--local" | "--worktree"
  /** `core.hooksPath` in it; nothing when it names none. */
  readonly local: string | undefined
  /** What is in force without us: as it is written in whichever config. Nothing: the repository's own folder. */
  readonly configured: string | undefined
  /** We are in force, and so is this way in. */
  readonly way: "in-place" | "beside"
}

/** The name that a hook is put under while ours stands in its place. */
export const beforeOf = (hook: string): string => `${hook}.before-aaax`

export const hooksPlaceOf = async (worktree: Worktree): Promise<HooksPlace> => {
  const own = join(worktree.commonDir, "hooks")
  const told = (await git(worktree.top, "rev-parse", "--git-path", "hooks")).replace(/\n$/u, "")
  const used = isAbsolute(told) ? told : resolve(worktree.top, told)
  const ofTree = (await isOn(worktree.top)) ? await gitConfig(worktree.top, "--worktree", "--get", "core.hooksPath") : undefined
  const scope = ofTree === undefined ? "--local" : "--worktree"
  // What one tree's hooks are passed on to is no other tree's.
  const beside = scope === "--local" ? join(worktree.commonDir, "aaax", "hooks") : join(worktree.gitDir, "aaax", "own-hooks")
  const local = ofTree ?? (await gitConfig(worktree.top, "--local", "--get", "core.hooksPath"))
  const before = await gitConfig(worktree.top, scope, "--get", "aaax.hooksPath")
  const now = await gitConfig(worktree.top, "--get", "core.hooksPath")
  const configured = now === beside ? before ?? (await globalPath(worktree)) : now
  return { used, own, beside, scope, local, configured, way: configured === undefined && isOurOwn(own) ? "in-place" : "beside" }
}

/** A folder of this repository alone, that can be written to: one that a link leads to may be many repositories'. */
const isOurOwn = (own: string): boolean => {
  const stats = lstatSync(own, { throwIfNoEntry: false })
  if (stats === undefined) return true
  if (!stats.isDirectory()) return false
  try {
    accessSync(own, constants.W_OK)
    return true
  } catch {
    return false
  }
}

const globalPath = async ({ top }: Worktree): Promise<string | undefined> =>
  (await gitConfig(top, "--global", "--get", "core.hooksPath")) ?? (await gitConfig(top, "--system", "--get", "core.hooksPath"))

/** What a file says, if it is one that git could run or we could have written. */
export const textOf = (path: string): string | undefined => {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return undefined
  return readFileSync(path, "utf8")
}

export const isOurHook = (path: string): boolean => {
  const text = textOf(path)
  return text !== undefined && isOurs(text)
}
