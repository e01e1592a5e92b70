// The gate as a human sees it: what waits, what is under way, what nobody knows, and the answers to it. Who answers in the
// kernel's own process is the host; an answer from outside proves from a risk up that a human gives it (gate/proof.ts).
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import type { BatchAnswer, GateStory, Named, Standing, StandingPreview, StandingTerms, Why } from "../../protocol/approval.ts"
import { riskAtMost } from "../../protocol/authority.ts"
import {
  Denied, InvalidPayload, type Overloaded, type ProofNeeded, StandingNotFound, type StoreUnavailable, TooLarge, WarrantConflict, WarrantNotFound
} from "../../protocol/errors.ts"
import { kernelSystem, type SystemId } from "../../protocol/names.ts"
import type { GateView } from "../../protocol/view.ts"
import type { Warrant, WarrantState } from "../../protocol/warrant.ts"
import { answersAtOnceMax, pageEventsDefault, pageEventsMax } from "../limits.ts"
import { toText } from "../store/codec.ts"
import type { StoreService } from "../store/store.ts"
import { decideAnswer, waitingFor, type Answered } from "./decide/answer.ts"
import { isOfAnother } from "./decide/again.ts"
import { submitAsking } from "./decide/ask.ts"
import type { Compensation } from "./compensation.ts"
import { decideCompensate } from "./decide/compensate.ts"
import type { Decision, Rules } from "./decide/decision.ts"
import { decideEdit } from "./decide/edit.ts"
import { decideStandingRevoke, standingOf, standingRefusal } from "./decide/standing.ts"
import { decideReconcile, isLost } from "./decide/warrant.ts"
import { entryOf, type Entry } from "./entry.ts"
import { preview } from "./gate/preview.ts"
import { visible, type Outside, type Proof } from "./gate/proof.ts"
import { asked, details, linksOf, tell, type Told } from "./gate/story.ts"
import { makeWhy } from "./gate/why.ts"
import type { Journal } from "./journal.ts"
import { isLive } from "./state/standing.ts"
import { lookup } from "./state/state.ts"
import type { Warrants } from "./warrants.ts"

export interface AnswerOptions {
  /** What was shown: the answer is for that and nothing else. */
  readonly digest?: string
  readonly reason?: string
  /** For an answer from outside the kernel's process: what proves that a human gives it. Absent: the host itself answers. */
  readonly outside?: Outside
}

export type AnswerError = Denied | WarrantConflict | WarrantNotFound | ProofNeeded | Overloaded

export interface GateQuery {
  readonly state?: WarrantState
  readonly system?: string
  readonly limit?: number
}

export interface Gate {
  /**
   * Open warrants: those that wait for a human first, by risk and then by age; then those whose outcome is unknown, then
   * those under way. `state` narrows, also to closed ones.
   */
  readonly list: (options?: GateQuery) => Effect.Effect<ReadonlyArray<GateView>>
  /** Everything that the journal says of one. */
  readonly show: (id: string) => Effect.Effect<GateStory, WarrantNotFound>
  /**
   * Bound to the digest that was shown; `by` must be neither the requester nor anybody that it got its authority from. With
   * `standing` it also allows more of the same for a while. Answers the warrant as it then is: still waiting when it needs
   * more approvers.
   */
  readonly approve: (id: string, by: SystemId, options?: AnswerOptions & { readonly standing?: StandingTerms }) => Effect.Effect<GateView, AnswerError>
  readonly deny: (id: string, by: SystemId, reason: string, options?: Pick<AnswerOptions, "digest">) => Effect.Effect<GateView, AnswerError>
  /** Puts other arguments in place of those that wait. They are checked as the first ones were, and wait under their own digest. */
  readonly edit: (
    id: string, by: SystemId, payload: unknown, options?: Pick<AnswerOptions, "digest" | "reason">
  ) => Effect.Effect<GateView, AnswerError | InvalidPayload | TooLarge | StoreUnavailable>
  /** Answers several at once, each bound to its own digest; one that fails does not hold up the others. */
  readonly answerAll: (
    outcome: "approved" | "refused", answers: ReadonlyArray<Named>, by: SystemId, options?: Omit<AnswerOptions, "digest">
  ) => Effect.Effect<ReadonlyArray<BatchAnswer>, InvalidPayload | ProofNeeded | Overloaded>
  /**
   * Proves that a human does something that approvals would be nothing worth without: making approvers, and changing what is
   * asked at all. `what` is everything that it says, `says` is for the terminal. Nothing is kept of it.
   */
  readonly vouch: (by: SystemId, what: readonly [verb: string, of: string], says: string, outside: Outside) => Effect.Effect<void, Denied | ProofNeeded | Overloaded>
  /** What a standing approval on these terms would have matched. */
  readonly preview: (id: string, terms: StandingTerms) => Effect.Effect<StandingPreview, Denied | WarrantConflict | WarrantNotFound>
  /** Standing approvals that are in force, the one that ends first first. */
  readonly standing: () => ReadonlyArray<Standing>
  readonly revokeStanding: (id: string, by: SystemId) => Effect.Effect<Standing, StandingNotFound>
  /** Says what became of an unknown one. */
  readonly reconcile: (id: string, by: SystemId, outcome: "succeeded" | "failed", reason: string) => Effect.Effect<GateView, Denied | WarrantConflict | WarrantNotFound>
  /**
   * Takes back the effect of one that succeeded, as its executor says how: a warrant of its own, that the operator answers
   * for. Answers that one; what becomes of it is shown under its id and under the one that it takes back.
   */
  readonly compensate: (id: string, by: SystemId, reason: string, options?: Pick<AnswerOptions, "outside">) => Effect.Effect<GateView, AnswerError>
  /** Who changed a path last, or why an event or an action is there. */
  readonly why: (asked: string) => Effect.Effect<Why>
}

