import { defineModule, Later, Poison, Schema, type Handling, type Takes } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { StoreUnavailable } from "../../protocol/errors.ts"
import { makeWorld, start, until, type FakeWorld } from "../kit/port-fake.ts"

/** A world with a queue of `count` items, and a worker over it. */
const working = async (
  handler: (payload: number, on: Handling<never>) => Promise<unknown> | unknown,
  options: { readonly count?: number; readonly leaseMillis?: number } & Parameters<Takes<number>["work"]>[1] = {}
) => {
  const world = makeWorld()
  const { count = 10, leaseMillis = 300_000, ...work } = options
  const worker = defineModule({
    id: "worker",
    provides: [{ name: "tasks", form: "queue", leaseMillis }],
    takes: { tasks: { channel: "tasks", schema: Schema.Number } },
    run: ({ takes }) => takes.tasks.work((task, on) => handler(task.payload, on), work)
  })
  const port = world.dock(worker)
  if (count > 0) await Effect.runPromise(port.append("tasks", Array.from({ length: count }, (_, payload) => ({ payload }))))
  return { world, port, running: start(worker, port) }
}
const backlog = (world: FakeWorld): Promise<number> => Effect.runPromise(world.port("x").backlog("tasks"))
const settled = (world: FakeWorld, outcome: string): number =>
  world.calls.filter((call) => call.startsWith("settle")).flatMap((call) => call.split(" ").slice(2)).filter((word) => word === outcome).length

