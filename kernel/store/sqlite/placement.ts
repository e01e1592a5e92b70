// Where the events of one channel lie: for each block that has some, its row and the first cursor in it. Kept in
// memory as two growing arrays (16 bytes for each block and channel), searched by halving. Cursors are dense here, so
// what one entry holds ends where the next begins.
import type { Channel } from "../../../protocol/channel.ts"
import type { Appended } from "../../../protocol/event.ts"
import type { Cursor, SystemId } from "../../../protocol/names.ts"
import type { Minted } from "../ids.ts"
import type { Prepared } from "../store.ts"
import type { Recent } from "./recent.ts"

/** An append that got its place and is not committed yet. */
export interface Accepted {
  readonly batch: ReadonlyArray<Prepared>
  readonly options: { readonly sender: SystemId }
  first: Cursor
  minted: Minted | undefined
  appended: ReadonlyArray<Appended> | undefined
}

export interface DurableChannel {
  readonly number: number
  channel: Channel
  /** Newest cursor that is kept. */
  head: Cursor
  /** Newest cursor including the flush that is being built. */
  pending: Cursor
  floor: Cursor
  /** Evicted events up to this cursor are deleted from disk too. */
  swept: Cursor
  offs: Float64Array
  firsts: Float64Array
  length: number
  /** Accepted appends of the flush that is being built. */
  building: Array<Accepted>
  /** Index of its newest events, once somebody has asked for it. */
  recent: Recent | undefined
  /** The segment that it was last noted for, so that the next one knows whom to pack. */
  noted: number
}

export const makeDurableChannel = (number: number, channel: Channel, floor: Cursor, swept: Cursor): DurableChannel => ({
  number, channel, head: floor, pending: floor, floor, swept, offs: new Float64Array(4), firsts: new Float64Array(4), length: 0, building: [], recent: undefined, noted: -1
})

/* hot */
export const place = (state: DurableChannel, off: number, first: Cursor): void => {
  if (state.length === state.offs.length) reserve(state, state.length * 2)
  state.offs[state.length] = off
  state.firsts[state.length++] = first
}

/** Makes room for so many entries. */
export const reserve = (state: DurableChannel, entries: number): void => {
  if (entries <= state.offs.length) return
  const offs = new Float64Array(entries)
  offs.set(state.offs.subarray(0, state.length))
  state.offs = offs
  const firsts = new Float64Array(entries)
  firsts.set(state.firsts.subarray(0, state.length))
  state.firsts = firsts
}

/** The last entry whose first cursor is not beyond `cursor`; -1 when there is none. */
export const entryOf = (state: DurableChannel, cursor: Cursor): number => lastNotBeyond(state.firsts, state.length, cursor)

/** The first entry whose row is beyond `off`. */
export const entryBeyondRow = (state: DurableChannel, off: number): number => lastNotBeyond(state.offs, state.length, off) + 1

/** The last cursor that an entry can hold. */
export const lastOf = (state: DurableChannel, entry: number): Cursor =>
  entry + 1 < state.length ? state.firsts[entry + 1]! - 1 : state.head

/** Forgets the entries whose events are all deleted. */
export const dropSwept = (state: DurableChannel): void => {
  let from = 0
  while (from < state.length && lastOf(state, from) <= state.swept) from++
  if (from === 0) return
  state.offs.copyWithin(0, from, state.length)
  state.firsts.copyWithin(0, from, state.length)
  state.length -= from
}

const lastNotBeyond = (values: Float64Array, length: number, wanted: number): number => {
  let from = 0
  let to = length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (values[middle]! <= wanted) from = middle + 1
    else to = middle
  }
  return from - 1
}
