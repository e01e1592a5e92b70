// Labels: what follows from a source says so, whoever writes it; rules speak of them, and only a human takes one away.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import type { Draft } from "../../../protocol/event.ts"
import { reported, type Executor } from "../../../protocol/executor.ts"
import type { Port } from "../../../protocol/port.ts"
import { makeClock, type KernelClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { makeKernel, testTime, type TestKernel } from "../../../kernel/testing.ts"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, replies, tokenFor } from "../../kit/probe.ts"

const log = { name: "notes", durability: "memory" } as const

const storeOf = Effect.fnUntraced(function*(backend: "memory" | "sqlite", clock: KernelClock): Effect.fn.Return<StoreService, never, Scope.Scope> {
  if (backend === "memory") return yield* Memory.make({ clock })
  const folder = yield* Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "aaax-labels-"))), (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })))
  return yield* Effect.orDie(Sqlite.make({ path: join(folder, "kernel.db"), clock }))
})

const append = (port: Port, channel: string, draft: Draft) => Effect.map(port.append(channel, [draft]), ([appended]) => appended!.id)
const labelsOf = (kernel: TestKernel, id: string) => Effect.map(kernel.channels.store.event(id), (event) => event?.labels)
const ask = (executor: string, capability: string, more: object = {}) => ({ action: "do", executor, target: "t", payload: null, capability, risk_level: "low", ...more })
const request = (port: Port, payload: object, parentIds: ReadonlyArray<string> = []) => append(port, "aaax.action-gate", { kind: "action_request", payload, parentIds })

describe("an event", () => {
  for (const backend of ["memory", "sqlite"] as const) {
    effect(`carries the labels of its channel and of its parents, and cannot leave one out (${backend})`, () =>
      Effect.gen(function*() {
        const time = testTime()
        const clock = makeClock(time)
        const store = yield* storeOf(backend, clock)
        const kernel = yield* makeKernel({ store, time, channels: [
          { name: "mail", labels: ["untrusted.mail"] }, { ...log, durability: "strict" }, { name: "secrets", labels: ["secret"] }
        ] })
        const port = yield* probe(kernel, "a", { reads: ["mail"], writes: ["mail", "notes", "secrets"] })
        const mail = yield* append(port, "mail", { payload: { text: "hello" } })
        expect(yield* labelsOf(kernel, mail)).toEqual(["untrusted.mail"])
        const secret = yield* append(port, "secrets", { labels: ["zeta", "alpha"] })
        expect(yield* labelsOf(kernel, secret)).toEqual(["alpha", "secret", "zeta"])
        const both = yield* append(port, "notes", { parentIds: [mail, secret], labels: [], payload: { labels: ["none"] }, traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" })
        expect(yield* labelsOf(kernel, both)).toEqual(["alpha", "secret", "untrusted.mail", "zeta"])
        expect(yield* kernel.channels.store.event(both)).toMatchObject({ payload: { labels: ["none"] }, traceparent: expect.stringContaining("00-0af") })
        const grandchild = yield* append(port, "notes", { parentIds: [both] })
        expect(yield* labelsOf(kernel, grandchild)).toEqual(["alpha", "secret", "untrusted.mail", "zeta"])
        expect(yield* labelsOf(kernel, yield* append(port, "notes", {}))).toEqual([])
      }))

    effect(`inherits from a parent of the same batch, and from one that is being appended in the same moment (${backend})`, () =>
      Effect.gen(function*() {
        const time = testTime()
        const clock = makeClock(time)
        const store = yield* storeOf(backend, clock)
        const kernel = yield* makeKernel({ store, time, channels: [{ ...log, durability: "strict" }] })
        const port = yield* probe(kernel, "a", { writes: ["notes"] })
        const [, inBatch] = yield* port.append("notes", [{ id: "one", labels: ["x"] }, { parentIds: ["one"] }])
        expect(yield* labelsOf(kernel, inBatch!.id)).toEqual(["x"])
        const [, later] = yield* Effect.all([append(port, "notes", { id: "two", labels: ["y"] }), append(port, "notes", { parentIds: ["two"] })], { concurrency: 2 })
        expect(yield* labelsOf(kernel, later)).toEqual(["y"])
      }))
  }

  effect("is the same when it is appended again under its key, whatever it inherits by then", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ channels: [log] })
      const port = yield* probe(kernel, "a", { writes: ["notes"] })
      const digest = createHash("sha256").update("x").digest("hex")
      const draft = { payload: { digest } }
      const [first] = yield* port.append("notes", [draft], { key: "k" })
      yield* append(port, "notes", { labels: ["secret"], payload: { digest } })
      const [again] = yield* port.append("notes", [draft], { key: "k" })
      expect(again!.id).toBe(first!.id)
    }))

  effect("with too many of them is refused, and nothing of it is kept", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ channels: [log] })
      const port = yield* probe(kernel, "a", { writes: ["notes"] })
      const parents: Array<string> = []
      for (let n = 0; n < 9; n++) parents.push(yield* append(port, "notes", { labels: Array.from({ length: 32 }, (_, at) => `${n}.${at}`) }))
      expect(yield* Effect.flip(port.append("notes", [{ parentIds: parents }]))).toMatchObject({ _tag: "InvalidPayload", path: "labels" })
      expect(kernel.channels.store.statisticsOf("notes")?.events).toBe(9)
    }))

  effect("that names an artifact of a labelled one carries its labels, also after a restart", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      let digest = ""
      yield* Effect.scoped(Effect.gen(function*() {
        const kernel = yield* makeKernel({ store, time, channels: [log] })
        const port = yield* probe(kernel, "a", { writes: ["notes"] })
        digest = (yield* port.putArtifact(new TextEncoder().encode("page"), "text/plain")).digest
        yield* append(port, "notes", { labels: ["untrusted.web"], payload: { page: digest } })
      }))
      const kernel = yield* makeKernel({ store, time, channels: [log] })
      const port = yield* probe(kernel, "b", { writes: ["notes"] })
      expect(yield* labelsOf(kernel, yield* append(port, "notes", { payload: { see: [`sha256:${digest}`] } }))).toEqual(["untrusted.web"])
      expect(yield* labelsOf(kernel, yield* append(port, "notes", { metadata: { artifact: digest } }))).toEqual(["untrusted.web"])
      expect(yield* labelsOf(kernel, yield* append(port, "notes", { payload: { see: digest.slice(1) } }))).toEqual([])
    }))

  effect("that could not be handled leaves its labels on its dead letter", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ channels: [{ name: "jobs", form: "queue", labels: ["untrusted.jobs"] }] })
      const port = yield* probe(kernel, "a", { writes: ["jobs"], takes: ["jobs"] })
      yield* append(port, "jobs", { payload: { n: 1 } })
      const [taken] = yield* port.take("jobs", { limit: 1 })
      yield* port.settle("jobs", [{ cursor: taken!.event.cursor, epoch: taken!.epoch, outcome: "dead", reason: "no" }])
      const page = yield* kernel.channels.read("test", "jobs.dead", {})
      expect(page.events.map(({ labels }) => labels)).toEqual([["untrusted.jobs"]])
    }))
})

