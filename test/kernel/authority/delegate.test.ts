// Passing on and taking back: who may, what a child is, what falls with what, and how little an entry says of it.
import * as HashMap from "effect/HashMap"
import { describe, expect, it } from "vitest"
import type { Caveats, Delegation, Grant } from "../../../protocol/authority.ts"
import { decideDelegate, decideDelegateFor, decideGiveUp, decideIssue, decideRevoke } from "../../../kernel/authority/decide/delegate.ts"
import type { Decision } from "../../../kernel/authority/decide/decision.ts"
import { decideExpiry } from "../../../kernel/authority/decide/expiry.ts"
import { decideDock, decideStatus, decideUndock } from "../../../kernel/authority/decide/system.ts"
import type { Entry, RequestReference } from "../../../kernel/authority/entry.ts"
import { freeze, thaw } from "../../../kernel/authority/state/frozen.ts"
import { heldBy, initial, lookup, type AuthorityState } from "../../../kernel/authority/state/state.ts"
import { step } from "../../../kernel/authority/state/step.ts"
import { allows } from "../../../kernel/authority/verify.ts"
import { grantsMax, linksMax } from "../../../kernel/limits.ts"
import { canonical } from "../../../kernel/guard/canonical.ts"
import { makePolicy } from "../../../kernel/guard/policy.ts"
import * as Granted from "../../../kernel/policy/granted.ts"
import { sha256Hex } from "../../../kernel/power/digest.ts"

const rules = { policy: makePolicy([Granted.rule]), digestOf: (value: unknown) => sha256Hex(canonical(value)), executor: () => undefined }

const makeWorld = () => {
  let state = initial
  let cursor = 0
  let requests = 0
  const world = {
    now: 1_000_000,
    state: (): AuthorityState => state,
    set: (next: AuthorityState) => void (state = next),
    keep: (...entries: ReadonlyArray<Entry>): void => {
      for (const entry of entries) state = step(state, { cursor: ++cursor, hash: `h${cursor}`, entry })
    },
    submit: <A>(decision: Decision<A>): { readonly answer: A; readonly entries: ReadonlyArray<Entry> } => {
      const decided = decision(state, world.now)
      world.keep(...decided.entries)
      return decided
    },
    boot: () => world.keep({ kind: "kernel.booted", at: world.now, boot: state.boot + 1, kernel: "k", version: "0" }),
    dock: (...systems: ReadonlyArray<string>) => {
      for (const system of systems) {
        world.submit(decideDock(rules, {
          system, manifest: "m".padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [], executors: [],
          remoteChannels: [], powers: [], module: undefined
        }))
      }
    },
    issue: (to: string, caveats: Caveats = {}): string => {
      const { answer } = world.submit(decideIssue("operator", { to, resource: "x", access: "execute", caveats, ttl: 3_600 }))
      if (!("id" in answer)) throw new Error(answer.reason)
      return answer.id
    },
    reference: (system: string): RequestReference => ({ request: `r${++requests}`, requestCursor: requests, channel: "aaax.capability-request", system, floor: 0 }),
    /** The child, or why there is none. */
    delegate: (by: string, delegate: Delegation): Grant | string => {
      const { entries } = world.submit(decideDelegate(world.reference(by), { delegate }))
      const [entry] = entries
      return entry?.kind === "grant.issued" ? entry.grant : entry?.kind === "request.refused" ? entry.reason : "nothing"
    },
    child: (by: string, delegate: Delegation): string => {
      const made = world.delegate(by, delegate)
      if (typeof made === "string") throw new Error(made)
      return made.id
    },
    revoke: (by: string, token: string): ReadonlyArray<Entry> => world.submit(decideGiveUp(world.reference(by), { revoke: token })).entries,
    may: (holder: string, token: string, target = "src/a"): boolean =>
      allows(state, { token, holder, resource: "x", access: "execute", action: "do", target, risk: "low", payload: null }, world.now)
  }
  world.boot()
  world.dock("a", "b", "c")
  return world
}

