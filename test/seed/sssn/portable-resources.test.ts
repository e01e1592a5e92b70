// Subscriptions, artifacts and snapshots of the portable API, over HTTP.
import { createHash } from "node:crypto"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { artifactChunkBytes } from "../../../kernel/limits.ts"
import { bytesOf } from "../../contract/artifacts.ts"
import { openPortable, type PortableWorld, type Wire } from "../../kit/portable.ts"

let world: PortableWorld
let close: () => Promise<void>
beforeAll(async () => ({ world, close } = await openPortable()))
afterAll(() => close())

let names = 0
let channel = ""
beforeEach(async () => {
  channel = `r${++names}`
  await world.createChannel({ name: channel })
})
const fill = async (count: number, of: (at: number) => Readonly<Record<string, unknown>> = (payload) => ({ payload })): Promise<ReadonlyArray<Wire>> =>
  (await world.call("POST", "/events", { body: Array.from({ length: count }, (_, at) => ({ channel, ...of(at + 1) })) })).body
const payloads = (told: { readonly body: Wire }): ReadonlyArray<unknown> => told.body.map((event: Wire) => event.payload)
const cursorOf = async (id: string): Promise<number> => (await world.call("GET", `/subscriptions/${id}`)).body.cursor

describe("a subscription", () => {
  it("[141] [142] hands out the oldest unseen events, batch by batch, and stands where it says", async () => {
    await fill(5)
    const { body } = await world.createSubscription({ channel, id: channel, batch_size: 2, consumer: "me", metadata: { a: 1 } })
    expect(body).toEqual({ id: channel, channel, cursor: 0, consumer: "me", batch_size: 2, filters: {}, metadata: { a: 1 } })
    expect([payloads(await world.pull(channel)), await cursorOf(channel)]).toEqual([[1, 2], 2])
    expect([payloads(await world.pull(channel)), await cursorOf(channel)]).toEqual([[3, 4], 4])
    expect([payloads(await world.pull(channel)), await cursorOf(channel)]).toEqual([[5], 5])
    expect([payloads(await world.pull(channel)), await cursorOf(channel)]).toEqual([[], 5])
    await fill(1)
    expect(payloads(await world.pull(channel))).toEqual([1])
  })

  it("[143] [X5] is given again under its id, with its cursor, but never for another channel or for other events", async () => {
    await fill(3)
    const options = { channel, id: channel, batch_size: 2, filters: { kind: "event" } }
    await world.createSubscription(options)
    await world.pull(channel)
    expect((await world.createSubscription(options)).body).toMatchObject({ cursor: 2, batch_size: 2 })
    const other = await world.createSubscription({ channel, id: channel, batch_size: 9, consumer: "x" })
    expect(other).toMatchObject({ status: 200, body: { cursor: 2, batch_size: 2, consumer: null, filters: { kind: "event" } } })
    expect(other.headers.get("sssn-kept")).toBe("consumer, batch_size, filters")
    expect(await world.refused(world.createSubscription({ ...options, filters: { kind: "other" } }))).toEqual([409, "SubscriptionExistsError", expect.stringContaining(channel)])
    await world.createChannel({ name: `${channel}.other` })
    expect(await world.refused(world.createSubscription({ channel: `${channel}.other`, id: channel }))).toEqual([409, "SubscriptionExistsError", expect.stringContaining(channel)])
    const racing = await Promise.all(Array.from({ length: 20 }, () => world.createSubscription({ channel, id: `${channel}.race` })))
    expect(racing.every(({ body, status }) => status === 200 && body.id === `${channel}.race`)).toBe(true)
    expect((await world.call("GET", "/subscriptions", { query: { channel } })).body.map(({ id }: Wire) => id)).toEqual([channel, `${channel}.race`])
  })

  it("[144] hands out matches of its kind only", async () => {
    await fill(6, (payload) => ({ payload, kind: payload % 3 === 0 ? "third" : "else" }))
    await world.createSubscription({ channel, id: channel, filters: { kind: "third" } })
    expect(payloads(await world.pull(channel))).toEqual([3, 6])
    const all = await world.createSubscription({ channel, id: `${channel}.null`, filters: { kind: null } })
    expect(payloads(await world.pull(all.body.id))).toHaveLength(6)
  })

  it("[145] refuses filters that are none", async () => {
    for (const filters of [[], "kind", 7, null, { kind: 7 }, { kind: "a b" }, { kind: [] }, { other: "x" }, { kind: "k", source: "s" }]) {
      expect([filters, ...await world.refused(world.createSubscription({ channel, filters }))]).toEqual([filters, 400, "InvalidPayloadError", expect.any(String)])
    }
    expect((await world.refused(world.createSubscription({ channel, filters: { source: "s", b: 1 } })))[2]).toMatch(/unsupported: b, source/u)
  })

  it("[146] refuses empty batches, and is not found when it is not there", async () => {
    for (const batch_size of [0, -1, 1.5, true, "x", null, 1e300]) {
      expect([batch_size, ...await world.refused(world.createSubscription({ channel, batch_size }))]).toEqual([batch_size, 400, "InvalidPayloadError", expect.stringContaining("batch_size")])
    }
    expect((await world.createSubscription({ channel, batch_size: "7" })).body.batch_size).toBe(7)
    await world.createSubscription({ channel, id: channel })
    for (const limit of [0, -1, "x", "1.5"]) expect(await world.refused(world.pull(channel, { limit }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("limit")])
    for (const told of [await world.pull("nobody"), await world.call("GET", "/subscriptions/nobody"), await world.call("GET", "/subscriptions/nobody/lag")]) {
      expect(await world.refused(told)).toEqual([404, "SubscriptionNotFoundError", "Subscription not found: nobody"])
    }
    expect(await world.refused(world.createSubscription({ channel: "nowhere" }))).toEqual([404, "ChannelNotFoundError", "Channel not found: nowhere"])
  })

  it("[147] pulls as many as the request says, whatever its batch size is", async () => {
    await fill(9)
    await world.createSubscription({ channel, id: channel, batch_size: 2 })
    expect(payloads(await world.pull(channel, { limit: 5 }))).toEqual([1, 2, 3, 4, 5])
    expect(payloads(await world.pull(channel, { limit: 1_000_000 }))).toEqual([6, 7, 8, 9])
  })

  it("[148] [X2] gives no event to two of those who pull at once, and its cursor never moves back", async () => {
    for (let at = 0; at < 3; at++) await fill(100)
    await world.createSubscription({ channel, id: channel, batch_size: 7 })
    const seen: Array<number> = []
    const cursors: Array<number> = []
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (;;) {
        const { body } = await world.pull(channel)
        if (body.length === 0) return
        for (const { cursor } of body) seen.push(cursor)
        cursors.push(await cursorOf(channel))
      }
    }))
    expect(seen).toHaveLength(300)
    expect(new Set(seen).size).toBe(300)
    expect(await cursorOf(channel)).toBe(300)
    await world.call("POST", `/subscriptions/${channel}/ack`, { body: { cursor: 5 } })
    expect(await cursorOf(channel)).toBe(300)
  })

  it("is acknowledged by a body that holds a cursor and nothing else", async () => {
    await fill(3)
    await world.createSubscription({ channel, id: channel })
    for (const body of [{ cursor: 2, more: 1 }, { more: 1, cursor: 2 }, {}, [2], { position: 2 }]) {
      const refused = await world.call("POST", `/subscriptions/${channel}/ack`, { body })
      expect([refused.status, refused.body]).toMatchObject([400, { detail: { error: { type: "InvalidPayloadError", message: expect.stringContaining("cursor: ") } } }])
    }
    expect(await cursorOf(channel)).toBe(0)
  })

  it("[149] passes over what its filter does not match once, and stands behind it", async () => {
    await fill(300, (payload) => ({ payload, kind: payload === 150 ? "rare" : "common" }))
    await world.createSubscription({ channel, id: channel, filters: { kind: "rare" } })
    expect(payloads(await world.pull(channel))).toEqual([150])
    expect(await cursorOf(channel)).toBe(300)
    await world.createSubscription({ channel, id: `${channel}.none`, filters: { kind: "never" } })
    expect([payloads(await world.pull(`${channel}.none`)), await cursorOf(`${channel}.none`)]).toEqual([[], 300])
  })

  it("[149] does so in a channel without an index, too", async () => {
    const name = `${channel}.plain`
    await world.network.open({ name, visibility: "public" })
    for (let batch = 0; batch < 3; batch++) {
      await world.call("POST", "/events", { body: Array.from({ length: 1_000 }, (_, at) => ({ channel: name, payload: at, kind: batch === 2 && at > 996 ? "rare" : "common" })) })
    }
    await world.createSubscription({ channel: name, id: name, filters: { kind: "rare" } })
    expect([payloads(await world.pull(name, { limit: 2 })), await cursorOf(name)]).toEqual([[997, 998], 2_999])
    expect([payloads(await world.pull(name)), payloads(await world.pull(name)), await cursorOf(name)]).toEqual([[999], [], 3_000])
    expect(payloads(await world.queryEvents(name, { kind: "rare" }))).toEqual([997, 998, 999])
  })

  it("[X3] loses nothing in a crash when it is acknowledged after the work", async () => {
    await fill(4)
    await world.createSubscription({ channel, id: channel, batch_size: 3 })
    const first = await world.pull(channel, { ack: "manual" })
    expect([payloads(first), first.headers.get("sssn-cursor"), await cursorOf(channel)]).toEqual([[1, 2, 3], "3", 0])
    expect(payloads(await world.pull(channel, { ack: "manual" }))).toEqual([1, 2, 3])
    const acknowledged = await world.call("POST", `/subscriptions/${channel}/ack`, { body: { cursor: 2 } })
    expect(acknowledged).toMatchObject({ status: 200, body: { id: channel, cursor: 2 } })
    expect(payloads(await world.pull(channel, { ack: "manual" }))).toEqual([3, 4])
    for (const body of [{ cursor: 5 }, { cursor: -1 }, { cursor: 1.5 }, { cursor: true }, {}, [], { cursor: 4, more: 1 }, "4"]) {
      expect(await world.refused(world.call("POST", `/subscriptions/${channel}/ack`, { body }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("cursor")])
    }
    expect((await world.refused(world.pull(channel, { ack: "never" })))[2]).toContain("ack")
    expect(await cursorOf(channel)).toBe(2)
  })

  it("[X18] says how far it is behind, and is listed", async () => {
    await fill(5)
    await world.createSubscription({ channel, id: channel, batch_size: 2 })
    await world.pull(channel)
    expect((await world.call("GET", `/subscriptions/${channel}/lag`)).body).toEqual({ head: 5, cursor: 2, behind: 3, is_exact: true })
    expect((await world.call("GET", "/subscriptions")).body).toEqual(expect.arrayContaining([expect.objectContaining({ id: channel, cursor: 2 })]))
    const [first] = (await world.call("GET", "/subscriptions", { query: { limit: 1 } })).body
    const page = await world.call("GET", "/subscriptions", { query: { limit: 1 } })
    const next = await world.call("GET", "/subscriptions", { query: { limit: 1, after: page.headers.get("sssn-next")! } })
    expect(next.body[0].id).not.toBe(first.id)
  })
})

