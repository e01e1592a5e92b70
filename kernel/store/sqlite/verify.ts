// Reads everything that lies in the database and says what is not as it was written.
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { Cursor } from "../../../protocol/names.ts"
import { decodeBlock } from "./block.ts"
import { snapshotCrc, type Disk, type SnapshotRow } from "./disk.ts"

/** Rows that are checked before others get their turn. */
const rowsPerTurn = 64

export const verifyDisk = async (disk: Disk): Promise<ReadonlyArray<string>> => {
  const problems = [...disk.problems]
  const say = (failure: unknown): void => void problems.push(failure instanceof Error ? failure.message : String(failure))
  try {
    for (const line of disk.db.pragma("quick_check(10)", { simple: false }) as ReadonlyArray<{ quick_check: string }>) { // its one column
      if (line.quick_check !== "ok") problems.push(`SQLite: ${line.quick_check}`)
    }
    await verifyLog(disk, say)
    verifySnapshots(disk, say)
  } catch (failure) {
    say(failure)
  }
  return problems
}

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