describe("delegating", () => {
  it("makes a narrower child for another system, which is worth nothing to anybody else", () => {
    const world = makeWorld()
    const root = world.issue("a")
    const made = world.delegate("a", { token: root, to: "b", caveats: { targets: ["src/**"] } })
    expect(made).toMatchObject({ holder: "b", giver: "a", parent: root, resource: "x", access: "execute", caveats: { targets: ["src/**"] } })
    const { id } = made as Grant
    expect([world.may("b", id), world.may("b", id, "etc/x"), world.may("c", id), world.may("a", id)]).toEqual([true, false, false, false])
  })

  it.each<[string, string, Partial<Delegation>, RegExp]>([
    ["by who does not hold it", "b", {}, /^Invalid or expired capability token$/u],
    ["of what is not there", "a", { token: "nothing" }, /^Invalid or expired capability token$/u],
    ["to who is not docked", "a", { to: "ghost" }, /ghost is not docked/u],
    ["with more access", "a", { access: "execute" }, /execute is more than what it allows: read/u],
    ["with a caveat that is not known", "a", { caveats: { colour: "red" } }, /colour/u],
    ["for a time that is none", "a", { ttl: 0 }, /ttl must be/u],
    ["for too long", "a", { ttl: 1e9 }, /ttl must be/u],
    ["as a facet for a day", "a", { facet: true, ttl: 86_400 }, /at most 3600/u]
  ])("is refused %s, with the reason", (_, by, more, reason) => {
    const world = makeWorld()
    const issued = world.submit(decideIssue("operator", { to: "a", resource: "x", access: "read" })).answer as Grant
    expect(world.delegate(by, { token: issued.id, to: "c", ...more })).toMatch(reason)
    expect(HashMap.size(world.state().grants)).toBe(1)
  })

  it("is refused to and from who is revoked or quarantined", () => {
    const world = makeWorld()
    const root = world.issue("a")
    world.submit(decideStatus("b", "quarantined", "test"))
    expect(world.delegate("a", { token: root, to: "b" })).toBe("b is quarantined")
    world.submit(decideStatus("a", "quarantined", "test"))
    expect(world.delegate("a", { token: root, to: "c" })).toBe("a is quarantined")
  })

  it("never outlives its parent, whatever it says", () => {
    const world = makeWorld()
    const root = world.issue("a")
    const end = lookup(world.state().grants, root)!.grant.caveats.expiresAt!
    expect(world.delegate("a", { token: root, to: "b", ttl: 20 * 86_400 })).toMatchObject({ caveats: { expiresAt: end } })
    const bare = world.child("a", { token: root, to: "b" })
    world.now = end
    expect(world.may("b", bare)).toBe(false)
    const { entries } = world.submit(decideExpiry)
    expect(entries).toMatchObject([{ kind: "grants.ended", grants: [root], reason: "expired", ended: 3 }])
    expect(HashMap.size(world.state().grants)).toBe(0)
  })

  it("goes as deep as every link above allows, and no deeper than the chain that is walked", () => {
    const world = makeWorld()
    const root = world.issue("a", { delegationsMax: 1 })
    const once = world.child("a", { token: root, to: "b" })
    expect(world.delegate("b", { token: once, to: "c" })).toMatch(/^delegationsMax of issued:\S+ does not hold: it allows 1 links below it, and this would be link 2/u)
    let token = world.issue("a")
    for (let link = 1; link < linksMax; link++) token = world.child("a", { token, to: "a" })
    expect(world.may("a", token)).toBe(true)
    expect(world.delegate("a", { token, to: "b" })).toMatch(/delegated 15 times, which is the most/u)
  })

  it("counts to the giver, so that nobody fills up what another one may hold", () => {
    const world = makeWorld()
    const root = world.issue("a")
    world.child("a", { token: root, to: "b" })
    expect([heldBy(world.state(), "a").grants, heldBy(world.state(), "b").grants]).toEqual([2, 0])
    world.set({ ...world.state(), held: HashMap.set(world.state().held, "a", { ...heldBy(world.state(), "a"), grants: grantsMax }) })
    expect(world.delegate("a", { token: root, to: "b" })).toMatch(/a holds and has given 10000 grants/u)
    expect(world.submit(decideDelegateFor("operator", { token: root, to: "b" })).answer).toMatchObject({ reason: expect.stringMatching(/a holds and has given/u) })
  })

  it("is decided once, however often it is asked", () => {
    const world = makeWorld()
    const decision = decideDelegate(world.reference("a"), { delegate: { token: world.issue("a"), to: "b" } })
    expect(world.submit(decision).entries).toHaveLength(2)
    expect(world.submit(decision).entries).toEqual([])
  })
})

