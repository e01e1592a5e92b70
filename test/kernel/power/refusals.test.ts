// Files that the kernel does not read, or does not believe: too large, of somebody else, of another kind, or leading elsewhere.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest"
import type { Asking } from "../../../kernel/executor/llm/backend.ts"
import { openaiBackend } from "../../../kernel/executor/llm/openai.ts"
import { replayBackend } from "../../../kernel/executor/llm/replay.ts"
import { decodeConfig } from "../../../kernel/config.ts"
import { launch } from "../../../kernel/index.ts"
import {
  cedarTextMax, llmAnswerMax, llmReplayBytesMax, moduleBytesMax, moduleFilesMax, packageDepthMax, packageFileBytesMax, packageFilesMax, schemaTextMax
} from "../../../kernel/limits.ts"
import { makeCedarEngine } from "../../../kernel/power/cedar-engine.ts"
import { readConfigFile } from "../../../kernel/power/config-file.ts"
import { jwksFile } from "../../../kernel/power/jwks-file.ts"
import { walk } from "../../../kernel/power/listing.ts"
import { readPackage } from "../../../kernel/power/lllm-package.ts"
import { hashPassphrase, passphraseOf, readPassphrase, writePassphrase } from "../../../kernel/power/passphrase.ts"
import { moduleFiles } from "../../../kernel/power/module-file.ts"
import { loadPolicy } from "../../../kernel/power/policy-file.ts"
import { readSchemas } from "../../../kernel/power/schema-file.ts"
import { keyFile } from "../../../kernel/power/token-key.ts"
import { makeTiers } from "../../../kernel/tier/tiers.ts"
import { moduleFilesOf } from "../../../kernel/tier/files.ts"
import { chatToolsMax } from "../../../protocol/chat.ts"
import { ConfigInvalid } from "../../../protocol/errors.ts"

