// What a start says of what it found: nobody looks for what is not told.
import { describe, expect, it } from "vitest"
import { banner } from "../../bin/banner.ts"
import type { DoctorView } from "../../protocol/routes.ts"

type StatusView = DoctorView["status"]

const status: StatusView = {
  id: "k", name: "K", version: "1", pid: 1, boot: 2, startedAt: 0, now: 1, directory: "d", policy: "granted", systems: 0, grants: 0, waiting: 0, unknown: 0,
  store: { backend: "sqlite", path: "kernel.db", format: 1, events: 3, channels: 2, bytes: 100, durability: "on disk", stopped: null },
  journalHead: 3, clockJump: null, policyNotes: [], frozen: null
}
const gateLine = (over: Partial<StatusView>): string =>
  banner({ status: () => ({ ...status, ...over }), systems: () => [] }, { version: "1", readyMillis: 1, url: "u", published: undefined, configFile: null, notes: [] })
    // oxlint-disable-next-line no-control-regex -- colours
    .map((line) => line.replace(/\u001b\[\d+m/gu, "")).find((line) => line.startsWith("  Gate")) ?? ""

describe("the banner", () => {
  it("says how many actions wait, and of how many nobody knows the outcome", () => {
    expect(gateLine({})).toMatch(/granted$/u)
    expect(gateLine({ waiting: 1, unknown: 2 })).toMatch(/granted; 1 waiting: aaax gate; 2 whose outcome nobody knows: aaax gate ls --state unknown$/u)
  })
})
