// Admission: how much of the kernel one system may use at once, so that a flood costs the one who makes it.
import { Overloaded } from "../../protocol/errors.ts"
import type { SystemId } from "../../protocol/names.ts"
import { appendsInFlightMax, appendsInFlightTextMax, requestsPendingMax } from "../limits.ts"

/** What one port has under way. Changed in place on every append. */
export interface Gauge {
  appends: number
  text: number
}

export const makeGauge = (): Gauge => ({ appends: 0, text: 0 })

/* hot */
/** Why an append of so much text may not begin now. */
export const refusalIn = (gauge: Gauge, text: number): Overloaded | undefined => {
  if (gauge.appends >= appendsInFlightMax) {
    return new Overloaded({ what: "Appends that wait for a commit", limit: appendsInFlightMax, unit: "appends", retryAfterMillis: 10 })
  }
  // One append may always go, however large: the batch bound holds it.
  if (gauge.text > 0 && gauge.text + text > appendsInFlightTextMax) {
    return new Overloaded({ what: "Appends that wait for a commit", limit: appendsInFlightTextMax, unit: "characters", retryAfterMillis: 10 })
  }
  return undefined
}

/* hot */
/** Counts an append of so much text in, or says why not. */
export const admit = (gauge: Gauge, text: number): Overloaded | undefined => {
  const refused = refusalIn(gauge, text)
  if (refused !== undefined) return refused
  gauge.appends++
  gauge.text += text
  return undefined
}

/** Counts it out again. */
export const leave = (gauge: Gauge, text: number): void => {
  gauge.appends--
  gauge.text -= text
}

/** Requests of each system that the kernel has not answered yet. */
export interface PendingRequests {
  readonly enter: (system: SystemId, requests: number) => Overloaded | undefined
  readonly answered: (system: SystemId) => void
}

export const makePendingRequests = (): PendingRequests => {
  const counts = new Map<SystemId, number>()
  return {
    enter: (system, requests) => {
      const count = counts.get(system) ?? 0
      if (count + requests > requestsPendingMax) {
        return new Overloaded({ what: "Requests without an answer", limit: requestsPendingMax, unit: "requests", retryAfterMillis: 100 })
      }
      counts.set(system, count + requests)
      return undefined
    },
    answered: (system) => {
      const count = counts.get(system) ?? 0
      // Requests of an earlier boot were not counted in.
      if (count > 1) counts.set(system, count - 1)
      else counts.delete(system)
    }
  }
}
