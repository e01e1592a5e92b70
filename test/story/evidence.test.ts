// Evidence on real files: whoever changes the store behind the kernel's back is found out at the next start, and told with
// what was found and what can be done.
import * as Effect from "effect/Effect"
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { withEvidence } from "../../bin/evidence/source.ts"
import { decodeConfig } from "../../kernel/config.ts"
import { launch, promised, type HostKernel, type HostOptions } from "../../kernel/host.ts"
import { acceptRollback } from "../../kernel/launch.ts"
import { notesOf } from "../../kernel/authority/evidence/checkpoint.ts"
import type { Executor } from "../../protocol/executor.ts"
import { makeRandom } from "../kit/random.ts"
import { crash, mutateLog } from "../kit/wal.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../kit/probe.ts"
import { forge, steal, type Stolen } from "../kit/forgery.ts"

interface World {
  readonly directory: string
  readonly db: string
  readonly notes: string
  readonly run: (use?: (kernel: HostKernel) => Promise<void>, options?: HostOptions) => Promise<void>
}

const makeWorld = (): World => {
  const directory = mkdtempSync(join(tmpdir(), "aaax-evidence-"))
  return {
    directory,
    db: join(directory, ".aaax/kernel.db"),
    notes: join(directory, ".aaax/checkpoints/kernel.db/journal.checkpoints"),
    run: async (use = async () => {}, options = {}) => {
      const kernel = await launch({ directory, ...options })
      try {
        await use(kernel)
      } finally {
        await kernel.close()
      }
    }
  }
}

/** Some history: each adds a few entries. */
const mint = (...names: ReadonlyArray<string>) => async (kernel: HostKernel): Promise<void> => {
  for (const name of names) await kernel.tokens.mint({ name, role: "read" })
}

const refusal = (world: World): Promise<string> => world.run().then(() => "it started", (error: unknown) => (error instanceof Error ? error.message : String(error)))

/** What a forger makes of a journal whose chain holds afterwards. */
const forgeries: Readonly<Record<string, (stolen: Stolen) => Stolen["entries"]>> = {
  "a truncated tail": ({ entries }) => entries.slice(0, -1),
  "an edited entry": ({ entries }) => entries.map((entry) => JSON.parse(JSON.stringify(entry).replaceAll('"ada"', '"eve"')) as typeof entry),
  "swapped entries": ({ entries }) => entries.map((entry, at) => (at === 5 ? entries[6]! : at === 6 ? entries[5]! : entry)),
  "a removed entry": ({ entries }) => entries.filter((_, at) => at !== 5),
  "a removed entry, and another one in the end": ({ entries }) => [...entries.filter((_, at) => at !== 5), entries.at(-1)!],
  "another journal, of another beginning": ({ entries }) => [...entries.slice(1), entries[0]!],
  "a journal that says of no checkpoints": ({ entries }) => entries.filter(({ kind }) => kind !== "checkpoints.started"),
  "nothing": () => []
}

