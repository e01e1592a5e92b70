// A docked system that does its worst. Each attempt is refused with a sentence that says what would be allowed, and its
// neighbours go on. What in-process isolation cannot prevent (a loop that never yields, a poisoned prototype) is not here.
import { defineModule } from "aaax"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { describe, expect } from "vitest"
import { emptyManifest, type Manifest } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { makeClock } from "../../kernel/clock.ts"
import { batchTextMax, requestsPendingMax, restartsMax, subscriptionsMax } from "../../kernel/limits.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import { mkdtempSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { counted, held } from "../kit/executors.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, replies, requestAction, requestCapability, tokenFor } from "../kit/probe.ts"

/** What TypeScript would not let a module say, and JavaScript does. */
const loose = (value: unknown): any => value

const onSqlite = Effect.fnUntraced(function*(options: TestOptions = {}) {
  const time = testTime()
  const path = join(mkdtempSync(join(tmpdir(), "aaax-hostile-")), "kernel.db")
  const store = yield* Effect.orDie(Sqlite.make({ path, clock: makeClock(time) }))
  return yield* makeKernel({ ...options, store, time })
})

const worlds: ReadonlyArray<readonly [string, (options?: TestOptions) => ReturnType<typeof makeKernel>]> = [
  ["in memory", makeKernel],
  ["on sqlite", onSqlite as typeof makeKernel]
]

const neighbourly: Partial<Manifest> = { provides: [{ name: "good.out", durability: "relaxed" }], snapshots: ["good"] }

/** The neighbour and the kernel work as if nothing had happened. */
const goesOn = Effect.fnUntraced(function*(kernel: TestKernel, neighbour: Port) {
  expect(kernel.channels.store.stopped()).toBeUndefined()
  const [mark] = yield* neighbour.append("good.out", [{ payload: "still here" }])
  expect((yield* neighbour.read("good.out", { after: mark!.cursor - 1, limit: 1 })).events).toMatchObject([{ id: mark!.id, sender: "good" }])
  const reply = yield* requestCapability(neighbour, { resource: "nothing", access: "read" })
  expect(reply.kind).toMatch(/^capability_/u)
  yield* neighbour.putSnapshot({ name: "good", value: mark!.cursor })
  expect((yield* kernel.verifyAudit).problems).toEqual([])
})

const status = (kernel: TestKernel, id: string) => kernel.systems().find((system) => system.id === id)?.status

const until = Effect.fnUntraced(function*(what: () => boolean) {
  for (let turn = 0; turn < 10_000; turn++) {
    if (what()) return
    yield* Effect.sleep(1)
  }
  return yield* Effect.die(new Error("it never came to be"))
})

/** A failure with a tag, never a defect: what every call of a port owes to whatever it is given. */
const refused = Effect.fnUntraced(function*(call: Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>, what: string) {
  const exit = yield* Effect.exit(call)
  expect(Exit.isFailure(exit), `${what} was taken`).toBe(true)
  const failure = Exit.isFailure(exit) ? exit.cause.reasons[0] : undefined
  expect(failure?._tag, `${what}: ${Exit.isFailure(exit) ? String(exit.cause) : ""}`).toBe("Fail")
  const error = failure?._tag === "Fail" ? failure.error : undefined
  expect(error?.message.length).toBeGreaterThan(10)
  return error!
})

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let level = 0; level < depth; level++) value = { value }
  return value
}
const cyclic = (): unknown => {
  const value: Record<string, unknown> = { a: 1 }
  value["self"] = value
  return value
}
const throwing = (): unknown => Object.defineProperty({ ok: 1 }, "trap", { enumerable: true, get: () => { throw new Error("trap") } })
const trap = (): unknown => new Proxy({}, { ownKeys: () => { throw new Error("ownKeys") }, getPrototypeOf: () => { throw new Error("prototype") } })

/** Values that no channel may keep. */
const poison: ReadonlyArray<readonly [string, () => unknown]> = [
  ["a cycle", cyclic],
  ["10,000 levels", () => nested(10_000)],
  ["65 levels", () => nested(65)],
  ["a __proto__ key", () => JSON.parse("{\"__proto__\":{\"admin\":true}}")],
  ["a deep __proto__ key", () => JSON.parse("{\"a\":[{\"__proto__\":1}]}")],
  ["a getter that throws", throwing],
  ["a proxy that throws", trap],
  ["toJSON on a class", () => new (class { toJSON() { return { fine: true } } })()],
  ["toJSON on an object", () => ({ toJSON: () => { throw new Error("toJSON") } })],
  ["a bigint", () => 1n],
  ["a bigint inside", () => ({ n: [1n] })],
  ["NaN", () => ({ n: Number.NaN })],
  ["an infinity", () => [Number.POSITIVE_INFINITY]],
  ["a function", () => ({ call: () => 1 })],
  ["a symbol", () => ({ s: Symbol("s") })],
  ["a date", () => ({ at: new Date(0) })],
  ["a map", () => new Map([[1, 2]])],
  ["more nodes than fit", () => Array.from({ length: 100_001 }, () => 0)],
  ["more text than fits", () => "x".repeat(batchTextMax + 1)],
  ["a sparse giant", () => Object.assign([], { length: 4_294_967_295 })]
]

