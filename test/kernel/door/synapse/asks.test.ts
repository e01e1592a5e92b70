import { describe, expect, it } from "vitest"
import { askIn, askOf, isAskType, Unfit, type AskType } from "../../../../kernel/door/synapse/asks.ts"
import type { Fields } from "../../../../kernel/door/synapse/frame.ts"

const asked = (type: AskType, fields: Fields): unknown => {
  const ask = askOf(type, fields)
  return ask instanceof Unfit ? ask.message : ask
}

describe("a frame asks", () => {
  it("what is of the right type, and is refused where that would guard nothing or be something else", () => {
    for (const [type, name] of [
      ["release", "epoch"], ["task_update", "expected_version"], ["handoff", "epoch"], ["checkpoint", "epoch"], ["claim", "expected_epoch"], ["ledger_task", "expected_version"],
      ["ledger_task_update", "expected_version"]
    ] as const) {
      for (const value of ["1", true, [1], {}, Number.NaN]) expect(asked(type, { [name]: value }), `${type} ${name} ${String(value)}`).toBe(`Field '${name}' must be a number.`)
      expect(Object.values(asked(type, { [name]: 2.9 }) as object), type).toContain(2)
      expect(asked(type, { [name]: null }), type).toEqual(asked(type, {}))
    }
    for (const [type, name] of [["claim", "paths"], ["ledger_task", "depends_on"], ["advertise", "skills"], ["advertise", "task_classes"]] as const) {
      for (const value of ["src", { 0: "src" }, [true], [null], 7]) expect(asked(type, { [name]: value }), `${type} ${name}`).toBe(`Field '${name}' must be a list of strings.`)
      expect(Object.values(asked(type, { [name]: ["a", 7] }) as object), type).toContainEqual(["a", "7"])
    }
    for (const [type, name] of [["resource", "meta"], ["release", "receipt"], ["advertise", "meta"], ["claim", "git"]] as const) {
      for (const value of ["x", [], 7, true]) expect(asked(type, { [name]: value }), `${type} ${name}`).toBe(`Field '${name}' must be an object.`)
    }
  })

  it("a branch for a claim of one, with the mode there is", () => {
    for (const git of [{}, { branch: "" }, { branch: null }]) expect(asked("claim", { task_id: "t", git })).toBe("Field 'git.branch' is required.")
    const mode = (given: unknown): unknown => asked("claim", { task_id: "t", git: { branch: "b", auto_release_on: given } })
    for (const [given, kept] of [["merge", "merge"], ["commit", "commit"], ["manual", "manual"], ["never", "manual"], ["toString", "manual"], [undefined, "manual"], [7, "manual"]] as const) {
      expect(mode(given), String(given)).toEqual({ verb: "claim", task: "t", git: { branch: "b", releaseOn: kept } })
    }
    expect(asked("claim", { task_id: "t", git: { branch: 7, base: "main" } })).toEqual({ verb: "claim", task: "t", git: { branch: "7", base: "main", releaseOn: "manual" } })
  })

  it("under keys and ids of at most 256 bytes", () => {
    for (const [type, name] of [["claim", "idem_key"], ["chat", "client_msg_id"]] as const) {
      expect(asked(type, { [name]: "k".repeat(256) }), name).toBeTypeOf("object")
      for (const long of ["k".repeat(257), "é".repeat(129)]) expect(asked(type, { [name]: long }), name).toBe(`Field '${name}' has more than 256 bytes.`)
      expect(asked(type, { [name]: "" }), name).toEqual(asked(type, {}))
    }
  })

  it("with flags that are true and numbers that are some, and passes over what the ancestor's clients get wrong", () => {
    expect(asked("claim", { task_id: "t", wait: "yes", mutex: 1, ttl_seconds: "soon" })).toEqual({ verb: "claim", task: "t" })
    expect(asked("claim", { payload: "t", wait: true, mutex: true, ttl_seconds: " 60 " })).toEqual({ verb: "claim", task: "t", wait: true, mutex: true, ttlSeconds: 60 })
    expect([undefined, "", " ", "x", Number.POSITIVE_INFINITY, true].map((limit) => asked("history_request", { limit }))).toEqual(Array.from({ length: 6 }, () => ({ verb: "history" })))
    expect([0, -3, 2.9, "7"].map((limit) => asked("history_request", { limit }))).toEqual([1, 1, 2, 7].map((limit) => ({ verb: "history", limit })))
    expect([undefined, -1, "12", 3.7, "x"].map((since) => asked("resume_request", { since }))).toEqual([0, 0, 12, 3, 0].map((since) => ({ verb: "resume", since })))
    expect(asked("chat", { payload: { a: [1] }, target: 7, priority: "true", timestamp: "late", receipt_requested: true })).toEqual({ verb: "send", target: "7", payload: '{"a":[1]}', receipt: true })
    expect(asked("chat", { payload: null, priority: true, timestamp: 1.5 })).toEqual({ verb: "send", payload: "", priority: true, clientTimestamp: 1.5 })
    expect(asked("checkpoint", { task_id: "t", payload: "p" })).toEqual({ verb: "checkpoint", task: "t", checkpoint: "p" })
    expect(asked("checkpoint", { task_id: "t", checkpoint: "", payload: "p" })).toEqual({ verb: "checkpoint", task: "t", checkpoint: "" })
    expect(asked("handoff", { task_id: "", to_agent: "", target: "bob" })).toEqual({ verb: "handoff", task: "", to: "bob" })
  })

  it("by a type that there is, and by nothing that every object has", () => {
    expect(["claim", "resource", "offer_resource", "who_request"].every(isAskType)).toBe(true)
    expect(["heartbeat", "ask", "toString", "constructor", "__proto__", ""].some(isAskType)).toBe(false)
  })

  it("as it is when it knows ours, but for coming and going", () => {
    expect(askIn({ ask: { verb: "inbox", peek: true } })).toEqual({ verb: "inbox", peek: true })
    for (const ask of [undefined, null, "inbox", [], {}, { verb: 7 }]) expect(askIn({ ask }), JSON.stringify(ask)).toEqual(new Unfit("Field 'ask' must be a request with a verb."))
    expect(askIn({ ask: { verb: "leave" } })).toEqual(new Unfit("A connection leaves by closing."))
  })
})
