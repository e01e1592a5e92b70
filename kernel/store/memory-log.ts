// Channels that live in process memory: the whole of the memory store, and the memory-class channels of any other.
// Plain synchronous code; what cannot be done is thrown as one of the protocol's errors.
import type { Channel, IndexField } from "../../protocol/channel.ts"
import { ChannelNotFound, EventExists, EventNotFound, Gap, HeadConflict, IdempotencyConflict } from "../../protocol/errors.ts"
import { forEveryone, matches, type Appended, type Event, type Filter, type Page, type TextPage } from "../../protocol/event.ts"
import { nearest, type ChannelId, type Cursor } from "../../protocol/names.ts"
import { keyRetentionMillis, pageEventsMax, scanEventsMax } from "../limits.ts"
import { liveEvent, parseEvent } from "./codec.ts"
import { digestOf } from "./content.ts"
import { endsWithPayload, fullText, portableText } from "./full-text.ts"
import { makeMint, mintedAt, mintedIds } from "./ids.ts"
import type { ChannelStatistics, ItemPage, Prepared, StoreAppendOptions, StoredItem, StoreReadOptions, StoreTextOptions } from "./store.ts"

/** An event that is kept. Its text has no braces and no id. */
class Entry implements StoredItem {
  readonly state: MemoryChannel
  readonly cursor: Cursor
  readonly id: string
  readonly at: number
  index: Prepared["index"]
  text: string
  /** While it is among those that were looked at last. */
  seen: Event | undefined
  isEvicted = false

  constructor(state: MemoryChannel, cursor: Cursor, id: string, at: number, index: Prepared["index"], text: string) {
    this.state = state
    this.cursor = cursor
    this.id = id
    this.at = at
    this.index = index
    this.text = text
    this.seen = undefined
  }

  event(): Event {
    if (this.seen !== undefined) return this.seen
    const event = parseEvent(this.whole(), this.state.channel.name, this.cursor, this.at)
    this.state.looked(this, event)
    return event
  }

  whole(): string {
    return `{"id":${JSON.stringify(this.id)},${this.text}}`
  }
}

let letter = 0

/** The text in one piece. Put together from many it would be carried along by the collector piece by piece; looking at a letter joins them. */
const joined = (text: string): string => {
  letter = text.charCodeAt(letter & 1)
  return text
}

/** Cursors in order, from which the first ones go. */
class Cursors {
  list: Array<Cursor>
  start = 0

  constructor(first: Cursor) {
    this.list = [first]
  }

  shift(): void {
    this.start++
    if (this.start < 64 || this.start < this.list.length / 2) return
    this.list = this.list.slice(this.start)
    this.start = 0
  }
}

interface KeyEntry {
  readonly digest: string
  readonly appended: ReadonlyArray<Appended>
  readonly at: number
}

interface MemoryChannel {
  channel: Channel
  head: Cursor
  floor: Cursor
  /** Kept events in order; those before `start` are evicted and wait for the next compaction. */
  entries: Array<Entry>
  start: number
  /** By sender and key, oldest first. */
  readonly keys: Map<string, KeyEntry>
  /** Cursors by value, for each indexed field. */
  readonly indexes: Map<IndexField, Map<string, Cursors>>
  /** Newest cursor of each subject, in the order of the cursors. */
  readonly newest: Map<string, Cursor>
  /** An event of it was parsed, or came as an object. */
  readonly looked: (entry: Entry, event: Event) => void
}

export interface MemoryLog {
  /** Creates or redefines a channel. A new one starts behind `base`, as if what came before had been evicted. */
  readonly put: (channel: Channel, base?: Cursor) => void
  readonly channels: () => ReadonlyArray<Channel>
  readonly statisticsOf: (name: ChannelId) => ChannelStatistics | undefined
  readonly headOf: (name: ChannelId) => Cursor | undefined
  readonly append: (name: ChannelId, batch: ReadonlyArray<Prepared>, options: StoreAppendOptions, at: number) => ReadonlyArray<Appended>
  readonly read: (name: ChannelId, options: StoreReadOptions) => Page
  readonly items: (name: ChannelId, options: { readonly after: Cursor; readonly limit: number }) => ItemPage
  readonly texts: (name: ChannelId, options: StoreTextOptions) => TextPage
  readonly has: (id: string) => boolean
  readonly event: (id: string) => Event | undefined
  readonly evict: (name: ChannelId, floor: Cursor) => void
}

export interface MemoryLogOptions {
  /** Cursors are sequence x 1024 + index within the batch, as on a replicated log. */
  readonly sparse?: boolean
  /** Ids that other channels beside this log hold. */
  readonly hasElsewhere?: (id: string) => boolean
}

