// Caveats as the kernel understands them: what somebody asks for is read strictly, and what a grant holds is made ready
// once for the checks that follow. What is not understood as a whole allows nothing.
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Caveats, type ArgumentCaveat } from "../../protocol/authority.ts"
import { compileGlob, globLengthMax } from "../../protocol/glob.ts"
import {
  caveatArgumentsMax, caveatGlobsMax, caveatPointerSegmentsMax, caveatRateMillisMax, caveatRateStartsMax, caveatsTextMax
} from "../limits.ts"

const decode = Schema.decodeUnknownResult(Caveats, { errors: "first", onExcessProperty: "error" })

const known = Object.keys(Caveats.fields).join(", ")

/** The segments of a JSON pointer; or what is wrong with it. */
const segmentsOf = (pointer: string): ReadonlyArray<string> | string => {
  if (pointer === "") return []
  if (!pointer.startsWith("/")) return "a JSON pointer is empty or begins with /"
  const segments = pointer.slice(1).split("/")
  if (segments.length > caveatPointerSegmentsMax) return `a JSON pointer has at most ${caveatPointerSegmentsMax} segments`
  if (segments.some((segment) => /~(?![01])/u.test(segment))) return "in a JSON pointer ~ is written ~0 and / is written ~1"
  const plain = segments.map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"))
  return plain.includes("__proto__") ? "__proto__ is never walked" : plain
}

/** What must hold of the value of an operation, or what it must be. */
const valueProblem = ({ op, value }: ArgumentCaveat): string | undefined => {
  switch (op) {
    case "eq":
      return value === undefined ? "eq needs a value" : undefined
    case "in":
      return Array.isArray(value) ? undefined : "in needs an array of values"
    case "le":
    case "ge":
      return typeof value === "number" && Number.isFinite(value) ? undefined : `${op} needs a number`
    case "glob":
      return typeof value === "string" && value.length <= globLengthMax ? undefined : `glob needs a pattern of at most ${globLengthMax} characters`
    case "maxLength":
      return Number.isSafeInteger(value) && Number(value) >= 0 ? undefined : "maxLength needs a whole number of characters or items"
    case "absent":
      return value === undefined ? undefined : "absent takes no value"
  }
}

const globsProblem = (globs: ReadonlyArray<string> | undefined): string | undefined => {
  if (globs === undefined) return undefined
  if (globs.length > caveatGlobsMax) return `at most ${caveatGlobsMax} globs`
  return globs.some((glob) => glob.length > globLengthMax) ? `a glob has at most ${globLengthMax} characters` : undefined
}

const problemOf = (caveats: Caveats): string | undefined => {
  for (const field of ["actions", "targets"] as const) {
    const problem = globsProblem(caveats[field])
    if (problem !== undefined) return `${field}: ${problem}`
  }
  if ((caveats.arguments?.length ?? 0) > caveatArgumentsMax) return `arguments: at most ${caveatArgumentsMax} of them`
  for (const [at, predicate] of (caveats.arguments ?? []).entries()) {
    const segments = segmentsOf(predicate.pointer)
    const problem = typeof segments === "string" ? segments : valueProblem(predicate)
    if (problem !== undefined) return `arguments[${at}]: ${problem}`
  }
  const { rate } = caveats
  if (rate !== undefined && (rate.count < 1 || rate.count > caveatRateStartsMax || rate.perMillis < 1 || rate.perMillis > caveatRateMillisMax)) {
    return `rate: 1 to ${caveatRateStartsMax} starts per 1 to ${caveatRateMillisMax} ms`
  }
  return undefined
}

/** Caveats that somebody asks for, or why they cannot be had. One that is not known is refused: leaving it out would widen. */
export const caveatsOf = (asked: unknown): Caveats | string => {
  let text: string
  try {
    text = JSON.stringify(asked) ?? ""
  } catch {
    return "caveats are JSON"
  }
  if (text.length > caveatsTextMax) return `caveats have ${text.length} characters, at most ${caveatsTextMax} are allowed`
  const decoded = decode(asked)
  if (Result.isFailure(decoded)) return `${decoded.failure.message.replace(/\s+/gu, " ").slice(0, 300)}; caveats are ${known}`
  return problemOf(decoded.success) ?? decoded.success
}

