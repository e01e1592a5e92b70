// The OpenAPI 3.1 description of the portable API, made from its rows.
import * as Schema from "effect/Schema"
import { version } from "../../version.ts"
import type { Parameter, Row } from "./row.ts"

type Json = Readonly<Record<string, unknown>>

/** `append_event` as `Append Event`. */
export const titleOf = (name: string): string =>
  name.split(/[_\-.\s]+/u).filter((word) => word !== "").map((word) => word[0]!.toUpperCase() + word.slice(1)).join(" ")

const bytes: Json = { "application/octet-stream": { schema: { type: "string", format: "binary" } } }

const schemaOf = (schema: Schema.Top): Json => {
  const { definitions, schema: main } = Schema.toJsonSchemaDocument(schema)
  // What is defined apart is written in place: the models are small and never refer to themselves.
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve)
    if (typeof value !== "object" || value === null) return value
    const reference = "$ref" in value && typeof value.$ref === "string" ? definitions[value.$ref.slice(value.$ref.lastIndexOf("/") + 1)] : undefined
    return reference === undefined ? Object.fromEntries(Object.entries(value).map(([key, member]) => [key, resolve(member)])) : resolve(reference)
  }
  return resolve(main) as Json // a schema is an object
}

const contentOf = (schema: Schema.Top | "bytes"): Json => (schema === "bytes" ? bytes : { "application/json": { schema: schemaOf(schema) } })

const parameterOf = ({ description, list, name, required, type }: Parameter): Json => ({
  name, in: "query", required: required === true, description,
  schema: list === true ? { type: "array", items: { type } } : type === "integer" ? { type, minimum: 0 } : { type }
})

const problem: Json = {
  "application/json": {
    schema: {
      type: "object", required: ["detail"],
      properties: {
        detail: {
          type: "object", required: ["error"],
          properties: { error: { type: "object", required: ["type", "message"], properties: { type: { type: "string" }, message: { type: "string" } } } }
        }
      }
    }
  }
}

/** `base`: what stands before the paths of the rows. */
export const describe = (rows: ReadonlyArray<Row>, base = "/sssn"): Json => {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const row of rows) {
    const names = [...row.path.matchAll(/\{([^}]+)\}/gu)].map(([, name]) => name)
    const operation = {
      operationId: row.isCustom === true ? `custom_${row.name}` : row.name,
      summary: titleOf(row.name),
      ...(row.description === undefined || row.description === "" ? {} : { description: row.description }),
      ...(row.tags === undefined || row.tags.length === 0 ? {} : { tags: row.tags }),
      parameters: [
        ...names.map((name) => ({ name, in: "path", required: true, schema: { type: "string" } })),
        ...(row.query ?? []).map(parameterOf)
      ],
      ...(row.body === undefined ? {} : { requestBody: { required: true, content: contentOf(row.body) } }),
      responses: {
        200: { description: "Done.", content: contentOf(row.success) },
        "4XX": { description: "Refused; nothing was changed.", content: problem },
        503: { description: "The store takes no writes now.", content: problem }
      }
    }
    paths[`${base}${row.path}`] = { ...paths[`${base}${row.path}`], [row.method.toLowerCase()]: operation }
  }
  return {
    openapi: "3.1.0",
    info: { title: "SSSN Store", version, description: "The portable semantic-channel API. Authenticate with `Bearer TOKEN`, or with HTTP Basic and the token as password." },
    paths,
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" }, basic: { type: "http", scheme: "basic" } } },
    security: [{ bearer: [] }, { basic: [] }]
  }
}
