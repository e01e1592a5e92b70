// Caveats: what is understood, what a payload must be, and why a grant does not cover an act. What is not understood denies.
import { describe, expect, it } from "vitest"
import type { ArgumentCaveat, Caveats, Grant } from "../../../protocol/authority.ts"
import { caveatsOf, readyOf, satisfies } from "../../../kernel/authority/caveats.ts"
import { initial, type AuthorityState } from "../../../kernel/authority/state/state.ts"
import { step } from "../../../kernel/authority/state/step.ts"
import { charge } from "../../../kernel/authority/state/grants.ts"
import { allows, refusalOf, type Asked } from "../../../kernel/authority/verify.ts"
import { caveatArgumentsMax, caveatGlobsMax, caveatPointerSegmentsMax } from "../../../kernel/limits.ts"

const holds = (caveat: ArgumentCaveat, payload: unknown): boolean => {
  const ready = readyOf({ arguments: [caveat] })
  return ready !== undefined && ready.arguments!.every((one) => satisfies(one, payload))
}

describe("caveats that are asked for", () => {
  it.each<[string, unknown, RegExp]>([
    ["one that nobody knows", { colour: "red" }, /colour.*caveats are notBefore, expiresAt/u],
    ["an unknown unit", { budget: { bananas: 3 } }, /bananas/u],
    ["an unknown operation", { arguments: [{ pointer: "/a", op: "regex", value: "x" }] }, /"eq" \| "in"/u],
    ["a field beside a rate", { rate: { count: 1, perMillis: 1, burst: 9 } }, /burst/u],
    ["a rate of nothing", { rate: { count: 0, perMillis: 1 } }, /rate: 1 to/u],
    ["a number that is none", { usesMax: "3" }, /usesMax/u],
    ["a negative number", { delegationsMax: -1 }, /delegationsMax/u],
    ["no globs at all", { targets: [] }, /targets/u],
    ["too many globs", { targets: Array.from({ length: caveatGlobsMax + 1 }, () => "a") }, /at most 64 globs/u],
    ["too many arguments", { arguments: Array.from({ length: caveatArgumentsMax + 1 }, () => ({ pointer: "/a", op: "absent" })) }, /at most 32/u],
    ["a long pattern", { actions: ["*".repeat(1_001)] }, /at most 1000 characters/u],
    ["no pointer", { arguments: [{ pointer: "a", op: "absent" }] }, /begins with \//u],
    ["a bad escape", { arguments: [{ pointer: "/a~2", op: "absent" }] }, /~0/u],
    ["a deep pointer", { arguments: [{ pointer: "/a".repeat(caveatPointerSegmentsMax + 1), op: "absent" }] }, /at most 16 segments/u],
    ["the prototype", { arguments: [{ pointer: "/__proto__/admin", op: "absent" }] }, /never walked/u],
    ["eq without a value", { arguments: [{ pointer: "/a", op: "eq" }] }, /needs a value/u],
    ["in without a list", { arguments: [{ pointer: "/a", op: "in", value: 3 }] }, /array/u],
    ["le without a number", { arguments: [{ pointer: "/a", op: "le", value: "3" }] }, /needs a number/u],
    ["ge without an end", { arguments: [{ pointer: "/a", op: "ge", value: Infinity }] }, /./u],
    ["glob without a pattern", { arguments: [{ pointer: "/a", op: "glob", value: 3 }] }, /glob needs a pattern/u],
    ["a long glob of an argument", { arguments: [{ pointer: "/a", op: "glob", value: "*".repeat(1_001) }] }, /glob needs a pattern of at most/u],
    ["maxLength without a number", { arguments: [{ pointer: "/a", op: "maxLength", value: "3" }] }, /whole number/u],
    ["a length below nothing", { arguments: [{ pointer: "/a", op: "maxLength", value: -1 }] }, /whole number/u],
    ["half a length", { arguments: [{ pointer: "/a", op: "maxLength", value: 1.5 }] }, /whole number/u],
    ["absent with a value", { arguments: [{ pointer: "/a", op: "absent", value: 1 }] }, /takes no value/u],
    ["very much", { targets: Array.from({ length: 20 }, () => "x".repeat(1_000)) }, /at most 16384/u],
    ["no object", "all", /./u]
  ])("are refused when they hold %s, which leaving out would widen", (_, asked, reason) => {
    expect(caveatsOf(asked)).toMatch(reason)
  })

  it("are taken as they are otherwise", () => {
    const all: Caveats = {
      notBefore: 1, expiresAt: 2, riskMax: "low", actions: ["read*"], targets: ["src/**"], arguments: [{ pointer: "/a~1b/~0", op: "eq", value: [1] }],
      usesMax: 0, rate: { count: 2, perMillis: 1_000 }, budget: { tokens: 10 }, delegationsMax: 0
    }
    expect(caveatsOf(all)).toEqual(all)
  })
})

describe("an argument", () => {
  it.each<[ArgumentCaveat, unknown, boolean]>([
    [{ pointer: "/path", op: "glob", value: "src/**" }, { path: "src/a/b.ts" }, true],
    [{ pointer: "/path", op: "glob", value: "src/**" }, { path: "src/../secret" }, false],
    [{ pointer: "/path", op: "glob", value: "src/**" }, { path: 3 }, false],
    [{ pointer: "/path", op: "glob", value: "src/**" }, {}, false],
    [{ pointer: "/args/0", op: "in", value: ["status", "diff"] }, { args: ["diff", "--stat"] }, true],
    [{ pointer: "/args/0", op: "in", value: ["status", "diff"] }, { args: ["push"] }, false],
    [{ pointer: "/args/00", op: "eq", value: "diff" }, { args: ["diff"] }, false],
    [{ pointer: "/args/length", op: "eq", value: 1 }, { args: ["diff"] }, false],
    [{ pointer: "/args", op: "maxLength", value: 1 }, { args: ["diff"] }, true],
    [{ pointer: "/args", op: "maxLength", value: 1 }, { args: ["diff", "x"] }, false],
    [{ pointer: "/text", op: "maxLength", value: 3 }, { text: "abcd" }, false],
    [{ pointer: "/text", op: "maxLength", value: 3 }, { text: { length: 1 } }, false],
    [{ pointer: "/depth", op: "le", value: 3 }, { depth: 3 }, true],
    [{ pointer: "/depth", op: "le", value: 3 }, { depth: "2" }, false],
    [{ pointer: "/depth", op: "ge", value: 3 }, { depth: 2 }, false],
    [{ pointer: "/a~1b/~0", op: "eq", value: { x: [1, null] } }, { "a/b": { "~": { x: [1, null] } } }, true],
    [{ pointer: "/a", op: "eq", value: { x: 1 } }, { a: { x: 1, y: 2 } }, false],
    [{ pointer: "/a", op: "eq", value: { x: 1, y: 2 } }, { a: { x: 1 } }, false],
    [{ pointer: "/a", op: "eq", value: [] }, { a: {} }, false],
    [{ pointer: "/a", op: "eq", value: null }, { a: {} }, false],
    [{ pointer: "/a", op: "eq", value: {} }, { a: null }, false],
    [{ pointer: "/a", op: "eq", value: 1 }, { a: { x: 1 } }, false],
    [{ pointer: "/a", op: "eq", value: { x: 1 } }, { a: 1 }, false],
    [{ pointer: "/a", op: "eq", value: { x: 1 } }, { a: { y: 1 } }, false],
    [{ pointer: "/force", op: "absent" }, { other: true }, true],
    [{ pointer: "/force", op: "absent" }, { force: null }, false],
    [{ pointer: "", op: "eq", value: "all" }, "all", true],
    // What a prototype says is no argument.
    [{ pointer: "/toString", op: "absent" }, {}, true],
    [{ pointer: "/constructor/name", op: "eq", value: "Object" }, {}, false],
    [{ pointer: "/__proto__/admin", op: "eq", value: true }, JSON.parse("{\"__proto__\":{\"admin\":true}}"), false],
    [{ pointer: "/__proto__", op: "absent" }, {}, false]
  ])("%j of %j: %j", (caveat, payload, expected) => {
    expect(holds(caveat, payload)).toBe(expected)
  })

  it("is matched in time that grows with its length, whatever the pattern", () => {
    const pattern = "*a".repeat(400)
    expect(holds({ pointer: "", op: "glob", value: pattern }, "a".repeat(2_000) + "b")).toBe(false)
  })
})

const now = 1_000_000
const grantOf = (id: string, caveats: Caveats, more: Partial<Grant> = {}): Grant => ({
  id, holder: "a", resource: "x", access: "execute", caveats, parent: null, issuedAt: now, origin: "test", scope: {}, ...more
})
const stateOf = (...grants: ReadonlyArray<Grant>): AuthorityState =>
  grants.reduce((state, grant, at) => step(state, { cursor: at + 1, hash: "", entry: { kind: "grant.issued", at: now, grant } }), initial)
const asked: Asked = { token: "g", holder: "a", resource: "x", access: "execute", action: "write", target: "src/a", risk: "low", payload: { path: "src/a" } }

describe("a grant", () => {
  it.each<[string, Caveats, Partial<Asked>, string, string | undefined]>([
    ["before its time", { notBefore: now + 5_000 }, {}, "notBefore", "the same, from then on"],
    ["after its time", { expiresAt: now }, {}, "expiresAt", undefined],
    ["for something riskier", { riskMax: "low" }, { risk: "high" }, "riskMax", "risk low at most"],
    ["for another action", { actions: ["read*"] }, {}, "actions", "actions read*"],
    ["for another target", { targets: ["docs/**"] }, {}, "targets", "targets docs/**"],
    ["for another argument", { arguments: [{ pointer: "/path", op: "glob", value: "docs/*" }] }, {}, "arguments", "/path glob \"docs/*\""],
    ["when it is used up", { usesMax: 0 }, {}, "usesMax", undefined]
  ])("says what does not hold %s, and what would be allowed", (_, caveats, more, caveat, allowed) => {
    const refusal = refusalOf(stateOf(grantOf("g", caveats)), { ...asked, ...more }, now)
    expect(refusal).toMatchObject({ code: "caveat", caveat, link: "g", ...(allowed === undefined ? {} : { allowed }) })
    expect(refusal).not.toHaveProperty("allowed", undefined)
  })

  it("denies with a caveat that it does not know, in whatever form it came into the journal", () => {
    for (const odd of [{ colour: "red" }, { usesMax: "9" }, { rate: { count: 1 } }, { arguments: [{ pointer: "/a", op: "like" }] }, { expiresAt: "never" }]) {
      expect(refusalOf(stateOf(grantOf("g", odd as Caveats)), asked, now)).toMatchObject({ caveat: "unknown" })
    }
  })

  it("is checked with every one above it, and says which one does not hold", () => {
    const state = stateOf(
      grantOf("root", { targets: ["src/**"] }, { holder: "r" }), grantOf("middle", {}, { holder: "m", parent: "root" }), grantOf("g", {}, { parent: "middle" })
    )
    expect(allows(state, asked, now)).toBe(true)
    expect(refusalOf(state, { ...asked, target: "etc/passwd" }, now)).toMatchObject({ caveat: "targets", link: "root", allowed: "targets src/**" })
  })

  it("allows as many links below it as it says", () => {
    const links = (delegationsMax: number): AuthorityState => stateOf(
      grantOf("root", { delegationsMax }, { holder: "r" }), grantOf("middle", {}, { holder: "m", parent: "root" }), grantOf("g", {}, { parent: "middle" })
    )
    expect(allows(links(2), asked, now)).toBe(true)
    expect(refusalOf(links(1), asked, now)).toMatchObject({ caveat: "delegationsMax", link: "root" })
  })

  it("counts starts within any span of time, on every link", () => {
    let state = stateOf(grantOf("root", { rate: { count: 2, perMillis: 1_000 } }, { holder: "r" }), grantOf("g", {}, { parent: "root" }), grantOf("h", {}, { parent: "root" }))
    const at = (millis: number, token = "g"): boolean => allows(state, { ...asked, token }, now + millis)
    state = { ...state, grants: charge(charge(state.grants, "g", now), "h", now + 900) }
    expect([at(950), at(999, "h"), at(1_000), at(1_000, "h")]).toEqual([false, false, true, true])
    state = { ...state, grants: charge(state.grants, "g", now + 1_000) }
    expect([at(1_899), at(1_900)]).toEqual([false, true])
    expect(refusalOf(state, asked, now + 1_100)).toMatchObject({ caveat: "rate", link: "root", allowed: "the next one in 800 ms" })
  })

  it("tells a stranger no more than that it is not his", () => {
    const state = stateOf(grantOf("g", { targets: ["docs/**"] }))
    expect(refusalOf(state, { ...asked, holder: "thief" }, now)).toEqual(refusalOf(state, { ...asked, token: "nothing" }, now))
  })

  it("does not count again what was charged, nor look again at arguments that are bound by their digest", () => {
    const state = stateOf(grantOf("g", { usesMax: 0, arguments: [{ pointer: "/path", op: "eq", value: "other" }] }))
    expect(allows(state, { ...asked, isCharged: true, isBound: true }, now)).toBe(true)
    expect(allows(state, { ...asked, isCharged: true }, now)).toBe(false)
    expect(allows(state, { ...asked, isBound: true }, now)).toBe(false)
  })
})
