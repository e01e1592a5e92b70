// The relay at a hub: what it mirrors is what everybody on the wire is told, and nothing else.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { SynapseAgent } from "../../../libos/synapse/agent.ts"
import { defineModule } from "../../../libos/module.ts"
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

const hasHub = async (form: "lossless" | "lite" | undefined, body: (hub: SynapseHub, mirror: ReturnType<typeof makeSink>, probes: ReadonlyArray<SynapseAgent>) => Promise<void>): Promise<void> => {
  const hub = new SynapseHub({ port: 0 })
  await hub.start()
  const probes: Array<SynapseAgent> = []
  try {
    const mirror = makeSink()
    await hub.kernel.dock(relay({ sink: mirror.sink, hub: hub.id, ...(form === undefined ? {} : { form }) }))
    // It begins with what comes when it has looked where it is: one more comes until the first of them is mirrored.
    while (mirror.lines.length === 0) probes.push(await SynapseAgent.connect({ uri: hub.uri, name: `PROBE-${probes.length}`, reconnect: false }))
    await body(hub, mirror, probes)
  } finally {
    for (const probe of probes) probe.close()
    await hub.stop()
  }
}

describe("a relay at a hub", () => {
  it("[131] that stands beside it misses not even who comes first", async () => {
    const mirror = makeSink()
    await using hub = await new SynapseHub({ port: 0, beside: (id) => [relay({ sink: mirror.sink, hub: id })] }).start()
    using _ = await SynapseAgent.connect({ uri: hub.uri, name: "FIRST", reconnect: false })
    await mirror.has((line) => line.includes("presence_update"))
    expect(mirror.frames()[0]).toMatchObject({ type: "presence_update", event: "joined", agent: "FIRST", hub_id: hub.id })
  })

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

  it("[131] has them also when nobody is connected", () =>
    hasHub(undefined, async (hub, mirror, probes) => {
      for (const probe of probes) probe.close()
      for (const { name } of probes) await mirror.has((line) => line.includes('"event":"left"') && line.includes(`"agent":"${name}"`))
      await hub.kernel.dock(defineModule({ id: "inside", coordination: true, run: ({ coordination }) => coordination.progress("", "alone") }))
      await mirror.has((line) => line.includes("alone"))
      expect(mirror.frames().find(({ type }) => type === "ledger_progress_posted")).toMatchObject({ note: { author: "inside", text: "alone" } })
    }))

  it("has in the short form what people read", () =>
    hasHub("lite", async (hub, mirror) => {
      const ada = await SynapseAgent.connect({ uri: hub.uri, name: "ADA", reconnect: false })
      await ada.claim("api", { ttl_seconds: 60 })
      ada.close()
      await mirror.has((line) => line.includes('"ty":"claim_granted"'))
      const lines = mirror.lines.map((line) => JSON.parse(line) as Frame)
      expect(lines.filter(({ ty }) => ty === "claim_granted")).toMatchObject([{ v: 1, s: "SynapseHub", to: "all", p: "Task 'api' claimed by ADA.", h: hub.id }])
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

  it("goes on where it was when it comes back, without what was there before it first came", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aaax-mirrored-"))
    const ask = async (hub: SynapseHub, text: string): Promise<void> => {
      const ada = await SynapseAgent.connect({ uri: hub.uri, name: "ADA", reconnect: false })
      await ada.chat(text)
      ada.close()
    }
    const said: Array<ReadonlyArray<unknown>> = []
    for (const [before, during] of [["earlier", "first"], ["meanwhile", "second"]] as const) {
      const hub = await new SynapseHub({ port: 0, directory: folder, db: "hub.db" }).start()
      await ask(hub, before)
      const mirror = makeSink()
      await hub.kernel.dock(relay({ sink: mirror.sink }))
      // Said again until it is mirrored: from then on it misses nothing.
      let last = 0
      while (!mirror.lines.some((line) => line.includes(during))) await ask(hub, `${during} ${++last}`)
      await mirror.has((line) => line.includes(`${during} ${last}`))
      await hub.stop()
      said.push([...new Set(mirror.frames().filter(({ type }) => type === "chat").map(({ payload }) => String(payload).split(" ")[0]))])
    }
    expect(said).toEqual([["first"], ["meanwhile", "second"]])
    rmSync(folder, { recursive: true })
  })

  it("hands over at its next start what its sink had not taken when it was stopped", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aaax-mirrored-"))
    const options = { port: 0, directory: folder, db: "hub.db" }
    const first = await new SynapseHub(options).start()
    const ada = await SynapseAgent.connect({ uri: first.uri, name: "ADA", reconnect: false })
    const mirror = makeSink()
    let tellRefused: () => void = () => undefined
    const refused = new Promise<void>((resolve) => (tellRefused = resolve))
    await first.kernel.dock(relay({
      sink: {
        ...mirror.sink,
        append: async (lines) => {
          if (!lines.some((line) => line.includes("kept"))) return mirror.sink.append(lines)
          tellRefused()
          throw new Error("the disk is full")
        }
      }
    }))
    for (let n = 1; !mirror.lines.some((line) => line.includes("there")); n++) await ada.chat(`there ${n}`)
    await ada.chat("kept")
    await refused
    ada.close()
    await first.stop()
    const second = await new SynapseHub(options).start()
    const again = makeSink()
    await second.kernel.dock(relay({ sink: again.sink }))
    await again.has((line) => line.includes("kept"))
    await second.stop()
    rmSync(folder, { recursive: true })
  })

  it("is none without a sink", () => {
    expect(() => relay({} as never)).toThrow(/relayFile/u)
  })
})
