// One module file in every tier: the same code, the same wiring, the same refusals; and what happens when it dies or hangs.
import { build } from "rolldown"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Effect from "effect/Effect"
import { once } from "node:events"
import { createServer as createHttpServer } from "node:http"
import { createServer, type AddressInfo } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { ourselves } from "../../bin/ourselves.ts"
import { scriptRunner } from "../../kernel/power/script.ts"
import type { System } from "../../protocol/manifest.ts"
import { launch, type HostKernel } from "../../kernel/index.ts"
import { tiers, type Tier } from "../../protocol/tier.ts"
import { findProgram } from "../../kernel/tier/tools.ts"
import { project, tiersHere, type Project } from "../kit/tiers.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const counter = `
import { defineModule } from "aaax"
import * as Effect from "effect/Effect"
import { words } from "./words.ts"

export default (settings: { readonly greeting?: string }) => defineModule({
  id: "counter",
  reads: { notes: "notes.in" },
  takes: { jobs: { channel: "jobs.open" } },
  writes: { counted: { channel: "notes.counted", kind: "count" }, done: "jobs.done" },
  provides: [
    { name: "notes.in", schema: { "~standard": { version: 1, vendor: "test", validate: (value: unknown) =>
      typeof value === "string" ? { value } : { issues: [{ message: "must be a text" }] } } } },
    { name: "notes.counted" }, { name: "jobs.open", form: "queue" }, { name: "jobs.done" }
  ],
  snapshots: ["counter.last"],
  powers: [{ power: "read", root: "." }],
  serves: [{ name: "counter.double", description: "Twice as many.", risk: "low", recovery: "idempotent",
    perform: (call) => Effect.succeed({ twice: 2 * (call.payload as { readonly n: number }).n }) }],
  run: async ({ reads, takes, writes, snapshots, powers, port, log, id }) => {
    log.info("it runs")
    const files = await powers[0]!.list()
    const text = Buffer.from((await powers[0]!.read("notes.txt", 100)).bytes).toString()
    const denied = await Effect.runPromise(Effect.flip(port.append("aaax.journal", [{ payload: 1 }])))
    const unknown = await Effect.runPromise(Effect.flip(port.read("no.such")))
    await snapshots.put("counter.last", { id, text, greeting: settings.greeting ?? null, files: files.filter(({ path }) => path.endsWith(".txt")).map(({ path }) => path),
      denied: denied._tag, unknown: unknown._tag, artifact: (await Effect.runPromise(port.putArtifact(new Uint8Array([1, 2, 3])))).sizeBytes })
    await Promise.all([
      reads.notes.each(async (event, on) => void await on.append(writes.counted, { words: words(event.payload as string) })),
      takes.jobs.work(async (event, on) => void await on.append(writes.done, event.payload))
    ])
  }
})
`

const made = async (folder: Project): Promise<System> => {
  const given = await scriptRunner(async () => ourselves)(join(folder.path, "modules/counter.ts"), counter)
  return (given as (settings: object) => System)({ greeting: "hello" })
}

describe("a module file", () => {
  let missing: ReadonlyMap<Tier, string>
  let folder: Project
  beforeAll(async () => {
    missing = (await tiersHere()).missing
    folder = project()
    folder.write("modules/counter.ts", counter)
    folder.write("modules/words.ts", "export const words = (text: string): number => text.split(/\\s+/u).length\n")
    folder.write("notes.txt", "as it was written")
  })
  afterAll(() => folder.remove())

  it.each(tiers)("runs in tier %s as it would in any other", async (tier) => {
    const why = missing.get(tier)
    if (why !== undefined) return console.warn(`tier ${tier} is not tested here: ${why}`)
    const kernel: HostKernel = await launch({
      store: ":memory:", directory: folder.path, policy: "default",
      // In this process it gets the copy of `aaax` that runs here.
      modules: [{ id: "word/counter", ...(tier === "in-process" ? { system: await made(folder) } : { file: "modules/counter.ts", tier, settings: { greeting: "hello" } }) }]
    })
    try {
      if (tier !== "in-process") expect(kernel.modules()).toMatchObject([{ id: "word/counter", status: "running", tier, trust: "first", weak: false }])
      expect(kernel.systems()).toMatchObject([{ id: "word/counter", tier }])
      await kernel.channels.append("notes.in", [{ payload: "to be or not" }])
      await kernel.channels.append("jobs.open", [{ payload: { job: 1 } }])
      for await (const event of kernel.channels.subscribe("notes.counted", { limit: 1 })) {
        expect(event).toMatchObject({ payload: { words: 4 }, kind: "count", sender: "word/counter" })
      }
      for await (const event of kernel.channels.subscribe("jobs.done", { limit: 1 })) expect(event.payload).toEqual({ job: 1 })
      await expect(kernel.channels.append("notes.in", [{ payload: 7 }])).rejects.toMatchObject({ _tag: "InvalidPayload", reason: "must be a text" })
      expect((await Effect.runPromise(kernel.effect.channels.store.getSnapshot("counter.last")))?.value).toEqual({
        id: "word/counter", text: "as it was written", greeting: "hello", files: ["notes.txt"], denied: "Denied", unknown: "ChannelNotFound", artifact: 3
      })
    } finally {
      await kernel.close()
    }
  })
})

describe("a module that asks the network", () => {
  it.each(["worker", "process"] as const)("may fetch in tier %s, which does not stop it", async (tier) => {
    const why = (await tiersHere()).missing.get(tier)
    if (why !== undefined) return console.warn(`tier ${tier} is not tested here: ${why}`)
    const folder = project()
    const server = createHttpServer((_, response) => void response.end("it is here")).listen(0, "127.0.0.1")
    await once(server, "listening")
    folder.write("fetcher.ts", `import { defineModule } from "aaax"
      export default (settings: { url: string }) => defineModule({ id: "fetcher", provides: [{ name: "fetched" }], writes: { out: "fetched" },
        run: async ({ writes }) => void await writes.out.append(await (await fetch(settings.url)).text()) })`)
    const kernel = await launch({
      store: ":memory:", directory: folder.path,
      modules: [{ id: "fetcher", file: "fetcher.ts", tier, settings: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` } }]
    })
    try {
      for await (const { payload } of kernel.channels.subscribe("fetched", { limit: 1 })) expect(payload).toBe("it is here")
    } finally {
      await kernel.close()
      server.close()
      folder.remove()
    }
  })
})

