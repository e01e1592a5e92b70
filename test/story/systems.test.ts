// A composite of classes at work: a queue with competing workers, a log that is pushed, mail, and requests by correlation, in
// memory, on a store that fails as a replicated log does, and on sqlite.
import { BaseSystem, BroadcastChannel, MailboxChannel, PassthroughChannel, SystemState, WorkQueueChannel } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { until } from "../kit/channels.ts"
import { effect } from "../kit/it.ts"
import { worlds } from "../kit/worlds.ts"

const jobs = 40

class Worker extends BaseSystem {
  override async step(): Promise<void> {
    for (const { content, id } of await this.claimChannel<{ readonly data: number }>("jobs", 3)) {
      // The same job done again is the same result.
      await this.writeChannel("results", content.data ** 2, { key: `result of ${id}`, surely: true })
      await this.acknowledgeChannel("jobs", [id])
    }
  }
}

class Clerk extends BaseSystem {
  override async setup(): Promise<void> {
    await this.subscribeChannel("questions", async ({ content, correlationId, senderId }) => {
      await this.writeChannel("mail", `re: ${String(content["data"])}`, { recipientId: senderId, correlationId, key: `answer ${correlationId}`, surely: true })
    })
  }
}

class Office extends BaseSystem {
  readonly results: Array<number> = []
  override async setup(): Promise<void> {
    this.addChannel(new WorkQueueChannel({ id: "jobs" }))
    this.addChannel(new BroadcastChannel({ id: "results" }))
    this.addChannel(new PassthroughChannel({ id: "questions" }))
    this.addChannel(new MailboxChannel({ id: "mail" }))
    for (const n of [1, 2, 3]) this.addSubsystem(new Worker({ id: `office/worker-${n}`, stepMillis: 1 }), { channels: ["jobs", "results"] })
    this.addSubsystem(new Clerk({ id: "office/clerk" }), { channels: ["questions", "mail"] })
    await this.subscribeChannel<{ readonly data: number }>("results", ({ content }) => this.results.push(content.data))
  }
}

describe.each(worlds)("a composite %s", (_, world) => {
  effect("does every job, pushes every result once and in one order, and answers each of ten who ask at once", () =>
    Effect.gen(function*() {
      const kernel = yield* world()
      const office = new Office({ id: "office" })
      yield* kernel.dock(office)
      yield* Effect.promise(async () => {
        await until(() => office.allSystems.every(({ state }) => state === SystemState.RUNNING))
        await Promise.all(Array.from({ length: jobs }, (__, n) => office.writeChannel("jobs", n, { key: `job ${n}`, surely: true })))
        const asked = Promise.all(Array.from({ length: 10 }, (__, n) => office.requestViaChannel("questions", "mail", n, 20)))
        await until(() => office.results.length >= jobs)
        expect([...office.results].sort((a, b) => a - b)).toEqual(Array.from({ length: jobs }, (__, n) => n ** 2))
        expect((await asked).map((reply) => reply?.content)).toEqual(Array.from({ length: 10 }, (__, n) => ({ data: `re: ${n}` })))
        const kept = await office.readChannel<{ readonly data: number }>("results", 100)
        expect(kept.map(({ content }) => content.data)).toEqual(office.results)
        expect(await office.claimChannel("jobs", 100)).toEqual([])
      })
      yield* kernel.drain("office")
      expect(office.allSystems.every(({ state }) => state === SystemState.STOPPED)).toBe(true)
    }))
})
