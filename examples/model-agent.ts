// An agent whose work is done by a model: it keeps notes through the gate. Runs without a network, by rules; put a backend of
// kind `openai` in their place and it asks a real model.
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { launch } from "aaax/kernel"

const rules = [
  { when: ["note"], role: "user", call: { name: "fs_write", arguments: { target: "today.md", payload: { content: "{input}" } } } },
  { role: "tool", when: ["refused"], say: "I was not allowed to: {input}" },
  { role: "tool", say: "Noted." },
  { say: "Tell me to note something." }
] as const

export const main = async (): Promise<ReadonlyArray<unknown>> => {
  const directory = mkdtempSync(join(tmpdir(), "aaax-model-agent-"))
  const kernel = await launch({
    directory, store: ":memory:",
    executors: { "llm.chat": { backends: { offline: { kind: "rule", rules } } }, "fs.write": { roots: ["."] } },
    budgets: { keeper: { tokens: 10_000 } },
    modules: [{ id: "keeper", framework: "llm", executors: ["fs.write"], settings: { agents: [{ name: "keeper", system: "You keep notes." }] } }]
  })
  await kernel.channels.append("keeper.tasks", [{ payload: "Please note: water the plants" }, { payload: "What can you do?" }])
  const said: Array<unknown> = []
  for await (const { payload } of kernel.channels.subscribe("keeper.results", { limit: 2 })) said.push((payload as { readonly output: string }).output)
  said.push(readFileSync(join(directory, "today.md"), "utf8"))
  await kernel.close()
  rmSync(directory, { recursive: true, force: true })
  return said
}
