// A seat at a hub: every verb of the ancestor's client as a promise for the frame that answers it, reconnecting and resuming by
// itself. Works with any hub of the 0.28 wire; what is ours (`ask`) needs one of ours.
import type { Answer, Ask, Chat, Results, Verb } from "../../protocol/coordination.ts"
import { synapsePort, type AgentFields, type AgentType, type HubFrame, type WireChat } from "../../protocol/synapse.ts"
import { makeFeed } from "./feed.ts"
import { makeWaiting, type Request } from "./pending.ts"
import { SynapseRefused } from "./refused.ts"
import { makeSession, type Session } from "./session.ts"

export interface SynapseAgentOptions {
  /** Default `ws://localhost:8876`. */
  readonly uri?: string
  /** The seat: bound with the first frame, for as long as the agent lives. */
  readonly name: string
  readonly token?: string
  /** How long an answer may take, in milliseconds; default 10,000. */
  readonly timeoutMillis?: number
  /** How long it may take until the hub has taken the name, in milliseconds; default 5,000. */
  readonly connectMillis?: number
  /** Connect again when the connection breaks; default true. */
  readonly reconnect?: boolean
  /** Longest pause between two attempts, in milliseconds; default 15,000. */
  readonly pauseMillisMax?: number
  /** Between two signs of life, in seconds: at least 5, default 20. */
  readonly heartbeatSeconds?: number
  /** It only waits for messages of this other seat. */
  readonly mailboxFor?: string
  /** Wants to be told what it did not ask for: leases that end, tasks that are free. A hub of ours. */
  readonly notices?: boolean
}

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeoutMillis?: number
  /** Makes it repeatable; each call has one of its own, so that it may be sent again on another connection. */
  readonly key?: string
}
type Rest<T extends AgentType, Named extends string> = Omit<AgentFields[T], Named>

const defaults = { timeoutMillis: 10_000, connectMillis: 5_000, pauseMillisMax: 15_000, heartbeatSeconds: 20, heartbeatSecondsMin: 5 }
/** A card ends after 300 seconds. */
const advertiseMillis = 100_000
/** Chats that are remembered, so that none is handed out twice. */
const seenMax = 4_096
const historyDefault = 20

const keyed: ReadonlySet<AgentType> = new Set<AgentType>([
  "claim", "release", "task_update", "handoff", "checkpoint", "resource_offer", "ledger_task", "ledger_task_update", "ledger_progress"
])

type Chatted = HubFrame<"chat">

export class SynapseAgent implements Disposable {
  readonly uri: string
  readonly name: string
  /** Resolves when the hub has taken the name; rejects with `SynapseRefused` or `KernelUnreachable`. */
  readonly ready: Promise<void>
  /** Resolves when it has ended: with why, or nothing when it was closed. */
  readonly closed: Promise<Error | undefined>
  readonly #timeoutMillis: number
  readonly #session: Session
  readonly #waiting = makeWaiting()
  readonly #frames = makeFeed<HubFrame>("Frames that wait for a reader")
  readonly #chats = makeFeed<WireChat>("Messages that wait for a reader")
  readonly #listeners = new Set<(frame: HubFrame) => void>()
  readonly #seen = new Set<string>()
  /** Chats that came while older ones are asked for; undefined when nothing is. */
  #held: Array<Chatted> | undefined
  #resuming: AbortController | undefined
  #last = 0
  #hub = ""
  #card: AgentFields["advertise"] | undefined
  #cardTimer: ReturnType<typeof setInterval> | undefined
  /** Set when messages were lost for good: the hub keeps them no longer. */
  #gap = false
  #wasReady = false

