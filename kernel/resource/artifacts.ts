// Artifacts: bytes that are streamed in, known by an id and found through the events that they belong to. The bytes come
// first and the record after them; bytes that no record names after a while are removed.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ArtifactBytes, ArtifactRecord, ByteRange } from "../../protocol/artifact.ts"
import {
  ArtifactNotFound, InvalidPayload, TooLarge, type AppendError, type ChannelNotFound, type Denied, type StoreCorrupt,
  type StoreUnavailable
} from "../../protocol/errors.ts"
import { isSegment, type ChannelId, type Cursor, type EventId } from "../../protocol/names.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { canonical } from "../guard/canonical.ts"
import { artifactEventsMax, artifactGraceMillis, artifactQuotaBytes, artifactsBytesMax, artifactStreamBytesMax, pageEventsMax, resourceMetadataTextMax } from "../limits.ts"
import type { ArtifactStreamError } from "../store/store.ts"
import type { Listed, Records } from "./records.ts"
import { makeTally } from "./tally.ts"
import { artifactScope, type Visitor } from "./visitor.ts"

export interface ArtifactDraft {
  /** One of one's own makes the put repeatable: the same under it again is what is there, anything else is refused. */
  readonly id?: EventId | undefined
  readonly channel?: ChannelId | null | undefined
  /** Default `application/octet-stream`. */
  readonly mediaType?: string | undefined
  readonly metadata?: ArtifactRecord["metadata"] | undefined
  /** Each must be there, in a channel that the visitor may read. */
  readonly eventIds?: ReadonlyArray<EventId> | undefined
}

export interface OpenedArtifact {
  readonly record: ArtifactRecord
  readonly bytes: ArtifactBytes
}

export interface Artifacts {
  /** Refused before a byte is read when it is refused at all, but for its size. */
  readonly put: (
    visitor: Visitor, bytes: AsyncIterable<Uint8Array>, draft?: ArtifactDraft
  ) => Effect.Effect<ArtifactRecord, AppendError | ArtifactStreamError | StoreCorrupt>
  readonly get: (visitor: Visitor, id: string) => Effect.Effect<ArtifactRecord, ArtifactNotFound | StoreCorrupt>
  readonly open: (visitor: Visitor, record: ArtifactRecord, range?: ByteRange) => Effect.Effect<OpenedArtifact, ArtifactNotFound | StoreCorrupt>
  /** Those that it may see, in the order in which they were put: all, of one channel, or of one event. */
  readonly list: (
    visitor: Visitor,
    options?: {
      readonly channel?: ChannelId | undefined
      readonly eventId?: EventId | undefined
      readonly after?: Cursor | undefined
      readonly limit?: number | undefined
    }
  ) => Effect.Effect<Listed<ArtifactRecord>, StoreCorrupt>
  /** Removes bytes that were streamed in long enough ago and that no record names; answers their digests. */
  readonly collect: Effect.Effect<ReadonlyArray<string>, StoreUnavailable | StoreCorrupt>
}

// RFC 9110: type, subtype and parameters, nothing that could end a header line.
const mediaTypeShape = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;[\x20-\x7e]*)?$/u
const mediaTypeLengthMax = 200

const refuse = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "artifact", path, reason })

const checkDraft = ({ eventIds = [], id, mediaType = "application/octet-stream", metadata = {} }: ArtifactDraft): InvalidPayload | TooLarge | undefined => {
  if (id !== undefined && !isSegment(id)) return refuse("id", "must be a non-empty path segment")
  if (mediaType.length > mediaTypeLengthMax || !mediaTypeShape.test(mediaType)) {
    return refuse("media_type", `must be a media type such as text/plain, at most ${mediaTypeLengthMax} characters`)
  }
  if (eventIds.length > artifactEventsMax) return refuse("event_ids", `at most ${artifactEventsMax} are allowed`)
  const size = JSON.stringify(metadata).length
  return size > resourceMetadataTextMax
    ? new TooLarge({ what: "The metadata", size, sizeMax: resourceMetadataTextMax, unit: "characters" })
    : undefined
}

/** Whether a record is what would be made now. */
const says = (record: ArtifactRecord, now: Pick<ArtifactRecord, "channel" | "eventIds" | "mediaType" | "metadata" | "sha256">): boolean => {
  const { channel, eventIds, mediaType, metadata, sha256 } = record
  return canonical({ channel, eventIds, mediaType, metadata, sha256 }) === canonical(now)
}

