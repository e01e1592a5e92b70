// Passthrough channels of the first generation: what is written is there at once, for every reader and subscriber.
import {
  BaseSystem, BroadcastChannel, channelMessage, content, DiscoveryChannel, MailboxChannel, PassthroughChannel, register, WorkQueueChannel, type ChannelMessage, type MessageDraft
} from "aaax"
import { describe, expect, it } from "vitest"
import { contents, gate, until, withChannels } from "../../kit/channels.ts"

describe("a subscriber", () => {
  it("[29] [41] is called with each message that is written from then on, in order; once unsubscribed with none", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const reader = await as("reader")
      await log.write("owner", "before")
      const got: Array<ChannelMessage<object>> = []
      await reader.subscribe("log", (message) => void got.push(message))
      const ids = [await log.write("owner", 1), await log.write("owner", 2), await log.write("owner", 3)]
      await until(() => got.length === 3)
      expect(got.map(({ id }) => id)).toEqual(ids)
      expect(got.every(({ senderId }) => senderId === "owner")).toBe(true)
      reader.unsubscribe("log")
      await log.write("owner", 4)
      const later: Array<unknown> = []
      await (await as("later")).subscribe("log", (message) => void later.push(message), { from: "start" })
      await until(() => later.length === 5)
      expect(got).toHaveLength(3)
    })
  })

  it("[30] that throws stops neither the others nor itself, and fails no write", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const calls: Array<unknown> = []
      const seen: Array<unknown> = []
      await (await as("thrower")).subscribe("log", (message) => {
        calls.push(message)
        throw new Error("a bad day")
      })
      await (await as("rejecter")).subscribe("log", () => Promise.reject(new Error("a bad day")))
      await (await as("other")).subscribe("log", (message) => void seen.push(message))
      for (const n of [1, 2, 3]) await expect(log.write("owner", n)).resolves.toEqual(expect.any(String))
      await until(() => seen.length === 3 && calls.length === 3)
    })
  })

  it("[31] [W10] may be an ordinary function, and one that takes its time holds up neither writers nor other subscribers", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const { open, opened } = gate()
      const slow: Array<unknown> = []
      const quick: Array<unknown> = []
      await (await as("slow")).subscribe("log", async (message) => {
        await opened
        slow.push(...contents([message]))
      })
      await (await as("quick")).subscribe("log", (message) => void quick.push(...contents([message])))
      for (let n = 0; n < 20; n++) await log.write("owner", n)
      await until(() => quick.length === 20)
      expect(slow).toEqual([])
      open()
      await until(() => slow.length === 20)
      // One after the other, in the order in which they were kept.
      expect(slow).toEqual(Array.from({ length: 20 }, (_, n) => n))
    })
  })

  it("[42] that subscribes again replaces its callback", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      const first: Array<unknown> = []
      const second: Array<unknown> = []
      await log.subscribe("owner", (message) => void first.push(message))
      await log.subscribe("owner", (message) => void second.push(message))
      await log.write("owner", 1)
      await until(() => second.length === 1)
      expect(first).toEqual([])
    })
  })
})

