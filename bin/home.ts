// The folders that a kernel needs in the folder that it works on, made before anything starts.
import * as Effect from "effect/Effect"
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { NotLaunched } from "./failure.ts"

/** What the file system said, in words; the path is what it was about. */
const inWords = (error: unknown, path: string): string => {
  // Of node:fs, which has `dest` where two paths are involved.
  const known = error instanceof Error ? (error as NodeJS.ErrnoException & { readonly dest?: string }) : undefined
  const at = known?.dest ?? known?.path ?? path
  switch (known?.code) {
    case "EACCES":
    case "EPERM":
      return `${at} may not be written by this user`
    case "EROFS":
      return `${at} lies on a file system that is read-only`
    case "ENOSPC":
      return "there is no space left on the disk"
    case "ENOTDIR":
    case "EEXIST":
    case "EISDIR":
      return `${at} is not what it should be: something else is in its place`
    case "ENOENT":
      return `${at} cannot be made there`
    default:
      return known?.message ?? String(error)
  }
}

/** Work with files that a launch cannot do without. */
export const needed = <A>(directory: string, path: string, work: () => A): Effect.Effect<A, NotLaunched> =>
  Effect.try({ try: work, catch: (error) => new NotLaunched({ directory, reason: inWords(error, path) }) })

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

/** A folder, with those above it; one that is there stays as it is. One by one: Node's own way never ends in some file systems. */
export const makeFolder = (directory: string, path: string, mode = 0o777): Effect.Effect<void, NotLaunched> =>
  Effect.suspend(() => {
    if (isFolder(path)) return Effect.void
    if (existsSync(path)) return Effect.fail(new NotLaunched({ directory, reason: `${path} is a file, and must be a folder` }))
    return Effect.andThen(makeFolder(directory, dirname(path)), needed(directory, path, () => void mkdirSync(path, { mode })))
  })

/** Makes `.aaax` with its folders, closed to others, and ignored by git through a file of its own. */
export const makeHome = Effect.fnUntraced(function*(directory: string): Effect.fn.Return<void, NotLaunched> {
  const home = join(directory, ".aaax")
  for (const folder of [home, join(home, "run")]) {
    yield* makeFolder(directory, folder, 0o700)
    // It may be there since an earlier run, with other rights.
    yield* needed(directory, folder, () => chmodSync(folder, 0o700))
  }
  const ignore = join(home, ".gitignore")
  if (!existsSync(ignore)) yield* needed(directory, ignore, () => writeFileSync(ignore, "*\n"))
})
