// Capability tokens of the edge: every way of making one that should not be good, and what is counted of those that are. Each
// case names the guard that refuses it, so that one which is gone is missed.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { Caveats, Grant } from "../../../protocol/authority.ts"
import { actLengthMax, actTypes } from "../../../protocol/act.ts"
import { readCompact, thumbprintInput, type Fields } from "../../../protocol/jws.ts"
import { decideEnrol, decideKeyed, decideUnenrol } from "../../../kernel/authority/decide/edge.ts"
import type { Decision, Rules } from "../../../kernel/authority/decide/decision.ts"
import { decideRequested } from "../../../kernel/authority/decide/token.ts"
import type { Entry } from "../../../kernel/authority/entry.ts"
import { freeze, thaw } from "../../../kernel/authority/state/frozen.ts"
import { initial, lookup } from "../../../kernel/authority/state/state.ts"
import { step } from "../../../kernel/authority/state/step.ts"
import { makeChainReader } from "../../../kernel/guard/act/reader.ts"
import { isWeakKey } from "../../../kernel/guard/act/weak-key.ts"
import { canonical } from "../../../kernel/guard/canonical.ts"
import { makePolicy } from "../../../kernel/guard/policy.ts"
import { linksOfGrantMax } from "../../../kernel/limits.ts"
import * as Open from "../../../kernel/policy/open.ts"
import { actCrypto } from "../../../kernel/power/act-crypto.ts"
import { sha256Hex } from "../../../kernel/power/digest.ts"
import { compact, jwkOf, linkClaims, linkHeader, narrowed, pair, pairOf, raw, rootClaims, rootHeader, signature, type Pair, type Party } from "../../kit/act.ts"
import { makeRandom } from "../../kit/random.ts"

const audience = "aaax:k:1"
const executors = ["note", "other"]
const rules: Rules = {
  policy: makePolicy([Open.rule]), digestOf: (value) => sha256Hex(canonical(value)), readToken: makeChainReader(actCrypto),
  executor: (name) => executors.includes(name) ? { name, description: "", risk: "low", recovery: "none", perform: () => Effect.void } : undefined
}
const kernelKey = pair()
const [adasKey, bensKey, cysKey] = [pair(), pair(), pair()]

interface Asking {
  readonly executor?: string
  readonly target?: string
  readonly risk?: string
  readonly action?: string
  readonly payload?: unknown
}

const makeWorld = (caveats: Caveats = {}, more: Partial<Grant> = {}) => {
  let state = initial
  let cursor = 0
  let requests = 0
  const keep = (entries: ReadonlyArray<Entry>): void => {
    for (const entry of entries) state = step(state, { cursor: ++cursor, hash: `h${cursor}`, entry })
  }
  const submit = <A>(decision: Decision<A>): A => {
    const { answer, entries } = decision(state, world.now)
    keep(entries)
    return answer
  }
  const enrol = (system: string, key: Pair, replace = false): Party => {
    submit(decideEnrol({ system, kid: key.kid, x: key.x, role: "write", channels: null, docks: false }, replace))
    return { ...key, system, epoch: lookup(state.edge.enrolled, system)?.epoch ?? -1 }
  }
  const grant = (id: string, holder: string, caveats: Caveats = {}, more: Partial<Grant> = {}): void => keep([{
    kind: "grant.issued", at: world.now,
    grant: { id, holder, resource: "note", access: "execute", caveats, parent: null, issuedAt: world.now, origin: "", scope: {}, ...more }
  }])
  const decide = (token: string, system: string, { action = "write", executor = "note", payload = null, risk = "low", target = "a" }: Asking = {}) => {
    const request = `r${++requests}`
    const decided = decideRequested(rules, { request, requestCursor: requests, channel: "aaax.action-gate", system, floor: 0 },
      { action, executor, target, payload: payload as never, risk_level: risk, capability: token })(state, world.now)
    const verdict = decided.entries.find((entry) => entry.kind === "action.decided")
    if (verdict?.kind !== "action.decided") throw new Error("no verdict")
    return { entries: decided.entries, verdict }
  }
  const world = {
    now: 1_000_000, state: () => state, keep, submit, enrol, grant,
    restart: () => void (state = thaw(JSON.parse(JSON.stringify(freeze(state))))),
    /** "ok", or why not; what was allowed is kept. */
    act: (token: string, system: string, asking?: Asking): string => {
      const { entries, verdict } = decide(token, system, asking)
      keep(entries)
      if (verdict.warrant.state === "started") keep([{
        kind: "warrant.finished", at: world.now, warrant: verdict.warrant.id, system, executor: verdict.warrant.executor, attempt: 1, outcome: "succeeded",
        reason: "", result: null, resultArtifact: null, reconciledBy: null, spent: { actions: 1 }
      }])
      return verdict.warrant.state === "started" ? "ok" : verdict.warrant.reason
    },
    allows: (token: string, system: string, asking?: Asking): boolean => decide(token, system, asking).verdict.warrant.state === "started",
    root: (to: Party, { by = kernelKey, claims = {}, header = {} }: { readonly by?: Pair; readonly claims?: Fields; readonly header?: Fields } = {}): string =>
      compact({ ...rootHeader(kernelKey.kid), ...header }, { ...rootClaims(audience, "g1", to), ...claims }, by)
  }
  submit(decideKeyed(audience, 1, { kid: kernelKey.kid, x: kernelKey.x }))
  const parties = { ada: enrol("ada", adasKey), ben: enrol("ben", bensKey), cy: enrol("cy", cysKey) }
  grant("g1", "ada", caveats, more)
  return { ...world, ...parties, get now() { return world.now }, set now(millis) { world.now = millis } }
}

