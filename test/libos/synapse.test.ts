// A seat at a hub, against hubs that do what a test says: of ours and of the ancestor's kind.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { tidy } from "../../examples/synapse-agent.ts"
import { SynapseHub } from "../../kernel/synapse-hub.ts"
import { KernelUnreachable } from "../../libos/http.ts"
import { SynapseAgent, type SynapseAgentOptions } from "../../libos/synapse/agent.ts"
import { refusalOf, SynapseRefused } from "../../libos/synapse/refused.ts"
import { TimedOut } from "../../protocol/errors.ts"
import { fakeHub, type FakeHub, type FakeOptions } from "../kit/hub-fake.ts"

const ends: Array<() => unknown> = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})
const hubWith = async (options?: FakeOptions): Promise<FakeHub> => {
  const hub = await fakeHub(options)
  ends.push(hub.close)
  return hub
}
const seat = async (hub: { readonly uri: string }, options: Partial<SynapseAgentOptions> = {}): Promise<SynapseAgent> => {
  const agent = await SynapseAgent.connect({ uri: hub.uri, name: "A", pauseMillisMax: 1, ...options })
  ends.push(() => agent.close())
  return agent
}
const ours = { extensions: ["request_id", "ask"] }
const isOf = (type: string) => (frame: { readonly type: string }) => frame.type === type

