// The portable model: the five nouns of the semantic-channel API as they are on the wire and in a `.sssn` directory. What is
// accepted is decided here, once, for the store without a kernel, for the door and for its clients.
//
// Every `check…` answers a deeply frozen copy that nothing of the caller's is part of, with keys in order and every default
// filled in, or throws `InvalidPayloadError` with everything that is wrong.
import * as Schema from "effect/Schema"
import { Form } from "./channel.ts"
import { isSegment, nameLengthMax } from "./names.ts"
import { InvalidPayloadError, type PortableIssue } from "./portable-error.ts"

export * from "./portable-error.ts"

const identifier = (kind: "path segment" | "token") =>
  Schema.String.check(Schema.makeFilter((text: string) => isSegment(text) || `must be a non-empty ${kind}.`))
const Segment = identifier("path segment")
const Token = identifier("token")
const Metadata = Schema.Record(Schema.String, Schema.Json)
const Text = Schema.NullOr(Schema.String)

export const Channel = Schema.Struct({
  name: Segment,
  /** Opaque name of a payload schema, such as `package.module:Type`. */
  schema: Text,
  form: Form,
  description: Schema.String,
  metadata: Metadata
})
export interface Channel extends Schema.Schema.Type<typeof Channel> {}

export const Event = Schema.Struct({
  id: Segment,
  /** Grows over all channels of a store, the first event is 1; has holes within a channel. Absent until it is kept. */
  cursor: Schema.NullOr(Schema.Int),
  channel: Segment,
  /** Unix seconds, as the writer says. */
  timestamp: Schema.Finite,
  source: Text,
  kind: Token,
  payload: Schema.Json,
  schema: Text,
  metadata: Metadata,
  correlation_id: Schema.NullOr(Token),
  parent_ids: Schema.Array(Segment)
})
export interface Event extends Schema.Schema.Type<typeof Event> {}
/** An event that is kept. */
export interface KeptEvent extends Event {
  readonly cursor: number
}

export const Artifact = Schema.Struct({
  id: Segment,
  channel: Schema.NullOr(Segment),
  path: Schema.String,
  media_type: Schema.String,
  size: Schema.Int,
  sha256: Text,
  metadata: Metadata,
  event_ids: Schema.Array(Segment)
})
export interface Artifact extends Schema.Schema.Type<typeof Artifact> {}

export const Snapshot = Schema.Struct({
  name: Segment,
  channel: Schema.NullOr(Segment),
  timestamp: Schema.Finite,
  value: Schema.Json,
  schema: Text,
  source_event_id: Schema.NullOr(Segment),
  metadata: Metadata
})
export interface Snapshot extends Schema.Schema.Type<typeof Snapshot> {}

/** What a subscription lets through. */
export const Filters = Schema.Struct({ kind: Schema.optionalKey(Schema.NullOr(Token)) })
export interface Filters extends Schema.Schema.Type<typeof Filters> {}

export const Subscription = Schema.Struct({
  id: Segment,
  channel: Segment,
  /** Everything up to here was delivered. */
  cursor: Schema.Int,
  /** A label, nothing else. */
  consumer: Schema.NullOr(Token),
  batch_size: Schema.Int,
  filters: Filters,
  metadata: Metadata
})
export interface Subscription extends Schema.Schema.Type<typeof Subscription> {}

/** Everything but the named fields may be left out; values are whatever JSON can keep. */
type DraftOf<Model, Required extends keyof Model> =
  & { readonly [Key in Required]: Model[Key] }
  & {
    readonly [Key in Exclude<keyof Model, Required>]?: Key extends "payload" | "value"
      ? unknown
      : Key extends "metadata" ? Readonly<Record<string, unknown>> | null : Model[Key] | undefined
  }

export type ChannelDraft = DraftOf<Channel, "name">
export type EventDraft = DraftOf<Event, "channel">
export type SnapshotDraft = DraftOf<Snapshot, "name">
export type SubscriptionDraft = DraftOf<Omit<Subscription, "cursor">, "channel">
/** What is said of bytes when they are written; the store adds id, path, size and digest. */
export type ArtifactDraft = DraftOf<Pick<Artifact, "channel" | "media_type" | "metadata" | "event_ids">, never>

