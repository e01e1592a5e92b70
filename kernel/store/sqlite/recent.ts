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

/** Rows of one channel, field and value. They lie beside one another in the table. */
export interface Group {
  readonly state: DurableChannel
  readonly field: IndexField
  readonly value: string
  readonly cursors: Array<Cursor>
}

/** Events that are being written into the tables, some rows of them at a time. */
export interface Run {
  readonly entries: ReadonlyArray<Unwritten>
  readonly groups: ReadonlyArray<Group>
  /** The first group that is not written as a whole, and how much of it is. */
  group: number
  within: number
  /** Row of the log up to which the tables are complete when the run is over. */
  readonly upTo: number
}

/** Events of all channels that the tables do not have yet, or not for certain, in the order of the log: those of the run come first. */
export interface Unindexed {
  run: Run | undefined
  entries: Array<Unwritten>
  /** Rows that came since some were written last. */
  noted: number
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
  unindexed.noted += index.length
  if (state.recent !== undefined) addTo(state.recent, cursor, index)
}

/** What the tables do not have yet of a channel. Made when somebody asks for it first: most that is written is never looked up so soon. */
export const recentOf = ({ entries, run }: Unindexed, state: DurableChannel): Recent => {
  if (state.recent !== undefined) return state.recent
  const recent: Recent = { fields: new Map(), newest: new Map() }
  for (const some of run === undefined ? [entries] : [run.entries, entries]) {
    for (const entry of some) if (entry.state === state) addTo(recent, entry.cursor, entry.index)
  }
  return (state.recent = recent)
}

/** What is written, in the order of the tables as far as that matters: what lies on one page of them is written once. */
export const groupsOf = (entries: ReadonlyArray<Unwritten>): ReadonlyArray<Group> => {
  const fields = new Map<DurableChannel, Map<IndexField, Map<string, Group>>>()
  for (const { cursor, index, state } of entries) {
    let ofState = fields.get(state)
    if (ofState === undefined) fields.set(state, (ofState = new Map()))
    for (const [field, value] of index) {
      let values = ofState.get(field)
      if (values === undefined) ofState.set(field, (values = new Map()))
      const group = values.get(value)
      if (group === undefined) values.set(value, { state, field, value, cursors: [cursor] })
      else group.cursors.push(cursor)
    }
  }
  const groups: Array<Group> = []
  for (const ofState of fields.values()) for (const values of ofState.values()) for (const group of values.values()) groups.push(group)
  return groups
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
  let from = 0
  for (let to = cursors.length; from < to;) {
    const middle = (from + to) >>> 1
    if (cursors[middle]! > after) to = middle
    else from = middle + 1
  }
  return cursors.slice(from, from + limit)
}
