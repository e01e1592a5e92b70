// Shared delivery: every reader sees every event, at its own cursor (log, topic, blackboard, feed and most others).
import type { DeliveryRow } from "./delivery.ts"

export const delivery: DeliveryRow = {
  read: (store, channel, _reader, options) => store.read(channel, options),
  isQueue: false
}
