// The ancestor's commands under our name: its flags, its lines and its exit codes; and every refusal said and told apart.
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { SynapseHub } from "../../../kernel/synapse-hub.ts"
import { SynapseAgent, type SynapseAgentOptions } from "../../../libos/synapse/agent.ts"
import { seatOf } from "../../../bin/coordination/connect.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { fakeHub, type FakeHub, type FakeOptions } from "../../kit/hub-fake.ts"
import { aaax, objectsOf, type Told } from "../../kit/command.ts"
import { runIn } from "../../kit/running.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-synapse-cli-"))
const ends: Array<() => unknown> = []
let open: SynapseHub
let secured: SynapseHub
beforeAll(async () => {
  open = await new SynapseHub({ port: 0, directory }).start()
  secured = await new SynapseHub({ port: 0, directory, tokens: ["letmein"] }).start()
})
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})
afterAll(async () => {
  await open.stop()
  await secured.stop()
  rmSync(directory, { recursive: true, force: true })
})
const hubWith = async (options?: FakeOptions): Promise<FakeHub> => {
  const hub = await fakeHub(options)
  ends.push(hub.close)
  return hub
}
const cli = (...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--dir", directory)
/** At the hub that is open, as a seat. */
const as = (name: string, ...args: ReadonlyArray<string>): Promise<Told> => cli(...args, "--uri", open.uri, "--name", name)
const seat = async (name: string, options: Partial<SynapseAgentOptions> = {}): Promise<SynapseAgent> => {
  const agent = await SynapseAgent.connect({ uri: open.uri, name, ...options })
  ends.push(() => left(agent))
  return agent
}
/** Until the hub knows that it has left. */
const left = async (agent: SynapseAgent): Promise<void> => {
  if (agent.name === "watch") return agent.close()
  const watch = await SynapseAgent.connect({ uri: agent.uri, name: "watch" })
  const gone = new Promise<void>((resolve) => watch.listen((frame) => void (frame.type === "presence_update" && frame.event === "left" && frame.agent === agent.name && resolve())))
  agent.close()
  await gone
  watch.close()
}
/** The seat is free again. */
const bound = async (name: string): Promise<void> => {
  const watch = await seat(`${name}/watch`)
  while (!(await watch.requestWho()).online_agents.includes(name)) await new Promise((resolve) => setImmediate(resolve))
}

describe("aaax wait", () => {
  it("[46] ends 0 with one line, 2 when nobody wrote in time, 3 when the connection broke and 1 without a hub", async () => {
    const hub = await hubWith()
    const at = ["--uri", hub.uri, "--name", "A"]
    let said = 0
    const say = (sender: string, target: string, payload: string) => hub.broadcast({ type: "chat", sender, target, payload, msg_id: ++said })
    const waiting = cli("wait", ...at, "--directed-only")
    await hub.next(({ sender }) => sender === "A-rx")
    say("A", "all", "my own")
    say("A-rx", "A", "my own, too")
    say("B", "all", "for everybody")
    say("B", "C,D", "for others")
    say("B", "x, A", "for me")
    expect(await waiting).toEqual({ code: 0, stdout: "B: for me\n", stderr: "" })
    expect(await cli("wait", ...at, "--timeout", "0.05")).toMatchObject({ code: 2, stdout: "" })
    await hub.next(({ sender }) => sender === "A-rx")
    const dropped = cli("wait", ...at)
    await hub.next(({ sender }) => sender === "A-rx")
    hub.cut()
    expect(await dropped).toEqual({ code: 3, stdout: "", stderr: `[A-rx] connection to ${hub.uri} closed; re-arm the waiter.\n` })
    await hub.close()
    expect(await cli("wait", ...at)).toEqual({ code: 1, stdout: "", stderr: `[A-rx] Could not reach hub at ${hub.uri}.\n` })
  })

  it("[47] connects as X-rx, so that X can send meanwhile", async () => {
    const waiting = as("X", "wait", "--directed-only")
    await bound("X-rx")
    const x = await seat("X")
    await x.chat("from myself", { target: "X" })
    await (await seat("Y")).chat("hello", { target: "X" })
    expect(await waiting).toEqual({ code: 0, stdout: "Y: hello\n", stderr: "" })
    expect(await as("Z", "wait", "--for", "X", "--timeout", "0.05")).toMatchObject({ code: 2, stdout: "" })
  })

  it("[48] gets what was directed at its seat while nobody waited, once", async () => {
    await (await seat("S")).chat("come back", { target: "away/one" })
    expect(await as("away/one", "wait", "--timeout", "5")).toEqual({ code: 0, stdout: "S: come back\n", stderr: "" })
    expect(await as("away/one", "wait", "--timeout", "0.05")).toMatchObject({ code: 2 })
  })

  it("is woken by what is urgent, and shows nothing that would steer a terminal", async () => {
    const waiting = as("W", "wait", "--directed-only")
    await bound("W-rx")
    await (await seat("U")).chat("\u001b[31mfire", { priority: true })
    expect((await waiting).stdout).toBe("U: ·[31mfire\n")
  })
})

describe("aaax send, inbox and receipts", () => {
  it("says what came of it, keeps it for who is away, and tells how far it came", async () => {
    await seat("B")
    const sent = await as("A", "send", "one", "--target", "B,away/two", "--wait-seconds", "0")
    expect(sent).toMatchObject({ code: 0, stdout: "" })
    expect(sent.stderr).toMatch(/^message \d+: to B; kept for away\/two\n$/u)
    const number = /message (\d+)/u.exec(sent.stderr)?.[1] ?? ""
    expect((await as("A", "receipts", number)).stdout).toMatch(/away\/two +accepted/u)
    expect(await as("away/two", "inbox", "--peek")).toMatchObject({ code: 0, stdout: `#${number} A: one\n` })
    const [chat] = objectsOf(await as("away/two", "inbox", "--json"))
    expect(chat).toMatchObject({ message: Number(number), from: "A", target: "B,away/two", payload: "one" })
    expect(await as("away/two", "inbox")).toMatchObject({ code: 0, stdout: "", stderr: "nothing waits\n" })
    expect(JSON.parse((await as("A", "receipts", number, "--json")).stdout)).toMatchObject([{ states: { "away/two": "read" } }])
    expect(await as("A", "receipts", "999999")).toMatchObject({ code: 3 })
    expect((await as("A", "receipts", "--dead")).code).toBe(0)
    // The seat itself is taken: it looks from beside.
    await as("A", "send", "two", "--target", "B", "--wait-seconds", "0")
    expect(objectsOf(await as("B", "inbox", "--json", "--handled")).map(({ payload }) => payload)).toEqual(["one", "two"])
  })

  it("prints what others say while it stays", async () => {
    const hub = await hubWith({
      answer: (frame, say) => {
        if (frame.type !== "chat") return
        say({ ...frame, msg_id: 1 })
        say({ type: "chat", sender: "B", payload: "pong", msg_id: 2 })
      }
    })
    expect(await cli("send", "ping", "--uri", hub.uri, "--name", "A", "--wait-seconds", "0.1")).toEqual({ code: 0, stdout: "B: pong\n", stderr: "" })
    expect(hub.heard.find(({ type }) => type === "chat")).toMatchObject({ target: "all", payload: "ping", sender: "A" })
  })

  it("stays in the inbox until somebody writes, and says when nobody did", async () => {
    const waiting = as("I", "inbox", "--wait", "--json")
    const s = await seat("J")
    while (!(await s.requestWho()).online_agents.some((name) => name.startsWith("I/rx-"))) await new Promise((resolve) => setImmediate(resolve))
    await s.chat("wake up", { target: "I" })
    expect(objectsOf(await waiting)).toMatchObject([{ from: "J", payload: "wake up" }])
    expect(await as("I", "inbox", "--wait", "--timeout", "0")).toMatchObject({ code: 7, stdout: "" })
  })
})

describe("looking from the command line", () => {
  it("[148] shows seats and claims of a project: of that name and below it", async () => {
    const [p, px, pq] = [await seat("p"), await seat("p/x"), await seat("pq")]
    await p.claim("t1", { paths: ["src/a", "docs"], worktree: "w" })
    await px.claim("t2", { worktree: "v", mutex: true })
    await px.saveCheckpoint("t2", "half")
    await pq.claim("t3", { paths: ["lib"], worktree: "u" })
    expect(await as("p/look", "who", "--project", "p")).toEqual({ code: 0, stdout: "Online in p (3):\n  p\n  p/look\n  p/x\n", stderr: "" })
    expect((await as("L", "who")).stdout).toMatch(/^Online \(\d+\):\n  L\n[^]*  pq\n/u)
    expect(await as("L", "state", "--owner", "p")).toEqual({
      code: 0, stdout: "Active claims (2):\n  t1 [claimed] owner=p paths=src/a, docs checkpoint=-\n  t2 [claimed] owner=p/x paths=- checkpoint=half\n", stderr: ""
    })
    expect(JSON.parse((await as("L", "state", "--json")).stdout)).toMatchObject([{ task: "t1", owner: "p" }, { task: "t2" }, { task: "t3" }])
    for (const [agent, task] of [[p, "t1"], [px, "t2"], [pq, "t3"]] as const) await agent.release(task)
    expect((await as("L", "state")).stdout).toBe("Active claims (0):\n")
  })

  it("shows the plan, its notes and what seats can do", async () => {
    await as("A", "task", "declare", "base", "--title", "Base")
    await as("A", "task", "declare", "top", "--title", "Top", "--depends-on", "base")
    await as("A", "task", "progress", "base", "began")
    const board = await as("A", "board")
    expect(board.stdout).toContain("  [open] base — Base\n  [open] top — Top  (deps: base)\nReady: base\nRecent progress:\n  A [note] base: began\n")
    await as("A", "task", "update", "base", "--status", "cancelled")
    expect(JSON.parse((await as("A", "board", "--json")).stdout)).toMatchObject({ ready: ["top"], tasks: [{ task: "base", status: "cancelled" }, { task: "top", dependsOn: ["base"] }] })
    await (await seat("M")).advertise({ description: "reads code", task_classes: ["review", "chat"], model: "m1" })
    await (await seat("N")).advertise({})
    expect((await as("A", "manifest")).stdout).toBe("Agents (2):\n  M [review, chat] model=m1: reads code\n  N [none] model=-: \n")
    expect(JSON.parse((await as("A", "manifest", "--task-class", "review", "--json")).stdout)).toMatchObject([{ seat: "M", taskClasses: ["review", "chat"] }])
  })

  it("looks beside whoever has the seat, and from a seat of its own where that cannot be and nobody said which seat", async () => {
    await seat("USER")
    expect((await as("USER", "who")).stdout).toMatch(/\n  USER\n$/u)
    const names: Array<unknown> = []
    const stock = await hubWith({
      refuse: ({ sender }) => {
        names.push(sender)
        return sender === "USER" ? { frame: { type: "name_conflict", payload: "Name 'USER' is already online." }, code: 4009 } : undefined
      },
      answer: ({ type }, say) => type === "who_request" && say({ type: "who_snapshot", online_agents: ["USER"], connected_clients: 2 })
    })
    expect(await cli("who", "--uri", stock.uri)).toMatchObject({ code: 0, stdout: "Online (1):\n  USER\n" })
    expect(names).toEqual(["USER", expect.stringMatching(/^USER\/look-\d+$/u)])
    expect(await cli("who", "--uri", stock.uri, "--name", "USER")).toMatchObject({ code: 5, stdout: "" })
  })
})

describe("aaax task", () => {
  it("[150] prints the confirmation of this very request", async () => {
    const hub = await hubWith({
      extensions: ["request_id"],
      answer: ({ kind, request_id, status, task_id, text, title, type }, say) => {
        const theirs = { task_id, title: "theirs", status: "done", depends_on: [] }
        if (type === "ledger_task") {
          say({ type: "ledger_task_posted", payload: `Task '${task_id}' declared by A.`, task: theirs, request_id: "another" })
          say({ type: "ledger_task_posted", payload: `Task '${task_id}' declared by A.`, task: { ...theirs, title }, request_id })
        } else if (type === "ledger_task_update") {
          say({ type: "ledger_task_updated", task: theirs, request_id: "another" })
          say({ type: "ledger_task_updated", task: { ...theirs, status }, request_id })
        } else if (type === "ledger_progress") {
          say({ type: "ledger_progress_posted", note: { task_id, author: "A", kind, text: "theirs" } })
          say({ type: "ledger_progress_posted", note: { task_id, author: "A", kind, text }, request_id })
        }
      }
    })
    const at = ["--uri", hub.uri, "--name", "A"]
    expect((await cli("task", "declare", "t", "--title", "mine", ...at)).stdout).toBe("declared t — mine (deps: none)\n")
    expect((await cli("task", "update", "t", "--status", "blocked", ...at)).stdout).toBe("updated t -> status=blocked\n")
    expect((await cli("task", "progress", "t", "so far", "--kind", "assessment", ...at)).stdout).toBe("posted assessment on t: so far\n")
  })

  it("keeps the ancestor's lines with our hub, versions included", async () => {
    expect((await as("A", "task", "declare", "v", "--title", "V", "--depends-on", "x", "--depends-on", "y", "--expected-version", "0")).stdout).toBe("declared v — V (deps: x, y)\n")
    expect(await as("A", "task", "declare", "v", "--title", "W", "--expected-version", "0")).toMatchObject({ code: 5, stdout: "" })
    expect((await as("A", "task", "update", "v", "--suggested-owner", "B")).stdout).toBe("updated v -> status=open\n")
    expect(await cli("task")).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("usage:") })
  })
})

