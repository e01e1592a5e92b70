// Keys of systems outside: made here, or registered, and taken back. A private key goes into a file of its owner's and to
// nobody else, the kernel included.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { generateKeyPairSync } from "node:crypto"
import { closeSync, fsyncSync, openSync, readFileSync, unlinkSync, writeSync } from "node:fs"
import { basename, dirname, resolve } from "node:path"
import type { ClientError } from "../../libos/http.ts"
import { PublicKey, type Enrolled, type EnrolledKey, type EnrolmentView } from "../../protocol/act.ts"
import { isRole } from "../../protocol/security.ts"
import { type Called, show, spanOf } from "../called.ts"
import { UsageError, WouldOverwrite } from "../failure.ts"
import { connect } from "../run-file.ts"
import { ago, err, onErr, onOut, out, plain, table } from "../terminal.ts"

export interface EnrollFlags {
  readonly channels: ReadonlyArray<string>
  readonly role?: string
  readonly system: boolean
  readonly replace: boolean
  readonly key?: string
  readonly public?: string
}

const decodePublic = Schema.decodeUnknownOption(Schema.fromJsonString(PublicKey))

/** A public key that somebody sent: as JSON, or the file that it is in. Nothing private is ever read from it. */
const publicKeyOf = (given: string): Effect.Effect<PublicKey, UsageError> =>
  Effect.suspend(() => {
    let text = given
    if (!given.trimStart().startsWith("{")) {
      try {
        text = readFileSync(resolve(given), "utf8")
      } catch {
        return Effect.fail(new UsageError({ reason: `--public ${given}: there is no such file, and it is no JSON.` }))
      }
    }
    const decoded = decodePublic(text)
    return decoded._tag === "Some"
      ? Effect.succeed({ crv: decoded.value.crv, kty: decoded.value.kty, x: decoded.value.x })
      : Effect.fail(new UsageError({ reason: "--public: that is no public Ed25519 key as JWK: {\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"…\"}." }))
  })

/** The file is there, empty and for its owner alone, before anybody knows the key. */
const claimed = (file: string): Effect.Effect<number, WouldOverwrite | UsageError> =>
  Effect.try({
    try: () => openSync(file, "wx", 0o600),
    catch: (error) =>
      error instanceof Error && "code" in error && error.code === "EEXIST"
        ? new WouldOverwrite({ directory: dirname(file), files: [basename(file)] })
        : new UsageError({ reason: `--key ${file}: it cannot be written (${error instanceof Error ? error.message : "unknown"}).` })
  })

const scopeOf = ({ channels, docks, role }: EnrolmentView): string =>
  `${role} on ${channels === null ? "every PUBLIC channel" : channels.join(", ")}${docks ? "; docks systems" : ""}`

export const enroll = Effect.fnUntraced(function*(
  called: Called, name: string, { channels, key: file = `${name.replaceAll("/", "-")}.key.json`, public: given, replace, role, system }: EnrollFlags
): Effect.fn.Return<void, ClientError | UsageError | WouldOverwrite> {
  if (role !== undefined && !isRole(role)) return yield* new UsageError({ reason: `--role ${role} is none: use read, write or admin.` })
  const client = yield* connect(called.directory)
  const register = (key: PublicKey): Effect.Effect<Enrolled, ClientError> =>
    client.call("enrollKey", {
      payload: { name, key, docks: system, replace, ...(role === undefined ? {} : { role }), ...(channels.length === 0 ? {} : { channels }) }
    })
  if (given !== undefined) {
    const enrolled = yield* register(yield* publicKeyOf(given))
    return yield* show(called, enrolled, () => [`enrolled ${plain(name)}: ${plain(scopeOf(enrolled))}`, `card      ${JSON.stringify({ epoch: enrolled.epoch, kid: enrolled.kid, system: name })}`, `audience  ${plain(enrolled.audience)}`])
  }
  const path = resolve(file)
  const handle = yield* claimed(path)
  const { privateKey } = generateKeyPairSync("ed25519")
  const { d = "", x = "" } = privateKey.export({ format: "jwk" })
  const enrolled = yield* register({ crv: "Ed25519", kty: "OKP", x }).pipe(Effect.onError(() => Effect.sync(() => {
    closeSync(handle)
    unlinkSync(path)
  })))
  const { audience, epoch, kid } = enrolled
  const kept: EnrolledKey = { crv: "Ed25519", kty: "OKP", x, d, system: name, kid, epoch, audience }
  yield* Effect.sync(() => {
    writeSync(handle, `${JSON.stringify(kept, null, 2)}\n`)
    fsyncSync(handle)
    closeSync(handle)
  })
  yield* show(called, { ...enrolled, file: path }, () => [`enrolled ${plain(name)}: ${plain(scopeOf(enrolled))}`, `key       ${plain(path)}`])
  if (!called.json) err(onErr.dim("The file holds the private key. Move it to where the system runs, and let nobody read it: createClient({ url, key }) takes what is in it."))
})

const rows = (keys: ReadonlyArray<EnrolmentView>, now: number): ReadonlyArray<string> =>
  keys.length === 0
    ? [onOut.dim("No key is enrolled.")]
    : table(["SYSTEM", "ROLE", "EPOCH", "SINCE", "KEY", "MAY"], keys.map((key) => [key.system, key.role, String(key.epoch), ago(now - key.enrolledAt), key.kid, scopeOf(key)]))

export const list = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const [keys, { now }] = yield* Effect.all([client.call("keys"), client.call("status")])
  yield* show(called, keys, () => rows(keys, now))
})

export const card = Effect.fnUntraced(function*(called: Called, name: string): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const { epoch, kid, system } = yield* client.call("key", { id: name })
  // A card either way: it goes into a file, or into a call of `attenuate`.
  yield* show(called, { system, kid, epoch }, () => [JSON.stringify({ system, kid, epoch })])
})

export const revoke = Effect.fnUntraced(function*(called: Called, name: string): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const ended = yield* client.call("revokeKey", { id: name })
  yield* show(called, ended, () => [`revoked the key of ${plain(name)}, its grants, and every token of it`])
})

export const rotate = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const { keys } = yield* client.call("rotateKey")
  yield* show(called, keys, () => keys.map(({ kid }, at) => `${kid}  ${at === 0 ? "signs from now on" : "still good for what it signed"}`))
})

export const token = Effect.fnUntraced(function*(called: Called, grant: string, ttl: string | undefined): Effect.fn.Return<void, ClientError | UsageError> {
  const ttlSeconds = ttl === undefined ? undefined : Math.ceil((yield* spanOf("--ttl", ttl)) / 1_000)
  const client = yield* connect(called.directory)
  const made = yield* client.call("grantToken", { payload: { grant, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) } })
  if (called.json) return yield* show(called, made, () => [])
  // The token alone on stdout, so that it can go into a file or a variable.
  yield* Effect.promise(() => out(made.token))
  err(onErr.dim(`For the key of ${plain(made.system)} alone: in another's hands it is worth nothing. It ends with its grant: aaax cap revoke ${plain(grant)}`))
})
