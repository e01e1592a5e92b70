// The WebSocket door: who may come in, what a subscription promises, and what slow, silent and hostile clients cost.
import { connect } from "node:net"
import { describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { closeCodes, frameBytesMax, pageFrameTextMax } from "../../../protocol/frame.ts"
import { until, withNetwork, type Network } from "../../kit/network.ts"
import { makeRandom } from "../../kit/random.ts"
import { dial, enter, type Frame } from "../../kit/socket.ts"

const append = ({ kernel, run }: Network, channel: string, payloads: ReadonlyArray<unknown>) =>
  run(kernel.channels.append("test", channel, payloads.map((payload) => ({ payload }))))

const isEvents = ({ frame }: Frame): boolean => frame === "events"

describe("who comes to the WebSocket door", () => {
  it("is sent nothing before a good credential, whatever is sent first", () =>
    withNetwork({}, async ({ url }) => {
      for (const first of [{ frame: "call", id: 1, op: "channels", args: [] }, { frame: "ping" }, { frame: "subscribe", id: 1, channel: "aaax.journal" }]) {
        const client = await dial(url)
        client.send(first)
        expect(await client.closed).toMatchObject({ code: closeCodes.unauthenticated })
        expect(client.frames).toEqual([])
      }
      const guesser = await dial(url)
      guesser.send({ frame: "hello", versions: [1], token: "guess" })
      expect(await guesser.closed).toMatchObject({ code: closeCodes.unauthenticated })
      expect(guesser.frames).toEqual([])
    }))

  it("is let go when it does not say who it is", () =>
    withNetwork({ times: { helloMillis: 30 } }, async ({ sockets, url }) => {
      const client = await dial(url)
      expect(await client.closed).toMatchObject({ code: closeCodes.unauthenticated })
      await until("it is gone", () => sockets.connections() === 0)
    }))

  it("may show its credential with the request, and is refused there when that is wrong", () =>
    withNetwork({}, async ({ operatorToken, url }) => {
      await expect(dial(url, { headers: { authorization: "Bearer guess" } })).rejects.toThrow("refused with 401")
      const client = await dial(url, { headers: { authorization: `Bearer ${operatorToken}` } })
      client.send({ frame: "hello", versions: [7, 1] })
      expect(await client.next(() => true)).toMatchObject({ frame: "welcome", version: 1, system: "operator", resumed: false })
      client.ws.close()
    }))

  it("is turned away when too many are there that have not said who they are; those who have go on", () =>
    withNetwork({}, async ({ operatorToken, sockets, url }) => {
      const known = await enter(url, operatorToken)
      const strangers = await Promise.all(Array.from({ length: 256 }, () => dial(url)))
      await until("all are there", () => sockets.connections() === 257)
      await expect(dial(url)).rejects.toThrow("refused with 503")
      expect((await known.call("channels")).frame).toBe("result")
      for (const stranger of strangers) stranger.ws.terminate()
      await until("they are gone", () => sockets.connections() === 1)
      expect((await enter(url, operatorToken)).welcome.frame).toBe("welcome")
    }))

  it("has to speak a version that is spoken here", () =>
    withNetwork({}, async ({ operatorToken, url }) => {
      const client = await dial(url)
      client.send({ frame: "hello", versions: [2], token: operatorToken })
      expect(await client.closed).toEqual({ code: closeCodes.version, reason: "spoken here: 1" })
    }))

  it("is refused as a page of another origin, and under another name of the host, also with a good token", () =>
    withNetwork({}, async ({ listener, operatorToken, url }) => {
      const headers = { authorization: `Bearer ${operatorToken}` }
      await expect(dial(url, { headers, origin: "https://evil.example" })).rejects.toThrow("refused with 403")
      await expect(dial(url, { headers, origin: "null" })).rejects.toThrow("refused with 403")
      await expect(dial(url, { headers: { ...headers, host: `rebound.example:${listener.port}` } })).rejects.toThrow("refused with 403")
      const own = await dial(url, { headers, origin: url })
      own.ws.close()
    }))

  it("is out as soon as its token is revoked, and what it reads ends there", () =>
    withNetwork({ times: { lookMillis: 20 } }, async (network) => {
      const { kernel, mint, open, run, url } = network
      await open({ name: "news", visibility: "public" })
      const client = await enter(url, await mint({ name: "reader", role: "read" }))
      client.send({ frame: "subscribe", id: 1, channel: "news", after: 0 })
      await append(network, "news", ["before"])
      await client.next(isEvents)
      await run(kernel.tokens.revoke("reader"))
      await append(network, "news", ["after"])
      expect(await client.closed).toMatchObject({ code: closeCodes.unauthenticated })
      expect(client.frames.filter(isEvents)).toHaveLength(1)
    }))
})

describe("a call over the socket", () => {
  it("reaches what the credential allows, under its name, and is refused with the failure of the port", () =>
    withNetwork({}, async ({ kernel, mint, open, run, url }) => {
      await open({ name: "open", visibility: "public" })
      await open({ name: "secret" })
      const client = await enter(url, await mint({ name: "alice", role: "write", channels: ["open"] }))
      const appended = await client.call("append", "open", [{ payload: { from: "alice" } }], { key: "k" })
      expect(appended).toMatchObject({ frame: "result", value: [{ cursor: 1 }] })
      expect((await client.call("append", "open", [{ payload: { from: "alice" } }], { key: "k" })).value).toEqual(appended.value)
      const { events } = await run(kernel.channels.read("test", "open"))
      expect(events).toMatchObject([{ sender: "alice", payload: { from: "alice" } }])
      expect(await client.call("read", "secret")).toMatchObject({ frame: "failure", failure: { _tag: "ChannelNotFound", channel: "secret" } })
      expect(await client.call("append", "open", [{ kind: "" }])).toMatchObject({ failure: { _tag: "InvalidPayload", path: "kind" } })
      expect(await client.call("append", "open", "nonsense")).toMatchObject({ failure: { _tag: "InvalidPayload" } })
      expect(await client.call("settle", "open", [{ cursor: 1, epoch: 1, outcome: "ack" }])).toMatchObject({ frame: "failure" })
      expect(await client.call("clear", "open")).toMatchObject({ failure: { _tag: "Denied" } })
      client.send({ frame: "call", id: 900, port: 3, op: "channels", args: [] })
      expect(await client.next(({ id }) => id === 900)).toMatchObject({ failure: { _tag: "Undocked" } })
    }))

  it("gives a page that fits a frame, however much there is, and goes on behind it", () =>
    withNetwork({}, async (network) => {
      const { mint, open, url } = network
      await open({ name: "large", visibility: "public" })
      const text = "x".repeat(pageFrameTextMax / 4)
      for (let at = 0; at < 12; at++) await append(network, "large", [{ at, text }])
      const client = await enter(url, await mint({ name: "reader", role: "read" }))
      const seen: Array<number> = []
      let after = 0
      while (seen.length < 12) {
        const { value } = await client.call("read", "large", { after, limit: 1_000 })
        expect(JSON.stringify(value).length).toBeLessThan(pageFrameTextMax + 2_000)
        seen.push(...value.events.map(({ payload }: Frame) => payload.at))
        after = value.next
      }
      expect(seen).toEqual(Array.from({ length: 12 }, (_, at) => at))
    }))
})

describe("a session", () => {
  it("answers again what was lost with its connection, and forgets what has arrived", () =>
    withNetwork({}, async (network) => {
      const { kernel, mint, open, run, url } = network
      await open({ name: "jobs", form: "queue", visibility: "public" })
      await append(network, "jobs", ["one", "two", "three"])
      const token = await mint({ name: "worker", role: "write" })
      const first = await enter(url, token)
      const taken = await first.call("take", "jobs")
      first.ws.terminate()
      const { resume } = first.welcome
      const again = await enter(url, token, { resume, open: [1] })
      expect(again.welcome).toMatchObject({ resumed: true, resume })
      // The same call under its number: the same item, not another one.
      expect((await again.call("take", "jobs")).value).toEqual(taken.value)
      again.ws.terminate()
      const third = await enter(url, token, { resume, open: [] })
      expect((await third.call("take", "jobs")).value[0].event.payload).toBe("two")
      // It says that the answer has come; then its number is free.
      third.send({ frame: "call", id: 7, op: "channels", args: [], got: [1] })
      third.send({ frame: "call", id: 1, op: "take", args: ["jobs"] })
      expect((await third.next(({ id, value }) => id === 1 && value[0]?.event.payload === "three")).frame).toBe("result")
      expect(await run(kernel.channels.take("other", "jobs"))).toEqual([])
    }))

  it("with nothing in it ends with its connection", () =>
    withNetwork({}, async ({ mint, open, sockets, url }) => {
      await open({ name: "jobs", form: "queue", visibility: "public" })
      const token = await mint({ name: "worker", role: "write" })
      const reader = await enter(url, token)
      await reader.call("backlog", "jobs")
      reader.ws.close()
      await until("it is forgotten", () => sockets.sessions() === 0)
      const waiter = await enter(url, token)
      waiter.send({ frame: "call", id: 100, op: "take", args: ["jobs", { wait: true }] })
      await waiter.call("backlog", "jobs")
      waiter.ws.close()
      await until("it is gone", () => sockets.connections() === 0)
      expect(sockets.sessions()).toBe(1)
    }))

  it("is nobody's but its guest's, and taken up by one connection at a time", () =>
    withNetwork({}, async ({ mint, url }) => {
      const alice = await enter(url, await mint({ name: "alice", role: "read" }))
      const { resume } = alice.welcome
      const mallory = await enter(url, await mint({ name: "mallory", role: "admin" }), { resume })
      expect(mallory.welcome).toMatchObject({ resumed: false, system: "mallory" })
      expect(mallory.welcome.resume).not.toBe(resume)
      const newer = await enter(url, await mint({ name: "alice", role: "read" }), { resume })
      expect(newer.welcome.resumed).toBe(true)
      expect(await alice.closed).toMatchObject({ code: closeCodes.replaced })
      expect((await enter(url, await mint({ name: "alice", role: "read" }), { resume: "guess" })).welcome.resumed).toBe(false)
    }))

  it("whose connection is gone gives back what its guest took", () =>
    withNetwork({ times: { graceMillis: 30, lookMillis: 10 } }, async (network) => {
      const { kernel, mint, open, run, url } = network
      await open({ name: "jobs", form: "queue", visibility: "public" })
      await append(network, "jobs", ["one", "two"])
      const client = await enter(url, await mint({ name: "worker", role: "write" }))
      const { value } = await client.call("take", "jobs", { limit: 2 })
      await client.call("settle", "jobs", [{ cursor: value[0].cursor, epoch: value[0].epoch, outcome: "ack" }])
      client.ws.terminate()
      const [again] = await run(kernel.channels.take("other", "jobs", { wait: true }))
      expect(again).toMatchObject({ attempt: 2, event: { payload: "two" } })
    }))
})

describe("a subscription", () => {
  it("gives what is behind its cursor and what comes, in order, and never more than its credit", () =>
    withNetwork({}, async (network) => {
      const { mint, open, url } = network
      await open({ name: "news", visibility: "public" })
      await append(network, "news", [1, 2, 3, 4, 5])
      const client = await enter(url, await mint({ name: "reader", role: "read" }))
      client.send({ frame: "subscribe", id: 1, channel: "news", after: 1, credit: 3 })
      expect(await client.next(({ id }) => id === 1)).toMatchObject({ frame: "result", value: { cursors: { news: 1 } } })
      const first = await client.next(isEvents)
      expect(first).toMatchObject({ channel: "news", next: 4, head: 5 })
      expect(first.events.map(({ payload }: Frame) => payload)).toEqual([2, 3, 4])
      await append(network, "news", [6])
      // An answer to a later frame: nothing was sent before it without credit.
      await client.call("backlog", "news")
      expect(client.frames.filter(isEvents)).toHaveLength(1)
      client.send({ frame: "credit", id: 1, events: 10 })
      expect((await client.next(isEvents)).events.map(({ payload }: Frame) => payload)).toEqual([5, 6])
      client.send({ frame: "unsubscribe", id: 1 })
      await client.call("backlog", "news")
      await append(network, "news", [7])
      await client.call("backlog", "news")
      expect(client.frames.filter(isEvents)).toHaveLength(2)
    }))

  it("begins with what comes from now on when it does not say where, and says where that is", () =>
    withNetwork({}, async (network) => {
      const { mint, open, url } = network
      await open({ name: "news", visibility: "public" })
      await append(network, "news", [1, 2])
      const client = await enter(url, await mint({ name: "reader", role: "read" }))
      client.send({ frame: "subscribe", id: 1, channel: "news", filter: { kind: "event" } })
      expect(await client.next(({ id }) => id === 1)).toMatchObject({ value: { cursors: { news: 2 } } })
      await append(network, "news", [3])
      expect((await client.next(isEvents)).events).toMatchObject([{ payload: 3 }])
    }))

  it("with a name goes on behind what was acknowledged, on another connection too", () =>
    withNetwork({}, async (network) => {
      const { kernel, mint, open, url } = network
      await open({ name: "news", visibility: "public" })
      await append(network, "news", ["a", "b", "c"])
      const token = await mint({ name: "reader", role: "read" })
      const client = await enter(url, token)
      client.send({ frame: "subscribe", id: 1, channel: "news", name: "mine" })
      expect((await client.next(isEvents)).events).toHaveLength(3)
      client.send({ frame: "ack", id: 1, cursor: 2 })
      await until("it is kept", () => kernel.channels.store.subscription("reader", "mine", "news")?.cursor === 2)
      client.ws.terminate()
      const again = await enter(url, token)
      again.send({ frame: "subscribe", id: 1, channel: "news", name: "mine" })
      expect((await again.next(isEvents)).events).toMatchObject([{ payload: "c" }])
    }))

  it("to a pattern follows every channel that matches and may be read, also those that are opened later", () =>
    withNetwork({}, async (network) => {
      const { mint, open, url } = network
      for (const name of ["a.one", "a.two", "b.one"]) await open({ name, visibility: "public" })
      await open({ name: "a.secret" })
      const client = await enter(url, await mint({ name: "reader", role: "read" }))
      client.send({ frame: "subscribe", id: 1, pattern: "a.*", after: 0 })
      await client.next(({ id }) => id === 1)
      for (const name of ["a.secret", "b.one", "a.two", "a.one"]) await append(network, name, [name])
      await open({ name: "a.three", visibility: "public" })
      await append(network, "a.three", ["a.three"])
      const seen = new Map<string, unknown>()
      while (seen.size < 3) {
        const { channel, events } = await client.next(isEvents)
        seen.set(channel, events[0].payload)
      }
      expect([...seen].sort()).toEqual([["a.one", "a.one"], ["a.three", "a.three"], ["a.two", "a.two"]])
      client.send({ frame: "subscribe", id: 2, pattern: "a.*", after: 0, cursors: { "a.one": 1 } })
      await client.next(({ frame, id }) => frame === "result" && id === 2)
      const others = [await client.next((one) => isEvents(one) && one.id === 2), await client.next((one) => isEvents(one) && one.id === 2)]
      expect(others.map(({ channel }) => channel).sort()).toEqual(["a.three", "a.two"])
    }))

  it("to what may not be read is refused, and one whose events were evicted is told the gap", () =>
    withNetwork({}, async (network) => {
      const { mint, open, url } = network
      await open({ name: "secret" })
      await open({ name: "short", visibility: "public", retention: { count: 2 } })
      await append(network, "short", [1, 2, 3, 4, 5, 6])
      const client = await enter(url, await mint({ name: "reader", role: "read" }))
      client.send({ frame: "subscribe", id: 1, channel: "secret", after: 0 })
      expect(await client.next(({ id }) => id === 1)).toMatchObject({ frame: "failure", failure: { _tag: "ChannelNotFound" } })
      client.send({ frame: "subscribe", id: 2, channel: "short", after: 1 })
      expect(await client.next(({ id }) => id === 2)).toMatchObject({ frame: "failure", failure: { _tag: "Gap", channel: "short", floor: 4 } })
      client.send({ frame: "subscribe", id: 3, channel: "short", pattern: "x*" })
      expect(await client.next(({ id }) => id === 3)).toMatchObject({ frame: "failure", failure: { _tag: "InvalidPayload" } })
      client.send({ frame: "subscribe", id: 4, channel: "short", credit: 0, after: 4 })
      await client.next(({ id }) => id === 4)
      client.send({ frame: "subscribe", id: 4, channel: "short" })
      expect(await client.next(({ id }) => id === 4)).toMatchObject({ frame: "failure" })
      await append(network, "short", [7, 8, 9, 10])
      client.send({ frame: "credit", id: 4, events: 5 })
      expect(await client.next(({ id }) => id === 4)).toMatchObject({ frame: "over", failure: { _tag: "Gap", after: 4, floor: 8 } })
    }))
})

describe("a client that does not read", () => {
  it("is dropped after a bounded outbox while another gets every event, and loses nothing when it comes back", () =>
    withNetwork({ times: { outboxMillis: 200, lookMillis: 20 } }, async (network) => {
      const { mint, open, sockets, url } = network
      await open({ name: "news", visibility: "public", durability: "memory" })
      const slow = await enter(url, await mint({ name: "slow", role: "read" }))
      const quick = await enter(url, await mint({ name: "quick", role: "read" }))
      for (const client of [slow, quick]) {
        client.send({ frame: "subscribe", id: 1, channel: "news", after: 0, credit: 1_000_000 })
        await client.next(({ id }) => id === 1)
      }
      slow.ws.pause()
      const text = "x".repeat(60_000)
      const total = 250
      let most = 0
      for (let at = 0; at < total; at++) {
        await append(network, "news", [{ at, text }])
        most = Math.max(most, sockets.outboxBytes())
        if (at % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      const atsOf = ({ frames }: { readonly frames: ReadonlyArray<Frame> }): ReadonlyArray<number> =>
        frames.filter(isEvents).flatMap(({ events }) => events.map(({ payload }: Frame) => payload.at))
      await until("the quick one has all", () => atsOf(quick).length === total)
      await until("the slow one is dropped", () => sockets.dropped() === 1 && sockets.connections() === 1)
      expect(most).toBeLessThan(2_000_000)
      slow.ws.resume()
      await slow.closed
      const seen = atsOf(slow)
      const again = await enter(url, await mint({ name: "slow", role: "read" }))
      again.send({ frame: "subscribe", id: 1, channel: "news", after: seen.length, credit: 1_000_000 })
      await until("it has the rest", () => atsOf(again).length === total - seen.length)
      expect([...seen, ...atsOf(again)]).toEqual(Array.from({ length: total }, (_, at) => at))
    }))

  it("cannot make answers pile up: what it asks for waits until it takes what it got", () =>
    withNetwork({}, async (network) => {
      const { mint, open, sockets, url } = network
      await open({ name: "large", visibility: "public", durability: "memory" })
      for (let at = 0; at < 20; at++) await append(network, "large", [{ text: "x".repeat(200_000) }])
      const client = await enter(url, await mint({ name: "greedy", role: "read" }))
      client.ws.pause()
      const asked = 60
      for (let at = 0; at < asked; at++) client.send({ frame: "call", id: client.id(), op: "read", args: ["large", { limit: 1_000 }] })
      await until("the outbox is full", () => sockets.outboxBytes() > 250_000)
      // Whatever else is asked goes on for others meanwhile.
      const other = await enter(url, await mint({ name: "other", role: "read" }))
      for (let at = 0; at < 20; at++) await other.call("read", "large", { limit: 1 })
      expect(sockets.outboxBytes()).toBeLessThan(5_000_000)
      client.ws.resume()
      for (let id = 1; id <= asked; id++) await client.next((frame) => frame.id === id)
      expect(client.frames.filter(({ frame }) => frame === "result")).toHaveLength(asked)
    }))
})

describe("a client that is gone without a word", () => {
  it("is found silent and let go", () =>
    withNetwork({ times: { helloMillis: 60_000, pingMillis: 30, silenceMillis: 90, lookMillis: 10 } }, async ({ listener, operatorToken, sockets }) => {
      const socket = connect(listener.port, "127.0.0.1")
      // An upgrade by hand: nothing behind it answers a ping.
      socket.write(
        `GET /v1/ws HTTP/1.1\r\nhost: 127.0.0.1:${listener.port}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n` +
        `sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nauthorization: Bearer ${operatorToken}\r\n\r\n`
      )
      const hello = Buffer.from(JSON.stringify({ frame: "hello", versions: [1] }))
      // A short text frame, masked with nothing.
      socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | hello.length, 0, 0, 0, 0]), hello]))
      await until("it is there", () => sockets.sessions() === 1)
      await until("it is let go", () => sockets.connections() === 0)
      socket.destroy()
    }))

  it("is kept for as long as it answers", () =>
    withNetwork({ times: { pingMillis: 20, silenceMillis: 200, lookMillis: 10 } }, async ({ operatorToken, sockets, url }) => {
      const client = await enter(url, operatorToken)
      let pings = 0
      client.ws.on("ping", () => pings++)
      await until("it was asked again and again", () => pings > 15)
      expect(sockets.connections()).toBe(1)
      expect((await client.call("channels")).frame).toBe("result")
    }))
})