describe("a store that was tampered with", () => {
  it("is refused at start, whatever was done to a journal whose chain holds, and told with what was found", { timeout: 30_000 }, async () => {
    const world = makeWorld()
    await world.run(mint("ada", "bob", "cid"))
    const stolen = await steal(world.db)
    expect(stolen.entries.length).toBeGreaterThan(6)
    for (const [name, change] of Object.entries(forgeries)) {
      await forge(world.db, { ...stolen, entries: change(stolen) })
      const told = await refusal(world)
      expect(told, name).toMatch(/^The journal does not agree with its checkpoints: .*aaax audit accept-rollback/su)
    }
    // The forger's tools alone are no tampering.
    await forge(world.db, stolen)
    await world.run()
  })

  it("is refused when an entry was changed and nothing hashed anew, and the entry is named", async () => {
    const world = makeWorld()
    await world.run(mint("ada"))
    const stolen = await steal(world.db)
    const at = stolen.entries.findIndex(({ kind }) => kind === "token.minted")
    await forge(world.db, { ...stolen, entries: stolen.entries.map((entry, index) => (index === at ? { ...entry, payload: { ...(entry.payload as object), at: 1 } } : entry)) }, false)
    expect(await refusal(world)).toContain(`aaax.journal#${at + 1}`)
  })

  it("is found by verify when an entry was laid under another request, which no hash covers", async () => {
    const world = makeWorld()
    await world.run(mint("ada"))
    const stolen = await steal(world.db)
    await forge(world.db, { ...stolen, entries: stolen.entries.map((entry, at) => (at === 3 ? { ...entry, correlationId: "another" } : entry)) })
    await world.run(async (kernel) => {
      expect(await promised(kernel.effect.verifyAudit)).toMatchObject({ ok: false, firstBad: 4 })
    })
  })

  it("is refused when an older copy of it was put in its place", async () => {
    const world = makeWorld()
    await world.run(mint("ada"))
    cpSync(world.db, `${world.db}.old`)
    await world.run((kernel) => Promise.resolve(kernel.tokens.revoke("ada")).then(() => undefined))
    cpSync(`${world.db}.old`, world.db)
    expect(await refusal(world)).toMatch(/the journal ends with entry \d+, but \d+ entries were signed, up to #\d+: at least \d+ are lost/u)
  })

  it("is refused when a write-ahead log was lost that a checkpoint covers", async () => {
    const world = makeWorld()
    await world.run()
    await world.run(async (kernel) => {
      await mint("ada")(kernel)
      // What takes authority away is covered before it is acknowledged, so that a copy of the files as of now must hold it.
      await kernel.tokens.revoke("ada")
      cpSync(world.directory, `${world.directory}-crashed`, { recursive: true })
    })
    const crashed = (lost: boolean): Promise<string> => {
      const directory = `${world.directory}-${lost ? "lost" : "whole"}`
      cpSync(`${world.directory}-crashed`, directory, { recursive: true })
      expect(existsSync(join(directory, ".aaax/kernel.db-wal"))).toBe(true)
      if (lost) rmSync(join(directory, ".aaax/kernel.db-wal"))
      return launch({ directory }).then(async (kernel) => (await kernel.close(), "it started"), (error: unknown) => String(error))
    }
    expect(await crashed(false)).toBe("it started")
    expect(await crashed(true)).toContain("are lost")
  })

  it("is refused when a mutation of its write-ahead log cost it an entry that was signed, and starts when none did", { timeout: 90_000 }, async () => {
    const crashed = await crash()
    const counts = await mutateLog(crashed, 60, makeRandom(1_000))
    crashed.remove()
    expect(counts).toMatchObject({ mutations: 60, unnoticed: 0 })
    expect(counts.refused, "a mutation that costs nothing tests nothing").toBeGreaterThan(10)
    expect(counts.whole).toBeGreaterThan(0)
  })

  it("starts again when the operator accepts it with a reason, which is in the journal, and the next rollback is refused again", async () => {
    const world = makeWorld()
    await world.run(mint("ada"))
    cpSync(world.db, `${world.db}.old`)
    await world.run(mint("bob"))
    cpSync(`${world.db}.old`, world.db)
    expect(await refusal(world)).toContain("are lost")
    const config = await Effect.runPromise(decodeConfig({}, "test"))
    await promised(acceptRollback({ config, directory: world.directory }, "restored from the backup of Monday"))
    await world.run(async (kernel) => {
      const entries = await promised(kernel.effect.audit(0, 1_000))
      const accepted = entries.find(({ kind }) => kind === "rollback.accepted")
      expect(accepted?.payload).toMatchObject({ reason: "restored from the backup of Monday", found: expect.stringContaining("are lost") })
    })
    await expect(promised(acceptRollback({ config, directory: world.directory }, "again"))).rejects.toThrow("nothing to accept")
    cpSync(`${world.db}.old`, world.db)
    expect(await refusal(world)).toContain("does not agree with its checkpoints")
  })
})

describe("checkpoints", () => {
  it("are refused when they are gone, changed, of another key, or cut off together with nothing", async () => {
    const world = makeWorld()
    await world.run(mint("ada"))
    const whole = readFileSync(world.notes, "utf8")
    const keyFile = join(world.directory, ".aaax/checkpoints/kernel.db/audit-key.jwk")
    const key = readFileSync(keyFile, "utf8")
    rmSync(world.notes)
    expect(await refusal(world), "gone").toMatch(/says that checkpoints are kept in .*, and there is none/u)
    const { notes } = notesOf(whole)
    const newest = notes.at(-1)!
    for (let at = 0; at < newest.length; at += 23) {
      writeFileSync(world.notes, `${newest.slice(0, at)}${newest[at] === "7" ? "8" : "7"}${newest.slice(at + 1)}\n`)
      expect(await refusal(world), `a changed byte at ${at}`).not.toBe("it started")
    }
    writeFileSync(world.notes, whole)
    rmSync(keyFile)
    expect(await refusal(world), "another key").toContain("signed with another key")
    writeFileSync(keyFile, key, { mode: 0o644 })
    chmodSync(keyFile, 0o644)
    expect(await refusal(world), "a key that others read").toContain("can be read by others")
    chmodSync(keyFile, 0o600)
    // A crash may leave half of one behind.
    writeFileSync(world.notes, `${whole}${newest.slice(0, 40)}`)
    await world.run()
    expect(notesOf(readFileSync(world.notes, "utf8")).torn).toBe(false)
    expect(statSync(world.notes).mode & 0o077).toBe(0)
  })

  it("begin with a journal that is older than they are, and only once", async () => {
    const world = makeWorld()
    await world.run(mint("ada"))
    const stolen = await steal(world.db)
    await forge(world.db, { ...stolen, entries: stolen.entries.filter(({ kind }) => kind !== "checkpoints.started") })
    rmSync(join(world.directory, ".aaax/checkpoints"), { recursive: true })
    await world.run(async (kernel) => {
      expect(kernel.status().boot).toBe(2)
    })
    rmSync(world.notes)
    expect(await refusal(world)).toContain("there is none")
    const report = await withEvidence({ directory: world.directory, json: true }, (source) => source.verify())
    expect(report).toMatchObject({ ok: false, problems: [expect.stringContaining("there is none")] })
  })

  it("lie in a second place as well, which alone tells a rollback of the first and of the store", async () => {
    const world = makeWorld()
    const witness = join(mkdtempSync(join(tmpdir(), "aaax-witness-")), "elsewhere.checkpoints")
    const options: HostOptions = { audit: { witness } }
    await world.run(mint("ada"), options)
    cpSync(join(world.directory, ".aaax"), join(world.directory, "old"), { recursive: true })
    await world.run(mint("bob"), options)
    rmSync(join(world.directory, ".aaax"), { recursive: true })
    cpSync(join(world.directory, "old"), join(world.directory, ".aaax"), { recursive: true })
    await expect(world.run(undefined, options)).rejects.toThrow("are lost")
  })

  it("cover what is risky before its executor is called, and its outcome before it is told", async () => {
    const world = makeWorld()
    const covered: Array<number> = []
    const sizeOf = (): number => Number(notesOf(readFileSync(world.notes, "utf8")).notes.at(-1)!.split("\n")[1])
    let kernel: HostKernel | undefined
    const executor: Executor = {
      name: "blow", description: "", risk: "irreversible", recovery: "none",
      perform: () => Effect.sync(() => {
        covered.push(kernel!.status().journalHead - sizeOf())
      })
    }
    kernel = await launch({ directory: world.directory, executors: [executor], policy: "default", audit: { every: 100_000, seconds: 3_600 } })
    try {
  const { effect } = kernel
      await Effect.runPromise(Effect.gen(function*() {
        const port = yield* probe(effect, "worker", { executors: ["blow"] })
        const id = yield* requestAction(port, { action: "x", executor: "blow", target: "t", payload: {}, capability: yield* tokenFor(port, "blow"), risk_level: "low" })
        yield* awaitReply(port, id, "action_escalated")
        yield* effect.gate.approve(id, "operator")
        yield* awaitReply(port, id)
        const told = yield* effect.gate.show(id)
        expect(told.state).toBe("succeeded")
        covered.push(effect.status().journalHead - sizeOf())
      }))
    } finally {
      await kernel.close()
    }
    expect(covered[0], "when it was called").toBeLessThanOrEqual(0)
    expect(covered[1], "when its outcome was told").toBeLessThanOrEqual(0)
  })
})
