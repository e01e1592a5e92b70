// The demo as people start it: it ends with 0 when every step came out as it must, and with 1 when one did not.
import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { wentWrong } from "../../bin/demo/demo.ts"
import { build, entry, type Ran } from "../kit/command-line.ts"

let folder = ""
beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-demo-test-")))
  await build()
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** With a folder for temporary files of its own, in which nothing may stay. */
const demo = (args: ReadonlyArray<string>, environment: Readonly<Record<string, string>> = {}): Promise<Ran & { readonly left: ReadonlyArray<string> }> =>
  new Promise((resolve) => {
    const temporary = mkdtempSync(join(folder, "tmp-"))
    // What a user's surroundings might have: none of it is the demo's business.
    const child = spawn(process.execPath, [entry, "demo", ...args], {
      cwd: folder, stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1", TMPDIR: temporary, GIT_DIR: "/nowhere", GIT_INDEX_FILE: "/nowhere", SYNAPSE_URI: "ws://127.0.0.1:1", AAAX_SEAT: "somebody", ...environment }
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (part: string) => (stdout += part))
    child.stderr.setEncoding("utf8").on("data", (part: string) => (stderr += part))
    child.on("close", (code) => resolve({ code, stdout, stderr, left: readdirSync(temporary).filter((name) => !name.startsWith("node-compile-cache")) }))
  })

describe("aaax demo", () => {
  it("plays its story, says what came of each step, and leaves nothing behind", async () => {
    const told = await demo([])
    expect(told, told.stderr).toMatchObject({ code: 0, left: [] })
    for (const line of [
      "ready to begin: T-1", "granted, epoch 1", "file scope conflicts with 'T-1' held by alice", "refused: alice has claimed it; the file is as it was", "bob holds src/auth/**",
      "refused: it is bob's now", "with bob's checkpoint", "refused: nobody has claimed docs/login.md", "done: ", "ready to begin: T-2", "Nothing is left behind."
    ]) expect(told.stdout).toContain(line)
  })

  it("--json gives the same as data", async () => {
    const told = await demo(["--json"])
    expect(told, told.stderr).toMatchObject({ code: 0, left: [] })
    const { ok, steps } = JSON.parse(told.stdout) as { readonly ok: boolean; readonly steps: ReadonlyArray<{ readonly step: string; readonly told: ReadonlyArray<object> }> }
    expect(ok).toBe(true)
    expect(steps.map(({ step }) => step)).toEqual(["repository", "declare", "claim", "overlap", "enforce", "handoff", "crash", "commit"])
    for (const { told: lines } of steps) expect(lines[0]).toEqual({ who: expect.any(String), did: expect.any(String), came: expect.any(String) })
  })

  it("fails when a step does not come out as it must: a git that passes the gate by", async () => {
    const real = execFileSync("sh", ["-c", "command -v git"], { encoding: "utf8" }).trim()
    mkdirSync(join(folder, "bin"))
    writeFileSync(join(folder, "bin/git"), `#!/bin/sh\nlast=\nfor one; do [ "$one" = commit ] && last=--no-verify; done\nexec ${real} "$@" $last\n`, { mode: 0o755 })
    const told = await demo([], { PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}` })
    expect(told).toMatchObject({ code: 1, left: [] })
    expect(told.stderr).toContain('the demo went wrong at "A commit of what is not claimed is refused": git commit ended with 0')
  })

  it("says so where there is no git", async () => {
    const told = await demo([], { PATH: join(folder, "nothing") })
    expect(told).toMatchObject({ code: 1, left: [] })
    expect(told.stderr).toContain("git was not found on PATH")
  })

  it("says so where this machine cannot be reached by itself, and shows every line of what went wrong", () => {
    expect(wentWrong("a step", "No kernel answers: connect ENETUNREACH 127.0.0.1:1\ntry: aaax git status")).toBe([
      'the demo went wrong at "a step": No kernel answers: connect ENETUNREACH 127.0.0.1:1', "try: aaax git status",
      "127.0.0.1 cannot be reached: the demo needs no other network, but the loopback interface must be up."
    ].join("\n"))
    expect(wentWrong("a step", "nothing of that kind")).toBe('the demo went wrong at "a step": nothing of that kind')
  })
})
