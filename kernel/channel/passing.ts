// Reading past what is not for readers: of a log that takes exclusive reads what is taken or settled, of any channel
// what was removed. A page says which events it passed over only for now.
import * as Effect from "effect/Effect"
import type { Event, Page } from "../../protocol/event.ts"
import type { Cursor } from "../../protocol/names.ts"
import { heldCursorsMax, pageEventsMax, scanEventsMax } from "../limits.ts"
import type { StoreReadOptions } from "../store/store.ts"
import type { ItemStatus } from "./queue-calls.ts"

/** As a page without what is passed over; filled up from what lies behind it, as far as one read may look. */
export const passing = <E>(
  read: (options: StoreReadOptions) => Effect.Effect<Page, E>, options: StoreReadOptions, statusOf: (cursor: Cursor) => ItemStatus
): Effect.Effect<Page, E> => {
  const events: Array<Event> = []
  const held: Array<Cursor> = []
  let after = options.after
  let scanned = 0
  let wanted = options.limit

  const pageOf = (next: Cursor, head: Cursor): Page => (held.length === 0 ? { events, next, head } : { events, next, head, held })

  const pass = (page: Page): Page | undefined => {
    for (const event of page.events) {
      const status = statusOf(event.cursor)
      if (status === "held") {
        // It is the first of the next page.
        if (held.length === heldCursorsMax) return pageOf(event.cursor - 1, page.head)
        held.push(event.cursor)
      }
      if (status === "open" && events.push(event) === options.limit) return pageOf(event.cursor, page.head)
    }
    scanned += page.events.length
    if (page.events.length === 0 || page.next >= page.head || scanned >= scanEventsMax) return pageOf(page.next, page.head)
    after = page.next
    // Much is passed over here: look at more at once.
    wanted = Math.min(pageEventsMax, wanted * 4)
    return undefined
  }

  const next: Effect.Effect<Page, E> = Effect.flatMap(
    Effect.suspend(() => read({ ...options, after, limit: wanted })),
    (page) => {
      const passed = pass(page)
      return passed === undefined ? next : Effect.succeed(passed)
    }
  )
  return next
}
