// Channels with a source: written items wait for a cycle, are converted side by side, and come out in order; a source is pulled
// once in each period.
import { BaseChannel, PeriodicChannel, PeriodicSourceChannel, type Converted, type MessageDraft } from "aaax"
import { describe, expect, it } from "vitest"
import { contents, gate, run, until, withChannels } from "../../kit/channels.ts"

/** A channel whose source does nothing unless it is told to. */
class Feed extends PeriodicChannel {
  readonly phases: Array<readonly [string, string]> = []
  readonly events: Array<string> = []
  pulls = 0
  onPulled: () => Promise<unknown> | unknown = () => undefined
  convert: (raw: unknown) => Promise<Converted> | Converted = (raw) => ({ content: { data: raw as number } })

  override async pullFn(): Promise<void> {
    this.pulls += 1
    await this.onPulled()
  }
  override convertFn(_sender: string, raw: unknown): Promise<Converted> | Converted {
    return this.convert(raw)
  }
  protected override onError(phase: string, error: unknown): void {
    this.phases.push([phase, (error as Error).message])
  }
  protected override onStop(): void {
    this.events.push("stop")
  }
}

const hour = 3_600

describe("a periodic channel", () => {
  it("has two names", () => {
    expect(PeriodicSourceChannel).toBe(PeriodicChannel)
    expect(PeriodicChannel.prototype).toBeInstanceOf(BaseChannel)
  })

  it("[73] is pulled when it starts and then once in each period; what it writes goes through the conversion, which may discard it", async () => {
    const feed = new Feed({ id: "feed", period: 0.002 })
    feed.onPulled = () => feed.write("owner", feed.pulls)
    feed.convert = (raw) => (Number(raw) % 2 === 0 ? null : { content: { n: raw as number } })
    await withChannels([feed], async ({ as }) => {
      const reader = await as("reader")
      const got: Array<unknown> = []
      await until(async () => {
        got.push(...contents(await reader.read("feed")))
        return got.length >= 3
      })
      expect(got.slice(0, 3)).toEqual([{ n: 1 }, { n: 3 }, { n: 5 }])
    })
    const pulls = feed.pulls
    const once = new Feed({ id: "once", period: hour })
    await withChannels([once], async () => {
      await until(() => once.pulls === 1)
      expect(feed.pulls).toBe(pulls)
    })
    expect(once.pulls).toBe(1)
  })

  it("takes shared and exclusive reads", async () => {
    const feed = new Feed({ id: "feed", period: 0.001 })
    await withChannels([feed], async ({ as }) => {
      const [reader, worker] = [await as("reader"), await as("worker")]
      for (const n of [1, 2, 3]) await feed.write("owner", n)
      await until(async () => (await feed.getLatest(3)).length === 3)
      expect(contents(await worker.read("feed", 1, true))).toEqual([1])
      expect(contents(await reader.read("feed", 10))).toEqual([2, 3])
    })
  })

  it("[46] goes on after a pull that failed, and says in which phase that was", async () => {
    const feed = new Feed({ id: "feed", period: 0.001 })
    feed.onPulled = () => {
      if (feed.pulls === 1) throw new Error("no network")
    }
    await withChannels([feed], () => until(() => feed.pulls > 2))
    expect(feed.phases).toEqual([["pull", "no network"]])
  })
})

