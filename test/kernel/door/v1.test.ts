// The kernel's own API over HTTP, as a program elsewhere uses it: everything that a system does in-process, done by requests.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { launch, type HostKernel } from "../../../kernel/host.ts"
import { askAt, first, frames, type Ask, type Told } from "../../kit/published.ts"

let kernel: HostKernel
let port = 0
let token = ""
let operator: Ask
let ada: Ask
let names = 0

beforeAll(async () => {
  kernel = await launch({ store: ":memory:" })
  const at = await kernel.publish("127.0.0.1", 0)
  port = at.port
  operator = askAt(port, at.operatorToken)
  token = (await kernel.tokens.mint({ name: "ada", role: "admin" })).token
  ada = askAt(port, token)
})
afterAll(() => kernel.close())

/** A new channel that guests see. */
const channel = async (spec: Readonly<Record<string, unknown>> = {}): Promise<string> => {
  const name = `c${++names}`
  expect((await ada("POST", "/v1/channels", { body: { name, ...spec } })).status).toBe(201)
  return name
}
const append = (name: string, ...payloads: ReadonlyArray<unknown>): Promise<Told> =>
  ada("POST", `/v1/channels/${name}/events`, { body: { events: payloads.map((payload) => ({ payload })) } })

describe("a channel", () => {
  it("is created, shown with its statistics, and found in the list", async () => {
    const name = await channel({ form: "queue", description: "Work." })
    await append(name, 1, 2)
    expect((await ada("GET", `/v1/channels/${name}`)).body).toMatchObject({ name, form: "queue", delivery: "exclusive", visibility: "public", head: 2, floor: 0, events: 2, backlog: 2 })
    expect((await ada("GET", "/v1/channels")).body.map((one: { name: string }) => one.name)).toContain(name)
    expect((await operator("POST", "/v1/channels", { body: { name: "hidden" } })).body).toMatchObject({ visibility: "private", owner: "operator" })
    expect((await ada("GET", "/v1/channels/hidden")).status).toBe(404)
    expect((await operator("POST", "/v1/channels", { body: { name: "aaax.mine" } })).status).toBe(409)
  })

  it("is read in pages and by every field that narrows, and waited for", async () => {
    const name = await channel({ indexes: ["subject"] })
    const [parent] = (await append(name, "first")).body
    await ada("POST", `/v1/channels/${name}/events`, {
      body: { events: [{ kind: "note", payload: "second", correlationId: "q", parentIds: [parent.id], subject: "s", labels: ["l"], metadata: { m: 1 } }] }
    })
    for (const query of ["kind=note", "sender=ada&after=1", "correlationId=q", `parentId=${parent.id}`, "subject=s", "after=1&limit=1"]) {
      expect((await ada("GET", `/v1/channels/${name}/events?${query}`)).body, query).toMatchObject({ events: [{ cursor: 2, sender: "ada", payload: "second" }], head: 2 })
    }
    const waiting = ada("GET", `/v1/channels/${name}/events?after=2&wait=20000`)
    await append(name, "third")
    expect((await waiting).body.events.map(({ payload }: { payload: unknown }) => payload)).toEqual(["third"])
    expect((await ada("GET", `/v1/channels/${name}/events?after=3&wait=10`)).body.events).toEqual([])
    const { id } = (await ada("GET", `/v1/channels/${name}/events?after=1&limit=1`)).body.events[0]
    expect((await ada("GET", `/v1/events/${id}`)).body).toMatchObject({ id, channel: name, cursor: 2 })
    expect((await ada("GET", "/v1/events/nothing")).status).toBe(404)
  })

  it("takes a repeated append once, by the header as by the body", async () => {
    const name = await channel()
    const body = { events: [{ payload: 1 }] }
    const one = await ada("POST", `/v1/channels/${name}/events`, { body, headers: { "idempotency-key": '"k 1"' } })
    expect((await ada("POST", `/v1/channels/${name}/events`, { body: { ...body, key: "k 1" } })).body).toEqual(one.body)
    // A client that tries again is in another span, and says the same.
    const trace = (span: string) => ({ "idempotency-key": "traced", traceparent: `00-${"a".repeat(32)}-${span.repeat(16)}-01` })
    const traced = await ada("POST", `/v1/channels/${name}/events`, { body, headers: trace("b") })
    expect((await ada("POST", `/v1/channels/${name}/events`, { body, headers: trace("c") })).body).toEqual(traced.body)
    expect((await ada("POST", `/v1/channels/${name}/events`, { body: { events: [{ payload: 2 }] }, headers: trace("b") })).status).toBe(409)
    expect(await ada("POST", `/v1/channels/${name}/events`, { body: { events: [{ payload: 2 }] }, headers: { "idempotency-key": "k 1" } })).toMatchObject({ status: 409, body: { code: "IdempotencyConflict" } })
    expect((await ada("POST", `/v1/channels/${name}/events`, { body: { ...body, key: "a" }, headers: { "idempotency-key": "b" } })).status).toBe(400)
    expect((await ada("GET", `/v1/channels/${name}`)).body.head).toBe(2)
  })

  it("hands items to one taker each, and takes them back", async () => {
    const name = await channel({ form: "queue", leaseMillis: 60_000 })
    await append(name, "a", "b", "c")
    const path = `/v1/channels/${name}`
    const [a, b] = (await ada("POST", `${path}:take`, { body: { limit: 2 } })).body
    expect(a).toMatchObject({ event: { payload: "a" }, attempt: 1, epoch: expect.any(Number), expiresAt: expect.any(Number) })
    expect((await ada("POST", `${path}:renew`, { body: { cursor: a.event.cursor, epoch: a.epoch } })).body.expiresAt).toBeGreaterThanOrEqual(a.expiresAt)
    const settle = (item: { event: { cursor: number }; epoch: number }, outcome: string) => ({ cursor: item.event.cursor, epoch: item.epoch, outcome })
    expect((await ada("POST", `${path}:settle`, { body: { settlements: [settle(a, "ack"), settle(b, "nack")] } })).status).toBe(200)
    expect((await ada("GET", `${path}/backlog`)).body).toEqual({ backlog: 2 })
    expect(await ada("POST", `${path}:settle`, { body: { settlements: [settle(a, "ack")] } })).toMatchObject({ status: 409, body: { code: "LeaseLost" } })
    const again = (await ada("POST", `${path}:take`, { body: { limit: 5 } })).body
    expect(again.map(({ attempt, event }: { attempt: number; event: { payload: unknown } }) => [event.payload, attempt])).toEqual([["b", 2], ["c", 1]])
    await ada("POST", `${path}:settle`, { body: { settlements: again.map((item: Parameters<typeof settle>[0]) => settle(item, "ack")) } })
    const waiting = ada("POST", `${path}:take`, { body: { wait: 20_000 } })
    await append(name, "late")
    expect((await waiting).body[0].event.payload).toBe("late")
    expect((await ada("POST", `${path}:take`, { body: { wait: 10 } })).body).toEqual([])
  })

  it("forgets what its administrator says", async () => {
    const name = await channel()
    const appended = (await append(name, 1, 2, 3, 4)).body
    expect((await ada("POST", `/v1/channels/${name}:remove`, { body: { ids: [appended[1].id] } })).body).toEqual({ removed: 1 })
    expect((await ada("GET", `/v1/channels/${name}/events`)).body.events.map(({ payload }: { payload: number }) => payload)).toEqual([1, 3, 4])
    expect((await ada("POST", `/v1/channels/${name}:evict`, { body: { maxCount: 1 } })).body.floor).toBe(3)
    expect(await ada("GET", `/v1/channels/${name}/events?after=1`)).toMatchObject({ status: 410, body: { code: "Gap", fields: { floor: 3 } } })
    await ada("POST", `/v1/channels/${name}:clear`, { body: {} })
    expect((await ada("GET", `/v1/channels/${name}/events`)).body.events).toEqual([])
  })
})

