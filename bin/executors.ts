// What is served, and the secrets that executors may be handed: never their values.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { type Called, show } from "./called.ts"
import { connect } from "./run-file.ts"
import { plain, table } from "./terminal.ts"

export const executors = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const served = yield* client.call("executors")
  yield* show(called, served, () => [
    ...table(["EXECUTOR", "RISK", "AFTER A CRASH", "OWNER", "LABELS", "WHAT"], served.map((executor) => [
      plain(executor.name), `${executor.varies ? "up to " : ""}${executor.risk}`, executor.recovery, plain(executor.owner),
      [...(executor.external ? ["sends out"] : []), ...executor.labels].map(plain).join(", "), plain(executor.description)
    ])),
    ...served.flatMap(({ leftAlone, name }) => leftAlone.map((circuit) => `!! ${plain(name)} does not reach ${plain(circuit)}; it is tried again within half a minute`))
  ])
})

export const secrets = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const named = yield* client.call("secrets")
  yield* show(called, named, () => (named.length === 0 ? ["there are none; config names them under `secrets`"] : table(["SECRET", "FROM", "FOR", "NOW"], named.map((secret) => [
    plain(secret.name), plain(secret.from), [...secret.hosts, ...secret.programs, ...secret.executors].map(plain).join(", ") || "nobody",
    secret.problem === null ? "readable" : plain(secret.problem)
  ]))))
})
