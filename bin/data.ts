// Data that a command is given: on the line, in a file (`@file`), or on standard input (`-`).
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { UsageError } from "./failure.ts"

const textOf = (given: string): Effect.Effect<string, UsageError> => {
  const file = given === "-" ? 0 : given.startsWith("@") ? given.slice(1) : undefined
  if (file === undefined) return Effect.succeed(given)
  return Effect.try({
    try: () => readFileSync(file, "utf8"),
    catch: (error) => new UsageError({ reason: `${given} cannot be read: ${error instanceof Error ? error.message : String(error)}` })
  })
}

const parsed = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

/** JSON when it is JSON, else the text itself. */
export const dataOf = (given: string): Effect.Effect<unknown, UsageError> =>
  Effect.map(textOf(given), (text) => {
    const json = parsed(text)
    return json === undefined ? text : json.value
  })

/** JSON and nothing else. */
export const jsonOf = (given: string, flag: string): Effect.Effect<unknown, UsageError> =>
  Effect.flatMap(textOf(given), (text) => {
    const json = parsed(text)
    return json === undefined
      ? Effect.fail(new UsageError({ reason: `${flag} wants JSON, @file or - for standard input. A text is written '"in quotes"'.` }))
      : Effect.succeed(json.value)
  })

/** A secret: in a file (`@file`) or on standard input (`-`), never on the line, where others could read it. Without the end of its line. */
export const secretOf = (given: string, flag: string): Effect.Effect<string, UsageError> =>
  given === "-" || given.startsWith("@")
    ? Effect.map(textOf(given), (text) => text.replace(/\r?\n$/u, ""))
    : Effect.fail(new UsageError({ reason: `${flag} wants @file, or - for standard input: what stands on the line can be read by others.` }))
