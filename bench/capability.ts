// Capabilities without I/O: the check of a grant that is warm, what policy says with few and with many grants around, the end
// of a root with everything below it, and the fold of a journal.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Caveats, Grant, Question } from "../protocol/authority.ts"
import type { Warrant } from "../protocol/warrant.ts"
import { decideRevoke } from "../kernel/authority/decide/delegate.ts"
import type { Entry } from "../kernel/authority/entry.ts"
import type { AuthorityState } from "../kernel/authority/state/state.ts"
import { fold } from "../kernel/authority/state/step.ts"
import { allows, type Asked } from "../kernel/authority/verify.ts"
import { policyFromConfig } from "../kernel/guard/policy.ts"
import { inTurns, medianOf, ratioOf, timed, timedEach, type Figure } from "./measure.ts"
import { row, type Row } from "./row.ts"
import type { Sized } from "./size.ts"

const now = 1_750_000_000_000
const holder = "bench-agent"

const grantOf = (id: string, parent: string | null, caveats: Caveats, held = holder): Grant => ({
  id, holder: held, resource: "fs.write", access: "execute", caveats: { expiresAt: now + 3_600_000, ...caveats }, parent, issuedAt: now, origin: "bench", scope: {},
  ...(parent === null ? {} : { giver: held })
})

const folded = (grants: Iterable<Grant>): AuthorityState => {
  let state = fold.initial
  for (const grant of grants) state = fold.step(state, { cursor: state.cursor + 1, hash: "", entry: { kind: "grant.issued", at: now, grant } })
  return state
}

const alone = (count: number): Array<Grant> => Array.from({ length: count }, (_, n) => grantOf(`other:${n}`, null, {}, `agent-${n}`))

const narrow: Caveats = { riskMax: "medium", targets: ["reports/**"], usesMax: 1_000_000, arguments: [{ pointer: "/path", op: "glob", value: "reports/*" }] }

const checks = Effect.fnUntraced(function*({ count, rounds }: Sized) {
  const operations = count(500_000, 1_000)
  const state = folded([...alone(10_000), grantOf("root", null, {}), grantOf("link", "root", narrow), grantOf("leaf", "link", narrow)])
  const asked = { holder, resource: "fs.write", access: "execute", action: "write", target: "reports/a.md", risk: "low", payload: { path: "reports/a.md" } } as const
  const loop = (one: Asked): Effect.Effect<void> => Effect.sync(() => {
    for (let at = 0; at < operations; at++) if (!allows(state, one, now)) throw new Error("expected that it is allowed")
  })
  // What a check cannot be without: finding three records by their names and comparing a field.
  const plain = new Map(["root", "link", "leaf"].map((id, at, all) => [id, { holder, parent: at === 0 ? null : all[at - 1]! }]))
  const { chain, ours, raw } = yield* inTurns(rounds, {
    ours: timed(operations, loop({ ...asked, token: "root" })),
    chain: timed(operations, loop({ ...asked, token: "leaf" })),
    raw: timed(operations, Effect.sync(() => {
      for (let at = 0; at < operations; at++) {
        for (let id: string | null = "leaf"; id !== null;) {
          const link: { readonly holder: string; readonly parent: string | null } | undefined = plain.get(id)
          if (link === undefined || link.holder !== holder) throw new Error("expected that it is there")
          id = link.parent
        }
      }
    }))
  })
  const rowFor = (id: string, what: string, figures: ReadonlyArray<Figure>, bar: number): Row =>
    row({
      id, what, unit: "per second", figure: medianOf(figures, "rate"), cpuMicros: medianOf(figures, "cpuMicros"), floor: { of: null, bar },
      baselines: { lookups: medianOf(raw, "rate") }, ratios: { lookups: ratioOf(figures, raw, "rate") }
    })
  return [
    rowFor("capability/check", "a warm grant checked, 10,000 others around it", ours, 500_000),
    rowFor("capability/check chain", "a chain of three with targets, risk, uses and an argument checked", chain, 100_000)
  ]
})

const question: Question = {
  kind: "action", system: holder, action: "write", executor: "fs.write", target: "reports/a.md", payload: { path: "reports/a.md" }, risk: "low", recentActions: 3, now
}

const policy = Effect.fnUntraced(function*({ count, rounds }: Sized) {
  const operations = count(200_000, 1_000)
  const rules = Result.getOrThrow(policyFromConfig("default"))
  // What is asked holds all that the answer depends on; the states are alive beside it, as they are in a kernel.
  const loop = (state: AuthorityState): Effect.Effect<void> => Effect.sync(() => {
    for (let at = 0; at < operations; at++) {
      if (rules.ask({ ...question, now: now + (state.cursor & 1) }).outcome !== "allow") throw new Error("expected that it is allowed")
    }
  })
  const [few, many] = [folded(alone(10)), folded(alone(10_000))]
  const { baseline, ours } = yield* inTurns(rounds, { baseline: timed(operations, loop(few)), ours: timed(operations, loop(many)) })
  const figures = { baselines: { "10 grants": medianOf(baseline, "cpuMicros") }, ratios: { "10 grants": ratioOf(ours, baseline, "cpuMicros") } }
  return [
    row({
      id: "capability/policy", what: "policy by the ancestor's table, 10,000 grants, processor time", unit: "us", lowerIsBetter: true, figure: medianOf(ours, "cpuMicros"),
      cpuMicros: medianOf(ours, "cpuMicros"), floor: { of: null, bar: 2 }, aim: { of: "10 grants", bar: 1.1 }, ...figures
    })
  ]
})

