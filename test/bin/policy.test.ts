// Policy from the command line: try it on the journal, put it in force, take it back, freeze and thaw.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { build, type Folder, makeFolder, type Running } from "../kit/command-line.ts"

/** `correct horse`: this kernel has no terminal to show codes on. */
const passphrase = "scrypt$32768$8$1$DZ3ZO-CGchqHdJcf7gqd-w$IgHKxXjAYJKV8Y2ltLC-7mI9RtWyIbYPScMOn6eHgrw"
const proof = ["--passphrase", "@passphrase"] as const

describe("aaax policy", () => {
  let folder: Folder
  let running: Running
  beforeAll(async () => {
    await build()
    folder = makeFolder()
    folder.write("passphrase", "correct horse\n")
    folder.write("aaax.config.json", JSON.stringify({ approvals: { passphrase }, executors: { "fs.write": { roots: ["reports"] } }, modules: [], policy: "default" }))
    folder.write("strict.toml", "[default_action]\nlow = \"deny\"\n")
    running = await folder.launch()
  }, 120_000)
  afterAll(() => {
    running.child.kill("SIGKILL")
    folder.remove()
  })
  const act = (name: string) => folder.aaax("act", "fs.write", name, "--payload", "{\"content\":\"x\"}", "--risk", "low", "--wait")
  const json = async (...args: ReadonlyArray<string>): Promise<Record<string, unknown>> => {
    const ran = await folder.aaax(...args, "--json")
    expect(ran).toMatchObject({ code: 0 })
    return JSON.parse(ran.stdout) as Record<string, unknown>
  }

  it("is tried, put in force, explained and taken back; and the kill switch stops everything", async () => {
    expect((await act("a.md")).code).toBe(0)
    expect(await json("policy", "check", "strict.toml")).toMatchObject({ ok: true, activates: true })
    expect(await json("policy", "test", "strict.toml", "--since", "1h")).toMatchObject({ changes: [{ was: "allow", now: "deny", what: "fs.write a.md" }] })
    expect(await folder.aaax("policy", "activate", "strict.toml")).toMatchObject({ code: 4, stderr: expect.stringContaining("needs a human") })
    expect(await json("policy", "activate", "strict.toml", "--reason", "incident", ...proof)).toMatchObject({ origin: "operator", reason: "incident" })
    const denied = await act("b.md")
    expect(denied).toMatchObject({ code: 4, stderr: expect.stringContaining("Denied for risk 'medium'") })
    expect(await json("policy", "explain", "--executor", "fs.write", "--target", "b.md", "--risk", "low")).toMatchObject({ verdict: { outcome: "deny", rule: "risk" } })
    expect((await folder.aaax("policy", "revert")).code).toBe(4)
    expect((await folder.aaax("policy", "log")).stdout).toContain("(incident)")
    expect(await json("policy", "revert", ...proof)).toMatchObject({ origin: "config" })
    expect(await json("freeze", "--reason", "smoke")).toMatchObject({ changed: true, frozen: { reason: "smoke" } })
    expect(await act("c.md")).toMatchObject({ code: 1, stderr: expect.stringContaining("unavailable: frozen by operator: smoke") })
    expect((await folder.aaax("status")).stderr).toContain("FROZEN by operator: smoke")
    expect((await folder.aaax("thaw")).code).toBe(4)
    expect(await json("thaw", ...proof)).toMatchObject({ changed: true, frozen: null })
    expect((await act("d.md")).code).toBe(0)
    expect(await folder.aaax("policy", "revert", "ffffff", ...proof)).toMatchObject({ code: 2, stderr: expect.stringContaining("no policy ffffff was in force") })
    expect(await folder.aaax("policy", "check", "missing.toml")).toMatchObject({ code: 3 })
  }, 120_000)

  it("is tried on the journal of a kernel that does not run", async () => {
    expect((await folder.aaax("down")).code).toBe(0)
    await running.ended
    const told = await json("policy", "test", "strict.toml") as { systems: ReadonlyArray<{ denied: number; unasked: number }> }
    expect(told.systems).toMatchObject([{ denied: 2, unasked: 1 }])
  }, 60_000)
})
