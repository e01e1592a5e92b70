import type { coordination } from "aaax"
import { describe, expect, it } from "vitest"
import { keepNewest } from "../../../modules/coordinator/fold.ts"
import { coordinator } from "../../../modules/coordinator/index.ts"
import { beat } from "../../../modules/coordinator/presence.ts"
import * as limits from "../../../modules/coordinator/limits.ts"
import { makeTable, type Table } from "../../kit/coordination.ts"

const invalid = (words: string): object => ({ ok: false, code: "INVALID", message: expect.stringContaining(words) })
const full = (words: string, current: number): object => ({ ok: false, code: "QUOTA_EXCEEDED", message: expect.stringContaining(words), current })
const names = (count: number, prefix: string): ReadonlyArray<string> => Array.from({ length: count }, (_, at) => `${prefix}${at}`)

/** Has this many of one kind put into the state, as if they had been there before. */
const fill = <V>(map: Map<string, V>, count: number, value: V): void => {
  for (let at = map.size; at < count; at++) map.set(`filled ${at}`, value)
}

describe("one request", () => {
  it("names files that are not too many, not too long, and can be named", () => {
    const table = makeTable()
    const claim = (...paths: ReadonlyArray<string>): unknown => table.ask("ann", { verb: "claim", task: "t", paths })
    expect(claim("a\u0000b")).toMatchObject({ code: "PATH_IDENTITY_INVALID", message: "Task 't' has a path that cannot be claimed: one has a null character." })
    const long = names(17, "x".repeat(4_000))
    expect(claim(...long)).toMatchObject({ code: "PATH_IDENTITY_INVALID", message: expect.stringContaining("together they are longer than 65536") })
    expect(claim(...long.slice(1))).toMatchObject({ ok: true })
    expect(claim("y".repeat(4_096))).toMatchObject({ ok: true })
    expect(claim(...names(512, "p"))).toMatchObject({ ok: true })
  })

  it("has branches, cards and names of no more than a line", () => {
    const table = makeTable()
    const branches = (branch: string, base?: string): unknown =>
      table.ask("ann", { verb: "claim", task: "t", git: { branch, releaseOn: "manual", ...(base === undefined ? {} : { base }) } })
    expect(branches("b".repeat(1_000), "m".repeat(25))).toEqual(invalid("Branches"))
    expect(branches("b".repeat(1_000), "m".repeat(24))).toMatchObject({ ok: true })
    for (const field of ["skills", "taskClasses"]) {
      expect(table.ask("ann", { verb: "advertise", [field]: names(65, "tag") }), field).toEqual(invalid("at most 64"))
      expect(table.ask("ann", { verb: "advertise", [field]: ["x".repeat(257)] }), field).toEqual(invalid("at most 256 characters"))
      expect(table.ask("ann", { verb: "advertise", [field]: [...names(63, "tag"), "x".repeat(256)] }), field).toMatchObject({ ok: true })
    }
    for (const ask of [{ verb: "advertise", meta: { x: "y".repeat(65_536) } }, { verb: "offer", kind: "k", name: "n", meta: { x: "y".repeat(65_536) } }, { verb: "release", task: "t", receipt: { x: "y".repeat(65_536) } }]) {
      expect(table.ask("ann", ask), ask.verb).toEqual(invalid(`What goes with the ${ask.verb} is longer than 65536 characters`))
    }
    expect(table.ask("ann", { verb: "progress", task: "t", text: "x".repeat(16_385) })).toEqual(invalid("text is 16385 characters long; at most 16384"))
  })

  it("is for at most 512 seats, whose names are names", () => {
    const table = makeTable()
    const send = (target: string): unknown => table.ask("ann", { verb: "send", target, payload: "x" })
    for (const seat of names(512, "s")) table.get(seat, { verb: "beat" })
    expect(send("s*")).toMatchObject({ ok: true, recipients: { length: 512 } })
    table.get("s512", { verb: "beat" })
    expect(send("s*")).toEqual(full("Recipients of one message", 512))
    expect(send("x".repeat(257))).toEqual(invalid("The name of a seat has at most 256 characters."))
    expect(send("x".repeat(256))).toMatchObject({ ok: true })
  })

  it("declares a task with dependencies that are not too many nor too long", () => {
    const table = makeTable()
    const declare = (dependsOn: ReadonlyArray<string>): unknown => table.ask("ann", { verb: "declare", task: "t", title: "T", dependsOn })
    expect(declare(names(257, "d"))).toEqual(full("Dependencies of 't'", 256))
    expect(declare(["x".repeat(513)])).toEqual(invalid("A dependency is longer than 512 characters."))
    // What is said twice, and the task itself, count as nothing.
    expect(declare([...names(255, "d"), "d0", "t", " ", "x".repeat(512)])).toMatchObject({ ok: true, task: { dependsOn: { length: 256 } } })
  })

  it("asks for a history that can be kept", () => {
    for (const historyMax of [0, -1, 1.5, Number.NaN, limits.chatsMax + 1]) expect(() => coordinator({ historyMax }), String(historyMax)).toThrow(TypeError)
    for (const historyMax of [1, limits.chatsMax]) expect(coordinator({ historyMax }).manifest.id).toBe("coordinator")
  })
})

