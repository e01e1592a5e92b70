// Decisions at their edges: what an outage, a smaller manifest, a bound or a second answer makes of them.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { describe, expect, it } from "vitest"
import type { Policy } from "../../../protocol/authority.ts"
import type { Executor } from "../../../protocol/executor.ts"
import { decideAction } from "../../../kernel/authority/decide/action.ts"
import { decideAnswer } from "../../../kernel/authority/decide/answer.ts"
import { decideCapability } from "../../../kernel/authority/decide/capability.ts"
import type { Decision, Rules } from "../../../kernel/authority/decide/decision.ts"
import { decideExpiry, nextExpiry } from "../../../kernel/authority/decide/expiry.ts"
import { falseClaim } from "../../../kernel/authority/decide/request.ts"
import { decideDock, decideStatus, type Docking } from "../../../kernel/authority/decide/system.ts"
import { decideFinish, decideReconcile, decideRestart } from "../../../kernel/authority/decide/warrant.ts"
import type { Entry, RequestReference } from "../../../kernel/authority/entry.ts"
import { freeze, thaw } from "../../../kernel/authority/state/frozen.ts"
import { heldBy, initial, lookup, type AuthorityState } from "../../../kernel/authority/state/state.ts"
import { step } from "../../../kernel/authority/state/step.ts"
import { allows } from "../../../kernel/authority/verify.ts"
import { canonical } from "../../../kernel/guard/canonical.ts"
import { makePolicy } from "../../../kernel/guard/policy.ts"
import * as Granted from "../../../kernel/policy/granted.ts"
import { expiriesAtOnceMax, grantsMax, warrantsOpenMax } from "../../../kernel/limits.ts"
import { sha256Hex } from "../../../kernel/power/digest.ts"

const executor = (name: string, more: Partial<Executor> = {}): Executor => ({ name, description: "", risk: "low", recovery: "idempotent", perform: () => Effect.void, ...more })
const served = [executor("x"), executor("final", { risk: "irreversible", recovery: "none" }), executor("asked", { recovery: "queryable" }), executor("once", { recovery: "none" })]

const rulesOf = (policy: Policy = makePolicy([Granted.rule])): Rules => ({
  policy, digestOf: (value) => sha256Hex(canonical(value)), executor: (name) => served.find((one) => one.name === name), approvalMillis: 1_000
})
const rules = rulesOf()

const makeWorld = () => {
  let state = initial
  let cursor = 0
  let requests = 0
  const world = {
    now: 1_000_000,
    state: () => state,
    set: (next: AuthorityState) => void (state = next),
    keep: (...entries: ReadonlyArray<Entry>) => {
      for (const entry of entries) state = step(state, { cursor: ++cursor, hash: `h${cursor}`, entry })
    },
    submit: <A>(decision: Decision<A>): { readonly answer: A; readonly entries: ReadonlyArray<Entry> } => {
      const decided = decision(state, world.now)
      world.keep(...decided.entries)
      return decided
    },
    reference: (system = "a", floor = 0): RequestReference => ({ request: `r${++requests}`, requestCursor: requests, channel: "aaax.action-gate", system, floor }),
    dock: (executors: ReadonlyArray<string>, manifest = "m1", more: Partial<Docking> = {}, given = rules) =>
      world.submit(decideDock(given, {
        system: "a", manifest: manifest.padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [],
        executors, remoteChannels: [], powers: [], module: undefined, ...more
      })),
    act: (token: string, name: string, target = "") => {
      const reference = world.reference()
      const { entries } = world.submit(decideAction(rules, reference, { action: "do", executor: name, target, capability: token, risk_level: "low" }))
      return { id: reference.request, entry: entries[0] as Extract<Entry, { kind: "action.decided" }> }
    },
    boot: () => world.keep({ kind: "kernel.booted", at: world.now, boot: state.boot + 1, kernel: "k", version: "0" })
  }
  world.boot()
  return world
}

