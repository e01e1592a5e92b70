// What crosses a door when something fails: every failure with its HTTP status, and the form in which it is told. The
// door encodes by this table and the client decodes by it; neither knows a failure that is not here.
import * as Schema from "effect/Schema"
import * as errors from "./errors.ts"

type Errors = typeof errors
/** The classes among what `errors.ts` exports. */
type ClassName = { [Name in keyof Errors]: Errors[Name] extends new (...args: never) => { readonly _tag: string } ? Name : never }[keyof Errors]

/** A failure as a kernel has it and a client gets it. */
export type Failure = InstanceType<Errors[ClassName]>

/** Each failure with its status. A class of `errors.ts` that is missing here does not compile. */
const table: { readonly [Tag in Failure["_tag"]]: readonly [Schema.Codec<Extract<Failure, { readonly _tag: Tag }>, unknown>, number] } = {
  Denied: [errors.Denied, 403],
  Unauthenticated: [errors.Unauthenticated, 401],
  InvalidPayload: [errors.InvalidPayload, 400],
  TooLarge: [errors.TooLarge, 413],
  ChannelNotFound: [errors.ChannelNotFound, 404],
  ChannelExists: [errors.ChannelExists, 409],
  SystemExists: [errors.SystemExists, 409],
  SystemNotFound: [errors.SystemNotFound, 404],
  EventNotFound: [errors.EventNotFound, 404],
  EventExists: [errors.EventExists, 409],
  HeadConflict: [errors.HeadConflict, 409],
  IdempotencyConflict: [errors.IdempotencyConflict, 409],
  AppendUnknown: [errors.AppendUnknown, 503],
  StoreUnavailable: [errors.StoreUnavailable, 503],
  StoreLocked: [errors.StoreLocked, 409],
  StoreFormat: [errors.StoreFormat, 500],
  StoreCorrupt: [errors.StoreCorrupt, 500],
  EvidenceMismatch: [errors.EvidenceMismatch, 500],
  Gap: [errors.Gap, 410],
  LeaseLost: [errors.LeaseLost, 409],
  WrongDelivery: [errors.WrongDelivery, 409],
  Overloaded: [errors.Overloaded, 429],
  SnapshotNotFound: [errors.SnapshotNotFound, 404],
  SnapshotConflict: [errors.SnapshotConflict, 409],
  ArtifactNotFound: [errors.ArtifactNotFound, 404],
  SubscriptionNotFound: [errors.SubscriptionNotFound, 404],
  SubscriptionExists: [errors.SubscriptionExists, 409],
  Undocked: [errors.Undocked, 503],
  DockRefused: [errors.DockRefused, 422],
  ModuleRejected: [errors.ModuleRejected, 422],
  ConfigInvalid: [errors.ConfigInvalid, 422],
  GrantNotFound: [errors.GrantNotFound, 404],
  BudgetNotFound: [errors.BudgetNotFound, 404],
  WarrantNotFound: [errors.WarrantNotFound, 404],
  TokenNotFound: [errors.TokenNotFound, 404],
  EnrolmentNotFound: [errors.EnrolmentNotFound, 404],
  EnrolmentExists: [errors.EnrolmentExists, 409],
  StandingNotFound: [errors.StandingNotFound, 404],
  WarrantConflict: [errors.WarrantConflict, 409],
  ProofNeeded: [errors.ProofNeeded, 403],
  Refused: [errors.Refused, 403],
  EffectFailed: [errors.EffectFailed, 502],
  TimedOut: [errors.TimedOut, 504]
}

/** Every failure as data. */
export const Failure: Schema.Codec<Failure, unknown> = Schema.Union(Object.values(table).map(([failure]) => failure))

/** Status of a failure by its tag. What is none of ours has none: it is a fault of the kernel. */
export const statusOf = (tag: string): number | undefined =>
  Object.hasOwn(table, tag) ? table[tag as Failure["_tag"]][1] : undefined // a key of the table, as was just seen

/** An RFC 9457 problem: `code` is the tag of the failure, `fields` are its own. */
export const Problem = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.String,
  code: Schema.String,
  fields: Schema.Record(Schema.String, Schema.Json)
})
export interface Problem extends Schema.Schema.Type<typeof Problem> {}
