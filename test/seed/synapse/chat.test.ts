// Chat on the synapse wire: who hears what, what is kept of it, and how it is gone on with.
import { describe, expect, it } from "vitest"
import { addressesProject, isDirected, isRecipient, wakes } from "../../../protocol/target.ts"
import type { Frame } from "../../kit/socket.ts"
import { withSynapse, type Agent } from "../../kit/synapse.ts"

const of = (type: string) => (frame: Frame): boolean => frame.type === type
const saying = (payload: string) => (frame: Frame): boolean => frame.type === "chat" && frame.payload === payload

/** Says something and gives what everybody was told. */
const say = async (agent: Agent, payload: string, fields: object = {}): Promise<Frame> => {
  agent.say("chat", { payload, ...fields })
  return agent.next(saying(payload))
}

describe("chat on the synapse wire", () => {
  it("[33] reaches every connection, the sender's included, with ids that grow by one", () =>
    withSynapse({}, async ({ agent, connect }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      const stranger = await connect()
      const welcome = await stranger.next(of("welcome"))
      const first = await say(alpha, "one", { target: "beta" })
      expect(first).toMatchObject({ sender: "alpha", target: "beta", type: "chat", hub_id: welcome.hub_id })
      expect((await say(beta, "two")).msg_id).toBe(first.msg_id + 1)
      for (const client of [alpha, beta, stranger]) {
        if (client === stranger) expect(await client.next(saying("one"))).toEqual(first)
        expect(client.frames.filter(saying("one"))).toEqual([first])
      }
    }))

  it("[34] [D19] has the hub's time; the sender's own is kept beside it when it is a number", () =>
    withSynapse({}, async ({ agent, kernel }) => {
      const alpha = await agent("alpha")
      const at = kernel.channels.clock.now() / 1_000
      expect(await say(alpha, "given", { timestamp: 12.5 })).toMatchObject({ timestamp: at, client_timestamp: 12.5 })
      for (const timestamp of ["yesterday", null, true]) {
        const told = await say(alpha, `not ${timestamp}`, { timestamp })
        expect(told.timestamp).toBe(at)
        expect(told).not.toHaveProperty("client_timestamp")
      }
      alpha.send('{"sender":"alpha","type":"chat","payload":"endless","timestamp":1e999}')
      expect(await alpha.next(saying("endless"))).not.toHaveProperty("client_timestamp")
    }))

  it("[35] keeps the fields that chat has, and no others", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const told = await say(alpha, "fields", {
        priority: true, client_msg_id: "mine-1", receipt_requested: true, token: "secret", msg_id: 99, hub_id: "syn-forged", anything: { at: "all" }, replayed: true
      })
      expect(told).toEqual({
        sender: "alpha", target: "all", type: "chat", payload: "fields", timestamp: told.timestamp, hub_id: told.hub_id, msg_id: told.msg_id,
        priority: true, client_msg_id: "mine-1", receipt_requested: true
      })
      expect(told.hub_id).not.toBe("syn-forged")
      expect(told.msg_id).not.toBe(99)
    }))

  it("[35] [96] echoes a client's own id of at most 256 bytes", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      expect((await say(alpha, "long", { client_msg_id: "x".repeat(256) })).client_msg_id).toHaveLength(256)
      expect(await alpha.ask("chat", { payload: "longer", client_msg_id: "é".repeat(129) }, "error")).toMatchObject({ reason_code: "INVALID" })
    }))

  it("[36] tells the history whole, or its last messages", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const told: Array<Frame> = []
      for (const text of ["one", "two", "three", "four"]) told.push(await say(alpha, text))
      const history = (limit?: unknown): Promise<Frame> => alpha.ask("history_request", limit === undefined ? {} : { limit }, "history_snapshot")
      expect(await history()).toMatchObject({ payload: "History snapshot", target: "alpha", history: told, requested_limit: "all" })
      expect(await history(2)).toMatchObject({ history: told.slice(2), requested_limit: 2 })
      expect(await history(100)).toMatchObject({ history: told, requested_limit: 100 })
      for (const few of [0, -3]) expect(await history(few)).toMatchObject({ history: told.slice(3), requested_limit: 1 })
      for (const bad of ["many", null, {}, true]) expect(await history(bad)).toMatchObject({ history: told, requested_limit: "all" })
    }))

  it("[37] keeps the newest messages, as many as it is told to, and says that older ones are gone", () =>
    withSynapse({ coordinator: { historyMax: 3 } }, async ({ agent }) => {
      const alpha = await agent("alpha")
      const told: Array<Frame> = []
      for (const text of ["one", "two", "three", "four", "five"]) told.push(await say(alpha, text))
      expect(await alpha.ask("history_request", {}, "history_snapshot")).toMatchObject({ history: told.slice(2), requested_limit: "all", truncated: true })
      expect(await alpha.ask("resume_request", { since: 1 }, "resume_snapshot")).toMatchObject({ messages: told.slice(2), gap: true })
      expect(await alpha.ask("resume_request", { since: 2 }, "resume_snapshot")).not.toHaveProperty("gap")
    }))

  it("[38] resumes behind a message, in order; a bad cursor is the beginning", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const told: Array<Frame> = []
      for (const text of ["one", "two", "three"]) told.push(await say(alpha, text))
      const resume = (since: unknown): Promise<Frame> => alpha.ask("resume_request", { since }, "resume_snapshot")
      expect(await resume(told[0].msg_id)).toMatchObject({ payload: "Resume snapshot", since: told[0].msg_id, messages: told.slice(1) })
      expect(await resume(told[2].msg_id)).toMatchObject({ messages: [] })
      for (const bad of ["x", null, -5, []]) expect(await resume(bad)).toMatchObject({ since: 0, messages: told })
    }))

  it("[39] [D13] hands out no frame beyond a MiB: a resume goes on where the last one ended, a history says what it left out", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const count = 40
      const payloadOf = (at: number): string => `${at}:${"名".repeat(40_000)}`
      for (let at = 0; at < count; at++) {
        alpha.say("chat", { payload: payloadOf(at) })
        await alpha.next((frame) => frame.type === "chat" && frame.payload.startsWith(`${at}:`))
      }
      const reader = await agent("reader")
      const sizes: Array<number> = []
      reader.ws.on("message", (data: Buffer) => sizes.push(data.length))
      const seen: Array<number> = []
      let since = 0
      let pages = 0
      for (;;) {
        const page = await reader.ask("resume_request", { since }, "resume_snapshot")
        pages++
        seen.push(...page.messages.map(({ payload }: Frame) => Number.parseInt(payload, 10)))
        if (page.truncated !== true) break
        since = page.messages.at(-1).msg_id
      }
      expect(pages).toBeGreaterThan(1)
      expect(seen).toEqual(Array.from({ length: count }, (_, at) => at))
      const history = await reader.ask("history_request", {}, "history_snapshot")
      expect(history.truncated).toBe(true)
      expect(history.history.at(-1).payload).toBe(payloadOf(count - 1))
      expect(Math.max(...sizes)).toBeLessThanOrEqual(1_048_576)
    }))

  it("[40] goes on with its ids after a restart", () =>
    withSynapse({}, async ({ agent, restart }) => {
      const alpha = await agent("alpha")
      const before = await say(alpha, "before")
      await restart()
      expect((await say(alpha, "after")).msg_id).toBe(before.msg_id + 1)
      expect((await alpha.ask("resume_request", { since: 0 }, "resume_snapshot")).messages.map(({ payload }: Frame) => payload)).toEqual(["before", "after"])
    }))

  it("[45] lets nobody bear the name that wakes everybody's waiters: what is urgent says so itself", () => {
    expect(wakes({ target: "all", priority: true }, "p/x", { directedOnly: true })).toBe(true)
    expect(wakes({ target: "all" }, "p/x", { directedOnly: true })).toBe(false)
    expect(wakes({ target: "all" }, "p/x")).toBe(true)
    expect(wakes({ target: "p/*" }, "p/x", { directedOnly: true })).toBe(true)
    expect(wakes({ target: "q/x" }, "p/x")).toBe(false)
  })

  it("[48] waits for a seat that is away, and comes once when it is back", () =>
    withSynapse({}, async ({ agent, connect }) => {
      const alpha = await agent("alpha")
      const beta = await agent("beta")
      await beta.leave()
      const sent = await say(alpha, "for you", { target: "beta" })
      await say(alpha, "for all")
      await say(alpha, "for somebody else", { target: "gamma" })
      const back = await connect()
      back.send({ sender: "beta", type: "heartbeat" })
      expect(await back.next(of("chat"))).toEqual({ ...sent, replayed: true })
      back.send({ sender: "beta", type: "who_request" })
      await back.next(of("who_snapshot"))
      expect(back.frames.filter(of("chat"))).toHaveLength(1)
      back.ws.close()
      await back.closed
      const again = await agent("beta")
      await again.settled()
      expect(again.frames.filter(of("chat"))).toEqual([])
    }))

  it("[48] comes to whoever understands notices as one", () =>
    withSynapse({}, async ({ agent }) => {
      const alpha = await agent("alpha")
      const sent = await say(alpha, "for you", { target: "beta" })
      const beta = await agent("beta", { notices: true })
      expect(await beta.next(of("notice"))).toMatchObject({ notice: { notice: "message", replayed: true, chat: { message: sent.msg_id, payload: "for you" } } })
      await beta.settled()
      expect(beta.frames.filter(of("chat"))).toEqual([])
    }))
})

