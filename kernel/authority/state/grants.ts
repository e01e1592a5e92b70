// What the state says of grants: adding, ending and charging them, and what hangs below one.
import * as HashMap from "effect/HashMap"
import type { Grant } from "../../../protocol/authority.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { lookup, type AuthorityState, type HeldGrant } from "./state.ts"
import { count } from "./systems.ts"

export const addGrant = (state: AuthorityState, grant: Grant): AuthorityState => {
  const before = lookup(state.grants, grant.id)?.grant
  const dropped = before === undefined ? state : dropGrant(state, grant.id)
  return { ...dropped, grants: HashMap.set(dropped.grants, grant.id, { grant, uses: 0 }), held: count(dropped, grant.holder, 1, 0) }
}

export const dropGrant = (state: AuthorityState, id: string): AuthorityState => {
  const before = lookup(state.grants, id)
  return before === undefined
    ? state
    : { ...state, grants: HashMap.remove(state.grants, id), held: count(state, before.grant.holder, -1, 0) }
}

/** Charges one use on every link of a grant's chain. */
export const charge = (grants: AuthorityState["grants"], id: string | null): AuthorityState["grants"] => {
  let charged = grants
  for (let link = id; link !== null; ) {
    const held: HeldGrant | undefined = lookup(charged, link)
    if (held === undefined) break
    charged = HashMap.set(charged, link, { ...held, uses: held.uses + 1 })
    link = held.grant.parent
  }
  return charged
}

/** All grants below these, themselves included: what falls when they fall. */
export const subtree = (state: AuthorityState, roots: Iterable<string>): ReadonlyArray<string> => {
  const fallen = new Set(roots)
  for (let size = -1; size !== fallen.size; ) {
    size = fallen.size
    for (const { grant } of HashMap.values(state.grants)) {
      if (grant.parent !== null && fallen.has(grant.parent)) fallen.add(grant.id)
    }
  }
  return [...fallen].filter((id) => HashMap.has(state.grants, id))
}

export const grantsOf = (state: AuthorityState, holder: SystemId): ReadonlyArray<Grant> =>
  [...HashMap.values(state.grants)].filter(({ grant }) => grant.holder === holder).map(({ grant }) => grant)
