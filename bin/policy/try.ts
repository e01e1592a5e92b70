// `aaax policy test`: what another policy would have said to everything that this folder's journal holds.
import * as Effect from "effect/Effect"
import { makeCedarEngine } from "../../kernel/power/cedar-engine.ts"
import type { ConfigInvalid } from "../../protocol/errors.ts"
import { routes } from "../../protocol/routes.ts"
import type { KernelStatus } from "../../protocol/view.ts"
import { type Called, show, sinceOf } from "../called.ts"
import { momentOf } from "../event-line.ts"
import type { NotFound, UsageError } from "../failure.ts"
import { err, onErr, onOut, plain, table } from "../terminal.ts"
import { withResident } from "../transfer/resident.ts"
import { type CedarFlags, givenPolicy } from "./given.ts"
import { type Changed, redecide, type Redecided } from "./history.ts"

const promised = <A>(work: () => Promise<A>): Effect.Effect<A, Error> =>
  Effect.tryPromise({ try: work, catch: (failure) => (failure instanceof Error ? failure : new Error(String(failure))) })

const sumOf = ({ systems }: Redecided, key: "decided" | "denied" | "escalated" | "allowed" | "erased"): number =>
  systems.reduce((sum, tally) => sum + tally[key], 0)

const changeLine = ({ at, now, reason, rule, system, was, what }: Changed): string =>
  `${momentOf(at)}  ${plain(system)}  ${plain(what)}  ${was} -> ${onOut.bold(now)}  ${plain(rule)}${reason === "" ? "" : `: ${plain(reason)}`}`

/** Changes that a person is shown. */
const shownMax = 20

const lines = (told: Redecided): ReadonlyArray<string> => {
  const changed = sumOf(told, "denied") + sumOf(told, "escalated") + sumOf(told, "allowed")
  return [
    ...table(["SYSTEM", "DECIDED", "SAME", "NEWLY DENIED", "NEWLY ESCALATED", "NEWLY ALLOWED", "CANNOT SAY", "NOT ASKED"], told.systems.map((tally) => [
      tally.system, ...[tally.decided, tally.same, tally.denied, tally.escalated, tally.allowed, tally.erased, tally.unasked].map(String)
    ])),
    "",
    `${sumOf(told, "decided")} decisions, ${changed} would be others${told.since === null ? "" : `, since ${momentOf(told.since)}`}; policy ${told.version}`,
    ...(sumOf(told, "erased") === 0 ? [] : [onOut.dim(`${sumOf(told, "erased")} cannot be decided again: their bodies were erased.`)]),
    ...told.changes.slice(0, shownMax).map(changeLine),
    ...(changed > shownMax ? [onOut.dim(`and ${changed - Math.min(shownMax, told.changes.length)} more; --json tells the newest ${told.changes.length}`)] : [])
  ]
}

export const test = Effect.fnUntraced(function*(
  called: Called, file: string, { since, ...flags }: CedarFlags & { readonly since?: string }
): Effect.fn.Return<void, ConfigInvalid | NotFound | UsageError | Error> {
  const told = yield* Effect.scoped(Effect.gen(function*() {
    const { make } = yield* makeCedarEngine
    const { policy } = yield* givenPolicy(file, flags, make)
    const from = since === undefined ? null : yield* sinceOf(since, Date.now())
    return yield* promised(() => withResident(called, async ({ desk }) => {
      const { journalHead } = await desk.ask<KernelStatus>(routes.status)
      return redecide(desk, policy, {
        head: journalHead, since: from,
        onProgress: (entries) => {
          if (process.stderr.isTTY) process.stderr.write(`\r${onErr.dim(`${entries} of ${journalHead} entries`)} `)
        }
      })
    }))
  }))
  if (process.stderr.isTTY) err("")
  yield* show(called, told, () => lines(told))
})
