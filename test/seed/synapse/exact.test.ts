// The synapse wire where it is easily almost right: what is heard once, what fits into one frame and what does not, and what is
// said to whom asks too much.
import { networkInterfaces } from "node:os"
import { createServer } from "node:net"
import { describe, expect, it, vi } from "vitest"
import { WebSocket } from "ws"
import { SynapseHub } from "../../../kernel/synapse-hub.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import type { Frame } from "../../kit/socket.ts"
import { connect, withSynapse, type Agent } from "../../kit/synapse.ts"

const of = (type: string) => (frame: Frame): boolean => frame.type === type
const count = (agent: Agent, type: string): number => agent.frames.filter(of(type)).length

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" ? address?.port ?? 0 : 0))
    })
  })

/** The first frame, or what was said instead; "not yet" while nobody listens. */
const knock = (url: string): Promise<string> =>
  new Promise((resolve) => {
    const ws = new WebSocket(url)
    ws.on("message", (data) => {
      resolve(JSON.parse(String(data)).type)
      ws.terminate()
    })
    ws.on("unexpected-response", (_, { statusCode }) => resolve(String(statusCode)))
    ws.on("error", () => resolve("not yet"))
  })

describe("the synapse wire, exactly", () => {
  it("[107] tells everybody of a card once, whoever advertised it as well", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const card = await alpha.ask("advertise", { description: "d", skills: ["s"], request_id: "r" }, "capability_advertised")
      expect(card).toMatchObject({ target: "all", agent: "alpha", request_id: "r" })
      await alpha.settled()
      await beta.settled()
      expect([count(alpha, "capability_advertised"), count(beta, "capability_advertised")]).toEqual([1, 1])
    }))

  it("[19] pings once in a silence", () =>
    withSynapse({ times: { pingMillis: 30, pongMillis: 400, lookMillis: 5 } }, async ({ connect: open }) => {
      const dead = await open({ autoPong: false })
      let pings = 0
      dead.ws.on("ping", () => pings++)
      dead.send({ sender: "dead", type: "heartbeat" })
      expect(await dead.closed).toMatchObject({ code: 1013 })
      expect(pings).toBe(1)
    }))

  it("[106] refuses a capacity that would have to be cut", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      expect(await alpha.ask("resource", { kind: "k", name: "n", capacity: 1.5 }, "error")).toMatchObject({ payload: "Field 'capacity' must be a whole number.", reason_code: "INVALID" })
      expect(await alpha.ask("resource", { kind: "k", name: "n", capacity: 2 }, "resource_offered")).toMatchObject({ key: "alpha:k:n" })
    }))

  it("[18] says of a request that is too large for an event that it is, and not that nobody is there", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const head = `{"sender":"alpha","type":"chat","payload":"`
      alpha.send(`${head}${"x".repeat(1_048_576 - head.length - 2)}"}`)
      expect(await alpha.next(of("error"))).toMatchObject({ reason_code: "INVALID", payload: expect.stringContaining("at most") })
      expect(await alpha.ask("claim", { task_id: "t" }, "claim_granted")).toMatchObject({ owner: "alpha" })
    }))

  it("[18] says no more of a task's name than a task may have, so that its refusal fits into a frame", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const refused = await alpha.ask("claim", { task_id: "t".repeat(1_000_000) }, "claim_denied")
      expect(refused).toMatchObject({ reason_code: "INVALID", task_id: "t".repeat(512) })
      expect(JSON.stringify(refused).length).toBeLessThan(2_000)
    }))

  it("[8] [13] says no more of a name than one may have, so that its refusal fits into a frame", () =>
    withSynapse({}, async ({ agent, connect: open }) => {
      const long = "n".repeat(1_000_000)
      const shown = `${"n".repeat(256)}…`
      const alpha = await agent("alpha")
      alpha.send({ sender: long, type: "chat" })
      expect(await alpha.next(of("name_conflict"))).toMatchObject({ payload: `Sender name switch denied: 'alpha' -> '${shown}'. Reconnect with a new --name.` })
      expect(await alpha.closed).toEqual({ code: 4009, reason: "name switch" })
      const other = await open()
      other.send({ sender: long, type: "chat" })
      expect(await other.next(of("name_conflict"))).toMatchObject({ target: shown, reason_code: "NAME_INVALID" })
    }))

  it("[13] [22] ends the connection of who is refused as soon as it has answered the close, without the time that is for those who do not", () =>
    withSynapse({ open: false, tokens: ["good"] }, async ({ connect: open }) => {
      const refused = await Promise.all([open(), open()])
      vi.useFakeTimers({ toFake: ["setTimeout"] })
      try {
        refused[0].send({ sender: "all", type: "heartbeat", token: "good" })
        refused[1].send({ sender: "alpha", type: "heartbeat" })
        expect(await Promise.all(refused.map(({ closed }) => closed))).toEqual([{ code: 4009, reason: "name invalid" }, { code: 4010, reason: "auth denied" }])
      } finally {
        vi.useRealTimers()
      }
    }))

  it("[119] fills a frame with the board, and says when notes of it found no room", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const note = async (): Promise<unknown> => alpha.ask("ledger_progress", { text: "n".repeat(16_000) }, "ledger_progress_posted")
      for (let at = 0; at < 40; at++) await note()
      const whole = await alpha.ask("board_request", {}, "board_snapshot")
      expect([whole.board.progress.length, whole.truncated]).toEqual([40, undefined])
      for (let at = 0; at < 30; at++) await note()
      const cut = await alpha.ask("board_request", {}, "board_snapshot")
      expect([cut.board.progress.length, cut.truncated]).toEqual([55, true])
    }))

  it("[D13] fills a frame with the state, whatever is written in it", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      for (let at = 0; at < 80; at++) await alpha.ask("claim", { task_id: `t${at}`, note: "n".repeat(8_000) }, "claim_granted")
      const whole = await alpha.ask("state_request", {}, "state_snapshot")
      expect([whole.snapshot.active_claims.length, whole.truncated]).toEqual([80, undefined])
      for (let at = 80; at < 120; at++) await alpha.ask("claim", { task_id: `t${at}`, note: "n".repeat(8_000) }, "claim_granted")
      const cut = await alpha.ask("state_request", {}, "state_snapshot")
      expect([cut.snapshot.active_claims.length > 80, cut.truncated]).toEqual([true, true])
    }))

  it("tells everybody that it goes down before its port closes", async () => {
    const hub = await new SynapseHub({ port: 0, coordinator: coordinator() }).start()
    const client = await connect(hub.uri)
    client.send({ sender: "alpha", type: "heartbeat" })
    await client.next(of("presence_update"))
    await hub.stop()
    expect(await client.closed).toEqual({ code: 1001, reason: "the hub is going down" })
  })

  it("[1] lets in whoever comes in the moment in which its port opens, at both addresses of localhost", async () => {
    const port = await freePort()
    const hub = new SynapseHub({ host: "localhost", port, coordinator: coordinator() })
    const started = hub.start()
    const addresses = Object.values(networkInterfaces()).flat().some((one) => one?.address === "::1") ? ["127.0.0.1", "[::1]"] : ["127.0.0.1"]
    const first = async (address: string): Promise<string> => {
      let said = "not yet"
      while (said === "not yet") said = await knock(`ws://${address}:${port}`)
      return said
    }
    try {
      expect(await Promise.all(addresses.map(first))).toEqual(addresses.map(() => "welcome"))
    } finally {
      await started
      await hub.stop()
    }
  })
})
