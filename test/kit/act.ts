// Tokens, keys and proofs for tests, also those that nobody honest would make: whatever header, claims and key a test says.
import { generateKeyPairSync, sign, createPrivateKey, type KeyObject } from "node:crypto"
import { actTypes, type EnrolledKey } from "../../protocol/act.ts"
import type { Caveats } from "../../protocol/authority.ts"
import { signingInput, thumbprintInput, type Fields } from "../../protocol/jws.ts"
import type { KernelKey } from "../../kernel/guard/act/chain.ts"
import { actCrypto } from "../../kernel/power/act-crypto.ts"

export interface Pair {
  readonly x: string
  readonly d: string
  readonly kid: string
  readonly secret: KeyObject
}

export const pair = (): Pair => {
  const { privateKey } = generateKeyPairSync("ed25519")
  const { d = "", x = "" } = privateKey.export({ format: "jwk" })
  return { d, x, kid: actCrypto.sha256(thumbprintInput(x)), secret: privateKey }
}

export const pairOf = ({ d, x }: { readonly d: string; readonly x: string }): Pair => ({
  d, x, kid: actCrypto.sha256(thumbprintInput(x)), secret: createPrivateKey({ key: { crv: "Ed25519", kty: "OKP", d, x }, format: "jwk" })
})

export const keyOf = ({ d, kid, x }: Pair, system: string, epoch: number, audience: string): EnrolledKey =>
  ({ crv: "Ed25519", kty: "OKP", x, d, kid, system, epoch, audience })

export const jwkOf = ({ x }: { readonly x: string }) => ({ crv: "Ed25519", kty: "OKP", x }) as const

export const signature = (input: string, { secret }: Pair): string => sign(null, Buffer.from(input), secret).toString("base64url")

/** A token of texts that are signed as they are, however they are written. */
export const raw = (header: string, claims: string, by: Pair): string => {
  const input = `${Buffer.from(header).toString("base64url")}.${Buffer.from(claims).toString("base64url")}`
  return `${input}.${signature(input, by)}`
}

export const compact = (header: Fields, claims: Fields, by: Pair): string => {
  const input = signingInput(header, claims)
  return `${input}.${signature(input, by)}`
}

/** Somebody with an enrolled key. */
export interface Party extends Pair {
  readonly system: string
  readonly epoch: number
}

export const rootHeader = (kid: string) => ({ alg: "EdDSA", typ: actTypes.root, kid })

export const rootClaims = (audience: string, grant: string, to: Party) => ({
  v: 1, iss: audience, aud: audience, sub: to.system, jti: grant, iat: 1_000, ep: to.epoch, cnf: { jkt: to.kid }, cav: {}
})

export const linkHeader = (by: { readonly x: string }) => ({ alg: "EdDSA", typ: actTypes.link, jwk: jwkOf(by) })

export const linkClaims = (before: string, to: Party, caveats: Caveats, jti: string) => ({
  v: 1, par: actCrypto.sha256(before), sub: to.system, jti, ep: to.epoch, cnf: { jkt: to.kid }, cav: caveats
})

let links = 0

/** A token with one more link. */
export const narrowed = (before: string, by: Pair, to: Party, caveats: Caveats = {}, claims: Fields = {}, header: Fields = {}): string =>
  `${before}~${compact({ ...linkHeader(by), ...header }, { ...linkClaims(before, to, caveats, `link-${++links}`), ...claims }, by)}`

export const kernelKeyOf = ({ kid, x }: Pair): KernelKey => ({ kid, x })