/** Ten below the root, ten below each of them, and so on: the last ones hang four links deep. */
const tree = (descendants: number): ReadonlyArray<Grant> =>
  Array.from({ length: descendants + 1 }, (_, n) => grantOf(`node:${n}`, n === 0 ? null : `node:${Math.floor((n - 1) / 10)}`, {}, `agent-${n % 100}`))

const revocation = Effect.fnUntraced(function*({ count, rounds }: Sized) {
  const descendants = count(10_000, 10)
  const state = folded(tree(descendants))
  const decision = decideRevoke("node:0")
  // What has to be gone through in any case: every record below the root once, by its name.
  const plain = new Map(tree(descendants).map((grant) => [grant.id, grant]))
  const { ours, walk } = yield* inTurns(rounds, {
    walk: timedEach(3, () => Effect.sync(() => {
      let seen = 0
      for (const { parent } of plain.values()) if (parent === null || plain.has(parent)) seen++
      if (seen !== descendants + 1) throw new Error("expected all of them")
    })),
    ours: timedEach(3, () => Effect.sync(() => {
      const { answer, entries } = decision(state, now)
      const ended = entries.reduce((before, entry) => fold.step(before, { cursor: before.cursor + 1, hash: "", entry }), state)
      if (answer !== descendants + 1 || entries.length !== 1 || ended === state) throw new Error("expected that all of it ends with one entry")
    }))
  })
  return [
    row({
      id: "capability/revoke", what: `a root revoked with ${descendants.toLocaleString("en")} below it: decided and folded, processor time`, unit: "ms",
      lowerIsBetter: true, figure: medianOf(ours, "cpuMicros") / 1_000, cpuMicros: medianOf(ours, "cpuMicros"), floor: { of: null, bar: 50 },
      baselines: { walk: medianOf(walk, "cpuMicros") / 1_000 }, ratios: { walk: ratioOf(ours, walk, "cpuMicros") },
      others: { passedMillis: medianOf(ours, "p50Micros") / 1_000, slowestMillis: medianOf(ours, "maxMicros") / 1_000 }
    })
  ]
})

/** What a journal mostly holds: grants, actions that start and end, and requests that are forgotten again. */
const history = (entries: number): ReadonlyArray<Entry> => {
  const made: Array<Entry> = Array.from({ length: 100 }, (_, n) => ({ kind: "grant.issued", at: now, grant: grantOf(`grant:${n}`, null, {}, `agent-${n}`) }))
  for (let n = 0; made.length < entries; n++) {
    const system = `agent-${n % 100}`
    const warrant: Warrant = {
      id: `request-${n}`, requestCursor: n, state: "started", system, action: "write", executor: "fs.write", target: "reports/a.md", risk: "low", recovery: "none",
      grant: `grant:${n % 100}`, digest: "0".repeat(64), payloadArtifact: null, rule: "risk", reason: "", attempt: 1, kernelEpoch: 1, requestedAt: now + n, expiresAt: null,
      approvedBy: null
    }
    made.push(
      { kind: "action.decided", at: now + n, request: warrant.id, requestCursor: n, channel: "aaax.action-gate", system, floor: Math.max(0, n - (n % 64) - 64), warrant, escalatedTo: null },
      { kind: "warrant.finished", at: now + n, warrant: warrant.id, system, executor: "fs.write", attempt: 1, outcome: "succeeded", reason: "", result: null, resultArtifact: null, reconciledBy: null }
    )
  }
  return made
}

const folding = Effect.fnUntraced(function*({ count, rounds }: Sized) {
  const entries = history(count(200_000, 400))
  const texts = entries.map((entry) => JSON.stringify(entry))
  const { ours, parse } = yield* inTurns(rounds, {
    ours: timed(entries.length, Effect.sync(() => {
      let state = fold.initial
      for (let at = 0; at < entries.length; at++) state = fold.step(state, { cursor: at + 1, hash: "", entry: entries[at]! })
      if (state.cursor !== entries.length) throw new Error("expected that all of it is folded")
    })),
    // What whoever folds them from the disk has to do with each before.
    parse: timed(entries.length, Effect.sync(() => {
      for (const text of texts) if (JSON.parse(text) === null) throw new Error("expected an entry")
    }))
  })
  return [
    row({
      id: "capability/fold", what: `the journal folded, ${entries.length.toLocaleString("en")} entries, of a second of processor time`, unit: "per second",
      figure: 1e6 / medianOf(ours, "cpuMicros"),
      cpuMicros: medianOf(ours, "cpuMicros"), floor: { of: null, bar: 300_000 }, baselines: { parse: 1e6 / medianOf(parse, "cpuMicros") }, ratios: { parse: 1 / ratioOf(ours, parse, "cpuMicros") },
      others: { passedPerSecond: medianOf(ours, "rate") }
    })
  ]
})

export const capability = Effect.fnUntraced(function*(sized: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown> {
  return [...(yield* checks(sized)), ...(yield* policy(sized)), ...(yield* revocation(sized)), ...(yield* folding(sized))]
})
