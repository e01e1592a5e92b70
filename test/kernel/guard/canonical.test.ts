import { describe, expect, it } from "vitest"
import { canonical } from "../../../kernel/guard/canonical.ts"
import { makeRandom } from "../../kit/random.ts"
import { digestOf, sha256Hex } from "../../../kernel/power/digest.ts"

const double = (hex: string): number => Buffer.from(hex, "hex").readDoubleBE(0)

/** RFC 8785, appendix B. */
const numbers: ReadonlyArray<readonly [string, string]> = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"]
]

describe("canonical JSON", () => {
  it.each(numbers)("writes the double %s as %s", (hex, text) => {
    expect(canonical(double(hex))).toBe(text)
  })

  it("sorts keys by UTF-16 code units, at every depth", () => {
    const value = {
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }
    const values = Object.values(JSON.parse(canonical([value]))[0] as Record<string, string>)
    expect(canonical([value]).indexOf("\\r")).toBe(3)
    // A key that is an integer comes first in any JavaScript object, so the text is what counts.
    expect([...canonical(value).matchAll(/:"([^"]+)"/gu)].map((match) => match[1])).toEqual([
      "Carriage Return", "One", "Control", "Latin Small Letter O With Diaeresis", "Euro Sign", "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh"
    ])
    expect(values).toHaveLength(7)
    expect(canonical({ b: [{ z: 1, a: 2 }], a: 0 })).toBe('{"a":0,"b":[{"a":2,"z":1}]}')
  })

  it("writes the sample of the RFC, section 3.2.2", () => {
    const value: unknown = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
      '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}')
    expect(canonical(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}')
  })

  it("keeps two strings apart that differ in a lone surrogate only", () => {
    expect(canonical("\ud800")).toBe('"\\ud800"')
    expect(canonical("\ud800")).not.toBe(canonical("\ud801"))
    expect(canonical("\ud83d\ude00")).toBe('"\ud83d\ude00"')
  })

  it("takes __proto__ for a key like any other", () => {
    expect(canonical(JSON.parse('{"b":1,"__proto__":{"x":2}}'))).toBe('{"__proto__":{"x":2},"b":1}')
  })

  it("gives a value the same text in whatever order its members came", () => {
    const random = makeRandom(7)
    const keys = ["a", "B", "b", "9", "10", "\ud800", "toJSON", "é", "aa", ""]
    const make = (depth: number): unknown => {
      const kind = random.int(depth > 0 ? 7 : 5)
      if (kind === 5) return Array.from({ length: random.int(4) }, () => make(depth - 1))
      if (kind === 6) return Object.fromEntries(keys.filter(() => random.chance(0.5)).map((key) => [key, make(depth - 1)]))
      return [null, true, -0, 1e21, `text ${random.int(9)} \ud800`][kind]
    }
    const reordered = (value: unknown, isForward: boolean): unknown => {
      if (Array.isArray(value)) return value.map((item) => reordered(item, isForward))
      if (typeof value !== "object" || value === null) return value
      const members = Object.entries(value).sort(([a], [b]) => (a < b === isForward ? -1 : 1))
      return Object.fromEntries(members.map(([key, member]) => [key, reordered(member, isForward)]))
    }
    for (let n = 0; n < 500; n++) {
      const value = make(4)
      expect(canonical(reordered(value, true))).toBe(canonical(reordered(value, false)))
      expect(JSON.parse(canonical(value))).toEqual(JSON.parse(JSON.stringify(value)))
    }
  })

  it("writes the members that a value has, whatever it says of itself as JSON", () => {
    class Told {
      readonly a = 1
      toJSON(): string {
        return "told"
      }
    }
    expect(canonical([new Told()])).toBe('[{"a":1}]')
    expect(canonical({ a: new Date(0) })).toBe('{"a":{}}')
    expect(canonical({ a: new Number(5) })).toBe('{"a":{}}')
    expect(canonical([Object.assign([1], { toJSON: () => "told" })])).toBe("[[1]]")
    expect(() => canonical({ toJSON: () => "told" })).toThrow(TypeError)
  })

  it("leaves out members that are undefined", () => {
    expect(canonical({ a: undefined, b: 1 })).toBe('{"b":1}')
    expect(canonical({ a: undefined })).toBe("{}")
  })

  it.each([[Number.NaN], [Number.POSITIVE_INFINITY], [undefined], [1n], [() => 1], [Symbol("x")], [[undefined]], [[Number.NaN]], [{ a: -Infinity }]])(
    "refuses %s, which is not JSON", (value) => {
      expect(() => canonical(value)).toThrow(TypeError)
    })
})

describe("a digest", () => {
  it("is the published sha-256 of a text", () => {
    expect(sha256Hex("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  })

  it("is the same for equal values, whatever the order of keys", () => {
    expect(digestOf({ a: 1, b: [2, { c: 3, d: 4 }] })).toBe(digestOf({ b: [2, { d: 4, c: 3 }], a: 1 }))
    expect(digestOf({ a: 1 })).not.toBe(digestOf({ a: 2 }))
  })
})
