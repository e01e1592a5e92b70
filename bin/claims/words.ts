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

/** For a shell: as little quoting as it needs. */
export const quoted = (word: string): string => (/^[\w./:@%+,=-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)

/** What is in the way, and until when. */
export const heldBy = (claim: Claim): string =>
  `${scopeOf(claim)} held by ${plain(claim.owner)} until ${untilOf(claim.expiresAt)} (task ${plain(claim.task)})`
