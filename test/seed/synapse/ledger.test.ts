import { describe, expect, it } from "vitest"
import { makeTable, type Granted } from "../../kit/coordination.ts"

describe("resources and cards", () => {
  it("[104] an offer needs kind and name", () => {
    const table = makeTable()
    for (const [kind, name] of [["", "n"], ["k", " "]] as const) {
      expect(table.ask("ann", { verb: "offer", kind, name })).toMatchObject({ code: "OFFER_INCOMPLETE", message: "resource offer requires kind+name" })
    }
    expect(table.get("ann", { verb: "offer", kind: " gpu ", name: "a" }).offer).toEqual({ seat: "ann", kind: "gpu", name: "a", capacity: 1, meta: {}, at: table.at })
  })

  it("[105] a capacity is at least 1, the same offer refreshes, offers are listed in order and end after 300 s", () => {
    const table = makeTable()
    table.get("bob", { verb: "offer", kind: "gpu", name: "b", capacity: 0 })
    table.get("ann", { verb: "offer", kind: "gpu", name: "b" })
    table.get("ann", { verb: "offer", kind: "gpu", name: "a", capacity: 2 })
    table.pass(200_000)
    table.get("ann", { verb: "offer", kind: "gpu", name: "a", capacity: 3, meta: { vram: 24 } })
    const offers = (): ReadonlyArray<string> => table.get("eve", { verb: "state" }).offers.map(({ capacity, kind, name, seat }) => `${seat}:${kind}:${name}=${capacity}`)
    expect(offers()).toEqual(["ann:gpu:a=3", "ann:gpu:b=1", "bob:gpu:b=1"])
    table.pass(100_000)
    expect(offers().length).toBe(3)
    table.pass(1)
    expect(offers()).toEqual(["ann:gpu:a=3"])
    expect(table.desk.state.offers.size).toBe(1)
  })

  it("[106] [D10] a capacity that is no whole number and a meta that is no object are refused and written down nowhere", () => {
    const table = makeTable()
    for (const wrong of [{ capacity: "x" }, { capacity: 1.5 }, { meta: "x" }, { meta: [1] }]) {
      expect(table.ask("ann", { verb: "offer", kind: "k", name: "n", ...wrong }), JSON.stringify(wrong)).toMatchObject({ code: "INVALID" })
    }
    expect(table.ask("ann", { verb: "offer", kind: "k", name: "n", meta: { x: "y".repeat(70_000) } })).toMatchObject({ code: "INVALID" })
    expect(table.talk).toEqual([])
  })

  it("[107] a card is one per seat, trimmed, replaced by the next, gone with the seat and after 300 s", () => {
    const table = makeTable()
    const card = table.get("ann", { verb: "advertise", description: " d ", skills: ["a", " a ", "", "b"], taskClasses: ["chat"], model: "m" }).card
    expect(card).toEqual({ seat: "ann", description: "d", skills: ["a", "b"], taskClasses: ["chat"], model: "m", meta: {}, at: table.at })
    table.get("ann", { verb: "advertise", skills: ["c"] })
    table.get("bob", { verb: "advertise" })
    expect(table.get("eve", { verb: "manifest" }).cards).toMatchObject([{ seat: "ann", skills: ["c"] }, { seat: "bob" }])
    table.get("bob", { verb: "leave" })
    expect(table.get("eve", { verb: "manifest" }).cards.map(({ seat }) => seat)).toEqual(["ann"])
    table.pass(200_000)
    table.get("ann", { verb: "advertise", skills: ["c"] })
    table.pass(300_000)
    expect(table.get("eve", { verb: "manifest" }).cards.length).toBe(1)
    table.pass(1)
    expect(table.get("eve", { verb: "manifest" }).cards).toEqual([])
    expect(table.presence.map(({ kind }) => kind).filter((kind) => kind === "advertised" || kind === "withdrawn")).toEqual(["advertised", "advertised", "advertised", "withdrawn", "advertised", "withdrawn"])
  })

  it("[108] [109] the manifest is sorted by seat, and of a class holds those that name it", () => {
    const table = makeTable()
    for (const [seat, taskClasses] of [["zoe", ["code"]], ["ann", ["chat", "code"]], ["bob", ["chat"]]] as const) table.get(seat, { verb: "advertise", taskClasses })
    const seats = (taskClass?: string): ReadonlyArray<string> =>
      table.get("eve", { verb: "manifest", ...(taskClass === undefined ? {} : { taskClass }) }).cards.map(({ seat }) => seat)
    expect([seats(), seats("code"), seats("x")]).toEqual([["ann", "bob", "zoe"], ["ann", "zoe"], []])
  })
})

