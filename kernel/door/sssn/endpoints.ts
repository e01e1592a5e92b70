// Endpoints of the host as rows beside the API's own.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ConfigInvalid } from "../../../protocol/errors.ts"
import type { Resources } from "../../resource/resources.ts"
import { checkEndpoints, type Endpoint } from "../endpoint.ts"
import { checked, parseJson } from "./input.ts"
import { answer, type Row } from "./row.ts"
import { storeOf } from "./store.ts"

const resultOf = (result: unknown): Effect.Effect<unknown, unknown> =>
  Effect.isEffect(result)
    ? (result as Effect.Effect<unknown, unknown>) // one that needs nothing: nobody could provide it here
    : Effect.tryPromise({ try: async () => result, catch: (thrown) => thrown })

/** Throws `ConfigInvalid` when an endpoint cannot be mounted beside these rows. */
export const endpointRows = (endpoints: ReadonlyArray<Endpoint>, own: ReadonlyArray<Row>, resources: Resources): ReadonlyArray<Row> => {
  const problems = checkEndpoints(endpoints, own)
  if (problems.length > 0) throw new ConfigInvalid({ issues: problems.map((reason) => ({ file: "network", path: "endpoints", reason })) })
  return endpoints.map((one): Row => ({
    name: one.name, method: one.method, path: one.path, description: one.description, tags: one.tags, isCustom: true,
    ...(one.method === "GET" || one.method === "DELETE" ? {} : { body: Schema.Json }),
    success: Schema.Json,
    run: Effect.fnUntraced(function*({ asked, params }) {
      const { guest } = asked
      const refused = one.role === undefined ? undefined : guest.allows(one.name, one.role)
      if (refused !== undefined) return yield* refused
      const bytes = one.method === "GET" || one.method === "DELETE" ? undefined : yield* asked.body
      const body = bytes === undefined || bytes.length === 0 ? null : yield* checked(() => parseJson(bytes))
      const result = yield* Effect.suspend(() =>
        resultOf(one.handler({ store: storeOf(resources, guest), body, params, query: asked.query, system: guest.system, guest })))
      return answer(result ?? null)
    })
  }))
}
