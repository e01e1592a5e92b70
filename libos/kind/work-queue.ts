// A work queue: each message is claimed by one reader at a time, and acknowledged or given back.
import type { MessageContent } from "../../protocol/message.ts"
import type { ChannelOptions } from "./options.ts"
import { PassthroughChannel } from "./passthrough.ts"

/** Claims end after `claimTimeout` seconds, and then another reader gets the message; its log stays readable by events. */
export class WorkQueueChannel<Content extends object = MessageContent> extends PassthroughChannel<Content> {
  constructor(options: ChannelOptions) {
    super(options, { form: "queue", delivery: "exclusive" })
  }
}
