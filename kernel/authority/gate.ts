// The gate as a human sees it: what waits, what is under way, what nobody knows, and the answers to it.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { Denied, WarrantConflict, WarrantNotFound } from "../../protocol/errors.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { GateView } from "../../protocol/view.ts"
import type { Warrant } from "../../protocol/warrant.ts"
import type { Gate } from "../kernel.ts"
import { pageEventsDefault, pageEventsMax } from "../limits.ts"
import { decideAnswer, type Answered } from "./decide/answer.ts"
import type { Decision, Rules } from "./decide/decision.ts"
import { decideReconcile } from "./decide/warrant.ts"
import { entryOf, type Entry } from "./entry.ts"
import type { Journal } from "./journal.ts"

import type { Warrants } from "./warrants.ts"

export interface GateOptions {
  readonly journal: Journal
  readonly warrants: Warrants
  readonly rules: Rules
  readonly artifact: (digest: string) => Effect.Effect<unknown>
}

/** Positions of the journal that a list of closed warrants looks back over. */
const lookBack = 20_000

interface Told extends Pick<GateView, "verdict" | "answer" | "reconciled"> {
  readonly warrant: Warrant
  readonly result: unknown
  readonly resultArtifact: string | null
}

const asked = (warrant: Warrant): Told => ({
  warrant, result: null, resultArtifact: null, verdict: warrant.reason, answer: null, reconciled: null
})

/** What one more entry makes of a warrant's story. */
const tell = (told: Told | undefined, entry: Entry): Told | undefined => {
  if (entry.kind === "action.decided") return asked(entry.warrant)
  if (told === undefined) return undefined
  const changed = (change: Partial<Warrant>): Told => ({ ...told, warrant: { ...told.warrant, ...change } })
  switch (entry.kind) {
    case "warrant.answered": {
      const { at, by, outcome, reason } = entry
      const next = outcome === "approved"
        ? changed({ approvedBy: by })
        : changed({ state: "refused", reason: reason === "" ? `Denied by ${by}` : reason })
      return { ...next, answer: { by, outcome, reason, at } }
    }
    case "warrant.expired":
      return changed({ state: "expired", reason: "Nobody answered before it expired" })
    case "warrant.started":
      return changed({ state: "started", attempt: entry.attempt, kernelEpoch: entry.kernelEpoch })
    case "warrant.finished": {
      const { at, outcome, reason, reconciledBy, result, resultArtifact } = entry
      return {
        ...changed({ state: outcome, reason }), result, resultArtifact,
        reconciled: reconciledBy === null || outcome === "unknown" ? told.reconciled : { by: reconciledBy, outcome, reason, at }
      }
    }
    default:
      return told
  }
}

export const make = ({ artifact, journal, rules, warrants }: GateOptions): Gate => {
  const view = Effect.fnUntraced(function*(
    { answer: answered, reconciled, result, resultArtifact, verdict, warrant }: Told
  ): Effect.fn.Return<GateView> {
    const payload = yield* warrants.payloadOf(warrant)
    // Both come from JSON that the kernel keeps.
    return {
      ...warrant,
      verdict,
      answer: answered,
      reconciled,
      payload: (payload ?? null) as GateView["payload"],
      result: (resultArtifact === null ? (result ?? null) : yield* artifact(resultArtifact)) as GateView["result"]
    }
  })

  const story = (id: string): Effect.Effect<Told | undefined> =>
    Effect.map(Effect.orDie(journal.about(id)), (placed) => placed.reduce<Told | undefined>((told, { entry }) => tell(told, entry), undefined))

  const show = (id: string): Effect.Effect<GateView, WarrantNotFound> =>
    Effect.flatMap(story(id), (told) => (told === undefined ? Effect.fail(new WarrantNotFound({ warrant: id })) : view(told)))

  /** A whole id, or the only open one that begins or ends like this. */
  const whole = (id: string): string => {
    const open = [...HashMap.keys(journal.state().warrants)]
    if (open.includes(id) || id.length < 4) return id
    const near = open.filter((candidate) => candidate.startsWith(id) || candidate.endsWith(id))
    return near.length === 1 ? near[0]! : id
  }

  const answer = Effect.fnUntraced(function*(
    id: string, by: SystemId, operation: string, decision: Decision<Answered>
  ): Effect.fn.Return<GateView, Denied | WarrantConflict | WarrantNotFound> {
    const submitted = yield* journal.submit(decision)
    const { answer: told } = submitted
    if (told.ok) return yield* show(id)
    if (told.denied) return yield* new Denied({ system: by, operation, target: id, reason: told.reason })
    const { state } = yield* show(id)
    return yield* new WarrantConflict({ warrant: id, reason: state === "escalated" ? told.reason : `${told.reason}; it is ${state}` })
  })

  return {
    list: Effect.fnUntraced(function*({ limit = pageEventsDefault, state } = {}) {
      const open = [...HashMap.values(journal.state().warrants)].sort((a, b) => a.requestedAt - b.requestedAt || a.requestCursor - b.requestCursor)
      if (state === undefined || state === "escalated" || state === "started" || state === "unknown") {
        const wanted = open.filter((warrant) => state === undefined || warrant.state === state).slice(0, limit)
        // Of one that waits, the fold knows all; of the others it does not keep what was said before.
        return yield* Effect.forEach(wanted, (warrant) =>
          warrant.state === "escalated" ? view(asked(warrant)) : Effect.flatMap(story(warrant.id), (told) => view(told ?? asked(warrant))))
      }
      const told = new Map<string, Told>()
      let after = Math.max(0, journal.state().cursor - lookBack)
      for (;;) {
        const events = yield* Effect.orDie(journal.read(after, pageEventsMax))
        if (events.length === 0) break
        for (const event of events) {
          const id = event.correlationId
          const next = id === null ? undefined : tell(told.get(id), entryOf(event))
          if (id !== null && next !== undefined) told.set(id, next)
        }
        after = events[events.length - 1]!.cursor
      }
      const closed = [...told.values()].filter(({ warrant }) => warrant.state === state).slice(-limit)
      return yield* Effect.forEach(closed, view)
    }),
    show: (id) => show(whole(id)),
    approve: (id, by, { digest, reason = "" } = {}) =>
      Effect.suspend(() => answer(whole(id), by, "approve", decideAnswer(rules, whole(id), by, "approved", reason, digest))),
    deny: (id, by, reason) => Effect.suspend(() => answer(whole(id), by, "deny", decideAnswer(rules, whole(id), by, "refused", reason))),
    reconcile: (id, by, outcome, reason) =>
      Effect.suspend(() => answer(whole(id), by, "reconcile", decideReconcile(whole(id), by, outcome, reason)))
  }
}

/** Warrants that wait for a human, and those whose outcome nobody knows. */
export const counts = (journal: Journal): { readonly waiting: number; readonly unknown: number } => {
  let waiting = 0
  let unknown = 0
  for (const warrant of HashMap.values(journal.state().warrants)) {
    if (warrant.state === "escalated") waiting++
    if (warrant.state === "unknown") unknown++
  }
  return { waiting, unknown }
}

export const grantCount = (journal: Journal): number => HashMap.size(journal.state().grants)

