// Snapshots as those outside ask for them. One that names a channel is seen by those who may read the channel; another only
// when it was put from outside.
import * as Effect from "effect/Effect"
import type {
  ChannelNotFound, Denied, EventNotFound, InvalidPayload, SnapshotConflict, SnapshotNotFound, StoreCorrupt, StoreUnavailable, TooLarge, Undocked
} from "../../protocol/errors.ts"
import type { PutOptions, Snapshot, SnapshotDraft, SnapshotHead } from "../../protocol/snapshot.ts"
import { isReserved } from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import type { Visitor } from "./visitor.ts"

export type GetSnapshotError = Denied | SnapshotNotFound | StoreCorrupt | Undocked
export type PutSnapshotError =
  | Denied | ChannelNotFound | EventNotFound | InvalidPayload | TooLarge | SnapshotConflict | StoreCorrupt | StoreUnavailable | Undocked

export interface Snapshots {
  readonly get: (visitor: Visitor, name: string) => Effect.Effect<Snapshot, GetSnapshotError>
  /** Replaces all of it: what the draft leaves open is as if there had been none before. */
  readonly put: (visitor: Visitor, draft: SnapshotDraft, options?: PutOptions) => Effect.Effect<Snapshot, PutSnapshotError>
  /** Those that it may see, by name, without their values. */
  readonly list: (visitor: Visitor) => Effect.Effect<ReadonlyArray<SnapshotHead>, StoreCorrupt>
}

export const makeSnapshots = ({ store }: ChannelsService): Snapshots => {
  const isSeen = (visitor: Visitor, { channel, name, visibility }: SnapshotHead): boolean =>
    !isReserved(name) &&
    (channel === null ? visibility === "public" && visitor.allows(name, "read") === undefined : visitor.refusal(channel, "read") === undefined)

  return {
    get: (visitor, name) => visitor.port.getSnapshot(name),
    put: Effect.fnUntraced(function*(visitor, draft, options) {
      const { channel, sourceEventId } = draft
      const refused = typeof channel === "string" ? visitor.refusal(channel, "write") : undefined
      if (refused !== undefined) return yield* refused
      if (typeof sourceEventId === "string") yield* visitor.port.event(sourceEventId)
      return yield* visitor.port.putSnapshot(draft, options)
    }),
    list: (visitor) => Effect.map(store.snapshots(), (heads) => heads.filter((head) => isSeen(visitor, head)))
  }
}
