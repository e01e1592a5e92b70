import { describe, expect, it } from "vitest"
import { makeTable, type Table } from "../../kit/coordination.ts"

/** A table where each of these holds the task of its own name. */
const holding = (...seats: ReadonlyArray<string>): Table => {
  const table = makeTable()
  for (const seat of seats) table.get(seat, { verb: "claim", task: `of-${seat}`, paths: [seat] })
  return table
}
const free = (task: string): object => ({ notice: "free", task })

describe("waiting", () => {
  it("[97] what is not claimed, and what is one's own, cannot be waited for", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "wait", task: "x" })).toMatchObject({ code: "NOT_CLAIMED", message: "Task 'x' is not claimed; nothing to wait for." })
    expect(table.ask("ann", { verb: "wait", task: "of-ann" })).toMatchObject({ code: "ALREADY_HELD", message: "You already hold 'of-ann'." })
  })

  it("[98] who waits is told who holds it, and its place in the line", () => {
    const table = holding("ann")
    expect(table.get("bob", { verb: "wait", task: "of-ann" })).toMatchObject({ task: "of-ann", holder: "ann", position: 1 })
    expect(table.get("eve", { verb: "wait", task: "of-ann" }).position).toBe(2)
    expect(table.get("bob", { verb: "wait", task: "of-ann" }).position).toBe(1)
  })

  it("[99] waiting in a circle is refused with the holder, through any chain", () => {
    const table = holding("a", "b", "c", "d")
    for (const [seat, on] of [["a", "b"], ["b", "c"], ["c", "d"]] as const) table.get(seat, { verb: "wait", task: `of-${on}` })
    for (const seat of ["a", "b", "c"]) {
      expect(table.ask("d", { verb: "wait", task: `of-${seat}` })).toEqual({
        ok: false, code: "WOULD_DEADLOCK", message: `Waiting for 'of-${seat}' held by ${seat} would deadlock.`, holder: seat
      })
    }
    expect(table.ask("d", { verb: "claim", task: "of-a", wait: true })).toMatchObject({ code: "WOULD_DEADLOCK" })
  })

  it("[100] the walk ends where others wait in a circle", () => {
    const table = holding("a", "b", "c")
    table.get("a", { verb: "wait", task: "of-b" })
    // Two that wait for each other: no request makes them, so they are put there.
    const [waiter] = table.desk.state.lines.get("of-b")!
    const circle = { ...waiter!, seat: "b", system: "b", task: "of-a", order: 99 }
    table.desk.state.lines.set("of-a", [circle])
    table.desk.state.seats.get("b")!.waits.add(circle)
    expect(table.get("c", { verb: "wait", task: "of-a" }).position).toBe(2)
  })

  it("[101] a granted claim, a hand-off and leaving end what one waits for", () => {
    const table = holding("a", "b")
    table.get("a", { verb: "wait", task: "of-b" })
    expect(table.ask("b", { verb: "wait", task: "of-a" })).toMatchObject({ code: "WOULD_DEADLOCK" })
    // At work again, it is waited for by nobody in vain; that it waits to be told is known still.
    table.get("a", { verb: "claim", task: "more", paths: ["more"] })
    table.get("b", { verb: "wait", task: "of-a" })
    table.get("b", { verb: "leave" })
    table.get("b", { verb: "beat" })
    expect(table.desk.state.seats.get("b")?.waits.size).toBe(0)
    table.get("a", { verb: "wait", task: "of-b" })
    table.get("b", { verb: "handoff", task: "of-b", to: "a" })
    expect(table.desk.state.seats.get("a")?.waits.size).toBe(0)
    table.get("b", { verb: "wait", task: "of-b" })
  })

  it("[102] [D18] no wait outlives what it was for", () => {
    for (const end of ["release", "expiry", "handoff"] as const) {
      const table = holding("a", "b")
      table.get("c", { verb: "beat" })
      table.get("a", { verb: "wait", task: "of-b" })
      if (end === "release") table.get("b", { verb: "release", task: "of-b" })
      else if (end === "handoff") table.get("b", { verb: "handoff", task: "of-b", to: "c" })
      else {
        table.pass(3_500_000)
        table.get("a", { verb: "claim", task: "of-a" })
        table.get("a", { verb: "wait", task: "of-b" })
        table.pass(100_000)
      }
      // b does not hold it any more: a waits for b no longer.
      expect(table.get("b", { verb: "wait", task: "of-a" }).holder, end).toBe("a")
    }
  })

  it("a hand-off that would close a circle is refused", () => {
    const table = holding("a", "b", "c")
    table.get("b", { verb: "wait", task: "of-c" })
    table.get("c", { verb: "wait", task: "of-a" })
    expect(table.ask("a", { verb: "handoff", task: "of-a", to: "b" })).toMatchObject({ code: "WOULD_DEADLOCK", holder: "b" })
    table.get("c", { verb: "leave" })
    expect(table.get("a", { verb: "handoff", task: "of-a", to: "b" }).claim.owner).toBe("b")
  })

  it("[103] those who wait are told in the order of their coming, the next when the first does not want it", () => {
    const table = holding("ann")
    for (const seat of ["bob", "eve", "zoe"]) table.get(seat, { verb: "wait", task: "of-ann" })
    table.get("ann", { verb: "release", task: "of-ann" })
    expect([table.notices("bob"), table.notices("eve")]).toEqual([[free("of-ann")], []])
    table.get("bob", { verb: "claim", task: "of-ann" })
    table.get("bob", { verb: "release", task: "of-ann" })
    expect([table.notices("eve"), table.notices("zoe")]).toEqual([[free("of-ann")], []])
    table.pass(9_999)
    expect(table.notices("zoe")).toEqual([])
    table.pass(1)
    expect(table.notices("zoe")).toEqual([free("of-ann")])
  })

  it("[103] a claim that waits is granted in its turn, and its answer comes then", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true, paths: ["ann"] })).toBeUndefined()
    expect(table.ask("eve", { verb: "claim", task: "of-ann", wait: true })).toBeUndefined()
    expect(table.ask("zoe", { verb: "claim", task: "other", paths: ["ann/x"], wait: true })).toBeUndefined()
    table.get("ann", { verb: "release", task: "of-ann" })
    expect(table.later("bob")).toMatchObject([{ ok: true, claim: { owner: "bob", epoch: 2 } }])
    expect([table.later("eve"), table.later("zoe")]).toEqual([[], []])
    table.pass(3_600_000)
    // Its lease has ended: the whole worktree is eve's, and zoe waits on.
    expect(table.later("eve")).toMatchObject([{ ok: true, claim: { owner: "eve" } }])
    expect(table.later("zoe")).toEqual([])
    table.get("eve", { verb: "release", task: "of-ann" })
    expect(table.later("zoe")).toMatchObject([{ ok: true, claim: { owner: "zoe", task: "other" } }])
  })

  it("a claim in line is refused once it would wait for itself", () => {
    const table = holding("a", "b", "c")
    expect(table.ask("a", { verb: "claim", task: "of-b", wait: true })).toBeUndefined()
    expect(table.ask("c", { verb: "claim", task: "of-b", wait: true })).toBeUndefined()
    // c comes after a, so a holds what c waits for before c does.
    expect(table.ask("a", { verb: "wait", task: "of-c" })).toMatchObject({ code: "WOULD_DEADLOCK" })
    table.get("b", { verb: "release", task: "of-b" })
    // Both want the whole worktree: a waits for c's files now, and c would wait for a's.
    expect(table.later("c").at(-1)).toMatchObject({ ok: false, code: "WOULD_DEADLOCK", holder: "a" })
    table.get("c", { verb: "release", task: "of-c" })
    expect(table.later("a").at(-1)).toMatchObject({ ok: true, claim: { task: "of-b", owner: "a" } })
  })

  it("who only wants to be told counts as waiting no longer when that would be for itself", () => {
    const table = holding("ann", "eve")
    for (const seat of ["bob", "eve"]) table.get(seat, { verb: "wait", task: "of-ann" })
    expect(table.ask("zoe", { verb: "claim", task: "of-eve", wait: true })).toBeUndefined()
    table.get("ann", { verb: "release", task: "of-ann" })
    // bob was told and does not want it; zoe takes what eve waits for, and waits for eve.
    table.get("zoe", { verb: "claim", task: "of-ann", paths: ["ann"] })
    expect(table.desk.state.lines.get("of-ann")).toMatchObject([{ seat: "eve", isIdle: true }])
    table.get("zoe", { verb: "release", task: "of-ann" })
    expect(table.notices("eve")).toEqual([free("of-ann")])
  })

  it("who leaves is answered, and stands in no line any more", () => {
    const table = holding("ann")
    table.ask("bob", { verb: "claim", task: "of-ann", wait: true })
    table.get("bob", { verb: "leave" })
    expect(table.later("bob")).toMatchObject([{ ok: false, code: "INVALID" }, { ok: true }])
    table.get("ann", { verb: "release", task: "of-ann" })
    expect(table.later("bob").length).toBe(2)
  })

  it("who stands in line and leaves makes room for who is behind", () => {
    const table = holding("ann")
    table.get("bob", { verb: "wait", task: "of-ann" })
    table.get("eve", { verb: "wait", task: "of-ann" })
    table.get("bob", { verb: "leave" })
    table.get("ann", { verb: "release", task: "of-ann" })
    expect([table.notices("bob"), table.notices("eve")]).toEqual([[], [free("of-ann")]])
  })

  it("who gives up leaves the line at once, and whoever is behind moves up", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true, key: "k" })).toBeUndefined()
    expect(table.ask("eve", { verb: "claim", task: "of-ann", wait: true, key: "k" })).toBeUndefined()
    expect(table.get("bob", { verb: "withdraw", request: "k" })).toEqual({ ok: true, withdrawn: true, released: false })
    expect(table.later("bob")).toMatchObject([{ ok: false, code: "INVALID" }, { ok: true, withdrawn: true }])
    expect(table.desk.state.seats.get("bob")?.waits.size).toBe(0)
    // A second time there is nothing to give up; what another seat waits for is not one's own.
    expect(table.get("bob", { verb: "withdraw", request: "k" })).toEqual({ ok: true, withdrawn: false, released: false })
    table.get("ann", { verb: "release", task: "of-ann" })
    expect(table.desk.state.claims.get("of-ann")?.owner).toBe("eve")
    expect(table.later("bob").length).toBe(3)
    // Asked anew with the same key it is a new request.
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true, key: "k" })).toBeUndefined()
  })

  it("who gives up by the event of its request leaves the line, and takes nothing back that was granted", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true })).toBeUndefined()
    const [waiter] = table.desk.state.lines.get("of-ann") ?? []
    const request = waiter?.parked?.request ?? ""
    expect(table.get("eve", { verb: "withdraw", request })).toMatchObject({ withdrawn: false })
    expect(table.get("bob", { verb: "withdraw", request })).toMatchObject({ withdrawn: true })
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true })).toBeUndefined()
    const again = table.desk.state.lines.get("of-ann")?.[0]?.parked?.request ?? ""
    table.get("ann", { verb: "release", task: "of-ann" })
    expect(table.get("bob", { verb: "withdraw", request: again })).toEqual({ ok: true, withdrawn: false, released: false })
    expect(table.desk.state.claims.get("of-ann")?.owner).toBe("bob")
  })

  it("what was granted while its asker gave up is given back, and nothing else is", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true, key: "k" })).toBeUndefined()
    expect(table.ask("eve", { verb: "claim", task: "of-ann", wait: true })).toBeUndefined()
    table.get("ann", { verb: "release", task: "of-ann" })
    expect(table.desk.state.claims.get("of-ann")?.owner).toBe("bob")
    expect(table.get("eve", { verb: "withdraw", request: "k" })).toMatchObject({ released: false })
    expect(table.get("bob", { verb: "withdraw", request: "k" })).toEqual({ ok: true, withdrawn: false, released: true })
    expect(table.desk.state.claims.get("of-ann")?.owner).toBe("eve")
    expect(table.get("bob", { verb: "withdraw", request: "k" })).toMatchObject({ released: false })
    // A renewal was the seat's before; what was renewed since is in somebody's hand.
    table.get("ann", { verb: "claim", task: "mine", mutex: true })
    table.get("ann", { verb: "claim", task: "mine", wait: true, key: "renewal" })
    expect(table.get("ann", { verb: "withdraw", request: "renewal" })).toMatchObject({ released: false })
    table.get("bob", { verb: "claim", task: "new", mutex: true, key: "first" })
    table.get("bob", { verb: "claim", task: "new" })
    expect(table.get("bob", { verb: "withdraw", request: "first" })).toMatchObject({ released: false })
    expect(["mine", "new"].map((task) => table.desk.state.claims.has(task))).toEqual([true, true])
  })

  it("who gives up an inbox is handed nothing, and its message stays", () => {
    const table = makeTable()
    expect(table.ask("bob", { verb: "inbox", waitMillis: 1_000 })).toBeUndefined()
    const [parked] = table.desk.state.inboxes.get("bob") ?? []
    expect(table.get("bob", { verb: "withdraw", request: parked!.id })).toMatchObject({ withdrawn: true })
    expect(table.later("bob")[0]).toEqual({ ok: true, messages: [], unread: 0 })
    table.get("ann", { verb: "send", target: "bob", payload: "hi" })
    expect(table.later("bob").length).toBe(2)
    expect(table.get("bob", { verb: "inbox" }).messages).toMatchObject([{ payload: "hi" }])
  })

  it("a claim that says which lease it renews renews no other, and one that says none is not had beside the seat's own", () => {
    const table = makeTable()
    const { claim } = table.get("ann", { verb: "claim", task: "t", expectedEpoch: 0, mutex: true })
    expect(table.ask("ann", { verb: "claim", task: "t", expectedEpoch: 0 })).toEqual({
      ok: false, code: "LEASE_LIVE", message: "Task 't' is already claimed by ann.", holder: "ann", conflict: "t"
    })
    const renewed = table.get("ann", { verb: "claim", task: "t", expectedEpoch: claim.epoch })
    expect(renewed).toMatchObject({ renewed: true, claim: { epoch: claim.epoch + 1 } })
    expect(table.ask("ann", { verb: "claim", task: "t", expectedEpoch: claim.epoch })).toMatchObject({ code: "EPOCH_STALE", current: claim.epoch + 1 })
    expect(table.ask("bob", { verb: "claim", task: "t", expectedEpoch: claim.epoch + 1 })).toMatchObject({ code: "LEASE_LIVE" })
    // In line behind itself it waits like anybody, and has its turn.
    expect(table.ask("ann", { verb: "claim", task: "t", mutex: true, expectedEpoch: 0, wait: true })).toBeUndefined()
    table.get("ann", { verb: "release", task: "t" })
    expect(table.later("ann").at(-2)).toMatchObject({ ok: true, renewed: false, claim: { owner: "ann" } })
    table.get("ann", { verb: "release", task: "t" })
    expect(table.ask("ann", { verb: "claim", task: "t", expectedEpoch: claim.epoch + 2 })).toMatchObject({ code: "NOT_CLAIMED" })
  })

  it("as many wait as there is room for", () => {
    const table = makeTable()
    for (let at = 0; at < 129; at++) table.get(`s${at}`, { verb: "claim", task: `t${at}`, paths: [`p${at}`] })
    for (let at = 0; at < 128; at++) table.get("ann", { verb: "wait", task: `t${at}` })
    expect(table.ask("ann", { verb: "wait", task: "t128" })).toMatchObject({ code: "QUOTA_EXCEEDED", current: 128 })
  })
})
