// Packages of the first generation: what their files say, what they inherit, and what is refused.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { PackageInvalid, readPackage, type PackageOptions } from "../../../kernel/power/lllm-package.ts"

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "aaax-package-"))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (files: Readonly<Record<string, string>>): void => {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
}
const whole = {
  "pack/lllm.toml": '[package]\nname = "reviews"\nversion = "0.2.0"\ndescription = "Reviews changes"\n',
  "pack/prompts/system/analyzer.md": "You analyze {language}.",
  "pack/prompts/system/writer.txt": "You write.",
  "pack/prompts/notes.py": "print('not a prompt')",
  "pack/configs/base.yaml": "global:\n  model_name: m-1\n  model_args:\n    temperature: 0.5\n    top_p: 0.9\n",
  "pack/configs/default.yaml": [
    "base: base", "tactic_type: pipeline", "global:", "  model_args:", "    max_tokens: 100", "agent_configs:",
    "  - name: analyzer", "    system_prompt_path: system/analyzer", "  - name: writer", "    system_prompt_path: system/writer.txt", "    model_name: m-2",
    "    model_args:", "      temperature: 0"
  ].join("\n")
}
const read = (given = "pack", more: Partial<PackageOptions> = {}) => readPackage(given, { directory: folder, strict: true, shared: false, ...more })
const refusal = (...args: Parameters<typeof read>): string => {
  try {
    read(...args)
  } catch (error) {
    expect(error).toBeInstanceOf(PackageInvalid)
    return (error as Error).message
  }
  return "it was read"
}

describe("a package", () => {
  it("is its prompts by path and its agents, each with what all have, what the config inherits, and its own, the later winning", () => {
    write(whole)
    const found = read()
    expect(found).toMatchObject({ name: "reviews", version: "0.2.0", description: "Reviews changes", tactic: "pipeline", ignored: ["model_args.top_p"] })
    expect(found.agents).toEqual([
      { name: "analyzer", system: "You analyze {language}.", model: "m-1", temperature: 0.5, maxTokens: 100 },
      { name: "writer", system: "You write.", model: "m-2", temperature: 0, maxTokens: 100 }
    ])
    expect(found.prompts).toEqual({ "system/analyzer": "You analyze {language}.", "system/writer": "You write." })
    expect(found.files.map(({ path }) => path)).toEqual(expect.arrayContaining(["lllm.toml", "configs/base.yaml", "configs/default.yaml", "prompts/system/analyzer.md"]))
    expect(read("pack/lllm.toml")).toEqual(found)
  })

  it("loads what it lists, and the folders of those names when it lists nothing", () => {
    write({ ...whole, "pack/lllm.toml": '[package]\nname = "r"\n[prompts]\npaths = ["texts", "one.md"]\n[configs]\npaths = ["configs/base.yaml"]\n', "pack/texts/a.md": "A", "pack/one.md": "One" })
    expect(read()).toMatchObject({ prompts: { a: "A", one: "One" }, agents: [], tactic: "chat" })
  })

  it("has the config that is named, the one called default, or its only one", () => {
    write({ "pack/lllm.toml": "", "pack/configs/a.yaml": "tactic_type: chat", "pack/configs/b.yml": "tactic_type: pipeline" })
    expect(refusal()).toBe("it has several configs, a, b: say which as settings.config")
    expect(read("pack", { config: "b" }).tactic).toBe("pipeline")
    expect(refusal("pack", { config: "c" })).toBe("there is no config c; there are a, b")
  })

  it("finds configs of the folder it is used in only when the boot is lax, and its own win", () => {
    write({ "pack/lllm.toml": "", "pack/configs/own.yaml": "tactic_type: own", "configs/own.yaml": "tactic_type: other", "configs/more.yaml": "tactic_type: more" })
    expect(read("pack", { config: "own", strict: false }).tactic).toBe("own")
    expect(read("pack", { config: "more", strict: false }).tactic).toBe("more")
    expect(refusal("pack", { config: "more" })).toMatch(/there is no config more/u)
  })
})

describe("what a package may not be", () => {
  it("nothing, broken, or its own ancestor", () => {
    expect(refusal("nowhere")).toMatch(/^there is no package at /u)
    write({ "pack/lllm.toml": "[package\n" })
    expect(refusal()).toMatch(/lllm\.toml is no TOML/u)
    write({ "pack/lllm.toml": "", "pack/configs/a.yaml": "base: b", "pack/configs/b.yaml": "base: a" })
    expect(refusal("pack", { config: "a" })).toBe("the config a inherits itself: a -> b -> a")
    write({ "pack/configs/c.yaml": "agent_configs:\n  - name: x\n    system_prompt_path: gone\n" })
    expect(refusal("pack", { config: "c" })).toBe("agent_configs[0]: there is no prompt gone; there are none")
    write({ "pack/configs/d.yaml": "- 1\n" })
    expect(refusal("pack", { config: "d" })).toBe("the config d must be a mapping")
  })

  it("a way out of its folder", () => {
    write({ "secret.md": "canary", "pack/lllm.toml": '[prompts]\npaths = ["../secret.md"]\n' })
    expect(refusal()).toMatch(/\.\.\/secret\.md cannot be read/u)
    write({ "pack/lllm.toml": '[prompts]\npaths = ["prompts"]\n', "pack/prompts/a.md": "A" })
    symlinkSync(join(folder, "secret.md"), join(folder, "pack/prompts/b.md"))
    expect(read().prompts).toEqual({ a: "A" })
    write({ "pack/lllm.toml": '[prompts]\npaths = ["link.md"]\n' })
    symlinkSync(join(folder, "secret.md"), join(folder, "pack/link.md"))
    expect(refusal()).toMatch(/link\.md cannot be read: it is a link/u)
  })
})
