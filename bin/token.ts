// Tokens: who may come in from outside, under which name, with which role, and for how long.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { isRole } from "../protocol/security.ts"
import { tokenSecondsMax, type TokenView } from "../protocol/token.ts"
import { type Called, idOf, show, spanOf } from "./called.ts"
import { type NotFound, UsageError } from "./failure.ts"
import { proved } from "./gate/prove.ts"
import { connect } from "./run-file.ts"
import { ago, err, onErr, out, plain, table } from "./terminal.ts"

export interface MintFlags {
  readonly role: string
  readonly channels: ReadonlyArray<string>
  readonly system: boolean
  readonly ttl?: string
  readonly code?: string
  readonly passphrase?: string
}

const scopeOf = ({ approves, channels, docks }: TokenView): string =>
  `${channels === null ? "every PUBLIC channel" : channels.join(", ")}${docks ? "; docks systems" : ""}${approves === true ? "; approves" : ""}`

/** An approver reads, and answers at the gate. */
const approver = "approver"

export const mint = Effect.fnUntraced(function*(
  called: Called, name: string, { channels, code, passphrase, role: asked, system, ttl }: MintFlags
): Effect.fn.Return<void, ClientError | UsageError> {
  const role = asked === approver ? "read" : asked
  if (!isRole(role)) return yield* new UsageError({ reason: `--role ${role} is none: use read, write, admin or ${approver}.` })
  const ttlSeconds = ttl === undefined ? undefined : Math.ceil((yield* spanOf("--ttl", ttl)) / 1_000)
  if (ttlSeconds !== undefined && (ttlSeconds < 1 || ttlSeconds > tokenSecondsMax)) {
    return yield* new UsageError({ reason: `--ttl ${ttl}: a token lives for 1 second to ${tokenSecondsMax / 86_400} days.` })
  }
  const client = yield* connect(called.directory)
  const minted = yield* proved({ ...(code === undefined ? {} : { code }), ...(passphrase === undefined ? {} : { passphrase }) }, (proof) => client.call("mintToken", {
    payload: {
      ...proof, name, role, docks: system, ...(asked === approver ? { approves: true } : {}), ...(channels.length === 0 ? {} : { channels }), ...(ttlSeconds === undefined ? {} : { ttlSeconds })
    }
  }))
  if (called.json) return yield* show(called, minted, () => [])
  // The secret alone on stdout, so that it can go into a file or a variable.
  yield* Effect.promise(() => out(minted.token))
  err(onErr.dim(`${plain(minted.name)}, ${minted.role}, ${plain(scopeOf(minted))}, for ${ago(minted.expiresAt - minted.mintedAt)}. It is shown once; take it back with: aaax token revoke ${minted.jti}`))
})

export const list = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const [tokens, { now }] = yield* Effect.all([client.call("tokens"), client.call("status")])
  yield* show(called, tokens, () =>
    table(["TOKEN", "NAME", "ROLE", "ENDS IN", "CHANNELS"], tokens.map((token) => [
      token.jti, token.name, token.role, ago(Math.max(0, token.expiresAt - now)), scopeOf(token)
    ])))
})

export const revoke = Effect.fnUntraced(function*(called: Called, target: string): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const tokens = yield* client.call("tokens")
  const isName = tokens.some(({ name }) => name === target)
  const id = isName ? target : yield* idOf(target, tokens.map(({ jti }) => jti), "token")
  const revoked = yield* client.call("revokeToken", { id })
  yield* show(called, revoked, () => revoked.map(({ jti, name, role }) => `revoked ${jti} (${plain(name)}, ${role})`))
})
