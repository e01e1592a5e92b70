// Keeping what was decided: the claims and the plan as one batch, at the same time the live scopes, the talk and who is here; only
// then the answers. And now and then the whole state.
import * as Effect from "effect/Effect"
import { coordination, type Cursor, type Draft } from "aaax"
import { appendBehind, appendSurely, batchesOf } from "./append.ts"
import { heldBack } from "./calls.ts"
import { liveScope, type Desk } from "./desk.ts"
import { tell, type Failure, type Life } from "./life.ts"
import { positionName } from "./load.ts"
import { pagesOf, pagesVersion } from "./pages.ts"
import { scopesAheadMax, stateEvery } from "./limits.ts"

/* hot */
export const keep = (life: Life): Effect.Effect<void, Failure> => {
  const { desk } = life
  const writes: Array<Effect.Effect<void, Failure>> = []
  if (desk.ledger.length > 0) writes.push(keepLedger(life, batchesOf(desk.ledger)))
  if (desk.epochs.length > 0) {
    life.scopesSaid += desk.epochs.length
    for (const batch of batchesOf(desk.epochs)) writes.push(appendSurely(life.port, coordination.epochs, batch))
  }
  if (desk.talk.length > 0) writes.push(keepTalk(life, batchesOf(desk.talk)))
  if (desk.presence.length > 0) for (const batch of batchesOf(desk.presence)) writes.push(appendSurely(life.port, coordination.presence, batch))
  const [first] = writes
  if (first === undefined) return said(life)
  // At once, so that the store makes it one commit.
  const kept = writes.length === 1 ? first : Effect.all(writes, { concurrency: "unbounded", discard: true })
  return Effect.flatMap(kept, () => said(life))
}

const keepLedger = (life: Life, batches: ReadonlyArray<ReadonlyArray<Draft>>): Effect.Effect<void, Failure> =>
  Effect.forEach(batches, (batch) =>
    Effect.map(appendBehind(life.port, coordination.ledger, batch, life.ledger), (head) => {
      life.ledger = head
      life.behind += batch.length
    }), { discard: true })

const keepTalk = (life: Life, batches: ReadonlyArray<ReadonlyArray<Draft>>): Effect.Effect<void, Failure> =>
  Effect.forEach(batches, (batch) =>
    Effect.map(appendBehind(life.port, coordination.talk, batch, life.talk), (head) => {
      const first = batch.find(({ kind }) => kind === "chat")
      // Each was made from an entry of the talk.
      if (first !== undefined) life.marks.push({ message: (first.payload as coordination.TalkEntries["chat"]).chat.message, cursor: life.talk })
      life.talk = head
      life.behind += batch.length
    }), { discard: true })

/** Everything is kept: whoever asked is told. */
const said = (life: Life): Effect.Effect<void, Failure> => {
  const { desk } = life
  const { granted, replies } = desk
  clear(desk)
  const told = granted.length > 0 && life.isToldOfCalls ? Effect.flatMap(heldBack(life, granted, replies), (rest) => tell(life, rest)) : tell(life, replies)
  return life.behind >= stateEvery && life.behind >= 2 * life.state.claims.size ? Effect.andThen(told, keepState(life)) : told
}

const clear = (desk: Desk): void => {
  desk.ledger = []
  desk.epochs = []
  desk.talk = []
  desk.presence = []
  desk.replies = []
  desk.granted = []
}

/** Writes the whole state down, and where it begins. */
export const keepState = (life: Life): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { port, state } = life
    const cursor = life.ledger
    life.behind = 0
    const pages = yield* Effect.try({ try: () => pagesOf(state, { from: talkFrom(life), to: life.talk }, life.desk.now), catch: String }).pipe(
      Effect.catch((reason) => Effect.as(Effect.logWarning(`the coordination state was not written down, a start takes longer: ${reason}`), []))
    )
    if (pages.length === 0) return
    for (const page of pages) {
      life.ledger = yield* appendBehind(port, coordination.ledger, [{ kind: "state", payload: page }], life.ledger)
    }
    yield* Effect.catch(
      port.putSnapshot({
        name: positionName, channel: coordination.ledger, cursor, value: { version: pagesVersion, cursor, unreadable: life.unreadable.length, examples: life.unreadable.slice(0, 5) }
      }),
      (error) => Effect.logWarning(`the position of the coordination state was not kept, a start takes longer: ${error.message}`)
    )
    yield* trimScopes(life)
  })

/** Behind this cursor of the talk lies the oldest chat that is kept. */
const talkFrom = (life: Life): Cursor => {
  const [oldest = Infinity] = life.state.chats.keys()
  while (life.marks.length > 1 && life.marks[1]!.message <= oldest) life.marks.shift()
  return oldest === Infinity ? life.talk : life.marks[0]!.cursor
}

/** Scopes that ended long ago are forgotten: the live ones are said again, and what is older goes. */
const trimScopes = (life: Life): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    const { port, state } = life
    if (life.scopesSaid < scopesAheadMax + 4 * state.claims.size) return
    const live = [...state.claims.values()]
    for (let at = 0; at < live.length; at += 100) {
      yield* appendSurely(port, coordination.epochs, live.slice(at, at + 100).map((claim): Draft => ({ kind: "scope", subject: claim.task, payload: liveScope(claim) })))
    }
    life.scopesSaid = live.length
    yield* Effect.ignore(port.evict(coordination.epochs, { maxCount: Math.max(1, live.length) }))
  })
