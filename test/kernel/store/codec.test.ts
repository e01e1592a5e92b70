// What a draft must be to become text, and what its text becomes again.
import { describe, expect, it } from "vitest"
import { InvalidPayload } from "../../../protocol/errors.ts"
import { forEveryone, type Draft } from "../../../protocol/event.ts"
import { labelsMax, parentsMax, payloadDepthMax, payloadNodesMax, subjectLengthMax } from "../../../kernel/limits.ts"
import { liveEvent, parseEvent, prepare, toText } from "../../../kernel/store/codec.ts"
import { makeMint, mintedAt, mintedFrom, mintedIds } from "../../../kernel/store/ids.ts"
import { channel } from "../../kit/store-it.ts"

const log = channel("log")
const refusal = (run: () => unknown): { readonly path: string; readonly reason: string } => {
  try {
    run()
  } catch (failure) {
    if (failure instanceof InvalidPayload) return { path: failure.path, reason: failure.reason }
    throw failure
  }
  return { path: "", reason: "nothing was refused" }
}
const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { k: value }
  return value
}
class Instance { readonly x = 1 }

describe("a payload", () => {
  it.each([
    ["NaN", { a: [1, { b: Number.NaN }] }, "payload.a[1].b", /finite/],
    ["Infinity", Number.POSITIVE_INFINITY, "payload", /finite/],
    ["a function", { f: () => 1 }, "payload.f", /function is not JSON/],
    ["a symbol", [Symbol("x")], "payload[0]", /symbol is not JSON/],
    ["a bigint", { n: 1n }, "payload.n", /bigint is not JSON/],
    ["undefined in a list", [1, undefined], "payload[1]", /undefined is not JSON/],
    ["a hole in a list", Array(2), "payload[0]", /undefined is not JSON/],
    ["an instance of a class", { d: new Instance() }, "payload.d", /Instance is not a plain object/],
    ["a Date", new Date(0), "payload", /Date is not a plain object/],
    ["a Map", [new Map()], "payload[0]", /Map is not a plain object/],
    ["bytes", new Uint8Array(3), "payload", /Uint8Array is not a plain object/],
    ["an object with another prototype", Object.create({ x: 1 }), "payload", /not a plain object/],
    ["an own __proto__", JSON.parse(`{"a":{"__proto__":{"admin":true}}}`), "payload.a", /__proto__/],
    ["toJSON", { toJSON: () => 1 }, "payload.toJSON", /function is not JSON/],
    ["a list with toJSON", Object.assign([1], { toJSON: () => 1 }), "payload", /toJSON/],
    ["what is nested too deeply", nested(payloadDepthMax + 1), undefined, /nested deeper/],
    ["too many items", Array.from({ length: payloadNodesMax + 1 }, () => 0), "payload", /more than/]
  ])("refuses %s, and says where it is", (_, payload, path, reason) => {
    const refused = refusal(() => prepare({ payload }, "s", log))
    if (path !== undefined) expect(refused.path).toBe(path)
    expect(refused.reason).toMatch(reason)
  })

  it("refuses a cycle", () => {
    const cycle: Record<string, unknown> = {}
    cycle["self"] = { cycle }
    expect(refusal(() => toText(cycle)).reason).toMatch(/nested deeper/)
  })

  it("refuses too many keys at all depths together", () => {
    const wide = Array.from({ length: 1_000 }, () => Object.fromEntries(Array.from({ length: 101 }, (_, at) => [`k${at}`, 0])))
    expect(refusal(() => toText(wide)).reason).toMatch(/more than/)
  })

  it("refuses what throws while it is read, and what changes", () => {
    const throwing = Object.defineProperty({}, "x", { enumerable: true, get: () => { throw new Error("boo") } })
    expect(refusal(() => toText(throwing)).reason).toMatch(/cannot be read: boo/)
    let reads = 0
    const changing = Object.defineProperty({}, "x", { enumerable: true, get: () => (reads++ === 0 ? 1 : nested(100_000)) })
    expect(refusal(() => toText(changing)).reason).toMatch(/cannot be read/)
  })

  it("keeps what JSON keeps, as deep and as wide as the limits", () => {
    for (const payload of [null, true, 0, -0.5, "", "grüße \u2028 \ud800", [], {}, { a: { b: [null, "x", { c: 1 }] } }, nested(payloadDepthMax), Object.create(null)]) {
      expect(JSON.parse(toText(payload))).toEqual(JSON.parse(JSON.stringify(payload)))
    }
    expect(JSON.parse(toText({ a: undefined, b: 1 }))).toEqual({ b: 1 })
  })
})

