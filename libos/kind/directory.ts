// A directory: a discovery channel as one system sees it. It registers in its own name and finds what it may see.
import * as Effect from "effect/Effect"
import type { ChannelInfo } from "../../protocol/message.ts"
import type { Visibility } from "../../protocol/channel.ts"
import type { Event } from "../../protocol/event.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import { appendTo } from "../channel.ts"
import { secondsNow } from "../promise.ts"
import type { Session } from "../surface.ts"
import { draftOfRegistration, registrationOf, type Registration, type ServiceDescriptor } from "./registration.ts"

export interface Directory {
  /** Registers a channel for `ttlSeconds`; again: replaces and refreshes it. */
  readonly registerChannel: (info: ChannelInfo, ttlSeconds?: number) => Promise<void>
  /** Registers a system. It counts when it is the caller, or when the caller provides the directory. */
  readonly registerSystem: (descriptor: ServiceDescriptor, ttlSeconds?: number) => Promise<void>
  /** Takes back what this system registered under an id; who provides the directory takes back everybody's. */
  readonly deregister: (id: string) => Promise<void>
  readonly findChannels: (visibility?: Visibility) => Promise<ReadonlyArray<ChannelInfo>>
  /** Systems that offer a method of this name; without one all of them. */
  readonly findSystems: (capability?: string) => Promise<ReadonlyArray<ServiceDescriptor>>
  readonly getChannel: (id: ChannelId) => Promise<ChannelInfo | null>
  readonly getSystem: (id: SystemId) => Promise<ServiceDescriptor | null>
  /** For the provider: removes what has expired or was replaced, and answers how much that was. */
  readonly purge: () => Promise<number>
}

interface Entry {
  readonly registration: Registration
  readonly event: Event
  readonly isProviders: boolean
}

const pageEvents = 500
/** Events that a port removes at once. */
const removedMax = 1_000

/** `ttlSeconds` is how long a registration lasts that says nothing of it. */
export const makeDirectory = (session: Session, name: ChannelId, ttlSeconds: number): Directory => {
  const { bridge, port } = session

  /** What the kernel says of the channels that this system may see, and the newest registrations of each sender, or all of them. */
  const looking = (fullLog: boolean) => Effect.gen(function*() {
    const channels = new Map((yield* port.channels).map((channel) => [channel.name, channel]))
    const provider = channels.get(name)?.owner
    const entries: Array<Entry> = []
    for (let after: Cursor = 0, from: Cursor = -1; from < after;) {
      from = after
      const { events, next } = yield* Effect.catchTag(port.read(name, { after, limit: pageEvents, fullLog }), "Gap", (gap) =>
        port.read(name, { after: gap.floor, limit: pageEvents, fullLog }))
      for (const event of events) {
        const registration = registrationOf(event)
        if (registration !== undefined) entries.push({ registration, event, isProviders: event.sender === provider })
      }
      after = Math.max(after, next)
    }
    return { channels, entries, provider }
  })

  const look = looking(false)

  /** Live registrations, one for each id: the provider's word first, then the newest. */
  const live = Effect.map(look, ({ channels, entries }) => {
    const now = secondsNow()
    const best = new Map<string, Entry>()
    for (const entry of entries) {
      const { event, isProviders, registration } = entry
      if (registration.expiresAt <= now) continue
      // Nobody speaks for another system but the provider of the directory.
      if (registration.kind === "system" && !isProviders && event.sender !== registration.id) continue
      // What is private is for those who are wired to it.
      if (registration.kind === "channel" && registration.info.visibility !== "public" && !channels.has(registration.id)) continue
      const key = `${registration.kind} ${registration.id}`
      const other = best.get(key)
      if (other === undefined || isProviders || !other.isProviders) best.set(key, entry)
    }
    const shown = (names: ReadonlyArray<ChannelId>): ReadonlyArray<ChannelId> => names.filter((channel) => channels.has(channel))
    return [...best.values()].map(({ registration }): Registration =>
      registration.kind === "channel" ? registration : {
        ...registration,
        descriptor: {
          ...registration.descriptor,
          channelsRead: shown(registration.descriptor.channelsRead),
          channelsWrite: shown(registration.descriptor.channelsWrite)
        }
      })
  })

  const register = (registration: Registration): Promise<void> =>
    bridge.run(Effect.asVoid(appendTo(port, name, [draftOfRegistration(registration, port.system)])))

  const channelsOf = (wanted: (info: ChannelInfo) => boolean): Promise<ReadonlyArray<ChannelInfo>> =>
    bridge.run(Effect.map(live, (all) => all.flatMap((found) => (found.kind === "channel" && wanted(found.info) ? [found.info] : []))))
  const systemsOf = (wanted: (descriptor: ServiceDescriptor) => boolean): Promise<ReadonlyArray<ServiceDescriptor>> =>
    bridge.run(Effect.map(live, (all) => all.flatMap((found) => (found.kind === "system" && wanted(found.descriptor) ? [found.descriptor] : []))))

  return {
    registerChannel: (info, ttl = ttlSeconds) => register({ kind: "channel", id: info.id, info, expiresAt: secondsNow() + ttl }),
    registerSystem: (descriptor, ttl = ttlSeconds) =>
      register({ kind: "system", id: descriptor.systemId, descriptor, expiresAt: secondsNow() + ttl }),
    deregister: async (id) => {
      const { entries, provider } = await bridge.run(look)
      const found = entries.filter(({ registration }) => registration.id === id)
      if (provider === port.system) {
        await bridge.run(port.remove(name, found.map(({ event }) => event.id)))
        return
      }
      for (const { event, registration } of found) if (event.sender === port.system) await register({ ...registration, expiresAt: 0 })
    },
    findChannels: (visibility) => channelsOf((info) => visibility === undefined || info.visibility === visibility),
    findSystems: (capability) =>
      systemsOf(({ services }) => capability === undefined || services.some((method) => method.name === capability)),
    getChannel: async (id) => (await channelsOf((info) => info.id === id))[0] ?? null,
    getSystem: async (id) => (await systemsOf(({ systemId }) => systemId === id))[0] ?? null,
    purge: async () => {
      const { entries } = await bridge.run(looking(true))
      const now = secondsNow()
      const newest = new Map(entries.map(({ event }) => [event.subject, event.id]))
      const over = entries.filter(({ event, registration }) => registration.expiresAt <= now || newest.get(event.subject) !== event.id)
      let removed = 0
      for (let at = 0; at < over.length; at += removedMax) {
        removed += await bridge.run(port.remove(name, over.slice(at, at + removedMax).map(({ event }) => event.id)))
      }
      return removed
    }
  }
}
