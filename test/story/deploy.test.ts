// What is given to those who deploy a hub: units, an image and a compose file say what they mean, and their commands run.
import * as Yaml from "effect/encoding/Yaml"
import { spawn, spawnSync, type ChildProcess } from "node:child_process"
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { SynapseAgent } from "../../libos/synapse/agent.ts"
import { build, entry } from "../kit/command-line.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const deploy = (name: string): string => join(root, "deploy", name)
const text = (name: string): string => readFileSync(deploy(name), "utf8")
const units = ["aaax-hub.service", "aaax-presence@.service"] as const

/** `key=value` lines by section; lines that say something else are none of a unit's. */
const unitOf = (name: string): Readonly<Record<string, Readonly<Record<string, string>>>> => {
  const sections: Record<string, Record<string, string>> = {}
  let section: Record<string, string> = {}
  for (const line of text(`systemd/${name}`).split("\n").map((one) => one.trim())) {
    if (line === "" || line.startsWith("#")) continue
    const [, title] = /^\[(\w+)\]$/u.exec(line) ?? []
    const [, key, value] = /^(\w+)=(.*)$/u.exec(line) ?? []
    if (title !== undefined) sections[title] = section = {}
    else if (key !== undefined && value !== undefined) section[key] = value
    else throw new Error(`${name}: ${line}`)
  }
  return sections
}

interface Instruction {
  readonly name: string
  readonly rest: string
}
const instructions: ReadonlyArray<Instruction> = text("Dockerfile").replaceAll(/\\\n\s*/gu, "").split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#")).map((line) => {
  const [, name = "", rest = ""] = /^([A-Z]+)\s+(.*)$/u.exec(line) ?? []
  return { name, rest }
})
const words = (name: string): ReadonlyArray<string> => JSON.parse(instructions.findLast((one) => one.name === name)?.rest ?? "[]") as ReadonlyArray<string>

interface Service {
  readonly build: { readonly context: string; readonly dockerfile: string }
  readonly command: ReadonlyArray<string>
  readonly ports?: ReadonlyArray<string>
  readonly volumes?: ReadonlyArray<string>
  readonly environment: Readonly<Record<string, string>>
  readonly user?: string
  readonly privileged?: boolean
  readonly healthcheck?: { readonly disable?: boolean }
}
const compose = Yaml.parse(text("compose.yaml")) as { readonly services: Readonly<Record<string, Service>>; readonly volumes: object }

/** The words of a command of a unit, behind the program. */
const commandOf = (name: string): ReadonlyArray<string> => {
  const [program, aaax, ...args] = unitOf(name)["Service"]?.["ExecStart"]?.split(" ") ?? []
  expect([program, aaax]).toEqual(["/usr/bin/env", "aaax"])
  return args
}

describe("what deploys a hub", () => {
  it("units start again, end in order, and hold nothing against systemd's own check", () => {
    for (const name of units) {
      const { Install, Service: service, Unit } = unitOf(name)
      expect(Unit?.["Description"]).toBeDefined()
      expect(service).toMatchObject({ Restart: "always", RestartSec: "2", NoNewPrivileges: "yes", EnvironmentFile: "-%E/aaax/hub.env" })
      expect(Install).toEqual({ WantedBy: "default.target" })
    }
    if (spawnSync("systemd-analyze", ["--version"]).status !== 0) return
    const folder = mkdtempSync(join(tmpdir(), "aaax-units-"))
    for (const name of units) {
      const file = join(folder, name.replace("@.", "@shop-ada."))
      copyFileSync(deploy(`systemd/${name}`), file)
      const checked = spawnSync("systemd-analyze", ["verify", "--user", file], { env: { ...process.env, XDG_RUNTIME_DIR: folder }, encoding: "utf8" })
      expect([checked.status, checked.stderr]).toEqual([0, ""])
    }
    rmSync(folder, { recursive: true })
  })

  it("the image is made of what is there, and runs as nobody of importance", () => {
    expect(instructions.map(({ name }) => name).filter((name) => !/^(?:FROM|WORKDIR|COPY|RUN|USER|VOLUME|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD)$/u.test(name))).toEqual([])
    const stages = instructions.filter(({ name }) => name === "FROM").map(({ rest }) => / AS (\w+)$/u.exec(rest)?.[1])
    for (const { name, rest } of instructions) {
      const [, stage] = /--from=(\w+)/u.exec(rest) ?? []
      if (name === "COPY" && stage !== undefined) expect(stages).toContain(stage)
    }
    // npm makes no folder of its own for what it packs.
    for (const [, at, before] of instructions.flatMap(({ rest }) => [...rest.matchAll(/--pack-destination (\S+)/gu)].map((found) => [rest, found[1], rest.slice(0, found.index)] as const))) {
      expect(at === "/tmp" || before.includes(`mkdir ${at}`)).toBe(true)
    }
    const last = instructions.findLastIndex(({ name }) => name === "FROM")
    expect(instructions.slice(last).find(({ name }) => name === "USER")?.rest).toBe("node")
    expect(words("ENTRYPOINT")).toEqual(["aaax"])
    const node = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly engines: { readonly node: string } }).engines.node
    expect(node).toMatch(/^>=20\./u)
    for (const { rest } of instructions.filter(({ name }) => name === "FROM")) expect(rest).toMatch(/^node:20-/u)
  })

  it("compose publishes on this machine alone, and wants a token", () => {
    for (const [name, service] of Object.entries(compose.services)) {
      expect(existsSync(join(root, service.build.dockerfile)), name).toBe(true)
      expect(join(root, "deploy", service.build.context)).toBe(root.replace(/\/$/u, ""))
      for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/u)
      for (const volume of service.volumes ?? []) expect(Object.keys(compose.volumes)).toContain(volume.split(":")[0])
      expect(service.environment["SYNAPSE_TOKEN"]).toMatch(/^\$\{SYNAPSE_TOKEN:\?/u)
      expect([service.user, service.privileged]).toEqual([undefined, undefined])
      // What the image asks is whether a hub answers.
      expect(service.healthcheck?.disable === true, name).toBe(service.command[0] !== "hub")
    }
  })
})

