// Systems of the first generation: topology, lives, services, requests, clients, and what is left after a restart.
import {
  BaseSystem, channelMessage, ChannelClient, defineModule, DiscoveryChannel, expose, MailboxChannel, PassthroughChannel, register, requestViaChannel, servicesOf, SystemState,
  system, WorkQueueChannel, type ChannelMessage
} from "aaax"
import { launch, type HostKernel } from "aaax/kernel"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { restAfter } from "../../../libos/kind/rest.ts"
import { contents, run, until, withChannels } from "../../kit/channels.ts"

/** A system whose parts are told from outside. */
class Part extends BaseSystem {
  readonly told: Array<string> = []
  build: (self: Part) => Promise<void> | void = () => undefined
  work: (self: Part) => Promise<unknown> | unknown = () => undefined
  override setup(): Promise<void> | void {
    this.told.push("setup")
    return this.build(this)
  }
  override async step(): Promise<void> {
    await this.work(this)
    if (this.told.at(-1) !== "step") this.told.push("step")
  }
}

const part = (id: string, given: Partial<Pick<Part, "build" | "work">> = {}): Part => Object.assign(new Part({ id, stepMillis: 1 }), given)

const running = (...systems: ReadonlyArray<BaseSystem>): Promise<void> => until(() => systems.every(({ state }) => state === "RUNNING"))

describe("a composite system", () => {
  it("[112] wires a subsystem to exactly the channels that are named, under its own id", async () => {
    const inner = part("inner")
    const outer = part("outer", {
      build: (self) => {
        self.addChannel(new PassthroughChannel({ id: "open" }))
        self.addChannel(new PassthroughChannel({ id: "closed" }))
        self.addSubsystem(inner, { channels: ["open"] })
      }
    })
    await withChannels([], async ({ dock, kernel }) => {
      await dock(outer)
      await running(outer, inner)
      expect(inner.channelDirectory).toEqual(["open"])
      await inner.writeChannel("open", "hello")
      expect(await outer.readChannel("open")).toMatchObject([{ senderId: "inner", content: { data: "hello" } }])
      for (const attempt of [inner.readChannel("closed"), inner.writeChannel("closed", 1), inner.claimChannel("closed"), inner.subscribeChannel("closed", () => undefined)]) {
        await expect(attempt).rejects.toMatchObject({ _tag: expect.stringMatching(/Denied|ChannelNotFound/u) })
      }
      expect(kernel.systems().find(({ id }) => id === "inner")?.writes).not.toContain("closed")
      expect([outer.systemDirectory, inner.systemDirectory]).toEqual([["inner"], []])
    })
  })

  it("[118] [W9] is set up, started and stopped at any depth, each part with its own channels and only what it was given", async () => {
    const deepest = part("deepest", { work: (self) => self.writeChannel("top", "from below") })
    const middle = part("middle", {
      build: (self) => {
        self.addChannel(new PassthroughChannel({ id: "mid" }))
        self.addSubsystem(deepest, { channels: ["mid", "top"] })
      }
    })
    const top = part("top-system", {
      build: async (self) => {
        await Promise.resolve()
        self.addChannel(new PassthroughChannel({ id: "top" }))
        self.addChannel(new PassthroughChannel({ id: "private" }))
        self.addSubsystem(middle, { channels: ["top"] })
      }
    })
    await withChannels([], async ({ dock, kernel, undock }) => {
      await dock(top)
      await until(() => [top, middle, deepest].every(({ told }) => told.includes("step")))
      expect([top, middle, deepest].map(({ told }) => told.filter((word) => word === "setup").length)).toEqual([1, 1, 1])
      expect((await top.readChannel("top", 1))[0]).toMatchObject({ senderId: "deepest" })
      await expect(deepest.readChannel("private")).rejects.toMatchObject({ _tag: "Denied" })
      expect(top.allSystems.map(({ id }) => id)).toEqual(["top-system", "middle", "deepest"])
      expect(top.allChannels.map(({ name }) => name)).toEqual(["top", "private", "mid"])
      await undock("top-system")
      expect([top, middle, deepest].map(({ state }) => state)).toEqual(["STOPPED", "STOPPED", "STOPPED"])
      expect(kernel.systems()).toEqual([])
    })
  })

  it("[118] [W9] refuses to wire a channel that it does not have, and says which one was meant", () => {
    const outer = part("outer", { build: (self) => self.addChannel(new PassthroughChannel({ id: "readings" })) })
    expect(() => outer.addSubsystem(part("inner"), { channels: ["raedings"] })).toThrow(/no channel raedings.*did you mean readings/u)
    expect(outer.systemDirectory).toEqual([])
    expect(() => outer.addSubsystem(part("inner"), { channels: ["readings"] })).not.toThrow()
    expect(() => outer.addSubsystem(outer)).toThrow(/inside itself/u)
    expect(() => outer.addChannel({ name: "readings" })).toThrow(/already/u)
  })

  it("is docked whole or not at all, and says which part is at fault", async () => {
    const broken = part("broken", { build: () => Promise.reject(new Error("no such sensor")) })
    const outer = part("outer", {
      build: (self) => {
        self.addChannel(new PassthroughChannel({ id: "open" }))
        self.addSubsystem(part("fine"), { channels: ["open"] })
        self.addSubsystem(broken)
      }
    })
    await withChannels([], async ({ dock, kernel }) => {
      await expect(dock(outer)).rejects.toMatchObject({ _tag: "DockRefused", message: expect.stringMatching(/broken.*no such sensor/u) })
      expect(kernel.systems()).toEqual([])
      expect(broken.state).toBe(SystemState.ERROR)
      const greedy = part("greedy")
      greedy.connect({ reads: ["aaax.journal"] })
      const other = part("other", { build: (self) => self.addSubsystem(greedy) })
      await expect(dock(other)).rejects.toMatchObject({ _tag: "DockRefused", message: expect.stringContaining("aaax.journal") })
      expect(kernel.systems()).toEqual([])
    })
  })

  it("rests, resumes and ends in the kernel's hands as one", async () => {
    const inner = part("inner")
    const outer = part("outer", { build: (self) => self.addSubsystem(inner) })
    await withChannels([], async ({ dock, kernel }) => {
      const statuses = () => kernel.systems().map(({ id, status }) => [id, status])
      await dock(outer)
      await running(outer, inner)
      await run(kernel.pause("outer"))
      expect(statuses()).toEqual([["outer", "paused"], ["inner", "paused"]])
      await run(kernel.resume("outer"))
      expect(statuses()).toEqual([["outer", "running"], ["inner", "running"]])
      await run(kernel.drain("outer"))
      expect(statuses()).toEqual([["outer", "drained"], ["inner", "drained"]])
      expect([outer.state, inner.state]).toEqual(["STOPPED", "STOPPED"])
    })
  })
})

