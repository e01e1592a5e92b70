// Wiring: which channels a port may touch, and in which direction. Topology is the first authority.
import { Denied } from "../../protocol/errors.ts"
import type { Manifest } from "../../protocol/manifest.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import * as wellKnown from "../../protocol/well-known.ts"

export interface Wire {
  readonly read: boolean
  readonly append: boolean
  readonly take: boolean
}

export type Direction = keyof Wire

export type Wiring = ReadonlyMap<ChannelId, Wire>

const requests: ReadonlySet<ChannelId> = new Set([
  wellKnown.capabilityRequest, wellKnown.actionGate, wellKnown.moduleLoader, wellKnown.lifecycle
])

/** What the kernel's own channels offer, whatever a manifest asks for: requests are appended, the rest is read. */
const reservedWire = (channel: ChannelId): Wire => ({ read: !requests.has(channel), append: requests.has(channel), take: false })

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
    const before = wiring.get(channel) ?? { read: false, append: false, take: false }
    wiring.set(channel, {
      read: before.read || wire.read === true,
      append: before.append || wire.append === true,
      take: before.take || wire.take === true
    })
  }
  for (const channel of wellKnown.common) add(channel, reservedWire(channel))
  if (privileged) for (const channel of wellKnown.privileged) add(channel, reservedWire(channel))
  for (const spec of manifest.provides) {
    if (wellKnown.isReserved(spec.name)) return `Channel '${spec.name}' cannot be provided: names that begin with aaax. are the kernel's.`
    add(spec.name, { read: true, append: true, take: true })
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

const verbs: Readonly<Record<Direction, string>> = { read: "read", append: "append to", take: "take from" }
const lists: Readonly<Record<Direction, string>> = { read: "reads", append: "writes", take: "takes" }

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
