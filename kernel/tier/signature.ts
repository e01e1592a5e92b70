// Signed modules: a file beside the module that says who published it, what every file of it is, and what it asks for. It is
// checked before any of its code runs.
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { createPrivateKey, createPublicKey, sign as signBytes, verify as verifyBytes } from "node:crypto"
import { existsSync, readFileSync } from "node:fs"
import { basename, dirname } from "node:path"
import { Asks } from "../../protocol/asks.ts"
import { canonical } from "../guard/canonical.ts"
import type { SigningKey } from "../guard/tokens.ts"
import { pathFrom, type ModuleFile } from "./files.ts"

const Digest = Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/u))
/** An Ed25519 public key: 32 bytes in base64url. */
const PublicKey = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/u))

const body = {
  aaax: Schema.Literal(1),
  id: Schema.NonEmptyString,
  /** The file that is named when it is loaded, and all that it imports; paths from its folder. */
  entry: Schema.NonEmptyString,
  files: Schema.Record(Schema.String, Digest),
  asks: Asks,
  publisher: PublicKey
}

/** What stands in the file beside a module. */
export const SignedManifest = Schema.Struct({ ...body, signature: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{86}$/u)) })
export interface SignedManifest extends Schema.Schema.Type<typeof SignedManifest> {}
export type UnsignedManifest = Omit<SignedManifest, "signature" | "publisher" | "aaax">

/** Where the signed manifest of a module is. */
export const signedManifestOf = (file: string): string => `${file}.signed.json`

const decode = Schema.decodeUnknownResult(Schema.fromJsonString(SignedManifest), { errors: "first", onExcessProperty: "error" })
/** What is signed cannot be taken for a text of another kind. */
const text = (manifest: Omit<SignedManifest, "signature">): Buffer => Buffer.from(`aaax module\n${canonical(manifest)}`)

export const listed = (files: ReadonlyArray<ModuleFile>): Readonly<Record<string, string>> => {
  const folder = dirname(files[0]?.path ?? "/")
  return Object.fromEntries(files.map(({ digest, path }) => [pathFrom(folder, path), digest]))
}

/** The public half of a publisher's key, as a config names it. */
export const publisherOf = ({ x }: SigningKey): string => x ?? ""

export const signManifest = (manifest: UnsignedManifest, key: SigningKey): SignedManifest => {
  const whole = { aaax: 1 as const, ...manifest, publisher: publisherOf(key) }
  const signature = signBytes(null, text(whole), createPrivateKey({ key: { ...key }, format: "jwk" }))
  return { ...whole, signature: signature.toString("base64url") }
}

/** What the manifest beside a module says of its files, or the sentence that refuses it; nothing: there is none. */
export const readSigned = (files: ReadonlyArray<ModuleFile>): SignedManifest | string | undefined => {
  const [first] = files
  if (first === undefined) return undefined
  const path = signedManifestOf(first.path)
  if (!existsSync(path)) return undefined
  const decoded = decode(readFileSync(path, "utf8"))
  if (Result.isFailure(decoded)) return `${path} is no signed manifest: ${decoded.failure.message.replace(/\s+/gu, " ").slice(0, 200)}`
  const { signature, ...rest } = decoded.success
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: rest.publisher }, format: "jwk" })
  const bytes = Buffer.from(signature, "base64url")
  // One signature has one spelling.
  if (bytes.toString("base64url") !== signature || !verifyBytes(null, text(rest), key, bytes)) return `the signature in ${path} does not hold`
  if (rest.entry !== basename(first.path)) return `${path} was signed for ${rest.entry}`
  const there = listed(files)
  for (const [name, digest] of Object.entries(there)) {
    const said = Object.hasOwn(rest.files, name) ? rest.files[name] : undefined
    if (said === undefined) return `${path} does not list ${name}, which the module imports`
    if (said !== digest) return `${name} is another file than the one that was signed`
  }
  return decoded.success
}
