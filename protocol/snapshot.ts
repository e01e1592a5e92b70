// A snapshot: the latest value of a name, with a revision for compare-and-set and the event it came from.
import * as Schema from "effect/Schema"
import { Visibility } from "./channel.ts"
import { EventId, isSegment, SystemId } from "./names.ts"

export const Snapshot = Schema.Struct({
  name: Schema.String.check(
    Schema.makeFilter((text: string) => isSegment(text) || "a snapshot name must be a non-empty path segment.")
  ),
  /** 1 for the first value; grows by one with each put. */
  revision: Schema.Int,
  value: Schema.Json,
  channel: Schema.NullOr(Schema.String),
  sourceEventId: Schema.NullOr(EventId),
  /** The writer's own time in Unix seconds; default: when it was put. */
  timestamp: Schema.Finite,
  /** Opaque reference to a schema of the value, for clients. */
  schema: Schema.NullOr(Schema.String),
  metadata: Schema.Record(Schema.String, Schema.Json),
  /** Whether doors show it although it names no channel; one that names a channel is seen by those who see the channel. */
  visibility: Visibility,
  /** Position of the fold that made it, when it was made by a fold. */
  cursor: Schema.NullOr(Schema.Int),
  sender: SystemId,
  /** Kernel time in Unix milliseconds. */
  recordedAt: Schema.Int
})
export interface Snapshot extends Schema.Schema.Type<typeof Snapshot> {}

/** A snapshot without its value. */
export type SnapshotHead = Omit<Snapshot, "value">

export interface SnapshotDraft {
  readonly name: string
  readonly value: unknown
  readonly channel?: string | null
  readonly sourceEventId?: string | null
  readonly cursor?: number | null
  readonly timestamp?: number
  readonly schema?: string | null
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Default: private. */
  readonly visibility?: Visibility
}

export interface PutOptions {
  /** Put only when the newest revision is this one; 0: only when there is none. */
  readonly expectedRevision?: number
}
