// Artifact bytes by digest, as files. A file is written under a temporary name, synced, and renamed to its digest, so
// that a file with a digest for a name is whole or was damaged later.
//
//   artifacts/ab/abcdef…   the bytes whose sha-256 is abcdef…
import { createHash, randomUUID } from "node:crypto"
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { readdirSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { ArtifactNotFound, StoreCorrupt } from "../../protocol/errors.ts"

export interface Files {
  /** Keeps the bytes and answers their digest. Rejects with the file system's error. */
  readonly put: (bytes: Uint8Array) => Promise<string>
  /** The bytes, verified. Rejects with `ArtifactNotFound` or `StoreCorrupt`. */
  readonly get: (digest: string) => Promise<Uint8Array>
  readonly verify: () => Promise<ReadonlyArray<string>>
  /** What all files take, in bytes. */
  readonly size: () => number
}

const digestShape = /^[0-9a-f]{64}$/
const partShape = /^\.part-/
const isMissing = (failure: unknown): boolean => (failure as NodeJS.ErrnoException).code === "ENOENT"

/** Hashes in slices and lets others run between them: 64 MiB at once would take 50 ms. */
const digestOf = async (bytes: Uint8Array): Promise<string> => {
  const hash = createHash("sha256")
  const step = 1_048_576
  for (let from = 0; from < bytes.length; from += step) {
    hash.update(bytes.subarray(from, from + step))
    if (from + step < bytes.length) await new Promise(setImmediate)
  }
  return hash.digest("hex")
}

const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

export const makeFiles = (root: string, before: () => void = () => undefined): Files => {
  const pathOf = (digest: string): string => join(root, digest.slice(0, 2), digest)
  for (const name of names(root)) if (partShape.test(name)) rmSync(join(root, name), { force: true }) // of a write that a crash cut off

  const put: Files["put"] = async (bytes) => {
    const own = Uint8Array.from(bytes) // the caller may change its array while this waits for the disk
    const digest = await digestOf(own)
    const target = pathOf(digest)
    const kept = await stat(target).catch((failure: unknown) => {
      if (isMissing(failure)) return undefined
      throw failure
    })
    // A damaged file is written anew: same name, and the bytes are at hand.
    if (kept?.size === own.length && (await digestOf(await readFile(target))) === digest) return digest
    before()
    const directory = join(root, digest.slice(0, 2))
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const part = join(root, `.part-${randomUUID()}`)
    try {
      const file = await open(part, "wx", 0o600)
      try {
        await file.writeFile(own)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(part, target)
    } catch (failure) {
      await rm(part, { force: true }).catch(() => undefined)
      throw failure
    }
    await syncDirectory(directory)
    await syncDirectory(root)
    return digest
  }

  const get: Files["get"] = async (digest) => {
    if (!digestShape.test(digest)) throw new ArtifactNotFound({ digest })
    const bytes = await readFile(pathOf(digest)).catch((failure: unknown) => {
      throw isMissing(failure)
        ? new ArtifactNotFound({ digest })
        : new StoreCorrupt({ where: `artifact ${digest}`, reason: String(failure) })
    })
    if ((await digestOf(bytes)) !== digest) throw new StoreCorrupt({ where: `artifact ${digest}`, reason: "its bytes have another digest" })
    return bytes
  }

  const digests = async (): Promise<ReadonlyArray<string>> => {
    const found: Array<string> = []
    for (const part of names(root)) {
      if (part.length === 2) found.push(...(await readdir(join(root, part))).filter((name) => digestShape.test(name)))
    }
    return found
  }

  return {
    put,
    get,
    verify: async () => {
      const problems: Array<string> = []
      for (const digest of await digests()) {
        await get(digest).catch((failure: unknown) => void problems.push((failure as Error).message))
      }
      return problems
    },
    size: () => {
      let size = 0
      for (const part of names(root)) {
        if (part.length === 2) for (const name of names(join(root, part))) size += statSync(join(root, part, name)).size
      }
      return size
    }
  }
}

const names = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory)
  } catch (failure) {
    if (isMissing(failure)) return []
    throw failure
  }
}
