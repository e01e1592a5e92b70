// The OpenAPI 3.1 description of `/v1`, made from the table of routes. Loaded when somebody asks for it.
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Problem } from "../../../protocol/problem.ts"
import { Done, type Group, groups, MaybeNumber, type Row, Wait } from "../../../protocol/route/row.ts"
import { type RouteName, routes } from "../../../protocol/routes.ts"
import { version } from "../../version.ts"
import { problemJson } from "../problems.ts"

type Json = Readonly<Record<string, unknown>>

const Id = Schema.Struct({ id: Schema.String })

const pathOf = ({ path, verb }: Row): `/${string}` => (verb === undefined ? path : `${path}:${verb}`)

const hasFields = (schema: Schema.Top): boolean => "fields" in schema

/** An endpoint, a group or an API while it is put together: what each is made of differs from row to row, which no type of theirs can say. */
interface Building {
  readonly add: (part: Building) => Building
  readonly annotateMerge: (annotations: ReturnType<typeof OpenApi.annotations>) => Building
}

/** That a row is well-formed is the table's to say. */
const endpointOf = (name: string, row: Row): Building => {
  const options = {
    ...(row.path.includes(":id") ? { params: Id } : {}),
    ...(hasFields(row.query) ? { query: row.query } : {}),
    ...(hasFields(row.payload) && row.method !== "GET" && row.method !== "DELETE" ? { payload: row.payload } : {}),
    success: row.status === undefined ? row.success : row.success.pipe(HttpApiSchema.status(row.status))
  }
  const make = HttpApiEndpoint.make(row.method) as unknown as (name: string, path: string, options: unknown) => Building // see above
  return make(name, pathOf(row), options).annotateMerge(OpenApi.annotations({
    identifier: name, summary: row.says, description: row.guests === true ? "For every guest, as far as its credential allows." : `For the holder of the operator's token${row.approvers === true ? ", and of a token that was minted for approving" : ""}${row.enrolled === true ? ", and for a system with an enrolled key, in its own name" : ""}.`
  }))
}

interface Operation {
  security?: unknown
  responses: Record<string, { description: string; content?: Record<string, unknown> }>
  parameters?: Array<{ readonly name: string; readonly in: string; schema: unknown; readonly required: boolean; readonly description?: string }>
  requestBody?: { required?: boolean; content: Record<string, unknown> }
}

const anyBytes: Json = { "application/octet-stream": { schema: { type: "string", format: "binary" } } }
const cloudEvent: Json = { schema: { type: "object", description: "CloudEvents 1.0" } }

/** What the table says beside schemas. */
const finish = (operation: Operation, row: Row, follow: Row | undefined): void => {
  const status = String(row.status ?? 200)
  const success = (operation.responses[status] ??= { description: "Done." })
  success.description = "Done."
  // Every operation needs a credential, as is said once for all of them.
  delete operation.security
  if (row.success === Done) success.content = { "application/json": { schema: { type: "object" } } }
  const fields = "fields" in row.query ? (row.query.fields as Readonly<Record<string, unknown>>) : {} // those of a struct
  for (const parameter of operation.parameters ?? []) {
    if (fields[parameter.name] === MaybeNumber || fields[parameter.name] === Wait) parameter.schema = { type: "integer", minimum: 0 }
  }
  if (row.bytes === "out") {
    success.content = { ...anyBytes }
    operation.responses["206"] = { description: "The range that was asked for.", content: { ...anyBytes } }
  }
  if (row.bytes === "in") operation.requestBody = { required: true, content: { ...anyBytes } }
  if (row.stream === true || follow !== undefined) {
    success.content = { ...(row.stream === true ? {} : success.content), "text/event-stream": { schema: { type: "string" } } }
  }
  for (const media of row.media ?? []) {
    if (row.method === "GET") success.content = { ...success.content, [media]: cloudEvent }
    else if (operation.requestBody !== undefined) operation.requestBody.content = { ...operation.requestBody.content, [media]: cloudEvent }
  }
  for (const [name, description] of Object.entries({ ...row.headers, ...follow?.headers })) {
    (operation.parameters ??= []).push({ name, in: "header", required: false, description, schema: { type: "string" } })
  }
  operation.responses["default"] = { description: "A problem: `code` says which, `fields` are its own.", content: { [problemJson]: { schema: { $ref: "#/components/schemas/Problem" } } } }
}

/** The description of the whole table. */
export const describe = (): Json => {
  const rows = Object.entries(routes) as ReadonlyArray<readonly [RouteName, Row]> // the keys of the table are its names
  const started = HttpApi.make("aaax") as unknown as Building // see above
  const api = (Object.keys(groups) as ReadonlyArray<Group>).reduce((all, group) => {
    const empty = HttpApiGroup.make(group) as unknown as Building // as above
    return all.add(
      rows.filter(([, row]) => row.group === group && row.accept === undefined).reduce((made, [name, row]) => made.add(endpointOf(name, row)), empty)
        .annotateMerge(OpenApi.annotations({ title: group, description: groups[group] }))
    )
  }, started).annotateMerge(OpenApi.annotations({
    title: "AAAX", version,
    description: "The kernel's own API. Authenticate with `Bearer TOKEN`, or with HTTP Basic and the token as password. Refusals are RFC 9457 problems."
  }))
  const spec = OpenApi.fromApi(api as never) as unknown as { // what it gives is data of that shape
    paths: Record<string, Record<string, Operation>>
    components: { schemas: Record<string, unknown>; securitySchemes: Record<string, unknown> }
    security: Array<unknown>
  }
  for (const [, row] of rows) {
    if (row.accept !== undefined) continue
    const operation = spec.paths[pathOf(row).replace(":id", "{id}")]?.[row.method.toLowerCase()]
    const follow = rows.find(([, other]) => other.accept !== undefined && other.path === row.path && other.method === row.method)?.[1]
    if (operation !== undefined) finish(operation, row, follow)
  }
  spec.components.schemas["Problem"] = Schema.toJsonSchemaDocument(Problem).schema
  spec.components.securitySchemes = { bearer: { type: "http", scheme: "bearer" }, basic: { type: "http", scheme: "basic" } }
  spec.security = [{ bearer: [] }, { basic: [] }]
  return spec as unknown as Json
}
