// Proof that a human approves: a code that the kernel shows on its own terminal and nowhere else, or a passphrase. An agent
// of the same user can read the operator's token; it does not see that terminal. A code is for one answer: these actions
// with these digests, on these terms. It is good once, for a few minutes, and kept as a hash.
import * as Effect from "effect/Effect"
import { riskAtMost, type Risk } from "../../../protocol/authority.ts"
import { Overloaded, ProofNeeded } from "../../../protocol/errors.ts"
import { codeAgainMillis, codeMillisMax, codesMax, codeTriesMax, codeWindowMillis, codeWrongMax } from "../../limits.ts"

/** From which risk up an approval from outside needs proof. */
export type ProofFrom = Risk | "never"

/** What came with an answer from outside the kernel's process. */
export interface Outside {
  readonly code?: string
  readonly passphrase?: string
}

export interface ProofOptions {
  readonly from: ProofFrom
  readonly sha256: (text: string) => string
  readonly now: () => number
  /** Shows a line to whoever sits in front of the kernel; absent: it has no terminal. */
  readonly terminal?: ((line: string) => void) | undefined
  /** Whether this is the passphrase; absent: there is none. */
  readonly passphrase?: ((given: string) => Effect.Effect<boolean>) | undefined
}

/** An answer that needs proof. */
export interface Claim {
  /** The actions that it is for, each with its risk. */
  readonly warrants: ReadonlyArray<{ readonly id: string; readonly risk: Risk }>
  /** Everything that the answer says, as one text: what a code is bound to. */
  readonly subject: string
  /** For the terminal: what happens when the code is given. */
  readonly says: string
  /** What needs proof, and "needs"; default: approvals, from the risk up that config says. */
  readonly about?: string
}

export interface Proof {
  /** Succeeds when nothing has to be proved, or was. `tooMany`: wrong ones for these actions, which are over now. */
  readonly check: (claim: Claim, outside: Outside | undefined) => Effect.Effect<{ readonly tooMany: ReadonlyArray<string> }, ProofNeeded | Overloaded>
  readonly hasTerminal: boolean
  readonly hasPassphrase: boolean
}

interface Shown {
  readonly hash: string
  readonly at: number
}

/** Without letters that look like digits: 32 of them, so that a code of eight has 40 bits. */
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const newCode = (): string => {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(8))
  const letters = Array.from(bytes, (byte) => alphabet[byte & 31]).join("")
  return `${letters.slice(0, 4)}-${letters.slice(4)}`
}

/** As people type it. */
const normal = (code: string): string =>
  code.slice(0, 64).toUpperCase().replace(/[^0-9A-Z]/gu, "").replace(/O/gu, "0").replace(/[IL]/gu, "1")

/** Takes the same time wherever they differ. */
const isSame = (a: string, b: string): boolean => {
  let difference = a.length ^ b.length
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at % Math.max(1, b.length))
  return difference === 0
}

// What a terminal would obey: control characters, and marks that turn the direction of text.
// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const steering = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu
export const visible = (text: string, lengthMax = 200): string => {
  const shown = text.replace(steering, "\u00b7")
  return shown.length <= lengthMax ? shown : `${shown.slice(0, lengthMax - 1)}\u2026`
}

const setHow = "Set one in front of the machine: aaax gate passphrase set; it counts from the kernel's next start."

export const makeProof = ({ from, now, passphrase, sha256, terminal }: ProofOptions): Proof => {
  /** Codes that are good, by what they are bound to; the oldest first. */
  const shown = new Map<string, Shown>()
  /** Wrong ones for each action. */
  const wrong = new Map<string, number>()
  /** When wrong ones came, for all actions together. */
  let window: Array<number> = []
  const salt = newCode() + newCode()
  const hashOf = (subject: string, code: string): string => sha256(`${salt}\n${subject}\n${code}`)

  const needs = (risk: Risk): boolean => from !== "never" && riskAtMost(from, risk)

  /** Answers the actions that are over now. */
  const miss = (ids: ReadonlyArray<string>): ReadonlyArray<string> => {
    window = [...window.filter((at) => now() - at < codeWindowMillis), now()]
    const over: Array<string> = []
    for (const id of ids) {
      const tries = (wrong.get(id) ?? 0) + 1
      wrong.delete(id)
      wrong.set(id, tries)
      if (tries >= codeTriesMax) over.push(id)
    }
    while (wrong.size > 10_000) wrong.delete(wrong.keys().next().value!) // it is not empty
    return over
  }

  /** Shows a code for this answer, unless one was shown a moment ago. */
  const show = (subject: string, says: string): void => {
    const before = shown.get(subject)
    if (terminal === undefined || (before !== undefined && now() - before.at < codeAgainMillis)) return
    const code = newCode()
    shown.delete(subject)
    shown.set(subject, { hash: hashOf(subject, normal(code)), at: now() })
    while (shown.size > codesMax) shown.delete(shown.keys().next().value!) // it is not empty
    terminal(`code ${code}  ${says}  (good once, for ${codeMillisMax / 60_000} minutes; give it to nobody)`)
  }

  const fits = (subject: string, given: string): boolean => {
    const held = shown.get(subject)
    if (held === undefined || now() - held.at > codeMillisMax) {
      shown.delete(subject)
      return false
    }
    if (!isSame(held.hash, hashOf(subject, normal(given)))) return false
    shown.delete(subject)
    return true
  }

  const check: Proof["check"] = Effect.fnUntraced(function*({ about = `approvals from risk ${from} up need`, says, subject: said, warrants }, outside) {
    const risky = outside === undefined ? [] : warrants.filter(({ risk }) => needs(risk)).map(({ id }) => id)
    if (outside === undefined || risky.length === 0) return { tooMany: [] }
    const warrant = risky[0]! // there is one
    const subject = sha256(said)
    const fail = (reason: string, how: string): ProofNeeded =>
      new ProofNeeded({ warrant, reason, shown: terminal !== undefined, passphrase: passphrase !== undefined, how })
    const how = terminal === undefined
      ? passphrase === undefined ? `Or answer in the kernel's own process. ${setHow}` : "The same again with the passphrase: --passphrase - or @FILE; over HTTP `passphrase`."
      : `The same again with --code CODE${passphrase === undefined ? "; over HTTP `code`" : ", or the passphrase with --passphrase -; over HTTP `code` or `passphrase`"}.`
    if (outside.code === undefined && outside.passphrase === undefined) {
      show(subject, says)
      return yield* fail(
        terminal === undefined
          ? `${about} a passphrase, because this kernel has no terminal to show a code on${passphrase === undefined ? ", and none is set" : ""}`
          : `${about} the code that was shown on the kernel's terminal`, how)
    }
    if (window.filter((at) => now() - at < codeWindowMillis).length >= codeWrongMax) {
      return yield* new Overloaded({ what: "Wrong codes and passphrases", limit: codeWrongMax, unit: "tries", retryAfterMillis: codeWindowMillis })
    }
    const isRight = outside.code !== undefined
      ? fits(subject, outside.code)
      : passphrase !== undefined && outside.passphrase !== undefined && (yield* passphrase(outside.passphrase))
    if (isRight) {
      for (const id of risky) wrong.delete(id)
      return { tooMany: [] }
    }
    const tooMany = miss(risky)
    if (tooMany.length > 0) return { tooMany }
    return yield* fail(`this is not the ${outside.code === undefined ? "passphrase" : "code for this answer"}`, how)
  })

  return { check, hasTerminal: terminal !== undefined, hasPassphrase: passphrase !== undefined }
}
