// Remote systems: the same code as in the kernel's process, at the other end of a socket that may break.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Schema, defineExecutor, defineModule, NotDone } from "aaax"
import { describe, expect, it } from "vitest"
import { connect, type RemoteKernel } from "../../libos/remote.ts"
import { emptyManifest, type System } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import { until, withNetwork, type Network, type NetworkOptions } from "../kit/network.ts"
import { wireTo, type Wire } from "../kit/proxy.ts"

const outcome = async (effect: Effect.Effect<unknown, unknown>): Promise<unknown> => {
  const exit = await Effect.runPromiseExit(effect)
  if (Exit.isSuccess(exit)) return { value: exit.value }
  return { failure: JSON.parse(JSON.stringify(Cause.squash(exit.cause))), message: (Cause.squash(exit.cause) as Error).message }
}

const statusOf = ({ kernel }: Network, id: string): string | undefined => kernel.systems().find((view) => view.id === id)?.status

/** A network with a wire to its kernel, and a connection over it. */
const withWire = (
  options: NetworkOptions, body: (world: Network & { readonly wire: Wire; readonly remote: RemoteKernel; readonly again: () => Promise<RemoteKernel> }) => Promise<void>
): Promise<void> =>
  withNetwork(options, async (network) => {
    const wire = await wireTo(network.url)
    const opened: Array<RemoteKernel> = []
    const again = async (): Promise<RemoteKernel> => {
      const one = await connect({ url: wire.url, token: network.operatorToken, pauseMillisMax: 50 })
      opened.push(one)
      return one
    }
    try {
      await body({ ...network, wire, remote: await again(), again })
    } finally {
      wire.mend()
      await Promise.race([Promise.all(opened.map((one) => one.close())), new Promise((resolve) => setTimeout(resolve, 2_000))])
      await wire.close()
    }
  })

