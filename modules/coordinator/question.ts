// Questions about the whole: who is here, and what is claimed.
import type { coordination } from "aaax"
import { offersOf } from "./card.ts"
import { besidePageTextMax, pageTextMax } from "./limits.ts"
import { pageOf } from "./page.ts"
import { presenceOf } from "./presence.ts"
import type { State } from "./state.ts"

type Ask<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>
type Claim = coordination.Claim

const seatsOf = (state: State, now: number): ReadonlyArray<coordination.Presence> =>
  [...state.seats.values()].map((seat) => presenceOf(state, seat, now)).sort((a, b) => (a.seat < b.seat ? -1 : a.seat > b.seat ? 1 : 0))

/** The seats that are here, by name. */
export const who = (state: State, now: number): coordination.Answer<"who"> => ({ ok: true, seats: seatsOf(state, now).filter(({ online }) => online) })

const isOf = (claim: Claim, owner: string | undefined): boolean => owner === undefined || claim.owner === owner || claim.owner.startsWith(`${owner}/`)

/** The claims in the order of their granting; seats and offers come with the first page, as many as fit. */
export const stateOf = (state: State, ask: Ask<"state">, now: number): coordination.Answer<"state"> => {
  const after = Number(ask.after ?? 0)
  const rest = ask.task === undefined ? claimsBehind(state, Number.isFinite(after) ? after : 0, ask.owner) : oneClaim(state, ask.task.trim())
  const lost = state.losses === undefined ? {} : { lost: state.losses.entries }
  const room = { left: pageTextMax }
  const page = pageOf(rest, (claim) => String(claim.epoch), ask.limit, room)
  if (ask.after !== undefined) return { ok: true, ...page, seats: [], offers: [], at: now, ...lost }
  room.left += besidePageTextMax
  const offers = pageOf(offersOf(state, now), () => "", undefined, room)
  const seats = pageOf(seatsOf(state, now), () => "", undefined, room)
  const truncated = offers.next === undefined && seats.next === undefined ? {} : { truncated: true as const }
  return { ok: true, ...page, seats: seats.items, offers: offers.items, at: now, ...lost, ...truncated }
}

const oneClaim = (state: State, task: string): ReadonlyArray<Claim> => {
  const claim = state.claims.get(task)
  return claim === undefined ? [] : [claim]
}

function* claimsBehind(state: State, epoch: number, owner: string | undefined): Generator<Claim, void, undefined> {
  for (const claim of state.claims.values()) if (claim.epoch > epoch && isOf(claim, owner)) yield claim
}
