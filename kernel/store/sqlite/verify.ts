// Reads everything that lies in the database and says what is not as it was written.
import { Worker } from "node:worker_threads"
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { Cursor } from "../../../protocol/names.ts"
import { decodeBlock } from "./block.ts"
import { library } from "./checkpoint.ts"
import { snapshotCrc, type Disk } from "./disk.ts"
import type { SnapshotRow } from "./statements.ts"

/** Rows that are checked before others get their turn. */
const rowsPerTurn = 64

export const verifyDisk = async (disk: Disk): Promise<ReadonlyArray<string>> => {
  const problems = [...disk.problems]
  const say = (failure: unknown): void => void problems.push(failure instanceof Error ? failure.message : String(failure))
  try {
    for (const line of await quickCheck(disk.db.name)) if (line !== "ok") problems.push(`SQLite: ${line}`)
    await verifyLog(disk, say)
    verifySnapshots(disk, say)
  } catch (failure) {
    say(failure)
  }
  return problems
}

// It reads the whole database in one call, which takes seconds when that is large.
const quickCheckCode = `
const { parentPort, workerData } = require("node:worker_threads")
const db = new (require(workerData.library))(workerData.path, { readonly: true })
parentPort.postMessage(db.pragma("quick_check(10)").map((line) => line.quick_check))
db.close()
`

const quickCheck = (path: string): Promise<ReadonlyArray<string>> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(quickCheckCode, { eval: true, workerData: { library, path }, execArgv: [], env: {} })
    worker.once("message", resolve)
    worker.once("error", reject)
  })

/** Checksums of all rows, and that the cursors of each channel are consecutive from its floor to its head. */
const verifyLog = async (disk: Disk, say: (failure: unknown) => void): Promise<void> => {
  const heads = Array.from(disk.durable.values(), (state) => [state, state.head] as const)
  const seen = new Map<number, Cursor>()
  const end = disk.lastOff
  for (let from = 1; from <= end;) {
    const next = disk.statements.rowFrom.get(from)
    if (next === undefined || next.off > end) break
    for (const row of disk.statements.blocks.all(next.off, Math.min(end, next.off + rowsPerTurn - 1))) {
      try {
        for (const run of decodeBlock(row).runs) {
          const before = seen.get(run.channel)
          const floor = disk.byNumber.get(run.channel)?.floor ?? 0
          // Below the floor rows may be deleted in any order.
          if (before !== undefined ? run.first > before + 1 && run.first > floor + 1 : run.first > floor + 1) {
            say(new StoreCorrupt({
              where: `${disk.byNumber.get(run.channel)?.channel.name ?? run.channel}#${Math.max(floor, before ?? 0) + 1}`,
              reason: `its events up to ${run.first - 1} are missing`
            }))
          }
          seen.set(run.channel, run.first + run.count - 1)
        }
      } catch (failure) {
        say(failure)
      }
    }
    from = next.off + rowsPerTurn
    await new Promise(setImmediate)
  }
  for (const [state, head] of heads) {
    if (head > state.floor && (seen.get(state.number) ?? 0) < head) {
      say(new StoreCorrupt({ where: `${state.channel.name}#${head}`, reason: "its newest events are missing" }))
    }
  }
}

const verifySnapshots = (disk: Disk, say: (failure: unknown) => void): void => {
  const rows = disk.db.prepare<[], SnapshotRow>("SELECT name, revision, rest, value, crc FROM snapshots")
  for (const row of rows.iterate()) {
    if (snapshotCrc(row.rest, row.value) !== row.crc) say(new StoreCorrupt({ where: `snapshot ${row.name}`, reason: "its checksum is wrong" }))
  }
}
