// A mailbox: a reader gets what names it as recipient and what names nobody, and never sees the mail of others.
import type { MessageContent } from "../../protocol/message.ts"
import type { ChannelOptions } from "./options.ts"
import { PassthroughChannel } from "./passthrough.ts"

/** Write with `recipientId`. The kernel keeps an index of recipients, so a letter costs the same among a million others. */
export class MailboxChannel<Content extends object = MessageContent> extends PassthroughChannel<Content> {
  constructor(options: ChannelOptions) {
    super(options, { delivery: "addressed" })
  }
}
