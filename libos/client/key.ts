// What whoever has an enrolled key does with it: narrow a token for another system, and prove that a request is its own. Needs
// no kernel, and nothing but the platform's own cryptography.
import { actLengthMax, actLinksMax, actSeparator, actTypes, proofScheme, type EnrolledKey, type KeyCard } from "../../protocol/act.ts"
import type { Caveats } from "../../protocol/authority.ts"
import { signingInput, toBase64Url, type Fields } from "../../protocol/jws.ts"

export interface Attenuation {
  /** For whom; one's own card narrows a token for oneself. */
  readonly to: KeyCard
  /** What holds beside everything that held before. */
  readonly caveats: Caveats
  /** The key that the token is for now. */
  readonly key: EnrolledKey
}

const encoder = new TextEncoder()

/** What a private Ed25519 key is imported for. */
const algorithm = { name: "Ed25519" }

const imported = new WeakMap<EnrolledKey, Promise<unknown>>()

const signingKey = (key: EnrolledKey): Promise<unknown> => {
  const known = imported.get(key)
  if (known !== undefined) return known
  const { crv, d, kty, x } = key
  const made = crypto.subtle.importKey("jwk", { crv, d, kty, x }, algorithm, false, ["sign"])
  imported.set(key, made)
  return made
}

const sign = async (key: EnrolledKey, typ: string, claims: Fields): Promise<string> => {
  const input = signingInput({ alg: "EdDSA", typ, jwk: { crv: key.crv, kty: key.kty, x: key.x } }, claims)
  // What `importKey` gave, and nobody else's.
  const signature = await crypto.subtle.sign(algorithm, await signingKey(key) as Parameters<typeof crypto.subtle.sign>[1], encoder.encode(input))
  return `${input}.${toBase64Url(new Uint8Array(signature))}`
}

const hash = async (bytes: Uint8Array | string): Promise<string> =>
  toBase64Url(new Uint8Array(await crypto.subtle.digest("SHA-256", typeof bytes === "string" ? encoder.encode(bytes) : new Uint8Array(bytes))))

const random = (): string => toBase64Url(crypto.getRandomValues(new Uint8Array(18)))

/**
 * A token that is worth less, for another key: every caveat of before holds, and these as well. The kernel is not asked. Its
 * uses, rate and budget are counted there from the first use on. Rejects with a `RangeError` for one that no kernel would take.
 */
export const attenuate = async (token: string, { caveats, key, to }: Attenuation): Promise<string> => {
  if (token.split(actSeparator).length >= actLinksMax) throw new RangeError(`A token has at most ${actLinksMax} links.`)
  const link = await sign(key, actTypes.link, {
    v: 1, par: await hash(token), sub: to.system, jti: random(), ep: to.epoch, cnf: { jkt: to.kid }, cav: caveats
  })
  const narrowed = `${token}${actSeparator}${link}`
  if (narrowed.length > actLengthMax) throw new RangeError(`A token has at most ${actLengthMax} characters.`)
  return narrowed
}

/** What is public of a key: give it to those who are to delegate something to it. */
export const cardOf = ({ epoch, kid, system }: EnrolledKey): KeyCard => ({ epoch, kid, system })

export interface ProofOf {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly nonce: string
  readonly body?: Uint8Array | string
  /** The token that goes with it. */
  readonly token?: string
  /** Unix milliseconds; default: now. */
  readonly at?: number
}

/** Proof that a request comes from this key. Good once, for this very request, for a minute. */
export const prove = async (key: EnrolledKey, { at = Date.now(), body = "", method, nonce, target, token }: ProofOf): Promise<string> =>
  sign(key, actTypes.proof, {
    sub: key.system, aud: key.audience, nonce, iat: at / 1_000, jti: random(), htm: method, htu: target, bh: await hash(body),
    ...(token === undefined ? {} : { ath: await hash(token) })
  })

export const proofHeader = (proof: string): string => `${proofScheme} ${proof}`
