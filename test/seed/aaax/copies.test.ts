// Section 10 of the ancestor's promises: who mutates what was handed over changes nothing inside, at any depth, and what
// the kernel hands out cannot be used to change its state.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { emptyManifest } from "../../../protocol/manifest.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { policyFromConfig } from "../../../kernel/guard/policy.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import * as Result from "effect/Result"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, requestAction, requestCapability, tokenFor } from "../../kit/probe.ts"

/** The test's way around `readonly`. */
const loose = (value: unknown): any => value

describe("what a system hands over", () => {
  effect("a payload that is changed at once, while the append waits, and later, stays as it was", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ hostile: { seed: 3, latencyMillisMax: 3 } })
      const a = yield* probe(kernel, "a", { provides: [{ name: "mine" }] })
      const payload = { deep: { list: [1, { x: "before" }] } }
      const draft = { kind: "note", payload, metadata: { m: { n: 1 } }, labels: ["one"] }
      const appending = yield* Effect.forkChild(a.append("mine", [draft]), { startImmediately: true })
      loose(payload).deep.list[1].x = "after"
      loose(draft).kind = "other"
      draft.metadata.m.n = 2
      draft.labels.push("two")
      yield* Fiber.join(appending)
      loose(payload).deep = null
      expect((yield* a.read("mine")).events).toMatchObject([
        { kind: "note", payload: { deep: { list: [1, { x: "before" }] } }, metadata: { m: { n: 1 } }, labels: ["one"] }
      ])
    }))

  effect("an action's payload that is changed after the request is executed as it was requested", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ executors: [executor], launch: false })
      const a = yield* probe(kernel, "a", { executors: ["x"] })
      const [asked] = yield* a.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "execute" } }])
      yield* kernel.step
      const { token } = (yield* awaitReply(a, asked!.id)).payload as { token: string }
      const request = { action: "do", executor: "x", target: "here", payload: { file: { name: "a.txt" } }, capability: token, risk_level: "low" }
      yield* requestAction(a, request)
      request.target = "elsewhere"
      request.payload.file.name = "b.txt"
      yield* kernel.step
      expect(calls).toMatchObject([{ target: "here", payload: { file: { name: "a.txt" } } }])
    }))

  effect("a scope and a context that are changed after the request change no grant", () =>
    Effect.gen(function*() {
      const contexts: Array<unknown> = []
      const kernel = yield* makeKernel({
        launch: false,
        policy: { name: "curious", description: "keeps contexts", decide: (question: { kind: string; context?: unknown }) => {
          contexts.push(question.context)
          return { outcome: "allow" }
        } }
      })
      const a = yield* probe(kernel, "a")
      const payload = { resource: "r", access: "read", scope: { ttl: 60, issued_by: { who: "me" } }, context: { why: { deep: 1 } } }
      const [asked] = yield* a.append(wellKnown.capabilityRequest, [{ payload }])
      payload.scope.ttl = 1_000_000
      payload.scope.issued_by.who = "you"
      payload.context.why.deep = 2
      yield* kernel.step
      expect(((yield* awaitReply(a, asked!.id)).payload as { expires: number }).expires).toBe(kernel.time.wall() / 1000 + 60)
      expect(contexts).toEqual([{ why: { deep: 1 } }])
      const decided = (yield* kernel.audit(0, 1000)).find(({ kind }) => kind === "capability.decided")
      expect(decided?.payload).toMatchObject({ grant: { scope: { issued_by: { who: "me" } } } })
    }))

  effect("a manifest that is changed after docking wires nothing, grants nothing, and opens no snapshot", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      yield* probe(kernel, "victim", { provides: [{ name: "secret" }], snapshots: ["victims"] })
      const manifest = {
        ...emptyManifest("a"), provides: [{ name: "mine", form: "queue" as const, attemptsMax: 3, retention: { count: 10 }, metadata: { m: { n: 1 } } }],
        snapshots: ["own"], reads: [] as Array<string>, writes: [] as Array<string>
      }
      const { port } = yield* kernel.dock({ manifest, run: () => Effect.never })
      manifest.snapshots.push("victims", "aaax.authority")
      manifest.reads.push("secret")
      manifest.writes.push("secret", "aaax.journal")
      loose(manifest).privileged = true
      loose(manifest).id = "victim"
      manifest.provides[0]!.attemptsMax = 1_000_000
      manifest.provides[0]!.retention.count = 1
      manifest.provides[0]!.metadata.m.n = 2
      for (const name of ["victims", "aaax.authority"]) {
        expect(yield* Effect.flip(port.putSnapshot({ name, value: 1 }))).toMatchObject({ _tag: "Denied" })
      }
      yield* port.putSnapshot({ name: "own", value: 1 })
      expect(yield* Effect.flip(port.read("secret"))).toMatchObject({ _tag: "Denied" })
      expect(yield* Effect.flip(port.append(wellKnown.lifecycle, [{ payload: {} }]))).toMatchObject({ _tag: "Denied" })
      expect(kernel.channels.get("mine")).toMatchObject({ attemptsMax: 3, retention: { count: 10 }, metadata: { m: { n: 1 } } })
      expect(kernel.systems().find(({ id }) => id === "a")).toMatchObject({ privileged: false, reads: expect.not.arrayContaining(["secret"]) })
    }))

  effect("a rule table that is changed after it was read decides as it was", () =>
    Effect.sync(() => {
      const table = { default_capability: "allow", default_action: { low: "allow", irreversible: "escalate" } }
      const policy = Result.getOrThrow(policyFromConfig(table))
      table.default_capability = "deny"
      table.default_action.low = "deny"
      table.default_action.irreversible = "allow"
      const action = (risk: string) => policy.ask({
        kind: "action", system: "a", action: "do", executor: "x", target: "", payload: null, risk, recentActions: 0, now: 0
      }).outcome
      expect([action("low"), action("irreversible")]).toEqual(["allow", "escalate"])
      expect(policy.ask({ kind: "capability", system: "a", resource: "x", access: "read", context: {}, declared: false }).outcome).toBe("allow")
    }))

  effect("a snapshot and an artifact that are changed after they were put stay as they were", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const a = yield* probe(kernel, "a", { snapshots: ["own"], provides: [{ name: "mine" }] })
      const value = { list: [{ n: 1 }] }
      yield* a.putSnapshot({ name: "own", value })
      value.list[0]!.n = 2
      expect((yield* a.getSnapshot("own")).value).toEqual({ list: [{ n: 1 }] })
      const bytes = new Uint8Array([1, 2, 3])
      const { digest } = yield* a.putArtifact(bytes)
      bytes[0] = 9
      const [event] = yield* a.append("mine", [{ payload: { digest } }])
      expect([...yield* a.getArtifact(digest, { channel: "mine", cursor: event!.cursor })]).toEqual([1, 2, 3])
    }))
})

