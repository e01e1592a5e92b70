// What the doctor finds, and what it says about each finding.
import { describe, expect, it } from "vitest"
import { checks, coordinationCheck } from "../../bin/doctor.ts"
import { codeOf, codes } from "../../bin/exit-code.ts"
import { Unhealthy } from "../../bin/failure.ts"
import { version } from "../../kernel/version.ts"
import type { DoctorView } from "../../protocol/routes.ts"
import type { SystemView } from "../../protocol/view.ts"

const store: DoctorView["store"] = {
  backend: "sqlite", path: "kernel.db", format: 1, events: 3, channels: 2, bytes: 100, durability: "on disk", stopped: null
}
const status: DoctorView["status"] = {
  id: "k", name: "K", version, pid: 1, boot: 1, startedAt: 0, now: 1, directory: "d", policy: "granted", store, systems: 0, grants: 0, waiting: 2,
  unknown: 0, journalHead: 3, clockJump: null, policyNotes: [], frozen: null
}
const view = (over: Partial<DoctorView> = {}): DoctorView => ({
  status, store, storeProblems: [], audit: { ok: true, entries: 3, chainHead: "ab", firstCursor: 1, head: 3, problems: [] }, systems: [], ...over
})
const system = (id: string, over: Partial<SystemView>): SystemView => ({
  id, status: "running", module: id, framework: "esm", description: "", privileged: false, reads: [], writes: [], takes: [], provides: [],
  executors: [], powers: [], grants: 0, restarts: 0, lastError: null, dockedAt: 0, ...over
})
const findings = (over: Partial<DoctorView>): ReadonlyArray<string> =>
  checks(view(over)).flatMap((check) => check.findings.map((finding) => `${check.name}: ${finding}`))

describe("the doctor", () => {
  it("finds nothing in a kernel that is well, although actions wait in it", () => {
    expect(checks(view()).every(({ ok }) => ok)).toBe(true)
  })

  it("says of an unknown outcome where to look, not that the store is damaged", () => {
    expect(findings({ status: { ...status, unknown: 1 } })).toEqual(["gate: 1 outcome is unknown: aaax gate ls --state unknown"])
  })

  it("has a line for each system that is ill, with its reason and how it goes on", () => {
    expect(findings({
      systems: [system("a", { status: "quarantined", lastError: "it did not yield" }), system("b", { status: "failed", lastError: "boom" }), system("c", {})]
    })).toEqual([
      "systems: a is quarantined (it did not yield); mend it, then: aaax resume a", "systems: b failed and is about to start again (boom)"
    ])
  })

  it("has a line for each place of the store and the journal", () => {
    expect(findings({
      storeProblems: ["row 7", "row 9"], store: { ...store, stopped: "disk full" }, audit: { ...view().audit, ok: false, problems: ["entry 3"] }
    })).toEqual(["store: row 7", "store: row 9", "writes: writes are stopped: disk full", "journal: entry 3"])
  })

  it("tells a jump of the clock, and a kernel of another version", () => {
    expect(findings({ status: { ...status, clockJump: 3_600_000, version: "9.9.9" } })).toEqual([
      `version: the kernel is 9.9.9, this command line ${version}; start the kernel again`,
      "clock: it jumped by 60 min and is not believed, so nothing expires; when it is right: aaax clock confirm"
    ])
  })

  it("says what the coordinator could not read of its log, and nothing where there is none", () => {
    expect(coordinationCheck(undefined)).toEqual([])
    expect(coordinationCheck({ version: 1, cursor: 7, unreadable: 0, examples: [] })).toEqual([{ name: "coordination", ok: true, detail: "whole state behind entry 7", findings: [] }])
    expect(coordinationCheck({ version: 1, cursor: 7, unreadable: 2, examples: ["coordination.ledger#3: claimed is not whole"] })[0]?.findings).toEqual([
      "2 entries of its log could not be read and were passed over, such as coordination.ledger#3: claimed is not whole; look at what is claimed: aaax claims ls"
    ])
    expect(coordinationCheck({ version: 1, cursor: 7, unreadable: 3, lost: 1, examples: ["coordination.ledger#3: its checksum is wrong"] })[0]?.findings).toEqual([
      "1 entry of claims and plan cannot be read, such as coordination.ledger#3: its checksum is wrong; neither is changed until you give up what is lost: aaax claims accept-loss"
    ])
  })

  it("counts them in a sentence, and ends with 1", () => {
    const failure = new Unhealthy({ findings: 3, places: ["store", "gate"] })
    expect(failure.message).toBe("3 findings: store, gate.")
    expect(codeOf(failure)).toBe(codes.failed)
  })
})
