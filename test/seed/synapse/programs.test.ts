// Hub, worker, supervisor, relay and team as programs: the built command line, in processes of their own. The number is that of
// the specification.
import { spawn, type ChildProcess } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { WebSocket } from "ws"
import { SynapseAgent } from "../../../libos/synapse/agent.ts"
import { build, entry, type Folder, makeFolder } from "../../kit/command-line.ts"

beforeAll(build, 60_000)

let folder: Folder
const running = new Set<ChildProcess>()
const agents: Array<SynapseAgent> = []

beforeEach(() => (folder = makeFolder()))
afterEach(() => {
  for (const agent of agents.splice(0)) agent.close()
  folder.remove()
})
afterAll(() => {
  for (const child of running) child.kill("SIGKILL")
})

interface Program {
  readonly child: ChildProcess
  /** Everything that it said so far. */
  readonly said: () => string
  /** Resolves when it has said something like this. */
  readonly says: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly ended: Promise<number | string | null>
}

/** No model server of the machine that runs the tests is asked. */
const start = (args: ReadonlyArray<string>, env: NodeJS.ProcessEnv = {}): Program => {
  const child = spawn(process.execPath, [entry, ...args], {
    cwd: folder.path, env: { ...process.env, NO_COLOR: "1", OLLAMA_HOST: "127.0.0.1:1", OPENAI_API_KEY: "", SYNAPSE_TOKEN: "", SYNAPSE_URI: "", ...env }, stdio: ["ignore", "pipe", "pipe"]
  })
  running.add(child)
  let text = ""
  const waiting: Array<() => void> = []
  const wake = (): void => waiting.splice(0).forEach((tell) => tell())
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => {
      text += part
      wake()
    })
  }
  const ended = new Promise<number | string | null>((resolve) => child.on("close", (code, signal) => {
    running.delete(child)
    resolve(code ?? signal)
  }))
  void ended.then(() => wake())
  return {
    child, ended, said: () => text,
    says: async (pattern) => {
      for (;;) {
        const found = pattern.exec(text)
        if (found !== null) return found
        if (!running.has(child)) throw new Error(`it ended without saying ${pattern}: ${text}`)
        await new Promise<void>((resolve) => waiting.push(resolve))
      }
    }
  }
}

const stop = (program: Program, signal: NodeJS.Signals = "SIGTERM"): Promise<number | string | null> => {
  program.child.kill(signal)
  return program.ended
}

const hub = async (...args: ReadonlyArray<string>): Promise<Program & { readonly uri: string; readonly port: string }> => {
  const program = start(["hub", "--json", ...(args.includes("--port") ? [] : ["--port", "0"]), ...args])
  const [, uri = "", port = ""] = await program.says(/"uri":"(ws:\/\/[^"]+:(\d+))"/u)
  return { ...program, uri, port }
}

const seat = async (uri: string, name: string, token?: string): Promise<SynapseAgent> => {
  const agent = await SynapseAgent.connect({ uri, name, reconnect: false, ...(token === undefined ? {} : { token }) })
  agents.push(agent)
  return agent
}

/** The next message of somebody. */
const nextFrom = async (agent: SynapseAgent, sender: string): Promise<string> => {
  for await (const message of agent.messages()) if (message.sender === sender) return message.payload
  throw new Error("the connection ended")
}

