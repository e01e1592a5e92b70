// Executors for tests: they keep what they did, so that a test can count effects.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Call, Executor } from "../../protocol/executor.ts"

export interface Counted {
  readonly executor: Executor
  readonly calls: Array<Call>
}

export const counted = (name: string, more: Partial<Executor> = {}): Counted => {
  const calls: Array<Call> = []
  return {
    calls,
    executor: {
      name,
      description: "counts its calls",
      risk: "low",
      recovery: "none",
      perform: (call) => Effect.sync(() => ({ count: calls.push(call), echoed: call.payload })),
      ...more
    }
  }
}

/** One whose calls stay open until they are released. */
export const held = (name: string, more: Partial<Executor> = {}): Counted & { readonly release: () => void; readonly begun: Effect.Effect<void> } => {
  const calls: Array<Call> = []
  const gate = Deferred.makeUnsafe<void>()
  const begun = Deferred.makeUnsafe<void>()
  return {
    calls,
    release: () => void Deferred.doneUnsafe(gate, Effect.void),
    begun: Deferred.await(begun),
    executor: {
      name,
      description: "waits",
      risk: "low",
      recovery: "none",
      perform: (call) =>
        Effect.suspend(() => {
          calls.push(call)
          Deferred.doneUnsafe(begun, Effect.void)
          return Effect.as(Deferred.await(gate), { done: true })
        }),
      ...more
    }
  }
}
