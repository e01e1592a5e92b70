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
  readonly channels: Pick<ChannelsService, "follow" | "read" | "store">
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly tell: (news: News) => void
  /** What lies in the presence channel from before. */
  readonly before: (events: ReadonlyArray<Event>) => void
}

const none: ReadonlyArray<Event> = []
const nothing = Effect.succeed(none)
const pageEvents = 1_000

/** One of the channels, and how far it was read. */
interface Followed {
  readonly channel: ChannelId
  head: Cursor
  cursor: Cursor
}

/** Answers how to stop it. */
export const followNews = ({ before, channels, fork, tell }: NewsOptions): () => void => {
  const { store } = channels
  const headOf = (channel: ChannelId): Cursor => store.statisticsOf(channel)?.head ?? 0
  const followed = (channel: ChannelId): Followed => ({ channel, head: headOf(channel), cursor: headOf(channel) })
  const [ofPresence, ofLedger, ofTalk, ofReplies] = [{ ...followed(presence), cursor: 0 }, followed(ledger), followed(talk), followed(replies)]
  const all = new Map<ChannelId, Followed>([ofReplies, ofPresence, ofLedger, ofTalk].map((one) => [one.channel, one]))
  let scheduled = false
  let running = false
  let closed = false

  const read = (one: Followed): Effect.Effect<ReadonlyArray<Event>> => {
    const { channel, cursor: after, head } = one
    if (head <= after) return nothing
    return channels.read(kernelSystem, channel, { after, limit: pageEvents, fullLog: true }).pipe(
      Effect.map(({ events, next }) => {
        one.cursor = Math.max(after, next)
        return events
      }),
      Effect.catch((failure) => {
        // Evicted before it was read: what is left is told.
        const floor = failure._tag === "Gap" ? store.statisticsOf(channel)?.floor ?? after : headOf(channel)
        one.cursor = Math.max(after + 1, floor)
        return Effect.as(Effect.logWarning(`the synapse door passes over entries of ${channel}: ${failure.message}`), none)
      })
    )
  }
  const isNew = (): boolean => ofReplies.head > ofReplies.cursor || ofLedger.head > ofLedger.cursor || ofTalk.head > ofTalk.cursor || ofPresence.head > ofPresence.cursor
  const turn = Effect.gen(function*() {
    const answers = yield* read(ofReplies)
    const came = yield* read(ofPresence)
    const entries = yield* read(ofLedger)
    const said = yield* read(ofTalk)
    if (!closed) tell({ presence: came, ledger: entries, talk: said, replies: answers })
  })
  const pump = (): void => {
    scheduled = false
    if (closed || running || !isNew()) return
    running = true
    fork(Effect.ensuring(turn, Effect.sync(() => {
      running = false
      if (scheduled || !isNew()) return
      // More than a page: others have their turn first.
      scheduled = true
      setImmediate(pump)
    })))
  }
  /** When everything that follows from the commit at once has been done too: the answers are among it. */
  const wake = (): void => {
    if (scheduled || closed) return
    scheduled = true
    process.nextTick(pump)
  }
  const stop = store.onCommit((channel, head) => {
    const one = all.get(channel)
    if (one === undefined) return
    one.head = head
    wake()
  })
  const unfollow = [...all.keys()].map(channels.follow)
  fork(Effect.gen(function*() {
    for (let events = yield* read(ofPresence); events.length > 0; events = yield* read(ofPresence)) before(events)
  }))
  return () => {
    closed = true
    stop()
    for (const end of unfollow) end()
  }
}

/** Until somebody left, who came is told before what they said; from then on after it. */
export const inOrder = (presence: ReadonlyArray<Event>, others: ReadonlyArray<Event>): ReadonlyArray<Event> => {
  if (presence.length === 0) return others
  const leaving = presence.findIndex(({ kind }) => kind === "left" || kind === "withdrawn")
  return leaving < 0 ? [...presence, ...others] : [...presence.slice(0, leaving), ...others, ...presence.slice(leaving)]
}