describe("a program in another language", () => {
  it.each(["process", "jail"] as const)("docks over its standard input and output, in tier %s", async (tier) => {
    const { missing } = await tiersHere()
    const why = missing.get(tier) ?? (findProgram("python3") === undefined ? "python3 is not here" : undefined)
    if (why !== undefined) return console.warn(`the Python example is not run in tier ${tier}: ${why}`)
    const kernel = await launch({
      store: ":memory:", directory: join(root, "examples"),
      modules: [{ id: "lengths", framework: "process", command: ["python3", "stdio-agent.py"], tier }]
    })
    try {
      expect(kernel.modules()).toMatchObject([{ id: "lengths", framework: "process", tier, trust: "first", file: join(root, "examples/stdio-agent.py") }])
      await kernel.channels.append("texts", [{ payload: "four" }, { payload: "sixteen letters." }])
      const said: Array<unknown> = []
      for await (const { payload, sender } of kernel.channels.subscribe("lengths", { limit: 2 })) said.push([sender, payload])
      expect(said).toEqual([["lengths", 4], ["lengths", 16]])
    } finally {
      await kernel.close()
    }
  })

  it("is a few lines in TypeScript, and may print once it is docked", async () => {
    const { missing } = await tiersHere()
    const why = missing.get("process")
    if (why !== undefined) return console.warn(`a program in TypeScript is not run here: ${why}`)
    const folder = project()
    const entry = folder.write("program.ts", `
      import { defineModule } from ${JSON.stringify(join(root, "libos/index.ts"))}
      import { dockOnStdio } from ${JSON.stringify(join(root, "libos/process.ts"))}
      void dockOnStdio(defineModule({ id: "mine", provides: [{ name: "greetings" }], writes: { out: "greetings" }, run: async ({ id, writes }) => { console.log("hello"); await writes.out.append("from " + id) } }))
    `)
    await build({ input: entry, platform: "node", external: ["ws"], logLevel: "silent", output: { file: join(folder.path, "program.mjs"), format: "esm" } })
    const kernel = await launch({ store: ":memory:", directory: folder.path, modules: [{ id: "theirs", framework: "process", command: [process.execPath, "program.mjs"], tier: "process" }] })
    try {
      for await (const { payload, sender } of kernel.channels.subscribe("greetings", { limit: 1 })) expect([sender, payload]).toEqual(["theirs", "from theirs"])
    } finally {
      await kernel.close()
      folder.remove()
    }
  })

  it("is refused without a command, in a tier that is none of a program's, and when there is no such program", async () => {
    const modules = (entry: object) => launch({ store: ":memory:", modules: [{ id: "agent", framework: "process", ...entry }] })
    await expect(modules({})).rejects.toMatchObject({ reason: "framework 'process' needs a command: the program and its arguments" })
    await expect(modules({ command: ["no-such-program-anywhere"] })).rejects.toMatchObject({ reason: expect.stringMatching(/^there is no program/u) })
    await expect(modules({ command: [process.execPath, "package.json"], tier: "worker" })).rejects.toMatchObject({ reason: expect.stringMatching(/a process of its own/u) })
    await expect(modules({ command: [process.execPath, "-e", "console.log('hello')", "package.json"], tier: "process" }))
      .rejects.toMatchObject({ reason: expect.stringMatching(/it said what is no frame: it is not JSON/u) })
    await expect(modules({ command: [process.execPath, "-e", "1", "package.json"], tier: "process" })).rejects.toMatchObject({ reason: expect.stringMatching(/it ended with 0/u) })
  })
})

