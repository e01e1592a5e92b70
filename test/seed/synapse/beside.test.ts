// Several connections of one seat: who may act beside whom, what each is told, and when the seat is left.
import { describe, expect, it } from "vitest"
import { synapseBesideMax } from "../../../kernel/limits.ts"
import { until } from "../../kit/network.ts"
import type { Frame } from "../../kit/socket.ts"
import { withSynapse, type Agent, type World } from "../../kit/synapse.ts"

const of = (type: string) => (frame: Frame): boolean => frame.type === type
const presence = (event: string, agent: string) => (frame: Frame): boolean => frame.type === "presence_update" && frame.event === event && frame.agent === agent
const docked = ({ kernel }: World, id: string): number => kernel.systems().filter((system) => system.id === id).length
const bearer = (token: string): object => ({ headers: { authorization: `Bearer ${token}` } })

/** Says its first frame as this name, and tells how that ended. */
const coming = async ({ connect }: World, name: string, first: object = {}, token?: string): Promise<Frame> => {
  const client = await connect(token === undefined ? {} : bearer(token))
  client.send({ sender: name, type: "heartbeat", ...first })
  return client.next((frame) => frame.type === "name_conflict" || frame.type === "auth_denied" || presence("joined", name)(frame))
}
/** So many are connected, and whoever has left is gone at the hub, too. */
const connected = ({ hub }: World, count: number): Promise<void> => until(`${count} connections`, () => hub().connections() === count)
const beside = (world: World, name: string): Promise<Agent> => world.agent(name, { beside: true })

describe("a connection beside the one that has the name", () => {
  it("is told alone that it came; the others are told once that the seat joined, and once that it left, with the last", () =>
    withSynapse({}, async (world) => {
      const watcher = await world.agent("watcher")
      const ada = await world.agent("ada")
      const shell = await beside(world, "ada")
      for (const one of [watcher, ada]) await one.settled()
      for (const one of [watcher, ada]) expect(one.frames.filter(presence("joined", "ada"))).toHaveLength(1)
      expect(docked(world, "synapse/ada")).toBe(1)
      await ada.leave()
      await shell.settled()
      await watcher.settled()
      expect(watcher.frames.filter(presence("left", "ada"))).toEqual([])
      expect(docked(world, "synapse/ada")).toBe(1)
      await shell.leave()
      await watcher.next(presence("left", "ada"))
      const again = await world.agent("ada")
      await again.settled()
      expect(docked(world, "synapse/ada")).toBe(1)
    }))

  it("[7] takes the seat as anybody does when nobody has it, and then stands in nobody's way; one without beside has it alone all the same", () =>
    withSynapse({}, async (world) => {
      const watcher = await world.agent("watcher")
      await beside(world, "ada")
      await watcher.next(presence("joined", "ada"))
      const ada = await world.agent("ada")
      expect(await coming(world, "ada")).toMatchObject({ type: "name_conflict", payload: "Name 'ada' is already online from another session. Use a unique --name." })
      expect(await coming(world, "ada", { beside: true })).toMatchObject({ type: "presence_update" })
      // Gone for a moment, it comes back, whoever stays beside it.
      await ada.leave()
      await connected(world, 3)
      expect(await coming(world, "ada")).toMatchObject({ type: "presence_update" })
      await watcher.settled()
      expect(watcher.frames.filter(({ agent, type }) => type === "presence_update" && agent === "ada")).toHaveLength(1)
    }))

  it("stands in the way of nobody without beside who has shown as much, and of everybody who has shown less", () =>
    withSynapse({}, async (world) => {
      const shell = await world.connect(bearer(world.operatorToken))
      shell.send({ sender: "ada", type: "heartbeat", beside: true })
      await shell.next(presence("joined", "ada"))
      expect(await coming(world, "ada")).toMatchObject({ type: "name_conflict", payload: "Name 'ada' is already online from another session. Use a unique --name." })
      expect(await coming(world, "ada", {}, world.operatorToken)).toMatchObject({ type: "presence_update" })
    }))

  it("is the same holder: it renews and gives back what the other took, and each is answered what it asked", () =>
    withSynapse({}, async (world) => {
      const ada = await world.agent("ada")
      const shell = await beside(world, "ada")
      const { epoch } = await ada.ask("claim", { task_id: "t", paths: ["a"], request_id: "one" }, "claim_granted")
      shell.say("claim", { task_id: "t", request_id: "two" })
      const renewed = await shell.next(({ request_id }) => request_id === "two")
      expect(renewed).toMatchObject({ type: "claim_granted", owner: "ada" })
      expect(renewed["epoch"]).toBeGreaterThan(epoch as number)
      shell.say("release", { task_id: "t", request_id: "three" })
      expect(await shell.next(({ request_id }) => request_id === "three")).toMatchObject({ type: "release_granted", owner: "ada" })
      await ada.settled()
      expect(ada.frames.filter(({ request_id }) => request_id === "two" || request_id === "three")).toEqual([])
    }))

  it("is one of two that come at once", () =>
    withSynapse({}, async (world) => {
      const both = await Promise.all([coming(world, "ada", { beside: true }), coming(world, "ada", { beside: true })])
      expect(both.map(({ type }) => type)).toEqual(["presence_update", "presence_update"])
      expect(docked(world, "synapse/ada")).toBe(1)
    }))

  it("says it with its first frame or never", () =>
    withSynapse({}, async (world) => {
      await world.agent("ada")
      const late = await world.connect()
      late.send({ sender: "ada", type: "who_request" })
      late.send({ sender: "ada", type: "who_request", beside: true })
      expect(await late.closed).toEqual({ code: 4009, reason: "name conflict" })
      for (const said of ["true", 1, null]) expect(await coming(world, "ada", { beside: said })).toMatchObject({ type: "name_conflict" })
    }))

  it("is one of at most so many", () =>
    withSynapse({}, async (world) => {
      const first = await beside(world, "ada")
      for (let count = 1; count < synapseBesideMax; count++) await beside(world, "ada")
      const full = { type: "name_conflict", reason_code: "NAME_CONFLICT", payload: expect.stringContaining(`${synapseBesideMax} connections beside it`) }
      expect(await coming(world, "ada", { beside: true })).toMatchObject(full)
      // They keep no place from the one that is to have it.
      await world.agent("ada")
      expect(await coming(world, "ada", { beside: true })).toMatchObject(full)
      await first.leave()
      await connected(world, synapseBesideMax)
      expect(await coming(world, "ada", { beside: true })).toMatchObject({ type: "presence_update" })
    }))
})