describe("a draft", () => {
  it.each([
    ["sender", { sender: "somebody" }, /stamped by the kernel/], ["from", { from: "somebody" }, /stamped by the kernel/], ["colour", { colour: 1 }, /not a member/],
    ["id", { id: "a/b" }, /token/], ["kind", { kind: "" }, /token/], ["source", { source: 1 }, /string/], ["timestamp", { timestamp: Number.NaN }, /finite/],
    ["metadata", { metadata: [] }, /object/], ["correlationId", { correlationId: " " }, /token/], ["recipient", { recipient: "a//b" }, /system id/],
    ["subject", { subject: "x".repeat(subjectLengthMax + 1) }, /at most/], ["labels", { labels: Array(labelsMax + 1).fill("l") }, /at most/],
    ["parentIds", { parentIds: Array(parentsMax + 1).fill("p") }, /at most/], ["parentIds[1]", { parentIds: ["p", ""] }, /token/], ["schema", { schema: 1 }, /string/],
    ["traceparent", { traceparent: 1 }, /string/]
  ])("with a wrong %s is refused", (path, draft, reason) => {
    const refused = refusal(() => prepare({ payload: 1, ...draft } as Draft, "s", log))
    expect(refused.path).toBe(path)
    expect(refused.reason).toMatch(reason)
  })

  it("becomes the values of its channel's indexes", () => {
    const indexed = channel("indexed", { indexes: ["kind", "sender", "recipient", "correlationId", "parentId", "subject"] })
    expect(prepare({ subject: "x", parentIds: ["a", "b"], recipient: null }, "s", indexed).index).toEqual([
      ["kind", "event"], ["sender", "s"], ["recipient", forEveryone], ["parentId", "a"], ["parentId", "b"], ["subject", "x"]
    ])
  })

  it("becomes an event that cannot say who it is from", () => {
    const prepared = prepare({ payload: { sender: "mallory", id: "x" } }, "alice", log)
    const event = parseEvent(`{"id":"1",${prepared.text}}`, "log", 3, 5)
    expect(event).toMatchObject({ id: "1", sender: "alice", cursor: 3, recordedAt: 5, payload: { sender: "mallory", id: "x" } })
  })
})

describe("minted ids", () => {
  it("are UUIDs of version 7, in order, unique, and say their time", () => {
    const mint = makeMint()
    const all: Array<string> = []
    for (let i = 0; i < 20; i++) {
      mint.draw()
      all.push(...mintedIds(mint.next(1_800_000_000_000 + Math.floor(i / 15), 1_000), 1_000))
    }
    expect(new Set(all).size).toBe(20_000)
    expect(all).toEqual([...all].sort())
    for (const id of all) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(mintedAt(all[0]!)).toBe(1_800_000_000_000)
    expect(mintedAt("01890000-0000-4000-8000-000000000000")).toBeUndefined()
  })

  it("of a batch follow from the first one", () => {
    const mint = makeMint()
    mint.draw()
    mint.next(1_800_000_000_000, 16_000)
    const ids = mintedIds(mint.next(1_800_000_000_000, 1_000), 1_000)
    expect(mintedIds(mintedFrom(ids[0]!), 1_000)).toEqual(ids)
  })

  it("of two commits differ in what nobody can foresee", () => {
    const mint = makeMint()
    const tails = [1, 2, 3].map(() => {
      mint.draw()
      return mintedIds(mint.next(1, 1), 1)[0]!.slice(24)
    })
    expect(new Set(tails).size).toBe(3)
  })
})

