// What every store promises of artifacts that are streamed: bounded, verified, and nobody's until they are claimed.
import { Effect, type Scope } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeEach, describe, expect } from "vitest"
import { makeClock, type KernelClock } from "../../kernel/clock.ts"
import { artifactChunkBytes } from "../../kernel/limits.ts"
import type { ArtifactStreamOptions, StoreService } from "../../kernel/store/store.ts"
import { TooLarge } from "../../protocol/errors.ts"
import { effect } from "../kit/store-it.ts"
import { outcome, type StoreMaker } from "./store.ts"

/** Bytes that repeat after a prime number, so that no two chunks are equal. */
export const bytesOf = (length: number, salt = 0): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * 7 + (at >> 8) + salt) % 251)

/** In pieces of an odd size. */
export async function* inPieces(bytes: Uint8Array, size = 10_007): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += size) yield bytes.subarray(from, from + size)
}

export const collected = (chunks: AsyncIterable<Uint8Array>): Effect.Effect<Buffer, unknown> =>
  Effect.tryPromise({
    try: async () => {
      const all: Array<Uint8Array> = []
      for await (const chunk of chunks) all.push(chunk)
      return Buffer.concat(all)
    },
    catch: (failure) => failure
  })

export const plenty: ArtifactStreamOptions = { claim: "one", mediaType: "text/plain", sizeBytesMax: 1e9, totalBytesMax: 1e9 }

const large = bytesOf(artifactChunkBytes * 3 + 5)

