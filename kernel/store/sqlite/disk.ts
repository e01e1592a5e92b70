// An open database and what is held in memory of it: channels, placement of their events, blocks, subscriptions. It is
// rebuilt as a whole when the store is opened anew after an I/O error.
import { crc32 } from "node:zlib"
import Database from "better-sqlite3"
import type { Channel, IndexField } from "../../../protocol/channel.ts"
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { ChannelId, Cursor } from "../../../protocol/names.ts"
import type { Subscription } from "../../../protocol/subscription.ts"
import { coldTextMax, segmentRows } from "../../limits.ts"
import { decodeBlock, eachRun, headWords, type Block, type LogRow } from "./block.ts"
import { makeBlocks, type Blocks } from "./blocks.ts"
import { dropSwept, makeDurableChannel, place, reserve, type DurableChannel } from "./placement.ts"
import type { Unindexed } from "./recent.ts"
import { openDatabase } from "./schema.ts"
import { prepareStatements, type Statements } from "./statements.ts"
import { makeTexts, type Texts } from "./kept-texts.ts"
import { packSegment, unpackSegment } from "./segment.ts"

/** Numbers of the indexed fields on disk; never change one. */
export const fieldNumbers: Readonly<Record<IndexField, number>> = { kind: 1, sender: 2, recipient: 3, correlationId: 4, parentId: 5, subject: 6 }

/** A memory channel of this store: its events are elsewhere, its definition and used cursors are here. */
export interface VolatileChannel {
  readonly number: number
  channel: Channel
  reserved: Cursor
}

export interface Disk {
  readonly db: Database.Database
  readonly statements: Statements
  readonly durable: Map<ChannelId, DurableChannel>
  readonly byNumber: Map<number, DurableChannel>
  readonly volatile: Map<ChannelId, VolatileChannel>
  readonly subscriptions: Map<string, Subscription>
  readonly blocks: Blocks
  readonly texts: Texts
  readonly unindexed: Unindexed
  /** Newest row of the log. */
  lastOff: number
  /** Rows up to this one are in segments. */
  segmentEnd: number
  /** Channels with rows beyond `segmentEnd`. */
  fresh: Array<DurableChannel>
  /** Kernel time of the newest record. */
  highWater: number
  nextNumber: number
  /** Whether the next commit is synced before it succeeds. */
  readonly setFull: (full: boolean) => void
  /** What was found damaged while opening. */
  readonly problems: Array<string>
}

/** Switches between NORMAL and FULL commits, and reads FULL back: a strict promise must not rest on a pragma that was ignored. */
const makeSynchronous = (db: Database.Database): ((full: boolean) => void) => {
  let now = false
  return (full) => {
    if (full === now) return
    db.pragma(`synchronous = ${full ? "FULL" : "NORMAL"}`)
    if (full && db.pragma("synchronous", { simple: true }) !== 2) throw new Error("SQLite did not switch to FULL commits")
    now = full
  }
}

export const subscriptionKey = (system: string, name: string, channel: string): string => `${system}\n${name}\n${channel}`

/** Text as it is kept where it must be told apart exactly. */
export const exact = (text: string): string => JSON.stringify(text)

export const snapshotCrc = (rest: string, value: string): number => crc32(value, crc32(rest))

const loadChannels = (disk: Disk): void => {
  const rows = disk.db.prepare("SELECT number, definition, floor, swept, reserved FROM channels ORDER BY number").all() as ReadonlyArray<{
    readonly number: number; readonly definition: string; readonly floor: number; readonly swept: number; readonly reserved: number
  }> // the columns of the table
  for (const row of rows) {
    const channel = JSON.parse(row.definition) as Channel // it was written from one
    disk.nextNumber = row.number + 1
    if (channel.durability === "memory") {
      disk.volatile.set(channel.name, { number: row.number, channel, reserved: row.reserved })
      continue
    }
    const state = makeDurableChannel(row.number, channel, row.floor, row.swept)
    disk.durable.set(channel.name, state)
    disk.byNumber.set(row.number, state)
  }
}

const loadHeads = (disk: Disk, from: number, to: number): void => {
  const rows = disk.db.prepare<[number, number], { off: number; ts: number; head: Uint8Array }>(
    "SELECT off, ts, head FROM log WHERE off BETWEEN ? AND ?").iterate(from, to)
  for (const row of rows) {
    try {
      eachRun(headWords(row.off, row.ts, row.head), (channel, first, count) => {
        const state = disk.byNumber.get(channel)
        if (state === undefined) throw new StoreCorrupt({ where: `log row ${row.off}`, reason: `there is no channel ${channel}` })
        place(state, row.off, first)
        state.head = Math.max(state.head, first + count - 1)
        noteFresh(disk, state)
      })
    } catch (failure) {
      // Its events are lost to reads, which say so where they come to them; everything else is readable.
      if (!(failure instanceof StoreCorrupt)) throw failure
      disk.problems.push(failure.message)
    }
  }
}

