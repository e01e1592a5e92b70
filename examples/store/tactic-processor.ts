// A processor that asks a tactic, such as a prompt and a model behind it: any function from a payload to a result will do.
// What the tactic fails at is an event too, so that nothing is lost and nothing is asked for ever.
import { type KeptEvent, LocalStore } from "aaax/store/local"

export type Tactic = (payload: unknown) => Promise<unknown>

const resultOf = async (tactic: Tactic, payload: unknown): Promise<{ readonly kind: string; readonly payload: unknown }> => {
  try {
    return { kind: "verdict", payload: await tactic(payload) }
  } catch (failure) {
    return { kind: "failure", payload: { reason: failure instanceof Error ? failure.message : String(failure) } }
  }
}

/** Works until nothing is left. */
export const work = async (store: LocalStore, tactic: Tactic): Promise<ReadonlyArray<KeptEvent>> => {
  const { id } = store.createSubscription("questions", { id: "tactic" })
  const answers: Array<KeptEvent> = []
  for (;;) {
    const [question] = store.peekSubscription(id, 1)
    if (question === undefined) return answers
    const result = await resultOf(tactic, question.payload)
    answers.push(store.appendEvent({
      ...result, channel: "answers", id: `answer-to-${question.id}`, source: "tactic", schema: "demo.schemas:Answer",
      parent_ids: [question.id], correlation_id: question.correlation_id ?? question.id
    }))
    store.putSnapshot({ name: "newest-answer", channel: "answers", value: result.payload, source_event_id: `answer-to-${question.id}` })
    store.ackSubscription(id, question.cursor)
  }
}

export const main = async (root = ".sssn"): Promise<ReadonlyArray<KeptEvent>> => {
  const store = new LocalStore(root)
  try {
    store.createChannel({ name: "questions", form: "queue" })
    store.createChannel({ name: "answers", form: "feed" })
    store.appendEvent({ channel: "questions", id: "q-1", payload: "How many words are these?" })
    store.appendEvent({ channel: "questions", id: "q-2", payload: 7, correlation_id: "thread-1" })
    const count: Tactic = async (payload) => {
      if (typeof payload !== "string") throw new Error("that is no text")
      return { words: payload.split(/\s+/u).length }
    }
    return await work(store, count)
  } finally {
    store.close()
  }
}
