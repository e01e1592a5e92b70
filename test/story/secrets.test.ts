// A canary through every executor: what was resolved inside one is found nowhere else, in whatever spelling, neither on the
// disk nor in a log nor in an answer.
import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { defineExecutor, NotDone } from "../../libos/index.ts"
import { launch, type HostKernel } from "../../kernel/index.ts"
import type { CallContext } from "../../libos/executor.ts"
import type { Rule } from "../../protocol/authority.ts"
import type { Event } from "../../protocol/event.ts"
import type { Port } from "../../protocol/port.ts"
import { routes } from "../../protocol/routes.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../kit/probe.ts"
import { web, type Web } from "../kit/web.ts"

const canary = "kanari/9f+8&7\"Zq5=tw~Y<0"
const spellings = [
  canary, JSON.stringify(canary).slice(1, -1), encodeURIComponent(canary), new URLSearchParams({ a: canary }).toString().slice(2),
  Buffer.from(canary).toString("hex"), Buffer.from(canary).toString("hex").toUpperCase(), Buffer.from(canary).toString("base64").slice(0, 28),
  Buffer.from(`x:${canary}`).toString("base64").slice(4, 28), Buffer.from(`user:${canary}`).toString("base64").slice(8, 32),
  Buffer.from(canary).toString("base64url").slice(0, 28), canary.slice(0, 12), canary.slice(-12)
]
/** The spellings that stand in these bytes. */
const found = (bytes: Buffer): ReadonlyArray<string> => spellings.filter((spelling) => bytes.includes(spelling))

const everything: Rule = { name: "everything", description: "allows everything", decide: () => ({ outcome: "allow" }) }
/** Every spelling, as a page that echoes might have them. */
const echo = (value: string): string =>
  [value, JSON.stringify({ value }), encodeURIComponent(value), new URLSearchParams({ value }).toString(), Buffer.from(value).toString("hex"),
    Buffer.from(value).toString("base64"), Buffer.from(`x:${value}`).toString("base64"), Buffer.from(`user:${value}`).toString("base64url"),
    value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;")].join("\n")

const leaky = (name: string, perform: (secret: string, context: CallContext) => unknown) =>
  defineExecutor({ name, risk: "low", recovery: "none", timeoutMillis: 2_000, perform: async (_, context) => perform(await context.secret("CANARY"), context) })

const own = [
  leaky("own.result", (secret) => ({ plain: secret, nested: [{ [secret]: echo(secret) }] })),
  leaky("own.large", (secret) => echo(secret).repeat(1_000)),
  leaky("own.kept", async (secret, { keep }) => keep(new TextEncoder().encode(`\u0000\u00ff ${echo(secret)}`), "application/octet-stream")),
  leaky("own.refused", (secret) => { throw new NotDone({ reason: `the server said: ${echo(secret)}` }) }),
  leaky("own.thrown", (secret) => { throw new Error(`${"x".repeat(975)}${echo(secret)}`) }),
  leaky("own.cause", (secret) => { throw new TypeError("wrapped", { cause: new Error(secret) }) }),
  leaky("own.object", (secret) => { throw { toString: () => echo(secret) } }),
  leaky("own.unkeepable", (secret) => ({ [secret]: () => secret })),
  leaky("own.late", async (secret, { signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve))
    throw new Error(secret)
  })
]

