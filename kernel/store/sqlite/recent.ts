// The index of the newest events, in memory. A row in a table for each indexed field of each event would make every
// commit write a page for each of them; so they are written later, many at once (index-tables.ts), and until then they
// are here. What is here can always be made again of the events.
import type { IndexField } from "../../../protocol/channel.ts"
import type { Cursor } from "../../../protocol/names.ts"
import type { Prepared } from "../store.ts"
import type { DurableChannel } from "./placement.ts"

export type Index = NonNullable<Prepared["index"]>

/** What the tables do not have yet of one channel. */
export interface Recent {
  /** Cursors in order, by field and value. */
  readonly fields: Map<IndexField, Map<string, Array<Cursor>>>
  /** Newest cursor of each subject, in the order of the cursors. */
  readonly newest: Map<string, Cursor>
}

export interface Unwritten {
  readonly state: DurableChannel
  readonly off: number
  readonly cursor: Cursor
  readonly index: Index
}

/** Events of all channels that the tables do not have yet, in the order of the log, from `start` on. */
export interface Unindexed {
  entries: Array<Unwritten>
  start: number
}

const addTo = (recent: Recent, cursor: Cursor, index: Index): void => {
  for (const [field, value] of index) {
    let values = recent.fields.get(field)
    if (values === undefined) recent.fields.set(field, (values = new Map()))
    const cursors = values.get(value)
    if (cursors === undefined) values.set(value, [cursor])
    else cursors.push(cursor)
    if (field !== "subject") continue
    recent.newest.delete(value) // the newest goes last
    recent.newest.set(value, cursor)
  }
}

/* hot */
/** An event was committed in this row. */
export const note = (unindexed: Unindexed, state: DurableChannel, off: number, cursor: Cursor, index: Index): void => {
  if (index.length === 0) return
  unindexed.entries.push({ state, off, cursor, index })
  if (state.recent !== undefined) addTo(state.recent, cursor, index)
}

/** What the tables do not have yet of a channel. Made when somebody asks for it first: most that is written is never looked up so soon. */
export const recentOf = ({ entries, start }: Unindexed, state: DurableChannel): Recent => {
  if (state.recent !== undefined) return state.recent
  const recent: Recent = { fields: new Map(), newest: new Map() }
  for (let at = start; at < entries.length; at++) {
    const entry = entries[at]!
    if (entry.state === state) addTo(recent, entry.cursor, entry.index)
  }
  return (state.recent = recent)
}

/** It is in the tables now, or evicted. */
export const forget = (state: DurableChannel, cursor: Cursor, index: Index): void => {
  const { recent } = state
  if (recent === undefined) return
  for (const [field, value] of index) {
    const values = recent.fields.get(field)
    const cursors = values?.get(value)
    if (cursors?.[0] === cursor) {
      if (cursors.length === 1) values?.delete(value)
      else cursors.shift()
    }
    if (field === "subject" && recent.newest.get(value) === cursor) recent.newest.delete(value)
  }
}

/** Cursors of the newest events with this value, behind a cursor. */
export const recentCursors = (recent: Recent, field: IndexField, value: string, after: Cursor, limit: number): ReadonlyArray<Cursor> => {
  const cursors = recent.fields.get(field)?.get(value)
  if (cursors === undefined) return []
  const from = cursors.findIndex((cursor) => cursor > after)
  return from < 0 ? [] : cursors.slice(from, from + limit)
}
