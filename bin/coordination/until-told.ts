// Programs that go on until they are told to end: the first SIGINT or SIGTERM asks, a second one ends the process where it stands.
// Whoever was started with a channel to its parent ends with it, too.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { codes } from "../exit-code.ts"

/** Aborted by the first signal; listens for as long as the scope. */
export const untilTold: Effect.Effect<AbortSignal, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const stop = new AbortController()
      const tell = (): void => {
        if (stop.signal.aborted) process.exit(codes.interrupted)
        stop.abort()
      }
      const lost = (): void => stop.abort()
      process.on("SIGINT", tell).on("SIGTERM", tell).on("disconnect", lost)
      // It is listened to, but holds no process that is done.
      process.channel?.unref()
      return { stop, tell, lost }
    }),
    ({ lost, tell }) => Effect.sync(() => process.off("SIGINT", tell).off("SIGTERM", tell).off("disconnect", lost))
  ),
  ({ stop }) => stop.signal
)

/** Resolves when it is aborted. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener("abort", () => resolve(), { once: true })
  })