describe("the hub as a program", () => {
  it("[28] is not reached from elsewhere without a token, nor with one in the clear, unless that is said", async () => {
    const refused = async (...args: ReadonlyArray<string>): Promise<string> => {
      const { code, stderr, stdout } = await folder.aaax("hub", "--port", "0", ...args)
      expect([code, stdout]).toEqual([2, ""])
      return stderr
    }
    const [open, clear, empty] = await Promise.all([refused("--host", "0.0.0.0"), refused("--host", "0.0.0.0", "--token", "t"), refused("--token", " ")])
    expect(open).toMatch(/0\.0\.0\.0.*--token.*--allow-network/su)
    expect(clear).toMatch(/in the clear.*--allow-network/su)
    expect(empty).toContain("--token is empty")
    const said = await hub("--host", "0.0.0.0", "--allow-network", "--token", "t")
    await said.says(/OTHER MACHINES REACH IT.*call it by localhost, 127\.0\.0\.1; .*--allow-host/su)
    const byAnotherName = await folder.aaax("who", "--uri", `ws://127.0.0.2:${said.port}`, "--token", "t")
    expect(byAnotherName).toMatchObject({ code: 1, stderr: expect.stringMatching(/Could not reach hub at .*\nIt answered 403: .*--allow-host/u) })
    await expect(seat(`ws://127.0.0.1:${said.port}`, "ADA")).rejects.toMatchObject({ code: "TOKEN_REQUIRED" })
    await seat(`ws://127.0.0.1:${said.port}`, "ADA", "t")
    expect(await stop(said, "SIGINT")).toBe(0)
    expect(said.said()).toContain("Hub stopped by user.")
  })

  it("[D22] lets pages of those origins in that it was told, and no others", async () => {
    for (const stray of ["http://localhost:5173/", "*", "null", "localhost:5173", "ftp://localhost"]) {
      const { code, stderr } = await folder.aaax("hub", "--port", "0", "--allow-origin", stray)
      expect([code, stderr]).toEqual([2, expect.stringContaining("is no origin of pages")])
    }
    const { child, ended, port, uri } = await hub("--allow-origin", "http://localhost:5173", "--allow-origin", "https://app.example")
    /** As a page of that origin: the platform's own socket says whose it is. */
    const inPage = (origin: string, name: string): Promise<SynapseAgent> => {
      vi.stubGlobal("WebSocket", class extends WebSocket {
        constructor(url: string) {
          super(url, { origin })
        }
      })
      const connecting = seat(uri, name)
      vi.unstubAllGlobals()
      return connecting
    }
    const ada = await inPage("http://localhost:5173", "ADA")
    expect((await ada.claim("page", { paths: ["src"] })).owner).toBe("ADA")
    await inPage("https://app.example", "BOB")
    await inPage(uri.replace("ws", "http"), "OWN")
    for (const origin of ["http://localhost:5174", "https://localhost:5173", `http://localhost:${Number(port) + 1}`, "null"]) {
      await expect(inPage(origin, "EVE"), origin).rejects.toThrow("403")
    }
    child.kill("SIGTERM")
    expect(await ended).toBe(0)
  })

  it("keeps what was granted in its database, keeps as many messages as it is told, and mirrors to its relay, which is read from a cursor on", async () => {
    const args = ["--db", "hub.db", "--relay-log", "relay.ndjson", "--max-history", "2"]
    const first = await hub(...args)
    const ada = await seat(first.uri, "ADA")
    await ada.claim("api", { paths: ["src/api"], ttl_seconds: 3_600 })
    for (const text of ["one", "two", "three"]) await ada.chat(text, { target: "BOB" })
    expect((await ada.requestHistory("all")).history.map(({ payload }) => payload)).toEqual(["two", "three"])
    expect(await stop(first)).toBe(0)
    const read = await folder.aaax("relay", "relay.ndjson", "--cursor", "cursor", "--for", "BOB")
    expect(read.stdout.trim().split("\n").map((line) => line.replace(/^\[[\d.]+\] /u, ""))).toEqual(["one", "two", "three"].map((text) => `ADA -> BOB (chat): ${text}`))
    const second = await hub(...args)
    await expect((await seat(second.uri, "BOB")).claim("api")).rejects.toMatchObject({ code: "LEASE_LIVE", holder: "ADA" })
    await (await seat(second.uri, "ADA")).chat("four", { target: "shop/a" })
    expect(await stop(second)).toBe(0)
    const [again, others, all] = await Promise.all([
      folder.aaax("relay", "relay.ndjson", "--cursor", "cursor", "--project", "shop", "--json"),
      folder.aaax("relay", "relay.ndjson", "--project", "none"), folder.aaax("relay", "relay.ndjson")
    ])
    expect(again.stdout.trim().split("\n").map((line) => JSON.parse(line) as unknown)).toMatchObject([{ type: "chat", payload: "four", msg_id: 4, target: "shop/a" }])
    expect(others).toEqual({ code: 0, stdout: "", stderr: "" })
    expect(all.stdout).toContain("(claim_granted)")
    expect(await folder.aaax("relay", "nowhere.ndjson", "--cursor", "other")).toEqual({ code: 0, stdout: "", stderr: "" })
    expect(readFileSync(join(folder.path, "other"), "utf8")).toBe("0\n")
  })
})

