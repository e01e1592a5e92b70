// Giving a part of what one holds to another system, and taking it back. A child says only what it narrows: it is checked
// together with everything above it, so that nothing wider can be said.
import * as HashMap from "effect/HashMap"
import {
  covers, facetSecondsDefault, facetSecondsMax, grantSecondsDefault, grantSecondsMax, type Access, type Caveats, type DelegateRequest, type Delegation, type Grant,
  type RevokeRequest
} from "../../../protocol/authority.ts"
import { nearest, type SystemId } from "../../../protocol/names.ts"
import { replyKinds } from "../../../protocol/warrant.ts"
import { grantsMax, linksMax } from "../../limits.ts"
import { caveatsOf } from "../caveats.ts"
import { sameTrace, type Entry, type RequestReference } from "../entry.ts"
import { heldBy, lookup, type AuthorityState } from "../state/state.ts"
import { chainOf, endOf } from "../verify.ts"
import { endingOf } from "./ending.ts"
import { nothing, type Decision } from "./decision.ts"
import { answered, refuseRequest } from "./request.ts"

/** Why there is no grant, and who would be wrong to try again. */
export interface NoGrant {
  readonly reason: string
  /** What was asked for is not well said; otherwise it is not allowed. */
  readonly isMalformed?: boolean
  /** There is no such system. */
  readonly unknownSystem?: string
  /** There is no such grant, or not in these hands. */
  readonly isUnknown?: boolean
}

const unknownGrant: NoGrant = { reason: "Invalid or expired capability token", isUnknown: true }

/** Who cannot be given anything. */
const recipientProblem = (state: AuthorityState, to: SystemId): NoGrant | undefined => {
  const record = lookup(state.systems, to)
  // One with a key of its own is somebody also while it is not connected.
  if (record === undefined && HashMap.has(state.edge.enrolled, to)) return undefined
  if (record === undefined) {
    const near = nearest(to, HashMap.keys(state.systems))
    return { reason: `${to} is not docked${near === undefined ? "" : `; did you mean ${near}?`}`, unknownSystem: to }
  }
  return record.status === "revoked" || record.status === "quarantined" ? { reason: `${to} is ${record.status}` } : undefined
}

const secondsProblem = (seconds: number | undefined, max: number): string | undefined =>
  seconds === undefined || (seconds > 0 && seconds <= max) ? undefined : `ttl must be a number of seconds above 0 and at most ${max}`

/** When a grant ends that says both how long and until when, or neither; and never later than what it is made of. */
const endsAt = (now: number, seconds: number | undefined, caveats: Caveats, parentsEnd: number | undefined): number | undefined => {
  const ends = [seconds === undefined ? undefined : now + Math.floor(seconds * 1_000), caveats.expiresAt].filter((at) => at !== undefined)
  return ends.length === 0 ? undefined : Math.min(...ends, parentsEnd ?? Infinity)
}

export interface Child {
  readonly id: string
  /** The request that it answers. */
  readonly origin: string
}

/** A child of a grant as its holder may make it. Any holder that a caller has found to be the right one may ask for it. */
export const childOf = (state: AuthorityState, delegation: Delegation, { id, origin }: Child, now: number): Grant | NoGrant => {
  const { facet = false, to, token } = delegation
  const chain = chainOf(state, token)
  const parent = chain[0]?.grant
  if (parent === undefined) return unknownGrant
  if (parent.facet === true) {
    return { reason: "It may be used and not passed on: it is a facet. Ask who gave it for a capability of your own, or ask on aaax.capability-request." }
  }
  const end = endOf(chain)
  if (end !== undefined && now >= end) return unknownGrant
  if (chain.length >= linksMax) return { reason: `It was delegated ${linksMax - 1} times, which is the most` }
  for (const [below, { grant: link }] of chain.entries()) {
    const { delegationsMax } = link.caveats
    if (delegationsMax !== undefined && below + 1 > delegationsMax) {
      return { reason: `delegationsMax of ${link.id} does not hold: it allows ${delegationsMax} links below it, and this would be link ${below + 1}. Ask for one of your own on aaax.capability-request.` }
    }
  }
  const access: Access = delegation.access ?? parent.access
  if (!covers(parent.access, access)) return { reason: `${access} is more than what it allows: ${parent.access}. A delegated capability is never wider.` }
  const caveats = caveatsOf(delegation.caveats ?? {})
  if (typeof caveats === "string") return { reason: caveats, isMalformed: true }
  const problem = secondsProblem(delegation.ttl, facet ? facetSecondsMax : grantSecondsMax)
  if (problem !== undefined) return { reason: problem, isMalformed: true }
  const recipient = recipientProblem(state, to)
  if (recipient !== undefined) return recipient
  const giver = parent.holder
  if (heldBy(state, giver).grants >= grantsMax) {
    return { reason: `${giver} holds and has given ${grantsMax} grants, the most that one system may; revoke some, or let some expire` }
  }
  const most = facet ? facetSecondsMax : undefined
  const expiresAt = endsAt(now, delegation.ttl ?? (facet ? facetSecondsDefault : undefined), caveats, Math.min(end ?? Infinity, most === undefined ? Infinity : now + most * 1_000))
  return {
    access, caveats: expiresAt === undefined ? caveats : { ...caveats, expiresAt }, ...(facet ? { facet } : {}), giver, holder: to, id, issuedAt: now, origin,
    parent: parent.id, resource: parent.resource, scope: {}
  }
}

