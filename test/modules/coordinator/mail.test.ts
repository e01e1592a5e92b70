import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { stepTalk } from "../../../modules/coordinator/fold.ts"
import { chatsTextMax } from "../../../modules/coordinator/limits.ts"
import { inboxIsDue } from "../../../modules/coordinator/mail.ts"
import { makeState } from "../../../modules/coordinator/state.ts"
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

  it("that was read or handled is not handed out, and one that was is not dead", () => {
    const table = makeTable()
    for (const payload of ["read", "handled", "delivered", "new"]) table.get("ann", { verb: "send", target: "bob", payload })
    table.get("bob", { verb: "acknowledge", message: 1, state: "read" })
    table.get("bob", { verb: "acknowledge", message: 2, state: "handled" })
    table.get("bob", { verb: "acknowledge", message: 3, state: "delivered" })
    expect(table.get("bob", { verb: "attach", receiver: "bob" }).unread).toBe(1)
    table.pass(24 * 3_600_000)
    expect(table.get("ann", { verb: "receipts", dead: true }).receipts).toEqual([{ message: 4, from: "ann", target: "bob", states: { bob: "dead" } }])
    expect(table.get("ann", { verb: "receipts" }).receipts.map(({ states }) => states["bob"])).toEqual(["read", "handled", "delivered", "dead"])
    // What is dead is unread all the same.
    expect(table.get("bob", { verb: "attach", receiver: "bob" }).unread).toBe(1)
    expect(numbers(table, "bob")).toEqual([3, 4])
    // Nothing goes back, and of what came nothing was said.
    expect(table.get("ann", { verb: "receipts" }).receipts.map(({ states }) => states["bob"])).toEqual(["read", "handled", "delivered", "delivered"])
    expect(table.talk.filter(({ kind, payload }) => kind === "acknowledged" && payload.state === "dead")).toMatchObject([{ payload: { message: 4 } }])
  })

  it("that is dead follows who comes back, a hundred of it at most, and to who says that it receives for itself none", () => {
    const table = makeTable()
    for (let at = 0; at < 101; at++) table.get("ann", { verb: "send", target: "bob", payload: "x" })
    table.pass(24 * 3_600_000)
    table.get("bob", { verb: "attach", receiver: "bob" })
    expect(table.notices("bob")).toEqual([])
    table.get("bob", { verb: "attach" })
    expect(table.notices("bob").map((notice) => notice.notice === "message" && notice.chat.message)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1))
    expect(table.get("bob", { verb: "inbox", peek: true })).toMatchObject({ messages: { length: 100 }, unread: 1 })
  })

  it("is received for a seat by those that are called as it is, and who of them leaves is answered alone", () => {
    const table = makeTable()
    for (const seat of ["bob-rx", "bob-rx2", "bob/phone"]) expect(table.ask(seat, { verb: "attach", receiver: "bob" }), seat).toMatchObject({ ok: true, seat: "bob" })
    for (const seat of ["bobby", "rx-bob", "bo"]) expect(table.ask(seat, { verb: "attach", receiver: "bob" }), seat).toMatchObject({ code: "INVALID" })
    expect(table.ask("bob", { verb: "inbox", waitMillis: 1_000 })).toBeUndefined()
    expect(table.ask("bob-rx", { verb: "inbox", waitMillis: 1_000 })).toBeUndefined()
    table.get("bob-rx", { verb: "leave" })
    expect(table.later("bob-rx").at(-2)).toMatchObject({ ok: false, code: "INVALID", message: "bob-rx left before a message came." })
    table.get("ann", { verb: "send", target: "bob", payload: "x" })
    expect(table.later("bob")).toMatchObject([{ ok: true, messages: [{ payload: "x" }] }])
    // Whose time is over had its answer by then.
    const said = table.later("bob").length
    inboxIsDue(table.desk, "bob", "r7")
    table.pass(0)
    expect(table.later("bob").length).toBe(said)
  })

  it("is kept within its number and its text, and what nobody took of it is told of still", () => {
    const table = makeTable()
    const { state } = table.desk
    table.get("eve", { verb: "beat" })
    for (const target of ["bob", "eve", "zoe", "bob"]) table.get("ann", { verb: "send", target, payload: "x" })
    table.get("zoe", { verb: "inbox" })
    table.get("zoe", { verb: "leave" })
    table.pass(24 * 3_600_000)
    state.chatsMax = 1
    table.get("ann", { verb: "send", payload: "last" })
    expect([...state.chats.keys()]).toEqual([5])
    expect(table.get("ann", { verb: "receipts" }).receipts.map(({ message, states }) => [message, states])).toEqual([[1, { bob: "dead" }], [2, { eve: "dead" }], [4, { bob: "dead" }]])
    // Who is here, and who took some, has its place still; what never came is forgotten.
    expect([...state.mailboxes.keys()].filter((seat) => seat !== "ann")).toEqual(["eve", "zoe"])
    expect(table.get("ann", { verb: "receipts", message: 4 }).receipts).toEqual([{ message: 4, from: "ann", target: "bob", states: { bob: "dead" } }])
    expect(table.ask("ann", { verb: "receipts", message: 5 })).toMatchObject({ ok: true, receipts: [{ states: {} }] })
    for (const message of [3, 6]) expect(table.ask("ann", { verb: "receipts", message }), String(message)).toMatchObject({ code: "MESSAGE_NOT_FOUND" })
    expect(table.get("bob", { verb: "inbox" })).toMatchObject({ messages: [], unread: 0 })
    // A day after they are gone, nothing is said of them.
    table.pass(24 * 3_600_000)
    const long = makeState()
    const payload = "x".repeat(850_000)
    for (let message = 1; message <= 80; message++) stepTalk(long, { kind: "chat", payload: { chat: { message, from: "ann", target: "all", payload, at: 0 } } }, 0)
    expect([long.chats.size, long.chatsText <= chatsTextMax, long.chatsText + payload.length > chatsTextMax]).toEqual([78, true, true])
  })

  it("has gaps where an entry could not be read, and is read around them", () => {
    const table = makeTable()
    for (let at = 1; at <= 5; at++) table.get("ann", { verb: "send", target: "bob", payload: String(at) })
    ;(table.talk as Array<unknown>).splice(2, 1)
    const again = table.again()
    expect(again.get("ann", { verb: "history" }).messages.map(({ message }) => message)).toEqual([1, 2, 4, 5])
    expect(again.get("ann", { verb: "resume", since: 1 }).messages.map(({ message }) => message)).toEqual([2, 4, 5])
    expect(numbers(again, "bob")).toEqual([1, 2, 4, 5])
    // Of what is not there nothing comes further.
    const state = makeState()
    for (const mark of [{}, { mark: true }]) stepTalk(state, { kind: "acknowledged", payload: { seat: "bob", message: 3, state: "read", ...mark } }, 0)
    expect([state.deliveries.size, state.mailboxes.size]).toEqual([0, 0])
  })

  it("that takes more than a page alone is a page", () => {
    const table = makeTable()
    for (const payload of ["first", "x".repeat(890_000), "last"]) table.get("ann", { verb: "send", payload })
    const pages = [0, 1, 2].map((since) => table.get("ann", { verb: "resume", since })).map(({ messages, more }) => [messages.map(({ message }) => message), more])
    expect(pages).toEqual([[[1], true], [[2], true], [[3], false]])
    expect(table.get("ann", { verb: "history", before: 3 })).toMatchObject({ messages: [{ message: 2 }], truncated: true })
    // Behind the newest there is nothing, and nothing of it is gone.
    table.desk.state.chatsMax = 1
    table.get("ann", { verb: "send", payload: "x" })
    expect(table.get("ann", { verb: "resume", since: 100 })).toEqual({ ok: true, messages: [], more: false, gap: false })
  })
  it("for many is not for whom it comes from, and one is for oneself who is named alone", () => {
    const table = makeTable()
    for (const seat of ["p/ann", "p/bob", "q"]) table.get(seat, { verb: "beat" })
    const to = (from: string, target: string): ReadonlyArray<string> => table.get(from, { verb: "send", target, payload: "x" }).recipients
    expect([to("p/ann", "p/*"), to("p/ann", "p/ann, q"), to("q", "q*"), to("q", "q,"), to("q", "q")]).toEqual([["p/bob"], ["q"], [], [], ["q"]])
  })

  it("that is there is not waited for, and nothing longer than ten minutes", () => {
    const table = makeTable()
    table.get("ann", { verb: "send", target: "bob", payload: "x", receipt: true })
    expect(table.get("bob", { verb: "acknowledge", message: 1, state: "delivered" }).state).toBe("delivered")
    expect(table.ask("bob", { verb: "inbox", waitMillis: 1_000_000 })).toMatchObject({ ok: true, messages: [{ message: 1 }] })
    // It was delivered already: its sender is told of that once.
    expect(table.notices("ann").length).toBe(1)
    expect(table.ask("bob", { verb: "inbox", waitMillis: 1_000_000 })).toBeUndefined()
    expect(table.desk.waits.map(({ millis }) => millis)).toEqual([600_000])
    expect(table.ask("bob", { verb: "inbox", waitMillis: 0 })).toMatchObject({ ok: true, messages: [] })
  })

  it("goes on being kept for a seat of which older mail is gone", () => {
    const table = makeTable()
    for (const payload of ["old", "new"]) table.get("ann", { verb: "send", target: "bob", payload })
    expect(table.get("ann", { verb: "history" }).truncated).toBe(false)
    table.desk.state.chatsMax = 2
    table.get("ann", { verb: "send", payload: "x" })
    expect(numbers(table, "bob")).toEqual([2])
  })
})
