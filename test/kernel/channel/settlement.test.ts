import { describe, expect, it } from "vitest"
import { makeItems, type Item } from "../../../kernel/channel/items.ts"
import { floorOf, join, nothingSettled, recordText, runAt, type SettlementRecord } from "../../../kernel/channel/settlement.ts"
import type { StoredItem } from "../../../kernel/store/store.ts"
import type { Event } from "../../../protocol/event.ts"

describe("the state of settlements", () => {
  it("has its floor where the run from the beginning ends", () => {
    expect(floorOf(nothingSettled)).toBe(0)
    expect(floorOf(join(nothingSettled, [{ settled: [[0, 5], 9] }]))).toBe(5)
    expect(floorOf(join(nothingSettled, [{ settled: [[0, 5], 9] }, { settled: [[5, 9]] }]))).toBe(9)
  })

  it("does not take two cursors for neighbours because no number lies between them", () => {
    expect(join(nothingSettled, [{ settled: [1, 2] }]).runs).toEqual([[0, 0], [1, 1], [2, 2]])
  })

  it("keeps the higher count of attempts, whichever comes first", () => {
    expect(join(nothingSettled, [{ taken: [7, [7, 3]] }, { taken: [[7, 2]] }]).attempts).toEqual(new Map([[7, 3]]))
  })

  it("forgets the attempts of what is settled, also when they come later", () => {
    expect(join(nothingSettled, [{ settled: [[0, 4], 7] }, { taken: [2, 7, 8] }]).attempts).toEqual(new Map([[8, 1]]))
  })

  it("says which run holds a cursor", () => {
    const { runs } = join(nothingSettled, [{ settled: [[0, 4], 7, [10, 20]] }])
    expect([0, 4, 5, 7, 8, 15, 21].map((cursor) => runAt(runs, cursor))).toEqual([
      [0, 4], [0, 4], undefined, [7, 7], undefined, [10, 20], undefined
    ])
  })

  it("is written as short as it can be", () => {
    expect(recordText([[1, 1], [3, 5]], [[6, 1], [7, 2]], [3])).toBe(`{"settled":[1,[3,5]],"taken":[6,[7,2]],"dead":[3]}`)
    expect(recordText([], [[6, 1]], [])).toBe(`{"taken":[6]}`)
    expect(recordText([], [], [])).toBe("{}")
  })
})

describe("the open items of a queue", () => {
  const stored = (cursor: number): StoredItem => ({ cursor, event: () => ({}) as Event }) // items only carry it
  const open = (...cursors: ReadonlyArray<number>) => {
    const items = makeItems(0)
    return { items, of: new Map(cursors.map((cursor) => [cursor, items.add(stored(cursor), 0)])) }
  }
  const end = (items: ReturnType<typeof makeItems>, ending: ReadonlyArray<Item>): SettlementRecord => {
    for (const item of ending) item.ending = "ack"
    const record = JSON.parse(recordText(items.runsOf(ending), [], [])) as SettlementRecord
    for (const item of ending) items.settle(item)
    return record
  }

  it("move the floor when the oldest of them is settled, past what was settled behind it", () => {
    const { items, of } = open(10, 20, 30, 40)
    end(items, [of.get(20)!])
    end(items, [of.get(30)!])
    expect(items.floor()).toBe(0)
    end(items, [of.get(10)!])
    expect(items.floor()).toBe(30)
    expect(items.size()).toBe(1)
  })

  it("write one run for neighbours that end together", () => {
    const { items, of } = open(10, 20, 30, 40, 50)
    expect(end(items, [of.get(20)!, of.get(30)!, of.get(50)!])).toEqual({ settled: [[20, 30], 50] })
    expect(end(items, [of.get(10)!])).toEqual({ settled: [[0, 30]] })
    expect(end(items, [of.get(40)!])).toEqual({ settled: [[30, 50]] })
  })

  it("take up what was settled before they were read", () => {
    const items = makeItems(5)
    items.addRun(6, 9)
    expect(items.floor()).toBe(9)
    const item = items.add(stored(10), 0)
    items.addRun(11, 20)
    items.addRun(21, 21)
    items.settle(item)
    expect(items.floor()).toBe(21)
    expect(items.everything()).toEqual({ runs: [[0, 21]], taken: [] })
  })
})
