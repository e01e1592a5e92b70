// Tests whose body is an Effect: run in a scope, failures told as they are.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { it } from "vitest"

export const effect = (name: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>, timeout?: number): void => {
  it(name, () => Effect.runPromise(Effect.scoped(Effect.suspend(body))) as Promise<void>, timeout)
}
