import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { makeCoordination } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

describe("the coordinator", () => {
  effect("answers over the channels, and keeps what it granted before it says so", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const ann = yield* world.seat("ann")
    const bob = yield* world.seat("bob")
    const granted = yield* ann.get({ verb: "claim", task: " t1 ", paths: ["src//a/"], worktree: "/repo" })
    expect(granted).toMatchObject({ renewed: false, claim: { task: "t1", owner: "ann", holder: "ann", paths: ["src/a"], worktree: "/repo", epoch: 1, version: 0, status: "claimed" } })
    expect(yield* bob.ask({ verb: "claim", task: "t1" })).toMatchObject({ ok: false, code: "LEASE_LIVE", message: "Task 't1' is already claimed by ann." })
    expect(yield* bob.ask({ verb: "claim", task: "t2", paths: ["src"], worktree: "/repo" })).toMatchObject({
      ok: false, code: "SCOPE_CONFLICT", message: "Task 't2' file scope conflicts with 't1' held by ann.", holder: "ann", conflict: "t1"
    })
    expect(yield* ann.get({ verb: "update", task: "t1", status: "working" })).toMatchObject({ claim: { status: "working", version: 1 } })
    expect(yield* ann.get({ verb: "checkpoint", task: "t1", checkpoint: "line 3" })).toMatchObject({ version: 2 })
    expect(yield* ann.get({ verb: "handoff", task: "t1", to: "bob", note: "yours" })).toMatchObject({
      previousOwner: "ann", claim: { owner: "bob", epoch: 2, version: 0, checkpoint: "line 3", status: "working" }, note: { text: "handed off to bob: yours", author: "ann" }
    })
    expect(yield* ann.get({ verb: "state" })).toMatchObject({ items: [{ task: "t1", owner: "bob" }], seats: [{ seat: "ann", online: true }, { seat: "bob", online: true }] })
    expect(yield* bob.get({ verb: "release", task: "t1", epoch: 2 })).toEqual({ ok: true, task: "t1", owner: "bob" })
    expect(yield* bob.get({ verb: "send", target: "ann", payload: "hello" })).toMatchObject({ message: 1, recipients: ["ann"], waiting: [] })
    expect(yield* ann.get({ verb: "inbox" })).toMatchObject({ messages: [{ message: 1, from: "bob", payload: "hello" }], unread: 0 })
    expect(yield* ann.get({ verb: "who" })).toMatchObject({ seats: [{ seat: "ann" }, { seat: "bob" }] })
    expect(yield* ann.get({ verb: "declare", task: "p", title: "P" })).toMatchObject({ again: false, task: { status: "open", version: 1, createdBy: "ann" } })
    expect(yield* ann.get({ verb: "board" })).toMatchObject({ items: [{ task: "p" }], ready: ["p"], progress: [{ text: "handed off to bob: yours" }] })
    expect((yield* world.events(coordination.ledger)).map(({ kind }) => kind)).toEqual(["claimed", "updated", "checkpointed", "handed", "released", "declared"])
    expect((yield* world.events(coordination.epochs)).map(({ kind, subject }) => [kind, subject])).toEqual([["scope", "t1"], ["scope", "t1"], ["ended", "t1"]])
    expect((yield* world.events(coordination.presence)).map(({ kind, payload }) => [kind, payload])).toEqual([["joined", { seat: "ann" }], ["joined", { seat: "bob" }]])
  }))

  effect("refuses what it does not understand, and says what was wrong", () => Effect.gen(function*() {
    const world = yield* makeCoordination()
    const ann = yield* world.seat("ann")
    const refused = yield* ann.ask({ verb: "claim", task: "t", paths: "src" } as never)
    expect(refused).toMatchObject({ ok: false, code: "INVALID", message: expect.stringContaining("paths") })
    expect(yield* ann.ask({ verb: "clam" } as never)).toMatchObject({ code: "INVALID", message: expect.stringContaining("claim") })
    expect(yield* ann.ask(7 as never)).toMatchObject({ code: "INVALID" })
    expect(yield* ann.ask({ verb: "claim", task: "t" })).toMatchObject({ ok: true })
  }))
})
