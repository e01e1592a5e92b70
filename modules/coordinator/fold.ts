// The fold: what an entry of the ledger or of the talk makes of the state. What is decided goes the same way as what is read
// again at a start, so that both come to the same.
import type { coordination } from "aaax"
import { chatsTextMax, checkpointsMax, deadLettersMax, deadMillis, keyMillis, keysMax, keysMin, notesMax, offerMillis, warningMillisMax } from "./limits.ts"
import type { Kept, Mailbox, State } from "./state.ts"

type Ledger = coordination.LedgerEntries
type Talk = coordination.TalkEntries

export type LedgerEntry = { readonly [K in keyof Ledger]: { readonly kind: K; readonly payload: Ledger[K] } }[keyof Ledger]
export type TalkEntry = { readonly [K in keyof Talk]: { readonly kind: K; readonly payload: Talk[K] } }[keyof Talk]

/** `at`: kernel time of the entry. */
export const stepLedger = (state: State, entry: LedgerEntry, at: number): void => {
  const { kind, payload } = entry
  switch (kind) {
    case "claimed":
      grant(state, payload.claim, at)
      break
    case "handed":
      grant(state, payload.claim, at)
      addNote(state, payload.note)
      break
    case "updated":
    case "checkpointed":
      // Neither scope nor lease moves.
      state.claims.set(payload.claim.task, payload.claim)
      break
    case "released":
      drop(state, payload.task)
      state.checkpoints.delete(payload.task)
      break
    case "expired":
      drop(state, payload.task)
      if (payload.checkpoint !== "") keepNewest(state.checkpoints, payload.task, payload.checkpoint, checkpointsMax)
      break
    case "declared":
    case "planned":
      state.plan.set(payload.task.task, payload.task)
      break
    case "state":
    case "accepted":
      return
  }
  if ("applied" in payload && payload.applied !== undefined) remember(state, { applied: payload.applied, at, kind, payload })
}

export const stepTalk = (state: State, entry: TalkEntry, at: number): void => {
  const { kind, payload } = entry
  switch (kind) {
    case "chat":
      return addChat(state, payload)
    case "acknowledged":
      return acknowledge(state, payload)
    case "progress":
      addNote(state, payload.note)
      break
    case "offered":
      addOffer(state, payload.offer)
      break
  }
  if (payload.applied !== undefined) remember(state, { applied: payload.applied, at, kind, payload })
}

const drop = (state: State, task: string): void => {
  const claim = state.claims.get(task)
  if (claim === undefined) return
  state.claims.delete(task)
  if (claim.mutex !== true) state.scopes.remove(claim.worktree, claim.paths, claim.holder, task)
  const held = state.held.get(claim.holder)
  held?.delete(task)
  if (held?.size === 0) state.held.delete(claim.holder)
}

/** The order of the claims is that of their epochs. */
const grant = (state: State, claim: coordination.Claim, at: number): void => {
  drop(state, claim.task)
  state.claims.set(claim.task, claim)
  state.checkpoints.delete(claim.task)
  if (claim.mutex !== true) state.scopes.add(claim.worktree, claim.paths, claim.holder, claim.task)
  const held = state.held.get(claim.holder)
  if (held === undefined) state.held.set(claim.holder, new Set([claim.task]))
  else held.add(claim.task)
  state.epoch = Math.max(state.epoch, claim.epoch)
  const key = `${claim.epoch}/${claim.task}`
  state.timers.add(claim.expiresAt - Math.min(warningMillisMax, Math.floor((claim.expiresAt - at) / 4)), "warn", key)
  state.timers.add(claim.expiresAt, "lapse", key)
}

const addNote = ({ notes }: State, note: coordination.Note): void => {
  notes.push(note)
  // Many at once, so that it costs each little.
  if (notes.length > notesMax + 500) notes.splice(0, notes.length - notesMax)
}

/** What the notes are: the newest of them. */
export const notesOf = ({ notes }: State): ReadonlyArray<coordination.Note> => notes.slice(-notesMax)

export const offerKey = (offer: { readonly seat: string; readonly kind: string; readonly name: string }): string => `${offer.seat}:${offer.kind}:${offer.name}`

const addOffer = (state: State, offer: coordination.Offer): void => {
  const key = offerKey(offer)
  state.offers.set(key, offer)
  state.timers.add(offer.at + offerMillis + 1, "offer", key)
}

