// Cedar's default policy and the TypeScript table, in small: the same code that `npm run torture -- --cedar 100000` runs.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { compareCedar } from "../torture/cedar.ts"

describe("Cedar's default policy", () => {
  it("says what the TypeScript table says, to whatever it is asked", async () => {
    const report = await compareCedar({ cases: 2_000, seed: 7 })
    expect(report).toMatchObject({ differences: 0, examples: [], ok: true })
    for (const word of ["allow", "deny", "escalate to human"]) expect(report.said[word]).toBeGreaterThan(200)
  }, 60_000)

  it("is found out when it says something else", async () => {
    const directory = mkdtempSync(join(tmpdir(), "aaax-cedar-"))
    try {
      const policies = join(directory, "other.cedar")
      writeFileSync(policies, readFileSync(fileURLToPath(new URL("../../policy/default.cedar", import.meta.url)), "utf8").replace("context.risk <= 1", "context.risk <= 2"))
      expect((await compareCedar({ cases: 200, seed: 7, policies })).differences).toBeGreaterThan(0)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }, 60_000)
})
