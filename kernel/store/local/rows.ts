// Between the models and the rows of a `.sssn` database, and the statements over them.
import type Database from "better-sqlite3"
import { StoreFailedError } from "../../../protocol/portable-error.ts"
import type { Artifact, Channel, Event, KeptEvent, Snapshot, Subscription } from "../../../protocol/portable.ts"
import { reasonOf } from "./layout.ts"

export interface ChannelRow {
  readonly name: string
  readonly schema_ref: string | null
  readonly form: string
  readonly description: string
  readonly metadata: string
}

export interface EventRow {
  readonly cursor: number
  readonly id: string
  readonly channel: string
  readonly timestamp: number
  readonly source: string | null
  readonly kind: string
  readonly payload: string | null
  readonly schema_ref: string | null
  readonly metadata: string
  readonly correlation_id: string | null
  readonly parent_ids: string
}

export interface SubscriptionRow {
  readonly id: string
  readonly channel: string
  readonly cursor: number
  readonly consumer: string | null
  readonly batch_size: number
  readonly filters: string
  readonly metadata: string
}

export interface ArtifactRow {
  readonly id: string
  readonly channel: string | null
  readonly path: string
  readonly media_type: string
  readonly size: number
  readonly sha256: string | null
  readonly metadata: string
  readonly event_ids: string
}

export interface SnapshotRow {
  readonly name: string
  readonly channel: string | null
  readonly timestamp: number
  readonly value: string | null
  readonly schema_ref: string | null
  readonly source_event_id: string | null
  readonly metadata: string
}

const eventColumns = "rowid AS cursor, id, channel, timestamp, source, kind, payload, schema_ref, metadata, correlation_id, parent_ids"

/** Prepared once, for as long as the database is open. */
export interface Statements {
  readonly insertChannel: Database.Statement<[ChannelRow]>
  readonly channels: Database.Statement<[], ChannelRow>
  readonly channel: Database.Statement<[string], ChannelRow>
  readonly insertEvent: Database.Statement<[Omit<EventRow, "cursor">]>
  readonly event: Database.Statement<[string], EventRow>
  readonly missingEvent: Database.Statement<[string], { readonly id: string }>
  readonly events: Database.Statement<[string, number, number], EventRow>
  readonly eventsOfKind: Database.Statement<[string, string, number, number], EventRow>
  readonly everyEvent: Database.Statement<[number, number], EventRow>
  readonly newestUpTo: Database.Statement<[string, number], EventRow>
  readonly countUpTo: Database.Statement<[number], { readonly count: number }>
  readonly head: Database.Statement<[string], { readonly head: number | null }>
  readonly countBehind: Database.Statement<[string, number], { readonly count: number }>
  readonly countOfKindBehind: Database.Statement<[string, string, number], { readonly count: number }>
  readonly insertSubscription: Database.Statement<[SubscriptionRow]>
  readonly subscription: Database.Statement<[string], SubscriptionRow>
  readonly subscriptions: Database.Statement<[], SubscriptionRow>
  readonly advance: Database.Statement<[number, string, number]>
  readonly insertArtifact: Database.Statement<[ArtifactRow]>
  readonly artifact: Database.Statement<[string], ArtifactRow>
  readonly artifacts: Database.Statement<[string, number], ArtifactRow>
  readonly putSnapshot: Database.Statement<[SnapshotRow]>
  readonly snapshot: Database.Statement<[string], SnapshotRow>
  readonly snapshots: Database.Statement<[], SnapshotRow>
}

/** Throws SQLite's error when a table is not as it must be. */
export const prepareStatements = (db: Database.Database): Statements => ({
  insertChannel: db.prepare<ChannelRow>(
    "INSERT INTO channels (name, schema_ref, form, description, metadata) VALUES (@name, @schema_ref, @form, @description, @metadata)"),
  channels: db.prepare<[], ChannelRow>("SELECT * FROM channels ORDER BY name"),
  channel: db.prepare<[string], ChannelRow>("SELECT * FROM channels WHERE name = ?"),
  insertEvent: db.prepare<Omit<EventRow, "cursor">>(
    `INSERT INTO events (id, channel, timestamp, source, kind, payload, schema_ref, metadata, correlation_id, parent_ids)
     VALUES (@id, @channel, @timestamp, @source, @kind, @payload, @schema_ref, @metadata, @correlation_id, @parent_ids)`),
  event: db.prepare<[string], EventRow>(`SELECT ${eventColumns} FROM events WHERE id = ?`),
  /** The first of the given ids that no event has. */
  missingEvent: db.prepare<[string], { readonly id: string }>(
    "SELECT given.value AS id FROM json_each(?) AS given WHERE NOT EXISTS (SELECT 1 FROM events WHERE events.id = given.value) ORDER BY given.key LIMIT 1"),
  events: db.prepare<[string, number, number], EventRow>(
    `SELECT ${eventColumns} FROM events WHERE channel = ? AND rowid > ? ORDER BY rowid LIMIT ?`),
  eventsOfKind: db.prepare<[string, string, number, number], EventRow>(
    `SELECT ${eventColumns} FROM events WHERE channel = ? AND kind = ? AND rowid > ? ORDER BY rowid LIMIT ?`),
  everyEvent: db.prepare<[number, number], EventRow>(`SELECT ${eventColumns} FROM events WHERE rowid > ? ORDER BY rowid LIMIT ?`),
  newestUpTo: db.prepare<[string, number], EventRow>(
    `SELECT ${eventColumns} FROM events WHERE channel = ? AND rowid <= ? ORDER BY rowid DESC LIMIT 1`),
  countUpTo: db.prepare<[number], { readonly count: number }>("SELECT count(*) AS count FROM events WHERE rowid <= ?"),
  head: db.prepare<[string], { readonly head: number | null }>("SELECT max(rowid) AS head FROM events WHERE channel = ?"),
  countBehind: db.prepare<[string, number], { readonly count: number }>("SELECT count(*) AS count FROM events WHERE channel = ? AND rowid > ?"),
  countOfKindBehind: db.prepare<[string, string, number], { readonly count: number }>(
    "SELECT count(*) AS count FROM events WHERE channel = ? AND kind = ? AND rowid > ?"),
  insertSubscription: db.prepare<SubscriptionRow>(
    `INSERT INTO subscriptions (id, channel, cursor, consumer, batch_size, filters, metadata)
     VALUES (@id, @channel, @cursor, @consumer, @batch_size, @filters, @metadata)`),
  subscription: db.prepare<[string], SubscriptionRow>("SELECT * FROM subscriptions WHERE id = ?"),
  subscriptions: db.prepare<[], SubscriptionRow>("SELECT * FROM subscriptions ORDER BY id"),
  /** A cursor never moves back. */
  advance: db.prepare<[number, string, number]>("UPDATE subscriptions SET cursor = ? WHERE id = ? AND cursor < ?"),
  insertArtifact: db.prepare<ArtifactRow>(
    `INSERT INTO artifacts (id, channel, path, media_type, size, sha256, metadata, event_ids)
     VALUES (@id, @channel, @path, @media_type, @size, @sha256, @metadata, @event_ids)`),
  artifact: db.prepare<[string], ArtifactRow>("SELECT * FROM artifacts WHERE id = ?"),
  artifacts: db.prepare<[string, number], ArtifactRow>("SELECT * FROM artifacts WHERE id > ? ORDER BY id LIMIT ?"),
  putSnapshot: db.prepare<SnapshotRow>(
    `INSERT OR REPLACE INTO snapshots (name, channel, timestamp, value, schema_ref, source_event_id, metadata)
     VALUES (@name, @channel, @timestamp, @value, @schema_ref, @source_event_id, @metadata)`),
  snapshot: db.prepare<[string], SnapshotRow>("SELECT * FROM snapshots WHERE name = ?"),
  snapshots: db.prepare<[], SnapshotRow>("SELECT * FROM snapshots ORDER BY name")
})

