// Where a path really lies: what claims of files are held against.
import { lstat, readlink, realpath } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import * as Effect from "effect/Effect"

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
export const realPath = (path: string): Effect.Effect<string> => Effect.promise(() => follow(path, linksMax).catch(() => path))