/** How strict a check is, and where what is left out comes from. */
export interface CheckOptions {
  readonly newId: () => string
  /** Unix seconds. */
  readonly now: () => number
  /** `metadata: null` counts as left out: in a program it does, on the wire it does not. */
  readonly nullMetadata?: boolean
  /** Fields that the model does not have are passed over instead of refused. */
  readonly dropUnknown?: boolean
}

/** Nesting of a JSON value. */
export const portableDepthMax = 64
/** Ids in one list. */
export const portableIdsMax = 1_000
/** A media type, in characters. */
export const mediaTypeLengthMax = 200

// Surrogates without their partner: UTF-8 cannot keep them apart.
const unpaired = /\p{Surrogate}/u
// RFC 9110: type, subtype and parameters, nothing that could end a header line.
const mediaType = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;[\x20-\x7e]*)?$/u

const sentence = (field: string, kind: string, value: unknown): string =>
  typeof value === "string" && value.length > nameLengthMax
    ? `${field} must be a ${kind} of at most ${nameLengthMax} characters.`
    : `${field} must be a non-empty ${kind}.`

/** What is wrong with an identifier, as a sentence; nothing when it is one. */
export const segmentProblem = (field: string, value: unknown): string | undefined =>
  typeof value === "string" && isSegment(value) && !unpaired.test(value) ? undefined : sentence(field, "path segment", value)

/** As `segmentProblem`, in the words for kinds, correlation ids and consumers. */
export const tokenProblem = (field: string, value: unknown): string | undefined =>
  typeof value === "string" && isSegment(value) && !unpaired.test(value) ? undefined : sentence(field, "token", value)

const orThrow = (problem: string | undefined): void => {
  if (problem !== undefined) throw new InvalidPayloadError(problem)
}

/** An identifier that something is looked up by. */
export const checkSegment = (field: string, value: unknown): string => {
  orThrow(segmentProblem(field, value))
  return value as string // it is one, or the line above threw
}

export const checkToken = (field: string, value: unknown): string => {
  orThrow(tokenProblem(field, value))
  return value as string // as above
}

const integerProblem = (field: string, value: unknown, least: 0 | 1, most: number): string | undefined => {
  if (!Number.isInteger(value)) return `${field} must be an integer.`
  const number = value as number // an integer is a number
  if (number < least) return `${field} must be greater than ${least === 0 ? "or equal to 0" : "0"}.`
  return number > most ? `${field} must be less than or equal to ${most}.` : undefined
}

/** A position: an integer from 0. */
export const checkCursor = (field: string, value: unknown): number => {
  orThrow(integerProblem(field, value, 0, Number.MAX_SAFE_INTEGER))
  return value as number // it is one, or the line above threw
}

/** How many: an integer from 1. */
export const checkCount = (field: string, value: unknown, most: number = Number.MAX_SAFE_INTEGER): number => {
  orThrow(integerProblem(field, value, 1, most))
  return value as number // as above
}

const unserializable = (path: string, why: string): InvalidPayloadError =>
  new InvalidPayloadError(`Value is not JSON serializable: ${path}: ${why}`, [{ path, text: `Value is not JSON serializable: ${why}` }])

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const textOf = (bytes: Uint8Array, path: string): string => {
  try {
    return utf8.decode(bytes)
  } catch {
    throw unserializable(path, "bytes that are not UTF-8 text")
  }
}

/**
 * A deeply frozen copy of a value as JSON keeps it, keys in order: dates become ISO strings, sets lists, maps objects, UTF-8
 * bytes text; `undefined` members are left out. What JSON cannot keep as it is (NaN, infinities, functions, cycles, class
 * instances) is refused and never changed into something else.
 */
