// Taking a claim of files in the working tree, on the branch that it is on.
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import type { SynapseRefused } from "../../libos/synapse/refused.ts"
import type { Claim, Results } from "../../protocol/coordination.ts"
import { TimedOut } from "../../protocol/errors.ts"
import { show, spanOf, type Called } from "../called.ts"
import type { SeatFlags } from "../coordination/connect.ts"
import { untilTold } from "../coordination/until-told.ts"
import { codes } from "../exit-code.ts"
import { Ended, UsageError } from "../failure.ts"
import { plain } from "../terminal.ts"
import { canonicalPaths } from "../worktree/paths.ts"
import { asSeat, attempt, branchOf, isInTheWay, placeOf, type ClaimsFailure } from "./place.ts"
import { heldBy, quoted, scopeOf, untilOf } from "./words.ts"

export interface TakeFlags extends SeatFlags {
  readonly all?: boolean
  readonly task?: string
  readonly note?: string
  readonly ttl?: string
  readonly "release-on"?: "manual" | "commit" | "merge"
  readonly base?: string
  readonly wait?: boolean
  readonly "wait-timeout"?: string
}

/** How long the hub may take to hear that nobody waits any more. */
const goodbyeMillis = 1_000

type Taken = { readonly granted: Results["claim"] } | { readonly refused: SynapseRefused; readonly others: ReadonlyArray<Claim>; readonly isLate: boolean }

/** The same for the same files of the same seat, so that taking them again renews. */
const taskOf = (...parts: ReadonlyArray<string>): string => `claim-${createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 10)}`

const secondsOf = (flag: string, text: string | undefined): Effect.Effect<number | undefined, UsageError> =>
  text === undefined ? Effect.succeed(undefined) : Effect.map(spanOf(flag, text), (millis) => millis / 1_000)

const conflict = (given: ReadonlyArray<string>, { isLate, refused, others }: Extract<Taken, { refused: unknown }>): Ended => {
  const [other] = others
  const asked = given.length === 0 ? "--all" : given.map(quoted).join(" ")
  const what = other === undefined ? plain(refused.message) : `${given.length === 0 ? "the whole working tree" : plain(given.join(", "))}: ${heldBy(other)}`
  const ask = other === undefined ? "" : `\n     aaax send ${quoted(`please hand ${other.task} over`)} --target ${quoted(other.owner)}`
  return isLate
    ? new Ended({ code: codes.timeout, reason: `waited in vain  ${what}${ask.replace("\n     ", "\ntry: ")}` })
    : new Ended({ code: codes.conflict, reason: `conflict  ${what}\ntry: aaax claims take ${asked} --wait${ask}` })
}

export const take = Effect.fnUntraced(function*(called: Called, given: ReadonlyArray<string>, flags: TakeFlags): Effect.fn.Return<void, ClaimsFailure> {
  if ((given.length === 0) === (flags.all !== true)) {
    return yield* new UsageError({ reason: given.length === 0 ? "name the files, folders or globs to claim, or --all for the whole working tree." : "--all is the whole working tree: name no paths beside it." })
  }
  const ttlSeconds = yield* secondsOf("--ttl", flags.ttl)
  const waitSeconds = yield* secondsOf("--wait-timeout", flags["wait-timeout"])
  const place = yield* placeOf(called, flags)
  const { seat, worktree } = place
  const branch = yield* branchOf(worktree)
  const paths = yield* attempt(async () => [...new Set((await Promise.all(given.map((path) => canonicalPaths(worktree, called.directory, path)))).flat())])
  const task = flags.task ?? taskOf(seat, worktree.top, branch, ...[...paths].sort())
  const wait = flags.wait === true || waitSeconds !== undefined
  const { base, note, "release-on": releaseOn = "manual" } = flags
  const wish = {
    verb: "claim", task, worktree: worktree.top, paths, git: { branch, releaseOn, ...(base === undefined ? {} : { base }) },
    ...(note === undefined ? {} : { note }), ...(ttlSeconds === undefined ? {} : { ttlSeconds })
  } as const
  const taken = yield* Effect.scoped(Effect.flatMap(wait ? untilTold : Effect.succeed(undefined), (signal) => asSeat(place, async ({ agent }): Promise<Taken> => {
    const inTheWay = async (error: unknown, isLate: boolean): Promise<Taken> => {
      if (!isInTheWay(error)) throw error
      return { refused: error, others: (await agent.ask({ verb: "state", task: error.conflict ?? task })).items, isLate }
    }
    const tried = async (isLate: boolean): Promise<Taken> => agent.ask(wish).then((granted) => ({ granted }), (error: unknown) => inTheWay(error, isLate))
    if (signal === undefined) return tried(false)
    try {
      return { granted: await agent.ask({ ...wish, wait }, { signal, timeoutMillis: waitSeconds === undefined ? Infinity : waitSeconds * 1_000 }) }
    } catch (error) {
      if (!signal.aborted && !(error instanceof TimedOut)) return inTheWay(error, false)
      // It has been told that nobody waits any more; what it decides of that comes before the answer to this.
      await agent.ask({ verb: "beat" }, { timeoutMillis: goodbyeMillis }).catch(() => undefined)
      if (signal.aborted) throw new Ended({ code: codes.interrupted, reason: "nothing was claimed, and nobody waits for it any more" })
      // The last try says whose it is.
      return tried(true)
    }
  })))
  if ("refused" in taken) return yield* conflict(given, taken)
  const { claim, renewed } = taken.granted
  yield* show(called, claim, () => [
    `${renewed ? "renewed" : "claimed"}  ${scopeOf(claim)}  until ${untilOf(claim.expiresAt)}  (task ${plain(claim.task)}, on ${plain(branch)}, released ${releaseOn === "manual" ? "by hand" : `on ${releaseOn}`})`
  ])
})
