// Paths as they are typed, in the one spelling that git has for them: from the top of the working tree, composed, with the
// case of the index, links on the way resolved.
import { lstatSync, readlinkSync, realpathSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { UsageError } from "../failure.ts"
import { git } from "./git.ts"
import type { Worktree } from "./worktree.ts"

const pattern = /[*?[{]/u

/** The real path of a folder as far as it is there. */
const realFolder = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    return dirname(path) === path ? path : join(realFolder(dirname(path)), path.slice(dirname(path).length).replace(/^\//u, ""))
  }
}

const linkOf = (path: string): string | undefined => {
  try {
    return lstatSync(path).isSymbolicLink() ? resolve(dirname(path), readlinkSync(path)) : undefined
  } catch {
    return undefined
  }
}

/** The path from the top; nothing when it leads out. */
const inside = (top: string, path: string): string | undefined =>
  path === top ? "" : path.startsWith(`${top}/`) ? path.slice(top.length + 1) : undefined

/** The first folder on the way to this one, or itself, that is another working tree: a submodule, or a tree that was added inside. */
const nestedIn = (top: string, folder: string): string | undefined => {
  const segments = folder === "" ? [] : folder.split("/")
  for (let depth = 1; depth <= segments.length; depth++) {
    const one = segments.slice(0, depth).join("/")
    if (exists(join(top, one, ".git"))) return one
  }
  return undefined
}

/** The segments that git's index spells otherwise, as it does; the rest as it is. */
const spelled = async (worktree: Worktree, path: string): Promise<string> => {
  if (!worktree.ignoresCase || path === "") return path
  const listed = (await git(worktree.top, "ls-files", "-z", "--full-name", "--", `:(top,icase,literal)${path}`)).split("\0")
  const depth = path.split("/").length
  const folded = path.toLowerCase()
  const found = listed.map((one) => one.normalize("NFC").split("/").slice(0, depth).join("/")).find((one) => one.toLowerCase() === folded)
  return found ?? path
}

/**
 * One path or glob, typed in `directory`. A link stands for itself and for what it leads to. Throws `UsageError` for what lies
 * outside the working tree.
 */
export const canonicalPaths = async (worktree: Worktree, directory: string, given: string): Promise<ReadonlyArray<string>> => {
  const refuse = (why: string): never => {
    throw new UsageError({ reason: `${given} ${why} ${worktree.top}.` })
  }
  if (given.trim() === "" || given.includes("\0")) throw new UsageError({ reason: "a path is empty; . stands for the whole working tree." })
  const segments = given.replace(/\/+$/u, "").split("/")
  const wild = segments.findIndex((segment) => pattern.test(segment))
  const isPattern = wild !== -1 && linkOf(resolve(directory, given)) === undefined && !exists(resolve(directory, given))
  const tail = isPattern ? segments.slice(wild) : []
  if (tail.includes("..")) refuse("goes back up behind a pattern; name it from the top of")
  const typed = resolve(directory, isPattern ? segments.slice(0, wild).join("/") || (given.startsWith("/") ? "/" : ".") : given)
  // Folders on the way are what they lead to; git follows no link, so the last name stays.
  const real = isPattern ? realFolder(typed) : typed === worktree.top ? typed : join(realFolder(dirname(typed)), typed.slice(typed.lastIndexOf("/") + 1))
  const path = inside(worktree.top, real) ?? refuse("lies outside of")
  const nested = nestedIn(worktree.top, isPattern ? path : path.split("/").slice(0, -1).join("/"))
  if (nested !== undefined) throw new UsageError({ reason: `${given} lies in ${nested}, which is a working tree of its own: go there, and name it from there.` })
  const target = isPattern ? undefined : linkOf(real)
  const led = target === undefined ? undefined : inside(worktree.top, realFolder(target)) ?? refuse("is a link that leads out of")
  const written = async (one: string, rest: ReadonlyArray<string>): Promise<string> =>
    [...(one === "" ? [] : [await spelled(worktree, one.normalize("NFC"))]), ...rest.map((segment) => segment.normalize("NFC"))].join("/") || "."
  return [await written(path, tail), ...(led === undefined ? [] : [await written(led, [])])]
}

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined
