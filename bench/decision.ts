// A gate decision without I/O: a warm grant among many, the default policy, and the digest that binds the warrant.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Grant } from "../protocol/authority.ts"
import { decideAction } from "../kernel/authority/decide/action.ts"
import type { Rules } from "../kernel/authority/decide/decision.ts"
import type { Entry } from "../kernel/authority/entry.ts"
import type { AuthorityState } from "../kernel/authority/state/state.ts"
import { fold } from "../kernel/authority/state/step.ts"
import { canonical } from "../kernel/guard/canonical.ts"
import { policyFromConfig } from "../kernel/guard/policy.ts"
import { sha256Hex } from "../kernel/power/digest.ts"
import { inTurns, medianOf, timed } from "./measure.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"

const now = 1_750_000_000_000
const executor = { name: "bench.nothing", description: "does nothing", risk: "low", recovery: "none", perform: () => Effect.succeed({}) } as const

const rules: Rules = {
  policy: Result.getOrThrow(policyFromConfig(undefined)),
  digestOf: (value) => sha256Hex(canonical(value)),
  executor: (name) => (name === executor.name ? executor : undefined)
}

const holderOf = (n: number): string => `bench-agent-${n}`
const tokenOf = (n: number): string => `grant:${n}`

const grantOf = (n: number): Grant => ({
  id: tokenOf(n), holder: holderOf(n), resource: executor.name, access: "execute", caveats: { expiresAt: now + 3_600_000 }, parent: null,
  issuedAt: now, origin: `request-${n}`, scope: {}
})

const stateWith = (grants: number): AuthorityState => {
  let state = fold.initial
  for (let n = 0; n < grants; n++) {
    state = fold.step(state, { cursor: n + 1, hash: "", entry: { kind: "grant.issued", at: now, grant: grantOf(n) } })
  }
  return state
}

export const decision = Effect.fnUntraced(function*({ count, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown> {
  const decisions = count(100_000, 100)
  const rows: Array<Row> = []
  for (const grants of [1, 1_000, 10_000]) {
    const state = stateWith(grants)
    const { ours } = yield* inTurns(rounds, {
      ours: timed(decisions, Effect.sync(() => {
        for (let at = 0; at < decisions; at++) {
          const n = (at * 7_919) % grants
          const reference = { request: `request-${at}`, requestCursor: at, channel: "aaax.action-gate", system: holderOf(n), floor: 0 }
          const { entries } = decideAction(rules, reference, {
            action: "write", executor: executor.name, target: `reports/${n}.md`, payload: { n, text: "a line of text" }, capability: tokenOf(n), risk_level: "low"
          })(state, now)
          const entry = entries[0]
          if (entry?.kind !== "action.decided" || entry.warrant.state !== "started") throw new Error("expected that it is allowed")
        }
      }))
    })
    rows.push(row({
      id: `decision/${grants} grants`, what: `gate decision, no I/O, ${grants.toLocaleString("en")} grants, processor time`, unit: "us", lowerIsBetter: true,
      // It only computes: on an idle machine this is also the time that passes.
      figure: medianOf(ours, "cpuMicros"), cpuMicros: medianOf(ours, "cpuMicros"), floor: { of: null, bar: 5 },
      others: { passedMicros: 1e6 / medianOf(ours, "rate") }
    }))
  }
  rows.push(yield* budgets(decisions, rounds))
  return rows
})

/** The same with two accounts to look at and to hold from: one of the grant, one of everybody. */
const budgets = Effect.fnUntraced(function*(decisions: number, rounds: number): Effect.fn.Return<Row, unknown> {
  const limits = { actions: 1e9, tokens: 1e12 }
  const free = fold.step(fold.initial, { cursor: 1, hash: "", entry: { kind: "grant.issued", at: now, grant: grantOf(0) } })
  const granted: Grant = { ...grantOf(0), caveats: { ...grantOf(0).caveats, budget: limits } }
  const limited = [
    { kind: "grant.issued", at: now, grant: granted },
    { kind: "budget.set", at: now, by: "bench", system: "*", limits, perMillis: null, origin: "operator" }
  ].reduce<AuthorityState>((state, entry, at) => fold.step(state, { cursor: at + 1, hash: "", entry: entry as Entry }), fold.initial) // written above
  const loop = (state: AuthorityState, accounts: number) => Effect.sync(() => {
    for (let at = 0; at < decisions; at++) {
      const reference = { request: `request-${at}`, requestCursor: at, channel: "aaax.action-gate", system: holderOf(0), floor: 0 }
      const { entries } = decideAction(rules, reference, {
        action: "write", executor: executor.name, target: "reports/0.md", payload: { n: 0, text: "a line of text" }, capability: tokenOf(0), risk_level: "low"
      })(state, now)
      const entry = entries[0]
      if (entry?.kind !== "action.decided" || (entry.warrant.charged?.length ?? 0) !== accounts) throw new Error("expected that it is held for")
    }
  })
  const { none, ours } = yield* inTurns(rounds, { none: timed(decisions, loop(free, 0)), ours: timed(decisions, loop(limited, 2)) })
  return rowOf({ ours, none }, "cpuMicros", { id: "decision/budgets", what: "gate decision, no I/O, two budgets, processor time", floor: { of: "none", bar: 2.5 } })
})
