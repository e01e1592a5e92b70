// The crash matrix in small: the same code that `npm run torture -- --matrix warrant` runs at every point.
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { bundleWorld } from "../torture/bundle.ts"
import { matrix } from "../torture/matrix/matrix.ts"

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

describe("a kernel that dies on its way through every way of a warrant", () => {
  it("has done nothing without authority, nothing twice, nothing without intent, and leaves nothing open", async () => {
    const world = await bundleWorld(path("../../node_modules/.cache/aaax/matrix-test"), path("../torture/matrix/world.ts"))
    const report = await matrix({ world, every: 53 })
    expect(report.wrong).toEqual([])
    expect(report).toMatchObject({
      unauthorizedEffects: 0, effectsDoubled: 0, effectsWithoutIntent: 0, receiptsWrong: 0, warrantsOpen: 0, endingsWrong: 0, repliesWrong: 0, unknownWrong: 0, takenBackWrong: 0, reservationsLeft: 0, chainsBroken: 0
    })
    expect(report.deaths).toBeGreaterThan(8)
    expect(report.unknown).toBeGreaterThan(0)
  }, 240_000)
})
