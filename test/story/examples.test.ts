// The examples, as a reader would run them.
import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { launch } from "../../kernel/index.ts"
import { main as ancestorNames } from "../../examples/ancestor-names.ts"
import { main as roundTrip } from "../../examples/capability-round-trip.ts"
import { main as client } from "../../examples/client.ts"
import { main as dockFromCode } from "../../examples/dock-from-code.ts"
import { main as broadcast } from "../../examples/kinds/broadcast.ts"
import { main as discoveryKind } from "../../examples/kinds/discovery.ts"
import { main as mailbox } from "../../examples/kinds/mailbox.ts"
import { main as passthrough } from "../../examples/kinds/passthrough.ts"
import { main as periodic } from "../../examples/kinds/periodic.ts"
import { main as workQueue } from "../../examples/kinds/work-queue.ts"
import { main as dataPipeline } from "../../examples/programs/data-pipeline.ts"
import { main as discoveryProgram } from "../../examples/programs/discovery.ts"
import { main as requestResponse } from "../../examples/programs/request-response.ts"
import { main as modelAgent } from "../../examples/model-agent.ts"
import { main as ownExecutor } from "../../examples/own-executor.ts"
import { main as quickStart } from "../../examples/quick-start.ts"
import { main as firstSystem } from "../../examples/tutorials/1-first-system.ts"
import { main as sharedWork } from "../../examples/tutorials/2-shared-work.ts"
import { main as lettersAndReplies } from "../../examples/tutorials/3-letters-and-replies.ts"
import { main as composite } from "../../examples/tutorials/4-composite.ts"
import { main as publish } from "../../examples/tutorials/5-publish.ts"
import wordCounter from "../../examples/first-module.ts"

describe("the examples", () => {
  it("a first module of 15 lines counts words", async () => {
    const source = readFileSync(new URL("../../examples/first-module.ts", import.meta.url), "utf8")
    expect(source.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("//")).length).toBeLessThanOrEqual(15)
    const kernel = await launch({ store: ":memory:" })
    await kernel.dock(wordCounter)
    await kernel.channels.append("notes.in", { payload: "to be or not" })
    for await (const event of kernel.channels.subscribe("notes.counted", { limit: 1 })) expect(event.payload).toEqual({ words: 4 })
    await expect(kernel.channels.append("notes.in", { payload: 7 })).rejects.toMatchObject({ _tag: "InvalidPayload" })
    await kernel.close()
  })

  it("an agent of a model keeps notes through the gate", async () => {
    const said = await modelAgent()
    expect(new Set(said)).toEqual(new Set(["Noted.", "Tell me to note something.", "Please note: water the plants"]))
  })

  it("docking from code reviews a diff and posts a comment that a human approved", async () => {
    expect(await dockFromCode()).toEqual({ verdict: { verdict: "fix" }, posted: ["PR-7: Finish the TODO"] })
  })

  it("an executor of one's own is twenty lines, runs by its declared risk, and never tells its secret", async () => {
    const source = readFileSync(new URL("../../examples/own-executor.ts", import.meta.url), "utf8")
    const [definition = ""] = /export const mail[\s\S]*?\n\}\)\n/u.exec(source) ?? []
    expect(definition.trim().split("\n").length).toBeLessThanOrEqual(20)
    expect(await ownExecutor()).toEqual({ sent: ["to you@our.example: Hello"], receipt: { letters: 1, said: "logged in with [secret:MAIL]" } })
  })

  it("the ancestor's names boot its config, dock, step and launch", async () => {
    const { systems, ticks } = await ancestorNames()
    expect(systems).toEqual(["example-agent", "clock"])
    expect(ticks).toBeGreaterThanOrEqual(3)
  })

  it("the capability round trip ends in an approval and a receipt", async () => {
    expect(await roundTrip()).toEqual([
      "capability_grant", "action_approved", "action_completed", JSON.stringify({ findings: ["nothing is known about exokernels yet"] })
    ])
  })

  it("[113] [W9] the quick start of the first generation delivers every message, here and over HTTP", async () => {
    expect(await quickStart()).toEqual({
      seen: [20, 21, 22], remote: [["sensor", { celsius: 20 }], ["sensor", { celsius: 21 }], ["sensor", { celsius: 22 }]], found: ["monitor"]
    })
  })
})

describe("the client of the README", () => {
  it("appends to a published kernel under the name of its token, and follows what comes", async () => {
    const kernel = await launch({ store: ":memory:", channels: [{ name: "orders", visibility: "public" }] })
    const { url } = await kernel.publish("127.0.0.1", 0)
    const { token } = await kernel.tokens.mint({ name: "ada", role: "write" })
    expect(await client(url, token)).toEqual({ sender: "ada", payload: { dish: "soup" } })
    await kernel.close()
  })
})

