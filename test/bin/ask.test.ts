// A seat that a file drives: what it asks, line by line, and what it is answered.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { SynapseHub } from "../../kernel/synapse-hub.ts"
import { SynapseAgent } from "../../libos/synapse/agent.ts"
import { aaax, objectsOf, type Told } from "../kit/command.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-ask-"))
let hub: SynapseHub
beforeAll(async () => {
  hub = await new SynapseHub({ port: 0 }).start()
})
afterAll(async () => {
  await hub.stop()
  rmSync(directory, { recursive: true, force: true })
})

const ask = (seat: string, lines: string): Promise<Told> => {
  const file = join(directory, `${seat}.ndjson`)
  writeFileSync(file, lines)
  return aaax("ask", file, "--uri", hub.uri, "--name", seat, "--dir", directory)
}
const linesOf = (...asks: ReadonlyArray<object>): string => asks.map((one) => `${JSON.stringify(one)}\n`).join("")

describe("aaax ask", () => {
  it("answers each request of a file with a line, in order, short commands among them", async () => {
    const told = await ask("ada", linesOf(
      { k: "claim", id: "api", n: "mine" }, { verb: "checkpoint", task: "api", checkpoint: "half way" }, { k: "task_update", id: "api", status: "working" },
      { k: "chat", p: "half way", to: "bob" }, { verb: "state", task: "api" }, { k: "release", id: "api" }
    ))
    expect(told, told.stderr).toMatchObject({ code: 0, stderr: "" })
    expect(objectsOf(told)).toMatchObject([
      { ok: true, claim: { task: "api", owner: "ada", note: "mine", status: "claimed" } }, { ok: true, task: "api", version: 1 }, { ok: true, claim: { status: "working", version: 2 } },
      { ok: true }, { ok: true, items: [{ task: "api", checkpoint: "half way" }] }, { ok: true, task: "api" }
    ])
  })

  it("tells refusals apart, goes on behind them, and ends with 1", async () => {
    using bob = await SynapseAgent.connect({ uri: hub.uri, name: "bob" })
    await bob.claim("taken", { worktree: "w", paths: ["src"] })
    const told = await ask("eve", `{"verb":"claim","task":"mine","worktree":"w","paths":["src/a"]}\n\n{oops\n{"k":"dance"}\n{"verb":"release","task":"taken"}\n{"verb":"leave"}\n{"k":"who"}`)
    expect(told).toMatchObject({ code: 1, stderr: expect.stringContaining("5 of the requests were refused.") })
    expect(objectsOf(told)).toMatchObject([
      { ok: false, code: "SCOPE_CONFLICT", holder: "bob", conflict: "taken" }, { ok: false, code: "INVALID", message: "Malformed JSON." },
      { ok: false, code: "INVALID", message: expect.stringContaining("Unsupported command kind 'dance'") }, { ok: false, code: "NOT_OWNER" },
      { ok: false, code: "INVALID" }, { ok: true, seats: expect.arrayContaining([expect.objectContaining({ seat: "eve", online: true })]) }
    ])
  })

  it("reads no line that is too long, and nothing behind it", async () => {
    const told = await ask("zoe", `{"k":"who"}\n${JSON.stringify({ k: "chat", p: "x".repeat(1_100_000) })}\n{"k":"who"}\n`)
    expect(told).toMatchObject({ code: 2, stderr: expect.stringContaining("A line has more than 1048576 bytes") })
    expect(objectsOf(told)).toHaveLength(1)
  })

  it("says which file it cannot read", async () => {
    const told = await aaax("ask", join(directory, "none"), "--uri", hub.uri, "--name", "nobody", "--dir", directory)
    expect(told).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(/none cannot be read: ENOENT/u) })
  })
})
