// A client: the channels that one system may use, by name, with one API for those in this process and those elsewhere.
import type { ChannelMessage, MessageContent } from "../../protocol/message.ts"
import { canTake, channelOf } from "../../protocol/channel.ts"
import { ChannelNotFound } from "../../protocol/errors.ts"
import { draftOf } from "../../protocol/message.ts"
import { emptyManifest, type Manifest, type System } from "../../protocol/manifest.ts"
import { nearest, type ChannelId, type SystemId } from "../../protocol/names.ts"
import { runAsync } from "../module.ts"
import type { Session } from "../surface.ts"
import { BaseChannel, table, type Written } from "./base-channel.ts"
import { appendingOf, dressed, type MessageOptions } from "./draft.ts"
import { isChannelMessage } from "./message.ts"
import { plain } from "./options.ts"
import { makeRemoteChannel, type RemoteChannel, type RemoteOptions } from "./remote-channel.ts"
import { within } from "./rest.ts"
import { seatAt, type Callback, type From, type NackOptions, type Seat } from "./seat.ts"

/** A channel object whatever its content: what it keeps was checked by its own schema. */
// oxlint-disable-next-line typescript/no-explicit-any -- content is in and out of methods, so no single type fits all channels
export type AnyChannel = BaseChannel<any>

/** For systems: how a client gets its port. */
export const seating: unique symbol = Symbol("aaax.libos.seating")

/**
 * A participant without a life of its own: connect it to channels, dock it, and call it from anywhere. Its id is the sender
 * of what it writes and the reader of what it reads. Channels of other constellations need no docking.
 */
export class ChannelClient implements System {
  readonly systemId: SystemId
  readonly name: string
  readonly description: string
  readonly run: NonNullable<System["run"]>
  readonly drain: NonNullable<System["drain"]>
  readonly #local = new Map<ChannelId, AnyChannel>()
  readonly #remote = new Map<ChannelId, RemoteChannel>()
  #seats = new Map<ChannelId, Seat<object>>()
  #session: Session | undefined
  #resting: () => Promise<void> | undefined = () => undefined

  constructor(systemId: SystemId, options: { readonly name?: string; readonly description?: string } = {}) {
    this.systemId = systemId
    this.name = options.name ?? systemId
    this.description = options.description ?? ""
    const life = runAsync(async (session) => {
      this[seating].take(session, () => undefined)
      try {
        await within(undefined, undefined, session.signal)
      } finally {
        await this[seating].leave()
      }
    })
    this.run = life.run
    this.drain = life.drain
  }