describe.each(worlds)("a hostile module %s", (_, open) => {
  effect("is refused every payload that is not plain, bounded JSON, in appends, snapshots and requests", () =>
    Effect.gen(function*() {
      const kernel = yield* open({ policy: "default", executors: [counted("x").executor] })
      const good = yield* probe(kernel, "good", neighbourly)
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "evil.out" }], snapshots: ["evil"] })
      for (const [name, make] of poison) {
        for (const channel of ["evil.out", wellKnown.capabilityRequest, wellKnown.actionGate]) {
          expect(["InvalidPayload", "TooLarge"]).toContain((yield* refused(evil.append(channel, [{ payload: make() }]), `${name} in ${channel}`))._tag)
        }
        expect(["InvalidPayload", "TooLarge"]).toContain(
          (yield* refused(evil.append("evil.out", [{ payload: 1, metadata: loose({ m: make() }) }]), `${name} as metadata`))._tag)
        // A snapshot may hold more text than an append.
        if (name !== "more text than fits") expect((yield* refused(evil.putSnapshot({ name: "evil", value: make() }), `${name} as snapshot`))._tag).toBe("InvalidPayload")
      }
      expect((yield* evil.read("evil.out")).events).toEqual([])
      expect(loose({}).admin).toBeUndefined()
      yield* goesOn(kernel, good)
    }))

  effect("is refused drafts, lists, options and names that are none", () =>
    Effect.gen(function*() {
      const kernel = yield* open()
      const good = yield* probe(kernel, "good", neighbourly)
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "evil.out" }, { name: "evil.work", form: "queue" }], snapshots: ["evil"] })
      const bad: ReadonlyArray<unknown> = [null, undefined, 1, "text", 1n, Symbol("s"), {}, [null], [1], trap(), { length: -1_000_000 }, { length: Number.NaN }, []]
      for (const channel of ["evil.out", wellKnown.capabilityRequest]) {
        for (const drafts of bad) yield* refused(evil.append(channel, loose(drafts)), `drafts ${typeof drafts}`)
        for (const draft of [
          { sender: "root" }, { from: "root" }, { system_id: "root" }, { cursor: 1 }, { recordedAt: 1 }, { kind: 1 }, { kind: "a b" }, { id: {} }, { parentIds: "x" },
          { parentIds: ["nowhere"] }, { parentIds: Array(1_000).fill("x") }, { recipient: 1 }, { recipient: "a b" }, { subject: {} }, { labels: [1] },
          { labels: Array(100).fill("x") }, { timestamp: "now" }, { timestamp: Infinity }, { correlationId: 7 }, { traceparent: [] }, { metadata: [] }
        ]) yield* refused(evil.append(channel, [loose({ payload: 1, ...draft })]), JSON.stringify(draft))
        for (const options of [{ key: 1 }, { key: "" }, { key: "x".repeat(2_000) }, { expectedHead: 1.5 }, { expectedHead: -1 }, { expectedHead: "1" }, throwing2("key")]) {
          yield* refused(evil.append(channel, [{ payload: 1 }], loose(options)), "options")
        }
      }
      for (const name of [null, undefined, 1, {}, "", "no.such", "__proto__", "constructor", "a/b", Symbol("s"), 1n]) {
        const channel = loose(name)
        for (const [what, call] of [
          ["append", () => evil.append(channel, [{ payload: 1 }])], ["read", () => evil.read(channel)], ["awaitBeyond", () => evil.awaitBeyond(channel, 0)],
          ["take", () => evil.take(channel)], ["settle", () => evil.settle(channel, [])], ["renew", () => evil.renew(channel, 1, 1)],
          ["backlog", () => evil.backlog(channel)], ["subscription", () => evil.subscription("s", channel)], ["advance", () => evil.advance("s", channel, 1)],
          ["getSnapshot", () => evil.getSnapshot(channel)], ["putSnapshot", () => evil.putSnapshot({ name: channel, value: 1 })],
          ["getArtifact", () => evil.getArtifact(channel, { channel, cursor: 1 })]
        ] as const) yield* refused(call(), `${what} ${String(name)}`)
      }
      yield* goesOn(kernel, good)
    }))

  effect("cannot stop the store with cursors, revisions and names that only look like some", () =>
    Effect.gen(function*() {
      const kernel = yield* open()
      const good = yield* probe(kernel, "good", neighbourly)
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "evil.out" }, { name: "evil.work", form: "queue" }], snapshots: ["evil"] })
      const numbers: ReadonlyArray<unknown> = [1.5, -1, Number.NaN, Infinity, 2 ** 60, "1", 1n, {}, [], null, Symbol("s"), cyclic(), true]
      for (const cursor of numbers.map(loose)) {
        if (cursor !== null) yield* refused(evil.subscription("s", "evil.out", cursor), "a subscription's cursor")
        yield* refused(evil.advance("s", "evil.out", cursor), "an advance")
        yield* refused(evil.renew("evil.work", cursor, 1), "a lease's cursor")
        yield* refused(evil.renew("evil.work", 1, cursor), "a lease's epoch")
        yield* refused(evil.settle("evil.work", [{ cursor, epoch: 1, outcome: "ack" }]), "a settlement's cursor")
        yield* refused(evil.settle("evil.work", [{ cursor: 1, epoch: cursor, outcome: "ack" }]), "a settlement's epoch")
        if (cursor !== null) {
          yield* refused(evil.putSnapshot({ name: "evil", value: 1, cursor }), "a snapshot's cursor")
          if (cursor !== "1") yield* refused(evil.putSnapshot({ name: "evil", value: 1, channel: cursor }), "a snapshot's channel")
          if (cursor !== "1") yield* refused(evil.putSnapshot({ name: "evil", value: 1, sourceEventId: cursor }), "a snapshot's event")
          yield* refused(evil.putSnapshot({ name: "evil", value: 1 }, { expectedRevision: cursor }), "a revision")
        }
        yield* refused(evil.getArtifact("0".repeat(64), { channel: "evil.out", cursor }), "an artifact's event")
        // Where nothing can go wrong a nonsense number reads as "from the start".
        yield* Effect.exit(evil.read("evil.out", { after: cursor, limit: cursor }))
        yield* Effect.exit(evil.take("evil.work", { limit: cursor }))
      }
      for (const outcome of ["done", 1, null, "__proto__"]) {
        yield* refused(evil.settle("evil.work", [{ cursor: 1, epoch: 1, outcome: loose(outcome) }]), "an outcome")
      }
      for (const settlements of [null, {}, "x", [null], [1], trap(), Array(5_000).fill({ cursor: 1, epoch: 1, outcome: "ack" })]) {
        yield* refused(evil.settle("evil.work", loose(settlements)), "settlements")
      }
      for (const name of ["", "a b", "a/b", "..", 1, null, {}, "x".repeat(300)]) {
        yield* refused(evil.subscription(loose(name), "evil.out"), "a subscription's name")
        yield* refused(evil.advance(loose(name), "evil.out", 1), "a subscription's name")
      }
      for (const filter of [1, "x", { subject: 1 }, { kind: {} }, { recipient: ["evil"] }, { correlationId: 1n }]) {
        yield* refused(evil.read(wellKnown.kernelReplies, { filter: loose(filter) }), "a filter")
      }
      for (const bytes of [null, "text", [1, 2], { byteLength: 3 }, new ArrayBuffer(4)]) yield* refused(evil.putArtifact(loose(bytes)), "bytes")
      yield* goesOn(kernel, good)
    }))

  effect("cannot show one thing to the check and another to the store", () =>
    Effect.gen(function*() {
      const kernel = yield* open()
      const good = yield* probe(kernel, "good", neighbourly)
      yield* good.putSnapshot({ name: "good", value: "good's" })
      const { digest } = yield* good.putArtifact(new Uint8Array([1, 2, 3]))
      const [secret] = yield* good.append("good.out", [{ payload: { digest } }])
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "evil.out" }, { name: "evil.work", form: "queue" }], snapshots: ["evil"] })
      /** Answers `first` to the first look, then `then`. */
      const fickle = (member: string, first: unknown, then: unknown, rest: object = {}): any => {
        let looks = 0
        return Object.defineProperty({ ...rest }, member, { enumerable: true, get: () => (looks++ === 0 ? first : then) })
      }
      yield* Effect.exit(evil.putSnapshot(fickle("name", "evil", "good", { value: "evil's" })))
      yield* Effect.exit(evil.putSnapshot(fickle("name", "evil", "aaax.authority", { value: "evil's" })))
      expect((yield* good.getSnapshot("good")).value).toBe("good's")
      expect((yield* kernel.channels.store.getSnapshot("aaax.authority"))?.value).toBeUndefined()
      yield* refused(evil.getArtifact(digest, fickle("channel", "evil.out", "good.out", { cursor: secret!.cursor })), "another's artifact")
      yield* evil.append("evil.out", [fickle("recipient", "evil", "good", { payload: 1 })])
      expect((yield* evil.read("evil.out")).events).toMatchObject([{ recipient: "evil" }])
      yield* evil.append("evil.out", [{ payload: 1, labels: Object.assign(["plain"], { toJSON: () => ({ deep: { x: 1 } }) }) }])
      expect((yield* evil.read("evil.out")).events.at(-1)?.labels).toEqual(["plain"])
      // A payload that is small for the check and deep for the store harms no reader and no service.
      for (const depth of [100, 3_000, 20_000]) {
        yield* Effect.exit(evil.append("evil.out", [{ payload: fickle("x", 1, nested(depth)) }]))
        const asked = yield* Effect.exit(evil.append(wellKnown.capabilityRequest, [{ payload: fickle("scope", null, { deep: nested(depth) }, { resource: "x", access: "read" }) }]))
        if (Exit.isSuccess(asked)) expect((yield* awaitReply(evil, asked.value[0]!.id)).kind).toBe("capability_deny")
        yield* evil.read("evil.out")
      }
      // A list whose length changes is counted and kept as one and the same list.
      const list = new Proxy([{ payload: { resource: "x", access: "read" } }], {
        get: (target, member) => (member === "length" ? -1_000_000 : Reflect.get(target, member))
      })
      yield* Effect.exit(evil.append(wellKnown.capabilityRequest, list))
      yield* goesOn(kernel, good)
    }))

  effect("cannot ask for what only the kernel may: a lesser class, an unrecorded take", () =>
    Effect.gen(function*() {
      const kernel = yield* open()
      const good = yield* probe(kernel, "good", { provides: [...neighbourly.provides!, { name: "good.work", form: "queue", attemptsMax: 2 }], snapshots: ["good"] })
      const evil = yield* probe(kernel, "evil", { takes: ["good.work"], provides: [{ name: "evil.out" }] })
      const seen: Array<unknown> = []
      const { store } = kernel.channels
      const append = store.append
      loose(store).append = (...args: Parameters<typeof append>) => (seen.push(args[2].durability), append(...args))
      yield* evil.append("evil.out", [{ payload: 1 }], loose({ durability: "memory", gauge: { appends: -1e9, text: -1e9 } }))
      loose(store).append = append
      expect(seen).toEqual([undefined])
      yield* good.append("good.work", [{ payload: "poison" }])
      for (const attempt of [1, 2]) {
        const [item] = yield* evil.take("good.work", loose({ unrecorded: true }))
        expect(item).toMatchObject({ attempt })
        yield* evil.settle("good.work", [{ cursor: item!.event.cursor, epoch: item!.epoch, outcome: "nack" }])
      }
      expect(yield* evil.take("good.work")).toEqual([])
      yield* goesOn(kernel, good)
    }))

  effect("is told what would be allowed whenever it reaches beyond its wiring", () =>
    Effect.gen(function*() {
      const kernel = yield* open()
      const good = yield* probe(kernel, "good", { provides: [...neighbourly.provides!, { name: "good.work", form: "queue" }], snapshots: ["good"] })
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "evil.out" }], snapshots: ["evil"], reads: ["good.out"] })
      yield* good.append("good.work", [{ payload: 1 }])
      const reach: ReadonlyArray<readonly [Effect.Effect<unknown, { readonly _tag: string; readonly message: string }>, string]> = [
        [evil.take(wellKnown.actionGate), "evil may not take from aaax.action-gate: it is not wired to it in that direction. Allowed: evil.out."],
        [evil.take(wellKnown.capabilityRequest), "evil may not take from aaax.capability-request"],
        [evil.read(wellKnown.actionGate), "evil may not read aaax.action-gate: it is not wired to it in that direction. Allowed: aaax.kernel-replies, aaax.progress, aaax.heartbeat, evil.out, good.out."],
        [evil.backlog(wellKnown.actionGate), "evil may not read aaax.action-gate"],
        [evil.awaitBeyond(wellKnown.actionGate, 0), "evil may not read aaax.action-gate"],
        [evil.settle(wellKnown.actionGate, []), "evil may not take from aaax.action-gate"],
        [evil.renew(wellKnown.actionGate, 1, 1), "evil may not take from aaax.action-gate"],
        [evil.append(wellKnown.kernelReplies, [{ payload: 1, recipient: "good" }]), "evil may not append to aaax.kernel-replies"],
        [evil.append(wellKnown.heartbeat, [{ payload: 1 }]), "evil may not append to aaax.heartbeat"],
        [evil.append(wellKnown.lifecycle, [{ payload: { command: "revoke", system_id: "good" } }]), "evil may not append to aaax.lifecycle"],
        [evil.append(wellKnown.moduleLoader, [{ payload: {} }]), "evil may not append to aaax.module-loader"],
        [evil.read(wellKnown.journal), "evil may not read aaax.journal"],
        [evil.append(wellKnown.journal, [{ payload: 1 }]), "evil may not append to aaax.journal"],
        [evil.subscription("s", wellKnown.journal), "evil may not read aaax.journal"],
        [evil.read(wellKnown.capabilityRegistry), "evil may not read aaax.internal.capability-registry"],
        [evil.append(wellKnown.settlementOf("good.work"), [{ payload: { settled: [[1, 1]] } }]), "evil may not append to aaax.settlement.good.work"],
        [evil.append("good.out", [{ payload: 1 }]), "Add it to `writes` of the module's manifest."],
        [evil.take("good.work"), "Add it to `takes` of the module's manifest."],
        [evil.read("good.work"), "Add it to `reads` of the module's manifest."],
        [evil.putSnapshot({ name: "aaax.authority", value: {} }), "evil may not put snapshot aaax.authority: its manifest does not name it. Allowed: evil."],
        [evil.putSnapshot({ name: "good", value: {} }), "Add it to `snapshots` of the module's manifest."],
        [evil.getSnapshot("aaax.authority"), "Snapshot not found: aaax.authority."],
        [evil.read("god.out"), "Did you mean good.out?"]
      ]
      for (const [call, sentence] of reach) expect((yield* refused(call, sentence)).message).toContain(sentence)
      yield* goesOn(kernel, good)
    }))

  effect("gets nothing of the kernel's by a manifest, and no identity that is taken", () =>
    Effect.gen(function*() {
      const kernel = yield* open({ id: "host-id", channels: [{ name: "host.own" }] })
      const good = yield* probe(kernel, "good", neighbourly)
      const manifests: ReadonlyArray<readonly [string, object, string]> = [
        ["evil", { provides: [{ name: "aaax.evil" }] }, "names that begin with aaax. are the kernel's"],
        ["evil", { provides: [{ name: "aaax" }] }, "names that begin with aaax. are the kernel's"],
        ["evil", { provides: [{ name: "aaax.settlement.good.out" }] }, "names that begin with aaax. are the kernel's"],
        ["evil", { provides: [{ name: "good.out" }] }, "already registered by another system"],
        ["evil", { provides: [{ name: "host.own" }] }, "already registered by another system"],
        ["evil", { snapshots: ["aaax.authority"] }, "Snapshot 'aaax.authority' cannot be put"],
        ["evil", { takes: [wellKnown.actionGate] }, "does not offer to take"],
        ["evil", { reads: [wellKnown.journal] }, "is the kernel's own"],
        ["evil", { reads: [wellKnown.approvals] }, "docked as privileged"],
        ["aaax", {}, "is the kernel's own"],
        ["aaax.x", {}, "is the kernel's own"],
        ["aaax/x", {}, "is the kernel's own"],
        ["host-id", {}, "is the kernel's own"],
        ["", {}, "Invalid manifest"],
        ["a b", {}, "Invalid manifest"],
        ["x".repeat(300), {}, "Invalid manifest"],
        ["evil", { reads: "good.out" }, "Invalid manifest"],
        ["evil", { provides: [{ name: "evil.out", leaseMillis: -1 }] }, "Invalid manifest"],
        ["evil", { provides: [{ name: "evil.out", metadata: cyclic() }] }, "Invalid manifest"],
        ["evil", { reads: Array.from({ length: 1_000 }, () => "good.out") }, "The manifest names 1000 things"],
        ["evil", { description: "x".repeat(200_000) }, "The manifest is too large"]
      ]
      for (const [id, manifest, sentence] of manifests) {
        const error = yield* refused(kernel.dock({ manifest: { ...emptyManifest(id), ...loose(manifest) }, run: () => Effect.never }), sentence)
        expect(error.message).toContain(sentence)
      }
      yield* refused(kernel.dock(loose({})), "no manifest")
      yield* refused(kernel.dock(loose({ manifest: trap() })), "a trap for a manifest")
      expect(kernel.systems().map(({ id }) => id)).toEqual(["good"])
      yield* goesOn(kernel, good)
    }))

  effect("cannot speak, settle, spend or advance for another", () =>
    Effect.gen(function*() {
      const { calls, executor } = counted("x")
      const kernel = yield* open({ executors: [executor] })
      const good = yield* probe(kernel, "good", {
        provides: [...neighbourly.provides!, { name: "good.work", form: "queue" }], snapshots: ["good"], executors: ["x"]
      })
      const evil = yield* probe(kernel, "evil", { takes: ["good.work"], reads: ["good.out"], writes: ["good.out"], provides: [{ name: "evil.out" }] })
      const token = yield* tokenFor(good, "x")
      // Its token is of no use to others, under whatever name they ask.
      for (const claim of [{}, { from: "good" }, { system_id: "good" }, { sender: "good" }]) {
        const id = yield* requestAction(evil, { action: "do", executor: "x", target: "", capability: token, risk_level: "low", ...claim })
        expect(yield* awaitReply(evil, id)).toMatchObject({ kind: "action_denied", sender: "aaax", recipient: "evil" })
        expect(yield* replies(good, id)).toEqual([])
      }
      // A guess at the name of a grant is no better.
      for (const guess of [`first:${"0".repeat(16)}:good:execute:x`, "grant:1", "__proto__", "constructor", "*"]) {
        const id = yield* requestAction(evil, { action: "do", executor: "x", target: "", capability: guess, risk_level: "low" })
        expect((yield* awaitReply(evil, id)).payload).toMatchObject({ reason: "Invalid or expired capability token" })
      }
      expect(calls).toEqual([])
      // Another's lease, and forged epochs.
      yield* good.append("good.work", [{ payload: 1 }, { payload: 2 }])
      const [taken] = yield* good.take("good.work")
      const settle = (epoch: number) => evil.settle("good.work", [{ cursor: taken!.event.cursor, epoch, outcome: "ack" }])
      for (const epoch of [taken!.epoch, taken!.epoch + 1, 0, Number.MAX_SAFE_INTEGER]) {
        expect((yield* refused(settle(epoch), "another's lease"))._tag).toBe("LeaseLost")
        expect((yield* refused(evil.renew("good.work", taken!.event.cursor, epoch), "another's lease"))._tag).toBe("LeaseLost")
      }
      yield* good.settle("good.work", [{ cursor: taken!.event.cursor, epoch: taken!.epoch, outcome: "ack" }])
      // Subscriptions of one name are two.
      yield* good.advance("mine", "good.out", 1)
      yield* evil.advance("mine", "good.out", 1_000)
      expect((yield* good.subscription("mine", "good.out")).cursor).toBe(1)
      // In a channel where it may write it writes as itself.
      yield* evil.append("good.out", [{ payload: { sender: "good" }, source: "good" }])
      expect((yield* good.read("good.out")).events.at(-1)).toMatchObject({ sender: "evil", source: "good" })
      // Mail to others is not its to read.
      for (const recipient of ["good", ""]) {
        expect((yield* evil.read(wellKnown.kernelReplies, { filter: { recipient } })).events.every((event) => event.recipient === null)).toBe(true)
      }
      expect((yield* evil.read(wellKnown.kernelReplies, { limit: 1_000 })).events.every((event) => event.recipient === "evil")).toBe(true)
      // An artifact that no event names which it may read.
      const { digest } = yield* good.putArtifact(new Uint8Array([7]))
      const [named] = yield* good.append("good.work", [{ payload: { digest } }])
      expect((yield* refused(evil.getArtifact(digest, { channel: "good.out", cursor: 1 }), "another's artifact"))._tag).toBe("ArtifactNotFound")
      expect((yield* refused(evil.getArtifact(digest, { channel: "good.work", cursor: named!.cursor - 1 }), "another's artifact"))._tag).toBe("ArtifactNotFound")
      expect((yield* refused(evil.getArtifact("../../kernel.db", { channel: "evil.out", cursor: 1 }), "a path"))._tag).toBe("ArtifactNotFound")
      yield* goesOn(kernel, good)
    }))

  effect("cannot end the kernel's decisions with a request that no entry can hold", () =>
    Effect.gen(function*() {
      const { executor } = counted("x", { perform: () => Effect.succeed(nested(63)) })
      const kernel = yield* open({ policy: "default", executors: [executor] })
      const good = yield* probe(kernel, "good", neighbourly)
      const evil = yield* probe(kernel, "evil")
      // Deep enough for a request, and one too deep for the entry that would hold the grant.
      for (const depth of [60, 61, 62]) {
        const reply = yield* requestCapability(evil, { resource: "x", access: "read", scope: { deep: nested(depth) } })
        if (reply.kind !== "capability_grant") expect((reply.payload as { reason: string }).reason).toMatch(/^Malformed request: /u)
        yield* goesOn(kernel, good)
      }
      expect((yield* requestCapability(evil, { resource: "x", access: "read", scope: { deep: nested(62) } })).kind).toBe("capability_deny")
      // And an executor's answer that is just as deep.
      const id = yield* requestAction(evil, { action: "do", executor: "x", target: "", capability: yield* tokenFor(evil, "x"), risk_level: "low" })
      expect(yield* awaitReply(evil, id)).toMatchObject({ kind: "action_completed" })
      expect(yield* kernel.gate.list()).toEqual([])
      yield* goesOn(kernel, good)
    }))

  effect("that serves an executor can throw, lie and babble there, and every warrant still ends", () =>
    Effect.gen(function*() {
      const answers: ReadonlyArray<readonly [string, () => Effect.Effect<unknown, { readonly reason: string }>]> = [
        ["throws", () => { throw new Error("no") }],
        ["throws-oddly", () => { throw Object.create(null) }],
        ["no-effect", () => loose(undefined)],
        ["dies", () => Effect.die(trap())],
        ["fails-with-null", () => Effect.fail(loose(null))],
        ["fails-oddly", () => Effect.fail(loose({ reason: cyclic() }))],
        ["fails-at-length", () => Effect.fail({ reason: "x".repeat(3_000_000) })],
        ["cyclic", () => Effect.succeed(cyclic())],
        ["proxy", () => Effect.succeed(trap())],
        ["huge", () => Effect.succeed("y".repeat(300_000))],
        ["wide", () => Effect.succeed(Array.from({ length: 99_999 }, () => 0))],
        ["interrupts", () => Effect.interrupt]
      ]
      const kernel = yield* open({ policy: "default" })
      const good = yield* probe(kernel, "good", neighbourly)
      yield* probe(kernel, "evil", {}, {}, {
        executors: answers.map(([name, perform]) => ({ name, description: "", risk: "low" as const, recovery: "none" as const, perform }))
      })
      for (const [name] of answers) {
        const id = yield* requestAction(good, { action: "do", executor: name, target: "", capability: yield* tokenFor(good, name), risk_level: "low" })
        const receipt = yield* awaitReply(good, id).pipe(Effect.timeoutOrElse({ duration: 5_000, orElse: () => Effect.die(new Error(`${name} has no receipt`)) }))
        expect(["action_completed", "action_failed", "action_unknown"], name).toContain(receipt.kind)
      }
      yield* goesOn(kernel, good)
    }))

  effect("keeps nothing of its port when it is undocked, however it waits and whatever it forked", () =>
    Effect.gen(function*() {
      const kernel = yield* open()
      const good = yield* probe(kernel, "good", { provides: [...neighbourly.provides!, { name: "good.work", form: "queue" }], snapshots: ["good"] })
      const evil = yield* probe(kernel, "evil", { takes: ["good.work"], reads: ["good.out"], provides: [{ name: "evil.out" }] })
      const waiting: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        evil.take("good.work", { wait: true }), evil.take("good.work", { wait: true, limit: 10 }), evil.awaitBeyond("good.out", 10_000)
      ]
      const left = yield* Effect.forEach(waiting, (call) => Effect.forkDetach(Effect.exit(call), { startImmediately: true }))
      yield* kernel.undock("evil")
      for (const fiber of left) {
        const exit = yield* Fiber.join(fiber)
        expect(Exit.isFailure(exit) && exit.cause.reasons[0]).toMatchObject({ _tag: "Fail", error: { _tag: "Undocked", message: "evil has no port any more: undocked." } })
      }
      // What comes now is not for it, and no attempt is spent on it.
      yield* good.append("good.work", [{ payload: 1 }])
      expect(yield* good.take("good.work")).toMatchObject([{ attempt: 1 }])
      for (const call of [
        evil.append("evil.out", [{ payload: 1 }]), evil.append(wellKnown.capabilityRequest, [{ payload: {} }]), evil.read("good.out"), evil.take("good.work"), evil.channels,
        evil.getSnapshot("good"), evil.putSnapshot({ name: "x", value: 1 }), evil.putArtifact(new Uint8Array(1)), evil.subscription("s", "good.out"),
        evil.getArtifact("0".repeat(64), { channel: "good.out", cursor: 1 }), evil.settle("good.work", [{ cursor: 1, epoch: 1, outcome: "ack" }]),
        evil.renew("good.work", 1, 1), evil.awaitBeyond("good.out", 0), evil.backlog("good.work"), evil.event("e"), evil.advance("s", "good.out", 1)
      ]) expect((yield* refused(call, "a call"))._tag).toBe("Undocked")
      yield* goesOn(kernel, good)
    }))
})