describe("a stream of server-sent events", () => {
  it("begins where it is told to, and goes on behind what its client saw", async () => {
    const name = await channel()
    await append(name, ...Array.from({ length: 300 }, (_, n) => n))
    const path = `/v1/channels/${name}/events`
    const payloads = async (count: number, query: string, headers = {}) => (await first(count, frames(port, token, `${path}${query}`, headers))).map(({ data }) => data.payload)
    expect(await payloads(3, "")).toEqual([0, 1, 2])
    expect(await payloads(2, "?after=298")).toEqual([298, 299])
    expect(await payloads(2, "?last=2")).toEqual([298, 299])
    expect(await payloads(2, "?after=5", { "last-event-id": "297" })).toEqual([297, 298])
    expect(await payloads(1, "", { "last-event-id": `${name}#299` })).toEqual([299])
    const live = first(2, frames(port, token, `${path}?last=0`))
    // Whether the stream is open nobody tells; what is appended before is not in it.
    await append(name, "x", "y")
    const both = first(2, frames(port, token, `${path}?after=300`))
    expect((await both).map(({ data, id }) => [id, data.payload])).toEqual([["301", "x"], ["302", "y"]])
    await append(name, "z", "z")
    expect((await live).length).toBe(2)
    expect((await ada("GET", path, { headers: { accept: "text/event-stream", "last-event-id": "nonsense" } })).status).toBe(400)
  })

  it("is opened with the rights of now, also when it is resumed, and ends with them", async () => {
    const name = await channel()
    await append(name, 1)
    const minted = await kernel.tokens.mint({ name: "visitor", role: "read" })
    const stream = frames(port, minted.token, `/v1/channels/${name}/events`)
    expect((await stream.next()).value?.data.payload).toBe(1)
    await kernel.tokens.revoke("visitor")
    expect((await stream.next()).value).toMatchObject({ event: "problem", data: { code: "Undocked" } })
    expect((await stream.next()).done).toBe(true)
    await expect(frames(port, minted.token, `/v1/channels/${name}/events`, { "last-event-id": "1" }).next()).rejects.toThrow(/401/u)
    const other = await kernel.tokens.mint({ name: "visitor", role: "read", channels: ["elsewhere"] })
    await expect(frames(port, other.token, `/v1/channels/${name}/events`, { "last-event-id": "1" }).next()).rejects.toThrow(/404/u)
  })

  it("that its client does not read holds up nobody else, and loses nothing when it is resumed", async () => {
    const name = await channel({ durability: "memory" })
    const text = "x".repeat(20_000)
    const slow = await fetch(`http://127.0.0.1:${port}/v1/channels/${name}/events`, { headers: { authorization: `Bearer ${token}`, accept: "text/event-stream" } })
    const total = 600
    const quick = first(total, frames(port, token, `/v1/channels/${name}/events`))
    for (let at = 0; at < total; at += 50) {
      await ada("POST", `/v1/channels/${name}/events`, { body: { events: Array.from({ length: 50 }, (_, n) => ({ payload: { n: at + n, text } })) } })
    }
    // It read nothing meanwhile, and the other one has got all of it.
    expect((await quick).map(({ data }) => data.payload.n)).toEqual(Array.from({ length: total }, (_, n) => n))
    const reader = slow.body!.getReader()
    const seen = new TextDecoder().decode((await reader.read()).value).match(/^id: (\d+)$/gmu) ?? []
    await reader.cancel()
    const last = Number(seen.at(-1)?.slice(4) ?? 0)
    const rest = await first(total - last, frames(port, token, `/v1/channels/${name}/events`, { "last-event-id": String(last) }))
    expect(rest.map(({ data }) => data.cursor)).toEqual(Array.from({ length: total - last }, (_, n) => last + n + 1))
  })
})

