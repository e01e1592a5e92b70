// Takes the kernel of this folder down, and waits until it is gone.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { TimedOut } from "../protocol/errors.ts"
import { type Called, show } from "./called.ts"
import { connect, isAlive } from "./run-file.ts"

export const down = Effect.fnUntraced(function*(called: Called, timeoutSeconds: number): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const { pid } = client
  yield* client.call("down")
  const gone = Effect.gen(function*() {
    while (isAlive(pid)) yield* Effect.sleep(50)
  })
  yield* Effect.timeoutOrElse(gone, {
    duration: timeoutSeconds * 1000,
    orElse: () => Effect.fail(new TimedOut({ what: `The kernel (pid ${pid})`, millis: timeoutSeconds * 1000 }))
  })
  yield* show(called, { pid, down: true }, () => [`stopped (pid ${pid})`])
})
