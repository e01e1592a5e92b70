// The family of deliveries: who sees which events of a channel. One file each; the table has one row per literal of
// the protocol, so that a new delivery does not compile before it is here.
import type * as Effect from "effect/Effect"
import type { Delivery } from "../../protocol/channel.ts"
import type { ChannelNotFound, Gap, StoreCorrupt } from "../../protocol/errors.ts"
import type { Event, Page } from "../../protocol/event.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import type { StoreReadOptions, StoreService } from "../store/store.ts"
import { delivery as addressed } from "./addressed.ts"
import { delivery as exclusive } from "./exclusive.ts"
import { delivery as latest } from "./latest.ts"
import { delivery as shared } from "./shared.ts"

export interface DeliveryRow {
  /** The page that a reader gets. */
  readonly read: (
    store: StoreService, channel: ChannelId, reader: SystemId, options: StoreReadOptions
  ) => Effect.Effect<Page, ChannelNotFound | Gap | StoreCorrupt>
  /** For whom a waiting reader is woken: nobody else sees the event. Absent: everybody sees every event. */
  readonly addressee?: (event: Event) => SystemId | null
  /** Whether items are taken and settled. */
  readonly isQueue: boolean
}

export const deliveries: Readonly<Record<Delivery, DeliveryRow>> = { shared, exclusive, addressed, latest }
