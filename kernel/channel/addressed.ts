// Addressed delivery: a reader sees what is for it and what is for everyone, in order; the kernel sees all. Both are
// found by the index on `recipient`, so that a mailbox of one letter among a million costs one letter.
import * as Effect from "effect/Effect"
import type { Event, Filter, Page } from "../../protocol/event.ts"
import { forEveryone } from "../../protocol/event.ts"
import { kernelSystem, type Cursor, type SystemId } from "../../protocol/names.ts"
import { scanNewestMax } from "../limits.ts"
import type { DeliveryRow } from "./delivery.ts"

/** Two pages of different events as one, in order. It reaches as far as both of them do. */
const merge = (mine: Page, everyones: Page, limit: number): Page => {
  const reach = Math.min(mine.next, everyones.next)
  const head = Math.max(mine.head, everyones.head)
  const events: Array<Event> = []
  let a = 0
  let b = 0
  for (;;) {
    const left = mine.events[a]
    const right = everyones.events[b]
    const event = right === undefined || (left !== undefined && left.cursor < right.cursor) ? left : right
    if (event === undefined || event.cursor > reach) return { events, next: reach, head }
    if (event === left) a++
    else b++
    events.push(event)
    if (events.length === limit) return { events, next: event.cursor, head }
  }
}

/** What a reader sees of a page. */
const seenBy = (reader: SystemId, page: Page, limit: number): Page => {
  const events = page.events.filter(({ recipient }) => recipient === null || recipient === reader || recipient === forEveryone)
  if (events.length <= limit) return { events, next: page.next, head: page.head }
  const first = events.slice(0, limit)
  return { events: first, next: first[limit - 1]!.cursor, head: page.head }
}

const nothing = (after: Cursor): ((page: Page) => Page) => (page) => ({ events: [], next: Math.max(after, page.head), head: page.head })

export const delivery: DeliveryRow = {
  read: (store, channel, reader, options) => {
    if (reader === kernelSystem) return store.read(channel, options)
    const wanted = options.filter?.recipient
    const narrowed = (recipient: string): Filter => ({ ...options.filter, recipient })
    if (wanted === reader || wanted === forEveryone) return store.read(channel, options)
    // Somebody else's mail: nothing to see, and the reader may go on behind the head.
    if (wanted !== undefined) return Effect.map(store.read(channel, { after: options.after, limit: 1 }), nothing(options.after))
    // What is new is in memory: looked at once, for both.
    const head = store.statisticsOf(channel)?.head ?? 0
    if (head - options.after <= scanNewestMax) {
      const { after, filter, limit } = options
      return Effect.map(store.read(channel, { after, limit: scanNewestMax, filter }), (page) => seenBy(reader, page, limit))
    }
    return Effect.flatMap(store.read(channel, { ...options, filter: narrowed(reader) }), (mine) =>
      Effect.map(store.read(channel, { ...options, filter: narrowed(forEveryone) }), (everyones) =>
        merge(mine, everyones, options.limit)))
  },
  addressee: (event) => event.recipient,
  isQueue: false
}
