// Whether a program gets on, told from what it says: silence, a full pipe, and items that lie.
import { describe, expect, it } from "vitest"
import type { Call, CallOp } from "../../../protocol/frame.ts"
import { makeProgress } from "../../../kernel/tier/progress.ts"

const make = () => makeProgress({ silenceMillis: 10_000, stallMillis: 60_000, outboxMillis: 5_000, pingMillis: 1_000 })
const call = (op: CallOp, ...args: ReadonlyArray<unknown>): Call => ({ frame: "call", id: 1, op, args })

describe("a program", () => {
  it("that answers is left alone for ever; one that does not is ended after its time", () => {
    const progress = make()
    let now = 0
    for (; now < 600_000; now += 1_000) {
      expect(progress.look(now, false)).toBeUndefined()
      progress.answered()
    }
    now -= 1_000
    for (let second = 0; second < 10; second++) expect(progress.look((now += 1_000), false)).toBeUndefined()
    expect(progress.look((now += 1_000), false)).toBe("it did not answer for 10 s")
  })

  it("is not blamed for a kernel that stood still itself", () => {
    const progress = make()
    expect(progress.look(0, false)).toBeUndefined()
    expect(progress.look(60_000, false)).toBeUndefined()
    expect(progress.look(120_000, false)).toBeUndefined()
  })

  it("that does not take what it is sent is ended", () => {
    const progress = make()
    const seen: Array<string | undefined> = []
    for (let now = 0; now <= 7_000; now += 1_000) {
      progress.answered()
      seen.push(progress.look(now, true))
    }
    expect(seen.findIndex((reason) => reason === "it did not take what it was sent for 5 s")).toBe(6)
  })

  it("that holds what it took and does nothing else is ended, though its loop answers and its leases are renewed", () => {
    const progress = make()
    let now = 0
    const turn = (op?: CallOp): string | undefined => {
      if (op !== undefined) progress.called(call(op))
      progress.answered()
      return progress.look((now += 1_000), false)
    }
    progress.done(call("take", "jobs"), [{}, {}])
    for (let second = 0; second < 59; second++) expect(turn("renew")).toBeUndefined()
    // A step forward.
    expect(turn("append")).toBeUndefined()
    for (let second = 0; second < 59; second++) expect(turn("awaitBeyond")).toBeUndefined()
    progress.done(call("settle", "jobs", [{}]), undefined)
    for (let second = 0; second < 60; second++) expect(turn("renew")).toBeUndefined()
    expect(turn()).toBe("it holds 1 item and did nothing for 60 s")
    progress.done(call("settle", "jobs", [{}]), undefined)
    for (let second = 0; second < 600; second++) expect(turn("take")).toBeUndefined()
  })
})
