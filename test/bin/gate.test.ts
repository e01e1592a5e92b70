// The gate from the command line, against a kernel in this process, and once in front of a real terminal.
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Standing, Why } from "../../protocol/approval.ts"
import type { Port } from "../../protocol/port.ts"
import type { GateView } from "../../protocol/view.ts"
import { aaax, type Told } from "../kit/command.ts"
import { build, entry, makeFolder } from "../kit/command-line.ts"
import { counted } from "../kit/executors.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../kit/probe.ts"
import { runIn, type Running } from "../kit/running.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-gate-"))
const shown: Array<string> = []
const { calls, executor } = counted("launch", { risk: "irreversible" })
let running: Running
let port: Port
let capability: string

const gate = (...args: ReadonlyArray<string>): Promise<Told> => aaax("gate", ...args, "--dir", directory)
const json = async <A>(...args: ReadonlyArray<string>): Promise<A> => JSON.parse((await gate(...args, "--json")).stdout) as A
const run = <A>(effect: Effect.Effect<A, unknown>): Promise<A> => Effect.runPromise(effect)
const park = (target = "moon", payload: unknown = { n: 1 }): Promise<string> =>
  run(Effect.gen(function*() {
    const id = yield* requestAction(port, { action: "go", executor: "launch", target, payload, capability, risk_level: "low" })
    yield* awaitReply(port, id, "action_escalated")
    return id
  }))
/** The code that the kernel shows for an answer, after it was asked for. */
const codeOf = async (...args: ReadonlyArray<string>): Promise<string> => {
  running.kernel.time.advance(5_000)
  expect((await gate(...args)).code).toBe(4)
  return /code (\S+) /u.exec(shown.at(-1) ?? "")?.[1] ?? ""
}

beforeAll(async () => {
  running = await runIn(directory, { executors: [executor], terminal: (line) => void shown.push(line), passphrase: "correct horse" })
  port = await run(probe(running.kernel, "a", { executors: ["launch"] }))
  capability = await run(tokenFor(port, "launch"))
  writeFileSync(join(directory, "right"), "correct horse\n")
  writeFileSync(join(directory, "wrong"), "wrong horse\n")
})
afterAll(async () => {
  await running.stop()
  rmSync(directory, { recursive: true, force: true })
})

