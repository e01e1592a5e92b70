// CloudEvents over HTTP: structured, batch and binary, in and out.
import * as Effect from "effect/Effect"
import { isUtf8 } from "node:buffer"
import { type CloudDraft, cloudEventOf, draftOf, isJsonMedia } from "../../../protocol/cloud-event.ts"
import { EventExists, IdempotencyConflict, InvalidPayload, type TooLarge } from "../../../protocol/errors.ts"
import type { Draft, Event, Page } from "../../../protocol/event.ts"
import { cloudEventMedia, cloudEventsMedia } from "../../../protocol/route/channels.ts"
import type { PayloadOf } from "../../../protocol/routes.ts"
import { batchEventsMax, keyLengthMax } from "../../limits.ts"
import { digest } from "../digest.ts"
import type { Asked } from "../surface.ts"
import { headerOf } from "../header.ts"
import { json, Reply } from "./handlers.ts"

const accepts = (headers: Asked["headers"], media: string): boolean => headerOf(headers, "accept")?.includes(media) === true

export const wantsOne = (headers: Asked["headers"]): boolean => accepts(headers, cloudEventMedia)
export const wantsBatch = (headers: Asked["headers"]): boolean => accepts(headers, cloudEventsMedia)

export const textOf = (event: Event): string => JSON.stringify(cloudEventOf(event))

export const oneReply = (event: Event): Reply => json(textOf(event), { "content-type": cloudEventMedia })

/** Where to go on from is in headers: a batch is a list of events and nothing else. */
export const pageReply = (page: Page): Reply =>
  json(`[${page.events.map(textOf).join(",")}]`, {
    "content-type": cloudEventsMedia, "x-next-cursor": String(page.next), "x-head-cursor": String(page.head)
  })

/** A header holds printable ASCII: everything else is percent-encoded, and so are quotes and the percent sign. */
const encoded = (value: string): string => value.replace(/[^\u0021\u0023\u0024\u0026-\u007e]/gu, (character) => encodeURIComponent(/^[\ud800-\udfff]$/u.test(character) ? "\ufffd" : character))

const decoded = (value: string): string => {
  const plain = /^"(.*)"$/u.exec(value)?.[1] ?? value
  try {
    return decodeURIComponent(plain)
  } catch {
    return plain
  }
}

export const binaryReply = (event: Event): Reply => {
  const { data, data_base64: bytes, datacontenttype, ...attributes } = cloudEventOf(event)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = encoded(String(value))
  if (typeof datacontenttype === "string") headers["content-type"] = encoded(datacontenttype).replaceAll("%20", " ")
  if (typeof bytes === "string") return new Reply({ status: 200, headers: { "content-type": "application/octet-stream", ...headers }, body: Buffer.from(bytes, "base64") })
  const isText = typeof data === "string" && typeof datacontenttype === "string" && !isJsonMedia(datacontenttype)
  return new Reply({ status: 200, headers, body: isText ? data : JSON.stringify(data) })
}

const mediaOf = (headers: Asked["headers"]): string => headerOf(headers, "content-type")?.split(";")[0]?.trim().toLowerCase() ?? ""

export const isCloudEvent = (headers: Asked["headers"]): boolean =>
  mediaOf(headers).startsWith("application/cloudevents") || headerOf(headers, "ce-specversion") !== undefined

/** The event of a request in binary mode: attributes are headers, the body is the data. */
const binaryOf = (headers: Asked["headers"], body: Uint8Array): Readonly<Record<string, unknown>> => {
  const given: Record<string, unknown> = {}
  for (const name of Object.keys(headers)) if (name.startsWith("ce-")) given[name.slice(3)] = decoded(headerOf(headers, name) ?? "")
  const media = headerOf(headers, "content-type")
  if (media !== undefined) given["datacontenttype"] = media
  if (body.length === 0) return given
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length)
  if (media === undefined || isJsonMedia(media)) {
    try {
      return { ...given, data: JSON.parse(bytes.toString("utf8")) }
    } catch {
      throw new InvalidPayload({ what: "body", path: "", reason: "it is not JSON, as its content type says" })
    }
  }
  return media.startsWith("text/") && isUtf8(bytes) ? { ...given, data: bytes.toString("utf8") } : { ...given, data_base64: bytes.toString("base64") }
}

