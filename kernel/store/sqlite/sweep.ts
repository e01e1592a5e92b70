// Deleting what was evicted. Eviction itself only raises a floor; rows go when all their events are evicted, in slices,
// so that a long history does not hold up the event loop. `swept` says how far it came, also across restarts.
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { Cursor } from "../../../protocol/names.ts"
import { sweepEventsMax } from "../../limits.ts"
import { indexOf } from "../memory-log.ts"
import { eachRun, headWords } from "./block.ts"
import { exact, fieldNumbers, type Disk } from "./disk.ts"
import { dropSwept, lastOf, type DurableChannel } from "./placement.ts"
import { eventAtCursor } from "./read.ts"

export const isSwept = (disk: Disk): boolean => {
  for (const state of disk.durable.values()) if (state.swept < state.floor) return false
  return true
}

const deleteIndexes = (disk: Disk, state: DurableChannel, to: Cursor): void => {
  for (let cursor = state.swept + 1; cursor <= to; cursor++) {
    try {
      for (const [field, value] of indexOf(eventAtCursor(disk, state, cursor), state.channel.indexes)) {
        disk.statements.deleteField.run(state.number, fieldNumbers[field], exact(value), cursor)
      }
    } catch (failure) {
      // What cannot be read cannot be looked up either; its index rows stay, below the floor, where nobody looks.
      if (!(failure instanceof StoreCorrupt)) throw failure
    }
  }
  disk.statements.deleteNewest.run(state.number, to)
}

/** Every event of the row is evicted; `state` counts as evicted up to `to`. */
const isDead = (disk: Disk, off: number, state: DurableChannel, to: Cursor): boolean => {
  const row = disk.statements.head.get(off)
  if (row === undefined) return false
  let dead = true
  try {
    eachRun(headWords(off, row.ts, row.head), (number, first, count) => {
      const owner = disk.byNumber.get(number)
      if (owner === undefined || first + count - 1 > (owner === state ? to : owner.floor)) dead = false
    })
  } catch (failure) {
    if (!(failure instanceof StoreCorrupt)) throw failure
    return false // kept, for whoever repairs it
  }
  return dead
}

const sweepChannel = (disk: Disk, state: DurableChannel): void => {
  const to = Math.min(state.floor, state.swept + sweepEventsMax)
  const { statements } = disk
  disk.db.transaction(() => {
    if (state.channel.indexes.length > 0) deleteIndexes(disk, state, to)
    statements.deleteGiven.run(state.number, to)
    for (let entry = 0; entry < state.length && lastOf(state, entry) <= to; entry++) {
      const off = state.offs[entry]!
      if (!isDead(disk, off, state, to)) continue
      statements.deleteBlock.run(off)
      disk.blocks.drop(off)
    }
    statements.updateSwept.run(to, state.number)
    // The newest row may be among them, and the clock must not forget what it had reached.
    statements.putMeta.run("time", disk.highWater)
    disk.db.exec("DELETE FROM segments WHERE last < (SELECT min(off) FROM log)")
  })()
  state.swept = to
  dropSwept(state)
}

/** Does one slice of the work. */
export const sweep = (disk: Disk): void => {
  for (const state of disk.durable.values()) {
    if (state.swept >= state.floor) continue
    sweepChannel(disk, state)
    return
  }
}
