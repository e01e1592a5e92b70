// Running a fold over a channel: from the snapshot's position on, page by page, with a snapshot now and then.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { AppendUnknown, ReadError, StoreUnavailable } from "../protocol/errors.ts"
import type { Event } from "../protocol/event.ts"
import type { Fold } from "../protocol/fold.ts"
import type { Cursor } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import type { Snapshot } from "../protocol/snapshot.ts"
import type { Reader, Received } from "./channel.ts"

export interface FoldOptions<State> {
  /** Where its state is kept. */
  readonly snapshot: string
  /** The state as JSON, and back; default: as it is. `decode` answers `undefined` for what it cannot continue. */
  readonly encode?: (state: State) => unknown
  readonly decode?: (value: unknown) => State | undefined
  /** Other snapshots made of the same state, put at the same moments. */
  readonly views?: Readonly<Record<string, (state: State) => unknown>>
  /** Events between snapshots; default 1,000. */
  readonly every?: number
  /** Put a snapshot when nothing came for so long; default 200 ms. */
  readonly idleMillis?: number
  /** Called after each page, with what it came to. */
  readonly onPage?: (state: State, cursor: Cursor) => Effect.Effect<void>
}

const everyDefault = 1_000
const idleMillisDefault = 200
const retryMillis = 500
const pageEvents = 500

/** How the state lies in a snapshot: an older version is folded anew. */
const Kept = Schema.Struct({ version: Schema.Int, state: Schema.Unknown })
const decodeKept = Schema.decodeUnknownOption(Kept)

interface Position<State> {
  readonly state: State
  readonly cursor: Cursor
  readonly revision: number
}

/** Runs until it is interrupted. One fold per snapshot: a second one that is ahead is followed, never overwritten. */
export const runFold = <State, T>(
  port: Port, fold: Fold<State, Received<T>>, reader: Reader<T>, options: FoldOptions<State>
): Effect.Effect<void, ReadError | AppendUnknown | StoreUnavailable> =>
  Effect.gen(function*() {
    const every = options.every ?? everyDefault
    const views = Object.entries(options.views ?? {})
    let { state, cursor, revision } = yield* resume(port, fold, options)
    let last: Event["id"] | null = null
    let unsaved = 0
    let viewed: Cursor = cursor

    const put = (name: string, value: unknown, expectedRevision?: number): Effect.Effect<Snapshot | "conflict" | "refused", ReadError | AppendUnknown | StoreUnavailable> =>
      port.putSnapshot(
        { name, value, channel: reader.name, cursor, ...(last === null ? {} : { sourceEventId: last }) },
        expectedRevision === undefined ? undefined : { expectedRevision }
      ).pipe(
        Effect.catchTag("SnapshotConflict", () => Effect.succeed("conflict" as const)),
        Effect.catchTag("StoreUnavailable", () => Effect.as(Effect.sleep(retryMillis), "refused" as const)),
        // Too large to be kept: it is folded anew at the next start, which costs time and loses nothing.
        Effect.catchTag(["TooLarge", "InvalidPayload"], (error) => Effect.as(Effect.logWarning(error.message), "refused" as const))
      )

    const save: Effect.Effect<void, ReadError | AppendUnknown | StoreUnavailable> = Effect.gen(function*() {
      unsaved = 0
      const kept = yield* put(options.snapshot, { version: fold.version, state: (options.encode ?? identity)(state) }, revision)
      if (kept === "conflict") {
        const theirs = yield* resume(port, fold, options)
        // Whoever is ahead is right: the same events give the same state.
        if (theirs.cursor > cursor) ({ state, cursor } = theirs)
        revision = theirs.revision
      } else if (kept !== "refused") revision = kept.revision
      if (viewed === cursor) return
      viewed = cursor
      for (const [name, view] of views) yield* put(name, view(state))
    })

    // A view may be behind its state: a crash came between the two.
    for (const [name, view] of views) {
      const kept = yield* Effect.catchTag(port.getSnapshot(name), "SnapshotNotFound", () => Effect.succeed(undefined))
      if (cursor > 0 && kept?.cursor !== cursor) yield* put(name, view(state))
    }

    for (;;) {
      const page = yield* Effect.catchTag(reader.read({ after: cursor, limit: pageEvents, fullLog: true }), "Gap", (gap) =>
        Effect.as(Effect.logWarning(gap.message), { events: [], next: gap.floor, head: gap.floor + 1 }))
      for (const event of page.events) {
        state = fold.step(state, event)
        last = event.id
      }
      unsaved += page.events.length
      cursor = Math.max(cursor, page.next)
      if (page.events.length > 0 && options.onPage !== undefined) yield* options.onPage(state, cursor)
      if (unsaved >= every) yield* save
      if (cursor < page.head) continue
      if (unsaved > 0) {
        const more = yield* Effect.timeoutOption(port.awaitBeyond(reader.name, cursor), options.idleMillis ?? idleMillisDefault)
        if (Option.isNone(more)) yield* save
      } else yield* port.awaitBeyond(reader.name, cursor)
    }
  })

const identity = (value: unknown): unknown => value

const resume = <State, E>(port: Port, fold: Fold<State, E>, options: FoldOptions<State>): Effect.Effect<Position<State>, ReadError> =>
  port.getSnapshot(options.snapshot).pipe(
    Effect.map((snapshot) => {
      const kept = decodeKept(snapshot.value)
      // Without a decoder the state is JSON and was kept by this same fold version.
      const decode = options.decode ?? ((value: unknown) => value as State)
      const state = Option.isSome(kept) && kept.value.version === fold.version ? decode(kept.value.state) : undefined
      return state === undefined || snapshot.cursor === null
        ? { state: fold.initial, cursor: 0, revision: snapshot.revision }
        : { state, cursor: snapshot.cursor, revision: snapshot.revision }
    }),
    Effect.catchTag("SnapshotNotFound", () => Effect.succeed({ state: fold.initial, cursor: 0, revision: 0 }))
  )
