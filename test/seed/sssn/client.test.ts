// The client of the portable API: what the ancestor's client promises, against the surface that a kernel offers, against a
// transport that answers what it is told, and for connections against a server that counts them.
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { SSSNClient, SSSNClientError } from "aaax/client"
import { InvalidPayloadError } from "../../../protocol/portable-error.ts"
import { openPortable, type PortableWorld } from "../../kit/portable.ts"

interface Sent {
  readonly method: string
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly headers: Headers
  readonly body: unknown
}

/** A transport that remembers what was sent and answers what it is told. */
const transport = (answer: (sent: Sent) => { readonly status?: number; readonly body?: unknown; readonly text?: string } = () => ({ body: {} })) => {
  const sent: Array<Sent> = []
  const send: typeof fetch = async (input) => {
    const request = input as Request // what the client makes
    const url = new URL(request.url)
    const text = await request.text()
    const one = {
      method: request.method, path: url.pathname, query: Object.fromEntries(url.searchParams), headers: request.headers,
      body: text === "" ? undefined : JSON.parse(text) as unknown
    }
    sent.push(one)
    const { body, status = 200, text: raw } = answer(one)
    return new Response(raw ?? JSON.stringify(body ?? {}), { status, headers: { "content-type": "application/json" } })
  }
  return { sent, client: new SSSNClient("http://store.test/base/", { fetch: send, retries: 0 }) }
}

const refusal = async (promise: Promise<unknown>): Promise<SSSNClientError> => {
  const thrown: unknown = await promise.then(() => undefined, (error: unknown) => error)
  expect(thrown).toBeInstanceOf(SSSNClientError)
  return thrown as SSSNClientError
}

