// A periodic channel: a source that is pulled at the start and then once in each period.
import type { MessageContent } from "../../protocol/message.ts"
import { BaseChannel } from "./base-channel.ts"
import type { ChannelOptions } from "./options.ts"

/** Implement `pullFn`, which fetches and writes, and `convertFn`, which makes messages of what was written. */
export abstract class PeriodicChannel<Content extends object = MessageContent> extends BaseChannel<Content> {
  constructor(options: ChannelOptions) {
    super(options, { form: "feed" })
  }
}

/** The name that it has in the ancestor's code. */
export { PeriodicChannel as PeriodicSourceChannel }
