// Tokens from the command line, and what they open over HTTP: the built program, published, in a process of its own.
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { build, makeFolder, runFileOf, type Folder } from "../kit/command-line.ts"

let folder: Folder
let url: string

const as = (credential: string | undefined) => async (method: string, path: string, body?: unknown): Promise<readonly [number, unknown]> => {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { ...(credential === undefined ? {} : { authorization: credential }), ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  const text = await answer.text()
  return [answer.status, text === "" ? undefined : JSON.parse(text)]
}
const mint = async (...args: ReadonlyArray<string>): Promise<string> => (await folder.aaax("token", "mint", ...args)).stdout.trim()

beforeAll(async () => {
  await build()
  folder = makeFolder()
  folder.write("aaax.json", JSON.stringify({ id: "test", channels: [{ name: "news", visibility: "public" }, { name: "hidden" }], modules: [{ id: "echo", file: "aaax/modules/echo" }] }))
  const running = await folder.launch("aaax.json", "--publish", "--port", "0")
  url = /Published\s+(http:\S+)/u.exec(running.stderr())?.[1] ?? runFileOf(folder)!.url
}, 60_000)
afterAll(() => folder.remove())

describe("a token from the command line", () => {
  it("[100] [101] [103] opens the published channels as bearer or as password, as far as its role goes, until it is revoked", async () => {
    const writer = await mint("ada", "--role", "write", "--ttl", "1h")
    const reader = await mint("ben", "--role", "read")
    expect(await as(`Bearer ${writer}`)("PUT", "/channels/news", { temp: 21 })).toMatchObject([200, { status: "accepted" }])
    const password = `Basic ${Buffer.from(`anyone:${reader}`).toString("base64")}`
    expect(await as(password)("GET", "/channels/news")).toMatchObject([200, { messages: [{ sender_id: "ada", content: { data: { temp: 21 } } }] }])
    expect(await as(`Bearer ${reader}`)("PUT", "/channels/news", 1)).toEqual([403, { detail: "Token does not permit 'write' on channel 'news'." }])
    expect((await as(`Bearer ${reader}`)("GET", "/channels/hidden"))[0]).toBe(404)
    expect(await as(undefined)("GET", "/channels/news")).toEqual([401, { detail: "Missing Bearer token." }])
    expect((await as("Bearer nonsense")("GET", "/channels/news"))[0]).toBe(401)
    expect((await as(`Bearer ${writer}`)("POST", "/v1/down", {}))[0]).toBe(403)
    expect(await folder.aaax("token", "revoke", "ada")).toMatchObject({ code: 0, stdout: expect.stringContaining("ada, write") })
    expect((await as(`Bearer ${writer}`)("PUT", "/channels/news", 2))[0]).toBe(401)
    expect((await as(`Bearer ${reader}`)("GET", "/channels/news/info"))[0]).toBe(200)
  })

  it("is listed without its secret, with its scope and when it ends", async () => {
    const minted = JSON.parse((await folder.aaax("token", "mint", "ci", "--role", "admin", "--channel", "job*", "--channel", "news", "--system", "--ttl", "30m", "--json")).stdout) as { jti: string; token: string; mintedAt: number; expiresAt: number }
    expect(minted).toMatchObject({ name: "ci", role: "admin", channels: ["job*", "news"], docks: true })
    expect(minted.expiresAt - minted.mintedAt).toBe(30 * 60_000)
    const listed = await folder.aaax("token", "ls")
    expect(listed.stdout).toContain(minted.jti)
    expect(listed.stdout).toContain("job*, news; docks systems")
    expect((await folder.aaax("token", "ls", "--json")).stdout).not.toContain(minted.token.split(".")[2])
    // The beginning of its id is enough.
    expect((await folder.aaax("token", "revoke", minted.jti.slice(0, 12))).stdout).toContain(minted.jti)
  })

  it("says what is wrong with a name, a role, a time or an id, each with its exit code", async () => {
    const codes = await Promise.all([
      ["mint", "echo", "--role", "read"], ["mint", "ada", "--role", "boss"], ["mint", "ada", "--role", "read", "--ttl", "9999d"], ["revoke", "nobody"]
    ].map(async (args) => (await folder.aaax("token", ...args)).code))
    expect(codes).toEqual([4, 2, 2, 3])
  })

  it("is signed with a key that lies beside the store, for its owner alone", () => {
    const file = join(folder.path, ".aaax/token-key.jwk")
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const { d } = JSON.parse(readFileSync(file, "utf8")) as { d: string }
    expect(readFileSync(join(folder.path, ".aaax/kernel.db")).includes(d)).toBe(false)
  })
})
