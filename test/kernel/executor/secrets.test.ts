// Secrets: where they may come from, who may be given them, and what is said of those that may not.
import { Effect } from "effect"
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { executor as processRun, type Ran } from "../../../kernel/executor/process-run.ts"
import { forExecutors, handlesIn, makeSecrets } from "../../../kernel/executor/secrets.ts"
import { secretBytesMax, secretValuesMax } from "../../../kernel/limits.ts"
import { ConfigInvalid } from "../../../protocol/errors.ts"
import { callOf } from "../../contract/call.ts"

const variable = "AAAX_TEST_SECRET_VALUE"
let base: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-secret-")))
  process.env[variable] = "correct horse"
})
afterEach(() => {
  delete process.env[variable]
  rmSync(base, { recursive: true, force: true })
})
const issue = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    if (error instanceof ConfigInvalid) return error.issues.map(({ path, reason }) => `${path}: ${reason}`).join("\n")
    throw error
  }
  return "it was taken"
}
const key = (content: string, mode = 0o600): string => {
  const path = join(base, "key")
  writeFileSync(path, content)
  chmodSync(path, mode)
  return path
}

describe("a source", () => {
  it("is a variable, or a file without the end of its last line", () => {
    key("battery staple\r\n")
    const secrets = makeSecrets({ A: { from: `env:${variable}`, executors: ["x"] }, B: { from: "file:key", executors: ["x"] } }, base)
    expect([secrets.value("A", { executor: "x" }), secrets.value("B", { executor: "x" })]).toEqual(["correct horse", "battery staple"])
  })

  it.each([0o644, 0o640, 0o604, 0o660, 0o777])("is no file that others may read (mode %o)", (mode) => {
    key("battery staple", mode)
    expect(issue(() => makeSecrets({ B: { from: "file:key" } }, base))).toMatch(/^secrets\.B: others may read .*chmod 600/u)
  })

  it("is no link, no folder, nothing too short and nothing too long", () => {
    const path = key("battery staple")
    symlinkSync(path, join(base, "link"))
    mkdirSync(join(base, "folder"))
    expect(issue(() => makeSecrets({ B: { from: "file:link" } }, base))).toMatch(/is a link/u)
    expect(issue(() => makeSecrets({ B: { from: "file:folder" } }, base))).toMatch(/is not a file/u)
    key("short")
    expect(issue(() => makeSecrets({ B: { from: "file:key" } }, base))).toMatch(/fewer than 8 characters/u)
    key("x".repeat(secretBytesMax + 1))
    expect(issue(() => makeSecrets({ B: { from: "file:key" } }, base))).toMatch(/more than \d+ bytes/u)
  })

  it.each([["correct horse"], ["env:"], ["GITHUB_TOKEN"], ["vault:x"]])("is not %j, which is not said again", (from) => {
    expect(issue(() => makeSecrets({ B: { from } }, base))).toBe('secrets.B: say where it is: "env:NAME" or "file:PATH".')
  })

  it("has a plain name", () => {
    expect(issue(() => makeSecrets({ "a-b": { from: `env:${variable}` } }, base))).toMatch(/a name is a letter/u)
  })

  it("that is not there yet is told of when it is used, without its value or its like", () => {
    const secrets = makeSecrets({ A: { from: "env:AAAX_TEST_NEVER", executors: ["x"] }, B: { from: "file:none", executors: ["x"] } }, base)
    expect(() => secrets.value("A", { executor: "x" })).toThrow("the secret A: the variable AAAX_TEST_NEVER is not set")
    process.env[variable] = ""
    expect(() => makeSecrets({ A: { from: `env:${variable}`, executors: ["x"] } }).value("A", { executor: "x" })).toThrow(`the variable ${variable} is not set`)
    expect(() => secrets.value("B", { executor: "x" })).toThrow(/the secret B: .*ENOENT/u)
    expect(secrets.list()).toMatchObject([{ name: "A", problem: expect.any(String) as unknown }, { name: "B", problem: expect.any(String) as unknown }])
  })

  it("that others may read from now on is refused from now on", () => {
    const path = key("battery staple")
    const secrets = makeSecrets({ B: { from: "file:key", executors: ["x"] } }, base)
    chmodSync(path, 0o644)
    expect(() => secrets.value("B", { executor: "x" })).toThrow(/others may read/u)
  })

  it("is read anew, and what it was is still struck out", () => {
    const secrets = makeSecrets({ A: { from: `env:${variable}`, executors: ["x"] } })
    for (let at = 0; at < secretValuesMax - 1; at++) {
      process.env[variable] = `changed value ${at}`
      expect(secrets.value("A", { executor: "x" })).toBe(`changed value ${at}`)
    }
    expect(secrets.redaction.text("correct horse, changed value 0, changed value 3")).toBe("[secret:A], [secret:A], [secret:A]")
  })

  it("is known by what it is, not by its name", () => {
    const path = key("battery staple")
    const secrets = makeSecrets({ B: { from: "file:key" } }, base)
    expect(secrets.isSource(statSync(path))).toBe(true)
    expect(secrets.isSource(statSync(base))).toBe(false)
  })
})

