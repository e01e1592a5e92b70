// The end of grants as an entry: it names the roots, however much falls with them, and says what had happened under them.
import * as HashMap from "effect/HashMap"
import type { SystemId } from "../../../protocol/names.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { underWayNamedMax } from "../../limits.ts"
import type { GrantsEnded } from "../entry.ts"
import { rootsAmong, subtree } from "../state/grants.ts"
import { lookup, type AuthorityState } from "../state/state.ts"

export interface Ending {
  readonly entry: GrantsEnded
  readonly ended: number
  /** Calls that are interrupted by it. */
  readonly underWay: number
}

/** Ends these grants with everything below them; undefined: none of them is there. */
export const endingOf = (
  state: AuthorityState, ids: ReadonlyArray<string>, holder: SystemId | null, reason: GrantsEnded["reason"], now: number
): Ending | undefined => {
  const grants = rootsAmong(state, ids.filter((id) => HashMap.has(state.grants, id)))
  if (grants.length === 0) return undefined
  const fallen = subtree(state, grants)
  const under: Array<Warrant> = []
  // What is over by time goes on to its end.
  if (reason !== "expired") {
    for (const warrant of HashMap.values(state.warrants)) {
      if (warrant.state === "started" && warrant.grant !== null && fallen.has(warrant.grant)) under.push(warrant)
    }
  }
  const newest = under.sort((a, b) => b.requestCursor - a.requestCursor).slice(0, underWayNamedMax).map(({ id }) => id)
  return {
    entry: {
      kind: "grants.ended", at: now, holder, grants, reason, ended: fallen.size,
      uses: grants.reduce((sum, id) => sum + (lookup(state.grants, id)?.uses ?? 0), 0),
      ...(newest.length === 0 ? {} : { underWay: newest })
    },
    ended: fallen.size,
    underWay: under.length
  }
}