describe("a client of a live server", () => {
  let world: PortableWorld
  let close: () => Promise<void>
  let client: SSSNClient
  beforeAll(async () => {
    ({ world, close } = await openPortable())
    client = new SSSNClient(world.base, { token: await world.network.mint({ name: "tester", role: "admin" }) })
  })
  afterAll(() => close())

  it("[168] creates, appends, queries, pulls, keeps artifacts of text and bytes, and puts snapshots and whole snapshot objects", async () => {
    expect(await client.health()).toEqual({ ok: true })
    const channel = await client.createChannel({ name: "flow", schema: "pkg:Sample", form: "feed", description: "samples", metadata: { unit: "m" } })
    expect(channel).toEqual({ name: "flow", schema: "pkg:Sample", form: "feed", description: "samples", metadata: { unit: "m" } })
    expect(await client.getChannel("flow")).toEqual(channel)
    expect((await client.listChannels()).map(({ name }) => name)).toEqual(["flow"])

    const first = await client.appendEvent({ channel: "flow", kind: "policy.sample", payload: { n: 1 }, source: "probe", correlation_id: "c-1" })
    const second = await client.appendEvent({ channel: "flow", payload: { n: 2 }, parent_ids: [first.id], metadata: { nested: { deep: [1] } } })
    expect(second.cursor).toBeGreaterThan(first.cursor)
    expect(await client.getEvent(second.id)).toEqual(second)
    expect(await client.queryEvents("flow", { afterCursor: first.cursor })).toEqual([second])
    expect(await client.queryEvents("flow", { kind: "policy.sample", limit: 5 })).toEqual([first])

    const subscription = await client.createSubscription("flow", { id: "reader", consumer: "me", batchSize: 1, filters: { kind: null } })
    expect(subscription).toMatchObject({ id: "reader", channel: "flow", cursor: 0, consumer: "me", batch_size: 1 })
    expect(await client.pullSubscription("reader")).toEqual([first])
    expect((await client.getSubscription("reader")).cursor).toBe(first.cursor)
    expect(await client.pullSubscription("reader", { limit: 10 })).toEqual([second])
    expect(await client.pullSubscription("reader")).toEqual([])

    const bytes = Uint8Array.from({ length: 256 }, (_, at) => at)
    const binary = await client.writeArtifact(bytes, { channel: "flow", mediaType: "application/x-probe", metadata: { a: 1 }, eventIds: [first.id] })
    expect(binary).toMatchObject({ channel: "flow", media_type: "application/x-probe", size: 256, metadata: { a: 1 }, event_ids: [first.id] })
    expect(await client.readArtifact(binary.id)).toEqual(bytes)
    expect(await client.getArtifact(binary.id)).toEqual(binary)
    const text = await client.writeArtifact("grüße", { mediaType: "text/plain" })
    expect(new TextDecoder().decode(await client.readArtifact(text.id))).toBe("grüße")

    const put = await client.putSnapshot("state", { phase: "one" }, { channel: "flow", sourceEventId: first.id, metadata: { by: "test" } })
    expect(put).toMatchObject({ name: "state", value: { phase: "one" }, channel: "flow", source_event_id: first.id, metadata: { by: "test" } })
    expect(await client.getSnapshot("state")).toEqual(put)
    const copy = await client.putSnapshot("copy", put)
    expect({ ...copy, name: "state" }).toEqual(put)
  })

  it("[169] tells every missing resource as 404 with its type and the id, and every conflict as 409", async () => {
    await client.createChannel({ name: "taken" })
    const told = await Promise.all([
      client.getChannel("no-channel"), client.appendEvent({ channel: "no-channel" }), client.queryEvents("no-channel"), client.getEvent("no-event"),
      client.appendEvent({ channel: "taken", parent_ids: ["no-event"] }), client.getSubscription("no-sub"), client.pullSubscription("no-sub"),
      client.createSubscription("no-channel"), client.readArtifact("no-artifact"), client.getArtifact("no-artifact"), client.getSnapshot("no-snapshot"),
      client.putSnapshot("s", 1, { sourceEventId: "no-event" }), client.writeArtifact("x", { channel: "no-channel" })
    ].map(async (promise) => {
      const { errorType, message, statusCode } = await refusal(promise)
      return [statusCode, errorType, /no-[a-z]+/u.exec(message)?.[0]]
    }))
    expect(told).toEqual([
      [404, "ChannelNotFoundError", "no-channel"], [404, "ChannelNotFoundError", "no-channel"], [404, "ChannelNotFoundError", "no-channel"],
      [404, "EventNotFoundError", "no-event"], [404, "EventNotFoundError", "no-event"], [404, "SubscriptionNotFoundError", "no-sub"],
      [404, "SubscriptionNotFoundError", "no-sub"], [404, "ChannelNotFoundError", "no-channel"], [404, "ArtifactNotFoundError", "no-artifact"],
      [404, "ArtifactNotFoundError", "no-artifact"], [404, "SnapshotNotFoundError", "no-snapshot"], [404, "EventNotFoundError", "no-event"],
      [404, "ChannelNotFoundError", "no-channel"]
    ])
    expect(await refusal(client.createChannel({ name: "taken" }))).toMatchObject({ statusCode: 409, errorType: "ChannelExistsError" })
    await client.createChannel({ name: "other" })
    await client.createSubscription("taken", { id: "named" })
    expect(await refusal(client.createSubscription("other", { id: "named" }))).toMatchObject({ statusCode: 409, errorType: "SubscriptionExistsError" })
  })

  it("is let in by a token as bearer, or as the password in its URL, and by nothing else", async () => {
    const token = await world.network.mint({ name: "reader", role: "read" })
    const url = new URL(world.base)
    url.username = "anybody"
    url.password = token
    expect(Array.isArray(await new SSSNClient(url.href).listChannels())).toBe(true)
    expect(await refusal(new SSSNClient(world.base, { retries: 0 }).listChannels())).toMatchObject({ statusCode: 401 })
  })
})

describe("a base URL", () => {
  it("[170] is an absolute http or https URL without white space; anything else is refused before there is a client", () => {
    for (const wrong of ["", " ", "localhost:8100", "/sssn", "ftp://store.test", "http://", "http:// store.test", "http://store.test /x", "http://store.test?x=1", "//store.test", null, 7]) {
      expect(() => new SSSNClient(wrong as string), String(wrong)).toThrow(RangeError)
    }
    expect(new SSSNClient("https://store.test/sssn///").baseUrl).toBe("https://store.test/sssn")
    expect(new SSSNClient("http://127.0.0.1:8100").baseUrl).toBe("http://127.0.0.1:8100")
  })
})

