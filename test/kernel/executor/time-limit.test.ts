// That a limit holds: also when memory is collected while it runs, which is when Node 20 forgets its own.
import { setTimeout as sleep } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { describe, expect, it } from "vitest"
import { timeLimited } from "../../../kernel/executor/time-limit.ts"

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")
const ended = (signal: AbortSignal): Promise<never> => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }))

describe("a time limit", () => {
  it("ends what takes longer, whatever is collected meanwhile", async () => {
    const over = timeLimited(new AbortController().signal, 100, ended).catch((error: unknown) => error)
    for (let round = 0; round < 3; round++) {
      await sleep(10)
      collect()
    }
    expect(await Promise.race([over, sleep(3_000, "it went on")])).toMatchObject({ name: "TimeoutError" })
  })

  it("ends when its signal does, with its reason, also when that was before; and leaves nothing behind", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length
    const before = timers()
    const stop = new AbortController()
    const over = timeLimited(stop.signal, 60_000, ended)
    stop.abort("stopped")
    await expect(over).rejects.toBe("stopped")
    expect(await timeLimited(stop.signal, 60_000, async (signal) => signal.aborted)).toBe(true)
    expect(await timeLimited(new AbortController().signal, 60_000, async () => 1)).toBe(1)
    expect(timers()).toBe(before)
  })
})
