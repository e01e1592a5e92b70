import { describe, expect, it } from "vitest"
import { compileGlob, globLengthMax, matchesGlob } from "../../protocol/glob.ts"

/** What a pattern means, by the obvious and slow recursion. */
const means = (pattern: string, text: string, opens = true): boolean => {
  if (pattern === "") return text === ""
  const double = /^\*\*+/u.exec(pattern)
  if (double !== null) {
    const rest = pattern.slice(double[0].length)
    if (opens && rest.startsWith("/")) {
      const tail = rest.slice(1)
      const starts = [0, ...[...text].flatMap((character, at) => (character === "/" ? [at + 1] : []))]
      return starts.some((at) => means(tail, text.slice(at), true))
    }
    return Array.from({ length: text.length + 1 }, (_, at) => at).some((at) => means(rest, text.slice(at), false))
  }
  if (pattern.startsWith("*")) {
    const run = text.split("/")[0]!.length
    return Array.from({ length: run + 1 }, (_, at) => at).some((at) => means(pattern.slice(1), text.slice(at), false))
  }
  if (text === "") return false
  if (pattern[0] === "?" ? text[0] === "/" : pattern[0] !== text[0]) return false
  return means(pattern.slice(1), text.slice(1), pattern[0] === "/")
}

describe("a glob", () => {
  it.each([
    ["docs/*", "docs/a.md", true], ["docs/*", "docs/a/b.md", false], ["docs/*", "docs", false], ["docs/**", "docs/a/b.md", true],
    ["**/x.ts", "x.ts", true], ["**/x.ts", "a/b/x.ts", true], ["**/x.ts", "a/bx.ts", false], ["a/**/b", "a/b", true],
    ["a/**/b", "a/x/y/b", true], ["a/**/b", "a/xb", false], ["a**b", "a/x/b", true], ["?", "é", true], ["?", "😀", true],
    ["?", "/", false], ["*.ts", "a.TS", false], ["**", "", true], ["**", "any/thing", true], ["", "", true], ["", "a", false],
    ["a.c", "abc", false], ["[a]", "a", false], ["[a]", "[a]", true]
  ])("%j and %j: %s", (pattern, text, expected) => {
    expect(matchesGlob(pattern, text)).toBe(expected)
  })

  it("means what the slow definition says, for every small pattern and text", () => {
    const words = (alphabet: ReadonlyArray<string>, length: number): Array<string> =>
      length === 0 ? [""] : [...words(alphabet, length - 1), ...words(alphabet, length - 1).filter((word) => word.length === length - 1)
        .flatMap((word) => alphabet.map((letter) => word + letter))]
    const patterns = words(["a", "/", "*", "?"], 5)
    const texts = words(["a", "b", "/"], 4)
    const wrong: Array<string> = []
    for (const pattern of patterns) {
      const test = compileGlob(pattern)
      for (const text of texts) if (test(text) !== means(pattern, text)) wrong.push(`${pattern} ${text}`)
    }
    expect(wrong).toEqual([])
  })

  it("is decided at once for a pattern that makes backtracking explode", () => {
    expect(matchesGlob("*a".repeat(200) + "*b", "a".repeat(4_000))).toBe(false)
    expect(matchesGlob("**a".repeat(200) + "**b", "a".repeat(4_000))).toBe(false)
  })

  it.each(["docs/../secret", "./docs/a", "docs/..", "..", "docs/./a"])("matches nothing that climbs: %s", (text) => {
    expect(matchesGlob("**", text)).toBe(false)
    expect(matchesGlob(text, text)).toBe(false)
  })

  it("matches nothing when it is longer than its bound", () => {
    expect(matchesGlob("a".repeat(globLengthMax), "a".repeat(globLengthMax))).toBe(true)
    expect(matchesGlob("*".repeat(2 * globLengthMax), "a")).toBe(true)
    expect(matchesGlob("a".repeat(globLengthMax + 1), "a".repeat(globLengthMax + 1))).toBe(false)
  })
})