describe("aaax gate", () => {
  it("shows the inbox with what is left, whole or by kind, and one story on a screen that nothing in it can steer", async () => {
    const id = await park("moon\u202e/x", { note: "a\u001b[2J\u2066b" })
    const inbox = (await gate()).stdout
    expect(inbox).toMatch(/REQUEST +STATE +RISK +SYSTEM +EXECUTOR +AGE +ENDS IN +TARGET +WITH/u)
    expect(inbox).toMatch(new RegExp(`${id} +escalated +irreversible +a +launch +\\d+ s +15 min +moon·/x +\\{"note":"a\\\\u001b\\[2J·b"\\}`, "u"))
    expect((await gate("ls", "--group")).stdout).toMatch(/1 +escalated +irreversible +a +launch +go/u)
    expect((await gate("ls", "--match", "launch:mars/**")).stdout).toContain("Nothing waits.")
    const { stdout } = await gate("show", id)
    // oxlint-disable-next-line no-control-regex -- they are what must not be there
    expect(stdout).not.toMatch(/[\u001b\u202e\u2066]/u)
    for (const part of ["target    \"moon\\u202e/x\"", "\"note\": \"a\\u001b[2J\\u2066b\"", "ends as a refusal in 15 min", `grant     ${capability}  a may execute launch`, "rule      granted: Risk 'irreversible'"]) {
      expect(stdout).toContain(part)
    }
    expect(await json<{ canonical: string }>("show", id)).toMatchObject({
      canonical: `{"action":"go","executor":"launch","payload":{"note":"a\\u001b[2J\u2066b"},"target":"moon\u202e/x"}`
    })
    expect((await gate("deny", id)).stdout).toBe(`denied ${id}: refused\n`)
  })

  it("approves with the code that the terminal shows, or with the passphrase from a file, never from the line", async () => {
    const one = await park()
    const code = await codeOf("approve", one)
    expect((await gate("approve", one, "--code", "0000-0000")).code).toBe(4)
    expect(await gate("approve", one, "--code", code)).toMatchObject({ code: 0, stdout: `approved ${one}: started\n` })
    const two = await park()
    expect((await gate("approve", two, "--passphrase", "correct horse")).code).toBe(2)
    expect((await gate("approve", two, "--passphrase", `@${join(directory, "wrong")}`)).code).toBe(4)
    expect((await gate("approve", two, "--passphrase", `@${join(directory, "right")}`)).code).toBe(0)
    expect((await gate("approve", two)).code).toBe(5)
  })

  it("edits, and approves what that makes of it", async () => {
    const id = await park()
    const edited = await json<GateView>("edit", id, "--payload", "{\"n\":2}", "--reason", "less")
    expect(edited).toMatchObject({ state: "escalated", payload: { n: 2 }, editedBy: "operator" })
    expect((await gate("show", id)).stdout).toMatch(/edited +by operator, [^\n]+: less/u)
    expect((await gate("edit", id, "--payload", "no json")).code).toBe(2)
    const before = calls.length
    // Said without proof, and again with it, as the refusal asks.
    expect((await gate("edit", id, "--payload", "{\"n\":3}", "--approve")).code).toBe(4)
    expect((await gate("edit", id, "--payload", "{\"n\":3}", "--approve", "--passphrase", `@${join(directory, "right")}`)).code).toBe(0)
    await run(awaitReply(port, id))
    expect(calls.slice(before)).toMatchObject([{ payload: { n: 3 } }])
  })

  it("allows more of the same for a while, after saying what that would have matched, and takes it back", async () => {
    const id = await park("docs/a.md")
    const asked = ["approve", id, "--for", "10m", "--target", "docs/*", "--uses", "2", "--passphrase", `@${join(directory, "right")}`]
    const unsure = await gate(...asked)
    expect(unsure.code).toBe(2)
    expect(unsure.stderr).toMatch(/Of the last \d+ actions it would have matched 1, of which 1 had asked a human\./u)
    expect((await gate(...asked, "--yes")).code).toBe(0)
    const [standing] = await json<ReadonlyArray<Standing>>("standing", "ls")
    expect(standing).toMatchObject({ id: `standing:${id}`, target: "docs/*", usesMax: 2 })
    const passed = await run(requestAction(port, { action: "go", executor: "launch", target: "docs/b.md", payload: {}, capability, risk_level: "low" }))
    expect((await run(awaitReply(port, passed))).kind).toBe("action_completed")
    expect((await gate("standing")).stdout).toMatch(/standing:\S+ +a +launch +go +irreversible +1\/2 +\S+ min +operator +docs\/\*/u)
    expect((await gate("standing", "revoke", id)).stdout).toContain("after 1 uses")
    expect((await gate("standing", "revoke", id)).code).toBe(3)
    expect((await gate("approve", id, "--target", "x")).code).toBe(2)
  })

  it("answers all that match, each bound to its own digest, and only when it is meant", async () => {
    const ids = await Promise.all(["tmp/1", "tmp/2", "keep/1"].map((target) => park(target)))
    expect((await gate("deny", "--match", "launch:tmp/*")).code).toBe(2)
    expect((await gate("deny", ids[0]!, "--match", "launch:tmp/*")).code).toBe(2)
    const denied = await json<ReadonlyArray<{ id: string; ok: boolean; state: string }>>("deny", "--match", "launch:tmp/*", "--system", "a", "--yes")
    expect(denied.map(({ id, state }) => [id, state]).sort()).toEqual([[ids[0], "refused"], [ids[1], "refused"]].sort())
    const approved = await json<ReadonlyArray<{ id: string }>>("approve", "--match", "launch", "--yes", "--passphrase", `@${join(directory, "right")}`)
    expect(approved).toMatchObject([{ id: ids[2], ok: true }])
    expect((await gate("approve", "--match", "launch:none", "--yes")).stdout).toBe("Nothing was answered.\n")
  })

  it("says why a path is as it is, and what there is no action for", async () => {
    const id = await park("docs/why.md")
    await gate("approve", id, "--passphrase", `@${join(directory, "right")}`)
    await run(awaitReply(port, id))
    const told = await aaax("why", "docs/why.md", "--dir", directory)
    expect(told.stdout).toMatch(/^warrant +launch on docs\/why\.md +by a, .*\n +succeeded; rule granted.*approved by operator$/mu)
    expect(told.stderr).toContain(`aaax gate show ${id}`)
    expect(JSON.parse((await aaax("why", id, "--dir", directory, "--json")).stdout) as Why).toMatchObject({ as: "request", warrant: id })
    expect((await aaax("why", "docs/other.md", "--dir", directory)).code).toBe(3)
  })

  it("lets a token that was minted for it approve under its own name, and no other", async () => {
    const right = `@${join(directory, "right")}`
    const refused = await aaax("token", "mint", "eve", "--role", "approver", "--dir", directory)
    expect(refused.code).toBe(4)
    // The words are of what was asked, not of an approval.
    expect(refused.stderr).toMatch(/operator's token alone does not do that.*The same again with --code/u)
    const minted = await aaax("token", "mint", "ben", "--role", "approver", "--passphrase", right, "--dir", directory)
    expect(minted).toMatchObject({ code: 0 })
    expect(minted.stderr).toContain("approves")
    const principal = await run(running.kernel.tokens.verify(minted.stdout.trim()))
    expect(principal).toMatchObject({ id: "ben", role: "read", approves: true })
    const plain = await aaax("token", "mint", "cid", "--role", "admin", "--dir", directory)
    expect(await run(running.kernel.tokens.verify(plain.stdout.trim()))).not.toHaveProperty("approves")
  })
})

describe("a passphrase of approvals", () => {
  it("is kept as a hash for its owner alone, and has to be long enough", async () => {
    const folder = mkdtempSync(join(tmpdir(), "aaax-pass-"))
    writeFileSync(join(folder, "aaax.config.json"), JSON.stringify({ id: "x" }))
    writeFileSync(join(folder, "long"), "correct horse")
    writeFileSync(join(folder, "short"), "horse")
    const set = (from: string): Promise<Told> => aaax("gate", "passphrase", "set", "--from", from, "--dir", folder)
    expect((await set(`@${join(folder, "short")}`)).code).toBe(2)
    expect((await set("correct horse")).code).toBe(2)
    expect((await set(`@${join(folder, "long")}`)).code).toBe(0)
    expect(statSync(join(folder, ".aaax/approval-passphrase")).mode & 0o777).toBe(0o600)
    const { stdout } = await aaax("gate", "passphrase", "hash", "--from", `@${join(folder, "long")}`)
    expect(stdout).toMatch(/^scrypt\$32768\$8\$1\$[\w-]+\$[\w-]+\n$/u)
    expect(stdout).not.toContain("horse")
    rmSync(folder, { recursive: true, force: true })
  })
})

/** Starts a kernel in a terminal of its own, asks it for a program, and approves that with what the terminal shows. */
const inTerminal = `
import json, os, pty, re, subprocess, sys, time
node, entry = sys.argv[1:3]
pid, tty = pty.fork()
if pid == 0:
    os.execv(node, [node, entry, "launch"])
seen = b""
def until(pattern):
    global seen
    while True:
        found = re.search(pattern, seen)
        if found: return found
        seen += os.read(tty, 65536)
def aaax(*args):
    ran = subprocess.run([node, entry, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True)
    return ran.returncode, ran.stdout
until(rb"aaax down")
parked = json.loads(aaax("act", "process.run", "echo", "--payload", '{"args":["hi"]}', "--json")[1])["request"]
refused = aaax("gate", "approve", parked)[0]
code = until(rb"code (\\S{4}-\\S{4})  lets terminal do process.run on echo").group(1).decode()
approved = aaax("gate", "approve", parked, "--code", code)[0]
state = ""
while state not in ("succeeded", "failed", "unknown"): state = json.loads(aaax("gate", "show", parked, "--json")[1])["state"]
os.kill(pid, 15)
ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
store = b"".join(open(os.path.join(at, name), "rb").read() for at, _, names in os.walk(".aaax") for name in names)
print(json.dumps({"refused": refused, "approved": approved, "state": state, "ended": ended, "kept": code.encode() in store or code.replace("-", "").encode() in store}))
`

describe("a kernel in front of a terminal", () => {
  it("shows the code there and keeps it nowhere", async () => {
    await build()
    const folder = makeFolder()
    folder.write("aaax.config.json", JSON.stringify({ id: "test", executors: { "process.run": { programs: ["echo"] } } }))
    try {
      const told = await new Promise<string>((resolve, reject) => {
        execFile("python3", ["-c", inTerminal, process.execPath, entry], { cwd: folder.path, env: { ...process.env, NO_COLOR: "1", TERM: "xterm" } }, (error, stdout, stderr) =>
          error === null ? resolve(stdout) : reject(new Error(`${stderr}\n${stdout}`)))
      })
      expect(JSON.parse(told)).toEqual({ refused: 4, approved: 0, state: "succeeded", ended: 0, kept: false })
    } finally {
      folder.remove()
    }
  }, 60_000)
})
