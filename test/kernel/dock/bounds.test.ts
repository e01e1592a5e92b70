// What a port and a constellation take no more of, with bounds that a test can reach; and names and executors that are somebody else's.
import * as Effect from "effect/Effect"
import { describe, expect, vi } from "vitest"
import type * as Limits from "../../../kernel/limits.ts"
import { emptyManifest, type System } from "../../../protocol/manifest.ts"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { probe } from "../../kit/probe.ts"

vi.mock("../../../kernel/limits.ts", async (importOriginal) => ({ ...(await importOriginal<typeof Limits>()), systemsMax: 4, snapshotTextMax: 100, artifactBytesMax: 100 }))
const { makeKernel } = await import("../../../kernel/testing.ts")

const system = (id: string, more: Omit<System, "manifest"> = {}): System => ({ manifest: emptyManifest(id), run: () => Effect.never, ...more })

describe("a port", () => {
  effect("puts no snapshot and no artifact that is too large", () =>
    Effect.gen(function*() {
      const port = yield* probe(yield* makeKernel(), "a", { snapshots: ["s"] })
      expect(yield* Effect.flip(port.putSnapshot({ name: "s", value: "x".repeat(99) }))).toMatchObject({ _tag: "TooLarge", size: 101, sizeMax: 100 })
      expect(yield* port.putSnapshot({ name: "s", value: "x".repeat(98) })).toMatchObject({ revision: 1 })
      expect(yield* Effect.flip(port.putArtifact(new Uint8Array(101), "x"))).toMatchObject({ _tag: "TooLarge", size: 101, sizeMax: 100 })
      expect(yield* Effect.flip(port.putArtifact("x".repeat(10) as never, "x"))).toMatchObject({ _tag: "TooLarge" })
      expect(yield* port.putArtifact(new Uint8Array(100), "x")).toMatchObject({ sizeBytes: 100 })
    }))
})

describe("a constellation", () => {
  effect("has at most so many systems, also within one", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel()
      const parts = (count: number) => Array.from({ length: count }, (_, at) => system(`part-${at}`))
      expect(yield* Effect.flip(kernel.dock(system("whole", { subsystems: parts(4) })))).toMatchObject({ _tag: "DockRefused", reason: "At most 4 systems can be docked." })
      expect(kernel.systems()).toEqual([])
      for (const id of ["a", "b", "c", "d"]) yield* kernel.dock(system(id))
      expect(yield* Effect.flip(kernel.dock(system("e")))).toMatchObject({ _tag: "DockRefused", system: "e", reason: "At most 4 systems can be docked." })
      yield* kernel.undock("d")
      yield* kernel.dock(system("e"))
    }))

  effect("has each executor once, and keeps the names of the doors for those who come through them", () =>
    Effect.gen(function*() {
      const { executor } = counted("count")
      const kernel = yield* makeKernel({ executors: [executor] })
      expect(yield* Effect.flip(kernel.dock(system("a", { executors: [executor] })))).toMatchObject({ _tag: "DockRefused", reason: "Executor 'count' is already served." })
      expect(kernel.systems()).toEqual([])
      expect(yield* Effect.flip(kernel.dock(system("synapse/a")))).toMatchObject({ _tag: "DockRefused", system: "synapse/a", reason: expect.stringMatching(/^Names below synapse\//u) })
    }))
})
