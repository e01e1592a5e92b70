// The races in small: the same code that `npm run torture -- --races` runs in full.
import { describe, expect, it } from "vitest"
import { race, races, type RaceName } from "../torture/races.ts"

describe("those who race for", () => {
  // The keys of the table.
  it.each(Object.keys(races) as ReadonlyArray<RaceName>)("%s: exactly one gets it", async (name) => {
    expect(await race(name, { count: 150, seed: 7 })).toMatchObject({ races: 150, doubleWinners: 0, noWinners: 0, ok: true })
  })
})