/** First position in `entries` from `start` on whose cursor is beyond `after`. */
const positionAfter = (entries: ReadonlyArray<Entry>, start: number, after: Cursor): number => {
  let from = start
  let to = entries.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (entries[middle]!.cursor <= after) from = middle + 1
    else to = middle
  }
  return from
}

const firstBeyond = ({ list: cursors, start }: Cursors, after: Cursor): number => {
  let from = start
  let to = cursors.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (cursors[middle]! <= after) from = middle + 1
    else to = middle
  }
  return from
}

/** The fields of a filter, the one that is likely to hit least first. */
const selectivity: ReadonlyArray<IndexField> = ["correlationId", "parentId", "subject", "recipient", "sender", "kind"]

/** The indexed field by which a filter finds its hits soonest. */
export const indexedField = (filter: Filter, isIndexed: (field: IndexField) => boolean): IndexField | undefined =>
  selectivity.find((field) => filter[field] !== undefined && isIndexed(field))

/** Values of the indexed fields of an event that was appended before the channel had the index. */
export const indexOf = (event: Event, fields: ReadonlyArray<IndexField>): ReadonlyArray<readonly [IndexField, string]> =>
  fields.flatMap((field) => {
    const values = field === "parentId" ? event.parentIds : field === "recipient" ? [event.recipient ?? forEveryone] : [event[field]]
    return values.filter((value) => value !== null).map((value) => [field, value] as const)
  })

/** Events that stay parsed after somebody has looked at them, of all channels: what is new is read by several, what is old hardly ever. */
const seenMax = 1_024
/** Of those whose text is longer than so many UTF-16 code units, fewer. */
const longText = 16_384
const longSeenMax = 16

/** Evicted text, in UTF-16 code units, that waits for the next compaction. */
const evictedTextMax = 4 * 1_048_576

/** The events that were looked at last. */
class Seen {
  readonly #entries: Array<Entry | undefined>
  #at = 0

  constructor(max: number) {
    this.#entries = new Array<Entry | undefined>(max).fill(undefined)
  }

  add(entry: Entry, event: Event): void {
    const before = this.#entries[this.#at]
    if (before !== undefined) before.seen = undefined
    this.#entries[this.#at] = entry
    this.#at = (this.#at + 1) % this.#entries.length
    entry.seen = event
  }

