// Executors and secrets from a config: names are kept as they are written, mistakes are told with their place.
import { Effect, Exit } from "effect"
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { decodeConfig } from "../../../kernel/config.ts"
import { configured } from "../../../kernel/executor/configured.ts"
import { ConfigInvalid } from "../../../protocol/errors.ts"

let base: string
beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), "aaax-configured-")))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

const make = (input: object) =>
  Effect.runPromiseExit(Effect.flatMap(decodeConfig(input as never, "aaax.toml"), (config) => configured(config.executors, config.secrets, base)))
const issues = async (input: object): Promise<ReadonlyArray<string>> => {
  const exit = await make(input)
  const [first] = Exit.isFailure(exit) ? exit.cause.reasons : []
  return first?._tag === "Fail" && first.error instanceof ConfigInvalid ? first.error.issues.map(({ nearest, path, reason }) => `${path}: ${reason}${nearest === undefined ? "" : ` ${nearest}`}`) : []
}

describe("a config", () => {
  it("makes executors in snake_case and camelCase, and keeps the names of secrets and repositories", async () => {
    const exit = await make({
      executors: {
        "fs.read": { roots: [".", { path: "private_data", labels: ["personal_data"] }], bytes_max: 10 },
        "http.fetch": { allow: ["www.example.com", { hosts: ["api.example.com"], methods: ["POST"], idempotency_key: true }], allow_private: ["127.0.0.1:81"], timeout_millis: 5 },
        git: { repositories: { my_site: { path: "." } } }
      },
      secrets: { GITHUB_TOKEN: { from: "env:AAAX_TEST_NEVER", hosts: ["api.example.com"] } }
    })
    const { executors, secrets } = Exit.isSuccess(exit) ? exit.value : await Promise.reject(new Error(JSON.stringify(exit.cause)))
    expect(executors.map(({ name }) => name)).toEqual(["fs.read", "http.fetch", "git"])
    const [read, fetch, git] = executors
    expect(read?.check?.({ target: "private_data:a", payload: { length: 10 } })).toBeUndefined()
    expect(read?.check?.({ target: "a", payload: { length: 11 } })).toMatch(/at most 10 bytes/u)
    expect(fetch?.check?.({ target: "https://www.example.com/", payload: null })).toBeUndefined()
    expect(fetch?.recoveryOf?.({ target: "https://api.example.com/", payload: { method: "POST" } })).toBe("idempotent")
    expect(git?.check?.({ target: "my_site", payload: { op: "status" } })).toBeUndefined()
    expect(secrets.list()).toMatchObject([{ name: "GITHUB_TOKEN", hosts: ["api.example.com"] }])
  })

  it("serves nothing that it does not declare", async () => {
    const exit = await make({})
    expect(Exit.isSuccess(exit) && exit.value.executors).toEqual([])
  })

  it("is refused for a secret that others may read, a host that is none, and a word that is none", async () => {
    writeFileSync(join(base, "key"), "battery staple", { mode: 0o644 })
    expect(await issues({ secrets: { KEY: "file:key" } })).toEqual([expect.stringMatching(/^secrets\.KEY: others may read .*chmod 600/u)])
    expect(await issues({ executors: { "http.fetch": { allow: ["HTTPS://example.com"] } } })).toEqual([expect.stringMatching(/^executors\.http\.fetch\.allow\[0\]\.hosts\[0\]: /u)])
    expect(await issues({ executors: { "http.fetch": { allow: [], allowPrivat: [] } } })).toEqual([expect.stringMatching(/allowPrivat.*allowPrivate/u)])
    expect(await issues({ executors: { "http.fetch": { allow: [], ca: "nowhere.pem" } } })).toEqual([expect.stringMatching(/^executors\.http\.fetch\.ca: /u)])
  })
})