describe("a seat at a hub", () => {
  it("is ready when the hub has taken its name, not when it was welcomed", async () => {
    const hub = await hubWith({ refuse: ({ sender, token }) => sender === "B" && token !== "t" ? { frame: { type: "auth_denied", target: "B", payload: "Authentication token required." }, code: 4010 } : undefined })
    await expect(seat(hub, { name: "B" })).rejects.toMatchObject({ _tag: "SynapseRefused", code: "AUTH_DENIED", message: "Authentication token required." })
    expect((await seat(hub, { name: "B", token: "t" })).isConnected).toBe(true)
    expect(hub.heard[0]).toMatchObject({ type: "heartbeat", sender: "B", payload: "online", token: "t" })
  })

  it("is refused with what the hub says of its name, and ends", async () => {
    const payload = "Name 'A' is already online from another session. Use a unique --name."
    const hub = await hubWith({ refuse: () => ({ frame: { type: "name_conflict", payload }, code: 4009 }) })
    using agent = new SynapseAgent({ uri: hub.uri, name: "A" })
    await expect(agent.ready).rejects.toMatchObject({ code: "NAME_CONFLICT", reason: payload })
    expect(await agent.closed).toBeInstanceOf(SynapseRefused)
    await expect(agent.requestWho()).rejects.toMatchObject({ code: "NAME_CONFLICT" })
  })

  it("says that nobody answers", async () => {
    const hub = await hubWith()
    await hub.close()
    await expect(seat(hub)).rejects.toBeInstanceOf(KernelUnreachable)
  })

  it("gives each request its own answer, whatever else comes of that type", async () => {
    const hub = await hubWith({
      ...ours,
      answer: ({ request_id, task_id, type }, say) => {
        if (type !== "claim") return
        say({ type: "claim_granted", task_id: "t1", owner: "Z", epoch: 9, request_id: "somebody's" })
        say({ type: "claim_denied", task_id: "t1", payload: "Task 't1' is already claimed by Z." })
        if (task_id === "t2") say({ type: "claim_granted", task_id, owner: "A", epoch: 2, request_id })
        else say({ type: "claim_denied", task_id, payload: "Task 't1' is already claimed by Z.", reason_code: "LEASE_LIVE", holder: "Z", request_id })
      }
    })
    const agent = await seat(hub)
    const [first, second] = await Promise.allSettled([agent.claim("t1", { paths: ["src"] }), agent.claim("t2")])
    expect(first).toMatchObject({ status: "rejected", reason: { _tag: "SynapseRefused", code: "LEASE_LIVE", holder: "Z" } })
    expect(second).toMatchObject({ status: "fulfilled", value: { task_id: "t2", epoch: 2 } })
    expect(hub.heard.find(({ task_id }) => task_id === "t1")).toMatchObject({ paths: ["src"], idem_key: expect.any(String), payload: "t1" })
  })

  it("tells answers of a hub without request ids by type, task and seat", async () => {
    const hub = await hubWith({
      answer: ({ task_id, title, type, text, kind }, say) => {
        if (type === "claim") {
          say({ type: "claim_granted", task_id, owner: "Z", epoch: 1 })
          say({ type: "claim_granted", task_id, owner: "A", epoch: 2 })
        } else if (type === "ledger_task" && title === "") say({ type: "error", target: "A", payload: "Task title is required." })
        else if (type === "ledger_task") {
          say({ type: "ledger_task_posted", payload: `Task '${task_id}' declared by Z.`, task: { task_id, title: "theirs" } })
          say({ type: "ledger_task_posted", payload: `Task '${task_id}' declared by A.`, task: { task_id, title } })
        } else if (type === "ledger_progress") {
          say({ type: "ledger_progress_posted", note: { task_id, author: "Z", kind, text } })
          say({ type: "ledger_progress_posted", note: { task_id, author: "A", kind, text } })
        }
      }
    })
    const agent = await seat(hub)
    expect((await agent.claim("t")).epoch).toBe(2)
    await expect(agent.postTask("t", "")).rejects.toMatchObject({ code: "TITLE_REQUIRED", message: "Task title is required." })
    expect((await agent.postTask("t", "mine")).task.title).toBe("mine")
    expect((await agent.postProgress("t", "on it", { kind: "note" })).note.author).toBe("A")
    expect(agent.isOurs).toBe(false)
    await expect(agent.ask({ verb: "inbox" })).rejects.toMatchObject({ code: "UNSUPPORTED" })
  })

  it("does not take the note of a hand-off for its answer", async () => {
    const hub = await hubWith({
      ...ours,
      answer: ({ request_id, task_id, to_agent, type }, say) => {
        if (type !== "handoff") return
        say({ type: "ledger_progress_posted", request_id, note: { task_id, author: "A", kind: "note", text: "handed off to B" } })
        say({ type: "handoff_granted", request_id, task_id, owner: to_agent, previous_owner: "A" })
      }
    })
    expect(await (await seat(hub)).handoff("t", "B")).toMatchObject({ type: "handoff_granted", owner: "B" })
  })

  it("asks what is ours as it is, and gives a refusal its code", async () => {
    const hub = await hubWith({
      ...ours,
      answer: ({ ask, request_id, type }, say) => {
        if (type !== "ask") return
        say({ type: "answer", request_id, answer: ask.verb === "who" ? { ok: true, seats: [] } : { ok: false, code: "NOT_OWNER", message: "It is Z's.", holder: "Z" } })
      }
    })
    const agent = await seat(hub)
    expect(await agent.ask({ verb: "who" })).toEqual({ ok: true, seats: [] })
    await expect(agent.ask({ verb: "release", task: "t" })).rejects.toMatchObject({ code: "NOT_OWNER", reason: "It is Z's.", holder: "Z" })
  })

  it("does not wait for ever", async () => {
    const agent = await seat(await hubWith(ours), { timeoutMillis: 1 })
    await expect(agent.requestBoard()).rejects.toBeInstanceOf(TimedOut)
    const stop = new AbortController()
    const waiting = agent.claim("t", { wait: true, signal: stop.signal })
    stop.abort(new Error("enough"))
    await expect(waiting).rejects.toThrow("enough")
    await expect(agent.claim("t", { wait: true, signal: AbortSignal.abort(new Error("before it began")) })).rejects.toThrow("before it began")
  })

  it("tells a hub of ours what it waits for no longer: of a claim its key, of an inbox its request", async () => {
    const hub = await hubWith(ours)
    const agent = await seat(hub)
    const withdrawn = () => hub.next(({ ask, type }) => type === "ask" && ask.verb === "withdraw")
    const stop = new AbortController()
    const waiting = [
      agent.claim("t", { wait: true, signal: stop.signal, key: "mine" }),
      agent.ask({ verb: "claim", task: "u", wait: true }, { signal: stop.signal }),
      agent.ask({ verb: "inbox", waitMillis: 10_000 }, { signal: stop.signal })
    ]
    const asked = await hub.next(({ ask }) => ask?.task === "u")
    const inbox = await hub.next(({ ask }) => ask?.verb === "inbox")
    stop.abort(new Error("enough"))
    for (const one of waiting) await expect(one).rejects.toThrow("enough")
    expect([await withdrawn(), await withdrawn(), await withdrawn()].map(({ ask }) => ask.request)).toEqual(["mine", asked.ask.key, inbox.request_id])
    await expect(agent.claim("v", { timeoutMillis: 1, key: "late" })).rejects.toBeInstanceOf(TimedOut)
    expect((await withdrawn()).ask.request).toBe("late")
    // What was given up before it was asked for is not asked for; what changes nothing is only not waited for.
    const before = hub.heard.length
    await expect(agent.claim("w", { signal: stop.signal })).rejects.toThrow("enough")
    await expect(agent.requestBoard({ timeoutMillis: 1 })).rejects.toBeInstanceOf(TimedOut)
    await expect(agent.requestWho({ timeoutMillis: 1 })).rejects.toBeInstanceOf(TimedOut)
    await hub.next(({ type }) => type === "who_request")
    expect(hub.heard.slice(before).map(({ type }) => type)).toEqual(["board_request", "who_request"])
  })

  it("says with its first frame that it acts beside, when it is to", async () => {
    const hub = await hubWith(ours)
    await seat(hub, { beside: true })
    await seat(hub, { name: "B" })
    expect(hub.heard.map(({ beside }) => beside)).toEqual([true, undefined])
  })

  it("hands out the messages of others, and its own echo only to whoever sent it", async () => {
    const hub = await hubWith({ ...ours, answer: ({ payload, request_id, sender, type }, say) => void (type === "chat" && say({ type: "chat", sender, payload, msg_id: 2, request_id })) })
    const agent = await seat(hub)
    const messages = agent.messages()
    hub.broadcast({ type: "chat", sender: "B", payload: "one", msg_id: 1 })
    expect((await agent.chat("mine", { target: "B", priority: true })).msg_id).toBe(2)
    expect(hub.heard.at(-1)).toMatchObject({ type: "chat", target: "B", payload: "mine", priority: true })
    hub.broadcast({ type: "chat", sender: "B", payload: "two", msg_id: 3 })
    expect([(await messages.next()).value?.payload, (await messages.next()).value?.payload]).toEqual(["one", "two"])
  })

  it("connects again, resumes behind the last message, hands out each once and in order, and asks again what had no answer", async () => {
    let lives = 0
    const hub = await hubWith({
      ...ours,
      answer: ({ request_id, since, task_id, type }, say, cut) => {
        if (type === "claim" && ++lives === 1) cut()
        else if (type === "claim") say({ type: "claim_granted", task_id, owner: "A", request_id })
        else if (type === "resume_request" && since === 1) {
          // One comes meanwhile, and what was missed comes in two parts.
          say({ type: "chat", sender: "B", payload: "four", msg_id: 4 })
          say({ type: "resume_snapshot", request_id, since, truncated: true, gap: true, messages: [{ type: "chat", sender: "B", payload: "two", msg_id: 2 }] })
        } else if (type === "resume_request") {
          say({ type: "resume_snapshot", request_id, since, messages: [{ type: "chat", sender: "B", payload: "three", msg_id: 3 }, { type: "chat", sender: "B", payload: "four", msg_id: 4 }] })
        }
      }
    })
    const agent = await seat(hub)
    const messages = agent.messages()
    hub.broadcast({ type: "chat", sender: "B", payload: "one", msg_id: 1 })
    expect((await messages.next()).value?.payload).toBe("one")
    expect((await agent.claim("t")).owner).toBe("A")
    const claims = hub.heard.filter(isOf("claim"))
    expect(claims.length).toBe(2)
    expect(claims[0].idem_key).toBe(claims[1].idem_key)
    expect([(await messages.next()).value?.payload, (await messages.next()).value?.payload, (await messages.next()).value?.payload]).toEqual(["two", "three", "four"])
    hub.broadcast({ type: "chat", sender: "B", payload: "five", msg_id: 5 })
    expect((await messages.next()).value?.payload).toBe("five")
    expect(agent.hasGap).toBe(true)
    expect(agent.lastMessage).toBe(5)
  })

  it("asks what changes something under one key, on however many connections", async () => {
    let lives = 0
    const hub = await hubWith({
      ...ours,
      answer: ({ ask, request_id, type }, say, cut) => {
        if (type !== "ask") return
        if (++lives === 1) cut()
        else say({ type: "answer", request_id, answer: { ok: true, task: ask.task, owner: "A" } })
      }
    })
    expect(await (await seat(hub)).ask({ verb: "release", task: "t" })).toMatchObject({ owner: "A" })
    const [first, second] = hub.heard.filter(isOf("ask"))
    expect(first.ask).toEqual({ verb: "release", task: "t", key: expect.any(String) })
    expect(second.ask).toEqual(first.ask)
  })

  it("does not say twice what the hub had kept before the connection broke", async () => {
    let said: object | undefined
    const hub = await hubWith({
      ...ours,
      answer: (frame, say, cut) => {
        if (frame.type === "chat") {
          said = { type: "chat", sender: "A", payload: frame.payload, msg_id: 2, client_msg_id: frame.client_msg_id }
          cut()
        } else if (frame.type === "resume_request") say({ type: "resume_snapshot", request_id: frame.request_id, since: 1, messages: [said] })
      }
    })
    const agent = await seat(hub)
    hub.broadcast({ type: "chat", sender: "B", payload: "one", msg_id: 1 })
    await agent.messages().next()
    expect((await agent.chat("once")).msg_id).toBe(2)
    expect(hub.heard.filter(isOf("chat")).length).toBe(1)
  })

  it("advertises again on a new connection", async () => {
    const hub = await hubWith({ ...ours, answer: ({ request_id, type }, say) => void (type === "advertise" && say({ type: "capability_advertised", agent: "A", request_id })) })
    const agent = await seat(hub)
    await agent.advertise({ skills: ["ts"] })
    await hub.next(isOf("advertise"))
    hub.cut()
    expect(await hub.next(isOf("advertise"))).toMatchObject({ skills: ["ts"], sender: "A" })
  })

  it("waits for its name when the hub still holds the connection that broke, and gives up when its token is good no longer", async () => {
    let refusals: Array<{ readonly frame: object; readonly code: number }> = []
    const hub = await hubWith({ ...ours, refuse: () => refusals.shift(), answer: ({ request_id, type }, say) => void (type === "who_request" && say({ type: "who_snapshot", online_agents: ["A"], connected_clients: 1, request_id })) })
    const agent = await seat(hub)
    refusals = [{ frame: { type: "name_conflict", payload: "Name 'A' is already online." }, code: 4009 }]
    hub.cut()
    expect((await agent.requestWho()).online_agents).toEqual(["A"])
    refusals = [{ frame: { type: "auth_denied", payload: "Invalid authentication token." }, code: 4010 }]
    hub.cut()
    expect(await agent.closed).toMatchObject({ code: "AUTH_DENIED" })
    await expect(agent.requestWho()).rejects.toMatchObject({ code: "AUTH_DENIED" })
  })

  it("ends with the connection when it is not to connect again, and everything that waits with it", async () => {
    const hub = await hubWith(ours)
    const agent = await seat(hub, { reconnect: false })
    const waiting = [agent.requestBoard(), agent.messages().next()]
    const settled = Promise.allSettled(waiting)
    await hub.next(isOf("board_request"))
    hub.cut()
    for (const one of await settled) expect(one).toMatchObject({ status: "rejected", reason: { _tag: "KernelUnreachable" } })
  })

  it("passes over frames that are none", async () => {
    const hub = await hubWith({ ...ours, answer: ({ request_id, type }, say) => {
      if (type !== "who_request") return
      say({ type: 7 })
      say({ type: "claim_granted", payload: null })
      say({ type: "who_snapshot", online_agents: [], connected_clients: 1, request_id })
    } })
    expect((await (await seat(hub)).requestWho()).connected_clients).toBe(1)
  })
})

