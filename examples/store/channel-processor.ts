// A processor: pulls what is new from one channel, and appends what it makes of it to another. Every result says what it
// was made of, and keeps the thread of its conversation. It may be started again at any time: its subscription knows where it is.
import { type KeptEvent, LocalStore } from "aaax/store/local"

const meanOf = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** One turn: answers what it appended. */
export const step = (store: LocalStore): ReadonlyArray<KeptEvent> => {
  store.createSubscription("raw", { id: "analyst", consumer: "analyst", filters: { kind: "sample" } })
  const batch = store.peekSubscription("analyst", 10)
  const made = store.appendEvents(batch.map((event) => ({
    channel: "analysis",
    // The same for the same event: when the process ends before it has advanced, the next one appends nothing twice.
    id: `mean-of-${event.id}`,
    kind: "mean",
    source: "analyst",
    payload: { mean: meanOf((event.payload as { readonly values: ReadonlyArray<number> }).values) }, // what the channel is for
    parent_ids: [event.id],
    correlation_id: event.correlation_id ?? event.id
  })))
  const last = batch.at(-1)
  if (last !== undefined) store.ackSubscription("analyst", last.cursor)
  return made
}

export const main = (root = ".sssn"): ReadonlyArray<KeptEvent> => {
  const store = new LocalStore(root)
  try {
    for (const name of ["raw", "analysis"]) store.createChannel({ name })
    store.appendEvent({ channel: "raw", id: "s-1", kind: "sample", payload: { values: [1, 2, 3] } })
    store.appendEvent({ channel: "raw", kind: "note", payload: "calibrated" })
    store.appendEvent({ channel: "raw", id: "s-2", kind: "sample", payload: { values: [4] }, correlation_id: "run-7" })
    return [...step(store), ...step(store)]
  } finally {
    store.close()
  }
}
