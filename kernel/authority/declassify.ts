// Taking labels away: an action like any other, that always waits for a human and happens inside the kernel. What it did
// is in the journal, and holds from then on; one approval takes away what it was given for, once.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Call, Executor, ExecutorFailure } from "../../protocol/executor.ts"
import { isSegment } from "../../protocol/names.ts"
import { declassifiedMax, labelLengthMax, labelsMax } from "../limits.ts"
import type { StoreService } from "../store/store.ts"
import * as HashMap from "effect/HashMap"
import type { Decision } from "./decide/decision.ts"
import type { Journal } from "./journal.ts"
import { artifactPrefix, declassify, eventPrefix, labelsOfArtifact } from "./state/labels.ts"
import { lookup } from "./state/state.ts"

const Payload = Schema.Struct({
  labels: Schema.Array(Schema.NonEmptyString.check(Schema.isMaxLength(labelLengthMax))).check(Schema.isMinLength(1), Schema.isMaxLength(labelsMax))
})
const schema = Schema.toStandardSchemaV1(Payload, { parseOptions: { onExcessProperty: "error" } })

const check = ({ target }: { readonly target: string }): string | undefined => {
  if (target.startsWith(artifactPrefix) && /^[0-9a-f]{64}$/u.test(target.slice(artifactPrefix.length))) return undefined
  if (target.startsWith(eventPrefix) && isSegment(target.slice(eventPrefix.length))) return undefined
  return `the target is artifact: and a digest, or event: and an id, not ${target.slice(0, 200)}`
}

interface Removed {
  readonly target: string
  readonly labels: ReadonlyArray<string>
}

/** Keeps that the labels are gone; a sentence when they cannot be taken away. */
const decideRemoval = (call: Call, labels: ReadonlyArray<string>): Decision<string | undefined> => (state, now) => {
  const warrant = lookup(state.warrants, call.warrant)
  if (warrant?.state !== "started") return { entries: [], answer: "it is not under way" }
  const { target } = call
  if (target.startsWith(eventPrefix) && HashMap.size(state.declassified) >= declassifiedMax && !HashMap.has(state.declassified, target.slice(eventPrefix.length))) {
    return { entries: [], answer: `labels were taken from ${declassifiedMax} events, the most that there may be` }
  }
  return { entries: [{ kind: "labels.removed", at: now, warrant: call.warrant, target, labels, by: warrant.approvedBy }], answer: undefined }
}

export const executor = (journal: Journal, store: StoreService): Executor => {
  /** What the target carries now. */
  const carried = (target: string): Effect.Effect<ReadonlyArray<string>, ExecutorFailure> =>
    target.startsWith(artifactPrefix)
      ? Effect.sync(() => labelsOfArtifact(journal.state(), target.slice(artifactPrefix.length)))
      : Effect.matchEffect(store.event(target.slice(eventPrefix.length)), {
          onFailure: ({ message }) => Effect.fail({ reason: message }),
          onSuccess: (event) => (event === undefined ? Effect.fail({ reason: "there is no such event" }) : Effect.succeed(event.labels))
        })
  const perform = Effect.fnUntraced(function*(call: Call): Effect.fn.Return<Removed, ExecutorFailure> {
    // The schema has taken it.
    const { labels } = call.payload as typeof Payload.Type
    const has = yield* carried(call.target)
    const missing = labels.filter((label) => !has.includes(label))
    if (missing.length > 0) return yield* Effect.fail({ reason: `${call.target} does not carry ${missing.join(", ")}; it carries ${has.join(", ") || "no labels"}` })
    const { answer } = yield* journal.submit(decideRemoval(call, labels))
    return answer === undefined ? { target: call.target, labels } : yield* Effect.fail({ reason: answer })
  })
  const status = (call: Call): Effect.Effect<Removed | undefined> =>
    Effect.map(Effect.orDie(journal.about(call.warrant)), (placed) => {
      for (const { entry } of placed) if (entry.kind === "labels.removed") return { target: entry.target, labels: entry.labels }
      return undefined
    })
  return {
    name: declassify,
    description: "Takes labels from an artifact, or from what follows from an event. Payload: {labels}. Always asks a human.",
    risk: "high",
    recovery: "queryable",
    gated: true,
    payload: schema,
    check,
    perform,
    status
  }
}
