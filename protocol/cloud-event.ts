// CloudEvents 1.0 and our events, each as the other. Nothing is lost on the way there and back: attributes that we have a
// member for become that member, other extensions become metadata, and what an attribute cannot hold goes as JSON text.
//
//   id          id, when it may be one of ours; else metadata `cloudeventid`
//   source      source; an event that names none comes from `/systems/SENDER`
//   type        kind                    subject     subject
//   time        timestamp               dataschema  schema
//   data        payload                 data_base64 payload {"data_base64": …}
//   datacontenttype, unless it is JSON: metadata `datacontenttype`
//   correlationid, causationid (ids with a space between them), recipient, labels (a JSON list), traceparent: theirs
//   channel, cursor, sender, recordedat: told by us, never believed
import { InvalidPayload } from "./errors.ts"
import type { Draft, Event } from "./event.ts"
import { isSegment } from "./names.ts"

/** Value of an attribute beside `data`. */
export type Attribute = string | number | boolean

export interface CloudEvent {
  readonly specversion: "1.0"
  readonly id: string
  readonly source: string
  readonly type: string
  readonly data?: unknown
  readonly data_base64?: string
  readonly [attribute: string]: unknown
}

const idKey = "cloudeventid"
const restKey = "metadata"
const attributeName = /^[a-z0-9]{1,64}$/u
/** What an attribute's text may not hold. */
// eslint-disable-next-line no-control-regex -- control characters are what it finds
const unspeakable = /[\u0000-\u001f\u007f-\u009f]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/u
const integerMax = 2_147_483_647

const told: ReadonlySet<string> = new Set(["channel", "cursor", "sender", "recordedat"])

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isJsonMedia = (media: string): boolean => /^(?:application|text)\/(?:[\w.!#$&^+-]+\+)?json(?:\s*;|$)/iu.test(media)

/** Whether an attribute can say it, and it comes back as the same. */
const isAttribute = (name: string, value: unknown): value is Attribute =>
  attributeName.test(name) && !reserved.has(name) &&
  (typeof value === "boolean" || (typeof value === "number" && Number.isInteger(value) && Math.abs(value) <= integerMax) ||
    (typeof value === "string" && !unspeakable.test(value)))

const known = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"] as const
const ours = ["correlationid", "causationid", "recipient", "labels", "traceparent", restKey] as const
const reserved: ReadonlySet<string> = new Set([...known, ...ours, ...told])

const timeOf = (seconds: number): string | undefined => {
  const time = new Date(seconds * 1_000)
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString()
}

/** A source is a reference: what cannot stand in one is escaped. */
const sourceOf = (event: Event): string =>
  event.source === null || event.source === "" || event.source === event.sender
    ? `/systems/${encodeURI(event.sender)}`
    : encodeURI(event.source).replaceAll("%25", "%")

export const cloudEventOf = (event: Event): CloudEvent => {
  const extensions: Record<string, Attribute> = {}
  const rest: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(event.metadata)) {
    if (name === idKey || name === "datacontenttype") continue
    if (isAttribute(name, value)) extensions[name] = value
    else rest[name] = value
  }
  const media = event.metadata["datacontenttype"]
  const id = event.metadata[idKey]
  const { payload } = event
  const bytes = isObject(payload) && Object.keys(payload).length === 1 ? payload["data_base64"] : undefined
  const time = timeOf(event.timestamp)
  return {
    specversion: "1.0",
    id: typeof id === "string" && id !== "" ? id : event.id,
    source: sourceOf(event),
    type: event.kind,
    ...(event.subject === null || event.subject === "" ? {} : { subject: event.subject }),
    ...(time === undefined ? {} : { time }),
    ...(event.schema === null || event.schema === "" ? {} : { dataschema: event.schema }),
    ...(typeof media === "string" ? { datacontenttype: media } : typeof bytes === "string" ? {} : { datacontenttype: "application/json" }),
    ...extensions,
    ...(event.correlationId === null ? {} : { correlationid: event.correlationId }),
    ...(event.parentIds.length === 0 ? {} : { causationid: event.parentIds.join(" ") }),
    ...(event.recipient === null ? {} : { recipient: event.recipient }),
    ...(event.labels.length === 0 ? {} : { labels: JSON.stringify(event.labels) }),
    ...(event.traceparent === null ? {} : { traceparent: event.traceparent }),
    ...(Object.keys(rest).length === 0 ? {} : { [restKey]: JSON.stringify(rest) }),
    channel: event.channel,
    cursor: event.cursor <= integerMax ? event.cursor : String(event.cursor),
    sender: event.sender,
    recordedat: timeOf(event.recordedAt / 1_000) ?? String(event.recordedAt),
    ...(typeof bytes === "string" ? { data_base64: bytes } : { data: payload })
  }
}

const refuse = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "CloudEvent", path, reason })

