// One channel as server-sent events: what is kept behind a cursor, and then what comes, at the client's pace. A slow client
// holds one page and a cursor, nothing more; it resumes by the id of the last event that it saw. A stream is the channel's
// whole log: what others take from it is in it.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { InvalidPayload, Undocked, type ReadError } from "../../../protocol/errors.ts"
import type { Event, Filter, Page } from "../../../protocol/event.ts"
import type { ChannelId, Cursor } from "../../../protocol/names.ts"
import type { Port } from "../../../protocol/port.ts"
import { feedPauseMillis, feedPauseMillisMax, httpPingMillis, streamLookMillis, streamPageEvents } from "../../limits.ts"
import type { StoreService } from "../../store/store.ts"
import { eventStreamHeaders } from "../event-stream.ts"
import { eventText } from "../event-text.ts"
import type { Guest } from "../guest.ts"
import { problem, problemOf } from "../problems.ts"
import { makeWakes, type Wakes } from "../ws/wakes.ts"
import { Reply } from "./handlers.ts"

export interface FollowOptions {
  readonly lastEventId: string | undefined
  readonly after?: Cursor
  readonly last?: number
  readonly filter?: Filter
  /** In place of our own form. */
  readonly textOf?: (event: Event) => string
}

export type Follow = (guest: Guest, port: Port, channel: ChannelId, options: FollowOptions) => Effect.Effect<Reply, ReadError>

/** The id of an event of a stream is its cursor; that of a stream of several channels names the channel before it. */
const cursorIn = (id: string): Cursor | undefined => {
  const text = id.slice(id.lastIndexOf("#") + 1)
  const cursor = Number(text)
  return /^\d{1,16}$/u.test(text) && Number.isSafeInteger(cursor) ? cursor : undefined
}

/** The bytes of a page, for all clients that get the same one: events are the same objects for all who read them live. */
interface Encoded {
  readonly last: Event
  readonly count: number
  readonly bytes: Buffer
}

const encode = (events: ReadonlyArray<Event>, textOf: (event: Event) => string): Buffer => {
  let text = ""
  for (const event of events) text += `id: ${event.cursor}\ndata: ${textOf(event)}\n\n`
  return Buffer.from(text)
}

const alive = ": still here\n\n"
const problemFrame = (told: ReturnType<typeof problemOf>): string => `event: problem\ndata: ${JSON.stringify(told)}\n\n`

type Part = IteratorResult<string | Uint8Array, undefined>
const over: Part = { done: true, value: undefined }

interface World {
  readonly wakes: Wakes
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => { readonly addObserver: (observer: (exit: Exit.Exit<A, E>) => void) => unknown }
}

/** A stream that a client follows. It is asked for its next part when the client has taken the last one. */
class Followed implements AsyncIterator<string | Uint8Array, undefined> {
  readonly #read: (after: Cursor) => Effect.Effect<Page, ReadError>
  readonly #encode: (events: ReadonlyArray<Event>) => Uint8Array
  readonly #world: World
  readonly #left: () => void
  #cursor: Cursor
  /** There may be events behind the cursor. */
  #isDirty = true
  #isBusy = false
  #isOver = false
  #asked: ((part: Part) => void) | undefined
  #saidAt = performance.now()

  constructor(
    world: World, cursor: Cursor, read: (after: Cursor) => Effect.Effect<Page, ReadError>, encodePage: (events: ReadonlyArray<Event>) => Uint8Array,
    left: () => void
  ) {
    this.#world = world
    this.#cursor = cursor
    this.#read = read
    this.#encode = encodePage
    this.#left = left
  }

