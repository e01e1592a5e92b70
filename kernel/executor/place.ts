// Where a target lies: below a declared root, by the one rule for paths. Shared by what reads and what writes files.
import { basename, isAbsolute } from "node:path"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { pathRefusal, reservedFolders, reservedIn, type Reserved } from "../../protocol/path.ts"
import { codeOf } from "./confined.ts"

/** A target, taken apart. */
export interface Place {
  readonly root: string
  readonly parents: ReadonlyArray<string>
  readonly name: string
}

export interface PlaceOptions {
  /** Absolute folders. The first is the one that a target without a root's name is relative to. */
  readonly roots: ReadonlyArray<string>
  /** Folders that are refused at any depth; default: `.git`, and `.aaax` but for its reports. `.git` always is. */
  readonly reserved?: ReadonlyArray<Reserved>
}

const rootNames = (roots: ReadonlyArray<string>, where: string): ReadonlyMap<string, string> => {
  const issues = roots.flatMap((root, at) => {
    const path = `${where}[${at}]`
    if (!isAbsolute(root)) return [{ file: "config", path, reason: `${root} is not an absolute path.` }]
    const twin = roots.findIndex((other) => basename(other) === basename(root))
    return twin === at ? [] : [{ file: "config", path, reason: `${root} ends like ${roots[twin]}; targets could not tell them apart.` }]
  })
  if (roots.length === 0) issues.push({ file: "config", path: where, reason: "name at least one folder." })
  if (issues.length > 0) throw new ConfigInvalid({ issues })
  return new Map(roots.map((root) => [basename(root), root]))
}

/** Takes targets apart, or says why they name nothing here. Throws `ConfigInvalid` for roots that are not absolute or end alike. */
export const makePlaces = (options: PlaceOptions, where: string): ((target: string) => Place | string) => {
  const names = rootNames(options.roots, where)
  const reserved = [...(options.reserved ?? reservedFolders), { name: ".git", except: [] }]
  return (target) => {
    const colon = target.indexOf(":")
    const path = target.slice(colon + 1)
    const root = colon === -1 ? options.roots[0] : names.get(target.slice(0, colon))
    if (root === undefined) return `there is no root with this name; roots: ${[...names.keys()].join(", ")}`
    const refusal = pathRefusal(path)
    if (refusal !== undefined) return refusal
    const folder = reservedIn(path, reserved)
    if (folder !== undefined) return `${folder} is reserved`
    const parents = path.split("/")
    // A path that was not refused has at least one segment.
    return { root, name: parents.pop()!, parents }
  }
}

/** What the file system answered, as a sentence. */
export const reasonOf = (error: unknown): string => {
  const reasons: Readonly<Record<string, string>> = {
    EACCES: "the file system denies it", EPERM: "the file system denies it", EROFS: "the file system is read-only",
    ENOSPC: "the disk is full", EDQUOT: "the disk quota is used up", ENOENT: "the root is not there", ENAMETOOLONG: "a name is too long"
  }
  const code = codeOf(error)
  return reasons[code] ?? `the file system answered ${code}`
}
