// Where a path really lies, and what branch a working tree is on: what claims of files are held against.
import { lstat, readFile, readlink, realpath } from "node:fs/promises"
import { basename, dirname, isAbsolute, join, resolve } from "node:path"
import * as Effect from "effect/Effect"
import type { PlacePower } from "../authority/scopes.ts"

/** What a link may lead to through other links. */
const linksMax = 40

const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "unknown")

/** Links are followed as far as something is there; what is missing keeps its name. */
const follow = async (path: string, links: number): Promise<string> => {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || dirname(path) === path) throw error
  }
  // It may be a link to what is not there yet.
  const isLink = (await lstat(path).catch(() => undefined))?.isSymbolicLink() === true
  if (!isLink) return join(await follow(dirname(path), links), basename(path))
  if (links === 0) throw new Error("too many links")
  return follow(resolve(await follow(dirname(path), links), await readlink(path)), links - 1)
}

/** The real path; what cannot be followed stays as it was given. */
const realPath = (path: string): Effect.Effect<string> => Effect.promise(() => follow(path, linksMax).catch(() => path))

const headOf = async (worktree: string): Promise<string> => {
  const dot = join(worktree, ".git")
  const stats = await lstat(dot)
  if (stats.isDirectory()) return readFile(join(dot, "HEAD"), "utf8")
  const told = /^gitdir: (.+)$/mu.exec(await readFile(dot, "utf8"))?.[1] ?? ""
  return readFile(join(isAbsolute(told) ? told : join(worktree, told), "HEAD"), "utf8")
}

/** The branch that is checked out there; nothing when there is none, or nobody can tell. */
const branchOf = (worktree: string): Effect.Effect<string | undefined> =>
  Effect.promise(() => headOf(worktree).then((head) => /^ref: refs\/heads\/(.+)$/mu.exec(head)?.[1], () => undefined))

export const place: PlacePower = { realPath, branchOf }
