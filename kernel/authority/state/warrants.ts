// What the state says of warrants: those that are open, and the starts that count for a rate.
import * as HashMap from "effect/HashMap"
import type { Cursor } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { charge } from "./grants.ts"
import { addStart } from "./starts.ts"
import { lookup, type AuthorityState, type Draft } from "./state.ts"
import { count } from "./systems.ts"

export const changeWarrant = (state: Draft, id: string, change: Partial<Warrant>): void => {
  const warrant = lookup(state.warrants, id)
  if (warrant === undefined) return
  const changed = { ...warrant, ...change }
  const waiting = waits(changed) - waits(warrant)
  state.warrants = HashMap.set(state.warrants, id, changed)
  if (waiting !== 0) state.held = count(state.held, warrant.system, 0, 0, waiting)
}

/** 1 for one that waits for a human. */
export const waits = ({ state }: Warrant): 0 | 1 => (state === "escalated" ? 1 : 0)

export const isOpen = (warrant: Warrant): boolean =>
  warrant.state === "escalated" || warrant.state === "started" || warrant.state === "unknown"

export const openWarrant = (state: Draft, warrant: Warrant): void => {
  if (!HashMap.has(state.warrants, warrant.id)) state.held = count(state.held, warrant.system, 0, 1, waits(warrant))
  state.warrants = HashMap.set(state.warrants, warrant.id, warrant)
}

export const closeWarrant = (state: Draft, warrant: Warrant): void => {
  state.warrants = HashMap.remove(state.warrants, warrant.id)
  state.held = count(state.held, warrant.system, 0, -1, -waits(warrant))
}

export const started = (state: Draft, warrant: Warrant, at: number): void => {
  state.grants = charge(state.grants, warrant.grant, at)
  addStart(state, warrant.system, at)
}

/** Where the oldest open warrant was asked for; infinite when none is open. */
export const oldestOpenRequest = (state: AuthorityState): Cursor => {
  let oldest = Infinity
  for (const warrant of HashMap.values(state.warrants)) oldest = Math.min(oldest, warrant.requestCursor)
  return oldest
}
