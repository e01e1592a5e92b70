import type { coordination } from "aaax"
import { describe, expect, it } from "vitest"
import { askOf, decide } from "../../../modules/coordinator/decide.ts"
import { pageOf } from "../../../modules/coordinator/page.ts"
import { makeTable } from "../../kit/coordination.ts"

const codeOf = (answer: coordination.Answer | undefined): string => (answer?.ok === false ? answer.code : "granted")

describe("a claim", () => {
  it("that is renewed with one thing else has the others as they were", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t", worktree: "w", paths: ["src"], note: "n" })
    expect(table.get("ann", { verb: "claim", task: "t", worktree: "v" }).claim).toMatchObject({ worktree: "v", paths: ["src"], note: "n" })
    expect(codeOf(table.ask("bob", { verb: "claim", task: "u", worktree: "v", paths: ["src"] }))).toBe("SCOPE_CONFLICT")
    expect(codeOf(table.ask("bob", { verb: "claim", task: "u", worktree: "w", paths: ["src"] }))).toBe("granted")
    const { claim } = table.get("ann", { verb: "claim", task: "t", mutex: true })
    expect(claim).toMatchObject({ worktree: "v", paths: ["src"], mutex: true })
    expect(codeOf(table.ask("bob", { verb: "claim", task: "v", worktree: "v", paths: ["src"] }))).toBe("granted")
    expect(codeOf(table.ask("ann", { verb: "claim", task: "t", mutex: false }))).toBe("SCOPE_CONFLICT")
  })

  it("waits for what can end, and is refused at once for what cannot", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    expect(table.ask("bob", { verb: "claim", task: "u", paths: Array.from({ length: 513 }, (_, at) => `p${at}`), wait: true })).toMatchObject({ code: "QUOTA_EXCEEDED" })
    for (let at = 0; at < 127; at++) table.get("bob", { verb: "claim", task: `b${at}`, mutex: true })
    expect(table.ask("bob", { verb: "claim", task: "t", wait: true })).toBeUndefined()
    table.get("bob", { verb: "claim", task: "last", mutex: true })
    table.get("ann", { verb: "release", task: "t" })
    // It is its turn, and it has as many as it may have.
    expect(table.later("bob").at(-1)).toMatchObject({ ok: false, code: "QUOTA_EXCEEDED", current: 128 })
    expect(table.desk.state.lines.size).toBe(0)
  })

  it("is not handed on under a call of somebody else that touches its files", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    table.get("ann", { verb: "claim", task: "t", worktree: "/r", paths: ["src"] })
    table.get("eve", { verb: "claim", task: "everything else" })
    table.desk.state.underWay = { calls: [{ warrant: "w", system: "ann", paths: ["/r/src/a"] }] }
    expect(table.ask("ann", { verb: "handoff", task: "t", to: "bob" })).toMatchObject({ code: "SCOPE_CONFLICT", holder: "ann" })
    // Whoever holds a claim keeps it, whoever calls.
    expect(table.get("ann", { verb: "claim", task: "t" }).renewed).toBe(true)
    table.desk.state.underWay = { calls: [{ warrant: "w", system: "bob", paths: ["/r/src/a"] }] }
    expect(table.get("ann", { verb: "claim", task: "t" }).renewed).toBe(true)
    table.desk.state.underWay = { calls: [{ warrant: "w", system: "ann", paths: ["/r/src/a"] }] }
    // A named lock is of no files.
    table.get("ann", { verb: "claim", task: "lock", mutex: true })
    expect(table.get("ann", { verb: "handoff", task: "lock", to: "bob" }).claim.owner).toBe("bob")
    table.desk.state.underWay = { calls: [] }
    expect(table.get("ann", { verb: "handoff", task: "t", to: "bob" }).claim.owner).toBe("bob")
  })

  it("covers what its holder works on, on its branch or on whichever there is", () => {
    const table = makeTable()
    const verdict = (branch?: string): unknown => table.get("ann", { verb: "check", worktree: "", paths: ["src/x"], ...(branch === undefined ? {} : { branch }) }).paths[0]?.verdict
    table.get("ann", { verb: "claim", task: "t", paths: ["src"] })
    expect([verdict(), verdict("main")]).toEqual(["mine", "mine"])
    table.get("ann", { verb: "claim", task: "t", git: { branch: "feat", releaseOn: "manual" } })
    expect([verdict(), verdict("main"), verdict("feat")]).toEqual(["mine", "free", "mine"])
    for (const [status, expected] of [["working", "mine"], ["input_required", "not-editable"], ["working", "mine"], ["done", "not-editable"]] as const) {
      table.get("ann", { verb: "update", task: "t", status })
      expect(verdict("feat"), status).toBe(expected)
    }
  })

  it("that is renewed very often leaves no more behind than what falls due", () => {
    const table = makeTable()
    table.get("ann", { verb: "offer", kind: "k", name: "n" })
    const { claims, offers, timers } = table.desk.state
    table.get("bob", { verb: "claim", task: "before", mutex: true, ttlSeconds: 400 })
    for (let at = 0; at < 6_000; at++) table.get("ann", { verb: "claim", task: "t", ttlSeconds: 400 })
    expect(timers.size).toBeLessThan(2_500)
    table.pass(300_001)
    expect(offers.size).toBe(0)
    table.pass(40_000)
    for (const seat of ["ann", "bob"]) expect(table.notices(seat).filter(({ notice }) => notice === "expiring").length, seat).toBe(1)
    table.pass(60_000)
    expect([claims.size, timers.size < 10]).toEqual([0, true])
  })
})