describe("a malformed argument", () => {
  it("[171] never becomes a request", async () => {
    const { client, sent } = transport()
    const bad = ["", " ", ".", "..", "a/b", "a\\b", "a:b", "a b", "a%2Fb", "\ttab"]
    const calls: ReadonlyArray<() => Promise<unknown>> = [
      ...bad.flatMap((id) => [
        () => client.createChannel({ name: id }), () => client.getChannel(id), () => client.appendEvent({ channel: id }), () => client.queryEvents(id), () => client.getEvent(id),
        () => client.appendEvent({ channel: "c", id }), () => client.appendEvent({ channel: "c", kind: id }), () => client.appendEvent({ channel: "c", correlation_id: id }),
        () => client.appendEvent({ channel: "c", parent_ids: [id] }), () => client.queryEvents("c", { kind: id }), () => client.createSubscription(id),
        () => client.createSubscription("c", { id }), () => client.createSubscription("c", { consumer: id }), () => client.createSubscription("c", { filters: { kind: id } }),
        () => client.pullSubscription(id), () => client.getSubscription(id), () => client.readArtifact(id), () => client.getArtifact(id),
        () => client.writeArtifact("x", { channel: id }), () => client.writeArtifact("x", { eventIds: [id] }), () => client.putSnapshot(id, 1), () => client.getSnapshot(id),
        () => client.putSnapshot("s", 1, { channel: id }), () => client.putSnapshot("s", 1, { sourceEventId: id })
      ]),
      () => client.createChannel({ name: "c", form: "stack" as "log" }),
      () => client.createChannel({ name: "c", metadata: [] as unknown as Record<string, unknown> }),
      () => client.appendEvent({ channel: "c", metadata: "x" as unknown as Record<string, unknown> }),
      () => client.appendEvent({ channel: "c", parent_ids: "abc" as unknown as ReadonlyArray<string> }),
      () => client.appendEvent({ channel: "c", payload: Number.NaN }),
      () => client.appendEvent({ channel: "c", payload: () => 1 }),
      () => client.queryEvents("c", { afterCursor: -1 }), () => client.queryEvents("c", { limit: 0 }), () => client.queryEvents("c", { limit: 1.5 }),
      () => client.createSubscription("c", { batchSize: 0 }), () => client.createSubscription("c", { filters: { source: "x" } }),
      () => client.createSubscription("c", { metadata: [1] as unknown as Record<string, unknown> }), () => client.pullSubscription("s", { limit: 0 }),
      () => client.writeArtifact(5 as unknown as string), () => client.writeArtifact(null as unknown as string),
      () => client.writeArtifact("x", { eventIds: "abc" as unknown as ReadonlyArray<string> }), () => client.writeArtifact("x", { metadata: 3 as unknown as null }),
      () => client.writeArtifact("x", { mediaType: "text/plain\r\nx: y" }), () => client.putSnapshot("s", 1, { metadata: [] as unknown as Record<string, unknown> }),
      () => client.putSnapshot("s", 1, { timestamp: Number.POSITIVE_INFINITY })
    ]
    for (const call of calls) await expect(call()).rejects.toBeInstanceOf(InvalidPayloadError)
    expect(sent).toEqual([])
  })

  it("changes nothing of what was sent when it is changed afterwards", async () => {
    const { client, sent } = transport(() => ({ body: { id: "e", cursor: 1, channel: "c", timestamp: 1, source: null, kind: "event", payload: null, schema: null, metadata: {}, correlation_id: null, parent_ids: [] } }))
    const payload = { list: [1] }
    const sending = client.appendEvent({ channel: "c", payload })
    payload.list.push(2)
    await sending
    expect(sent[0]?.body).toMatchObject({ payload: { list: [1] } })
  })
})

