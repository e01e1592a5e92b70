import { describe, expect, it } from "vitest"
import { makeTable, type Table } from "../../kit/coordination.ts"

/** A table where each of these holds the task of its own name. */
const holding = (...seats: ReadonlyArray<string>): Table => {
  const table = makeTable()
  for (const seat of seats) table.get(seat, { verb: "claim", task: `of-${seat}`, paths: [seat] })
  return table
}
const deadlock = { code: "WOULD_DEADLOCK" }
const free = (task: string): object => ({ notice: "free", task })

describe("who waits for whom", () => {
  it("is asked of systems: another one that has the same name now waits for itself", () => {
    const table = holding("ann", "bob")
    table.get("bob", { verb: "leave" })
    expect(table.get("synapse/bob", { verb: "wait", task: "of-ann" }).position).toBe(1)
    expect(table.get("ann", { verb: "wait", task: "of-bob" }).position).toBe(1)
  })

  it("counts nobody who went on to other work, in whichever line it stands", () => {
    const table = holding("ann", "bob", "eve")
    table.get("bob", { verb: "wait", task: "of-ann" })
    table.get("bob", { verb: "claim", task: "more", paths: ["more"] })
    table.get("eve", { verb: "wait", task: "of-ann" })
    // eve comes after bob, who does not wait.
    expect(table.get("bob", { verb: "wait", task: "of-eve" }).position).toBe(1)
  })

  it("counts nobody behind one who went on to other work", () => {
    const table = holding("ann", "bob", "eve")
    for (const seat of ["eve", "bob"]) table.get(seat, { verb: "wait", task: "of-ann" })
    table.get("bob", { verb: "claim", task: "more", paths: ["more"] })
    expect(table.get("eve", { verb: "wait", task: "of-bob" }).position).toBe(1)
    expect(table.get("eve", { verb: "wait", task: "of-ann" }).position).toBe(1)
    // Nor is it in the way of a hand-off.
    table.get("eve", { verb: "leave" })
    table.get("zoe", { verb: "wait", task: "of-bob" })
    expect(table.get("ann", { verb: "handoff", task: "of-ann", to: "zoe" }).claim.owner).toBe("zoe")
  })

  it("stays so when the task changes hands", () => {
    const table = holding("ann", "bob")
    table.get("eve", { verb: "beat" })
    table.get("bob", { verb: "wait", task: "of-ann" })
    table.get("ann", { verb: "handoff", task: "of-ann", to: "eve" })
    expect(table.ask("eve", { verb: "wait", task: "of-bob" })).toMatchObject(deadlock)
    expect(table.ask("ann", { verb: "wait", task: "of-bob" })).toMatchObject({ ok: true })
  })

  it("does not keep a task from one who waits for it, whoever was before it", () => {
    const table = holding("ann")
    for (const seat of ["eve", "bob"]) table.get(seat, { verb: "wait", task: "of-ann" })
    expect(table.get("ann", { verb: "handoff", task: "of-ann", to: "bob" }).claim.owner).toBe("bob")
    expect(table.desk.state.lines.get("of-ann")).toMatchObject([{ seat: "eve", isIdle: false }])
  })

  it("gives a place up where keeping it would let two wait for each other", () => {
    const table = makeTable()
    table.get("one", { verb: "claim", task: "a", paths: ["a"] })
    table.get("two", { verb: "claim", task: "b", paths: ["b"] })
    table.get("wim", { verb: "claim", task: "u", paths: ["u"] })
    expect(table.ask("sue", { verb: "claim", task: "both", paths: ["a", "b"], wait: true })).toBeUndefined()
    expect(table.ask("wim", { verb: "claim", task: "w", paths: ["b"], wait: true })).toBeUndefined()
    table.get("sue", { verb: "wait", task: "u" })
    // sue waits for b now, where she came before wim, for whom she waits elsewhere.
    table.get("one", { verb: "release", task: "a" })
    expect(table.later("sue").filter((answer) => !answer.ok)).toEqual([])
    expect(table.desk.state.lines.get("b")?.map(({ seat }) => seat)).toEqual(["wim", "sue"])
    table.get("two", { verb: "release", task: "b" })
    expect(table.later("wim").at(-1)).toMatchObject({ ok: true, claim: { task: "w" } })
    table.get("wim", { verb: "release", task: "w" })
    expect(table.later("sue").at(-1)).toMatchObject({ ok: true, claim: { task: "both" } })
  })
})

describe("one seat in a line twice", () => {
  it("has the task when its claim is served, and is not told that it is free", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true })).toBeUndefined()
    // What waits for the task is not what waits to be told.
    expect(table.get("bob", { verb: "wait", task: "of-ann" }).position).toBe(2)
    expect(table.get("bob", { verb: "wait", task: "of-ann" }).position).toBe(2)
    table.get("ann", { verb: "release", task: "of-ann" })
    expect(table.later("bob").at(-1)).toMatchObject({ ok: true, claim: { task: "of-ann", owner: "bob" }, renewed: false })
    expect(table.desk.state.lines.size).toBe(0)
    table.get("bob", { verb: "release", task: "of-ann" })
    expect(table.notices("bob")).toEqual([])
  })

  it("is answered also when the task is handed to it", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true })).toBeUndefined()
    table.get("bob", { verb: "wait", task: "of-ann" })
    table.get("ann", { verb: "handoff", task: "of-ann", to: "bob" })
    expect(table.later("bob").at(-1)).toMatchObject({ ok: true, claim: { task: "of-ann", owner: "bob" }, renewed: true })
    expect(table.desk.state.lines.size).toBe(0)
  })

  it("leaves nothing behind when it leaves", () => {
    const table = holding("ann")
    expect(table.ask("bob", { verb: "claim", task: "of-ann", wait: true })).toBeUndefined()
    table.get("bob", { verb: "wait", task: "of-ann" })
    table.get("bob", { verb: "leave" })
    expect([table.desk.state.lines.size, table.desk.state.seats.get("bob")?.waits.size]).toEqual([0, 0])
    table.get("ann", { verb: "release", task: "of-ann" })
    expect(table.notices("bob")).not.toContainEqual(free("of-ann"))
  })
})