describe("a buffered write", () => {
  it("[43] is visible only after the cycle that converts it, and is answered by an id that is not the message's", async () => {
    const feed = new Feed({ id: "feed", period: hour })
    const pulled = gate()
    feed.onPulled = () => pulled.opened
    await withChannels([feed], async () => {
      await until(() => feed.pulls === 1)
      const id = await feed.write("owner", 1)
      expect(await feed.getLatest(1)).toEqual([])
      expect(await feed.get(id)).toBeNull()
      pulled.open()
      await until(async () => (await feed.getLatest(1)).length === 1)
      const [message] = await feed.read("owner")
      expect(message).toMatchObject({ content: { data: 1 }, senderId: "owner" })
      expect(message?.id).not.toBe(id)
    })
  })

  it("[44] is refused at once when the buffer is full", async () => {
    const feed = new Feed({ id: "feed", period: hour, maxRawBufferSize: 3 })
    const pulled = gate()
    feed.onPulled = () => pulled.opened
    await withChannels([feed], async ({ as }) => {
      await until(() => feed.pulls === 1)
      const other = await as("other")
      for (const n of [1, 2, 3]) await other.write("feed", n)
      for (const write of [feed.write("owner", 4), other.write("feed", 4)]) {
        await expect(write).rejects.toMatchObject({ _tag: "Overloaded", limit: 3, unit: "items" })
      }
      pulled.open()
      await until(async () => (await feed.getLatest(10)).length === 3)
      expect((await feed.getLatest(10)).map(({ senderId }) => senderId)).toEqual(["other", "other", "other"])
    })
  })

  it("[45] that cannot be converted is lost alone; the phase is named, and the loop goes on", async () => {
    const feed = new Feed({ id: "feed", period: 0.001 })
    feed.convert = (raw) => {
      if (raw === 2) throw new Error("not a number")
      return { content: { data: raw as number } }
    }
    await withChannels([feed], async () => {
      for (const n of [1, 2, 3]) await feed.write("owner", n)
      await until(async () => (await feed.getLatest(10)).length === 2)
      await feed.write("owner", 4)
      await until(async () => (await feed.getLatest(10)).length === 3)
      expect(contents(await feed.read("owner"))).toEqual([1, 3, 4])
      expect(feed.phases).toEqual([["process", "not a number"]])
    })
  })

  it("[47] is converted beside others, at most `maxWorkers` at once, and kept in the order in which it came", async () => {
    const feed = new Feed({ id: "feed", period: hour, maxWorkers: 3 })
    const [pulled, converted] = [gate(), gate()]
    let underWay = 0
    let most = 0
    feed.onPulled = () => pulled.opened
    feed.convert = async (raw) => {
      most = Math.max(most, ++underWay)
      // The first ones take longest.
      await (Number(raw) < 3 ? converted.opened : undefined)
      await new Promise((resolve) => setTimeout(resolve, 10 - Number(raw)))
      underWay -= 1
      return { content: { data: raw as number } } satisfies MessageDraft
    }
    await withChannels([feed], async () => {
      for (let n = 0; n < 10; n++) await feed.write("owner", n)
      pulled.open()
      await until(() => underWay === 3)
      converted.open()
      await until(async () => (await feed.getLatest(100)).length === 10)
      expect(contents(await feed.read("owner", 100))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
      expect(most).toBe(3)
    })
  })
})

describe("a channel with a cycle", () => {
  it("[48] maintains itself by the clock, however long its cycles are", async () => {
    let maintained = 0
    class Kept extends Feed {
      protected override onMaintain(): Promise<void> {
        maintained += 1
        if (maintained === 1) throw new Error("a bad day")
        return Promise.resolve()
      }
    }
    const feed = new Kept({ id: "feed", period: hour, maintenanceIntervalSeconds: 0.002 })
    await withChannels([feed], () => until(() => maintained >= 3))
    expect(feed.pulls).toBe(1)
    expect(feed.phases).toEqual([["maintain", "a bad day"]])
  })

  it("[49] [50] [W7] drains at once, in the middle of a long rest: it refuses writes, converts what waits, awaits what is under way, and then stops", async () => {
    const feed = new Feed({ id: "feed", period: hour })
    const slow = gate()
    feed.convert = async (raw) => {
      await slow.opened
      feed.events.push(`converted ${String(raw)}`)
      return { content: { data: raw as number } }
    }
    await withChannels([feed], async ({ as }) => {
      await until(() => feed.pulls === 1)
      for (const n of [1, 2, 3]) await feed.write("owner", n)
      const draining = feed.drain(hour)
      await expect(feed.write("owner", 4)).rejects.toMatchObject({ _tag: "NotAccepting" })
      expect(feed.isRunning).toBe(true)
      slow.open()
      expect(await draining).toBe(0)
      expect(feed.events).toEqual(["converted 1", "converted 2", "converted 3", "stop"])
      expect(contents(await (await as("reader")).read("feed"))).toEqual([1, 2, 3])
      expect(feed.isRunning).toBe(false)
    })
  })

  it("[49] [W7] gives up what is not done in time, says how much, and keeps nothing of it afterwards", async () => {
    const feed = new Feed({ id: "feed", period: hour })
    const stuck = gate()
    feed.convert = async (raw) => {
      await stuck.opened
      return { content: { data: raw as number } }
    }
    await withChannels([feed], async ({ owner }) => {
      await until(() => feed.pulls === 1)
      for (const n of [1, 2, 3]) await feed.write("owner", n)
      expect(await feed.drain(0.01)).toBe(3)
      expect(feed.events).toEqual(["stop"])
      stuck.open()
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(await feed.getLatest(10)).toEqual([])
      expect(owner.state).toBe("RUNNING")
    })
  })

  it("[50] drains when its system is drained, and ends its loop", async () => {
    const feed = new Feed({ id: "feed", period: hour })
    await withChannels([feed], async ({ kernel }) => {
      await until(() => feed.pulls === 1)
      for (const n of [1, 2, 3]) await feed.write("owner", n)
      await run(kernel.drain("owner"))
      expect(kernel.channels.store.statisticsOf("feed")?.events).toBe(3)
      expect([feed.isRunning, feed.acceptsWrites]).toEqual([false, false])
    })
    expect(feed.events).toEqual(["stop"])
    expect(feed.pulls).toBe(1)
  })
})
