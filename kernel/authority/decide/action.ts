// A request for an action: a warrant, whatever becomes of it.
import { bearerRiskMax, isRisk, riskAtMost, riskMax, type ActionRequest, type GrantRefusal, type Question, type Risk } from "../../../protocol/authority.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { callRefusal, circuitFor, effectiveRisk, isExternal, recoveryFor } from "../../executor/executor.ts"
import { approvalMillisDefault, warrantsOpenMax, warrantsWaitingMax } from "../../limits.ts"
import { sameTrace, type ActionDecided, type Entry, type RequestReference } from "../entry.ts"
import { accountsOf } from "../state/budgets.ts"
import { heldBy, lookup } from "../state/state.ts"
import { startsSince } from "../state/starts.ts"
import { aboveOf, refusalOf } from "../verify.ts"
import { askPolicy, besideWarrant, nothingSaid, saidBeside, type Asked } from "./ask.ts"
import { budgetFacts, declaredCost, reservation, type Reserved } from "./budget.ts"
import { compensationPayload, compensationRefusal, type Done } from "./compensate.ts"
import type { Decision, Rules } from "./decision.ts"
import { frozenReason } from "./freeze.ts"
import { quorumOf } from "./approver.ts"
import { answered } from "./request.ts"
import { standingAnswer } from "./standing.ts"

/** The final payload of an allowed action is stored before its verdict: its digest names the artifact. */
export interface ActionAnswer {
  /** A payload that a rule put in place of the requester's, and that must be kept as an artifact first. */
  readonly replacement?: { readonly digest: string; readonly payload: unknown }
}

type ActionQuestion = Extract<Question, { readonly kind: "action" }>
type Draft<A> = { -readonly [K in keyof A]: A[K] }

/** Final payloads of entries that were just made, so that nobody has to read them back. They go with their entry. */
const finals = new WeakMap<Entry, Final>()

/** A payload that nobody can change any more: the digest of its entry was taken of this very value. */
export interface Final {
  readonly payload: unknown
}

/** The final payload that an entry was decided on, while it is at hand; else it is read, and compared with the digest. */
export const finalOf = (entry: Entry): Final | undefined => finals.get(entry)

/** Plain data, frozen at every depth, as events are. */
const isFixed = (value: unknown): boolean => {
  if (typeof value !== "object" || value === null) return true
  if (!Object.isFrozen(value)) return false
  for (const key in value) if (!isFixed((value as Readonly<Record<string, unknown>>)[key])) return false // its own member, or of a list
  return true
}

/** Most actions have none: one for all of them. */
const nothingKept: ReadonlySet<string> = new Set()

