// A block: the events of one commit, as one row of the log. Text goes in and out as it is; nothing is parsed before
// somebody reads it, and then once for all readers.
//
//   head   32-bit words, little-endian, one run for each channel of the commit:
//            channel number | events | first cursor, low 32 bits | its high bits | length of each event's text …
//          and one last word: crc-32 over the row's off, its ts and the words before
//   body   the texts of all runs in order, joined by commas. Lengths count UTF-16 units, and the body is TEXT, so that
//          a slice of the string that SQLite gives is an event, and a slice over several is the inside of a JSON list
//   crc    crc-32 of the body, continued from the head's
//
// Cursors of one run are consecutive.
import { crc32 } from "node:zlib"
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { Event, TextForm } from "../../../protocol/event.ts"
import type { Cursor } from "../../../protocol/names.ts"
import { parseEvent } from "../codec.ts"
import { endsWithPayload, fullText, portableText } from "../full-text.ts"
import type { StoredItem } from "../store.ts"
import type { Slabs } from "./slabs.ts"

export interface Run {
  readonly channel: number
  readonly first: Cursor
  readonly count: number
  /** Where each text starts in the body, and behind the last one where a next would. */
  readonly starts: ArrayLike<number>
  events: Array<Event | undefined> | undefined
  /** Of each text that was handed out: 1 when nothing lies behind its payload, -1 when something does, 0 when nobody looked. */
  short: Int8Array | undefined
}

export interface Block {
  readonly off: number
  readonly at: number
  /** The body outside the JavaScript heap, until somebody reads it; then `text`. */
  encoded: { readonly bytes: Uint8Array; readonly giveUp: () => void } | undefined
  text: string | undefined
  readonly runs: ReadonlyArray<Run>
  /** Memory that it takes, about, in UTF-16 units. Grows when its events are parsed. */
  weight: number
  /** How much of that its parsed events take. */
  parsed: number
  /** Somebody may come for the text of an item later, whatever became of the block. */
  isHeld: boolean
}

/** What a block costs beside its text, in UTF-16 units. */
export const blockOverhead = 300
/** What a parsed event costs, as a multiple of its text. */
const parsedFactor = 4

const runWords = 4
const high = 4_294_967_296

const crcTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})
/** Shorter than this, crossing over to native code costs more than the sum. */
const shortBytes = 256

