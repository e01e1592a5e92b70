// What is needed to take back an effect: its story, and that nobody else begins to take back anything meanwhile.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { doneOf, type Done } from "./decide/compensate.ts"
import type { Journal } from "./journal.ts"

export interface Compensation {
  /**
   * Reads the story of a warrant and decides on it, one at a time: a closed warrant is not in the folded state, so between
   * the reading and the decision nobody may begin to take it back.
   */
  readonly on: <A, E>(id: string, decide: (done: Done | undefined) => Effect.Effect<A, E>) => Effect.Effect<A, E>
}

export const make = (journal: Pick<Journal, "about">): Compensation => {
  const one = Semaphore.makeUnsafe(1)
  return { on: (id, decide) => one.withPermit(Effect.flatMap(Effect.orDie(journal.about(id)), (entries) => decide(doneOf(entries)))) }
}
