// The journal: one decider over `aaax.journal`. Commands are decided in arrival order against the folded head plus the
// batch being built; the batch is appended with the folded head as expected head; only after the commit is the state
// published, the answer given and anybody told. One batch is under way; what arrives meanwhile is the next one.
//
// An entry is an event whose metadata binds it to the one before:
//
//   hash = sha-256( previous hash + "\n" + kind + "\n" + canonical JSON of the payload ),  hex
//
// A snapshot of the fold is `{ foldVersion, state }`; its sha-256 is itself an entry (`snapshot.taken`), and a snapshot
// without a matching entry is ignored.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Event } from "../../protocol/event.ts"
import { channelOf, type Durability } from "../../protocol/channel.ts"
import { StoreCorrupt, type ChannelExists, type StoreUnavailable } from "../../protocol/errors.ts"
import { kernelSystem, type Cursor } from "../../protocol/names.ts"
import { journal } from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { journalBatchMax, journalBatchTextMax, journalSnapshotEvery, pageEventsMax } from "../limits.ts"
import type { Decision } from "./decide.ts"
import { correlationOf, entryOf, payloadOf, type Entry } from "./entry.ts"
import { freeze, foldVersion, initial, step, thaw, type AuthorityState, type FrozenState, type Placed } from "./state.ts"

export const snapshotName = "aaax.authority"

export interface JournalOptions {
  readonly channels: ChannelsService
  readonly sha256: (text: string) => string
  readonly canonical: (value: unknown) => string
  readonly kernel: string
  readonly version: string
  /** `strict` everywhere but in benchmarks. */
  readonly durability: Durability
}

export interface Submitted<A> {
  readonly answer: A
  /** Position of the newest entry of the decision; 0 when it made none. */
  readonly cursor: Cursor
}

export interface Journal {
  /** The committed state. */
  readonly state: () => AuthorityState
  /** Decides, keeps what was decided, and answers. */
  readonly submit: <A>(decision: Decision<A>) => Effect.Effect<Submitted<A>>
  /** Called after each commit with what was committed, in order; synchronously. */
  readonly onCommitted: (listener: (entries: ReadonlyArray<Placed>) => void) => void
  /** Writes a snapshot of the fold now. */
  readonly snapshot: Effect.Effect<void>
  /** Entries about one request or warrant. */
  readonly about: (request: string) => Effect.Effect<ReadonlyArray<Placed>, StoreCorrupt>
  readonly read: (after: Cursor, limit: number) => Effect.Effect<ReadonlyArray<Event>, StoreCorrupt>
  readonly hashOf: (previous: string, entry: Pick<Event, "kind" | "payload">) => string
}

interface Pending {
  readonly decision: Decision<unknown>
  readonly done: Deferred.Deferred<Submitted<unknown>>
}

const hashOfEvent = (event: Event): string => {
  const hash = event.metadata["hash"]
  return typeof hash === "string" ? hash : ""
}

const placed = (event: Event): Placed => ({ cursor: event.cursor, hash: hashOfEvent(event), entry: entryOf(event) })

interface Frozen {
  readonly foldVersion: number
  readonly state: FrozenState
}

