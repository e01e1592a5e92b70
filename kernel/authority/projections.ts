// Projections: replies, registries and the approvals channel, made from the journal behind a durable cursor. What was told
// since then says itself of which entry it was made (lane.ts), so that a crash redoes the rest without doubling anything.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { kernelSystem, type ChannelId, type Cursor } from "../../protocol/names.ts"
import type { Warrant } from "../../protocol/warrant.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { projectionsAheadMax } from "../limits.ts"
import { finalOf } from "./decide/action.ts"
import { correlationOf, entryOf, type Entry } from "./entry.ts"
import type { Journal } from "./journal.ts"
import { makeLane, type Lane } from "./lane.ts"
import { projected } from "./projected.ts"

export interface Projections {
  /** Calls back when everything up to this position of the journal is projected; at once when it is. */
  readonly whenReached: (cursor: Cursor, done: () => void) => void
  /** Completes when everything up to this position of the journal is projected. */
  readonly reached: (cursor: Cursor) => Effect.Effect<void>
  /** Completes when everything that is committed now is projected. */
  readonly caughtUp: Effect.Effect<void>
  /** Keeps how far it came, when that has changed: what a crash makes it look at again. */
  readonly save: Effect.Effect<void>
}

export interface ProjectionsOptions {
  readonly journal: Journal
  readonly channels: ChannelsService
  readonly payloadOf: (warrant: Warrant) => Effect.Effect<unknown>
}

/** Entries between writes of the durable cursor, and entries that are projected at once. */
const cursorEvery = 500

const targets: ReadonlyArray<ChannelId> = [
  wellKnown.kernelReplies, wellKnown.capabilityRegistry, wellKnown.moduleRegistry, wellKnown.policyStore, wellKnown.approvals
]

/** Entries of one batch that are told with it: their lines fit into one batch of each channel. */
const rideEntriesMax = 200

/** An entry at its position. */
interface Told {
  readonly cursor: Cursor
  readonly entry: Entry
}

const isOfWarrant = ({ kind }: Entry): boolean => kind === "action.decided" || kind.startsWith("warrant.")

const warrantIn = (entry: Entry): string | undefined =>
  (entry.kind === "action.decided" && entry.warrant.state !== "denied") || entry.kind === "warrant.edited" ||
  (entry.kind === "warrant.answered" && entry.outcome === "approved")
    ? (correlationOf(entry) ?? undefined)
    : undefined

/** All that is told of it is in it, or at hand. */
const isWhole = (entry: Entry): boolean => warrantIn(entry) === undefined || finalOf(entry) !== undefined

