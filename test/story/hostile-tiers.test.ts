// The hostile module in every tier: exactly what each one stops, and nothing that it does not. This is the table of
// docs/authority/isolation.md and of `aaax doctor --isolation`, measured.
import { beforeAll, describe, expect, it } from "vitest"
import { loud, quiet, type Attack } from "../../bin/isolation/hostile.ts"
import { measureIsolation, type IsolationReport, type Verdict } from "../../bin/isolation/measure.ts"
import { tiers, type Tier } from "../../protocol/tier.ts"
import { buildChild } from "../kit/tiers.ts"

const stops: Readonly<Record<Tier, ReadonlyArray<Attack>>> = {
  "in-process": ["forge", "flood", "garbage", "line", "depth"],
  worker: ["env", "prototype", "forge", "heap", "loop", "regexp", "garbage", "line", "depth"],
  process: ["read", "write", "spawn", "env", "prototype", "forge", "heap", "buffers", "loop", "regexp", "flood", "garbage", "line", "depth"],
  jail: [...quiet, ...loud]
}

describe("a hostile module", () => {
  let report: IsolationReport
  beforeAll(async () => {
    await buildChild()
    report = await measureIsolation()
  }, 240_000)

  it.each(tiers)("is stopped in tier %s from what that tier stops, and from nothing else", (tier) => {
    const column = report.tiers.find((one) => one.tier === tier)!
    if (column.unavailable !== null) return console.warn(`tier ${tier} is not measured here: ${column.unavailable}`)
    const expected = Object.fromEntries([...quiet, ...loud].map((attack): [Attack, Verdict] =>
      [attack, stops[tier].includes(attack) ? "stopped" : tier === "in-process" && loud.includes(attack) ? "not tried" : "passes"]))
    expect(Object.fromEntries(Object.entries(column.cells).map(([attack, { verdict }]) => [attack, verdict]))).toEqual(expected)
    if (tier === "in-process") return
    const why = (attack: Attack): string => column.cells[attack]!.why
    expect(why("loop")).toMatch(/^it did not answer for/u)
    expect(why("regexp")).toMatch(/^it did not answer for/u)
    expect(why("garbage")).toBe("it said what is no frame: it is not JSON")
    expect(why("line")).toBe("it said a line of more than 1048576 bytes")
    expect(why("depth")).toMatch(/nests deeper than/u)
    if (tier !== "worker") expect(why("buffers")).toMatch(/^it used more than 256 MiB of memory/u)
  })
})
