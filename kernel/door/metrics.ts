// What a kernel says of itself in numbers: read when somebody asks, so that nothing is counted twice and almost nothing while
// it works. The latency of requests alone is counted as they come.
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { canTake, type Channel } from "../../protocol/channel.ts"
import type { Kernel } from "../kernel.ts"
import { metricSeriesMax } from "../limits.ts"
import type { Sample } from "./listener.ts"
import type { Hub } from "./synapse/hub.ts"

/** The entries are the library's own. */
export type MetricRegistry = Map<string, never>

export interface Sources {
  /** Sockets that are open. */
  readonly connections: () => number
  readonly synapse: () => Pick<Hub, "connections" | "seats" | "underWay" | "outboxBytes" | "dropped" | "counts"> | undefined
  readonly sockets: () => { readonly connections: number; readonly subscriptions: number; readonly outboxBytes: number; readonly dropped: number } | undefined
}

export interface Metrics {
  readonly observe: (sample: Sample) => void
  /** In Prometheus' text format; `shows`: channels whose names may be told. */
  readonly text: (shows: (channel: Channel) => boolean) => Effect.Effect<string>
  /** Brings what differs from channel to channel into the registry. */
  readonly refresh: Effect.Effect<void>
  readonly close: () => void
}

/** Seconds. */
const boundaries = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10]

const inRegistry = (registry: ReadonlyMap<string, unknown>): Context.Context<never> =>
  Context.make(Metric.MetricRegistry, registry as MetricRegistry) as Context.Context<never> // a reference has a default: it needs nobody

const nothing = (): void => {}

const gauge = (context: Context.Context<never>, name: string, description: string, value: () => number, attributes?: Readonly<Record<string, string>>): void => {
  Metric.registerUnsafe(Metric.gauge(name, { description, ...(attributes === undefined ? {} : { attributes }) }), context, {
    get: () => ({ value: value() }), update: nothing, modify: nothing
  })
}

const counter = (context: Context.Context<never>, name: string, description: string, count: () => number, attributes?: Readonly<Record<string, string>>): void => {
  Metric.registerUnsafe(Metric.counter(name, { description, incremental: true, ...(attributes === undefined ? {} : { attributes }) }), context, {
    get: () => ({ count: count(), incremental: true }), update: nothing, modify: nothing
  })
}

/** The synapse wire; nothing but zeros until somebody has come by it. */
const wireMetrics = (context: Context.Context<never>, hub: Sources["synapse"]): void => {
  gauge(context, "aaax_synapse_connections", "Sockets of the synapse wire.", () => hub()?.connections() ?? 0)
  gauge(context, "aaax_synapse_seats", "Seats that are online.", () => hub()?.seats() ?? 0)
  gauge(context, "aaax_synapse_requests", "Requests of the wire that have no answer yet, those that wait included.", () => hub()?.underWay() ?? 0)
  gauge(context, "aaax_synapse_outbox_bytes", "What clients of the wire were sent and have not taken.", () => hub()?.outboxBytes() ?? 0)
  counter(context, "aaax_synapse_dropped_total", "Clients of the wire that were dropped because they did not take what was sent.", () => hub()?.dropped() ?? 0)
  counter(context, "aaax_synapse_frames_received_total", "Frames that clients of the wire sent.", () => hub()?.counts.received ?? 0)
  counter(context, "aaax_synapse_frames_sent_total", "Frames that clients of the wire were sent.", () => hub()?.counts.sent ?? 0)
  counter(context, "aaax_synapse_claims_granted_total", "Claims that were granted, by whomever they were asked for.", () => hub()?.counts.granted ?? 0)
  counter(context, "aaax_synapse_claims_renewed_total", "Claims that were renewed.", () => hub()?.counts.renewed ?? 0)
  counter(context, "aaax_synapse_claims_denied_total", "Claims that clients of the wire were refused.", () => hub()?.counts.denied ?? 0)
}