describe("a secret", () => {
  let base: string
  let server: Web
  let kernel: HostKernel
  let port: Port
  const logged: Array<string> = []

  beforeEach(async () => {
    base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-secrets-")))
    mkdirSync(join(base, "files"))
    mkdirSync(join(base, "repo"))
    const git = (...args: ReadonlyArray<string>) => execFileSync("git", args, { cwd: join(base, "repo"), stdio: "ignore", env: { PATH: process.env["PATH"]!, GIT_CONFIG_GLOBAL: "/dev/null" } })
    git("init", "--quiet", "--template=")
    writeFileSync(join(base, "files/copy"), echo(canary))
    writeFileSync(join(base, "repo/copy"), echo(canary))
    writeFileSync(join(base, "key"), `${canary}\n`, { mode: 0o600 })
    server = await web((request, response) => {
      const said = String(request.headers["x-key"])
      if (request.path === "/away") return void response.writeHead(302, { location: `http://127.0.0.1:1/${encodeURIComponent(said)}` }).end()
      if (request.path === "/broken") return void response.destroy()
      response.writeHead(200, { "x-echo": encodeURIComponent(said), "x-plain": said }).end(echo(said).repeat(request.path === "/large" ? 1_000 : 1))
    })
    logged.length = 0
    for (const stream of [process.stdout, process.stderr]) {
      vi.spyOn(stream, "write").mockImplementation(((text: string | Uint8Array) => logged.push(Buffer.from(text as string).toString()) > 0) as never)
    }
    for (const method of ["log", "info", "warn", "error", "debug"] as const) vi.spyOn(console, method).mockImplementation((...args) => void logged.push(args.map(String).join(" ")))
    kernel = await launch({
      directory: base, store: ".aaax/kernel.db", policy: [everything],
      executors: {
        "fs.read": { roots: ["files"] }, "fs.write": { roots: ["files"] }, "process.run": { programs: [process.execPath], outputBytesMax: 400 },
        "http.fetch": { allow: [{ hosts: ["127.0.0.1"], schemes: ["http"], ports: [server.port], methods: ["GET", "POST"] }], allowPrivate: [server.host] },
        git: { repositories: { repo: { path: "repo", remotes: { o: `https://${server.host}/r` }, credential: "secret:CANARY" } } },
        own
      },
      secrets: { CANARY: { from: "file:key", hosts: [server.host], programs: ["node"], executors: own.map(({ name }) => name) } }
    })
    port = await Effect.runPromise(probe(kernel.effect, "a", { executors: kernel.effect.executors() }))
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await kernel.close()
    await server.close()
    rmSync(base, { recursive: true, force: true })
  })

  const act = (executor: string, target: string, payload: unknown): Promise<Event> =>
    Effect.runPromise(Effect.gen(function*() {
      const id = yield* requestAction(port, { action: "do", executor, target, payload, capability: yield* tokenFor(port, executor), risk_level: "low" })
      return yield* awaitReply(port, id)
    }) as Effect.Effect<Event>)
  const url = (path: string): string => `http://${server.host}${path}`
  const node = (script: string) => ({ args: ["-e", script], env: { KEY: "secret:CANARY" } })
  const allFiles = (): ReadonlyArray<string> =>
    readdirSync(join(base, ".aaax"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))

  it("is found nowhere but inside the executor that was handed it", async () => {
    const headers = { "x-key": "secret:CANARY" }
    const kinds = new Map<string, string>()
    for (const [executor, target, payload] of [
      ["http.fetch", url("/"), { headers }], ["http.fetch", url("/large"), { headers }], ["http.fetch", url("/away"), { headers }], ["http.fetch", url("/broken"), { headers }],
      ["http.fetch", url("/away"), { headers, method: "POST" }], ["http.fetch", url("/broken"), { headers, method: "POST" }], ["fs.read", "copy", null],
      ["fs.write", "other", { content: "secret:CANARY" }], ["process.run", "node", node("console.log(process.env); console.error(process.env.KEY)")],
      ["process.run", "node", node("throw new Error(process.env.KEY)")], ["process.run", "node", node("process.stdout.write('x'.repeat(182) + process.env.KEY + 'y'.repeat(500) + process.env.KEY + 'z'.repeat(182))")],
      ["process.run", "node", node("process.stdout.write(Buffer.from('user:' + process.env.KEY).toString('base64') + encodeURIComponent(process.env.KEY))")],
      ["git", "repo", { op: "status" }], ["git", "repo", { op: "commit", message: "Add", paths: ["copy"] }], ["git", "repo", { op: "log" }],
      ["git", "repo", { op: "diff", from: "HEAD" }], ["git", "repo", { op: "push", remote: "o", branch: "main", commit: "1".repeat(40) }],
      ...own.map(({ name }) => [name, "t", null] as const)
    ] as const) kinds.set(`${executor} ${target.replace(server.host, "")} ${JSON.stringify(payload).slice(0, 60)}`, (await act(executor, target, payload)).kind)
    // It was there: the server and the programs were handed it.
    expect(server.asked.filter((request) => request.headers["x-key"] === canary).length).toBeGreaterThanOrEqual(4)
    expect([...kinds.values()].filter((kind) => kind === "action_completed").length).toBeGreaterThanOrEqual(12)
    expect([...new Set(kinds.values())].sort()).toEqual(["action_completed", "action_failed", "action_unknown"])
    expect(Object.fromEntries([...kinds].filter(([name, kind]) => kind === "action_denied" || name.startsWith("own.refused") && kind !== "action_failed"))).toEqual({})

    const { operatorToken, url: published } = await kernel.publish("127.0.0.1", 0)
    const ids = (await Effect.runPromise(port.read("aaax.kernel-replies", { limit: 1_000 }))).events.map((event) => event.correlationId)
    const paths = [
      ...Object.values(routes).filter(({ method, path }) => method === "GET" && !path.includes(":")).map(({ path }) => path),
      ...new Set(ids.flatMap((id) => [`/v1/gate/requests/${id}`, `/v1/why?of=${id}`])), "/v1/channels/aaax.kernel-replies/events", "/metrics"
    ]
    const answers = await Promise.all(paths.map(async (path) => {
      const answer = await fetch(`${published}${path}`, { headers: { authorization: `Bearer ${operatorToken}` }, signal: AbortSignal.timeout(3_000) })
      return Buffer.from(await answer.arrayBuffer().catch(() => new ArrayBuffer(0)))
    }).map((answer) => answer.catch(() => Buffer.alloc(0))))
    expect(answers.filter((answer) => answer.includes("[secret:CANARY]")).length).toBeGreaterThanOrEqual(3)
    expect(answers.flatMap(found)).toEqual([])
    // What an operator is shown: all but the value.
    const shown = (path: string): unknown => JSON.parse(answers[paths.indexOf(path)]!.toString())
    expect(shown("/v1/secrets")).toEqual([{ name: "CANARY", from: "file:key", hosts: [server.host], programs: ["node"], executors: own.map(({ name }) => name), problem: null }])
    expect(shown("/v1/executors")).toMatchObject(expect.arrayContaining([
      expect.objectContaining({ name: "http.fetch", owner: "aaax", risk: "high", recovery: "none", varies: true, external: true, labels: ["untrusted.web"] }),
      expect.objectContaining({ name: "git", risk: "irreversible", recovery: "queryable", varies: true })
    ]) as object)

    const scan = (): Record<string, ReadonlyArray<string>> =>
      Object.fromEntries(allFiles().map((file) => [file, found(readFileSync(file))] as const).filter(([, hits]) => hits.length > 0))
    // With the write-ahead log, and after it was folded in.
    expect(scan()).toEqual({})
    await kernel.close()
    expect(scan()).toEqual({})
    expect(allFiles().length).toBeGreaterThanOrEqual(3)
    expect(allFiles().some((file) => readFileSync(file).includes("[secret:CANARY]"))).toBe(true)
    expect(found(Buffer.from(logged.join("\n")))).toEqual([])
  }, 60_000)

  it("is refused where config does not bind it, before anything is done", async () => {
    expect(await act("http.fetch", url("/"), { headers: { "x-key": "secret:OTHER" } })).toMatchObject({ kind: "action_denied", payload: { reason: expect.stringContaining("there is no secret OTHER") as unknown } })
    expect(await act("process.run", "node", { args: [], env: { KEY: "not a handle" } })).toMatchObject({ kind: "action_denied" })
    expect(await act("fs.read", "../key", null)).toMatchObject({ kind: "action_denied" })
    expect(server.asked).toEqual([])
  })
})