export const make = Effect.fnUntraced(function*(options: ProjectionsOptions): Effect.fn.Return<Projections, never, Scope.Scope> {
  const { channels, journal } = options
  const { store } = channels
  let cursor = store.subscription(kernelSystem, "projections", wellKnown.journal)?.cursor ?? 0
  let saved = cursor
  let waiters: Array<{ readonly cursor: Cursor; readonly done: () => void }> = []
  /** Committed entries behind `cursor`, in order and without a hole, unless `isBehind`: then they are read. */
  let ahead: Array<Told> = []
  let isBehind = true
  /** Up to here `ahead` goes. */
  let heard: Cursor = 0
  let isBusy = true
  let hasEnded = false
  let working: Fiber.Fiber<unknown> | undefined

  let dropping: Array<string> = []
  const lanes = new Map<ChannelId, Lane>(targets.map((name) => [name, makeLane({
    store,
    // It was opened before this is made.
    channel: () => channels.get(name)!,
    dropped: (at, refusal) => void dropping.push(`a projection of ${wellKnown.journal}#${at} was dropped: ${refusal.message}`)
  })]))

  /** What cannot be read now may be readable when the store was opened anew. */
  const patiently = <A, E extends Error>(read: Effect.Effect<A, E>): Effect.Effect<A> =>
    read.pipe(
      Effect.tapError((error) => Effect.logWarning(`replies wait: ${error.message}`)),
      Effect.retry(Schedule.spaced(1_000)),
      Effect.orDie
    )

  /** The final payload of the warrant of an entry: in the entry, or in the one that decided it. */
  const payloadFor = Effect.fnUntraced(function*(entry: Entry, id: string) {
    if (entry.kind === "action.decided") return yield* options.payloadOf(entry.warrant)
    // Somebody may have put other arguments in place since: those that this entry is about count.
    const digest = "digest" in entry ? entry.digest : undefined
    let warrant: Warrant | undefined
    for (const { entry: about } of yield* journal.about(id)) {
      if (about.kind === "action.decided") warrant ??= about.warrant
      if (about.kind === "warrant.edited" && about.digest === digest && warrant !== undefined) warrant = { ...warrant, payloadArtifact: about.payloadArtifact }
    }
    return warrant === undefined ? undefined : yield* options.payloadOf(warrant)
  })

  const payloads = (entries: ReadonlyArray<Told>): Effect.Effect<ReadonlyMap<Cursor, unknown>> =>
    Effect.map(
      Effect.forEach(entries, ({ cursor: at, entry }) => {
        const id = isWhole(entry) ? undefined : warrantIn(entry)
        return id === undefined ? Effect.succeed([at, undefined] as const) : Effect.map(payloadFor(entry, id), (payload) => [at, payload] as const)
      }, { concurrency: "unbounded" }),
      (all) => new Map(all)
    ).pipe(Effect.orDie)

  /** Lets the projector wait for something. It cannot go on when that fails. */
  const occupy = <A>(work: Effect.Effect<A>, then: (value: A) => void): void => {
    isBusy = true
    const fiber = Effect.runFork(work)
    working = fiber
    fiber.addObserver((exit) => {
      if (working === fiber) working = undefined
      isBusy = false
      if (hasEnded) return
      if (Exit.isFailure(exit)) {
        hasEnded = true
        if (!Cause.hasInterruptsOnly(exit.cause)) Effect.runFork(Effect.logError("replies cannot go on until the kernel is started again", exit.cause))
        return
      }
      then(exit.value)
    })
  }

  const project = (entries: ReadonlyArray<Told>, finals: ReadonlyMap<Cursor, unknown> | undefined): void => {
    for (const { cursor: at, entry } of entries) {
      for (const told of projected(entry, finalOf(entry)?.payload ?? finals?.get(at))) lanes.get(told.channel)?.add(at, told)
    }
    const reached = entries[entries.length - 1]!.cursor
    const filled = Array.from(lanes.values()).filter((lane) => !lane.isEmpty())
    let left = filled.length
    const flushed = (): void => {
      if (--left > 0) return
      advance(reached)
    }
    isBusy = true
    if (filled.length === 0) return advance(reached)
    // Each goes to a channel of its own, and all of them into one commit.
    for (const lane of filled) {
      Effect.runFork(lane.flush).addObserver((exit) => {
        if (Exit.isSuccess(exit)) flushed()
        else occupy(Effect.failCause(exit.cause) as Effect.Effect<never>, () => undefined)
      })
    }
  }

  const advance = (reached: Cursor): void => {
    isBusy = false
    cursor = reached
    if (dropping.length > 0) {
      for (const warning of dropping) Effect.runFork(Effect.logWarning(warning))
      dropping = []
    }
    const reachedBy = waiters.filter((waiter) => waiter.cursor <= cursor)
    if (reachedBy.length > 0) waiters = waiters.filter((waiter) => waiter.cursor > cursor)
    for (const { done } of reachedBy) done()
    if (cursor - saved >= cursorEvery) Effect.runFork(save)
    work()
  }

  const take = (entries: ReadonlyArray<Told>): void => {
    if (entries.every(({ entry }) => isWhole(entry))) project(entries, undefined)
    else occupy(payloads(entries), (finals) => project(entries, finals))
  }

  const work = (): void => {
    if (isBusy || hasEnded) return
    if (isBehind) {
      if (journal.state().cursor === cursor) {
        isBehind = false
        heard = cursor
        return
      }
      return occupy(patiently(journal.read(cursor, cursorEvery)), (events) => {
        if (events.length === 0) return
        take(events.map((event) => ({ cursor: event.cursor, entry: entryOf(event) })))
      })
    }
    if (ahead.length === 0) return
    const entries = ahead.length <= cursorEvery ? ahead : ahead.slice(0, cursorEvery)
    ahead = entries === ahead ? [] : ahead.slice(cursorEvery)
    take(entries)
  }

  /** Told with the batch that is being appended: up to which entry, and how many lanes have still to say so. */
  let riding: { readonly upTo: Cursor; lanes: number } | undefined

  journal.onAppending((entries, after) => {
    riding = undefined
    // One after another: what is not told yet comes first. What an executor is about to do, or did, is told when that is kept.
    if (isBusy || isBehind || hasEnded || ahead.length > 0 || after !== cursor || after !== heard || entries.length > rideEntriesMax) return []
    if (entries.some(({ entry }) => isOfWarrant(entry))) return []
    for (const { cursor: at, entry } of entries) {
      for (const told of projected(entry, undefined)) lanes.get(told.channel)?.add(at, told, true)
    }
    const filled = Array.from(lanes.values()).filter((lane) => !lane.isEmpty())
    const ride = { upTo: entries[entries.length - 1]!.cursor, lanes: filled.length }
    riding = ride
    return filled.map((lane) => lane.ride(() => void ride.lanes--))
  })

  journal.onCommitted((entries, after) => {
    const ridden = riding
    riding = undefined
    if (ridden !== undefined && ridden.lanes === 0 && ridden.upTo === entries[entries.length - 1]!.cursor && after === heard && !isBusy && !isBehind) {
      heard = ridden.upTo
      return advance(heard)
    }
    if (!isBehind) {
      for (const one of entries) ahead.push(one)
      // What somebody else has written between was not told.
      if (after !== heard || ahead.length > projectionsAheadMax) {
        ahead = []
        isBehind = true
      }
      heard = entries[entries.length - 1]!.cursor
    }
    work()
  })

  const save = Effect.suspend(() => {
    if (saved === cursor) return Effect.void
    saved = cursor
    return Effect.ignore(store.advance(kernelSystem, "projections", wellKnown.journal, cursor))
  })

  yield* Effect.addFinalizer(() => Effect.andThen(Effect.suspend(() => {
    hasEnded = true
    return working === undefined ? Effect.void : Fiber.interrupt(working)
  }), save))
  occupy(patiently(Effect.forEach(lanes.values(), (lane) => lane.restore, { discard: true })), work)

  const whenReached: Projections["whenReached"] = (target, done) => {
    if (cursor >= target) return done()
    waiters.push({ cursor: target, done })
  }
  const reached = (target: Cursor): Effect.Effect<void> =>
    Effect.suspend(() => (cursor >= target ? Effect.void : Effect.callback<void>((resume) => whenReached(target, () => resume(Effect.void)))))

  return { whenReached, reached, save, caughtUp: Effect.suspend(() => reached(journal.state().cursor)) }
})
