// The whole state as text, in pages of the ledger, so that a start need not read what is older.
import { coordination, Schema } from "aaax"
import { restoreChat, stepLedger, stepTalk } from "./fold.ts"
import { deadMillis, statePageText } from "./limits.ts"
import { makeState, type State } from "./state.ts"

/** Another one is not read: what is older is folded anew. */
export const pagesVersion = 1

const Applied = Schema.Struct({ seat: Schema.String, verb: Schema.String, key: Schema.String, digest: Schema.String })
const Kept = Schema.Struct({
  version: Schema.Literal(pagesVersion),
  at: Schema.Int,
  epoch: Schema.Int,
  message: Schema.Int,
  /** Everything of the talk up to `to` is in it, but of the chats only those in `chats`: the others lie behind `from`. */
  talk: Schema.Struct({ from: Schema.Int, to: Schema.Int }),
  chats: Schema.optionalKey(Schema.Array(coordination.Chat)),
  claims: Schema.Array(coordination.Claim),
  checkpoints: Schema.Array(Schema.Tuple([Schema.String, Schema.String])),
  plan: Schema.Array(coordination.PlanTask),
  notes: Schema.Array(coordination.Note),
  offers: Schema.Array(coordination.Offer),
  keys: Schema.Array(Schema.Struct({ applied: Applied, at: Schema.Int, kind: Schema.String, payload: Schema.Unknown })),
  deliveries: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int, Schema.Record(Schema.String, coordination.Delivery)])),
  mailboxes: Schema.Array(Schema.Struct({ seat: Schema.String, mark: Schema.Int, messages: Schema.Array(Schema.Int) })),
  deadLetters: Schema.Array(Schema.Struct({
    message: Schema.Int, from: Schema.String, target: Schema.String, states: Schema.Record(Schema.String, coordination.Delivery)
  }))
})
type Kept = typeof Kept.Type
const decode = Schema.decodeUnknownExit(Kept)

export interface TalkPart {
  readonly from: number
  readonly to: number
  /** The first message behind `from`; default: all are. */
  readonly message?: number
}

/** The state as the payloads of its pages. Throws where it is more than one text may hold. */
export const pagesOf = (state: State, { from, message = 0, to }: TalkPart, at: number): ReadonlyArray<coordination.LedgerEntries["state"]> => {
  const kept = {
    version: pagesVersion, at, epoch: state.epoch, message: state.message, talk: { from, to }, chats: chatsBefore(state, message), claims: [...state.claims.values()], checkpoints: [...state.checkpoints],
    plan: [...state.plan.values()], notes: state.notes, offers: [...state.offers.values()], keys: [...state.keys.values()],
    deliveries: [...state.deliveries].map(([message, seats]) => [message, state.chats.get(message)?.at ?? at, Object.fromEntries(seats)]),
    mailboxes: [...state.mailboxes].map(([seat, { mark, messages }]) => ({ seat, mark, messages })), deadLetters: [...state.deadLetters.values()]
  }
  const text = JSON.stringify(kept)
  const texts: Array<string> = []
  for (let begin = 0; begin < text.length;) {
    let end = begin + statePageText
    // A letter of two halves stays whole.
    if (/[\ud800-\udbff]/.test(text.charAt(end - 1))) end++
    texts.push(text.slice(begin, end))
    begin = end
  }
  return texts.map((page, place) => ({ part: place + 1, parts: texts.length, text: page }))
}

const chatsBefore = ({ chats }: State, message: number): ReadonlyArray<coordination.Chat> => {
  const before: Array<coordination.Chat> = []
  for (const chat of chats.values()) {
    if (chat.message >= message) break
    before.push(chat)
  }
  return before
}

/** A state from the text of all its pages; nothing: it cannot be read. */
export const stateOfPages = (text: string, chats?: number): { readonly state: State; readonly talk: TalkPart } | undefined => {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return undefined
  }
  const exit = decode(parsed)
  if (exit._tag === "Failure") return undefined
  return { state: restore(exit.value, chats), talk: exit.value.talk }
}

const restore = (kept: Kept, chats: number | undefined): State => {
  const state = makeState(chats)
  for (const claim of kept.claims) stepLedger(state, { kind: "claimed", payload: { claim, renewed: false } }, kept.at)
  for (const [task, checkpoint] of kept.checkpoints) state.checkpoints.set(task, checkpoint)
  for (const task of kept.plan) state.plan.set(task.task, task)
  for (const note of kept.notes) state.notes.push(note)
  for (const offer of kept.offers) stepTalk(state, { kind: "offered", payload: { offer } }, kept.at)
  // Verb and payload were written by the fold that reads them.
  for (const { applied, ...rest } of kept.keys) state.keys.set(`${applied.seat}\u0000${applied.verb}\u0000${applied.key}`, { applied: applied as coordination.Applied, ...rest })
  for (const [message, at, seats] of kept.deliveries) {
    state.deliveries.set(message, new Map(Object.entries(seats)))
    state.timers.add(at + deadMillis, "dead", String(message))
  }
  for (const chat of kept.chats ?? []) restoreChat(state, chat)
  for (const { mark, messages, seat } of kept.mailboxes) state.mailboxes.set(seat, { mark, messages: [...messages] })
  for (const letter of kept.deadLetters) state.deadLetters.set(letter.message, letter)
  state.epoch = kept.epoch
  state.message = kept.message
  return state
}
