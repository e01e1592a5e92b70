// Taking back what was done: a warrant of its own, at most once, by the operator or by whoever did it.
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { reported, type Executor } from "../../../protocol/executor.ts"
import { makeClock } from "../../../kernel/clock.ts"
import * as FsWrite from "../../../kernel/executor/fs-write.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeKernel, testTime, type TestKernel } from "../../../kernel/testing.ts"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../../kit/probe.ts"

/** One that counts up, and can be counted down again. */
const counting = (more: Partial<Executor> = {}) => {
  const back: Array<unknown> = []
  const { calls, executor } = counted("count", {
    compensate: (call, done) => Effect.sync(() => {
      back.push({ key: call.key, original: done.original.warrant, payload: done.original.payload, result: done.result, undo: done.undo })
      return { back: back.length }
    }),
    ...more
  })
  return { back, calls, executor: { ...executor, perform: (call: Parameters<Executor["perform"]>[0]) => Effect.map(executor.perform(call), () => reported({ result: { said: 1 }, undo: { was: 0 } })) } }
}

const ask = (capability: string, more: object = {}) => ({ action: "do", executor: "count", target: "t", payload: { n: 1 }, capability, risk_level: "low", ...more })
const takeBack = (capability: string, compensates: string, more: object = {}) => ({ action: "undo", executor: "count", target: "t", capability, risk_level: "low", compensates, ...more })

/** Completes when the warrant has ended. */
const ended = (kernel: TestKernel, id: string) => Effect.gen(function*() {
  for (;;) {
    const shown = yield* kernel.gate.show(id)
    if (!["started", "escalated"].includes(shown.state)) return shown
    yield* Effect.sleep(1)
  }
})

const world = Effect.fnUntraced(function*(executor: Executor) {
  const kernel = yield* makeKernel({ executors: [executor] })
  const port = yield* probe(kernel, "a", { executors: ["count"] })
  const token = yield* tokenFor(port, "count")
  const id = yield* requestAction(port, ask(token))
  yield* awaitReply(port, id)
  return { kernel, port, token, id }
})