describe("a port over a socket", () => {
  it("answers and refuses everything as the port of a system in the kernel's process does", async () => {
      const manifest = {
        ...emptyManifest("twin"), reads: ["notes"], writes: ["notes", "jobs"], takes: ["jobs"], snapshots: ["twin.state"],
        provides: [{ name: "twin.own", delivery: "latest" as const }]
      }
      /** Everything that a port offers, rightly and wrongly used; what differs by nature is left out of the answers. */
      const probe = async (port: Port): Promise<unknown> => {
        const told: Record<string, unknown> = {}
        const tell = async (what: string, effect: Effect.Effect<unknown, unknown>): Promise<unknown> => (told[what] = await outcome(effect))
        await tell("channels", port.channels)
        await tell("append", port.append("notes", [{ payload: { a: [1, null, "ü"] }, metadata: { m: true }, labels: ["l"] }, { kind: "note" }]))
        await tell("append with a key", port.append("notes", [{ payload: 1 }], { key: "k" }))
        await tell("append again", port.append("notes", [{ payload: 1 }], { key: "k" }))
        await tell("append another", port.append("notes", [{ payload: 2 }], { key: "k" }))
        await tell("append at a head", port.append("notes", [{ payload: 2 }], { expectedHead: 1 }))
        for (const [what, drafts] of Object.entries({
          nothing: [], "a number that is none": [{ payload: { deep: [Number.NaN] } }], "a date": [{ payload: new Date(0) }], "a map": [{ payload: 1 }, { payload: { m: new Map() } }],
          "a function": [{ payload: () => 1 }], "a big integer": [{ payload: 5n }], "a bad kind": [{ kind: "a b" }], "an unknown member": [{ payload: 1, sender: "other" }],
          "a missing parent": [{ parentIds: ["nobody"] }], "no list": "drafts", "no draft": [null], "a deep one": [{ payload: JSON.parse(`${"[".repeat(70)}${"]".repeat(70)}`) }],
          undefined: [{ payload: { left: undefined, list: [undefined] } }]
        })) await tell(`append ${what}`, port.append("notes", drafts as never))
        await tell("append unwired", port.append("secret", [{ payload: 1 }]))
        await tell("append to nothing", port.append("notez", [{ payload: 1 }]))
        await tell("append to the journal", port.append("aaax.journal", [{ payload: 1 }]))
        await tell("append without a name", port.append(7 as never, [{ payload: 1 }]))
        await tell("read", port.read("notes", { after: 0, limit: 2 }))
        await tell("read filtered", port.read("notes", { filter: { kind: "note" } }))
        await tell("read with a wrong filter", port.read("notes", { filter: { kind: 5 as never } }))
        await tell("read unwired", port.read("secret"))
        await tell("await", port.awaitBeyond("notes", 1))
        await tell("event", port.event("nobody"))
        await tell("take nothing", port.take("jobs"))
        await tell("append jobs", port.append("jobs", [{ payload: "one" }, { payload: "two" }]))
        const taken = await Effect.runPromise(port.take("jobs", { limit: 5 }))
        told["taken"] = taken.map(({ attempt, cursor, event }) => ({ attempt, cursor, payload: event.payload }))
        await tell("settle", port.settle("jobs", [{ cursor: taken[0]!.cursor, epoch: taken[0]!.epoch, outcome: "ack" }]))
        await tell("settle again", Effect.mapError(port.settle("jobs", [{ cursor: taken[0]!.cursor, epoch: taken[0]!.epoch, outcome: "ack" }]), (error) => error._tag))
        await tell("settle wrongly", port.settle("jobs", [{ cursor: 1, epoch: 1, outcome: "burn" as never }]))
        await tell("renew wrongly", port.renew("jobs", -1, 1))
        await tell("nack", port.settle("jobs", [{ cursor: taken[1]!.cursor, epoch: taken[1]!.epoch, outcome: "nack" }]))
        await tell("backlog", port.backlog("jobs"))
        await tell("take of a log", port.take("notes"))
        await tell("backlog of a log", port.backlog("notes"))
        await tell("subscription", port.subscription("mine", "notes", 1))
        await tell("advance", port.advance("mine", "notes", 2))
        await tell("subscription later", port.subscription("mine", "notes"))
        await tell("a bad subscription", port.subscription("a b", "notes"))
        await tell("snapshot missing", port.getSnapshot("twin.state"))
        await tell("put", port.putSnapshot({ name: "twin.state", value: { v: 1 } }, { expectedRevision: 0 }))
        await tell("put in vain", port.putSnapshot({ name: "twin.state", value: 2 }, { expectedRevision: 0 }))
        await tell("put unnamed", port.putSnapshot({ name: "other", value: 2 }))
        await tell("put no data", port.putSnapshot({ name: "twin.state", value: () => 1 }))
        await tell("get", port.getSnapshot("twin.state"))
        const artifact = await Effect.runPromise(port.putArtifact(new Uint8Array(700_000).fill(7), "x/y"))
        told["artifact"] = artifact
        await tell("no artifact", port.putArtifact("text" as never))
        await tell("name it", port.append("notes", [{ payload: { file: artifact.digest } }]))
        const { head } = await Effect.runPromise(port.read("notes", { limit: 1 }))
        told["bytes"] = (await Effect.runPromise(port.getArtifact(artifact.digest, { channel: "notes", cursor: head }))).byteLength
        await tell("bytes of nothing", port.getArtifact("0".repeat(64), { channel: "notes", cursor: head }))
        await tell("bytes through another", port.getArtifact(artifact.digest, { channel: "secret", cursor: 1 }))
        await tell("latest", port.append("twin.own", [{ subject: "s", payload: 1 }, { subject: "s", payload: 2 }]))
        await tell("newest", port.read("twin.own"))
        await tell("evict another's", port.evict("notes", { maxCount: 0 }))
        await tell("evict", port.evict("twin.own", { maxCount: 1 }))
        await tell("clear", port.clear("twin.own"))
        return told
      }
      const system: System = { manifest, run: () => Effect.never }
      /** What is new with every kernel. */
      const comparable = (told: unknown): unknown =>
        JSON.parse(JSON.stringify(told).replace(/"[0-9a-f]{8}-[0-9a-f-]{27}"/gu, "\"ID\"").replace(/"(?:recordedAt|timestamp|expiresAt)":[\d.]+/gu, "\"n\":0"))
      const prepared = (body: (network: Network) => Promise<unknown>): Promise<unknown> =>
        withNetwork({}, async (network) => {
          await network.open({ name: "jobs", form: "queue" })
          for (const name of ["notes", "secret"]) await network.open({ name })
          return comparable(await body(network))
        })
      const inside = await prepared(async ({ kernel, run }) => probe((await run(kernel.dock(system, { configured: false }))).port))
      const outside = await prepared(async ({ operatorToken, url }) => {
        const remote = await connect({ url, token: operatorToken })
        try {
          return await probe((await remote.dock(system)).port)
        } finally {
          await remote.close()
        }
      })
      expect(Object.keys(outside as object).length).toBeGreaterThan(50)
      expect(outside).toEqual(inside)
    })
})