export const artifactContract = (name: string, maker: StoreMaker): void => {
  const root = mkdtempSync(join(tmpdir(), "aaax-artifacts-"))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  let directory = ""
  let clock: KernelClock
  beforeEach(() => {
    directory = mkdtempSync(join(root, "a-"))
    clock = makeClock()
  })
  const session = <A>(body: (store: StoreService) => Effect.Effect<A, unknown, Scope.Scope>) =>
    Effect.scoped(Effect.flatMap(Effect.suspend(() => maker.open(directory, clock)), body))

  describe(`${name}: an artifact that is streamed`, () => {
    effect("is kept by its digest, whatever the pieces it came in", () => session((store) => Effect.gen(function*() {
      for (const bytes of [large, bytesOf(artifactChunkBytes), bytesOf(artifactChunkBytes + 1), bytesOf(3), new Uint8Array()]) {
        const { digest } = yield* store.putArtifact(bytes, "text/plain")
        const streamed = yield* store.putArtifactStream(inPieces(bytes), plenty)
        expect(streamed).toEqual({ digest, sizeBytes: bytes.length, mediaType: "text/plain" })
        const opened = yield* store.openArtifact(digest)
        expect(opened).toMatchObject({ sizeBytes: bytes.length, range: { from: 0, to: bytes.length - 1 } })
        expect(Buffer.compare(yield* collected(opened.chunks), bytes)).toBe(0)
        expect(Buffer.compare(yield* store.getArtifact(digest), bytes)).toBe(0)
      }
    })))

    effect("is read in ranges", () => session((store) => Effect.gen(function*() {
      const { digest } = yield* store.putArtifactStream(inPieces(large, 300_000), plenty)
      for (const [from, to] of [[0, 0], [5, artifactChunkBytes], [artifactChunkBytes - 1, artifactChunkBytes], [large.length - 1, large.length + 99], [700_000, 786_436]] as const) {
        const { chunks, range, sizeBytes } = yield* store.openArtifact(digest, { from, to })
        expect([range, sizeBytes]).toEqual([{ from, to: Math.min(to, large.length - 1) }, large.length])
        expect(Buffer.compare(yield* collected(chunks), large.subarray(from, to + 1))).toBe(0)
      }
    })))

    effect("is refused beyond its size, and beyond the room of all", () => session((store) => Effect.gen(function*() {
      expect(yield* outcome(store.putArtifactStream(inPieces(large), { ...plenty, sizeBytesMax: large.length - 1 }))).toBe("TooLarge")
      expect(yield* outcome(store.putArtifactStream(inPieces(large), { ...plenty, totalBytesMax: large.length - 1 }))).toBe("StoreUnavailable")
      expect(store.artifactBytes()).toBe(0)
      yield* store.putArtifactStream(inPieces(large), { ...plenty, sizeBytesMax: large.length, totalBytesMax: large.length })
      expect(store.artifactBytes()).toBe(large.length)
      expect(yield* outcome(store.putArtifactStream(inPieces(bytesOf(1, 9)), { ...plenty, totalBytesMax: large.length }))).toBe("StoreUnavailable")
    })))

    effect("whose source fails is not kept, and says why", () => session((store) => Effect.gen(function*() {
      async function* broken(): AsyncGenerator<Uint8Array> {
        yield large
        throw new Error("the line is dead")
      }
      const failure = yield* Effect.flip(store.putArtifactStream(broken(), plenty))
      expect(failure).toMatchObject({ _tag: "InvalidPayload", reason: expect.stringContaining("the line is dead") })
      async function* refusing(): AsyncGenerator<Uint8Array> {
        yield large
        throw new TooLarge({ what: "It", size: 2, sizeMax: 1, unit: "bytes" })
      }
      expect(yield* Effect.flip(store.putArtifactStream(refusing(), plenty))).toMatchObject({ _tag: "TooLarge", what: "It" })
      expect([store.artifactBytes(), yield* store.unclaimedArtifacts()]).toEqual([0, []])
    })))

    effect("is dropped as long as nobody claimed it, and never afterwards", () => session((store) => Effect.gen(function*() {
      const { digest } = yield* store.putArtifactStream(inPieces(large), plenty)
      yield* store.putArtifactStream(inPieces(large), { ...plenty, claim: "two" })
      expect(yield* store.unclaimedArtifacts()).toMatchObject([{ digest, claims: ["one", "two"], at: expect.any(Number) }])
      yield* store.dropArtifact(digest)
      expect([yield* outcome(store.openArtifact(digest)), store.artifactBytes(), yield* store.unclaimedArtifacts()]).toEqual(["ArtifactNotFound", 0, []])
      yield* store.putArtifactStream(inPieces(large), plenty)
      yield* store.claimArtifact(digest)
      yield* store.putArtifactStream(inPieces(large), { ...plenty, claim: "three" })
      expect(yield* store.unclaimedArtifacts()).toEqual([])
      yield* store.dropArtifact(digest)
      expect((yield* store.getArtifact(digest)).length).toBe(large.length)
    })))

    effect("stays when it was put as a whole too", () => session((store) => Effect.gen(function*() {
      const { digest } = yield* store.putArtifactStream(inPieces(large), plenty)
      yield* store.putArtifact(large, "text/plain")
      expect(yield* store.unclaimedArtifacts()).toEqual([])
      yield* store.dropArtifact(digest)
      expect((yield* store.getArtifact(digest)).length).toBe(large.length)
    })))

    effect("that is not there, or whose digest is none, is not found", () => session((store) => Effect.gen(function*() {
      for (const digest of ["0".repeat(64), "../../../etc/passwd", "", "A".repeat(64), "constructor"]) {
        expect(yield* outcome(store.openArtifact(digest))).toBe("ArtifactNotFound")
        yield* store.claimArtifact(digest)
        yield* store.dropArtifact(digest)
      }
    })))
  })

  if (maker.durable) {
    describe(`${name}: after opening again`, () => {
      effect("streamed artifacts are there, claimed or not", () => Effect.gen(function*() {
        const { digest } = yield* session((store) => store.putArtifactStream(inPieces(large), plenty))
        yield* session((store) => Effect.gen(function*() {
          const { chunks } = yield* store.openArtifact(digest, { from: 300_000, to: 300_009 })
          expect(Buffer.compare(yield* collected(chunks), large.subarray(300_000, 300_010))).toBe(0)
          expect([store.artifactBytes(), yield* store.unclaimedArtifacts()]).toMatchObject([large.length, [{ digest, claims: ["one"] }]])
        }))
      }))
    })
  }
}
