// A seat at a hub: every verb of the ancestor's client as a promise for the frame that answers it, reconnecting and resuming by
// itself. Works with any hub of the 0.28 wire; what is ours (`ask`) needs one of ours.
import type { Answer, Ask, Results, Verb } from "../../protocol/coordination.ts"
import { synapsePort, type AgentFields, type AgentType, type HubFrame, type WireChat } from "../../protocol/synapse.ts"
import type { CallOptions, SynapseAgentOptions } from "./options.ts"
import { SynapseRefused } from "./refused.ts"
import { Seat } from "./seat.ts"

export type { CallOptions, SynapseAgentOptions } from "./options.ts"

type Rest<T extends AgentType, Named extends string> = Omit<AgentFields[T], Named>

const historyDefault = 20

/** Verbs that a key makes repeatable. */
const changing: ReadonlySet<Verb> = new Set<Verb>(["claim", "release", "update", "handoff", "checkpoint", "offer", "declare", "plan", "progress"])

export class SynapseAgent implements Disposable {
  readonly uri: string
  readonly name: string
  /** Resolves when the hub has taken the name; rejects with `SynapseRefused` or `KernelUnreachable`. */
  readonly ready: Promise<void>
  /** Resolves when it has ended: with why, or nothing when it was closed. */
  readonly closed: Promise<Error | undefined>
  readonly #seat: Seat

  /** Begins to connect. `SynapseAgent.connect` waits until the name is taken. */
  constructor(options: SynapseAgentOptions) {
    this.uri = options.uri ?? `ws://localhost:${synapsePort}`
    this.#seat = new Seat(this.uri, options)
    this.name = this.#seat.name
    this.ready = this.#seat.ready
    this.closed = this.#seat.closed
  }

  /** Connects, and waits until the name is taken. */
  static async connect(options: SynapseAgentOptions): Promise<SynapseAgent> {
    const agent = new SynapseAgent(options)
    await agent.ready
    return agent
  }

  /** Whether the hub has taken the name at any time. */
  get wasReady(): boolean {
    return this.#seat.wasReady
  }

  get isConnected(): boolean {
    return this.#seat.session.isBound()
  }

  /** Of the hub that it is connected to, or was last. */
  get hubId(): string {
    return this.#seat.session.hubId()
  }

  /** Whether the hub is one of ours: it correlates answers, and takes `ask`. */
  get isOurs(): boolean {
    return this.#seat.session.has("ask")
  }

  /** The newest message that it was handed: what it resumes from. */
  get lastMessage(): number {
    return this.#seat.last
  }

  /** Messages were lost while it was away: the hub keeps them no longer. */
  get hasGap(): boolean {
    return this.#seat.hasGap
  }

