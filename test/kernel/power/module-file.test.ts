// Module and config files, as a host reads them that embeds a kernel.
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { AAAXConfig, type HostKernel, launch, type HostOptions } from "../../../kernel/index.ts"

let folder = ""
let kernel: HostKernel | undefined
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "aaax-modules-"))))
afterEach(async () => {
  await kernel?.close()
  kernel = undefined
  rmSync(folder, { recursive: true, force: true })
})

const write = (name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}
const launched = async (options: HostOptions): Promise<HostKernel> => (kernel = await launch({ store: ":memory:", directory: folder, ...options }))

/** The text of a module whose description is the given expression. */
const moduleText = (id: string, description: string): string =>
  `({ manifest: { id: "${id}", framework: "esm", description: ${description}, reads: [], writes: [], takes: [], provides: [], snapshots: [],
    executors: [], remoteChannels: [], powers: [], privileged: false, riskProfile: "medium" } })`
const description = (id: string): string | undefined => kernel?.systems().find((system) => system.id === id)?.description

describe("a module file of a config", () => {
  it("that gives a function is given the settings of its entry, and its id", async () => {
    write("mine.ts", `export default (settings: { id: string; word: string }) => ${moduleText("other", "`${settings.id} ${settings.word}`")}`)
    await launched({ modules: [{ id: "mine", file: "./mine.ts", settings: { word: "hi" } }] })
    expect(description("mine")).toBe("mine hi")
  })

  it("may be a bundled one, which the config's own keys are settings of", async () => {
    await launched({ survey: { workers: 3 }, modules: [{ id: "watch", file: "aaax/modules/watch" }, { id: "survey", file: "aaax/modules/survey" }], stepped: true })
    expect(description("survey")).toContain("3 workers")
    expect(kernel?.modules().map(({ file }) => file)).toEqual(["aaax/modules/watch", "aaax/modules/survey"])
  })

  it.each([
    ["./none.ts", "cannot be read"],
    ["./list.ts", "its default export is no system"],
    ["./throws.ts", "failed: not today"],
    ["aaax/modules/ecko", "Did you mean aaax/modules/echo?"]
  ])("that is none is refused with the reason: %s", async (file, reason) => {
    write("list.ts", `export default [${moduleText("a", "\"\"")}]`)
    write("throws.ts", "export default () => { throw new Error('not today') }")
    await expect(launched({ modules: [{ id: "mine", file }] })).rejects.toMatchObject({ _tag: "ModuleRejected", module: "mine", reason: expect.stringContaining(reason) })
  })
})

describe("a config file of a host", () => {
  it("may name a rule file", async () => {
    write("rules.toml", "[policy]\ndeny = []\n")
    const file = write("aaax.toml", "policy = \"rules.toml\"\n")
    expect((await AAAXConfig.fromFile(file)).config.policy).toEqual({ deny: [] })
  })
})

describe("a module file that is loaded while the kernel runs", () => {
  const load = (file: string, id?: string) => Effect.runPromise(kernel!.effect.loadModule({ file, ...(id === undefined ? {} : { id }) }))
  const digestOf = (text: string): string => createHash("sha256").update(text).digest("hex")

  it.each(["ts", "mts", "js", "mjs"])("again after a change is the changed one: .%s", async (extension) => {
    await launched({})
    for (const word of ["one", "two"]) {
      // What it imports is read anew as well.
      write("beside.ts", `export const word = "beside ${word}"`)
      const text = `import { word } from "./beside.ts"\nexport default ${moduleText("mine", `"${word}, " + word`)}`
      const view = await load(write(`mine.${extension}`, text))
      expect(description("mine")).toBe(`${word}, beside ${word}`)
      expect(view.digest).toBe(digestOf(text))
    }
    expect(kernel?.modules()).toHaveLength(1)
  })

  it.each(["cjs", "cts"])("may be CommonJS, and is the changed one then, too: .%s", async (extension) => {
    await launched({})
    for (const word of ["one", "two"]) {
      await load(write(`mine.${extension}`, `module.exports = ${moduleText("mine", `"${word}"`)}`))
      expect(description("mine")).toBe(word)
    }
  })

  it.each([
    ["with a mistake in its syntax", "export default {\n  a b\n}"],
    ["that throws", "throw new Error('no')"],
    ["that gives no system", "export default 42"],
    ["that cannot be docked", `export default ${moduleText("mine", "\"two\"").replace("reads: []", "reads: ['nowhere']")}`],
    ["whose id is another's", `export default ${moduleText("other", "\"two\"")}`]
  ])("%s leaves the old one as it was, and says so", async (_, text) => {
    await launched({})
    await load(write("other.ts", `export default ${moduleText("other", "\"the other\"")}`))
    const file = write("mine.ts", `export default ${moduleText("mine", "\"one\"")}`)
    const before = await load(file)
    write("mine.ts", text)
    await expect(load(file)).rejects.toMatchObject({ _tag: "ModuleRejected", reason: expect.stringContaining("What was loaded before stays: mine, ") })
    expect(description("mine")).toBe("one")
    expect(description("other")).toBe("the other")
    expect(kernel?.modules().find(({ id }) => id === "mine")).toEqual(before)
  })

  it("that cannot be docked leaves a paused one paused", async () => {
    await launched({})
    const file = write("mine.ts", `export default ${moduleText("mine", "\"one\"")}`)
    await load(file)
    await Effect.runPromise(kernel!.effect.pause("mine"))
    write("mine.ts", `export default ${moduleText("mine", "\"two\"").replace("reads: []", "reads: ['nowhere']")}`)
    await expect(load(file)).rejects.toMatchObject({ reason: expect.stringContaining("mine, paused") })
    expect(kernel?.systems().find(({ id }) => id === "mine")?.status).toBe("paused")
  })
})

describe("a module file that changed while the kernel was down", () => {
  it("is not run before the change was approved", async () => {
    const store = join(folder, "kernel.db")
    const seen = globalThis as { ran?: Array<string> }
    seen.ran = []
    const text = (word: string): string => `globalThis.ran.push("${word}")\nexport default ${moduleText("mine", `"${word}"`)}`
    const file = write("mine.ts", text("one"))
    await launched({ store })
    await Effect.runPromise(kernel!.effect.loadModule({ file }))
    await kernel!.close()
    await launched({ store })
    expect([description("mine"), seen.ran]).toEqual(["one", ["one", "one"]])
    await kernel!.close()
    write("mine.ts", text("two"))
    await launched({ store })
    expect([description("mine"), seen.ran]).toEqual([undefined, ["one", "one"]])
    await Effect.runPromise(kernel!.effect.loadModule({ file }))
    expect(description("mine")).toBe("two")
  })
})
