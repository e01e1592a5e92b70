// Docking, pausing, draining, supervision: what happens to systems, and that it really does.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { emptyManifest } from "../../protocol/manifest.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { restartsMax } from "../../kernel/limits.ts"
import { counted } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, requestAction, requestCapability, tokenFor } from "../kit/probe.ts"
import { worlds } from "../kit/worlds.ts"

const until = Effect.fnUntraced(function*(what: () => boolean) {
  for (let turn = 0; turn < 2_000; turn++) {
    if (what()) return
    yield* Effect.sleep(1)
  }
  return yield* Effect.die(new Error("it never came to be"))
})

const status = (kernel: { readonly systems: () => ReadonlyArray<{ readonly id: string; readonly status: string }> }, id: string) =>
  kernel.systems().find((system) => system.id === id)?.status

describe.each(worlds)("docking %s", (_, makeKernel) => {
  effect("wires the common channels and resolves what a system provides", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      yield* probe(kernel, "maker", { provides: [{ name: "news" }] })
      const reader = yield* probe(kernel, "reader", { reads: ["news"] })
      const channels = (yield* reader.channels).map(({ name }) => name).sort()
      expect(channels).toEqual([...wellKnown.common, "news"].sort())
    }))

  effect("refuses an unknown channel and leaves nothing half-wired", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const refused = yield* Effect.flip(probe(kernel, "a", { reads: ["nowhere"], provides: [{ name: "mine" }] }))
      expect(refused.message).toBe("Channel 'nowhere' is not available for docking.")
      expect(kernel.systems()).toEqual([])
      yield* probe(kernel, "a", {})
    }))

  effect("refuses a second system of one id, and a channel that another provides", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      yield* probe(kernel, "a", { provides: [{ name: "mine" }] })
      expect((yield* Effect.flip(probe(kernel, "a"))).message).toBe("System 'a' is already docked.")
      expect((yield* Effect.flip(probe(kernel, "b", { provides: [{ name: "mine" }] }))).message).toBe("Channel 'mine' already registered by another system.")
    }))

  effect("gives a channel to whoever provides it after its provider was undocked, with its events", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const first = yield* probe(kernel, "a", { provides: [{ name: "mine" }] })
      yield* first.append("mine", [{ payload: 1 }])
      yield* kernel.undock("a")
      const second = yield* probe(kernel, "b", { provides: [{ name: "mine" }] })
      expect((yield* second.read("mine")).events.map(({ payload }) => payload)).toEqual([1])
    }))

  effect("never lets a manifest reach the kernel's own channels", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      for (const manifest of [
        { reads: [wellKnown.journal] },
        { writes: [wellKnown.journal] },
        { takes: [wellKnown.actionGate] },
        { reads: [wellKnown.actionGate] },
        { writes: [wellKnown.kernelReplies] },
        { writes: [wellKnown.lifecycle] },
        { reads: [wellKnown.capabilityRegistry] },
        { provides: [{ name: "aaax.evil" }] }
      ]) {
        expect((yield* Effect.flip(probe(kernel, "evil", manifest)))._tag).toBe("DockRefused")
      }
      expect(kernel.systems()).toEqual([])
    }))

  effect("refuses every touch of a channel in a direction that is not wired", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      yield* probe(kernel, "maker", { provides: [{ name: "news" }, { name: "work", form: "queue" }] })
      const reader = yield* probe(kernel, "reader", { reads: ["news", "work"] })
      expect(yield* Effect.flip(reader.append("news", [{ payload: 1 }]))).toMatchObject({ _tag: "Denied", operation: "append to" })
      expect(yield* Effect.flip(reader.take("work"))).toMatchObject({ _tag: "Denied", operation: "take from" })
      expect(yield* Effect.flip(reader.take(wellKnown.actionGate))).toMatchObject({ _tag: "Denied" })
      expect(yield* Effect.flip(reader.read(wellKnown.journal))).toMatchObject({ _tag: "Denied" })
      expect(yield* Effect.flip(reader.read("newz"))).toMatchObject({ _tag: "ChannelNotFound", nearest: "news" })
      expect(yield* Effect.flip(reader.putSnapshot({ name: "aaax.authority", value: {} }))).toMatchObject({ _tag: "Denied" })
      expect(yield* Effect.flip(reader.getSnapshot("aaax.authority"))).toMatchObject({ _tag: "SnapshotNotFound" })
    }))

  effect("shows a reader of replies only its own", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const a = yield* probe(kernel, "a")
      const b = yield* probe(kernel, "b")
      yield* requestCapability(a, { resource: "x", access: "read" })
      expect((yield* a.read(wellKnown.kernelReplies)).events).toHaveLength(1)
      expect((yield* b.read(wellKnown.kernelReplies)).events).toHaveLength(0)
      expect((yield* b.read(wellKnown.kernelReplies, { filter: { recipient: "a" } })).events).toHaveLength(0)
    }))

  effect("closes the port of an undocked system and ends its authority", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const token = yield* tokenFor(port, "count")
      yield* kernel.undock("a")
      expect((yield* Effect.flip(port.read(wellKnown.heartbeat)))._tag).toBe("Undocked")
      const again = yield* probe(kernel, "a")
      const reply = yield* awaitReply(again, yield* requestAction(again, { action: "x", executor: "count", target: "", capability: token, risk_level: "low" }))
      expect(reply.payload).toMatchObject({ reason: "Invalid or expired capability token" })
      expect(calls).toHaveLength(0)
      yield* kernel.undock("nobody")
    }))
})

