// Whether a seat may change paths: what the gate in front of a commit asks, and says when it refuses.
import * as Effect from "effect/Effect"
import { join, relative } from "node:path"
import type { Coverage } from "../../protocol/coordination.ts"
import { show, type Called } from "../called.ts"
import type { SeatFlags } from "../coordination/connect.ts"
import { codeOf, codes } from "../exit-code.ts"
import { Ended, UsageError } from "../failure.ts"
import { plain } from "../terminal.ts"
import { staged } from "../worktree/changed.ts"
import { canonicalPaths } from "../worktree/paths.ts"
import type { Worktree } from "../worktree/worktree.ts"
import { attempt, fromAside, branchOf, placeOf, type ClaimsFailure } from "./place.ts"
import { quoted, quotedPath } from "./words.ts"

export interface CheckFlags extends SeatFlags {
  readonly staged?: boolean
}

type Group = "missing" | "theirs" | "not-editable"
const groupOf: Readonly<Record<Coverage["verdict"], Group | undefined>> = { mine: undefined, free: "missing", theirs: "theirs", "not-editable": "not-editable" }
/** So many are told of each group. */
const toldMax = 20
/** What one question may hold: paths, and characters of them. */
const askedMax = 400
const askedTextMax = 200_000

const partsOf = (paths: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const parts: Array<Array<string>> = []
  let room = 0
  for (const path of paths) {
    if (room < path.length || parts[parts.length - 1]?.length === askedMax) {
      parts.push([])
      room = askedTextMax
    }
    parts[parts.length - 1]?.push(path)
    room -= path.length
  }
  return parts
}

const lines = (group: Group, paths: ReadonlyArray<Coverage>): ReadonlyArray<string> => [
  ...paths.slice(0, toldMax).map(({ owner, path, task }) => {
    const why = { missing: "nobody has claimed it", theirs: `claimed by ${plain(owner ?? "another seat")} (task ${plain(task ?? "")})`, "not-editable": `task ${plain(task ?? "")} is done or waits` }[group]
    return `  ${group.padEnd(12)}  ${plain(path)}  ${why}`
  }),
  ...(paths.length > toldMax ? [`  ${"".padEnd(12)}  and ${paths.length - toldMax} more`] : [])
]

/** As it would be typed where the user is, which a hook is not. */
const typedIn = (directory: string, { top }: Worktree) => (path: string): string => {
  const prefix = directory === top ? process.env["GIT_PREFIX"] ?? "" : ""
  return quotedPath(relative(join(directory, prefix), join(top, path)) || ".")
}

const refusal = (seat: string, branch: string, paths: ReadonlyArray<Coverage>, isStaged: boolean, typed: (path: string) => string): Ended => {
  const groups = (["missing", "theirs", "not-editable"] as const).map((group) => [group, paths.filter(({ verdict }) => groupOf[verdict] === group)] as const)
  const [missing, theirs, closed] = groups.map(([, found]) => found)
  const count = groups.reduce((sum, [, found]) => sum + found.length, 0)
  const free = (missing ?? []).slice(0, toldMax).map(({ path }) => typed(path)).join(" ")
  const [task] = closed ?? []
  const tries = [
    ...(free === "" ? [] : [`aaax claims take ${free} --seat ${quoted(seat)}`]),
    ...(theirs?.[0] === undefined ? [] : [`aaax claims why ${typed(theirs[0].path)}`, ...(isStaged ? [`git restore --staged ${typed(theirs[0].path)}`] : [])]),
    ...(task?.task === undefined ? [] : [`aaax claims release ${quoted(task.task)}, then take its files again`])
  ]
  return new Ended({
    code: (theirs?.length ?? 0) > 0 ? codes.conflict : codes.denied,
    reason: [
      `${isStaged ? "the commit is refused: " : ""}${plain(seat)} has no claim for ${count} of ${paths.length} ${isStaged ? "staged paths" : "paths"} on ${plain(branch)}`,
      ...groups.flatMap(([group, found]) => lines(group, found)),
      ...tries.map((line, at) => `${at === 0 ? "try:" : "    "} ${line}`)
    ].join("\n")
  })
}

/** Nobody can tell, so nobody may: with how to go on. */
const untold = (failure: ClaimsFailure): Ended =>
  failure instanceof Ended ? failure : new Ended({
    code: codeOf(failure),
    reason: `the commit is refused, because who may change what cannot be told: ${plain(failure.message)}\ntry: aaax git status; or, knowing that nothing was checked: git commit --no-verify`
  })

const look = Effect.fnUntraced(function*(called: Called, given: ReadonlyArray<string>, flags: CheckFlags): Effect.fn.Return<void, ClaimsFailure> {
  const isStaged = flags.staged === true
  const place = yield* placeOf(called, flags)
  const { seat, worktree } = place
  const paths = yield* attempt(async () =>
    isStaged ? staged(worktree) : [...new Set((await Promise.all(given.map((path) => canonicalPaths(worktree, called.directory, path)))).flat())])
  if (paths.length === 0) {
    // There is nothing to ask anybody about.
    return yield* show(called, { allowed: true, seat, worktree: worktree.top, branch: worktree.branch ?? null, paths: [] }, () => ["nothing is staged"])
  }
  const branch = yield* branchOf(worktree)
  const covered = yield* fromAside(place, async ({ agent }) => {
    const found: Array<Coverage> = []
    for (const part of partsOf(paths)) {
      const answer = await agent.ask({ verb: "check", worktree: worktree.top, branch, owner: seat, paths: part })
      // Whoever answers for less than was asked has not answered.
      if (answer.paths.length !== part.length || answer.paths.some(({ path }, nth) => path !== part[nth])) return undefined
      found.push(...answer.paths)
    }
    return found
  })
  if (covered === undefined) return yield* new Ended({ code: codes.failed, reason: "the hub answered for other paths than it was asked about: nothing is allowed." })
  const typed = typedIn(called.directory, worktree)
  const allowed = covered.every(({ verdict }) => verdict === "mine")
  if (!allowed && !called.json) return yield* refusal(seat, branch, covered, isStaged, typed)
  yield* show(called, { allowed, seat, worktree: worktree.top, branch, paths: covered }, () => [`allowed  ${covered.length} ${covered.length === 1 ? "path" : "paths"} on ${plain(branch)}, claimed by ${plain(seat)}`])
  if (!allowed) return yield* refusal(seat, branch, covered, isStaged, typed)
})

/** Succeeds only when every path is in an editable claim of this very seat, on this working tree and branch. */
export const check = Effect.fnUntraced(function*(called: Called, given: ReadonlyArray<string>, flags: CheckFlags): Effect.fn.Return<void, ClaimsFailure> {
  if ((given.length > 0) === (flags.staged === true)) return yield* new UsageError({ reason: "name paths, or --staged for those of the next commit." })
  yield* flags.staged === true ? Effect.mapError(look(called, given, flags), untold) : look(called, given, flags)
})
