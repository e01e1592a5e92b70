// Messages of the first generation of semantic channels, over the kernel's events.
import { channelMessage, content, genericContent, isChannelMessage, isContent, PassthroughChannel, type ChannelMessage } from "aaax"
import { describe, expect, it } from "vitest"
import { withChannels } from "../../kit/channels.ts"

describe("content", () => {
  it("[1] that is generic has null as its data unless another JSON value is given, and keeps that", async () => {
    expect(genericContent()).toEqual({ data: null })
    const values = [null, false, 0, -1.5, "", "text", [], [1, [2]], {}, { a: { b: null } }]
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      for (const value of values) await log.write("owner", value)
      expect((await log.read("owner", 100)).map((message) => message.content)).toEqual(values.map((data) => ({ data })))
    })
  })

  it("[2] may have fields that nobody declared, and they can be read", async () => {
    const log = new PassthroughChannel<{ readonly celsius: number; readonly [more: string]: unknown }>({ id: "log" })
    await withChannels([log], async () => {
      await log.write("owner", content({ celsius: 21, place: { room: 4 }, tags: ["a"] }))
      const [message] = await log.read("owner")
      expect(message?.content).toEqual({ celsius: 21, place: { room: 4 }, tags: ["a"] })
      expect(message?.content.celsius).toBe(21)
    })
  })

  it("is not wrapped a second time when a message is written on", async () => {
    const [first, second] = [new PassthroughChannel({ id: "first" }), new PassthroughChannel({ id: "second" })]
    await withChannels([first, second], async () => {
      await first.write("owner", 7)
      const [message] = await first.read("owner")
      await second.write("owner", message?.content)
      expect((await second.read("owner"))[0]?.content).toEqual({ data: 7 })
    })
    expect([isContent(genericContent(1)), isContent({ a: 1 }), isContent([1]), isContent(content({ a: 1 }))]).toEqual([true, false, false, true])
  })
})

describe("a message", () => {
  it("[3] has null for every optional field that is not given, and no metadata", async () => {
    const message = channelMessage({ content: { a: 1 } })
    expect(message).toMatchObject({ metadata: {}, correlationId: null, replyTo: null, recipientId: null })
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      await log.write("owner", message, true)
      expect((await log.read("owner"))[0]).toEqual({ ...message, senderId: "owner" })
    })
  })

  it("[4] [81] comes back from the log with every field as it was given, and its content exactly", async () => {
    const log = new PassthroughChannel({ id: "log" })
    const given = channelMessage({
      id: "m-1", timestamp: 1_700_000_000.25, content: { data: { data: [1, "two", null] }, n: 1e-7 }, metadata: { retries: 2, last_error: "no" },
      correlationId: "c-1", replyTo: "answers", recipientId: "someone"
    })
    await withChannels([log], async () => {
      expect(await log.write("owner", given, true)).toBe("m-1")
      expect(await log.read("owner")).toEqual([{ ...given, senderId: "owner" }])
      expect(await log.get("m-1")).toEqual({ ...given, senderId: "owner" })
    })
  })

  it("[5] cannot be changed, at any depth", async () => {
    const own = { list: [1, 2], deep: { a: 1 } }
    const made = channelMessage({ content: own, metadata: { labels: ["a"] } })
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      await log.write("owner", made, { direct: true, replyTo: "answers" })
      const [read] = await log.read("owner")
      for (const message of [made, read] as Array<ChannelMessage>) {
        const held = message as unknown as { content: { list: Array<number>; deep: { a: number } }; metadata: Record<string, unknown>; senderId: string }
        expect(() => (held.senderId = "other")).toThrow(TypeError)
        expect(() => held.content.list.push(3)).toThrow(TypeError)
        expect(() => (held.content.deep.a = 2)).toThrow(TypeError)
        expect(() => (held.metadata["new"] = 1)).toThrow(TypeError)
        expect(() => (held.metadata["labels"] as Array<string>).push("b")).toThrow(TypeError)
      }
    })
    // What its author gave stays his own.
    own.list.push(3)
    expect(made.content.list).toEqual([1, 2])
  })

  it("is told from other objects by its fields", () => {
    expect(isChannelMessage(channelMessage({ content: {} }))).toBe(true)
    for (const other of [null, 1, "m", {}, { content: {} }, { id: "a", content: { data: 1 }, timestamp: 1 }]) expect(isChannelMessage(other)).toBe(false)
  })
})
