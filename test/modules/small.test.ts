import { defineExecutor, defineModule, wellKnown } from "aaax"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { describe, expect, it } from "vitest"
import { approvals } from "../../modules/approvals/index.ts"
import { defaultSystems } from "../kit/constellation.ts"
import { echo } from "../../modules/echo/index.ts"
import { makeKernel } from "../../kernel/testing.ts"
import { makeWorld, start, until } from "../kit/port-fake.ts"

describe("echo", () => {
  it("answers every event with its own payload, correlated and once", async () => {
    const world = makeWorld()
    const system = echo()
    const port = world.dock(system)
    await Effect.runPromise(world.port("caller").append("echo.in", [{ payload: { x: 1 } }, { payload: null }]))
    for (const count of [2, 3]) {
      const running = start(system, port)
      if (count === 3) await Effect.runPromise(world.port("caller").append("echo.in", [{ payload: "again" }]))
      await until(() => world.events("echo.out").length >= count)
      await running.stop()
    }
    expect(world.events("echo.out").map(({ correlationId, payload, recipient }) => [correlationId, payload, recipient])).toEqual([
      ["e1", { x: 1 }, "caller"], ["e2", null, "caller"], ["e5", "again", "caller"]
    ])
  })
})

describe("approvals", () => {
  it("keeps the newest word on every action that waits, and says it aloud without a stranger's control characters", async () => {
    const world = makeWorld()
    world.open(wellKnown.approvals)
    const system = approvals()
    const said: Array<string> = []
    const port = world.dock(system)
    const done = Effect.runFork(Effect.provide(Effect.ignore(system.run!(port)), Logger.layer([
      Logger.make(({ message }) => void said.push(String(message)))
    ])))
    const kernel = world.port("aaax")
    const waiting = {
      id: "r1", system: "agent", executor: "process.run", action: "run", target: "rm\u001b[2J", risk: "irreversible", reason: "risk", digest: "d", expiresAt: 9, payload: {}
    }
    await Effect.runPromise(kernel.append(wellKnown.approvals, [
      { kind: "approval.waiting", subject: "r1", payload: waiting },
      { kind: "approval.edited", subject: "r1", payload: { id: "r1", by: "ann", digest: "e", from: "d", reason: "", payload: {} } },
      { kind: "approval.endorsed", subject: "r1", payload: { id: "r1", by: "ann", digest: "e", quorum: 2, reason: "" } },
      { kind: "approval.answered", subject: "r1", payload: { id: "r1", outcome: "approved", by: "ann", reason: "" } },
      { kind: "approval.expired", subject: "r2", payload: { id: "r2" } },
      { kind: "approval.waiting", subject: "r3", payload: "no object" }
    ]))
    await until(() => said.length === 6)
    done.interruptUnsafe()
    expect(world.events("approvals.waiting").map(({ kind, payload, subject }) => [kind, subject, (payload as { readonly state: string }).state])).toEqual([
      ["waiting", "r1", "waiting"], ["waiting", "r1", "waiting"], ["waiting", "r1", "waiting"], ["closed", "r1", "approved"], ["closed", "r2", "expired"]
    ])
    expect(said[0]).toBe("agent waits to run: process.run on rm?[2J (irreversible). aaax gate show r1")
    expect(said.slice(1, 4)).toEqual(["r1 edited by ann; it waits on", "r1 endorsed by ann; it waits on", "r1 approved by ann"])
  })

  it("is told by the kernel of an action that waits, and of its answer", async () => {
    await Effect.runPromise(Effect.provide(Effect.scoped(Effect.gen(function*() {
      const acted: Array<unknown> = []
      const launcher = defineExecutor({ name: "launch.rocket", risk: "irreversible", recovery: "none", perform: ({ target }) => `${target} is up` })
      const pilot = defineModule({
        id: "pilot", serves: [launcher], executors: ["launch.rocket"],
        run: async ({ act }) => void acted.push(await act("launch.rocket", { target: "moon" }))
      })
      const kernel = yield* makeKernel({ policy: "default" })
      yield* kernel.dock(approvals(), { configured: true, privileged: true })
      yield* kernel.dock(pilot, { configured: true })
      yield* kernel.channels.awaitBeyond("approvals.waiting", 0)
      const [waiting] = yield* kernel.gate.list()
      yield* kernel.gate.approve(waiting!.id, "ann")
      const head = yield* kernel.channels.awaitBeyond("approvals.waiting", 1)
      const page = yield* kernel.channels.read("aaax", "approvals.waiting", { after: head - 1 })
      yield* Effect.promise(() => until(() => acted.length === 1))
      expect(acted).toEqual(["moon is up"])
      expect(page.events.map(({ payload, subject }) => [subject, payload])).toMatchObject([[waiting!.id, { state: "approved", by: "ann" }]])
    })), Logger.layer([])))
  })
})

describe("the default systems", () => {
  it("come in an order in which each finds the channels that it reads", () => {
    const provided = new Set<string>()
    for (const { manifest } of defaultSystems({ workers: 2 })) {
      for (const channel of [...manifest.reads, ...manifest.writes, ...manifest.takes]) {
        expect(provided.has(channel) || channel.startsWith("aaax."), `${manifest.id} ${channel}`).toBe(true)
      }
      for (const { name } of manifest.provides) provided.add(name)
    }
    expect(defaultSystems({ workers: 2 }).map(({ manifest }) => manifest.id)).toEqual([
      "watch", "survey", "report", "approvals", "echo", "coordinator"
    ])
  })
})
