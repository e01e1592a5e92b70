// `aaax init`: what it writes works as it is, and what was there stays.
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { templates } from "../../bin/init/templates.ts"
import { version } from "../../kernel/version.ts"
import { aaax } from "../kit/command.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))
let folder = ""
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-init-")))
  // What `npm install` would put there: this repository's packages, and aaax as its sources.
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ran {
  readonly code: number | null
  readonly output: string
}
const vitestIn = (project: string): Promise<Ran> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [
      join(root, "node_modules/vitest/vitest.mjs"), "run", "--no-isolate", "--no-file-parallelism", "--config", join(root, "vitest.config.ts"), "--root", project
    ], { cwd: project, env: { ...process.env, NO_COLOR: "1" }, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part))
    child.stderr.setEncoding("utf8").on("data", (part: string) => (output += part))
    child.on("close", (code) => resolve({ code, output }))
  })

interface Told {
  readonly directory: string
  readonly files: ReadonlyArray<string>
  readonly next: ReadonlyArray<string>
}

describe("a new project", () => {
  it.each(templates)("of the template %s launches", async (template) => {
    const project = join(folder, "test", template)
    const made = await aaax("init", project, "--template", template, "--json")
    expect(made).toMatchObject({ code: 0, stderr: "" })
    const { directory, files, next } = JSON.parse(made.stdout) as Told
    expect(directory).toBe(project)
    expect(files.filter((file) => !existsSync(join(project, file)))).toEqual([])
    expect(next).toContain("npx aaax launch")

    const launched = await aaax("--dir", project, "launch", "--once", "--json")
    expect(launched.code, launched.stderr).toBe(0)
    expect(launched.stdout).toContain(template === "hello" ? '"hello"' : '"notes"')
  })

  it("passes its own test, whatever its template", async () => {
    const tested = await vitestIn(folder)
    expect(tested.code, tested.output).toBe(0)
    expect(tested.output).toMatch(/Test Files {2}2 passed/u)
  })

  it("is a package that names this version or this clone, and keeps .aaax out of git", () => {
    const manifest = JSON.parse(readFileSync(join(folder, "test/hello/package.json"), "utf8")) as { readonly name: string; readonly dependencies: { readonly aaax: string } }
    expect(manifest.name).toBe("hello")
    expect([`^${version}`, `file:${root.replace(/\/$/u, "")}`]).toContain(manifest.dependencies.aaax)
    expect(readFileSync(join(folder, "test/hello/.gitignore"), "utf8").split("\n")).toContain(".aaax/")
  })

  it("tells the next steps to a person, and the files as data", async () => {
    const made = await aaax("init", join(folder, "My Agents!"))
    expect(made.code).toBe(0)
    expect(made.stderr).toMatch(/Next:\n.*cd .*\n.*npm install\n.*npm test\n/u)
    expect(made.stdout.trim().split("\n")).toHaveLength(6)
    expect(JSON.parse(readFileSync(join(folder, "My Agents!", "package.json"), "utf8"))).toMatchObject({ name: "my-agents" })
  })
})

describe("a folder with files in the way", () => {
  it("is left as it is, and the files are listed", async () => {
    const project = join(folder, "taken")
    mkdirSync(join(project, "modules"), { recursive: true })
    writeFileSync(join(project, "modules/hello.ts"), "mine")
    writeFileSync(join(project, "package.json"), "{}")
    expect(await aaax("init", project, "--yes")).toMatchObject({ code: 5, stdout: "", stderr: expect.stringContaining("other content: modules/hello.ts, package.json") })
    expect(readdirSync(project).sort()).toEqual(["modules", "package.json"])
    expect(readFileSync(join(project, "modules/hello.ts"), "utf8")).toBe("mine")
  })

  it("is no matter when they are the very same, or others", async () => {
    const project = join(folder, "again")
    mkdirSync(project)
    writeFileSync(join(project, "notes.md"), "mine")
    expect((await aaax("init", project, "--yes")).code).toBe(0)
    expect((await aaax("init", project, "--yes")).code).toBe(0)
    expect(readFileSync(join(project, "notes.md"), "utf8")).toBe("mine")
  })

  it("is a mistake when it is a file, or cannot be written", async () => {
    writeFileSync(join(folder, "file"), "")
    expect(await aaax("init", join(folder, "file"))).toMatchObject({ code: 2, stdout: "" })
    expect(await aaax("init", join(folder, "file/below"))).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("aaax: No kernel can be launched") })
    expect(await aaax("init", "--template", "none")).toMatchObject({ code: 2, stdout: "" })
  })
})
