// The operator's terminal as a docked system: it asks for a capability, asks the gate, and reads its own replies, as
// any system would. It decides nothing.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { AppendError, ReadError } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import type { ActionProgress, PayloadOf } from "../../protocol/routes.ts"
import { finalReplies, replyKinds } from "../../protocol/warrant.ts"
import { actionGate, capabilityRequest, kernelReplies } from "../../protocol/well-known.ts"
import type { Grants } from "../authority/grants.ts"
import type { DockError, Kernel } from "../kernel.ts"
import { terminalGrantsMax } from "../limits.ts"

export interface Terminal {
  /** Asks for it, and answers with what the kernel said within `waitMillis`. */
  readonly act: (request: PayloadOf<"act">, waitMillis: number) => Effect.Effect<ActionProgress, AppendError | ReadError>
  /** The newest reply behind `after`, waiting for one up to `waitMillis`. */
  readonly progress: (request: string, after: number, waitMillis: number) => Effect.Effect<ActionProgress, ReadError>
}

const newest = (request: string, events: ReadonlyArray<Event>): ActionProgress => {
  const reply = events.at(-1) ?? null
  return { request, reply, final: reply !== null && finalReplies.has(reply.kind) }
}

/** The token of a grant in a reply of the kernel. */
const tokenOf = (reply: Event | null): string | undefined => {
  const payload = reply?.payload
  if (reply?.kind !== replyKinds.granted || typeof payload !== "object" || payload === null || !("token" in payload)) return undefined
  return typeof payload.token === "string" ? payload.token : undefined
}

/** Asks through a port, as the system that it belongs to. */
export const terminalOf = (port: Port, { show }: Pick<Grants, "show">): Terminal => {
  const tokens = new Map<string, string>()

  /** What was had before may have ended, or be used up, since. */
  const stillGood = (token: string): Effect.Effect<boolean> =>
    Effect.match(Effect.zip(show(token), Clock.currentTimeMillis), {
      onFailure: () => false,
      onSuccess: ([{ endsAt, usesLeft }, now]) => usesLeft !== 0 && (endsAt === null || now < endsAt)
    })

  const replies = (request: string, after: number): Effect.Effect<ReadonlyArray<Event>, ReadError> =>
    Effect.map(port.read(kernelReplies, { after, filter: { correlationId: request } }), (page) => page.events)

  const progress: Terminal["progress"] = (request, after, waitMillis) =>
    Effect.gen(function*() {
      while (true) {
        const page = yield* port.read(kernelReplies, { after, filter: { correlationId: request } })
        if (page.events.length > 0) return newest(request, page.events)
        yield* port.awaitBeyond(kernelReplies, page.head)
      }
    }).pipe(
      Effect.timeoutOption(waitMillis),
      Effect.flatMap(Option.match({
        onSome: (found) => Effect.succeed(found),
        onNone: () => Effect.map(replies(request, after), (events) => newest(request, events))
      }))
    )

  const capability = Effect.fnUntraced(function*(executor: string, waitMillis: number) {
    const [asked] = yield* port.append(capabilityRequest, [
      { kind: "capability_request", payload: { resource: executor, access: "execute" } }
    ])
    return yield* progress(asked!.id, 0, waitMillis) // one draft, one answer
  })

  const request = Effect.fnUntraced(function*(payload: PayloadOf<"act">, token: string, waitMillis: number) {
    const [asked] = yield* port.append(actionGate, [{
      kind: "action_request",
      payload: {
        action: payload.action ?? payload.executor,
        executor: payload.executor,
        target: payload.target,
        capability: token,
        ...(payload.payload === undefined ? {} : { payload: payload.payload }),
        ...(payload.risk === undefined ? {} : { risk_level: payload.risk })
      }
    }], payload.key === undefined ? {} : { key: payload.key })
    return yield* progress(asked!.id, 0, waitMillis) // one draft, one answer
  })

  const under = Effect.fnUntraced(function*(token: string, payload: PayloadOf<"act">, waitMillis: number) {
    const told = yield* request(payload, token, waitMillis)
    // It may be that this one does not cover it, and a newer one would: the next action asks.
    if (told.reply?.kind === replyKinds.denied) tokens.delete(payload.executor)
    return told
  })

  const act: Terminal["act"] = Effect.fnUntraced(function*(payload, waitMillis) {
    if (payload.capability !== undefined) return yield* request(payload, payload.capability, waitMillis)
    const known = tokens.get(payload.executor)
    if (known !== undefined && (yield* stillGood(known))) return yield* under(known, payload, waitMillis)
    const answer = yield* capability(payload.executor, waitMillis)
    const token = tokenOf(answer.reply)
    if (token === undefined) return answer
    // A key makes the request repeatable only when its content, the token included, stays the same.
    if (tokens.size >= terminalGrantsMax) tokens.clear()
    tokens.set(payload.executor, token)
    return yield* under(token, payload, waitMillis)
  })

  return { act, progress }
}

/** Docks `terminal`, which may ask for the executors that config declares. */
export const dockTerminal = (kernel: Kernel, executors: ReadonlyArray<string>): Effect.Effect<Terminal, DockError> =>
  Effect.map(
    kernel.dock(
      {
        manifest: { ...emptyManifest("terminal", "door"), description: "Actions that the operator asks for on the command line.", executors },
        run: () => Effect.never
      },
      { configured: true }
    ),
    ({ port }) => terminalOf(port, kernel.grants)
  )
