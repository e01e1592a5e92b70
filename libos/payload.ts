// Payload schemas: any Standard Schema, and Effect's schemas as they are.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InvalidPayload } from "../protocol/errors.ts"
import { issuePath, type StandardResult, type StandardSchemaV1 } from "../protocol/standard-schema.ts"

/** Zod, Valibot, ArkType and others through their Standard Schema; a schema of Effect as it is. */
export type PayloadSchema = StandardSchemaV1 | Schema.ConstraintDecoder<unknown>

/** What a reader gets. */
export type Output<S> = S extends { readonly "~standard": { readonly types?: { readonly output: infer O } | undefined } } ? O
  : S extends { readonly Type: infer T } ? T
  : unknown

/** What a writer gives, and the store keeps. */
export type Input<S> = S extends { readonly "~standard": { readonly types?: { readonly input: infer I } | undefined } } ? I
  : S extends { readonly Encoded: infer E } ? E
  : unknown

const isStandard = (schema: PayloadSchema): schema is StandardSchemaV1 => "~standard" in schema

export const toStandard = (schema: PayloadSchema): StandardSchemaV1 =>
  isStandard(schema) ? schema : Schema.toStandardSchemaV1(schema)

/** Checks a value and gives what the schema makes of it. */
export const validate = (schema: StandardSchemaV1, what: string, value: unknown): Effect.Effect<unknown, InvalidPayload> => {
  const judge = (result: StandardResult<unknown>): Effect.Effect<unknown, InvalidPayload> => {
    const issue = result.issues?.[0]
    if (result.issues === undefined) return Effect.succeed(result.value)
    return Effect.fail(new InvalidPayload({ what, path: issue === undefined ? "" : issuePath(issue), reason: issue?.message ?? "refused by its schema" }))
  }
  // A schema that throws refuses; it must not take its caller down.
  const refuse = (thrown: unknown): InvalidPayload => new InvalidPayload({ what, path: "", reason: `its schema threw: ${String(thrown)}` })
  return Effect.flatMap(
    Effect.try({ try: () => schema["~standard"].validate(value), catch: refuse }),
    (result) =>
      result instanceof Promise
        ? Effect.flatMap(Effect.tryPromise({ try: () => result, catch: refuse }), judge)
        : judge(result)
  )
}