  close(): void {
    this.#seat.session.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** Everything that comes but its own chats, from now on; answers how to stop. */
  listen(listener: (frame: HubFrame) => void): () => void {
    this.#seat.listeners.add(listener)
    return () => void this.#seat.listeners.delete(listener)
  }

  /** As `listen`. Throws `Overloaded` when it is read too slowly, and what ended the connection for good. */
  frames(signal?: AbortSignal): AsyncGenerator<HubFrame, void, undefined> {
    return this.#seat.frames.read(signal)
  }

  /** Chats of others, each once, in order also across connections. */
  messages(signal?: AbortSignal): AsyncGenerator<WireChat, void, undefined> {
    return this.#seat.chats.read(signal)
  }

  /** Sends a message; answers its echo, with its number. */
  chat(payload: string, { target = "all", priority, receipt, clientMessage, ...call }: CallOptions & {
    readonly target?: string; readonly priority?: boolean; readonly receipt?: boolean; readonly clientMessage?: string
  } = {}): Promise<HubFrame<"chat">> {
    return this.#seat.ask("chat", {
      ...(priority === undefined ? {} : { priority }), ...(receipt === undefined ? {} : { receipt_requested: receipt }),
      client_msg_id: clientMessage ?? crypto.randomUUID(), target, payload
    }, call)
  }

  /** With `wait` it stays in line until the task is free, without a time limit unless one is given. */
  claim(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"claim", "task_id"> = {}): Promise<HubFrame<"claim_granted">> {
    const limit = timeoutMillis ?? (rest.wait === true ? Infinity : undefined)
    return this.#seat.ask("claim", { task_id: task, payload: task, ...rest }, callOf(key, signal, limit))
  }

  release(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"release", "task_id"> = {}): Promise<HubFrame<"release_granted">> {
    return this.#seat.ask("release", { task_id: task, payload: task, ...rest }, callOf(key, signal, timeoutMillis))
  }

  updateTask(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"task_update", "task_id">): Promise<HubFrame<"task_updated">> {
    return this.#seat.ask("task_update", { task_id: task, ...rest }, callOf(key, signal, timeoutMillis))
  }

  handoff(task: string, to: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"handoff", "task_id" | "to_agent"> = {}): Promise<HubFrame<"handoff_granted">> {
    return this.#seat.ask("handoff", { task_id: task, to_agent: to, ...rest }, callOf(key, signal, timeoutMillis))
  }

  saveCheckpoint(task: string, checkpoint: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"checkpoint", "task_id" | "checkpoint"> = {}): Promise<HubFrame<"checkpoint_saved">> {
    return this.#seat.ask("checkpoint", { task_id: task, checkpoint, ...rest }, callOf(key, signal, timeoutMillis))
  }

  /** Asks to be told when a task that another seat holds is free. */
  requestWait(task: string, call: CallOptions = {}): Promise<HubFrame<"wait_granted">> {
    return this.#seat.ask("wait_request", { task_id: task, payload: task }, call)
  }

  offerResource(kind: string, name: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"resource_offer", "kind" | "name"> = {}): Promise<HubFrame<"resource_offered">> {
    return this.#seat.ask("resource_offer", { kind, name, ...rest }, callOf(key, signal, timeoutMillis))
  }

  postTask(task: string, title: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"ledger_task", "task_id" | "title"> = {}): Promise<HubFrame<"ledger_task_posted">> {
    return this.#seat.ask("ledger_task", { task_id: task, title, ...rest }, callOf(key, signal, timeoutMillis))
  }

  updateLedgerTask(task: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"ledger_task_update", "task_id">): Promise<HubFrame<"ledger_task_updated">> {
    return this.#seat.ask("ledger_task_update", { task_id: task, ...rest }, callOf(key, signal, timeoutMillis))
  }

  postProgress(task: string, text: string, { key, signal, timeoutMillis, ...rest }: CallOptions & Rest<"ledger_progress", "task_id" | "text"> = {}): Promise<HubFrame<"ledger_progress_posted">> {
    return this.#seat.ask("ledger_progress", { task_id: task, text, ...rest }, callOf(key, signal, timeoutMillis))
  }

  /** Says what it can do, again before that ends, and after each new connection. */
  async advertise(card: AgentFields["advertise"], call: CallOptions = {}): Promise<HubFrame<"capability_advertised">> {
    const told = await this.#seat.ask("advertise", { ...card }, call)
    this.#seat.keepSaying(card)
    return told
  }

  requestState(call: CallOptions = {}): Promise<HubFrame<"state_snapshot">> {
    return this.#seat.ask("state_request", {}, call)
  }

  requestWho(call: CallOptions = {}): Promise<HubFrame<"who_snapshot">> {
    return this.#seat.ask("who_request", {}, call)
  }

  /** The last so many messages; `all` that are kept. */
  requestHistory(limit: number | "all" = historyDefault, call: CallOptions = {}): Promise<HubFrame<"history_snapshot">> {
    return this.#seat.ask("history_request", limit === "all" ? {} : { limit }, call)
  }

  requestResume(since: number, call: CallOptions = {}): Promise<HubFrame<"resume_snapshot">> {
    return this.#seat.ask("resume_request", { since }, call)
  }

  requestBoard(call: CallOptions = {}): Promise<HubFrame<"board_snapshot">> {
    return this.#seat.ask("board_request", {}, call)
  }

  requestManifest(call: CallOptions = {}): Promise<HubFrame<"manifest_snapshot">> {
    return this.#seat.ask("manifest_request", {}, call)
  }

  /** Any request of coordination as it is, times in milliseconds. A hub of ours; another one is not asked. */
  async ask<V extends Verb>(ask: Extract<Ask, { readonly verb: V }>, call: CallOptions = {}): Promise<Results[V]> {
    await this.ready
    if (!this.isOurs) throw new SynapseRefused({ code: "UNSUPPORTED", reason: `The hub at ${this.uri} knows no ${ask.verb}: it is none of ours.` })
    // It may be sent again on another connection, and is to be done once.
    const asked = changing.has(ask.verb) && !("key" in ask) ? { ...ask, key: call.key ?? crypto.randomUUID() } : ask
    const { answer } = await this.#seat.ask("ask", { ask: asked }, call)
    const given = answer as Answer<V> // the hub answers the verb that was asked
    if (given.ok) return given
    const { code, conflict, current, holder, message } = given
    throw new SynapseRefused({
      code, reason: message, ...(holder === undefined ? {} : { holder }), ...(conflict === undefined ? {} : { conflict }), ...(current === undefined ? {} : { current })
    })
  }
}

const callOf = (key: string | undefined, signal: AbortSignal | undefined, timeoutMillis: number | undefined): CallOptions => ({
  ...(key === undefined ? {} : { key }), ...(signal === undefined ? {} : { signal }), ...(timeoutMillis === undefined ? {} : { timeoutMillis })
})
