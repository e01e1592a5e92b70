// Authority: requests for it, grants of it, and the questions that policy is asked.
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Cost } from "./budget.ts"
import { SystemId } from "./names.ts"

/** Ordered: a grant of one covers those before it. */
export const Access = Schema.Literals(["read", "write", "execute"])
export type Access = typeof Access.Type

const accessRank: Readonly<Record<Access, number>> = { read: 0, write: 1, execute: 2 }
export const covers = (granted: Access, asked: Access): boolean => accessRank[granted] >= accessRank[asked]

/** Ordered from harmless to final. */
export const Risk = Schema.Literals(["low", "medium", "high", "irreversible"])
export type Risk = typeof Risk.Type

const riskRank: Readonly<Record<Risk, number>> = { low: 0, medium: 1, high: 2, irreversible: 3 }
export const riskMax = (a: Risk, b: Risk): Risk => (riskRank[a] >= riskRank[b] ? a : b)
export const riskAtMost = (risk: Risk, max: Risk): boolean => riskRank[risk] <= riskRank[max]
/** Highest risk of what a system asks for that runs elsewhere and came with a bearer token. */
export const bearerRiskMax: Risk = "medium"
export const isRisk = (word: string): word is Risk => Object.hasOwn(riskRank, word)

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Globs = Schema.Array(Schema.String).check(Schema.isMinLength(1))

/** What an argument must be. `absent`: it must not be there at all. */
export const ArgumentOperation = Schema.Literals(["eq", "in", "le", "ge", "glob", "maxLength", "absent"])
export type ArgumentOperation = typeof ArgumentOperation.Type

/** One argument of the payload, by a JSON pointer (RFC 6901) along own properties, and what it must be. */
export const ArgumentCaveat = Schema.Struct({ pointer: Schema.String, op: ArgumentOperation, value: Schema.optionalKey(Schema.Json) })
export interface ArgumentCaveat extends Schema.Schema.Type<typeof ArgumentCaveat> {}

/**
 * Limits on a grant. A caveat that is not known here denies. A child grant is checked as the conjunction of its
 * own and all its ancestors' caveats, so widening cannot be expressed; and what is charged is charged on each of them.
 */
export const Caveats = Schema.Struct({
  /** Kernel time in Unix milliseconds, before which the grant allows nothing. */
  notBefore: Schema.optionalKey(Schema.Int),
  /** Kernel time in Unix milliseconds, after which the grant is dead. */
  expiresAt: Schema.optionalKey(Schema.Int),
  /** Highest effective risk of an action under this grant. */
  riskMax: Schema.optionalKey(Risk),
  /** Globs of which one must match the action's own word. */
  actions: Schema.optionalKey(Globs),
  /** Globs (`*` within a segment, `**` across) of which one must match the action's target. */
  targets: Schema.optionalKey(Globs),
  /** What all of its arguments must be. */
  arguments: Schema.optionalKey(Schema.Array(ArgumentCaveat)),
  /** Actions that may be started under this grant, those under its descendants included. */
  usesMax: Schema.optionalKey(Count),
  /** At most `count` starts within any `perMillis` milliseconds. */
  rate: Schema.optionalKey(Schema.Struct({ count: Count, perMillis: Count })),
  /** What all actions under this grant may spend together. */
  budget: Schema.optionalKey(Cost),
  /** How many links a chain may have below this grant; 0: it cannot be delegated. */
  delegationsMax: Schema.optionalKey(Count)
})
export interface Caveats extends Schema.Schema.Type<typeof Caveats> {}

/** Why a grant does not cover an act: which caveat of which link, what would be allowed, how to ask for it. */
export const GrantRefusal = Schema.Struct({
  /** `unknown` is also told of a grant in another's hands: who asks does not learn of it. */
  code: Schema.Literals(["unknown", "resource", "access", "depth", "caveat"]),
  /** The caveat, for code `caveat`. */
  caveat: Schema.optionalKey(Schema.String),
  /** The grant whose caveat it is: the one that was presented, or one above it. */
  link: Schema.optionalKey(Schema.String),
  reason: Schema.String,
  allowed: Schema.optionalKey(Schema.String),
  how: Schema.optionalKey(Schema.String)
})
export interface GrantRefusal extends Schema.Schema.Type<typeof GrantRefusal> {}

