// Rows of artifacts: inside JSON, as the ancestor has it, and as plain bytes.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TooLarge } from "../../../../protocol/errors.ts"
import * as Portable from "../../../../protocol/portable.ts"
import { artifactStreamBytesMax, pageEventsMax } from "../../../limits.ts"
import type { Resources } from "../../../resource/resources.ts"
import { bytesAnswer, fromBase64 } from "../bytes.ts"
import { checked, parseJson, withLargeBody } from "../input.ts"
import { answer, options, type Row } from "../row.ts"
import * as Wire from "../wire.ts"

const { channel, event_ids, media_type, metadata } = Portable.Artifact.fields
const Body = Schema.Struct({
  data: Schema.String,
  encoding: Schema.optionalKey(Schema.Literals(["text", "base64"])),
  channel: Schema.optionalKey(channel),
  media_type: Schema.optionalKey(media_type),
  metadata: Schema.optionalKey(metadata),
  event_ids: Schema.optionalKey(event_ids)
})

const unpaired = /\p{Surrogate}/u

const bytesOf = (data: unknown, encoding: unknown): Uint8Array => {
  if (typeof data !== "string") throw new Portable.InvalidPayloadError(data === undefined ? "data: Field required" : "data: data must be a string.")
  if (encoding === "base64") return fromBase64(data)
  if (encoding !== undefined && encoding !== "text") throw new Portable.InvalidPayloadError("encoding: encoding must be text or base64.")
  if (unpaired.test(data)) throw new Portable.InvalidPayloadError("data: data must be well-formed Unicode.")
  return Buffer.from(data, "utf8")
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

/** Data and description, which are checked before the data is looked at. */
const readBody = (body: unknown): { readonly bytes: Uint8Array; readonly draft: ReturnType<typeof Portable.checkArtifact> } => {
  if (typeof body !== "object" || body === null || Array.isArray(body)) throw new Portable.InvalidPayloadError("artifact must be an object.")
  const { data, encoding, ...rest } = body as Readonly<Record<string, unknown>> // an object, as was just seen
  const draft = Portable.checkArtifact(rest, options)
  return { draft, bytes: bytesOf(data, encoding) }
}

const draftOf = (draft: ReturnType<typeof Portable.checkArtifact>) => ({
  channel: draft.channel, mediaType: draft.media_type, metadata: draft.metadata, eventIds: draft.event_ids
})

export const artifactRows = ({ artifacts }: Resources): ReadonlyArray<Row> => [
  {
    name: "write_artifact", method: "POST", path: "/artifacts", body: Body, success: Portable.Artifact,
    run: ({ asked }) =>
      withLargeBody(asked, Effect.fnUntraced(function*(body) {
        const { bytes, draft } = yield* checked(() => readBody(body))
        return answer(Wire.artifactOnWire(yield* artifacts.put(asked.guest, once(bytes), draftOf(draft))))
      }))
  },
  {
    name: "upload_artifact", method: "PUT", path: "/artifacts", body: "bytes", success: Portable.Artifact,
    query: [
      { name: "channel", type: "string", description: "Who may read it may read the artifact." },
      { name: "event_id", type: "string", list: true, description: "An event that it belongs to." },
      { name: "metadata", type: "string", description: "An object, as JSON." }
    ],
    run: Effect.fnUntraced(function*({ asked, query }) {
      const draft = yield* checked(() => {
        const given = query.text("metadata")
        const { "content-type": mediaType } = asked.headers
        return Portable.checkArtifact({
          channel: query.text("channel") ?? null, event_ids: query.list("event_id"),
          ...(typeof mediaType === "string" ? { media_type: mediaType } : {}),
          ...(given === undefined ? {} : { metadata: parseJson(Buffer.from(given)) })
        }, options)
      })
      const size = Number(asked.headers["content-length"] ?? 0)
      if (size > artifactStreamBytesMax) return yield* new TooLarge({ what: "The artifact", size, sizeMax: artifactStreamBytesMax, unit: "bytes" })
      return answer(Wire.artifactOnWire(yield* artifacts.put(asked.guest, asked.bytes, draftOf(draft))))
    })
  },
  {
    name: "list_artifacts", method: "GET", path: "/artifacts", success: Schema.Array(Portable.Artifact),
    query: [
      { name: "channel", type: "string", description: "Only those of this channel." },
      { name: "event_id", type: "string", description: "Only those of this event." },
      { name: "after", type: "integer", description: "What the header `sssn-next` of the page before says." },
      { name: "limit", type: "integer", description: `At most so many; default and most ${pageEventsMax}.` }
    ],
    run: Effect.fnUntraced(function*({ asked, query }) {
      const given = yield* checked(() => {
        const name = query.text("channel")
        const eventId = query.text("event_id")
        return {
          after: query.integer("after", 0), limit: query.integer("limit", 1),
          channel: name === undefined ? undefined : Portable.checkSegment("channel", name),
          eventId: eventId === undefined ? undefined : Portable.checkSegment("event_id", eventId)
        }
      })
      const { isEnd, next, records } = yield* artifacts.list(asked.guest, given)
      return answer(records.map(Wire.artifactOnWire), isEnd ? {} : { "sssn-next": String(next) })
    })
  },
  {
    name: "read_artifact", method: "GET", path: "/artifacts/{artifact_id}", success: "bytes",
    run: ({ asked, id }) => Effect.flatMap(artifacts.get(asked.guest, id), (record) => bytesAnswer(artifacts, asked, record))
  },
  {
    name: "get_artifact", method: "GET", path: "/artifacts/{artifact_id}/metadata", success: Portable.Artifact,
    run: ({ asked, id }) => Effect.map(artifacts.get(asked.guest, id), (record) => answer(Wire.artifactOnWire(record)))
  }
]
