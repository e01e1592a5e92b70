// Circuits: what could not be reached several times in a row is left alone for a while. Then one call tries; when it gets
// through, all do again.
import { circuitFailuresMax, circuitOpenMillis, circuitsMax } from "../limits.ts"

interface Circuit {
  failures: number
  /** When it was last found broken. */
  since: number
  /** One call is trying. */
  isTried: boolean
}

export interface Circuits {
  /** Why calls that depend on `key` are not even started now, or nothing; claims nothing. */
  readonly leftAlone: (key: string, now: number) => string | undefined
  /** Why a call that depends on `key` is not made now, or nothing: then `ended` has to follow. */
  readonly refusal: (key: string, now: number) => string | undefined
  /** All that are left alone now. */
  readonly open: (now: number) => ReadonlyArray<string>
  /** `isReached` is undefined for a call that was stopped: it says nothing. */
  readonly ended: (key: string, isReached: boolean | undefined, now: number) => void
}

export const makeCircuits = (): Circuits => {
  const circuits = new Map<string, Circuit>()
  const inWords = (key: string, { failures }: Circuit, when: string): string =>
    `${key} could not be reached ${failures} times in a row; ${when}`
  return {
    leftAlone: (key, now) => {
      const circuit = circuits.get(key)
      if (circuit === undefined || circuit.failures < circuitFailuresMax) return undefined
      const left = circuit.since + circuitOpenMillis - now
      return left > 0 ? inWords(key, circuit, `it is tried again in ${Math.ceil(left / 1_000)} s`) : undefined
    },
    refusal: (key, now) => {
      const circuit = circuits.get(key)
      if (circuit === undefined || circuit.failures < circuitFailuresMax) return undefined
      const left = circuit.since + circuitOpenMillis - now
      if (left <= 0 && !circuit.isTried) {
        circuit.isTried = true
        return undefined
      }
      const when = left > 0 ? `it is tried again in ${Math.ceil(left / 1_000)} s` : "it is being tried"
      return inWords(key, circuit, when)
    },
    open: (now) =>
      [...circuits].filter(([, { failures, since }]) => failures >= circuitFailuresMax && since + circuitOpenMillis > now).map(([key]) => key),
    ended: (key, isReached, now) => {
      if (isReached) {
        circuits.delete(key)
        return
      }
      if (isReached === undefined) {
        const circuit = circuits.get(key)
        if (circuit !== undefined) circuit.isTried = false
        return
      }
      const failures = (circuits.get(key)?.failures ?? 0) + 1
      // The newest last, so that the one that is forgotten is the one that failed longest ago.
      circuits.delete(key)
      circuits.set(key, { failures, since: now, isTried: false })
      if (circuits.size > circuitsMax) for (const [oldest] of circuits) {
        circuits.delete(oldest)
        break
      }
    }
  }
}
