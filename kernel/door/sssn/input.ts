// What a request of the portable API says: parameters of its query and its body, refused with the place of the mistake.
import * as Effect from "effect/Effect"
import { isUtf8 } from "node:buffer"
import { Overloaded, TooLarge } from "../../../protocol/errors.ts"
import { InvalidPayloadError } from "../../../protocol/portable-error.ts"
import { artifactJsonBytesMax, artifactJsonTotalBytesMax } from "../../limits.ts"
import type { Asked } from "../surface.ts"

const refuse = (message: string): InvalidPayloadError => new InvalidPayloadError(message)

/** Parameters by name. An unknown one is refused: it was meant to say something. */
export class Query {
  readonly #given: URLSearchParams
  constructor(given: URLSearchParams, allowed: ReadonlyArray<string>, lists: ReadonlyArray<string> = []) {
    for (const name of new Set(given.keys())) {
      if (!allowed.includes(name) && !lists.includes(name)) {
        const may = [...allowed, ...lists]
        throw refuse(`query.${name.slice(0, 100)}: is not a parameter; ${may.length === 0 ? "there are none" : `allowed: ${may.join(", ")}`}.`)
      }
      if (!lists.includes(name) && given.getAll(name).length > 1) throw refuse(`query.${name}: is given more than once.`)
    }
    this.#given = given
  }

  text(name: string): string | undefined {
    return this.#given.get(name) ?? undefined
  }

  list(name: string): ReadonlyArray<string> {
    return this.#given.getAll(name)
  }

  required(name: string): string {
    const value = this.text(name)
    if (value === undefined) throw refuse(`query.${name}: Field required`)
    return value
  }

  /** An integer, also written as `7.0`. */
  integer(name: string, least: 0 | 1): number | undefined {
    const value = this.text(name)
    if (value === undefined) return undefined
    if (!/^\s*[+-]?\d{1,40}(?:\.0*)?\s*$/u.test(value)) throw refuse(`query.${name}: ${name} must be an integer.`)
    const number = Number(value)
    if (!Number.isSafeInteger(number)) throw refuse(`query.${name}: ${name} must be less than or equal to ${Number.MAX_SAFE_INTEGER}.`)
    if (number < least) throw refuse(`query.${name}: ${name} must be greater than ${least === 0 ? "or equal to 0" : "0"}.`)
    return number
  }
}

const longDigits = /\d{16}/u
/** Strings, which are passed over, and numbers. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gu

/** JSON in UTF-8, but no integer that JavaScript would silently round. */
export const parseJson = (bytes: Uint8Array): unknown => {
  if (bytes.length === 0) throw refuse("body: Field required")
  if (!isUtf8(bytes)) throw refuse("body: it is not UTF-8.")
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw refuse("body: it is not JSON.")
  }
  if (!longDigits.test(text)) return value
  for (const [token] of text.matchAll(tokens)) {
    if (token.length < 16 || token.startsWith('"') || /[.eE]/u.test(token) || Number.isSafeInteger(Number(token))) continue
    throw refuse(`body: the integer ${token.slice(0, 40)} would lose digits; send it as text.`)
  }
  return value
}

/** Runs code whose throws are refusals. */
export const checked = <A>(run: () => A): Effect.Effect<A, InvalidPayloadError> =>
  Effect.try({
    try: run,
    catch: (thrown) => {
      if (thrown instanceof InvalidPayloadError) return thrown
      throw thrown
    }
  })

/** The body as JSON; a request without one is refused. */
export const bodyOf = (asked: Asked): Effect.Effect<unknown, InvalidPayloadError | TooLarge> =>
  Effect.flatMap(asked.body, (bytes) => checked(() => parseJson(bytes)))

/** Bytes of bodies that are held in memory for artifacts inside JSON, of all requests. */
let held = 0

const takeAll = async (bytes: AsyncIterable<Uint8Array>, took: (size: number) => void): Promise<Uint8Array> => {
  const parts: Array<Uint8Array> = []
  let size = 0
  for await (const part of bytes) {
    size += part.length
    if (size > artifactJsonBytesMax) {
      throw new TooLarge({ what: "An artifact inside JSON (PUT /sssn/artifacts takes the bytes as they are)", size, sizeMax: artifactJsonBytesMax, unit: "bytes" })
    }
    held += part.length
    took(part.length)
    if (held > artifactJsonTotalBytesMax) {
      throw new Overloaded({ what: "Artifacts inside JSON", limit: artifactJsonTotalBytesMax, unit: "bytes at once", retryAfterMillis: 1_000 })
    }
    parts.push(part)
  }
  return Buffer.concat(parts, size)
}

/** As `bodyOf`, for bodies that hold an artifact, while `use` needs it. */
export const withLargeBody = <A, E>(
  asked: Asked, use: (body: unknown) => Effect.Effect<A, E>
): Effect.Effect<A, E | InvalidPayloadError | TooLarge | Overloaded> => {
  let mine = 0
  return Effect.tryPromise({
    try: async () => parseJson(await takeAll(asked.bytes, (size) => void (mine += size))),
    catch: (thrown) =>
      thrown instanceof InvalidPayloadError || thrown instanceof TooLarge || thrown instanceof Overloaded ? thrown : refuse("body: it broke off.")
  }).pipe(
    Effect.flatMap(use),
    Effect.ensuring(Effect.sync(() => {
      held -= mine
    }))
  )
}