const throwing2 = (member: string): unknown => Object.defineProperty({}, member, { enumerable: true, get: () => { throw new Error("trap") } })

describe("a module that fails", () => {
  const failing = (id: string, run: () => Effect.Effect<void, unknown>) => ({ manifest: emptyManifest(id), run })

  effect("at once, later, oddly or by interrupting itself is started again, then quarantined with its port; neighbours go on", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const good = yield* probe(kernel, "good", neighbourly)
      let port: Port | undefined
      const starts: Record<string, number> = {}
      const count = (id: string) => void (starts[id] = (starts[id] ?? 0) + 1)
      const systems: ReadonlyArray<readonly [string, (port: Port) => Effect.Effect<void, unknown>]> = [
        ["throws", () => { throw new Error("at once") }],
        ["later", () => Effect.andThen(Effect.sleep(1), Effect.fail(new Error("later")))],
        ["oddly", () => Effect.die(Object.create(null))],
        ["trap", () => Effect.fail(trap())],
        ["interrupts", () => Effect.interrupt],
        ["no-effect", () => loose(7)],
        ["keeps-its-port", (given) => { port = given; return Effect.fail(new Error("x")) }]
      ]
      for (const [id, run] of systems) {
        yield* kernel.dock({ ...failing(id, () => Effect.void), run: (given) => { count(id); return run(given) } })
      }
      yield* goesOn(kernel, good)
      yield* until(() => systems.every(([id]) => status(kernel, id) === "quarantined"))
      for (const [id] of systems) {
        expect(starts[id], id).toBe(restartsMax + 1)
        expect(kernel.systems().find((system) => system.id === id)).toMatchObject({ restarts: restartsMax, lastError: expect.stringMatching(/./u) })
      }
      const gone = yield* refused(port!.append(wellKnown.capabilityRequest, [{ payload: {} }]), "a quarantined port")
      expect(gone.message).toBe("keeps-its-port has no port any more: it is quarantined.")
      yield* goesOn(kernel, good)
      // An operator who has mended it gives it its port back.
      yield* kernel.resume("keeps-its-port")
      expect((yield* port!.read(wellKnown.heartbeat)).head).toBeGreaterThanOrEqual(0)
    }), 30_000)

  effect("in plain async code is treated the same, and what it left running has no port", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const good = yield* probe(kernel, "good", neighbourly)
      const outcomes: Array<string> = []
      let left: Port | undefined
      yield* kernel.dock(defineModule({ id: "sync", run: () => { throw new Error("before any await") } }))
      yield* kernel.dock(defineModule({ id: "rejects", run: async ({ port }) => {
        left = port
        await Promise.resolve()
        throw new Error("after an await")
      } }))
      yield* kernel.dock(defineModule({ id: "odd", run: () => Promise.reject(Object.create(null)) }))
      yield* kernel.dock(defineModule({ id: "polite", provides: [{ name: "polite.out" }], writes: { out: "polite.out", theirs: { channel: "aaax.kernel-replies" } } as const, run: async ({ writes }) => {
        await writes.theirs.append("forged")
      } })).pipe(Effect.catch((error) => Effect.sync(() => void outcomes.push(error.message))))
      expect(outcomes).toEqual(["Channel 'aaax.kernel-replies' does not offer to append."])
      yield* until(() => ["sync", "rejects", "odd"].every((id) => status(kernel, id) === "quarantined"))
      expect(kernel.systems().map(({ id, lastError }) => [id, lastError]).slice(1, 3)).toEqual([["sync", "before any await"], ["rejects", "after an await"]])
      expect((yield* refused(left!.append(wellKnown.capabilityRequest, [{ payload: {} }]), "a port"))._tag).toBe("Undocked")
      yield* goesOn(kernel, good)
    }), 30_000)

  effect("while it is paused stays paused", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const fail = yield* Deferred.make<never, Error>()
      let calls = 0
      yield* kernel.dock({ manifest: emptyManifest("a"), run: (port) => Effect.andThen(port.read(wellKnown.heartbeat), Effect.andThen(Effect.sync(() => void calls++), Deferred.await(fail))) })
      yield* until(() => calls === 1)
      yield* kernel.pause("a")
      yield* Deferred.fail(fail, new Error("while paused"))
      yield* until(() => kernel.systems()[0]!.restarts === 1)
      yield* Effect.sleep(150)
      expect([status(kernel, "a"), calls]).toEqual(["paused", 1])
    }))
})

