import { describe, expect, it } from "vitest"
import { tormentClaims } from "../torture/claims.ts"

describe("claims, whatever happens", () => {
  for (const seed of [1, 2, 3]) {
    it(`have never two live owners of what overlaps, and epochs that only grow (seed ${seed})`, () => {
      const report = tormentClaims({ operations: 4_000, seed })
      expect(report.examples).toEqual([])
      expect(report).toMatchObject({ twoOwners: 0, epochsBack: 0, different: 0, leasesWrong: 0, circles: 0, ok: true })
      // The histories have everything in them that is to be held against the model.
      for (const count of [report.grants, report.refusals, report.expiries, report.handoffs, report.restarts]) expect(count).toBeGreaterThan(10)
    })
  }
})
