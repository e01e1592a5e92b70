// Broadcast channels of the first generation: every reader and every subscriber gets everything, and nobody can claim.
import { BroadcastChannel } from "aaax"
import { describe, expect, it } from "vitest"
import { contents, until, withChannels } from "../../kit/channels.ts"

describe("a broadcast channel", () => {
  it("[53] refuses an exclusive read, and says what it offers instead", async () => {
    const news = new BroadcastChannel({ id: "news" })
    await withChannels([news], async ({ as }) => {
      await news.write("owner", 1)
      const reader = await as("reader")
      await expect(reader.read("news", 1, true)).rejects.toMatchObject({ _tag: "WrongDelivery", message: expect.stringMatching(/exclusive read.*shared read/u) })
      await expect(news.read("owner", 1, true)).rejects.toMatchObject({ _tag: "WrongDelivery" })
      expect(contents(await reader.read("news"))).toEqual([1])
    })
  })

  it("[54] [55] gives every message to every reader, each at its own cursor, with the sender that wrote it", async () => {
    const news = new BroadcastChannel({ id: "news" })
    await withChannels([news], async ({ as }) => {
      const writer = await as("writer")
      for (let n = 0; n < 25; n++) await (n % 2 === 0 ? news.write("owner", n) : writer.write("news", n))
      for (const id of ["a", "b", "c"]) {
        const reader = await as(id)
        const all = [...(await reader.read("news", 10)), ...(await reader.read("news", 10)), ...(await reader.read("news", 10))]
        expect(contents(all)).toEqual(Array.from({ length: 25 }, (_, n) => n))
        expect(all.map(({ senderId }) => senderId)).toEqual(Array.from({ length: 25 }, (_, n) => (n % 2 === 0 ? "owner" : "writer")))
        expect(await reader.read("news")).toEqual([])
      }
    })
  })

  it("[56] calls every subscriber with every message; unsubscribing stops that one only", async () => {
    const news = new BroadcastChannel({ id: "news" })
    await withChannels([news], async ({ as }) => {
      const got: Record<string, Array<unknown>> = { a: [], b: [], c: [] }
      for (const id of ["a", "b", "c"]) await (await as(id)).subscribe("news", (message) => void got[id]?.push(...contents([message])))
      await news.write("owner", 1)
      await until(() => Object.values(got).every((list) => list.length === 1))
      ;(await as("b")).unsubscribe("news")
      await news.write("owner", 2)
      await until(() => got["a"]?.length === 2 && got["c"]?.length === 2)
      expect(got).toEqual({ a: [1, 2], b: [1], c: [1, 2] })
    })
  })

  it("[57] lets a late joiner read the history and go on with what comes, without a gap and without a repetition", async () => {
    const news = new BroadcastChannel({ id: "news" })
    await withChannels([news], async ({ as }) => {
      let written = 0
      let isWriting = true
      const writing = (async () => {
        while (isWriting) {
          await news.write("owner", written++)
          // A memory store answers at once: others must have their turn between two writes.
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      await until(() => written > 20)
      const late = await as("late")
      const seen: Array<unknown> = []
      seen.push(...contents(await late.read("news", 10)), ...contents(await late.read("news", 5)))
      // Writers go on between the reads and the subscription.
      await until(() => written > 40)
      await late.subscribe("news", (message) => void seen.push(...contents([message])), { from: "read" })
      await until(() => written > 60)
      isWriting = false
      await writing
      await until(() => seen.length >= written)
      expect(seen).toEqual(Array.from({ length: written }, (_, n) => n))
    })
  })
})
