// Authority: ask for a capability, and act through the gate. Every answer is typed; nothing is left to poll for.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import { Access, type Caveats, type Fence, type Risk } from "../protocol/authority.ts"
import { ScopeRefusal } from "../protocol/coordination.ts"
import { EffectFailed, InvalidPayload, Refused, type AppendError, type ReadError, type TimedOut } from "../protocol/errors.ts"
import type { Appended, Draft, Event } from "../protocol/event.ts"
import type { SystemId } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import { replyKinds } from "../protocol/warrant.ts"
import { actionGate, capabilityRequest, kernelReplies, progress } from "../protocol/well-known.ts"
import type { Capability, DelegateOptions } from "./capability.ts"
import { appendTo } from "./channel.ts"
import type { Keys } from "./handling.ts"
import { askMillisDefault, makeReplies } from "./request.ts"

/** Longest wait for a receipt: an escalation may wait for a human before it expires. */
export const receiptMillisDefault = 30 * 60_000

export interface CapabilityOptions {
  /** `ttl` in seconds; other keys are kept as labels of the grant. */
  readonly scope?: Readonly<Record<string, Schema.Json>>
  /** What the policy may look at. */
  readonly context?: Readonly<Record<string, Schema.Json>>
  /** Asks for less than policy would give. */
  readonly caveats?: Caveats
  readonly key?: string
  readonly timeoutMillis?: number
}

export interface ActOptions {
  /** On what: a path, a program, a URL; the executor says. */
  readonly target: string
  readonly payload?: unknown
  /** What is done, in the requester's words; default: the executor's name. */
  readonly action?: string
  /** May raise the executor's declared risk, never lower it. Default: low, so that the declared risk counts. */
  readonly risk?: Risk
  /** A capability or its token; default: the execute grant of this system, which is asked for once. */
  readonly capability?: string | Pick<Capability, "token">
  /** Makes the action repeatable: the same key acts once. */
  readonly key?: string
  readonly fence?: Fence
  /** Takes back the effect of an earlier action of this system, by its request; with its executor and target, and no payload. */
  readonly compensates?: string
  readonly timeoutMillis?: number
  /** Called with what the executor says of how far it has come, while it is under way. */
  readonly onProgress?: (value: unknown) => void
  /** `receipt` (default): the effect happened. `verdict`: it was allowed, or waits for a human. */
  readonly wait?: "verdict" | "receipt"
}

export interface Acted {
  /** The request, which is also the warrant's id. */
  readonly request: string
  readonly outcome: "approved" | "escalated" | "completed"
  /** What the executor reported; for `approved` the final payload. */
  readonly result: unknown
}

export type ActError = Refused | EffectFailed | AppendError | ReadError | TimedOut | InvalidPayload

export type CapabilityError = Refused | AppendError | ReadError | TimedOut | InvalidPayload

export interface Authority {
  readonly requestCapability: (
    resource: string, access: Access, options?: CapabilityOptions
  ) => Effect.Effect<Capability, CapabilityError>
  /** Makes a narrower one of a capability that this system holds, for `to`. */
  readonly delegate: (
    token: string, to: SystemId, options?: DelegateOptions & { readonly facet?: boolean }
  ) => Effect.Effect<Capability, CapabilityError>
  /** Gives a capability up, or takes back what was made of it. Answers how many ended. */
  readonly revokeCapability: (token: string, options?: Pick<DelegateOptions, "timeoutMillis">) => Effect.Effect<number, CapabilityError>
  readonly act: (executor: string, options: ActOptions, keys?: Keys) => Effect.Effect<Acted, ActError>
}

// Replies come from the kernel, but from a channel: what they say is checked before it is believed.
const GrantReply = Schema.Struct({ resource: Schema.String, token: Schema.String, expires: Schema.NullOr(Schema.Finite), access: Schema.optionalKey(Access) })
const RevokedReply = Schema.Struct({ token: Schema.String, ended: Schema.Int })
const ReasonReply = Schema.Struct({ reason: Schema.String })
const RefusalReply = Schema.Struct({ refusal: Schema.Struct({
  caveat: Schema.optionalKey(Schema.String), link: Schema.optionalKey(Schema.String), allowed: Schema.optionalKey(Schema.String), how: Schema.optionalKey(Schema.String)
}) })
const decodeRevoked = Schema.decodeUnknownExit(RevokedReply)
const decodeRefusal = Schema.decodeUnknownExit(RefusalReply)
const decodeGrant = Schema.decodeUnknownExit(GrantReply)
const decodeReason = Schema.decodeUnknownExit(ReasonReply)

const reasonOf = (reply: Event): string => {
  const decoded = decodeReason(reply.payload)
  return Exit.isSuccess(decoded) ? decoded.value.reason : "no reason was given"
}

/** A field of a reply, when it has one. */
const field = (reply: Event, name: string): unknown =>
  typeof reply.payload === "object" && reply.payload !== null && !Array.isArray(reply.payload)
    ? (reply.payload as Readonly<Record<string, unknown>>)[name] // an object that is no array is a record of unknowns
    : undefined

