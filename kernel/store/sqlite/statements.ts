// The statements of a store, prepared once for each connection.
import type Database from "better-sqlite3"
import type { Cursor } from "../../../protocol/names.ts"
import type { LogRow } from "./block.ts"

export interface KeyRow {
  readonly digest: string
  readonly at: number
  readonly cursor: Cursor
  readonly n: number
  readonly ids: string
}

export interface SnapshotRow {
  readonly name: string
  readonly revision: number
  readonly rest: string
  readonly value: string
  readonly crc: number
}

/** Everything that is asked of the database again and again, prepared once. */
export interface Statements {
  readonly insertBlock: Database.Statement<[number, number, number, number, Uint8Array, Uint8Array]>
  readonly block: Database.Statement<[number], LogRow>
  readonly blocks: Database.Statement<[number, number], LogRow>
  readonly head: Database.Statement<[number], { readonly ts: number; readonly head: Uint8Array }>
  readonly rowFrom: Database.Statement<[number], { readonly off: number; readonly ts: number }>
  readonly deleteBlock: Database.Statement<[number]>
  readonly insertSegment: Database.Statement<[number, number, Uint8Array]>
  readonly given: Database.Statement<[string], { readonly channel: number; readonly cursor: Cursor }>
  readonly insertGiven: Database.Statement<[string, number, Cursor]>
  readonly deleteGiven: Database.Statement<[number, Cursor]>
  readonly key: Database.Statement<[number, string, string], KeyRow>
  readonly insertKey: Database.Statement<[number, string, string, string, number, Cursor, number, string]>
  readonly pruneKeys: Database.Statement<[number, number]>
  readonly insertField: Database.Statement<[number, number, string, Cursor]>
  readonly deleteField: Database.Statement<[number, number, string, Cursor]>
  readonly fields: Database.Statement<[number, number, string, Cursor, number], Cursor>
  readonly putNewest: Database.Statement<[number, string, Cursor]>
  readonly deleteNewest: Database.Statement<[number, Cursor]>
  readonly newest: Database.Statement<[number, Cursor, number], { readonly subject: string; readonly cursor: Cursor }>
  readonly newestOf: Database.Statement<[number, string], Cursor>
  readonly putSubscription: Database.Statement<[string, string, string, Cursor]>
  readonly snapshot: Database.Statement<[string], SnapshotRow>
  readonly snapshots: Database.Statement<[], { readonly rest: string }>
  readonly putSnapshot: Database.Statement<[string, number, string, string, number]>
  readonly insertChannel: Database.Statement<[number, string, string]>
  readonly updateChannel: Database.Statement<[string, number]>
  readonly updateFloor: Database.Statement<[Cursor, number]>
  readonly updateSwept: Database.Statement<[Cursor, number]>
  readonly updateReserved: Database.Statement<[Cursor, number]>
  readonly putMeta: Database.Statement<[string, number]>
  readonly begin: Database.Statement<[]>
  readonly commit: Database.Statement<[]>
  readonly rollback: Database.Statement<[]>
}