describe("a module that runs elsewhere", () => {
  const worker = (done: Array<unknown>): System => defineModule({
    id: "worker",
    takes: { jobs: "jobs" },
    provides: [{ name: "worker.results" }],
    writes: { results: "worker.results" },
    async run({ takes, writes }) {
      await takes.jobs.work(async (job, on) => {
        await on.append(writes.results, { did: job.payload })
        done.push(job.payload)
      })
    }
  })

  it("reads, appends and takes as it would in the kernel's process, and is shown and stopped like any other", () =>
    withNetwork({}, async (network) => {
      const { kernel, open, operatorToken, run, url } = network
      await open({ name: "jobs", form: "queue" })
      const remote = await connect({ url, token: operatorToken })
      const done: Array<unknown> = []
      expect((await remote.dock(worker(done))).id).toBe("worker")
      await run(kernel.channels.append("test", "jobs", [{ payload: 1 }, { payload: 2 }]))
      await until("both are done", async () => (await run(kernel.channels.backlog("jobs"))) === 0)
      const { events } = await run(kernel.channels.read("test", "worker.results"))
      expect(events.map(({ payload, sender }) => ({ payload, sender }))).toEqual([
        { payload: { did: 1 }, sender: "worker" }, { payload: { did: 2 }, sender: "worker" }
      ])
      expect(statusOf(network, "worker")).toBe("running")
      await run(kernel.pause("worker"))
      await run(kernel.channels.append("test", "jobs", [{ payload: 3 }]))
      expect(done).toEqual([1, 2])
      await run(kernel.resume("worker"))
      await until("it goes on", () => done.length === 3)
      await run(kernel.drain("worker", 2_000))
      expect(statusOf(network, "worker")).toBe("drained")
      await remote.close()
      await until("it is undocked", () => statusOf(network, "worker") === undefined)
    }))

  it("is started again by the kernel when it fails, and shown with its reason", () =>
    withNetwork({}, async (network) => {
      const { kernel, operatorToken, url } = network
      const remote = await connect({ url, token: operatorToken })
      let starts = 0
      await remote.dock(defineModule({
        id: "fragile",
        async run({ signal }) {
          if (++starts < 3) throw new Error(`broken ${starts}`)
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
        }
      }))
      await until("it runs at last", () => starts === 3 && statusOf(network, "fragile") === "running")
      expect(kernel.systems().find(({ id }) => id === "fragile")).toMatchObject({ restarts: 2, lastError: "broken 2" })
      await remote.close()
    }))

  it("is undocked by the operator: its code is stopped, and its port is nobody's", () =>
    withNetwork({}, async ({ kernel, open, operatorToken, run, url }) => {
      await open({ name: "notes" })
      const remote = await connect({ url, token: operatorToken })
      let stopped = false
      const docked = await remote.dock(defineModule({
        id: "guest", reads: { notes: "notes" },
        async run({ signal }) {
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
          stopped = true
        }
      }))
      await until("it runs", () => kernel.systems().some(({ id, status }) => id === "guest" && status === "running"))
      await run(kernel.undock("guest"))
      await until("its code has ended", () => stopped)
      expect(await outcome(docked.port.read("notes"))).toMatchObject({ failure: { _tag: "Undocked", system: "guest" } })
      expect(await docked.undocked).toBe("it was undocked")
      // Its name is free, also for another connection.
      const other = await connect({ url, token: operatorToken })
      expect((await other.dock(defineModule({ id: "guest" }))).id).toBe("guest")
      await Promise.all([remote.close(), other.close()])
    }))

  it("is refused what no manifest gets, and what it could only have in the kernel's process", () =>
    withNetwork({}, async ({ kernel, operatorToken, run, url }) => {
      const remote = await connect({ url, token: operatorToken })
      const refused = async (system: System): Promise<string> => remote.dock(system).then(() => "docked", (error: Error) => `${(error as { readonly _tag?: string })._tag}: ${error.message}`)
      expect(await refused(defineModule({ id: "a", reads: { x: "missing" } }))).toBe("DockRefused: Channel 'missing' is not available for docking.")
      expect(await refused({ manifest: { ...emptyManifest("a"), reads: ["aaax.journal"] } })).toBe("DockRefused: Channel 'aaax.journal' is the kernel's own.")
      expect(await refused({ manifest: emptyManifest("aaax") })).toContain("is the kernel's own")
      expect(await refused(defineModule({ id: "a", powers: [{ power: "read", root: "." }] }))).toContain("reads its own files there")
      await run(kernel.dock({ manifest: emptyManifest("local") }))
      expect(await refused(defineModule({ id: "local" }))).toContain("already docked")
      expect(kernel.systems().some(({ id }) => id === "a")).toBe(false)
      await remote.close()
    }))
})

