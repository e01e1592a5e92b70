// What the state says of grants: adding, ending and charging them, and what hangs below one.
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import type { Grant } from "../../../protocol/authority.ts"
import type { SystemId } from "../../../protocol/names.ts"
import { closeAccount, openAccount } from "./budgets.ts"
import { lookup, type AuthorityState, type Draft, type HeldGrant } from "./state.ts"
import { count } from "./systems.ts"

/** Whose number of grants one counts to: nobody fills up another's by giving. */
export const bearerOf = ({ giver, holder }: Grant): SystemId => giver ?? holder

const nobody: HashSet.HashSet<string> = HashSet.empty()

const addChild = (children: AuthorityState["children"], parent: string, child: string): AuthorityState["children"] =>
  HashMap.set(children, parent, HashSet.add(lookup(children, parent) ?? nobody, child))

/** Who hangs below whom, and which are facets: what follows from the grants alone. */
export const indexesOf = (grants: ReadonlyArray<HeldGrant>): Pick<AuthorityState, "children" | "facets"> => {
  const below = new Map<string, Array<string>>()
  const facets: Array<string> = []
  for (const { grant: { facet, id, parent } } of grants) {
    if (facet === true) facets.push(id)
    if (parent === null) continue
    const siblings = below.get(parent)
    if (siblings === undefined) below.set(parent, [id])
    else siblings.push(id)
  }
  return {
    children: HashMap.fromIterable(Array.from(below, ([parent, ids]) => [parent, HashSet.fromIterable(ids)] as const)),
    facets: HashSet.fromIterable(facets)
  }
}

/** One that is issued again under its id keeps what hangs below it, and begins to count anew. */
export const addGrant = (state: Draft, grant: Grant): void => {
  const before = lookup(state.grants, grant.id)?.grant
  const { facet, id, parent } = grant
  if (before !== undefined) state.held = count(state.held, bearerOf(before), -1, 0)
  openAccount(state, grant)
  state.grants = HashMap.set(state.grants, id, { grant, uses: 0 })
  state.held = count(state.held, bearerOf(grant), 1, 0)
  if (parent !== null) state.children = addChild(state.children, parent, id)
  if (facet === true) state.facets = HashSet.add(state.facets, id)
}

/** All grants below these, themselves included, and those of them that have something below. */
const walk = (state: AuthorityState, roots: Iterable<string>): { readonly fallen: ReadonlySet<string>; readonly parents: ReadonlyArray<string> } => {
  const fallen = new Set<string>()
  const parents: Array<string> = []
  for (const root of roots) if (HashMap.has(state.grants, root)) fallen.add(root)
  // What is added while it is walked is walked too.
  for (const id of fallen) {
    const below = lookup(state.children, id)
    if (below === undefined) continue
    parents.push(id)
    for (const child of below) fallen.add(child)
  }
  return { fallen, parents }
}

/** What falls when these fall, themselves included. */
export const subtree = (state: AuthorityState, roots: Iterable<string>): ReadonlySet<string> => walk(state, roots).fallen

/** Of these, those that hang below no other one of them: ending them ends all. */
export const rootsAmong = (state: AuthorityState, ids: ReadonlyArray<string>): ReadonlyArray<string> => {
  const among = new Set(ids)
  return ids.filter((id) => {
    for (let parent = lookup(state.grants, id)?.grant.parent ?? null; parent !== null; parent = lookup(state.grants, parent)?.grant.parent ?? null) {
      if (among.has(parent)) return false
    }
    return true
  })
}

/** A map without these keys: what is taken away, or what is left, is gone through, whichever is less. */
const without = <V>(map: HashMap.HashMap<string, V>, keys: ReadonlySet<string>): HashMap.HashMap<string, V> => {
  if (keys.size === 0) return map
  if (keys.size * 2 > HashMap.size(map)) return HashMap.filter(map, (_, key) => !keys.has(key))
  return HashMap.mutate(map, (left) => {
    for (const key of keys) HashMap.remove(left, key)
  })
}

/** Ends these grants and everything below them. */
export const dropSubtrees = (state: Draft, roots: ReadonlyArray<string>): void => {
  const { fallen, parents } = walk(state, roots)
  if (fallen.size === 0) return
  const lost = new Map<SystemId, number>()
  let { children, facets } = state
  for (const root of roots) {
    const parent = lookup(state.grants, root)?.grant.parent ?? null
    const siblings = parent === null ? undefined : lookup(children, parent)
    if (parent === null || siblings === undefined) continue
    const left = HashSet.remove(siblings, root)
    children = HashSet.size(left) === 0 ? HashMap.remove(children, parent) : HashMap.set(children, parent, left)
  }
  for (const id of fallen) {
    const grant = lookup(state.grants, id)!.grant // it is in its subtree because it is there
    lost.set(bearerOf(grant), (lost.get(bearerOf(grant)) ?? 0) + 1)
    if (grant.facet === true) facets = HashSet.remove(facets, id)
  }
  if (!HashMap.isEmpty(state.accounts)) for (const id of fallen) closeAccount(state, id)
  for (const [bearer, ended] of lost) state.held = count(state.held, bearer, -ended, 0)
  state.grants = without(state.grants, fallen)
  state.children = without(children, new Set(parents))
  state.facets = facets
}

/** A facet is not held on to: it ends with the run of the kernel. */
export const dropFacets = (state: Draft): void => {
  if (HashSet.size(state.facets) > 0) dropSubtrees(state, Array.from(state.facets))
}

const chargedOnce = (held: HeldGrant, at: number): HeldGrant => {
  const { rate } = held.grant.caveats
  const charged = { ...held, uses: held.uses + 1 }
  return rate === undefined ? charged : { ...charged, starts: [...(held.starts ?? []), at].slice(-rate.count) }
}

/** Charges one use on every link of a grant's chain. */
export const charge = (grants: AuthorityState["grants"], id: string | null, at: number): AuthorityState["grants"] => {
  let charged = grants
  for (let link = id; link !== null; ) {
    const held: HeldGrant | undefined = lookup(charged, link)
    if (held === undefined) break
    charged = HashMap.set(charged, link, chargedOnce(held, at))
    link = held.grant.parent
  }
  return charged
}

export const grantsOf = (state: AuthorityState, holder: SystemId): ReadonlyArray<Grant> =>
  [...HashMap.values(state.grants)].filter(({ grant }) => grant.holder === holder).map(({ grant }) => grant)

/** The facets that a system was given, and those that it gave. */
export const facetsOf = (state: AuthorityState, system: SystemId): ReadonlyArray<Grant> =>
  Array.from(state.facets).flatMap((id) => {
    const grant = lookup(state.grants, id)?.grant
    return grant !== undefined && (grant.holder === system || grant.giver === system) ? [grant] : []
  })
