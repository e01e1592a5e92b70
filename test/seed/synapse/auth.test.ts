// Credentials, rates and bounds of the synapse wire: who comes in, how fast, and how many.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { describe, expect, it } from "vitest"
import * as Effect from "effect/Effect"
import { decodeConfig } from "../../../kernel/config.ts"
import { synapse } from "../../../kernel/door/synapse.ts"
import { synapseOptions } from "../../../kernel/door/synapse/options.ts"
import { makeReception } from "../../../kernel/door/reception.ts"
import { seatReads } from "../../../protocol/coordination.ts"
import { until } from "../../kit/network.ts"
import type { Frame } from "../../kit/socket.ts"
import { withSynapse, type World } from "../../kit/synapse.ts"

const of = (type: string) => (frame: Frame): boolean => frame.type === type
const secret = "a wire token of the tests"
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

/** Says hello with a token, and gives the frame that answers. */
const present = async ({ connect }: World, name: string, token?: unknown): Promise<{ readonly answer: Frame; readonly client: Awaited<ReturnType<World["connect"]>> }> => {
  const client = await connect()
  client.send({ sender: name, type: "heartbeat", ...(token === undefined ? {} : { token }) })
  return { client, answer: await client.next(({ type }) => type === "welcome" || type === "auth_denied") }
}