const fetching: Executor = {
  ...counted("fetch").executor, labels: ["untrusted.web"],
  perform: (call) => Effect.succeed(reported({ result: { page: (call.payload as { readonly page?: string } | null)?.page ?? "hi" }, labels: ["lang.en"] }))
}

describe("an action", () => {
  effect("carries the labels of what it was asked for, and its result those of its executor as well", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [fetching], channels: [log, { name: "mail", labels: ["untrusted.mail"] }] })
      const port = yield* probe(kernel, "a", { executors: ["fetch"], writes: ["notes", "mail"] })
      const token = yield* tokenFor(port, "fetch")
      const mail = yield* append(port, "mail", {})
      const id = yield* request(port, ask("fetch", token), [mail])
      const receipt = yield* awaitReply(port, id)
      expect(receipt).toMatchObject({ kind: "action_completed", labels: ["lang.en", "untrusted.mail", "untrusted.web"] })
      expect((yield* replies(port, id)).find(({ kind }) => kind === "action_approved")?.labels).toEqual(["untrusted.mail"])
      expect(yield* kernel.gate.show(id)).toMatchObject({ labels: ["lang.en", "untrusted.mail", "untrusted.web"] })
      expect(yield* labelsOf(kernel, yield* append(port, "notes", { parentIds: [receipt.id] }))).toEqual(["lang.en", "untrusted.mail", "untrusted.web"])
    }))

  effect("hands its labels on with a result that became an artifact, and with one that it names", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [fetching], channels: [log] })
      const port = yield* probe(kernel, "a", { executors: ["fetch"], writes: ["notes"] })
      const token = yield* tokenFor(port, "fetch")
      const large = yield* awaitReply(port, yield* request(port, ask("fetch", token, { payload: { page: "x".repeat(80_000) } })))
      const { result_artifact: artifact } = large.payload as { readonly result_artifact: string }
      const next = yield* request(port, ask("fetch", token, { payload: { again: artifact } }))
      expect((yield* awaitReply(port, next)).labels).toEqual(["lang.en", "untrusted.web"])
      const named = createHash("sha256").update("body").digest("hex")
      yield* awaitReply(port, yield* request(port, ask("fetch", token, { payload: { page: named } })))
      expect(yield* labelsOf(kernel, yield* append(port, "notes", { payload: { named } }))).toEqual(["lang.en", "untrusted.web"])
    }))
})

const sending = counted("send", { external: true })
const flow = { flow: [{ when: ["untrusted.*"], external: true, answer: "escalate" }, { when: ["secret", "untrusted.*"], answer: "deny" }] }

