// How a command was called, and how its answer is shown.
import * as Effect from "effect/Effect"
import { nearest } from "../protocol/names.ts"
import { NotFound, UsageError } from "./failure.ts"
import { json, out } from "./terminal.ts"

/** What every command gets besides its own arguments. */
export interface Called {
  /** The folder whose constellation is meant. */
  readonly directory: string
  /** Bare data instead of lines for a person. */
  readonly json: boolean
}

/** The value as JSON, or as lines. Data either way: it goes to stdout. */
export const show = (called: Called, value: unknown, lines: () => ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.promise(async () => {
    if (called.json) return out(json(value, 2))
    for (const line of lines()) await out(line)
  })

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** `30s`, `10m`, `2h`, `1d` as milliseconds. */
export const spanOf = (flag: string, text: string): Effect.Effect<number, UsageError> => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|min|h|d)$/u.exec(text) ?? []
  return amount === undefined || unit === undefined
    ? Effect.fail(new UsageError({ reason: `${flag} ${text} is no time span such as 30s, 10m, 2h, 1d.` }))
    : Effect.succeed(Number(amount) * (units[unit] ?? 1))
}

/** `10m`, `2h`, `1d` back from now, or a date; as Unix milliseconds. */
export const sinceOf = (text: string, now: number): Effect.Effect<number, UsageError> => {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|min|h|d)$/u.exec(text) ?? []
  if (amount !== undefined && unit !== undefined) return Effect.succeed(Math.max(0, Math.floor(now - Number(amount) * (units[unit] ?? 1))))
  const date = Date.parse(text)
  return Number.isNaN(date)
    ? Effect.fail(new UsageError({ reason: `--since ${text} is neither a time span such as 30s, 10m, 2h, 1d nor a date.` }))
    : Effect.succeed(Math.max(0, date))
}

/** So much of an id must be given; less could mean another one tomorrow. */
const idLengthMin = 6

/** The one id that was meant: all of it, or its beginning when that is enough. */
export const idOf = (given: string, ids: ReadonlyArray<string>, what: string): Effect.Effect<string, NotFound | UsageError> => {
  if (ids.includes(given)) return Effect.succeed(given)
  const begun = given.length < idLengthMin ? [] : ids.filter((id) => id.startsWith(given))
  const [only] = begun
  if (begun.length === 1 && only !== undefined) return Effect.succeed(only)
  if (begun.length > 1) return Effect.fail(new UsageError({ reason: `${given} is the beginning of ${begun.length} ${what}s; give more of it.` }))
  const near = nearest(given, ids)
  return Effect.fail(new NotFound({ what: `${what} ${given}`, ...(near === undefined ? {} : { nearest: near }) }))
}
