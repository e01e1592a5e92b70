// What is taken of one channel: takes, leases, settlements, removals. Everything that one turn brings is written down as
// one record of the companion channel, and only then handed out or confirmed:
//
//   take     the attempt is recorded before the item is handed out, so that an item that kills the process is counted
//   ack      the end is recorded before the call succeeds
//   dead     the dead letter is kept, then the end is recorded
//   nack     needs no record: what is not settled is handed out again
//
// Leases are memory. Losing them in a crash is a redelivery, never a loss.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"
import { LeaseLost, StoreUnavailable } from "../../protocol/errors.ts"
import type { Cursor, SystemId } from "../../protocol/names.ts"
import type { Settlement, Taken } from "../../protocol/subscription.ts"
import { deadLetterRetryMillis, nackDelayMillisMax, takeItemsMax } from "../limits.ts"
import { makeItems, type Item, type Items } from "./items.ts"
import { makeLeases } from "./lease.ts"
import { makeLine } from "./line.ts"
import { makePending, run, type Pending, type ReadFailure } from "./pending.ts"
import type { ItemStatus, Queue, QueueOptions, TakeFailure } from "./queue-calls.ts"
import { makeRecorder, type WriteFailure } from "./recorder.ts"
import { nothingPlanned, plan, type Plan, type Removal } from "./removal.ts"
import { makeReturned } from "./returned.ts"
import { floorOf, withAttempts } from "./settlement.ts"
import { Settler, TakenItem, Taker as AnyTaker } from "./taker.ts"

type Taker = AnyTaker<TakeFailure>
/** A call by which leases end. */
type Ending = Settler | Taker

interface Turn {
  readonly takers: ReadonlyArray<Taker>
  readonly endings: ReadonlyArray<Ending>
  /** Items that had all their attempts, or that are not in the log any more. */
  readonly spent: ReadonlyArray<Item>
  readonly plan: Plan
  /** Items that would have been spent, had the plan not removed them. */
  readonly dropped: ReadonlyArray<Item>
}

const closed = new StoreUnavailable({ reason: "the channel was closed" })
const none: ReadonlyArray<never> = []
const nothing: Effect.Effect<ReadonlyArray<Taken>> = Effect.succeed([])
const byCursor = (a: Item, b: Item): number => a.cursor - b.cursor
/** So many turns in a row run before other work of the event loop gets its chance. */
const turnsInARow = 16

