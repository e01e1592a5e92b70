// Which actions a standing approval is for.
import { describe, expect, it } from "vitest"
import { isFor, isLive } from "../../../kernel/authority/state/standing.ts"
import type { Standing } from "../../../protocol/approval.ts"

const standing: Standing = {
  id: "standing:r", system: "a", executor: "fs.write", action: "write", target: "docs/*", isExact: false, riskMax: "high", labels: ["untrusted.web"], usesMax: 2, uses: 0,
  at: 1_000, expiresAt: 2_000, by: "ann"
}
const shape = { system: "a", executor: "fs.write", action: "write", target: "docs/a.md", risk: "high", labels: ["untrusted.web"], digest: () => "d1" } as const

describe("a standing approval", () => {
  it("is for what carries no label that it was not given for", () => {
    expect(isFor(standing, shape)).toBe(true)
    expect(isFor(standing, { ...shape, labels: [] })).toBe(true)
    expect(isFor(standing, { ...shape, labels: ["secret", "untrusted.web"] })).toBe(false)
    const { labels: _, ...bare } = standing
    expect(isFor(bare, shape)).toBe(false)
    expect(isFor(bare, { ...shape, labels: [] })).toBe(true)
  })

  it.each([
    ["system", { system: "b" }], ["executor", { executor: "fs.read" }], ["action", { action: "erase" }], ["target", { target: "docs/x/a.md" }],
    ["target that climbs", { target: "docs/.." }], ["risk", { risk: "irreversible" }]
  ] as const)("is for no other %s", (_, other) => {
    expect(isFor(standing, { ...shape, ...other })).toBe(false)
  })

  it("for one exact target reads no glob in it", () => {
    const exact = { ...standing, target: "docs/*", isExact: true }
    expect(isFor(exact, shape)).toBe(false)
    expect(isFor(exact, { ...shape, target: "docs/*" })).toBe(true)
  })

  it("that names no target is for the very arguments", () => {
    expect(isFor({ ...standing, digest: "d1" }, shape)).toBe(true)
    expect(isFor({ ...standing, digest: "d2" }, shape)).toBe(false)
  })

  it("ends on time, and when it was used up", () => {
    expect(isLive(standing, 1_999)).toBe(true)
    expect(isLive(standing, 2_000)).toBe(false)
    expect(isLive({ ...standing, uses: 2 }, 1_000)).toBe(false)
    expect(isLive({ ...standing, usesMax: null, uses: 99 }, 1_000)).toBe(true)
  })
})
