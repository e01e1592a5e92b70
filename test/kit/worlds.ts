// The worlds that stories are told in: in memory, on a store that behaves as a replicated log does, and on sqlite.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeClock } from "../../kernel/clock.ts"
import * as Sqlite from "../../kernel/store/sqlite.ts"
import { makeKernel, testTime, type TestKernel, type TestOptions } from "../../kernel/testing.ts"

export type World = (options?: TestOptions) => Effect.Effect<TestKernel, unknown, Scope.Scope>

export const hostility = (seed: number) => ({ seed, latencyMillisMax: 2, failedKept: 0.08, failedLost: 0.08, failedLate: 0.08 })

const onSqlite: World = Effect.fnUntraced(function*(options: TestOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), "aaax-world-"))
  yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true, force: true })))
  const time = options.time ?? testTime()
  const store = yield* Sqlite.make({ path: join(directory, "kernel.db"), clock: makeClock(time) })
  return yield* makeKernel({ ...options, store, time })
})

export const worlds: ReadonlyArray<readonly [string, World]> = [
  ["in memory", (options = {}) => makeKernel(options)],
  ["on a hostile store", (options = {}) => makeKernel({ ...options, hostile: hostility(7) })],
  ["on sqlite", onSqlite]
]