describe("a token for remote systems", () => {
  it("docks its own name and what is below it, wired to what it is good for, and nothing else", () =>
    withNetwork({}, async (network) => {
      const { kernel, mint, open, run, url } = network
      await open({ name: "repo.jobs", form: "queue" })
      await open({ name: "other.jobs", form: "queue" })
      await open({ name: "shown", visibility: "public" })
      const asked = async (token: string, system: System): Promise<string> => {
        const remote = await connect({ url, token })
        const said = await remote.dock(system).then(({ id }) => `docked ${id}`, (error: Error) => error.message)
        await remote.close()
        return said
      }
      const builder = await mint({ name: "builder", role: "write", channels: ["repo.*"], docks: true })
      expect(await asked(builder, defineModule({ id: "builder/one", takes: { jobs: "repo.jobs" } }))).toBe("docked builder/one")
      expect(await asked(builder, defineModule({ id: "builder", takes: { jobs: "repo.jobs" } }))).toBe("docked builder")
      expect(await asked(builder, defineModule({ id: "survey", takes: { jobs: "repo.jobs" } }))).toContain("its token docks builder")
      expect(await asked(builder, defineModule({ id: "builder", takes: { jobs: "other.jobs" } }))).toContain("its token is not for this name")
      expect(await asked(builder, defineModule({ id: "builder", provides: [{ name: "repo.new" }] }))).toContain("role 'write'")
      const plain = await mint({ name: "plain", role: "admin" })
      expect(await asked(plain, defineModule({ id: "plain" }))).toContain("not for docking")
      // Without globs it is good for what is PUBLIC.
      const open_ = await mint({ name: "open", role: "admin", docks: true })
      expect(await asked(open_, defineModule({ id: "open", takes: { jobs: "repo.jobs" } }))).toContain("which is private")
      expect(await asked(open_, defineModule({ id: "open", reads: { shown: "shown" } }))).toBe("docked open")

      const remote = await connect({ url, token: builder })
      const docked = await remote.dock(defineModule({ id: "builder", takes: { jobs: "repo.jobs" }, run: ({ signal }) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true })) }))
      await run(kernel.tokens.revoke("builder"))
      await until("a revoked token takes its systems along", () => statusOf(network, "builder") === undefined)
      expect(await remote.closed).toContain("no more")
      expect(await outcome(docked.port.backlog("repo.jobs"))).toMatchObject({ failure: { _tag: "Undocked" } })
    }))
})

describe("a token that is revoked", () => {
  it("ends what was docked with it at the very next call", () =>
    withNetwork({ times: { lookMillis: 60_000 } }, async (network) => {
      const { kernel, mint, open, run, url } = network
      await open({ name: "repo.notes" })
      const remote = await connect({ url, token: await mint({ name: "builder", role: "write", channels: ["repo.*"], docks: true }) })
      const { port } = await remote.dock({ manifest: { ...emptyManifest("builder"), writes: ["repo.notes"], reads: ["repo.notes"] }, run: () => Effect.never })
      expect(await outcome(port.append("repo.notes", [{ payload: 1 }]))).toMatchObject({ value: [{ cursor: 1 }] })
      await run(kernel.tokens.revoke("builder"))
      expect(await outcome(port.append("repo.notes", [{ payload: 2 }]))).toMatchObject({ failure: { _tag: "Undocked" } })
      expect((await run(kernel.channels.read("test", "repo.notes"))).events).toHaveLength(1)
      await until("it is undocked", () => statusOf(network, "builder") === undefined)
    }))
})

