// A channel of another constellation, over the per-channel HTTP transport of the first Python generation. Who speaks is whom
// the token names; what is refused there is refused here, with the same classes.
import * as Data from "effect/Data"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { ChannelNotFound, Denied, Overloaded, StoreUnavailable, Unauthenticated } from "../../protocol/errors.ts"
import { draftOf, replyToKey, WireMessage, type ChannelMessage, type MessageDraft } from "../../protocol/message.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import { KernelFault, KernelUnreachable } from "../http.ts"
import { channelMessage, isChannelMessage } from "./message.ts"

/** The other side refuses what was asked: the mode, a bad id, a conflict. `detail` is its own sentence. */
export class RemoteRefused extends Data.TaggedError("RemoteRefused")<{ readonly channel: ChannelId; readonly status: number; readonly detail: string }> {
  override get message(): string {
    return `${this.channel} (${this.status}): ${this.detail}`
  }
}

export interface RemoteOptions {
  readonly token?: string
  /** How long one call may take; default 30 seconds. */
  readonly timeoutMillis?: number
}

export interface RemoteChannel {
  readonly url: string
  readonly read: (limit: number, exclusive: boolean, after?: string) => Promise<ReadonlyArray<ChannelMessage>>
  readonly write: (data: unknown, direct: boolean) => Promise<string>
  readonly acknowledge: (ids: ReadonlyArray<string>) => Promise<number>
  readonly nack: (ids: ReadonlyArray<string>) => Promise<number>
}

const timeoutMillisDefault = 30_000
/** Characters of an answer that a refusal quotes. */
const quotedMax = 500

const Messages = Schema.Struct({ messages: Schema.Array(WireMessage) })
const Accepted = Schema.Struct({ item_id: Schema.String })
const Acknowledged = Schema.Struct({ acknowledged: Schema.Int })
const GivenBack = Schema.Struct({ nacked: Schema.Int })
const Told = Schema.Struct({ detail: Schema.String })
const decodeTold = Schema.decodeUnknownExit(Schema.fromJsonString(Told))

/** A message of the wire as it was kept. */
const messageOf = (wire: WireMessage): ChannelMessage =>
  channelMessage({
    content: wire.content,
    senderId: wire.sender_id ?? "",
    metadata: wire.metadata ?? {},
    correlationId: wire.correlation_id ?? null,
    replyTo: wire.reply_to ?? null,
    recipientId: wire.recipient_id ?? null,
    ...(wire.id === undefined ? {} : { id: wire.id }),
    ...(wire.timestamp === undefined ? {} : { timestamp: wire.timestamp })
  })

/** A message that is to be written, as the wire has it. Its sender is left to the server. */
const bodyOf = (message: MessageDraft): WireMessage => {
  const { correlationId, id, metadata, recipient, timestamp } = draftOf(message)
  const { [replyToKey]: _, ...shown } = (metadata ?? {}) as NonNullable<WireMessage["metadata"]> // the metadata of a message is JSON
  return {
    // An object, and JSON or refused by the server.
    content: message.content as WireMessage["content"],
    metadata: shown,
    ...(id === undefined ? {} : { id }),
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(correlationId === undefined ? {} : { correlation_id: correlationId }),
    ...(message.replyTo === undefined ? {} : { reply_to: message.replyTo }),
    ...(recipient === undefined ? {} : { recipient_id: recipient })
  }
}

/** `url` is that of the channel itself: `http://127.0.0.1:8100/channels/tasks`. */
export const makeRemoteChannel = (system: SystemId, channel: ChannelId, url: string, options: RemoteOptions = {}): RemoteChannel => {
  const base = url.replace(/\/+$/u, "")
  if (!/^https?:\/\/[^\s/]+\/\S+$/u.test(base)) {
    throw new TypeError(`${JSON.stringify(url)} is not the URL of a channel: http(s)://HOST:PORT/channels/NAME`)
  }

  const refusal = (status: number, detail: string, operation: string, retryAfter: string | null): Error => {
    switch (status) {
      case 401:
        return new Unauthenticated({ reason: detail })
      case 403:
        return new Denied({ system, operation, target: channel, reason: detail.replace(/^\S+ may not [^:]+: |\.$/gu, "") })
      case 404:
        return new ChannelNotFound({ channel })
      case 429: {
        const [, what, limit, unit, millis] = /^(.+): limit of (\d+) (.+) reached; try again in (\d+) ms\.$/u.exec(detail) ?? []
        return new Overloaded({
          what: what ?? detail, limit: Number(limit ?? 0), unit: unit ?? "requests",
          retryAfterMillis: Number(millis ?? Math.max(1, Number(retryAfter) || 1) * 1_000)
        })
      }
      case 503:
        return new StoreUnavailable({ reason: detail.replace(/\.$/u, "") })
      default:
        return status < 500 ? new RemoteRefused({ channel, status, detail }) : new KernelFault({ url: base, reason: `${status}: ${detail}` })
    }
  }

  const call = async <A>(schema: Schema.Codec<A, unknown>, method: string, path: string, operation: string, body?: unknown): Promise<A> => {
    let response: Response
    let text: string
    try {
      response = await fetch(base + path, {
        method,
        headers: {
          accept: "application/json",
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" })
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(options.timeoutMillis ?? timeoutMillisDefault)
      })
      text = await response.text()
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      throw new KernelUnreachable({ url: base, reason: cause instanceof Error ? cause.message : String(cause) })
    }
    if (!response.ok) {
      const told = decodeTold(text)
      const detail = Exit.isSuccess(told) ? told.value.detail : text.slice(0, quotedMax)
      throw refusal(response.status, detail, operation, response.headers.get("retry-after"))
    }
    const decoded = Schema.decodeUnknownExit(Schema.fromJsonString(schema))(text)
    if (Exit.isFailure(decoded)) throw new KernelFault({ url: base, reason: `its answer to ${method} is not what a channel answers` })
    return decoded.value
  }

  return {
    url: base,
    read: async (limit, exclusive, after) => {
      const query = new URLSearchParams({ limit: String(limit), exclusive: String(exclusive), ...(after === undefined ? {} : { after }) })
      const { messages } = await call(Messages, "GET", `?${query}`, exclusive ? "take from" : "read")
      return messages.map(messageOf)
    },
    write: async (data, direct) => {
      if (direct && !isChannelMessage(data)) throw new TypeError(`${channel}: a direct write takes a ChannelMessage, made by channelMessage({ content })`)
      const body = direct && isChannelMessage(data) ? bodyOf(data) : data
      return (await call(Accepted, "PUT", direct ? "?direct=true" : "", "append to", body ?? null)).item_id
    },
    acknowledge: async (ids) => (await call(Acknowledged, "POST", "/acknowledge", "settle in", { message_ids: ids })).acknowledged,
    nack: async (ids) => (await call(GivenBack, "POST", "/nack", "settle in", { message_ids: ids })).nacked
  }
}