describe("taking back", () => {
  const tree = () => {
    const world = makeWorld()
    const root = world.issue("a")
    const left = world.child("a", { token: root, to: "b" })
    const right = world.child("a", { token: root, to: "c" })
    const below = world.child("b", { token: left, to: "c" })
    return { world, root, left, right, below }
  }

  it("ends the whole subtree and nothing else, in an entry that names its root", () => {
    const { below, left, right, root, world } = tree()
    const entries = world.revoke("a", left)
    expect(entries).toMatchObject([
      { kind: "grants.ended", grants: [left], ended: 2, uses: 0, reason: "revoked" }, { kind: "capability.revoked", grant: left, ended: 2, underWay: 0 }
    ])
    expect([left, below, right, root].map((id) => lookup(world.state().grants, id) !== undefined)).toEqual([false, false, true, true])
    expect([heldBy(world.state(), "a").grants, heldBy(world.state(), "b").grants]).toEqual([2, 0])
  })

  it("is for its holder and for whoever holds one above it, at any depth", () => {
    for (const by of ["a", "b", "c"]) {
      const { below, world } = tree()
      expect(world.revoke(by, below).map(({ kind }) => kind)).toEqual(["grants.ended", "capability.revoked"])
    }
    const { left, right, root, world } = tree()
    for (const [by, token] of [["b", root], ["b", right], ["c", left], ["a", "nothing"]] as const) {
      expect(world.revoke(by, token)).toMatchObject([{ kind: "request.refused", reason: "Invalid or expired capability token" }])
    }
  })

  it("takes the children with a delegator that loses its own", () => {
    const { below, left, right, world } = tree()
    world.submit(decideUndock("b", undefined, "test"))
    expect([world.may("c", below), world.may("b", left), world.may("c", right)]).toEqual([false, false, true])
  })

  it("folds the entries of old journals, which name every grant that ended", () => {
    const { below, left, right, root, world } = tree()
    const before = world.state()
    world.keep({ kind: "grants.ended", at: world.now, holder: "a", grants: [root, left, below, right], reason: "revoked" })
    const listed = world.state()
    world.set(before)
    world.keep({ kind: "grants.ended", at: world.now, holder: "a", grants: [root], reason: "revoked" })
    expect({ ...freeze(world.state()), cursor: 0, chain: "" }).toEqual({ ...freeze(listed), cursor: 0, chain: "" })
    expect([HashMap.size(listed.grants), HashMap.size(listed.children), heldBy(listed, "a").grants]).toEqual([0, 0, 0])
  })

  it("of a root with many below is one small entry", () => {
    const world = makeWorld()
    const root = world.issue("a")
    for (let n = 0; n < 2_000; n++) {
      world.keep({ kind: "grant.issued", at: world.now, grant: { ...lookup(world.state().grants, root)!.grant, id: `child${n}`, parent: n % 2 === 0 ? root : `child${n - 1}`, giver: "a" } })
    }
    const { answer, entries } = world.submit(decideRevoke(root))
    expect(answer).toBe(2_001)
    expect(JSON.stringify(entries).length).toBeLessThan(300)
    expect(HashMap.size(world.state().grants)).toBe(0)
  })
})

describe("a facet", () => {
  const given = () => {
    const world = makeWorld()
    const root = world.issue("a")
    return { world, root, facet: world.child("a", { token: root, to: "b", facet: true }) }
  }

  it("may be used, and lasts five minutes unless it says otherwise", () => {
    const { facet, world } = given()
    expect(world.may("b", facet)).toBe(true)
    expect(lookup(world.state().grants, facet)!.grant).toMatchObject({ facet: true, caveats: { expiresAt: world.now + 300_000 } })
  })

  it("cannot be passed on, not even by an operator", () => {
    const { facet, world } = given()
    expect(world.delegate("b", { token: facet, to: "c" })).toMatch(/it is a facet/u)
    expect(world.submit(decideDelegateFor("operator", { token: facet, to: "c" })).answer).toMatchObject({ reason: expect.stringMatching(/it is a facet/u) })
  })

  it("ends with the run of the kernel, also one that a snapshot holds; what was delegated goes on", () => {
    const { facet, root, world } = given()
    const kept = world.child("a", { token: root, to: "b" })
    world.set(thaw(JSON.parse(JSON.stringify(freeze(world.state())))))
    world.boot()
    expect([world.may("b", facet), world.may("b", kept)]).toEqual([false, true])
    expect(heldBy(world.state(), "a").grants).toBe(2)
  })

  it("ends with the docking of its giver and with that of its holder", () => {
    for (const system of ["a", "b"]) {
      const { facet, world } = given()
      world.submit(decideUndock(system, undefined, "test"))
      world.dock(system)
      expect(world.may("b", facet)).toBe(false)
    }
  })
})

describe("an operator", () => {
  it("mints for who is docked, within the bounds of every grant, under an id that no request can have", () => {
    const world = makeWorld()
    expect(world.submit(decideIssue("operator", { to: "a", resource: "x", access: "write", caveats: { usesMax: 1 } })).answer)
      .toMatchObject({ id: expect.stringMatching(/^issued:/u), holder: "a", origin: "operator", parent: null, caveats: { usesMax: 1, expiresAt: world.now + 3_600_000 } })
    expect(world.submit(decideIssue("operator", { to: "ghost", resource: "x", access: "write" })).answer).toMatchObject({ unknownSystem: "ghost" })
    expect(world.submit(decideIssue("operator", { to: "a", resource: "x", access: "write", ttl: 1e9 })).answer).toMatchObject({ isMalformed: true })
    expect(world.submit(decideIssue("operator", { to: "a", resource: "x", access: "write", caveats: { odd: 1 } })).answer).toMatchObject({ isMalformed: true })
    const far = world.submit(decideIssue("operator", { to: "a", resource: "x", access: "write", caveats: { expiresAt: 9e15 } })).answer as Grant
    expect(far.caveats.expiresAt).toBe(world.now + 30 * 86_400_000)
  })

  it("never mints two under one id, however many are decided in one batch", () => {
    const world = makeWorld()
    const ids = Array.from({ length: 20 }, () => world.issue("a"))
    expect(new Set(ids).size).toBe(20)
  })
})