type World = ReturnType<typeof makeWorld>

/** With a member more, in front of or behind the others. */
const withFirst = (fields: Fields, name: string, value: string): string => `{"${name}":${value},${JSON.stringify(fields).slice(1)}`

describe("a token", () => {
  it("opens what its grant opens, for its holder", () => {
    const world = makeWorld()
    const token = world.root(world.ada)
    expect(world.act(token, "ada")).toBe("ok")
    expect(world.act(token, "ada", { executor: "other" })).not.toBe("ok")
  })

  it("is narrowed for others without the kernel, as often as four times, and used by the last of them", () => {
    const world = makeWorld()
    const { ada, ben, cy } = world
    let token = world.root(ada)
    for (const [by, to] of [[ada, ben], [ben, cy], [cy, ada], [ada, ben]] as const) {
      token = narrowed(token, by, to)
      expect(world.act(token, to.system)).toBe("ok")
    }
    expect(world.act(token, "cy")).toMatch(/for another system/u)
  })

  it("is refused in every other spelling", () => {
    const world = makeWorld()
    const { ada, ben } = world
    const token = narrowed(world.root(ada), ada, ben)
    const [root = "", link = ""] = token.split("~")
    const [header = "", claims = "", mark = ""] = link.split(".")
    const spare = (text: string): string => {
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      return text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) ?? "") + 1]
    }
    const spellings = [
      `${root}~${link}=`, `${root}~${link} `, ` ${token}`, `${token}\n`, `${token}~`, `${root}~~${link}`, `${root}.~${link}`, token.replace("~", "~ "), token.replace("~", "\n~"),
      `${root}~${header}.${claims}.${spare(mark)}`, `${root}~${header}=.${claims}.${mark}`, `${root}~${header}.${claims}..${mark}`,
      `${root}~${header}.${claims.slice(0, 8)} ${claims.slice(8)}.${mark}`, `${root}~${header}.${claims.slice(0, 8)}\n${claims.slice(8)}.${mark}`,
      `${root}~${header}.${claims}.${mark.replaceAll("-", "+").replaceAll("_", "/")}+`, token.replace("~", "%7E"), token.replace("~", "~~"), `\uFEFF${token}`, `${token}\0`
    ]
    for (const spelling of spellings) expect(world.act(spelling, "ben"), JSON.stringify(spelling.slice(-40))).not.toBe("ok")
    expect(world.act(token, "ben")).toBe("ok")
  })

  /** What is wrong, how it is made, and which guard says so. */
  const table: ReadonlyArray<readonly [string, (world: World) => string | readonly [string, string], RegExp, ((world: World) => void)?]> = [
    ["no algorithm", (w) => w.root(w.ada, { header: { alg: "none" } }), /header/u],
    ["no algorithm and no signature", (w) => `${w.root(w.ada, { header: { alg: "none" } }).split(".").slice(0, 2).join(".")}.`, /spelling/u],
    ["HS256 with the public key as secret", (w) => w.root(w.ada, { header: { alg: "HS256" } }), /header/u],
    ["a critical extension", (w) => w.root(w.ada, { header: { crit: ["exp"], exp: 1 } }), /header/u],
    ["a key of its own in the root", (w) => w.root(w.ada, { header: { jwk: jwkOf(w.ben) }, by: w.ben }), /header/u],
    ["a link to a key in the root", (w) => w.root(w.ada, { header: { jku: "https://evil.example" }, by: w.ben }), /header/u],
    ["a signature of somebody else under the kernel's kid", (w) => w.root(w.ada, { by: w.ben }), /signature of its root/u],
    ["the kid of a stranger", (w) => w.root(w.ada, { header: { kid: w.ben.kid }, by: w.ben }), /does not use/u],
    ["no kid", (w) => compact({ alg: "EdDSA", typ: actTypes.root }, rootClaims(audience, "g1", w.ada), kernelKey), /header/u],
    ["a proof in place of the root", (w) => w.root(w.ada, { header: { typ: actTypes.proof } }), /header/u],
    ["a link in place of the root", (w) => narrowed("x", w.ada, w.ada).split("~")[1] ?? "", /header/u],
    ["a root in place of a link", (w) => [`${w.root(w.ada)}~${w.root(w.ben)}`, "ben"], /links has not the header/u],
    ["a token of guests in place of the root", (w) => w.root(w.ada, { header: { typ: "aaax+jwt" } }), /header/u],
    ["a proof in place of a link", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, {}, { typ: actTypes.proof }), "ben"], /links has not the header/u],
    ["a critical extension in a link", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, {}, { crit: ["x"] }), "ben"], /links has not the header/u],
    ["a private key in a link", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, {}, { jwk: { ...jwkOf(w.ada), d: w.ada.d } }), "ben"], /links has not the header/u],
    ["a key of another kind in a link", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, {}, { jwk: { ...jwkOf(w.ada), crv: "X25519" } }), "ben"], /links has not the header/u],
    ["another kernel's audience", (w) => w.root(w.ada, { claims: { iss: "aaax:other:1", aud: "aaax:other:1" } }), /another kernel/u],
    ["another issuer", (w) => w.root(w.ada, { claims: { iss: "aaax:other:1" } }), /does not say/u],
    ["a member that nobody knows", (w) => w.root(w.ada, { claims: { admin: true } }), /does not say/u],
    ["a member that is missing", (w) => compact(rootHeader(kernelKey.kid), Object.fromEntries(Object.entries(rootClaims(audience, "g1", w.ada)).filter(([name]) => name !== "ep")), kernelKey), /does not say/u],
    ["another version", (w) => w.root(w.ada, { claims: { v: 2 } }), /does not say/u],
    ["a grant that is not there", (w) => w.root(w.ada, { claims: { jti: "g2" } }), /its grant has ended/u],
    ["the grant of another", (w) => [w.root(w.ben), "ben"], /its grant has ended/u],
    ["keys that are there twice", (w) => raw(JSON.stringify(rootHeader(kernelKey.kid)), withFirst(rootClaims(audience, "g1", w.ada), "sub", "\"ben\""), kernelKey), /spelling/u],
    ["`__proto__`", (w) => raw(JSON.stringify(rootHeader(kernelKey.kid)), withFirst(rootClaims(audience, "g1", w.ada), "__proto__", "{}"), kernelKey), /spelling/u],
    ["`__proto__` with an escape", (w) => raw(JSON.stringify(rootHeader(kernelKey.kid)), withFirst(rootClaims(audience, "g1", w.ada), "__\\u0070roto__", "{}"), kernelKey), /spelling/u],
    ["`__proto__` among the caveats", (w) => [`${w.root(w.ada)}~${raw(JSON.stringify(linkHeader(w.ada)), JSON.stringify(linkClaims(w.root(w.ada), w.ben, {}, "j")).replace("\"cav\":{}", "\"cav\":{\"__proto__\":{}}"), w.ada)}`, "ben"], /spelling/u],
    ["white space in its JSON", (w) => raw(JSON.stringify(rootHeader(kernelKey.kid)), JSON.stringify(rootClaims(audience, "g1", w.ada)).replace(",", ", "), kernelKey), /spelling/u],
    ["another spelling of a number", (w) => raw(JSON.stringify(rootHeader(kernelKey.kid)), JSON.stringify(rootClaims(audience, "g1", w.ada)).replace("\"v\":1", "\"v\":1.0"), kernelKey), /spelling/u],
    ["a mark of byte order", (w) => raw(JSON.stringify(rootHeader(kernelKey.kid)), `\uFEFF${JSON.stringify(rootClaims(audience, "g1", w.ada))}`, kernelKey), /spelling/u],
    ["claims that are a list", () => raw(JSON.stringify(rootHeader(kernelKey.kid)), "[]", kernelKey), /spelling/u],
    ["bytes that are no UTF-8", () => { const input = `${Buffer.from(JSON.stringify(rootHeader(kernelKey.kid))).toString("base64url")}.${Buffer.from([0x22, 0xff, 0x22]).toString("base64url")}`; return `${input}.${signature(input, kernelKey)}` }, /spelling/u],
    ["a link that was signed with another key", (w) => [narrowed(w.root(w.ada), w.cy, w.ben), "ben"], /another key than the one/u],
    ["a link that says one key and was signed with another", (w) => [`${w.root(w.ada)}~${compact(linkHeader(w.ada), linkClaims(w.root(w.ada), w.ben, {}, "j"), w.cy)}`, "ben"], /signature of one of its links/u],
    ["a link that is missing", (w) => { const whole = narrowed(narrowed(w.root(w.ada), w.ada, w.ben, { riskMax: "low" }), w.ben, w.cy).split("~"); return [`${whole[0]}~${whole[2]}`, "cy"] }, /another key than the one/u],
    ["a link that is missing, of one key", (w) => { const whole = narrowed(narrowed(w.root(w.ada), w.ada, w.ada, { riskMax: "low" }), w.ada, w.ben).split("~"); return [`${whole[0]}~${whole[2]}`, "ben"] }, /another token/u],
    ["links in another order", (w) => { const [root, first, second] = narrowed(narrowed(w.root(w.ada), w.ada, w.ada, { riskMax: "low" }), w.ada, w.ada).split("~"); return `${root}~${second}~${first}` }, /another token/u],
    ["a link of another token", (w) => { const [, link] = narrowed(w.root(w.ada, { claims: { iat: 999 } }), w.ada, w.ben).split("~"); return [`${w.root(w.ada)}~${link}`, "ben"] }, /another token/u],
    ["its link alone", (w) => [narrowed(w.root(w.ada), w.ada, w.ben).split("~")[1] ?? "", "ben"], /header/u],
    ["its root alone, by the delegate", (w) => [w.root(w.ada), "ben"], /another system/u],
    ["more links than five", (w) => { let token = w.root(w.ada); for (let at = 0; at < 5; at++) token = narrowed(token, w.ada, w.ada); return token }, /more than 5 links/u],
    ["more characters than there may be", (w) => narrowed(narrowed(w.root(w.ada), w.ada, w.ada, { targets: ["x".repeat(4_000)] }), w.ada, w.ada, { targets: ["x".repeat(4_000)] }), new RegExp(`longer than ${actLengthMax}`, "u")],
    ["a caveat that nobody knows", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, { moonphase: "full" } as Caveats), "ben"], /one of its links: .*moonphase/u],
    ["a caveat that is malformed", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, { usesMax: -1 }), "ben"], /one of its links/u],
    ["a count in its root", (w) => w.root(w.ada, { claims: { cav: { usesMax: 9 } } }), /its grant's/u],
    ["a caveat of its root that is malformed", (w) => w.root(w.ada, { claims: { cav: { expiresAt: "never" } } }), /its root: /u],
    ["a grant that is a number", (w) => w.root(w.ada, { claims: { jti: 1 } }), /root does not say/u],
    ["an audience that is a number", (w) => w.root(w.ada, { claims: { aud: 1, iss: 1 } }), /root does not say/u],
    ["a time in words", (w) => w.root(w.ada, { claims: { iat: "now" } }), /root does not say/u],
    ["a holder that is none", (w) => w.root(w.ada, { claims: { sub: "a b" } }), /root does not say/u],
    ["a holder's key that is none", (w) => w.root(w.ada, { claims: { cnf: { jkt: "short" } } }), /root does not say/u],
    ["a holder's key with another beside it", (w) => w.root(w.ada, { claims: { cnf: { jkt: w.ada.kid, x: "y" } } }), /root does not say/u],
    ["a holder's epoch that is no number", (w) => w.root(w.ada, { claims: { ep: "1" } }), /root does not say/u],
    ["a member that nobody knows in a link", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, { admin: true }), "ben"], /links does not say/u],
    ["another version in a link", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, { v: 2 }), "ben"], /links does not say/u],
    ["a link without a name of its own", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, { jti: "" }), "ben"], /links does not say/u],
    ["a link whose name is a number", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, { jti: 1 }), "ben"], /links does not say/u],
    ["a delegate that is none", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, {}, { sub: 1 }), "ben"], /links does not say/u],
    ["a root that has expired", (w) => w.root(w.ada, { claims: { cav: { expiresAt: w.now } } }), /it has expired/u],
    ["a link that has expired", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, { expiresAt: w.now }), "ben"], /Invalid or expired/u],
    ["a link that is not good yet", (w) => [narrowed(w.root(w.ada), w.ada, w.ben, { notBefore: w.now + 1 }), "ben"], /notBefore/u],
    ["a delegate without a key", (w) => [narrowed(w.root(w.ada), w.ada, { ...pair(), system: "dan", epoch: 1 }), "dan"], /key of dan/u],
    ["a key of the delegate that is not enrolled", (w) => { const other = pair(); return [narrowed(w.root(w.ada), w.ada, { ...other, system: "ben", epoch: w.ben.epoch }), "ben"] }, /key of ben/u],
    ["a key that was revoked", (w) => [narrowed(w.root(w.ada), w.ada, w.ben), "ben"], /key of ben/u, (w) => void w.submit(decideUnenrol("ben"))],
    ["a key of who delegated that was revoked", (w) => [narrowed(narrowed(w.root(w.ada), w.ada, w.ben), w.ben, w.cy), "cy"], /key of ben/u, (w) => void w.submit(decideUnenrol("ben"))],
    ["an epoch that has passed: the same key was enrolled anew", (w) => w.root(w.ada), /key of ada/u, (w) => void w.enrol("ada", adasKey, true)],
    ["a delegate's epoch that has passed", (w) => [narrowed(w.root(w.ada), w.ada, w.ben), "ben"], /key of ben/u, (w) => void w.enrol("ben", bensKey, true)],
    ["a grant that was issued anew under its id", (w) => w.root(w.ada), /its grant has ended/u, (w) => { w.now += 1; w.grant("g1", "ada") }],
    ["a grant that was revoked", (w) => [narrowed(w.root(w.ada), w.ada, w.ben), "ben"], /its grant has ended/u, (w) => w.keep([{ kind: "grants.ended", at: w.now, holder: "ada", grants: ["g1"], reason: "revoked" }])],
    ["a key of the kernel that was rotated out", (w) => w.root(w.ada), /does not use/u, (w) => { for (const generation of [2, 3]) w.submit(decideKeyed(audience, generation, pair())) }]
  ]

  it.each(table.map(([name, make, says, change]) => ({ name, make, says, change })))("is refused with $name", ({ change, make, says }) => {
    const world = makeWorld()
    const made = make(world)
    const [token, system] = typeof made === "string" ? [made, "ada"] : made
    change?.(world)
    const grants = [...world.state().grants].length
    expect(world.act(token, system)).toMatch(says)
    // And what is refused leaves nothing behind.
    expect([...world.state().grants].length).toBe(grants)
  })

  it("is good with a key of the kernel that was replaced once, and no longer, also when it was read before", () => {
    const world = makeWorld()
    const token = world.root(world.ada)
    world.submit(decideKeyed("aaax:k:2", 2, pair()))
    expect(world.act(token, "ada")).toBe("ok")
    expect(world.state().edge.audience).toBe(audience)
    world.submit(decideKeyed("aaax:k:3", 3, pair()))
    expect(world.act(token, "ada")).toMatch(/does not use/u)
  })

  it("is asked again each time whether it still stands, however often it was read", () => {
    const world = makeWorld({ expiresAt: 2_000_000 })
    const token = narrowed(world.root(world.ada), world.ada, world.ben)
    expect(world.act(token, "ben")).toBe("ok")
    world.now = 2_000_000
    expect(world.act(token, "ben")).toMatch(/Invalid or expired/u)
    world.now = 1_500_000
    expect(world.act(token, "ben")).toBe("ok")
    world.submit(decideUnenrol("ada"))
    expect(world.act(token, "ben")).toMatch(/key of ada/u)
  })

  it("ends with its holder's key, and so does every grant of that name", () => {
    const world = makeWorld()
    expect(world.act(narrowed(world.root(world.ada), world.ada, world.ben), "ben")).toBe("ok")
    world.submit(decideUnenrol("ada"))
    expect([...world.state().grants]).toEqual([])
  })

  it("of a facet is used by its holder and by nobody whom that names", () => {
    const world = makeWorld({}, { facet: true })
    expect(world.act(world.root(world.ada), "ada")).toBe("ok")
    expect(world.act(narrowed(world.root(world.ada), world.ada, world.ben), "ben")).toMatch(/not delegated/u)
  })
})