export const jsonOf = (value: unknown, path: string, depth = 1): Schema.Json => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value
    case "number":
      if (!Number.isFinite(value)) throw unserializable(path, "numbers must be finite")
      return value + 0 // JSON has no -0
    case "object":
      break
    default:
      throw unserializable(path, `${typeof value} is not JSON`)
  }
  if (value === null) return null
  if (depth > portableDepthMax) throw unserializable(path.slice(0, 200), `nested deeper than ${portableDepthMax}`)
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw unserializable(path, "not a time")
    return value.toISOString()
  }
  if (value instanceof Uint8Array) return textOf(value, path)
  if (Array.isArray(value) || value instanceof Set) {
    return Object.freeze(Array.from(value, (item, at) => jsonOf(item, `${path}[${at}]`, depth + 1)))
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  const entries: Iterable<readonly [unknown, unknown]> | undefined =
    value instanceof Map ? value : prototype === Object.prototype || prototype === null ? Object.entries(value) : undefined
  if (entries === undefined) throw unserializable(path, `${value.constructor?.name ?? "an object with a prototype"} is not a plain object`)
  const members: Array<readonly [string, unknown]> = []
  for (const [key, member] of entries) {
    if (typeof key !== "string" && typeof key !== "number") throw unserializable(path, "keys must be strings")
    if (key === "__proto__") throw unserializable(path, "the key __proto__ is refused")
    if (member !== undefined) members.push([String(key), member])
  }
  members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  const copy: Record<string, Schema.Json> = {}
  for (const [key, member] of members) copy[key] = jsonOf(member, `${path}.${key}`, depth + 1)
  return Object.freeze(copy)
}

export type JsonObject = Readonly<Record<string, Schema.Json>>

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Set) && !(value instanceof Date) &&
  !(value instanceof Uint8Array)

/** A metadata or filters object; `null` and nothing at all are `{}` when they may be. */
export const checkObject = (field: string, value: unknown, orNull = true): JsonObject => {
  if (value === undefined || (value === null && orNull)) return Object.freeze({})
  if (!isRecord(value)) {
    const text = `${field} must be an object.`
    throw new InvalidPayloadError(text, [{ path: field.slice(field.indexOf(".") + 1), text }])
  }
  return jsonOf(value, field) as JsonObject // an object stays one
}

/** A list of identifiers: an array or a set, never a lone string. */
export const checkSegments = (field: string, value: unknown): ReadonlyArray<string> => {
  const problem = segmentsProblem(field, value)
  if (problem !== undefined) throw new InvalidPayloadError(problem)
  return Object.freeze([...(value as Iterable<string>)]) // an array or set of strings, as was just seen
}

