// Worker: a seat whose messages a language model answers, through the gate and within its budget. What it can do stands on its card.
import { coordination, defineModule, isRecipient, pause, Schema, type System } from "aaax"
import { makeAsk } from "./asking.ts"
import { makeWorker } from "./work.ts"

export { makeAsk, type Models } from "./asking.ts"
export { classify, makeTiers, tiers, type Tier } from "./routing.ts"
export { isAsked, ruleAnswer, type Prompt, type Said } from "./rules.ts"
export { makeWorker, type Working } from "./work.ts"

const Text = Schema.NonEmptyString

export const WorkerSettings = Schema.Struct({
  /** Its seat. */
  id: Schema.optionalKey(Text),
  /** A backend or a model of `llm.chat` that answers everything; absent: the default one. */
  model: Schema.optionalKey(Text),
  /** Or one for each tier; `slm` stands in for those that are not named. */
  tiers: Schema.optionalKey(Schema.Struct({ rule: Schema.optionalKey(Text), slm: Text, heavy: Schema.optionalKey(Text) })),
  /** Messages that it remembers; default 8, at least 2. */
  contextMax: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 }))),
  /** Whom it answers: everybody (default), or who asked. */
  replyTo: Schema.optionalKey(Schema.Literals(["all", "sender"])),
  /** Seconds between two answers at least; default 0.7. */
  replyIntervalSeconds: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 3_600 }))),
  /** Classes of tasks on its card; default: chat. */
  taskClasses: Schema.optionalKey(Schema.Array(Text)),
  description: Schema.optionalKey(Schema.String)
})
export interface WorkerSettings extends Schema.Schema.Type<typeof WorkerSettings> {}

export const workerDefaults = { contextMax: 8, replyTo: "all", replyIntervalSeconds: 0.7, taskClasses: ["chat"] } as const

const decode = Schema.decodeUnknownSync(WorkerSettings, { onExcessProperty: "error" })

/** Throws a sentence about settings that make no worker. */
export const worker = (given: WorkerSettings = {}): System => {
  const { contextMax, description, id = "worker", model, replyIntervalSeconds, replyTo, taskClasses, tiers } = { ...workerDefaults, ...decode(given) }
  return defineModule({
    id,
    description: description ?? "answers messages by a language model",
    reads: { talk: coordination.talk },
    executors: ["llm.chat"],
    coordination: true,
    run: async ({ act, coordination: seat, log, reads, signal }) => {
      const name = seat.seat
      const { hear, idle } = makeWorker({
        name, contextMax, replyTo, signal, intervalMillis: replyIntervalSeconds * 1_000,
        ask: makeAsk({ act }, { ...(model === undefined ? {} : { model }), ...(tiers === undefined ? {} : { tiers }) }),
        say: async (to, text) => seat.send(text, { to }).catch((error: unknown) => log.warn("an answer was not taken", { reason: String(error) })),
        now: () => performance.now(), pause: (millis) => pause(millis, signal)
      })
      await seat.advertise({
        description: description ?? "llm.chat worker", skills: ["llm.chat"], taskClasses: [...taskClasses], model: model ?? tiers?.slm ?? ""
      })
      for await (const { kind, payload } of reads.talk.subscribe({ from: "now", gap: "continue" })) {
        if (kind !== "chat") continue
        const { chat } = payload as coordination.TalkEntries["chat"] // the coordinator's own, alone in its channel
        hear(chat)
        // What is for it does not wait in its mailbox for somebody else.
        if (chat.from !== name && isRecipient(chat.target, name)) await seat.acknowledge(chat.message, "read").catch(() => undefined)
      }
      await idle()
    }
  })
}

export default worker