export interface GateOptions {
  readonly journal: Journal
  readonly store: StoreService
  readonly warrants: Warrants
  readonly rules: Rules
  readonly proof: Proof
  readonly compensation: Compensation
  /** Kernel time in Unix milliseconds. */
  readonly now: () => number
  readonly canonical: (value: unknown) => string
  readonly artifact: (digest: string) => Effect.Effect<unknown>
}

/** Positions of the journal that a list of closed warrants looks back over. */
const lookBack = 20_000

const order: Readonly<Partial<Record<WarrantState, number>>> = { escalated: 0, unknown: 1, started: 2 }

/** What a human has to look at first comes first. */
const byUrgency = (a: Warrant, b: Warrant): number =>
  (order[a.state] ?? 3) - (order[b.state] ?? 3) || (a.risk === b.risk ? 0 : riskAtMost(a.risk, b.risk) ? 1 : -1) ||
  a.requestedAt - b.requestedAt || a.requestCursor - b.requestCursor

export const make = ({ artifact, canonical, compensation, journal, now, proof, rules, store, warrants }: GateOptions): Gate => {
  const view = Effect.fnUntraced(function*(
    { answer: answered, reconciled, result, resultArtifact, verdict, warrant }: Told
  ): Effect.fn.Return<GateView> {
    const payload = yield* warrants.payloadOf(warrant)
    // Both come from JSON that the kernel keeps.
    return {
      ...warrant,
      // Until its executor is back, nobody knows; what its recovery allows is done then.
      ...(isLost(journal.state(), warrant, isServed) ? { state: "unknown" as const, reason: `the kernel ended while it was under way, and nobody serves ${warrant.executor} since` } : {}),
      verdict,
      answer: answered,
      reconciled,
      payload: (payload ?? null) as GateView["payload"],
      result: (resultArtifact === null ? (result ?? null) : yield* artifact(resultArtifact)) as GateView["result"]
    }
  })

  const isServed = (executor: string): boolean => rules.executor(executor) !== undefined
  const told = (entries: ReadonlyArray<Entry>): Told | undefined => entries.reduce<Told | undefined>(tell, undefined)
  const story = (id: string): Effect.Effect<Told | undefined> =>
    Effect.map(Effect.orDie(journal.about(id)), (placed) => told(placed.map(({ entry }) => entry)))

  const viewOf = (id: string): Effect.Effect<GateView, WarrantNotFound> =>
    Effect.flatMap(story(id), (one) => (one === undefined ? Effect.fail(new WarrantNotFound({ warrant: id })) : view(one)))

  const show = Effect.fnUntraced(function*(id: string): Effect.fn.Return<GateStory, WarrantNotFound> {
    const placed = yield* Effect.orDie(journal.about(id))
    const one = told(placed.map(({ entry }) => entry))
    if (one === undefined) return yield* new WarrantNotFound({ warrant: id })
    const { warrant } = one
    const payload = yield* warrants.payloadOf(warrant)
    const event = yield* Effect.orElseSucceed(store.event(warrant.id), () => undefined)
    return {
      ...(yield* view(one)),
      ...details(placed),
      canonical: payload === undefined ? null : canonical({ action: warrant.action, executor: warrant.executor, target: warrant.target, payload }),
      grants: linksOf(journal.state(), warrant.grant),
      request: event === undefined ? null : { id: event.id, at: event.recordedAt, parents: event.parentIds }
    }
  })

  /** A whole id, or the only open one that begins or ends like this. */
  const whole = (id: string): string => {
    const open = [...HashMap.keys(journal.state().warrants)]
    if (open.includes(id) || id.length < 4) return id
    const near = open.filter((candidate) => candidate.startsWith(id) || candidate.endsWith(id))
    return near.length === 1 ? near[0]! : id
  }

  /** Why an answer was none. */
  const refusalOf = Effect.fnUntraced(function*(
    id: string, by: SystemId, operation: string, no: Exclude<Answered, { readonly ok: true }>
  ): Effect.fn.Return<Denied | WarrantConflict, WarrantNotFound> {
    if (no.denied) return new Denied({ system: by, operation, target: id, reason: no.reason })
    const { state } = yield* viewOf(id)
    return new WarrantConflict({ warrant: id, reason: state === "escalated" ? no.reason : `${no.reason}; it is ${state}` })
  })

  const submitted = Effect.fnUntraced(function*(
    id: string, by: SystemId, operation: string, decision: Decision<Answered>
  ): Effect.fn.Return<GateView, Denied | WarrantConflict | WarrantNotFound> {
    const { answer } = yield* submitAsking(journal, decision)
    return answer.ok ? yield* viewOf(id) : yield* yield* refusalOf(id, by, operation, answer)
  })

  /** Whether this answer would be one, without deciding it: nothing has to be proved for what is none. */
  const open = (id: string, by: SystemId, digest: string | undefined): Warrant | undefined => {
    const waiting = waitingFor(journal.state(), id, by, digest, now())
    return "entries" in waiting ? undefined : waiting
  }

  /** What policy is asked about again when another one is in force than the one that asked a human. */
  const argumentsOf = (waiting: Warrant | undefined): Effect.Effect<{ readonly payload: unknown } | undefined> =>
    waiting === undefined || !isOfAnother(rules, journal.state(), waiting)
      ? Effect.succeed(undefined)
      : Effect.map(warrants.payloadOf(waiting), (payload) => ({ payload }))

  const shortOf = (waiting: Warrant): Effect.Effect<string> =>
    Effect.map(warrants.payloadOf(waiting), (payload) => {
      const { digest, executor, risk, system, target } = waiting
      const given = payload === undefined || payload === null ? "" : ` with ${visible(canonical(payload))}`
      return `lets ${visible(system, 80)} do ${visible(executor, 80)} on ${visible(target)}${given} (${risk}, digest ${digest.slice(0, 12)})`
    })

  /** Whoever guesses wrong so often is no human in front of the kernel: the action is over. */
  const lock = (ids: ReadonlyArray<string>): Effect.Effect<void> =>
    Effect.forEach(ids, (id) => journal.submit(decideAnswer(rules, id, kernelSystem, "refused", "too many wrong codes or passphrases")), { discard: true })

  const approve: Gate["approve"] = Effect.fnUntraced(function*(given, by, { digest, outside, reason = "", standing } = {}) {
    const id = whole(given)
    const waiting = open(id, by, digest)
    const { frozen } = journal.state()
    // A code is good once: it is not used up by what cannot be.
    if (waiting !== undefined && frozen !== null) return yield* new WarrantConflict({ warrant: id, reason: `nothing starts while the kernel is frozen by ${frozen.by}` })
    if (waiting !== undefined) {
      const terms = standing === undefined ? "" : `, and more like it ${standing.target === undefined ? "with exactly these arguments" : `on ${visible(standing.target)}`} for ${Math.ceil(standing.millis / 60_000)} min${standing.uses === undefined ? "" : `, at most ${standing.uses} times`}`
      const { tooMany } = yield* proof.check({
        warrants: [waiting], subject: canonical({ by, answers: [[id, waiting.digest]], standing: standing ?? null }), says: outside === undefined ? "" : `${yield* shortOf(waiting)}${terms}`
      }, outside)
      if (tooMany.length > 0) {
        yield* lock(tooMany)
        return yield* new Denied({ system: by, operation: "approve", target: id, reason: "there were too many wrong codes or passphrases, so it was refused" })
      }
    }
    // Bound to what was proved, also when nobody said what was shown.
    return yield* submitted(id, by, "approve", decideAnswer(rules, id, by, "approved", reason, digest ?? waiting?.digest, standing, yield* argumentsOf(waiting)))
  })

  const edit: Gate["edit"] = Effect.fnUntraced(function*(given, by, payload, { digest, reason = "" } = {}) {
    const id = whole(given)
    // What no entry and no artifact can hold is refused before anything is decided on it.
    yield* Effect.try({
      try: () => toText(payload, "payload"),
      catch: (refusal) => (refusal instanceof InvalidPayload || refusal instanceof TooLarge ? refusal : new InvalidPayload({ what: "payload", path: "", reason: String(refusal) }))
    })
    const first = (yield* submitAsking(journal, decideEdit(rules, id, by, payload, reason, digest))).answer
    let last = first
    if (first.ok && first.replacement !== undefined) {
      const bytes = new TextEncoder().encode(canonical(first.replacement.payload))
      yield* Effect.mapError(store.putArtifact(bytes, "application/json"), (error) => error as StoreUnavailable | TooLarge)
      last = (yield* submitAsking(journal, decideEdit(rules, id, by, payload, reason, digest, new Set([first.replacement.digest])))).answer
    }
    if (!last.ok) return yield* yield* refusalOf(id, by, "edit", last)
    return yield* viewOf(id)
  })

  const answerAll: Gate["answerAll"] = Effect.fnUntraced(function*(outcome, answers, by, { outside, reason = "" } = {}) {
    if (answers.length === 0 || answers.length > answersAtOnceMax || new Set(answers.map(({ id }) => id)).size !== answers.length) {
      return yield* new InvalidPayload({ what: "answers", path: "", reason: `there must be 1 to ${answersAtOnceMax} different actions` })
    }
    const failed: ReadonlySet<string> = new Set(outcome === "refused" ? [] : yield* Effect.gen(function*() {
      const waiting = answers.flatMap(({ digest, id }) => open(id, by, digest) ?? [])
      if (waiting.length === 0) return []
      const first = outside === undefined ? [] : yield* Effect.forEach(waiting.slice(0, 5), shortOf)
      const { tooMany } = yield* proof.check({
        warrants: waiting, subject: canonical({ by, answers: waiting.map(({ digest, id }) => [id, digest]), standing: null }),
        says: waiting.length === 1 ? first.join("") : `answers ${waiting.length} actions: ${first.join("; ")}${waiting.length > 5 ? "; …" : ""}`
      }, outside)
      if (tooMany.length === 0) return []
      yield* lock(tooMany)
      return answers.map(({ id }) => id)
    }))
    return yield* Effect.forEach(answers, Effect.fnUntraced(function*({ digest, id }): Effect.fn.Return<BatchAnswer> {
      if (failed.has(id)) return { id, ok: false, state: lookup(journal.state().warrants, id)?.state ?? null, reason: "there were too many wrong codes or passphrases" }
      const { answer } = yield* submitAsking(journal, decideAnswer(rules, id, by, outcome, reason, digest, undefined, yield* argumentsOf(open(id, by, digest))))
      const state = lookup(journal.state().warrants, id)?.state ?? (yield* story(id))?.warrant.state ?? null
      return { id, ok: answer.ok, state, reason: answer.ok ? "" : answer.reason }
    }))
  })

  return {
    list: Effect.fnUntraced(function*({ limit = pageEventsDefault, state, system } = {}) {
      const isOf = (warrant: Warrant): boolean => system === undefined || warrant.system === system
      if (state === undefined || order[state] !== undefined) {
        const stateOf = (warrant: Warrant): WarrantState => (isLost(journal.state(), warrant, isServed) ? "unknown" : warrant.state)
        const wanted = [...HashMap.values(journal.state().warrants)]
          .filter((warrant) => isOf(warrant) && (state === undefined || stateOf(warrant) === state)).sort(byUrgency).slice(0, limit)
        // Of one that waits and was not edited, the fold knows all; of the others it does not keep what was said before.
        return yield* Effect.forEach(wanted, (warrant) =>
          warrant.state === "escalated" ? view(asked(warrant)) : Effect.flatMap(story(warrant.id), (one) => view(one ?? asked(warrant))))
      }
      const all = new Map<string, Told>()
      let after = Math.max(0, journal.state().cursor - lookBack)
      for (;;) {
        const events = yield* Effect.orDie(journal.read(after, pageEventsMax))
        if (events.length === 0) break
        for (const event of events) {
          const id = event.correlationId
          const next = id === null ? undefined : tell(all.get(id), entryOf(event))
          if (id !== null && next !== undefined) all.set(id, next)
        }
        after = events[events.length - 1]!.cursor
      }
      const closed = [...all.values()].filter(({ warrant }) => warrant.state === state && isOf(warrant)).slice(-limit)
      return yield* Effect.forEach(closed, view)
    }),
    show: (id) => show(whole(id)),
    approve,
    deny: (id, by, reason, { digest } = {}) =>
      Effect.suspend(() => submitted(whole(id), by, "deny", decideAnswer(rules, whole(id), by, "refused", reason, digest))),
    edit,
    answerAll,
    vouch: Effect.fnUntraced(function*(by, what, says, outside) {
      const { tooMany } = yield* proof.check({ warrants: [{ id: what.join(" ").trim(), risk: "irreversible" }], subject: canonical({ by, what }), says: visible(says), about: "the operator's token alone does not do that: it needs" }, outside)
      if (tooMany.length > 0) return yield* new Denied({ system: by, operation: what[0], target: what[1], reason: "there were too many wrong codes or passphrases; try again later" })
    }),
    preview: Effect.fnUntraced(function*(given, terms) {
      const id = whole(given)
      const warrant = lookup(journal.state().warrants, id)
      if (warrant === undefined || warrant.state !== "escalated") {
        const { state } = yield* viewOf(id)
        return yield* new WarrantConflict({ warrant: id, reason: `it does not wait for an answer: it is ${state}` })
      }
      const refusal = standingRefusal(rules, journal.state(), warrant, now())
      if (refusal !== undefined) return yield* new Denied({ system: "", operation: "allow more like", target: id, reason: refusal })
      const standing = standingOf(warrant, terms, "", now())
      return typeof standing === "string" ? yield* new WarrantConflict({ warrant: id, reason: standing }) : yield* preview(journal, standing)
    }),
    standing: () => {
      const at = now()
      return [...HashMap.values(journal.state().standing)].filter((standing) => isLive(standing, at)).sort((a, b) => a.expiresAt - b.expiresAt)
    },
    revokeStanding: (id, by) =>
      Effect.flatMap(journal.submit(decideStandingRevoke(id, by)), ({ answer }) =>
        answer === undefined ? Effect.fail(new StandingNotFound({ standing: id })) : Effect.succeed(answer)),
    reconcile: (id, by, outcome, reason) =>
      Effect.suspend(() => submitted(whole(id), by, "reconcile", decideReconcile(whole(id), by, outcome, reason, isServed))),
    compensate: (id, by, reason, { outside } = {}) =>
      compensation.on(id, Effect.fnUntraced(function*(done): Effect.fn.Return<GateView, AnswerError> {
        if (done === undefined) return yield* new WarrantNotFound({ warrant: id })
        const own = `back-${crypto.randomUUID()}`
        const back = decideCompensate(rules, done, own, by, reason)
        // Nothing has to be proved for what would not be done.
        const first = back(journal.state(), now()).answer
        if (!first.ok) return yield* new WarrantConflict({ warrant: id, reason: first.reason })
        const { executor, risk, system, target } = done.warrant
        const { tooMany } = yield* proof.check({
          warrants: [{ id, risk }], subject: canonical({ by, compensates: id }),
          says: `takes back what ${visible(system, 80)} did with ${visible(executor, 80)} on ${visible(target)} (${risk})`
        }, outside)
        if (tooMany.length > 0) return yield* new Denied({ system: by, operation: "take back", target: id, reason: "there were too many wrong codes or passphrases" })
        const { answer } = yield* journal.submit(back)
        return answer.ok ? yield* viewOf(own) : yield* new WarrantConflict({ warrant: id, reason: answer.reason })
      })),
    why: makeWhy({ journal, store })
  }
}

/** Warrants that wait for a human, and those whose outcome nobody knows. */
export const counts = (journal: Journal, rules: Pick<Rules, "executor">): { readonly waiting: number; readonly unknown: number } => {
  let waiting = 0
  let unknown = 0
  const state = journal.state()
  for (const warrant of HashMap.values(state.warrants)) {
    if (warrant.state === "escalated") waiting++
    if (warrant.state === "unknown" || isLost(state, warrant, (name) => rules.executor(name) !== undefined)) unknown++
  }
  return { waiting, unknown }
}

export const grantCount = (journal: Journal): number => HashMap.size(journal.state().grants)
