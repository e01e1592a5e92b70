// What a channel keeps, looked at from outside its cursors: by id, by time, the newest, and letting go of it. The log is the
// database here: there is no second copy that could differ.
import * as Effect from "effect/Effect"
import type { Event, Filter } from "../../protocol/event.ts"
import { messageOf, type ChannelMessage } from "../../protocol/message.ts"
import type { ChannelId, Cursor } from "../../protocol/names.ts"
import { headOf } from "../channel.ts"
import type { Session } from "../surface.ts"

export interface Evict {
  /** Messages that were kept before this moment, in Unix seconds of the kernel's time. */
  readonly before?: number
  /** Newest messages that stay. */
  readonly maxCount?: number
}

export interface Kept<Content extends object> {
  /** The message with this id, also when somebody took or settled it; null when this channel has none. */
  readonly get: (id: string) => Promise<ChannelMessage<Content> | null>
  /** Messages whose own time is within, in the order in which they were kept; at most `limit` (default 1,000). Looks at the whole log. */
  readonly getRange: (fromSeconds: number, toSeconds: number, limit?: number) => Promise<ReadonlyArray<ChannelMessage<Content>>>
  /** The newest messages, newest first; at most 1,000. */
  readonly getLatest: (count: number) => Promise<ReadonlyArray<ChannelMessage<Content>>>
  /** For the channel's provider: forgets everything, or what the predicate or the filter matches. */
  readonly clear: (which?: Filter | ((message: ChannelMessage<Content>) => boolean)) => Promise<void>
  readonly evict: (options: Evict) => Promise<void>
  /** Answers how many there were. */
  readonly remove: (ids: ReadonlyArray<string>) => Promise<number>
}

const pageEvents = 1_000

export const makeKept = <Content extends object>(
  { bridge, port }: Session, name: ChannelId, asContent: (message: ChannelMessage) => ChannelMessage<Content>
): Kept<Content> => {
  const messageAt = (event: Event): ChannelMessage<Content> => asContent(messageOf(event))

  const page = (after: Cursor, limit: number) =>
    Effect.catchTag(port.read(name, { after, limit, fullLog: true }), "Gap", (gap) => port.read(name, { after: gap.floor, limit, fullLog: true }))

  /** Those that match, oldest first, until there are so many. */
  const scan = (isWanted: (message: ChannelMessage<Content>) => boolean, most: number) =>
    Effect.gen(function*() {
      const found: Array<ChannelMessage<Content>> = []
      for (let after: Cursor = 0, from: Cursor = -1; found.length < most && from < after;) {
        from = after
        const { events, next } = yield* page(after, pageEvents)
        for (const event of events) {
          const message = messageAt(event)
          if (found.length < most && isWanted(message)) found.push(message)
        }
        after = Math.max(after, next)
      }
      return found
    })

  /** Cursors may have holes: the span that is looked at grows until it holds enough. */
  const latest = (count: number) =>
    Effect.gen(function*() {
      const head = yield* headOf(port, name)
      for (let span = count; ; span *= 4) {
        const after = Math.max(0, head - span)
        let events: ReadonlyArray<Event> = []
        for (let from = after; from < head;) {
          const { events: some, next } = yield* page(from, pageEvents)
          events = [...events, ...some].slice(-count)
          if (next <= from) break
          from = next
        }
        if (events.length >= count || after === 0) return events.map(messageAt).reverse()
      }
    })

  const removeAll = (ids: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      let removed = 0
      for (let at = 0; at < ids.length; at += pageEvents) removed += yield* port.remove(name, ids.slice(at, at + pageEvents))
      return removed
    })

  return {
    get: (id) =>
      bridge.run(port.event(id).pipe(
        Effect.map((event) => (event.channel === name ? messageAt(event) : null)),
        Effect.catchTag("EventNotFound", () => Effect.succeed(null))
      )),
    getRange: (fromSeconds, toSeconds, limit = pageEvents) =>
      bridge.run(scan(({ timestamp }) => timestamp >= fromSeconds && timestamp <= toSeconds, Math.min(Math.max(1, limit), pageEvents))),
    getLatest: (count) => bridge.run(latest(Math.min(Math.max(1, Math.floor(count)), pageEvents))),
    clear: (which) =>
      bridge.run(
        typeof which === "function"
          ? Effect.asVoid(Effect.flatMap(scan(which, Infinity), (found) => removeAll(found.map(({ id }) => id))))
          : port.clear(name, which)
      ),
    evict: ({ before, maxCount }) =>
      bridge.run(Effect.asVoid(port.evict(name, {
        ...(before === undefined ? {} : { before: before * 1_000 }), ...(maxCount === undefined ? {} : { maxCount })
      }))),
    remove: (ids) => bridge.run(removeAll(ids))
  }
}