/** Remembers that a channel has rows which are in no segment yet. */
export const noteFresh = (disk: Disk, state: DurableChannel): void => {
  if (state.noted === disk.segmentEnd) return
  state.noted = disk.segmentEnd
  disk.fresh.push(state)
}

const loadPlacement = (disk: Disk): void => {
  const segments = disk.db.prepare<[], { last: number; crc: number; packed: Uint8Array }>("SELECT last, crc, packed FROM segments ORDER BY last")
  let end = 0
  for (const segment of segments.iterate()) {
    const good = unpackSegment(segment.packed, segment.crc, {
      channel: (number, entries, last) => {
        const state = disk.byNumber.get(number)
        if (state === undefined) return undefined
        state.head = Math.max(state.head, last)
        if (state.length + entries > state.offs.length) reserve(state, Math.max(state.length + entries, Math.ceil(state.offs.length * 1.5)))
        return (off, first) => place(state, off, first)
      }
    })
    if (!good) {
      disk.problems.push(`The index of the log up to row ${segment.last} was damaged; its heads were read instead.`)
      loadHeads(disk, end + 1, segment.last)
    }
    end = segment.last
  }
  disk.segmentEnd = end
  disk.fresh = []
  const newest = disk.db.prepare<[], number | null>("SELECT max(off) FROM log").pluck().get()
  disk.lastOff = Math.max(end, newest ?? 0)
  loadHeads(disk, end + 1, disk.lastOff)
  for (const state of disk.durable.values()) {
    state.pending = state.head
    dropSwept(state)
  }
}

const loadRest = (disk: Disk): void => {
  const subscriptions = disk.db.prepare("SELECT system, name, channel, cursor FROM subscriptions").all() as ReadonlyArray<Subscription> // its columns
  for (const one of subscriptions) disk.subscriptions.set(subscriptionKey(one.system, one.name, one.channel), one)
  const times = disk.db.prepare<[], number | null>(
    "SELECT ts FROM (SELECT ts FROM log ORDER BY off DESC LIMIT 1) UNION ALL SELECT value FROM meta WHERE name = 'time'").pluck().all()
  disk.highWater = Math.max(0, ...times.map((time) => time ?? 0))
}

/** Opens the database at `path` and reads what is held in memory. Throws `StoreFormat`, `StoreCorrupt`, or SQLite's error. */
export const openDisk = (path: string): Disk => {
  const db = openDatabase(path)
  try {
    const disk: Disk = {
      db, statements: prepareStatements(db), durable: new Map(), byNumber: new Map(), volatile: new Map(), subscriptions: new Map(),
      blocks: makeBlocks(), texts: makeTexts(), unindexed: { run: undefined, entries: [], noted: 0 }, lastOff: 0, segmentEnd: 0, fresh: [], highWater: 0, nextNumber: 1, problems: [], setFull: makeSynchronous(db)
    }
    loadChannels(disk)
    loadPlacement(disk)
    loadRest(disk)
    return disk
  } catch (failure) {
    db.close()
    throw failure
  }
}

/** Packs the placement of the newest rows when there are enough of them. */
export const packFresh = (disk: Disk): void => {
  if (disk.lastOff - disk.segmentEnd < segmentRows) return
  const { packed, crc } = packSegment(disk.segmentEnd, disk.fresh)
  disk.statements.insertSegment.run(disk.lastOff, crc, packed)
  disk.segmentEnd = disk.lastOff
  disk.fresh = []
}

/** A failure of SQLite while reading, as what it means to a reader. */
export const unreadable = (where: string, failure: unknown): unknown =>
  failure instanceof Database.SqliteError ? new StoreCorrupt({ where, reason: `${failure.message} (${failure.code})` }) : failure

/** The block of a row. Throws `StoreCorrupt`. */
export const blockOf = (disk: Disk, off: number): Block => {
  const held = disk.blocks.get(off)
  if (held !== undefined) return held
  let row: LogRow | undefined
  try {
    row = disk.statements.block.get(off)
  } catch (failure) {
    throw unreadable(`log row ${off}`, failure)
  }
  if (row === undefined) throw new StoreCorrupt({ where: `log row ${off}`, reason: "it is gone" })
  const block = decodeBlock(row)
  disk.blocks.keep(block)
  return block
}

/** Loads several rows at once into memory, as far as they are readable; those that are not show when they are read. */
export const prefetch = (disk: Disk, from: number, to: number): void => {
  try {
    let text = 0
    for (const row of disk.statements.blocks.iterate(from, to)) {
      if ((text += row.body.length) > coldTextMax / 2) return
      if (disk.blocks.get(row.off) === undefined) disk.blocks.keep(decodeBlock(row))
    }
  } catch (failure) {
    if (!(failure instanceof StoreCorrupt) && !(failure instanceof Database.SqliteError)) throw failure
  }
}