describe("a thousand idle sockets", () => {
  it("cost little, and nobody waits for them", () =>
    withNetwork({}, async (network) => {
      const { mint, open, sockets, url } = network
      await open({ name: "news", visibility: "public" })
      const token = await mint({ name: "crowd", role: "read" })
      const before = process.memoryUsage()
      const crowd: Array<Awaited<ReturnType<typeof enter>>> = []
      for (let at = 0; at < 1_000; at += 50) {
        crowd.push(...await Promise.all(Array.from({ length: 50 }, async () => {
          const client = await enter(url, token)
          client.send({ frame: "subscribe", id: 1, channel: "news" })
          await client.next(({ id }) => id === 1)
          return client
        })))
      }
      expect({ connections: sockets.connections(), subscriptions: sockets.subscriptions() }).toEqual({ connections: 1_000, subscriptions: 1_000 })
      const { heapUsed, rss } = process.memoryUsage()
      // Both ends of each are in this process.
      console.log(`1,000 idle WebSockets, both ends: ${((heapUsed - before.heapUsed) / 1e6).toFixed(0)} MB of heap, ${((rss - before.rss) / 1e6).toFixed(0)} MB resident`)
      await append(network, "news", ["all"])
      await Promise.all(crowd.map((client) => client.next(isEvents)))
      const [first] = crowd
      expect((await first!.call("backlog", "news")).frame).toBe("result")
      for (const client of crowd) client.ws.terminate()
      await until("all are gone", () => sockets.connections() === 0)
    }), 60_000)
})

