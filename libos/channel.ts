// A typed channel over a port: checked payloads in, checked payloads out, pages pulled at the reader's own pace.
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { AppendError, InvalidPayload, ReadError } from "../protocol/errors.ts"
import type { Appended, Draft, Event, Filter, Page as EventPage } from "../protocol/event.ts"
import type { ChannelId, Cursor, SystemId } from "../protocol/names.ts"
import type { AppendOptions, Port, ReadOptions } from "../protocol/port.ts"
import type { StandardSchemaV1 } from "../protocol/standard-schema.ts"
import { passOver } from "./pass-over.ts"
import { awaitMore, doneUpTo, givenBack, passed as passedOver, positionAt, type Position } from "./position.ts"
import { validate } from "./payload.ts"

/** An event whose payload was checked by the reader's schema. */
export type Received<T> = Omit<Event, "payload"> & { readonly payload: T }

export interface WriteOptions<T = unknown> {
  /** Makes the append repeatable: same key and content give the first result. */
  readonly key?: string
  readonly expectedHead?: Cursor
  readonly id?: string
  readonly kind?: string
  /** Events that caused this one. */
  readonly parents?: ReadonlyArray<string>
  /** Of an answer: that of what it answers, none included. */
  readonly correlationId?: string | null
  readonly recipient?: SystemId | null
  /** What it is about, or how to tell it from each payload of a batch. */
  readonly subject?: string | ((payload: T) => string)
  readonly labels?: ReadonlyArray<string>
  readonly metadata?: Readonly<Record<string, unknown>>
  /** W3C trace context; in a handler that of the event that is handled, unless another is given. */
  readonly traceparent?: string | null
  /** With a key: wait and repeat until it is kept, also while the store takes no writes. */
  readonly surely?: boolean
}

/** Pages that are read ahead by one pull. */
const pageEvents = 256
const retryMillisFirst = 10
const retryMillisMax = 1_000
/** Repetitions of an append that is not `surely`; with the growing pause about half a minute. */
const retriesMax = 36

/**
 * Appends, waiting out an overload, and repeating an unknown outcome that has a key until the answer is definite.
 * An unknown outcome without a key is given to the caller, who alone can judge it.
 */
export const appendTo = (
  port: Port, channel: ChannelId, drafts: ReadonlyArray<Draft>, options: AppendOptions & { readonly surely?: boolean } = {}
): Effect.Effect<ReadonlyArray<Appended>, AppendError> => {
  const { surely = false, ...appendOptions } = options
  const attempt = (tries: number, pause: number): Effect.Effect<ReadonlyArray<Appended>, AppendError> =>
    Effect.catch(port.append(channel, drafts, appendOptions), (error) => {
      const repeatable =
        error._tag === "Overloaded" ||
        (error._tag === "AppendUnknown" && appendOptions.key !== undefined) ||
        (error._tag === "StoreUnavailable" && surely && appendOptions.key !== undefined)
      if (!repeatable || (!surely && tries >= retriesMax)) return Effect.fail(error)
      const millis = error._tag === "Overloaded" ? Math.max(1, error.retryAfterMillis) : pause
      return Effect.andThen(Effect.sleep(millis), attempt(tries + 1, Math.min(pause * 2, retryMillisMax)))
    })
  return attempt(0, retryMillisFirst)
}

export interface Writer {
  readonly name: ChannelId
  readonly append: (payloads: ReadonlyArray<unknown>, options?: WriteOptions) => Effect.Effect<ReadonlyArray<Appended>, AppendError>
}

