// What a guest holds of each channel: over the wire a message is named by its id alone, a lease by cursor and epoch.
import type { ChannelId, SystemId } from "../../../protocol/names.ts"
import type { Taken } from "../../../protocol/subscription.ts"

export interface HeldLease {
  readonly cursor: number
  readonly epoch: number
  /** Kernel time in Unix milliseconds. */
  readonly expiresAt: number
}

export interface Leases {
  /** How many more a guest may hold. */
  readonly room: (guest: SystemId) => number
  readonly hold: (guest: SystemId, channel: ChannelId, taken: ReadonlyArray<Taken>) => void
  readonly of: (guest: SystemId, channel: ChannelId, message: string) => HeldLease | undefined
  /** They are ended or lost. */
  readonly drop: (guest: SystemId, channel: ChannelId, message: string) => void
}

export interface LeasesOptions {
  /** Leases of one guest. */
  readonly max: number
  readonly now: () => number
}

type Held = Map<ChannelId, Map<string, HeldLease>>

export const makeLeases = ({ max, now }: LeasesOptions): Leases => {
  const guests = new Map<SystemId, Held>()

  const sizeOf = (held: Held): number => {
    let size = 0
    for (const messages of held.values()) size += messages.size
    return size
  }
  /** Those whose time is over are somebody else's by now. */
  const sweep = (guest: SystemId, held: Held): void => {
    const at = now()
    for (const [channel, messages] of held) {
      for (const [id, { expiresAt }] of messages) if (expiresAt <= at) messages.delete(id)
      if (messages.size === 0) held.delete(channel)
    }
    if (held.size === 0) guests.delete(guest)
  }

  return {
    room: (guest) => {
      const held = guests.get(guest)
      if (held === undefined) return max
      if (sizeOf(held) >= max) sweep(guest, held)
      return max - sizeOf(held)
    },
    hold: (guest, channel, taken) => {
      // A guest that took and went is forgotten when another one takes.
      for (const [other, held] of guests) {
        sweep(other, held)
        break
      }
      const held: Held = guests.get(guest) ?? new Map()
      // The one that was swept is looked at last the next time.
      guests.delete(guest)
      guests.set(guest, held)
      const messages = held.get(channel) ?? new Map<string, HeldLease>()
      held.set(channel, messages)
      for (const { epoch, event, expiresAt } of taken) messages.set(event.id, { cursor: event.cursor, epoch, expiresAt })
    },
    of: (guest, channel, message) => guests.get(guest)?.get(channel)?.get(message),
    drop: (guest, channel, message) => {
      const held = guests.get(guest)
      const messages = held?.get(channel)
      if (held === undefined || messages === undefined) return
      messages.delete(message)
      if (messages.size === 0) held.delete(channel)
      if (held.size === 0) guests.delete(guest)
    }
  }
}