describe("a rule about flow", () => {
  effect("asks a human before what follows from a stranger is sent out, and refuses it together with a secret", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ executors: [sending.executor, counted("local").executor], policy: flow, channels: [
        { name: "mail", labels: ["untrusted.mail"] }, { name: "secrets", labels: ["secret"] }
      ] })
      const port = yield* probe(kernel, "a", { executors: ["send", "local"], writes: ["mail", "secrets"] })
      const [send, local] = [yield* tokenFor(port, "send"), yield* tokenFor(port, "local")]
      const mail = yield* append(port, "mail", {})
      const secret = yield* append(port, "secrets", {})
      const kindOf = (executor: string, token: string, parents: ReadonlyArray<string>) =>
        Effect.flatMap(request(port, ask(executor, token), parents), (id) => Effect.map(
          Effect.raceFirst(awaitReply(port, id), awaitReply(port, id, "action_escalated")), ({ kind }) => kind))
      expect(yield* kindOf("send", send, [])).toBe("action_completed")
      expect(yield* kindOf("send", send, [secret])).toBe("action_completed")
      expect(yield* kindOf("local", local, [mail])).toBe("action_completed")
      expect(yield* kindOf("send", send, [mail])).toBe("action_escalated")
      expect(yield* kindOf("local", local, [mail, secret])).toBe("action_denied")
    }))
})

describe("taking a label away", () => {
  const world = Effect.fnUntraced(function*(policy: unknown) {
    const kernel = yield* makeKernel({ ...(policy === undefined ? {} : { policy }), channels: [log] })
    const port = yield* probe(kernel, "a", { executors: ["declassify"], writes: ["notes"] })
    const { digest } = yield* port.putArtifact(new TextEncoder().encode("page"), "text/plain")
    const source = yield* append(port, "notes", { labels: ["untrusted.web", "secret"], payload: { page: digest } })
    return { kernel, port, digest, source, token: yield* tokenFor(port, "declassify") }
  })

  for (const policy of [undefined, { name: "open", description: "", decide: () => ({ outcome: "allow" as const }) }]) {
    effect(`from what follows from an event always asks a human, and holds from then on (${policy === undefined ? "our policy" : "one that allows everything"})`, () =>
      Effect.gen(function*() {
        const { kernel, port, source, token } = yield* world(policy)
        const before = yield* append(port, "notes", { parentIds: [source] })
        const id = yield* request(port, ask("declassify", token, { target: `event:${source}`, payload: { labels: ["untrusted.web"] } }))
        yield* awaitReply(port, id, "action_escalated")
        expect(yield* labelsOf(kernel, yield* append(port, "notes", { parentIds: [source] }))).toEqual(["secret", "untrusted.web"])
        yield* kernel.gate.approve(id, "operator")
        expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed", payload: { result: { target: `event:${source}`, labels: ["untrusted.web"] } } })
        expect(yield* labelsOf(kernel, yield* append(port, "notes", { parentIds: [source] }))).toEqual(["secret"])
        // What followed before is not touched.
        expect(yield* labelsOf(kernel, yield* append(port, "notes", { parentIds: [before] }))).toEqual(["secret", "untrusted.web"])
        expect((yield* kernel.audit(0, 1_000)).filter(({ kind }) => kind === "labels.removed")).toMatchObject([{ payload: { warrant: id, by: "operator" } }])
      }))
  }

  effect("from an artifact takes away those labels, and no standing approval lets it pass", () =>
    Effect.gen(function*() {
      const { digest, kernel, port, token } = yield* world(undefined)
      const id = yield* request(port, ask("declassify", token, { target: `artifact:${digest}`, payload: { labels: ["secret"] } }))
      yield* awaitReply(port, id, "action_escalated")
      yield* Effect.exit(kernel.gate.approve(id, "operator", { standing: { millis: 60_000, target: "**" } }))
      yield* Effect.exit(kernel.gate.approve(id, "operator"))
      yield* awaitReply(port, id)
      expect(yield* labelsOf(kernel, yield* append(port, "notes", { payload: { digest } }))).toEqual(["untrusted.web"])
      const again = yield* request(port, ask("declassify", token, { target: `artifact:${digest}`, payload: { labels: ["untrusted.web"] } }))
      expect((yield* Effect.raceFirst(awaitReply(port, again), awaitReply(port, again, "action_escalated"))).kind).toBe("action_escalated")
    }))

  effect("that is not there, or from nothing, is refused", () =>
    Effect.gen(function*() {
      const { kernel, port, source, token } = yield* world(undefined)
      for (const target of ["notes", "artifact:12", "event:", "event:a/b"]) {
        expect((yield* awaitReply(port, yield* request(port, ask("declassify", token, { target, payload: { labels: ["x"] } })))).kind).toBe("action_denied")
      }
      const gone = yield* request(port, ask("declassify", token, { target: "event:none", payload: { labels: ["x"] } }))
      yield* awaitReply(port, gone, "action_escalated")
      yield* kernel.gate.approve(gone, "ann")
      expect(yield* awaitReply(port, gone)).toMatchObject({ kind: "action_failed", payload: { reason: "there is no such event" } })
      const id = yield* request(port, ask("declassify", token, { target: `event:${source}`, payload: { labels: ["other"] } }))
      yield* awaitReply(port, id, "action_escalated")
      yield* kernel.gate.approve(id, "operator")
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_failed", payload: { reason: expect.stringContaining("does not carry other; it carries") } })
    }))
})
