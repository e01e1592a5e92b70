// Where a guest is in a channel that everybody reads. Its cursor is durable; what somebody held when it was passed comes to
// it after all when it is given back, and the durable cursor waits below that, so that a restart loses nothing.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { Denied, InvalidPayload, Overloaded, ReadError, StoreUnavailable } from "../../../protocol/errors.ts"
import type { Event, Page } from "../../../protocol/event.ts"
import type { ChannelId, Cursor, SystemId } from "../../../protocol/names.ts"
import type { Port, ReadOptions } from "../../../protocol/port.ts"
import { heldCursorsMax } from "../../limits.ts"

/** Name of the subscription that holds the cursor. */
const subscription = "channels"

/** Events that are looked at with one read for those that were given back, and such reads in one call. */
const lookEvents = 32
const looksMax = 32

export type ReaderError = ReadError | Denied | InvalidPayload | Overloaded | StoreUnavailable

interface Reader {
  /** Everything up to here was handed out or passed over; nothing: it is not read from the store yet. */
  position: Cursor | undefined
  /** What the store has. */
  kept: Cursor
  held: ReadonlySet<Cursor>
  /** One read of a guest after the other: two at once would get the same events. */
  readonly turn: Semaphore.Semaphore
}

/** A page; a reader that is behind what was evicted goes on with the oldest that is left. */
const pageOf = (port: Port, channel: ChannelId, options: ReadOptions): Effect.Effect<Page, ReadError> =>
  port.read(channel, options).pipe(Effect.catchTag("Gap", ({ floor }) => port.read(channel, { ...options, after: floor })))

/** Those held events that are free again, oldest first, and those that are still held. */
const givenBack = Effect.fnUntraced(function*(
  port: Port, channel: ChannelId, held: ReadonlySet<Cursor>, limit: number
): Effect.fn.Return<{ readonly events: ReadonlyArray<Event>; readonly held: ReadonlySet<Cursor> }, ReadError> {
  const events: Array<Event> = []
  const cursors = [...held].sort((a, b) => a - b)
  const still = new Set(cursors)
  for (let at = 0, looks = 0; at < cursors.length && events.length < limit && looks < looksMax; looks++) {
    const page = yield* pageOf(port, channel, { after: cursors[at]! - 1, limit: lookEvents })
    const there = new Map(page.events.map((event) => [event.cursor, event]))
    const heldNow = new Set(page.held)
    for (; at < cursors.length && (cursors[at]! <= page.next || page.next >= page.head); at++) {
      const cursor = cursors[at]!
      if (heldNow.has(cursor)) continue
      const event = there.get(cursor)
      if (event !== undefined && events.length === limit) break
      // Neither there nor held: it is settled, removed or evicted.
      still.delete(cursor)
      if (event !== undefined) events.push(event)
    }
  }
  return { events, held: still }
})

export interface Readers {
  /** The next events of a guest, or those behind `after`; either way its cursor moves on, and never back. */
  readonly read: (port: Port, channel: ChannelId, limit: number, after?: Cursor) => Effect.Effect<ReadonlyArray<Event>, ReaderError>
}

export const makeReaders = ({ max }: { readonly max: number }): Readers => {
  /** Least recently used first. One that is forgotten goes on from its durable cursor. */
  const readers = new Map<string, Reader>()

  const readerOf = (guest: SystemId, channel: ChannelId): Reader => {
    // Neither name holds a line break.
    const key = `${guest}\n${channel}`
    const found = readers.get(key) ?? { position: undefined, kept: 0, held: new Set<Cursor>(), turn: Semaphore.makeUnsafe(1) }
    readers.delete(key)
    readers.set(key, found)
    if (readers.size > max) {
      for (const oldest of readers.keys()) {
        readers.delete(oldest)
        break
      }
    }
    return found
  }

  const next = Effect.fnUntraced(function*(
    reader: Reader, port: Port, channel: ChannelId, limit: number, after: Cursor | undefined
  ): Effect.fn.Return<ReadonlyArray<Event>, ReaderError> {
    if (reader.position === undefined) reader.position = reader.kept = (yield* port.subscription(subscription, channel)).cursor
    const back = after === undefined ? yield* givenBack(port, channel, reader.held, limit) : { events: [], held: reader.held }
    const from = after ?? reader.position
    const page = back.events.length < limit && back.held.size < heldCursorsMax
      ? yield* pageOf(port, channel, { after: from, limit: limit - back.events.length })
      : { events: [], next: from, head: from, held: [] }
    const held = new Set([...back.held, ...(page.held ?? [])])
    const position = Math.max(reader.position, page.next)
    let durable = position
    for (const cursor of held) if (cursor <= durable) durable = cursor - 1
    if (durable > reader.kept) {
      yield* port.advance(subscription, channel, durable)
      reader.kept = durable
    }
    reader.position = position
    reader.held = held
    return back.events.length === 0 ? page.events : [...back.events, ...page.events]
  })

  return {
    read: (port, channel, limit, after) =>
      Effect.suspend(() => {
        const reader = readerOf(port.system, channel)
        return reader.turn.withPermit(next(reader, port, channel, limit, after))
      })
  }
}