describe("a refusal", () => {
  it("has a code also where the hub sends none", () => {
    const texts: ReadonlyArray<readonly [string, string]> = [
      ["Task ID is required.", "TASK_ID_REQUIRED"], ["Task 't' is already claimed by B.", "LEASE_LIVE"], ["Task 't' file scope conflicts with 'u' held by B.", "SCOPE_CONFLICT"],
      ["Task 't' is not currently claimed.", "NOT_CLAIMED"], ["Task 't' is owned by B, not A.", "NOT_OWNER"], ["Task 't' owned by B, not A.", "NOT_OWNER"],
      ["Task 't' epoch is stale (current 3).", "EPOCH_STALE"], ["Task 't' not found.", "TASK_NOT_FOUND"], ["Task 't' version conflict (current 2).", "VERSION_CONFLICT"],
      ["Task 't' cannot transition done -> working.", "TRANSITION_ILLEGAL"], ["Handoff target 'B' is not online.", "TARGET_OFFLINE"], ["Handoff target is required.", "TARGET_REQUIRED"],
      ["Task 't' is already owned by A.", "ALREADY_OWNED"], ["Task 't' is not claimed; nothing to wait for.", "NOT_CLAIMED"], ["You already hold 't'.", "ALREADY_HELD"],
      ["Waiting for 't' held by B would deadlock.", "WOULD_DEADLOCK"], ["resource offer requires kind+name", "OFFER_INCOMPLETE"], ["Task title is required.", "TITLE_REQUIRED"],
      ["Task 't' dependencies would form a cycle.", "DEPENDENCY_CYCLE"], ["Task 't' is not on the board.", "TASK_NOT_FOUND"], ["Unknown ledger status 'x'.", "STATUS_UNKNOWN"],
      ["Unknown progress kind 'x'.", "KIND_UNKNOWN"], ["Rate limit exceeded.", "RATE_LIMITED"], ["Unknown message type 'x'.", "UNKNOWN_TYPE"], ["Malformed JSON.", "MALFORMED"], ["No.", "REFUSED"]
    ]
    for (const [payload, code] of texts) expect(refusalOf({ type: "error", payload }).code, payload).toBe(code)
  })
})

