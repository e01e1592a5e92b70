// Systems whose work is done by models: from a package of the first generation or from settings, their tools behind the gate.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { chat, defineModule } from "../../libos/index.ts"
import { launch, type HostKernel, type HostOptions } from "../../kernel/index.ts"
import { until } from "../kit/network.ts"

let folder = ""
let kernel: HostKernel | undefined
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "aaax-llm-"))))
afterEach(async () => {
  await kernel?.close()
  kernel = undefined
  rmSync(folder, { recursive: true, force: true })
})

const write = (files: Readonly<Record<string, string>>): void => {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}
const rules = [
  { when: ["please write"], role: "user", call: { name: "fs_write", arguments: { target: "hello.md", payload: { content: "Hello." } } } },
  { when: ["please escape"], role: "user", call: { name: "fs_write", arguments: { target: "../outside.md", payload: { content: "x" } } } },
  { when: ["please look"], role: "user", call: { name: "read_channel", arguments: { channel: "news" } } },
  { role: "tool", say: "The tool said: {input}" },
  { when: ["shout"], say: "{input}!" },
  { say: "{system} {input}" }
] as const
const launched = async (options: HostOptions): Promise<HostKernel> =>
  (kernel = await launch({
    store: ":memory:", directory: folder,
    executors: { "llm.chat": { backends: { offline: { kind: "rule", rules } } }, "fs.write": { roots: ["notes"] } },
    ...options
  }))

interface Result {
  readonly correlationId: string | null
  readonly payload: Readonly<Record<string, unknown>>
}

/** Gives it a task and waits for what it makes of it. */
const asked = async (id: string, task: unknown): Promise<Result> => {
  const [given] = await kernel!.channels.append(`${id}.tasks`, [{ payload: task as never }])
  let found: Result | undefined
  await until("it answered", async () => {
    const events = await kernel!.channels.read(`${id}.results`, { limit: 100 })
    found = events.find(({ correlationId }) => correlationId === given!.id) as Result | undefined // an event has these fields
    return found !== undefined
  })
  return found!
}

describe("a module of framework llm", () => {
  it("answers its tasks by its agent's prompt, each result correlated", async () => {
    await launched({ modules: [{ id: "greeter", framework: "llm", settings: { agents: [{ name: "a", system: "You greet {who}." }], variables: { who: "all" } } }] })
    expect((await asked("greeter", "good day")).payload).toMatchObject({ output: "You greet all. good day", agent: "a", rounds: 1 })
    expect((await asked("greeter", { input: "good day", variables: { who: "{input}" } })).payload).toMatchObject({ output: "You greet {input}. good day" })
  })

  it("has its executors as tools behind the gate, and is told what was refused", async () => {
    mkdirSync(join(folder, "notes"))
    await launched({ modules: [{ id: "writer", framework: "llm", executors: ["fs.write"] }] })
    const done = await asked("writer", "please write")
    expect(readFileSync(join(folder, "notes/hello.md"), "utf8")).toBe("Hello.")
    expect(done.payload).toMatchObject({ rounds: 2, output: expect.stringMatching(/^The tool said: \{/u) })
    expect((await asked("writer", "please escape")).payload).toMatchObject({ output: expect.stringMatching(/^The tool said: refused: /u) })
  })

  it("may look at the channels that it is wired to", async () => {
    await launched({ channels: [{ name: "news" }], modules: [{ id: "reader", framework: "llm", channels: ["news"] }] })
    await kernel!.channels.append("news", [{ payload: "first" }, { payload: "second" }])
    expect((await asked("reader", "please look")).payload).toMatchObject({ output: expect.stringContaining('"payload":"second"') })
  })

  it("follows channels whose events are its tasks", async () => {
    await launched({ channels: [{ name: "news" }], modules: [{ id: "shouter", framework: "llm", channels: ["news"], settings: { follows: ["news"] } }] })
    await kernel!.channels.append("news", [{ payload: "shout this" }])
    await until("it answered", async () => (await kernel!.channels.read("shouter.results", { limit: 10 })).length > 0)
    expect((await kernel!.channels.read("shouter.results", { limit: 10 }))[0]).toMatchObject({ payload: { output: "shout this!" } })
  })

  it("is heard while it answers, by whoever asked", async () => {
    await launched({})
    const heard: Array<string> = []
    const answered = new Promise<string>((resolve, reject) => {
      kernel!.dock(defineModule({
        id: "asker", executors: ["llm.chat"],
        run: async (on) => {
          const { content } = await chat(on, { messages: [{ role: "user", content: "shout on" }] }, { onText: (text) => void heard.push(text) })
          await until("it was heard", () => heard.length > 0)
          resolve(content)
        }
      })).catch(reject)
    })
    expect(await answered).toBe("shout on!")
    expect(heard).toEqual(["shout on!"])
  })

  it("runs a tactic of one's own, and says which there are when it has none of that name", async () => {
    const tactics = { loud: async ({ input }: { input: string }, team: { converse: (agent: string, input: string) => Promise<{ content: string }> }) => (await team.converse("a", input)).content.toUpperCase() }
    await launched({ modules: [{ id: "own", framework: "llm", settings: { tactic: "loud", tactics, agents: [{ name: "a" }] } }] })
    expect((await asked("own", "shout hi")).payload).toBe("SHOUT HI!")
    await expect(launched({ modules: [{ id: "bad", framework: "llm", settings: { tactic: "gone" } }] })).rejects
      .toMatchObject({ _tag: "ModuleRejected", reason: expect.stringContaining("there is no tactic gone; there are chat, pipeline") })
  })

  it("tells what came to nothing as its result, and goes on", async () => {
    await launched({ modules: [{ id: "lost", framework: "llm", settings: { model: "nowhere" } }] })
    expect((await asked("lost", "hello")).payload).toMatchObject({ error: { kind: "denied", reason: expect.stringContaining("no model nowhere") } })
    expect((await asked("lost", "hello")).payload).toMatchObject({ error: { kind: "denied" } })
  })
})

describe("a package of the first generation", () => {
  it("is docked with its prompts, its models by other names, and its agents in order", async () => {
    write({
      "pack/lllm.toml": '[package]\nname = "reviews"\ndescription = "Reviews"\n',
      "pack/prompts/system/one.md": "One:", "pack/prompts/system/two.md": "Two:",
      "pack/configs/default.yaml": "tactic_type: pipeline\nglobal:\n  model_name: gpt-4o\nagent_configs:\n  - name: one\n    system_prompt_path: system/one\n  - name: two\n    system_prompt_path: system/two\n"
    })
    await launched({
      executors: { "llm.chat": { aliases: { "gpt-4o": "offline" }, backends: { offline: { kind: "rule", rules } } } },
      modules: [{ id: "reviews", lllmToml: "pack/lllm.toml" }]
    })
    expect((await asked("reviews", "x")).payload).toEqual({ output: "Two: One: x", steps: [{ agent: "one", content: "One: x", rounds: 1 }, { agent: "two", content: "Two: One: x", rounds: 1 }] })
    expect(kernel!.modules()).toMatchObject([{ id: "reviews", framework: "lllm" }])
  })

  it("that cannot be read is refused with the reason", async () => {
    await expect(launched({ modules: [{ id: "gone", framework: "lllm", lllmToml: "nowhere" }] })).rejects
      .toMatchObject({ _tag: "ModuleRejected", module: "gone", reason: expect.stringContaining("there is no package at") })
  })
})