const tokens = (grants: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> => grants.map(({ id }) => id)

describe("docking", () => {
  it("hands out the same first grants again, and mints none", () => {
    const world = makeWorld()
    const first = world.dock(["x", "final"])
    const second = world.dock(["x", "final"])
    expect(tokens(second.answer.grants)).toEqual(tokens(first.answer.grants))
    expect(second.entries.map(({ kind }) => kind)).toEqual(["system.docked"])
  })

  it("ends what an earlier manifest declared and this one does not", () => {
    const world = makeWorld()
    const [x, final] = tokens(world.dock(["x", "final"]).answer.grants)
    const smaller = tokens(world.dock(["x"], "m2").answer.grants)
    const asked = { holder: "a", access: "execute", target: "", risk: "low" } as const
    expect(allows(world.state(), { ...asked, token: final!, resource: "final" }, world.now)).toBe(false)
    expect(allows(world.state(), { ...asked, token: x!, resource: "x" }, world.now)).toBe(false)
    expect(allows(world.state(), { ...asked, token: smaller[0]!, resource: "x" }, world.now)).toBe(true)
  })

  it("ends a first grant that policy allows no longer, and keeps what was asked for since", () => {
    const world = makeWorld()
    const [x] = tokens(world.dock(["x"]).answer.grants)
    world.submit(decideCapability(rules, world.reference(), { resource: "x", access: "execute", scope: { ttl: 60 } }))
    const strict = rulesOf(makePolicy([{ name: "no", description: "", decide: () => ({ outcome: "deny", reason: "no" }) }]))
    expect(world.dock(["x"], "m1", {}, strict).answer.grants).toEqual([])
    expect(lookup(world.state().grants, x!)).toBeUndefined()
    expect(HashMap.size(world.state().grants)).toBe(1)
  })

  it("renews a first grant that has a day or less to live", () => {
    const world = makeWorld()
    const before = world.dock(["x"]).answer.grants[0]!
    world.now = before.caveats.expiresAt! - 24 * 3_600_000
    const after = world.dock(["x"]).answer.grants[0]!
    expect(after.id).toBe(before.id)
    expect(after.caveats.expiresAt).toBeGreaterThan(before.caveats.expiresAt!)
  })

  it("grants nothing to whom the config does not vouch for, nor to a revoked system", () => {
    const world = makeWorld()
    expect(world.dock(["x"], "m1", { configured: false }).answer.grants).toEqual([])
    world.submit(decideStatus("a", "revoked", "law"))
    expect(world.dock(["x"]).answer).toEqual({ status: "revoked", grants: [] })
  })
})

describe("revoking", () => {
  it("ends the whole subtree of what the system holds, and is final", () => {
    const world = makeWorld()
    const [x] = tokens(world.dock(["x"]).answer.grants)
    const child = (id: string, parent: string, holder: string): Entry => ({
      kind: "grant.issued", at: world.now,
      grant: { id, parent, holder, resource: "x", access: "execute", caveats: {}, issuedAt: world.now, origin: "delegation", scope: {} }
    })
    world.keep(child("c1", x!, "b"), child("c2", "c1", "c"), child("other", x!, "d"))
    const { entries } = world.submit(decideStatus("a", "revoked", "law"))
    expect(entries.map(({ kind }) => kind)).toEqual(["grants.ended", "system.changed"])
    expect(HashMap.size(world.state().grants)).toBe(0)
    for (const status of ["running", "drained", "paused", "quarantined"] as const) {
      expect(world.submit(decideStatus("a", status, "")).entries).toEqual([])
    }
    expect(lookup(world.state().systems, "a")?.status).toBe("revoked")
  })
})

describe("a child grant", () => {
  it("is charged on every link, and stops when any link is used up", () => {
    const world = makeWorld()
    const [x] = tokens(world.dock(["x"]).answer.grants)
    const grant = (id: string, parent: string, usesMax: number): Entry => ({
      kind: "grant.issued", at: world.now,
      grant: { id, parent, holder: "a", resource: "x", access: "execute", caveats: { usesMax }, issuedAt: world.now, origin: "delegation", scope: {} }
    })
    world.keep(grant("two", x!, 2), grant("five", "two", 5))
    expect([1, 2, 3].map(() => world.act("five", "x").entry.warrant.state)).toEqual(["started", "started", "denied"])
    expect([x!, "two", "five"].map((id) => lookup(world.state().grants, id)?.uses)).toEqual([2, 2, 2])
  })

  it("does not pass with a caveat that is not known", () => {
    const world = makeWorld()
    const [x] = tokens(world.dock(["x"]).answer.grants)
    const caveats = { onlyOnSundays: true } as object
    world.keep({
      kind: "grant.issued", at: world.now,
      grant: { id: "odd", parent: x!, holder: "a", resource: "x", access: "execute", caveats, issuedAt: world.now, origin: "delegation", scope: {} }
    })
    expect(world.act("odd", "x").entry.warrant).toMatchObject({ state: "denied", reason: "Invalid or expired capability token" })
  })

  it("does not pass beyond the longest chain, nor in a circle", () => {
    const world = makeWorld()
    world.dock(["x"])
    const grant = (id: string, parent: string | null): Entry => ({
      kind: "grant.issued", at: world.now,
      grant: { id, parent, holder: "a", resource: "x", access: "execute", caveats: {}, issuedAt: world.now, origin: "delegation", scope: {} }
    })
    for (let link = 0; link < 17; link++) world.keep(grant(`l${link}`, link === 0 ? null : `l${link - 1}`))
    world.keep(grant("o1", "o2"), grant("o2", "o1"))
    expect(world.act("l15", "x").entry.warrant.state).toBe("started")
    expect(world.act("l16", "x").entry.warrant.state).toBe("denied")
    expect(world.act("o1", "x").entry.warrant.state).toBe("denied")
  })
})

describe("bounds of one system", () => {
  it("hold its grants, and let go of them when they end", () => {
    const world = makeWorld()
    world.dock(["x"])
    const frozen = freeze(world.state())
    const grant = (at: number) => ({
      uses: 0,
      grant: { id: `g${at}`, parent: null, holder: "a", resource: "x", access: "read" as const, caveats: { expiresAt: world.now + 10 }, issuedAt: 0, origin: "", scope: {} }
    })
    world.set(thaw({ ...frozen, grants: Array.from({ length: grantsMax }, (_, at) => grant(at)) }))
    const ask = () => world.submit(decideCapability(rules, world.reference(), { resource: "x", access: "execute", scope: { ttl: 60 } })).entries[0]
    expect(ask()).toMatchObject({ outcome: "denied", reason: `a holds ${grantsMax} grants, the most that one system may hold; let some expire` })
    world.now += 10
    world.submit(decideExpiry)
    expect(ask()).toMatchObject({ outcome: "granted" })
    expect(heldBy(world.state(), "a").grants).toBe(grantsMax - expiriesAtOnceMax + 1)
  })

  it("hold its open actions, and let go of them when they end", () => {
    const world = makeWorld()
    const [x] = tokens(world.dock(["x"]).answer.grants)
    const open = world.act(x!, "x").entry.warrant
    const frozen = freeze(world.state())
    world.set(thaw({ ...frozen, warrants: Array.from({ length: warrantsOpenMax }, (_, at) => ({ ...open, id: `w${at}` })) }))
    expect(world.act(x!, "x").entry.warrant).toMatchObject({ state: "denied", reason: `a has ${warrantsOpenMax} open actions, the most that one system may have; let some end` })
    world.submit(decideFinish("w0", 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null }))
    expect(world.act(x!, "x").entry.warrant.state).toBe("started")
  })

  it("do not let what falls due together exceed one batch", () => {
    const world = makeWorld()
    const [final] = tokens(world.dock(["final"]).answer.grants)
    const waiting = world.act(final!, "final").entry.warrant
    world.set(thaw({ ...freeze(world.state()), warrants: Array.from({ length: 3_000 }, (_, at) => ({ ...waiting, id: `w${at}` })) }))
    world.now += 1_000
    let rounds = 0
    for (let next = nextExpiry(world.state()); next !== undefined && next <= world.now; next = nextExpiry(world.state())) {
      expect(world.submit(decideExpiry).entries.length).toBeLessThanOrEqual(expiriesAtOnceMax + 1)
      rounds++
    }
    expect(HashMap.size(world.state().warrants)).toBe(0)
    expect(rounds).toBe(3_000 / expiriesAtOnceMax)
  })
})

