// Every failure that crosses a boundary: one class for each thing that a caller can do something different about.
// The message is a sentence made of the fields, so that it can be shown as it is.
import * as Schema from "effect/Schema"
import { ScopeRefusal } from "./coordination.ts"

const Text = Schema.String
const Maybe = Schema.optionalKey(Schema.String)

/** A reason that is a sentence already ends once. */
const stop = (reason: string): string => (/[.!?]$/u.test(reason) ? reason : `${reason}.`)

/** Not allowed. Says what would be allowed and how to ask for it. */
export class Denied extends Schema.TaggedError<Denied>()("Denied", {
  system: Text, operation: Text, target: Text, reason: Text, allowed: Maybe, how: Maybe
}) {
  override get message(): string {
    const allowed = this.allowed === undefined ? "" : ` Allowed: ${this.allowed}.`
    const how = this.how === undefined ? "" : ` ${this.how}`
    return `${this.system} may not ${this.operation} ${this.target}: ${stop(this.reason)}${allowed}${how}`
  }
}

/** No credential, or none that is good here. Says nothing of why beyond what helps its owner. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()("Unauthenticated", { reason: Text, how: Maybe }) {
  override get message(): string {
    return `${this.reason}${this.how === undefined ? "" : ` ${this.how}`}`
  }
}

/** The data is not what the schema or the bounds ask for; nothing was kept. */
export class InvalidPayload extends Schema.TaggedError<InvalidPayload>()("InvalidPayload", {
  what: Text, path: Text, reason: Text
}) {
  override get message(): string {
    return `Invalid ${this.what}${this.path === "" ? "" : ` at ${this.path}`}: ${this.reason}`
  }
}

export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", {
  what: Text, size: Schema.Finite, sizeMax: Schema.Finite, unit: Text
}) {
  override get message(): string {
    return `${this.what} is too large: ${this.size} ${this.unit}, at most ${this.sizeMax} are allowed.`
  }
}

export class ChannelNotFound extends Schema.TaggedError<ChannelNotFound>()("ChannelNotFound", { channel: Text, nearest: Maybe }) {
  override get message(): string {
    return `Channel not found: ${this.channel}.${this.nearest === undefined ? "" : ` Did you mean ${this.nearest}?`}`
  }
}

export class ChannelExists extends Schema.TaggedError<ChannelExists>()("ChannelExists", { channel: Text, owner: Text }) {
  override get message(): string {
    return `Channel '${this.channel}' already registered by another system.`
  }
}

export class SystemExists extends Schema.TaggedError<SystemExists>()("SystemExists", { system: Text }) {
  override get message(): string {
    return `System '${this.system}' is already docked.`
  }
}

export class SystemNotFound extends Schema.TaggedError<SystemNotFound>()("SystemNotFound", { system: Text, nearest: Maybe }) {
  override get message(): string {
    return `Unknown system: ${this.system}.${this.nearest === undefined ? "" : ` Did you mean ${this.nearest}?`}`
  }
}

export class EventNotFound extends Schema.TaggedError<EventNotFound>()("EventNotFound", { event: Text }) {
  override get message(): string {
    return `Event not found: ${this.event}.`
  }
}

/** An event with this id is in the store already. */
export class EventExists extends Schema.TaggedError<EventExists>()("EventExists", { event: Text }) {
  override get message(): string {
    return `Event already exists: ${this.event}. Ids are unique in a store; use a key to make an append repeatable.`
  }
}

/** Compare-and-append lost: the channel has moved. Read on from `expectedHead`, decide again. */
export class HeadConflict extends Schema.TaggedError<HeadConflict>()("HeadConflict", {
  channel: Text, expectedHead: Schema.Int, head: Schema.Int
}) {
  override get message(): string {
    return `${this.channel} has moved: expected head ${this.expectedHead}, it is ${this.head}.`
  }
}

/** The key was used before with other content. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()("IdempotencyConflict", { channel: Text, key: Text }) {
  override get message(): string {
    return `Key ${this.key} was used in ${this.channel} with other content. Give every different append its own key.`
  }
}

/** The append may or may not be kept. Only the same append with the same key and head gives a definite answer. */
export class AppendUnknown extends Schema.TaggedError<AppendUnknown>()("AppendUnknown", { channel: Text, key: Maybe, reason: Text }) {
  override get message(): string {
    return `It is unknown whether the append to ${this.channel} was kept (${this.reason}). ` +
      (this.key === undefined ? "Appends with a key can be repeated safely." : `Repeat it with key ${this.key}.`)
  }
}

