// The baselines: the least that any program does which keeps the same events. It mints no ids, checks nothing and takes
// no checksum; it stringifies the same objects and writes rows of the same layout into the same table.
import type Database from "better-sqlite3"
import { closeSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { openDatabase } from "../kernel/store/sqlite/schema.ts"
import { payloads } from "./payload.ts"

const prefix = '{"id":"01977420-1c00-7000-8000-000000000000","sender":"bench-writer","payload":'
const texts = payloads.map((payload) => `${prefix}${JSON.stringify(payload)}}`)

export interface RawOptions {
  readonly full?: boolean
}

export interface RawStore {
  /** One commit with so many events. */
  readonly append: (events: number) => void
  /** The same, of texts that were there before. */
  readonly appendReady: (events: number) => void
  /** One commit with this text. */
  readonly write: (text: string) => void
}

/** better-sqlite3 alone, with its own checkpoints, over a table as the store's log. */
export const rawStore = (directory: string, { full = false }: RawOptions = {}): Effect.Effect<RawStore, never, Scope.Scope> =>
  Effect.map(Effect.acquireRelease(Effect.sync(() => openRaw(join(directory, `raw-${full ? "full" : "normal"}-${++opened}.db`), full)), (db) => Effect.sync(() => void db.close())), rawOf)

let opened = 0

const openRaw = (path: string, full: boolean): Database.Database => {
  const db = openDatabase(path)
  db.pragma(`synchronous = ${full ? "FULL" : "NORMAL"}`)
  // 1,000 pages, as SQLite has it when nobody says otherwise; with these pages where the store checkpoints too.
  db.pragma("wal_autocheckpoint = 1000")
  return db
}

const rawOf = (db: Database.Database): RawStore => {
  const insert = db.prepare<[number, number, number, number, Uint8Array, string]>("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)")
  const words = new Uint32Array(2_048)
  let off = 0
  let cursor = 1
  const put = (events: number, body: string, length: number): void => {
    words[0] = 1
    words[1] = events
    words[2] = cursor
    words[3] = 0
    for (let at = 0; at < events; at++) words[4 + at] = length
    insert.run(++off, events, 1_750_000_000_000 + off, 0, Buffer.from(words.buffer, 0, (5 + events) * 4), body)
    cursor += events
  }
  return {
    append: (events) => {
      let body = `${prefix}${JSON.stringify(payloads[off % payloads.length])}}`
      for (let at = 1; at < events; at++) body += `,${prefix}${JSON.stringify(payloads[at])}}`
      put(events, body, 380)
    },
    appendReady: (events) => {
      let body = texts[off % texts.length]!
      for (let at = 1; at < events; at++) body += `,${texts[at]!}`
      put(events, body, 380)
    },
    write: (text) => put(1, text, text.length)
  }
}

/** write(2) of the stringified payloads as lines at the end of a file, never synced. */
export const rawLog = (directory: string): Effect.Effect<(events: number) => void, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.sync(() => openSync(join(directory, `raw-${++opened}.log`), "a")), (file) => Effect.sync(() => closeSync(file))),
    (file) => {
      let at = 0
      return (events) => {
        let lines = ""
        for (let i = 0; i < events; i++) lines += `${JSON.stringify(payloads[at++ % payloads.length])}\n`
        writeSync(file, lines)
      }
    }
  )
