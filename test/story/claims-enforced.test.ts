// A claim is enforced: whoever held it once writes nothing into it any more, and nobody is told that it is theirs while a former
// holder's write is still under way.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { coordination, defineModule, EffectFailed } from "aaax"
import { describe, expect } from "vitest"
import * as FsWrite from "../../kernel/executor/fs-write.ts"
import { makeKernel } from "../../kernel/testing.ts"
import { coordinator } from "../../modules/coordinator/index.ts"
import type { Answer, Ask } from "../../protocol/coordination.ts"
import type { Port } from "../../protocol/port.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../kit/probe.ts"

/** A write that stops on its way: after its last look at the claims, or before it. */
const slow = (root: string, where: "before" | "after") => {
  const arrived = Deferred.makeUnsafe<void>()
  const release = Deferred.makeUnsafe<void>()
  const executor = FsWrite.executor({ roots: [root] })
  const pause = Effect.andThen(Deferred.succeed(arrived, undefined), Deferred.await(release))
  let first = true
  return {
    arrived: Deferred.await(arrived),
    release: Deferred.succeed(release, undefined),
    executor: {
      ...executor,
      perform: (call: Parameters<typeof executor.perform>[0], powers: Parameters<typeof executor.perform>[1]) => {
        if (!first || powers === undefined) return executor.perform(call, powers)
        first = false
        return where === "before"
          ? Effect.andThen(pause, executor.perform(call, powers))
          : executor.perform(call, { ...powers, mayChange: (paths) => Effect.tap(powers.mayChange(paths), () => pause) })
      }
    }
  }
}

const setup = Effect.fnUntraced(function*(where: "before" | "after") {
  const root = yield* Effect.acquireRelease(
    Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "aaax-enforced-")))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
  )
  const held = slow(root, where)
  const kernel = yield* makeKernel({ directory: root, executors: [held.executor] })
  yield* kernel.dock(coordinator())
  const seat = Effect.fnUntraced(function*(id: string) {
    const port = yield* probe(kernel, id, { executors: ["fs.write"] }, { channels: [...coordination.seatWrites, ...coordination.seatReads] })
    return { port, token: yield* tokenFor(port, "fs.write") }
  })
  const [alice, bob] = [yield* seat("alice"), yield* seat("bob")]
  const ask = Effect.fnUntraced(function*({ port }: { readonly port: Port }, given: Ask) {
    const [appended] = yield* port.append(coordination.requests, [{ kind: "request", payload: given }])
    for (let head = 0;;) {
      const { events } = yield* port.read(coordination.replies, { filter: { correlationId: appended!.id } })
      if (events[0] !== undefined) return events[0].payload as unknown as Answer
      head = yield* port.awaitBeyond(coordination.replies, head)
    }
  })
  const write = Effect.fnUntraced(function*({ port, token }: { readonly port: Port; readonly token: string }, content: string, epoch?: number) {
    const id = yield* requestAction(port, {
      action: "do", executor: "fs.write", target: "src/a.ts", payload: { content }, capability: token, risk_level: "low",
      ...(epoch === undefined ? {} : { fence: { channel: coordination.epochs, key: "T-1", epoch } })
    })
    return yield* awaitReply(port, id)
  })
  const claim: Ask = { verb: "claim", task: "T-1", worktree: root, paths: ["src"] }
  return { alice, bob, ask, write, claim, held, kernel, read: () => readFileSync(join(root, "src/a.ts"), "utf8") }
})

