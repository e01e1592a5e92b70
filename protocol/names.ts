// Names: what may be called how. One segment rule for everything that appears in a path or a URL.
import * as Schema from "effect/Schema"

/** Longest name that is accepted, in UTF-16 code units. */
export const nameLengthMax = 200

/**
 * The segment rule: not blank, not `.` or `..`, no white space, none of `/ : \ %`, no control character,
 * at most `nameLengthMax` code units. Source: SSSN v2 identifiers, made stricter by the bound.
 */
// A class of the forbidden characters; `u` so that JSON Schema carries the pattern.
// eslint-disable-next-line no-control-regex -- control characters are what it refuses
const forbidden = /[\s/:\\%\u0000-\u001f\u007f]/u

export const isSegment = (text: string): boolean =>
  text.length > 0 && text.length <= nameLengthMax && text !== "." && text !== ".." && !forbidden.test(text)

/** A system id is one segment, or several joined by `/` (`project/agent`). */
export const isSystemId = (text: string): boolean =>
  text.length <= nameLengthMax && text.split("/").every(isSegment)

const segment = (what: string) =>
  Schema.String.check(
    Schema.makeFilter((text: string) => isSegment(text) || `${what} must be a non-empty path segment.`)
  )

export const SystemId = Schema.String.check(
  Schema.makeFilter((text: string) => isSystemId(text) || "a system id is one or more path segments joined by /.")
)
export type SystemId = string

export const ChannelId = segment("a channel name")
export type ChannelId = string

export const EventId = segment("an event id")
export type EventId = string

/**
 * Position in one channel. 0 is "before all"; the first event is at 1 or later. Cursors grow, but nobody may
 * rely on density: to find the next event, ask the store.
 */
export const Cursor = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
export type Cursor = number

/** The sender of everything that the kernel itself writes. */
export const kernelSystem: SystemId = "aaax"
/** As who the kernel writes what its operator asks for; no system is docked under it. */
export const operatorSystem: SystemId = "operator"

/** Distance by insertions, deletions and replacements, for "did you mean". */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    }
    row = next
  }
  return row[b.length]!
}

/** The known name that is nearest to a mistyped one, when one is near enough to be meant. */
export const nearest = (name: string, known: Iterable<string>): string | undefined => {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1
  const short = name.slice(0, nameLengthMax)
  for (const candidate of known) {
    const d = distance(short.toLowerCase(), candidate.toLowerCase())
    if (d < bestDistance) {
      best = candidate
      bestDistance = d
    }
  }
  return best
}
