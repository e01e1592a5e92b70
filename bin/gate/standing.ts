// Standing approvals: which are in force, and ending one.
import * as Effect from "effect/Effect"
import type { ClientError } from "../../libos/http.ts"
import { type Called, idOf, show } from "../called.ts"
import type { NotFound, UsageError } from "../failure.ts"
import { connect } from "../run-file.ts"
import { ago, onOut, plain, table } from "../terminal.ts"

export const list = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const [all, { now }] = yield* Effect.all([client.call("standing"), client.call("status")])
  yield* show(called, all, () =>
    all.length === 0
      ? [onOut.dim("None is in force.")]
      : table(["STANDING", "SYSTEM", "EXECUTOR", "ACTION", "RISK", "USES", "ENDS IN", "BY", "TARGET"], all.map((one) => [
          one.id, one.system, one.executor, one.action, one.riskMax, `${one.uses}${one.usesMax === null ? "" : `/${one.usesMax}`}`, ago(one.expiresAt - now), one.by,
          `${one.target}${one.digest !== undefined ? " (exactly these arguments)" : one.isExact ? " (exactly)" : ""}`
        ])))
})

export const revoke = Effect.fnUntraced(function*(called: Called, given: string): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const ids = (yield* client.call("standing")).map(({ id }) => id)
  const id = yield* idOf(given.startsWith("standing:") ? given : `standing:${given}`, ids, "standing approval")
  const ended = yield* client.call("revokeStanding", { id })
  yield* show(called, ended, () => [`revoked ${ended.id} (${plain(ended.system)}: ${plain(ended.executor)} on ${plain(ended.target)}), after ${ended.uses} uses`])
})
