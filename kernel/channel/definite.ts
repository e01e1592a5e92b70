// A failed append is unknown, not refused. Only the same append, repeated, tells: with a key it is kept once however
// often it is repeated.
import * as Effect from "effect/Effect"
import type { AppendUnknown, StoreUnavailable } from "../../protocol/errors.ts"
import { appendRepeatMillisMax, appendRepeatsMax } from "../limits.ts"
import type { StoreAppendError } from "../store/store.ts"

const repeat = Effect.fnUntraced(function*<A>(append: Effect.Effect<A, StoreAppendError>, unknown: AppendUnknown) {
  for (let attempt = 0; attempt < appendRepeatsMax; attempt++) {
    yield* Effect.sleep(Math.min(2 ** attempt, appendRepeatMillisMax))
    const result = yield* Effect.result(append)
    if (result._tag === "Success") return result.success
    const failure = result.failure
    if (failure._tag === "AppendUnknown") continue
    // The store refuses this repetition; what became of the first attempt is as unknown as before.
    if (failure._tag === "StoreUnavailable") break
    return yield* Effect.fail(failure)
  }
  return yield* Effect.fail(unknown)
})

/** Repeats an append whose outcome is unknown until it is known, or until the store cannot be asked any more. */
export const definite = <A>(append: Effect.Effect<A, StoreAppendError>): Effect.Effect<A, StoreAppendError> =>
  Effect.catchTag(append, "AppendUnknown", (unknown) => repeat(append, unknown))

/** Repeats an append until the answer is definite; waits for a stopped store to be opened anew. */
export const surely: <A>(
  append: Effect.Effect<A, StoreAppendError>
) => Effect.Effect<A, Exclude<StoreAppendError, AppendUnknown | StoreUnavailable>> = Effect.fnUntraced(function*<A>(
  append: Effect.Effect<A, StoreAppendError>
) {
  for (let attempt = 0; ; attempt++) {
    const result = yield* Effect.result(append)
    if (result._tag === "Success") return result.success
    const failure = result.failure
    if (failure._tag !== "AppendUnknown" && failure._tag !== "StoreUnavailable") return yield* Effect.fail(failure)
    yield* Effect.sleep(Math.min(2 ** attempt, appendRepeatMillisMax))
  }
})
