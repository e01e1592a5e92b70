// Asks the gate for an effect, and follows what becomes of it.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { EffectFailed, Refused, TimedOut } from "../protocol/errors.ts"
import type { Event } from "../protocol/event.ts"
import { waitMillisMax } from "../protocol/routes.ts"
import { replyKinds } from "../protocol/warrant.ts"
import { type Called, show } from "./called.ts"
import { jsonOf } from "./data.ts"
import type { UsageError } from "./failure.ts"
import { connect } from "./run-file.ts"
import { err, json, onErr, plain } from "./terminal.ts"

export interface ActFlags {
  readonly payload?: string
  readonly risk?: string
  readonly action?: string
  readonly key?: string
  /** Stay until there is a receipt, also while it waits for a human. */
  readonly wait: boolean
  readonly timeoutSeconds?: number
}

const fieldOf = (reply: Event, field: string): unknown =>
  typeof reply.payload === "object" && reply.payload !== null && !Array.isArray(reply.payload)
    ? (reply.payload as Readonly<Record<string, unknown>>)[field] // any object may be asked for a key
    : undefined

const reasonOf = (reply: Event): string => plain(String(fieldOf(reply, "reason") ?? reply.kind))

/** What a final reply means for whoever asked. */
const verdict = (request: string, reply: Event): Refused | EffectFailed | undefined => {
  switch (reply.kind) {
    case replyKinds.completed:
      return undefined
    case replyKinds.expired:
      return new Refused({ request, kind: "expired", reason: reasonOf(reply) })
    case replyKinds.unavailable:
      return new Refused({ request, kind: "unavailable", reason: reasonOf(reply) })
    case replyKinds.failed:
    case replyKinds.unknown:
      return new EffectFailed({ request, outcome: reply.kind === replyKinds.failed ? "failed" : "unknown", reason: reasonOf(reply) })
    default:
      return new Refused({ request, kind: "denied", reason: reasonOf(reply) })
  }
}

export const act = Effect.fnUntraced(function*(
  called: Called, executor: string, target: string, flags: ActFlags
): Effect.fn.Return<void, ClientError | UsageError> {
  const client = yield* connect(called.directory)
  const deadline = flags.timeoutSeconds === undefined ? Infinity : Date.now() + flags.timeoutSeconds * 1000
  const wait = (): number => Math.max(0, Math.min(waitMillisMax, deadline - Date.now()))
  const payload = flags.payload === undefined ? {} : { payload: (yield* jsonOf(flags.payload, "--payload")) as null } // JSON, as was just parsed
  let progress = yield* client.call("act", {
    query: { wait: Math.floor(wait()) },
    payload: {
      executor, target, ...payload,
      ...(flags.risk === undefined ? {} : { risk: flags.risk }),
      ...(flags.action === undefined ? {} : { action: flags.action }),
      ...(flags.key === undefined ? {} : { key: flags.key })
    }
  })
  const { request } = progress
  let told = ""
  while (!progress.final) {
    const { reply } = progress
    if (reply?.kind === replyKinds.escalated && told !== reply.id) {
      told = reply.id
      err(`${onErr.yellow("parked")}  ${request}  ${reasonOf(reply)}`)
      err(onErr.dim(`        look: aaax gate show ${request}   answer: aaax gate approve ${request}`))
      if (!flags.wait) return yield* show(called, { request, state: "escalated", reason: reasonOf(reply) }, () => [`${request} escalated`])
    }
    if (Date.now() >= deadline) {
      err(onErr.dim(`It goes on without you: aaax gate show ${request}`))
      return yield* new TimedOut({ what: `The action ${request}`, millis: (flags.timeoutSeconds ?? 0) * 1000 })
    }
    progress = yield* client.call("action", { id: request, query: { after: reply?.cursor ?? 0, wait: Math.floor(wait()) } }).pipe(
      Effect.tapErrorTag("KernelUnreachable", () => Effect.sync(() => err(onErr.dim(`Its state is kept: aaax gate show ${request}`))))
    )
    // Nothing new: keep what is known, so that the next question is behind it.
    if (progress.reply === null) progress = { ...progress, reply }
  }
  const { reply } = progress
  if (reply === null) return
  const failure = verdict(request, reply)
  if (failure !== undefined) return yield* failure
  const result = fieldOf(reply, "result") ?? null
  err(`${onErr.green("done")}  ${request}`)
  yield* show(called, { request, state: "succeeded", result }, () => [json(result, 2)])
})
