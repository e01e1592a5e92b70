// The dead letters of an exclusive channel: a shared log of the items that nobody could handle, each with its reason.
import * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import { StoreUnavailable, type AppendUnknown } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import { kernelSystem } from "../../protocol/names.ts"
import { batchTextMax } from "../limits.ts"
import { prepare, withLabels } from "../store/codec.ts"
import type { StoreService } from "../store/store.ts"
import { definite } from "./definite.ts"
import type { Item } from "./items.ts"

/** Room for the members of a dead letter beside the payload, in UTF-16 code units. */
const letterTextMax = 16_384

/**
 * Keeps the dead letter of one item. The key is the item's cursor, so that a crash before the item was recorded as
 * dead does not bury it twice.
 */
export const bury = (
  store: StoreService, letters: Channel, item: Item, event: Event | undefined
): Effect.Effect<void, AppendUnknown | StoreUnavailable> => {
  const payload = JSON.stringify(event?.payload ?? null)
  const text = JSON.stringify({
    event: event?.id ?? null, cursor: item.cursor, kind: event?.kind ?? null, sender: event?.sender ?? null,
    reason: (item.reason ?? "not settled").slice(0, 1_000), attempts: item.attempts
  })
  // The item was within the bounds; with the members of the letter around it, it may not be: then its id must do.
  const kept = payload.length + letterTextMax > batchTextMax ? "null" : payload
  const draft = { kind: "dead", payload: null, ...(event === undefined ? {} : { parentIds: [event.id] }) }
  const plain = prepare(draft, kernelSystem, letters, `${text.slice(0, -1)},"payload":${kept}}`)
  // It says what the item said.
  const letter = event === undefined || event.labels.length === 0 ? plain : withLabels(plain, event.labels)
  const append = store.append(letters.name, [letter], { sender: kernelSystem, key: `dead/${item.cursor}` })
  return Effect.catch(definite(Effect.asVoid(append)), (failure) => {
    switch (failure._tag) {
      case "AppendUnknown":
      case "StoreUnavailable":
        return Effect.fail(failure)
      // Buried before a crash, when another attempt or another reason was the last one.
      case "IdempotencyConflict":
        return Effect.void
      // Tried again later, with what can be read of the item then.
      default:
        return Effect.fail(new StoreUnavailable({ reason: failure.message }))
    }
  })
}
