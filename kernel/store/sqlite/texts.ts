// Pages as JSON text. Texts are put together for 64 events at once and held as bytes, so that many who read the same
// events cost hardly more than one.
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { TextForm, TextPage } from "../../../protocol/event.ts"
import type { Cursor } from "../../../protocol/names.ts"
import { pageEventsMax, pageTextMax, textEvents, textPieceMax } from "../../limits.ts"
import type { StoreTextOptions } from "../store.ts"
import { wholeTextAt } from "./block.ts"
import type { Disk } from "./disk.ts"
import type { Piece } from "./kept-texts.ts"
import type { DurableChannel } from "./placement.ts"
import { placeOf, walk } from "./read.ts"

/** Of fewer events than this, each is made for its reader alone: it may be the only one who wants them. */
const worthwhile = textEvents / 4

/** Whether so many events behind a cursor are readable, and short enough to be held. */
const isShort = (disk: Disk, state: DurableChannel, after: Cursor, want: number): boolean => {
  let length = 0
  let left = want
  walk(disk, state, after, want, (_, { first, starts }, cursor) => {
    length += starts[cursor - first + 1]! - starts[cursor - first]!
    left--
    return length <= textPieceMax
  })
  return left === 0 && length <= textPieceMax
}

/** Texts of so many events at most behind a cursor; fewer when they grow beyond a bound, or when a row is damaged. */
const textsBehind = (disk: Disk, state: DurableChannel, after: Cursor, want: number, form: TextForm, textMax: number): ReadonlyArray<string> => {
  const texts: Array<string> = []
  const { name } = state.channel
  let length = 0
  walk(disk, state, after, want, (block, run, cursor) => {
    const text = wholeTextAt(block, run, cursor - run.first, name, form)
    texts.push(text)
    return (length += text.length) <= textMax
  })
  return texts
}

const startsOf = (texts: ReadonlyArray<string>, lengthOf: (text: string) => number): Uint32Array => {
  const starts = new Uint32Array(texts.length + 1)
  let position = 0
  for (let at = 0; at < texts.length; at++) {
    starts[at] = position
    position += lengthOf(texts[at]!) + 1
  }
  starts[texts.length] = position
  return starts
}

/** All events of a piece; nothing when they are too long to be held, or not all there. */
const pieceOf = (disk: Disk, state: DurableChannel, form: TextForm, number: number): Piece | undefined => {
  const after = number * textEvents
  // What the rows would say as well, after being looked through.
  if (after < state.floor || after + textEvents > state.head) return undefined
  let texts
  try {
    if (!isShort(disk, state, after, textEvents)) return undefined
    texts = textsBehind(disk, state, after, textEvents, form, pageTextMax)
  } catch (failure) {
    if (failure instanceof StoreCorrupt) return undefined // whoever reads as far as that is told
    throw failure
  }
  const text = texts.join(",")
  const bytes = Buffer.from(text)
  const piece = { bytes, starts: startsOf(texts, bytes.length === text.length ? ({ length }) => length : (one) => Buffer.byteLength(one)) }
  disk.texts.keep(state.number, form, number, piece)
  return piece
}

/* hot */
/** A page of everything. Throws `Gap` or `StoreCorrupt`. */
export const readTexts = (disk: Disk, state: DurableChannel, { after: given, form, limit }: StoreTextOptions): TextPage => {
  const after = placeOf(state, given)
  const to = Math.min(state.head, after + Math.min(Math.max(1, limit), pageEventsMax))
  const pieces: Array<string | Uint8Array> = []
  let next = after
  let size = 0
  while (next < to && size <= pageTextMax) {
    const number = Math.floor(next / textEvents)
    const first = number * textEvents
    const end = Math.min(first + textEvents, to)
    const piece = disk.texts.get(state.number, form, number) ?? (end - next < worthwhile ? undefined : pieceOf(disk, state, form, number))
    if (piece !== undefined) {
      const { bytes, starts } = piece
      pieces.push(bytes.subarray(starts[next - first], starts[end - first]! - 1))
      size += starts[end - first]! - starts[next - first]!
      next = end
      continue
    }
    let texts
    try {
      texts = textsBehind(disk, state, next, end - next, form, pageTextMax - size)
    } catch (failure) {
      if (failure instanceof StoreCorrupt && next > after) break
      throw failure
    }
    for (const text of texts) {
      pieces.push(text)
      size += text.length
    }
    next += texts.length
  }
  return { pieces, count: next - after, next, head: state.head }
}