export const makeArtifacts = (channels: ChannelsService, records: Records<ArtifactRecord>): Artifacts => {
  const { clock, store } = channels
  const tally = makeTally(records, (record) => record.sizeBytes)

  const refusal = (visitor: Visitor, channel: ChannelId | null, role: "read" | "write"): Denied | ChannelNotFound | undefined =>
    channel === null ? visitor.allows(artifactScope, role) : visitor.refusal(channel, role)

  /** Bytes that the visitor may still put. */
  const left = Effect.fnUntraced(function*(visitor: Visitor, size: number): Effect.fn.Return<number, StoreCorrupt | TooLarge> {
    const used = (yield* tally(visitor.system)).size
    if (used + size <= artifactQuotaBytes && used < artifactQuotaBytes) return artifactQuotaBytes - used
    return yield* new TooLarge({ what: `All artifacts of ${visitor.system}`, size: used + size, sizeMax: artifactQuotaBytes, unit: "bytes" })
  })

  const put = Effect.fnUntraced(function*(
    visitor: Visitor, bytes: AsyncIterable<Uint8Array>, draft: ArtifactDraft = {}
  ): Effect.fn.Return<ArtifactRecord, AppendError | ArtifactStreamError | StoreCorrupt> {
    const { channel = null, mediaType = "application/octet-stream", metadata = {} } = draft
    const eventIds = [...new Set(draft.eventIds ?? [])]
    const refused = checkDraft({ ...draft, eventIds }) ?? refusal(visitor, channel, "write")
    if (refused !== undefined) return yield* refused
    for (const id of eventIds) yield* visitor.port.event(id)
    const room = yield* left(visitor, 0)
    const id = draft.id ?? crypto.randomUUID()
    const { digest, sizeBytes } = yield* store.putArtifactStream(bytes, {
      mediaType, claim: id, sizeBytesMax: Math.min(room, artifactStreamBytesMax), totalBytesMax: artifactsBytesMax
    })
    const there = draft.id === undefined ? undefined : yield* records.find(id)
    if (there !== undefined) {
      if (says(there, { channel, eventIds, mediaType, metadata, sha256: digest })) return there
      return yield* refuse("id", "is that of another artifact")
    }
    // Others of the same system may have come in meanwhile.
    yield* left(visitor, sizeBytes)
    const record: ArtifactRecord = {
      id, channel, path: `artifacts/${digest.slice(0, 2)}/${digest}`, mediaType, sizeBytes, sha256: digest, metadata, eventIds,
      creator: visitor.system, createdAt: clock.now()
    }
    yield* records.add(record, {
      subject: id, recipient: visitor.system, parentIds: eventIds, ...(channel === null ? {} : { correlationId: channel })
    })
    // When this fails the record is there all the same, and `collect` claims the bytes by it.
    yield* Effect.ignore(store.claimArtifact(digest))
    return record
  })

  const isSeen = (visitor: Visitor, record: ArtifactRecord): boolean => refusal(visitor, record.channel, "read") === undefined

  return {
    put,
    get: Effect.fnUntraced(function*(visitor, id) {
      const record = yield* records.find(id)
      return record !== undefined && isSeen(visitor, record) ? record : yield* new ArtifactNotFound({ digest: id })
    }),
    open: (visitor, record, range) =>
      isSeen(visitor, record)
        ? Effect.map(store.openArtifact(record.sha256, range), (bytes) => ({ record, bytes }))
        : Effect.fail(new ArtifactNotFound({ digest: record.id })),
    list: Effect.fnUntraced(function*(visitor, { after = 0, channel, eventId, limit = pageEventsMax } = {}) {
      const filter = { ...(channel === undefined ? {} : { correlationId: channel }), ...(eventId === undefined ? {} : { parentId: eventId }) }
      const found = yield* records.list(after, Math.min(limit, pageEventsMax), Object.keys(filter).length === 0 ? undefined : filter)
      return { ...found, records: found.records.filter((record) => isSeen(visitor, record)) }
    }),
    collect: Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const dropped: Array<string> = []
      for (const { at, claims, digest } of yield* store.unclaimedArtifacts()) {
        if (now - at < artifactGraceMillis) continue
        const found = yield* Effect.forEach(claims, records.find)
        if (found.some((record) => record?.sha256 === digest)) yield* store.claimArtifact(digest)
        else {
          yield* store.dropArtifact(digest)
          dropped.push(digest)
        }
      }
      return dropped
    })
  }
}