describe("a seat at our hub", () => {
  let hub: SynapseHub
  beforeAll(async () => void (hub = await new SynapseHub({ port: 0 }).start()))
  afterAll(() => hub.stop())

  it("has every verb of the ancestor's client", async () => {
    const [a, b] = [await seat(hub, { name: "A" }), await seat(hub, { name: "B" })]
    expect(a.isOurs).toBe(true)
    expect(a.hubId).toBe(hub.id)
    const granted = await a.claim("t", { worktree: "w", paths: ["src"], note: "mine", ttl_seconds: 60 })
    expect(granted).toMatchObject({ task_id: "t", owner: "A", paths: ["src"], status: "claimed", version: 0 })
    expect(await a.updateTask("t", { status: "working", epoch: granted.epoch })).toMatchObject({ status: "working", version: 1 })
    await expect(a.updateTask("t", { status: "claimed" })).rejects.toMatchObject({ code: "TRANSITION_ILLEGAL" })
    await expect(b.claim("t")).rejects.toMatchObject({ code: "LEASE_LIVE", reason: "Task 't' is already claimed by A." })
    await expect(b.claim("u", { worktree: "w", paths: ["src/x"] })).rejects.toMatchObject({ code: "SCOPE_CONFLICT", holder: "A", conflict: "t" })
    expect(await b.requestWait("t")).toMatchObject({ holder: "A" })
    await expect(a.requestWait("t")).rejects.toMatchObject({ code: "ALREADY_HELD" })
    expect(await a.saveCheckpoint("t", "half")).toMatchObject({ version: 2 })
    await expect(a.release("t", { epoch: granted.epoch + 5 })).rejects.toMatchObject({ code: "EPOCH_STALE" })
    expect(await a.handoff("t", "B", { note: "go on" })).toMatchObject({ owner: "B", previous_owner: "A", checkpoint: "half" })
    expect((await a.requestState()).snapshot.active_claims).toMatchObject([{ task_id: "t", owner: "B" }])
    expect(await b.release("t", { receipt: { tests: 3 } })).toMatchObject({ task_id: "t", owner: "B" })
    expect(await a.offerResource("gpu", "one", { capacity: 2 })).toMatchObject({ key: "A:gpu:one" })
    await expect(a.offerResource("", "one")).rejects.toMatchObject({ code: "OFFER_INCOMPLETE" })
    expect((await a.postTask("p", "Plan", { description: "d" })).task).toMatchObject({ title: "Plan", status: "open", version: expect.any(Number) })
    expect((await a.updateLedgerTask("p", { status: "done" })).task.status).toBe("done")
    expect((await a.postProgress("p", "finished", { kind: "assessment" })).note).toMatchObject({ kind: "assessment", author: "A" })
    expect((await b.requestBoard()).board).toMatchObject({ tasks: [{ task_id: "p" }], ready: [], progress: [{ text: "handed off to B: go on" }, { text: "finished" }] })
    expect((await a.advertise({ description: "builds", task_classes: ["code"] })).card).toMatchObject({ agent: "A", task_classes: ["code"] })
    expect((await b.requestManifest()).manifest).toMatchObject([{ agent: "A", description: "builds" }])
    expect((await b.requestWho()).online_agents).toEqual(["A", "B"])
    const heard = b.messages()
    const said = await a.chat("hello", { target: "B" })
    expect((await heard.next()).value).toMatchObject({ sender: "A", payload: "hello", msg_id: said.msg_id })
    expect((await b.requestHistory()).history).toMatchObject([{ payload: "hello" }])
    expect((await b.requestHistory("all")).requested_limit).toBe("all")
    expect((await b.requestResume(said.msg_id - 1)).messages).toMatchObject([{ payload: "hello" }])
    expect(await b.ask({ verb: "inbox" })).toMatchObject({ messages: [{ from: "A", payload: "hello" }] })
    await expect(b.ask({ verb: "why", worktree: "w", path: "" })).resolves.toMatchObject({ claims: [] })
  })

  it("is granted what it stays in line for, and told what it wants to be told", async () => {
    const [a, b] = [await seat(hub, { name: "C" }), await seat(hub, { name: "D", notices: true })]
    await a.claim("line", { mutex: true, ttl_seconds: 60 })
    const granted = b.claim("line", { mutex: true, wait: true })
    await b.requestWho()
    await a.release("line")
    expect((await granted).owner).toBe("D")
    await b.release("line")
    const notices = b.frames()
    await a.claim("line", { mutex: true })
    await b.requestWait("line")
    await a.release("line")
    let told: unknown
    for await (const frame of notices) {
      if (frame.type !== "notice") continue
      told = frame.notice
      break
    }
    expect(told).toEqual({ notice: "free", task: "line" })
  })

  it("works as the page of the working agreement shows it", async () => {
    const watch = await seat(hub, { name: "watch" })
    const messages = watch.messages()
    const theirs = await watch.claim("docs", { worktree: "demo", paths: ["docs/a.md"] })
    const tidied = tidy(hub.uri, "tidier")
    await watch.release("docs", { epoch: theirs.epoch })
    expect((await messages.next()).value).toMatchObject({ sender: "tidier", payload: "docs are mine for a moment" })
    expect(await tidied).toBe("done")
    expect(await tidy(hub.uri, "watch").catch((error: unknown) => error)).toMatchObject({ code: "NAME_CONFLICT" })
  })

  it("asks nothing that is too large for a frame, and goes on", async () => {
    const agent = await seat(hub, { name: "large" })
    await expect(agent.saveCheckpoint("t", "ü".repeat(600_000))).rejects.toMatchObject({ _tag: "TooLarge", unit: "bytes" })
    expect(agent.isConnected).toBe(true)
    expect((await agent.requestWho()).online_agents).toContain("large")
  })

  it.each([false, true])("[48] gets what was directed at it while it was away, once (notices: %s)", async (notices) => {
    const name = `away-${notices}`
    const sender = await seat(hub, { name: `S-${notices}` })
    await sender.chat("one", { target: name })
    const first = new SynapseAgent({ uri: hub.uri, name, notices })
    ends.push(() => first.close())
    const messages = first.messages()
    await sender.chat("live", { target: "all" })
    expect((await messages.next()).value).toMatchObject({ payload: "one", replayed: true })
    const gone = new Promise<void>((resolve) => sender.listen((frame) => void (frame.type === "presence_update" && frame.event === "left" && frame.agent === name && resolve())))
    first.close()
    await gone
    const second = new SynapseAgent({ uri: hub.uri, name, notices })
    ends.push(() => second.close())
    const again = second.messages()
    await second.ready
    await sender.chat("two", { target: name })
    expect((await again.next()).value).toMatchObject({ payload: "two" })
  })
})

