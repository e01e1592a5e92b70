// Leases: who holds which item, under which epoch, until when. The time is always given, so that it can be tested.
import type { Cursor, SystemId } from "../../protocol/names.ts"

/** What can be held. The three members below `cursor` mean something only while a lease is in the table. */
export interface Held {
  readonly cursor: Cursor
  holder: SystemId
  /** Grows with every hand-out, also across boots; an older one is refused. */
  epoch: number
  /** Kernel time in Unix milliseconds. At this moment the lease has ended. */
  expiresAt: number
}

export interface Leases<H extends Held> {
  readonly size: () => number
  readonly grant: (item: H, holder: SystemId, epoch: number, expiresAt: number) => void
  /** The item, when exactly this holder holds it under exactly this epoch. Expire what is due first. */
  readonly find: (cursor: Cursor, holder: SystemId, epoch: number) => H | undefined
  /** Under which epoch an item is held now; null: by nobody. */
  readonly newestEpoch: (cursor: Cursor) => number | null
  readonly renew: (item: H, expiresAt: number) => void
  readonly end: (item: H) => void
  /** Puts a lease back that was ended too early, as it was. */
  readonly restore: (item: H) => void
  /** Ends every lease that is due, and answers them. */
  readonly expire: (now: number) => ReadonlyArray<H>
  /** A moment before which nothing is due; Infinity when nothing is held. */
  readonly nextExpiry: () => number
  readonly heldBy: (holder: SystemId) => ReadonlyArray<H>
}

const none: ReadonlyArray<never> = []

export const makeLeases = <H extends Held>(): Leases<H> => {
  // In the order in which leases end, because kernel time never goes back and a channel's leases are equally long.
  // When that does not hold (a shorter lease time, a restored lease) the next expiry sorts the table once.
  let table = new Map<Cursor, H>()
  let next = Infinity
  let latest = 0
  let isSorted = true

  const insert = (item: H): void => {
    table.set(item.cursor, item)
    if (item.expiresAt < next) next = item.expiresAt
    if (item.expiresAt < latest) isSorted = false
    else latest = item.expiresAt
  }

  const expire = (now: number): ReadonlyArray<H> => {
    if (now < next) return none
    if (!isSorted) {
      table = new Map(Array.from(table.values()).sort((a, b) => a.expiresAt - b.expiresAt).map((item) => [item.cursor, item]))
      isSorted = true
    }
    const due: Array<H> = []
    next = Infinity
    for (const item of table.values()) {
      if (item.expiresAt > now) {
        next = item.expiresAt
        break
      }
      table.delete(item.cursor)
      due.push(item)
    }
    return due
  }

  return {
    size: () => table.size,
    grant: (item, holder, epoch, expiresAt) => {
      item.holder = holder
      item.epoch = epoch
      item.expiresAt = expiresAt
      insert(item)
    },
    find: (cursor, holder, epoch) => {
      const item = table.get(cursor)
      return item !== undefined && item.epoch === epoch && item.holder === holder ? item : undefined
    },
    newestEpoch: (cursor) => table.get(cursor)?.epoch ?? null,
    renew: (item, expiresAt) => {
      table.delete(item.cursor)
      item.expiresAt = expiresAt
      insert(item)
    },
    end: (item) => void table.delete(item.cursor),
    restore: insert,
    expire,
    nextExpiry: () => (table.size === 0 ? Infinity : next),
    heldBy: (holder) => Array.from(table.values()).filter((item) => item.holder === holder)
  }
}
