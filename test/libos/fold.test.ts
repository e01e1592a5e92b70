import { defineModule, periodic, runFold, type Fold, type Received } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { withKernel } from "../../kernel/testing.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import { makeWorld, start, until, type FakeWorld } from "../kit/port-fake.ts"

const sum: Fold<number, Received<unknown>> = { version: 1, initial: 0, step: (state, event) => state + Number(event.payload) }

const folding = (options: { readonly every?: number; readonly fold?: typeof sum } = {}) => {
  const stepped: Array<number> = []
  const fold = options.fold ?? sum
  return {
    stepped,
    system: defineModule({
      id: "folder", provides: [{ name: "numbers" }], reads: { numbers: "numbers" }, snapshots: ["sum.state", "sum"],
      run: ({ reads }) => runFold({ ...fold, step: (state, event) => {
        stepped.push(event.cursor)
        return fold.step(state, event)
      } }, { channel: reads.numbers, snapshot: "sum.state", every: options.every ?? 1_000, idleMillis: 5, views: { sum: (total) => ({ total }) } })
    })
  }
}
const add = (world: FakeWorld, numbers: ReadonlyArray<number>): Promise<unknown> =>
  Effect.runPromise(world.port("adder").append("numbers", numbers.map((payload) => ({ payload }))))

describe("a fold", () => {
  it("keeps its state and its views with their position and source when nothing comes any more", async () => {
    const world = makeWorld()
    const { system } = folding()
    const running = start(system, world.dock(system))
    await add(world, [1, 2, 3])
    await until(() => world.snapshots.has("sum"))
    expect(world.snapshots.get("sum")).toMatchObject({ value: { total: 6 }, cursor: 3, sourceEventId: "e3", channel: "numbers" })
    expect(world.snapshots.get("sum.state")).toMatchObject({ value: { version: 1, state: 6 }, cursor: 3 })
    await running.stop()
  })

  it("goes on from its snapshot after a restart", async () => {
    const world = makeWorld()
    const first = folding()
    const running = start(first.system, world.dock(first.system))
    await add(world, [1, 2, 3])
    await until(() => world.snapshots.has("sum"))
    await running.stop()
    await add(world, [10])
    const second = folding()
    const again = start(second.system, world.dock(second.system))
    await until(() => world.snapshots.get("sum")?.cursor === 4)
    expect(second.stepped).toEqual([4])
    expect(world.snapshots.get("sum")!.value).toEqual({ total: 16 })
    await again.stop()
  })

  it("makes up for a view that a crash left behind", async () => {
    const world = makeWorld()
    const { system } = folding()
    const port = world.dock(system)
    await add(world, [1, 2])
    await Effect.runPromise(port.putSnapshot({ name: "sum.state", value: { version: 1, state: 3 }, cursor: 2, channel: "numbers" }))
    const running = start(system, port)
    await until(() => world.snapshots.has("sum"))
    expect(world.snapshots.get("sum")).toMatchObject({ value: { total: 3 }, cursor: 2 })
    await running.stop()
  })

  it("of another version is made anew", async () => {
    const world = makeWorld()
    const first = folding()
    const running = start(first.system, world.dock(first.system))
    await add(world, [1, 2])
    await until(() => world.snapshots.has("sum"))
    await running.stop()
    const second = folding({ fold: { ...sum, version: 2, initial: 100 } })
    const again = start(second.system, world.dock(second.system))
    await until(() => (world.snapshots.get("sum")?.revision ?? 0) === 2)
    expect(world.snapshots.get("sum")!.value).toEqual({ total: 103 })
    await again.stop()
  })

  it("is kept at most once in so many events while they come", async () => {
    const world = makeWorld()
    world.open("numbers")
    await add(world, Array.from({ length: 2_000 }, () => 1))
    const { system } = folding({ every: 1_000 })
    const running = start(system, world.dock(system))
    await until(() => world.snapshots.get("sum")?.cursor === 2_000)
    expect(world.snapshots.get("sum.state")!.revision).toBe(2)
    await running.stop()
  })

  it("never overwrites another one that is ahead", async () => {
    const world = makeWorld()
    const { system } = folding()
    const port = world.dock(system)
    const running = start(system, port)
    await add(world, [1])
    await until(() => world.snapshots.has("sum"))
    await Effect.runPromise(port.putSnapshot({ name: "sum.state", value: { version: 1, state: 500 }, cursor: 5, channel: "numbers" }))
    await add(world, [1])
    await until(() => (world.snapshots.get("sum")?.revision ?? 0) === 2)
    expect(world.snapshots.get("sum.state")!.value).toEqual({ version: 1, state: 500 })
    // It goes on from there: what the other one has taken in already is not taken in again.
    await add(world, [1, 1, 1, 1])
    await until(() => world.snapshots.get("sum")?.cursor === 6)
    expect(world.snapshots.get("sum")!.value).toEqual({ total: 501 })
    await running.stop()
  })
})

describe("a periodic source", () => {
  it("pulls at once, again and again, and ends with its signal", async () => {
    const controller = new AbortController()
    let pulls = 0
    await periodic({ every: 1, signal: controller.signal }, () => {
      if (++pulls === 3) controller.abort()
    })
    expect(pulls).toBe(3)
  })

  it("gives what its pull throws, as it is", async () => {
    const error = new Error("no source")
    await expect(periodic({ every: 1, signal: new AbortController().signal }, () => { throw error })).rejects.toBe(error)
  })

  it("may make its pause from how long the last pull took", async () => {
    const controller = new AbortController()
    const took: Array<number> = []
    await periodic({ every: (millis) => (took.push(millis), 1), signal: controller.signal }, async () => {
      if (took.length === 2) controller.abort()
      await new Promise((resolve) => setTimeout(resolve, 5))
    })
    expect(took.every((millis) => millis >= 4)).toBe(true)
  })
})

describe("a fold of a log that is also taken from", () => {
  it("sees everything, also what somebody took and acknowledged", async () => {
    await withKernel({}, async (kernel) => {
      const { stepped, system } = folding()
      const port = await Effect.runPromise(Effect.map(kernel.dock({ manifest: { ...emptyManifest("worker"), provides: [{ name: "numbers" }] } }), ({ port }) => port))
      await Effect.runPromise(port.append("numbers", [1, 2, 3].map((payload) => ({ payload }))))
      const [first] = await Effect.runPromise(port.take("numbers", { limit: 2 }))
      await Effect.runPromise(port.settle("numbers", [{ cursor: first!.cursor, epoch: first!.epoch, outcome: "ack" }]))
      const { manifest, run } = system
      await Effect.runPromise(kernel.dock({ ...system, manifest: { ...manifest, provides: [], reads: ["numbers"] }, ...(run === undefined ? {} : { run }) }))
      await until(() => stepped.length === 3)
      expect(stepped).toEqual([1, 2, 3])
    })
  })
})
