// Scopes: which files a claim is about, when two of them touch, and the index that says it of a hundred thousand at once.
// A scope never says less than was meant: where two systems could read a path in two ways, it stands for both.
//
// An item of a scope is a path with everything below it. `*` stands for any run of characters within a segment, `**` also
// across segments, `?` for one character; a class in brackets is as wide as `*`, a list in braces as `**`, for there are
// programs that read them so. Letters compare without case.

/** Longest path of a scope, in UTF-16 code units; a longer one stands for the whole tree. */
export const scopePathLengthMax = 4_096

const unseen = /[\u0000-\u001f\u007f]/u

/** One path as it is kept: its segments with one `/` between them, or "" for the whole tree. */
const normalise = (given: string): string => {
  const path = given.trim().normalize("NFC").replaceAll("\\", "/")
  if (path.length > scopePathLengthMax || unseen.test(path) || path.startsWith("/") || /^[a-z]:/iu.test(path) || path.startsWith("~")) return ""
  const segments: Array<string> = []
  for (const segment of path.split("/")) {
    // Behind a link `..` leads elsewhere than it says.
    if (segment === "..") return ""
    if (segment !== "" && segment !== ".") segments.push(segment)
  }
  return segments.join("/")
}

/**
 * The paths as they are kept, in their order and each once. None: the whole tree, as is any scope with an item that stands
 * for it (`[""]`). An absolute path below an absolute `worktree` is taken from there.
 */
export const normaliseScope = (paths: ReadonlyArray<string>, worktree = ""): ReadonlyArray<string> => {
  const root = worktree.startsWith("/") ? normaliseWorktree(worktree) : ""
  const kept = new Set<string>()
  for (const path of paths) {
    const given = path.trim()
    const inside = root !== "" && (given === root || given.startsWith(`${root}/`)) ? given.slice(root.length).replace(/^\/+/u, "") : given
    const normal = normalise(inside)
    if (normal === "") return [""]
    kept.add(normal)
  }
  return [...kept]
}

/** A label as it is, trimmed; of a path its one spelling. */
export const normaliseWorktree = (worktree: string): string => {
  const label = worktree.trim()
  if (!label.startsWith("/")) return label
  const segments = label.normalize("NFC").split("/").filter((segment) => segment !== "" && segment !== ".")
  // Where that leads is known to whoever follows links.
  return segments.includes("..") ? label : `/${segments.join("/")}`
}

/** What a claim is about that names no worktree, as the kernel has it; every other one is as it says. */
export const placeOf = (worktree: string, folder: string): string => normaliseWorktree(worktree) || normaliseWorktree(folder)

/**
 * The tree that a worktree is, to compare: two that are the same there is one of, however they are written. A label is itself; an
 * absolute path goes by its segments without `..`, as if no link was among them, and its letters compare without case; none is
 * `folder`. Not for finding anything: see `placeOf`.
 */
export const treeOf = (worktree: string, folder = ""): string => {
  const place = placeOf(worktree, folder)
  if (!place.startsWith("/")) return place
  const segments: Array<string> = []
  for (const segment of fold(place).split("/")) {
    if (segment === "..") segments.pop()
    else if (segment !== "" && segment !== ".") segments.push(segment)
  }
  return `/${segments.join("/")}`
}

/** A segment to compare: text without case, or the parts between its stars. `null`: any number of segments. */
export type Token = string | Glob | null

export class Glob {
  readonly points: ReadonlyArray<string>
  constructor(points: ReadonlyArray<string>) {
    this.points = points
  }
}

export type Tokens = ReadonlyArray<Token>