describe("beside an agent that is connected as the same seat", () => {
  it("every command that acts as the seat does so, and the agent stays and is told what was done", async () => {
    const agent = await seat("both")
    const other = await seat("receiver")
    await agent.claim("mine", { paths: ["mine"] })
    const messages = other.messages()
    expect(await as("both", "send", "hello", "--target", "receiver", "--wait-seconds", "0")).toMatchObject({ code: 0 })
    expect((await messages.next()).value).toMatchObject({ sender: "both", payload: "hello" })
    expect((await as("both", "task", "declare", "b1", "--title", "B")).code).toBe(0)
    expect((await as("both", "task", "update", "b1", "--status", "in_progress")).code).toBe(0)
    expect((await as("both", "receipts")).stdout).toContain("receiver")
    await other.chat("answer", { target: "both" })
    expect((await as("both", "inbox")).stdout).toContain("receiver: answer")
    const handed = agent.frames()
    expect((await as("both", "handoff", "mine", "receiver")).stdout).toContain("handed mine from both to receiver")
    for await (const frame of handed) if (frame.type === "handoff_granted") {
      expect(frame).toMatchObject({ task_id: "mine", owner: "receiver", previous_owner: "both" })
      break
    }
    expect((await agent.requestWho()).online_agents.filter((name) => name.startsWith("both"))).toEqual(["both"])
  })

  it("takes no message away that was kept for the agent", async () => {
    const other = await seat("sender")
    await other.chat("kept", { target: "away" })
    expect((await as("away", "task", "declare", "away1", "--title", "A")).code).toBe(0)
    expect((await as("away", "inbox", "--peek")).stdout).toContain("sender: kept")
    const away = new SynapseAgent({ uri: open.uri, name: "away", reconnect: false })
    const messages = away.messages()
    expect((await messages.next()).value).toMatchObject({ payload: "kept", replayed: true })
    away.close()
  })
})