describe("a passthrough channel", () => {
  it("[32] runs and accepts writes once its system is docked, and pulls nothing", async () => {
    class Quiet extends PassthroughChannel {
      pulls = 0
      override pullFn(): void {
        this.pulls += 1
      }
    }
    const quiet = new Quiet({ id: "quiet", period: 0 })
    expect([quiet.isRunning, quiet.acceptsWrites]).toEqual([false, false])
    await withChannels([quiet], async () => {
      expect([quiet.isRunning, quiet.acceptsWrites, quiet.owner]).toEqual([true, true, "owner"])
      await quiet.write("owner", 1)
      expect(quiet.pulls).toBe(0)
    })
  })

  it("[33] [34] keeps what is written as generic content at once, under the id that the write answered", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      const id = await log.write("owner", { some: "record" })
      expect(await log.read("owner")).toMatchObject([{ id, content: { data: { some: "record" } }, senderId: "owner" }])
    })
  })

  it("[35] keeps a direct message under its own id, and answers that", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async () => {
      expect(await log.write("owner", channelMessage({ id: "mine", content: { a: 1 } }), true)).toBe("mine")
      expect(await log.read("owner")).toMatchObject([{ id: "mine", content: { a: 1 } }])
    })
  })

  it("[36] refuses a direct write of anything but a message as a type error", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      for (const data of [1, "text", null, {}, { content: { a: 1 } }]) await expect(log.write("owner", data, true)).rejects.toThrow(TypeError)
      await expect((await as("other")).write("log", { a: 1 }, true)).rejects.toThrow(/direct write/u)
      expect(await log.read("owner")).toEqual([])
    })
  })

  it("[37] [52] accepts no writes before it has started and after it was stopped, and says so", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await expect(log.write("owner", 1)).rejects.toMatchObject({ _tag: "NotAccepting", message: expect.stringMatching(/not accepting writes.*not started/u) })
    await withChannels([log], async ({ as, owner }) => {
      const other = await as("other")
      await other.write("log", 1)
      await log.stop()
      expect([log.isRunning, log.acceptsWrites]).toEqual([false, false])
      await expect(log.write("owner", 2)).rejects.toMatchObject({ _tag: "NotAccepting", message: expect.stringMatching(/not accepting writes.*stopped/u) })
      await expect(other.write("log", 2)).rejects.toMatchObject({ _tag: "NotAccepting" })
      await expect(owner.writeChannel("log", 2)).rejects.toMatchObject({ _tag: "NotAccepting" })
      // What is there can still be read.
      expect(contents(await other.read("log"))).toEqual([1])
      await log.start()
      await other.write("log", 2)
      expect(contents(await other.read("log"))).toEqual([2])
    })
  })

  it("waits for the first start of a channel that is docked, and then keeps what was written in its order", async () => {
    const opened = gate()
    class Slow extends PassthroughChannel {
      protected override onStart(): Promise<void> {
        return opened.opened
      }
    }
    const log = new Slow({ id: "log" })
    const owner = new BaseSystem({ id: "owner" })
    owner.addChannel(log)
    const other = register("other")
    other.connect("log", log)
    await withChannels([], async ({ dock }) => {
      await dock(owner)
      await dock(other)
      const writes = [1, 2, 3].map((n) => other.write("log", n))
      await new Promise((resolve) => setImmediate(resolve))
      expect(log.acceptsWrites).toBe(false)
      opened.open()
      await Promise.all(writes)
      expect(contents(await other.read("log"))).toEqual([1, 2, 3])
    })
  })

  it("[38] passes a message through as it is, puts content into a message, and wraps anything else", () => {
    const log = new PassthroughChannel({ id: "log" })
    const message = channelMessage({ content: { a: 1 } })
    const own = content({ a: 1 })
    expect(log.convertFn("x", message)).toBe(message)
    expect((log.convertFn("x", own) as MessageDraft).content).toBe(own)
    expect(log.convertFn("x", [1])).toEqual({ content: { data: [1] } })
  })

  it("[39] keeps nothing, and answers an empty id, when the conversion discards what was written", async () => {
    class Even extends PassthroughChannel {
      override convertFn(sender: string, raw: unknown) {
        return Number(raw) % 2 === 0 ? super.convertFn(sender, raw) : null
      }
    }
    const even = new Even({ id: "even" })
    await withChannels([even], async ({ owner }) => {
      expect(await even.write("owner", 1)).toBe("")
      expect(await even.write("owner", 2)).not.toBe("")
      expect(await owner.writeChannel("even", 3)).toMatchObject({ id: "", cursor: 0 })
      expect(contents(await even.read("owner"))).toEqual([2])
    })
  })

  it("[40] tells nothing to a system that is not wired to it: reading, subscribing, claiming and writing are denied", async () => {
    const log = new PassthroughChannel({ id: "secret" })
    await withChannels([log], async ({ dock }) => {
      await log.write("owner", 1)
      const stranger = register("stranger")
      await dock(stranger)
      const called: Array<unknown> = []
      const attempts = [
        stranger.read("secret"), stranger.read("secret", 1, true), stranger.subscribe("secret", (message) => void called.push(message)), stranger.write("secret", 2)
      ]
      for (const attempt of attempts) {
        const error: unknown = await attempt.then(() => undefined, (thrown: unknown) => thrown)
        expect(error).toMatchObject({ _tag: expect.stringMatching(/^(Denied|ChannelNotFound)$/u) })
        expect(String(error)).not.toContain("data")
      }
      expect(contents(await log.read("owner"))).toEqual([1])
      expect(called).toEqual([])
    })
  })

  it("[108] [W16] speaks for nobody but the system whose port it is: neither by a reader's id, nor by a sender's in a message", async () => {
    const log = new PassthroughChannel({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const mallory = await as("mallory")
      await expect(log.write("alice", 1)).rejects.toMatchObject({ _tag: "Denied", allowed: "owner" })
      await expect(log.read("alice")).rejects.toMatchObject({ _tag: "Denied" })
      await expect(log.acknowledge("alice", ["m"])).rejects.toMatchObject({ _tag: "Denied" })
      await expect(log.subscribe("alice", () => undefined)).rejects.toMatchObject({ _tag: "Denied" })
      const forged = channelMessage({ id: "forged", senderId: "owner", content: { a: 1 } })
      await expect(mallory.write("log", forged, true)).rejects.toMatchObject({ _tag: "Denied", reason: expect.stringContaining("owner") })
      await mallory.write("log", channelMessage({ id: "once", content: { a: 1 } }), true)
      // The same message again is the same write; another one under its id is none.
      const again = channelMessage({ id: "again", content: { a: 1 } })
      expect([await mallory.write("log", again, true), await mallory.write("log", again, true)]).toEqual(["again", "again"])
      await expect(mallory.write("log", channelMessage({ id: "once", content: { a: 2 } }), true)).rejects.toMatchObject({ _tag: "IdempotencyConflict" })
      await expect(log.write("owner", channelMessage({ id: "once", content: { a: 2 } }), true)).rejects.toMatchObject({ _tag: "EventExists" })
      expect(await log.read("owner")).toMatchObject([{ id: "once", senderId: "mallory" }, { id: "again" }])
    })
  })

  it("calls onMessage with what was kept, before the write returns; what that throws fails no write", async () => {
    const seen: Array<unknown> = []
    const phases: Array<string> = []
    class Watched extends PassthroughChannel {
      protected override onMessage(message: ChannelMessage): void {
        seen.push(message)
        if (seen.length === 2) throw new Error("a bad day")
      }
      protected override onError(phase: string): void {
        phases.push(phase)
      }
    }
    const log = new Watched({ id: "log" })
    await withChannels([log], async ({ as }) => {
      const id = await (await as("writer")).write("log", 1, { correlationId: "c", replyTo: "answers" })
      expect(seen).toEqual(await log.read("owner"))
      expect(seen).toMatchObject([{ id, senderId: "writer", content: { data: 1 }, correlationId: "c", replyTo: "answers" }])
      await expect(log.write("owner", 2)).resolves.not.toBe("")
      expect(phases).toEqual(["message"])
    })
  })
})