describe("an answer", () => {
  const escalated = () => {
    const world = makeWorld()
    const [final] = tokens(world.dock(["final"]).answer.grants)
    const { entry, id } = world.act(final!, "final")
    expect(entry.warrant.state).toBe("escalated")
    return { digest: entry.warrant.digest, id, token: final!, world }
  }

  it("is the requester's never, and counts once", () => {
    const { id, world } = escalated()
    expect(world.submit(decideAnswer(rules, id, "a", "approved", "")).answer).toMatchObject({ ok: false, denied: true, reason: "the approver must not be the requester" })
    expect(world.submit(decideAnswer(rules, id, "operator", "approved", "")).answer).toEqual({ ok: true })
    expect(world.submit(decideAnswer(rules, id, "operator", "approved", "")).answer).toMatchObject({ ok: false })
    expect(world.submit(decideAnswer(rules, id, "operator", "refused", "")).answer).toMatchObject({ ok: false })
    expect(lookup(world.state().warrants, id)).toMatchObject({ state: "started", attempt: 1, approvedBy: "operator" })
  })

  it("is bound to the digest that was shown", () => {
    const { digest, id, world } = escalated()
    expect(world.submit(decideAnswer(rules, id, "operator", "approved", "", "0".repeat(64)))).toMatchObject({ entries: [], answer: { ok: false } })
    expect(world.submit(decideAnswer(rules, id, "operator", "approved", "", digest)).answer).toEqual({ ok: true })
  })

  it("comes too late at the very moment of expiry", () => {
    const { id, world } = escalated()
    world.now += 1_000
    expect(world.submit(decideAnswer(rules, id, "operator", "approved", ""))).toMatchObject({ entries: [{ kind: "warrant.expired" }], answer: { ok: false, reason: "it has expired" } })
    expect(world.submit(decideAnswer(rules, id, "operator", "approved", "")).answer).toMatchObject({ ok: false })
  })

  it("starts nothing for a requester whose capability has ended, and refuses it for good", () => {
    const { id, token, world } = escalated()
    world.keep({ kind: "grants.ended", at: world.now, holder: "a", grants: [token], reason: "revoked" })
    const { answer, entries } = world.submit(decideAnswer(rules, id, "operator", "approved", ""))
    expect(answer).toMatchObject({ ok: false, denied: true })
    expect(entries).toMatchObject([{ kind: "warrant.answered", outcome: "refused" }])
    expect(HashMap.size(world.state().warrants)).toBe(0)
  })
})

