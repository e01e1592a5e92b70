import { defineModule, NotDone, Schema, defineExecutor, runFold, type Call, type Reads } from "aaax"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { makeReader, toStandard } from "aaax/effect"
import { describe, expect, it } from "vitest"
import firstModule from "../../examples/first-module.ts"
import { makeWorld, start, until } from "../kit/port-fake.ts"

const some = async (reads: Reads<unknown>, count: number, options?: Parameters<Reads<unknown>["subscribe"]>[0]): Promise<Array<unknown>> => {
  const seen: Array<unknown> = []
  for await (const event of reads.subscribe(options)) {
    seen.push(event.payload)
    if (seen.length === count) break
  }
  return seen
}

describe("a module", () => {
  it("becomes a manifest that asks for what it names, and not for its own channels", () => {
    const { manifest, schemas } = defineModule({
      id: "team/one",
      provides: [{ name: "own.log", form: "log", schema: Schema.String }, { name: "own.tasks", form: "queue", schema: "psi://task" }],
      reads: { a: "other.a", own: "own.log" },
      writes: { b: { channel: "other.b", kind: "b" }, own: "own.log" },
      takes: { tasks: "own.tasks", more: "other.tasks" },
      executors: ["fs.write"],
      powers: [{ power: "read", root: "." }]
    })
    expect(manifest).toMatchObject({
      id: "team/one", framework: "esm", reads: ["other.a"], writes: ["other.b"], takes: ["other.tasks"], executors: ["fs.write"],
      provides: [{ name: "own.log", form: "log" }, { name: "own.tasks", form: "queue", schema: "psi://task" }],
      powers: [{ power: "read", root: "." }], privileged: false
    })
    expect(Object.keys(schemas ?? {})).toEqual(["own.log"])
  })

  it.each([
    ["a bad id", { id: "a b" }, /its id/u],
    ["a channel of the kernel", { id: "a", provides: [{ name: "aaax.mine" }] }, /are the kernel's/u],
    ["one channel twice", { id: "a", provides: [{ name: "x" }, { name: "x" }] }, /twice/u],
    ["a name that is no channel name", { id: "a", reads: { x: "a/b" } }, /not a channel name/u]
  ])("is refused when it is written with %s", (_, spec, message) => {
    expect(() => defineModule(spec)).toThrow(message)
  })

  it("works in fifteen lines", async () => {
    const world = makeWorld()
    const running = start(firstModule, world.dock(firstModule))
    await Effect.runPromise(world.port("writer").append("notes.in", [{ payload: "one two three" }]))
    await until(() => world.events("notes.counted").length === 1)
    expect(world.events("notes.counted")[0]).toMatchObject({ payload: { words: 3 }, sender: "word-counter", parentIds: ["e1"] })
    await running.stop()
  })

  it("goes on after a restart where it was", async () => {
    const world = makeWorld()
    const port = world.dock(firstModule)
    const writer = world.port("writer")
    const first = start(firstModule, port)
    await Effect.runPromise(writer.append("notes.in", [{ payload: "a" }]))
    await until(() => world.calls.includes("advance notes 1"))
    await first.stop()
    await Effect.runPromise(writer.append("notes.in", [{ payload: "b c" }]))
    const second = start(firstModule, port)
    await until(() => world.events("notes.counted").length === 2)
    expect(world.events("notes.counted").map((event) => event.payload)).toEqual([{ words: 1 }, { words: 2 }])
    await second.stop()
  })

  it("fails with what its code throws, as it is", async () => {
    const world = makeWorld()
    const failing = defineModule({
      id: "failing",
      provides: [{ name: "own" }],
      writes: { own: { channel: "own", schema: Schema.Number } },
      // @ts-expect-error -- it is the run-time check that is tested
      run: async ({ writes }) => void (await writes.own.append("no number"))
    })
    const exit = await Effect.runPromiseExit(failing.run!(world.dock(failing)))
    expect(Exit.isFailure(exit) && exit.cause.reasons[0]).toMatchObject({ _tag: "Fail", error: { _tag: "InvalidPayload", what: "payload for own" } })
    expect(world.events("own")).toEqual([])
  })

  it("is drained by letting it complete what it has begun", async () => {
    const world = makeWorld()
    const said: Array<string> = []
    let listening = false
    const slow = defineModule({
      id: "slow",
      provides: [{ name: "own" }],
      writes: { own: "own" },
      async run({ signal, writes }) {
        const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve))
        listening = true
        await aborted
        await writes.own.append("the last word")
        said.push("run ended")
      },
      drain: () => void said.push("drain was called")
    })
    const running = start(slow, world.dock(slow))
    await until(() => listening)
    await running.drain()
    expect(said).toEqual(["drain was called", "run ended"])
    expect(world.events("own").map((event) => event.payload)).toEqual(["the last word"])
    await running.stop()
  })

  it("that does not listen to its signal has its calls ended soon after it was interrupted", async () => {
    const world = makeWorld()
    const deaf = defineModule({
      id: "deaf",
      executors: ["fs.write"],
      run: async ({ act }) => {
        asked = true
        ended = await act("fs.write", { target: "x" }).catch((error: Error) => error.name)
      }
    })
    let asked = false
    let ended: unknown
    const running = start(deaf, world.dock(deaf))
    await until(() => asked)
    await running.stop()
    expect(ended).toBe("AbortError")
  })
})

