// Work queues and claims of the first generation, by the classes: claimed by one, acknowledged or given back, by nobody else.
import { PassthroughChannel, WorkQueueChannel } from "aaax"
import { describe, expect, it } from "vitest"
import { contents, until, withChannels } from "../../kit/channels.ts"

describe("a work queue", () => {
  it("[58] [60] [61] hands each message to one reader; what is given back another gets under the same id, what is acknowledged nobody", async () => {
    const jobs = new WorkQueueChannel({ id: "jobs" })
    await withChannels([jobs], async ({ as }) => {
      const [one, two] = [await as("one"), await as("two")]
      for (let n = 0; n < 4; n++) await jobs.write("owner", n)
      const mine = await one.read("jobs", 2, true)
      expect(contents(mine)).toEqual([0, 1])
      expect(contents(await two.read("jobs", 10, true))).toEqual([2, 3])
      expect(await one.acknowledge("jobs", [mine[0]!.id])).toBe(1)
      expect(await one.nack("jobs", [mine[1]!.id])).toBe(1)
      const again = await two.read("jobs", 10, true)
      expect(again.map(({ id }) => id)).toEqual([mine[1]!.id])
      await two.acknowledge("jobs", again.map(({ id }) => id))
      expect(await one.read("jobs", 10, true)).toEqual([])
    })
  })

  it("[59] refuses a shared read, whether it is asked for or by default", async () => {
    const jobs = new WorkQueueChannel({ id: "jobs" })
    await withChannels([jobs], async ({ as }) => {
      await jobs.write("owner", 1)
      const reader = await as("reader")
      for (const attempt of [reader.read("jobs"), reader.read("jobs", 1, false), jobs.read("owner")]) {
        await expect(attempt).rejects.toMatchObject({ _tag: "WrongDelivery", message: expect.stringContaining("exclusive read") })
      }
      expect(contents(await reader.read("jobs", 1, true))).toEqual([1])
    })
  })

  it("[21] [23] [62] [W4] lets nobody end the claim of another, and remembers nothing of who tries", async () => {
    const jobs = new WorkQueueChannel({ id: "jobs" })
    await withChannels([jobs], async ({ as }) => {
      const [one, two] = [await as("one"), await as("two")]
      await jobs.write("owner", 1)
      const [claimed] = await one.read("jobs", 1, true)
      expect(await two.acknowledge("jobs", [claimed!.id])).toBe(0)
      expect(await two.nack("jobs", [claimed!.id, "no-such-message"])).toBe(0)
      expect(await one.acknowledge("jobs", ["no-such-message", ""])).toBe(0)
      expect(await two.read("jobs", 1, true)).toEqual([])
      expect(await one.acknowledge("jobs", [claimed!.id, claimed!.id])).toBe(1)
      // Twice is once.
      expect(await one.acknowledge("jobs", [claimed!.id])).toBe(0)
    })
  })

  it("[66] [W4] keeps a message for its new holder when the old one acknowledges too late, and tells that one", async () => {
    const jobs = new WorkQueueChannel({ id: "jobs", claimTimeout: 0.03 })
    await withChannels([jobs], async ({ as, kernel }) => {
      const [slow, quick] = [await as("slow"), await as("quick")]
      await jobs.write("owner", 1)
      const [first] = await slow.read("jobs", 1, true)
      kernel.time.advance(31)
      const [second] = await quick.read("jobs", 1, true)
      expect(second?.id).toBe(first?.id)
      await expect(slow.acknowledge("jobs", [first!.id])).rejects.toMatchObject({ _tag: "LeaseLost" })
      expect(await slow.nack("jobs", [first!.id])).toBe(0)
      expect(await quick.acknowledge("jobs", [second!.id])).toBe(1)
    })
  })

  it("gives a claim back to the others when its holder is undocked", async () => {
    const jobs = new WorkQueueChannel({ id: "jobs" })
    await withChannels([jobs], async ({ as, undock }) => {
      await jobs.write("owner", 1)
      expect(await (await as("leaver")).read("jobs", 1, true)).toHaveLength(1)
      await undock("leaver")
      expect(contents(await (await as("stayer")).read("jobs", 1, true))).toEqual([1])
    })
  })
})

