// What is behind a seat at a hub: asks and gets its own answers, hears everything once and in order, over as many connections as
// it takes.
import type { Ask, Chat } from "../../protocol/coordination.ts"
import { TimedOut, TooLarge } from "../../protocol/errors.ts"
import type { AgentFields, AgentType, HubFrame, WireChat } from "../../protocol/synapse.ts"
import { makeFeed, type Feed } from "./feed.ts"
import { agentDefaults, type CallOptions, type SynapseAgentOptions } from "./options.ts"
import { makeWaiting, type Request } from "./pending.ts"
import { SynapseRefused } from "./refused.ts"
import { makeSession, type Session } from "./session.ts"

/** What grants a request, by its type. */
export interface Grants {
  readonly chat: "chat"
  readonly claim: "claim_granted"
  readonly release: "release_granted"
  readonly task_update: "task_updated"
  readonly handoff: "handoff_granted"
  readonly checkpoint: "checkpoint_saved"
  readonly wait_request: "wait_granted"
  readonly resource_offer: "resource_offered"
  readonly ledger_task: "ledger_task_posted"
  readonly ledger_task_update: "ledger_task_updated"
  readonly ledger_progress: "ledger_progress_posted"
  readonly advertise: "capability_advertised"
  readonly board_request: "board_snapshot"
  readonly manifest_request: "manifest_snapshot"
  readonly state_request: "state_snapshot"
  readonly who_request: "who_snapshot"
  readonly history_request: "history_snapshot"
  readonly resume_request: "resume_snapshot"
  readonly ask: "answer"
}

/** A card ends after 300 seconds. */
const advertiseMillis = 100_000
/** Chats that are remembered, so that none is handed out twice. */
const seenMax = 4_096

/** A frame that every hub takes, in bytes, its envelope aside. */
const frameBytesMax = 1_048_576 - 4_096

const sizeOf = ({ fields }: Request): number => {
  const text = JSON.stringify(fields)
  // No character takes more than three bytes.
  return text.length * 3 <= frameBytesMax ? text.length : new TextEncoder().encode(text).byteLength
}

const keyed: ReadonlySet<AgentType> = new Set<AgentType>([
  "claim", "release", "task_update", "handoff", "checkpoint", "resource_offer", "ledger_task", "ledger_task_update", "ledger_progress"
])

type Chatted = HubFrame<"chat">

const chatOf = ({ at, clientMessage, from, message, payload, priority, target }: Chat) => ({
  type: "chat" as const, sender: from, target, payload, timestamp: at / 1_000, msg_id: message,
  ...(priority === undefined ? {} : { priority }), ...(clientMessage === undefined ? {} : { client_msg_id: clientMessage })
})

export class Seat {
  readonly name: string
  readonly ready: Promise<void>
  readonly closed: Promise<Error | undefined>
  readonly session: Session
  readonly frames: Feed<HubFrame> = makeFeed("Frames that wait for a reader")
  readonly chats: Feed<WireChat> = makeFeed("Messages that wait for a reader")
  readonly listeners = new Set<(frame: HubFrame) => void>()
  /** The newest message that was handed out. */
  last = 0
  /** Messages were lost for good: the hub keeps them no longer. */
  hasGap = false
  wasReady = false
  readonly #timeoutMillis: number
  readonly #waiting = makeWaiting()
  readonly #seen = new Set<string>()
  /** Chats that came while older ones are asked for; undefined when nothing is. */
  #held: Array<Chatted> | undefined
  #resuming: AbortController | undefined
  #hub = ""
  #card: AgentFields["advertise"] | undefined
  #cardTimer: ReturnType<typeof setInterval> | undefined