describe("the example of a channel kind", () => {
  it("passthrough: readers have cursors of their own, pass over what is held, and get what is given back", async () => {
    expect(await passthrough()).toEqual({
      first: [["ada", "milk"]], claimed: ["milk", "bread"], whileHeld: ["salt"], givenBack: ["bread"], kept: ["salt", "bread", "milk"]
    })
  })

  it("broadcast: everybody hears everything, and who comes late misses nothing", async () => {
    expect(await broadcast()).toEqual({
      history: ["rain"], heard: { early: ["rain", "sun"], late: ["sun"] },
      refused: "news is shared: an exclusive read is not offered, use a shared read."
    })
  })

  it("work queue: no job is with two, what fails comes again, and what fails always is a dead letter", async () => {
    expect(await workQueue()).toMatchObject({
      ada: ["wash", "dry"], ben: ["iron"], again: ["dry"], acknowledged: 1, notMine: 0,
      dead: { reason: "still broken", attempts: 2, sender: "office", payload: { data: "dry" } },
      refused: "jobs is exclusive: a shared read is not offered, use an exclusive read."
    })
  })

  it("mailbox: everybody sees their own mail and what is for all", async () => {
    expect(await mailbox()).toEqual({
      ada: [["office", "The heating is off on Friday."], ["ben", "At noon."]],
      ben: [["ada", "Lunch?"], ["office", "The heating is off on Friday."]],
      refused: "post is addressed: an exclusive read is not offered, use a shared read."
    })
  })

  it("periodic: a pull that fails and an item that is discarded stop nothing", async () => {
    expect(await periodic()).toEqual({ seen: [{ celsius: 21 }, { celsius: 24 }, { celsius: 25 }], failures: ["pull: no answer"] })
  })

  it("discovery: finds systems by what they offer, shows PUBLIC channels, and forgets what is taken back", async () => {
    expect(await discoveryKind()).toEqual({
      planner: {
        systemId: "planner", systemName: "Planner", description: "",
        services: [{ name: "plan", description: "makes a plan", parameters: { goal: { type: "string" } } }],
        // The cellar is not for the visitor.
        channelsRead: ["directory"], channelsWrite: ["directory"]
      },
      channels: ["square", "directory"], stall: "A stall", gone: null
    })
  })
})

describe("the tutorial", () => {
  it("1: a system writes, another reads, and nobody writes where nobody wired it", async () => {
    expect(await firstSystem()).toEqual({
      heard: [["greeter", "hello 1"], ["greeter", "hello 2"], ["greeter", "hello 3"]],
      refused: expect.stringMatching(/^listener may not append to greetings: it is not wired/u),
      systems: [["greeter", "running"], ["listener", "running"]]
    })
  })

  it("2: each job has one result, also the one that failed at first; the one that fails always is set aside", async () => {
    const { dead, open, results } = await sharedWork()
    const paths = (results as ReadonlyArray<{ readonly payload: { readonly data: { readonly path: string } } }>).map(({ payload }) => payload.data.path)
    expect([...paths].sort()).toEqual(["flaky.txt", ...Array.from({ length: 16 }, (_, n) => `page-${n}.txt`)].sort())
    expect(new Set((results as ReadonlyArray<{ readonly parentIds: ReadonlyArray<string> }>).flatMap(({ parentIds }) => parentIds)).size).toBe(17)
    expect(dead).toMatchObject([{ reason: "empty.txt has no text", attempts: 3, payload: { data: { path: "empty.txt" } } }])
    expect(open).toBe(0)
  })

  it("3: ten calls at once get ten answers, and letters reach whom they name", async () => {
    expect(await lettersAndReplies()).toEqual({
      answers: [0, 2, 4, 6, 8, 10, 12, 14, 16, 18],
      letters: { ada: [["shop", "The shop closes at six."]], ben: [["shop", "The shop closes at six."], ["shop", "Your order is here."]] }
    })
  })

  it("4: subsystems at any depth start, find each other, work, and end with their owner", async () => {
    expect(await composite()).toEqual({
      cooks: ["cook-1", "cook-2"], served: ["cake, hot", "fish, hot", "soup, hot"],
      docked: ["restaurant", "kitchen", "cook-1", "cook-2", "waiter", "guest"].map((id) => [id, "running"]),
      refused: expect.stringMatching(/^guest may not append to orders/u), left: 0, waiter: "STOPPED"
    })
  })

  it("5: outsiders do what their tokens and the channel's lists say, and nothing else", async () => {
    expect(await publish()).toEqual({
      shown: ["jobs", "jobs.dead", "readings"],
      read: [["robot", { done: "sweep" }], ["robot", { done: "mow" }]],
      refused: [
        "dashboard may not write to jobs: its token has the role 'read'. Ask its owner for the role 'write'.",
        "Channel not found: readings.", "Channel not found: diary.",
        "The credential is not good here. Mint a token with: aaax token mint NAME --role read"
      ]
    })
  })
})

describe("the program", () => {
  it("of a data pipeline makes a mean for each place, sets aside what it cannot read, and knows where everything comes from", async () => {
    const { correlated, means, origins, rejects } = await dataPipeline()
    expect(means).toEqual([{ place: "attic", celsius: 29, count: 3 }, { place: "cellar", celsius: 13, count: 2 }])
    expect(rejects).toHaveLength(2)
    expect(rejects).toEqual(expect.arrayContaining(["not a reading: cellar", "not a reading: attic, warm"].map((reason) => ({ data: { reason } }))))
    expect(origins).toEqual(Array.from({ length: 5 }, () => ["readings", "lines"]))
    expect(correlated).toBe(true)
  })

  it("of requests and responses gives every call its own answer, a refusal, or nothing in time", async () => {
    const { answers, letters, matched, unanswered, unknown } = await requestResponse()
    expect(answers.map((answer) => (answer !== null && "value" in answer ? answer.value : answer))).toEqual(
      Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? `TEXT ${n}` : [...`text ${n}`].reverse().join("")))
    )
    expect(new Set(answers.map((answer) => answer !== null && "by" in answer ? answer.by : "")).size).toBeGreaterThan(1)
    expect({ unanswered, unknown, letters, matched }).toEqual({
      unanswered: null, unknown: { refused: "unknown operation translate" }, letters: { ada: 11, ben: 10 }, matched: true
    })
  })

  it("of discovery finds who does what, and finds nobody when they are gone", async () => {
    expect(await discoveryProgram()).toEqual({
      offered: ["count", "shout"], counted: 6, shouted: "HELLO!", left: ["shout"], afterwards: "nobody offers count"
    })
  })
})
