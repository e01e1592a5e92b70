// The schemas that payloads are held against: those that the host registers by name, and JSON Schemas that channels carry
// themselves. A channel whose `schema` names nobody keeps it as a label for its clients.
import * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import { InvalidPayload } from "../../protocol/errors.ts"
import type { StandardResult, StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import { schemasCarriedMax, schemasNamedMax } from "../limits.ts"
import { canonical } from "./canonical.ts"
import { fromJsonSchema } from "./json-schema.ts"

/** The member of a channel's metadata that holds a JSON Schema of its payloads. */
export const carriedKey = "jsonSchema"

export interface Schemas {
  /** What a channel's payloads are held against, beside what its owner gives: nothing, or a schema. */
  readonly of: (channel: Pick<Channel, "name" | "schema" | "metadata">) => Effect.Effect<StandardSchemaV1 | undefined, InvalidPayload>
}

export const isStandardSchema = (value: unknown): value is StandardSchemaV1 =>
  (typeof value === "object" || typeof value === "function") && value !== null && "~standard" in value &&
  typeof value["~standard"] === "object" && value["~standard"] !== null && "validate" in value["~standard"] &&
  typeof value["~standard"].validate === "function"

/** Both must take a payload; the first one that does not says why. */
export const both = (first: StandardSchemaV1 | undefined, second: StandardSchemaV1 | undefined): StandardSchemaV1 | undefined => {
  if (first === undefined || second === undefined) return first ?? second
  const then = (result: StandardResult<unknown>, value: unknown): StandardResult<unknown> | Promise<StandardResult<unknown>> =>
    result.issues === undefined ? second["~standard"].validate(value) : result
  return {
    "~standard": {
      version: 1,
      vendor: "aaax",
      validate: (value) => {
        const result = first["~standard"].validate(value)
        return result instanceof Promise ? result.then((later) => then(later, value)) : then(result, value)
      }
    }
  }
}

/** Schemas by name, each a Standard Schema or a JSON Schema. Fails with the first one that is none. */
export const makeSchemas = (given: Readonly<Record<string, unknown>> = {}): Effect.Effect<Schemas, InvalidPayload> =>
  Effect.gen(function*() {
    const entries = Object.entries(given)
    if (entries.length > schemasNamedMax) {
      return yield* new InvalidPayload({ what: "schema", path: "", reason: `at most ${schemasNamedMax} can be registered` })
    }
    const named = new Map<string, StandardSchemaV1>()
    for (const [name, schema] of entries) named.set(name, isStandardSchema(schema) ? schema : yield* fromJsonSchema(schema, name))
    /** By their text: channels of one kind carry the same one. */
    const carried = new Map<string, StandardSchemaV1>()

    const carriedBy = Effect.fnUntraced(function*(name: string, schema: unknown) {
      const text = canonical(schema)
      const known = carried.get(text)
      if (known !== undefined) return known
      if (carried.size >= schemasCarriedMax) {
        return yield* new InvalidPayload({
          what: "schema", path: `${name}.metadata.${carriedKey}`, reason: `channels carry ${schemasCarriedMax} different schemas already; register it in the config and name it`
        })
      }
      const made = yield* fromJsonSchema(schema, `${name}.metadata.${carriedKey}`)
      carried.set(text, made)
      return made
    })

    return {
      of: ({ metadata, name, schema }) =>
        Effect.suspend((): Effect.Effect<StandardSchemaV1 | undefined, InvalidPayload> => {
          const registered = schema === null ? undefined : named.get(schema)
          const own = metadata[carriedKey]
          return own === undefined ? Effect.succeed(registered) : Effect.map(carriedBy(name, own), (made) => both(registered, made))
        })
    }
  })