describe("an event that readers wait for", () => {
  const awaited = (draft: Draft) => prepare(draft, "tester", log, undefined, true)
  const parsed = (text: string) => parseEvent(`{"id":"x",${text}}`, "log", 7, 1_000)
  const isFrozen = (value: unknown): boolean =>
    typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))

  it.each<readonly [string, unknown]>([
    ["nested data", { a: [1, { b: null }, []], "": { c: "\u00fc\ud800" }, 2: true, 1: false }],
    ["members that are undefined", { a: undefined, b: [{ c: undefined }] }],
    ["a negative zero", { a: -0, b: [-0] }],
    ["an object without a prototype", Object.assign(Object.create(null) as object, { a: { b: 1 } })],
    ["words that objects know", JSON.parse('{"hasOwnProperty":{"prototype":1},"toJSON":2,"then":3}')],
    ["a list", [[1], ["x"]]]
  ])("is the one that its text gives: %s", (_, payload) => {
    for (const kind of [undefined, "k"]) {
      const { live, text } = awaited(kind === undefined ? { payload: payload as never } : { kind, payload: payload as never })
      const event = liveEvent(live!, "x", "tester", "log", 7, 1_000)
      expect(event).toStrictEqual(parsed(text))
      expect(JSON.stringify(event)).toBe(JSON.stringify(parsed(text)))
      expect(isFrozen(event)).toBe(true)
    }
    expect(awaited({ payload: payload as never }).text).toBe(prepare({ payload: payload as never }, "tester", log).text)
  })

  it("keeps nothing of the caller's object, and what its getters said once", () => {
    let asked = 0
    const inner = { n: 1 }
    const { live, text } = awaited({ payload: { inner, get once() { return ++asked } } as never })
    inner.n = 2
    expect([asked, live!.payload, parsed(text).payload]).toEqual([1, { inner: { n: 1 }, once: 1 }, { inner: { n: 1 }, once: 1 }])
  })

  it.each<readonly [string, unknown]>([
    ["NaN", { a: [Number.NaN] }], ["a function", { f: () => 1 }], ["a Date", [new Date(0)]], ["a hole", Array(1)],
    ["__proto__", JSON.parse('{"a":{"__proto__":1}}')], ["depth", nested(payloadDepthMax + 1)],
    ["toJSON", Object.assign([1], { toJSON: () => 2 })], ["width", Array(payloadNodesMax + 1).fill(0)]
  ])("is refused as any other: %s", (_, payload) => {
    expect(refusal(() => awaited({ payload: payload as never }))).toEqual(refusal(() => prepare({ payload: payload as never }, "tester", log)))
    expect(refusal(() => awaited({ payload: payload as never })).reason).not.toBe("nothing was refused")
  })

  it.each<readonly [string, Omit<Draft, "payload">]>([
    ["a subject", { subject: "s\u00fc\"" }], ["a recipient", { recipient: "somebody/else" }], ["what it answers", { correlationId: "c" }],
    ["all three", { kind: "k", recipient: "r", correlationId: "c", subject: "" }], ["nothing, said", { recipient: null, correlationId: null, subject: null, parentIds: [] }]
  ])("is the one that its text gives with %s", (_, rest) => {
    const { live, text } = awaited({ payload: { n: 1 }, ...rest })
    expect(liveEvent(live!, "x", "tester", "log", 7, 1_000)).toStrictEqual(parsed(text))
  })

  it.each<readonly [string, Draft]>([
    ["a payload that is no object", { payload: "text" }], ["an id", { payload: {}, id: "own" }], ["a source", { payload: {}, source: "s" }], ["a time", { payload: {}, timestamp: 1 }],
    ["a schema", { payload: {}, schema: "s" }], ["metadata", { payload: {}, metadata: {} }], ["parents", { payload: {}, parentIds: ["p"] }], ["labels", { payload: {}, labels: [] }],
    ["a trace", { payload: {}, traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }]
  ])("is read from its text when it has %s", (_, draft) => {
    expect(awaited(draft).live).toBeUndefined()
  })
})
