// A row of the portable API: a path, what it takes, and what it answers. The description is made from the same table.
import type * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { checkSegment, type CheckOptions } from "../../../protocol/portable.ts"
import type { Answer, Asked } from "../surface.ts"
import { json } from "./failure.ts"
import { Query } from "./input.ts"

export interface Parameter {
  readonly name: string
  readonly type: "string" | "integer"
  readonly description: string
  readonly required?: true
  /** It may be given more than once. */
  readonly list?: true
}

export interface Given {
  readonly asked: Asked
  /** The name in the path, checked; empty when there is none. */
  readonly id: string
  /** All names in the path, unchecked. */
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
}

export interface Row {
  /** The summary is made of it: `append_event`. */
  readonly name: string
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** Behind the prefix; a name in braces stands for one segment. */
  readonly path: string
  /** Of the host: its names and its query are its own. */
  readonly isCustom?: true
  readonly description?: string
  readonly tags?: ReadonlyArray<string>
  readonly query?: ReadonlyArray<Parameter>
  readonly body?: Schema.Top | "bytes"
  readonly success: Schema.Top | "bytes"
  readonly run: (given: Given) => Effect.Effect<Answer, unknown>
}

export const answer = (value: unknown, headers: Readonly<Record<string, string>> = {}): Answer => text(JSON.stringify(value), headers)

export const text = (body: string | Uint8Array | AsyncIterable<string>, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status: 200, headers: { ...json, ...headers }, body
})

/** What a request leaves open: ids and times are the kernel's to give. */
export const options: CheckOptions = { newId: () => "", now: () => 0, nullMetadata: false, dropUnknown: false }

const none = new URLSearchParams()

/** The query and the names of a request, as the row has them. */
export const givenOf = (row: Row, asked: Asked, params: ReadonlyArray<readonly [name: string, value: string]>): Given => {
  let id = ""
  if (row.isCustom === true) return { asked, id, params: Object.fromEntries(params), query: new Query(none, []) }
  for (const [name, value] of params) id = checkSegment(name, value)
  const parameters = row.query ?? []
  const query = new Query(
    asked.query, parameters.filter(({ list }) => list !== true).map(({ name }) => name), parameters.filter(({ list }) => list === true).map(({ name }) => name)
  )
  return { asked, id, params: {}, query }
}
