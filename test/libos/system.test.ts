import { answer, BaseSystem, DefaultLibOS, defineModule } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { withKernel } from "../../kernel/testing.ts"
import { makeWorld, start, until } from "../kit/port-fake.ts"

class Counter extends BaseSystem {
  setUps = 0
  errors: Array<unknown> = []
  count = 0
  override setup(): void {
    this.setUps += 1
    this.addChannel({ name: `${this.id}.counts` })
  }
  override async step(): Promise<void> {
    this.count += 1
    if (this.count === 2) throw new Error("a bad day")
    await this.writeChannel(`${this.id}.counts`, this.count)
  }
  override onStepError(error: unknown): void {
    this.errors.push(error)
  }
}

describe("a BaseSystem", () => {
  it("is set up once, and brings its own channels and those of its subsystems", () => {
    const parent = new Counter({ id: "parent" })
    const child = new Counter({ id: "child" })
    parent.addSubsystem(child)
    parent.connect({ reads: ["other", "child.counts"], executors: ["fs.write"] })
    for (const _ of [1, 2]) {
      expect(parent.manifest).toMatchObject({
        id: "parent", reads: ["other", "child.counts"], executors: ["fs.write"], provides: [{ name: "parent.counts" }]
      })
    }
    expect(parent.allChannels.map(({ name }) => name)).toEqual(["parent.counts", "child.counts"])
    expect([parent.setUps, child.setUps]).toEqual([1, 1])
  })

  it("steps, also after a step that throws, until it is undocked; its subsystems step beside it, each under its own name", async () => {
    const parent = new Counter({ id: "parent", stepMillis: 1 })
    const child = new Counter({ id: "child", stepMillis: 1 })
    parent.addSubsystem(child)
    await withKernel({}, async (kernel) => {
      const read = (channel: string) => Effect.runPromise(Effect.map(kernel.channels.read("aaax", channel), ({ events }) => events))
      await Effect.runPromise(kernel.dock(parent))
      await until(() => parent.count >= 5 && child.count >= 5)
      await Effect.runPromise(kernel.undock("parent"))
      expect((await read("parent.counts")).slice(0, 3)).toMatchObject([{ sender: "parent", payload: 1 }, { payload: 3 }, { payload: 4 }])
      expect((await read("child.counts"))[0]).toMatchObject({ sender: "child", payload: 1 })
      expect([parent.errors.length, parent.state, child.state]).toEqual([1, "STOPPED", "STOPPED"])
      expect(kernel.systems()).toEqual([])
    })
  })

  it("that is run twice lives once: the second run joins the first, and ends with it", async () => {
    const world = makeWorld()
    let lives = 0
    class Once extends Counter {
      protected override life(): Promise<void> {
        lives += 1
        return super.life()
      }
    }
    const once = new Once({ id: "once", stepMillis: 1 })
    const port = world.dock(once)
    const [first, second] = [start(once, port), start(once, port)]
    await until(() => once.count >= 3)
    const joined = once.run()
    await first.stop()
    await Promise.all([joined, second.ended])
    expect(lives).toBe(1)
    expect(once.state).toBe("STOPPED")
    await expect(once.run()).rejects.toThrow(/dock it first/u)
  })

  it("says that it is not running when it is asked for what only a docked system has", () => {
    expect(() => new Counter({ id: "c" }).signal).toThrow(/dock it first/u)
  })

  it("cannot contain itself", () => {
    const a = new Counter({ id: "a" })
    const b = new Counter({ id: "b" })
    a.addSubsystem(b)
    expect(() => b.addSubsystem(a)).toThrow(/inside itself/u)
  })
})

describe("a TacticSystem", () => {
  it("gives every task to its tactic and appends the answer, correlated", async () => {
    const world = makeWorld()
    const system = new DefaultLibOS().tacticSystem({ id: "team/double", tactic: (task) => Number(task) * 2 })
    const port = world.dock(system)
    const running = start(system, port)
    await Effect.runPromise(world.port("asker").append("team.double.tasks", [{ payload: 21 }]))
    await until(() => world.events("team.double.results").length === 1)
    expect(world.events("team.double.results")[0]).toMatchObject({ payload: 42, correlationId: "e1", parentIds: ["e1"], recipient: "asker" })
    await running.stop()
  })
})

describe("ask and answer", () => {
  it("bring a request and its answer together, over any two channels", async () => {
    const world = makeWorld()
    const server = defineModule({
      id: "server", provides: [{ name: "square.in" }, { name: "square.out" }], reads: { questions: "square.in" }, writes: { answers: "square.out" },
      run: ({ reads, writes }) => answer(reads.questions, writes.answers, (question) => Number(question.payload) ** 2)
    })
    let squares: ReadonlyArray<unknown> = []
    const client = defineModule({
      id: "client", reads: { answers: "square.out" }, writes: { questions: "square.in" },
      run: async ({ ask, writes }) => {
        const replies = await Promise.all([2, 3, 4].map((n) => ask(writes.questions, n, { replies: "square.out" })))
        squares = replies.map((reply) => reply.payload)
      }
    })
    const serving = start(server, world.dock(server))
    await start(client, world.dock(client)).ended
    expect(squares).toEqual([4, 9, 16])
    await serving.stop()
  })
})
