// What evidence costs: the Merkle tree beside the chain, with checkpoints on the side; the check of a whole journal; and one
// checkpoint, against a bare append to a file with the same number of flushes.
import { closeSync, fdatasyncSync, mkdtempSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Audit from "../kernel/authority/audit.ts"
import { originOf, sign } from "../kernel/authority/evidence/checkpoint.ts"
import { hashing, makeTree } from "../kernel/authority/evidence/merkle.ts"
import * as Journal from "../kernel/authority/journal.ts"
import * as Channels from "../kernel/channel/channels.ts"
import { makeClock } from "../kernel/clock.ts"
import { canonical } from "../kernel/guard/canonical.ts"
import { makeSchemas } from "../kernel/guard/schemas.ts"
import { checkpointPlace } from "../kernel/power/checkpoint-place.ts"
import { sha256Bytes, sha256Hex } from "../kernel/power/digest.ts"
import * as Sqlite from "../kernel/store/sqlite.ts"
import { inTurns, medianOf, timed, timedEach } from "./measure.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"

const inFlight = 64

const openJournal = Effect.fnUntraced(function*(directory: string, isSigned: boolean) {
  const clock = makeClock()
  const store = yield* Sqlite.make({ path: join(directory, "journal.db"), clock })
  const channels = yield* Channels.make({ store, clock, schemas: yield* makeSchemas(), boot: () => 0 })
  const nothing = new Uint8Array(32)
  return yield* Journal.make({
    channels, canonical, sha256: sha256Hex, kernel: "bench", version: "0", durability: "strict",
    // Without the tree: its hashes cost nothing.
    sha256Bytes: isSigned ? sha256Bytes : () => nothing,
    ...(isSigned ? { evidence: { place: checkpointPlace({ folder: join(directory, "checkpoints") }), pace: { entries: 1_000, millis: 10_000 } } } : {})
  })
})

/** Decisions that change nothing, so many at a time. */
const decisions = (journal: Journal.Journal, count: number): Effect.Effect<void> =>
  Effect.forEach(Array.from({ length: count }), () => journal.submit((_, now) => ({
    entries: [{ kind: "module.unloaded", at: now, module: "a module that was never there" }], answer: undefined
  })), { concurrency: inFlight, discard: true })

export const evidence = Effect.fnUntraced(function*({ count, directory, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const signed = yield* openJournal(mkdtempSync(join(directory, "signed-")), true)
  const bare = yield* openJournal(mkdtempSync(join(directory, "bare-")), false)
  const entries = count(20_000, inFlight)
  const appended = yield* inTurns(rounds, { ours: timed(entries, decisions(signed, entries)), chain: timed(entries, decisions(bare, entries)) })

  const tools = hashing(sha256Bytes)
  const leaves = count(200_000, 1)
  const hash = sha256Hex("an entry")
  const grown = yield* inTurns(rounds, {
    ours: timed(leaves, Effect.sync(() => {
      const tree = makeTree(tools)!
      for (let at = 1; at <= leaves; at++) tree.append(tools.entry(at, hash))
    })),
    chain: timed(leaves, Effect.sync(() => {
      for (let at = 1; at <= leaves; at++) sha256Hex(hash)
    }))
  })

  const kept = signed.state().cursor
  const { ours: verified } = yield* inTurns(rounds, {
    ours: timed(kept, Effect.flatMap(Audit.verify({ ...signed, sha256: sha256Bytes, ...(signed.keeper === undefined ? {} : { outside: signed.keeper }) }), (report) =>
      report.ok && report.entries >= kept ? Effect.void : Effect.die(new Error(report.problems[0]))))
  })

  const folder = mkdtempSync(join(directory, "checkpoints-"))
  const place = checkpointPlace({ folder })
  const signer = yield* place.signer
  const root = sha256Bytes(new Uint8Array(1))
  const descriptor = yield* Effect.acquireRelease(Effect.sync(() => openSync(join(folder, "raw"), "a")), (open) => Effect.sync(() => closeSync(open)))
  const text = Buffer.alloc(400, "x")
  const checkpoints = count(200, 1)
  const written = yield* inTurns(rounds, {
    ours: timedEach(checkpoints, (at) => place.append(sign(sha256Bytes, signer, { origin: originOf(hash), size: at + 1, root, chain: hash, cursor: at + 1 }).note)),
    append: timedEach(checkpoints, () => Effect.sync(() => {
      writeSync(descriptor, text)
      fdatasyncSync(descriptor)
    }))
  })
  return [
    rowOf(appended, "rate", {
      id: "evidence/journal", what: `journal entries kept with Merkle tree and checkpoints, ${inFlight} at a time, to the chain alone`, floor: { of: "chain", bar: 0.8 }
    }),
    row({
      id: "evidence/leaf", what: "one more leaf of the Merkle tree, processor time", unit: "us", lowerIsBetter: true, figure: medianOf(grown.ours, "cpuMicros"),
      cpuMicros: medianOf(grown.ours, "cpuMicros"), floor: { of: null, bar: 5 }, baselines: { hash: medianOf(grown.chain, "cpuMicros") }
    }),
    row({
      id: "evidence/verify", what: "entries verified: chain, tree and checkpoints", unit: "per second", figure: medianOf(verified, "rate"),
      cpuMicros: medianOf(verified, "cpuMicros"), floor: { of: null, bar: 24_000 }, others: { entries: kept }
    }),
    rowOf(written, "p50Micros", { id: "evidence/checkpoint", what: "a checkpoint signed, written and flushed, to a bare write and flush", floor: { of: "append", bar: 2.5 } })
  ]
})
