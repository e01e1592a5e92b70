import { coordination, Denied, LeaseLost, TooLarge, Undocked, wellKnown, type Port } from "aaax"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import { afterEach, describe, expect, it } from "vitest"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { until } from "../../kit/channels.ts"
import { makeWorld, type FakeWorld } from "../../kit/port-fake.ts"

const denied = new Denied({ system: "coordinator", operation: "take", target: coordination.requests, reason: "not now" })
const ends: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

/** A coordinator over channels without a kernel, of which each take may fail first. */
const running = (failTake: () => Parameters<typeof Effect.fail>[0] | undefined = () => undefined) => {
  const world: FakeWorld = makeWorld()
  world.open(wellKnown.heartbeat)
  const system = coordinator()
  const given = world.dock(system)
  const port: Port = {
    ...given,
    take: (channel, options) => Effect.suspend(() => {
      const failure = failTake()
      return failure === undefined ? given.take(channel, options) : Effect.fail(failure as never)
    })
  }
  const fiber = Effect.runFork(Effect.provide(system.run!(port), Logger.layer([])))
  ends.push(() => Effect.runPromise(Fiber.interrupt(fiber)))
  const answersOf = (request: string): ReadonlyArray<unknown> =>
    world.events(coordination.replies).filter(({ correlationId, kind }) => correlationId === request && kind === "answer").map(({ payload }) => payload)
  const ask = (payload: unknown): string => Effect.runSync(world.port("ann").append(coordination.requests, [{ payload }]))[0]!.id
  return {
    world, port, fiber, system, answersOf, ask,
    ended: Effect.runPromise(Fiber.await(fiber)),
    answered: async (payload: unknown): Promise<unknown> => {
      const request = ask(payload)
      await until(() => answersOf(request).length > 0)
      return answersOf(request)[0]
    }
  }
}
const failures = (exit: Exit.Exit<unknown, unknown>): string => (Exit.isFailure(exit) ? JSON.stringify(exit.cause) : "it succeeded")

describe("the coordinator's turn", () => {
  it("goes on when what it took was taken from it, and answers once what it decided by then", async () => {
    let lost = 3
    const one = running(() => (lost-- > 0 ? new LeaseLost({ channel: coordination.requests, cursor: 1, epoch: 1, newestEpoch: 2 }) : undefined))
    expect(await one.answered({ verb: "claim", task: "t" })).toMatchObject({ ok: true, claim: { epoch: 1 } })
    const request = one.ask({ verb: "claim", task: "u", mutex: true })
    await until(() => one.answersOf(request).length > 0)
    one.world.expireLeases(coordination.requests)
    expect(await one.answered({ verb: "state" })).toMatchObject({ items: [{ task: "t" }, { task: "u", epoch: 2 }] })
    expect(one.world.events(coordination.ledger).length).toBe(2)
  })

  it("ends with its port, waits when it is drained, and fails when it may not take", async () => {
    const gone = running(() => new Undocked({ system: "coordinator", reason: "it was replaced" }))
    expect(Exit.isSuccess(await gone.ended)).toBe(true)
    const barred = running(() => denied)
    expect(failures(await barred.ended)).toContain("Denied")
    let isDrained = false
    const drained = running(() => (isDrained ? denied : undefined))
    await drained.answered({ verb: "claim", task: "t" })
    isDrained = true
    await Effect.runPromise(drained.system.drain!(drained.port) as Effect.Effect<void, unknown>)
    // It takes once more, and is let do so no more.
    drained.ask({ verb: "beat" })
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(drained.fiber.pollUnsafe()).toBeUndefined()
    expect(drained.world.events(coordination.ledger).at(-1)?.kind).toBe("state")
  })

  it("grants nothing that it could not write down, and fails only where it never can", async () => {
    const one = running()
    await one.answered({ verb: "who" })
    let failed = 0
    one.world.failAppend = (channel) => (channel === coordination.ledger && failed++ === 0 ? { error: new TooLarge({ what: "it", size: 2, sizeMax: 1, unit: "characters" }) } : undefined)
    expect(await one.answered({ verb: "claim", task: "t" })).toMatchObject({ ok: false, code: "UNAVAILABLE" })
    expect(await one.answered({ verb: "state" })).toMatchObject({ items: [] })
    expect(await one.answered({ verb: "claim", task: "t" })).toMatchObject({ ok: true, claim: { epoch: 1 } })
    one.world.failAppend = (channel) => (channel === coordination.ledger ? { error: denied } : undefined)
    one.ask({ verb: "release", task: "t" })
    expect(failures(await one.ended)).toContain("Denied")
    expect(one.world.events(coordination.ledger).map(({ kind }) => kind)).toEqual(["claimed"])
  })
})
