// Sessions and names on the synapse wire: who is welcomed, bound, told of and let go.
import { describe, expect, it } from "vitest"
import { WebSocket } from "ws"
import { systemOfSeat } from "../../../protocol/coordination.ts"
import { until } from "../../kit/network.ts"
import type { Frame } from "../../kit/socket.ts"
import { withSynapse } from "../../kit/synapse.ts"

const presence = (event: string, agent: string) => (frame: Frame): boolean => frame.type === "presence_update" && frame.event === event && frame.agent === agent
const of = (type: string) => (frame: Frame): boolean => frame.type === type

describe("a session of the synapse wire", () => {
  it("[1] begins with a welcome that names the hub, counts the clients and lists who is online without the newcomer", () =>
    withSynapse({}, async ({ agent, connect }) => {
      await agent("beta")
      await agent("alpha")
      const { frames, next } = await connect()
      const welcome = await next(of("welcome"))
      expect(frames[0]).toBe(welcome)
      expect(welcome).toMatchObject({ sender: "SynapseHub", target: "self", payload: "Welcome to Synapse", connected_clients: 3, online_agents: ["alpha", "beta"] })
      expect(welcome.hub_id).toMatch(/^syn-[0-9a-f]{8}$/u)
      expect(welcome.timestamp).toBeTypeOf("number")
    }))

  it("[3] binds the name with its first frame, and tells everybody once that it joined, itself included", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      await alpha.settled()
      await beta.settled()
      for (const { frames } of [alpha, beta]) {
        const told = frames.filter(presence("joined", "beta"))
        expect(told).toHaveLength(1)
        expect(told[0]).toMatchObject({ sender: "SynapseHub", target: "all", payload: "Presence update", online_agents: ["alpha", "beta"] })
      }
    }))

  it("[3] handles the first frame as well: whoever begins with a chat is bound, and heard", () =>
    withSynapse({}, async ({ agent, connect }) => {
      const alpha = await agent("alpha")
      const beta = await connect()
      beta.send({ sender: "beta", type: "chat", payload: "first" })
      expect(await alpha.next(of("chat"))).toMatchObject({ sender: "beta", payload: "first" })
      const types = alpha.frames.map(({ agent: who, sender, type }) => [type, who ?? sender])
      expect(types.findIndex(([type, who]) => type === "presence_update" && who === "beta")).toBeLessThan(types.findIndex(([type]) => type === "chat"))
    }))

  it("[4] tells nobody of later frames that somebody came", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      for (const type of ["heartbeat", "who_request", "heartbeat", "chat"]) alpha.say(type)
      await alpha.settled()
      expect(alpha.frames.filter(of("presence_update"))).toHaveLength(1)
    }))

  it("[5] names who gives no name, each otherwise, and says that name in what it relays", () =>
    withSynapse({}, async ({ connect }) => {
      const [one, two] = [await connect(), await connect()]
      one.send({ type: "chat", payload: "anonymous one" })
      const first = await two.next(of("chat"))
      two.send({ sender: "  ", type: "chat", payload: "anonymous two" })
      const second = await one.next((frame) => frame.payload === "anonymous two")
      expect(first.sender).toMatch(/^anon-.+/u)
      expect(second.sender).toMatch(/^anon-.+/u)
      expect(second.sender).not.toBe(first.sender)
      one.send({ type: "chat", payload: "again" })
      expect((await two.next((frame) => frame.payload === "again")).sender).toBe(first.sender)
    }))

  it("[6] trims the name before it binds it, and relays it trimmed", () =>
    withSynapse({}, async ({ agent, connect }) => {
      const alpha = await agent("alpha")
      const beta = await connect()
      beta.send({ sender: "  beta\t", type: "chat", payload: "hi" })
      expect((await alpha.next(of("chat"))).sender).toBe("beta")
      beta.send({ sender: "beta ", type: "chat", payload: "again" })
      expect((await alpha.next((frame) => frame.payload === "again")).sender).toBe("beta")
    }))

  it("[7] refuses a name that is live, and leaves its holder alone", () =>
    withSynapse({}, async ({ agent, connect }) => {
      const alpha = await agent("alpha")
      const twin = await connect()
      twin.send({ sender: "alpha", type: "chat", payload: "it is me" })
      expect(await twin.next(of("name_conflict"))).toMatchObject({
        payload: "Name 'alpha' is already online from another session. Use a unique --name.", reason_code: "NAME_CONFLICT"
      })
      expect(await twin.closed).toEqual({ code: 4009, reason: "name conflict" })
      await alpha.settled()
      expect(alpha.frames.filter(({ type }) => type === "chat" || type === "name_conflict")).toEqual([])
      expect(alpha.frames.filter(of("presence_update"))).toHaveLength(1)
    }))

  it("[7] gives a name to one of two that ask for it at once", () =>
    withSynapse({}, async ({ connect }) => {
      const both = [await connect(), await connect()]
      for (const one of both) one.send({ sender: "alpha", type: "heartbeat" })
      const code = await Promise.race(both.map(({ closed }) => closed))
      expect(code).toMatchObject({ code: 4009 })
      expect(both.filter(({ ws }) => ws.readyState === WebSocket.OPEN)).toHaveLength(1)
    }))

  it("[8] lets nobody go by another name than the one that it bound, and names both", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      beta.send({ sender: "gamma", type: "chat", payload: "hi" })
      expect(await beta.next(of("name_conflict"))).toMatchObject({ payload: "Sender name switch denied: 'beta' -> 'gamma'. Reconnect with a new --name." })
      expect(await beta.closed).toEqual({ code: 4009, reason: "name switch" })
      await alpha.next(presence("left", "beta"))
      expect(alpha.frames.filter(of("chat"))).toEqual([])
    }))

  it("[9] takes an empty name on a bound connection as another one", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      alpha.send({ sender: "", type: "chat", payload: "hi" })
      expect((await alpha.next(of("name_conflict"))).payload).toMatch(/^Sender name switch denied: 'alpha' -> 'anon-/u)
      expect(await alpha.closed).toMatchObject({ code: 4009, reason: "name switch" })
    }))

  it("[10] tells that somebody left, with the others sorted, and the name is free at once", () =>
    withSynapse({}, async ({ agent }) => {
      const zeta = await agent("zeta")
      const beta = await agent("beta")
      await agent("alpha")
      await zeta.next(presence("joined", "beta"))
      await beta.leave()
      expect(await zeta.next(presence("left", "beta"))).toMatchObject({ online_agents: ["alpha", "zeta"] })
      await agent("beta")
      expect(await zeta.next(presence("joined", "beta"))).toMatchObject({ online_agents: ["alpha", "beta", "zeta"] })
    }))

  it("[11] tells nobody of a connection that ends unbound", () =>
    withSynapse({}, async ({ agent, connect, hub }) => {
      const alpha = await agent("alpha")
      const stranger = await connect()
      await stranger.next(of("welcome"))
      stranger.ws.close()
      await until("it is gone", () => hub().connections() === 1)
      await alpha.settled()
      expect(alpha.frames.filter(of("presence_update"))).toHaveLength(1)
    }))

  it("[12] tells the asker alone who is online, and how many are connected", () =>
    withSynapse({}, async ({ agent, connect }) => {
      const beta = await agent("beta")
      const alpha = await agent("alpha")
      await (await connect()).next(of("welcome"))
      expect(await alpha.ask("who_request", {}, "who_snapshot")).toMatchObject({
        target: "alpha", payload: "Who snapshot", online_agents: ["alpha", "beta"], connected_clients: 3
      })
      await beta.next(presence("joined", "alpha"))
      expect(beta.frames.filter(of("who_snapshot"))).toEqual([])
    }))

  it("[13] refuses names that are the hub's, mean everybody, hold what targets are made of, or are too long, with one code", () =>
    withSynapse({}, async ({ connect, hub }) => {
      const names = ["SynapseHub", "synapsehub", "System", "all", "ALL", "operator", "a,b", "p/*", "line\nbreak", "bell\u0007", "x".repeat(257), "é".repeat(129), "x".repeat(195)]
      for (const name of names) {
        const client = await connect()
        client.send({ sender: name, type: "chat", payload: "hi" })
        expect(await client.next(({ type }) => type !== "welcome"), name).toMatchObject({ type: "name_conflict", reason_code: "NAME_INVALID" })
        expect(await client.closed, name).toMatchObject({ code: 4009 })
      }
      await until("all are gone", () => hub().connections() === 0)
    }))

  it("[13] takes names of people and projects as they are: spaces, slashes, colons, other scripts", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      for (const name of ["project/claude-1", "Jörg Müller", "agent:7", "名前", "a..b", "~tilde", "100%", "."]) {
        await agent(name)
        expect(kernel.systems().some(({ id }) => id === systemOfSeat(name)), name).toBe(true)
      }
    }))

  it("[13] [D4] gives no name away that a system of the constellation has, or a token", () =>
    withSynapse({}, async ({ connect, mint }) => {
      await mint({ name: "bob", role: "write" })
      for (const name of ["coordinator", "bob", "test"]) {
        const client = await connect()
        client.send({ sender: name, type: "heartbeat" })
        expect(await client.next(of("name_conflict")), name).toMatchObject({ reason_code: "NAME_CONFLICT" })
        expect(await client.closed).toMatchObject({ code: 4009, reason: "name conflict" })
      }
    }))

  it("[14] reads types without regard to case and space; without one it is a chat", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      expect(await alpha.ask("  WHO_Request ", {}, "who_snapshot")).toBeDefined()
      alpha.send({ sender: "alpha", payload: "no type" })
      expect(await alpha.next(of("chat"))).toMatchObject({ payload: "no type", type: "chat" })
    }))

  it("[15] says which type it does not know, to the sender alone, who stays", () =>
    withSynapse({}, async ({ agent }) => {
      const beta = await agent("beta")
      const alpha = await agent("alpha")
      expect(await alpha.ask("Frobnicate", {}, "error")).toMatchObject({ target: "alpha", payload: "Unknown message type 'frobnicate'.", reason_code: "UNKNOWN_TYPE" })
      await alpha.settled()
      await beta.settled()
      expect(beta.frames.filter(of("error"))).toEqual([])
    }))

  it("[16] answers text that is no JSON, and goes on", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      for (const text of ["{", "", "not json", '{"a":1,}']) {
        alpha.send(text)
        expect(await alpha.next(of("error")), text).toMatchObject({ target: "all", payload: "Malformed JSON.", reason_code: "MALFORMED" })
      }
      await alpha.settled()
    }))

  it("[17] [D10] answers frames that are no objects, hold half characters, no numbers or endless nesting, and goes on", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const wrong = [
        "[]", "7", "null", '"chat"', '{"sender":"alpha","type":"chat","payload":NaN}', '{"sender":"alpha","type":"claim","task_id":"t","ttl_seconds":Infinity}',
        '{"sender":"alpha","type":"chat","payload":"\\ud800"}', '{"sender":"alpha","type":"chat","x\\udc00":1}',
        `{"sender":"alpha","type":"advertise","meta":{"deep":${"[".repeat(70)}${"]".repeat(70)}}}`, `{"sender":"alpha","x":${"[".repeat(100_000)}${"]".repeat(100_000)}}`
      ]
      for (const text of wrong) {
        alpha.send(text)
        expect(await alpha.next(of("error")), text.slice(0, 80)).toMatchObject({ reason_code: "MALFORMED" })
      }
      await alpha.settled()
      await beta.settled()
      expect(beta.frames.filter(({ type }) => type !== "presence_update" && type !== "welcome" && type !== "who_snapshot")).toEqual([])
      // A whole character in two escapes is one.
      alpha.send('{"sender":"alpha","type":"chat","payload":"\\ud83d\\ude00"}')
      expect((await beta.next(of("chat"))).payload).toBe("😀")
    }))

  it("[17] reads binary frames as text", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      alpha.ws.send(Buffer.from(JSON.stringify({ sender: "alpha", type: "chat", payload: "in bytes" })), { binary: true })
      expect((await alpha.next(of("chat"))).payload).toBe("in bytes")
    }))

  it("[18] lets go of who sends more than a frame may hold, with the limit, and of nobody else", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const frame = { sender: "beta", type: "unheard of", payload: "" }
      const whole = (bytes: number): string => JSON.stringify({ ...frame, payload: "x".repeat(bytes - JSON.stringify(frame).length) })
      beta.send(whole(1_048_576))
      await beta.next(of("error"))
      beta.send(whole(1_048_577))
      expect(await beta.closed).toEqual({ code: 1009, reason: "frames have at most 1048576 bytes" })
      await alpha.next(presence("left", "beta"))
      await alpha.settled()
    }))

  it("[19] pings who is silent, and lets go of who does not answer; the name is free", () =>
    withSynapse({ times: { pingMillis: 60, pongMillis: 60, lookMillis: 10 } }, async ({ agent, connect, hub }) => {
      const alpha = await agent("alpha")
      const pinged = new Promise((resolve) => alpha.ws.once("ping", resolve))
      const dead = await connect({ autoPong: false })
      dead.send({ sender: "beta", type: "heartbeat" })
      await pinged
      await alpha.next(presence("left", "beta"))
      expect(hub().connections()).toBe(1)
      await agent("beta")
    }))

  const endless = Number.POSITIVE_INFINITY
  for (const [what, times] of [["for long", { stuckMillis: 300, outboxBytes: endless }], ["much", { stuckMillis: endless, outboxBytes: 1_000_000 }]] as const) {
    it(`[20] [D1] lets go of who leaves ${what} unread while others have their answers, and it can go on where it was`, () =>
      withSynapse({ times: { ...times, lookMillis: 20 } }, async ({ agent, hub }) => {
        const writer = await agent("writer")
        const slow = await agent("slow")
        const other = await agent("other")
        writer.say("chat", { payload: "before" })
        const { msg_id: seen } = await slow.next(of("chat"))
        slow.ws.pause()
        const payload = "x".repeat(100_000)
        let sent = 0
        while (hub().dropped() === 0) {
          writer.say("chat", { payload })
          sent++
          await writer.next((frame) => frame.type === "chat" && frame.payload === payload)
          await other.ask("who_request", {}, "who_snapshot")
          if (sent > 400) throw new Error("nobody was let go")
        }
        await other.next(presence("left", "slow"))
        slow.ws.terminate()
        const back = await agent("slow")
        const resumed = await back.ask("resume_request", { since: seen }, "resume_snapshot")
        expect(resumed.messages[0]).toMatchObject({ msg_id: seen + 1 })
        expect(hub().outboxBytes()).toBeLessThan(4 * 1_048_576)
      }))
  }

  it("writes nothing into the journal, however often somebody comes and goes", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      await (await agent("first")).leave()
      const head = kernel.status().journalHead
      for (let round = 0; round < 5; round++) await (await agent("looper")).leave()
      expect(kernel.status().journalHead).toBe(head)
    }))

  it("keeps an operator's word about a seat: one that is revoked may not ask when it comes again", () =>
    withSynapse({}, async ({ agent, connect, kernel, run }) => {
      const alpha = await agent("alpha")
      await run(kernel.revoke(systemOfSeat("alpha")))
      expect(await alpha.ask("who_request", {}, "error")).toMatchObject({ reason_code: "UNAVAILABLE" })
      await alpha.leave()
      const again = await connect()
      again.send({ sender: "alpha", type: "who_request" })
      expect(await again.next(({ type }) => type === "error" || type === "who_snapshot")).toMatchObject({ type: "error" })
    }))

  it("lets nobody else dock below the names of its seats", () =>
    withSynapse({}, async ({ kernel, mint, run }) => {
      await expect(run(kernel.dock({ manifest: { ...(await import("../../../protocol/manifest.ts")).emptyManifest("synapse/alpha") } }))).rejects.toThrow("seats that come over a door")
      await expect(mint({ name: "synapse/alpha", role: "write" })).rejects.toThrow()
    }))
})
