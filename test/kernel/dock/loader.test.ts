// Loading at run time, and coming back: with what the operator vouched for, and nothing more.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import { emptyManifest, type Manifest } from "../../../protocol/manifest.ts"
import { ModuleRejected } from "../../../protocol/errors.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { policyFromConfig } from "../../../kernel/guard/policy.ts"
import * as Kernel from "../../../kernel/kernel.ts"
import { sha256Bytes, sha256Hex } from "../../../kernel/power/digest.ts"
import { readingPower } from "../../../kernel/power/reading.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { testTime } from "../../../kernel/testing.ts"
import * as Result from "effect/Result"
import { counted } from "../../kit/executors.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply } from "../../kit/probe.ts"

const makeHouse = Effect.fnUntraced(function*(policy: unknown) {
  const time = testTime()
  const clock = makeClock(time)
  const store = yield* Memory.make({ clock })
  const files = new Map<string, { digest: string; manifest: Manifest }>()
  return {
    files,
    boot: Effect.fnUntraced(function*() {
      const scope = yield* Scope.make()
      const kernel = yield* Scope.provide(Kernel.make({
        id: "house", name: "", version: "0", directory: ".", store, clock, policy: Result.getOrThrow(policyFromConfig(policy)), executors: [counted("x").executor],
        source: (file, check = () => Effect.void) => {
          const found = files.get(file)
          return found === undefined
            ? Effect.fail(new ModuleRejected({ module: file, reason: "there is no such file" }))
            : Effect.as(check(found.digest), { file, digest: found.digest, system: { manifest: found.manifest, run: () => Effect.never } })
        },
        powers: { sha256: sha256Hex, sha256Bytes, readingPower }, pid: 0
      }), scope)
      yield* Scope.provide(kernel.launch, scope)
      return { kernel, crash: Scope.close(scope, Exit.void) }
    })
  }
})

const grantsOf = (kernel: Kernel.Hosted, id: string) => kernel.systems().find((system) => system.id === id)?.grants

/** Allows modules, and capabilities only to what the operator's config vouches for. */
const modulesOnly = [{
  name: "modules-only", description: "", decide: (question: { kind: string; declared?: boolean }) =>
    question.kind === "module" || question.declared === true ? { outcome: "allow" } : undefined
}]

describe("a module that was loaded at run time", () => {
  effect("by a system comes back as it was loaded: the operator does not vouch for it", () =>
    Effect.gen(function*() {
      const house = yield* makeHouse(modulesOnly)
      house.files.set("m.js", { digest: "1", manifest: { ...emptyManifest("m"), executors: ["x"] } })
      const first = yield* house.boot()
      const { port } = yield* first.kernel.dock({ manifest: { ...emptyManifest("chief"), privileged: true }, run: () => Effect.never })
      const [asked] = yield* port.append(wellKnown.moduleLoader, [{ payload: { module_id: "m", file: "m.js" } }])
      expect(yield* awaitReply(port, asked!.id)).toMatchObject({ kind: "module_accepted", payload: { granted_capabilities: [] } })
      yield* first.crash
      const second = yield* house.boot()
      expect(second.kernel.modules()).toMatchObject([{ id: "m", origin: "runtime" }])
      expect(grantsOf(second.kernel, "m")).toBe(0)
      yield* second.crash
    }))

  effect("by the operator comes back with what it was granted, by the digest that was loaded", () =>
    Effect.gen(function*() {
      const house = yield* makeHouse(modulesOnly)
      house.files.set("m.js", { digest: "1", manifest: { ...emptyManifest("m"), executors: ["x"] } })
      const first = yield* house.boot()
      yield* first.kernel.loadModule({ file: "m.js" })
      expect(grantsOf(first.kernel, "m")).toBe(1)
      yield* first.crash
      const second = yield* house.boot()
      expect(grantsOf(second.kernel, "m")).toBe(1)
      yield* second.crash
      house.files.set("m.js", { digest: "2", manifest: { ...emptyManifest("m"), executors: ["x", "y"] } })
      const third = yield* house.boot()
      expect(third.kernel.modules()).toMatchObject([{ id: "m", status: "stopped", needs: ["its file is another than the approved one"] }])
      expect(third.kernel.systems().map(({ id }) => id)).not.toContain("m")
      expect(yield* third.kernel.approveModule("m", "operator")).toMatchObject({ id: "m", digest: "2" })
      expect(grantsOf(third.kernel, "m")).toBe(2)
      expect((yield* third.kernel.audit(0, 1_000)).filter(({ kind }) => kind === "module.approved").map(({ payload }) => payload)).toMatchObject([{ module: "m", by: "operator", digest: "2" }])
      expect((yield* Effect.flip(third.kernel.approveModule("m", "operator"))).reason).toMatch(/nothing of it waits/u)
      yield* third.crash
    }))
})
