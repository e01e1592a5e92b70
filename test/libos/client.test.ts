// `aaax/client`: another process drives a kernel over HTTP alone, and what breaks on the way is mended or told.
import { build } from "rolldown"
import { describe, expect, it } from "vitest"
import { createClient, KernelUnreachable, type Client } from "aaax/client"
import { main as remoteExample } from "../../examples/remote.ts"
import { defineModule } from "../../libos/module.ts"
import { until, withNetwork, type Network, type NetworkOptions } from "../kit/network.ts"
import { wireTo, type Wire } from "../kit/proxy.ts"

const withClient = (options: NetworkOptions, body: (world: Network & { readonly client: Client; readonly wire: Wire }) => Promise<void>): Promise<void> =>
  withNetwork({ v1: true, ...options }, async (network) => {
    const wire = await wireTo(network.url)
    try {
      await body({ ...network, wire, client: createClient({ url: wire.url, token: network.operatorToken }) })
    } finally {
      wire.mend()
      await wire.close()
    }
  })

/** A transport that loses what it is told to lose: the request was done, its answer never came. */
const losing = (lost: () => boolean): typeof fetch => async (input, init) => {
  const response = await fetch(input, init)
  if (!lost()) return response
  await response.arrayBuffer()
  throw new TypeError("fetch failed", { cause: new Error("the answer was lost") })
}

describe("a client", () => {
  it("creates channels, appends, reads, takes and settles, keeps snapshots and artifacts, and follows a subscription", () =>
    withClient({}, async ({ client }) => {
      expect((await client.channels.create("jobs", { form: "queue", visibility: "public" })).delivery).toBe("exclusive")
      await client.channels.create("notes", { visibility: "public" })
      expect((await client.channels.list()).map(({ name }) => name)).toEqual(expect.arrayContaining(["jobs", "notes"]))
      const [first] = await client.channels.append("notes", { kind: "note", payload: { n: 1 } })
      await client.channels.append("notes", [{ payload: 2 }, { payload: 3 }])
      expect((await client.channels.read("notes", { filter: { kind: "note" } })).events).toMatchObject([{ id: first!.id, payload: { n: 1 }, sender: "operator" }])
      expect(await client.events.get(first!.id)).toMatchObject({ cursor: 1, channel: "notes" })
      const reading = client.channels.read("notes", { after: 3, waitMillis: 5_000 })
      await client.channels.append("notes", { payload: 4 })
      expect((await reading).events).toMatchObject([{ payload: 4 }])

      await client.channels.append("jobs", [{ payload: "a" }, { payload: "b" }])
      const items = await client.channels.take("jobs", { limit: 5 })
      expect(items.map(({ attempt, event }) => [attempt, event.payload])).toEqual([[1, "a"], [1, "b"]])
      expect(await client.channels.renew("jobs", items[0]!.cursor, items[0]!.epoch)).toBeGreaterThan(0)
      await client.channels.settle("jobs", items.map(({ cursor, epoch }) => ({ cursor, epoch, outcome: "ack" })))
      expect(await client.channels.backlog("jobs")).toBe(0)

      expect(await client.snapshots.put("state", { v: 1 }, { expectedRevision: 0 })).toMatchObject({ revision: 1 })
      await expect(client.snapshots.put("state", { v: 2 }, { expectedRevision: 0 })).rejects.toMatchObject({ _tag: "SnapshotConflict", revision: 1 })
      expect(await client.snapshots.put("state", { v: 2 }, { expectedRevision: 1 })).toMatchObject({ revision: 2 })
      expect((await client.snapshots.get("state")).value).toEqual({ v: 2 })

      const bytes = new Uint8Array(3_000_000).map((_, at) => at % 251)
      async function* parts(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
      }
      const artifact = await client.artifacts.put(parts(), { mediaType: "application/x-probe", channel: "notes", eventIds: [first!.id], metadata: { a: 1 } })
      expect(artifact).toMatchObject({ sizeBytes: 3_000_000, mediaType: "application/x-probe", metadata: { a: 1 } })
      expect(Buffer.compare(await client.artifacts.read(artifact.id), bytes)).toBe(0)
      const part = await new Response(await client.artifacts.bytes(artifact.id, { from: 250, to: 253 })).arrayBuffer()
      expect(new Uint8Array(part)).toEqual(bytes.slice(250, 254))

      await client.subscriptions.open({ id: "reader", channel: "notes", batchSize: 2 })
      const seen: Array<unknown> = []
      for await (const event of client.subscriptions.follow("reader")) {
        seen.push(event.payload)
        if (seen.length === 3) break
      }
      expect(seen).toEqual([{ n: 1 }, 2, 3])
      // What was handed out last was not asked to go on from: it comes again.
      expect((await client.subscriptions.lag("reader")).behind).toBe(2)
    }))

  it("sees and directs what an operator does", () =>
    withClient({ policy: "default" }, async ({ client, kernel, run }) => {
      await run(kernel.dock(defineModule({ id: "echo", provides: [{ name: "echo.said", visibility: "public" }] })))
      expect((await client.status()).id).toBe("test")
      await client.systems.pause("echo")
      expect(await client.systems.get("echo")).toMatchObject({ id: "echo", status: "paused" })
      await client.systems.resume("echo")
      expect((await client.systems.list()).map(({ id }) => id)).toContain("echo")
      await expect(client.systems.get("eco")).rejects.toMatchObject({ _tag: "SystemNotFound", nearest: "echo" })
      const minted = await client.tokens.mint({ name: "reader", role: "read" })
      const reader = createClient({ url: client.url, token: minted.token })
      expect((await reader.channels.list()).map(({ name }) => name)).toEqual(["echo.said"])
      await expect(reader.channels.append("echo.said", { payload: 1 })).rejects.toMatchObject({ _tag: "Denied" })
      await client.tokens.revoke("reader")
      await expect(reader.channels.list()).rejects.toMatchObject({ _tag: "Unauthenticated" })
      expect(await client.gate.list()).toEqual([])
      await expect(client.gate.approve("nothing")).rejects.toMatchObject({ _tag: "WarrantNotFound" })
      expect((await client.audit.verify()).ok).toBe(true)
      expect((await client.audit.list({ limit: 1 }))).toHaveLength(1)
      expect(await client.capabilities.list()).toEqual(expect.any(Array))
      await client.systems.undock("echo")
      await expect(client.call("channel", { id: "nowhere" })).rejects.toMatchObject({ _tag: "ChannelNotFound" })
    }))
})