describe("what was done", () => {
  effect("is taken back by the operator, as its own warrant, and its requester is told", () =>
    Effect.gen(function*() {
      const { back, executor } = counting()
      const { id, kernel, port } = yield* world(executor)
      const own = yield* kernel.gate.compensate(id, "operator", "a mistake")
      expect(yield* ended(kernel, own.id)).toMatchObject({ state: "succeeded", compensates: id, requester: "a", approvedBy: "operator", result: { back: 1 } })
      expect(back).toEqual([{ key: own.id, original: id, payload: { n: 1 }, result: { said: 1 }, undo: { was: 0 } }])
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "compensated", compensation: { warrant: own.id, outcome: "succeeded" } })
      expect(yield* awaitReply(port, id, "action_compensated")).toMatchObject({ payload: { request_id: id, compensation: own.id } })
      expect(yield* kernel.gate.list({ state: "compensated" })).toMatchObject([{ id }])
      // What takes back says in its entry what it does: nothing of it is missing.
      expect((yield* kernel.verifyAudit).bodies).toEqual({ kept: 2, erased: 0 })
      // The intent is there before the effect.
      const kinds = (yield* kernel.audit(0, 1_000)).filter(({ correlationId }) => correlationId === id || correlationId === own.id).map(({ kind }) => kind)
      expect(kinds).toEqual(["action.decided", "warrant.finished", "action.decided", "warrant.compensating", "warrant.finished", "warrant.compensated"])
      // What undo needs is nobody's but the kernel's.
      expect(JSON.stringify((yield* awaitReply(port, id)).payload)).not.toContain("was")
    }))

  effect("is taken back once, however many ask at the same time", () =>
    Effect.gen(function*() {
      const { back, executor } = counting()
      const { id, kernel, port, token } = yield* world(executor)
      const exits = yield* Effect.all([
        Effect.exit(kernel.gate.compensate(id, "operator", "")), Effect.exit(kernel.gate.compensate(id, "operator", "")),
        Effect.exit(Effect.flatMap(requestAction(port, takeBack(token, id)), (own) => awaitReply(port, own))), Effect.exit(Effect.flatMap(requestAction(port, takeBack(token, id)), (own) => awaitReply(port, own)))
      ], { concurrency: 4 })
      expect(exits).toHaveLength(4)
      for (const warrant of yield* kernel.gate.list()) yield* ended(kernel, warrant.id)
      expect(back).toHaveLength(1)
      expect(yield* Effect.flip(kernel.gate.compensate(id, "operator", ""))).toMatchObject({ _tag: "WarrantConflict", reason: "it was taken back before" })
    }))

  effect("is taken back once, also when its story is read slowly while somebody else takes it back", () =>
    Effect.gen(function*() {
      const { back, executor } = counting()
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      let held: string | undefined
      let release = (): void => undefined
      const released = new Promise<void>((resolve) => (release = resolve))
      const slow: typeof store = {
        ...store,
        read: (channel, options) => Effect.tap(store.read(channel, options), () => {
          if (held === undefined || options.filter?.correlationId !== held) return Effect.void
          held = undefined
          return Effect.promise(() => released)
        })
      }
      const kernel = yield* makeKernel({ store: slow, time, executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const id = yield* requestAction(port, ask(yield* tokenFor(port, "count")))
      yield* awaitReply(port, id)
      held = id
      const first = yield* Effect.forkChild(Effect.exit(kernel.gate.compensate(id, "operator", "slow")), { startImmediately: true })
      const second = yield* Effect.forkChild(Effect.exit(kernel.gate.compensate(id, "operator", "quick")), { startImmediately: true })
      // Turns enough for the second to be done, if it did not wait for the first.
      for (let turns = 0; turns < 300; turns++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      release()
      const exits = [yield* Fiber.join(first), yield* Fiber.join(second)]
      for (const warrant of yield* kernel.gate.list()) yield* ended(kernel, warrant.id)
      expect(exits.filter(({ _tag }) => _tag === "Success")).toHaveLength(1)
      expect(back).toHaveLength(1)
    }))

  effect("is taken back by its requester through the gate: with its own grant, executor and target, and by nobody else", () =>
    Effect.gen(function*() {
      const { back, executor } = counting()
      const { id, kernel, port, token } = yield* world(executor)
      const other = yield* probe(kernel, "b", { executors: ["count"] })
      const theirs = yield* tokenFor(other, "count")
      const refused = (from: typeof port, payload: object) => Effect.map(Effect.flatMap(requestAction(from, payload as Readonly<Record<string, unknown>>), (own) => awaitReply(from, own)), ({ kind, payload: told }) => [kind, (told as { readonly reason: string }).reason])
      expect(yield* refused(other, takeBack(theirs, id))).toEqual(["action_denied", `You have no warrant ${id} to take back`])
      expect(yield* refused(port, takeBack(token, "nothing"))).toEqual(["action_denied", "You have no warrant nothing to take back"])
      expect((yield* refused(port, takeBack(token, id, { target: "u" })))[1]).toContain("with its own executor and target (count, t)")
      expect((yield* refused(port, takeBack(token, id, { payload: { n: 2 } })))[0]).toBe("action_denied")
      expect((yield* refused(port, takeBack("none", id)))[0]).toBe("action_denied")
      expect(back).toEqual([])
      const own = yield* requestAction(port, takeBack(token, id))
      expect(yield* awaitReply(port, own)).toMatchObject({ kind: "action_completed", payload: { result: { back: 1 } } })
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "compensated" })
      // Taking back the taking back would be doing it again.
      expect((yield* refused(port, takeBack(token, own)))[1]).toContain("it took back another one itself")
    }))

  effect("asks a human when its executor is risky, and is not taken back when that one says no", () =>
    Effect.gen(function*() {
      const { back, executor } = counting({ risk: "irreversible" })
      const kernel = yield* makeKernel({ executors: [executor] })
      const port = yield* probe(kernel, "a", { executors: ["count"] })
      const token = yield* tokenFor(port, "count")
      const id = yield* requestAction(port, ask(token))
      yield* awaitReply(port, id, "action_escalated")
      yield* kernel.gate.approve(id, "operator")
      yield* awaitReply(port, id)
      const first = yield* requestAction(port, takeBack(token, id))
      yield* awaitReply(port, first, "action_escalated")
      yield* kernel.gate.deny(first, "operator", "no")
      yield* awaitReply(port, first)
      expect(back).toEqual([])
      const second = yield* requestAction(port, takeBack(token, id))
      yield* awaitReply(port, second, "action_escalated")
      yield* kernel.gate.approve(second, "operator")
      yield* awaitReply(port, second)
      expect(back).toHaveLength(1)
    }))

  effect("stays as it is when taking back fails, and can be tried again; when nobody knows, somebody has to say first", () =>
    Effect.gen(function*() {
      let tries = 0
      const { executor } = counting({ compensate: () => Effect.suspend((): Effect.Effect<unknown, { readonly reason: string }> => {
        tries++
        return tries === 1 ? Effect.fail({ reason: "not now" }) : tries === 2 ? Effect.die(new Error("lost")) : Effect.succeed("back")
      }) })
      const { id, kernel } = yield* world(executor)
      const first = yield* kernel.gate.compensate(id, "operator", "")
      expect(yield* ended(kernel, first.id)).toMatchObject({ state: "failed", reason: "not now" })
      expect(yield* kernel.gate.show(id)).toMatchObject({ state: "succeeded", compensation: { outcome: "failed" } })
      const second = yield* kernel.gate.compensate(id, "operator", "")
      expect(yield* ended(kernel, second.id)).toMatchObject({ state: "unknown" })
      expect(yield* Effect.flip(kernel.gate.compensate(id, "operator", ""))).toMatchObject({ reason: expect.stringContaining(`aaax gate reconcile ${second.id}`) })
      yield* kernel.gate.reconcile(second.id, "operator", "failed", "looked")
      const third = yield* kernel.gate.compensate(id, "operator", "")
      expect(yield* ended(kernel, third.id)).toMatchObject({ state: "succeeded" })
      expect(tries).toBe(3)
    }))

  effect("cannot be taken back when it did not succeed, or its executor cannot", () =>
    Effect.gen(function*() {
      const { executor } = counting()
      const { compensate: _, ...without } = executor
      const { id, kernel } = yield* world(without)
      expect(yield* Effect.flip(kernel.gate.compensate(id, "operator", ""))).toMatchObject({ _tag: "WarrantConflict", reason: "count cannot take back what it did" })
      expect(yield* Effect.flip(kernel.gate.compensate("nothing", "operator", ""))).toMatchObject({ _tag: "WarrantNotFound" })
      const failing = yield* world({ ...executor, perform: () => Effect.fail({ reason: "no" }) })
      expect(yield* Effect.flip(failing.kernel.gate.compensate(failing.id, "operator", ""))).toMatchObject({ reason: "only what succeeded can be taken back; it is failed" })
    }))

  effect("is not taken back without the arguments that it was done with", () =>
    Effect.gen(function*() {
      const { back, executor } = counting()
      const { id, kernel } = yield* world(executor)
      yield* kernel.step
      yield* kernel.channels.evict(wellKnown.actionGate, { maxCount: 0 })
      const own = yield* kernel.gate.compensate(id, "operator", "")
      expect(yield* ended(kernel, own.id)).toMatchObject({ state: "failed", reason: "the arguments of what is to be taken back are not there any more" })
      expect(back).toEqual([])
    }))

  for (const [recovery, calls] of [["idempotent", 2], ["none", 1]] as const) {
    effect(`and was being taken back when the kernel ended is ${recovery === "none" ? "unknown, and not called again" : "called once more"} (${recovery})`, () =>
      Effect.gen(function*() {
        const time = testTime()
        const store = yield* Memory.make({ clock: makeClock(time) })
        const keys: Array<string> = []
        let begun: (() => void) | undefined
        const started = new Promise<void>((resolve) => (begun = resolve))
        let isHeld = true
        const { executor } = counting({
          compensateRecovery: recovery,
          compensate: (call) => Effect.suspend(() => {
            keys.push(call.key)
            begun?.()
            return isHeld ? Effect.never : Effect.succeed("back")
          })
        })
        let id = ""
        let own = ""
        yield* Effect.scoped(Effect.gen(function*() {
          const kernel = yield* makeKernel({ store, time, executors: [executor] })
          const port = yield* probe(kernel, "a", { executors: ["count"] })
          id = yield* requestAction(port, ask(yield* tokenFor(port, "count")))
          yield* awaitReply(port, id)
          own = (yield* kernel.gate.compensate(id, "operator", "")).id
          yield* Effect.promise(() => started)
        }))
        isHeld = false
        const kernel = yield* makeKernel({ store, time, executors: [executor] })
        expect(yield* ended(kernel, own)).toMatchObject({ state: recovery === "none" ? "unknown" : "succeeded" })
        expect(keys).toEqual(Array.from({ length: calls }, () => own))
        expect((yield* kernel.gate.show(id)).state).toBe(recovery === "none" ? "succeeded" : "compensated")
      }))
  }
})

