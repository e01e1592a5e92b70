// Requests of all connections that the coordinator has not answered yet: how they reach it, whose answer is whose, and what becomes
// of those that nobody waits for any more or nobody answers.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { requests, type Answer } from "../../../protocol/coordination.ts"
import { InvalidPayload, TooLarge } from "../../../protocol/errors.ts"
import type { Event } from "../../../protocol/event.ts"
import type { Port } from "../../../protocol/port.ts"
import type { Kernel } from "../../kernel.ts"
import { operator } from "../operator.ts"
import type { Asking, Connection } from "./connection.ts"

/** Requests of all connections together that may be under way while each still has some. */
export const asksTogether = 2_048

export interface OpenAsksOptions {
  readonly kernel: Pick<Kernel, "channels">
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** It has not ended. */
  readonly isHere: (connection: Connection) => boolean
  /** Somebody came in as this system, so that an answer to it may be one of ours. */
  readonly isOurs: (system: string) => boolean
  readonly tell: (asking: Asking, answer: Answer) => void
  /** After which a request that should have been answered is given up, and the same while the store takes no writes; milliseconds. */
  readonly times: { readonly answerMillis: number; readonly stoppedMillis: number }
}

export interface OpenAsks {
  /** Asks the coordinator, together with what else the sockets bring in this turn. */
  readonly submit: (asking: Asking, port: Port) => void
  /** At once, what was submitted. */
  readonly handOver: () => void
  /** Whose request this event follows from. */
  readonly askerOf: (event: Event) => Asking | undefined
  /** What the coordinator answered to somebody. */
  readonly answered: (event: Event) => void
  /** The connection ended. */
  readonly left: (connection: Connection) => void
  /** Gives up what had no answer for too long. */
  readonly look: (now: number) => void
  readonly size: () => number
}

export const makeOpenAsks = ({ fork, isHere, isOurs, kernel, tell, times }: OpenAsksOptions): OpenAsks => {
  const pending = new Map<string, Asking>()
  /** Answers that came before their request was known to be written. */
  const early = new Map<string, Event>()
  /** What was read of the sockets in this turn, in its order. Handed over as one, so that the coordinator decides and keeps it as one. */
  let arrived: Array<{ readonly asking: Asking; readonly port: Port }> = []

  const answer = (event: Event, asking: Asking): void => tell(asking, event.payload as unknown as Answer) // the coordinator's own, by its contract
  const unavailable = (asking: Asking, message: string): void => tell(asking, { ok: false, code: "UNAVAILABLE", message })

  /** The seat's own, but for what only the operator may ask: whoever has shown the operator's token or the hub's asks that as the operator. */
  const appended = ({ ask, connection }: Asking, port: Port) => {
    const identity = ask.verb === "accept-loss" ? connection.identity() : undefined
    return identity === undefined || identity.guest !== undefined
      ? port.append(requests, [{ kind: "request", payload: ask }])
      : kernel.channels.append(operator, requests, [{ kind: "request", payload: { by: connection.seated()?.name, ...ask } }])
  }
  /** What was too much for one event is not to be asked again; anything else is. */
  const refuseUnwritten = (asking: Asking, cause: Cause.Cause<unknown>): void => {
    const error = Option.getOrUndefined(Cause.findErrorOption(cause))
    if (!(error instanceof InvalidPayload) && !(error instanceof TooLarge)) return unavailable(asking, "No coordinator takes requests here now.")
    tell(asking, { ok: false, code: "INVALID", message: `The request cannot be kept: ${error.message}` })
  }
  const send = (asking: Asking, port: Port): void => {
    fork(appended(asking, port)).addObserver((exit) => {
      if (exit._tag === "Failure") return refuseUnwritten(asking, exit.cause)
      const { id: request } = exit.value[0]! // one draft, one place
      const answered = early.get(request)
      if (answered === undefined) return isHere(asking.connection) ? void pending.set(request, asking) : abandon(request, asking)
      early.delete(request)
      answer(answered, asking)
    })
  }

  /** Nobody waits for it any more, though the seat may be here still. */
  const abandon = (request: string, { connection, waits }: Asking): void => {
    const port = connection.seated()?.port
    if (waits && port !== undefined) fork(Effect.ignore(port.append(requests, [{ kind: "request", payload: { verb: "withdraw", request } }])))
  }
  /** What a connection calls a request of its own is not what the coordinator knows it by. */
  const named = (asking: Asking): Asking => {
    const { ask, connection } = asking
    if (ask.verb !== "withdraw") return asking
    for (const [request, one] of pending) if (one.connection === connection && one.waits && one.requestId === ask.request) return { ...asking, ask: { ...ask, request } }
    return asking
  }
  const handOver = (): void => {
    const coming = arrived
    arrived = []
    for (const { asking, port } of coming) send(named(asking), port)
  }

  return {
    submit: (asking, port) => {
      if (arrived.push({ asking, port }) === 1) setImmediate(handOver)
    },
    handOver,
    askerOf: ({ correlationId }) => (correlationId === null ? undefined : pending.get(correlationId)),
    answered: (event) => {
      const { correlationId, recipient } = event
      if (correlationId === null) return
      const asking = pending.get(correlationId)
      if (asking !== undefined) {
        pending.delete(correlationId)
        answer(event, asking)
      } else if (recipient !== null && (recipient === operator || isOurs(recipient)) && early.size < asksTogether) early.set(correlationId, event)
    },
    left: (connection) => {
      for (const [request, asking] of pending) {
        if (asking.connection !== connection) continue
        pending.delete(request)
        abandon(request, asking)
      }
    },
    look: (now) => {
      // The coordinator waits for room, however long that takes; nobody else has to.
      const stopped = kernel.channels.store.stopped()
      const patience = stopped === undefined ? times.answerMillis : Math.min(times.stoppedMillis, times.answerMillis)
      for (const [request, asking] of pending) {
        if (now - asking.at < patience) break
        if (asking.waits) continue
        pending.delete(request)
        unavailable(asking, stopped === undefined
          ? "The coordinator did not answer in time."
          : `The store takes no writes now: ${stopped}. What was asked is not done; it may be when there is room again, so look before you ask once more.`)
      }
      early.clear()
    },
    size: () => pending.size
  }
}
