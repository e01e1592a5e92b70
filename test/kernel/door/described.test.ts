// What a published kernel says of itself: the description of its APIs, the page made of it, its health, and its numbers.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { launch, type HostKernel } from "../../../kernel/host.ts"
import { groups, type Row } from "../../../protocol/route/row.ts"
import { routes } from "../../../protocol/routes.ts"
import { docsPage } from "../../../kernel/door/docs.ts"
import { askAt, frames, type Ask } from "../../kit/published.ts"

let kernel: HostKernel
let port = 0
let operator: Ask
let nobody: Ask

beforeAll(async () => {
  kernel = await launch({ store: ":memory:", network: { publish: true, port: 0 } })
  const at = await kernel.publish()
  port = at.port
  operator = askAt(port, at.operatorToken)
  nobody = askAt(port, undefined)
  await kernel.channels.create("jobs", { form: "queue", visibility: "public" })
  await kernel.channels.create("hidden", { form: "queue", visibility: "private" })
  await kernel.channels.append("jobs", [{}, {}, {}])
})
afterAll(() => kernel.close())

describe("the description", () => {
  it("has every row of the table with what goes in and out, and needs no credential", async () => {
    const { body, status } = await nobody("GET", "/v1/openapi.json")
    expect([status, body.openapi]).toEqual([200, "3.1.0"])
    for (const [name, row] of Object.entries(routes) as ReadonlyArray<readonly [string, Row]>) { // the keys of the table are its names
      const path = `${row.path.replace(":id", "{id}")}${row.verb === undefined ? "" : `:${row.verb}`}`
      const operation = body.paths[path]?.[row.method.toLowerCase()]
      expect(operation, `${row.method} ${path}`).toBeDefined()
      if (row.accept !== undefined) {
        expect(Object.keys(operation.responses["200"].content), name).toContain(row.accept)
        continue
      }
      expect(operation).toMatchObject({ operationId: name, summary: row.says, tags: [row.group] })
      expect(operation).not.toHaveProperty("security")
      expect(Object.keys(operation.responses)).toContain(String(row.status ?? 200))
      expect(operation.responses.default.content).toHaveProperty("application/problem+json")
      const parameters = (operation.parameters ?? []).map(({ name: one }: { name: string }) => one)
      for (const field of "fields" in row.query ? Object.keys(row.query.fields as object) : []) expect(parameters, `${name}.${field}`).toContain(field)
      for (const header of Object.keys(row.headers ?? {})) expect(parameters, `${name} ${header}`).toContain(header)
      if (row.method === "POST" && ("fields" in row.payload || row.bytes === "in")) expect(operation.requestBody, name).toBeDefined()
    }
    expect(body.tags.map(({ name }: { name: string }) => name)).toEqual(Object.keys(groups))
    expect(body.security).toEqual([{ bearer: [] }, { basic: [] }])
    expect(body.paths["/v1/channels/{id}/events"].get.parameters).toContainEqual({ name: "limit", in: "query", required: false, schema: { type: "integer", minimum: 0 } })
  })

  it("of everything holds every surface", async () => {
    const { body } = await nobody("GET", "/openapi.json")
    const prefixes = new Set(Object.keys(body.paths).map((path) => path.split("/")[1]))
    expect([...prefixes].sort()).toEqual(expect.arrayContaining(["sssn", "v1"]))
    expect(body.paths).toHaveProperty(["/sssn/channels"])
    // Every reference leads somewhere.
    for (const [, name] of JSON.stringify(body).matchAll(/"#\/components\/schemas\/([^"]+)"/gu)) expect(body.components.schemas).toHaveProperty([String(name)])
    expect((await nobody("GET", "/sssn/openapi.json")).body.openapi).toBe("3.1.0")
  })
})

