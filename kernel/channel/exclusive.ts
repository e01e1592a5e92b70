// Exclusive delivery: each item is handed to one holder at a time (`queue.ts`). The log itself stays readable.
import type { DeliveryRow } from "./delivery.ts"

export const delivery: DeliveryRow = {
  read: (store, channel, _reader, options) => store.read(channel, options),
  isQueue: true
}
