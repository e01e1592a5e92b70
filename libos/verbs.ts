// What a system that is written as a class says while it runs: reading, writing, claiming, asking and acting, by the names of
// channels and executors.
import type { Access, Risk } from "../protocol/authority.ts"
import type { Appended } from "../protocol/event.ts"
import type { ChannelMessage, MessageContent } from "../protocol/message.ts"
import type { ChannelId } from "../protocol/names.ts"
import type { Acted, ActOptions, CapabilityOptions } from "./authority.ts"
import type { Capability, HeldCapability } from "./capability.ts"
import { makeReader, type WriteOptions } from "./channel.ts"
import { makeHold, makeLog, makeReads, makeRequest, makeTakes } from "./context.ts"
import { coordinate, type Coordination } from "./coordination.ts"
import type { ChannelClient } from "./kind/channel-client.ts"
import type { MessageOptions } from "./kind/draft.ts"
import { requestReply } from "./kind/request.ts"
import type { NackOptions } from "./kind/seat.ts"
import type { Log, Reads, Session, Takes } from "./surface.ts"

/** The ancestor's action request, in its words. */
export interface ActionOptions extends Omit<ActOptions, "risk"> {
  readonly executor: string
  readonly riskLevel?: Risk
}

export interface ChannelWrite extends Omit<WriteOptions<unknown>, "subject" | "metadata">, Pick<MessageOptions, "direct" | "replyTo" | "recipientId" | "subject" | "metadata"> {}

const coordinations = new WeakMap<Session, Coordination>()

/** Each of them works from the time when the system runs until it has ended. */
export abstract class SystemVerbs {
  /** Its channels by name: what `readChannel` and its kin use. */
  abstract readonly client: ChannelClient

  /** Throws when it does not run. */
  protected abstract running(): Session

  /** Aborted when the system is to end. */
  get signal(): AbortSignal {
    return this.running().signal
  }

  get log(): Log {
    return makeLog(this.running())
  }

  /** Claims, plan, messages and presence, under this system's id. It must have said `coordinate()` in its setup. */
  get coordination(): Coordination {
    const session = this.running()
    const coordination = coordinations.get(session) ?? coordinate(session)
    coordinations.set(session, coordination)
    return coordination
  }

  channel(name: ChannelId): Reads<unknown, string> {
    return makeReads(this.running(), makeReader(this.running().port, name), name)
  }

  queue(name: ChannelId): Takes<unknown, string> {
    return makeTakes(this.running(), makeReader(this.running().port, name), name)
  }

  /**
   * Writes to a channel. One of a channel class makes its message of it; of one that is known by name alone, what is given is
   * what is kept. Cursor 0 says that it waits to be converted, an empty id that it was discarded.
   */
  async writeChannel(name: ChannelId, payload: unknown, options: ChannelWrite = {}): Promise<Appended> {
    this.running()
    const { recipient, ...rest } = options
    return this.client.append(name, payload, { ...rest, ...(recipient === undefined ? {} : { recipientId: recipient }) })
  }

  /** The next messages of its own cursor; `exclusive` claims them. `Content` is the caller's word for what the channel keeps. */
  async readChannel<Content extends object = MessageContent>(
    name: ChannelId, limit = 10, exclusive = false, after?: string
  ): Promise<ReadonlyArray<ChannelMessage<Content>>> {
    this.running()
    return this.client.read<Content>(name, limit, exclusive, after)
  }

  /** Claims the next messages: nobody else gets them until they are acknowledged, given back, or the claim ends. */
  async claimChannel<Content extends object = MessageContent>(name: ChannelId, limit = 10): Promise<ReadonlyArray<ChannelMessage<Content>>> {
    this.running()
    return this.client.read<Content>(name, limit, true)
  }

  async acknowledgeChannel(name: ChannelId, messageIds: ReadonlyArray<string>): Promise<number> {
    this.running()
    return this.client.acknowledge(name, messageIds)
  }

  async nackChannel(name: ChannelId, messageIds: ReadonlyArray<string>, options?: NackOptions): Promise<number> {
    this.running()
    return this.client.nack(name, messageIds, options)
  }

  unsubscribeChannel(name: ChannelId): void {
    this.client.unsubscribe(name)
  }

  /** Writes a request and answers with the reply that has its id as correlation, or null after `timeoutSeconds` (default 30). */
  requestViaChannel<Content extends object = MessageContent>(
    requestChannel: ChannelId, responseChannel: ChannelId, data: unknown, timeoutSeconds?: number
  ): Promise<ChannelMessage<Content> | null> {
    return requestReply<Content>(this.running(), this.client, requestChannel, responseChannel, data, timeoutSeconds)
  }

  requestCapability(resource: string, access: Access, options?: CapabilityOptions): Promise<HeldCapability> {
    return makeRequest(this.running())(resource, access, options)
  }

  /** A capability that another system gave to this one, to act with and to pass on. */
  holdCapability(given: Capability): HeldCapability {
    return makeHold(this.running())(given)
  }

  /** Acts through the gate; answers the outcome, throws `Refused` or `EffectFailed`. */
  requestAction(request: ActionOptions): Promise<Acted> {
    const { executor, riskLevel, ...options } = request
    const session = this.running()
    return session.bridge.run(session.authority.act(executor, { risk: riskLevel ?? "medium", ...options }))
  }
}