describe("who may act beside whom", () => {
  it("nobody of an open entrance beside a seat that was taken with a credential; with one, also beside an open one", () =>
    withSynapse({ tokens: ["hub-token"] }, async (world) => {
      const trusted = await world.connect(bearer("hub-token"))
      trusted.send({ sender: "ada", type: "heartbeat" })
      await trusted.next(presence("joined", "ada"))
      expect(await coming(world, "ada", { beside: true })).toMatchObject({ type: "name_conflict", reason_code: "NAME_CONFLICT", payload: expect.stringContaining("has shown more") })
      // A token in the first frame is not looked at where nobody needs one.
      expect(await coming(world, "ada", { beside: true, token: "hub-token" })).toMatchObject({ type: "name_conflict" })
      expect(await coming(world, "ada", { beside: true }, "hub-token")).toMatchObject({ type: "presence_update" })
      expect(await coming(world, "ada", { beside: true }, world.operatorToken)).toMatchObject({ type: "presence_update" })

      const open = await world.agent("bob")
      expect(await coming(world, "bob", { beside: true }, world.operatorToken)).toMatchObject({ type: "presence_update" })
      expect(await coming(world, "bob", { beside: true })).toMatchObject({ type: "presence_update" })
      await open.settled()
    }))

  it("who came in without a credential comes back to the seat while one stays that came beside it with one; when all have left, it is anybody's", () =>
    withSynapse({}, async (world) => {
      const open = await world.agent("bob")
      const shell = await world.connect(bearer(world.operatorToken))
      shell.send({ sender: "bob", type: "heartbeat", beside: true })
      await shell.next(presence("joined", "bob"))
      await open.leave()
      await connected(world, 1)
      const back = await world.agent("bob")
      await back.leave()
      shell.ws.close()
      await connected(world, 0)
      const alone = await world.connect(bearer(world.operatorToken))
      alone.send({ sender: "bob", type: "heartbeat" })
      await alone.next(presence("joined", "bob"))
      expect(await coming(world, "bob", { beside: true })).toMatchObject({ type: "name_conflict" })
    }))

  it("a token of the kernel beside its own, and beside nobody else: neither of another token nor of the operator", () =>
    withSynapse({ shared: true }, async (world) => {
      const [ada, below, eve] = [
        await world.mint({ name: "ada", role: "write" }), await world.mint({ name: "ada/desk", role: "write" }), await world.mint({ name: "eve", role: "write" })
      ]
      const first = { beside: true }
      const held: Array<unknown> = []
      const came = async (name: string, token: string): Promise<unknown> => {
        const frame = await coming(world, name, first, token)
        held.push(frame)
        return frame["reason_code"] ?? "came"
      }
      expect(await came("ada", ada)).toBe("came")
      expect(await came("ada", ada)).toBe("came")
      expect(await came("ada/x", ada)).toBe("came")
      expect(await came("ada/x", ada)).toBe("came")
      expect(docked(world, "ada/x")).toBe(1)
      expect(await came("ada", eve)).toBe("NAME_DENIED")
      expect(await came("ada", world.operatorToken)).toBe("NAME_CONFLICT")
      expect(await came("ada/x", world.operatorToken)).toBe("NAME_CONFLICT")
      // Who has a token for the very name; who has one for what is above it could not have had it.
      expect(await came("ada/desk", below)).toBe("came")
      expect(await came("ada/desk", ada)).toBe("NAME_CONFLICT")
    }))
})

