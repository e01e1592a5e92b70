// What changed between two looks at a folder. Pure: reading and hashing are the caller's.
import type { FileEntry } from "aaax"

/** What a record says a path is. `unreadable` is a file that could not be read. */
export type Kind = FileEntry["kind"] | "unreadable"

/** What was said last of a path. */
export interface Known {
  readonly kind: Kind
  /** sha-256 of a file's content, of a link's target; otherwise the kind. */
  readonly digest: string
  /** The file system's word when the digest was made; empty when it is not known, so that the digest is made again. */
  readonly stamp: string
}

/** Payload of `file` and `file.removed` in `repo.files`. */
export interface FileRecord {
  readonly path: string
  readonly kind: Kind
  readonly digest: string
  readonly sizeBytes: number
  readonly changedAt: number
  readonly linkTarget?: string
  readonly reason?: string
}

export interface Look {
  /** Paths that must be looked at more closely: new ones, and those whose stamp or kind changed. */
  readonly changed: ReadonlyArray<FileEntry>
  /** Paths that were there and are not. */
  readonly removed: ReadonlyArray<string>
  /** Paths that were missing all along and are not even listed any more: nothing to say. */
  readonly forgotten: ReadonlyArray<string>
}

const isThere = (kind: Kind): boolean => kind !== "missing"

export const look = (known: ReadonlyMap<string, Known>, entries: ReadonlyArray<FileEntry>): Look => {
  const changed: Array<FileEntry> = []
  const removed: Array<string> = []
  const listed = new Set<string>()
  for (const entry of entries) {
    listed.add(entry.path)
    const before = known.get(entry.path)
    // Still in git's index, but its file is gone: for those who follow files that is a removal.
    if (entry.kind === "missing" && before !== undefined) {
      if (isThere(before.kind)) removed.push(entry.path)
      continue
    }
    const same = before !== undefined && before.stamp === entry.stamp && (before.kind === entry.kind || before.kind === "unreadable")
    if (!same) changed.push(entry)
  }
  const forgotten: Array<string> = []
  for (const [path, before] of known) {
    if (!listed.has(path)) (isThere(before.kind) ? removed : forgotten).push(path)
  }
  const byPath = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
  return { changed: changed.sort((a, b) => byPath(a.path, b.path)), removed: removed.sort(byPath), forgotten }
}

/** Whether a closer look found something worth saying: the stamp alone is not. */
export const isNews = (before: Known | undefined, record: Pick<FileRecord, "kind" | "digest">): boolean =>
  before === undefined || before.kind !== record.kind || before.digest !== record.digest

/** The state as text for a snapshot, and back; `undefined` for what is not such a text. */
export const encode = (known: ReadonlyMap<string, Known>): string =>
  JSON.stringify([...known].map(([path, { digest, kind, stamp }]) => [path, kind, digest, stamp]))

export const decode = (text: unknown): Map<string, Known> | undefined => {
  if (typeof text !== "string") return undefined
  const rows: unknown = JSON.parse(text)
  if (!Array.isArray(rows)) return undefined
  const known = new Map<string, Known>()
  for (const row of rows) {
    if (!Array.isArray(row) || row.length !== 4 || !row.every((cell) => typeof cell === "string")) return undefined
    const [path, kind, digest, stamp] = row as [string, Kind, string, string] // written by `encode`, four strings
    known.set(path, { kind, digest, stamp })
  }
  return known
}
