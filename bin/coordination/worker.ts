// A worker at a hub: answers messages by a language model until it is told to end, also across broken connections.
import * as Effect from "effect/Effect"
import { makeWorker } from "aaax/modules/worker"
import type { WireChat } from "../../protocol/synapse.ts"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { isDirected } from "../../protocol/target.ts"
import type { Called } from "../called.ts"
import { type Ended, UsageError } from "../failure.ts"
import { err, json, onErr, out, plain } from "../terminal.ts"
import { ancestral } from "./ancestral.ts"
import { openAnswering, type AnsweringOptions } from "./answering.ts"
import { read } from "./chat.ts"
import type { SeatFailure, SeatFlags } from "./connect.ts"
import { pause } from "../../libos/pause.ts"
import { untilTold } from "./until-told.ts"

export interface WorkerFlags extends SeatFlags, AnsweringOptions {
  readonly prefix: string
  readonly maxContext: number
  readonly replyTargetMode: "all" | "sender"
  readonly minReplyInterval: number
  readonly taskClass: ReadonlyArray<string>
}

const workerName = "FAST"

const answering = (flags: AnsweringOptions) =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: () => openAnswering(flags),
      catch: (error) => {
        if (error instanceof UsageError) return error
        if (error instanceof ConfigInvalid) return new UsageError({ reason: error.issues.map(({ reason }) => reason).join(" ") })
        throw error
      }
    }),
    ({ close }) => Effect.promise(close)
  )

export const work = (called: Called, flags: WorkerFlags): Effect.Effect<void, SeatFailure | Ended> =>
  Effect.scoped(Effect.gen(function*() {
    const { maxContext, minReplyInterval, model, name: given, prefix, provider, replyTargetMode, taskClass, ...seat } = flags
    const { ask } = yield* answering(flags)
    const signal = yield* untilTold
    const name = `${prefix}${given ?? workerName}`
    yield* ancestral(called, { ...seat, name }, async ({ agent, hub }) => {
      // From now on nothing is missed.
      const chats = agent.messages(signal)
      const { hear, idle } = makeWorker({
        name, ask, contextMax: maxContext, replyTo: replyTargetMode, intervalMillis: minReplyInterval * 1_000, signal,
        // What is not taken is lost with its answer: the next message is answered all the same.
        say: async (target, text) => {
          try {
            await agent.chat(text, { target })
            await out(called.json ? json({ target, text }) : plain(`${name} -> ${target}: ${text}`))
          } catch (error) {
            err(onErr.yellow(plain(`an answer was not taken: ${String(error)}`)))
          }
        },
        now: () => performance.now(), pause: (millis) => pause(millis, signal)
      })
      await agent.advertise({ description: `${provider} chat worker`, skills: [provider], task_classes: taskClass.length === 0 ? ["chat"] : taskClass, model: provider === "rule" ? "" : model })
      err(onErr.dim(plain(`${name} works at ${hub.uri} (${provider}${provider === "rule" ? "" : `: ${model}`}). Ctrl-C ends it.`)))
      const said = (chat: WireChat) => hear({ from: chat.sender, target: chat.target, payload: chat.payload })
      for await (const chat of chats) {
        said(chat)
        // One that comes after it is not asked the same again. When that is not taken, it is: better than not at all.
        if (agent.isOurs && isDirected(chat.target, name)) void read(agent, chat.msg_id).catch(() => undefined)
      }
      if (!signal.aborted) {
        const failure = await agent.closed
        if (failure !== undefined) throw failure
      }
      await idle()
    }, { reconnect: true, beside: false })
  }))
