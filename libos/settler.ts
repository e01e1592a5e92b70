// Settles what handlers ended: in groups, with the next take where there is one, and again when it is not known to be kept.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Port } from "../protocol/port.ts"
import type { Settlement } from "../protocol/subscription.ts"

/** Settlements in one call. */
const settlementsMax = 1_000
/** Pause before a settle or take that the store refused is tried again. */
export const retryMillis = 200

export interface Pending {
  readonly settlement: Settlement
  readonly done: Deferred.Deferred<void>
}

export interface Settler {
  /** Has it settled; the effect waits until it is. */
  readonly settle: (settlement: Settlement) => Effect.Effect<void>
  /** What has ended and is to be settled with the next take. */
  readonly join: Effect.Effect<ReadonlyArray<Pending>>
  /** How that take ended. What it did not settle is settled here. */
  readonly joined: (group: ReadonlyArray<Pending>, exit: Exit.Exit<unknown, { readonly _tag: string }>) => Effect.Effect<void>
}

/** Settles in groups: whatever ends while one call is under way shares the next. */
export const makeSettler = (port: Port, channel: string): Effect.Effect<Settler, never, Scope.Scope> =>
  Effect.gen(function*() {
    let pending: Array<Pending> = []
    let isJoining = false
    const some = yield* Latch.make(false)

    const call = (settlements: ReadonlyArray<Settlement>): Effect.Effect<void> =>
      Effect.catch(port.settle(channel, settlements), (error) => {
        switch (error._tag) {
          // The lost lease is another holder's business now; the others of the call are settled.
          case "LeaseLost":
            return Effect.logDebug(error.message)
          // A settlement that may or may not be kept is made again; settling twice changes nothing.
          case "AppendUnknown":
          case "StoreUnavailable":
            return Effect.andThen(Effect.sleep(retryMillis), call(settlements))
          default:
            return Effect.logWarning(error.message)
        }
      })

    const next = (): ReadonlyArray<Pending> => {
      const group = pending.slice(0, settlementsMax)
      pending = pending.slice(settlementsMax)
      if (pending.length === 0) Latch.closeUnsafe(some)
      return group
    }

    const done = (group: ReadonlyArray<Pending>): void => {
      for (const one of group) Deferred.doneUnsafe(one.done, Effect.void)
    }

    const turn = Effect.gen(function*() {
      yield* Latch.whenOpen(some, Effect.yieldNow)
      const group = isJoining ? [] : next()
      if (group.length === 0) return
      yield* call(group.map((one) => one.settlement))
      done(group)
    })
    // In a fiber of its own, so that a handler that is interrupted does not take its neighbours' settlements along.
    yield* Effect.forkScoped(Effect.forever(turn))

    return {
      settle: (settlement) => {
        const one: Pending = { settlement, done: Deferred.makeUnsafe<void>() }
        pending.push(one)
        Latch.openUnsafe(some)
        return Deferred.await(one.done)
      },
      join: Effect.suspend(() => {
        if (pending.length === 0) return Effect.succeed([])
        // What ends together goes together.
        isJoining = true
        return Effect.onExit(Effect.map(Effect.yieldNow, next), () => Effect.sync(() => void (isJoining = false)))
      }),
      joined: (group, exit) =>
        Effect.sync(() => {
          const isSettled = Exit.isSuccess(exit) || exit.cause.reasons.some((reason) => reason._tag === "Fail" && reason.error._tag === "LeaseLost")
          if (isSettled) return done(group)
          pending = [...group, ...pending]
          Latch.openUnsafe(some)
        })
    }
  })