export type Test = (text: string) => boolean

/** A predicate made ready: where to look, and what it says of what is there. */
interface ReadyArgument {
  readonly caveat: ArgumentCaveat
  readonly segments: ReadonlyArray<string>
  readonly glob: Test | undefined
}

/** Caveats made ready. */
export interface ReadyCaveats {
  readonly actions: ReadonlyArray<Test> | undefined
  readonly targets: ReadonlyArray<Test> | undefined
  readonly arguments: ReadonlyArray<ReadyArgument> | undefined
}

const plain: ReadyCaveats = { actions: undefined, targets: undefined, arguments: undefined }

const readyArgument = (caveat: ArgumentCaveat): ReadyArgument => ({
  caveat,
  // It was found to be a pointer before.
  segments: segmentsOf(caveat.pointer) as ReadonlyArray<string>,
  glob: caveat.op === "glob" ? compileGlob(String(caveat.value)) : undefined
})

const makeReady = (given: Caveats): ReadyCaveats | undefined => {
  let isPlain = true
  for (const name in given) if (name !== "expiresAt") isPlain = false
  if (isPlain) return given.expiresAt === undefined || Number.isSafeInteger(given.expiresAt) ? plain : undefined
  const caveats = caveatsOf(given)
  return typeof caveats === "string" ? undefined : {
    actions: caveats.actions?.map(compileGlob),
    targets: caveats.targets?.map(compileGlob),
    arguments: caveats.arguments?.map(readyArgument)
  }
}

const remembered = new WeakMap<Caveats, ReadyCaveats | "unknown">()

/** The caveats of a grant, ready to be checked; undefined when one of them is not understood. */
export const readyOf = (caveats: Caveats): ReadyCaveats | undefined => {
  let ready = remembered.get(caveats)
  if (ready === undefined) {
    ready = makeReady(caveats) ?? "unknown"
    remembered.set(caveats, ready)
  }
  return ready === "unknown" ? undefined : ready
}

const index = /^(?:0|[1-9]\d*)$/u

/** What a pointer leads to along own properties; undefined: nothing is there. */
const walk = (payload: unknown, segments: ReadonlyArray<string>): unknown => {
  let at = payload
  for (const segment of segments) {
    if (typeof at !== "object" || at === null || segment === "__proto__") return undefined
    if (Array.isArray(at) ? !index.test(segment) : !Object.hasOwn(at, segment)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[segment] // an own property, or an item
  }
  return at
}

const sameJson = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false
  const names = Object.keys(a)
  if (names.length !== Object.keys(b).length) return false
  // Both are objects, as was just seen.
  return names.every((name) => Object.hasOwn(b, name) && sameJson((a as Readonly<Record<string, unknown>>)[name], (b as Readonly<Record<string, unknown>>)[name]))
}

/** Whether the payload is what a predicate wants. */
export const satisfies = ({ caveat: { op, value }, glob, segments }: ReadyArgument, payload: unknown): boolean => {
  const found = walk(payload, segments)
  if (op === "absent") return found === undefined
  if (found === undefined) return false
  switch (op) {
    case "eq":
      return sameJson(found, value)
    case "in":
      return Array.isArray(value) && value.some((one) => sameJson(found, one))
    case "le":
      return typeof found === "number" && found <= Number(value)
    case "ge":
      return typeof found === "number" && found >= Number(value)
    case "glob":
      return typeof found === "string" && glob?.(found) === true
    case "maxLength":
      return (typeof found === "string" || Array.isArray(found)) && found.length <= Number(value)
    default:
      return false
  }
}

/** A predicate in words. */
export const argumentInWords = ({ op, pointer, value }: ArgumentCaveat): string =>
  `${pointer === "" ? "the payload" : pointer} ${op}${value === undefined ? "" : ` ${JSON.stringify(value).slice(0, 200)}`}`