describe("a log that is also claimed from", () => {
  it("[13] [14] [15] [W3] passes shared readers by what is claimed, and comes back to them with what was given back", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const [worker, reader] = [await as("worker"), await as("reader")]
      for (let n = 0; n < 6; n++) await log.write("owner", n)
      const [zero, one, two] = await worker.read("log", 3, true)
      expect(contents(await reader.read("log", 2))).toEqual([3, 4])
      await worker.acknowledge("log", [one!.id])
      expect(contents(await reader.read("log", 10))).toEqual([5])
      await worker.nack("log", [zero!.id, two!.id])
      await log.write("owner", 6)
      expect(contents(await reader.read("log", 10))).toEqual([0, 2, 6])
      expect(await reader.read("log", 10)).toEqual([])
      // Who comes now sees what is there, in its order.
      expect(contents(await (await as("other")).read("log", 10))).toEqual([0, 2, 3, 4, 5, 6])
    })
  })

  it("[W3] gives what was given back to a typed reader, too, which waits for it", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as, owner }) => {
      const worker = await as("worker")
      for (let n = 0; n < 3; n++) await log.write("owner", n)
      const [zero] = await worker.read("log", 1, true)
      const seen: Array<unknown> = []
      void owner.channel("log").each((event) => void seen.push((event.payload as { data: number }).data))
      await until(() => seen.length === 2)
      expect(seen).toEqual([1, 2])
      await worker.nack("log", [zero!.id])
      await until(() => seen.length === 3)
      expect(seen).toEqual([1, 2, 0])
    })
  })

  it("[15] [W3] remembers a reader's place below what it was passed by: after a restart that comes, and what lay behind it again", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as, dock, owner, undock }) => {
      const worker = await as("worker")
      for (let n = 0; n < 4; n++) await log.write("owner", n)
      const [zero, one] = await worker.read("log", 2, true)
      const reader = await as("reader")
      expect(contents(await reader.read("log"))).toEqual([2, 3])
      expect(await reader.read("log")).toEqual([])
      const seen: Array<unknown> = []
      const numberOf = ({ value }: IteratorResult<{ readonly payload: unknown }, void>) => (value?.payload as { readonly data: number } | undefined)?.data
      const typed = owner.channel("log").subscribe({ from: "typed" })
      for (let n = 0; n < 2; n++) seen.push(numberOf(await typed.next()))
      await typed.return()
      expect(seen).toEqual([2, 3])
      await undock("reader")
      await worker.nack("log", [zero!.id])
      await worker.acknowledge("log", [one!.id])
      await dock(reader)
      expect(contents(await reader.read("log"))).toEqual([0, 2, 3])
      expect(await reader.read("log")).toEqual([])
      const again = owner.channel("log").subscribe({ from: "typed" })
      expect(numberOf(await again.next())).toBe(0)
      await again.return()
    })
  })

  it("[10] [29] moves a reader that names a message past what was held before it, and pushes claimed messages to subscribers, too", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const [worker, reader] = [await as("worker"), await as("reader")]
      const ids: Array<string> = []
      for (let n = 0; n < 3; n++) ids.push(await log.write("owner", n))
      const [zero] = await worker.read("log", 1, true)
      expect(contents(await reader.read("log"))).toEqual([1, 2])
      const pushed: Array<unknown> = []
      await reader.subscribe("log", (message) => void pushed.push(...contents([message])), { from: "start" })
      await until(() => pushed.length === 3)
      expect(pushed).toEqual([0, 1, 2])
      expect(await reader.read("log", 10, false, ids[2])).toEqual([])
      await worker.nack("log", [zero!.id])
      expect(await reader.read("log")).toEqual([])
    })
  })

  it("[10] [11] [W6] reads on behind a message that is named, and refuses a name that is none of its messages", async () => {
    const [log, other] = [new PassthroughChannel({ id: "log" }), new PassthroughChannel({ id: "other" })]
    await withChannels([log, other], async ({ as }) => {
      const reader = await as("reader")
      const ids: Array<string> = []
      for (let n = 0; n < 5; n++) ids.push(await log.write("owner", n))
      const foreign = await other.write("owner", "x")
      expect(contents(await reader.read("log", 2, false, ids[1]))).toEqual([2, 3])
      expect(contents(await reader.read("log", 10))).toEqual([4])
      expect(contents(await reader.read("log", 10, false, ids[0]))).toEqual([1, 2, 3, 4])
      await expect(reader.read("log", 10, false, "no-such-message")).rejects.toMatchObject({ _tag: "EventNotFound" })
      await expect(reader.read("log", 10, false, foreign)).rejects.toMatchObject({ _tag: "InvalidPayload", path: "after" })
      expect(await reader.read("log", 10)).toEqual([])
    })
  })

  it("[28] [W1] still gives every reader what it has not read, whatever was evicted, removed or cleared before it", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const [ahead, behind] = [await as("ahead"), await as("behind")]
      const ids: Array<string> = []
      for (let n = 0; n < 10; n++) ids.push(await log.write("owner", n))
      expect(contents(await ahead.read("log", 5))).toEqual([0, 1, 2, 3, 4])
      await log.evict({ maxCount: 7 })
      expect(await log.remove([ids[4]!, ids[6]!, "no-such-message"])).toBe(2)
      await log.clear((message) => message.content["data"] === 8)
      expect(contents(await ahead.read("log", 20))).toEqual([5, 7, 9])
      expect(contents(await behind.read("log", 20))).toEqual([3, 5, 7, 9])
      await log.clear()
      await log.write("owner", 10)
      expect([contents(await ahead.read("log")), contents(await behind.read("log"))]).toEqual([[10], [10]])
      await expect(ahead.seat("log").clear()).rejects.toMatchObject({ _tag: "Denied" })
    })
  })

  it("[W14] refuses a limit that is none", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      for (const limit of [0, -1, 1.5, Number.NaN, Infinity, 1_001]) {
        await expect(log.read("owner", limit)).rejects.toMatchObject({ _tag: "InvalidPayload", path: "limit" })
        await expect(log.read("owner", limit, true)).rejects.toMatchObject({ _tag: "InvalidPayload", path: "limit" })
      }
    })
  })
})
