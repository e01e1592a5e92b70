// One channel that projections are written to. Each event says of which journal entry it was made, so the channel itself
// tells how far it has come: after a crash, and when the outcome of an append is unknown. No key is needed for that, only
// that the events come in order behind an expected head.
import * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import { InvalidPayload, TooLarge, type ChannelNotFound, type Gap, type StoreCorrupt } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import { kernelSystem, type Cursor } from "../../protocol/names.ts"
import { appendRepeatMillisMax, batchEventsMax, batchTextMax, pageEventsMax } from "../limits.ts"
import { isSurelyKept, prepareOwn, toText } from "../store/codec.ts"
import type { Follower, Prepared, StoreAppendError, StoreService } from "../store/store.ts"
import type { Projected } from "./projected.ts"

export interface Lane {
  /** Reads how far it has come. Must have succeeded before anything is written. */
  readonly restore: Effect.Effect<void, ChannelNotFound | Gap | StoreCorrupt>
  /**
   * Adds what an entry at this position became, to be kept by the next `flush`; nothing when it is kept already. `fits`:
   * it is a part of an entry that was found to be one which can be kept.
   */
  readonly add: (at: Cursor, projected: Projected, fits?: boolean) => void
  readonly isEmpty: () => boolean
  /** What was added, to go with another append; it is forgotten then, and has to be added again when it was not kept. */
  readonly ride: (kept: () => void) => Follower
  /** Keeps what was added, however often that takes. */
  readonly flush: Effect.Effect<void>
}

/** For the one who waits for it: a payload without anything nested, which JSON gives back as it is. */
const frozenFlat = (payload: Projected["payload"]): Event["payload"] | undefined => {
  for (const key in payload) {
    const value = payload[key]
    if (typeof value !== "string" && value !== null && !Number.isFinite(value)) return undefined
  }
  return Object.freeze(payload) as Event["payload"] // it holds strings, numbers and null
}

export interface LaneOptions {
  readonly store: StoreService
  readonly channel: () => Channel
  /** A draft that cannot be kept: a fault of ours. The journal still has the truth. */
  readonly dropped: (at: Cursor, refusal: InvalidPayload | TooLarge) => void
}

interface Line {
  readonly at: Cursor
  readonly prepared: Prepared
}

/** What an event takes beside the text of its draft, in UTF-16 code units. */
const idOverhead = 64
/** Newest events among which its own one is looked for. */
const lookBack = 2_000

export const makeLane = ({ channel, dropped, store }: LaneOptions): Lane => {
  const { name } = channel()
  /** Head of the channel behind which the next line belongs. */
  let head: Cursor = 0
  /** Everything made of entries up to here is kept. */
  let reach: Cursor = 0
  let lines: Array<Line> = []
  let text = 0
  const full: Array<Array<Line>> = []

  /** Reads what is behind a cursor, and how far that says the channel has come. */
  const look = Effect.fnUntraced(function*(from: Cursor) {
    for (let after = Math.max(from, store.statisticsOf(name)?.floor ?? 0); ; ) {
      const page = yield* store.read(name, { after, limit: pageEventsMax })
      for (const event of page.events) {
        const at = event.metadata["journal"]
        if (event.sender === kernelSystem && typeof at === "number") reach = Math.max(reach, at)
      }
      const end = page.events[page.events.length - 1]?.cursor
      head = Math.max(head, end ?? 0, page.events.length === 0 ? Math.min(page.head, page.next) : 0)
      if (end === undefined || end >= page.head) return
      after = end
    }
  })

  const restore: Lane["restore"] = Effect.suspend(() => {
    const statistics = store.statisticsOf(name)
    if (statistics === undefined || statistics.head === 0) return Effect.void
    head = statistics.head
    return Effect.flatMap(look(statistics.head - 1), () =>
      // Somebody else has written there last.
      reach > 0 ? Effect.void : look(statistics.head - lookBack))
  })

  const append = (batch: ReadonlyArray<Line>): Effect.Effect<void, StoreAppendError> =>
    Effect.map(store.append(name, batch.map(({ prepared }) => prepared), { sender: kernelSystem, expectedHead: head }), (appended) => {
      head = appended[appended.length - 1]!.cursor
      reach = Math.max(reach, batch[batch.length - 1]!.at)
    })

  const persist = Effect.fnUntraced(function*(batch: ReadonlyArray<Line>, first: StoreAppendError) {
    let failure = first
    for (let attempt = 0; ; attempt++) {
      if (failure._tag === "HeadConflict") {
        // An attempt of ours was kept after all, or somebody else has written here.
        yield* Effect.orDie(look(head))
        batch = batch.filter(({ at }) => at > reach)
        if (batch.length === 0) return
      } else if (failure._tag === "AppendUnknown" || failure._tag === "StoreUnavailable") {
        yield* Effect.sleep(Math.min(2 ** attempt, appendRepeatMillisMax))
      } else return yield* Effect.die(failure)
      const result = yield* Effect.result(append(batch))
      if (result._tag === "Success") return
      failure = result.failure
    }
  })

  const keep = (batch: ReadonlyArray<Line>): Effect.Effect<void> =>
    Effect.catch(append(batch), (failure) => persist(batch, failure))

  return {
    restore,
    add: (at, draft, fits = false) => {
      if (at <= reach) return
      let prepared: Prepared
      try {
        const { correlationId, kind, labels, payload, recipient, subject, traceparent } = draft
        const payloadText = JSON.stringify(payload)
        if (!fits && !isSurelyKept(payloadText)) toText(payload)
        prepared = prepareOwn({
          kind, payloadText, metadata: { journal: at }, correlationId, recipient, subject, traceparent, labels, live: recipient === undefined ? undefined : frozenFlat(payload)
        }, kernelSystem, channel())
        const length = prepared.text.length + idOverhead
        if (length > batchTextMax) throw new TooLarge({ what: "The event", size: length, sizeMax: batchTextMax, unit: "characters" })
        if (lines.length === batchEventsMax || text + length > batchTextMax) {
          full.push(lines)
          lines = []
          text = 0
        }
        text += length
      } catch (refusal) {
        if (refusal instanceof InvalidPayload || refusal instanceof TooLarge) return dropped(at, refusal)
        throw refusal
      }
      lines.push({ at, prepared })
    },
    isEmpty: () => lines.length === 0,
    ride: (kept) => {
      const batch = lines
      lines = []
      text = 0
      full.length = 0
      return {
        channel: name,
        batch: batch.map(({ prepared }) => prepared),
        sender: kernelSystem,
        expectedHead: head,
        kept: (appended) => {
          if (appended === undefined) return
          head = appended[appended.length - 1]!.cursor
          reach = Math.max(reach, batch[batch.length - 1]!.at)
          kept()
        }
      }
    },
    flush: Effect.suspend(() => {
      if (lines.length === 0) return Effect.void
      const last = lines
      lines = []
      text = 0
      return full.length === 0
        ? keep(last)
        : Effect.forEach([...full.splice(0), last], keep, { discard: true })
    })
  }
}
