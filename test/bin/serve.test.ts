// `aaax serve`: a directory over the portable API, as its ancestor served it, and never further than this machine.
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { serve } from "../../bin/serve.ts"
import { LocalStore } from "../../kernel/store/local.ts"
import { SSSNClient } from "../../libos/client/sssn.ts"
import { aaax } from "../kit/command.ts"
import { clientOf, type Client } from "../kit/portable.ts"

let folder = ""
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-serve-")))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo // it listens on a port
      server.close(() => resolve(port))
    })
  })

interface Served {
  readonly url: string
  readonly client: Client
  readonly stderr: () => string
}

const serving = async (use: (served: Served) => Promise<void>): Promise<void> => {
  const port = await freePort()
  let stderr = ""
  const spy = vi.spyOn(process.stderr, "write")
  const listening = new Promise<void>((resolve) => {
    spy.mockImplementation((text) => {
      stderr += String(text)
      if (stderr.includes("WITHOUT CREDENTIALS")) resolve()
      return true
    })
  })
  const fiber = Effect.runFork(serve({ directory: folder, json: false }, { store: join(folder, "store"), host: "127.0.0.1", port, logLevel: "info" }))
  try {
    await listening
    const url = `http://127.0.0.1:${port}`
    await use({ url, client: clientOf(url, "none"), stderr: () => stderr })
  } finally {
    await Effect.runPromise(Fiber.interrupt(fiber))
    spy.mockRestore()
  }
}

