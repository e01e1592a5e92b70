// The ancestor's commands under our name: its flags, its lines and its exit codes; and every refusal said and told apart.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, describe, expect, it } from "vitest"
import { fakeHub, type FakeHub, type FakeOptions } from "../../kit/hub-fake.ts"
import { aaax, type Told } from "../../kit/command.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-synapse-cli-"))
const ends: Array<() => unknown> = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const hubWith = async (options?: FakeOptions): Promise<FakeHub> => {
  const hub = await fakeHub(options)
  ends.push(hub.close)
  return hub
}
const cli = (...args: ReadonlyArray<string>): Promise<Told> => aaax(...args, "--dir", directory)

describe("with a hub of the ancestor's kind", () => {
  it("[46] wait ends 0 with one line, 2 when nobody wrote in time, 3 when the connection broke and 1 without a hub", async () => {
    const hub = await hubWith()
    const at = ["--uri", hub.uri, "--name", "A"]
    let said = 0
    const say = (sender: string, target: string, payload: string) => hub.broadcast({ type: "chat", sender, target, payload, msg_id: ++said })
    const waiting = cli("wait", ...at, "--directed-only")
    await hub.next(({ sender }) => sender === "A-rx")
    say("A", "all", "my own")
    say("A-rx", "A", "my own, too")
    say("B", "all", "for everybody")
    say("B", "C,D", "for others")
    say("B", "x, A", "for me")
    expect(await waiting).toEqual({ code: 0, stdout: "B: for me\n", stderr: "" })
    expect(await cli("wait", ...at, "--timeout", "0.05")).toMatchObject({ code: 2, stdout: "" })
    await hub.next(({ sender }) => sender === "A-rx")
    const dropped = cli("wait", ...at)
    await hub.next(({ sender, type }) => sender === "A-rx" && type === "heartbeat")
    hub.cut()
    expect(await dropped).toMatchObject({ code: 3, stdout: "", stderr: `[A-rx] connection to ${hub.uri} closed; re-arm the waiter.\n` })
    await hub.close()
    expect(await cli("wait", ...at)).toEqual({ code: 1, stdout: "", stderr: `[A-rx] Could not reach hub at ${hub.uri}.\n` })
  })
})
