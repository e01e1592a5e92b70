// Ask and answer: an event that others answer with its id as correlation, and the wait for what they say.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Scope } from "effect/Scope"
import { TimedOut, type AppendError, type ReadError } from "../protocol/errors.ts"
import type { Appended, Event } from "../protocol/event.ts"
import type { ChannelId, Cursor } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import { finalReplies } from "../protocol/warrant.ts"
import { kernelReplies } from "../protocol/well-known.ts"
import { headOf } from "./channel.ts"

/** Longest wait for an answer that is not said otherwise, in milliseconds. */
export const askMillisDefault = 30_000

/** Pause after a failed read of the replies, in milliseconds. */
const pauseMillis = 50

/** Gives a value when this reply is the answer, `undefined` when it is to be waited on. */
export type Accept<A, E> = (reply: Event) => Effect.Effect<A, E> | undefined

type Failure = ReadError | AppendError

interface Waiter {
  readonly offer: (reply: Event) => void
  readonly fail: (error: Failure) => void
}

/** The replies in one channel, read once for everybody who waits. */
export interface Replies {
  /**
   * Sends a request and waits for its answer. `repeated`: the request may have been sent before, so that its answer
   * may be an old one.
   */
  readonly ask: <A, E, E2>(request: {
    readonly send: Effect.Effect<Appended, E2>
    readonly accept: Accept<A, E>
    readonly repeated: boolean
    readonly timeoutMillis: number
    readonly what: string
  }) => Effect.Effect<A, E | E2 | ReadError | AppendError | TimedOut>
}

/** Lives as long as its scope: one fiber that reads while somebody waits. */
export const makeReplies = (port: Port, channel: ChannelId): Effect.Effect<Replies, never, Scope> =>
  Effect.gen(function*() {
    const waiters = new Map<string, Set<Waiter>>()
    /** Requests under way whose id is not known yet, and the replies that came meanwhile. */
    let sending = 0
    let early: Array<Event> = []
    let after: Cursor | undefined
    const needed = yield* Latch.make(false)

    const turn: Effect.Effect<void, ReadError> = Effect.gen(function*() {
      yield* Latch.whenOpen(needed, Effect.void)
      const position = after ?? 0
      yield* port.awaitBeyond(channel, position)
      const page = yield* Effect.catchTag(port.read(channel, { after: position, limit: 1_000, fullLog: true }), "Gap", (gap) =>
        Effect.succeed({ events: [], next: gap.floor, head: gap.floor }))
      after = Math.max(position, page.next, page.events.length === 0 ? page.head : 0)
      for (const event of page.events) {
        const found = event.correlationId === null ? undefined : waiters.get(event.correlationId)
        if (found === undefined) {
          if (sending > 0) early.push(event)
        } else for (const waiter of found) waiter.offer(event)
      }
    })
    const loop = Effect.catch(Effect.forever(turn), (error) =>
      Effect.andThen(
        Effect.sync(() => {
          for (const set of waiters.values()) for (const waiter of set) waiter.fail(error)
        }),
        Effect.sleep(pauseMillis)
      ))
    yield* Effect.forkScoped(Effect.forever(loop))

    const idle = (): void => {
      if (sending > 0) return
      early = []
      if (waiters.size === 0) Latch.closeUnsafe(needed)
    }

    const old = (id: string, waiter: Waiter): Effect.Effect<void, ReadError> => {
      const readFrom = (from: Cursor): Effect.Effect<void, ReadError> =>
        Effect.flatMap(
          Effect.catchTag(port.read(channel, { after: from, filter: { correlationId: id }, limit: 1_000, fullLog: true }), "Gap", (gap) =>
            port.read(channel, { after: gap.floor, filter: { correlationId: id }, limit: 1_000, fullLog: true })),
          (page) => {
            for (const event of page.events) waiter.offer(event)
            return page.next < page.head && page.next > from ? readFrom(page.next) : Effect.void
          }
        )
      return readFrom(0)
    }

    const ask: Replies["ask"] = ({ send, accept, repeated, timeoutMillis, what }) => {
      type A = Effect.Success<NonNullable<ReturnType<typeof accept>>>
      type E = Effect.Error<NonNullable<ReturnType<typeof accept>>>
      return Effect.suspend(() => {
        const answer = Deferred.makeUnsafe<A, E | Failure>()
        const waiter: Waiter = {
          offer: (reply) => {
            const accepted = accept(reply)
            if (accepted !== undefined) Deferred.doneUnsafe(answer, accepted)
          },
          fail: (error) => void Deferred.doneUnsafe(answer, Effect.fail(error))
        }
        let id: string | undefined
        const leave = (): void => {
          const set = id === undefined ? undefined : waiters.get(id)
          set?.delete(waiter)
          if (id !== undefined && set?.size === 0) waiters.delete(id)
          idle()
        }
        const enter = (appended: Appended): void => {
          id = appended.id
          const set = waiters.get(id) ?? new Set()
          waiters.set(id, set.add(waiter))
          for (const reply of early) if (reply.correlationId === id) waiter.offer(reply)
        }
        sending += 1
        let sent = false
        const unsend = (): void => {
          if (sent) return
          sent = true
          sending -= 1
        }
        return Effect.gen(function*() {
          // The position is taken before the request goes out, so that its answer lies behind it.
          if (after === undefined) after = yield* headOf(port, channel)
          Latch.openUnsafe(needed)
          const appended = yield* send
          enter(appended)
          unsend()
          if (repeated) yield* old(appended.id, waiter)
          return yield* Effect.timeoutOrElse(Deferred.await(answer), {
            duration: timeoutMillis,
            orElse: () => Effect.fail(new TimedOut({ what, millis: timeoutMillis }))
          })
        }).pipe(Effect.ensuring(Effect.sync(() => {
          unsend()
          leave()
        })))
      })
    }
    return { ask }
  })

/** The first final word of the kernel; on other channels the first reply. */
export const firstAnswer = (channel: ChannelId): Accept<Event, never> => (reply) =>
  channel !== kernelReplies || finalReplies.has(reply.kind) ? Effect.succeed(reply) : undefined
