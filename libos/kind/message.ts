// What is written to a channel of a class: a message, content that is wrapped in one, or anything else, which becomes content.
import { genericContent, type ChannelMessage, type MessageContent, type MessageDraft } from "../../protocol/message.ts"
import { secondsNow } from "../promise.ts"

const contents = new WeakSet<object>()

/** Says of an object that it is the content itself, so that it is not wrapped once more. */
export const content = <Content extends object>(fields: Content): Content => {
  contents.add(fields)
  return fields
}

/** Content is what `content` was told of, and what wraps one value as `data`. */
export const isContent = (value: unknown): value is object => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  if (contents.has(value)) return true
  const keys = Object.keys(value)
  return keys.length === 1 && keys[0] === "data"
}

/** Everything of a message has a default but its content. `senderId` stays empty: the kernel stamps it. */
export const channelMessage = <Content extends object = MessageContent>(
  given: Partial<Omit<ChannelMessage<Content>, "content">> & { readonly content: Content }
): ChannelMessage<Content> =>
  freeze({
    id: given.id ?? globalThis.crypto.randomUUID(),
    timestamp: given.timestamp ?? secondsNow(),
    senderId: given.senderId ?? "",
    // A copy: what is frozen here is nobody else's object.
    content: structuredClone(given.content),
    metadata: structuredClone(given.metadata ?? {}),
    correlationId: given.correlationId ?? null,
    replyTo: given.replyTo ?? null,
    recipientId: given.recipientId ?? null
  })

const textOrNull = (value: unknown): boolean => value === null || typeof value === "string"

/** Whether a value has everything that a message has. */
export const isChannelMessage = (value: unknown): value is ChannelMessage => {
  if (typeof value !== "object" || value === null) return false
  const message = value as Readonly<Record<string, unknown>> // an object, seen above; its members are looked at one by one
  return typeof message["id"] === "string" && typeof message["timestamp"] === "number" && typeof message["senderId"] === "string" &&
    typeof message["content"] === "object" && message["content"] !== null && typeof message["metadata"] === "object" &&
    textOrNull(message["correlationId"]) && textOrNull(message["replyTo"]) && textOrNull(message["recipientId"])
}

/** What the passthrough classes make of a value: a message as it is, content in a message, anything else as generic content. */
export const asMessage = (value: unknown): MessageDraft => {
  if (isChannelMessage(value)) return value
  // What is not JSON is refused at the append, with the path to it.
  return { content: isContent(value) ? value : genericContent(value as Parameters<typeof genericContent>[0]) }
}

const freeze = <Value>(value: Value): Value => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) freeze(member)
  }
  return value
}
