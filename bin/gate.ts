// What waits at the gate, and the operator's answers.
import * as Effect from "effect/Effect"
import type { Client, ClientError } from "../libos/http.ts"
import type { GateView } from "../protocol/view.ts"
import { type WarrantState, WarrantState as States } from "../protocol/warrant.ts"
import { type Called, idOf, show } from "./called.ts"
import { momentOf } from "./event-line.ts"
import { type NotFound, UsageError } from "./failure.ts"
import { connect } from "./run-file.ts"
import { ago, brief, err, onErr, onOut, plain, table } from "./terminal.ts"

const isState = (word: string): word is WarrantState => States.literals.some((state) => state === word)

export const list = Effect.fnUntraced(function*(called: Called, state: string | undefined): Effect.fn.Return<void, ClientError | UsageError> {
  if (state !== undefined && !isState(state)) {
    return yield* new UsageError({ reason: `--state ${state} is none of ${States.literals.join(", ")}.` })
  }
  const client = yield* connect(called.directory)
  const warrants = yield* client.call("gate", { query: state === undefined ? {} : { state } })
  const { now } = yield* client.call("status")
  yield* show(called, warrants, () =>
    warrants.length === 0
      ? [onOut.dim("Nothing waits.")]
      : table(["REQUEST", "STATE", "SYSTEM", "EXECUTOR", "RISK", "AGE", "TARGET"], warrants.map((warrant) => [
          warrant.id, warrant.state, warrant.system, warrant.executor, warrant.risk, ago(now - warrant.requestedAt), warrant.target
        ])))
})

const find = Effect.fnUntraced(function*(client: Client, given: string): Effect.fn.Return<GateView, ClientError | NotFound | UsageError> {
  return yield* Effect.catchTag(client.call("warrant", { id: given }), "WarrantNotFound", Effect.fnUntraced(function*() {
    const open = yield* client.call("gate")
    const id = yield* idOf(given, open.map((warrant) => warrant.id), "request")
    return yield* client.call("warrant", { id })
  }))
})

/** What a human said, and when. */
const said = (name: string, word: GateView["answer"] | GateView["reconciled"]): ReadonlyArray<string> =>
  word === null
    ? []
    : [`${name.padEnd(10)}${word.outcome} by ${plain(word.by)}, ${momentOf(word.at)}${word.reason === "" ? "" : `: ${plain(word.reason)}`}`]

/** With the final arguments, whole: nobody can decide on what was cut off. */
const details = (warrant: GateView): ReadonlyArray<string> => [
  `request   ${warrant.id}`,
  `state     ${warrant.state}${warrant.reason === warrant.verdict || warrant.reason === "" ? "" : `: ${plain(warrant.reason)}`}`,
  `system    ${plain(warrant.system)}`,
  `action    ${plain(warrant.action)}`,
  `executor  ${plain(warrant.executor)}   risk ${onOut.bold(warrant.risk)}   recovery ${warrant.recovery}`,
  `target    ${plain(warrant.target)}`,
  ...JSON.stringify(warrant.payload, null, 2).split("\n").map((line, at) => `${at === 0 ? "payload   " : "          "}${plain(line)}`),
  `rule      ${plain(warrant.rule)}: ${plain(warrant.verdict)}`,
  ...said("answer", warrant.answer),
  ...said("outcome", warrant.reconciled),
  `digest    ${warrant.digest}`,
  ...(warrant.result === null ? [] : [`result    ${brief(warrant.result, 2000)}`])
]

export const showOne = Effect.fnUntraced(function*(called: Called, id: string): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const warrant = yield* find(client, id)
  yield* show(called, warrant, () => details(warrant))
})

const answered = (called: Called, warrant: GateView, word: string): Effect.Effect<void> =>
  show(called, warrant, () => [`${word} ${warrant.id}: ${warrant.state}`])

export const approve = Effect.fnUntraced(function*(
  called: Called, id: string, flags: { readonly reason?: string; readonly digest?: string }
): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const shown = yield* find(client, id)
  if (!called.json) for (const line of details(shown)) err(onErr.dim(line))
  // Bound to what was just shown: if it changed in between, the kernel refuses.
  const warrant = yield* client.call("approve", {
    id: shown.id, payload: { digest: flags.digest ?? shown.digest, ...(flags.reason === undefined ? {} : { reason: flags.reason }) }
  })
  yield* answered(called, warrant, "approved")
})

export const deny = Effect.fnUntraced(function*(
  called: Called, id: string, reason: string
): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const { id: exact } = yield* find(client, id)
  yield* answered(called, yield* client.call("deny", { id: exact, payload: { reason } }), "denied")
})

export const reconcile = Effect.fnUntraced(function*(
  called: Called, id: string, outcome: "succeeded" | "failed", reason: string
): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const { id: exact } = yield* find(client, id)
  yield* answered(called, yield* client.call("reconcile", { id: exact, payload: { outcome, reason } }), "reconciled")
})