describe("an artifact", () => {
  const text = "grüße 🌍"
  it("[150] is read as it was written, and says what it is", async () => {
    const [event] = await fill(1)
    const { body } = await world.writeArtifact({ data: text, channel, media_type: "text/plain", metadata: { a: [null] }, event_ids: [event.id] })
    expect(body).toEqual({
      id: expect.any(String), channel, path: expect.stringContaining(body.sha256), media_type: "text/plain", size: Buffer.byteLength(text),
      sha256: createHash("sha256").update(text).digest("hex"), metadata: { a: [null] }, event_ids: [event.id]
    })
    expect((await world.call("GET", `/artifacts/${body.id}/metadata`)).body).toEqual(body)
    const read = await world.call("GET", `/artifacts/${body.id}`)
    expect([read.status, read.bytes.toString("utf8")]).toEqual([200, text])
    expect((await world.call("GET", "/artifacts", { query: { event_id: event.id } })).body).toEqual([body])
    expect((await world.call("GET", "/artifacts", { query: { channel } })).body).toEqual([body])
  })

  it("[151] refuses data that is no text, and bytes that are not base64", async () => {
    for (const data of [7, null, true, ["a"], { a: 1 }]) expect(await world.refused(world.writeArtifact({ data }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("data")])
    expect((await world.refused(world.call("POST", "/artifacts", { body: {} })))[2]).toContain("data")
    expect((await world.refused(world.writeArtifact({ data: "\ud800" })))[2]).toContain("Unicode")
    const bytes = Buffer.from(bytesOf(1_000))
    const { body } = await world.writeArtifact({ data: bytes.toString("base64"), encoding: "base64" })
    expect((await world.call("GET", `/artifacts/${body.id}`)).bytes.equals(bytes)).toBe(true)
  })

  it("[152] refuses a list of events that is none, and events that are not there", async () => {
    for (const event_ids of ["one", {}, 7, null, ["a b"], [7]]) {
      expect([event_ids, ...await world.refused(world.writeArtifact({ data: "x", event_ids }))]).toEqual([event_ids, 400, "InvalidPayloadError", expect.stringContaining("event_ids")])
    }
    expect(await world.refused(world.writeArtifact({ data: "x", event_ids: ["nobody"] }))).toEqual([404, "EventNotFoundError", "Event not found: nobody"])
    expect(await world.refused(world.writeArtifact({ data: "x", channel: "nowhere" }))).toEqual([404, "ChannelNotFoundError", "Channel not found: nowhere"])
    for (const path of ["/artifacts/nothing", "/artifacts/nothing/metadata"]) {
      expect(await world.refused(world.call("GET", path))).toEqual([404, "ArtifactNotFoundError", "Artifact not found: nothing"])
    }
  })

  it("[154] of the same bytes twice has two ids and one place", async () => {
    const [one, two] = [await world.writeArtifact({ data: "same", metadata: { n: 1 } }), await world.writeArtifact({ data: "same", metadata: { n: 2 } })]
    expect(one.body.id).not.toBe(two.body.id)
    expect([one.body.path, one.body.metadata, two.body.metadata]).toEqual([two.body.path, { n: 1 }, { n: 2 }])
  })

  it("[X12] is streamed in and out as plain bytes, and read in ranges", async () => {
    const bytes = Buffer.from(bytesOf(artifactChunkBytes * 5 + 11))
    const [event] = await fill(1)
    const { body, status } = await world.call("PUT", "/artifacts", {
      raw: new Blob([bytes]).stream(), headers: { "content-type": "video/mp4" }, query: { channel, event_id: event.id, metadata: "{\"a\":1}" }
    })
    expect([status, body.size, body.media_type, body.metadata, body.event_ids]).toEqual([200, bytes.length, "video/mp4", { a: 1 }, [event.id]])
    const whole = await world.call("GET", `/artifacts/${body.id}`)
    expect([whole.bytes.equals(bytes), whole.headers.get("content-length"), whole.headers.get("accept-ranges")]).toEqual([true, String(bytes.length), "bytes"])
    const ranges: ReadonlyArray<readonly [string, number, number]> = [
      ["bytes=0-0", 0, 0], ["bytes=5-", 5, bytes.length - 1], ["bytes=-7", bytes.length - 7, bytes.length - 1],
      [`bytes=${artifactChunkBytes - 1}-${artifactChunkBytes * 2}`, artifactChunkBytes - 1, artifactChunkBytes * 2], ["bytes=10-99999999", 10, bytes.length - 1]
    ]
    for (const [range, from, to] of ranges) {
      const part = await world.call("GET", `/artifacts/${body.id}`, { headers: { range } })
      expect([range, part.status, part.headers.get("content-range"), part.bytes.equals(bytes.subarray(from, to + 1))])
        .toEqual([range, 206, `bytes ${from}-${to}/${bytes.length}`, true])
    }
    for (const range of ["bytes=9-5", "bytes=a-b", "bytes=0-1,4-5", "lines=1-2", "bytes=-"]) {
      expect([range, (await world.call("GET", `/artifacts/${body.id}`, { headers: { range } })).status]).toEqual([range, 200])
    }
    for (const range of [`bytes=${bytes.length}-`, "bytes=-0"]) {
      const beyond = await world.call("GET", `/artifacts/${body.id}`, { headers: { range } })
      expect([beyond.status, beyond.headers.get("content-range"), beyond.body.detail.error.type]).toEqual([416, `bytes */${bytes.length}`, "InvalidPayloadError"])
    }
    const etag = whole.headers.get("etag")!
    expect((await world.call("GET", `/artifacts/${body.id}`, { headers: { "if-none-match": etag } })).status).toBe(304)
    expect((await world.call("GET", `/artifacts/${body.id}`, { headers: { range: "bytes=0-1", "if-range": "\"other\"" } })).status).toBe(200)
    expect((await world.call("GET", `/artifacts/${body.id}`, { headers: { range: "bytes=0-1", "if-range": etag } })).status).toBe(206)
    const head = await world.call("HEAD", `/artifacts/${body.id}`)
    expect([head.status, head.bytes.length, head.headers.get("content-length")]).toEqual([200, 0, String(bytes.length)])
  })

  it("of no bytes is an artifact, too", async () => {
    const { body } = await world.writeArtifact({ data: "" })
    expect(body).toMatchObject({ size: 0, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" })
    expect(await world.call("GET", `/artifacts/${body.id}`)).toMatchObject({ status: 200, bytes: Buffer.alloc(0) })
    expect((await world.call("GET", `/artifacts/${body.id}`, { headers: { range: "bytes=0-5" } })).status).toBe(416)
  })

  it("[162] comes as text or as base64, is served under its media type, and is refused when it is neither", async () => {
    const plain = (await world.writeArtifact({ data: text, media_type: "text/plain" })).body
    const json = (await world.writeArtifact({ data: "{}", media_type: "application/json" })).body
    const binary = (await world.writeArtifact({ data: "AAEC/w==", encoding: "base64" })).body
    const typeOf = async (id: string): Promise<string | null> => (await world.call("GET", `/artifacts/${id}`)).headers.get("content-type")
    expect([await typeOf(plain.id), await typeOf(json.id), await typeOf(binary.id)]).toEqual(["text/plain; charset=utf-8", "application/json", "application/octet-stream"])
    expect([...(await world.call("GET", `/artifacts/${binary.id}`)).bytes]).toEqual([0, 1, 2, 255])
    expect((await world.call("GET", `/artifacts/${binary.id}/metadata`)).body).toEqual(binary)
    for (const data of ["!!!", "AAE", "AA=A", "AAEC/w=", "AA EC", "AAEC_w==", "\u00e4AAA"]) {
      expect([data, ...await world.refused(world.writeArtifact({ data, encoding: "base64" }))]).toEqual([data, 400, "InvalidPayloadError", "Invalid base64 artifact data."])
    }
    expect((await world.refused(world.writeArtifact({ data: "x", encoding: "hex" })))[2]).toContain("encoding")
    expect(await world.refused(world.writeArtifact({ data: "x", event_ids: ["dangling"] }))).toEqual([404, "EventNotFoundError", "Event not found: dangling"])
  })
})

describe("a snapshot", () => {
  it("[156] is replaced as a whole: what the second put leaves out is as if it had never been", async () => {
    const [event] = await fill(1)
    const name = `s.${channel}`
    const first = await world.putSnapshot(name, { value: { a: null, b: [null] }, channel, timestamp: 5, schema: "x:Y", source_event_id: event.id, metadata: { m: 1 } })
    expect(first.body).toEqual({ name, channel, timestamp: 5, value: { a: null, b: [null] }, schema: "x:Y", source_event_id: event.id, metadata: { m: 1 } })
    expect((await world.call("GET", `/snapshots/${name}`)).body).toEqual(first.body)
    const second = await world.putSnapshot(name, { value: 2 })
    expect(second.body).toEqual({ name, channel: null, timestamp: expect.any(Number), value: 2, schema: null, source_event_id: null, metadata: {} })
    expect((await world.call("GET", `/snapshots/${name}`)).body).toEqual(second.body)
    expect((await world.putSnapshot(name, {})).body.value).toBeNull()
    expect(await world.refused(world.call("GET", "/snapshots/nothing"))).toEqual([404, "SnapshotNotFoundError", "Snapshot not found: nothing"])
    expect(await world.refused(world.putSnapshot(name, { value: 3, source_event_id: "dangling" }))).toEqual([404, "EventNotFoundError", "Event not found: dangling"])
    expect(await world.refused(world.putSnapshot(name, { value: 3, channel: "nowhere" }))).toEqual([404, "ChannelNotFoundError", "Channel not found: nowhere"])
    expect((await world.call("GET", `/snapshots/${name}`)).body.value).toBeNull()
  })

  it("[163] is put, got, and refused over HTTP", async () => {
    expect(await world.putSnapshot("over.http", { value: [1] })).toMatchObject({ status: 200, body: { name: "over.http", value: [1] } })
    expect((await world.putSnapshot("over.http", { name: "over.http", value: 1 })).status).toBe(200)
    expect((await world.refused(world.putSnapshot("over.http", { name: "other", value: 1 })))[2]).toContain("name")
    for (const [field, value] of [["timestamp", "x"], ["timestamp", [1]], ["schema", 7], ["source_event_id", "a b"], ["channel", 7]] as const) {
      expect(await world.refused(world.putSnapshot("over.http", { [field]: value }))).toEqual([400, "InvalidPayloadError", expect.stringContaining(field)])
    }
    expect((await world.putSnapshot("over.http", { timestamp: "12.5" })).body.timestamp).toBe(12.5)
    for (const body of [[], "x", 7, null]) expect((await world.refused(world.call("PUT", "/snapshots/over.http", { body })))[0]).toBe(400)
    expect((await world.refused(world.call("PUT", "/snapshots/over.http", {})))[2]).toContain("Field required")
    expect((await world.refused(world.putSnapshot("aaax.journal", { value: 1 })))[0]).toBe(403)
  })

  it("[157] [X7] is put on condition: a stale writer loses, and is told the newest revision", async () => {
    const name = `cas.${channel}`
    const first = await world.putSnapshot(name, { value: 0 }, { "if-none-match": "*" })
    expect([first.status, first.headers.get("etag")]).toEqual([200, "\"1\""])
    expect(await world.refused(world.putSnapshot(name, { value: 9 }, { "if-none-match": "*" }))).toEqual([412, "SnapshotConflictError", expect.stringContaining(name)])
    const racing = await Promise.all(Array.from({ length: 8 }, (_, at) => world.putSnapshot(name, { value: at }, { "if-match": "\"1\"" })))
    expect(racing.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412, 412, 412, 412])
    expect(racing.find(({ status }) => status === 412)?.headers.get("etag")).toBe("\"2\"")
    const read = await world.call("GET", `/snapshots/${name}`)
    expect([read.headers.get("etag"), read.body.value]).toEqual(["\"2\"", racing.find(({ status }) => status === 200)?.body.value])
    for (const condition of ["3", "\"x\"", "*", "W/\"1\"", "\"1\", \"2\""]) {
      expect((await world.refused(world.putSnapshot(name, { value: 1 }, { "if-match": condition })))[0]).toBe(400)
    }
    expect((await world.call("GET", "/snapshots")).body).toEqual(expect.arrayContaining([expect.objectContaining({ name, revision: 2 })]))
  })

  it("[X8] loses no field without a word: what it does not have is refused by name", async () => {
    for (const [send, field] of [
      [() => world.putSnapshot("state", { timestamp: 5, status: "ok" }), "status"],
      [() => world.createChannel({ name: "unknown", colour: "red" }), "colour"],
      [() => world.appendEvent({ channel, schema_ref: "x" }), "schema_ref"],
      [() => world.createSubscription({ channel, batch: 5 }), "batch"],
      [() => world.createSubscription({ channel, cursor: 5 }), "cursor"],
      [() => world.writeArtifact({ data: "x", path: "/etc" }), "path"],
      [() => world.queryEvents(channel, { limt: 5 }), "limt"]
    ] as const) {
      expect([field, ...await world.refused(send())]).toEqual([field, 400, "InvalidPayloadError", expect.stringContaining(field)])
    }
    const sent = { value: { zero: 0, nothing: null, list: [1, "two"] } }
    expect((await world.putSnapshot("state", sent)).body.value).toEqual(sent.value)
    expect((await world.appendEvent({ channel, cursor: 99, payload: sent })).body).toMatchObject({ cursor: 1, payload: sent })
  })
})