describe("what a link says", () => {
  it("holds beside what held before, and cannot widen it", () => {
    const world = makeWorld({ riskMax: "low", targets: ["a/**"], usesMax: 100 })
    const { ada, ben, cy } = world
    const wide = narrowed(world.root(ada), ada, ben, { riskMax: "irreversible", targets: ["**"], usesMax: 1_000, expiresAt: 9e15 })
    expect(world.act(wide, "ben", { target: "a/x" })).toBe("ok")
    expect(world.act(wide, "ben", { target: "b" })).toMatch(/targets/u)
    expect(world.act(wide, "ben", { target: "a/x", risk: "medium" })).toMatch(/riskMax/u)
    const narrow = narrowed(wide, ben, cy, { actions: ["read"], arguments: [{ pointer: "/n", op: "le", value: 5 }] })
    expect(world.act(narrow, "cy", { target: "a/x", action: "read", payload: { n: 5 } })).toBe("ok")
    expect(world.act(narrow, "cy", { target: "a/x", action: "write", payload: { n: 5 } })).toMatch(/actions/u)
    expect(world.act(narrow, "cy", { target: "a/x", action: "read", payload: { n: 6 } })).toMatch(/arguments/u)
  })

  it("is held by the grant above, too: how often that may be delegated", () => {
    const world = makeWorld({ delegationsMax: 1 })
    const { ada, ben, cy } = world
    const once = narrowed(world.root(ada), ada, ben)
    expect(world.act(once, "ben")).toBe("ok")
    expect(world.act(narrowed(once, ben, cy), "cy")).toMatch(/delegationsMax/u)
  })

  it("is counted where it is used, however many links are made of it", () => {
    const world = makeWorld({ usesMax: 5 })
    const { ada, ben, cy } = world
    const link = narrowed(world.root(ada), ada, ben, { usesMax: 3 })
    const used = Array.from({ length: 8 }, () => world.act(narrowed(link, ben, cy), "cy"))
    expect(used.filter((said) => said === "ok")).toHaveLength(3)
    expect(used.at(-1)).toMatch(/usesMax/u)
    const more = Array.from({ length: 8 }, () => world.act(narrowed(world.root(ada), ada, ben, { usesMax: 3 }), "ben"))
    expect(more.filter((said) => said === "ok")).toHaveLength(2)
    expect(lookup(world.state().grants, "g1")?.uses).toBe(5)
  })

  it("is counted on after a restart", () => {
    const world = makeWorld()
    const token = narrowed(world.root(world.ada), world.ada, world.ben, { usesMax: 2 })
    expect(world.act(token, "ben")).toBe("ok")
    world.restart()
    expect(world.act(token, "ben")).toBe("ok")
    expect(world.act(token, "ben")).toMatch(/usesMax/u)
  })

  it("limits a rate over all that is made of it", () => {
    const world = makeWorld()
    const { ada, ben, cy } = world
    const link = narrowed(world.root(ada), ada, ben, { rate: { count: 2, perMillis: 1_000 } })
    expect([0, 1, 2].map(() => world.act(narrowed(link, ben, cy), "cy") === "ok")).toEqual([true, true, false])
    world.now += 1_000
    expect(world.act(narrowed(link, ben, cy), "cy")).toBe("ok")
  })

  it("holds a budget from its first use on, over all that is made of it, also after a restart", () => {
    const world = makeWorld({ budget: { actions: 3 } })
    const { ada, ben, cy } = world
    expect(world.act(narrowed(world.root(ada), ada, ben, { budget: { actions: 0 } }), "ben")).toMatch(/actions: limit 0/u)
    expect(world.act(narrowed(world.root(ada), ada, ben, { budget: { millis: 1 } }), "ben")).toMatch(/milliseconds of calls: limit 1/u)
    const link = narrowed(world.root(ada), ada, ben, { budget: { actions: 2 } })
    expect(world.act(narrowed(link, ben, cy, { budget: { actions: 9 } }), "cy")).toBe("ok")
    world.restart()
    expect(world.act(link, "ben")).toBe("ok")
    expect(world.act(narrowed(link, ben, cy), "cy")).toMatch(/actions: limit 2, spent 2/u)
    // What the links spent is spent of the grant at the root, too.
    expect(world.act(narrowed(world.root(ada), ada, ben, { budget: { actions: 9 } }), "ben")).toBe("ok")
    expect(world.act(world.root(ada), "ada")).toMatch(/budget of grant g1 .*actions: limit 3, spent 3/u)
  })

  it("ends with its token, also for whoever names the grant that it became", () => {
    const world = makeWorld()
    const { ada, ben, cy } = world
    const root = world.root(ada, { claims: { cav: { expiresAt: world.now + 60_000 } } })
    const link = narrowed(root, ada, ben, { expiresAt: world.now + 9e9 })
    expect(world.act(narrowed(link, ben, cy), "cy")).toBe("ok")
    const grants = [...world.state().grants].map(([, { grant }]) => grant).filter(({ offline }) => offline !== undefined)
    expect(grants).toHaveLength(2)
    for (const { holder, id } of grants) expect(world.act(id, holder)).toBe("ok")
    world.now += 61_000
    for (const { holder, id } of grants) expect(world.act(id, holder)).toMatch(/Invalid or expired/u)
  })

  it("that has ended stays ended, in any token that holds it, also after a restart", () => {
    const world = makeWorld()
    const { ada, ben, cy } = world
    const link = narrowed(world.root(ada), ada, ben)
    const below = narrowed(link, ben, cy)
    expect(world.act(below, "cy")).toBe("ok")
    const id = [...world.state().grants].map(([, { grant }]) => grant).find((grant) => grant.holder === "ben")?.id ?? ""
    world.keep([{ kind: "grants.ended", at: world.now, holder: "ben", grants: [id], reason: "revoked" }])
    expect(world.act(link, "ben")).toMatch(/has ended/u)
    expect(world.act(below, "cy")).toMatch(/has ended/u)
    expect(world.act(narrowed(link, ben, cy), "cy")).toMatch(/has ended/u)
    world.restart()
    expect(world.act(link, "ben")).toMatch(/has ended/u)
    expect(world.act(narrowed(world.root(ada), ada, ben), "ben")).toBe("ok")
  })

  it("cannot be said again under its id, to say something else", () => {
    const world = makeWorld()
    const { ada, ben } = world
    expect(world.act(narrowed(world.root(ada), ada, ben, { usesMax: 1 }, { jti: "same" }), "ben")).toBe("ok")
    expect(world.act(narrowed(world.root(ada), ada, ben, { usesMax: 9 }, { jti: "same" }), "ben")).toMatch(/id of another/u)
  })

  it("is remembered for so many links below one grant, and no more", () => {
    const world = makeWorld()
    const ids = Array.from({ length: linksOfGrantMax }, (_, at) => `link:${at}`)
    world.keep(ids.map((id): Entry => ({
      kind: "grant.issued", at: world.now,
      grant: { id, holder: "ben", resource: "note", access: "execute", caveats: {}, parent: "g1", issuedAt: 1, origin: "token:x", scope: {}, giver: "cy", offline: "g1" }
    })))
    expect(world.act(narrowed(world.root(world.ada), world.ada, world.ben), "ben")).toMatch(/links of its grant/u)
  })
})

