// What an exclusive channel has still to hand out: a window over its log, read a page ahead. Memory follows the page,
// not the backlog, and nothing here relies on cursors without holes.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ChannelNotFound, Gap, StoreCorrupt } from "../../protocol/errors.ts"
import type { ChannelId, Cursor } from "../../protocol/names.ts"
import { openItemsMax, pageEventsMax, queuePageEvents } from "../limits.ts"
import type { ItemPage, StoredItem, StoreService } from "../store/store.ts"
import type { Item, Items } from "./items.ts"
import { floorOf, join, runAt, type Run, type Settled } from "./settlement.ts"

export type ReadFailure = ChannelNotFound | Gap | StoreCorrupt

/** Runs an effect from plain code. One that does not wait has called back before this returns. */
export const run = <A, E>(effect: Effect.Effect<A, E>, onExit: (exit: Exit.Exit<A, E>) => void): void => {
  Effect.runFork(effect).addObserver(onExit)
}

export interface Pending {
  /** The next item for the first time, or nothing: none is left, or a page is on its way (`isBusy`). */
  readonly next: () => Item | undefined
  readonly isBusy: () => boolean
  /** Nothing is left in the log beyond what was handed out. */
  readonly isEmpty: () => boolean
  /** Items of the log that were not read yet. */
  readonly count: Effect.Effect<number, ReadFailure>
  /** Whether an item was settled, when it lies beyond what was read; nothing: it does not. */
  readonly isSettled: (cursor: Cursor) => boolean | undefined
  /** These were settled without being handed out, and everything up to a floor was. */
  readonly drop: (cursors: ReadonlyArray<Cursor>, floor: Cursor) => void
  /** Runs and attempts that were recorded for items beyond what was read. */
  readonly beyond: () => { readonly runs: ReadonlyArray<Run>; readonly taken: ReadonlyArray<readonly [Cursor, number]> }
}

export interface PendingOptions {
  readonly store: StoreService
  readonly channel: ChannelId
  readonly items: Items
  /** What the companion says of earlier deliveries. */
  readonly settled: Settled
  readonly attemptsMax: () => number
  /** An item that had all its attempts before it was read. */
  readonly onSpent: (item: Item) => void
  /** A page that had to be waited for is here. */
  readonly onPage: () => void
  readonly onFailure: (failure: Exit.Exit<never, ReadFailure>) => void
}

export const makePending = (options: PendingOptions): Pending => {
  const { store, channel, items } = options
  let settled = options.settled
  let window: ReadonlyArray<StoredItem> = []
  let at = 0
  /** The window reaches to here, also when nothing of it is left. */
  let pageTo = 0
  /** Everything up to here is in `items`. */
  let readTo = floorOf(settled)
  let isReading = false
  /** On a log with holes: items between `readTo` and `to` that were counted, because they cannot be computed. */
  let counted = { to: readTo, items: 0 }

  const head = (): Cursor => store.statisticsOf(channel)?.head ?? 0

  const add = (page: ItemPage): void => {
    window = page.items
    at = 0
    // A page without events that does not get on: the rest of the log was evicted.
    pageTo = page.items.length === 0 ? Math.max(page.next, page.head) : page.next
    if (window.length === 0) readTo = Math.max(readTo, pageTo)
  }

  /** Makes an item of what lies next in the window; nothing when it was settled before, or had all its attempts. */
  const open = (stored: StoredItem): Item | undefined => {
    const { cursor } = stored
    if (cursor <= readTo) return undefined // dropped meanwhile
    const { runs } = settled
    const run = cursor > runs[runs.length - 1]![1] ? undefined : runAt(runs, cursor)
    if (run !== undefined) {
      items.addRun(cursor, run[1])
      readTo = run[1]
      return undefined
    }
    readTo = cursor
    if (cursor <= counted.to) counted.items--
    const item = items.add(stored, settled.attempts.get(cursor) ?? 0)
    if (item.attempts < options.attemptsMax()) return item
    options.onSpent(item)
    return undefined
  }

  /** Answers false when it failed at once. */
  const read = (): boolean => {
    isReading = true
    let isWaiting = false
    let hasFailed = false
    run(store.items(channel, { after: readTo, limit: queuePageEvents }), (exit) => {
      isReading = false
      if (exit._tag === "Success") add(exit.value)
      else {
        hasFailed = true
        for (const reason of exit.cause.reasons) {
          if (reason._tag !== "Fail" || reason.error._tag !== "Gap") continue
          // Who takes now is told of the gap; who takes next goes on behind it.
          readTo = Math.max(readTo, reason.error.floor)
          items.addRun(readTo, readTo)
        }
        options.onFailure(Exit.failCause(exit.cause))
      }
      if (isWaiting) options.onPage()
    })
    isWaiting = true
    return !hasFailed
  }

  const next = (): Item | undefined => {
    while (items.size() < openItemsMax) {
      const stored = window[at]
      if (stored === undefined) {
        readTo = Math.max(readTo, pageTo)
        if (isReading || head() <= readTo || !read() || isReading) return undefined
        continue
      }
      at++
      const item = open(stored)
      if (item !== undefined) return item
    }
    return undefined
  }

  const settledBetween = (from: Cursor, to: Cursor): number => {
    let sum = 0
    for (const run of settled.runs) sum += Math.max(0, Math.min(run[1], to) - Math.max(run[0] - 1, from))
    return sum
  }

  const count: Pending["count"] = Effect.gen(function*() {
    for (;;) {
      const statistics = store.statisticsOf(channel)
      if (statistics === undefined || statistics.head <= readTo) return 0
      // One event for every cursor: then, and only then, the difference of cursors is a number of events.
      if (statistics.events === statistics.head - statistics.floor) {
        const from = Math.max(readTo, statistics.floor)
        return statistics.head - from - settledBetween(from, statistics.head)
      }
      if (counted.to <= readTo) counted = { to: readTo, items: 0 }
      if (counted.to >= statistics.head) return counted.items
      const page = yield* store.items(channel, { after: counted.to, limit: pageEventsMax })
      if (page.next < counted.to) continue
      for (const { cursor } of page.items) {
        if (cursor > Math.max(counted.to, readTo) && runAt(settled.runs, cursor) === undefined) counted.items++
      }
      counted.to = page.items.length === 0 ? Math.max(page.next, page.head) : page.next
    }
  })

  return {
    next,
    isBusy: () => isReading,
    isEmpty: () => at === window.length && !isReading && head() <= Math.max(readTo, pageTo),
    count,
    isSettled: (cursor) => (cursor <= readTo ? undefined : runAt(settled.runs, cursor) !== undefined),
    drop: (cursors, floor) => {
      const beyond = cursors.filter((cursor) => cursor > readTo)
      if (beyond.length > 0 || floor > readTo) settled = join(settled, [{ settled: floor > 0 ? [[0, floor], ...beyond] : beyond }])
      counted = { to: 0, items: 0 }
      if (floor <= readTo) return
      readTo = floor
      items.addRun(floor, floor)
    },
    beyond: () => ({
      runs: settled.runs.filter((run) => run[1] > readTo),
      taken: Array.from(settled.attempts).filter(([cursor]) => cursor > readTo)
    })
  }
}
