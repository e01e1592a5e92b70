// Refusals of decisions that need the world to have moved on meanwhile: an executor that is gone, a policy that changed, a budget or a bound that is
// reached, arguments that a human or a rule put in place.
import * as Effect from "effect/Effect"
import * as Deferred from "effect/Deferred"
import * as HashMap from "effect/HashMap"
import { describe, expect, it } from "vitest"
import { decideAction, finalOf } from "../../../kernel/authority/decide/action.ts"
import { decideAnswer } from "../../../kernel/authority/decide/answer.ts"
import { decideCompensate, type Done } from "../../../kernel/authority/decide/compensate.ts"
import { decideDelegateFor, decideIssue } from "../../../kernel/authority/decide/delegate.ts"
import type { Decision, Rules } from "../../../kernel/authority/decide/decision.ts"
import { decideKeyed } from "../../../kernel/authority/decide/edge.ts"
import { decideEdit } from "../../../kernel/authority/decide/edit.ts"
import { decideFreeze } from "../../../kernel/authority/decide/freeze.ts"
import { standingOf, standingRefusal } from "../../../kernel/authority/decide/standing.ts"
import { decideDock, decideStatus } from "../../../kernel/authority/decide/system.ts"
import { presentedIn } from "../../../kernel/authority/decide/token.ts"
import type { Entry, RequestReference } from "../../../kernel/authority/entry.ts"
import { heldBy, initial, lookup, type AuthorityState } from "../../../kernel/authority/state/state.ts"
import { step } from "../../../kernel/authority/state/step.ts"
import { canonical } from "../../../kernel/guard/canonical.ts"
import { makePolicy } from "../../../kernel/guard/policy.ts"
import { grantsMax, standingMax, standingMillisMax } from "../../../kernel/limits.ts"
import { sha256Hex } from "../../../kernel/power/digest.ts"
import { makeClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import type { Caveats, Decision as Said, Grant, Question } from "../../../protocol/authority.ts"
import type { Executor } from "../../../protocol/executor.ts"
import type { Standing } from "../../../protocol/approval.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../../kit/probe.ts"

type Says = (question: Question) => Said | undefined
const asks: Says = ({ kind }) => (kind === "action" ? { outcome: "escalate", reason: "look", to: "human" } : { outcome: "allow" })
const policyOf = (decide: Says, name = "rule") => makePolicy([{ name, description: name, decide }])

/** A system `a` with a grant for `x`, and everything outside the state as a test changes it. */
const makeWorld = (caveats: Caveats = {}, more: Partial<Executor> = {}) => {
  let state: AuthorityState = initial
  let cursor = 0
  let requests = 0
  const served = new Map<string, Executor>([["x", { name: "x", description: "", risk: "low", recovery: "none", perform: () => Effect.void, ...more }]])
  const world = {
    now: 1_000_000,
    policy: policyOf(asks),
    quorum: {} as NonNullable<Rules["quorum"]>,
    served,
    state: () => state,
    set: (next: AuthorityState) => void (state = next),
    rules: (): Rules => ({ policy: world.policy, digestOf: (value) => sha256Hex(canonical(value)), executor: (name) => served.get(name), approvalMillis: 60_000, quorum: world.quorum }),
    keep: (...entries: ReadonlyArray<Entry>) => {
      for (const entry of entries) state = step(state, { cursor: ++cursor, hash: `h${cursor}`, entry })
    },
    submit: <A>(decision: Decision<A>): A => {
      const { answer, entries } = decision(state, world.now)
      world.keep(...entries)
      return answer
    },
    dock: (system: string) => world.submit(decideDock(world.rules(), {
      system, manifest: "m".padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [], executors: [],
      remoteChannels: [], powers: [], module: undefined
    })),
    act: (request: object = {}, kept: ReadonlySet<string> = new Set(), taken?: Done): Warrant => {
      const id = `r${++requests}`
      const reference: RequestReference = { request: id, requestCursor: requests, channel: "aaax.action-gate", system: "a", floor: 0 }
      const asked = { action: "do", executor: "x", target: "t", payload: { n: 1 }, capability: world.token, risk_level: "low", ...request }
      const { answer, entries } = decideAction(world.rules(), reference, asked, kept, taken)(state, world.now)
      if (answer.replacement !== undefined) return world.act(request, new Set([answer.replacement.digest]), taken)
      world.keep(...entries)
      const decided = entries.find((entry) => entry.kind === "action.decided")
      if (decided?.kind !== "action.decided") throw new Error("no verdict")
      return decided.warrant
    },
    edit: (id: string, payload: unknown, digest?: string) => {
      const first = world.submit(decideEdit(world.rules(), id, "ann", payload, "", digest))
      return first.ok && first.replacement !== undefined ? world.submit(decideEdit(world.rules(), id, "ann", payload, "", digest, new Set([first.replacement.digest]))) : first
    },
    approve: (id: string, more: { readonly by?: string; readonly terms?: { readonly millis: number }; readonly toAsk?: { readonly payload: unknown } } = {}) =>
      world.submit(decideAnswer(world.rules(), id, more.by ?? "ann", "approved", "", undefined, more.terms, more.toAsk)),
    token: ""
  }
  world.keep({ kind: "kernel.booted", at: world.now, boot: 1, kernel: "k", version: "0" })
  world.dock("a")
  world.token = (world.submit(decideIssue("operator", { to: "a", resource: "x", access: "execute", caveats, ttl: 3_600 })) as Grant).id
  return world
}

const no = (reason: RegExp | string, denied = false) => ({ ok: false, denied, reason: typeof reason === "string" ? reason : expect.stringMatching(reason) as unknown })
const yes = { ok: true }
/** Its cost is its payload's `n`, or cannot be told. */
const priced: Partial<Executor> = {
  cost: ({ payload }) => {
    const { n } = payload as { readonly n: number }
    if (n === 13) throw new Error("unlucky")
    return { tokens: n }
  }
}

describe("arguments that a human puts in place", () => {
  it("are for what is served, and for nothing that takes another action back", () => {
    const world = makeWorld({}, { gated: true, compensate: () => Effect.void })
    const { id } = world.act()
    const x = world.served.get("x")!
    world.served.clear()
    expect(world.edit(id, { n: 2 })).toEqual(no("nobody serves x now"))
    world.served.set("x", x)
    const done: Done = { warrant: { ...lookup(world.state().warrants, id)!, state: "succeeded" }, result: null, resultArtifact: null, undo: undefined, compensations: [] }
    const back = world.act({ compensates: id, payload: undefined }, undefined, done)
    expect(back).toMatchObject({ state: "escalated", compensates: id })
    expect(world.edit(back.id, { n: 2 })).toEqual(no("what takes another action back has no arguments of its own"))
    expect(world.edit(id, { n: 2 })).toEqual(yes)
  })

  it("are covered by the requester's grant, also when a rule replaces them again", () => {
    const world = makeWorld({ arguments: [{ pointer: "/n", op: "le", value: 5 }] })
    const { id } = world.act()
    expect(world.edit(id, { n: 6 })).toEqual(no(/capability does not cover these arguments/u, true))
    world.policy = policyOf((question) => asks(question)?.outcome === "escalate" ? { outcome: "escalate", reason: "look", to: "human", payload: { n: 9 } } : { outcome: "allow" })
    expect(world.edit(id, { n: 2 })).toEqual(no(/what a rule puts in its place is not covered/u, true))
    world.policy = policyOf(asks)
    expect(world.edit(id, { n: 5 })).toEqual(yes)
    expect(lookup(world.state().warrants, id)).toMatchObject({ digest: expect.not.stringMatching(/^$/u) as unknown, state: "escalated" })
  })

  it("have a cost that can be told, also when a rule replaces them again", () => {
    const world = makeWorld({}, priced)
    const { id } = world.act()
    expect(world.edit(id, { n: 13 })).toEqual(no(/x cannot say what this call costs: unlucky/u, true))
    world.policy = policyOf(() => ({ outcome: "escalate", reason: "look", to: "human", payload: { n: 13 } }))
    expect(world.edit(id, { n: 2 })).toEqual(no(/x cannot say what this call costs: unlucky/u, true))
    world.policy = policyOf(() => ({ outcome: "escalate", reason: "look", to: "human", payload: { n: 3 } }))
    expect(world.edit(id, { n: 13 })).toEqual(no(/x cannot say what this call costs: unlucky/u, true))
  })

  it("are others than those that wait", () => {
    const world = makeWorld()
    const { digest, id } = world.act()
    expect(world.edit(id, { n: 1 })).toEqual(no("these are the arguments that wait already"))
    expect(world.edit(id, { n: 2 }, "0".repeat(64))).toEqual(no(/digest is not that/u))
    expect(world.edit(id, { n: 2 }, digest)).toEqual(yes)
  })
})

describe("what a rule puts in place", () => {
  it("has a cost that can be told and that the budget covers", () => {
    const world = makeWorld({ budget: { tokens: 10 } }, priced)
    const replaced = (n: number) => {
      world.policy = policyOf(() => ({ outcome: "allow", payload: { n } }))
      return world.act()
    }
    expect(replaced(13)).toMatchObject({ state: "denied", rule: "budget", reason: expect.stringContaining("unlucky") })
    expect(replaced(11)).toMatchObject({ state: "denied", rule: "budget", reason: expect.stringContaining("limit 10") })
    expect(replaced(10)).toMatchObject({ state: "started" })
  })

  it("is nothing for an action that takes another one back", () => {
    const world = makeWorld({}, { compensate: () => Effect.void })
    const done: Done = { warrant: { ...world.act(), state: "succeeded" }, result: null, resultArtifact: null, undo: undefined, compensations: [] }
    const back = () => world.act({ compensates: done.warrant.id, payload: undefined }, undefined, done)
    world.policy = policyOf(() => ({ outcome: "allow", payload: { n: 2 } }))
    expect(back()).toMatchObject({ state: "denied", reason: expect.stringContaining("no payload that a rule could replace") })
    for (const more of [{ executor: "y" }, { target: "u" }, { payload: { n: 1 } }]) {
      world.served.set("y", { ...world.served.get("x")!, name: "y" })
      const token = world.submit(decideIssue("operator", { to: "a", resource: "executor" in more ? "y" : "x", access: "execute", ttl: 60 })) as Grant
      expect(world.act({ compensates: done.warrant.id, payload: undefined, capability: token.id, ...more }, undefined, done)).toMatchObject({
        state: "denied", reason: expect.stringContaining("is taken back with its own executor and target")
      })
    }
    world.policy = policyOf(() => ({ outcome: "allow" }))
    expect(back()).toMatchObject({ state: "started" })
  })
})

describe("the arguments that an action was decided on", () => {
  it("are handed on as they are only when nobody can change them any more", () => {
    const final = (payload: unknown) => {
      const world = makeWorld()
      world.policy = policyOf(() => ({ outcome: "allow" }))
      const reference: RequestReference = { request: "r1", requestCursor: 1, channel: "aaax.action-gate", system: "a", floor: 0 }
      const { entries } = decideAction(world.rules(), reference, { action: "do", executor: "x", target: "t", payload: payload as never, capability: world.token, risk_level: "low" })(world.state(), world.now)
      expect(entries).toMatchObject([{ warrant: { state: "started" } }])
      return finalOf(entries[0]!)
    }
    const fixed = Object.freeze({ n: 1, list: Object.freeze([Object.freeze({ m: 2 }), null, "x"]) })
    expect(final(fixed)?.payload).toBe(fixed)
    for (const loose of [{ n: 1 }, Object.freeze({ inner: { n: 1 } }), Object.freeze({ list: Object.freeze([{ n: 1 }]) }), Object.freeze({ list: [1] })]) expect(final(loose), JSON.stringify(loose)).toBeUndefined()
  })
})

describe("an approval", () => {
  it("starts nothing that nobody serves any more", () => {
    const world = makeWorld()
    const { id } = world.act()
    world.served.clear()
    expect(world.approve(id)).toEqual(no("nobody serves x now"))
    expect(lookup(world.state().warrants, id)).toMatchObject({ state: "escalated" })
  })

  it("is asked for again when another policy is in force, and is worth nothing when that denies", () => {
    const world = makeWorld()
    const [one, two] = [world.act().id, world.act().id]
    world.policy = policyOf(() => ({ outcome: "deny", reason: "never" }), "other")
    expect(world.approve(one)).toEqual(no("the policy has changed meanwhile; answer again"))
    expect(world.approve(one, { toAsk: { payload: { n: 1 } } })).toEqual(no(/policy in force now denies it: other: never/u, true))
    world.policy = policyOf(asks, "third")
    expect(world.approve(two, { toAsk: { payload: { n: 1 } } })).toEqual(yes)
  })

  it("comes from nobody who is above or below the requester by name", () => {
    const world = makeWorld()
    const { id } = world.act()
    expect(world.approve(id, { by: "a/b" })).toEqual(no(/above or below/u, true))
    world.keep({ ...entryOf(world, id), warrant: { ...lookup(world.state().warrants, id)!, id: "deep", system: "a/b/c" } } as Entry)
    expect(world.approve("deep", { by: "a/b" })).toEqual(no(/above or below/u, true))
    expect(world.approve("deep", { by: "a/bb" })).toMatchObject({ ok: false, reason: expect.not.stringContaining("above or below") as unknown })
  })
})

const entryOf = (world: ReturnType<typeof makeWorld>, id: string) => ({
  kind: "action.decided" as const, at: world.now, request: id, requestCursor: 1, channel: "aaax.action-gate", system: "a", floor: 0, escalatedTo: "human"
})

describe("a standing approval", () => {
  it("lasts at most so long, and there are at most so many that are in force", () => {
    const world = makeWorld()
    const warrant = world.act()
    expect(standingOf(warrant, { millis: standingMillisMax + 1 }, "ann", world.now)).toMatch(/lasts at most 24 hours/u)
    expect(standingOf(warrant, { millis: 1, target: "u/**" }, "ann", world.now)).toMatch(/does not match the target/u)
    const one = standingOf(warrant, { millis: standingMillisMax }, "ann", world.now) as Standing
    expect(one).toMatchObject({ expiresAt: world.now + standingMillisMax })
    const many = (count: number) => ({ ...world.state(), standing: HashMap.fromIterable(Array.from({ length: count }, (_, at) => [`s${at}`, { ...one, id: `s${at}` }] as const)) })
    expect(standingRefusal(world.rules(), many(standingMax - 1), warrant, world.now)).toBeUndefined()
    expect(standingRefusal(world.rules(), many(standingMax), warrant, world.now)).toMatch(/1000 standing approvals are in force/u)
    expect(standingRefusal(world.rules(), many(standingMax), warrant, world.now + standingMillisMax)).toBeUndefined()
    world.set(many(standingMax))
    expect(world.approve(warrant.id, { terms: { millis: 1_000 } })).toEqual(no(/are in force/u, true))
  })

  it("is for nothing that takes several approvers, always waits for a human, or takes another action back", () => {
    const world = makeWorld()
    const warrant = world.act()
    expect(standingRefusal(world.rules(), world.state(), { ...warrant, compensates: "w" }, world.now)).toMatch(/waits for a human each time/u)
    world.quorum = { low: 2 }
    expect(standingRefusal(world.rules(), world.state(), warrant, world.now)).toMatch(/2 approvers each time/u)
    world.quorum = {}
    world.served.set("x", { ...world.served.get("x")!, gated: true })
    expect(standingRefusal(world.rules(), world.state(), warrant, world.now)).toMatch(/waits for a human each time/u)
  })
})

describe("what was done", () => {
  it("is not taken back by a kernel that is frozen, by nobody, or twice at once", () => {
    const world = makeWorld({}, { compensate: () => Effect.void })
    world.policy = policyOf(() => ({ outcome: "allow" }))
    const done: Done = { warrant: { ...world.act(), state: "succeeded" }, result: null, resultArtifact: null, undo: undefined, compensations: [] }
    const back = (id: string, given: Done | undefined = done) => world.submit(decideCompensate(world.rules(), given, id, "operator", ""))
    expect(back("b0", { ...done, warrant: { ...done.warrant, state: "failed" } })).toEqual(no(/only what succeeded can be taken back; it is failed/u))
    expect(back("b0", { ...done, warrant: { ...done.warrant, compensates: "w" } })).toEqual(no(/took back another one itself/u))
    expect(back("b0", { ...done, compensations: [{ warrant: "b", outcome: "succeeded" }] })).toEqual(no("it was taken back before"))
    expect(world.submit(decideCompensate(world.rules(), undefined, "b0", "operator", ""))).toEqual(no("there is no such warrant"))
    const x = world.served.get("x")!
    world.served.clear()
    expect(back("b0")).toEqual(no("nobody serves x now"))
    world.served.set("x", x)
    expect(back("b1")).toEqual(yes)
    expect(back("b2")).toEqual(no("b1 is taking it back"))
    world.submit(decideFreeze("operator", "incident"))
    expect(back("b3")).toEqual(no(/frozen/u))
  })
})

describe("a grant", () => {
  it("that has ended by time is not passed on, though nobody has taken it away yet", () => {
    const world = makeWorld()
    world.dock("b")
    const { id } = world.submit(decideIssue("operator", { to: "a", resource: "x", access: "execute", ttl: 60 })) as Grant
    const give = () => world.submit(decideDelegateFor("operator", { token: id, to: "b" }))
    expect(give()).toMatchObject({ parent: id })
    world.now += 60_000
    expect(give()).toMatchObject({ isUnknown: true })
  })

  it("is minted for a system up to as many as it may have, and for none that is revoked", () => {
    const world = makeWorld()
    const issue = () => world.submit(decideIssue("operator", { to: "a", resource: "x", access: "execute" }))
    const { held } = world.state()
    const holding = (grants: number) => world.set({ ...world.state(), held: HashMap.set(held, "a", { ...heldBy(world.state(), "a"), grants }) })
    holding(grantsMax)
    expect(issue()).toMatchObject({ reason: expect.stringContaining(`a has ${grantsMax} grants`) })
    holding(grantsMax - 1)
    expect(issue()).toMatchObject({ holder: "a" })
    world.set({ ...world.state(), held })
    world.submit(decideStatus("a", "revoked", "test"))
    expect(issue()).toMatchObject({ reason: "a is revoked" })
  })

  it("is not met through a token beyond what its giver may give, or when it came by a token itself", () => {
    const world = makeWorld()
    const audience = "aaax:k:1"
    const held = lookup(world.state().grants, world.token)!.grant
    const named = { subject: "a", jkt: "key", epoch: 1 }
    const chain = {
      root: { ...named, kid: "kid", audience, grant: world.token, issuedAt: held.issuedAt, expiresAt: undefined },
      links: [{ ...named, id: "link:1", digest: "d", caveats: {} }], leaf: named
    }
    const presented = () => presentedIn(world.state(), chain, "a", world.now)
    expect(presented()).toEqual({ refused: "it is for another kernel" })
    // A kernel without a name of its own at the edge is nobody's, not anybody's.
    expect(presentedIn(world.state(), { ...chain, root: { ...chain.root, audience: null as never } }, "a", world.now)).toEqual({ refused: "it is for another kernel" })
    world.submit(decideKeyed(audience, 1, { kid: "kid", x: "x" }))
    world.set({ ...world.state(), edge: { ...world.state().edge, enrolled: HashMap.make(["a", { system: "a", kid: "key", x: "x", epoch: 1 } as never]) } })
    expect(presented()).toMatchObject({ grant: "link:1", missing: [{ id: "link:1", offline: world.token }] })
    const before = world.state()
    world.set({ ...before, held: HashMap.set(before.held, "a", { ...heldBy(before, "a"), grants: grantsMax }) })
    expect(presented()).toEqual({ refused: `a has given ${grantsMax} grants, the most that one system may` })
    world.set({ ...before, grants: HashMap.set(before.grants, world.token, { ...lookup(before.grants, world.token)!, grant: { ...held, offline: "g0" } }) })
    expect(presented()).toEqual({ refused: "its grant has ended" })
  })
})

describe("a budget", () => {
  effect("is of systems by a glob that is none too long, and says what it limits", () =>
    Effect.gen(function*() {
      const { budgets } = yield* makeKernel()
      for (const name of ["", "system:", "x".repeat(1_001)]) {
        expect([name.length, yield* Effect.flip(budgets.set(name, { limits: { tokens: 1 } }, "operator"))]).toMatchObject([name.length, { _tag: "InvalidPayload", path: "system" }])
      }
      yield* budgets.set("x", { limits: { tokens: 1 } }, "operator")
      expect(yield* Effect.flip(budgets.set("y", { limits: {} }, "operator"))).toMatchObject({ _tag: "InvalidPayload", path: "limits" })
      expect(yield* budgets.show("x")).toMatchObject({ limits: { tokens: 1 } })
    }))
})

describe("a call that is under way", () => {
  effect("is told that its grant was revoked, when it asks before it changes anything", () =>
    Effect.gen(function*() {
      const gate = Deferred.makeUnsafe<void>()
      const begun = Deferred.makeUnsafe<void>()
      const told = Deferred.makeUnsafe<unknown>()
      const stubborn: Executor = {
        name: "x", description: "", risk: "low", recovery: "none",
        perform: (_, powers) => Effect.uninterruptible(Effect.gen(function*() {
          Deferred.doneUnsafe(begun, Effect.void)
          yield* Deferred.await(gate)
          const asked = yield* Effect.result(powers!.stillHolds)
          Deferred.doneUnsafe(told, Effect.succeed(asked))
        }))
      }
      const kernel = yield* makeKernel({ executors: [stubborn] })
      const port = yield* probe(kernel, "a", { executors: ["x"] })
      const capability = yield* tokenFor(port, "x")
      yield* requestAction(port, { action: "do", executor: "x", target: "t", capability, risk_level: "low" })
      yield* Deferred.await(begun)
      yield* kernel.grants.revoke(capability)
      Deferred.doneUnsafe(gate, Effect.void)
      expect(yield* Deferred.await(told)).toMatchObject({ failure: { reason: "its capability was revoked before it began" } })
    }))

  effect("when its kernel ends is unknown afterwards, when its executor cannot say what became of it", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      const begun = Deferred.makeUnsafe<void>()
      const executor = (more: Partial<Executor>): Executor => ({
        name: "x", description: "", risk: "low", recovery: "queryable",
        perform: () => Effect.suspend(() => {
          Deferred.doneUnsafe(begun, Effect.void)
          return Effect.never
        }),
        ...more
      })
      let id = ""
      yield* Effect.scoped(Effect.gen(function*() {
        const kernel = yield* makeKernel({ store, time, executors: [executor({ status: () => Effect.succeed(undefined) })] })
        const port = yield* probe(kernel, "a", { executors: ["x"] })
        id = yield* requestAction(port, { action: "do", executor: "x", target: "t", capability: yield* tokenFor(port, "x"), risk_level: "low" })
        yield* Deferred.await(begun)
      }))
      const kernel = yield* makeKernel({ store, time, executors: [executor({ status: () => Effect.fail({ reason: "the disk is gone" }) })] })
      const port = yield* probe(kernel, "a", { executors: ["x"] })
      expect(yield* awaitReply(port, id, "action_unknown").pipe(Effect.timeoutOption("5 seconds"))).toMatchObject({ _tag: "Some" })
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "unknown", reason: "the kernel ended while it was under way" })
    }))
})
