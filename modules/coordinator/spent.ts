// What was asked and what was answered is of no use once it was read: beside its number, the text of it is bounded.
import * as Effect from "effect/Effect"
import type { ChannelId, Port } from "aaax"
import { spentMillis, spentTextMax } from "./limits.ts"

/** What has come into one channel since a part of it was let go last. */
export class Spent {
  #events = 0
  #text = 0
  #since = 0

  /* hot */
  /** So many more came, of so much text. Answers how many of the newest stay, when those before them may go. */
  add(events: number, text: number, now: number): number | undefined {
    this.#events += events
    this.#text += text
    if (this.#text < spentTextMax || now - this.#since < spentMillis) return undefined
    const newest = this.#events
    this.#events = 0
    this.#text = 0
    this.#since = now
    return newest
  }
}

/** What cannot go now goes with what comes next. */
export const letGoOf = (port: Port, channel: ChannelId, newest: number | undefined): Effect.Effect<void> =>
  newest === undefined ? Effect.void : Effect.ignore(port.evict(channel, { maxCount: newest }))
