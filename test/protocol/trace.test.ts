// Trace Context: what is a traceparent, and what is none and ignored.
import { describe, expect, it } from "vitest"
import { isTraceparent } from "../../protocol/trace.ts"

const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
const parent = "00f067aa0ba902b7"

describe("a traceparent", () => {
  it.each([`00-${trace}-${parent}-01`, `00-${trace}-${parent}-ff`, `cc-${trace}-${parent}-00`, `01-${trace}-${parent}-01-what-comes-later`])("is %s", (text) => {
    expect(isTraceparent(text)).toBe(true)
  })
  it.each([
    "", "x", `00-${trace}-${parent}`, `00-${trace}-${parent}-01-more`, `ff-${trace}-${parent}-01`, `00-${"0".repeat(32)}-${parent}-01`, `00-${trace}-${"0".repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${parent}-01`, `00-${trace}-${parent}-0x`, ` 00-${trace}-${parent}-01`, `00-${trace}-${parent}-01\n`, `01-${trace}-${parent}-01x`,
    `01-${trace}-${parent}-01-${"x".repeat(300)}`
  ])("is not %j", (text) => {
    expect(isTraceparent(text)).toBe(false)
  })
})
