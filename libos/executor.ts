// An executor of one's own: async code with a declared risk and recovery, called by the kernel once per durable start.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Risk } from "../protocol/authority.ts"
import type { Call, Executor, ExecutorFailure } from "../protocol/executor.ts"
import type { Recovery } from "../protocol/warrant.ts"
import { toStandard, validate, type Output, type PayloadSchema } from "./payload.ts"
import { fromAsync } from "./promise.ts"

/** Thrown by an executor: the effect did not happen, and it knows. Anything else that it throws means: nobody knows. */
export class NotDone extends Data.TaggedError("NotDone")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

export interface ExecutorSpec<S extends PayloadSchema | undefined> {
  readonly name: string
  readonly description?: string
  readonly risk: Risk
  /** After a crash: `idempotent` runs it again with the same key, `queryable` asks `status`, `none` leaves it unknown. */
  readonly recovery: Recovery
  readonly timeoutMillis?: number
  readonly payload?: S
  /** Looks at target and payload before the verdict: a sentence that refuses, or nothing. Pure. */
  readonly check?: (call: { readonly target: string; readonly payload: unknown }) => string | undefined
  readonly perform: (call: TypedCall<S>, context: { readonly signal: AbortSignal }) => Promise<unknown> | unknown
  /** For `queryable`: what the effect gave if it is there, `undefined` if it is not. */
  readonly status?: (call: TypedCall<S>, context: { readonly signal: AbortSignal }) => Promise<unknown> | unknown
}

export type TypedCall<S> = Omit<Call, "payload"> & { readonly payload: S extends PayloadSchema ? Output<S> : unknown }

/** How long interrupted code may take to end. */
const graceMillis = 1_000

/** What the kernel registers while the system that serves it is docked. */
export const defineExecutor = <const S extends PayloadSchema | undefined = undefined>(spec: ExecutorSpec<S>): Executor => {
  if (spec.recovery === "queryable" && spec.status === undefined) {
    throw new TypeError(`executor ${spec.name} says it is queryable, but has no status to ask`)
  }
  const schema = spec.payload === undefined ? undefined : toStandard(spec.payload)
  const typed = (call: Call): Effect.Effect<TypedCall<S>, ExecutorFailure> =>
    schema === undefined
      ? Effect.succeed(call as TypedCall<S>) // S is undefined, so the payload is unknown
      : Effect.mapBoth(validate(schema, `payload for ${spec.name}`, call.payload), {
          onFailure: (error) => ({ reason: error.message }),
          onSuccess: (payload) => ({ ...call, payload }) as TypedCall<S> // checked by the schema that S is
        })
  const run = (body: ExecutorSpec<S>["perform"]) => (call: Call): Effect.Effect<unknown, ExecutorFailure> =>
    Effect.flatMap(typed(call), (checked) =>
      Effect.catch(fromAsync((signal) => body(checked, { signal }), graceMillis), (thrown) =>
        thrown instanceof NotDone ? Effect.fail({ reason: thrown.reason }) : Effect.die(thrown)))
  return {
    name: spec.name,
    description: spec.description ?? "",
    risk: spec.risk,
    recovery: spec.recovery,
    ...(spec.timeoutMillis === undefined ? {} : { timeoutMillis: spec.timeoutMillis }),
    ...(schema === undefined ? {} : { payload: schema }),
    ...(spec.check === undefined ? {} : { check: spec.check }),
    perform: run(spec.perform),
    ...(spec.status === undefined ? {} : { status: run(spec.status) })
  }
}