describe("a call whose answer is lost", () => {
  it("appends once when it is sent again, and takes nothing twice behind the caller's back", () =>
    withNetwork({ v1: true }, async ({ kernel, open, operatorToken, run, url }) => {
      await open({ name: "notes", visibility: "public" })
      await open({ name: "jobs", form: "queue", visibility: "public" })
      let losses = 2
      const client = createClient({ url, token: operatorToken, fetch: losing(() => losses-- > 0) })
      const [appended] = await client.channels.append("notes", { payload: "once" })
      expect(appended).toMatchObject({ cursor: 1 })
      expect((await run(kernel.channels.read("test", "notes"))).events).toHaveLength(1)
      await client.channels.append("jobs", { payload: 1 })
      losses = 1
      await expect(client.channels.take("jobs")).rejects.toMatchObject({ _tag: "KernelUnreachable", reason: "the answer was lost" })
    }))

  it("is refused at once by who is not there, as what it is", async () => {
    const client = createClient({ url: "http://127.0.0.1:9", token: "x", retries: 1 })
    await expect(client.status()).rejects.toBeInstanceOf(KernelUnreachable)
    await expect(client.channels.subscribe("x").next()).rejects.toMatchObject({ _tag: "KernelUnreachable" })
    await expect(createClient({ url: "http://127.0.0.1:9", token: "x" }).connect()).rejects.toMatchObject({ _tag: "KernelUnreachable" })
  })

  it("waits as long as the server asks for when there is no room, at most so often", async () => {
    const answers = [429, 503, 200]
    const at: Array<number> = []
    const client = createClient({
      url: "http://kernel.test", token: "x",
      fetch: async () => {
        at.push(performance.now())
        const status = answers.shift() ?? 429
        return status === 200
          ? Response.json([])
          : Response.json({ type: "t", title: "t", status, detail: "no room", code: "Overloaded", fields: {} }, { status, headers: { "retry-after": "0.05" } })
      }
    })
    expect(await client.channels.list()).toEqual([])
    expect(at).toHaveLength(3)
    expect(at[1]! - at[0]!).toBeGreaterThan(45)
    await expect(client.channels.list()).rejects.toMatchObject({ _tag: "Overloaded" })
    expect(at).toHaveLength(3 + 5)
  })

  it("stops waiting when its caller does", () =>
    withClient({}, async (world) => {
      const { client, open } = world
      await open({ name: "quiet", visibility: "public" })
      const controller = new AbortController()
      const reading = client.channels.read("quiet", { waitMillis: 20_000, signal: controller.signal })
      controller.abort(new Error("enough"))
      await expect(reading).rejects.toThrow("enough")
      // Also where nothing would be tried again.
      const once = createClient({ url: world.url, token: world.operatorToken, retries: 0 })
      const why = new Error("enough")
      await expect(once.channels.read("quiet", { signal: AbortSignal.abort(why) })).rejects.toBe(why)
    }))
})