describe("an answer", () => {
  const event = { id: "e", cursor: 1, channel: "c", timestamp: 1, source: null, kind: "event", payload: null, schema: null, metadata: {}, correlation_id: null, parent_ids: [] }

  it("[172] that is no JSON, or not what was asked for, is an InvalidResponse with the status that it had", async () => {
    const wrong: ReadonlyArray<readonly [(client: SSSNClient) => Promise<unknown>, { readonly body?: unknown; readonly text?: string }, string]> = [
      [(client) => client.listChannels(), { text: "<html>" }, "SSSN GET /channels response was not valid JSON."],
      [(client) => client.listChannels(), { body: { not: "a list" } }, "SSSN GET /channels response did not match the expected schema."],
      [(client) => client.getChannel("c"), { body: { name: "c" } }, "SSSN GET /channels/c response did not match the expected schema."],
      [(client) => client.appendEvent({ channel: "c" }), { body: { ...event, cursor: null } }, "SSSN POST /events response did not match the expected schema."],
      [(client) => client.queryEvents("c"), { body: [event, 7] }, "SSSN GET /events response did not match the expected schema."],
      [(client) => client.pullSubscription("s"), { body: {} }, "SSSN POST /subscriptions/s/pull response did not match the expected schema."],
      [(client) => client.getArtifact("a"), { body: [] }, "SSSN GET /artifacts/a/metadata response did not match the expected schema."],
      [(client) => client.putSnapshot("n", 1), { text: "" }, "SSSN PUT /snapshots/n response was not valid JSON."],
      [(client) => client.getSnapshot("n"), { body: null }, "SSSN GET /snapshots/n response did not match the expected schema."]
    ]
    for (const [call, answer, message] of wrong) {
      const { client } = transport(() => answer)
      expect(await refusal(call(client))).toMatchObject({ statusCode: 200, errorType: "InvalidResponse", message })
    }
  })

  it("[173] that refuses in an odd way keeps what can be read of it: a type that is none is passed over, its message stays", async () => {
    const told = async (status: number, body: unknown): Promise<readonly unknown[]> => {
      const { client } = transport(() => (typeof body === "string" ? { status, text: body } : { status, body }))
      const { errorType, message, serverMessage, statusCode } = await refusal(client.getChannel("c"))
      return [statusCode, errorType, serverMessage, message]
    }
    expect(await told(404, { detail: { error: { type: "ChannelNotFoundError", message: "Channel not found: c" } } }))
      .toEqual([404, "ChannelNotFoundError", "Channel not found: c", "SSSN server returned HTTP 404 (ChannelNotFoundError): Channel not found: c"])
    expect(await told(400, { error: { type: "T", message: "at the top" } })).toEqual([400, "T", "at the top", "SSSN server returned HTTP 400 (T): at the top"])
    expect(await told(400, { detail: { error: { type: 7, message: ["x"] } } })).toEqual([400, null, null, "SSSN server returned HTTP 400"])
    expect(await told(400, { detail: { error: { type: "not a token", message: "kept" } } })).toEqual([400, null, "kept", "SSSN server returned HTTP 400: kept"])
    expect(await told(404, { detail: "Not Found" })).toEqual([404, null, "Not Found", "SSSN server returned HTTP 404: Not Found"])
    expect(await told(502, "<html>bad gateway")).toEqual([502, null, "<html>bad gateway", "SSSN server returned HTTP 502: <html>bad gateway"])
    expect((await told(500, "[]"))[0]).toBe(500)
  })
})

