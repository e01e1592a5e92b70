// A page as text or bytes, from pieces of which each holds one event or several.
import { describe, expect, it } from "vitest"
import { piecesBetween, textPage } from "../../../kernel/door/event-text.ts"

const shown = (body: string | Uint8Array): string => (typeof body === "string" ? body : Buffer.from(body).toString())
const bytes = (text: string): Uint8Array => Buffer.from(text)

describe("pieces between two texts", () => {
  it("are text as long as all of them are", () => {
    expect(piecesBetween("[", [], "]")).toBe("[]")
    expect(piecesBetween("[", ["1"], "]")).toBe("[1]")
    expect(piecesBetween("[", ["1", "2", "3"], "]")).toBe("[1,2,3]")
  })

  it("are bytes when some of them are, whatever comes before and behind these", () => {
    for (const pieces of [
      [bytes("1,2")], [bytes("1"), bytes("2,3")], ["1", bytes("2")], [bytes("1"), "2"], ["1", "2", bytes('"é"'), "4", "5"], [bytes("1"), "2", bytes('"𝄞"'), "4"], ['"é"', bytes("2")]
    ]) {
      const body = piecesBetween("[", pieces, "]")
      expect(body).toBeInstanceOf(Uint8Array)
      expect(shown(body)).toBe(`[${pieces.map(shown).join(",")}]`)
    }
  })

  it("are a page with its cursors", () => {
    for (const pieces of [[], ["{}"], [bytes("{},{}"), "{}"]]) {
      const count = pieces.map(shown).join(",").split("{}").length - 1
      expect(JSON.parse(shown(textPage({ pieces, count, next: 7, head: 9 })))).toEqual({ events: Array.from({ length: count }, () => ({})), next: 7, head: 9 })
    }
  })
})