/** A channel to append to. `schema` checks what is given; what is given is what is kept. */
export const makeWriter = (port: Port, name: ChannelId, kind?: string, schema?: StandardSchemaV1): Writer => ({
  name,
  append: (payloads, options = {}) => {
    const { key, expectedHead, surely, parents, subject, ...envelope } = options
    const draft = (payload: unknown): Draft => ({
      ...(kind === undefined ? {} : { kind }),
      ...envelope,
      ...(parents === undefined ? {} : { parentIds: parents }),
      ...(subject === undefined ? {} : { subject: typeof subject === "string" ? subject : subject(payload) }),
      payload
    })
    const append = appendTo(port, name, payloads.map(draft), {
      ...(key === undefined ? {} : { key }),
      ...(expectedHead === undefined ? {} : { expectedHead }),
      ...(surely === undefined ? {} : { surely })
    })
    if (schema === undefined) return append
    return Effect.andThen(
      Effect.forEach(payloads, (payload) => validate(schema, `payload for ${name}`, payload), { discard: true }), append
    )
  }
})

export interface Page<T> {
  readonly events: ReadonlyArray<Received<T>>
  readonly next: Cursor
  readonly head: Cursor
}

export interface FollowOptions {
  /** Events behind this cursor. With a durable name: where it starts when it is new. */
  readonly after?: Cursor
  /** The oldest event, only what comes now, or the name of a durable subscription of this system. */
  readonly from?: "start" | "now" | (string & {})
  readonly filter?: Filter
  /** Also what somebody took or settled, where a log takes exclusive reads. */
  readonly fullLog?: boolean
  /** When retention evicted what comes next: fail with the typed gap, or read on from what is left. */
  readonly gap?: "fail" | "continue"
}

/** A position in a channel that pulls pages. */
export interface Follower<T> {
  /** The next page that has events; waits for it without polling. */
  readonly pull: Effect.Effect<ReadonlyArray<Received<T>>, ReadError>
  /** Remembers, for a durable follower, that everything up to this cursor was handled. */
  readonly advance: (cursor: Cursor) => Effect.Effect<void, ReadError>
}

/** A channel to read. An event whose payload its schema refuses is passed over with a warning: see `check`. */
export interface Reader<T> {
  readonly name: ChannelId
  readonly read: (options?: ReadOptions) => Effect.Effect<Page<T>, ReadError>
  readonly follow: (options?: FollowOptions) => Follower<T>
  /** Events in order, without end. A durable name remembers a page when the next one is asked for. */
  readonly stream: (options?: FollowOptions) => Stream.Stream<Received<T>, ReadError>
  /** What the schema makes of an event; fails where the others pass over. */
  readonly check: (event: Event) => Effect.Effect<Received<T>, InvalidPayload>
}