const isWild = /[*?[{]/u
const fold = (segment: string): string => segment.normalize("NFC").toLowerCase()

/** The characters of a segment pattern: `*`, `?` or a letter; runs of stars are one. */
const pointsOf = (segment: string): ReadonlyArray<string> => {
  const points: Array<string> = []
  for (const point of segment) if (point !== "*" || points[points.length - 1] !== "*") points.push(point)
  return points
}

const tokenise = (path: string): Tokens => {
  const tokens: Array<Token> = []
  // What begins with a brace may hold any `/`.
  const brace = path.indexOf("{")
  const text = brace === -1 ? path : `${path.slice(0, brace)}**`
  if (text === "") return tokens
  for (const segment of fold(text).split("/")) {
    if (!isWild.test(segment)) tokens.push(segment)
    else {
      const wide = segment.replace(/\[[^\]]*\]/gu, "*")
      const across = wide.indexOf("**")
      if (across === -1) tokens.push(new Glob(pointsOf(wide)))
      else {
        // Everything below what its beginning matches; without a beginning, what ends so at any depth.
        const before = wide.slice(0, across)
        const after = wide.slice(wide.lastIndexOf("**") + 2)
        if (before !== "") {
          tokens.push(new Glob(pointsOf(`${before}*`)))
          return tokens
        }
        if (tokens[tokens.length - 1] !== null) tokens.push(null)
        if (after !== "") tokens.push(new Glob(pointsOf(`*${after}`)))
      }
    }
  }
  return tokens
}

const remembered = new Map<string, Tokens>()
const rememberedMax = 4_096

/** The tokens of a normalised path; those of the latest paths are known already. */
export const tokensOf = (path: string): Tokens => {
  let tokens = remembered.get(path)
  if (tokens === undefined) {
    if (remembered.size >= rememberedMax) remembered.clear()
    remembered.set(path, (tokens = tokenise(path)))
  }
  return tokens
}

/** How far a pattern may have come: `*` may stand for nothing. */
const settle = (points: ReadonlyArray<string>, at: number): number => (points[at] === "*" ? settle(points, at + 1) : at)

/** Whether some segment matches both. What a `?` stands for may be written with marks of its own behind it. */
const meet = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => {
  const width = b.length + 1
  const seen = new Uint8Array((a.length + 1) * width)
  const open: Array<number> = [0]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen[next] === 1) continue
    seen[next] = 1
    const i = Math.floor(next / width)
    const j = next % width
    if (settle(a, i) === a.length && settle(b, j) === b.length) return true
    const x = a[i]
    const y = b[j]
    if (x === "*") open.push(next + width)
    if (y === "*") open.push(next + 1)
    if (x === "*" && y !== undefined && y !== "*") open.push(next + 1)
    else if (y === "*" && x !== undefined && x !== "*") open.push(next + width)
    else if (x !== undefined && y !== undefined && (x === y || x === "?" || y === "?")) open.push(next + width + 1)
    // One letter may be more than one code point.
    if (a[i - 1] === "?" && y !== undefined && y > "\u007f") open.push(next + 1)
    if (b[j - 1] === "?" && x !== undefined && x > "\u007f") open.push(next + width)
  }
  return false
}

/** Whether some one segment is meant by both tokens, neither of which is `null`. */
export const segmentsMeet = (a: string | Glob, b: string | Glob): boolean =>
  typeof a === "string" && typeof b === "string"
    ? a === b
    : meet(typeof a === "string" ? lettersOf(a) : a.points, typeof b === "string" ? lettersOf(b) : b.points)

/** The letters of a name: a star in it is one. */
const lettersOf = (name: string): ReadonlyArray<string> =>
  Array.from(name, (letter) => (letter === "*" || letter === "?" ? `\\${letter}` : letter))

/** Whether something lies in or below both, from these tokens on. */
export const tokensMeet = (a: Tokens, b: Tokens, i = 0, j = 0): boolean => {
  const width = b.length + 1
  const seen = new Uint8Array((a.length + 1) * width)
  const open: Array<number> = [i * width + j]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen[next] === 1) continue
    seen[next] = 1
    const at = Math.floor(next / width)
    const bt = next % width
    // One of them ends: all that follows in the other lies below it.
    if (at === a.length || bt === b.length) return true
    const x = a[at]!
    const y = b[bt]!
    if (a[at] === null) open.push(next + width, next + 1)
    if (b[bt] === null) open.push(next + 1, next + width)
    else if (a[at] !== null && segmentsMeet(x, y)) open.push(next + width + 1)
  }
  return false
}

/** Whether a plain path lies in or below what the tokens mean. */
export const tokensCover = (tokens: Tokens, path: Tokens): boolean => {
  const width = path.length + 1
  const seen = new Uint8Array((tokens.length + 1) * width)
  const open: Array<number> = [0]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen[next] === 1) continue
    seen[next] = 1
    const at = Math.floor(next / width)
    const bt = next % width
    if (at === tokens.length) return true
    const token = tokens[at]
    if (token === null) open.push(next + width)
    if (bt === path.length) continue
    if (token === null) open.push(next + 1)
    else if (segmentsMeet(token!, path[bt]!)) open.push(next + width + 1)
  }
  return false
}

/** A path that exists stands for itself: what looks like a pattern in it is a name. */
export const plainTokens = (path: string): Tokens => {
  const normal = normalise(path)
  return normal === "" ? [] : fold(normal).split("/")
}

/** Whether two normalised paths, or globs, touch. */
export const overlaps = (a: string, b: string): boolean => tokensMeet(tokensOf(a), tokensOf(b))

/** Whether two normalised scopes of one worktree touch. */
export const scopesOverlap = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean =>
  a.length === 0 || b.length === 0 || a.some((left) => b.some((right) => overlaps(left, right)))

/** Whether a path lies in a normalised scope. One that leads out of the tree, or stands for all of it, lies only in the whole of it. */
export const covers = (scope: ReadonlyArray<string>, path: string): boolean =>
  scope.length === 0 || scope.some((item) => tokensCover(tokensOf(item), plainTokens(path)))
