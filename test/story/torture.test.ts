// The torture in small: the same code that `npm run torture` runs in full.
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { bundleWorld } from "../torture/bundle.ts"
import { points } from "../torture/terms.ts"
import { torture } from "../torture/torture.ts"

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

describe("a kernel that is killed with -9 at random moments and at every named point", () => {
  it("loses nothing that was acknowledged, does nothing twice and nothing without authority", async () => {
    const world = await bundleWorld(path("../../node_modules/.cache/aaax/torture-test"), path("../torture/world.ts"))
    const report = await torture({ world, cycles: 15, seed: 42 })
    expect(report).toMatchObject({
      eventsLost: 0, effectsDoubled: 0, effectsUnauthorized: 0, receiptsWithoutEffect: 0, tasksLost: 0, factsDoubled: 0, repliesWrong: 0,
      chainVerified: true, storeProblems: [], ok: true
    })
    for (const point of ["random", ...points]) expect(report.kills[point]).toBeGreaterThan(0)
    expect(report.effects).toBeGreaterThan(0)
    expect(report.unknown.listed).toBe(report.unknown.reconciled)
  }, 240_000)
})
