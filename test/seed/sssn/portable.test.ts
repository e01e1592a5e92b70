// The portable API, asked over HTTP as the ancestor's client asks it.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { openPortable, type PortableWorld, type Wire } from "../../kit/portable.ts"

let world: PortableWorld
let close: () => Promise<void>
beforeAll(async () => ({ world, close } = await openPortable()))
afterAll(() => close())

let names = 0
let channel = ""
beforeEach(() => {
  channel = `c${++names}`
})
const created = async (): Promise<string> => {
  await world.createChannel({ name: channel })
  return channel
}
const append = async (event: Readonly<Record<string, unknown>> = {}): Promise<Wire> => (await world.appendEvent({ channel, ...event })).body
const payloads = (told: { readonly body: Wire }): ReadonlyArray<unknown> => told.body.map((event: Wire) => event.payload)

const badSegments = ["", " ", ".", "..", "a/b", "a\\b", "a:b", "a b", "a%2Fb", "a\tb", "a\u0000b", "x".repeat(201)]

describe("a portable model", () => {
  it("[122] refuses names that are no path segment, and stores nothing", async () => {
    for (const name of badSegments) {
      expect(await world.refused(world.createChannel({ name }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("name must be a")])
    }
    await created()
    for (const id of badSegments) expect(await world.refused(world.appendEvent({ channel, id }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("id must be a")])
    for (const parent of badSegments) expect((await world.refused(world.appendEvent({ channel, parent_ids: [parent] })))[0]).toBe(400)
    expect((await world.queryEvents(channel)).body).toEqual([])
  })

  it("[123] refuses null, numbers, bytes and lists where text is due", async () => {
    await created()
    for (const value of [null, 7, true, ["a"], { a: 1 }]) {
      expect(await world.refused(world.createChannel({ name: value }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("name")])
      expect(await world.refused(world.appendEvent({ channel: value }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("channel")])
    }
    for (const field of ["schema", "description"]) expect((await world.refused(world.createChannel({ name: "other", [field]: 7 })))[2]).toContain(field)
    for (const field of ["source", "schema"]) expect((await world.refused(world.appendEvent({ channel, [field]: [] })))[2]).toContain(field)
    expect((await world.refused(world.appendEvent({ channel, parent_ids: "one" })))[2]).toContain("parent_ids")
  })

  it("[124] asks the same of kinds, correlation ids and consumers", async () => {
    await created()
    for (const token of badSegments) {
      expect((await world.refused(world.appendEvent({ channel, kind: token })))[2]).toContain("kind")
      expect((await world.refused(world.appendEvent({ channel, correlation_id: token })))[2]).toContain("correlation_id")
      expect((await world.refused(world.createSubscription({ channel, consumer: token })))[2]).toContain("consumer")
    }
    expect(await append({ kind: "policy.sample", correlation_id: "a.b" })).toMatchObject({ kind: "policy.sample", correlation_id: "a.b" })
  })

  it("[125] is a copy: what one reader gets is nobody else's to change", async () => {
    await created()
    const payload = { deep: { list: [1, { two: 2 }] } }
    const kept = await append({ payload, metadata: { m: payload } })
    kept.payload.deep.list.push("mine")
    payload.deep.list.push({ two: 3 })
    const again = (await world.call("GET", `/events/${kept.id}`)).body
    expect(again).toMatchObject({ payload: { deep: { list: [1, { two: 2 }] } }, metadata: { m: { deep: { list: [1, { two: 2 }] } } } })
  })

  it("[126] has one of thirteen forms, by default a log", async () => {
    const forms = ["log", "queue", "topic", "blackboard", "latest-state", "artifact-index", "pipeline-edge", "database-view", "feed", "time-series", "tree", "forum", "hub"]
    for (const form of forms) expect((await world.createChannel({ name: `form.${form}`, form })).body.form).toBe(form)
    expect((await world.createChannel({ name: channel })).body.form).toBe("log")
    for (const form of ["", "LOG", "stack", null, 3]) {
      expect(await world.refused(world.createChannel({ name: "other", form }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("form")])
    }
  })
})

describe("the full log of a channel", () => {
  it("of every form is what the query and the pull show", async () => {
    for (const form of ["queue", "latest-state", "topic", "database-view"]) {
      const name = `full.${form}`
      await world.createChannel({ name, form })
      for (const payload of [1, 2, 3]) await world.appendEvent({ channel: name, payload })
      await world.createSubscription({ channel: name, id: name })
      expect([form, payloads(await world.queryEvents(name)), payloads(await world.pull(name))]).toEqual([form, [1, 2, 3], [1, 2, 3]])
    }
  })
})

describe("channels", () => {
  it("[129] are created once, found by name, and listed by name", async () => {
    const whole = { name: channel, schema: "pkg.mod:Type", form: "topic", description: "What it is", metadata: { team: ["a", null] } }
    expect(await world.createChannel(whole)).toMatchObject({ status: 200, body: whole })
    expect((await world.call("GET", `/channels/${channel}`)).body).toEqual(whole)
    expect(await world.refused(world.createChannel({ name: channel }))).toEqual([409, "ChannelExistsError", `Channel already exists: ${channel}`])
    expect(await world.refused(world.call("GET", "/channels/nowhere"))).toEqual([404, "ChannelNotFoundError", "Channel not found: nowhere"])
    await world.createChannel({ name: "B" })
    await world.createChannel({ name: "a" })
    const listed: ReadonlyArray<string> = (await world.call("GET", "/channels")).body.map(({ name }: Wire) => name)
    expect(listed).toEqual([...listed].sort())
    expect(listed).toEqual(expect.arrayContaining(["B", "a", channel]))
    expect(await world.call("GET", "/channels", { query: { after: "B", limit: 1 } })).toMatchObject({ body: [{ name: "a" }] })
  })

  it("[130] and everything else refuse metadata that is no object, and keep nothing", async () => {
    await created()
    for (const metadata of [null, [], "x", 1]) {
      const said = [400, "InvalidPayloadError", expect.stringMatching(/metadata must be an object/u)]
      expect(await world.refused(world.createChannel({ name: "never", metadata }))).toEqual(said)
      expect(await world.refused(world.appendEvent({ channel, metadata }))).toEqual(said)
      expect(await world.refused(world.putSnapshot("never", { value: 1, metadata }))).toEqual(said)
      expect(await world.refused(world.createSubscription({ channel, id: "never", metadata }))).toEqual(said)
      expect(await world.refused(world.writeArtifact({ data: "x", metadata }))).toEqual(said)
    }
    expect((await world.call("GET", "/channels/never")).status).toBe(404)
    expect((await world.call("GET", "/subscriptions/never")).status).toBe(404)
    expect((await world.call("GET", "/snapshots/never")).status).toBe(404)
    expect((await world.queryEvents(channel)).body).toEqual([])
  })

  it("[131] are looked up, like everything else, by names that are checked: the field is said", async () => {
    for (const [path, field] of [
      ["/channels/a%20b", "name"], ["/events/a%3Ab", "event_id"], ["/subscriptions/a%20b", "subscription_id"], ["/subscriptions/a%20b/pull", "subscription_id"],
      ["/artifacts/a%20b", "artifact_id"], ["/artifacts/a%20b/metadata", "artifact_id"], ["/snapshots/a%20b", "name"]
    ] as const) {
      const method = path.endsWith("/pull") ? "POST" : "GET"
      expect([path, ...await world.refused(world.call(method, path))]).toEqual([path, 400, "InvalidPayloadError", expect.stringContaining(field)])
    }
    expect(await world.refused(world.queryEvents("a b"))).toEqual([400, "InvalidPayloadError", expect.stringContaining("channel")])
  })
})

describe("events", () => {
  it("[132] have cursors from 1 on, and are found as they were answered", async () => {
    await created()
    const first = await append({ payload: { a: [1, null] } })
    const second = await append({ id: "chosen-1", kind: "note", timestamp: -12.5, source: "elsewhere", schema: "s:T", metadata: { k: "v" }, correlation_id: "c", parent_ids: [first.id] })
    expect([first.cursor, second.cursor]).toEqual([1, 2])
    expect(second).toEqual({
      id: "chosen-1", cursor: 2, channel, timestamp: -12.5, source: "elsewhere", kind: "note", payload: null, schema: "s:T", metadata: { k: "v" },
      correlation_id: "c", parent_ids: [first.id]
    })
    for (const event of [first, second]) expect((await world.call("GET", `/events/${event.id}`)).body).toEqual(event)
    expect((await world.queryEvents(channel)).body).toEqual([first, second])
    expect(first).toMatchObject({ kind: "event", schema: null, metadata: {}, correlation_id: null, parent_ids: [], timestamp: expect.any(Number) })
  })

  it("carry their sender's system where nobody said a source, and nobody's word is taken for the sender", async () => {
    await created()
    const other = await world.as({ name: "team/other", role: "write" })
    expect((await other.appendEvent({ channel })).body.source).toBe("team/other")
    const { body } = await other.appendEvent({ channel, source: "client" })
    expect(body.source).toBe("client")
    const page = await world.network.run(world.network.kernel.channels.read("test", channel))
    expect(page.events.map(({ sender }) => sender)).toEqual(["team/other", "team/other"])
  })

  it("[133] are answered in order, behind a cursor, of one kind when asked for", async () => {
    await created()
    for (let at = 1; at <= 6; at++) await append({ payload: at, kind: at % 2 === 0 ? "even" : "odd" })
    expect(payloads(await world.queryEvents(channel))).toEqual([1, 2, 3, 4, 5, 6])
    expect(payloads(await world.queryEvents(channel, { after_cursor: 2, limit: 2 }))).toEqual([3, 4])
    expect(payloads(await world.queryEvents(channel, { kind: "even" }))).toEqual([2, 4, 6])
    expect(payloads(await world.queryEvents(channel, { kind: "even", after_cursor: 2 }))).toEqual([4, 6])
    expect(payloads(await world.queryEvents(channel, { kind: "eve" }))).toEqual([])
    expect(payloads(await world.queryEvents(channel, { after_cursor: 6 }))).toEqual([])
  })

  it("[134] are refused for a channel or a parent that is not there, and nothing is kept", async () => {
    expect(await world.refused(world.appendEvent({ channel: "nowhere" }))).toEqual([404, "ChannelNotFoundError", "Channel not found: nowhere"])
    await created()
    expect(await world.refused(world.appendEvent({ channel, parent_ids: ["nobody"] }))).toEqual([404, "EventNotFoundError", "Event not found: nobody"])
    expect(await world.refused(world.appendEvent({ channel, id: "self", parent_ids: ["self"] }))).toEqual([404, "EventNotFoundError", "Event not found: self"])
    expect(await world.refused(world.appendEvent({ payload: 1 }))).toEqual([400, "InvalidPayloadError", expect.stringContaining("channel")])
    expect((await world.queryEvents(channel)).body).toEqual([])
    expect(await world.refused(world.queryEvents("nowhere"))).toEqual([404, "ChannelNotFoundError", "Channel not found: nowhere"])
    expect(await world.refused(world.call("GET", "/events/nobody"))).toEqual([404, "EventNotFoundError", "Event not found: nobody"])
  })

  it("[135] may have parents in another channel, kept in their order", async () => {
    await world.createChannel({ name: `${channel}.parents` })
    const parents = []
    for (const id of ["z", "a", "m"]) parents.push((await world.appendEvent({ channel: `${channel}.parents`, id: `${channel}-${id}` })).body.id)
    await created()
    const child = await append({ parent_ids: parents })
    expect(child.parent_ids).toEqual(parents)
    expect((await world.queryEvents(channel, { parent_id: parents[1]! })).body).toEqual([child])
    expect((await world.call("GET", `/events/${child.id}`)).body.parent_ids).toEqual(parents)
  })

  it("[136] are asked for with whole numbers, and the wrong parameter is named", async () => {
    await created()
    for (const after_cursor of ["-1", "1.5", "true", "x", "", "99999999999999999999", "1e3", "NaN"]) {
      expect([after_cursor, ...await world.refused(world.queryEvents(channel, { after_cursor }))]).toEqual([after_cursor, 400, "InvalidPayloadError", expect.stringContaining("after_cursor")])
    }
    for (const limit of ["0", "-3", "2.5", "false", "ten", "9223372036854775808"]) {
      expect([limit, ...await world.refused(world.queryEvents(channel, { limit }))]).toEqual([limit, 400, "InvalidPayloadError", expect.stringContaining("limit")])
    }
    await append()
    expect((await world.queryEvents(channel, { after_cursor: "0.0", limit: " 7 " })).body).toHaveLength(1)
  })

  it("[137] and subscriptions are filtered by a well-formed kind only", async () => {
    await created()
    for (const kind of badSegments) {
      expect((await world.refused(world.queryEvents(channel, { kind })))[1]).toBe("InvalidPayloadError")
      expect((await world.refused(world.createSubscription({ channel, filters: { kind } })))[1]).toBe("InvalidPayloadError")
    }
  })

  it("[138] are the same for everybody, whatever one reader does with them", async () => {
    await created()
    const kept = await append({ payload: { list: [1] } })
    const [read] = (await world.queryEvents(channel)).body
    read.payload.list.push(2)
    expect((await world.queryEvents(channel)).body).toEqual([kept])
  })

  it("[139] keep JSON as it is, and refuse what is none or would be rounded", async () => {
    await created()
    const payload = { text: "grüße 🌍\u2028", list: [1, 0.1, -0.5, 1e300, null, true, ""], deep: { a: { b: [] } } }
    expect((await append({ payload })).payload).toEqual(payload)
    for (const raw of [`{"channel":"${channel}","payload":NaN}`, `{"channel":"${channel}","payload":1e999}`, `{"channel":"${channel}","payload":[-Infinity]}`, `{"channel":"${channel}"`, "\u0000", "nul"]) {
      expect(await world.refused(world.call("POST", "/events", { raw, headers: { "content-type": "application/json" } }))).toEqual([400, "InvalidPayloadError", expect.any(String)])
    }
    const rounded = `{"channel":"${channel}","payload":{"n":12345678901234567890,"said":"12345678901234567890 \\" 99999999999999999999"}}`
    expect((await world.refused(world.call("POST", "/events", { raw: rounded })))[2]).toContain("12345678901234567890")
    const exact = `{"channel":"${channel}","payload":{"n":9007199254740991,"f":0.12345678901234568,"said":"12345678901234567890 \\" 99999999999999999999"}}`
    expect((await world.call("POST", "/events", { raw: exact })).status).toBe(200)
    expect((await world.queryEvents(channel)).body).toHaveLength(2)
  })

  it("[140] [X1] are appended once under one id: the same again is answered as it was kept, other content is a conflict", async () => {
    await created()
    const event = { channel, id: `once-${channel}`, payload: { a: 1 }, kind: "k", metadata: { m: 1 } }
    const first = await world.appendEvent(event)
    for (let again = 0; again < 3; again++) expect(await world.appendEvent(event)).toMatchObject({ status: 200, body: first.body })
    for (const change of [{ payload: { a: 2 } }, { kind: "l" }, { metadata: {} }, { correlation_id: "c" }, { timestamp: 1 }, { source: "x" }, { schema: "s" }]) {
      expect(await world.refused(world.appendEvent({ ...event, ...change }))).toEqual([409, "EventExistsError", expect.stringContaining(event.id)])
    }
    await world.createChannel({ name: `${channel}.other` })
    expect((await world.refused(world.appendEvent({ ...event, channel: `${channel}.other` })))[0]).toBe(409)
    const other = await world.as({ name: "rival", role: "write" })
    expect((await world.refused(other.appendEvent(event)))[0]).toBe(409)
    const stamped = { ...event, id: `stamped-${channel}`, timestamp: 12.5 }
    expect([(await world.appendEvent(stamped)).status, (await world.appendEvent(stamped)).status]).toEqual([200, 200])
    const racing = await Promise.all(Array.from({ length: 20 }, () => world.appendEvent({ channel, id: `race-${channel}`, payload: 1 })))
    expect(new Set(racing.map(({ body, status }) => `${status} ${body.cursor}`)).size).toBe(1)
    expect((await world.queryEvents(channel)).body).toHaveLength(3)
  })

  it("come in batches of one channel, all or nothing", async () => {
    await created()
    const batch = await world.call("POST", "/events", { body: [1, 2, 3].map((payload) => ({ channel, payload })) })
    expect([batch.status, payloads(batch), batch.body.map(({ cursor }: Wire) => cursor)]).toEqual([200, [1, 2, 3], [1, 2, 3]])
    for (const body of [[], [{ channel }, { channel: "other" }], [{ channel }, { channel, parent_ids: ["nobody"] }], [{ channel }, 7], Array.from({ length: 1_001 }, () => ({ channel }))]) {
      expect((await world.call("POST", "/events", { body })).status).toBeGreaterThanOrEqual(400)
    }
    expect(payloads(await world.queryEvents(channel))).toEqual([1, 2, 3])
    const named = [{ channel, id: `b1-${channel}`, payload: 4 }, { channel, id: `b2-${channel}`, payload: 5 }]
    const first = await world.call("POST", "/events", { body: named })
    expect((await world.call("POST", "/events", { body: named })).body).toEqual(first.body)
    expect((await world.call("POST", "/events", { body: [named[0]!, { ...named[1]!, payload: 6 }] })).status).toBe(409)
  })
})
