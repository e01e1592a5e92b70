// Claims are enforced: who does not hold a scope changes nothing in it, however the path is spelled and whenever it was granted.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import { makeClock } from "../../../kernel/clock.ts"
import * as FsWrite from "../../../kernel/executor/fs-write.ts"
import * as Git from "../../../kernel/executor/git.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { defineExecutor } from "../../../libos/executor.ts"
import type { LiveScope, UnderWay } from "../../../protocol/coordination.ts"
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { Executor } from "../../../protocol/executor.ts"
import type { Port } from "../../../protocol/port.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../../kit/probe.ts"

const git = (folder: string, ...args: ReadonlyArray<string>): string =>
  execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], env: { PATH: process.env["PATH"]!, GIT_CONFIG_GLOBAL: "/dev/null" } }).trim()

const folder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "aaax-scopes-")))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const coordination = [
  { name: "coordination.epochs", delivery: "latest", indexes: ["subject"], visibility: "private" },
  { name: "coordination.under-way", delivery: "latest", indexes: ["subject"], durability: "memory", visibility: "private" }
] as const

interface Setup {
  readonly executors?: (root: string) => ReadonlyArray<Executor>
  readonly directory?: (root: string) => string
}

/** Two systems that act, and one that says who has claimed what, as a coordinator would. */
const setup = Effect.fnUntraced(function*({ directory = (root) => root, executors = (root) => [FsWrite.executor({ roots: [root] })] }: Setup = {}) {
  const root = yield* folder
  mkdirSync(join(root, "src"))
  writeFileSync(join(root, "src", "a.ts"), "as it was")
  const served = executors(root)
  const kernel = yield* makeKernel({ executors: served, directory: directory(root) })
  const coordinator = yield* probe(kernel, "coordinator", { provides: coordination })
  const names = served.map(({ name }) => name)
  const [alice, bob] = [yield* probe(kernel, "alice", { executors: names }), yield* probe(kernel, "bob", { executors: names })]
  let epoch = 0
  const claim = (task: string, more: Partial<Extract<LiveScope, { paths: unknown }>> = {}) =>
    coordinator.append("coordination.epochs", [{
      subject: task, kind: "scope",
      payload: { task, epoch: ++epoch, owner: "bob", holder: "bob", worktree: root, paths: ["src/**"], mutex: false, expiresAt: kernel.time.wall() + 60_000, ...more }
    }])
  const end = (task: string) => coordinator.append("coordination.epochs", [{ subject: task, kind: "scope", payload: { task, epoch: ++epoch, ended: true } }])
  const act = Effect.fnUntraced(function*(port: Port, ask: Readonly<Record<string, unknown>>, executor = "fs.write") {
    const id = yield* requestAction(port, { action: "do", executor, risk_level: "low", ...ask, capability: yield* tokenFor(port, executor) })
    return yield* awaitReply(port, id)
  })
  const write = (port: Port, target = "src/a.ts", more: object = {}) => act(port, { target, payload: { content: "changed" }, ...more })
  const read = (path = "src/a.ts") => readFileSync(join(root, path), "utf8")
  return { root, kernel, coordinator, alice, bob, claim, end, act, write, read }
})

