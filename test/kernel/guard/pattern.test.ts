// Patterns of schemas: what can take for ever is refused, what takes long gets only so much text.
import { describe, expect, it } from "vitest"
import { boundedPattern, TextTooLong } from "../../../kernel/guard/pattern.ts"

describe("a pattern", () => {
  it.each([
    "^[a-z][a-z0-9_-]*$", "^\\d{4}-\\d{2}-\\d{2}$", "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", "^[a-z]+(\\.[a-z]+)*$", "^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$",
    "^(draft|final)$", "a", "^\\p{Lu}\\p{L}*$", "^v\\d+(?:\\.\\d+){0,2}(?:-[a-z]+)?$", "^\\/(?:[^/]+\\/)?x$", "^(?<year>\\d{4})$", "^.{1,64}$", "^[\\]\\\\]+$", "^$", "\\bx\\b"
  ])("as people write them is taken: %s", (source) => {
    const pattern = boundedPattern(source)
    const plain = new RegExp(source, "u")
    for (const text of ["", "a", "abc-1", "2024-01-02", "a@b.cc", "a.b.c", "00:11:22:33:44:55", "draft", "Äpfel", "v1.2.3-rc", "/a/x", "]\\", " x "]) {
      expect(pattern.test(text)).toBe(plain.test(text))
    }
  })

  it.each([
    ["^(a+)+$", /repeats a group/], ["(a|a)*b", /repeats a group/], ["^(\\w+\\s?)*$", /repeats a group/], ["(x+x+)+y", /repeats a group/], ["^((ab)*)*$", /repeats a group/],
    ["^(\\.[a-z.]+)*$", /repeats a group/], ["(?=a)b", /looks ahead/], ["(?<!a)b", /looks ahead or behind/], ["(a)\\1", /matched before/], ["(?<n>a)\\k<n>", /matched before/],
    ["(a?){50}b", /repeats a group/], ["[", /Invalid|Unterminated|Lone/]
  ])("that can take for ever is refused: %s", (source, reason) => {
    expect(() => boundedPattern(source)).toThrow(reason)
  })

  it.each(["a+b", "^a+a+a+a+$", "^a*a*a*b$", "x[^y]*y", "^(?:a+b?)c*c*$"])("gets only as much text as it can look at in bounded time: %s", (source) => {
    const pattern = boundedPattern(source)
    for (let length = 8; ; length *= 2) {
      const began = performance.now()
      try {
        pattern.test("a".repeat(length) + "!")
        pattern.test("x".repeat(length))
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(TextTooLong)
        break
      }
      // Generous: without the bound, one more doubling of some of these would take minutes.
      expect(performance.now() - began).toBeLessThan(5_000)
    }
  })

  it("that is looked at once over a long text is not held back", () => {
    expect(boundedPattern("^[a-z]*$").test("a".repeat(1_000_000))).toBe(true)
  })
})