describe("every channel class", () => {
  const classes = { BroadcastChannel, DiscoveryChannel, MailboxChannel, PassthroughChannel, WorkQueueChannel }

  const names = Object.keys(classes) as Array<keyof typeof classes>

  it.each(names)("[51] [W12] keeps no more than its retention allows: %s", async (name) => {
    const channel = new classes[name]({ id: "kept", retentionMaxCount: 5 })
    await withChannels([channel], async ({ as, kernel }) => {
      for (let n = 0; n < 40; n++) {
        await channel.write("owner", n)
        // What nobody has done yet is kept in any case.
        if (name === "WorkQueueChannel") await channel.acknowledge("owner", (await channel.read("owner", 1, true)).map(({ id }) => id))
      }
      await until(() => kernel.channels.store.statisticsOf("kept")!.events <= 7)
      // A registry shows registrations, and a queue what is not done.
      if (!["DiscoveryChannel", "WorkQueueChannel"].includes(name)) expect(contents(await (await as("late")).read("kept", 100)).at(-1)).toBe(39)
    })
  })

  it("[51] lets go of what is too old, and is asked to maintain itself by the clock", async () => {
    let maintained = 0
    class Kept extends PassthroughChannel {
      protected override onMaintain(): void {
        maintained += 1
      }
    }
    const log = new Kept({ id: "log", retentionMaxAge: 0.001, maintenanceIntervalSeconds: 0.005 })
    await withChannels([log], async ({ kernel }) => {
      await log.write("owner", 1)
      kernel.time.advance(60_000)
      await until(() => kernel.channels.store.statisticsOf("log")!.events === 0 && maintained > 1)
    })
  })
})
