// The benchmarks in small: every row, with hardly any work. Nothing here says how fast anything is.
import { execFileSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import type { Row } from "../../bench/row.ts"

const bench = fileURLToPath(new URL("../../scripts/bench.mjs", import.meta.url))

interface Report {
  readonly size: string
  readonly node: string
  readonly machine: string
  readonly rows: ReadonlyArray<Row>
}

const wanted: Readonly<Record<string, { readonly floor: boolean; readonly aim?: boolean; readonly baselines?: ReadonlyArray<string> }>> = {
  "relaxed/1 caller": { floor: true, aim: true, baselines: ["sqlite", "log"] },
  "relaxed/256 callers": { floor: true, aim: true, baselines: ["sqlite", "log"] },
  "relaxed/batches of 1000": { floor: true, aim: true, baselines: ["sqlite", "log"] },
  "strict/1 caller": { floor: true, aim: true, baselines: ["sqliteFull"] },
  "strict/64 callers": { floor: true, baselines: ["sqliteFull"] },
  "steady/p99.9": { floor: true, aim: true, baselines: ["sqlite"] },
  "fan-out/16 readers": { floor: true, aim: true, baselines: ["append"] },
  "queue/backlog 1000": { floor: true, aim: true, baselines: ["journalled"] },
  "queue/backlog 100000": { floor: true, aim: true, baselines: ["journalled"] },
  "queue/looked at": { floor: false, baselines: ["journalled"] },
  "queue/two calls": { floor: false, baselines: ["journalled"] },
  "flat/pages": { floor: true, baselines: ["parse"] },
  "flat/systems": { floor: true },
  "flat/foreign": { floor: true },
  "flat/index": { floor: true },
  "flat/backlog": { floor: true },
  "flat/channels": { floor: true },
  "request/relaxed": { floor: true, aim: true, baselines: ["twoCommits"] },
  "request/strict": { floor: false, baselines: ["twoCommits"] },
  "warrant/relaxed": { floor: false, baselines: ["twoCommits"] },
  "warrant/strict": { floor: true, baselines: ["twoCommits"] },
  "warrant/strict, 64 in flight": { floor: true },
  "warrant/1 parent": { floor: false, baselines: ["none"] },
  "warrant/10 parents": { floor: false, baselines: ["none"] },
  "decision/1 grants": { floor: true },
  "decision/1000 grants": { floor: true },
  "decision/10000 grants": { floor: true },
  "decision/budgets": { floor: true, baselines: ["none"] },
  "capability/check": { floor: true, baselines: ["lookups"] },
  "capability/check chain": { floor: true, baselines: ["lookups"] },
  "capability/policy": { floor: true, aim: true, baselines: ["10 grants"] },
  "capability/revoke": { floor: true, baselines: ["walk"] },
  "capability/fold": { floor: true, baselines: ["parse"] },
  "relay/lossless": { floor: true, baselines: ["frames", "same fields"] },
  "relay/lite": { floor: true, baselines: ["frames", "same fields"] },
  "relay/encode": { floor: true, baselines: ["stringify"] },
  "relay/routing": { floor: false },
  "token/cold": { floor: true, baselines: ["node:crypto"] },
  "token/warm": { floor: true },
  "restart/commits of 100": { floor: true },
  "restart/memory, commits of 100": { floor: true },
  "restart/commits of 1": { floor: true },
  "portable/query": { floor: true, baselines: ["bare"] },
  "portable/rare": { floor: true, baselines: ["none"] },
  "portable/pull": { floor: true, baselines: ["small"] },
  "portable/up": { floor: true },
  "portable/down": { floor: true },
  "http/append": { floor: true, aim: true, baselines: ["bare"] },
  "http/append 100": { floor: true, baselines: ["bare"] },
  "http/query": { floor: true, baselines: ["bare"] },
  "http/fan-out": { floor: true },
  "http/fan-out p99": { floor: true },
  "http/latency": { floor: true },
  "http/idle": { floor: true },
  "neighbour/flooded": { floor: false, baselines: ["alone"] }
}

describe("the benchmarks", () => {
  it("print each row with its figure, its baselines of the same run, and its bars", () => {
    const text = execFileSync(process.execPath, [bench, "--smoke", "--json"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    const report = JSON.parse(text) as Report // what the assertions below look at
    expect(report).toMatchObject({ size: "smoke", node: process.version })
    expect(report.machine).not.toBe("")
    const rows = new Map(report.rows.map((row) => [row.id, row]))
    expect(rows.size).toBe(report.rows.length)
    for (const [id, { aim = false, baselines = [], floor }] of Object.entries(wanted)) {
      const row = rows.get(id)
      expect(row, id).toBeDefined()
      expect(row!.figure, id).toBeGreaterThan(0)
      expect(row!.what, id).not.toBe("")
      expect(row!.unit, id).not.toBe("")
      expect([row!.floor !== null, row!.aim !== null], id).toEqual([floor, aim])
      for (const bar of [row!.floor, row!.aim]) if (bar !== null) expect(typeof bar.reached, id).toBe("boolean")
      for (const name of baselines) {
        expect(row!.baselines[name], `${id} ${name}`).toBeGreaterThan(0)
        expect(row!.ratios[name], `${id} ${name}`).toBeGreaterThan(0)
      }
    }
    // The command line is measured where it is built.
    for (const id of ["command/version", "command/launch"]) {
      const row = rows.get(id)!
      if (row.note !== "not built") expect(row.ratios["nothing"], id).toBeGreaterThan(0)
    }
  }, 120_000)
})