  readonly [seating] = {
    take: (session: Session, resting: () => Promise<void> | undefined): void => {
      this.#session = session
      this.#resting = resting
    },
    leave: async (): Promise<void> => {
      const seats = [...this.#seats.values()]
      this.#seats = new Map()
      await Promise.all(seats.map((seat) => seat.close()))
      this.#session = undefined
    }
  }

  get manifest(): Manifest {
    const channels = [...this.#local.values()]
    const names = [...new Set(channels.map(({ id }) => id))]
    return {
      ...emptyManifest(this.systemId),
      description: this.description === "" ? this.name : this.description,
      reads: names,
      writes: names,
      takes: [...new Set(channels.filter(({ spec }) => canTake(channelOf(plain(spec), this.systemId))).map(({ id }) => id))]
    }
  }

  /** Names that it was connected under. */
  get channels(): ReadonlyArray<ChannelId> {
    return [...new Set([...this.#local.keys(), ...this.#remote.keys()])]
  }

  /** A channel in this process. Of two under one name the local one counts. */
  connect(channelId: ChannelId, channel: AnyChannel): void {
    if (!(channel instanceof BaseChannel)) throw new TypeError(`${channelId}: connect takes a channel object, not ${String(channel)}`)
    this.#local.set(channelId, channel)
  }

  /** A channel elsewhere. `url` is that of the channel itself: `http://127.0.0.1:8100/channels/tasks`. */
  connectRemote(channelId: ChannelId, url: string, token?: string | RemoteOptions): void {
    this.#remote.set(channelId, makeRemoteChannel(this.systemId, channelId, url, typeof token === "string" ? { token } : token ?? {}))
  }

  /** Channels elsewhere, by name: a URL, or a URL and a token. */
  connectFromConfig(config: Readonly<Record<ChannelId, string | ({ readonly url: string } & RemoteOptions)>>): void {
    for (const [channelId, place] of Object.entries(config)) {
      if (typeof place === "string") this.connectRemote(channelId, place)
      else this.connectRemote(channelId, place.url, place)
    }
  }

  /** The next messages of its own cursor, or claimed for it alone. `Content` is the caller's word for what the channel keeps. */
  async read<Content extends object = MessageContent>(
    channelId: ChannelId, limit = 10, exclusive = false, after?: string
  ): Promise<ReadonlyArray<ChannelMessage<Content>>> {
    const place = this.#at(channelId)
    if (!("system" in place)) return asMessages(await place.read(limit, exclusive, after))
    return asMessages(await (exclusive ? place.claim(limit) : place.read(limit, after)))
  }

  /** Answers the id under which it is known, which is that of the message unless the channel converts in cycles. */
  async write(channelId: ChannelId, data: unknown, options: boolean | MessageOptions = false): Promise<string> {
    const given = typeof options === "boolean" ? { direct: options } : options
    const place = this.#at(channelId)
    return "system" in place ? (await this.#put(channelId, place, data, given)).id : place.write(data, given.direct === true)
  }

  async acknowledge(channelId: ChannelId, messageIds: ReadonlyArray<string>): Promise<number> {
    return this.#at(channelId).acknowledge(messageIds)
  }

  async nack(channelId: ChannelId, messageIds: ReadonlyArray<string>, options?: NackOptions): Promise<number> {
    const place = this.#at(channelId)
    return "system" in place ? place.nack(messageIds, options) : place.nack(messageIds)
  }

  async subscribe<Content extends object = MessageContent>(
    channelId: ChannelId, callback: Callback<Content>, options: { readonly from?: From } = {}
  ): Promise<void> {
    const place = this.#at(channelId)
    if (!("system" in place)) throw new TypeError(`${channelId} is elsewhere: read it, or follow it with aaax/client`)
    const { from = "now" } = options
    // Content is open: what a channel keeps has members that its schema, or its author, knows.
    await place.subscribe(callback as Callback<object>, from === "run" ? this.#local.get(channelId)?.[table].since() ?? "now" : from)
  }

  unsubscribe(channelId: ChannelId): void {
    this.#seats.get(this.#local.get(channelId)?.id ?? channelId)?.unsubscribe()
  }

  /** Where a message goes, for those who want to know more than its id. */
  async append(channelId: ChannelId, data: unknown, options: MessageOptions = {}): Promise<Written> {
    const place = this.#at(channelId)
    if ("system" in place) return this.#put(channelId, place, data, options)
    return { id: await place.write(data, options.direct === true), cursor: 0, recordedAt: 0 }
  }

  /** The seat at a channel of this constellation. */
  seat(channelId: ChannelId): Seat<object> {
    const place = this.#at(channelId)
    if (!("system" in place)) throw new TypeError(`${channelId} is elsewhere`)
    return place
  }

  #put(channelId: ChannelId, seat: Seat<object>, data: unknown, options: MessageOptions): Promise<Written> {
    const channel = this.#local.get(channelId)
    if (channel !== undefined) return channel[table].write(seat, data, options)
    if (options.direct === true && !isChannelMessage(data)) throw new TypeError(`${channelId}: a direct write takes a ChannelMessage, made by channelMessage({ content })`)
    // Of a channel that it knows by name alone nothing says how to convert: what is given is what is kept.
    const draft = isChannelMessage(data) ? draftOf(data) : { payload: data }
    const whole = dressed(draft, options)
    return seat.append(whole, appendingOf(whole, options))
  }

  #at(channelId: ChannelId): Seat<object> | RemoteChannel {
    const channel = this.#local.get(channelId)
    if (channel === undefined) {
      const remote = this.#remote.get(channelId)
      if (remote !== undefined) return remote
      if (this.#session === undefined) {
        const near = nearest(channelId, this.channels)
        throw new ChannelNotFound({ channel: channelId, ...(near === undefined ? {} : { nearest: near }) })
      }
    }
    const session = this.#session
    if (session === undefined) throw new TypeError(`${this.systemId} is not running: dock it first`)
    const name = channel?.id ?? channelId
    const known = this.#seats.get(name)
    if (known !== undefined) return known
    const seat: Seat<object> = channel === undefined ? seatAt(session, name, this.#resting) : channel[table].seat(session, this.#resting)
    this.#seats.set(name, seat)
    return seat
  }
}

/** What a channel keeps is known to its schema, or to its author, who says it here. */
const asMessages = <Content extends object>(messages: ReadonlyArray<ChannelMessage<object>>): ReadonlyArray<ChannelMessage<Content>> =>
  messages as ReadonlyArray<ChannelMessage<Content>>