  /** Begins to connect. */
  constructor(uri: string, options: SynapseAgentOptions) {
    this.name = options.name.trim()
    this.#timeoutMillis = options.timeoutMillis ?? agentDefaults.timeoutMillis
    let ended: (failure: Error | undefined) => void
    this.closed = new Promise((resolve) => (ended = resolve))
    this.session = makeSession({
      uri, name: this.name,
      ...(options.token === undefined ? {} : { token: options.token }),
      hello: {
        ...(options.beside === true ? { beside: true } : {}), ...(options.mailboxFor === undefined ? {} : { mailbox_for: options.mailboxFor }), ...(options.notices === true ? { notices: true } : {})
      },
      reconnect: options.reconnect ?? true,
      connectMillis: options.connectMillis ?? agentDefaults.connectMillis,
      pauseMillisMax: options.pauseMillisMax ?? agentDefaults.pauseMillisMax,
      heartbeatMillis: Math.max(agentDefaults.heartbeatSecondsMin, options.heartbeatSeconds ?? agentDefaults.heartbeatSeconds) * 1_000
    }, {
      bound: (isFirst) => this.#bound(isFirst),
      frame: (frame) => this.#hear(frame),
      lost: () => this.#resuming?.abort(),
      ended: (failure) => {
        clearInterval(this.#cardTimer)
        this.#waiting.end(failure ?? new SynapseRefused({ code: "UNAVAILABLE", reason: `${this.name} has left the hub.` }))
        this.frames.end(failure)
        this.chats.end(failure)
        ended(failure)
      }
    })
    this.ready = this.session.start()
    // Who does not wait for it learns of it by the first call.
    this.ready.catch(() => undefined)
  }

  /** Resolves with the frame that grants it; rejects with `SynapseRefused`, `TimedOut`, `TooLarge`, or with what ended the seat. */
  async ask<T extends keyof Grants>(type: T, fields: Readonly<Record<string, unknown>>, { key, signal, timeoutMillis = this.#timeoutMillis }: CallOptions = {}): Promise<HubFrame<Grants[T]>> {
    await this.ready
    signal?.throwIfAborted()
    const id = crypto.randomUUID()
    const request: Request = { id, type, fields: { ...fields, request_id: id, ...(keyed.has(type) ? { idem_key: key ?? id } : {}) } }
    const size = sizeOf(request)
    // It would end the connection, and be sent again on the next.
    if (size > frameBytesMax) throw new TooLarge({ what: `The ${type} frame`, size, sizeMax: frameBytesMax, unit: "bytes" })
    const answer = this.#waiting.add(request, timeoutMillis, signal)
    // While older messages are asked for, what is open waits for that and is sent with the rest.
    if (this.#held === undefined) this.#send(request)
    try {
      return await answer as unknown as HubFrame<Grants[T]> // a request is resolved by the type that grants it
    } catch (error) {
      if (error instanceof TimedOut || signal?.aborted === true) this.#withdraw(request)
      throw error
    }
  }

  /** Nobody waits for its answer any more: it is not to be granted behind our back. */
  #withdraw({ fields, id, type }: Request): void {
    const { ask } = fields as { readonly ask?: Ask } // what an `ask` has
    const request = type === "claim" ? fields["idem_key"]
      : ask?.verb === "claim" ? ask.key
      : ask?.verb === "inbox" && ask.waitMillis !== undefined ? id
      : undefined
    if (typeof request !== "string" || !this.session.has("ask")) return
    // When it has left the hub, nobody waits there.
    this.ask("ask", { ask: { verb: "withdraw", request } satisfies Ask }).catch(() => undefined)
  }

  /** Said again before it ends, and on each new connection. */
  keepSaying(card: AgentFields["advertise"]): void {
    this.#card = card
    clearInterval(this.#cardTimer)
    this.#cardTimer = setInterval(() => this.session.send("advertise", { ...card }), advertiseMillis)
    ;(this.#cardTimer as { readonly unref?: () => void }).unref?.() // only where timers hold a process
  }

  #send({ fields, type }: Request): void {
    const { target, payload } = fields
    this.session.send(type, fields, typeof target === "string" ? target : "all", typeof payload === "string" ? payload : "")
  }

  #bound(isFirst: boolean): void {
    const hub = this.session.hubId()
    const isSame = hub === this.#hub
    this.#hub = hub
    if (isFirst) return void (this.wasReady = true)
    if (!isSame) this.#seen.clear()
    this.#held = []
    const resuming = (this.#resuming = new AbortController())
    void this.#resume(resuming.signal).catch(() => undefined).finally(() => {
      // It broke again meanwhile: the next one begins anew.
      if (resuming.signal.aborted) return
      const held = this.#held ?? []
      this.#held = undefined
      for (const chat of held) this.#chatted(chat)
      for (const request of this.#waiting.open()) this.#send(request)
      if (this.#card !== undefined) this.session.send("advertise", { ...this.#card })
    })
  }

  /** What was said while it was away. */
  async #resume(signal: AbortSignal): Promise<void> {
    if (this.last === 0) return
    for (;;) {
      const id = crypto.randomUUID()
      const request: Request = { id, type: "resume_request", fields: { since: this.last, request_id: id } }
      const answer = this.#waiting.add(request, this.#timeoutMillis, signal) as Promise<HubFrame<"resume_snapshot">> // by its type
      this.#send(request)
      const { gap, messages, truncated } = await answer
      if (gap === true) this.hasGap = true
      const before = this.last
      for (const message of messages) {
        const chat: Chatted = { ...message, type: "chat" }
        // One of its own that had no answer yet was kept before the connection broke.
        if (chat.sender === this.name) this.#echoed(chat)
        this.#chatted(chat)
      }
      if (truncated !== true || this.last === before) return
    }
  }

  #echoed(chat: Chatted): void {
    const mine = chat.client_msg_id === undefined ? undefined : this.#waiting.open().find(({ fields }) => fields["client_msg_id"] === chat.client_msg_id)
    if (mine !== undefined) this.#waiting.hear({ ...chat, request_id: mine.id }, this.name, true)
  }

  #hear(frame: HubFrame): void {
    const answered = this.#waiting.hear(frame, this.name, this.session.has("request_id"))
    if (frame.type === "notice" && frame.notice.notice === "message") {
      // What a seat that wants no notices gets as a chat.
      const { chat, replayed } = frame.notice
      this.#chatted({ ...frame, ...chatOf(chat), ...(replayed ? { replayed } : {}) })
    }
    if (frame.type === "chat") {
      if (!answered && frame.sender === this.name) this.#echoed(frame)
      if (this.#held === undefined) this.#chatted(frame)
      else this.#held.push(frame)
    } else this.#tell(frame)
  }

  #chatted(chat: Chatted): void {
    const id = `${chat.msg_id}`
    if (this.#seen.has(id)) return
    this.#seen.add(id)
    if (this.#seen.size > seenMax) for (const oldest of this.#seen) {
      this.#seen.delete(oldest)
      break
    }
    // What was kept for it comes with an older number.
    if (chat.replayed !== true) this.last = chat.msg_id
    if (chat.sender === this.name) return
    this.chats.push(chat)
    this.#tell(chat)
  }

  #tell(frame: HubFrame): void {
    this.frames.push(frame)
    for (const listener of this.listeners) listener(frame)
  }
}
