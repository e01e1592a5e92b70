// The mailbox of a seat from the command line: what waits for it, what became of what it sent; and handing a claim on.
import * as Effect from "effect/Effect"
import type { SynapseAgent } from "../../libos/synapse/agent.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import type { Chat, Receipt } from "../../protocol/coordination.ts"
import { type Called, show } from "../called.ts"
import { codes } from "../exit-code.ts"
import { Ended } from "../failure.ts"
import { err, json, onErr, out, plain, table } from "../terminal.ts"
import { seatOf, withSeat, type SeatFailure, type SeatFlags, type SeatOptions } from "./connect.ts"

export interface InboxFlags extends SeatFlags {
  readonly wait: boolean
  readonly timeout?: number
  readonly limit?: number
  readonly peek: boolean
  readonly handled: boolean
}

/** One long poll, in milliseconds; the answer to it may take this much longer. */
const pollMillis = 20_000
const answerMillis = 10_000

const lineOf = (called: Called, chat: Chat): string =>
  called.json ? json(chat) : plain(`#${chat.message} ${chat.from}${chat.priority === true ? " !" : ""}: ${chat.payload}`)

export const inbox = (called: Called, flags: InboxFlags): Effect.Effect<void, SeatFailure> =>
  Effect.suspend(() => {
    const seat = seatOf(called.directory, flags.name)
    const aside = { name: `${seat}/rx-${process.pid}`, mailboxFor: seat, beside: false }
    const look = (options: SeatOptions) => withSeat(called, flags, (seated) => taken(called, seated.agent, seat, flags), options)
    // The seat itself may be taken by whoever works there, and stays free for it meanwhile.
    return flags.wait ? look(aside) : Effect.catchIf(look({}), (error) => error._tag === "SynapseRefused" && error.code === "NAME_CONFLICT", () => look(aside))
  })

const taken = async (called: Called, agent: SynapseAgent, seat: string, flags: InboxFlags): Promise<void> => {
  const deadline = flags.timeout === undefined ? Infinity : Date.now() + flags.timeout * 1_000
  for (;;) {
    const left = Math.max(0, deadline - Date.now())
    const waitMillis = flags.wait ? Math.min(pollMillis, left) : 0
    // They are marked when they are shown, so that none is lost when nobody sees it.
    const { messages, unread } = await agent.ask({
      verb: "inbox", peek: true, ...(flags.limit === undefined ? {} : { limit: flags.limit }), ...(waitMillis > 0 ? { waitMillis } : {})
    }, { timeoutMillis: waitMillis + answerMillis })
    if (messages.length === 0 && flags.wait) {
      if (left > 0) continue
      throw new Ended({ code: codes.timeout, reason: `nobody wrote to ${plain(seat)} within ${flags.timeout ?? 0} s.` })
    }
    for (const chat of messages) {
      await out(lineOf(called, chat))
      // What a person saw is read. What they did about it they say themselves.
      if (!flags.peek) await agent.ask({ verb: "acknowledge", message: chat.message, state: flags.handled ? "handled" : "read" })
    }
    const more = Math.max(0, unread - messages.length)
    if (!called.json) err(onErr.dim(messages.length === 0 ? "nothing waits" : more > 0 ? `${more} more: aaax inbox` : "that is all"))
    return
  }
}

export const receipts = (
  called: Called, flags: SeatFlags & { readonly message?: number; readonly dead: boolean; readonly limit?: number }
): Effect.Effect<void, SeatFailure> =>
  Effect.flatMap(withSeat(called, flags, async ({ agent }): Promise<ReadonlyArray<Receipt>> => {
    const found = (await agent.ask({
      verb: "receipts", ...(flags.message === undefined ? {} : { message: flags.message }), ...(flags.dead ? { dead: true } : {}), ...(flags.limit === undefined ? {} : { limit: flags.limit })
    })).receipts
    if (flags.message !== undefined && found.length === 0) throw new SynapseRefused({ code: "MESSAGE_NOT_FOUND", reason: `Message ${flags.message} is not known, or was for nobody by name.` })
    return found
  }), (found) => show(called, found, () =>
    table(["MESSAGE", "FROM", "TO", "STATE"], found.flatMap(({ from, message, states, target }) => {
      const each = Object.entries(states)
      return each.length === 0 ? [[String(message), from, target, "-"]] : each.map(([seat, state]) => [String(message), from, seat, state])
    }))))

export const handoff = (
  called: Called, task: string, to: string, { epoch, note, ...flags }: SeatFlags & { readonly note?: string; readonly epoch?: number }
): Effect.Effect<void, SeatFailure> =>
  Effect.flatMap(withSeat(called, flags, ({ agent }) => agent.handoff(task, to, { ...(note === undefined ? {} : { note }), ...(epoch === undefined ? {} : { epoch }) })),
    ({ epoch: now, lease_expires_at: ends, owner, paths, previous_owner: previous, task_id: id }) =>
      show(called, { task: id, owner, previousOwner: previous, epoch: now, expiresAt: Math.round(ends * 1_000), paths }, () => [plain(`handed ${id} from ${previous} to ${owner} (epoch ${now})`)]))