describe("a subscription of a module", () => {
  const reading = <T>(body: (reads: Reads<unknown>, signal: AbortSignal) => Promise<T>, fill = 5) => {
    const world = makeWorld()
    let result: T | undefined
    const system = defineModule({
      id: "reader",
      provides: [{ name: "own" }],
      reads: { own: "own" },
      run: async ({ reads, signal }) => {
        result = await body(reads.own, signal)
      }
    })
    const port = world.dock(system)
    return {
      world,
      run: async (): Promise<T | undefined> => {
        await Effect.runPromise(port.append("own", Array.from({ length: fill }, (_, n) => ({ payload: n, kind: n % 2 === 0 ? "even" : "odd" }))))
        await Effect.runPromise(system.run!(port) as Effect.Effect<void>)
        return result
      },
      again: async (): Promise<T | undefined> => {
        await Effect.runPromise(system.run!(port) as Effect.Effect<void>)
        return result
      }
    }
  }
  it("gives every event in order, over many pages", async () => {
    const { run } = reading((reads) => some(reads, 700), 700)
    expect(await run()).toEqual(Array.from({ length: 700 }, (_, n) => n))
  })

  it("gives the event that was being handled once more when its handling was not completed", async () => {
    const { again, run } = reading((reads) => some(reads, 2))
    expect(await run()).toEqual([0, 1])
    expect(await again()).toEqual([1, 2])
  })

  it("starts where it is told, and only there", async () => {
    const { run } = reading(async (reads) => ({
      start: await some(reads, 2, { from: "start" }),
      after: await some(reads, 2, { after: 3 }),
      filtered: await some(reads, 2, { from: "start", filter: { kind: "odd" } }),
      named: await some(reads, 1, { from: "elsewhere", after: 4 })
    }))
    expect(await run()).toEqual({ start: [0, 1], after: [3, 4], filtered: [1, 3], named: [4] })
  })

  it("from now on gives nothing that was there before", async () => {
    const world = makeWorld()
    const seen: Array<unknown> = []
    const system = defineModule({
      id: "reader",
      provides: [{ name: "own" }],
      reads: { own: "own" },
      writes: { own: "own" },
      async run({ reads, signal, writes }) {
        const events = reads.own.subscribe({ from: "now", signal })
        const next = events.next()
        await new Promise((resolve) => setTimeout(resolve, 5))
        await writes.own.append("new")
        seen.push((await next).value?.payload)
      }
    })
    const port = world.dock(system)
    await Effect.runPromise(port.append("own", [{ payload: "old" }]))
    await Effect.runPromise(system.run!(port) as Effect.Effect<void>)
    expect(seen).toEqual(["new"])
  })

  it("ends without an error when its signal is aborted", async () => {
    const { run } = reading(async (reads) => {
      const controller = new AbortController()
      const seen: Array<unknown> = []
      setTimeout(() => controller.abort(), 10)
      for await (const event of reads.subscribe({ from: "start", signal: controller.signal })) seen.push(event.payload)
      return seen
    })
    expect(await run()).toEqual([0, 1, 2, 3, 4])
  })

  it("reports what retention evicted behind its back, or reads on when it is told to", async () => {
    const world = makeWorld()
    const system = defineModule({ id: "reader", provides: [{ name: "own" }], reads: { own: "own" }, run: async ({ reads }) => {
      const failed = await some(reads.own, 1, { after: 1 }).then(() => "no gap", (error: { readonly _tag: string }) => error._tag)
      result = [failed, await some(reads.own, 2, { after: 1, gap: "continue" }), await some(reads.own, 2, { from: "start" })]
    } })
    let result: unknown
    const port = world.dock(system)
    await Effect.runPromise(port.append("own", [1, 2, 3, 4, 5].map((payload) => ({ payload }))))
    world.evict("own", 3)
    await Effect.runPromise(system.run!(port) as Effect.Effect<void>)
    expect(result).toEqual(["Gap", [4, 5], [4, 5]])
  })
})

