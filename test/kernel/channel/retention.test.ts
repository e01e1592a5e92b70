import { describe, expect, it } from "vitest"
import { decide, evictedBy, evictedTo, note, nothingRetained, slackOf, type Retained } from "../../../kernel/channel/retention.ts"

/** Appends one event at a time on a log with holes, and evicts as decided. */
const simulate = (count: number, events: number, ceiling = Infinity) => {
  const cursors: Array<number> = []
  let state: Retained = nothingRetained
  let most = 0
  let floor = 0
  for (let i = 1; i <= events; i++) {
    cursors.push(i * 1_024)
    state = note(state, cursors.length, i * 1_024, count)
    const decision = decide(state, cursors.length, count, ceiling)
    if (decision.kind === "evict") {
      floor = decision.mark.cursor
      while (cursors[0]! <= floor) cursors.shift()
      state = evictedTo(state, decision.mark)
    }
    expect(decision.kind).not.toBe("look")
    most = Math.max(most, cursors.length)
  }
  return { cursors, state, most, floor }
}

describe("retention by count", () => {
  it("keeps at least the count, and little more", () => {
    for (const count of [1, 2, 10, 100, 2_500]) {
      const { cursors, most } = simulate(count, 10_000)
      expect(cursors.length).toBeGreaterThanOrEqual(count)
      expect(most).toBeLessThanOrEqual(count + 2 * slackOf(count))
    }
  })

  it("evicts many at once", () => {
    expect(slackOf(100_000)).toBe(1_000)
    expect(slackOf(100)).toBe(10)
    expect(slackOf(1)).toBe(1)
  })

  it("evicts nothing beyond the ceiling", () => {
    const { floor, cursors } = simulate(10, 1_000, 500 * 1_024)
    expect(floor).toBeLessThanOrEqual(500 * 1_024)
    expect(floor).toBeGreaterThan(490 * 1_024)
    expect(cursors.length).toBeGreaterThanOrEqual(500)
  })

  it("remembers a bounded number of marks", () => {
    expect(simulate(5_000, 20_000).state.marks.length).toBeLessThanOrEqual(1_100)
  })

  it("asks to look when the surplus is older than anything that was noted", () => {
    const state = note(nothingRetained, 5_000, 9_000, 100)
    expect(decide(state, 5_000, 100, Infinity)).toEqual({ kind: "look", surplus: 4_900 })
    const after = evictedBy(state, 1_000, 2_000)
    expect(decide(after, 4_000, 100, Infinity)).toEqual({ kind: "look", surplus: 3_900 })
    expect(decide(evictedBy(after, 3_900, 8_900), 100, 100, Infinity)).toEqual({ kind: "keep" })
  })
})
