// Decisions: what each request comes to, from the state as it is with everything that was decided before. Pure but for the
// desk that it writes on: no clock, no store, no chance.
import { coordination, Schema, type SystemId } from "aaax"
import { tooLong } from "./bounds.ts"
import * as card from "./card.ts"
import * as chat from "./chat.ts"
import { grantOf, take } from "./claim.ts"
import * as coverage from "./coverage.ts"
import type { Asker, Desk } from "./desk.ts"
import { answeredBefore, appliedOf, decidedBefore, grantedBy } from "./keyed.ts"
import * as lease from "./lease.ts"
import * as line from "./line.ts"
import * as loss from "./loss.ts"
import * as mail from "./mail.ts"
import * as plan from "./plan.ts"
import * as presence from "./presence.ts"
import * as question from "./question.ts"
import * as refusal from "./refusal.ts"
import type { ClaimAsk, Seat } from "./state.ts"

type Ask = coordination.Ask
type Answer = coordination.Answer

/** A request as it was taken. */
export interface Request {
  readonly id: string
  readonly sender: SystemId
  /** Kernel time. */
  readonly at: number
  readonly payload: unknown
  /** sha-256 of the request without its key, when it has one. */
  readonly digest?: string
  /** It was handed out before. */
  readonly isAgain?: boolean
  /** It stayed, and is asked once more. */
  readonly isResumed?: boolean
}

type Decoder = (payload: unknown) => { readonly _tag: "Success"; readonly value: Ask } | { readonly _tag: "Failure" }

/** One decoder for each verb: nobody looks through all of them for each request. */
const decoders = new Map<string, Decoder>()
const asks = new Map<string, (payload: unknown) => Ask>()
for (const member of coordination.Ask.members) {
  const verb = member.fields.verb.literal
  decoders.set(verb, Schema.decodeUnknownExit(member) as Decoder) // an exit of one member of `Ask`
  asks.set(verb, Schema.decodeUnknownSync(member))
}

/** Names what is wrong with a request. */
const complaintOf = (verb: string, payload: unknown): coordination.Refusal => {
  try {
    asks.get(verb)?.(payload)
  } catch (thrown) {
    if (thrown instanceof Error) return refusal.invalid(`${verb}: ${thrown.message.slice(0, 500)}`)
  }
  return refusal.invalid(`${verb} is not understood.`)
}

/** The request's own words, or what is wrong with them. */
export const askOf = (payload: unknown): Ask | coordination.Refusal => {
  const verb: unknown = typeof payload === "object" && payload !== null && "verb" in payload ? payload.verb : undefined
  const decode = typeof verb === "string" ? decoders.get(verb) : undefined
  if (decode === undefined) {
    return refusal.invalid(typeof verb === "string" ? `Unknown verb '${verb.slice(0, 100)}'. There are: ${[...decoders.keys()].join(", ")}.` : "A request is an object with a verb.")
  }
  const exit = decode(payload)
  if (exit._tag === "Failure") return complaintOf(String(verb), payload)
  return tooLong(exit.value) ?? exit.value
}

/** Decides a request. Its answer is on the desk, unless it is one that stays. */
export const decide = (desk: Desk, request: Request): void => {
  const { id, sender } = request
  lapse(desk, request.at)
  const at = desk.now
  const answer = answerFor(desk, { id, seat: coordination.seatOfSystem(sender), system: sender, at }, request)
  if (answer !== undefined) desk.answer(id, sender, answer)
}

const answerFor = (desk: Desk, by: Asker, request: Request): Answer | undefined => {
  const again = request.isAgain === true ? decidedBefore(desk, by.id) : undefined
  if (again !== undefined) return again
  const ask = askOf(request.payload)
  if ("ok" in ask) return ask
  if (request.isAgain === true && request.isResumed !== true && ask.verb !== "wait" && desk.state.waiting.live.has(by.id)) return undefined
  // The operator takes no seat.
  if (ask.verb === "accept-loss") return loss.accept(desk, by, ask)
  const seat = presence.arrive(desk, by, ask.verb)
  if ("ok" in seat) return seat
  const applied = appliedOf(ask, by, request.digest)
  return (applied === undefined ? undefined : answeredBefore(desk.state, applied)) ?? answerTo(desk, by, seat, ask, applied)
}

