// Server-sent events: as long as the client stays, at its pace, with a sign of life while nothing happens.
import type * as Context from "effect/Context"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { Event } from "../../protocol/event.ts"
import { httpPingMillis } from "../limits.ts"
import { problemOf } from "./problems.ts"
import type { Answer } from "./surface.ts"

export const eventStreamHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"
}

const encode = (event: Event): string => `id: ${event.channel}#${event.cursor}\ndata: ${JSON.stringify(event)}\n\n`

/** A failure that comes later is the last event, named `problem`. */
export const eventStream = (events: Stream.Stream<Event, unknown>, context: Context.Context<never>): Answer => ({
  status: 200,
  headers: eventStreamHeaders,
  body: Stream.toAsyncIterableWith(
    events.pipe(
      Stream.map(encode),
      Stream.catchCause((cause) => Stream.make(`event: problem\ndata: ${JSON.stringify(problemOf(cause))}\n\n`)),
      Stream.merge(Stream.fromSchedule(Schedule.spaced(httpPingMillis)).pipe(Stream.map(() => ": still here\n\n")), { haltStrategy: "left" })
    ),
    context
  )
})