/** Writes are stopped until the store was reopened; reads go on. Nothing of this append was kept. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", { reason: Text }) {
  override get message(): string {
    return `The store takes no writes now: ${this.reason}. Reads go on; try again later.`
  }
}

export class StoreLocked extends Schema.TaggedError<StoreLocked>()("StoreLocked", { path: Text, pid: Schema.NullOr(Schema.Int) }) {
  override get message(): string {
    return `${this.path} is in use by ${this.pid === null ? "another process" : `the kernel with pid ${this.pid}`}. ` +
      "One kernel owns a store; stop that one (aaax down) or use another --store."
  }
}

export class StoreFormat extends Schema.TaggedError<StoreFormat>()("StoreFormat", { path: Text, found: Schema.Int, supported: Schema.Int }) {
  override get message(): string {
    return `${this.path} has store format ${this.found}; this version reads up to ${this.supported}. Use a newer aaax.`
  }
}

/** Kept data is not readable as it was written. */
/** The journal is not the one that was signed: entries are lost, changed, or another journal lies in its place. */
export class EvidenceMismatch extends Schema.TaggedError<EvidenceMismatch>()("EvidenceMismatch", { found: Text, how: Text }) {
  override get message(): string {
    return this.how === "" ? this.found : `The journal does not agree with its checkpoints: ${this.found}. ${this.how}`
  }
}

export class StoreCorrupt extends Schema.TaggedError<StoreCorrupt>()("StoreCorrupt", { where: Text, reason: Text }) {
  override get message(): string {
    return `The store is damaged at ${this.where}: ${stop(this.reason)}`
  }
}

/** Events after `after` were evicted. The oldest that is left is behind `floor`; read on from there. */
export class Gap extends Schema.TaggedError<Gap>()("Gap", { channel: Text, after: Schema.Int, floor: Schema.Int }) {
  override get message(): string {
    return `Events of ${this.channel} after ${this.after} were evicted by retention; read on from ${this.floor}.`
  }
}

/** Another holder took over, or the lease ended: drop the work, do not retry. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  channel: Text, cursor: Schema.Int, epoch: Schema.Int, newestEpoch: Schema.NullOr(Schema.Int)
}) {
  override get message(): string {
    const newest = this.newestEpoch === null ? "nobody holds it" : `newest is ${this.newestEpoch}`
    return `Lease on ${this.channel}#${this.cursor} lost: epoch ${this.epoch}, ${newest}.`
  }
}

/** The channel's delivery does not offer this operation. */
export class WrongDelivery extends Schema.TaggedError<WrongDelivery>()("WrongDelivery", {
  channel: Text, delivery: Text, operation: Text, instead: Text
}) {
  override get message(): string {
    return `${this.channel} is ${this.delivery}: ${this.operation} is not offered, use ${this.instead}.`
  }
}

/** A bound was reached. Wait `retryAfterMillis` and try again. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", {
  what: Text, limit: Schema.Finite, unit: Text, retryAfterMillis: Schema.Finite
}) {
  override get message(): string {
    return `${this.what}: limit of ${this.limit} ${this.unit} reached; try again in ${this.retryAfterMillis} ms.`
  }
}

export class SnapshotNotFound extends Schema.TaggedError<SnapshotNotFound>()("SnapshotNotFound", { name: Text }) {
  override get message(): string {
    return `Snapshot not found: ${this.name}.`
  }
}

export class SnapshotConflict extends Schema.TaggedError<SnapshotConflict>()("SnapshotConflict", {
  name: Text, expectedRevision: Schema.Int, revision: Schema.Int
}) {
  override get message(): string {
    return `Snapshot ${this.name} is at revision ${this.revision}, not ${this.expectedRevision}.`
  }
}

export class ArtifactNotFound extends Schema.TaggedError<ArtifactNotFound>()("ArtifactNotFound", { digest: Text }) {
  override get message(): string {
    return `Artifact not found: ${this.digest}.`
  }
}

export class SubscriptionNotFound extends Schema.TaggedError<SubscriptionNotFound>()("SubscriptionNotFound", { subscription: Text }) {
  override get message(): string {
    return `Subscription not found: ${this.subscription}.`
  }
}

/** The id belongs to a subscription that is not the one that was asked for. */
export class SubscriptionExists extends Schema.TaggedError<SubscriptionExists>()("SubscriptionExists", { subscription: Text, reason: Text }) {
  override get message(): string {
    return `Subscription already exists: ${this.subscription} (${this.reason}).`
  }
}

/** The port was taken back: the system was undocked, revoked or stopped. */
export class Undocked extends Schema.TaggedError<Undocked>()("Undocked", { system: Text, reason: Text }) {
  override get message(): string {
    return `${this.system} has no port any more: ${this.reason}.`
  }
}

/** A system cannot be docked as it is; nothing was left half-wired. */
export class DockRefused extends Schema.TaggedError<DockRefused>()("DockRefused", { system: Text, reason: Text }) {
  override get message(): string {
    return this.reason
  }
}

export class ModuleRejected extends Schema.TaggedError<ModuleRejected>()("ModuleRejected", { module: Text, reason: Text }) {
  override get message(): string {
    return `Module '${this.module}' was rejected: ${this.reason}`
  }
}

export const ConfigIssue = Schema.Struct({
  file: Text,
  /** Key path such as `modules[0].id`; empty for the whole file. */
  path: Text,
  reason: Text,
  nearest: Schema.optionalKey(Text)
})
export interface ConfigIssue extends Schema.Schema.Type<typeof ConfigIssue> {}

