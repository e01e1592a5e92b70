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

/** What each character stands for; -1: nothing. */
const values = new Int8Array(128).fill(-1)
for (const [value, character] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"].entries()) values[character.charCodeAt(0)] = value

/* hot */
/** Bytes of base64url as an encoder writes it; nothing when there is padding, a stray character or a spare bit. */
export const fromBase64Url = (text: string): Uint8Array | undefined => {
  const { length } = text
  if (length === 0 || length % 4 === 1) return undefined
  const bytes = new Uint8Array((length * 3) >> 2)
  let held = 0
  let bits = 0
  let place = 0
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at)
    const value = code < 128 ? values[code]! : -1
    if (value < 0) return undefined
    held = ((held << 6) | value) & 0xfff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    bytes[place++] = held >> bits
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : undefined
}

export const toBase64Url = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/u, "")
}

const encoder = new TextEncoder()
/** A mark of byte order is a character like any other, and no JSON. */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The object that a part holds; nothing when it is none, or is written in another way than ours. */
const fieldsOf = (part: string): Fields | undefined => {
  const bytes = fromBase64Url(part)
  if (bytes === undefined) return undefined
  try {
    const text = decoder.decode(bytes)
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

/** Characters of the 64 bytes of an Ed25519 signature. */
const signatureLength = 86

/** Takes a compact token apart; nothing when it is none in its one spelling. */
export const readCompact = (token: string): Compact | undefined => {
  const first = token.indexOf(".")
  const second = token.indexOf(".", first + 1)
  if (first < 1 || second < 0 || token.length - second - 1 !== signatureLength) return undefined
  const signature = fromBase64Url(token.slice(second + 1))
  if (signature === undefined) return undefined
  const header = fieldsOf(token.slice(0, first))
  const claims = header === undefined ? undefined : fieldsOf(token.slice(first + 1, second))
  return header === undefined || claims === undefined ? undefined : { header, claims, signed: token.slice(0, second), signature }
}

/** What is signed for a header and claims. */
export const signingInput = (header: Fields, claims: Fields): string =>
  `${toBase64Url(encoder.encode(JSON.stringify(header)))}.${toBase64Url(encoder.encode(JSON.stringify(claims)))}`

/** What the thumbprint of an Ed25519 key (RFC 7638) is made over. */
export const thumbprintInput = (x: string): string => `{"crv":"Ed25519","kty":"OKP","x":"${x}"}`
