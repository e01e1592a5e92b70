// JSON Schema (draft 2020-12) as a Standard Schema. Neither a schema nor a payload can hold up the kernel: a schema is
// bounded, says nothing of elsewhere, and each validation has so many steps and no more. The validator is loaded when the
// first schema is.
import * as Effect from "effect/Effect"
import { InvalidPayload } from "../../protocol/errors.ts"
import type { StandardIssue, StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import { schemaStepsMax, schemaTextMax } from "../limits.ts"
import { canonical } from "./canonical.ts"
import { boundedPattern, TextTooLong } from "./pattern.ts"

const one = new Set([
  "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "items", "contains", "not", "if", "then", "else", "propertyNames"
])
const several = new Set(["allOf", "anyOf", "oneOf", "prefixItems"])
const named = new Set(["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"])
const plain = new Set([
  "$schema", "$ref", "$anchor", "$dynamicRef", "$dynamicAnchor", "type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum",
  "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains",
  "maxProperties", "minProperties", "required", "dependentRequired"
])
const draft = "https://json-schema.org/draft/2020-12/schema"
/** What a subschema costs each time it is looked at: its own keyword, put into every one of them. */
const cost = "x-steps"

class OutOfSteps extends Error {}
let steps = 0
const spend = (count: number): void => {
  steps -= count
  if (steps < 0) throw new OutOfSteps()
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * A copy with what the draft asserts and nothing else, so that nothing can be referred to which is not counted. Without
 * `$id`s: one schema knows nothing of another.
 */
const counted = (schema: unknown): unknown => {
  if (!isRecord(schema)) return schema
  const copy: Record<string, unknown> = {}
  let weight = 1
  for (const [key, value] of Object.entries(schema)) {
    if (one.has(key)) copy[key] = counted(value)
    else if (several.has(key)) copy[key] = Array.isArray(value) ? value.map(counted) : value
    else if (named.has(key)) copy[key] = isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, counted(inner)])) : value
    else if (plain.has(key)) copy[key] = value
    else continue
    weight += key === "$defs" || key === "definitions" ? 0 : Math.ceil(sizeOf(value) / 8)
  }
  copy[cost] = weight
  return copy
}

/** Members of a list or record; of the values of an enumeration, all of them. */
const sizeOf = (value: unknown): number => {
  if (typeof value !== "object" || value === null) return 1
  let size = 1
  for (const member of Object.values(value)) size += Array.isArray(value) ? sizeOf(member) : 1
  return size
}

type Validate = ((value: unknown) => boolean) & { errors?: ReadonlyArray<Problem> | null }
interface Problem {
  readonly instancePath: string
  readonly message?: string
  readonly params: Readonly<Record<string, unknown>>
}
interface Compiler {
  readonly compile: (schema: object) => Validate
}

let compiler: Promise<Compiler> | undefined

const load = (): Promise<Compiler> =>
  (compiler ??= import("ajv/dist/2020.js").then(({ Ajv2020 }) => {
    const regExp = (source: string): { readonly test: (text: string) => boolean; readonly toString: () => string } => {
      const pattern = boundedPattern(source)
      return {
        // The compiler tells patterns apart by it.
        toString: () => source,
        test: (text: string) => {
          spend(Math.ceil(Math.min(schemaStepsMax, pattern.stepsOf(text.length)) / 64))
          return pattern.test(text)
        }
      }
    }
    regExp.code = "regExp"
    const ajv = new Ajv2020({
      // Unknown words are annotations; formats are too, in this draft.
      strict: false, validateFormats: false, inlineRefs: false, logger: false, unicode: false, code: { regExp: regExp as never }
    })
    ajv.addKeyword({ keyword: cost, schemaType: "number", before: "$ref", errors: false, validate: (weight: number) => (spend(weight), true) })
    // Its own compares each item with each other one.
    ajv.removeKeyword("uniqueItems")
    ajv.addKeyword({
      keyword: "uniqueItems", type: "array", schemaType: "boolean", error: { message: "must NOT have duplicate items" }, errors: false,
      validate: (isWanted: boolean, items: ReadonlyArray<unknown>) => {
        if (!isWanted) return true
        const seen = new Set<string>()
        for (const item of items) {
          const text = canonical(item)
          spend(1 + Math.ceil(text.length / 64))
          if (seen.has(text)) return false
          seen.add(text)
        }
        return true
      }
    })
    return {
      compile: (schema) => {
        // It is checked against the schema of schemas first.
        steps = schemaStepsMax
        try {
          return ajv.compile(schema) as Validate // it is synchronous: `$async` is not among the words that are kept
        } finally {
          // The compiler would hold it for ever.
          ajv.removeSchema(schema)
        }
      }
    }
  }))

const inWords = ({ message = "does not match", params }: Problem): string => {
  const detail = params["additionalProperty"] ?? params["unevaluatedProperty"] ?? params["allowedValues"] ?? params["allowedValue"]
  return detail === undefined ? message : `${message}: ${JSON.stringify(detail).slice(0, 200)}`
}

const issueOf = (problem: Problem): StandardIssue => ({
  message: inWords(problem),
  path: problem.instancePath.split("/").slice(1).map((part) =>
    /^(?:0|[1-9]\d*)$/u.test(part) ? Number(part) : part.replace(/~1/gu, "/").replace(/~0/gu, "~"))
})

const standard = (validate: Validate): StandardSchemaV1 => ({
  "~standard": {
    version: 1,
    vendor: "json-schema",
    validate: (value) => {
      steps = schemaStepsMax
      try {
        return validate(value) ? { value } : { issues: (validate.errors ?? []).slice(0, 1).map(issueOf) }
      } catch (thrown) {
        // Also a schema that leads to itself without an end: the engine's stack ends before its steps do.
        const message = thrown instanceof TextTooLong
          ? `a string ${thrown.message}`
          : thrown instanceof OutOfSteps || thrown instanceof RangeError
            ? `it takes more than ${schemaStepsMax} steps to check it against the channel's schema`
            : `the channel's schema failed: ${String(thrown)}`
        return { issues: [{ message }] }
      }
    }
  }
})

/** What of a schema is wrong, as a refusal. */
const refusal = (name: string, reason: string): InvalidPayload => new InvalidPayload({ what: "schema", path: name, reason: reason.slice(0, 500) })

/** Compiles a schema; `name` is what a refusal calls it. */
export const fromJsonSchema = (schema: unknown, name: string): Effect.Effect<StandardSchemaV1, InvalidPayload> =>
  Effect.suspend(() => {
    if (!isRecord(schema)) return Effect.fail(refusal(name, "a JSON Schema is an object"))
    let copy: object
    try {
      const text = JSON.stringify(schema)
      if (text.length > schemaTextMax) return Effect.fail(refusal(name, `a schema has at most ${schemaTextMax} characters, this one has ${text.length}`))
      const { $schema } = schema
      if ($schema !== undefined && $schema !== draft && $schema !== `${draft}#`) {
        return Effect.fail(refusal(name, `it says $schema = ${JSON.stringify($schema)}; only ${draft} is understood, or none`))
      }
      copy = counted(JSON.parse(text)) as object // a copy of the object above
    } catch (thrown) {
      return Effect.fail(refusal(name, String(thrown)))
    }
    return Effect.tryPromise({
      try: async () => {
        const { compile } = await load()
        return standard(compile(copy))
      },
      catch: (thrown) => refusal(name, thrown instanceof Error ? thrown.message : String(thrown))
    })
  })