describe("a revoked system", () => {
  effect("stays revoked whatever is asked of it afterwards, also after a restart of the question", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [counted("x").executor] })
      const chief = yield* probe(kernel, "chief", {}, { privileged: true })
      const port = yield* probe(kernel, "a", { executors: ["x"] })
      yield* kernel.revoke("a")
      for (const command of ["drain", "resume", "pause", "revoke"]) {
        const [asked] = yield* chief.append(wellKnown.lifecycle, [{ payload: { command, system_id: "a" } }])
        yield* awaitReply(chief, asked!.id)
        expect(status(kernel, "a"), command).toBe("revoked")
      }
      const changes = (yield* kernel.audit(0, 1_000)).filter(({ kind }) => kind === "system.changed").map(({ payload }) => (payload as { status: string }).status)
      expect(changes).toEqual(["revoked"])
      expect((yield* refused(port.read(wellKnown.heartbeat), "a revoked port"))._tag).toBe("Undocked")
    }))

  effect("has no call made for it that still waited for a place", () =>
    Effect.gen(function*() {
      const slow = held("slow")
      const kernel = yield* makeKernel({ executors: [slow.executor] })
      const busy = yield* probe(kernel, "busy", { executors: ["slow"] })
      const port = yield* probe(kernel, "a", { executors: ["slow"] })
      const request = (target: string, capability: string) => ({ action: "do", executor: "slow", target, capability, risk_level: "low" })
      const theirs = yield* tokenFor(busy, "slow")
      yield* Effect.forEach(Array.from({ length: 64 }, (_, at) => at), (at) => requestAction(busy, request(`busy${at}`, theirs)))
      yield* until(() => slow.calls.length === 64)
      const id = yield* requestAction(port, request("mine", yield* tokenFor(port, "slow")))
      yield* awaitReply(port, id, "action_approved")
      yield* kernel.revoke("a")
      slow.release()
      yield* until(() => kernel.status().unknown + slow.calls.length >= 64)
      yield* kernel.step
      expect(slow.calls.map(({ principal }) => principal)).not.toContain("a")
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "failed", reason: "its capability was revoked before it began" })
    }))
})

