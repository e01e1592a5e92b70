// What is told when something fails, as RFC 9457 problems. A fault says nothing of the inside.
import * as Cause from "effect/Cause"
import type * as Schema from "effect/Schema"
import { type Problem, statusOf } from "../../protocol/problem.ts"
import type { Answer } from "./surface.ts"

export const problemJson = "application/problem+json"

/** `HeadConflict` as words, and as the last part of a type. */
const spaced = (code: string, by: string): string => code.replace(/(?<=[a-z])(?=[A-Z])/gu, by)

export const problem = (status: number, code: string, detail: string, fields: Problem["fields"] = {}): Problem => ({
  type: `https://aaax.dev/problems/${spaced(code, "-").toLowerCase()}`,
  title: spaced(code, " "),
  status,
  detail,
  code,
  fields
})

const failureIn = (cause: Cause.Cause<unknown>): { readonly _tag: string } | undefined => {
  const failure = Cause.findErrorOption(cause)
  const error = failure._tag === "Some" ? failure.value : undefined
  // It has just been seen that the tag is a text.
  return typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string" ? (error as { _tag: string }) : undefined
}

/** A failure as a problem. Its fields are its own. */
export const problemOf = (cause: Cause.Cause<unknown>): Problem => {
  const error = failureIn(cause)
  const status = error === undefined ? undefined : statusOf(error._tag)
  if (error === undefined || status === undefined) return problem(500, "Fault", "The kernel could not answer; its log says why.")
  const { _tag: _, ...fields } = JSON.parse(JSON.stringify(error)) as Record<string, Schema.Json> // JSON gives JSON
  return problem(status, error._tag, error instanceof Error ? error.message : error._tag, fields)
}

/** Seconds after which a client may try again, when the failure says so. */
const retryAfter = ({ fields }: Problem): Readonly<Record<string, string>> => {
  const { retryAfterMillis } = fields
  return typeof retryAfterMillis === "number" ? { "retry-after": String(Math.max(1, Math.ceil(retryAfterMillis / 1_000))) } : {}
}

export const problemAnswer = (told: Problem): Answer => ({
  status: told.status,
  headers: { "content-type": problemJson, ...retryAfter(told) },
  body: JSON.stringify(told)
})

/** How this listener tells what it refuses itself, where no surface has a shape of its own. */
export const refusal = (status: number, code: string, detail: string): Answer => problemAnswer(problem(status, code, detail))
