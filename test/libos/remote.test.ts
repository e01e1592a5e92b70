// A remote system: the same code as in-process, at the other end of a socket.
import * as Effect from "effect/Effect"
import { defineModule } from "../../libos/module.ts"
import { describe, expect, it } from "vitest"
import { connect } from "../../libos/remote.ts"
import { until, withNetwork } from "../kit/network.ts"

describe("a module that runs elsewhere", () => {
  it("reads, appends and takes over the socket as it would in the kernel's process", () =>
    withNetwork({}, async ({ kernel, operatorToken, open, run, url }) => {
      await open({ name: "jobs", form: "queue" })
      const remote = await connect({ url, token: operatorToken })
      const seen: Array<unknown> = []
      const system = defineModule({
        id: "worker",
        takes: { jobs: "jobs" },
        provides: [{ name: "worker.results" }],
        writes: { results: "worker.results" },
        async run({ takes, writes }) {
          await takes.jobs.work(async (job, on) => {
            seen.push(job.payload)
            await on.append(writes.results, { did: job.payload })
          })
        }
      })
      const docked = await remote.dock(system)
      expect(docked.id).toBe("worker")
      await run(kernel.channels.append("test", "jobs", [{ payload: 1 }, { payload: 2 }]))
      await until("both are done", async () => (await run(kernel.channels.backlog("jobs"))) === 0)
      const { events } = await run(kernel.channels.read("test", "worker.results"))
      expect(events.map(({ payload, sender }) => ({ payload, sender }))).toEqual([
        { payload: { did: 1 }, sender: "worker" }, { payload: { did: 2 }, sender: "worker" }
      ])
      expect(seen).toEqual([1, 2])
      expect(kernel.systems().find(({ id }) => id === "worker")?.status).toBe("running")
      await remote.close()
      await until("it is undocked", () => !kernel.systems().some(({ id }) => id === "worker"))
      expect(Effect.isEffect(kernel.step)).toBe(true)
    }))
})
