// A store of the portable API without a kernel: a `.sssn` directory, opened in this process. Everything is synchronous and
// durable when it returns; several processes may have one directory open, also the ancestor's.
import type Database from "better-sqlite3"
import { randomUUID } from "node:crypto"
import {
  ChannelExistsError, ChannelNotFoundError, EventExistsError, EventNotFoundError, ArtifactNotFoundError, InvalidPayloadError,
  SnapshotConflictError, SnapshotNotFoundError, SSSNError, StoreFailedError, SubscriptionExistsError, SubscriptionNotFoundError
} from "../../protocol/portable-error.ts"
import {
  type Artifact, type ArtifactDraft, type Channel, type ChannelDraft, checkArtifact, checkChannel, checkCount, checkCursor, checkEvent,
  type CheckOptions, checkSegment, checkSnapshot, checkSubscription, checkToken, type Event, type EventDraft, jsonOf, type KeptEvent,
  type Snapshot, type SnapshotDraft, type Subscription
} from "../../protocol/portable.ts"
import { artifactBytesMax, localPageEventsMax, localTextMax } from "../limits.ts"
import { type Layout, layoutOf, openLayout, reasonOf } from "./local/layout.ts"
import { keepPayload, orphansOf, readPayload, sha256Of, sweepParts } from "./local/payloads.ts"
import {
  artifactOf, artifactRow, channelOf, channelRow, eventOf, eventRow, prepareStatements, roundedIn, snapshotOf, snapshotRow, type Statements,
  subscriptionOf, subscriptionRow
} from "./local/rows.ts"

export * from "../../protocol/portable-error.ts"
export type {
  Artifact, ArtifactDraft, Channel, ChannelDraft, Event, EventDraft, Filters, KeptEvent, Snapshot, SnapshotDraft, Subscription
} from "../../protocol/portable.ts"

export interface LocalStoreOptions {
  /** Changes nothing, not even the journal mode; the store must be there. Default: false. */
  readonly readOnly?: boolean
  /** Makes the directory when there is none. Default: true. */
  readonly create?: boolean
  /** Bytes of one artifact. */
  readonly artifactBytesMax?: number
}

export interface QueryOptions {
  /** Events behind this one; 0, the default: from the beginning. */
  readonly afterCursor?: number
  /** At most so many; default 100. */
  readonly limit?: number
  readonly kind?: string | null
}

export interface SubscriptionOptions {
  /** A name of one's own makes it restartable: the second call gives the subscription that is there. */
  readonly id?: string | null
  readonly consumer?: string | null
  readonly batchSize?: number
  readonly filters?: Readonly<Record<string, unknown>> | null
  readonly metadata?: Readonly<Record<string, unknown>> | null
  /** Where a new one begins: behind this event. Default: 0, at the first event. */
  readonly cursor?: number
}

export interface ArtifactPut {
  /** An id of one's own: the same bytes and words under it again are what is there, anything else is refused. */
  readonly id?: string
}

export interface SnapshotPut {
  /** Puts only when this is what is kept; `null`: only when nothing is. Otherwise `SnapshotConflictError`. */
  readonly expected?: Snapshot | null
}

const options: CheckOptions = { newId: randomUUID, now: () => Date.now() / 1000 }

const bytesOf = (data: unknown): Uint8Array => {
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  throw new InvalidPayloadError("artifact data must be bytes.")
}

const bounded = <Row extends object>(row: Row, what: string): Row => {
  for (const [column, value] of Object.entries(row)) {
    if (typeof value === "string" && value.length > localTextMax) {
      throw new InvalidPayloadError(`Invalid ${what}: ${column} is longer than ${localTextMax} characters; write it as an artifact.`)
    }
  }
  return row
}

/** An event that is there already, when it is the same as this one. A time that was not given is not compared. */
const sameOrRefuse = (kept: KeptEvent, event: Event, draft: EventDraft): KeptEvent => {
  const { timestamp: keptTime, ...before } = eventRow(kept)
  const { timestamp, ...now } = eventRow(event)
  const isSame = JSON.stringify(before) === JSON.stringify(now) && (draft.timestamp === undefined || timestamp === keptTime)
  if (!isSame) throw EventExistsError.of(event.id)
  return kept
}

