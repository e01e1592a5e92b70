// A broadcast channel: every reader and every subscriber gets every message; nobody can claim one.
import type { MessageContent } from "../../protocol/message.ts"
import type { ChannelOptions } from "./options.ts"
import { PassthroughChannel } from "./passthrough.ts"

export class BroadcastChannel<Content extends object = MessageContent> extends PassthroughChannel<Content> {
  constructor(options: ChannelOptions) {
    super(options, { form: "topic", delivery: "shared", exclusiveReads: false })
  }
}
