// A channel message, as SSSN v1 knows it: who, when, content, and for whom. It is an event in other words; the functions
// here are the dictionary, in both directions, and the content that goes in is the content that comes out.
import * as Schema from "effect/Schema"
import type { Channel, Visibility } from "./channel.ts"
import type { Draft, Event } from "./event.ts"
import type { SystemId } from "./names.ts"

/** An open record: fields that nobody declared are kept and can be read. */
export const MessageContent = Schema.Record(Schema.String, Schema.Json)
export type MessageContent = typeof MessageContent.Type

/** What wraps a value that is no content of its own. */
export interface GenericContent extends MessageContent {
  readonly data: Schema.Json
}

export const genericContent = (data: Schema.Json = null): GenericContent => ({ data })

/** Deeply immutable when it comes from a channel: the same object may be handed to several readers. */
export interface ChannelMessage<Content extends object = MessageContent> {
  readonly id: string
  /** Unix seconds, as its writer gave them. */
  readonly timestamp: number
  /** Stamped by the kernel. */
  readonly senderId: SystemId
  readonly content: Content
  readonly metadata: Readonly<Record<string, Schema.Json>>
  readonly correlationId: string | null
  /** Name of the channel that an answer is awaited in. */
  readonly replyTo: string | null
  readonly recipientId: SystemId | null
}

/** What a channel tells of itself. */
export const ChannelInfo = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  description: Schema.String,
  visibility: Schema.Literals(["private", "public"]),
  /** Seconds between two pulls of a channel that has a source. */
  period: Schema.Finite
})
export interface ChannelInfo extends Schema.Schema.Type<typeof ChannelInfo> {}

/** The message on the wire. What is left out has its default; `id`, `timestamp` and `sender_id` are filled in by whoever keeps it. */
export const WireMessage = Schema.Struct({
  id: Schema.optionalKey(Schema.String),
  timestamp: Schema.optionalKey(Schema.Finite),
  sender_id: Schema.optionalKey(Schema.String),
  content: MessageContent,
  metadata: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  correlation_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  reply_to: Schema.optionalKey(Schema.NullOr(Schema.String)),
  recipient_id: Schema.optionalKey(Schema.NullOr(Schema.String))
})
export interface WireMessage extends Schema.Schema.Type<typeof WireMessage> {}

/** Kind of the events that are messages. */
export const messageKind = "message"
/**
 * Where an event keeps what a message has and it has not, and a message what an event has: keys of the metadata, never
 * shown to the other side.
 */
export const replyToKey = "aaax.reply_to"
export const kindKey = "aaax.kind"

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const without = (
  metadata: Readonly<Record<string, Schema.Json>>, ...keys: ReadonlyArray<string>
): Readonly<Record<string, Schema.Json>> =>
  keys.some((key) => Object.hasOwn(metadata, key))
    ? Object.freeze(Object.fromEntries(Object.entries(metadata).filter(([key]) => !keys.includes(key))))
    : metadata

/** Content of what was written raw: an object stays itself only when its writer says that it is content. */
export const contentOf = (payload: Schema.Json): MessageContent =>
  // A JSON object is a record of JSON.
  isRecord(payload) ? payload as MessageContent : genericContent(payload)

/** The event as a message. The payload of an event that nobody wrote as a message is its content, wrapped unless it is an object. */
export const messageOf = (event: Event): ChannelMessage => {
  const { metadata } = event
  const replyTo = metadata[replyToKey]
  const shown = without(metadata, replyToKey, kindKey)
  return Object.freeze<ChannelMessage>({
    id: event.id,
    timestamp: event.timestamp,
    senderId: event.sender,
    content: contentOf(event.payload),
    metadata: event.kind === messageKind ? shown : Object.freeze({ ...shown, [kindKey]: event.kind }),
    correlationId: event.correlationId,
    replyTo: typeof replyTo === "string" ? replyTo : null,
    recipientId: event.recipient
  })
}

/** A message that is about to be written: only its content is needed. The sender is stamped and cannot be given. */
export type MessageDraft = Partial<Omit<ChannelMessage, "content" | "senderId">> & { readonly content: object }

/** The message as a draft. Its id, when it has one, must be new in the whole store. */
export const draftOf = (message: MessageDraft): Draft => {
  const { correlationId, id, metadata = {}, recipientId, replyTo, timestamp } = message
  const kind = metadata[kindKey]
  const kept = without(metadata, replyToKey, kindKey)
  return {
    ...(id === undefined ? {} : { id }),
    ...(timestamp === undefined ? {} : { timestamp }),
    kind: typeof kind === "string" ? kind : messageKind,
    payload: message.content,
    metadata: replyTo === undefined || replyTo === null ? kept : { ...kept, [replyToKey]: replyTo },
    ...(correlationId === undefined || correlationId === null ? {} : { correlationId }),
    ...(recipientId === undefined || recipientId === null ? {} : { recipient: recipientId })
  }
}

/** The message as the wire has it. */
export const wireOf = (message: ChannelMessage): Required<WireMessage> => ({
  id: message.id,
  timestamp: message.timestamp,
  sender_id: message.senderId,
  content: message.content,
  metadata: message.metadata,
  correlation_id: message.correlationId,
  reply_to: message.replyTo,
  recipient_id: message.recipientId
})

/** A message of the wire as one to be written. Who sent it is known from the connection and not from here. */
export const draftOfWire = (wire: WireMessage): Draft =>
  draftOf({
    content: wire.content,
    ...(wire.id === undefined ? {} : { id: wire.id }),
    ...(wire.timestamp === undefined ? {} : { timestamp: wire.timestamp }),
    ...(wire.metadata === undefined || wire.metadata === null ? {} : { metadata: wire.metadata }),
    ...(wire.correlation_id === undefined ? {} : { correlationId: wire.correlation_id }),
    ...(wire.reply_to === undefined ? {} : { replyTo: wire.reply_to }),
    ...(wire.recipient_id === undefined ? {} : { recipientId: wire.recipient_id })
  })

/** Pause between two pulls of a channel that names none. */
export const periodSecondsDefault = 60

/** A channel's description of itself. `name` and `period` are its metadata's, when they are there. */
export const infoOf = (channel: Pick<Channel, "name" | "description" | "metadata"> & { readonly visibility: Visibility }): ChannelInfo => {
  const { name, period } = channel.metadata
  return {
    id: channel.name,
    name: typeof name === "string" ? name : channel.name,
    description: channel.description,
    visibility: channel.visibility,
    period: typeof period === "number" ? period : periodSecondsDefault
  }
}
