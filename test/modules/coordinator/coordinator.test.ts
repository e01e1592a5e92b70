import { coordination } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { pagesOf, stateOfPages } from "../../../modules/coordinator/pages.ts"
import { makeCoordination, makeTable } from "../../kit/coordination.ts"
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

describe("what is asked for too much at once", () => {
  it("is refused, and every answer and entry fits", () => {
    const table = makeTable()
    for (let at = 0; at < 100; at++) table.get(`${"\u0001".repeat(250)}${at}`, { verb: "beat" })
    const wide = { verb: "send", target: `${"\u0001".repeat(250)}*`, payload: "x".repeat(880_000) } as const
    expect(table.ask("ann", wide)).toMatchObject({ code: "INVALID", message: expect.stringContaining("does not fit") })
    expect(table.ask("ann", { ...wide, payload: "x" })).toMatchObject({ ok: true })
    const paths = Array.from({ length: 9_000 }, (_, at) => `${"deep/".repeat(20)}${at}`)
    table.get("bob", { verb: "claim", task: "\u0001".repeat(500) })
    expect(table.ask("ann", { verb: "check", worktree: "", paths })).toMatchObject({ code: "INVALID", message: expect.stringContaining("Ask for less") })
    expect(table.ask("ann", { verb: "claim", task: "t", git: { branch: "b".repeat(2_000), releaseOn: "manual" } })).toMatchObject({ code: "INVALID" })
  })

  it("the whole state comes in pages that tear no letter apart", () => {
    const table = makeTable()
    for (let at = 0; at < 60; at++) table.get(`s${at}`, { verb: "claim", task: `t${at}`, paths: [`p${at}`], note: `${"x".repeat(at)}${"\u{1f980}".repeat(4_000)}` })
    const pages = pagesOf(table.desk.state, { from: 0, to: 0 }, table.at)
    expect(pages.length).toBeGreaterThan(1)
    for (const { text } of pages) expect(text).toBe(Buffer.from(text, "utf8").toString("utf8"))
    expect([...stateOfPages(pages.map(({ text }) => text).join(""))!.state.claims]).toEqual([...table.desk.state.claims])
  })
})
