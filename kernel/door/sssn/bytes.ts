// The bytes of an artifact as an answer. What is stored was chosen by whoever put it, and may be opened in a browser: it is
// shown only when no script can be in it, everything else is saved as a file, and nothing of it may act as a page of ours.
// (The listener adds `nosniff` to every answer.)
import * as Effect from "effect/Effect"
import type { ArtifactRecord } from "../../../protocol/artifact.ts"
import { InvalidPayloadError } from "../../../protocol/portable-error.ts"
import type { ArtifactNotFound, StoreCorrupt } from "../../../protocol/errors.ts"
import type { Resources } from "../../resource/resources.ts"
import { rangeOf } from "../byte-range.ts"
import { headerOf } from "../header.ts"
import type { Answer, Asked } from "../surface.ts"
import { failed } from "./failure.ts"

/** Media types that a browser may show. */
const shown = /^(?:text\/plain|text\/csv|application\/json|image\/(?:png|jpeg|gif|webp|avif|bmp)|audio\/[\w.+-]+|video\/[\w.+-]+)\s*(?:;|$)/iu

const contentType = (mediaType: string): string =>
  /^text\//iu.test(mediaType) && !/;\s*charset\s*=/iu.test(mediaType) ? `${mediaType}; charset=utf-8` : mediaType

const headersOf = (record: ArtifactRecord): Record<string, string> => ({
  "content-type": contentType(record.mediaType),
  // An id holds no quotes or line ends when it comes from here; whatever else it may hold is left out of the name.
  "content-disposition": `${shown.test(record.mediaType) ? "inline" : "attachment"}; filename="${record.id.replace(/[^\w.-]/gu, "_")}"`,
  "content-security-policy": "default-src 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "accept-ranges": "bytes",
  "cache-control": "private, no-cache",
  etag: `"${record.sha256}"`
})

export const bytesAnswer = (
  artifacts: Resources["artifacts"], asked: Asked, record: ArtifactRecord
): Effect.Effect<Answer, ArtifactNotFound | StoreCorrupt> =>
  Effect.suspend((): Effect.Effect<Answer, ArtifactNotFound | StoreCorrupt> => {
    const headers = headersOf(record)
    const etag = headers["etag"]!
    const known = headerOf(asked.headers, "if-none-match")?.split(",").map((tag) => tag.trim().replace(/^W\//u, "")) ?? []
    if (known.includes(etag) || known.includes("*")) return Effect.succeed({ status: 304, headers })
    const condition = headerOf(asked.headers, "if-range")
    const range = condition === undefined || condition === etag ? rangeOf(headerOf(asked.headers, "range"), record.sizeBytes) : undefined
    if (range === "unsatisfiable") {
      return Effect.succeed(failed(416, InvalidPayloadError.name, `The range is beyond the ${record.sizeBytes} bytes of ${record.id}.`, {
        "content-range": `bytes */${record.sizeBytes}`
      }))
    }
    return Effect.map(artifacts.open(asked.guest, record, range), ({ bytes }) => {
      const { chunks, range: { from, to }, sizeBytes } = bytes
      return {
        status: range === undefined ? 200 : 206,
        headers: {
          ...headers, "content-length": String(to - from + 1), ...(range === undefined ? {} : { "content-range": `bytes ${from}-${to}/${sizeBytes}` })
        },
        body: chunks
      }
    })
  })

/** The base64 of RFC 4648, padded, and nothing else. */
export const fromBase64 = (text: string): Uint8Array => {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/u.test(text)) throw new InvalidPayloadError("Invalid base64 artifact data.")
  return Buffer.from(text, "base64")
}