describe("a use", () => {
  it("is one that config binds it to, each exactly", () => {
    const secrets = makeSecrets({ A: { from: `env:${variable}`, hosts: ["api.example.com"], programs: ["gh"], executors: ["mail"] }, B: { from: `env:${variable}` } })
    expect([{ host: "api.example.com" }, { program: "gh" }, { executor: "mail" }].map((use) => secrets.refusal("A", use))).toEqual([undefined, undefined, undefined])
    for (const use of [{ host: "api.example.com:8443" }, { host: "example.com" }, { host: "gh" }, { program: "mail" }, { executor: "gh" }]) {
      expect(secrets.refusal("A", use), JSON.stringify(use)).toMatch(/the secret A is not for/u)
      expect(() => secrets.value("A", use)).toThrow(/is not for/u)
    }
    expect(secrets.refusal("B", { executor: "mail" })).toMatch(/its `executors` in the config: none/u)
    expect(secrets.refusal("constructor", { executor: "mail" })).toMatch(/there is no secret constructor; config names A, B/u)
  })

  it("of an executor of one's own fails typed, without a value", async () => {
    const { secret } = forExecutors(makeSecrets({ A: { from: `env:${variable}`, executors: ["mail"] } }))
    expect(await Effect.runPromise(secret("mail", "A"))).toBe("correct horse")
    expect(await Effect.runPromise(Effect.flip(secret("phone", "A")))).toEqual({ reason: "the secret A is not for phone; its `executors` in the config: mail" })
  })

  it("is written as a handle that stands alone", () => {
    expect(handlesIn("Bearer secret:A, secret:B_2;secret:C")).toEqual(["A", "B_2", "C"])
    expect(handlesIn("mysecret:A xsecret:B /secret:C secret:1 https://secret:pw@host")).toEqual([])
  })
})

describe("a program", () => {
  const make = (programs: ReadonlyArray<string>) =>
    processRun({ programs: { node: process.execPath }, root: base, env: { LANG: "C" }, secrets: makeSecrets({ A: { from: `env:${variable}`, programs } }) })
  const show = (env: Readonly<Record<string, string>>) => ({ args: ["-e", "process.stdout.write(JSON.stringify(process.env))"], env })

  it("is given a secret as a variable when it is for it", async () => {
    const executor = make(["node"])
    const ran = await Effect.runPromise(executor.perform(callOf(executor, "node", show({ TOKEN: "secret:A" }), "1"))) as Ran
    expect(JSON.parse(ran.stdout)).toEqual({ LANG: "C", TOKEN: "correct horse" })
  })

  it.each([
    [{ TOKEN: "secret:B" }, /no secret B/u], [{ TOKEN: "plain" }, /not a secret:NAME/u], [{ TOKEN: "x secret:A" }, /not a secret:NAME/u], [{ LANG: "secret:A" }, /not a variable/u],
    [{ LD_PRELOAD: "secret:A" }, /not a variable/u], [{ NODE_OPTIONS: "secret:A" }, /not a variable/u], [{ PATH: "secret:A" }, /not a variable/u], [{ "A=B": "secret:A" }, /not a variable/u]
  ])("is not given %j", (env, reason) => {
    expect(make(["node"]).check?.({ target: "node", payload: show(env) })).toMatch(reason)
    expect(make(["other"]).check?.({ target: "node", payload: show({ TOKEN: "secret:A" }) })).toMatch(/the secret A is not for node/u)
  })
})
