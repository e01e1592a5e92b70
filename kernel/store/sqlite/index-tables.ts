// The tables of indexed fields, which lag behind the log: `meta.indexed` says up to which of its rows they are complete.
// What is behind it is in memory (recent.ts), and read from the log again after a restart.
import { StoreCorrupt } from "../../../protocol/errors.ts"
import { indexEventsMax } from "../../limits.ts"
import { indexOf } from "../memory-log.ts"
import { exact, fieldNumbers, type Disk } from "./disk.ts"
import { entryBeyondRow } from "./placement.ts"
import { eventAtCursor } from "./read.ts"
import { forget, note, type Unwritten } from "./recent.ts"

/** Writes the oldest ones into the tables. */
export const writeIndexes = (disk: Disk, atLeast: number): void => {
  const { unindexed, statements } = disk
  const { entries } = unindexed
  let end = Math.min(entries.length, unindexed.start + atLeast)
  // `indexed` names a row: one is written as a whole.
  while (end > 0 && end < entries.length && entries[end]!.off === entries[end - 1]!.off) end++
  if (end === unindexed.start) return
  disk.db.transaction(() => {
    for (let at = unindexed.start; at < end; at++) {
      const { cursor, index, state } = entries[at]!
      if (cursor <= state.floor) continue
      for (const [field, value] of index) {
        statements.insertField.run(state.number, fieldNumbers[field], exact(value), cursor)
        if (field === "subject") statements.putNewest.run(state.number, exact(value), cursor)
      }
    }
    statements.putMeta.run("indexed", end < entries.length ? entries[end]!.off - 1 : disk.lastOff)
  })()
  for (let at = unindexed.start; at < end; at++) {
    const { cursor, index, state } = entries[at]!
    forget(state, cursor, index)
  }
  unindexed.start = end
  if (end < entries.length && end < indexEventsMax) return
  unindexed.entries = entries.slice(end)
  unindexed.start = 0
}

/** It is time to write some. */
export const hasManyUnwritten = ({ unindexed: { entries, start } }: Disk): boolean => entries.length - start > indexEventsMax

/** Reads the events that the tables do not have, after a restart. */
export const restoreIndexes = (disk: Disk): void => {
  const indexed = disk.db.prepare<[], number>("SELECT value FROM meta WHERE name = 'indexed'").pluck().get() ?? 0
  // When every row was deleted, rows are counted from 1 again.
  const row = Math.min(indexed, disk.lastOff)
  if (row < indexed) disk.statements.putMeta.run("indexed", row)
  const found: Array<Unwritten> = []
  for (const state of disk.durable.values()) {
    if (state.channel.indexes.length === 0) continue
    for (let entry = entryBeyondRow(state, row); entry < state.length; entry++) {
      const last = entry + 1 < state.length ? state.firsts[entry + 1]! - 1 : state.head
      for (let cursor = Math.max(state.firsts[entry]!, state.floor + 1); cursor <= last; cursor++) {
        try {
          found.push({ state, off: state.offs[entry]!, cursor, index: indexOf(eventAtCursor(disk, state, cursor), state.channel.indexes) })
        } catch (failure) {
          // It is lost to reads, which say so where they come to it; `verify` finds it too.
          if (!(failure instanceof StoreCorrupt)) throw failure
        }
      }
    }
  }
  found.sort((a, b) => a.off - b.off || a.cursor - b.cursor)
  for (const { cursor, index, off, state } of found) note(disk.unindexed, state, off, cursor, index)
}
