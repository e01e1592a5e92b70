// The tables of indexed fields, which lag behind the log: `meta.indexed` says up to which of its rows they are complete.
// What is behind it is in memory (recent.ts), and read from the log again after a restart.
import { StoreCorrupt } from "../../../protocol/errors.ts"
import { indexEventsMax, indexRowsAtOnce } from "../../limits.ts"
import { indexOf } from "../memory-log.ts"
import { exact, fieldNumbers, type Disk } from "./disk.ts"
import { entryBeyondRow } from "./placement.ts"
import { eventAtCursor } from "./read.ts"
import { forget, groupsOf, note, type Run, type Unwritten } from "./recent.ts"

/**
 * Writes some rows. What is waiting is written as one run, value by value: the rows of one value lie beside one another, and
 * a page that many commits would write, for one row each, is written once. Until the run is over it counts as not written,
 * so that it can break off anywhere and be begun anew.
 */
export const writeIndexes = (disk: Disk): void => {
  const { unindexed } = disk
  unindexed.run ??= begin(disk)
  // At least as many as come in: the next run is no longer than this one.
  const rows = indexRowsAtOnce + unindexed.noted
  unindexed.noted = 0
  write(disk, unindexed.run, rows)
}

/** Writes all there are. */
export const writeAllIndexes = (disk: Disk): void => {
  const { unindexed } = disk
  if (unindexed.run !== undefined) write(disk, unindexed.run, Infinity)
  if (unindexed.entries.length > 0) write(disk, (unindexed.run = begin(disk)), Infinity)
}

const begin = (disk: Disk): Run => {
  const { unindexed } = disk
  const { entries } = unindexed
  unindexed.entries = []
  unindexed.noted = 0
  return { entries, groups: groupsOf(entries), group: 0, within: 0, upTo: disk.lastOff }
}

const write = (disk: Disk, run: Run, rows: number): void => {
  const { statements, unindexed } = disk
  let { group, within } = run
  disk.db.transaction(() => {
    let left = rows
    for (; group < run.groups.length && left > 0; group++, within = 0) {
      const { cursors, field, state, value } = run.groups[group]!
      const text = exact(value)
      const end = Math.min(cursors.length, within + left)
      left -= end - within
      for (; within < end; within++) {
        if (cursors[within]! > state.floor) statements.insertField.run(state.number, fieldNumbers[field], text, cursors[within]!)
      }
      if (end < cursors.length) break
      const newest = cursors[end - 1]!
      if (field === "subject" && newest > state.floor) statements.putNewest.run(state.number, text, newest)
    }
    if (group === run.groups.length) statements.putMeta.run("indexed", run.upTo)
  })()
  run.group = group
  run.within = within
  if (group < run.groups.length) return
  unindexed.run = undefined
  for (const { cursor, index, state } of run.entries) forget(state, cursor, index)
}

/** It is time to write some. */
export const hasManyUnwritten = ({ unindexed: { entries, run } }: Disk): boolean => run !== undefined || entries.length > indexEventsMax

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
