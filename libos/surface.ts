// The surface of `aaax` as types: what modules and their handlers are given, in promises and async iterables.
import type * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Appended } from "../protocol/event.ts"
import type { ChannelId, Cursor } from "../protocol/names.ts"
import type { Port, ReadOptions } from "../protocol/port.ts"
import type { Commit, FileBytes, FileEntry } from "../protocol/power.ts"
import type { PutOptions, Snapshot } from "../protocol/snapshot.ts"
import type { ActOptions, Authority } from "./authority.ts"
import type { FollowOptions, Page, Reader, Received, Writer, WriteOptions } from "./channel.ts"
import type { Bridge } from "./promise.ts"
import type { Replies } from "./request.ts"
import type { WorkOptions } from "./worker.ts"

/** What a handler gets beside the event: verbs whose keys are the same when the event is handled again. */
export interface Handling<Executors extends string = string> {
  /** Aborted when the handler must end: the lease was lost, or the system is stopped. */
  readonly signal: AbortSignal
  /** 1 for the first delivery. */
  readonly attempt: number
  /** A key made of the event, the label and how often this label was used. */
  readonly key: (label: string) => string
  readonly act: Act<Executors>
  /** Appends with the event as parent and, unless one is given, a key of its own. */
  readonly append: <T>(channel: Writes<T>, value: T, options?: WriteOptions<T>) => Promise<Appended>
}

export type Handler<T, Executors extends string = never> = (
  event: Received<T>, on: Handling<Executors>
) => Promise<unknown> | unknown

export interface SubscribeOptions extends FollowOptions {
  readonly signal?: AbortSignal
}

/** Hidden on every channel: how the functions of this entry find the system that it belongs to. */
export const inside: unique symbol = Symbol("aaax.libos")

/**
 * A channel to read. `Executors` are those that its handlers may act with. What the schema refuses is passed over, with
 * one warning for each event.
 */
export interface Reads<T, Executors extends string = never> {
  readonly name: ChannelId
  readonly read: (options?: ReadOptions) => Promise<Page<T>>
  /**
   * Events in order, pulled page by page. Without `from` and `after` it is a durable subscription under the name that
   * the module gave the channel: after a restart it goes on where it was, and an event whose handling was not
   * completed (the next one was not asked for) comes again.
   */
  readonly subscribe: (options?: SubscribeOptions) => AsyncGenerator<Received<T>, void, undefined>
  /** As `subscribe`, a page at a time: all of a page comes again when the next one was not asked for. */
  readonly batches: (options?: SubscribeOptions) => AsyncGenerator<ReadonlyArray<Received<T>>, void, undefined>
  /** Hands every event to a handler, one after the other, until the system stops. */
  readonly each: (handler: Handler<T, Executors>, options?: SubscribeOptions) => Promise<void>
  /** The newest cursor, once it is beyond `after`. */
  readonly awaitBeyond: (after: Cursor, signal?: AbortSignal) => Promise<Cursor>
  /** For a queue: items that are neither settled nor dead. Looking needs no right to take. */
  readonly backlog: () => Promise<number>
  readonly [inside]: { readonly reader: Reader<T>; readonly session: Session }
}

/** A queue to take work from. */
export interface Takes<T, Executors extends string = never> extends Reads<T, Executors> {
  /** Takes items and hands them to a handler until the system stops: see `work`. */
  readonly work: (handler: Handler<T, Executors>, options?: WorkOptions & { readonly signal?: AbortSignal }) => Promise<void>
}

/** A channel to append to. */
export interface Writes<T> {
  readonly name: ChannelId
  /** Appends one value, or an array of values as one atomic batch. */
  readonly append: {
    (values: ReadonlyArray<T>, options?: WriteOptions<T>): Promise<ReadonlyArray<Appended>>
    (value: T, options?: WriteOptions<T>): Promise<Appended>
  }
  readonly [inside]: { readonly writer: Writer; readonly session: Session }
}

/** Acts through the gate. Resolves with what the executor reported; throws `Refused` or `EffectFailed`. */
export type Act<Executors extends string> = (executor: Executors, options: ActOptions) => Promise<unknown>

export interface AskOptions extends WriteOptions {
  /** Where the answer is expected; default `aaax.kernel-replies`. */
  readonly replies?: ChannelId
  readonly timeoutMillis?: number
}

export interface Snapshots<Names extends string> {
  readonly get: (name: string) => Promise<Snapshot | undefined>
  readonly put: (name: Names, value: unknown, options?: PutOptions & SnapshotSource) => Promise<Snapshot>
}

export interface SnapshotSource {
  readonly channel?: ChannelId
  readonly sourceEventId?: string
  readonly cursor?: Cursor
}

/** A reading power in promises; what it cannot read rejects with a `ReadFailure`. */
export interface Reading {
  readonly root: string
  readonly isGit: () => Promise<boolean>
  readonly list: () => Promise<ReadonlyArray<FileEntry>>
  readonly read: (path: string, limitBytes: number) => Promise<FileBytes>
  readonly digest: (path: string) => Promise<string>
  readonly commits: (since: string | undefined, limit: number) => Promise<ReadonlyArray<Commit>>
}

export type Log = Readonly<Record<"debug" | "info" | "warn" | "error", (message: string, fields?: Readonly<Record<string, unknown>>) => void>>

/** One system's run: its port, its authority, and the bridge to promises. */
export interface Session {
  readonly port: Port
  readonly bridge: Bridge
  readonly authority: Authority
  readonly replies: (channel: ChannelId) => Promise<Replies>
  /** Makes something that lives for as long as the system runs. */
  readonly opened: <A>(make: Effect.Effect<A, never, Scope>) => Promise<A>
  /** Aborted when the system is asked to stop. Calls go on working until it is stopped. */
  readonly signal: AbortSignal
}