interface Granted {
  readonly capability: Capability
  /** How long it lives from its reply on; kernel time and ours may differ, so no time of day is compared. */
  readonly lifeMillis: number
}

interface Held {
  readonly capability: Capability
  /** By our clock. */
  readonly until: number
}

/** What was not covered, when it was a capability that did not cover it. */
const refused = (reply: Event): Refused => {
  const decoded = decodeRefusal(reply.payload)
  return new Refused({
    request: reply.correlationId ?? "", kind: "denied", reason: reasonOf(reply), ...(Exit.isSuccess(decoded) ? decoded.value.refusal : {})
  })
}

const revokedOf = (reply: Event): Effect.Effect<number, Refused | InvalidPayload> | undefined => {
  if (reply.kind === replyKinds.refusedCapability) return Effect.fail(refused(reply))
  if (reply.kind !== replyKinds.revokedCapability) return undefined
  const decoded = decodeRevoked(reply.payload)
  return Exit.isSuccess(decoded)
    ? Effect.succeed(decoded.value.ended)
    : Effect.fail(new InvalidPayload({ what: "capability reply", path: "", reason: "it does not say how many ended" }))
}

const grantOf = (reply: Event, access: Access): Effect.Effect<Granted, Refused | InvalidPayload> | undefined => {
  if (reply.kind === replyKinds.refusedCapability) return Effect.fail(refused(reply))
  if (reply.kind !== replyKinds.granted) return undefined
  const decoded = decodeGrant(reply.payload)
  return Exit.isSuccess(decoded)
    ? Effect.succeed({
        capability: { access, ...decoded.value },
        lifeMillis: decoded.value.expires === null ? Number.POSITIVE_INFINITY : decoded.value.expires * 1_000 - reply.recordedAt
      })
    : Effect.fail(new InvalidPayload({ what: "capability reply", path: "", reason: "it has no token" }))
}

const scopeIn = Schema.decodeUnknownOption(ScopeRefusal)

const actedOf = (reply: Event, wait: "verdict" | "receipt"): Effect.Effect<Acted, Refused | EffectFailed> | undefined => {
  const request = reply.correlationId ?? ""
  const done = (outcome: Acted["outcome"], result: unknown): Effect.Effect<Acted> => Effect.succeed({ request, outcome, result })
  switch (reply.kind) {
    case replyKinds.denied:
      return Effect.fail(refused(reply))
    case replyKinds.unavailable:
      return Effect.fail(new Refused({ request, kind: "unavailable", reason: reasonOf(reply) }))
    case replyKinds.expired:
      return Effect.fail(new Refused({ request, kind: "expired", reason: reasonOf(reply) }))
    case replyKinds.failed:
      return Effect.fail(new EffectFailed({ request, outcome: "failed", reason: reasonOf(reply), ...Option.match(scopeIn(field(reply, "scope")), { onNone: () => ({}), onSome: (scope) => ({ scope }) }) }))
    case replyKinds.unknown:
      return Effect.fail(new EffectFailed({ request, outcome: "unknown", reason: reasonOf(reply) }))
    case replyKinds.completed:
      return done("completed", field(reply, "result"))
    case replyKinds.approved:
      return wait === "verdict" ? done("approved", field(reply, "modified_payload")) : undefined
    case replyKinds.escalated:
      return wait === "verdict" ? done("escalated", null) : undefined
    default:
      return undefined
  }
}

