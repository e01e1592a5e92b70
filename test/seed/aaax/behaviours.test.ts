// What the Python kernel's tests and docs promise, behaviour by behaviour; the number is that of the specification.
// 14 (the printed snapshot of `launch --once`) and 16 (HTTP) are told where those doors are.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { describe, expect } from "vitest"
import { emptyManifest } from "../../../protocol/manifest.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { AAAXConfig, bootstrapKernel, DefaultRulePolicy, PolicyEngine } from "../../../kernel/index.ts"
import { moduleOf, decodeConfig } from "../../../kernel/config.ts"
import { makeKernel, type TestKernel } from "../../../kernel/testing.ts"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, replies, requestAction, requestCapability, tokenFor } from "../../kit/probe.ts"

const status = (kernel: TestKernel, id: string) => kernel.systems().find((system) => system.id === id)?.status

const until = Effect.fnUntraced(function*(what: () => boolean) {
  for (let turn = 0; turn < 2_000; turn++) {
    if (what()) return
    yield* Effect.sleep(1)
  }
  return yield* Effect.die(new Error("it never came to be"))
})

const table = { policy: "default" } as const

describe("the ancestor's kernel", () => {
  effect("1. is created with six protocol channels and three registries, set up", () =>
    Effect.promise(async () => {
      const config = await Effect.runPromise(decodeConfig({ id: "aaax-seed", store: { backend: "memory" } }, "seed"))
      const kernel = await bootstrapKernel(new AAAXConfig(config, "/tmp"))
      const { effect: hosted } = await kernel.setup()
      const there = new Set(hosted.channels.all().map(({ name }) => name))
      expect(kernel.allChannels).toEqual([
        "aaax.internal.capability-registry", "aaax.internal.module-registry", "aaax.internal.policy-store", "aaax.capability-request",
        "aaax.action-gate", "aaax.kernel-replies", "aaax.module-loader", "aaax.lifecycle", "aaax.heartbeat"
      ])
      for (const channel of kernel.allChannels) expect(there.has(channel), channel).toBe(true)
      const delivery = (name: string) => hosted.channels.get(name)?.delivery
      expect(["aaax.capability-request", "aaax.action-gate", "aaax.module-loader", "aaax.lifecycle"].map(delivery)).toEqual(Array(4).fill("exclusive"))
      expect(delivery("aaax.kernel-replies")).toBe("addressed")
      expect(delivery("aaax.heartbeat")).toBe("shared")
      await kernel.stop()
    }))

  effect("2. wires the common channels when it docks, and resolves the provider's own channel", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const port = yield* probe(kernel, "provider", { provides: [{ name: "provider.out" }] })
      expect((yield* port.channels).map(({ name }) => name)).toEqual([...wellKnown.common, "provider.out"])
      expect(kernel.channels.get("provider.out")?.owner).toBe("provider")
    }))

  effect("2. wires the privileged channels only to whom it docks as privileged", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      const names = (yield* chief.channels).map(({ name }) => name)
      for (const name of [wellKnown.moduleLoader, wellKnown.lifecycle, wellKnown.capabilityRegistry, wellKnown.moduleRegistry, wellKnown.policyStore]) {
        expect(names).toContain(name)
      }
    }))

  effect("3. docks a second system with a channel that the first provides", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const first = yield* probe(kernel, "first", { provides: [{ name: "first.out" }] })
      const second = yield* probe(kernel, "second", {}, { channels: ["first.out"] })
      yield* first.append("first.out", [{ payload: "hello" }])
      expect((yield* second.read("first.out")).events).toMatchObject([{ payload: "hello", sender: "first" }])
    }))

  effect("4. grants a capability whose token holds for its holder only", () =>
    Effect.gen(function*() {
      const { executor } = counted("executor:x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      const b = yield* probe(kernel, "b")
      const grant = yield* requestCapability(a, { resource: "executor:x", access: "execute", scope: { ttl: 60 } })
      const { expires, resource, token } = grant.payload as { expires: number; resource: string; token: string }
      expect(grant).toMatchObject({ kind: "capability_grant", recipient: "a", sender: "aaax" })
      expect(resource).toBe("executor:x")
      expect(expires).toBe(kernel.time.wall() / 1000 + 60)
      const request = { action: "do", executor: "executor:x", target: "", capability: token, risk_level: "low" }
      expect(yield* awaitReply(b, yield* requestAction(b, request))).toMatchObject({ payload: { reason: "Invalid or expired capability token" } })
      expect(yield* awaitReply(a, yield* requestAction(a, request))).toMatchObject({ kind: "action_completed" })
    }))

  effect("4. lives for 3600 seconds unless scope.ttl says otherwise, and never longer than it may", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const a = yield* probe(kernel, "a")
      const grant = yield* requestCapability(a, { resource: "r", access: "read" })
      expect((grant.payload as { expires: number }).expires).toBe(kernel.time.wall() / 1000 + 3600)
      for (const ttl of [0, -1, "60", 10 ** 12, {}]) {
        expect(yield* requestCapability(a, { resource: "r", access: "read", scope: { ttl } })).toMatchObject({
          kind: "capability_deny", payload: { reason: "scope.ttl must be a number of seconds above 0 and at most 2592000" }
        })
      }
    }))

  effect("4. takes a token for less than it grants and not for more, and not after it expired", () =>
    Effect.gen(function*() {
      const { executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      const token = (access: string) => Effect.map(
        requestCapability(a, { resource: "x", access, scope: { ttl: 60 } }), (grant) => (grant.payload as { token: string }).token)
      const request = (capability: string) => ({ action: "do", executor: "x", target: "", capability, risk_level: "low" })
      const read = yield* token("read")
      expect(yield* awaitReply(a, yield* requestAction(a, request(read)))).toMatchObject({ payload: { reason: "Invalid or expired capability token" } })
      const execute = yield* token("execute")
      kernel.time.advance(59_999)
      expect(yield* awaitReply(a, yield* requestAction(a, request(execute)))).toMatchObject({ kind: "action_completed" })
      kernel.time.advance(1)
      expect(yield* awaitReply(a, yield* requestAction(a, request(execute)))).toMatchObject({ payload: { reason: "Invalid or expired capability token" } })
      yield* kernel.step
      expect(kernel.status().grants).toBe(0)
    }))

  effect("5. invalidates everything of a system by revoke", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      yield* requestCapability(a, { resource: "x", access: "execute" })
      yield* requestCapability(a, { resource: "y", access: "read" })
      expect(kernel.status().grants).toBe(2)
      yield* kernel.revoke("a")
      expect(kernel.status().grants).toBe(0)
      expect(status(kernel, "a")).toBe("revoked")
      const gone = yield* Effect.flip(a.append(wellKnown.actionGate, [{ payload: {} }]))
      expect(gone.message).toBe("a has no port any more: it was revoked.")
      expect(calls).toEqual([])
    }))

  effect("6. denies without a token", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      for (const capability of [undefined, null, ""]) {
        const id = yield* requestAction(a, { action: "do", executor: "x", target: "", risk_level: "low", ...(capability === undefined ? {} : { capability }) })
        expect(yield* awaitReply(a, id)).toMatchObject({ kind: "action_denied", payload: { request_id: id, reason: "Missing execute capability token" } })
      }
      expect(calls).toEqual([])
    }))

  effect("7. approves low risk with a valid token, the payload handed through", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      const payload = { nested: [1, { two: "2" }] }
      const id = yield* requestAction(a, { action: "do", executor: "x", target: "t", payload, capability: yield* tokenFor(a, "x"), risk_level: "low" })
      yield* awaitReply(a, id)
      expect((yield* replies(a, id))[0]).toMatchObject({ kind: "action_approved", payload: { request_id: id, executor: "x", modified_payload: payload } })
      expect(calls).toMatchObject([{ payload, target: "t", action: "do", principal: "a" }])
    }))

  effect("7. takes medium for a risk that was not said", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      yield* awaitReply(a, yield* requestAction(a, { action: "do", executor: "x", target: "", capability: yield* tokenFor(a, "x") }))
      expect(calls).toMatchObject([{ risk: "medium" }])
    }))

  effect("8. escalates what is irreversible, and denies high risk, by the table", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      const request = { action: "do", executor: "x", target: "", capability: yield* tokenFor(a, "x") }
      const id = yield* requestAction(a, { ...request, risk_level: "irreversible" })
      expect((yield* awaitReply(a, id, "action_escalated")).payload).toEqual({
        request_id: id, reason: "Risk 'irreversible' requires escalation", escalated_to: "human"
      })
      const high = yield* requestAction(a, { ...request, risk_level: "high" })
      expect((yield* awaitReply(a, high)).payload).toEqual({ request_id: high, reason: "Denied for risk 'high'" })
      expect(calls).toEqual([])
    }))

  effect("8. never takes a requester's word for less than the executor declares", () =>
    Effect.gen(function*() {
      const { risk: _, ...undeclared } = counted("silent").executor
      const kernel = yield* makeKernel({ ...table, executors: [undeclared] })
      const a = yield* probe(kernel, "a")
      const id = yield* requestAction(a, { action: "do", executor: "silent", target: "", capability: yield* tokenFor(a, "silent"), risk_level: "low" })
      expect(yield* awaitReply(a, id, "action_escalated")).toMatchObject({ payload: { reason: "Risk 'irreversible' requires escalation" } })
    }))

  effect("9. denies an unknown risk", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a")
      const request = { action: "do", executor: "x", target: "", capability: yield* tokenFor(a, "x") }
      for (const risk of ["none", "LOW", "", "__proto__", "toString"]) {
        const id = yield* requestAction(a, { ...request, risk_level: risk })
        expect((yield* awaitReply(a, id)).payload).toEqual({ request_id: id, reason: `Denied for risk '${risk}'` })
      }
      expect(calls).toEqual([])
    }))

  effect("10. changes the status with pause and resume, and really stops and continues the work", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      let turns = 0
      yield* kernel.dock({
        manifest: { ...emptyManifest("busy"), provides: [{ name: "out", durability: "memory" }] },
        run: (port) => Effect.forever(Effect.andThen(port.append("out", [{ payload: 0 }]), Effect.sync(() => void turns++)))
      })
      const command = (word: string) =>
        Effect.flatMap(chief.append(wellKnown.lifecycle, [{ payload: { command: word, system_id: "busy" } }]), ([event]) => awaitReply(chief, event!.id))
      yield* until(() => turns > 3)
      expect(yield* command("pause")).toMatchObject({ kind: "lifecycle_ok", payload: { command: "pause", system_id: "busy" } })
      expect(status(kernel, "busy")).toBe("paused")
      const stopped = turns
      // The chief's own calls go on meanwhile; each of them is a turn in which the paused one could have run.
      for (let call = 0; call < 50; call++) yield* chief.read(wellKnown.moduleRegistry)
      yield* kernel.step
      expect(turns).toBeLessThanOrEqual(stopped + 1)
      const still = turns
      for (let call = 0; call < 50; call++) yield* Effect.andThen(chief.read(wellKnown.moduleRegistry), Effect.sleep(0))
      expect(turns).toBe(still)
      expect(yield* command("resume")).toMatchObject({ kind: "lifecycle_ok" })
      yield* until(() => turns > still + 3)
      expect(status(kernel, "busy")).toBe("running")
    }))

  effect("10. shows a docked system as docked until the kernel runs", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ ...table, launch: false })
      yield* probe(kernel, "a")
      expect(status(kernel, "a")).toBe("docked")
      yield* kernel.launch
      expect(status(kernel, "a")).toBe("running")
    }))

  effect("11. awaits the system's own drain, up to its timeout", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      const begun = Deferred.makeUnsafe<void>()
      const release = Deferred.makeUnsafe<void>()
      let isDrained = false
      yield* probe(kernel, "tidy", {}, {}, {
        drain: () => Effect.andThen(Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(release)), Effect.sync(() => void (isDrained = true)))
      })
      yield* probe(kernel, "stuck", {}, {}, { drain: () => Effect.never })
      const [asked] = yield* chief.append(wellKnown.lifecycle, [{ payload: { command: "drain", system_id: "tidy" } }])
      yield* Deferred.await(begun)
      expect(status(kernel, "tidy")).toBe("draining")
      yield* Deferred.succeed(release, undefined)
      expect(yield* awaitReply(chief, asked!.id)).toMatchObject({ kind: "lifecycle_ok" })
      expect([isDrained, status(kernel, "tidy")]).toEqual([true, "drained"])
      const [other] = yield* chief.append(wellKnown.lifecycle, [{ payload: { command: "drain", system_id: "stuck", timeout: 0.01 } }])
      expect(yield* awaitReply(chief, other!.id)).toMatchObject({ kind: "lifecycle_ok" })
      expect(status(kernel, "stuck")).toBe("drained")
    }))

  effect("12. revokes and stops what it undocks; its token no longer passes the gate", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const ended = Deferred.makeUnsafe<void>()
      const port = yield* probe(kernel, "a", {}, {}, { run: () => Effect.ensuring(Effect.never, Deferred.succeed(ended, undefined)) })
      const token = yield* tokenFor(port, "x")
      yield* kernel.undock("a")
      yield* Deferred.await(ended)
      expect(kernel.systems()).toEqual([])
      const again = yield* probe(kernel, "a")
      const id = yield* requestAction(again, { action: "do", executor: "x", target: "", capability: token, risk_level: "low" })
      expect(yield* awaitReply(again, id)).toMatchObject({ payload: { reason: "Invalid or expired capability token" } })
      yield* kernel.undock("never there")
      expect(calls).toEqual([])
    }))

  effect("13. docks a module of a framework of its own as a placeholder, and refuses by name what is not built", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      const load = (module_id: string, manifest: Readonly<Record<string, unknown>>) =>
        Effect.flatMap(chief.append(wellKnown.moduleLoader, [{ payload: { module_id, manifest } }]), ([event]) => awaitReply(chief, event!.id))
      const accepted = yield* load("thing", { framework: "custom", requires_executors: ["executor:x"] })
      expect(accepted).toMatchObject({ kind: "module_accepted", payload: { module_id: "thing", system_id: "thing" } })
      expect((accepted.payload as { granted_wiring: ReadonlyArray<string> }).granted_wiring).toEqual([...wellKnown.common])
      expect((accepted.payload as { granted_capabilities: ReadonlyArray<string> }).granted_capabilities).toHaveLength(1)
      expect(status(kernel, "thing")).toBe("stopped")
      for (const framework of ["process", "llm", "lllm"]) {
        const rejected = yield* load("other", { framework })
        expect(rejected.kind).toBe("module_rejected")
        expect((rejected.payload as { reason: string }).reason).toContain(framework)
      }
      // A host that starts no programs says so.
      expect(yield* load("other", { framework: "process", command: ["python3", "agent.py"] })).toMatchObject({ kind: "module_rejected", payload: { reason: expect.stringContaining("this host starts no programs") } })
      expect(status(kernel, "other")).toBeUndefined()
    }))

  effect("15. does the tutorial's round trip with its policy written out", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("executor:web-research")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const analyst = yield* probe(kernel, "analyst")
      const [asked] = yield* analyst.append(wellKnown.capabilityRequest, [{
        kind: "capability_request", payload: { resource: "executor:web-research", access: "execute" }
      }])
      const grant = yield* awaitReply(analyst, asked!.id)
      expect(grant).toMatchObject({ kind: "capability_grant", channel: "aaax.kernel-replies", recipient: "analyst", correlationId: asked!.id })
      const { token } = grant.payload as { token: string }
      const id = yield* requestAction(analyst, {
        action: "search", executor: "executor:web-research", target: "agents", payload: { q: "agents" }, capability: token, risk_level: "low"
      })
      expect((yield* awaitReply(analyst, id, "action_approved")).payload).toEqual({
        request_id: id, executor: "executor:web-research", modified_payload: { q: "agents" }
      })
      expect(yield* awaitReply(analyst, id)).toMatchObject({ kind: "action_completed" })
      expect(calls).toHaveLength(1)
    }))

  effect("17. refuses and audits a request that claims another sender, takes an equal claim, and leaves users' payloads alone", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* makeKernel({ ...table, executors: [executor] })
      const a = yield* probe(kernel, "a", { provides: [{ name: "mine" }] })
      const token = yield* tokenFor(a, "x")
      for (const field of ["from", "system_id", "sender"]) {
        const reason = `the payload says ${field} = "root", but the sender is a; leave the field out, the kernel stamps it`
        const capability = yield* requestCapability(a, { resource: "x", access: "execute", [field]: "root" })
        expect(capability).toMatchObject({ kind: "capability_deny", payload: { reason } })
        const id = yield* requestAction(a, { action: "do", executor: "x", target: "", capability: token, risk_level: "low", [field]: "root" })
        expect(yield* awaitReply(a, id)).toMatchObject({ kind: "action_denied", payload: { reason } })
        expect((yield* kernel.audit(0, 1000)).filter((entry) => entry.kind === "request.refused" && entry.correlationId === id)).toHaveLength(1)
        expect(yield* requestCapability(a, { resource: "x", access: "execute", [field]: "a" })).toMatchObject({ kind: "capability_grant" })
      }
      expect(calls).toEqual([])
      yield* a.append("mine", [{ payload: { from: "root", system_id: "root", sender: "root" } }])
      expect((yield* a.read("mine")).events).toMatchObject([{ sender: "a", payload: { from: "root", system_id: "root", sender: "root" } }])
    }))

  effect("18. gives a malformed request a typed refusal, and does not delay the next", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ ...table, launch: false })
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      const wrong: ReadonlyArray<readonly [string, unknown, string]> = [
        [wellKnown.capabilityRequest, {}, "capability_deny"],
        [wellKnown.capabilityRequest, { resource: "x", access: "own" }, "capability_deny"],
        [wellKnown.capabilityRequest, null, "capability_deny"],
        [wellKnown.actionGate, [1], "action_denied"],
        [wellKnown.actionGate, { action: 1 }, "action_denied"],
        [wellKnown.moduleLoader, "x", "module_rejected"],
        [wellKnown.moduleLoader, { module_id: "a b" }, "module_rejected"],
        [wellKnown.lifecycle, 7, "lifecycle_error"],
        [wellKnown.lifecycle, { command: "pause" }, "lifecycle_error"]
      ]
      const asked: Array<readonly [string, string]> = []
      for (const [channel, payload, kind] of wrong) asked.push([(yield* chief.append(channel, [{ payload }]))[0]!.id, kind])
      const [good] = yield* chief.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }])
      yield* kernel.step
      expect(yield* awaitReply(chief, good!.id)).toMatchObject({ kind: "capability_grant" })
      for (const [id, kind] of asked) {
        const reply = yield* awaitReply(chief, id)
        expect(reply.kind).toBe(kind)
        expect((reply.payload as { reason: string }).reason).toMatch(/^Malformed request: ./u)
      }
    }))
})