describe("after a crash", () => {
  const broken = (name: string) => {
    const world = makeWorld()
    const [token] = tokens(world.dock([name]).answer.grants)
    const { id } = world.act(token!, name)
    world.boot()
    return { id, token: token!, world }
  }

  it("what may be repeated starts once more, once in this boot", () => {
    const { id, world } = broken("x")
    expect(world.submit(decideRestart(id, "perhaps")).entries).toMatchObject([{ kind: "warrant.started", attempt: 2, kernelEpoch: 2 }])
    expect(world.submit(decideRestart(id, "perhaps")).entries).toEqual([])
  })

  it("what may not be repeated does not start", () => {
    const { id, world } = broken("once")
    expect(world.submit(decideRestart(id, "no")).entries).toEqual([])
  })

  it("what has lost its capability does not start: it failed if it did not happen, and is unknown if nobody can tell", () => {
    for (const [name, happened, outcome] of [["asked", "no", "failed"], ["x", "perhaps", "unknown"]] as const) {
      const { id, token, world } = broken(name)
      world.keep({ kind: "grants.ended", at: world.now, holder: "a", grants: [token], reason: "revoked" })
      expect(world.submit(decideRestart(id, happened)).entries).toMatchObject([{ kind: "warrant.finished", outcome, reason: expect.stringContaining("its capability has ended since") }])
    }
  })

  it("what used up its grant may be finished under it", () => {
    const world = makeWorld()
    const [x] = tokens(world.dock(["x"]).answer.grants)
    world.keep({
      kind: "grant.issued", at: world.now,
      grant: { id: "once", parent: x!, holder: "a", resource: "x", access: "execute", caveats: { usesMax: 1 }, issuedAt: world.now, origin: "", scope: {} }
    })
    const { id } = world.act("once", "x")
    world.boot()
    expect(world.submit(decideRestart(id, "perhaps")).entries).toMatchObject([{ kind: "warrant.started", attempt: 2 }])
    expect(lookup(world.state().grants, "once")?.uses).toBe(1)
  })

  it("the outcome of an older attempt says nothing", () => {
    const { id, world } = broken("x")
    world.submit(decideRestart(id, "perhaps"))
    const finish = { outcome: "succeeded", reason: "", result: null, resultArtifact: null } as const
    expect(world.submit(decideFinish(id, 1, finish)).entries).toEqual([])
    expect(world.submit(decideFinish(id, 2, finish)).entries).toHaveLength(1)
    expect(world.submit(decideFinish(id, 2, finish)).entries).toEqual([])
  })

  it("an unknown one is reconciled by another than its requester, once", () => {
    const { id, world } = broken("once")
    world.submit(decideFinish(id, 1, { outcome: "unknown", reason: "crash", result: null, resultArtifact: null }))
    expect(world.submit(decideReconcile(id, "a", "succeeded", "")).answer).toMatchObject({ ok: false, denied: true })
    expect(world.submit(decideReconcile(id, "operator", "succeeded", "")).answer).toEqual({ ok: true })
    expect(world.submit(decideReconcile(id, "operator", "failed", "")).answer).toMatchObject({ ok: false })
  })
})

describe("a request", () => {
  it("is forgotten when its channel has settled it, and not before", () => {
    const world = makeWorld()
    world.dock(["x"])
    for (let at = 0; at < 5; at++) world.submit(decideCapability(rules, world.reference(), { resource: "x", access: "execute" }))
    expect(HashMap.size(world.state().requests)).toBe(5)
    world.submit(decideCapability(rules, world.reference("a", 3), { resource: "x", access: "execute" }))
    expect([...HashMap.keys(world.state().requests)].sort()).toEqual(["r4", "r5", "r6"])
  })

  it("whose words claim an identity is told which word", () => {
    expect(falseClaim({ from: "a", sender: "a", system_id: "a", other: "b" }, "a")).toBeUndefined()
    for (const field of ["from", "system_id", "sender"]) {
      for (const value of ["b", "", null, 1, ["a"], { a: 1 }]) expect(falseClaim({ [field]: value }, "a")).toContain(`${field} = ${JSON.stringify(value)}`)
    }
  })
})