describe("a refusal", () => {
  it("[149] ends every command with the hub's reason and an exit code of its own", async () => {
    await seat("taken")
    const said = async (told: Promise<Told>, code: number, reason: string): Promise<void> => expect(await told, reason).toEqual({ code, stdout: "", stderr: `aaax: ${reason}\n` })
    for (const command of [["who"], ["state"], ["board"], ["manifest"], ["task", "declare", "t", "--title", "T"], ["task", "update", "t"], ["task", "progress", "t", "x"], ["send", "x"], ["listen"], ["inbox"], ["receipts"], ["handoff", "t", "B"], ["wait"]]) {
      const at = ["--uri", secured.uri, "--name", "A"]
      await said(cli(...command, ...at), 4, "Authentication token required.")
      await said(cli(...command, ...at, "--token", "wrong"), 4, "Invalid authentication token.")
    }
    expect((await cli("who", "--uri", secured.uri, "--name", "A", "--token", "letmein")).stdout).toBe("Online (1):\n  A\n")
    const payload = "Name 'taken' is already online from another session. Use a unique --name."
    const stock = await hubWith({ refuse: () => ({ frame: { type: "name_conflict", payload }, code: 4009 }) })
    for (const command of [["who"], ["board"], ["task", "progress", "t", "x"], ["send", "x"], ["listen"], ["handoff", "t", "B"]]) {
      await said(cli(...command, "--uri", stock.uri, "--name", "taken"), 5, payload)
    }
    // Whoever stays has its name alone.
    await said(as("taken", "listen"), 5, payload)
    expect(await as("SynapseHub", "who")).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("SynapseHub") })
    expect(await as("A", "task", "progress", "t", "x".repeat(1_100_000))).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("too large") })
    await said(as("A", "task", "declare", "t", "--title", ""), 2, "Task title is required.")
    await said(as("A", "task", "declare", " ", "--title", "T"), 2, "Task ID is required.")
    await said(as("A", "task", "update", "none"), 3, "Task 'none' is not on the board.")
    await as("A", "task", "declare", "loop", "--title", "L", "--depends-on", "pool")
    await said(as("A", "task", "declare", "pool", "--title", "P", "--depends-on", "loop"), 5, "Task 'pool' dependencies would form a cycle.")
    await said(as("A", "task", "update", "loop", "--status", "gone"), 2, "Unknown ledger status 'gone'.")
    await said(as("A", "task", "progress", "loop", "x", "--kind", "poem"), 2, "Unknown progress kind 'poem'.")
    await said(as("A", "handoff", "loop", "nobody"), 3, "Handoff target 'nobody' is not online.")
    await said(as("A", "handoff", "loop", "taken"), 3, "Task 'loop' is not currently claimed.")
  })

  it("steers no terminal, whatever a hub says", async () => {
    const hub = await hubWith({ refuse: () => ({ frame: { type: "auth_denied", payload: "\u001b[2Jno" }, code: 4010 }) })
    expect(await cli("who", "--uri", hub.uri)).toEqual({ code: 4, stdout: "", stderr: "aaax: ·[2Jno\n" })
  })

  it("is not a hub that nobody reaches: that is the ancestor's code for its verbs, and ours for ours", async () => {
    const at = ["--uri", "ws://127.0.0.1:9", "--name", "A"]
    for (const command of [["who"], ["state"], ["board"], ["manifest"], ["task", "update", "t"], ["send", "x"], ["listen"]]) {
      expect(await cli(...command, ...at), command[0]).toEqual({ code: 1, stdout: "", stderr: "[A] Could not reach hub at ws://127.0.0.1:9.\n" })
    }
    for (const command of [["inbox"], ["receipts"], ["handoff", "t", "B"]]) expect((await cli(...command, ...at)).code, command[0]).toBe(6)
    expect(await cli("who", "--uri", "http://127.0.0.1:9")).toMatchObject({ code: 2 })
    expect(await cli("inbox", "--uri", (await hubWith()).uri)).toMatchObject({ code: 1, stderr: expect.stringContaining("none of ours") })
  })
})

