// Releasing claims: by task, all of the seat here, or those that a commit or a merge has done with.
import * as Effect from "effect/Effect"
import { covers, treeOf } from "../../protocol/scope.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import type { SynapseAgent } from "../../libos/synapse/agent.ts"
import type { Claim } from "../../protocol/coordination.ts"
import { show, type Called } from "../called.ts"
import type { SeatFlags } from "../coordination/connect.ts"
import { UsageError } from "../failure.ts"
import { err, onErr, plain } from "../terminal.ts"
import { gitRun } from "../worktree/git.ts"
import { committed, merged } from "../worktree/changed.ts"
import type { Worktree } from "../worktree/worktree.ts"
import { warnOfLoss } from "./loss.ts"
import { asSeat, fromAside, placeOf, type ClaimsFailure } from "./place.ts"

export interface ReleaseFlags extends SeatFlags {
  readonly all?: boolean
  readonly on?: "commit" | "merge"
}

/** All claims of one seat, page by page. */
export const claimsOf = async (agent: SynapseAgent, owner?: string): Promise<ReadonlyArray<Claim>> => {
  const claims: Array<Claim> = []
  for (let after: string | undefined;;) {
    const { items, lost, next } = await agent.ask({ verb: "state", ...(owner === undefined ? {} : { owner }), ...(after === undefined ? {} : { after }) })
    if (after === undefined) warnOfLoss(lost)
    claims.push(...items)
    if (next === undefined) return claims
    after = next
  }
}

/** Of its own; those of seats below it are theirs. */
const ownIn = (claims: ReadonlyArray<Claim>, seat: string, { top }: Worktree): ReadonlyArray<Claim> =>
  claims.filter((claim) => claim.owner === seat && treeOf(claim.worktree) === treeOf(top))

const touches = (claim: Claim, paths: ReadonlyArray<string>): boolean => paths.some((path) => covers(claim.paths, path))

/** A branch that HEAD has all of. */
const isIn = async ({ top }: Worktree, branch: string): Promise<boolean> =>
  (await gitRun(top, ["merge-base", "--is-ancestor", `refs/heads/${branch}`, "HEAD"])).code === 0

/** Exactly the claims that were to end with it, and of whose files it changed some. */
const endedBy = async (worktree: Worktree, on: "commit" | "merge", claims: ReadonlyArray<Claim>, seat: string): Promise<ReadonlyArray<Claim>> => {
  const marked = claims.filter(({ git, owner }) => owner === seat && git?.releaseOn === on)
  if (marked.length === 0) return []
  if (on === "commit") {
    const paths = await committed(worktree)
    return marked.filter((claim) => treeOf(claim.worktree) === treeOf(worktree.top) && claim.git?.branch === worktree.branch && touches(claim, paths))
  }
  const paths = await merged(worktree)
  // The branch may have been worked on in another working tree of this repository.
  const done = await Promise.all(marked.map(async (claim) => touches(claim, paths) && (await isIn(worktree, claim.git?.branch ?? ""))))
  return marked.filter((_, at) => done[at] === true)
}

export const release = Effect.fnUntraced(function*(called: Called, tasks: ReadonlyArray<string>, flags: ReleaseFlags): Effect.fn.Return<void, ClaimsFailure> {
  const ways = Number(tasks.length > 0) + Number(flags.all === true) + Number(flags.on !== undefined)
  if (ways !== 1) return yield* new UsageError({ reason: "name tasks, or --all for those of this seat in this working tree, or --on commit or merge." })
  const place = yield* placeOf(called, flags)
  const { seat, worktree } = place
  const which = flags.on === undefined && tasks.length > 0
    ? tasks.map((task) => ({ task, epoch: undefined }))
    : yield* fromAside(place, async ({ agent }) => {
        const own = await claimsOf(agent, seat)
        return flags.on === undefined ? ownIn(own, seat, worktree) : endedBy(worktree, flags.on, own, seat)
      })
  // Only who has something to give back acts as the seat for it.
  const released = which.length === 0 ? [] : yield* asSeat(place, async ({ agent }) => {
    const done: Array<string> = []
    for (const { epoch, task } of which) {
      try {
        // Under the epoch that was looked at: what was granted anew meanwhile is another claim.
        await agent.ask({ verb: "release", task, ...(epoch === undefined ? {} : { epoch }) })
        done.push(task)
      } catch (error) {
        // It ended by itself, or is another's by now: not ours to release.
        if (epoch === undefined || !(error instanceof SynapseRefused)) throw error
      }
    }
    return done
  })
  yield* show(called, released, () => (released.length === 0 ? ["nothing to release"] : released.map((task) => `released  ${plain(task)}`)))
})

/** For a hook behind a commit or a merge: says what went wrong, and is never in its way. */
export const releaseQuietly = (called: Called, flags: ReleaseFlags): Effect.Effect<void> =>
  Effect.catch(release(called, [], flags), (failure) =>
    Effect.sync(() => err(onErr.dim(`aaax: claims were not released: ${plain(failure.message)}`))))