describe("a reader with a schema", () => {
  const payloads = [1, { n: "x" }, 2, "text", { n: 3 }]
  const schema = Schema.Union([Schema.Number, Schema.Struct({ n: Schema.Number })])

  /** Runs a module that reads them until it has what it waits for; answers what it was warned of. */
  const warnings = async (body: (own: Reads<number | { readonly n: number }>) => Promise<unknown>, times = 1, more: ReadonlyArray<unknown> = []) => {
    const world = makeWorld()
    const system = defineModule({
      id: "reader", provides: [{ name: "own" }], reads: { own: { channel: "own", schema } }, snapshots: ["state"],
      run: async ({ reads }) => void (await body(reads.own))
    })
    const port = world.dock(system)
    await Effect.runPromise(port.append("own", [...payloads, ...more].map((payload) => ({ payload }))))
    const told: Array<string> = []
    const logger = Logger.layer([Logger.make(({ logLevel, message }) => void told.push(`${logLevel} ${String(message)}`))])
    for (let time = 0; time < times; time++) await Effect.runPromise(Effect.provide(system.run!(port) as Effect.Effect<void>, logger))
    return { told, world }
  }
  const both = [
    "Warn own#2 is passed over: its payload is not what this reader expects at n: Expected number",
    expect.stringMatching(/^Warn own#4 is passed over: its payload is not what this reader expects: Expected number/u)
  ]
  const good = [1, 2, { n: 3 }]

  it("passes over what an older writer left when it subscribes, with a warning for each", async () => {
    let seen: unknown
    const { told } = await warnings(async (own) => (seen = await some(own, 3)))
    expect(seen).toEqual(good)
    expect(told).toEqual(both)
  })

  it("does so in batches, for handlers, and in a page", async () => {
    const seen: Array<unknown> = []
    const { told } = await warnings(async (own) => {
      for await (const batch of own.batches({ from: "start" })) {
        seen.push(...batch.map(({ payload }) => payload))
        break
      }
      const stop = new AbortController()
      await own.each(({ cursor, payload }) => {
        seen.push(payload)
        if (cursor === 5) stop.abort()
      }, { from: "start", signal: stop.signal })
      seen.push(...(await own.read()).events.map(({ payload }) => payload))
    })
    expect(seen).toEqual([...good, ...good, ...good])
    expect(told).toEqual(both)
  })

  it("does so in a fold", async () => {
    const stop = new AbortController()
    const folded: Array<unknown> = []
    const { told } = await warnings((own) =>
      runFold({ version: 1, initial: 0, step: (count, { payload }) => (folded.push(payload), count + 1) }, {
        channel: own, snapshot: "state", signal: stop.signal, onPage: () => stop.abort()
      }))
    expect(folded).toEqual(good)
    expect(told).toEqual(both)
  })

  it("says it once, however often it is started again, and remembers that it is behind it", async () => {
    const { told, world } = await warnings(async (own) => {
      const stop = new AbortController()
      setTimeout(() => stop.abort(), 20)
      for await (const event of own.subscribe({ signal: stop.signal })) void event
    }, 3, ["last"])
    expect(told).toHaveLength(3)
    expect(world.calls.filter((call) => call.startsWith("advance"))).toEqual(["advance own 6"])
  })

  it("is behind a page of them when all before it was handled, and not before", async () => {
    const world = makeWorld()
    world.open("own")
    const port = world.port("x")
    const { advance, pull } = makeReader<number>(port, "own", toStandard(Schema.Number)).follow({ from: "mine" })
    const add = (payload: unknown) => port.append("own", [{ payload }])
    const next = async (): Promise<unknown> => (await Effect.runPromise(pull)).map(({ payload }) => payload)
    await Effect.runPromise(add(1))
    expect(await next()).toEqual([1])
    await Effect.runPromise(add("no number"))
    const second = next()
    await Effect.runPromise(add(2))
    expect(await second).toEqual([2])
    expect(world.calls.filter((call) => call.startsWith("advance"))).toEqual([])
    await Effect.runPromise(advance(3))
    const third = next()
    await Effect.runPromise(add("again none"))
    await until(() => world.calls.includes("advance mine 4"))
    await Effect.runPromise(add(3))
    expect(await third).toEqual([3])
  })
})

describe("a follower", () => {
  it("as a stream remembers a page when the next one is asked for", async () => {
    const world = makeWorld()
    world.open("own")
    const port = world.port("x")
    await Effect.runPromise(port.append("own", [1, 2, 3].map((payload) => ({ payload }))))
    const take = (count: number) =>
      Effect.runPromise(Stream.runCollect(Stream.take(makeReader<number>(port, "own").stream({ from: "mine" }), count)))
    expect((await take(3)).map((event) => event.payload)).toEqual([1, 2, 3])
    expect((await take(3)).map((event) => event.payload)).toEqual([1, 2, 3])
    setTimeout(() => void Effect.runPromise(port.append("own", [{ payload: 4 }])), 1)
    expect((await take(4)).map((event) => event.payload)).toEqual([1, 2, 3, 4])
    expect(world.calls).toContain("advance mine 3")
  })
})

describe("an append of a module", () => {
  const appending = async (fail: (times: number) => ReturnType<NonNullable<ReturnType<typeof makeWorld>["failAppend"]>>, key?: string) => {
    const world = makeWorld()
    const system = defineModule({
      id: "writer", provides: [{ name: "own" }], writes: { own: "own" },
      run: async ({ writes }) => void (await writes.own.append("x", key === undefined ? {} : { key }))
    })
    const port = world.dock(system)
    let times = 0
    world.failAppend = () => fail(++times)
    const exit = await Effect.runPromiseExit(system.run!(port))
    return { kept: world.events("own").length, ok: Exit.isSuccess(exit), times }
  }
  const unknown = async () => (await import("aaax")).AppendUnknown

  it("with a key is repeated until it is known what became of it, and kept once", async () => {
    const AppendUnknown = await unknown()
    const error = new AppendUnknown({ channel: "own", key: "k", reason: "test" })
    expect(await appending((times) => (times <= 2 ? { error, kept: times === 1 } : undefined), "k")).toEqual({ kept: 1, ok: true, times: 3 })
  })

  it("without a key leaves the judgement to its author", async () => {
    const AppendUnknown = await unknown()
    expect(await appending(() => ({ error: new AppendUnknown({ channel: "own", reason: "test" }) }))).toEqual({ kept: 0, ok: false, times: 1 })
  })

  it("waits out an overload", async () => {
    const { Overloaded } = await import("aaax")
    const error = new Overloaded({ what: "appends", limit: 1, unit: "appends", retryAfterMillis: 1 })
    expect(await appending((times) => (times <= 3 ? { error } : undefined))).toEqual({ kept: 1, ok: true, times: 4 })
  })
})

describe("an executor of one's own", () => {
  const call: Call = { warrant: "w", key: "k", attempt: 1, principal: "p", grant: null, action: "a", target: "t", payload: { n: 1 }, digest: "d", risk: "low" }
  const make = (perform: (payload: { readonly n: number }) => unknown) =>
    defineExecutor({ name: "count", risk: "low", recovery: "idempotent", payload: Schema.Struct({ n: Schema.Number }), perform: ({ payload }) => perform(payload) })

  it("gives what its code returns", async () => {
    expect(await Effect.runPromise(make(({ n }) => ({ n: n + 1 })).perform(call))).toEqual({ n: 2 })
  })

  it("fails with a reason when it knows that nothing happened, and dies when it does not know", async () => {
    const notDone = await Effect.runPromiseExit(make(() => { throw new NotDone({ reason: "closed today" }) }).perform(call))
    const crashed = await Effect.runPromiseExit(make(() => { throw new Error("half way") }).perform(call))
    expect(Exit.isFailure(notDone) && notDone.cause.reasons[0]).toMatchObject({ _tag: "Fail", error: { reason: "closed today" } })
    expect(Exit.isFailure(crashed) && crashed.cause.reasons[0]?._tag).toBe("Die")
  })

  it("does not run with a payload that its schema refuses", async () => {
    let ran = false
    const failure = await Effect.runPromise(Effect.flip(make(() => { ran = true }).perform({ ...call, payload: { n: "x" } })))
    expect(failure.reason).toMatch(/Invalid payload for count at n/u)
    expect(ran).toBe(false)
  })

  it("is told by its signal when it is interrupted", async () => {
    let aborted = false
    const executor = defineExecutor({
      name: "slow", risk: "low", recovery: "none",
      perform: (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => {
        aborted = true
        resolve(undefined)
      }))
    })
    await Effect.runPromise(Effect.timeoutOption(executor.perform(call), 5))
    expect(aborted).toBe(true)
  })

  it("cannot say that it is queryable without a status", () => {
    expect(() => defineExecutor({ name: "x", risk: "low", recovery: "queryable", perform: () => 1 })).toThrow(/has no status/u)
  })
})
