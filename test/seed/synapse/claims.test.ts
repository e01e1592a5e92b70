import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeCoordination, makeTable } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

const day = 24 * 3_600_000

describe("claims: grant, refusal, renewal, expiry", () => {
  it("[49] a free id is granted with epoch, version 0, status claimed and a lease of its ttl", () => {
    const table = makeTable()
    const { claim, renewed } = table.get("ann", { verb: "claim", task: "t", note: " n ", ttlSeconds: 60 })
    expect([claim.epoch, claim.version, claim.status, claim.expiresAt - table.at, claim.owner, claim.note, claim.dataRef, claim.checkpoint, renewed])
      .toEqual([1, 0, "claimed", 60_000, "ann", "n", "", "", false])
    expect(table.ledger).toMatchObject([{ kind: "claimed", payload: { claim, renewed: false } }])
  })

  it("[50] the id is trimmed, and a blank one refused", () => {
    const table = makeTable()
    expect(table.get("ann", { verb: "claim", task: "  t\n" }).claim.task).toBe("t")
    expect(table.ask("ann", { verb: "claim", task: " \t" })).toMatchObject({ ok: false, code: "TASK_ID_REQUIRED", message: "Task ID is required." })
  })

  it("[51] a live claim of another owner refuses with its name, and stays as it is", () => {
    const table = makeTable()
    const { claim } = table.get("ann", { verb: "claim", task: "t" })
    expect(table.ask("bob", { verb: "claim", task: "t" })).toEqual({
      ok: false, code: "LEASE_LIVE", message: "Task 't' is already claimed by ann.", holder: "ann", conflict: "t"
    })
    expect(table.get("bob", { verb: "state" }).items).toEqual([claim])
    expect(table.ledger.length).toBe(1)
  })

  it("[52] a ttl below 30 seconds is 30, and an absent one 3600", () => {
    const table = makeTable()
    expect(table.get("ann", { verb: "claim", task: "a", paths: ["a"], ttlSeconds: -5 }).claim.expiresAt - table.at).toBe(30_000)
    expect(table.get("ann", { verb: "claim", task: "b", paths: ["b"] }).claim.expiresAt - table.at).toBe(3_600_000)
  })

  it("[53] [D7] a ttl is at most 30 days, and one that is no number is refused", () => {
    const table = makeTable()
    expect(table.get("ann", { verb: "claim", task: "a", ttlSeconds: 1e12 }).claim.expiresAt - table.at).toBe(30 * day)
    for (const ttlSeconds of ["inf", "nan", null]) expect(table.ask("ann", { verb: "claim", task: "b", ttlSeconds })).toMatchObject({ code: "INVALID" })
  })

  it("[54] [D9] claimed again by its owner the lease is longer and the epoch larger, and status, data_ref, version and scope stay", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t", paths: ["src"], worktree: "w", note: "first" })
    table.get("ann", { verb: "update", task: "t", status: "done", dataRef: "d" })
    table.pass(1_000)
    const { claim, renewed } = table.get("ann", { verb: "claim", task: "t", ttlSeconds: 7_200 })
    expect(renewed).toBe(true)
    expect(claim).toMatchObject({ epoch: 2, status: "done", dataRef: "d", version: 1, paths: ["src"], worktree: "w", note: "first", expiresAt: table.at + 7_200_000 })
    expect(table.get("ann", { verb: "claim", task: "t", paths: ["lib"], note: "second" }).claim).toMatchObject({ paths: ["lib"], note: "second", status: "done", worktree: "w" })
  })

  it("[55] epochs grow over all tasks, hand-offs and restarts", () => {
    let table = makeTable()
    table.get("bob", { verb: "beat" })
    const epochs = [
      table.get("ann", { verb: "claim", task: "a", paths: ["a"] }).claim.epoch, table.get("ann", { verb: "claim", task: "b", paths: ["b"] }).claim.epoch,
      table.get("ann", { verb: "handoff", task: "a", to: "bob" }).claim.epoch
    ]
    table.get("bob", { verb: "release", task: "a" })
    table = table.again()
    epochs.push(table.get("bob", { verb: "claim", task: "a", paths: ["a"] }).claim.epoch)
    expect(epochs).toEqual([1, 2, 3, 4])
  })

  it("[56] once its lease has ended, any message makes the id free for others", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t", ttlSeconds: 30 })
    table.at += 29_999
    expect(table.ask("bob", { verb: "claim", task: "t" })).toMatchObject({ ok: false })
    table.at += 1
    expect(table.get("bob", { verb: "claim", task: "t" }).claim).toMatchObject({ owner: "bob", epoch: 2 })
    expect(table.ledger.map(({ kind }) => kind)).toEqual(["claimed", "expired", "claimed"])
  })

  it("[57] whoever claims after an expiry gets the checkpoint, and without one none", () => {
    const table = makeTable()
    for (const task of ["a", "b"]) table.get("ann", { verb: "claim", task, paths: [task], ttlSeconds: 30 })
    table.get("ann", { verb: "checkpoint", task: "a", checkpoint: "step 7" })
    table.pass(30_000)
    expect(table.get("bob", { verb: "claim", task: "a", paths: ["a"] }).claim.checkpoint).toBe("step 7")
    expect(table.get("bob", { verb: "claim", task: "b", paths: ["b"] }).claim.checkpoint).toBe("")
  })

  it("[58] [59] a renewal keeps its own checkpoint, and a release lets go of it", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    table.get("ann", { verb: "checkpoint", task: "t", checkpoint: "c" })
    expect(table.get("ann", { verb: "claim", task: "t" }).claim.checkpoint).toBe("c")
    table.get("ann", { verb: "release", task: "t" })
    expect(table.get("ann", { verb: "claim", task: "t" }).claim.checkpoint).toBe("")
  })

  it("[60] [D23] a claim outlives its owner's leaving, and who holds claims and reads nothing is told so once", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    table.pass(89_999)
    expect(table.notices("ann")).toEqual([])
    table.pass(1)
    table.pass(600_000)
    expect(table.notices("ann")).toEqual([{ notice: "silent", since: table.at - 690_000, claims: ["t"] }])
    expect(table.get("bob", { verb: "who" }).seats).toMatchObject([{ seat: "ann", online: true, silentSince: table.at - 690_000 }, { seat: "bob", online: true }])
    table.get("ann", { verb: "leave" })
    expect(table.ask("bob", { verb: "claim", task: "t" })).toMatchObject({ code: "LEASE_LIVE" })
  })

  it("somebody who receives for a seat is its attention", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    table.get("ann-rx", { verb: "attach", receiver: "ann" })
    for (let at = 0; at < 10; at++) {
      table.pass(60_000)
      table.get("ann-rx", { verb: "beat" })
    }
    expect(table.notices("ann")).toEqual([])
    expect(table.ask("eve", { verb: "attach", receiver: "ann" })).toMatchObject({ code: "INVALID" })
  })

  it("[61] [D16] one seat has at most 128 live claims, a claim at most 512 paths, and texts have their lengths", () => {
    const table = makeTable()
    for (let at = 0; at < 128; at++) table.get("ann", { verb: "claim", task: `t${at}`, paths: [`p${at}`] })
    expect(table.ask("ann", { verb: "claim", task: "more", paths: ["more"] })).toMatchObject({ code: "QUOTA_EXCEEDED", current: 128 })
    expect(table.get("ann", { verb: "claim", task: "t0" }).renewed).toBe(true)
    table.get("bob", { verb: "claim", task: "more", paths: ["more"] })
    expect(table.ask("bob", { verb: "handoff", task: "more", to: "ann" })).toMatchObject({ code: "QUOTA_EXCEEDED" })
    expect(table.ask("bob", { verb: "claim", task: "wide", paths: Array.from({ length: 513 }, (_, at) => `q${at}`) })).toMatchObject({ code: "QUOTA_EXCEEDED", current: 512 })
    expect(table.ask("bob", { verb: "claim", task: "x".repeat(513) })).toMatchObject({ code: "INVALID" })
    expect(table.ask("bob", { verb: "checkpoint", task: "more", checkpoint: "x".repeat(65_537) })).toMatchObject({ code: "INVALID" })
    expect(table.ask("bob", { verb: "claim", task: "deep", paths: ["x".repeat(4_097)] })).toMatchObject({ code: "PATH_IDENTITY_INVALID" })
  })

  it("a holder is warned before its lease ends, told when it has, and not after a renewal", () => {
    const table = makeTable()
    const { claim } = table.get("ann", { verb: "claim", task: "t", ttlSeconds: 100 })
    table.pass(74_999)
    expect(table.notices("ann")).toEqual([])
    table.pass(1)
    expect(table.notices("ann")).toEqual([{ notice: "expiring", task: "t", epoch: 1, expiresAt: claim.expiresAt }])
    table.get("ann", { verb: "claim", task: "t", ttlSeconds: 100 })
    table.pass(74_000)
    expect(table.notices("ann").length).toBe(1)
    table.pass(1_000)
    table.pass(25_000)
    expect(table.notices("ann").slice(1).map(({ notice }) => notice)).toEqual(["expiring", "silent", "expired"])
    expect(table.get("ann", { verb: "state" }).items).toEqual([])
  })

  it("[D19] only the times of the requests count, and they never go back", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t", ttlSeconds: 30 })
    table.at -= 3_600_000
    expect(table.get("bob", { verb: "claim", task: "u", paths: ["u"], mutex: true, ttlSeconds: 30 }).claim.expiresAt).toBe(table.at + 3_600_000 + 30_000)
    expect(table.ask("bob", { verb: "claim", task: "t" })).toMatchObject({ code: "LEASE_LIVE" })
  })

  effect("a jump of the wall clock ends no lease before it is confirmed", () => Effect.gen(function*() {
    const { kernel, seat } = yield* makeCoordination()
    const [ann, bob] = [yield* seat("ann"), yield* seat("bob")]
    yield* ann.get({ verb: "claim", task: "t", ttlSeconds: 600 })
    kernel.time.jump(3_600_000)
    expect(yield* bob.ask({ verb: "claim", task: "t" })).toMatchObject({ code: "LEASE_LIVE" })
    yield* kernel.confirmClock
    expect(yield* bob.ask({ verb: "claim", task: "t" })).toMatchObject({ ok: true, claim: { owner: "bob" } })
    expect(yield* ann.notices).toContainEqual({ notice: "expired", task: "t", epoch: 1 })
    expect((yield* ann.port.read(coordination.ledger)).events.map(({ kind }) => kind)).toEqual(["claimed", "expired", "claimed"])
  }))
})

