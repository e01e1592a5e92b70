// The digests of an artifact's chunks, kept in a file beside it, so that a range is checked without reading the whole.
//
//   <digest>.chunks   "AAAXCHK1", size of the artifact (8 bytes, big-endian), sha-256 of each chunk of 262,144 bytes,
//                     sha-256 of everything before it
//
// An artifact of one chunk has no such file: its name is the digest of that chunk. The file is made of bytes whose digest
// was the artifact's name; where it is missing or damaged it is made anew, from bytes that are checked against the name.
import { hash } from "node:crypto"
import { artifactChunkBytes } from "../../limits.ts"

const magic = Buffer.from("AAAXCHK1")
const digestBytes = 32

export interface Chunks {
  readonly sizeBytes: number
  readonly count: number
  /** Whether these bytes are those of chunk `at`. */
  readonly fits: (at: number, bytes: Uint8Array) => boolean
}

export const chunkCount = (sizeBytes: number): number => Math.max(1, Math.ceil(sizeBytes / artifactChunkBytes))

const sha256 = (bytes: Uint8Array): Buffer => hash("sha256", bytes, "buffer")

/** Of an artifact of one chunk. */
export const singleChunk = (digest: string, sizeBytes: number): Chunks => ({
  sizeBytes,
  count: 1,
  fits: (at, bytes) => at === 0 && bytes.length === sizeBytes && hash("sha256", bytes, "hex") === digest
})

/** Takes the bytes of an artifact in pieces of any size, in order, and gives its chunk file. */
export const makeChunker = (): { readonly add: (bytes: Uint8Array) => void; readonly done: (sizeBytes: number) => Buffer } => {
  const digests: Array<Buffer> = []
  const rest = Buffer.allocUnsafeSlow(artifactChunkBytes)
  let filled = 0
  return {
    add: (bytes) => {
      let from = 0
      while (from < bytes.length) {
        const whole = filled === 0 && bytes.length - from >= artifactChunkBytes
        const to = whole ? from + artifactChunkBytes : Math.min(bytes.length, from + artifactChunkBytes - filled)
        const piece = bytes.subarray(from, to)
        from = to
        if (whole) {
          digests.push(sha256(piece))
          continue
        }
        rest.set(piece, filled)
        filled += piece.length
        if (filled < artifactChunkBytes) continue
        digests.push(sha256(rest))
        filled = 0
      }
    },
    done: (sizeBytes) => {
      if (filled > 0) digests.push(sha256(rest.subarray(0, filled)))
      const size = Buffer.alloc(8)
      size.writeBigUInt64BE(BigInt(sizeBytes))
      const content = Buffer.concat([magic, size, ...digests])
      return Buffer.concat([content, sha256(content)])
    }
  }
}

/** Reads a chunk file; nothing when it is not whole, or is not that of an artifact of this size. */
export const readChunks = (file: Uint8Array, sizeBytes: number): Chunks | undefined => {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength)
  const count = chunkCount(sizeBytes)
  const start = magic.length + 8
  const end = start + count * digestBytes
  if (bytes.length !== end + digestBytes || !bytes.subarray(0, magic.length).equals(magic)) return undefined
  if (bytes.readBigUInt64BE(magic.length) !== BigInt(sizeBytes) || !sha256(bytes.subarray(0, end)).equals(bytes.subarray(end))) return undefined
  return {
    sizeBytes,
    count,
    fits: (at, chunk) => sha256(chunk).equals(bytes.subarray(start + at * digestBytes, start + (at + 1) * digestBytes))
  }
}
