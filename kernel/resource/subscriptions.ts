// Shared subscriptions: durable cursors that are known by an id, for readers outside. What they are is kept in the kernel's
// channel; where they stand is a cursor of the store, which never moves back. Pulls of one subscription come one by one,
// so that two readers never get the same event.
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import {
  InvalidPayload, Overloaded, SubscriptionExists, SubscriptionNotFound, type AppendError, type ChannelNotFound, type Denied,
  type ReadError, type StoreCorrupt, type StoreUnavailable
} from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import { kernelSystem, type ChannelId, type Cursor } from "../../protocol/names.ts"
import type { Lag, SharedSubscription } from "../../protocol/subscription.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { canonical } from "../guard/canonical.ts"
import { lagCountMax, pageEventsMax, sharedSubscriptionsMax } from "../limits.ts"
import type { Events } from "./events.ts"
import { makeLocks } from "./locks.ts"
import type { Listed, Records } from "./records.ts"
import { makeTally } from "./tally.ts"
import type { Visitor } from "./visitor.ts"

export interface SubscriptionDraft {
  /** Default: a random one. */
  readonly id?: string | undefined
  readonly channel: ChannelId
  readonly consumer?: string | null | undefined
  /** Default 100. */
  readonly batchSize?: number | undefined
  readonly filters?: SharedSubscription["filters"] | undefined
  readonly metadata?: SharedSubscription["metadata"] | undefined
}

export interface PullOptions {
  /** Default: the subscription's own batch size. */
  readonly limit?: number | undefined
  /** `auto`: what is handed out counts as read. `manual`: it comes again until it is acknowledged. Default `auto`. */
  readonly ack?: "auto" | "manual" | undefined
}

export interface Pulled {
  readonly events: ReadonlyArray<Event>
  /** Acknowledging it says that these events were handled. */
  readonly cursor: Cursor
}

export interface Created {
  readonly subscription: SharedSubscription
  /** Options that were given and are not those of the subscription that was there. */
  readonly differing: ReadonlyArray<string>
}

export type CreateError = AppendError | StoreCorrupt | SubscriptionExists
export type SubscriptionError = SubscriptionNotFound | StoreCorrupt

export interface Subscriptions {
  /** The one with this id when it is there, for the same channel and the same events; else a new one, at the beginning. */
  readonly create: (visitor: Visitor, draft: SubscriptionDraft) => Effect.Effect<Created, CreateError>
  readonly get: (visitor: Visitor, id: string) => Effect.Effect<SharedSubscription, SubscriptionError>
  /** Those that it may see, in the order in which they were created. */
  readonly list: (
    visitor: Visitor, options?: { readonly channel?: ChannelId | undefined; readonly after?: Cursor | undefined; readonly limit?: number | undefined }
  ) => Effect.Effect<Listed<SharedSubscription>, StoreCorrupt>
  readonly pull: (visitor: Visitor, id: string, options?: PullOptions) => Effect.Effect<Pulled, SubscriptionError | ReadError>
  /** Everything up to the cursor was handled. One below the subscription's own changes nothing. */
  readonly ack: (
    visitor: Visitor, id: string, cursor: Cursor
  ) => Effect.Effect<SharedSubscription, SubscriptionError | Denied | ChannelNotFound | InvalidPayload | StoreUnavailable>
  readonly lag: (visitor: Visitor, id: string) => Effect.Effect<Lag, SubscriptionError | ReadError>
}

/** Whose cursors these are in the store. No system can be docked under it. */
const cursorOwner = `${kernelSystem}.subscriptions`

/** What is kept of one; its cursor is the store's. */
export type KeptSubscription = Omit<SharedSubscription, "cursor">

const batchSizeDefault = 100

