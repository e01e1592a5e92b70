// Projections: what the journal says, told elsewhere once, however often the kernel ends in between.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import Database from "better-sqlite3"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect } from "vitest"
import type { Port } from "../../../protocol/port.ts"
import * as wellKnown from "../../../protocol/well-known.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { prepare } from "../../../kernel/store/codec.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
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

describe("projections on one disk", () => {
  const root = mkdtempSync(join(tmpdir(), "aaax-projections-"))
  afterAll(() => rmSync(root, { recursive: true, force: true }))

  const ask = (port: Port) => Effect.map(port.append(wellKnown.capabilityRequest, [{ payload: { resource: "x", access: "read" } }]), ([asked]) => asked!.id)
  const open = Effect.fnUntraced(function*(faults: { moment?: string | undefined }) {
    const time = testTime()
    const path = join(mkdtempSync(join(root, "p-")), "kernel.db")
    const store = yield* Sqlite.make({
      path, clock: makeClock(time),
      faults: (moment) => {
        if (moment !== faults.moment) return
        faults.moment = undefined
        throw new Error("no space")
      }
    })
    const kernel = yield* makeKernel({ store, time, policy: "default", launch: false })
    const port = yield* probe(kernel, "a")
    yield* kernel.step
    const db = new Database(path, { readonly: true })
    yield* Effect.addFinalizer(() => Effect.sync(() => void db.close()))
    return { kernel, store, port, rows: () => db.prepare<[], number>("SELECT max(off) FROM log").pluck().get() ?? 0 }
  })

  effect("lie in one row with the decision, so that a request costs the commit of it and one more", () => Effect.gen(function*() {
    const { kernel, port, rows } = yield* open({})
    const before = rows()
    const ids = [yield* ask(port), yield* ask(port)]
    expect(rows()).toBe(before + 2)
    yield* kernel.step
    // Verdicts with replies; the end of the requests.
    expect(rows()).toBe(before + 4)
    for (const id of ids) expect(yield* replies(port, id)).toHaveLength(1)
  }))

  effect("come in a row of their own when somebody else has written among the replies, and once", () => Effect.gen(function*() {
    const { kernel, port, store } = yield* open({})
    const definition = kernel.channels.get(wellKnown.kernelReplies)!
    for (let round = 0; round < 3; round++) {
      yield* store.append(wellKnown.kernelReplies, [prepare({ payload: round }, "somebody", definition)], { sender: "somebody" })
      const id = yield* ask(port)
      yield* kernel.step
      expect(yield* replies(port, id)).toHaveLength(1)
      const next = yield* ask(port)
      yield* kernel.step
      expect(yield* replies(port, next)).toHaveLength(1)
    }
  }))

  for (const moment of ["commit", "committed"]) {
    effect(`are told once when nobody knows what became of the row that they were in (${moment})`, () => Effect.gen(function*() {
      const faults: { moment?: string | undefined } = {}
      const { kernel, port } = yield* open(faults)
      const id = yield* ask(port)
      faults.moment = moment
      yield* kernel.step
      expect(faults.moment).toBeUndefined()
      yield* kernel.step
      expect(yield* replies(port, id)).toHaveLength(1)
      expect((yield* kernel.audit(0, 1_000)).filter(({ correlationId }) => correlationId === id)).toHaveLength(1)
      const registry = (yield* kernel.channels.read("aaax", wellKnown.capabilityRegistry, { limit: 100 })).events
      expect(registry).toHaveLength(1)
      expect((yield* kernel.verifyAudit).problems).toEqual([])
    }))
  }
})