/** The kernel's record that a system holds a capability. */
export const Grant = Schema.Struct({
  id: Schema.String,
  holder: SystemId,
  resource: Schema.String,
  access: Access,
  caveats: Caveats,
  parent: Schema.NullOr(Schema.String),
  /** Kernel time in Unix milliseconds. */
  issuedAt: Schema.Int,
  /** The request or the manifest that it answers. */
  origin: Schema.String,
  scope: Schema.Record(Schema.String, Schema.Json),
  /** May be invoked, and neither delegated nor kept: it ends with this run of the kernel, and with the docking of its giver or holder. */
  facet: Schema.optionalKey(Schema.Literal(true)),
  /** It was delegated without asking the kernel, by a link of a token: the grant at the root of that. Absent: it was not. */
  offline: Schema.optionalKey(Schema.String),
  /** Who delegated it, and whose number of grants it counts to; absent: the kernel gave it to its holder. */
  giver: Schema.optionalKey(SystemId)
})
export interface Grant extends Schema.Schema.Type<typeof Grant> {}

/** Default and longest life of a grant that was asked for by a request, in seconds. */
export const grantSecondsDefault = 3600
export const grantSecondsMax = 30 * 24 * 3600
/** The same of a facet. */
export const facetSecondsDefault = 300
export const facetSecondsMax = 3600

/** `from`, `system_id` and `sender` are never an identity: given, they must equal the stamped sender. */
const Claimed = {
  from: Schema.optionalKey(Schema.String),
  system_id: Schema.optionalKey(Schema.String),
  sender: Schema.optionalKey(Schema.String)
}

/** Caveats as somebody asks for them: the kernel looks at them itself, so that one which it does not know is refused and not left out. */
const AskedCaveats = Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
const Token = Schema.NonEmptyString.check(Schema.isMaxLength(4096))

/** A child of a grant that the sender holds, for another system or for itself. */
export const Delegation = Schema.Struct({
  token: Token,
  to: SystemId,
  /** Default: the parent's. */
  access: Schema.optionalKey(Access),
  caveats: AskedCaveats,
  facet: Schema.optionalKey(Schema.Boolean),
  /** Seconds; default: as long as its parent, and for a facet `facetSecondsDefault`. */
  ttl: Schema.optionalKey(Schema.Finite)
})
export interface Delegation extends Schema.Schema.Type<typeof Delegation> {}

export const DelegateRequest = Schema.Struct({ delegate: Delegation, ...Claimed })
export interface DelegateRequest extends Schema.Schema.Type<typeof DelegateRequest> {}

/** Ends a grant that the sender holds, or one below a grant that it holds, with everything below it. */
export const RevokeRequest = Schema.Struct({ revoke: Token, ...Claimed })
export interface RevokeRequest extends Schema.Schema.Type<typeof RevokeRequest> {}

/** Payload on `aaax.capability-request`. Source: the ancestor's capability request. */
export const CapabilityRequest = Schema.Struct({
  resource: Schema.NonEmptyString.check(Schema.isMaxLength(1000)),
  access: Access,
  /** `ttl` in seconds, other keys are kept as labels. */
  scope: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  /** Asks for something narrower than what policy would give. */
  caveats: AskedCaveats,
  context: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  ...Claimed
})
export interface CapabilityRequest extends Schema.Schema.Type<typeof CapabilityRequest> {}

/** A fence: a write must still hold `epoch` of `key` in the latest channel `channel`. */
export const Fence = Schema.Struct({ channel: Schema.String, key: Schema.String, epoch: Schema.Int })
export interface Fence extends Schema.Schema.Type<typeof Fence> {}

/** Payload on `aaax.action-gate`. An unknown risk word is a verdict (denied), not a malformed request. */
export const ActionRequest = Schema.Struct({
  action: Schema.String.check(Schema.isMaxLength(200)),
  executor: Schema.NonEmptyString.check(Schema.isMaxLength(200)),
  target: Schema.String.check(Schema.isMaxLength(4096)),
  payload: Schema.optionalKey(Schema.Json),
  capability: Schema.optionalKey(Schema.NullOr(Schema.String)),
  risk_level: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(100))),
  fence: Schema.optionalKey(Fence),
  /** The warrant whose effect is to be taken back; executor and target are its own, and there is no payload. */
  compensates: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
  ...Claimed
})
export interface ActionRequest extends Schema.Schema.Type<typeof ActionRequest> {}

