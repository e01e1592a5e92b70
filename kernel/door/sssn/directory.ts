// The portable API in front of a `.sssn` directory: the same rows, over a store without a kernel, and nobody to ask who may.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ArtifactRecord } from "../../../protocol/artifact.ts"
import * as Portable from "../../../protocol/portable.ts"
import { batchEventsMax } from "../../limits.ts"
import type { Resources } from "../../resource/resources.ts"
import type { LocalStore } from "../../store/local.ts"
import { health, surfaceOf } from "../sssn.ts"
import type { Answer, Surface } from "../surface.ts"
import { bytesAnswer, fromBase64 } from "./bytes.ts"
import { bodyOf, withLargeBody } from "./input.ts"
import { answer, type Given, type Row } from "./row.ts"

type Body = Readonly<Record<string, unknown>>

/** What the directory refuses is thrown, and told by the surface. */
const now = (work: () => unknown): Effect.Effect<Answer> => Effect.sync(() => answer(work()))

const withBody = (given: Given, work: (body: Body) => unknown): ReturnType<Row["run"]> =>
  Effect.map(bodyOf(given.asked), (body) => {
    if (typeof body !== "object" || body === null) throw new Portable.InvalidPayloadError("body: Input should be an object.")
    return answer(work(body as Body)) // an object, as was just seen
  })

/** A metadata or filters of `null` is one in a program and none on the wire. */
const strict = (body: Body, ...fields: ReadonlyArray<string>): void => {
  for (const field of fields) if (body[field] === null) throw new Portable.InvalidPayloadError(`${field}: ${field} must be an object.`)
}

/** A draft of whatever the store checks next. */
const draft = (body: Body): never => body as never

const bytesOf = ({ data, encoding = "text" }: Body): Uint8Array => {
  if (typeof data !== "string") throw new Portable.InvalidPayloadError(data === undefined ? "data: Field required" : "data: data must be a string.")
  if (encoding === "base64") return fromBase64(data)
  if (encoding !== "text") throw new Portable.InvalidPayloadError("encoding: encoding must be text or base64.")
  return Buffer.from(data, "utf8")
}

const recordOf = (artifact: Portable.Artifact, sha256: string): ArtifactRecord => ({
  id: artifact.id, channel: artifact.channel, path: artifact.path, mediaType: artifact.media_type, sizeBytes: artifact.size, sha256,
  metadata: artifact.metadata, eventIds: artifact.event_ids, creator: "", createdAt: 0
})

/** Artifacts as the answer of bytes needs them: read whole, and verified, before any of it goes out. */
const opened = (bytes: Uint8Array): Pick<Resources["artifacts"], "open"> => ({
  open: (_visitor, record, range = { from: 0, to: bytes.length - 1 }) => {
    const to = Math.min(range.to, bytes.length - 1)
    async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes.subarray(range.from, to + 1)
    }
    return Effect.succeed({ record, bytes: { sizeBytes: bytes.length, range: { from: range.from, to }, chunks: chunks() } })
  }
})

const subscriptionOf = (store: LocalStore, id: string): Portable.Subscription | undefined => {
  try {
    return store.getSubscription(id)
  } catch (failure) {
    if (failure instanceof Portable.SubscriptionNotFoundError) return undefined
    throw failure
  }
}

const append = (store: LocalStore, body: unknown): unknown => {
  if (!Array.isArray(body)) {
    strict(body as Body, "metadata")
    return store.appendEvent(draft(body as Body)) // an object, or the store says that it is none
  }
  if (body.length === 0 || body.length > batchEventsMax) throw new Portable.InvalidPayloadError(`body: a batch holds 1 to ${batchEventsMax} events.`)
  return store.appendEvents(body.map((one: Body) => draft(one))) // each is checked by the store
}

const { channel, event_ids: eventIds, media_type: mediaType, metadata } = Portable.Artifact.fields
const ArtifactBody = Schema.Struct({
  data: Schema.String, encoding: Schema.optionalKey(Schema.Literals(["text", "base64"])), channel: Schema.optionalKey(channel),
  media_type: Schema.optionalKey(mediaType), metadata: Schema.optionalKey(metadata), event_ids: Schema.optionalKey(eventIds)
})
const { name: _name, ...snapshotFields } = Portable.Snapshot.fields
const { cursor: _cursor, id: subscriptionId, ...subscriptionFields } = Portable.Subscription.fields