describe("a trace", () => {
  it("goes from the request to the event, and on to whoever follows", async () => {
    const name = await channel()
    const traceparent = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`
    const own = `00-${"c".repeat(32)}-${"d".repeat(16)}-01`
    const following = first(3, frames(port, token, `/v1/channels/${name}/events`))
    await ada("POST", `/v1/channels/${name}/events`, { body: { events: [{}, { traceparent: own }] }, headers: { traceparent } })
    await ada("POST", `/v1/channels/${name}/events`, { body: { events: [{}] }, headers: { traceparent: "nonsense" } })
    expect((await following).map(({ data }) => data.traceparent)).toEqual([traceparent, own, null])
  })
})

describe("a CloudEvent", () => {
  const structured = {
    specversion: "1.0", id: "e1", source: "https://example.com/a", type: "com.example.made", subject: "s", time: "2026-01-02T03:04:05.006Z", datacontenttype: "application/json",
    dataschema: "https://example.com/schema", comexample: "ext", flag: true, count: 7, correlationid: "q", data: { a: [1] }
  }

  it("comes in structured, and goes out as it came", async () => {
    const name = await channel()
    const path = `/v1/channels/${name}/events`
    const media = { "content-type": "application/cloudevents+json; charset=utf-8" }
    const one = await ada("POST", path, { body: structured, headers: media })
    expect(one).toMatchObject({ status: 200, body: [{ id: "e1", cursor: 1 }] })
    // The same source and id is the same event.
    expect((await ada("POST", path, { body: structured, headers: media })).body).toEqual(one.body)
    expect((await ada("GET", `${path}`)).body.events).toMatchObject([{
      id: "e1", sender: "ada", kind: "com.example.made", source: structured.source, subject: "s", timestamp: 1_767_323_045.006, schema: structured.dataschema,
      payload: { a: [1] }, metadata: { comexample: "ext", flag: true, count: 7 }, correlationId: "q"
    }])
    const out = await ada("GET", "/v1/events/e1", { headers: { accept: "application/cloudevents+json" } })
    expect(out.headers["content-type"]).toBe("application/cloudevents+json")
    expect(out.body).toEqual({ ...structured, channel: name, cursor: 1, sender: "ada", recordedat: expect.stringMatching(/Z$/u) })
  })

  it("comes in batches, and goes out in them", async () => {
    const name = await channel()
    const path = `/v1/channels/${name}/events`
    const batch = ["b1", "b2", "b3"].map((id) => ({ ...structured, id: `${name}-${id}` }))
    expect((await ada("POST", path, { body: batch, headers: { "content-type": "application/cloudevents-batch+json" } })).body).toHaveLength(3)
    const out = await ada("GET", `${path}?limit=2`, { headers: { accept: "application/cloudevents-batch+json" } })
    expect(out.headers).toMatchObject({ "content-type": "application/cloudevents-batch+json", "x-next-cursor": "2", "x-head-cursor": "3" })
    expect(out.body.map(({ id }: { id: string }) => id)).toEqual(batch.slice(0, 2).map(({ id }) => id))
    const bad = await ada("POST", path, { body: [batch[0], { ...structured, type: undefined }], headers: { "content-type": "application/cloudevents-batch+json" } })
    expect(bad).toMatchObject({ status: 400, body: { fields: { path: "[1].type" } } })
    expect((await ada("POST", path, { body: [], headers: { "content-type": "application/cloudevents-batch+json" } })).status).toBe(400)
    const pushed = await first(1, frames(port, token, `${path}?format=cloudevents`))
    expect(pushed[0]?.data).toMatchObject({ specversion: "1.0", id: batch[0]?.id, type: structured.type })
  })

  it("comes in as headers and bytes, and goes out as such", async () => {
    const name = await channel()
    const path = `/v1/channels/${name}/events`
    const ce = { "ce-specversion": "1.0", "ce-source": "/a", "ce-type": "made", "ce-note": "%C3%BC%20%22x%22" }
    const bytes = new Uint8Array([0, 1, 255])
    await ada("POST", path, { body: '{"a":1}', headers: { ...ce, "ce-id": `${name}-1`, "content-type": "application/json" } })
    await ada("POST", path, { body: bytes, headers: { ...ce, "ce-id": `${name}-2`, "content-type": "image/png" } })
    await ada("POST", path, { body: "plain ü", headers: { ...ce, "ce-id": `${name}-3`, "content-type": "text/plain" } })
    const { events } = (await ada("GET", path)).body
    expect(events.map(({ payload }: { payload: unknown }) => payload)).toEqual([{ a: 1 }, { data_base64: "AAH/" }, "plain ü"])
    expect(events[0].metadata).toEqual({ note: 'ü "x"' })
    const out = await ada("GET", `/v1/events/${name}-3?format=cloudevents-binary`)
    expect(out).toMatchObject({ text: "plain ü", headers: { "ce-id": `${name}-3`, "ce-type": "made", "ce-source": "/a", "ce-note": "%C3%BC%20%22x%22", "content-type": "text/plain" } })
    const response = await fetch(`http://127.0.0.1:${port}/v1/events/${name}-2?format=cloudevents-binary`, { headers: { authorization: `Bearer ${token}` } })
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes)
    expect(response.headers.get("content-type")).toBe("image/png")
    expect((await ada("POST", path, { body: "{", headers: { ...ce, "ce-id": "x", "content-type": "application/json" } })).status).toBe(400)
    expect((await ada("POST", path, { body: structured, headers: { "content-type": "application/cloudevents+avro" } })).status).toBe(400)
  })

  it("of another source keeps its id where ours is taken", async () => {
    const name = await channel()
    const path = `/v1/channels/${name}/events`
    const send = (event: object) => ada("POST", path, { body: event, headers: { "content-type": "application/cloudevents+json" } })
    const [one, other] = [{ ...structured, id: "same" }, { ...structured, id: "same", source: "/other" }]
    expect((await send(one)).body[0].id).toBe("same")
    const second = await send(other)
    expect(second).toMatchObject({ status: 200, body: [{ cursor: 2 }] })
    expect(second.body[0].id).not.toBe("same")
    expect((await send(other)).body).toEqual(second.body)
    expect((await send({ ...other, data: "changed" })).status).toBe(409)
    const page = await ada("GET", path, { headers: { accept: "application/cloudevents-batch+json" } })
    expect(page.body.map(({ id, source }: { id: string; source: string }) => [id, source])).toEqual([["same", structured.source], ["same", "/other"]])
  })
})