/** `registry`: where an exporter looks; default: one of its own. */
export const makeMetrics = (kernel: Kernel, sources: Sources, registry: MetricRegistry = new Map<string, never>()): Metrics => {
  const { store } = kernel.channels
  const context = inRegistry(registry)
  const requests = new Map<string, Metric.Histogram<number>>()
  let delay: ReturnType<typeof monitorEventLoopDelay> | undefined
  const startedAt = performance.now()
  const status = kernel.status

  gauge(context, "aaax_up_seconds", "Time since the kernel was opened to clients.", () => (performance.now() - startedAt) / 1_000)
  gauge(context, "aaax_systems", "Docked systems.", () => status().systems)
  gauge(context, "aaax_grants", "Grants in force.", () => status().grants)
  gauge(context, "aaax_warrants_waiting", "Actions that wait for a human.", () => status().waiting)
  gauge(context, "aaax_warrants_unknown", "Actions whose outcome nobody knows.", () => status().unknown)
  gauge(context, "aaax_journal_head", "Entries of the journal.", () => status().journalHead)
  gauge(context, "aaax_store_writable", "1 while the store takes writes.", () => (store.stopped() === undefined ? 1 : 0))
  gauge(context, "aaax_store_bytes", "Size of the store on disk.", () => store.statistics().bytes)
  gauge(context, "aaax_events", "Events that are kept.", () => store.statistics().events)
  gauge(context, "aaax_channels", "Channels.", () => store.statistics().channels)
  counter(context, "aaax_events_appended_total", "Events that were appended to durable and volatile channels, by their cursors.", () => {
    let sum = 0
    for (const { name } of store.channels()) sum += store.statisticsOf(name)?.head ?? 0
    return sum
  })
  gauge(context, "aaax_connections", "Sockets that clients hold open.", sources.connections)
  gauge(context, "aaax_websockets", "WebSockets.", () => sources.sockets()?.connections ?? 0)
  gauge(context, "aaax_websocket_subscriptions", "Subscriptions over WebSockets.", () => sources.sockets()?.subscriptions ?? 0)
  gauge(context, "aaax_websocket_outbox_bytes", "What WebSockets were sent and have not taken.", () => sources.sockets()?.outboxBytes ?? 0)
  counter(context, "aaax_websockets_dropped_total", "WebSockets that were dropped because they took nothing.", () => sources.sockets()?.dropped ?? 0)
  wireMetrics(context, sources.synapse)
  gauge(context, "aaax_memory_bytes", "Resident memory of the process.", () => process.memoryUsage.rss())
  counter(context, "aaax_cpu_seconds_total", "Processor time of the process.", () => {
    const { system, user } = process.cpuUsage()
    return (system + user) / 1_000_000
  })
  gauge(context, "aaax_event_loop_delay_seconds", "99th percentile of how late timers were since the last look.", () => {
    if (delay === undefined) {
      // From the first look on: nobody pays for it who does not look.
      delay = monitorEventLoopDelay({ resolution: 20 })
      delay.enable()
      return 0
    }
    const seconds = delay.percentile(99) / 1e9
    delay.reset()
    return Number.isFinite(seconds) ? seconds : 0
  })

  const perCode = (into: Context.Context<never>): void => {
    for (const [code, count] of sources.synapse()?.counts.refusals ?? []) {
      counter(into, "aaax_synapse_refusals_total", "What clients of the wire were refused, by its code.", () => count, { code })
    }
  }

  /** What differs from channel to channel; so many of them at most. */
  const perChannel = Effect.fnUntraced(function*(into: Context.Context<never>, shows: (channel: Channel) => boolean) {
    perCode(into)
    const heads = new Map<string, number>()
    for (const channel of store.channels()) {
      if (heads.size >= metricSeriesMax) break
      if (!shows(channel)) continue
      const { name } = channel
      heads.set(name, store.statisticsOf(name)?.head ?? 0)
      gauge(into, "aaax_channel_head", "Newest cursor of a channel.", () => store.statisticsOf(name)?.head ?? 0, { channel: name })
      if (!canTake(channel)) continue
      const backlog = yield* Effect.orElseSucceed(kernel.channels.backlog(name), () => 0)
      gauge(into, "aaax_channel_backlog", "Items of a queue that are not settled.", () => backlog, { channel: name })
    }
    let series = 0
    for (const { channel, cursor, name, system } of store.subscriptions()) {
      const head = heads.get(channel)
      if (head === undefined) continue
      if (++series > metricSeriesMax) break
      gauge(into, "aaax_subscription_lag", "Cursors between a subscription and the newest event.", () => Math.max(0, head - cursor), { channel, subscription: name, system })
    }
  })

  return {
    observe: ({ method, millis, route, status: code, surface }) => {
      const key = `${surface} ${route} ${method} ${code}`
      let histogram = requests.get(key)
      if (histogram === undefined) {
        if (requests.size >= metricSeriesMax) return
        histogram = Metric.histogram("aaax_http_request_seconds", {
          description: "Time until a request was answered, or its stream began.", boundaries,
          attributes: { surface: surface === "" ? "/" : surface, route, method, status: String(code) }
        })
        requests.set(key, histogram)
      }
      histogram.updateUnsafe(millis / 1_000, context)
    },
    text: (shows) =>
      Effect.suspend(() => {
        const shown = inRegistry(new Map(registry))
        return Effect.flatMap(perChannel(shown, shows), () =>
          // Loaded when somebody asks for it: a launch needs none of it.
          Effect.promise(async () => (await import("effect/observability/PrometheusMetrics")).formatUnsafe(shown)))
      }),
    refresh: perChannel(context, () => true),
    close: () => delay?.disable()
  }
}
