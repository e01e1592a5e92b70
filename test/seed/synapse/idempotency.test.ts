import type { coordination } from "aaax"
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { stepLedger } from "../../../modules/coordinator/fold.ts"
import { keysMax, keysMin } from "../../../modules/coordinator/limits.ts"
import { makeState } from "../../../modules/coordinator/state.ts"
import { makeCoordination, makeTable } from "../../kit/coordination.ts"
import { effect } from "../../kit/it.ts"

const keyed: ReadonlyArray<coordination.Ask & { readonly key: string }> = [
  { verb: "claim", task: "t", key: "k" }, { verb: "update", task: "t", status: "working", key: "k" }, { verb: "checkpoint", task: "t", checkpoint: "c", key: "k" },
  { verb: "offer", kind: "gpu", name: "a", key: "k" }, { verb: "declare", task: "p", title: "P", key: "k" }, { verb: "plan", task: "p", status: "done", key: "k" },
  { verb: "progress", task: "p", text: "x", key: "k" }, { verb: "handoff", task: "t", to: "bob", key: "k" }
]

describe("keys", () => {
  it("[90] [95] [96] what was applied under a key is answered again as it was, and nothing else happens, also after a restart", () => {
    let table = makeTable()
    table.get("bob", { verb: "beat" })
    for (const ask of keyed) {
      const first = table.ask("ann", ask)
      expect(first, ask.verb).toMatchObject({ ok: true })
      const written = [table.ledger.length, table.talk.length]
      table.pass(1_000)
      expect(table.ask("ann", ask), ask.verb).toEqual(first)
      const next = table.again()
      expect(next.ask("ann", ask), ask.verb).toEqual(first)
      expect([table.ledger.length, table.talk.length, next.ledger.length, next.talk.length]).toEqual([...written, ...written])
    }
    const released = table.ask("bob", { verb: "release", task: "t", key: "k" })
    expect(released).toMatchObject({ ok: true })
    table = table.again()
    expect(table.ask("bob", { verb: "release", task: "t", key: "k" })).toEqual(released)
  })

  it("[91] a refusal is not remembered", () => {
    const table = makeTable()
    table.get("bob", { verb: "claim", task: "t" })
    expect(table.ask("ann", { verb: "claim", task: "t", key: "k" })).toMatchObject({ code: "LEASE_LIVE" })
    table.get("bob", { verb: "release", task: "t" })
    expect(table.ask("ann", { verb: "claim", task: "t", key: "k" })).toMatchObject({ ok: true })
  })

  it("[92] without a key the same request is done again", () => {
    const table = makeTable()
    expect([table.get("ann", { verb: "claim", task: "t" }).claim.epoch, table.get("ann", { verb: "claim", task: "t" }).claim.epoch]).toEqual([1, 2])
  })

  it("[93] the oldest keys are forgotten beyond 1024 once they are a day old, and beyond a bound before; use keeps them", () => {
    const state = makeState()
    const add = (at: number, key: string): void =>
      stepLedger(state, { kind: "released", payload: { task: "t", owner: "ann", epoch: 1, applied: { seat: "ann", verb: "release", key, digest: "d" } } }, at)
    const day = 24 * 3_600_000
    for (let at = 0; at < 2_000; at++) add(at, `k${at}`)
    expect(state.keys.size).toBe(2_000)
    add(day + 500, "late")
    expect([state.keys.size, state.keys.has("ann\u0000release\u0000k501"), state.keys.has("ann\u0000release\u0000k500")]).toEqual([1_500, true, false])
    add(3 * day, "later")
    expect(state.keys.size).toBe(keysMin)
    for (let at = 0; at < keysMax + 10; at++) add(3 * day, `n${at}`)
    expect(state.keys.size).toBe(keysMax)
    expect(state.keys.has("ann\u0000release\u0000n9")).toBe(false)
    // Used again, it is the newest.
    const table = makeTable()
    table.get("ann", { verb: "claim", task: "a", paths: ["a"], key: "one" })
    table.get("ann", { verb: "claim", task: "b", paths: ["b"], key: "two" })
    table.get("ann", { verb: "claim", task: "a", paths: ["a"], key: "one" })
    expect([...table.desk.state.keys.keys()]).toEqual(["ann\u0000claim\u0000two", "ann\u0000claim\u0000one"])
  })

  it("[94] [D5] a key is one seat's and one verb's, and another request under it is refused", () => {
    const table = makeTable()
    const first = table.get("ann", { verb: "claim", task: "t", paths: ["a"], key: "k" })
    expect(table.ask("bob", { verb: "claim", task: "u", paths: ["b"], key: "k" })).toMatchObject({ ok: true, claim: { owner: "bob", task: "u" } })
    expect(table.ask("ann", { verb: "update", task: "t", status: "working", key: "k" })).toMatchObject({ ok: true })
    expect(table.ask("ann", { verb: "claim", task: "v", paths: ["c"], key: "k" })).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" })
    expect(table.ask("ann", { paths: ["a"], key: "k", task: "t", verb: "claim" })).toEqual(first)
  })

  effect("[95] over the channels the same key and content give the first answer", () => Effect.gen(function*() {
    const { seat } = yield* makeCoordination()
    const ann = yield* seat("ann")
    const first = yield* ann.get({ verb: "claim", task: "t", key: "k" })
    expect(yield* ann.get({ verb: "claim", task: "t", key: "k" })).toEqual(first)
    expect(yield* ann.ask({ verb: "claim", task: "u", key: "k" })).toMatchObject({ code: "IDEMPOTENCY_CONFLICT" })
    expect(yield* ann.get({ verb: "send", payload: "x", clientMessage: "mine" })).toMatchObject({ message: 1 })
    expect((yield* ann.get({ verb: "history" })).messages).toMatchObject([{ clientMessage: "mine" }])
  }))
})
