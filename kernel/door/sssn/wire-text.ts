// From the JSON text of an event to its text on the wire, without parsing it: this is what queries spend their time on.
// The members of the one are known and in order (`store/full-text.ts`): id, channel, cursor, recordedAt, sender, kind,
// payload, source, timestamp, schema, metadata, correlationId, parentIds, recipient, subject, labels, traceparent.
//
// A mark such as `,"source":` cannot stand inside a JSON string, where its quotes are escaped. So from the end each mark is
// the last one there is, as long as no object comes before it; of metadata that is not empty that cannot be said, and such
// an event is parsed.
import type { Event } from "../../../protocol/event.ts"
import { eventText } from "./wire.ts"

const none = ',"correlationId":null,"parentIds":[],"recipient":null,"subject":null,"labels":[],"traceparent":null}'
const noMetadata = ',"metadata":{}'
const noSchema = ',"schema":null,"metadata":{}'

const parsed = (text: string): string => eventText(JSON.parse(text) as Event) // it is the text of one

/* hot */
export const wireText = (text: string): string => {
  let end: number
  let last: string
  if (text.endsWith(none)) {
    end = text.length - none.length
    last = ',"correlation_id":null,"parent_ids":[]}'
  } else {
    const recipient = text.lastIndexOf(',"recipient":', text.lastIndexOf(',"subject":', text.lastIndexOf(',"labels":', text.lastIndexOf(',"traceparent":'))))
    const parents = text.lastIndexOf(',"parentIds":', recipient)
    end = text.lastIndexOf(',"correlationId":', parents)
    last = `,"correlation_id":${text.slice(end + 17, parents)},"parent_ids":${text.slice(parents + 13, recipient)}}`
  }
  if (!text.startsWith(noMetadata, end - noMetadata.length)) return parsed(text)
  // A schema is text or null.
  const schema = text.startsWith(noSchema, end - noSchema.length) ? end - noSchema.length : text.lastIndexOf(',"schema":', end)
  const timestamp = text.lastIndexOf(',"timestamp":', schema)
  const source = text.lastIndexOf(',"source":', timestamp)
  const channel = text.indexOf(',"channel":')
  const cursor = text.indexOf(',"cursor":', channel)
  const recordedAt = text.indexOf(',"recordedAt":', cursor)
  const kind = text.indexOf(',"kind":', recordedAt)
  return text.slice(0, channel) + text.slice(cursor, recordedAt) + text.slice(channel, cursor) + text.slice(timestamp, schema) + text.slice(source, timestamp) +
    text.slice(kind, source) + text.slice(schema, end) + last
}