describe("a connection that breaks", () => {
  it("is made again: calls that were under way are answered, appends are kept once, and leases stay", () =>
    withWire({}, async ({ kernel, open, remote, run, wire }) => {
      await open({ name: "jobs", form: "queue" })
      await open({ name: "notes" })
      const { port } = await remote.dock({ manifest: { ...emptyManifest("worker"), takes: ["jobs"], writes: ["notes"], reads: ["notes"] }, run: () => Effect.never })
      await run(kernel.channels.append("test", "jobs", [{ payload: "one" }]))
      const [item] = await Effect.runPromise(port.take("jobs"))
      const waiting = Effect.runPromise(port.awaitBeyond("notes", 0))
      for (let round = 0; round < 20; round++) {
        const appending = Effect.runPromise(port.append("notes", [{ payload: round }]))
        wire.cut()
        await appending
      }
      await waiting
      const { events } = await run(kernel.channels.read("test", "notes"))
      expect(events.map(({ payload }) => payload)).toEqual(Array.from({ length: 20 }, (_, at) => at))
      wire.cut()
      await Effect.runPromise(port.settle("jobs", [{ cursor: item!.cursor, epoch: item!.epoch, outcome: "ack" }]))
      expect(await run(kernel.channels.backlog("jobs"))).toBe(0)
    }))

  it("keeps an append once whose answer was on its way, though its author gave it no key", () =>
    withWire({}, async ({ kernel, open, remote, run, wire }) => {
      await open({ name: "notes" })
      const { port } = await remote.dock({ manifest: { ...emptyManifest("worker"), writes: ["notes"] }, run: () => Effect.never })
      wire.deafen()
      const appending = Effect.runPromise(port.append("notes", [{ payload: "once" }]))
      await until("it is kept", () => kernel.channels.store.statisticsOf("notes")?.events === 1)
      wire.cut()
      const [appended] = await appending
      expect((await run(kernel.channels.read("test", "notes"))).events).toMatchObject([{ id: appended!.id, payload: "once" }])
    }))

  it("loses no item whose answer was on its way: the same take gets it on the next connection", () =>
    withWire({ times: { graceMillis: 5_000 } }, async ({ kernel, open, remote, run, wire }) => {
      await open({ name: "jobs", form: "queue" })
      const { port } = await remote.dock({ manifest: { ...emptyManifest("worker"), takes: ["jobs"] }, run: () => Effect.never })
      const taking = Effect.runPromise(port.take("jobs", { wait: true }))
      await Effect.runPromise(port.backlog("jobs"))
      wire.stall()
      await run(kernel.channels.append("test", "jobs", [{ payload: "one" }]))
      // Taken for it, and lost on the wire.
      await until("it is out of the queue", async () => (await run(kernel.channels.take("probe", "jobs"))).length === 0)
      wire.cut()
      const [item] = await taking
      expect(item).toMatchObject({ attempt: 1, event: { payload: "one" } })
      await Effect.runPromise(port.settle("jobs", [{ cursor: item!.cursor, epoch: item!.epoch, outcome: "ack" }]))
    }))

  it("stops what was given up while there was none, so that nothing piles up", () =>
    withWire({}, async ({ kernel, open, remote, run, wire }) => {
      await open({ name: "notes" })
      const { port } = await remote.dock({ manifest: { ...emptyManifest("worker"), reads: ["notes"], writes: ["notes"] }, run: () => Effect.never })
      for (let round = 0; round < 4; round++) {
        const controller = new AbortController()
        const waiting = Array.from({ length: 150 }, () => Effect.runPromiseExit(port.awaitBeyond("notes", 1_000), { signal: controller.signal }))
        await Effect.runPromise(port.read("notes"))
        wire.cut()
        controller.abort()
        await Promise.all(waiting)
      }
      expect(await outcome(port.append("notes", [{ payload: "still" }]))).toMatchObject({ value: [{ cursor: 1 }] })
      expect((await run(kernel.channels.read("test", "notes"))).events).toHaveLength(1)
    }))

  it("that is not made again in time gives its leases back, and the old holder is told so", () =>
    withWire({ times: { graceMillis: 50, lookMillis: 10 } }, async (world) => {
      const { kernel, open, remote, run, sockets, wire } = world
      await open({ name: "jobs", form: "queue" })
      const { port } = await remote.dock({ manifest: { ...emptyManifest("worker"), takes: ["jobs"] }, run: () => Effect.never })
      await run(kernel.channels.append("test", "jobs", [{ payload: "one" }]))
      const [item] = await Effect.runPromise(port.take("jobs"))
      wire.refuse()
      wire.cut()
      await until("the kernel knows", () => sockets.connections() === 0)
      expect(kernel.systems().find(({ id }) => id === "worker")).toMatchObject({ status: "failed", lastError: "its connection was lost" })
      const [stolen] = await Effect.runPromise(Effect.map(kernel.channels.take("other", "jobs", { wait: true }), (items) => items))
      expect(stolen).toMatchObject({ attempt: 2, event: { payload: "one" } })
      wire.mend()
      expect(await outcome(port.settle("jobs", [{ cursor: item!.cursor, epoch: item!.epoch, outcome: "ack" }]))).toMatchObject({ failure: { _tag: "LeaseLost" } })
      expect(statusOf(world, "worker")).toBe("running")
      await run(kernel.channels.settle("other", "jobs", [{ cursor: stolen!.cursor, epoch: stolen!.epoch, outcome: "ack" }]))
    }))

  it("leaves its system undocked when nobody comes back", () =>
    withWire({ times: { graceMillis: 20, sessionMillis: 60, lookMillis: 10 } }, async (world) => {
      const { remote, sockets, wire } = world
      await remote.dock(defineModule({ id: "gone" }))
      wire.refuse()
      wire.cut()
      await until("it is undocked", () => statusOf(world, "gone") === undefined)
      expect(sockets.sessions()).toBe(0)
      // Who comes back later is docked anew, by itself.
      wire.mend()
      await until("it is back", () => statusOf(world, "gone") !== undefined)
    }))

  it("that only seems to be there is found dead from both ends, and the system goes on", () =>
    withWire({ times: { pingMillis: 50, silenceMillis: 300, lookMillis: 20 } }, async ({ open, remote, sockets, wire }) => {
      await open({ name: "notes" })
      const { port } = await remote.dock({ manifest: { ...emptyManifest("worker"), reads: ["notes"], writes: ["notes"] }, run: () => Effect.never })
      wire.stall()
      const appending = Effect.runPromise(port.append("notes", [{ payload: 1 }]))
      await until("the kernel let it go", () => sockets.connections() === 0)
      expect(await appending).toMatchObject([{ cursor: 1 }])
    }))
})