describe("a snapshot", () => {
  it("is put, compared and set, and told apart by its revision", async () => {
    const put = (value: unknown, headers: Readonly<Record<string, string>> = {}) => ada("PUT", "/v1/snapshots/state", { body: { value }, headers })
    expect((await ada("GET", "/v1/snapshots/state")).status).toBe(404)
    expect(await put(1, { "if-none-match": "*" })).toMatchObject({ status: 200, headers: { etag: '"1"' }, body: { revision: 1, value: 1, sender: "ada", visibility: "public" } })
    expect(await put(2, { "if-none-match": "*" })).toMatchObject({ status: 409, body: { code: "SnapshotConflict", fields: { revision: 1 } } })
    expect((await put(2, { "if-match": '"1"' })).headers.etag).toBe('"2"')
    expect((await put(3, { "if-match": '"1"' })).status).toBe(409)
    for (const headers of [{ "if-match": "1" }, { "if-match": '"1", "2"' }, { "if-none-match": '"1"' }]) expect((await put(3, headers)).status).toBe(400)
    expect(await ada("GET", "/v1/snapshots/state", { headers: { "if-none-match": '"2"' } })).toMatchObject({ status: 304, text: "" })
    expect((await ada("GET", "/v1/snapshots/state", { headers: { "if-none-match": '"1"' } })).body.value).toBe(2)
    expect((await ada("GET", "/v1/snapshots")).body).toMatchObject([{ name: "state", revision: 2 }])
    expect((await ada("GET", "/v1/snapshots")).body[0]).not.toHaveProperty("value")
    // What a system of the constellation keeps for itself is not shown, but to the operator.
    await operator("PUT", "/v1/snapshots/inner", { body: { value: "mine" } })
    expect((await ada("GET", "/v1/snapshots/inner")).status).toBe(404)
    expect((await ada("PUT", "/v1/snapshots/inner", { body: { value: "yours" } })).status).toBe(403)
    expect((await operator("GET", "/v1/snapshots?after=b")).body.map(({ name }: { name: string }) => name)).toContain("inner")
    expect((await operator("PUT", "/v1/snapshots/aaax.mine", { body: { value: 1 } })).status).toBe(403)
  })
})

