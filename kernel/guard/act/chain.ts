// A capability token, read: its spelling, its shape and every signature. What this says of a text is a pure function of the
// text and of the kernel's keys; whether it still stands is asked of the state each time, and never remembered.
import { actLengthMax, actLinksMax, actSeparator, actTypes } from "../../../protocol/act.ts"
import type { Caveats } from "../../../protocol/authority.ts"
import { readCompact, thumbprintInput, type Compact, type Fields } from "../../../protocol/jws.ts"
import { isSystemId, type SystemId } from "../../../protocol/names.ts"
import { caveatsOf } from "../../authority/caveats.ts"

/** What reading needs of the platform. */
export interface ActCrypto {
  /** sha-256 of a text's UTF-8 bytes, as base64url. */
  readonly sha256: (text: string) => string
  /** The same of bytes. */
  readonly sha256Of: (bytes: Uint8Array) => string
  /** Whether an Ed25519 signature over a text's bytes was made with this public key. Never throws: what is no key signs nothing. */
  readonly verify: (x: string, signed: string, signature: Uint8Array) => boolean
}

/** A key of the kernel that tokens may be signed with. */
export interface KernelKey {
  readonly kid: string
  readonly x: string
}

/** Somebody whom a link names: a system, its key, and the epoch of that. */
export interface Named {
  readonly subject: SystemId
  readonly jkt: string
  readonly epoch: number
}

export interface Root extends Named {
  readonly kid: string
  readonly audience: string
  readonly grant: string
  /** Kernel time in Unix milliseconds. */
  readonly issuedAt: number
  /** When the token ends, if before its grant: kernel time in Unix milliseconds. */
  readonly expiresAt: number | undefined
}

export interface Link extends Named {
  /** Of its own: whoever signed it cannot take that of another's. */
  readonly id: string
  /** sha-256 of what was signed: tells it from another one under the same id. */
  readonly digest: string
  readonly caveats: Caveats
}

export interface Chain {
  readonly root: Root
  readonly links: ReadonlyArray<Link>
  /** The last link: who may use it. */
  readonly leaf: Named
}

/** A token that is none, and why. */
export interface Unread {
  readonly refused: string
}

export const isUnread = (chain: Chain | Unread): chain is Unread => "refused" in chain

const refuse = (refused: string): Unread => ({ refused })

/** Whether these are all of an object's members, and it has each of them. */
export const hasExactly = (fields: Fields, names: ReadonlyArray<string>): boolean => {
  const keys = Object.keys(fields)
  return keys.length === names.length && names.every((name) => Object.hasOwn(fields, name))
}

const fieldsIn = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : undefined // an object, seen just now

const thumbprint = /^[\w-]{43}$/u
const jtiOf = /^[\w:./@-]{1,200}$/u

/** The public key that a header carries: an Ed25519 one, and no member beside it. */
export const keyIn = (value: unknown): string | undefined => {
  const jwk = fieldsIn(value)
  if (jwk === undefined || !hasExactly(jwk, ["crv", "kty", "x"])) return undefined
  const { crv, kty, x } = jwk
  return crv === "Ed25519" && kty === "OKP" && typeof x === "string" && thumbprint.test(x) ? x : undefined
}

/** The key of a proof or a link, whose header must be just so. */
export const signerOf = ({ header }: Compact, type: string): string | undefined =>
  hasExactly(header, ["alg", "typ", "jwk"]) && header["alg"] === "EdDSA" && header["typ"] === type ? keyIn(header["jwk"]) : undefined

const namedIn = ({ cnf, ep, sub }: Fields): Named | undefined => {
  const confirmation = fieldsIn(cnf)
  if (confirmation === undefined || !hasExactly(confirmation, ["jkt"])) return undefined
  const { jkt } = confirmation
  if (typeof jkt !== "string" || !thumbprint.test(jkt)) return undefined
  return typeof sub === "string" && isSystemId(sub) && Number.isSafeInteger(ep) && typeof ep === "number" ? { subject: sub, jkt, epoch: ep } : undefined
}

