// The launcher of a team: which models, which members, and how they end. The number is that of the specification.
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { describe, expect, it } from "vitest"
import { makeChildren } from "../../../bin/coordination/children.ts"
import { chosenModel, installedModels, modelServer, teamModels } from "../../../bin/coordination/models.ts"
import { hubUri, teamPlan } from "../../../bin/coordination/team-plan.ts"

describe("the models of a team", () => {
  it("[144] are the first preferences that are installed, else what is installed, else the one that stands in", () => {
    expect(teamModels(["gemma3:1b", "llama3:8b", "gemma3:12b"])).toEqual({ fast: "gemma3:1b", reason: "gemma3:12b" })
    expect(teamModels(["llama3:latest"])).toEqual({ fast: "llama3", reason: "llama3" })
    expect(teamModels(["qwen2:7b"])).toEqual({ fast: "qwen2:7b", reason: "qwen2:7b" })
    expect(teamModels([])).toEqual({ fast: "llama3", reason: "llama3" })
    expect(teamModels(["gemma3:12b"], { fast: "mine" })).toEqual({ fast: "mine", reason: "gemma3:12b" })
    expect(teamModels([], { fast: "mine" })).toEqual({ fast: "mine", reason: "mine" })
  })

  it("[144] are named as their server takes them: a family alone only where its latest is installed", () => {
    expect(chosenModel(["llama3:8b"], ["llama3"])).toBe("llama3:8b")
    expect(chosenModel(["hub/gemma3:4b-q4"], ["gemma3:4b"])).toBe("hub/gemma3:4b-q4")
  })

  it("are asked of the server that the environment names, as its own programs read it", () => {
    expect(["", " ", "127.0.0.1", "0.0.0.0", "box:9", "http://box:9/", "http://box", "https://box"].map((text) => modelServer(text))).toEqual([
      "http://127.0.0.1:11434", "http://127.0.0.1:11434", "http://127.0.0.1:11434", "http://127.0.0.1:11434", "http://box:9", "http://box:9", "http://box:80", "https://box:443"
    ])
  })

  it("are asked of a server on this machine, and are unknown when none answers", async () => {
    const answers: Array<[number, string]> = [[200, JSON.stringify({ models: [{ name: "llama3:8b" }, { name: 7 }, null] })], [500, "{}"], [200, "<html>"], [200, "{}"]]
    const server = createServer((_, response) => {
      const [status, body] = answers.shift()!
      response.writeHead(status).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    expect(await installedModels(url)).toEqual(["llama3:8b"])
    expect(await installedModels(url)).toBeUndefined()
    expect(await installedModels(url)).toBeUndefined()
    expect(await installedModels(url)).toEqual([])
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    expect(await installedModels(url)).toBeUndefined()
  })
})

describe("the plan of a team", () => {
  const wish = { port: 9_000, workers: true, prefix: "", models: { fast: "a", reason: "b" }, hasModels: true }
  const labels = (given: Partial<typeof wish>): ReadonlyArray<string> => teamPlan({ ...wish, ...given }).map(({ label }) => label)

  it("[144] is a hub alone, or with one worker, or with two where there is a better model", () => {
    expect(labels({ workers: false })).toEqual(["hub"])
    expect(labels({ models: { fast: "a", reason: "a" } })).toEqual(["hub", "FAST"])
    expect(labels({})).toEqual(["hub", "FAST", "REASON"])
  })

  it("[144] puts the prefix before each worker, and gives each its model", () => {
    expect(teamPlan({ ...wish, prefix: "shop/" }).slice(1)).toEqual([
      { label: "shop/FAST", args: ["worker", "--name", "FAST", "--prefix", "shop/", "--uri", hubUri(9_000), "--provider", "ollama", "--model", "a"] },
      { label: "shop/REASON", args: ["worker", "--name", "REASON", "--prefix", "shop/", "--uri", hubUri(9_000), "--provider", "ollama", "--model", "b"] }
    ])
  })

  it("lets workers answer by rule where no model server is, and hands the hub its database and its relay", () => {
    const [hub, fast] = teamPlan({ ...wish, hasModels: false, db: "hub.db", relayLog: "relay.ndjson" })
    expect(hub.args).toEqual(["hub", "--host", "127.0.0.1", "--port", "9000", "--db", "hub.db", "--relay-log", "relay.ndjson"])
    expect(fast?.args).toEqual(["worker", "--name", "FAST", "--uri", hubUri(9_000), "--provider", "rule"])
  })
})

describe("the members of a team", () => {
  const make = (graceMillis?: number) => {
    const lines: Array<string> = []
    const waiting = new Map<string, () => void>()
    const children = makeChildren((label, line, isError) => {
      lines.push(`${label}${isError ? "!" : ""} ${line}`)
      waiting.get(line)?.()
    }, graceMillis)
    const start = (label: string, code: string) => children.start({ label, command: process.execPath, args: ["-e", code] })
    const heard = (line: string): Promise<void> => new Promise((resolve) => waiting.set(line, resolve))
    return { children, lines, start, heard }
  }

  it("[145] end with the code of the first that ends, 1 for 0, more than 128 for a signal", async () => {
    for (const [code, expected] of [["process.exit(3)", 3], ["process.exit(0)", 1], ["process.kill(process.pid, 'SIGKILL')", 137]] as const) {
      const { children, start } = make()
      start("stays", "setInterval(() => {}, 1000)")
      start("ends", code)
      expect(await children.firstEnd).toEqual({ label: "ends", code: expected })
      await children.end()
    }
  })

  it("[145] are asked to end, the last first, and ended when they do not", async () => {
    const { children, heard, lines, start } = make(50)
    const quiet = "process.on('SIGTERM', () => { console.log('bye'); process.exit(0) }); setInterval(() => {}, 1000); console.log('quiet up')"
    const stubborn = "process.on('SIGTERM', () => console.error('no')); setInterval(() => {}, 1000); console.log('stubborn up')"
    const up = Promise.all([heard("quiet up"), heard("stubborn up")])
    start("quiet", quiet)
    const last = start("stubborn", stubborn)
    await up
    await children.end()
    expect(last.signalCode).toBe("SIGKILL")
    expect(lines.filter((line) => !line.endsWith("up"))).toEqual(["stubborn! no", "quiet bye"])
  })

  it("are never held up by what they say", async () => {
    const { children, lines, start } = make()
    start("chatty", "for (let n = 0; n < 20000; n++) process.stdout.write('x'.repeat(100) + '\\n'); process.stdout.write('', () => process.exit(4))")
    expect(await children.firstEnd).toEqual({ label: "chatty", code: 4 })
    expect(lines.length).toBeGreaterThan(10_000)
  })

  it("[145] that cannot be started end the team", async () => {
    const { children, lines } = make()
    children.start({ label: "gone", command: "/nowhere/aaax", args: [] })
    expect(await children.firstEnd).toEqual({ label: "gone", code: 1 })
    expect(lines[0]).toContain("ENOENT")
    await children.end()
  })
})
