// What every rule promises: pure, total, the same answer twice, and never a throw, whatever it is asked.
import { describe, expect, it } from "vitest"
import type { Question, Rule } from "../../protocol/authority.ts"

const words = [
  "", "low", "irreversible", "LOW", "__proto__", "constructor", "toString", "hasOwnProperty", "../x", "a/../../x", "/etc/passwd",
  "a//b", "x\u0000y", "\ud800", "😀", "*".repeat(2_000), "a".repeat(4_096), "fs.write", "\u202edrow"
]
const numbers = [0, 1, -1, 60, 1.5, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, Number.NaN, Number.POSITIVE_INFINITY]
const payloads: ReadonlyArray<unknown> = [
  null, undefined, "", 0, [], {}, JSON.parse('{"__proto__":{"allow":true}}'), { constructor: 1 }, { content: "x".repeat(10_000) },
  Object.create(null)
]

/** Questions that a friendly kernel would never ask. */
export const hostileQuestions: ReadonlyArray<Question> = [
  ...words.flatMap((word, at): Array<Question> => [
    { kind: "action", system: word, action: word, executor: word, target: word, payload: payloads[at % payloads.length], risk: word,
      recentActions: numbers[at % numbers.length]!, now: numbers[(at + 3) % numbers.length]! },
    { kind: "capability", system: word, resource: word, access: "execute", context: { [word]: word }, declared: at % 2 === 0 },
    { kind: "module", module: word, framework: word, executors: [word], channels: [word], privileged: at % 3 === 0, configured: at % 2 === 0 }
  ]),
  ...words.map((target): Question => ({
    kind: "action", system: "s", action: "a", executor: "fs.write", target, payload: {}, risk: "low", recentActions: 0, now: 0
  })),
  ...numbers.flatMap((number): Array<Question> => [
    { kind: "action", system: "s", action: "a", executor: "e", target: "t", payload: {}, risk: "high", recentActions: number, now: 0 },
    { kind: "action", system: "s", action: "a", executor: "e", target: "t", payload: {}, risk: "high", recentActions: 0, now: number }
  ])
]

const frozen = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  for (const inner of Object.values(value)) frozen(inner)
  return Object.freeze(value)
}

const isDecision = (value: unknown): boolean => {
  if (value === undefined) return true
  if (typeof value !== "object" || value === null) return false
  const { outcome, reason, to } = value as Readonly<Record<string, unknown>>
  if (outcome === "allow") return reason === undefined || typeof reason === "string"
  return typeof reason === "string" && reason !== "" && (outcome === "deny" || (outcome === "escalate" && typeof to === "string"))
}

export const ruleContract = (name: string, make: () => Rule): void => {
  describe(`the rule ${name}`, () => {
    it("has a name and says in one line what it does", () => {
      const rule = make()
      expect(rule.name).toMatch(/^[a-z][a-z-]*$/u)
      expect(rule.description).toMatch(/^[^\n]{3,300}$/u)
      expect(JSON.parse(JSON.stringify(rule.config ?? null))).toEqual(rule.config ?? null)
    })

    it("answers every question with a decision or nothing, and never throws", () => {
      const rule = make()
      const wrong = hostileQuestions.filter((question) => !isDecision(rule.decide(question)))
      expect(wrong).toEqual([])
    })

    it("gives the same answer to the same question, also when it is made anew and asked in another order", () => {
      const rule = make()
      const answers = hostileQuestions.map(rule.decide)
      const other = make()
      expect([...hostileQuestions].reverse().map(other.decide).reverse()).toEqual(answers)
      expect(hostileQuestions.map(rule.decide)).toEqual(answers)
    })

    it("leaves the question as it was", () => {
      const rule = make()
      const questions = structuredClone(hostileQuestions)
      for (const question of questions) rule.decide(frozen(question) as Question)
      expect(questions).toEqual(structuredClone(hostileQuestions))
    })

    it("never allows an action whose risk is an unknown word, unless it allows everything", () => {
      const rule = make()
      const unknown = hostileQuestions.filter((question) => question.kind === "action" && !["low", "medium", "high", "irreversible"].includes(question.risk))
      expect(unknown.length).toBeGreaterThan(10)
      if (name !== "open") expect(unknown.filter((question) => rule.decide(question)?.outcome === "allow")).toEqual([])
    })
  })
}