describe("a live scope", () => {
  effect("keeps everybody else out of its files, says whose it is and how to go on, and lets its holder in", () =>
    Effect.gen(function*() {
      const { alice, bob, claim, end, kernel, read, write } = yield* setup()
      yield* claim("T-1")
      expect(yield* write(alice)).toMatchObject({
        kind: "action_failed",
        payload: {
          reason: expect.stringMatching(/^src\/a\.ts is in what bob has claimed \(task T-1, epoch 1, until .*UTC\); ask bob to release it/u),
          scope: { code: "SCOPE_CONFLICT", path: "src/a.ts", task: "T-1", owner: "bob", epoch: 1, expiresAt: kernel.time.wall() + 60_000, how: expect.stringContaining("hand it over") }
        }
      })
      expect(read()).toBe("as it was")
      expect(yield* write(alice, "other.ts")).toMatchObject({ kind: "action_completed" })
      expect(yield* write(bob)).toMatchObject({ kind: "action_completed" })
      yield* end("T-1")
      expect(yield* write(alice)).toMatchObject({ kind: "action_completed" })
    }))

  effect("that was handed over keeps its former holder out", () =>
    Effect.gen(function*() {
      const { alice, bob, claim, write } = yield* setup()
      yield* claim("T-1")
      yield* claim("T-1", { owner: "alice", holder: "alice" })
      expect(yield* write(bob)).toMatchObject({ kind: "action_failed", payload: { scope: { owner: "alice", epoch: 2 } } })
      expect(yield* write(alice)).toMatchObject({ kind: "action_completed" })
    }))

  effect("that has run out, is a named lock, or is of a label keeps nobody out", () =>
    Effect.gen(function*() {
      const { alice, claim, kernel, write } = yield* setup()
      yield* claim("lock", { mutex: true, paths: [] })
      yield* claim("label", { worktree: "somewhere", paths: [] })
      yield* claim("T-1")
      expect(yield* write(alice)).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1" } } })
      kernel.time.advance(60_000)
      expect(yield* write(alice)).toMatchObject({ kind: "action_completed" })
    }))

  effect("without a working tree is of the folder that the constellation works on, and without paths of all of it", () =>
    Effect.gen(function*() {
      const { alice, claim, write } = yield* setup()
      yield* claim("T-1", { worktree: "", paths: [] })
      expect(yield* write(alice, "anything.ts")).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1" } } })
    }))

  effect("of the whole folder leaves alone what the constellation keeps there for itself", () =>
    Effect.gen(function*() {
      const { alice, claim, root, write } = yield* setup()
      yield* claim("T-1", { paths: [] })
      expect(yield* write(alice, ".aaax/reports/a.md")).toMatchObject({ kind: "action_completed" })
      expect(yield* write(alice, "src/.aaax/reports/a.md")).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1" } } })
      // A working tree that lies in there is one like others.
      yield* claim("T-2", { worktree: join(root, ".aaax/reports/tree"), paths: [] })
      expect(yield* write(alice, ".aaax/reports/tree/a.md")).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-2" } } })
    }))

  for (const [how, paths, target] of [
    ["another case", ["SRC/A.ts"], "src/a.ts"], ["a folder", ["src"], "src/a.ts"], ["dots", ["./src/./a.ts"], "src/a.ts"], ["a composed letter", ["src/caf\u0065\u0301"], "src/caf\u00e9"],
    ["a pattern", ["**/*.ts"], "src/a.ts"], ["backslashes", ["src\\a.ts"], "src/a.ts"], ["a name that looks like a pattern", ["app/[id].tsx"], "app/[id].tsx"]
  ] as const) {
    effect(`is found although it is spelled with ${how}`, () =>
      Effect.gen(function*() {
        const { alice, claim, write } = yield* setup()
        yield* claim("T-1", { paths })
        expect(yield* write(alice, target)).toMatchObject({ kind: "action_failed", payload: { scope: { code: "SCOPE_CONFLICT" } } })
      }))
  }

  effect("leaves a file alone that only looks like a pattern which would touch it", () =>
    Effect.gen(function*() {
      const { alice, claim, write } = yield* setup()
      yield* claim("T-1", { paths: ["app/b.tsx"] })
      expect(yield* write(alice, "app/[id].tsx")).toMatchObject({ kind: "action_completed" })
    }))

  effect("is found through links, on the way to the root of the writer and in the name of the working tree", () =>
    Effect.gen(function*() {
      const links = yield* folder
      const { alice, claim, read, root, write } = yield* setup({
        executors: (root) => {
          symlinkSync(root, join(links, "tree"))
          return [FsWrite.executor({ roots: [join(links, "tree")] })]
        }
      })
      yield* claim("T-1")
      expect(yield* write(alice)).toMatchObject({ kind: "action_failed" })
      symlinkSync(root, join(links, "named"))
      yield* claim("T-1", { worktree: join(links, "named") })
      expect(yield* write(alice)).toMatchObject({ kind: "action_failed" })
      expect(read()).toBe("as it was")
    }))

  effect("of another branch than the one that is checked out counts all the same: it is the same file", () =>
    Effect.gen(function*() {
      const { alice, claim, root, write } = yield* setup()
      git(root, "init", "--quiet", "--template=", "--initial-branch=main")
      yield* claim("T-1", { branch: "feature" })
      expect(yield* write(alice)).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1" } } })
    }))
})

