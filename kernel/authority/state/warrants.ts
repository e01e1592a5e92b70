// What the state says of warrants: those that are open, and the starts that count for a rate.
import * as HashMap from "effect/HashMap"
import type { Cursor, SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { charge } from "./grants.ts"
import { draftOf, lookup, type AuthorityState } from "./state.ts"
import { count } from "./systems.ts"

/** Starts of one system that are remembered. */
const recentMax = 1_000

export const changeWarrant = (state: AuthorityState, id: string, change: Partial<Warrant>): AuthorityState => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined) return state
  const changed = { ...warrant, ...change }
  const waiting = waits(changed) - waits(warrant)
  const next = draftOf(state)
  next.warrants = HashMap.set(state.warrants, id, changed)
  if (waiting !== 0) next.held = count(state.held, warrant.system, 0, 0, waiting)
  return next
}

/** 1 for one that waits for a human. */
export const waits = ({ state }: Warrant): 0 | 1 => (state === "escalated" ? 1 : 0)

export const isOpen = (warrant: Warrant): boolean =>
  warrant.state === "escalated" || warrant.state === "started" || warrant.state === "unknown"

export const openWarrant = (state: AuthorityState, warrant: Warrant): AuthorityState => {
  const next = draftOf(state)
  next.warrants = HashMap.set(state.warrants, warrant.id, warrant)
  if (!HashMap.has(state.warrants, warrant.id)) next.held = count(state.held, warrant.system, 0, 1, waits(warrant))
  return next
}

export const closeWarrant = (state: AuthorityState, id: string): AuthorityState => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined) return state
  const next = draftOf(state)
  next.warrants = HashMap.remove(state.warrants, id)
  next.held = count(state.held, warrant.system, 0, -1, -waits(warrant))
  return next
}

/** The starts of the last minute with one more. Kernel time never goes back, so that the oldest ones lie first. */
const withStart = (times: ReadonlyArray<number>, at: number): ReadonlyArray<number> => {
  let from = Math.max(0, times.length + 1 - recentMax)
  while (from < times.length && times[from]! <= at - 60_000) from++
  const left = times.slice(from)
  left.push(at)
  return left
}

const never: ReadonlyArray<number> = []

/** Starts of a system that are remembered and later than this. The oldest ones lie first. */
export const startsSince = (state: AuthorityState, system: SystemId, time: number): number => {
  const times = lookup(state.recent, system) ?? never
  let from = 0
  for (let to = times.length; from < to;) {
    const middle = (from + to) >> 1
    if (times[middle]! > time) to = middle
    else from = middle + 1
  }
  return times.length - from
}

export const started = (state: AuthorityState, warrant: Warrant, at: number): AuthorityState => {
  const next = draftOf(state)
  next.grants = charge(state.grants, warrant.grant, at)
  next.recent = HashMap.set(state.recent, warrant.system, withStart(lookup(state.recent, warrant.system) ?? never, at))
  return next
}

/** Where the oldest open warrant was asked for; infinite when none is open. */
export const oldestOpenRequest = (state: AuthorityState): Cursor => {
  let oldest = Infinity
  for (const warrant of HashMap.values(state.warrants)) oldest = Math.min(oldest, warrant.requestCursor)
  return oldest
}
