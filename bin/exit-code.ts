// Exit codes: one number for each thing that a script can do something different about.
import type { ClientError } from "../libos/http.ts"
import { portableStatusOf, SSSNError } from "../protocol/portable-error.ts"
import type { AlreadyRunning, NotFound, NotLaunched, Unhealthy, UsageError, WouldOverwrite } from "./failure.ts"

export const codes = {
  ok: 0, failed: 1, usage: 2, notFound: 3, denied: 4, conflict: 5, unreachable: 6, timeout: 7, internal: 70, interrupted: 130
} as const

/** By the tag of a failure. One that is missing here does not compile. */
const byTag: { readonly [Tag in (ClientError | AlreadyRunning | NotFound | NotLaunched | Unhealthy | UsageError | WouldOverwrite)["_tag"] | "ShowHelp"]: number } = {
  UsageError: codes.usage,
  ShowHelp: codes.usage,
  ConfigInvalid: codes.usage,
  InvalidPayload: codes.usage,
  TooLarge: codes.usage,
  NotFound: codes.notFound,
  ChannelNotFound: codes.notFound,
  SystemNotFound: codes.notFound,
  EventNotFound: codes.notFound,
  SnapshotNotFound: codes.notFound,
  ArtifactNotFound: codes.notFound,
  SubscriptionNotFound: codes.notFound,
  GrantNotFound: codes.notFound,
  BudgetNotFound: codes.notFound,
  WarrantNotFound: codes.notFound,
  StandingNotFound: codes.notFound,
  TokenNotFound: codes.notFound,
  EnrolmentNotFound: codes.notFound,
  Gap: codes.notFound,
  Denied: codes.denied,
  Unauthenticated: codes.denied,
  DockRefused: codes.denied,
  ProofNeeded: codes.denied,
  ModuleRejected: codes.denied,
  // One that says which kind of refusal it was is told by that.
  Refused: codes.denied,
  ChannelExists: codes.conflict,
  SystemExists: codes.conflict,
  EnrolmentExists: codes.conflict,
  EventExists: codes.conflict,
  HeadConflict: codes.conflict,
  IdempotencyConflict: codes.conflict,
  SnapshotConflict: codes.conflict,
  SubscriptionExists: codes.conflict,
  LeaseLost: codes.conflict,
  StoreLocked: codes.conflict,
  AlreadyRunning: codes.conflict,
  WouldOverwrite: codes.conflict,
  WrongDelivery: codes.conflict,
  WarrantConflict: codes.conflict,
  NotLaunched: codes.failed,
  Unhealthy: codes.failed,
  EffectFailed: codes.failed,
  StoreFormat: codes.failed,
  StoreCorrupt: codes.failed,
  EvidenceMismatch: codes.failed,
  StoreUnavailable: codes.failed,
  AppendUnknown: codes.failed,
  Overloaded: codes.failed,
  Undocked: codes.failed,
  KernelUnreachable: codes.unreachable,
  TimedOut: codes.timeout,
  KernelFault: codes.internal
}

/** What a refusal was: denied, expired while it waited, or nobody there to answer. */
const byRefusal: Readonly<Record<string, number>> = { denied: codes.denied, expired: codes.timeout, unavailable: codes.failed }

/** Refusals of a `.sssn` directory, of the kernel behind a desk, and of an import, which are known by their names. */
const byName = (error: object): number => {
  if (error instanceof SSSNError) return { 404: codes.notFound, 409: codes.conflict, 500: codes.failed, 503: codes.failed }[portableStatusOf(error.name)] ?? codes.usage
  if (!(error instanceof Error)) return codes.failed
  if (error.name === "ImportConflict") return codes.conflict
  if (error.name === "DeskError" && "code" in error && typeof error.code === "string" && error.code !== "") return codeOf({ _tag: error.code })
  return codes.failed
}

/** Of a hub. What is not here is a refusal like others. */
const byHubCode: Readonly<Record<string, number>> = {
  TASK_ID_REQUIRED: codes.usage, PATH_IDENTITY_INVALID: codes.usage, TARGET_REQUIRED: codes.usage, OFFER_INCOMPLETE: codes.usage, TITLE_REQUIRED: codes.usage,
  STATUS_UNKNOWN: codes.usage, KIND_UNKNOWN: codes.usage, INVALID: codes.usage, MALFORMED: codes.usage, UNKNOWN_TYPE: codes.usage, NAME_INVALID: codes.usage,
  NOT_CLAIMED: codes.notFound, TASK_NOT_FOUND: codes.notFound, MESSAGE_NOT_FOUND: codes.notFound, TARGET_OFFLINE: codes.notFound,
  LEASE_LIVE: codes.conflict, SCOPE_CONFLICT: codes.conflict, EPOCH_STALE: codes.conflict, VERSION_CONFLICT: codes.conflict,
  TRANSITION_ILLEGAL: codes.conflict, ALREADY_OWNED: codes.conflict, ALREADY_HELD: codes.conflict, WOULD_DEADLOCK: codes.conflict,
  DEPENDENCY_CYCLE: codes.conflict, IDEMPOTENCY_CONFLICT: codes.conflict, NAME_CONFLICT: codes.conflict, NAME_SWITCH: codes.conflict,
  RATE_LIMITED: codes.failed, UNAVAILABLE: codes.failed, UNSUPPORTED: codes.failed, REFUSED: codes.failed, LEDGER_DAMAGED: codes.failed, OPERATOR_ONLY: codes.denied
}

export const codeOf = (error: unknown): number => {
  if (typeof error !== "object" || error === null) return codes.failed
  if (!("_tag" in error) || typeof error._tag !== "string") return byName(error)
  if (error._tag === "Refused" && "kind" in error && typeof error.kind === "string") return byRefusal[error.kind] ?? codes.denied
  if (error._tag === "Ended" && "code" in error && typeof error.code === "number") return error.code
  if (error._tag === "SynapseRefused" && "code" in error && typeof error.code === "string") return byHubCode[error.code] ?? codes.denied
  const { _tag: tag } = error
  // A key of the table, as is seen first.
  return Object.hasOwn(byTag, tag) ? byTag[tag as keyof typeof byTag] : codes.failed
}