describe.each(worlds)("a paused system %s", (_, makeKernel) => {
  effect("is suspended at its next call and goes on where it was", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      let turns = 0
      yield* kernel.dock({
        manifest: { ...emptyManifest("busy"), provides: [{ name: "out", durability: "relaxed" }] },
        run: (port) => Effect.forever(Effect.andThen(port.append("out", [{ payload: 0 }]), Effect.sync(() => void turns++)))
      })
      yield* until(() => turns > 5)
      yield* kernel.pause("busy")
      // What was under way when it was paused is kept before this.
      yield* kernel.channels.append("test", "out", [{ payload: "after" }])
      const stopped = turns
      const head = kernel.channels.store.statisticsOf("out")!.head
      yield* Effect.sleep(20)
      expect(turns).toBe(stopped)
      expect(kernel.channels.store.statisticsOf("out")!.head).toBe(head)
      expect(status(kernel, "busy")).toBe("paused")
      yield* kernel.resume("busy")
      yield* until(() => turns > stopped + 5)
      expect(status(kernel, "busy")).toBe("running")
    }))
})

describe.each(worlds)("draining %s", (_, makeKernel) => {
  effect("awaits the system's own drain, refuses new work, and then stops it", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const asked = Deferred.makeUnsafe<void>()
      const port = yield* probe(kernel, "a", { provides: [{ name: "work", form: "queue" }] }, {}, {
        drain: () => Effect.sync(() => void Deferred.doneUnsafe(asked, Effect.void))
      })
      yield* port.append("work", [{ payload: 1 }])
      yield* kernel.drain("a", 1_000)
      yield* Deferred.await(asked)
      expect(status(kernel, "a")).toBe("drained")
      expect(yield* Effect.flip(port.take("work"))).toMatchObject({ _tag: "Denied" })
    }))

  effect("stops at the deadline a system that does not end", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      yield* probe(kernel, "a", {}, {}, { drain: () => Effect.never })
      yield* kernel.drain("a", 10)
      expect(status(kernel, "a")).toBe("drained")
    }))

  effect("hands back what a stopped system had taken", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const a = yield* probe(kernel, "a", { provides: [{ name: "work", form: "queue" }] })
      const b = yield* probe(kernel, "b", { takes: ["work"] })
      yield* a.append("work", [{ payload: "x" }])
      expect(yield* a.take("work")).toHaveLength(1)
      expect(yield* b.take("work")).toHaveLength(0)
      yield* kernel.drain("a", 10)
      const [item] = yield* b.take("work", { wait: true })
      expect(item).toMatchObject({ attempt: 2, event: { payload: "x" } })
    }))
})

