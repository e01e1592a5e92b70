// Reads: pages in order, by index, by newest subject, and events by id.
import type { IndexField } from "../../../protocol/channel.ts"
import { ChannelNotFound, Gap, StoreCorrupt } from "../../../protocol/errors.ts"
import { matches, type Event, type Filter, type Page } from "../../../protocol/event.ts"
import { nearest, type ChannelId, type Cursor } from "../../../protocol/names.ts"
import { pageEventsMax, pageTextMax, scanEventsMax, scanNewestMax } from "../../limits.ts"
import { mintedAt } from "../ids.ts"
import { indexedField } from "../memory-log.ts"
import type { ItemPage, StoredItem, StoreReadOptions } from "../store.ts"
import { BlockItem, eventAt, findId, runOf, type Block, type Run } from "./block.ts"
import { blockOf, exact, fieldNumbers, prefetch, unreadable, type Disk } from "./disk.ts"
import { entryOf, type DurableChannel } from "./placement.ts"
import { recentCursors, recentOf } from "./recent.ts"

export const channelNotFound = (disk: Disk, name: ChannelId): ChannelNotFound => {
  const near = nearest(name, [...disk.durable.keys(), ...disk.volatile.keys()])
  return new ChannelNotFound({ channel: name, ...(near === undefined ? {} : { nearest: near }) })
}

/** The block and run that hold a cursor. Throws `StoreCorrupt` when it should be there and is not. */
const locate = (disk: Disk, state: DurableChannel, cursor: Cursor): { readonly block: Block; readonly run: Run; readonly entry: number } => {
  const entry = entryOf(state, cursor)
  const missing = (reason: string): StoreCorrupt => new StoreCorrupt({ where: `${state.channel.name}#${cursor}`, reason })
  if (entry < 0) throw missing("no row of the log holds it")
  const block = blockOf(disk, state.offs[entry]!)
  const run = runOf(block, state.number)
  if (run === undefined) throw missing(`row ${block.off} has nothing of the channel`)
  if (cursor >= run.first + run.count) throw missing("no row of the log holds it")
  return { block, run, entry }
}

const eventIn = (disk: Disk, state: DurableChannel, block: Block, run: Run, at: number): Event => {
  const before = block.weight
  const event = eventAt(block, run, at, state.channel.name)
  if (block.weight !== before) disk.blocks.grew(block, block.weight - before)
  return event
}

/** The event at a cursor that is kept. */
export const eventAtCursor = (disk: Disk, state: DurableChannel, cursor: Cursor): Event => {
  const { block, run } = locate(disk, state, cursor)
  return eventIn(disk, state, block, run, cursor - run.first)
}

/** Rows that hold the events up to `to` are loaded with one query when they lie close together. */
const prefetchPage = (disk: Disk, state: DurableChannel, from: Cursor, to: Cursor): void => {
  const entry = entryOf(state, from)
  const last = entryOf(state, to)
  if (entry < 0 || last - entry < 2) return
  const start = state.offs[entry]!
  const end = state.offs[last]!
  if (end - start < 2 * (last - entry + 1) && disk.blocks.get(start) === undefined) prefetch(disk, start, end)
}

/* hot */
/** Calls back for events after a cursor until it says false. A damaged row ends it, unless nothing came before it. */
export const walk = (
  disk: Disk, state: DurableChannel, after: Cursor, want: number, visit: (block: Block, run: Run, cursor: Cursor) => boolean
): void => {
  let cursor = after + 1
  let ready = after
  let text = 0
  const to = Math.min(state.head, after + want)
  while (cursor <= to) {
    if (cursor > ready) {
      ready = Math.min(to, cursor + pageEventsMax - 1)
      prefetchPage(disk, state, cursor, ready)
    }
    let found
    try {
      found = locate(disk, state, cursor)
    } catch (failure) {
      if (failure instanceof StoreCorrupt && cursor > after + 1) return
      throw failure
    }
    const { block, run } = found
    const end = Math.min(run.first + run.count - 1, to)
    text += run.starts[end - run.first + 1]! - run.starts[cursor - run.first]!
    while (cursor <= end) {
      if (!visit(block, run, cursor)) return
      cursor++
    }
    if (text > pageTextMax) return
  }
}

/** Cursors come from an index; those at or below the floor are not swept yet. */
const byCursors = (
  disk: Disk, state: DurableChannel, after: Cursor, limit: number, filter: Filter, more: (after: Cursor, limit: number) => ReadonlyArray<Cursor>
): Page => {
  const events: Array<Event> = []
  let next = after
  let scanned = 0
  for (;;) {
    const cursors = more(next, Math.min(limit, pageEventsMax))
    for (const cursor of cursors) {
      let event
      try {
        event = eventAtCursor(disk, state, cursor)
      } catch (failure) {
        if (failure instanceof StoreCorrupt && next > after) return { events, next: cursor - 1, head: state.head }
        throw failure
      }
      next = cursor
      if (matches(event, filter)) events.push(event)
      if (events.length === limit || ++scanned === scanEventsMax) return { events, next, head: state.head }
    }
    if (cursors.length < limit) return { events, next: Math.max(after, state.head), head: state.head }
  }
}

/** Newest events of all subjects behind a cursor: first those in the table that nothing newer replaced, then the newest. */
const newestBehind = (disk: Disk, state: DurableChannel, after: Cursor, limit: number): ReadonlyArray<Cursor> => {
  const recent = recentOf(disk.unindexed, state)
  const cursors: Array<Cursor> = []
  for (let from = after; cursors.length < limit;) {
    const rows = disk.statements.newest.all(state.number, from, limit)
    for (const { cursor, subject } of rows) {
      from = cursor
      if (cursors.length < limit && !recent.newest.has(JSON.parse(subject) as string)) cursors.push(cursor) // `exact` wrote it
    }
    if (rows.length < limit) break
  }
  for (const cursor of recent.newest.values()) {
    if (cursors.length === limit) break
    if (cursor > after) cursors.push(cursor)
  }
  return cursors
}

