// Subscriptions of one WebSocket. A feed is a position in one channel, or in all that match a pattern: it reads a page when
// there is something new, credit for it and room in the outbox, and otherwise holds a cursor and nothing else.
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Overloaded } from "../../../protocol/errors.ts"
import type { Page } from "../../../protocol/event.ts"
import type { Subscribe } from "../../../protocol/frame.ts"
import type { ChannelId, Cursor } from "../../../protocol/names.ts"
import type { Port } from "../../../protocol/port.ts"
import { patternOf } from "../../../protocol/routes.ts"
import { feedChannelsMax, feedCreditDefault, feedCreditMax, feedPauseMillis, feedPauseMillisMax, feedsMax } from "../../limits.ts"
import type { StoreService } from "../../store/store.ts"
import { fault, toldOf } from "./failure.ts"
import type { Outbox } from "./outbox.ts"
import type { Pages } from "./pages.ts"
import type { Wakes } from "./wakes.ts"

/** A position in one channel. */
interface Source {
  readonly channel: ChannelId
  after: Cursor
  /** There may be events behind the position. */
  dirty: boolean
}

interface Feed {
  readonly id: number
  readonly port: Port
  readonly options: Subscribe
  readonly pattern: RegExp | undefined
  readonly sources: Map<ChannelId, Source>
  credit: number
  busy: boolean
  closed: boolean
  sentAt: number
  /** How many were woken with it. */
  together: number
  stop: () => void
}

export interface Feeds {
  /** Answered with `result` when the position is known, or with `failure`. */
  readonly open: (frame: Subscribe, port: Port) => void
  readonly credit: (id: number, events: number) => void
  readonly ack: (id: number, cursor: Cursor) => void
  readonly close: (id: number) => void
  /** Goes on after the outbox was full. */
  readonly drained: () => void
  readonly closeAll: () => void
  readonly count: () => number
}

export interface FeedsOptions {
  readonly store: StoreService
  readonly wakes: Wakes
  readonly pages: Pages
  readonly outbox: Outbox
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => { readonly addObserver: (observer: (exit: Exit.Exit<A, E>) => void) => unknown }
  /** Whether the credential of the connection is good still. */
  readonly isGood: () => boolean
}

/** Events that are read at once for one feed. */
const pageEvents = 256

