// The lines of those who wait for a task: first come, first served. Who waits for whom is looked up when it is asked, from
// the claims and the lines as they are, so that no wait outlives what it was for.
import { coordination, type SystemId } from "aaax"
import { grantOf, take } from "./claim.ts"
import type { Asker, Desk } from "./desk.ts"
import { lineMax, turnMillis, waitsPerSeatMax } from "./limits.ts"
import * as refusal from "./refusal.ts"
import type { Seat, State, Waiter } from "./state.ts"
import { callsLine } from "./under-way.ts"
import { toldBy } from "./waiting.ts"

const seatOf = (state: State, system: SystemId): Seat | undefined => {
  const seat = state.seats.get(coordination.seatOfSystem(system))
  return seat?.system === system ? seat : undefined
}

/** Whether one of these, or somebody that they wait for through however many others, is the goal. Waits for `but` do not count. */
const reaches = (state: State, from: ReadonlyArray<SystemId>, isGoal: (system: SystemId) => boolean, but?: string): boolean => {
  const seen = new Set<SystemId>()
  // How far into each line it was looked who is ahead: whoever stands there has the others before it.
  const looked = new Map<string, number>()
  const open = [...from]
  for (let system = open.pop(); system !== undefined; system = open.pop()) {
    if (seen.has(system)) continue
    seen.add(system)
    if (isGoal(system)) return true
    for (const wait of seatOf(state, system)?.waits ?? []) {
      if (wait.isIdle || wait.task === but) continue
      if ((looked.get(wait.task) ?? -1) >= wait.order) continue
      looked.set(wait.task, wait.order)
      open.push(...aheadOf(state, wait.task, wait.order))
    }
  }
  return false
}

/** Who must be done with a task before somebody in its line has it: its holder, and those who came earlier. */
const aheadOf = (state: State, task: string, order: number): ReadonlyArray<SystemId> => {
  const claim = state.claims.get(task)
  const ahead = claim === undefined ? [] : [claim.holder]
  for (const waiter of state.lines.get(task) ?? []) if (waiter.order < order && !waiter.isIdle) ahead.push(waiter.system)
  return ahead
}

/** Whether somebody would wait for itself if this seat stood in line for a task: the seat, or one of those behind it. */
const wouldCircle = (state: State, system: SystemId, task: string, order: number): boolean => {
  const ahead = aheadOf(state, task, order)
  const behind = new Set([system])
  for (const waiter of state.lines.get(task) ?? []) if (waiter.order > order && !waiter.isIdle) behind.add(waiter.system)
  const from = [...ahead]
  if (behind.size > 1) for (const wait of seatOf(state, system)?.waits ?? []) if (!wait.isIdle) from.push(...aheadOf(state, wait.task, wait.order))
  return reaches(state, from.filter((one) => one !== system), (one) => behind.has(one))
}

/** Who only wants to be told, and would wait for itself, is told all the same, but counts as one who does other work. */
const ease = (state: State, task: string): void => {
  for (const waiter of state.lines.get(task) ?? []) {
    if (waiter.parked === undefined && !waiter.isIdle && wouldCircle(state, waiter.system, task, waiter.order)) waiter.isIdle = true
  }
}

/** Whether those in line for a task would wait for themselves if this system had it. */
export const closesCircle = (state: State, system: SystemId, task: string): boolean => {
  const waiting = new Set((state.lines.get(task) ?? []).filter((waiter) => !waiter.isIdle && waiter.system !== system).map((waiter) => waiter.system))
  return waiting.size > 0 && reaches(state, [system], (one) => waiting.has(one), task)
}

const join = (state: State, waiter: Waiter, task: string): void => {
  waiter.task = task
  const line = state.lines.get(task)
  if (line === undefined) state.lines.set(task, [waiter])
  else {
    let place = line.length
    while (place > 0 && line[place - 1]!.order > waiter.order) place--
    line.splice(place, 0, waiter)
  }
  seatOf(state, waiter.system)?.waits.add(waiter)
}

const ends = (state: State, { request }: Waiter): void => {
  if (request !== undefined) state.waiting.end(request)
}

const leave = (state: State, waiter: Waiter): void => {
  const line = state.lines.get(waiter.task)
  const place = line?.indexOf(waiter) ?? -1
  if (line !== undefined && place >= 0) line.splice(place, 1)
  if (line?.length === 0) state.lines.delete(waiter.task)
  ends(state, waiter)
  seatOf(state, waiter.system)?.waits.delete(waiter)
}

const tooMany = (state: State, by: Asker, task: string): coordination.Refusal | undefined => {
  if ((state.lines.get(task)?.length ?? 0) >= lineMax) return refusal.full(`Seats that wait for '${task}'`, lineMax)
  return (seatOf(state, by.system)?.waits.size ?? 0) >= waitsPerSeatMax ? refusal.full(`Tasks that ${by.seat} waits for`, waitsPerSeatMax) : undefined
}

/** The line behind what a claim was refused for; nothing: waiting does not help. */
export const lineOf = ({ code, conflict }: coordination.Refusal): string | undefined =>
  code === "LEASE_LIVE" || code === "SCOPE_CONFLICT" ? conflict ?? callsLine : undefined

