// A segment: the placement of some thousand rows of the log in one row, so that a restart need not read their heads.
//
//   packed   32-bit words, little-endian: first row of the segment (low, high), then for each channel
//              number | entries | first cursor (low, high) | last cursor (low, high) | entries x (row - first row,
//              cursor - first cursor)
//   crc      crc-32 of packed
import { crc32 } from "node:zlib"
import type { Cursor } from "../../../protocol/names.ts"
import { entryBeyondRow, lastOf, type DurableChannel } from "./placement.ts"

const high = 4_294_967_296

/** Packs the entries beyond row `after` of these channels. */
export const packSegment = (after: number, channels: ReadonlyArray<DurableChannel>): { readonly packed: Uint8Array; readonly crc: number } => {
  let length = 2
  for (const state of channels) length += 6 + 2 * (state.length - entryBeyondRow(state, after))
  const words = new Uint32Array(length)
  const base = after + 1
  words[0] = base % high
  words[1] = Math.floor(base / high)
  let at = 2
  for (const state of channels) {
    const from = entryBeyondRow(state, after)
    const first = state.firsts[from] ?? 0
    const last = state.length === from ? 0 : lastOf(state, state.length - 1)
    words[at++] = state.number
    words[at++] = state.length - from
    words[at++] = first % high
    words[at++] = Math.floor(first / high)
    words[at++] = last % high
    words[at++] = Math.floor(last / high)
    for (let i = from; i < state.length; i++) {
      words[at++] = state.offs[i]! - base
      words[at++] = state.firsts[i]! - first
    }
  }
  const packed = new Uint8Array(words.buffer)
  return { packed, crc: crc32(packed) }
}

export interface SegmentVisitor {
  /** A channel begins, with so many entries; `last` is the last cursor that the segment holds of it. */
  readonly channel: (number: number, entries: number, last: Cursor) => ((off: number, first: Cursor) => void) | undefined
}

/** Calls back for what a segment holds; false when it is damaged (its heads say the same, only slower). */
export const unpackSegment = (packed: Uint8Array, crc: number, visitor: SegmentVisitor): boolean => {
  if (packed.length % 4 !== 0 || crc32(packed) !== crc) return false
  const words = new Uint32Array(packed.length >>> 2)
  new Uint8Array(words.buffer).set(packed)
  const base = words[0]! + words[1]! * high
  for (let at = 2; at < words.length;) {
    const entries = words[at + 1]!
    const first = words[at + 2]! + words[at + 3]! * high
    const entry = visitor.channel(words[at]!, entries, words[at + 4]! + words[at + 5]! * high)
    at += 6
    if (entry !== undefined) for (let i = 0; i < entries; i++) entry(base + words[at + 2 * i]!, first + words[at + 2 * i + 1]!)
    at += 2 * entries
  }
  return true
}
