// Who is here. Every request is a sign of life; a seat is left when its system is docked no more, or says so. That it is here
// does not mean that somebody reads: see `silence`.
import type { coordination, SystemId } from "aaax"
import type { Asker, Desk } from "./desk.ts"
import { withdraw } from "./card.ts"
import { attentionMillis, beatsMissedMax, seatsMax } from "./limits.ts"
import { leaveLines } from "./line.ts"
import { leaveInboxes, unreadOf } from "./mail.ts"
import * as refusal from "./refusal.ts"
import type { Seat, State } from "./state.ts"

/** The seat of who asks. One that was not here is here now; one that somebody else has is refused. */
export const arrive = (desk: Desk, by: Asker, verb: string): Seat | coordination.Refusal => {
  const { state } = desk
  let seat = state.seats.get(by.seat)
  if (seat === undefined) {
    if (state.seats.size >= seatsMax) forgetOne(state)
    seat = {
      seat: by.seat, system: by.system, online: false, lastSeen: by.at, attentiveAt: by.at, isTold: false, beatsMissed: 0, receives: undefined, waits: new Set()
    }
    state.seats.set(by.seat, seat)
  }
  if (seat.online && seat.system !== by.system) return refusal.nameConflict(by.seat)
  seat.lastSeen = by.at
  seat.beatsMissed = 0
  if (!seat.online && verb !== "leave") {
    seat.online = true
    seat.system = by.system
    seat.attentiveAt = by.at
    desk.show("joined", { seat: by.seat })
    watchSilence(state, seat, by.at)
  }
  if (verb !== "beat") attend(state, seat, by.at)
  else if (seat.receives !== undefined) receiveFor(state, seat.receives, by.at)
  return seat
}

/** It reads what it is sent, or somebody does for it. */
export const attend = (state: State, seat: Seat, now: number): void => {
  seat.attentiveAt = now
  if (seat.isTold) {
    seat.isTold = false
    watchSilence(state, seat, now)
  }
  if (seat.receives !== undefined) receiveFor(state, seat.receives, now)
}

const receiveFor = (state: State, name: string, now: number): void => {
  const seat = state.seats.get(name)
  if (seat !== undefined) attend(state, seat, now)
}

/** Names that were here longest ago are forgotten first, and none that is here. */
const forgetOne = (state: State): void => {
  for (const [name, seat] of state.seats) {
    if (seat.online || seat.waits.size > 0) continue
    state.seats.delete(name)
    return
  }
}

export const leave = (desk: Desk, seat: Seat): void => {
  if (!seat.online) return
  leaveInboxes(desk, seat)
  seat.online = false
  seat.receives = undefined
  leaveLines(desk, seat)
  withdraw(desk, seat.seat)
  desk.show("left", { seat: seat.seat })
  // The latest to leave is the last to be forgotten.
  desk.state.seats.delete(seat.seat)
  desk.state.seats.set(seat.seat, seat)
}

/** The kernel says who is docked. */
export const beat = (desk: Desk, docked: ReadonlySet<SystemId>): void => {
  // A copy: who leaves goes to the end.
  const seats = Array.from(desk.state.seats.values())
  for (const seat of seats) {
    if (docked.has(seat.system)) seat.beatsMissed = 0
    else if (++seat.beatsMissed >= beatsMissedMax) leave(desk, seat)
  }
}

/** Whether a beat has something to say. */
export const misses = (state: State, docked: ReadonlySet<SystemId>): boolean => {
  for (const seat of state.seats.values()) if (seat.online && !docked.has(seat.system)) return true
  return false
}

const watchSilence = (state: State, seat: Seat, now: number): void => state.timers.add(now + attentionMillis, "silent", seat.seat)

/** A seat may read nothing for long. When it has claims, it is told once; who looks at it sees since when. */
export const silence = (desk: Desk, name: string): void => {
  const { now, state } = desk
  const seat = state.seats.get(name)
  if (seat === undefined || !seat.online || seat.isTold) return
  const at = seat.attentiveAt + attentionMillis
  if (now < at) return state.timers.add(at, "silent", name)
  const claims = state.held.get(seat.system)
  if (claims === undefined) return state.timers.add(now + attentionMillis, "silent", name)
  seat.isTold = true
  desk.notify(seat.system, { notice: "silent", since: seat.attentiveAt, claims: [...claims] })
}

export const presenceOf = (state: State, seat: Seat, now: number): coordination.Presence => ({
  seat: seat.seat,
  online: seat.online,
  lastSeen: seat.lastSeen,
  ...(seat.online && now - seat.attentiveAt >= attentionMillis ? { silentSince: seat.attentiveAt } : {}),
  unread: unreadOf(state, seat.seat)
})