describe("a name that is docked remotely", () => {
  it("is refused to a second connection while the first is alive, and taken over when it is dead, with its leases given back", () =>
    withWire({ times: { graceMillis: 60_000 } }, async (world) => {
      const { kernel, open, remote, run, sockets, wire } = world
      await open({ name: "jobs", form: "queue" })
      const system: System = { manifest: { ...emptyManifest("worker"), takes: ["jobs"] }, run: () => Effect.never }
      const first = await remote.dock(system)
      await run(kernel.channels.append("test", "jobs", [{ payload: "one" }]))
      const [held] = await Effect.runPromise(first.port.take("jobs"))
      const direct = await connect({ url: world.url, token: world.operatorToken })
      await expect(direct.dock(system)).rejects.toMatchObject({ _tag: "SystemExists" })
      wire.refuse()
      wire.cut()
      await until("the kernel knows that it is gone", () => sockets.connections() === 1)
      const second = await direct.dock(system)
      const [taken] = await Effect.runPromise(second.port.take("jobs", { wait: true }))
      expect(taken).toMatchObject({ event: { payload: "one" } })
      expect(taken!.epoch).toBeGreaterThan(held!.epoch)
      // The first one comes back: its session goes on, its name is another's.
      wire.mend()
      expect(await outcome(first.port.settle("jobs", [{ cursor: held!.cursor, epoch: held!.epoch, outcome: "ack" }]))).toMatchObject({ failure: { _tag: expect.stringMatching(/Undocked|LeaseLost/u) } })
      await Effect.runPromise(second.port.settle("jobs", [{ cursor: taken!.cursor, epoch: taken!.epoch, outcome: "ack" }]))
      expect(await run(kernel.channels.backlog("jobs"))).toBe(0)
      await direct.close()
    }))
})

