// An executor of one's own: async code with a declared risk and recovery, called by the kernel once per durable start.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Risk } from "../protocol/authority.ts"
import type { Cost } from "../protocol/budget.ts"
import type { Call, CallPowers, Compensated, Executor, ExecutorFailure, KeptBytes } from "../protocol/executor.ts"
import type { Recovery } from "../protocol/warrant.ts"
import { toStandard, validate, type Output, type PayloadSchema } from "./payload.ts"
import { fromAsync } from "./promise.ts"

/** Thrown by an executor: the effect did not happen, and it knows. Anything else that it throws means: nobody knows. */
export class NotDone extends Data.TaggedError("NotDone")<{
  readonly reason: string
  /** What it cost all the same; absent: what `cost` declared. */
  readonly spent?: Cost
  /** What it needs cannot be reached: after some of these it is left alone for a while. */
  readonly unavailable?: boolean
}> {
  override get message(): string {
    return this.reason
  }
}

/** What the kernel hands to one call. A power that fails throws `NotDone`. */
export interface CallContext {
  readonly signal: AbortSignal
  /** The value of a secret that config binds to this executor. It is struck out of whatever the call gives back. */
  readonly secret: (name: string) => Promise<string>
  /** Rejects once the fence that the request named has moved on: for right before the effect. */
  readonly stillHolds: () => Promise<void>
  /**
   * Rejects when one of these absolute paths, links resolved, is in what another system has claimed; one that ends with `/`
   * stands for everything below it. For right before it is changed.
   */
  readonly mayChange: (paths: ReadonlyArray<string>) => Promise<void>
  /** Whether the requester's grant covers this target too. */
  readonly covers: (target: string) => boolean
  /** Keeps bytes that are too many for a result, as an artifact. */
  readonly keep: (bytes: Uint8Array, mediaType: string) => Promise<KeptBytes>
}

type Looked<A> = (call: { readonly target: string; readonly payload: unknown }) => A

export interface ExecutorSpec<S extends PayloadSchema | undefined> {
  readonly name: string
  readonly description?: string
  /** The highest of all its calls. */
  readonly risk: Risk
  /** Of this call, when not all are alike. Pure. */
  readonly riskOf?: Looked<Risk>
  /** After a crash: `idempotent` runs it again with the same key, `queryable` asks `status`, `none` leaves it unknown. */
  readonly recovery: Recovery
  /** Of this call, when not all are alike. Pure. */
  readonly recoveryOf?: Looked<Recovery>
  /** What this call depends on, such as a host: left alone for a while when it cannot be reached. Pure. */
  readonly circuitOf?: Looked<string>
  readonly timeoutMillis?: number
  readonly payload?: S
  /** Looks at target and payload before the verdict: a sentence that refuses, or nothing. Pure. */
  readonly check?: (call: { readonly target: string; readonly payload: unknown }) => string | undefined
  readonly perform: (call: TypedCall<S>, context: CallContext) => Promise<unknown> | unknown
  /** For `queryable`: what the effect gave if it is there, `undefined` if it is not. */
  readonly status?: (call: TypedCall<S>, context: CallContext) => Promise<unknown> | unknown
  /** What a call costs at most, held before it. Pure. What it did cost, `perform` tells: `reported({ result, spent })`. */
  readonly cost?: (call: { readonly target: string; readonly payload: unknown }) => Cost
  /** Labels that all its results carry, such as `untrusted.web`. */
  readonly labels?: ReadonlyArray<string>
  /** It sends data out of this machine. */
  readonly external?: boolean
  /** Of this call, when not all are alike. Pure. */
  readonly externalOf?: Looked<boolean>
  /** A human has to say yes to each call, also where policy allows it. */
  readonly gated?: boolean
  /** Takes back what a call did. `call.key` is the same for every attempt; `done` is that call, and what it reported. */
  readonly compensate?: (
    call: Call, done: { readonly original: TypedCall<S>; readonly result: unknown; readonly undo: unknown }, context: CallContext
  ) => Promise<unknown> | unknown
  /** Whether taking back may be tried again when nobody knows how it ended. Default: `none`. */
  readonly compensateRecovery?: "idempotent" | "none"
}

export type TypedCall<S> = Omit<Call, "payload"> & { readonly payload: S extends PayloadSchema ? Output<S> : unknown }

/** How long interrupted code may take to end. */
const graceMillis = 1_000

/** A power of the call, for plain async code. */
const used = async <A>(power: Effect.Effect<A, ExecutorFailure>): Promise<A> => {
  const result = await Effect.runPromise(Effect.result(power))
  if (Result.isSuccess(result)) return result.success
  throw new NotDone(result.failure)
}

/** Who runs elsewhere is handed no powers: there are no secrets, and nothing is kept. */
const contextOf = (signal: AbortSignal, powers: CallPowers | undefined): CallContext => ({
  signal,
  secret: (name) => used(powers?.secret(name) ?? Effect.fail({ reason: `there is no secret ${name} here` })),
  stillHolds: () => used(powers?.stillHolds ?? Effect.void),
  mayChange: (paths) => used(powers?.mayChange(paths) ?? Effect.void),
  covers: (target) => powers?.covers(target) ?? false,
  keep: (bytes, mediaType) => used(powers?.keep(bytes, mediaType) ?? Effect.fail({ reason: "nothing can be kept here" }))
})

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
  const running = (
    powers: CallPowers | undefined, body: (context: CallContext) => Promise<unknown> | unknown
  ): Effect.Effect<unknown, ExecutorFailure> =>
    Effect.catch(fromAsync((signal) => body(contextOf(signal, powers)), graceMillis), (thrown) =>
      thrown instanceof NotDone ? Effect.fail({
        reason: thrown.reason, ...(thrown.spent === undefined ? {} : { spent: thrown.spent }), ...(thrown.unavailable === true ? { unavailable: true } : {})
      }) : Effect.die(thrown))
  const run = (body: ExecutorSpec<S>["perform"]) => (call: Call, powers?: CallPowers): Effect.Effect<unknown, ExecutorFailure> =>
    Effect.flatMap(typed(call), (checked) => running(powers, (context) => body(checked, context)))
  const { compensate } = spec
  return {
    name: spec.name,
    description: spec.description ?? "",
    risk: spec.risk,
    recovery: spec.recovery,
    ...(spec.timeoutMillis === undefined ? {} : { timeoutMillis: spec.timeoutMillis }),
    ...(schema === undefined ? {} : { payload: schema }),
    ...(spec.check === undefined ? {} : { check: spec.check }),
    ...(spec.riskOf === undefined ? {} : { riskOf: spec.riskOf }),
    ...(spec.recoveryOf === undefined ? {} : { recoveryOf: spec.recoveryOf }),
    ...(spec.circuitOf === undefined ? {} : { circuitOf: spec.circuitOf }),
    ...(spec.externalOf === undefined ? {} : { externalOf: spec.externalOf }),
    perform: run(spec.perform),
    ...(spec.status === undefined ? {} : { status: run(spec.status) }),
    ...(spec.cost === undefined ? {} : { cost: spec.cost }),
    ...(spec.labels === undefined ? {} : { labels: spec.labels }),
    ...(spec.external === undefined ? {} : { external: spec.external }),
    ...(spec.gated === undefined ? {} : { gated: spec.gated }),
    ...(compensate === undefined
      ? {}
      : {
          compensate: (call: Call, done: Compensated, powers?: CallPowers) =>
            Effect.flatMap(typed(done.original), (original) => running(powers, (context) => compensate(call, { ...done, original }, context))),
          compensateRecovery: spec.compensateRecovery ?? "none"
        })
  }
}
