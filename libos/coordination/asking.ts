// Asking the coordinator over a port, as Effects: one event for a request, one for its answer.
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import * as coordination from "../../protocol/coordination.ts"
import type { Answer, Ask, Notice, Results, Verb } from "../../protocol/coordination.ts"
import { InvalidPayload, type AppendError, type ReadError, type TimedOut } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import type { Port } from "../../protocol/port.ts"
import { appendTo, headOf, makeReader, type Follower } from "../channel.ts"
import { makeReplies } from "../request.ts"
import { refused, type CoordinationRefused } from "./refused.ts"

/** Longest wait for an answer that is not said otherwise, in milliseconds. */
export const answerMillisDefault = 30_000
/** As long as a timer takes: who stays in line waits for as long as it takes. */
const forEverMillis = 2_147_000_000

export type AskFailure = CoordinationRefused | AppendError | ReadError | TimedOut | InvalidPayload

/** What a request came to, and when that was: kernel time in Unix milliseconds. */
export interface Answered<V extends Verb> {
  readonly result: Results[V]
  readonly at: number
}

export interface Asking {
  readonly ask: <V extends Verb>(ask: Extract<Ask, { readonly verb: V }>, timeoutMillis?: number) => Effect.Effect<Answered<V>, AskFailure>
  /** What this seat is told without having asked, from the moment when it is run on. */
  readonly notices: Effect.Effect<Follower<unknown>, ReadError>
}

/** How long the coordinator itself may take to answer. */
const stays = (ask: Ask): number =>
  ask.verb === "claim" && ask.wait === true ? forEverMillis : ask.verb === "inbox" ? answerMillisDefault + (ask.waitMillis ?? 0) : answerMillisDefault

const answerIn = ({ payload }: Event): Answer | undefined =>
  // The channel is the coordinator's alone: what lies in it and says whether it went well is an answer.
  typeof payload === "object" && payload !== null && "ok" in payload ? payload as unknown as Answer : undefined

/** Lives as long as its scope. The port must be wired to what a seat writes and reads. */
export const makeAsking = (port: Port): Effect.Effect<Asking, never, Scope> =>
  Effect.map(makeReplies(port, coordination.replies), (replies): Asking => ({
    ask: <V extends Verb>(ask: Extract<Ask, { readonly verb: V }>, timeoutMillis = stays(ask)) => {
      let request: string | undefined
      const answer = replies.ask({
        send: Effect.map(appendTo(port, coordination.requests, [{ kind: "ask", payload: ask }]), ([appended]) => {
          request = appended!.id // one draft, one answer
          return appended!
        }),
        accept: (reply): Effect.Effect<Answered<V>, CoordinationRefused | InvalidPayload> => {
          const answer = answerIn(reply)
          if (answer === undefined) return Effect.fail(new InvalidPayload({ what: `answer to ${ask.verb}`, path: "", reason: "it says neither yes nor no" }))
          // The answer to a verb has that verb's result.
          return answer.ok ? Effect.succeed({ result: answer as unknown as Results[V], at: reply.recordedAt }) : Effect.fail(refused(answer))
        },
        repeated: false,
        timeoutMillis,
        what: `The coordinator, asked for ${ask.verb},`
      })
      // A message that came later would be handed to nobody.
      return !isMailWaitedFor(ask) ? answer : Effect.onInterrupt(answer, () => Effect.suspend(() => (request === undefined ? Effect.void : withdraw(port, request))))
    },
    notices: Effect.map(
      headOf(port, coordination.replies),
      (head) => makeReader(port, coordination.replies).follow({ after: head, filter: { kind: "notice" }, gap: "continue" })
    )
  }))

const isMailWaitedFor = (ask: Ask): boolean => ask.verb === "inbox" && ask.waitMillis !== undefined
const withdraw = (port: Port, request: string): Effect.Effect<void> =>
  Effect.ignore(appendTo(port, coordination.requests, [{ kind: "ask", payload: { verb: "withdraw", request } }]))

export const noticeOf = ({ payload }: { readonly payload: unknown }): Notice => payload as Notice // of an event of this kind in the coordinator's channel