describe("aaax serve", () => {
  it.each([
    ["--host="], ["--host", "bad host"], ["--host", "http://127.0.0.1"], ["--host", "a/b"], ["--host", "0.0.0.0"], ["--port", "0"], ["--port", "70000"], ["--port", "x"],
    ["--log-level", "loud"]
  ])("[178] looks at host, port and level before it makes a store: %s %s", async (...flags) => {
    const { code, stderr, stdout } = await aaax("--store", join(folder, "store"), "serve", ...flags)
    expect([code, stdout]).toEqual([2, ""])
    expect(stderr).toMatch(/^usage: aaax serve .*\naaax: error: .*(?:serve |--port|--log-level)/u)
    expect(existsSync(join(folder, "store"))).toBe(false)
  })

  it("serves a client of the portable API, from the first channel to a second process", async () => {
    await serving(async ({ url, stderr }) => {
      const client = new SSSNClient(url)
      expect(await client.health()).toEqual({ ok: true })
      await client.createChannel({ name: "events", schema: "m:E" })
      const first = await client.appendEvent({ channel: "events", id: "e-1", kind: "raw", payload: { n: 1 }, timestamp: 1.5 })
      expect(first).toMatchObject({ cursor: 1, source: null, timestamp: 1.5 })
      const second = await client.appendEvent({ channel: "events", parent_ids: ["e-1"], correlation_id: "c" })
      expect(await client.queryEvents("events", { afterCursor: 1 })).toEqual([second])
      expect(await client.queryEvents("events", { kind: "raw" })).toEqual([first])
      expect(await client.getEvent("e-1")).toEqual(first)
      await client.createSubscription("events", { id: "w", batchSize: 1 })
      expect(await client.pullSubscription("w")).toEqual([first])
      expect((await client.createSubscription("events", { id: "w" })).cursor).toBe(1)
      expect(await client.pullSubscription("w", { limit: 9 })).toEqual([second])
      const artifact = await client.writeArtifact(new Uint8Array([0, 255]), { channel: "events", eventIds: ["e-1"] })
      expect(await client.readArtifact(artifact.id)).toEqual(new Uint8Array([0, 255]))
      const snapshot = await client.putSnapshot("latest", { s: null }, { channel: "events", sourceEventId: "e-1" })
      expect(await client.getSnapshot("latest")).toEqual(snapshot)
      expect((await client.listChannels()).map(({ name }) => name)).toEqual(["events"])
      // The directory is not the server's alone.
      const beside = new LocalStore(join(folder, "store"))
      beside.appendEvent({ channel: "events", id: "beside" })
      beside.close()
      expect((await client.getEvent("beside")).cursor).toBe(3)
      expect(stderr()).toContain("POST append_event 200")
    })
  })

  it("tells refusals by the ancestor's names and statuses", async () => {
    await serving(async ({ client }) => {
      const { call, refused } = client
      expect((await client.createChannel({ name: "events" })).status).toBe(200)
      expect((await refused(client.createChannel({ name: "events" }))).slice(0, 2)).toEqual([409, "ChannelExistsError"])
      expect((await refused(client.createChannel({ name: "a/b" }))).slice(0, 2)).toEqual([400, "InvalidPayloadError"])
      expect((await refused(client.createChannel({ name: "x", metadata: null }))).slice(0, 2)).toEqual([400, "InvalidPayloadError"])
      expect((await refused(client.appendEvent({ channel: "events", parent_ids: ["nobody"] }))).slice(0, 2)).toEqual([404, "EventNotFoundError"])
      expect((await refused(call("POST", "/events", { raw: "{bad" }))).slice(0, 2)).toEqual([400, "InvalidPayloadError"])
      expect((await refused(client.queryEvents("events", { limit: 0 }))).slice(0, 2)).toEqual([400, "InvalidPayloadError"])
      expect((await refused(call("PUT", "/snapshots/a", { body: { name: "b", value: 1 } }))).slice(0, 3)).toEqual([400, "InvalidPayloadError", expect.stringContaining("the path says another one")])
      expect((await refused(client.queryEvents("missing"))).slice(0, 2)).toEqual([404, "ChannelNotFoundError"])
      expect((await refused(client.createSubscription({ channel: "missing" }))).slice(0, 2)).toEqual([404, "ChannelNotFoundError"])
      await client.createChannel({ name: "other" })
      await client.createSubscription({ channel: "events", id: "w" })
      expect((await refused(client.createSubscription({ channel: "other", id: "w" }))).slice(0, 2)).toEqual([409, "SubscriptionExistsError"])
      expect((await refused(client.pull("missing"))).slice(0, 2)).toEqual([404, "SubscriptionNotFoundError"])
      expect((await refused(client.writeArtifact({ data: "?", encoding: "base64" }))).slice(0, 2)).toEqual([400, "InvalidPayloadError"])
      expect((await refused(client.writeArtifact({ data: "x", event_ids: ["nobody"] }))).slice(0, 2)).toEqual([404, "EventNotFoundError"])
      expect((await refused(call("GET", "/artifacts/missing"))).slice(0, 2)).toEqual([404, "ArtifactNotFoundError"])
      expect((await refused(client.putSnapshot("x", { source_event_id: "nobody" }))).slice(0, 2)).toEqual([404, "EventNotFoundError"])
      expect((await refused(call("GET", "/snapshots/missing"))).slice(0, 2)).toEqual([404, "SnapshotNotFoundError"])
      expect((await call("GET", "/nothing")).status).toBe(404)
      expect((await call("DELETE", "/channels")).status).toBe(405)
    })
  })

  it("takes lists of events, waits for acknowledgements when asked, and answers ranges of bytes", async () => {
    await serving(async ({ client }) => {
      await client.createChannel({ name: "events" })
      const batch = await client.call("POST", "/events", { body: [{ channel: "events" }, { channel: "events" }] })
      expect((batch.body as ReadonlyArray<{ readonly cursor: number }>).map(({ cursor }) => cursor)).toEqual([1, 2])
      await client.createSubscription({ channel: "events", id: "w" })
      expect((await client.pull("w", { ack: "manual" })).body).toHaveLength(2)
      expect((await client.pull("w", { ack: "manual" })).body).toHaveLength(2)
      expect((await client.call("POST", "/subscriptions/w/ack", { body: { cursor: 2 } })).body).toMatchObject({ cursor: 2 })
      expect((await client.pull("w")).body).toEqual([])
      const { body } = await client.writeArtifact({ data: "hello", media_type: "text/html" })
      const part = await client.call("GET", `/artifacts/${(body as { readonly id: string }).id}`, { headers: { range: "bytes=1-3" } })
      expect([part.status, part.bytes.toString(), part.headers.get("content-disposition")?.startsWith("attachment")]).toEqual([206, "ell", true])
    })
  })

  it("answers to its own name, to no page of another origin, and tells a damaged payload as its own fault", async () => {
    await serving(async ({ client, url }) => {
      expect((await client.call("GET", "/channels", { headers: { origin: "https://evil.example" } })).status).toBe(403)
      const { body } = await client.writeArtifact({ data: "precious" })
      const { id, path } = body as { readonly id: string; readonly path: string }
      writeFileSync(join(folder, "store", path), "tampered")
      expect(await client.refused(client.call("GET", `/artifacts/${id}`))).toEqual([500, "ArtifactCorruptError", expect.stringContaining(id)])
      const db = new Database(join(folder, "store/sssn.sqlite"))
      db.exec("INSERT INTO channels VALUES ('broken', NULL, 'log', '', '{')")
      db.close()
      expect((await client.refused(client.call("GET", "/channels/broken"))).slice(0, 2)).toEqual([503, "StoreFailedError"])
      expect((await fetch(`${url}/openapi.json`).then((answer) => answer.json()) as { readonly paths: object }).paths).toHaveProperty("/channels/{name}")
    })
  })
})