describe("the commands of what deploys a hub", () => {
  let folder: string
  const running = new Set<ChildProcess>()
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "aaax-deploy-"))
    await build()
  }, 60_000)
  afterAll(() => {
    for (const child of running) child.kill("SIGKILL")
    rmSync(folder, { recursive: true, force: true })
  })

  /** Resolves with what the pattern found in what it says; rejects when it ends before. */
  const runs = (args: ReadonlyArray<string>, pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [entry, ...args], { cwd: folder, env: { ...process.env, NO_COLOR: "1", SYNAPSE_TOKEN: "t", SYNAPSE_URI: "" }, stdio: ["ignore", "pipe", "pipe"] })
      running.add(child)
      let said = ""
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (part: string) => {
          said += part
          const [, found] = pattern.exec(said) ?? []
          if (found !== undefined) resolve(found)
        })
      }
      child.on("exit", (code) => {
        running.delete(child)
        reject(new Error(`aaax ${args.join(" ")} ended with ${code}: ${said}`))
      })
    })

  it("start hubs that keep what they are told to, and seats at them", async () => {
    const hubs = [commandOf("aaax-hub.service"), words("CMD"), compose.services["hub"]?.command ?? []]
    const uris = await Promise.all(hubs.map(async (args, at) => {
      expect(args[0]).toBe("hub")
      const here = args.map((word) => word.replace(/^(?:%S|\/data)(?=\/)/u, `${folder}/${at}`).replace(/^8876$/u, "0"))
      return runs([...here, ...(here.includes("--port") ? [] : ["--port", "0"]), "--json"], /"port":(\d+)/u)
    }))
    const [, healthcheck = ""] = /CMD (\[.*\])$/u.exec(instructions.find(({ name }) => name === "HEALTHCHECK")?.rest ?? "") ?? []
    const isWell = (port: string): number | null => {
      const [, ...args] = (JSON.parse(healthcheck) as ReadonlyArray<string>).map((word) => word.replace("8876", port))
      return spawnSync(process.execPath, args).status
    }
    expect([isWell(uris[0] ?? ""), isWell("1")]).toEqual([0, 1])
    expect(existsSync(join(folder, "0/aaax-hub/hub.db"))).toBe(true)
    for (const at of [1, 2]) expect(existsSync(join(folder, `${at}/relay.ndjson`))).toBe(true)
    const uri = `ws://127.0.0.1:${uris[0]}`
    const presence = commandOf("aaax-presence@.service").map((word) => word.replace("%I", "shop/ada"))
    const worker = (compose.services["worker"]?.command ?? []).map((word) => word.replace("ws://hub:8876", uri))
    const heard = runs([...presence, "--uri", uri], /(hello)/u)
    await runs(worker, /(FAST works)/u)
    const agent = await SynapseAgent.connect({ uri, name: "BOB", token: "t" })
    while (!(await agent.requestWho()).online_agents.includes("shop/ada-presence")) await new Promise((resolve) => setTimeout(resolve, 20))
    await agent.chat("hello", { target: "shop/ada" })
    expect(await heard).toBe("hello")
    agent.close()
  })
})
