// What the kernel holds in memory of one channel, and what a commit sets in motion: it wakes those who wait for the head
// to move, and evicts what retention lets go. Nobody polls. A commit marks its room; when the turn has ended each
// waiting reader is resumed once, however many events the turn brought.
import * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import { kernelSystem, type Cursor, type SystemId } from "../../protocol/names.ts"
import type { StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import { pageEventsMax } from "../limits.ts"
import type { StoreService } from "../store/store.ts"
import { deliveries } from "./delivery.ts"
import { run } from "./pending.ts"
import type { Queue } from "./queue-calls.ts"
import { decide, evictedBy, evictedTo, note, nothingRetained, slackOf, type Retained } from "./retention.ts"

interface Waiter {
  readonly after: Cursor
  readonly reader: SystemId | undefined
  /** It also comes back when one of these is held no longer. */
  readonly held: ReadonlyArray<Cursor>
  readonly resume: (effect: Effect.Effect<Cursor>) => void
}

export interface Room {
  channel: Channel
  schema: StandardSchemaV1 | undefined
  /** Of a channel that things are taken from, or were removed from. */
  queue: Queue | undefined
  /** It was seen to that there is a place for dead letters. */
  hasLetters: boolean
  /** Those whom every event wakes. */
  readonly waiters: Set<Waiter>
  /** Those whom only an event wakes that is for them or for everyone. */
  readonly waitersOf: Map<SystemId, Set<Waiter>>
  /** Up to here it was looked for whom the events are. */
  seen: Cursor
  retained: Retained
  /** Nothing beyond it may be evicted, whatever retention allows. */
  readonly ceiling: () => Cursor
  isEvicting: boolean
  isMarked: boolean
}

export const makeRoom = (channel: Channel, ceiling: () => Cursor): Room => ({
  channel, schema: undefined, queue: undefined, hasLetters: false, waiters: new Set(), waitersOf: new Map(), seen: 0, retained: nothingRetained,
  ceiling, isEvicting: false, isMarked: false
})

const headOf = (store: StoreService, room: Room): Cursor => store.statisticsOf(room.channel.name)?.head ?? 0

const nothingHeld: ReadonlyArray<Cursor> = []
const none: ReadonlyArray<never> = []

/** One of these cursors is not held any more, or never was. */
const isFree = ({ queue }: Room, held: ReadonlyArray<Cursor>): boolean => {
  if (held.length === 0) return false
  if (queue === undefined) return true
  const statusOf = queue.statuses()
  return queue.isRestored() && held.some((cursor) => statusOf(cursor) !== "held")
}

/**
 * The head, once it is beyond `after`, or one of `held` is held no longer; in an addressed channel once it is by an event
 * that `reader` sees.
 */
export const awaitBeyond = (
  store: StoreService, room: Room, after: Cursor, reader: SystemId | undefined, held: ReadonlyArray<Cursor> = nothingHeld
): Effect.Effect<Cursor> =>
  Effect.suspend(() => {
    const head = headOf(store, room)
    if (head > after || isFree(room, held)) return Effect.succeed(head)
    return Effect.callback((resume) => {
      const waiter: Waiter = { after, reader, held, resume }
      const waiters = waitersFor(room, reader, head)
      waiters.add(waiter)
      return Effect.sync(() => {
        waiters.delete(waiter)
        if (waiters.size === 0 && reader !== undefined && room.waitersOf.get(reader) === waiters) room.waitersOf.delete(reader)
      })
    })
  })

/** Fails what a reader waits for here. */
export const dismiss = (room: Room, reader: SystemId, failure: Effect.Effect<never>): void => {
  for (const waiters of [room.waiters, room.waitersOf.get(reader)]) {
    for (const waiter of waiters ?? none) {
      if (waiter.reader !== reader) continue
      waiters?.delete(waiter)
      waiter.resume(failure)
    }
  }
  if (room.waitersOf.get(reader)?.size === 0) room.waitersOf.delete(reader)
}

const waitersFor = (room: Room, reader: SystemId | undefined, head: Cursor): Set<Waiter> => {
  if (reader === undefined || reader === kernelSystem || deliveries[room.channel.delivery].addressee === undefined) return room.waiters
  if (room.waitersOf.size === 0) room.seen = head
  let waiters = room.waitersOf.get(reader)
  if (waiters === undefined) room.waitersOf.set(reader, (waiters = new Set()))
  return waiters
}

/** Whether a commit sets anything in motion here. */
export const isConcerned = (room: Room): boolean =>
  room.waiters.size > 0 || room.waitersOf.size > 0 || room.queue !== undefined || room.channel.retention.count !== undefined ||
  room.channel.retention.ageMillis !== undefined

/** Does what commits to the room ask for. */
export const serve = (store: StoreService, room: Room): void => {
  const head = headOf(store, room)
  wake(room, room.waiters, head)
  if (room.waitersOf.size > 0) wakeAddressees(store, room, head)
  room.queue?.onHead()
  retain(store, room)
}

const wake = (room: Room, waiters: Set<Waiter>, head: Cursor): void => {
  if (waiters.size === 0) return
  const woken: Array<Waiter> = []
  for (const waiter of waiters) if (waiter.after < head || isFree(room, waiter.held)) woken.push(waiter)
  for (const waiter of woken) waiters.delete(waiter)
  const answer = Effect.succeed(head)
  for (const waiter of woken) waiter.resume(answer)
}

const wakeOf = (room: Room, reader: SystemId, head: Cursor): void => {
  const waiters = room.waitersOf.get(reader)
  if (waiters === undefined) return
  room.waitersOf.delete(reader)
  wake(room, waiters, head)
  // Who waits for a cursor that lies still ahead goes on waiting.
  if (waiters.size > 0 && !room.waitersOf.has(reader)) room.waitersOf.set(reader, waiters)
  else for (const waiter of waiters) room.waitersOf.get(reader)?.add(waiter)
}

/** A thousand systems wait on one reply channel: a reply must wake one of them, not all. */
const wakeAddressees = (store: StoreService, room: Room, head: Cursor): void => {
  const addressee = deliveries[room.channel.delivery].addressee
  run(store.read(room.channel.name, { after: room.seen, limit: pageEventsMax }), (exit) => {
    const readers = new Set<SystemId>()
    let isForAll = exit._tag === "Failure" || addressee === undefined
    if (exit._tag === "Success" && addressee !== undefined) {
      for (const event of exit.value.events) {
        const reader = addressee(event)
        if (reader === null) isForAll = true
        else readers.add(reader)
      }
      room.seen = Math.max(room.seen, exit.value.next)
      // More than a page in one turn: then it is cheaper to let everybody look.
      if (exit.value.next < head) isForAll = true
    }
    if (isForAll) room.seen = Math.max(room.seen, head)
    for (const reader of isForAll ? Array.from(room.waitersOf.keys()) : readers) wakeOf(room, reader, head)
  })
}

/** Evicts what is more than the channel's retention allows, some time after the commit that made it too much. */
export const retain = (store: StoreService, room: Room): void => {
  const { name, retention: { count } } = room.channel
  if (count === undefined || room.isEvicting) return
  const statistics = store.statisticsOf(name)
  if (statistics === undefined) return
  room.retained = note(room.retained, statistics.events, statistics.head, count)
  if (statistics.events < count + slackOf(count)) return
  // A log goes by its retention; only what a queue has still to hand out is kept beyond it.
  const queue = deliveries[room.channel.delivery].isQueue ? room.queue : undefined
  const ceiling = Math.min(queue === undefined ? Infinity : queue.settledFloor(), room.ceiling())
  const decision = decide(room.retained, statistics.events, count, ceiling)
  if (decision.kind === "keep" || ceiling <= statistics.floor) return
  const evict = (floor: Cursor, after: (state: Retained) => Retained): Effect.Effect<void, unknown> =>
    Effect.map(store.evict(name, floor), () => {
      room.retained = after(room.retained)
      setImmediate(() => retain(store, room))
    })
  const eviction = decision.kind === "evict"
    ? evict(decision.mark.cursor, (state) => evictedTo(state, decision.mark))
    : Effect.flatMap(store.read(name, { after: statistics.floor, limit: Math.min(decision.surplus, pageEventsMax) }), (page) => {
        const events = page.events.filter((event) => event.cursor <= ceiling)
        const last = events[events.length - 1]
        return last === undefined ? Effect.void : evict(last.cursor, (state) => evictedBy(state, events.length, last.cursor))
      })
  room.isEvicting = true
  // What could not be evicted now is tried again after the next commit.
  run(eviction, () => {
    room.isEvicting = false
  })
}
