// Changing what is in force: each change is an entry of the journal, and can be taken back.
import * as Effect from "effect/Effect"
import { makeCedarEngine } from "../../kernel/power/cedar-engine.ts"
import type { ClientError } from "../../libos/http.ts"
import type { ConfigInvalid } from "../../protocol/errors.ts"
import { type Called, show } from "../called.ts"
import { type NotFound, UsageError } from "../failure.ts"
import { proved, type ProofFlags } from "../gate/prove.ts"
import { connect } from "../run-file.ts"
import { err, onErr, plain } from "../terminal.ts"
import { type CedarFlags, givenPolicy } from "./given.ts"
import { policyLines } from "./look.ts"

/** The flags that were given. */
const proofOf = ({ code, passphrase }: { readonly code: string | undefined; readonly passphrase: string | undefined }): ProofFlags =>
  ({ ...(code === undefined ? {} : { code }), ...(passphrase === undefined ? {} : { passphrase }) })

const reasoned = (reason: string | undefined): { readonly reason?: string } => (reason === undefined ? {} : { reason })

export const activate = Effect.fnUntraced(function*(
  called: Called, file: string, { code, passphrase, reason, ...flags }: CedarFlags & ProofFlags & { readonly reason?: string }
): Effect.fn.Return<void, ClientError | ConfigInvalid | NotFound | UsageError> {
  const { document } = yield* Effect.scoped(Effect.flatMap(makeCedarEngine, ({ make }) => givenPolicy(file, flags, make)))
  if (document === null) {
    return yield* new UsageError({ reason: `${file} holds rules that are code: only rule tables and Cedar files can be put in force at run time. Name it in the config and start again.` })
  }
  const client = yield* connect(called.directory)
  const before = yield* client.call("policy")
  // The document is data that was read from files.
  const view = yield* proved(proofOf({ code, passphrase }), (proof) =>
    client.call("activatePolicy", { payload: { document: document as Readonly<Record<string, never>>, ...reasoned(reason), ...proof } }))
  if (!called.json) err(onErr.dim(`It replaces ${before.version} (${plain(before.description)}), also after a restart. To take it back: aaax policy revert`))
  yield* show(called, view, () => policyLines(view))
})

export const revert = Effect.fnUntraced(function*(
  called: Called, version: string | undefined, { code, passphrase, reason }: ProofFlags & { readonly reason?: string }
): Effect.fn.Return<void, ClientError | UsageError> {
  const client = yield* connect(called.directory)
  const view = yield* proved(proofOf({ code, passphrase }), (proof) =>
    client.call("revertPolicy", { payload: { ...(version === undefined ? {} : { version }), ...reasoned(reason), ...proof } }))
  yield* show(called, view, () => policyLines(view))
})

export const freeze = Effect.fnUntraced(function*(called: Called, reason: string | undefined): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const answer = yield* client.call("freeze", { payload: reasoned(reason) })
  yield* show(called, answer, () => [
    answer.changed ? "frozen: nothing new starts, also after a restart. To go on: aaax thaw" : `it was frozen already, by ${plain(answer.frozen?.by ?? "")}${answer.frozen?.reason === "" ? "" : `: ${plain(answer.frozen?.reason ?? "")}`}`
  ])
})

export const thaw = Effect.fnUntraced(function*(
  called: Called, { code, passphrase, reason }: ProofFlags & { readonly reason?: string }
): Effect.fn.Return<void, ClientError | UsageError> {
  const client = yield* connect(called.directory)
  const answer = yield* proved(proofOf({ code, passphrase }), (proof) => client.call("thaw", { payload: { ...reasoned(reason), ...proof } }))
  yield* show(called, answer, () => [answer.changed ? "thawed: actions start again" : "it was not frozen"])
})
