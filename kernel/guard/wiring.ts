// Wiring: which channels a port may touch, and in which direction. Topology is the first authority.
import type { Channel } from "../../protocol/channel.ts"
import { requests as asks, seatReads } from "../../protocol/coordination.ts"
import { Denied } from "../../protocol/errors.ts"
import type { Manifest } from "../../protocol/manifest.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import type { Role } from "../../protocol/security.ts"
import * as wellKnown from "../../protocol/well-known.ts"

export interface Wire {
  readonly read: boolean
  readonly append: boolean
  readonly take: boolean
  /** Clearing, evicting and removing: for who provides the channel. */
  readonly admin: boolean
}

export type Direction = keyof Wire

/** Asked for each call; a fixed map, or one that follows the channels there are. */
export interface Wiring extends Iterable<readonly [ChannelId, Wire]> {
  readonly get: (channel: ChannelId) => Wire | undefined
  readonly keys: () => Iterable<ChannelId>
  /** What it does not hold is not there: nothing tells a channel that is out of reach from a missing one. */
  readonly hides?: true
}

const everything: Wire = { read: true, append: true, take: true, admin: true }

/** What doors may show: nothing that is private, and nothing of the kernel's own. */
export const isPublic = (channel: Channel | undefined): channel is Channel =>
  channel !== undefined && channel.visibility === "public" && !wellKnown.isReserved(channel.name)

/** What a seat is wired to that comes over a coordination door: asking, and reading what is answered and told. No more, and no risk. */
export const seatWiring: Wiring = new Map<ChannelId, Wire>([
  [asks, { read: false, append: true, take: false, admin: false }],
  ...seatReads.map((name) => [name, { read: true, append: false, take: false, admin: false }] as const)
])

/**
 * The wiring of guests: every PUBLIC channel, also those that are created later, and a seat's. Their credentials narrow it, and no
 * door but that of coordination lets them reach the seat's. `asks`: also the
 * kernel's channels that every system has, to ask for authority and effects and to read what is answered.
 */
export const publicWiring = (
  channels: { readonly get: (name: ChannelId) => Channel | undefined; readonly all: () => ReadonlyArray<Channel> }, asks = false
): Wiring => {
  const common = asks ? wellKnown.common : []
  const names = (): ReadonlyArray<ChannelId> => [...channels.all().filter(isPublic).map(({ name }) => name), ...common]
  const wireOf = (name: ChannelId): Wire | undefined =>
    isPublic(channels.get(name)) ? everything : common.includes(name) ? reservedWire(name) : seatWiring.get(name)
  return {
    get: wireOf,
    keys: names,
    hides: true,
    [Symbol.iterator]: () => names().map((name) => [name, wireOf(name) ?? everything] as const)[Symbol.iterator]()
  }
}

/** The role that a credential needs on a channel of the kernel that every system has; nothing: it is for no guest. */
export const commonRole = (channel: ChannelId): Role | undefined =>
  wellKnown.common.includes(channel) ? requests.has(channel) ? "write" : "read" : undefined

const requests: ReadonlySet<ChannelId> = new Set([
  wellKnown.capabilityRequest, wellKnown.actionGate, wellKnown.moduleLoader, wellKnown.lifecycle
])

/** What the kernel's own channels offer, whatever a manifest asks for: requests are appended, the rest is read. */
const reservedWire = (channel: ChannelId): Wire => ({ read: !requests.has(channel), append: requests.has(channel), take: false, admin: false })

/** The refusal of a wish that no manifest may have, or nothing. */
const forbidden = (channel: ChannelId, direction: Direction, privileged: boolean): string | undefined => {
  if (!wellKnown.isReserved(channel)) return undefined
  const offered = wellKnown.common.includes(channel) || (privileged && wellKnown.privileged.includes(channel))
  if (!offered) {
    return wellKnown.privileged.includes(channel)
      ? `Channel '${channel}' is for systems that are docked as privileged.`
      : `Channel '${channel}' is the kernel's own.`
  }
  return reservedWire(channel)[direction] ? undefined : `Channel '${channel}' does not offer to ${direction}.`
}

/**
 * The wiring of a manifest and of the channels that its host adds, or the sentence that refuses it. `exists` says
 * whether a channel is there; the manifest's own are brought along.
 */
export const wiringOf = (
  manifest: Manifest, added: ReadonlyArray<ChannelId>, privileged: boolean, exists: (channel: ChannelId) => boolean
): Wiring | string => {
  const wiring = new Map<ChannelId, Wire>()
  const add = (channel: ChannelId, wire: Partial<Wire>): void => {
    const before = wiring.get(channel) ?? { read: false, append: false, take: false, admin: false }
    wiring.set(channel, {
      read: before.read || wire.read === true,
      append: before.append || wire.append === true,
      take: before.take || wire.take === true,
      admin: before.admin || wire.admin === true
    })
  }
  for (const channel of wellKnown.common) add(channel, reservedWire(channel))
  if (privileged) for (const channel of wellKnown.privileged) add(channel, reservedWire(channel))
  for (const spec of manifest.provides) {
    if (wellKnown.isReserved(spec.name)) return `Channel '${spec.name}' cannot be provided: names that begin with aaax. are the kernel's.`
    add(spec.name, everything)
  }
  const own = new Set(manifest.provides.map((spec) => spec.name))
  const wishes: ReadonlyArray<readonly [Direction, ReadonlyArray<ChannelId>]> = [
    ["read", manifest.reads], ["append", manifest.writes], ["take", manifest.takes]
  ]
  for (const [direction, channels] of wishes) {
    for (const channel of channels) {
      const refusal = forbidden(channel, direction, privileged)
      if (refusal !== undefined) return refusal
      if (!own.has(channel) && !exists(channel)) return `Channel '${channel}' is not available for docking.`
      add(channel, direction === "take" ? { take: true, read: true } : { [direction]: true })
    }
  }
  for (const channel of added) {
    if (!exists(channel) && !own.has(channel)) return `Channel '${channel}' is not available for docking.`
    if (wellKnown.isReserved(channel)) {
      const refusal = forbidden(channel, requests.has(channel) ? "append" : "read", privileged)
      if (refusal !== undefined) return refusal
      continue
    }
    add(channel, { read: true, append: true, take: true })
  }
  return wiring
}

const verbs: Readonly<Record<Direction, string>> = { read: "read", append: "append to", take: "take from", admin: "administrate" }
const lists: Readonly<Record<Direction, string>> = { read: "reads", append: "writes", take: "takes", admin: "provides" }

/** The role that an operation needs where a channel has a security of its own, or the caller a credential. */
export const roles: Readonly<Record<Direction, Role>> = { read: "read", append: "write", take: "write", admin: "admin" }

/** Says what is wired in that direction, and how to ask for more. */
export const notWired = (system: SystemId, wiring: Wiring, channel: ChannelId, direction: Direction): Denied => {
  const wired = [...wiring].filter(([, wire]) => wire[direction]).map(([name]) => name)
  const shown = wired.slice(0, 8).join(", ") + (wired.length > 8 ? ` and ${wired.length - 8} more` : "")
  return new Denied({
    system,
    operation: verbs[direction],
    target: channel,
    reason: "it is not wired to it in that direction",
    ...(shown === "" ? {} : { allowed: shown }),
    ...(wellKnown.isReserved(channel) ? {} : { how: `Add it to \`${lists[direction]}\` of the module's manifest.` })
  })
}
