// Rows of snapshots. A put replaces everything, as the ancestor's does; with a condition only what the writer has read.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SnapshotConflict } from "../../../../protocol/errors.ts"
import * as Portable from "../../../../protocol/portable.ts"
import type { PutOptions } from "../../../../protocol/snapshot.ts"
import type { Resources } from "../../../resource/resources.ts"
import type { Asked } from "../../surface.ts"
import { failed } from "../failure.ts"
import { bodyOf, checked } from "../input.ts"
import { answer, options, type Row } from "../row.ts"
import * as Wire from "../wire.ts"

const { channel, metadata, schema, source_event_id, timestamp, value } = Portable.Snapshot.fields
const Body = Schema.Struct({
  value: Schema.optionalKey(value),
  channel: Schema.optionalKey(channel),
  timestamp: Schema.optionalKey(timestamp),
  schema: Schema.optionalKey(schema),
  source_event_id: Schema.optionalKey(source_event_id),
  metadata: Schema.optionalKey(metadata)
})

const Head = Schema.Struct({ name: Portable.Snapshot.fields.name, channel, timestamp, schema, source_event_id, metadata, revision: Schema.Int })

const etag = (revision: number): Readonly<Record<string, string>> => ({ etag: `"${revision}"` })

/** The revision that a header names: of `if-match`, or none at all for `if-none-match: *`. */
const conditionOf = ({ headers }: Asked): PutOptions => {
  const { "if-match": match, "if-none-match": none } = headers
  if (none !== undefined) {
    if (none !== "*" || match !== undefined) throw new Portable.InvalidPayloadError("if-none-match: only `*` is understood, and not beside if-match.")
    return { expectedRevision: 0 }
  }
  if (match === undefined) return {}
  const [, revision = ""] = /^"(\d{1,15})"$/u.exec(typeof match === "string" ? match : "") ?? []
  if (revision === "") throw new Portable.InvalidPayloadError("if-match: must be the etag of one revision, such as \"3\".")
  return { expectedRevision: Number(revision) }
}

const draftOf = (name: string, body: unknown): Portable.Snapshot & { readonly hasTime: boolean } => {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new Portable.InvalidPayloadError("snapshot must be an object.")
  const given = body as Readonly<Record<string, unknown>> // an object, as was just seen
  if (given["name"] !== undefined && given["name"] !== name) throw new Portable.InvalidPayloadError("name: the path says another one.")
  return { ...Portable.checkSnapshot({ ...given, name }, options), hasTime: given["timestamp"] !== undefined }
}

export const snapshotRows = ({ snapshots }: Resources): ReadonlyArray<Row> => [
  {
    name: "list_snapshots", method: "GET", path: "/snapshots", success: Schema.Array(Head),
    run: ({ asked }) => Effect.map(snapshots.list(asked.guest), (heads) => answer(heads.map(Wire.snapshotHeadOnWire)))
  },
  {
    name: "put_snapshot", method: "PUT", path: "/snapshots/{name}", body: Body, success: Portable.Snapshot,
    run: Effect.fnUntraced(function*({ asked, id }) {
      const body = yield* bodyOf(asked)
      const { condition, draft } = yield* checked(() => ({ condition: conditionOf(asked), draft: draftOf(id, body) }))
      const put = snapshots.put(asked.guest, {
        name: id, value: draft.value, channel: draft.channel, sourceEventId: draft.source_event_id, schema: draft.schema, metadata: draft.metadata,
        ...(draft.hasTime ? { timestamp: draft.timestamp } : {})
      }, condition)
      return yield* put.pipe(
        Effect.map((snapshot) => answer(Wire.snapshotOnWire(snapshot), etag(snapshot.revision))),
        Effect.catchTag("SnapshotConflict", (conflict: SnapshotConflict) =>
          Effect.succeed(failed(412, Portable.SnapshotConflictError.name, conflict.message, etag(conflict.revision))))
      )
    })
  },
  {
    name: "get_snapshot", method: "GET", path: "/snapshots/{name}", success: Portable.Snapshot,
    run: ({ asked, id }) => Effect.map(snapshots.get(asked.guest, id), (snapshot) => answer(Wire.snapshotOnWire(snapshot), etag(snapshot.revision)))
  }
]