/** To be told when a task is free. */
export const wait = (desk: Desk, by: Asker, given: string): coordination.Answer<"wait"> => {
  const { state } = desk
  const task = given.trim()
  const claim = state.claims.get(task)
  if (claim === undefined) return refusal.nothingToWaitFor(task)
  if (claim.holder === by.system) return refusal.alreadyHeld(task)
  const line = state.lines.get(task) ?? []
  const known = line.find((waiter) => waiter.system === by.system && waiter.parked === undefined)
  if (wouldCircle(state, by.system, task, known?.order ?? Infinity)) return refusal.wouldDeadlock(task, claim.owner)
  if (known === undefined) {
    const refused = tooMany(state, by, task)
    if (refused !== undefined) return refused
    join(state, { order: ++state.order, seat: by.seat, system: by.system, task, request: toldBy(by.id), isIdle: false }, task)
    state.waiting.hold({ request: toldBy(by.id), system: by.system, ask: { verb: "wait", task } })
  } else known.isIdle = false
  return { ok: true, task, holder: claim.owner, position: known === undefined ? state.lines.get(task)!.length : line.indexOf(known) + 1 }
}

/** Keeps a claim in line behind the task that is in its way; the answer comes when it is its turn. */
export const park = (
  desk: Desk, by: Asker, parked: Waiter["parked"] & {}, conflict: string, order = ++desk.state.order
): coordination.Refusal | undefined => {
  const { state } = desk
  const claim = state.claims.get(conflict)
  if (wouldCircle(state, by.system, conflict, order)) return refusal.wouldDeadlock(conflict, claim?.owner ?? "nobody")
  const refused = tooMany(state, by, conflict)
  if (refused === undefined) join(state, { order, seat: by.seat, system: by.system, task: conflict, parked, isIdle: false }, conflict)
  return refused
}

/** A task has another holder, or none: those in its line have their turn. */
export const served = (desk: Desk, task: string): void => {
  const { state } = desk
  const line = state.lines.get(task)
  if (line === undefined) return
  state.lines.delete(task)
  for (const waiter of line) seatOf(state, waiter.system)?.waits.delete(waiter)
  let isTold = false
  for (const waiter of line) {
    if (waiter.parked !== undefined) servedClaim(desk, waiter, waiter.parked)
    else if (state.claims.get(task)?.holder === waiter.system) ends(state, waiter)
    else if (state.claims.has(task) || isTold) join(state, waiter, task)
    else {
      isTold = true
      ends(state, waiter)
      desk.notify(waiter.system, { notice: "free", task })
    }
  }
  ease(state, task)
  // Who was told need not want it any more.
  if (isTold && state.lines.has(task)) state.timers.add(desk.now + turnMillis, "turn", task)
}

const servedClaim = (desk: Desk, waiter: Waiter, parked: Waiter["parked"] & {}): void => {
  const { order, seat, system } = waiter
  const grant = grantOf(desk.state, waiter, parked.ask, desk.now)
  if (!("ok" in grant)) {
    desk.answer(parked.request, system, take(desk, grant, parked.request, parked.applied))
    return isAtWork(desk.state, system, grant.task)
  }
  const conflict = lineOf(grant)
  const by: Asker = { id: parked.request, seat, system, at: desk.now }
  let refused = conflict === undefined ? grant : park(desk, by, parked, conflict, order)
  // Its place would close a circle with those who stand in that line: it goes behind them.
  if (conflict !== undefined && refused?.code === "WOULD_DEADLOCK") refused = park(desk, by, parked, conflict)
  if (refused !== undefined) desk.answer(parked.request, system, refused)
}

/** Takes a claim out of the line that it waits in: of its key, or of its request's event. Answers whether there was one. */
export const unpark = (desk: Desk, by: Asker, request: string): boolean => {
  let found = false
  for (const waiter of seatOf(desk.state, by.system)?.waits ?? []) {
    const { parked } = waiter
    if (parked === undefined || (parked.request !== request && parked.applied?.key !== request)) continue
    found = true
    leave(desk.state, waiter)
    desk.answer(parked.request, waiter.system, refusal.withdrawn)
  }
  return found
}

/** A seat has what it waited to be told of. */
export const leaveLine = (state: State, system: SystemId, task: string): void => {
  for (const waiter of (state.lines.get(task) ?? []).filter((one) => one.system === system && one.parked === undefined)) leave(state, waiter)
}

/** A seat was granted a claim: it is at work, and nobody waits for it because it wants to be told of something. */
export const isAtWork = (state: State, system: SystemId, task: string): void => {
  leaveLine(state, system, task)
  for (const wait of seatOf(state, system)?.waits ?? []) if (wait.parked === undefined) wait.isIdle = true
  ease(state, task)
}

/** A seat is gone: it waits for nothing any more, and those behind it move up. */
export const leaveLines = (desk: Desk, seat: Seat): void => {
  for (const waiter of seat.waits) {
    leave(desk.state, waiter)
    if (waiter.parked !== undefined) desk.answer(waiter.parked.request, waiter.system, refusal.invalid(`${seat.seat} left before it was its turn.`))
  }
  seat.waits.clear()
}
