// A file on its way: bytes are gathered, digested and written under a temporary name, and synced when they are all there.
import { createHash, randomUUID } from "node:crypto"
import { open, rm } from "node:fs/promises"
import { join } from "node:path"
import { TooLarge } from "../../../protocol/errors.ts"
import { artifactBufferBytes, artifactChunkBytes } from "../../limits.ts"
import { makeChunker } from "./chunks.ts"

export interface Part {
  readonly path: string
  readonly digest: string
  readonly sizeBytes: number
  /** The chunk file; nothing when one chunk is the whole. */
  readonly chunks: Buffer | undefined
}

export const partShape = /^\.part-/u

/** Removes what was written when it fails; what the source throws is thrown on. */
export const writePart = async (root: string, source: AsyncIterable<Uint8Array>, sizeBytesMax: number): Promise<Part> => {
  const path = join(root, `.part-${randomUUID()}`)
  const file = await open(path, "wx", 0o600)
  try {
    const whole = createHash("sha256")
    const chunker = makeChunker()
    let sizeBytes = 0
    let filled = 0
    let buffer = Buffer.allocUnsafeSlow(artifactBufferBytes)
    let spare = Buffer.allocUnsafeSlow(artifactBufferBytes)
    /** The buffer that is being written, while the other one is filled. */
    let writing: Promise<void> | undefined

    const write = async (bytes: Uint8Array): Promise<void> => {
      let from = 0
      while (from < bytes.length) from += (await file.write(bytes, from)).bytesWritten
    }
    const turn = async (): Promise<void> => {
      const full = buffer.subarray(0, filled)
      whole.update(full)
      chunker.add(full)
      await writing
      writing = write(full)
      writing.catch(() => undefined) // it is awaited before the next one, or at the end
      const other = spare
      spare = buffer
      buffer = other
      filled = 0
    }

    try {
      for await (const bytes of source) {
        sizeBytes += bytes.length
        if (sizeBytes > sizeBytesMax) throw new TooLarge({ what: "The artifact", size: sizeBytes, sizeMax: sizeBytesMax, unit: "bytes" })
        for (let from = 0; from < bytes.length;) {
          const piece = bytes.subarray(from, from + artifactBufferBytes - filled)
          buffer.set(piece, filled)
          filled += piece.length
          from += piece.length
          if (filled === artifactBufferBytes) await turn()
        }
      }
      if (filled > 0) await turn()
    } finally {
      await writing?.catch(() => undefined)
    }
    await writing
    await file.sync()
    return {
      path, digest: whole.digest("hex"), sizeBytes, chunks: sizeBytes > artifactChunkBytes ? chunker.done(sizeBytes) : undefined
    }
  } catch (failure) {
    await rm(path, { force: true }).catch(() => undefined)
    throw failure
  } finally {
    await file.close().catch(() => undefined)
  }
}