export const prepareStatements = (db: Database.Database): Statements => ({
  insertBlock: db.prepare<[number, number, number, number, Uint8Array, Uint8Array]>("INSERT INTO log VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT))"),
  block: db.prepare<[number], LogRow>("SELECT off, ts, crc, head, body FROM log WHERE off = ?"),
  blocks: db.prepare<[number, number], LogRow>("SELECT off, ts, crc, head, body FROM log WHERE off BETWEEN ? AND ?"),
  head: db.prepare<[number], { readonly ts: number; readonly head: Uint8Array }>("SELECT ts, head FROM log WHERE off = ?"),
  rowFrom: db.prepare<[number], { readonly off: number; readonly ts: number }>("SELECT off, ts FROM log WHERE off >= ? ORDER BY off LIMIT 1"),
  deleteBlock: db.prepare<[number]>("DELETE FROM log WHERE off = ?"),
  insertSegment: db.prepare<[number, number, Uint8Array]>("INSERT INTO segments VALUES (?, ?, ?)"),
  given: db.prepare<[string], { readonly channel: number; readonly cursor: Cursor }>("SELECT channel, cursor FROM given WHERE id = ?"),
  insertGiven: db.prepare<[string, number, Cursor]>("INSERT INTO given VALUES (?, ?, ?)"),
  deleteGiven: db.prepare<[number, Cursor]>("DELETE FROM given WHERE channel = ? AND cursor <= ?"),
  key: db.prepare<[number, string, string], KeyRow>("SELECT digest, at, cursor, n, ids FROM keys WHERE channel = ? AND sender = ? AND key = ?"),
  insertKey: db.prepare<[number, string, string, string, number, Cursor, number, string]>(
    "INSERT INTO keys (channel, sender, key, digest, at, cursor, n, ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
  pruneKeys: db.prepare<[number, number]>("DELETE FROM keys WHERE seq IN (SELECT seq FROM keys ORDER BY seq LIMIT ?) AND at < ?"),
  insertField: db.prepare<[number, number, string, Cursor]>("INSERT OR IGNORE INTO fields VALUES (?, ?, ?, ?)"),
  deleteField: db.prepare<[number, number, string, Cursor]>("DELETE FROM fields WHERE channel = ? AND field = ? AND value = ? AND cursor = ?"),
  fields: db.prepare<[number, number, string, Cursor, number], Cursor>(
    "SELECT cursor FROM fields WHERE channel = ? AND field = ? AND value = ? AND cursor > ? ORDER BY cursor LIMIT ?").pluck(),
  putNewest: db.prepare<[number, string, Cursor]>(
    "INSERT INTO newest VALUES (?, ?, ?) ON CONFLICT (channel, subject) DO UPDATE SET cursor = excluded.cursor"),
  deleteNewest: db.prepare<[number, Cursor]>("DELETE FROM newest WHERE channel = ? AND cursor <= ?"),
  newest: db.prepare<[number, Cursor, number], { readonly subject: string; readonly cursor: Cursor }>(
    "SELECT subject, cursor FROM newest WHERE channel = ? AND cursor > ? ORDER BY cursor LIMIT ?"),
  newestOf: db.prepare<[number, string], Cursor>("SELECT cursor FROM newest WHERE channel = ? AND subject = ?").pluck(),
  putSubscription: db.prepare<[string, string, string, Cursor]>(
    "INSERT INTO subscriptions VALUES (?, ?, ?, ?) ON CONFLICT (system, name, channel) DO UPDATE SET cursor = excluded.cursor"),
  snapshot: db.prepare<[string], SnapshotRow>("SELECT name, revision, rest, value, crc FROM snapshots WHERE name = ?"),
  snapshots: db.prepare<[], { readonly rest: string }>("SELECT rest FROM snapshots ORDER BY name"),
  putSnapshot: db.prepare<[string, number, string, string, number]>(
    `INSERT INTO snapshots VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
     SET revision = excluded.revision, rest = excluded.rest, value = excluded.value, crc = excluded.crc`),
  insertChannel: db.prepare<[number, string, string]>("INSERT INTO channels (number, name, definition) VALUES (?, ?, ?)"),
  updateChannel: db.prepare<[string, number]>("UPDATE channels SET definition = ? WHERE number = ?"),
  updateFloor: db.prepare<[Cursor, number]>("UPDATE channels SET floor = ? WHERE number = ?"),
  updateSwept: db.prepare<[Cursor, number]>("UPDATE channels SET swept = ? WHERE number = ?"),
  updateReserved: db.prepare<[Cursor, number]>("UPDATE channels SET reserved = ? WHERE number = ?"),
  putMeta: db.prepare<[string, number]>("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"),
  begin: db.prepare("BEGIN IMMEDIATE"),
  commit: db.prepare("COMMIT"),
  rollback: db.prepare("ROLLBACK")
})
