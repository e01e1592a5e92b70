// The relay: frames as lines, the file that they are kept in, and how it is read again. The number is that of the specification.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { relayFile } from "../../../kernel/power/relay-file.ts"
import { relayCursorOf, relayCursorText, relayHead, relayHeadOf, relayLines, relayPlace, relayTrim } from "../../../protocol/relay.ts"
import { decode, encodeLite, encodeLossless } from "../../../modules/relay/codec.ts"
import { isWanted, shown } from "../../../modules/relay/show.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const chat = {
  sender: "ALPHA", target: "BRAVO", type: "chat", payload: "ready ✓", timestamp: 1_750_000_000.125, hub_id: "syn-1234abcd", msg_id: 7, priority: true,
  client_timestamp: 1_750_000_000.1234567, meta: { deep: [1, null, "x"] }
}

describe("a line of a relay", () => {
  it("[132] keeps the seven fields that people read, times to the millisecond", () => {
    const line = encodeLite(chat, 0)
    expect(line).toEqual({ v: 1, i: 7, ty: "chat", s: "ALPHA", to: "BRAVO", p: "ready ✓", t: 1_750_000_000_125, h: "syn-1234abcd" })
    const { priority: _, client_timestamp: __, meta: ___, ...seven } = chat
    expect(decode(JSON.parse(JSON.stringify(line)))).toEqual(seven)
  })

  it("[132] of a frame without a usable time is of now, and of one without a number has 0", () => {
    for (const timestamp of ["soon", Number.NaN, Infinity, undefined]) expect(encodeLite({ ...chat, timestamp }, 42).t).toBe(42)
    for (const number of ["7", 1.5, null, undefined]) expect(encodeLite({ ...chat, msg_id: number }, 42).i).toBe(0)
    expect(encodeLite({}, 42)).toEqual({ v: 1, i: 0, ty: "chat", s: "?", to: "all", p: "", t: 42, h: "" })
    expect(decode({ v: 1, s: "A", t: "x", i: "y" })).toMatchObject({ timestamp: 0, msg_id: 0 })
  })

  it("[136] keeps every field of any frame exactly in its second form, and the decoder reads the first one too", () => {
    const frames = [
      chat,
      { type: "presence_update", sender: "SynapseHub", target: "all", payload: "Presence update", timestamp: 1.0005, hub_id: "h", online_agents: ["A"], event: "joined" },
      { type: 7, sender: null, payload: { a: 1 }, timestamp: "late", msg_id: 1.5, channel: "ops" },
      { i: "own", ty: "own", x: { x: 1 }, v: 9, channel: 3 },
      JSON.parse('{"__proto__":{"sender":"EVE"},"sender":"ALPHA"}') as Record<string, unknown>,
      {}
    ]
    for (const frame of frames) {
      const again = decode(JSON.parse(JSON.stringify(encodeLossless(frame))) as Record<string, unknown>)
      expect(JSON.parse(JSON.stringify(again))).toEqual(JSON.parse(JSON.stringify(frame)))
      expect(Object.keys(again ?? {}).sort()).toEqual(Object.keys(frame).sort())
    }
    expect(encodeLossless(chat)).toEqual({
      v: 2, i: 7, ty: "chat", s: "ALPHA", to: "BRAVO", p: "ready ✓", t: 1_750_000_000_125, h: "syn-1234abcd",
      x: { priority: true, client_timestamp: chat.client_timestamp, meta: chat.meta }
    })
    expect(decode({ s: "A", to: "B", p: "first, without a version" })).toMatchObject({ sender: "A", payload: "first, without a version" })
    expect(decode({ v: 3 })).toBeUndefined()
  })

  it("[136] says one thing: what has a key of its own is not said otherwise by the rest", () => {
    expect(decode({ v: 2, s: "ALPHA", x: { sender: "EVE", note: 1 } })).toEqual({ sender: "ALPHA", note: 1 })
  })
})

describe("a reader of a relay", () => {
  it("[133] leaves a partial tail for the next time, takes a whole one without a line break, and passes over junk", () => {
    expect(relayLines(bytes('{"a":1}\n\nnonsense\n[1]\n7\n{"b":2}\n{"c":'))).toEqual({ objects: [{ a: 1 }, { b: 2 }], consumed: 32 })
    const whole = bytes('{"a":1}\n{"c":"é"}')
    expect(relayLines(whole)).toEqual({ objects: [{ a: 1 }, { c: "é" }], consumed: whole.length })
    expect(relayLines(bytes(""))).toEqual({ objects: [], consumed: 0 })
  })

  it("[133] starts again when the file was cut short or begun anew", () => {
    const head = relayHead("g1", 0)
    const file = relayHeadOf(bytes(`${head}{}\n`))
    expect(relayPlace(file, head.length + 3, { offset: 3, generation: "g1" })).toEqual({ position: head.length + 3, gap: false })
    expect(relayPlace(file, head.length + 3, { offset: 9, generation: "g1" })).toEqual({ position: head.length, gap: true })
    expect(relayPlace(file, head.length + 3, { offset: 2, generation: "g0" })).toEqual({ position: head.length, gap: true })
    expect(relayPlace({ generation: "", base: 0, length: 0 }, 10, { offset: 11, generation: "" })).toEqual({ position: 0, gap: true })
  })

  it("[134] takes a cursor that is none for the beginning, and one below it too", () => {
    for (const text of ["", "x", "1.5", "12 !", "9".repeat(30)]) expect(relayCursorOf(text), text).toEqual({ offset: 0, generation: "" })
    expect(relayCursorOf("-5\n")).toEqual({ offset: 0, generation: "" })
    expect(relayCursorOf(" 12\n")).toEqual({ offset: 12, generation: "" })
    const cursor = { offset: 12, generation: "0b9e" }
    expect(relayCursorOf(relayCursorText(cursor))).toEqual(cursor)
  })

  it("[137] is shown messages for a seat or a project alone, when it asks for them", () => {
    const joined = { ...chat, type: "presence_update" }
    expect(isWanted(joined, {})).toBe(true)
    expect(isWanted(joined, { seat: "BRAVO" })).toBe(false)
    expect(isWanted(chat, { seat: "BRAVO" })).toBe(true)
    expect(isWanted(chat, { seat: "CHARLIE" })).toBe(false)
    expect(isWanted({ ...chat, target: "shop/a, x" }, { project: "shop" })).toBe(true)
    expect(isWanted({ ...chat, target: "shopping/a" }, { project: "shop" })).toBe(false)
    expect(isWanted({ ...chat, target: "all" }, { project: "shop", seat: "CHARLIE" })).toBe(true)
    expect(shown(chat)).toBe("[1750000000.125] ALPHA -> BRAVO (chat): ready ✓")
  })
})

