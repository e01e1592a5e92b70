// The channels of one kernel: checks and serialises drafts, appends them to the store, wakes readers, and gives each
// reader what the channel's delivery lets it see. Nothing here knows of ports, grants or systems.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { channelOf, type Channel, type Durability } from "../../protocol/channel.ts"
import {
  ChannelExists, ChannelNotFound, InvalidPayload, StoreUnavailable, WrongDelivery,
  type AppendError, type AppendUnknown, type Gap, type LeaseLost, type Overloaded, type StoreCorrupt
} from "../../protocol/errors.ts"
import type { Appended, Draft, Page } from "../../protocol/event.ts"
import { kernelSystem, nearest, type ChannelId, type Cursor, type SystemId } from "../../protocol/names.ts"
import type { AppendOptions, ReadOptions, TakeOptions } from "../../protocol/port.ts"
import type { StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import type { Settlement, Taken } from "../../protocol/subscription.ts"
import { deadLettersOf, isReserved, settlementOf } from "../../protocol/well-known.ts"
import type { KernelClock } from "../clock.ts"
import { admit, leave, type Gauge } from "../guard/admission.ts"
import { keyLengthMax, pageEventsDefault, pageEventsMax } from "../limits.ts"
import type { Prepared, StoreAppendError, StoreService } from "../store/store.ts"
import { definite, surely } from "./definite.ts"
import { deliveries } from "./delivery.ts"
import { check, isLater, refusalOf } from "./drafts.ts"
import { makeQueue, type Queue, type Timer } from "./queue.ts"
import { awaitBeyond, isConcerned, makeRoom, retain, serve, type Room } from "./room.ts"

export interface ChannelsService {
  readonly store: StoreService
  readonly clock: KernelClock
  /**
   * Creates a channel (and, for an exclusive one, its companion and dead letters), or reopens the owner's own.
   * `adopt`: its former owner is gone, and the new one takes it over with its events; never one of the kernel's.
   */
  readonly open: (
    channel: Channel, schema?: StandardSchemaV1, options?: { readonly adopt?: boolean }
  ) => Effect.Effect<void, ChannelExists | StoreUnavailable>
  readonly get: (name: ChannelId) => Channel | undefined
  readonly all: () => ReadonlyArray<Channel>
  readonly append: (
    sender: SystemId, channel: ChannelId, drafts: ReadonlyArray<Draft>,
    options?: AppendOptions & {
      readonly durability?: Durability
      /** Counts what the sender has under way, and refuses when it is too much. */
      readonly gauge?: Gauge
    }
  ) => Effect.Effect<ReadonlyArray<Appended>, AppendError>
  /**
   * As `append`, and repeats an unknown outcome with the same key and head until the answer is definite; waits for a
   * stopped store to be reopened. For what the kernel itself must have kept. `key` is required.
   */
  readonly appendSurely: (
    sender: SystemId, channel: ChannelId, drafts: ReadonlyArray<Draft>,
    options: AppendOptions & { readonly key: string; readonly durability?: Durability }
  ) => Effect.Effect<ReadonlyArray<Appended>, Exclude<AppendError, AppendUnknown | StoreUnavailable>>
  readonly read: (
    reader: SystemId, channel: ChannelId, options?: ReadOptions
  ) => Effect.Effect<Page, ChannelNotFound | Gap | StoreCorrupt>
  /**
   * The newest cursor, once it is beyond `after`. In an addressed channel a `reader` is woken only by events that it
   * sees; elsewhere, and without a reader, every event wakes.
   */
  readonly awaitBeyond: (channel: ChannelId, after: Cursor, reader?: SystemId) => Effect.Effect<Cursor, ChannelNotFound>
  /** `unrecorded`: the kernel's own takes are not written down as attempts. */
  readonly take: (
    holder: SystemId, channel: ChannelId, options?: TakeOptions & { readonly unrecorded?: boolean }
  ) => Effect.Effect<ReadonlyArray<Taken>, ChannelNotFound | WrongDelivery | Gap | StoreCorrupt | StoreUnavailable | AppendUnknown>
  readonly settle: (
    holder: SystemId, channel: ChannelId, settlements: ReadonlyArray<Settlement>
  ) => Effect.Effect<void, ChannelNotFound | WrongDelivery | LeaseLost | StoreUnavailable | AppendUnknown>
  readonly renew: (
    holder: SystemId, channel: ChannelId, cursor: Cursor, epoch: number
  ) => Effect.Effect<number, ChannelNotFound | WrongDelivery | LeaseLost>
  /** Gives back everything that a holder has taken, at once: it was undocked or failed. */
  readonly release: (holder: SystemId) => Effect.Effect<void>
  readonly backlog: (channel: ChannelId) => Effect.Effect<number, ChannelNotFound | WrongDelivery>
  /** Every item up to this cursor of an exclusive channel is settled. */
  readonly settledFloor: (channel: ChannelId) => Cursor
}

export interface ChannelsOptions {
  readonly store: StoreService
  readonly clock: KernelClock
  /** Number of this boot: the upper half of every epoch, so that a holder from an earlier boot is refused. */
  readonly boot: () => number
  /** Events beyond this cursor are still needed, whatever the channel's retention allows; nothing: none is. */
  readonly neededBeyond?: (channel: ChannelId) => Cursor | undefined
  /** For leases and delays; default: the timers of the platform. */
  readonly timer?: Timer
}

type Options = AppendOptions & { readonly durability?: Durability; readonly gauge?: Gauge }

const platformTimer: Timer = (millis, ring) => {
  // A later ring is asked for again: the longest that a platform timer takes is 2^31 - 1 milliseconds.
  const timer = setTimeout(ring, Math.min(millis, 2_147_483_647))
  timer.unref()
  return () => clearTimeout(timer)
}

/** Above so many channels a wrong name is answered without a guess at what was meant. */
const guessesMax = 1_000

export const make = (options: ChannelsOptions): Effect.Effect<ChannelsService, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { store, clock } = options
    const rooms = new Map<ChannelId, Room>()
    const opening = Semaphore.makeUnsafe(1)
    let marked: Array<Room> = []
    let epochs = 0

    const newQueue = (room: Room): Queue =>
      makeQueue({
        store, clock,
        timer: options.timer ?? platformTimer,
        nextEpoch: () => options.boot() * 4_294_967_296 + ++epochs,
        channel: () => room.channel,
        letters: () => (isReserved(room.channel.name) ? undefined : rooms.get(deadLettersOf(room.channel.name))?.channel),
        onSettled: () => mark(room)
      })

    const mark = (room: Room): void => {
      if (room.isMarked) return
      room.isMarked = true
      if (marked.push(room) === 1) queueMicrotask(serveMarked)
    }

    const serveMarked = (): void => {
      const turn = marked
      marked = []
      for (const room of turn) {
        room.isMarked = false
        serve(store, room)
      }
    }

    const settleInto = (name: ChannelId, channel: Channel, schema: StandardSchemaV1 | undefined): Room => {
      const room = rooms.get(name) ?? makeRoom(channel, () => options.neededBeyond?.(name) ?? Infinity)
      rooms.set(name, room)
      room.channel = channel
      room.schema = schema
      const isQueue = deliveries[channel.delivery].isQueue
      if (isQueue) room.queue ??= newQueue(room)
      else {
        room.queue?.close(wrongDelivery(channel, "take"))
        room.queue = undefined
      }
      return room
    }

    for (const channel of store.channels()) settleInto(channel.name, channel, undefined)
    yield* Effect.acquireRelease(
      Effect.sync(() => store.onCommit((name) => {
        const room = rooms.get(name)
        if (room !== undefined && isConcerned(room)) mark(room)
      })),
      (stop) => Effect.sync(() => {
        stop()
        for (const room of rooms.values()) room.queue?.close()
      })
    )

    const notFound = (name: ChannelId): ChannelNotFound => {
      const near = rooms.size > guessesMax ? undefined : nearest(name, rooms.keys())
      return new ChannelNotFound({ channel: name, ...(near === undefined ? {} : { nearest: near }) })
    }

    const taken = (name: ChannelId, owner: SystemId, adopt: boolean): ChannelExists | undefined => {
      const other = rooms.get(name)?.channel.owner
      return other === undefined || other === owner || (adopt && other !== kernelSystem) ? undefined : new ChannelExists({ channel: name, owner: other })
    }

    const open: ChannelsService["open"] = Effect.fnUntraced(function*(channel, schema, { adopt = false } = {}) {
      const { name, owner, durability } = channel
      if (isReserved(name) && owner !== kernelSystem) return yield* new ChannelExists({ channel: name, owner: kernelSystem })
      const isQueue = deliveries[channel.delivery].isQueue
      const letters = deadLettersOf(name)
      const conflict = taken(name, owner, adopt) ?? (isQueue ? taken(letters, owner, adopt) : undefined)
      if (conflict !== undefined) return yield* conflict
      const put = (companion: Channel): Effect.Effect<void, StoreUnavailable> =>
        Effect.map(store.putChannel(companion), () => void settleInto(companion.name, companion, undefined))
      if (isQueue) {
        const description = `What is settled of ${name}`
        yield* put(channelOf({ name: settlementOf(name), durability, visibility: "private", description }, kernelSystem))
        const kept = rooms.get(letters)?.channel
        if (!isReserved(name) && kept?.owner !== owner) {
          // An heir gets the letters with the queue, as they are.
          yield* put(kept === undefined
            ? channelOf({
                name: letters, durability, visibility: channel.visibility, description: `What could not be handled of ${name}`
              }, owner)
            : { ...kept, owner })
        }
      }
      yield* store.putChannel(channel)
      const room = settleInto(name, channel, schema)
      if (room.queue !== undefined) {
        yield* Effect.mapError(room.queue.restore, (failure) => new StoreUnavailable({ reason: failure.message }))
      }
      retain(store, room)
    }, opening.withPermit)

    const put = (
      sender: SystemId, name: ChannelId, batch: ReadonlyArray<Prepared>, given: Options | undefined
    ): Effect.Effect<ReadonlyArray<Appended>, StoreAppendError | Overloaded> => {
      if (given === undefined && !store.keysAreFree) return store.append(name, batch, { sender })
      // Where a key costs nothing every append has one: an unknown outcome can then be resolved for everybody.
      const key = given?.key ?? (store.keysAreFree ? crypto.randomUUID() : undefined)
      const append = store.append(name, batch, { sender, key, expectedHead: given?.expectedHead, durability: given?.durability })
      const appended = key === undefined ? append : definite(append)
      const gauge = given?.gauge
      if (gauge === undefined) return appended
      let length = 0
      for (let i = 0; i < batch.length; i++) length += batch[i]!.text.length
      const overloaded = admit(gauge, length)
      if (overloaded !== undefined) return Effect.fail(overloaded)
      // Who is interrupted here has appended all the same: what is under way is counted until it is kept.
      return Effect.uninterruptible(Effect.onExit(appended, () => Effect.sync(() => leave(gauge, length))))
    }

    /** Checks what a writer gives, then hands it on. */
    const checked = <A, E>(
      sender: SystemId, name: ChannelId, drafts: ReadonlyArray<Draft>, given: Options | undefined,
      then: (batch: ReadonlyArray<Prepared>) => Effect.Effect<A, E>
    ) =>
      Effect.suspend((): Effect.Effect<A, E | ChannelNotFound | ReturnType<typeof refusalOf>> => {
        const room = rooms.get(name)
        if (room === undefined) return Effect.fail(notFound(name))
        try {
          if (given !== undefined) checkOptions(given)
          const batch = check(drafts, sender, room.channel, room.schema, room.waiters.size > 0)
          return isLater(batch) ? Effect.flatMap(batch, then) : then(batch)
        } catch (thrown) {
          return Effect.fail(refusalOf(thrown))
        }
      })

    const withQueue = <A, E>(
      name: ChannelId, operation: string, use: (queue: Queue) => Effect.Effect<A, E>
    ): Effect.Effect<A, E | ChannelNotFound | WrongDelivery> =>
      Effect.suspend((): Effect.Effect<A, E | ChannelNotFound | WrongDelivery> => {
        const room = rooms.get(name)
        if (room === undefined) return Effect.fail(notFound(name))
        if (room.queue !== undefined) return use(room.queue)
        return Effect.fail(wrongDelivery(room.channel, operation))
      })

    return {
      store,
      clock,
      open,
      get: (name) => rooms.get(name)?.channel,
      all: () => Array.from(rooms.values(), (room) => room.channel),
      append: (sender, name, drafts, given) => checked(sender, name, drafts, given, (batch) => put(sender, name, batch, given)),
      appendSurely: (sender, name, drafts, given) =>
        checked(sender, name, drafts, given, (batch) => {
          const { key, expectedHead, durability } = given
          return surely(store.append(name, batch, { sender, key, expectedHead, durability }))
        }),
      read: (reader, name, given) =>
        Effect.suspend(() => {
          const room = rooms.get(name)
          if (room === undefined) return Effect.fail(notFound(name))
          return deliveries[room.channel.delivery].read(store, name, reader, {
            after: Math.max(0, Math.floor(given?.after ?? 0) || 0),
            limit: Math.min(Math.max(1, Math.floor(given?.limit ?? pageEventsDefault) || pageEventsDefault), pageEventsMax),
            filter: given?.filter
          })
        }),
      awaitBeyond: (name, after, reader) =>
        Effect.suspend((): Effect.Effect<Cursor, ChannelNotFound> => {
          const room = rooms.get(name)
          return room === undefined ? Effect.fail(notFound(name)) : awaitBeyond(store, room, after, reader)
        }),
      take: (holder, name, given) => withQueue(name, "take", (queue) => queue.take(holder, given ?? {})),
      settle: (holder, name, settlements) => withQueue(name, "settle", (queue) => queue.settle(holder, settlements)),
      renew: (holder, name, cursor, epoch) => withQueue(name, "renew", (queue) => queue.renew(holder, cursor, epoch)),
      release: (holder) =>
        Effect.sync(() => {
          for (const room of rooms.values()) room.queue?.release(holder)
        }),
      backlog: (name) => withQueue(name, "backlog", (queue) => queue.backlog),
      settledFloor: (name) => rooms.get(name)?.queue?.settledFloor() ?? 0
    }
  })

const wrongDelivery = ({ name, delivery }: Channel, operation: string): WrongDelivery =>
  new WrongDelivery({ channel: name, delivery, operation, instead: "read" })

/** Throws a refusal when a key or a head is not one. */
const checkOptions = ({ key, expectedHead }: Options): void => {
  const refuse = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "append", path, reason })
  if (key !== undefined && (typeof key !== "string" || key.length === 0 || key.length > keyLengthMax)) {
    throw refuse("key", `must be a string of 1 to ${keyLengthMax} characters`)
  }
  if (expectedHead !== undefined && (!Number.isSafeInteger(expectedHead) || expectedHead < 0)) {
    throw refuse("expectedHead", "must be a cursor")
  }
}