/** A config does not say what it must; nothing was started. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", { issues: Schema.Array(ConfigIssue) }) {
  override get message(): string {
    return this.issues
      .map((issue) =>
        `${issue.file}${issue.path === "" ? "" : `: ${issue.path}`}: ${issue.reason}` +
        (issue.nearest === undefined ? "" : ` Did you mean ${issue.nearest}?`))
      .join("\n")
  }
}

export class GrantNotFound extends Schema.TaggedError<GrantNotFound>()("GrantNotFound", { grant: Text }) {
  override get message(): string {
    return `There is no grant ${this.grant}: it never was, expired, or was revoked.`
  }
}

export class BudgetNotFound extends Schema.TaggedError<BudgetNotFound>()("BudgetNotFound", {
  budget: Text, nearest: Schema.optionalKey(Text)
}) {
  override get message(): string {
    return `There is no budget ${this.budget}; see aaax budget ls.${this.nearest === undefined ? "" : ` Did you mean ${this.nearest}?`}`
  }
}

export class WarrantNotFound extends Schema.TaggedError<WarrantNotFound>()("WarrantNotFound", { warrant: Text }) {
  override get message(): string {
    return `There is no warrant ${this.warrant}; see aaax gate ls.`
  }
}

export class TokenNotFound extends Schema.TaggedError<TokenNotFound>()("TokenNotFound", { token: Text }) {
  override get message(): string {
    return `There is no token ${this.token}, by id or by name; see aaax token ls.`
  }
}

export class EnrolmentNotFound extends Schema.TaggedError<EnrolmentNotFound>()("EnrolmentNotFound", { system: Text }) {
  override get message(): string {
    return `${this.system} has no enrolled key; see aaax enroll ls.`
  }
}

export class EnrolmentExists extends Schema.TaggedError<EnrolmentExists>()("EnrolmentExists", { system: Text }) {
  override get message(): string {
    return `${this.system} has an enrolled key. To put another one in its place, which ends every token of the name: aaax enroll ${this.system} --replace`
  }
}

export class StandingNotFound extends Schema.TaggedError<StandingNotFound>()("StandingNotFound", { standing: Text }) {
  override get message(): string {
    return `There is no standing approval ${this.standing}: it never was, ended, or was revoked; see aaax gate standing ls.`
  }
}

/** The answer comes too late, or to the wrong thing: somebody answered before, it expired, or the digest is another one. */
export class WarrantConflict extends Schema.TaggedError<WarrantConflict>()("WarrantConflict", { warrant: Text, reason: Text }) {
  override get message(): string {
    return `${this.warrant}: ${stop(this.reason)}`
  }
}

/**
 * An approval from outside the kernel's process needs proof that a human gives it: the code that only the kernel's terminal
 * shows, or the passphrase. Nothing was answered.
 */
export class ProofNeeded extends Schema.TaggedError<ProofNeeded>()("ProofNeeded", {
  warrant: Text, reason: Text,
  /** A code for this very answer is on the kernel's terminal. */
  shown: Schema.Boolean,
  /** There is a passphrase that would do. */
  passphrase: Schema.Boolean, how: Text
}) {
  override get message(): string {
    return `${this.warrant} needs a human: ${this.reason}. ${this.how}`
  }
}

/** A request to the kernel was refused: the verdict, not a fault. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  request: Text, kind: Schema.Literals(["denied", "expired", "unavailable"]), reason: Text,
  /** For one that a capability did not cover: the caveat, the grant that has it, and what would have been covered. */
  caveat: Maybe, link: Maybe, allowed: Maybe, how: Maybe
}) {
  override get message(): string {
    const allowed = this.allowed === undefined ? "" : ` Allowed: ${this.allowed}.`
    return `${this.kind}: ${this.reason}${allowed === "" || this.reason.endsWith(".") ? "" : "."}${allowed}${this.how === undefined ? "" : ` ${this.how}`}`
  }
}

/** The effect was started and did not succeed, or nobody knows: see `outcome`. */
export class EffectFailed extends Schema.TaggedError<EffectFailed>()("EffectFailed", {
  request: Text, outcome: Schema.Literals(["failed", "unknown"]), reason: Text,
  /** Files were left as they were because of a claim: whose, and how to go on. */
  scope: Schema.optionalKey(ScopeRefusal)
}) {
  override get message(): string {
    return `${this.outcome}: ${this.reason}`
  }
}

export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", { what: Text, millis: Schema.Finite }) {
  override get message(): string {
    return `${this.what} did not answer within ${this.millis} ms.`
  }
}

/** What an append at a port can fail with. */
export type AppendError =
  | Denied | InvalidPayload | TooLarge | ChannelNotFound | EventNotFound | EventExists | HeadConflict
  | IdempotencyConflict | AppendUnknown | StoreUnavailable | Overloaded | Undocked

/** What a read at a port can fail with. */
export type ReadError = Denied | ChannelNotFound | Gap | StoreCorrupt | StoreUnavailable | InvalidPayload | Undocked