describe("what the kernel hands out", () => {
  effect("an event is frozen at every depth, and one for all readers", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const a = yield* probe(kernel, "a", { provides: [{ name: "mine" }] })
      const b = yield* probe(kernel, "b", { reads: ["mine"] })
      yield* a.append("mine", [{ payload: { deep: { list: [{ x: 1 }] } }, metadata: { m: { n: 1 } }, labels: ["one"], parentIds: [] }])
      const [event] = (yield* b.read("mine")).events
      for (const change of [
        () => (loose(event).sender = "b"),
        () => (loose(event).payload = 1),
        () => (loose(event).payload.deep.list[0].x = 2),
        () => loose(event).payload.deep.list.push(1),
        () => (loose(event).metadata.m.n = 2),
        () => loose(event).labels.push("two"),
        () => loose(event).parentIds.push("x"),
        () => delete loose(event).payload
      ]) expect(change).toThrow(TypeError)
      expect((yield* a.read("mine")).events).toMatchObject([{ sender: "a", payload: { deep: { list: [{ x: 1 }] } }, metadata: { m: { n: 1 } }, labels: ["one"] }])
    }))

  effect("a channel, a subscription, a snapshot and a page are copies", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const a = yield* probe(kernel, "a", { provides: [{ name: "mine", form: "queue", attemptsMax: 3 }], snapshots: ["own"] })
      for (const channel of yield* a.channels) {
        loose(channel).owner = "a"
        loose(channel).attemptsMax = 1_000
        loose(channel).indexes.push("sender")
        loose(channel).retention.count = 1
      }
      expect(kernel.channels.get("mine")).toMatchObject({ attemptsMax: 3, retention: {}, indexes: [] })
      expect(kernel.channels.get(wellKnown.actionGate)).toMatchObject({ owner: "aaax", indexes: ["parentId"] })
      yield* a.advance("s", "mine", 5)
      loose(yield* a.subscription("s", "mine")).cursor = 1_000
      expect((yield* a.subscription("s", "mine")).cursor).toBe(5)
      yield* a.putSnapshot({ name: "own", value: { n: [1] } })
      loose((yield* a.getSnapshot("own")).value).n.push(2)
      expect((yield* a.getSnapshot("own")).value).toEqual({ n: [1] })
      yield* a.append("mine", [{ payload: 1 }])
      const page = yield* a.read("mine")
      try {
        loose(page).events.length = 0
      } catch {
        // A frozen list is as good as a copy.
      }
      expect((yield* a.read("mine")).events).toHaveLength(1)
    }))

  effect("a port and its powers cannot be changed", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const a = yield* probe(kernel, "a")
      expect(() => (loose(a).system = "root")).toThrow(TypeError)
      expect(() => (loose(a).append = () => Effect.void)).toThrow(TypeError)
      expect(() => loose(a).powers.push({})).toThrow(TypeError)
    }))

  effect("a call that an executor changes is its own copy of what was decided", () =>
    Effect.gen(function*() {
      const { executor } = counted("x", {
        perform: (call) => Effect.sync(() => {
          try {
            loose(call).payload.n = 2
            loose(call).principal = "root"
          } catch {
            // Frozen is fine, too.
          }
          return {}
        })
      })
      const kernel = yield* makeKernel({ executors: [executor] })
      const a = yield* probe(kernel, "a", { executors: ["x"] })
      const id = yield* requestAction(a, { action: "do", executor: "x", target: "", payload: { n: 1 }, capability: yield* tokenFor(a, "x"), risk_level: "low" })
      yield* awaitReply(a, id)
      expect(yield* kernel.gate.show(id)).toMatchObject({ system: "a", payload: { n: 1 }, state: "succeeded" })
    }))

  effect("a token in a reply is that of the requester, and nobody can change it there", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ policy: "default" })
      const a = yield* probe(kernel, "a")
      const grant = yield* requestCapability(a, { resource: "x", access: "read" })
      expect(() => (loose(grant.payload).token = "first:other")).toThrow(TypeError)
    }))
})
