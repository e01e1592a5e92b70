// A periodic source: pulls from outside at once, and then again after each pause.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A fixed pause, or one made of how long the last pull took, both in milliseconds. */
export type Period = number | ((lastMillis: number) => number)

/** Runs `pull` until it fails or is interrupted; the pause begins when a pull has ended. */
export const periodic = <E, R>(every: Period, pull: Effect.Effect<unknown, E, R>): Effect.Effect<never, E, R> =>
  Effect.forever(
    Effect.gen(function*() {
      const [duration] = yield* Effect.timed(pull)
      yield* Effect.sleep(typeof every === "number" ? every : every(Duration.toMillis(duration)))
    })
  )
