import { describe, expect, it } from "vitest"
import { makeTable, type Table } from "../../kit/coordination.ts"

const offered = (table: Table): ReadonlyArray<string> => table.get("eve", { verb: "state" }).offers.map(({ kind, name, seat }) => `${seat} ${kind} ${name}`)

describe("offers", () => {
  it("come by seat, kind and name", () => {
    const table = makeTable()
    for (const [seat, kind, name] of [["bob", "gpu", "b"], ["ann", "key", "b"], ["bob", "gpu", "a"], ["bob", "cpu", "z"], ["ann", "key", "a"], ["bob", "key", "a"]] as const) {
      table.get(seat, { verb: "offer", kind, name })
    }
    expect(offered(table)).toEqual(["ann key a", "ann key b", "bob cpu z", "bob gpu a", "bob gpu b", "bob key a"])
  })

  it("stand for five minutes from when they were last said", () => {
    const table = makeTable()
    for (const name of ["said once", "said twice", "said twice"]) table.get("ann", { verb: "offer", kind: "k", name })
    table.pass(100_000)
    table.get("ann", { verb: "offer", kind: "k", name: "said later" })
    table.get("ann", { verb: "offer", kind: "k", name: "said once" })
    table.pass(200_001)
    expect(offered(table)).toEqual(["ann k said later", "ann k said once"])
    table.pass(99_999)
    expect(offered(table)).toEqual(["ann k said later", "ann k said once"])
    table.pass(1)
    expect([offered(table), table.desk.state.offers.size]).toEqual([[], 0])
  })

  it("come with the first page of the claims, as do the seats, and with no other one", () => {
    const table = makeTable()
    table.get("ann", { verb: "offer", kind: "k", name: "n" })
    for (const task of ["a", "b", "c"]) table.get("ann", { verb: "claim", task, mutex: true })
    const page = (after?: string): unknown => {
      const { items, next, offers, seats } = table.get("ann", { verb: "state", limit: 2, ...(after === undefined ? {} : { after }) })
      return [items.map(({ task }) => task), next, offers.length, seats.map(({ seat }) => seat)]
    }
    expect(page()).toEqual([["a", "b"], "2", 1, ["ann"]])
    expect(page("2")).toEqual([["c"], undefined, 0, []])
    // What is no place to go on from is the beginning.
    expect(page("what")).toEqual([["a", "b"], "2", 0, []])
    expect(table.get("ann", { verb: "state", task: " b " }).items.map(({ task }) => task)).toEqual(["b"])
    expect(table.get("ann", { verb: "state", task: "x" }).items).toEqual([])
  })
})

describe("cards", () => {
  it("stand for five minutes from when they were last said, and are withdrawn aloud", () => {
    const table = makeTable()
    const cards = (taskClass?: string): ReadonlyArray<string> => table.get("eve", { verb: "manifest", ...(taskClass === undefined ? {} : { taskClass }) }).cards.map(({ seat }) => seat)
    table.get("bob", { verb: "advertise", taskClasses: ["review"] })
    table.get("ann", { verb: "advertise" })
    expect([cards(), cards("review"), cards("other")]).toEqual([["ann", "bob"], ["bob"], []])
    table.pass(100_000)
    table.get("bob", { verb: "advertise" })
    table.pass(200_000)
    expect(cards()).toEqual(["ann", "bob"])
    table.pass(1)
    expect(cards()).toEqual(["bob"])
    table.get("bob", { verb: "leave" })
    expect(cards()).toEqual([])
    // It is due once more: there is nothing left of it.
    table.pass(300_000)
    expect(table.presence.filter(({ kind }) => kind === "withdrawn")).toEqual([{ kind: "withdrawn", payload: { seat: "ann" } }, { kind: "withdrawn", payload: { seat: "bob" } }])
  })
})
