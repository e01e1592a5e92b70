// A kernel whose checkpoints cannot be written: what is weighty waits, and nothing of it happens; when they can be written
// again it goes on by itself.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { StoreUnavailable } from "../../../../protocol/errors.ts"
import { differs } from "../../../../kernel/authority/evidence/keeper.ts"
import { notesOf } from "../../../../kernel/authority/evidence/checkpoint.ts"
import type { CheckpointPlace } from "../../../../kernel/authority/evidence/place.ts"
import { newSigningKey } from "../../../../kernel/guard/tokens.ts"
import { signerOf } from "../../../../kernel/power/checkpoint-place.ts"
import { makeClock } from "../../../../kernel/clock.ts"
import * as Memory from "../../../../kernel/store/memory.ts"
import { makeKernel, testTime } from "../../../../kernel/testing.ts"
import { counted } from "../../../kit/executors.ts"
import { effect } from "../../../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../../../kit/probe.ts"

describe("a journal", () => {
  it("is told what speaks against its being the one that was signed: another beginning, other entries, or nothing", () => {
    const signed = { origin: "aaax.journal/aa", size: 3, root: new Uint8Array(32), chain: "c", cursor: 3 }
    expect(differs(signed, { ...signed })).toBeUndefined()
    expect(differs(signed, { ...signed, size: 4, chain: "d" })).toBeUndefined()
    expect(differs(signed, { ...signed, origin: "aaax.journal/bb", root: new Uint8Array(32).fill(1) })).toMatch(/^the journal is another one/u)
    for (const more of [{ root: new Uint8Array(32).fill(1) }, { chain: "d" }, { cursor: 4 }]) expect(differs(signed, { ...signed, ...more })).toMatch(/^its first 3 entries, up to #\d, are not those that were signed/u)
  })

  effect("is not gone on with when it names another key than the one that there is, or says of checkpoints that are gone", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      const [own, other] = [signerOf(yield* Effect.promise(newSigningKey)), signerOf(yield* Effect.promise(newSigningKey))]
      const boot = (signer: typeof own, notes: Array<string>) => Effect.scoped(makeKernel({ store, time, checkpoints: {
        place: { where: "a disk", signer: Effect.succeed(signer), notes: Effect.sync(() => notes), setAside: Effect.succeed(""), append: (note) => Effect.sync(() => void notes.push(note)) },
        pace: { entries: 1, millis: 3_600_000 }
      } }))
      const kept: Array<string> = []
      yield* boot(own, kept)
      expect(kept.length).toBeGreaterThan(0)
      const refused = (signer: typeof own) => Effect.map(Effect.exit(boot(signer, [])), (exit) => String(exit))
      expect(yield* refused(other)).toContain("the journal names the audit key")
      expect(yield* refused(own)).toContain("says that checkpoints are kept in a disk, and there is none")
      yield* boot(own, kept)
    }))
})

describe("a kernel whose checkpoints cannot be written", () => {
  effect("calls no risky executor until they can, says why meanwhile, and goes on by itself", () =>
    Effect.gen(function*() {
      const signer = signerOf(yield* Effect.promise(newSigningKey))
      const notes: Array<string> = []
      let isFull = false
      let tries = 0
      const triedTwice = Deferred.makeUnsafe<void>()
      const place: CheckpointPlace = {
        where: "a disk", signer: Effect.succeed(signer), notes: Effect.sync(() => notes), setAside: Effect.succeed(""),
        append: (note) => Effect.suspend(() => {
          if (isFull) {
            if (++tries === 2) Deferred.doneUnsafe(triedTwice, Effect.void)
            return Effect.fail(new StoreUnavailable({ reason: "the disk is full" }))
          }
          notes.push(note)
          return Effect.void
        })
      }
      const { calls, executor } = counted("launch", { risk: "irreversible" })
      const low = counted("note")
      const kernel = yield* makeKernel({ executors: [executor, low.executor], policy: "default", checkpoints: { place, pace: { entries: 1_000_000, millis: 3_600_000 } } })
      const port = yield* probe(kernel, "a", { executors: ["launch", "note"] })
      const id = yield* requestAction(port, { action: "go", executor: "launch", target: "", capability: yield* tokenFor(port, "launch") })
      yield* awaitReply(port, id, "action_escalated")
      const note = yield* tokenFor(port, "note")
      isFull = true
      // What weighs little needs none.
      const small = yield* requestAction(port, { action: "go", executor: "note", target: "", capability: note, risk_level: "low" })
      expect(yield* awaitReply(port, small)).toMatchObject({ kind: "action_completed" })
      expect(tries).toBe(0)
      yield* Effect.forkChild(kernel.gate.approve(id, "operator"))
      yield* Deferred.await(triedTwice)
      expect(calls).toEqual([])
      expect(kernel.evidence.view()).toMatchObject({ problem: "the disk is full" })
      isFull = false
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      expect(calls).toHaveLength(1)
      expect(kernel.evidence.view()).toMatchObject({ problem: null })
      expect(notesOf(`${notes.at(-1)}\n`).notes).toEqual([notes.at(-1)])
    }))
})
