// Routes of what is kept beside the events: snapshots.
import * as Schema from "effect/Schema"
import { Visibility } from "../channel.ts"
import { ChannelId, EventId } from "../names.ts"
import { Snapshot } from "../snapshot.ts"
import { MaybeNumber, None, row, Text } from "./row.ts"

const { value: _, ...headFields } = Snapshot.fields

/** A snapshot without its value. */
export const SnapshotHeadView = Schema.Struct(headFields)
export interface SnapshotHeadView extends Schema.Schema.Type<typeof SnapshotHeadView> {}

export const stateRoutes = {
  snapshots: row({
    method: "GET", path: "/v1/snapshots", group: "snapshots", guests: true, payload: None, says: "Snapshots that the caller may see, by name, without their values.",
    query: Schema.Struct({
      /** Those whose name comes behind this one. */
      after: Text,
      limit: MaybeNumber
    }),
    success: Schema.Array(SnapshotHeadView)
  }),
  snapshot: row({
    method: "GET", path: "/v1/snapshots/:id", group: "snapshots", guests: true, query: None, payload: None, success: Snapshot,
    says: "The latest value of a name. Its revision is the etag.",
    headers: { "if-none-match": "Answers 304 without a body when this is still the revision." }
  }),
  putSnapshot: row({
    method: "PUT", path: "/v1/snapshots/:id", group: "snapshots", guests: true, query: None,
    says: "Puts a value, whatever was there, or only on the revision that `if-match` names.",
    payload: Schema.Struct({
      value: Schema.Json,
      /** Who may read the channel may read the snapshot. */
      channel: Schema.optionalKey(Schema.NullOr(ChannelId)),
      sourceEventId: Schema.optionalKey(Schema.NullOr(EventId)),
      timestamp: Schema.optionalKey(Schema.Finite),
      schema: Schema.optionalKey(Schema.NullOr(Schema.String)),
      metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
      /** For one that names no channel. What a guest puts is public. */
      visibility: Schema.optionalKey(Visibility)
    }),
    success: Snapshot,
    headers: { "if-match": "Put only on this revision.", "if-none-match": "`*`: put only when there is none." }
  })
} as const
