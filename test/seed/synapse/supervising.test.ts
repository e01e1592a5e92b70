// The supervisor as a module: it offers again what stalls, and leaves alone what somebody works on.
import { afterEach, describe, expect, it } from "vitest"
import { launch, type HostKernel } from "../../../kernel/host.ts"
import { defineModule } from "../../../libos/module.ts"
import type { Coordination } from "../../../libos/coordination.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { supervisor } from "../../../modules/supervisor/index.ts"

let kernel: HostKernel
afterEach(() => kernel.close())

const seatOf = (id: string): Promise<Coordination> =>
  new Promise((resolve, reject) => {
    kernel.dock(defineModule({
      id, coordination: true,
      run: ({ coordination: found, signal }) => {
        resolve(found)
        return new Promise((end) => signal.addEventListener("abort", () => end(), { once: true }))
      }
    })).catch(reject)
  })

describe("the supervisor as a module", () => {
  it("[143] says what it found and offers the task again, but not what is under a live lease", async () => {
    kernel = await launch({ store: ":memory:", modules: [coordinator()] })
    const seat = await seatOf("somebody")
    await seat.plan.declare("left", "Nobody works on it")
    await seat.plan.declare("held", "Somebody works on it")
    await seat.plan.declare("waits", "Its dependency is open", { dependsOn: ["held"] })
    await seat.plan.declare("freed", "It waits for nothing")
    for (const task of ["left", "held"]) await seat.plan.update(task, { status: "in_progress" })
    for (const task of ["waits", "freed"]) await seat.plan.update(task, { status: "blocked" })
    await seat.claim("held", { mutex: true })
    await kernel.dock(supervisor({ idleSeconds: 0, intervalSeconds: 1 }))
    const statuses = async (): Promise<Readonly<Record<string, string>>> =>
      Object.fromEntries((await seat.plan.board()).items.map(({ status, task }) => [task, status]))
    while ((await statuses())["left"] !== "open") await new Promise((resolve) => setTimeout(resolve, 1))
    expect(await statuses()).toEqual({ left: "open", held: "in_progress", waits: "blocked", freed: "open" })
    const { progress } = await seat.plan.board()
    expect(progress.map(({ author, kind, task, text }) => ({ author, kind, task, text }))).toEqual([
      { author: "supervisor", kind: "assessment", task: "freed", text: "supervisor: dependencies satisfied; re-offering" },
      { author: "supervisor", kind: "assessment", task: "left", text: expect.stringMatching(/^supervisor: no progress in \d+s; re-offering$/u) as string }
    ])
  })
})
