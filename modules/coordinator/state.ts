// The state of coordination: what is folded from the ledger and the talk, and beside it who is here and who waits, which
// end with the process.
import { scope, type coordination, type SystemId } from "aaax"
import { Timers } from "./heap.ts"
import { chatsMax } from "./limits.ts"
import { Waits } from "./waiting.ts"

type Claim = coordination.Claim

/** One who waits for a task: to be told (`parked` is absent), or to be given the claim that it asked for. */
export interface Waiter {
  /** Grows: who came first is served first. */
  readonly order: number
  readonly seat: string
  readonly system: SystemId
  /** The task that it stands in line for: what it asked for, or what is in its way. */
  task: string
  /** The event of the request of one who is to be told. */
  readonly request?: string
  readonly parked?: { readonly request: string; readonly ask: ClaimAsk; readonly applied?: coordination.Applied }
  /** It went on to other work: it is told all the same, but nobody waits for it because of this. */
  isIdle: boolean
}

export type ClaimAsk = Extract<coordination.Ask, { readonly verb: "claim" }>

/** A seat that was here. */
export interface Seat {
  readonly seat: string
  system: SystemId
  online: boolean
  lastSeen: number
  /** When it last asked something, or somebody received for it. */
  attentiveAt: number
  /** It was told that it is silent. */
  isTold: boolean
  beatsMissed: number
  /** The seat that it waits for messages of. */
  receives: string | undefined
  /** Tasks in whose line it stands. */
  readonly waits: Set<Waiter>
}

/** A request that stays until a message comes. */
export interface Parked {
  readonly id: string
  readonly system: SystemId
  readonly limit: number
  readonly peek: boolean
}

/** What a seat was sent, oldest first, and how far it has been handed out. */
export interface Mailbox {
  mark: number
  readonly messages: Array<number>
}

/** What was done for a request with a key, as it was written down. */
export interface Kept {
  readonly applied: coordination.Applied
  readonly at: number
  readonly kind: string
  readonly payload: unknown
}

/** Entries of the ledger that cannot be read, so that what they granted is not known. */
export interface Losses {
  readonly entries: number
  readonly places: ReadonlyArray<coordination.LostEntries>
  /** Live scopes that were said of claims which the ledger has nothing of: whose they may have been. */
  readonly scopes: ReadonlyArray<coordination.LiveScope>
}

export interface State {
  // From the ledger.
  readonly claims: Map<string, Claim>
  readonly scopes: scope.ScopeIndex<string>
  readonly held: Map<SystemId, Set<string>>
  readonly checkpoints: Map<string, string>
  readonly plan: Map<string, coordination.PlanTask>
  /** By seat, verb and key; the one that was used last is the last. */
  readonly keys: Map<string, Kept>
  /** What the latest requests were answered, in case one comes again. */
  readonly answered: Map<string, { readonly kind: string; readonly payload: unknown }>
  epoch: number
  /** As long as it is there, neither claims nor the plan are changed. */
  losses: Losses | undefined
  // From the talk.
  readonly chats: Map<number, coordination.Chat>
  /** Messages that are kept at most. */
  chatsMax: number
  chatsText: number
  message: number
  readonly deliveries: Map<number, Map<string, coordination.Delivery>>
  readonly mailboxes: Map<string, Mailbox>
  readonly deadLetters: Map<number, coordination.Receipt>
  readonly notes: Array<coordination.Note>
  readonly offers: Map<string, coordination.Offer>
  // Of this process.
  readonly cards: Map<string, coordination.Card>
  readonly seats: Map<string, Seat>
  readonly lines: Map<string, Array<Waiter>>
  readonly inboxes: Map<string, Array<Parked>>
  /** Files that are being changed right now: see `under-way.ts`. */
  underWay: coordination.UnderWay
  /** Where claims are that name no worktree; "": nobody knows. */
  folder: string
  order: number
  /** Requests that stay. */
  waiting: Waits
  readonly timers: Timers
}

/** `most`: messages that are kept at most. */
export const makeState = (most = chatsMax): State => ({
  claims: new Map(), scopes: scope.makeScopeIndex(), held: new Map(), checkpoints: new Map(), plan: new Map(), keys: new Map(), answered: new Map(), epoch: 0, losses: undefined,
  chats: new Map(), chatsMax: most, chatsText: 0, message: 0, deliveries: new Map(), mailboxes: new Map(), deadLetters: new Map(), notes: [], offers: new Map(),
  cards: new Map(), seats: new Map(), lines: new Map(), inboxes: new Map(), underWay: { calls: [] }, folder: "", order: 0, waiting: new Waits(), timers: new Timers()
})

/** From now on a claim that names no worktree is of this folder. */
export const settle = (state: State, folder: string): void => {
  state.folder = folder
  state.scopes.settle(folder)
}

/** What of a state is not in the log goes on in one that was read again. */
export const takeOver = (from: State, to: State): void => {
  for (const [seat, one] of from.seats) {
    one.waits.clear()
    to.seats.set(seat, one)
  }
  for (const [seat, card] of from.cards) to.cards.set(seat, card)
  settle(to, from.folder)
  to.underWay = from.underWay
  to.order = from.order
  to.waiting = from.waiting
  to.waiting.undo()
}
