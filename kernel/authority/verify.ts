// Whether a grant covers an act: the conjunction of every link's caveats up to its root. Fails closed.
import { covers, riskAtMost, type Access, type Caveats, type Risk } from "../../protocol/authority.ts"
import { matchesGlob } from "../../protocol/glob.ts"
import type { SystemId } from "../../protocol/names.ts"
import { lookup, type AuthorityState, type HeldGrant } from "./state/state.ts"

export interface Asked {
  readonly token: string
  readonly holder: SystemId
  readonly resource: string
  readonly access: Access
  /** For an action: what it touches, and how risky it is. */
  readonly target?: string
  readonly risk?: Risk
  /** Its use was charged when it was started; it goes on, and is not counted again. */
  readonly isCharged?: boolean
}

/** Longest chain of delegations that is walked. */
const linksMax = 16

const knownCaveats: ReadonlySet<string> = new Set(["expiresAt", "riskMax", "targets", "usesMax"] satisfies ReadonlyArray<keyof Caveats>)

/* hot */
/** Whether the grant, and every link above it, allows what is asked at `now`. */
export const allows = (state: AuthorityState, asked: Asked, now: number): boolean => {
  let id: string | null = asked.token
  for (let links = 0; id !== null; links++) {
    if (links === linksMax) return false
    const held: HeldGrant | undefined = lookup(state.grants, id)
    if (held === undefined) return false
    const { access, caveats, holder, resource } = held.grant
    if (links === 0 && holder !== asked.holder) return false
    if (resource !== asked.resource || !covers(access, asked.access)) return false
    for (const caveat in caveats) if (!knownCaveats.has(caveat)) return false
    if (caveats.expiresAt !== undefined && now >= caveats.expiresAt) return false
    if (caveats.usesMax !== undefined && asked.isCharged !== true && held.uses >= caveats.usesMax) return false
    if (caveats.riskMax !== undefined && (asked.risk === undefined || !riskAtMost(asked.risk, caveats.riskMax))) return false
    const target = asked.target
    if (caveats.targets !== undefined && (target === undefined || !caveats.targets.some((glob) => matchesGlob(glob, target)))) {
      return false
    }
    id = held.grant.parent
  }
  return true
}