describe("a target", () => {
  it("[41] that is empty or `all` is everybody; else a name, or several with commas and spaces", () => {
    for (const target of ["", "all", "  ", " all "]) expect(isRecipient(target, "p/x"), target).toBe(true)
    expect(isRecipient("p/x", "p/x")).toBe(true)
    expect(isRecipient("p/x", "p/y")).toBe(false)
    for (const name of ["a", "b", "c"]) expect(isRecipient("a, b ,c", name)).toBe(true)
    expect(isRecipient("a, b ,c", "d")).toBe(false)
    expect(isRecipient(",", "a")).toBe(false)
  })

  it("[42] may have globs, which know case and no segments", () => {
    expect(isRecipient("p/*", "p/x")).toBe(true)
    expect(isRecipient("p/*", "p")).toBe(false)
    expect(isRecipient("p/claude-*", "p/claude-1")).toBe(true)
    expect(isRecipient("p/claude-*", "p/codex-1")).toBe(false)
    expect(isRecipient("P/*", "p/x")).toBe(false)
    expect(isRecipient("p/*", "p/x/y")).toBe(true)
    expect(isRecipient("p/?", "p/x")).toBe(true)
    expect(isRecipient("p/[a-c]", "p/b")).toBe(true)
    expect(isRecipient("p/[!a-c]", "p/b")).toBe(false)
    expect(isRecipient("*a*a*a*a*a*a*a*a*b", "a".repeat(100))).toBe(false)
  })

  it("[43] is directed at those whom it names, alone or in a group", () => {
    for (const target of ["", "all"]) expect(isDirected(target, "p/x")).toBe(false)
    for (const target of ["p/x", "q,p/x", "p/*"]) expect(isDirected(target, "p/x"), target).toBe(true)
    expect(isDirected("q/*", "p/x")).toBe(false)
  })

  it("[44] addresses a project that it names, is below, or that everybody is", () => {
    for (const target of ["p", "p/x", "p/*", "all", "", "q, p/x"]) expect(addressesProject(target, "p"), target).toBe(true)
    for (const target of ["pq/x", "q", "q/p"]) expect(addressesProject(target, "p"), target).toBe(false)
  })
})
