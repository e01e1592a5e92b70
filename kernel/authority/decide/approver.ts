// Who may approve an action, and how many of them it takes.
import type { Risk } from "../../../protocol/authority.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { lookup, type AuthorityState } from "../state/state.ts"
import type { Rules } from "./decision.ts"

export const quorumOf = (rules: Rules, risk: Risk): { readonly quorum?: number } => {
  const quorum = rules.quorum?.[risk] ?? 1
  return quorum > 1 ? { quorum } : {}
}

const isWithin = (system: SystemId, other: SystemId): boolean => system.startsWith(`${other}/`)

/** Longest chain of grants that is walked. */
const linksMax = 64

/**
 * Why somebody may not answer for an action, or nothing. Not its requester, no system above or below that one by name, and
 * nobody who holds a grant in the chain that it was asked under: each of them would approve its own doing.
 */
export const approverRefusal = (state: AuthorityState, warrant: Warrant, by: SystemId): string | undefined => {
  if (warrant.system === by) return "the approver must not be the requester"
  if (isWithin(by, warrant.system) || isWithin(warrant.system, by)) return "the approver must not be a system above or below the requester"
  let link = warrant.grant
  for (let links = 0; link !== null && links < linksMax; links++) {
    const held = lookup(state.grants, link)
    if (held === undefined) break
    if (held.grant.holder === by) return "the approver must not hold a grant that the action was asked under"
    link = held.grant.parent
  }
  return undefined
}
