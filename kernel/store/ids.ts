// Event ids that the store mints: UUIDv7, so that an id says when, and thereby where, its event was kept.
//
//   tttttttt-tttt-7ccc-8ccc-rrrrrrrrrrrr
//
//   t  kernel time in milliseconds, equal to `recordedAt` of the event
//   c  26 bits, counts the ids of one millisecond: 12 behind the version, 14 behind the variant
//   r  48 random bits, drawn for each commit: the ids of a batch follow from the first one, but nobody can tell, from
//      ids that he has seen, one that is still to be minted
import { randomBytes } from "node:crypto"

export interface Minted {
  readonly time: string
  readonly counter: number
  readonly tail: string
}

const hex = (value: number, width: number): string => value.toString(16).padStart(width, "0")
/** The last three digits of the counter; what is before them changes once in 4,096 ids. */
const low: ReadonlyArray<string> = Array.from({ length: 0x1000 }, (_, at) => hex(at, 3))

/* hot */
/** The ids of a batch of so many drafts, in order. */
export const mintedIds = (minted: Minted, count: number): Array<string> => {
  const ids: Array<string> = new Array(count)
  let before = ""
  for (let i = 0; i < count; i++) {
    const counter = (minted.counter + i) & 0x3ffffff
    if (before === "" || (counter & 0xfff) === 0) {
      before = `${minted.time}${low[counter >>> 14]}-${"89ab"[(counter >>> 12) & 3]}`
    }
    ids[i] = before + low[counter & 0xfff] + minted.tail
  }
  return ids
}

export interface Mint {
  /** A commit begins: from now on ids are unlike those that anybody has seen. */
  readonly draw: () => void
  /** The ids of the next batch; times must not go back. */
  readonly next: (at: number, count: number) => Minted
}

/** Random digits that are drawn at once. */
const pool = 256 * 12

export const makeMint = (): Mint => {
  let millis = -1
  let counter = 0
  let time = ""
  let tail = ""
  let digits = ""
  let used = 0
  return {
    draw: () => {
      if (used === digits.length) {
        digits = randomBytes(pool / 2).toString("hex")
        used = 0
      }
      tail = `-${digits.slice(used, used += 12)}`
    },
    next: (at, count) => {
      if (at !== millis) {
        millis = at
        counter = 0
        const text = hex(at, 12)
        time = `${text.slice(0, 8)}-${text.slice(8)}-7`
      }
      const minted = { time, counter, tail }
      counter += count
      return minted
    }
  }
}

const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** Kernel time in the id, when it looks like one that a store minted. */
export const mintedAt = (id: string): number | undefined =>
  shape.test(id) ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : undefined

/** The ids that were minted with this one as the first of their batch. */
export const mintedFrom = (first: string): Minted => ({
  time: first.slice(0, 15),
  counter: (Number.parseInt(first.slice(15, 18), 16) << 14) | (Number.parseInt(first.slice(19, 23), 16) & 0x3fff),
  tail: first.slice(23)
})