let folder = ""
beforeEach(() => (folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-power-")))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const write = (name: string, text: string | Uint8Array, mode = 0o600): string => {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text, { mode })
  chmodSync(file, mode)
  return file
}
/** A file of so many bytes that takes no room. */
const sparse = (name: string, bytes: number): string => {
  const file = write(name, "")
  truncateSync(file, bytes)
  return file
}
/** "path: reason" of each issue, or what else it failed with. */
const issues = async (effect: Effect.Effect<unknown, unknown>): Promise<string> => {
  const exit = await Effect.runPromiseExit(Effect.flip(effect))
  const failure = Exit.isSuccess(exit) ? exit.value : undefined
  return failure instanceof ConfigInvalid ? failure.issues.map(({ path, reason }) => `${path}: ${reason}`).join("\n") : String(failure === undefined ? "it was taken" : (failure as { reason?: string }).reason)
}
/** Only the superuser can give a file to somebody else. */
const isRoot = process.getuid?.() === 0
const stranger = (file: string): string => {
  chownSync(file, 65_534, 65_534)
  return file
}

describe("a config file", () => {
  const read = (file: string) => readConfigFile(file, () => Promise.reject(new Error("nothing is run here")))

  it("is of a kind that is known, and is there", async () => {
    expect(await issues(read(write("aaax.yaml", "{}")))).toMatch(/a config is one of aaax\.config\.ts.*its ending says what it is/u)
    expect(await issues(read(join(folder, "aaax.toml")))).toMatch(/it cannot be read/u)
    expect(await issues(read(write("a.toml", "[")))).toMatch(/it is not TOML/u)
    expect(await issues(read(write("a.json", "{")))).toMatch(/it is not JSON/u)
  })

  it("names a rule file that is there and holds a table", async () => {
    expect(await issues(read(write("aaax.toml", 'policy = "defalt"\n')))).toMatch(/^policy: there is no rule file/u)
    write("rules.json", "null")
    expect(await issues(read(write("aaax.toml", 'policy = "rules.json"\n')))).toMatch(/expected a table of rules/u)
    write("rules.json", '{"policy":1}')
    expect(await issues(read(write("aaax.toml", 'policy = "rules.json"\n')))).toMatch(/expected a table of rules/u)
  })

  it("names schemas in files that are none too large", async () => {
    sparse("large.json", 8 * schemaTextMax + 1)
    expect(await issues(readSchemas({ a: "large.json" }, folder, "config"))).toMatch(/^schemas\.a: .*it has more than \d+ bytes/u)
    write("small.json", "{}")
    expect(await Effect.runPromise(readSchemas({ a: "small.json", b: { type: "object" } }, folder, "config"))).toEqual({ a: {}, b: { type: "object" } })
  })
})

describe("Cedar files of a policy", () => {
  const scope = Scope.makeUnsafe()
  const engine = Effect.runSync(Scope.provide(makeCedarEngine, scope))
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const load = (cedar: unknown) => loadPolicy({ cedar }, { directory: folder, file: "config", makeCedar: engine.make })

  it.each<readonly [string, unknown, RegExp]>([
    ["no table", "p.cedar", /^policy\.cedar: expected \{ policies, schema, entities \}/u],
    ["a key that nobody knows", { policies: "p.cedar", schema: "s", polices: 1 }, /^policy\.cedar\.polices: is not a key/u],
    ["no schema", { policies: "p.cedar" }, /^policy\.cedar\.schema: is missing/u],
    ["no policies", { schema: "aaax/policy/default.cedarschema" }, /^policy\.cedar\.policies: is missing/u],
    ["a pattern that nothing matches", { policies: "none/*.cedar", schema: "aaax/policy/default.cedarschema" }, /^policy\.cedar\.policies: no file matches/u],
    ["a file that is not there", { policies: "none.cedar", schema: "aaax/policy/default.cedarschema" }, /^policy\.cedar\.policies: .*cannot be read/u],
    ["a file that is too large", { policies: "large.cedar", schema: "aaax/policy/default.cedarschema" }, /^policy\.cedar\.policies: .*is larger than \d+ bytes/u],
    ["entities that are no JSON", { policies: "p.cedar", schema: "aaax/policy/default.cedarschema", entities: "p.cedar" }, /^policy\.cedar\.entities: .*is not JSON/u]
  ])("are refused with %s", async (_, cedar, why) => {
    write("p.cedar", "permit(principal, action, resource);")
    sparse("large.cedar", cedarTextMax + 1)
    expect(await issues(load(cedar))).toMatch(why)
  })
})

describe("the passphrase of approvals", () => {
  it("is a hash in a file for its owner alone", async () => {
    const hash = await hashPassphrase("correct horse")
    const file = join(folder, "passphrase")
    expect(await Effect.runPromise(readPassphrase(file))).toBeUndefined()
    writePassphrase(file, hash)
    expect(await Effect.runPromise(readPassphrase(file))).toBe(hash)
    for (const mode of [0o640, 0o604, 0o666]) {
      chmodSync(file, mode)
      expect(await issues(readPassphrase(file)), mode.toString(8)).toMatch(/can be read by others/u)
    }
    expect(await issues(readPassphrase(write("plain", "correct horse\n")))).toMatch(/it holds no passphrase; set it anew/u)
    symlinkSync(file, join(folder, "link"))
    expect(await issues(readPassphrase(join(folder, "link")))).toMatch(/cannot be opened/u)
    expect([await Effect.runPromise(passphraseOf(hash)("correct horse")), await Effect.runPromise(passphraseOf(hash)("wrong horse"))]).toEqual([true, false])
    expect([await Effect.runPromise(passphraseOf("plain")("plain")), await Effect.runPromise(passphraseOf(hash)("correct horse".padEnd(1_025)))]).toEqual([false, false])
  })

  it("of more characters than one has is none, and costs nothing", async () => {
    const long = "x".repeat(1_025)
    expect(await Effect.runPromise(passphraseOf(await hashPassphrase(long))(long))).toBe(false)
  })

  it.runIf(isRoot)("is not read from a file of somebody else", async () => {
    expect(await issues(readPassphrase(stranger(write("passphrase", await hashPassphrase("correct horse")))))).toMatch(/belongs to another user/u)
  })
})

describe("a key of the kernel's", () => {
  it.runIf(isRoot)("is not read from a file of somebody else", async () => {
    const file = join(folder, "key.jwk")
    await Effect.runPromise(keyFile(file, "token key"))
    expect(await issues(keyFile(stranger(file), "token key"))).toMatch(/belongs to another user/u)
  })

  it("of an issuer is read from a file that is none too large", async () => {
    await expect(jwksFile(sparse("keys.json", 1_048_577))()).rejects.toThrow(/too large for a set of keys/u)
    expect(await jwksFile(write("small.json", '{"keys":[]}'))()).toEqual({ keys: [] })
  })
})

describe("a folder", () => {
  it("that cannot be looked into is said to be so, and one that is gone is, too", async () => {
    await expect(walk(join(folder, "none"), new AbortController().signal)).rejects.toThrow("it cannot be looked into")
    write("a", "")
    expect((await walk(folder, new AbortController().signal)).map(({ path }) => path)).toEqual(["a"])
  })
})

describe("a package of tactics", () => {
  const read = () => readPackage("pack", { directory: folder, strict: true, shared: false })

  it("has no more files, no larger ones and no deeper folders than are read", () => {
    write("pack/lllm.toml", '[package]\nname = "r"\n')
    for (let at = 0; at < packageFilesMax - 1; at++) write(`pack/prompts/${at}.md`, "")
    expect(Object.keys(read().prompts)).toHaveLength(packageFilesMax - 1)
    write("pack/prompts/more.md", "")
    expect(read).toThrow(`it has more than ${packageFilesMax} files`)
    rmSync(join(folder, "pack/prompts"), { recursive: true })
    sparse("pack/prompts/large.md", packageFileBytesMax + 1)
    expect(read).toThrow(/prompts\/large\.md has more than \d+ bytes/u)
    rmSync(join(folder, "pack/prompts"), { recursive: true })
    write(`pack/prompts/${"d/".repeat(packageDepthMax)}a.md`, "")
    expect(Object.keys(read().prompts)).toHaveLength(1)
    write(`pack/prompts/${"d/".repeat(packageDepthMax + 1)}a.md`, "")
    expect(read).toThrow(/is deeper than \d+ folders/u)
  })

  it.each<readonly [string, Readonly<Record<string, string>>, RegExp]>([
    ["paths that are no list", { "pack/lllm.toml": '[prompts]\npaths = "prompts"\n' }, /\[prompts\] paths must be a list of paths/u],
    ["paths that are numbers", { "pack/lllm.toml": "[prompts]\npaths = [1]\n" }, /\[prompts\] paths must be a list of paths/u],
    ["an agent that is none", { "pack/lllm.toml": "", "pack/configs/default.yaml": "agent_configs:\n  - name\n" }, /agent_configs\[0\] must be a mapping/u],
    ["a config that is a list", { "pack/lllm.toml": "", "pack/configs/default.yaml": "- a\n" }, /the config default must be a mapping/u]
  ])("is refused with %s", (_, files, why) => {
    for (const [name, text] of Object.entries(files)) write(name, text)
    expect(read).toThrow(why)
  })
})

describe("a module that runs elsewhere", () => {
  it("has no more files and bytes than are read for it", () => {
    const entry = write("main.js", Array.from({ length: moduleFilesMax }, (_, at) => `import "./f/${at}.js"`).join("\n"))
    for (let at = 0; at < moduleFilesMax; at++) write(`f/${at}.js`, "")
    expect(() => moduleFilesOf(entry)).toThrow(`it has more than ${moduleFilesMax} files`)
    rmSync(join(folder, "f/0.js"))
    expect(moduleFilesOf(entry)).toHaveLength(moduleFilesMax)
    write("large.json", " ".repeat(moduleBytesMax))
    expect(() => moduleFilesOf(write("other.js", 'import "./large.json"'))).toThrow(`its files have more than ${moduleBytesMax} bytes`)
  })

  it("is a file: an object of this process cannot run in another tier", async () => {
    const system = { manifest: { id: "a", framework: "esm", description: "", reads: [], writes: [], takes: [], provides: [], snapshots: [], executors: [], remoteChannels: [], powers: [], privileged: false, riskProfile: "medium" } }
    await expect(launch({ store: ":memory:", modules: [{ id: "a", system: system as never, tier: "worker" }] })).rejects.toMatchObject({
      _tag: "ModuleRejected", reason: expect.stringContaining("an object of this process cannot run in tier 'worker'")
    })
  })

  it("is refused by a host that runs nothing elsewhere, whatever it is", async () => {
    const bare = moduleFiles(folder, { run: () => Promise.reject(new Error("nothing is run here")), bundled: () => Promise.reject(new Error("nothing is run here")) })
    const config = (entry: object) => Effect.flatMap(decodeConfig({ modules: [{ id: "a", ...entry }] }, "config"), bare.ofConfig)
    expect(await issues(config({ file: "aaax/modules/echo", tier: "jail" }))).toMatch(/this host runs modules in its own process alone/u)
    expect(await issues(config({ framework: "process", command: [process.execPath] }))).toBe("this host starts no programs")
    expect(await issues(bare.program({ id: "a", framework: "process" } as never, "operator"))).toBe("framework 'process' needs a command: the program and its arguments")
  })

  it("is refused when its tier cannot be had", async () => {
    const lacking = moduleFiles(folder, {
      run: () => Promise.reject(new Error("nothing is run here")), bundled: () => Promise.reject(new Error("nothing is run here")), tiers: makeTiers({ tools: { node: process.execPath, permission: undefined, prlimit: undefined, bwrap: undefined } })
    } as never)
    try {
      expect(await issues(Effect.flatMap(decodeConfig({ modules: [{ id: "a", framework: "process", command: [process.execPath], tier: "jail" }] }, "config"), lacking.ofConfig))).toMatch(/jail/u)
      expect(await issues(Effect.flatMap(decodeConfig({ modules: [{ id: "a", framework: "process", command: [process.execPath] }] }, "config"), lacking.ofConfig))).toMatch(/third-party code/u)
    } finally {
      lacking.close()
    }
  })

  it("is the one that it is pinned to, also when it is a program or a tactic", async () => {
    const digest = "0".repeat(64)
    const rejected = { _tag: "ModuleRejected", reason: expect.stringMatching(/^it is pinned to 0{64} and is [0-9a-f]{64}/u) as unknown }
    write("agent.js", "process.exit(1)")
    const modules = (entry: object) => launch({ store: ":memory:", directory: folder, modules: [{ id: "a", digest, ...entry }] } as never)
    await expect(modules({ framework: "process", command: [process.execPath, "agent.js"], tier: "process" })).rejects.toMatchObject(rejected)
    await expect(modules({ framework: "llm", settings: { agents: [{ name: "a" }] } })).rejects.toMatchObject(rejected)
  })
})

describe("a model's answer", () => {
  const asking: Asking = {
    request: { messages: [{ role: "user", content: "x" }] }, model: "m", maxTokens: 5, key: "w-1", traceparent: undefined, signal: new AbortController().signal, onText: () => {}
  }
  const answered = async (status: number, type: string, body: string | ReadonlyArray<string>): Promise<string> => {
    const server = createServer((request, response) => {
      request.resume()
      response.writeHead(status, type === "" ? {} : { "content-type": type })
      for (const part of typeof body === "string" ? [body] : body) response.write(part)
      response.end()
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()))
    try {
      return await openaiBackend({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }).ask(asking).then(({ content }) => `taken: ${content.length}`, (error: Error) => error.message)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  }
  const stream = (...chunks: ReadonlyArray<object>) => answered(200, "text/event-stream", [...chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`), "data: [DONE]\n\n"])
  const delta = (given: object) => ({ choices: [{ delta: given }] })

  it("has no more characters and calls than are taken", async () => {
    const half = delta({ content: "x".repeat(llmAnswerMax / 4) })
    expect(await stream(half, half, half, half)).toBe(`taken: ${llmAnswerMax}`)
    expect(await stream(half, half, half, half, delta({ content: "x" }))).toBe(`the answer has more than ${llmAnswerMax} characters`)
    expect(await stream(half, half, half, half, delta({ tool_calls: [{ index: 0, function: { name: "f", arguments: "" } }] }))).toBe(`the answer has more than ${llmAnswerMax} characters`)
    const call = (index: number) => delta({ tool_calls: [{ index, id: "a", function: { name: "f", arguments: "{}" } }] })
    expect(await stream(call(chatToolsMax - 1))).toBe("taken: 0")
    expect(await stream(call(chatToolsMax))).toBe(`the answer calls more than ${chatToolsMax} tools`)
  })

  it("is none without a body, and none that never ends", async () => {
    expect(await answered(204, "", [])).toBe("the backend gave no answer")
    expect(await answered(200, "application/json", Array.from({ length: 17 }, () => " ".repeat(llmAnswerMax / 4)))).toBe(`the answer has more than ${4 * llmAnswerMax} characters`)
    expect(await answered(200, "text/event-stream", [`data: ${"x".repeat(20 * 1_048_576)}`])).toBe("an event of the stream is too large")
  })

  it("is not read from a tape that is too large", async () => {
    await expect(replayBackend(sparse("tape", llmReplayBytesMax + 1)).ask(asking)).rejects.toThrow(/has more than \d+ characters/u)
  })
})
