// How the portable API tells what failed: one envelope, the names that its clients know, and nothing of the inside.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Failure } from "../../../protocol/problem.ts"
import { statusOf } from "../../../protocol/problem.ts"
import { portableStatusOf, SSSNError } from "../../../protocol/portable-error.ts"
import type { Answer } from "../surface.ts"

export const json = { "content-type": "application/json" }

export const failed = (status: number, type: string, message: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status, headers: { ...json, ...headers }, body: JSON.stringify({ detail: { error: { type, message } } })
})

/** In the ancestor's words for what is no resource at all. */
export const notFound: Answer = { status: 404, headers: json, body: '{"detail":"Not Found"}' }
export const notAllowed = (allow: string): Answer => ({ status: 405, headers: { ...json, allow }, body: '{"detail":"Method Not Allowed"}' })

/** `parentIds` as it is called on the wire. */
const onWire = (path: string): string => path.replace(/^[a-z]+(?:[A-Z][a-z]+)+/u, (name) => name.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`))

/** Name and sentence of a failure of the kernel. */
const told = (error: Failure): readonly [type: string, message: string] => {
  switch (error._tag) {
    case "ChannelNotFound":
      return ["ChannelNotFoundError", `Channel not found: ${error.channel}`]
    case "ChannelExists":
      return ["ChannelExistsError", `Channel already exists: ${error.channel}`]
    case "EventNotFound":
      return ["EventNotFoundError", `Event not found: ${error.event}`]
    case "EventExists":
      return ["EventExistsError", `Event already exists with other content: ${error.event}`]
    case "ArtifactNotFound":
      return ["ArtifactNotFoundError", `Artifact not found: ${error.digest}`]
    case "SnapshotNotFound":
      return ["SnapshotNotFoundError", `Snapshot not found: ${error.name}`]
    case "SubscriptionNotFound":
      return ["SubscriptionNotFoundError", `Subscription not found: ${error.subscription}`]
    case "SubscriptionExists":
      return ["SubscriptionExistsError", `Subscription already exists: ${error.subscription}: ${error.reason}`]
    case "InvalidPayload":
      return ["InvalidPayloadError", `${error.path === "" ? "" : `${onWire(error.path)}: `}Invalid ${error.what}: ${error.reason}`]
    case "Denied":
      return ["PermissionDeniedError", error.message]
    default:
      return [`${error._tag}Error`, error.message]
  }
}

const retryAfter = (error: Failure): Readonly<Record<string, string>> =>
  error._tag === "Overloaded"
    ? { "retry-after": String(Math.max(1, Math.ceil(error.retryAfterMillis / 1_000))) }
    : error._tag === "StoreUnavailable" || error._tag === "AppendUnknown" ? { "retry-after": "1" } : {}

const isFailure = (error: unknown): error is Failure =>
  typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string" && statusOf(error._tag) !== undefined

/** A failure, or something that was thrown as one. */
export const failureAnswer = (error: unknown): Answer | undefined => {
  if (error instanceof SSSNError) return failed(portableStatusOf(error.name), error.name, error.message)
  if (!isFailure(error)) return undefined
  const [type, message] = told(error)
  return failed(statusOf(error._tag) ?? 400, type, message, retryAfter(error))
}

/** Every cause as an answer; a fault goes to the log and says nothing. */
export const causeAnswer = (cause: Cause.Cause<unknown>): Effect.Effect<Answer> => {
  const answer = failureAnswer(Cause.squash(cause))
  if (answer !== undefined) return Effect.succeed(answer)
  const fault = failed(500, "InternalError", "The kernel could not answer; its log says why.")
  return Cause.hasInterruptsOnly(cause) ? Effect.succeed(fault) : Effect.as(Effect.logError("A request failed", cause), fault)
}

const names: Readonly<Record<number, string>> = {
  400: "InvalidPayloadError", 401: "UnauthenticatedError", 403: "PermissionDeniedError", 404: "NotFoundError", 405: "MethodNotAllowedError",
  408: "TimedOutError", 413: "TooLargeError", 429: "OverloadedError", 500: "InternalError", 503: "StoreUnavailableError"
}

/** What the listener refuses before the surface is asked. */
export const refusal = (status: number, code: string, detail: string): Answer =>
  failed(status, names[status] ?? `${code}Error`, detail, status === 401 ? { "www-authenticate": 'Basic realm="aaax", Bearer' } : {})