describe("what others have claimed", () => {
  effect("is looked at again under the lock of the file: a grant that came meanwhile wins", () =>
    Effect.gen(function*() {
      const arrived = Deferred.makeUnsafe<void>()
      const release = Deferred.makeUnsafe<void>()
      const { alice, claim, read, write } = yield* setup({
        executors: (root) => {
          const executor = FsWrite.executor({ roots: [root] })
          return [{
            ...executor,
            perform: (call, powers) => Deferred.succeed(arrived, undefined).pipe(Effect.andThen(Deferred.await(release)), Effect.andThen(executor.perform(call, powers)))
          }]
        }
      })
      const writing = yield* Effect.forkChild(write(alice))
      yield* Deferred.await(arrived)
      yield* claim("T-1")
      yield* Deferred.succeed(release, undefined)
      expect(yield* Fiber.join(writing)).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1" } } })
      expect(read()).toBe("as it was")
    }))

  effect("is looked at before the call is made: nothing of it happens, not even on the way", () =>
    Effect.gen(function*() {
      const calls: Array<string> = []
      const noted = (executor: Executor): Executor => ({ ...executor, perform: (call, powers) => Effect.suspend(() => {
        calls.push(executor.name)
        return executor.perform(call, powers)
      }) })
      const { act, alice, claim, root, write } = yield* setup({
        executors: (root) => [noted(FsWrite.executor({ roots: [root] })), noted(Git.executor({ repositories: { shop: { path: root } } }))]
      })
      git(root, "init", "--quiet", "--template=")
      yield* claim("T-1")
      expect(yield* write(alice, "src/new/folder/a.ts")).toMatchObject({ kind: "action_failed" })
      expect(yield* act(alice, { target: "shop", payload: { op: "commit", message: "x", paths: ["src/a.ts"] } }, "git")).toMatchObject({ kind: "action_failed" })
      expect(calls).toEqual([])
      expect(existsSync(join(root, "src/new"))).toBe(false)
    }))

  effect("is looked at for an executor of an author's own, when it asks", () =>
    Effect.gen(function*() {
      const done: Array<string> = []
      const { act, alice, bob, claim, root } = yield* setup({
        executors: () => [defineExecutor({ name: "own", risk: "low", recovery: "none", perform: async ({ target }, { mayChange }) => {
          await mayChange([target])
          done.push(target)
        } })]
      })
      yield* claim("T-1")
      expect(yield* act(alice, { target: join(root, "src/x"), payload: {} }, "own")).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1", path: "src/x" } } })
      expect(done).toEqual([])
      expect(yield* act(bob, { target: join(root, "src/x"), payload: {} }, "own")).toMatchObject({ kind: "action_completed" })
      expect(yield* act(alice, { target: join(root, "lib/"), payload: {} }, "own")).toMatchObject({ kind: "action_completed" })
      expect(yield* act(alice, { target: `${root}/`, payload: {} }, "own")).toMatchObject({ kind: "action_failed" })
    }))

  effect("stops a commit, and making and removing a worktree, in other hands", () =>
    Effect.gen(function*() {
      const trees = yield* folder
      const { act, alice, bob, claim, end, root } = yield* setup({
        executors: (root) => [Git.executor({ repositories: { shop: { path: root, worktrees: join(trees, "all") } } })]
      })
      git(root, "init", "--quiet", "--template=")
      git(root, "-c", "user.name=n", "-c", "user.email=e", "commit", "--quiet", "--allow-empty", "-m", "First")
      const head = () => git(root, "rev-parse", "HEAD")
      const before = head()
      const commit = (port: Port, paths = ["src"]) => act(port, { target: "shop", payload: { op: "commit", message: "Change", paths } }, "git")
      yield* claim("T-1", { paths: ["src/a.ts"] })
      expect(yield* commit(alice)).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1" } } })
      expect(yield* commit(alice, ["src/a.ts"])).toMatchObject({ kind: "action_failed" })
      expect(head()).toBe(before)
      expect(yield* commit(bob)).toMatchObject({ kind: "action_completed" })
      yield* claim("T-2", { worktree: join(trees, "all", "one"), paths: ["deep/in/it"] })
      const tree = (port: Port, payload: object) => act(port, { target: "shop/one", payload }, "git")
      expect(yield* tree(alice, { op: "worktree.add", branch: "topic" })).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-2" } } })
      expect(existsSync(join(trees, "all", "one"))).toBe(false)
      yield* end("T-2")
      expect(yield* tree(alice, { op: "worktree.add", branch: "topic" })).toMatchObject({ kind: "action_completed" })
      yield* claim("T-3", { worktree: join(trees, "all", "one") })
      expect(yield* tree(alice, { op: "worktree.remove" })).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-3" } } })
      expect(existsSync(join(trees, "all", "one"))).toBe(true)
      // Neither changes a file.
      expect(yield* act(alice, { target: "shop", payload: { op: "branch", name: "other" } }, "git")).toMatchObject({ kind: "action_completed" })
      expect(yield* act(alice, { target: "shop", payload: { op: "status" } }, "git")).toMatchObject({ kind: "action_completed" })
    }))

  effect("stops taking back what was written before it was claimed", () =>
    Effect.gen(function*() {
      const { alice, claim, kernel, read, write } = yield* setup()
      const receipt = yield* write(alice)
      yield* claim("T-1")
      const taken = yield* kernel.gate.compensate(receipt.correlationId!, "alice", "")
      yield* kernel.step
      expect(yield* kernel.gate.show(taken.id)).toMatchObject({ state: "failed", reason: expect.stringContaining("T-1") })
      expect(read()).toBe("changed")
    }))

  effect("of a store that is older than this kernel is found", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      yield* Effect.scoped(Effect.gen(function*() {
        const kernel = yield* makeKernel({ store, time })
        const coordinator = yield* probe(kernel, "coordinator", { provides: coordination })
        yield* coordinator.append("coordination.epochs", [{
          subject: "T-1", payload: { task: "T-1", epoch: 1, owner: "bob", holder: "bob", worktree: root, paths: [], mutex: false, expiresAt: time.wall() + 60_000 }
        }])
      }))
      const kernel = yield* makeKernel({ store, time, executors: [FsWrite.executor({ roots: [root] })] })
      const alice = yield* probe(kernel, "alice", { executors: ["fs.write"] })
      const id = yield* requestAction(alice, { action: "do", executor: "fs.write", target: "a", payload: { content: "x" }, risk_level: "low", capability: yield* tokenFor(alice, "fs.write") })
      expect(yield* awaitReply(alice, id)).toMatchObject({ kind: "action_failed", payload: { scope: { task: "T-1" } } })
    }))

  effect("stops everything when it cannot be read, until it is written anew", () =>
    Effect.gen(function*() {
      const { alice, claim, coordinator, read, write } = yield* setup()
      for (const payload of [{ epoch: 1 }, "text", { task: "T-9", epoch: 1, owner: "bob" }, { task: "another", epoch: 1, ended: true }, { task: "T-9", epoch: 1, owner: "b", holder: "b", worktree: "", paths: [1], mutex: false, expiresAt: 1 }]) {
        yield* coordinator.append("coordination.epochs", [{ subject: "T-9", payload }])
        expect(yield* write(alice)).toMatchObject({ kind: "action_failed", payload: { scope: { code: "UNAVAILABLE" }, reason: expect.stringContaining("the entry of T-9 is not one") } })
      }
      expect(read()).toBe("as it was")
      yield* claim("T-9", { paths: ["lib"] })
      expect(yield* write(alice)).toMatchObject({ kind: "action_completed" })
    }))

  effect("stops everything when its channel cannot be read", () =>
    Effect.gen(function*() {
      const root = yield* folder
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time) })
      let isBroken = false
      const broken = { ...store, read: (...given: Parameters<typeof store.read>) =>
        isBroken && given[0] === "coordination.epochs" ? Effect.fail(new StoreCorrupt({ where: "a page", reason: "it is torn" })) : store.read(...given) }
      const kernel = yield* makeKernel({ store: broken, time, executors: [FsWrite.executor({ roots: [root] })] })
      const coordinator = yield* probe(kernel, "coordinator", { provides: coordination })
      const alice = yield* probe(kernel, "alice", { executors: ["fs.write"] })
      yield* coordinator.append("coordination.epochs", [{ subject: "T-1", payload: { task: "T-1", epoch: 1, ended: true } }])
      isBroken = true
      const write = Effect.gen(function*() {
        const id = yield* requestAction(alice, { action: "do", executor: "fs.write", target: "a", payload: { content: "x" }, risk_level: "low", capability: yield* tokenFor(alice, "fs.write") })
        return yield* awaitReply(alice, id)
      })
      expect(yield* write).toMatchObject({ kind: "action_failed", payload: { scope: { code: "UNAVAILABLE" } } })
      isBroken = false
      expect(yield* write).toMatchObject({ kind: "action_completed" })
    }))

  effect("ends a fence with it: on release, and when its lease has run out", () =>
    Effect.gen(function*() {
      const { bob, claim, coordinator, kernel, write } = yield* setup()
      const fence = (epoch: number) => ({ fence: { channel: "coordination.epochs", key: "T-1", epoch } })
      yield* claim("T-1")
      expect(yield* write(bob, "src/a.ts", fence(1))).toMatchObject({ kind: "action_completed" })
      yield* coordinator.append("coordination.epochs", [{ subject: "T-1", payload: { task: "T-1", epoch: 1, ended: true } }])
      expect(yield* write(bob, "src/a.ts", fence(1))).toMatchObject({ kind: "action_failed", payload: { scope: { code: "EPOCH_STALE", task: "T-1", epoch: 1 } } })
      yield* claim("T-1")
      expect(yield* write(bob, "src/a.ts", fence(2))).toMatchObject({ kind: "action_completed" })
      kernel.time.advance(60_000)
      expect(yield* write(bob, "src/a.ts", fence(2))).toMatchObject({ kind: "action_failed", payload: { scope: { code: "EPOCH_STALE" } } })
    }))
})