describe("release, update, checkpoint, hand-off", () => {
  it("[73] only the owner releases what is claimed", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    expect(table.ask("bob", { verb: "release", task: "t" })).toMatchObject({ code: "NOT_OWNER", message: "Task 't' is owned by ann, not bob." })
    expect(table.ask("ann", { verb: "release", task: "x" })).toMatchObject({ code: "NOT_CLAIMED", message: "Task 'x' is not currently claimed." })
    expect(table.ask("ann", { verb: "release", task: "" })).toMatchObject({ code: "TASK_ID_REQUIRED" })
    expect(table.ask("ann", { verb: "release", task: "t", receipt: { tests: "green" } })).toEqual({ ok: true, task: "t", owner: "ann" })
    expect(table.ledger.at(-1)).toEqual({ kind: "released", payload: { task: "t", owner: "ann", epoch: 1, receipt: { tests: "green" } } })
  })

  it("[74] [86] an older epoch is refused with the current one, the current one is accepted, and none is no guard", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    table.get("ann", { verb: "claim", task: "t" })
    table.get("ann", { verb: "claim", task: "t" })
    const stale = { ok: false, code: "EPOCH_STALE", message: "Task 't' epoch is stale (current 2).", current: 2 }
    for (const ask of [{ verb: "release" }, { verb: "update", status: "working" }, { verb: "checkpoint", checkpoint: "c" }, { verb: "handoff", to: "bob" }]) {
      expect(table.ask("ann", { ...ask, task: "t", epoch: 1 }), ask.verb).toEqual(stale)
    }
    table.get("ann", { verb: "update", task: "t", status: "working", epoch: 2 })
    table.get("ann", { verb: "checkpoint", task: "t", checkpoint: "c" })
    expect(table.get("ann", { verb: "handoff", task: "t", to: "bob", epoch: 2 }).claim.epoch).toBe(3)
    expect(table.ask("bob", { verb: "release", task: "t", epoch: 2 })).toMatchObject({ code: "EPOCH_STALE", current: 3 })
  })

  it("[75] an epoch of another type is refused and not passed over", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    for (const epoch of ["1", true, 1.5, null]) expect(table.ask("ann", { verb: "release", task: "t", epoch })).toMatchObject({ code: "INVALID", message: expect.stringContaining("epoch") })
    expect(table.get("ann", { verb: "state" }).items.length).toBe(1)
  })

  it("[76] legal changes of status count the version up, illegal ones change nothing", () => {
    const legal: Readonly<Record<string, ReadonlyArray<string>>> = {
      claimed: ["claimed", "working", "done", "failed"], working: ["working", "input_required", "done", "failed"], input_required: ["input_required", "working", "done", "failed"],
      done: ["done"], failed: ["failed"]
    }
    const ways: Readonly<Record<string, ReadonlyArray<string>>> = { claimed: [], working: ["working"], input_required: ["working", "input_required"], done: ["done"], failed: ["failed"] }
    for (const [from, way] of Object.entries(ways)) {
      for (const to of ["claimed", "working", "input_required", "done", "failed", "gone"]) {
        const table = makeTable()
        table.get("ann", { verb: "claim", task: "t" })
        for (const status of way) table.get("ann", { verb: "update", task: "t", status })
        const answer = table.ask("ann", { verb: "update", task: "t", status: to })
        const [claim] = table.get("ann", { verb: "state" }).items
        if (legal[from]?.includes(to) === true) expect([claim?.status, claim?.version], `${from} ${to}`).toEqual([to, way.length + 1])
        else {
          expect(answer).toMatchObject({ code: "TRANSITION_ILLEGAL", message: `Task 't' cannot transition ${from} -> ${to}.` })
          expect([claim?.status, claim?.version]).toEqual([from, way.length])
        }
      }
    }
  })

  it("[77] [78] [79] the same status is no change of status but of version; texts are trimmed, absent ones stay, empty ones clear", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t", note: "n" })
    expect(table.get("ann", { verb: "update", task: "t", status: "claimed", dataRef: " d " }).claim).toMatchObject({ dataRef: "d", note: "n", version: 1 })
    expect(table.ask("ann", { verb: "update", task: "t", note: "x", expectedVersion: 0 })).toMatchObject({
      code: "VERSION_CONFLICT", message: "Task 't' version conflict (current 1).", current: 1
    })
    expect(table.get("ann", { verb: "update", task: "t", note: "", dataRef: "", expectedVersion: 1 }).claim).toMatchObject({ note: "", dataRef: "", version: 2 })
  })

  it("[80] [82] updates and checkpoints by others, and of what is not claimed, are refused with a code", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    for (const verb of ["update", "checkpoint"] as const) {
      const ask = (task: string): coordination.Ask => (verb === "update" ? { verb, task } : { verb, task, checkpoint: "c" })
      expect(table.ask("bob", ask("t"))).toMatchObject({ code: "NOT_OWNER", message: "Task 't' owned by ann, not bob." })
      expect(table.ask("bob", ask("x"))).toMatchObject({ code: "TASK_NOT_FOUND", message: "Task 'x' not found." })
    }
  })

  it("[81] a checkpoint is answered with the new version, to its owner alone", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    expect(table.ask("ann", { verb: "checkpoint", task: "t", checkpoint: "c" })).toEqual({ ok: true, task: "t", version: 1 })
  })

  it("[83] [85] who is not here, oneself, nobody, and what is not one's own cannot be handed to or on", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    table.get("ann", { verb: "claim", task: "t" })
    const refused = (system: string, ask: { readonly task: string; readonly to: string }): coordination.Answer | undefined => table.ask(system, { verb: "handoff", ...ask })
    expect(refused("ann", { task: "", to: "zoe" })).toMatchObject({ code: "TARGET_OFFLINE", message: "Handoff target 'zoe' is not online." })
    expect(refused("ann", { task: "", to: "bob" })).toMatchObject({ code: "TASK_ID_REQUIRED" })
    expect(refused("ann", { task: "t", to: " " })).toMatchObject({ code: "TARGET_REQUIRED", message: "Handoff target is required." })
    expect(refused("ann", { task: "x", to: "bob" })).toMatchObject({ code: "NOT_CLAIMED" })
    expect(refused("bob", { task: "t", to: "ann" })).toMatchObject({ code: "NOT_OWNER" })
    expect(refused("ann", { task: "t", to: "ann" })).toMatchObject({ code: "ALREADY_OWNED", message: "Task 't' is already owned by ann." })
    table.get("bob", { verb: "leave" })
    expect(refused("ann", { task: "t", to: "bob" })).toMatchObject({ code: "TARGET_OFFLINE" })
  })

  it("[84] [87] a hand-off moves the claim with what belongs to it, and says so in one note before", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    table.get("ann", { verb: "claim", task: "t", paths: ["src"], worktree: "w", note: "n", ttlSeconds: 30 })
    table.get("ann", { verb: "update", task: "t", status: "working", dataRef: "d" })
    table.get("ann", { verb: "checkpoint", task: "t", checkpoint: "c" })
    table.pass(1_000)
    const handed = table.get("ann", { verb: "handoff", task: "t", to: "bob" })
    expect(handed).toMatchObject({
      previousOwner: "ann",
      note: { task: "t", author: "ann", kind: "note", text: "handed off to bob", at: table.at },
      claim: {
        owner: "bob", holder: "bob", paths: ["src"], worktree: "w", status: "working", dataRef: "d", checkpoint: "c", note: "n", version: 0, epoch: 2, claimedAt: table.at,
        expiresAt: table.at + 3_600_000
      }
    })
    expect(table.get("bob", { verb: "handoff", task: "t", to: "ann", note: "take it" })).toMatchObject({ claim: { note: "take it" }, note: { text: "handed off to ann: take it", author: "bob" } })
    expect(table.ledger.slice(-2).map(({ kind }) => kind)).toEqual(["handed", "handed"])
  })

  it("[88] [D6] what a hand-off would make two owners of is refused: third parties' scopes, and the giver's own", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    table.get("ann", { verb: "claim", task: "wide", paths: ["src"] })
    table.get("ann", { verb: "claim", task: "narrow", paths: ["src/a"] })
    expect(table.ask("ann", { verb: "handoff", task: "narrow", to: "bob" })).toMatchObject({
      code: "SCOPE_CONFLICT", message: "Task 'narrow' file scope conflicts with 'wide' held by ann."
    })
    table.get("ann", { verb: "release", task: "wide" })
    expect(table.get("ann", { verb: "handoff", task: "narrow", to: "bob" }).claim.owner).toBe("bob")
  })

  it("[89] a hand-off survives a restart", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    table.get("ann", { verb: "claim", task: "t" })
    table.get("ann", { verb: "handoff", task: "t", to: "bob" })
    expect(table.again().get("bob", { verb: "release", task: "t" }).owner).toBe("bob")
  })

  it("whoever asks under the name of a seat that is here is refused", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    expect(table.ask("synapse/ann", { verb: "release", task: "t" })).toMatchObject({ code: "NAME_CONFLICT" })
    table.get("ann", { verb: "leave" })
    expect(table.ask("synapse/ann", { verb: "release", task: "t" })).toMatchObject({ code: "NOT_OWNER" })
  })
})
