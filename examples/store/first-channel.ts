// A first channel without a kernel: append two events, and read them back.
import { LocalStore } from "aaax/store/local"

export const main = (root = ".sssn"): ReadonlyArray<unknown> => {
  const store = new LocalStore(root)
  try {
    store.createChannel({ name: "readings", schema: "demo.schemas:Reading", form: "time-series" })
    const first = store.appendEvent({ channel: "readings", kind: "raw", source: "sensor", payload: { celsius: 21 } })
    store.appendEvent({ channel: "readings", kind: "raw", source: "sensor", payload: { celsius: 23 } })
    return store.queryEvents("readings", { afterCursor: first.cursor }).map(({ payload }) => payload)
  } finally {
    store.close()
  }
}