describe("the list of calls under way", () => {
  const listed = (coordinator: Port) =>
    Effect.map(coordinator.read("coordination.under-way"), ({ events }) => (events.at(-1)?.payload as UnderWay | undefined)?.calls ?? [])

  effect("has a call before its last look at the claims, with what it changes, and no more once it has ended", () =>
    Effect.gen(function*() {
      const arrived = Deferred.makeUnsafe<void>()
      const release = Deferred.makeUnsafe<void>()
      const { bob, claim, coordinator, root, write } = yield* setup({
        executors: (root) => {
          const executor = FsWrite.executor({ roots: [root] })
          return [{
            ...executor,
            perform: (call, powers) =>
              Effect.gen(function*() {
                yield* powers!.mayChange([join(root, "src/b.ts")])
                yield* Deferred.succeed(arrived, undefined)
                yield* Deferred.await(release)
                return yield* executor.perform(call, powers)
              })
          }]
        }
      })
      yield* claim("T-1")
      const writing = yield* Effect.forkChild(write(bob, "src/a.ts", { fence: { channel: "coordination.epochs", key: "T-1", epoch: 1 } }))
      yield* Deferred.await(arrived)
      expect(yield* listed(coordinator)).toEqual([{
        warrant: expect.any(String), system: "bob", paths: [join(root, "src/a.ts"), join(root, "src/b.ts")], task: "T-1", epoch: 1
      }])
      yield* Deferred.succeed(release, undefined)
      expect(yield* Fiber.join(writing)).toMatchObject({ kind: "action_completed" })
      expect(yield* listed(coordinator)).toEqual([])
    }))

  effect("loses a call that was refused", () =>
    Effect.gen(function*() {
      const { alice, claim, coordinator, write } = yield* setup()
      yield* claim("T-1")
      expect(yield* write(alice)).toMatchObject({ kind: "action_failed" })
      expect(yield* listed(coordinator)).toEqual([])
    }))
})