describe("what a chain allows", () => {
  it("its beginning allows, whatever is asked", () => {
    const random = makeRandom(7)
    const risks = ["low", "medium", "high", "irreversible"] as const
    const caveats = (): Caveats => ({
      ...(random.chance(0.4) ? { riskMax: random.pick(risks) } : {}),
      ...(random.chance(0.4) ? { targets: [random.pick(["**", "a/**", "a/*", "b", "a/b"])] } : {}),
      ...(random.chance(0.3) ? { actions: [random.pick(["*", "read", "write"])] } : {}),
      ...(random.chance(0.3) ? { expiresAt: 900_000 + random.int(200_000) } : {}),
      ...(random.chance(0.2) ? { notBefore: 900_000 + random.int(200_000) } : {}),
      ...(random.chance(0.3) ? { arguments: [{ pointer: "/n", op: random.pick(["le", "ge"]), value: random.int(4) }] } : {}),
      ...(random.chance(0.2) ? { usesMax: random.int(2) } : {})
    })
    let allowed = 0
    for (let round = 0; round < 300; round++) {
      const world = makeWorld(caveats())
      const parties = [world.ada, world.ben, world.cy]
      const chains: Array<readonly [string, string]> = [[world.root(world.ada), "ada"]]
      let holder: Party = world.ada
      for (let length = random.int(5); length > 0; length--) {
        const to = random.pick(parties)
        chains.push([narrowed(chains.at(-1)![0], holder, to, caveats()), to.system])
        holder = to
      }
      const asking = { target: random.pick(["a/b", "b", "a/c/d"]), risk: random.pick(risks), action: random.pick(["read", "write"]), payload: { n: random.int(5) } }
      const answers = chains.map(([token, system]) => world.allows(token, system, asking))
      for (let at = 1; at < answers.length; at++) if (answers[at] === true) expect(answers[at - 1]).toBe(true)
      if (answers.length > 1 && answers.at(-1) === true) allowed++
    }
    expect(allowed).toBeGreaterThan(10)
  })
})

