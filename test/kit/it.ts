// Tests whose body is an Effect: run in a scope, failures told as they are, logs kept out of the report.
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import { it } from "vitest"

export const effect = (name: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>, timeout?: number): void => {
  it(name, () => Effect.runPromise(Effect.asVoid(Effect.provide(Effect.scoped(Effect.suspend(body)), Logger.layer([])))), timeout)
}