describe("what is not a frame", () => {
  it("ends the connection that sent it, with a code, and nothing else", () =>
    withNetwork({}, async ({ operatorToken, url }) => {
      const witness = await enter(url, operatorToken)
      const wrong: ReadonlyArray<string | Uint8Array> = [
        "", "null", "[]", "{}", "{\"frame\":\"nonsense\"}", "{\"frame\":\"call\"}", "{\"frame\":\"call\",\"id\":0,\"op\":\"read\",\"args\":[]}",
        "{\"frame\":\"call\",\"id\":1,\"op\":\"constructor\",\"args\":[]}", "{\"frame\":\"call\",\"id\":1,\"op\":\"__proto__\",\"args\":[]}",
        "{\"frame\":\"credit\",\"id\":1,\"events\":-5}", "{\"frame\":\"ping\",\"extra\":1}", "{\"frame\":\"hello\",\"versions\":[1]}", new Uint8Array([1, 2])
      ]
      for (const text of wrong) {
        const client = await enter(url, operatorToken)
        client.send(text)
        expect((await client.closed).code, String(text)).toBe(closeCodes.badFrame)
      }
      const large = await enter(url, operatorToken)
      large.send("x".repeat(frameBytesMax + 1))
      expect((await large.closed).code).toBe(1009)
      const binary = await enter(url, operatorToken)
      binary.ws.send(Buffer.from([0xff, 0xfe, 0xfd]), { binary: false })
      expect((await binary.closed).code).toBe(1007)
      expect((await witness.call("channels")).frame).toBe("result")
    }))

  it("in thousands of random forms crashes nothing and lets the next client in", () =>
    withNetwork({}, async ({ kernel, mint, open, run, sockets, url }) => {
      await open({ name: "open", form: "queue", visibility: "public" })
      const token = await mint({ name: "fuzz", role: "write" })
      const { int, pick } = makeRandom(20_250_601)
      const values: ReadonlyArray<() => unknown> = [
        () => null, () => -1, () => 1e308, () => 2 ** 53, () => 0.5, () => "", () => "open", () => "aaax.journal", () => "x".repeat(int(5_000)), () => [], () => ({}),
        () => ({ __proto__: { a: 1 }, constructor: "x" }), () => Array.from({ length: 50 }, () => ({ payload: int(1_000) })), () => ({ after: pick([-1, "x", null, 5]), limit: pick([0, 1e9, "9"]) }),
        () => ({ cursor: pick([1, -1, "1"]), epoch: pick([0, 1e15]), outcome: pick(["ack", "burn"]) }), () => true
      ]
      const value = (): unknown => pick(values)()
      const frames: ReadonlyArray<() => unknown> = [
        () => ({ frame: "call", id: pick([1, 2, 3, 4_294_967_295]), op: pick(["channels", "append", "read", "event", "awaitBeyond", "take", "settle", "renew", "evict", "clear", "remove", "backlog", "subscription", "advance", "getSnapshot", "putSnapshot", "putArtifact", "getArtifact"]), args: Array.from({ length: int(5) }, value) }),
        () => ({ frame: "call", id: value(), port: value(), op: pick(["read", "toString"]), args: value() }),
        () => ({ frame: "subscribe", id: pick([5, 6]), channel: value(), pattern: pick([undefined, value()]), after: value(), name: value(), filter: value(), credit: value() }),
        () => ({ frame: "subscribe", id: pick([5, 6, 7]), channel: "open", after: 0 }),
        () => ({ frame: "dock", id: 8, port: pick([0, 1, 2]), manifest: value(), lives: value() }),
        () => ({ frame: pick(["credit", "ack", "cancel", "unsubscribe", "undock", "ended", "answer", "ping", "hello"]), id: pick([1, 5, 8]), events: value(), cursor: value(), port: value(), run: value(), value: value() }),
        () => JSON.stringify({ frame: "call", id: 1, op: "append", args: ["open", [{ payload: 1 }]] }).slice(0, int(70)),
        () => "[".repeat(int(100_000)),
        () => `{"frame":"call","id":9,"op":"append","args":["open",[{"payload":${"[".repeat(500)}${"]".repeat(500)}}]]}`,
        () => Buffer.from(Array.from({ length: int(40) }, () => int(256)))
      ]
      const total = 3_000
      let client: WebSocket | undefined
      for (let at = 0; at < total; at++) {
        if (client === undefined || client.readyState !== WebSocket.OPEN) {
          client?.terminate()
          client = (await enter(url, token)).ws
        }
        const made = pick(frames)()
        client.send(typeof made === "string" || made instanceof Uint8Array ? made : JSON.stringify(made))
        // Every so often its refusal is awaited, so that the next ones come to an open socket.
        if (at % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 1))
      }
      client?.terminate()
      await until("all are gone", () => sockets.connections() === 0)
      const last = await enter(url, token)
      expect((await last.call("channels")).frame).toBe("result")
      expect(kernel.systems().filter(({ id }) => id.startsWith("fuzz/"))).toEqual([])
      expect((await run(kernel.verifyAudit)).ok).toBe(true)
    }), 60_000)
})
