// A worker: takes items of a queue, holds them while it works, and settles each exactly as its handler ended.
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { WrongDelivery, type AppendUnknown, type ChannelNotFound, type Denied, type ReadError, type StoreUnavailable } from "../protocol/errors.ts"
import type { Cursor } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import type { Settlement, Taken } from "../protocol/subscription.ts"
import type { Reader, Received } from "./channel.ts"
import { makeSettler, retryMillis } from "./settler.ts"

/** Thrown by a handler: this item can never be handled. It goes to the dead letters at once, with the reason. */
export class Poison extends Data.TaggedError("Poison")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/** Thrown by a handler: not now. The item goes back and is not offered before `delayMillis`. */
export class Later extends Data.TaggedError("Later")<{ readonly reason: string; readonly delayMillis: number }> {
  override get message(): string {
    return this.reason
  }
}

export interface WorkOptions {
  /** Handlers under way at once; default 1. */
  readonly concurrency?: number
  /** Most items taken at once; default 32. As many as there are free handlers, and more only while they are quick. */
  readonly batch?: number
  /** Pause before a failed item is offered again, doubled with each attempt; default 200 ms, at most a minute. */
  readonly backoffMillis?: number
  /** How long handlers may take to end once it is asked to stop; what has not ended then is handed back. */
  readonly graceMillis?: number
}

export type WorkError = ReadError | WrongDelivery | AppendUnknown | StoreUnavailable | ChannelNotFound | Denied

/** What a handler is told beside the event. */
export interface Item<T> {
  readonly event: Received<T>
  /** 1 for the first delivery. */
  readonly attempt: number
}

const batchDefault = 32
const backoffMillisDefault = 200
const backoffMillisMax = 60_000
const graceMillisDefault = 5_000
const reasonLengthMax = 500
/** A batch that is done within this time may be larger the next time, a slower one smaller, so that workers share. */
const batchMillis = 250

interface Held {
  readonly taken: Taken
  /** Set once the handler runs. */
  fiber?: Fiber.Fiber<void>
  /** Another holder took over: nothing may be settled any more. */
  lost: boolean
  /** Its handler has ended. */
  ended: boolean
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).slice(0, reasonLengthMax)

/**
 * Works until `stop` completes or the effect is interrupted; then takes nothing more, hands back at once what was not
 * begun, waits `graceMillis` for what was, and hands back the rest.
 */
