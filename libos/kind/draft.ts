// What an author may say of a write beside its data, and the draft that it becomes.
import type { Appended, Draft } from "../../protocol/event.ts"
import { replyToKey, type ChannelMessage, type MessageDraft } from "../../protocol/message.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import type { WriteOptions } from "../channel.ts"
import { channelMessage } from "./message.ts"

export interface MessageOptions extends Omit<WriteOptions, "recipient" | "subject" | "metadata"> {
  /** The data is a `ChannelMessage`, kept as it is; `convertFn` does not see it. */
  readonly direct?: boolean
  /** The channel that an answer is awaited in. */
  readonly replyTo?: ChannelId | null
  /** For whom, in a mailbox. */
  readonly recipientId?: SystemId | null
  readonly subject?: string
  readonly metadata?: NonNullable<MessageDraft["metadata"]>
}

/** The draft with what the options say of it. */
export const dressed = (draft: Draft, options: MessageOptions): Draft => {
  const { correlationId, id, kind, labels, metadata, parents, recipientId, replyTo, subject, traceparent } = options
  return {
    ...draft,
    ...(id === undefined ? {} : { id }),
    ...(kind === undefined ? {} : { kind }),
    ...(labels === undefined ? {} : { labels }),
    ...(subject === undefined ? {} : { subject }),
    ...(metadata === undefined && typeof replyTo !== "string"
      ? {}
      : { metadata: { ...draft.metadata, ...metadata, ...(typeof replyTo === "string" ? { [replyToKey]: replyTo } : {}) } }),
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(recipientId === undefined ? {} : { recipient: recipientId }),
    ...(parents === undefined ? {} : { parentIds: parents }),
    ...(traceparent === undefined ? {} : { traceparent })
  }
}

/** How it is appended. The same message again is the same write: its id is its key. */
export const appendingOf = (draft: Draft, { expectedHead, key, surely }: MessageOptions): Pick<MessageOptions, "expectedHead" | "key" | "surely"> => {
  const repeatable = key ?? (draft.id === undefined ? undefined : `message/${draft.id}`)
  return {
    ...(expectedHead === undefined ? {} : { expectedHead }), ...(repeatable === undefined ? {} : { key: repeatable }),
    ...(surely === undefined ? {} : { surely })
  }
}

/** The message as its readers get it. */
export const keptAs = (message: MessageDraft, options: MessageOptions, appended: Appended, sender: SystemId): ChannelMessage<object> =>
  channelMessage({
    id: appended.id,
    timestamp: message.timestamp ?? appended.recordedAt / 1_000,
    senderId: sender,
    content: message.content,
    metadata: { ...message.metadata, ...options.metadata },
    correlationId: options.correlationId ?? message.correlationId ?? null,
    replyTo: options.replyTo ?? message.replyTo ?? null,
    recipientId: options.recipientId ?? message.recipientId ?? null
  })
