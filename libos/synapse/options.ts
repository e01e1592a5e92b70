// How an agent takes its seat, and how it asks.
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
  /**
   * Acts beside a connection that has the seat, where there is one; else it takes it. Several of them are one seat: what one
   * claims the others hold. What was kept for the seat is handed to none of them: `inbox` has it. A hub of ours.
   */
  readonly beside?: boolean
  /** It only waits for messages of this other seat. */
  readonly mailboxFor?: string
  /** Wants to be told what it did not ask for: leases that end, tasks that are free. A hub of ours. */
  readonly notices?: boolean
}

export interface CallOptions {
  /** Gives up: a claim that was waited for, or is granted just then, is given back to a hub of ours. */
  readonly signal?: AbortSignal
  readonly timeoutMillis?: number
  /** Makes it repeatable; each call has one of its own, so that it may be sent again on another connection. */
  readonly key?: string
}

export const agentDefaults = { timeoutMillis: 10_000, connectMillis: 5_000, pauseMillisMax: 15_000, heartbeatSeconds: 20, heartbeatSecondsMin: 5 }