/** What a JSON column holds: a value of the caller's own each time. */
const parse = (text: string | null, where: string): never => {
  try {
    // Each column was checked when it was written, by us or by the ancestor; the models say what it holds.
    return (text === null ? null : JSON.parse(text)) as never
  } catch (failure) {
    throw new StoreFailedError(`Store is damaged at ${where}: ${reasonOf(failure)}`, { cause: failure })
  }
}

/** Strings, which are passed over, and numbers. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gu

/** The first integer of a JSON text that JavaScript would round; other languages write such. */
export const roundedIn = (text: string | null): string | undefined => {
  if (text === null || !/\d{16}/u.test(text)) return undefined
  for (const [token] of text.matchAll(tokens)) {
    if (token.length >= 16 && !/^"|[.eE]/u.test(token) && !Number.isSafeInteger(Number(token))) return token
  }
  return undefined
}

export const channelOf = (row: ChannelRow): Channel => ({
  name: row.name, schema: row.schema_ref, form: row.form as Channel["form"], // whoever wrote it had it checked
  description: row.description, metadata: parse(row.metadata, `channel ${row.name}`)
})

export const eventOf = (row: EventRow): KeptEvent => {
  const where = `event ${row.id}`
  return {
    id: row.id, cursor: row.cursor, channel: row.channel, timestamp: row.timestamp, source: row.source, kind: row.kind,
    payload: parse(row.payload, where), schema: row.schema_ref, metadata: parse(row.metadata, where),
    correlation_id: row.correlation_id, parent_ids: parse(row.parent_ids, where)
  }
}

export const subscriptionOf = (row: SubscriptionRow): Subscription => {
  const where = `subscription ${row.id}`
  return { ...row, filters: parse(row.filters, where), metadata: parse(row.metadata, where) }
}

export const artifactOf = (row: ArtifactRow): Artifact => {
  const where = `artifact ${row.id}`
  return { ...row, metadata: parse(row.metadata, where), event_ids: parse(row.event_ids, where) }
}

export const snapshotOf = (row: SnapshotRow): Snapshot => {
  const where = `snapshot ${row.name}`
  return {
    name: row.name, channel: row.channel, timestamp: row.timestamp, value: parse(row.value, where), schema: row.schema_ref,
    source_event_id: row.source_event_id, metadata: parse(row.metadata, where)
  }
}

export const channelRow = ({ schema, ...rest }: Channel): ChannelRow => ({
  ...rest, schema_ref: schema, metadata: JSON.stringify(rest.metadata)
})

export const eventRow = (event: Event): Omit<EventRow, "cursor"> => ({
  id: event.id, channel: event.channel, timestamp: event.timestamp, source: event.source, kind: event.kind,
  payload: JSON.stringify(event.payload), schema_ref: event.schema, metadata: JSON.stringify(event.metadata),
  correlation_id: event.correlation_id, parent_ids: JSON.stringify(event.parent_ids)
})

export const subscriptionRow = (subscription: Subscription): SubscriptionRow => ({
  ...subscription, filters: JSON.stringify(subscription.filters), metadata: JSON.stringify(subscription.metadata)
})

export const artifactRow = (artifact: Artifact): ArtifactRow => ({
  ...artifact, metadata: JSON.stringify(artifact.metadata), event_ids: JSON.stringify(artifact.event_ids)
})

export const snapshotRow = ({ schema, ...rest }: Snapshot): SnapshotRow => ({
  ...rest, schema_ref: schema, value: JSON.stringify(rest.value), metadata: JSON.stringify(rest.metadata)
})
