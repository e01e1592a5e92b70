// A `.sssn` directory: where its parts lie, the tables of its database, and how it is opened.
//
//   sssn.sqlite   channels, events, subscriptions, artifacts, snapshots: exactly the ancestor's tables, so that it opens what we
//                 wrote and we open what it wrote. The cursor of an event is its rowid: nothing here ever deletes an event,
//                 so none is used twice. JSON columns hold JSON text with sorted keys.
//   artifacts/    payloads, each named by the sha-256 of its bytes
//
// Two indexes are added where they are missing; the ancestor passes them by. The journal mode is WAL, which every SQLite since
// 3.7 reads: one sync for each commit, and readers do not hold up a writer. A closed store is one file again. A reader that may
// not write changes nothing at all.
import Database from "better-sqlite3"
import { existsSync, mkdirSync, realpathSync, statSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { SSSNError, StoreFailedError } from "../../../protocol/portable-error.ts"
import { makeFile } from "../sqlite/schema.ts"

const tables = `
  CREATE TABLE IF NOT EXISTS channels (
    name TEXT PRIMARY KEY, schema_ref TEXT, form TEXT NOT NULL, description TEXT NOT NULL, metadata TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, timestamp REAL NOT NULL, source TEXT, kind TEXT NOT NULL, payload TEXT,
    schema_ref TEXT, metadata TEXT NOT NULL, correlation_id TEXT, parent_ids TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS subscriptions (
    id TEXT PRIMARY KEY, channel TEXT NOT NULL, cursor INTEGER NOT NULL, consumer TEXT, batch_size INTEGER NOT NULL,
    filters TEXT NOT NULL, metadata TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS artifacts (
    id TEXT PRIMARY KEY, channel TEXT, path TEXT NOT NULL, media_type TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT,
    metadata TEXT NOT NULL, event_ids TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS snapshots (
    name TEXT PRIMARY KEY, channel TEXT, timestamp REAL NOT NULL, value TEXT, schema_ref TEXT, source_event_id TEXT,
    metadata TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS events_by_channel ON events (channel);
  CREATE INDEX IF NOT EXISTS events_by_kind ON events (channel, kind);
`

export interface Layout {
  readonly root: string
  readonly databasePath: string
  readonly artifactsPath: string
}

/** Absolute paths of a store. A root that is blank, padded or no text at all is refused before anything is touched. */
export const layoutOf = (root: unknown): Layout => {
  if (typeof root !== "string" || root.trim() === "" || root !== root.trim() || root.includes("\0")) {
    throw new SSSNError("store root must be a non-empty path string.")
  }
  const expanded = root === "~" || root.startsWith("~/") ? join(homedir(), root.slice(1)) : root
  const absolute = resolve(expanded)
  const real = existsSync(absolute) ? realpathSync(absolute) : absolute
  return { root: real, databasePath: join(real, "sssn.sqlite"), artifactsPath: join(real, "artifacts") }
}

export const isStoreAt = (root: string): boolean => statSync(layoutOf(root).databasePath, { throwIfNoEntry: false })?.isFile() === true

/** A sentence about a failure of the file system or of SQLite. */
export const reasonOf = (failure: unknown): string => (failure instanceof Error ? failure.message : String(failure))

const refuseForeign = (db: Database.Database): void => {
  // The ancestor sets no application id; whoever sets one made the file for something else, a kernel's store for instance.
  const id = db.pragma("application_id", { simple: true }) as number // application_id is an integer
  if (id !== 0) throw new Error("sssn.sqlite is the database of another program")
}

const openForWriting = (layout: Layout): Database.Database => {
  mkdirSync(layout.artifactsPath, { recursive: true, mode: 0o700 })
  makeFile(layout.databasePath)
  const db = new Database(layout.databasePath, { timeout: 5_000 })
  try {
    refuseForeign(db)
    try {
      db.pragma("journal_mode = WAL")
    } catch {
      // Somebody else has it open: then it stays as it is, and is as safe.
    }
    db.pragma("synchronous = FULL")
    if (db.pragma("synchronous", { simple: true }) !== 2) throw new Error("SQLite did not switch to FULL commits")
    db.pragma("trusted_schema = OFF")
    db.transaction(() => void db.exec(tables)).immediate()
    return db
  } catch (failure) {
    db.close()
    throw failure
  }
}

const openForReading = (layout: Layout): Database.Database => {
  const db = new Database(layout.databasePath, { timeout: 5_000, readonly: true })
  try {
    refuseForeign(db)
    return db
  } catch (failure) {
    db.close()
    throw failure
  }
}

/** Opens the database, and makes the directory when there is none and it may. */
export const openLayout = (layout: Layout, options: { readonly readOnly: boolean; readonly create: boolean }): Database.Database => {
  try {
    if (!existsSync(layout.databasePath) && (options.readOnly || !options.create)) throw new Error("there is no store")
    return options.readOnly ? openForReading(layout) : openForWriting(layout)
  } catch (failure) {
    throw new StoreFailedError(`Store cannot be opened: ${layout.root}: ${reasonOf(failure)}`, { cause: failure })
  }
}