describe("what a claim leaves", () => {
  it("is its warning a quarter of its time before its end, at most a minute", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t", ttlSeconds: 3_600 })
    table.pass(3_600_000 - 60_001)
    expect(table.notices("ann").map(({ notice }) => notice)).toEqual(["silent"])
    table.pass(1)
    expect(table.notices("ann").map(({ notice }) => notice)).toEqual(["silent", "expiring"])
  })

  it("are the checkpoints of all that lapsed", () => {
    const table = makeTable()
    for (const task of ["a", "b"]) {
      table.get("ann", { verb: "claim", task, paths: [task], ttlSeconds: 30 })
      table.get("ann", { verb: "checkpoint", task, checkpoint: `of ${task}` })
    }
    table.pass(30_000)
    for (const task of ["a", "b"]) expect(table.get("bob", { verb: "claim", task, paths: [task] }).claim.checkpoint).toBe(`of ${task}`)
  })

  it("is found by its owner, and by whoever is above it", () => {
    const table = makeTable()
    for (const seat of ["p", "p/ann", "p/bob", "pq"]) table.get(seat, { verb: "claim", task: seat, mutex: true })
    const of = (owner?: string): ReadonlyArray<string> => table.get("eve", { verb: "state", ...(owner === undefined ? {} : { owner }) }).items.map(({ task }) => task)
    expect([of("p"), of("p/ann"), of("q"), of()]).toEqual([["p", "p/ann", "p/bob"], ["p/ann"], [], ["p", "p/ann", "p/bob", "pq"]])
  })

  it("comes in pages, and one that takes more than a page alone is a page", () => {
    const table = makeTable()
    for (const task of ["a", "large", "larger"]) table.get("ann", { verb: "claim", task, mutex: true })
    // Each letter of it takes six.
    for (const task of ["large", "larger"]) table.get("ann", { verb: "checkpoint", task, checkpoint: "\u0001".repeat(65_536) })
    const page = (after?: string): unknown => {
      const { items, next } = table.get("eve", { verb: "state", limit: 10_000, ...(after === undefined ? {} : { after }) })
      return [items.map(({ task }) => task), next]
    }
    expect(page()).toEqual([["a", "large"], "2"])
    expect(page("2")).toEqual([["larger"], undefined])
    const long = "x".repeat(800_000)
    expect(pageOf([long, "y"], (text) => text.slice(0, 1))).toEqual({ items: [long], next: "x" })
    // However many are asked for, there is an end to it; and there is always one.
    const numbers = Array.from({ length: 5_001 }, (_, at) => at)
    expect(pageOf(numbers, String, 10_000)).toEqual({ items: numbers.slice(0, 5_000), next: "4999" })
    expect(pageOf(numbers.slice(1), String, 10_000)).toEqual({ items: numbers.slice(1) })
    expect(pageOf(numbers, String, 0)).toEqual({ items: [0], next: "0" })
  })
})

