// The bridge between Effects and plain async code, in both directions.
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"

/** How long a stopped piece of async code may take to end by itself, in milliseconds. */
export const graceMillisDefault = 5_000

/** Runs Effects as promises. A promise rejects with the failure itself, so that `instanceof` and `_tag` tell it. */
export interface Bridge {
  readonly run: <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal) => Promise<A>
  /** Starts it and looks no further. */
  readonly start: (effect: Effect.Effect<unknown>) => void
}

export const makeBridge = (context: Context.Context<never>, stopped: AbortSignal): Bridge => {
  const runFork = Effect.runForkWith(context)
  // One listener per signal, however many calls are under way: a signal warns when it has many.
  const underWay = new WeakMap<AbortSignal, Set<Fiber.Fiber<unknown, unknown>>>()
  const group = (signal: AbortSignal): Set<Fiber.Fiber<unknown, unknown>> => {
    const known = underWay.get(signal)
    if (known !== undefined) return known
    const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
    underWay.set(signal, fibers)
    signal.addEventListener("abort", () => {
      for (const fiber of fibers) fiber.interruptUnsafe()
    }, { once: true })
    return fibers
  }
  return {
    run: (effect, signal = stopped) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const fibers = group(signal)
        const fiber = runFork(effect)
        fibers.add(fiber)
        fiber.addObserver((exit) => {
          fibers.delete(fiber)
          if (Exit.isSuccess(exit)) resolve(exit.value)
          else reject(Cause.hasInterruptsOnly(exit.cause) && signal.aborted ? signal.reason : Cause.squash(exit.cause))
        })
      }),
    start: (effect) => void runFork(effect)
  }
}

/**
 * An Effect from async code. What it throws is the failure, as it is. Interruption aborts `signal` and waits for the
 * code to end, at most `graceMillis`.
 */
export const fromAsync = <A>(
  body: (signal: AbortSignal) => PromiseLike<A> | A, graceMillis: number = graceMillisDefault
): Effect.Effect<A, unknown> =>
  Effect.callback<A, unknown>((resume) => {
    const controller = new AbortController()
    const ended = settle(body, controller.signal).then((exit) => resume(exit))
    return Effect.suspend(() => {
      controller.abort()
      return awaitAtMost(ended, graceMillis)
    })
  })

const settle = async <A>(body: (signal: AbortSignal) => PromiseLike<A> | A, signal: AbortSignal): Promise<Exit.Exit<A, unknown>> => {
  try {
    return Exit.succeed(await body(signal))
  } catch (thrown) {
    return Exit.fail(thrown)
  }
}

/** Waits for a promise that never rejects. */
export const awaitAtMost = (promise: Promise<unknown>, millis: number): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setTimeout(() => resume(Effect.void), millis)
    void promise.then(() => {
      clearTimeout(timer)
      resume(Effect.void)
    })
  })

/** Completes when the signal is aborted. */
export const aborted = (signal: AbortSignal): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    if (signal.aborted) return resume(Effect.void)
    const listener = (): void => resume(Effect.void)
    signal.addEventListener("abort", listener, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", listener))
  })

/** Time of day for what an author labels by himself, in Unix seconds. What counts is the kernel's time. */
export const secondsNow = (): number => Date.now() / 1_000