describe("credentials of the synapse wire", () => {
  it("[2] [D2] sends nothing to a connection that has presented nothing, whatever happens meanwhile", () =>
    withSynapse({ open: false, tokens: [secret] }, async (world) => {
      const { client: alpha } = await present(world, "alpha", secret)
      const silent = await world.connect()
      alpha.send({ sender: "alpha", type: "chat", target: "BRAVO", payload: "between us" })
      alpha.send({ sender: "alpha", type: "claim", task_id: "t", paths: ["src"] })
      await alpha.next(of("claim_granted"))
      const { client: beta } = await present(world, "beta", secret)
      await beta.next(of("presence_update"))
      expect(silent.frames).toEqual([])
      silent.send("garbage")
      expect(await silent.next(() => true)).toMatchObject({ type: "auth_denied", payload: "Authentication token required." })
      expect(await silent.closed).toMatchObject({ code: 4010 })
      expect(silent.frames).toHaveLength(1)
    }))

  it("[2] lets go of a connection that does not say who it is in time", () =>
    withSynapse({ open: false, tokens: [secret], times: { bindMillis: 30 } }, async ({ connect }) => {
      const silent = await connect()
      expect(await silent.closed).toMatchObject({ code: 4012 })
      expect(silent.frames).toEqual([])
    }))

  it("[21] lets anybody in where it is open", () =>
    withSynapse({}, async ({ agent }) => {
      await (await agent("alpha")).settled()
    }))

  it("[22] asks for a token that is missing", () =>
    withSynapse({ open: false, tokens: [secret] }, async (world) => {
      for (const none of [undefined, "", null, 7]) {
        const { answer, client } = await present(world, "alpha", none)
        expect(answer).toMatchObject({ type: "auth_denied", payload: "Authentication token required.", target: "alpha" })
        expect(await client.closed).toEqual({ code: 4010, reason: "auth denied" })
      }
    }))

  it("[23] refuses a wrong token", () =>
    withSynapse({ open: false, tokens: [secret] }, async (world) => {
      for (const wrong of [`${secret} `, secret.slice(1), "guess"]) {
        const { answer, client } = await present(world, "alpha", wrong)
        expect(answer).toMatchObject({ type: "auth_denied", payload: "Invalid authentication token." })
        expect(await client.closed).toEqual({ code: 4010, reason: "auth denied" })
      }
      expect((await present(world, "alpha", secret)).answer.type).toBe("welcome")
    }))

  it("[24] binds a token of a name to that name and what is below it, and says which other name it refuses", () =>
    withSynapse({ open: false }, async (world) => {
      const token = await world.mint({ name: "bob", role: "write" })
      const { answer, client } = await present(world, "alice", token)
      expect(answer).toMatchObject({ type: "auth_denied", payload: "Token is not authorised for agent 'alice'." })
      expect(await client.closed).toMatchObject({ code: 4010 })
      expect((await present(world, "bobby", token)).answer).toMatchObject({ type: "auth_denied" })
      for (const name of ["bob", "bob/worker"]) expect((await present(world, name, token)).answer.type, name).toBe("welcome")
      const ids = world.kernel.systems().map(({ id }) => id)
      expect(ids).toContain("bob")
      expect(ids).toContain("bob/worker")
    }))

  it("[24] lets a token take part only when its role and its channels allow that", () =>
    withSynapse({ open: false }, async (world) => {
      const reader = await world.mint({ name: "reader", role: "read" })
      const elsewhere = await world.mint({ name: "elsewhere", role: "write", channels: ["news.*"] })
      expect((await present(world, "reader", reader)).answer.type).toBe("auth_denied")
      expect((await present(world, "elsewhere", elsewhere)).answer.type).toBe("auth_denied")
    }))

  it("[24] shows no channel of coordination to a token over another door", () =>
    withSynapse({ open: false }, async ({ kernel, mint, operatorToken, run }) => {
      const token = await mint({ name: "bob", role: "admin" })
      const guest = await run(Effect.scoped(Effect.flatMap(makeReception({ kernel, operatorToken, isLoopback: true }), (reception) =>
        Effect.gen(function*() {
          const found = yield* reception.byToken(token)
          const refused = []
          for (const channel of seatReads) refused.push((yield* Effect.flip(found.port.read(channel)))._tag)
          refused.push((yield* Effect.flip(found.port.append("coordination.requests", [{ payload: { verb: "who" } }])))._tag)
          return { refused, shown: (yield* found.port.channels).map(({ name }) => name) }
        }))))
      expect(guest.refused).toEqual(Array.from({ length: 5 }, () => "ChannelNotFound"))
      expect(guest.shown.filter((name) => name.startsWith("coordination."))).toEqual([])
    }))

  it("[24] takes the operator's token for any free name, and at `/synapse` of the listener as well", () =>
    withSynapse({ shared: true }, async (world) => {
      const { answer, client } = await present(world, "anybody", world.operatorToken)
      expect(answer.type).toBe("welcome")
      client.send({ sender: "anybody", type: "who_request" })
      await client.next(of("who_snapshot"))
      await expect(world.connect({}, "/elsewhere")).rejects.toThrow("refused with 404")
    }))

  it("[25] asks for it once: with the request to upgrade, or with the first frame", () =>
    withSynapse({ open: false, tokens: [secret] }, async (world) => {
      const { client } = await present(world, "alpha", secret)
      client.send({ sender: "alpha", type: "who_request", token: "nonsense now" })
      await client.next(of("who_snapshot"))
      const shown = await world.connect(bearer(secret))
      expect((await shown.next(() => true)).type).toBe("welcome")
      shown.send({ sender: "beta", type: "who_request" })
      await shown.next(of("who_snapshot"))
      await expect(world.connect(bearer("guess"))).rejects.toThrow("refused with 401")
    }))

  it("[25] lets go of a connection whose token is revoked", () =>
    withSynapse({ open: false, times: { lookMillis: 10 } }, async (world) => {
      const token = await world.mint({ name: "bob", role: "write" })
      const { client } = await present(world, "bob", token)
      await client.next(of("presence_update"))
      await world.run(world.kernel.tokens.revoke("bob"))
      expect(await client.closed).toMatchObject({ code: 4010 })
    }))

  it("[25] does nothing for a token that was revoked a moment ago", () =>
    withSynapse({ open: false, times: { lookMillis: 1_000_000 } }, async (world) => {
      const { client } = await present(world, "bob", await world.mint({ name: "bob", role: "write" }))
      await client.next(of("presence_update"))
      await world.run(world.kernel.tokens.revoke("bob"))
      client.send({ sender: "bob", type: "claim", task_id: "t" })
      expect(await client.next((frame) => frame.type !== "welcome")).toMatchObject({ type: "auth_denied", reason_code: "TOKEN_INVALID" })
      expect(await client.closed).toMatchObject({ code: 4010 })
      expect((await world.run(world.kernel.channels.read("aaax", "coordination.ledger"))).events).toEqual([])
    }))

  it("[26] lets nobody in by an empty token, also when there is no other one", () =>
    withSynapse({ open: false, tokens: ["", ""] }, async (world) => {
      for (const token of ["", " ", "x"]) expect((await present(world, "alpha", token)).answer.type).toBe("auth_denied")
    }))

  it("[27] [D3] says no token to anybody: what is relayed, kept and written down has none", () =>
    withSynapse({ open: false, tokens: [secret] }, async (world) => {
      const { client: alpha } = await present(world, "alpha", secret)
      await alpha.next(of("presence_update"))
      const beta = await world.connect()
      beta.send({ sender: "beta", type: "chat", payload: "first", token: secret })
      await beta.next(of("chat"))
      beta.send({ sender: "beta", type: "history_request" })
      await beta.next(of("history_snapshot"))
      const kept: Array<unknown> = []
      for (const { name } of world.kernel.channels.all()) {
        const { events } = await world.run(world.kernel.channels.read("aaax", name, { fullLog: true, limit: 1_000 }))
        kept.push(events)
      }
      for (const told of [alpha.frames, beta.frames, kept]) expect(JSON.stringify(told)).not.toContain(secret)
      expect(JSON.stringify(kept)).toContain("first")
    }))

  it("[28] is opened without a credential on a loopback address alone, and nowhere in the clear", () =>
    withSynapse({}, async ({ kernel, operatorToken, run }) => {
      const listen = (options: object): Promise<unknown> =>
        run(Effect.scoped(Effect.gen(function*() {
          const door = yield* synapse(kernel, { port: 0, ...options })
          return yield* door.listen(yield* makeReception({ kernel, operatorToken, isLoopback: true }))
        })))
      await expect(listen({ host: "0.0.0.0", open: true })).rejects.toThrow("loopback addresses only")
      await expect(listen({ host: "0.0.0.0", tokens: [secret] })).rejects.toThrow("in the clear")
      await expect(listen({ host: "127.0.0.1" })).resolves.toMatchObject({ open: false })
    }))

  it("[28] [D22] turns away pages of other origins, and names that are not its own", () =>
    withSynapse({}, async ({ connect, port }) => {
      await expect(connect({ origin: "https://evil.example" })).rejects.toThrow("refused with 403")
      await expect(connect({ headers: { host: "evil.example" } })).rejects.toThrow("refused with 403")
      await expect(connect({ headers: { host: `localhost:${port}` } }, "/any/path")).resolves.toBeDefined()
    }))

  it("[D22] lets pages of listed origins in, at its own port", async () => {
    const config = await Effect.runPromise(decodeConfig({ network: { synapse: { port: 8876, open: true, origins: ["http://localhost:5173"] } } }, "test"))
    const { origins } = await Effect.runPromise(synapseOptions(config.network.synapse, config.secrets, "/"))
    await withSynapse(origins === undefined ? {} : { origins }, async ({ connect }) => {
      await expect(connect({ origin: "http://localhost:5173" })).resolves.toBeDefined()
      for (const origin of ["http://localhost:5174", "https://localhost:5173", "null"]) await expect(connect({ origin })).rejects.toThrow("refused with 403")
    })
  })

  it("[28] reads its tokens from the environment, from files and from secrets", async () => {
    process.env["SYNAPSE_TEST_TOKEN"] = "from the environment"
    const config = await Effect.runPromise(decodeConfig({
      secrets: { WIRE: { from: "env:SYNAPSE_TEST_TOKEN" } }, network: { synapse: { port: 8876, token: ["env:SYNAPSE_TEST_TOKEN", "secret:WIRE", "plain text", ""] } }
    }, "test"))
    const options = await Effect.runPromise(synapseOptions(config.network.synapse, config.secrets, "/"))
    expect(options).toMatchObject({ port: 8876, open: false, tokens: ["from the environment", "from the environment", "plain text", ""] })
    const file = join(mkdtempSync(join(tmpdir(), "aaax-token-")), "token")
    const fromFile = () => Effect.runPromise(synapseOptions({ ...config.network.synapse, token: "file:token" }, {}, dirname(file)))
    try {
      writeFileSync(file, "from a file\n", { mode: 0o644 })
      await expect(fromFile()).rejects.toThrow("others may read")
      chmodSync(file, 0o600)
      expect(await fromFile()).toMatchObject({ tokens: ["from a file"] })
    } finally {
      rmSync(dirname(file), { recursive: true })
    }
    await expect(Effect.runPromise(synapseOptions({ ...config.network.synapse, token: "secret:NOWHERE" }, config.secrets, "/"))).rejects.toThrow("there is no secret NOWHERE")
    const missing = Effect.runPromise(synapseOptions({ ...config.network.synapse, token: "env:SYNAPSE_TEST_NOWHERE" }, {}, "/"))
    await expect(missing).rejects.toThrow("SYNAPSE_TEST_NOWHERE")
  })
})

