// The starts of a system that count for its rate. A list that grows at its end with every action: those before share its
// beginning with those after, and what lies behind an end is not theirs.
import * as HashMap from "effect/HashMap"
import type { SystemId } from "../../../protocol/names.ts"
import { lookup, type AuthorityState, type Draft } from "./state.ts"

/** Times in order, of which those between the two places count. */
export interface Starts {
  readonly times: Array<number>
  readonly from: number
  readonly to: number
}

/** Starts of one system that are remembered. */
const recentMax = 1_000
/** Times that count no more and are still held, at most. */
const staleMax = 1_000

export const startsOf = (times: ReadonlyArray<number>): Starts => ({ times: [...times], from: 0, to: times.length })

export const timesOf = ({ from, times, to }: Starts): ReadonlyArray<number> => times.slice(from, to)

const none = startsOf([])

/** The starts of the last minute with one more. Kernel time never goes back, so that the oldest ones lie first. */
const withStart = ({ from: first, times, to }: Starts, at: number): Starts => {
  let from = Math.max(first, to + 1 - recentMax)
  while (from < to && times[from]! <= at - 60_000) from++
  if (times.length > to || from > staleMax || to === 0) {
    // Somebody else went on from here, or much of it counts no more.
    const left = times.slice(from, to)
    left.push(at)
    return { times: left, from: 0, to: left.length }
  }
  times.push(at)
  return { times, from, to: to + 1 }
}

export const addStart = (state: Draft, system: SystemId, at: number): void => {
  state.recent = HashMap.set(state.recent, system, withStart(lookup(state.recent, system) ?? none, at))
}

/** Starts of a system that are remembered and later than this. */
export const startsSince = (state: AuthorityState, system: SystemId, time: number): number => {
  const { from: first, times, to: end } = lookup(state.recent, system) ?? none
  let from = first
  for (let to = end; from < to;) {
    const middle = (from + to) >> 1
    if (times[middle]! > time) to = middle
    else from = middle + 1
  }
  return end - from
}