describe("a holder whose claim went to somebody else", () => {
  effect("is refused the write that it began before, and every later one", () =>
    Effect.gen(function*() {
      const { alice, ask, bob, claim, held, read, write } = yield* setup("before")
      const granted = yield* ask(alice, claim)
      expect(granted).toMatchObject({ ok: true, claim: { epoch: 1, holder: "alice" } })
      const writing = yield* Effect.forkChild(write(alice, "alice", 1))
      yield* held.arrived
      yield* ask(bob, { verb: "attach" })
      expect(yield* ask(alice, { verb: "release", task: "T-1" })).toMatchObject({ ok: true })
      // The call is on its way still: whoever stays in line has the claim once that has ended.
      const claiming = yield* Effect.forkChild(ask(bob, { ...claim, wait: true }))
      yield* held.release
      expect(yield* Fiber.join(writing)).toMatchObject({ kind: "action_failed", payload: { scope: { code: expect.stringMatching(/EPOCH_STALE|SCOPE_CONFLICT/u) } } })
      expect(yield* Fiber.join(claiming)).toMatchObject({ ok: true, claim: { owner: "bob" } })
      expect(yield* write(alice, "alice")).toMatchObject({ kind: "action_failed", payload: { scope: { code: "SCOPE_CONFLICT", owner: "bob", task: "T-1" } } })
      expect(yield* write(alice, "alice", 1)).toMatchObject({ kind: "action_failed", payload: { scope: { code: "EPOCH_STALE" } } })
      expect(yield* write(bob, "bob")).toMatchObject({ kind: "action_completed" })
      expect(read()).toBe("bob")
    }))

  effect("keeps the next one waiting for its grant until the write that nobody can stop has ended", () =>
    Effect.gen(function*() {
      const { alice, ask, bob, claim, held, read, write } = yield* setup("after")
      yield* ask(alice, claim)
      const writing = yield* Effect.forkChild(write(alice, "alice"))
      yield* held.arrived
      yield* ask(alice, { verb: "release", task: "T-1" })
      let isTold = false
      expect(yield* ask(bob, claim)).toMatchObject({ ok: false, code: "SCOPE_CONFLICT" })
      const claiming = yield* Effect.forkChild(Effect.tap(ask(bob, { ...claim, wait: true }), () => Effect.sync(() => (isTold = true))))
      // Others are answered meanwhile, also what was asked later.
      for (let turn = 0; turn < 3; turn++) expect(yield* ask(bob, { verb: "who" })).toMatchObject({ ok: true })
      expect(isTold).toBe(false)
      yield* held.release
      expect(yield* Fiber.join(writing)).toMatchObject({ kind: "action_completed" })
      expect(yield* Fiber.join(claiming)).toMatchObject({ ok: true, claim: { owner: "bob" } })
      expect(read()).toBe("alice")
      expect(yield* write(bob, "bob")).toMatchObject({ kind: "action_completed" })
    }))

  effect("is refused after a handoff, and after its time ran out and another took it", () =>
    Effect.gen(function*() {
      const { alice, ask, bob, claim, held, kernel, read, write } = yield* setup("before")
      yield* held.release
      yield* ask(bob, { verb: "attach" })
      yield* ask(alice, claim)
      expect(yield* write(alice, "1")).toMatchObject({ kind: "action_completed" })
      expect(yield* ask(alice, { verb: "handoff", task: "T-1", to: "bob" })).toMatchObject({ ok: true })
      expect(yield* write(alice, "2")).toMatchObject({ kind: "action_failed", payload: { scope: { owner: "bob" } } })
      kernel.time.advance(3_600_001)
      expect(yield* ask(alice, claim)).toMatchObject({ ok: true, claim: { owner: "alice" } })
      expect(yield* write(bob, "3")).toMatchObject({ kind: "action_failed", payload: { scope: { owner: "alice" } } })
      expect(read()).toBe("1")
    }))

  effect("is told so as data in a module, too: whose it is, and how to go on", () =>
    Effect.gen(function*() {
      const { alice, ask, claim, kernel } = yield* setup("before")
      yield* ask(alice, claim)
      const told = yield* Effect.promise(() => new Promise<unknown>((resolve) => {
        const intruder = defineModule({
          id: "intruder", executors: ["fs.write"],
          run: async ({ act }) => resolve(await act("fs.write", { target: "src/a.ts", payload: { content: "x" } }).catch((error: unknown) => error))
        })
        void Effect.runPromise(kernel.dock(intruder))
      }))
      expect(told).toBeInstanceOf(EffectFailed)
      expect(told).toMatchObject({ outcome: "failed", scope: { code: "SCOPE_CONFLICT", task: "T-1", owner: "alice", path: "src/a.ts", how: expect.any(String) } })
    }))
})
