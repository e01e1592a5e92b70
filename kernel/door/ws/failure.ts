// Failures as frames tell them: the tagged classes as data; what is none of them says nothing of the inside.
import * as Cause from "effect/Cause"
import { statusOf } from "../../../protocol/problem.ts"

/** A failure of the kernel that is no failure of the caller; its log says more. */
export const fault = { _tag: "Fault", reason: "The kernel could not answer; its log says why." } as const

/** The failure in a cause as data, or nothing when it is a fault. */
export const toldOf = (cause: Cause.Cause<unknown>): unknown => {
  const failure = Cause.findErrorOption(cause)
  const error = failure._tag === "Some" ? failure.value : undefined
  if (typeof error !== "object" || error === null || !("_tag" in error) || typeof error._tag !== "string") return undefined
  return statusOf(error._tag) === undefined ? undefined : error
}
