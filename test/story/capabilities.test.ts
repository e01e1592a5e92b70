// Capabilities as a whole: passed on over a request channel, used by another system, taken back with everything below.
import { defineModule, Refused, type Capability } from "aaax"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { makeClock } from "../../kernel/clock.ts"
import * as Granted from "../../kernel/policy/granted.ts"
import * as Memory from "../../kernel/store/memory.ts"
import { makeKernel, testTime } from "../../kernel/testing.ts"
import type { Caveats, Rule } from "../../protocol/authority.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { counted, held } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, requestAction, requestCapability, tokenFor } from "../kit/probe.ts"
import { worlds } from "../kit/worlds.ts"

const act = (token: string, target = "src/a", more: object = {}) =>
  ({ action: "write", executor: "count", target, payload: {}, capability: token, risk_level: "low", ...more })
const tokenIn = (reply: { readonly payload: unknown }): string => String((reply.payload as { readonly token?: unknown }).token)

describe.each(worlds)("a capability %s", (_, makeWorld) => {
  effect("is passed on narrower, used by its new holder alone, and falls with the one it was made of", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeWorld({ executors: [executor] })
      const a = yield* probe(kernel, "a", { executors: ["count"] })
      const b = yield* probe(kernel, "b")
      const root = yield* tokenFor(a, "count")
      const given = yield* requestCapability(a, { delegate: { token: root, to: "b", caveats: { targets: ["src/**"], usesMax: 2 } } })
      expect(given).toMatchObject({ kind: "capability_grant", payload: { resource: "count", access: "execute", holder: "b" } })
      const child = tokenIn(given)
      // Who was given it is told by the kernel itself.
      const told = (yield* b.read(wellKnown.kernelReplies)).events.find(({ kind }) => kind === "capability_delegated")
      expect(told?.payload).toMatchObject({ token: child, from: "a", resource: "count", access: "execute" })
      expect(yield* awaitReply(b, yield* requestAction(b, act(child)))).toMatchObject({ kind: "action_completed" })
      expect(yield* awaitReply(b, yield* requestAction(b, act(child, "etc/passwd")))).toMatchObject({
        kind: "action_denied",
        payload: { refusal: { code: "caveat", caveat: "targets", link: child, allowed: "targets src/**" } }
      })
      expect((yield* awaitReply(a, yield* requestAction(a, act(child)))).payload).toMatchObject({ reason: "Invalid or expired capability token" })
      expect(yield* awaitReply(b, yield* requestAction(b, act(child)))).toMatchObject({ kind: "action_completed" })
      expect((yield* awaitReply(b, yield* requestAction(b, act(child)))).payload).toMatchObject({ refusal: { caveat: "usesMax" } })
      expect(yield* requestCapability(a, { revoke: child })).toMatchObject({ kind: "capability_revoked", payload: { token: child, ended: 1, interrupted: 0 } })
      expect((yield* awaitReply(b, yield* requestAction(b, act(child)))).payload).toMatchObject({ reason: "Invalid or expired capability token" })
      expect(calls).toHaveLength(2)
    }))

  effect("that is revoked at its root interrupts what is under way below, and the journal says what had happened", () =>
    Effect.gen(function*() {
      const open = held("count")
      const kernel = yield* makeWorld({ executors: [open.executor] })
      const a = yield* probe(kernel, "a", { executors: ["count"] })
      const b = yield* probe(kernel, "b")
      const c = yield* probe(kernel, "c")
      const root = yield* tokenFor(a, "count")
      const middle = tokenIn(yield* requestCapability(a, { delegate: { token: root, to: "b" } }))
      const leaf = tokenIn(yield* requestCapability(b, { delegate: { token: middle, to: "c" } }))
      const other = tokenIn(yield* requestCapability(a, { delegate: { token: root, to: "c" } }))
      const id = yield* requestAction(c, act(leaf))
      yield* open.begun
      expect((yield* kernel.grants.show(leaf)).chain.map((link) => [link.id, link.uses])).toEqual([[middle, 1], [root, 1]])
      const beside = yield* requestAction(c, act(other))
      yield* awaitReply(c, beside, "action_approved")
      expect(yield* kernel.grants.revoke(middle)).toBe(2)
      // Nobody knows what became of it: it has no recovery.
      expect(yield* awaitReply(c, id)).toMatchObject({ kind: "action_unknown", payload: { reason: "its capability was revoked while it was under way" } })
      const entries = yield* kernel.audit(0, 1_000)
      expect(entries.find(({ kind }) => kind === "grants.ended")?.payload).toMatchObject({ grants: [middle], ended: 2, uses: 1, underWay: [id], reason: "revoked" })
      expect(entries.find(({ kind, payload }) => kind === "action.decided" && (payload as { request?: string }).request === id)?.payload).toMatchObject({ warrant: { grant: leaf, chain: [middle, root] } })
      open.release()
      expect(yield* awaitReply(c, beside)).toMatchObject({ kind: "action_completed" })
    }))

  effect("is refused in the words that say how it is done when a delegation is not well said, and nothing is left out", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeWorld({ executors: [executor] })
      const a = yield* probe(kernel, "a", { executors: ["count"] })
      yield* probe(kernel, "b")
      const token = yield* tokenFor(a, "count")
      const reason = (payload: Readonly<Record<string, unknown>>) => Effect.map(requestCapability(a, payload), (reply) => [reply.kind, String((reply.payload as { reason?: unknown }).reason)])
      // A limit in the wrong place would be no limit.
      expect(yield* reason({ delegate: { token, to: "b", usesMax: 1 } })).toEqual(["capability_deny", expect.stringMatching(/^Malformed request: .*usesMax/u)])
      expect(yield* reason({ delegate: { token, to: "b", caveats: { uses: 1 } } })).toEqual(["capability_deny", expect.stringMatching(/uses.*caveats are/u)])
      expect(yield* reason({ delegate: { token, to: "b" }, system_id: "b" })).toEqual(["capability_deny", expect.stringMatching(/the sender is a/u)])
      expect(yield* reason({ revoke: 7 })).toEqual(["capability_deny", expect.stringMatching(/^Malformed request/u)])
      expect(yield* reason({ resource: "count", access: "execute", caveats: { colour: "red" } })).toEqual(["capability_deny", expect.stringMatching(/colour/u)])
      expect(kernel.grants.list()).toHaveLength(1)
      // What is asked for narrower is not what docking handed out.
      const narrow = yield* requestCapability(a, { resource: "count", access: "execute", caveats: { usesMax: 1 }, scope: { ttl: 60 } })
      expect(tokenIn(narrow)).not.toBe(token)
      expect(yield* kernel.grants.show(tokenIn(narrow))).toMatchObject({ caveats: { usesMax: 1 }, usesLeft: 1 })
    }))

  effect("holds for what a rule puts in place of the arguments too", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const rewrite: Rule = {
        name: "rewrite", description: "puts another path in place",
        decide: ({ kind }) => ({ outcome: "allow", ...(kind === "action" ? { payload: { path: "etc/passwd" } } : {}) })
      }
      const policy = [rewrite]
      const kernel = yield* makeWorld({ executors: [executor], policy })
      const a = yield* probe(kernel, "a", { executors: ["count"] })
      const token = tokenIn(yield* requestCapability(a, { resource: "count", access: "execute", caveats: { arguments: [{ pointer: "/path", op: "glob", value: "src/**" }] } }))
      const denied = yield* awaitReply(a, yield* requestAction(a, act(token, "t", { payload: { path: "src/a" } })))
      expect(denied).toMatchObject({ kind: "action_denied", payload: { refusal: { caveat: "arguments", allowed: "/path glob \"src/**\"" } } })
      expect(calls).toHaveLength(0)
    }))
})

