// Striking out: a value is found in each spelling that it is likely to have, and nothing else is touched.
import { describe, expect, it } from "vitest"
import { makeRedaction } from "../../../kernel/guard/redaction.ts"

const value = "s3cr3t/+&\"<é> value"
const redaction = makeRedaction(() => values)
let values: ReadonlyMap<string, ReadonlyArray<string>> = new Map([["K", [value]]])
const base64 = (text: string): string => Buffer.from(text).toString("base64")

describe("a value", () => {
  it.each([
    ["as it is", value], ["in JSON", JSON.stringify(value).slice(1, -1)], ["in JSON in JSON", JSON.stringify(JSON.stringify(value)).slice(3, -3)],
    ["in a URL", encodeURIComponent(value)], ["in a URL, in small letters", encodeURIComponent(value).replace(/%[0-9A-F]{2}/gu, (hex) => hex.toLowerCase())],
    ["in a form", new URLSearchParams({ a: value }).toString().slice(2)], ["in HTML", value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;")],
    ["in hexadecimal", Buffer.from(value).toString("hex")], ["in hexadecimal, in capitals", Buffer.from(value).toString("hex").toUpperCase()]
  ])("is struck out %s", (_, text) => {
    expect(redaction.text(`before ${text} after`)).toBe("before [secret:K] after")
  })

  it.each([0, 1, 2, 3, 4, 5].flatMap((before) => [0, 1, 2].map((after) => [before, after] as const)))(
    "is struck out of base64 with %i bytes before it and %i behind", (before, after) => {
      const text = base64("u".repeat(before) + value + "v".repeat(after))
      for (const spelled of [text, text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")]) {
        const struck = redaction.text(spelled)
        expect(struck).toContain("[secret:K]")
        // What is left is less than four letters of it at either end.
        const [head = "", tail = ""] = struck.split("[secret:K]")
        expect(head.length).toBeLessThanOrEqual(Math.ceil((before * 4) / 3) + 2)
        expect(tail.length).toBeLessThanOrEqual(Math.ceil((after * 4) / 3) + 6)
      }
    })

  it("is struck out of names and values at any depth, and of bytes", () => {
    expect(redaction.json({ a: [{ [value]: `x${value}` }], n: 1, t: true, z: null })).toEqual({ a: [{ "[secret:K]": "x[secret:K]" }], n: 1, t: true, z: null })
    const bytes = Buffer.concat([Buffer.from([0xff, 0]), Buffer.from(value), Buffer.from([0x80])])
    expect(Buffer.from(redaction.bytes(bytes))).toEqual(Buffer.concat([Buffer.from([0xff, 0]), Buffer.from("[secret:K]"), Buffer.from([0x80])]))
    expect(Buffer.from(redaction.masked(bytes))).toEqual(Buffer.concat([Buffer.from([0xff, 0]), Buffer.from("*".repeat(Buffer.byteLength(value))), Buffer.from([0x80])]))
  })

  it("is struck out where a text was cut in the middle of it", () => {
    expect(redaction.cut(`before ${value.slice(0, 9)}`)).toBe("before [secret:K]")
    expect(redaction.cut(`${value.slice(-9)} after`)).toBe("[secret:K] after")
    expect(redaction.cut("nothing here")).toBe("nothing here")
  })

  it("of several lines is struck out line by line, too", () => {
    const lines = makeRedaction(() => new Map([["P", ["-----BEGIN KEY-----\nMIGHAgEAMBMG\nByqGSM49AgEG\n"]]]))
    expect(lines.text("line 2: ByqGSM49AgEG.")).toBe("line 2: [secret:P].")
  })

  it("that was changed is struck out, and so is the one before", () => {
    values = new Map([["K", ["another value", value]]])
    expect(redaction.text(`${value}, another value`)).toBe("[secret:K], [secret:K]")
  })

  it("that there is none of changes nothing", () => {
    const idle = makeRedaction(() => new Map())
    const bytes = new Uint8Array([1])
    expect([idle.isIdle(), idle.text(value), idle.bytes(bytes)]).toEqual([true, value, bytes])
  })
})

describe("text that only looks like a part of it", () => {
  it.each(["s3cr3t", "S3CR3T/+&\"<É> VALUE", "value", base64("something else entirely")])("%s stays", (text) => {
    expect(redaction.text(text)).toBe(text)
  })
})