describe("what is kept of many", () => {
  it("is the newest, of which that is one which was said again", () => {
    const kept = new Map<string, number>()
    for (const [at, key] of ["a", "b", "c", "a", "d"].entries()) keepNewest(kept, key, at, 3)
    expect([...kept]).toEqual([["c", 2], ["a", 3], ["d", 4]])
    keepNewest(kept, "e", 5, 1)
    expect([...kept]).toEqual([["e", 5]])
  })
})

describe("all requests together", () => {
  /** The same again for what is there already is no more of it. */
  const bounded = (table: Table, ask: (name: string) => object, refused: object): void => {
    expect(table.ask("ann", ask("one too many") as coordination.Ask)).toEqual(refused)
    expect(table.ask("ann", ask("known") as coordination.Ask)).toMatchObject({ ok: true })
  }

  it("hold so many claims, declare so many tasks, and offer so much", () => {
    const table = makeTable()
    const { claim } = table.get("ann", { verb: "claim", task: "known", mutex: true })
    table.get("ann", { verb: "declare", task: "known", title: "T" })
    for (const name of ["known", ...names(63, "n")]) table.get("ann", { verb: "offer", kind: "k", name })
    fill(table.desk.state.claims, limits.claimsMax, { ...claim, holder: "synapse/eve", owner: "eve" })
    fill(table.desk.state.plan, limits.tasksMax, table.desk.state.plan.get("known")!)
    bounded(table, (task) => ({ verb: "claim", task, mutex: true }), full("live claims", 250_000))
    bounded(table, (task) => ({ verb: "declare", task, title: "T" }), full("Declared tasks", 50_000))
    bounded(table, (name) => ({ verb: "offer", kind: "k", name }), full("Offers of ann", 64))
    // They are counted by seat.
    expect(table.ask("bob", { verb: "offer", kind: "k", name: "n" })).toMatchObject({ ok: true })
  })

  it("wait for one task, and for one seat's messages, in a number that can be served", () => {
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "t" })
    for (const seat of names(1_024, "w")) table.get(seat, { verb: "wait", task: "t" })
    expect(table.ask("bob", { verb: "wait", task: "t" })).toEqual(full("Seats that wait for 't'", 1_024))
    expect(table.ask("bob", { verb: "claim", task: "t", wait: true })).toEqual(full("Seats that wait for 't'", 1_024))
    expect(table.get("w7", { verb: "wait", task: "t" }).position).toBe(8)
    // Whether any of them would wait for itself is looked at whenever the task changes hands.
    expect(table.get("ann", { verb: "handoff", task: "t", to: "w0" }).claim.owner).toBe("w0")
    expect(table.get("w7", { verb: "wait", task: "t" }).position).toBe(7)
    for (let at = 0; at < 16; at++) expect(table.ask("bob", { verb: "inbox", waitMillis: 1_000 })).toBeUndefined()
    expect(table.ask("bob", { verb: "inbox", waitMillis: 1_000 })).toEqual(full("Inboxes of bob that are waited for", 16))
    expect(table.get("bob", { verb: "inbox" }).messages).toEqual([])
  })

  it("one seat waits for so many tasks", () => {
    const table = makeTable()
    for (const task of names(129, "t")) table.get(`of ${task}`, { verb: "claim", task, mutex: true })
    for (const task of names(128, "t")) table.get("bob", { verb: "wait", task })
    expect(table.ask("bob", { verb: "wait", task: "t128" })).toEqual(full("Tasks that bob waits for", 128))
  })

  it("come from seats of which those are forgotten that left longest ago, and none that is here or waits", () => {
    const table = makeTable()
    const { seats } = table.desk.state
    for (const seat of ["here", "waits", "left first", "left last"]) table.get(seat, { verb: "beat" })
    table.get("here", { verb: "claim", task: "t" })
    table.get("waits", { verb: "wait", task: "t" })
    table.get("left first", { verb: "leave" })
    table.get("left last", { verb: "leave" })
    const waits = seats.get("waits")!
    waits.online = false
    fill(seats, limits.seatsMax, { ...waits, seat: "gone", waits: new Set() })
    table.get("new", { verb: "beat" })
    expect(["here", "waits", "left first", "left last", "new"].map((seat) => seats.has(seat))).toEqual([true, true, false, true, true])
    expect(seats.size).toBe(limits.seatsMax)
    // That it is silent is looked at still.
    table.pass(limits.attentionMillis)
    // Who left is not left again by a beat of the kernel.
    const before = table.presence.length
    beat(table.desk, new Set(["here", "new"]))
    beat(table.desk, new Set(["here", "new"]))
    table.pass(0)
    expect(table.presence.slice(before)).toEqual([])
  })
})