  /** Lets go of those that are evicted. */
  compact(): void {
    for (let i = 0; i < this.#entries.length; i++) if (this.#entries[i]?.isEvicted === true) this.#entries[i] = undefined
  }
}

const none: Cursors = new Cursors(0)
none.shift()

export const makeMemoryLog = (options: MemoryLogOptions = {}): MemoryLog => {
  const channels = new Map<ChannelId, MemoryChannel>()
  /** Events whose writer gave them their id. */
  const given = new Map<string, Entry>()
  /** All events in the order in which they came, and thereby of their times: minted ids say where they lie. Some are evicted. */
  let order: Array<Entry> = []
  let evicted = 0
  let evictedText = 0
  const mint = makeMint()
  let sequence = 0
  const seen = new Seen(seenMax)
  const longSeen = new Seen(longSeenMax)

  const looked = (entry: Entry, event: Event): void => (entry.text.length > longText ? longSeen : seen).add(entry, event)

  const get = (name: ChannelId): MemoryChannel => {
    const channel = channels.get(name)
    if (channel !== undefined) return channel
    const near = nearest(name, channels.keys())
    throw new ChannelNotFound({ channel: name, ...(near === undefined ? {} : { nearest: near }) })
  }

  const find = (id: string): Entry | undefined => {
    const entry = given.get(id)
    if (entry !== undefined) return entry
    const at = mintedAt(id)
    if (at === undefined) return undefined
    let from = 0
    let to = order.length
    while (from < to) {
      const middle = (from + to) >>> 1
      if (order[middle]!.at < at) from = middle + 1
      else to = middle
    }
    for (; from < order.length && order[from]!.at === at; from++) {
      const candidate = order[from]!
      if (candidate.id === id) return candidate.isEvicted ? undefined : candidate
    }
    return undefined
  }
  const has = (id: string): boolean => find(id) !== undefined || options.hasElsewhere?.(id) === true

  const addToIndex = (state: MemoryChannel, cursor: Cursor, index: NonNullable<Prepared["index"]>): void => {
    for (const [field, value] of index) {
      let values = state.indexes.get(field)
      if (values === undefined) state.indexes.set(field, (values = new Map()))
      const cursors = values.get(value)
      if (cursors === undefined) values.set(value, new Cursors(cursor))
      else if (cursors.list[cursors.list.length - 1] !== cursor) cursors.list.push(cursor)
      if (field === "subject") {
        state.newest.delete(value) // so that the map stays in the order of the cursors
        state.newest.set(value, cursor)
      }
    }
  }

  const reindex = (state: MemoryChannel): void => {
    state.indexes.clear()
    state.newest.clear()
    for (const field of state.channel.indexes) state.indexes.set(field, new Map())
    for (let i = state.start; i < state.entries.length; i++) {
      const entry = state.entries[i]!
      entry.index = indexOf(entry.event(), state.channel.indexes)
      addToIndex(state, entry.cursor, entry.index)
    }
  }

  const checkIds = (batch: ReadonlyArray<Prepared>): void => {
    let before: Set<string> | undefined
    for (let i = 0; i < batch.length; i++) {
      const { id, parentIds } = batch[i]!
      if (id === undefined && parentIds.length === 0) continue
      for (const parent of parentIds) {
        if (before?.has(parent) !== true && !has(parent)) throw new EventNotFound({ event: parent })
      }
      if (id === undefined) continue
      if (before?.has(id) === true || has(id)) throw new EventExists({ event: id })
      before = (before ?? new Set()).add(id)
    }
  }

  const pruneKeys = (state: MemoryChannel, at: number): void => {
    let budget = 8
    for (const [name, entry] of state.keys) {
      if (budget-- === 0 || at - entry.at < keyRetentionMillis) return
      state.keys.delete(name)
    }
  }

  const append: MemoryLog["append"] = (name, batch, appendOptions, at) => {
    const state = get(name)
    const key = appendOptions.key === undefined ? undefined : `${appendOptions.sender}\n${appendOptions.key}`
    let digest = ""
    if (key !== undefined) {
      digest = digestOf(batch)
      const kept = state.keys.get(key)
      if (kept !== undefined) {
        if (kept.digest === digest) return kept.appended
        throw new IdempotencyConflict({ channel: name, key: appendOptions.key! }) // `key` is made of it
      }
    }
    if (appendOptions.expectedHead !== undefined && appendOptions.expectedHead !== state.head) {
      throw new HeadConflict({ channel: name, expectedHead: appendOptions.expectedHead, head: state.head })
    }
    checkIds(batch)
    mint.draw()
    const minted = mintedIds(mint.next(at, batch.length), batch.length)
    const first = options.sparse === true ? ++sequence * 1024 : state.head + 1
    const appended: Array<Appended> = []
    for (let i = 0; i < batch.length; i++) {
      const { id: own, index, live, text } = batch[i]!
      const id = own ?? minted[i]! // as many as drafts
      const cursor = first + i
      const entry = new Entry(state, cursor, id, at, index, joined(text))
      state.entries.push(entry)
      order.push(entry)
      if (own !== undefined) given.set(id, entry)
      else if (live !== undefined) looked(entry, liveEvent(live, id, appendOptions.sender, name, cursor, at))
      if (index !== undefined) addToIndex(state, cursor, index)
      appended.push({ id, cursor, recordedAt: at })
    }
    if (batch.length > 0) state.head = first + batch.length - 1
    if (key !== undefined) {
      pruneKeys(state, at)
      state.keys.set(key, { digest, appended, at })
    }
    return appended
  }

  const at = (state: MemoryChannel, cursor: Cursor): Event =>
    state.entries[positionAfter(state.entries, state.start, cursor - 1)]!.event()

  const readNewest = (state: MemoryChannel, after: Cursor, limit: number, filter: Filter): Page => {
    const events: Array<Event> = []
    const only = filter.subject === undefined ? undefined : state.newest.get(filter.subject) ?? 0
    for (const cursor of only === undefined ? state.newest.values() : [only]) {
      if (cursor <= after) continue
      const event = at(state, cursor)
      if (!matches(event, filter)) continue
      events.push(event)
      if (events.length === limit) return { events, next: cursor, head: state.head }
    }
    return { events, next: Math.max(after, state.head), head: state.head }
  }

  const readIndexed = (state: MemoryChannel, after: Cursor, limit: number, filter: Filter, found: Cursors): Page => {
    const events: Array<Event> = []
    const { list: cursors } = found
    for (let i = firstBeyond(found, after); i < cursors.length; i++) {
      const event = at(state, cursors[i]!)
      if (!matches(event, filter)) continue
      events.push(event)
      if (events.length === limit) return { events, next: cursors[i]!, head: state.head }
    }
    return { events, next: Math.max(after, state.head), head: state.head }
  }

  const read: MemoryLog["read"] = (name, { after: given, limit: asked, filter, newestBySubject }) => {
    const state = get(name)
    if (given !== 0 && given < state.floor) throw new Gap({ channel: name, after: given, floor: state.floor })
    const after = Math.max(given, state.floor)
    const limit = Math.min(Math.max(1, asked), pageEventsMax)
    if (newestBySubject === true) return readNewest(state, after, limit, filter ?? {})
    const field = filter === undefined ? undefined : indexedField(filter, (name) => state.indexes.has(name))
    if (filter !== undefined && field !== undefined) {
      return readIndexed(state, after, limit, filter, state.indexes.get(field)?.get(filter[field]!) ?? none)
    }
    const events: Array<Event> = []
    let next = after
    let scanned = 0
    for (let i = positionAfter(state.entries, state.start, after); i < state.entries.length; i++) {
      const event = state.entries[i]!.event()
      next = event.cursor
      if (filter === undefined || matches(event, filter)) events.push(event)
      if (events.length === limit || ++scanned === scanEventsMax) break
    }
    return { events, next, head: state.head }
  }

  const entriesOf = (state: MemoryChannel, given: Cursor, limit: number): { readonly entries: ReadonlyArray<Entry>; readonly next: Cursor } => {
    if (given !== 0 && given < state.floor) throw new Gap({ channel: state.channel.name, after: given, floor: state.floor })
    const after = Math.max(given, state.floor)
    const from = positionAfter(state.entries, state.start, after)
    const entries = state.entries.slice(from, from + Math.min(Math.max(1, limit), pageEventsMax))
    return { entries, next: entries[entries.length - 1]?.cursor ?? after }
  }

  const items: MemoryLog["items"] = (name, { after, limit }) => {
    const state = get(name)
    const { entries, next } = entriesOf(state, after, limit)
    return { items: entries, next, head: state.head }
  }

  const texts: MemoryLog["texts"] = (name, { after, form, limit }) => {
    const state = get(name)
    const { entries, next } = entriesOf(state, after, limit)
    const textOf = form === "portable" ? portableText : fullText
    const pieces = entries.map((entry) => {
      const whole = entry.whole()
      return textOf(whole, name, entry.cursor, entry.at, endsWithPayload(whole))
    })
    return { pieces, count: pieces.length, next, head: state.head }
  }

  const evict: MemoryLog["evict"] = (name, floor) => {
    const state = get(name)
    const to = Math.min(floor, state.head)
    if (to <= state.floor) return
    state.floor = to
    const end = positionAfter(state.entries, state.start, to)
    for (let i = state.start; i < end; i++) {
      const entry = state.entries[i]!
      if (given.size > 0) given.delete(entry.id)
      for (const [field, value] of entry.index ?? []) {
        const cursors = state.indexes.get(field)?.get(value)
        if (cursors !== undefined && cursors.list[cursors.start] === entry.cursor) {
          cursors.shift()
          if (cursors.start === cursors.list.length) state.indexes.get(field)?.delete(value)
        }
        if (field === "subject" && state.newest.get(value) === entry.cursor) state.newest.delete(value)
      }
      entry.isEvicted = true
      entry.seen = undefined
      evictedText += entry.text.length
    }
    evicted += end - state.start
    state.start = end
    if (state.start > state.entries.length / 2) compactOf(state)
    if (evicted > order.length / 2 || evictedText > evictedTextMax) compact()
  }

  const compactOf = (state: MemoryChannel): void => {
    state.entries = state.entries.slice(state.start)
    state.start = 0
  }
  /** Lets go of what is evicted, wherever it is. */
  const compact = (): void => {
    order = order.filter((entry) => !entry.isEvicted)
    seen.compact()
    longSeen.compact()
    for (const state of channels.values()) if (state.start > 0) compactOf(state)
    evicted = 0
    evictedText = 0
  }

  return {
    put: (channel, base = 0) => {
      const state = channels.get(channel.name)
      if (state === undefined) {
        channels.set(channel.name, {
          channel, head: base, floor: base, entries: [], start: 0, keys: new Map(), newest: new Map(), looked,
          indexes: new Map(channel.indexes.map((field) => [field, new Map()]))
        })
        return
      }
      const before = state.channel.indexes
      state.channel = channel
      if (channel.indexes.length !== before.length || channel.indexes.some((field) => !before.includes(field))) reindex(state)
    },
    channels: () => Array.from(channels.values(), (state) => state.channel),
    statisticsOf: (name) => {
      const state = channels.get(name)
      return state && { head: state.head, floor: state.floor, events: state.entries.length - state.start }
    },
    headOf: (name) => channels.get(name)?.head,
    append,
    read,
    items,
    texts,
    has,
    event: (id) => find(id)?.event(),
    evict
  }
}