describe("what each connection of a seat is told", () => {
  it("what was kept for the seat goes to who takes it, and never to one that acts beside", () =>
    withSynapse({}, async (world) => {
      const sender = await world.agent("sender")
      const first = await world.agent("ada")
      await first.leave()
      await sender.next(presence("left", "ada"))
      await sender.ask("chat", { target: "ada", payload: "kept" }, "chat")
      const shell = await beside(world, "ada")
      await shell.settled()
      expect(shell.frames.filter(({ payload }) => payload === "kept")).toEqual([])
      await shell.leave()
      await sender.next(presence("left", "ada"))
      const ada = await world.agent("ada")
      expect(await ada.next(({ payload }) => payload === "kept")).toMatchObject({ type: "chat", replayed: true })
      const other = await beside(world, "ada")
      await other.settled()
      await ada.settled()
      expect(other.frames.filter(({ payload }) => payload === "kept")).toEqual([])
      expect(ada.frames.filter(({ payload }) => payload === "kept")).toHaveLength(1)
      // Also when one that acts beside was there before it.
      await ada.leave()
      await connected(world, 2)
      await sender.ask("chat", { target: "ada", payload: "later" }, "chat")
      const back = await world.agent("ada")
      expect(await back.next(({ payload, replayed }) => payload === "later" && replayed === true)).toMatchObject({ sender: "sender" })
      await other.settled()
      expect(other.frames.filter(({ replayed }) => replayed === true)).toEqual([])
    }))

  it("notices of its leases go to every one that wants notices, also when the first is gone", () =>
    withSynapse({}, async (world) => {
      const ada = await world.agent("ada")
      const [shell, deaf] = [await world.agent("ada", { beside: true, notices: true }), await beside(world, "ada")]
      await ada.ask("claim", { task_id: "t", ttl_seconds: 30 }, "claim_granted")
      await world.advance(31_000)
      expect(await shell.next(({ notice }) => (notice as { notice?: string } | undefined)?.notice === "expired")).toMatchObject({ notice: { task: "t" } })
      await ada.settled()
      await deaf.settled()
      for (const one of [ada, deaf]) expect(one.frames.filter(of("notice"))).toEqual([])
      await ada.leave()
      shell.say("claim", { task_id: "u", ttl_seconds: 30, request_id: "u" })
      await shell.next(({ request_id }) => request_id === "u")
      await world.advance(31_000)
      expect(await shell.next(({ notice }) => (notice as { task?: string } | undefined)?.task === "u")).toMatchObject({ notice: { notice: "expired" } })
    }))

  it("what one of them waits for is not granted when it is gone, and no message is handed to it", () =>
    withSynapse({}, async (world) => {
      const [bob, ada] = [await world.agent("bob"), await world.agent("ada")]
      const shell = await beside(world, "ada")
      await bob.ask("claim", { task_id: "t" }, "claim_granted")
      shell.say("claim", { task_id: "t", wait: true })
      shell.say("ask", { ask: { verb: "inbox", waitMillis: 20_000 } })
      await shell.settled()
      await shell.leave()
      await connected(world, 2)
      // What was asked as it left is decided before what is asked now.
      await ada.settled()
      await bob.ask("release", { task_id: "t" }, "release_granted")
      await bob.ask("chat", { target: "ada", payload: "for ada" }, "chat")
      ada.say("ask", { ask: { verb: "inbox" }, request_id: "inbox" })
      const answer = async (id: string): Promise<unknown> => (await ada.next(({ request_id }) => request_id === id))["answer"]
      expect(await answer("inbox")).toMatchObject({ messages: [{ payload: "for ada" }] })
      ada.say("ask", { ask: { verb: "state" }, request_id: "state" })
      expect(await answer("state")).toMatchObject({ items: [] })
    }))

  it("what a connection waits for no longer it can say by its own id of the request, and by the key of a claim also when the grant crossed it", () =>
    withSynapse({}, async (world) => {
      const [bob, ada] = [await world.agent("bob"), await world.agent("ada")]
      const answer = async (id: string): Promise<unknown> => (await ada.next(({ request_id, type }) => request_id === id && type === "answer"))["answer"]
      await bob.ask("claim", { task_id: "t" }, "claim_granted")
      ada.say("claim", { task_id: "t", wait: true, request_id: "waiting" })
      ada.say("ask", { ask: { verb: "inbox", waitMillis: 20_000 }, request_id: "inbox" })
      ada.say("claim", { task_id: "t", wait: true, idem_key: "key", request_id: "keyed" })
      await ada.settled()
      ada.say("ask", { ask: { verb: "withdraw", request: "waiting" }, request_id: "one" })
      expect(await ada.next(({ request_id }) => request_id === "waiting")).toMatchObject({ type: "claim_denied" })
      expect(await answer("one")).toMatchObject({ ok: true, withdrawn: true })
      ada.say("ask", { ask: { verb: "withdraw", request: "inbox" }, request_id: "two" })
      expect(await answer("inbox")).toMatchObject({ messages: [] })
      // Of another connection it is nobody's.
      const shell = await beside(world, "ada")
      shell.say("ask", { ask: { verb: "withdraw", request: "keyed" }, request_id: "other" })
      expect((await shell.next(({ type }) => type === "answer"))["answer"]).toMatchObject({ withdrawn: false })
      await bob.ask("release", { task_id: "t" }, "release_granted")
      expect(await ada.next(({ request_id }) => request_id === "keyed")).toMatchObject({ type: "claim_granted" })
      ada.say("ask", { ask: { verb: "withdraw", request: "key" }, request_id: "three" })
      expect(await answer("three")).toEqual({ ok: true, withdrawn: false, released: true })
      await bob.next((frame) => frame.type === "release_granted" && frame["owner"] === "ada")
    }))

  it("has one rate for all of its connections", () =>
    withSynapse({ rate: 0.001, burst: 3 }, async (world) => {
      const ada = await world.agent("ada")
      const shell = await beside(world, "ada")
      for (const one of [ada, shell, ada]) await one.ask("who_request", {}, "who_snapshot")
      for (const one of [ada, shell]) expect(await one.ask("who_request", {}, "error")).toMatchObject({ reason_code: "RATE_LIMITED" })
      await shell.leave()
      expect(await ada.ask("who_request", {}, "error")).toMatchObject({ reason_code: "RATE_LIMITED" })
    }))
})
