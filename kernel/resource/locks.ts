// One at a time for each name: whoever comes second waits. Names that nobody holds take no room.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

export type Locks = <A, E>(name: string, work: Effect.Effect<A, E>) => Effect.Effect<A, E>

export const makeLocks = (): Locks => {
  const held = new Map<string, { readonly lock: Semaphore.Semaphore; users: number }>()
  return (name, work) =>
    Effect.suspend(() => {
      const entry = held.get(name) ?? { lock: Semaphore.makeUnsafe(1), users: 0 }
      entry.users++
      held.set(name, entry)
      return Effect.ensuring(entry.lock.withPermit(work), Effect.sync(() => {
        if (--entry.users === 0) held.delete(name)
      }))
    })
}
