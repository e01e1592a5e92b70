// Reading an artifact in checked chunks: no byte is handed out before the chunk it lies in was compared with its digest.
import { createHash } from "node:crypto"
import { constants } from "node:fs"
import { open, type FileHandle } from "node:fs/promises"
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { ByteRange } from "../../../protocol/artifact.ts"
import { artifactChunkBytes } from "../../limits.ts"
import type { Chunks } from "./chunks.ts"

/** Never through a link: what lies under a digest is a file of ours. */
export const openFile = (path: string): Promise<FileHandle> => open(path, constants.O_RDONLY | constants.O_NOFOLLOW)

const readChunk = async (file: FileHandle, at: number, sizeBytes: number): Promise<Uint8Array> => {
  const start = at * artifactChunkBytes
  const bytes = Buffer.allocUnsafeSlow(Math.min(artifactChunkBytes, sizeBytes - start))
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, start + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}

export async function* serveChunks(path: string, digest: string, chunks: Chunks, range: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
  const corrupt = (reason: string): StoreCorrupt => new StoreCorrupt({ where: `artifact ${digest}`, reason })
  const { sizeBytes } = chunks
  const file = await openFile(path).catch((failure: unknown) => {
    throw corrupt(String(failure))
  })
  const first = Math.floor(range.from / artifactChunkBytes)
  const last = Math.floor(range.to / artifactChunkBytes)
  // Of the whole, the digest is compared too: chunks and chunk file could be wrong together.
  const whole = range.from === 0 && range.to === sizeBytes - 1 ? createHash("sha256") : undefined
  let ahead: Promise<Uint8Array> | undefined
  try {
    for (let at = first; at <= last; at++) {
      const bytes = await (ahead ?? readChunk(file, at, sizeBytes))
      ahead = at < last ? readChunk(file, at + 1, sizeBytes) : undefined
      ahead?.catch(() => undefined) // it is awaited next, unless nobody reads on
      if (!chunks.fits(at, bytes)) throw corrupt("its bytes have another digest")
      whole?.update(bytes)
      if (at === last && whole !== undefined && whole.digest("hex") !== digest) throw corrupt("its bytes have another digest")
      const start = at * artifactChunkBytes
      yield bytes.subarray(Math.max(0, range.from - start), Math.min(bytes.length, range.to - start + 1))
    }
  } catch (failure) {
    throw failure instanceof StoreCorrupt ? failure : corrupt(String(failure))
  } finally {
    await ahead?.catch(() => undefined)
    await file.close()
  }
}
