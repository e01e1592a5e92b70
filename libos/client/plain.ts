// What JSON would change without a word: refused before it is sent, as a port in the kernel's own process refuses it.
import { InvalidPayload } from "../../protocol/errors.ts"

/** Nesting of a payload; the kernel refuses more. */
const depthMax = 64

const refuse = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "event", path, reason })

const find = (value: unknown, path: string, depth: number): InvalidPayload | undefined => {
  if (typeof value === "string" || typeof value === "boolean" || value === null || value === undefined) return undefined
  if (typeof value === "number") return Number.isFinite(value) ? undefined : refuse(path, "numbers must be finite")
  if (typeof value !== "object") return refuse(path, `${typeof value} is not JSON; use null, booleans, numbers, strings, arrays and plain objects`)
  if (depth > depthMax) return refuse(path.slice(0, 200), `nested deeper than ${depthMax}`)
  if (Array.isArray(value)) {
    if ("toJSON" in value) return refuse(path, "a list with toJSON is not a plain list")
    for (let at = 0; at < value.length; at++) {
      if (value[at] === undefined) return refuse(`${path}[${at}]`, "undefined is not JSON; use null, booleans, numbers, strings, arrays and plain objects")
      const found = find(value[at], `${path}[${at}]`, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return refuse(path, `${nameOf(prototype)} is not a plain object`)
  for (const [key, member] of Object.entries(value)) {
    if (key === "__proto__") return refuse(path, "the key __proto__ is refused")
    const found = find(member, `${path}.${key}`, depth + 1)
    if (found !== undefined) return found
  }
  return undefined
}

const nameOf = (prototype: unknown): string => {
  const { constructor } = prototype as { readonly constructor?: { readonly name?: unknown } } // an object, not null
  return typeof constructor?.name === "string" ? constructor.name : "an object with a prototype"
}

/** The refusal of a value that is no plain data, with the path of the first mistake; or nothing. */
export const misfitOf = (value: unknown, path: string): InvalidPayload | undefined => {
  try {
    return find(value, path, 1)
  } catch (thrown) {
    return refuse(path, `it cannot be read: ${thrown instanceof Error ? thrown.message : "it throws"}`)
  }
}