describe("the ancestor's texts", () => {
  effect("name channels and systems that cannot be docked", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      yield* probe(kernel, "a", { provides: [{ name: "mine" }] })
      const text = (...options: Parameters<typeof probe> extends [unknown, ...infer R] ? R : never) => Effect.map(Effect.flip(probe(kernel, ...options)), (error) => error.message)
      expect(yield* text("b", {}, { channels: ["x"] })).toBe("Channel 'x' is not available for docking.")
      expect(yield* text("b", { reads: ["x"] })).toBe("Channel 'x' is not available for docking.")
      expect(yield* text("a")).toBe("System 'a' is already docked.")
      expect(yield* text("b", { provides: [{ name: "mine" }] })).toBe("Channel 'mine' already registered by another system.")
      expect(kernel.systems().map(({ id }) => id)).toEqual(["a"])
    }))

  effect("say what a policy denies", () =>
    Effect.gen(function*() {
      const { executor } = counted("x")
      const kernel = yield* makeKernel({ policy: { default_capability: "deny", default_module: "deny" }, executors: [executor] })
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      expect((yield* requestCapability(chief, { resource: "x", access: "execute" })).payload).toEqual({
        resource: "x", reason: "Capability requests denied by default policy"
      })
      const [load] = yield* chief.append(wellKnown.moduleLoader, [{ payload: { module_id: "m", manifest: { framework: "custom" } } }])
      expect((yield* awaitReply(chief, load!.id)).payload).toEqual({ module_id: "m", reason: "Module loading denied by default policy" })
    }))

  effect("answer lifecycle commands", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      const payload = (command: Readonly<Record<string, unknown>>) =>
        Effect.flatMap(chief.append(wellKnown.lifecycle, [{ payload: command }]), ([event]) => Effect.map(awaitReply(chief, event!.id), (reply) => [reply.kind, reply.payload]))
      expect(yield* payload({ command: "pause", system_id: "x" })).toEqual(["lifecycle_error", { command: "pause", system_id: "x", reason: "Unknown system: x" }])
      expect(yield* payload({ command: "jump", system_id: "chief" })).toEqual(["lifecycle_error", { command: "jump", system_id: "chief", reason: "Unknown command: jump" }])
      expect(yield* payload({ command: "constructor", system_id: "chief" })).toEqual([
        "lifecycle_error", { command: "constructor", system_id: "chief", reason: "Unknown command: constructor" }
      ])
    }))

  effect("name an executor that nobody serves", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const a = yield* probe(kernel, "a")
      const id = yield* requestAction(a, { action: "do", executor: "ghost", target: "", capability: yield* tokenFor(a, "ghost"), risk_level: "low" })
      expect((yield* awaitReply(a, id)).payload).toEqual({ request_id: id, reason: "Unknown executor: ghost" })
    }))

  effect("are those of its policy engine", () =>
    Effect.sync(() => {
      const engine = new DefaultRulePolicy()
      const action = (risk: string) => engine.evaluateAction({ system: "a", action: "do", executor: "x", target: "", payload: null, risk, now: 0 })
      expect(action("low")).toMatchObject({ allowed: true, escalate: false })
      expect(action("high")).toMatchObject({ allowed: false, reason: "Denied for risk 'high'" })
      expect(action("irreversible")).toMatchObject({ allowed: false, escalate: true, escalateTo: "human", reason: "Risk 'irreversible' requires escalation" })
      expect(engine.evaluateCapability("a", "x", "execute")).toMatchObject({ allowed: true })
      expect(PolicyEngine.fromConfig({ default_capability: "deny" }).evaluateCapability("a", "x", "execute")).toMatchObject({
        allowed: false, reason: "Capability requests denied by default policy"
      })
    }))
})

