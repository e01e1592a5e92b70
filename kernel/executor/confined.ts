// Folders below a root, entered step by step without following a link, so that nothing between check and use leads outside.
//
// Node has no openat(2). On Linux `/proc/self/fd/N/name` is the same: it names an entry of the folder that N has open,
// wherever that folder has been moved to meanwhile. Elsewhere the path is used, and the folder found again under it
// before each use; there, someone with write access to the root could still win a race that is a few microseconds long.
import { constants, existsSync } from "node:fs"
import { lstat, open, readlink, realpath, type FileHandle } from "node:fs/promises"
import { NotDone } from "./executor.ts"

export interface Folder {
  readonly handle: FileHandle
  /** Its real path when it was opened. */
  readonly path: string
}

/** Whether folders can be used by handle on this machine. */
export const hasHandlePaths = process.platform === "linux" && existsSync("/proc/self/fd")

export const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string" ? error.code : "unknown"

const openFolder = async (path: string, real: string): Promise<Folder> => {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  return { handle, path: real }
}

/** The root itself may be reached through links: the operator named it. */
export const openRoot = async (root: string): Promise<Folder> => {
  const real = await realpath(root)
  return openFolder(real, real)
}

/** Where the folder lies now, wherever it has been moved to meanwhile. */
export const placeNow = (folder: Folder): Promise<string> =>
  hasHandlePaths ? readlink(`/proc/self/fd/${folder.handle.fd}`) : realpath(folder.path)

/** Gives entries of open folders a path that can be handed to the file system. */
export interface Steps {
  /** Path of an entry of the folder. Fails when the folder is not where it was opened. */
  readonly at: (folder: Folder, name: string) => Promise<string>
  /** Opens a folder in the folder. Throws the system's error, or `NotDone` for what is not a real folder. */
  readonly enter: (folder: Folder, name: string) => Promise<Folder>
}

export const makeSteps = (byHandle: boolean = hasHandlePaths): Steps => {
  const at: Steps["at"] = async (folder, name) => {
    if (byHandle) return `/proc/self/fd/${folder.handle.fd}/${name}`
    const [held, found, real] = await Promise.all([folder.handle.stat(), lstat(folder.path), realpath(folder.path)])
    if (held.ino !== found.ino || held.dev !== found.dev || real !== folder.path) throw new NotDone("a folder was moved meanwhile")
    return `${folder.path}/${name}`
  }
  return {
    at,
    enter: async (folder, name) => {
      const path = await at(folder, name)
      try {
        return await openFolder(path, `${folder.path}/${name}`)
      } catch (error) {
        const code = codeOf(error)
        if (code !== "ENOTDIR" && code !== "ELOOP") throw error
        const what = (await lstat(path)).isSymbolicLink() ? "a link, and links are not followed" : "not a folder"
        throw new NotDone(`${name} is ${what}`)
      }
    }
  }
}