describe("a system", () => {
  it("[113] that is launched is set up once, has its channels started, and its subsystems step", async () => {
    const inner = part("inner", { work: (self) => self.writeChannel("log", 1) })
    const outer = part("outer", {
      build: async (self) => {
        await new Promise((resolve) => setImmediate(resolve))
        self.addChannel(new PassthroughChannel({ id: "log" }))
        self.addSubsystem(inner, { channels: ["log"] })
      }
    })
    // By hand, too: whoever calls it first builds, and the others join.
    void outer.setup()
    void outer.setup()
    const kernel = await launch({ store: ":memory:", modules: [outer] })
    await until(() => inner.told.includes("step"))
    expect(contents(await outer.readChannel("log", 1))).toEqual([1])
    expect(outer.told.filter((word) => word === "setup")).toHaveLength(1)
    const ends = [outer.run(), inner.run()]
    await kernel.close()
    await Promise.all(ends)
    expect([outer.state, inner.state]).toEqual(["STOPPED", "STOPPED"])
    await expect(outer.run()).rejects.toThrow(/not running/u)
  })

  it("[114] [W9] rests when it is paused: no step begins, nothing is handed to its subscribers, its subsystems rest with it", async () => {
    let steps = 0
    const seen: Array<unknown> = []
    const inner = part("inner", { work: () => void steps++ })
    const outer = part("outer", {
      build: (self) => {
        self.addChannel(new PassthroughChannel({ id: "log" }))
        self.addSubsystem(inner, { channels: ["log"] })
      },
      work: () => void steps++
    })
    await withChannels([], async ({ dock }) => {
      await dock(outer)
      await running(outer, inner)
      await inner.subscribeChannel("log", (message) => void seen.push(...contents([message])))
      outer.pause()
      expect([outer.state, inner.state]).toEqual(["PAUSED", "PAUSED"])
      // What had begun ends.
      await new Promise((resolve) => setTimeout(resolve, 5))
      const before = steps
      await outer.writeChannel("log", "meanwhile")
      await new Promise((resolve) => setTimeout(resolve, 10))
      expect([steps, seen]).toEqual([before, []])
      outer.resume()
      expect([outer.state, inner.state]).toEqual(["RUNNING", "RUNNING"])
      await until(() => steps > before + 2 && seen.length === 1)
      outer.pause()
      outer.stop()
      await until(() => outer.state === "STOPPED" && inner.state === "STOPPED")
    })
  })

  it("[115] goes on after a step that failed, tells onStepError, and is STOPPED once it was stopped", async () => {
    const errors: Array<unknown> = []
    class Failing extends Part {
      override onStepError(error: unknown): void {
        errors.push(error)
      }
    }
    const failing = Object.assign(new Failing({ id: "failing", stepMillis: 1 }), { work: () => Promise.reject(new Error("a bad day")) })
    expect(failing.state).toBe("INIT")
    await withChannels([], async ({ dock, kernel }) => {
      await dock(failing)
      await until(() => errors.length >= 3)
      expect(failing.state).toBe("RUNNING")
      const ended = failing.run()
      failing.stop()
      await ended
      expect(failing.state).toBe("STOPPED")
      await until(() => kernel.systems()[0]?.status === "stopped")
    })
  })

  it("is in ERROR when onStepError fails too, and the kernel starts it again", async () => {
    let lives = 0
    class Hopeless extends Part {
      override onStepError(error: unknown): void {
        if (lives++ === 0) throw error
      }
    }
    const hopeless = Object.assign(new Hopeless({ id: "hopeless", stepMillis: 1 }), { work: () => Promise.reject(new Error("a bad day")) })
    await withChannels([], async ({ dock, kernel }) => {
      await dock(hopeless)
      await until(() => hopeless.state === "ERROR")
      await until(() => hopeless.state === "RUNNING" && lives > 1)
      expect(kernel.systems()[0]).toMatchObject({ restarts: 1, lastError: expect.stringContaining("a bad day") })
    })
  })

  it("[117] [W9] begins its steps at the pace that it is given, and lets others have their turn when they take longer", async () => {
    expect([restAfter(1_000, 300), restAfter(1_000, 1_000), restAfter(1_000, 4_000), restAfter(0, 0)]).toEqual([700, 0, 0, 0])
    expect([new Part({ id: "a" }).stepMillis, new Part({ id: "a", tickRate: 4 }).stepMillis, new Part({ id: "a", stepMillis: 5 }).stepMillis]).toEqual([1_000, 250, 5])
    let steps = 0
    let turns = 0
    const greedy = Object.assign(new Part({ id: "greedy", tickRate: 1_000_000 }), { work: () => void steps++ })
    await withChannels([], async ({ dock }) => {
      const other = setInterval(() => turns++, 0)
      await dock(greedy)
      await until(() => steps >= 20)
      clearInterval(other)
      expect(turns).toBeGreaterThan(3)
    })
  })

  it("carries the trace of an event that it handles to what it appends because of it", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    const [log, out] = [new PassthroughChannel({ id: "log" }), new PassthroughChannel({ id: "out" })]
    const forwarder = defineModule({
      id: "forwarder", reads: { log: "log" }, writes: { out: "out" },
      run: ({ reads, writes }) => reads.log.each((event, on) => on.append(writes.out, event.payload))
    })
    await withChannels([log, out], async ({ dock, kernel }) => {
      await dock(forwarder)
      await log.write("owner", 1, { traceparent })
      await log.write("owner", 2)
      await until(() => kernel.channels.store.statisticsOf("out")?.events === 2)
      const { events } = await run(kernel.channels.read("aaax", "out"))
      expect(events.map((event) => event.traceparent)).toEqual([traceparent, null])
      expect(events[0]?.parentIds).toEqual([(await log.getLatest(2))[1]?.id])
    })
  })
})

