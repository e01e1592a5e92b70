// The one spelling of a compact token. Decoders are lenient: they take stray characters, padding and spare bits, so that one
// token could be written in many ways, and a list of revoked ones would miss most of them.
import { credentialLengthMax } from "../limits.ts"

type Fields = Readonly<Record<string, unknown>>

export interface TokenParts {
  readonly header: Fields
  readonly claims: Fields
}

const alphabet = /^[\w-]+$/u
/** Last characters whose spare bits are zero, by how many characters the last group has. */
const endings: ReadonlyArray<RegExp> = [/./u, /(?!)/u, /[AQgw]$/u, /[AEIMQUYcgkosw048]$/u]

/** Whether a text is base64url as an encoder writes it. */
const isCanonical = (text: string): boolean => alphabet.test(text) && endings[text.length % 4]!.test(text)

const fieldsOf = (part: string): Fields => {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0))
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("not an object")
  return value as Fields // an object, seen just now
}

/** Header and claims, not verified; nothing when it is no compact token in its canonical spelling. */
export const partsOf = (token: string): TokenParts | undefined => {
  if (token.length > credentialLengthMax) return undefined
  const parts = token.split(".")
  const [header, claims] = parts
  if (header === undefined || claims === undefined || parts.length !== 3 || !parts.every(isCanonical)) return undefined
  try {
    return { header: fieldsOf(header), claims: fieldsOf(claims) }
  } catch {
    return undefined
  }
}