describe("the docs page", () => {
  it("shows every operation, and loads nothing and runs nothing", async () => {
    const { headers, status, text } = await nobody("GET", "/docs")
    expect(status).toBe(200)
    expect(headers).toMatchObject({ "content-type": "text/html; charset=utf-8", "x-frame-options": "DENY", "referrer-policy": "no-referrer" })
    expect(headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/u)
    for (const row of Object.values(routes)) expect(text).toContain(row.path.replace(":id", "{id}"))
    expect(text).toContain("/sssn/channels")
    expect(text).not.toMatch(/https?:\/\//iu)
    expect(text).not.toMatch(/<(?:script|link|img|iframe|object|embed|base|form)\b/iu)
    expect(text).not.toMatch(/\bon[a-z]+\s*=|javascript:|@import|url\(/iu)
    expect([...text.matchAll(/(?:href|src)="([^"]*)"/gu)].map(([, target]) => target?.[0])).toEqual(expect.arrayContaining(["/", "#"]))
    for (const [, target] of text.matchAll(/(?:href|src)="([^"]*)"/gu)) expect(target).toMatch(/^[/#](?!\/)/u)
  })

  it("shows what others wrote as text", () => {
    const page = docsPage({
      info: { title: "<script>alert(1)</script>" },
      paths: { "/x/<img src=x onerror=1>": { get: { tags: ['"><script>'], summary: "<b>", description: "'\"&", parameters: [{ name: "<i>", in: "query", schema: { enum: ["<u>"] } }], responses: {} } } }
    })
    expect(String(page.body)).not.toMatch(/<(?:script|img|b|i|u)\b/iu)
  })
})

describe("health", () => {
  it("is alive without a credential, and nothing more is told", async () => {
    const told = await nobody("GET", "/healthz")
    expect([told.status, told.text]).toEqual([200, "ok\n"])
    expect((await nobody("POST", "/healthz")).status).toBe(405)
    expect((await nobody("GET", "/healthz/x")).status).toBe(401)
  })

  it("is ready or says why not, to those who have a credential", async () => {
    expect(await nobody("GET", "/readyz")).toMatchObject({ status: 200, text: "ready\n" })
    expect((await operator("GET", "/readyz")).body).toEqual({ ready: true, reasons: [] })
    const { store } = kernel.effect.channels
    const stopped = store.stopped
    try {
      Object.assign(store, { stopped: () => "the disk is full" })
      expect(await nobody("GET", "/readyz")).toMatchObject({ status: 503, text: "not ready\n" })
      expect(await askAt(port, "wrong")("GET", "/readyz")).toMatchObject({ status: 503, text: "not ready\n" })
      expect(await operator("GET", "/readyz")).toMatchObject({ status: 503, body: { ready: false, reasons: [{ code: "store-stopped", detail: expect.stringContaining("the disk is full") }] } })
    } finally {
      Object.assign(store, { stopped })
    }
  })
})

describe("the numbers", () => {
  const valueOf = (text: string, series: string): number => Number(text.split("\n").find((line) => line.startsWith(`${series} `))?.slice(series.length + 1))

  it("are Prometheus' text, and count what happened", async () => {
    await operator("GET", "/v1/channels/jobs/events?limit=1")
    await operator("GET", "/v1/channels/nothing/events")
    const open = frames(port, (await kernel.tokens.mint({ name: "streamer", role: "read" })).token, "/v1/channels/jobs/events")
    await open.next()
    const before = (await operator("GET", "/metrics")).text
    await kernel.channels.append("jobs", [{}, {}])
    const { headers, text } = await operator("GET", "/metrics")
    expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8")
    expect(valueOf(text, "aaax_events_appended_total") - valueOf(before, "aaax_events_appended_total")).toBeGreaterThanOrEqual(2)
    expect(valueOf(text, 'aaax_channel_backlog{channel="jobs"}')).toBe(5)
    expect(valueOf(text, 'aaax_channel_head{channel="hidden"}')).toBe(0)
    expect(valueOf(text, "aaax_connections")).toBeGreaterThanOrEqual(1)
    expect(valueOf(text, "aaax_store_writable")).toBe(1)
    expect(valueOf(text, "aaax_warrants_waiting")).toBe(0)
    expect(valueOf(text, 'aaax_http_request_seconds_count{surface="v1",route="read",method="GET",status="404"}')).toBeGreaterThanOrEqual(1)
    expect(valueOf(text, 'aaax_http_request_seconds_bucket{surface="v1",route="read",method="GET",status="200",le="+Inf"}')).toBeGreaterThanOrEqual(1)
    for (const line of text.trimEnd().split("\n")) expect(line).toMatch(/^(?:# (?:HELP|TYPE) [a-z_]+ .*|[a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)*\})? -?[\d.e+-]+|[a-z_]+(?:\{.*\})? \+Inf)$/u)
    await open.return(undefined)
  })

  it("say to a guest what it may see, and nothing to nobody", async () => {
    const reader = askAt(port, (await kernel.tokens.mint({ name: "scraper", role: "read" })).token)
    const { text } = await reader("GET", "/metrics")
    expect(text).toContain('aaax_channel_backlog{channel="jobs"}')
    expect(text).not.toContain("hidden")
    expect(text).not.toContain("aaax.journal")
    const elsewhere = askAt(port, (await kernel.tokens.mint({ name: "elsewhere", role: "read", channels: ["none"] })).token)
    expect((await elsewhere("GET", "/metrics")).text).not.toContain("jobs")
    expect((await nobody("GET", "/metrics")).status).toBe(401)
  })

  it("know how far a subscription is behind", async () => {
    await operator("POST", "/v1/subscriptions", { body: { id: "lagging", channel: "jobs" } })
    await operator("POST", "/v1/subscriptions/lagging:ack", { body: { cursor: 2 } })
    expect((await operator("GET", "/metrics")).text).toContain('aaax_subscription_lag{channel="jobs",subscription="lagging",system="aaax.subscriptions"} 3')
  })
})
