// The journal: one decider over `aaax.journal`. Commands are decided in arrival order against the folded head plus the
// batch being built; the batch is appended with the folded head as expected head; only after the commit is the state
// published, the answer given and anybody told. One batch is under way; what arrives meanwhile is the next one.
//
// An entry is an event whose metadata binds it to the one before:
//
//   hash = sha-256( previous hash + "\n" + kind + "\n" + canonical JSON of the payload ),  hex
//
// The entries are also the leaves of a Merkle tree (evidence/merkle.ts), whose signed roots are kept outside the store. What
// is weighty is acknowledged when such a checkpoint covers it: the batch is kept, the checkpoint is kept, then the state is
// published. A crash between the two leaves a `started` that was never called, as any crash behind a commit does.
//
// A snapshot of the fold is `{ foldVersion, state, ledger }`; its sha-256 is itself an entry (`snapshot.taken`), and a
// snapshot without a matching entry is ignored.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Appended, Event } from "../../protocol/event.ts"
import { channelOf, type Durability } from "../../protocol/channel.ts"
import { StoreCorrupt, TooLarge, type ChannelExists, type EvidenceMismatch, type StoreUnavailable } from "../../protocol/errors.ts"
import { kernelSystem, type Cursor } from "../../protocol/names.ts"
import { journal } from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { appendRepeatMillisMax, batchTextMax, journalBatchMax, journalBatchTextMax, journalSnapshotEvery, pageEventsMax } from "../limits.ts"
import { isSurelyKept, prepareOwn, toText } from "../store/codec.ts"
import type { Follower, Prepared, StoreAppendError } from "../store/store.ts"
import type { Decision } from "./decide/decision.ts"
import { correlationOf, payloadOf, subjectOf } from "./entry.ts"
import { isWeighty, judge, makeKeeper, outside, type Keeper, type KeeperOptions } from "./evidence/keeper.ts"
import { hashing, type Sha256 } from "./evidence/merkle.ts"
import { agrees, foldTail, hashOfEvent, placed, readUpTo, restore, type Frozen, type RestoreOptions } from "./evidence/restore.ts"
import { freeze } from "./state/frozen.ts"
import { type AuthorityState, type Placed } from "./state/state.ts"
import { foldVersion, step } from "./state/step.ts"

export const snapshotName = "aaax.authority"

export interface JournalOptions {
  readonly channels: ChannelsService
  readonly sha256: (text: string) => string
  readonly sha256Bytes: Sha256
  /** Where checkpoints are kept outside the store; absent: nowhere, for a store that dies with the process. */
  readonly evidence?: Pick<KeeperOptions, "place" | "pace">
  /** Why the operator takes the journal as it is when it does not agree with its checkpoints. */
  readonly acceptRollback?: string
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
  /** As `submit`, for plain code. */
  readonly decide: <A>(decision: Decision<A>, done: (exit: Exit.Exit<Submitted<A>>) => void) => void
  /**
   * Where a record holds several channels: asked for what goes with a batch that is about to be appended behind this
   * head, its entries where they will lie. What is answered is kept with the batch or not at all.
   */
  readonly onAppending: (follow: (entries: ReadonlyArray<Placed>, after: Cursor) => ReadonlyArray<Follower>) => void
  /** Called after each commit with what was committed, in order, and the head that it follows; synchronously. */
  readonly onCommitted: (listener: (entries: ReadonlyArray<Placed>, after: Cursor) => void) => void
  /** Writes a snapshot of the fold now. */
  readonly snapshot: Effect.Effect<void>
  /** Entries about one request or warrant. */
  readonly about: (request: string) => Effect.Effect<ReadonlyArray<Placed>, StoreCorrupt>
  readonly read: (after: Cursor, limit: number) => Effect.Effect<ReadonlyArray<Event>, StoreCorrupt>
  readonly hashOf: (previous: string, entry: Pick<Event, "kind" | "payload">) => string
  /** Signs checkpoints and receipts; absent where none are kept. */
  readonly keeper: Keeper | undefined
  /** Reads what a start did not read because it is long, and says what is wrong with it; nothing when all is well. */
  readonly checkUnread: Effect.Effect<string | undefined>
}

/** What an event takes beside its payload, in UTF-16 code units: two hashes, names and the sender. */
const entryOverhead = 600

interface Command {
  readonly decision: Decision<unknown>
  readonly done: (exit: Exit.Exit<Submitted<unknown>>) => void
}

