// Strikes the values of secrets out of everything that an executor gives back, in each of the spellings they are likely to have.
//
// A value is looked for as it is, with JSON's, HTML's and a URL's escapes, in hexadecimal, and in base64 at each of the three
// places that it may begin in a group: so it is also found inside `Basic dXNlcjp0b2tlbg==`. A value of several lines is looked for
// line by line, too. What was cut short may end or begin with a part of one: `redactCut` looks for that.
import { redactedSpellingMin } from "../limits.ts"

export interface Redaction {
  /** True when there is nothing to strike out. */
  readonly isIdle: () => boolean
  readonly text: (text: string) => string
  /** Text with a piece left out: also the ends of `before` and the beginnings of `after` that a secret was cut into. */
  readonly cut: (text: string) => string
  /** Every text in a JSON value, names included. The value itself when there was nothing to strike out. */
  readonly json: (value: unknown) => unknown
  readonly bytes: (bytes: Uint8Array) => Uint8Array
  /** As `bytes`, each letter for one asterisk: what lies where does not change. */
  readonly masked: (bytes: Uint8Array) => Uint8Array
}

/** What stands where a secret was. */
export const mark = (name: string): string => `[secret:${name}]`

const utf8 = new TextEncoder()
const latin1 = (bytes: Uint8Array): string => {
  let text = ""
  // In pieces: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 8_192) text += String.fromCharCode(...bytes.subarray(at, at + 8_192))
  return text
}
const fromLatin1 = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0))

/** The letters of base64 that only the value decides, for each place at which it may begin in a group of three bytes. */
const base64Spellings = (bytes: Uint8Array): ReadonlyArray<string> =>
  [0, 1, 2].flatMap((before) => {
    const padded = new Uint8Array(before + bytes.length)
    padded.set(bytes, before)
    const letters = btoa(latin1(padded)).replace(/=+$/u, "")
    const first = before === 0 ? 0 : before + 1
    // The last letter is decided by the value alone when the groups come out even.
    const last = (before + bytes.length) % 3 === 0 ? letters.length : letters.length - 1
    const sure = letters.slice(first, last)
    return [sure, sure.replaceAll("+", "-").replaceAll("/", "_")]
  })

const percent = (bytes: Uint8Array, isKept: (letter: string) => boolean, upper: boolean): string =>
  [...bytes].map((byte) => {
    const letter = String.fromCharCode(byte)
    if (isKept(letter)) return letter
    const hex = byte.toString(16).padStart(2, "0")
    return `%${upper ? hex.toUpperCase() : hex}`
  }).join("")

const isUnreserved = (letter: string): boolean => /[A-Za-z0-9\-_.~]/u.test(letter)
const isComponent = (letter: string): boolean => /[A-Za-z0-9\-_.~!'()*]/u.test(letter)
const isForm = (letter: string): boolean => /[A-Za-z0-9\-_.*]/u.test(letter)

const html: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }

