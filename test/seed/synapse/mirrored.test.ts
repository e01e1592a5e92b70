// The relay at a hub: what it mirrors is what everybody on the wire is told, and nothing else.
import { describe, expect, it } from "vitest"
import { SynapseAgent } from "../../../libos/synapse/agent.ts"
import { SynapseHub } from "../../../kernel/synapse-hub.ts"
import { decode, relay, type Frame } from "../../../modules/relay/index.ts"

/** Lines as a relay hands them over, and a way to wait for one. */
const makeSink = () => {
  const lines: Array<string> = []
  let wake = (): void => undefined
  return {
    lines,
    frames: (): ReadonlyArray<Frame> => lines.map((line) => decode(JSON.parse(line) as Frame)!),
    has: async (isIt: (line: string) => boolean): Promise<void> => {
      while (!lines.some(isIt)) await new Promise<void>((resolve) => (wake = resolve))
    },
    sink: {
      append: async (added: ReadonlyArray<string>) => {
        lines.push(...added)
        wake()
      },
      close: async () => undefined
    }
  }
}

const hasHub = async (form: "lossless" | "lite" | undefined, body: (hub: SynapseHub, mirror: ReturnType<typeof makeSink>) => Promise<void>): Promise<void> => {
  const hub = new SynapseHub({ port: 0 })
  await hub.start()
  try {
    const mirror = makeSink()
    await hub.kernel.dock(relay({ sink: mirror.sink, hub: hub.id, ...(form === undefined ? {} : { form }) }))
    await body(hub, mirror)
  } finally {
    await hub.stop()
  }
}

describe("a relay at a hub", () => {
  it("[131] has one line for each frame that everybody is told, with all of its fields, and none for what one is told alone", () =>
    hasHub(undefined, async (hub, mirror) => {
      const told: Array<Frame> = []
      // Connected first, it is told all that comes after it.
      const watcher = await SynapseAgent.connect({ uri: hub.uri, name: "WATCH", reconnect: false })
      watcher.listen((frame) => told.push(frame as unknown as Frame))
      const ada = await SynapseAgent.connect({ uri: hub.uri, name: "ADA", reconnect: false })
      const bob = await SynapseAgent.connect({ uri: hub.uri, name: "BOB", reconnect: false })
      await ada.claim("api", { paths: ["src/api"], worktree: "/repo", note: "mine", git: { branch: "main", auto_release_on: "commit" } })
      await expect(bob.claim("api")).rejects.toMatchObject({ code: "LEASE_LIVE" })
      await ada.updateTask("api", { status: "working", data_ref: "ref" })
      await ada.saveCheckpoint("api", "half way")
      await ada.handoff("api", "BOB", { note: "yours" })
      await bob.release("api", { receipt: { tests: "green" } })
      await ada.postTask("plan", "Plan it", { description: "all", depends_on: ["api"], suggested_owner: "BOB" })
      await ada.postTask("plan", "Plan it again")
      await ada.updateLedgerTask("plan", { status: "in_progress" })
      await ada.postProgress("plan", "begun")
      await ada.offerResource("gpu", "a100", { capacity: 2 })
      await ada.advertise({ description: "d", skills: ["s"], task_classes: ["chat"], model: "m", meta: { a: 1 } })
      await Promise.all([ada.requestState(), ada.requestWho(), ada.requestBoard(), ada.requestHistory()])
      await ada.chat("the end", { target: "BOB", priority: true })
      await mirror.has((line) => line.includes("the end"))
      while (!told.some(({ payload }) => payload === "the end")) await new Promise((resolve) => setTimeout(resolve, 1))
      const [ours, wire] = [mirror.frames(), told].map((frames) => frames.slice(frames.findIndex((frame) => frame["agent"] === "ADA")))
      expect(wire).toHaveLength(14)
      // Channels are mirrored each in its order; which of two comes first is only known within one.
      const sorted = (frames: ReadonlyArray<Frame>): ReadonlyArray<string> => frames.map((frame) => JSON.stringify(Object.entries(frame).sort(([a], [b]) => (a < b ? -1 : 1)))).sort()
      expect(sorted(ours!)).toEqual(sorted(wire!))
      expect(ours!.map(({ type }) => type)).not.toContain("claim_denied")
      for (const agent of [watcher, ada, bob]) agent.close()
    }))

  it("[131] mirrors also when nobody is connected, and in the short form what people read", () =>
    hasHub("lite", async (hub, mirror) => {
      const ada = await SynapseAgent.connect({ uri: hub.uri, name: "ADA", reconnect: false })
      await ada.claim("api", { ttl_seconds: 60 })
      ada.close()
      await mirror.has((line) => line.includes('"ty":"presence_update"') && mirror.lines.length >= 3)
      const lines = mirror.lines.map((line) => JSON.parse(line) as Frame)
      expect(lines.map(({ ty, v }) => [v, ty]).sort()).toEqual([[1, "claim_granted"], [1, "presence_update"], [1, "presence_update"]])
      for (const line of lines) expect(Object.keys(line)).toEqual(["v", "i", "ty", "s", "to", "p", "t", "h"])
    }))

  it("hands over again what its sink did not take, in order", async () => {
    const hub = new SynapseHub({ port: 0 })
    await hub.start()
    const mirror = makeSink()
    let refusals = 2
    await hub.kernel.dock(relay({
      sink: {
        ...mirror.sink,
        append: async (lines) => {
          if (refusals-- > 0) throw new Error("the disk is full")
          return mirror.sink.append(lines)
        }
      }
    }))
    const ada = await SynapseAgent.connect({ uri: hub.uri, name: "ADA", reconnect: false })
    for (const text of ["one", "two", "three"]) await ada.chat(text)
    await mirror.has((line) => line.includes("three"))
    expect(mirror.frames().filter(({ type }) => type === "chat").map(({ payload }) => payload)).toEqual(["one", "two", "three"])
    ada.close()
    await hub.stop()
  })

  it("is none without a sink", () => {
    expect(() => relay({} as never)).toThrow(/relayFile/u)
  })
})
