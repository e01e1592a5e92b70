// Coverage: whether a seat may change these paths, and who holds one.
import type { coordination } from "aaax"
import type { Asker } from "./desk.ts"
import type { State } from "./state.ts"

type Ask<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>
type Claim = coordination.Claim

const isEditable = (claim: Claim): boolean => claim.status === "claimed" || claim.status === "working"

/** A claim of one branch covers nothing on another; one that names none covers what is there, whatever the branch. */
const isOnBranch = (claim: Claim, branch: string | undefined): boolean => branch === undefined || claim.git === undefined || claim.git.branch === branch

export const check = (state: State, by: Asker, ask: Ask<"check">): coordination.Answer<"check"> => {
  const owner = ask.owner?.trim() ?? by.seat
  const paths = ask.paths.map((path) => coverageOf(state, claimsOn(state, ask.worktree, path), path, owner, ask.branch))
  return { ok: true, allowed: paths.every(({ verdict }) => verdict === "mine"), paths }
}

const claimsOn = (state: State, worktree: string, path: string): ReadonlyArray<Claim> =>
  state.scopes.covering(worktree, path).map((task) => state.claims.get(task)).filter((claim) => claim !== undefined)

const coverageOf = (
  _state: State, claims: ReadonlyArray<Claim>, path: string, owner: string, branch: string | undefined
): coordination.Coverage => {
  // Anybody else's claim makes it theirs, on whatever branch: it is the same file.
  const theirs = claims.find((claim) => claim.owner !== owner)
  if (theirs !== undefined) return { path, verdict: "theirs", task: theirs.task, owner: theirs.owner }
  const mine = claims.filter((claim) => isOnBranch(claim, branch))
  const editable = mine.find(isEditable)
  if (editable !== undefined) return { path, verdict: "mine", task: editable.task, owner }
  const [closed] = mine
  return closed === undefined ? { path, verdict: "free" } : { path, verdict: "not-editable", task: closed.task, owner }
}

export const why = (state: State, ask: Ask<"why">): coordination.Answer<"why"> =>
  ({ ok: true, claims: claimsOn(state, ask.worktree, ask.path) })
