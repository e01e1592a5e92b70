// The examples, as a reader would run them.
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { launch } from "../../kernel/index.ts"
import { main as ancestorNames } from "../../examples/ancestor-names.ts"
import { main as roundTrip } from "../../examples/capability-round-trip.ts"
import { main as dockFromCode } from "../../examples/dock-from-code.ts"
import { main as quickStart } from "../../examples/quick-start.ts"
import wordCounter from "../../examples/first-module.ts"

describe("the examples", () => {
  it("a first module of 15 lines counts words", async () => {
    const source = readFileSync(new URL("../../examples/first-module.ts", import.meta.url), "utf8")
    expect(source.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("//")).length).toBeLessThanOrEqual(15)
    const kernel = await launch({ store: ":memory:" })
    await kernel.dock(wordCounter)
    await kernel.channels.append("notes.in", { payload: "to be or not" })
    for await (const event of kernel.channels.subscribe("notes.counted", { limit: 1 })) expect(event.payload).toEqual({ words: 4 })
    await expect(kernel.channels.append("notes.in", { payload: 7 })).rejects.toMatchObject({ _tag: "InvalidPayload" })
    await kernel.close()
  })

  it("docking from code reviews a diff and posts a comment that a human approved", async () => {
    expect(await dockFromCode()).toEqual({ verdict: { verdict: "fix" }, posted: ["PR-7: Finish the TODO"] })
  })

  it("the ancestor's names boot its config, dock, step and launch", async () => {
    const { systems, ticks } = await ancestorNames()
    expect(systems).toEqual(["example-agent", "clock"])
    expect(ticks).toBeGreaterThanOrEqual(3)
  })

  it("the capability round trip ends in an approval and a receipt", async () => {
    expect(await roundTrip()).toEqual([
      "capability_grant", "action_approved", "action_completed", JSON.stringify({ findings: ["nothing is known about exokernels yet"] })
    ])
  })

  it("[113] [W9] the quick start of the first generation delivers every message, here and over HTTP", async () => {
    expect(await quickStart()).toEqual({
      seen: [20, 21, 22], remote: [["sensor", { celsius: 20 }], ["sensor", { celsius: 21 }], ["sensor", { celsius: 22 }]], found: ["monitor"]
    })
  })
})
