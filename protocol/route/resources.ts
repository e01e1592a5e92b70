// Routes of artifacts and subscriptions, which are known by an id to everybody who may read their channel.
import * as Schema from "effect/Schema"
import { ArtifactRecord } from "../artifact.ts"
import { Event } from "../event.ts"
import { ChannelId, Cursor, EventId } from "../names.ts"
import { Lag, SharedSubscription } from "../subscription.ts"
import { MaybeNumber, None, row, Text, WaitNumber } from "./row.ts"

/** A part of a list, and where to go on. */
const listOf = <S extends Schema.Top>(of: S) => Schema.Struct({ items: Schema.Array(of), next: Cursor, isEnd: Schema.Boolean })

const JsonObject = Schema.Record(Schema.String, Schema.Json)

/** Events that a pull handed out. */
export const PulledView = Schema.Struct({
  events: Schema.Array(Event),
  /** Acknowledging it says that these events were handled. */
  cursor: Cursor
})
export interface PulledView extends Schema.Schema.Type<typeof PulledView> {}

export const resourceRoutes = {
  artifacts: row({
    method: "GET", path: "/v1/artifacts", group: "artifacts", guests: true, payload: None, says: "Artifacts that the caller may see, oldest first.",
    query: Schema.Struct({
      channel: Schema.optionalKey(ChannelId),
      /** Those that belong to this event. */
      eventId: Schema.optionalKey(EventId),
      after: MaybeNumber,
      limit: MaybeNumber
    }),
    success: listOf(ArtifactRecord)
  }),
  putArtifact: row({
    method: "POST", path: "/v1/artifacts", group: "artifacts", guests: true, payload: None, bytes: "in", status: 201,
    says: "Keeps the body, streamed, as an artifact; its media type is the content type.",
    query: Schema.Struct({
      /** An id of one's own: the same bytes under it again are what is there. */
      id: Schema.optionalKey(EventId),
      /** Who may read the channel may read the artifact. */
      channel: Schema.optionalKey(ChannelId),
      /** Ids of events that it belongs to, with commas between them. */
      eventIds: Text,
      /** A JSON object. */
      metadata: Text
    }),
    success: ArtifactRecord
  }),
  artifact: row({
    method: "GET", path: "/v1/artifacts/:id", group: "artifacts", guests: true, query: None, payload: None, says: "What is known of an artifact.",
    success: ArtifactRecord
  }),
  artifactBytes: row({
    method: "GET", path: "/v1/artifacts/:id/bytes", group: "artifacts", guests: true, query: None, payload: None, bytes: "out",
    says: "The bytes of an artifact, verified as they are read.", success: Schema.String,
    headers: { range: "One range of bytes.", "if-none-match": "Answers 304 without a body when this is the digest." }
  }),
  subscriptions: row({
    method: "GET", path: "/v1/subscriptions", group: "subscriptions", guests: true, payload: None, says: "Subscriptions that the caller may see, oldest first.",
    query: Schema.Struct({ channel: Schema.optionalKey(ChannelId), after: MaybeNumber, limit: MaybeNumber }), success: listOf(SharedSubscription)
  }),
  subscribe: row({
    method: "POST", path: "/v1/subscriptions", group: "subscriptions", guests: true, query: None,
    says: "The subscription with this id, when it is there for the same channel and events; else a new one, at the beginning.",
    payload: Schema.Struct({
      id: Schema.optionalKey(EventId),
      channel: ChannelId,
      /** A label of who reads it; never an identity. */
      consumer: Schema.optionalKey(Schema.NullOr(Schema.String)),
      batchSize: Schema.optionalKey(SharedSubscription.fields.batchSize),
      filters: Schema.optionalKey(SharedSubscription.fields.filters),
      metadata: Schema.optionalKey(JsonObject)
    }),
    success: Schema.Struct({
      subscription: SharedSubscription,
      /** Options that were given and are not those of the subscription that was there. */
      differing: Schema.Array(Schema.String)
    })
  }),
  subscription: row({
    method: "GET", path: "/v1/subscriptions/:id", group: "subscriptions", guests: true, query: None, payload: None, says: "One subscription.", success: SharedSubscription
  }),
  pull: row({
    method: "POST", path: "/v1/subscriptions/:id", verb: "pull", group: "subscriptions", guests: true, query: None,
    says: "The next events behind the subscription's cursor.",
    payload: Schema.Struct({
      /** Default: the subscription's batch size. */
      limit: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
      /** `manual` (default): they come again until they are acknowledged. `auto`: what is handed out counts as read. */
      ack: Schema.optionalKey(Schema.Literals(["auto", "manual"])),
      /** Milliseconds to wait for an event when there is none. */
      wait: WaitNumber
    }),
    success: PulledView
  }),
  ack: row({
    method: "POST", path: "/v1/subscriptions/:id", verb: "ack", group: "subscriptions", guests: true, query: None,
    says: "Says that everything up to a cursor was handled. It never goes back.", payload: Schema.Struct({ cursor: Cursor }), success: SharedSubscription
  }),
  lag: row({
    method: "GET", path: "/v1/subscriptions/:id/lag", group: "subscriptions", guests: true, query: None, payload: None,
    says: "How far a subscription is behind.", success: Lag
  })
} as const
