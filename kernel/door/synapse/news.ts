// What is new in the coordinator's channels, read once for all connections, in turns: the answers are looked at first and told
// last, so that what led to an answer is told before it.
import * as Effect from "effect/Effect"
import { ledger, presence, replies, talk } from "../../../protocol/coordination.ts"
import type { Event } from "../../../protocol/event.ts"
import { kernelSystem, type ChannelId, type Cursor } from "../../../protocol/names.ts"
import type { ChannelsService } from "../../channel/channels.ts"

export interface News {
  readonly presence: ReadonlyArray<Event>
  readonly ledger: ReadonlyArray<Event>
  readonly talk: ReadonlyArray<Event>
  readonly replies: ReadonlyArray<Event>
}

export interface NewsOptions {
  readonly channels: Pick<ChannelsService, "read" | "store">
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly tell: (news: News) => void
  /** What lies in the presence channel from before. */
  readonly before: (events: ReadonlyArray<Event>) => void
}

const none: ReadonlyArray<Event> = []
const pageEvents = 1_000

/** Answers how to stop it. */
export const followNews = ({ before, channels, fork, tell }: NewsOptions): () => void => {
  const { store } = channels
  const headOf = (channel: ChannelId): Cursor => store.statisticsOf(channel)?.head ?? 0
  const cursors = new Map<ChannelId, Cursor>([ledger, talk, replies].map((channel) => [channel, headOf(channel)]))
  cursors.set(presence, 0)
  let scheduled = false
  let running = false
  let closed = false

  const read = (channel: ChannelId): Effect.Effect<ReadonlyArray<Event>> => {
    const after = cursors.get(channel) ?? 0
    if (headOf(channel) <= after) return Effect.succeed(none)
    return channels.read(kernelSystem, channel, { after, limit: pageEvents, fullLog: true }).pipe(
      Effect.map(({ events, next }) => {
        cursors.set(channel, Math.max(after, next))
        return events
      }),
      Effect.catch((failure) => {
        // Evicted before it was read: what is left is told.
        const floor = failure._tag === "Gap" ? store.statisticsOf(channel)?.floor ?? after : headOf(channel)
        cursors.set(channel, Math.max(after + 1, floor))
        return Effect.as(Effect.logWarning(`the synapse door passes over entries of ${channel}: ${failure.message}`), none)
      })
    )
  }
  const isNew = (): boolean => {
    for (const [channel, cursor] of cursors) if (headOf(channel) > cursor) return true
    return false
  }
  const turn = Effect.gen(function*() {
    const answers = yield* read(replies)
    const came = yield* read(presence)
    const entries = yield* read(ledger)
    const said = yield* read(talk)
    if (!closed) tell({ presence: came, ledger: entries, talk: said, replies: answers })
  })
  const pump = (): void => {
    scheduled = false
    if (closed || running || !isNew()) return
    running = true
    fork(Effect.ensuring(turn, Effect.sync(() => {
      running = false
      if (isNew()) wake()
    })))
  }
  const wake = (): void => {
    if (scheduled || closed) return
    scheduled = true
    setImmediate(pump)
  }
  const stop = store.onCommit((channel) => {
    if (cursors.has(channel)) wake()
  })
  fork(Effect.gen(function*() {
    for (let events = yield* read(presence); events.length > 0; events = yield* read(presence)) before(events)
  }))
  return () => {
    closed = true
    stop()
  }
}

/** Until somebody left, who came is told before what they said; from then on after it. */
export const inOrder = (presence: ReadonlyArray<Event>, others: ReadonlyArray<Event>): ReadonlyArray<Event> => {
  if (presence.length === 0) return others
  const leaving = presence.findIndex(({ kind }) => kind === "left" || kind === "withdrawn")
  return leaving < 0 ? [...presence, ...others] : [...presence.slice(0, leaving), ...others, ...presence.slice(leaving)]
}
