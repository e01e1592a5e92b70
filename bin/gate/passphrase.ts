// The passphrase of approvals: set beside the store, or printed as a hash for the config. No kernel is asked: whoever holds
// the operator's token must not be able to choose it.
import * as Effect from "effect/Effect"
import { hashPassphrase, passphraseLengthMax, passphraseLengthMin, writePassphrase } from "../../kernel/power/passphrase.ts"
import { passphraseFile } from "../../kernel/launch.ts"
import type { ConfigInvalid } from "../../protocol/errors.ts"
import { type Called, show } from "../called.ts"
import { secretOf } from "../data.ts"
import { type NotFound, NotLaunched, UsageError } from "../failure.ts"
import { makeHome } from "../home.ts"
import { loadConfig } from "../load-config.ts"
import { err, onErr, plain } from "../terminal.ts"
import { askSecretly, isAnswering } from "./prompt.ts"

const chosen = Effect.fnUntraced(function*(from: string | undefined): Effect.fn.Return<string, UsageError> {
  if (from === undefined && !isAnswering()) return yield* new UsageError({ reason: "Nobody is here to type it: give it with --from @FILE, or --from - for standard input." })
  const text = from === undefined ? yield* askSecretly("New passphrase: ") : yield* secretOf(from, "--from")
  if (text.length < passphraseLengthMin || text.length > passphraseLengthMax) {
    return yield* new UsageError({ reason: `A passphrase has ${passphraseLengthMin} to ${passphraseLengthMax} characters.` })
  }
  if (from === undefined && (yield* askSecretly("Once more: ")) !== text) return yield* new UsageError({ reason: "The two are not the same; nothing was changed." })
  return text
})

export const set = Effect.fnUntraced(function*(called: Called, from: string | undefined): Effect.fn.Return<void, UsageError | NotFound | NotLaunched | ConfigInvalid> {
  const { config } = yield* loadConfig({ directory: called.directory, file: undefined })
  const file = passphraseFile(config, called.directory)
  const text = yield* chosen(from)
  yield* makeHome(called.directory)
  const hash = yield* Effect.promise(() => hashPassphrase(text))
  yield* Effect.try({
    try: () => writePassphrase(file, hash),
    catch: () => new NotLaunched({ directory: called.directory, reason: `${file} cannot be written` })
  })
  yield* show(called, { file }, () => [`set ${plain(file)}`])
  err(onErr.dim("It counts from the kernel's next start: aaax down, then aaax launch. What waits goes on waiting."))
  if (config.approvals.passphrase !== undefined) err(onErr.yellow("The config has a passphrase of its own (approvals.passphrase), and that one counts."))
})

export const hash = Effect.fnUntraced(function*(called: Called, from: string | undefined): Effect.fn.Return<void, UsageError> {
  const text = yield* chosen(from)
  const made = yield* Effect.promise(() => hashPassphrase(text))
  yield* show(called, { passphrase: made }, () => [made])
  err(onErr.dim("For the config: approvals.passphrase."))
})