describe("requests", () => {
  it("that come again, because nobody knew that they were decided, are answered as they were and not done twice", () => {
    const table = makeTable()
    table.get("bob", { verb: "beat" })
    const again = (id: string, system: string, ask: object): unknown => {
      const before = table.later(system).length
      for (const isAgain of [false, true]) decide(table.desk, { id, sender: system, at: table.at, payload: ask, isAgain })
      table.pass(0)
      const [first, second, ...rest] = table.later(system).slice(before)
      expect([second, rest], JSON.stringify(ask)).toEqual([first, []])
      return first
    }
    expect(again("q1", "ann", { verb: "claim", task: "t" })).toMatchObject({ ok: true, renewed: false, claim: { epoch: 1 } })
    expect(again("q2", "ann", { verb: "update", task: "t", status: "working" })).toMatchObject({ ok: true, claim: { version: 1 } })
    expect(again("q3", "ann", { verb: "checkpoint", task: "t", checkpoint: "c" })).toMatchObject({ ok: true, version: 2 })
    expect(again("q4", "ann", { verb: "handoff", task: "t", to: "bob" })).toMatchObject({ ok: true, claim: { owner: "bob", epoch: 2 } })
    expect(again("q5", "bob", { verb: "release", task: "t" })).toMatchObject({ ok: true, owner: "bob" })
    expect(again("q6", "ann", { verb: "declare", task: "p", title: "P" })).toMatchObject({ ok: true, again: false })
    expect(again("q7", "ann", { verb: "plan", task: "p", status: "done" })).toMatchObject({ ok: true, task: { version: 2 } })
    expect(again("q8", "ann", { verb: "progress", task: "p", text: "x" })).toMatchObject({ ok: true })
    expect(again("q9", "ann", { verb: "offer", kind: "k", name: "n" })).toMatchObject({ ok: true })
    expect([table.ledger.length, table.talk.length]).toEqual([7, 2])
    // What was refused is decided anew, and a question asked anew.
    expect(again("q10", "ann", { verb: "release", task: "t" })).toMatchObject({ code: "NOT_CLAIMED" })
    expect(again("q11", "ann", { verb: "why", worktree: "", path: "x" })).toEqual({ ok: true, claims: [] })
  })

  it("that wait and come again wait once", () => {
    const table = makeTable()
    table.get("bob", { verb: "claim", task: "t" })
    for (const isAgain of [false, true, true]) decide(table.desk, { id: "q1", sender: "ann", at: table.at, payload: { verb: "claim", task: "t", wait: true }, isAgain })
    for (const isAgain of [false, true]) decide(table.desk, { id: "q2", sender: "ann", at: table.at, payload: { verb: "inbox", waitMillis: 1_000 }, isAgain })
    table.pass(0)
    expect(table.later("ann")).toEqual([])
    expect(table.desk.state.lines.get("t")).toMatchObject([{ seat: "ann" }])
    table.get("bob", { verb: "release", task: "t" })
    table.get("bob", { verb: "send", target: "ann", payload: "x" })
    expect(table.later("ann")).toMatchObject([{ ok: true, claim: { owner: "ann" } }, { ok: true, messages: [{ payload: "x" }] }])
    expect(table.desk.state.lines.size).toBe(0)
  })

  it("that are none are refused, each with what is wrong", () => {
    const table = makeTable()
    for (const payload of [undefined, null, 7, "claim", {}, { verb: null }, { verb: 7 }, []]) {
      expect(askOf(payload), JSON.stringify(payload)).toMatchObject({ code: "INVALID", message: "A request is an object with a verb." })
    }
    expect(table.ask("ann", { verb: "x".repeat(200) })).toMatchObject({ code: "INVALID", message: expect.stringMatching(/^Unknown verb 'x{100}'\. There are: claim, release/) })
    expect(table.ask("ann", { verb: "claim" })).toMatchObject({ code: "INVALID", message: expect.stringMatching(/^claim: .*task/su) })
    expect(table.ask("ann", { verb: "claim", task: "t", key: 7 })).toMatchObject({ code: "INVALID", message: expect.stringContaining("key") })
    // Who asks nothing that is understood is not here.
    expect(table.presence).toEqual([])
  })

  it("are done as often as they come where their verb knows no keys", () => {
    const table = makeTable()
    expect([1, 2].map(() => table.ask("ann", { verb: "send", payload: "x", key: "k" }))).toMatchObject([{ message: 1 }, { message: 2 }])
  })
})
