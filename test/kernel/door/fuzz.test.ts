// The fuzzing of every route and frame in small: the same code that `npm run torture -- --fuzz 100000` runs in full.
import { describe, expect, it } from "vitest"
import { fuzz } from "../../torture/fuzz.ts"

describe("requests as nobody sends them", () => {
  it("are refused or answered, tell nothing of the inside, and leave the kernel as it was", async () => {
    const { frames, ok, requests, statuses, wrong } = await fuzz({ requests: 2_000, seed: 7 })
    expect(wrong).toEqual([])
    expect(ok).toBe(true)
    expect(requests).toBeGreaterThanOrEqual(2_000)
    expect(frames).toBeGreaterThan(50)
    // It gets far enough in to be worth something.
    for (const status of ["200", "400", "401", "403", "404", "405"]) expect(statuses[status], status).toBeGreaterThan(10)
  }, 120_000)
})