/** What an engine outside the kernel said to a question, as data: it goes into the question, and with it into the journal. */
export interface Judgement {
  readonly engine: string
  /** Digest of the request that the engine was asked, and of the policies that it holds. */
  readonly asked: string
  /** `unavailable`: it did not answer, so that nothing is known. */
  readonly outcome: "allow" | "deny" | "escalate" | "unavailable"
  readonly reason: string
}

/** What every question may hold beside its own. */
interface Judged {
  /** Absent: no engine was asked. */
  readonly judged?: ReadonlyArray<Judgement>
}

/** What a rule is asked. Everything that it may depend on is in the question, so that history can be re-decided. */
export type Question = Judged & (
  | {
      readonly kind: "capability"
      readonly system: SystemId
      readonly resource: string
      readonly access: Access
      readonly context: Readonly<Record<string, unknown>>
      /** The operator's config docked a manifest of this system that declares the resource. */
      readonly declared: boolean
    }
  | {
      readonly kind: "action"
      readonly system: SystemId
      readonly action: string
      readonly executor: string
      readonly target: string
      readonly payload: unknown
      /** A `Risk`, or the unknown word that the request said. */
      readonly risk: string
      /** Actions that this system started in the last minute, by kernel time. */
      readonly recentActions: number
      /** Kernel time in Unix milliseconds. */
      readonly now: number
      /** Where it comes from, sorted: labels of the request, of what caused it and of the artifacts that it names. Absent: none. */
      readonly labels?: ReadonlyArray<string>
      /** The executor sends data out of this machine. */
      readonly external?: boolean
      /** The request names a fence. */
      readonly fenced?: boolean
      /** How often its grant was passed on before it came to this system; absent: it was not. */
      readonly delegations?: number
      /** What the executor says that it costs at most. */
      readonly cost?: Cost
      /** Left of each limited unit before this action, at the account that has the least. Absent: nothing limits it. */
      readonly remaining?: Cost
      /** Spent of each limited unit, at the account that has the least left. */
      readonly spent?: Cost
      /** It takes back the effect of an earlier action. */
      readonly compensates?: string
    }
  | {
      readonly kind: "module"
      readonly module: string
      readonly framework: string
      readonly executors: ReadonlyArray<string>
      readonly channels: ReadonlyArray<string>
      readonly privileged: boolean
      /** Loaded by the operator's own config, not at run time. */
      readonly configured: boolean
    }
)

export type Decision =
  | { readonly outcome: "allow"; readonly reason?: string; readonly payload?: unknown }
  /** `unavailable`: not for what was asked, but because it cannot be told now. */
  | { readonly outcome: "deny"; readonly reason: string; readonly unavailable?: true }
  /** `payload`: what is executed once it is approved, when a rule replaced what was asked. */
  | { readonly outcome: "escalate"; readonly reason: string; readonly to: string; readonly payload?: unknown }

/** A pure function over a question; `undefined` abstains. One that throws denies. */
export interface Rule {
  readonly name: string
  /** One line for the banner: what it does. */
  readonly description: string
  /** What it was made with, as JSON: it is part of the policy's version. */
  readonly config?: unknown
  readonly decide: (question: Question) => Decision | undefined
  /** For a rule that speaks for an engine outside: what it needs in the question before it can answer. */
  readonly engine?: Engine
}

/**
 * Where a rule's answer comes from when it is not the rule itself. It is asked before the decision, never in it; a
 * question for which it has said nothing is not decided yet.
 */
export interface Engine {
  /** What it has said to this question, or has no need to be asked for; at once. */
  readonly known: (question: Question) => Judgement | undefined
  /** Asks it. Never fails: what goes wrong is a judgement that it is unavailable. */
  readonly judge: (question: Question) => Effect.Effect<Judgement>
}

/** What one rule said to a question; null: it abstained. */
export interface RuleAnswer {
  readonly rule: string
  readonly description: string
  readonly decision: Decision | null
}

/** What all rules together say: the strictest wins, and who said it. */
export type Verdict = Decision & { readonly rule: string }

/** Names, and the one line that the banner prints. */
export interface Policy {
  readonly version: string
  readonly description: string
  readonly ask: (question: Question) => Verdict
  readonly rules?: ReadonlyArray<Pick<Rule, "name" | "description">>
  /** What each rule says, in the order of their names; for people. */
  readonly explain?: (question: Question) => ReadonlyArray<RuleAnswer>
  /** Engines that its rules speak for; absent: none. */
  readonly engines?: ReadonlyArray<Engine>
}