const hanging = `
import { defineModule } from "aaax"
export default defineModule({
  id: "hanging", takes: { jobs: "jobs.open" }, writes: { done: "jobs.done" }, provides: [{ name: "jobs.open", form: "queue" }, { name: "jobs.done" }],
  run: ({ takes, writes }) => takes.jobs.work(async (event, on) => {
    if (event.payload === "hang" && on.attempt === 1) for (;;) {}
    if (event.payload === "die" && on.attempt === 1) process.exit(3)
    await on.append(writes.done, { job: event.payload, attempt: on.attempt })
  })
})
`
const whole = `
import { defineModule } from "aaax"
const part = defineModule({ id: "whole/part", reads: { words: "whole.words" }, writes: { heard: "part.heard" }, provides: [{ name: "part.heard" }],
  run: ({ reads, writes, id }) => reads.words.each(async (event, on) => void await on.append(writes.heard, id + " heard " + event.payload)) })
export default { ...defineModule({ id: "whole", provides: [{ name: "whole.words" }], run: ({ signal }) => signal.aborted || new Promise((done) => signal.addEventListener("abort", done)) }), subsystems: [part] }
`

describe("a system in a tier of its own", () => {
  let missing: ReadonlyMap<Tier, string>
  let folder: Project
  beforeAll(async () => {
    missing = (await tiersHere()).missing
    folder = project()
    folder.write("hanging.js", hanging)
    folder.write("whole.js", whole)
  })
  afterAll(() => folder.remove())

  it.each(["worker", "process", "jail"] as const)("that hangs or dies in tier %s is ended and started again, and its item comes again", async (tier) => {
    const why = missing.get(tier)
    if (why !== undefined) return console.warn(`tier ${tier} is not tested here: ${why}`)
    const kernel = await launch({ store: ":memory:", directory: folder.path, modules: [{ id: "hanging", file: "hanging.js", tier, limits: { silenceMillis: 1_500 } }] })
    try {
      for (const payload of ["hang", "die"]) await kernel.channels.append("jobs.open", [{ payload }])
      const done: Array<unknown> = []
      for await (const { payload } of kernel.channels.subscribe("jobs.done", { limit: 2 })) done.push(payload)
      expect(done).toEqual(expect.arrayContaining([{ job: "hang", attempt: 2 }, { job: "die", attempt: expect.any(Number) }]))
      const [system] = kernel.systems()
      expect(system?.restarts).toBeGreaterThanOrEqual(2)
      expect(system?.lastError).toMatch(/^it (did not answer for 1\.5 s|ended with 3)$/u)
    } finally {
      await kernel.close()
    }
  })

  it("that says something else of itself when it is started again is not that system", async () => {
    folder.write("changing.js", `import { defineModule } from "aaax"
      export default defineModule({ id: "changing", description: String(Math.random()), run: async () => process.exit(4) })`)
    const tier = missing.has("process") ? "worker" : "process"
    const kernel = await launch({ store: ":memory:", directory: folder.path, modules: [{ id: "changing", file: "changing.js", tier }] })
    try {
      const errors = new Set<string | null | undefined>()
      while (errors.size < 3) {
        errors.add(kernel.systems()[0]?.lastError)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      expect([...errors].at(-1)).toBe("it says something else of itself than what was docked")
    } finally {
      await kernel.close()
    }
  })

  it("brings what it owns along, each with a port of its own", async () => {
    const tier = missing.has("process") ? "worker" : "process"
    const kernel = await launch({ store: ":memory:", directory: folder.path, modules: [{ id: "whole", file: "whole.js", tier }] })
    try {
      expect(kernel.systems().map(({ id, status }) => [id, status])).toEqual([["whole", "running"], ["whole/part", "running"]])
      await kernel.channels.append("whole.words", [{ payload: "hello" }])
      for await (const event of kernel.channels.subscribe("part.heard", { limit: 1 })) expect(event).toMatchObject({ sender: "whole/part", payload: "whole/part heard hello" })
      await kernel.undock("whole")
      expect(kernel.systems()).toEqual([])
    } finally {
      await kernel.close()
    }
  })

  it("that is a program finds nothing of the host in a jail: no file, no process, no network, no environment", async () => {
    const why = missing.get("jail")
    if (why !== undefined) return console.warn(`the jail is not tested here: ${why}`)
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as { readonly port: number }
    folder.write("secret.txt", "canary")
    folder.write("program.js", `
      const fs = require("node:fs"), tried = {}
      const attempt = (name, run) => { try { tried[name] = run() } catch (error) { tried[name] = error.code } }
      attempt("secret", () => fs.readFileSync(${JSON.stringify(join(folder.path, "secret.txt"))}, "utf8"))
      attempt("passwd", () => fs.readFileSync("/etc/passwd", "utf8").length)
      attempt("home", () => fs.readdirSync("/root").length)
      attempt("signal", () => process.kill(${process.pid}, 0))
      attempt("write", () => fs.writeFileSync("/usr/written", "x"))
      attempt("root", () => fs.writeFileSync("/written", "x"))
      attempt("disk", () => fs.writeFileSync("/tmp/large", Buffer.alloc(16 * 1048576)))
      tried.env = Object.keys(process.env).filter((name) => name !== "PWD")
      tried.processes = fs.readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).length < 10
      const socket = require("node:net").connect(${port}, "127.0.0.1")
      const say = (tcp) => process.stdout.write(JSON.stringify({ frame: "dock", id: 1, port: 1, lives: false, manifest: { description: JSON.stringify({ ...tried, tcp }) } }) + "\\n")
      socket.on("connect", () => say("connected")).on("error", (error) => say(error.code))
      process.stdin.resume()
    `)
    const kernel = await launch({ store: ":memory:", directory: folder.path, modules: [{ id: "program", framework: "process", command: [process.execPath, "program.js"], tier: "jail" }] })
    try {
      expect(JSON.parse(kernel.systems()[0]!.description)).toEqual({
        secret: "ENOENT", passwd: "ENOENT", home: "ENOENT", signal: "ESRCH", write: "EROFS", root: "EROFS", disk: "ENOSPC", env: [], processes: true, tcp: "ECONNREFUSED"
      })
    } finally {
      await kernel.close()
      server.close()
    }
  })
})
