// Two engines, one table: every question that chance can think of is put to Cedar's default policy and to the TypeScript
// table that it says it equals. A difference is a mistake in one of the two, or in what Cedar is told.
import * as Effect from "effect/Effect"
import type { Question, Verdict } from "../../protocol/authority.ts"
import { judge } from "../../kernel/authority/decide/ask.ts"
import { makePolicy } from "../../kernel/guard/policy.ts"
import * as Risk from "../../kernel/policy/risk.ts"
import { makeCedarEngine } from "../../kernel/power/cedar-engine.ts"
import { loadPolicy } from "../../kernel/power/policy-file.ts"
import { makeRandom, type Random } from "../kit/random.ts"
import { numbers, seconds, type Torment } from "./torment.ts"

const letters = ["a", "Z", "/", ".", "*", "\"", "\\", "'", " ", "\u0000", "\n", "é", "\u202e", "😀", "::", "__proto__", "${", "//", "AAAX::", "🇦"]
const text = (random: Random, lengthMax = 12): string => Array.from({ length: random.int(lengthMax) }, () => random.pick(letters)).join("")

const json = (random: Random, depth = 3): unknown => {
  switch (random.int(depth === 0 ? 5 : 7)) {
    case 0: return null
    case 1: return random.chance(0.5)
    case 2: return random.int(2 ** 31) - random.int(2 ** 31) + (random.chance(0.3) ? 0.5 : 0)
    case 3: return text(random)
    case 4: return random.pick(["approve", "__proto__", "risk", "x".repeat(500)])
    case 5: return Array.from({ length: random.int(4) }, () => json(random, depth - 1))
    default: return Object.fromEntries(Array.from({ length: random.int(4) }, () => [text(random, 4), json(random, depth - 1)]))
  }
}

const texts = (random: Random): ReadonlyArray<string> => Array.from({ length: random.int(4) }, () => text(random))

const questionOf = (random: Random): Question => {
  switch (random.int(10)) {
    case 0:
      return {
        kind: "capability", system: text(random), resource: text(random), access: random.pick(["read", "write", "execute"] as const),
        context: { [text(random, 3)]: json(random) }, declared: random.chance(0.5)
      }
    case 1:
      return {
        kind: "module", module: text(random), framework: text(random), executors: texts(random), channels: texts(random), privileged: random.chance(0.5),
        configured: random.chance(0.5)
      }
    default:
      return {
        kind: "action", system: text(random), action: text(random), executor: text(random), target: text(random, 40), payload: json(random),
        risk: random.pick(["low", "medium", "high", "irreversible", "irreversible", "LOW", "spicy", "", "__proto__", text(random)]),
        recentActions: random.int(1_001), now: 1_700_000_000_000 + random.int(2 ** 31),
        ...(random.chance(0.3) ? { labels: [...texts(random)].sort(), external: random.chance(0.5), fenced: random.chance(0.5) } : {}),
        ...(random.chance(0.2) ? { remaining: { tokens: random.int(1_000) }, spent: { tokens: random.int(1_000) } } : {})
      }
  }
}

const said = (verdict: Verdict): string => (verdict.outcome === "escalate" ? `escalate to ${verdict.to}` : verdict.outcome)

export interface CedarReport {
  readonly cases: number
  readonly seed: number
  readonly millis: number
  readonly perSecond: number
  readonly differences: number
  /** Answers that were none, and were asked for again: Cedar was gone or slow. */
  readonly unavailable: number
  /** What the table said, by its word: each of them has to be there. */
  readonly said: Readonly<Record<string, number>>
  readonly examples: ReadonlyArray<{ readonly question: Question; readonly table: Verdict; readonly cedar: Verdict }>
  readonly ok: boolean
}

const atOnce = 256

export const compareCedar = (
  { cases, onCase, policies = "aaax/policy/default.cedar", seed }: {
    readonly cases: number; readonly seed: number; readonly policies?: string; readonly onCase?: (done: number) => void
  }
): Promise<CedarReport> =>
  Effect.runPromise(Effect.scoped(Effect.gen(function*() {
    const { make } = yield* makeCedarEngine
    const { policy: cedar } = yield* loadPolicy({ cedar: { policies, schema: "aaax/policy/default.cedarschema" } }, { directory: ".", file: "torture", makeCedar: make })
    const table = makePolicy([Risk.rule()])
    const random = makeRandom(seed)
    const counts: Record<string, number> = {}
    const examples: Array<CedarReport["examples"][number]> = []
    let [differences, unavailable] = [0, 0]
    const began = performance.now()
    for (let done = 0; done < cases; done += atOnce) {
      const questions = Array.from({ length: Math.min(atOnce, cases - done) }, () => questionOf(random))
      yield* Effect.forEach(questions, Effect.fnUntraced(function*(question) {
        const ours = table.ask(question)
        counts[said(ours)] = (counts[said(ours)] ?? 0) + 1
        let theirs = cedar.ask(yield* judge(cedar, question))
        // A machine that is too busy says nothing about the policies: it is asked again, and counted.
        for (let again = 0; again < 20 && theirs.outcome === "deny" && theirs.unavailable === true; again++) {
          unavailable++
          yield* Effect.sleep(500)
          theirs = cedar.ask(yield* judge(cedar, question))
        }
        if (said(ours) === said(theirs)) return
        differences++
        if (examples.length < 5) examples.push({ question, table: ours, cedar: theirs })
      }), { concurrency: "unbounded", discard: true })
      onCase?.(done + questions.length)
    }
    const millis = Math.round(performance.now() - began)
    return {
      cases, seed, millis, perSecond: Math.round(cases / (millis / 1_000)), differences, unavailable, said: counts, examples,
      ok: differences === 0
    }
  })))

/** `npm run torture -- --cedar CASES`. */
export const cedarTorment: Torment = {
  option: "cedar",
  argument: "CASES",
  says: "puts so many random questions to Cedar's default policy and to the TypeScript table",
  run: async ({ count, progress, seed }) => {
    const report = await compareCedar({ cases: count, seed, onCase: (done) => progress(`${done}/${count} compared`) })
    return {
      report,
      lines: [
        `${report.cases} questions in ${seconds(report.millis)}: ${Object.entries(report.said).map(([word, times]) => `${word} ${times}`).join(", ")}`,
        ...numbers(report, "differences", "unavailable"),
        ...report.examples.map((example) => `different: ${JSON.stringify(example)}`)
      ]
    }
  }
}