describe("a docking that waits for its name", () => {
  it("is refused when the connection is closed meanwhile", () =>
    withWire({}, async (world) => {
      const system: System = { manifest: emptyManifest("worker"), run: () => Effect.never }
      const other = await connect({ url: world.url, token: world.operatorToken })
      await other.dock(system)
      const waiting = world.remote.dock(system, { waitMillis: 600_000 })
      // Refused once, it is waiting for the next try.
      await world.remote.dock({ manifest: emptyManifest("second"), run: () => Effect.never })
      await world.remote.close()
      await expect(waiting).rejects.toMatchObject({ _tag: "Undocked", system: "worker" })
      await other.close()
    }))
})

describe("a schema that a remote system brings", () => {
  it("is asked before anything is kept, whoever writes, and refuses when it is not there", () =>
    withWire({}, async ({ kernel, remote, run, sockets, wire }) => {
      await remote.dock(defineModule({ id: "owner", provides: [{ name: "owner.numbers", schema: Schema.Struct({ n: Schema.Number }) }] }))
      expect(await outcome(kernel.channels.append("test", "owner.numbers", [{ payload: { n: 1 } }]))).toMatchObject({ value: [{ cursor: 1 }] })
      expect(await outcome(kernel.channels.append("test", "owner.numbers", [{ payload: { n: "one" } }]))).toMatchObject({ failure: { _tag: "InvalidPayload", reason: expect.stringContaining("n: ") } })
      wire.refuse()
      wire.cut()
      await until("it is gone", () => sockets.connections() === 0)
      expect(await outcome(kernel.channels.append("test", "owner.numbers", [{ payload: { n: 1 } }]))).toMatchObject({ failure: { reason: expect.stringContaining("not connected") } })
      expect((await run(kernel.channels.read("test", "owner.numbers"))).events).toHaveLength(1)
    }))
})

describe("an executor that a remote system serves", () => {
  it("performs behind the gate, refuses what it does not take, and its failures are what they are", () =>
    withNetwork({ policy: "default" }, async ({ kernel, operatorToken, url }) => {
      const remote = await connect({ url, token: operatorToken })
      const performed: Array<unknown> = []
      await remote.dock(defineModule({
        id: "mailer",
        serves: [defineExecutor({
          name: "mail.send", risk: "low", recovery: "none", payload: Schema.Struct({ text: Schema.String }),
          perform: ({ payload, target }) => {
            if (target === "nobody") throw new NotDone({ reason: "there is no such person" })
            performed.push([target, payload.text])
            return { sent: true }
          }
        })]
      }))
      expect(kernel.executors()).toContain("mail.send")
      const acted: Array<unknown> = []
      const user = await remote.dock(defineModule({
        id: "user", executors: ["mail.send"],
        async run({ act }) {
          for (const [target, text] of [["alice", "hi"], ["nobody", "hi"], ["bob", 5]] as const) {
            acted.push(await act("mail.send", { target, payload: { text }, risk: "low" }).catch((error: Error) => error.message))
          }
        }
      }))
      await until("all three are answered", () => acted.length === 3)
      expect(acted).toEqual([{ sent: true }, expect.stringContaining("there is no such person"), expect.stringContaining("text")])
      expect(performed).toEqual([["alice", "hi"]])
      await user.undock()
      await remote.close()
      expect(kernel.executors()).not.toContain("mail.send")
    }))
})

