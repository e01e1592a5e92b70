// How much one guest may ask for, and what wrong credentials cost their sender. One guest's flood is refused with the time
// to wait; it takes nothing from another.
import type { SystemId } from "../../protocol/names.ts"
import {
  httpGuestRatePerSecond, httpGuestRequestsMax, httpGuestsCountedMax, httpGuestStreamsMax, httpHeldBackMax, httpWrongCredentialMillisMax,
  httpWrongCredentialsMax
} from "../limits.ts"

/** What one guest has under way. */
export interface Tally {
  requests: number
  streams: number
  /** Requests that it may send at once. */
  room: number
  at: number
}

export interface TooMuch {
  readonly detail: string
  readonly retryAfterSeconds: number
}

export interface Pace {
  readonly tallyOf: (guest: SystemId) => Tally
  /** Counts a request, or says why not. Who is let in must `leave`. */
  readonly enter: (tally: Tally) => TooMuch | undefined
  readonly leave: (tally: Tally) => void
  /** From now on the request is a stream. */
  readonly stream: (tally: Tally) => TooMuch | undefined
  readonly leaveStream: (tally: Tally) => void
  /** A wrong credential came from an address: for how many milliseconds its answer is held back; nothing: answer, and end the connection. */
  readonly wrong: (address: string) => number | undefined
  /** An answer that was held back is given. */
  readonly told: () => void
}

const window = 60_000

export const makePace = (now: () => number = () => performance.now()): Pace => {
  const tallies = new Map<SystemId, Tally>()
  const wrongs = new Map<string, { count: number; until: number }>()
  let heldBack = 0

  const forget = <Key, Value>(map: Map<Key, Value>, isIdle: (value: Value) => boolean): void => {
    if (map.size < httpGuestsCountedMax) return
    for (const [key, value] of map) {
      if (isIdle(value)) map.delete(key)
      if (map.size < httpGuestsCountedMax) return
    }
  }

  return {
    tallyOf: (guest) => {
      let tally = tallies.get(guest)
      if (tally === undefined) {
        forget(tallies, ({ requests, streams }) => requests === 0 && streams === 0)
        tally = { requests: 0, streams: 0, room: httpGuestRatePerSecond, at: now() }
        tallies.set(guest, tally)
      }
      return tally
    },
    enter: (tally) => {
      if (tally.requests >= httpGuestRequestsMax) {
        return { detail: `At most ${httpGuestRequestsMax} requests of one guest may be under way at once.`, retryAfterSeconds: 1 }
      }
      const at = now()
      tally.room = Math.min(httpGuestRatePerSecond, tally.room + (at - tally.at) * (httpGuestRatePerSecond / 1_000))
      tally.at = at
      if (tally.room < 1) return { detail: `One guest may send ${httpGuestRatePerSecond} requests a second.`, retryAfterSeconds: 1 }
      tally.room--
      tally.requests++
      return undefined
    },
    leave: (tally) => {
      tally.requests--
    },
    stream: (tally) => {
      if (tally.streams >= httpGuestStreamsMax) {
        return { detail: `At most ${httpGuestStreamsMax} streams of one guest may be open at once.`, retryAfterSeconds: 10 }
      }
      tally.streams++
      return undefined
    },
    leaveStream: (tally) => {
      tally.streams--
    },
    wrong: (address) => {
      const at = now()
      let seen = wrongs.get(address)
      if (seen === undefined || seen.until < at) {
        forget(wrongs, ({ until }) => until < at)
        // All of them are fresh: somebody has many addresses, and none is worth remembering.
        if (wrongs.size >= httpGuestsCountedMax) wrongs.clear()
        seen = { count: 0, until: at + window }
        wrongs.set(address, seen)
      }
      if (++seen.count <= httpWrongCredentialsMax) {
        heldBack++
        return 0
      }
      if (heldBack >= httpHeldBackMax) return undefined
      heldBack++
      return Math.min(httpWrongCredentialMillisMax, (seen.count - httpWrongCredentialsMax) * 50)
    },
    told: () => {
      heldBack--
    }
  }
}
