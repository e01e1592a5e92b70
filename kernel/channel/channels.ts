// The channels of one kernel: checks and serialises drafts, appends them to the store, wakes readers, and gives each
// reader what the channel's delivery lets it see. Nothing here knows of ports, grants or systems.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { canTake, channelOf, type Channel, type Durability } from "../../protocol/channel.ts"
import {
  ChannelExists, ChannelNotFound, EventNotFound, InvalidPayload, LeaseLost, StoreCorrupt, StoreUnavailable, WrongDelivery,
  type AppendError, type AppendUnknown, type Gap, type Overloaded
} from "../../protocol/errors.ts"
import type { Appended, Draft, Event, Filter, Page, TextPage } from "../../protocol/event.ts"
import { kernelSystem, nearest, type ChannelId, type Cursor, type EventId, type SystemId } from "../../protocol/names.ts"
import type { AppendOptions, EvictOptions, ReadOptions, TakeOptions, TextOptions } from "../../protocol/port.ts"
import type { StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import type { Settlement, Taken } from "../../protocol/subscription.ts"
import { deadLettersOf, isReserved, settlementOf } from "../../protocol/well-known.ts"
import type { KernelClock } from "../clock.ts"
import { admit, leave, refusalIn, type Gauge } from "../guard/admission.ts"
import { both, makeSchemas, type Schemas } from "../guard/schemas.ts"
import { keyLengthMax, pageEventsDefault, pageEventsMax } from "../limits.ts"
import type { Prepared, StoreAppendError, StoreReadOptions, StoreService } from "../store/store.ts"
import { makeAgeing } from "./ageing.ts"
import { definite, surely } from "./definite.ts"
import { deliveries } from "./delivery.ts"
import { check, isLater, refusalOf } from "./drafts.ts"
import * as Host from "./host.ts"
import { makeLabels, type LabelBook } from "./labels.ts"
import { passing } from "./passing.ts"
import { makeQueue } from "./queue.ts"
import type { Queue, Timer } from "./queue-calls.ts"
import { awaitBeyond, dismiss, isConcerned, makeRoom, retain, serve, type Room } from "./room.ts"

export type TakeFailure = ChannelNotFound | WrongDelivery | LeaseLost | Gap | StoreCorrupt | StoreUnavailable | AppendUnknown
export type SettleFailure = ChannelNotFound | WrongDelivery | LeaseLost | StoreUnavailable | AppendUnknown

export interface ChannelsService {
  readonly store: StoreService
  readonly clock: KernelClock
  /**
   * Creates a channel (and, for an exclusive one, its companion and dead letters), or reopens the owner's own.
   * `adopt`: its former owner is gone, and the new one takes it over with its events; never one of the kernel's.
   */
  readonly open: (
    channel: Channel, schema?: StandardSchemaV1, options?: { readonly adopt?: boolean }
  ) => Effect.Effect<void, ChannelExists | StoreUnavailable | InvalidPayload>
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
  /** `append` to a channel in memory, looked at in a plain call and not waited for; nothing: `append` does it. */
  readonly appendNow: (
    sender: SystemId, channel: ChannelId, drafts: ReadonlyArray<Draft>, options?: AppendOptions & { readonly gauge?: Gauge }
  ) => Effect.Effect<ReadonlyArray<Appended>, AppendError> | undefined
  /** Somebody reads all of a channel as it comes; answers how to end that. */
  readonly follow: (channel: ChannelId) => () => void
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
   * The same without a filter, as JSON text that was never parsed; nothing where a reader sees something else than what is
   * kept, one after another: `read` gives that.
   */
  readonly texts: (
    channel: ChannelId, options?: TextOptions
  ) => Effect.Effect<TextPage | undefined, ChannelNotFound | Gap | StoreCorrupt>
  /** The event with this id, when the reader sees it where it lies. */
  readonly event: (reader: SystemId, id: EventId) => Effect.Effect<Event, EventNotFound | StoreCorrupt>
  /**
   * The newest cursor, once it is beyond `after`, or once one of `held` is held no longer. In an addressed channel a
   * `reader` is woken only by events that it sees; elsewhere, and without a reader, every event wakes.
   */
  readonly awaitBeyond: (
    channel: ChannelId, after: Cursor, reader?: SystemId, held?: ReadonlyArray<Cursor>
  ) => Effect.Effect<Cursor, ChannelNotFound>
  /** `unrecorded`: the kernel's own takes are not written down as attempts. */
  readonly take: (
    holder: SystemId, channel: ChannelId, options?: TakeOptions & { readonly unrecorded?: boolean }
  ) => Effect.Effect<ReadonlyArray<Taken>, TakeFailure>
  readonly settle: (
    holder: SystemId, channel: ChannelId, settlements: ReadonlyArray<Settlement>
  ) => Effect.Effect<void, SettleFailure>
  /** `take` in plain calls: one for each item is what a queue has to be quick at. Answers how to call it off. */
  readonly beginTake: (
    holder: SystemId, channel: ChannelId, options: TakeOptions & { readonly unrecorded?: boolean }, resume: (effect: Effect.Effect<ReadonlyArray<Taken>, TakeFailure>) => void
  ) => (() => void) | undefined
  /** The same for `settle`, of settlements that nobody changes any more. */
  readonly beginSettle: (
    holder: SystemId, channel: ChannelId, settlements: ReadonlyArray<Settlement>, resume: (effect: Effect.Effect<void, SettleFailure>) => void
  ) => void
  readonly renew: (
    holder: SystemId, channel: ChannelId, cursor: Cursor, epoch: number
  ) => Effect.Effect<number, ChannelNotFound | WrongDelivery | LeaseLost>
  /** Gives back everything that a holder has taken, at once: it was undocked or failed. */
  readonly release: (holder: SystemId) => Effect.Effect<void>
  /** Fails whatever a system waits for: its port was taken back. */
  readonly dismiss: (system: SystemId, failure: Effect.Effect<never>) => void
  readonly backlog: (channel: ChannelId) => Effect.Effect<number, ChannelNotFound | WrongDelivery>
  /** Every item up to this cursor of an exclusive channel is settled. */
  readonly settledFloor: (channel: ChannelId) => Cursor
  /** Forgets the oldest events, first by age, then by count; answers the cursor up to which everything is gone. */
  readonly evict: (channel: ChannelId, options: EvictOptions) => Effect.Effect<Cursor, Host.HostFailure>
  /** Forgets all events, or removes those that match. */
  readonly clear: (channel: ChannelId, filter?: Filter) => Effect.Effect<void, Host.HostFailure>
  /** Removes single events, wherever they lie; answers how many of the ids were there. */
  readonly remove: (channel: ChannelId, ids: ReadonlyArray<EventId>) => Effect.Effect<number, Host.HostFailure>
}

export interface ChannelsOptions {
  readonly store: StoreService
  readonly clock: KernelClock
  /** Number of this boot: the upper half of every epoch, so that a holder from an earlier boot is refused. */
  readonly boot: () => number
  /** Events beyond this cursor are still needed, whatever the channel's retention allows; nothing: none is. */
  readonly neededBeyond?: (channel: ChannelId) => Cursor | undefined
  /** What payloads are held against beside what a channel's owner gives; default: nothing by name, JSON Schemas that channels carry. */
  readonly schemas?: Schemas
  /** What is known of the labels of artifacts, and of labels that were taken away; default: nothing. */
  readonly labels?: LabelBook
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
    /** Channels that somebody reads as they come, and how many do. */
    const followed = new Map<ChannelId, number>()
    let marked: Array<Room> = []
    let epochs = 0
    const timer = options.timer ?? platformTimer
    const labels = makeLabels(store, options.labels)
    const ageing = makeAgeing({ store, clock, timer })

    const newQueue = (room: Room): Queue =>
      makeQueue({
        store, clock,
        timer,
        nextEpoch: () => options.boot() * 4_294_967_296 + ++epochs,
        channel: () => room.channel,
        letters: () => {
          if (isReserved(room.channel.name)) return undefined
          const letters = rooms.get(deadLettersOf(room.channel.name))?.channel
          // Somebody else's channel of that name is none: then the record alone says what is dead, and the log what it was.
          return letters?.owner === room.channel.owner ? letters : undefined
        },
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
        ageing.touch(room)
      }
    }

    const settleInto = (name: ChannelId, channel: Channel, schema: StandardSchemaV1 | undefined): Room => {
      const room = rooms.get(name) ?? makeRoom(channel, () => options.neededBeyond?.(name) ?? Infinity)
      rooms.set(name, room)
      // A store that is older than exclusive reads knows nothing of them.
      room.channel = { ...channel, exclusiveReads: channel.exclusiveReads === true }
      room.schema = schema
      room.hasLetters = deliveries[channel.delivery].isQueue
      if (!canTake(room.channel)) {
        room.queue?.close(wrongDelivery(channel, "take"))
        room.queue = undefined
      }
      // A log that nobody took from, and of which nothing was removed, has no record and costs nothing.
      if (deliveries[channel.delivery].isQueue || rooms.has(settlementOf(name))) room.queue ??= newQueue(room)
      return room
    }

    const schemas = options.schemas ?? (yield* Effect.orDie(makeSchemas()))
    for (const channel of store.channels()) {
      // One that cannot be used any more refuses everything, and says why, until the channel is opened with another one.
      const schema = yield* Effect.catch(schemas.of(channel), (refusal) => Effect.succeed(refusing(refusal.message)))
      settleInto(channel.name, channel, schema)
    }
    for (const room of rooms.values()) if (rooms.has(settlementOf(room.channel.name))) room.queue ??= newQueue(room)
    yield* Effect.acquireRelease(
      Effect.sync(() => store.onCommit((name) => {
        const room = rooms.get(name)
        if (room !== undefined && isConcerned(room)) mark(room)
      })),
      (stop) => Effect.sync(() => {
        stop()
        ageing.close()
        for (const room of rooms.values()) room.queue?.close()
      })
    )

    for (const room of rooms.values()) ageing.touch(room)

    const notFound = (name: ChannelId): ChannelNotFound => {
      const near = rooms.size > guessesMax ? undefined : nearest(name, rooms.keys())
      return new ChannelNotFound({ channel: name, ...(near === undefined ? {} : { nearest: near }) })
    }

    const taken = (name: ChannelId, owner: SystemId, adopt: boolean): ChannelExists | undefined => {
      const other = rooms.get(name)?.channel.owner
      return other === undefined || other === owner || (adopt && other !== kernelSystem) ? undefined : new ChannelExists({ channel: name, owner: other })
    }

    const openCompanion = (companion: Channel): Effect.Effect<void, StoreUnavailable> =>
      Effect.map(store.putChannel(companion), () => void settleInto(companion.name, companion, undefined))

    const openRecord = ({ durability, name }: Channel): Effect.Effect<void, StoreUnavailable> =>
      openCompanion(channelOf({ name: settlementOf(name), durability, visibility: "private", description: `What is settled of ${name}` }, kernelSystem))

    const openLetters = ({ durability, name, owner, visibility }: Channel): Effect.Effect<void, StoreUnavailable> =>
      openCompanion(channelOf({ name: deadLettersOf(name), durability, visibility, description: `What could not be handled of ${name}` }, owner))

    /** What keeps the record of what was settled; made with its channels when it is needed for the first time. */
    const needQueue = (room: Room): Effect.Effect<Queue, StoreUnavailable> =>
      Effect.suspend(() =>
        room.queue !== undefined && room.hasLetters ? Effect.succeed(room.queue) : opening.withPermit(makeNeeded(room)))

    const makeNeeded = Effect.fnUntraced(function*(room: Room): Effect.fn.Return<Queue, StoreUnavailable> {
      const { channel } = room
      if (!rooms.has(settlementOf(channel.name))) yield* openRecord(channel)
      if (canTake(channel) && !isReserved(channel.name) && !rooms.has(deadLettersOf(channel.name))) yield* openLetters(channel)
      room.hasLetters = true
      return (room.queue ??= newQueue(room))
    })

    const hosted = (name: ChannelId): Effect.Effect<Host.Hosted, ChannelNotFound> =>
      Effect.suspend(() => {
        const room = rooms.get(name)
        if (room === undefined) return Effect.fail(notFound(name))
        return Effect.succeed({ store, name, queue: () => room.queue, needQueue: needQueue(room), ceiling: room.ceiling })
      })

    const read = (
      room: Room, reader: SystemId, given: StoreReadOptions, fullLog: boolean
    ): Effect.Effect<Page, ChannelNotFound | Gap | StoreCorrupt> => {
      const { channel, queue } = room
      const delivery = deliveries[fullLog && channel.delivery === "latest" ? "shared" : channel.delivery]
      if (queue === undefined) return delivery.read(store, channel.name, reader, given)
      if (!queue.isRestored()) return Effect.flatMap(queue.restore, () => read(room, reader, given, fullLog))
      const passesSettled = !fullLog && channel.delivery === "shared" && channel.exclusiveReads
      if (!passesSettled && queue.removed().size === 0) return delivery.read(store, channel.name, reader, given)
      // Everything up to the settled floor need not be looked at; a reader behind the floor of the log is told so all the same.
      const skipsTo = passesSettled && (given.after === 0 || given.after >= (store.statisticsOf(channel.name)?.floor ?? 0)) ? queue.settledFloor() : 0
      return passing(
        (options) => delivery.read(store, channel.name, reader, options),
        skipsTo > given.after ? { ...given, after: skipsTo } : given,
        passesSettled ? queue.statuses() : (cursor) => (queue.removed().has(cursor) ? "settled" : "open")
      )
    }

    const open: ChannelsService["open"] = Effect.fnUntraced(function*(channel, schema, { adopt = false } = {}) {
      const { name, owner } = channel
      if (isReserved(name) && owner !== kernelSystem) return yield* new ChannelExists({ channel: name, owner: kernelSystem })
      const isQueue = deliveries[channel.delivery].isQueue
      const letters = deadLettersOf(name)
      const conflict = taken(name, owner, adopt) ?? (isQueue ? taken(letters, owner, adopt) : undefined)
      if (conflict !== undefined) return yield* conflict
      const registered = yield* schemas.of(channel)
      if (isQueue) yield* openRecord(channel)
      const kept = rooms.get(letters)?.channel
      if (isQueue && kept === undefined && !isReserved(name)) yield* openLetters(channel)
      // An heir gets the letters with the channel, as they are.
      const isHeir = kept !== undefined && kept.owner !== owner && !isReserved(name) && (isQueue || kept.owner === rooms.get(name)?.channel.owner)
      if (isHeir) yield* openCompanion({ ...kept, owner })
      yield* store.putChannel(channel)
      const room = settleInto(name, channel, both(registered, schema))
      if (room.queue !== undefined) {
        yield* Effect.mapError(room.queue.restore, (failure) => new StoreUnavailable({ reason: failure.message }))
      }
      retain(store, room)
      ageing.touch(room)
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
      const length = textOf(batch)
      const overloaded = admit(gauge, length)
      if (overloaded !== undefined) return Effect.fail(overloaded)
      // Who is interrupted here has appended all the same: what is under way is counted until it is kept.
      return Effect.uninterruptible(Effect.onExit(appended, () => Effect.sync(() => leave(gauge, length))))
    }

    /** Somebody is going to look at what comes next as soon as it is there. */
    const isAwaited = (room: Room): boolean => room.waiters.size > 0 || room.queue?.isAwaited() === true || (followed.size > 0 && followed.has(room.channel.name))

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
          const batch = check(drafts, sender, room.channel, room.schema, isAwaited(room))
          const go = (whole: ReadonlyArray<Prepared>): Effect.Effect<A, E | ReturnType<typeof refusalOf>> =>
            labels.concerns(room.channel, whole)
              ? Effect.flatMap(labels.inherit(room.channel, whole), (labelled) => {
                  const left = labels.entering(labelled)
                  return left === undefined ? then(labelled) : Effect.ensuring(then(labelled), Effect.sync(left))
                })
              : then(whole)
          return isLater(batch) ? Effect.flatMap(batch, go) : go(batch)
        } catch (thrown) {
          return Effect.fail(refusalOf(thrown))
        }
      })

    const withQueue = <A, E>(
      name: ChannelId, operation: string, use: (queue: Queue, room: Room) => Effect.Effect<A, E>, without: (room: Room) => Effect.Effect<A, E>
    ): Effect.Effect<A, E | ChannelNotFound | WrongDelivery> =>
      Effect.suspend((): Effect.Effect<A, E | ChannelNotFound | WrongDelivery> => {
        const room = rooms.get(name)
        if (room === undefined) return Effect.fail(notFound(name))
        if (!canTake(room.channel)) return Effect.fail(wrongDelivery(room.channel, operation))
        return room.queue === undefined ? without(room) : use(room.queue, room)
      })

    const service: ChannelsService = {
      store,
      clock,
      open,
      get: (name) => rooms.get(name)?.channel,
      all: () => Array.from(rooms.values(), (room) => room.channel),
      appendNow: (sender, name, drafts, given) => {
        const room = rooms.get(name)
        if (room === undefined || room.schema !== undefined || room.channel.durability !== "memory" || given?.key !== undefined || store.keysAreFree) return undefined
        try {
          if (given !== undefined) checkOptions(given)
          const batch = check(drafts, sender, room.channel, undefined, isAwaited(room))
          if (isLater(batch) || labels.concerns(room.channel, batch)) return undefined
          const gauge = given?.gauge
          const overloaded = gauge === undefined ? undefined : refusalIn(gauge, textOf(batch))
          if (overloaded !== undefined) return Effect.fail(overloaded)
          return store.append(name, batch, { sender, expectedHead: given?.expectedHead })
        } catch (thrown) {
          return Effect.fail(refusalOf(thrown))
        }
      },
      follow: (name) => {
        followed.set(name, (followed.get(name) ?? 0) + 1)
        return () => {
          const left = (followed.get(name) ?? 1) - 1
          if (left > 0) followed.set(name, left)
          else followed.delete(name)
        }
      },
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
          const { after, limit } = boundsOf(given)
          return read(room, reader, { after, limit, filter: given?.filter }, given?.fullLog === true)
        }),
      texts: (name, given) =>
        Effect.suspend(() => {
          const room = rooms.get(name)
          if (room === undefined) return Effect.fail(notFound(name))
          const { channel, queue } = room
          if (channel.delivery !== "shared" && channel.delivery !== "exclusive") return Effect.succeed(undefined)
          if (queue !== undefined && (!queue.isRestored() || queue.removed().size > 0 || (channel.exclusiveReads && given?.fullLog !== true))) return Effect.succeed(undefined)
          return store.texts(name, { ...boundsOf(given), form: given?.form ?? "event" })
        }),
      event: (reader, id) =>
        Effect.flatMap(store.event(id), (event) => {
          const room = event === undefined ? undefined : rooms.get(event.channel)
          if (event === undefined || room === undefined) return Effect.fail(new EventNotFound({ event: id }))
          const addressee = deliveries[room.channel.delivery].addressee?.(event) ?? null
          const isHidden = addressee !== null && addressee !== reader && reader !== kernelSystem
          return Effect.flatMap(room.queue === undefined ? noneRemoved : removedOf(room.queue), (removed) =>
            isHidden || removed.has(event.cursor) ? Effect.fail(new EventNotFound({ event: id })) : Effect.succeed(event))
        }),
      awaitBeyond: (name, after, reader, held) =>
        Effect.suspend((): Effect.Effect<Cursor, ChannelNotFound> => {
          const room = rooms.get(name)
          return room === undefined ? Effect.fail(notFound(name)) : awaitBeyond(store, room, after, reader, held)
        }),
      take: (holder, name, given) =>
        withQueue(name, "take", (queue, room) =>
          room.hasLetters ? queue.take(holder, given ?? {}) : Effect.flatMap(needQueue(room), () => queue.take(holder, given ?? {})), (room) =>
          Effect.flatMap(needQueue(room), (queue) => queue.take(holder, given ?? {}))),
      // Of a log that nobody took from nobody can hold anything.
      settle: (holder, name, settlements) =>
        withQueue(name, "settle", (queue) => queue.settle(holder, settlements), () => {
          const [first] = settlements
          return first === undefined ? Effect.void : Effect.fail(neverHeld(name, first.cursor, first.epoch))
        }),
      beginTake: (holder, name, given, resume) => {
        const room = rooms.get(name)
        if (room?.queue !== undefined && room.hasLetters && room.queue.isRestored() && canTake(room.channel)) {
          return room.queue.beginTake(holder, given, resume)
        }
        return later(service.take(holder, name, given), resume)
      },
      beginSettle: (holder, name, settlements, resume) => {
        const room = rooms.get(name)
        if (room?.queue !== undefined && canTake(room.channel)) room.queue.beginSettle(holder, settlements, resume)
        else later(service.settle(holder, name, settlements), resume)
      },
      renew: (holder, name, cursor, epoch) =>
        withQueue(name, "renew", (queue) => queue.renew(holder, cursor, epoch), () => Effect.fail(neverHeld(name, cursor, epoch))),
      release: (holder) =>
        Effect.sync(() => {
          for (const room of rooms.values()) room.queue?.release(holder)
        }),
      dismiss: (system, failure) => {
        for (const room of rooms.values()) {
          room.queue?.dismiss(system, failure)
          dismiss(room, system, failure)
        }
      },
      backlog: (name) =>
        withQueue(name, "backlog", (queue) => queue.backlog, () => Effect.succeed(store.statisticsOf(name)?.events ?? 0)),
      settledFloor: (name) => rooms.get(name)?.queue?.settledFloor() ?? 0,
      evict: (name, given) => Effect.flatMap(hosted(name), (host) => Host.evict(host, given)),
      clear: (name, filter) => Effect.flatMap(hosted(name), (host) => Host.clear(host, filter)),
      remove: (name, ids) => Effect.flatMap(hosted(name), (host) => Host.remove(host, ids))
    }
    return service
  })

