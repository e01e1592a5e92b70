// Bytes that were streamed in belong to nobody until somebody claims them: between the two a crash may come. A file beside
// them says who was going to, so that they can be removed when nobody did. Bytes without that file are kept for good.
//
//   <digest>.unclaimed   ids of those who were going to claim the bytes, a line each; its time is that of the newest
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs"

export interface Unclaimed {
  readonly digest: string
  readonly claims: ReadonlyArray<string>
  /** Wall time of the newest of them, in milliseconds. */
  readonly at: number
}

export const unclaimedPath = (path: string): string => `${path}.unclaimed`

/** Before bytes are moved to `path`: notes who is going to claim them. Bytes that are there and claimed stay so. */
export const announce = (path: string, claim: string): void => {
  const note = unclaimedPath(path)
  if (existsSync(path) && !existsSync(note)) return
  const file = openSync(note, "a", 0o600)
  try {
    writeSync(file, `${claim}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export const claim = (path: string): void => rmSync(unclaimedPath(path), { force: true })

export const isUnclaimed = (path: string): boolean => existsSync(unclaimedPath(path))

export const readUnclaimed = (path: string, digest: string): Unclaimed | undefined => {
  const note = unclaimedPath(path)
  const stat = statSync(note, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  return { digest, claims: readFileSync(note, "utf8").split("\n").filter((line) => line !== ""), at: stat.mtimeMs }
}