describe("signatures", () => {
  // RFC 8037, appendix A.
  const key = pairOf({ x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" })

  it("and thumbprints are those of RFC 8037", () => {
    const input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    const mark = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    expect(signature(input, key)).toBe(mark)
    expect(actCrypto.verify(key.x, input, Buffer.from(mark, "base64url"))).toBe(true)
    expect(actCrypto.verify(key.x, `${input}x`, Buffer.from(mark, "base64url"))).toBe(false)
    expect(actCrypto.sha256(thumbprintInput(key.x))).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
  })

  it("are made over the two parts as RFC 7515 writes them", () => {
    // Its first example: a header with a line break, which is good base64url and not our spelling of JSON.
    const header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
    const claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    expect(readCompact(`${header}.${claims}.${"A".repeat(86)}`)).toBeUndefined()
    const written = readCompact(compact({ alg: "EdDSA" }, { iss: "joe" }, key))
    expect(written).toMatchObject({ header: { alg: "EdDSA" }, claims: { iss: "joe" }, signed: "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJqb2UifQ" })
  })

  it("are never right with a key that is written longer or shorter than one is", () => {
    const key = pair()
    const mark = Buffer.from(signature("x", key), "base64url")
    expect(actCrypto.verify(key.x, "x", mark)).toBe(true)
    for (const other of [Buffer.concat([Buffer.from(key.x, "base64url"), Buffer.from([0])]), Buffer.from(key.x, "base64url").subarray(0, 31), Buffer.alloc(0)]) {
      expect(actCrypto.verify(other.toString("base64url"), "x", mark), String(other.length)).toBe(false)
    }
  })

  it("are never right with a key of small order, which is never enrolled", () => {
    const points = ["0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"]
    // The identity and nothing: right for many texts, if such a key were believed.
    const forged = Buffer.concat([Buffer.from("01".padEnd(64, "0"), "hex"), Buffer.alloc(32)])
    for (const point of points) {
      const x = Buffer.from(point, "hex").toString("base64url")
      expect(Array.from({ length: 64 }, (_, at) => actCrypto.verify(x, `text ${at}`, forged)).some(Boolean)).toBe(true)
      expect(isWeakKey(x)).toBe(true)
    }
    for (const { x } of [key, adasKey, bensKey]) expect(isWeakKey(x)).toBe(false)
    expect(["", "AA", `${key.x}A`, key.x.slice(0, -1)].map(isWeakKey)).toEqual([true, true, true, true])
  })
})
