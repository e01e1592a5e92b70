// What a channel's host may do to its events: evict the oldest, remove single ones, clear. Where a record of what was
// settled is kept, it is written first, so that nothing is handed out that is gone.
import * as Effect from "effect/Effect"
import { TooLarge, type AppendUnknown, type ChannelNotFound, type Gap, type StoreCorrupt, type StoreUnavailable } from "../../protocol/errors.ts"
import type { Filter } from "../../protocol/event.ts"
import type { ChannelId, Cursor, EventId } from "../../protocol/names.ts"
import type { EvictOptions } from "../../protocol/port.ts"
import { pageEventsMax, removedEventsMax } from "../limits.ts"
import type { ChannelStatistics, StoreService } from "../store/store.ts"
import type { Queue } from "./queue-calls.ts"

export type HostFailure = ChannelNotFound | Gap | StoreCorrupt | StoreUnavailable | AppendUnknown | TooLarge

export interface Hosted {
  readonly store: StoreService
  readonly name: ChannelId
  /** What keeps the record of what was settled, where there is one. */
  readonly queue: () => Queue | undefined
  /** The same, made when there is none. */
  readonly needQueue: Effect.Effect<Queue, StoreUnavailable>
  /** Nothing beyond it may go. */
  readonly ceiling: () => Cursor
}

const empty: ChannelStatistics = { head: 0, floor: 0, events: 0 }

/** The last cursor that was recorded before a moment. Kernel time never goes back, so it is found by halving. */
export const lastBefore = Effect.fnUntraced(function*(
  { name, store }: Pick<Hosted, "name" | "store">, before: number
): Effect.fn.Return<Cursor, ChannelNotFound | Gap | StoreCorrupt> {
  let { floor: from, head: to } = store.statisticsOf(name) ?? empty
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    const [event] = (yield* store.read(name, { after: middle, limit: 1 })).events
    // Cursors may have holes: what lies behind the middle may be far behind it.
    if (event === undefined || event.recordedAt >= before) to = middle
    else from = event.cursor
  }
  return from
})

/** The last cursor of the oldest events, so that `count` stay that were not removed. */
const lastBeyond = Effect.fnUntraced(function*({ name, store }: Hosted, from: Cursor, count: number, removed: ReadonlySet<Cursor>) {
  const { events, floor, head } = store.statisticsOf(name) ?? empty
  if (count === 0) return head
  // One event for every cursor, and none removed: the difference of cursors is a number of events.
  if (events === head - floor && removed.size === 0) return Math.max(from, head - count)
  // Otherwise they are counted once, a page at a time; a ring holds the cursors of the newest.
  const newest: Array<Cursor> = []
  let at = 0
  for (let after = from; ;) {
    const page = yield* store.read(name, { after, limit: pageEventsMax })
    for (const { cursor } of page.events) {
      if (removed.has(cursor)) continue
      newest[at % count] = cursor
      at++
    }
    if (page.events.length === 0 || page.next >= page.head) break
    after = page.next
  }
  const oldestKept = newest[at % count]
  return at <= count || oldestKept === undefined ? from : Math.max(from, oldestKept - 1)
})

const evictTo = Effect.fnUntraced(function*(hosted: Hosted, wanted: Cursor) {
  const { name, store } = hosted
  const floor = Math.min(wanted, hosted.ceiling())
  const queue = hosted.queue()
  if (floor <= (store.statisticsOf(name)?.floor ?? 0)) return store.statisticsOf(name)?.floor ?? 0
  if (queue !== undefined) yield* queue.remove([], floor)
  yield* store.evict(name, floor)
  return floor
})

export const evict: (hosted: Hosted, options: EvictOptions) => Effect.Effect<Cursor, HostFailure> = Effect.fnUntraced(function*(hosted, { before, maxCount }) {
  const queue = hosted.queue()
  if (queue !== undefined) yield* queue.restore
  const old = before === undefined ? hosted.store.statisticsOf(hosted.name)?.floor ?? 0 : yield* lastBefore(hosted, before)
  const surplus = maxCount === undefined ? old : yield* lastBeyond(hosted, old, maxCount, queue?.removed() ?? new Set())
  return yield* evictTo(hosted, surplus)
})

const removeAt: (hosted: Hosted, cursors: ReadonlyArray<Cursor>) => Effect.Effect<number, HostFailure> = Effect.fnUntraced(function*(hosted, cursors) {
  if (cursors.length === 0) return 0
  const queue = yield* hosted.needQueue
  yield* queue.restore
  const size = queue.removed().size + cursors.length
  if (size > removedEventsMax) {
    return yield* new TooLarge({ what: `What was removed of ${hosted.name} and not evicted yet`, size, sizeMax: removedEventsMax, unit: "events" })
  }
  return yield* queue.remove(cursors, 0)
})

export const remove: (hosted: Hosted, ids: ReadonlyArray<EventId>) => Effect.Effect<number, HostFailure> = Effect.fnUntraced(function*(hosted, ids) {
  const cursors: Array<Cursor> = []
  for (const id of new Set(ids)) {
    const event = yield* hosted.store.event(id)
    if (event !== undefined && event.channel === hosted.name) cursors.push(event.cursor)
  }
  return yield* removeAt(hosted, cursors)
})

export const clear: (hosted: Hosted, filter?: Filter) => Effect.Effect<void, HostFailure> = Effect.fnUntraced(function*(hosted, filter) {
  const { name, store } = hosted
  const { floor, head } = store.statisticsOf(name) ?? empty
  if (filter === undefined) return void (yield* evictTo(hosted, head))
  const queue = hosted.queue()
  if (queue !== undefined) yield* queue.restore
  const gone = queue?.removed() ?? new Set<Cursor>()
  const cursors: Array<Cursor> = []
  for (let after = floor; ;) {
    const page = yield* store.read(name, { after, limit: pageEventsMax, filter })
    for (const { cursor } of page.events) if (!gone.has(cursor)) cursors.push(cursor)
    if (cursors.length > removedEventsMax || page.next >= page.head || page.next <= after) break
    after = page.next
  }
  yield* removeAt(hosted, cursors)
})
