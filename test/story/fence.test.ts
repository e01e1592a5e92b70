// A fence is looked at twice: when a call is started, and under the lock of what it changes. Whoever was handed over meanwhile wins.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect } from "vitest"
import * as FsWrite from "../../kernel/executor/fs-write.ts"
import * as Git from "../../kernel/executor/git.ts"
import { makeKernel } from "../../kernel/testing.ts"
import type { Executor } from "../../protocol/executor.ts"
import { effect } from "../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../kit/probe.ts"

/** The executor as it is, but that a test comes between the first look and the call. */
const paused = (executor: Executor) => {
  const arrived = Deferred.makeUnsafe<void>()
  const release = Deferred.makeUnsafe<void>()
  return {
    arrived: Deferred.await(arrived),
    release: Deferred.succeed(release, undefined),
    executor: {
      ...executor,
      perform: (call, powers) =>
        Deferred.succeed(arrived, undefined).pipe(Effect.andThen(Deferred.await(release)), Effect.andThen(executor.perform(call, powers)))
    } satisfies Executor
  }
}

const git = (folder: string, ...args: ReadonlyArray<string>): string =>
  execFileSync("git", args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], env: { PATH: process.env["PATH"]!, GIT_CONFIG_GLOBAL: "/dev/null" } }).trim()

const folder = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "aaax-fence-")))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const cases = [
  {
    name: "fs.write",
    make: (root: string) => FsWrite.executor({ roots: [root] }),
    ask: { target: "a.txt", payload: { content: "changed" } },
    seen: (root: string) => [readdirSync(root), readFileSync(join(root, "a.txt"), "utf8")]
  },
  {
    name: "git",
    make: (root: string) => Git.executor({ repositories: { shop: { path: root } } }),
    ask: { target: "shop", payload: { op: "commit", message: "Add a", paths: ["a.txt"] } },
    seen: (root: string) => git(root, "rev-list", "--all")
  }
] as const

describe.each(cases)("a fence of $name", ({ ask, make, name, seen }) => {
  const setup = Effect.gen(function*() {
    const root = yield* folder
    writeFileSync(join(root, "a.txt"), "as it was")
    git(root, "init", "--quiet", "--template=")
    const held = paused(make(root))
    const kernel = yield* makeKernel({ executors: [held.executor] })
    const port = yield* probe(kernel, "a", { executors: [name], provides: [{ name: "claims", delivery: "latest" }] })
    const token = yield* tokenFor(port, name)
    const claim = (epoch: number) => port.append("claims", [{ subject: "src", payload: { epoch } }])
    yield* claim(1)
    return { root, held, port, claim, request: { action: "do", executor: name, ...ask, capability: token, risk_level: "low", fence: { channel: "claims", key: "src", epoch: 1 } } }
  })

  effect("that moves on after the first look refuses the second, and nothing is changed", () =>
    Effect.gen(function*() {
      const { claim, held, port, request, root } = yield* setup
      const before = seen(root)
      const id = yield* requestAction(port, request)
      yield* held.arrived
      yield* claim(2)
      yield* held.release
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_failed", payload: { reason: "the fence claims/src has moved on from epoch 1" } })
      expect(seen(root)).toEqual(before)
    }))

  effect("that holds lets it through", () =>
    Effect.gen(function*() {
      const { held, port, request, root } = yield* setup
      const before = seen(root)
      const id = yield* requestAction(port, request)
      yield* held.release
      expect(yield* awaitReply(port, id)).toMatchObject({ kind: "action_completed" })
      expect(seen(root)).not.toEqual(before)
    }))
})