const textIn = (given: Readonly<Record<string, unknown>>, name: string): string | undefined => {
  const value = given[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== "string" || value === "") throw refuse(name, "must be a non-empty string")
  return value
}

const neededIn = (given: Readonly<Record<string, unknown>>, name: string): string => {
  const value = textIn(given, name)
  if (value === undefined) throw refuse(name, "is missing")
  return value
}

const jsonIn = (text: string | undefined): unknown => {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const contentOf = (given: Readonly<Record<string, unknown>>): { readonly payload: unknown; readonly media: string | undefined } => {
  const media = textIn(given, "datacontenttype")
  const bytes = given["data_base64"]
  if (bytes !== undefined && bytes !== null) {
    if (typeof bytes !== "string" || !/^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/u.test(bytes)) throw refuse("data_base64", "is not base64")
    if (given["data"] !== undefined) throw refuse("data", "stands beside data_base64; one of both is the data")
    return { payload: { data_base64: bytes }, media }
  }
  return { payload: given["data"], media: media === undefined || isJsonMedia(media) ? undefined : media }
}

/** A draft, and the key by which the same CloudEvent is known when it comes again. */
export interface CloudDraft {
  readonly draft: Draft
  readonly key: string
}

/** `withId`: keep its id as the event's own when that is possible. What it refuses it answers. */
export const draftOf = (value: unknown, withId = true): CloudDraft | InvalidPayload => {
  try {
    return read(value, withId)
  } catch (thrown) {
    if (thrown instanceof InvalidPayload) return thrown
    throw thrown
  }
}

const read = (given: unknown, withId: boolean): CloudDraft => {
  if (!isObject(given)) throw refuse("", "must be an object")
  const version = neededIn(given, "specversion")
  if (version !== "1.0") throw refuse("specversion", `${version.slice(0, 20)} is not known here; 1.0 is`)
  const id = neededIn(given, "id")
  const source = neededIn(given, "source")
  const kind = neededIn(given, "type")
  if (!isSegment(kind)) throw refuse("type", "must be one path segment: no white space and none of / : \\ %, at most 200 characters")
  const time = textIn(given, "time")
  const at = time === undefined ? undefined : Date.parse(time)
  if (at !== undefined && (Number.isNaN(at) || !/^\d{4}-\d\d-\d\dT/iu.test(time ?? ""))) throw refuse("time", "is not a timestamp of RFC 3339")
  const { media, payload } = contentOf(given)
  const keepsId = withId && isSegment(id)
  const metadata: Record<string, unknown> = { ...(keepsId ? {} : { [idKey]: id }), ...(media === undefined ? {} : { datacontenttype: media }) }
  for (const [name, attribute] of Object.entries(given)) {
    if (reserved.has(name) || attribute === null) continue
    if (!attributeName.test(name)) throw refuse(name.slice(0, 64), "an extension is named by lower-case letters and digits")
    if (typeof attribute === "object") throw refuse(name, "an extension is a string, an integer or a boolean")
    metadata[name] = attribute
  }
  const rest = jsonIn(textIn(given, restKey))
  if (isObject(rest)) for (const [name, member] of Object.entries(rest)) if (name !== "__proto__") metadata[name] ??= member
  const labels = jsonIn(textIn(given, "labels"))
  const subject = textIn(given, "subject")
  const schema = textIn(given, "dataschema")
  const correlationId = textIn(given, "correlationid")
  const causes = textIn(given, "causationid")
  const recipient = textIn(given, "recipient")
  const traceparent = textIn(given, "traceparent")
  const draft: Draft = {
    ...(keepsId ? { id } : {}),
    kind,
    ...(payload === undefined ? {} : { payload }),
    source,
    ...(at === undefined ? {} : { timestamp: at / 1_000 }),
    ...(schema === undefined ? {} : { schema }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(causes === undefined ? {} : { parentIds: causes.split(" ") }),
    ...(recipient === undefined ? {} : { recipient }),
    ...(subject === undefined ? {} : { subject }),
    ...(Array.isArray(labels) ? { labels: labels.map(String) } : {}),
    ...(traceparent === undefined ? {} : { traceparent })
  }
  return { draft, key: `cloudevent ${JSON.stringify([source, id])}` }
}
