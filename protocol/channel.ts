// A channel: a named, schema-described sequence of events, with a form for its readers and a delivery for its events.
import * as Schema from "effect/Schema"
import { millisOf, Span } from "./duration.ts"
import { ChannelId, SystemId } from "./names.ts"
import { isReserved } from "./well-known.ts"

/** What a channel is for, as it says to its clients. The thirteen literals are SSSN v2's. */
export const Form = Schema.Literals([
  "log",
  "queue",
  "topic",
  "blackboard",
  "latest-state",
  "artifact-index",
  "pipeline-edge",
  "database-view",
  "feed",
  "time-series",
  "tree",
  "forum",
  "hub"
])
export type Form = typeof Form.Type

/** Who sees an event: every reader, one lease holder, its addressee, or only the newest per subject. */
export const Delivery = Schema.Literals(["shared", "exclusive", "addressed", "latest"])
export type Delivery = typeof Delivery.Type

/** `strict` survives power loss, `relaxed` a crash of the process, `memory` neither. */
export const Durability = Schema.Literals(["strict", "relaxed", "memory"])
export type Durability = typeof Durability.Type

/** What doors may show. */
export const Visibility = Schema.Literals(["private", "public"])
export type Visibility = typeof Visibility.Type

/** Fields by which events of a channel are found in time proportional to the hits. */
export const IndexField = Schema.Literals(["kind", "sender", "recipient", "correlationId", "parentId", "subject"])
export type IndexField = typeof IndexField.Type

const Labels = Schema.Array(Schema.NonEmptyString.check(Schema.isMaxLength(200))).check(Schema.isMaxLength(32))

const Positive = Schema.Int.check(Schema.isGreaterThan(0))

/**
 * How much of a channel is kept: what is older goes first, then what is more. A reader behind what is left gets a typed
 * gap. Items of a queue that are not settled are kept beyond the count; older ones that nobody holds go to its dead letters.
 */
export const Retention = Schema.Struct({
  /** Newest events that are kept. */
  count: Schema.optionalKey(Positive),
  /** How long an event is kept, in milliseconds of the kernel's time since it was recorded. */
  ageMillis: Schema.optionalKey(Positive)
})
export interface Retention extends Schema.Schema.Type<typeof Retention> {}

/** The same as an author writes it. */
export const RetentionSpec = Schema.Struct({
  ...Retention.fields,
  /** In place of `ageMillis`: 90s, 30m, 12h, 7d. */
  age: Schema.optionalKey(Span)
})
export interface RetentionSpec extends Schema.Schema.Type<typeof RetentionSpec> {}

export const Channel = Schema.Struct({
  name: ChannelId,
  form: Form,
  delivery: Delivery,
  durability: Durability,
  visibility: Visibility,
  description: Schema.String,
  /** Opaque reference to a payload schema, for clients. */
  schema: Schema.NullOr(Schema.String),
  metadata: Schema.Record(Schema.String, Schema.Json),
  retention: Retention,
  /** How long a taken item of an exclusive channel is held without renewal, in milliseconds. */
  leaseMillis: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Deliveries of one item before it goes to the dead letters. */
  attemptsMax: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Of a shared channel: its events may also be taken; readers pass over what is taken or settled. */
  exclusiveReads: Schema.Boolean,
  indexes: Schema.Array(IndexField),
  /** Where its events come from: labels that all of them carry. Absent: none. */
  labels: Schema.optionalKey(Labels),
  /** Who provides it. */
  owner: SystemId
})
export interface Channel extends Schema.Schema.Type<typeof Channel> {}

