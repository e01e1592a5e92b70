// One run of the coordinator: its desk, and how far its channels have come.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { coordination, type AppendError, type Cursor, type Draft, type Port, type ReadError, type SystemId, type WrongDelivery } from "aaax"
import { appendSurely, batchesOf } from "./append.ts"
import { Desk, type Weighed } from "./desk.ts"
import { keepChats } from "./fold.ts"
import { load, scopesToSay, type Loaded } from "./load.ts"
import { settle, takeOver, type State } from "./state.ts"
import { folderIn } from "./under-way.ts"

export type Failure = AppendError | ReadError | WrongDelivery

/** Unreadable entries that are named one by one. */
const namedMax = 20

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
  /** Entries that could not be read. */
  unreadable: ReadonlyArray<string>
  /** Scopes that were said to be live or ended since those that ended were forgotten. */
  scopesSaid = 0
  docked: ReadonlySet<SystemId> = new Set()
  isDraining = false
  /** The kernel says what it is doing. */
  isToldOfCalls = false

  /** `chats`: messages that are kept at most. */
  constructor(port: Port, scope: Scope.Scope, loaded: Loaded, chats: number) {
    keepChats(loaded.state, chats)
    this.port = port
    this.scope = scope
    this.desk = new Desk(loaded.state)
    this.ledger = loaded.ledger
    this.talk = loaded.talk
    this.marks = [{ message: 0, cursor: loaded.talkFrom }]
    this.behind = loaded.behind
    this.unreadable = loaded.unreadable
  }

  get state(): State {
    return this.desk.state
  }

  /** What is in the log counts again, and what is in memory alone goes on. */
  reopen(loaded: Loaded): void {
    keepChats(loaded.state, this.state.chatsMax)
    takeOver(this.state, loaded.state)
    const { now } = this.desk
    this.desk = new Desk(loaded.state)
    this.desk.now = now
    this.ledger = loaded.ledger
    this.talk = loaded.talk
    this.marks = [{ message: 0, cursor: loaded.talkFrom }]
    this.behind = loaded.behind
  }
}

/** Where claims are that name no worktree: the kernel says it before this begins. */
const folderOf = (port: Port): Effect.Effect<string, Failure> => Effect.map(port.read(coordination.underWay, { limit: 10 }), ({ events }) => folderIn(events))

/** Reads the log, says what of it cannot be read, and sets right what is said of live scopes. */
export const open = (port: Port): Effect.Effect<Loaded, Failure> =>
  Effect.gen(function*() {
    const loaded = yield* load(port)
    settle(loaded.state, yield* folderOf(port))
    for (const where of loaded.unreadable.slice(0, namedMax)) yield* Effect.logError(`an entry of the coordination log cannot be read and is passed over: ${where}`)
    if (loaded.unreadable.length > namedMax) yield* Effect.logError(`${loaded.unreadable.length - namedMax} more entries of the coordination log cannot be read`)
    const scopes = yield* scopesToSay(port, loaded.state)
    for (let at = 0; at < scopes.length; at += 100) yield* appendSurely(port, coordination.epochs, scopes.slice(at, at + 100).map(scopeDraft))
    return loaded
  })

const scopeDraft = (scope: coordination.LiveScope): Draft => ({ kind: "ended" in scope ? "ended" : "scope", subject: scope.task, payload: scope })

/* hot */
export const tell = (life: Life, replies: ReadonlyArray<Weighed>): Effect.Effect<void, Failure> => {
  if (replies.length === 0) return Effect.void
  const batches = batchesOf(replies)
  return batches.length === 1
    ? appendSurely(life.port, coordination.replies, batches[0]!)
    : Effect.forEach(batches, (batch) => appendSurely(life.port, coordination.replies, batch), { discard: true })
}

/** Asks something of itself. When the store takes nothing now, a later beat asks again. */
export const askItself = (port: Port, draft: Draft): Effect.Effect<void, Failure> =>
  Effect.catchTag(Effect.asVoid(port.append(coordination.requests, [draft])), ["StoreUnavailable", "AppendUnknown", "Overloaded"], () => Effect.void)
