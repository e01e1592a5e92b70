// Giving up what a hub cannot read of its claims, from the command line.
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { SynapseHub, type SynapseHubOptions } from "../../kernel/synapse-hub.ts"
import { SynapseAgent } from "../../libos/synapse/agent.ts"
import { ledger } from "../../protocol/coordination.ts"
import { aaax, type Told } from "../kit/command.ts"

let directory = ""
let hub: SynapseHub | undefined
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "aaax-loss-"))
})
afterEach(async () => {
  await hub?.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** A hub over a ledger in which the second entry is nothing that can be read. */
const broken = async (options: SynapseHubOptions): Promise<SynapseHub> => {
  const db = join(directory, "hub.db")
  const before = await new SynapseHub({ port: 0, db }).start()
  await using agent = new SynapseAgent({ name: "ann", uri: before.uri })
  await agent.ask({ verb: "claim", task: "docs", paths: ["docs"] })
  await Effect.runPromise(before.kernel.effect.channels.append("coordinator", ledger, [{ kind: "claimed", payload: { claim: "nonsense" } }]))
  // As a kill would end it: what is written down when it is drained would not have the entry.
  await Effect.runPromise(before.kernel.effect.undock("coordinator"))
  await before.stop()
  return new SynapseHub({ port: 0, db, ...options }).start()
}

const claims = (...args: ReadonlyArray<string>): Promise<Told> => aaax("claims", ...args, "--uri", hub?.uri ?? "", "--dir", directory)

describe("[128] aaax claims accept-loss", () => {
  it("shows what is lost, gives it up for whoever has the hub's token, and says so", async () => {
    hub = await broken({ tokens: ["s3cret"] })
    const token = ["--token", "s3cret"]
    const listed = await claims("ls", ...token)
    expect(listed).toMatchObject({ code: 0, stdout: expect.stringContaining("docs") })
    expect(listed.stderr).toContain("1 entry of claims and plan cannot be read, so neither is changed. The operator ends this: aaax claims accept-loss")
    expect((await aaax("state", "--uri", hub.uri, "--dir", directory, ...token)).stderr).toContain("cannot be read")
    const declared = await aaax("task", "declare", "T-1", "--title", "x", "--uri", hub.uri, "--dir", directory, ...token)
    expect(declared).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be read (coordination.ledger#2)") })
    const unsure = await claims("accept-loss", ...token)
    expect(unsure).toMatchObject({ code: 2, stderr: expect.stringContaining("lost      coordination.ledger#2: claimed is not whole") })
    expect(unsure.stderr).toContain("repeat it with --yes")
    const given = await claims("accept-loss", "--yes", "--json", "--name", "kim", ...token)
    expect({ ...given, stdout: JSON.parse(given.stdout) }).toMatchObject({ code: 0, stdout: { entries: 1, accepted: true } })
    const { events } = await Effect.runPromise(hub.kernel.effect.channels.read("aaax", ledger, { limit: 10 }))
    expect(events.find(({ kind }) => kind === "accepted")?.payload).toMatchObject({ by: "kim", entries: 1 })
    const after = await claims("ls", ...token)
    expect(after.stderr).not.toContain("cannot be read")
    expect(await claims("accept-loss", ...token)).toMatchObject({ code: 0, stdout: expect.stringContaining("nothing is lost") })
  })

  it("is refused where nobody shows a token, and such a hub is started with --accept-loss", async () => {
    hub = await broken({})
    const refused = await claims("accept-loss", "--yes")
    expect(refused).toMatchObject({ code: 4, stderr: expect.stringContaining("started with --accept-loss") })
    await hub.stop()
    hub = await new SynapseHub({ port: 0, db: join(directory, "hub.db"), acceptLoss: true }).start()
    expect((await claims("ls")).stderr).not.toContain("cannot be read")
    await using agent = new SynapseAgent({ name: "ann", uri: hub.uri })
    await agent.ask({ verb: "declare", task: "p", title: "P" })
  })
})
