// One channel as server-sent events: what is kept behind a cursor, and then what comes, at the client's pace. A slow client
// holds one page and a cursor, nothing more; it resumes by the id of the last event that it saw.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { InvalidPayload, type ReadError } from "../../../protocol/errors.ts"
import type { Event, Filter, Page } from "../../../protocol/event.ts"
import type { ChannelId, Cursor } from "../../../protocol/names.ts"
import type { Port } from "../../../protocol/port.ts"
import { httpPingMillis, streamPageEvents } from "../../limits.ts"
import type { StoreService } from "../../store/store.ts"
import { eventStreamHeaders } from "../event-stream.ts"
import { problemOf } from "../problems.ts"
import { Reply } from "./handlers.ts"

export interface FollowOptions {
  readonly lastEventId: string | undefined
  readonly after?: Cursor
  readonly last?: number
  readonly filter?: Filter
  readonly textOf: (event: Event) => string
}

/** The id of an event of a stream is its cursor; that of a stream of several channels names the channel before it. */
const cursorIn = (id: string): Cursor | undefined => {
  const text = id.slice(id.lastIndexOf("#") + 1)
  const cursor = Number(text)
  return /^\d{1,16}$/u.test(text) && Number.isSafeInteger(cursor) ? cursor : undefined
}

/** One frame for all clients that are at the same event. */
const frames = new WeakMap<Event, string>()

const frameOf = (event: Event, textOf: FollowOptions["textOf"], isShared: boolean): string => {
  const known = isShared ? frames.get(event) : undefined
  if (known !== undefined) return known
  const frame = `id: ${event.cursor}\ndata: ${textOf(event)}\n\n`
  if (isShared) frames.set(event, frame)
  return frame
}

export const follow = Effect.fnUntraced(function*(
  port: Port, store: StoreService, channel: ChannelId, options: FollowOptions, eventText: FollowOptions["textOf"]
): Effect.fn.Return<Reply, ReadError> {
  const { after, filter, last, lastEventId, textOf } = options
  let cursor = after ?? 0
  if (lastEventId !== undefined && lastEventId !== "") {
    const resumed = cursorIn(lastEventId)
    if (resumed === undefined) return yield* new InvalidPayload({ what: "header", path: "last-event-id", reason: "it is not the id of an event of this stream" })
    cursor = resumed
  } else if (after === undefined && last !== undefined) {
    const { floor = 0, head = 0 } = store.statisticsOf(channel) ?? {}
    // Cursors may have holes, so this may be fewer than asked for, never more.
    cursor = Math.max(floor, head - last)
  }
  const isShared = textOf === eventText
  const read = (): Effect.Effect<Page, ReadError> => port.read(channel, { after: cursor, limit: streamPageEvents, ...(filter === undefined ? {} : { filter }) })
  // Whether it may be read, and from here, is said before the stream begins.
  let first: Page | undefined = yield* read()

  const encode = ({ events, next }: Page): string => {
    let text = ""
    for (const event of events) text += frameOf(event, textOf, isShared)
    cursor = Math.max(cursor, next)
    return text
  }
  const more: Effect.Effect<string, Effect.Error<ReturnType<Port["awaitBeyond"]>> | ReadError> = Effect.suspend(() => {
    const page = first
    first = undefined
    return Effect.flatMap(page === undefined ? read() : Effect.succeed(page), (found) => {
      const text = encode(found)
      return text === "" ? Effect.flatMap(port.awaitBeyond(channel, cursor, found.held), () => more) : Effect.succeed(text)
    })
  })
  const next = Effect.map(Effect.timeoutOption(more, httpPingMillis), Option.getOrElse(() => ": still here\n\n"))
  const context = yield* Effect.context()
  const fork = Effect.runForkWith(context)

  let isOver = false
  let running: Fiber.Fiber<string, unknown> | undefined
  const iterator: AsyncIterator<string> = {
    next: () => {
      if (isOver) return Promise.resolve({ done: true, value: undefined })
      const fiber = fork(next)
      running = fiber
      return new Promise((resolve) => {
        fiber.addObserver((exit) => {
          running = undefined
          if (Exit.isSuccess(exit)) return resolve({ done: false, value: exit.value })
          isOver = true
          resolve(
            Cause.hasInterruptsOnly(exit.cause)
              ? { done: true, value: undefined }
              : { done: false, value: `event: problem\ndata: ${JSON.stringify(problemOf(exit.cause))}\n\n` }
          )
        })
      })
    },
    return: () => {
      isOver = true
      running?.interruptUnsafe()
      return Promise.resolve({ done: true, value: undefined })
    }
  }
  return new Reply({ status: 200, headers: eventStreamHeaders, body: { [Symbol.asyncIterator]: () => iterator } })
})
