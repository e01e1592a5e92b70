// Many channels as one stream: what is kept, merged in the order of time, and then what happens from now on.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Gap, ChannelNotFound, StoreCorrupt } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import type { QueryOf } from "../../protocol/routes.ts"
import { patternOf } from "../../protocol/routes.ts"
import { pageEventsDefault } from "../limits.ts"
import type { StoreService } from "../store/store.ts"

interface Source {
  readonly channel: string
  cursor: number
  buffer: ReadonlyArray<Event>
  at: number
  /** The head has moved beyond the cursor, as far as we know. */
  dirty: boolean
}

/** Newest events of each channel that are shown when nothing is said. */
export const tailLastDefault = 100

const older = (a: Event, b: Event): boolean =>
  a.recordedAt !== b.recordedAt ? a.recordedAt < b.recordedAt : a.channel !== b.channel ? a.channel < b.channel : a.cursor < b.cursor

/**
 * Follows every channel whose name matches, also those that are created later. Reads pages at the pace of whoever
 * pulls: a slow reader holds one page per channel and a cursor, nothing more.
 */
export const tail = (
  store: StoreService, query: QueryOf<"tail">
): Stream.Stream<Event, ChannelNotFound | Gap | StoreCorrupt> =>
  Stream.unwrap(Effect.gen(function*() {
    const pattern = patternOf(query.pattern)
    const sources = new Map<string, Source>()
    let wake: (() => void) | undefined

    const startOf = (channel: string): number => {
      const statistics = store.statisticsOf(channel)
      const floor = statistics?.floor ?? 0
      if (query.after !== undefined) return Math.max(query.after, floor)
      if (query.since !== undefined) return floor
      // Cursors may have holes, so this may be fewer than asked for, never more.
      return Math.max(floor, (statistics?.head ?? 0) - (query.last ?? tailLastDefault))
    }
    const join = (channel: string, cursor: number): Source => {
      const source: Source = { channel, cursor, buffer: [], at: 0, dirty: true }
      sources.set(channel, source)
      return source
    }
    for (const { name } of store.channels()) if (pattern.test(name)) join(name, startOf(name))

    const stop = store.onCommit((channel) => {
      const source = sources.get(channel) ?? (pattern.test(channel) ? join(channel, 0) : undefined)
      if (source === undefined) return
      source.dirty = true
      wake?.()
    })
    yield* Effect.addFinalizer(() => Effect.sync(stop))

    const wanted = (event: Event): boolean =>
      (query.kind === undefined || event.kind === query.kind) && (query.since === undefined || event.recordedAt >= query.since)

    const refill = Effect.fnUntraced(function*(source: Source) {
      while (source.at >= source.buffer.length && source.dirty) {
        source.dirty = false
        const page = yield* store.read(source.channel, { after: source.cursor, limit: pageEventsDefault })
        source.buffer = page.events.filter(wanted)
        source.at = 0
        source.cursor = Math.max(source.cursor, page.next)
        if (page.next < page.head) source.dirty = true
      }
    })
    const moved = Effect.callback<void>((resume) => {
      wake = () => {
        wake = undefined
        resume(Effect.void)
      }
      // A commit between the last page and this line.
      for (const source of sources.values()) if (source.dirty) return wake?.()
    })

    return Stream.paginate(0, (state: number) =>
      Effect.gen(function*() {
        while (true) {
          for (const source of sources.values()) yield* refill(source)
          const batch: Array<Event> = []
          // Every source has an event or is at its end, so the oldest of all is the next one.
          while (batch.length < pageEventsDefault) {
            let next: Source | undefined
            for (const source of sources.values()) {
              const event = source.buffer[source.at]
              if (event === undefined) continue
              const best = next?.buffer[next.at]
              if (best === undefined || older(event, best)) next = source
            }
            const event = next?.buffer[next.at]
            if (next === undefined || event === undefined) break
            batch.push(event)
            next.at++
            // It may have older events than the others; ask before going on.
            if (next.at >= next.buffer.length && next.dirty) break
          }
          if (batch.length > 0) return [batch, Option.some(state)] as const
          const idle = [...sources.values()].every((source) => !source.dirty)
          if (idle && query.follow === undefined) return [batch, Option.none<number>()] as const
          if (idle) yield* moved
        }
      }))
  }))