describe("an artifact", () => {
  it("is streamed in, found through its channel and event, and read whole or in part", async () => {
    const name = await channel()
    const [event] = (await append(name, "x")).body
    const bytes = new Uint8Array(30_000).map((_, n) => n % 251)
    const put = await ada("POST", `/v1/artifacts?channel=${name}&eventIds=${event.id}&metadata=${encodeURIComponent('{"a":1}')}`, { body: bytes, headers: { "content-type": "text/html" } })
    expect(put).toMatchObject({ status: 201, body: { mediaType: "text/html", sizeBytes: 30_000, channel: name, eventIds: [event.id], metadata: { a: 1 }, creator: "ada" } })
    const { id, sha256 } = put.body
    expect((await ada("GET", `/v1/artifacts/${id}`)).body).toEqual(put.body)
    expect((await ada("GET", `/v1/artifacts?eventId=${event.id}`)).body).toMatchObject({ items: [{ id }] })
    const read = async (headers: Readonly<Record<string, string>> = {}, method = "GET") => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/artifacts/${id}/bytes`, { method, headers: { authorization: `Bearer ${token}`, ...headers } })
      return { status: response.status, headers: response.headers, bytes: new Uint8Array(await response.arrayBuffer()) }
    }
    const whole = await read()
    expect(Buffer.compare(whole.bytes, bytes)).toBe(0)
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      "content-type": "text/html", "content-length": "30000", "content-disposition": "attachment", "x-content-type-options": "nosniff", etag: `"${sha256}"`,
      "content-security-policy": "sandbox; default-src 'none'"
    })
    for (const [range, from, to] of [["bytes=10-19", 10, 20], ["bytes=29990-", 29_990, 30_000], ["bytes=-5", 29_995, 30_000], ["bytes=29999-40000", 29_999, 30_000]] as const) {
      const part = await read({ range })
      expect([part.status, part.headers.get("content-range"), part.bytes]).toEqual([206, `bytes ${from}-${to - 1}/30000`, bytes.slice(from, to)])
    }
    expect((await read({ range: "bytes=30000-" })).status).toBe(416)
    for (const range of ["bytes=5-1", "bytes=0-1,2-3", "lines=1-2"]) expect((await read({ range })).status, range).toBe(200)
    expect((await read({ "if-none-match": `"${sha256}"` })).status).toBe(304)
    expect((await read({}, "HEAD")).headers.get("content-length")).toBe("30000")
    // Who may not read its channel does not find it.
    const other = askAt(port, (await kernel.tokens.mint({ name: "other", role: "read", channels: ["elsewhere"] })).token)
    expect((await other("GET", `/v1/artifacts/${id}`)).status).toBe(404)
    expect((await ada("POST", "/v1/artifacts?metadata=x", { body: bytes })).status).toBe(400)
  })
})

describe("a subscription", () => {
  it("hands events out until they are acknowledged, and says how far it is behind", async () => {
    const name = await channel()
    await append(name, 1, 2, 3)
    const made = await ada("POST", "/v1/subscriptions", { body: { id: `${name}-s`, channel: name, batchSize: 2 } })
    expect(made.body).toMatchObject({ subscription: { id: `${name}-s`, cursor: 0, creator: "ada" }, differing: [] })
    const path = `/v1/subscriptions/${name}-s`
    const pulled = (await ada("POST", `${path}:pull`)).body
    expect(pulled.events.map(({ payload }: { payload: number }) => payload)).toEqual([1, 2])
    expect((await ada("POST", `${path}:pull`)).body).toEqual(pulled)
    expect((await ada("GET", `${path}/lag`)).body).toEqual({ head: 3, cursor: 0, behind: 3, isExact: true })
    expect((await ada("POST", `${path}:ack`, { body: { cursor: pulled.cursor } })).body.cursor).toBe(2)
    expect((await ada("POST", `${path}:pull`, { body: { ack: "auto" } })).body.events.map(({ payload }: { payload: number }) => payload)).toEqual([3])
    const waiting = ada("POST", `${path}:pull`, { body: { wait: 20_000 } })
    await append(name, "late")
    expect((await waiting).body.events.map(({ payload }: { payload: unknown }) => payload)).toEqual(["late"])
    expect((await ada("POST", `${path}:pull`, { body: { ack: "auto" } })).body.cursor).toBe(4)
    expect((await ada("POST", `${path}:pull`, { body: { wait: 10 } })).body.events).toEqual([])
    expect((await ada("GET", `/v1/subscriptions?channel=${name}`)).body).toMatchObject({ items: [{ id: `${name}-s`, cursor: 4 }], isEnd: true })
    expect((await ada("GET", "/v1/subscriptions/nothing")).status).toBe(404)
  })
})

describe("a capability", () => {
  it("is shown to the operator, and ended by it at once", async () => {
    const system = await kernel.dock({ manifest: { ...(await import("../../../protocol/manifest.ts")).emptyManifest("holder"), executors: ["fs.write"] } })
    const grants = (await operator("GET", "/v1/capabilities?holder=holder")).body
    expect(grants).toMatchObject([{ holder: "holder", resource: "fs.write", access: "execute", uses: 0 }])
    const [{ id }] = grants
    expect((await operator("GET", `/v1/capabilities/${encodeURIComponent(id)}`)).body).toEqual({ ...grants[0], chain: [], below: 0, usesLeft: null, endsAt: grants[0].caveats.expiresAt })
    expect((await operator("DELETE", `/v1/capabilities/${encodeURIComponent(id)}`)).body).toEqual({ ended: 1 })
    expect(await operator("DELETE", `/v1/capabilities/${encodeURIComponent(id)}`)).toMatchObject({ status: 404, body: { code: "GrantNotFound" } })
    expect((await operator("GET", "/v1/capabilities?holder=holder")).body).toEqual([])
    expect((await operator("GET", "/v1/systems/holder")).body).toMatchObject({ id: "holder", grants: 0 })
    await system.undock()
  })
})