describe("services", () => {
  it("[119] are the methods that a class exposes; a class of one's own becomes a system with a client", async () => {
    const Agent = system("agent", "Agent", "answers")(class {
      readonly greeting: string
      constructor({ greeting }: { readonly greeting: string }) {
        this.greeting = greeting
      }
      greet = expose("greets", { name: { type: "string" } })((name: string) => `${this.greeting} ${name}`)
      hidden(): void {}
    })
    expect([Agent.systemId, Agent.systemName]).toEqual(["agent", "Agent"])
    const agent = new Agent({ greeting: "hello" })
    expect(agent.greet("world")).toBe("hello world")
    expect(agent.client).toBeInstanceOf(ChannelClient)
    expect(agent.serviceDescriptor).toMatchObject({
      systemId: "agent", systemName: "Agent", description: "answers", services: [{ name: "greet", description: "greets", parameters: { name: { type: "string" } } }]
    })
    const log = new PassthroughChannel({ id: "log" })
    agent.client.connect("log", log)
    await withChannels([log], async ({ dock }) => {
      await dock(agent)
      await agent.client.write("log", agent.greet("you"))
      expect(await log.read("owner")).toMatchObject([{ senderId: "agent", content: { data: "hello you" } }])
    })
    expect(agent.serviceDescriptor.channelsRead).toEqual(["log"])
  })

  it("[119] are also those of methods on a prototype, as a decorator marks them", () => {
    class Base {
      plan(): string {
        return "plan"
      }
    }
    class Derived extends Base {
      other(): void {}
    }
    expose("plans")(Base.prototype.plan, { kind: "method" })
    expect(servicesOf(new Derived())).toEqual([{ name: "plan", description: "plans", parameters: {} }])
  })
})