/** Opens the journal: folds what is there, and writes the boot entry that fences everything older. */
export const make = Effect.fnUntraced(function*(
  options: JournalOptions
): Effect.fn.Return<Journal, ChannelExists | StoreUnavailable | StoreCorrupt, Scope.Scope> {
  const { canonical, channels, sha256 } = options
  const { clock, store } = channels
  yield* channels.open(channelOf({
    name: journal,
    description: "Every decision of the kernel, hash-chained. Only the kernel reads and writes it.",
    durability: options.durability,
    indexes: ["correlationId"]
  }, kernelSystem))

  const hashOf: Journal["hashOf"] = (previous, entry) => sha256(`${previous}\n${entry.kind}\n${canonical(entry.payload)}`)

  const page = (after: Cursor, limit = pageEventsMax): Effect.Effect<ReadonlyArray<Event>, StoreCorrupt> =>
    store.read(journal, { after, limit }).pipe(
      Effect.map((read) => read.events),
      // The journal is never evicted and was opened above: both would be damage.
      Effect.catchTags({
        Gap: (gap) => Effect.fail(new StoreCorrupt({ where: `${journal}#${gap.after}`, reason: "entries are missing" })),
        ChannelNotFound: () => Effect.fail(new StoreCorrupt({ where: journal, reason: "the channel is missing" }))
      })
    )

  /** Folds what is behind a state; verifies the chain on the way. */
  const foldTail = Effect.fnUntraced(function*(from: AuthorityState): Effect.fn.Return<AuthorityState, StoreCorrupt> {
    let state = from
    for (;;) {
      const events = yield* page(state.cursor)
      if (events.length === 0) return state
      for (const event of events) {
        if (hashOfEvent(event) !== hashOf(state.chain, event)) {
          return yield* new StoreCorrupt({ where: `${journal}#${event.cursor}`, reason: "its hash does not follow from the entry before it" })
        }
        state = step(state, placed(event))
      }
    }
  })

  /** The newest snapshot, when the journal vouches for it. */
  const restored = Effect.fnUntraced(function*(): Effect.fn.Return<AuthorityState, StoreCorrupt> {
    const snapshot = yield* store.getSnapshot(snapshotName)
    if (snapshot === undefined) return initial
    // Sound when the hash is found below: the value is what a kernel of this fold version wrote.
    const frozen = snapshot.value as unknown as Frozen
    if (frozen === null || typeof frozen !== "object" || frozen.foldVersion !== foldVersion) return initial
    const sha = sha256(canonical(snapshot.value))
    for (let after = frozen.state.cursor; ; ) {
      const events = yield* page(after)
      if (events.length === 0) return initial
      const vouched = events.some((event) => {
        const entry = entryOf(event)
        return entry.kind === "snapshot.taken" && entry.sha256 === sha && entry.cursor === frozen.state.cursor
      })
      if (vouched) return thaw(frozen.state)
      after = events[events.length - 1]!.cursor
    }
  })

  let state = yield* foldTail(yield* restored())
  clock.raise(state.time)
  let snapshotAt = state.cursor
  const listeners: Array<(entries: ReadonlyArray<Placed>) => void> = []
  let pending: Array<Pending> = []
  let wake: Deferred.Deferred<void> | undefined

  const draftOf = (entry: Entry, previous: string, hash: string) => ({
    kind: entry.kind,
    payload: payloadOf(entry),
    metadata: { prev: previous, hash },
    correlationId: correlationOf(entry)
  })

  let batches = 0
  /** Decides, appends and publishes; decides anew when somebody else moved the head. */
  const commit = Effect.fnUntraced(function*(commands: ReadonlyArray<Pending>) {
    for (;;) {
      const now = clock.now()
      let next = state
      const entries: Array<Entry> = []
      const hashes: Array<string> = []
      const answers: Array<{ readonly answer: unknown; readonly upTo: number }> = []
      let text = 0
      for (const command of commands) {
        if (entries.length >= journalBatchMax || text >= journalBatchTextMax) break
        const decided = command.decision(next, now)
        for (const entry of decided.entries) {
          const payload = canonical(payloadOf(entry))
          const hash = sha256(`${next.chain}\n${entry.kind}\n${payload}`)
          text += payload.length
          entries.push(entry)
          hashes.push(hash)
          // The cursor of an entry that is not kept yet is not known; nothing decided in this batch depends on it.
          next = step(next, { cursor: state.cursor, hash, entry })
        }
        answers.push({ answer: decided.answer, upTo: decided.entries.length === 0 ? 0 : entries.length })
      }
      if (entries.length === 0) return { answers, cursors: [] as ReadonlyArray<Cursor> }
      let previous = state.chain
      const drafts = entries.map((entry, at) => {
        const draft = draftOf(entry, previous, hashes[at]!)
        previous = hashes[at]!
        return draft
      })
      const appended = yield* channels.appendSurely(kernelSystem, journal, drafts, {
        expectedHead: state.cursor,
        key: `${hashes[hashes.length - 1]!}/${++batches}`
      }).pipe(Effect.catchTag("HeadConflict", () => Effect.succeed(undefined)), Effect.orDie)
      if (appended === undefined) {
        state = yield* foldTail(state).pipe(Effect.orDie)
        continue
      }
      const committed: Array<Placed> = []
      let published = state
      for (let at = 0; at < entries.length; at++) {
        const place = { cursor: appended[at]!.cursor, hash: hashes[at]!, entry: entries[at]! }
        published = step(published, place)
        committed.push(place)
      }
      state = published
      for (const listener of listeners) listener(committed)
      return { answers, cursors: appended.map(({ cursor }) => cursor) }
    }
  })

  const run = Effect.fnUntraced(function*() {
    for (;;) {
      if (pending.length === 0) {
        wake = Deferred.makeUnsafe<void>()
        yield* Deferred.await(wake)
        continue
      }
      const { answers, cursors } = yield* commit(pending)
      const commands = pending.slice(0, answers.length)
      pending = pending.slice(answers.length)
      for (let at = 0; at < commands.length; at++) {
        const { answer, upTo } = answers[at]!
        Deferred.doneUnsafe(commands[at]!.done, Effect.succeed({ answer, cursor: upTo === 0 ? 0 : cursors[upTo - 1]! }))
      }
      if (state.cursor - snapshotAt >= journalSnapshotEvery) yield* takeSnapshot()
    }
  })

  const submit = <A>(decision: Decision<A>): Effect.Effect<Submitted<A>> =>
    Effect.suspend(() => {
      const done = Deferred.makeUnsafe<Submitted<unknown>>()
      pending.push({ decision, done })
      if (wake !== undefined) {
        const woken = wake
        wake = undefined
        Deferred.doneUnsafe(woken, Effect.void)
      }
      // Answers are given in the order of the commands, each to its own deferred: this is the A of this decision.
      return Deferred.await(done) as Effect.Effect<Submitted<A>>
    })

  /** Runs in the decider's own fiber, so that the state it freezes is the head. */
  const takeSnapshot = Effect.fnUntraced(function*() {
    const frozen = { foldVersion, state: freeze(state) }
    const cursor = state.cursor
    snapshotAt = cursor
    const kept = yield* store.putSnapshot({ name: snapshotName, value: frozen, cursor }, kernelSystem).pipe(Effect.option)
    if (kept._tag === "None") return
    const sha = sha256(canonical(kept.value.value))
    const done = Deferred.makeUnsafe<Submitted<unknown>>()
    yield* commit([{
      done,
      decision: (_, now) => ({
        entries: [{ kind: "snapshot.taken", at: now, name: snapshotName, cursor, foldVersion, sha256: sha }],
        answer: undefined
      })
    }])
  })

  yield* Effect.forkScoped(run())

  const self: Journal = {
    state: () => state,
    submit,
    onCommitted: (listener) => void listeners.push(listener),
    snapshot: Effect.suspend(() => {
      // An empty decision waits its turn; the snapshot is then taken by the decider before it goes on.
      snapshotAt = -journalSnapshotEvery
      return Effect.asVoid(submit(() => ({ entries: [], answer: undefined }))).pipe(
        Effect.andThen(submit(() => ({ entries: [], answer: undefined }))),
        Effect.asVoid
      )
    }),
    about: (request) =>
      store.read(journal, { after: 0, limit: pageEventsMax, filter: { correlationId: request } }).pipe(
        Effect.map((read) => read.events.map(placed)),
        Effect.catchTags({
          Gap: () => Effect.succeed([]),
          ChannelNotFound: () => Effect.succeed([])
        })
      ),
    read: page,
    hashOf
  }
  yield* submit((before, now) => ({
    entries: [{ kind: "kernel.booted", at: now, boot: before.boot + 1, kernel: options.kernel, version: options.version }],
    answer: undefined
  }))
  return self
})