describe("events over HTTP", () => {
  it("come once and in order, whatever happens to the connection, and a gap is told", () =>
    withClient({}, async ({ client, kernel, open, run, wire }) => {
      await open({ name: "news", visibility: "public" })
      const total = 120
      const writing = (async () => {
        for (let at = 0; at < total; at++) {
          await run(kernel.channels.append("test", "news", [{ payload: at }]))
          if (at % 30 === 29) wire.cut()
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      })()
      const seen: Array<unknown> = []
      for await (const event of client.channels.subscribe("news", { after: "now" })) {
        seen.push(event.payload)
        if (event.payload === total - 1) break
      }
      await writing
      expect(seen).toEqual(Array.from({ length: seen.length }, (_, at) => total - seen.length + at))
      expect(seen.length).toBeGreaterThan(total - 30)
      await open({ name: "short", visibility: "public", retention: { count: 1 } })
      await run(kernel.channels.append("test", "short", [{ payload: 1 }, { payload: 2 }, { payload: 3 }]))
      await expect(client.channels.subscribe("short", { after: 1 }).next()).rejects.toMatchObject({ _tag: "Gap", floor: 2 })
      const tail: Array<unknown> = []
      for await (const { channel } of client.events.tail({ pattern: "short" })) tail.push(channel)
      expect(tail).toEqual(["short"])
    }))

  it("end when nobody asks any more", () =>
    withClient({}, async ({ client, listener, open }) => {
      await open({ name: "news", visibility: "public" })
      const controller = new AbortController()
      const events = client.channels.subscribe("news", { signal: controller.signal })
      const next = events.next()
      await until("it is connected", () => listener.connections() > 0)
      controller.abort()
      expect(await next).toEqual({ done: true, value: undefined })
    }))
})

describe("the example of a client and a remote module", () => {
  it("hears what the module made of what the client wrote, each under its name", async () => {
    expect(await remoteExample()).toEqual([["shouter", "HELLO"], ["shouter", "OVER THERE"]])
  })
})

describe("the entry for clients", () => {
  it("needs nothing of Node: bundled for a browser it imports only the socket of elsewhere, and that late", async () => {
    const { output } = await build({
      input: new URL("../../libos/client.ts", import.meta.url).pathname, platform: "browser", external: ["ws"], write: false, logLevel: "silent"
    })
    const imports = output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.imports.filter((name) => !name.startsWith("chunk") && !name.startsWith("./")) : []))
    const late = output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.dynamicImports : []))
    expect(imports).toEqual([])
    expect(late).toEqual(["ws"])
    const code = output.map((chunk) => (chunk.type === "chunk" ? chunk.code : "")).join("\n")
    expect(/from ["']node:|require\(["']node:|import\(["']node:/u.test(code)).toBe(false)
  })
})