describe("a restart", () => {
  effect("brings back nothing that an operator took away, although config declares it", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      const { executor } = counted("count")
      const boot = Effect.fnUntraced(function*() {
        const scope = yield* Scope.make()
        const kernel = yield* Scope.provide(makeKernel({ executors: [executor], store, time }), scope)
        return { kernel, a: yield* probe(kernel, "a", { executors: ["count"] }), crash: Scope.close(scope, Exit.void) }
      })
      const first = yield* boot()
      yield* first.kernel.grants.revoke(yield* tokenFor(first.a, "count"))
      yield* first.crash
      const { a, crash, kernel } = yield* boot()
      expect(kernel.grants.list({ holder: "a" })).toEqual([])
      expect(yield* requestCapability(a, { resource: "count", access: "execute" })).toMatchObject({ kind: "capability_deny" })
      yield* crash
    }))

  effect("keeps what was passed on with what was used of it, and ends facets", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      const { executor } = counted("count")
      const boot = Effect.fnUntraced(function*() {
        const scope = yield* Scope.make()
        const kernel = yield* Scope.provide(makeKernel({ executors: [executor], store, time }), scope)
        const a = yield* probe(kernel, "a", { executors: ["count"] })
        return { kernel, a, b: yield* probe(kernel, "b"), crash: Scope.close(scope, Exit.void) }
      })
      const first = yield* boot()
      const root = yield* tokenFor(first.a, "count")
      const child = tokenIn(yield* requestCapability(first.a, { delegate: { token: root, to: "b", caveats: { usesMax: 2, rate: { count: 1, perMillis: 60_000 } } } }))
      const facet = tokenIn(yield* requestCapability(first.a, { delegate: { token: root, to: "b", facet: true } }))
      expect(yield* awaitReply(first.b, yield* requestAction(first.b, act(child)))).toMatchObject({ kind: "action_completed" })
      expect(yield* awaitReply(first.b, yield* requestAction(first.b, act(facet)))).toMatchObject({ kind: "action_completed" })
      yield* first.crash
      const second = yield* boot()
      expect(yield* second.kernel.grants.show(child)).toMatchObject({ uses: 1, usesLeft: 1, giver: "a", chain: [{ id: root, uses: 2 }] })
      expect((yield* awaitReply(second.b, yield* requestAction(second.b, act(child)))).payload).toMatchObject({ refusal: { caveat: "rate" } })
      expect((yield* awaitReply(second.b, yield* requestAction(second.b, act(facet)))).payload).toMatchObject({ reason: "Invalid or expired capability token" })
      time.advance(60_000)
      expect(yield* awaitReply(second.b, yield* requestAction(second.b, act(child)))).toMatchObject({ kind: "action_completed" })
      yield* second.crash
    }))
})