export const mailboxOf = (state: State, seat: string): Mailbox => {
  let mailbox = state.mailboxes.get(seat)
  if (mailbox === undefined) state.mailboxes.set(seat, (mailbox = { mark: 0, messages: [] }))
  return mailbox
}

/** A chat of which the rest is known already. */
export const restoreChat = (state: State, chat: coordination.Chat): void => {
  state.chats.set(chat.message, chat)
  state.chatsText += chat.payload.length
  trim(state)
}

const addChat = (state: State, { chat, to = [] }: Talk["chat"]): void => {
  state.message = Math.max(state.message, chat.message)
  state.chats.set(chat.message, chat)
  state.chatsText += chat.payload.length
  if (to.length > 0) {
    const deliveries = new Map<string, coordination.Delivery>()
    for (const seat of to) {
      deliveries.set(seat, "accepted")
      mailboxOf(state, seat).messages.push(chat.message)
    }
    state.deliveries.set(chat.message, deliveries)
    state.timers.add(chat.at + deadMillis, "dead", String(chat.message))
  }
  trim(state)
}

const trim = (state: State): void => {
  for (const [message, oldest] of state.chats) {
    if (state.chats.size <= state.chatsMax && state.chatsText <= chatsTextMax) break
    forget(state, message, oldest)
  }
}

/** A message is kept no more. That somebody never took it is. */
const forget = (state: State, message: number, chat: coordination.Chat): void => {
  state.chats.delete(message)
  state.chatsText -= chat.payload.length
  const deliveries = state.deliveries.get(message)
  if (deliveries === undefined) return
  state.deliveries.delete(message)
  const dead = [...deliveries].filter(([, delivery]) => delivery === "accepted" || delivery === "dead").map(([seat]) => [seat, "dead"] as const)
  if (dead.length > 0) {
    keepNewest(state.deadLetters, message, { message, from: chat.from, target: chat.target, states: { ...Object.fromEntries(deliveries), ...Object.fromEntries(dead) } }, deadLettersMax)
  }
  for (const seat of deliveries.keys()) {
    const mailbox = state.mailboxes.get(seat)
    if (mailbox === undefined) continue
    // The oldest message is the oldest of every mailbox that it is in.
    if (mailbox.messages[0] === message) mailbox.messages.shift()
    if (mailbox.messages.length === 0 && mailbox.mark === 0 && state.seats.get(seat)?.online !== true) state.mailboxes.delete(seat)
  }
}

const rank: Readonly<Record<coordination.Delivery, number>> = { accepted: 0, dead: 1, delivered: 2, read: 3, handled: 4 }

/** Whether a message that has come so far can come so far. */
export const comesFurther = (from: coordination.Delivery, to: coordination.Delivery): boolean => rank[to] > rank[from]

const acknowledge = (state: State, { mark, message, seat, state: delivery }: Talk["acknowledged"]): void => {
  const mailbox = state.mailboxes.get(seat)
  if (mark === true && mailbox !== undefined) {
    for (const one of mailbox.messages) {
      if (one > message) break
      if (one > mailbox.mark) advance(state, one, seat, delivery)
    }
    mailbox.mark = Math.max(mailbox.mark, message)
  } else advance(state, message, seat, delivery)
}

const advance = (state: State, message: number, seat: string, delivery: coordination.Delivery): void => {
  const deliveries = state.deliveries.get(message)
  const before = deliveries?.get(seat)
  if (deliveries !== undefined && before !== undefined && comesFurther(before, delivery)) deliveries.set(seat, delivery)
}

export const keyOf = ({ key, seat, verb }: Omit<coordination.Applied, "digest">): string => `${seat}\u0000${verb}\u0000${key}`

const remember = ({ keys }: State, kept: Kept): void => {
  const id = keyOf(kept.applied)
  keys.delete(id)
  keys.set(id, kept)
  for (const [oldest, { at }] of keys) {
    if (keys.size <= keysMax && (keys.size <= keysMin || at > kept.at - keyMillis)) break
    keys.delete(oldest)
  }
}

/** Keeps the newest of a map. */
export const keepNewest = <K, V>(map: Map<K, V>, key: K, value: V, max: number): void => {
  map.delete(key)
  map.set(key, value)
  if (map.size <= max) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    if (map.size <= max) return
  }
}
