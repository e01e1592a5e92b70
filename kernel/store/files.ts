// Artifact bytes by digest, as files. A file is written under a temporary name, synced, and renamed to its digest, so
// that a file with a digest for a name is whole or was damaged later.
//
//   artifacts/ab/abcdef…             the bytes whose sha-256 is abcdef…
//   artifacts/ab/abcdef….chunks      digests of their chunks (files/chunks.ts)
//   artifacts/ab/abcdef….unclaimed   they may be removed when nobody claims them (files/claims.ts)
import { createHash, hash } from "node:crypto"
import { readdirSync, rmSync, statSync } from "node:fs"
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { ArtifactNotFound, StoreCorrupt, StoreUnavailable } from "../../protocol/errors.ts"
import type { ArtifactBytes, ByteRange } from "../../protocol/artifact.ts"
import { artifactChunkBytes } from "../limits.ts"
import { makeChunker, readChunks, singleChunk, type Chunks } from "./files/chunks.ts"
import * as Claims from "./files/claims.ts"
import type { Unclaimed } from "./files/claims.ts"
import { partShape, writePart } from "./files/part.ts"
import { openFile, serveChunks } from "./files/serve.ts"

export type { Unclaimed } from "./files/claims.ts"

export interface StreamOptions {
  /** Who is going to claim the bytes. */
  readonly claim: string
  readonly sizeBytesMax: number
  /** All files together may take so much. */
  readonly totalBytesMax: number
}

export interface Files {
  /** Keeps the bytes, for good, and answers their digest. Rejects with the file system's error. */
  readonly put: (bytes: Uint8Array) => Promise<string>
  /** Keeps bytes as they come, until `claim` for good. Rejects with what the source throws, `TooLarge`, `StoreUnavailable`, or the file system's error. */
  readonly stream: (source: AsyncIterable<Uint8Array>, options: StreamOptions) => Promise<{ readonly digest: string; readonly sizeBytes: number }>
  readonly claim: (digest: string) => void
  readonly unclaimed: () => Promise<ReadonlyArray<Unclaimed>>
  /** Removes bytes, unless they were claimed or somebody is putting them. */
  readonly drop: (digest: string) => void
  /** The bytes, verified. Rejects with `ArtifactNotFound` or `StoreCorrupt`. */
  readonly get: (digest: string) => Promise<Uint8Array>
  /** The bytes of a range, verified as they are read. Rejects as `get`. */
  readonly open: (digest: string, range?: ByteRange) => Promise<ArtifactBytes>
  readonly verify: () => Promise<ReadonlyArray<string>>
  /** What all files take, in bytes. */
  readonly size: () => number
}

const digestShape = /^[0-9a-f]{64}$/u
const isMissing = (failure: unknown): boolean => (failure as NodeJS.ErrnoException).code === "ENOENT"

/** Hashes in slices and lets others run between them: 64 MiB at once would take 50 ms. */
const digestOf = async (bytes: Uint8Array): Promise<string> => {
  const whole = createHash("sha256")
  const step = 1_048_576
  for (let from = 0; from < bytes.length; from += step) {
    whole.update(bytes.subarray(from, from + step))
    if (from + step < bytes.length) await new Promise(setImmediate)
  }
  return whole.digest("hex")
}

const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, "r")
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

