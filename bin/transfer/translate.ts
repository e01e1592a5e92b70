// Between the events of a `.sssn` directory and those of a kernel. What one of them has no field for is kept in the metadata:
//
//   sssn.cursor      where the event was in the directory that it was imported from
//   sssn.source      that it had a source, where this is the name of whoever imported it: else it would read as none
//   aaax.sender …    what a kernel knows of an event beyond the portable model; an import takes it back, but the sender,
//                    which a kernel stamps itself
import { operator } from "../../kernel/door/operator.ts"
import type { Draft, Event } from "../../protocol/event.ts"
import { jsonOf, type EventDraft, type JsonObject, type KeptEvent } from "../../protocol/portable.ts"

const cursorKey = "sssn.cursor"
const sourceKey = "sssn.source"
const senderKey = "aaax.sender"
const fields = { recipient: "aaax.recipient", subject: "aaax.subject", labels: "aaax.labels", traceparent: "aaax.traceparent" } as const

/** A draft that makes the event again. */
export const draftOf = (event: KeptEvent): Draft => {
  const { [fields.labels]: labels, [fields.recipient]: recipient, [fields.subject]: subject, [fields.traceparent]: traceparent, ...metadata } = event.metadata
  return {
    id: event.id, kind: event.kind, payload: event.payload, timestamp: event.timestamp, source: event.source, schema: event.schema,
    metadata: { ...metadata, [cursorKey]: event.cursor, ...(event.source === operator ? { [sourceKey]: operator } : {}) }, correlationId: event.correlation_id, parentIds: event.parent_ids,
    ...(typeof recipient === "string" ? { recipient } : {}),
    ...(typeof subject === "string" ? { subject } : {}),
    ...(typeof traceparent === "string" ? { traceparent } : {}),
    ...(Array.isArray(labels) ? { labels: labels as ReadonlyArray<string> } : {}) // a kernel refuses labels that are no text
  }
}

/** The portable event. One that was imported is what it was: the kernel's own words about it are left out. */
export const portableOf = (event: Event): EventDraft & { readonly id: string } => {
  const { [cursorKey]: cursor, [sourceKey]: said, ...metadata } = event.metadata
  const wasImported = cursor !== undefined
  const more: Record<string, unknown> = wasImported || event.sender === event.source ? {} : { [senderKey]: event.sender }
  for (const [field, key] of Object.entries(fields)) {
    const value = event[field as keyof typeof fields] // its keys
    if (value !== null && value.length > 0) more[key] = value
  }
  return {
    id: event.id, channel: event.channel, timestamp: event.timestamp, source: wasImported && said === undefined && event.source === event.sender ? null : event.source,
    kind: event.kind, payload: event.payload, schema: event.schema, metadata: { ...metadata, ...more }, correlation_id: event.correlationId,
    parent_ids: event.parentIds
  }
}

/** One text for equal events, wherever they are kept. */
export const canonicalText = (event: EventDraft): string => {
  const { channel, correlation_id, id, kind, metadata, parent_ids, payload, schema, source, timestamp } = event
  return JSON.stringify(jsonOf({ channel, correlation_id, id, kind, metadata, parent_ids, payload, schema, source, timestamp }, "event"))
}

/** The words about something, without what only one of the two sides has. */
export const sameWords = (one: JsonObject | object, other: JsonObject | object): boolean =>
  JSON.stringify(jsonOf(one, "one")) === JSON.stringify(jsonOf(other, "other"))
