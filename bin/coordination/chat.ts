// Messages from the command line: sending, waiting for one, and listening to all of them.
import * as Effect from "effect/Effect"
import { KernelUnreachable } from "../../libos/http.ts"
import type { SynapseAgent } from "../../libos/synapse/agent.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import { isDirected, isEverybody, isRecipient, wakes } from "../../protocol/target.ts"
import type { WireChat } from "../../protocol/synapse.ts"
import type { Chat } from "../../protocol/coordination.ts"
import type { Called } from "../called.ts"
import { Ended } from "../failure.ts"
import { err, json, onErr, out, plain } from "../terminal.ts"
import { ancestral } from "./ancestral.ts"
import { seatOf, type SeatFailure, type SeatFlags } from "./connect.ts"

export const chatLine = ({ payload, sender }: { readonly sender: string; readonly payload: string }): string => `${plain(sender)}: ${plain(payload)}`

type Shown = Pick<WireChat, "msg_id" | "sender" | "target" | "payload" | "timestamp" | "priority" | "replayed">
const wireOf = ({ at, from, message, payload, priority, target }: Chat): Shown => ({
  msg_id: message, sender: from, target, payload, timestamp: at / 1_000, ...(priority === undefined ? {} : { priority })
})

const shown = (called: Called, chat: Shown): string =>
  called.json
    ? json({
      message: chat.msg_id, from: chat.sender, target: chat.target, payload: chat.payload, at: Math.round(chat.timestamp * 1_000),
      ...(chat.priority === true ? { priority: true } : {}), ...(chat.replayed === true ? { replayed: true } : {})
    })
    : chatLine(chat)

/** The seats of a list, shortened for one line. */
const named = (seats: ReadonlyArray<string>): string => {
  const most = seats.slice(0, 5).map(plain).join(", ")
  return seats.length > 5 ? `${most} and ${seats.length - 5} more` : most
}

export interface SendFlags extends SeatFlags {
  readonly target: string
  readonly waitSeconds: number
  readonly priority: boolean
  readonly receipt: boolean
}

export const send = (called: Called, message: string, flags: SendFlags): Effect.Effect<void, SeatFailure | Ended> =>
  ancestral(called, flags, async ({ agent }) => {
    const stop = new AbortController()
    // From before it is sent on: the answer may come at once.
    const messages = agent.messages(stop.signal)
    if (agent.isOurs) {
      const { message: number, recipients, waiting } = await agent.ask({
        verb: "send", target: flags.target, payload: message, ...(flags.priority ? { priority: true } : {}), ...(flags.receipt ? { receipt: true } : {})
      })
      const parts = [
        ...(recipients.length > 0 ? [`to ${named(recipients)}`] : []), ...(waiting.length > 0 ? [`kept for ${named(waiting)}`] : []),
        ...(recipients.length + waiting.length > 0 ? [] : [isEverybody(flags.target) ? "to everybody" : "nobody is there to read it"])
      ]
      err(onErr.dim(`message ${number}: ${parts.join("; ")}`))
    } else await agent.chat(message, { target: flags.target, ...(flags.priority ? { priority: true } : {}) })
    const timer = setTimeout(() => stop.abort(), flags.waitSeconds * 1_000)
    try {
      for await (const chat of messages) await out(shown(called, chat))
    } finally {
      clearTimeout(timer)
    }
  })

export interface WaitFlags extends SeatFlags {
  readonly for?: string
  readonly timeout: number
  readonly directedOnly: boolean
}

/** Exit codes of the ancestor. */
const waitCodes = { timedOut: 2, dropped: 3 } as const

export const wait = (called: Called, flags: WaitFlags): Effect.Effect<void, SeatFailure | Ended> =>
  Effect.suspend(() => {
    const own = seatOf(called.directory, flags.name)
    const awaited = flags.for ?? own
    const isOwn = own === awaited
    const waiting = (seat: string) => ancestral(called, flags, async (seated) => {
      const { agent, hub } = seated
      const stop = new AbortController()
      const timer = flags.timeout > 0 ? setTimeout(() => stop.abort(), flags.timeout * 1_000) : undefined
      const messages = agent.messages(stop.signal)
      try {
        await agent.ready
        // What is directed at the seat is kept for it also while nobody waits: the oldest that nobody has read comes first.
        const isKept = isOwn && agent.isOurs
        const earlier = isKept ? await oldest(agent, awaited) : undefined
        if (earlier !== undefined) {
          await out(shown(called, earlier))
          return await read(agent, earlier.msg_id)
        }
        for await (const chat of messages) {
          if (chat.sender === seat || chat.sender === own || chat.sender === awaited || !wakes(chat, awaited, { directedOnly: flags.directedOnly })) continue
          await out(shown(called, chat))
          return isKept && isDirected(chat.target, awaited) ? await read(agent, chat.msg_id) : undefined
        }
      } catch (error) {
        if (!(error instanceof KernelUnreachable) || !agent.wasReady) throw error
        throw new Ended({ code: waitCodes.dropped, reason: `[${seat}] connection to ${hub.uri} closed; re-arm the waiter.` })
      } finally {
        stop.abort()
        clearTimeout(timer)
      }
      throw new Ended({ code: waitCodes.timedOut, reason: `[${seat}] no message for ${awaited} within ${flags.timeout} s.` })
    }, { name: seat, early: true, beside: false, ...(isOwn ? { mailboxFor: awaited } : {}) })
    if (!isOwn) return waiting(own)
    // The seat itself stays free, so that whoever waits can send under it meanwhile. A token for one name is good for what is below it.
    return Effect.catchIf(waiting(`${own}-rx`), (error) => error._tag === "SynapseRefused" && error.code === "NAME_DENIED", () => waiting(`${own}/rx`))
  })

/** The oldest message for the seat that it has not read, unless it is its own. */
const oldest = async (agent: SynapseAgent, seat: string): Promise<Shown | undefined> => {
  for (;;) {
    const { messages: [chat] } = await agent.ask({ verb: "inbox", limit: 1, peek: true })
    if (chat === undefined) return undefined
    if (chat.from !== seat) return wireOf(chat)
    await read(agent, chat.message)
  }
}

/** It was shown. One that cannot be marked, because it was kept for nobody or the hub is gone, was shown all the same. */
export const read = async (agent: SynapseAgent, message: number): Promise<void> => {
  await agent.ask({ verb: "acknowledge", message, state: "read" }).catch((error: unknown) => {
    if (!(error instanceof SynapseRefused || error instanceof KernelUnreachable)) throw error
  })
}

export interface ListenFlags extends SeatFlags {
  readonly for?: string
}

/** Goes on over as many connections as it takes, until it is told to end or the hub refuses it. */
export const listen = (called: Called, flags: ListenFlags): Effect.Effect<void, SeatFailure | Ended> =>
  ancestral(called, flags, async ({ agent }) => {
    const frames = agent.frames()
    await agent.ready
    for await (const frame of frames) {
      if (frame.type === "chat") {
        if (flags.for !== undefined && !isRecipient(frame.target, flags.for)) continue
        await out(shown(called, frame))
        if (agent.isOurs && isDirected(frame.target, agent.name)) await read(agent, frame.msg_id)
      } else if (frame.type === "presence_update" && flags.for === undefined) {
        const { agent: seat, event, online_agents: online } = frame
        await out(called.json ? json({ presence: event, seat, online }) : plain(`[presence] ${event} -> online: ${online.join(", ")}`))
      }
    }
  }, { reconnect: true, early: true, beside: false })
