// Keeping what was decided: the claims and the plan as one batch, at the same time the live scopes, the talk and who is here; only
// then the answers. And now and then the whole state.
import * as Effect from "effect/Effect"
import { coordination, type Draft } from "aaax"
import { appendBehind, appendSurely, batchesOf } from "./append.ts"
import { heldBack } from "./calls.ts"
import type { Desk } from "./desk.ts"
import { tell, type Failure, type Life } from "./life.ts"
import { keepWaits } from "./resume.ts"
import { isDue, keepState } from "./whole.ts"

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
  const { granted, replies, state } = desk
  clear(desk)
  const answered = granted.length > 0 && life.isToldOfCalls ? Effect.flatMap(heldBack(life, granted, replies), (rest) => tell(life, rest)) : tell(life, replies)
  // Who waits no more is told so when that is known to whoever comes after.
  const told = state.waiting.changes.length === 0 ? answered : Effect.andThen(keepWaits(life), answered)
  return life.isMended() || isDue(life) ? Effect.andThen(told, keepState(life)) : told
}

const clear = (desk: Desk): void => {
  desk.ledger = []
  desk.epochs = []
  desk.talk = []
  desk.presence = []
  desk.replies = []
  desk.granted = []
}