describe("the plan", () => {
  it("[110] a declared task needs id and title, is open, and knows who declared it and when", () => {
    const table = makeTable()
    expect(table.ask("ann", { verb: "declare", task: " ", title: "T" })).toMatchObject({ code: "TASK_ID_REQUIRED", message: "Task ID is required." })
    expect(table.ask("ann", { verb: "declare", task: "t", title: "" })).toMatchObject({ code: "TITLE_REQUIRED", message: "Task title is required." })
    expect(table.get("ann", { verb: "declare", task: " t ", title: " T ", description: " d " })).toMatchObject({
      again: false, task: { task: "t", title: "T", description: "d", status: "open", createdBy: "ann", createdAt: table.at, updatedAt: table.at, dependsOn: [], suggestedOwner: "", version: 1 }
    })
  })

  it("[111] declared again it keeps status and origin, and the rest is new", () => {
    const table = makeTable()
    table.get("ann", { verb: "declare", task: "t", title: "T", dependsOn: ["x"], suggestedOwner: "bob" })
    table.get("ann", { verb: "plan", task: "t", status: "blocked" })
    const at = table.at
    table.pass(5)
    expect(table.get("bob", { verb: "declare", task: "t", title: "U" })).toMatchObject({
      again: true, task: { title: "U", dependsOn: [], suggestedOwner: "", status: "blocked", createdBy: "ann", createdAt: at, updatedAt: at + 5, version: 3 }
    })
  })

  it("[112] dependencies are trimmed, each once, in order, and none is the task itself", () => {
    expect(makeTable().get("ann", { verb: "declare", task: "t", title: "T", dependsOn: ["b", " a ", "", "t", "b"] }).task.dependsOn).toEqual(["b", "a"])
  })

  it("[113] circles are refused and change nothing; a diamond and what is not declared are not circles", () => {
    const table = makeTable()
    const declare = (task: string, ...dependsOn: ReadonlyArray<string>): unknown => table.ask("ann", { verb: "declare", task, title: task, dependsOn })
    for (const [task, ...on] of [["a"], ["b", "a"], ["c", "a"], ["d", "b", "c"], ["e", "unknown"]] as const) expect(declare(task, ...on)).toMatchObject({ ok: true })
    const before = table.get("ann", { verb: "board" }).items
    for (const on of ["b", "d"]) expect(declare("a", on)).toMatchObject({ code: "DEPENDENCY_CYCLE", message: "Task 'a' dependencies would form a cycle." })
    const after = table.get("ann", { verb: "board" })
    expect(after.items).toEqual(before)
    expect(after.ready).toEqual(["a"])
  })

  it("[114] ready is what is open and depends on nothing that is not over, sorted", () => {
    const table = makeTable()
    for (const [task, ...dependsOn] of [["z"], ["m", "z"], ["k", "z", "y"], ["y"], ["b", "nowhere"]] as const) table.get("ann", { verb: "declare", task, title: task, dependsOn })
    const ready = (): ReadonlyArray<string> => table.get("ann", { verb: "board" }).ready
    expect(ready()).toEqual(["y", "z"])
    table.get("ann", { verb: "plan", task: "z", status: "done" })
    expect(ready()).toEqual(["m", "y"])
    table.get("ann", { verb: "plan", task: "y", status: "cancelled" })
    expect(ready()).toEqual(["k", "m"])
  })

  it("[115] an unknown task or status is refused, and an owner alone leaves the status", () => {
    const table = makeTable()
    expect(table.ask("ann", { verb: "plan", task: "x", status: "open" })).toMatchObject({ code: "TASK_NOT_FOUND", message: "Task 'x' is not on the board." })
    table.get("ann", { verb: "declare", task: "t", title: "T" })
    expect(table.ask("ann", { verb: "plan", task: "t", status: "claimed" })).toMatchObject({ code: "STATUS_UNKNOWN", message: "Unknown ledger status 'claimed'." })
    table.get("ann", { verb: "plan", task: "t", status: "in_progress" })
    expect(table.get("bob", { verb: "plan", task: "t", suggestedOwner: " bob " }).task).toMatchObject({ status: "in_progress", suggestedOwner: "bob" })
    expect(table.get("bob", { verb: "plan", task: "t", suggestedOwner: "" }).task.suggestedOwner).toBe("")
  })

  it("[D21] what somebody works on under a live claim is not opened again by another", () => {
    const table = makeTable()
    table.get("ann", { verb: "declare", task: "t", title: "T" })
    table.get("ann", { verb: "claim", task: "t" })
    table.get("ann", { verb: "plan", task: "t", status: "in_progress" })
    expect(table.ask("bob", { verb: "plan", task: "t", status: "open" })).toMatchObject({ code: "NOT_OWNER", holder: "ann" })
    expect(table.get("ann", { verb: "plan", task: "t", status: "open" }).task.status).toBe("open")
    table.get("ann", { verb: "plan", task: "t", status: "in_progress" })
    table.get("ann", { verb: "release", task: "t" })
    expect(table.get("bob", { verb: "plan", task: "t", status: "open" }).task.status).toBe("open")
  })

  it("[116] progress is a note, blocked or an assessment, of a task or of the board", () => {
    const table = makeTable()
    expect(table.ask("ann", { verb: "progress", task: "", text: "x", kind: "rant" })).toMatchObject({ code: "KIND_UNKNOWN", message: "Unknown progress kind 'rant'." })
    for (const kind of ["note", "blocked", "assessment"]) expect(table.get("ann", { verb: "progress", task: "", text: "x", kind }).note).toEqual({ task: "", author: "ann", kind, text: "x", at: table.at })
    expect(table.get("ann", { verb: "progress", task: " t ", text: "y" }).note).toMatchObject({ task: "t", kind: "note" })
  })

  it("[117] the newest 5000 notes are kept, in their order", () => {
    const table = makeTable()
    for (let at = 0; at < 5_600; at++) table.get("ann", { verb: "progress", task: "", text: String(at) })
    const { progress } = table.get("ann", { verb: "board" })
    expect([progress.at(-1)?.text, progress.length]).toEqual(["5599", 5_000])
    expect(progress.map(({ text }) => Number(text))).toEqual(Array.from({ length: progress.length }, (_, at) => 5_600 - progress.length + at))
    expect(table.desk.state.notes.length).toBeLessThanOrEqual(5_500)
  })

  it("[118] a task has a version, and a change that expects another is refused with it", () => {
    const table = makeTable()
    expect(table.ask("ann", { verb: "declare", task: "t", title: "T", expectedVersion: 1 })).toMatchObject({ code: "VERSION_CONFLICT", current: 0 })
    table.get("ann", { verb: "declare", task: "t", title: "T", expectedVersion: 0 })
    expect(table.ask("ann", { verb: "plan", task: "t", status: "done", expectedVersion: 2 })).toMatchObject({ code: "VERSION_CONFLICT", current: 1 })
    expect(table.get("ann", { verb: "plan", task: "t", status: "done", expectedVersion: 1 }).task.version).toBe(2)
  })

  it("[119] the board has the tasks by id, what is ready, and what was said, in pages", () => {
    const table = makeTable()
    for (const task of ["c", "a", "b"]) table.get("ann", { verb: "declare", task, title: task })
    table.get("ann", { verb: "progress", task: "a", text: "half" })
    const first = table.get("ann", { verb: "board", limit: 2 })
    expect(first).toMatchObject({ items: [{ task: "a" }, { task: "b" }], next: "b", ready: ["a", "b", "c"], progress: [{ text: "half" }] })
    expect(table.get("ann", { verb: "board", after: "b" })).toEqual({ ok: true, items: [expect.objectContaining({ task: "c" })], ready: [], progress: [] })
  })

  it("[D13] what does not fit into one answer comes in pages that do", () => {
    const table = makeTable()
    for (let at = 0; at < 300; at++) {
      const description = `${at}`.padEnd(2_000, "\u0001")
      table.get("ann", { verb: "declare", task: `t${at}`, title: "T", description })
      table.get(`s${at % 3}`, { verb: "claim", task: `c${at}`, paths: [`p${at}`], note: description })
    }
    for (const verb of ["board", "state"] as const) {
      const seen = new Set<string>()
      for (let after: string | undefined, pages = 0; pages < 200; pages++) {
        const page = table.ask("ann", { verb, ...(after === undefined ? {} : { after }) }) as Granted<"board"> | Granted<"state">
        expect(JSON.stringify(page).length).toBeLessThan(1_000_000)
        for (const { task } of page.items) seen.add(task)
        after = page.next
        if (after === undefined) break
      }
      expect(seen.size).toBe(300)
    }
  })
})
