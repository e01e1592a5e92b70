// Mutations in small: the same code that `npm run torture -- --mutations` runs in full.
import { describe, expect, it } from "vitest"
import { mutations } from "../torture/mutations.ts"

describe("tokens and proofs that were changed at random", () => {
  it("are never taken, while those that were not are", async () => {
    const report = await mutations({ mutations: 3_000, seed: 11 })
    expect(report).toMatchObject({ mutations: 3_000, accepted: 0, wrong: [], validRefused: 0, ok: true })
    expect(report.valid).toBeGreaterThan(10)
    for (const made of Object.values(report.made)) expect(made).toBeGreaterThan(200)
  }, 60_000)
})