/** A channel to read. `T` is what `schema` makes of a payload; without one it is what the caller says. */
export const makeReader = <T>(port: Port, name: ChannelId, schema?: StandardSchemaV1): Reader<T> => {
  const check = (event: Event): Effect.Effect<Received<T>, InvalidPayload> =>
    schema === undefined
      // Without a schema nothing is known, and T is `unknown` or the caller's own word.
      ? Effect.succeed(event as Received<T>)
      // `schema` is the one that T was taken from.
      : Effect.map(validate(schema, `payload of ${name}#${event.cursor}`, event.payload), (payload) => ({ ...event, payload: payload as T }))
  /** One by one only when one of them is refused. */
  const checkAll = (events: ReadonlyArray<Event>): Effect.Effect<ReadonlyArray<Received<T>>> =>
    schema === undefined
      ? Effect.succeed(events as ReadonlyArray<Received<T>>)
      : Effect.catch(Effect.forEach(events, check), () =>
          Effect.map(
            Effect.forEach(events, (event) => Effect.catch(check(event), (error) => passOver(port, event, error))),
            (checked) => checked.filter((event) => event !== undefined)
          ))

  const read = (options: ReadOptions = {}): Effect.Effect<Page<T>, ReadError> =>
    Effect.flatMap(port.read(name, options), (page) => Effect.map(checkAll(page.events), (events) => ({ events, next: page.next, head: page.head })))

  const follow = (options: FollowOptions = {}): Follower<T> => {
    const durable = options.from === undefined || options.from === "start" || options.from === "now" ? undefined : options.from
    let position: Position | undefined
    /** The newest event that was handed out, that was said to be handled, and that was passed over behind them. */
    let given: Cursor = 0
    let handled: Cursor = 0
    let passed: Cursor = 0
    /** Older ones that came back to it and are not handled yet. */
    const open = new Set<Cursor>()

    const start: Effect.Effect<Cursor, ReadError> = Effect.suspend((): Effect.Effect<Cursor, ReadError> => {
      if (durable !== undefined) {
        return Effect.catchTag(
          Effect.map(port.subscription(durable, name, options.after ?? 0), (subscription) => subscription.cursor),
          "StoreUnavailable", () => Effect.andThen(Effect.sleep(retryMillisMax), start)
        )
      }
      if (options.after !== undefined) return Effect.succeed(options.after)
      return options.from === "now" ? headOf(port, name) : Effect.succeed(0)
    })
    // "From the start" means from the oldest that is left, so nothing that it promised is missing.
    const fromOldest = options.after === undefined && (options.from === undefined || options.from === "start")
    const wishes = {
      ...(options.filter === undefined ? {} : { filter: options.filter }), ...(options.fullLog === true ? { fullLog: true } : {})
    }

    const keep = (cursor: Cursor): Effect.Effect<void, ReadError> =>
      durable === undefined || position === undefined
        ? Effect.void
        // A position that cannot be kept now is kept with a later one; until then events would come again, not be lost.
        : Effect.catchTag(port.advance(durable, name, doneUpTo(position, cursor, open)), "StoreUnavailable", () => Effect.void)

    const pull: Effect.Effect<ReadonlyArray<Received<T>>, ReadError> = Effect.gen(function*() {
      let first = position === undefined
      const here = position ?? positionAt(yield* start)
      position = here
      for (;;) {
        if (here.held.size > 0) {
          const back = yield* checkAll(yield* givenBack(port, name, here, pageEvents, options.filter))
          if (back.length > 0) {
            for (const event of back) open.add(event.cursor)
            return back
          }
        }
        const from = here.after
        const page: EventPage = yield* Effect.catchTag(
          port.read(name, { after: from, limit: pageEvents, ...wishes }),
          "Gap",
          (gap) => {
            if (options.gap !== "continue" && !(first && fromOldest)) return Effect.fail(gap)
            return Effect.succeed({ events: [], next: gap.floor, head: gap.floor + 1 })
          }
        )
        first = false
        const events = yield* checkAll(page.events)
        const last = page.events.at(-1)?.cursor ?? 0
        const lastGiven = events.at(-1)?.cursor ?? 0
        if (last > lastGiven) passed = last
        passedOver(here, page)
        if (events.length > 0) {
          given = lastGiven
          return events
        }
        // There is nothing to handle in this page; it need not come again when all before it is handled.
        if (passed === last && last > 0 && handled >= given) yield* keep(passed)
        // Nothing for this reader up to the head: only a newer head, or what is given back, can bring something.
        if (here.after >= page.head || here.after === from) yield* awaitMore(port, name, here, page.head)
      }
    })
    const advance = (cursor: Cursor): Effect.Effect<void, ReadError> =>
      Effect.suspend(() => {
        handled = Math.max(handled, cursor)
        for (const back of open) if (back <= cursor) open.delete(back)
        return keep(handled >= given ? Math.max(handled, passed) : handled)
      })
    return { pull, advance }
  }

  return {
    name,
    read,
    follow,
    check,
    stream: (options) =>
      Stream.unwrap(Effect.sync(() => {
        const follower = follow(options)
        let handled: Cursor | undefined
        return Stream.fromIterableEffectRepeat(Effect.gen(function*() {
          if (handled !== undefined) yield* follower.advance(handled)
          const events = yield* follower.pull
          handled = events[events.length - 1]?.cursor
          return events
        }))
      }))
  }
}

/** The newest cursor of a channel. */
export const headOf = (port: Port, name: ChannelId): Effect.Effect<Cursor, ReadError> =>
  Effect.map(
    Effect.catchTag(port.read(name, { limit: 1 }), "Gap", (gap) => port.read(name, { after: gap.floor, limit: 1 })),
    (page) => page.head
  )
