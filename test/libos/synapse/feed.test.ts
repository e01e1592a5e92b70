import { Overloaded } from "aaax"
import { describe, expect, it } from "vitest"
import { makeFeed } from "../../../libos/synapse/feed.ts"

describe("a feed", () => {
  it("has everything from when it was asked for, in order, for each reader at its own pace, until it ends", async () => {
    const feed = makeFeed<number>("numbers")
    feed.push(0)
    const first = feed.read()
    feed.push(1)
    const second = feed.read()
    feed.push(2)
    const before = [await first.next(), await second.next()].map(({ value }) => value)
    feed.push(3)
    feed.end()
    feed.end(new Error("too late"))
    const rest: Array<number> = []
    for await (const value of first) rest.push(value)
    for await (const value of second) rest.push(value)
    expect([before, rest]).toEqual([[1, 2], [2, 3, 3]])
    expect(await feed.read().next()).toEqual({ done: true, value: undefined })
  })

  it("fails with what it ended by, behind what came before", async () => {
    const feed = makeFeed<number>("numbers")
    const reader = feed.read()
    feed.push(1)
    feed.end(new Error("gone"))
    expect(await reader.next()).toEqual({ done: false, value: 1 })
    await expect(reader.next()).rejects.toThrow("gone")
  })

  it("tells a slow reader that something is missing, before anything that came behind it, and no other one", async () => {
    const feed = makeFeed<number>("numbers")
    const [slow, quick] = [feed.read(), feed.read()]
    const taken: Array<number> = []
    const reading = (async () => {
      for await (const value of quick) taken.push(value)
    })()
    for (let value = 0; value < 10_002; value++) {
      feed.push(value)
      if (value % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await slow.next()).toEqual({ done: false, value: 0 })
    // There is room again, but not for what would look as if nothing was missing.
    feed.push(10_002)
    const rest: Array<number> = []
    await expect((async () => {
      for await (const value of slow) rest.push(value)
    })()).rejects.toMatchObject(new Overloaded({ what: "numbers", limit: 10_000, unit: "values", retryAfterMillis: 0 }))
    expect([rest.length, rest.at(-1)]).toEqual([9_999, 9_999])
    feed.end()
    await reading
    expect(taken).toEqual(Array.from({ length: 10_003 }, (_, at) => at))
  })

  it("ends for a reader that gives up, waiting or with something left", async () => {
    const feed = makeFeed<number>("numbers")
    const stop = new AbortController()
    const [waiting, full] = [feed.read(stop.signal), feed.read(stop.signal)]
    const next = waiting.next()
    const none = feed.read(AbortSignal.abort()).next()
    feed.push(1)
    expect(await next).toEqual({ done: false, value: 1 })
    expect(await full.next()).toEqual({ done: false, value: 1 })
    feed.push(2)
    feed.push(3)
    const second = await waiting.next()
    stop.abort()
    expect([second.value, (await waiting.next()).done, (await full.next()).done, (await none).done]).toEqual([2, true, true, true])
  })
})
