import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeCoordination, makeTable, type Table } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

const numbers = (table: Table, seat: string, ask: object = {}): ReadonlyArray<number> => table.get(seat, { verb: "inbox", ...ask }).messages.map(({ message }) => message)

describe("mail", () => {
  it("goes to those whom its target names, here or not, and to nobody who is only called alike", () => {
    const table = makeTable()
    for (const seat of ["p/ann", "p/bob", "pq"]) table.get(seat, { verb: "beat" })
    table.get("p/bob", { verb: "leave" })
    const send = (target: string): unknown => {
      const { recipients, waiting } = table.get("eve", { verb: "send", target, payload: "x" })
      return [recipients, waiting]
    }
    expect(send("p/ann")).toEqual([["p/ann"], []])
    expect(send("p/*")).toEqual([["p/ann"], ["p/bob"]])
    expect(send("pq, nobody-yet")).toEqual([["pq"], ["nobody-yet"]])
    expect(send("all")).toEqual([[], []])
    expect(send("")).toEqual([[], []])
    expect(send("eve")).toEqual([["eve"], []])
    expect(numbers(table, "nobody-yet")).toEqual([3])
    expect(table.get("p/bob", { verb: "history" }).messages.map(({ target }) => target)).toEqual(["p/ann", "p/*", "pq, nobody-yet", "all", "all", "eve"])
  })

  it("is handed out once, oldest first, and stays behind a mark that only handing out moves", () => {
    let table = makeTable()
    for (let at = 0; at < 5; at++) table.get("ann", { verb: "send", target: "bob", payload: `m${at}` })
    expect([numbers(table, "bob", { peek: true, limit: 2 }), numbers(table, "bob", { limit: 2 })]).toEqual([[1, 2], [1, 2]])
    table = table.again()
    expect(table.get("bob", { verb: "inbox", limit: 2 })).toMatchObject({ messages: [{ message: 3 }, { message: 4 }], unread: 1 })
    expect([numbers(table, "bob"), numbers(table, "bob")]).toEqual([[5], []])
  })

  it("tells its sender how far it came with each, when that was asked for", () => {
    const table = makeTable()
    for (const seat of ["ann", "bob", "eve"]) table.get(seat, { verb: "beat" })
    table.get("ann", { verb: "send", target: "bob,eve", payload: "x", receipt: true })
    table.get("ann", { verb: "send", target: "bob", payload: "y" })
    table.get("bob", { verb: "inbox" })
    table.get("bob", { verb: "acknowledge", message: 1, state: "handled" })
    table.get("eve", { verb: "acknowledge", message: 1, state: "read" })
    expect(table.notices("ann").map((notice) => notice.notice === "receipt" && notice.receipt.states)).toEqual([
      { bob: "delivered", eve: "accepted" }, { bob: "handled", eve: "accepted" }, { bob: "handled", eve: "read" }
    ])
    // It never goes back, and is nobody else's to say.
    expect(table.get("bob", { verb: "acknowledge", message: 1, state: "read" }).state).toBe("handled")
    expect(table.ask("zoe", { verb: "acknowledge", message: 1, state: "read" })).toMatchObject({ code: "MESSAGE_NOT_FOUND" })
    expect(table.get("ann", { verb: "receipts", message: 1 }).receipts).toEqual([{ message: 1, from: "ann", target: "bob,eve", states: { bob: "handled", eve: "read" } }])
    expect(table.get("ann", { verb: "receipts" }).receipts.map(({ message }) => message)).toEqual([1, 2])
  })

  it("[48] for who is not here waits, follows once when it comes back, and is in its inbox still", () => {
    const table = makeTable()
    table.get("bob", { verb: "attach" })
    table.get("bob", { verb: "leave" })
    table.get("ann", { verb: "send", target: "bob", payload: "x" })
    expect(table.get("bob", { verb: "attach" })).toEqual({ ok: true, seat: "bob", unread: 1 })
    table.get("bob", { verb: "leave" })
    table.get("bob", { verb: "attach" })
    expect(table.notices("bob")).toEqual([{ notice: "message", chat: expect.objectContaining({ message: 1, payload: "x" }), replayed: true }])
    expect(numbers(table, "bob")).toEqual([1])
  })

  it("that nobody took for a day is dead, is told so, and can be taken still", () => {
    const table = makeTable()
    table.get("ann", { verb: "send", target: "bob", payload: "x", receipt: true })
    table.pass(24 * 3_600_000 - 1)
    expect(table.get("ann", { verb: "receipts", dead: true }).receipts).toEqual([])
    table.pass(1)
    expect(table.notices("ann").at(-1)).toEqual({ notice: "receipt", receipt: { message: 1, from: "ann", target: "bob", states: { bob: "dead" } } })
    expect(table.again().get("ann", { verb: "receipts", dead: true }).receipts.length).toBe(1)
    expect(numbers(table, "bob")).toEqual([1])
    expect(table.get("ann", { verb: "receipts", dead: true }).receipts).toEqual([])
  })

  it("wakes who waits for it, also one that receives for its seat", () => {
    const table = makeTable()
    expect(table.ask("bob", { verb: "inbox", waitMillis: 5_000 })).toBeUndefined()
    table.get("bob-rx", { verb: "attach", receiver: "bob" })
    expect(table.ask("bob-rx", { verb: "inbox", waitMillis: 5_000, peek: true })).toBeUndefined()
    table.get("ann", { verb: "send", target: "eve", payload: "not for bob" })
    expect(table.later("bob")).toEqual([])
    table.get("ann", { verb: "send", target: "bob", payload: "x" })
    expect(table.later("bob")).toMatchObject([{ ok: true, messages: [{ message: 2 }], unread: 0 }])
    // The other one came after it was handed out.
    expect(table.later("bob-rx").at(-1)).toMatchObject({ ok: true, messages: [] })
  })

  effect("is waited for no longer than is said", () => Effect.gen(function*() {
    const { seat } = yield* makeCoordination()
    const ann = yield* seat("ann")
    expect(yield* ann.get({ verb: "inbox", waitMillis: 5 })).toEqual({ ok: true, messages: [], unread: 0 })
  }))

  it("comes back in pages: behind a cursor, with a word when something is gone or more is to come", () => {
    const table = makeTable()
    table.desk.state.chatsMax = 50
    for (let at = 1; at <= 80; at++) table.get("ann", { verb: "send", payload: String(at) })
    expect(table.get("ann", { verb: "resume", since: 10 })).toMatchObject({ gap: true, more: false, messages: { length: 50 } })
    expect(table.get("ann", { verb: "resume", since: 30, limit: 3 })).toMatchObject({ gap: false, more: true, messages: [{ message: 31 }, { message: 32 }, { message: 33 }] })
    expect(table.get("ann", { verb: "resume", since: 80 })).toEqual({ ok: true, messages: [], more: false, gap: false })
    expect(table.get("ann", { verb: "history", limit: 0 })).toMatchObject({ requested: 1, messages: [{ message: 80 }], truncated: false })
    expect(table.get("ann", { verb: "history" })).toMatchObject({ requested: "all", messages: { length: 50 }, truncated: true })
    for (let at = 0; at < 20; at++) table.get("ann", { verb: "send", payload: "\u0001".repeat(20_000) })
    const answer = table.get("ann", { verb: "history" })
    expect(JSON.stringify(answer).length).toBeLessThan(1_000_000)
    expect(answer.truncated).toBe(true)
    expect(table.ask("ann", { verb: "send", payload: "\u0001".repeat(160_000) })).toMatchObject({ code: "INVALID" })
  })
})
