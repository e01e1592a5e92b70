// Calls under way: so many at once, each in a fiber that whoever waits for it ends with, and with one that its executor's
// own code has to itself. That one is stopped when it takes too long or its authority ends; what it said by then is not
// believed.
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"

/** Why a call was broken off before it had ended. */
export interface Broken {
  readonly reason: string
  /** False: what it depends on was not reached in time; undefined: that says nothing of it. */
  readonly isReached: false | undefined
}

/** How the code of an executor ended. */
export type Ended =
  | { readonly broken: Broken }
  | { readonly broken?: undefined; readonly exit: Exit.Exit<unknown, unknown> }

/** Stops one call, whether it has begun or not. */
export interface Stop {
  /** Set when it was stopped. */
  reason: string | undefined
  /** Of the executor's code, while that runs. */
  breakOff: ((broken: Broken) => void) | undefined
}

export const makeStop = (): Stop => ({ reason: undefined, breakOff: undefined })

export const stop = (one: Stop, reason: string): void => {
  one.reason ??= reason
  one.breakOff?.({ reason, isReached: undefined })
}

/** The longest that a timer waits. */
const timerMillisMax = 2_147_483_647

/** Runs an executor's code until it has ended, also when it was stopped. Interrupting this interrupts it and waits for it. */
export const ended = (make: () => Effect.Effect<unknown, unknown>, millis: number, one: Stop): Effect.Effect<Ended> =>
  Effect.flatMap(Effect.context<never>(), (context) => Effect.callback<Ended>((resume) => {
    const fiber = Effect.runForkWith(context)(Effect.suspend(make))
    const exit = fiber.pollUnsafe()
    // Most that need no waiting need neither timer nor stop.
    if (exit !== undefined) return resume(Effect.succeed({ exit }))
    let broken: Broken | undefined
    const breakOff = (why: Broken): void => {
      if (broken !== undefined) return
      broken = why
      fiber.interruptUnsafe()
    }
    const timer = setTimeout(() => breakOff({ reason: `it took longer than ${millis} ms`, isReached: false }), Math.min(millis, timerMillisMax))
    one.breakOff = breakOff
    fiber.addObserver((last) => {
      clearTimeout(timer)
      one.breakOff = undefined
      resume(Effect.succeed(broken === undefined ? { exit: last } : { broken }))
    })
    return Fiber.interrupt(fiber)
  }))

export interface Calls {
  /** Runs this as soon as there is a place for it, at once when there is one. */
  readonly run: (call: Effect.Effect<unknown>) => void
  /** Gives a place back. */
  readonly left: () => void
  /** Completes when nothing is under way. */
  readonly settled: Effect.Effect<void>
}

/** `placesMax` calls run at once; a call says itself when it has left its place. What is under way ends with the scope. */
export const makeCalls = Effect.fnUntraced(function*(placesMax: number): Effect.fn.Return<Calls, never, Scope.Scope> {
  const context = yield* Effect.context<never>()
  const runFork = Effect.runForkWith(context)
  const underWay = new Set<Fiber.Fiber<unknown>>()
  const waiting: Array<Effect.Effect<unknown>> = []
  let whenSettled: Array<() => void> = []
  let places = placesMax
  let isBeginning = false
  let isOver = false

  const isSettled = (): boolean => underWay.size === 0 && waiting.length === 0
  const tellSettled = (): void => {
    if (whenSettled.length === 0 || !isSettled()) return
    const told = whenSettled
    whenSettled = []
    for (const tell of told) tell()
  }
  /** One after another: a call that ends at once gives its place to the next one. */
  const begin = (): void => {
    if (isBeginning) return
    isBeginning = true
    while (places > 0 && waiting.length > 0) {
      places--
      const fiber = runFork(waiting.shift()!)
      if (fiber.pollUnsafe() !== undefined) continue
      underWay.add(fiber)
      fiber.addObserver(() => {
        underWay.delete(fiber)
        tellSettled()
      })
    }
    isBeginning = false
    tellSettled()
  }
  yield* Effect.addFinalizer(() => Effect.suspend(() => {
    isOver = true
    waiting.length = 0
    return Fiber.interruptAll(underWay)
  }))
  return {
    run: (call) => {
      if (isOver) return
      waiting.push(call)
      begin()
    },
    left: () => {
      places++
      if (waiting.length > 0) begin()
    },
    settled: Effect.callback<void>((resume) => {
      if (isSettled()) resume(Effect.void)
      else whenSettled.push(() => resume(Effect.void))
    })
  }
})