describe("a request", () => {
  it("[120] is answered with the reply that has its id as correlation, and with null when none comes in time", async () => {
    const [asks, answers] = [new PassthroughChannel({ id: "asks" }), new PassthroughChannel({ id: "answers" })]
    await withChannels([asks, answers], async ({ as, owner }) => {
      const server = await as("server")
      await server.subscribe("asks", async (message) => {
        const { content, correlationId, replyTo } = message as ChannelMessage
        if (content["data"] === "silence" || replyTo === null || correlationId === null) return
        await server.write(replyTo, "unrelated")
        await server.write(replyTo, `re: ${String(content["data"])}`, { correlationId })
      })
      expect(await owner.requestViaChannel("asks", "answers", "hello", 10)).toMatchObject({ senderId: "server", content: { data: "re: hello" } })
      expect((await requestViaChannel(owner, "asks", "answers", "again", 10))?.content).toEqual({ data: "re: again" })
      expect(await owner.requestViaChannel("asks", "answers", "silence", 0.02)).toBeNull()
    })
  })

  it("[121] [W5] is answered for each of ten callers at once, and takes no message from the readers of the replies", async () => {
    const [asks, answers] = [new WorkQueueChannel({ id: "asks" }), new PassthroughChannel({ id: "answers" })]
    await withChannels([asks, answers], async ({ as, owner }) => {
      const server = await as("server")
      const asked = Promise.all(Array.from({ length: 10 }, (_, n) => owner.requestViaChannel("asks", "answers", n, 10)))
      const requests: Array<ChannelMessage> = []
      await until(async () => {
        requests.push(...(await server.read("asks", 10, true)))
        return requests.length === 10
      })
      // In another order than they were asked in.
      for (const { content, correlationId, id } of requests.reverse()) {
        await server.write("answers", Number(content["data"]) ** 2, { correlationId: correlationId! })
        await server.acknowledge("asks", [id])
      }
      expect((await asked).map((reply) => reply?.content)).toEqual(Array.from({ length: 10 }, (_, n) => ({ data: n ** 2 })))
      expect(await owner.readChannel("answers", 100)).toHaveLength(10)
    })
  })

  it("may go through one channel for both", async () => {
    const talk = new PassthroughChannel({ id: "talk" })
    await withChannels([talk], async ({ as, owner }) => {
      const server = await as("server")
      await server.subscribe("talk", async (message) => {
        if ((message as ChannelMessage).replyTo !== null) await server.write("talk", "yes", { correlationId: message.correlationId! })
      })
      expect((await owner.requestViaChannel("talk", "talk", "there?", 10))?.content).toEqual({ data: "yes" })
    })
  })
})