/** What was asked for of a subscription that is there already, and is not so. */
const refuseChanges = (kept: Subscription, asked: Subscription, given: SubscriptionOptions): void => {
  const changed = ([["consumer", given.consumer], ["batch_size", given.batchSize], ["filters", given.filters], ["metadata", given.metadata]] as const)
    .filter(([field, value]) => value !== undefined && JSON.stringify(kept[field]) !== JSON.stringify(asked[field]))
    .map(([field]) => field)
  if (changed.length === 0) return
  throw new SubscriptionExistsError(
    `Subscription already exists: ${kept.id}, with other ${changed.join(", ")}; leave them out to use it as it is, or use another id`)
}

export class LocalStore {
  readonly #layout: Layout
  readonly #artifactBytesMax: number
  #open: { readonly db: Database.Database; readonly statements: Statements } | undefined

  /** Opens the store in `root`, and makes it there when there is none. Close it to leave one file. */
  constructor(root = ".sssn", { readOnly = false, create = true, artifactBytesMax: bytesMax = artifactBytesMax }: LocalStoreOptions = {}) {
    const layout = layoutOf(root)
    const db = openLayout(layout, { readOnly, create })
    this.#layout = layoutOf(layout.root)
    this.#artifactBytesMax = bytesMax
    try {
      this.#open = { db, statements: prepareStatements(db) }
      if (!readOnly) sweepParts(this.#layout, Date.now())
    } catch (failure) {
      db.close()
      throw new StoreFailedError(`Store cannot be opened: ${layout.root}: ${reasonOf(failure)}`, { cause: failure })
    }
  }

  /** Absolute path of the directory. */
  get root(): string {
    return this.#layout.root
  }
  get databasePath(): string {
    return this.#layout.databasePath
  }
  get artifactsPath(): string {
    return this.#layout.artifactsPath
  }

  /** Ends it; a second time does nothing. */
  close(): void {
    this.#open?.db.close()
    this.#open = undefined
  }

  createChannel(draft: ChannelDraft): Channel {
    const row = bounded(channelRow(checkChannel(draft, options)), "channel")
    return this.#write((on) => {
      if (on.channel.get(row.name) !== undefined) throw ChannelExistsError.of(row.name)
      on.insertChannel.run(row)
      return channelOf(row)
    })
  }

  /** All of them, by name. */
  listChannels(): ReadonlyArray<Channel> {
    return this.#read((on) => on.channels.all().map(channelOf))
  }

  getChannel(name: string): Channel {
    checkSegment("channel.name", name)
    return this.#read((on) => {
      const row = on.channel.get(name)
      if (row === undefined) throw ChannelNotFoundError.of(name)
      return channelOf(row)
    })
  }

  /**
   * Keeps one event and answers it with its cursor. An event with a given id may be appended again: the same content answers
   * what is kept, other content is an `EventExistsError`.
   */
  appendEvent(draft: EventDraft): KeptEvent {
    return this.appendEvents([draft])[0]! // one for each
  }

  /** All of them or none, in one commit. A parent may be an earlier one of the list. */
  appendEvents(drafts: ReadonlyArray<EventDraft>): ReadonlyArray<KeptEvent> {
    const events = drafts.map((draft) => checkEvent(draft, options))
    const rows = events.map((event) => bounded(eventRow(event), "event"))
    return this.#write((on) =>
      events.map((event, at) => {
        this.#requireChannel(on, event.channel)
        this.#requireEvents(on, event.parent_ids)
        const kept = on.event.get(event.id)
        if (kept !== undefined) return sameOrRefuse(eventOf(kept), event, drafts[at]!) // as long as the events
        const row = rows[at]! // as long as the events
        return eventOf({ ...row, cursor: Number(on.insertEvent.run(row).lastInsertRowid) })
      }))
  }

  /** Events of one channel in order, behind a cursor. */
  queryEvents(channel: string, { afterCursor = 0, limit = 100, kind = null }: QueryOptions = {}): ReadonlyArray<KeptEvent> {
    checkCursor("after_cursor", afterCursor)
    checkCount("limit", limit, localPageEventsMax)
    checkSegment("event.channel", channel)
    return this.#read((on) => {
      this.#requireChannel(on, channel)
      if (kind !== null) checkToken("event.kind", kind)
      return this.#eventsBehind(on, channel, afterCursor, limit, kind)
    })
  }

  /** Events of all channels together, in the order in which they were kept. */
  everyEvent({ afterCursor = 0, limit = 100 }: Pick<QueryOptions, "afterCursor" | "limit"> = {}): ReadonlyArray<KeptEvent> {
    checkCursor("after_cursor", afterCursor)
    checkCount("limit", limit, localPageEventsMax)
    return this.#read((on) => on.everyEvent.all(afterCursor, limit).map(eventOf))
  }

  getEvent(id: string): KeptEvent {
    checkSegment("event.id", id)
    return this.#read((on) => {
      const row = on.event.get(id)
      if (row === undefined) throw EventNotFoundError.of(id)
      return eventOf(row)
    })
  }

  /** The newest event of a channel, or the newest up to a cursor; nothing when there is none. */
  newestEvent(channel: string, upTo: number = Number.MAX_SAFE_INTEGER): KeptEvent | undefined {
    checkCursor("cursor", upTo)
    checkSegment("event.channel", channel)
    return this.#read((on) => {
      this.#requireChannel(on, channel)
      const row = on.newestUpTo.get(channel, upTo)
      return row === undefined ? undefined : eventOf(row)
    })
  }

  /** Events of all channels together, or those up to a cursor. */
  countEvents(upTo: number = Number.MAX_SAFE_INTEGER): number {
    checkCursor("cursor", upTo)
    return this.#read((on) => on.countUpTo.get(upTo)?.count ?? 0)
  }

  createSubscription(channel: string, given: SubscriptionOptions = {}): Subscription {
    const asked = checkSubscription({
      channel, id: given.id ?? undefined, consumer: given.consumer, batch_size: given.batchSize, filters: given.filters, metadata: given.metadata
    }, options)
    const cursor = checkCursor("cursor", given.cursor ?? 0)
    const row = bounded(subscriptionRow({ ...asked, cursor }), "subscription")
    return this.#write((on) => {
      this.#requireChannel(on, channel)
      const found = on.subscription.get(row.id)
      if (found === undefined) {
        on.insertSubscription.run(row)
        return subscriptionOf(row)
      }
      const kept = subscriptionOf(found)
      if (kept.channel !== channel) throw SubscriptionExistsError.of(kept.id)
      refuseChanges(kept, asked, given)
      return kept
    })
  }

  getSubscription(id: string): Subscription {
    checkSegment("subscription.id", id)
    return this.#read((on) => this.#subscription(on, id))
  }

  listSubscriptions(): ReadonlyArray<Subscription> {
    return this.#read((on) => on.subscriptions.all().map(subscriptionOf))
  }

  /**
   * The next events, and moves the cursor behind them: whoever pulls has them, also if it dies over them. Several pullers of
   * one subscription, in several processes too, never get the same event. For work that must not be lost, use
   * `peekSubscription`, do it, then `ackSubscription`.
   */
  pullSubscription(id: string, limit?: number | null): ReadonlyArray<KeptEvent> {
    return this.#write((on) => {
      const { events, reached, subscription } = this.#next(on, id, limit ?? null)
      if (reached > subscription.cursor) on.advance.run(reached, id, reached)
      return events
    })
  }

  /** What the next pull would give; moves nothing. */
  peekSubscription(id: string, limit?: number | null): ReadonlyArray<KeptEvent> {
    return this.#read((on) => this.#next(on, id, limit ?? null).events)
  }

  /** Everything up to this cursor is done. A cursor never moves back: a lower one changes nothing. */
  ackSubscription(id: string, cursor: number): Subscription {
    checkSegment("subscription.id", id)
    checkCursor("cursor", cursor)
    return this.#write((on) => {
      const { channel } = this.#subscription(on, id)
      const head = on.head.get(channel)?.head ?? 0
      if (cursor > head) throw new InvalidPayloadError(`cursor must be less than or equal to ${head}, the newest of ${channel}.`)
      on.advance.run(cursor, id, cursor)
      return this.#subscription(on, id)
    })
  }

  /** Events that wait behind the cursor of a subscription. */
  subscriptionLag(id: string): number {
    checkSegment("subscription.id", id)
    return this.#read((on) => {
      const { channel, cursor, filters } = this.#subscription(on, id)
      const kind = filters.kind ?? null
      return (kind === null ? on.countBehind.get(channel, cursor) : on.countOfKindBehind.get(channel, kind, cursor))?.count ?? 0
    })
  }

  /** Keeps bytes. The same bytes are one file however often they are written; each writing has a row and an id of its own. */
  writeArtifact(data: ArrayBuffer | ArrayBufferView, draft: ArtifactDraft = {}, { id = randomUUID() }: ArtifactPut = {}): Artifact {
    checkSegment("artifact.id", id)
    const bytes = bytesOf(data)
    if (bytes.length > this.#artifactBytesMax) {
      throw new InvalidPayloadError(`artifact data must be at most ${this.#artifactBytesMax} bytes; it is ${bytes.length}.`)
    }
    const checked = checkArtifact(draft, options)
    this.#read((on) => {
      if (checked.channel !== null) this.#requireChannel(on, checked.channel)
      this.#requireEvents(on, checked.event_ids)
    })
    const sha256 = sha256Of(bytes)
    // The payload first, and without holding up other writers; what was found above cannot go away, nothing is ever deleted.
    const path = this.#attempt(() => keepPayload(this.#layout, bytes, sha256))
    return this.#write((on) => {
      const { channel, media_type, metadata, event_ids } = checked
      const row = bounded(artifactRow({ id, channel, path, media_type, size: bytes.length, sha256, metadata, event_ids }), "artifact")
      const kept = on.artifact.get(id)
      if (kept === undefined) on.insertArtifact.run(row)
      else if (JSON.stringify(artifactRow(artifactOf(kept))) !== JSON.stringify(row)) {
        throw new InvalidPayloadError(`artifact.id is that of another artifact: ${id}`)
      }
      return artifactOf(row)
    })
  }

  /** The bytes, verified against their digest. */
  readArtifact(id: string): Uint8Array {
    const artifact = this.getArtifact(id)
    return this.#read(() => readPayload(this.#layout, artifact))
  }

  getArtifact(id: string): Artifact {
    checkSegment("artifact.id", id)
    return this.#read((on) => {
      const row = on.artifact.get(id)
      if (row === undefined) throw ArtifactNotFoundError.of(id)
      return artifactOf(row)
    })
  }

  /** A page of artifacts by id. */
  listArtifacts({ afterId = "", limit = 100 }: { readonly afterId?: string; readonly limit?: number } = {}): ReadonlyArray<Artifact> {
    checkCount("limit", limit, localPageEventsMax)
    return this.#read((on) => on.artifacts.all(afterId, limit).map(artifactOf))
  }

  /** Replaces the whole snapshot of a name: what is left out has its default. */
  putSnapshot(draft: SnapshotDraft, { expected }: SnapshotPut = {}): Snapshot {
    const row = bounded(snapshotRow(checkSnapshot(draft, options)), "snapshot")
    return this.#write((on) => {
      if (row.channel !== null) this.#requireChannel(on, row.channel)
      if (row.source_event_id !== null) this.#requireEvents(on, [row.source_event_id])
      if (expected !== undefined) {
        const found = on.snapshot.get(row.name)
        const kept = found === undefined ? null : snapshotOf(found)
        if (JSON.stringify(jsonOf(kept, "snapshot")) !== JSON.stringify(jsonOf(expected, "expected"))) throw SnapshotConflictError.of(row.name)
      }
      on.putSnapshot.run(row)
      return snapshotOf(row)
    })
  }

  getSnapshot(name: string): Snapshot {
    checkSegment("snapshot.name", name)
    return this.#read((on) => {
      const row = on.snapshot.get(name)
      if (row === undefined) throw SnapshotNotFoundError.of(name)
      return snapshotOf(row)
    })
  }

  listSnapshots(): ReadonlyArray<Snapshot> {
    return this.#read((on) => on.snapshots.all().map(snapshotOf))
  }

  /** Reads everything, and answers what is wrong: damaged rows and payloads, numbers that lose digits, files that nobody names. */
  verify(): ReadonlyArray<string> {
    const problems: Array<string> = []
    const named = new Set<string>()
    const attempt = (work: () => void): void => {
      try {
        work()
      } catch (failure) {
        if (!(failure instanceof SSSNError)) throw failure
        problems.push(failure.message)
      }
    }
    this.#read((on, db) => {
      for (const { integrity_check: line } of db.pragma("integrity_check") as ReadonlyArray<{ readonly integrity_check: string }>) {
        if (line !== "ok") problems.push(line)
      }
      for (const row of on.channels.iterate()) attempt(() => void channelOf(row))
      for (const row of on.everyEvent.iterate(0, -1)) {
        attempt(() => void eventOf(row))
        const rounded = roundedIn(row.payload) ?? roundedIn(row.metadata)
        if (rounded !== undefined) problems.push(`Event ${row.id} holds the integer ${rounded}, which is read as ${Number(rounded)}`)
      }
      for (const row of on.subscriptions.iterate()) attempt(() => void subscriptionOf(row))
      for (const row of on.snapshots.iterate()) attempt(() => void snapshotOf(row))
      for (const row of on.artifacts.iterate("", -1)) {
        named.add(row.path)
        attempt(() => void readPayload(this.#layout, artifactOf(row)))
      }
    })
    for (const name of orphansOf(this.#layout, (path) => named.has(path))) problems.push(`Artifact payload has no artifact: ${name}`)
    return problems
  }

  #attempt<A>(work: (statements: Statements, db: Database.Database) => A): A {
    if (this.#open === undefined) throw new StoreFailedError(`Store is closed: ${this.root}`)
    try {
      return work(this.#open.statements, this.#open.db)
    } catch (failure) {
      // SQLite and the file system say what is wrong with a code; anything else is our own mistake.
      if (failure instanceof SSSNError || !(failure instanceof Error) || !("code" in failure)) throw failure
      throw new StoreFailedError(`Store failed: ${this.root}: ${reasonOf(failure)}`, { cause: failure })
    }
  }

  /** One view of the store. */
  #read<A>(work: (statements: Statements, db: Database.Database) => A): A {
    return this.#attempt((statements, db) => db.transaction(() => work(statements, db)).deferred())
  }

  /** Everything that is checked and everything that is written is one transaction, which waits for other writers. */
  #write<A>(work: (statements: Statements) => A): A {
    return this.#attempt((statements, db) => db.transaction(() => work(statements)).immediate())
  }

  #requireChannel(on: Statements, name: string): void {
    if (on.channel.get(name) === undefined) throw ChannelNotFoundError.of(name)
  }

  #requireEvents(on: Statements, ids: ReadonlyArray<string>): void {
    const missing = ids.length === 0 ? undefined : on.missingEvent.get(JSON.stringify(ids))
    if (missing !== undefined) throw EventNotFoundError.of(missing.id)
  }

  #subscription(on: Statements, id: string): Subscription {
    const row = on.subscription.get(id)
    if (row === undefined) throw SubscriptionNotFoundError.of(id)
    return subscriptionOf(row)
  }

  #eventsBehind(on: Statements, channel: string, cursor: number, limit: number, kind: string | null): ReadonlyArray<KeptEvent> {
    const rows = kind === null ? on.events.all(channel, cursor, limit) : on.eventsOfKind.all(channel, kind, cursor, limit)
    return rows.map(eventOf)
  }

  #next(on: Statements, id: string, limit: number | null): {
    readonly subscription: Subscription; readonly events: ReadonlyArray<KeptEvent>; readonly reached: number
  } {
    if (limit !== null) checkCount("limit", limit, localPageEventsMax)
    checkSegment("subscription.id", id)
    const subscription = this.#subscription(on, id)
    const { channel, cursor, filters } = subscription
    const kind = filters.kind ?? null
    const most = Math.min(limit ?? subscription.batch_size, localPageEventsMax)
    const events = this.#eventsBehind(on, channel, cursor, most, kind)
    const last = events.at(-1)?.cursor ?? cursor
    // A filter that found less than it might has seen everything: the next pull need not look at that again.
    const reached = kind !== null && events.length < most ? Math.max(last, on.head.get(channel)?.head ?? 0) : last
    return { subscription, events, reached }
  }
}
