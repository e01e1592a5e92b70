// Grants, uses, budgets and leases behave, however requests overlap, as if they came one after the other: over simulated
// interleavings that a seed chooses. And the check is one that can fail: each broken guard is seen.
import { describe, expect, it } from "vitest"
import { isLinearizable, type Model, type Operation } from "../torture/linear/checker.ts"
import { checkHistories } from "../torture/linear/linear.ts"
import { subjects } from "../torture/linear/subjects.ts"

const register: Model<number, number | "read", number> = {
  initial: 0,
  key: String,
  apply: (state, input, output) => (input === "read" ? (output === state ? state : undefined) : input)
}
const op = (input: number | "read", output: number, invoked: number, returned: number): Operation<number | "read", number> => ({ client: "c", input, output, invoked, returned })

describe("the check", () => {
  it("takes what overlaps in any order, and what does not in its own", () => {
    expect(isLinearizable([op(1, 1, 0, 10), op("read", 0, 1, 2), op("read", 1, 3, 4)], register)).toBe(true)
    expect(isLinearizable([op(1, 1, 0, 10), op("read", 1, 1, 2), op("read", 0, 3, 4)], register)).toBe(false)
    expect(isLinearizable([op(1, 1, 0, 1), op("read", 0, 2, 3)], register)).toBe(false)
  })
})

describe("simulated interleavings", () => {
  it.each(["grants", "budget", "leases"] as const)("of %s can be told one after the other", async (subject) => {
    expect(await checkHistories(subject, { count: 60, seed: 20 })).toMatchObject({ unexplained: [], ok: true })
  })


  const caught = async (check: (seed: number) => Promise<boolean>): Promise<number> => {
    for (let seed = 1; seed <= 300; seed++) if (!(await check(seed))) return seed
    return Infinity
  }
  it.each([
    ["grants", "looks first"], ["grants", "is not charged"], ["grants", "revokes one alone"],
    ["budget", "looks first"], ["budget", "gives nothing back"], ["budget", "settles twice"],
    ["leases", "hands out twice"], ["leases", "believes a lost lease"]
  ] as const)("of %s show one that %s", async (subject, fault) => {
    // Each subject takes its own faults.
    const run = subjects[subject] as (seed: number, fault: string) => Promise<boolean>
    expect(await caught((seed) => run(seed, fault))).toBeLessThan(300)
  })
})
