// Writes down what became of the items of an exclusive channel, one record of the companion channel for a whole turn,
// and reads it again after a restart.
import * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import { StoreUnavailable, type AppendUnknown } from "../../protocol/errors.ts"
import { kernelSystem, type Cursor } from "../../protocol/names.ts"
import { settlementOf } from "../../protocol/well-known.ts"
import { batchTextMax, pageEventsMax, settlementRecordsMax } from "../limits.ts"
import { prepare } from "../store/codec.ts"
import type { StoreAppendError, StoredItem, StoreService } from "../store/store.ts"
import { bury } from "./dead-letters.ts"
import { definite } from "./definite.ts"
import type { Item } from "./items.ts"
import { run, type ReadFailure } from "./pending.ts"
import { join, nothingSettled, recordText, settlementKind, type Run, type Settled, type SettlementRecord } from "./settlement.ts"

export type WriteFailure = StoreUnavailable | AppendUnknown

export interface Recorder {
  /** The state that all records make. */
  readonly read: Effect.Effect<Settled, ReadFailure>
  /**
   * Keeps the letters of those that end as dead, then one record of all that ended (in order, marked as ending) and all
   * that was taken or removed. The record is made when this is called, and kept when the effect succeeds.
   */
  readonly write: (
    ending: ReadonlyArray<Item>, runs: ReadonlyArray<Run>, takenText: string,
    removed: ReadonlyArray<Cursor>
  ) => Effect.Effect<void, WriteFailure>
  /** What lies at a cursor of the channel, while it is kept. */
  readonly storedAt: (cursor: Cursor) => Effect.Effect<StoredItem | undefined, ReadFailure>
}

export interface RecorderOptions {
  readonly store: StoreService
  readonly channel: () => Channel
  /** Where dead letters go; nothing: nowhere. */
  readonly letters: () => Channel | undefined
  /** All runs, attempts and removals, to be written in place of all earlier records. */
  readonly everything: () => {
    readonly runs: ReadonlyArray<Run>
    readonly taken: ReadonlyArray<readonly [Cursor, number]>
    readonly removed: ReadonlyArray<Cursor>
  }
}

export const makeRecorder = (options: RecorderOptions): Recorder => {
  const { store, channel } = options
  const name = channel().name
  const companion = settlementOf(name)
  const unindexed: Channel = { ...channel(), indexes: [] }
  let records = 0

  const storedAt: Recorder["storedAt"] = (cursor) =>
    Effect.map(store.items(name, { after: cursor - 1, limit: 1 }), ({ items: [item] }) => (item?.cursor === cursor ? item : undefined))

  const buryItem = (letters: Channel, item: Item): Effect.Effect<void, WriteFailure> =>
    Effect.flatMap(
      // Damaged or evicted: the letter says which item it was, without its payload.
      item.stored === undefined ? Effect.catch(storedAt(item.cursor), () => Effect.succeed(undefined)) : Effect.succeed(item.stored),
      (stored) => bury(store, letters, item, stored?.event())
    )

  const wholeText = (runs: ReadonlyArray<Run>, dead: ReadonlyArray<Cursor>, removed: ReadonlyArray<Cursor>): string | undefined => {
    if (records < settlementRecordsMax) return undefined
    const everything = options.everything()
    const text = recordText([...everything.runs, ...runs], everything.taken, dead, [...everything.removed, ...removed])
    return text.length < batchTextMax - 1_000 ? text : undefined
  }

  const write: Recorder["write"] = (ending, runs, takenText, removed) => {
    const dead: Array<Item> = []
    for (const item of ending) if (item.ending === "dead") dead.push(item)
    const deadCursors = dead.map((item) => item.cursor)
    const whole = wholeText(runs, deadCursors, removed)
    const record = prepare({ kind: settlementKind }, kernelSystem, unindexed, whole ?? recordText(runs, takenText, deadCursors, removed))
    const { durability } = channel()
    const append = store.append(companion, [record], {
      sender: kernelSystem,
      // Attempts need to survive the process, not the power: an undercount after a power cut is one delivery more.
      durability: runs.length === 0 && removed.length === 0 && durability === "strict" ? "relaxed" : durability
    })
    const kept = Effect.map(Effect.mapError(definite(append), toWriteFailure), (appended) => {
      records = whole === undefined ? records + 1 : 1
      // Earlier records are superfluous now. When they cannot be evicted, the next whole record makes up for it.
      if (whole !== undefined) run(store.evict(companion, appended[0]!.cursor - 1), () => undefined)
    })
    const letters = options.letters()
    if (dead.length === 0 || letters === undefined) return kept
    return Effect.flatMap(Effect.forEach(dead, (item) => buryItem(letters, item), { discard: true }), () => kept)
  }

  const read: Recorder["read"] = Effect.gen(function*() {
    let settled = nothingSettled
    let after = 0
    records = 0
    while (store.statisticsOf(companion) !== undefined) {
      const page = yield* store.read(companion, { after, limit: pageEventsMax })
      // The kernel alone writes this channel, and writes nothing else into it.
      settled = join(settled, page.events.map((event) => event.payload as SettlementRecord))
      records += page.events.length
      if (page.events.length === 0 || page.next >= page.head) break
      after = page.next
    }
    return settled
  })

  return { read, write, storedAt }
}

/** A record can fail in no other way that a caller could do something about. */
const toWriteFailure = (failure: StoreAppendError): WriteFailure =>
  failure._tag === "StoreUnavailable" || failure._tag === "AppendUnknown"
    ? failure
    : new StoreUnavailable({ reason: failure.message })
