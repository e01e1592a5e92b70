// An executor: the only place where an effect happens. Called by the kernel, once per durable start.
import type * as Effect from "effect/Effect"
import type { StandardSchemaV1 } from "./standard-schema.ts"
import type { Risk } from "./authority.ts"
import type { Cost } from "./budget.ts"
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
  /** Where the request comes from, sorted; absent: no labels. */
  readonly labels?: ReadonlyArray<string>
}

/** Bytes that were kept as an artifact, because they are too many for a result. */
export interface KeptBytes {
  /** Its digest. */
  readonly artifact: string
  readonly sizeBytes: number
  readonly mediaType: string
}

/** What the kernel hands to one call beside its data: good for this call, and for nothing else. */
export interface CallPowers {
  /**
   * Fails once the fence that the request named has moved on, or its call was stopped. For right before the effect, under
   * the lock of what it changes: between that and the first check somebody else may have taken over.
   */
  readonly stillHolds: Effect.Effect<void, ExecutorFailure>
  /**
   * Fails when one of these absolute real paths is in what another system has claimed; one that ends with `/` stands for
   * everything below it. Like `stillHolds` for right before the effect, under the lock of what it changes.
   */
  readonly mayChange: (paths: ReadonlyArray<string>) => Effect.Effect<void, ExecutorFailure>
  /** Whether the requester's grant covers this target too. What leads elsewhere, as a redirect does, asks before it follows. */
  readonly covers: (target: string) => boolean
  /** The value of a secret that config binds to this executor. It is struck out of whatever the call gives back. */
  readonly secret: (name: string) => Effect.Effect<string, ExecutorFailure>
  /** Tells the requester how far it has come: JSON, on `aaax.progress`, kept for as long as the kernel runs. */
  readonly progress?: (value: unknown) => void
  /** Keeps bytes that are too many for a result. */
  readonly keep: (bytes: Uint8Array, mediaType: string) => Effect.Effect<KeptBytes, ExecutorFailure>
  /** Bytes that were kept before, by their digest. Only for taking back: an executor gets what it kept itself for that. */
  readonly kept?: (digest: string) => Effect.Effect<Uint8Array, ExecutorFailure>
}

/** What the executor reports when the effect happened: JSON, or `reported(...)` to say more than the result. */
export type EffectResult = unknown

/** More than a result. */
export interface Report {
  readonly result: unknown
  /** What it cost. A unit that `cost` declared and that is missing here is charged as declared. */
  readonly spent?: Cost
  /** Labels that this result carries beside those that the executor declares. */
  readonly labels?: ReadonlyArray<string>
  /** What `compensate` needs and the requester is not told: JSON, at most as large as a result. */
  readonly undo?: unknown
}

// Of the registry, so that a report is one whichever copy of this package it was made with. No JSON holds it.
const reportTag: unique symbol = Symbol.for("aaax/report")

/** What an executor gives in place of a plain result. */
export const reported = (report: Report): EffectResult => ({ ...report, [reportTag]: true })

/** The report in what an executor gave; a plain result is one that says nothing else. */
export const reportOf = (given: EffectResult): Report =>
  // What carries the tag was made above.
  typeof given === "object" && given !== null && Object.hasOwn(given, reportTag) ? (given as Report) : { result: given }

/** The effect did not happen, and the executor knows it. */
export interface ExecutorFailure {
  readonly reason: string
  /** What it needs cannot be reached now: after some of these it is not called for a while. */
  readonly unavailable?: boolean
  /** What it cost all the same. Absent: what `cost` declared. */
  readonly spent?: Cost
}

export interface Executor {
  readonly name: string
  readonly description: string
  /** The highest of all its calls. None declared counts as irreversible. */
  readonly risk?: Risk
  /** Of this call, when not all are alike; pure. Never more than `risk`; one that throws is irreversible. */
  readonly riskOf?: (call: { readonly target: string; readonly payload: unknown }) => Risk
  /** None declared counts as `none`. */
  readonly recovery?: Recovery
  /** Of this call, when not all are alike; pure. One that throws is `none`. */
  readonly recoveryOf?: (call: { readonly target: string; readonly payload: unknown }) => Recovery
  /**
   * What this call depends on, such as a host: when it could not be reached several times in a row, calls that depend on it are
   * not made for a while. Pure. Absent: all calls of the executor depend on the same.
   */
  readonly circuitOf?: (call: { readonly target: string; readonly payload: unknown }) => string
  /** Longest time one call may take, in milliseconds; then it is interrupted and its outcome unknown. */
  readonly timeoutMillis?: number
  readonly payload?: StandardSchemaV1
  /** Pure check of target and payload before the verdict: a sentence that refuses, or nothing. */
  readonly check?: (call: { readonly target: string; readonly payload: unknown }) => string | undefined
  /**
   * Does it. A typed failure means that it did not happen; a defect means that nobody knows. Interruption must
   * stop the effect. The kernel always hands its powers over; who calls it by hand may have none.
   */
  readonly perform: (call: Call, powers?: CallPowers) => Effect.Effect<EffectResult, ExecutorFailure>
  /**
   * The files that a call would change, by their absolute real paths, folders with `/` at the end: what is claimed by others is
   * refused before it is called. Absent: none. Who changes files asks `mayChange` all the same, when it knows for good which.
   */
  readonly changes?: (call: Call) => Effect.Effect<ReadonlyArray<string>, ExecutorFailure>
  /** For `queryable`: whether the effect of this call is there. `undefined`: it is not. */
  readonly status?: (call: Call, powers?: CallPowers) => Effect.Effect<EffectResult | undefined, ExecutorFailure>
  /**
   * What a call costs at most: reserved before it, settled by what is reported after it. Pure. One that throws, or says
   * something else than amounts, refuses the call. Of `actions`, `concurrency` and `millis` the kernel itself keeps count.
   */
  readonly cost?: (call: { readonly target: string; readonly payload: unknown }) => Cost
  /** Labels that all its results carry, such as `untrusted.web`. */
  readonly labels?: ReadonlyArray<string>
  /** It sends data out of this machine: what rules about flow look at. */
  readonly external?: boolean
  /** Of this call, when not all are alike; pure. One that throws does. */
  readonly externalOf?: (call: { readonly target: string; readonly payload: unknown }) => boolean
  /** A human has to say yes to each call, also where policy allows it. */
  readonly gated?: boolean
  /**
   * Takes back an effect that happened: `original` is that call, `result` and `undo` what it reported. A typed failure
   * means that nothing was taken back. `call.key` is the same for every attempt to take this one back.
   */
  readonly compensate?: (call: Call, done: Compensated, powers?: CallPowers) => Effect.Effect<EffectResult, ExecutorFailure>
  /** Whether taking back may be tried again when nobody knows how it ended. Default: `none`. */
  readonly compensateRecovery?: "idempotent" | "none"
}

/** The call that is taken back, and what it reported. */
export interface Compensated {
  readonly original: Call
  readonly result: unknown
  /** Null when it reported none, or when what it reported is not known. */
  readonly undo: unknown
}
