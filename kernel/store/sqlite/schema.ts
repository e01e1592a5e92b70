// The tables of a store in SQLite, how they came to be, and how a database is opened.
//
//   log        one row for each commit (more, when its text is longer than a row may be): `off` counts rows without
//              holes while they live, `n` events, `ts` kernel time of all of them, `head` and `body` as block.ts draws
//              them, `crc` over both. The head lies before the body, so that a restart reads no overflow page.
//   segments   the channel index of `log` rows up to `last`, packed (segment.ts); a restart reads these instead of heads
//   channels   definition of each channel; `number` is its name in heads. Events up to `floor` are evicted, those up to
//              `swept` are also deleted. Cursors of a memory channel up to `reserved` may have been used
//   given      ids that writers gave; minted ids are found by the time that they carry
//   keys       idempotency keys: digest of the content, and what was answered
//   fields     events by indexed field, for channels that declare indexes; of rows up to `indexed`
//   newest     newest event of each subject, for channels that index subjects; of rows up to `indexed`
//   subscriptions, snapshots   as in the protocol
//   meta       `time`: kernel time that rows which are deleted by now have reached; `indexed`: newest row of the log whose
//              events are in `fields` and `newest` (index-tables.ts)
//
// Text that a caller chose and that must be told apart exactly (ids, keys, values) is kept as JSON text: UTF-8 could
// not tell lone surrogates apart.
//
// History: format 1 is the first; since format 2 the tables of indexed fields lag behind the log.
import { existsSync, closeSync, mkdirSync, openSync } from "node:fs"
import { dirname } from "node:path"
import Database from "better-sqlite3"
import { pageBytes } from "../../limits.ts"
import { StoreCorrupt, StoreFormat } from "../../../protocol/errors.ts"

export type Migration = (db: Database.Database) => void

const first: Migration = (db) =>
  void db.exec(`
    CREATE TABLE log (off INTEGER PRIMARY KEY, n INTEGER NOT NULL, ts INTEGER NOT NULL, crc INTEGER NOT NULL, head BLOB NOT NULL, body TEXT NOT NULL);
    CREATE TABLE segments (last INTEGER PRIMARY KEY, crc INTEGER NOT NULL, packed BLOB NOT NULL);
    CREATE TABLE channels (
      number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, definition TEXT NOT NULL,
      floor INTEGER NOT NULL DEFAULT 0, swept INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE given (id TEXT PRIMARY KEY, channel INTEGER NOT NULL, cursor INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX given_place ON given (channel, cursor);
    CREATE TABLE keys (
      seq INTEGER PRIMARY KEY, channel INTEGER NOT NULL, sender TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL,
      at INTEGER NOT NULL, cursor INTEGER NOT NULL, n INTEGER NOT NULL, ids TEXT NOT NULL, UNIQUE (channel, sender, key));
    CREATE TABLE fields (
      channel INTEGER NOT NULL, field INTEGER NOT NULL, value TEXT NOT NULL, cursor INTEGER NOT NULL,
      PRIMARY KEY (channel, field, value, cursor)) WITHOUT ROWID;
    CREATE TABLE newest (
      channel INTEGER NOT NULL, subject TEXT NOT NULL, cursor INTEGER NOT NULL, PRIMARY KEY (channel, subject)) WITHOUT ROWID;
    CREATE INDEX newest_order ON newest (channel, cursor);
    CREATE TABLE subscriptions (
      system TEXT NOT NULL, name TEXT NOT NULL, channel TEXT NOT NULL, cursor INTEGER NOT NULL,
      PRIMARY KEY (system, name, channel)) WITHOUT ROWID;
    CREATE TABLE snapshots (name TEXT PRIMARY KEY, revision INTEGER NOT NULL, rest TEXT NOT NULL, value TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
  `)

const second: Migration = (db) => void db.exec("INSERT INTO meta VALUES ('indexed', (SELECT coalesce(max(off), 0) FROM log))")

/** Step i makes format i + 1 of format i. */
export const migrations: ReadonlyArray<Migration> = [first, second]
export const format = migrations.length

/** "AAAX", so that another program's database is not taken for a store. */
const applicationId = 0x41414158

/** Brings a database to the format of the last step. Throws `StoreFormat` when it is newer. */
export const migrate = (db: Database.Database, path: string, steps: ReadonlyArray<Migration> = migrations): void => {
  const found = db.pragma("user_version", { simple: true }) as number // user_version is an integer
  const id = db.pragma("application_id", { simple: true }) as number // so is application_id
  const tables = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get()
  if (id !== applicationId && tables !== 0) throw new StoreCorrupt({ where: path, reason: "it is a database, but not a store" })
  if (found > steps.length) throw new StoreFormat({ path, found, supported: steps.length })
  if (found === steps.length && id === applicationId) return
  db.transaction(() => {
    for (const step of steps.slice(found)) step(db)
    db.pragma(`application_id = ${applicationId}`)
    db.pragma(`user_version = ${steps.length}`)
  }).immediate()
}

/** The directory of a file, made for this user alone when it is not there. */
export const makeDirectoryOf = (path: string): void => void mkdirSync(dirname(path), { recursive: true, mode: 0o700 })

/**
 * An empty file for this user alone, where there is none; SQLite gives its companions the same mode. A file that is
 * there is not opened: closing it again would drop the locks that this process holds on it.
 */
export const makeFile = (path: string): void => {
  if (!existsSync(path)) closeSync(openSync(path, "a", 0o600))
}

/** Opens the database: write-ahead log, pages of 8 KiB, NORMAL commits, no checkpoint of its own. */
export const openDatabase = (path: string): Database.Database => {
  makeDirectoryOf(path)
  makeFile(path)
  const db = new Database(path, { timeout: 5_000 })
  try {
    db.pragma(`page_size = ${pageBytes}`)
    db.pragma("journal_mode = WAL")
    db.pragma("synchronous = NORMAL")
    db.pragma("wal_autocheckpoint = 0")
    db.pragma("journal_size_limit = 67108864")
    db.pragma("temp_store = MEMORY")
    db.pragma("trusted_schema = OFF")
    migrate(db, path)
    return db
  } catch (failure) {
    db.close()
    throw failure
  }
}
