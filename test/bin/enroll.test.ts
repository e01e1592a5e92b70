// Keys from the command line, and what they open: the built program, published, in a process of its own.
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { attenuate, createClient } from "../../libos/client.ts"
import { build, makeFolder, runFileOf, type Folder, type Running } from "../kit/command-line.ts"

let folder: Folder
let running: Running
let url: string

const launched = async (): Promise<void> => {
  running = await folder.launch("aaax.json", "--publish", "--port", "0")
  url = /Published\s+(http:\S+)/u.exec(running.stderr())?.[1] ?? runFileOf(folder)!.url
}
const keyIn = (file: string) => JSON.parse(readFileSync(join(folder.path, file), "utf8"))

beforeAll(async () => {
  await build()
  folder = makeFolder()
  folder.write("aaax.json", JSON.stringify({
    id: "test", policy: "default", executors: { "fs.write": { roots: ["."] } }, channels: [{ name: "news", visibility: "public" }]
  }))
  mkdirSync(join(folder.path, "out"))
  await launched()
}, 120_000)
afterAll(() => folder.remove())

describe("a key from the command line", () => {
  it("is made in a file for its owner alone, which is never overwritten, and opens the kernel", async () => {
    const told = await folder.aaax("enroll", "ada", "--json")
    expect(told).toMatchObject({ code: 0 })
    expect(JSON.parse(told.stdout)).toMatchObject({ system: "ada", role: "write", file: join(folder.path, "ada.key.json") })
    expect(told.stdout).not.toContain(keyIn("ada.key.json").d)
    if (process.platform !== "win32") expect(statSync(join(folder.path, "ada.key.json")).mode & 0o777).toBe(0o600)
    expect(await folder.aaax("enroll", "ada")).toMatchObject({ code: 5 })
    expect(await folder.aaax("enroll", "ada", "--key", "second.json")).toMatchObject({ code: 5, stderr: expect.stringContaining("--replace") })
    expect(existsSync(join(folder.path, "second.json"))).toBe(false)
    await createClient({ url, key: keyIn("ada.key.json") }).channels.append("news", { payload: 1 })
  })

  it("is listed, shown as a card, registered from its public half, and revoked", async () => {
    const { x } = keyIn("ada.key.json")
    folder.write("ben.jwk", JSON.stringify({ crv: "Ed25519", kty: "OKP", x }))
    expect(await folder.aaax("enroll", "ben", "--public", "ben.jwk", "--role", "read", "--channel", "news")).toMatchObject({ code: 0, stdout: expect.stringContaining("read on news") })
    expect(JSON.parse((await folder.aaax("enroll", "ls", "--json")).stdout).map(({ system }: { system: string }) => system)).toEqual(["ada", "ben"])
    expect(JSON.parse((await folder.aaax("enroll", "card", "ben")).stdout)).toEqual({ system: "ben", kid: keyIn("ada.key.json").kid, epoch: expect.any(Number) })
    expect(await folder.aaax("enroll", "revoke", "ben")).toMatchObject({ code: 0 })
    expect(await folder.aaax("enroll", "cy", "--public", "{}")).toMatchObject({ code: 2 })
  })

  it("holds capabilities, whose tokens are narrowed offline and outlive the kernel that signed them", async () => {
    const ada = keyIn("ada.key.json")
    await folder.aaax("enroll", "dan", "--key", "dan.json")
    const issued = await folder.aaax("cap", "issue", "ada", "fs.write", "--target", "out/**", "--json")
    expect(issued).toMatchObject({ code: 0 })
    const { id } = JSON.parse(issued.stdout)
    const token = (await folder.aaax("cap", "token", id, "--ttl", "1h")).stdout.trim()
    const dan = keyIn("dan.json")
    const narrow = await attenuate(token, { to: JSON.parse((await folder.aaax("enroll", "card", "dan")).stdout), caveats: { targets: ["out/a.txt"] }, key: ada })
    const act = (target: string) => createClient({ url, key: dan }).act({ executor: "fs.write", target, payload: { content: "x" }, risk: "low", capability: narrow }, { waitMillis: 20_000 })
    const kinds = ["action_approved", "action_completed", "action_escalated"]
    expect(kinds).toContain((await act("out/a.txt")).reply?.kind)
    expect(await act("out/b.txt")).toMatchObject({ reply: { kind: "action_denied" } })
    await folder.aaax("down")
    await running.ended
    await launched()
    expect(kinds).toContain((await act("out/a.txt")).reply?.kind)
    for (const turn of [1, 2]) expect(await folder.aaax("enroll", "rotate"), `${turn}`).toMatchObject({ code: 0 })
    expect(await act("out/a.txt")).toMatchObject({ reply: { kind: "action_denied", payload: { reason: expect.stringContaining("key that this kernel does not use") } } })
    if (process.platform !== "win32") {
      for (const generation of [1, 2, 3]) expect(statSync(join(folder.path, `.aaax/capability-key-${generation}.jwk`)).mode & 0o777).toBe(0o600)
    }
  }, 120_000)
})
