// The items of an exclusive channel that are not settled, in the order of the log, and what is settled between them:
//
//   [0 ... floor] - item - item - [settled run] - item - [settled run]
//
// An item that is settled joins the run before it and the run behind it, so memory follows what is open, not what was
// ever settled, and everything here takes constant time.
import type { Cursor } from "../../protocol/names.ts"
import type { Outcome } from "../../protocol/subscription.ts"
import type { StoredItem } from "../store/store.ts"
import type { Held } from "./lease.ts"
import type { Run } from "./settlement.ts"

export interface Item extends Held {
  /** Present until it is handed out; an item that comes back is read again. */
  stored: StoredItem | undefined
  /** How often it was handed out. */
  attempts: number
  /** When it comes back after a nack, in kernel time. */
  dueAt: number
  /** How it ends, once that is being written down. */
  ending: Outcome | "removed" | undefined
  /** It is handed out, or on its way: nobody else gets it now. */
  isOut: boolean
  /** Why it was given back or declared dead last. */
  reason: string | undefined
  previous: Item | undefined
  next: Item | undefined
  /** What is settled between this item and the next one; -1: nothing. */
  runFrom: Cursor
  runTo: Cursor
}

export interface Items {
  readonly floor: () => Cursor
  /** Open items. */
  readonly size: () => number
  /** Adds an open item behind all others. */
  readonly add: (stored: StoredItem, attempts: number) => Item
  /** Adds what was settled before, behind all others. */
  readonly addRun: (from: Cursor, to: Cursor) => void
  readonly settle: (item: Item) => void
  /** The open item at a cursor. */
  readonly find: (cursor: Cursor) => Item | undefined
  /** Open items, oldest first, up to a cursor. */
  readonly upTo: (cursor: Cursor) => ReadonlyArray<Item>
  /** The runs that will exist when these items (marked as ending, in order) are settled: what must be written down. */
  readonly runsOf: (ending: ReadonlyArray<Item>) => ReadonlyArray<Run>
  /** All runs and all attempts of open items. */
  readonly everything: () => { readonly runs: ReadonlyArray<Run>; readonly taken: ReadonlyArray<readonly [Cursor, number]> }
}

const makeItem = (cursor: Cursor, stored: StoredItem | undefined, attempts: number, previous: Item | undefined): Item => ({
  cursor, holder: "", epoch: 0, expiresAt: 0, stored, attempts, dueAt: 0, ending: undefined, isOut: false, reason: undefined,
  previous, next: undefined, runFrom: -1, runTo: -1
})

/** Items behind a floor. */
export const makeItems = (floor: Cursor): Items => {
  const head = makeItem(0, undefined, 0, undefined)
  head.runFrom = 0
  head.runTo = floor
  let tail = head
  let size = 0
  /** Made when somebody looks for the first time: only readers do, and not of every channel. */
  let byCursor: Map<Cursor, Item> | undefined

  const settle = (item: Item): void => {
    const previous = item.previous! // only the head has none, and nobody is handed the head
    if (previous.runTo < 0) previous.runFrom = item.cursor
    previous.runTo = item.runTo < 0 ? item.cursor : item.runTo
    previous.next = item.next
    if (item.next === undefined) tail = previous
    else item.next.previous = previous
    // An item that is done keeps no others alive: without this the collector carries the whole chain along.
    item.previous = undefined
    item.next = undefined
    byCursor?.delete(item.cursor)
    size--
  }

  const runsOf = (ending: ReadonlyArray<Item>): ReadonlyArray<Run> => {
    const runs: Array<[Cursor, Cursor]> = []
    for (const item of ending) {
      const previous = item.previous! // as above
      const from = previous.runTo >= 0 ? previous.runTo : previous.ending !== undefined ? previous.cursor : item.cursor
      const to = item.runTo >= 0 ? item.runTo : item.cursor
      const last = runs[runs.length - 1]
      if (last !== undefined && from <= last[1]) last[1] = to
      else runs.push([from, to])
    }
    return runs
  }

  return {
    floor: () => head.runTo,
    size: () => size,
    add: (stored, attempts) => {
      const { cursor } = stored
      const item = makeItem(cursor, stored, attempts, tail)
      tail.next = item
      tail = item
      byCursor?.set(cursor, item)
      size++
      return item
    },
    addRun: (from, to) => {
      if (tail.runTo < 0) tail.runFrom = from
      if (to > tail.runTo) tail.runTo = to
    },
    settle,
    find: (cursor) => {
      if (byCursor === undefined) {
        byCursor = new Map()
        for (let item = head.next; item !== undefined; item = item.next) byCursor.set(item.cursor, item)
      }
      return byCursor.get(cursor)
    },
    upTo: (cursor) => {
      const found: Array<Item> = []
      for (let item = head.next; item !== undefined && item.cursor <= cursor; item = item.next) found.push(item)
      return found
    },
    runsOf,
    everything: () => {
      const runs: Array<Run> = []
      const taken: Array<readonly [Cursor, number]> = []
      for (let item: Item | undefined = head; item !== undefined; item = item.next) {
        if (item.attempts > 0) taken.push([item.cursor, item.attempts])
        if (item.runTo >= 0) runs.push([item.runFrom, item.runTo])
      }
      return { runs, taken }
    }
  }
}
