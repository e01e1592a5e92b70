// A reader's position in a channel: behind a cursor, except for older events that somebody held when it passed them. What
// is given back comes to it after all, and what it keeps across a restart lies below the oldest that is still open.
import * as Effect from "effect/Effect"
import type { ReadError } from "../protocol/errors.ts"
import type { Event, Filter, Page } from "../protocol/event.ts"
import type { ChannelId, Cursor } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"

export interface Position {
  /** Everything up to here was handed out or passed over. */
  after: Cursor
  /** Up to `after`, and held by a taker when they were passed. */
  readonly held: Set<Cursor>
}

export const positionAt = (after: Cursor): Position => ({ after, held: new Set() })

/** Held events that are looked at with one read, and those that one waits for. */
const lookEvents = 32
const awaitedMax = 1_000

const byCursor = (a: Cursor, b: Cursor): number => a - b

const oldestOf = (cursors: Iterable<Cursor>): Cursor => {
  let oldest = Infinity
  for (const cursor of cursors) if (cursor < oldest) oldest = cursor
  return oldest
}

/** Nothing up to here can come any more, if what was handed out up to `handled` and is not in `open` was handled. */
export const doneUpTo = (position: Position, handled: Cursor, open: Iterable<Cursor> = []): Cursor =>
  Math.max(0, Math.min(handled, oldestOf(position.held) - 1, oldestOf(open) - 1))

/** Takes over what a page says: how far it came, and whom it passed over. */
export const passed = (position: Position, page: Page): void => {
  position.after = Math.max(position.after, page.next)
  for (const cursor of page.held ?? []) position.held.add(cursor)
}

/** Those of the held events that were given back meanwhile, oldest first. Those that were settled or evicted are forgotten. */
export const givenBack = (
  port: Port, channel: ChannelId, position: Position, limit: number, filter?: Filter
): Effect.Effect<ReadonlyArray<Event>, ReadError> =>
  Effect.gen(function*() {
    const events: Array<Event> = []
    const cursors = [...position.held].sort(byCursor)
    let at = 0
    while (at < cursors.length && events.length < limit) {
      const after = cursors[at]! - 1
      const page: Page = yield* Effect.catchTag(
        port.read(channel, { after, limit: lookEvents, ...(filter === undefined ? {} : { filter }) }),
        "Gap", (gap) => Effect.succeed({ events: [], next: gap.floor, head: gap.floor })
      )
      const still = new Set(page.held)
      const there = new Map(page.events.map((event) => [event.cursor, event]))
      for (; at < cursors.length && (cursors[at]! <= page.next || page.next >= page.head); at++) {
        const cursor = cursors[at]!
        if (still.has(cursor)) continue
        const event = there.get(cursor)
        if (event !== undefined && events.length === limit) break
        position.held.delete(cursor)
        if (event !== undefined) events.push(event)
      }
    }
    return events
  })

/** Waits until there may be something new: beyond the head, or given back. */
export const awaitMore = (port: Port, channel: ChannelId, position: Position, head: Cursor): Effect.Effect<unknown, ReadError> => {
  const beyond = Math.max(position.after, head)
  return position.held.size === 0
    ? port.awaitBeyond(channel, beyond)
    : port.awaitBeyond(channel, beyond, [...position.held].sort(byCursor).slice(0, awaitedMax))
}
