// A seat: one system's place at one channel. It reads, claims, settles and subscribes over the system's own port, so who reads
// and who holds a lease is whoever the kernel stamped, and nobody else.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { canTake, type Channel } from "../../protocol/channel.ts"
import { ChannelNotFound, InvalidPayload, WrongDelivery, type LeaseLost } from "../../protocol/errors.ts"
import type { Appended, Draft } from "../../protocol/event.ts"
import { messageOf, type ChannelMessage } from "../../protocol/message.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import type { AppendOptions } from "../../protocol/port.ts"
import type { Settlement } from "../../protocol/subscription.ts"
import { appendTo, headOf, makeReader } from "../channel.ts"
import { doneUpTo, givenBack, passed, positionAt, type Position } from "../position.ts"
import type { Session } from "../surface.ts"
import { makeKept, type Kept } from "./kept.ts"

/** What a subscriber is called with. What it throws is logged; the next message comes all the same. */
export type Callback<Content extends object> = (message: ChannelMessage<Content>) => Promise<unknown> | unknown

/**
 * Where a subscription begins: with what comes now, with the oldest message, behind what this system has read, or with what was
 * written since the channel started this time.
 */
export type From = "now" | "start" | "read" | "run"

export interface NackOptions {
  readonly delayMillis?: number
  readonly reason?: string
}

export interface Seat<Content extends object> extends Kept<Content> {
  readonly system: SystemId
  readonly channel: ChannelId
  readonly append: (draft: Draft, options?: AppendOptions & { readonly surely?: boolean }) => Promise<Appended>
  /** The next messages of this system's own cursor. What it returned counts as handled when the next read is asked for. */
  readonly read: (limit: number, after?: string) => Promise<ReadonlyArray<ChannelMessage<Content>>>
  readonly claim: (limit: number) => Promise<ReadonlyArray<ChannelMessage<Content>>>
  /** Ends the claims of these messages and answers how many there were. An id that is not claimed here changes nothing. */
  readonly acknowledge: (ids: ReadonlyArray<string>) => Promise<number>
  readonly nack: (ids: ReadonlyArray<string>, options?: NackOptions) => Promise<number>
  /** A number: behind this cursor. */
  readonly subscribe: (callback: Callback<Content>, from: Exclude<From, "run"> | Cursor) => Promise<void>
  readonly unsubscribe: () => void
  /** Remembers how far it read, and ends its subscription. */
  readonly close: () => Promise<void>
}

/** Claims that one seat remembers; the kernel hands out no more of one channel. */
const claimsMax = 16_384
const settlementsMax = 1_000
/** Messages of one read. */
const readMax = 1_000
/** A reader's place is remembered at most so often while it reads. */
const keepMillis = 250
/** The name of the cursor that is kept for a system's shared reads. */
const readsName = "messages"

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && "then" in value

interface Claim {
  readonly cursor: Cursor
  readonly epoch: number
}

const seats = new WeakMap<Session, Map<ChannelId, Seat<never>>>()

/** The one seat of a system at a channel, for as long as the system runs. `resting` is pending for as long as it is paused. */
export const seatAt = <Content extends object>(
  session: Session, name: ChannelId, resting: () => Promise<void> | undefined
): Seat<Content> => {
  const known = seats.get(session) ?? new Map<ChannelId, Seat<never>>()
  seats.set(session, known)
  // Each caller's word for the content of the same messages; nothing of it is there when it runs.
  const seat = known.get(name) as unknown as Seat<Content> | undefined ?? makeSeat<Content>(session, name, resting)
  known.set(name, seat as unknown as Seat<never>)
  return seat
}

