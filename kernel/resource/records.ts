// Records that are known by an id, kept as events of one of the kernel's channels: one event for each, found by indexes.
// Nothing of them is held in memory, so a restart has nothing to load.
import * as Effect from "effect/Effect"
import { channelOf, type IndexField } from "../../protocol/channel.ts"
import type { AppendError, ChannelExists, ChannelNotFound, Gap, StoreCorrupt, StoreUnavailable } from "../../protocol/errors.ts"
import type { Draft, Filter } from "../../protocol/event.ts"
import { kernelSystem, type ChannelId, type Cursor } from "../../protocol/names.ts"
import type { ChannelsService } from "../channel/channels.ts"

/** How a record is found: `subject` is its id, `recipient` who made it, `correlationId` the channel that it belongs to. */
type Place = Required<Pick<Draft, "subject" | "recipient">> & Pick<Draft, "correlationId" | "parentIds">

const indexes: ReadonlyArray<IndexField> = ["subject", "recipient", "correlationId", "parentId"]

export interface Listed<A> {
  readonly records: ReadonlyArray<A>
  /** Where to go on. */
  readonly next: Cursor
  /** These were the last, for now. */
  readonly isEnd: boolean
}

export interface Records<A> {
  readonly find: (id: string) => Effect.Effect<A | undefined, StoreCorrupt>
  readonly add: (record: A, place: Place) => Effect.Effect<void, AppendError>
  readonly list: (after: Cursor, limit: number, filter?: Filter) => Effect.Effect<Listed<A>, StoreCorrupt>
}

/** The kernel's channel is there, and its records are never evicted. */
const isThere = (failure: ChannelNotFound | Gap | StoreCorrupt): Effect.Effect<never, StoreCorrupt> =>
  failure._tag === "StoreCorrupt" ? Effect.fail(failure) : Effect.die(failure)

/** `kind`: what the records are, for whoever looks at the channel. */
export const makeRecords = <A>(
  channels: ChannelsService, channel: ChannelId, kind: string, description: string
): Effect.Effect<Records<A>, ChannelExists | StoreUnavailable> => {
  const { store } = channels
  const records: Records<A> = {
    find: (id) =>
      store.read(channel, { after: 0, limit: 1, filter: { subject: id }, newestBySubject: true }).pipe(
        Effect.catch(isThere),
        Effect.map((page) => page.events[0]?.payload as A | undefined) // only `add` writes here
      ),
    add: (record, place) =>
      Effect.asVoid(channels.append(kernelSystem, channel, [{ kind, payload: record, ...place }], { key: crypto.randomUUID() })),
    list: (after, limit, filter) =>
      store.read(channel, { after, limit, filter }).pipe(
        Effect.catch(isThere),
        Effect.map((page) => ({
          records: page.events.map((event) => event.payload as A), // as above
          next: page.next,
          isEnd: page.next >= page.head
        }))
      )
  }
  return Effect.as(Effect.catchTag(channels.open(channelOf({ name: channel, indexes, description }, kernelSystem)), "InvalidPayload", Effect.die), records)
}
