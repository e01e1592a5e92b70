// Writes: everything that was asked for within one turn of the event loop becomes one transaction, with one row of the
// log for its events, and all callers are answered from one loop. The first failure of a commit stops all writes: what
// was under way is unknown from then on, and only the store opened anew knows.
import type * as Effect from "effect/Effect"
import type { Follower, StoreAppendError, StoreAppendOptions } from "../store.ts"
import { AppendUnknown, EventExists, EventNotFound, HeadConflict, IdempotencyConflict } from "../../../protocol/errors.ts"
import type { Appended } from "../../../protocol/event.ts"
import type { Cursor } from "../../../protocol/names.ts"
import { rowTextMax } from "../../limits.ts"
import { liveEvent } from "../codec.ts"
import { digestOf } from "../content.ts"
import { makeMint, mintedFrom, mintedIds } from "../ids.ts"
import { giveUp, makeBlockBuilder, type FinishedBlock } from "./block.ts"
import { exact, noteFresh, type Disk } from "./disk.ts"
import type { KeyRow } from "./statements.ts"
import { place, type Accepted, type DurableChannel } from "./placement.ts"
import { findEvent } from "./read.ts"
import { note, type Unwritten } from "./recent.ts"
import { makeSlabs } from "./slabs.ts"

/** Called before rows are written, before the commit and after it; a throw is what SQLite's own error would be. */
export type FaultHook = (moment: "write" | "commit" | "committed") => void

export interface PendingAppend extends Accepted {
  readonly state: DurableChannel
  readonly options: StoreAppendOptions
  readonly strict: boolean
  digest: string
  /** A refusal, or the same append accepted earlier in the flush. */
  failure: StoreAppendError | undefined
  twin: PendingAppend | undefined
  /** The answer holds whatever becomes of this flush. */
  definite: boolean
  readonly resume: (effect: Effect.Effect<ReadonlyArray<Appended>, StoreAppendError>) => void
}

/** Anything else that is written with the next flush. */
export interface Job {
  readonly strict: boolean
  /** Within the transaction. What it throws as one of the protocol's errors refuses this job alone. */
  readonly write: (at: number) => void
  readonly done: () => void
  readonly failed: (failure: unknown) => void
}

export interface Flush {
  readonly appends: ReadonlyArray<PendingAppend>
  readonly jobs: ReadonlyArray<Job>
}

export interface Committed {
  readonly touched: ReadonlyArray<DurableChannel>
  /** What went with the appends. */
  readonly followers: ReadonlyArray<Following>
  readonly refusedJobs: ReadonlyMap<Job, unknown>
  /** Bytes of text that went to disk. */
  readonly size: number
}

interface Following {
  readonly append: PendingAppend
  readonly kept: Follower["kept"]
}

export interface Writer {
  /** Decides, writes and commits. Throws when the commit failed; then nothing in memory has changed. */
  readonly commit: (disk: Disk, flush: Flush, at: number) => Committed
}

interface Placed {
  readonly state: DurableChannel
  readonly off: number
  readonly first: Cursor
}

export const isTagged = (failure: unknown): failure is { readonly _tag: string } =>
  typeof failure === "object" && failure !== null && "_tag" in failure

export const unknownAppend = (append: PendingAppend, reason: string): AppendUnknown =>
  new AppendUnknown({
    channel: append.state.channel.name, reason, ...(append.options.key === undefined ? {} : { key: append.options.key })
  })

/** What was answered when the key was used first. */
const answered = (row: KeyRow): ReadonlyArray<Appended> => {
  const ids = row.ids.startsWith("[")
    ? (JSON.parse(row.ids) as ReadonlyArray<string>) // it was written from such a list
    : mintedIds(mintedFrom(row.ids), row.n)
  return ids.map((id, at) => ({ id, cursor: row.cursor + at, recordedAt: row.at }))
}

