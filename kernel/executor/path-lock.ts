// One at a time per path: later ones wait in the order in which they came.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"

export type PathLock = <A, E>(path: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E>

interface Held {
  readonly semaphore: Semaphore.Semaphore
  /** Who holds it or waits for it; with the last one it is forgotten. */
  users: number
}

export const makePathLock = (): PathLock => {
  const locks = new Map<string, Held>()
  const join = (path: string): Held => {
    const held = locks.get(path) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
    held.users++
    locks.set(path, held)
    return held
  }
  const leave = (path: string, held: Held): void => {
    if (--held.users === 0) locks.delete(path)
  }
  return (path, effect) =>
    Effect.acquireUseRelease(
      Effect.sync(() => join(path)),
      ({ semaphore }) => Semaphore.withPermit(semaphore, effect),
      (held) => Effect.sync(() => leave(path, held))
    )
}
