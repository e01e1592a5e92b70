// Circuits: what cannot be reached is left alone for a while, then tried by one call.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { makeCircuits } from "../../../kernel/guard/circuit.ts"
import { circuitFailuresMax, circuitOpenMillis, circuitsMax } from "../../../kernel/limits.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import type { Call, Executor } from "../../../protocol/executor.ts"
import { effect } from "../../kit/it.ts"
import { awaitReply, probe, requestAction, tokenFor } from "../../kit/probe.ts"

const broken = (times = circuitFailuresMax) => {
  const circuits = makeCircuits()
  for (let at = 0; at < times; at++) {
    expect(circuits.refusal("k", 0)).toBeUndefined()
    circuits.ended("k", false, 0)
  }
  return circuits
}

describe("a circuit", () => {
  it("opens after so many failures in a row, for so long, and for nothing else", () => {
    expect(broken(circuitFailuresMax - 1).refusal("k", 0)).toBeUndefined()
    const circuits = broken()
    expect(circuits.refusal("k", circuitOpenMillis - 1)).toBe(`k could not be reached ${circuitFailuresMax} times in a row; it is tried again in 1 s`)
    expect(circuits.refusal("other", 0)).toBeUndefined()
  })

  it("counts failures in a row", () => {
    const circuits = broken(circuitFailuresMax - 1)
    circuits.ended("k", true, 0)
    circuits.ended("k", false, 0)
    expect(circuits.refusal("k", 0)).toBeUndefined()
  })

  it("is tried by one call, and closes or stays open as that one ends", () => {
    const circuits = broken()
    expect(circuits.refusal("k", circuitOpenMillis)).toBeUndefined()
    expect(circuits.refusal("k", circuitOpenMillis)).toMatch(/is being tried/u)
    circuits.ended("k", false, circuitOpenMillis)
    expect(circuits.refusal("k", 2 * circuitOpenMillis - 1)).toMatch(/could not be reached/u)
    expect(circuits.refusal("k", 2 * circuitOpenMillis)).toBeUndefined()
    circuits.ended("k", true, 2 * circuitOpenMillis)
    expect(circuits.refusal("k", 2 * circuitOpenMillis)).toBeUndefined()
  })

  it("is tried by another one when the first was stopped", () => {
    const circuits = broken()
    expect(circuits.refusal("k", circuitOpenMillis)).toBeUndefined()
    circuits.ended("k", undefined, circuitOpenMillis)
    expect(circuits.refusal("k", circuitOpenMillis)).toBeUndefined()
  })

  it("is forgotten when many others fail", () => {
    const circuits = broken()
    for (let at = 0; at < circuitsMax; at++) circuits.ended(`other ${at}`, false, 0)
    expect(circuits.refusal("k", 0)).toBeUndefined()
  })
})

describe("an executor that cannot reach what it needs", () => {
  effect("is not called for a while, for the part that it cannot reach alone", () =>
    Effect.gen(function*() {
      const calls: Array<Call> = []
      let isUp = false
      const phone: Executor = {
        name: "phone", description: "calls", risk: "low", recovery: "none", circuitOf: ({ target }) => target,
        perform: (call) => Effect.suspend(() => {
          calls.push(call)
          return isUp || call.target !== "a" ? Effect.succeed("hello") : Effect.fail({ reason: "no line", unavailable: true })
        })
      }
      const kernel = yield* makeKernel({ executors: [phone] })
      const port = yield* probe(kernel, "p", { executors: ["phone"] })
      const capability = yield* tokenFor(port, "phone")
      const ask = (target: string) => Effect.flatMap(requestAction(port, { action: "call", executor: "phone", target, payload: null, capability, risk_level: "low" }), (id) => awaitReply(port, id))
      for (let at = 0; at < circuitFailuresMax; at++) expect(yield* ask("a")).toMatchObject({ kind: "action_failed", payload: { reason: "no line" } })
      expect(yield* ask("a")).toMatchObject({ kind: "action_unavailable", payload: { reason: "phone a could not be reached 5 times in a row; it is tried again in 30 s" } })
      expect(yield* ask("b")).toMatchObject({ kind: "action_completed" })
      expect(calls).toHaveLength(circuitFailuresMax + 1)
      isUp = true
      kernel.time.advance(circuitOpenMillis)
      expect(yield* ask("a")).toMatchObject({ kind: "action_completed" })
    }))
})