export const makeFeeds = ({ fork, isGood, outbox, pages, store, wakes }: FeedsOptions): Feeds => {
  const feeds = new Map<number, Feed>()

  const tell = (frame: "failure" | "over", id: number, cause: Cause.Cause<unknown>): void => {
    const told = toldOf(cause)
    if (told === undefined) fork(Effect.logError("A subscription failed", cause))
    outbox.send(JSON.stringify({ frame, id, failure: told ?? fault }))
  }
  const end = (feed: Feed): void => {
    if (feed.closed) return
    feed.closed = true
    feed.stop()
    feeds.delete(feed.id)
  }

  const dirtyOf = (feed: Feed): Source | undefined => {
    for (const source of feed.sources.values()) {
      if (!source.dirty) continue
      // The next turn is another channel's, so that a busy one does not keep a quiet one waiting.
      if (feed.sources.size > 1) {
        feed.sources.delete(source.channel)
        feed.sources.set(source.channel, source)
      }
      return source
    }
    return undefined
  }

  const send = (feed: Feed, source: Source, page: Page): void => {
    if (page.events.length === 0) {
      // A filter looked at so many and came on; when it did not, only something new brings more.
      if (page.next > source.after && page.next < page.head) source.dirty = true
      source.after = Math.max(source.after, page.next)
      return
    }
    const frame = pages(feed.id, source.channel, page.events, page.next, page.head)
    outbox.sendEncoded(frame.bytes)
    feed.credit -= frame.count
    feed.sentAt = performance.now()
    source.after = frame.next
    if (frame.next < page.head) source.dirty = true
  }

  const pump = (feed: Feed): void => {
    if (feed.closed || feed.busy || feed.credit <= 0 || outbox.isFull() || !isGood()) return
    const source = dirtyOf(feed)
    if (source === undefined) return
    feed.busy = true
    source.dirty = false
    const { filter } = feed.options
    const read = feed.port.read(source.channel, {
      after: source.after, limit: Math.min(feed.credit, pageEvents), fullLog: true, ...(filter === undefined ? {} : { filter })
    })
    fork(read).addObserver((exit) => {
      feed.busy = false
      if (feed.closed) return
      if (Exit.isSuccess(exit)) {
        const { head } = exit.value
        send(feed, source, exit.value)
        // What was there is read on at once; what came meanwhile waits its turn, as anything that comes.
        if (source.dirty && source.after < head) return again(feed)
        return wake(feed)
      }
      // A channel that a pattern follows may be closed to this reader, or gone.
      const told = toldOf(exit.cause) as { readonly _tag: string } | undefined // a failure of ours has a tag
      if (feed.pattern !== undefined && (told?._tag === "Denied" || told?._tag === "ChannelNotFound")) {
        feed.sources.delete(source.channel)
        return again(feed)
      }
      end(feed)
      tell("over", feed.id, exit.cause)
    })
  }
  /** In a turn of its own: what others wait for comes first. */
  const again = (feed: Feed): void => {
    if (!feed.closed) wakes.soon(feed, () => pump(feed))
  }
  /** Few are served at once. Where many follow, what comes one by one goes out together. */
  const wake = (feed: Feed): void => {
    const pause = Math.min(feedPauseMillisMax, feed.together * feedPauseMillis)
    if (pause >= 1 && performance.now() - feed.sentAt < pause) wakes.later(feed, () => pump(feed), pause)
    else again(feed)
  }

  const follow = (feed: Feed, channel: ChannelId, after: Cursor): void => {
    if (feed.sources.size >= feedChannelsMax) return
    const known = feed.sources.get(channel)
    if (known === undefined) feed.sources.set(channel, { channel, after, dirty: true })
    else known.dirty = true
  }
  const headOf = (channel: ChannelId): Cursor => store.statisticsOf(channel)?.head ?? 0

  /** Where one channel is begun: its durable position, a given cursor, or what comes from now on. */
  const positionOf = (port: Port, channel: ChannelId, { after, name }: Subscribe): Effect.Effect<Cursor, unknown> => {
    if (name !== undefined) return Effect.map(port.subscription(name, channel, after ?? 0), ({ cursor }) => cursor)
    const from = after ?? headOf(channel)
    // Reading says whether it may be followed at all, and whether that position is there still.
    return Effect.as(port.read(channel, { after: from, limit: 1 }), from)
  }

  const begin = (feed: Feed, start: Effect.Effect<unknown, unknown>): void => {
    feeds.set(feed.id, feed)
    feed.busy = true
    fork(start).addObserver((exit) => {
      feed.busy = false
      if (feed.closed) return
      if (Exit.isFailure(exit)) {
        end(feed)
        return tell("failure", feed.id, exit.cause)
      }
      outbox.send(JSON.stringify({ frame: "result", id: feed.id, value: { cursors: Object.fromEntries([...feed.sources].map(([name, { after }]) => [name, after])) } }))
      again(feed)
    })
  }

  return {
    open: (options, port) => {
      const { channel, id, pattern } = options
      const refuse = (failure: unknown): void => outbox.send(JSON.stringify({ frame: "failure", id, failure }))
      if (feeds.size >= feedsMax) {
        return refuse(new Overloaded({ what: "Subscriptions of one connection", limit: feedsMax, unit: "subscriptions", retryAfterMillis: 1_000 }))
      }
      if (feeds.has(id) || (channel === undefined) === (pattern === undefined) || (pattern !== undefined && options.name !== undefined)) {
        return refuse({ _tag: "InvalidPayload", what: "subscription", path: "", reason: "it names a channel or a pattern, and has a number of its own" })
      }
      const expression = pattern === undefined ? undefined : patternOf(pattern)
      const feed: Feed = {
        id, port, options, pattern: expression, sources: new Map(), credit: Math.min(options.credit ?? feedCreditDefault, feedCreditMax),
        busy: false, closed: false, sentAt: 0, together: 1, stop: () => {}
      }
      if (channel !== undefined) {
        feed.stop = wakes.on(channel, (together) => {
          feed.together = together
          follow(feed, channel, 0)
          wake(feed)
        })
        return begin(feed, Effect.map(positionOf(port, channel, options), (after) => {
          feed.sources.set(channel, { channel, after, dirty: true })
        }))
      }
      const cursorOf = (name: ChannelId): Cursor | undefined => (Object.hasOwn(options.cursors ?? {}, name) ? options.cursors?.[name] : options.after)
      feed.stop = wakes.onAny((name, patterns) => {
        if (expression?.test(name) !== true) return
        // One that did not exist before is followed from its first event.
        feed.together = patterns
        follow(feed, name, cursorOf(name) ?? 0)
        wake(feed)
      })
      begin(feed, Effect.sync(() => {
        for (const { name } of store.channels()) if (expression?.test(name) === true) follow(feed, name, cursorOf(name) ?? headOf(name))
      }))
    },
    credit: (id, events) => {
      const feed = feeds.get(id)
      if (feed === undefined) return
      feed.credit = Math.min(feed.credit + events, feedCreditMax)
      pump(feed)
    },
    ack: (id, cursor) => {
      const feed = feeds.get(id)
      const { channel, name } = feed?.options ?? {}
      if (feed === undefined || channel === undefined || name === undefined) return
      fork(Effect.ignore(feed.port.advance(name, channel, cursor)))
    },
    close: (id) => {
      const feed = feeds.get(id)
      if (feed !== undefined) end(feed)
    },
    drained: () => {
      for (const feed of feeds.values()) pump(feed)
    },
    closeAll: () => {
      for (const feed of feeds.values()) end(feed)
    },
    count: () => feeds.size
  }
}