describe("modules", () => {
  effect("pass a capability on as data, act with it, and are told by type what it does not cover", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor], channels: [{ name: "desk" }] })
      const outcomes: Array<unknown> = []
      let done: () => void = () => undefined
      const finished = new Promise<void>((resolve) => (done = resolve))
      const attempt = (what: Promise<unknown>): Promise<unknown> => what.catch((error: unknown) => error)
      const helper = defineModule({
        id: "helper", reads: { desk: "desk" }, executors: ["count"],
        run: ({ act: actWith, hold, reads }) => reads.desk.each(async ({ payload }) => {
          const given = payload as Capability
          const use = (target: string): Promise<unknown> => attempt(actWith("count", { target, capability: given }))
          outcomes.push(await use("src/a"), await use("etc/b"), await attempt(hold(given).delegate("owner")))
          done()
        })
      })
      const owner = defineModule({
        id: "owner", writes: { desk: "desk" }, executors: ["count"],
        run: async ({ request, writes }) => {
          const own = await request("count", "execute")
          await writes.desk.append(await own.facet("helper", { caveats: { targets: ["src/**"] }, ttl: 60 }))
        }
      })
      yield* kernel.dock(helper)
      yield* kernel.dock(owner)
      yield* Effect.promise(() => finished)
      expect(outcomes[0]).toEqual({ count: 1, echoed: null })
      expect(outcomes[1]).toBeInstanceOf(Refused)
      expect(outcomes[1]).toMatchObject({ kind: "denied", caveat: "targets", allowed: "targets src/**" })
      expect(outcomes[2]).toMatchObject({ _tag: "Refused", reason: expect.stringMatching(/it is a facet/u) })
      expect(calls).toHaveLength(1)
      expect(kernel.grants.list({ holder: "helper" }).filter(({ facet }) => facet === true)).toMatchObject([{ giver: "owner", uses: 1 }])
    }))
})

describe.each(worlds)("a capability that the operator took back %s", (_, makeWorld) => {
  effect("is not given anew to its holder for asking; one that the operator issues is", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeWorld({ executors: [executor] })
      const a = yield* probe(kernel, "a", { executors: ["count"] })
      const root = yield* tokenFor(a, "count")
      const asked = requestCapability(a, { resource: "count", access: "execute" })
      // Whoever gives up its own may ask again.
      yield* requestCapability(a, { revoke: root })
      const again = tokenIn(yield* asked)
      yield* kernel.grants.revoke(again)
      expect(yield* asked).toMatchObject({ kind: "capability_deny", payload: { reason: expect.stringContaining("an operator took count back") } })
      expect(kernel.grants.list({ holder: "a" })).toEqual([])
      const issued = yield* kernel.grants.issue("operator", { to: "a", resource: "count", access: "execute", caveats: { usesMax: 1 } })
      expect(yield* asked).toMatchObject({ kind: "capability_grant", payload: { token: issued.id } })
    }))
})

describe.each(worlds)("a capability that an operator issued %s", (_, makeWorld) => {
  effect("is what its holder gets for asking, where policy gives none, as long as it can be used", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeWorld({ executors: [executor], policy: [Granted.rule] })
      const a = yield* probe(kernel, "a", {})
      const ask = requestCapability(a, { resource: "count", access: "execute" })
      expect(yield* ask).toMatchObject({ kind: "capability_deny" })
      const issue = (caveats: Caveats) => kernel.grants.issue("operator", { to: "a", resource: "count", access: "execute", caveats })
      const issued = yield* issue({ usesMax: 1, targets: ["x/*"] })
      expect(yield* ask).toMatchObject({ kind: "capability_grant", payload: { token: issued.id } })
      // It is no leave to have something narrower made: that is delegating.
      expect(yield* requestCapability(a, { resource: "count", access: "execute", caveats: { riskMax: "low" } })).toMatchObject({ kind: "capability_deny" })
      expect(yield* awaitReply(a, yield* requestAction(a, act(issued.id, "x/1")))).toMatchObject({ kind: "action_completed" })
      expect(yield* ask).toMatchObject({ kind: "capability_deny" })
      yield* issue({ notBefore: Number.MAX_SAFE_INTEGER })
      expect(yield* ask).toMatchObject({ kind: "capability_deny" })
    }))
})
