// Appends whose outcome must be known: only this system writes there, so the head tells whether an append that had no answer
// is there.
import * as Effect from "effect/Effect"
import type { AppendError, ChannelId, Cursor, Draft, Port, ReadError } from "aaax"
import type { Weighed } from "./desk.ts"
import { batchEventsMax, batchTextMax } from "./limits.ts"

const pauseMillisFirst = 5
const pauseMillisMax = 1_000

/** In as few batches as fit. */
export const batchesOf = (weighed: ReadonlyArray<Weighed>): ReadonlyArray<ReadonlyArray<Draft>> => {
  const batches: Array<Array<Draft>> = []
  let batch: Array<Draft> = []
  let room = batchTextMax
  for (const { draft, weight } of weighed) {
    if (batch.length > 0 && (weight > room || batch.length === batchEventsMax)) {
      batches.push(batch)
      batch = []
      room = batchTextMax
    }
    batch.push(draft)
    room -= weight
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}

/** Appends behind `head`, and answers the new one. Waits as long as the store takes nothing. */
export const appendBehind = (port: Port, channel: ChannelId, drafts: ReadonlyArray<Draft>, head: Cursor): Effect.Effect<Cursor, AppendError | ReadError> => {
  const attempt = (isUnknown: boolean, pause: number): Effect.Effect<Cursor, AppendError | ReadError> =>
    Effect.catch(
      Effect.map(port.append(channel, drafts, { expectedHead: head }), (appended) => appended[appended.length - 1]!.cursor),
      (error): Effect.Effect<Cursor, AppendError | ReadError> => {
        if (error._tag === "HeadConflict" && isUnknown) return Effect.flatMap(kept(port, channel, drafts, head), (cursor) => (cursor === undefined ? Effect.fail(error) : Effect.succeed(cursor)))
        if (error._tag !== "AppendUnknown" && error._tag !== "StoreUnavailable" && error._tag !== "Overloaded") return Effect.fail(error)
        return Effect.andThen(Effect.sleep(pause), attempt(isUnknown || error._tag !== "Overloaded", Math.min(pause * 2, pauseMillisMax)))
      }
    )
  return attempt(false, pauseMillisFirst)
}

/** Where the last of these lies, when they are what is behind `head`. */
const kept = (port: Port, channel: ChannelId, drafts: ReadonlyArray<Draft>, head: Cursor): Effect.Effect<Cursor | undefined, ReadError> =>
  Effect.map(port.read(channel, { after: head, limit: 1_000, fullLog: true }), ({ events }) => {
    const isSame = events.length === drafts.length && events.every((event, at) => {
      const draft = drafts[at]!
      return event.sender === port.system && event.kind === draft.kind && JSON.stringify(event.payload) === JSON.stringify(draft.payload)
    })
    return isSame ? events[events.length - 1]?.cursor : undefined
  })

/** Appends where nothing depends on what was there before: at least once. */
export const appendSurely = (port: Port, channel: ChannelId, drafts: ReadonlyArray<Draft>): Effect.Effect<void, AppendError> => {
  const attempt = (pause: number): Effect.Effect<void, AppendError> =>
    Effect.catch(Effect.asVoid(port.append(channel, drafts)), (error): Effect.Effect<void, AppendError> =>
      error._tag === "AppendUnknown" || error._tag === "StoreUnavailable" || error._tag === "Overloaded"
        ? Effect.andThen(Effect.sleep(pause), attempt(Math.min(pause * 2, pauseMillisMax)))
        : Effect.fail(error))
  return attempt(pauseMillisFirst)
}