const makeSeat = <Content extends object>(
  session: Session, name: ChannelId, resting: () => Promise<void> | undefined
): Seat<Content> => {
  const { bridge, port } = session
  const claims = new Map<string, Claim>()
  const serial = Semaphore.makeUnsafe(1)
  let spec: Channel | undefined
  let position: Position | undefined
  let kept: Cursor = 0
  let keptAt = performance.now()
  let subscriber: AbortController | undefined

  /** What the channel's schema let in is what its class says; without one the author says it. */
  const asContent = (message: ChannelMessage): ChannelMessage<Content> => message as unknown as ChannelMessage<Content>

  const channel = Effect.suspend(() =>
    spec === undefined
      ? Effect.flatMap(port.channels, (channels) => {
          spec = channels.find((known) => known.name === name)
          if (spec !== undefined) return Effect.succeed(spec)
          // The kernel says what is wrong: that there is none, or that this system is not wired to it and how to ask.
          return Effect.andThen(port.read(name, { limit: 1 }), Effect.fail(new ChannelNotFound({ channel: name })))
        })
      : Effect.succeed(spec))

  const checkLimit = (limit: number): Effect.Effect<void, InvalidPayload> =>
    Number.isSafeInteger(limit) && limit >= 1 && limit <= readMax
      ? Effect.void
      : Effect.fail(new InvalidPayload({ what: `read of ${name}`, path: "limit", reason: `must be a whole number from 1 to ${readMax}` }))

  const here = Effect.suspend(() =>
    position === undefined
      ? Effect.map(port.subscription(readsName, name), ({ cursor }) => {
          kept = cursor
          return (position ??= positionAt(cursor))
        })
      : Effect.succeed(position))

  /** Whatever earlier reads returned was handled, or the next one would not be asked for. Quick readers are noted now and then. */
  const keep = (isLast: boolean) => Effect.suspend(() => {
    if (position === undefined || (!isLast && performance.now() - keptAt < keepMillis)) return Effect.void
    const done = doneUpTo(position, position.after)
    if (done <= kept) return Effect.void
    keptAt = performance.now()
    // Not kept now means that it comes again after a crash, not that it is lost.
    return port.advance(readsName, name, done).pipe(
      Effect.map(() => void (kept = done)),
      Effect.catchTag("StoreUnavailable", () => Effect.void)
    )
  })

  const cursorOf = (id: string) =>
    Effect.flatMap(port.event(id), (event) =>
      event.channel === name
        ? Effect.succeed(event.cursor)
        : Effect.fail(new InvalidPayload({ what: `read of ${name}`, path: "after", reason: `${id} is a message of ${event.channel}` })))

  const read = (limit: number, after?: string) =>
    Effect.gen(function*() {
      yield* checkLimit(limit)
      const { delivery } = yield* channel
      if (delivery === "exclusive") {
        return yield* new WrongDelivery({ channel: name, delivery, operation: "a shared read", instead: "an exclusive read" })
      }
      const at = yield* here
      yield* keep(false)
      if (after !== undefined) {
        at.after = yield* cursorOf(after)
        at.held.clear()
      }
      const events = at.held.size === 0 ? [] : [...(yield* givenBack(port, name, at, limit))]
      for (let from = -1; events.length < limit && from < at.after;) {
        from = at.after
        const page = yield* Effect.catchTag(port.read(name, { after: from, limit: limit - events.length }), "Gap", (gap) =>
          Effect.as(Effect.logWarning(gap.message), { events: [], next: gap.floor, head: gap.floor + 1 }))
        passed(at, page)
        for (const event of page.events) events.push(event)
        if (at.after >= page.head) break
      }
      return events.map((event) => asContent(messageOf(event)))
    })

  const claim = (limit: number) =>
    Effect.gen(function*() {
      yield* checkLimit(limit)
      const known = yield* channel
      if (!canTake(known)) {
        return yield* new WrongDelivery({ channel: name, delivery: known.delivery, operation: "an exclusive read", instead: "a shared read" })
      }
      const taken = yield* port.take(name, { limit })
      for (const { epoch, event } of taken) {
        claims.delete(event.id)
        claims.set(event.id, { cursor: event.cursor, epoch })
      }
      for (const id of claims.keys()) {
        if (claims.size <= claimsMax) break
        claims.delete(id)
      }
      return taken.map(({ event }) => asContent(messageOf(event)))
    })

  const end = (ids: ReadonlyArray<string>, of: (claim: Claim) => Settlement) =>
    Effect.gen(function*() {
      const found = [...new Set(ids)].flatMap((id) => {
        const held = claims.get(id)
        return held === undefined ? [] : [[id, held] as const]
      })
      let lost: LeaseLost | undefined
      for (let at = 0; at < found.length; at += settlementsMax) {
        const group = found.slice(at, at + settlementsMax)
        yield* Effect.catchTag(port.settle(name, group.map(([, held]) => of(held))), "LeaseLost", (error) =>
          Effect.sync(() => void (lost ??= error)))
        for (const [id, held] of group) if (claims.get(id) === held) claims.delete(id)
      }
      return { ended: found.length, lost }
    })

  const handled = Effect.map(here, (at) => doneUpTo(at, at.after))

  const deliver = async (callback: Callback<Content>, after: Cursor, signal: AbortSignal): Promise<void> => {
    const follower = makeReader<Content>(port, name).follow({ after, gap: "continue", fullLog: true })
    while (!signal.aborted) {
      for (const event of await bridge.run(follower.pull, signal)) {
        const rest = resting()
        // Waited for only when there is something to wait for: a turn of the event loop costs more than most messages.
        if (rest !== undefined) await rest
        if (signal.aborted) return
        try {
          // A reader without a schema hands out events as they are.
          const called = callback(asContent(messageOf(event as Parameters<typeof messageOf>[0])))
          if (isThenable(called)) await called
        } catch (thrown) {
          bridge.start(Effect.logError(`a subscriber of ${name} failed at ${event.id}: ${String(thrown)}`))
        }
      }
    }
  }

  const unsubscribe = (): void => {
    subscriber?.abort()
    subscriber = undefined
  }

  return {
    system: port.system,
    channel: name,
    append: (draft, options) => bridge.run(Effect.map(appendTo(port, name, [draft], options), ([appended]) => appended!)), // one draft, one answer
    read: (limit, after) => bridge.run(serial.withPermit(read(limit, after))),
    claim: (limit) => bridge.run(claim(limit)),
    acknowledge: (ids) =>
      bridge.run(Effect.flatMap(end(ids, (held) => ({ ...held, outcome: "ack" })), ({ ended, lost }) =>
        lost === undefined ? Effect.succeed(ended) : Effect.fail(lost))),
    // Giving back what one holds no longer changes nothing, and is no mistake.
    nack: (ids, options = {}) => bridge.run(Effect.map(end(ids, (held) => ({ ...held, ...options, outcome: "nack" })), ({ ended }) => ended)),
    subscribe: async (callback, from) => {
      const after = typeof from === "number" ? from
        : from === "start" ? 0
        : from === "now" ? await bridge.run(headOf(port, name)) : await bridge.run(handled)
      unsubscribe()
      const own = (subscriber = new AbortController())
      const signal = AbortSignal.any([session.signal, own.signal])
      deliver(callback, after, signal).catch((error: unknown) => {
        if (!signal.aborted) bridge.start(Effect.logError(`the subscription to ${name} ended: ${String(error)}`))
      })
    },
    unsubscribe,
    close: async () => {
      unsubscribe()
      // Who is stopped for good may not write any more: then it comes again.
      await bridge.run(serial.withPermit(keep(true))).catch(() => undefined)
    },
    ...makeKept<Content>(session, name, asContent)
  }
}