describe("the worker as a program", () => {
  it("[138] [D25] answers over a connection, comes back with its card when the hub does, and ends quietly", async () => {
    const first = await hub()
    const worker = start(["worker", "--name", "FAST", "--prefix", "shop/", "--provider", "rule", "--uri", first.uri, "--task-class", "review", "--min-reply-interval", "0"])
    await worker.says(/shop\/FAST works/u)
    const ada = await seat(first.uri, "ADA")
    const answer = nextFrom(ada, "shop/FAST")
    await ada.chat("anybody?", { target: "shop/*" })
    expect(await answer).toBe("message received via Synapse. I am active on-channel.")
    await stop(first)
    const second = await hub("--port", first.port)
    const bob = await seat(second.uri, "BOB")
    for (;;) {
      const { manifest } = await bob.requestManifest()
      if (manifest.length > 0) {
        expect(manifest).toMatchObject([{ agent: "shop/FAST", description: "rule chat worker", skills: ["rule"], task_classes: ["review"] }])
        break
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    const later = nextFrom(bob, "shop/FAST")
    await bob.chat("shop/fast, still there?")
    expect(await later).toContain("active on-channel")
    // What it was asked by name it has read: the worker that comes after it is not asked that again.
    const direct = nextFrom(bob, "shop/FAST")
    const { msg_id: asked } = await bob.chat("and you?", { target: "shop/FAST" })
    await direct
    await vi.waitFor(async () => expect((await bob.ask({ verb: "receipts", message: asked })).receipts).toMatchObject([{ states: { "shop/FAST": "read" } }]), { timeout: 10_000, interval: 10 })
    expect(await stop(worker, "SIGINT")).toBe(0)
    await stop(second)
  })

  it("says what is wrong with its flags and with its name", async () => {
    const one = await hub()
    await seat(one.uri, "FAST")
    const [provider, address, taken] = await Promise.all([
      folder.aaax("worker", "--provider", "psychic", "--uri", one.uri), folder.aaax("worker", "--base-url", "http://models.example/v1", "--uri", one.uri),
      folder.aaax("worker", "--provider", "rule", "--uri", one.uri)
    ])
    expect(provider).toMatchObject({ code: 2, stderr: expect.stringContaining("Unsupported provider 'psychic'. Use openai, ollama, rule, or tiered.") as string })
    expect(address).toMatchObject({ code: 2, stderr: expect.stringContaining("neither https nor on this machine") as string })
    expect(taken).toMatchObject({ code: 5, stderr: expect.stringContaining("Name 'FAST' is already online") as string })
    await stop(one)
    const gone = (...args: ReadonlyArray<string>) => folder.aaax(...args, "--uri", "ws://127.0.0.1:1")
    const [worker, supervisor] = await Promise.all([gone("worker", "--provider", "rule", "--prefix", "shop/"), gone("supervisor")])
    expect(worker).toMatchObject({ code: 1, stderr: "[shop/FAST] Could not reach hub at ws://127.0.0.1:1.\n" })
    expect(supervisor).toMatchObject({ code: 1, stderr: "[SUPERVISOR] Could not reach hub at ws://127.0.0.1:1.\n" })
  })
})

describe("the supervisor as a program", () => {
  it("[143] offers stalled tasks of a hub again, and says which", async () => {
    const one = await hub()
    const ada = await seat(one.uri, "ADA")
    await ada.postTask("left", "Nobody works on it")
    await ada.postTask("held", "Somebody does")
    for (const task of ["left", "held"]) await ada.updateLedgerTask(task, { status: "in_progress" })
    await ada.claim("held")
    const supervisor = start(["supervisor", "--uri", one.uri, "--idle-seconds", "0", "--interval", "1", "--json"])
    const [line] = await supervisor.says(/^\{.*\}$/mu)
    expect(JSON.parse(line)).toEqual({ task: "left", version: expect.any(Number) as number, reason: expect.stringMatching(/^no progress in/u) as string })
    const { board } = await ada.requestBoard()
    expect(board.tasks.map(({ status, task_id: task }) => [task, status])).toEqual([["held", "in_progress"], ["left", "open"]])
    expect(board.progress).toMatchObject([{ author: "SUPERVISOR", kind: "assessment", task_id: "left" }])
    expect(await stop(supervisor)).toBe(0)
    await stop(one)
  })
})

describe("the team as a program", () => {
  /** A port that was free a moment ago. */
  const freePort = async (): Promise<number> => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    await new Promise((resolve) => server.close(resolve))
    return port
  }

  it("[144] [145] works with the models of the machine, shows who says what, and ends all of it on Ctrl-C with 0", async () => {
    const server = createServer((request, response) => {
      if (request.url === "/api/tags") return response.end(JSON.stringify({ models: [{ name: "gemma3:1b" }, { name: "gemma3:12b" }] }))
      response.writeHead(200, { "content-type": "text/event-stream" })
      return response.end(`data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: "by a model" }, finish_reason: "stop" }] })}\n\ndata: [DONE]\n\n`)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const port = await freePort()
    const team = start(["team", "--port", String(port), "--prefix", "shop/", "--db", "team.db", "--token", "open sesame"], { OLLAMA_HOST: `127.0.0.1:${(server.address() as AddressInfo).port}` })
    await Promise.all([team.says(/\[shop\/FAST\] shop\/FAST works .*gemma3:1b/u), team.says(/\[shop\/REASON\] shop\/REASON works .*gemma3:12b/u)])
    const ada = await seat(`ws://127.0.0.1:${port}`, "ADA", "open sesame")
    const answer = nextFrom(ada, "shop/REASON")
    await ada.chat("what do you think?", { target: "shop/REASON" })
    expect(await answer).toBe("by a model")
    await team.says(/\[shop\/REASON\] shop\/REASON -> all: by a model/u)
    expect(team.said()).not.toContain("open sesame")
    expect(existsSync(join(folder.path, "team.db"))).toBe(true)
    const pids = [...team.said().matchAll(/: pid (\d+)/gu)].map(([, pid]) => Number(pid))
    expect(pids).toHaveLength(3)
    expect(await stop(team, "SIGINT")).toBe(0)
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow()
    server.closeAllConnections()
    server.close()
  })

  it("[144] says which model is missing where the server has none", async () => {
    const server = createServer((_, response) => response.end(JSON.stringify({ models: [] })))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const env = { OLLAMA_HOST: `127.0.0.1:${(server.address() as AddressInfo).port}` }
    const [team, alone] = await Promise.all([freePort(), freePort()].map(async (port, at) => start(["team", "--port", String(await port), ...(at === 0 ? [] : ["--no-workers"])], env)))
    await team?.says(/has no models: FAST asks it for llama3.*ollama pull llama3/u)
    await alone?.says(/Ctrl-C ends all of it/u)
    expect(alone?.said()).not.toContain("has no models")
    for (const one of [team, alone]) expect(one === undefined ? undefined : await stop(one, "SIGINT")).toBe(0)
    server.closeAllConnections()
    server.close()
  })

  it("[145] answers by rule where there are no models, and ends with the first member that ends", async () => {
    const port = await freePort()
    const team = start(["team", "--port", String(port)])
    await team.says(/\[FAST\] FAST works .*\(rule\)/u)
    const [, pid] = await team.says(/FAST: pid (\d+)/u)
    process.kill(Number(pid), "SIGKILL")
    expect(await team.ended).toBe(137)
    expect(team.said()).toContain("FAST ended, so the team ends.")
    await expect(seat(`ws://127.0.0.1:${port}`, "ADA")).rejects.toMatchObject({ _tag: "KernelUnreachable" })
  })

  it("[145] leaves nobody behind when it is ended where it stands", async () => {
    const team = start(["team", "--no-workers", "--port", String(await freePort())])
    const [, pid] = await team.says(/hub: pid (\d+)/u)
    await team.says(/\[hub\] Synapse hub at/u)
    await stop(team, "SIGKILL")
    const isThere = (): boolean => {
      try {
        return process.kill(Number(pid), 0)
      } catch {
        return false
      }
    }
    while (isThere()) await new Promise((resolve) => setTimeout(resolve, 10))
  })
})