const answerTo = (desk: Desk, by: Asker, seat: Seat, ask: Ask, applied: coordination.Applied | undefined): Answer | undefined => {
  const { state } = desk
  if (state.losses !== undefined && loss.changesLedger.has(ask.verb)) return refusal.ledgerDamaged(state.losses)
  switch (ask.verb) {
    case "losses":
      return loss.losses(state)
    case "accept-loss":
      return refusal.operatorOnly
    case "claim":
      return claim(desk, by, ask, applied)
    case "release":
      return lease.release(desk, by, ask, applied)
    case "update":
      return lease.update(desk, by, ask, applied)
    case "handoff":
      return lease.handoff(desk, by, ask, applied)
    case "checkpoint":
      return lease.checkpoint(desk, by, ask, applied)
    case "wait":
      return line.wait(desk, by, ask.task)
    case "withdraw":
      return withdraw(desk, by, seat, ask.request)
    case "offer":
      return card.offer(desk, by, ask, applied)
    case "declare":
      return plan.declare(desk, by, ask, applied)
    case "plan":
      return plan.change(desk, by, ask, applied)
    case "progress":
      return plan.progress(desk, by, ask, applied)
    case "advertise":
      return card.advertise(desk, by, ask)
    case "send":
      return mail.send(desk, by, ask)
    case "acknowledge":
      return mail.acknowledge(desk, by, seat, ask)
    case "inbox":
      return mail.inbox(desk, by, seat, ask)
    case "attach":
      return mail.attach(desk, by, seat, ask)
    case "leave":
      presence.leave(desk, seat)
      return { ok: true }
    case "beat":
      return { ok: true }
    case "state":
      return question.stateOf(state, ask, desk.now)
    case "who":
      return question.who(state, desk.now)
    case "board":
      return plan.board(state, ask)
    case "manifest":
      return card.manifest(state, ask.taskClass)
    case "history":
      return chat.history(state, ask)
    case "resume":
      return chat.resume(state, ask)
    case "receipts":
      return mail.receipts(state, ask)
    case "check":
      return coverage.check(state, by, ask)
    case "why":
      return coverage.why(state, ask)
  }
}

const claim = (desk: Desk, by: Asker, ask: ClaimAsk, applied: coordination.Applied | undefined): Answer | undefined => {
  const grant = grantOf(desk.state, by, ask, desk.now)
  if (!("ok" in grant)) {
    const answer = take(desk, grant, by.id, applied)
    line.isAtWork(desk.state, by.system, grant.task)
    return answer
  }
  const conflict = ask.wait === true ? line.lineOf(grant) : undefined
  if (conflict === undefined) return grant
  const refused = line.park(desk, by, { request: by.id, ask, ...(applied === undefined ? {} : { applied }) }, conflict)
  if (refused === undefined) desk.state.waiting.hold({ request: by.id, system: by.system, ask, ...(applied === undefined ? {} : { digest: applied.digest }) })
  return refused
}

/** What is asked for no more is not waited for, and given back if it crossed this. */
const withdraw = (desk: Desk, by: Asker, seat: Seat, request: string): coordination.Answer<"withdraw"> => {
  if (line.unpark(desk, by, request) || mail.leaveInbox(desk, seat, request)) return { ok: true, withdrawn: true, released: false }
  const granted = grantedBy(desk.state, by, request)
  const isHeld = desk.state.losses === undefined && granted !== undefined && desk.state.claims.get(granted.task)?.epoch === granted.epoch
  if (isHeld) lease.release(desk, by, { verb: "release", task: granted.task, epoch: granted.epoch }, undefined)
  return { ok: true, withdrawn: false, released: isHeld }
}

/** Does what has fallen due. Time never goes back. */
export const lapse = (desk: Desk, now: number): void => {
  const { state } = desk
  desk.now = Math.max(desk.now, now)
  for (let timed = state.timers.take(desk.now); timed !== undefined; timed = state.timers.take(desk.now)) {
    const { due, key } = timed
    switch (due) {
      case "warn":
      case "lapse": {
        const found = claimOf(desk, key)
        // While entries are lost no claim ends; once they are not, they are looked at again.
        if (found === undefined || state.losses !== undefined) break
        if (due === "lapse") expire(desk, found)
        else if (found.expiresAt > desk.now) desk.notify(found.holder, { notice: "expiring", task: found.task, epoch: found.epoch, expiresAt: found.expiresAt })
        break
      }
      case "turn":
        if (!state.claims.has(key)) line.served(desk, key)
        break
      case "offer":
        card.offerIsDue(desk, key)
        break
      case "card":
        card.cardIsDue(desk, key)
        break
      case "dead":
        mail.isDead(desk, key)
        break
      case "silent":
        presence.silence(desk, key)
        break
    }
  }
  state.timers.prune(({ due, key }) => (due !== "warn" && due !== "lapse") || claimOf(desk, key) !== undefined)
}

/** The claim that a timer was set for, if it is there still. */
const claimOf = (desk: Desk, key: string): coordination.Claim | undefined => {
  const slash = key.indexOf("/")
  const found = desk.state.claims.get(key.slice(slash + 1))
  return found?.epoch === Number(key.slice(0, slash)) ? found : undefined
}

const expire = (desk: Desk, { checkpoint, epoch, holder, owner, task }: coordination.Claim): void => {
  desk.enter({ kind: "expired", payload: { task, owner, epoch, checkpoint } }, null)
  desk.notify(holder, { notice: "expired", task, epoch })
  line.served(desk, task)
}