/** What an author says of a channel; the rest follows from the form. */
export const ChannelSpec = Schema.Struct({
  name: ChannelId,
  form: Schema.optionalKey(Form),
  delivery: Schema.optionalKey(Delivery),
  durability: Schema.optionalKey(Durability),
  visibility: Schema.optionalKey(Visibility),
  description: Schema.optionalKey(Schema.String),
  schema: Schema.optionalKey(Schema.NullOr(Schema.String)),
  metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  retention: Schema.optionalKey(RetentionSpec),
  leaseMillis: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  attemptsMax: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  /** Of shared channels alone. Default: true for `log`, `feed`, `time-series` and `pipeline-edge`. */
  exclusiveReads: Schema.optionalKey(Schema.Boolean),
  indexes: Schema.optionalKey(Schema.Array(IndexField)),
  /** Labels that all its events carry, such as `untrusted.mail`. */
  labels: Schema.optionalKey(Labels)
})
export interface ChannelSpec extends Schema.Schema.Type<typeof ChannelSpec> {}

/** Default delivery and indexes of each form. `form` and `delivery` are apart: a spec may say another delivery. */
export const forms: Readonly<Record<Form, { readonly delivery: Delivery; readonly indexes: ReadonlyArray<IndexField> }>> = {
  log: { delivery: "shared", indexes: [] },
  queue: { delivery: "exclusive", indexes: [] },
  topic: { delivery: "shared", indexes: [] },
  blackboard: { delivery: "shared", indexes: ["sender"] },
  "latest-state": { delivery: "latest", indexes: ["subject"] },
  "artifact-index": { delivery: "shared", indexes: [] },
  "pipeline-edge": { delivery: "shared", indexes: [] },
  "database-view": { delivery: "shared", indexes: [] },
  feed: { delivery: "shared", indexes: [] },
  "time-series": { delivery: "shared", indexes: [] },
  tree: { delivery: "shared", indexes: ["parentId"] },
  forum: { delivery: "shared", indexes: ["correlationId"] },
  hub: { delivery: "shared", indexes: ["correlationId"] }
}

const byDelivery: Readonly<Record<Delivery, ReadonlyArray<IndexField>>> = {
  shared: [],
  exclusive: [],
  addressed: ["recipient", "correlationId"],
  latest: ["subject"]
}

/** Forms whose events are also taken, unless a spec says otherwise. */
const takenToo: ReadonlySet<Form> = new Set<Form>(["log", "feed", "time-series", "pipeline-edge"])

/** Whether events of a channel can be taken and settled: a queue, or a shared channel with exclusive reads. */
export const canTake = ({ delivery, exclusiveReads }: Pick<Channel, "delivery" | "exclusiveReads">): boolean =>
  delivery === "exclusive" || (delivery === "shared" && exclusiveReads)

const retentionOf = ({ age, ageMillis, count }: RetentionSpec): Retention => {
  const millis = ageMillis ?? (age === undefined ? undefined : millisOf(age))
  return { ...(count === undefined ? {} : { count }), ...(millis === undefined ? {} : { ageMillis: millis }) }
}

/** The whole channel of a spec: every default filled in from its form and delivery. */
export const channelOf = (spec: ChannelSpec, owner: SystemId): Channel => {
  const form = spec.form ?? (spec.delivery === "exclusive" ? "queue" : spec.delivery === "latest" ? "latest-state" : "log")
  const delivery = spec.delivery ?? forms[form].delivery
  return {
    name: spec.name,
    form,
    delivery,
    durability: spec.durability ?? "strict",
    visibility: spec.visibility ?? "private",
    description: spec.description ?? "",
    schema: spec.schema ?? null,
    metadata: spec.metadata ?? {},
    retention: spec.retention === undefined ? {} : retentionOf(spec.retention),
    leaseMillis: spec.leaseMillis ?? 300_000,
    attemptsMax: spec.attemptsMax ?? 5,
    // The kernel's own logs are for reading.
    exclusiveReads: delivery === "shared" && !isReserved(spec.name) && (spec.exclusiveReads ?? takenToo.has(form)),
    indexes: [...new Set([...forms[form].indexes, ...byDelivery[delivery], ...(spec.indexes ?? [])])],
    ...(spec.labels === undefined || spec.labels.length === 0 ? {} : { labels: [...new Set(spec.labels)].sort() }),
    owner
  }
}
