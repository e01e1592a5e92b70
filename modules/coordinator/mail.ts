// Mail: what one seat was sent by another, kept for it until it takes it, and how far each message has come.
import { isEverybody, matchesName, targetParts, type coordination } from "aaax"
import { textLength } from "./bounds.ts"
import type { Asker, Desk } from "./desk.ts"
import { comesFurther, mailboxOf } from "./fold.ts"
import { entryTextMax, inboxesPerSeatMax, nameLengthMax, pageItemsMax, recipientsMax, replayedMax, waitMillisMax } from "./limits.ts"
import { pageOf } from "./page.ts"
import * as refusal from "./refusal.ts"
import type { Parked, Seat, State } from "./state.ts"

type Ask<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>
type Chat = coordination.Chat

/** The seats that a target names: those of that name, known or not, and known ones that a glob matches. */
const recipientsOf = (state: State, target: string, from: string): ReadonlyArray<string> => {
  if (isEverybody(target)) return []
  const seats = new Set<string>()
  for (const part of targetParts(target)) {
    if (!/[*?[]/u.test(part)) seats.add(part)
    else for (const seat of state.seats.keys()) if (matchesName(part, seat)) seats.add(seat)
  }
  // Who writes to a group is not written to.
  if (/[*?[,]/u.test(target)) seats.delete(from)
  return [...seats]
}

export const send = (desk: Desk, by: Asker, ask: Ask<"send">): coordination.Answer<"send"> => {
  const { state } = desk
  const target = ask.target?.trim() ?? ""
  const to = recipientsOf(state, target, by.seat)
  if (to.length > recipientsMax) return refusal.full("Recipients of one message", recipientsMax)
  if (to.some((seat) => seat.length > nameLengthMax)) return refusal.invalid(`The name of a seat has at most ${nameLengthMax} characters.`)
  const chat: Chat = {
    message: state.message + 1, from: by.seat, target: target === "" ? "all" : target, payload: ask.payload, at: desk.now,
    ...(ask.priority === true ? { priority: true } : {}),
    ...(ask.clientTimestamp === undefined ? {} : { clientTimestamp: ask.clientTimestamp }),
    ...(ask.clientMessage === undefined ? {} : { clientMessage: ask.clientMessage }),
    ...(ask.receipt === true ? { receipt: true } : {})
  }
  const entry = { chat, ...(to.length === 0 ? {} : { to }) }
  if (to.length > 1 && textLength(entry) > entryTextMax) return refusal.invalid("The message does not fit beside the names of all whom it is for.")
  desk.say({ kind: "chat", payload: entry }, by.id)
  const here = to.filter((seat) => isHere(state, seat))
  for (const seat of to) wake(desk, seat)
  return { ok: true, message: chat.message, at: chat.at, recipients: here, waiting: to.filter((seat) => !here.includes(seat)) }
}

const isHere = (state: State, seat: string): boolean => state.seats.get(seat)?.online === true

/** Messages that wait for a seat. */
export const unreadOf = (state: State, seat: string): number => {
  const mailbox = state.mailboxes.get(seat)
  if (mailbox === undefined) return 0
  let unread = 0
  for (let at = mailbox.messages.length - 1; at >= 0; at--) {
    const message = mailbox.messages[at]!
    if (message <= mailbox.mark) break
    const delivery = state.deliveries.get(message)?.get(seat)
    if (delivery === "accepted" || delivery === "dead") unread++
  }
  return unread
}

/** Behind its mark, oldest first: what it has not read yet. */
const behindMark = (state: State, seat: string, limit: number): ReadonlyArray<Chat> => {
  const mailbox = state.mailboxes.get(seat)
  if (mailbox === undefined) return []
  const waiting: Array<Chat> = []
  for (const message of mailbox.messages) {
    if (message <= mailbox.mark) continue
    const delivery = state.deliveries.get(message)?.get(seat)
    const chat = state.chats.get(message)
    if (chat === undefined || delivery === "read" || delivery === "handled") continue
    waiting.push(chat)
    if (waiting.length === limit) break
  }
  return pageOf(waiting, () => "").items
}

/** The seat whose mail it is: that of the one which it receives for. */
const ownerOf = (seat: Seat): string => seat.receives ?? seat.seat

export const inbox = (desk: Desk, by: Asker, seat: Seat, ask: Ask<"inbox">): coordination.Answer<"inbox"> | undefined => {
  const { state } = desk
  const owner = ownerOf(seat)
  const limit = Math.max(1, Math.min(pageItemsMax, ask.limit ?? 100))
  const messages = behindMark(state, owner, limit)
  const waitMillis = Math.min(waitMillisMax, ask.waitMillis ?? 0)
  if (messages.length === 0 && waitMillis > 0) {
    const parked: Parked = { id: by.id, system: by.system, limit, peek: ask.peek === true }
    const waiting = state.inboxes.get(owner)
    if (waiting === undefined) state.inboxes.set(owner, [parked])
    else if (waiting.length >= inboxesPerSeatMax) return refusal.full(`Inboxes of ${owner} that are waited for`, inboxesPerSeatMax)
    else waiting.push(parked)
    desk.waits.push({ seat: owner, request: by.id, millis: waitMillis })
    state.waiting.hold({ request: by.id, system: by.system, ask, until: desk.now + waitMillis })
    return undefined
  }
  return handOver(desk, owner, messages, ask.peek === true, by.id)
}

/** What is handed over has been delivered. */
const handOver = (desk: Desk, seat: string, messages: ReadonlyArray<Chat>, peek: boolean, cause: string): coordination.Answer<"inbox"> => {
  const last = messages[messages.length - 1]
  if (last !== undefined && !peek) {
    const before = messages.map(({ message }) => desk.state.deliveries.get(message)?.get(seat))
    desk.say({ kind: "acknowledged", payload: { seat, message: last.message, state: "delivered", mark: true } }, cause)
    messages.forEach((chat, at) => before[at] !== "delivered" && tell(desk, chat))
  }
  return { ok: true, messages, unread: unreadOf(desk.state, seat) }
}

/** Somebody may wait for this seat's messages. */
const wake = (desk: Desk, seat: string): void => {
  const waiting = desk.state.inboxes.get(seat)
  if (waiting === undefined) return
  desk.state.inboxes.delete(seat)
  for (const { id, limit, peek, system } of waiting) desk.answer(id, system, handOver(desk, seat, behindMark(desk.state, seat, limit), peek, id))
}

/** One has waited long enough. */
export const inboxIsDue = (desk: Desk, seat: string, request: string): void => {
  const waiting = desk.state.inboxes.get(seat)
  const parked = waiting?.find(({ id }) => id === request)
  if (waiting === undefined || parked === undefined) return
  if (waiting.length === 1) desk.state.inboxes.delete(seat)
  else desk.state.inboxes.set(seat, waiting.filter((one) => one !== parked))
  desk.answer(request, parked.system, { ok: true, messages: [], unread: unreadOf(desk.state, seat) })
}

/** Who gave up waits for no message. Answers whether it did. */
export const leaveInbox = (desk: Desk, seat: Seat, request: string): boolean => {
  const owner = ownerOf(seat)
  const waiting = desk.state.inboxes.get(owner)
  const parked = waiting?.find(({ id, system }) => id === request && system === seat.system)
  if (parked !== undefined) inboxIsDue(desk, owner, request)
  return parked !== undefined
}

/** Who is gone waits for no message. */
export const leaveInboxes = (desk: Desk, seat: Seat): void => {
  const owner = ownerOf(seat)
  const waiting = desk.state.inboxes.get(owner)
  if (waiting === undefined) return
  for (const { id, system } of waiting) if (system === seat.system) desk.answer(id, system, refusal.invalid(`${seat.seat} left before a message came.`))
  const rest = waiting.filter(({ system }) => system !== seat.system)
  if (rest.length === 0) desk.state.inboxes.delete(owner)
  else desk.state.inboxes.set(owner, rest)
}

/** Who is back gets what came meanwhile, once; its inbox has it still. */
export const replay = (desk: Desk, seat: Seat, cause: string): void => {
  const { state } = desk
  const mailbox = state.mailboxes.get(seat.seat)
  let count = 0
  for (const message of mailbox?.messages ?? []) {
    const delivery = state.deliveries.get(message)?.get(seat.seat)
    const chat = state.chats.get(message)
    if (chat === undefined || (delivery !== "accepted" && delivery !== "dead")) continue
    if (++count > replayedMax) break
    desk.notify(seat.system, { notice: "message", chat, replayed: true })
    desk.say({ kind: "acknowledged", payload: { seat: seat.seat, message, state: "delivered" } }, cause)
    tell(desk, chat)
  }
}

export const acknowledge = (desk: Desk, by: Asker, seat: Seat, ask: Ask<"acknowledge">): coordination.Answer<"acknowledge"> => {
  const owner = ownerOf(seat)
  const before = desk.state.deliveries.get(ask.message)?.get(owner)
  const chat = desk.state.chats.get(ask.message)
  if (before === undefined || chat === undefined) return refusal.messageNotFound(ask.message)
  if (!comesFurther(before, ask.state)) return { ok: true, message: ask.message, state: before }
  desk.say({ kind: "acknowledged", payload: { seat: owner, message: ask.message, state: ask.state } }, by.id)
  tell(desk, chat)
  return { ok: true, message: ask.message, state: ask.state }
}

/** Tells who asked for it how far a message has come. */
const tell = (desk: Desk, chat: Chat): void => {
  const sender = chat.receipt === true ? desk.state.seats.get(chat.from) : undefined
  if (sender?.online === true) desk.notify(sender.system, { notice: "receipt", receipt: receiptOf(desk.state, chat) })
}

const receiptOf = ({ deliveries }: State, { from, message, target }: Chat): coordination.Receipt =>
  ({ message, from, target, states: Object.fromEntries(deliveries.get(message) ?? []) })

/** Nobody took it in time. It can be taken still, as long as it is kept. */
export const isDead = (desk: Desk, key: string): void => {
  const message = Number(key)
  const chat = desk.state.chats.get(message)
  const deliveries = desk.state.deliveries.get(message)
  if (chat === undefined || deliveries === undefined) return
  let told = false
  for (const [seat, delivery] of deliveries) {
    if (delivery !== "accepted") continue
    desk.say({ kind: "acknowledged", payload: { seat, message, state: "dead" } }, null)
    told = true
  }
  if (told) tell(desk, chat)
}

/** Messages that were directed at somebody, newest last, and how far each came. */
export const receipts = (state: State, ask: Ask<"receipts">): coordination.Answer<"receipts"> => {
  const limit = Math.max(1, Math.min(pageItemsMax, ask.limit ?? 100))
  const found: Array<coordination.Receipt> = []
  const add = (receipt: coordination.Receipt): void => {
    if (ask.dead !== true || Object.values(receipt.states).includes("dead")) found.push(receipt)
  }
  if (ask.message !== undefined) {
    const chat = state.chats.get(ask.message)
    const receipt = chat === undefined ? state.deadLetters.get(ask.message) : receiptOf(state, chat)
    if (receipt === undefined) return refusal.messageNotFound(ask.message)
    add(receipt)
  } else {
    for (const receipt of state.deadLetters.values()) add(receipt)
    for (const message of state.deliveries.keys()) add(receiptOf(state, state.chats.get(message)!))
  }
  return { ok: true, receipts: [...pageOf(found.slice(-limit).reverse(), () => "", limit).items].reverse() }
}

/** A seat is here; what came for it meanwhile follows. It may wait for the messages of another that is called as it is. */
export const attach = (desk: Desk, by: Asker, seat: Seat, ask: Ask<"attach">): coordination.Answer<"attach"> => {
  const receiver = ask.receiver?.trim() ?? ""
  if (receiver !== "" && receiver !== by.seat) {
    if (!by.seat.startsWith(`${receiver}/`) && !by.seat.startsWith(`${receiver}-rx`)) {
      return refusal.invalid(`Who receives for '${receiver}' is called '${receiver}-rx' or '${receiver}/…', not '${by.seat}'.`)
    }
    seat.receives = receiver
    mailboxOf(desk.state, receiver)
    return { ok: true, seat: receiver, unread: unreadOf(desk.state, receiver) }
  }
  const unread = unreadOf(desk.state, by.seat)
  if (receiver === "") replay(desk, seat, by.id)
  return { ok: true, seat: by.seat, unread }
}
