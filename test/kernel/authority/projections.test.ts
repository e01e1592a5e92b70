// Projections: what the journal says, told elsewhere once, however often the kernel ends in between.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { describe, expect } from "vitest"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeClock } from "../../../kernel/clock.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { makeKernel, testTime } from "../../../kernel/testing.ts"
import { effect } from "../../kit/it.ts"
import { probe, replies } from "../../kit/probe.ts"

describe("projections", () => {
  effect("keep how far they came with each beat, so that keys need not live for ever", () =>
    Effect.gen(function*() {
      const kernel = yield* makeKernel({ launch: false, policy: "default" })
      const port = yield* probe(kernel, "a")
      yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }])
      yield* kernel.step
      expect(kernel.channels.store.subscription("aaax", "projections", wellKnown.journal)?.cursor).toBe(kernel.status().journalHead)
    }))

  effect("tell nothing twice when the kernel ends before they could keep how far they came", () =>
    Effect.gen(function*() {
      const time = testTime()
      const store = yield* Memory.make({ clock: makeClock(time), hostile: { seed: 5, failedKept: 0.1, failedLost: 0.1, failedLate: 0.1, latencyMillisMax: 1 } })
      // Nothing is ever kept of the cursor: each kernel projects everything anew.
      const forgetful = { ...store, advance: () => Effect.void, subscription: () => undefined }
      const asked: Array<string> = []
      for (let boot = 0; boot < 4; boot++) {
        const scope = yield* Scope.make()
        const kernel = yield* Scope.provide(makeKernel({ store: forgetful, time, policy: "default", launch: false }), scope)
        const port = yield* probe(kernel, "a")
        asked.push((yield* port.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }]))[0]!.id)
        yield* kernel.step
        for (const id of asked) expect(yield* replies(port, id)).toHaveLength(1)
        const registry = (yield* store.read(wellKnown.capabilityRegistry, { after: 0, limit: 100 })).events
        expect(registry).toHaveLength(asked.length)
        yield* Scope.close(scope, Exit.void)
      }
    }))
})