const rootMembers = ["v", "iss", "aud", "sub", "jti", "iat", "ep", "cnf", "cav"]
const linkMembers = ["v", "par", "sub", "jti", "ep", "cnf", "cav"]
const readRoot = (part: string, keys: ReadonlyArray<KernelKey>, crypto: ActCrypto): Root | Unread => {
  const compact = readCompact(part)
  if (compact === undefined) return refuse("its root is not a token in its one spelling")
  const { claims, header } = compact
  if (!hasExactly(header, ["alg", "typ", "kid"]) || header["alg"] !== "EdDSA" || header["typ"] !== actTypes.root) return refuse("its root has not the header of one")
  const key = keys.find(({ kid }) => kid === header["kid"])
  if (key === undefined) return refuse("it was signed with a key that this kernel does not use")
  if (!crypto.verify(key.x, compact.signed, compact.signature)) return refuse("the signature of its root is wrong")
  if (!hasExactly(claims, rootMembers) || claims["v"] !== 1) return refuse("its root does not say what one says")
  const { aud, cav, iat, iss, jti } = claims
  const named = namedIn(claims)
  const caveats = caveatsOf(cav)
  if (named === undefined || typeof jti !== "string" || typeof aud !== "string" || iss !== aud || typeof iat !== "number") return refuse("its root does not say what one says")
  if (typeof caveats === "string") return refuse(`its root: ${caveats}`)
  const { expiresAt, ...grants } = caveats
  if (Object.keys(grants).length > 0) return refuse("its root has a caveat that is its grant's")
  return { ...named, kid: key.kid, audience: aud, grant: jti, issuedAt: Math.round(iat * 1_000), expiresAt }
}

const readLink = (part: string, before: string, parent: Named, crypto: ActCrypto): Link | Unread => {
  const compact = readCompact(part)
  if (compact === undefined) return refuse("one of its links is not a token in its one spelling")
  const x = signerOf(compact, actTypes.link)
  if (x === undefined) return refuse("one of its links has not the header of one")
  if (crypto.sha256(thumbprintInput(x)) !== parent.jkt) return refuse("one of its links was signed with another key than the one that held it")
  const { claims } = compact
  if (claims["par"] !== crypto.sha256(before)) return refuse("one of its links belongs to another token")
  if (!crypto.verify(x, compact.signed, compact.signature)) return refuse("the signature of one of its links is wrong")
  if (!hasExactly(claims, linkMembers) || claims["v"] !== 1) return refuse("one of its links does not say what one says")
  const { cav, jti } = claims
  const named = namedIn(claims)
  const caveats = caveatsOf(cav)
  if (named === undefined || typeof jti !== "string" || !jtiOf.test(jti)) return refuse("one of its links does not say what one says")
  if (typeof caveats === "string") return refuse(`one of its links: ${caveats}`)
  return { ...named, id: `link:${crypto.sha256(`${parent.jkt} ${jti}`)}`, digest: crypto.sha256(compact.signed), caveats }
}

/** Everything about a token that does not change; a sentence when it is none. */
export const readChain = (token: string, keys: ReadonlyArray<KernelKey>, crypto: ActCrypto): Chain | Unread => {
  if (token.length > actLengthMax) return refuse(`it is longer than ${actLengthMax} characters`)
  const parts = token.split(actSeparator, actLinksMax + 1)
  if (parts.length > actLinksMax) return refuse(`it has more than ${actLinksMax} links`)
  const root = readRoot(parts[0]!, keys, crypto)
  if ("refused" in root) return root
  const links: Array<Link> = []
  let leaf: Named = root
  let before = parts[0]!
  for (let at = 1; at < parts.length; at++) {
    const link = readLink(parts[at]!, before, leaf, crypto)
    if ("refused" in link) return link
    links.push(link)
    before += actSeparator + parts[at]!
    leaf = link
  }
  return { root, links, leaf }
}
