// The house rules that a linter does not hold: first lines, places of time and console, the table of entries, the arrows.
import { execFileSync, spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"
import { afterEach, describe, expect, it } from "vitest"
import { ourselves } from "../../bin/ourselves.ts"
import { bundledModules } from "../../kernel/power/bundled.ts"
import { version } from "../../kernel/version.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

const filesBelow = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesBelow(path) : path.endsWith(".ts") ? [path] : []
  })
const textOf = (path: string): string => readFileSync(join(root, path), "utf8")

const source = ["protocol", "kernel", "libos", "modules", "bin"].flatMap(filesBelow)

describe("a source file", () => {
  it.each(source)("%s says its purpose in its first line, as a sentence", (path) => {
    const [first = "", second = ""] = textOf(path).split("\n")
    const line = first.startsWith("#!") ? second : first
    expect(line).toMatch(/^\/\/ \S.{15,}/u)
  })

  it("has no debt, and no name that says nothing", () => {
    const marks = new RegExp(["TO", "DO"].join("") + "|" + ["FIX", "ME"].join("") + "|not implemented", "u")
    // The survey looks for these marks in the files of others.
    const debts = source.filter((path) => !path.startsWith("modules/survey/") && !path.startsWith("modules/report/") && marks.test(textOf(path)))
    expect(debts).toEqual([])
    expect(source.filter((path) => /(?:^|\/)(?:utils?|helpers?|common|manager|misc)[./]/u.test(path))).toEqual([])
  })

  it("takes time from a clock: the wall is read in few places", () => {
    const allowed = /^(?:bin\/|kernel\/clock\.ts$|kernel\/store\/|kernel\/executor\/|kernel\/power\/|kernel\/door\/|libos\/promise\.ts$|libos\/process\.ts$|libos\/client\/key\.ts$)/u
    expect(source.filter((path) => /\bDate\.now\(|new Date\(\)/u.test(textOf(path)) && !allowed.test(path))).toEqual([])
  })

  it("prints nothing by itself", () => {
    expect(source.filter((path) => /\bconsole\.(?:log|error|warn|info)\(/u.test(textOf(path)))).toEqual([])
  })
})

describe("the package", () => {
  const { exports, scripts, version: released } = JSON.parse(textOf("package.json")) as {
    exports: Record<string, { default: string } | string>
    scripts: Readonly<Record<string, string>>
    version: string
  }

  it("has one version, the one that the code says", () => {
    expect(version).toBe(released)
    const elsewhere = source.filter((path) => path !== "kernel/version.ts" && /\bversion: ?"/u.test(textOf(path)))
    expect(elsewhere).toEqual([])
  })

  it("is built by its installation, which goes on where the tools for that are not", () => {
    expect(scripts["prepare"]).toBe(`${scripts["build"]} --prepare`)
    const bare = mkdtempSync(join(tmpdir(), "aaax-bare-"))
    try {
      mkdirSync(join(bare, "scripts"))
      copyFileSync(join(root, "scripts/build.mjs"), join(bare, "scripts/build.mjs"))
      const ran = spawnSync(process.execPath, [join(bare, "scripts/build.mjs"), "--prepare"], { encoding: "utf8" })
      expect(ran).toMatchObject({ status: 0, stderr: expect.stringContaining("not built") })
      expect(readdirSync(bare)).toEqual(["scripts"])
    } finally {
      rmSync(bare, { recursive: true, force: true })
    }
  })

  it("has a source for every entry", () => {
    for (const [name, target] of Object.entries(exports)) {
      if (typeof target === "string" || name.includes("*")) continue
      const file = target.default.replace("./dist/", "").replace(/\.js$/u, ".ts")
      expect(statSync(join(root, file)).isFile(), name).toBe(true)
    }
  })

  it("hands its running copy of every entry to user configs", () => {
    const entries = Object.keys(exports).filter((name) => !name.includes("*") && name !== "./package.json").map((name) => name.replace(/^\./u, "aaax"))
    expect(Object.keys(ourselves)).toEqual(expect.arrayContaining(entries))
    const rules = filesBelow("kernel/policy").map((path) => `aaax/policy/${path.slice("kernel/policy/".length, -3)}`)
    expect(Object.keys(ourselves)).toEqual(expect.arrayContaining(rules))
    for (const module of Object.values(ourselves)) expect(Object.keys(module as object).length).toBeGreaterThan(0)
  })

  it("bundles every module folder", () => {
    expect([...bundledModules].sort()).toEqual(readdirSync(join(root, "modules"), { withFileTypes: true })
      .filter((entry) => entry.isDirectory()).map(({ name }) => `aaax/modules/${name}`).sort())
  })
})

/** Probes are put into the folder that they break a rule of, linted, and taken away. */
describe("an arrow of the house", () => {
  const probes: Array<string> = []
  afterEach(() => {
    for (const probe of probes.splice(0)) rmSync(join(root, probe), { force: true })
  })
  const lint = (folder: string, line: string): number => {
    const probe = `${folder}/arrow-probe-${process.pid}.ts`
    probes.push(probe)
    mkdirSync(dirname(join(root, probe)), { recursive: true })
    writeFileSync(join(root, probe), `// A probe of the arrows of the house, taken away at once.\n${line}\n`)
    const ran = spawnSync(process.execPath, [join(root, "node_modules/oxlint/bin/oxlint"), "--deny-warnings", probe], { cwd: root, encoding: "utf8" })
    return ran.stdout.includes("no-restricted-imports") ? 1 : 0
  }

  it.each([
    ["protocol", "export { kernelSystem } from \"../kernel/kernel.ts\""],
    ["protocol", "import { readFileSync } from \"node:fs\"\nexport const read = readFileSync"],
    ["kernel/channel", "export * from \"../../libos/index.ts\""],
    ["kernel/channel", "import type { Door } from \"../door/door.ts\"\nexport type D = Door"],
    ["kernel/authority", "export const load = (): unknown => import(\"../store/sqlite.ts\")"],
    ["kernel/guard", "import { hash } from \"node:crypto\"\nexport const h = hash"],
    ["kernel/dock", "export { HttpRouter } from \"effect/http/HttpRouter\""],
    ["kernel/policy", "export * from \"../guard/policy.ts\""],
    ["kernel/store", "export * from \"aaax\""],
    ["libos", "export * from \"../kernel/kernel.ts\""],
    ["libos", "export * from \"node:fs\""],
    ["modules/echo", "export * from \"../../libos/index.ts\""],
    ["modules/echo", "export * from \"../../protocol/index.ts\""],
    ["modules/echo", "export * from \"aaax/kernel\""],
    ["bin", "export { Effect } from \"effect\""],
    ["bin", "export * from \"../modules/echo/index.ts\""]
  ])("holds in %s against %s", (folder, line) => {
    expect(lint(folder, line)).toBe(1)
  })

  it.each([
    ["kernel/authority", "import type { StoreService } from \"../store/store.ts\"\nexport type S = StoreService"],
    ["kernel/store", "import { hash } from \"node:crypto\"\nexport const h = hash"],
    ["modules/echo", "export { defineModule } from \"aaax\""],
    ["bin", "export * as Effect from \"effect/Effect\""]
  ])("lets pass in %s what belongs there: %s", (folder, line) => {
    expect(lint(folder, line)).toBe(0)
  })
})

describe("the tree", () => {
  it("is free of lint", () => {
    expect(() => execFileSync(process.execPath, [join(root, "node_modules/oxlint/bin/oxlint"), "--deny-warnings", ...new Set(source.map((path) => relative(root, join(root, path.split("/")[0]!))))], { cwd: root, encoding: "utf8" })).not.toThrow()
  })
})