describe("a hub that starts again", () => {
  it("finds its seats again: what they asked meanwhile is answered, what was said is handed out once", async () => {
    const directory = mkdtempSync(join(tmpdir(), "aaax-agent-"))
    ends.push(() => rmSync(directory, { recursive: true, force: true }))
    const options = { db: join(directory, "hub.db"), directory }
    const before = await new SynapseHub({ port: 0, ...options }).start()
    const { port } = before
    const [a, b] = [await seat({ uri: before.uri }, { name: "A", pauseMillisMax: 50 }), await seat({ uri: before.uri }, { name: "B", pauseMillisMax: 50 })]
    const messages = b.messages()
    await a.chat("one")
    expect((await messages.next()).value?.payload).toBe("one")
    const { epoch } = await a.claim("t", { worktree: "w", paths: ["src"] })
    await before.stop()
    const meanwhile = [a.claim("u", { mutex: true }), a.saveCheckpoint("t", "half")]
    const after = await new SynapseHub({ port, ...options }).start()
    ends.push(() => after.stop())
    expect(await Promise.all(meanwhile)).toMatchObject([{ task_id: "u" }, { task_id: "t", version: 1 }])
    expect((await a.requestState()).snapshot.active_claims).toMatchObject([{ task_id: "t", epoch, checkpoint: "half" }, { task_id: "u" }])
    await b.requestWho()
    const { msg_id: number } = await a.chat("two")
    expect(number).toBe(2)
    expect((await messages.next()).value?.payload).toBe("two")
    expect(b.hubId).toBe(after.id)
  })
})
