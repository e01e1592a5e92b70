// Asks the policy in force. What an engine outside has to say is asked before: a decision that lacks it is thrown away
// and made anew when it is there, so that decisions stay pure and what was said stays with what was decided.
import * as Effect from "effect/Effect"
import type { Judgement, Policy, Question, Verdict } from "../../../protocol/authority.ts"
import { judgementRoundsMax } from "../../limits.ts"
import type { Journal, Submitted } from "../journal.ts"
import type { AuthorityState } from "../state/state.ts"
import type { Decision, Rules } from "./decision.ts"

/** The decision needs an answer that no engine has given yet. Nothing of it is kept. */
export class Unjudged extends Error {
  override readonly name = "Unjudged"
  readonly policy: Policy
  readonly question: Question
  constructor(policy: Policy, question: Question) {
    super("the policy's engine has not been asked yet")
    this.policy = policy
    this.question = question
  }
}

const nowhere = "lost"

export const lostPolicy: Policy = {
  version: nowhere,
  description: "the policy in force is not here: everything is denied",
  ask: () => ({ outcome: "deny", rule: "policy", reason: "the policy in force is not here; see aaax policy show", unavailable: true })
}

/** The policy that this state names. */
export const policyIn = (rules: Rules, state: AuthorityState): Policy =>
  rules.policyOf === undefined ? rules.policy : (rules.policyOf(state.policy) ?? lostPolicy)

export interface Asked {
  readonly verdict: Verdict
  /** With what engines said to it: this is what is decided again when history is. */
  readonly question: Question
  /** Version of the policy that answered. */
  readonly policy: string
}

const inWarrant: ReadonlySet<string> = new Set(["action", "executor", "kind", "now", "payload", "system", "target"])

/** What of an action's question neither its warrant nor its request says: kept, so that it can be put again. */
export const besideWarrant = (question: Question): Readonly<Record<string, unknown>> => {
  if (question.kind !== "action") return {}
  const beside: Record<string, unknown> = {}
  for (const name in question) {
    // Its own members: a question is a plain record.
    if (!inWarrant.has(name)) beside[name] = question[name as keyof typeof question]
  }
  return beside
}

/** The same for a capability's. A context is kept only when it is empty: else the request holds it. */
export const besideRequest = (question: Question): Readonly<Record<string, unknown>> => {
  if (question.kind !== "capability") return {}
  const { access: _, context, kind: _1, resource: _2, system: _3, ...rest } = question
  return Object.keys(context).length === 0 ? { ...rest, context } : rest
}

const meaning: Readonly<Record<string, Verdict["outcome"]>> = { denied: "deny", escalated: "escalate", started: "allow", granted: "allow" }

/** What policy said, kept when something else came of it: an executor refused it, a bound was reached. */
export const saidBeside = ({ verdict }: Asked, outcome: string): { readonly said?: Verdict["outcome"] } =>
  meaning[outcome] === verdict.outcome ? nothingSaid : { said: verdict.outcome }

/** All of it came of the verdict. */
export const nothingSaid: { readonly said?: Verdict["outcome"] } = {}

/** The question with what the engines of a policy said to it; undefined when one of them has not spoken. */
export const judgedOf = (policy: Policy, question: Question): Question | undefined => {
  if (policy.engines === undefined || policy.engines.length === 0) return question
  const judged: Array<Judgement> = []
  for (const engine of policy.engines) {
    const judgement = engine.known(question)
    if (judgement === undefined) return undefined
    judged.push(judgement)
  }
  return { ...question, judged }
}

/** Set while a decision is made for the last time, which is synchronous: what is not known then is unavailable. */
let isLastTime = false

const forTheLastTime = <A>(decision: Decision<A>): Decision<A> => (state, now) => {
  isLastTime = true
  try {
    return decision(state, now)
  } finally {
    isLastTime = false
  }
}

const restless: Verdict = { outcome: "deny", rule: "policy", reason: "what its engine was asked changed each time before it had answered; ask again", unavailable: true }

/* hot */
/** What the policy in force says. Throws `Unjudged` when an engine has to be asked first. */
export const askPolicy = (rules: Rules, state: AuthorityState, question: Question): Asked => {
  const policy = policyIn(rules, state)
  const judged = judgedOf(policy, question)
  if (judged === undefined) {
    if (isLastTime) return { verdict: restless, question, policy: policy.version }
    throw new Unjudged(policy, question)
  }
  return { verdict: policy.ask(judged), question: judged, policy: policy.version }
}

/** Asks every engine of a policy, whatever it remembers. */
export const judge = (policy: Policy, question: Question): Effect.Effect<Question> =>
  policy.engines === undefined || policy.engines.length === 0
    ? Effect.succeed(question)
    : Effect.map(Effect.forEach(policy.engines, (engine) => engine.judge(question)), (judged) => ({ ...question, judged }))

/** What the policy in force says to a question that no decision asks. */
export const askNow = (rules: Rules, state: AuthorityState, question: Question): Effect.Effect<Verdict> => {
  const policy = policyIn(rules, state)
  return Effect.map(judge(policy, question), policy.ask)
}

/** Submits a decision that asks policy; asks engines as often as what it depends on has moved, and not for ever. */
export const submitAsking = <A>(journal: Pick<Journal, "submit">, decision: Decision<A>): Effect.Effect<Submitted<A>> => {
  const attempt = (round: number): Effect.Effect<Submitted<A>> =>
    Effect.catchDefect(journal.submit(round === judgementRoundsMax ? forTheLastTime(decision) : decision), (defect) =>
      defect instanceof Unjudged
        ? Effect.andThen(judge(defect.policy, defect.question), attempt(round + 1))
        : Effect.die(defect))
  return attempt(0)
}
