// Opens a file below a root for reading: never through a link, never anything but a file, never above the root.
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, realpathSync, type Stats } from "node:fs"
import { isConfined } from "../../protocol/path.ts"

export interface OpenFile {
  readonly fd: number
  readonly stats: Stats
}

export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : "unknown"

/** What is not looked into, at any depth: the kernel's own files and git's. */
export const isPrivate = (path: string): boolean => /(?:^|\/)\.(?:git|aaax)(?:\/|$)/iu.test(path)

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "it is not there", ENOTDIR: "it is not there", EACCES: "the file system denies it", EPERM: "the file system denies it",
  ELOOP: "it is a link", ENAMETOOLONG: "the name is too long", EISDIR: "it is a folder"
}

export const reasonOf = (error: unknown): string => reasons[codeOf(error)] ?? `the file system answered ${codeOf(error)}`

/** Where an open file is now, whatever its path says: on Linux the system tells, elsewhere the path is followed again. */
const placeOf = (fd: number, path: string): string =>
  process.platform === "linux" ? readlinkSync(`/proc/self/fd/${fd}`) : realpathSync(path)

const isSame = (a: Stats, b: Stats): boolean => a.ino === b.ino && a.dev === b.dev

/** The open file, or a sentence that says why not. The caller closes it. `root` is a real path. */
export const openConfined = (root: string, path: string): OpenFile | string => {
  if (!isConfined(path)) return "the path is not relative, or has empty, . or .. segments"
  if (isPrivate(path)) return "it belongs to git or to the kernel"
  const full = root === "/" ? `/${path}` : `${root}/${path}`
  let fd: number | undefined
  try {
    // Looked at before it is opened: to open a device is to use it.
    const seen = lstatSync(full)
    if (seen.isSymbolicLink()) return "it is a link"
    if (!seen.isFile()) return seen.isDirectory() ? "it is a folder" : "it is not a file"
    fd = openSync(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const stats = fstatSync(fd)
    const refusal = !stats.isFile() || !isSame(seen, stats) ? "it changed while it was opened" : placeOf(fd, full) === full ? undefined : "a link leads to it"
    if (refusal === undefined) return { fd, stats }
    closeSync(fd)
    return refusal
  } catch (error) {
    if (fd !== undefined) closeSync(fd)
    return reasonOf(error)
  }
}
