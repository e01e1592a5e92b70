// What a client gives, decoded by the schemas of a table of routes: strictly, with the place of the first mistake.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import { InvalidPayload } from "../../protocol/errors.ts"
import { issuePath } from "../../protocol/standard-schema.ts"

const format = SchemaIssue.makeFormatterStandardSchemaV1()
const strict = { errors: "first", onExcessProperty: "error" } as const

/** A decoder of plain data. It fails with the path of the first mistake. */
export const decoder = (schema: Schema.Top, what: string): ((value: unknown) => Effect.Effect<unknown, InvalidPayload>) => {
  // Made when it is needed first: a table has many rows, and a launch needs few of them. It holds plain data schemas, so
  // that decoding them needs no service.
  const make = () => Schema.decodeUnknownResult(schema as Schema.Codec<unknown, unknown>, strict)
  let decode: ReturnType<typeof make> | undefined
  return (value) => {
    const result = (decode ??= make())(value)
    if (Result.isSuccess(result)) return Effect.succeed(result.success)
    const [first] = format(result.failure.issue).issues
    return Effect.fail(new InvalidPayload({ what, path: first === undefined ? "" : issuePath(first), reason: first?.message ?? "not as expected" }))
  }
}

/** A query as an object. A name that is given twice is refused: it is not for us to say which was meant. */
export const queryOf = (query: URLSearchParams): Record<string, string> | InvalidPayload => {
  const given: Record<string, string> = Object.create(null) as Record<string, string> // so that no name means anything but itself
  for (const [name, value] of query) {
    if (name in given) return new InvalidPayload({ what: "query", path: name.slice(0, 100), reason: "it is given twice" })
    given[name] = value
  }
  return { ...given }
}
