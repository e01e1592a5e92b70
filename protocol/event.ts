// A draft is what a writer gives; an event is what the store keeps, with sender, cursor and time.
import * as Schema from "effect/Schema"
import { ChannelId, Cursor, EventId, isSegment, SystemId } from "./names.ts"

const Token = (what: string) =>
  Schema.String.check(Schema.makeFilter((text: string) => isSegment(text) || `${what} must be a non-empty token.`))

/** What a writer gives. There is no sender field: the port stamps it. Everything has a default. */
export const Draft = Schema.Struct({
  /** Default: a UUIDv7 of the store. A given id must be new in the whole store. */
  id: Schema.optionalKey(EventId),
  kind: Schema.optionalKey(Token("kind")),
  payload: Schema.optionalKey(Schema.Unknown),
  /** The writer's own label of who wrote it; default: the sender. Never an identity. */
  source: Schema.optionalKey(Schema.NullOr(Schema.String)),
  /** The writer's own time in Unix seconds; default: now. */
  timestamp: Schema.optionalKey(Schema.Finite),
  schema: Schema.optionalKey(Schema.NullOr(Schema.String)),
  metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
  correlationId: Schema.optionalKey(Schema.NullOr(Token("correlation id"))),
  /** Events that caused this one, in any channel; each must exist. */
  parentIds: Schema.optionalKey(Schema.Array(EventId)),
  /** For whom, in an addressed channel; absent: for everyone who reads it. */
  recipient: Schema.optionalKey(Schema.NullOr(SystemId)),
  /** What it is about: in a `latest` channel the newest event of each subject counts. */
  subject: Schema.optionalKey(Schema.NullOr(Schema.String)),
  labels: Schema.optionalKey(Schema.Array(Schema.String)),
  traceparent: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export interface Draft extends Schema.Schema.Type<typeof Draft> {}

/** The stored record. Deeply frozen when it comes from a port: it is shared by all readers. */
export const Event = Schema.Struct({
  id: EventId,
  channel: ChannelId,
  cursor: Cursor,
  /** Kernel time in Unix milliseconds. */
  recordedAt: Schema.Int,
  /** The docked system that wrote it, stamped by the kernel. */
  sender: SystemId,
  kind: Schema.String,
  payload: Schema.Json,
  source: Schema.NullOr(Schema.String),
  timestamp: Schema.Finite,
  schema: Schema.NullOr(Schema.String),
  metadata: Schema.Record(Schema.String, Schema.Json),
  correlationId: Schema.NullOr(Schema.String),
  parentIds: Schema.Array(EventId),
  recipient: Schema.NullOr(SystemId),
  subject: Schema.NullOr(Schema.String),
  labels: Schema.Array(Schema.String),
  traceparent: Schema.NullOr(Schema.String)
})
export interface Event extends Schema.Schema.Type<typeof Event> {}

/** Where an appended event went: what an append answers for each draft. */
export const Appended = Schema.Struct({ id: EventId, cursor: Cursor, recordedAt: Schema.Int })
export interface Appended extends Schema.Schema.Type<typeof Appended> {}

/** Narrows a read. All given fields must match. Indexed fields of the channel cost in proportion to the hits. */
export const Filter = Schema.Struct({
  kind: Schema.optionalKey(Schema.String),
  sender: Schema.optionalKey(Schema.String),
  recipient: Schema.optionalKey(Schema.String),
  correlationId: Schema.optionalKey(Schema.String),
  parentId: Schema.optionalKey(Schema.String),
  subject: Schema.optionalKey(Schema.String)
})
export interface Filter extends Schema.Schema.Type<typeof Filter> {}

/** As `recipient` of a filter and in the index: events that name no recipient. No system id is empty. */
export const forEveryone = ""

export const matches = (event: Event, filter: Filter): boolean =>
  (filter.kind === undefined || event.kind === filter.kind) &&
  (filter.sender === undefined || event.sender === filter.sender) &&
  (filter.recipient === undefined || (event.recipient ?? forEveryone) === filter.recipient) &&
  (filter.correlationId === undefined || event.correlationId === filter.correlationId) &&
  (filter.parentId === undefined || event.parentIds.includes(filter.parentId)) &&
  (filter.subject === undefined || event.subject === filter.subject)

/** Events in order. `next` is the cursor to go on from, also when filtered events were passed over. */
export const Page = Schema.Struct({
  events: Schema.Array(Event),
  next: Cursor,
  head: Cursor,
  /**
   * Cursors that were passed over because somebody holds them now, at most 1,000. What is given back is there again:
   * look with `read({ after: cursor - 1, limit: 1 })`, and wait for it with `awaitBeyond(channel, next, held)`.
   */
  held: Schema.optionalKey(Schema.Array(Cursor))
})
export interface Page extends Schema.Schema.Type<typeof Page> {}

/** As what an event is written: as it is, or as the portable API has it. */
export type TextForm = "event" | "portable"

/** As a page, of events as JSON text. */
export interface TextPage {
  /** In order, each the text of one event or of several with commas between them; bytes are UTF-8. */
  readonly pieces: ReadonlyArray<string | Uint8Array>
  /** Events in all pieces. */
  readonly count: number
  readonly next: Cursor
  readonly head: Cursor
}
