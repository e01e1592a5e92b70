// Items of an exclusive channel that came back unsettled, oldest first; some only after a delay. Their events are not
// kept in memory meanwhile: each is read again when its turn comes.
import type * as Effect from "effect/Effect"
import type { Cursor } from "../../protocol/names.ts"
import type { StoredItem } from "../store/store.ts"
import { makeHeap } from "./heap.ts"
import type { Item } from "./items.ts"
import { run } from "./pending.ts"

export interface Returned {
  /** Takes an item back; it comes up at `dueAt`, or at once. */
  readonly add: (item: Item, dueAt: number) => void
  /** The oldest one that is due, with its event. Nothing: none is, or they are being read (`isBusy`). */
  readonly next: () => Item | undefined
  readonly isBusy: () => boolean
  /** None is due. */
  readonly isEmpty: () => boolean
  /** When the next delay ends; Infinity: there is none. */
  readonly nextDue: () => number
  /** Ends the delays that are due. */
  readonly release: (now: number) => void
}

export interface ReturnedOptions {
  readonly storedAt: (cursor: Cursor) => Effect.Effect<StoredItem | undefined, unknown>
  /** One that had to be waited for is here. */
  readonly onRead: () => void
  /** An item that is not in the log any more, or cannot be read. */
  readonly onGone: (item: Item) => void
}

/** Items that are read at once, on a store that has to be waited for. */
const readsMax = 64

export const makeReturned = (options: ReturnedOptions): Returned => {
  const ready = makeHeap<Item>((a, b) => a.cursor < b.cursor)
  const delayed = makeHeap<Item>((a, b) => a.dueAt < b.dueAt)
  let reading = 0

  const read = (item: Item): void => {
    reading++
    let isWaiting = false
    run(options.storedAt(item.cursor), (exit) => {
      reading--
      if (exit._tag === "Success" && exit.value !== undefined) {
        item.stored = exit.value
        ready.push(item)
      } else options.onGone(item)
      if (isWaiting) options.onRead()
    })
    isWaiting = true
  }

  return {
    add: (item, dueAt) => {
      item.dueAt = dueAt
      if (dueAt > 0) delayed.push(item)
      else ready.push(item)
    },
    next: () => {
      while (reading < readsMax) {
        const item = ready.pop()
        if (item?.ending !== undefined) continue // removed meanwhile
        if (item === undefined || item.stored !== undefined) return item
        read(item)
      }
      return undefined
    },
    isBusy: () => reading > 0,
    isEmpty: () => ready.size() === 0 && reading === 0,
    nextDue: () => delayed.peek()?.dueAt ?? Infinity,
    release: (now) => {
      for (let item = delayed.peek(); item !== undefined && item.dueAt <= now; item = delayed.peek()) {
        delayed.pop()
        ready.push(item)
      }
    }
  }
}