const readNewest = (disk: Disk, state: DurableChannel, after: Cursor, limit: number, filter: Filter): Page => {
  if (filter.subject !== undefined) {
    const cursor = recentOf(disk.unindexed, state).newest.get(filter.subject) ?? disk.statements.newestOf.get(state.number, exact(filter.subject))
    return byCursors(disk, state, after, limit, filter, (from) => (cursor !== undefined && cursor > from ? [cursor] : []))
  }
  return byCursors(disk, state, after, limit, filter, (from, count) => newestBehind(disk, state, from, count))
}

/** Behind which cursor a page starts. Throws `Gap`. */
export const placeOf = (state: DurableChannel, given: Cursor): Cursor => {
  if (given !== 0 && given < state.floor) throw new Gap({ channel: state.channel.name, after: given, floor: state.floor })
  return given < state.floor ? state.floor : given
}

/* hot */
/** A page of everything, unparsed. Throws `Gap` or `StoreCorrupt`. */
export const readItems = (disk: Disk, state: DurableChannel, { after: given, limit }: { readonly after: Cursor; readonly limit: number }): ItemPage => {
  const after = placeOf(state, given)
  const items: Array<StoredItem> = []
  walk(disk, state, after, Math.min(Math.max(1, limit), pageEventsMax), (block, run, cursor) => items.push(new BlockItem(cursor, block, run, state.channel.name)) > 0)
  return { items, next: after + items.length, head: state.head }
}

/* hot */
/** A page. Throws `Gap` or `StoreCorrupt`. */
export const readPage = (disk: Disk, state: DurableChannel, options: StoreReadOptions): Page => {
  const { filter } = options
  const after = placeOf(state, options.after)
  const limit = Math.min(Math.max(1, options.limit), pageEventsMax)
  if (options.newestBySubject === true) return guarded(state, () => readNewest(disk, state, after, limit, filter ?? {}))
  const events: Array<Event> = []
  if (filter === undefined) {
    walk(disk, state, after, limit, (block, run, cursor) => events.push(eventIn(disk, state, block, run, cursor - run.first)) > 0)
    return { events, next: after + events.length, head: state.head }
  }
  const field = state.head - after <= scanNewestMax ? undefined : indexedField(filter, (name) => state.channel.indexes.includes(name))
  if (field !== undefined) return guarded(state, () => readIndexed(disk, state, after, limit, filter, field, filter[field] ?? ""))
  let next = after
  walk(disk, state, after, scanEventsMax, (block, run, cursor) => {
    const event = eventIn(disk, state, block, run, cursor - run.first)
    next = event.cursor
    if (matches(event, filter)) events.push(event)
    return events.length < limit
  })
  return { events, next, head: state.head }
}

const readIndexed = (disk: Disk, state: DurableChannel, after: Cursor, limit: number, filter: Filter, field: IndexField, value: string): Page =>
  byCursors(disk, state, after, limit, filter, (from, count) => {
    // Of the events in memory the table may have the first ones already.
    const written = disk.statements.fields.all(state.number, fieldNumbers[field], exact(value), from, count)
    if (written.length === count) return written
    const behind = written[written.length - 1] ?? from
    return [...written, ...recentCursors(recentOf(disk.unindexed, state), field, value, behind, count - written.length)]
  })

const guarded = <A>(state: DurableChannel, run: () => A): A => {
  try {
    return run()
  } catch (failure) {
    throw unreadable(`the indexes of ${state.channel.name}`, failure)
  }
}

/** Where an event with this id lies, when it is kept. */
export const findEvent = (disk: Disk, id: string): { readonly state: DurableChannel; readonly cursor: Cursor } | undefined => {
  const kept = (state: DurableChannel | undefined, cursor: Cursor) =>
    state === undefined || cursor <= state.floor ? undefined : { state, cursor }
  const at = mintedAt(id)
  if (at !== undefined) {
    const found = findMinted(disk, id, at)
    if (found !== undefined) return kept(disk.byNumber.get(found.run.channel), found.run.first + found.at)
  }
  const given = disk.statements.given.get(exact(id))
  return given && kept(disk.byNumber.get(given.channel), given.cursor)
}

const findMinted = (disk: Disk, id: string, at: number): ReturnType<typeof findId> => {
  const { blocks, start } = disk.blocks.tail()
  const oldest = blocks[start]
  if (oldest === undefined || oldest.at >= at) return findOnDisk(disk, id, at)
  let from = start
  let to = blocks.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((blocks[middle]?.at ?? 0) < at) from = middle + 1
    else to = middle
  }
  for (let i = from; i < blocks.length && blocks[i]?.at === at; i++) {
    const found = findId(blocks[i]!, id)
    if (found !== undefined) return found
  }
  return undefined
}

/** Times grow with rows, so the first row of a millisecond is found by halving. */
const findOnDisk = (disk: Disk, id: string, at: number): ReturnType<typeof findId> => {
  const { rowFrom } = disk.statements
  let from = 1
  let to = disk.lastOff + 1
  while (from < to) {
    const middle = Math.floor((from + to) / 2)
    const row = rowFrom.get(middle)
    if (row === undefined || row.ts >= at) to = middle
    else from = row.off + 1
  }
  for (let row = rowFrom.get(from); row !== undefined && row.ts === at; row = rowFrom.get(row.off + 1)) {
    const found = findId(blockOf(disk, row.off), id)
    if (found !== undefined) return found
  }
  return undefined
}
