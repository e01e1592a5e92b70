import { Effect } from "effect"
import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeEach, describe, expect, it } from "vitest"
import { artifactChunkBytes } from "../../../kernel/limits.ts"
import { makeFiles, type Files } from "../../../kernel/store/files.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import { artifactContract, bytesOf, collected, inPieces } from "../../contract/artifacts.ts"

artifactContract("sqlite", { durable: true, open: (directory, clock) => Sqlite.make({ path: join(directory, "kernel.db"), clock }) })
artifactContract("memory", { durable: false, open: (_, clock) => Memory.make({ clock }) })
artifactContract("memory in hostile mode", { durable: false, open: (_, clock) => Memory.make({ clock, hostile: { seed: 3 } }) })

const base = mkdtempSync(join(tmpdir(), "aaax-files-"))
afterAll(() => rmSync(base, { recursive: true, force: true }))
let root = ""
let files: Files
beforeEach(() => {
  root = mkdtempSync(join(base, "f-"))
  files = makeFiles(root)
})

const plenty = { claim: "one", sizeBytesMax: 1e9, totalBytesMax: 1e9 }
const large = bytesOf(artifactChunkBytes * 3 + 5)
const pathOf = (digest: string): string => join(root, digest.slice(0, 2), digest)
const put = async (bytes: Uint8Array = large): Promise<string> => (await files.stream(inPieces(bytes), plenty)).digest
const read = async (digest: string, range?: { from: number; to: number }): Promise<Buffer> => {
  const opened = await files.open(digest, range)
  return Effect.runPromise(collected(opened.chunks))
}
const spoil = (path: string, at: number): void => {
  const bytes = readFileSync(path)
  bytes[at] = (bytes[at] ?? 0) ^ 1
  writeFileSync(path, bytes)
}

describe("a damaged artifact", () => {
  it("[X6] is not served: neither the whole, nor a range over the damage, but a range beside it", async () => {
    const digest = await put()
    spoil(pathOf(digest), artifactChunkBytes + 7)
    await expect(read(digest)).rejects.toMatchObject({ _tag: "StoreCorrupt" })
    await expect(read(digest, { from: artifactChunkBytes, to: artifactChunkBytes })).rejects.toMatchObject({ _tag: "StoreCorrupt" })
    await expect(files.get(digest)).rejects.toMatchObject({ _tag: "StoreCorrupt" })
    expect(await files.verify()).toHaveLength(1)
    expect(Buffer.compare(await read(digest, { from: 3, to: 9 }), large.subarray(3, 10))).toBe(0)
  })

  it("is not served to its end even when its chunk file says it is right", async () => {
    const digest = await put()
    const other = await put(Uint8Array.from(large, (byte, at) => (at === 100 ? byte ^ 1 : byte)))
    writeFileSync(pathOf(digest), readFileSync(pathOf(other)))
    writeFileSync(`${pathOf(digest)}.chunks`, readFileSync(`${pathOf(other)}.chunks`))
    const seen: Array<Uint8Array> = []
    await expect((async () => {
      for await (const chunk of (await files.open(digest)).chunks) seen.push(chunk)
    })()).rejects.toMatchObject({ _tag: "StoreCorrupt" })
    expect(Buffer.concat(seen).length).toBeLessThan(large.length)
  })

  it("that is shorter or longer than it was is not served", async () => {
    const digest = await put()
    for (const bytes of [large.subarray(0, -1), Buffer.concat([large, Buffer.of(0)]), Buffer.alloc(0)]) {
      writeFileSync(pathOf(digest), bytes)
      await expect(read(digest)).rejects.toMatchObject({ _tag: "StoreCorrupt" })
    }
    const small = await put(bytesOf(9))
    writeFileSync(pathOf(small), bytesOf(8))
    await expect(read(small)).rejects.toMatchObject({ _tag: "StoreCorrupt" })
  })

  it("is mended when the same bytes are put again", async () => {
    const digest = await put()
    spoil(pathOf(digest), 0)
    await put()
    expect(Buffer.compare(await read(digest), large)).toBe(0)
  })

  it("is no way out of the store: what is a link is not followed", async () => {
    const digest = await put()
    const elsewhere = join(root, "elsewhere")
    renameSync(pathOf(digest), elsewhere)
    symlinkSync(elsewhere, pathOf(digest))
    await expect(read(digest)).rejects.toMatchObject({ _tag: "StoreCorrupt" })
    await expect(files.get(digest)).rejects.toMatchObject({ _tag: "StoreCorrupt" })
  })
})

