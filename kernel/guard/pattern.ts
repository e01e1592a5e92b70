// Patterns of others' schemas, on payloads of others: a regular expression that goes back over its text again and again
// would hold up the whole kernel. What can take exponential time is refused; what takes a power of the length is given
// only as much text as it can look at in bounded time.
import { patternStepsMax } from "../limits.ts"

/** Longer than a pattern can be checked with in bounded time. */
export class TextTooLong extends Error {}

/** A regular expression that says how much work a text would be, in steps. */
export interface BoundedPattern {
  readonly test: (text: string) => boolean
  /** Steps of a test of so many characters, at most. */
  readonly stepsOf: (length: number) => number
}

interface Group {
  /** Sources of what it consists of, in order. */
  readonly atoms: Array<string>
  /** The first of them is a character that must be there. */
  opensWith: string | undefined
  /** Parts of it that repeat without a bound. */
  repeats: number
  /** It can match in more than one length or way. */
  varies: boolean
  /** It has alternatives. */
  chooses: boolean
}

const newGroup = (): Group => ({ atoms: [], opensWith: undefined, repeats: 0, varies: false, chooses: false })

/** Repetitions of one character that count as a bound. */
const repetitionsMax = 256

const matchesOne = (atom: string, character: string): boolean => new RegExp(`^(?:${atom})$`, "u").test(character)

/** Throws an `Error` that says what is wrong with it. */
export const boundedPattern = (source: string): BoundedPattern => {
  const pattern = new RegExp(source, "u")
  const stack: Array<Group> = [newGroup()]
  /** What a quantifier would be about. */
  let last: { readonly group: Group | undefined; readonly atom: string } | undefined
  const refuse = (reason: string): Error => new Error(`the pattern ${JSON.stringify(source.slice(0, 200))} ${reason}`)
  const current = (): Group => stack[stack.length - 1]!
  const add = (atom: string, literal?: string): void => {
    const group = current()
    if (group.atoms.length === 0 && !group.varies) group.opensWith = literal
    group.atoms.push(atom)
    last = { group: undefined, atom }
  }
  /** There is something that it is about: the constructor took the pattern. */
  const repeat = (least: number, most: number): void => {
    const group = current()
    const inner = last?.group
    if (most > 1 && inner !== undefined && inner.varies) {
      // (?:\.[a-z]+)* is clear about where each round begins: at a character that nothing else in it can be.
      const opening = inner.opensWith
      if (opening === undefined || inner.atoms.slice(1).some((atom) => matchesOne(atom, opening))) {
        throw refuse("repeats a group that itself repeats or chooses, which can take for ever; let each round begin with a character of its own, or use a character class")
      }
    }
    if (inner !== undefined) group.atoms.push(...inner.atoms)
    if (least !== most) group.varies = true
    if (inner === undefined) group.repeats += most > repetitionsMax ? 1 : 0
    // Rounds that are told apart share the text among them.
    else group.repeats += most > 1 ? Math.max(1, inner.repeats) : inner.repeats
    if (group.atoms.length <= 1 && (least !== 1 || most !== 1)) group.opensWith = undefined
    last = undefined
  }
  for (let at = 0; at < source.length;) {
    const character = source[at]!
    const rest = source.slice(at)
    const quantifier = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})\??/u.exec(rest)
    if (quantifier !== null) {
      const [text, from, comma, to] = quantifier
      if (from === undefined) repeat(character === "+" ? 1 : 0, character === "?" ? 1 : Infinity)
      else repeat(Number(from), comma === "" ? Number(from) : to === "" ? Infinity : Number(to))
      at += text.length
      continue
    }
    // A group that is not repeated is part of the one around it.
    if (last?.group !== undefined) {
      const inner = last.group
      current().atoms.push(...inner.atoms)
      current().repeats += inner.repeats
      current().varies ||= inner.varies
    }
    last = undefined
    if (character === "(") {
      if (/^\(\?<?[=!]/u.test(rest)) throw refuse("looks ahead or behind, which is not allowed here")
      stack.push(newGroup())
      at += /^\((?:\?:|\?<[^>]+>)?/u.exec(rest)![0].length // it begins with "("
    } else if (character === ")") {
      const group = stack.pop()!
      last = { group, atom: "" }
      at++
    } else if (character === "|") {
      current().varies = true
      current().chooses = true
      current().opensWith = undefined
      at++
    } else if (character === "[") {
      const set = /^\[(?:\\.|[^\]\\])*\]/u.exec(rest)![0] // the constructor took it
      add(set)
      at += set.length
    } else if (character === "\\") {
      const escape = /^\\(?:u\{[0-9a-f]+\}|u[0-9a-f]{4}|x[0-9a-f]{2}|[pP]\{[^}]*\}|c[a-z]|.)/iu.exec(rest)![0] // so it did this
      if (/^\\[1-9k]/u.test(escape)) throw refuse("refers to what it matched before, which is not allowed here")
      if (!/^\\[bB]$/u.test(escape)) add(escape, /^\\[^a-z0-9]$/iu.test(escape) ? escape[1] : undefined)
      at += escape.length
    } else if (character === "^" || character === "$") at++
    else {
      const whole = String.fromCodePoint(source.codePointAt(at)!)
      add(whole === "." ? "[^]" : whole.replace(/[/\-}\]]/u, "\\$&"), whole === "." ? undefined : whole)
      at += whole.length
    }
  }
  if (last?.group !== undefined) stack[0]!.repeats += last.group.repeats
  // Where it need not begin at the beginning, every position is tried.
  const isAnchored = source.startsWith("^") && !stack[0]!.chooses
  const power = Math.max(1, stack[0]!.repeats) + (isAnchored ? 0 : 1)
  const stepsOf = (length: number): number => length ** power
  return {
    stepsOf,
    test: (text) => {
      if (stepsOf(text.length) > patternStepsMax) {
        throw new TextTooLong(`is longer than the ${Math.floor(patternStepsMax ** (1 / power))} characters that its pattern can be checked with`)
      }
      return pattern.test(text)
    }
  }
}
