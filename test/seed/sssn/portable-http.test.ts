// The portable API as an HTTP server: whole flows, refusals in one envelope, who sees what, and what hostile clients send.
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs"
import { Agent, get, request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import { sssn } from "../../../kernel/door/sssn.ts"
import { artifactJsonBytesMax, artifactJsonTotalBytesMax, artifactStreamBytesMax, resourceMetadataTextMax } from "../../../kernel/limits.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { testTime } from "../../../kernel/testing.ts"
import { until } from "../../kit/network.ts"
import { makeRandom } from "../../kit/random.ts"
import { openPortable, withPortable, type Client, type PortableWorld, type Wire } from "../../kit/portable.ts"

let world: PortableWorld
let close: () => Promise<void>
beforeAll(async () => ({ world, close } = await openPortable()))
afterAll(() => close())

const directory = mkdtempSync(join(tmpdir(), "aaax-portable-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

let names = 0
const channel = async (): Promise<string> => {
  const name = `h${++names}`
  await world.createChannel({ name })
  return name
}

describe("the whole flow", () => {
  it("[158] of channels and events answers 200 and nothing else on success, and the right refusals", async () => {
    const statuses: Array<number> = []
    const ok = async (told: Promise<{ readonly status: number; readonly body: Wire }>): Promise<Wire> => {
      const { body, status } = await told
      statuses.push(status)
      return body
    }
    expect(await ok(world.call("GET", "/health"))).toEqual({ ok: true })
    const created = await ok(world.createChannel({ name: "flow", schema: null, form: "log", description: "", metadata: {} }))
    expect(created).toEqual({ name: "flow", schema: null, form: "log", description: "", metadata: {} })
    expect(await ok(world.call("GET", "/channels"))).toContainEqual(created)
    const event = await ok(world.appendEvent({ id: "flow-1", cursor: null, channel: "flow", timestamp: 1.5, source: null, kind: "event", payload: { n: 1 }, schema: null, metadata: {}, correlation_id: null, parent_ids: [] }))
    expect(await ok(world.queryEvents("flow"))).toEqual([event])
    expect(await ok(world.call("GET", "/events/flow-1"))).toEqual(event)
    expect(new Set(statuses)).toEqual(new Set([200]))
    expect(await world.refused(world.createChannel({ name: "flow" }))).toEqual([409, "ChannelExistsError", "Channel already exists: flow"])
    expect(await world.refused(world.appendEvent({ channel: "flow", parent_ids: ["gone"] }))).toEqual([404, "EventNotFoundError", "Event not found: gone"])
    expect(await world.refused(world.call("GET", "/events/gone"))).toEqual([404, "EventNotFoundError", "Event not found: gone"])
  })

  it("[159] of a subscription creates, pulls, reads its cursor back, and is empty", async () => {
    const name = await channel()
    for (const payload of [1, 2]) await world.appendEvent({ channel: name, payload })
    const { body } = await world.createSubscription({ channel: name, id: name })
    expect(body).toEqual({ id: name, channel: name, cursor: 0, consumer: null, batch_size: 100, filters: {}, metadata: {} })
    const other = await channel()
    expect(await world.refused(world.createSubscription({ channel: other, id: name }))).toEqual([409, "SubscriptionExistsError", expect.stringContaining(name)])
    expect((await world.pull(name)).body.map(({ payload }: Wire) => payload)).toEqual([1, 2])
    expect((await world.call("GET", `/subscriptions/${name}`)).body.cursor).toBe(2)
    expect(await world.pull(name)).toMatchObject({ status: 200, body: [] })
  })

  it("[160] refuses wrong cursors, limits, batches and filters as 400, with the field", async () => {
    const name = await channel()
    await world.createSubscription({ channel: name, id: name })
    for (const [told, field] of [
      [world.queryEvents(name, { after_cursor: -1 }), "after_cursor"], [world.queryEvents(name, { limit: 0 }), "limit"], [world.pull(name, { limit: 0 }), "limit"],
      [world.createSubscription({ channel: name, batch_size: 0 }), "batch_size"], [world.createSubscription({ channel: name, filters: { x: 1 } }), "filters"],
      [world.queryEvents(name, { kind: "a b" }), "kind"], [world.call("GET", "/events"), "query.channel"]
    ] as const) expect(await world.refused(told)).toEqual([400, "InvalidPayloadError", expect.stringContaining(field)])
  })

  it("[161] tells every wrong request in the same envelope, and never with 422", async () => {
    for (const [method, path, raw] of [
      ["POST", "/channels", "{"], ["POST", "/channels", "[]"], ["POST", "/channels", "7"], ["POST", "/channels", ""], ["POST", "/events", "null"],
      ["POST", "/subscriptions", "\"x\""], ["POST", "/artifacts", "{}"], ["PUT", "/snapshots/a", "nope"], ["POST", "/subscriptions/x/ack", "[]"]
    ] as const) {
      const told = await world.call(method, path, { raw, headers: { "content-type": "application/json" } })
      expect([path, raw, told.status, told.body]).toEqual([path, raw, 400, { detail: { error: { type: "InvalidPayloadError", message: expect.any(String) } } }])
    }
    const notUtf8 = await world.call("POST", "/channels", { raw: Uint8Array.of(0x7b, 0xff, 0x7d) })
    expect((await world.refused(notUtf8))[2]).toContain("UTF-8")
  })

  it("[164] has error types that are tokens, whatever failed", async () => {
    const types = new Set<string>()
    for (const told of [
      world.createChannel({ name: "" }), world.appendEvent({ channel: "gone" }), world.call("GET", "/snapshots/gone"), world.call("GET", "/artifacts/gone"),
      world.call("GET", "/subscriptions/gone"), world.call("GET", "/events/gone"), world.call("GET", "/channels", { headers: { authorization: "Basic eDp5" } }),
      world.call("GET", "/channels", { headers: { origin: "https://evil.example" } }), world.call("GET", "/channels/a%2Fb")
    ]) {
      const [status, type] = await world.refused(told)
      expect(status).toBeGreaterThanOrEqual(400)
      types.add(type)
    }
    for (const type of types) expect(type).toMatch(/^[A-Z][A-Za-z]+Error$/u)
    expect(types).toContain("UnauthenticatedError")
  })

  it("tells unknown routes and methods as the ancestor does", async () => {
    for (const path of ["/nothing", "", "/channels/a/b", "/subscriptions/x/pull/y"]) {
      expect([path, await world.call("GET", path)]).toMatchObject([path, { status: 404, body: { detail: "Not Found" } }])
    }
    const told = await world.call("DELETE", "/channels")
    expect([told.status, told.body, told.headers.get("allow")]).toEqual([405, { detail: "Method Not Allowed" }, "POST, GET"])
  })

  it("[X12] writes more events than a page holds at the client's pace", async () => {
    const name = await channel()
    for (const [from, length] of [[0, 1_000], [1_000, 200]] as const) await world.call("POST", "/events", { body: Array.from({ length }, (_, at) => ({ channel: name, payload: from + at })) })
    const numbers = async (query: Readonly<Record<string, number>>): Promise<ReadonlyArray<number>> => (await world.queryEvents(name, query)).body.map(({ payload }: Wire) => payload)
    expect(await numbers({ limit: 1_100 })).toEqual(Array.from({ length: 1_100 }, (_, at) => at))
    expect(await numbers({ limit: 1_000_000, after_cursor: 1 })).toHaveLength(1_199)
    expect(await numbers({ limit: 1_000 })).toHaveLength(1_000)
    const text = "x".repeat(900_000)
    for (let at = 0; at < 10; at++) await world.appendEvent({ channel: name, kind: "large", payload: text })
    expect((await world.queryEvents(name, { kind: "large", limit: 10 })).body).toHaveLength(10)
  })
})

describe("a restart", () => {
  it("[128] finds channel, event, subscription, artifact with its bytes, and snapshot as they were", async () => {
    const path = join(directory, "restart", "kernel.db")
    const session = async <A>(body: (opened: PortableWorld) => Promise<A>): Promise<A> => {
      const scope = Scope.makeUnsafe()
      const time = testTime()
      const store = await Effect.runPromise(Scope.provide(Sqlite.make({ path, clock: makeClock(time) }), scope))
      try {
        return await withPortable({ store, time }, body)
      } finally {
        await Effect.runPromise(Scope.close(scope, Exit.void))
      }
    }
    const seen = async (client: Client, id: string): Promise<ReadonlyArray<unknown>> => {
      const read = async (url: string): Promise<Wire> => (await client.call("GET", url)).body
      const bytes = (await client.call("GET", `/artifacts/${id}`)).bytes.toString("base64")
      return [await read("/channels"), (await client.queryEvents("kept")).body, await read("/subscriptions/kept"), await read(`/artifacts/${id}/metadata`), bytes, await read("/snapshots/kept"), await read("/snapshots"), await read("/artifacts?channel=kept")]
    }
    const { before, id } = await session(async (opened) => {
      await opened.createChannel({ name: "kept", form: "queue", metadata: { a: 1 } })
      for (const payload of [1, 2, 3]) await opened.appendEvent({ channel: "kept", id: `kept-${payload}`, payload })
      await opened.createSubscription({ channel: "kept", id: "kept", batch_size: 2, filters: { kind: "event" } })
      await opened.pull("kept")
      await opened.putSnapshot("kept", { value: { n: 1 }, channel: "kept", source_event_id: "kept-1" })
      const artifact = await opened.call("PUT", "/artifacts", { raw: new Uint8Array(600_000).fill(7), query: { channel: "kept", event_id: "kept-2" } })
      return { id: artifact.body.id, before: await seen(opened, artifact.body.id) }
    })
    await session(async (opened) => {
      expect(await seen(opened, id)).toEqual(before)
      expect((await opened.createSubscription({ channel: "kept", id: "kept", batch_size: 2 })).body.cursor).toBe(2)
      expect((await opened.pull("kept")).body.map(({ payload }: Wire) => payload)).toEqual([3])
      expect((await opened.appendEvent({ channel: "kept", id: "kept-1", payload: 1 })).body.cursor).toBe(1)
    })
    await session(async (opened) => {
      expect((await opened.pull("kept")).body).toEqual([])
      expect((await opened.appendEvent({ channel: "kept", payload: 4 })).body.cursor).toBe(4)
    })
  })

  it("[X4] and an eviction never give a cursor to another event", async () => {
    const path = join(directory, "cursors", "kernel.db")
    const session = async <A>(body: (opened: PortableWorld) => Promise<A>): Promise<A> => {
      const scope = Scope.makeUnsafe()
      const time = testTime()
      const store = await Effect.runPromise(Scope.provide(Sqlite.make({ path, clock: makeClock(time) }), scope))
      try {
        return await withPortable({ store, time }, body)
      } finally {
        await Effect.runPromise(Scope.close(scope, Exit.void))
      }
    }
    const cursorOf = async (opened: PortableWorld): Promise<number> => (await opened.appendEvent({ channel: "c" })).body.cursor
    await session(async (opened) => {
      await opened.createChannel({ name: "c" })
      for (const cursor of [1, 2, 3]) expect(await cursorOf(opened)).toBe(cursor)
      await opened.createSubscription({ channel: "c", id: "late" })
      await opened.network.run(opened.network.kernel.channels.store.evict("c", 3))
      expect(await cursorOf(opened)).toBe(4)
    })
    await session(async (opened) => {
      expect(await cursorOf(opened)).toBe(5)
      expect((await opened.pull("late")).body.map(({ cursor }: Wire) => cursor)).toEqual([4, 5])
      expect(await opened.refused(opened.queryEvents("c", { after_cursor: 1 }))).toEqual([410, "GapError", expect.stringContaining("3")])
    })
  })

  it("[153] [155] reads no artifact that is damaged, and never anything outside its own directory", async () => {
    const path = join(directory, "damage", "kernel.db")
    const scope = Scope.makeUnsafe()
    const time = testTime()
    const store = await Effect.runPromise(Scope.provide(Sqlite.make({ path, clock: makeClock(time) }), scope))
    try {
      await withPortable({ store, time }, async (opened) => {
        const { body } = await opened.call("PUT", "/artifacts", { raw: new Uint8Array(700_000).fill(1) })
        const file = join(directory, "damage", body.path)
        const bytes = readFileSync(file)
        bytes[300_000] = 9
        writeFileSync(file, bytes)
        await expect(opened.call("GET", `/artifacts/${body.id}`)).rejects.toThrow()
        expect((await opened.call("GET", `/artifacts/${body.id}`, { headers: { range: "bytes=0-9" } })).status).toBe(206)
        const mended = await opened.call("PUT", "/artifacts", { raw: new Uint8Array(700_000).fill(1) })
        expect((await opened.call("GET", `/artifacts/${mended.body.id}`)).bytes.length).toBe(700_000)
        expect((await opened.call("GET", `/artifacts/${body.id}`)).bytes.length).toBe(700_000)
        rmSync(file)
        expect(await opened.refused(opened.call("GET", `/artifacts/${body.id}`))).toEqual([404, "ArtifactNotFoundError", expect.any(String)])
        for (const id of ["..%2F..%2Fkernel.db", "..", "%2Fetc%2Fpasswd", "..%5C..%5Ckernel.db", body.sha256]) {
          const told = await opened.call("GET", `/artifacts/${id}`)
          expect([id, told.status >= 400 && told.status < 500]).toEqual([id, true])
        }
        const large = await opened.call("PUT", "/artifacts", { raw: "x", headers: { "content-length": "1" } })
        expect(large.status).toBe(200)
        expect(readdirSync(join(directory, "damage", "artifacts")).filter((name) => name.startsWith("."))).toEqual([])
      })
    } finally {
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  })

  it("[155] keeps nothing of an upload that breaks off, and lets go of an artifact whose reader leaves", async () => {
    const path = join(directory, "broken", "kernel.db")
    const scope = Scope.makeUnsafe()
    const time = testTime()
    const store = await Effect.runPromise(Scope.provide(Sqlite.make({ path, clock: makeClock(time) }), scope))
    const parts = (): ReadonlyArray<string> => readdirSync(join(directory, "broken", "artifacts")).filter((name) => name.startsWith(".part-"))
    /** Where the system tells of open files; one may be closed while it is looked at. */
    const openFiles = (): number =>
      readdirSync("/proc/self/fd").filter((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`, "utf8").startsWith(join(directory, "broken", "artifacts"))
        } catch {
          return false
        }
      }).length
    try {
      await withPortable({ store, time }, async (opened) => {
        const { body } = await opened.call("PUT", "/artifacts", { raw: new Uint8Array(30_000_000) })
        const { port } = new URL(opened.base)
        const headers = { authorization: `Bearer ${opened.network.operatorToken}` }
        const sent = request({ port, path: "/sssn/artifacts", method: "PUT", headers: { ...headers, "content-length": "9000000" } })
        sent.on("error", () => undefined).write(Buffer.alloc(3_000_000))
        await until("the upload has begun", () => parts().length === 1)
        sent.destroy()
        await until("nothing of the upload is left", () => parts().length === 0)
        expect((await opened.call("GET", "/artifacts")).body).toEqual([body])
        if (!existsSync("/proc/self/fd")) return
        const reader = get({ port, path: `/sssn/artifacts/${body.id}`, headers }, (response) => void response.once("data", () => response.pause()))
        reader.on("error", () => undefined)
        await until("the artifact is being read", () => openFiles() === 1)
        reader.destroy()
        await until("the artifact is closed", () => openFiles() === 0)
      })
    } finally {
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  })

  it("[155] takes no artifact beyond its size", async () => {
    const said = await world.call("POST", "/artifacts", { raw: new Uint8Array(artifactJsonBytesMax + 1).fill(0x20) })
    expect(await world.refused(said)).toEqual([413, "TooLargeError", expect.stringContaining(String(artifactJsonBytesMax))])
    const surface = sssn({ kernel: world.network.kernel })
    expect(surface.refusal(413, "TooLarge", "no")).toMatchObject({ status: 413 })
    expect(artifactStreamBytesMax).toBeGreaterThanOrEqual(1024 ** 3)
  })
})

describe("who sees what", () => {
  it("[X14] nobody gets in without a credential, and each does what its role allows", async () => {
    const name = await channel()
    const none = await world.call("GET", "/channels", { headers: { authorization: "" } })
    expect(await world.refused(none)).toEqual([401, "UnauthenticatedError", expect.any(String)])
    expect(none.headers.get("www-authenticate")).toBeTruthy()
    for (const authorization of ["Bearer nonsense", "Basic bm9uc2Vuc2U=", "Digest x", "Basic !!!"]) {
      expect((await world.refused(world.call("GET", "/channels", { headers: { authorization } })))[0]).toBe(401)
    }
    const reader = await world.as({ name: "reader", role: "read" })
    const writer = await world.as({ name: "writer", role: "write" })
    await writer.appendEvent({ channel: name, id: `w-${name}`, payload: 1 })
    expect((await reader.queryEvents(name)).body).toHaveLength(1)
    const artifact = (await writer.writeArtifact({ data: "x", channel: name })).body
    await writer.putSnapshot(`of.${name}`, { value: 1, channel: name })
    expect((await reader.call("GET", `/artifacts/${artifact.id}`)).bytes.toString()).toBe("x")
    expect((await reader.call("GET", `/snapshots/of.${name}`)).body.value).toBe(1)
    expect((await reader.createSubscription({ channel: name, id: `own.${name}` })).status).toBe(200)
    expect((await reader.pull(`own.${name}`)).body).toHaveLength(1)
    await writer.createSubscription({ channel: name, id: `others.${name}` })
    for (const told of [
      reader.appendEvent({ channel: name }), reader.writeArtifact({ data: "y", channel: name }), reader.writeArtifact({ data: "y" }),
      reader.call("PUT", "/artifacts", { raw: "y" }), reader.putSnapshot(`of.${name}`, { value: 2, channel: name }), reader.putSnapshot(`free.${name}`, { value: 2 }),
      reader.createChannel({ name: `${name}.more` }), writer.createChannel({ name: `${name}.more` }), reader.pull(`others.${name}`),
      reader.call("POST", `/subscriptions/others.${name}/ack`, { body: { cursor: 1 } })
    ]) expect(await world.refused(told)).toEqual([403, "PermissionDeniedError", expect.any(String)])
    expect((await world.call("GET", `/subscriptions/others.${name}`)).body.cursor).toBe(0)
    expect((await writer.pull(`others.${name}`)).body).toHaveLength(1)
  })

  it("a credential for some channels sees those, and what belongs to them", async () => {
    const [mine, other] = [await channel(), await channel()]
    for (const name of [mine, other]) {
      await world.appendEvent({ channel: name, id: `e-${name}` })
      await world.writeArtifact({ data: name, channel: name, event_ids: [`e-${name}`] })
      await world.putSnapshot(`s.${name}`, { value: 1, channel: name })
      await world.createSubscription({ channel: name, id: `sub.${name}` })
    }
    await world.putSnapshot("nobodys", { value: 1 })
    const free = (await world.writeArtifact({ data: "free" })).body
    const narrow = await world.as({ name: "narrow", role: "admin", channels: [mine] })
    const all = async (client: Client, path: string): Promise<ReadonlyArray<string>> => (await client.call("GET", path)).body.map((item: Wire) => item.name ?? item.channel)
    expect(await all(narrow, "/channels")).toEqual([mine])
    expect(new Set(await all(narrow, "/subscriptions"))).toEqual(new Set([mine]))
    expect(new Set(await all(narrow, "/artifacts"))).toEqual(new Set([mine]))
    expect(await all(narrow, "/snapshots")).toEqual([`s.${mine}`])
    for (const [path, type] of [
      [`/channels/${other}`, "ChannelNotFoundError"], [`/events?channel=${other}`, "ChannelNotFoundError"], [`/events/e-${other}`, "EventNotFoundError"],
      [`/snapshots/s.${other}`, "SnapshotNotFoundError"], [`/subscriptions/sub.${other}`, "SubscriptionNotFoundError"], [`/subscriptions/sub.${other}/lag`, "SubscriptionNotFoundError"],
      [`/artifacts/${free.id}`, "ArtifactNotFoundError"], [`/artifacts/${free.id}/metadata`, "ArtifactNotFoundError"], ["/snapshots/nobodys", "SnapshotNotFoundError"]
    ] as const) expect([path, ...(await world.refused(narrow.call("GET", path))).slice(0, 2)]).toEqual([path, 404, type])
    expect((await world.refused(narrow.writeArtifact({ data: "x", channel: mine, event_ids: [`e-${other}`] })))[1]).toBe("EventNotFoundError")
    expect((await world.refused(narrow.putSnapshot("x", { channel: mine, source_event_id: `e-${other}` })))[1]).toBe("EventNotFoundError")
    expect((await world.refused(narrow.pull(`sub.${other}`)))[1]).toBe("SubscriptionNotFoundError")
    expect((await narrow.queryEvents(mine)).status).toBe(200)
  })

  it("the constellation's own channels, events, snapshots and records are nobody's outside", async () => {
    await world.network.open({ name: "repo.secret", visibility: "private" })
    const { kernel, run } = world.network
    const [kept] = await run(kernel.channels.append("test", "repo.secret", [{ payload: 1 }]))
    await run(kernel.channels.store.putSnapshot({ name: "repo.state", value: 1 }, "test"))
    for (const path of ["/channels/repo.secret", "/events?channel=repo.secret", "/channels/aaax.journal", "/events?channel=aaax.internal.subscriptions", `/events/${kept!.id}`, "/snapshots/repo.state", "/snapshots/aaax.authority"]) {
      expect([path, (await world.call("GET", path)).status]).toEqual([path, 404])
    }
    expect((await world.call("GET", "/channels")).body.filter(({ name }: Wire) => name.startsWith("repo.") || name.startsWith("aaax"))).toEqual([])
    expect((await world.call("GET", "/snapshots")).body.map(({ name }: Wire) => name)).not.toContain("repo.state")
    expect((await world.refused(world.putSnapshot("repo.state", { value: 2 })))[0]).toBe(403)
    expect((await world.refused(world.createChannel({ name: "aaax.mine" })))[0]).toBe(409)
    expect((await world.refused(world.createChannel({ name: "repo.secret" })))[0]).toBe(409)
    expect((await world.refused(world.createSubscription({ channel: "repo.secret" })))[1]).toBe("ChannelNotFoundError")
    expect((await world.refused(world.appendEvent({ channel: "repo.secret" })))[1]).toBe("ChannelNotFoundError")
    const own = await channel()
    expect((await world.refused(world.appendEvent({ channel: own, id: kept!.id })))[1]).toBe("EventExistsError")
  })

  it("a letter in a mailbox is for its addressee, also here", async () => {
    await world.network.open({ name: "box", delivery: "addressed", visibility: "public" })
    const { kernel, run } = world.network
    await run(kernel.channels.append("test", "box", [{ payload: "for alice", recipient: "alice" }, { payload: "for all" }]))
    const alice = await world.as({ name: "alice", role: "read" })
    const bob = await world.as({ name: "bob", role: "read" })
    const letters = async (client: Client): Promise<ReadonlyArray<unknown>> => (await client.queryEvents("box")).body.map(({ payload }: Wire) => payload)
    expect([await letters(alice), await letters(bob)]).toEqual([["for alice", "for all"], ["for all"]])
  })
})

describe("what hostile clients send", () => {
  it("[X15] is never shown as a page of ours: artifacts that a script may be in are files, and nothing of them acts", async () => {
    for (const media_type of ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/pdf", "text/javascript", "TEXT/HTML; charset=utf-8", "application/octet-stream"]) {
      const { body } = await world.writeArtifact({ data: "<script>alert(1)</script>", media_type })
      const { headers } = await world.call("GET", `/artifacts/${body.id}`)
      expect([media_type, headers.get("content-disposition")]).toEqual([media_type, expect.stringMatching(/^attachment; filename="[\w.-]+"$/u)])
      expect([headers.get("x-content-type-options"), headers.get("content-security-policy")]).toEqual(["nosniff", "default-src 'none'; sandbox"])
    }
    const { body } = await world.writeArtifact({ data: "a,b", media_type: "text/csv" })
    expect((await world.call("GET", `/artifacts/${body.id}`)).headers.get("content-disposition")).toMatch(/^inline/u)
  })

  it("[X15] does not reach into headers: media types that could are refused", async () => {
    for (const media_type of ["text/html\r\nset-cookie: a=b", "text/plain\nx: y", "text", "text/", "/plain", "text/plain;\u0000", "text/plain\u0085", "text/pl ain", "", "x".repeat(300), "text/plain; charset=ü", 7, null]) {
      expect([media_type, ...await world.refused(world.writeArtifact({ data: "x", media_type }))]).toEqual([media_type, 400, "InvalidPayloadError", expect.stringContaining("media_type")])
    }
    const { body } = await world.writeArtifact({ data: "x", media_type: "text/plain; charset=iso-8859-1" })
    expect((await world.call("GET", `/artifacts/${body.id}`)).headers.get("content-type")).toBe("text/plain; charset=iso-8859-1")
  })

  it("[X17] is bounded: names, what is said of things, and Unicode that only looks the same", async () => {
    const name = await channel()
    const long = "x".repeat(resourceMetadataTextMax)
    for (const told of [world.createChannel({ name: "wordy", description: long }), world.createChannel({ name: "wordy", metadata: { long } }), world.createSubscription({ channel: name, metadata: { long } }), world.writeArtifact({ data: "x", metadata: { long } })]) {
      expect((await world.refused(told)).slice(0, 2)).toEqual([413, "TooLargeError"])
    }
    for (const bad of ["nul\u0000", "x".repeat(201), "tab\t", "e\u0301"]) expect((await world.refused(world.createChannel({ name: bad })))[0]).toBe(400)
    for (const odd of ["what?", "a#b", "a&b=c", "\"quoted\"", "\u00e9t\u00e9", "日本語", "a+b;c"]) {
      expect((await world.createChannel({ name: odd })).status).toBe(200)
      expect((await world.call("GET", `/channels/${encodeURIComponent(odd)}`)).body.name).toBe(odd)
      expect((await world.queryEvents(odd)).status).toBe(200)
    }
    for (const payload of ["[".repeat(50_000) + "]".repeat(50_000), `${"{\"a\":".repeat(5_000)}1${"}".repeat(5_000)}`, "{\"__proto__\":{\"polluted\":1}}"]) {
      const told = world.call("POST", "/events", { raw: `{"channel":${JSON.stringify(name)},"payload":${payload}}` })
      expect((await world.refused(told)).slice(0, 2)).toEqual([400, "InvalidPayloadError"])
    }
    expect(({} as Wire).polluted).toBeUndefined()
    expect((await world.refused(world.appendEvent({ channel: name, parent_ids: Array.from({ length: 101 }, (_, at) => `p${at}`) })))[0]).toBe(400)
  })

  it("[X16] is refused without a word of the inside, a few thousand times, on every route", async () => {
    const random = makeRandom(7)
    const name = await channel()
    const { chance, int, pick } = random
    const values: ReadonlyArray<unknown> = [
      null, true, 0, -1, 1e308, -0, 1.5, 2 ** 63, "", " ", name, "nobody", "a/b", "..", "x".repeat(300), "\u0000", "\ud800", "ünï", "7", "1e5", [], [null], {}, { kind: 1 },
      { kind: "event" }, { a: { b: [1] } }, ["a", "b"], "text/html", "base64", "AAAA", "log", 99999999999999999999n.toString()
    ]
    const keys = ["name", "schema", "form", "description", "metadata", "id", "cursor", "channel", "timestamp", "source", "kind", "payload", "correlation_id", "parent_ids", "consumer", "batch_size", "filters", "data", "encoding", "media_type", "event_ids", "value", "source_event_id", "constructor", "__proto__", "x"]
    const parameters = ["channel", "after_cursor", "limit", "kind", "correlation_id", "parent_id", "ack", "after", "event_id", "metadata", "x"]
    const segments = [name, "nobody", "%00", "%2e%2e", "..%2f", "a%20b", "%ff", "%F0%9F%98%80", "constructor", "__proto__", "health", "x".repeat(250), "pull", "metadata"]
    const routes = ["/health", "/channels", "/channels/*", "/events", "/events/*", "/subscriptions", "/subscriptions/*", "/subscriptions/*/pull", "/subscriptions/*/ack", "/subscriptions/*/lag", "/artifacts", "/artifacts/*", "/artifacts/*/metadata", "/snapshots", "/snapshots/*", "/*", "/*/*/*"]
    const bodyText = (): string | undefined => {
      if (chance(0.1)) return undefined
      if (chance(0.1)) return pick(["", "{", "[", "nul", "{\"a\":}", "NaN", "[1e999]", "\"", "{\"name\":\"a\",}", "\u0000", "7", "[[[[[]]]]]", "{\"channel\":99999999999999999999}"])
      if (chance(0.1)) return JSON.stringify(pick(values))
      return JSON.stringify(Object.fromEntries(Array.from({ length: int(6) }, () => [pick(keys), pick(values)])))
    }
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const { port } = new URL(world.base)
    const authorization = `Bearer ${world.network.operatorToken}`
    /** As it stands: nothing is made of the path on the way. */
    const ask = (method: string, path: string, headers: Readonly<Record<string, string>>, raw: string | undefined): Promise<{ readonly status: number; readonly body: Wire }> =>
      new Promise((resolve, reject) => {
        const parts: Array<Buffer> = []
        const length = raw === undefined ? {} : { "content-length": Buffer.byteLength(raw) }
        const sent = request({ agent, port, path, method, headers: { authorization, ...length, ...headers } }, (response) => {
          response.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
            const isJson = response.headers["content-type"]?.startsWith("application/json") === true && method !== "HEAD"
            resolve({ status: response.statusCode ?? 0, body: isJson ? JSON.parse(Buffer.concat(parts).toString("utf8")) : undefined })
          })
        }).on("error", reject)
        sent.end(raw)
      })
    const bad: Array<unknown> = []
    const statuses = new Map<number, number>()
    const one = async (): Promise<void> => {
      const path = pick(routes).replace(/\*/gu, () => pick(segments))
      const query = chance(0.4) ? `?${Array.from({ length: 1 + int(3) }, () => `${pick(parameters)}=${encodeURIComponent(String(pick(values)).replace(/\p{Surrogate}/gu, "?")).slice(0, 200)}`).join("&")}` : ""
      const method = pick(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
      const raw = method === "GET" || method === "HEAD" ? undefined : bodyText()
      const headers = chance(0.2) ? { [pick(["range", "if-match", "if-none-match", "idempotency-key", "content-type"])]: pick(["bytes=0-", "\"1\"", "*", "x".repeat(2_000), "text/html", "bytes=9-1", "a;b\u00ff", "bytes=-5"]) } : {}
      const { body, status } = await ask(method, `/sssn${path}${query}`, headers, raw)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      const detail = body?.detail
      if (status >= 500 || status === 422) bad.push([method, path + query, raw, status, body])
      else if (status >= 400 && method !== "HEAD" && typeof detail !== "string" && !/^[A-Z]\w+Error$/u.test(detail?.error?.type)) bad.push([method, path, body])
      else if (/node:|\.ts:|at Object|Exception|Traceback/u.test(JSON.stringify(body ?? ""))) bad.push([method, path, body])
    }
    for (let round = 0; round < 130; round++) await Promise.all(Array.from({ length: 16 }, one))
    agent.destroy()
    expect(bad).toEqual([])
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404, 405]))
    expect((await world.call("GET", "/health")).body).toEqual({ ok: true })
  }, 60_000)

  it("[X12] holds a bounded number of bytes of artifacts inside JSON, whoever sends how many at once", async () => {
    const { port } = new URL(world.base)
    const headers = { authorization: `Bearer ${world.network.operatorToken}`, "transfer-encoding": "chunked" }
    const mebibyte = Buffer.alloc(1_048_576, 0x20)
    const each = artifactJsonBytesMax / mebibyte.length - 1
    /** Sends nearly as much as one may, and waits. */
    const sending = Array.from({ length: Math.ceil(artifactJsonTotalBytesMax / mebibyte.length / each) + 1 }, () => {
      const sent = request({ port, path: "/sssn/artifacts", method: "POST", headers })
      const status = new Promise<number | undefined>((resolve) => {
        sent.on("response", (response) => {
          resolve(response.statusCode)
          response.resume()
        }).on("error", () => resolve(undefined))
      })
      for (let at = 0; at < each; at++) sent.write(mebibyte)
      return { status, end: () => void sent.end() }
    })
    expect(await Promise.race(sending.map(({ status }) => status))).toBe(429)
    for (const { end } of sending) end()
    const statuses = await Promise.all(sending.map(({ status }) => status))
    expect(statuses).toContain(400)
    expect(statuses.every((status) => status === 400 || status === 429)).toBe(true)
    expect((await world.writeArtifact({ data: "there is room again" })).status).toBe(200)
  })

  it("[X10] is looked up by an index: a query reads nothing of other channels, and of its own what it answers", async () => {
    const memory = await Effect.runPromise(Memory.make({ clock: makeClock(testTime()) }).pipe(Effect.scoped))
    let read: Array<readonly [channel: string, events: number]> = []
    const store: StoreService = {
      ...memory,
      read: (name, options) => Effect.tap(memory.read(name, options), (page) => Effect.sync(() => void read.push([name, page.events.length])))
    }
    await withPortable({ store }, async (opened) => {
      for (const name of ["foreign", "own"]) {
        await opened.createChannel({ name })
        for (let batch = 0; batch < 2; batch++) await opened.call("POST", "/events", { body: Array.from({ length: 1_000 }, () => ({ channel: name })) })
      }
      await opened.appendEvent({ channel: "own", kind: "rare", correlation_id: "c" })
      for (const query of [{ kind: "rare" }, { correlation_id: "c" }]) {
        read = []
        expect((await opened.queryEvents("own", query)).body).toHaveLength(1)
        expect(read).toEqual([["own", 1]])
      }
      await opened.createSubscription({ channel: "own", id: "rare", filters: { kind: "rare" } })
      read = []
      expect((await opened.pull("rare")).body).toHaveLength(1)
      expect(read.filter(([name]) => !name.startsWith("aaax."))).toEqual([["own", 1]])
    })
  })

  it("[X13] costs no connection per call: one is kept open for the next request", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    for (let at = 0; at < 50; at++) {
      await new Promise<void>((resolve, reject) => {
        const headers = { authorization: `Bearer ${world.network.operatorToken}` }
        get(`${world.base}/channels`, { agent, headers }, (response) => {
          expect(response.statusCode).toBe(200)
          ports.add(response.socket.localPort)
          response.resume().on("end", resolve)
        }).on("error", reject)
      })
    }
    agent.destroy()
    expect(ports.size).toBe(1)
  })

  it("[X9] [X11] waits for no reader: forty large queries hold up no append", async () => {
    const name = await channel()
    await world.call("POST", "/events", { body: Array.from({ length: 1_000 }, () => ({ channel: name, payload: "x".repeat(100) })) })
    const readers = Array.from({ length: 40 }, () => world.queryEvents(name, { limit: 1_000 }))
    expect((await Promise.all(Array.from({ length: 20 }, (_, at) => world.appendEvent({ channel: name, payload: at })))).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect((await Promise.all(readers)).every(({ status }) => status === 200)).toBe(true)
  })
})