export const decideAction = (
  rules: Rules, reference: RequestReference, request: ActionRequest, kept: ReadonlySet<string> = nothingKept, taken?: Done
): Decision<ActionAnswer> => (state, now) => {
  if (answered(state, reference) !== undefined) return { entries: [], answer: {} }
  const { system } = reference
  const executor = rules.executor(request.executor)
  const requested = request.risk_level ?? "medium"
  const { compensates } = request
  const original = compensates === undefined ? (request.payload ?? null) : compensationPayload(compensates)
  // Taking back has the highest risk that the executor has: it says nothing of single ones.
  const risk = effectiveRisk(executor, requested, compensates === undefined ? { target: request.target, payload: original } : undefined)
  /** What a rule put in place may be riskier than what was asked for. */
  const riskOf = (payload: unknown): Risk =>
    payload === original ? risk : riskMax(risk, effectiveRisk(executor, requested, { target: request.target, payload }))
  const above = aboveOf(state, request.capability ?? null)
  const isTraced = reference.traceparent !== undefined || reference.labels !== undefined
  let asked: Asked | undefined
  const decided = (
    outcome: Warrant["state"], rule: string, reason: string, payload: unknown, artifact: string | null, escalatedTo: string | null,
    more?: Pick<Warrant, "refusal" | "standing" | "unavailable" | "quorum" | "cost"> & Reserved
  ): ReturnType<Decision<ActionAnswer>> => {
    // One member after another: a record that is spread out of others costs as much as the rest of the decision. And in the
    // order of the canonical text, which is written faster so.
    const { action, executor: name, target } = request
    const isStarted = outcome === "started"
    const warrant: Draft<Warrant> = {
      action,
      approvedBy: null,
      attempt: isStarted ? 1 : 0,
      digest: rules.digestOf({ action, executor: name, payload, target }),
      executor: name,
      expiresAt: outcome === "escalated" ? now + (rules.approvalMillis ?? approvalMillisDefault) : null,
      grant: request.capability ?? null,
      id: reference.request,
      kernelEpoch: isStarted ? state.boot : 0,
      key: reference.request,
      payloadArtifact: artifact,
      policy: asked?.policy ?? "",
      reason,
      recovery: compensates === undefined ? recoveryFor(executor, { target, payload }) : (executor?.compensateRecovery ?? "none"),
      requestCursor: reference.requestCursor,
      requestedAt: now,
      risk: riskOf(payload),
      rule,
      state: outcome,
      system,
      target
    }
    // Policy was not asked.
    if (asked === undefined) delete warrant.policy
    if (above.chain !== undefined) warrant.chain = above.chain
    if (more !== undefined) Object.assign(warrant, more)
    if (request.fence !== undefined) warrant.fence = request.fence
    if (compensates !== undefined) warrant.compensates = compensates
    if (isTraced) Object.assign(warrant, sameTrace(reference))
    const entry: Draft<ActionDecided> = {
      kind: "action.decided",
      asked: asked === undefined ? {} : besideWarrant(asked.question),
      at: now,
      channel: reference.channel,
      escalatedTo,
      floor: reference.floor,
      request: reference.request,
      requestCursor: reference.requestCursor,
      system,
      warrant
    }
    if (asked === undefined) delete entry.asked
    else {
      const beside = saidBeside(asked, outcome)
      if (beside !== nothingSaid) Object.assign(entry, beside)
    }
    if (isTraced) Object.assign(entry, sameTrace(reference))
    if (outcome === "started" && artifact === null && isFixed(payload)) finals.set(entry, { payload })
    return {
      entries: compensates === undefined || outcome === "denied"
        ? [entry]
        : [entry, { kind: "warrant.compensating", at: now, warrant: compensates, compensation: reference.request, by: system }],
      answer: {}
    }
  }
  const deny = (rule: string, reason: string): ReturnType<Decision<ActionAnswer>> =>
    decided("denied", rule, reason, original, null, null)
  const notCovered = (refusal: GrantRefusal): ReturnType<Decision<ActionAnswer>> =>
    decided("denied", "capability", refusal.reason, original, null, null, { refusal })
  /** It is not refused for what it is: asked again later, it may be answered otherwise. */
  const unavailable = (reason: string, rule = "kernel"): ReturnType<Decision<ActionAnswer>> =>
    decided("denied", rule, reason, original, null, null, { unavailable: true })

  if (state.frozen !== null) return unavailable(frozenReason(state.frozen))
  const record = lookup(state.systems, system)
  if (record?.status === "revoked" || record?.status === "quarantined") return deny("kernel", `${system} is ${record.status}`)
  if (request.capability === undefined || request.capability === null || request.capability === "") {
    return deny("capability", "Missing execute capability token")
  }
  const needed = {
    token: request.capability, holder: system, resource: request.executor, access: "execute", action: request.action, target: request.target, risk, payload: original
  } as const
  const uncovered = refusalOf(state, needed, now)
  if (uncovered !== undefined) return notCovered(uncovered)
  /** Whoever has a stolen token has all that it is good for: so it is not good for what matters most. */
  const isTooMuch = (asked: Risk): boolean => record?.bearer === true && !riskAtMost(asked, bearerRiskMax)
  const tooMuch = (): ReturnType<Decision<ActionAnswer>> =>
    deny("kernel", `${system} came with a bearer token, which is good up to risk ${bearerRiskMax}. Let it come with a key of its own: aaax enroll ${system}`)
  if (executor === undefined) return unavailable(`Unknown executor: ${request.executor}`)
  const broken = rules.leftAlone?.(circuitFor(executor, { target: request.target, payload: original }), now)
  if (broken !== undefined) return unavailable(broken)
  if (heldBy(state, system).warrants >= warrantsOpenMax) {
    return unavailable(`${system} has ${warrantsOpenMax} open actions, the most that one system may have; let some end`)
  }

  if (compensates !== undefined) {
    // One of somebody else's is none: who asks does not learn of it.
    const mine = taken?.warrant.id === compensates && taken.warrant.system === system ? taken : undefined
    if (mine === undefined) return deny("kernel", `You have no warrant ${compensates} to take back`)
    if (mine.warrant.executor !== request.executor || mine.warrant.target !== request.target || (request.payload ?? null) !== null) {
      return deny("kernel", `${compensates} is taken back with its own executor and target (${mine.warrant.executor}, ${mine.warrant.target}) and without a payload`)
    }
    const refusal = compensationRefusal(state, executor, mine)
    if (refusal !== undefined) return deny("kernel", `${compensates} cannot be taken back: ${refusal}`)
  }
  const costing = compensates === undefined ? declaredCost(executor, { target: request.target, payload: original }) : {}
  if ("refusal" in costing) return deny("budget", costing.refusal)
  const accounts = accountsOf(state, system, request.capability)
  const affordable = reservation(accounts, costing.cost, executor, now)
  if ("refusal" in affordable) return deny("budget", affordable.refusal)

  const question: Draft<ActionQuestion> = {
    kind: "action",
    system,
    action: request.action,
    executor: request.executor,
    target: request.target,
    payload: original,
    recentActions: startsSince(state, system, now - 60_000),
    risk: isRisk(requested) ? risk : requested,
    now
  }
  if (reference.labels !== undefined) question.labels = reference.labels
  if (compensates !== undefined) question.compensates = compensates
  if (isExternal(executor, { target: request.target, payload: original })) question.external = true
  if (request.fence !== undefined) question.fenced = true
  if (above.chain !== undefined) question.delegations = above.chain.length
  if (costing.cost !== undefined) question.cost = costing.cost
  if (accounts.length > 0) Object.assign(question, budgetFacts(accounts, now))
  asked = askPolicy(rules, state, question)
  // What always waits for a human does so whatever allows it.
  const verdict = executor.gated === true && asked.verdict.outcome === "allow"
    ? { ...asked.verdict, outcome: "escalate" as const, reason: `${executor.name} always waits for a human`, to: "human" }
    : asked.verdict
  if (verdict.outcome === "deny") {
    return verdict.unavailable === true ? unavailable(verdict.reason, verdict.rule) : deny(verdict.rule, verdict.reason)
  }
  // Also of an escalated one: what a rule put in place is what a human approves.
  const replaced = verdict.payload !== undefined
  const payload = replaced ? verdict.payload : original
  // A rule may change what is done, and not what its grant is for.
  const outside = replaced ? refusalOf(state, { ...needed, payload, risk: riskOf(payload) }, now) : undefined
  if (outside !== undefined) return notCovered(outside)
  if (isTooMuch(riskOf(payload))) return tooMuch()
  if (replaced && compensates !== undefined) return deny(verdict.rule, "What takes back another action has no payload that a rule could replace")
  const refusal = compensates === undefined ? callRefusal(executor, { target: request.target, payload }) : undefined
  if (refusal !== undefined) return deny("executor", refusal)
  const artifact = replaced ? rules.digestOf(payload) : null
  if (artifact !== null && !kept.has(artifact)) return { entries: [], answer: { replacement: { digest: artifact, payload } } }
  // What a rule put in place may cost something else than what was asked for.
  const final = replaced ? declaredCost(executor, { target: request.target, payload }) : costing
  if ("refusal" in final) return deny("budget", final.refusal)
  const held = replaced ? reservation(accounts, final.cost, executor, now) : affordable
  if ("refusal" in held) return deny("budget", held.refusal)
  const isFree = final.cost === undefined && accounts.length === 0
  if (verdict.outcome === "escalate") {
    const { action, executor: name, target } = request
    const shape = {
      system, executor: name, action, target, risk: riskOf(payload), labels: reference.labels ?? [], digest: () => rules.digestOf({ action, executor: name, target, payload })
    }
    const standing = executor.gated === true || compensates !== undefined ? undefined : standingAnswer(rules, state, shape, now)
    if (standing !== undefined) return decided("started", standing.id, standing.reason, payload, artifact, null, { standing: standing.id, ...final, ...held })
    if (heldBy(state, system).waiting >= warrantsWaitingMax) {
      return unavailable(`${system} waits for a human with ${warrantsWaitingMax} actions, the most that one system may; let some be answered`)
    }
    return decided("escalated", verdict.rule, verdict.reason, payload, artifact, verdict.to, { ...quorumOf(rules, shape.risk), ...final })
  }
  return decided("started", verdict.rule, verdict.reason ?? "", payload, artifact, null, isFree ? undefined : { ...final, ...held })
}
