// Globs over paths and targets, in time proportional to pattern × text, whatever the pattern: there is no backtracking.

/** Longest pattern, in code points; a longer one matches nothing. */
export const globLengthMax = 1_000

const kinds = { literal: 0, one: 1, segment: 2, any: 3, segments: 4 } as const

/** Token kinds and, for a literal, its code point. */
interface Compiled {
  readonly kinds: Uint8Array
  readonly points: Uint32Array
}

const slash = 47
const star = 42
const question = 63

const pointsOf = (text: string): Uint32Array => Uint32Array.from(text, (character) => character.codePointAt(0)!)

const compile = (pattern: string): Compiled => {
  const source = pointsOf(pattern)
  const tokens: Array<number> = []
  const literals: Array<number> = []
  for (let i = 0; i < source.length; i++) {
    const point = source[i]!
    let kind: number = kinds.literal
    if (point === question) kind = kinds.one
    else if (point === star && source[i + 1] !== star) kind = kinds.segment
    else if (point === star) {
      const opens = i === 0 || source[i - 1] === slash
      while (source[i + 1] === star) i++
      kind = opens && source[i + 1] === slash ? kinds.segments : kinds.any
      if (kind === kinds.segments) i++
    }
    tokens.push(kind)
    literals.push(point)
  }
  return { kinds: Uint8Array.from(tokens), points: Uint32Array.from(literals) }
}

const climbs = (text: string): boolean =>
  text.includes(".") && text.split("/").some((part) => part === "." || part === "..")

/** Marks `state` and what is reached from it without reading anything: a star may stand for nothing. */
const enter = (live: Uint8Array, tokens: Uint8Array, state: number): void => {
  for (let at = state; live[at] === 0; at++) {
    live[at] = 1
    const kind = tokens[at]
    if (kind === undefined || kind === kinds.literal || kind === kinds.one) return
  }
}

/* hot */
const run = ({ kinds: tokens, points }: Compiled, text: Uint32Array): boolean => {
  const end = tokens.length
  let live = new Uint8Array(end + 1)
  let next = new Uint8Array(end + 1)
  enter(live, tokens, 0)
  for (const point of text) {
    next.fill(0)
    let alive = false
    for (let state = 0; state < end; state++) {
      if (live[state] === 0) continue
      const kind = tokens[state]
      if (kind === kinds.literal ? point === points[state] : kind === kinds.one && point !== slash) {
        enter(next, tokens, state + 1)
        alive = true
      } else if (kind === kinds.any || (kind === kinds.segment && point !== slash)) {
        enter(next, tokens, state)
        alive = true
      } else if (kind === kinds.segments) {
        // Inside a segment the tail cannot start yet: only behind a slash is there a new one.
        if (point === slash) enter(next, tokens, state)
        else next[state] = 1
        alive = true
      }
    }
    if (!alive) return false
    const used = live
    live = next
    next = used
  }
  return live[end] === 1
}

/**
 * Gives a test for `pattern`: `*` stands for any run of characters within a segment, `**` also across `/`, `**` followed
 * by `/` at the start of a segment for whole segments or none, `?` for one character but `/`. All else stands for
 * itself, case included. A text with a `.` or `..` segment matches nothing: it is not where it says.
 */
export const compileGlob = (pattern: string): ((text: string) => boolean) => {
  const compiled = compile(pattern)
  if (compiled.kinds.length > globLengthMax) return () => false
  const starts = compiled.kinds.findIndex((kind) => kind !== kinds.literal)
  if (starts === -1) return (text) => text === pattern && !climbs(text)
  // Most patterns are a beginning and one star: what begins so is looked at once. Halves of characters are left to the rest.
  const last = compiled.kinds[starts]
  if (starts === compiled.kinds.length - 1 && (last === kinds.any || last === kinds.segment) && !/\p{Cs}/u.test(pattern)) {
    const beginning = pattern.slice(0, pattern.indexOf("*"))
    return last === kinds.any
      ? (text) => text.startsWith(beginning) && !climbs(text)
      : (text) => text.startsWith(beginning) && !text.includes("/", beginning.length) && !climbs(text)
  }
  return (text) => !climbs(text) && run(compiled, pointsOf(text))
}

const rememberedMax = 512
const remembered = new Map<string, (text: string) => boolean>()

/** Whether `text` matches `pattern`; see `compileGlob`. */
export const matchesGlob = (pattern: string, text: string): boolean => {
  let test = remembered.get(pattern)
  if (test === undefined) {
    if (remembered.size >= rememberedMax) remembered.clear()
    test = compileGlob(pattern)
    remembered.set(pattern, test)
  }
  return test(text)
}