export const makeSubscriptions = (channels: ChannelsService, events: Events, records: Records<KeptSubscription>): Subscriptions => {
  const { clock, store } = channels
  const locked = makeLocks()
  const creating = Semaphore.makeUnsafe(1)
  const tally = makeTally(records, () => 0)

  const withCursor = (record: KeptSubscription): SharedSubscription => ({
    ...record, cursor: store.subscription(cursorOwner, record.id, record.channel)?.cursor ?? 0
  })

  const find = Effect.fnUntraced(function*(visitor: Visitor, id: string): Effect.fn.Return<KeptSubscription, SubscriptionError> {
    const record = yield* records.find(id)
    if (record === undefined || visitor.refusal(record.channel, "read") !== undefined) return yield* new SubscriptionNotFound({ subscription: id })
    return record
  })

  /** Moving somebody else's cursor takes events away from them. */
  const refusalToMove = (visitor: Visitor, { channel, creator }: KeptSubscription): Denied | ChannelNotFound | undefined =>
    creator === visitor.system ? undefined : visitor.refusal(channel, "write")

  const create = Effect.fnUntraced(function*(visitor: Visitor, draft: SubscriptionDraft): Effect.fn.Return<Created, CreateError> {
    const refused = visitor.refusal(draft.channel, "read")
    if (refused !== undefined) return yield* refused
    const { channel, consumer = null, filters = {}, metadata = {} } = draft
    const batchSize = draft.batchSize ?? batchSizeDefault
    const kept = draft.id === undefined ? undefined : yield* records.find(draft.id)
    if (kept !== undefined) {
      const taken = (reason: string): SubscriptionExists => new SubscriptionExists({ subscription: kept.id, reason })
      if (kept.channel !== channel) return yield* taken("it is of another channel")
      // Other events than were asked for would be a mistake that nobody sees; other labels are not.
      if (filters.kind !== undefined && filters.kind !== kept.filters.kind) return yield* taken(`its filter is ${JSON.stringify(kept.filters)}`)
      const differing = [
        consumer !== null && consumer !== kept.consumer ? ["consumer"] : [],
        batchSize !== batchSizeDefault && batchSize !== kept.batchSize ? ["batch_size"] : [],
        Object.keys(metadata).length > 0 && canonical(metadata) !== canonical(kept.metadata) ? ["metadata"] : [],
        filters.kind === undefined && kept.filters.kind !== undefined ? ["filters"] : []
      ].flat()
      return { subscription: withCursor(kept), differing }
    }
    if ((yield* tally(visitor.system)).count >= sharedSubscriptionsMax) {
      return yield* new Overloaded({
        what: "Shared subscriptions of one system", limit: sharedSubscriptionsMax, unit: "subscriptions", retryAfterMillis: 3_600_000
      })
    }
    const id = draft.id ?? crypto.randomUUID()
    const record: KeptSubscription = { id, channel, consumer, batchSize, filters, metadata, creator: visitor.system, createdAt: clock.now() }
    yield* records.add(record, { subject: id, recipient: visitor.system, correlationId: channel })
    return { subscription: withCursor(record), differing: [] }
  })

  const pull: Subscriptions["pull"] = (visitor, id, { ack = "auto", limit } = {}) =>
    locked(id, Effect.gen(function*() {
      const record = yield* find(visitor, id)
      const refused = ack === "auto" ? refusalToMove(visitor, record) : undefined
      if (refused !== undefined) return yield* refused
      const { cursor: after } = withCursor(record)
      const { channel, filters } = record
      const page = yield* events.read(visitor, channel, {
        after, limit: limit ?? record.batchSize, ...(filters.kind === undefined ? {} : { filter: { kind: filters.kind } })
      })
      // Behind everything that was looked at, so that what its filter passes over is passed over once.
      const cursor = Math.max(after, page.next)
      if (ack === "auto" && cursor > after) yield* store.advance(cursorOwner, id, channel, cursor)
      return { events: page.events, cursor }
    }))

  return {
    create: (visitor, draft) => creating.withPermit(create(visitor, draft)),
    get: (visitor, id) => Effect.map(find(visitor, id), withCursor),
    list: Effect.fnUntraced(function*(visitor, { after = 0, channel, limit = pageEventsMax } = {}) {
      const found = yield* records.list(after, Math.min(limit, pageEventsMax), channel === undefined ? undefined : { correlationId: channel })
      return { ...found, records: found.records.filter((record) => visitor.refusal(record.channel, "read") === undefined).map(withCursor) }
    }),
    pull,
    ack: (visitor, id, cursor) =>
      locked(id, Effect.gen(function*() {
        const record = yield* find(visitor, id)
        const refused = refusalToMove(visitor, record)
        if (refused !== undefined) return yield* refused
        const head = store.statisticsOf(record.channel)?.head ?? 0
        if (cursor > head) {
          return yield* new InvalidPayload({ what: "acknowledgement", path: "cursor", reason: `there is nothing at ${cursor} yet; the newest event is at ${head}` })
        }
        yield* store.advance(cursorOwner, id, record.channel, cursor)
        return withCursor(record)
      })),
    lag: Effect.fnUntraced(function*(visitor, id) {
      const { channel, cursor } = withCursor(yield* find(visitor, id))
      const { events: kept, floor, head } = store.statisticsOf(channel) ?? { events: 0, floor: 0, head: 0 }
      const from = Math.max(cursor, floor)
      // Without holes there is nothing to count.
      if (kept === head - floor) return { head, cursor, behind: Math.max(0, head - from), isExact: true }
      let behind = 0
      for (let after = from; after < head && behind < lagCountMax;) {
        const page = yield* visitor.port.read(channel, { after, limit: pageEventsMax, fullLog: true })
        behind += page.events.length
        if (page.next <= after) break
        after = page.next
      }
      return { head, cursor, behind, isExact: behind < lagCountMax }
    })
  }
}
