// Export of traces, numbers and logs, to a collector on this machine that only remembers.
import { createServer, type Server } from "node:http"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Effect, Exit } from "effect"
import { telemetry, telemetryEndpoint } from "../../../kernel/door/telemetry.ts"
import { launch } from "../../../kernel/host.ts"
import { askAt } from "../../kit/published.ts"

// What a collector is sent has OTLP's shape.
// eslint-disable-next-line typescript/no-explicit-any -- see above
const sent: Array<{ readonly path: string; readonly body: any }> = []
let collector: Server
let endpoint = ""

beforeAll(async () => {
  collector = createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
      sent.push({ path: request.url ?? "", body: JSON.parse(Buffer.concat(parts).toString("utf8")) })
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  await new Promise<void>((resolve) => collector.listen(0, "127.0.0.1", resolve))
  const address = collector.address()
  endpoint = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`
})
afterAll(() => void collector.close())

const spans = () => sent.filter(({ path }) => path === "/v1/traces").flatMap(({ body }) => body.resourceSpans).flatMap(({ scopeSpans }) => scopeSpans).flatMap(({ spans: list }) => list)

describe("a kernel with a collector", () => {
  it("sends a span of each request in the trace of its client, its numbers and its logs", async () => {
    const kernel = await launch({ store: ":memory:", id: "watched", network: { publish: true, port: 0, otlp: endpoint } })
    const at = await kernel.publish()
    const ask = askAt(at.port, at.operatorToken)
    await kernel.channels.create("log", { visibility: "public" })
    const [trace, parent] = ["a".repeat(32), "b".repeat(16)]
    await ask("POST", "/v1/channels/log/events", { body: { events: [{ payload: 1 }, { payload: 2 }] }, headers: { traceparent: `00-${trace}-${parent}-01` } })
    await ask("GET", "/v1/channels/nothing")
    const [event] = await kernel.channels.read("log")
    await kernel.close()

    const appended = spans().find(({ traceId }) => traceId === trace)
    expect(appended).toMatchObject({ parentSpanId: parent, name: "POST /v1", kind: 2 })
    const attributes = Object.fromEntries(appended.attributes.map(({ key, value }: { key: string; value: Record<string, unknown> }) => [key, Object.values(value)[0]]))
    expect(attributes).toMatchObject({ "http.request.method": "POST", "http.route": "append" })
    expect(String(attributes["http.response.status_code"])).toBe("200")
    // The event belongs to the span that brought it.
    expect(event?.traceparent).toBe(`00-${trace}-${appended.spanId}-01`)
    expect(spans().some(({ name, traceId }) => name === "GET /v1" && traceId !== trace)).toBe(true)
    const resource = sent.find(({ path }) => path === "/v1/traces")?.body.resourceSpans[0].resource.attributes
    expect(resource).toContainEqual({ key: "service.name", value: { stringValue: "watched" } })
    const metrics = sent.filter(({ path }) => path === "/v1/metrics").flatMap(({ body }) => body.resourceMetrics).flatMap(({ scopeMetrics }) => scopeMetrics).flatMap(({ metrics: list }) => list)
    expect(metrics.map(({ name }: { name: string }) => name)).toEqual(expect.arrayContaining(["aaax_events", "aaax_http_request_seconds"]))
  })

  it("loses nothing of its own when the collector is not there", async () => {
    const kernel = await launch({ store: ":memory:", network: { publish: true, port: 0, otlp: "http://127.0.0.1:9" } })
    const at = await kernel.publish()
    expect((await askAt(at.port, at.operatorToken)("GET", "/v1/status")).status).toBe(200)
    await kernel.close()
  })
})

describe("a collector's address", () => {
  it("is the config's, else the environment's, else there is none", () => {
    expect(telemetryEndpoint("http://a", { AAAX_OTLP_ENDPOINT: "http://b" })).toBe("http://a")
    expect(telemetryEndpoint(undefined, { AAAX_OTLP_ENDPOINT: "http://b", OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" })).toBe("http://b")
    expect(telemetryEndpoint(undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: "http://c" })).toBe("http://c")
    expect(telemetryEndpoint(undefined, { AAAX_OTLP_ENDPOINT: "" })).toBeUndefined()
  })

  it("that is none is refused", async () => {
    for (const wrong of ["nonsense", "ftp://a", "file:///etc/passwd"]) {
      const exit = await Effect.runPromiseExit(Effect.scoped(telemetry({ endpoint: wrong, service: "s", version: "0" })))
      expect(Exit.isFailure(exit) && exit.cause.reasons[0], wrong).toMatchObject({ error: { _tag: "ConfigInvalid", issues: [{ path: "otlp" }] } })
    }
  })
})