export const work = <T, E>(
  port: Port, reader: Reader<T>, handler: (item: Item<T>) => Effect.Effect<unknown, E>, stop: Effect.Effect<void>, options: WorkOptions = {}
): Effect.Effect<void, WorkError> =>
  Effect.scoped(Effect.gen(function*() {
    const channel = reader.name
    const scope = yield* Effect.scope
    const concurrency = Math.max(1, options.concurrency ?? 1)
    const batch = Math.max(concurrency, options.batch ?? batchDefault)
    const spec = (yield* port.channels).find((known) => known.name === channel)
    if (spec !== undefined && spec.delivery === "latest") {
      return yield* new WrongDelivery({ channel, delivery: spec.delivery, operation: "take", instead: "subscribe" })
    }
    const held = new Map<Cursor, Held>()
    const waiting: Array<Held> = []
    const settler = yield* makeSettler(port, channel)
    let stopping = false
    /** Completed when a handler ended, so that the next item can begin. */
    let ended = Deferred.makeUnsafe<void>()
    let running = 0

    const settlementOf = (item: Taken, exit: Exit.Exit<unknown, unknown>): Settlement => {
      const at = { cursor: item.cursor, epoch: item.epoch }
      if (Exit.isSuccess(exit)) return { ...at, outcome: "ack" }
      if (Cause.hasInterruptsOnly(exit.cause)) return { ...at, outcome: "nack", reason: "the worker was stopped" }
      const error = Cause.squash(exit.cause)
      if (error instanceof Poison) return { ...at, outcome: "dead", reason: reasonOf(error) }
      if (stopping) return { ...at, outcome: "nack", reason: reasonOf(error) }
      const delayMillis = error instanceof Later
        ? error.delayMillis
        : Math.min(backoffMillisMax, (options.backoffMillis ?? backoffMillisDefault) * 2 ** Math.min(20, item.attempt - 1))
      return { ...at, outcome: "nack", reason: reasonOf(error), delayMillis }
    }

    const handle = (item: Held): Effect.Effect<void> =>
      Effect.gen(function*() {
        const { event, attempt } = item.taken
        // A payload that the schema refuses will be refused every time.
        const checked = Effect.mapError(reader.check(event), (error) => new Poison({ reason: error.message }))
        const exit = yield* Effect.exit(Effect.flatMap(checked, (received) => handler({ event: received, attempt })))
        const settled = item.lost ? Effect.void : settler.settle(settlementOf(item.taken, exit))
        // The next one may begin: when it has to be taken first, this end goes along with the take.
        free(item)
        yield* settled
      }).pipe(Effect.onExit((exit) =>
        Effect.gen(function*() {
          if (Exit.isFailure(exit) && !item.lost) yield* Effect.ignore(giveBack(port, channel, [item.taken], "the worker was stopped"))
          held.delete(item.taken.cursor)
          free(item)
        })))

    const free = (item: Held): void => {
      if (item.ended) return
      item.ended = true
      running -= 1
      const before = ended
      ended = Deferred.makeUnsafe<void>()
      Deferred.doneUnsafe(before, Effect.void)
    }

    // One loop renews whatever is held.
    const renew = Effect.gen(function*() {
      yield* Effect.sleep(Math.max(1, Math.floor((spec?.leaseMillis ?? 300_000) / 3)))
      for (const item of held.values()) {
        yield* Effect.catch(port.renew(channel, item.taken.cursor, item.taken.epoch), (error) => {
          if (error._tag !== "LeaseLost") return Effect.void
          item.lost = true
          held.delete(item.taken.cursor)
          const at = waiting.indexOf(item)
          if (at >= 0) waiting.splice(at, 1)
          return item.fiber === undefined ? Effect.void : Fiber.interrupt(item.fiber)
        })
      }
    })

    const begin = Effect.gen(function*() {
      while (running < concurrency) {
        const item = waiting.shift()
        if (item === undefined) return
        running += 1
        // Not a child of the loop: handlers outlive it while they may still end by themselves.
        item.fiber = yield* Effect.forkIn(handle(item), scope, { startImmediately: true })
      }
    })

    let limit = concurrency
    let takenAt = 0
    let takenItems = 0
    const take: Effect.Effect<void, WorkError> = Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      if (takenItems >= limit) limit = now - takenAt < batchMillis ? Math.min(batch, limit * 2) : Math.max(concurrency, limit >> 1)
      // One call for what has ended and for what comes next; it waits for items only when there is nothing to end.
      const group = yield* settler.join
      const most = Math.max(1, limit - running)
      const taking = group.length === 0
        ? port.take(channel, { limit: most, wait: true })
        : Effect.onExit(port.take(channel, { limit: most, settle: group.map(({ settlement }) => settlement) }), (exit) => settler.joined(group, exit))
      const items = yield* taking.pipe(
        // Not kept, or not known to be: nothing was handed over, and the next take sees what is there.
        Effect.catchTag(["StoreUnavailable", "AppendUnknown"], () => Effect.as(Effect.sleep(retryMillis), [])),
        Effect.catchTag("LeaseLost", (lost) => Effect.as(Effect.logDebug(lost.message), []))
      )
      takenAt = yield* Clock.currentTimeMillis
      takenItems = items.length + running
      for (const taken of items) {
        const item: Held = { taken, lost: false, ended: false }
        held.set(taken.cursor, item)
        waiting.push(item)
      }
    })

    const loop = Effect.gen(function*() {
      for (;;) {
        if (waiting.length === 0 && running < concurrency) yield* take
        yield* begin
        if (running >= concurrency) yield* Deferred.await(ended)
      }
    })

    const handBack = Effect.suspend(() => {
      stopping = true
      const unbegun = waiting.splice(0)
      for (const item of unbegun) held.delete(item.taken.cursor)
      return Effect.ignore(giveBack(port, channel, unbegun.map((item) => item.taken), "the worker was stopped"))
    })
    const fibers = (): Array<Fiber.Fiber<void>> => [...held.values()].flatMap((item) => (item.fiber === undefined ? [] : [item.fiber]))

    yield* Effect.forkScoped(Effect.forever(renew))
    // Asked to stop: handlers may end by themselves. However it ends, nothing that is held is forgotten.
    yield* Effect.raceFirst(loop, stop).pipe(
      Effect.ensuring(handBack),
      Effect.andThen(Effect.suspend(() => Effect.timeoutOption(Fiber.awaitAll(fibers()), options.graceMillis ?? graceMillisDefault))),
      Effect.ensuring(Effect.suspend(() => Fiber.interruptAll(fibers())))
    )
  }))

const giveBack = (port: Port, channel: string, items: ReadonlyArray<Taken>, reason: string): Effect.Effect<void, unknown> =>
  items.length === 0
    ? Effect.void
    : Effect.asVoid(Effect.timeoutOption(
        port.settle(channel, items.map((item) => ({ cursor: item.cursor, epoch: item.epoch, outcome: "nack" as const, reason }))),
        1_000
      ))
