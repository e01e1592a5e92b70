// What lies below a root, looked at in slices that are so short that nobody waits for them.
import { lstatSync, opendirSync, readlinkSync, type Dir, type Stats } from "node:fs"
import type { FileEntry } from "../../protocol/power.ts"
import { listEntriesMax } from "../limits.ts"
import { codeOf, isPrivate } from "./confined-open.ts"

/** A listing that cannot be given; the reason is a sentence. */
export class NotListed extends Error {}

/** Longest time for which the event loop is held, in milliseconds. */
const sliceMillis = 3

/** Gives others a turn when the slice is over. Asked often, looks at the clock rarely. */
const makeSlices = (signal: AbortSignal): (() => Promise<void> | undefined) => {
  let since = performance.now()
  let asked = 0
  return () => {
    if ((++asked & 31) !== 0 || performance.now() - since < sliceMillis) return undefined
    return new Promise((resolve, reject) => {
      setImmediate(() => {
        since = performance.now()
        if (signal.aborted) reject(new NotListed("it was stopped"))
        else resolve()
      })
    })
  }
}

const kindOf = (stats: Stats): FileEntry["kind"] =>
  stats.isFile() ? "file" : stats.isSymbolicLink() ? "link" : stats.isDirectory() ? "directory" : "special"

const entryOf = (path: string, kind: FileEntry["kind"], stats: Stats | undefined, full: string): FileEntry => {
  if (stats === undefined) return { path, kind, sizeBytes: 0, changedAt: 0, stamp: "" }
  const entry = {
    path, kind, sizeBytes: stats.size, changedAt: Math.floor(stats.mtimeMs),
    stamp: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeMs}:${stats.ctimeMs}`
  }
  return kind === "link" ? { ...entry, linkTarget: targetOf(full) } : entry
}

const targetOf = (full: string): string => {
  try {
    return readlinkSync(full)
  } catch {
    return ""
  }
}

/** What lies there, or nothing. A name that was not UTF-8 cannot be asked for: it is there, and special. */
const statsOf = (full: string): Stats | undefined => {
  try {
    return lstatSync(full, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

const absentKind = (path: string): FileEntry["kind"] => (path.includes("\ufffd") ? "special" : "missing")

const tooMany = (): NotListed => new NotListed(`it holds more than ${listEntriesMax} entries`)

/**
 * The entries of these paths. `submodules` among them are not looked into; a path below a link is missing: what lies
 * behind the link is not below the root.
 */
export const look = async (
  root: string, paths: Iterable<string>, submodules: ReadonlySet<string>, signal: AbortSignal
): Promise<Array<FileEntry>> => {
  const entries: Array<FileEntry> = []
  const folders = new Map<string, boolean>([["", true]])
  const isReal = (folder: string): boolean => {
    const known = folders.get(folder)
    if (known !== undefined) return known
    const slash = folder.lastIndexOf("/")
    const real = isReal(slash === -1 ? "" : folder.slice(0, slash)) && statsOf(`${root}/${folder}`)?.isDirectory() === true
    folders.set(folder, real)
    return real
  }
  const slice = makeSlices(signal)
  for (const path of paths) {
    const pause = slice()
    if (pause !== undefined) await pause
    if (entries.length >= listEntriesMax) throw tooMany()
    const slash = path.lastIndexOf("/")
    const full = `${root}/${path}`
    const stats = slash === -1 || isReal(path.slice(0, slash)) ? statsOf(full) : undefined
    const kind = submodules.has(path) ? "submodule" : stats === undefined ? absentKind(path) : kindOf(stats)
    entries.push(entryOf(path, kind, stats, full))
  }
  return entries
}

/** Everything below a folder. Links are not followed; a folder that may not be looked into is an entry itself. */
export const walk = async (root: string, signal: AbortSignal): Promise<Array<FileEntry>> => {
  const entries: Array<FileEntry> = []
  const slice = makeSlices(signal)
  const folders = [""]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const open = openFolder(root, folder)
    if (open === undefined) {
      if (folder === "") throw new NotListed("it cannot be looked into")
      entries.push(entryOf(folder, "directory", statsOf(`${root}/${folder}`), ""))
      continue
    }
    try {
      for (let found = open.readSync(); found !== null; found = open.readSync()) {
        const pause = slice()
        if (pause !== undefined) await pause
        const path = folder === "" ? found.name : `${folder}/${found.name}`
        if (isPrivate(path)) continue
        if (entries.length + folders.length >= listEntriesMax) throw tooMany()
        const full = `${root}/${path}`
        const stats = statsOf(full)
        if (stats?.isDirectory() === true) folders.push(path)
        else if (stats !== undefined || absentKind(path) === "special") entries.push(entryOf(path, stats === undefined ? "special" : kindOf(stats), stats, full))
      }
    } finally {
      open.closeSync()
    }
  }
  return entries
}

/** Nothing when it may not be looked into, or when it or a folder on the way has become a link since it was seen. */
const openFolder = (root: string, folder: string): Dir | undefined => {
  const full = folder === "" ? root : `${root}/${folder}`
  try {
    if (folder !== "" && !isWithoutLinks(root, folder)) return undefined
    return opendirSync(full, { bufferSize: 256 })
  } catch (error) {
    if (["ENOENT", "EACCES", "EPERM", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(codeOf(error))) return undefined
    throw error
  }
}

const isWithoutLinks = (root: string, folder: string): boolean => {
  for (let at = folder.indexOf("/"); ; at = folder.indexOf("/", at + 1)) {
    if (statsOf(`${root}/${at === -1 ? folder : folder.slice(0, at)}`)?.isDirectory() !== true) return false
    if (at === -1) return true
  }
}
