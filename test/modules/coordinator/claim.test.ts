import type { coordination } from "aaax"
import { describe, expect, it } from "vitest"
import { askOf } from "../../../modules/coordinator/decide.ts"
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
    table.desk.state.underWay = { calls: [{ warrant: "w", system: "ann", paths: ["/r/src/a"] }] }
    expect(table.ask("ann", { verb: "handoff", task: "t", to: "bob" })).toMatchObject({ code: "SCOPE_CONFLICT", holder: "ann" })
    // It is its own call: that is in nobody's way while it keeps the claim.
    expect(table.get("ann", { verb: "claim", task: "t" }).renewed).toBe(true)
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
    const { timers } = table.desk.state
    for (let at = 0; at < 6_000; at++) table.get("ann", { verb: "claim", task: "t", ttlSeconds: 400 })
    expect(timers.size).toBeLessThan(10_001)
    table.pass(300_001)
    expect(table.desk.state.offers.size).toBe(0)
    table.pass(40_000)
    expect(table.notices("ann").filter(({ notice }) => notice === "expiring").length).toBe(1)
    table.pass(60_000)
    expect(table.desk.state.claims.size).toBe(0)
    expect(timers.size).toBeLessThan(10)
  })
})

describe("requests", () => {
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