/** A kernel that is published, with these channels. */
const published = async (channels: ReadonlyArray<ConstructorParameters<typeof PassthroughChannel>[0]>, body: (world: {
  readonly kernel: HostKernel; readonly url: string; readonly mint: (name: string, role: "read" | "write" | "admin") => Promise<string>; readonly owner: BaseSystem
}) => Promise<void>): Promise<void> => {
  const owner = new BaseSystem({ id: "owner" })
  for (const channel of channels) owner.addChannel(new PassthroughChannel(channel))
  owner.addChannel(new DiscoveryChannel({ id: "names", visibility: "public" }))
  const kernel = await launch({ store: ":memory:", modules: [owner] })
  try {
    const { url } = await kernel.publish("127.0.0.1", 0)
    const mint = async (name: string, role: "read" | "write" | "admin"): Promise<string> => (await kernel.tokens.mint({ name, role })).token
    await body({ kernel, url, mint, owner })
  } finally {
    await kernel.close()
  }
}

describe("a client", () => {
  it("[110] has one API for channels here and elsewhere; it refuses what is none, and what the other side does not offer", async () => {
    await published([{ id: "feed", visibility: "public" }], async ({ kernel, mint, url }) => {
      const near = new PassthroughChannel({ id: "near" })
      const host = new BaseSystem({ id: "host" })
      host.addChannel(near)
      await kernel.dock(host)
      const client = register("client")
      client.connect("here", near)
      client.connectRemote("there", `${url}/channels/feed/`, await mint("remote", "write"))
      await kernel.dock(client)
      await until(() => near.acceptsWrites)
      for (const name of ["here", "there"]) {
        const id = await client.write(name, { n: 1 })
        const direct = channelMessage({ id: `mine-${name}`, content: { n: 2 }, correlationId: "c-1", metadata: { a: 1 }, replyTo: "answers" })
        expect(await client.write(name, direct, true)).toBe(`mine-${name}`)
        const [first, second] = await client.read(name)
        expect(first).toMatchObject({ id, content: { data: { n: 1 } } })
        expect(second).toEqual({ ...direct, senderId: second?.senderId })
        expect(await client.read(name, 10, false, id)).toEqual([second])
        const claimed = await client.read(name, 1, true)
        expect(claimed.map((message) => message.id)).toEqual([id])
        expect(await client.nack(name, [id])).toBe(1)
        expect((await client.read(name, 1, true)).map((message) => message.id)).toEqual([id])
        expect(await client.acknowledge(name, [id, "no-such-message"])).toBe(1)
        await expect(client.write(name, { content: 1 }, true)).rejects.toThrow(TypeError)
      }
      expect((await client.read("there", 10, false, "mine-there"))).toEqual([])
      await expect(client.subscribe("there", () => undefined)).rejects.toThrow(TypeError)
      client.unsubscribe("there")
      for (const nothing of [null, undefined, {}]) expect(() => client.connect("x", nothing as unknown as PassthroughChannel)).toThrow(TypeError)
      expect(() => client.connectRemote("x", "127.0.0.1/feed")).toThrow(TypeError)
      await expect(client.read("neither")).rejects.toMatchObject({ _tag: "ChannelNotFound" })
      await expect(register("loose").read("neither")).rejects.toMatchObject({ _tag: "ChannelNotFound" })
      // Of two under one name the one in this process counts.
      client.connectRemote("here", `${url}/channels/feed`)
      expect((await client.read("here", 10, false, "mine-here"))).toEqual([])
    })
  })

  it("[111] tells refusals of the other side as if they were here: no permission, not found, too much", async () => {
    await published([{ id: "feed", visibility: "public" }, { id: "private" }], async ({ mint, url }) => {
      const client = register("client")
      const reader = await mint("reader", "read")
      client.connectFromConfig({
        anonymous: `${url}/channels/feed`,
        wrong: { url: `${url}/channels/feed`, token: "no-such-token" },
        reader: { url: `${url}/channels/feed`, token: reader },
        hidden: { url: `${url}/channels/private`, token: reader },
        nowhere: { url: "http://127.0.0.1:1/channels/feed", timeoutMillis: 2_000 }
      })
      expect(client.channels).toEqual(["anonymous", "wrong", "reader", "hidden", "nowhere"])
      await expect(client.read("anonymous")).rejects.toMatchObject({ _tag: "Unauthenticated" })
      await expect(client.read("wrong")).rejects.toMatchObject({ _tag: "Unauthenticated" })
      await expect(client.write("reader", 1)).rejects.toMatchObject({ _tag: "Denied" })
      await expect(client.read("reader", 1, true)).rejects.toMatchObject({ _tag: "Denied" })
      await expect(client.read("hidden")).rejects.toMatchObject({ _tag: "ChannelNotFound" })
      await expect(client.read("nowhere")).rejects.toMatchObject({ _tag: "KernelUnreachable" })
      await expect(client.read("reader", 1, false, "no-such-message")).rejects.toMatchObject({ _tag: "RemoteRefused", status: 400 })
    })
    const answers: Record<string, readonly [number, string, Record<string, string>]> = {
      "/busy": [429, JSON.stringify({ detail: "The raw buffer of feed: limit of 3 items reached; try again in 250 ms." }), { "retry-after": "1" }],
      "/full": [429, JSON.stringify({ detail: "Backpressure." }), { "retry-after": "2" }],
      "/down": [503, JSON.stringify({ detail: "The store takes no writes." }), {}],
      "/broken": [500, "oops", {}],
      "/other": [200, "<html>", {}],
      "/strange": [200, JSON.stringify({ messages: [{ id: 7 }] }), {}]
    }
    const listener: RequestListener = (request, response) => {
      const [status, body, headers] = answers[(request.url ?? "").split("?")[0]!] ?? [404, "{}", {}]
      response.writeHead(status, headers).end(body)
    }
    const server = createServer(listener)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    try {
      const client = register("client")
      for (const path of Object.keys(answers)) client.connectRemote(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
      await expect(client.write("/busy", 1)).rejects.toMatchObject({ _tag: "Overloaded", what: "The raw buffer of feed", limit: 3, unit: "items", retryAfterMillis: 250 })
      await expect(client.write("/full", 1)).rejects.toMatchObject({ _tag: "Overloaded", retryAfterMillis: 2_000 })
      await expect(client.write("/down", 1)).rejects.toMatchObject({ _tag: "StoreUnavailable" })
      for (const path of ["/broken", "/other", "/strange"]) await expect(client.read(path)).rejects.toMatchObject({ _tag: "KernelFault" })
    } finally {
      server.close()
    }
  })
})

describe("publishing", () => {
  it("[80] [116] shows exactly the PUBLIC channels, which the registry tells of, and converts what comes from outside", async () => {
    class Doubling extends PassthroughChannel {
      override convertFn(sender: string, raw: unknown) {
        return typeof raw === "number" ? { content: { doubled: raw * 2, by: sender } } : null
      }
    }
    const inner = part("inner", { build: (self) => self.addChannel(new PassthroughChannel({ id: "inner.out", visibility: "public" })) })
    const outer = part("outer", {
      build: (self) => {
        self.addChannel(new Doubling({ id: "double", name: "Double", visibility: "public" }))
        self.addChannel(new MailboxChannel({ id: "private" }))
        self.addChannel(new DiscoveryChannel({ id: "names", visibility: "public" }))
        self.addSubsystem(inner)
      }
    })
    const kernel = await launch({ store: ":memory:", modules: [outer] })
    try {
      const { url } = await kernel.publish("127.0.0.1", 0)
      const { token } = await kernel.tokens.mint({ name: "guest", role: "write" })
      const client = register("guest")
      for (const name of ["double", "private", "names", "inner.out"]) client.connectRemote(name, `${url}/channels/${name}`, token)
      await until(async () => (await outer.directory("names").findChannels()).length === 3)
      expect((await outer.directory("names").findChannels("public")).map(({ id }) => id).sort()).toEqual(["double", "inner.out", "names"])
      expect((await client.read("names", 10)).map(({ content }) => (content["info"] as { id: string }).id).sort()).toEqual(["double", "inner.out", "names"])
      await expect(client.read("private")).rejects.toMatchObject({ _tag: "ChannelNotFound" })
      expect(await client.write("double", "text")).toBe("")
      await client.write("double", 21)
      const [message] = await outer.readChannel("double")
      expect(message).toMatchObject({ content: { doubled: 42 }, senderId: message?.content["by"] })
      expect(await client.read("inner.out")).toEqual([])
    } finally {
      await kernel.close()
    }
  })
})

describe("what a channel keeps", () => {
  it("[82] is found by its id, by its time, and newest first", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      for (let n = 1; n <= 10; n++) await log.write("owner", channelMessage({ id: `m${n}`, timestamp: 100 + n, content: { n } }), true)
      expect(await log.get("no-such-message")).toBeNull()
      expect((await log.get("m3"))?.content).toEqual({ n: 3 })
      expect((await log.getRange(103, 106)).map(({ id }) => id)).toEqual(["m3", "m4", "m5", "m6"])
      expect(await log.getRange(200, 300)).toEqual([])
      expect((await log.getLatest(3)).map(({ id }) => id)).toEqual(["m10", "m9", "m8"])
      expect(await log.getLatest(100)).toHaveLength(10)
      // What somebody took or settled is kept all the same.
      await log.acknowledge("owner", (await log.read("owner", 3, true)).map(({ id }) => id))
      expect([(await log.get("m1"))?.id, (await log.getRange(101, 102)).length, (await log.getLatest(100)).length]).toEqual(["m1", 2, 10])
    })
  })

  it("[83] [84] is the first message of an id; removing nothing is fine, and what is removed is gone", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      const message = channelMessage({ id: "once", content: { n: 1 } })
      await log.write("owner", message, true)
      expect(await log.write("owner", message, true)).toBe("once")
      await expect(log.write("owner", channelMessage({ id: "once", content: { n: 2 } }), true)).rejects.toMatchObject({ _tag: "IdempotencyConflict" })
      expect(await log.getLatest(10)).toMatchObject([{ id: "once", content: { n: 1 } }])
      expect(await log.remove([])).toBe(0)
      expect(await log.remove(["once", "never"])).toBe(1)
      expect([await log.get("once"), await log.getLatest(10)]).toEqual([null, []])
    })
  })

  it("[85] cannot be asked for before its system runs; starting twice is starting once", async () => {
    const log = new PassthroughChannel({ id: "log" })
    expect(() => log.get("m")).toThrow(/dock/u)
    expect(() => log.owner).toThrow(/dock/u)
    await expect(log.read("owner")).rejects.toThrow(/dock/u)
    await expect(log.start()).rejects.toThrow(/dock/u)
    await withChannels([log], async () => {
      await Promise.all([log.start(), log.start()])
      expect(await log.write("owner", 1)).not.toBe("")
    })
  })

  it("[86] [W8] is there after a restart: the log, how far each reader was, what was acknowledged; channels of one file stay apart", async () => {
    const directory = mkdtempSync(join(tmpdir(), "aaax-restart-"))
    const session = async (body: (world: { readonly owner: Part; readonly reader: Part; readonly jobs: WorkQueueChannel; readonly log: PassthroughChannel }) => Promise<void>): Promise<void> => {
      const log = new PassthroughChannel({ id: "log", retentionMaxCount: 1_000 })
      const jobs = new WorkQueueChannel({ id: "jobs" })
      const reader = part("reader")
      const owner = part("owner", {
        build: (self) => {
          self.addChannel(log)
          self.addChannel(jobs)
          self.addSubsystem(reader, { channels: ["log", "jobs"] })
        }
      })
      const kernel = await launch({ store: join(directory, "kernel.db"), modules: [owner] })
      try {
        await running(owner, reader)
        await body({ owner, reader, jobs, log })
      } finally {
        await kernel.close()
      }
    }
    try {
      await session(async ({ jobs, log, owner, reader }) => {
        for (let n = 0; n < 6; n++) {
          await owner.writeChannel("log", { data: { data: n } })
          await jobs.write("owner", n)
        }
        expect(await reader.readChannel("log", 4)).toHaveLength(4)
        const claimed = await reader.claimChannel("jobs", 3)
        await reader.acknowledgeChannel("jobs", claimed.slice(0, 2).map(({ id }) => id))
        await log.evict({ maxCount: 5 })
      })
      await session(async ({ jobs, log, owner, reader }) => {
        // Exactly as it was written, wrapped no deeper.
        expect((await reader.readChannel("log", 10)).map(({ content }) => content)).toEqual([{ data: { data: 4 } }, { data: { data: 5 } }])
        expect(await owner.readChannel("log", 10)).toHaveLength(5)
        expect(contents(await log.getLatest(1))).toEqual([{ data: 5 }])
        expect(await jobs.getLatest(10)).toHaveLength(6)
        // What was claimed and not acknowledged is handed out again.
        expect(contents(await reader.claimChannel("jobs", 10))).toEqual([2, 3, 4, 5])
      })
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})