describe.each(worlds)("supervision %s", (_, makeKernel) => {
  effect("starts a failing system again, and quarantines one that fails too often", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      let starts = 0
      yield* kernel.dock({ manifest: emptyManifest("flaky"), run: () => Effect.suspend(() => (++starts < 3 ? Effect.fail(new Error("boom")) : Effect.never)) })
      yield* kernel.dock({ manifest: emptyManifest("hopeless"), run: () => Effect.die(new Error("never works")) })
      yield* until(() => starts === 3)
      expect(kernel.systems().find(({ id }) => id === "flaky")).toMatchObject({ status: "running", restarts: 2, lastError: "boom" })
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 4_000)))
      yield* until(() => status(kernel, "hopeless") === "quarantined")
      expect(kernel.systems().find(({ id }) => id === "hopeless")).toMatchObject({ restarts: restartsMax, lastError: "never works" })
      expect(status(kernel, "flaky")).toBe("running")
    }))
})

describe.each(worlds)("the lifecycle channel %s", (_, makeKernel) => {
  effect("obeys privileged systems, answers unknown systems and commands, and is closed to others", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const chief = yield* probe(kernel, "chief", { privileged: true })
      const other = yield* probe(kernel, "other")
      const command = (payload: Readonly<Record<string, unknown>>) =>
        Effect.flatMap(chief.append(wellKnown.lifecycle, [{ payload }]), ([event]) => awaitReply(chief, event!.id))
      expect(yield* command({ command: "pause", system_id: "other" })).toMatchObject({ kind: "lifecycle_ok", payload: { command: "pause", system_id: "other" } })
      expect(status(kernel, "other")).toBe("paused")
      expect(yield* command({ command: "resume", system_id: "other" })).toMatchObject({ kind: "lifecycle_ok" })
      expect(yield* command({ command: "explode", system_id: "other" })).toMatchObject({ kind: "lifecycle_error", payload: { reason: "Unknown command: explode" } })
      expect(yield* command({ command: "pause", system_id: "x" })).toMatchObject({ kind: "lifecycle_error", payload: { reason: "Unknown system: x" } })
      expect(yield* command({ command: "revoke", system_id: "other" })).toMatchObject({ kind: "lifecycle_ok" })
      expect(status(kernel, "other")).toBe("revoked")
      expect((yield* Effect.flip(other.append(wellKnown.lifecycle, [{ payload: {} }])))._tag).toBe("Undocked")
    }))

  effect("drains one system without holding up commands for others", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const chief = yield* probe(kernel, "chief", { privileged: true })
      yield* probe(kernel, "slow", {}, {}, { drain: () => Effect.never })
      yield* probe(kernel, "other")
      yield* chief.append(wellKnown.lifecycle, [{ payload: { command: "drain", system_id: "slow", timeout: 30 } }])
      const [pause] = yield* chief.append(wellKnown.lifecycle, [{ payload: { command: "pause", system_id: "other" } }])
      expect(yield* awaitReply(chief, pause!.id)).toMatchObject({ kind: "lifecycle_ok" })
      expect(status(kernel, "slow")).toBe("draining")
    }))
})

describe.each(worlds)("kernel.step %s", (_, makeKernel) => {
  effect("does what is pending in a kernel that was not launched, and returns", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("count")
      const kernel = yield* makeKernel({ launch: false, executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const [ask] = yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: "count", access: "execute" } }])
      expect((yield* port.read(wellKnown.kernelReplies)).events).toEqual([])
      yield* kernel.step
      const grant = yield* awaitReply(port, ask!.id)
      const id = yield* requestAction(port, { action: "x", executor: "count", target: "", capability: (grant.payload as { token: string }).token, risk_level: "low" })
      yield* kernel.step
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      expect(calls).toHaveLength(1)
      const beat = (yield* port.read(wellKnown.heartbeat)).events.at(-1)
      expect(beat?.payload).toMatchObject({ kernel_id: "test", systems: ["a"] })
    }))
})
