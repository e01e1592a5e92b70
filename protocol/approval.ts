// Approvals: what a human says of an action that waits, standing approvals for more of the same, and the story of one.
import * as Schema from "effect/Schema"
import { Caveats, Risk } from "./authority.ts"
import { SystemId } from "./names.ts"
import { GateView } from "./view.ts"

/** One approval of several that an action needs, or the only one. */
export const Endorsement = Schema.Struct({ by: Schema.String, at: Schema.Int })
export interface Endorsement extends Schema.Schema.Type<typeof Endorsement> {}

/** "Allow this for ten minutes": what the human who approves confirms. */
export const StandingTerms = Schema.Struct({
  /** How long from now, in milliseconds. */
  millis: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Glob over targets, with whatever arguments; default: the very action that is approved, target and arguments alike. */
  target: Schema.optionalKey(Schema.NonEmptyString.check(Schema.isMaxLength(1000))),
  /** Actions that it lets pass; default: any number until it ends. */
  uses: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0)))
})
export interface StandingTerms extends Schema.Schema.Type<typeof StandingTerms> {}

/**
 * Answers in advance what a rule would ask a human: for one system, executor and action, targets that match, and a risk of
 * at most `riskMax`. It lifts no denial.
 */
export const Standing = Schema.Struct({
  /** `standing:` and the warrant that it was given with. */
  id: Schema.String,
  system: SystemId,
  executor: Schema.String,
  action: Schema.String,
  /** Glob, or exactly this target when `isExact`. */
  target: Schema.String,
  isExact: Schema.Boolean,
  /** That of the action that was approved, when nothing else is allowed; absent: other arguments are. */
  digest: Schema.optionalKey(Schema.String),
  riskMax: Risk,
  /** Labels that an action may carry at most; absent: none. */
  labels: Schema.optionalKey(Schema.Array(Schema.String)),
  usesMax: Schema.NullOr(Schema.Int),
  uses: Schema.Int,
  /** Kernel time in Unix milliseconds. */
  at: Schema.Int,
  expiresAt: Schema.Int,
  by: Schema.String
})
export interface Standing extends Schema.Schema.Type<typeof Standing> {}

/** An action of the past that a standing approval would have matched. */
export const Matched = Schema.Struct({
  id: Schema.String, at: Schema.Int, action: Schema.String, target: Schema.String, risk: Risk,
  /** It had asked a human: the approval would let it pass. */
  newly: Schema.Boolean
})

/** What a standing approval would have matched among the newest actions. */
export const StandingPreview = Schema.Struct({
  standing: Standing,
  /** Actions that were looked at, the newest ones. */
  looked: Schema.Int,
  matched: Schema.Int,
  /** Of those, how many had asked a human. */
  newly: Schema.Int,
  /** The newest that match. */
  examples: Schema.Array(Matched)
})
export interface StandingPreview extends Schema.Schema.Type<typeof StandingPreview> {}

/** Which action is answered, and what it was when it was shown. */
export const Named = Schema.Struct({ id: Schema.String, digest: Schema.String })
export interface Named extends Schema.Schema.Type<typeof Named> {}

/** What became of one answer of a batch. */
export const BatchAnswer = Schema.Struct({
  id: Schema.String,
  ok: Schema.Boolean,
  /** Its state then; null when there is none. */
  state: Schema.NullOr(Schema.String),
  reason: Schema.String
})
export interface BatchAnswer extends Schema.Schema.Type<typeof BatchAnswer> {}

/** One link of the chain of grants that an action was asked under, from its own up to the root. */
export const Link = Schema.Struct({
  id: Schema.String, holder: Schema.String, resource: Schema.String, access: Schema.String, caveats: Caveats, origin: Schema.String,
  /** Whether it is in force now; one that is not is told by its id alone. */
  live: Schema.Boolean
})
export interface Link extends Schema.Schema.Type<typeof Link> {}

/** Somebody put other arguments in place of those that waited. */
export const Edit = Schema.Struct({ by: Schema.String, at: Schema.Int, reason: Schema.String, from: Schema.String, digest: Schema.String })
export interface Edit extends Schema.Schema.Type<typeof Edit> {}

export const Attempt = Schema.Struct({ attempt: Schema.Int, at: Schema.Int, boot: Schema.Int })

/** Everything that the journal says of one action. */
export const GateStory = Schema.Struct({
  ...GateView.fields,
  /** What is digested: RFC 8785 text of executor, action, target and payload. Null when its body was evicted. */
  canonical: Schema.NullOr(Schema.String),
  grants: Schema.Array(Link),
  endorsements: Schema.Array(Schema.Struct({ ...Endorsement.fields, reason: Schema.String, digest: Schema.String })),
  edits: Schema.Array(Edit),
  attempts: Schema.Array(Attempt),
  /** When it got its outcome; null: it has none. */
  endedAt: Schema.NullOr(Schema.Int),
  /** The event that asked for it, and what led to that. */
  request: Schema.NullOr(Schema.Struct({ id: Schema.String, at: Schema.Int, parents: Schema.Array(Schema.String) })),
  /** Entries of the journal about it that are told by none of the fields above: budget, labels, compensation and what else there is. */
  more: Schema.Array(Schema.Struct({ cursor: Schema.Int, kind: Schema.String, at: Schema.Int, detail: Schema.Json })),
  /** Positions of its entries in the journal. */
  journal: Schema.Array(Schema.Int)
})
export interface GateStory extends Schema.Schema.Type<typeof GateStory> {}

/** One step of a why, newest first. */
export const Because = Schema.Struct({
  /** How far it is from what was asked: 0 is that itself. */
  depth: Schema.Int,
  is: Schema.Literals(["event", "request", "warrant"]),
  id: Schema.String,
  at: Schema.Int,
  /** Who wrote or asked it. */
  by: Schema.String,
  /** Channel and position of an event; executor and target of an action. */
  what: Schema.String,
  /** State, rule, grant and approval of an action; kind of an event. */
  detail: Schema.String
})
export interface Because extends Schema.Schema.Type<typeof Because> {}

export const Why = Schema.Struct({
  asked: Schema.String,
  /** As what it was understood. */
  as: Schema.Literals(["path", "event", "request"]),
  /** Why it is there: what was asked for first, then what led to it. */
  because: Schema.Array(Because),
  /** What came of it: actions that were asked for because of it. */
  effects: Schema.Array(Because),
  /** The warrant that it comes down to, for `gate show`; null: none. */
  warrant: Schema.NullOr(Schema.String),
  /** There is more that was not followed. */
  cut: Schema.Boolean
})
export interface Why extends Schema.Schema.Type<typeof Why> {}