describe("how fast a client of the synapse wire may be", () => {
  const answers = async (send: (count: number) => void, next: (isSo: (frame: Frame) => boolean) => Promise<Frame>, count: number): Promise<{ readonly heard: number; readonly limited: number }> => {
    send(count)
    let heard = 0
    let limited = 0
    while (heard + limited < count) {
      const frame = await next(({ type }) => type === "who_snapshot" || type === "error")
      if (frame.type === "error") {
        expect(frame).toMatchObject({ payload: "Rate limit exceeded.", reason_code: "RATE_LIMITED" })
        limited++
      } else heard++
    }
    return { heard, limited }
  }
  /** So slow that nothing comes back while a test runs. */
  const rate = 0.001

  it("[29] [31] is bounded at once by the burst, for each agent by itself", () =>
    withSynapse({ rate, burst: 5 }, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const flood = (of: typeof alpha) => answers((count) => {
        for (let at = 0; at < count; at++) of.say("who_request")
      }, of.next, 8)
      expect(await flood(alpha)).toEqual({ heard: 5, limited: 3 })
      expect(await flood(beta)).toEqual({ heard: 5, limited: 3 })
    }))

  it("[29] [31] gets back what it has per second, and no more than the burst", () =>
    withSynapse({ rate: 500, burst: 3 }, async ({ agent }) => {
      const alpha = await agent("alpha")
      const { heard } = await answers((count) => {
        for (let at = 0; at < count; at++) alpha.say("who_request")
      }, alpha.next, 200)
      expect(heard).toBeGreaterThanOrEqual(3)
      expect(heard).toBeLessThan(200)
      // After a while it is heard again.
      await until("there is room", async () => {
        alpha.say("who_request")
        return (await alpha.next(({ type }) => type === "who_snapshot" || type === "error")).type === "who_snapshot"
      })
    }))

  it("[30] does not count heartbeats among messages, and bounds them generously", () =>
    withSynapse({ rate, burst: 3 }, async ({ agent }) => {
      const alpha = await agent("alpha")
      for (let at = 0; at < 40; at++) alpha.say("heartbeat")
      expect(await answers((count) => {
        for (let at = 0; at < count; at++) alpha.say("who_request")
      }, alpha.next, 4)).toEqual({ heard: 3, limited: 1 })
      for (let at = 0; at < 60; at++) alpha.say("heartbeat")
      expect(await alpha.next(of("error"))).toMatchObject({ payload: "Rate limit exceeded." })
    }))

  it("[30] counts what cannot be read with the heartbeats", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      for (let at = 0; at < 90; at++) alpha.send("{")
      expect((await alpha.next((frame) => frame.reason_code === "RATE_LIMITED")).payload).toBe("Rate limit exceeded.")
    }))

  it("[32] [D17] gives nothing back to who connects again, under its name or another", () =>
    withSynapse({ rate, burst: 5 }, async ({ agent }) => {
      let heard = 0
      for (const name of ["alpha", "alpha", "beta", "gamma"]) {
        const client = await agent(name)
        heard += (await answers((count) => {
          for (let at = 0; at < count; at++) client.say("who_request")
        }, client.next, 6)).heard
        await client.leave()
      }
      expect(heard).toBe(5)
    }))

  it("[32] charges a token, however many of its names are connected", () =>
    withSynapse({ open: false, rate, burst: 5 }, async (world) => {
      const token = await world.mint({ name: "bob", role: "write" })
      let heard = 0
      for (const name of ["bob", "bob/1", "bob/2"]) {
        const { client } = await present(world, name, token)
        heard += (await answers((count) => {
          for (let at = 0; at < count; at++) client.send({ sender: name, type: "who_request" })
        }, client.next, 4)).heard
      }
      expect(heard).toBe(5)
    }))

  it("[29] binds who is over the rate with its first frame, and refuses the frame", () =>
    withSynapse({ rate, burst: 1 }, async ({ agent, connect }) => {
      const alpha = await agent("alpha")
      await alpha.settled()
      await alpha.leave()
      const beta = await connect()
      beta.send({ sender: "beta", type: "who_request" })
      expect((await beta.next(of("error"))).payload).toBe("Rate limit exceeded.")
      beta.send({ sender: "gamma", type: "heartbeat" })
      expect(await beta.closed).toMatchObject({ code: 4009, reason: "name switch" })
    }))

  it("leaves room for who has a token, however many come that have none", () =>
    withSynapse({ open: false, tokens: [secret], clients: 8 }, async (world) => {
      const strangers = [await world.connect(), await world.connect()]
      expect(await (await world.connect()).closed).toMatchObject({ code: 4014 })
      expect((await (await world.connect(bearer(secret))).next(() => true)).type).toBe("welcome")
      strangers[0]!.ws.close()
      await until("one is gone", () => world.hub().connections() === 2)
      expect((await present(world, "alpha", secret)).answer.type).toBe("welcome")
    }))

  it("is bounded in number, and for each address by itself", () =>
    withSynapse({ clients: 3, perHost: 2 }, async ({ agent, connect }) => {
      await agent("alpha")
      await agent("beta")
      expect(await (await connect()).closed).toMatchObject({ code: 4015 })
    }).then(() => withSynapse({ clients: 2 }, async ({ agent, connect, hub }) => {
      await agent("alpha")
      const beta = await agent("beta")
      expect(await (await connect()).closed).toMatchObject({ code: 4013 })
      await beta.leave()
      await until("there is room", () => hub().connections() === 1)
      await agent("gamma")
    })))
})