describe("the file of a relay", () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "aaax-relay-"))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** What a reader sees that goes on from a cursor. */
  const readOn = (path: string, cursor: string): { readonly objects: ReadonlyArray<unknown>; readonly cursor: string; readonly gap: boolean } => {
    const file = readFileSync(path)
    const head = relayHeadOf(file)
    const { gap, position } = relayPlace(head, file.length, relayCursorOf(cursor))
    const { consumed, objects } = relayLines(file.subarray(position))
    return { objects, gap, cursor: relayCursorText({ offset: head.base + position - head.length + consumed, generation: head.generation }) }
  }
  const numbered = (from: number, count: number): ReadonlyArray<string> => Array.from({ length: count }, (_, at) => JSON.stringify({ n: from + at }))

  it("[135] keeps the last lines when it is trimmed; without a bound it keeps them all", () => {
    const body = bytes("a\nbb\nccc\n")
    expect([0, -1, 1, 2, 3, 9].map((lines) => relayTrim(body, lines))).toEqual([0, 0, 5, 2, 0, 0])
    expect(relayTrim(bytes("a\nbb\nccc"), 2)).toBe(2)
    expect(relayTrim(body, 9, 7)).toBe(2)
    expect(relayTrim(body, 9, 3)).toBe(9)
  })

  it("[135] [D24] is trimmed by a rename, and cursors go on where they were", async () => {
    const path = join(folder, "deep", "relay.ndjson")
    const sink = relayFile({ path, linesMax: 5 })
    await sink.append(numbered(1, 3))
    const first = readOn(path, "")
    expect(first.objects).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    const before = statSync(path)
    await sink.append(numbered(4, 7))
    await sink.append(numbered(11, 1))
    expect(statSync(path).ino).not.toBe(before.ino)
    expect(readdirSync(join(folder, "deep"))).toEqual(["relay.ndjson"])
    // Four and five went while it was away: it is told, and nothing comes twice.
    const second = readOn(path, first.cursor)
    expect(second).toMatchObject({ gap: true, objects: [6, 7, 8, 9, 10, 11].map((n) => ({ n })) })
    await sink.append(numbered(12, 3))
    const third = readOn(path, second.cursor)
    expect(third).toMatchObject({ gap: false, objects: [{ n: 12 }, { n: 13 }, { n: 14 }] })
    // Trimmed once more, but not beyond what was read.
    await sink.append(numbered(15, 2))
    await sink.append(numbered(17, 1))
    expect(relayHeadOf(readFileSync(path)).base).toBeGreaterThan(0)
    expect(readOn(path, third.cursor)).toMatchObject({ gap: false, objects: [{ n: 15 }, { n: 16 }, { n: 17 }] })
    await sink.close()
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600")
  })

  it("[133] that another program began is gone on with, and the rest of a line that a crash left is ended", async () => {
    const path = join(folder, "relay.ndjson")
    writeFileSync(path, '{"n":1}\n{"n":2')
    const sink = relayFile({ path })
    await sink.append(numbered(3, 1))
    await sink.close()
    expect(readOn(path, "0")).toMatchObject({ objects: [{ n: 1 }, { n: 3 }] })
    expect(readOn(path, "8").objects).toEqual([{ n: 3 }])
    const again = relayFile({ path, linesMax: 1 })
    await again.append(numbered(4, 1))
    // Its old cursors have no generation, and are good for the trimmed file too.
    expect(readOn(path, "15")).toMatchObject({ objects: [{ n: 3 }, { n: 4 }], gap: false })
    await again.close()
  })

  it("[133] is begun anew with another generation: a cursor of the old one starts again", async () => {
    const path = join(folder, "relay.ndjson")
    const sink = relayFile({ path })
    await sink.append(numbered(1, 2))
    await sink.close()
    const { cursor } = readOn(path, "")
    rmSync(path)
    const next = relayFile({ path })
    await next.append(numbered(7, 4))
    await next.close()
    expect(readOn(path, cursor)).toMatchObject({ gap: true, objects: [7, 8, 9, 10].map((n) => ({ n })) })
  })

  it("takes no line that it could not keep within its bound, and none of it is written twice", async () => {
    const path = join(folder, "relay.ndjson")
    const sink = relayFile({ path, linesMax: 2 })
    await sink.append(numbered(1, 4))
    rmSync(folder, { recursive: true })
    await expect(sink.append(numbered(5, 1))).rejects.toThrow()
    await sink.close()
    folder = mkdtempSync(join(tmpdir(), "aaax-relay-"))
  })
})