export const headCrc = (off: number, at: number, head: Uint8Array): number => {
  if (head.length > shortBytes) return crc32(head, crc32(`${off} ${at}`))
  const place = `${off} ${at}`
  let crc = -1
  for (let i = 0; i < place.length; i++) crc = crcTable[(crc ^ place.charCodeAt(i)) & 255]! ^ (crc >>> 8)
  for (let i = 0; i < head.length; i++) crc = crcTable[(crc ^ head[i]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}

/** The run of a channel, when the block has one. */
export const runOf = (block: Block, channel: number): Run | undefined => {
  for (let i = 0; i < block.runs.length; i++) if (block.runs[i]!.channel === channel) return block.runs[i]
  return undefined
}

/** The body of a block. Bytes become text once, when the first reader comes. */
const bodyOf = (block: Block): string => {
  if (block.text !== undefined) return block.text
  const text = decoded(block)
  block.text = text
  giveUp(block)
  return text
}

const decoded = (block: Block): string => {
  const { bytes } = block.encoded! // a block has one of the two
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
}

/** The block's bytes are not needed any more. */
export const giveUp = (block: Block): void => {
  // Bytes go when the block leaves the tail; text stays for whoever holds an item of it.
  if (block.isHeld && block.text === undefined && block.encoded !== undefined) block.text = decoded(block)
  block.encoded?.giveUp()
  block.encoded = undefined
}

/** Its events are not needed in their parsed form any more: who comes late parses them again. */
export const forgetParsed = (block: Block): void => {
  for (const run of block.runs) run.events = undefined
  block.weight -= block.parsed
  block.parsed = 0
}

/* hot */
/** The event at a position of a run; parsed when it is asked for first. */
export const eventAt = (block: Block, run: Run, at: number, channel: string): Event => {
  const events = (run.events ??= [])
  const known = events[at]
  if (known !== undefined) return known
  const text = textAt(block, run, at)
  block.weight += text.length * parsedFactor
  block.parsed += text.length * parsedFactor
  return (events[at] = parseEvent(text, channel, run.first + at, block.at))
}

/* hot */
/** An event of a block that is parsed when it is looked at. It holds the text of its block until then. */
export class BlockItem implements StoredItem {
  readonly cursor: Cursor
  readonly block: Block
  readonly run: Run
  readonly channel: string

  constructor(cursor: Cursor, block: Block, run: Run, channel: string) {
    this.cursor = cursor
    this.block = block
    this.run = run
    this.channel = channel
    block.isHeld = true
  }

  event(): Event {
    const at = this.cursor - this.run.first
    // What a live reader was handed serves here too.
    return this.run.events?.[at] ?? parseEvent(textAt(this.block, this.run, at), this.channel, this.cursor, this.block.at)
  }
}

/* hot */
/** The text of a whole event at a position of a run. */
export const wholeTextAt = (block: Block, run: Run, at: number, channel: string, form: TextForm): string => {
  const kept = textAt(block, run, at)
  const short = (run.short ??= new Int8Array(run.count))
  if (short[at] === 0) short[at] = endsWithPayload(kept) ? 1 : -1
  return (form === "portable" ? portableText : fullText)(kept, channel, run.first + at, block.at, short[at] === 1)
}

const textAt = (block: Block, run: Run, at: number): string => bodyOf(block).slice(run.starts[at], run.starts[at + 1]! - 1)

/** Where the event with this id lies. Minted ids are in order within a run, unless some were given between them. */
export const findId = (block: Block, id: string): { readonly run: Run; readonly at: number } | undefined => {
  const start = `{"id":${JSON.stringify(id)},`
  const body = bodyOf(block)
  for (const run of block.runs) {
    let from = 0
    let to = run.count
    while (from < to) {
      const middle = (from + to) >>> 1
      const text = body.slice(run.starts[middle], run.starts[middle]! + start.length)
      if (text === start) return { run, at: middle }
      if (text < start) from = middle + 1
      else to = middle
    }
  }
  for (const run of block.runs) {
    for (let at = 0; at < run.count; at++) if (body.startsWith(start, run.starts[at])) return { run, at }
  }
  return undefined
}

const damaged = (off: number, reason: string): StoreCorrupt => new StoreCorrupt({ where: `log row ${off}`, reason })

/** The words of a head whose checksum is right. Throws `StoreCorrupt`. */
export const headWords = (off: number, at: number, head: Uint8Array): Uint32Array => {
  const words = new Uint32Array(head.length >>> 2)
  new Uint8Array(words.buffer).set(head.subarray(0, words.length * 4))
  if (words.length === 0 || head.length % 4 !== 0 || headCrc(off, at, head.subarray(0, head.length - 4)) !== words[words.length - 1]) {
    throw damaged(off, "the checksum of its head is wrong")
  }
  return words
}

/** Calls back for each run of a head: channel, first cursor, events, and where its lengths start. */
export const eachRun = (words: Uint32Array, visit: (channel: number, first: Cursor, count: number, lengths: number) => void): void => {
  for (let at = 0; at + runWords < words.length;) {
    const count = words[at + 1]!
    visit(words[at]!, words[at + 2]! + words[at + 3]! * high, count, at + runWords)
    at += runWords + count
  }
}

export interface LogRow {
  readonly off: number
  readonly ts: number
  readonly crc: number
  readonly head: Uint8Array
  readonly body: string
}

/** A block of what lies on disk. Throws `StoreCorrupt` when it is not as it was written. */
export const decodeBlock = (row: LogRow): Block => {
  const words = headWords(row.off, row.ts, row.head)
  if (crc32(row.body, words[words.length - 1]!) !== row.crc) throw damaged(row.off, "the checksum of its body is wrong")
  const runs: Array<Run> = []
  let position = 0
  eachRun(words, (channel, first, count, lengths) => {
    const starts = new Uint32Array(count + 1)
    for (let i = 0; i < count; i++) {
      starts[i] = position
      position += words[lengths + i]! + 1
    }
    starts[count] = position
    runs.push({ channel, first, count, starts, events: undefined, short: undefined })
  })
  return { off: row.off, at: row.ts, encoded: undefined, text: row.body, runs, weight: row.body.length + blockOverhead, parsed: 0, isHeld: false }
}

/** Collects the runs of one block. One builder serves all blocks, one after another. */
export interface BlockBuilder {
  /** Text units so far. */
  readonly size: () => number
  readonly begin: (channel: number, first: Cursor) => void
  /** `event`: of a text that readers wait for, so that it needs no parsing. */
  readonly add: (text: string, event?: Event) => void
  /** Ends the block; answers it with what goes to disk beside its body, and is empty again. */
  /** Drops what was collected. */
  readonly reset: () => void
  readonly finish: (off: number, at: number) => FinishedBlock
}

export interface FinishedBlock {
  readonly block: Block
  readonly head: Uint8Array
  readonly body: Uint8Array
  readonly crc: number
  readonly events: number
}

export const makeBlockBuilder = (slabs: Slabs): BlockBuilder => {
  let words = new Uint32Array(8_192)
  let length = 0
  let body = ""
  let events = 0
  let runAt = -1
  let first = 0
  let channel = 0
  let starts: Array<number> = []
  let runs: Array<Run> = []
  let known: Array<Event | undefined> | undefined
  let knownText = 0
  const endRun = (): void => {
    if (runAt < 0) return
    const count = length - runAt - runWords
    words[runAt + 1] = count
    starts.push(body.length + 1)
    events += count
    runs.push({ channel, first, count, starts, events: known, short: undefined })
    known = undefined
    runAt = -1
  }
  const reset = (): void => {
    length = 0
    body = ""
    events = 0
    runAt = -1
    runs = []
    known = undefined
    knownText = 0
  }
  const grow = (): void => {
    const larger = new Uint32Array(words.length * 2)
    larger.set(words)
    words = larger
  }
  return {
    size: () => body.length,
    begin: (number, cursor) => {
      endRun()
      if (length + runWords + 1 >= words.length) grow()
      runAt = length
      channel = number
      first = cursor
      starts = []
      words[length++] = number
      length++ // the count is known at the end of the run
      words[length++] = cursor % high
      words[length++] = Math.floor(cursor / high)
    },
    add: (text, event) => {
      if (length + 1 >= words.length) grow()
      if (event !== undefined) {
        (known ??= [])[starts.length] = event
        knownText += text.length
      }
      if (body === "") {
        starts.push(0)
        body = text
      } else {
        starts.push(body.length + 1)
        body += "," + text
      }
      words[length++] = text.length
    },
    finish: (off, at) => {
      endRun()
      const crcOfHead = headCrc(off, at, new Uint8Array(words.buffer, 0, length * 4))
      words[length++] = crcOfHead
      // A copy: the words are used again for the next block.
      const head = Buffer.allocUnsafe(length * 4)
      head.set(new Uint8Array(words.buffer, 0, length * 4))
      const { bytes, slab } = slabs.write(body)
      const giveUp = (): void => slabs.release(slab)
      const finished = {
        block: {
          off, at, encoded: { bytes, giveUp }, text: undefined, runs,
          weight: bytes.length + blockOverhead + knownText * parsedFactor, parsed: knownText * parsedFactor, isHeld: false
        },
        head, body: bytes, crc: crc32(bytes, crcOfHead), events
      }
      reset()
      return finished
    },
    reset
  }
}