  next(): Promise<Part> {
    if (this.#isOver) return Promise.resolve(over)
    return new Promise((resolve) => {
      this.#asked = resolve
      this.#pump()
    })
  }

  return(): Promise<Part> {
    this.#end()
    return Promise.resolve(over)
  }

  /** Something was appended. Few streams are served at once; where many follow, what comes one by one goes out together. */
  wake(together: number): void {
    this.#isDirty = true
    if (this.#asked === undefined) return
    const pause = Math.min(feedPauseMillisMax, together * feedPauseMillis)
    const { wakes } = this.#world
    if (pause >= 1 && performance.now() - this.#saidAt < pause) wakes.later(this, () => this.#pump(), pause)
    else wakes.soon(this, () => this.#pump())
  }

  /** Time has passed: says that it is there when it said nothing for long. */
  look(now: number): void {
    if (this.#asked !== undefined && now - this.#saidAt >= httpPingMillis) this.#say({ done: false, value: alive })
  }

  /** Its reader may not go on: the last thing that it is told is why. */
  stop(told: ReturnType<typeof problemOf>): void {
    if (this.#isOver) return
    const asked = this.#asked
    this.#asked = undefined
    this.#end()
    asked?.({ done: false, value: problemFrame(told) })
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#asked?.(over)
    this.#asked = undefined
    this.#left()
  }

  #say(part: Part): void {
    const asked = this.#asked
    this.#asked = undefined
    this.#saidAt = performance.now()
    asked?.(part)
  }

  #pump(): void {
    if (this.#asked === undefined || this.#isBusy || !this.#isDirty || this.#isOver) return
    this.#isBusy = true
    this.#isDirty = false
    this.#world.fork(this.#read(this.#cursor)).addObserver((exit) => {
      this.#isBusy = false
      if (this.#isOver) return
      if (Exit.isFailure(exit)) return this.stop(problemOf(exit.cause))
      const { events, head, next } = exit.value
      // A filter may have looked at so many and come on.
      const isMore = Math.max(next, this.#cursor) < head && (events.length > 0 || next > this.#cursor)
      this.#cursor = Math.max(this.#cursor, next)
      this.#isDirty ||= isMore
      if (events.length > 0) return this.#say({ done: false, value: this.#encode(events) })
      if (this.#isDirty) this.#world.wakes.soon(this, () => this.#pump())
    })
  }

}

/** Opens streams of channels for as long as the scope. */
export const makeFollow = (store: StoreService): Effect.Effect<Follow, never, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.context()
    const world: World = { wakes: makeWakes(store), fork: Effect.runForkWith(context) }
    const streams = new Map<Followed, Guest>()
    const pages = new WeakMap<Event, Encoded>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        setInterval(() => {
          const now = performance.now()
          for (const [stream, guest] of streams) {
            const ended = guest.ended()
            if (ended === undefined) stream.look(now)
            else {
              const gone = new Undocked({ system: guest.system, reason: ended })
              stream.stop(problem(503, gone._tag, gone.message, { system: gone.system, reason: gone.reason }))
            }
          }
        }, streamLookMillis).unref()),
      (timer) =>
        Effect.sync(() => {
          clearInterval(timer)
          world.wakes.close()
          for (const stream of streams.keys()) void stream.return()
        })
    )

    const shared = (events: ReadonlyArray<Event>): Uint8Array => {
      const [first] = events
      const last = events.at(-1)
      if (first === undefined || last === undefined) return Buffer.alloc(0)
      const known = pages.get(first)
      if (known !== undefined && known.last === last && known.count === events.length) return known.bytes
      const bytes = encode(events, eventText)
      pages.set(first, { last, count: events.length, bytes })
      return bytes
    }

    return Effect.fnUntraced(function*(guest, port, channel, { after, filter, last, lastEventId, textOf }) {
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
      const read = (from: Cursor, limit = streamPageEvents): Effect.Effect<Page, ReadError> =>
        port.read(channel, { after: from, limit, fullLog: true, ...(filter === undefined ? {} : { filter }) })
      // Whether it may be read, and from here, is said before the stream begins.
      yield* read(cursor, 1)
      return new Reply({
        status: 200,
        headers: eventStreamHeaders,
        body: {
          [Symbol.asyncIterator]: () => {
            const stream: Followed = new Followed(world, cursor, read, textOf === undefined ? shared : (events) => encode(events, textOf), () => {
              streams.delete(stream)
              off()
            })
            const off = world.wakes.on(channel, (together) => stream.wake(together))
            streams.set(stream, guest)
            return stream
          }
        }
      })
    })
  })
