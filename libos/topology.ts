// The topology of a system that is written as a class: the channels it brings along, those it was given by its owner, and those
// of others; and the manifest that follows from them.
import { canTake, channelOf } from "../protocol/channel.ts"
import { emptyManifest, type Converter, type Manifest } from "../protocol/manifest.ts"
import { infoOf, type ChannelInfo } from "../protocol/message.ts"
import { nearest, type ChannelId, type SystemId } from "../protocol/names.ts"
import type { ChannelSecurity } from "../protocol/security.ts"
import type { StandardSchemaV1 } from "../protocol/standard-schema.ts"
import { BaseChannel, table } from "./kind/base-channel.ts"
import type { AnyChannel } from "./kind/channel-client.ts"
import { plain } from "./kind/options.ts"
import type { ProvideSpec } from "./module.ts"
import { toStandard, type PayloadSchema } from "./payload.ts"

/** A channel as an object of a class, or as a description. */
export type OwnChannel = AnyChannel | ProvideSpec

/** Channels of others, and executors. */
export interface Wishes {
  readonly reads?: ReadonlyArray<ChannelId>
  readonly writes?: ReadonlyArray<ChannelId>
  /** Queues and logs that it claims from. */
  readonly takes?: ReadonlyArray<ChannelId>
  readonly executors?: ReadonlyArray<string>
}

export interface Topology {
  readonly add: (channel: OwnChannel) => void
  /** From the owner of this system. */
  readonly give: (name: ChannelId, channel: OwnChannel) => void
  readonly connect: (wishes: Wishes) => void
  /** A channel of its own, or one that it was given. */
  readonly find: (name: ChannelId) => OwnChannel | undefined
  /** The name among them that was probably meant. */
  readonly near: (name: ChannelId) => string
  readonly names: () => ReadonlyArray<ChannelId>
  /** Objects among its own channels, and among those that it was given. */
  readonly own: () => ReadonlyArray<AnyChannel>
  readonly given: () => ReadonlyArray<AnyChannel>
  readonly specs: () => ReadonlyArray<ProvideSpec>
  readonly publicInfos: () => ReadonlyArray<ChannelInfo>
  readonly manifest: (description: string) => Manifest
  readonly schemas: () => Readonly<Record<ChannelId, StandardSchemaV1>>
  readonly converters: () => Readonly<Record<ChannelId, Converter>>
  readonly securities: () => Readonly<Record<ChannelId, ChannelSecurity>>
}

const nameOf = (channel: OwnChannel): ChannelId => (channel instanceof BaseChannel ? channel.id : channel.name)
const specOf = (channel: OwnChannel): ProvideSpec => (channel instanceof BaseChannel ? channel.spec : channel)
const isSchema = (schema: ProvideSpec["schema"]): schema is PayloadSchema => schema !== undefined && schema !== null && typeof schema !== "string"
const isObject = (channel: OwnChannel): channel is AnyChannel => channel instanceof BaseChannel

export const makeTopology = (id: SystemId): Topology => {
  const own = new Map<ChannelId, OwnChannel>()
  const given = new Map<ChannelId, OwnChannel>()
  const reads = new Set<ChannelId>()
  const writes = new Set<ChannelId>()
  const takes = new Set<ChannelId>()
  const executors = new Set<string>()
  const others = (...names: ReadonlyArray<Iterable<ChannelId>>): ReadonlyArray<ChannelId> =>
    [...new Set(names.flatMap((some) => [...some]))].filter((name) => !own.has(name))
  const find = (name: ChannelId): OwnChannel | undefined => own.get(name) ?? given.get(name)
  const channelFor = (channel: OwnChannel) => channelOf(plain(specOf(channel)), id)

  return {
    add: (channel) => {
      const name = nameOf(channel)
      if (own.has(name)) throw new TypeError(`${id} has the channel ${name} already`)
      own.set(name, channel)
    },
    give: (name, channel) => void given.set(name, channel),
    connect: (wishes) => {
      for (const name of wishes.reads ?? []) reads.add(name)
      for (const name of wishes.writes ?? []) writes.add(name)
      for (const name of wishes.takes ?? []) takes.add(name)
      for (const name of wishes.executors ?? []) executors.add(name)
    },
    find,
    near: (name) => {
      const near = nearest(name, [...own.keys(), ...given.keys()])
      return near === undefined ? "" : `; did you mean ${near}?`
    },
    names: () => [...new Set([...own.keys(), ...given.keys(), ...reads, ...writes, ...takes])],
    own: () => [...own.values()].filter(isObject),
    given: () => [...given.values()].filter(isObject),
    specs: () => [...own.values()].map(specOf),
    publicInfos: () => [...own.values()].map((channel) => infoOf(channelFor(channel))).filter(({ visibility }) => visibility === "public"),
    manifest: (description) => ({
      ...emptyManifest(id),
      description,
      reads: others(reads, given.keys()),
      writes: others(writes, given.keys()),
      takes: others(takes, [...given].flatMap(([name, channel]) => (canTake(channelFor(channel)) ? [name] : []))),
      provides: [...own.values()].map((channel) => plain(specOf(channel))),
      executors: [...executors]
    }),
    schemas: () =>
      Object.fromEntries([...own].flatMap(([name, channel]) => {
        const { schema } = specOf(channel)
        return isSchema(schema) ? [[name, toStandard(schema)]] : []
      })),
    converters: () =>
      Object.fromEntries([...own].flatMap(([name, channel]): ReadonlyArray<readonly [ChannelId, Converter]> =>
        isObject(channel) ? [[name, (sender, raw) => channel[table].convert(sender, raw)]] : [])),
    securities: () =>
      Object.fromEntries([...own].flatMap(([name, channel]) =>
        isObject(channel) && channel.security !== undefined ? [[name, channel.security]] : []))
  }
}