describe("a request body", () => {
  const artifact = { id: "a", channel: null, path: "p", media_type: "text/plain", size: 1, sha256: "0", metadata: {}, event_ids: [] }
  const subscription = { id: "s", channel: "c", cursor: 0, consumer: null, batch_size: 100, filters: {}, metadata: {} }
  const snapshot = { name: "n", channel: "c", timestamp: 5, value: { x: 1 }, schema: null, source_event_id: null, metadata: { m: 1 } }
  const answering = (body: unknown) => transport(() => ({ body }))

  it("[174] is exactly this for artifacts, subscriptions and snapshots: what is left out is null for a subscription's id and absent for a snapshot", async () => {
    const artifacts = answering(artifact)
    await artifacts.client.writeArtifact("hi")
    await artifacts.client.writeArtifact(Uint8Array.of(0, 255), { channel: "c", mediaType: "image/png", metadata: { a: 1 }, eventIds: new Set(["e"]) })
    expect(artifacts.sent.map(({ body }) => body)).toEqual([
      { data: "hi", encoding: "text", channel: null, media_type: "application/octet-stream", metadata: {}, event_ids: [] },
      { data: "AP8=", encoding: "base64", channel: "c", media_type: "image/png", metadata: { a: 1 }, event_ids: ["e"] }
    ])
    const subscriptions = answering(subscription)
    await subscriptions.client.createSubscription("c")
    await subscriptions.client.createSubscription("c", { id: "s", consumer: "me", batchSize: 7, filters: { kind: "k" }, metadata: { m: 1 } })
    expect(subscriptions.sent.map(({ body }) => body)).toEqual([
      { channel: "c", id: null, consumer: null, batch_size: 100, filters: {}, metadata: {} },
      { channel: "c", id: "s", consumer: "me", batch_size: 7, filters: { kind: "k" }, metadata: { m: 1 } }
    ])
    const snapshots = answering(snapshot)
    await snapshots.client.putSnapshot("n", { x: 1 })
    await snapshots.client.putSnapshot("n", null, { channel: "c", timestamp: 5, schema: "t", sourceEventId: "e", metadata: {} })
    expect(snapshots.sent.map(({ body, method, path }) => [method, path, body])).toEqual([
      ["PUT", "/base/snapshots/n", { value: { x: 1 } }],
      ["PUT", "/base/snapshots/n", { value: null, channel: "c", timestamp: 5, schema: "t", source_event_id: "e", metadata: {} }]
    ])
  })

  it("[174] of a pull is none, and its limit is in the query", async () => {
    const { client, sent } = answering([])
    await client.pullSubscription("s", { limit: 3 })
    await client.pullSubscription("s")
    expect(sent.map(({ body, query }) => [query, body])).toEqual([[{ limit: "3" }, undefined], [{}, undefined]])
  })

  it("[175] of a whole snapshot holds what it says without its name and its nulls, and options go before", async () => {
    const { client, sent } = answering(snapshot)
    await client.putSnapshot("m", snapshot)
    await client.putSnapshot("m", snapshot, { channel: "d", value: 9, timestamp: 6 })
    expect(sent.map(({ body, path }) => [path, body])).toEqual([
      ["/base/snapshots/m", { channel: "c", timestamp: 5, value: { x: 1 }, metadata: { m: 1 } }],
      ["/base/snapshots/m", { channel: "d", timestamp: 6, value: 9, metadata: { m: 1 } }]
    ])
  })

  it("[X8] of a state that has a member called as a field of a snapshot holds all of that state", async () => {
    const { client, sent } = answering(snapshot)
    await client.putSnapshot("n", { timestamp: 5, status: "ok" })
    await client.putSnapshot("n", { value: 3, metadata: {} })
    expect(sent.map(({ body }) => body)).toEqual([{ value: { timestamp: 5, status: "ok" } }, { value: { value: 3, metadata: {} } }])
  })
})

describe("a client's connections", () => {
  it("[X13] are kept and used again: fifty calls in a row take no more than two", async () => {
    let connections = 0
    let requests = 0
    const server = createServer((_request: IncomingMessage, response) => {
      requests++
      response.setHeader("content-type", "application/json").end("[]")
    })
    server.on("connection", () => connections++)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    try {
      const client = new SSSNClient(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      for (let at = 0; at < 50; at++) await client.listChannels()
      expect(requests).toBe(50)
      // The platform may open a second one while the first still says goodbye to its answer.
      expect(connections).toBeLessThanOrEqual(2)
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })

  it("[X1] may break: an append that is sent again keeps its id, and a pull is not sent again", async () => {
    let fail = 2
    const { client: _, sent } = transport()
    const sends: Array<Sent> = sent
    const send: typeof fetch = async (input) => {
      const request = input as Request // what the client makes
      sends.push({ method: request.method, path: new URL(request.url).pathname, query: {}, headers: request.headers, body: JSON.parse(await request.text() || "null") })
      if (fail-- > 0) throw new TypeError("fetch failed", { cause: new Error("socket hang up") })
      const { id } = sends.at(-1)!.body as { readonly id: string }
      return Response.json({ id, cursor: 1, channel: "c", timestamp: 1, source: null, kind: "event", payload: null, schema: null, metadata: {}, correlation_id: null, parent_ids: [] })
    }
    const client = new SSSNClient("http://store.test", { fetch: send })
    const { id } = await client.appendEvent({ channel: "c" })
    expect(sends.map(({ body }) => (body as { readonly id: string }).id)).toEqual([id, id, id])
    fail = 1
    await expect(client.pullSubscription("s")).rejects.toMatchObject({ _tag: "KernelUnreachable", reason: "socket hang up" })
    expect(sends).toHaveLength(4)
  })
})