export const makeQueue = (options: QueueOptions): Queue => {
  const { store, clock, channel } = options
  const name = channel().name
  const recorder = makeRecorder({
    store, channel,
    letters: options.letters,
    everything: () => {
      const read = items.everything()
      const unread = pending?.beyond() ?? { runs: [], taken: [] }
      const floor = store.statisticsOf(name)?.floor ?? 0
      for (const cursor of removed) if (cursor <= floor) removed.delete(cursor)
      return { runs: [...read.runs, ...unread.runs], taken: [...read.taken, ...unread.taken], removed: [...removed] }
    }
  })
  const leases = makeLeases<Item>()
  const restoring = Semaphore.makeUnsafe(1)
  const returned = makeReturned({
    storedAt: recorder.storedAt,
    onRead: () => schedule(),
    onGone: (item) => {
      if (item.ending !== undefined) return
      item.reason = "it is not in the log any more"
      item.isOut = true
      spent.push(item)
    }
  })
  const takers = makeLine<Taker>()
  /** Of the takers, those that do not wait. */
  let impatient = 0
  let items: Items = makeItems(0)
  let pending: Pending | undefined
  let endings: Array<Ending> = []
  let removals: Array<Removal> = []
  let removed = new Set<Cursor>()
  let spent: Array<Item> = []
  let current: Turn | undefined
  let failure: Exit.Exit<never, ReadFailure> | undefined
  let lostFirst: LeaseLost | undefined
  let isScheduled = false
  let isClosed = false
  let turns = 0
  let retryAt = Infinity
  let timerAt = Infinity
  let cancelTimer: (() => void) | undefined

  const schedule = (): void => {
    if (isScheduled || isClosed || current !== undefined) return
    isScheduled = true
    if (++turns % turnsInARow === 0) setImmediate(turn)
    else queueMicrotask(turn)
  }

  const arm = (): void => {
    const at = Math.min(leases.nextExpiry(), returned.nextDue(), retryAt)
    if (at >= timerAt || isClosed) return
    cancelTimer?.()
    timerAt = at
    cancelTimer = options.timer(Math.max(1, at - clock.now()), () => {
      timerAt = Infinity
      cancelTimer = undefined
      schedule()
    })
  }

  /** The lease of an item ended without a settlement: it is handed out again, or it has had all its attempts. */
  const giveBack = (item: Item, dueAt: number): void => {
    item.stored = undefined
    if (item.attempts >= channel().attemptsMax) spent.push(item)
    else {
      item.isOut = false
      returned.add(item, dueAt)
      options.onSettled()
    }
    if (takers.size() > 0 || spent.length > 0) schedule()
  }

  const expire = (now: number): void => {
    for (const item of leases.expire(now)) {
      item.reason = `the lease of ${item.holder} ended`
      giveBack(item, 0)
    }
    returned.release(now)
  }

  /** What came back goes first: it is older than what was never handed out. */
  const next = (): Item | undefined => returned.next() ?? (returned.isBusy() ? undefined : pending?.next())

  const leave = (taker: Taker): void => {
    if (!takers.leave(taker)) return
    if (!taker.wait) impatient--
  }

  /** Sets items aside for those who wait, first come first served. */
  const serve = (): ReadonlyArray<Taker> => {
    const served: Array<Taker> = []
    takers.along((taker) => {
      if (failure !== undefined) return false
      while (taker.items.length < taker.limit) {
        const item = next()
        if (item === undefined) break
        item.attempts++
        item.isOut = true
        if (taker.items.length === 0) taker.items = [item]
        else (taker.items as Array<Item>).push(item) // the list that was made for it
      }
      if (taker.items.length === 0) {
        // What comes next is for the first one who waits; those behind that do not wait must not hang on it.
        if (returned.isBusy() || pending?.isBusy() === true || impatient === 0) return false
        if (taker.wait) return true
      }
      leave(taker)
      served.push(taker)
      return true
    })
    return served
  }

  const answer = (taker: Taker, effect: Effect.Effect<ReadonlyArray<Taken>, TakeFailure>): void => {
    if (taker.ends.length > 0) taker.answer = effect
    else taker.resume(effect)
  }

  /* hot */
  const handOut = (taker: Taker, now: number): void => {
    if (taker.isGone) {
      for (const item of taker.items) giveBack(item, 0)
      return answer(taker, nothing)
    }
    const expiresAt = now + channel().leaseMillis
    const { items: aside } = taker
    if (aside.length === 1) return answer(taker, Effect.succeed([lease(aside[0]!, taker.holder, expiresAt)]))
    answer(taker, Effect.succeed(aside.map((item) => lease(item, taker.holder, expiresAt))))
  }

  const lease = (item: Item, holder: SystemId, expiresAt: number): Taken => {
    const epoch = options.nextEpoch()
    // An item is set aside only with what is stored of it, and keeps it until here.
    const taken = new TakenItem(item.stored!, epoch, item.attempts, expiresAt)
    item.stored = undefined
    leases.grant(item, holder, epoch, expiresAt)
    return taken
  }

  const turn = (): void => {
    isScheduled = false
    if (isClosed || current !== undefined) return
    const now = clock.now()
    expire(now)
    const planned = pending === undefined ? nothingPlanned : plan(removals, { items, leases, pending, removed })
    // What is handed out and what is removed must not cross: takers get the next turn.
    const served = planned === nothingPlanned ? serve() : []
    const recorded: Array<Taker> = []
    const unrecorded: Array<Taker> = []
    const disappointed: Array<Taker> = []
    for (const taker of served) (taker.items.length === 0 ? disappointed : taker.unrecorded ? unrecorded : recorded).push(taker)
    const failed = failure
    // Chosen before anybody is resumed: who is told of a failure may take again at once.
    if (failed !== undefined) {
      takers.along((taker) => {
        leave(taker)
        return disappointed.push(taker) > 0
      })
    }
    // When the only taker got what was there before the failure, the next one is told.
    if (disappointed.length > 0) failure = undefined
    if (now >= retryAt) retryAt = Infinity
    const dropped = planned === nothingPlanned ? none : spent.filter((item) => item.ending !== undefined)
    if (dropped.length > 0) spent = spent.filter((item) => item.ending === undefined)
    const due = retryAt === Infinity ? spent : []
    if (recorded.length > 0 || endings.length > 0 || due.length > 0 || planned !== nothingPlanned) {
      current = { takers: recorded, endings, spent: due, plan: planned, dropped }
      endings = []
      removals = []
      if (due === spent) spent = []
      write(current)
    }
    for (const taker of unrecorded) handOut(taker, now)
    for (const taker of disappointed) answer(taker, failed ?? nothing)
    arm()
  }

  const write = (turn: Turn): void => {
    const ending: Array<Item> = []
    for (const { ends } of turn.endings) for (const item of ends) ending.push(item)
    for (const item of turn.spent) {
      item.ending = "dead"
      ending.push(item)
    }
    for (const item of turn.plan.items) ending.push(item)
    ending.sort(byCursor)
    let taken = ""
    for (const taker of turn.takers) for (const item of taker.items) taken = withAttempts(taken, item.cursor, item.attempts)
    const { cursors } = turn.plan
    const runs = turn.plan.runs.length === 0 ? items.runsOf(ending) : [...items.runsOf(ending), ...turn.plan.runs]
    const isNew = runs.length > 0 || taken !== "" || cursors.length > 0
    run(isNew ? recorder.write(ending, runs, taken, cursors) : Effect.void, (exit: Exit.Exit<void, WriteFailure>) => {
      current = undefined
      if (exit._tag === "Success") conclude(turn, ending)
      else revoke(turn, Exit.failCause(exit.cause))
      if (takers.size() > 0 || endings.length > 0 || removals.length > 0 || (spent.length > 0 && retryAt === Infinity)) schedule()
      arm()
    })
  }

  const conclude = (turn: Turn, ending: ReadonlyArray<Item>): void => {
    for (const item of ending) items.settle(item)
    if (turn.plan !== nothingPlanned) {
      for (const cursor of turn.plan.cursors) removed.add(cursor)
      pending?.drop(turn.plan.cursors, turn.plan.floor)
    }
    if (ending.length > 0) options.onSettled()
    const now = clock.now()
    for (const request of turn.endings) ended(request, undefined)
    for (const taker of turn.takers) handOut(taker, now)
    for (const answer of turn.plan.answers) answer()
  }

  /** Nothing of a turn could be written down: everything is as it was before. */
  const revoke = (turn: Turn, failed: Exit.Exit<never, WriteFailure>): void => {
    for (const request of turn.endings) {
      for (const item of request.ends) {
        item.ending = undefined
        leases.restore(item)
      }
      ended(request, failed)
    }
    for (const item of turn.spent) {
      item.ending = undefined
      spent.push(item)
      retryAt = clock.now() + deadLetterRetryMillis
    }
    for (const item of turn.plan.items) item.ending = undefined
    for (const item of turn.plan.held) leases.restore(item)
    spent.push(...turn.dropped)
    for (const taker of turn.takers) {
      for (const item of taker.items) {
        item.attempts--
        item.isOut = false
        returned.add(item, 0)
      }
      taker.resume(failed)
    }
    for (const refuse of turn.plan.refusals) refuse(failed)
    options.onSettled()
  }

  const restore: Queue["restore"] = restoring.withPermit(Effect.gen(function*() {
    if (pending !== undefined) return
    const settled = yield* recorder.read
    items = makeItems(floorOf(settled))
    removed = new Set(settled.removed)
    pending = makePending({
      store, channel: name, items, settled,
      attemptsMax: () => channel().attemptsMax,
      onSpent: (item) => {
        item.reason = "it was handed out before and never settled"
        item.isOut = true
        spent.push(item)
      },
      onPage: schedule,
      onFailure: (exit) => (failure = exit)
    })
  }))

  /* hot */
  const beginTake: Queue["beginTake"] = (holder, { limit = 1, wait, unrecorded, settle: settlements }, resume) => {
    if (isClosed) return void resume(Effect.fail(closed))
    let ends: ReadonlyArray<Item> = none
    if (settlements !== undefined && settlements.length > 0) {
      ends = end(holder, settlements)
      if (lostFirst !== undefined) return void finish(ends, nothing, resume)
    }
    if (wait !== true && ends.length === 0 && takers.size() === 0 && isIdle()) return void resume(nothing)
    const taker: Taker = new AnyTaker(
      holder, Math.min(Math.max(1, Math.floor(limit) || 1), takeItemsMax), wait === true, unrecorded === true, ends, resume
    )
    takers.add(taker)
    if (wait !== true) impatient++
    if (ends.length > 0) endings.push(taker)
    schedule()
    return () => {
      taker.isGone = true
      leave(taker)
    }
  }

  /** What a call ends is written down, or could not be. */
  const ended = (by: Ending, failed: Exit.Exit<never, WriteFailure> | undefined): void => {
    if (by instanceof Settler) return by.onExit(failed)
    by.ends = none
    if (failed !== undefined) {
      leave(by)
      by.resume(failed)
    } else if (by.answer !== undefined) by.resume(by.answer)
  }

  const take: Queue["take"] = (holder, takeOptions) =>
    Effect.callback((resume) => {
      const cancel = beginTake(holder, takeOptions, resume)
      return cancel === undefined ? undefined : Effect.sync(cancel)
    })

  /** There is nothing to hand out now. */
  const isIdle = (): boolean => {
    expire(clock.now())
    return returned.isEmpty() && failure === undefined && pending?.isEmpty() === true
  }

  const lost = (cursor: Cursor, epoch: number): LeaseLost =>
    new LeaseLost({ channel: name, cursor, epoch, newestEpoch: leases.newestEpoch(cursor) })

  /* hot */
  /** Ends leases: answers what is to be written down; `lostFirst` is the first lease that its holder does not hold. */
  const end = (holder: SystemId, settlements: ReadonlyArray<Settlement>): ReadonlyArray<Item> => {
    const now = clock.now()
    expire(now)
    let ending: ReadonlyArray<Item> = none
    lostFirst = undefined
    for (let at = 0; at < settlements.length; at++) {
      const { cursor, epoch, outcome, reason, delayMillis = 0 } = settlements[at]!
      const item = leases.find(cursor, holder, epoch)
      if (item === undefined) {
        lostFirst ??= lost(cursor, epoch)
        continue
      }
      leases.end(item)
      if (reason !== undefined) item.reason = reason
      if (outcome === "ack" || outcome === "dead") {
        item.ending = outcome
        if (ending.length === 0) ending = [item]
        else (ending as Array<Item>).push(item) // the list that was made here
      } else giveBack(item, delayMillis > 0 ? now + Math.min(delayMillis, nackDelayMillisMax) : 0)
    }
    return ending
  }

  /** Succeeds, or fails with the lease that was lost, when everything else is written down. */
  const finish = <A>(
    ends: ReadonlyArray<Item>, done: Effect.Effect<A>, resume: (effect: Effect.Effect<A, LeaseLost | WriteFailure>) => void
  ): void => {
    const answer: Effect.Effect<A, LeaseLost> = lostFirst === undefined ? done : Effect.fail(lostFirst)
    if (ends.length === 0) return resume(answer)
    endings.push(new Settler(ends, (failed) => resume(failed ?? answer)))
    schedule()
  }

  const beginSettle: Queue["beginSettle"] = (holder, settlements, resume) =>
    isClosed ? resume(Effect.fail(closed)) : finish(end(holder, settlements), Effect.void, resume)

  const statusOf = (cursor: Cursor): ItemStatus => {
    if (cursor <= items.floor()) return "settled"
    const item = items.find(cursor)
    if (item !== undefined) return item.isOut ? "held" : "open"
    return pending?.isSettled(cursor) === false ? "open" : "settled"
  }

  return {
    take: (holder, takeOptions) =>
      pending === undefined ? Effect.flatMap(restore, () => take(holder, takeOptions)) : take(holder, takeOptions),
    beginTake,
    beginSettle,
    settle: (holder, settlements) => Effect.callback((resume) => beginSettle(holder, read(settlements), resume)),
    renew: (holder, cursor, epoch) => {
      const now = clock.now()
      expire(now)
      const item = leases.find(cursor, holder, epoch)
      if (item === undefined) return Effect.fail(lost(cursor, epoch))
      leases.renew(item, now + channel().leaseMillis)
      return Effect.succeed(item.expiresAt)
    },
    release: (holder) => {
      for (const item of leases.heldBy(holder)) {
        leases.end(item)
        item.reason = `${holder} gave it back`
        giveBack(item, 0)
      }
      for (const taker of current?.takers ?? []) if (taker.holder === holder) taker.isGone = true
    },
    dismiss: (holder, failure) => {
      const dismissOne = (taker: Taker): boolean => {
        if (taker.holder !== holder) return true
        taker.isGone = true
        leave(taker)
        taker.resume(failure)
        return true
      }
      takers.along(dismissOne)
      for (const taker of current?.takers ?? none) dismissOne(taker)
    },
    backlog: Effect.catch(
      Effect.andThen(restore, Effect.suspend(() =>
        Effect.map(pending === undefined ? Effect.succeed(0) : pending.count, (unread) => items.size() + unread))),
      // A log that cannot be counted has at most what it keeps; who takes is told what is wrong with it.
      () => Effect.succeed(store.statisticsOf(name)?.events ?? 0)
    ),
    settledFloor: () => items.floor(),
    isRestored: () => pending !== undefined,
    statuses: () => {
      expire(clock.now())
      return statusOf
    },
    removed: () => removed,
    remove: (cursors, floor) =>
      Effect.andThen(restore, Effect.callback<number, WriteFailure>((resume) => {
        if (isClosed) return resume(Effect.fail(closed))
        removals.push({ cursors, floor, resume })
        schedule()
      })),
    restore,
    bury: (upTo, reason) => {
      let buried = 0
      while (buried < takeItemsMax && failure === undefined) {
        const item = next()
        if (item === undefined) break
        if (item.cursor > upTo) {
          returned.add(item, 0)
          break
        }
        item.isOut = true
        item.reason = reason
        spent.push(item)
        buried++
      }
      if (buried > 0) schedule()
      return buried
    },
    isAwaited: () => takers.size() > 0,
    onHead: () => {
      if (takers.size() > 0) schedule()
    },
    close: (reason) => {
      isClosed = true
      cancelTimer?.()
      // Nothing of them was written: the items will be handed out again by whoever has the log next.
      for (const request of endings) ended(request, Exit.fail(closed))
      endings = []
      for (const removal of removals) removal.resume(Effect.fail(closed))
      removals = []
      if (reason === undefined) return
      const left: Array<Taker> = []
      takers.along((taker) => {
        leave(taker)
        return left.push(taker) > 0
      })
      for (const taker of left) taker.resume(Effect.fail(reason))
    }
  }
}

/** Settlements as plain data, read before anything is changed: a getter of the caller may throw. */
const read = (settlements: ReadonlyArray<Settlement>): ReadonlyArray<Settlement> =>
  settlements.map(({ cursor, epoch, outcome, reason, delayMillis }) => ({
    cursor, epoch, outcome,
    ...(typeof reason === "string" ? { reason } : {}),
    delayMillis: typeof delayMillis === "number" ? delayMillis : 0
  }))