export const directoryRows = (store: LocalStore): ReadonlyArray<Row> => [
  health,
  {
    name: "create_channel", method: "POST", path: "/channels", body: Portable.Channel, success: Portable.Channel,
    run: (given) => withBody(given, (body) => (strict(body, "metadata"), store.createChannel(draft(body))))
  },
  { name: "list_channels", method: "GET", path: "/channels", success: Schema.Array(Portable.Channel), run: () => now(() => store.listChannels()) },
  { name: "get_channel", method: "GET", path: "/channels/{name}", success: Portable.Channel, run: ({ id }) => now(() => store.getChannel(id)) },
  {
    name: "append_event", method: "POST", path: "/events", body: Schema.Union([Portable.Event, Schema.Array(Portable.Event)]), success: Portable.Event,
    run: (given) => withBody(given, (body) => append(store, body))
  },
  {
    name: "query_events", method: "GET", path: "/events", success: Schema.Array(Portable.Event),
    query: [
      { name: "channel", type: "string", required: true, description: "The channel that is read." },
      { name: "after_cursor", type: "integer", description: "Events behind this cursor; default 0, from the first." },
      { name: "limit", type: "integer", description: "At most so many; default 100." },
      { name: "kind", type: "string", description: "Only events of this kind." }
    ],
    run: ({ query }) =>
      now(() =>
        store.queryEvents(Portable.checkSegment("channel", query.required("channel")), {
          afterCursor: query.integer("after_cursor", 0) ?? 0, limit: query.integer("limit", 1) ?? 100, kind: query.text("kind") ?? null
        }))
  },
  { name: "get_event", method: "GET", path: "/events/{event_id}", success: Portable.Event, run: ({ id }) => now(() => store.getEvent(id)) },
  {
    name: "create_subscription", method: "POST", path: "/subscriptions", success: Portable.Subscription,
    body: Schema.Struct({ ...subscriptionFields, id: Schema.NullOr(subscriptionId) }),
    run: (given) =>
      withBody(given, (body) => {
        strict(body, "filters", "metadata")
        const asked = Portable.checkSubscription(body, { newId: () => "", now: () => 0, nullMetadata: false })
        // A client of the wire says every option each time: what is there is what it gets.
        const kept = asked.id === "" ? undefined : subscriptionOf(store, asked.id)
        if (kept?.channel === asked.channel) return kept
        return store.createSubscription(asked.channel, {
          ...(asked.id === "" ? {} : { id: asked.id }), consumer: asked.consumer, batchSize: asked.batch_size, filters: asked.filters, metadata: asked.metadata
        })
      })
  },
  {
    name: "get_subscription", method: "GET", path: "/subscriptions/{subscription_id}", success: Portable.Subscription,
    run: ({ id }) => now(() => store.getSubscription(id))
  },
  {
    name: "pull_subscription", method: "POST", path: "/subscriptions/{subscription_id}/pull", success: Schema.Array(Portable.Event),
    query: [
      { name: "limit", type: "integer", description: "At most so many; default: the batch size." },
      { name: "ack", type: "string", description: "`manual`: the events come again until they are acknowledged. Default `auto`: what is handed out counts as read." }
    ],
    run: ({ id, query }) =>
      now(() => {
        const ack = query.text("ack") ?? "auto"
        if (ack !== "auto" && ack !== "manual") throw new Portable.InvalidPayloadError("query.ack: ack must be auto or manual.")
        const limit = query.integer("limit", 1)
        return ack === "auto" ? store.pullSubscription(id, limit) : store.peekSubscription(id, limit)
      })
  },
  {
    name: "acknowledge_subscription", method: "POST", path: "/subscriptions/{subscription_id}/ack", body: Schema.Struct({ cursor: Schema.Int }),
    success: Portable.Subscription,
    run: (given) => withBody(given, ({ cursor }) => store.ackSubscription(given.id, Portable.checkCursor("cursor", cursor)))
  },
  {
    name: "write_artifact", method: "POST", path: "/artifacts", body: ArtifactBody, success: Portable.Artifact,
    run: ({ asked }) =>
      withLargeBody(asked, (body) =>
        now(() => {
          if (typeof body !== "object" || body === null || Array.isArray(body)) throw new Portable.InvalidPayloadError("artifact must be an object.")
          strict(body as Body, "metadata")
          const { data: _data, encoding: _encoding, ...rest } = body as Body // an object, as was just seen
          return store.writeArtifact(bytesOf(body as Body), draft(rest))
        }))
  },
  {
    name: "read_artifact", method: "GET", path: "/artifacts/{artifact_id}", success: "bytes",
    run: ({ asked, id }) =>
      Effect.suspend(() => {
        const artifact = store.getArtifact(id)
        const bytes = store.readArtifact(id)
        // Nothing else of the artifacts is asked for.
        return bytesAnswer(opened(bytes) as Resources["artifacts"], asked, recordOf(artifact, artifact.sha256 ?? artifact.id))
      })
  },
  {
    name: "get_artifact", method: "GET", path: "/artifacts/{artifact_id}/metadata", success: Portable.Artifact,
    run: ({ id }) => now(() => store.getArtifact(id))
  },
  {
    name: "put_snapshot", method: "PUT", path: "/snapshots/{name}", body: Schema.Struct(snapshotFields), success: Portable.Snapshot,
    run: (given) =>
      withBody(given, (body) => {
        strict(body, "metadata")
        if (body["name"] !== undefined && body["name"] !== given.id) throw new Portable.InvalidPayloadError("name: the path says another one.")
        return store.putSnapshot(draft({ ...body, name: given.id }))
      })
  },
  { name: "get_snapshot", method: "GET", path: "/snapshots/{name}", success: Portable.Snapshot, run: ({ id }) => now(() => store.getSnapshot(id)) }
]

/** At the root, as the ancestor serves it. */
export const directorySurface = (store: LocalStore): Surface => surfaceOf("", directoryRows(store))
