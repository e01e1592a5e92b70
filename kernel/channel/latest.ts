// Latest delivery: a reader sees only the newest event of each subject; a filter by subject gives the one that counts.
import type { DeliveryRow } from "./delivery.ts"

export const delivery: DeliveryRow = {
  read: (store, channel, _reader, options) => store.read(channel, { ...options, newestBySubject: true }),
  isQueue: false
}
