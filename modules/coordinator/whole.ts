// The whole state, written down now and then, so that a start need not read what is older, and so that what is older can go: the
// state before the newest stays with everything behind it, in case a page of the newest is damaged.
import * as Effect from "effect/Effect"
import { coordination, type ChannelId, type Cursor } from "aaax"
import { appendBehind, appendSurely, batchesOf } from "./append.ts"
import { liveScope, weightOf, type Weighed } from "./desk.ts"
import type { Failure, Life } from "./life.ts"
import { scopesAheadMax, stateEvery, talkTailMax } from "./limits.ts"
import { positionName, type Place } from "./load.ts"
import { pagesOf, pagesVersion, type TalkPart } from "./pages.ts"

/** Nothing is known that may be wrong, and enough has changed. */
export const isDue = ({ behind, state }: Life): boolean => state.losses === undefined && behind >= stateEvery && behind >= 2 * state.claims.size

/** Writes the whole state down, then where it lies, and then lets go of what nothing needs any more. Each may be the last. */
export const keepState = (life: Life): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { port, state } = life
    const cursor = life.ledger
    const talk = talkOf(life)
    life.behind = 0
    const pages = yield* Effect.try({ try: () => pagesOf(state, talk, life.desk.now), catch: String }).pipe(
      Effect.catch((reason) => Effect.as(Effect.logWarning(`the coordination state was not written down, a start takes longer: ${reason}`), []))
    )
    if (pages.length === 0) return
    for (const page of pages) {
      life.ledger = yield* appendBehind(port, coordination.ledger, [{ kind: "state", payload: page }], life.ledger)
    }
    yield* trimScopes(life)
    const before = life.place
    const place = { cursor, to: life.ledger, talk: talk.from }
    if (!(yield* keepPosition(life, place, before))) return
    life.place = place
    if (before !== undefined) {
      yield* letGo(life, coordination.ledger, life.ledger, before.cursor)
      if (before.talk !== undefined) yield* letGo(life, coordination.talk, life.talk, before.talk)
    }
  })

/** Says where the whole state lies, and what could not be read, for the next start and for whoever looks. Answers whether it is kept. */
export const keepPosition = (life: Life, place: Place | undefined, before: Place | undefined): Effect.Effect<boolean, Failure> => {
  const { port, state: { losses }, unread, unreadable } = life
  const cursor = place?.cursor ?? 0
  return Effect.catch(
    Effect.as(port.putSnapshot({
      name: positionName, channel: coordination.ledger, cursor,
      value: {
        version: pagesVersion, ...place, cursor, ...(before === undefined ? {} : { before }), scopes: life.scopesSaid, unreadable: unread, lost: losses?.entries ?? 0, examples: unreadable.slice(0, 5)
      }
    }), true),
    (error) => Effect.as(Effect.logWarning(`the position of the coordination state was not kept, a start takes longer: ${error.message}`), false)
  )
}

/** Evicts what lies up to `floor`, but for what is kept of the past. */
const letGo = (life: Life, channel: ChannelId, head: Cursor, floor: Cursor): Effect.Effect<void, Failure> =>
  Effect.catch(
    // Cursors may have holes: there are no more entries than cursors.
    Effect.asVoid(life.port.evict(channel, { maxCount: Math.max(1, life.past, head - floor) })),
    (error) => (error._tag === "Undocked" ? Effect.fail(error) : Effect.logWarning(`old entries of ${channel} stay: ${error.message}`))
  )

/** Which part of the talk a start reads: from the oldest message that is kept, unless too much lies behind that. */
export const talkOf = (life: Pick<Life, "marks" | "state" | "talk">, most = talkTailMax): TalkPart => {
  const { marks, state: { chats }, talk: to } = life
  const [oldest = Infinity] = chats.keys()
  while (marks.length > 1 && (marks[1]!.message <= oldest || to - marks[0]!.cursor > most)) marks.shift()
  const [mark] = marks
  if (oldest === Infinity || mark === undefined || to - mark.cursor > most) {
    const message = life.state.message + 1
    life.marks = [{ message, cursor: to }]
    return { from: to, to, message }
  }
  return { from: mark.cursor, to, message: mark.message }
}

/** Scopes that ended long ago are forgotten: the live ones are said again, and what is older goes. */
const trimScopes = (life: Life): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { port, state } = life
    if (life.scopesSaid < scopesAheadMax + 4 * state.claims.size) return
    const live = [...state.claims.values()]
    const said = live.map((claim): Weighed => {
      const scope = liveScope(claim)
      return { draft: { kind: "scope", subject: claim.task, payload: scope }, weight: weightOf(scope) }
    })
    for (const batch of batchesOf(said)) yield* appendSurely(port, coordination.epochs, batch)
    life.scopesSaid = live.length
    yield* Effect.ignore(port.evict(coordination.epochs, { maxCount: Math.max(1, live.length) }))
  })
