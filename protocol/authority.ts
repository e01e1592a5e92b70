// Authority: requests for it, grants of it, and the questions that policy is asked.
import * as Schema from "effect/Schema"
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
export const isRisk = (word: string): word is Risk => Object.hasOwn(riskRank, word)

/**
 * Limits on a grant. A caveat that is not known here denies. A child grant is checked as the conjunction of its
 * own and all its ancestors' caveats, so widening cannot be expressed.
 */
export const Caveats = Schema.Struct({
  /** Kernel time in Unix milliseconds, after which the grant is dead. */
  expiresAt: Schema.optionalKey(Schema.Int),
  /** Highest effective risk of an action under this grant. */
  riskMax: Schema.optionalKey(Risk),
  /** Globs (`*` within a segment, `**` across) of which one must match the action's target. */
  targets: Schema.optionalKey(Schema.Array(Schema.String)),
  /** Actions that may still be started under this grant. */
  usesMax: Schema.optionalKey(Schema.Int)
})
export interface Caveats extends Schema.Schema.Type<typeof Caveats> {}

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
  scope: Schema.Record(Schema.String, Schema.Json)
})
export interface Grant extends Schema.Schema.Type<typeof Grant> {}

/** Default and longest life of a grant that was asked for by a request, in seconds. */
export const grantSecondsDefault = 3600
export const grantSecondsMax = 30 * 24 * 3600

/** `from`, `system_id` and `sender` are never an identity: given, they must equal the stamped sender. */
const Claimed = {
  from: Schema.optionalKey(Schema.String),
  system_id: Schema.optionalKey(Schema.String),
  sender: Schema.optionalKey(Schema.String)
}

/** Payload on `aaax.capability-request`. Source: the ancestor's capability request. */
export const CapabilityRequest = Schema.Struct({
  resource: Schema.NonEmptyString.check(Schema.isMaxLength(1000)),
  access: Access,
  /** `ttl` in seconds, other keys are kept as labels. */
  scope: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
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
  ...Claimed
})
export interface ActionRequest extends Schema.Schema.Type<typeof ActionRequest> {}

/** What a rule is asked. Everything that it may depend on is in the question, so that history can be re-decided. */
export type Question =
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

export type Decision =
  | { readonly outcome: "allow"; readonly reason?: string; readonly payload?: unknown }
  | { readonly outcome: "deny"; readonly reason: string }
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
}

/** What all rules together say: the strictest wins, and who said it. */
export type Verdict = Decision & { readonly rule: string }

/** Names, and the one line that the banner prints. */
export interface Policy {
  readonly version: string
  readonly description: string
  readonly ask: (question: Question) => Verdict
}
