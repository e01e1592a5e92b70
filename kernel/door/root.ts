// What lies beside the surfaces: whether the kernel is alive and ready, its numbers, and the description of all that it serves.
import * as Effect from "effect/Effect"
import type { Reception } from "./guest.ts"
import { headerOf } from "./header.ts"
import type { Metrics } from "./metrics.ts"
import { refusal } from "./problems.ts"
import type { Answer, Asked, Surface } from "./surface.ts"

export interface RootOptions {
  /** Why it is not ready; none: it is. Codes and sentences, for whoever has a credential. */
  readonly unready: () => ReadonlyArray<{ readonly code: string; readonly detail: string }>
  readonly reception: Reception
  readonly metrics: Metrics
  /** What is served, for the description. */
  readonly surfaces: () => ReadonlyArray<Surface>
}

const plain = { "content-type": "text/plain" }

/** Paths that need no credential, and tell nothing that would need one. */
const open = new Set(["healthz", "readyz", "docs", "openapi.json"])

const notFound = refusal(404, "NotFound", "There is nothing at this path.")

/** Descriptions of all surfaces as one. */
const together = async (surfaces: ReadonlyArray<Surface>): Promise<Readonly<Record<string, unknown>>> => {
  const described = await Promise.all(surfaces.flatMap(({ openapi }) => (openapi === undefined ? [] : [openapi()])))
  const merged = (key: "paths" | "components.schemas" | "tags"): unknown => {
    if (key === "tags") return described.flatMap((spec) => (Array.isArray(spec["tags"]) ? spec["tags"] : []) as ReadonlyArray<unknown>) // a list of any kind
    const [outer = "", inner] = key.split(".")
    return Object.assign({}, ...described.map((spec) => {
      const found = spec[outer] as Readonly<Record<string, unknown>> | undefined // an object, as OpenAPI says
      return inner === undefined ? found : found?.[inner]
    })) as unknown
  }
  const first = described[0] ?? {}
  return {
    ...first,
    paths: merged("paths"),
    tags: merged("tags"),
    components: { ...(first["components"] as object | undefined), schemas: merged("components.schemas") } // as above
  }
}

export const root = (options: RootOptions): Surface => {
  const { metrics, reception, surfaces, unready } = options
  let page: Answer | undefined
  let description: Promise<Readonly<Record<string, unknown>>> | undefined
  const describe = (): Promise<Readonly<Record<string, unknown>>> => (description ??= together(surfaces()))

  const ready = (asked: Asked): Effect.Effect<Answer> => {
    const reasons = unready()
    const status = reasons.length === 0 ? 200 : 503
    const short: Answer = { status, headers: plain, body: reasons.length === 0 ? "ready\n" : "not ready\n", route: "readyz" }
    const authorization = headerOf(asked.headers, "authorization")
    if (authorization === undefined) return Effect.succeed(short)
    // Why is told to those who have a credential; a wrong one is as good as none.
    return Effect.match(reception.authenticate(authorization), {
      onFailure: () => short,
      onSuccess: () => ({
        status, headers: { "content-type": "application/json" }, body: JSON.stringify({ ready: reasons.length === 0, reasons }), route: "readyz"
      })
    })
  }
  const numbers = ({ guest }: Asked): Effect.Effect<Answer> => {
    if (guest.ended() !== undefined) return Effect.succeed(refusal(401, "Unauthenticated", "The credential is not good here."))
    return Effect.map(
      metrics.text((channel) => guest.isOperator || guest.refusal(channel.name, "read") === undefined),
      (body) => ({ status: 200, headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" }, body, route: "metrics" })
    )
  }

  return {
    prefix: "",
    published: false,
    refusal,
    open: ({ segments }) => segments.length === 1 && open.has(segments[0] ?? ""),
    answer: (asked) => {
      const { method, segments } = asked
      if (segments.length !== 1) return Effect.succeed(notFound)
      const [name] = segments
      if (name !== "metrics" && !open.has(name ?? "")) return Effect.succeed(notFound)
      if (method !== "GET") {
        const other = refusal(405, "MethodNotAllowed", `${method} is not offered here.`)
        return Effect.succeed({ ...other, headers: { ...other.headers, allow: "GET" } })
      }
      switch (name) {
        case "healthz":
          return Effect.succeed({ status: 200, headers: plain, body: "ok\n", route: "healthz" })
        case "readyz":
          return ready(asked)
        case "metrics":
          return numbers(asked)
        case "docs":
          return Effect.promise(async () => (page ??= (await import("./docs.ts")).docsPage(await describe())))
        default:
          return Effect.promise(async () =>
            ({ status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(await describe()), route: "openapi" }))
      }
    }
  }
}