describe("the registries", () => {
  effect("hold every grant and revocation, every dock and undock, and every policy in force", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel(table)
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      const a = yield* probe(kernel, "a")
      yield* requestCapability(a, { resource: "x", access: "read" })
      yield* kernel.undock("a")
      yield* kernel.step
      const kinds = (channel: string) => Effect.map(chief.read(channel), (page) => page.events.map(({ kind }) => kind))
      expect(yield* kinds(wellKnown.capabilityRegistry)).toEqual(["grant", "revoke"])
      expect(yield* kinds(wellKnown.moduleRegistry)).toEqual(["dock", "dock", "undock"])
      expect(yield* kinds(wellKnown.policyStore)).toEqual(["policy"])
    }))

  effect("are told by a heartbeat with the ids sorted", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ ...table, launch: false, id: "beating" })
      const z = yield* probe(kernel, "z")
      yield* probe(kernel, "b")
      yield* kernel.step
      expect((yield* z.read(wellKnown.heartbeat)).events.at(-1)?.payload).toEqual({
        kernel_id: "beating", timestamp: kernel.time.wall() / 1000, systems: ["b", "z"], capabilities_active: 0
      })
    }))
})

describe("a module of a config", () => {
  effect("is turned into a manifest, is granted what it declares, and is refused with its name and the reason", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const config = yield* decodeConfig({
        modules: [{ id: "m", framework: "placeholder", executors: ["x"], remote_channels: ["far"] }, { id: "n", framework: "lllm" }]
      }, "seed")
      const { capabilities } = yield* kernel.loader.load(moduleOf(config.modules[0]!), "config", true)
      expect(capabilities).toHaveLength(2)
      const refused = yield* Effect.flip(kernel.loader.load(moduleOf(config.modules[1]!), "config", true))
      expect(refused.message).toMatch(/^Module 'n' was rejected: .*lllm_toml/u)
    }))
})
