// Events as those outside ask for them: the full log of any channel they may read, by cursor and by filter, and appends
// that may be repeated under the id that the writer gave.
import * as Effect from "effect/Effect"
import type { IndexField } from "../../protocol/channel.ts"
import { EventExists, InvalidPayload, type AppendError, type EventNotFound, type ReadError, type StoreCorrupt, type Undocked } from "../../protocol/errors.ts"
import { matches, type Appended, type Draft, type Event, type Filter, type Page, type TextForm, type TextPage } from "../../protocol/event.ts"
import type { ChannelId, Cursor, EventId } from "../../protocol/names.ts"
import type { AppendOptions } from "../../protocol/port.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { canonical } from "../guard/canonical.ts"
import { pageEventsMax, queryScanEventsMax } from "../limits.ts"
import type { Visitor } from "./visitor.ts"

export interface LogOptions {
  readonly after: Cursor
  readonly limit: number
  readonly filter?: Filter | undefined
}

export interface Events {
  /**
   * The next events behind a cursor that match, at most `limit`, out of all that the channel keeps. `next` is behind
   * everything that was looked at; without an index no more than `queryScanEventsMax` events are.
   */
  readonly read: (visitor: Visitor, channel: ChannelId, options: LogOptions) => Effect.Effect<Page, ReadError>
  /** As `read`; refuses when it looked at as many events as it may and none matched, because nobody could tell that from the end. */
  readonly query: (visitor: Visitor, channel: ChannelId, options: LogOptions) => Effect.Effect<Page, ReadError>
  /** As `read` without a filter, as JSON text that was never parsed; nothing where that cannot be had. */
  readonly texts: (visitor: Visitor, channel: ChannelId, form: TextForm, options: Omit<LogOptions, "filter">) => Effect.Effect<TextPage | undefined, ReadError>
  readonly get: (visitor: Visitor, id: EventId) => Effect.Effect<Event, EventNotFound | StoreCorrupt | InvalidPayload | Undocked>
  /**
   * Appends one batch. When events with these ids are there already, with this content and by this sender, they are
   * answered as they were kept; with other content it is `EventExists`.
   */
  readonly append: (
    visitor: Visitor, channel: ChannelId, drafts: ReadonlyArray<Draft>, options?: AppendOptions
  ) => Effect.Effect<ReadonlyArray<Event>, AppendError | StoreCorrupt>
}

/** The event that was made of a draft. */
export const eventOf = (draft: Draft, { cursor, id, recordedAt }: Appended, channel: ChannelId, sender: string): Event => ({
  id,
  channel,
  cursor,
  recordedAt,
  sender,
  kind: draft.kind ?? "event",
  payload: (draft.payload ?? null) as Event["payload"], // it was kept, so it is JSON
  source: draft.source ?? sender,
  timestamp: draft.timestamp ?? recordedAt / 1000,
  schema: draft.schema ?? null,
  metadata: (draft.metadata ?? {}) as Event["metadata"], // as above
  correlationId: draft.correlationId ?? null,
  parentIds: draft.parentIds ?? [],
  recipient: draft.recipient ?? null,
  subject: draft.subject ?? null,
  labels: draft.labels ?? [],
  traceparent: draft.traceparent ?? null
})

/** Whether a draft says what a kept event says. A time that the draft leaves open is not compared. */
const says = (draft: Draft, kept: Event, channel: ChannelId, sender: string): boolean => {
  const { cursor, id, recordedAt } = kept
  const same = eventOf({ ...draft, timestamp: draft.timestamp ?? kept.timestamp }, { id, cursor, recordedAt }, channel, sender)
  return canonical(same) === canonical(kept)
}

/** `scanEventsMax`: how many events one read without an index looks at. */
export const makeEvents = (channels: ChannelsService, scanEventsMax = queryScanEventsMax): Events => {
  const isIndexed = (channel: ChannelId, filter: Filter): boolean => {
    const indexes = channels.get(channel)?.indexes ?? []
    return (Object.keys(filter) as ReadonlyArray<IndexField>).some((field) => filter[field] !== undefined && indexes.includes(field)) // the fields of a filter
  }

  /** Page by page, so that others run in between; each page is looked at in plain code. */
  const scan = Effect.fnUntraced(function*(visitor: Visitor, channel: ChannelId, { after, limit, filter }: LogOptions & { readonly filter: Filter }) {
    const events: Array<Event> = []
    let next = after
    for (let looked = 0; looked < scanEventsMax;) {
      const page = yield* visitor.port.read(channel, { after: next, limit: pageEventsMax, fullLog: true })
      for (const event of page.events) {
        looked++
        next = event.cursor
        if (matches(event, filter) && events.push(event) === limit) return { events, next, head: page.head }
      }
      if (page.next >= page.head || page.next === next && page.events.length === 0) return { events, next: Math.max(next, page.next), head: page.head }
      next = page.next
      yield* Effect.yieldNow
    }
    return { events, next, head: Infinity }
  })

  const read: Events["read"] = (visitor, channel, { after, filter, limit }) =>
    filter === undefined
      ? visitor.port.read(channel, { after, limit, fullLog: true })
      : isIndexed(channel, filter)
        ? visitor.port.read(channel, { after, limit, filter, fullLog: true })
        : scan(visitor, channel, { after, limit, filter })

  return {
    read,
    query: (visitor, channel, options) =>
      Effect.flatMap(read(visitor, channel, options), (page) =>
        page.events.length > 0 || page.next >= page.head
          ? Effect.succeed(page)
          : Effect.fail(new InvalidPayload({
              what: "query", path: "after_cursor",
              reason: `none of the ${scanEventsMax} events behind ${options.after} matches; go on behind ${page.next}`
            }))),
    texts: (visitor, channel, form, { after, limit }) => visitor.port.texts?.(channel, { after, limit, form, fullLog: true }) ?? Effect.succeed(undefined),
    get: (visitor, id) => visitor.port.event(id),
    append: (visitor, channel, drafts, options) =>
      visitor.port.append(channel, drafts, options).pipe(
        Effect.map((appended) => appended.map((place, at) => eventOf(drafts[at]!, place, channel, visitor.system))), // one place for each draft
        Effect.catchTag("EventExists", Effect.fnUntraced(function*(exists) {
          const kept: Array<Event> = []
          for (const draft of drafts) {
            const event = draft.id === undefined ? undefined : yield* Effect.option(visitor.port.event(draft.id))
            if (event?._tag !== "Some" || !says(draft, event.value, channel, visitor.system)) return yield* new EventExists(exists)
            kept.push(event.value)
          }
          return kept
        }))
      )
  }
}
