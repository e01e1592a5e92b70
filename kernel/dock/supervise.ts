// Supervision of one system: starts it, starts it again with back-off when it fails, and gives up when it fails too
// often. Whether to go on is a pure decision over the times of its failures.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { contained, inWords } from "../executor/executor.ts"
import { restartBackoffMaxMillis, restartBackoffMillis, restartsMax, restartWindowMillis } from "../limits.ts"

export interface Failures {
  /** Times of the failures within the window, in monotonic milliseconds. */
  readonly times: ReadonlyArray<number>
}

export type AfterFailure =
  | { readonly next: "restart"; readonly delayMillis: number; readonly failures: Failures }
  | { readonly next: "quarantine" }

export const noFailures: Failures = { times: [] }

/** What follows a failure at `now`. More than `restartsMax` within the window end in quarantine. */
export const afterFailure = (failures: Failures, now: number): AfterFailure => {
  const times = [...failures.times.filter((time) => time > now - restartWindowMillis), now]
  if (times.length > restartsMax) return { next: "quarantine" }
  const delayMillis = Math.min(restartBackoffMaxMillis, restartBackoffMillis * 2 ** (times.length - 1))
  return { next: "restart", delayMillis, failures: { times } }
}

export interface Supervised {
  readonly run: () => Effect.Effect<void, unknown>
  readonly monotonic: () => number
  readonly onStart: () => Effect.Effect<void>
  readonly onFailure: (reason: string, delayMillis: number) => Effect.Effect<void>
  readonly onQuarantine: (reason: string) => Effect.Effect<void>
  readonly onEnd: () => Effect.Effect<void>
}

/** A failure in words: the error's message, or that of the defect. */
export const reasonOf = (cause: Cause.Cause<unknown>): string =>
  Cause.hasInterruptsOnly(cause) ? "it interrupted itself" : inWords(Cause.squash(cause))

/** Runs it until it ends, is interrupted from outside, or is given up. */
export const supervise = Effect.fnUntraced(function*(system: Supervised) {
  let failures = noFailures
  for (;;) {
    yield* system.onStart()
    const exit = yield* Effect.exit(contained(system.run))
    if (Exit.isSuccess(exit)) return yield* system.onEnd()
    // Who is stopped from outside does not get here: an interruption that does is the system's own, a failure as any other.
    const reason = reasonOf(exit.cause)
    const after = afterFailure(failures, system.monotonic())
    if (after.next === "quarantine") return yield* system.onQuarantine(reason)
    failures = after.failures
    yield* system.onFailure(reason, after.delayMillis)
    yield* Effect.sleep(after.delayMillis)
  }
})
