// An artifact: bytes kept by their digest, referenced by events, never inside one.
import * as Schema from "effect/Schema"
import { ChannelId, EventId, SystemId } from "./names.ts"

export const Artifact = Schema.Struct({
  /** sha-256 of the bytes, in lower-case hexadecimal. */
  digest: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u)),
  sizeBytes: Schema.Int,
  mediaType: Schema.String
})
export interface Artifact extends Schema.Schema.Type<typeof Artifact> {}

/** What is known of bytes that were put under an id of their own: the same bytes may have many of these. */
export const ArtifactRecord = Schema.Struct({
  id: EventId,
  /** Who may read the channel may read the artifact; null: who may read artifacts. */
  channel: Schema.NullOr(ChannelId),
  /** Where it lies in the store, for people; `sha256` finds it. */
  path: Schema.String,
  mediaType: Schema.String,
  sizeBytes: Schema.Int,
  sha256: Schema.String,
  metadata: Schema.Record(Schema.String, Schema.Json),
  /** Events that it belongs to; each was there when it was put. */
  eventIds: Schema.Array(EventId),
  creator: SystemId,
  /** Kernel time in Unix milliseconds. */
  createdAt: Schema.Int
})
export interface ArtifactRecord extends Schema.Schema.Type<typeof ArtifactRecord> {}

/** Bytes from `from` up to and including `to`; `to` beyond the end means the end. */
export interface ByteRange {
  readonly from: number
  readonly to: number
}

/** An artifact that is being read: each chunk was checked before it is handed out. */
export interface ArtifactBytes {
  /** Size of the whole artifact. */
  readonly sizeBytes: number
  /** What `chunks` gives together. */
  readonly range: ByteRange
  /** Throws `StoreCorrupt` in place of bytes that are not what was put. May be read once. */
  readonly chunks: AsyncIterable<Uint8Array>
}
