// `/sssn`: the portable semantic-channel API, wire-compatible with the clients of SSSN's second generation. Success is 200,
// a refusal is `{"detail":{"error":{"type","message"}}}`, and every request acts through the asking guest's own port.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Kernel } from "../kernel.ts"
import type { Endpoint } from "./endpoint.ts"
import { endpointRows } from "./sssn/endpoints.ts"
import { causeAnswer, notAllowed, notFound, refusal } from "./sssn/failure.ts"
import { checked } from "./sssn/input.ts"
import { describe } from "./sssn/openapi.ts"
import { answer, givenOf, type Row } from "./sssn/row.ts"
import { artifactRows } from "./sssn/rows/artifacts.ts"
import { channelRows } from "./sssn/rows/channels.ts"
import { snapshotRows } from "./sssn/rows/snapshots.ts"
import { subscriptionRows } from "./sssn/rows/subscriptions.ts"
import type { Answer, Asked, Surface } from "./surface.ts"

export interface SssnOptions {
  readonly kernel: Pick<Kernel, "resources">
  /** Handlers of the host beside the API's own. */
  readonly endpoints?: ReadonlyArray<Endpoint>
}

interface Bound {
  readonly row: Row
  readonly parts: ReadonlyArray<string>
}

export const health: Row = {
  name: "health", method: "GET", path: "/health", success: Schema.Struct({ ok: Schema.Literal(true) }),
  run: () => Effect.succeed(answer({ ok: true }))
}

/** The names in a path of this row, or nothing when it is not one. */
const match = ({ parts }: Bound, segments: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> | undefined => {
  if (parts.length !== segments.length) return undefined
  const params: Array<readonly [string, string]> = []
  for (let at = 0; at < parts.length; at++) {
    const part = parts[at]!
    if (part.startsWith("{")) params.push([part.slice(1, -1), segments[at]!])
    else if (part !== segments[at]) return undefined
  }
  return params
}

/** Rows of the API itself. */
export const portableRows = ({ resources }: SssnOptions["kernel"]): ReadonlyArray<Row> => [
  health, ...channelRows(resources), ...subscriptionRows(resources), ...artifactRows(resources), ...snapshotRows(resources)
]

/** Serves rows of the portable API behind a prefix; the empty one is the root. */
export const surfaceOf = (prefix: string, rows: ReadonlyArray<Row>): Surface => {
  const base = prefix === "" ? "" : `/${prefix}`
  // A path that is written out comes before one with a name in it.
  const bound: ReadonlyArray<Bound> = rows
    .map((row) => ({ row, parts: row.path.split("/").slice(1) }))
    .sort((a, b) => Number(a.row.path.includes("{")) - Number(b.row.path.includes("{")))
  const byShape = new Map<number, ReadonlyArray<Bound>>()
  for (const one of bound) byShape.set(one.parts.length, [...(byShape.get(one.parts.length) ?? []), one])
  let description: string | undefined
  let page: Answer | undefined

  const run = (row: Row, asked: Asked, params: ReadonlyArray<readonly [string, string]>): Effect.Effect<Answer> =>
    Effect.catchCause(
      Effect.map(Effect.flatMap(checked(() => givenOf(row, asked, params)), row.run), (done) => ({ ...done, route: row.name })),
      (cause) => Effect.map(causeAnswer(cause), (told) => ({ ...told, route: row.name }))
    )

  return {
    prefix,
    published: true,
    refusal,
    open: ({ method, segments }) => method === "GET" && segments.length === 1 && (segments[0] === "openapi.json" || segments[0] === "docs"),
    openapi: () => describe(rows, base),
    answer: (asked) => {
      const { method, segments } = asked
      const [first = ""] = segments
      if (segments.length === 1 && (first === "openapi.json" || first === "docs")) {
        if (method !== "GET") return Effect.succeed(notAllowed("GET"))
        if (first === "docs") return Effect.promise(async () => (page ??= (await import("./docs.ts")).docsPage(describe(rows, base))))
        description ??= JSON.stringify(describe(rows, base))
        return Effect.succeed({ status: 200, headers: { "content-type": "application/json" }, body: description, route: "openapi" })
      }
      const allowed = new Set<string>()
      for (const one of byShape.get(segments.length) ?? []) {
        const params = match(one, segments)
        if (params === undefined) continue
        if (one.row.method === method) return run(one.row, asked, params)
        allowed.add(one.row.method)
      }
      return Effect.succeed(allowed.size === 0 ? notFound : notAllowed([...allowed].join(", ")))
    }
  }
}

/** Throws `ConfigInvalid` when an endpoint cannot be mounted. */
export const sssn = (options: SssnOptions): Surface => {
  const own = portableRows(options.kernel)
  return surfaceOf("sssn", [...own, ...endpointRows(options.endpoints ?? [], own, options.kernel.resources)])
}
