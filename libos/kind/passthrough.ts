// A passthrough channel: what is written is a message at once; everyone reads it at a cursor of their own, or claims it.
import type { MessageContent } from "../../protocol/message.ts"
import type { SystemId } from "../../protocol/names.ts"
import { BaseChannel, type Converted } from "./base-channel.ts"
import { asMessage } from "./message.ts"
import type { ChannelOptions, Shape } from "./options.ts"

/** Without a source and without a cycle. Override `convertFn` to make other messages of what is written. */
export class PassthroughChannel<Content extends object = MessageContent> extends BaseChannel<Content> {
  constructor(options: ChannelOptions, shape: Shape = { form: "log" }) {
    super(options, shape)
  }

  pullFn(): void {}

  /** A message as it is, content in a message, anything else as the `data` of generic content. */
  convertFn(_senderId: SystemId, raw: unknown): Promise<Converted> | Converted {
    return asMessage(raw)
  }

  protected override get isBuffered(): boolean {
    return false
  }
}
