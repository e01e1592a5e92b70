// Takes the wall clock's word after a jump that was held back.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { type Called, show } from "./called.ts"
import { connect } from "./run-file.ts"
import { ago } from "./terminal.ts"

export const confirm = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const confirmed = yield* client.call("confirmClock")
  yield* show(called, confirmed, () => [
    confirmed.millis === null
      ? "The clock is steady: there is nothing to confirm."
      : `confirmed: kernel time is ${ago(Math.abs(confirmed.millis))} further on, and what was due by then expires`
  ])
})