/** Opens the journal: folds what is there, and writes the boot entry that fences everything older. */
export const make = Effect.fnUntraced(function*(
  options: JournalOptions
): Effect.fn.Return<Journal, ChannelExists | StoreUnavailable | StoreCorrupt | EvidenceMismatch, Scope.Scope> {
  const { canonical, channels, sha256 } = options
  const { clock, store } = channels
  const definition = channelOf({
    name: journal,
    description: "Every decision of the kernel, hash-chained. Only the kernel reads and writes it.",
    durability: options.durability,
    indexes: ["correlationId", "subject"]
  }, kernelSystem)
  // It carries no schema that could be refused.
  yield* Effect.catchTag(channels.open(definition), "InvalidPayload", Effect.die)

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

  const restoring: RestoreOptions = {
    hashing: hashing(options.sha256Bytes), hashOf, page, snapshot: store.getSnapshot(snapshotName), shaOf: (value) => sha256(canonical(value))
  }
  const keeping = options.evidence === undefined ? undefined : { ...options.evidence, sha256: options.sha256Bytes }
  const signed = keeping === undefined ? undefined : yield* outside(keeping)
  const { differs, ledger, unread, ...restored } = yield* restore(restoring, signed?.newest)
  let { state } = restored
  /** Entries that come before that of the boot. */
  const first = keeping === undefined || signed === undefined
    ? []
    : yield* judge(keeping, { found: signed, ledger, differs, auditKey: state.auditKey, accept: options.acceptRollback })
  const keeper = keeping === undefined || signed === undefined
    ? undefined
    : yield* makeKeeper(keeping, { signer: signed.signer, newest: first.length === 0 ? signed.newest : undefined }, ledger)
  // The first one is there before the entry that says so: a crash between the two is no loss of checkpoints.
  if (first.length > 0) yield* keeper?.write ?? Effect.void
  clock.raise(state.time)
  let snapshotAt = state.cursor
  const listeners: Array<(entries: ReadonlyArray<Placed>, after: Cursor) => void> = []
  /** Commands in the order of their arrival; the first ones are being kept while a batch is under way. */
  let commands: Array<Command> = []
  let follow: Parameters<Journal["onAppending"]>[0] | undefined
  let isScheduled = false
  /** What the decider waits for; nothing is decided meanwhile. */
  let underWay: Fiber.Fiber<unknown, unknown> | undefined
  /** Set when the decider has ended: nothing is decided any more, and nobody waits for it. */
  let ended: Exit.Exit<never> | undefined

  interface Answer {
    readonly exit: Exit.Exit<unknown>
    /** Entries of the batch up to the last one of this decision; 0 when it made none. */
    readonly upTo: number
  }
  interface Batch {
    readonly answers: ReadonlyArray<Answer>
    readonly placed: ReadonlyArray<Placed>
    readonly prepared: ReadonlyArray<Prepared>
    readonly next: AuthorityState
  }
  interface Tried {
    readonly answer: unknown
    readonly placed: ReadonlyArray<Placed>
    readonly prepared: ReadonlyArray<Prepared>
    readonly next: AuthorityState
    readonly size: number
  }

  /** One decision on top of what was decided before it in the batch. Throws what it throws. */
  const tryOne = (decision: Decision<unknown>, before: AuthorityState, now: number): Tried => {
    const decided = decision(before, now)
    const count = decided.entries.length
    if (count > journalBatchMax) throw new TooLarge({ what: "The decision", size: count, sizeMax: journalBatchMax, unit: "entries" })
    const made: Array<Placed> = []
    const prepared: Array<Prepared> = []
    let next = before
    let size = 0
    for (const entry of decided.entries) {
      const payload = payloadOf(entry)
      const text = canonical(payload)
      if (!isSurelyKept(text)) toText(payload)
      const prev = next.chain
      const hash = sha256(`${prev}\n${entry.kind}\n${text}`)
      size += text.length + entryOverhead
      prepared.push(prepareOwn({ kind: entry.kind, payloadText: text, metadata: { prev, hash }, correlationId: correlationOf(entry), subject: subjectOf(entry) }, kernelSystem, definition))
      // Most logs have no holes; where one has, the batch is folded anew when it is known where the entries lie.
      const one: Placed = { cursor: next.cursor + 1, hash, entry }
      made.push(one)
      next = step(next, one)
    }
    if (size > batchTextMax) throw new TooLarge({ what: "The decision", size, sizeMax: batchTextMax, unit: "characters" })
    return { answer: decided.answer, placed: made, prepared, next, size }
  }

  /** Decides the first commands, as many as one batch holds. */
  const decideBatch = (): Batch => {
    const now = clock.now()
    const answers: Array<Answer> = []
    const made: Array<Placed> = []
    const prepared: Array<Prepared> = []
    let next = state
    let size = 0
    for (const { decision } of commands) {
      let tried: Tried
      try {
        tried = tryOne(decision, next, now)
      } catch (thrown) {
        answers.push({ exit: Exit.die(thrown), upTo: 0 })
        continue
      }
      // What does not fit beside those before it is the first of the next batch.
      if (made.length > 0 && (made.length + tried.placed.length > journalBatchMax || size + tried.size > journalBatchTextMax)) break
      made.push(...tried.placed)
      prepared.push(...tried.prepared)
      size += tried.size
      next = tried.next
      answers.push({ exit: Exit.succeed(tried.answer), upTo: tried.placed.length === 0 ? 0 : made.length })
    }
    return { answers, placed: made, prepared, next }
  }

  /** Where these entries lie, when they are what follows the folded head: then they were kept, whatever was said of it. */
  const found = (batch: Batch): Effect.Effect<ReadonlyArray<Cursor> | "moved"> =>
    page(state.cursor, batch.placed.length).pipe(
      Effect.map((events) =>
        events.length === batch.placed.length && events.every((event, at) => hashOfEvent(event) === batch.placed[at]!.hash)
          ? events.map(({ cursor }) => cursor)
          : "moved"),
      Effect.orDie
    )

  const append = (batch: Batch, followers?: ReadonlyArray<Follower>): Effect.Effect<ReadonlyArray<Appended>, StoreAppendError> =>
    store.append(journal, batch.prepared, { sender: kernelSystem, expectedHead: state.cursor, followers })

  const cursorsOf = (appended: ReadonlyArray<Appended>): ReadonlyArray<Cursor> => appended.map(({ cursor }) => cursor)

  /**
   * Repeats an append until it is known what became of it. No key is needed: the journal has one writer, a batch is kept
   * at one head only, and its hashes tell it from every other.
   */
  const persist = Effect.fnUntraced(function*(batch: Batch, first: StoreAppendError): Effect.fn.Return<ReadonlyArray<Cursor> | "moved"> {
    let failure = first
    let isUnknown = false
    for (let attempt = 0; ; attempt++) {
      if (failure._tag === "HeadConflict") return isUnknown ? yield* found(batch) : "moved"
      if (failure._tag === "AppendUnknown") isUnknown = true
      else if (failure._tag !== "StoreUnavailable") return yield* Effect.die(failure)
      yield* Effect.sleep(Math.min(2 ** attempt, appendRepeatMillisMax))
      const result = yield* Effect.result(append(batch))
      if (result._tag === "Success") return cursorsOf(result.success)
      failure = result.failure
    }
  })

  /** Lets the decider wait for something; what fails here ends it. */
  const occupy = <A>(work: Effect.Effect<A>, then: (value: A) => void): void => {
    const fiber = Effect.runFork(work)
    underWay = fiber
    fiber.addObserver((exit) => {
      if (underWay === fiber) underWay = undefined
      if (ended !== undefined) return
      if (Exit.isFailure(exit)) return end(Exit.failCause(exit.cause))
      then(exit.value)
      schedule()
    })
  }

  /** The batch as it lies in the journal. From here on it is part of what checkpoints cover, whatever becomes of this process. */
  const settled = (batch: Batch, cursors: ReadonlyArray<Cursor>): Batch => {
    const moved = cursors.some((cursor, at) => cursor !== batch.placed[at]!.cursor)
    const committed = moved ? batch.placed.map((one, at) => ({ ...one, cursor: cursors[at]! })) : batch.placed
    for (const one of committed) ledger.append(one)
    return moved ? { ...batch, placed: committed, next: committed.reduce(step, state) } : batch
  }

  const publish = ({ next, placed: committed }: Batch): void => {
    const after = state.cursor
    state = next
    for (const listener of listeners) listener(committed, after)
  }

  const answer = (batch: Batch, cursors: ReadonlyArray<Cursor>): void => {
    const answered = commands.slice(0, batch.answers.length)
    commands = commands.slice(batch.answers.length)
    for (let at = 0; at < answered.length; at++) {
      const { exit, upTo } = batch.answers[at]!
      answered[at]!.done(Exit.isFailure(exit) ? Exit.failCause(exit.cause) : Exit.succeed({ answer: exit.value, cursor: upTo === 0 ? 0 : cursors[upTo - 1]! }))
    }
  }

  const turn = (): void => {
    isScheduled = false
    while (commands.length > 0 && underWay === undefined && ended === undefined) {
      if (state.cursor - snapshotAt >= journalSnapshotEvery) takeSnapshot()
      else commit()
    }
  }

  /** Decides, appends and publishes; decides anew when somebody else moved the head. */
  const commit = (): void => {
    const batch = decideBatch()
    if (batch.placed.length === 0) return answer(batch, [])
    const followers = store.takesFollowers === true ? follow?.(batch.placed, state.cursor) : undefined
    const kept = (cursors: ReadonlyArray<Cursor>): void => {
      const whole = settled(batch, cursors)
      const tell = (): void => {
        publish(whole)
        answer(whole, cursors)
      }
      if (keeper === undefined || !isWeighty(whole.placed, state, whole.next)) {
        keeper?.grown()
        return tell()
      }
      occupy(keeper.written, tell)
    }
    const fiber = Effect.runFork(append(batch, followers))
    underWay = fiber
    fiber.addObserver((exit) => {
      if (underWay === fiber) underWay = undefined
      if (ended !== undefined) return
      if (Exit.isSuccess(exit)) {
        kept(cursorsOf(exit.value))
        return schedule()
      }
      const failure = Cause.findError(exit.cause)
      if (Result.isFailure(failure)) return end(Exit.failCause(failure.failure))
      occupy(persist(batch, failure.success), (cursors) => {
        if (cursors !== "moved") return kept(cursors)
        occupy(Effect.orDie(foldTail(restoring, state, ledger)), (folded) => {
          state = folded
        })
      })
    })
  }

  const schedule = (): void => {
    if (isScheduled || underWay !== undefined || commands.length === 0 || ended !== undefined) return
    isScheduled = true
    queueMicrotask(turn)
  }

  const end = (exit: Exit.Exit<never>): void => {
    ended = exit
    const left = commands
    commands = []
    for (const { done } of left) done(exit)
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) {
      Effect.runFork(Effect.logError("the journal cannot go on; nothing is decided until the kernel is started again", exit.cause))
    }
  }

  const decide: Journal["decide"] = (decision, done) => {
    if (ended !== undefined) return done(ended)
    // Answers are given in the order of the commands, each to its own callback: this is the A of this decision.
    commands.push({ decision, done: done as Command["done"] })
    schedule()
  }

  const submit: Journal["submit"] = (decision) => Effect.callback((resume) => decide(decision, resume))

  /** The state is the head here: nothing is under way. Its entry is decided before everything that waits. */
  const takeSnapshot = (): void => {
    const frozen: Frozen = { foldVersion, state: freeze(state), ledger: ledger.freeze() }
    const cursor = state.cursor
    snapshotAt = cursor
    occupy(Effect.option(store.putSnapshot({ name: snapshotName, value: frozen, cursor }, kernelSystem)), (kept) => {
      if (kept._tag === "None") return
      const sha = sha256(canonical(kept.value.value))
      commands.unshift({
        done: () => undefined,
        decision: (_, now) => ({
          entries: [{ kind: "snapshot.taken", at: now, name: snapshotName, cursor, foldVersion, sha256: sha }],
          answer: undefined
        })
      })
    })
  }

  yield* Effect.addFinalizer(() => Effect.suspend(() => {
    if (ended === undefined) end(Exit.interrupt())
    return underWay === undefined ? Effect.void : Fiber.interrupt(underWay)
  }))

  const self: Journal = {
    state: () => state,
    decide,
    submit,
    onAppending: (made) => {
      follow = made
    },
    onCommitted: (listener) => void listeners.push(listener),
    snapshot: Effect.suspend(() => {
      // It is taken, and written down, before the next command is decided; an empty one says when.
      snapshotAt = -journalSnapshotEvery
      return Effect.asVoid(submit(() => ({ entries: [], answer: undefined })))
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
    hashOf,
    keeper,
    checkUnread: unread === undefined
      ? Effect.undefined
      : readUpTo({ ...restoring, page: (after) => Effect.andThen(Effect.yieldNow, page(after)) }, unread.cursor).pipe(
          Effect.map((read) => (agrees(read, unread) ? undefined : `its first ${unread.size} entries are not those that the newest snapshot was made of`)),
          Effect.catch((error) => Effect.succeed(error.message))
        )
  }
  yield* submit((before, now) => ({
    entries: [
      ...first.map((make) => make(now)),
      { kind: "kernel.booted", at: now, boot: before.boot + 1, kernel: options.kernel, version: options.version }
    ],
    answer: undefined
  }))
  return self
})