describe("what one system holds", () => {
  effect("is bounded: unanswered requests, also when it interrupts its appends", () =>
    Effect.gen(function*() {
      const kernel = yield* onSqlite({ launch: false })
      const evil = yield* probe(kernel, "evil")
      const ask = (key?: string) => evil.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }], key === undefined ? {} : { key })
      for (let at = 0; at < requestsPendingMax; at++) {
        const fiber = yield* Effect.forkDetach(ask(), { startImmediately: true })
        fiber.interruptUnsafe()
      }
      // They were interrupted, and kept all the same.
      yield* until(() => kernel.channels.store.statisticsOf(wellKnown.capabilityRequest)?.events === requestsPendingMax)
      expect((yield* refused(ask(), "one more"))).toMatchObject({ _tag: "Overloaded", limit: requestsPendingMax })
      yield* kernel.step
      yield* ask()
    }))

  effect("is bounded: subscriptions", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ launch: false })
      const evil = yield* probe(kernel, "evil", { provides: [{ name: "evil.out" }] })
      for (let at = 0; at < subscriptionsMax; at++) yield* kernel.channels.store.advance("evil", `s${at}`, "evil.out", 1)
      expect((yield* refused(evil.subscription("more", "evil.out"), "one more"))._tag).toBe("Overloaded")
      expect((yield* refused(evil.advance("more", "evil.out", 1), "one more"))._tag).toBe("Overloaded")
      expect(yield* evil.subscription("s1", "evil.out")).toMatchObject({ cursor: 1 })
      yield* evil.advance("s1", "evil.out", 2)
    }))
})
