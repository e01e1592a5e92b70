// What is measured: a whole kernel on SQLite, and systems docked to it whose ports the bench holds.
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Durability } from "../protocol/channel.ts"
import type { Executor } from "../protocol/executor.ts"
import { emptyManifest, type Manifest, type System } from "../protocol/manifest.ts"
import type { Port } from "../protocol/port.ts"
import { makeClock } from "../kernel/clock.ts"
import { policyFromConfig } from "../kernel/guard/policy.ts"
import * as Kernel from "../kernel/kernel.ts"
import { sha256Bytes, sha256Hex } from "../kernel/power/digest.ts"
import * as Sqlite from "../kernel/store/sqlite.ts"

export interface WorldOptions {
  /** The folder of its store. */
  readonly directory: string
  /** Of the journal and the request channels; `strict` as everywhere but here. */
  readonly durability?: Durability
  readonly executors?: ReadonlyArray<Executor>
  /** Services and heartbeat run too; default true. */
  readonly launch?: boolean
}

export const makeWorld = Effect.fnUntraced(function*(
  { directory, durability, executors = [], launch = true }: WorldOptions
): Effect.fn.Return<Kernel.Hosted, unknown, Scope.Scope> {
  const clock = makeClock()
  const store = yield* Sqlite.make({ path: join(directory, "aaax.db"), clock })
  const kernel = yield* Kernel.make({
    id: "bench",
    name: "Bench",
    version: "0",
    directory,
    store,
    clock,
    policy: Result.getOrThrow(policyFromConfig(undefined)),
    executors,
    source: () => Effect.die("loads no modules"),
    powers: { sha256: sha256Hex, sha256Bytes, readingPower: () => Effect.die("reads no files") },
    ...(durability === undefined ? {} : { durability }),
    pid: process.pid
  })
  if (launch) yield* kernel.launch
  return kernel
})

/** Docks a system that only lives, and answers its port. */
export const dock = (
  kernel: Kernel.Hosted, id: string, manifest: Partial<Manifest>, rest: Omit<System, "manifest" | "run"> = {}
): Effect.Effect<Port, unknown> =>
  Effect.map(kernel.dock({ manifest: { ...emptyManifest(id), ...manifest }, run: () => Effect.never, ...rest }), ({ port }) => port)