const spellingsOf = (value: string): ReadonlySet<string> => {
  const spellings = new Set<string>()
  const parts = value.includes("\n") ? [value, ...value.split(/\r?\n/u)] : [value]
  for (const part of parts) {
    const bytes = utf8.encode(part)
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")
    const json = JSON.stringify(part).slice(1, -1)
    for (const spelling of [
      part, part.trim(), json, JSON.stringify(json).slice(1, -1), json.replaceAll("/", "\\/"),
      part.replace(/[&<>"']/gu, (letter) => html[letter] ?? letter), latin1(bytes), hex, hex.toUpperCase(),
      ...[true, false].flatMap((upper) => [isUnreserved, isComponent, isForm].map((kept) => percent(bytes, kept, upper))),
      percent(bytes, isForm, true).replaceAll("%20", "+"),
      ...base64Spellings(bytes)
    ]) if (spelling.length >= redactedSpellingMin) spellings.add(spelling)
  }
  return spellings
}

interface Known {
  readonly nameOf: ReadonlyMap<string, string>
  /** Which hashes of their first four letters there are: most places of a text are passed over by looking here alone. */
  readonly begins: Uint8Array
  /** By their first four letters; the longest first, so that of two that begin alike the whole is struck out. */
  readonly byBegin: ReadonlyMap<string, ReadonlyArray<string>>
}

const beginMask = 0x3_ffff
const beginAt = (text: string, at: number): number =>
  (((text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) * 31 + text.charCodeAt(at + 2)) * 31 + text.charCodeAt(at + 3)) & beginMask

const knownOf = (nameOf: ReadonlyMap<string, string>): Known | undefined => {
  if (nameOf.size === 0) return undefined
  const begins = new Uint8Array(beginMask + 1)
  const byBegin = new Map<string, Array<string>>()
  for (const spelling of [...nameOf.keys()].sort((a, b) => b.length - a.length)) {
    begins[beginAt(spelling, 0)] = 1
    const begin = spelling.slice(0, 4)
    const alike = byBegin.get(begin)
    if (alike === undefined) byBegin.set(begin, [spelling])
    else alike.push(spelling)
  }
  return { nameOf, begins, byBegin }
}

/* hot: takes as long for many secrets as for one. */
const strikeOut = (text: string, { begins, byBegin }: Known, put: (spelling: string) => string): string => {
  let result = ""
  let from = 0
  const last = text.length - redactedSpellingMin
  for (let at = 0; at <= last;) {
    const hit = begins[beginAt(text, at)] === 0 ? undefined : byBegin.get(text.slice(at, at + 4))?.find((spelling) => text.startsWith(spelling, at))
    if (hit === undefined) {
      at++
    } else {
      result += text.slice(from, at) + put(hit)
      at += hit.length
      from = at
    }
  }
  return from === 0 ? text : result + text.slice(from)
}

/** `values`: the values of secrets by name, as they are now; asked at each use and worked out anew only when it is another object. */
export const makeRedaction = (values: () => ReadonlyMap<string, ReadonlyArray<string>>): Redaction => {
  let from: ReadonlyMap<string, ReadonlyArray<string>> | undefined
  let known: Known | undefined

  const look = (): Known | undefined => {
    const now = values()
    if (now === from) return known
    const nameOf = new Map<string, string>()
    for (const [name, list] of now) {
      for (const value of list) for (const spelling of spellingsOf(value)) nameOf.set(spelling, name)
    }
    from = now
    known = knownOf(nameOf)
    return known
  }

  const text = (given: string): string => {
    const all = look()
    return all === undefined ? given : strikeOut(given, all, (spelling) => mark(all.nameOf.get(spelling) ?? ""))
  }

  /** Where a text that was cut begins with the end of a secret, or ends with the beginning of one: without that part. */
  const cut = (given: string): string => {
    let result = text(given)
    for (const [spelling, name] of look()?.nameOf ?? []) {
      for (let size = Math.min(spelling.length - 1, result.length); size >= 4; size--) {
        if (result.endsWith(spelling.slice(0, size))) {
          result = result.slice(0, -size) + mark(name)
          break
        }
      }
      for (let size = Math.min(spelling.length - 1, result.length); size >= 4; size--) {
        if (result.startsWith(spelling.slice(-size))) {
          result = mark(name) + result.slice(size)
          break
        }
      }
    }
    return result
  }

  const json = (value: unknown): unknown => {
    if (typeof value === "string") return text(value)
    if (typeof value !== "object" || value === null) return value
    if (Array.isArray(value)) return value.map(json)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [text(key), json(inner)]))
  }

  const inBytes = (given: Uint8Array, strike: (text: string) => string): Uint8Array => {
    if (look() === undefined) return given
    const before = latin1(given)
    const after = strike(before)
    return after === before ? given : fromLatin1(after)
  }

  return {
    isIdle: () => look() === undefined,
    text,
    cut,
    json: (value) => (look() === undefined ? value : json(value)),
    bytes: (bytes) => inBytes(bytes, text),
    masked: (bytes) => inBytes(bytes, (given) => {
      const all = look()
      return all === undefined ? given : strikeOut(given, all, (spelling) => "*".repeat(spelling.length))
    })
  }
}
