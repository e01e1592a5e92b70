// Export of traces, metrics and logs as OTLP over HTTP, when somebody says where to. Without that nothing of it is loaded.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { telemetryMillis } from "../limits.ts"
import type { MetricRegistry } from "./metrics.ts"

export interface Telemetry {
  /** Tracer and loggers: what runs with it is exported. */
  readonly context: Context.Context<never>
  /** What is in it is exported. */
  readonly registry: MetricRegistry
}

export interface TelemetryOptions {
  /** Address of a collector, without `/v1/traces`. */
  readonly endpoint: string
  readonly service: string
  readonly version: string
}

/** Where to, as the config or the environment says; nothing: nowhere. */
export const telemetryEndpoint = (configured: string | undefined, environment: NodeJS.ProcessEnv = process.env): string | undefined => {
  const found = configured ?? environment["AAAX_OTLP_ENDPOINT"] ?? environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
  return found === undefined || found === "" ? undefined : found
}

/** Exports for as long as the scope, and what is left when it closes. A collector that is not there costs nothing else. */
export const telemetry = Effect.fnUntraced(function*(
  { endpoint, service, version }: TelemetryOptions
): Effect.fn.Return<Telemetry, ConfigInvalid, Scope.Scope> {
  if (!URL.canParse(endpoint) || !/^https?:$/u.test(new URL(endpoint).protocol)) {
    return yield* new ConfigInvalid({ issues: [{ file: "network", path: "otlp", reason: `${endpoint} is not an http or https address.` }] })
  }
  const [Otlp, FetchHttpClient] = yield* Effect.promise(() =>
    Promise.all([import("effect/observability/Otlp"), import("effect/http/FetchHttpClient")]))
  const registry: MetricRegistry = new Map<string, never>()
  const layer = Otlp.layerJson({
    baseUrl: endpoint.replace(/\/+$/u, ""),
    resource: { serviceName: service, serviceVersion: version },
    metricsExportInterval: telemetryMillis,
    shutdownTimeout: 1_000
  }).pipe(Layer.provide(FetchHttpClient.layer))
  const context = yield* Effect.provideService(Layer.build(layer), Metric.MetricRegistry, registry)
  return { registry, context: Context.merge(context, Context.make(Metric.MetricRegistry, registry)) }
})

/** Runs with it when there is any. */
export const withTelemetry = <A, E, R>(exported: Telemetry | undefined, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  exported === undefined ? effect : Effect.provide(effect, exported.context)