const isGrant = (made: Grant | NoGrant): made is Grant => "id" in made

/** A holder gives a part of a grant to another system. */
export const decideDelegate = (reference: RequestReference, { delegate }: DelegateRequest): Decision<void> => (state, now) => {
  if (answered(state, reference) !== undefined) return nothing
  const { request, system } = reference
  const refuse = (reason: string): ReturnType<Decision<void>> => refuseRequest(reference, replyKinds.refusedCapability, reason)(state, now)
  const record = lookup(state.systems, system)
  if (record?.status === "revoked" || record?.status === "quarantined") return refuse(`${system} is ${record.status}`)
  // In another's hands it is worth nothing, and who asks does not learn that it is there.
  if (lookup(state.grants, delegate.token)?.grant.holder !== system) return refuse(unknownGrant.reason)
  const child = childOf(state, delegate, { id: `grant:${request}`, origin: request }, now)
  if (!isGrant(child)) return refuse(child.reason)
  return {
    entries: [
      { kind: "grant.issued", at: now, grant: child },
      {
        kind: "capability.decided", access: child.access, at: now, channel: reference.channel, floor: reference.floor, grant: child, outcome: "granted",
        reason: "", request, requestCursor: reference.requestCursor, resource: child.resource, rule: "delegation", system, ...sameTrace(reference)
      }
    ],
    answer: undefined
  }
}

/** Whether somebody holds a grant, or one that it hangs below. */
const isAbove = (state: AuthorityState, token: string, system: SystemId): boolean => chainOf(state, token).some(({ grant }) => grant.holder === system)

/** A holder gives a grant up, or takes back what it delegated, at any depth. */
export const decideGiveUp = (reference: RequestReference, { revoke }: RevokeRequest): Decision<void> => (state, now) => {
  if (answered(state, reference) !== undefined) return nothing
  const refuse = (): ReturnType<Decision<void>> => refuseRequest(reference, replyKinds.refusedCapability, unknownGrant.reason)(state, now)
  const held = lookup(state.grants, revoke)
  const ending = held === undefined || !isAbove(state, revoke, reference.system) ? undefined : endingOf(state, [revoke], held.grant.holder, "revoked", now)
  if (ending === undefined) return refuse()
  const { ended, entry, underWay } = ending
  return { entries: [entry, { kind: "capability.revoked", at: now, ...reference, grant: revoke, ended, underWay }], answer: undefined }
}

/** What an operator mints, or makes of a grant in its holder's place. */
export interface Issue {
  readonly to: SystemId
  readonly resource: string
  readonly access: Access
  readonly caveats?: unknown
  /** Seconds; default `grantSecondsDefault`. */
  readonly ttl?: number
}

const issuedEntries = (grant: Grant | NoGrant, now: number): { readonly entries: ReadonlyArray<Entry>; readonly answer: Grant | NoGrant } => ({
  entries: isGrant(grant) ? [{ kind: "grant.issued", at: now, grant }] : [], answer: grant
})

/** No request has this id, nor any other entry. */
const nextId = (state: AuthorityState): string => `issued:${state.boot}:${state.cursor + 1}`

/** The operator gives a system a grant that nothing is above of. Policy is asked when it is used. */
export const decideIssue = (by: SystemId, issue: Issue): Decision<Grant | NoGrant> => (state, now) => {
  const id = nextId(state)
  const { access, resource, to } = issue
  const caveats = caveatsOf(issue.caveats ?? {})
  if (typeof caveats === "string") return issuedEntries({ reason: caveats, isMalformed: true }, now)
  const problem = secondsProblem(issue.ttl, grantSecondsMax)
  if (problem !== undefined) return issuedEntries({ reason: problem, isMalformed: true }, now)
  const recipient = recipientProblem(state, to)
  if (recipient !== undefined) return issuedEntries(recipient, now)
  if (heldBy(state, to).grants >= grantsMax) return issuedEntries({ reason: `${to} has ${grantsMax} grants, the most that one system may have; let some expire` }, now)
  const expiresAt = Math.min(endsAt(now, issue.ttl ?? (caveats.expiresAt === undefined ? grantSecondsDefault : undefined), caveats, undefined)!, now + grantSecondsMax * 1_000)
  return issuedEntries({
    access, caveats: { ...caveats, expiresAt }, holder: to, id, issuedAt: now, origin: by, parent: null, resource, scope: { issued_by: by }
  }, now)
}

/** The operator makes a child of a grant in its holder's place: it counts to the holder, as if that had made it. */
export const decideDelegateFor = (by: SystemId, delegation: Delegation): Decision<Grant | NoGrant> => (state, now) =>
  issuedEntries(childOf(state, delegation, { id: nextId(state), origin: by }, now), now)

/** The operator ends a grant, and its holder does not get another one by asking. Answers how many ended with it. */
export const decideRevoke = (id: string): Decision<number> => (state, now) => {
  const ending = endingOf(state, [id], lookup(state.grants, id)?.grant.holder ?? null, "revoked", now)
  return ending === undefined ? { entries: [], answer: 0 } : { entries: [{ ...ending.entry, by: "operator" }], answer: ending.ended }
}
