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
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Event } from "../../protocol/event.ts"
import { channelOf, type Durability } from "../../protocol/channel.ts"
import { StoreCorrupt, TooLarge, type ChannelExists, type StoreUnavailable } from "../../protocol/errors.ts"
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
  /**
   * Decides, keeps what was decided, and answers. A decision that throws, or whose entries can never be kept, dies alone:
   * nothing of it is kept, and those beside it go on.
   */
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

/** What an event takes beside its payload, in UTF-16 code units: two hashes, names and the sender. */
const entryOverhead = 600

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
    if (typeof frozen.state?.cursor !== "number") return initial
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

  interface Answer {
    readonly exit: Exit.Exit<unknown>
    /** Entries of the batch up to the last one of this decision; 0 when it made none. */
    readonly upTo: number
  }
  interface Chained {
    readonly entry: Entry
    readonly hash: string
  }
  interface Tried {
    readonly answer: unknown
    readonly chained: ReadonlyArray<Chained>
    readonly next: AuthorityState
    readonly size: number
  }

  /** One decision on top of what was decided before it in the batch. Throws what it throws. */
  const tryOne = (decision: Decision<unknown>, before: AuthorityState, now: number): Tried => {
    const decided = decision(before, now)
    if (decided.entries.length > journalBatchMax) {
      throw new TooLarge({ what: "The decision", size: decided.entries.length, sizeMax: journalBatchMax, unit: "entries" })
    }
    const chained: Array<Chained> = []
    let next = before
    let size = 0
    for (const entry of decided.entries) {
      const payload = canonical(payloadOf(entry))
      const hash = sha256(`${next.chain}\n${entry.kind}\n${payload}`)
      size += payload.length + entryOverhead
      chained.push({ entry, hash })
      // The cursor of an entry that is not kept yet is not known; nothing decided in this batch depends on it.
      next = step(next, { cursor: before.cursor, hash, entry })
    }
    return { answer: decided.answer, chained, next, size }
  }

  let batches = 0
  /** Decides, appends and publishes; decides anew when somebody else moved the head. */
  const commit = Effect.fnUntraced(function*(commands: ReadonlyArray<Pending>) {
    let atOnce = commands.length
    for (;;) {
      const now = clock.now()
      let next = state
      const chained: Array<Chained> = []
      const answers: Array<Answer> = []
      let size = 0
      for (const command of commands.slice(0, atOnce)) {
        let tried: Tried
        try {
          tried = tryOne(command.decision, next, now)
        } catch (thrown) {
          answers.push({ exit: Exit.die(thrown), upTo: 0 })
          continue
        }
        // What does not fit beside those before it is the first of the next batch.
        const fits = chained.length + tried.chained.length <= journalBatchMax && size + tried.size <= journalBatchTextMax
        if (chained.length > 0 && !fits) break
        chained.push(...tried.chained)
        size += tried.size
        next = tried.next
        answers.push({ exit: Exit.succeed(tried.answer), upTo: tried.chained.length === 0 ? 0 : chained.length })
      }
      if (chained.length === 0) return { answers, cursors: [] as ReadonlyArray<Cursor> }
      let previous = state.chain
      const drafts = chained.map(({ entry, hash }) => {
        const draft = draftOf(entry, previous, hash)
        previous = hash
        return draft
      })
      const appended = yield* channels.appendSurely(kernelSystem, journal, drafts, {
        expectedHead: state.cursor,
        key: `${previous}/${++batches}`
      }).pipe(
        Effect.catchTag("HeadConflict", () => Effect.succeed("moved" as const)),
        Effect.catchTag(["InvalidPayload", "TooLarge"], (refusal) => Effect.succeed(refusal)),
        Effect.orDie
      )
      if (appended === "moved") {
        state = yield* foldTail(state).pipe(Effect.orDie)
        continue
      }
      if ("_tag" in appended) {
        // An entry that the store can never take must not take its neighbours along: find it by deciding one at a time.
        if (answers.length === 1) return { answers: [{ exit: Exit.die(appended), upTo: 0 }], cursors: [] }
        atOnce = 1
        continue
      }
      const committed: Array<Placed> = []
      let published = state
      for (let at = 0; at < chained.length; at++) {
        const place = { cursor: appended[at]!.cursor, ...chained[at]! }
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
        const { exit, upTo } = answers[at]!
        const cursor = upTo === 0 ? 0 : cursors[upTo - 1]!
        Deferred.doneUnsafe(commands[at]!.done, Exit.map(exit, (answer) => ({ answer, cursor })))
      }
      if (state.cursor - snapshotAt >= journalSnapshotEvery) yield* takeSnapshot()
    }
  })

  /** Set when the decider has ended: nothing is decided any more, and nobody waits for it. */
  let ended: Exit.Exit<never> | undefined
  const end = Effect.fnUntraced(function*(exit: Exit.Exit<never>) {
    ended = exit
    const left = pending
    pending = []
    for (const { done } of left) Deferred.doneUnsafe(done, exit)
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      yield* Effect.logError("the journal cannot go on; nothing is decided until the kernel is started again", exit.cause)
    }
  })

  const submit = <A>(decision: Decision<A>): Effect.Effect<Submitted<A>> =>
    Effect.suspend(() => {
      if (ended !== undefined) return ended
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

  yield* Effect.forkScoped(Effect.onExit(run(), end))

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
