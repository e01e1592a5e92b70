import { describe, expect, it } from "vitest"
import { makeTable } from "../../kit/coordination.ts"

describe("the plan", () => {
  it("is looked through once, however many ways lead from one task to another", () => {
    const table = makeTable()
    const layer = (at: number): ReadonlyArray<string> => [0, 1, 2].map((one) => `l${at}-${one}`)
    for (let at = 1; at < 40; at++) for (const task of layer(at)) table.get("ann", { verb: "declare", task, title: "T", dependsOn: layer(at - 1) })
    expect(table.get("ann", { verb: "declare", task: "goal", title: "T", dependsOn: layer(39) }).task.dependsOn).toEqual(layer(39))
    expect(table.ask("ann", { verb: "declare", task: "l0-0", title: "T", dependsOn: ["goal"] })).toMatchObject({ code: "DEPENDENCY_CYCLE" })
  })

  it("is changed by anybody, but what was closed is not opened again under a claim of another", () => {
    const table = makeTable()
    expect(table.ask("ann", { verb: "plan", task: " " })).toMatchObject({ code: "TASK_ID_REQUIRED" })
    expect(table.ask("ann", { verb: "plan", task: "t" })).toMatchObject({ code: "TASK_NOT_FOUND", message: "Task 't' is not on the board." })
    table.get("ann", { verb: "declare", task: "t", title: "T" })
    table.get("bob", { verb: "claim", task: "t" })
    // It was open: that it is said again opens nothing.
    for (const status of ["open", "in_progress", "done"]) expect(table.get("ann", { verb: "plan", task: "t", status }).task.status).toBe(status)
    expect(table.get("ann", { verb: "plan", task: "t", suggestedOwner: " eve " }).task).toMatchObject({ status: "done", suggestedOwner: "eve", version: 5 })
    expect(table.ask("ann", { verb: "plan", task: "t", status: "open" })).toMatchObject({ code: "NOT_OWNER", holder: "bob", conflict: "t" })
    expect(table.get("bob", { verb: "plan", task: "t", status: "open" }).task).toMatchObject({ status: "open", suggestedOwner: "eve" })
  })

  it("comes in pages by id, of which the first says what is ready and what was said", () => {
    const table = makeTable()
    for (const task of ["b", "c", "a"]) table.get("ann", { verb: "declare", task, title: task })
    table.get("ann", { verb: "progress", task: "a", text: "begun" })
    const page = (after?: string): unknown => {
      const { items, next, progress, ready } = table.get("ann", { verb: "board", limit: 2, ...(after === undefined ? {} : { after }) })
      return [items.map(({ task }) => task), next, ready, progress.map(({ text }) => text)]
    }
    expect(page()).toEqual([["a", "b"], "b", ["a", "b", "c"], ["begun"]])
    expect(page("b")).toEqual([["c"], undefined, [], []])
    expect(page("c")).toEqual([[], undefined, [], []])
    expect(page("zzz")).toEqual([[], undefined, [], []])
  })
})