describe("aaax handoff", () => {
  it("moves a claim with what belongs to it", async () => {
    const b = await seat("H2")
    expect((await as("H1", "task", "progress", "h", "soon")).code).toBe(0)
    const giver = await seat("H1")
    const { epoch } = await giver.claim("h", { paths: ["h"], worktree: "h" })
    await left(giver)
    ends.pop()
    expect(await as("H1", "handoff", "h", "H2", "--epoch", String(epoch + 1))).toMatchObject({ code: 5 })
    expect((await as("H1", "handoff", "h", "H2", "--note", "tests are missing", "--epoch", String(epoch))).stdout).toBe(`handed h from H1 to H2 (epoch ${epoch + 1})\n`)
    expect(await b.release("h")).toMatchObject({ owner: "H2" })
  })
})

describe("which hub and which seat", () => {
  it("is that of the folder: its constellation, with the operator's token, and the seat of its working tree", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aaax-synapse-tree-"))
    const running = await runIn(folder, {})
    ends.push(async () => {
      await running.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    await Effect.runPromise(running.kernel.dock(coordinator()))
    expect((await aaax("who", "--dir", folder)).stdout).toBe("Online (1):\n  USER\n")
    process.env["AAAX_SEAT"] = "from/terminal"
    ends.push(() => delete process.env["AAAX_SEAT"])
    expect(seatOf(folder)).toBe("from/terminal")
    execFileSync("git", ["init", "-q", folder])
    expect(seatOf(folder)).toBe("from/terminal")
    execFileSync("git", ["-C", folder, "config", "aaax.seat", "from/tree"])
    expect((await aaax("who", "--dir", folder)).stdout).toBe("Online (1):\n  from/tree\n")
    expect((await aaax("who", "--dir", folder, "--seat", "said")).stdout).toBe("Online (1):\n  said\n")
    const linked = mkdtempSync(join(tmpdir(), "aaax-synapse-linked-"))
    ends.push(() => rmSync(linked, { recursive: true, force: true }))
    execFileSync("git", ["-C", folder, "-c", "user.name=t", "-c", "user.email=t", "commit", "-q", "--allow-empty", "-m", "first"])
    execFileSync("git", ["-C", folder, "worktree", "add", "-q", join(linked, "tree")], { stdio: "ignore" })
    expect((await aaax("who", "--dir", join(linked, "tree"), "--seat", "linked")).stdout).toBe("Online (1):\n  linked\n")
    execFileSync("git", ["-C", folder, "config", "aaax.uri", secured.uri])
    expect(await aaax("who", "--dir", folder)).toMatchObject({ code: 4 })
    process.env["SYNAPSE_URI"] = open.uri
    ends.push(() => delete process.env["SYNAPSE_URI"])
    await seat("elsewhere")
    expect((await aaax("who", "--dir", folder)).stdout).toContain("  elsewhere\n")
  })

  it("gives the operator's token to no hub that somebody names", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aaax-synapse-token-"))
    const running = await runIn(folder, {})
    ends.push(async () => {
      await running.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    const hub = await hubWith({ answer: ({ type }, say) => void (type === "who_request" && say({ type: "who_snapshot", online_agents: [], connected_clients: 1 })) })
    expect((await aaax("who", "--dir", folder, "--uri", hub.uri)).code).toBe(0)
    execFileSync("git", ["init", "-q", folder])
    execFileSync("git", ["-C", folder, "config", "aaax.uri", hub.uri])
    expect((await aaax("who", "--dir", folder)).code).toBe(0)
    expect(hub.heard.filter(({ type }) => type === "heartbeat").map(({ token }) => token)).toEqual([undefined, undefined])
  })
})

describe("aaax listen", () => {
  it("prints what is said and who comes and goes, and only messages when it listens for somebody", async () => {
    let messages = 0
    let refuse = false
    const hub = await hubWith({ refuse: () => (refuse ? { frame: { type: "auth_denied", payload: "no more" }, code: 4010 } : undefined) })
    const lines = async (...args: ReadonlyArray<string>): Promise<string> => {
      // Refused on the next connection, it ends.
      const listening = cli("listen", "--uri", hub.uri, "--name", "L", ...args)
      await hub.next(({ sender }) => sender === "L")
      hub.broadcast({ type: "chat", sender: "B", target: "C", payload: "for C", msg_id: ++messages })
      hub.broadcast({ type: "presence_update", event: "left", agent: "B", online_agents: ["C", "L"] })
      hub.broadcast({ type: "chat", sender: "B", target: "all", payload: "for all", msg_id: ++messages })
      refuse = true
      hub.cut()
      const { code, stdout } = await listening
      refuse = false
      expect(code).toBe(4)
      return stdout
    }
    expect(await lines()).toBe("[presence] joined -> online: Z\n[presence] joined -> online: L\nB: for C\n[presence] left -> online: C, L\nB: for all\n[presence] joined -> online: Z\n")
    expect(await lines("--for", "C")).toBe("B: for C\nB: for all\n")
    expect(await lines("--for", "D")).toBe("B: for all\n")
  })
})
