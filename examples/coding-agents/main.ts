// Two coding agents in one repository: each claims its own files and writes them through the gate, one tells the other what it needs
// to know, and what lies in the other's claim is refused by the kernel. `node examples/run.mjs coding-agents/main`
import { defineModule, EffectFailed, Refused, type Coordination } from "aaax"
import { launch } from "aaax/kernel"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Writes a file below the working folder; says why when it may not. */
type Write = (path: string, content: string) => Promise<string>

const agent = (id: string, life: (coordination: Coordination, write: Write) => Promise<void>, ended: () => void = () => undefined) =>
  defineModule({
    id,
    executors: ["fs.write"],
    coordination: true,
    run: async ({ act, coordination, signal }) => {
      await life(coordination, async (path, content) => {
        try {
          await act("fs.write", { target: path, action: "edit", payload: { content } })
          return `wrote ${path}`
        } catch (error) {
          if (error instanceof Refused || error instanceof EffectFailed) return error.reason
          throw error
        }
      })
      ended()
      // It stays, and keeps what it still holds, until it is told to end.
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }))
    }
  })

export const main = async (): Promise<{ readonly said: ReadonlyArray<string>; readonly files: Readonly<Record<string, string>> }> => {
  const directory = mkdtempSync(join(tmpdir(), "aaax-coding-agents-"))
  const said: Array<string> = []
  const kernel = await launch({
    directory, store: ":memory:", executors: { "fs.write": { roots: ["."] } },
    modules: [{ id: "coordinator", file: "aaax/modules/coordinator" }]
  })
  try {
    let tellDone: () => void = () => undefined
    const done = new Promise<void>((resolve) => (tellDone = resolve))

    const frontend = agent("team/frontend", async (coordination, write) => {
      await using claim = await coordination.claim("button", { paths: ["src/ui/**"], ttlSeconds: 60 })
      await claim.update({ status: "working" })
      said.push(`frontend: ${await write("src/api/items.ts", "// it is quicker if I do it myself\n")}`)
      await coordination.send("which path do the items have?", { to: "team/backend" })
      for await (const { from, payload } of coordination.messages()) {
        said.push(`frontend heard ${from}: ${payload}`)
        said.push(`frontend: ${await write("src/ui/button.ts", `fetch("${payload}")\n`)}`)
        break
      }
      await coordination.progress("button", "the button asks for the items")
    }, () => tellDone())

    const backend = agent("team/backend", async (coordination, write) => {
      await coordination.claim("items", { paths: ["src/api"], ttlSeconds: 60 })
      said.push(`backend: ${await write("src/api/items.ts", "export const path = \"/v2/items\"\n")}`)
      await kernel.dock(frontend)
      for await (const { from, payload } of coordination.messages()) {
        said.push(`backend heard ${from}: ${payload}`)
        await coordination.send("/v2/items", { to: from })
        break
      }
    })

    await kernel.dock(backend)
    await done
    const read = (path: string): string => readFileSync(join(directory, path), "utf8")
    return { said, files: { "src/api/items.ts": read("src/api/items.ts"), "src/ui/button.ts": read("src/ui/button.ts") } }
  } finally {
    await kernel.close()
    rmSync(directory, { recursive: true, force: true })
  }
}