const missingIs = <A>(instead: A) => (failure: unknown): A => {
  if (isMissing(failure)) return instead
  throw failure
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

export const makeFiles = (root: string, before: () => void = () => undefined): Files => {
  const pathOf = (digest: string): string => join(root, digest.slice(0, 2), digest)
  const corrupt = (digest: string, reason: string): StoreCorrupt => new StoreCorrupt({ where: `artifact ${digest}`, reason })
  for (const name of names(root)) if (partShape.test(name)) rmSync(join(root, name), { force: true }) // of a write that a crash cut off
  /** Digests that are being put: nobody removes their files meanwhile. */
  const busy = new Map<string, number>()
  let total: number | undefined
  /** Counted once; from then on what comes and goes is added. */
  const size = (): number => (total ??= measure(root))
  /** Temporary files, in bytes as far as they are known: the bound counts what is under way too. */
  let incoming = 0

  const whileBusy = async <A>(digest: string, run: () => Promise<A>): Promise<A> => {
    busy.set(digest, (busy.get(digest) ?? 0) + 1)
    try {
      return await run()
    } finally {
      const left = (busy.get(digest) ?? 1) - 1
      if (left === 0) busy.delete(digest)
      else busy.set(digest, left)
    }
  }

  /** Moves what was written to its digest. Its chunk file comes first: whoever finds the one finds the other. */
  const land = async (part: Awaited<ReturnType<typeof writePart>>, claim: string | undefined): Promise<void> => {
    const directory = join(root, part.digest.slice(0, 2))
    const target = pathOf(part.digest)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const had = await stat(target).then((found) => found.size, missingIs(0))
    if (part.chunks !== undefined) await keepChunks(target, part.chunks, part.path)
    if (claim === undefined) Claims.claim(target)
    else Claims.announce(target, claim)
    await rename(part.path, target)
    await syncDirectory(directory)
    await syncDirectory(root)
    if (total !== undefined) total += part.sizeBytes - had
  }

  const keepChunks = async (target: string, chunks: Buffer, part: string): Promise<void> => {
    const file = await open(`${part}.chunks`, "wx", 0o600)
    try {
      await file.writeFile(chunks)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${part}.chunks`, `${target}.chunks`)
  }

  const write = async (source: AsyncIterable<Uint8Array>, claim: string | undefined, sizeBytesMax: number) => {
    before()
    await mkdir(root, { recursive: true, mode: 0o700 })
    const part = await writePart(root, source, sizeBytesMax)
    try {
      await whileBusy(part.digest, () => land(part, claim))
    } catch (failure) {
      for (const path of [part.path, `${part.path}.chunks`]) await rm(path, { force: true }).catch(() => undefined)
      throw failure
    }
    return { digest: part.digest, sizeBytes: part.sizeBytes }
  }

  const put: Files["put"] = async (bytes) => {
    const own = Uint8Array.from(bytes) // the caller may change its array while this waits for the disk
    const digest = await digestOf(own)
    return whileBusy(digest, async () => {
      const target = pathOf(digest)
      const kept = await stat(target).catch(missingIs(undefined))
      // A damaged file is written anew: same name, and the bytes are at hand.
      if (kept?.size === own.length && (await digestOf(await readFile(target))) === digest) Claims.claim(target)
      else await write(once(own), undefined, own.length)
      return digest
    })
  }

  const stream: Files["stream"] = async (source, { claim, sizeBytesMax, totalBytesMax }) => {
    let mine = 0
    async function* counted(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const bytes of source) {
        mine += bytes.length
        incoming += bytes.length
        if (size() + incoming > totalBytesMax) {
          throw new StoreUnavailable({ reason: `its artifacts may take ${totalBytesMax} bytes together, and do` })
        }
        yield bytes
      }
    }
    try {
      return await write(counted(), claim, sizeBytesMax)
    } finally {
      incoming -= mine
    }
  }

  const drop: Files["drop"] = (digest) => {
    const target = pathOf(digest)
    // Looked at and removed in one go: who puts the same bytes is busy before, or finds nothing after.
    if (!digestShape.test(digest) || busy.has(digest) || !Claims.isUnclaimed(target)) return
    const found = statSync(target, { throwIfNoEntry: false })
    for (const path of [target, `${target}.chunks`, Claims.unclaimedPath(target)]) rmSync(path, { force: true })
    if (total !== undefined) total -= found?.size ?? 0
  }

  /** The file of a digest, read without following a link. */
  const readWhole = async (digest: string): Promise<Uint8Array> => {
    if (!digestShape.test(digest)) throw new ArtifactNotFound({ digest })
    try {
      const file = await openFile(pathOf(digest))
      try {
        return await file.readFile()
      } finally {
        await file.close()
      }
    } catch (failure) {
      throw isMissing(failure) ? new ArtifactNotFound({ digest }) : corrupt(digest, String(failure))
    }
  }

  const get: Files["get"] = async (digest) => {
    const bytes = await readWhole(digest)
    if ((await digestOf(bytes)) !== digest) throw corrupt(digest, "its bytes have another digest")
    return bytes
  }

  /** Digests of the chunks: as kept, or made anew from bytes that were checked as a whole. */
  const chunksOf = async (digest: string, sizeBytes: number): Promise<Chunks> => {
    if (sizeBytes <= artifactChunkBytes) return singleChunk(digest, sizeBytes)
    const target = pathOf(digest)
    const kept = await readFile(`${target}.chunks`).then((file) => readChunks(file, sizeBytes), missingIs(undefined))
    if (kept !== undefined) return kept
    const chunker = makeChunker()
    const whole = createHash("sha256")
    const file = await openFile(target)
    try {
      for await (const bytes of file.createReadStream({ autoClose: false, highWaterMark: artifactChunkBytes }) as AsyncIterable<Uint8Array>) {
        whole.update(bytes)
        chunker.add(bytes)
      }
    } finally {
      await file.close()
    }
    if (whole.digest("hex") !== digest) throw corrupt(digest, "its bytes have another digest")
    const made = chunker.done(sizeBytes)
    const temporary = join(root, `.part-${hash("sha256", `${digest} ${performance.now()}`)}.chunks`)
    await writeFile(temporary, made, { mode: 0o600 }).then(() => rename(temporary, `${target}.chunks`)).catch(() => rm(temporary, { force: true }))
    const chunks = readChunks(made, sizeBytes)
    if (chunks === undefined) throw corrupt(digest, "its size changes while it is read")
    return chunks
  }

  return {
    put,
    stream,
    claim: (digest) => {
      if (digestShape.test(digest)) Claims.claim(pathOf(digest))
    },
    unclaimed: async () => {
      const found: Array<Unclaimed> = []
      for (const part of names(root)) {
        if (part.length !== 2) continue
        for (const name of await readdir(join(root, part))) {
          const digest = name.slice(0, 64)
          const one = name.endsWith(".unclaimed") ? Claims.readUnclaimed(pathOf(digest), digest) : undefined
          if (one !== undefined) found.push(one)
        }
      }
      return found
    },
    drop,
    get,
    open: async (digest, range) => {
      if (!digestShape.test(digest)) throw new ArtifactNotFound({ digest })
      const target = pathOf(digest)
      try {
        const found = await stat(target)
        const chunks = await chunksOf(digest, found.size)
        const asked = { from: range?.from ?? 0, to: Math.min(range?.to ?? Infinity, found.size - 1) }
        if (found.size === 0 && hash("sha256", "") !== digest) throw corrupt(digest, "its bytes have another digest")
        return { sizeBytes: found.size, range: asked, chunks: serveChunks(target, digest, chunks, asked) }
      } catch (failure) {
        if (failure instanceof StoreCorrupt) throw failure
        throw isMissing(failure) ? new ArtifactNotFound({ digest }) : corrupt(digest, String(failure))
      }
    },
    verify: async () => {
      const problems: Array<string> = []
      for (const part of names(root)) {
        if (part.length !== 2) continue
        for (const digest of (await readdir(join(root, part))).filter((name) => digestShape.test(name))) {
          await verifyOne(pathOf(digest), digest).catch((failure: unknown) => void problems.push((failure as Error).message))
        }
      }
      return problems
    },
    size
  }
}

/** Reads a file in pieces: an artifact may be larger than memory. */
const verifyOne = async (path: string, digest: string): Promise<void> => {
  const whole = createHash("sha256")
  const file = await openFile(path)
  try {
    for await (const bytes of file.createReadStream({ autoClose: false, highWaterMark: artifactChunkBytes }) as AsyncIterable<Uint8Array>) whole.update(bytes)
  } finally {
    await file.close()
  }
  if (whole.digest("hex") !== digest) throw new StoreCorrupt({ where: `artifact ${digest}`, reason: "its bytes have another digest" })
}

const measure = (root: string): number => {
  let size = 0
  for (const part of names(root)) {
    if (part.length !== 2) continue
    for (const name of names(join(root, part))) {
      if (digestShape.test(name)) size += statSync(join(root, part, name), { throwIfNoEntry: false })?.size ?? 0
    }
  }
  return size
}

const names = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory)
  } catch (failure) {
    if (isMissing(failure)) return []
    throw failure
  }
}
