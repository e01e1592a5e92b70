// Two processes as remote systems, one of which dies again and again: the same code that `npm run torture -- --exchange` runs in full.
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { bundleWorld } from "../torture/bundle.ts"
import { exchange } from "../torture/exchange.ts"

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url))

describe("two processes that exchange events through a kernel, one of them killed with -9 and started again ten times", () => {
  it("lose nothing, double nothing, and no lease has two holders", async () => {
    const party = await bundleWorld(path("../../node_modules/.cache/aaax/exchange-test"), path("../torture/party.ts"))
    const report = await exchange({ party, events: 2_000, kills: 10, inMemory: true })
    expect(report).toMatchObject({ events: 2_000, kills: 10, lost: 0, doubled: 0, leasesShared: 0, backlog: 0, deadLetters: 0, ok: true })
    // The kills did hit work that was under way.
    expect(report.handedOutAgain).toBeGreaterThan(0)
  }, 120_000)
})
