// Artifacts of the memory store: bytes by digest, copied on the way in and on the way out, so that nobody else can change
// what was digested.
import { hash } from "node:crypto"
import * as Effect from "effect/Effect"
import { ArtifactNotFound, InvalidPayload, StoreUnavailable, TooLarge } from "../../protocol/errors.ts"
import type { KernelClock } from "../clock.ts"
import { artifactChunkBytes } from "../limits.ts"
import type { ArtifactStreamError, StoreService } from "./store.ts"

type Artifacts = Pick<StoreService,
  "putArtifact" | "getArtifact" | "putArtifactStream" | "claimArtifact" | "unclaimedArtifacts" | "dropArtifact" | "openArtifact" | "artifactBytes">

const tags: ReadonlySet<string> = new Set<ArtifactStreamError["_tag"]>(["InvalidPayload", "Overloaded", "StoreUnavailable", "TooLarge"])

/** What a stream of bytes ended with: what its source says in the protocol's words, or that it broke off. */
export const streamFailure = (failure: unknown): ArtifactStreamError =>
  typeof failure === "object" && failure !== null && "_tag" in failure && tags.has(String(failure._tag))
    ? (failure as ArtifactStreamError) // one of those, by its tag
    : new InvalidPayload({ what: "artifact", path: "", reason: `its bytes broke off: ${failure instanceof Error ? failure.message : "the source failed"}` })

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let from = 0; from < bytes.length; from += artifactChunkBytes) yield bytes.slice(from, from + artifactChunkBytes)
}

export const makeMemoryArtifacts = (clock: KernelClock): Artifacts => {
  const kept = new Map<string, Uint8Array>()
  const unclaimed = new Map<string, { readonly claims: Array<string>; at: number }>()
  let total = 0

  const keep = (bytes: Uint8Array): string => {
    const digest = hash("sha256", bytes, "hex")
    if (!kept.has(digest)) {
      kept.set(digest, Uint8Array.from(bytes))
      total += bytes.length
    }
    return digest
  }

  return {
    putArtifact: (bytes, mediaType) =>
      Effect.sync(() => {
        const digest = keep(bytes)
        unclaimed.delete(digest)
        return { digest, sizeBytes: bytes.length, mediaType }
      }),
    getArtifact: (digest) =>
      Effect.suspend(() => {
        const bytes = kept.get(digest)
        return bytes === undefined ? Effect.fail(new ArtifactNotFound({ digest })) : Effect.succeed(Uint8Array.from(bytes))
      }),
    putArtifactStream: (source, { claim, mediaType, sizeBytesMax, totalBytesMax }) =>
      Effect.tryPromise({
        try: async () => {
          const parts: Array<Uint8Array> = []
          let sizeBytes = 0
          for await (const part of source) {
            sizeBytes += part.length
            if (sizeBytes > sizeBytesMax) throw new TooLarge({ what: "The artifact", size: sizeBytes, sizeMax: sizeBytesMax, unit: "bytes" })
            if (total + sizeBytes > totalBytesMax) throw new StoreUnavailable({ reason: `its artifacts may take ${totalBytesMax} bytes together, and do` })
            parts.push(Uint8Array.from(part))
          }
          const bytes = Buffer.concat(parts)
          const isNew = !kept.has(hash("sha256", bytes, "hex"))
          const digest = keep(bytes)
          const claims = unclaimed.get(digest) ?? (isNew ? { claims: [], at: 0 } : undefined)
          if (claims !== undefined) {
            claims.claims.push(claim)
            claims.at = clock.now()
            unclaimed.set(digest, claims)
          }
          return { digest, sizeBytes, mediaType }
        },
        catch: streamFailure
      }),
    claimArtifact: (digest) => Effect.sync(() => void unclaimed.delete(digest)),
    unclaimedArtifacts: () => Effect.sync(() => Array.from(unclaimed, ([digest, { at, claims }]) => ({ digest, claims: [...claims], at }))),
    dropArtifact: (digest) =>
      Effect.sync(() => {
        if (!unclaimed.delete(digest)) return
        total -= kept.get(digest)?.length ?? 0
        kept.delete(digest)
      }),
    openArtifact: (digest, range) =>
      Effect.suspend(() => {
        const bytes = kept.get(digest)
        if (bytes === undefined) return Effect.fail(new ArtifactNotFound({ digest }))
        const asked = { from: range?.from ?? 0, to: Math.min(range?.to ?? Infinity, bytes.length - 1) }
        return Effect.succeed({ sizeBytes: bytes.length, range: asked, chunks: pieces(bytes.subarray(asked.from, asked.to + 1)) })
      }),
    artifactBytes: () => total
  }
}
