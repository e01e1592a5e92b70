// What a disk or a hand may do to a write-ahead log, and what a kernel makes of it afterwards: SQLite drops a damaged tail
// without a word, and only a checkpoint outside tells that entries are gone.
import * as Effect from "effect/Effect"
import { copyFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { launch } from "../../kernel/host.ts"
import * as Channels from "../../kernel/channel/channels.ts"
import * as Journal from "../../kernel/authority/journal.ts"
import { notesOf } from "../../kernel/authority/evidence/checkpoint.ts"
import { decodeConfig } from "../../kernel/config.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { makeSchemas } from "../../kernel/guard/schemas.ts"
import { openEvidence } from "../../kernel/launch.ts"
import { sha256Bytes, sha256Hex } from "../../kernel/power/digest.ts"
import { type Random } from "./random.ts"
import { blowUp, makeSite, siteOptions } from "./evidence.ts"

export interface Crashed {
  readonly directory: string
  /** Entries that the newest checkpoint covers, and the hash of the newest of them. */
  readonly size: number
  readonly chain: string
  readonly remove: () => void
}

/**
 * The files of a kernel as a power cut leaves them: much of the journal is in the log alone, and a checkpoint covers it.
 * `ended`: as a kernel leaves them that was closed, with everything in the database.
 */
export const crash = async (ended = false): Promise<Crashed> => {
  const site = makeSite()
  await (await launch(siteOptions(site))).close()
  const directory = mkdtempSync(join(tmpdir(), "aaax-wal-"))
  const kernel = await launch(siteOptions(site))
  for (let at = 0; at < 12; at++) await kernel.tokens.mint({ name: `n${at}`, role: "read" })
  await blowUp(kernel, { n: 1 })
  await kernel.tokens.revoke("n3")
  await Effect.runPromise(kernel.effect.evidence.checkpoints)
  if (ended) await kernel.close()
  cpSync(join(site.directory, ".aaax"), join(directory, ".aaax"), { recursive: true })
  if (!ended) await kernel.close()
  site.remove()
  const { notes } = notesOf(readFileSync(join(directory, ".aaax/checkpoints/kernel.db/journal.checkpoints"), "utf8"))
  const [, size, , chain] = notes.at(-1)!.split("\n")
  return { directory, size: Number(size), chain: chain!.slice("chain ".length), remove: () => rmSync(directory, { recursive: true, force: true }) }
}

const mutated = (log: Buffer, random: Random): Buffer => {
  const at = random.int(log.length)
  const bytes = Buffer.from(log)
  switch (random.int(5)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      bytes[at] = bytes[at]! ^ (1 + random.int(255))
      return bytes
    case 2:
      return bytes.fill(0, at, Math.min(bytes.length, at + 1 + random.int(8_192)))
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + 1 + random.int(8_192)))])
    default: {
      const from = random.int(log.length)
      bytes.copy(bytes, at, from, Math.min(bytes.length, from + 4_096))
      return bytes
    }
  }
}

export interface Mutations {
  readonly mutations: number
  /** Starts with all that was signed. */
  readonly whole: number
  /** Starts that were refused. */
  readonly refused: number
  /** Starts although an entry that was signed was gone or another one. */
  readonly unnoticed: number
}

/** Mutates the log, or the database itself, again and again, and starts the journal over each. */
export const mutateLog = async (
  crashed: Crashed, times: number, random: Random, target: "kernel.db-wal" | "kernel.db" = "kernel.db-wal", onMutation: (done: number) => void = () => undefined
): Promise<Mutations> => {
  const config = await Effect.runPromise(decodeConfig({ id: "site" }, "test"))
  const schemas = await Effect.runPromise(makeSchemas())
  const from = join(crashed.directory, ".aaax")
  const files = ["kernel.db", "kernel.db-wal"].filter((name) => existsSync(join(from, name)))
  const bytes = readFileSync(join(from, target))
  const counts = { mutations: 0, whole: 0, refused: 0, unnoticed: 0 }
  const directory = mkdtempSync(join(tmpdir(), "aaax-wal-"))
  const to = join(directory, ".aaax")
  const start = Effect.scoped(Effect.gen(function*() {
    const { checkpoints, clock, store } = yield* openEvidence({ config, directory })
    const channels = yield* Channels.make({ store, clock, schemas, boot: () => 0 })
    const journal = yield* Journal.make({
      channels, canonical, sha256: sha256Hex, sha256Bytes, kernel: "site", version: "0", durability: "strict", ...(checkpoints === undefined ? {} : { evidence: checkpoints })
    })
    const [signed] = yield* journal.read(crashed.size - 1, 1)
    return signed?.metadata["hash"] === crashed.chain && journal.state().cursor > crashed.size
  }))
  for (; counts.mutations < times; counts.mutations++) {
    rmSync(to, { recursive: true, force: true })
    cpSync(join(from, "checkpoints"), join(to, "checkpoints"), { recursive: true })
    for (const name of files) copyFileSync(join(from, name), join(to, name))
    writeFileSync(join(to, target), mutated(bytes, random))
    onMutation(counts.mutations)
    const result = await Effect.runPromise(Effect.result(start))
    if (result._tag === "Failure") counts.refused++
    else if (result.success) counts.whole++
    else counts.unnoticed++
  }
  rmSync(directory, { recursive: true, force: true })
  return counts
}

