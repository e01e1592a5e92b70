// The deliveries on every store that there is.
import { Effect } from "effect"
import { make as makeMemory } from "../../../kernel/store/memory.ts"
import { deliveryContract } from "../../contract/delivery.ts"

deliveryContract({
  name: "memory",
  open: ({ clock }) => Effect.map(makeMemory({ clock }), (store) => Effect.succeed(store))
})

deliveryContract({
  name: "hostile memory",
  open: ({ clock }) =>
    Effect.map(makeMemory({ clock, hostile: { seed: 7, failedKept: 0.05, failedLost: 0.05, failedLate: 0.05 } }), (store) =>
      Effect.succeed(store))
})
