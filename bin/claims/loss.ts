// What the hub cannot read of its claims and plan: shown, and given up when the operator says so.
import * as Effect from "effect/Effect"
import type { LiveScope } from "../../protocol/coordination.ts"
import { show, type Called } from "../called.ts"
import { seatOf, withSeat, type SeatFailure, type SeatFlags } from "../coordination/connect.ts"
import type { UsageError } from "../failure.ts"
import { confirmed } from "../gate/prompt.ts"
import { err, onErr, plain } from "../terminal.ts"
import { scopeOf, untilOf } from "./words.ts"

const entriesOf = (count: number): string => `${count} ${count === 1 ? "entry" : "entries"}`

/** Beside every list of claims that may be missing some. */
export const warnOfLoss = (lost: number | undefined): void => {
  if (lost !== undefined) err(onErr.yellow(`${entriesOf(lost)} of claims and plan cannot be read, so neither is changed. The operator ends this: aaax claims accept-loss`))
}

const whose = (scope: LiveScope): ReadonlyArray<string> =>
  "ended" in scope ? [] : [plain(`  may be    ${scope.task} of ${scope.owner}, until ${untilOf(scope.expiresAt)}: ${scopeOf(scope)}`)]

export const acceptLoss = Effect.fnUntraced(function*(called: Called, flags: SeatFlags & { readonly yes?: boolean }): Effect.fn.Return<void, SeatFailure | UsageError> {
  const name = seatOf(called.directory, flags.name)
  const seat: SeatFlags = { ...flags, name: `${name}/loss-${crypto.randomUUID().slice(0, 8)}` }
  const { entries, places, scopes } = yield* withSeat(called, seat, ({ agent }) => agent.ask({ verb: "losses" }))
  if (entries === 0) return yield* show(called, { entries: 0, accepted: false }, () => ["everything can be read: nothing is lost"])
  err(`${onErr.bold(`${entriesOf(entries)} of claims and plan cannot be read`)}, and whoever was granted what is in there loses it:`)
  for (const { from, reason, to } of places) err(plain(`  lost      coordination.ledger#${from}${to === from ? "" : `..${to}`}: ${reason}`))
  for (const line of scopes.flatMap(whose)) err(line)
  if (!(yield* confirmed("Give it up, and let claims and plan be changed again?", flags.yes === true))) return yield* show(called, { entries, accepted: false }, () => ["nothing was changed"])
  // What was shown and no more.
  const given = yield* withSeat(called, seat, ({ agent }) => agent.ask({ verb: "accept-loss", by: name, entries }))
  yield* show(called, { entries: given.entries, accepted: true }, () => [`${entriesOf(given.entries)} given up; claims and plan are changed again`])
})
