// What the portable store API refuses with, by the names that its clients know: the name is the `type` on the wire.

/** Every refusal of the portable API. A name that ends in `NotFoundError` is a 404, in `ExistsError` or `ConflictError` a 409, most others a 400. */
export class SSSNError extends Error {
  override readonly name: string = "SSSNError"
}

/** One thing that is wrong with what was given: where (`metadata`, `query.limit`), and a sentence that names the place. */
export interface PortableIssue {
  readonly path: string
  readonly text: string
}

/** What was given is not what the model or the parameter asks for; nothing was kept. */
export class InvalidPayloadError extends SSSNError {
  override readonly name = "InvalidPayloadError"
  /** All that is wrong, when it was a whole model that was checked. */
  readonly issues: ReadonlyArray<PortableIssue>
  constructor(message: string, issues: ReadonlyArray<PortableIssue> = []) {
    super(message)
    this.issues = issues
  }
}

export class ChannelExistsError extends SSSNError {
  override readonly name = "ChannelExistsError"
  static of(channel: string): ChannelExistsError {
    return new ChannelExistsError(`Channel already exists: ${channel}`)
  }
}

export class ChannelNotFoundError extends SSSNError {
  override readonly name = "ChannelNotFoundError"
  static of(channel: string): ChannelNotFoundError {
    return new ChannelNotFoundError(`Channel not found: ${channel}`)
  }
}

export class EventNotFoundError extends SSSNError {
  override readonly name = "EventNotFoundError"
  static of(event: string): EventNotFoundError {
    return new EventNotFoundError(`Event not found: ${event}`)
  }
}

/** The id is taken by an event with other content. The same event again is no mistake: it is answered as it was kept. */
export class EventExistsError extends SSSNError {
  override readonly name = "EventExistsError"
  static of(event: string): EventExistsError {
    return new EventExistsError(`Event already exists with other content: ${event}`)
  }
}

export class ArtifactNotFoundError extends SSSNError {
  override readonly name = "ArtifactNotFoundError"
  static of(artifact: string): ArtifactNotFoundError {
    return new ArtifactNotFoundError(`Artifact not found: ${artifact}`)
  }
}

/** The bytes that are kept are not those that were written. */
export class ArtifactCorruptError extends SSSNError {
  override readonly name = "ArtifactCorruptError"
  static of(artifact: string, sha256: string): ArtifactCorruptError {
    return new ArtifactCorruptError(`Artifact payload is damaged: ${artifact} no longer has the digest ${sha256}`)
  }
}

export class SnapshotNotFoundError extends SSSNError {
  override readonly name = "SnapshotNotFoundError"
  static of(snapshot: string): SnapshotNotFoundError {
    return new SnapshotNotFoundError(`Snapshot not found: ${snapshot}`)
  }
}

/** Somebody else put it in between: read it, decide again. */
export class SnapshotConflictError extends SSSNError {
  override readonly name = "SnapshotConflictError"
  static of(snapshot: string): SnapshotConflictError {
    return new SnapshotConflictError(`Snapshot is not the expected one: ${snapshot}`)
  }
}

export class SubscriptionNotFoundError extends SSSNError {
  override readonly name = "SubscriptionNotFoundError"
  static of(subscription: string): SubscriptionNotFoundError {
    return new SubscriptionNotFoundError(`Subscription not found: ${subscription}`)
  }
}

/** The id belongs to a subscription of another channel, or to one that was made with other options. */
export class SubscriptionExistsError extends SSSNError {
  override readonly name = "SubscriptionExistsError"
  static of(subscription: string): SubscriptionExistsError {
    return new SubscriptionExistsError(`Subscription already exists: ${subscription}`)
  }
}

/** The store cannot be read or written now; nothing of this call was kept. */
export class StoreFailedError extends SSSNError {
  override readonly name = "StoreFailedError"
}

/** A `psi://` ref, a binding of one, or the config that holds them is not as it must be. */
export class SSSNRefError extends SSSNError {
  override readonly name = "SSSNRefError"
}

const statuses: Readonly<Record<string, number>> = { ArtifactCorruptError: 500, StoreFailedError: 503 }

/** HTTP status of a refusal, by its name. */
export const portableStatusOf = (name: string): number =>
  statuses[name] ?? (name.endsWith("NotFoundError") ? 404 : /(?:Exists|Conflict)Error$/u.test(name) ? 409 : 400)
