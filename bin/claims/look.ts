// Looking at claims: all of them, and whose a path is.
import * as Effect from "effect/Effect"
import type { Claim } from "../../protocol/coordination.ts"
import { treeOf } from "../../protocol/scope.ts"
import { show, type Called } from "../called.ts"
import { withSeat, seatOf, type SeatFlags } from "../coordination/connect.ts"
import { plain, table } from "../terminal.ts"
import { gitRun } from "../worktree/git.ts"
import { canonicalPaths } from "../worktree/paths.ts"
import { attempt, fromAside, placeOf, type ClaimsFailure } from "./place.ts"
import { claimsOf } from "./release.ts"
import { scopeOf, untilOf } from "./words.ts"

export interface ListFlags extends SeatFlags {
  readonly owner?: string
  readonly here?: boolean
}

const rows = (claims: ReadonlyArray<Claim>): ReadonlyArray<string> =>
  claims.length === 0 ? ["nobody has claimed anything"] : table(["TASK", "OWNER", "STATUS", "UNTIL", "BRANCH", "FILES"], claims.map((claim) => [
    claim.task, claim.owner, claim.status, untilOf(claim.expiresAt), claim.git?.branch ?? "", scopeOf(claim)
  ]))

export const list = Effect.fnUntraced(function*(called: Called, flags: ListFlags): Effect.fn.Return<void, ClaimsFailure> {
  const isInGit = flags.here === true || (yield* attempt(() => gitRun(called.directory, ["rev-parse", "--show-toplevel"]))).code === 0
  const claims = yield* (isInGit
    ? Effect.flatMap(placeOf(called, flags), (place) => Effect.map(fromAside(place, ({ agent }) => claimsOf(agent, flags.owner)), (found) =>
        flags.here === true ? found.filter(({ worktree }) => treeOf(worktree) === treeOf(place.worktree.top)) : found))
    : withSeat(called, { ...flags, name: `${seatOf(called.directory, flags.name)}/look-${crypto.randomUUID().slice(0, 8)}` }, ({ agent }) => claimsOf(agent, flags.owner)))
  yield* show(called, claims, () => rows(claims))
})

export const why = Effect.fnUntraced(function*(called: Called, given: string, flags: SeatFlags): Effect.fn.Return<void, ClaimsFailure> {
  const place = yield* placeOf(called, flags)
  const paths = yield* attempt(() => canonicalPaths(place.worktree, called.directory, given))
  const claims = yield* fromAside(place, async ({ agent }) => {
    const found = new Map<string, Claim>()
    for (const path of paths) {
      for (const claim of (await agent.ask({ verb: "why", worktree: place.worktree.top, path })).claims) found.set(claim.task, claim)
    }
    return [...found.values()]
  })
  yield* show(called, claims, () => claims.length === 0 ? [`nobody has claimed ${plain(paths.join(", "))}`] : claims.flatMap((claim) => [
    `${plain(paths.join(", "))} is held by ${plain(claim.owner)} until ${untilOf(claim.expiresAt)}  (task ${plain(claim.task)}, ${claim.status}, epoch ${claim.epoch}${claim.git === undefined ? "" : `, on ${plain(claim.git.branch)}`})`,
    `  claimed  ${scopeOf(claim)}`,
    ...(claim.note === "" ? [] : [`  note     ${plain(claim.note)}`])
  ]))
})
