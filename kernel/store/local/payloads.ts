// The artifact payloads of a `.sssn` directory. A payload is written under a temporary name, synced and renamed to its digest,
// and only then does a row speak of it: what has a digest for a name is whole, or was damaged later, which every read finds out.
import { createHash, randomUUID } from "node:crypto"
import {
  closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeSync
} from "node:fs"
import { join, relative, resolve, sep } from "node:path"
import { ArtifactCorruptError, ArtifactNotFoundError } from "../../../protocol/portable-error.ts"
import type { Artifact } from "../../../protocol/portable.ts"
import type { Layout } from "./layout.ts"

const partShape = /^\.part-/u
/** A temporary file that is older belongs to a writer that died. */
const partMillisMax = 3_600_000

export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const syncDirectory = (path: string): void => {
  const directory = openSync(path, "r")
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}

const isWhole = (path: string, size: number, sha256: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.size === size && sha256Of(readFileSync(path)) === sha256

/** Keeps bytes, and answers the path that their row names. What is there already, and whole, is not touched. */
export const keepPayload = (layout: Layout, bytes: Uint8Array, sha256: string): string => {
  const target = join(layout.artifactsPath, sha256)
  const path = `artifacts/${sha256}`
  if (isWhole(target, bytes.length, sha256)) return path
  mkdirSync(layout.artifactsPath, { recursive: true, mode: 0o700 })
  const part = join(layout.artifactsPath, `.part-${randomUUID()}`)
  try {
    const file = openSync(part, "wx", 0o600)
    try {
      for (let from = 0; from < bytes.length;) from += writeSync(file, bytes, from)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(part, target)
  } catch (failure) {
    rmSync(part, { force: true })
    throw failure
  }
  syncDirectory(layout.artifactsPath)
  return path
}

const isBelow = (path: string, folder: string): boolean => {
  const way = relative(folder, path)
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && resolve(folder, way) === path
}

/** The payload that a row names, verified against the row. What a path or a link leads to outside `artifacts/` is not read. */
export const readPayload = (layout: Layout, artifact: Artifact): Uint8Array => {
  const outside = (): ArtifactNotFoundError => new ArtifactNotFoundError("Artifact payload path is outside artifact storage.")
  const missing = (): ArtifactNotFoundError => new ArtifactNotFoundError(`Artifact payload not found: ${artifact.id}`)
  const named = resolve(layout.root, artifact.path)
  let real: string
  try {
    real = realpathSync(named)
  } catch {
    throw isBelow(named, layout.artifactsPath) ? missing() : outside()
  }
  if (!isBelow(real, realpathSync(layout.artifactsPath))) throw outside()
  if (!statSync(real).isFile()) throw missing()
  const bytes = readFileSync(real)
  if (artifact.sha256 !== null && sha256Of(bytes) !== artifact.sha256) throw ArtifactCorruptError.of(artifact.id, artifact.sha256)
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Removes what writers left that died in the middle. */
export const sweepParts = (layout: Layout, nowMillis: number): void => {
  for (const name of readdirSync(layout.artifactsPath)) {
    const path = join(layout.artifactsPath, name)
    if (partShape.test(name) && nowMillis - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? nowMillis) > partMillisMax) {
      rmSync(path, { force: true })
    }
  }
}

/** Payload files that no row names. */
export const orphansOf = (layout: Layout, isNamed: (path: string) => boolean): ReadonlyArray<string> =>
  readdirSync(layout.artifactsPath).filter((name) => !partShape.test(name) && !isNamed(`artifacts/${name}`))
