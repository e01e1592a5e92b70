// The chat's history: the newest messages, and those behind a cursor.
import type { coordination } from "aaax"
import { weightOf } from "./desk.ts"
import { chatsMax, pageTextMax } from "./limits.ts"
import type { State } from "./state.ts"

type Ask<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>
type Chat = coordination.Chat

const oldestOf = (state: State): number => {
  for (const message of state.chats.keys()) return message
  return state.message + 1
}

/** The last ones, as many as are asked for and fit. */
export const history = (state: State, ask: Ask<"history">): coordination.Answer<"history"> => {
  const limit = ask.limit === undefined ? chatsMax : Math.max(1, ask.limit)
  const oldest = oldestOf(state)
  const messages: Array<Chat> = []
  let room = pageTextMax
  let at = Math.min(state.message, (ask.before ?? Infinity) - 1)
  for (; at >= oldest && messages.length < limit; at--) {
    const chat = state.chats.get(at)
    if (chat === undefined) continue
    room -= textOf(chat)
    if (room < 0 && messages.length > 0) break
    messages.push(chat)
  }
  return { ok: true, messages: messages.reverse(), requested: ask.limit === undefined ? "all" : limit, truncated: messages.length < limit && at >= 1 }
}

/** Those behind a cursor, oldest first, as many as fit. */
export const resume = (state: State, ask: Ask<"resume">): coordination.Answer<"resume"> => {
  const since = Math.max(0, ask.since)
  const limit = Math.max(1, Math.min(chatsMax, ask.limit ?? chatsMax))
  const oldest = oldestOf(state)
  const messages: Array<Chat> = []
  let room = pageTextMax
  let at = Math.max(since + 1, oldest)
  for (; at <= state.message && messages.length < limit; at++) {
    const chat = state.chats.get(at)
    if (chat === undefined) continue
    room -= textOf(chat)
    if (room < 0 && messages.length > 0) break
    messages.push(chat)
  }
  return { ok: true, messages, more: at <= state.message, gap: since + 1 < oldest }
}

/** What a message takes of a page; letters that take six are looked at closer when there are many. */
const textOf = (chat: Chat): number => {
  const weight = weightOf(chat)
  return weight > 2_000 ? JSON.stringify(chat).length : weight + 64
}