const refusedIn = (drafts: ReadonlyArray<CloudDraft | InvalidPayload>): InvalidPayload | undefined => {
  const at = drafts.findIndex((draft) => draft instanceof InvalidPayload)
  const found = drafts[at]
  if (!(found instanceof InvalidPayload)) return undefined
  return drafts.length === 1 ? found : new InvalidPayload({ what: found.what, path: `[${at}]${found.path === "" ? "" : `.${found.path}`}`, reason: found.reason })
}

/** One key for all of a batch: the same events in the same order are the same batch. */
const keyOf = (drafts: ReadonlyArray<CloudDraft>): string => {
  const text = drafts.map(({ key }) => key).join("\n")
  return text.length <= keyLengthMax ? text : `cloudevents ${digest(text).toString("base64url")}`
}

const isDraft = (draft: CloudDraft | InvalidPayload): draft is CloudDraft => !(draft instanceof InvalidPayload)

/** What an append of CloudEvents says, with the ids that are kept as our own and without. */
export interface CloudAppend {
  readonly payload: PayloadOf<"append">
  /** For when an id is taken, by an event of another source. */
  readonly anew: ReadonlyArray<Draft>
}

const payloadOf = (headers: Asked["headers"], values: ReadonlyArray<unknown>): Effect.Effect<CloudAppend, InvalidPayload> => {
  if (values.length > batchEventsMax) return Effect.fail(new InvalidPayload({ what: "body", path: "", reason: `at most ${batchEventsMax} events are appended at once` }))
  const drafts = values.map((value) => draftOf(value))
  const refused = refusedIn(drafts)
  if (refused !== undefined) return Effect.fail(refused)
  const good = drafts.filter(isDraft)
  const given = headerOf(headers, "idempotency-key") !== undefined
  return Effect.succeed({
    payload: { events: good.map(({ draft }) => draft), ...(given ? {} : { key: keyOf(good) }) },
    anew: values.map((value) => draftOf(value, false)).filter(isDraft).map(({ draft }) => draft)
  })
}

/** Reads the body of an append in whichever of the three modes it came. */
export const read = (asked: Asked): Effect.Effect<CloudAppend, InvalidPayload | TooLarge> => {
  const { headers } = asked
  const media = mediaOf(headers)
  if (media.startsWith("application/cloudevents")) {
    if (!media.endsWith("+json")) {
      return Effect.fail(new InvalidPayload({ what: "body", path: "", reason: `${media} is not known here; CloudEvents come as JSON, or in binary mode` }))
    }
    return Effect.flatMap(asked.json, (value) => {
      if (media !== cloudEventsMedia) return payloadOf(headers, [value])
      return Array.isArray(value) ? payloadOf(headers, value) : Effect.fail(new InvalidPayload({ what: "body", path: "", reason: "a batch is a list of events" }))
    })
  }
  return Effect.flatMap(asked.body, (body) => {
    try {
      return payloadOf(headers, [binaryOf(headers, body)])
    } catch (thrown) {
      return thrown instanceof InvalidPayload ? Effect.fail(thrown) : Effect.die(thrown)
    }
  })
}

/**
 * Appends them under their own ids. Where one is taken, by an event of another source, they get ids of ours; a repeated
 * append then finds what it was the first time.
 */
export const append = <A, E>({ anew, payload }: CloudAppend, run: (payload: PayloadOf<"append">) => Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.catch(run(payload), (error) =>
    error instanceof EventExists || error instanceof IdempotencyConflict
      // What it fails with then is about the events; before, it was about their ids.
      ? Effect.mapError(run({ ...payload, events: anew }), (second) => (second instanceof IdempotencyConflict ? error : second))
      : Effect.fail(error))
