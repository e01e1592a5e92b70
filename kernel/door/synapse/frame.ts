// One frame of a client, read: text to fields, or why it cannot be taken. Whatever comes, the connection stays.
import { payloadDepthMax } from "../../limits.ts"

export type Fields = Readonly<Record<string, unknown>>

/** Half of a character outside the basic plane, escaped: JSON allows it, and no text holds it. */
const surrogate = /\\u[dD][89a-fA-F]/u

const half = /\p{Surrogate}/u

const isFlat = (value: unknown): boolean => typeof value !== "object" || value === null

/** Whether it nests no deeper than it may. The frame itself is the first level. */
const isShallow = (value: unknown, room: number): boolean => {
  if (isFlat(value)) return true
  if (room === 0) return false
  for (const member of Object.values(value as object)) if (!isFlat(member) && !isShallow(member, room - 1)) return false // it is no null and no scalar
  return true
}

const holdsHalves = (value: unknown): boolean => {
  if (typeof value === "string") return half.test(value)
  if (isFlat(value)) return false
  return Object.entries(value as object).some(([key, member]) => half.test(key) || holdsHalves(member)) // as above
}

export const fieldsOf = (text: string): Fields | string => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return "Malformed JSON."
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "Malformed JSON. A frame is one object."
  if (!isShallow(value, payloadDepthMax)) return `Malformed JSON. It nests deeper than ${payloadDepthMax} levels.`
  if (surrogate.test(text) && holdsHalves(value)) return "Malformed JSON. It holds half of a surrogate pair."
  return value as Fields // an object that is no array is a record of unknowns
}
