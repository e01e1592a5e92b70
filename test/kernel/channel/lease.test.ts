import { describe, expect, it } from "vitest"
import { makeHeap } from "../../../kernel/channel/heap.ts"
import { makeLeases, type Held } from "../../../kernel/channel/lease.ts"
import { makeRandom } from "../../kit/random.ts"

const item = (cursor: number): Held => ({ cursor, holder: "", epoch: 0, expiresAt: 0 })

describe("a table of leases", () => {
  it("finds an item for exactly its holder and epoch", () => {
    const leases = makeLeases()
    const held = item(1)
    leases.grant(held, "a", 7, 100)
    expect(leases.find(1, "a", 7)).toBe(held)
    expect([leases.find(1, "b", 7), leases.find(1, "a", 6), leases.find(2, "a", 7)]).toEqual([undefined, undefined, undefined])
    expect([leases.newestEpoch(1), leases.newestEpoch(2)]).toEqual([7, null])
  })

  it("ends a lease at the moment at which it expires, not before", () => {
    const leases = makeLeases()
    leases.grant(item(1), "a", 1, 100)
    expect(leases.expire(99)).toEqual([])
    expect(leases.expire(100).map((held) => held.cursor)).toEqual([1])
    expect(leases.size()).toBe(0)
    expect(leases.nextExpiry()).toBe(Infinity)
  })

  it("ends what is due, and only that, in whatever order leases were granted, renewed and restored", () => {
    const random = makeRandom(3)
    const leases = makeLeases()
    const model = new Map<number, Held>()
    for (let now = 0, cursor = 0; now < 3_000; now++) {
      if (random.chance(0.7)) {
        const held = item(++cursor)
        leases.grant(held, random.pick(["a", "b"]), cursor, now + 1 + random.int(random.chance(0.5) ? 100 : 5))
        model.set(cursor, held)
      }
      if (model.size > 0 && random.chance(0.5)) {
        const held = random.pick([...model.values()])
        if (random.chance(0.3)) leases.renew(held, now + 50)
        else {
          leases.end(held)
          if (random.chance(0.5)) leases.restore(held)
          else model.delete(held.cursor)
        }
      }
      const due = [...model.values()].filter((held) => held.expiresAt <= now).map((held) => held.cursor)
      expect(leases.nextExpiry()).toBeLessThanOrEqual(Math.min(...Array.from(model.values(), (held) => held.expiresAt)))
      expect(leases.expire(now).map((held) => held.cursor).sort((a, b) => a - b)).toEqual(due.sort((a, b) => a - b))
      for (const gone of due) model.delete(gone)
      expect(leases.size()).toBe(model.size)
    }
    expect(leases.heldBy("a").map((held) => held.cursor).sort()).toEqual(
      [...model.values()].filter((held) => held.holder === "a").map((held) => held.cursor).sort())
  })
})

describe("a heap", () => {
  it("gives what comes first", () => {
    const random = makeRandom(5)
    const heap = makeHeap<number>((a, b) => a < b)
    const model: Array<number> = []
    for (let i = 0; i < 2_000; i++) {
      if (random.chance(0.6)) {
        const value = random.int(500)
        heap.push(value)
        model.push(value)
      } else {
        model.sort((a, b) => a - b)
        expect(heap.peek()).toBe(model[0])
        expect(heap.pop()).toBe(model.shift())
      }
      expect(heap.size()).toBe(model.length)
    }
  })
})