/** Runs what has to be waited for; answers how to call it off. */
const later = <A, E>(effect: Effect.Effect<A, E>, resume: (effect: Effect.Effect<A, E>) => void): (() => void) => {
  const fiber = Effect.runFork(effect)
  fiber.addObserver(resume)
  return () => fiber.interruptUnsafe()
}

/** How long the text of a batch is, in UTF-16 code units. */
const textOf = (batch: ReadonlyArray<Prepared>): number => {
  let length = 0
  for (let i = 0; i < batch.length; i++) length += batch[i]!.text.length
  return length
}

const noneRemoved: Effect.Effect<ReadonlySet<Cursor>> = Effect.succeed(new Set())

const removedOf = (queue: Queue): Effect.Effect<ReadonlySet<Cursor>, StoreCorrupt> =>
  Effect.map(Effect.mapError(queue.restore, ({ message }) => new StoreCorrupt({ where: "what was settled", reason: message })), queue.removed)

const neverHeld = (channel: ChannelId, cursor: Cursor, epoch: number): LeaseLost =>
  new LeaseLost({ channel, cursor, epoch, newestEpoch: null })

const boundsOf = (given: ReadOptions | undefined): { readonly after: Cursor; readonly limit: number } => ({
  after: Math.max(0, Math.floor(given?.after ?? 0) || 0),
  limit: Math.min(Math.max(1, Math.floor(given?.limit ?? pageEventsDefault) || pageEventsDefault), pageEventsMax)
})

const refusing = (message: string): StandardSchemaV1 => ({
  "~standard": { version: 1, vendor: "aaax", validate: () => ({ issues: [{ message }] }) }
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
