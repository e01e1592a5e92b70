// What the state says of the edge: the kernel's name and keys there, the keys of systems outside, and which links that were
// signed elsewhere have been met.
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import * as Option from "effect/Option"
import type { EnrolmentView } from "../../../protocol/act.ts"
import type { Grant } from "../../../protocol/authority.ts"
import type { Cursor, SystemId } from "../../../protocol/names.ts"
import type { EdgeKeyed, KeyEnrolled } from "../entry.ts"

export interface KernelKeyRecord {
  readonly kid: string
  readonly x: string
}

export interface Edge {
  /** The name under which this kernel is meant in tokens and proofs; no other kernel has it. Null before the first key. */
  readonly audience: string | null
  /** Keys that were made; names the file of the newest. */
  readonly generation: number
  /** Newest first: the one that signs, and the one before it, whose tokens are still good. */
  readonly keys: ReadonlyArray<KernelKeyRecord>
  readonly enrolled: HashMap.HashMap<SystemId, EnrolmentView>
  /**
   * By the grant at the root: the links that were met, for as long as the root is there. One that is here and not among the
   * grants has ended, and is not taken up again.
   */
  readonly links: HashMap.HashMap<string, HashSet.HashSet<string>>
}

/** Plain, for a snapshot. */
export interface FrozenEdge extends Omit<Edge, "enrolled" | "links"> {
  readonly enrolled: ReadonlyArray<EnrolmentView>
  readonly links: ReadonlyArray<readonly [string, ReadonlyArray<string>]>
}

export const noEdge: Edge = { audience: null, generation: 0, keys: [], enrolled: HashMap.empty(), links: HashMap.empty() }

export const freezeEdge = (edge: Edge): FrozenEdge => ({
  ...edge,
  enrolled: HashMap.toValues(edge.enrolled),
  links: Array.from(edge.links, ([root, links]) => [root, Array.from(links)] as const)
})

export const thawEdge = (frozen: FrozenEdge | undefined): Edge =>
  frozen === undefined ? noEdge : {
    ...frozen,
    enrolled: HashMap.fromIterable(frozen.enrolled.map((one) => [one.system, one] as const)),
    links: HashMap.fromIterable(frozen.links.map(([root, links]) => [root, HashSet.fromIterable(links)] as const))
  }

/** Two are good at a time. */
const keysLive = 2

export const keyed = (edge: Edge, { audience, generation, kid, x }: EdgeKeyed): Edge => ({
  ...edge, audience, generation, keys: [{ kid, x }, ...edge.keys.filter((key) => key.kid !== kid)].slice(0, keysLive)
})

/** Where it is enrolled in the journal is its epoch: it grows, also over a time in which the name had no key. */
export const enrolled = (edge: Edge, { at, enrolment }: KeyEnrolled, cursor: Cursor): Edge => ({
  ...edge, enrolled: HashMap.set(edge.enrolled, enrolment.system, { ...enrolment, epoch: cursor, enrolledAt: at })
})

export const unenrolled = (edge: Edge, system: SystemId): Edge => ({ ...edge, enrolled: HashMap.remove(edge.enrolled, system) })

/** Remembers a link that was met for the first time. */
export const metLink = (edge: Edge, { id, offline }: Grant): Edge =>
  offline === undefined ? edge : { ...edge, links: HashMap.set(edge.links, offline, HashSet.add(linksOf(edge, offline), id)) }

const none: HashSet.HashSet<string> = HashSet.empty()

/** Links below a root that were met. */
export const linksOf = ({ links }: Edge, root: string): HashSet.HashSet<string> => Option.getOrElse(HashMap.get(links, root), () => none)

/** Forgets the links of roots that are gone: no token of theirs is good any more. */
export const forgetLinks = (edge: Edge, grants: HashMap.HashMap<string, unknown>): Edge => {
  if (HashMap.isEmpty(edge.links)) return edge
  const links = HashMap.filter(edge.links, (_, root) => HashMap.has(grants, root))
  return HashMap.size(links) === HashMap.size(edge.links) ? edge : { ...edge, links }
}