  /** Begins to connect. `SynapseAgent.connect` waits until the name is taken. */
  constructor(options: SynapseAgentOptions) {
    this.uri = options.uri ?? `ws://localhost:${synapsePort}`
    this.name = options.name.trim()
    this.#timeoutMillis = options.timeoutMillis ?? defaults.timeoutMillis
    let ended: (failure: Error | undefined) => void
    this.closed = new Promise((resolve) => (ended = resolve))
    this.#session = makeSession({
      uri: this.uri, name: this.name,
      ...(options.token === undefined ? {} : { token: options.token }),
      hello: {
        ...(options.mailboxFor === undefined ? {} : { mailbox_for: options.mailboxFor }), ...(options.notices === true ? { notices: true } : {})
      },
      reconnect: options.reconnect ?? true,
      connectMillis: options.connectMillis ?? defaults.connectMillis,
      pauseMillisMax: options.pauseMillisMax ?? defaults.pauseMillisMax,
      heartbeatMillis: Math.max(defaults.heartbeatSecondsMin, options.heartbeatSeconds ?? defaults.heartbeatSeconds) * 1_000
    }, {
      bound: (isFirst) => this.#bound(isFirst),
      frame: (frame) => this.#hear(frame),
      lost: () => this.#resuming?.abort(),
      ended: (failure) => {
        clearInterval(this.#cardTimer)
        this.#waiting.end(failure ?? new SynapseRefused({ code: "UNAVAILABLE", reason: `${this.name} has left the hub.` }))
        this.#frames.end(failure)
        this.#chats.end(failure)
        ended(failure)
      }
    })
    this.ready = this.#session.start()
    // Who does not wait for it learns of it by the first call.
    this.ready.catch(() => undefined)
  }

  /** Connects, and waits until the name is taken. */
  static async connect(options: SynapseAgentOptions): Promise<SynapseAgent> {
    const agent = new SynapseAgent(options)
    await agent.ready
    return agent
  }

  /** Whether the hub has taken the name at any time. */
  get wasReady(): boolean {
    return this.#wasReady
  }

  get isConnected(): boolean {
    return this.#session.isBound()
  }

  /** Of the hub that it is connected to, or was last. */
  get hubId(): string {
    return this.#session.hubId()
  }

  /** Whether the hub is one of ours: it correlates answers, and takes `ask`. */
  get isOurs(): boolean {
    return this.#session.has("ask")
  }

  /** The newest message that it was handed: what it resumes from. */
  get lastMessage(): number {
    return this.#last
  }

  /** Messages were lost while it was away: the hub keeps them no longer. */
  get hasGap(): boolean {
    return this.#gap
  }

  close(): void {
    this.#session.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Everything that comes but its own chats, from now on; answers how to stop. */
  listen(listener: (frame: HubFrame) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** As `listen`. Throws `Overloaded` when it is read too slowly, and what ended the connection for good. */
  frames(signal?: AbortSignal): AsyncGenerator<HubFrame, void, undefined> {
    return this.#frames.read(signal)
  }

  /** Chats of others, each once, in order also across connections. */
  messages(signal?: AbortSignal): AsyncGenerator<WireChat, void, undefined> {
    return this.#chats.read(signal)
  }

  /** Sends a message; answers its echo, with its number. */
  chat(payload: string, { target = "all", priority, receipt, clientMessage, ...call }: CallOptions & {
    readonly target?: string; readonly priority?: boolean; readonly receipt?: boolean; readonly clientMessage?: string
  } = {}): Promise<HubFrame<"chat">> {
    return this.#ask("chat", {
      ...(priority === undefined ? {} : { priority }), ...(receipt === undefined ? {} : { receipt_requested: receipt }),
      client_msg_id: clientMessage ?? crypto.randomUUID(), target, payload
    }, call)
  }

  /** With `wait` it stays in line until the task is free, without a time limit unless one is given. */
  claim(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"claim", "task_id"> = {}): Promise<HubFrame<"claim_granted">> {
    const limit = timeoutMillis ?? (rest.wait === true ? Infinity : undefined)
    return this.#ask("claim", { task_id: task, payload: task, ...rest }, callOf(key, signal, limit))
  }

  release(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"release", "task_id"> = {}): Promise<HubFrame<"release_granted">> {
    return this.#ask("release", { task_id: task, payload: task, ...rest }, callOf(key, signal, timeoutMillis))
  }

  updateTask(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"task_update", "task_id">): Promise<HubFrame<"task_updated">> {
    return this.#ask("task_update", { task_id: task, ...rest }, callOf(key, signal, timeoutMillis))
  }

  handoff(task: string, to: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"handoff", "task_id" | "to_agent"> = {}): Promise<HubFrame<"handoff_granted">> {
    return this.#ask("handoff", { task_id: task, to_agent: to, ...rest }, callOf(key, signal, timeoutMillis))
  }

  saveCheckpoint(task: string, checkpoint: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"checkpoint", "task_id" | "checkpoint"> = {}): Promise<HubFrame<"checkpoint_saved">> {
    return this.#ask("checkpoint", { task_id: task, checkpoint, ...rest }, callOf(key, signal, timeoutMillis))
  }

  /** Asks to be told when a task that another seat holds is free. */
  requestWait(task: string, call: CallOptions = {}): Promise<HubFrame<"wait_granted">> {
    return this.#ask("wait_request", { task_id: task, payload: task }, call)
  }

  offerResource(kind: string, name: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"resource_offer", "kind" | "name"> = {}): Promise<HubFrame<"resource_offered">> {
    return this.#ask("resource_offer", { kind, name, ...rest }, callOf(key, signal, timeoutMillis))
  }

  postTask(task: string, title: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"ledger_task", "task_id" | "title"> = {}): Promise<HubFrame<"ledger_task_posted">> {
    return this.#ask("ledger_task", { task_id: task, title, ...rest }, callOf(key, signal, timeoutMillis))
  }

  updateLedgerTask(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"ledger_task_update", "task_id">): Promise<HubFrame<"ledger_task_updated">> {
    return this.#ask("ledger_task_update", { task_id: task, ...rest }, callOf(key, signal, timeoutMillis))
  }

  postProgress(task: string, text: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"ledger_progress", "task_id" | "text"> = {}): Promise<HubFrame<"ledger_progress_posted">> {
    return this.#ask("ledger_progress", { task_id: task, text, ...rest }, callOf(key, signal, timeoutMillis))
  }

  /** Says what it can do, again before that ends, and after each new connection. */
  async advertise(card: AgentFields["advertise"], call: CallOptions = {}): Promise<HubFrame<"capability_advertised">> {
    const told = await this.#ask("advertise", { ...card }, call)
    this.#card = card
    clearInterval(this.#cardTimer)
    this.#cardTimer = setInterval(() => this.#session.send("advertise", { ...card }), advertiseMillis)
    ;(this.#cardTimer as { readonly unref?: () => void }).unref?.() // only where timers hold a process
    return told
  }

  requestState(call: CallOptions = {}): Promise<HubFrame<"state_snapshot">> {
    return this.#ask("state_request", {}, call)
  }

  requestWho(call: CallOptions = {}): Promise<HubFrame<"who_snapshot">> {
    return this.#ask("who_request", {}, call)
  }

  /** The last so many messages; `all` that are kept. */
  requestHistory(limit: number | "all" = historyDefault, call: CallOptions = {}): Promise<HubFrame<"history_snapshot">> {
    return this.#ask("history_request", limit === "all" ? {} : { limit }, call)
  }

  requestResume(since: number, call: CallOptions = {}): Promise<HubFrame<"resume_snapshot">> {
    return this.#ask("resume_request", { since }, call)
  }

  requestBoard(call: CallOptions = {}): Promise<HubFrame<"board_snapshot">> {
    return this.#ask("board_request", {}, call)
  }

  requestManifest(call: CallOptions = {}): Promise<HubFrame<"manifest_snapshot">> {
    return this.#ask("manifest_request", {}, call)
  }

  /** Any request of coordination as it is, times in milliseconds. A hub of ours; another one is not asked. */
  async ask<V extends Verb>(ask: Extract<Ask, { readonly verb: V }>, call: CallOptions = {}): Promise<Results[V]> {
    await this.ready
    if (!this.isOurs) throw new SynapseRefused({ code: "UNSUPPORTED", reason: `The hub at ${this.uri} knows no ${ask.verb}: it is none of ours.` })
    const { answer } = await this.#ask("ask", { ask }, call)
    const given = answer as Answer<V> // the hub answers the verb that was asked
    if (given.ok) return given
    const { code, conflict, current, holder, message } = given
    throw new SynapseRefused({
      code, reason: message, ...(holder === undefined ? {} : { holder }), ...(conflict === undefined ? {} : { conflict }), ...(current === undefined ? {} : { current })
    })
  }

  async #ask<T extends keyof Grants>(type: T, fields: Readonly<Record<string, unknown>>, { key, signal, timeoutMillis = this.#timeoutMillis }: CallOptions): Promise<HubFrame<Grants[T]>> {
    await this.ready
    const id = crypto.randomUUID()
    const request: Request = { id, type, fields: { ...fields, request_id: id, ...(keyed.has(type) ? { idem_key: key ?? id } : {}) } }
    const answer = this.#waiting.add(request, timeoutMillis, signal)
    // While older messages are asked for, what is open waits for that and is sent with the rest.
    if (this.#held === undefined) this.#send(request)
    return await answer as unknown as HubFrame<Grants[T]> // a request is resolved by the type that grants it
  }

  #send({ fields, type }: Request): void {
    const { target, payload } = fields
    this.#session.send(type, fields, typeof target === "string" ? target : "all", typeof payload === "string" ? payload : "")
  }

  #bound(isFirst: boolean): void {
    const hub = this.#session.hubId()
    const isSame = hub === this.#hub
    this.#hub = hub
    if (isFirst) return void (this.#wasReady = true)
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
      if (this.#card !== undefined) this.#session.send("advertise", { ...this.#card })
    })
  }

  /** What was said while it was away. */
  async #resume(signal: AbortSignal): Promise<void> {
    if (this.#last === 0) return
    for (;;) {
      const id = crypto.randomUUID()
      const request: Request = { id, type: "resume_request", fields: { since: this.#last, request_id: id } }
      const answer = this.#waiting.add(request, this.#timeoutMillis, signal) as Promise<HubFrame<"resume_snapshot">> // by its type
      this.#send(request)
      const { gap, messages, truncated } = await answer
      if (gap === true) this.#gap = true
      const before = this.#last
      for (const message of messages) {
        const chat: Chatted = { ...message, type: "chat" }
        // One of its own that had no answer yet was kept before the connection broke.
        if (chat.sender === this.name) this.#echoed(chat)
        this.#chatted(chat)
      }
      if (truncated !== true || this.#last === before) return
    }
  }

  #echoed(chat: Chatted): void {
    const mine = chat.client_msg_id === undefined ? undefined : this.#waiting.open().find(({ fields }) => fields["client_msg_id"] === chat.client_msg_id)
    if (mine !== undefined) this.#waiting.hear({ ...chat, request_id: mine.id }, this.name, true)
  }

  #hear(frame: HubFrame): void {
    const answered = this.#waiting.hear(frame, this.name, this.#session.has("request_id"))
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
    if (chat.replayed !== true) this.#last = chat.msg_id
    if (chat.sender === this.name) return
    this.#chats.push(chat)
    this.#tell(chat)
  }

  #tell(frame: HubFrame): void {
    this.#frames.push(frame)
    for (const listener of this.#listeners) listener(frame)
  }
}

/** What grants a request, by its type. */
interface Grants {
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

const chatOf = ({ at, clientMessage, from, message, payload, priority, target }: Chat) => ({
  type: "chat" as const, sender: from, target, payload, timestamp: at / 1_000, msg_id: message,
  ...(priority === undefined ? {} : { priority }), ...(clientMessage === undefined ? {} : { client_msg_id: clientMessage })
})

const callOf = (key: string | undefined, signal: AbortSignal | undefined, timeoutMillis: number | undefined): CallOptions => ({
  ...(key === undefined ? {} : { key }), ...(signal === undefined ? {} : { signal }), ...(timeoutMillis === undefined ? {} : { timeoutMillis })
})