export const makeWriter = (faults: FaultHook | undefined, hasInMemory: (id: string) => boolean): Writer => {
  const mint = makeMint()
  const builder = makeBlockBuilder(makeSlabs())

  /** Keys and given ids of the flush that is being decided. */
  let keys = new Map<string, PendingAppend>()
  let given = new Map<string, { readonly state: DurableChannel; readonly cursor: Cursor }>()
  let touched: Array<DurableChannel> = []
  /** Its events with indexed fields. */
  let indexed: Array<Unwritten> = []
  let sides = false

  const checkIds = (disk: Disk, append: PendingAppend, first: Cursor): void => {
    const { batch, state } = append
    let own: Map<string, Cursor> | undefined
    for (let i = 0; i < batch.length; i++) {
      const draft = batch[i]!
      for (const parent of draft.parentIds) {
        if (own?.has(parent) === true || given.has(parent) || hasInMemory(parent) || findEvent(disk, parent) !== undefined) continue
        throw new EventNotFound({ event: parent })
      }
      if (draft.id === undefined) continue
      if (own?.has(draft.id) === true || given.has(draft.id) || hasInMemory(draft.id) || findEvent(disk, draft.id) !== undefined) {
        throw new EventExists({ event: draft.id })
      }
      own = (own ?? new Map()).set(draft.id, first + i)
    }
    if (own === undefined) return
    sides = true
    for (const [id, cursor] of own) given.set(id, { state, cursor })
  }

  const decideKey = (disk: Disk, append: PendingAppend): boolean => {
    const { state, options } = append
    if (options.key === undefined) return false
    append.digest = digestOf(append.batch)
    const name = `${state.number}\n${options.sender}\n${options.key}`
    const conflict = (): IdempotencyConflict => new IdempotencyConflict({ channel: state.channel.name, key: options.key ?? "" })
    const twin = keys.get(name)
    if (twin !== undefined) {
      if (twin.digest === append.digest) append.twin = twin
      else append.failure = conflict()
      return true
    }
    const row = disk.statements.key.get(state.number, options.sender, exact(options.key))
    if (row !== undefined) {
      append.definite = true
      if (row.digest === append.digest) append.appended = answered(row)
      else append.failure = conflict()
      return true
    }
    return false
  }

  /* hot */
  const decide = (disk: Disk, append: PendingAppend, at: number): void => {
    const { state, options, batch } = append
    if (options.key !== undefined && decideKey(disk, append)) return
    if (options.expectedHead !== undefined && options.expectedHead !== state.pending) {
      append.failure = new HeadConflict({ channel: state.channel.name, expectedHead: options.expectedHead, head: state.pending })
      return
    }
    const first = state.pending + 1
    for (let i = 0; i < batch.length; i++) {
      if (batch[i]!.id === undefined && batch[i]!.parentIds.length === 0) continue
      try {
        checkIds(disk, append, first)
        break
      } catch (failure) {
        if (!(failure instanceof EventNotFound) && !(failure instanceof EventExists)) throw failure
        append.failure = failure
        return
      }
    }
    if (options.key !== undefined) {
      sides = true
      keys.set(`${state.number}\n${options.sender}\n${options.key}`, append)
    }
    if (state.building.length === 0) touched.push(state)
    state.building.push(append)
    append.first = first
    append.minted = mint.next(at, batch.length)
    state.pending += batch.length
  }

  /* hot */
  const build = (disk: Disk, at: number, placed: Array<Placed>): Array<FinishedBlock> => {
    const rows: Array<FinishedBlock> = []
    let off = disk.lastOff + 1
    for (const state of touched) {
      let open = false
      for (const append of state.building) {
        const { batch, first } = append
        const ids = mintedIds(append.minted!, batch.length) // an accepted append has its ids
        const appended: Array<Appended> = new Array(batch.length)
        for (let i = 0; i < batch.length; i++) {
          const draft = batch[i]!
          if (builder.size() > rowTextMax) {
            rows.push(builder.finish(off++, at))
            open = false
          }
          if (!open) {
            builder.begin(state.number, first + i)
            placed.push({ state, off, first: first + i })
            open = true
          }
          if (draft.index !== undefined && draft.index.length > 0) indexed.push({ state, off, cursor: first + i, index: draft.index })
          if (draft.id === undefined) {
            const id = ids[i]!
            const { live } = draft
            const event = live === undefined ? undefined : liveEvent(live, id, append.options.sender, state.channel.name, first + i, at)
            builder.add('{"id":"' + id + '",' + draft.text + "}", event)
            appended[i] = { id, cursor: first + i, recordedAt: at }
          } else {
            builder.add(`{"id":${JSON.stringify(draft.id)},${draft.text}}`)
            appended[i] = { id: draft.id, cursor: first + i, recordedAt: at }
          }
        }
        append.appended = appended
      }
    }
    if (builder.size() > 0) rows.push(builder.finish(off, at))
    return rows
  }

  const writeKey = (disk: Disk, append: PendingAppend, at: number): void => {
    const { appended, batch, options, state } = append
    if (appended === undefined) return
    const ids = batch.some((draft) => draft.id !== undefined) ? JSON.stringify(appended.map((one) => one.id)) : appended[0]!.id
    disk.statements.insertKey.run(
      state.number, options.sender, exact(options.key ?? ""), append.digest, at, append.first, batch.length, ids)
  }

  const writeSides = (disk: Disk, at: number): void => {
    for (const append of keys.values()) writeKey(disk, append, at)
    for (const [id, { state, cursor }] of given) disk.statements.insertGiven.run(exact(id), state.number, cursor)
  }

  const insert = (disk: Disk, row: FinishedBlock, at: number): void =>
    void disk.statements.insertBlock.run(row.block.off, row.events, at, row.crc, row.head, row.body)

  const writeAll = (disk: Disk, rows: ReadonlyArray<FinishedBlock>, jobs: ReadonlyArray<Job>, at: number): ReadonlyMap<Job, unknown> => {
    const refused = new Map<Job, unknown>()
    disk.statements.begin.run()
    faults?.("write")
    for (const row of rows) insert(disk, row, at)
    if (sides) writeSides(disk, at)
    for (const job of jobs) {
      try {
        job.write(at)
      } catch (failure) {
        if (!isTagged(failure)) throw failure
        refused.set(job, failure)
      }
    }
    faults?.("commit")
    disk.statements.commit.run()
    return refused
  }

  /** Decides what goes with an append that was accepted. A channel that is not on this disk refuses. */
  const follow = (disk: Disk, wanted: ReadonlyArray<Follower>, at: number, before: ReadonlyArray<Following>): ReadonlyArray<Following> => {
    const all = [...before]
    for (const { batch, channel, expectedHead, kept, sender } of wanted) {
      const state = disk.durable.get(channel)
      if (state === undefined) {
        kept(undefined)
        continue
      }
      const append: PendingAppend = {
        state, batch, options: { sender, expectedHead }, strict: state.channel.durability === "strict", digest: "", first: 0, minted: undefined,
        appended: undefined, failure: undefined, twin: undefined, definite: false, resume: () => undefined
      }
      decide(disk, append, at)
      all.push({ append, kept })
    }
    return all
  }

  const noFollowers: ReadonlyArray<Following> = []
  const noJobs: ReadonlyMap<Job, unknown> = new Map()
  const forget = (): void => {
    if (keys.size > 0) keys = new Map()
    if (given.size > 0) given = new Map()
    touched = []
    if (indexed.length > 0) indexed = []
    sides = false
  }

  const abandon = (disk: Disk): void => {
    for (const state of touched) {
      state.pending = state.head
      state.building = []
    }
    forget()
    try {
      if (disk.db.inTransaction) disk.statements.rollback.run()
    } catch {
      // The connection is given up when the store is opened anew; SQLite drops what it did not commit.
    }
  }

  const publish = (disk: Disk, rows: ReadonlyArray<FinishedBlock>, placed: ReadonlyArray<Placed>, at: number): void => {
    for (const row of rows) disk.blocks.push(row.block)
    if (rows.length > 0) disk.lastOff = rows[rows.length - 1]!.block.off
    for (const { state, off, first } of placed) {
      place(state, off, first)
      noteFresh(disk, state)
    }
    for (const { cursor, index, off, state } of indexed) note(disk.unindexed, state, off, cursor, index)
    for (const state of touched) {
      state.head = state.pending
      state.building = []
    }
    disk.highWater = at
  }

  return {
    commit: (disk, { appends, jobs }, at) => {
      const placed: Array<Placed> = []
      let rows: ReadonlyArray<FinishedBlock> = []
      let refusedJobs = noJobs
      try {
        let strict = false
        let followers: ReadonlyArray<Following> = noFollowers
        mint.draw()
        for (const append of appends) {
          decide(disk, append, at)
          if (append.minted === undefined) continue
          if (append.strict) strict = true
          const wanted = append.options.followers
          if (wanted === undefined || wanted.length === 0) continue
          followers = follow(disk, wanted, at, followers)
          for (const { append: follower } of followers) if (follower.strict && follower.minted !== undefined) strict = true
        }
        for (const job of jobs) if (job.strict) strict = true
        if (touched.length > 0) rows = build(disk, at, placed)
        if (rows.length > 0 || jobs.length > 0) disk.setFull(strict)
        if (rows.length === 1 && !sides && jobs.length === 0) {
          // One row and nothing beside it: the statement is the transaction.
          faults?.("write")
          faults?.("commit")
          insert(disk, rows[0]!, at)
          faults?.("committed")
        } else if (rows.length > 0 || jobs.length > 0) {
          refusedJobs = writeAll(disk, rows, jobs, at)
          faults?.("committed")
        }
        publish(disk, rows, placed, at)
        const committed = { touched, followers, refusedJobs, size: rows.reduce((sum, row) => sum + row.body.length, 0) }
        forget()
        return committed
      } catch (failure) {
        for (const row of rows) giveUp(row.block)
        builder.reset()
        abandon(disk)
        throw failure
      }
    }
  }
}
