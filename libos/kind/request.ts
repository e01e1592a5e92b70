// Request and reply over any two channels: the reply has the id of the request as its correlation, and is handed to the one who
// waits for it. Many may wait on one channel; none of them takes another's reply.
import * as Effect from "effect/Effect"
import { messageOf, type ChannelMessage, type MessageContent } from "../../protocol/message.ts"
import type { ChannelId } from "../../protocol/names.ts"
import type { Session } from "../surface.ts"
import type { ChannelClient } from "./channel-client.ts"

/** What a reply holds is known to its channel's schema, or to the one who asks, who says it. */
const asContent = <Content extends object>(message: ChannelMessage): ChannelMessage<Content> => message as unknown as ChannelMessage<Content>

/** Seconds that a reply is waited for. */
export const replySecondsDefault = 30

/** Writes the request as `client`, and answers with the reply, or null when none came in time. */
export const requestReply = async <Content extends object = MessageContent>(
  session: Session, client: ChannelClient, requestChannel: ChannelId, responseChannel: ChannelId, data: unknown,
  timeoutSeconds: number = replySecondsDefault
): Promise<ChannelMessage<Content> | null> => {
  const replyTo = client.seat(responseChannel).channel
  const replies = await session.replies(replyTo)
  const id = globalThis.crypto.randomUUID()
  return session.bridge.run(replies.ask({
    send: Effect.tryPromise({
      // A channel that converts in cycles has another id for what waits; the message will have this one.
      try: async () => ({ ...(await client.append(requestChannel, data, { id, correlationId: id, replyTo })), id }),
      catch: (error) => error
    }),
    // In one channel for both the request itself comes by.
    accept: (reply) => (reply.id === id ? undefined : Effect.succeed(asContent<Content>(messageOf(reply)))),
    repeated: false,
    timeoutMillis: timeoutSeconds * 1_000,
    what: `The request in ${requestChannel}`
  }).pipe(Effect.catchIf(isTimeout, () => Effect.succeed(null))))
}

/** Who can be asked to make requests: every `BaseSystem`. */
export interface Requester {
  readonly requestViaChannel: <Content extends object = MessageContent>(
    requestChannel: ChannelId, responseChannel: ChannelId, data: unknown, timeoutSeconds?: number
  ) => Promise<ChannelMessage<Content> | null>
}

/** Writes a request as `requester`, and answers with the reply that has its id as correlation, or null when none came in time. */
export const requestViaChannel = <Content extends object = MessageContent>(
  requester: Requester, requestChannel: ChannelId, responseChannel: ChannelId, data: unknown, timeoutSeconds?: number
): Promise<ChannelMessage<Content> | null> => requester.requestViaChannel<Content>(requestChannel, responseChannel, data, timeoutSeconds)

const isTimeout = (error: unknown): error is { readonly _tag: "TimedOut" } =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "TimedOut"