describe("fs.write", () => {
  const files = Effect.fnUntraced(function*() {
    const root = yield* Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "aaax-back-"))), (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
    const kernel = yield* makeKernel({ executors: [FsWrite.executor({ roots: [root] })] })
    const port = yield* probe(kernel, "a", { executors: ["fs.write"] })
    const token = yield* tokenFor(port, "fs.write")
    const write = Effect.fnUntraced(function*(target: string, content: string) {
      const id = yield* requestAction(port, { action: "write", executor: "fs.write", target, payload: { content }, capability: token, risk_level: "low" })
      yield* awaitReply(port, id)
      return id
    })
    const back = (id: string) => Effect.flatMap(kernel.gate.compensate(id, "operator", ""), (own) => ended(kernel, own.id))
    return { root, kernel, port, write, back }
  })

  effect("puts back what was there, with its mode, and removes what was not there", () =>
    Effect.gen(function*() {
      const { back, root, write } = yield* files()
      const path = join(root, "a.txt")
      writeFileSync(path, "before")
      chmodSync(path, 0o640)
      const first = yield* write("a.txt", "after")
      const second = yield* write("sub/new.txt", "made")
      expect(readFileSync(path, "utf8")).toBe("after")
      expect(yield* back(first)).toMatchObject({ state: "succeeded" })
      expect([readFileSync(path, "utf8"), statSync(path).mode & 0o777]).toEqual(["before", 0o640])
      expect(yield* back(second)).toMatchObject({ state: "succeeded", result: { sha256: null } })
      expect(existsSync(join(root, "sub/new.txt"))).toBe(false)
    }))

  effect("leaves what somebody changed since, and what was too large to keep", () =>
    Effect.gen(function*() {
      const { back, kernel, root, write } = yield* files()
      const first = yield* write("a.txt", "after")
      for (const others of ["somebody else's", "AFTER"]) {
        writeFileSync(join(root, "a.txt"), others)
        expect(yield* back(first)).toMatchObject({ state: "failed", reason: "a.txt is not what was written there any more; somebody has changed it since" })
        expect(readFileSync(join(root, "a.txt"), "utf8")).toBe(others)
      }
      writeFileSync(join(root, "b.txt"), "x".repeat(1_100_000))
      const second = yield* write("b.txt", "small")
      expect(yield* back(second)).toMatchObject({ state: "failed", reason: expect.stringContaining("was not kept: it had more than") })
      expect(readFileSync(join(root, "b.txt"), "utf8")).toBe("small")
      expect(yield* kernel.gate.show(second)).toMatchObject({ state: "succeeded" })
    }))

  effect("does not tell its requester what was there before", () =>
    Effect.gen(function*() {
      const { port, root, write } = yield* files()
      writeFileSync(join(root, "a.txt"), "a secret of somebody else")
      const id = yield* write("a.txt", "after")
      const receipt = yield* awaitReply(port, id)
      const { digest } = yield* port.putArtifact(new TextEncoder().encode("a secret of somebody else"), "text/plain")
      expect(JSON.stringify(receipt)).not.toContain(digest)
      expect(yield* Effect.flip(port.getArtifact(digest, { channel: receipt.channel, cursor: receipt.cursor }))).toMatchObject({ _tag: "ArtifactNotFound" })
    }))
})