describe("a worker", () => {
  it("handles every item once and acknowledges it", async () => {
    const seen: Array<number> = []
    const { running, world } = await working((payload) => seen.push(payload), { count: 100 })
    await until(() => settled(world, "ack") === 100)
    expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(await backlog(world)).toBe(0)
    await running.stop()
  })

  it("settles together what ends together", async () => {
    const { running, world } = await working(() => undefined, { count: 200, concurrency: 50 })
    await until(() => settled(world, "ack") === 200)
    expect(world.calls.filter((call) => call.startsWith("settle")).length).toBeLessThanOrEqual(20)
    await running.stop()
  })

  it("asks for the next item with the end of the last one", async () => {
    const { running, world } = await working(() => undefined, { count: 20, batch: 1 })
    await until(() => settled(world, "ack") === 20)
    expect(world.calls.filter((call) => call.startsWith("take tasks 1 with 1")).length).toBe(20)
    await running.stop()
  })

  it("settles again what a take could not settle", async () => {
    const { port, running, world } = await working(() => undefined, { count: 0, batch: 1 })
    await running.stop()
    let refused = 0
    const worker = defineModule({
      id: "again", takes: { tasks: { channel: "tasks", schema: Schema.Number } },
      run: ({ takes }) => takes.tasks.work(() => undefined, { batch: 1 })
    })
    const again = start(worker, {
      ...world.port("again"),
      take: (channel, options) => {
        const isRefused = options?.settle !== undefined && options.settle.length > 0 && refused++ < 1
        return isRefused ? Effect.fail(new StoreUnavailable({ reason: "disk full" })) : world.port("again").take(channel, options)
      }
    })
    await Effect.runPromise(port.append("tasks", [{ payload: 1 }, { payload: 2 }]))
    await until(() => settled(world, "ack") === 2)
    expect([refused > 0, await backlog(world)]).toEqual([true, 0])
    await again.stop()
  })

  it("settles by itself what could not go along with a take", async () => {
    let release: (() => void) | undefined
    const { running, world } = await working(async (payload) => {
      if (payload === 1) await new Promise<void>((resolve) => (release = resolve))
    }, { count: 2, batch: 2, concurrency: 2 })
    // The other handler is busy, and nothing is left to take.
    await until(() => settled(world, "ack") === 1)
    expect(await backlog(world)).toBe(1)
    release!()
    await until(() => settled(world, "ack") === 2)
    await running.stop()
  })

  it("runs as many handlers at once as it was told", async () => {
    let open = 0
    let most = 0
    const { running, world } = await working(async () => {
      most = Math.max(most, ++open)
      await new Promise((resolve) => setTimeout(resolve, 1))
      open -= 1
    }, { count: 30, concurrency: 4 })
    await until(() => settled(world, "ack") === 30)
    expect(most).toBe(4)
    await running.stop()
  })

  it("leaves to others what it cannot begin soon", async () => {
    const { running, world } = await working(() => new Promise(() => undefined), { count: 10, concurrency: 2, graceMillis: 1 })
    await until(() => world.calls.some((call) => call.startsWith("take")))
    const others = await Effect.runPromise(world.port("other").take("tasks", { limit: 10 }))
    expect(others.length).toBe(8)
    await running.stop()
  })

  it("gives an item back when its handler throws, and handles it again", async () => {
    const attempts: Array<number> = []
    const { running, world } = await working((_, on) => {
      attempts.push(on.attempt)
      if (on.attempt < 3) throw new Error("not yet")
    }, { count: 1, backoffMillis: 1 })
    await until(() => settled(world, "ack") === 1)
    expect(attempts).toEqual([1, 2, 3])
    await running.stop()
  })

  it("waits as long as a handler asks it to", async () => {
    let times = 0
    const { running, world } = await working(() => {
      if (++times === 1) throw new Later({ reason: "busy", delayMillis: 5 })
    }, { count: 1, backoffMillis: 1_000_000 })
    await until(() => settled(world, "ack") === 1)
    expect(times).toBe(2)
    await running.stop()
  })

  it("sends to the dead letters what can never be handled: poison, and payloads that its schema refuses", async () => {
    const { port, running, world } = await working((payload) => {
      if (payload === 1) throw new Poison({ reason: "one is poison" })
    }, { count: 2 })
    await Effect.runPromise(port.append("tasks", [{ payload: "no number" }]))
    await until(() => world.deadLetters.length === 2)
    expect(world.deadLetters.map(({ cursor }) => cursor)).toEqual([2, 3])
    expect(world.deadLetters[0]!.reason).toBe("Poison: one is poison")
    expect(world.deadLetters[1]!.reason).toMatch(/Invalid payload of tasks#3/u)
    await running.stop()
  })

  it("renews what it holds for as long as its handler runs", async () => {
    let release: (() => void) | undefined
    const { running, world } = await working(() => new Promise<void>((resolve) => (release = resolve)), { count: 1, leaseMillis: 30 })
    await until(() => world.calls.filter((call) => call === "renew tasks#1").length >= 3)
    release!()
    await until(() => settled(world, "ack") === 1)
    await running.stop()
  })

  it("stops a handler whose lease was lost, and settles nothing for it", async () => {
    let aborted = false
    const { running, world } = await working((_, on) => new Promise<void>((resolve) => {
      on.signal.addEventListener("abort", () => {
        aborted = true
        resolve()
      })
    }), { count: 1, leaseMillis: 30 })
    await until(() => world.calls.some((call) => call.startsWith("take")))
    await Effect.runPromise(Effect.sync(() => world.expireLeases("tasks")))
    const other = await Effect.runPromise(world.port("other").take("tasks", { limit: 1 }))
    expect(other.length).toBe(1)
    await until(() => aborted)
    await running.stop()
    expect(settled(world, "ack") + settled(world, "nack")).toBe(0)
  })

  it("asked to stop lets what was begun end, and hands back the rest", async () => {
    let begun = 0
    let release: (() => void) | undefined
    const { running, world } = await working(async (payload) => {
      // Quick at first, so that it takes more at once than it can begin.
      if (payload < 60) return
      begun += 1
      await new Promise<void>((resolve) => (release = resolve))
    }, { count: 100, concurrency: 1, batch: 32 })
    await until(() => begun === 1)
    const drained = running.drain()
    await until(() => settled(world, "nack") > 0)
    release!()
    await drained
    expect(begun).toBe(1)
    expect(settled(world, "ack")).toBe(61)
    const left = await Effect.runPromise(world.port("other").take("tasks", { limit: 100 }))
    expect(left.length).toBe(39)
    await running.stop()
  })

  it("that is interrupted hands everything back", async () => {
    let begun = 0
    const { running, world } = await working((_, on) => new Promise<void>((_, reject) => {
      begun += 1
      on.signal.addEventListener("abort", () => reject(new Error("aborted")))
    }), { count: 5, concurrency: 3, graceMillis: 1 })
    await until(() => begun === 3)
    await running.stop()
    const left = await Effect.runPromise(world.port("other").take("tasks", { limit: 100 }))
    expect(left.length).toBe(5)
  })

  it("gives a handler the same keys for the same event, however often it is handled", async () => {
    const keys: Array<ReadonlyArray<string>> = []
    const { running, world } = await working((_, on) => {
      keys.push([on.key("a"), on.key("a"), on.key("b")])
      if (on.attempt === 1) throw new Error("again")
    }, { count: 1, backoffMillis: 1 })
    await until(() => settled(world, "ack") === 1)
    expect(keys[0]).toEqual(["on/e1/a/1", "on/e1/a/2", "on/e1/b/1"])
    expect(keys[1]).toEqual(keys[0])
    await running.stop()
  })
})