/** An id that says the same request every time, so that its answer is found even when its content changed a little. */
const requestId = (port: Port, key: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const digest = await globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${port.system}\n${key}`))
    return `act-${Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 40)}`
  })

export const makeAuthority = (port: Port): Effect.Effect<Authority, never, Scope> =>
  Effect.gen(function*() {
    const replies = yield* makeReplies(port, kernelReplies)
    const held = new Map<string, Effect.Effect<Held, ActError>>()

    const askFor = (resource: string, access: Access, options: CapabilityOptions = {}): Effect.Effect<Granted, Refused | AppendError | ReadError | TimedOut | InvalidPayload> =>
      replies.ask({
        send: appendOne(port, capabilityRequest, {
          kind: "capability_request",
          payload: {
            resource, access, ...(options.scope && { scope: options.scope }), ...(options.caveats && { caveats: options.caveats }),
            ...(options.context && { context: options.context })
          }
        }, options.key),
        accept: (reply) => grantOf(reply, access),
        repeated: options.key !== undefined,
        timeoutMillis: options.timeoutMillis ?? askMillisDefault,
        what: `The request for ${access} on ${resource}`
      })
    const requestCapability: Authority["requestCapability"] = (resource, access, options) =>
      Effect.map(askFor(resource, access, options), ({ capability }) => capability)

    /** The execute grant of an executor: asked for once, shared by all who act, until it ends or is refused. */
    const executeGrant = (executor: string): Effect.Effect<Capability, ActError> =>
      Effect.gen(function*() {
        const known = held.get(executor)
        if (known !== undefined) {
          const { capability, until } = yield* known
          if (until > (yield* Clock.currentTimeMillis)) return capability
          if (held.get(executor) === known) held.delete(executor)
        }
        const again = held.get(executor)
        if (again !== undefined) return (yield* again).capability
        const asked = yield* Effect.cached(
          Effect.onExit(
            Effect.zipWith(askFor(executor, "execute"), Clock.currentTimeMillis, ({ capability, lifeMillis }, now) => ({ capability, until: now + lifeMillis })),
            (exit) =>
              Effect.sync(() => {
                if (Exit.isFailure(exit)) held.delete(executor)
              })
          )
        )
        held.set(executor, asked)
        return (yield* asked).capability
      })

    const act: Authority["act"] = (executor, options, keys) =>
      Effect.gen(function*() {
        const wait = options.wait ?? "receipt"
        const capability = typeof options.capability === "string" ? options.capability : (options.capability ?? (yield* executeGrant(executor))).token
        const derived = options.key === undefined && keys !== undefined
        const key = options.key ?? keys?.next(executor)
        const id = derived && key !== undefined ? yield* requestId(port, key) : undefined
        const payload = {
          action: options.action ?? executor,
          executor,
          target: options.target,
          payload: options.payload ?? null,
          capability,
          risk_level: options.risk ?? "low",
          ...(options.fence === undefined ? {} : { fence: options.fence }),
          ...(options.compensates === undefined ? {} : { compensates: options.compensates })
        }
        const parentIds = keys === undefined ? [] : keys.causes()
        const send = appendOne(
          port, actionGate, { kind: "action_request", payload, parentIds, ...(id === undefined ? {} : { id }) },
          key ?? globalThis.crypto.randomUUID()
        )
        const sent = id === undefined ? send : Effect.catchTag(send, ["IdempotencyConflict", "EventExists"], () =>
          Effect.succeed<Appended>({ id, cursor: 0, recordedAt: 0 }))
        const asked = (send: typeof sent) => replies.ask({
          // Handling an event again may say the request a little differently (another token); the first one stands.
          send,
          accept: (reply) => {
            const acted = actedOf(reply, wait)
            // What it gave is a cause of what is written from now on, where it matters: when it carries labels.
            if (acted !== undefined && reply.labels.length > 0) keys?.because(reply.id)
            return acted
          },
          repeated: key !== undefined,
          timeoutMillis: options.timeoutMillis ?? (wait === "verdict" ? askMillisDefault : receiptMillisDefault),
          what: `The ${wait} for ${executor} on ${options.target}`
        })
        const { onProgress } = options
        if (onProgress === undefined) return yield* asked(sent)
        return yield* Effect.scoped(Effect.gen(function*() {
          const told = yield* makeReplies(port, progress)
          const scope = yield* Effect.scope
          const listen = (appended: Appended) => told.ask({
            send: Effect.succeed(appended),
            accept: (event): Effect.Effect<never> | undefined => {
              onProgress(field(event, "value"))
              return undefined
            },
            repeated: true,
            timeoutMillis: options.timeoutMillis ?? receiptMillisDefault,
            what: `The progress of ${executor}`
          })
          return yield* asked(Effect.tap(sent, (appended) => Effect.forkIn(Effect.ignore(listen(appended)), scope)))
        }))
      }).pipe(
        // A refusal may be the grant's: the next action asks for a new one.
        Effect.tapErrorTag("Refused", () => Effect.sync(() => held.delete(executor)))
      )

    const delegate: Authority["delegate"] = (token, to, { access, caveats, facet, key, timeoutMillis = askMillisDefault, ttl } = {}) =>
      Effect.map(replies.ask({
        send: appendOne(port, capabilityRequest, {
          kind: "capability_request",
          payload: { delegate: {
            token, to, ...(access && { access }), ...(caveats && { caveats }), ...(facet === true && { facet }), ...(ttl !== undefined && { ttl })
          } }
        }, key),
        // The kernel says what the child's access is.
        accept: (reply) => grantOf(reply, access ?? "read"),
        repeated: key !== undefined,
        timeoutMillis,
        what: `The request to delegate to ${to}`
      }), ({ capability }) => capability)

    const revokeCapability: Authority["revokeCapability"] = (token, { timeoutMillis = askMillisDefault } = {}) =>
      replies.ask({
        send: appendOne(port, capabilityRequest, { kind: "capability_request", payload: { revoke: token } }, undefined),
        accept: revokedOf,
        repeated: false,
        timeoutMillis,
        what: "The request to revoke a capability"
      })

    return { requestCapability, delegate, revokeCapability, act }
  })

const appendOne = (
  port: Port, channel: string, draft: Draft, key: string | undefined
): Effect.Effect<Appended, AppendError> =>
  // One draft in, one answer out: the port promises it.
  Effect.map(appendTo(port, channel, [draft], key === undefined ? {} : { key }), (appended) => appended[0]!)
