// What the kernel assumes of an executor, and what every executor shares: defaults, payload checks, and stopping for real.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { isRisk, riskMax, type Risk } from "../../protocol/authority.ts"
import type { Executor, ExecutorFailure } from "../../protocol/executor.ts"
import { issuePath, validateNow, type StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import type { Recovery } from "../../protocol/warrant.ts"

/** What holds for an executor that does not say it. */
export const defaults = { risk: "irreversible", recovery: "none" } as const satisfies { risk: Risk; recovery: Recovery }

type Asked = { readonly target: string; readonly payload: unknown }

/** What the executor says of this call, else of all its calls. One that says something else than a risk is the highest. */
const declaredRisk = (executor: Pick<Executor, "risk" | "riskOf"> | undefined, call: Asked | undefined): Risk => {
  if (executor?.riskOf === undefined || call === undefined) return executor?.risk ?? defaults.risk
  try {
    const risk = executor.riskOf(call)
    return isRisk(risk) ? risk : "irreversible"
  } catch {
    return "irreversible"
  }
}

/**
 * Risk of an action: the higher of what the executor declares for it and what was requested. An unknown word is the
 * highest. Without a call: the highest that any call of this executor has.
 */
export const effectiveRisk = (executor: Pick<Executor, "risk" | "riskOf"> | undefined, requested: string, call?: Asked): Risk =>
  isRisk(requested) ? riskMax(declaredRisk(executor, call), requested) : "irreversible"

/** What this call depends on, as circuits know it. */
export const circuitFor = (executor: Pick<Executor, "name" | "circuitOf">, call: Asked): string => {
  try {
    const part = executor.circuitOf?.(call)
    return part === undefined ? executor.name : `${executor.name} ${part}`
  } catch {
    return executor.name
  }
}

/** Whether this call sends data out of this machine. */
export const isExternal = (executor: Pick<Executor, "external" | "externalOf">, call: Asked): boolean => {
  if (executor.externalOf === undefined) return executor.external === true
  try {
    // Only a plain no is one.
    return executor.externalOf(call) !== false
  } catch {
    return true
  }
}

/** What may be done after a crash with this call. */
export const recoveryFor = (executor: Pick<Executor, "recovery" | "recoveryOf"> | undefined, call: Asked): Recovery => {
  if (executor?.recoveryOf === undefined) return executor?.recovery ?? defaults.recovery
  try {
    const recovery: unknown = executor.recoveryOf(call)
    return recovery === "idempotent" || recovery === "queryable" ? recovery : "none"
  } catch {
    return "none"
  }
}

/**
 * Why this schema does not take this payload, or nothing. Decided before the verdict and therefore at once: a schema
 * that answers later refuses everything.
 */
export const payloadRefusal = (schema: StandardSchemaV1, payload: unknown): string | undefined => {
  // The digest sees own members only; a schema could be shown others.
  if (!isData(payload)) return "payload: it is not plain data"
  const issue = validateNow(schema, payload).issues?.[0]
  if (issue === undefined) return undefined
  const path = issuePath(issue)
  return `payload${path === "" ? "" : `.${path}`}: ${issue.message}`
}

const isData = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Why this executor would not take this call, or nothing: its payload's schema, then its own check. One that throws refuses. */
export const callRefusal = (
  executor: Executor, call: { readonly target: string; readonly payload: unknown }
): string | undefined => {
  try {
    return (executor.payload && payloadRefusal(executor.payload, call.payload)) ?? executor.check?.(call)
  } catch (thrown) {
    return `the check of ${executor.name} failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`
  }
}

/**
 * An effect of somebody else's, run in a fiber of its own: whatever is wrong with it, also that it is none, comes back as
 * its exit and cannot end the caller's fiber. Interrupting the caller interrupts it and waits for it.
 */
export const contained = <A, E>(make: () => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.flatMap(Effect.context<never>(), (context) =>
    Effect.callback<A, E>((resume) => {
      const fiber = Effect.runForkWith(context)(Effect.suspend(make))
      fiber.addObserver((exit) => resume(exit))
      return Fiber.interrupt(fiber)
    }))

/** Anything that code of others threw or failed with, as a sentence of bounded length. Never throws itself. `strike` sees all of it. */
export const inWords = (thrown: unknown, strike: (text: string) => string = (text) => text): string => {
  try {
    const text = thrown instanceof Error ? `${thrown.name === "Error" ? "" : `${thrown.name}: `}${thrown.message}` : String(thrown)
    return strike(text).slice(0, 1_000)
  } catch {
    return "something that cannot be told"
  }
}

/** What a body throws when it knows that nothing happened. Anything else that it throws is a defect: nobody knows. */
export class NotDone extends Error implements ExecutorFailure {
  readonly reason: string
  readonly unavailable: boolean
  constructor(reason: string, options: { readonly unavailable?: boolean } = {}) {
    super(reason)
    this.name = "NotDone"
    this.reason = reason
    this.unavailable = options.unavailable ?? false
  }
}

/** A typed failure as asynchronous code throws it. */
export const failureOf = ({ reason, unavailable }: NotDone): ExecutorFailure => (unavailable ? { reason, unavailable } : { reason })

/** A power of a call, for asynchronous code: its failure is thrown as `NotDone`. */
export const asked = async <A>(power: Effect.Effect<A, ExecutorFailure>): Promise<A> => {
  const exit = await Effect.runPromiseExit(power)
  if (Exit.isSuccess(exit)) return exit.value
  const thrown: unknown = Cause.squash(exit.cause)
  const failed = exit.cause.reasons.every((reason) => reason._tag === "Fail")
  // All its reasons are typed failures, so what is squashed out of them is one.
  throw failed ? new NotDone((thrown as ExecutorFailure).reason) : thrown
}

/**
 * An effect from asynchronous code that stops when it is interrupted: the signal is aborted, and the interruption is
 * complete only when the code has ended, so that nothing happens behind the back of whoever stopped it.
 */
export const stoppable = <A>(body: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, ExecutorFailure> =>
  Effect.callback((resume, signal) => {
    const ended = body(signal).then(
      (value) => resume(Effect.succeed(value)),
      (thrown: unknown) => resume(thrown instanceof NotDone ? Effect.fail(failureOf(thrown)) : Effect.die(thrown))
    )
    return Effect.promise(() => ended)
  })