describe("the chunk file of an artifact", () => {
  it("is made anew when it is missing or damaged, from bytes that were checked", async () => {
    const digest = await put()
    const chunks = readFileSync(`${pathOf(digest)}.chunks`)
    rmSync(`${pathOf(digest)}.chunks`)
    expect(Buffer.compare(await read(digest, { from: artifactChunkBytes - 2, to: artifactChunkBytes + 2 }), large.subarray(artifactChunkBytes - 2, artifactChunkBytes + 3))).toBe(0)
    expect(readFileSync(`${pathOf(digest)}.chunks`).equals(chunks)).toBe(true)
    for (const at of [0, 12, 20, chunks.length - 1]) {
      spoil(`${pathOf(digest)}.chunks`, at)
      expect(Buffer.compare(await read(digest), large)).toBe(0)
      expect(readFileSync(`${pathOf(digest)}.chunks`).equals(chunks)).toBe(true)
    }
    rmSync(`${pathOf(digest)}.chunks`)
    spoil(pathOf(digest), 0)
    await expect(read(digest, { from: large.length - 1, to: large.length - 1 })).rejects.toMatchObject({ _tag: "StoreCorrupt" })
  })
})

describe("an artifact on its way", () => {
  it("[155] is nowhere under its digest before it is whole and synced", async () => {
    let seen: ReadonlyArray<string> = []
    const digest = createHash("sha256").update(large).digest("hex")
    async function* watched(): AsyncGenerator<Uint8Array> {
      for await (const piece of inPieces(large)) {
        seen = readdirSync(root, { recursive: true }).map(String)
        yield piece
      }
    }
    await files.stream(watched(), plenty)
    expect(seen).toHaveLength(1)
    expect(seen[0]).toMatch(/^\.part-/u)
    expect(readdirSync(root, { recursive: true }).map(String).sort()).toEqual(
      [digest.slice(0, 2), ...["", ".chunks", ".unclaimed"].map((end) => join(digest.slice(0, 2), `${digest}${end}`))])
  })

  it("that a crash cut off leaves nothing behind", () => {
    for (const name of [".part-1", ".part-1.chunks"]) writeFileSync(join(root, name), "x")
    makeFiles(root)
    expect(readdirSync(root)).toEqual([])
  })

  it("is not dropped while somebody puts it as a whole, at whatever moment", async () => {
    for (let moment = 0; moment < 12; moment++) {
      const bytes = bytesOf(large.length, moment)
      const digest = await put(bytes)
      const putting = files.put(bytes)
      for (let turn = 0; turn < moment; turn++) await new Promise(setImmediate)
      files.drop(digest)
      await putting
      expect((await files.get(digest)).length).toBe(large.length)
    }
  })

  it("says when it was announced last", async () => {
    const digest = await put()
    utimesSync(`${pathOf(digest)}.unclaimed`, 1_000, 1_000)
    expect(await files.unclaimed()).toEqual([{ digest, claims: ["one"], at: 1_000_000 }])
    await files.stream(inPieces(large), { ...plenty, claim: "two" })
    expect(await files.unclaimed()).toMatchObject([{ digest, claims: ["one", "two"] }])
    expect((await files.unclaimed())[0]?.at).toBeGreaterThan(1_000_000)
  })
})
