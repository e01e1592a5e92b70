// Where checkpoints lie: a file that is appended to, stays small and private, and witnesses that hold nobody up.
import * as Effect from "effect/Effect"
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { notesOf, originOf, sign, type SignedCheckpoint } from "../../../kernel/authority/evidence/checkpoint.ts"
import type { CheckpointPlace } from "../../../kernel/authority/evidence/place.ts"
import { checkpointFileBytesMax, checkpointsKept } from "../../../kernel/limits.ts"
import { checkpointPlace, notesFile, type Witness } from "../../../kernel/power/checkpoint-place.ts"
import { sha256Bytes } from "../../../kernel/power/digest.ts"

const run = Effect.runPromise
const folderOf = (): string => mkdtempSync(join(tmpdir(), "aaax-checkpoints-"))

const noteOf = async (place: CheckpointPlace, size: number): Promise<SignedCheckpoint> =>
  sign(sha256Bytes, await run(place.signer), { origin: originOf("a".repeat(64)), size, root: new Uint8Array(32), chain: "b".repeat(64), cursor: size })

const open = async (witnesses: ReadonlyArray<Witness> = []): Promise<{ readonly folder: string; readonly append: (size: number) => Promise<string>; readonly place: CheckpointPlace }> => {
  const folder = folderOf()
  const place = checkpointPlace({ folder, witnesses })
  return {
    folder, place,
    append: async (size) => {
      const { note } = await noteOf(place, size)
      await run(place.append(note))
      return note
    }
  }
}

describe("a place of checkpoints", () => {
  it("keeps them in order, for its owner alone, and gives them again", async () => {
    const { append, folder, place } = await open()
    const notes = [await append(1), await append(2), await append(3)]
    expect(await run(place.notes)).toEqual(notes)
    expect(await run(checkpointPlace({ folder }).notes)).toEqual(notes)
    expect(statSync(notesFile(folder)).mode & 0o777).toBe(0o600)
  })

  it("stays small: it is written anew with its newest ones when it has grown large", async () => {
    const { append, folder } = await open()
    const note = await append(1)
    const many = Math.ceil(checkpointFileBytesMax / note.length) + 1
    writeFileSync(notesFile(folder), `${note}\n`.repeat(many))
    const again = checkpointPlace({ folder })
    const { note: newest } = await noteOf(again, 7)
    await run(again.append(newest))
    const { notes } = notesOf(readFileSync(notesFile(folder), "utf8"))
    expect(notes).toHaveLength(checkpointsKept + 1)
    expect(notes.at(-1)).toBe(newest)
  })

  it("goes on behind one that a crash tore", async () => {
    const { append, folder } = await open()
    const first = await append(1)
    for (const cut of [1, 60, first.length - 1]) {
      writeFileSync(notesFile(folder), `${first}\n${first.slice(0, cut)}`)
      const again = checkpointPlace({ folder })
      const { note } = await noteOf(again, 2)
      await run(again.append(note))
      expect(notesOf(readFileSync(notesFile(folder), "utf8")), `cut at ${cut}`).toEqual({ notes: [first, note], torn: false })
    }
  })

  it("tells an address and a program, and waits for neither", async () => {
    const told: Array<string> = []
    let arrived: (() => void) | undefined
    const both = new Promise<void>((resolve) => (arrived = resolve))
    const server = createServer((request, response) => {
      let body = ""
      request.setEncoding("utf8").on("data", (part: string) => (body += part)).on("end", () => {
        told.push(body)
        response.end()
        if (told.length === 2) arrived?.()
      })
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const copy = join(folderOf(), "program")
    const { append } = await open([
      `http://127.0.0.1:${port}/`, { command: [process.execPath, "-e", `process.stdin.pipe(require("fs").createWriteStream(${JSON.stringify(copy)}))`] },
      "http://127.0.0.1:1/nobody-is-there"
    ])
    const notes = [await append(1), await append(2)]
    await both
    expect(told).toEqual(notes)
    while (!notes.includes((() => { try { return readFileSync(copy, "utf8") } catch { return "" } })())) await new Promise((resolve) => setTimeout(resolve, 20))
    server.close()
  })

  it("has none when there is no file, and is not read as empty when the file is something else", async () => {
    const { folder, place } = await open()
    expect(await run(place.notes)).toEqual([])
    mkdirSync(notesFile(folder))
    await expect(run(place.notes)).rejects.toThrow(/cannot be read: EISDIR/u)
  })

  it("says which address did not take one", async () => {
    const server = createServer((request, response) => void request.resume().on("end", () => response.writeHead(507).end()))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const said: Array<string> = []
    let heard: (() => void) | undefined
    const told = new Promise<void>((resolve) => (heard = resolve))
    const log = vi.spyOn(console, "log").mockImplementation((...words) => {
      said.push(words.join(" "))
      heard?.()
    })
    try {
      const { append } = await open([address])
      await append(1)
      await told
      expect(said.join("\n")).toContain(`the witness ${address} did not take a checkpoint: it answered 507`)
    } finally {
      log.mockRestore()
      server.close()
    }
  })

  it("fails when a file of it cannot be written: what is not kept everywhere is not kept", async () => {
    const { append } = await open([join(folderOf(), "a-file-is-no-folder", "x")])
    await append(1)
    const file = join(folderOf(), "file")
    writeFileSync(file, "")
    const { append: appendTo } = await open([join(file, "below-a-file")])
    await expect(appendTo(1)).rejects.toThrow("cannot be written")
  })
})