describe("an effect that a remote system is doing", () => {
  it("is stopped there when its time is over, is done once though its answer was lost, and may give more than a frame takes", () =>
    withWire({ policy: "default" }, async ({ kernel, remote, wire }) => {
      const done: Array<string> = []
      const begun: Array<() => void> = []
      await remote.dock(defineModule({
        id: "doer",
        serves: [
          defineExecutor({
            name: "wait", risk: "low", recovery: "none", timeoutMillis: 300,
            perform: (_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => {
              done.push("stopped")
              reject(new Error("stopped"))
            }, { once: true }))
          }),
          defineExecutor({
            name: "once", risk: "low", recovery: "none",
            perform: async ({ target }) => {
              done.push(target)
              if (target === "lost") await new Promise<void>((go) => begun.push(go))
              return target === "large" ? "x".repeat(2_000_000) : target
            }
          })
        ]
      }))
      const acted: Array<unknown> = []
      const act = async (executor: string, target: string): Promise<void> => {
        const { port } = await remote.dock(defineModule({ id: `user-${acted.length}`, executors: ["wait", "once"] }))
        const { makeAuthority } = await import("../../libos/authority.ts")
        const exit = await Effect.runPromiseExit(Effect.scoped(Effect.flatMap(makeAuthority(port), (authority) => authority.act(executor, { target, risk: "low" }))))
        acted.push(Exit.isSuccess(exit) ? exit.value.result : (Cause.squash(exit.cause) as Error).message)
      }
      await act("wait", "x")
      expect(acted).toEqual([expect.stringContaining("unknown")])
      await until("its code was stopped", () => done.includes("stopped"))
      const acting = act("once", "lost")
      await until("it has begun", () => begun.length === 1)
      wire.cut()
      begun[0]!()
      await acting
      await act("once", "large")
      expect(acted.slice(1)).toEqual(["lost", expect.stringContaining("a frame takes 1048576")])
      expect(done).toEqual(["stopped", "lost", "large"])
      expect(kernel.systems().find(({ id }) => id === "doer")?.status).toBe("stopped")
    }))
})

describe("a subscription over a connection", () => {
  it("gives every event once and in order through twenty breaks, and stops when nobody asks", () =>
    withWire({}, async ({ kernel, open, remote, run, wire }) => {
      await open({ name: "news", visibility: "public" })
      const total = 400
      const writing = (async () => {
        for (let at = 0; at < total; at += 4) {
          await run(kernel.channels.append("test", "news", [0, 1, 2, 3].map((more) => ({ payload: at + more }))))
          if (at % 20 === 0) wire.cut()
          await new Promise((resolve) => setTimeout(resolve, 1))
        }
      })()
      const seen: Array<unknown> = []
      for await (const event of remote.subscribe("news", { after: 0, ahead: 10 })) {
        seen.push(event.payload)
        if (seen.length === total) break
      }
      await writing
      expect(seen).toEqual(Array.from({ length: total }, (_, at) => at))
    }))

  it("with a name gives nothing twice to one reader, though its position lies behind what it has got", () =>
    withWire({}, async ({ kernel, open, remote, run, sockets, wire }) => {
      await open({ name: "news", visibility: "public" })
      await run(kernel.channels.append("test", "news", [{ payload: "a" }, { payload: "b" }, { payload: "c" }]))
      const events = remote.subscribe("news", { name: "mine" })
      const next = async (): Promise<unknown> => (await events.next()).value?.payload
      expect(await next()).toBe("a")
      wire.cut()
      await until("it is there again", () => sockets.connections() === 1 && remote.isConnected() && sockets.subscriptions() === 1)
      await run(kernel.channels.append("test", "news", [{ payload: "d" }]))
      expect([await next(), await next(), await next()]).toEqual(["b", "c", "d"])
      await events.return()
    }))

  it("with a name hands out again what was not asked to go on from", () =>
    withWire({}, async ({ again, kernel, open, remote, run }) => {
      await open({ name: "news", visibility: "public" })
      await run(kernel.channels.append("test", "news", [{ payload: "a" }, { payload: "b" }, { payload: "c" }]))
      for await (const event of remote.subscribe("news", { name: "mine" })) if (event.payload === "b") break
      await until("what was handled is kept", () => kernel.channels.store.subscription("operator", "mine", "news")?.cursor === 1)
      const other = await again()
      const rest: Array<unknown> = []
      for await (const event of other.subscribe("news", { name: "mine" })) {
        rest.push(event.payload)
        if (event.payload === "c") break
      }
      expect(rest).toEqual(["b", "c"])
      await expect(remote.subscribe("missing").next()).rejects.toMatchObject({ _tag: "ChannelNotFound" })
    }))
})
