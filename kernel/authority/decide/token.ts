// An action under a capability token. What was signed outside becomes grants like any other, when it is used for the first
// time: from then on its caveats are checked, its uses charged and its end kept where those of every grant are.
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import { isActToken } from "../../../protocol/act.ts"
import type { ActionRequest, Caveats, Grant } from "../../../protocol/authority.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { isUnread, type Chain, type Unread } from "../../guard/act/chain.ts"
import { grantsMax, linksOfGrantMax } from "../../limits.ts"
import type { Entry, RequestReference } from "../entry.ts"
import { linksOf } from "../state/edge.ts"
import { addGrant } from "../state/grants.ts"
import { draftOf, heldBy, lookup, type AuthorityState } from "../state/state.ts"
import { decideAction, type ActionAnswer } from "./action.ts"
import type { Done } from "./compensate.ts"
import type { Decision, Rules } from "./decision.ts"

/** What a token is worth now: the grant at its end, and those of its links that were not met before. */
export interface Presented {
  readonly grant: string
  readonly missing: ReadonlyArray<Grant>
}

const refuse = (refused: string): Unread => ({ refused })

/** What is taken up ends when the token does, also in the hands of who names the grant and not the token. */
const endingWith = (caveats: Caveats, at: number | undefined): Caveats =>
  at === undefined ? caveats : { ...caveats, expiresAt: Math.min(caveats.expiresAt ?? Infinity, at) }

/** Whether a token that was read, with the keys that the kernel uses now, still stands, and is for who presents it. */
export const presentedIn = (state: AuthorityState, chain: Chain, holder: SystemId, now: number): Presented | Unread => {
  const { edge, grants } = state
  const { leaf, links, root } = chain
  if (edge.audience === null || root.audience !== edge.audience) return refuse("it is for another kernel")
  for (const { epoch, jkt, subject } of [root, ...links]) {
    const key = lookup(edge.enrolled, subject)
    if (key === undefined || key.kid !== jkt || key.epoch !== epoch) return refuse(`the key of ${subject} that it names is not the one that is enrolled`)
  }
  if (leaf.subject !== holder) return refuse("it is for another system")
  if (root.expiresAt !== undefined && now >= root.expiresAt) return refuse("it has expired")
  const held = lookup(grants, root.grant)?.grant
  // One that was issued anew under its id is another one.
  if (held === undefined || held.holder !== root.subject || held.offline !== undefined || root.issuedAt < held.issuedAt) return refuse("its grant has ended")
  if (held.facet === true && links.length > 0) return refuse("its grant may be invoked, and not delegated")
  const met = linksOf(edge, root.grant)
  const missing: Array<Grant> = []
  let parent = held
  for (const { caveats, digest, id, subject } of links) {
    const origin = `token:${digest}`
    const before = lookup(grants, id)?.grant
    if (before === undefined && HashSet.has(met, id)) return refuse("one of its links has ended")
    if (before !== undefined && (before.origin !== origin || before.parent !== parent.id || before.holder !== subject)) {
      return refuse("one of its links has the id of another one")
    }
    const giver = parent.holder
    const grant = before ?? {
      id, holder: subject, resource: held.resource, access: held.access, caveats: endingWith(caveats, root.expiresAt), parent: parent.id, issuedAt: now, origin, scope: {}, giver, offline: root.grant
    }
    if (before === undefined) {
      if (heldBy(state, giver).grants + missing.length >= grantsMax) return refuse(`${giver} has given ${grantsMax} grants, the most that one system may`)
      missing.push(grant)
    }
    parent = grant
  }
  if (missing.length > 0 && HashSet.size(met) + missing.length > linksOfGrantMax) return refuse(`${linksOfGrantMax} links of its grant were met, the most there may be`)
  return { grant: parent.id, missing }
}

/** No grant has this id. */
const noGrant = "token:none"

/** The verdict over a token that is worth nothing, with why. */
const refusedWith = (entry: Entry, reason: string): Entry =>
  entry.kind !== "action.decided" || entry.warrant.rule !== "capability"
    ? entry
    : { ...entry, warrant: { ...entry.warrant, grant: null, reason: `The capability token is good for nothing: ${reason}` } }

const isUnderWay = (entry: Entry): boolean => entry.kind === "action.decided" && (entry.warrant.state === "started" || entry.warrant.state === "escalated")

const withGrants = (state: AuthorityState, missing: ReadonlyArray<Grant>): AuthorityState => {
  if (missing.length === 0) return state
  const next = draftOf(state)
  for (const grant of missing) addGrant(next, grant)
  return next
}

/** As `decideAction`, also under a token. */
export const decideRequested = (
  rules: Rules, reference: RequestReference, request: ActionRequest, kept: ReadonlySet<string> = new Set(), taken?: Done
): Decision<ActionAnswer> => {
  const { capability } = request
  if (typeof capability !== "string" || !isActToken(capability)) return decideAction(rules, reference, request, kept, taken)
  return (state, now) => {
    const chain = rules.readToken?.(capability, state.edge.keys) ?? refuse("this kernel takes none")
    const presented = isUnread(chain) ? chain : presentedIn(state, chain, reference.system, now)
    if ("refused" in presented) {
      const decided = decideAction(rules, reference, { ...request, capability: noGrant }, kept, taken)(state, now)
      return { ...decided, entries: decided.entries.map((entry) => refusedWith(entry, presented.refused)) }
    }
    const { grant, missing } = presented
    const decided = decideAction(rules, reference, { ...request, capability: grant }, kept, taken)(withGrants(state, missing), now)
    if (missing.length === 0 || !decided.entries.some(isUnderWay)) return decided
    return { ...decided, entries: [...missing.map((one): Entry => ({ kind: "grant.issued", at: now, grant: one })), ...decided.entries] }
  }
}

/** Grants that were delegated with the key of a system, or to it, without asking the kernel. */
export const offlineGrantsOf = (state: AuthorityState, system: SystemId): ReadonlyArray<string> =>
  Array.from(HashMap.values(state.grants))
    .filter(({ grant }) => grant.offline !== undefined && (grant.holder === system || grant.giver === system))
    .map(({ grant }) => grant.id)