const segmentsProblem = (field: string, value: unknown): string | undefined => {
  if (!Array.isArray(value) && !(value instanceof Set)) return `${field} must be a list of path segments.`
  const items: ReadonlyArray<unknown> = [...value]
  if (items.length > portableIdsMax) return `${field} must have at most ${portableIdsMax} entries.`
  for (const item of items) {
    const problem = segmentProblem(field, item)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Reads the fields of one model, and collects what is wrong. */
interface Reader {
  readonly segment: (field: string, fallback?: () => string) => string
  readonly orNull: (field: string, kind: "path segment" | "token") => string | null
  readonly token: (field: string, fallback: string) => string
  readonly text: (field: string, fallback?: string) => string
  readonly textOrNull: (field: string) => string | null
  readonly seconds: (field: string, fallback: () => number) => number
  readonly segments: (field: string) => ReadonlyArray<string>
  readonly refuse: (field: string, text: string) => void
  readonly at: (field: string) => unknown
  /** Ends the reading: throws when anything was wrong. */
  readonly done: () => void
}

const numeral = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/u

const reader = (model: string, input: unknown, fields: ReadonlyArray<string>, dropUnknown: boolean): Reader => {
  if (!isRecord(input)) {
    const text = `${model} must be an object.`
    throw new InvalidPayloadError(`Invalid ${model}: ${text}`, [{ path: "", text }])
  }
  const issues: Array<PortableIssue> = []
  const refuse = (path: string, text: string): void => void issues.push({ path, text })
  if (!dropUnknown) {
    for (const key of Object.keys(input)) {
      if (!fields.includes(key) && input[key] !== undefined) refuse(key, `${key} is not a field; allowed: ${fields.join(", ")}.`)
    }
  }
  const checked = (field: string, problem: string | undefined, value: unknown): string => {
    if (problem !== undefined) refuse(field, problem)
    return value as string // it is one when there is no problem; else nothing of it is used
  }
  const text = (field: string): string => {
    const value = input[field]
    const problem = typeof value !== "string"
      ? `${field} must be a string.`
      : unpaired.test(value) ? `${field} must be well-formed Unicode.` : undefined
    return checked(field, problem, value)
  }
  return {
    at: (field) => input[field],
    refuse,
    segment: (field, fallback) => {
      const value = input[field]
      if (value === undefined && fallback !== undefined) return fallback()
      const isNew = typeof value === "string" && field !== "channel"
      const problem = segmentProblem(field, value) ??
        (isNew && value.normalize("NFC") !== value ? `${field} must be in Unicode normalization form NFC.` : undefined)
      return checked(field, problem, value)
    },
    orNull: (field, kind) => {
      const value = input[field] ?? null
      return value === null ? null : checked(field, kind === "token" ? tokenProblem(field, value) : segmentProblem(field, value), value)
    },
    token: (field, fallback) => {
      const value = input[field]
      return value === undefined ? fallback : checked(field, tokenProblem(field, value), value)
    },
    text: (field, fallback) => (input[field] === undefined && fallback !== undefined ? fallback : text(field)),
    textOrNull: (field) => ((input[field] ?? null) === null ? null : text(field)),
    seconds: (field, fallback) => {
      const value = input[field]
      if (value === undefined) return fallback()
      const number = typeof value === "string" && numeral.test(value) ? Number(value) : value
      if (typeof number === "number" && Number.isFinite(number)) return number
      refuse(field, `${field} must be a finite number.`)
      return 0
    },
    segments: (field) => {
      const value = input[field]
      if (value === undefined) return Object.freeze([])
      const problem = segmentsProblem(field, value)
      if (problem === undefined) return Object.freeze([...(value as Iterable<string>)]) // as was just seen
      refuse(field, problem)
      return []
    },
    done: () => {
      if (issues.length > 0) throw new InvalidPayloadError(`Invalid ${model}: ${issues.map((issue) => issue.text).join("; ")}`, issues)
    }
  }
}

const metadataOf = (model: string, input: unknown, options: CheckOptions): JsonObject =>
  checkObject(`${model}.metadata`, isRecord(input) ? input["metadata"] : undefined, options.nullMetadata ?? true)

/** The payload or value of a model, once the rest is known to be right. */
const valueOf = (input: unknown, field: string): Schema.Json =>
  jsonOf((input as Readonly<Record<string, unknown>>)[field] ?? null, field) // only asked of what `reader` took for an object

export const checkChannel = (input: unknown, options: CheckOptions): Channel => {
  const metadata = metadataOf("channel", input, options)
  const read = reader("channel", input, Object.keys(Channel.fields), options.dropUnknown === true)
  const name = read.segment("name")
  const schema = read.textOrNull("schema")
  const form = read.at("form") ?? (read.at("form") === undefined ? "log" : null)
  if (!(Form.literals as ReadonlyArray<unknown>).includes(form)) read.refuse("form", `form must be one of ${Form.literals.join(", ")}.`)
  const description = read.text("description", "")
  read.done()
  return Object.freeze({ name, schema, form: form as Form, description, metadata }) // one of the literals, as was seen
}

/** The cursor is the store's to give: what was given must be a cursor, and is not used. */
export const checkEvent = (input: unknown, options: CheckOptions): Event => {
  const metadata = metadataOf("event", input, options)
  const read = reader("event", input, Object.keys(Event.fields), options.dropUnknown === true)
  const given = read.at("cursor") ?? null
  if (given !== null && !Number.isInteger(given)) read.refuse("cursor", "cursor must be an integer.")
  const event = {
    id: read.segment("id", options.newId),
    cursor: null,
    channel: read.segment("channel"),
    timestamp: read.seconds("timestamp", options.now),
    source: read.textOrNull("source"),
    kind: read.token("kind", "event"),
    schema: read.textOrNull("schema"),
    metadata,
    correlation_id: read.orNull("correlation_id", "token"),
    parent_ids: read.segments("parent_ids")
  }
  read.done()
  const { schema, metadata: _, correlation_id, parent_ids, ...before } = event
  return Object.freeze({ ...before, payload: valueOf(input, "payload"), schema, metadata, correlation_id, parent_ids })
}

export const checkSnapshot = (input: unknown, options: CheckOptions): Snapshot => {
  const metadata = metadataOf("snapshot", input, options)
  const read = reader("snapshot", input, Object.keys(Snapshot.fields), options.dropUnknown === true)
  const snapshot = {
    name: read.segment("name"),
    channel: read.orNull("channel", "path segment"),
    timestamp: read.seconds("timestamp", options.now),
    schema: read.textOrNull("schema"),
    source_event_id: read.orNull("source_event_id", "path segment"),
    metadata
  }
  read.done()
  const { schema, source_event_id, metadata: _, ...before } = snapshot
  return Object.freeze({ ...before, value: valueOf(input, "value"), schema, source_event_id, metadata })
}

/** The filters of a subscription: `kind`, and nothing else. */
export const checkFilters = (value: unknown, orNull = true): Filters => {
  const filters = checkObject("subscription.filters", value, orNull)
  const others = Object.keys(filters).filter((key) => key !== "kind").sort()
  if (others.length > 0) {
    throw new InvalidPayloadError(`subscription filters only support 'kind'; unsupported: ${others.join(", ")}`)
  }
  if ((filters["kind"] ?? null) !== null) checkToken("subscription filter 'kind'", filters["kind"])
  return filters
}

/** A new subscription, at the beginning of its channel. */
export const checkSubscription = (input: unknown, options: CheckOptions): Subscription => {
  const given = isRecord(input) ? input : {}
  const batch = given["batch_size"] ?? (given["batch_size"] === undefined ? 100 : null)
  const batchSize = checkCount("batch_size", typeof batch === "string" && /^\s*\d{1,15}\s*$/u.test(batch) ? Number(batch) : batch)
  const filters = checkFilters(given["filters"], options.nullMetadata ?? true)
  const metadata = metadataOf("subscription", input, options)
  const read = reader("subscription", input, Object.keys(Subscription.fields), options.dropUnknown === true)
  const idOrNull = read.at("id") ?? null
  const subscription = {
    id: idOrNull === null ? options.newId() : read.segment("id"),
    channel: read.segment("channel"),
    cursor: 0,
    consumer: read.orNull("consumer", "token"),
    batch_size: batchSize,
    filters,
    metadata
  }
  read.done()
  return Object.freeze(subscription)
}

/** A media type that can stand in a header as it is. */
export const mediaTypeProblem = (field: string, value: unknown): string | undefined =>
  typeof value === "string" && value.length <= mediaTypeLengthMax && mediaType.test(value)
    ? undefined
    : `${field} must be a media type such as text/plain, at most ${mediaTypeLengthMax} characters.`

/** What is said of bytes when they are written. */
export const checkArtifact = (
  input: unknown, options: CheckOptions
): Pick<Artifact, "channel" | "media_type" | "metadata" | "event_ids"> => {
  const metadata = metadataOf("artifact", input, options)
  const read = reader("artifact", input, ["channel", "media_type", "metadata", "event_ids"], options.dropUnknown === true)
  const ids = read.at("event_ids")
  const eventIds = ids === undefined ? Object.freeze([]) : checkSegments("artifact.event_ids", ids)
  const channel = read.orNull("channel", "path segment")
  const media = read.at("media_type") ?? (read.at("media_type") === undefined ? "application/octet-stream" : null)
  const problem = mediaTypeProblem("media_type", media)
  if (problem !== undefined) read.refuse("media_type", problem)
  read.done()
  return Object.freeze({ channel, media_type: media as string, metadata, event_ids: eventIds }) // a media type, as was seen
}
