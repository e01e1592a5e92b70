// Compact JWS in one spelling: base64url as an encoder writes it, and JSON as `JSON.stringify` writes it. Decoders are
// lenient, so that one token could be written in many ways; here every other way is no token at all. Checked before
// anything is hashed, compared or remembered.

export type Fields = Readonly<Record<string, unknown>>

/** A compact token, taken apart and not verified. */
export interface Compact {
  readonly header: Fields
  readonly claims: Fields
  /** What was signed: both parts as they came. */
  readonly signed: string
  /** 64 bytes. */
  readonly signature: Uint8Array
}

const alphabet = /^[\w-]+$/u
/** Last characters whose spare bits are zero, by how many characters the last group has. */
const endings: ReadonlyArray<RegExp> = [/./u, /(?!)/u, /[AQgw]$/u, /[AEIMQUYcgkosw048]$/u]

/** Whether a text is base64url as an encoder writes it: no padding, no stray character, no spare bit. */
export const isBase64Url = (text: string): boolean => alphabet.test(text) && endings[text.length % 4]!.test(text)

export const toBase64Url = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/u, "")
}

/** Bytes of a text that `isBase64Url`. */
export const fromBase64Url = (text: string): Uint8Array => {
  const raw = atob(text.replaceAll("-", "+").replaceAll("_", "/"))
  const bytes = new Uint8Array(raw.length)
  for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at)
  return bytes
}

const encoder = new TextEncoder()
/** A mark of byte order is a character like any other, and no JSON. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The object that a part holds; nothing when it is none, or is written in another way than ours. */
const fieldsOf = (part: string): Fields | undefined => {
  if (!isBase64Url(part)) return undefined
  try {
    const text = decoder.decode(fromBase64Url(part))
    // Written with an escape it is not canonical, and ends below.
    if (text.includes('"__proto__"')) return undefined
    const value: unknown = JSON.parse(text)
    // Keys that are there twice, white space, other escapes and other spellings of numbers end here.
    if (typeof value !== "object" || value === null || Array.isArray(value) || JSON.stringify(value) !== text) return undefined
    return value as Fields // an object, seen just now
  } catch {
    return undefined
  }
}

/** Bytes of an Ed25519 signature, and characters of its base64url. */
const signatureBytes = 64
const signatureLength = 86

/** Takes a compact token apart; nothing when it is none in its one spelling. */
export const readCompact = (token: string): Compact | undefined => {
  const first = token.indexOf(".")
  const second = token.indexOf(".", first + 1)
  if (first < 1 || second < 0 || token.length - second - 1 !== signatureLength) return undefined
  const last = token.slice(second + 1)
  if (!isBase64Url(last)) return undefined
  const signature = fromBase64Url(last)
  if (signature.length !== signatureBytes) return undefined
  const header = fieldsOf(token.slice(0, first))
  const claims = header === undefined ? undefined : fieldsOf(token.slice(first + 1, second))
  return header === undefined || claims === undefined ? undefined : { header, claims, signed: token.slice(0, second), signature }
}

/** What is signed for a header and claims. */
export const signingInput = (header: Fields, claims: Fields): string =>
  `${toBase64Url(encoder.encode(JSON.stringify(header)))}.${toBase64Url(encoder.encode(JSON.stringify(claims)))}`

/** What the thumbprint of an Ed25519 key (RFC 7638) is made over. */
export const thumbprintInput = (x: string): string => `{"crv":"Ed25519","kty":"OKP","x":"${x}"}`
