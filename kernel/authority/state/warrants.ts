// What the state says of warrants: those that are open, and the starts that count for a rate.
import * as HashMap from "effect/HashMap"
import type { Cursor } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { charge } from "./grants.ts"
import { lookup, type AuthorityState } from "./state.ts"
import { count } from "./systems.ts"

/** Starts of one system that are remembered. */
const recentMax = 1_000

export const changeWarrant = (state: AuthorityState, id: string, change: Partial<Warrant>): AuthorityState => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined) return state
  const changed = { ...warrant, ...change }
  const waiting = waits(changed) - waits(warrant)
  return {
    ...state, warrants: HashMap.set(state.warrants, id, changed),
    ...(waiting === 0 ? {} : { held: count(state, warrant.system, 0, 0, waiting) })
  }
}

/** 1 for one that waits for a human. */
export const waits = ({ state }: Warrant): 0 | 1 => (state === "escalated" ? 1 : 0)

export const isOpen = (warrant: Warrant): boolean =>
  warrant.state === "escalated" || warrant.state === "started" || warrant.state === "unknown"

export const openWarrant = (state: AuthorityState, warrant: Warrant): AuthorityState => ({
  ...state,
  warrants: HashMap.set(state.warrants, warrant.id, warrant),
  held: HashMap.has(state.warrants, warrant.id) ? state.held : count(state, warrant.system, 0, 1, waits(warrant))
})

export const closeWarrant = (state: AuthorityState, id: string): AuthorityState => {
  const warrant = lookup(state.warrants, id)
  return warrant === undefined
    ? state
    : { ...state, warrants: HashMap.remove(state.warrants, id), held: count(state, warrant.system, 0, -1, -waits(warrant)) }
}

export const started = (state: AuthorityState, warrant: Warrant, at: number): AuthorityState => {
  const times = (lookup(state.recent, warrant.system) ?? []).filter((time) => time > at - 60_000)
  return {
    ...state,
    grants: charge(state.grants, warrant.grant, at),
    recent: HashMap.set(state.recent, warrant.system, [...times.slice(1 - recentMax), at])
  }
}

/** Where the oldest open warrant was asked for; infinite when none is open. */
export const oldestOpenRequest = (state: AuthorityState): Cursor => {
  let oldest = Infinity
  for (const warrant of HashMap.values(state.warrants)) oldest = Math.min(oldest, warrant.requestCursor)
  return oldest
}
