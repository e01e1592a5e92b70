// An executor: the only place where an effect happens. Called by the kernel, once per durable start.
import type * as Effect from "effect/Effect"
import type { StandardSchemaV1 } from "./standard-schema.ts"
import type { Risk } from "./authority.ts"
import type { SystemId } from "./names.ts"
import type { Recovery } from "./warrant.ts"

/** One licensed call. It carries the requester's identity and nothing of the kernel's own power. */
export interface Call {
  readonly warrant: string
  /** Same for every attempt of one warrant: the idempotency key for the outside. */
  readonly key: string
  /** 1 for the first call. */
  readonly attempt: number
  readonly principal: SystemId
  readonly grant: string | null
  readonly action: string
  readonly target: string
  readonly payload: unknown
  readonly digest: string
  readonly risk: Risk
  /** The trace that the request belongs to (W3C Trace Context), for what it calls outside; absent: none. */
  readonly traceparent?: string
}

/** What the executor reports when the effect happened. JSON, at most `resultBytesMax` of the kernel's limits. */
export type EffectResult = unknown

/** The effect did not happen, and the executor knows it. */
export interface ExecutorFailure {
  readonly reason: string
}

export interface Executor {
  readonly name: string
  readonly description: string
  /** None declared counts as irreversible. */
  readonly risk?: Risk
  /** None declared counts as `none`. */
  readonly recovery?: Recovery
  /** Longest time one call may take, in milliseconds; then it is interrupted and its outcome unknown. */
  readonly timeoutMillis?: number
  readonly payload?: StandardSchemaV1
  /** Pure check of target and payload before the verdict: a sentence that refuses, or nothing. */
  readonly check?: (call: { readonly target: string; readonly payload: unknown }) => string | undefined
  /**
   * Does it. A typed failure means that it did not happen; a defect means that nobody knows. Interruption must
   * stop the effect.
   */
  readonly perform: (call: Call) => Effect.Effect<EffectResult, ExecutorFailure>
  /** For `queryable`: whether the effect of this call is there. `undefined`: it is not. */
  readonly status?: (call: Call) => Effect.Effect<EffectResult | undefined, ExecutorFailure>
}
