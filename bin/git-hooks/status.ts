// Whether the gate in front of commits is in force here, for whom, and whether it could ask anybody.
import * as Effect from "effect/Effect"
import { existsSync, statSync } from "node:fs"
import { join } from "node:path"
import { show, type Called } from "../called.ts"
import { attempt, fromAside, branchOf, placeOf, type ClaimsFailure } from "../claims/place.ts"
import type { SeatFlags } from "../coordination/connect.ts"
import { codes } from "../exit-code.ts"
import { Ended } from "../failure.ts"
import { plain } from "../terminal.ts"
import { beforeOf, hooksPlaceOf, isOurHook, textOf } from "./place.ts"
import { ours, programIn } from "./script.ts"

/** Git runs it, and the program that it was installed with is still there. */
const isWhole = (path: string): boolean => {
  const program = programIn(textOf(path) ?? "")
  return (statSync(path).mode & 0o111) !== 0 && program !== undefined && existsSync(program.node) && existsSync(program.file)
}

export const status = Effect.fnUntraced(function*(called: Called, flags: SeatFlags): Effect.fn.Return<void, ClaimsFailure> {
  const place = yield* placeOf(called, flags)
  const found = yield* attempt(async () => {
    const { beside, own, used } = await hooksPlaceOf(place.worktree)
    const hooks = ours.map((hook) => {
      const path = join(used, hook)
      const state = isOurHook(path) ? (isWhole(path) ? "in force" as const : "broken" as const) : "missing" as const
      return { hook, path, state, runsFirst: existsSync(join(own, beforeOf(hook))) && used === own ? join(own, beforeOf(hook)) : null }
    })
    // Put there once, and passed by since: somebody set another folder, or another file in our place.
    const wasInstalled = [own, beside].some((folder) => ours.some((hook) => isOurHook(join(folder, hook)))) || ours.some((hook) => existsSync(join(own, beforeOf(hook))))
    return { used, hooks, wasInstalled }
  })
  const isInForce = found.hooks.every(({ state }) => state === "in force")
  const hub = yield* fromAside(place, async ({ hub: { uri } }) => ({ uri, reachable: true as const })).pipe(
    Effect.catch((failure) => Effect.succeed({ reachable: false as const, reason: failure.message })))
  const branch = yield* Effect.option(branchOf(place.worktree))
  const told = { inForce: isInForce, seat: place.seat, worktree: place.worktree.top, branch: branch._tag === "Some" ? branch.value : null, hooks: found.hooks, hub }
  yield* show(called, told, () => [
    `gate     ${isInForce ? "in force" : found.wasInstalled ? "NOT in force" : "not installed"}  (${plain(found.used)})`,
    ...found.hooks.map(({ hook, runsFirst, state }) => `  ${hook.padEnd(12)} ${state}${runsFirst === null ? "" : ", behind the one that was there"}`),
    `seat     ${plain(place.seat)}`,
    `branch   ${branch._tag === "Some" ? plain(branch.value) : "none: HEAD is at no branch, and every commit is refused"}`,
    `hub      ${hub.reachable ? plain(hub.uri) : `cannot be reached, so every commit is refused: ${plain(hub.reason)}`}`
  ])
  if (isInForce) return
  return yield* (found.wasInstalled
    ? new Ended({ code: codes.failed, reason: "the hooks were installed, and git does not run all of them.\ntry: aaax git install" })
    : new Ended({ code: codes.notFound, reason: "no hooks of ours are installed here.\ntry: aaax git install" }))
})
