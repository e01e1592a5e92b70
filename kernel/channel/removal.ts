// Removals from a channel that keeps a record of what was settled: some events by their cursors, or all up to a floor.
// They are planned when a turn begins, written down with it, and undone when the record is not kept.
import * as Effect from "effect/Effect"
import type { Cursor } from "../../protocol/names.ts"
import type { Item, Items } from "./items.ts"
import type { Leases } from "./lease.ts"
import type { Pending } from "./pending.ts"
import type { WriteFailure } from "./recorder.ts"
import type { Run } from "./settlement.ts"

export interface Removal {
  readonly cursors: ReadonlyArray<Cursor>
  /** Everything up to here goes; 0: nothing but the cursors. */
  readonly floor: Cursor
  readonly resume: (effect: Effect.Effect<number, WriteFailure>) => void
}

/** All removals of one turn. */
export interface Plan {
  /** Open items that end by it. */
  readonly items: ReadonlyArray<Item>
  /** Those of them that somebody holds: their leases have ended. */
  readonly held: ReadonlyArray<Item>
  /** Of what was never read ahead. */
  readonly runs: ReadonlyArray<Run>
  /** What was not removed before. */
  readonly cursors: ReadonlyArray<Cursor>
  readonly floor: Cursor
  readonly answers: ReadonlyArray<() => void>
  readonly refusals: ReadonlyArray<(effect: Effect.Effect<never, WriteFailure>) => void>
}

export const nothingPlanned: Plan = { items: [], held: [], runs: [], cursors: [], floor: 0, answers: [], refusals: [] }

export interface Removing {
  readonly items: Items
  readonly leases: Leases<Item>
  readonly pending: Pending
  readonly removed: ReadonlySet<Cursor>
}

/** Marks what ends, and ends its leases. */
export const plan = (removals: ReadonlyArray<Removal>, { items, leases, pending, removed }: Removing): Plan => {
  if (removals.length === 0) return nothingPlanned
  const ending: Array<Item> = []
  const held: Array<Item> = []
  const runs: Array<Run> = []
  const cursors = new Set<Cursor>()
  let floor = 0
  const end = (item: Item): void => {
    // What its holder ends in this very turn ends as the holder says.
    if (item.ending !== undefined) return
    item.ending = "removed"
    ending.push(item)
    if (leases.newestEpoch(item.cursor) === null) return
    leases.end(item)
    held.push(item)
  }
  const answers: Array<() => void> = []
  for (const removal of removals) {
    let count = 0
    floor = Math.max(floor, removal.floor)
    for (const cursor of removal.cursors) {
      if (removed.has(cursor) || cursors.has(cursor)) continue
      count++
      cursors.add(cursor)
      const item = items.find(cursor)
      if (item !== undefined) end(item)
      else if (pending.isSettled(cursor) === false) runs.push([cursor, cursor])
    }
    answers.push(() => removal.resume(Effect.succeed(count)))
  }
  if (floor > 0) {
    for (const item of items.upTo(floor)) end(item)
    runs.push([0, floor])
  }
  return { items: ending, held, runs, cursors: [...cursors], floor, answers, refusals: removals.map(({ resume }) => resume) }
}
