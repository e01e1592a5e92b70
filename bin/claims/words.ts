// Claims in words.
import type { Claim } from "../../protocol/coordination.ts"
import { plain } from "../terminal.ts"

const two = (number: number): string => String(number).padStart(2, "0")

/** The time of day, with the day when that is another one. */
export const untilOf = (millis: number, now = Date.now()): string => {
  const at = new Date(millis)
  const time = `${two(at.getHours())}:${two(at.getMinutes())}`
  return at.toDateString() === new Date(now).toDateString() ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`
}

const whole = (paths: ReadonlyArray<string>): boolean => paths.length === 0 || (paths.length === 1 && paths[0] === "")

/** The files of a claim. */
export const scopeOf = ({ mutex, paths }: Pick<Claim, "paths" | "mutex">): string =>
  mutex === true ? "no files: a named lock" : whole(paths) ? "the whole working tree" : plain(paths.join(", "))

/** For a shell: as little quoting as it needs. What a terminal would obey is written as escapes, which bash, zsh and ksh read back. */
export const quoted = (word: string): string => {
  if (/^[\w./:@%+,=-]+$/u.test(word)) return word
  if (plain(word) === word) return `'${word.replaceAll("'", "'\\''")}'`
  const escaped = [...word].map((one) => plain(one) === one ? one.replace(/[\\']/u, "\\$&") : `\\u${(one.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`)
  return `$'${escaped.join("")}'`
}

/** A path, where a flag could stand, too. */
export const quotedPath = (path: string): string => quoted(path.startsWith("-") ? `./${path}` : path)

/** What is in the way, and until when. */
export const heldBy = (claim: Claim): string =>
  `${scopeOf(claim)} held by ${plain(claim.owner)} until ${untilOf(claim.expiresAt)} (task ${plain(claim.task)})`
