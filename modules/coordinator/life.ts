// One run of the coordinator: its desk, and how far its channels have come.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { coordination, type AppendError, type Cursor, type Draft, type Port, type ReadError, type SystemId, type WrongDelivery } from "aaax"
import { appendSurely, batchesOf } from "./append.ts"
import { Desk, type Weighed } from "./desk.ts"
import { load, scopesSaid, type Loaded, type Place } from "./load.ts"
import { ledgerDamaged } from "./refusal.ts"
import { letGoOf, Spent } from "./spent.ts"
import { takeOver, type State } from "./state.ts"
import { folderIn } from "./under-way.ts"

export type Failure = AppendError | ReadError | WrongDelivery

/** Unreadable entries that are named one by one. */
const namedMax = 20

/** Messages, and entries for those who look back, that are kept at most; and whether it works in no folder. */
export interface Kept {
  readonly chats: number
  readonly past: number
  readonly anywhere?: boolean
}

export class Life {
  readonly port: Port
  readonly scope: Scope.Scope
  readonly busy = Semaphore.makeUnsafe(1)
  desk: Desk
  ledger: Cursor
  talk: Cursor
  /** Cursors of the talk and the first message behind each, so that the place of the oldest that is kept is known. */
  marks: Array<{ readonly message: number; readonly cursor: Cursor }>
  /** Entries behind the newest whole state. */
  behind: number
  /** The newest whole state, which its position tells of. */
  place: Place | undefined
  /** Entries that could not be read: how many, and where they lie. */
  unread: number
  unreadable: ReadonlyArray<string>
  /** Entries that stay for those who look back. */
  readonly past: number
  /** Scopes that were said to be live or ended since those that ended were forgotten. */
  scopesSaid: number
  /** Requests that were said to stay or to have ended since those that ended were forgotten. */
  waitsSaid = 0
  /** What stays is to be asked once more, before anything else is. */
  isToResume = false
  docked: ReadonlySet<SystemId> = new Set()
  isDraining = false
  /** Of what was asked, and of what was answered. */
  readonly asked = new Spent()
  readonly answers = new Spent()
  /** The kernel says what it is doing. */
  isToldOfCalls = false

  constructor(port: Port, scope: Scope.Scope, loaded: Loaded, past: number) {
    this.past = past
    this.scopesSaid = loaded.scopes
    this.port = port
    this.scope = scope
    this.desk = new Desk(loaded.state)
    this.ledger = loaded.ledger
    this.talk = loaded.talk
    this.marks = [{ message: loaded.talkMessage, cursor: loaded.talkFrom }]
    this.behind = loaded.behind
    this.place = loaded.place
    this.unread = loaded.unread
    this.unreadable = loaded.unreadable
  }

  get state(): State {
    return this.desk.state
  }

  /** What is in the log counts again, and what is in memory alone goes on. */
  reopen(loaded: Loaded): void {
    takeOver(this.state, loaded.state)
    const { now } = this.desk
    this.desk = new Desk(loaded.state)
    this.desk.now = now
    this.ledger = loaded.ledger
    this.talk = loaded.talk
    this.marks = [{ message: loaded.talkMessage, cursor: loaded.talkFrom }]
    this.behind = loaded.behind
    this.place = loaded.place
    this.unread = loaded.unread
    this.unreadable = loaded.unreadable
  }

  /** Whether a loss has just been accepted: then the whole state is to be written down. */
  isMended(): boolean {
    if (!this.desk.isMended) return false
    this.desk.isMended = false
    this.unread = 0
    this.unreadable = []
    return true
  }
}

/** Where claims are that name no worktree: the kernel says it before this begins. */
export const folderOf = (port: Port): Effect.Effect<string, Failure> => Effect.map(port.read(coordination.underWay, { limit: 10 }), ({ events }) => folderIn(events))

/** Reads the log, says what of it cannot be read, and sets right what is said of live scopes. */
export const open = (port: Port, chats: number): Effect.Effect<Loaded, Failure> =>
  Effect.gen(function*() {
    const loaded = yield* load(port, chats)
    for (const where of loaded.unreadable.slice(0, namedMax)) yield* Effect.logError(`an entry of the coordination log cannot be read and is passed over: ${where}`)
    if (loaded.unreadable.length > namedMax) yield* Effect.logError(`${loaded.unreadable.length - namedMax} more entries of the coordination log cannot be read`)
    const { state } = loaded
    const { doubtful, epoch, wrong } = yield* scopesSaid(port, state)
    // What was granted in an entry that cannot be read is not granted again.
    state.epoch = Math.max(state.epoch, epoch)
    if (state.losses !== undefined) {
      state.losses = { ...state.losses, scopes: doubtful }
      yield* Effect.logError(`${ledgerDamaged(state.losses).message}`)
    }
    for (let at = 0; at < wrong.length; at += 100) yield* appendSurely(port, coordination.epochs, wrong.slice(at, at + 100).map(scopeDraft))
    return loaded
  })

export const scopeDraft = (scope: coordination.LiveScope): Draft => ({ kind: "ended" in scope ? "ended" : "scope", subject: scope.task, payload: scope })

/* hot */
export const tell = (life: Life, replies: ReadonlyArray<Weighed>): Effect.Effect<void, Failure> => {
  if (replies.length === 0) return Effect.void
  const batches = batchesOf(replies)
  const told = batches.length === 1
    ? appendSurely(life.port, coordination.replies, batches[0]!)
    : Effect.forEach(batches, (batch) => appendSurely(life.port, coordination.replies, batch), { discard: true })
  let text = 0
  for (const { weight } of replies) text += weight
  const newest = life.answers.add(replies.length, text, life.desk.now)
  return newest === undefined ? told : Effect.andThen(told, letGoOf(life.port, coordination.replies, newest))
}

/** Asks something of itself. When the store takes nothing now, a later beat asks again. */
export const askItself = (port: Port, draft: Draft): Effect.Effect<void, Failure> =>
  Effect.catchTag(Effect.asVoid(port.append(coordination.requests, [draft])), ["StoreUnavailable", "AppendUnknown", "Overloaded"], () => Effect.void)
