// Proof that a human answers: given as a flag, or typed when the kernel asks for it.
import * as Effect from "effect/Effect"
import type { ClientError } from "../../libos/http.ts"
import type { ProofNeeded } from "../../protocol/errors.ts"
import type { PayloadOf } from "../../protocol/routes.ts"
import { secretOf } from "../data.ts"
import type { UsageError } from "../failure.ts"
import { err, onErr, plain } from "../terminal.ts"
import { ask, askSecretly, isAnswering } from "./prompt.ts"

export interface ProofFlags {
  readonly code?: string
  /** `@file`, or `-` for standard input: never the passphrase itself, which others could read from the list of processes. */
  readonly passphrase?: string
}

/** What is sent along. */
type Given = Pick<PayloadOf<"approve">, "code" | "passphrase">

const givenProof = Effect.fnUntraced(function*({ code, passphrase }: ProofFlags): Effect.fn.Return<Given, UsageError> {
  return {
    ...(code === undefined ? {} : { code }),
    ...(passphrase === undefined ? {} : { passphrase: yield* secretOf(passphrase, "--passphrase") })
  }
})

/** Sends an answer; when it has to be proved and a person is here, asks for the proof and sends it again. */
export const proved = Effect.fnUntraced(function*<A>(
  flags: ProofFlags, send: (proof: Given) => Effect.Effect<A, ClientError>
): Effect.fn.Return<A, ClientError | UsageError> {
  const again = (needed: ProofNeeded, tries: number): Effect.Effect<A, ClientError | UsageError> =>
    Effect.gen(function*() {
      if (!isAnswering() || tries === 0 || (!needed.shown && !needed.passphrase)) return yield* needed
      err(onErr.yellow(plain(needed.message)))
      const proof = needed.shown ? { code: yield* ask("Code: ") } : { passphrase: yield* askSecretly("Passphrase: ") }
      return yield* Effect.catchTag(send(proof), "ProofNeeded", (error) => again(error, tries - 1))
    })
  return yield* Effect.catchTag(send(yield* givenProof(flags)), "ProofNeeded", (needed) => again(needed, 3))
})
